/* Is cwnd used? Growth, idle restart, decay. MSS 1000, round trip 100 ms, so the RTO is 300 ms at most. */
#include "check_main.h"
#include "tcp_talk.h"

#define SMSS 1000
#define WND  60000 /* times 16 */

static struct conv est(const char *after_idle)
{
    struct conv c = conv_reno();
    ck_assert_int_eq(td_knob_set(c.h->st, "net.ipv4.tcp_slow_start_after_idle", after_idle), 0);
    return talk(c, (struct hx_opts){.mss = SMSS, .wscale = 4 + 1}, WND, MS(100));
}

#define cwnd_is(c, segments)                                                                       \
    ck_assert_msg(conv_tcb(c)->cc.cwnd == (unsigned)(segments)*SMSS, "cwnd is %u, not %u",            \
                  conv_tcb(c)->cc.cwnd, (unsigned)(segments)*SMSS)

/* n segments are sent from `from` and acknowledged one by one, 100 ms later. */
static int64_t flight(struct conv *c, int64_t from, unsigned n)
{
    say(c, from, n * SMSS);
    ck_assert_uint_eq(hear(c).segments, n);
    hx_until(c->h, hx_now(c->h) + MS(100));
    for (unsigned i = 1; i <= n; i++) {
        ack_in(c, NOW, from + i * SMSS, WND);
    }
    return from + n * SMSS;
}

/* shows: 9438-13 */
START_TEST(grows_if_it_is_used)
{
    static const struct { unsigned sent, cwnd; } v[] = {{1, 10}, {5, 10}, {6, 12}, {9, 18}, {10, 20}};
    for (unsigned i = 0; i < sizeof v / sizeof v[0]; i++) {
        struct conv c = est("1");
        flight(&c, 1, v[i].sent);
        cwnd_is(&c, v[i].cwnd); /* slow start: to twice what was in flight, no further */
        leave(&c);
        c = est("1");
        conv_tcb(&c)->cc.ssthresh = 4 * SMSS; /* congestion avoidance: only if it was full */
        int64_t at = 1;
        for (int r = 0; r < 5; r++) {
            at = flight(&c, at, v[i].sent);
        }
        cwnd_is(&c, v[i].sent == 10 ? 11 : 10); /* ten of eleven aren't all */
        leave(&c);
    }
}
END_TEST

static int64_t opened(struct conv *c) /* cwnd is 80 */
{
    int64_t at = flight(c, 1, 10);
    at = flight(c, at, 20);
    at = flight(c, at, 40);
    cwnd_is(c, 80);
    return at;
}

static td_time rto(struct conv *c)
{
    return conv_tcb(c)->rtt.rto;
}

START_TEST(halved_for_each_rto_idle)
{
    static const struct { unsigned tenths, cwnd; } v[] = {{5, 80}, {9, 80}, {15, 40}, {25, 20}, {35, 10}, {900, 10}};
    for (unsigned i = 0; i < sizeof v / sizeof v[0]; i++) {
        struct conv c = est("1");
        int64_t at = opened(&c);
        td_time sent = conv_tcb(&c)->last_sent - c.h->start;
        hx_until(c.h, sent + rto(&c) * v[i].tenths / 10);
        say(&c, at, 200 * SMSS);
        ck_assert_uint_eq(hear(&c).segments, v[i].cwnd);
        ck_assert_int_eq(conv_tcb(&c)->cc.ssthresh, TD_CC_NO_SSTHRESH);
        leave(&c);
    }
    /* what it was is remembered */
    struct conv c = est("1");
    int64_t at = opened(&c);
    conv_tcb(&c)->cc.ssthresh = 20 * SMSS;
    hx_until(c.h, hx_now(c.h) + SEC(60));
    say(&c, at, 1);
    cwnd_is(&c, 10);
    ck_assert_uint_eq(conv_tcb(&c)->cc.ssthresh, 60 * SMSS);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* shows: 5681-25 */
START_TEST(restart_window)
{
    struct conv c = est("2");
    int64_t at = opened(&c);
    hx_until(c.h, conv_tcb(&c)->last_sent - c.h->start + rto(&c) + MS(2));
    say(&c, at, 100 * SMSS);
    ck_assert_uint_eq(hear(&c).segments, 10);
    leave(&c);
    c = est("0");
    at = opened(&c);
    hx_until(c.h, hx_now(c.h) + SEC(60));
    say(&c, at, 100 * SMSS);
    ck_assert_uint_eq(hear(&c).segments, 80);
    leave(&c);
}
END_TEST

/* shows: 6928-05 */
START_TEST(restart_window_after_a_lost_first_window)
{
    for (int small = 0; small < 2; small++) {
        struct conv c = est("2");
        unsigned n = small ? 4 : 10; /* segments in flight when it is lost: over 4 KB or not */
        say(&c, 1, n * SMSS);
        ck_assert_uint_eq(hear(&c).segments, n);
        hx_until(c.h, hx_now(c.h) + MS(500));
        hx_drain(c.h);
        ack_in(&c, NOW, 1 + n * SMSS, WND);
        conv_tcb(&c)->cc.cwnd = 80 * SMSS;
        hx_until(c.h, hx_now(c.h) + SEC(10));
        say(&c, 1 + n * SMSS, 100 * SMSS);
        ck_assert_uint_eq(hear(&c).segments, small ? 10 : 4); /* RFC 3390: 4 of 1000 are below 4380 */
        leave(&c);
    }
}
END_TEST

START_TEST(lowered_while_it_is_not_filled)
{
    for (int mode = 0; mode < 3; mode++) {
        struct conv c = est((const char *[]){"0", "1", "2"}[mode]);
        int64_t at = opened(&c);
        td_time start = hx_now(c.h);
        while (conv_tcb(&c)->cc.cwnd == 80 * SMSS && hx_now(c.h) < start + SEC(3)) {
            at = flight(&c, at, 2);
        }
        if (mode == 1) { /* half of the way to the initial window, which is more than 2 */
            cwnd_is(&c, 45);
            ck_assert_uint_ge(hx_now(c.h) - start, rto(&c));
            while (hx_now(c.h) < start + SEC(10)) {
                at = flight(&c, at, 2);
            }
            ck_assert_uint_lt(conv_tcb(&c)->cc.cwnd, 12 * SMSS);
        } else {
            cwnd_is(&c, 80);
        }
        leave(&c);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp cwnd");
    TCase *tc = tcase_create("cwnd");
    tcase_add_test(tc, grows_if_it_is_used);
    tcase_add_test(tc, halved_for_each_rto_idle);
    tcase_add_test(tc, restart_window);
    tcase_add_test(tc, restart_window_after_a_lost_first_window);
    tcase_add_test(tc, lowered_while_it_is_not_filled);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
