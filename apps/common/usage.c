/* common/usage.c: the usage text of a command as a grammar.
 *
 * The text is read by recursive descent into a small tree (the depth is bounded: the text is ours,
 * but a newer daemon may have sent it), the tree becomes a nondeterministic automaton in Thompson's
 * way, and a line is walked by keeping the set of states in which the reader may be. So nothing is
 * decided too early: whether `ip addr show eth0` is the form with `dev` or the one without.
 *
 * Three things are looser than the notation, because the tools are: options that stand in a row may
 * come in any order; `-az` is `-a -z` where both are there; and a word may be shortened, as
 * iproute2 allows, when no word of that spelling fits.
 */
#include "common/usage.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 24    /* brackets within brackets, and definitions within definitions */
#define NODES_MAX 60000 /* definitions that name each other would grow without end */

enum node_type { N_EMPTY, N_WORD, N_VALUE, N_LETTERS, N_SEQ, N_ALT, N_OPT, N_ANY, N_REPEAT };

struct node {
    enum node_type type;
    char *word, *tail, *fixed;
    struct node *child, *next; /* first of several; the next of the parent's */
    struct node *link;         /* all of a parse, for freeing */
    bool once;                 /* begins an option: is offered once */
};

/* S_REST: all words of a command (CMD) but the first. */
enum state_type { S_SPLIT, S_WORD, S_VALUE, S_REST, S_LETTERS, S_END };

struct state {
    enum state_type type;
    const struct node *node;
    int out, other; /* -1: none */
};

struct usage {
    struct node *nodes;
    struct state *state;
    int nstates, cap;
    int start;
};

/* ---- reading ---- */

struct definition {
    const char *name, *text;
    size_t name_len, len;
};

struct reader {
    const char *at, *end;
    const char *name; /* the command's */
    struct usage *u;
    struct definition *defs;
    size_t ndefs, nnodes;
    unsigned depth;
    bool failed;
    char *msg;
    size_t msg_size;
};

static struct node *read_alternatives(struct reader *r);

static void *fail(struct reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void *fail(struct reader *r, const char *fmt, ...)
{
    va_list ap;
    if (r->failed)
        return NULL;
    r->failed = true;
    int n = snprintf(r->msg, r->msg_size, "the usage of '%s': ", r->name);
    va_start(ap, fmt);
    if (n > 0 && (size_t)n < r->msg_size)
        vsnprintf(r->msg + n, r->msg_size - (size_t)n, fmt, ap);
    va_end(ap);
    return NULL;
}

static struct node *make(struct reader *r, enum node_type type, struct node *child)
{
    if (++r->nnodes > NODES_MAX)
        return fail(r, "it is too large");
    struct node *n = calloc(1, sizeof(*n));
    if (n == NULL)
        abort();
    n->type = type;
    n->child = child;
    n->link = r->u->nodes;
    r->u->nodes = n;
    return n;
}

static bool blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t';
}

static void skip_blanks(struct reader *r)
{
    while (r->at < r->end && blank(*r->at))
        r->at++;
}

/* "..." or the single character for it. */
static size_t dots(const struct reader *r, const char *p)
{
    if (r->end - p >= 3 && (memcmp(p, "...", 3) == 0 || memcmp(p, "\xe2\x80\xa6", 3) == 0))
        return 3;
    return 0;
}

static bool upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

/* [-tuan]: letters, except these words that iproute2 and its kin spell with one dash. */
static bool joined_letters(const char *w)
{
    static const char *const words[] = {"-br",      "-brief",  "-json",  "-batch",   "-stats",
                                        "-details", "-pretty", "-force", "-oneline", "-numeric",
                                        "-all",     "-color",  "-4",     "-6",       "-timestamp",
                                        "-ts",      "-echo"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(w, words[i]) == 0)
            return false;
    size_t n = strlen(w);
    if (n < 3 || w[0] != '-' || w[1] == '-')
        return false;
    for (size_t i = 1; i < n; i++)
        if (!isalnum((unsigned char)w[i]))
            return false;
    return true;
}

