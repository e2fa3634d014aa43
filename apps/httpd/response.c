/* httpd/response.c: what is answered.
 *
 * Every answer has its length in Content-Length and so keeps the connection usable. To HEAD, and
 * with 304, the head is the same and the body is left away (RFC 9110 9.3.2, 15.4.5). Conditions are
 * evaluated in the order of RFC 9110 13.2.2: If-Match, else If-Unmodified-Since (412);
 * If-None-Match, else If-Modified-Since (304); then Range, if If-Range allows it (206, 416).
 *
 * The entity tag is made of inode, size and modification time in nanoseconds: another file, or the
 * same after a change, has another tag. A file is read as it is sent; if it shrinks meanwhile the
 * connection is cut, since the promised length can't be kept.
 */
#include "httpd/response.h"
#include "httpd/content.h"
#include "httpd/date.h"
#include "httpd/escape.h"
#include "httpd/path.h"
#include "httpd/range.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ALLOW "GET, HEAD, PUT, POST"

void response_init(struct response *r)
{
    *r = (struct response){.fd = -1};
}

void response_reset(struct response *r)
{
    if (r->fd >= 0)
        close(r->fd);
    struct text head = r->head; /* its memory serves the next one */
    text_consume(&head, head.len);
    text_free(&r->body);
    *r = (struct response){.fd = -1, .head = head};
}

void response_free(struct response *r)
{
    response_reset(r);
    text_free(&r->head);
}

/* ---- heads and pages ---- */

static void begin(struct response *r, const struct site *site, const struct request *q, int status,
                  bool closing)
{
    char date[HTTPD_DATE_SIZE];
    response_reset(r);
    r->status = status;
    r->close = closing || q == NULL || !q->keep_alive;
    httpd_date_format(site->wall(site->ctx), date);
    text_printf(&r->head, "HTTP/1.1 %d %s\r\nDate: %s\r\nServer: tapdeck\r\n", status,
                http_status_str((enum http_status)status), date);
    if (r->close)
        text_puts(&r->head, "Connection: close\r\n");
    else if (q->minor == 0)
        text_puts(&r->head, "Connection: keep-alive\r\n");
}

static bool is_head(const struct request *q)
{
    return q != NULL && q->method == HTTP_HEAD;
}

/* Ends a head whose body is the page in r->body. */
static void end_with_page(struct response *r, const struct request *q, const char *type)
{
    text_printf(&r->head, "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n", type, r->body.len);
    if (is_head(q))
        text_free(&r->body);
}

static const char *sentence(int status)
{
    switch (status) {
    case 400:
        return "This is not a request that can be understood.";
    case 403:
        return "This file may not be read.";
    case 404:
        return "There is no such file.";
    case 405:
        return "This server knows only " ALLOW ".";
    case 408:
        return "The request took too long to arrive.";
    case 411:
        return "A body needs a Content-Length, or to be chunked.";
    case 412:
        return "The condition of the request does not hold.";
    case 413:
        return "The body is larger than this server takes.";
    case 414:
        return "The request line is longer than this server reads.";
    case 416:
        return "The file is shorter than that.";
    case 417:
        return "Only 100-continue can be expected.";
    case 431:
        return "The header fields are more than this server reads.";
    case 501:
        return "This method or coding is not known here.";
    case 503:
        return "The server is busy. Try again in a moment.";
    case 505:
        return "This server speaks HTTP/1.1 and HTTP/1.0.";
    default:
        return "Something went wrong inside.";
    }
}

static void page(struct response *r, int status, const char *html)
{
    const char *reason = http_status_str((enum http_status)status);
    text_printf(&r->body,
                "<!doctype html>\n<html><head><meta charset=\"utf-8\"><title>%d %s</title></head>\n"
                "<body><h1>%d %s</h1>\n<p>%s</p></body></html>\n",
                status, reason, status, reason, html);
}

void response_status(struct response *r, const struct site *site, const struct request *q,
                     int status, bool closing)
{
    begin(r, site, q, status, closing);
    if (status == 405)
        text_puts(&r->head, "Allow: " ALLOW "\r\n");
    if (status == 503)
        text_puts(&r->head, "Retry-After: 1\r\n");
    page(r, status, sentence(status));
    end_with_page(r, q, "text/html; charset=utf-8");
}

