/* HyStart++ (RFC 9406) and Linux's HyStart, acknowledgment by acknowledgment. */
#include "check_main.h"
#include "organ.h"
#include "tcp/cc/cubic.h"
#include "tcp/tcp_internal.h"

#define MSS 1000

static struct organ start(unsigned mode, uint32_t segments)
{
    struct organ o = organ_new(&tcp_cc_cubic, MSS, segments, 100 * TD_MS);
    o.cc.hystart = mode & 3;
    return o;
}

static uint32_t segments; /* of the last round */

/* One round as 9406 has it: until what was sent when it began is acknowledged. The acknowledgment that ends
 * a round finds less sent than cwnd allows, by what it opens itself. Returns by what cwnd grew. */
static uint32_t one_round(struct organ *o, td_time rtt)
{
    const struct hystart *h = &((const struct cubic *)o->cc.state)->hystart;
    uint32_t was = o->cc.cwnd, end = o->una + was;
    if (h->started && h->window_end > o->una) {
        end = h->window_end;
    }
    o->now += rtt;
    for (segments = 0; o->una < end; segments++) {
        o->now += 3 * TD_MS; /* too far apart for a train */
        organ_ack(o, MSS, rtt, true);
    }
    return o->cc.cwnd - was;
}

/* shows: 9406-09 9406-10 */
START_TEST(constants)
{
    ck_assert_uint_eq(HYSTART_MIN_RTT_THRESH, 4000000);
    ck_assert_uint_eq(HYSTART_MAX_RTT_THRESH, 16000000);
    ck_assert_int_eq(HYSTART_MIN_RTT_DIVISOR, 8);
    ck_assert_int_eq(HYSTART_N_RTT_SAMPLE, 8);
    ck_assert_int_eq(HYSTART_CSS_GROWTH_DIVISOR, 4);
    ck_assert_int_eq(HYSTART_CSS_ROUNDS, 5);
    ck_assert_int_eq(HYSTART_L, 8);
}
END_TEST

/* shows: 9406-01 9406-02 9406-03 9406-04 9406-05 9406-07 9406-13 9438-18 9438-19 */
START_TEST(delay_ends_slow_start)
{
    struct organ o = start(HYSTART_RFC9406, 10);
    ck_assert_uint_eq(one_round(&o, 100 * TD_MS), 10 * MSS);
    ck_assert_uint_eq(one_round(&o, 100 * TD_MS), segments * MSS);
    ck_assert_uint_eq(segments, 18);
    /* 100 ms / 8 = 12.5 ms more: a round of 112 isn't, and becomes the measure for the next */
    ck_assert_uint_eq(one_round(&o, 112 * TD_MS), segments * MSS);
    ck_assert_uint_eq(one_round(&o, 125 * TD_MS), segments * MSS);
    ck_assert_uint_eq(o.cc.phase, TD_CC_SLOW_START);
    /* 125 + 125/8 = 140.6 */
    uint32_t grown = one_round(&o, 141 * TD_MS); /* from the eighth sample on a quarter */
    ck_assert_uint_eq(o.cc.phase, TD_CC_CSS);
    ck_assert_uint_eq(grown, 7 * MSS + MSS / 4 * (segments - 7));
    for (int round = 2; round <= 4; round++) {
        ck_assert_uint_eq(one_round(&o, 150 * TD_MS), segments * (MSS / 4));
        ck_assert_uint_eq(o.cc.phase, TD_CC_CSS);
        ck_assert_int_eq(o.cc.ssthresh, TD_CC_NO_SSTHRESH);
    }
    one_round(&o, 150 * TD_MS); /* the fifth, counting the one in which it began */
    ck_assert_uint_lt(o.cc.ssthresh, TD_CC_NO_SSTHRESH);
    ck_assert_uint_ge(o.cc.cwnd, o.cc.ssthresh);
    ck_assert_uint_ne(o.cc.phase, TD_CC_CSS);
    uint32_t w = o.cc.cwnd;
    one_round(&o, 150 * TD_MS); /* the curve begins at its plateau */
    ck_assert_uint_le(o.cc.cwnd, w + 2 * MSS);
    organ_free(&o);
}
END_TEST

/* shows: 9406-06 */
START_TEST(jitter)
{
    struct organ o = start(HYSTART_RFC9406, 10);
    one_round(&o, 100 * TD_MS);
    one_round(&o, 100 * TD_MS);
    one_round(&o, 120 * TD_MS);
    ck_assert_uint_eq(o.cc.phase, TD_CC_CSS);
    uint32_t grown = one_round(&o, 119 * TD_MS); /* less than when CSS began: it was none */
    ck_assert_uint_eq(o.cc.phase, TD_CC_SLOW_START);
    ck_assert_uint_eq(grown, 7 * (MSS / 4) + (segments - 7) * MSS);
    ck_assert_int_eq(o.cc.ssthresh, TD_CC_NO_SSTHRESH);
    ck_assert_uint_eq(one_round(&o, 100 * TD_MS), segments * MSS);
    organ_free(&o);
}
END_TEST

/* shows: 9406-04 9406-09 */
START_TEST(threshold_between_4_and_16_ms)
{
    static const struct { td_time rtt, more; bool css; } v[] = {
        {8 * TD_MS, 3900 * TD_US, false}, {8 * TD_MS, 4 * TD_MS, true},      /* an eighth would be 1 */
        {800 * TD_MS, 15900 * TD_US, false}, {800 * TD_MS, 16 * TD_MS, true}, /* ... 100 */
        {80 * TD_MS, 9900 * TD_US, false}, {80 * TD_MS, 10 * TD_MS, true},
    };
    for (unsigned i = 0; i < sizeof v / sizeof v[0]; i++) {
        struct organ o = start(HYSTART_RFC9406, 10);
        one_round(&o, v[i].rtt);
        one_round(&o, v[i].rtt);
        one_round(&o, v[i].rtt + v[i].more);
        ck_assert_msg((o.cc.phase == TD_CC_CSS) == v[i].css, "vector %u", i);
        organ_free(&o);
    }
}
END_TEST

