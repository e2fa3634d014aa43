/* httpd/request.c: the head of a request.
 *
 * The grammar's reader is libhttp-parser: it splits request line and fields, knows the methods,
 * reads numbers with overflow checks and the Connection field. Debian builds that library with its
 * strict mode off, and even strict it folds lines; so a fence stands before it. request_scan()
 * finds the end of the head as bytes come in and passes only lines of the form RFC 9112 prescribes
 * for senders:
 *
 *     request line   method SP target SP HTTP-version, one space each, visible ASCII only
 *     field line     name ":" value; no blank before the colon (5.1), no obs-fold (5.2), no NUL,
 *                    no bare CR, no control characters but tab (RFC 9110 5.5)
 *
 * A line may end in LF alone, as RFC 9112 2.2 permits: people type requests into nc. After the
 * fence the parser can't read the bytes in another way than a strict one would.
 *
 * request_parse() then refuses what could make two programs see different requests (smuggling, RFC
 * 9112 6.3 and 11.2): both Content-Length and Transfer-Encoding, two Content-Lengths even when
 * equal, a Transfer-Encoding in HTTP/1.0, a coding other than exactly one "chunked".
 */
#include "httpd/request.h"

#include <string.h>
#include <strings.h>

/* ---- the fence ---- */

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* RFC 9112 3: method SP request-target SP HTTP-version. */
static int check_request_line(const char *p, size_t n)
{
    size_t i = 0;
    while (i < n && token_char(p[i]))
        i++;
    if (i == 0 || i == n || p[i] != ' ')
        return 400;
    size_t target = ++i;
    while (i < n && p[i] > 0x20 && p[i] < 0x7f && p[i] != '#')
        i++;
    if (i == target || i == n || p[i] != ' ')
        return 400;
    i++;
    if (n - i != 8 || memcmp(p + i, "HTTP/", 5) != 0 || !digit(p[i + 5]) || p[i + 6] != '.' ||
        !digit(p[i + 7]))
        return 400;
    return p[i + 5] == '1' ? 0 : 505;
}

size_t request_scan(struct request_scan *scan, const char *buf, size_t n, int *status)
{
    *status = 0;
    while (scan->pos < n) {
        const char *lf = memchr(buf + scan->pos, '\n', n - scan->pos);
        if (lf == NULL) {
            scan->pos = n;
            break;
        }
        const char *line = buf + scan->line_start;
        size_t len = (size_t)(lf - line);
        if (len > 0 && line[len - 1] == '\r')
            len--;
        scan->pos = scan->line_start = (size_t)(lf - buf) + 1;
        if (scan->fields_at == 0) {
            if (len == 0) { /* RFC 9112 2.2: empty lines before a request are ignored */
                if (scan->pos > 64)
                    *status = 400;
                scan->skipped = scan->pos;
            } else {
                scan->fields_at = scan->pos;
                *status = len > REQUEST_LINE_MAX ? 414 : check_request_line(line, len);
            }
        } else if (len == 0) {
            return scan->pos;
        } else if (++scan->fields > REQUEST_FIELDS_MAX ||
                   scan->pos - scan->fields_at > REQUEST_HEADERS_MAX) {
            *status = 431;
        } else {
            *status = field_line_ok(line, len) ? 0 : 400;
        }
        if (*status != 0)
            return 0;
    }
    if (scan->fields_at == 0 && n - scan->line_start > REQUEST_LINE_MAX + 1)
        *status = 414;
    else if (scan->fields_at != 0 && n - scan->fields_at > REQUEST_HEADERS_MAX + 1)
        *status = 431;
    return 0;
}

/* ---- the fields ---- */

struct reader {
    struct request *r;
    struct slice target, name, value;
    struct slice length, coding;
    unsigned lengths, codings, hosts;
    bool complete, bad_expect;
};

static void end_field(struct reader *rd)
{
    static const struct {
        const char *name;
        size_t at;
    } kept[] = {
        {"range", offsetof(struct request, range)},
        {"if-range", offsetof(struct request, if_range)},
        {"if-match", offsetof(struct request, if_match)},
        {"if-none-match", offsetof(struct request, if_none_match)},
        {"if-modified-since", offsetof(struct request, if_modified_since)},
        {"if-unmodified-since", offsetof(struct request, if_unmodified_since)},
    };
    if (rd->name.p == NULL)
        return;
    struct slice name = rd->name, value = slice_trim(rd->value);
    rd->name = rd->value = (struct slice){0};
    if (value.p == NULL)
        value.p = "";
    if (slice_is(name, "host")) {
        rd->hosts++;
        rd->r->host = value;
    } else if (slice_is(name, "content-length")) {
        rd->lengths++;
        rd->length = value;
    } else if (slice_is(name, "transfer-encoding")) {
        rd->codings++;
        rd->coding = value;
    } else if (slice_is(name, "expect")) {
        if (slice_is(value, "100-continue"))
            rd->r->expect_continue = true;
        else
            rd->bad_expect = true;
    } else {
        for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
            if (slice_is(name, kept[i].name)) {
                struct slice *to = (struct slice *)(void *)((char *)rd->r + kept[i].at);
                if (to->p == NULL) /* of repeated ones, which may not be, the first counts */
                    *to = value;
                break;
            }
        }
    }
}

