/* common/qdisc_words.h: what qdisc.c, netem.c and rule.c share: a word and the value behind it.
 *
 * words_X(w, what, …) takes the next word as a value of `what`, or says in one sentence what would
 * be right and leaves it there.
 */
#ifndef APPS_COMMON_QDISC_WORDS_H
#define APPS_COMMON_QDISC_WORDS_H

#include "common/qdisc.h"

bool words_number(struct words *w, const char *what, uint64_t min, uint64_t max, uint64_t *out);
bool words_size(struct words *w, const char *what, uint32_t *out);        /* bytes, not 0 */
bool words_rate(struct words *w, const char *what, uint64_t *out);        /* bits a second, not 0 */
bool words_time(struct words *w, const char *what, td_time *out);         /* at most 1000 s */
bool words_probability(struct words *w, const char *what, uint32_t *out); /* "0.02" or "2%" */

#endif
