/* The user's calls in every state (RFC 9293 3.9.1, 3.10.1 to 3.10.6), as the socket layer hands
 * them on. */
#include "check_main.h"
#include "tcp_states.h"

static const enum st conn8[] = {SYS, EST, FW1, FW2,
                                CLW, CLG, LAK, TIW}; /* states a socket can be in (SYRA apart) */
#define N(a) ((int)(sizeof(a) / sizeof(a)[0]))

static int connect_to(struct hx *h, int s, td_ip4 addr, uint16_t port)
{
    struct sockaddr_in sa = td_sockaddr(addr, port);
    return td_connect(h->st, s, (const struct sockaddr *)&sa, sizeof sa);
}

static int bind_to(struct hx *h, int s, td_ip4 addr, uint16_t port)
{
    struct sockaddr_in sa = td_sockaddr(addr, port);
    return td_bind(h->st, s, (const struct sockaddr *)&sa, sizeof sa);
}

static int stream(struct hx *h)
{
    int s = td_socket(h->st, AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(s, 0);
    return s;
}

/* ---- OPEN ---- */

/* shows: TSM-CLO-OPEN-1 TSM-CLO-OPEN-3 TSM-CLO-OPEN-4 MUST-46 TSM-LIS-OPEN-4 MUST-41 MUST-43
 * MUST-44 */
START_TEST(open_in_closed)
{
    struct conv c = reach(CLO);
    struct hx *h = c.h;
    int s = stream(h);
    /* active, but nobody to connect to */
    ck_assert_int_lt(connect_to(h, s, HX_PEER, 0), 0);
    /* (the socket layer turns 0.0.0.0 into this host's loopback address, as Linux does; TCP refuses
     * it) */
    struct tcb *t = tcp_new(h->st, NULL, 0);
    ck_assert_int_eq(tcp_connect(h->st, t, 0, 80), -EDESTADDRREQ);
    tcp_close(h->st, t);
    const td_ip4 bad[] = {TD_IP4(10, 0, 0, 0), TD_IP4_BROADCAST, TD_IP4(10, 0, 0, 255),
                          TD_IP4(224, 0, 0, 1), TD_IP4(240, 1, 1, 1)};
    for (unsigned i = 0; i < 5; i++) {
        int e = connect_to(h, s, bad[i], 80);
        ck_assert_msg(e < 0 && e != -EINPROGRESS, "address %u: %d", i, e);
    }
    hx_quiet(h, SEC(1));
    ck_assert_int_eq(td_poll(h->st, s) & POLLERR, 0);
    /* passive: nothing is sent; a second one on the same socket is refused, the first goes on */
    ck_assert_int_eq(bind_to(h, s, 0, 80), 0);
    ck_assert_int_eq(td_listen(h->st, s, 5), 0);
    hx_quiet(h, SEC(2));
    int o = stream(h);
    ck_assert_int_eq(bind_to(h, o, 0, 80), -EADDRINUSE);
    ck_assert_int_eq(bind_to(h, o, HX_US, 80), -EADDRINUSE);
    ck_assert_int_eq(bind_to(h, o, TD_IP4(10, 0, 0, 9), 81), -EADDRNOTAVAIL); /* not ours */
    ck_assert_int_eq(bind_to(h, o, TD_IP4_BROADCAST, 81), -EADDRNOTAVAIL);
    tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = 1000);
    tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    /* a local address of the user's choice is the source of the SYN; without one, IP's choice */
    ck_assert_int_eq(td_addr_add(h->st, h->ifindex, TD_IP4(10, 0, 0, 7), 24), 0);
    hx_drain(h);
    ck_assert_int_eq(bind_to(h, o, TD_IP4(10, 0, 0, 7), 0), 0);
    ck_assert_int_eq(connect_to(h, o, HX_PEER, 99), -EINPROGRESS);
    hx_flush(h);
    tcp_out(h, NOW, .src = TD_IP4(10, 0, 0, 7), .dport = 99, .flags = SYN, .seq = HX_ZERO);
    int p = stream(h);
    ck_assert_int_eq(connect_to(h, p, HX_PEER, 99), -EINPROGRESS);
    hx_flush(h);
    tcp_out(h, NOW, .src = HX_US, .dport = 99, .flags = SYN, .seq = HX_ZERO);
    leave(&c);
}
END_TEST

