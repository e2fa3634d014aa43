/* Loss by time (RACK, RFC 8985 6), and what PRR does with cwnd meanwhile (RFC 9937). */
#include "check_main.h"
#include "prng.h"
#include "sack_talk.h"

/* shows: 8985-08 8985-10 8985-11 8985-20 */
START_TEST(late_is_not_lost_yet)
{
    struct conv c = sack_flight(conv_new(TD_PROFILE_LINUX), 2000); /* round trip 100 ms */
    sack_in(&c, MS(100), 1, B1(1, 2));
    hx_quiet(c.h, MS(100) + MS(25)); /* a quarter of the least round trip */
    ck_assert_uint_eq(conv_tcb(&c)->rtx_kind, TRTX_REO); /* and no other timer */
    again_out(&c, MS(127), 0);
    ck_assert_uint_eq(hx_event(c.h, "tcp-rto"), 0);
    leave(&c);
}
END_TEST

/* shows: 8985-07 8985-08 8985-13 8985-21 */
START_TEST(reordering_widens_the_window)
{
    struct conv c = sack_flight(conv_new(TD_PROFILE_LINUX), 20000);
    struct tcb *t = conv_tcb(&c);
    sack_in(&c, MS(100), 1, B1(1, 2));
    sack_in(&c, MS(105), 2001, (struct blocks){0}); /* the first was only late */
    ck_assert_uint_eq(t->reord_seen, 1);
    ck_assert_uint_eq(hx_counter(c.h, "TcpRetransSegs"), 0);
    hx_drain(c.h);
    sack_in(&c, MS(110), 2001, B1(3, 8)); /* five beyond the hole, and still it may be late */
    for (unsigned i = 0; i < hx_pending(c.h); i++) {
        ck_assert_uint_eq(hx_counter(c.h, "TcpRetransSegs"), 0);
    }
    hx_drain(c.h);
    hx_until(c.h, MS(134));
    ck_assert_uint_eq(hx_counter(c.h, "TcpRetransSegs"), 0);
    hx_until(c.h, MS(140));
    ck_assert_uint_eq(hx_counter(c.h, "TcpRetransSegs"), 1);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* shows: 8985-02 8985-24 6675-05 6675-17 */
START_TEST(a_lost_retransmission_is_found)
{
    struct conv c = sack_flight(conv_new(TD_PROFILE_LINUX), 40000);
    struct tcb *t = conv_tcb(&c);
    for (unsigned i = 2; i <= 10; i++) {
        sack_in(&c, MS(100) + MS(i), 1, B1(1, i));
    }
    ck_assert_uint_eq(hx_counter(c.h, "TcpRetransSegs"), 1);
    uint32_t end = (t->snd_nxt - t->iss - 1) / SMSS; /* new text went too */
    ck_assert_uint_gt(end, 10);
    hx_drain(c.h);
    sack_in(&c, MS(215), 1, B1(1, end)); /* what left after it has arrived */
    hx_until(c.h, MS(250));
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPLostRetransmit"), 1);
    ck_assert_uint_eq(hx_counter(c.h, "TcpRetransSegs"), 2);
    ck_assert_uint_eq(hx_event(c.h, "tcp-rto"), 0);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* shows: 8985-12 5681-12 5681-14 */
START_TEST(after_a_time_out_the_old_ones_are_lost)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.tcp_early_retrans", "0");
    c = sack_flight(c, 9000);
    hx_until(c.h, MS(250));
    say(&c, 9001, 1000); /* one that left just before the time-out */
    hx_drain(c.h);
    hx_until(c.h, MS(301));
    struct tcp_inflight f = flight_of(&c);
    ck_assert_uint_eq(f.unacked, 10);
    ck_assert_uint_eq(f.lost, 9);
    ck_assert_uint_eq(info(&c).tcpi_ca_state, 4);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* shows: 8985-01 */
START_TEST(not_without_sack)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    c = talk(c, (struct hx_opts){.mss = SMSS, .wscale = 5}, WND, MS(100));
    say(&c, 1, 5000);
    ck_assert(conv_tcb(&c)->txq->ops == &tcp_newreno_prr);
    ck_assert_uint_eq(conv_tcb(&c)->rtx_kind, TRTX_REXMT);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* A path that loses and reorders as the dice say, a receiver by the book, and every detector: all
 * octets arrive, what is in the pipe stays within cwnd, and marks are what the counts say. */
/* shows: 8985-22 6675-14 9937-07 */
START_TEST(every_pattern_of_loss)
{
    static const char *const detectors[] = {"1", "0"};
    for (unsigned seed = 1; seed <= 60; seed++) {
        struct prng r = {seed};
        struct conv c = conv_new(TD_PROFILE_LINUX);
        knob_set(c.h, "net.ipv4.tcp_recovery", detectors[seed & 1]);
        knob_set(c.h, "net.ipv4.tcp_cwnd_segments", (seed & 2) != 0 ? "1" : "0");
        knob_set(c.h, "net.ipv4.tcp_sack_forget", (seed & 4) != 0 ? "1" : "0");
        c = sack_open(c);
        struct tcb *t = conv_tcb(&c);
        enum { TOTAL = 150 };
        static bool have[TOTAL + 1];
        memset(have, 0, sizeof have);
        unsigned segments = 0, next = 0, loss = 4 + prng_below(&r, 20);
        say(&c, 1, TOTAL * SMSS);
        const struct hx_conn *k = hx_conn(c.h, HX_PEER, 40000, 80);
        while (next < TOTAL) {
            if (hx_pending(c.h) == 0) {
                hx_until(c.h, hx_now(c.h) + MS(10));
                ck_assert_msg(hx_now(c.h) < SEC(1200), "seed %u: stuck at %u: una %u nxt %u cwnd %u pipe %u ca %u kind %u", seed, next, t->snd_una - t->iss, t->snd_nxt - t->iss, t->cc.cwnd, tcp_pipe_bytes(t), t->ca_state, t->rtx_kind);
                continue;
            }
            ck_assert_msg(++segments < 5000, "seed %u: %u of %u after %u segments", seed, next, TOTAL,
                          segments);
            ip_out(c.h, HX_ANYTIME, IPPROTO_TCP_);
            const struct hx_pkt *g = &c.h->got;
            unsigned from = ((uint32_t)(g->tcp.seq - k->iss) - 1) / SMSS;
            unsigned to = from + (unsigned)g->len / SMSS;
            uint32_t most = t->cc.cwnd > t->cc.prior_cwnd ? t->cc.cwnd : t->cc.prior_cwnd;
            ck_assert_uint_le(tcp_pipe_bytes(t), most + 3 * SMSS);
            if (prng_below(&r, 100) < loss || to == from) {
                continue;
            }
            for (unsigned i = from; i < to; i++) {
                have[i] = true;
            }
            while (next < TOTAL && have[next]) {
                next++;
            }
            struct blocks b = {0};
            for (unsigned i = from, first = 1; first == 1 && i >= next && i < TOTAL; first = 0) {
                unsigned lo = i, hi = i;
                while (lo > next && have[lo - 1]) {
                    lo--;
                }
                while (hi < TOTAL && have[hi]) {
                    hi++;
                }
                b = B1(lo, hi);
            }
            if (prng_below(&r, 20) != 0) { /* else the ACK is lost */
                sack_in(&c, hx_now(c.h) + US(500), 1 + SMSS * (int64_t)next, b);
            }
        }
        ack_in(&c, hx_now(c.h) + MS(1), 1 + TOTAL * SMSS, WND);
        ck_assert_uint_eq(t->snd.len, 0);
        hx_drain(c.h);
        leave(&c);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp rack");
    TCase *tc = tcase_create("rack");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, late_is_not_lost_yet);
    tcase_add_test(tc, reordering_widens_the_window);
    tcase_add_test(tc, a_lost_retransmission_is_found);
    tcase_add_test(tc, after_a_time_out_the_old_ones_are_lost);
    tcase_add_test(tc, not_without_sack);
    tcase_add_test(tc, every_pattern_of_loss);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
