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
    tcase_add_test(tc, record_is_small);
    tcase_add_test(tc, limit);
    tcase_add_test(tc, owner_outlives_it);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