static struct node *value_node(struct reader *r, const char *w, size_t fixed, size_t len)
{
    size_t class = fixed;
    while (class < len && (upper(w[class]) || isdigit((unsigned char)w[class]) || w[class] == '_' ||
                           (w[class] == '-' && class + 1 < len && upper(w[class + 1]))))
        class ++;
    for (size_t i = 0; fixed == 0 && i < r->ndefs; i++) {
        const struct definition *d = &r->defs[i];
        if (d->name_len != class || memcmp(d->name, w, class) != 0 || class != len)
            continue;
        if (r->depth >= DEPTH_MAX)
            return fail(r, "%.*s stands for itself", (int)class, w);
        const char *at = r->at, *end = r->end;
        r->at = d->text;
        r->end = d->text + d->len;
        r->depth++;
        struct node *n = read_alternatives(r);
        r->depth--;
        r->at = at;
        r->end = end;
        return n;
    }
    struct node *n = make(r, N_VALUE, NULL);
    if (n != NULL) {
        n->fixed = strndup(w, fixed);
        n->word = strndup(w + fixed, class - fixed);
        n->tail = strndup(w + class, len - class);
    }
    return n;
}

static struct node *word_node(struct reader *r, const char *w, size_t len)
{
    /* Options may have capitals (-L); theirs is a value only behind a =. */
    size_t fixed = 0;
    if (w[0] == '-' && len > 1) {
        const char *eq = memchr(w, '=', len);
        fixed = eq != NULL ? (size_t)(eq - w) + 1 : len;
    } else {
        while (fixed < len && !upper(w[fixed]))
            fixed++;
    }
    if (fixed < len && upper(w[fixed]))
        return value_node(r, w, fixed, len);
    struct node *n = make(r, N_WORD, NULL);
    if (n != NULL)
        n->word = strndup(w, len);
    return n;
}

static struct node *read_word(struct reader *r)
{
    const char *w = r->at;
    if (*r->at == '\'') { /* 'NODE COMMAND': a value of several words in quotes */
        const char *quote = memchr(w + 1, '\'', (size_t)(r->end - w - 1));
        if (quote == NULL)
            return fail(r, "the quote ' is not closed");
        r->at = quote + 1;
        return word_node(r, w + 1, (size_t)(quote - w) - 1);
    }
    while (r->at < r->end && !blank(*r->at) && strchr("[]{}|", *r->at) == NULL &&
           dots(r, r->at) == 0)
        r->at++;
    size_t len = (size_t)(r->at - w);
    if (r->at == r->end || *r->at != '[')
        return word_node(r, w, len);
    /* ADDR[:PORT] says how a value goes on; --plot[=FILE] is two words. */
    const char *open = r->at;
    while (r->at < r->end && *r->at == '[') {
        const char *close = memchr(r->at, ']', (size_t)(r->end - r->at));
        if (close == NULL)
            return fail(r, "a [ is not closed");
        r->at = close + 1;
    }
    struct node *plain = word_node(r, w, len);
    if (plain != NULL && plain->type == N_VALUE && plain->tail[0] == '\0') {
        free(plain->tail);
        plain->tail = strndup(open, (size_t)(r->at - open));
    }
    if (plain == NULL || plain->type != N_WORD || open[1] != '=')
        return plain;
    char both[128];
    int n =
        snprintf(both, sizeof(both), "%.*s%.*s", (int)len, w, (int)(r->at - open - 2), open + 1);
    if (n < 0 || n >= (int)sizeof(both))
        return fail(r, "'%.*s' is too long", (int)len, w);
    plain->next = word_node(r, both, (size_t)n);
    return make(r, N_ALT, plain);
}

static struct node *read_atom(struct reader *r)
{
    char open = *r->at;
    if (open != '[' && open != '{')
        return open == ']' || open == '}' || open == '|' ? fail(r, "a '%c' too many", open)
                                                         : read_word(r);
    if (r->depth >= DEPTH_MAX)
        return fail(r, "too many brackets");
    r->at++;
    r->depth++;
    struct node *inner = read_alternatives(r);
    r->depth--;
    if (inner == NULL)
        return NULL;
    if (r->at == r->end || *r->at != (open == '[' ? ']' : '}'))
        return fail(r, "a '%c' is not closed", open);
    r->at++;
    if (open == '{')
        return inner;
    struct node *only = inner->type == N_SEQ && inner->child != NULL && inner->child->next == NULL
                            ? inner->child
                            : inner;
    if (only->type == N_WORD && joined_letters(only->word))
        only->type = N_LETTERS;
    return make(r, N_OPT, inner);
}

