/* tests of apps/common/parse.c: addresses, times, rates, percentages. */
#include "check_main.h"

#include <string.h>

#include "common/parse.h"

START_TEST(addresses)
{
    td_ip4 a = 0;
    ck_assert(parse_ip4("10.0.0.1", &a));
    ck_assert_uint_eq(a, TD_IP4(10, 0, 0, 1));
    ck_assert(parse_ip4("255.255.255.255", &a));
    ck_assert_uint_eq(a, 0xffffffff);
    static const char *const bad[] = {
        "",           "10",         "10.0.0",    "10.0.0.",
        "10.0.0.256", "10.0.0.1.",  "10.0.0.1 ", " 10.0.0.1",
        "10.0.0.01",  "0x0a.0.0.1", "10..0.1",   "10.0.0.1/24",
        "-1.0.0.1",   "1000.0.0.1", "10.0.0.a",  "10.0.0.1000000000000"};
    a = 7;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        ck_assert_msg(!parse_ip4(bad[i], &a) && a == 7, "'%s' was taken", bad[i]);
}
END_TEST

START_TEST(prefixes)
{
    td_ip4 a = 0;
    uint8_t len = 0;
    ck_assert(parse_prefix("192.168.7.9/24", &a, &len));
    ck_assert_uint_eq(a, TD_IP4(192, 168, 7, 9));
    ck_assert_uint_eq(len, 24);
    ck_assert(parse_prefix("0.0.0.0/0", &a, &len));
    ck_assert_uint_eq(len, 0);
    ck_assert(parse_prefix("10.0.0.1", &a, &len));
    ck_assert_uint_eq(len, 32);
    static const char *const bad[] = {"10.0.0.1/", "10.0.0.1/33", "10.0.0.1/-1", "10.0.0.1/24x",
                                      "/24",       "10/8",        "10.0.0.1/ 8"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        ck_assert_msg(!parse_prefix(bad[i], &a, &len), "'%s' was taken", bad[i]);
}
END_TEST

START_TEST(macs)
{
    struct td_mac m;
    static const uint8_t want[6] = {0x02, 0x00, 0x5e, 0xAB, 0xcd, 0xff};
    ck_assert(parse_mac("02:00:5e:AB:cd:ff", &m));
    ck_assert_mem_eq(m.b, want, 6);
    ck_assert(parse_mac("02-00-5e-ab-cd-ff", &m));
    ck_assert_mem_eq(m.b, want, 6);
    ck_assert(!parse_mac("02:00:5e:ab:cd", &m));
    ck_assert(!parse_mac("02:00:5e:ab:cd:ff:00", &m));
    ck_assert(!parse_mac("2:0:5e:ab:cd:ff", &m));
    ck_assert(!parse_mac("02:00:5e:ab:cd:fg", &m));
    char text[18];
    format_mac(m, text);
    ck_assert_str_eq(text, "02:00:5e:ab:cd:ff");
}
END_TEST

START_TEST(endpoints)
{
    td_ip4 a = 1;
    uint16_t p = 1;
    ck_assert(parse_endpoint("10.0.0.1:80", &a, &p));
    ck_assert(a == TD_IP4(10, 0, 0, 1) && p == 80);
    ck_assert(parse_endpoint("10.0.0.1", &a, &p));
    ck_assert(a == TD_IP4(10, 0, 0, 1) && p == 0);
    ck_assert(parse_endpoint(":443", &a, &p));
    ck_assert(a == 0 && p == 443);
    ck_assert(parse_endpoint("*:22", &a, &p));
    ck_assert(a == 0 && p == 22);
    ck_assert(parse_endpoint("10.0.0.1:*", &a, &p));
    ck_assert(p == 0);
    ck_assert(!parse_endpoint("10.0.0.1:65536", &a, &p));
    ck_assert(!parse_endpoint("10.0.0.1:", &a, &p));
    ck_assert(!parse_endpoint("80", &a, &p));
    ck_assert(!parse_endpoint("", &a, &p));
}
END_TEST

START_TEST(times)
{
    static const struct {
        const char *s;
        td_time t;
    } good[] = {{"20ms", 20 * TD_MS},
                {"1.5s", 1500 * TD_MS},
                {"300us", 300 * TD_US},
                {"10ns", 10},
                {"0", 0},
                {"250", 250 * TD_US},
                {"2secs", 2 * TD_SEC},
                {"0.5msec", 500 * TD_US},
                {".5s", 500 * TD_MS},
                {"20MS", 20 * TD_MS}};
    static const char *const bad[] = {"",      "ms",    "20mm",   "-20ms",
                                      "20 ms", "1e3ms", "0x10ms", "20ms5",
                                      ".",     "nan",   "inf",    "99999999999999999999s"};
    td_time t = 0;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        ck_assert_msg(parse_time(good[i].s, &t), "'%s' was refused", good[i].s);
        ck_assert_uint_eq(t, good[i].t);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        ck_assert_msg(!parse_time(bad[i], &t), "'%s' was taken", bad[i]);
    ck_assert(parse_seconds("0.2", &t));
    ck_assert_uint_eq(t, 200 * TD_MS);
    ck_assert(!parse_seconds("200ms", &t));
}
END_TEST

START_TEST(rates)
{
    static const struct {
        const char *s;
        uint64_t bits;
    } good[] = {{"100mbit", 100000000}, {"1.5gbit", 1500000000}, {"64Kbit", 64000},
                {"9600bit", 9600},      {"9600", 9600},          {"1mbps", 8000000},
                {"1kibit", 1024},       {"1mibps", 8388608}};
    static const char *const bad[] = {"", "fast", "100mb", "-1mbit", "10 mbit", "1e9"};
    uint64_t r = 0;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        ck_assert_msg(parse_rate(good[i].s, &r), "'%s' was refused", good[i].s);
        ck_assert_uint_eq(r, good[i].bits);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        ck_assert_msg(!parse_rate(bad[i], &r), "'%s' was taken", bad[i]);
}
END_TEST

START_TEST(percentages)
{
    double p = 0;
    ck_assert(parse_percent("1%", &p) && p > 0.999 && p < 1.001);
    ck_assert(parse_percent("0.1", &p) && p > 0.0999 && p < 0.1001);
    ck_assert(parse_percent("100%", &p) && p > 99.999);
    ck_assert(!parse_percent("100.1%", &p));
    ck_assert(!parse_percent("-1%", &p));
    ck_assert(!parse_percent("1%%", &p));
    ck_assert(!parse_percent("%", &p));
    ck_assert(!parse_percent("", &p));
}
END_TEST

START_TEST(time_and_rate_text)
{
    char s[32];
    format_time(20 * TD_MS, s, sizeof(s));
    ck_assert_str_eq(s, "20ms");
    format_time(1500 * TD_MS, s, sizeof(s));
    ck_assert_str_eq(s, "1.5s");
    format_time(250 * TD_US, s, sizeof(s));
    ck_assert_str_eq(s, "250us");
    format_rate(1500000, s, sizeof(s));
    ck_assert_str_eq(s, "1.5Mbit");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("parse");
    TCase *t = tcase_create("parse");
    tcase_add_test(t, addresses);
    tcase_add_test(t, prefixes);
    tcase_add_test(t, macs);
    tcase_add_test(t, endpoints);
    tcase_add_test(t, times);
    tcase_add_test(t, rates);
    tcase_add_test(t, percentages);
    tcase_add_test(t, time_and_rate_text);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
