/* What is sent when: Nagle, silly-window avoidance, PSH, segment sizes, the peer's window, urgent data. */
#include "check_main.h"
#include "tcp_talk.h"

static struct conv est(enum td_profile p, uint16_t mss, uint16_t wnd)
{
    return talk(conv_new(p), (struct hx_opts){.mss = mss}, wnd, 0);
}

/* ---- Nagle ---- */

/* shows: SHLD-7 SHLD-27 MAY-16 */
START_TEST(small_writes_wait_for_the_acknowledgment)
{
    struct conv c = est(_i == 0 ? TD_PROFILE_LINUX : TD_PROFILE_RFC, 1460, 60000);
    say(&c, 1, 1);
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 1);
    for (int i = 0; i < 5; i++) {
        say(&c, 2 + i, 1);
    }
    hx_quiet(c.h, MS(100));
    ack_in(&c, MS(100), 2, 60000);
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 2, .ack = 1, .len = 5); /* one segment, one PSH */
    /* a full segment doesn't wait; what is left over does */
    say(&c, 7, 2000);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 7, .ack = 1, .len = 1460);
    hx_quiet(c.h, MS(150));
    ack_in(&c, MS(150), 7, 60000);
    if (_i == 0) { /* Minshall: only a small segment in flight holds another back */
        tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 1467, .ack = 1, .len = 540);
    } else {
        hx_quiet(c.h, MS(160));
        ack_in(&c, MS(160), 1467, 60000);
        tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 1467, .ack = 1, .len = 540);
    }
    leave(&c);
}
END_TEST

/* shows: MUST-17 */
START_TEST(nodelay_sends_each_write)
{
    struct conv c = est(TD_PROFILE_LINUX, 1460, 60000);
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_NODELAY, 1), 0);
    for (int i = 0; i < 3; i++) {
        say(&c, 1 + i, 1);
        tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 1 + i, .ack = 1, .len = 1);
    }
    /* off again: the next waits; on again: it goes */
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_NODELAY, 0), 0);
    say(&c, 4, 1);
    hx_quiet(c.h, MS(50));
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_NODELAY, 1), 0);
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 4, .ack = 1, .len = 1);
    leave(&c);
}
END_TEST

/* shows: MUST-60 */
START_TEST(nothing_waits_for_ever)
{
    struct conv c = est(TD_PROFILE_LINUX, 1460, 60000);
    say(&c, 1, 10); /* no further call */
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 10);
    ack_in(&c, NOW, 11, 60000);
    /* even when more was announced: 200 ms */
    uint8_t b[2] = {hx_pattern(11), hx_pattern(12)};
    ck_assert_int_eq(td_send(c.h->st, c.s, b, 2, MSG_MORE), 2);
    hx_flush(c.h);
    tcp_out(c.h, MS(200), .flags = ACK | PSH, .seq = 11, .ack = 1, .len = 2);
    ack_in(&c, NOW, 13, 60000);
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_CORK, 1), 0);
    say(&c, 13, 3);
    tcp_out(c.h, MS(400), .flags = ACK | PSH, .seq = 13, .ack = 1, .len = 3);
    ack_in(&c, NOW, 16, 60000);
    say(&c, 16, 3);
    hx_quiet(c.h, MS(500));
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_CORK, 0), 0); /* pulled out: at once */
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 16, .ack = 1, .len = 3);
    leave(&c);
}
END_TEST

/* ---- PSH and sizes ---- */

/* shows: MUST-61 SHLD-28 MUST-65 */
START_TEST(full_segments_and_a_push_at_the_end)
{
    struct conv c = est(TD_PROFILE_LINUX, 1460, 60000);
    for (int i = 0; i < 6; i++) { /* six writes before the flush: no trace of their borders */
        write_pattern(&c, 1 + 730 * i, 730);
    }
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .len = 1460, .no_opts = true);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1461, .ack = 1, .len = 1460, .no_opts = true);
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 2921, .ack = 1, .len = 1460, .no_opts = true);
    leave(&c);
}
END_TEST