/* a|b without blanks, and what repeats. */
static struct node *read_item(struct reader *r)
{
    struct node *first = read_atom(r), *last = first;
    if (first == NULL)
        return NULL;
    bool several = false;
    while (r->at + 1 < r->end && *r->at == '|' && !blank(r->at[1])) {
        r->at++;
        struct node *n = read_atom(r);
        if (n == NULL)
            return NULL;
        last->next = n;
        last = n;
        several = true;
    }
    if (several)
        first = make(r, N_ALT, first);
    const char *p = r->at;
    while (p < r->end && *p == ' ')
        p++;
    size_t n = dots(r, p);
    if (n > 0 && first != NULL) {
        r->at = p + n;
        bool optional = first->type == N_OPT;
        first = make(r, N_REPEAT, first);
        if (optional && first != NULL)
            first = make(r, N_OPT, first);
    }
    return first;
}

static void mark_once(struct node *n)
{
    if (n->type == N_WORD)
        n->once = true;
    if (n->type == N_ALT)
        for (struct node *c = n->child; c != NULL; c = c->next)
            mark_once(c);
    else if ((n->type == N_SEQ || n->type == N_OPT) && n->child != NULL)
        mark_once(n->child);
}

/* Optional items in a row become one that takes them in any order. */
static struct node *read_sequence(struct reader *r)
{
    struct node *seq = make(r, N_SEQ, NULL), **end = seq != NULL ? &seq->child : NULL;
    struct node *row = NULL, **row_end = NULL;
    while (seq != NULL) {
        skip_blanks(r);
        if (r->at == r->end || strchr("]}|", *r->at) != NULL)
            break;
        struct node *n = read_item(r);
        if (n == NULL)
            return NULL;
        if (n->type == N_OPT)
            mark_once(n);
        if (n->type != N_OPT) {
            row = NULL;
        } else if (row == NULL) {
            struct node *any = make(r, N_ANY, n);
            if (any == NULL)
                return NULL;
            row = any;
            row_end = &n->next;
            n = any;
        } else {
            *row_end = n;
            row_end = &n->next;
            continue;
        }
        *end = n;
        end = &n->next;
    }
    return seq;
}

static struct node *read_alternatives(struct reader *r)
{
    struct node *first = read_sequence(r), *last = first;
    if (first == NULL)
        return NULL;
    bool several = false;
    while (r->at < r->end && *r->at == '|') {
        r->at++;
        struct node *n = read_sequence(r);
        if (n == NULL)
            return NULL;
        last->next = n;
        last = n;
        several = true;
    }
    return several ? make(r, N_ALT, first) : first;
}

/* ---- the automaton ---- */

static int new_state(struct usage *u, enum state_type type, const struct node *n, int out,
                     int other)
{
    if (u->nstates == u->cap) {
        u->cap = u->cap ? u->cap * 2 : 256;
        struct state *grown = realloc(u->state, (size_t)u->cap * sizeof(*grown));
        if (grown == NULL)
            abort();
        u->state = grown;
    }
    u->state[u->nstates] = (struct state){type, n, out, other};
    return u->nstates++;
}

/* The state in which `n` is expected, then `then`. Depth: that of the tree, which is bounded. */
static int build(struct usage *u, const struct node *n, int then)
{
    int s;
    switch (n->type) {
    case N_EMPTY:
        return then;
    case N_WORD:
        return new_state(u, S_WORD, n, then, -1);
    case N_VALUE:
        s = new_state(u, S_VALUE, n, then, -1);
        if (strcmp(n->word, "CMD") == 0) {
            int rest = new_state(u, S_REST, n, -1, -1);
            int more = new_state(u, S_SPLIT, NULL, rest, then);
            u->state[rest].out = more;
            u->state[s].out = more;
        }
        return s;
    case N_LETTERS:
        s = new_state(u, S_LETTERS, n, -1, -1);
        u->state[s].out = new_state(u, S_SPLIT, NULL, then, s);
        return s;
    case N_SEQ: {
        const struct node *item[256];
        size_t count = 0;
        for (const struct node *c = n->child; c != NULL && count < 256; c = c->next)
            item[count++] = c;
        while (count > 0)
            then = build(u, item[--count], then);
        return then;
    }
    case N_ALT:
        s = -1;
        for (const struct node *c = n->child; c != NULL; c = c->next) {
            int way = build(u, c, then);
            s = s < 0 ? way : new_state(u, S_SPLIT, NULL, s, way);
        }
        return s < 0 ? then : s;
    case N_OPT:
        return new_state(u, S_SPLIT, NULL, build(u, n->child, then), then);
    case N_ANY: {
        if (n->child->next == NULL)
            return build(u, n->child, then);
        int loop = new_state(u, S_SPLIT, NULL, then, -1), ways = -1;
        for (const struct node *c = n->child; c != NULL; c = c->next) {
            int way = build(u, c->type == N_OPT ? c->child : c, loop);
            ways = ways < 0 ? way : new_state(u, S_SPLIT, NULL, ways, way);
        }
        u->state[loop].other = ways;
        return loop;
    }
    case N_REPEAT: {
        int again = new_state(u, S_SPLIT, NULL, then, -1);
        int first = build(u, n->child, again);
        u->state[again].other = first;
        return first;
    }
    }
    return then;
}

