/* Loss without SACK: fast retransmit and NewReno's recovery (RFC 5681 3.2, 6582), limited transmit (3042). MSS 1000;
 * ten segments are in flight when it begins. */
#include "check_main.h"
#include "prng.h"
#include "tcp_talk.h"

#define SMSS 1000
#define WND  60000 /* times 16 */

static struct conv in_flight(size_t total)
{
    struct conv c = conv_reno();
    c.h->tolerance = US(1);
    c = talk(c, (struct hx_opts){.mss = SMSS, .wscale = 4 + 1}, WND, MS(100));
    c.h->start = td_stack_now(c.h->st); /* t=0: the flight leaves */
    say(&c, 1, total);
    ck_assert_uint_eq(hear(&c).segments, 10);
    return c;
}

#define segment_out(c, at, seq_) tcp_out((c)->h, (at), .flags = ACK, .seq = (seq_), .ack = 1, .len = SMSS)
#define cwnd_is(c, segments)                                                                       \
    ck_assert_msg(conv_tcb(c)->cc.cwnd == (unsigned)(segments)*SMSS, "cwnd is %u, not %u",            \
                  conv_tcb(c)->cc.cwnd, (unsigned)(segments)*SMSS)

/* shows: 5681-17 5681-19 5681-20 5681-21 5681-22 5681-23 5681-24 3042-01 3042-02 6582-01 6582-03 MUST-19 */
START_TEST(one_loss)
{
    struct conv c = in_flight(40000);
    /* the first of ten is lost; the others arrive */
    ack_in(&c, MS(100), 1, WND);
    segment_out(&c, NOW, 10001); /* limited transmit: a new one, cwnd as it was */
    cwnd_is(&c, 10);
    ack_in(&c, MS(101), 1, WND);
    segment_out(&c, NOW, 11001);
    cwnd_is(&c, 10);
    ack_in(&c, MS(102), 1, WND); /* the third */
    segment_out(&c, NOW, 1);
    ck_assert_uint_eq(conv_tcb(&c)->cc.ssthresh, 5000); /* of ten: what limited transmit sent doesn't count */
    cwnd_is(&c, 5 + 3);
    for (int i = 4; i <= 7; i++) { /* twelve are out: until cwnd has grown beyond that, nothing goes */
        ack_in(&c, MS(99 + i), 1, WND);
        cwnd_is(&c, 5 + i);
        hx_quiet(c.h, NOW);
    }
    for (int i = 8; i <= 11; i++) {
        ack_in(&c, MS(99 + i), 1, WND);
        cwnd_is(&c, 5 + i);
        segment_out(&c, NOW, 12001 + 1000 * (i - 8));
    }
    /* the hole is filled: all that was out when it began is there */
    ack_in(&c, MS(200), 12001, WND);
    cwnd_is(&c, 5); /* min(ssthresh, max(FlightSize, SMSS) + SMSS) = min(5, 4 + 1) */
    segment_out(&c, NOW, 16001);
    hx_quiet(c.h, MS(250));
    ck_assert_uint_eq(hx_counter(c.h, "TcpRetransSegs"), 1);
    leave(&c);
}
END_TEST

/* shows: 6582-03 */
START_TEST(full_ack_with_little_in_flight)
{
    struct conv c = in_flight(10000);
    for (int i = 0; i < 3; i++) {
        ack_in(&c, MS(100 + i), 1, WND);
    }
    segment_out(&c, NOW, 1);
    ack_in(&c, MS(200), 10001, WND); /* nothing is left in flight: no burst later */
    cwnd_is(&c, 2);
    ck_assert(conv_tcb(&c)->ca_state != TCPE_RECOVERY);
    leave(&c);
}
END_TEST

/* shows: 5681-18 */
START_TEST(what_is_no_duplicate)
{
    struct conv c = in_flight(10000);
    for (int i = 0; i < 5; i++) { /* the window changes */
        ack_in(&c, MS(10 + i), 1, WND - 1 - i);
    }
    for (int i = 0; i < 5; i++) { /* it brings text */
        tcp_in(c.h, MS(20 + i), .flags = ACK, .seq = 1 + i, .ack = 1, .wnd = WND - 5, .len = 1);
        hx_drain(c.h);
    }
    c.rcv = 6;
    hx_quiet(c.h, MS(100));
    ck_assert_uint_eq(hx_event(c.h, "tcp-dupack"), 0);
    tcp_in(c.h, MS(110), .flags = ACK | FIN, .seq = 6, .ack = 1, .wnd = WND - 5);
    hx_drain(c.h);
    ck_assert_uint_eq(hx_event(c.h, "tcp-dupack"), 0);
    c.rcv = 7;
    ack_in(&c, MS(120), 10001, WND - 5);
    for (int i = 0; i < 10; i++) { /* nothing is outstanding */
        ack_in(&c, MS(130 + i), 10001, WND - 5);
    }
    ck_assert_uint_eq(hx_event(c.h, "tcp-dupack"), 0);
    ck_assert_uint_eq(hx_counter(c.h, "TcpRetransSegs"), 0);
    leave(&c);
}
END_TEST

