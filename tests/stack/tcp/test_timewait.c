/* TIME-WAIT (RFC 9293 3.6.1, RFC 1337, RFC 6191 without timestamps). */
#include "check_main.h"
#include "tcp_states.h"

/* shows: MUST-13 TSM-TIW-TIME-WAIT-TIMEOUT-1 */
START_TEST(two_msl)
{
    struct conv c = reach(TIW);
    orphan(&c);
    hx_until(c.h, SEC(59));
    tcp_in(c.h, SEC(60) - MS(1), .flags = ACK, .seq = 1000, .ack = 2, .wnd = 10, .len = 5);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 2, .ack = 2); /* still answers for the connection */
    tcp_in(c.h, SEC(60) + MS(1), .flags = ACK, .seq = 1000, .ack = 2, .wnd = 10, .len = 5);
    tcp_out(c.h, NOW, .flags = RST, .seq = 2);
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTW"), 1);
    leave(&c);
    /* the RFC's own constant: 2 * 2 minutes */
    c = reach_in(conv_new(TD_PROFILE_RFC), TIW);
    orphan(&c);
    hx_quiet(c.h, SEC(239));
    assert_state(&c, TCPS_TIME_WAIT);
    hx_quiet(c.h, SEC(241));
    assert_state(&c, TCPS_CLOSED);
    leave(&c);
}
END_TEST

/* The user closes and the record stays: CLOSED is journaled once, when that ends. */
START_TEST(closed_is_told_when_the_record_ends)
{
    struct conv c = reach(TIW);
    uint64_t before = hx_event(c.h, "tcp-state");
    orphan(&c);
    ck_assert_uint_eq(hx_event(c.h, "tcp-state"), before);
    hx_quiet(c.h, SEC(61));
    ck_assert_uint_eq(hx_event(c.h, "tcp-state"), before + 1);
    leave(&c);
    c = reach(TIW); /* the user still has it: once too */
    before = hx_event(c.h, "tcp-state");
    hx_quiet(c.h, SEC(61));
    ck_assert_uint_eq(hx_event(c.h, "tcp-state"), before + 1);
    orphan(&c);
    ck_assert_uint_eq(hx_event(c.h, "tcp-state"), before + 1);
    leave(&c);
}
END_TEST

/* shows: TSM-TIW-SEG-FIN-1 ATK-TCPI-10 */
START_TEST(fin_again_starts_2msl_over)
{
    for (int k = 0; k < 2; k++) { /* k 1: the record alone, the user has gone */
        struct conv c = reach(TIW);
        if (k == 1) {
            orphan(&c);
        }
        tcp_in(c.h, SEC(50), .flags = ACK | FIN, .seq = 1, .ack = 2, .wnd = PEER_WND);
        tcp_out(c.h, NOW, .flags = ACK, .seq = 2, .ack = 2);
        hx_quiet(c.h, SEC(109));
        assert_state(&c, TCPS_TIME_WAIT);
        tcp_in(c.h, SEC(109), .flags = ACK | FIN, .seq = 2, .ack = 2,
               .wnd = PEER_WND); /* in the window */
        tcp_out(c.h, NOW, .flags = ACK, .seq = 2, .ack = 2);
        hx_quiet(c.h, SEC(168));
        assert_state(&c, TCPS_TIME_WAIT);
        hx_quiet(c.h, SEC(170));
        assert_state(&c, TCPS_CLOSED);
        ck_assert_uint_eq(hx_event(c.h, "tcp-time-wait-restart"), 2);
        leave(&c);
    }
}
END_TEST

/* shows: 1337-01 1337-02 */
START_TEST(assassination)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.tcp_rfc1337", "1");
    c = reach_in(c, TIW);
    orphan(&c);
    /* an old duplicate draws an ACK; the reset it elicits must not end it */
    tcp_in(c.h, SEC(1), .flags = ACK, .seq = 1, .ack = 2, .wnd = 10, .len = 1);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 2, .ack = 2);
    tcp_in(c.h, SEC(1), .flags = RST, .seq = 2);
    hx_quiet(c.h, SEC(2));
    assert_state(&c, TCPS_TIME_WAIT);
    leave(&c);
    c = reach(TIW); /* the other policy, RFC 9293's */
    orphan(&c);
    tcp_in(c.h, SEC(1), .flags = RST, .seq = 2);
    assert_state(&c, TCPS_CLOSED);
    leave(&c);
    c = reach_in(conv_new(TD_PROFILE_RFC), TIW); /* the rfc profile: 1337 */
    tcp_in(c.h, SEC(1), .flags = RST, .seq = 2);
    assert_state(&c, TCPS_TIME_WAIT);
    leave(&c);
}
END_TEST

