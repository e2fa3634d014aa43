/* Loss by time (RACK, RFC 8985 6), and what PRR does with cwnd meanwhile (RFC 9937). */
#include "check_main.h"
#include "prng.h"
#include "sack_talk.h"
#include "tcp/rack.h"

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
    ck_assert(conv_tcb(&c)->txq->loss.ops == &tcp_newreno_prr);
    ck_assert_uint_eq(conv_tcb(&c)->rtx_kind, TRTX_REXMT);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* It is seen as well where the late one is only SACKed: below what was SACKed before, and sent once. */
/* shows: 8985-07 */
START_TEST(reordering_between_sacks)
{
    struct conv c = sack_flight(conv_new(TD_PROFILE_LINUX), 10000);
    struct tcb *t = conv_tcb(&c);
    sack_in(&c, MS(100), 1, B1(4, 5));
    ck_assert_uint_eq(t->reord_seen, 0);
    sack_in(&c, MS(101), 1, B2(2, 3, 4, 5));
    ck_assert_uint_eq(t->reord_seen, 1);
    hx_drain(c.h);
    leave(&c);
    c = sack_flight(conv_new(TD_PROFILE_LINUX), 10000); /* in order, or sent again: no reordering */
    t = conv_tcb(&c);
    for (unsigned i = 2; i <= 5; i++) {
        sack_in(&c, MS(100), 1, B1(1, i));
    }
    ck_assert_uint_eq(hx_counter(c.h, "TcpRetransSegs"), 1);
    hx_drain(c.h);
    sack_in(&c, MS(200), 5001, (struct blocks){0});
    ck_assert_uint_eq(t->reord_seen, 0);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* shows: 8985-03 ATK-TCPC-07 */
START_TEST(a_dsack_makes_it_patient)
{
    for (int fixed = 0; fixed < 2; fixed++) { /* the knob's bit 2: the window stays as it is */
        struct conv c = conv_new(TD_PROFILE_LINUX);
        knob_set(c.h, "net.ipv4.tcp_recovery", fixed ? "3" : "1");
        knob_set(c.h, "net.ipv4.tcp_early_retrans", "0");
        c = sack_flight(c, 5000);
        struct tcb *t = conv_tcb(&c);
        sack_in(&c, MS(100), 1, B1(1, 2));
        sack_in(&c, MS(105), 2001, (struct blocks){0}); /* this path reorders */
        sack_in(&c, MS(110), 2001, B1(3, 5));
        hx_until(c.h, MS(140)); /* the third goes again, and was only late: */
        ck_assert_uint_eq(hx_counter(c.h, "TcpRetransSegs"), 1);
        hx_drain(c.h);
        sack_in(&c, MS(141), 5001, B1(2, 3));
        say(&c, 5001, 2000);
        hx_drain(c.h);
        ack_in(&c, MS(241), 7001, WND);
        say(&c, 7001, 2000);
        hx_drain(c.h);
        sack_in(&c, MS(341), 7001, B1(8, 9));
        td_time wait = t->cc.min_rtt / 4 * (fixed ? 1 : 2);
        hx_quiet(c.h, MS(341) + wait);
        again_out(&c, MS(343) + wait, 7);
        leave(&c);
    }
}
END_TEST

/* One segment, acknowledged after a round trip of rtt. */
static int64_t round_trip(struct conv *c, int64_t pos, td_time rtt)
{
    say(c, pos, 100);
    hx_drain(c->h);
    ack_in(c, hx_now(c->h) + rtt, pos + 100, WND);
    return pos + 100;
}

/* The route changes: from 100 ms to 400. For tcp_min_rtt_wlen seconds the old least counts. */
/* shows: 8985-05 */
START_TEST(the_least_round_trip_grows_old)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.tcp_early_retrans", "0");
    knob_set(c.h, "net.ipv4.tcp_min_rtt_wlen", "20");
    c = sack_open(c);
    struct tcb *t = conv_tcb(&c);
    int64_t pos = round_trip(&c, 1, MS(150));
    ck_assert_uint_eq(t->cc.min_rtt, MS(100)); /* the handshake's */
    while (hx_now(c.h) < SEC(18)) {
        pos = round_trip(&c, pos, MS(200));
        ck_assert_uint_eq(t->cc.min_rtt, MS(100));
    }
    hx_until(c.h, SEC(22));
    pos = round_trip(&c, pos, MS(200));
    ck_assert_uint_eq(t->cc.min_rtt, MS(200));
    pos = round_trip(&c, pos, MS(120)); /* a smaller one counts at once */
    ck_assert_uint_eq(t->cc.min_rtt, MS(120));
    leave(&c);
}
END_TEST

static const struct rack *rack_of(const struct tcb *t)
{
    ck_assert_str_eq(t->txq->loss.ops->name, "rack");
    return t->txq->loss.state;
}

/* The first of ten is sent again at 100 ms, and an acknowledgment comes that may be the original's. If it were taken
 * for the copy's, all that left before the copy would be lost. */
