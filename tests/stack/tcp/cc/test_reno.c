/* Reno (RFC 5681): how cwnd grows and what a time-out does to it, in exact numbers. MSS 1000 throughout. */
#include "check_main.h"
#include "stack/tcp/tcp_talk.h"

#define SMSS 1000

static struct conv est(void)
{
    struct conv c = conv_reno();
    return talk(c, (struct hx_opts){.mss = SMSS, .wscale = 4 + 1}, 60000, MS(100));
}
#define WND 60000 /* times 16 */

#define cwnd_is(c, segments)                                                                       \
    ck_assert_msg(conv_tcb(c)->cc.cwnd == (unsigned)(segments)*SMSS, "cwnd is %u, not %u",            \
                  conv_tcb(c)->cc.cwnd, (unsigned)(segments)*SMSS)

/* One round trip: all that was sent is acknowledged, segment by segment. */
static int64_t round_trip(struct conv *c, int64_t una)
{
    int64_t end = hear(c).end;
    hx_until(c->h, hx_now(c->h) + MS(100));
    while (una < end) {
        una = una + SMSS < end ? una + SMSS : end;
        ack_in(c, NOW, una, WND);
    }
    return una;
}

/* shows: 6928-01 6928-02 5681-05 5681-08 */
START_TEST(initial_window)
{
    static const struct { uint16_t mss; uint32_t iw; } v[] = {{536, 5360}, {1000, 10000}, {1460, 14600}};
    for (int i = 0; i < 3; i++) {
        struct conv c = conv_reno();
        c = talk(c, (struct hx_opts){.mss = v[i].mss}, 60000, 0);
        ck_assert_uint_eq(conv_tcb(&c)->cc.cwnd, v[i].iw);
        ck_assert_uint_gt(conv_tcb(&c)->cc.ssthresh, 1u << 30);
        say(&c, 1, 50000);
        struct heard x = hear(&c);
        ck_assert_uint_eq(x.text, v[i].iw);
        /* large segments: 14,600 octets, but two segments at least */
        struct tcb t = {.mss = 8960};
        ck_assert_uint_eq(tcp_initial_window(c.h->st, &t), 17920);
        t.mss = 2000;
        ck_assert_uint_eq(tcp_initial_window(c.h->st, &t), 14600);
        leave(&c);
    }
}
END_TEST