/* shows: 6582-04 6582-05 */
START_TEST(three_losses)
{
    struct conv c = in_flight(10000);
    for (int i = 0; i < 7; i++) { /* 1, 4 and 7 are missing */
        ack_in(&c, MS(100 + i), 1, WND);
        if (i == 2) {
            segment_out(&c, NOW, 1);
        }
    }
    cwnd_is(&c, 5 + 7);
    hx_quiet(c.h, MS(200));
    ck_assert_uint_eq(conv_tcb(&c)->rtt.rto, MS(300));
    ack_in(&c, MS(200), 3001, WND); /* partial: the next hole, at once */
    segment_out(&c, NOW, 3001);
    cwnd_is(&c, 12 - 3 + 1);
    ck_assert(conv_tcb(&c)->ca_state == TCPE_RECOVERY);
    ack_in(&c, MS(300), 6001, WND); /* the next */
    segment_out(&c, NOW, 6001);
    cwnd_is(&c, 10 - 3 + 1);
    /* that one is lost again. The timer started over with the first partial acknowledgment, not with the second. */
    hx_quiet(c.h, MS(499));
    segment_out(&c, MS(500), 6001);
    ck_assert(conv_tcb(&c)->ca_state != TCPE_RECOVERY);
    leave(&c);
}
END_TEST

