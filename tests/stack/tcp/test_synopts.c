/* What two SYNs agree on: window scaling (RFC 7323 2). MSS is in test_input.c and test_output_rules.c. */
#include "check_main.h"
#include "tcp_states.h"

/* shows: 7323-01 7323-02 7323-05 */
START_TEST(scaling_needs_both)
{
    for (int ours = 0; ours < 2; ours++) {
        for (int theirs = 0; theirs < 2; theirs++) {
            /* passive */
            struct conv c = conv_new(TD_PROFILE_LINUX);
            knob_set(c.h, "net.ipv4.tcp_window_scaling", ours ? "1" : "0");
            c = reach_in(c, LIS);
            tcp_in(c.h, NOW, .flags = SYN, .seq = 0, .wnd = 1000, .opts = {.mss = 1460, .wscale = (int8_t)(theirs ? 6 : 0)});
            tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
            ck_assert_int_eq(c.h->got.tcp.o.has_wscale, ours && theirs); /* only an answer */
            tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
            struct tcb *t = conv_tcb(&c);
            ck_assert_uint_eq(t->snd_wscale, ours && theirs ? 5 : 0);
            ck_assert_uint_eq(t->rcv_wscale, ours && theirs ? 7 : 0);
            ck_assert_uint_eq(t->snd_wnd, ours && theirs ? 1000u << 5 : 1000);
            leave(&c);
            /* active */
            c = conv_new(TD_PROFILE_LINUX);
            knob_set(c.h, "net.ipv4.tcp_window_scaling", ours ? "1" : "0");
            c.s = hx_tcp_connect(c.h, 80, HX_PEER, 40000);
            tcp_out(c.h, NOW, .flags = SYN, .seq = HX_ZERO);
            ck_assert_int_eq(c.h->got.tcp.o.has_wscale, ours);
            tcp_in(c.h, NOW, .flags = SYN | ACK, .seq = 0, .ack = 1, .wnd = 1000,
                   .opts = {.mss = 1460, .wscale = (int8_t)(theirs ? 6 : 0)});
            tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1);
            t = conv_tcb(&c);
            ck_assert_uint_eq(t->snd_wscale, ours && theirs ? 5 : 0);
            ck_assert_uint_eq(t->rcv_wscale, ours && theirs ? 7 : 0);
            ck_assert_uint_eq(t->snd_wnd, 1000); /* a SYN-ACK's window isn't scaled */
            leave(&c);
        }
    }
}
END_TEST

/* shows: 7323-02 */
START_TEST(shift_of_zero_is_offered)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    int l = hx_tcp_listen(c.h, 80);
    set_opt(c.h, l, SOL_SOCKET, SO_RCVBUF, 10000); /* needs no scaling of ours, but wants the peer's */
    tcp_in(c.h, NOW, .flags = SYN, .seq = 0, .wnd = 1000, .opts = {.mss = 1460, .wscale = 3});
    tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1, .opts = {.wscale = 1});
    ck_assert_uint_eq(conv_half_open(&c)->snd_wscale, 2);
    leave(&c);
}
END_TEST

/* shows: 7323-07 7323-03 ATK-TCPH-06 */
START_TEST(shift_is_capped)
{
    static const char *const o[] = {"\x03\x03\x0f\x01", "\x03\x03\xff\x01", "\x03\x03\x0e\x01", "\x03\x02\x01\x01", "\x03\x04\x05\x05"};
    static const uint8_t want[] = {14, 14, 14, 0, 0}; /* a wrong length is as if it weren't there */
    for (unsigned i = 0; i < 5; i++) {
        struct conv c = reach(LIS);
        tcp_in(c.h, NOW, .flags = SYN, .seq = 0, .wnd = 1000, .opts = {.raw = o[i], .raw_len = 4});
        tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
        tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 65535);
        ck_assert_uint_eq(conv_tcb(&c)->snd_wscale, want[i]);
        ck_assert_uint_eq(conv_tcb(&c)->snd_wnd, 65535u << want[i]);
        /* on a segment that is no SYN it means nothing */
        tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 100, .opts = {.raw = "\x03\x03\x02\x01", .raw_len = 4});
        ck_assert_uint_eq(conv_tcb(&c)->snd_wscale, want[i]);
        ck_assert_uint_eq(conv_tcb(&c)->snd_wnd, 100u << want[i]);
        leave(&c);
    }
}
END_TEST

/* shows: 6429-01 */
START_TEST(persist_alone_closes_nothing)
{
    struct conv c = reach(EST);
    knob_set(c.h, "net.ipv4.tcp_probe_octet", "1");
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = HX_ZERO);
    write_pattern(&c, 1, 100);
    while (hx_now(c.h) < SEC(86400)) {
        tcp_out(c.h, HX_ANYTIME, .flags = ACK, .seq = 1, .ack = 1, .len = 1);
        tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = HX_ZERO);
    }
    assert_state(&c, TCPS_ESTABLISHED);
    leave(&c);
}
END_TEST

/* shows: ATK-TCPI-01 */
START_TEST(sweep_of_resets)
{
    struct conv c = reach(EST);
    uint32_t wnd = conv_tcb(&c)->rcv_wnd;
    for (int64_t at = 1 + (int64_t)wnd; at < 1 + 100 * (int64_t)wnd; at += wnd) {
        tcp_in(c.h, hx_now(c.h) + MS(5), .flags = RST, .seq = at);
    }
    hx_quiet(c.h, NOW);
    tcp_in(c.h, NOW, .flags = RST, .seq = 100);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1);
    assert_state(&c, TCPS_ESTABLISHED);
    tcp_in(c.h, NOW, .flags = RST, .seq = 1);
    assert_state(&c, TCPS_CLOSED);
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp synopts");
    TCase *tc = tcase_create("synopts");
    tcase_add_test(tc, scaling_needs_both);
    tcase_add_test(tc, shift_of_zero_is_offered);
    tcase_add_test(tc, shift_is_capped);
    tcase_add_test(tc, persist_alone_closes_nothing);
    tcase_add_test(tc, sweep_of_resets);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
