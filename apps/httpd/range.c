/* httpd/range.c: the Range header field (RFC 9110 14.1.2, 14.2).
 *
 * A single range of bytes is served: "bytes=100-199", "bytes=100-" (to the end), "bytes=-100" (the
 * last hundred). A list of ranges is answered with the whole file, which RFC 9110 14.2 allows and
 * which denies the many-overlapping-ranges attack its ground (14.5 and 17.15). Another unit or bad
 * syntax means that the field is ignored. Well-formed but beyond the end: unsatisfiable.
 */
#include "httpd/range.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* Reads digits; a number past 2^64 saturates: it is beyond the end of every file. */
static bool take_number(const char **p, const char *end, uint64_t *out)
{
    const char *start = *p;
    uint64_t v = 0;
    for (; *p < end && **p >= '0' && **p <= '9'; ++*p) {
        uint64_t digit = (uint64_t)(**p - '0');
        v = v > (UINT64_MAX - digit) / 10 ? UINT64_MAX : v * 10 + digit;
    }
    *out = v;
    return *p > start;
}

enum httpd_range httpd_range_parse(const char *value, size_t n, uint64_t size, uint64_t *first,
                                   uint64_t *last)
{
    const char *p = value, *end = value + n;
    if (n < 6 || strncasecmp(p, "bytes=", 6) != 0 || memchr(p, ',', n) != NULL)
        return HTTPD_RANGE_WHOLE;
    p += 6;
    uint64_t a, b;
    bool has_first = take_number(&p, end, &a);
    if (p == end || *p++ != '-')
        return HTTPD_RANGE_WHOLE;
    bool has_last = take_number(&p, end, &b);
    if (p != end || (!has_first && !has_last) || (has_first && has_last && b < a))
        return HTTPD_RANGE_WHOLE;
    if (!has_first) { /* suffix: the last b bytes */
        if (b == 0 || size == 0)
            return HTTPD_RANGE_UNSATISFIABLE;
        *first = b >= size ? 0 : size - b;
        *last = size - 1;
        return HTTPD_RANGE_PART;
    }
    if (a >= size)
        return HTTPD_RANGE_UNSATISFIABLE;
    *first = a;
    *last = has_last && b < size ? b : size - 1;
    return HTTPD_RANGE_PART;
}
