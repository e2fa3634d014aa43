/* httpd/range.h: the Range header field (RFC 9110 14). */
#ifndef HTTPD_RANGE_H
#define HTTPD_RANGE_H

#include <stddef.h>
#include <stdint.h>

enum httpd_range {
    HTTPD_RANGE_WHOLE,         /* not a range we serve: answer as if the field were not there */
    HTTPD_RANGE_PART,          /* 206 with the bytes first to last, inclusive */
    HTTPD_RANGE_UNSATISFIABLE, /* 416 */
};

/* value: the field's n bytes; size: of the file. */
enum httpd_range httpd_range_parse(const char *value, size_t n, uint64_t size, uint64_t *first,
                                   uint64_t *last);

#endif
