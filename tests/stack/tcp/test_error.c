/* ICMP errors about TCP segments: soft, hard, path MTU, and forgeries (RFC 9293 3.9.2.2, RFC 5927,
 * RFC 1191). */
#include "check_main.h"
#include "tcp_states.h"

/* Hands in an ICMP error that quotes a segment of ours with this (relative) number. */
static void icmp_about(struct conv *c, uint8_t type, uint8_t code, uint32_t word, int64_t seq,
                       uint16_t size, td_ip4 dst, uint16_t dport)
{
    uint8_t q[28];
    const struct ipv4_hdr ip = {.hlen = 20,
                                .ttl = 60,
                                .proto = 6,
                                .flags = IPV4_DF,
                                .src = HX_US,
                                .dst = dst,
                                .total_len = size};
    (void)ipv4_emit(&ip, q);
    wire_put16(q + 20, 80);
    wire_put16(q + 22, dport);
    wire_put32(q + 24, (uint32_t)seq + hx_conn(c->h, HX_PEER, 40000, 80)->iss);
    icmp_in(c->h, NOW, .src = HX_ROUTER, .type = type, .code = code, .word = word, .data = q,
            .len = sizeof q);
}
#define icmp(c, type, code, word, seq)                                                             \
    icmp_about((c), (type), (code), (word), (seq), 1500, HX_PEER, 40000)

/* Full segments in flight: 1, 1461, 2921. */
static struct conv in_flight(enum td_profile p)
{
    struct conv c = reach_in(conv_new(p), EST);
    write_pattern(&c, 1, 3 * 1460);
    hx_flush(c.h);
    hx_drain(c.h);
    c.nxt = 1 + 3 * 1460;
    return c;
}

/* shows: MUST-56 MUST-47 SHLD-25 SHLD-20 5927-02 ATK-ICMP-05 9293-U11 */
START_TEST(errors_are_soft_once_connected)
{
    static const uint8_t e[][2] = {{3, 0},  {3, 1},  {3, 2},  {3, 3},  {3, 5},  {3, 6},
                                   {3, 7},  {3, 8},  {3, 9},  {3, 10}, {3, 11}, {3, 12},
                                   {3, 13}, {3, 15}, {11, 0}, {11, 1}, {12, 0}};
    for (unsigned i = 0; i < sizeof e / sizeof e[0]; i++) {
        struct conv c = in_flight(TD_PROFILE_LINUX);
        icmp(&c, e[i][0], e[i][1], 0, 1);
        assert_state(&c, TCPS_ESTABLISHED);
        ck_assert_uint_eq(hx_event(c.h, "tcp-soft-error"), 1);
        ck_assert_int_eq(so_error(c.h, c.s), 0); /* not told unless asked (SHLD-20) */
        ck_assert_int_ne(conv_tcb(&c)->soft_err, 0);
        tcp_out(c.h, HX_ANYTIME, .flags = ACK, .seq = 1, .ack = 1,
                .len = 1460); /* retransmission goes on */
        /* asked: told at once, and still connected */
        ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_IP, IP_RECVERR, 1), 0);
        icmp(&c, e[i][0], e[i][1], 0, 1);
        ck_assert(td_poll(c.h->st, c.s) & POLLERR);
        ck_assert_int_ne(so_error(c.h, c.s), 0);
        assert_state(&c, TCPS_ESTABLISHED);
        tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = c.nxt, .wnd = PEER_WND);
        ck_assert_uint_eq(conv_tcb(&c)->snd.len, 0);
        leave(&c);
    }
}
END_TEST

/* The soft error is what the user hears when it comes to giving up. */
START_TEST(soft_error_explains_the_end)
{
    struct conv c = in_flight(TD_PROFILE_LINUX);
    icmp(&c, 3, 1, 0, 1);
    hx_until(c.h, SEC(2000));
    hx_drain(c.h);
    assert_state(&c, TCPS_CLOSED);
    ck_assert_int_eq(so_error(c.h, c.s), EHOSTUNREACH);
    leave(&c);
}
END_TEST

/* shows: SHLD-26 1122-I158 */
START_TEST(hard_errors_end_an_attempt)
{
    static const struct {
        uint8_t code;
        int err;
    } e[] = {{2, ENOPROTOOPT}, {3, ECONNREFUSED}};
    for (unsigned i = 0; i < 2; i++) {
        struct conv c = reach_in(conv_new(TD_PROFILE_RFC), SYS);
        icmp(&c, 3, e[i].code, 0, 0);
        assert_state(&c, TCPS_CLOSED);
        ck_assert_int_eq(so_error(c.h, c.s), e[i].err);
        hx_quiet(c.h, SEC(100));
        leave(&c);
    }
}
END_TEST