/* Who shares a port by SO_REUSEADDR finds out when it comes to listening. */
/* shows: MUST-41 TSM-LIS-OPEN-4 */
START_TEST(second_listener_of_a_shared_port)
{
    struct conv c = reach(CLO);
    struct hx *h = c.h;
    int s = stream(h), o = stream(h);
    ck_assert_int_eq(set_opt(h, s, SOL_SOCKET, SO_REUSEADDR, 1), 0);
    ck_assert_int_eq(set_opt(h, o, SOL_SOCKET, SO_REUSEADDR, 1), 0);
    ck_assert_int_eq(bind_to(h, s, 0, 80), 0);
    ck_assert_int_eq(bind_to(h, o, HX_US, 80), 0);
    ck_assert_int_eq(td_listen(h->st, s, 5), 0);
    ck_assert_int_eq(td_listen(h->st, o, 5), -EADDRINUSE);
    tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = 1000); /* the first goes on */
    tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    tcp_in(h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
    int a = td_accept(h->st, s, NULL, NULL);
    ck_assert_int_ge(a, 0);
    ck_assert_int_eq(td_close(h->st, a), 0);
    ck_assert_int_eq(td_close(h->st, o), 0);
    ck_assert_int_eq(td_close(h->st, s), 0);
    hx_drain(h);
    leave(&c);
}
END_TEST

/* shows: TSM-CLO-OPEN-5 TSM-CLO-OPEN-6 */
START_TEST(open_without_means)
{
    struct conv c = reach(CLO);
    struct hx *h = c.h;
    int s = stream(h);
    uint64_t before = h->heap;
    h->fail_alloc = 1;
    ck_assert_int_eq(td_socket(h->st, AF_INET, SOCK_STREAM, 0), -ENOMEM);
    ck_assert_int_lt(connect_to(h, s, HX_PEER, 80), 0);
    h->fail_alloc = 0;
    ck_assert_uint_le(h->heap, before); /* less: tables made to look up faster may have gone */
    hx_drain(h);
    /* a TTL that doesn't exist is refused, and the endpoint is as it was */
    ck_assert_int_eq(set_opt(h, s, IPPROTO_IP, IP_TTL, 256), -EINVAL);
    ck_assert_int_eq(set_opt(h, s, IPPROTO_IP, IP_TTL, 0), -EINVAL);
    ck_assert_int_eq(get_opt(h, s, IPPROTO_IP, IP_TTL), 64);
    leave(&c);
}
END_TEST