void response_sink(struct response *r, const struct site *site, const struct request *q,
                   uint64_t length, const uint8_t digest[SHA256_DIGEST_SIZE])
{
    begin(r, site, q, 200, false);
    text_printf(&r->body, "{\"length\":%" PRIu64 ",\"sha256\":\"", length);
    for (int i = 0; i < SHA256_DIGEST_SIZE; i++)
        text_printf(&r->body, "%02x", digest[i]);
    text_puts(&r->body, "\"}\n");
    end_with_page(r, q, "application/json");
}

/* ---- conditions ---- */

/* RFC 9110 8.8.3.2. Our tags are strong, so a weak one in the list matches only weakly. */
static bool tag_listed(struct slice list, const char *tag, bool weakly)
{
    if (list.n == 1 && list.p[0] == '*')
        return true;
    if (list_has(list, tag))
        return true;
    char weak[100];
    snprintf(weak, sizeof weak, "W/%s", tag);
    return weakly && list_has(list, weak);
}

static bool date_of(struct slice field, int64_t now, int64_t *when)
{
    return field.p != NULL && httpd_date_parse(field.p, field.n, now, when);
}

/* RFC 9110 13.2.2, steps 1 to 4: 0 (go on), 304 or 412. */
static int check_conditions(const struct request *q, const char *tag, int64_t modified, int64_t now)
{
    int64_t when;
    if (q->if_match.p != NULL) {
        if (!tag_listed(q->if_match, tag, false))
            return 412;
    } else if (date_of(q->if_unmodified_since, now, &when) && modified > when) {
        return 412;
    }
    if (q->if_none_match.p != NULL) {
        if (tag_listed(q->if_none_match, tag, true))
            return 304;
    } else if (date_of(q->if_modified_since, now, &when) && modified <= when) {
        return 304;
    }
    return 0;
}

/* Step 5. A date is a strong validator only when it is older than the answer (8.8.2.2). */
static bool if_range_allows(const struct request *q, const char *tag, int64_t modified, int64_t now)
{
    int64_t when;
    if (q->if_range.p == NULL)
        return true;
    if (q->if_range.n > 0 && q->if_range.p[0] == '"')
        return q->if_range.n == strlen(tag) && memcmp(q->if_range.p, tag, q->if_range.n) == 0;
    return date_of(q->if_range, now, &when) && when == modified && modified < now;
}

/* ---- files and directories ---- */

static void make_file(struct response *r, const struct site *site, const struct request *q, int fd,
                      const struct stat *st, const char *name)
{
    char tag[80], date[HTTPD_DATE_SIZE];
    uint64_t size = (uint64_t)st->st_size, first = 0, last = 0;
    int64_t now = site->wall(site->ctx);
    int64_t modified = st->st_mtim.tv_sec < now ? st->st_mtim.tv_sec : now; /* 8.8.2.1 */
    snprintf(tag, sizeof tag, "\"%" PRIx64 "-%" PRIx64 "-%" PRIx64 "%08" PRIx32 "\"",
             (uint64_t)st->st_ino, size, (uint64_t)st->st_mtim.tv_sec,
             (uint32_t)st->st_mtim.tv_nsec);

    int status = check_conditions(q, tag, modified, now);
    if (status == 412) {
        close(fd);
        response_status(r, site, q, 412, false);
        return;
    }
    enum httpd_range range = HTTPD_RANGE_WHOLE;
    if (status == 0) {
        status = 200;
        if (q->method == HTTP_GET && q->range.p != NULL && if_range_allows(q, tag, modified, now))
            range = httpd_range_parse(q->range.p, q->range.n, size, &first, &last);
        if (range == HTTPD_RANGE_PART)
            status = 206;
        if (range == HTTPD_RANGE_UNSATISFIABLE)
            status = 416;
    }
    begin(r, site, q, status, false);
    if (status == 416) {
        close(fd);
        text_printf(&r->head, "Content-Range: bytes */%" PRIu64 "\r\n", size);
        page(r, 416, sentence(416));
        end_with_page(r, q, "text/html; charset=utf-8");
        return;
    }
    httpd_date_format(modified, date);
    text_printf(&r->head, "ETag: %s\r\nLast-Modified: %s\r\nAccept-Ranges: bytes\r\n", tag, date);
    uint64_t length = status == 206 ? last - first + 1 : size;
    if (status == 206)
        text_printf(&r->head, "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n", first,
                    last, size);
    if (status != 304)
        text_printf(&r->head,
                    "Content-Type: %s\r\nX-Content-Type-Options: nosniff\r\n"
                    "Content-Length: %" PRIu64 "\r\n",
                    content_type(name), length);
    text_puts(&r->head, "\r\n");
    if (is_head(q) || status == 304 || length == 0) {
        close(fd);
        return;
    }
    r->fd = fd;
    r->off = first;
    r->left = length;
}

