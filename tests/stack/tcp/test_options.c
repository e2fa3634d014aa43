/* Socket options that TCP keeps: ranges, values, what they are told as (tcp(7), socket(7), ip(7)).
 */
#include "check_main.h"
#include "tcp_states.h"

START_TEST(integers)
{
    static const struct {
        int level, name, dflt, good, told, low, high; /* low, high: refused */
    } t[] = {
        {IPPROTO_TCP, TCP_NODELAY, 0, 1, 1, INT32_MIN, INT32_MIN},
        {IPPROTO_TCP, TCP_CORK, 0, 1, 1, INT32_MIN, INT32_MIN},
        {IPPROTO_TCP, TCP_KEEPIDLE, 7200, 100, 100, 0, 32768},
        {IPPROTO_TCP, TCP_KEEPINTVL, 75, 5, 5, 0, 32768},
        {IPPROTO_TCP, TCP_KEEPCNT, 9, 3, 3, 0, 128},
        {IPPROTO_TCP, TCP_SYNCNT, 6, 2, 2, 0, 128},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, 0, 5000, 5000, -1, INT32_MIN},
        {IPPROTO_TCP, TCP_MAXSEG, 536, 500, 500, 87, 32768},
        {IPPROTO_TCP, TCP_LINGER2, 60, 30, 30, INT32_MIN, INT32_MIN},
        {IPPROTO_TCP, TCP_DEFER_ACCEPT, 0, 7, 7, INT32_MIN, INT32_MIN},
        {IPPROTO_TCP, TCP_WINDOW_CLAMP, 0, 9000, 9000, INT32_MIN, INT32_MIN},
        {SOL_SOCKET, SO_KEEPALIVE, 0, 1, 1, INT32_MIN, INT32_MIN},
        {SOL_SOCKET, SO_OOBINLINE, 0, 1, 1, INT32_MIN, INT32_MIN},
        {SOL_SOCKET, SO_RCVBUF, 131072, 50000, 100000, INT32_MIN, INT32_MIN},
        {SOL_SOCKET, SO_SNDBUF, 262144, 50000, 100000, INT32_MIN, INT32_MIN},
        {IPPROTO_IP, IP_TTL, 64, 17, 17, 0, 256},
        {IPPROTO_IP, IP_TOS, 0, 0x10, 0x10, INT32_MIN, INT32_MIN},
    };
    struct hx *h = hx_new();
    for (unsigned i = 0; i < sizeof t / sizeof t[0]; i++) {
        int s = td_socket(h->st, AF_INET, SOCK_STREAM, 0);
        ck_assert_msg(get_opt(h, s, t[i].level, t[i].name) == t[i].dflt, "row %u: default %d", i,
                      get_opt(h, s, t[i].level, t[i].name));
        ck_assert_int_eq(set_opt(h, s, t[i].level, t[i].name, t[i].good), 0);
        ck_assert_msg(get_opt(h, s, t[i].level, t[i].name) == t[i].told, "row %u: %d", i,
                      get_opt(h, s, t[i].level, t[i].name));
        if (t[i].low != INT32_MIN) {
            ck_assert_msg(set_opt(h, s, t[i].level, t[i].name, t[i].low) == -EINVAL, "row %u", i);
        }
        if (t[i].high != INT32_MIN) {
            ck_assert_msg(set_opt(h, s, t[i].level, t[i].name, t[i].high) == -EINVAL, "row %u", i);
        }
        ck_assert_int_eq(get_opt(h, s, t[i].level, t[i].name), t[i].told); /* as it was */
        short half = 1;
        if (t[i].level == IPPROTO_TCP) {
            ck_assert_int_eq(td_setsockopt(h->st, s, t[i].level, t[i].name, &half, sizeof half),
                             -EINVAL);
        }
        td_close(h->st, s);
    }
    int s = td_socket(h->st, AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(set_opt(h, s, IPPROTO_TCP, 9999, 1), -ENOPROTOOPT);
    hx_free(h);
}
END_TEST

