/* tapdeck/output.h: `get -o FILE`: the answer goes to a file, which is written where the person is.
 */
#ifndef APPS_TAPDECK_OUTPUT_H
#define APPS_TAPDECK_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

struct output {
    int argc;
    char **argv; /* the words without -o; words_free() them; NULL: send the words as they are */
    const char *path; /* a word of the caller's; NULL: to its FILE */
    FILE *file;
};
/* Looks for `get … -o FILE` in the words. */
void output_request(int argc, char *const *argv, struct output *o);
/* Writes a piece: to the file, made with the first of them, or to `out`. 0 or an errno. */
int output_write(struct output *o, FILE *out, const char *bytes, size_t n);
/* The sentence for that errno. */
void output_complaint(const struct output *o, int err, char *msg, size_t msg_size);
/* Closes the file, frees the words. False: msg is the sentence. */
bool output_end(struct output *o, char *msg, size_t msg_size);

#endif