/* shows: MUST-42 */
START_TEST(listen_beside_a_connection_being_opened)
{
    struct conv c = reach(CLO);
    struct hx *h = c.h;
    int one = 1;
    for (int received = 0; received < 2; received++) {
        uint16_t port = (uint16_t)(500 + received);
        int a = stream(h), l = stream(h);
        td_setsockopt(h->st, a, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        td_setsockopt(h->st, l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        ck_assert_int_eq(bind_to(h, a, 0, port), 0);
        ck_assert_int_eq(connect_to(h, a, HX_PEER, 99), -EINPROGRESS);
        hx_flush(h);
        tcp_out(h, NOW, .sport = port, .dport = 99, .flags = SYN, .seq = HX_ZERO);
        if (received) {
            tcp_in(h, NOW, .sport = 99, .dport = port, .flags = SYN, .seq = 0, .wnd = 100);
            tcp_out(h, NOW, .sport = port, .dport = 99, .flags = SYN | ACK, .seq = HX_ZERO,
                    .ack = 1);
        }
        ck_assert_int_eq(bind_to(h, l, 0, port), 0);
        ck_assert_int_eq(td_listen(h->st, l, 5), 0);
        tcp_in(h, NOW, .sport = 77, .dport = port, .flags = SYN, .seq = 0, .wnd = 100);
        tcp_out(h, NOW, .sport = port, .dport = 77, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    }
    leave(&c);
}
END_TEST

/* shows: TSM-SYS-OPEN-1 TSM-EST-OPEN-1 TSM-FW1-OPEN-1 TSM-FW2-OPEN-1 TSM-CLW-OPEN-1 TSM-CLG-OPEN-1
 * TSM-LAK-OPEN-1 TSM-TIW-OPEN-1 */
START_TEST(open_again)
{
    struct conv c = reach(conn8[_i]);
    int e = connect_to(c.h, c.s, HX_PEER, 81);
    ck_assert_int_eq(e, c.st == SYS ? -EALREADY : -EISCONN);
    ck_assert_int_eq(td_listen(c.h->st, c.s, 5), -EINVAL);
    hx_quiet(c.h, NOW);
    assert_state(&c, st_tcps[c.st]);
    leave(&c);
}
END_TEST

/* shows: TSM-SYR-OPEN-1 */
START_TEST(open_again_in_syn_received)
{
    struct conv c = reach(SYRA);
    ck_assert_int_eq(connect_to(c.h, c.s, HX_PEER, 81), -EALREADY);
    ck_assert_int_eq(td_listen(c.h->st, c.s, 5), -EINVAL);
    hx_quiet(c.h, NOW);
    assert_state(&c, TCPS_SYN_RECEIVED);
    leave(&c);
}
END_TEST

/* shows: MUST-45 */
START_TEST(local_address_stays)
{
    struct conv c = reach(EST);
    struct hx *h = c.h;
    ck_assert_int_eq(td_addr_add(h->st, h->ifindex, TD_IP4(10, 0, 0, 7), 24), 0);
    struct td_route r = {
        .prefix = HX_PEER, .plen = 32, .ifindex = h->ifindex, .src = TD_IP4(10, 0, 0, 7)};
    ck_assert_int_eq(td_route_add(h->st, &r, false), 0);
    hx_drain(h);
    write_pattern(&c, 1, 10);
    hx_flush(h);
    tcp_out(h, NOW, .src = HX_US, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 10);
    leave(&c);
}
END_TEST

/* ---- SEND ---- */

/* shows: TSM-CLO-SEND-2 TSM-LIS-SEND-2 */
START_TEST(send_without_connection)
{
    struct conv c = reach(LIS);
    ck_assert_int_lt(td_send(c.h->st, c.l, "x", 1, MSG_NOSIGNAL), 0);
    int s = stream(c.h);
    ck_assert_int_eq(td_send(c.h->st, s, "x", 1, MSG_NOSIGNAL), -EPIPE);
    hx_quiet(c.h, SEC(1));
    leave(&c);
}
END_TEST

/* shows: TSM-EST-SEND-1 TSM-CLW-SEND-1 MUST-1 */
START_TEST(send_where_it_is_right)
{
    static const enum st states[] = {EST, CLW};
    struct conv c = reach(states[_i]);
    write_pattern(&c, 1, 3000);
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = c.rcv, .len = 1460);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1461, .ack = c.rcv, .len = 1460);
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 2921, .ack = c.rcv, .len = 80);
    for (unsigned i = 0; i < 80; i++) {
        ck_assert_uint_eq(c.h->got.data[i], hx_pattern(2921 + i));
    }
    leave(&c);
}
END_TEST

/* shows: MUST-1 REC-1 */
START_TEST(windows_above_32767_are_positive)
{
    struct conv c = reach(LIS);
    c.s = hx_tcp_accept(c.h, c.l, NOW, 65535);
    conv_tcb(&c)->cc.cwnd = 1 << 20;
    write_pattern(&c, 1, 70000);
    hx_flush(c.h);
    unsigned n = 0;
    int64_t end = 0;
    while (hx_pending(c.h) > 0) {
        ip_out(c.h, NOW, 6);
        end = (int64_t)(c.h->got.tcp.seq - hx_conn(c.h, HX_PEER, 40000, 80)->iss) +
              (int64_t)c.h->got.len;
        n++;
    }
    ck_assert_int_eq(end, 1 + 65535 / 1460 * 1460); /* all the full segments that fit */
    ck_assert_uint_eq(n, 44);
    leave(&c);
}
END_TEST

/* shows: TSM-EST-SEND-2 TSM-CLW-SEND-2 */
START_TEST(send_without_room)
{
    static const enum st states[] = {EST, CLW};
    static char big[1 << 20];
    struct conv c = reach(states[_i]);
    ck_assert_int_eq(set_opt(c.h, c.s, SOL_SOCKET, SO_SNDBUF, 10000), 0);
    ck_assert_int_eq(td_send(c.h->st, c.s, big, sizeof big, 0), 20000);
    ck_assert_int_eq(td_send(c.h->st, c.s, big, 1, 0), -EAGAIN);
    ck_assert_int_eq(td_poll(c.h->st, c.s) & POLLOUT, 0);
    hx_drain(c.h);
    /* room again */
    tcp_in(c.h, MS(1), .flags = ACK, .seq = c.rcv, .ack = 14601, .wnd = PEER_WND);
    ck_assert_int_eq(td_poll(c.h->st, c.s) & POLLOUT, POLLOUT);
    hx_drain(c.h);
    leave(&c);
    /* no memory: nothing is queued by half */
    c = reach(states[_i]);
    c.h->fail_alloc = 1;
    ck_assert_int_eq(td_send(c.h->st, c.s, big, 5000, 0), -ENOBUFS);
    c.h->fail_alloc = 0;
    ck_assert_uint_eq(conv_tcb(&c)->snd.len, 0);
    hx_quiet(c.h, NOW);
    leave(&c);
}
END_TEST