static const struct {
    uint16_t theirs;
    size_t ours;
} sizes[] = {{700, 700}, {1460, 1460}, {9000, 1460}, {65535, 1460}, {0, 536}, {1220, 1220}};

/* shows: MUST-14 MUST-15 MUST-16 */
START_TEST(largest_segment)
{
    /* as the server; then as the client */
    struct conv c = est(TD_PROFILE_LINUX, sizes[_i].theirs, 60000);
    say(&c, 1, 3 * sizes[_i].ours);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .len = sizes[_i].ours);
    tcp_out(c.h, NOW, .flags = ACK, .ack = 1, .len = sizes[_i].ours);
    tcp_out(c.h, NOW, .flags = ACK | PSH, .ack = 1, .len = sizes[_i].ours);
    leave(&c);

    c = conv_new(TD_PROFILE_LINUX);
    c.s = hx_tcp_connect(c.h, 80, HX_PEER, 40000);
    tcp_out(c.h, NOW, .flags = SYN, .seq = HX_ZERO, .opts = {.mss = 1460});
    tcp_in(c.h, NOW, .flags = SYN | ACK, .seq = 0, .ack = 1, .wnd = 60000, .opts = {.mss = sizes[_i].theirs});
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1);
    say(&c, 1, 2 * sizes[_i].ours);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .len = sizes[_i].ours);
    tcp_out(c.h, NOW, .flags = ACK | PSH, .ack = 1, .len = sizes[_i].ours);
    leave(&c);
}
END_TEST

/* ---- the peer's window ---- */

/* shows: MUST-1 5681-01 */
START_TEST(window_of_64_kib_is_used_and_not_passed)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.tcp_initial_cwnd", "100");
    c = talk(c, (struct hx_opts){.mss = 1460}, 65535, 0);
    say(&c, 1, 100000);
    struct heard x = hear(&c);
    ck_assert_int_eq(x.end, 1 + 44 * 1460); /* 64240: another would pass the edge */
    /* the edge moves by the acknowledgment */
    ack_in(&c, NOW, 1461, 65535);
    x = hear(&c);
    ck_assert_int_eq(x.end, 1 + 45 * 1460);
    /* nothing but the acknowledgment: the window got smaller by what was acknowledged */
    ack_in(&c, NOW, 2921, 65535 - 1460);
    ck_assert_uint_eq(hear(&c).segments, 0);
    /* every octet of it: a FIN behind the text counts too */
    leave(&c);
    c = est(TD_PROFILE_LINUX, 1460, 1000);
    say(&c, 1, 1000);
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 1000);
    ck_assert_int_eq(td_shutdown(c.h->st, c.s, SHUT_WR), 0);
    hx_quiet(c.h, MS(100));
    ack_in(&c, MS(100), 1001, 1000);
    tcp_out(c.h, NOW, .flags = ACK | FIN, .seq = 1001, .ack = 1);
    leave(&c);
}
END_TEST

/* shows: REC-1 7323-06 ATK-TCPC-08 */
START_TEST(windows_beyond_64_kib)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.tcp_initial_cwnd", "1000");
    c = talk(c, (struct hx_opts){.mss = 1460, .wscale = 2 + 1}, 65535, 0);
    say(&c, 1, 260000);
    struct heard x = hear(&c);
    ck_assert_uint_eq(x.text, 260000);
    ck_assert_int_eq(x.end, 260001);
    leave(&c);
    /* the largest there is */
    c = conv_new(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.tcp_initial_cwnd", "1000");
    c = talk(c, (struct hx_opts){.mss = 1460, .wscale = 14 + 1}, 65535, 0);
    ck_assert_uint_eq(conv_tcb(&c)->snd_wnd, 65535u << 14);
    say(&c, 1, 250000);
    ck_assert_int_eq(hear(&c).end, 250001);
    ack_in(&c, NOW, 250001, 65535);
    ck_assert_uint_eq(conv_tcb(&c)->snd.len, 0);
    leave(&c);
}
END_TEST

