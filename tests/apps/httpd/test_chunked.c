/* The chunked coding: httpd/chunked.c. */
#include "check_main.h"
#include "httpd/chunked.h"

#include <string.h>

/* Decodes in pieces of `step` bytes; *used is where the body ended. */
static enum chunked_result decode(const char *in, size_t n, size_t step, char *out, size_t *len,
                                  size_t *used)
{
    struct chunked c = {0};
    enum chunked_result r = CHUNKED_MORE;
    size_t at = 0;
    *len = 0;
    while (at < n) {
        size_t take = n - at < step ? n - at : step, end = at + take;
        while (at < end) {
            size_t got, count;
            const uint8_t *data;
            r = chunked_decode(&c, (const uint8_t *)in + at, end - at, &got, &data, &count);
            at += got;
            if (r == CHUNKED_DATA) {
                memcpy(out + *len, data, count);
                *len += count;
            } else if (r != CHUNKED_MORE) {
                *used = at;
                return r;
            }
        }
    }
    *used = at;
    return r == CHUNKED_DATA ? CHUNKED_MORE : r;
}

static const char good[] = "5\r\nhello\r\n1;a=b\r\n \r\n0006\r\nworld!\r\n0\r\nX: y\r\nZ:\r\n\r\n";

START_TEST(test_cut_anywhere)
{
    char in[128], out[128];
    size_t len, used, n = sizeof good - 1;
    memcpy(in, good, n);
    memcpy(in + n, "GET", 3); /* the next request's bytes must stay */
    for (size_t step = 1; step <= n + 3; step++) {
        ck_assert_int_eq(decode(in, n + 3, step, out, &len, &used), CHUNKED_DONE);
        ck_assert_uint_eq(used, n);
        ck_assert_uint_eq(len, 12);
        ck_assert_mem_eq(out, "hello world!", 12);
    }
}
END_TEST

START_TEST(test_unfinished)
{
    char out[128];
    size_t len, used;
    for (size_t n = 0; n < sizeof good - 1; n++)
        ck_assert_int_eq(decode(good, n, n + 1, out, &len, &used), CHUNKED_MORE);
}
END_TEST

START_TEST(test_least_is_a_lower_bound)
{
    struct chunked c = {0};
    size_t n = sizeof good - 1;
    for (size_t at = 0; at < n;) {
        size_t used, len;
        const uint8_t *data;
        ck_assert_uint_le(chunked_least(&c), n - at);
        ck_assert_uint_gt(chunked_least(&c), 0);
        chunked_decode(&c, (const uint8_t *)good + at, 1, &used, &data, &len);
        at += used;
    }
    ck_assert_uint_eq(chunked_least(&c), 0);
    /* At the start it is exactly the shortest body, and within data exact for a last chunk. */
    c = (struct chunked){0};
    ck_assert_uint_eq(chunked_least(&c), strlen("0\r\n\r\n"));
    size_t used, len;
    const uint8_t *data;
    chunked_decode(&c, (const uint8_t *)"a\r\n", 3, &used, &data, &len);
    ck_assert_uint_eq(chunked_least(&c), 10 + strlen("\r\n0\r\n\r\n"));
}
END_TEST

START_TEST(test_malformed)
{
    static const char *const bad[] = {
        "\r\n",
        "g\r\n",
        " 5\r\n",
        "5 \r\nhello",
        "0x5\r\nhello",
        "-5\r\n",
        "+5\r\n",
        "5\nhello",
        "5\r\nhelloXX0",
        "5\r\nhello0\r\n",
        "5\r\nhello\n",
        "5\rhello",
        ";a\r\n",
        "5;a\nhello",
        "5;\x01\r\n",
        "0\r\nA: b\n\r\n",
        "0\r\n\rX",
        "0\r\nA\x00",
        "fffffffffffffffff\r\n",
        "10000000000000000\r\n",
    };
    char out[128];
    size_t len, used;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        size_t n = strlen(bad[i]) + (strstr(bad[i], "A") != NULL && strlen(bad[i]) == 4);
        for (size_t step = 1; step <= n; step++)
            ck_assert_msg(decode(bad[i], n, step, out, &len, &used) == CHUNKED_BAD,
                          "case %zu by %zu was taken", i, step);
    }
}
END_TEST

START_TEST(test_endless_lines)
{
    char in[32768], out[64];
    size_t len, used;
    memset(in, '0', sizeof in);
    ck_assert_int_eq(decode(in, sizeof in, 7, out, &len, &used), CHUNKED_BAD);
    memset(in, 'x', sizeof in);
    memcpy(in, "5;", 2);
    ck_assert_int_eq(decode(in, sizeof in, 7, out, &len, &used), CHUNKED_BAD);
    memset(in, 'x', sizeof in);
    memcpy(in, "0\r\n", 3);
    ck_assert_int_eq(decode(in, sizeof in, 7, out, &len, &used), CHUNKED_BAD);
    for (size_t i = 3; i < sizeof in; i += 4) /* endless short trailers */
        memcpy(in + i, "a:\r\n", sizeof in - i < 4 ? sizeof in - i : 4);
    ck_assert_int_eq(decode(in, sizeof in, 7, out, &len, &used), CHUNKED_BAD);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("chunked");
    TCase *tc = tcase_create("chunked");
    tcase_add_test(tc, test_cut_anywhere);
    tcase_add_test(tc, test_unfinished);
    tcase_add_test(tc, test_least_is_a_lower_bound);
    tcase_add_test(tc, test_malformed);
    tcase_add_test(tc, test_endless_lines);
    suite_add_tcase(s, tc);
    return s;
}
CHECK_MAIN(suite)
