/* What is sent, and when: sizes, Nagle, silly windows, PSH, the checksum, limits (RFC
 * 9293 3.7, 3.8.6). */
#include "check_main.h"
#include "tcp_states.h"

#define text_out(c, seq_, n, ...)                                                                  \
    tcp_out((c)->h, NOW, .seq = (seq_), .ack = (c)->rcv, .len = (n), __VA_ARGS__)

/* shows: MUST-2 MUST-61 SHLD-28 MUST-65 */
START_TEST(segments_are_full_and_right)
{
    /* The harness checks every checksum; here odd and even lengths, SYN, FIN, RST go by. */
    struct conv c = reach(EST);
    write_pattern(&c, 1, 3 * 1460 + 77);
    hx_flush(c.h);
    for (int i = 0; i < 3; i++) {
        text_out(&c, 1 + i * 1460, 1460, .flags = ACK, .no_opts = true);
    }
    text_out(&c, 1 + 3 * 1460, 77, .flags = ACK | PSH, .no_opts = true); /* only the last has PSH */
    int64_t end = 1 + 3 * 1460 + 77;
    tcp_in(c.h, MS(1), .flags = ACK, .seq = 1, .ack = end, .wnd = PEER_WND);
    write_pattern(&c, end, 1);
    hx_flush(c.h);
    text_out(&c, end, 1, .flags = ACK | PSH);
    orphan(&c);
    tcp_out(c.h, NOW, .flags = ACK | FIN, .seq = end + 1, .ack = 1, .no_opts = true);
    leave(&c);
    /* bytes behind EOL are zero: the plain style pads with them */
    c = reach_in(conv_new(TD_PROFILE_RFC), CLO);
    c.s = hx_tcp_connect(c.h, 80, HX_PEER, 40000);
    tcp_out(c.h, NOW, .flags = SYN, .seq = HX_ZERO, .opts = {.mss = 1460});
    const struct tcp_hdr *t = &c.h->got.tcp;
    bool eol = false;
    for (unsigned i = 0; i < t->raw_len;) {
        if (eol) {
            ck_assert_uint_eq(t->raw[i++], 0);
        } else if (t->raw[i] <= 1) {
            eol = t->raw[i++] == 0;
        } else {
            i += t->raw[i + 1];
        }
    }
    leave(&c);
}
END_TEST

/* shows: SHLD-7 MUST-17 */
START_TEST(nagle_as_the_rfc_has_it)
{
    struct conv c = reach_in(conv_new(TD_PROFILE_RFC), EST);
    write_pattern(&c, 1, 1);
    hx_flush(c.h);
    text_out(&c, 1, 1, .flags = ACK | PSH);
    write_pattern(&c, 2, 1);
    hx_flush(c.h);
    write_pattern(&c, 3, 1);
    hx_quiet(c.h, NOW); /* held: something is unacknowledged */
    write_pattern(&c, 4, 1460);
    hx_flush(c.h);
    text_out(&c, 2, 1460, .flags = ACK); /* a full one goes */
    tcp_in(c.h, MS(1), .flags = ACK, .seq = 1, .ack = 1462, .wnd = PEER_WND);
    text_out(&c, 1462, 2, .flags = ACK | PSH);
    tcp_in(c.h, MS(2), .flags = ACK, .seq = 1, .ack = 1464, .wnd = PEER_WND);
    /* off */
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_NODELAY, 1), 0);
    for (int i = 0; i < 3; i++) {
        write_pattern(&c, 1464 + i, 1);
        hx_flush(c.h);
        text_out(&c, 1464 + i, 1, .flags = ACK | PSH);
    }
    leave(&c);
}
END_TEST

