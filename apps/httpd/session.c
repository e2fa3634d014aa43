/* httpd/session.c: HTTP on one connection.
 *
 *             first byte            head complete                    body complete
 *     IDLE ──────────────► HEAD ─────────────────► BODY (if any) ────────────────► REPLY
 *      ▲                    │ refusal                │ too large, malformed          │
 *      │                    └────────────────────────┴──────────────► REPLY, close   │
 *      └── all sent, the next request may already be waiting (pipelining) ───────────┤
 *                                                       all sent and close ──► CLOSED
 *
 * One request is worked on at a time. While a response is being sent nothing is taken from the
 * connection (session_room is 0), so TCP's window pushes back on a client that pipelines without
 * reading. What was taken beyond the present request waits in `buf`, which is never larger than one
 * head: room is given out so that it can't be.
 *
 * The response to GET is made when the head is complete; a body that comes with it is read and
 * thrown away before it is sent. A body to PUT or POST goes through SHA-256 and nowhere else. When
 * a request is refused before its body was read, the connection ends with the answer: it isn't
 * known where the next request would begin.
 */
#include "httpd/session.h"
#include "httpd/chunked.h"

#include <stdlib.h>
#include <string.h>

#define BODY_STEP (256U * 1024U) /* bytes of a body taken at once */
#define BUF_KEPT  4096U          /* bytes of buffer an idle connection may keep */

struct session {
    const struct site *site;
    enum session_phase phase;
    uint64_t turn, requests;
    bool eof;

    char *buf; /* bytes taken and not used: from `at` to `len` */
    size_t at, len, cap;
    struct request_scan scan;

    struct request req; /* its slices are valid only while the head is at hand */
    struct chunked chunked;
    uint64_t body_left; /* of a Content-Length */
    uint64_t body;      /* bytes of content so far */
    bool sink;
    struct sha256_ctx sha;

    const char *interim; /* of `go_on`, what is still to be sent */
    struct response resp;
    uint64_t replied; /* bytes of the response sent */
};

static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

/* The final answer is coming. What has been begun must be finished. */
static void drop_interim(struct session *s)
{
    if (s->interim == go_on)
        s->interim = "";
}

struct session *session_new(const struct site *site)
{
    struct session *s = calloc(1, sizeof *s);
    if (s != NULL) {
        s->site = site;
        s->interim = "";
        response_init(&s->resp);
    }
    return s;
}

void session_free(struct session *s)
{
    if (s == NULL)
        return;
    response_free(&s->resp);
    free(s->buf);
    free(s);
}

enum session_phase session_phase(const struct session *s)
{
    return s->phase;
}

uint64_t session_turn(const struct session *s)
{
    return s->turn;
}

uint64_t session_requests(const struct session *s)
{
    return s->requests;
}

uint64_t session_bytes(const struct session *s)
{
    return s->phase == SESSION_REPLY ? s->replied : s->body;
}

static void enter(struct session *s, enum session_phase phase)
{
    s->phase = phase;
    s->turn++;
}

static void refuse(struct session *s, int status, bool known)
{
    response_status(&s->resp, s->site, known ? &s->req : NULL, status, true);
    s->at = s->len = 0; /* what follows can't be told apart from this request */
    drop_interim(s);
    enter(s, SESSION_REPLY);
}

/* ---- bodies ---- */

static void body_done(struct session *s)
{
    if (s->sink) {
        uint8_t digest[SHA256_DIGEST_SIZE];
        sha256_digest(&s->sha, sizeof digest, digest);
        response_sink(&s->resp, s->site, &s->req, s->body, digest);
    }
    drop_interim(s); /* RFC 9110 10.1.1: not needed once the body is here */
    enter(s, SESSION_REPLY);
}

static void body_content(struct session *s, const uint8_t *p, size_t n)
{
    s->body += n;
    if (s->sink)
        sha256_update(&s->sha, n, p);
}

/* Uses bytes of the body; returns how many were its. */
static size_t body_input(struct session *s, const uint8_t *p, size_t n)
{
    if (!s->req.chunked) {
        size_t take = n < s->body_left ? n : (size_t)s->body_left;
        body_content(s, p, take);
        s->body_left -= take;
        if (s->body_left == 0)
            body_done(s);
        return take;
    }
    size_t total = 0;
    while (s->phase == SESSION_BODY && total < n) {
        size_t used, len;
        const uint8_t *data;
        switch (chunked_decode(&s->chunked, p + total, n - total, &used, &data, &len)) {
        case CHUNKED_DATA:
            if (len > s->site->max_body - s->body) {
                refuse(s, 413, true);
                return n;
            }
            body_content(s, data, len);
            break;
        case CHUNKED_DONE:
            body_done(s);
            break;
        case CHUNKED_BAD:
            refuse(s, 400, true);
            return n;
        case CHUNKED_MORE:
            break;
        }
        total += used;
    }
    return total;
}

/* ---- heads ---- */

/* The head is complete and in form. Decides what happens, from the most general refusal to the
 * least. */
static void begin_request(struct session *s, const char *head, size_t n)
{
    struct request *q = &s->req;
    s->requests++;
    s->replied = 0;
    s->body = 0;
    s->interim = "";
    int status = request_parse(q, head, n);
    if (status != 0) {
        refuse(s, status, true);
        return;
    }
    s->sink = q->method == HTTP_PUT || q->method == HTTP_POST;
    bool has_body = q->chunked || (q->has_length && q->length > 0);
    if (s->sink && !q->chunked && !q->has_length) {
        refuse(s, 411, true);
        return;
    }
    if (q->has_length && q->length > s->site->max_body) {
        refuse(s, 413, true);
        return;
    }
    if (s->sink) {
        sha256_init(&s->sha);
    } else {
        if (has_body && q->expect_continue) {
            /* The answer doesn't depend on the body: give it now, and don't ask for the body. */
            q->keep_alive = has_body = false;
            s->at = s->len;
        }
        response_make(&s->resp, s->site, q);
    }
    if (!has_body) {
        if (s->sink)
            body_done(s);
        else
            enter(s, SESSION_REPLY);
        return;
    }
    s->chunked = (struct chunked){0};
    s->body_left = q->length;
    enter(s, SESSION_BODY);
}