/* shows: TSM-EST-SEND-3 TSM-CLW-SEND-3 MUST-62 MUST-30 */
START_TEST(send_urgent)
{
    static const enum st states[] = {EST, CLW};
    struct conv c = reach(states[_i]);
    ck_assert_int_eq(td_send(c.h->st, c.s, "!", 1, MSG_OOB), 1);
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = ACK | PSH | URG, .seq = 1, .ack = c.rcv, .len = 1, .data = "!",
            .urp = 1);
    /* more behind it: no URG; urgent data ahead of what is sent: the pointer counts from each
     * segment */
    set_opt(c.h, c.s, IPPROTO_TCP, TCP_NODELAY, 1);
    tcp_in(c.h, MS(1), .flags = ACK, .seq = c.rcv, .ack = 2, .wnd = PEER_WND);
    static char big[2000];
    ck_assert_int_eq(td_send(c.h->st, c.s, big, 2000, MSG_OOB), 2000);
    ck_assert_int_eq(td_send(c.h->st, c.s, "abc", 3, 0), 3);
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = ACK | URG, .seq = 2, .ack = c.rcv, .len = 1460, .urp = 2000);
    tcp_out(c.h, NOW, .flags = ACK | URG | PSH, .seq = 1462, .ack = c.rcv, .len = 543, .urp = 540);
    ck_assert_int_eq(td_send(c.h->st, c.s, "d", 1, 0), 1);
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 2005, .ack = c.rcv, .len = 1);
    leave(&c);
}
END_TEST

/* shows: TSM-FW1-SEND-1 TSM-FW2-SEND-1 TSM-CLG-SEND-1 TSM-LAK-SEND-1 TSM-TIW-SEND-1 */
START_TEST(send_after_close)
{
    static const enum st states[] = {FW1, FW2, CLG, LAK, TIW};
    struct conv c = reach(states[_i]);
    ck_assert_int_eq(td_send(c.h->st, c.s, "x", 1, MSG_NOSIGNAL), -EPIPE);
    hx_quiet(c.h, NOW);
    assert_state(&c, st_tcps[c.st]);
    leave(&c);
}
END_TEST

/* ---- RECEIVE ---- */

/* shows: TSM-CLO-RECEIVE-2 */
START_TEST(receive_without_connection)
{
    struct conv c = reach(LIS);
    char b[4];
    ck_assert_int_eq(td_recv(c.h->st, c.l, b, 4, 0), -ENOTCONN);
    int s = stream(c.h);
    ck_assert_int_eq(td_recv(c.h->st, s, b, 4, 0), -ENOTCONN);
    leave(&c);
}
END_TEST

/* shows: TSM-EST-RECEIVE-1 TSM-FW1-RECEIVE-1 TSM-FW2-RECEIVE-1 TSM-EST-RECEIVE-2 TSM-FW1-RECEIVE-2
 * TSM-FW2-RECEIVE-2 TSM-SYS-RECEIVE-1 */
START_TEST(receive)
{
    static const enum st states[] = {SYS, EST, FW1, FW2};
    struct conv c = reach(states[_i]);
    char b[100];
    ck_assert_int_eq(td_recv(c.h->st, c.s, b, sizeof b, 0),
                     -EAGAIN); /* the request waits: with the caller */
    if (c.st == SYS) {
        tcp_in(c.h, NOW, .flags = SYN | ACK, .seq = 0, .ack = 1, .wnd = PEER_WND);
        hx_drain(c.h);
        c.una = 1;
    }
    tcp_in(c.h, NOW, .flags = ACK | PSH, .seq = 1, .ack = c.una, .wnd = PEER_WND, .len = 60);
    hx_drain(c.h);
    ck_assert_int_eq(td_recv(c.h->st, c.s, b, 20, MSG_PEEK), 20);
    read_pattern(&c, 1, 20);
    read_pattern(&c, 21, 40);
    ck_assert_int_eq(td_recv(c.h->st, c.s, b, sizeof b, 0), -EAGAIN);
    leave(&c);
}
END_TEST

