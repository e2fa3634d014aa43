/* Heads of requests: httpd/request.c. */
#include "check_main.h"
#include "httpd/request.h"

#include <stdio.h>
#include <string.h>

static struct request req;

/* Scans and reads a whole text, as the session does. Returns the status; -1: it isn't complete. */
static int verdict_n(const char *text, size_t n)
{
    struct request_scan scan = {0};
    int status;
    size_t head = request_scan(&scan, text, n, &status);
    if (status != 0)
        return status;
    if (head == 0)
        return -1;
    return request_parse(&req, text + scan.skipped, head - scan.skipped);
}

static int verdict(const char *text)
{
    return verdict_n(text, strlen(text));
}

static bool is(struct slice s, const char *text)
{
    return s.p != NULL && s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

START_TEST(test_plain)
{
    ck_assert_int_eq(verdict("GET /a/b?c=d HTTP/1.1\r\nHost: example:80\r\nEmpty:\r\n"
                             "Range:bytes=1-2 \t\r\nIf-None-Match: \"a\", \"b\"\r\n\r\n"),
                     0);
    ck_assert_uint_eq(req.method, HTTP_GET);
    ck_assert_uint_eq(req.minor, 1);
    ck_assert(req.keep_alive);
    ck_assert(!req.chunked && !req.has_length && !req.expect_continue);
    ck_assert(is(req.path, "/a/b"));
    ck_assert(is(req.query, "c=d"));
    ck_assert(is(req.host, "example:80"));
    ck_assert(is(req.range, "bytes=1-2"));
    ck_assert(is(req.if_none_match, "\"a\", \"b\""));
    ck_assert_ptr_null(req.if_match.p);
}
END_TEST

START_TEST(test_empty_values)
{
    ck_assert_int_eq(verdict("GET / HTTP/1.1\r\nHost:\r\nRange:\r\nIf-Match: x\r\n\r\n"), 0);
    ck_assert(is(req.host, ""));
    ck_assert(is(req.range, ""));
    ck_assert(is(req.if_match, "x"));
}
END_TEST

START_TEST(test_keep_alive)
{
    ck_assert_int_eq(verdict("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), 0);
    ck_assert(!req.keep_alive);
    ck_assert_int_eq(verdict("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n\r\n"), 0);
    ck_assert(!req.keep_alive);
    ck_assert_int_eq(verdict("GET / HTTP/1.0\r\n\r\n"), 0);
    ck_assert(!req.keep_alive);
    ck_assert_uint_eq(req.minor, 0);
    ck_assert_int_eq(verdict("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), 0);
    ck_assert(req.keep_alive);
}
END_TEST

START_TEST(test_targets)
{
    ck_assert_int_eq(verdict("GET http://h:8/p?q HTTP/1.1\r\nHost: h\r\n\r\n"), 0);
    ck_assert(is(req.path, "/p"));
    ck_assert(is(req.query, "q"));
    ck_assert_int_eq(verdict("GET HTTP://h HTTP/1.1\r\nHost: h\r\n\r\n"), 0);
    ck_assert(is(req.path, "/"));
    ck_assert_int_eq(verdict("GET http://h?q HTTP/1.1\r\nHost: h\r\n\r\n"), 0);
    ck_assert(is(req.path, "/"));
    ck_assert(is(req.query, "q"));
    ck_assert_int_eq(verdict("GET //h/p HTTP/1.1\r\nHost: h\r\n\r\n"), 0);
    ck_assert(is(req.path, "//h/p"));
    ck_assert_int_eq(verdict("GET ftp://h/p HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
    ck_assert_int_eq(verdict("GET * HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
    ck_assert_int_eq(verdict("GET p HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
    ck_assert_int_eq(verdict("GET h:80 HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
    ck_assert_int_eq(verdict("GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
    ck_assert_int_eq(verdict("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"), 0);
    ck_assert_uint_eq(req.method, HTTP_OPTIONS);
    ck_assert_int_eq(verdict("CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n"), 0);
    ck_assert_uint_eq(req.method, HTTP_CONNECT);
}
END_TEST

START_TEST(test_bodies)
{
    ck_assert_int_eq(verdict("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 007\r\n\r\n"), 0);
    ck_assert(req.has_length);
    ck_assert_uint_eq(req.length, 7);
    ck_assert_int_eq(verdict("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\nExpect: "
                             "100-Continue\r\n\r\n"),
                     0);
    ck_assert(req.chunked && !req.has_length && req.expect_continue);
    ck_assert_int_eq(verdict("PUT / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"),
                     0);
    ck_assert(!req.expect_continue); /* RFC 9110 10.1.1: not from HTTP/1.0 */
    ck_assert_int_eq(verdict("PUT / HTTP/1.1\r\nHost: h\r\nExpect: tea\r\n\r\n"), 417);
}
END_TEST

#define H "GET / HTTP/1.1\r\nHost: h\r\n"

START_TEST(test_smuggling)
{
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {H "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {H "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400},
        {H "Transfer-Encoding: identity\r\nContent-Length: 1\r\n\r\n", 400},
        {H "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
        {H "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
        {H "Content-Length: 1, 1\r\n\r\n", 400},
        {H "Content-Length: +1\r\n\r\n", 400},
        {H "Content-Length: -1\r\n\r\n", 400},
        {H "Content-Length: 0x1\r\n\r\n", 400},
        {H "Content-Length: 1 2\r\n\r\n", 400},
        {H "Content-Length:\r\n\r\n", 400},
        {H "Content-Length: 18446744073709551616\r\n\r\n", 400},
        {H "Content-Length : 1\r\n\r\n", 400},
        {H "Content-Length\t: 1\r\n\r\n", 400},
        {H "Content-Length\r\n\r\n", 400},
        {H "Transfer-Encoding: chunked, gzip\r\n\r\n", 400},
        {H "Transfer-Encoding: chunked, chunked\r\n\r\n", 400},
        {H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {H "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {H "Transfer-Encoding: xchunked\r\n\r\n", 400},
        {H "Transfer-Encoding: chunked;x\r\n\r\n", 400},
        {H "Transfer-Encoding:\r\n\r\n", 400},
        {H "Transfer-Encoding: \x0b"
           "chunked\r\n\r\n",
         400},
        {H "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
        {"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {H "X: a\r\n b\r\n\r\n", 400}, /* obs-fold */
        {H "X: a\r\n\tTransfer-Encoding: chunked\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400}, /* blank before the first field */
        {H "X: a\rContent-Length: 1\r\n\r\n", 400},  /* bare CR */
        {H "X: a\r\r\n\r\n", 400},
        {H "X: a\x01\r\n\r\n", 400},
        {H "X y: a\r\n\r\n", 400},
        {H ": a\r\n\r\n", 400},
        {H "X\x80: a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n\r\n", 400}, /* no Host */
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_msg(verdict(cases[i].text) == cases[i].status, "%s\ngave %d", cases[i].text,
                      verdict(cases[i].text));
}
END_TEST

START_TEST(test_nul_bytes)
{
    static const char in_target[] = "GET /a\0b HTTP/1.1\r\nHost: h\r\n\r\n",
                      in_name[] = H "X\0: a\r\n\r\n", in_value[] = H "X: a\0b\r\n\r\n",
                      in_method[] = "G\0T / HTTP/1.1\r\nHost: h\r\n\r\n";
    ck_assert_int_eq(verdict_n(in_target, sizeof in_target - 1), 400);
    ck_assert_int_eq(verdict_n(in_name, sizeof in_name - 1), 400);
    ck_assert_int_eq(verdict_n(in_value, sizeof in_value - 1), 400);
    ck_assert_int_eq(verdict_n(in_method, sizeof in_method - 1), 400);
}
END_TEST

START_TEST(test_request_lines)
{
    static const struct {
        const char *line;
        int status;
    } cases[] = {
        {"GET  / HTTP/1.1", 400},
        {"GET /  HTTP/1.1", 400},
        {" GET / HTTP/1.1", 400},
        {"GET / HTTP/1.1 ", 400},
        {"GET\t/ HTTP/1.1", 400},
        {"GET /", 400},
        {"GET / ", 400},
        {"GET", 400},
        {"GET / HTTP/1.10", 400},
        {"GET / HTTP/11.1", 400},
        {"GET / HTTP/x.y", 400},
        {"GET / http/1.1", 400},
        {"GET / HTTQ/1.1", 400},
        {"GET /\x7f HTTP/1.1", 400},
        {"GET /\x80 HTTP/1.1", 400},
        {"G{T / HTTP/1.1", 400},
        {"GET / HTTP/2.0", 505},
        {"GET / HTTP/0.9", 505},
        {"GET / HTTP/9.9", 505},
        {"BREW / HTTP/1.1", 501},
        {"get / HTTP/1.1", 501},
        {"GET / HTTP/1.1", 0},
        {"GET / HTTP/1.2", 0},
        {"DELETE / HTTP/1.1", 0},
        {"\x16\x03\x01", 400},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[100];
        snprintf(text, sizeof text, "%s\r\nHost: h\r\n\r\n", cases[i].line);
        ck_assert_msg(verdict(text) == cases[i].status, "%s gave %d", cases[i].line, verdict(text));
    }
}
END_TEST

START_TEST(test_bad_line_is_refused_at_once)
{
    /* Without waiting for the end of the head: whoever speaks another protocol never sends one. */
    ck_assert_int_eq(verdict("GET /\r\n"), 400);
    ck_assert_int_eq(verdict("SSH-2.0-OpenSSH_9.2\r\n"), 400);
}
END_TEST

START_TEST(test_line_feeds_and_empty_lines)
{
    ck_assert_int_eq(verdict("GET / HTTP/1.1\nHost: h\n\n"), 0); /* RFC 9112 2.2 */
    ck_assert(is(req.host, "h"));
    ck_assert_int_eq(verdict("\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"), 0);
    ck_assert_int_eq(verdict("\nGET / HTTP/1.0\n\n"), 0);
    char many[200];
    memset(many, '\n', sizeof many);
    ck_assert_int_eq(verdict_n(many, sizeof many), 400);
    ck_assert_int_eq(verdict("\r\n"), -1);
}
END_TEST

START_TEST(test_split_anywhere)
{
    const char *text = "\r\nGET /a HTTP/1.1\r\nHost: h\r\nX: y\r\n\r\nGET /next";
    size_t want = strlen(text) - strlen("GET /next");
    for (size_t cut = 0; cut < want; cut++) {
        struct request_scan scan = {0};
        int status;
        ck_assert_uint_eq(request_scan(&scan, text, cut, &status), 0);
        ck_assert_int_eq(status, 0);
        ck_assert_uint_eq(request_scan(&scan, text, strlen(text), &status), want);
        ck_assert_int_eq(status, 0);
        ck_assert_uint_eq(scan.skipped, 2);
    }
}
END_TEST

/* A request line of n bytes without CRLF. */
static int verdict_line(size_t n)
{
    static char text[REQUEST_LINE_MAX + 200];
    memcpy(text, "GET /", 5);
    memset(text + 5, 'a', n - 14);
    memcpy(text + n - 9, " HTTP/1.1", 9);
    memcpy(text + n, "\r\nHost: h\r\n\r\n", 13);
    return verdict_n(text, n + 13);
}

START_TEST(test_long_request_line)
{
    ck_assert_int_eq(verdict_line(REQUEST_LINE_MAX), 0);
    ck_assert_uint_eq(req.path.n, REQUEST_LINE_MAX - 13);
    ck_assert_int_eq(verdict_line(REQUEST_LINE_MAX + 1), 414);
    /* Without an end, too: before the buffer is full. */
    static char endless[REQUEST_HEAD_MAX];
    memset(endless, 'a', sizeof endless);
    ck_assert_int_eq(verdict_n(endless, sizeof endless), 414);
    ck_assert_int_eq(verdict_n(endless, REQUEST_LINE_MAX), -1);
}
END_TEST

START_TEST(test_long_headers)
{
    static char text[REQUEST_HEAD_MAX + 1000];
    for (int over = 0; over < 2; over++) {
        size_t n = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\n");
        size_t fields = n;
        n += (size_t)snprintf(text + n, sizeof text - n, "Host: h\r\nX: ");
        size_t end = fields + REQUEST_HEADERS_MAX - 2 + (size_t)over;
        memset(text + n, 'x', end - n);
        memcpy(text + end, "\r\n\r\n", 4);
        ck_assert_int_eq(verdict_n(text, end + 4), over ? 431 : 0);
    }
    size_t n = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\nX: ");
    memset(text + n, 'x', sizeof text - n);
    ck_assert_int_eq(verdict_n(text, REQUEST_HEAD_MAX), 431);
}
END_TEST

START_TEST(test_many_headers)
{
    static char text[REQUEST_FIELDS_MAX * 4 + 200];
    for (unsigned count = REQUEST_FIELDS_MAX; count <= REQUEST_FIELDS_MAX + 1; count++) {
        size_t n = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: h\r\n");
        for (unsigned i = 1; i < count; i++)
            n += (size_t)snprintf(text + n, sizeof text - n, "X:\r\n");
        n += (size_t)snprintf(text + n, sizeof text - n, "\r\n");
        ck_assert_int_eq(verdict_n(text, n), count > REQUEST_FIELDS_MAX ? 431 : 0);
    }
}
END_TEST

/* The scanner comes to a verdict before REQUEST_HEAD_MAX bytes, whatever they are. */
START_TEST(test_buffer_is_enough)
{
    static char text[REQUEST_HEAD_MAX];
    size_t n = 0;
    for (int i = 0; i < 32; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "\r\n");
    memcpy(text + n, "GET /", 5);
    memset(text + n + 5, 'a', REQUEST_LINE_MAX - 14);
    n += REQUEST_LINE_MAX - 9;
    n += (size_t)snprintf(text + n, sizeof text - n, " HTTP/1.1\r\nX:");
    memset(text + n, 'x', sizeof text - n);
    ck_assert_int_eq(verdict_n(text, sizeof text), 431);
}
END_TEST

START_TEST(test_lists)
{
    struct slice list = {"a, \"b\" ,,C", 10};
    ck_assert(list_has(list, "a"));
    ck_assert(list_has(list, "\"b\""));
    ck_assert(list_has(list, "c"));
    ck_assert(!list_has(list, "b"));
    ck_assert(!list_has(list, ""));
    ck_assert(!list_has((struct slice){0}, "a"));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("request");
    TCase *tc = tcase_create("request");
    tcase_add_test(tc, test_plain);
    tcase_add_test(tc, test_empty_values);
    tcase_add_test(tc, test_keep_alive);
    tcase_add_test(tc, test_targets);
    tcase_add_test(tc, test_bodies);
    tcase_add_test(tc, test_smuggling);
    tcase_add_test(tc, test_nul_bytes);
    tcase_add_test(tc, test_request_lines);
    tcase_add_test(tc, test_bad_line_is_refused_at_once);
    tcase_add_test(tc, test_line_feeds_and_empty_lines);
    tcase_add_test(tc, test_split_anywhere);
    tcase_add_test(tc, test_long_request_line);
    tcase_add_test(tc, test_long_headers);
    tcase_add_test(tc, test_many_headers);
    tcase_add_test(tc, test_buffer_is_enough);
    tcase_add_test(tc, test_lists);
    suite_add_tcase(s, tc);
    return s;
}
CHECK_MAIN(suite)