/* shows: MUST-38 ATK-TCPR-20 */
START_TEST(small_windows_are_not_filled)
{
    struct conv c = est(TD_PROFILE_LINUX, 1460, 4000);
    knob_set(c.h, "net.ipv4.tcp_rto_min_var", "0");
    say(&c, 1, 9000);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .len = 1460);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1461, .ack = 1, .len = 1460);
    hx_quiet(c.h, MS(50)); /* 1080 octets of window: less than full, less than half of 4000 */
    ack_in(&c, MS(50), 2921, 10);
    for (int i = 2; i <= 10; i++) { /* ten octets more each time: nobody is silly enough */
        ack_in(&c, MS(50 + 10 * i), 2921, 10 * i);
    }
    hx_quiet(c.h, MS(249));
    tcp_out(c.h, MS(250), .flags = ACK, .seq = 2921, .ack = 1, .len = 100); /* the override timer: 0.2 s */
    hx_quiet(c.h, MS(300));
    ack_in(&c, MS(300), 3021, 1999); /* room for a full one */
    tcp_out(c.h, NOW, .flags = ACK, .seq = 3021, .ack = 1, .len = 1460);
    leave(&c);
    /* half of the largest window the peer ever had is enough */
    c = est(TD_PROFILE_LINUX, 1460, 1000);
    say(&c, 1, 5000);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    ack_in(&c, NOW, 1001, 499);
    hx_quiet(c.h, MS(10));
    ack_in(&c, MS(10), 1001, 500);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1001, .ack = 1, .len = 500);
    leave(&c);
}
END_TEST

/* shows: MUST-34 SHLD-15 SHLD-16 7323-10 ATK-TCPI-16 */
START_TEST(window_that_shrinks)
{
    struct conv c = est(TD_PROFILE_LINUX, 1460, 10000);
    say(&c, 1, 20000);
    ck_assert_int_eq(hear(&c).end, 1 + 6 * 1460);
    ack_in(&c, MS(10), 1, 2000); /* the edge goes back behind what is in flight */
    ck_assert_uint_eq(hx_event(c.h, "tcp-window-shrunk"), 1);
    hx_quiet(c.h, MS(199));
    tcp_out(c.h, MS(200), .flags = ACK, .seq = 1, .ack = 1, .len = 1460); /* what is inside is sent again */
    hx_quiet(c.h, MS(500));
    ack_in(&c, MS(500), 1461, 2000);
    struct heard x = hear(&c); /* on within the new window, and nothing beyond */
    ck_assert_int_gt(x.end, 1461);
    ck_assert_int_le(x.end, 1461 + 2000);
    /* an older segment with a larger window changes nothing */
    tcp_in(c.h, MS(510), .flags = ACK, .seq = 1, .ack = 1, .wnd = 60000);
    hx_quiet(c.h, MS(520));
    ack_in(&c, MS(520), 1 + 6 * 1460, 10000); /* it had arrived after all; and new text may go again */
    x = hear(&c);
    ck_assert_int_gt(x.end, 1 + 6 * 1460);
    leave(&c);
    c = est(TD_PROFILE_LINUX, 1460, 10000); /* not even the first fits: as much of it as does */
    say(&c, 1, 20000);
    ck_assert_int_eq(hear(&c).end, 1 + 6 * 1460);
    ack_in(&c, MS(10), 1, 500);
    tcp_out(c.h, MS(200), .flags = ACK, .seq = 1, .ack = 1, .len = 500);
    ack_in(&c, MS(210), 501, 500);
    tcp_out(c.h, HX_ANYTIME, .flags = ACK, .seq = 501, .ack = 1, .len = 500);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* shows: MUST-35 SHLD-17 */
START_TEST(window_that_shrinks_to_nothing)
{
    struct conv c = est(TD_PROFILE_LINUX, 1460, 10000);
    knob_set(c.h, "net.ipv4.tcp_probe_octet", "1");
    say(&c, 1, 20000);
    ck_assert_int_eq(hear(&c).end, 1 + 6 * 1460);
    ack_in(&c, MS(10), 1, HX_ZERO);
    /* two hours, far beyond R2, with text in flight beyond the edge: the probes are answered */
    unsigned probes = 0;
    while (hx_now(c.h) < SEC(7200)) {
        tcp_out(c.h, HX_ANYTIME, .flags = ACK, .seq = 1, .ack = 1, .len = 1);
        ack_in(&c, NOW, 1, HX_ZERO);
        probes++;
    }
    ck_assert_uint_ge(probes, 60);
    assert_state(&c, TCPS_ESTABLISHED);
    ack_in(&c, hx_now(c.h) + MS(1), 1, 60000);
    struct heard x = hear(&c);
    ck_assert_int_ge(x.end, 1461);
    leave(&c);
}
END_TEST

/* ---- urgent data out ---- */

/* shows: MUST-62 MUST-30 */
START_TEST(urgent_octets)
{
    struct conv c = est(TD_PROFILE_LINUX, 1460, 60000);
    uint8_t b[1] = {hx_pattern(1)};
    ck_assert_int_eq(td_send(c.h->st, c.s, b, 1, MSG_OOB), 1);
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = ACK | PSH | URG, .seq = 1, .ack = 1, .len = 1, .urp = 1);
    ack_in(&c, NOW, 2, 60000);
    say(&c, 2, 1); /* urgent mode is over */
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 2, .ack = 1, .len = 1);
    ack_in(&c, NOW, 3, 60000);
    /* far ahead: each segment up to it says how far */
    write_pattern(&c, 3, 3000);
    b[0] = hx_pattern(3003);
    ck_assert_int_eq(td_send(c.h->st, c.s, b, 1, MSG_OOB), 1);
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = ACK | URG, .seq = 3, .ack = 1, .len = 1460, .urp = 3001);
    tcp_out(c.h, NOW, .flags = ACK | URG, .seq = 1463, .ack = 1, .len = 1460, .urp = 1541);
    tcp_out(c.h, NOW, .flags = ACK | PSH | URG, .seq = 2923, .ack = 1, .len = 81, .urp = 81);
    leave(&c);
}
END_TEST

