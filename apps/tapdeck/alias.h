/* tapdeck/alias.h: words that stand for the beginning of a line. */
#ifndef TAPDECK_ALIAS_H
#define TAPDECK_ALIAS_H

#include "tapdeck/local.h"

struct alias {
    struct alias *next; /* by name */
    char *name, *text;
};
void alias_set(struct session *s, const char *name, const char *text);
bool alias_remove(struct session *s, const char *name);
void aliases_free(struct session *s);
/* If words[0] is an alias: the line with its text in place, which words_free() frees; else -1. An
 * alias may stand for a line that begins with its own name (`alias ss='ss -n'`), which isn't
 * replaced again. */
int alias_words(const struct session *s, int argc, char *const *words, char ***longer);

#endif
