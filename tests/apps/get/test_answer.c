/* tests of apps/get/answer.c: whole answers, in one piece and byte by byte. */
#include "check_main.h"

#include <string.h>

#include "get/answer.h"

static struct answer a;
static struct text body;

/* Feeds it in pieces of `step` bytes; then the FIN, if there was one. The number of bytes taken. */
static size_t read_answer(const char *text, size_t n, size_t step, bool head, bool fin)
{
    size_t at = 0;
    answer_free(&a);
    text_consume(&body, body.len);
    answer_init(&a, head);
    while (at < n && a.state < ANSWER_DONE) {
        const char *data;
        size_t len, room = n - at < step ? n - at : step;
        size_t used = answer_feed(&a, text + at, room, &data, &len);
        text_add(&body, data, len);
        ck_assert_uint_le(used, room);
        ck_assert(used > 0 || a.state >= ANSWER_DONE);
        at += used;
    }
    if (fin && a.state < ANSWER_DONE)
        answer_eof(&a);
    return at;
}

static void is_answer(const char *text, bool head, bool fin, int status, const char *content)
{
    for (size_t step = 1; step < 200; step += 99) {
        read_answer(text, strlen(text), step, head, fin);
        ck_assert_msg(a.state == ANSWER_DONE, "%s: %s", text, a.why);
        ck_assert_int_eq(a.status, status);
        ck_assert_uint_eq(body.len, strlen(content));
        ck_assert_mem_eq(body.len ? body.s : "", content, body.len);
        ck_assert_uint_eq(a.body, body.len);
    }
}

START_TEST(framings)
{
    is_answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, false, 200, "hello");
    is_answer("HTTP/1.1 200 OK\nContent-Length:5\n\nhello", false, false, 200, "hello");
    is_answer("HTTP/1.0 200 OK\r\n\r\nto the end", false, true, 200, "to the end");
    is_answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;x=y\r\n!\r\n0\r\nT: v\r\n\r\n", false, false, 200,
              "hello!");
    is_answer("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", false, false, 204, "");
    is_answer("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false, false, 304, "");
    is_answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, false, 200, "");
    is_answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, false, 200, "");
    is_answer("HTTP/1.1 404\r\nContent-Length: 1\r\n\r\nx", false, false, 404, "x");
    is_answer("HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", false,
              false, 200, "x");
}
END_TEST

START_TEST(what_is_kept)
{
    static const char text[] = "HTTP/1.1 302 See there \xe4\r\nLocation:  /x \t\r\nEmpty:\r\nLocation2: no\r\nContent-Length: 2\r\n\r\nabmore";
    struct slice name, value;
    size_t at = 0;
    ck_assert_uint_eq(read_answer(text, strlen(text), 1000, false, false), strlen(text) - 4); /* "more" is no part of it */
    ck_assert_str_eq(a.location, "/x");
    ck_assert_str_eq(a.reason, "See there ?");
    ck_assert_uint_eq(a.minor, 1);
    ck_assert_uint_eq(a.length, 2);
    ck_assert(answer_field(&a, &at, &name, &value));
    ck_assert(slice_is(name, "location") && slice_is(value, "/x"));
    ck_assert(answer_field(&a, &at, &name, &value));
    ck_assert(slice_is(name, "empty") && value.n == 0);
    ck_assert(answer_field(&a, &at, &name, &value));
    ck_assert(answer_field(&a, &at, &name, &value));
    ck_assert(!answer_field(&a, &at, &name, &value));
}
END_TEST

START_TEST(refused)
{
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"SSH-2.0-OpenSSH\r\n", "status line"},
        {"HTTP/2.0 200 OK\r\n\r\n", "status line"},
        {"HTTP/1.1  200 OK\r\n\r\n", "status line"},
        {"HTTP/1.1 2000 OK\r\n\r\n", "status line"},
        {"HTTP/1.1 099 OK\r\n\r\n", "status line"},
        {"HTTP/1.1 200 O\x1b[31mK\r\n\r\n", "status line"},
        {"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "field 1"},
        {"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n", "field 2"},
        {"HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", "field 1"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", "two Content-Length"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "two ways"},
        {"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "Content-Length"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n", "Content-Length"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "Content-Length"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "chunked"},
        {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "chunked"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "chunked coding"},
        {"HTTP/1.1 101 Switch\r\n\r\n", "switch"},
        {"", "without an answer"},
        {"HTTP/1.1 200 OK\r\nA: b\r\n", "inside the answer's head"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", "after 3 of 5"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "after 2 bytes"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        for (size_t step = 1; step < 200; step += 99) {
            read_answer(bad[i].text, strlen(bad[i].text), step, false, true);
            ck_assert_msg(a.state == ANSWER_BAD, "%s", bad[i].text);
            ck_assert_msg(strstr(a.why, bad[i].why) != NULL, "%s: %s", bad[i].text, a.why);
        }
    }
}
END_TEST

/* Whatever comes, what is kept of it is bounded. */
START_TEST(limits)
{
    struct text t = {0};
    text_puts(&t, "HTTP/1.1 200 OK\r\n");
    for (unsigned i = 0; i <= ANSWER_FIELDS_MAX; i++)
        text_puts(&t, "A: b\r\n");
    read_answer(t.s, t.len, 100, false, false);
    ck_assert_ptr_nonnull(strstr(a.why, "more than 256"));
    text_consume(&t, t.len);
    text_puts(&t, "HTTP/1.1 200 OK\r\nA: ");
    for (int i = 0; i < 10000; i++)
        text_puts(&t, "x");
    read_answer(t.s, t.len, 100, false, false);
    ck_assert_ptr_nonnull(strstr(a.why, "too large"));
    ck_assert_uint_le(a.head.len, ANSWER_LINE_MAX + 200);
    text_consume(&t, t.len);
    text_puts(&t, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 200; i++) {
        text_puts(&t, "A: ");
        for (int k = 0; k < 500; k++)
            text_puts(&t, "x");
        text_puts(&t, "\r\n");
    }
    read_answer(t.s, t.len, 100, false, false);
    ck_assert_ptr_nonnull(strstr(a.why, "too large"));
    text_consume(&t, t.len);
    for (unsigned i = 0; i <= ANSWER_INTERIM_MAX; i++)
        text_puts(&t, "HTTP/1.1 100 Continue\r\n\r\n");
    read_answer(t.s, t.len, 100, false, false);
    ck_assert_ptr_nonnull(strstr(a.why, "interim"));
    text_free(&t);
}
END_TEST

static void done(void)
{
    answer_free(&a);
    text_free(&body);
}

static Suite *suite(void)
{
    Suite *s = suite_create("answer");
    TCase *t = tcase_create("answer");
    tcase_add_checked_fixture(t, NULL, done);
    tcase_add_test(t, framings);
    tcase_add_test(t, what_is_kept);
    tcase_add_test(t, refused);
    tcase_add_test(t, limits);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
