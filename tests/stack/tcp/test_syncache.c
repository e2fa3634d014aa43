/* Half-open connections as records (RFC 4987 3.5): what they cost, repeat, answer and become. What
 * SYN-RECEIVED does with each event is in test_input_sync.c and test_timer_states.c. */
#include "check_main.h"
#include "tcp_talk.h"

static int listener(struct hx *h, uint16_t port, int backlog)
{
    int s = td_socket(h->st, AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in sa = td_sockaddr(0, port);
    ck_assert_int_eq(td_bind(h->st, s, (const struct sockaddr *)&sa, sizeof sa), 0);
    ck_assert_int_eq(td_listen(h->st, s, backlog), 0);
    return s;
}

static const struct hx_opts all_options = {
    .mss = 1400, .wscale = 5 + 1, .sack_perm = true, .ts = true, .ts_val = 1000};

/* shows: 4987-02 4987-06 */
START_TEST(record_is_small)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    struct hx *h = c.h;
    c.l = listener(h, 80, 4000);
    h->any_tx = true;
    uint64_t before = h->st->mem.used_by[MEM_TCP];
    for (uint32_t i = 0; i < 1000; i++) {
        tcp_in(h, NOW, .sport = (uint16_t)(2000 + i), .flags = SYN, .seq = 0, .wnd = 1000,
               .opts = {.mss = 1460, .wscale = 3}, .len = 500); /* with text, which isn't kept */
        h->nconns = 0;
    }
    ck_assert_uint_eq(h->st->tcp->ntcb, 1);
    ck_assert_uint_le((h->st->mem.used_by[MEM_TCP] - before) / 1000, 256);
    hx_until(h, SEC(64)); /* 1 + 2 + 4 + 8 + 16 + 32 s */
    ck_assert_uint_eq(h->st->mem.used_by[MEM_TCP], before);
    ck_assert_uint_eq(h->st->tcp->eps.count, 1);
    h->any_tx = false;
    hx_drain(h);
    leave(&c);
}
END_TEST

/* A SYN-ACK that comes again, by the timer or because the SYN did, says what the first one said. */
START_TEST(repeated_syn_ack_is_the_same)
{
    struct conv c = reach(LIS);
    struct hx *h = c.h;
    tcp_in(h, NOW, .flags = SYN | TCP_ECE | TCP_CWR, .seq = 0, .wnd = 1000, .opts = all_options);
    tcp_out(h, NOW, .flags = SYN | ACK | TCP_ECE, .seq = HX_ZERO, .ack = 1);
    const struct tcp_hdr first = h->got.tcp;
    ck_assert(first.o.has_ts && first.o.has_wscale && first.o.has_sack_perm && first.o.has_mss);
    const td_time at[] = {MS(300), SEC(1), SEC(3), SEC(7)};
    for (unsigned i = 0; i < 4; i++) {
        if (i == 0) {
            tcp_in(h, at[i], .flags = SYN | TCP_ECE | TCP_CWR, .seq = 0, .wnd = 1000,
                   .opts = all_options);
        }
        tcp_out(h, at[i], .flags = SYN | ACK | TCP_ECE, .seq = HX_ZERO, .ack = 1);
        ck_assert_uint_eq(h->got.tcp.seq, first.seq);
        ck_assert_uint_eq(h->got.tcp.wnd, first.wnd);
        ck_assert_uint_eq(h->got.tcp.o.mss, first.o.mss);
        ck_assert_uint_eq(h->got.tcp.o.wscale, first.o.wscale);
        ck_assert(h->got.tcp.o.has_sack_perm && h->got.tcp.o.has_wscale);
        ck_assert_uint_eq(h->got.tcp.o.ts_ecr, 1000);
        ck_assert_uint_eq(h->got.tcp.o.ts_val - first.o.ts_val,
                          at[i] / TD_MS); /* its clock goes on */
    }
    /* what was agreed on holds for the connection, whatever the knobs say now */
    knob_set(h, "net.ipv4.tcp_sack", "0");
    knob_set(h, "net.ipv4.tcp_window_scaling", "0");
    tcp_in(h, SEC(8), .flags = ACK, .seq = 1, .ack = 1, .wnd = 300,
           .opts = {.ts = true, .ts_val = 1200, .ts_ecr = first.o.ts_val});
    assert_state(&c, TCPS_ESTABLISHED);
    const struct tcb *t = conv_tcb(&c);
    ck_assert(t->sack_ok && t->ts_ok && t->ecn_ok);
    ck_assert_uint_eq(t->snd_wnd, 300u << 5);
    ck_assert_uint_eq(t->rcv_wscale, first.o.wscale);
    ck_assert_uint_eq(t->mss, 1400 - 12);
    ck_assert_uint_eq(t->ts_recent, 1200);
    ck_assert_uint_eq(t->cc.cwnd, (uint32_t)t->mss); /* a SYN-ACK was lost: RFC 5681 3.1 */
    ck_assert_uint_eq(t->total_retrans, 4);
    leave(&c);
}
END_TEST

