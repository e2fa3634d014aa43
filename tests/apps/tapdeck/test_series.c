/* tests of apps/tapdeck/series.c: from the daemon's rows to CSV, text and a plot's commands. */
#include "check_main.h"
#include "common/control.h"
#include "tapdeck/series.h"

#include <stdlib.h>
#include <string.h>

static const char rows[] =
    "[{\"id\":3,\"time\":1500000000,\"cwnd\":14480,\"flight\":1448,\"snd_wnd\":65535,\"rto\":"
    "1000000000,"
    "\"pacing_rate\":0,\"bytes_acked\":0,\"retrans\":0,\"state\":\"ESTAB\",\"phase\":\"slow-"
    "start\"},"
    "{\"id\":5,\"time\":2000000000,\"cwnd\":20000,\"ssthresh\":10000,\"flight\":2000,\"snd_wnd\":"
    "65535,"
    "\"srtt\":100500000,\"rto\":300000000,\"pacing_rate\":240000,\"bytes_acked\":77,\"retrans\":1,"
    "\"state\":\"ESTAB\",\"phase\":\"recovery\"}]";

static char out[4096], msg[512];

static int print(const char *text, const struct series_options *o)
{
    FILE *f = fmemopen(out, sizeof out, "w");
    msg[0] = '\0';
    int status = series_print(text, o, f, msg, sizeof msg);
    ck_assert_int_eq(fclose(f), 0);
    return status;
}

START_TEST(csv)
{
    const struct series_options third = {.id = 3, .csv = true}, newest = {.id = -1, .csv = true};
    ck_assert_int_eq(print(rows, &third), EXIT_DONE);
    ck_assert_str_eq(out, "time_s,cwnd,ssthresh,flight,snd_wnd,srtt_s,rto_s,pacing_rate,bytes_"
                          "acked,retrans,state,phase\n"
                          "1.500000,14480,,1448,65535,,1.000000,0,0,0,ESTAB,slow-start\n");
    ck_assert_int_eq(print(rows, &newest), EXIT_DONE);
    ck_assert_ptr_nonnull(strstr(
        out, "\n2.000000,20000,10000,2000,65535,0.100500,0.300000,240000,77,1,ESTAB,recovery\n"));
    ck_assert_ptr_null(strstr(out, "14480"));
}
END_TEST

START_TEST(plots)
{
    struct series_options o = {.id = 5, .plot = true, .svg = "x.svg"};
    ck_assert_int_eq(print(rows, &o), EXIT_DONE);
    ck_assert_ptr_nonnull(strstr(out, "set output \"x.svg\""));
    ck_assert_ptr_nonnull(strstr(out, "2.000000\t20000\t10000"));
    o.svg = NULL;
    ck_assert_int_eq(print(rows, &o), EXIT_DONE);
    ck_assert_ptr_nonnull(strstr(out, "set terminal dumb"));
}
END_TEST

START_TEST(nothing_there)
{
    const struct series_options o = {.id = 4};
    ck_assert_int_eq(print(rows, &o), EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(msg, "connection 4 has no samples"));
    ck_assert_int_eq(print("[]", &o), EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(msg, "net.ipv4.tcp_series"));
    ck_assert_int_eq(print("[{", &o), EXIT_FAILED);
}
END_TEST

START_TEST(words)
{
    struct series_options o;
    char *good[] = {"17", "--plot=a.svg"};
    ck_assert(series_words(2, good, &o, msg, sizeof msg));
    ck_assert_int_eq(o.id, 17);
    ck_assert_str_eq(o.svg, "a.svg");
    ck_assert(series_words(0, NULL, &o, msg, sizeof msg));
    ck_assert_int_eq(o.id, -1);
    char *bad[][2] = {{"x", NULL}, {"--plot=", NULL}, {"--csv", "--plot"},
                      {"1", "2"},  {"12a", NULL},     {"--plot=a\"b", NULL}};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert(!series_words(bad[i][1] != NULL ? 2 : 1, bad[i], &o, msg, sizeof msg));
        ck_assert_uint_gt(strlen(msg), 5);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("series");
    TCase *tc = tcase_create("series");
    tcase_add_test(tc, csv);
    tcase_add_test(tc, plots);
    tcase_add_test(tc, nothing_there);
    tcase_add_test(tc, words);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
