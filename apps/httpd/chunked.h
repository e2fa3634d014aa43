/* httpd/chunked.h: the chunked transfer coding, decoding only (RFC 9112 7.1). */
#ifndef HTTPD_CHUNKED_H
#define HTTPD_CHUNKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chunked {
    uint64_t left;    /* bytes of the present chunk still to come */
    uint32_t line;    /* bytes of the present line (size, extension or trailer) */
    uint32_t trailer; /* bytes of all trailer lines */
    uint8_t state;    /* 0 at the start */
    bool digits;      /* the size has one at least */
};

enum chunked_result {
    CHUNKED_DATA, /* *data, *len are content; call again with what follows */
    CHUNKED_MORE, /* all input taken, more is needed */
    CHUNKED_DONE, /* the body is complete; *used bytes were its */
    CHUNKED_BAD,  /* not chunked coding: 400 */
};

/* Takes up to n bytes; *used says how many. Zero-initialise c. */
enum chunked_result chunked_decode(struct chunked *c, const uint8_t *in, size_t n, size_t *used,
                                   const uint8_t **data, size_t *len);
/* How many bytes the body still has at the very least: so many can be taken from the connection
 * without taking any of the request behind it. */
uint64_t chunked_least(const struct chunked *c);

#endif
