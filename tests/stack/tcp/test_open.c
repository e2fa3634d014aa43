/* OPEN: how a local port is chosen when the user doesn't (RFC 6056). */
#include "check_main.h"
#include "tcp_talk.h"

/* shows: 6056-01 5927-05 */
START_TEST(ephemeral_ports)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.ip_local_port_range", "1024 65535"); /* as large as it gets */
    c.h->any_tx = true;
    static uint8_t used[65536];
    memset(used, 0, sizeof used);
    uint16_t low = 65535, high = 0;
    int last = 0, next_door = 0;
    struct sockaddr_in sa = td_sockaddr(HX_PEER, 4000);
    for (int i = 0; i < 400; i++) { /* to many places: no order that an outsider could go on with */
        sa = td_sockaddr(TD_IP4(10, 0, 0, (uint8_t)(20 + i % 200)), (uint16_t)(4000 + i));
        int s = td_socket(c.h->st, AF_INET, SOCK_STREAM, 0);
        ck_assert_int_eq(td_connect(c.h->st, s, (const struct sockaddr *)(const void *)&sa, sizeof sa), -EINPROGRESS);
        struct sockaddr_in own;
        socklen_t len = sizeof own;
        ck_assert_int_eq(td_getsockname(c.h->st, s, (struct sockaddr *)(void *)&own, &len), 0);
        uint16_t port = ntohs(own.sin_port);
        ck_assert_uint_ge(port, 1024);
        low = port < low ? port : low;
        high = port > high ? port : high;
        next_door += abs(port - last) <= 2;
        last = port;
        ck_assert_int_eq(td_close(c.h->st, s), 0);
        hx_flush(c.h);
    }
    ck_assert_uint_lt(low, 1024 + 4000);
    ck_assert_uint_gt(high, 65535 - 4000);
    ck_assert_int_lt(next_door, 20);
    /* to one place: each port once before any comes again */
    sa = td_sockaddr(HX_PEER, 4000);
    static int s[3000];
    for (int i = 0; i < 3000; i++) {
        s[i] = td_socket(c.h->st, AF_INET, SOCK_STREAM, 0);
        ck_assert_int_eq(td_connect(c.h->st, s[i], (const struct sockaddr *)(const void *)&sa, sizeof sa), -EINPROGRESS);
        struct sockaddr_in own;
        socklen_t len = sizeof own;
        ck_assert_int_eq(td_getsockname(c.h->st, s[i], (struct sockaddr *)(void *)&own, &len), 0);
        ck_assert_uint_eq(used[ntohs(own.sin_port)]++, 0);
    }
    for (int i = 0; i < 3000; i++) {
        ck_assert_int_eq(td_close(c.h->st, s[i]), 0);
    }
    hx_flush(c.h);
    c.h->any_tx = false;
    leave(&c);
}
END_TEST

/* shows: ATK-TCPR-06 */
START_TEST(no_port_left)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.ip_local_port_range", "50000 50009");
    c.h->any_tx = true;
    struct sockaddr_in sa = td_sockaddr(HX_PEER, 4000);
    int s = -1;
    for (int i = 0; i < 10; i++) {
        s = td_socket(c.h->st, AF_INET, SOCK_STREAM, 0);
        ck_assert_int_eq(td_connect(c.h->st, s, (const struct sockaddr *)(const void *)&sa, sizeof sa), -EINPROGRESS);
    }
    int one_more = td_socket(c.h->st, AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(td_connect(c.h->st, one_more, (const struct sockaddr *)(const void *)&sa, sizeof sa), -EADDRNOTAVAIL);
    /* to another place the same ports do */
    struct sockaddr_in other = td_sockaddr(HX_PEER, 4001);
    ck_assert_int_eq(td_connect(c.h->st, one_more, (const struct sockaddr *)(const void *)&other, sizeof other), -EINPROGRESS);
    ck_assert_int_eq(td_close(c.h->st, s), 0);
    hx_flush(c.h);
    s = td_socket(c.h->st, AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(td_connect(c.h->st, s, (const struct sockaddr *)(const void *)&sa, sizeof sa), -EINPROGRESS);
    hx_flush(c.h);
    c.h->any_tx = false;
    leave(&c);
}
END_TEST

/* As Linux: the failure is told once, then the socket may try again. */
START_TEST(connect_again_after_a_failure)
{
    for (int named = 0; named < 2; named++) {
        struct conv c = conv_new(TD_PROFILE_LINUX);
        struct hx *h = c.h;
        int s = td_socket(h->st, AF_INET, SOCK_STREAM, 0);
        struct sockaddr_in sa = td_sockaddr(HX_PEER, 40000), us = td_sockaddr(HX_US, 80), now;
        socklen_t len = sizeof now;
        set_opt(h, s, IPPROTO_TCP, TCP_NODELAY, 1);
        if (named) {
            ck_assert_int_eq(td_bind(h->st, s, (const struct sockaddr *)&us, sizeof us), 0);
        }
        for (int k = 0; k < 3; k++) {
            int e = td_connect(h->st, s, (const struct sockaddr *)&sa, sizeof sa);
            ck_assert_msg(e == -EINPROGRESS, "try %d: %d", k, e);
            hx_flush(h);
            ck_assert_int_eq(td_getsockname(h->st, s, (struct sockaddr *)&now, &len), 0);
            uint16_t port = ntohs(now.sin_port);
            ck_assert(!named || port == 80);
            h->nconns = 0;
            tcp_out(h, NOW, .sport = port, .flags = SYN, .seq = HX_ZERO);
            if (k < 2) {
                tcp_in(h, NOW, .dport = port, .flags = RST | ACK, .seq = 0, .ack = 1);
                if (k == 0) {
                    ck_assert_int_eq(so_error(h, s), ECONNREFUSED);
                } else {
                    ck_assert_int_eq(td_connect(h->st, s, (const struct sockaddr *)&sa, sizeof sa),
                                     -ECONNREFUSED);
                }
                continue;
            }
            tcp_in(h, NOW, .dport = port, .flags = SYN | ACK, .seq = 0, .ack = 1, .wnd = 1000);
            tcp_out(h, NOW, .sport = port, .flags = ACK, .seq = 1, .ack = 1);
        }
        ck_assert_int_eq(td_send(h->st, s, "abc", 3, 0), 3);
        hx_drain(h);
        ck_assert_int_eq(get_opt(h, s, IPPROTO_TCP, TCP_NODELAY), 1);
        /* it had its connection: no further one */
        ck_assert_int_eq(td_connect(h->st, s, (const struct sockaddr *)&sa, sizeof sa), -EISCONN);
        leave(&c);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp open");
    TCase *tc = tcase_create("open");
    tcase_add_test(tc, ephemeral_ports);
    tcase_add_test(tc, no_port_left);
    tcase_add_test(tc, connect_again_after_a_failure);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