/* shows: TSM-SYR-RECEIVE-1 */
START_TEST(receive_in_syn_received)
{
    struct conv c = reach(SYRA);
    char b[4];
    ck_assert_int_eq(td_recv(c.h->st, c.s, b, 4, 0), -EAGAIN);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = PEER_WND, .len = 4);
    hx_drain(c.h);
    read_pattern(&c, 1, 4);
    leave(&c);
}
END_TEST

/* shows: TSM-EST-RECEIVE-4 TSM-FW1-RECEIVE-4 TSM-FW2-RECEIVE-4 MUST-33 */
START_TEST(receive_with_urgent_data_ahead)
{
    static const enum st states[] = {EST, FW1, FW2};
    struct conv c = reach(states[_i]);
    tcp_in(c.h, NOW, .flags = ACK | URG, .seq = 1, .ack = c.una, .wnd = PEER_WND, .len = 10,
           .urp = 500);
    hx_drain(c.h);
    ck_assert(td_poll(c.h->st, c.s) & POLLPRI);
    char b[4];
    ck_assert_int_eq(td_recv(c.h->st, c.s, b, 1, MSG_OOB), -EAGAIN); /* announced, not here yet */
    read_pattern(&c, 1, 10);
    ck_assert(td_poll(c.h->st, c.s) & POLLPRI);
    leave(&c);
}
END_TEST

/* shows: TSM-CLW-RECEIVE-1 TSM-CLW-RECEIVE-2 TSM-CLG-RECEIVE-1 TSM-LAK-RECEIVE-1
 * TSM-TIW-RECEIVE-1 */
START_TEST(receive_after_the_fin)
{
    static const enum st states[] = {CLW, CLG, LAK, TIW};
    struct conv c = reach(states[_i] == CLW || states[_i] == LAK ? EST
                          : states[_i] == CLG                    ? FW1
                                                                 : FW2);
    tcp_in(c.h, NOW, .flags = ACK | FIN, .seq = 1, .ack = c.una, .wnd = PEER_WND, .len = 30);
    hx_drain(c.h);
    if (states[_i] == LAK) {
        ck_assert_int_eq(td_shutdown(c.h->st, c.s, SHUT_WR), 0);
        hx_drain(c.h);
    }
    c.st = states[_i];
    assert_state(&c, st_tcps[c.st]);
    read_pattern(&c, 1, 30); /* what was received before, then end of file, again and again */
    char b[4];
    ck_assert_int_eq(td_recv(c.h->st, c.s, b, 4, 0), 0);
    ck_assert_int_eq(td_recv(c.h->st, c.s, b, 4, 0), 0);
    ck_assert_int_eq(so_error(c.h, c.s), 0);
    leave(&c);
}
END_TEST

/* ---- CLOSE ---- */

/* shows: TSM-CLO-CLOSE-2 */
START_TEST(close_without_connection)
{
    struct conv c = reach(CLO);
    int s = stream(c.h);
    ck_assert_int_eq(td_shutdown(c.h->st, s, SHUT_WR), -ENOTCONN);
    ck_assert_int_eq(td_close(c.h->st, s), 0);
    ck_assert_int_eq(td_close(c.h->st, s), -EBADF);
    hx_quiet(c.h, SEC(1));
    leave(&c);
}
END_TEST