void usage_free(struct usage *u)
{
    if (u == NULL)
        return;
    for (struct node *n = u->nodes, *link; n != NULL; n = link) {
        link = n->link;
        free(n->word);
        free(n->tail);
        free(n->fixed);
        free(n);
    }
    free(u->state);
    free(u);
}

/* The end of the form that begins at p: a newline that no blank follows. */
static const char *form_end(const char *p)
{
    while (*p != '\0' && (*p != '\n' || p[1] == ' ' || p[1] == '\t'))
        p++;
    return p;
}

/* "NAME := …": its length up to the text behind, or 0. */
static size_t definition_of(const char *p, size_t *name_len)
{
    size_t n = 0;
    while (upper(p[n]) || p[n] == '_' || p[n] == '-' || isdigit((unsigned char)p[n]))
        n++;
    *name_len = n;
    size_t gap = n + strspn(p + n, " ");
    return n > 0 && strncmp(p + gap, ":=", 2) == 0 ? gap + 2 : 0;
}

/* One form, without the command's name. Brackets with options before the first alternative belong
 * to all of them. */
static struct node *read_form(struct reader *r)
{
    size_t n = strlen(r->name);
    skip_blanks(r);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, r->name, n) != 0 ||
        (r->at + n < r->end && !blank(r->at[n]) && strchr("[|{", r->at[n]) == NULL))
        return fail(r, "a form begins with '%.*s', not with the command's name",
                    (int)(r->end - r->at > 20 ? 20 : r->end - r->at), r->at);
    r->at += n;
    struct node *form = make(r, N_SEQ, NULL), *options = make(r, N_ANY, NULL);
    if (form == NULL || options == NULL)
        return NULL;
    for (struct node **end = &options->child;;) {
        skip_blanks(r);
        if (r->end - r->at < 2 || r->at[0] != '[' || r->at[1] != '-')
            break;
        struct node *o = read_item(r);
        if (o == NULL)
            return NULL;
        mark_once(o);
        *end = o;
        end = &o->next;
    }
    struct node *rest = read_alternatives(r);
    if (rest == NULL)
        return NULL;
    if (r->at < r->end)
        return fail(r, "a '%c' too many", *r->at);
    form->child = options->child != NULL ? options : rest;
    if (options->child != NULL)
        options->next = rest;
    return form;
}

struct usage *usage_parse(const char *name, const char *text, char *msg, size_t msg_size)
{
    struct definition defs[64];
    struct reader r = {.name = name, .defs = defs, .msg = msg, .msg_size = msg_size};
    struct node *forms = NULL, **end = &forms;
    r.u = calloc(1, sizeof(*r.u));
    if (r.u == NULL)
        abort();
    for (const char *p = text, *stop; *p != '\0'; p = *stop != '\0' ? stop + 1 : stop) {
        size_t name_len, skip = definition_of(p, &name_len);
        stop = form_end(p);
        if (skip > 0 && r.ndefs < sizeof(defs) / sizeof(defs[0]))
            defs[r.ndefs++] = (struct definition){p, p + skip, name_len, (size_t)(stop - p) - skip};
    }
    for (const char *p = text, *stop; *p != '\0' && !r.failed;
         p = *stop != '\0' ? stop + 1 : stop) {
        size_t name_len;
        stop = form_end(p);
        if (stop == p || definition_of(p, &name_len) > 0)
            continue;
        r.at = p;
        r.end = stop;
        struct node *f = read_form(&r);
        if (f != NULL) {
            *end = f;
            end = &f->next;
        }
    }
    struct node *all = r.failed ? NULL : make(&r, N_ALT, forms);
    if (all == NULL) {
        usage_free(r.u);
        return NULL;
    }
    r.u->start = build(r.u, all, new_state(r.u, S_END, NULL, -1, -1));
    return r.u;
}