/* Minshall's form: a small segment waits only for a small one. */
START_TEST(nagle_as_linux_has_it)
{
    struct conv c = reach(EST);
    write_pattern(&c, 1, 1500);
    hx_flush(c.h);
    text_out(&c, 1, 1460, .flags = ACK);
    text_out(&c, 1461, 40, .flags = ACK | PSH);
    write_pattern(&c, 1501, 40);
    hx_quiet(c.h, NOW);
    tcp_in(c.h, MS(1), .flags = ACK, .seq = 1, .ack = 1501, .wnd = PEER_WND);
    text_out(&c, 1501, 40, .flags = ACK | PSH);
    /* switching Nagle off lets go what it held */
    write_pattern(&c, 1541, 5);
    hx_quiet(c.h, NOW);
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_NODELAY, 1), 0);
    hx_flush(c.h);
    text_out(&c, 1541, 5, .flags = ACK | PSH);
    leave(&c);
}
END_TEST

/* shows: MUST-60 MAY-16 SHLD-27 */
START_TEST(cork_and_more)
{
    struct conv c = reach(EST);
    struct hx *h = c.h;
    char b[3000];
    memset(b, 'a', sizeof b);
    knob_set(h, "net.ipv4.tcp_rto_min_var", "0");
    ck_assert_int_eq(td_send(h->st, c.s, b, 100, MSG_MORE), 100);
    hx_quiet(h, MS(50));
    ck_assert_int_eq(td_send(h->st, c.s, b, 100, 0), 100);
    hx_flush(h);
    text_out(&c, 1, 200, .flags = ACK | PSH); /* collapsed into one, one PSH */
    tcp_in(h, MS(60), .flags = ACK, .seq = 1, .ack = 201, .wnd = PEER_WND);
    ck_assert_int_eq(set_opt(h, c.s, IPPROTO_TCP, TCP_CORK, 1), 0);
    ck_assert_int_eq(td_send(h->st, c.s, b, 2000, 0), 2000);
    hx_flush(h);
    text_out(&c, 201, 1460, .flags = ACK);
    ck_assert_int_eq(set_opt(h, c.s, IPPROTO_TCP, TCP_CORK, 0), 0);
    hx_flush(h);
    text_out(&c, 1661, 540, .flags = ACK | PSH);
    tcp_in(h, MS(70), .flags = ACK, .seq = 1, .ack = 2201, .wnd = PEER_WND);
    /* not for ever: the override timer */
    ck_assert_int_eq(set_opt(h, c.s, IPPROTO_TCP, TCP_CORK, 1), 0);
    ck_assert_int_eq(td_send(h->st, c.s, b, 10, 0), 10);
    hx_quiet(h, MS(260));
    tcp_out(h, MS(270), .flags = ACK | PSH, .seq = 2201, .ack = 1, .len = 10);
    leave(&c);
}
END_TEST

/* shows: MUST-38 ATK-TCPR-20 */
START_TEST(no_silly_segments)
{
    struct conv c = reach(EST);
    conv_tcb(&c)->cc.cwnd = 1 << 20;
    write_pattern(&c, 1, 80000);
    hx_flush(c.h);
    int64_t seq = 1;
    while (hx_pending(c.h) > 0) {
        ip_out(c.h, NOW, 6);
        seq += (int64_t)c.h->got.len;
    }
    /* PEER_WND is 60000: 41 full ones */
    ck_assert_int_eq(seq, 1 + 41 * 1460);
    /* the window opens by ten at a time */
    for (int i = 1; i <= 9; i++) {
        tcp_in(c.h, MS(i), .flags = ACK, .seq = 1, .ack = seq, .wnd = 10 * i);
        hx_quiet(c.h, NOW);
    }
    /* everything is acknowledged and nothing moves: the override timer sends what fits */
    tcp_out(c.h, HX_ANYTIME, .flags = ACK, .seq = seq, .ack = 1, .len = 90);
    td_time waited = hx_now(c.h) - MS(1);
    ck_assert_uint_ge(waited, MS(100));
    ck_assert_uint_le(waited, SEC(1));
    leave(&c);
    /* half of the largest window ever seen is enough */
    c = reach(LIS);
    c.s = hx_tcp_accept(c.h, c.l, NOW, 1000);
    write_pattern(&c, 1, 5000);
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    tcp_in(c.h, MS(1), .flags = ACK, .seq = 1, .ack = 1001, .wnd = 499);
    hx_quiet(c.h, NOW);
    tcp_in(c.h, MS(2), .flags = ACK, .seq = 1, .ack = 1001, .wnd = 500);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1001, .ack = 1, .len = 500);
    leave(&c);
}
END_TEST

