/* The retransmission time-out (RFC 6298), number by number, at exact virtual times. */
#include "check_main.h"
#include "tcp_talk.h"

/* A connection whose handshake took rtt; the floor is out of the way, so that the formulas show. */
static struct conv timed(td_time rtt)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    c.h->tolerance = US(1);
    knob_set(c.h, "net.ipv4.tcp_rto_min_us", "1000");
    knob_set(c.h, "net.ipv4.tcp_rto_min_var", "0");
    return talk(c, (struct hx_opts){.mss = 1460}, 60000, rtt);
}

#define text_out(c, at, pos, n) tcp_out((c)->h, (at), .flags = ACK | PSH, .seq = (pos), .ack = 1, .len = (n))

/* shows: 6298-01 6298-14 6298-15 MUST-18 8961-01 */
START_TEST(before_any_sample)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    c.h->tolerance = US(1);
    knob_set(c.h, "net.ipv4.tcp_syn_linear_timeouts", "0");
    c.s = hx_tcp_connect(c.h, 80, HX_PEER, 40000);
    td_time at = 0;
    tcp_out(c.h, NOW, .flags = SYN, .seq = HX_ZERO);
    for (int i = 0; i < 5; i++) { /* 1, 2, 4, 8, 16 s apart */
        at += SEC(1 << i);
        tcp_out(c.h, at, .flags = SYN, .seq = HX_ZERO);
    }
    leave(&c);
}
END_TEST

/* shows: 6298-02 6298-10 6298-14 6298-15 MUST-18 MUST-19 */
START_TEST(first_sample)
{
    struct conv c = timed(MS(100)); /* SRTT 100, RTTVAR 50 */
    ck_assert_uint_eq(info(&c).tcpi_rtt, 100000);
    ck_assert_uint_eq(info(&c).tcpi_rttvar, 50000);
    ck_assert_uint_eq(info(&c).tcpi_rto, 300000);
    hx_until(c.h, MS(500)); /* idle time isn't counted: the timer starts with the text */
    say(&c, 1, 10);
    text_out(&c, MS(500), 1, 10);
    text_out(&c, MS(800), 1, 10);
    text_out(&c, MS(1400), 1, 10);
    text_out(&c, MS(2600), 1, 10);
    text_out(&c, MS(5000), 1, 10);
    leave(&c);
}
END_TEST

/* shows: 6298-03 6298-08 6298-07 MUST-18 8961-02 */
START_TEST(later_samples)
{
    struct conv c = timed(MS(100));
    say(&c, 1, 1);
    text_out(&c, MS(100), 1, 1);
    ack_in(&c, MS(300), 2, 60000); /* 200: RTTVAR 3/4*50 + 1/4*100 = 62.5; SRTT 7/8*100 + 1/8*200 = 112.5 */
    ck_assert_uint_eq(info(&c).tcpi_rtt, 112500);
    ck_assert_uint_eq(info(&c).tcpi_rttvar, 62500);
    say(&c, 2, 1);
    text_out(&c, MS(300), 2, 1);
    ack_in(&c, MS(350), 3, 60000); /* 50: RTTVAR 46.875 + 15.625; SRTT 98.4375 + 6.25 */
    ck_assert_uint_eq(info(&c).tcpi_rtt, 104687);
    ck_assert_uint_eq(info(&c).tcpi_rttvar, 62500);
    say(&c, 3, 1);
    text_out(&c, MS(350), 3, 1);
    text_out(&c, MS(350) + US(104687) + US(250000), 3, 1); /* SRTT + 4 RTTVAR */
    leave(&c);
    /* always the same: RTTVAR dies away, and the granularity takes its place */
    c = timed(MS(100));
    int64_t pos = 1;
    for (; pos < 101; pos++) {
        say(&c, pos, 1);
        text_out(&c, NOW, pos, 1);
        ack_in(&c, hx_now(c.h) + MS(100), pos + 1, 60000);
    }
    ck_assert_uint_eq(hx_event(c.h, "tcp-rtt"), 101); /* every round trip gave a sample */
    ck_assert_uint_eq(info(&c).tcpi_rtt, 100000);
    td_time rto = conv_tcb(&c)->rtt.rto;
    ck_assert_uint_ge(rto, MS(100) + US(1));
    ck_assert_uint_le(rto, MS(100) + US(2));
    leave(&c);
}
END_TEST

