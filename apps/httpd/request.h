/* httpd/request.h: the head of a request: where it ends, whether it is one, what it says. */
#ifndef HTTPD_REQUEST_H
#define HTTPD_REQUEST_H

#include <http_parser.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "httpd/field.h"

#define REQUEST_LINE_MAX    8192U  /* bytes without CRLF; longer: 414 */
#define REQUEST_HEADERS_MAX 16384U /* bytes of all field lines with their line ends; longer: 431   \
                                    */
#define REQUEST_FIELDS_MAX 128U    /* more: 431 */
/* A buffer of this size always lets request_scan() come to a verdict. */
#define REQUEST_HEAD_MAX (REQUEST_LINE_MAX + REQUEST_HEADERS_MAX + 128U)

/* How far a head has been looked at. Zero-initialise. */
struct request_scan {
    size_t pos;        /* bytes looked at */
    size_t line_start; /* of the line being looked at */
    size_t fields_at;  /* where the field lines begin; 0: still in the request line */
    size_t skipped;    /* empty lines before the request line: the head begins here */
    uint32_t fields;
};

/* Looks for the end of the head in the n bytes at buf (the same bytes as before plus new ones), and
 * checks its lines' form strictly. Returns the head's length (from buf, including the empty line
 * and what was skipped) and *status 0; or 0 with *status 0: more bytes needed, or *status a
 * refusal: 400, 414, 431, 505. */
size_t request_scan(struct request_scan *scan, const char *buf, size_t n, int *status);

struct request {
    unsigned method; /* enum http_method */
    unsigned minor;  /* of HTTP/1.x */
    bool keep_alive;
    bool chunked, has_length; /* the body's framing; neither: no body */
    uint64_t length;
    bool expect_continue;
    /* Slices of the head: valid as long as it is. */
    struct slice path, query; /* path still encoded, starts with '/'; query without '?' */
    struct slice host, range, if_range, if_match, if_none_match, if_modified_since,
        if_unmodified_since;
};

/* Reads a complete head that request_scan() passed. 0, or the status of a refusal: 400, 417, 431,
 * 501, 505. Known even then, when it could be read at all: method. */
int request_parse(struct request *r, const char *head, size_t n);

#endif
