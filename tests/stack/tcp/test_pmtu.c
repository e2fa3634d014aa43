/* Path MTU discovery as TCP lives with it (RFC 1191). */
#include "check_main.h"
#include "tcp_talk.h"

/* Three full segments on the way; h->got is the first of them. */
static struct conv in_flight(void)
{
    struct conv c = talk(conv_new(TD_PROFILE_LINUX), (struct hx_opts){.mss = 1460}, 60000, 0);
    say(&c, 1, 3 * 1460);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .len = 1460);
    ck_assert((c.h->got.ip.flags & IPV4_DF) != 0);
    return c;
}

/* "Fragmentation needed" about the segment that was looked at last. */
static void too_big(struct conv *c, uint32_t mtu)
{
    hx_icmp_error_in(c->h, NOW, HX_ROUTER, 3, 4, mtu, 8);
}

/* shows: 1191-01 ATK-ICMP-07 7323-28 1812-IP31 */
START_TEST(next_hop_mtu)
{
    struct conv c = in_flight();
    too_big(&c, 1400);
    ck_assert_uint_eq(conv_tcb(&c)->mss, 1360);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1461, .ack = 1, .len = 1460); /* of before */
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 2921, .ack = 1, .len = 1460);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .len = 1360); /* cut anew */
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1361, .ack = 1, .len = 1360);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 2721, .ack = 1, .len = 1360);
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 4081, .ack = 1, .len = 300);
    leave(&c);
}
END_TEST

