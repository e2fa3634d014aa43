/* get/answer.c: an HTTP/1.1 answer, piece by piece.
 *
 * As in httpd/request.c a fence stands before libhttp-parser: each line of the head is checked as
 * it comes in, and the head's size is bounded, so that the parser sees only what a strict one would
 * read the same way. Where the body ends is decided here (RFC 9112 6.3): never for HEAD, 1xx, 204
 * and 304; then chunked; then Content-Length; else the connection's end. What makes programs
 * disagree about the end is refused: both framings, two lengths, a coding that isn't "chunked"
 * alone, chunked in HTTP/1.0.
 *
 * Interim answers (1xx) are read over (RFC 9110 15.2); 101 was never asked for and is refused.
 */
#include "get/answer.h"

#include <http_parser.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void answer_init(struct answer *a, bool to_head)
{
    memset(a, 0, sizeof(*a));
    a->to_head = to_head;
}

void answer_free(struct answer *a)
{
    text_free(&a->head);
}

static void bad(struct answer *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void bad(struct answer *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(a->why, sizeof(a->why), fmt, ap);
    va_end(ap);
    a->state = ANSWER_BAD;
}

/* ---- the head ---- */

/* RFC 9112 4: HTTP-version SP 3DIGIT SP [reason]. The last SP is often forgotten. */
static bool status_line_ok(const char *p, size_t n)
{
    if (n < 12 || memcmp(p, "HTTP/1.", 7) != 0 || p[7] < '0' || p[7] > '9' || p[8] != ' ' ||
        p[9] < '1' || p[9] > '5')
        return false;
    for (size_t i = 10; i < 12; i++)
        if (p[i] < '0' || p[i] > '9')
            return false;
    if (n > 12 && p[12] != ' ')
        return false;
    for (size_t i = 13; i < n; i++)
        if (((unsigned char)p[i] < 0x20 && p[i] != '\t') || p[i] == 0x7f)
            return false;
    return true;
}

/* Kept for people: nothing in it that a terminal would obey. */
static int on_status(http_parser *p, const char *at, size_t n)
{
    struct answer *a = p->data;
    size_t have = strlen(a->reason);
    for (size_t i = 0; i < n && have + 1 < sizeof(a->reason); i++)
        a->reason[have++] = at[i] >= 0x20 && at[i] < 0x7f ? at[i] : '?';
    a->reason[have] = '\0';
    return 0;
}

static int on_complete(http_parser *p)
{
    struct answer *a = p->data;
    a->status = (int)p->status_code;
    a->minor = p->http_minor;
    return 1; /* the body is none of the parser's business */
}

bool answer_field(const struct answer *a, size_t *at, struct slice *name, struct slice *value)
{
    const char *s = a->head.s;
    if (*at == 0) {
        const char *lf = a->head.len > 0 ? memchr(s, '\n', a->head.len) : NULL;
        *at = lf != NULL ? (size_t)(lf - s) + 1 : a->head.len;
    }
    if (*at >= a->head.len)
        return false;
    const char *line = s + *at, *lf = memchr(line, '\n', a->head.len - *at);
    const char *colon = lf != NULL ? memchr(line, ':', (size_t)(lf - line)) : NULL;
    if (colon == NULL)
        return false;
    *at = (size_t)(lf - s) + 1;
    *name = (struct slice){line, (size_t)(colon - line)};
    *value = (struct slice){colon + 1, (size_t)(lf - colon) - 1};
    if (value->n > 0 && value->p[value->n - 1] == '\r')
        value->n--;
    *value = slice_trim(*value);
    return true;
}

static void decide_framing(struct answer *a)
{
    struct slice name, value, length = {0}, coding = {0};
    unsigned lengths = 0, codings = 0;
    for (size_t at = 0; answer_field(a, &at, &name, &value);) {
        if (slice_is(name, "content-length")) {
            lengths++;
            length = value;
        } else if (slice_is(name, "transfer-encoding")) {
            codings++;
            coding = value;
        } else if (slice_is(name, "location") && value.n < sizeof(a->location)) {
            memcpy(a->location, value.p, value.n);
            a->location[value.n] = '\0';
        }
    }
    if (lengths > 1 || (lengths > 0 && codings > 0))
        bad(a, "the answer says in two ways how long its body is: %s",
            codings > 0 ? "Content-Length and Transfer-Encoding" : "two Content-Length fields");
    else if (codings > 0 && (codings > 1 || a->minor == 0 || !slice_is(coding, "chunked")))
        bad(a, "the answer has a Transfer-Encoding that isn't plain \"chunked\" of HTTP/1.1");
    else if (lengths > 0 && !slice_number(length, &a->length))
        bad(a, "the answer's Content-Length is no number");
    else if (a->to_head || a->status == 204 || a->status == 304)
        a->framing = FRAMED_NONE;
    else
        a->framing = codings > 0 ? FRAMED_CHUNKED : lengths > 0 ? FRAMED_LENGTH : FRAMED_CLOSE;
}

/* The head is complete. */
static void head_ends(struct answer *a)
{
    static const http_parser_settings settings = {.on_status = on_status,
                                                  .on_headers_complete = on_complete};
    http_parser p;
    http_parser_init(&p, HTTP_RESPONSE);
    p.data = a;
    p.allow_chunked_length = 1; /* each case of two framings is told apart below */
    a->status = 0;
    a->reason[0] = '\0';
    http_parser_execute(&p, &settings, a->head.s, a->head.len);
    if (a->status == 0) {
        decide_framing(a); /* has the better sentence for what it refuses */
        if (a->state != ANSWER_BAD)
            bad(a, "the answer's head makes no sense: %s",
                http_errno_description(HTTP_PARSER_ERRNO(&p)));
        return;
    }
    if (a->status == 101) {
        bad(a, "the peer wants to switch protocols, which nobody asked it to");
        return;
    }
    if (a->status < 200) {
        if (++a->interim > ANSWER_INTERIM_MAX) {
            bad(a, "more than %u interim answers came, and no final one", ANSWER_INTERIM_MAX);
            return;
        }
        text_consume(&a->head, a->head.len);
        a->line = 0;
        a->fields = 0;
        return;
    }
    decide_framing(a);
    if (a->state == ANSWER_BAD)
        return;
    bool none = a->framing == FRAMED_NONE || (a->framing == FRAMED_LENGTH && a->length == 0);
    a->state = none ? ANSWER_DONE : ANSWER_BODY;
}

/* A line of the head, without its end. */
static void head_line(struct answer *a, const char *line, size_t len)
{
    if (a->line == 0) {
        if (!status_line_ok(line, len))
            bad(a, "the answer doesn't begin with an HTTP/1.1 status line");
    } else if (len == 0) {
        head_ends(a);
    } else if (++a->fields > ANSWER_FIELDS_MAX) {
        bad(a, "the answer has more than %u header fields", ANSWER_FIELDS_MAX);
    } else if (!field_line_ok(line, len)) {
        bad(a, "header field %u of the answer is not of the form \"name: value\"", a->fields);
    }
}

/* Takes bytes up to the end of the line they are in. */
static size_t feed_head(struct answer *a, const char *bytes, size_t n)
{
    const char *lf = memchr(bytes, '\n', n);
    size_t used = lf != NULL ? (size_t)(lf - bytes) + 1 : n, before = a->line;
    if (a->head.len - a->line + used > ANSWER_LINE_MAX + 2 ||
        a->head.len + used > ANSWER_LINE_MAX + ANSWER_HEADERS_MAX) {
        bad(a, "the answer's head is too large: a line of more than %u bytes, or %u in all",
            ANSWER_LINE_MAX, ANSWER_LINE_MAX + ANSWER_HEADERS_MAX);
        return 0;
    }
    text_add(&a->head, bytes, used);
    if (lf == NULL)
        return used;
    size_t len = a->head.len - 1 - before;
    if (len > 0 && a->head.s[before + len - 1] == '\r')
        len--;
    head_line(a, a->head.s + before, len);
    if (a->head.len > 0)
        a->line = a->head.len;
    return used;
}

/* ---- the body ---- */

static size_t feed_chunked(struct answer *a, const char *bytes, size_t n, const char **body,
                           size_t *len)
{
    const uint8_t *data = NULL;
    size_t used = 0;
    switch (chunked_decode(&a->chunked, (const uint8_t *)bytes, n, &used, &data, len)) {
    case CHUNKED_DATA:
        *body = (const char *)data;
        a->body += *len;
        break;
    case CHUNKED_MORE:
        *len = 0;
        break;
    case CHUNKED_DONE:
        *len = 0;
        a->state = ANSWER_DONE;
        break;
    case CHUNKED_BAD:
        *len = 0;
        bad(a, "the answer's body breaks the chunked coding after %" PRIu64 " bytes", a->body);
        break;
    }
    return used;
}

size_t answer_feed(struct answer *a, const char *bytes, size_t n, const char **body, size_t *len)
{
    *body = NULL;
    *len = 0;
    if (n == 0 || a->state == ANSWER_DONE || a->state == ANSWER_BAD)
        return 0;
    if (a->state == ANSWER_HEAD)
        return feed_head(a, bytes, n);
    if (a->framing == FRAMED_CHUNKED)
        return feed_chunked(a, bytes, n, body, len);
    if (a->framing == FRAMED_LENGTH && n > a->length - a->body)
        n = (size_t)(a->length - a->body);
    *body = bytes;
    *len = n;
    a->body += n;
    if (a->framing == FRAMED_LENGTH && a->body == a->length)
        a->state = ANSWER_DONE;
    return n;
}

void answer_eof(struct answer *a)
{
    if (a->state == ANSWER_BODY && a->framing == FRAMED_CLOSE)
        a->state = ANSWER_DONE;
    else if (a->state == ANSWER_HEAD)
        bad(a, a->head.len == 0 ? "the peer closed the connection without an answer"
                                : "the connection ended inside the answer's head");
    else if (a->state == ANSWER_BODY && a->framing == FRAMED_LENGTH)
        bad(a, "the connection ended after %" PRIu64 " of %" PRIu64 " bytes", a->body, a->length);
    else if (a->state == ANSWER_BODY)
        bad(a, "the connection ended inside a chunked body, after %" PRIu64 " bytes", a->body);
}