/* shows: MAY-18 */
START_TEST(congestion_control_by_name)
{
    struct hx *h = hx_new();
    int s = td_socket(h->st, AF_INET, SOCK_STREAM, 0);
    char name[16] = "";
    socklen_t len = sizeof name;
    ck_assert_int_eq(td_getsockopt(h->st, s, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
    ck_assert_str_eq(name, "cubic");
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_TCP, TCP_CONGESTION, "reno", 4), 0);
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_TCP, TCP_CONGESTION, "nosuch", 6), -ENOENT);
    hx_free(h);
}
END_TEST

static void control_is(struct hx *h, int s, const char *want)
{
    char name[16] = "";
    socklen_t len = sizeof name;
    ck_assert_int_eq(td_getsockopt(h->st, s, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
    ck_assert_str_eq(name, want);
}

/* What a listener was told its children inherit; otherwise they take the default of the moment. */
START_TEST(congestion_control_of_children)
{
    for (int told = 0; told < 2; told++) {
        struct hx *h = hx_new();
        int l = hx_tcp_listen(h, 80);
        control_is(h, l, "cubic");
        if (told)
            ck_assert_int_eq(td_setsockopt(h->st, l, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5), 0);
        ck_assert_int_eq(td_knob_set(h->st, "net.ipv4.tcp_congestion_control", "reno"), 0);
        int s = hx_tcp_accept(h, l, 0, 10000);
        control_is(h, s, told ? "cubic" : "reno");
        control_is(h, l, "cubic");
        hx_drain(h);
        hx_free(h);
    }
}
END_TEST

START_TEST(buffers_have_limits)
{
    struct hx *h = hx_new();
    int s = td_socket(h->st, AF_INET, SOCK_STREAM, 0);
    set_opt(h, s, SOL_SOCKET, SO_RCVBUF, 1);
    ck_assert_int_eq(get_opt(h, s, SOL_SOCKET, SO_RCVBUF), 2304); /* Linux's least */
    set_opt(h, s, SOL_SOCKET, SO_RCVBUF, INT32_MAX);
    ck_assert_int_eq(get_opt(h, s, SOL_SOCKET, SO_RCVBUF), 2 * 4194304); /* rmem_max, doubled */
    set_opt(h, s, SOL_SOCKET, SO_SNDBUF, 1);
    ck_assert_int_eq(get_opt(h, s, SOL_SOCKET, SO_SNDBUF), 4608);
    set_opt(h, s, SOL_SOCKET, SO_SNDBUF, INT32_MAX);
    ck_assert_int_eq(get_opt(h, s, SOL_SOCKET, SO_SNDBUF), 2 * 4194304);
    hx_free(h);
}
END_TEST

START_TEST(tcp_info)
{
    struct conv c = reach(EST);
    struct tcp_info i;
    socklen_t len = sizeof i;
    write_pattern(&c, 1, 3000);
    hx_drain(c.h);
    tcp_in(c.h, MS(20), .flags = ACK, .seq = 1, .ack = 1461, .wnd = PEER_WND);
    ck_assert_int_eq(td_getsockopt(c.h->st, c.s, IPPROTO_TCP, TCP_INFO, &i, &len), 0);
    ck_assert_uint_eq(i.tcpi_state, TCP_ESTABLISHED);
    ck_assert_uint_eq(i.tcpi_snd_mss, 1460);
    ck_assert_uint_eq(i.tcpi_pmtu, 1500);
    ck_assert_uint_eq(i.tcpi_unacked, 2);
    ck_assert_uint_eq(i.tcpi_snd_cwnd, 10);
    ck_assert_uint_eq(i.tcpi_retransmits, 0);
    ck_assert_uint_gt(i.tcpi_rtt, 0);
    hx_until(c.h, SEC(1));
    hx_drain(c.h);
    len = sizeof i;
    ck_assert_int_eq(td_getsockopt(c.h->st, c.s, IPPROTO_TCP, TCP_INFO, &i, &len), 0);
    ck_assert_uint_ge(i.tcpi_retransmits, 1);
    ck_assert_uint_ge(i.tcpi_total_retrans, 1);
    len = 8; /* a caller with an older, shorter struct */
    ck_assert_int_eq(td_getsockopt(c.h->st, c.s, IPPROTO_TCP, TCP_INFO, &i, &len), 0);
    ck_assert_uint_eq(len, 8);
    leave(&c);
}
END_TEST

/* SO_OOBINLINE: the urgent octet stays in the stream, and recv stops in front of it. */
START_TEST(oob_inline)
{
    struct conv c = reach(EST);
    set_opt(c.h, c.s, SOL_SOCKET, SO_OOBINLINE, 1);
    tcp_in(c.h, NOW, .flags = ACK | URG, .seq = 1, .ack = 1, .wnd = PEER_WND, .len = 10, .urp = 5);
    hx_drain(c.h);
    char b[20];
    ck_assert_int_eq(td_recv(c.h->st, c.s, b, 1, MSG_OOB), -EINVAL);
    ck_assert_int_eq(td_recv(c.h->st, c.s, b, sizeof b, 0), 4);
    ck_assert_int_eq(td_recv(c.h->st, c.s, b, sizeof b, 0), 6);
    ck_assert_uint_eq((uint8_t)b[0], hx_pattern(5));
    leave(&c);
}
END_TEST

/* A window clamp is what is offered at most: the whole segments of it. */
START_TEST(window_clamp)
{
    struct conv c = reach(CLO);
    int l = hx_tcp_listen(c.h, 80);
    set_opt(c.h, l, IPPROTO_TCP, TCP_WINDOW_CLAMP, 5000);
    tcp_in(c.h, NOW, .flags = SYN, .seq = 0, .wnd = 100, .opts = {.mss = 1460});
    tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1, .wnd = 3 * 1460);
    leave(&c);
}
END_TEST

/* TCP_NOTSENT_LOWAT: writable again only when less than half of it is unsent. */
START_TEST(unsent_data_has_its_limit)
{
    struct conv c = reach(EST);
    ck_assert_int_eq(get_opt(c.h, c.s, IPPROTO_TCP, TCP_NOTSENT_LOWAT), 0);
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 4000), 0);
    ck_assert_int_eq(get_opt(c.h, c.s, IPPROTO_TCP, TCP_NOTSENT_LOWAT), 4000);
    conv_tcb(&c)->cc.cwnd = 2 * 1460;
    write_pattern(&c, 1, 2 * 1460 + 1999); /* 1999 stay unsent */
    hx_drain(c.h);
    int v;
    ck_assert_int_eq(td_ioctl(c.h->st, c.s, SIOCOUTQNSD, &v), 0);
    ck_assert_int_eq(v, 1999);
    ck_assert_int_ne(td_poll(c.h->st, c.s) & POLLOUT, 0);
    write_pattern(&c, 2 * 1460 + 2000, 1);
    hx_drain(c.h);
    ck_assert_int_eq(td_poll(c.h->st, c.s) & POLLOUT, 0);
    tcp_in(c.h, MS(20), .flags = ACK, .seq = 1, .ack = 1461, .wnd = PEER_WND);
    hx_drain(c.h);
    ck_assert_int_ne(td_poll(c.h->st, c.s) & POLLOUT, 0);
    ck_assert_int_eq(td_ioctl(c.h->st, c.s, SIOCOUTQ, &v), 0);
    ck_assert_int_eq(v, 1460 + 2000);
    leave(&c);
    c = conv_new(TD_PROFILE_LINUX); /* the knob, for those who don't say */
    knob_set(c.h, "net.ipv4.tcp_notsent_lowat", "4000");
    c = reach_in(c, EST);
    conv_tcb(&c)->cc.cwnd = 1460;
    write_pattern(&c, 1, 1460 + 2000);
    hx_drain(c.h);
    ck_assert_int_eq(td_poll(c.h->st, c.s) & POLLOUT, 0);
    leave(&c);
}
END_TEST