/* shows: MAY-2 TSM-TIW-SEG-SYN-3 6191-04 6191-05 ATK-TCPI-11 */
START_TEST(new_syn)
{
    struct conv c = reach(TIW);
    orphan(&c);
    uint32_t old_nxt = hx_conn(c.h, HX_PEER, 40000, 80)->iss + 2;
    /* the FIN's number, and below: no */
    tcp_in(c.h, SEC(1), .absolute = true, .flags = SYN, .seq = c.h->peer_isn + 1, .wnd = 500);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 2, .ack = 2);
    tcp_in(c.h, SEC(2), .absolute = true, .flags = SYN, .seq = c.h->peer_isn - 1000, .wnd = 500);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 2, .ack = 2);
    assert_state(&c, TCPS_TIME_WAIT);
    /* one beyond: yes, and our new number is larger than any of the old connection */
    c.h->peer_isn += 2;
    tcp_in(c.h, SEC(3), .flags = SYN, .seq = 0, .wnd = 500);
    tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    ck_assert(seq_gt(hx_conn(c.h, HX_PEER, 40000, 80)->iss, old_nxt));
    assert_state(&c, TCPS_SYN_RECEIVED);
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTWRecycled"), 1);
    tcp_in(c.h, SEC(3), .flags = ACK, .seq = 1, .ack = 1, .wnd = 500, .len = 3);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 4);
    assert_state(&c, TCPS_ESTABLISHED);
    leave(&c);
}
END_TEST

/* The old connection had sent so much that the clock's ISN lies behind its numbers. */
START_TEST(new_syn_after_much_data)
{
    struct conv c = reach(TIW);
    orphan(&c);
    struct timewait *w = container_of(conv_ep(&c), struct timewait, ep);
    w->snd_nxt += 1500000000;
    tcp_seq nxt = w->snd_nxt;
    c.h->peer_isn += 2;
    tcp_in(c.h, SEC(3), .flags = SYN, .seq = 0, .wnd = 500);
    tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    ck_assert(seq_gt(hx_conn(c.h, HX_PEER, 40000, 80)->iss, nxt));
    leave(&c);
}
END_TEST

/* Three thousand connections that we closed, from one port range, and the first ports again: no
 * stall. */
START_TEST(many)
{
    struct conv c = reach(LIS);
    c.h->any_tx = true;
    td_time t = hx_now(c.h);
    struct hx *h = c.h;
    unsigned opened = 0;
    for (unsigned i = 0; i < 6000; i++) { /* each port twice, its second SYN 100,000 beyond */
        uint16_t port = (uint16_t)(10000 + i % 3000);
        const struct tcp_tuple a = {.laddr = HX_US, .raddr = HX_PEER, .lport = 80, .rport = port};
        int64_t isn = 5000 + (int64_t)(i / 3000) * 100000;
        t += US(100);
        tcp_in(h, t, .absolute = true, .sport = port, .flags = SYN, .seq = isn, .wnd = 1000);
        struct tcp_ep *ep = tcp_ep_find(h->st, &a);
        ck_assert_msg(ep != NULL && ep->kind == TCP_EP_HALF_OPEN, "connection %u", i);
        int64_t iss = container_of(ep, struct half_open, ep)->iss;
        tcp_in(h, t, .absolute = true, .sport = port, .flags = ACK, .seq = isn + 1, .ack = iss + 1,
               .wnd = 1000);
        int s = td_accept(h->st, c.l, NULL, NULL);
        ck_assert_int_ge(s, 0);
        ck_assert_int_eq(td_close(h->st, s), 0);
        hx_flush(h);
        tcp_in(h, t, .absolute = true, .sport = port, .flags = ACK | FIN, .seq = isn + 1,
               .ack = iss + 2, .wnd = 1000);
        ep = tcp_ep_find(h->st, &a);
        ck_assert(ep != NULL && ep->kind == TCP_EP_TIME_WAIT);
        opened++;
        h->nconns = 1; /* the harness needn't remember them */
    }
    ck_assert_uint_eq(opened, 6000);
    ck_assert_uint_eq(h->st->tcp->ntime_wait, 3000);
    ck_assert_uint_eq(hx_counter(h, "TcpExtTWRecycled"), 3000);
    hx_until(h, t + SEC(61));
    ck_assert_uint_eq(h->st->tcp->ntime_wait, 0);
    h->any_tx = false;
    hx_drain(h);
    leave(&c);
}
END_TEST

/* ---- with timestamps ---- */

/* We close first; the peer's clock stands at 1000 when it sends its FIN. ts: both have timestamps.
 */