/* shows: 8985-06 */
START_TEST(whose_acknowledgment_is_it)
{
    struct conv c = sack_flight(conv_new(TD_PROFILE_LINUX), 10000);
    struct tcb *t = conv_tcb(&c);
    sack_in(&c, MS(100), 1, B1(1, 4));
    again_out(&c, NOW, 0);
    td_time first = rack_of(t)->xmit_ts;
    ack_in(&c, MS(150), 4001, WND); /* too soon for it: less than the least round trip */
    ck_assert_uint_eq(rack_of(t)->xmit_ts, first);
    ck_assert_uint_eq(rack_of(t)->end_seq - t->iss, 4001); /* the latest sent: equal times, so the highest */
    ck_assert_uint_eq(flight_of(&c).lost, 0);
    hx_quiet(c.h, MS(190));
    sack_in(&c, MS(190), 4001, B1(4, 10));
    hx_quiet(c.h, NOW);
    leave(&c);

    c = sack_flight(conv_new(TD_PROFILE_LINUX), 10000); /* late enough for the copy: believed */
    t = conv_tcb(&c);
    sack_in(&c, MS(100), 1, B1(1, 4));
    again_out(&c, NOW, 0);
    first = rack_of(t)->xmit_ts;
    ack_in(&c, MS(210), 4001, WND);
    ck_assert_uint_eq(rack_of(t)->xmit_ts, first + MS(100));
    ck_assert_uint_eq(rack_of(t)->rtt, MS(110));
    ck_assert_uint_eq(flight_of(&c).lost, 6);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* With timestamps; ten segments leave at t = 0, *val is their TSval. */
static struct conv stamped_flight(uint32_t *val)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    struct hx *h = c.h;
    h->tolerance = US(1);
    c.l = hx_tcp_listen(h, 80);
    tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = WND,
           .opts = {.mss = SMSS + 12, .wscale = 5, .sack_perm = true, .ts = true, .ts_val = 1});
    tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    tcp_in(h, MS(100), .flags = ACK, .seq = 1, .ack = 1, .wnd = WND,
           .opts = {.ts = true, .ts_val = 2, .ts_ecr = h->got.tcp.o.ts_val});
    *val = h->got.tcp.o.ts_val + 100;
    c.s = td_accept(h->st, c.l, NULL, NULL);
    c.st = EST;
    c.una = c.nxt = c.rcv = 1;
    h->start = td_stack_now(h->st);
    say(&c, 1, 10000);
    hear(&c);
    return c;
}

/* The same told by the echo (TSecr): 110 ms after the copy, but it is the original's timestamp. */
/* shows: 8985-06 */
START_TEST(the_echo_tells_whose)
{
    for (int copy = 0; copy < 2; copy++) {
        uint32_t val;
        struct conv c = stamped_flight(&val);
        struct hx *h = c.h;
        struct tcb *t = conv_tcb(&c);
        tcp_in(h, MS(100), .flags = ACK, .seq = 1, .ack = 1, .wnd = WND,
               .opts = {.ts = true, .ts_val = 3, .ts_ecr = val, .nsack = 1, .sack = {{1001, 4001}}});
        again_out(&c, NOW, 0);
        td_time first = rack_of(t)->xmit_ts;
        tcp_in(h, MS(210), .flags = ACK, .seq = 1, .ack = 4001, .wnd = WND,
               .opts = {.ts = true, .ts_val = 4, .ts_ecr = val + (copy ? 100u : 0u)});
        ck_assert_uint_eq(rack_of(t)->xmit_ts, first + (copy ? MS(100) : 0));
        hx_drain(h);
        leave(&c);
    }
}
END_TEST

/* Echoes that were made up, and acknowledgments in another order than they were sent: the round trip of what was sent
 * once is our own clock's, nothing is lost by it, nothing goes again. */
/* shows: ATK-TCPC-07 */
START_TEST(forged_echoes)
{
    static const int32_t lie[] = {100, 99, 101, 1000, -100000, 0x7fffffff, -0x7fffffff, -100};
    uint32_t val;
    struct conv c = stamped_flight(&val);
    struct tcb *t = conv_tcb(&c);
    for (unsigned i = 0; i < 8; i++) {
        tcp_in(c.h, MS(100 + i), .flags = ACK, .seq = 1, .ack = 1 + SMSS * (i + 1), .wnd = WND,
               .opts = {.ts = true, .ts_val = 3, .ts_ecr = val + (uint32_t)lie[i]});
        tcp_in(c.h, MS(100 + i), .flags = ACK, .seq = 1, .ack = 1 + SMSS * (i > 0 ? i - 1 : 0), .wnd = WND, /* overtaken */
               .opts = {.ts = true, .ts_val = 3, .ts_ecr = val - (uint32_t)lie[i]});
        ck_assert_uint_ge(t->cc.min_rtt, MS(100));
        ck_assert_uint_ge(t->cc.srtt, MS(100));
        ck_assert_uint_eq(flight_of(&c).lost, 0);
        ck_assert_uint_eq(t->ca_state, TCPE_OPEN);
    }
    hx_drain(c.h);
    ck_assert_uint_eq(hx_counter(c.h, "TcpRetransSegs"), 0);
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
    tcase_add_test(tc, reordering_between_sacks);
    tcase_add_test(tc, a_dsack_makes_it_patient);
    tcase_add_test(tc, the_least_round_trip_grows_old);
    tcase_add_test(tc, whose_acknowledgment_is_it);
    tcase_add_test(tc, the_echo_tells_whose);
    tcase_add_test(tc, forged_echoes);
    tcase_add_test(tc, every_pattern_of_loss);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
