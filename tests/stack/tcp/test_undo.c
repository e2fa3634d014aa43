/* A loss that was none: D-SACK, timestamps (Eifel), F-RTO; and real losses, which stay. Round trips that only
 * timestamps can measure. MSS 1000, round trip 100 ms, so the RTO is 300 ms. */
#include "check_main.h"
#include "sack_talk.h"
#include "tcp/rack.h"

static struct conv reno_sack(size_t total)
{
    struct conv c = conv_reno();
    knob_set(c.h, "net.ipv4.tcp_frto", "2");
    knob_set(c.h, "net.ipv4.tcp_early_retrans", "0"); /* no probes */
    return sack_flight(c, total);
}

#define cwnd_is(c, w, s)                                                                           \
    do {                                                                                           \
        ck_assert_uint_eq(conv_tcb(c)->cc.cwnd, (unsigned)(w) * SMSS);                             \
        ck_assert_uint_eq(conv_tcb(c)->cc.ssthresh, (s));                                          \
    } while (0)

/* Fast retransmit of the first of ten; it was only late. */
static struct conv sent_again(void)
{
    struct conv c = reno_sack(10000);
    sack_in(&c, MS(100), 1, B1(1, 10));
    again_out(&c, NOW, 0);
    ck_assert_uint_eq(conv_tcb(&c)->cc.ssthresh, 5000);
    return c;
}

START_TEST(dsack_undoes)
{
    struct conv c = sent_again();
    sack_in(&c, MS(101), 10001, (struct blocks){0});
    cwnd_is(&c, 5, 5000); /* whose acknowledgment it was can't be told yet */
    ck_assert_uint_eq(hx_event(c.h, "tcp-undo"), 0);
    say(&c, 10001, 1000); /* something is in flight meanwhile */
    hx_drain(c.h);
    sack_in(&c, MS(200), 10001, B1(0, 1)); /* the copy was a duplicate */
    ck_assert_uint_eq(hx_event(c.h, "tcp-undo"), 1);
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPDSACKUndo"), 1);
    ck_assert_uint_ge(conv_tcb(&c)->cc.cwnd, 10000);
    ck_assert_uint_eq(conv_tcb(&c)->cc.ssthresh, TD_CC_NO_SSTHRESH);
    leave(&c);
}
END_TEST

START_TEST(a_real_loss_stays)
{
    struct conv c = sent_again();
    sack_in(&c, MS(200), 10001, (struct blocks){0});
    say(&c, 10001, 1000);
    hx_drain(c.h);
    ack_in(&c, MS(300), 11001, WND);
    ck_assert_uint_eq(hx_event(c.h, "tcp-undo"), 0);
    ck_assert_uint_eq(conv_tcb(&c)->cc.ssthresh, 5000);
    leave(&c);
}
END_TEST

/* The second window's D-SACK with two retransmissions: only when both were needless. */
START_TEST(every_one_must_be_needless)
{
    struct conv c = reno_sack(10000);
    sack_in(&c, MS(100), 1, B1(2, 10));
    again_out(&c, NOW, 0);
    hx_until(c.h, MS(150));
    hx_drain(c.h);
    sack_in(&c, MS(200), 1001, B1(2, 10));
    hx_until(c.h, MS(205));
    hx_drain(c.h);
    ck_assert_uint_eq(hx_counter(c.h, "TcpRetransSegs"), 2);
    sack_in(&c, MS(300), 10001, (struct blocks){0});
    say(&c, 10001, 1000);
    hx_drain(c.h);
    sack_in(&c, MS(301), 10001, B1(0, 1)); /* one of two */
    ck_assert_uint_eq(hx_event(c.h, "tcp-undo"), 0);
    sack_in(&c, MS(302), 10001, B1(1, 2));
    ck_assert_uint_eq(hx_event(c.h, "tcp-undo"), 1);
    leave(&c);
}
END_TEST

/* ---- F-RTO (RFC 5682) ---- */

