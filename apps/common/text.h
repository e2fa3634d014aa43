/* common/text.h: growing strings, and splitting a command line into words. */
#ifndef APPS_COMMON_TEXT_H
#define APPS_COMMON_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* Bytes that grow at the end and are taken from the front. s is NUL-terminated (NULL while empty).
 */
struct text {
    char *s;
    size_t len, cap;
};
void text_add(struct text *t, const char *bytes, size_t n);
void text_puts(struct text *t, const char *s);
void text_printf(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void text_vprintf(struct text *t, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
/* Adds s as the inside of a JSON string: quotes, backslashes and control characters escaped, bytes
 * that are not UTF-8 replaced by U+FFFD. */
void text_json(struct text *t, const char *s, size_t n);
/* Is all of it well-formed UTF-8 (RFC 3629)? */
bool text_is_utf8(const char *s, size_t n);
/* Adds n bytes in base64 (RFC 4648 section 4, padded). */
void text_base64(struct text *t, const void *bytes, size_t n);
/* Adds the bytes that n characters of base64 stand for. False: they are not base64, nothing is added. */
bool text_from_base64(struct text *t, const char *s, size_t n);
void text_consume(struct text *t, size_t n); /* drops n bytes from the front */
void text_free(struct text *t);

#define WORDS_MAX 256

/* Splits a line into words as a shell would: blanks separate, '…' and "…" keep them together, a
 * backslash takes the next character as it is, # at the start of a word begins a comment. Returns
 * the number of words; argv (NULL-terminated) and the words are one allocation that
 * words_free(argv) gives back. -1: msg says why (an open quote, too many words); argv is NULL then.
 */
int words_split(const char *line, char ***argv, char *msg, size_t msg_size);
/* The same form from an existing vector. */
char **words_copy(int argc, char *const *argv);
void words_free(char **argv);

/* iproute2's rule for abbreviations: s is a prefix of word, and not empty. */
bool word_abbrev(const char *s, const char *word);

#endif