/* shows: 6298-04 6298-05 ATK-TCPR-16 8961-06 */
START_TEST(floor_and_ceiling)
{
    static const enum td_profile profile[] = {TD_PROFILE_RFC, TD_PROFILE_LINUX};
    static const td_time floor[] = {SEC(1), MS(200)};
    for (int i = 0; i < 2; i++) {
        struct conv c = conv_new(profile[i]);
        c.h->tolerance = US(1);
        c = talk(c, (struct hx_opts){.mss = 1460}, 60000, 0); /* the peer answers before it was asked */
        say(&c, 1, 1);
        text_out(&c, NOW, 1, 1);
        td_time at = 0, wait = floor[i];
        unsigned capped = 0;
        while (capped < 3) {
            at += wait;
            text_out(&c, at, 1, 1);
            wait *= 2;
            if (wait > SEC(120)) {
                wait = SEC(120);
                capped++;
            }
        }
        hx_drain(c.h);
        leave(&c);
    }
}
END_TEST

/* Echoes that make a round trip of an hour, of nothing, or of less: the time-out stays within its bounds. */
/* shows: ATK-TCPR-16 */
START_TEST(echoes_of_an_evil_peer)
{
    static const struct {
        int64_t age;
        bool taken;
    } t[] = {{3600000, false}, {400000, true}, {0, true}, {-1, false}, {-100000, false}};
    for (unsigned i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct conv c = talk(conv_new(TD_PROFILE_LINUX), (struct hx_opts){.mss = 1460, .ts = true, .ts_val = 1}, 60000, MS(10));
        struct tcb *b = conv_tcb(&c);
        for (int64_t pos = 1; pos < 20; pos++) {
            uint64_t samples = hx_event(c.h, "tcp-rtt"), fired = hx_event(c.h, "tcp-rto");
            say(&c, pos, 1);
            hx_drain(c.h);
            hx_until(c.h, hx_now(c.h) + b->rtt.rto + MS(1)); /* sent again: only the echo can tell */
            hx_drain(c.h);
            ck_assert_uint_le(hx_event(c.h, "tcp-rto") - fired, 2); /* no timer without a period */
            tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = pos + 1, .wnd = 60000,
                   .opts = {.ts = true, .ts_val = 2, .ts_ecr = tcp_ts_val(c.h->st, b) - (uint32_t)t[i].age});
            ck_assert_int_eq(hx_event(c.h, "tcp-rtt") > samples, t[i].taken);
            ck_assert_uint_ge(b->rtt.rto, MS(200));
            ck_assert_uint_le(b->rtt.rto, SEC(120));
        }
        leave(&c);
    }
}
END_TEST

/* shows: 6298-06 6298-18 MUST-18 8961-03 8961-05 */
START_TEST(karns_rule)
{
    struct conv c = timed(MS(100));
    say(&c, 1, 1);
    text_out(&c, MS(100), 1, 1);
    text_out(&c, MS(400), 1, 1); /* again; whose acknowledgment comes 10 ms later? */
    ack_in(&c, MS(410), 2, 60000);
    ck_assert_uint_eq(info(&c).tcpi_rtt, 100000); /* no sample */
    ck_assert_uint_eq(hx_event(c.h, "tcp-rtt"), 1);
    say(&c, 2, 1);
    text_out(&c, MS(410), 2, 1);
    text_out(&c, MS(1010), 2, 1); /* the doubled RTO stays */
    ack_in(&c, MS(1020), 3, 60000);
    say(&c, 3, 1);
    text_out(&c, MS(1020), 3, 1);
    ack_in(&c, MS(1120), 4, 60000); /* sent once: RTTVAR 37.5, SRTT 100, RTO 250 */
    say(&c, 4, 1);
    text_out(&c, MS(1120), 4, 1);
    text_out(&c, MS(1370), 4, 1);
    leave(&c);
}
END_TEST

/* shows: 6298-11 6298-12 6298-09 6928-06 */
START_TEST(progress_restarts_the_timer)
{
    struct conv c = timed(MS(100));
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_NODELAY, 1), 0);
    knob_set(c.h, "net.ipv4.tcp_rto_min_us", "300000");
    say(&c, 1, 10);
    text_out(&c, MS(100), 1, 10);
    hx_until(c.h, MS(200));
    say(&c, 11, 10);
    text_out(&c, MS(200), 11, 10);
    ack_in(&c, MS(350), 11, 60000); /* the second isn't sent again before 350 ms + RTO */
    td_time rto = conv_tcb(&c)->rtt.rto;
    ck_assert_uint_ge(rto, MS(300));
    text_out(&c, MS(350) + rto, 11, 10);
    ack_in(&c, MS(1000), 21, 60000);
    hx_quiet(c.h, SEC(3600)); /* nothing left: the timer is off */
    leave(&c);
}
END_TEST