/* shows: 9406-13 9406-04 */
START_TEST(eight_samples)
{
    for (unsigned samples = 7; samples <= 8; samples++) {
        struct organ o = start(HYSTART_RFC9406, 10);
        one_round(&o, 100 * TD_MS);
        uint32_t n = o.cc.cwnd / MSS;
        o.now += 200 * TD_MS;
        for (uint32_t i = 0; i < n; i++) {
            organ_ack(&o, MSS, i < samples ? 200 * TD_MS : 0, true);
        }
        ck_assert_msg((o.cc.phase == TD_CC_CSS) == (samples == 8), "%u samples", samples);
        organ_free(&o);
    }
}
END_TEST

/* shows: 9406-03 9406-11 */
START_TEST(stretched_acknowledgments)
{
    struct organ o = start(HYSTART_RFC9406, 40);
    o.cc.slow_limit = MSS; /* 9406 has its own L */
    organ_ack(&o, 20 * MSS, 0, true);
    ck_assert_uint_eq(o.cc.cwnd, 48 * MSS);
    o.cc.paced = true;
    organ_ack(&o, 20 * MSS, 0, true);
    ck_assert_uint_eq(o.cc.cwnd, 68 * MSS);
    organ_free(&o);
}
END_TEST

/* shows: 9406-08 9406-12 */
START_TEST(only_the_first_slow_start)
{
    struct organ o = start(HYSTART_RFC9406, 10);
    one_round(&o, 100 * TD_MS);
    one_round(&o, 100 * TD_MS);
    one_round(&o, 200 * TD_MS);
    ck_assert_uint_eq(o.cc.phase, TD_CC_CSS);
    uint32_t w = o.cc.cwnd;
    organ_loss(&o); /* in CSS: the usual answer, and congestion avoidance */
    ck_assert_uint_eq(o.cc.ssthresh, w / 10 * 7);
    one_round(&o, 200 * TD_MS);
    ck_assert_uint_ne(o.cc.phase, TD_CC_CSS);
    organ_timeout(&o);
    td_time rtt = 100 * TD_MS;
    while (o.cc.cwnd < o.cc.ssthresh) { /* standard slow start, whatever the round trip does */
        uint32_t n = o.cc.cwnd;
        one_round(&o, rtt += 50 * TD_MS);
        ck_assert(o.cc.cwnd == 2 * n || o.cc.cwnd >= o.cc.ssthresh);
    }
    organ_free(&o);
}
END_TEST

/* ---- Linux's ---- */

START_TEST(linux_by_delay)
{
    struct organ o = start(HYSTART_LINUX, 10);
    one_round(&o, 100 * TD_MS);
    one_round(&o, 112 * TD_MS); /* 100 / 8 above the least ever is the limit */
    ck_assert_int_eq(o.cc.ssthresh, TD_CC_NO_SSTHRESH);
    uint32_t w = o.cc.cwnd;
    one_round(&o, 113 * TD_MS); /* at the ninth sample */
    ck_assert_uint_eq(o.cc.ssthresh, w + 8 * MSS);
    ck_assert_uint_ge(o.cc.cwnd, o.cc.ssthresh);
    organ_free(&o);
    o = start(HYSTART_LINUX, 4); /* below 16 segments it doesn't look */
    one_round(&o, 100 * TD_MS);
    one_round(&o, 300 * TD_MS);
    ck_assert_int_eq(o.cc.ssthresh, TD_CC_NO_SSTHRESH);
    organ_free(&o);
}
END_TEST

START_TEST(linux_by_train)
{
    for (int gap = 1; gap <= 3; gap += 2) { /* ms between two acknowledgments */
        struct organ o = start(HYSTART_LINUX, 100);
        uint32_t at = 0;
        for (uint32_t i = 0; i < 100; i++) {
            o.now += (td_time)gap * TD_MS;
            organ_ack(&o, MSS, 100 * TD_MS, true);
            if (at == 0 && o.cc.ssthresh != TD_CC_NO_SSTHRESH) {
                at = i;
            }
        }
        /* more than 50 ms after the first: the 52nd acknowledgment */
        ck_assert_uint_eq(at, gap == 1 ? 51 : 0);
        organ_free(&o);
    }
}
END_TEST

START_TEST(off)
{
    struct organ o = start(HYSTART_OFF, 10);
    td_time rtt = 100 * TD_MS;
    for (int i = 0; i < 8; i++) {
        uint32_t n = o.cc.cwnd;
        ck_assert_uint_eq(one_round(&o, rtt), n);
        rtt *= 2;
    }
    organ_free(&o);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp hystart");
    TCase *tc = tcase_create("hystart++");
    tcase_add_test(tc, constants);
    tcase_add_test(tc, delay_ends_slow_start);
    tcase_add_test(tc, jitter);
    tcase_add_test(tc, threshold_between_4_and_16_ms);
    tcase_add_test(tc, eight_samples);
    tcase_add_test(tc, stretched_acknowledgments);
    tcase_add_test(tc, only_the_first_slow_start);
    suite_add_tcase(s, tc);
    tc = tcase_create("linux");
    tcase_add_test(tc, linux_by_delay);
    tcase_add_test(tc, linux_by_train);
    tcase_add_test(tc, off);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