/* RFC 9110 15.4.2. The path is the decoded one, written anew, so it begins with exactly one slash
 * and can't name another host. */
static void make_redirect(struct response *r, const struct site *site, const struct request *q,
                          const char *path)
{
    struct text location = {0}, html = {0};
    text_puts(&location, "/");
    escape_url(&location, path);
    text_puts(&location, "/");
    if (q->query.p != NULL) {
        text_puts(&location, "?");
        text_add(&location, q->query.p, q->query.n);
    }
    begin(r, site, q, 301, false);
    text_printf(&r->head, "Location: %s\r\n", location.s);
    text_puts(&html, "It is <a href=\"");
    escape_html(&html, location.s);
    text_puts(&html, "\">here</a>.");
    page(r, 301, html.s);
    end_with_page(r, q, "text/html; charset=utf-8");
    text_free(&location);
    text_free(&html);
}

static int status_of(int err)
{
    switch (err) {
    case -ENOENT:
        return 404;
    case -EACCES:
    case -EPERM:
        return 403;
    case -EMFILE:
    case -ENFILE:
    case -ENOMEM:
        return 503;
    default:
        return 500;
    }
}

/* path ends in a slash or is empty: its index.html, else the listing. */
static void make_directory(struct response *r, const struct site *site, const struct request *q,
                           int fd, const char *path)
{
    struct stat st;
    char index[HTTPD_PATH_MAX];
    int n = snprintf(index, sizeof index, "%sindex.html", path);
    int file = n < (int)sizeof index ? httpd_path_open(site->root, index, &st) : -ENOENT;
    if (file >= 0 && S_ISREG(st.st_mode)) {
        close(fd);
        make_file(r, site, q, file, &st, index);
        return;
    }
    if (file >= 0)
        close(file);
    begin(r, site, q, 200, false);
    int err = content_listing(&r->body, fd, path);
    close(fd);
    if (err != 0) {
        response_status(r, site, q, status_of(err), false);
        return;
    }
    end_with_page(r, q, "text/html; charset=utf-8");
}

void response_make(struct response *r, const struct site *site, const struct request *q)
{
    char path[HTTPD_PATH_MAX];
    struct stat st;
    if (q->method != HTTP_GET && q->method != HTTP_HEAD) {
        response_status(r, site, q, 405, false);
        return;
    }
    int status = httpd_path_decode(q->path.p, q->path.n, path);
    if (status != 0) {
        response_status(r, site, q, status, false);
        return;
    }
    int fd = httpd_path_open(site->root, path, &st);
    size_t n = strlen(path);
    if (fd < 0)
        response_status(r, site, q, status_of(fd), false);
    else if (S_ISREG(st.st_mode))
        make_file(r, site, q, fd, &st, path);
    else if (n == 0 || path[n - 1] == '/')
        make_directory(r, site, q, fd, path);
    else {
        close(fd);
        make_redirect(r, site, q, path);
    }
}

/* ---- sending ---- */

int64_t response_pull(const struct response *r, uint8_t *dst, size_t cap)
{
    size_t n = 0, at = r->sent;
    const struct text *parts[] = {&r->head, &r->body};
    for (int i = 0; i < 2; i++) {
        size_t len = parts[i]->len;
        size_t from = at < len ? at : len;
        size_t take = len - from < cap - n ? len - from : cap - n;
        if (take > 0)
            memcpy(dst + n, parts[i]->s + from, take);
        n += take;
        at -= from;
    }
    if (r->fd >= 0 && n < cap && r->left > 0) {
        size_t want = cap - n < r->left ? cap - n : (size_t)r->left;
        ssize_t got;
        do
            got = pread(r->fd, dst + n, want, (off_t)r->off);
        while (got < 0 && errno == EINTR);
        if (got <= 0)
            return n > 0 ? (int64_t)n : -EIO; /* what comes before it goes out first */
        n += (size_t)got;
    }
    return (int64_t)n;
}

void response_sent(struct response *r, size_t n)
{
    size_t text = r->head.len + r->body.len - r->sent;
    size_t take = n < text ? n : text;
    r->sent += take;
    n -= take;
    r->off += n;
    r->left -= n;
}