/* shows: MUST-34 SHLD-15 SHLD-16 SHLD-17 ATK-TCPI-16 */
START_TEST(shrinking_window)
{
    struct conv c = reach(EST);
    knob_set(c.h, "net.ipv4.tcp_probe_octet", "1");
    write_pattern(&c, 1, 20000);
    hx_flush(c.h);
    for (int i = 0; i < 10; i++) { /* two bursts of half a window */
        text_out(&c, 1 + i * 1460, 1460, .flags = ACK | (i % 5 == 4 ? PSH : 0));
    }
    /* the edge moves back behind what is in flight: nothing new goes … */
    tcp_in(c.h, MS(10), .flags = ACK, .seq = 1, .ack = 1461, .wnd = 3000);
    ck_assert_uint_eq(hx_event(c.h, "tcp-window-shrunk"), 1);
    hx_quiet(c.h, MS(150));
    /* … what was sent is repeated, inside the window … */
    tcp_out(c.h, HX_ANYTIME, .flags = ACK, .seq = 1461, .ack = 1, .len = 1460);
    /* … and not given up on while the peer answers, however long that goes */
    for (int i = 0; i < 40; i++) {
        tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1461, .wnd = HX_ZERO);
        tcp_out(c.h, HX_ANYTIME, .flags = ACK, .seq = 1461, .ack = 1, .len = 1);
    }
    assert_state(&c, TCPS_ESTABLISHED);
    /* it opens: all of it goes again */
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1461, .wnd = PEER_WND);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1461, .ack = 1, .len = 1460);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* shows: 5681-01 7323-10 */
START_TEST(never_beyond_the_window)
{
    struct conv c = reach(EST);
    struct tcb *t = conv_tcb(&c);
    write_pattern(&c, 1, 200000);
    uint32_t x = 12345;
    int64_t acked = 1;
    int64_t edge = 1 + PEER_WND;
    int64_t sent = 1;
    hx_flush(c.h);
    for (int round = 0; round < 300 && acked < 190000; round++) {
        while (hx_pending(c.h) > 0) {
            ip_out(c.h, HX_ANYTIME, 6);
            int64_t from = (int64_t)(c.h->got.tcp.seq - hx_conn(c.h, HX_PEER, 40000, 80)->iss);
            int64_t to = from + (int64_t)c.h->got.len;
            ck_assert_int_le(to, edge);
            ck_assert_int_le(to - acked, (int64_t)t->cc.cwnd);
            sent = to > sent ? to : sent;
        }
        x = x * 1664525 + 1013904223;
        acked += (sent - acked) * (int64_t)(x >> 24) / 255;
        uint32_t w = (x >> 8) % 60000;
        edge = acked + w > edge ? acked + w : edge;
        tcp_in(c.h, hx_now(c.h) + MS(10), .flags = ACK, .seq = 1, .ack = acked,
               .wnd = w == 0 ? HX_ZERO : (int64_t)w);
    }
    ck_assert_int_gt(acked, 100000);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* shows: MUST-16 */
START_TEST(effective_send_mss)
{
    static const struct {
        uint16_t offer;
        uint32_t mtu;
        uint16_t want;
    } t[] = {
        {9000, 1500, 1460}, {1460, 1500, 1460}, {700, 1500, 700},
        {1460, 1000, 960},  {65535, 576, 536},
    };
    for (unsigned i = 0; i < 5; i++) {
        struct conv c = conv_new(TD_PROFILE_LINUX);
        ck_assert_int_eq(td_if_set_mtu(c.h->st, c.h->ifindex, t[i].mtu), 0);
        c = reach_in(c, LIS);
        tcp_in(c.h, NOW, .flags = SYN, .seq = 0, .wnd = 50000, .opts = {.mss = t[i].offer});
        tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1,
                .opts = {.mss = (uint16_t)(t[i].mtu - 40)});
        tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 50000);
        c.s = td_accept(c.h->st, c.l, NULL, NULL);
        c.rcv = 1;
        write_pattern(&c, 1, 2u * t[i].want);
        hx_flush(c.h);
        text_out(&c, 1, t[i].want, .flags = ACK);
        text_out(&c, 1 + t[i].want, t[i].want, .flags = ACK | PSH);
        leave(&c);
    }
}
END_TEST