/* shows: 6298-13 */
START_TEST(only_the_first_is_sent_again)
{
    struct conv c = timed(MS(100));
    say(&c, 1, 8 * 1460);
    ck_assert_uint_eq(hear(&c).segments, 8);
    hx_quiet(c.h, MS(399));
    tcp_out(c.h, MS(400), .flags = ACK, .seq = 1, .ack = 1, .len = 1460);
    hx_quiet(c.h, MS(999));
    tcp_out(c.h, MS(1000), .flags = ACK, .seq = 1, .ack = 1, .len = 1460);
    leave(&c);
}
END_TEST

/* shows: 6298-07 */
START_TEST(a_sample_a_round_trip)
{
    struct conv c = timed(MS(100));
    int64_t una = 1;
    int64_t end = 1;
    say(&c, 1, 200000);
    for (int i = 0; i < 4; i++) { /* four flights, each acknowledged segment by segment */
        int64_t e = hear(&c).end;
        end = e > end ? e : end;
        hx_until(c.h, hx_now(c.h) + MS(100));
        while (una < end) {
            una = una + 1460 < end ? una + 1460 : end;
            ack_in(&c, NOW, una, 60000);
        }
    }
    hx_drain(c.h);
    ck_assert_uint_ge(hx_event(c.h, "tcp-rtt"), 1 + 4);
    ck_assert_uint_eq(info(&c).tcpi_rtt, 100000);
    leave(&c);
}
END_TEST

/* shows: 6298-16 */
START_TEST(lost_syn_makes_it_three_seconds)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    c.h->tolerance = US(1);
    c.s = hx_tcp_connect(c.h, 80, HX_PEER, 40000);
    tcp_out(c.h, NOW, .flags = SYN, .seq = HX_ZERO);
    tcp_out(c.h, SEC(1), .flags = SYN, .seq = HX_ZERO);
    tcp_in(c.h, MS(1010), .flags = SYN | ACK, .seq = 0, .ack = 1, .wnd = 60000, .opts = {.mss = 1460});
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1);
    say(&c, 1, 1);
    text_out(&c, MS(1010), 1, 1);
    text_out(&c, MS(4010), 1, 1);
    ck_assert_uint_eq(info(&c).tcpi_rtt, 0); /* and Karn's rule for the SYN */
    leave(&c);
}
END_TEST

/* With timestamps the SYN-ACK tells which SYN it answers. Linux then takes that round trip; under
 * `rfc` it is three seconds all the same. */
/* shows: 6298-16 */
START_TEST(echo_of_the_second_syn)
{
    for (int rfc = 0; rfc < 2; rfc++) {
        struct conv c = conv_new(rfc ? TD_PROFILE_RFC : TD_PROFILE_LINUX);
        c.h->tolerance = US(1);
        c.s = hx_tcp_connect(c.h, 80, HX_PEER, 40000);
        tcp_out(c.h, NOW, .flags = SYN, .seq = HX_ZERO, .opts = {.ts = true});
        tcp_out(c.h, SEC(1), .flags = SYN, .seq = HX_ZERO, .opts = {.ts = true});
        tcp_in(c.h, MS(1040), .flags = SYN | ACK, .seq = 0, .ack = 1, .wnd = 60000,
               .opts = {.mss = 1460, .ts = true, .ts_val = 7, .ts_ecr = c.h->got.tcp.o.ts_val});
        hx_drain(c.h);
        ck_assert_uint_eq(conv_tcb(&c)->rtt.rto, rfc ? SEC(3) : MS(240));
        ck_assert_uint_eq(info(&c).tcpi_rtt, 40000);
        leave(&c);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp rto");
    TCase *tc = tcase_create("rto");
    tcase_add_test(tc, before_any_sample);
    tcase_add_test(tc, first_sample);
    tcase_add_test(tc, later_samples);
    tcase_add_test(tc, floor_and_ceiling);
    tcase_add_test(tc, echoes_of_an_evil_peer);
    tcase_add_test(tc, karns_rule);
    tcase_add_test(tc, progress_restarts_the_timer);
    tcase_add_test(tc, only_the_first_is_sent_again);
    tcase_add_test(tc, a_sample_a_round_trip);
    tcase_add_test(tc, lost_syn_makes_it_three_seconds);
    tcase_add_test(tc, echo_of_the_second_syn);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