/* SO_RCVLOWAT: readable from so many bytes on; recv takes what there is all the same. */
START_TEST(low_water_mark_of_receiving)
{
    struct conv c = reach(EST);
    char b[200];
    ck_assert_int_eq(get_opt(c.h, c.s, SOL_SOCKET, SO_RCVLOWAT), 1);
    ck_assert_int_eq(set_opt(c.h, c.s, SOL_SOCKET, SO_RCVLOWAT, 100), 0);
    ck_assert_int_eq(get_opt(c.h, c.s, SOL_SOCKET, SO_RCVLOWAT), 100);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = PEER_WND, .len = 99);
    hx_drain(c.h);
    ck_assert_int_eq(td_poll(c.h->st, c.s) & POLLIN, 0);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 100, .ack = 1, .wnd = PEER_WND, .len = 1);
    hx_drain(c.h);
    ck_assert_int_ne(td_poll(c.h->st, c.s) & POLLIN, 0);
    ck_assert_int_eq(td_recv(c.h->st, c.s, b, sizeof b, 0), 100);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 101, .ack = 1, .wnd = PEER_WND, .len = 5);
    hx_drain(c.h);
    ck_assert_int_eq(td_poll(c.h->st, c.s) & POLLIN, 0);
    ck_assert_int_eq(td_recv(c.h->st, c.s, b, sizeof b, MSG_TRUNC), 5); /* thrown away */
    ck_assert_int_eq(set_opt(c.h, c.s, SOL_SOCKET, SO_RCVLOWAT, -1), 0); /* as much as may be */
    ck_assert_int_eq(get_opt(c.h, c.s, SOL_SOCKET, SO_RCVLOWAT), 6291456 / 2);
    leave(&c);
}
END_TEST