/* shows: MAY-3 */
START_TEST(mss_is_always_offered)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    ck_assert_int_eq(td_if_set_mtu(c.h->st, c.h->ifindex, 576), 0);
    c.s = hx_tcp_connect(c.h, 80, HX_PEER, 40000);
    tcp_out(c.h, NOW, .flags = SYN, .seq = HX_ZERO, .opts = {.mss = 536});
    leave(&c);
}
END_TEST

/* shows: ATK-TCPH-05 ATK-TCPR-12 */
START_TEST(tiny_mss)
{
    const uint16_t offers[] = {1, 7, 12, 47};
    for (unsigned i = 0; i < 5; i++) {
        struct conv c = reach(LIS);
        if (i < 4) {
            tcp_in(c.h, NOW, .flags = SYN, .seq = 0, .wnd = 50000, .opts = {.mss = offers[i]});
        } else {
            tcp_in(c.h, NOW, .flags = SYN, .seq = 0, .wnd = 50000,
                   .opts = {.raw = "\x02\x04\x00\x00", .raw_len = 4});
        }
        tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
        tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 50000);
        ck_assert_uint_ge(conv_tcb(&c)->mss, 64);
        leave(&c);
    }
}
END_TEST

/* shows: MUST-48 MUST-49 SHLD-21 SHLD-22 9293-U22 */
START_TEST(tos_and_ttl)
{
    struct conv c = reach(EST);
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_IP, IP_TOS, 0xb8), 0);
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_IP, IP_TTL, 3), 0);
    ck_assert_int_eq(get_opt(c.h, c.s, IPPROTO_IP, IP_TOS), 0xb8);
    write_pattern(&c, 1, 10);
    hx_flush(c.h);
    text_out(&c, 1, 10, .flags = ACK | PSH, .tos = 0xb8, .ttl = 3);
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_IP, IP_TOS, 0x28), 0);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 11, .wnd = PEER_WND, .len = 4,
           .tos = 0x48); /* the peer's changes too: no reset */
    tcp_out(c.h, NOW, .flags = ACK, .seq = 11, .ack = 5, .tos = 0x28, .ttl = 3);
    assert_state(&c, TCPS_ESTABLISHED);
    leave(&c);
}
END_TEST

/* shows: 9293-U10 */
START_TEST(ack_of_the_handshake_may_carry_text)
{
    /* the user writes from its notification, in the same flush: the ACK need not go alone */
    struct conv c = reach(SYS);
    struct tcb *t = conv_tcb(&c);
    ck_assert_uint_eq(sndbuf_write(&c.h->st->mem, &t->snd, "GET", 3), 3);
    tcp_in(c.h, MS(1), .flags = SYN | ACK, .seq = 0, .ack = 1, .wnd = PEER_WND);
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 3, .data = "GET");
    leave(&c);
}
END_TEST

