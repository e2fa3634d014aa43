/* httpd/field.h: field lines and their values (RFC 9110 5, 9112 5), of requests and answers. */
#ifndef HTTPD_FIELD_H
#define HTTPD_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slice {
    const char *p; /* NULL: the field was not there */
    size_t n;
};

bool token_char(char c); /* RFC 9110 5.6.2 */
/* A line of the form RFC 9112 5 prescribes for senders: name ":" value, nothing folded, no control characters. */
bool field_line_ok(const char *p, size_t n);
/* The value is exactly this word (case-insensitive). */
bool slice_is(struct slice s, const char *word);
struct slice slice_trim(struct slice s); /* without blanks at its ends */
/* A field's whole number, digits only: false when it is none, or too large. */
bool slice_number(struct slice s, uint64_t *out);

/* Takes the next element off a list; false at its end. Empty elements are allowed (RFC 9110 5.6.1.2). */
bool list_next(struct slice *list, struct slice *element);
/* The value of a comma-separated list field contains this element (case-insensitive, whole). */
bool list_has(struct slice list, const char *element);

#endif
