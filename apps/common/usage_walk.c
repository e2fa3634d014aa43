/* common/usage_walk.c: walking a usage with the words of a line.
 *
 * The set of states in which the reader may be is kept, so nothing is decided too early: whether
 * `ip addr show eth0` is the form with `dev` or the one without.
 *
 * Two things are looser than the notation, because the tools are: `-az` is `-a -z` where both are
 * there; and a word may be shortened, as iproute2 allows, when no word of that spelling fits.
 */
#include "common/usage_priv.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