/* The parser may hand a thing on in pieces that lie side by side. */
static void extend(struct slice *s, const char *at, size_t n)
{
    if (s->p == NULL)
        *s = (struct slice){at, n};
    else
        s->n = (size_t)(at - s->p) + n;
}

static int on_url(http_parser *p, const char *at, size_t n)
{
    struct reader *rd = p->data;
    extend(&rd->target, at, n);
    return 0;
}

static int on_name(http_parser *p, const char *at, size_t n)
{
    struct reader *rd = p->data;
    bool next = rd->name.p != NULL && at != rd->name.p + rd->name.n;
    if (rd->value.p != NULL || next) /* the value may have been empty */
        end_field(rd);
    extend(&rd->name, at, n);
    return 0;
}

static int on_value(http_parser *p, const char *at, size_t n)
{
    struct reader *rd = p->data;
    extend(&rd->value, at, n);
    return 0;
}

static int on_complete(http_parser *p)
{
    struct reader *rd = p->data;
    end_field(rd);
    rd->complete = true;
    rd->r->keep_alive = http_should_keep_alive(p) != 0;
    return 0;
}

/* RFC 9112 3.2: origin-form, or absolute-form, which a server must accept. */
static int split_target(struct request *r, struct slice target)
{
    if (target.n > 0 && target.p[0] != '/') {
        struct http_parser_url u;
        http_parser_url_init(&u);
        if (http_parser_parse_url(target.p, target.n, 0, &u) != 0 ||
            (u.field_set & 1U << UF_SCHEMA) == 0 || (u.field_set & 1U << UF_HOST) == 0)
            return 400;
        struct slice scheme = {target.p + u.field_data[UF_SCHEMA].off, u.field_data[UF_SCHEMA].len};
        if (!slice_is(scheme, "http"))
            return 400;
        size_t at = target.n;
        if ((u.field_set & 1U << UF_PATH) != 0)
            at = u.field_data[UF_PATH].off;
        else if ((u.field_set & 1U << UF_QUERY) != 0)
            at = u.field_data[UF_QUERY].off - 1U;
        target.p += at;
        target.n -= at;
    }
    const char *mark = target.n > 0 ? memchr(target.p, '?', target.n) : NULL;
    r->path = target;
    if (mark != NULL) {
        r->path.n = (size_t)(mark - target.p);
        r->query = (struct slice){mark + 1, target.n - r->path.n - 1};
    }
    if (r->path.n == 0)
        r->path = (struct slice){"/", 1};
    return 0;
}

/* RFC 9110 7.2: uri-host [ ":" port ]; only the characters are looked at (RFC 3986 3.2.2). */
static bool good_host(struct slice host)
{
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !digit(c) && strchr("-._~%!$&'()*+;=:[]", c) == NULL)
            return false;
    }
    return true;
}

static int check_framing(struct request *r, const struct reader *rd)
{
    if (rd->lengths > 1 || (rd->lengths > 0 && rd->codings > 0) ||
        (rd->codings > 0 && r->minor == 0))
        return 400;
    if (rd->lengths > 0) {
        r->has_length = true;
        if (!slice_number(rd->length, &r->length))
            return 400;
    }
    if (rd->codings > 0) {
        struct slice list = rd->coding, e, last = {0};
        unsigned count = 0, chunked = 0;
        while (list_next(&list, &e)) {
            count++;
            chunked += slice_is(e, "chunked");
            last = e;
        }
        if (rd->codings > 1 || chunked != 1 || !slice_is(last, "chunked"))
            return 400; /* 6.3: the length can't be told */
        if (count > 1)
            return 501; /* 6.1: a coding not understood */
        r->chunked = true;
    }
    return 0;
}

static int parser_status(const http_parser *p)
{
    switch (HTTP_PARSER_ERRNO(p)) {
    case HPE_INVALID_METHOD:
        return 501;
    case HPE_INVALID_VERSION:
        return 505;
    case HPE_HEADER_OVERFLOW:
        return 431;
    default:
        return 400;
    }
}

int request_parse(struct request *r, const char *head, size_t n)
{
    static const http_parser_settings settings = {
        .on_url = on_url,
        .on_header_field = on_name,
        .on_header_value = on_value,
        .on_headers_complete = on_complete,
    };
    *r = (struct request){.method = HTTP_DELETE};
    struct reader rd = {.r = r};
    http_parser parser;
    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = &rd;
    /* Its own answer to both framings is a plain error; here each case is told apart. */
    parser.allow_chunked_length = 1;
    http_parser_execute(&parser, &settings, head, n);
    r->method = parser.method;
    if (!rd.complete) {
        r->keep_alive = false;
        /* A repeated or bad Content-Length and an unfinished coding end the parser early. */
        return parser_status(&parser);
    }
    r->minor = parser.http_minor;
    if (parser.http_major != 1)
        return 505;
    int status = check_framing(r, &rd);
    if (status != 0)
        return status;
    if (rd.hosts > 1 || (rd.hosts == 0 && r->minor > 0) || !good_host(r->host))
        return 400; /* RFC 9112 3.2 */
    if (rd.bad_expect && r->minor > 0)
        return 417;
    if (r->minor == 0)
        r->expect_continue = false; /* RFC 9110 10.1.1 */
    switch (r->method) {
    case HTTP_GET:
    case HTTP_HEAD:
    case HTTP_PUT:
    case HTTP_POST:
        return split_target(r, rd.target);
    default:
        return 0; /* 405 whatever the target is: "*" and authority-form belong to these */
    }
}
