/* tapdeck/complete.h: which words may come next on a line. */
#ifndef TAPDECK_COMPLETE_H
#define TAPDECK_COMPLETE_H

#include <stdbool.h>
#include <stddef.h>

struct session;

struct candidate {
    char *word;
    bool open; /* it may go on: no blank behind it */
};
struct candidates {
    struct candidate *v; /* sorted, each once */
    size_t n, cap;
};
void candidates_add(struct candidates *c, const char *word, bool open);
void candidates_free(struct candidates *c);

/* Where the grammar and the values come from. */
struct completer {
    void *ctx;
    /* Adds the names of all commands. */
    void (*commands)(void *ctx, struct candidates *out);
    /* A command's usage; NULL: there is none of that name. */
    const char *(*usage)(void *ctx, const char *command);
    /* Adds the values of a class that begin with prefix (others do no harm). */
    void (*values)(void *ctx, const char *class, const char *prefix, struct candidates *out);
};
/* words[argc - 1] is the word to be completed, "" if it hasn't begun; argc ≥ 1. */
void complete_words(const struct completer *k, int argc, char *const *words,
                    struct candidates *out);
/* The files that begin with prefix; directories end with a slash. */
void complete_files(const char *prefix, bool directories_only, struct candidates *out);

/* The same with the session's commands, aliases and daemon. */
void session_complete(struct session *s, int argc, char *const *words, struct candidates *out);

#endif
