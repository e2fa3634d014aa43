/* Timestamps (RFC 7323 3 to 5): what carries them, what is echoed, what PAWS refuses. */
#include "check_main.h"
#include "tcp_states.h"

#define PEER_TS 5000

/* The passive open with timestamps; the peer's clock began at PEER_TS. */
static struct conv ts_conv_in(struct conv c, uint32_t first)
{
    struct hx *h = c.h;
    c.l = hx_tcp_listen(h, 80);
    tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = 60000,
           .opts = {.mss = 1460, .ts = true, .ts_val = first});
    tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1, .opts = {.ts = true});
    ck_assert_uint_eq(h->got.tcp.o.ts_ecr, first);
    tcp_in(h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 60000,
           .opts = {.ts = true, .ts_val = first, .ts_ecr = h->got.tcp.o.ts_val});
    c.s = td_accept(h->st, c.l, NULL, NULL);
    ck_assert_int_ge(c.s, 0);
    c.st = EST;
    c.una = c.nxt = c.rcv = 1;
    return c;
}

static struct conv ts_conv(void)
{
    return ts_conv_in(conv_new(TD_PROFILE_LINUX), PEER_TS);
}

/* shows: 7323-11 7323-12 7323-17 */
START_TEST(active_open_offers)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    c.s = hx_tcp_connect(c.h, 80, HX_PEER, 40000);
    tcp_out(c.h, NOW, .flags = SYN, .seq = HX_ZERO, .opts = {.mss = 1460, .sack_perm = true, .ts = true});
    ck_assert_uint_eq(c.h->got.tcp.o.ts_ecr, 0);
    ck_assert_uint_eq(c.h->got.tcp.raw_len, 20);
    ck_assert_mem_eq(c.h->got.tcp.raw, "\x02\x04\x05\xb4\x04\x02\x08\x0a", 8); /* Linux's order */
    uint32_t tsval = c.h->got.tcp.o.ts_val;
    tcp_in(c.h, MS(7), .flags = SYN | ACK, .seq = 0, .ack = 1, .wnd = 1000,
           .opts = {.mss = 1000, .ts = true, .ts_val = 77, .ts_ecr = tsval});
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .opts = {.ts = true, .ts_val = tsval + 7, .ts_ecr = 77});
    ck_assert_uint_eq(c.h->got.tcp.raw_len, 12);
    ck_assert_uint_eq(conv_tcb(&c)->mss, 988); /* the option takes its place */
    leave(&c);
}
END_TEST

/* shows: 7323-12 7323-16 */
START_TEST(only_if_both)
{
    for (int knob = 0; knob < 2; knob++) {
        struct conv c = conv_new(TD_PROFILE_LINUX);
        knob_set(c.h, "net.ipv4.tcp_timestamps", knob ? "1" : "0");
        c = reach_in(c, LIS);
        bool asks = knob == 0; /* one of the two isn't willing */
        tcp_in(c.h, NOW, .flags = SYN, .seq = 0, .wnd = 1000, .opts = {.mss = 1460, .ts = asks, .ts_val = asks * 9u});
        tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
        ck_assert(!c.h->got.tcp.o.has_ts);
        tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
        ck_assert(!conv_tcb(&c)->ts_ok);
        ck_assert_uint_eq(conv_tcb(&c)->mss, 1460);
        /* one on a later segment means nothing */
        tcp_in(c.h, NOW, .flags = PSH | ACK, .seq = 1, .ack = 1, .wnd = 1000, .len = 10, .opts = {.ts = true, .ts_val = 100});
        tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 11, .no_opts = true);
        tcp_in(c.h, NOW, .flags = PSH | ACK, .seq = 11, .ack = 1, .wnd = 1000, .len = 10, .opts = {.ts = true, .ts_val = 1});
        tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 21, .no_opts = true);
        leave(&c);
    }
}
END_TEST

/* shows: 7323-13 */
START_TEST(every_segment)
{
    struct conv c = ts_conv();
    struct hx *h = c.h;
    write_pattern(&c, 1, 100);
    hx_flush(h);
    tcp_out(h, NOW, .flags = PSH | ACK, .seq = 1, .ack = 1, .len = 100, .opts = {.ts = true, .ts_ecr = PEER_TS});
    tcp_out(h, HX_ANYTIME, .flags = PSH | ACK, .seq = 1, .ack = 1, .len = 100, .opts = {.ts = true, .ts_ecr = PEER_TS});
    tcp_in(h, NOW, .flags = ACK, .seq = 1, .ack = 101, .wnd = HX_ZERO, .opts = {.ts = true, .ts_val = PEER_TS + 2});
    tcp_in(h, NOW, .flags = PSH | ACK, .seq = 1, .ack = 101, .wnd = 1000, .len = 5, .opts = {.ts = true, .ts_val = PEER_TS + 3});
    tcp_out(h, NOW, .flags = ACK, .seq = 101, .ack = 6, .opts = {.ts = true, .ts_ecr = PEER_TS + 3});
    const struct linger l = {1, 0};
    ck_assert_int_eq(td_setsockopt(h->st, c.s, SOL_SOCKET, SO_LINGER, &l, sizeof l), 0);
    read_pattern(&c, 1, 5);
    ck_assert_int_eq(td_close(h->st, c.s), 0);
    hx_flush(h);
    tcp_out(h, NOW, .flags = RST | ACK, .seq = 101, .ack = 6, .opts = {.ts = true, .ts_ecr = PEER_TS + 3});
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp timestamps");
    TCase *tc = tcase_create("timestamps");
    tcase_add_test(tc, active_open_offers);
    tcase_add_test(tc, only_if_both);
    tcase_add_test(tc, every_segment);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
