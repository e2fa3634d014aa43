/* common/nearest.h: what a mistyped word was meant to be. */
#ifndef APPS_COMMON_NEAREST_H
#define APPS_COMMON_NEAREST_H

#include <stddef.h>

/* The best candidate so far for `word`: begin with {.word = …}. */
struct nearest {
    const char *word;
    char best[96]; /* "": none is near */
    unsigned distance;
};
/* Letters added, left out, replaced, and neighbours exchanged (Damerau and Levenshtein); more than
 * max: max + 1. */
unsigned word_distance(const char *a, const char *b, unsigned max);
/* Takes the candidate if it is near (at most two mistakes, fewer in short words) and nearer than
 * the one before. */
void nearest_offer(struct nearest *n, const char *candidate);

#endif