/* ---- the way out ---- */

/* The interface's queue isn't flooded: what waits there is bounded, and the rest follows as it drains. */
START_TEST(full_interface_queue)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.tcp_initial_cwnd", "100");
    knob_set(c.h, "net.ipv4.tcp_limit_output_bytes", "8192");
    c = talk(c, (struct hx_opts){.mss = 1460}, 65535, 0);
    c.h->busy = true;
    say(&c, 1, 60000);
    ck_assert_uint_gt(hx_event(c.h, "tcp-limit-out"), 0);
    ck_assert_uint_lt(tcp_flight(conv_tcb(&c)), 12000);
    c.h->busy = false;
    int64_t end = 0;
    for (int i = 0; i < 50 && end < 60001; i++) {
        td_if_ready(c.h->st, c.h->ifindex);
        hx_until(c.h, hx_now(c.h) + MS(1));
        struct heard x = hear(&c);
        end = x.end > end ? x.end : end;
    }
    ck_assert_int_eq(end, 60001);
    ck_assert_uint_eq(hx_counter(c.h, "TcpRetransSegs"), 0);
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp output");
    TCase *tc = tcase_create("output");
    tcase_add_loop_test(tc, small_writes_wait_for_the_acknowledgment, 0, 2);
    tcase_add_test(tc, nodelay_sends_each_write);
    tcase_add_test(tc, nothing_waits_for_ever);
    tcase_add_test(tc, full_segments_and_a_push_at_the_end);
    tcase_add_loop_test(tc, largest_segment, 0, (int)(sizeof sizes / sizeof sizes[0]));
    tcase_add_test(tc, window_of_64_kib_is_used_and_not_passed);
    tcase_add_test(tc, windows_beyond_64_kib);
    tcase_add_test(tc, small_windows_are_not_filled);
    tcase_add_test(tc, window_that_shrinks);
    tcase_add_test(tc, window_that_shrinks_to_nothing);
    tcase_add_test(tc, urgent_octets);
    tcase_add_test(tc, full_interface_queue);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