/* shows: 5681-03 5681-09 3465-01 3465-02 MUST-19 */
START_TEST(slow_start)
{
    struct conv c = est();
    say(&c, 1, 200000);
    cwnd_is(&c, 10);
    int64_t una = round_trip(&c, 1); /* one segment for each acknowledged: doubled */
    cwnd_is(&c, 20);
    una = round_trip(&c, una);
    cwnd_is(&c, 40);
    /* an acknowledgment of four segments opens it by one, one of half a segment by half */
    hear(&c);
    ack_in(&c, NOW, una + 4000, WND);
    cwnd_is(&c, 41);
    ack_in(&c, NOW, una + 4500, WND);
    ck_assert_uint_eq(conv_tcb(&c)->cc.cwnd, 41500);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* L of RFC 3465, set by tcp_abc; 0 is Linux's way: all of it. */
/* shows: 3465-01 3465-02 3465-03 */
START_TEST(slow_start_by_bytes)
{
    static const struct { const char *abc; unsigned opens; } v[] = {{"0", 4}, {"1", 1}, {"2", 2}, {"8", 4}};
    for (unsigned i = 0; i < sizeof v / sizeof v[0]; i++) {
        struct conv c = conv_reno();
        ck_assert_int_eq(td_knob_set(c.h->st, "net.ipv4.tcp_abc", v[i].abc), 0);
        c = talk(c, (struct hx_opts){.mss = SMSS, .wscale = 4 + 1}, 60000, MS(100));
        say(&c, 1, 200000);
        hear(&c);
        ack_in(&c, NOW, 4001, WND);
        cwnd_is(&c, 10 + v[i].opens);
        hx_until(c.h, hx_now(c.h) + SEC(1)); /* time-out: from then on L is one segment */
        hx_drain(c.h);
        cwnd_is(&c, 1);
        ack_in(&c, NOW, 5001, WND);
        cwnd_is(&c, 2);
        hear(&c);
        ack_in(&c, NOW, 7001, WND);
        cwnd_is(&c, *v[i].abc == '0' ? 4 : 3);
        hx_drain(c.h);
        leave(&c);
    }
}
END_TEST

/* shows: ATK-TCPC-02 5681-09 */
START_TEST(divided_acknowledgments)
{
    struct conv c = est();
    say(&c, 1, 100000);
    hear(&c);
    for (int i = 1; i <= SMSS; i++) {
        ack_in(&c, NOW, 1 + i, WND);
    }
    cwnd_is(&c, 11);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* shows: 5681-10 5681-12 5681-14 6928-04 8961-04 MUST-19 */
START_TEST(congestion_avoidance)
{
    struct conv c = est();
    say(&c, 1, 200000);
    ck_assert_uint_eq(hear(&c).segments, 10);
    td_time t0 = hx_now(c.h);
    tcp_out(c.h, t0 + MS(300), .flags = ACK, .seq = 1, .ack = 1, .len = SMSS); /* all lost */
    cwnd_is(&c, 1);
    ck_assert_uint_eq(conv_tcb(&c)->cc.ssthresh, 5000);
    static const unsigned trace[] = {2, 4, 5, 6, 7, 8, 9, 10, 11};
    int64_t una = 1, end = 1001;
    for (unsigned i = 0; i < sizeof trace / sizeof trace[0]; i++) {
        hx_until(c.h, hx_now(c.h) + MS(100));
        while (una < end) {
            una += SMSS;
            ack_in(&c, NOW, una, WND);
        }
        cwnd_is(&c, trace[i]);
        end = hear(&c).end;
    }
    leave(&c);
}
END_TEST

/* shows: 3465-04 */
START_TEST(counted_octets_are_not_lost_to_rounding)
{
    struct conv c = est();
    say(&c, 1, 200000);
    hear(&c);
    conv_tcb(&c)->cc.ssthresh = 5000; /* above it: congestion avoidance */
    int64_t una = 1;
    for (int i = 1; i <= 7; i++) {
        una += 3 * SMSS;
        ack_in(&c, NOW, una, WND);
        hear(&c);
        cwnd_is(&c, i < 4 ? 10 : i < 7 ? 11 : 12); /* at 12 of 10; then the 2 left over and 9 make 11 */
    }
    leave(&c);
}
END_TEST

/* shows: 5681-12 5681-13 */
START_TEST(threshold_after_time_outs)
{
    struct conv c = est();
    say(&c, 1, 7000); /* FlightSize is 7, cwnd 10 */
    ck_assert_uint_eq(hear(&c).segments, 7);
    td_time t0 = hx_now(c.h);
    tcp_out(c.h, t0 + MS(300), .flags = ACK, .seq = 1, .ack = 1, .len = SMSS);
    ck_assert_uint_eq(conv_tcb(&c)->cc.ssthresh, 3500);
    tcp_out(c.h, t0 + MS(900), .flags = ACK, .seq = 1, .ack = 1, .len = SMSS);
    ck_assert_uint_eq(conv_tcb(&c)->cc.ssthresh, 3500); /* the same segment: not again */
    tcp_out(c.h, t0 + MS(2100), .flags = ACK, .seq = 1, .ack = 1, .len = SMSS);
    ck_assert_uint_eq(conv_tcb(&c)->cc.ssthresh, 3500);
    cwnd_is(&c, 1);
    leave(&c);
    c = est(); /* as Linux counts, from cwnd, which is one segment by then */
    knob_set(c.h, "net.ipv4.tcp_cwnd_segments", "1");
    say(&c, 1, 7000);
    hx_drain(c.h);
    for (int i = 0; i < 4; i++) {
        tcp_out(c.h, HX_ANYTIME, .flags = ACK, .seq = 1, .ack = 1, .len = SMSS);
        ck_assert_uint_eq(conv_tcb(&c)->cc.ssthresh, 5000);
    }
    leave(&c);
    c = est(); /* never less than two segments */
    say(&c, 1, 1000);
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = SMSS);
    tcp_out(c.h, hx_now(c.h) + MS(300), .flags = ACK | PSH, .seq = 1, .ack = 1, .len = SMSS);
    ck_assert_uint_eq(conv_tcb(&c)->cc.ssthresh, 2 * SMSS);
    leave(&c);
}
END_TEST

/* shows: 5681-25 */
START_TEST(restart_after_idle)
{
    struct conv c = est();
    say(&c, 1, 70000);
    int64_t una = round_trip(&c, 1);
    una = round_trip(&c, una);
    una = round_trip(&c, una);
    ck_assert_int_eq(una, 70001);
    ck_assert_uint_ge(conv_tcb(&c)->cc.cwnd, 40 * SMSS);
    hx_until(c.h, hx_now(c.h) + MS(50)); /* shorter than an RTO: as it was */
    say(&c, una, 30000);
    ck_assert_uint_eq(hear(&c).segments, 30);
    ack_in(&c, NOW, una + 30000, WND);
    una += 30000;
    hx_until(c.h, hx_now(c.h) + SEC(10));
    say(&c, una, 100000);
    ck_assert_uint_eq(hear(&c).segments, 10);
    leave(&c);
}
END_TEST

/* What isn't used doesn't grow. */
START_TEST(unused_cwnd_does_not_grow)
{
    struct conv c = est();
    int64_t pos = 1;
    for (int i = 0; i < 20; i++, pos += SMSS) {
        say(&c, pos, SMSS);
        hear(&c);
        ack_in(&c, hx_now(c.h) + MS(1), pos + SMSS, WND);
    }
    cwnd_is(&c, 10);
    leave(&c);
}
END_TEST

/* shows: 5681-06 */
START_TEST(lost_syn_ack)
{
    struct conv c = conv_reno();
    knob_set(c.h, "net.ipv4.tcp_syn_loss_times", "1");
    c.l = hx_tcp_listen(c.h, 80);
    tcp_in(c.h, NOW, .flags = SYN, .seq = 0, .wnd = 60000, .opts = {.mss = SMSS});
    tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    tcp_out(c.h, SEC(1), .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    tcp_in(c.h, SEC(1) + MS(1), .flags = ACK, .seq = 1, .ack = 1, .wnd = 60000);
    c.s = td_accept(c.h->st, c.l, NULL, NULL);
    c.rcv = 1;
    say(&c, 1, 10000);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .len = SMSS);
    hx_quiet(c.h, SEC(1) + MS(500));
    leave(&c);
}
END_TEST

/* Linux's names and errors. */
START_TEST(chosen_by_name)
{
    struct conv c = est();
    char name[16] = "";
    socklen_t len = sizeof name;
    ck_assert_int_eq(td_getsockopt(c.h->st, c.s, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
    ck_assert_str_eq(name, "reno");
    ck_assert_int_eq(td_setsockopt(c.h->st, c.s, IPPROTO_TCP, TCP_CONGESTION, "reno", 4), 0);
    ck_assert_int_eq(td_setsockopt(c.h->st, c.s, IPPROTO_TCP, TCP_CONGESTION, "nosuch", 6), -ENOENT);
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp reno");
    TCase *tc = tcase_create("reno");
    tcase_add_test(tc, initial_window);
    tcase_add_test(tc, slow_start);
    tcase_add_test(tc, slow_start_by_bytes);
    tcase_add_test(tc, divided_acknowledgments);
    tcase_add_test(tc, congestion_avoidance);
    tcase_add_test(tc, counted_octets_are_not_lost_to_rounding);
    tcase_add_test(tc, threshold_after_time_outs);
    tcase_add_test(tc, restart_after_idle);
    tcase_add_test(tc, unused_cwnd_does_not_grow);
    tcase_add_test(tc, lost_syn_ack);
    tcase_add_test(tc, chosen_by_name);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
