/* httpd/response.h: what is answered, and how much of it has been sent. */
#ifndef HTTPD_RESPONSE_H
#define HTTPD_RESPONSE_H

#include "common/text.h"
#include "httpd/request.h"

#include <nettle/sha2.h>

/* What one server serves; shared by its connections. */
struct site {
    int root;                   /* the open directory */
    uint64_t max_body;          /* bytes a request body may have; more: 413 */
    int64_t (*wall)(void *ctx); /* seconds since 1970, for dates */
    void *ctx;
};

struct response {
    int status;             /* 0: none yet */
    bool close;             /* the connection ends with it */
    struct text head, body; /* body: a page made here; empty when the body is a file */
    int fd;                 /* the file; -1: none */
    uint64_t off, left;     /* what of the file is still to be sent */
    size_t sent;            /* bytes of head and page that have been sent */
};

void response_init(struct response *r); /* before first use */
/* Gives back what it holds; it can be made again. */
void response_reset(struct response *r);
void response_free(struct response *r);

/* To GET and HEAD: the file, its part, the listing, a redirect or a refusal; to other methods 405.
 */
void response_make(struct response *r, const struct site *site, const struct request *q);
/* A refusal (or anything else that has only a status) with a small page. close: the connection
 * can't go on. */
void response_status(struct response *r, const struct site *site, const struct request *q,
                     int status, bool close);
/* The sink's answer. */
void response_sink(struct response *r, const struct site *site, const struct request *q,
                   uint64_t length, const uint8_t digest[SHA256_DIGEST_SIZE]);

/* Copies the next bytes to be sent, at most cap, without counting them as sent. 0: all sent;
 * -EIO: the file has become shorter than promised or can't be read. */
int64_t response_pull(const struct response *r, uint8_t *dst, size_t cap);
void response_sent(struct response *r, size_t n);

#endif