/* shows: MUST-56 5927-06 */
START_TEST(soft_errors_and_an_attempt)
{
    struct conv c = reach_in(conv_new(TD_PROFILE_RFC), SYS); /* the RFC's rule */
    icmp(&c, 3, 1, 0, 0);
    icmp(&c, 3, 0, 0, 0);
    icmp(&c, 3, 5, 0, 0);
    icmp(&c, 11, 0, 0, 0);
    icmp(&c, 12, 0, 0, 0);
    assert_state(&c, TCPS_SYN_SENT);
    tcp_out(c.h, HX_ANYTIME, .flags = SYN, .seq = HX_ZERO);
    leave(&c);
    c = reach(SYS); /* Linux's */
    icmp(&c, 3, 1, 0, 0);
    assert_state(&c, TCPS_CLOSED);
    ck_assert_int_eq(so_error(c.h, c.s), EHOSTUNREACH);
    leave(&c);
}
END_TEST

/* shows: MUST-54 5927-01 ATK-ICMP-05 */
START_TEST(only_the_connection_that_caused_it)
{
    struct conv c = in_flight(TD_PROFILE_LINUX);
    struct tcb *t = conv_tcb(&c);
    icmp_about(&c, 3, 1, 0, 1, 1500, HX_PEER, 40001); /* another port */
    icmp_about(&c, 3, 1, 0, 1, 1500, HX_FAR, 40000);  /* another host */
    ck_assert_int_eq(t->soft_err, 0);
    const int64_t bad[] = {0, -1, c.nxt, c.nxt + 1, 1000000, -100000};
    for (unsigned i = 0; i < 6; i++) { /* a number that isn't in flight */
        icmp(&c, 3, 1, 0, bad[i]);
        icmp(&c, 3, 4, 600, bad[i]);
        ck_assert_int_eq(t->soft_err, 0);
        ck_assert_uint_eq(t->mss, 1460);
    }
    ck_assert_uint_eq(hx_event(c.h, "tcp-drop-icmp"), 14);
    icmp(&c, 3, 1, 0, c.nxt - 1);
    ck_assert_int_eq(t->soft_err, EHOSTUNREACH);
    leave(&c);
    c = reach(SYS); /* an attempt, too */
    icmp(&c, 3, 3, 0, 5);
    assert_state(&c, TCPS_SYN_SENT);
    leave(&c);
}
END_TEST

/* shows: MUST-55 5927-03 ATK-ICMP-06 */
START_TEST(source_quench_means_nothing)
{
    struct conv c = in_flight(TD_PROFILE_LINUX);
    struct tcb *t = conv_tcb(&c);
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_IP, IP_RECVERR, 1), 0);
    uint32_t cwnd = t->cc.cwnd;
    for (int i = 0; i < 100; i++) { /* numbers in flight, and others */
        icmp(&c, 4, 0, 0, i % 2 == 0 ? 1 : 1000000 + i);
    }
    ck_assert_uint_eq(t->cc.cwnd, cwnd);
    ck_assert_int_eq(t->soft_err, 0);
    ck_assert_int_eq(so_error(c.h, c.s), 0);
    hx_quiet(c.h, NOW);
    leave(&c);
}
END_TEST

/* shows: 5681-07 5927-04 */
START_TEST(smaller_path)
{
    struct conv c = in_flight(TD_PROFILE_LINUX);
    struct tcb *t = conv_tcb(&c);
    uint32_t cwnd = t->cc.cwnd;
    icmp(&c, 3, 4, 1000, 1);
    ck_assert_uint_eq(t->mss, 960);
    ck_assert_uint_eq(t->cc.cwnd, cwnd / 1460 * 960); /* the same in segments, no congestion */
    for (int i = 0; i < 4; i++) {                  /* all of it again, smaller, at once */
        tcp_out(c.h, NOW, .flags = ACK, .seq = 1 + i * 960, .ack = 1, .len = 960);
    }
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 3841, .ack = 1, .len = 540);
    ck_assert_uint_eq(hx_event(c.h, "tcp-pmtu"), 1);
    ck_assert_uint_eq(hx_event(c.h, "tcp-rto"), 0);
    tcp_in(c.h, MS(5), .flags = ACK, .seq = 1, .ack = c.nxt, .wnd = PEER_WND);
    /* from now on */
    write_pattern(&c, c.nxt, 1000);
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = ACK, .seq = c.nxt, .ack = 1, .len = 960);
    hx_drain(c.h);
    leave(&c);
    /* a router that doesn't say how much: the plateau below 1500 */
    c = in_flight(TD_PROFILE_LINUX);
    icmp(&c, 3, 4, 0, 1);
    ck_assert_uint_lt(conv_tcb(&c)->mss, 1460);
    ck_assert_uint_ge(conv_tcb(&c)->mss, 552 - 40);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* shows: 5927-04 */
