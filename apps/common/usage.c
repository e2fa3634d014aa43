/* common/usage.c: the usage text of a command as a grammar.
 *
 * The text is read by recursive descent into a small tree (the depth is bounded: the text is ours,
 * but a newer daemon may have sent it), the tree becomes a nondeterministic automaton in Thompson's
 * way; usage_walk.c walks it.
 *
 * Options that stand in a row may come in any order: the tools have it so, whatever order their own
 * usage gives.
 */
#include "common/usage_priv.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 24    /* brackets within brackets, and definitions within definitions */
#define NODES_MAX 60000 /* definitions that name each other would grow without end */

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