/* The whole flight is delayed; its acknowledgments come after the time-out. */
START_TEST(frto_restores)
{
    struct conv c = reno_sack(40000);
    again_out(&c, MS(300), 0);
    cwnd_is(&c, 1, 5000);
    ack_in(&c, MS(310), 1001, WND); /* SND.UNA moves: new text, nothing old */
    unsigned new = 0;
    const struct hx_conn *k = hx_conn(c.h, HX_PEER, 40000, 80);
    while (hx_pending(c.h) > 0) {
        ip_out(c.h, HX_ANYTIME, IPPROTO_TCP_);
        ck_assert_uint_ge((uint32_t)(c.h->got.tcp.seq - k->iss), 10001);
        new ++;
    }
    ck_assert_uint_ge(new, 1);
    ack_in(&c, MS(311), 2001, WND); /* never sent again, and here: spurious */
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPSpuriousRTOs"), 1);
    ck_assert_uint_ge(conv_tcb(&c)->cc.cwnd, 10000);
    ck_assert_uint_eq(conv_tcb(&c)->cc.ssthresh, TD_CC_NO_SSTHRESH);
    ck_assert_uint_eq(flight_of(&c).lost, 0);
    ck_assert_uint_eq(info(&c).tcpi_ca_state, 0);
    ck_assert_uint_eq(hx_counter(c.h, "TcpRetransSegs"), 1);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* The whole flight was lost. */
START_TEST(frto_believes_a_real_loss)
{
    struct conv c = reno_sack(40000);
    again_out(&c, MS(300), 0);
    ack_in(&c, MS(400), 1001, WND);
    unsigned new = hear(&c).segments;
    ck_assert_uint_ge(new, 1);
    sack_in(&c, MS(500), 1001, B1(10, 11)); /* the new text makes a duplicate: the rest is missing */
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPSpuriousRTOs"), 0);
    again_out(&c, NOW, 1); /* go on with what was lost */
    hx_drain(c.h);
    ck_assert_uint_eq(conv_tcb(&c)->cc.ssthresh, 5000);
    ck_assert_uint_eq(info(&c).tcpi_ca_state, 4);
    ck_assert_uint_eq(hx_event(c.h, "tcp-undo"), 0);
    leave(&c);
}
END_TEST

/* ---- timestamps ---- */

#define PEER_TS 7000

/* The peer's acknowledgment echoes what we said at `sent`. */
static void ts_ack(struct conv *c, td_time at, td_time sent, int64_t ack, struct blocks b)
{
    struct tcb *t = conv_tcb(c);
    struct hx_opts o = {.ts = true, .ts_val = PEER_TS + 1 + (uint32_t)(at / TD_MS), .nsack = (uint8_t)b.n,
                        .ts_ecr = tcp_ts_at(t, c->h->start + sent)};
    for (unsigned i = 0; i < b.n; i++) {
        o.sack[i].left = 1 + SMSS * b.b[i][0];
        o.sack[i].right = 1 + SMSS * b.b[i][1];
    }
    tcp_in(c->h, at, .flags = ACK, .seq = 1, .ack = ack, .wnd = WND, .opts = o);
}

/* As reno_sack, with timestamps. */
static struct conv stamped(size_t total, const char *every)
{
    struct conv c = conv_reno();
    struct hx *h = c.h;
    knob_set(h, "net.ipv4.tcp_early_retrans", "0");
    knob_set(h, "net.ipv4.tcp_rtt_every_ack", every);
    h->tolerance = US(1);
    c.l = hx_tcp_listen(h, 80);
    tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = WND,
           .opts = {.mss = SMSS + 12, .wscale = 5, .sack_perm = true, .ts = true, .ts_val = PEER_TS});
    tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1, .opts = {.ts = true});
    tcp_in(h, MS(100), .flags = ACK, .seq = 1, .ack = 1, .wnd = WND,
           .opts = {.ts = true, .ts_val = PEER_TS, .ts_ecr = h->got.tcp.o.ts_val});
    c.s = td_accept(h->st, c.l, NULL, NULL);
    c.st = EST;
    c.una = c.nxt = c.rcv = 1;
    h->start = td_stack_now(h->st);
    ck_assert_uint_eq(conv_tcb(&c)->mss, SMSS);
    if (total > 0) {
        conv_tcb(&c)->cc.cwnd = 10 * SMSS;
        say(&c, 1, total);
        ck_assert_uint_eq(hear(&c).segments, total < 10 * SMSS ? (total + SMSS - 1) / SMSS : 10);
    }
    return c;
}