/* shows: TSM-LIS-CLOSE-1 TSM-LIS-CLOSE-2 */
START_TEST(close_of_a_listener)
{
    struct conv c = reach(SYR); /* one half open, one to be accepted */
    tcp_in(c.h, NOW, .sport = 50000, .flags = SYN, .seq = 0, .wnd = 100);
    tcp_out(c.h, NOW, .dport = 50000, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    tcp_in(c.h, NOW, .sport = 50000, .flags = ACK, .seq = 1, .ack = 1, .wnd = 100);
    ck_assert_int_eq(td_close(c.h->st, c.l), 0);
    tcp_out(c.h, NOW, .dport = 40000, .flags = RST | ACK, .seq = 1, .ack = 1);
    tcp_out(c.h, NOW, .dport = 50000, .flags = RST | ACK, .seq = 1, .ack = 1);
    hx_quiet(c.h, SEC(100));
    tcp_in(c.h, NOW, .flags = SYN, .seq = 0, .wnd = 100); /* nobody any more */
    tcp_out(c.h, NOW, .flags = RST | ACK, .any_seq = true, .ack = 1);
    leave(&c);
    c = reach(LIS); /* with no connection: nothing is sent */
    ck_assert_int_eq(td_close(c.h->st, c.l), 0);
    hx_quiet(c.h, SEC(1));
    leave(&c);
}
END_TEST

/* shows: TSM-SYS-CLOSE-1 */
START_TEST(close_in_syn_sent)
{
    struct conv c = reach(SYS);
    orphan(&c);
    hx_quiet(c.h, SEC(200));
    assert_state(&c, TCPS_CLOSED);
    leave(&c);
}
END_TEST

/* shows: TSM-SYR-CLOSE-1 */
START_TEST(close_in_syn_received)
{
    struct conv c = reach(SYRA);
    ck_assert_int_eq(td_shutdown(c.h->st, c.s, SHUT_WR), 0);
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = FIN | ACK, .seq = 1, .ack = 1);
    assert_state(&c, TCPS_FIN_WAIT_1);
    tcp_in(c.h, MS(5), .flags = ACK, .seq = 1, .ack = 2, .wnd = PEER_WND); /* SYN and FIN at once */
    assert_state(&c, TCPS_FIN_WAIT_2);
    tcp_in(c.h, MS(9), .flags = ACK | FIN, .seq = 1, .ack = 2, .wnd = PEER_WND);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 2, .ack = 2);
    assert_state(&c, TCPS_TIME_WAIT);
    leave(&c);
    /* the SYN-ACK was lost: it comes again, then the FIN */
    c = reach(SYRA);
    ck_assert_int_eq(td_shutdown(c.h->st, c.s, SHUT_WR), 0);
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = FIN | ACK, .seq = 1, .ack = 1);
    tcp_out(c.h, SEC(1), .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    tcp_in(c.h, SEC(1) + MS(5), .flags = ACK, .seq = 1, .ack = 1, .wnd = PEER_WND);
    tcp_out(c.h, HX_ANYTIME, .flags = FIN | ACK, .seq = 1, .ack = 1);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 2, .wnd = PEER_WND);
    assert_state(&c, TCPS_FIN_WAIT_2);
    leave(&c);
}
END_TEST

/* shows: TSM-EST-CLOSE-1 TSM-CLW-CLOSE-1 */
START_TEST(close_sends_the_fin_behind_the_data)
{
    static const enum st states[] = {EST, CLW};
    struct conv c = reach(states[_i]);
    conv_tcb(&c)->cc.cwnd = 1460; /* data stays queued */
    write_pattern(&c, 1, 3000);
    ck_assert_int_eq(td_shutdown(c.h->st, c.s, SHUT_WR), 0);
    assert_state(&c, c.st == EST ? TCPS_FIN_WAIT_1 : TCPS_LAST_ACK); /* at once */
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = c.rcv, .len = 1460);
    tcp_in(c.h, MS(1), .flags = ACK, .seq = c.rcv, .ack = 1461, .wnd = PEER_WND);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1461, .ack = c.rcv, .len = 1460);
    tcp_in(c.h, MS(2), .flags = ACK, .seq = c.rcv, .ack = 2921, .wnd = PEER_WND);
    tcp_out(c.h, NOW, .flags = ACK | PSH | FIN, .seq = 2921, .ack = c.rcv, .len = 80);
    tcp_in(c.h, MS(3), .flags = ACK, .seq = c.rcv, .ack = 3002, .wnd = PEER_WND);
    assert_state(&c, c.st == EST ? TCPS_FIN_WAIT_2 : TCPS_CLOSED);
    leave(&c);
}
END_TEST

/* shows: TSM-FW1-CLOSE-1 TSM-FW2-CLOSE-1 TSM-CLG-CLOSE-1 TSM-LAK-CLOSE-1 TSM-TIW-CLOSE-1 */
START_TEST(close_again)
{
    static const enum st states[] = {FW1, FW2, CLG, LAK, TIW};
    struct conv c = reach(states[_i]);
    (void)td_shutdown(c.h->st, c.s, SHUT_WR); /* "ok" is allowed too */
    hx_quiet(c.h, NOW);                       /* no second FIN */
    assert_state(&c, st_tcps[c.st]);
    orphan(&c);
    hx_quiet(c.h, NOW);
    assert_state(&c, st_tcps[c.st]);
    leave(&c);
}
END_TEST

/* shows: SHLD-3 */
START_TEST(close_with_unread_data)
{
    static const enum st states[] = {EST, CLW};
    struct conv c = reach(EST);
    tcp_in(c.h, NOW, .flags = states[_i] == EST ? ACK : ACK | FIN, .seq = 1, .ack = 1,
           .wnd = PEER_WND, .len = 10);
    hx_drain(c.h);
    orphan(&c);
    tcp_out(c.h, NOW, .flags = RST | ACK, .seq = 1, .ack = states[_i] == EST ? 11 : 12);
    assert_state(&c, TCPS_CLOSED);
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPAbortOnClose"), 1);
    leave(&c);
}
END_TEST