static struct conv old_connection(bool ts)
{
    struct conv c = reach(LIS);
    struct hx *h = c.h;
    tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = PEER_WND,
           .opts = {.mss = 1460, .ts = ts, .ts_val = ts ? 900 : 0});
    tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    tcp_in(h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = PEER_WND,
           .opts = {.ts = ts, .ts_val = ts ? 900 : 0, .ts_ecr = h->got.tcp.o.ts_val});
    c.s = td_accept(h->st, c.l, NULL, NULL);
    orphan(&c);
    tcp_out(h, NOW, .flags = FIN | ACK, .seq = 1, .ack = 1);
    tcp_in(h, NOW, .flags = FIN | ACK, .seq = 1, .ack = 2, .wnd = PEER_WND,
           .opts = {.ts = ts, .ts_val = ts ? 1000 : 0, .ts_ecr = h->got.tcp.o.ts_val});
    tcp_out(h, NOW, .flags = ACK, .seq = 2, .ack = 2);
    ck_assert_int_eq(h->got.tcp.o.has_ts, ts);
    assert_state(&c, TCPS_TIME_WAIT);
    return c;
}

/* shows: SHLD-4 6191-01 6191-02 6191-03 6191-04 6191-05 ATK-TCPI-11 */
START_TEST(new_syn_by_timestamp)
{
    static const struct {
        bool old, now;
        uint32_t val;
        int64_t seq; /* the FIN's number is 1 */
        bool taken;
    } cases[] = {
        {true, true, 1001, -5000, true}, /* a later timestamp is enough */
        {true, true, 1000, 2, true},     {true, true, 1000, 1, false}, /* the same: by number */
        {true, true, 999, 2, false},     {true, true, 500, 100000, false},
        {true, false, 0, 2, true},       {true, false, 0, 1, false}, /* the new one has none */
        {false, true, 5, -5000, true},                               /* the old one had none */
        {false, false, 0, 2, true},      {false, false, 0, 1, false},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct conv c = old_connection(cases[i].old);
        struct hx *h = c.h;
        uint32_t irs = h->peer_isn;
        tcp_in(h, SEC(3), .absolute = true, .flags = SYN,
               .seq = (int64_t)(uint32_t)(irs + (uint32_t)cases[i].seq), .wnd = 500,
               .opts = {.mss = 1460, .ts = cases[i].now, .ts_val = cases[i].val});
        ck_assert_msg(conv_state(&c) == (cases[i].taken ? TCPS_SYN_RECEIVED : TCPS_TIME_WAIT),
                      "case %u: is in %s", i, tcp_state_name((enum tcp_state)conv_state(&c)));
        if (!cases[i].taken) {
            tcp_out(h, NOW, .flags = ACK, .seq = 2, .ack = 2);
            ck_assert_int_eq(h->got.tcp.o.has_ts, cases[i].old);
        }
        ck_assert_uint_eq(hx_counter(h, "TcpExtTWRecycled"), cases[i].taken);
        hx_drain(h);
        leave(&c);
    }
}
END_TEST

/* What a TIME-WAIT says carries timestamps, its clock goes on, and it knows what is old. */
/* shows: 7323-13 */
START_TEST(answers_with_timestamps)
{
    struct conv c = old_connection(true);
    struct hx *h = c.h;
    uint32_t val = h->got.tcp.o.ts_val;
    tcp_in(h, SEC(5), .flags = FIN | ACK, .seq = 1, .ack = 2, .wnd = 10,
           .opts = {.ts = true, .ts_val = 1500}); /* the FIN again */
    tcp_out(h, NOW, .flags = ACK, .seq = 2, .ack = 2, .opts = {.ts = true, .ts_ecr = 1500});
    ck_assert_uint_eq(h->got.tcp.o.ts_val, val + 5000);
    tcp_in(h, SEC(6), .flags = ACK, .seq = 2, .ack = 2, .wnd = 10, .len = 5,
           .opts = {.ts = true, .ts_val = 1400}); /* an old duplicate */
    tcp_out(h, NOW, .flags = ACK, .seq = 2, .ack = 2, .opts = {.ts = true, .ts_ecr = 1500});
    ck_assert_uint_eq(hx_counter(h, "TcpExtPAWSEstab"), 1);
    tcp_in(h, SEC(7), .flags = RST, .seq = 2); /* a reset needs no timestamp */
    assert_state(&c, TCPS_CLOSED);
    leave(&c);
}
END_TEST