/* The interface's queue is not flooded, and what was held back goes when it drains. */
START_TEST(egress_queue_is_bounded)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.tcp_limit_output_bytes", "8000");
    c = reach_in(c, EST);
    conv_tcb(&c)->cc.cwnd = 1 << 20;
    c.h->busy = true;
    write_pattern(&c, 1, 50000);
    hx_flush(c.h);
    uint64_t waiting = netif_backlog(netif_by_index(c.h->st, c.h->ifindex));
    ck_assert_uint_ge(waiting, 6000);
    ck_assert_uint_le(waiting, 8000 + 1514);
    ck_assert_uint_eq(hx_pending(c.h), 0);
    c.h->busy = false;
    td_if_ready(c.h->st, c.h->ifindex);
    hx_flush(c.h);
    hx_until(c.h, MS(20));
    size_t got = 0;
    while (hx_pending(c.h) > 0) {
        ip_out(c.h, HX_ANYTIME, 6);
        got += c.h->got.len;
    }
    ck_assert_uint_eq(got, 50000);
    leave(&c);
}
END_TEST

/* No memory for a packet: nothing is lost, it goes a little later. */
START_TEST(no_memory_for_a_segment)
{
    struct conv c = reach(EST);
    write_pattern(&c, 1, 10);
    c.h->fail_alloc = 1;
    hx_flush(c.h);
    c.h->fail_alloc = 0;
    ck_assert_uint_eq(hx_event(c.h, "tcp-no-memory"), 1);
    tcp_out(c.h, HX_ANYTIME, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 10);
    ck_assert_uint_le(hx_now(c.h), SEC(1));
    leave(&c);
    c = reach(EST); /* an acknowledgment */
    tcp_in(c.h, NOW, .flags = ACK, .seq = 101, .ack = 1, .wnd = PEER_WND, .len = 10);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1);
    leave(&c);
}
END_TEST

/* shows: 3042-01 3042-02 5681-19 */
START_TEST(limited_transmit)
{
    struct conv c = reach(EST);
    struct tcb *t = conv_tcb(&c);
    t->cc.cwnd = 4 * 1460;
    write_pattern(&c, 1, 30 * 1460);
    hx_flush(c.h);
    for (int i = 0; i < 4; i++) { /* two bursts of half a window */
        text_out(&c, 1 + i * 1460, 1460, .flags = ACK | (i % 2 == 1 ? PSH : 0));
    }
    tcp_in(c.h, MS(10), .flags = ACK, .seq = 1, .ack = 1, .wnd = PEER_WND);
    text_out(&c, 1 + 4 * 1460, 1460, .flags = ACK);
    ck_assert_uint_eq(t->cc.cwnd, 4 * 1460);
    tcp_in(c.h, MS(11), .flags = ACK, .seq = 1, .ack = 1, .wnd = PEER_WND);
    text_out(&c, 1 + 5 * 1460, 1460, .flags = ACK);
    ck_assert_uint_eq(t->cc.cwnd, 4 * 1460);
    hx_quiet(c.h, NOW);
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp output rules");
    TCase *tc = tcase_create("output");
    tcase_add_test(tc, segments_are_full_and_right);
    tcase_add_test(tc, nagle_as_the_rfc_has_it);
    tcase_add_test(tc, nagle_as_linux_has_it);
    tcase_add_test(tc, cork_and_more);
    tcase_add_test(tc, no_silly_segments);
    tcase_add_test(tc, shrinking_window);
    tcase_add_test(tc, never_beyond_the_window);
    tcase_add_test(tc, effective_send_mss);
    tcase_add_test(tc, mss_is_always_offered);
    tcase_add_test(tc, tiny_mss);
    tcase_add_test(tc, tos_and_ttl);
    tcase_add_test(tc, ack_of_the_handshake_may_carry_text);
    tcase_add_test(tc, egress_queue_is_bounded);
    tcase_add_test(tc, no_memory_for_a_segment);
    tcase_add_test(tc, limited_transmit);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
