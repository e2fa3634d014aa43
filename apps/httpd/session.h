/* httpd/session.h: HTTP on one connection, as a function from bytes that came to bytes to send.
 *
 *     take   = session_room(s)              how many bytes it will take now
 *     session_feed(s, bytes, n <= take)     bytes that came
 *     n      = session_pull(s, buf, cap)    the next bytes to send, not yet counted as sent
 *     session_sent(s, n' <= n)              so many were taken by the connection
 *
 * It knows no socket, no clock and no stack.
 */
#ifndef HTTPD_SESSION_H
#define HTTPD_SESSION_H

#include "httpd/response.h"

enum session_phase {
    SESSION_IDLE,   /* between requests: nothing of the next one has come */
    SESSION_HEAD,   /* within a head */
    SESSION_BODY,   /* within a body */
    SESSION_REPLY,  /* a response is being sent */
    SESSION_CLOSED, /* all is sent: end the connection in order */
    SESSION_BROKEN, /* a response can't be finished: cut the connection */
};

struct session;

struct session *session_new(const struct site *site); /* site must outlive it; NULL: no memory */
void session_free(struct session *s);

size_t session_room(const struct session *s); /* 0: it wants to send first, or has ended */
void session_feed(struct session *s, const uint8_t *bytes, size_t n);
void session_eof(struct session *s);     /* no more bytes will come (half-close) */
void session_timeout(struct session *s); /* too slow: 408 if something of a request has come */
size_t session_pull(struct session *s, uint8_t *dst, size_t cap);
void session_sent(struct session *s, size_t n);

enum session_phase session_phase(const struct session *s);
uint64_t session_turn(const struct session *s);     /* changes with every change of phase */
uint64_t session_requests(const struct session *s); /* answered or being answered */
uint64_t session_bytes(const struct session *s);    /* of the present body or response so far */

#endif