/* Two hosts that repeat themselves at each other: one answer in half a second. */
START_TEST(syn_again_is_answered_so_often)
{
    struct conv c = reach(SYR);
    struct hx *h = c.h;
    for (unsigned i = 1; i <= 5; i++) {
        tcp_in(h, MS(100 * i), .flags = SYN, .seq = 0, .wnd = PEER_WND, .opts = {.mss = 1460});
    }
    ck_assert_uint_eq(hx_pending(h), 1);
    hx_drain(h);
    tcp_in(h, MS(700), .flags = SYN, .seq = 0, .wnd = PEER_WND, .opts = {.mss = 1460});
    tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    tcp_in(h, MS(710), .flags = ACK, .seq = 1, .ack = 1, .wnd = PEER_WND);
    assert_state(&c, TCPS_ESTABLISHED);
    leave(&c);
}
END_TEST

/* The user's settings are those of the moment the connection is made. */
START_TEST(listener_options_at_the_end_of_the_handshake)
{
    struct conv c = reach(SYR);
    struct hx *h = c.h;
    set_opt(h, c.l, IPPROTO_TCP, TCP_NODELAY, 1);
    tcp_in(h, MS(5), .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
    c.s = td_accept(h->st, c.l, NULL, NULL);
    ck_assert_int_eq(get_opt(h, c.s, IPPROTO_TCP, TCP_NODELAY), 1);
    ck_assert_uint_eq(info(&c).tcpi_rtt, 5000); /* and the handshake was a round trip measured */
    leave(&c);
}
END_TEST

/* shows: ATK-ICMP-05 */
START_TEST(icmp_errors)
{
    static const struct {
        uint8_t type, code;
        bool ends;
    } errors[] = {{3, 0, true}, {3, 1, true}, {11, 0, true}, {3, 2, false}, {3, 3, false}};
    for (unsigned i = 0; i < 5; i++) {
        for (int k = 0; k < 2; k++) { /* k 1: the rfc profile, no soft error ends anything */
            struct conv c = reach_in(conv_new(k == 0 ? TD_PROFILE_LINUX : TD_PROFILE_RFC), LIS);
            struct hx *h = c.h;
            tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = 1000);
            tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
            conv_half_open(&c)->iss++; /* a quote that isn't of our SYN-ACK */
            hx_icmp_error_in(h, MS(1), HX_ROUTER, errors[i].type, errors[i].code, 0, 8);
            assert_state(&c, TCPS_SYN_RECEIVED);
            ck_assert_uint_eq(hx_event(h, "tcp-drop-icmp"), 1);
            conv_half_open(&c)->iss--;
            hx_icmp_error_in(h, MS(2), HX_ROUTER, errors[i].type, errors[i].code, 0, 8);
            assert_state(&c, errors[i].ends && k == 0 ? TCPS_CLOSED : TCPS_SYN_RECEIVED);
            ck_assert_int_eq(td_poll(h->st, c.l), 0);
            leave(&c);
        }
    }
}
END_TEST

START_TEST(paws)
{
    struct conv c = reach(LIS);
    struct hx *h = c.h;
    tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = 1000, .opts = all_options);
    tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    uint32_t val = h->got.tcp.o.ts_val;
    tcp_in(h, MS(5), .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000,
           .opts = {.ts = true, .ts_val = 900, .ts_ecr = val});
    tcp_out(h, NOW, .flags = ACK, .seq = 1, .ack = 1, .opts = {.ts = true, .ts_ecr = 1000});
    assert_state(&c, TCPS_SYN_RECEIVED);
    ck_assert_uint_eq(hx_counter(h, "TcpExtPAWSEstab"), 1);
    tcp_in(h, MS(6), .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000,
           .opts = {.ts = true, .ts_val = 1005, .ts_ecr = val});
    assert_state(&c, TCPS_ESTABLISHED);
    leave(&c);
}
END_TEST