/* tcp_tw_reuse: an active open over the tuple of an old connection. */
START_TEST(active_open_takes_over)
{
    static const struct {
        const char *reuse;
        bool ts, named;
        int64_t wait;
        bool taken;
        const char *delay;
    } cases[] = {{"1", true, false, 3, true, "1000"},  {"1", true, false, 0, false, "1000"},
                 {"1", false, false, 3, false, "1"},   {"0", true, false, 3, false, "1"},
                 {"2", true, false, 3, false, "1"},    {"0", true, true, 0, true, "1000"},
                 {"1", false, true, 3, false, "1000"}, {"1", true, false, 3, false, "3500"},
                 {"1", true, false, 4, true, "3500"}};
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct conv c = old_connection(cases[i].ts);
        struct hx *h = c.h;
        uint32_t old = hx_conn(h, HX_PEER, 40000, 80)->iss;
        ck_assert_int_eq(td_close(h->st, c.l), 0);
        knob_set(h, "net.ipv4.tcp_tw_reuse", cases[i].reuse);
        knob_set(h, "net.ipv4.tcp_tw_reuse_delay", cases[i].delay);
        knob_set(h, "net.ipv4.ip_local_port_range", "80 80");
        hx_until(h, SEC(cases[i].wait));
        int s = td_socket(h->st, AF_INET, SOCK_STREAM, 0);
        struct sockaddr_in sa = td_sockaddr(HX_PEER, 40000), us = td_sockaddr(HX_US, 80);
        if (cases[i].named) {
            set_opt(h, s, SOL_SOCKET, SO_REUSEADDR, 1);
            ck_assert_int_eq(td_bind(h->st, s, (const struct sockaddr *)&us, sizeof us), 0);
        }
        int e = td_connect(h->st, s, (const struct sockaddr *)&sa, sizeof sa);
        ck_assert_msg(e == (cases[i].taken ? -EINPROGRESS : -EADDRNOTAVAIL), "case %u: %d", i, e);
        if (cases[i].taken) {
            assert_state(&c, TCPS_SYN_SENT);
            ck_assert_uint_eq(h->st->tcp->ntime_wait, 0);
            ck_assert(seq_gt(conv_tcb(&c)->iss, old + 2));
        }
        hx_drain(h);
        leave(&c);
    }
}
END_TEST

START_TEST(record_is_small)
{
    ck_assert_uint_le(sizeof(struct timewait), 200);
    struct conv c = reach(TIW);
    uint64_t with = c.h->st->mem.used_by[MEM_TCP];
    orphan(&c);
    ck_assert_uint_le(c.h->st->mem.used_by[MEM_TCP],
                      with - sizeof(struct tcb) + 8); /* the tcb is gone */
    leave(&c);
}
END_TEST

/* shows: ATK-TCPR-06 */
START_TEST(limit)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.tcp_max_tw_buckets", "0");
    c = reach_in(c, FW2);
    tcp_in(c.h, NOW, .flags = ACK | FIN, .seq = 1, .ack = 2, .wnd = PEER_WND);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 2, .ack = 2);
    assert_state(&c, TCPS_CLOSED);
    char b[4];
    ck_assert_int_eq(td_recv(c.h->st, c.s, b, 4, 0), 0);
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPTimeWaitOverflow"), 1);
    leave(&c);
}
END_TEST

/* An owner that doesn't close reads what is left, and sees the connection end. */
START_TEST(owner_outlives_it)
{
    struct conv c = reach(FW2);
    tcp_in(c.h, NOW, .flags = ACK | FIN, .seq = 1, .ack = 2, .wnd = PEER_WND, .len = 5);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 2, .ack = 7);
    assert_state(&c, TCPS_TIME_WAIT);
    hx_quiet(c.h, SEC(61));
    assert_state(&c, TCPS_CLOSED);
    read_pattern(&c, 1, 5);
    char b[4];
    ck_assert_int_eq(td_recv(c.h->st, c.s, b, 4, 0), 0);
    ck_assert_int_eq(so_error(c.h, c.s), 0);
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp timewait");
    TCase *tc = tcase_create("timewait");
    tcase_add_test(tc, two_msl);
    tcase_add_test(tc, closed_is_told_when_the_record_ends);
    tcase_add_test(tc, fin_again_starts_2msl_over);
    tcase_add_test(tc, assassination);
    tcase_add_test(tc, new_syn);
    tcase_add_test(tc, new_syn_after_much_data);
    tcase_add_test(tc, many);
    tcase_add_test(tc, new_syn_by_timestamp);
    tcase_add_test(tc, answers_with_timestamps);
    tcase_add_test(tc, active_open_takes_over);
    tcase_add_test(tc, record_is_small);
    tcase_add_test(tc, limit);
    tcase_add_test(tc, owner_outlives_it);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
