/* The Range field: httpd/range.c. */
#include "check_main.h"
#include "httpd/range.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define W HTTPD_RANGE_WHOLE
#define P HTTPD_RANGE_PART
#define U HTTPD_RANGE_UNSATISFIABLE

START_TEST(test_ranges)
{
    static const struct {
        const char *value;
        uint64_t size;
        enum httpd_range want;
        uint64_t first, last;
    } cases[] = {
        {"bytes=0-499", 1000, P, 0, 499},
        {"bytes=500-999", 1000, P, 500, 999},
        {"bytes=500-", 1000, P, 500, 999},
        {"bytes=-500", 1000, P, 500, 999},
        {"bytes=-1", 1000, P, 999, 999},
        {"bytes=0-0", 1000, P, 0, 0},
        {"Bytes=0-0", 1000, P, 0, 0},
        {"bytes=900-5000", 1000, P, 900, 999},
        {"bytes=-5000", 1000, P, 0, 999},
        {"bytes=999-18446744073709551616", 1000, P, 999, 999},
        {"bytes=1000-", 1000, U, 0, 0},
        {"bytes=1000-1001", 1000, U, 0, 0},
        {"bytes=99999999999999999999999-", 1000, U, 0, 0},
        {"bytes=-0", 1000, U, 0, 0},
        {"bytes=0-0", 0, U, 0, 0},
        {"bytes=-1", 0, U, 0, 0},
        {"bytes=0-1,3-4", 1000, W, 0, 0},
        {"bytes=5-4", 1000, W, 0, 0},
        {"bytes=", 1000, W, 0, 0},
        {"bytes=-", 1000, W, 0, 0},
        {"bytes=5", 1000, W, 0, 0},
        {"bytes=a-b", 1000, W, 0, 0},
        {"bytes=1-2x", 1000, W, 0, 0},
        {"bytes= 1-2", 1000, W, 0, 0},
        {"bytes=--1", 1000, W, 0, 0},
        {"lines=1-2", 1000, W, 0, 0},
        {"", 1000, W, 0, 0},
        {"bytes", 1000, W, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t first = 0, last = 0;
        enum httpd_range got =
            httpd_range_parse(cases[i].value, strlen(cases[i].value), cases[i].size, &first, &last);
        ck_assert_msg(got == cases[i].want, "\"%s\" of %" PRIu64 ": %d", cases[i].value,
                      cases[i].size, (int)got);
        if (got == P) {
            ck_assert_uint_eq(first, cases[i].first);
            ck_assert_uint_eq(last, cases[i].last);
        }
    }
}
END_TEST

START_TEST(test_part_is_within)
{
    /* Whatever the numbers, a part lies within the file. */
    for (uint64_t size = 0; size < 6; size++) {
        for (int a = -1; a < 8; a++) {
            for (int b = -1; b < 8; b++) {
                char value[64], x[8] = "", y[8] = "";
                if (a >= 0)
                    snprintf(x, sizeof x, "%d", a);
                if (b >= 0)
                    snprintf(y, sizeof y, "%d", b);
                snprintf(value, sizeof value, "bytes=%s-%s", x, y);
                uint64_t first, last;
                if (httpd_range_parse(value, strlen(value), size, &first, &last) == P) {
                    ck_assert_uint_le(first, last);
                    ck_assert_uint_lt(last, size);
                }
            }
        }
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("range");
    TCase *tc = tcase_create("range");
    tcase_add_test(tc, test_ranges);
    tcase_add_test(tc, test_part_is_within);
    suite_add_tcase(s, tc);
    return s;
}
CHECK_MAIN(suite)