/* Works on what is in buf until it must send or needs more. */
static void advance(struct session *s)
{
    while (s->at < s->len && s->phase != SESSION_REPLY && s->phase < SESSION_CLOSED) {
        if (s->phase == SESSION_BODY) {
            s->at += body_input(s, (const uint8_t *)s->buf + s->at, s->len - s->at);
            if (s->at > s->len) /* a refusal has emptied it */
                s->at = s->len;
            continue;
        }
        if (s->phase == SESSION_IDLE)
            enter(s, SESSION_HEAD);
        int status;
        const char *head = s->buf + s->at;
        size_t skip, n = request_scan(&s->scan, head, s->len - s->at, &status);
        skip = s->scan.skipped;
        if (status != 0) {
            s->requests++;
            s->scan = (struct request_scan){0};
            refuse(s, status, false);
        } else if (n == 0) {
            break;
        } else {
            s->scan = (struct request_scan){0};
            s->at += n;
            begin_request(s, head + skip, n - skip);
            if (s->phase == SESSION_BODY && s->req.expect_continue && s->at == s->len)
                s->interim = go_on;
        }
    }
    if (s->at == s->len) {
        s->at = s->len = 0;
        if (s->cap > BUF_KEPT) { /* a long head is rare; thousands of idle connections aren't */
            free(s->buf);
            s->buf = NULL;
            s->cap = 0;
        }
    }
    if (s->eof && s->phase < SESSION_REPLY) {
        /* RFC 9112 8: an incomplete request may be told so. */
        if (s->phase == SESSION_IDLE)
            enter(s, SESSION_CLOSED);
        else {
            s->requests += s->phase == SESSION_HEAD;
            refuse(s, 400, s->phase == SESSION_BODY);
        }
    }
}

/* ---- in and out ---- */

size_t session_room(const struct session *s)
{
    if (s->eof || s->interim[0] != '\0')
        return 0;
    switch (s->phase) {
    case SESSION_IDLE:
    case SESSION_HEAD:
        return REQUEST_HEAD_MAX - (s->len - s->at);
    case SESSION_BODY: /* buf is empty: what comes too much must fit there */
        if (!s->req.chunked)
            return s->body_left < BODY_STEP ? (size_t)s->body_left : BODY_STEP;
        if (chunked_least(&s->chunked) > BODY_STEP)
            return BODY_STEP;
        return (size_t)chunked_least(&s->chunked) + REQUEST_HEAD_MAX;
    default:
        return 0;
    }
}

static bool keep(struct session *s, const uint8_t *bytes, size_t n)
{
    if (s->at > 0) {
        memmove(s->buf, s->buf + s->at, s->len - s->at);
        s->len -= s->at;
        s->at = 0;
    }
    if (s->cap - s->len < n) {
        size_t cap = s->cap == 0 ? 1024 : s->cap;
        while (cap - s->len < n)
            cap *= 2;
        char *buf = realloc(s->buf, cap);
        if (buf == NULL)
            return false;
        s->buf = buf;
        s->cap = cap;
    }
    memcpy(s->buf + s->len, bytes, n);
    s->len += n;
    return true;
}

void session_feed(struct session *s, const uint8_t *bytes, size_t n)
{
    if (s->phase == SESSION_BODY && s->at == s->len) { /* the usual way of a body: no copy */
        size_t used = body_input(s, bytes, n);
        bytes += used;
        n -= used;
    }
    if (n > 0 && !keep(s, bytes, n)) {
        enter(s, SESSION_BROKEN);
        return;
    }
    advance(s);
}

void session_eof(struct session *s)
{
    s->eof = true;
    advance(s);
}

void session_timeout(struct session *s)
{
    if (s->phase == SESSION_HEAD)
        s->requests++;
    if (s->phase == SESSION_HEAD || s->phase == SESSION_BODY)
        refuse(s, 408, s->phase == SESSION_BODY);
    else if (s->phase == SESSION_IDLE)
        enter(s, SESSION_CLOSED);
    else
        enter(s, SESSION_BROKEN);
}

size_t session_pull(struct session *s, uint8_t *dst, size_t cap)
{
    size_t n = strlen(s->interim);
    if (n > 0) {
        n = n < cap ? n : cap;
        memcpy(dst, s->interim, n);
        return n;
    }
    if (s->phase != SESSION_REPLY)
        return 0;
    int64_t got = response_pull(&s->resp, dst, cap);
    if (got < 0) {
        enter(s, SESSION_BROKEN);
        return 0;
    }
    return (size_t)got;
}

static bool reply_complete(const struct session *s)
{
    const struct response *r = &s->resp;
    return r->sent == r->head.len + r->body.len && (r->fd < 0 || r->left == 0);
}

void session_sent(struct session *s, size_t n)
{
    if (s->interim[0] != '\0') {
        s->interim += n;
        return;
    }
    if (s->phase != SESSION_REPLY)
        return;
    response_sent(&s->resp, n);
    s->replied += n;
    if (!reply_complete(s))
        return;
    bool last = s->resp.close;
    response_reset(&s->resp);
    if (last) {
        enter(s, SESSION_CLOSED);
        return;
    }
    enter(s, SESSION_IDLE);
    advance(s);
}
