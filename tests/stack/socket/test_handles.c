/* The handle table: the lowest free number, growth, the limit. */
#include "check_main.h"
#include "harness.h"

#include <errno.h>
#include <string.h>

static int open_one(struct hx *h)
{
    return td_socket(h->st, AF_INET, SOCK_DGRAM, 0);
}

START_TEST(test_lowest_free)
{
    struct hx *h = hx_new();
    for (int i = 0; i < 300; i++) {
        ck_assert_int_eq(open_one(h), i);
    }
    static const int gaps[] = {299, 200, 5, 64, 63, 128, 0};
    static const int order[] = {0, 5, 63, 64, 128, 200, 299};
    for (size_t i = 0; i < 7; i++) {
        ck_assert_int_eq(td_close(h->st, gaps[i]), 0);
    }
    for (size_t i = 0; i < 7; i++) {
        ck_assert_int_eq(i % 2 != 0 ? open_one(h) : td_dup(h->st, 1), order[i]);
    }
    ck_assert_int_eq(open_one(h), 300);
    hx_free(h);
}
END_TEST

/* Random opening and closing against the obvious model. */
START_TEST(test_against_model)
{
    struct hx *h = hx_new();
    enum { N = 30000, AREA = 9000 };
    static bool open[N];
    uint32_t x = 12345;
    memset(open, 0, sizeof open);
    for (unsigned step = 0; step < 30000; step++) {
        x = x * 1664525 + 1013904223;
        unsigned pick = (x >> 8) % AREA;
        bool growing = step < 12000 || step > 20000;
        if (((x >> 4) % 8 < 6) == growing) {
            unsigned want = 0;
            while (want < N && open[want]) {
                want++;
            }
            ck_assert_uint_lt(want, N);
            ck_assert_int_eq(open_one(h), (int)want);
            open[want] = true;
        } else {
            ck_assert_int_eq(td_close(h->st, (int)pick), open[pick] ? 0 : -EBADF);
            open[pick] = false;
        }
    }
    hx_free(h);
}
END_TEST

START_TEST(test_limit)
{
    struct hx *h = hx_new();
    ck_assert_int_eq(td_knob_set(h->st, "net.core.max_sockets", "3"), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(open_one(h), i);
    }
    ck_assert_int_eq(open_one(h), -EMFILE);
    ck_assert_int_eq(td_dup(h->st, 0), -EMFILE);
    ck_assert_uint_eq(hx_event(h, "socket-limit"), 2);
    ck_assert_int_eq(td_close(h->st, 1), 0);
    ck_assert_int_eq(open_one(h), 1);
    hx_free(h);
}
END_TEST

START_TEST(test_memory_failures)
{
    for (int64_t n = 1; n < 12; n++) {
        struct hx *h = hx_new();
        h->fail_alloc = n;
        int s = open_one(h);
        h->fail_alloc = 0;
        if (s < 0) {
            ck_assert_int_eq(s, -ENOMEM);
            s = open_one(h);
        }
        ck_assert_int_eq(s, 0);
        for (int i = 1; i < 64; i++) {
            ck_assert_int_eq(open_one(h), i);
        }
        h->fail_alloc = n; /* while the table grows */
        s = open_one(h);
        h->fail_alloc = 0;
        ck_assert(s == 64 || s == -ENOMEM);
        ck_assert_int_eq(open_one(h), s == 64 ? 65 : 64);
        hx_free(h);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("handles");
    TCase *t = tcase_create("handles");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, test_lowest_free);
    tcase_add_test(t, test_against_model);
    tcase_add_test(t, test_limit);
    tcase_add_test(t, test_memory_failures);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