/* shows: 1191-02 1191-03 ATK-ICMP-07 */
START_TEST(values_that_cannot_be)
{
    static const uint32_t mtu[] = {1, 20, 67, 1500, 9000, 65535};
    struct conv c = in_flight();
    for (unsigned i = 0; i < sizeof mtu / sizeof mtu[0]; i++) {
        too_big(&c, mtu[i]);
        ck_assert_uint_eq(conv_tcb(&c)->mss, 1460);
    }
    ck_assert_uint_eq(hear(&c).segments, 2);
    leave(&c);
    c = in_flight(); /* once lowered, not raised again by another */
    too_big(&c, 1400);
    too_big(&c, 1450);
    ck_assert_uint_eq(conv_tcb(&c)->mss, 1360);
    hx_drain(c.h);
    leave(&c);
    c = in_flight(); /* an old router says nothing: the plateau below 1500 */
    too_big(&c, 0);
    ck_assert_uint_eq(conv_tcb(&c)->mss, 1492 - 40);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* shows: ATK-ICMP-07 ATK-ICMP-05 */
START_TEST(quoted_numbers_are_judged)
{
    struct conv c = in_flight();
    hear(&c);
    const struct hx_conn *k = hx_conn(c.h, HX_PEER, 40000, 80);
    static const int64_t at[] = {0, -1, 3 * 1460 + 1, 100000, 0x7fffffff};
    for (unsigned i = 0; i < sizeof at / sizeof at[0]; i++) {
        uint8_t b[28] = {0};
        const struct ipv4_hdr ip = {.hlen = 20, .ttl = 60, .proto = 6, .src = HX_US, .dst = HX_PEER,
                                    .total_len = 1500, .flags = IPV4_DF};
        (void)ipv4_emit(&ip, b);
        wire_put16(b + 20, 80);
        wire_put16(b + 22, 40000);
        wire_put32(b + 24, (uint32_t)at[i] + k->iss);
        icmp_in(c.h, NOW, .src = HX_ROUTER, .type = 3, .code = 4, .word = 600, .data = b, .len = 28);
        ck_assert_uint_eq(conv_tcb(&c)->mss, 1460);
        icmp_in(c.h, NOW, .src = HX_ROUTER, .type = 3, .code = 3, .data = b, .len = 28);
        icmp_in(c.h, NOW, .src = HX_ROUTER, .type = 3, .code = 1, .data = b, .len = 28);
    }
    ck_assert_uint_eq(hx_event(c.h, "tcp-drop-icmp"), 3 * 5);
    ck_assert_uint_eq(hx_event(c.h, "tcp-soft-error"), 0);
    assert_state(&c, TCPS_ESTABLISHED);
    leave(&c);
}
END_TEST

/* shows: 1191-06 1191-08 */
START_TEST(all_connections_of_the_path)
{
    struct conv c = in_flight();
    struct hx *h = c.h;
    hear(&c);
    tcp_in(h, NOW, .sport = 50000, .flags = SYN, .seq = 0, .wnd = 60000, .opts = {.mss = 1460});
    tcp_out(h, NOW, .dport = 50000, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1, .opts = {.mss = 1460});
    tcp_in(h, NOW, .sport = 50000, .flags = ACK, .seq = 1, .ack = 1, .wnd = 60000);
    int other = td_accept(h->st, c.l, NULL, NULL);
    /* a third to somewhere else, unmoved */
    tcp_in(h, NOW, .src = HX_FAR, .flags = SYN, .seq = 0, .wnd = 60000, .opts = {.mss = 1460});
    tcp_out(h, NOW, .dst = HX_FAR, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    tcp_in(h, NOW, .src = HX_FAR, .flags = ACK, .seq = 1, .ack = 1, .wnd = 60000);
    int far = td_accept(h->st, c.l, NULL, NULL);
    uint8_t quote[28] = {0};
    const struct ipv4_hdr ip = {.hlen = 20, .ttl = 60, .proto = 6, .src = HX_US, .dst = HX_PEER,
                                .total_len = 1500, .flags = IPV4_DF};
    (void)ipv4_emit(&ip, quote);
    wire_put16(quote + 20, 80);
    wire_put16(quote + 22, 40000);
    wire_put32(quote + 24, 1 + hx_conn(h, HX_PEER, 40000, 80)->iss);
    icmp_in(h, NOW, .src = HX_ROUTER, .type = 3, .code = 4, .word = 1000, .data = quote, .len = 28);
    hx_drain(h);
    static uint8_t b[2000];
    ck_assert_int_eq(td_send(h->st, other, b, 2000, 0), 2000);
    hx_flush(h);
    tcp_out(h, NOW, .dport = 50000, .flags = ACK, .seq = 1, .ack = 1, .len = 960);
    tcp_out(h, NOW, .dport = 50000, .flags = ACK, .seq = 961, .ack = 1, .len = 960);
    tcp_out(h, NOW, .dport = 50000, .flags = ACK | PSH, .seq = 1921, .ack = 1, .len = 80);
    ck_assert_int_eq(td_send(h->st, far, b, 1460, 0), 1460);
    hx_flush(h);
    tcp_out(h, NOW, .dst = HX_FAR, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 1460);
    /* what we take is as large as ever */
    tcp_in(h, NOW, .sport = 50001, .flags = SYN, .seq = 0, .wnd = 60000, .opts = {.mss = 1460});
    tcp_out(h, NOW, .dport = 50001, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1, .opts = {.mss = 1460});
    tcp_in(h, NOW, .sport = 50001, .flags = RST, .seq = 1);
    hx_drain(h);
    leave(&c);
}
END_TEST

/* As Linux: no slow start. */
START_TEST(a_burst_of_messages_is_one_decrease)
{
    struct conv c = in_flight();
    uint32_t cwnd = conv_tcb(&c)->cc.cwnd;
    for (int i = 0; i < 5; i++) {
        too_big(&c, 1400);
    }
    struct heard x = hear(&c);
    ck_assert_uint_eq(x.segments, 2 + 4); /* the two of before; then all that was in flight, once */
    ck_assert_uint_eq(conv_tcb(&c)->cc.cwnd / conv_tcb(&c)->mss, cwnd / 1460);
    leave(&c);
}
END_TEST

/* RFC 1191 6.4: one segment, cut anew, once however many messages come; slow start leads back to the window there was. */
/* shows: 1191-07 */
START_TEST(slow_start_after_a_decrease)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.tcp_pmtu_slow_start", "1");
    knob_set(c.h, "net.ipv4.tcp_early_retrans", "0");
    c = talk(c, (struct hx_opts){.mss = 1460}, 60000, 0);
    struct tcb *t = conv_tcb(&c);
    t->cc.ssthresh = 4 * 1460; /* congestion avoidance */
    say(&c, 1, 30 * 1460);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .len = 1460);
    for (int i = 0; i < 5; i++) {
        too_big(&c, 1400);
    }
    for (int i = 1; i < 10; i++) { /* the rest of the flight */
        ip_out(c.h, NOW, IPPROTO_TCP_);
        ck_assert_uint_eq(c.h->got.len, 1460);
    }
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .len = 1360);
    hx_quiet(c.h, MS(100));
    ck_assert_uint_eq(t->cc.cwnd, 1360);
    ck_assert_uint_eq(t->cc.ssthresh, 10 * 1360); /* the window there was */
    int64_t ack = 1;
    for (unsigned n = 1, round = 0; round < 3; round++, n *= 2) { /* 1, 2, 4 */
        ack += 1360 * (int64_t)n;
        ack_in(&c, MS(110 + 10 * round), ack, 60000);
        ck_assert_uint_eq(hear(&c).segments, 2 * n);
        ck_assert_uint_eq(t->cc.cwnd, 2 * n * 1360);
    }
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* What was learnt is forgotten after mtu_expires; then larger segments get another try. */
/* shows: 1191-04 1191-05 */
START_TEST(what_was_learnt_grows_old)
{
    struct conv c = in_flight();
    too_big(&c, 1400);
    hx_drain(c.h);
    ack_in(&c, MS(10), 4381, 60000);
    int64_t pos = 4381;
    for (int i = 0; i < 9; i++) { /* for less than ten minutes nothing changes */
        hx_until(c.h, SEC(65 * i + 1));
        say(&c, pos, 1360);
        tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = pos, .ack = 1, .len = 1360);
        pos += 1360;
        ack_in(&c, hx_now(c.h) + MS(10), pos, 60000);
    }
    ck_assert_int_eq(get_opt(c.h, c.s, IPPROTO_IP, IP_MTU), 1400);
    hx_until(c.h, SEC(601));
    say(&c, pos, 2920);
    tcp_out(c.h, NOW, .flags = ACK, .seq = pos, .ack = 1, .len = 1460);
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = pos + 1460, .ack = 1, .len = 1460);
    ck_assert_int_eq(get_opt(c.h, c.s, IPPROTO_IP, IP_MTU), 1500);
    leave(&c);
    /* the time can be set; 0 is for ever */
    for (int forever = 0; forever < 2; forever++) {
        c = conv_new(TD_PROFILE_LINUX);
        knob_set(c.h, "net.ipv4.route.mtu_expires", forever ? "0" : "5");
        c = talk(c, (struct hx_opts){.mss = 1460}, 60000, 0);
        say(&c, 1, 1460);
        tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 1460);
        too_big(&c, 1400);
        hx_drain(c.h);
        ack_in(&c, MS(10), 1461, 60000);
        hx_until(c.h, forever ? SEC(100000) : SEC(6));
        say(&c, 1461, 1460);
        tcp_out(c.h, NOW, .flags = forever ? ACK : ACK | PSH, .seq = 1461, .ack = 1,
                .len = forever ? 1360 : 1460);
        hx_drain(c.h);
        leave(&c);
    }
}
END_TEST

