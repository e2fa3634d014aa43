/* Vegas over a path that the test makes up: a link of so many segments a round trip, and a queue before it. */
#include "check_main.h"
#include "organ.h"
#include "tcp/tcp_internal.h"

#define MSS  1000
#define BASE (100 * TD_MS)

/* A round trip through a bottleneck that holds `pipe` segments; what is more waits in its queue. */
static void round_trip(struct organ *o, uint32_t pipe)
{
    uint32_t n = o->cc.cwnd / MSS;
    td_time rtt = n > pipe ? BASE * n / pipe : BASE;
    td_time start = o->now;
    for (uint32_t i = 1; i <= n; i++) {
        o->now = start + rtt * i / n;
        organ_ack(o, MSS, rtt, true);
    }
}

static uint32_t queued(const struct organ *o, uint32_t pipe)
{
    return o->cc.cwnd / MSS > pipe ? o->cc.cwnd / MSS - pipe : 0;
}

START_TEST(settles_with_a_few_segments_in_the_queue)
{
    static const uint32_t pipes[] = {20, 50, 100, 400};
    for (unsigned i = 0; i < 4; i++) {
        struct organ o = organ_new(&tcp_cc_vegas, MSS, 10, BASE);
        for (int r = 0; r < 20; r++) {
            round_trip(&o, pipes[i]);
        }
        ck_assert_uint_ge(o.cc.cwnd, o.cc.ssthresh); /* slow start ended without loss */
        for (int r = 0; r < 1000; r++) {
            round_trip(&o, pipes[i]);
        }
        for (int r = 0; r < 50; r++) {
            round_trip(&o, pipes[i]);
            ck_assert_msg(queued(&o, pipes[i]) >= 1 && queued(&o, pipes[i]) <= 6, "pipe %u: %u queued", pipes[i],
                          queued(&o, pipes[i]));
        }
        organ_free(&o);
    }
}
END_TEST

/* One segment a round trip up, one down. */
START_TEST(follows_the_path)
{
    struct organ o = organ_new(&tcp_cc_vegas, MSS, 10, BASE);
    for (int r = 0; r < 200; r++) {
        round_trip(&o, 50);
    }
    uint32_t w = o.cc.cwnd;
    round_trip(&o, 100); /* there is twice as much room */
    round_trip(&o, 100);
    uint32_t up = o.cc.cwnd;
    round_trip(&o, 100);
    ck_assert_uint_gt(up, w - 1);
    ck_assert_uint_eq(o.cc.cwnd, up + MSS);
    for (int r = 0; r < 200; r++) {
        round_trip(&o, 100);
    }
    round_trip(&o, 50);
    uint32_t down = o.cc.cwnd;
    round_trip(&o, 50);
    ck_assert_uint_eq(o.cc.cwnd, down - MSS);
    organ_free(&o);
}
END_TEST

START_TEST(few_samples_count_as_reno)
{
    struct organ o = organ_new(&tcp_cc_vegas, MSS, 20, BASE);
    o.cc.ssthresh = 10 * MSS;
    for (int r = 0; r < 10; r++) {
        uint32_t w = o.cc.cwnd;
        o.now += BASE;
        organ_ack(&o, w, r == 0 ? BASE : 2 * BASE, true); /* one acknowledgment for all */
        ck_assert_uint_eq(o.cc.cwnd, w + MSS);
    }
    organ_loss(&o);
    ck_assert_uint_eq(o.cc.cwnd, 15 * MSS);
    organ_free(&o);
}
END_TEST

START_TEST(never_below_two_segments)
{
    struct organ o = organ_new(&tcp_cc_vegas, MSS, 10, BASE);
    round_trip(&o, 100);
    for (int r = 0; r < 100; r++) { /* the round trip is ten times what it was, whatever it sends */
        td_time start = o.now;
        for (int i = 0; i < 4; i++) {
            o.now = start + BASE * 10;
            organ_ack(&o, MSS, BASE * 10, true);
        }
        ck_assert_uint_ge(o.cc.cwnd, 2 * MSS);
    }
    ck_assert_uint_le(o.cc.cwnd, 6 * MSS);
    organ_free(&o);
}
END_TEST

START_TEST(without_memory)
{
    struct organ o = organ_new(&tcp_cc_vegas, MSS, 10, BASE);
    free(o.cc.state);
    o.cc.state = NULL;
    o.cc.ssthresh = 10 * MSS;
    organ_round(&o);
    ck_assert_uint_eq(o.cc.cwnd, 11 * MSS);
    o.cc.ops->event(&o.cc, TD_CC_RECOVERED, o.now);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp vegas");
    TCase *tc = tcase_create("organ");
    tcase_add_test(tc, settles_with_a_few_segments_in_the_queue);
    tcase_add_test(tc, follows_the_path);
    tcase_add_test(tc, few_samples_count_as_reno);
    tcase_add_test(tc, never_below_two_segments);
    tcase_add_test(tc, without_memory);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