START_TEST(smaller_path_that_cannot_be)
{
    struct conv c = in_flight(TD_PROFILE_LINUX);
    struct tcb *t = conv_tcb(&c);
    knob_set(c.h, "net.ipv4.tcp_pmtu_verify", "1");
    icmp(&c, 3, 4, 1500, 1); /* no less than what was sent */
    icmp(&c, 3, 4, 9000, 1);
    icmp(&c, 3, 4, 20, 1); /* less than any path */
    ck_assert_uint_eq(t->mss, 1460);
    hx_quiet(c.h, NOW);
    /* segments of this size have got through: it counts only if one times out now */
    tcp_in(c.h, MS(1), .flags = ACK, .seq = 1, .ack = 1461, .wnd = PEER_WND);
    icmp(&c, 3, 4, 1000, 1461);
    ck_assert_uint_eq(t->mss, 1460);
    hx_quiet(c.h, NOW);
    tcp_out(c.h, HX_ANYTIME, .flags = ACK, .seq = 1461, .ack = 1, .len = 960);
    ck_assert_uint_eq(t->mss, 960);
    leave(&c);
}
END_TEST

START_TEST(listener_and_time_wait_are_deaf)
{
    struct conv c = reach(LIS);
    icmp(&c, 3, 3, 0, 0);
    ck_assert_int_eq(td_poll(c.h->st, c.l), 0);
    leave(&c);
    c = reach(TIW);
    icmp(&c, 3, 3, 0, 1);
    assert_state(&c, TCPS_TIME_WAIT);
    leave(&c);
    c = reach(SYR); /* a child of a listener isn't taken down */
    icmp(&c, 3, 3, 0, 0);
    assert_state(&c, TCPS_SYN_RECEIVED);
    leave(&c);
}
END_TEST

/* Another station claims our address, and we give it up: the connections are reset first, also those that are only half
 * open; those of another address stay. */
/* shows: 5227-10 */
START_TEST(a_lost_address)
{
    struct conv c = reach(EST);
    struct hx *h = c.h;
    knob_set(h, "net.ipv4.conf.eth0.arp_defend", "1");
    ck_assert_int_eq(td_addr_add(h->st, h->ifindex, TD_IP4(10, 0, 0, 99), 24), 0);
    hx_drain(h);
    tcp_in(h, NOW, .dst = TD_IP4(10, 0, 0, 99), .sport = 50001, .flags = SYN, .seq = 0, .wnd = 1000);
    tcp_out(h, NOW, .src = TD_IP4(10, 0, 0, 99), .dport = 50001, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    tcp_in(h, NOW, .dst = TD_IP4(10, 0, 0, 99), .sport = 50001, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
    int other = td_accept(h->st, c.l, NULL, NULL);
    ck_assert_int_ge(other, 0);
    tcp_in(h, NOW, .sport = 50002, .flags = SYN, .seq = 0, .wnd = 1000);
    tcp_out(h, NOW, .dport = 50002, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    const struct arp_pkt claim = {.op = ARP_REQUEST, .sha = {{2, 0, 0, 0, 0, 0x66}}, .spa = HX_US, .tpa = HX_US};
    hx_arp_in(h, NOW, &claim, true);
    unsigned resets = 0;
    while (hx_pending(h) > 0) {
        ip_out(h, HX_ANYTIME, IPPROTO_TCP_);
        ck_assert_uint_eq(h->got.ip.src, HX_US);
        ck_assert_uint_ne(h->got.tcp.flags & RST, 0);
        resets++;
    }
    ck_assert_uint_eq(resets, 2);
    assert_state(&c, TCPS_CLOSED);
    char b;
    ck_assert_int_eq(td_recv(h->st, c.s, &b, 1, 0), -ECONNABORTED);
    ck_assert_int_eq(td_send(h->st, other, "x", 1, 0), 1);
    hx_flush(h);
    tcp_out(h, NOW, .src = TD_IP4(10, 0, 0, 99), .dport = 50001, .flags = PSH | ACK, .seq = 1, .ack = 1, .data = "x", .len = 1);
    hx_drain(h);
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp error");
    TCase *tc = tcase_create("icmp");
    tcase_add_test(tc, errors_are_soft_once_connected);
    tcase_add_test(tc, soft_error_explains_the_end);
    tcase_add_test(tc, hard_errors_end_an_attempt);
    tcase_add_test(tc, soft_errors_and_an_attempt);
    tcase_add_test(tc, only_the_connection_that_caused_it);
    tcase_add_test(tc, source_quench_means_nothing);
    tcase_add_test(tc, smaller_path);
    tcase_add_test(tc, smaller_path_that_cannot_be);
    tcase_add_test(tc, listener_and_time_wait_are_deaf);
    tcase_add_test(tc, a_lost_address);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
