/* tapdeck/complete.c: which words may come next on a line.
 *
 * The usage of the line's command is walked with the words before the cursor (common/usage.h): that
 * gives words as they stand, and classes of values. Files are looked for here; the values of other
 * classes are the daemon's to know. The words of a command inside a command (`watch ip ad…`) are
 * completed as a line of their own.
 */
#include "tapdeck/complete.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/usage.h"

#define NESTED_MAX 4    /* watch watch watch … */
#define FILES_MAX  5000 /* of a directory, looked at */

void candidates_add(struct candidates *c, const char *word, bool open)
{
    if (c->n == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 64;
        c->v = realloc(c->v, c->cap * sizeof(*c->v));
    }
    if (c->v == NULL || (c->v[c->n].word = strdup(word)) == NULL)
        abort();
    c->v[c->n++].open = open;
}

void candidates_free(struct candidates *c)
{
    for (size_t i = 0; i < c->n; i++)
        free(c->v[i].word);
    free(c->v);
    *c = (struct candidates){0};
}

static int by_word(const void *a, const void *b)
{
    return strcmp(((const struct candidate *)a)->word, ((const struct candidate *)b)->word);
}

/* Sorted, each once, and only those that begin so. */
static void tidy(struct candidates *c, const char *prefix)
{
    size_t n = 0;
    if (c->n > 0)
        qsort(c->v, c->n, sizeof(*c->v), by_word);
    for (size_t i = 0; i < c->n; i++) {
        bool keep = strncmp(c->v[i].word, prefix, strlen(prefix)) == 0 &&
                    (n == 0 || strcmp(c->v[n - 1].word, c->v[i].word) != 0);
        if (keep)
            c->v[n++] = c->v[i];
        else
            free(c->v[i].word);
    }
    c->n = n;
}

/* ---- files ---- */

void complete_files(const char *prefix, bool directories_only, struct candidates *out)
{
    const char *slash = strrchr(prefix, '/'), *begin = slash != NULL ? slash + 1 : prefix;
    char dir[4096] = ".", path[4400], word[4400];
    if (slash != NULL &&
        snprintf(dir, sizeof(dir), "%.*s", (int)(slash - prefix + 1), prefix) >= (int)sizeof(dir))
        return;
    DIR *d = opendir(dir);
    const struct dirent *e;
    for (unsigned seen = 0; d != NULL && seen < FILES_MAX && (e = readdir(d)) != NULL; seen++) {
        struct stat st;
        if (strncmp(e->d_name, begin, strlen(begin)) != 0 ||
            (e->d_name[0] == '.' && *begin != '.') || strcmp(e->d_name, ".") == 0 ||
            strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        bool directory = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
        if (directories_only && !directory)
            continue;
        snprintf(word, sizeof(word), "%.*s%s%s", (int)(begin - prefix), prefix, e->d_name,
                 directory ? "/" : "");
        candidates_add(out, word, directory);
    }
    if (d != NULL)
        closedir(d);
}

/* ---- a line ---- */

struct hunt {
    const struct completer *k;
    int argc;
    char *const *words;
    struct candidates words_found, values, options;
    int command_at; /* the line is that of another command from there; 0: it isn't */
};

static bool used(const struct hunt *h, const char *word)
{
    for (int i = 1; i < h->argc - 1; i++)
        if (strcmp(h->words[i], word) == 0)
            return true;
    return false;
}

/* Values of a class; what stands fixed before them is put before them. */
static void add_values(struct hunt *h, const struct usage_hint *hint)
{
    const char *partial = h->words[h->argc - 1];
    size_t fixed = strlen(hint->fixed);
    struct candidates *to = hint->option ? &h->options : &h->values, found = {0};
    if (strncmp(partial, hint->fixed, fixed) != 0) {
        if (fixed > 0)
            candidates_add(to, hint->fixed, true);
        return;
    }
    partial += fixed;
    if (strcmp(hint->word, "FILE") == 0)
        complete_files(partial, false, &found);
    else if (strcmp(hint->word, "DIR") == 0)
        complete_files(partial, true, &found);
    else if (strcmp(hint->word, "COMMAND") == 0)
        h->k->commands(h->k->ctx, &found);
    else
        h->k->values(h->k->ctx, hint->word, partial, &found);
    bool goes_on =
        hint->tail[0] == '=' || hint->tail[0] == '<' || strncmp(hint->tail, "[=", 2) == 0;
    for (size_t i = 0; i < found.n; i++) {
        char word[4500];
        snprintf(word, sizeof(word), "%s%s", hint->fixed, found.v[i].word);
        candidates_add(to, word, found.v[i].open || goes_on);
    }
    if (found.n == 0 && fixed > 0 && *partial == '\0')
        candidates_add(to, hint->fixed, true);
    candidates_free(&found);
}

static void take_hint(void *ctx, const struct usage_hint *hint)
{
    struct hunt *h = ctx;
    if (hint->value && strcmp(hint->word, "CMD") == 0)
        h->command_at = hint->at;
    else if (hint->value)
        add_values(h, hint);
    else if (!hint->once || !used(h, hint->word))
        candidates_add(hint->option ? &h->options : &h->words_found, hint->word, false);
}

static void move(struct candidates *to, struct candidates *from)
{
    for (size_t i = 0; i < from->n; i++)
        candidates_add(to, from->v[i].word, from->v[i].open);
    candidates_free(from);
}

static void complete_nested(const struct completer *k, int argc, char *const *words, unsigned depth,
                            struct candidates *out)
{
    const char *partial = words[argc - 1];
    if (argc == 1) {
        k->commands(k->ctx, out);
        tidy(out, partial);
        return;
    }
    const char *text = k->usage(k->ctx, words[0]);
    char msg[256];
    struct usage *u = text != NULL ? usage_parse(words[0], text, msg, sizeof(msg)) : NULL;
    if (u == NULL)
        return;
    struct hunt h = {.k = k, .argc = argc, .words = words};
    usage_next(u, argc - 1, words, partial, take_hint, &h);
    usage_free(u);
    tidy(&h.words_found, partial);
    tidy(&h.values, partial);
    tidy(&h.options, partial);
    /* Options are offered when one has been begun, or when there is nothing else. */
    bool others = h.words_found.n + h.values.n > 0 || h.command_at > 0;
    move(out, &h.words_found);
    move(out, &h.values);
    if (partial[0] == '-' || !others)
        move(out, &h.options);
    candidates_free(&h.options);
    if (h.command_at > 0 && h.command_at < argc && depth < NESTED_MAX)
        complete_nested(k, argc - h.command_at, words + h.command_at, depth + 1, out);
    tidy(out, partial);
}

void complete_words(const struct completer *k, int argc, char *const *words, struct candidates *out)
{
    complete_nested(k, argc, words, 0, out);
}