START_TEST(eifel_undoes)
{
    struct conv c = stamped(10000, "1");
    ts_ack(&c, MS(100), 0, 1, B1(1, 10));
    again_out(&c, NOW, 0);
    ck_assert_uint_eq(conv_tcb(&c)->cc.ssthresh, 5000);
    ts_ack(&c, MS(110), 0, 10001, (struct blocks){0}); /* echoes the original */
    ck_assert_uint_eq(hx_event(c.h, "tcp-undo"), 1);
    ck_assert_uint_ge(conv_tcb(&c)->cc.cwnd, 10000);
    ck_assert_uint_eq(conv_tcb(&c)->cc.ssthresh, TD_CC_NO_SSTHRESH);
    leave(&c);
    /* the same, but it echoes the copy */
    c = stamped(10000, "1");
    ts_ack(&c, MS(100), 0, 1, B1(1, 10));
    again_out(&c, NOW, 0);
    ts_ack(&c, MS(200), MS(100), 10001, (struct blocks){0});
    ck_assert_uint_eq(hx_event(c.h, "tcp-undo"), 0);
    cwnd_is(&c, 5, 5000);
    leave(&c);
}
END_TEST

START_TEST(eifel_undoes_a_time_out)
{
    for (int copy = 0; copy < 2; copy++) {
        struct conv c = stamped(10000, "1");
        again_out(&c, MS(300), 0);
        ts_ack(&c, MS(310), copy ? MS(300) : 0, 1001, (struct blocks){0});
        ck_assert_uint_eq(hx_event(c.h, "tcp-undo"), copy ? 0 : 1);
        ck_assert_uint_eq(conv_tcb(&c)->cc.ssthresh, copy ? 5000 : TD_CC_NO_SSTHRESH);
        ck_assert_uint_eq(hx_counter(c.h, "TcpRetransSegs"), copy ? 3 : 1);
        hx_drain(c.h);
        leave(&c);
    }
}
END_TEST

/* What was sent twice gives a sample if the echo tells which; the backed-off RTO ends with it. */
/* shows: 6298-18 */
START_TEST(timestamps_end_ambiguity)
{
    struct conv c = stamped(1000, "1");
    again_out(&c, MS(300), 0);
    ck_assert_uint_eq(conv_tcb(&c)->rtt.rto, MS(600));
    ts_ack(&c, MS(340), MS(300), 1001, (struct blocks){0}); /* 40 ms: SRTT 7/8 of 100 + 5 */
    ck_assert_uint_eq(info(&c).tcpi_rtt, 92500);
    ck_assert_uint_lt(conv_tcb(&c)->rtt.rto, MS(400));
    leave(&c);
}
END_TEST

/* All arrived at once, but no ACK came back until the second copy of the first was answered: the
 * echo is of the original. Believed, it would be a round trip of a second. */
/* shows: 6298-06 */
START_TEST(echo_of_a_needless_copy)
{
    struct conv c = stamped(10000, "1");
    again_out(&c, MS(300), 0);
    again_out(&c, MS(900), 0);
    uint64_t samples = hx_event(c.h, "tcp-rtt");
    ts_ack(&c, MS(1000), 0, 10001, B1(0, 1)); /* with a D-SACK of it */
    ck_assert_uint_eq(hx_event(c.h, "tcp-rtt"), samples);
    ck_assert_uint_eq(info(&c).tcpi_rtt, 100000);
    ck_assert_uint_eq(conv_tcb(&c)->rtt.rto, MS(1200)); /* as it was backed off to (6298 5.5) */
    say(&c, 10001, 1000);
    ip_out(c.h, HX_ANYTIME, IPPROTO_TCP_);
    ts_ack(&c, MS(1100), MS(1000), 11001, (struct blocks){0});
    ck_assert_uint_eq(hx_event(c.h, "tcp-rtt"), samples + 1);
    ck_assert_uint_lt(conv_tcb(&c)->rtt.rto, MS(400));
    leave(&c);
}
END_TEST

/* The third of three arrived, and the ACK that said so was lost. The answer to the copy of the first
 * tells of it: the round trip is the copy's. */