/* IP_MTU_DISCOVER: who doesn't discover doesn't believe messages and doesn't set DF. */
START_TEST(discovery_is_the_users_choice)
{
    static const struct {
        int mode;
        bool df, believes;
    } t[] = {{0, false, false}, {1, true, true},  {2, true, true},
             {3, false, false}, {4, false, false}, {5, false, false}};
    for (unsigned i = 0; i < 6; i++) {
        struct conv c = talk(conv_new(TD_PROFILE_LINUX), (struct hx_opts){.mss = 1460}, 60000, 0);
        ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_IP, IP_MTU_DISCOVER, t[i].mode), 0);
        ck_assert_int_eq(get_opt(c.h, c.s, IPPROTO_IP, IP_MTU_DISCOVER), t[i].mode);
        say(&c, 1, 1460);
        tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 1460);
        ck_assert_msg(((c.h->got.ip.flags & IPV4_DF) != 0) == t[i].df, "mode %d", t[i].mode);
        too_big(&c, 1400);
        ck_assert_msg(conv_tcb(&c)->mss == (t[i].believes ? 1360 : 1460), "mode %d", t[i].mode);
        ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPIcmpIgnored"), !t[i].believes);
        hx_drain(c.h);
        leave(&c);
    }
    struct conv c = conv_new(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.ip_no_pmtu_disc", "1");
    int s = td_socket(c.h->st, AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(get_opt(c.h, s, IPPROTO_IP, IP_MTU_DISCOVER), 0);
    ck_assert_int_eq(set_opt(c.h, s, IPPROTO_IP, IP_MTU_DISCOVER, -1), -EINVAL);
    ck_assert_int_eq(set_opt(c.h, s, IPPROTO_IP, IP_MTU_DISCOVER, 6), -EINVAL);
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp pmtu");
    TCase *tc = tcase_create("pmtu");
    tcase_add_test(tc, next_hop_mtu);
    tcase_add_test(tc, values_that_cannot_be);
    tcase_add_test(tc, quoted_numbers_are_judged);
    tcase_add_test(tc, all_connections_of_the_path);
    tcase_add_test(tc, what_was_learnt_grows_old);
    tcase_add_test(tc, discovery_is_the_users_choice);
    tcase_add_test(tc, a_burst_of_messages_is_one_decrease);
    tcase_add_test(tc, slow_start_after_a_decrease);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
