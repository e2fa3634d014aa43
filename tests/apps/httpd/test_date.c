/* Dates in header fields: httpd/date.c. */
#include "check_main.h"
#include "httpd/date.h"

#include <string.h>
#include <time.h>

#define EXAMPLE 784111777 /* RFC 9110 5.6.7: Sun, 06 Nov 1994 08:49:37 GMT */
#define NOW     1700000000

static bool parse(const char *s, int64_t *when)
{
    return httpd_date_parse(s, strlen(s), NOW, when);
}

START_TEST(test_format)
{
    char text[HTTPD_DATE_SIZE];
    httpd_date_format(EXAMPLE, text);
    ck_assert_str_eq(text, "Sun, 06 Nov 1994 08:49:37 GMT");
    httpd_date_format(0, text);
    ck_assert_str_eq(text, "Thu, 01 Jan 1970 00:00:00 GMT");
    httpd_date_format(INT64_C(253402300799), text);
    ck_assert_str_eq(text, "Fri, 31 Dec 9999 23:59:59 GMT");
    httpd_date_format(INT64_C(253402300800), text); /* year 10000 doesn't fit the form */
    ck_assert_str_eq(text, "Thu, 01 Jan 1970 00:00:00 GMT");
    httpd_date_format(INT64_MAX, text);
    ck_assert_str_eq(text, "Thu, 01 Jan 1970 00:00:00 GMT");
}
END_TEST

START_TEST(test_three_forms)
{
    int64_t when = 0;
    ck_assert(parse("Sun, 06 Nov 1994 08:49:37 GMT", &when));
    ck_assert_int_eq(when, EXAMPLE);
    when = 0;
    ck_assert(parse("Sunday, 06-Nov-94 08:49:37 GMT", &when));
    ck_assert_int_eq(when, EXAMPLE);
    when = 0;
    ck_assert(parse("Sun Nov  6 08:49:37 1994", &when));
    ck_assert_int_eq(when, EXAMPLE);
    ck_assert(parse("Wed Nov 16 08:49:37 1994", &when));
    ck_assert_int_eq(when, EXAMPLE + 10 * 86400);
}
END_TEST

START_TEST(test_two_digit_years)
{
    int64_t when; /* now is 2023: up to 2073 is ahead, beyond that past */
    char text[HTTPD_DATE_SIZE];
    ck_assert(parse("Sunday, 01-Jan-73 00:00:00 GMT", &when));
    httpd_date_format(when, text);
    ck_assert_ptr_nonnull(strstr(text, "2073"));
    ck_assert(parse("Tuesday, 01-Jan-74 00:00:00 GMT", &when));
    httpd_date_format(when, text);
    ck_assert_ptr_nonnull(strstr(text, "1974"));
}
END_TEST

START_TEST(test_round_trip)
{
    char text[HTTPD_DATE_SIZE];
    for (int64_t t = 0; t < INT64_C(253402300799); t += 86399 * 1009) {
        int64_t back = -1;
        httpd_date_format(t, text);
        ck_assert_uint_eq(strlen(text), 29);
        ck_assert(parse(text, &back));
        ck_assert_int_eq(back, t);
    }
}
END_TEST

START_TEST(test_refusals)
{
    static const char *const bad[] = {
        "",
        "Sun",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 32 Nov 1994 08:49:37 GMT",
        "Sun, 30 Feb 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 23:60:00 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Son, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "784111777",
        "Sun Nov 06 08:49:37 94",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t when;
        ck_assert_msg(!parse(bad[i], &when), "\"%s\" was read as a date", bad[i]);
    }
    /* Every beginning of a good one is bad. */
    const char *good = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (size_t n = 0; n < strlen(good); n++) {
        int64_t when;
        char copy[64];
        memcpy(copy, good, n);
        ck_assert(!httpd_date_parse(copy, n, NOW, &when));
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("date");
    TCase *tc = tcase_create("date");
    tcase_add_test(tc, test_format);
    tcase_add_test(tc, test_three_forms);
    tcase_add_test(tc, test_two_digit_years);
    tcase_add_test(tc, test_round_trip);
    tcase_add_test(tc, test_refusals);
    suite_add_tcase(s, tc);
    return s;
}
CHECK_MAIN(suite)