/* shows: 6582-02 6582-06 */
START_TEST(duplicates_after_a_time_out)
{
    struct conv c = in_flight(10000);
    segment_out(&c, MS(300), 1);
    for (int i = 0; i < 9; i++) { /* caused by what was sent before the time-out: no second reason to slow down */
        ack_in(&c, MS(310 + i), 1, WND);
    }
    cwnd_is(&c, 1);
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPFastRetrans"), 0);
    hx_drain(c.h);
    /* once all that is acknowledged, they count again */
    ack_in(&c, MS(400), 10001, WND);
    hx_drain(c.h);
    say(&c, 10001, 10000);
    hear(&c);
    say(&c, 20001, 1000);
    int64_t una = 10001;
    for (int i = 0; i < 4; i++) {
        una += 1000;
        ack_in(&c, MS(500 + i), una, WND);
    }
    hx_drain(c.h);
    for (int i = 0; i < 3; i++) {
        ack_in(&c, MS(510 + i), una, WND);
    }
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPFastRetrans"), 1);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* shows: 5681-28 */
START_TEST(lost_retransmission)
{
    struct conv c = in_flight(30000);
    for (int i = 0; i < 3; i++) {
        ack_in(&c, MS(100 + i), 1, WND);
    }
    hx_drain(c.h);
    ck_assert_uint_eq(conv_tcb(&c)->cc.ssthresh, 5000);
    ck_assert_uint_eq(tcp_flight(conv_tcb(&c)), 12000);
    hx_until(c.h, MS(600)); /* it is lost too */
    ck_assert_uint_eq(conv_tcb(&c)->cc.ssthresh, 6000); /* half of what was in flight, once more */
    cwnd_is(&c, 1);
    hx_drain(c.h);
    /* two windows, a loss in each: twice */
    struct conv d = in_flight(60000);
    for (int i = 0; i < 3; i++) {
        ack_in(&d, MS(100 + i), 1, WND);
    }
    ck_assert_uint_eq(conv_tcb(&d)->cc.ssthresh, 5000);
    ack_in(&d, MS(200), 12001, WND);
    for (int i = 0; i < 3; i++) {
        ack_in(&d, MS(300), 13001 + 1000 * i, WND);
    }
    ck_assert_uint_eq(tcp_flight(conv_tcb(&d)), 5000);
    for (int i = 0; i < 3; i++) {
        ack_in(&d, MS(301 + i), 15001, WND);
    }
    ck_assert_uint_eq(conv_tcb(&d)->cc.ssthresh, 2500);
    hx_drain(d.h);
    leave(&c);
    leave(&d);
}
END_TEST

/* shows: 6298-06 8961-03 */
START_TEST(no_sample_from_a_fast_retransmission)
{
    struct conv c = in_flight(10000); /* the first is being timed */
    uint64_t samples = hx_event(c.h, "tcp-rtt");
    for (int i = 0; i < 3; i++) {
        ack_in(&c, MS(100 + i), 1, WND);
    }
    segment_out(&c, NOW, 1);
    ack_in(&c, MS(280), 10001, WND);
    ck_assert_uint_eq(hx_event(c.h, "tcp-rtt"), samples);
    leave(&c);
}
END_TEST

/* shows: 5681-22 ATK-TCPC-03 */
START_TEST(forged_duplicates)
{
    struct conv c = in_flight(200000);
    unsigned sent = 10;
    for (int i = 0; i < 1000; i++) {
        ack_in(&c, MS(100), 1, WND);
        sent += hx_pending(c.h);
        hx_drain(c.h);
    }
    /* twelve were out when it began: so many duplicates can be true, each lets one segment go */
    ck_assert_uint_le(conv_tcb(&c)->cc.cwnd, 5000 + 12 * SMSS);
    ck_assert_uint_le(sent, 10 + 2 + 1 + 5);
    leave(&c);
}
END_TEST

/* shows: ATK-TCPC-01 */
START_TEST(optimistic_acknowledgments)
{
    struct conv c = in_flight(100000);
    for (int i = 0; i < 20; i++) { /* of what was never sent: an ACK at most, and nothing grows */
        ack_in(&c, MS(10), 50001, WND);
    }
    cwnd_is(&c, 10);
    ck_assert_uint_eq(tcp_flight(conv_tcb(&c)), 10000);
    hx_drain(c.h);
    ack_in(&c, MS(20), 10001, WND); /* all at once, before it can have arrived: one segment's growth */
    cwnd_is(&c, 11);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* shows: 5681-01 5681-02 5681-03 */
START_TEST(never_more_than_the_windows_allow)
{
    /* A peer that loses, repeats and shrinks as the dice say; it keeps what arrives. */
    for (unsigned seed = 1; seed <= 30; seed++) {
        struct prng r = {seed};
        struct conv c = conv_reno();
        c = talk(c, (struct hx_opts){.mss = SMSS}, 30000, MS(50));
        static const int64_t total = 150000;
        static bool have[150002];
        memset(have, 0, sizeof have);
        int64_t next = 1, edge = 30001;
        say(&c, 1, (size_t)total);
        const struct hx_conn *k = hx_conn(c.h, HX_PEER, 40000, 80);
        while (next <= total) {
            struct tcb *t = conv_tcb(&c);
            ck_assert_uint_le(tcp_flight(t), t->max_snd_wnd);
            if (hx_pending(c.h) == 0) {
                hx_until(c.h, hx_now(c.h) + MS(20));
                ck_assert_uint_lt(hx_now(c.h), SEC(3600));
                if (hx_pending(c.h) == 0) {
                    continue;
                }
            }
            ip_out(c.h, HX_ANYTIME, IPPROTO_TCP_);
            const struct hx_pkt *g = &c.h->got;
            int64_t seq = (int64_t)(uint32_t)(g->tcp.seq - k->iss);
            int64_t end = seq + (int64_t)g->len;
            ck_assert_int_le(end, edge);                                   /* rwnd */
            ck_assert_int_le(end - next, (int64_t)t->cc.cwnd + 12 * SMSS);    /* cwnd, and what it was cut from */
            if (prng_below(&r, 12) == 0) {
                continue; /* lost */
            }
            for (int64_t i = seq; i < end; i++) {
                have[i] = true;
            }
            while (next <= total && have[next]) {
                next++;
            }
            int64_t wnd = 20000 + (int64_t)prng_below(&r, 10000);
            wnd = next + wnd < edge ? edge - next : wnd; /* never shrinks here */
            edge = next + wnd;
            ack_in(&c, hx_now(c.h) + US(500), next, wnd);
        }
        hx_drain(c.h);
        leave(&c);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp recovery");
    TCase *tc = tcase_create("recovery");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, one_loss);
    tcase_add_test(tc, full_ack_with_little_in_flight);
    tcase_add_test(tc, what_is_no_duplicate);
    tcase_add_test(tc, three_losses);
    tcase_add_test(tc, duplicates_after_a_time_out);
    tcase_add_test(tc, lost_retransmission);
    tcase_add_test(tc, no_sample_from_a_fast_retransmission);
    tcase_add_test(tc, forged_duplicates);
    tcase_add_test(tc, optimistic_acknowledgments);
    tcase_add_test(tc, never_more_than_the_windows_allow);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
