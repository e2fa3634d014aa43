/* tapdeck/words.h: going through the words of one of the client's commands. */
#ifndef TAPDECK_WORDS_H
#define TAPDECK_WORDS_H

#include "tapdeck/local.h"

struct words_reader {
    /* An option and the word behind it (NULL: there is none). EXIT_DONE: it was one, and took that
     * word; -1: it is none that takes one; else an exit status, and the sentence was said. */
    int (*valued)(struct session *s, const char *option, const char *value, void *words);
    /* A word that no option took, a single - too. EXIT_DONE, or an exit status, as above. */
    int (*plain)(struct session *s, char *word, void *words);
};
/* EXIT_DONE, or the first other status. */
int words_read(struct session *s, int argc, char **argv, const struct words_reader *r, void *words);

#endif
