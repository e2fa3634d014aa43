/* get/url.h: http URLs: what they name, and what a redirect makes of them. */
#ifndef GET_URL_H
#define GET_URL_H

#include "common/text.h"
#include "tapdeck/types.h"

#define URL_MAX 2048

struct url {
    td_ip4 addr;
    uint16_t port;
    char host[32];        /* as Host tells it: "10.0.0.1", "10.0.0.1:8080" */
    char target[URL_MAX]; /* path and query as the request line has them: "/", "/a?b" */
};

/* "http://10.0.0.1:8080/path?query", "10.0.0.1/path". A fragment is dropped. False: msg is a
 * sentence. */
bool url_parse(struct url *u, const char *text, char *msg, size_t msg_size);
/* The reference of a Location field, against the URL it was the answer to (RFC 3986 5.2). */
bool url_follow(const struct url *base, const char *reference, struct url *u, char *msg,
                size_t msg_size);

#endif