/* ---- walking ---- */

struct walk {
    const struct usage *u;
    unsigned char *in, *next; /* a byte a state */
    int *stack;
    int command_at; /* where CMD began, or -1 */
};

static void enter(const struct walk *w, unsigned char *set, int s)
{
    int n = 0;
    if (s < 0 || set[s])
        return;
    set[s] = 1;
    w->stack[n++] = s;
    while (n > 0) {
        const struct state *at = &w->u->state[w->stack[--n]];
        if (at->type != S_SPLIT)
            continue;
        const int way[2] = {at->out, at->other};
        for (int i = 0; i < 2; i++) {
            if (way[i] >= 0 && !set[way[i]]) {
                set[way[i]] = 1;
                w->stack[n++] = way[i];
            }
        }
    }
}

static void walk_begin(struct walk *w, const struct usage *u)
{
    size_t n = (size_t)u->nstates;
    w->u = u;
    w->in = calloc(n, 1);
    w->next = calloc(n, 1);
    w->stack = calloc(n, sizeof(int));
    w->command_at = -1;
    if (w->in == NULL || w->next == NULL || w->stack == NULL)
        abort();
    enter(w, w->in, u->start);
}

static void walk_end(struct walk *w)
{
    free(w->in);
    free(w->next);
    free(w->stack);
}

/* Values may be anything but an option; a lone dash and a negative number aren't one. */
static bool value_fits(const struct node *n, const char *word)
{
    size_t fixed = strlen(n->fixed);
    if (strncmp(word, n->fixed, fixed) != 0)
        return false;
    word += fixed;
    return fixed > 0 || word[0] != '-' || word[1] == '\0' || isdigit((unsigned char)word[1]) ||
           strcmp(n->word, "WORD") == 0 || strcmp(n->word, "EXPR") == 0;
}

static bool letters_fit(const char *letters, const char *word)
{
    return word[0] == '-' && word[1] != '\0' && strspn(word + 1, letters + 1) == strlen(word + 1);
}

static bool has_exact(const struct walk *w, const char *word)
{
    for (int i = 0; i < w->u->nstates; i++)
        if (w->in[i] && w->u->state[i].type == S_WORD &&
            strcmp(w->u->state[i].node->word, word) == 0)
            return true;
    return false;
}

enum how { EXACT, LOOSE };

/* Takes `word` in every state of `in`; false: it fits none. A word that stands in the grammar as it
 * is isn't a value too, nor short for another. */
static bool take(struct walk *w, const char *word, enum how how)
{
    bool any = false, exact = has_exact(w, word);
    memset(w->next, 0, (size_t)w->u->nstates);
    for (int i = 0; i < w->u->nstates; i++) {
        const struct state *s = &w->u->state[i];
        bool fits = false;
        if (!w->in[i])
            continue;
        if (s->type == S_WORD)
            fits = strcmp(s->node->word, word) == 0 ||
                   (how == LOOSE && !exact && word[0] != '\0' && word[0] != '-' &&
                    strncmp(s->node->word, word, strlen(word)) == 0);
        else if (s->type == S_LETTERS)
            fits = letters_fit(s->node->word, word);
        else if (s->type == S_VALUE)
            fits = !exact && value_fits(s->node, word);
        else if (s->type == S_REST)
            fits = true;
        if (fits) {
            enter(w, w->next, s->out);
            any = true;
        }
    }
    return any;
}

static void advance(struct walk *w)
{
    unsigned char *was = w->in;
    w->in = w->next;
    w->next = was;
}

/* -az as -a -z, and -c3 as -c 3: a letter at a time. The walk is at the end of the word, or false
 * and where it was. */