/* RFC 4987 3.3: while the queue is more than half full of handshakes that go nowhere, they are
 * given up earlier. */
/* shows: 4987-01 */
START_TEST(given_up_earlier_when_crowded)
{
    for (int crowd = 0; crowd < 2; crowd++) {
        struct conv c = conv_new(TD_PROFILE_LINUX);
        struct hx *h = c.h;
        c.l = listener(h, 80, 16);
        h->any_tx = true;
        for (uint16_t p = 0; p < (crowd ? 12 : 6); p++) {
            tcp_in(h, NOW, .sport = (uint16_t)(50000 + p), .flags = SYN, .seq = 0, .wnd = 1000);
        }
        hx_until(h, SEC(8)); /* 1 + 2 + 4: two repetitions, and the third's time */
        ck_assert_uint_eq(h->st->tcp->eps.count, crowd ? 9 : 7); /* until half are left */
        hx_until(h, SEC(64));
        ck_assert_uint_eq(h->st->tcp->eps.count, 1);
        h->any_tx = false;
        hx_drain(h);
        leave(&c);
    }
}
END_TEST

START_TEST(syncnt_of_the_listener)
{
    struct conv c = reach(LIS);
    struct hx *h = c.h;
    set_opt(h, c.l, IPPROTO_TCP, TCP_SYNCNT, 2);
    tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = 1000);
    tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    tcp_out(h, SEC(1), .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    tcp_out(h, SEC(3), .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    hx_quiet(h, SEC(8));
    assert_state(&c, TCPS_CLOSED);
    ck_assert_uint_eq(hx_event(h, "tcp-give-up"), 1);
    leave(&c);
}
END_TEST

/* TCP_DEFER_ACCEPT: 5 s are 3 repetitions (1, 2, 4 s). The peer has acknowledged, so nothing is
 * repeated until the last one, after which a bare ACK counts. */
START_TEST(defer_accept_runs_out)
{
    struct conv c = reach(LIS);
    struct hx *h = c.h;
    ck_assert_int_eq(set_opt(h, c.l, IPPROTO_TCP, TCP_DEFER_ACCEPT, 5), 0);
    ck_assert_int_eq(get_opt(h, c.l, IPPROTO_TCP, TCP_DEFER_ACCEPT), 7);
    tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = 1000);
    tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    tcp_in(h, MS(10), .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
    assert_state(&c, TCPS_SYN_RECEIVED);
    ck_assert_uint_eq(hx_counter(h, "TcpExtTCPDeferAcceptDrop"), 1);
    tcp_out(h, SEC(7), .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    tcp_in(h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
    assert_state(&c, TCPS_ESTABLISHED);
    ck_assert_int_eq(td_poll(h->st, c.l) & POLLIN, POLLIN);
    leave(&c);
}
END_TEST

/* A batch in which the last ACK, text and FIN come at once. */
START_TEST(all_at_once)
{
    struct conv c = reach(SYR);
    const struct burst_seg b[] = {{.seq = 1, .ack = 1, .flags = ACK},
                                  {.seq = 1, .ack = 1, .flags = ACK | PSH, .len = 20},
                                  {.seq = 21, .ack = 1, .flags = ACK | FIN}};
    burst_in(&c, b, 3);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 22);
    assert_state(&c, TCPS_CLOSE_WAIT);
    c.s = td_accept(c.h->st, c.l, NULL, NULL);
    read_pattern(&c, 1, 20);
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp syncache");
    TCase *tc = tcase_create("syncache");
    tcase_add_test(tc, record_is_small);
    tcase_add_test(tc, repeated_syn_ack_is_the_same);
    tcase_add_test(tc, syn_again_is_answered_so_often);
    tcase_add_test(tc, listener_options_at_the_end_of_the_handshake);
    tcase_add_test(tc, icmp_errors);
    tcase_add_test(tc, paws);
    tcase_add_test(tc, given_up_earlier_when_crowded);
    tcase_add_test(tc, syncnt_of_the_listener);
    tcase_add_test(tc, defer_accept_runs_out);
    tcase_add_test(tc, all_at_once);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
