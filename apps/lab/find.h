/* lab/find.h: where labs are.
 *
 * A lab is named by its folder, by its number, by the beginning of its folder's name, or by what stands behind the number:
 * `05`, `5`, `05-three`, `three-routers`. They are looked for in $TAPDECK_LABS, else in
 * ./labs.
 */
#ifndef LAB_FIND_H
#define LAB_FIND_H

#include <stddef.h>

#include "common/text.h"

/* The folder that holds the labs; NULL: there is none (a sentence). malloc()ed. */
char *labs_folder(char *msg, size_t msg_size);
/* The lab's folder; NULL: a sentence. malloc()ed. */
char *lab_find(const char *word, char *msg, size_t msg_size);
/* Names of the labs in a folder, in order; the array and its words are one words_copy() (common/text.h). */
char **labs_names(const char *folder, int *n);

#endif
