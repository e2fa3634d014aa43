/* common/usage.h: the usage text of a command as a grammar, so that completion can walk it.
 *
 * A usage is one form a line; a line that begins with a blank continues the one above. Each form
 * begins with the command's name. The notation:
 *
 *     addr  -c  --all    a word as it stands
 *     IFACE  ADDR        a value of that class; what follows the capitals (NAME=VALUE, ADDR:PORT)
 * says how it goes on. :PORT and --plot=FILE are a value behind a fixed beginning [a] may be left
 * out; several in a row may stand in any order a | b              one of them, within brackets or
 * braces, or in a whole form a|b                one of two words, without blanks around the bar:
 * binds tighter {a | b}            grouping a...               once or more; [a]... any number of
 * times
 *     [-tuan]            alone in its brackets: single letters that may be joined. [-br], [-json]
 * and such words of iproute2 are words (see usage.c) RULE := a | b      a line of its own: what
 * RULE stands for in the other lines
 */
#ifndef APPS_COMMON_USAGE_H
#define APPS_COMMON_USAGE_H

#include <stdbool.h>
#include <stddef.h>

struct usage;

/* NULL, and a sentence in msg: the text isn't in the notation. usage_free() it. */
struct usage *usage_parse(const char *name, const char *text, char *msg, size_t msg_size);
void usage_free(struct usage *u);

struct usage_hint {
    const char *word;  /* what may stand there; of a value, its class: IFACE */
    const char *tail;  /* of a value, what follows the capitals: "=VALUE"; else "" */
    const char *fixed; /* of a value, what stands before it: ":" of :PORT; else "" */
    bool value;
    bool option; /* begins with a dash */
    bool once;   /* makes no sense a second time */
    int at;      /* of the class CMD, which takes all words to the end: where it began */
};
typedef void usage_hint_fn(void *ctx, const struct usage_hint *h);
/* Walks words[1..n) (words[0] is the command's name) and tells each word and class that may stand
 * next. partial: the beginning of the next word, "" if there is none yet (it decides how joined
 * letters go on). Returns n; or, when a word doesn't fit, its index, and nothing is told. */
int usage_next(const struct usage *u, int n, char *const *words, const char *partial,
               usage_hint_fn *fn, void *ctx);
/* May the line end after these words? */
bool usage_complete(const struct usage *u, int n, char *const *words);

#endif