/* shows: 6298-06 */
START_TEST(sack_that_comes_with_a_copys_answer)
{
    struct conv c = stamped(3000, "1");
    again_out(&c, MS(300), 0);
    ts_ack(&c, MS(340), MS(300), 1001, B1(2, 3));
    ck_assert_uint_eq(info(&c).tcpi_rtt, 92500); /* 7/8 of 100 + 5 */
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* shows: 7323-19 */
START_TEST(no_sample_unless_una_moves)
{
    struct conv c = stamped(3000, "1");
    uint64_t samples = hx_event(c.h, "tcp-rtt");
    for (int i = 0; i < 3; i++) {
        ts_ack(&c, MS(50 + i), MS(0), 1, (struct blocks){0});
        ck_assert_uint_eq(hx_event(c.h, "tcp-rtt"), samples);
    }
    ck_assert_uint_eq(info(&c).tcpi_rtt, 100000);
    ts_ack(&c, MS(60), 0, 1001, (struct blocks){0});
    ck_assert_uint_eq(hx_event(c.h, "tcp-rtt"), samples + 1);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* shows: 7323-20 6298-07 */
START_TEST(one_sample_a_round_trip)
{
    for (int every = 0; every < 2; every++) {
        struct conv c = stamped(10000, every ? "1" : "0");
        uint64_t samples = hx_event(c.h, "tcp-rtt");
        for (int i = 1; i <= 9; i++) {
            ts_ack(&c, MS(200), 0, 1 + 1000 * i, (struct blocks){0});
        }
        ck_assert_uint_eq(hx_event(c.h, "tcp-rtt") - samples, every ? 9 : 1);
        if (!every) {
            ck_assert_uint_eq(info(&c).tcpi_rtt, 112500); /* one eighth of the way */
        }
        leave(&c);
    }
}
END_TEST

/* ---- the reordering window (RFC 8985 6.2 step 4) ---- */

/* One segment sent at `from` (segments) is lost among four, and sent again; no D-SACK. Returns the next. */
static unsigned recovery(struct conv *c, unsigned from)
{
    td_time at = hx_now(c->h);
    conv_tcb(c)->cc.cwnd = conv_tcb(c)->cc.ssthresh = 10 * SMSS;
    say(c, 1 + SMSS * (int64_t)from, 5 * SMSS);
    hx_drain(c->h);
    sack_in(c, at + MS(100), 1 + SMSS * (int64_t)from, B1(from + 1, from + 5));
    hx_until(c->h, at + MS(280));
    hx_drain(c->h);
    ck_assert_uint_eq(info(c).tcpi_ca_state, 3);
    sack_in(c, at + MS(390), 1 + SMSS * (int64_t)(from + 5), (struct blocks){0});
    hx_drain(c->h);
    return from + 5;
}

/* shows: 8985-09 */
START_TEST(dsack_widens_for_sixteen_recoveries)
{
    struct conv c = conv_reno();
    knob_set(c.h, "net.ipv4.tcp_early_retrans", "0");
    c = sack_flight(c, 5000);
    struct tcb *t = conv_tcb(&c);
    sack_in(&c, MS(100), 1, B1(1, 2));
    sack_in(&c, MS(105), 2001, (struct blocks){0}); /* reordering */
    sack_in(&c, MS(110), 2001, B1(3, 5));
    ck_assert_uint_eq(t->loss_keep[RACK_MULT] + 1, 1);
    hx_until(c.h, MS(140));
    hx_drain(c.h);
    ck_assert_uint_eq(hx_counter(c.h, "TcpRetransSegs"), 1); /* the third, needlessly */
    sack_in(&c, MS(141), 5001, (struct blocks){0});
    say(&c, 5001, 2000);
    hx_drain(c.h);
    sack_in(&c, MS(240), 6001, B1(2, 3)); /* D-SACK */
    ck_assert_uint_eq(t->loss_keep[RACK_MULT] + 1, 2);
    ck_assert_uint_eq(t->loss_keep[RACK_PERSIST], 16);
    ack_in(&c, MS(250), 7001, WND);
    unsigned at = 7;
    for (int i = 1; i <= 16; i++) {
        ck_assert_uint_eq(t->loss_keep[RACK_MULT] + 1, 2);
        at = recovery(&c, at);
    }
    ck_assert_uint_eq(t->loss_keep[RACK_MULT] + 1, 2);
    (void)recovery(&c, at);
    ck_assert_uint_eq(t->loss_keep[RACK_MULT] + 1, 1);
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp undo");
    TCase *tc = tcase_create("undo");
    tcase_add_test(tc, dsack_undoes);
    tcase_add_test(tc, a_real_loss_stays);
    tcase_add_test(tc, every_one_must_be_needless);
    tcase_add_test(tc, frto_restores);
    tcase_add_test(tc, frto_believes_a_real_loss);
    tcase_add_test(tc, eifel_undoes);
    tcase_add_test(tc, eifel_undoes_a_time_out);
    tcase_add_test(tc, timestamps_end_ambiguity);
    tcase_add_test(tc, echo_of_a_needless_copy);
    tcase_add_test(tc, sack_that_comes_with_a_copys_answer);
    tcase_add_test(tc, no_sample_unless_una_moves);
    tcase_add_test(tc, one_sample_a_round_trip);
    tcase_add_test(tc, dsack_widens_for_sixteen_recoveries);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