static bool take_letters(struct walk *w, const char *word)
{
    size_t n = (size_t)w->u->nstates;
    unsigned char *before = malloc(n);
    bool fits = word[0] == '-' && word[1] != '-' && word[1] != '\0';
    if (before == NULL)
        abort();
    memcpy(before, w->in, n);
    for (const char *c = word + 1; fits && *c != '\0'; c++) {
        char letter[3] = {'-', *c, '\0'};
        fits = take(w, letter, EXACT);
        if (fits) {
            advance(w);
        } else if (c > word + 1 && take(w, c, EXACT)) {
            advance(w);
            fits = true;
            break;
        }
    }
    if (!fits)
        memcpy(w->in, before, n);
    free(before);
    return fits;
}

/* Returns the number of words that fit, from words[1] on; n: all. */
static int walk_words(struct walk *w, int n, char *const *words)
{
    for (int i = 1; i < n; i++) {
        if (take(w, words[i], LOOSE))
            advance(w);
        else if (!take_letters(w, words[i]))
            return i;
        bool command = false;
        for (int s = 0; s < w->u->nstates && !command; s++)
            command = w->in[s] && w->u->state[s].type == S_REST;
        w->command_at = !command ? -1 : w->command_at < 0 ? i : w->command_at;
    }
    return n;
}

static void tell_letters(const struct walk *w, const char *letters, const char *partial,
                         usage_hint_fn *fn, void *ctx)
{
    char word[128];
    (void)w;
    for (const char *c = letters + 1; *c != '\0'; c++) {
        if (*partial != '\0' && strchr(partial + 1, *c) != NULL)
            continue;
        snprintf(word, sizeof(word), "%s%c", *partial != '\0' ? partial : "-", *c);
        fn(ctx, &(struct usage_hint){.word = word, .tail = "", .fixed = "", .option = true});
    }
}

/* Letters that may be joined to those of `partial`: -a goes on with -az. */
static void tell_joined(struct walk *w, const char *partial, usage_hint_fn *fn, void *ctx)
{
    if (partial[0] != '-' || partial[1] == '-' || partial[1] == '\0' || strlen(partial) > 60)
        return;
    if (!take_letters(w, partial))
        return;
    fn(ctx, &(struct usage_hint){.word = partial, .tail = "", .fixed = "", .option = true});
    for (int i = 0; i < w->u->nstates; i++) {
        const struct state *s = &w->u->state[i];
        char word[128];
        if (!w->in[i])
            continue;
        if (s->type == S_LETTERS)
            tell_letters(w, s->node->word, partial, fn, ctx);
        if (s->type != S_WORD || s->node->word[0] != '-' || strlen(s->node->word) != 2 ||
            strchr(partial + 1, s->node->word[1]) != NULL)
            continue;
        snprintf(word, sizeof(word), "%s%c", partial, s->node->word[1]);
        fn(ctx, &(struct usage_hint){.word = word, .tail = "", .fixed = "", .option = true});
    }
}

int usage_next(const struct usage *u, int n, char *const *words, const char *partial,
               usage_hint_fn *fn, void *ctx)
{
    struct walk w;
    walk_begin(&w, u);
    int fit = walk_words(&w, n, words);
    for (int i = 0; fit == n && i < u->nstates; i++) {
        const struct state *s = &u->state[i];
        if (!w.in[i])
            continue;
        if (s->type == S_WORD)
            fn(ctx,
               &(struct usage_hint){.word = s->node->word,
                                    .tail = "",
                                    .fixed = "",
                                    .once = s->node->once,
                                    .option = s->node->word[0] == '-' && s->node->word[1] != '\0'});
        else if (s->type == S_VALUE || s->type == S_REST)
            fn(ctx, &(struct usage_hint){.word = s->node->word,
                                         .tail = s->node->tail,
                                         .fixed = s->node->fixed,
                                         .value = true,
                                         .option = s->node->fixed[0] == '-',
                                         .at = s->type == S_REST ? w.command_at : n});
        else if (s->type == S_LETTERS && (*partial == '\0' || strcmp(partial, "-") == 0))
            tell_letters(&w, s->node->word, partial, fn, ctx);
    }
    if (fit == n)
        tell_joined(&w, partial, fn, ctx);
    walk_end(&w);
    return fit;
}

bool usage_complete(const struct usage *u, int n, char *const *words)
{
    struct walk w;
    bool complete = false;
    walk_begin(&w, u);
    if (walk_words(&w, n, words) == n)
        for (int i = 0; i < u->nstates; i++)
            complete = complete || (w.in[i] && u->state[i].type == S_END);
    walk_end(&w);
    return complete;
}