/* TCP_MAXSEG is for the connection to come; SO_MAX_PACING_RATE takes an int and a long. */
START_TEST(before_and_after)
{
    struct conv c = reach(EST);
    ck_assert_int_eq(get_opt(c.h, c.s, IPPROTO_TCP, TCP_MAXSEG), 1460);
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_MAXSEG, 500), 0);
    ck_assert_int_eq(get_opt(c.h, c.s, IPPROTO_TCP, TCP_MAXSEG), 1460);
    uint64_t rate = 0;
    socklen_t len = sizeof rate;
    ck_assert_int_eq(td_getsockopt(c.h->st, c.s, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, &len), 0);
    ck_assert_uint_eq(rate, UINT64_MAX);
    ck_assert_int_eq(get_opt(c.h, c.s, SOL_SOCKET, SO_MAX_PACING_RATE), -1);
    ck_assert_int_eq(set_opt(c.h, c.s, SOL_SOCKET, SO_MAX_PACING_RATE, 5000), 0);
    len = sizeof rate;
    ck_assert_int_eq(td_getsockopt(c.h->st, c.s, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, &len), 0);
    ck_assert_uint_eq(rate, 5000);
    ck_assert_int_eq(set_opt(c.h, c.s, SOL_SOCKET, SO_MAX_PACING_RATE, -1), 0);
    ck_assert_int_eq(get_opt(c.h, c.s, SOL_SOCKET, SO_MAX_PACING_RATE), -1);
    ck_assert_int_eq(set_opt(c.h, c.s, SOL_SOCKET, SO_MARK, 42), 0);
    ck_assert_int_eq(get_opt(c.h, c.s, SOL_SOCKET, SO_MARK), 42);
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_INQ, 2), -EINVAL);
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_INQ, 1), 0);
    ck_assert_int_eq(get_opt(c.h, c.s, IPPROTO_TCP, TCP_INQ), 1);
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_WINDOW_CLAMP, 0), -EINVAL);
    ck_assert_int_eq(set_opt(c.h, c.s, SOL_SOCKET, SO_RCVBUFFORCE, 100000000), 0);
    ck_assert_int_eq(get_opt(c.h, c.s, SOL_SOCKET, SO_RCVBUF), 200000000);
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp options");
    TCase *tc = tcase_create("options");
    tcase_add_test(tc, integers);
    tcase_add_test(tc, congestion_control_by_name);
    tcase_add_test(tc, congestion_control_of_children);
    tcase_add_test(tc, buffers_have_limits);
    tcase_add_test(tc, tcp_info);
    tcase_add_test(tc, oob_inline);
    tcase_add_test(tc, window_clamp);
    tcase_add_test(tc, unsent_data_has_its_limit);
    tcase_add_test(tc, low_water_mark_of_receiving);
    tcase_add_test(tc, before_and_after);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
