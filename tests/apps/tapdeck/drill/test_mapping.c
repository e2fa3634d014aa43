/* Script space and live space: tapdeck/drill/mapping.h. */
#include "check_main.h"
#include "tapdeck/drill/mapping.h"

#include <netinet/in.h>

START_TEST(numbers_count_from_the_isn)
{
    struct conn *c = conn_new(IPPROTO_TCP);
    c->risn = 1000;
    c->lisn_script = 500;
    c->lisn_live = 0xfffffff0; /* and over the wrap */
    /* On a SYN the remote's numbers are as written, ours shifted by the two ISNs. */
    ck_assert_uint_eq(conn_remote_live(c, 1000, true), 1000);
    ck_assert_uint_eq(conn_local_live(c, 500, true), 0xfffffff0);
    ck_assert_uint_eq(conn_local_live(c, 501, true), 0xfffffff1);
    /* On all others the first byte is 1. */
    ck_assert_uint_eq(conn_remote_live(c, 1, false), 1001);
    ck_assert_uint_eq(conn_local_live(c, 1, false), 0xfffffff1);
    ck_assert_uint_eq(conn_local_live(c, 17, false), 1);
    for (int syn = 0; syn < 2; syn++) {
        for (uint32_t v = 0; v < 2000; v += 37) {
            ck_assert_uint_eq(conn_remote_script(c, conn_remote_live(c, v, syn), syn), v);
            ck_assert_uint_eq(conn_local_script(c, conn_local_live(c, v, syn), syn), v);
        }
    }
    conn_free(c);
}
END_TEST

START_TEST(timestamps)
{
    struct conn *c = conn_new(IPPROTO_TCP);
    uint32_t v;
    ck_assert(!conn_ts_live(c, 100, false, &v));
    ck_assert(!conn_ts_live(c, 100, true, &v));
    ck_assert(!conn_ts_script(c, 5000, &v));
    ck_assert(conn_ts_learn(c, 100, 5000));
    ck_assert(conn_ts_learn(c, 300, 5400));
    ck_assert(conn_ts_live(c, 100, false, &v));
    ck_assert_uint_eq(v, 5000);
    ck_assert(!conn_ts_live(c, 200, false, &v));
    /* scaled: on the line between the two */
    ck_assert(conn_ts_live(c, 200, true, &v));
    ck_assert_uint_eq(v, 5200);
    ck_assert(conn_ts_live(c, 310, true, &v));
    ck_assert_uint_eq(v, 5410);
    /* the last one sent under a number counts, the first pair stays the base */
    ck_assert(conn_ts_learn(c, 100, 6000));
    ck_assert(conn_ts_learn(c, 300, 6400));
    ck_assert(conn_ts_live(c, 100, false, &v));
    ck_assert_uint_eq(v, 6000);
    ck_assert(conn_ts_live(c, 300, false, &v));
    ck_assert_uint_eq(v, 6400);
    ck_assert(conn_ts_script(c, 5007, &v));
    ck_assert_uint_eq(v, 107);
    for (uint32_t i = 0; i < 100; i++) {
        ck_assert(conn_ts_learn(c, 1000 + i, i));
    }
    ck_assert(conn_ts_live(c, 1099, false, &v));
    ck_assert_uint_eq(v, 99);
    conn_free(c);
}
END_TEST

START_TEST(ownership)
{
    struct conn c = {.proto = IPPROTO_TCP, .laddr = 1, .raddr = 2, .lport = 10, .rport = 20};
    struct seg s = {.proto = IPPROTO_TCP, .src = 1, .dst = 2, .sport = 10, .dport = 20};
    ck_assert(conn_owns(&c, &s, true));
    ck_assert(!conn_owns(&c, &s, false));
    s.dport = 21;
    ck_assert(!conn_owns(&c, &s, true));
    s.dport = 20;
    s.proto = IPPROTO_UDP;
    ck_assert(!conn_owns(&c, &s, true));
    s.proto = IPPROTO_ICMP; /* by its addresses */
    s.sport = s.dport = 0;
    ck_assert(conn_owns(&c, &s, true));
    s.dst = 3;
    ck_assert(!conn_owns(&c, &s, true));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("drill mapping");
    TCase *c = tcase_create("mapping");
    tcase_add_test(c, numbers_count_from_the_isn);
    tcase_add_test(c, timestamps);
    tcase_add_test(c, ownership);
    suite_add_tcase(s, c);
    return s;
}

CHECK_MAIN(suite)