/* The three forms of linger. */
START_TEST(linger)
{
    struct linger l = {0, 0};
    struct conv c = reach(EST); /* off: in the background */
    write_pattern(&c, 1, 10);
    orphan(&c);
    tcp_out(c.h, NOW, .flags = ACK | PSH | FIN, .seq = 1, .ack = 1, .len = 10);
    tcp_in(c.h, MS(5), .flags = ACK, .seq = 1, .ack = 12, .wnd = PEER_WND);
    assert_state(&c, TCPS_FIN_WAIT_2);
    leave(&c);

    c = reach(EST); /* zero: a reset, at once */
    l = (struct linger){1, 0};
    ck_assert_int_eq(td_setsockopt(c.h->st, c.s, SOL_SOCKET, SO_LINGER, &l, sizeof l), 0);
    write_pattern(&c, 1, 10);
    hx_drain(c.h);
    orphan(&c);
    tcp_out(c.h, NOW, .flags = RST | ACK, .seq = 11, .ack = 1);
    assert_state(&c, TCPS_CLOSED);
    leave(&c);

    c = reach(EST); /* two seconds, then a reset */
    l = (struct linger){1, 2};
    ck_assert_int_eq(td_setsockopt(c.h->st, c.s, SOL_SOCKET, SO_LINGER, &l, sizeof l), 0);
    write_pattern(&c, 1, 10);
    orphan(&c);
    tcp_out(c.h, NOW, .flags = ACK | PSH | FIN, .seq = 1, .ack = 1, .len = 10);
    hx_until(c.h, MS(1999));
    hx_drain(c.h); /* sent again now and then */
    assert_state(&c, TCPS_FIN_WAIT_1);
    tcp_out(c.h, SEC(2), .flags = RST | ACK, .seq = 12, .ack = 1);
    assert_state(&c, TCPS_CLOSED);
    leave(&c);

    c = reach(EST); /* two seconds, and the peer takes it in time */
    ck_assert_int_eq(td_setsockopt(c.h->st, c.s, SOL_SOCKET, SO_LINGER, &l, sizeof l), 0);
    orphan(&c);
    tcp_out(c.h, NOW, .flags = ACK | FIN, .seq = 1, .ack = 1);
    tcp_in(c.h, MS(10), .flags = ACK, .seq = 1, .ack = 2, .wnd = PEER_WND);
    hx_quiet(c.h, SEC(59));
    assert_state(&c, TCPS_FIN_WAIT_2);
    leave(&c);
}
END_TEST

/* ---- ABORT ---- */

/* What a program does to abort: linger 0, close. */
static void abort_it(struct conv *c)
{
    const struct linger l = {1, 0};
    ck_assert_int_eq(td_setsockopt(c->h->st, c->s, SOL_SOCKET, SO_LINGER, &l, sizeof l), 0);
    orphan(c);
}

/* shows: TSM-CLO-ABORT-2 TSM-LIS-ABORT-1 TSM-SYS-ABORT-1 */
START_TEST(abort_without_a_segment)
{
    struct conv c = reach(CLO);
    c.s = stream(c.h);
    abort_it(&c);
    hx_quiet(c.h, SEC(1));
    leave(&c);
    c = reach(LIS);
    c.s = c.l;
    abort_it(&c);
    hx_quiet(c.h, SEC(1));
    leave(&c);
    c = reach(SYS);
    abort_it(&c);
    hx_quiet(c.h, SEC(100));
    leave(&c);
}
END_TEST

/* shows: TSM-SYR-ABORT-1 TSM-EST-ABORT-1 TSM-FW1-ABORT-1 TSM-FW2-ABORT-1 TSM-CLW-ABORT-1 */
START_TEST(abort_resets)
{
    static const enum st states[] = {SYRA, EST, FW1, FW2, CLW};
    struct conv c = reach(states[_i]);
    int64_t nxt = c.nxt;
    if (c.st == EST || c.st == CLW) {
        write_pattern(&c, 1, 100);
        hx_drain(c.h);
        nxt = 101;
    }
    abort_it(&c);
    tcp_out(c.h, NOW, .flags = RST | ACK, .seq = nxt, .ack = c.rcv);
    assert_state(&c, TCPS_CLOSED);
    hx_quiet(c.h, SEC(300)); /* nothing is left */
    leave(&c);
}
END_TEST

/* shows: TSM-CLG-ABORT-1 TSM-LAK-ABORT-1 TSM-TIW-ABORT-1 */
START_TEST(abort_says_nothing_where_both_know)
{
    static const enum st states[] = {CLG, LAK, TIW};
    struct conv c = reach(states[_i]);
    tcp_abort(c.h->st, conv_state(&c) == TCPS_TIME_WAIT
                           ? container_of(conv_ep(&c), struct timewait, ep)->tcb
                           : conv_tcb(&c));
    hx_quiet(c.h, NOW);
    assert_state(&c, TCPS_CLOSED);
    hx_quiet(c.h, SEC(300));
    leave(&c);
}
END_TEST

/* ---- STATUS ---- */

/* shows: TSM-LIS-STATUS-1 TSM-SYS-STATUS-1 TSM-SYR-STATUS-1 TSM-EST-STATUS-1 TSM-FW1-STATUS-1
 * TSM-FW2-STATUS-1 TSM-CLW-STATUS-1 TSM-CLG-STATUS-1 TSM-LAK-STATUS-1 TSM-TIW-STATUS-1
 * TSM-CLO-STATUS-2 */
START_TEST(status)
{
    struct conv c = reach((enum st)_i == SYR ? SYRA : (enum st)_i);
    int s = c.st == LIS ? c.l : c.st == CLO ? stream(c.h) : c.s;
    struct tcp_info info;
    socklen_t len = sizeof info;
    ck_assert_int_eq(td_getsockopt(c.h->st, s, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    ck_assert_uint_eq(info.tcpi_state, st_tcps[c.st]);
    hx_quiet(c.h, NOW);
    /* and the table has it, under the name ss gives it; an unused socket isn't in it */
    struct row row;
    uint64_t cursor = 0;
    bool found = false;
    struct table *tb = table_find(c.h->st, "tcp");
    ck_assert_ptr_nonnull(tb);
    while (tb->next(c.h->st, &cursor, &row)) {
        for (unsigned i = 0; i < tb->ncolumns; i++) {
            if (strcmp(tb->columns[i].name, "state") == 0) {
                found |= strcmp(row.v[i].s, tcp_state_ss((enum tcp_state)st_tcps[c.st])) == 0;
            }
        }
    }
    ck_assert_int_eq(found, c.st != CLO);
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp user calls");
    TCase *tc = tcase_create("calls");
    tcase_add_test(tc, open_in_closed);
    tcase_add_test(tc, second_listener_of_a_shared_port);
    tcase_add_test(tc, open_without_means);
    tcase_add_test(tc, listen_beside_a_connection_being_opened);
    tcase_add_loop_test(tc, open_again, 0, N(conn8));
    tcase_add_test(tc, open_again_in_syn_received);
    tcase_add_test(tc, local_address_stays);
    tcase_add_test(tc, send_without_connection);
    tcase_add_loop_test(tc, send_where_it_is_right, 0, 2);
    tcase_add_test(tc, windows_above_32767_are_positive);
    tcase_add_loop_test(tc, send_without_room, 0, 2);
    tcase_add_loop_test(tc, send_urgent, 0, 2);
    tcase_add_loop_test(tc, send_after_close, 0, 5);
    tcase_add_test(tc, receive_without_connection);
    tcase_add_loop_test(tc, receive, 0, 4);
    tcase_add_test(tc, receive_in_syn_received);
    tcase_add_loop_test(tc, receive_with_urgent_data_ahead, 0, 3);
    tcase_add_loop_test(tc, receive_after_the_fin, 0, 4);
    tcase_add_test(tc, close_without_connection);
    tcase_add_test(tc, close_of_a_listener);
    tcase_add_test(tc, close_in_syn_sent);
    tcase_add_test(tc, close_in_syn_received);
    tcase_add_loop_test(tc, close_sends_the_fin_behind_the_data, 0, 2);
    tcase_add_loop_test(tc, close_again, 0, 5);
    tcase_add_loop_test(tc, close_with_unread_data, 0, 2);
    tcase_add_test(tc, linger);
    tcase_add_test(tc, abort_without_a_segment);
    tcase_add_loop_test(tc, abort_resets, 0, 5);
    tcase_add_loop_test(tc, abort_says_nothing_where_both_know, 0, 3);
    tcase_add_loop_test(tc, status, CLO, STATES);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
