/* The time-outs of RFC 9293 3.10.8 state by state: retransmission, user timeout, TIME-WAIT, and
 * what an orphan may take. The numbers of RFC 6298 are in test_rto.c, probes and keep-alive in
 * test_timers.c. */
#include "check_main.h"
#include "tcp_states.h"

/* ---- RETRANSMISSION TIMEOUT ---- */

/* shows: TSM-EST-RTO-1 TSM-CLW-RTO-1 MUST-19 6298-13 6298-14 6298-15 */
START_TEST(text_is_repeated)
{
    static const enum st states[] = {EST, CLW};
    struct conv c = reach(states[_i]);
    write_pattern(&c, 1, 3000);
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = c.rcv, .len = 1460);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1461, .ack = c.rcv, .len = 1460);
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 2921, .ack = c.rcv, .len = 80);
    td_time at = 0, rto = conv_tcb(&c)->rtt.rto;
    for (int i = 0; i < 7; i++) { /* only the first of them */
        at += rto;
        tcp_out(c.h, at, .flags = ACK, .seq = 1, .ack = c.rcv, .len = 1460);
        rto *= 2;
        ck_assert_uint_eq(conv_tcb(&c)->rtt.rto, rto);
        assert_state(&c, st_tcps[c.st]);
    }
    leave(&c);
}
END_TEST

/* shows: TSM-EST-RTO-2 TSM-CLW-RTO-2 MUST-20 SHLD-9 SHLD-10 SHLD-11 9293-U11 */
START_TEST(text_is_given_up)
{
    static const enum st states[] = {EST, CLW};
    struct conv c = reach(states[_i]);
    knob_set(c.h, "net.ipv4.tcp_give_up_by_time", "0"); /* R1 and R2 by count */
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_IP, IP_RECVERR, 1), 0);
    write_pattern(&c, 1, 10);
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 1, .ack = c.rcv, .len = 10);
    for (int i = 1; i <= 15; i++) {
        ck_assert_uint_eq(hx_event(c.h, "tcp-r1"), i > 3);
        if (i == 4) { /* R1 is passed: the user, who asked for it, is told */
            ck_assert(td_poll(c.h->st, c.s) & POLLERR);
            ck_assert_int_eq(so_error(c.h, c.s), ETIMEDOUT);
        } else {
            ck_assert_int_eq(so_error(c.h, c.s), 0);
        }
        hx_until(c.h, conv_tcb(&c)->t_rtx.deadline - c.h->start);
        tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 1, .ack = c.rcv, .len = 10);
    }
    hx_quiet(c.h, conv_tcb(&c)->t_rtx.deadline - c.h->start);
    assert_state(&c, TCPS_CLOSED);
    ck_assert_uint_ge(hx_now(c.h), SEC(100));
    ck_assert_int_eq(so_error(c.h, c.s), ETIMEDOUT);
    leave(&c);
}
END_TEST

/* shows: TSM-SYS-RTO-1 TSM-SYS-RTO-2 MUST-22 */
START_TEST(syn_is_repeated_and_given_up)
{
    struct conv c = reach(SYS);
    td_time at = 0, rto = SEC(1);
    for (int i = 0; i < 4 + 6; i++) { /* tcp_syn_linear_timeouts and tcp_syn_retries */
        at += rto;
        rto *= i < 4 ? 1 : 2;
        tcp_out(c.h, at, .flags = SYN, .seq = HX_ZERO);
        assert_state(&c, TCPS_SYN_SENT);
    }
    hx_quiet(c.h, at + rto - MS(1));
    assert_state(&c, TCPS_SYN_SENT);
    hx_quiet(c.h, at + rto + MS(1));
    assert_state(&c, TCPS_CLOSED);
    ck_assert_int_eq(so_error(c.h, c.s), ETIMEDOUT);
    ck_assert_uint_eq(hx_event(c.h, "tcp-r1"), 1);
    leave(&c);
}
END_TEST

/* shows: TSM-SYR-RTO-1 TSM-SYR-RTO-2 4987-06 */
START_TEST(syn_ack_is_repeated_and_given_up)
{
    struct conv c = reach(SYR);
    td_time at = 0, rto = SEC(1);
    for (int i = 0; i < 5; i++) { /* tcp_synack_retries */
        at += rto;
        rto *= 2;
        tcp_out(c.h, at, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    }
    hx_quiet(c.h, at + rto + SEC(1));
    assert_state(&c, TCPS_CLOSED); /* the child disappears, the listener stays */
    ck_assert_uint_eq(c.h->st->tcp->ntcb, 1);
    ck_assert_int_eq(td_poll(c.h->st, c.l), 0);
    tcp_in(c.h, NOW, .flags = SYN, .seq = 0, .wnd = 100);
    tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    leave(&c);
}
END_TEST

/* shows: TSM-FW1-RTO-1 TSM-CLG-RTO-1 TSM-LAK-RTO-1 TSM-FW1-RTO-2 TSM-CLG-RTO-2 TSM-LAK-RTO-2 */
START_TEST(fin_is_repeated_and_given_up)
{
    static const enum st states[] = {FW1, CLG, LAK};
    struct conv c = reach(states[_i]);
    td_time at = 0, rto = conv_tcb(&c)->rtt.rto;
    for (int i = 0; i < 16; i++) { /* tcp_retries2: 924.6 s after the first of them */
        at += rto;
        rto = rto * 2 < SEC(120) ? rto * 2 : SEC(120);
        tcp_out(c.h, at, .flags = FIN | ACK, .seq = 1, .ack = c.rcv);
        assert_state(&c, st_tcps[c.st]);
    }
    hx_until(c.h, at + rto + SEC(1));
    hx_drain(c.h);
    assert_state(&c, TCPS_CLOSED);
    ck_assert_int_eq(so_error(c.h, c.s), ETIMEDOUT);
    leave(&c);
    c = reach(states[_i]); /* an orphan sooner: tcp_orphan_retries */
    orphan(&c);
    for (int i = 0; i < 9; i++) { /* 0: the time of 8 */
        tcp_out(c.h, HX_ANYTIME, .flags = FIN | ACK, .seq = 1, .ack = c.rcv);
    }
    assert_state(&c, st_tcps[c.st]);
    hx_until(c.h, hx_now(c.h) + SEC(110));
    hx_drain(c.h);
    assert_state(&c, TCPS_CLOSED);
    leave(&c);
}
END_TEST

/* Data and FIN after a time-out: all of it again, in slow start, the FIN at the end. */
START_TEST(go_back)
{
    struct conv c = reach(EST);
    write_pattern(&c, 1, 3000);
    ck_assert_int_eq(td_shutdown(c.h->st, c.s, SHUT_WR), 0);
    hx_drain(c.h);
    tcp_out(c.h, MS(200), .flags = ACK, .seq = 1, .ack = 1, .len = 1460);
    tcp_in(c.h, MS(210), .flags = ACK, .seq = 1, .ack = 1461, .wnd = PEER_WND);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1461, .ack = 1, .len = 1460);
    tcp_out(c.h, NOW, .flags = ACK | PSH | FIN, .seq = 2921, .ack = 1, .len = 80);
    tcp_in(c.h, MS(220), .flags = ACK, .seq = 1, .ack = 3002, .wnd = PEER_WND);
    assert_state(&c, TCPS_FIN_WAIT_2);
    hx_quiet(c.h, SEC(30));
    leave(&c);
}
END_TEST

/* shows: 5681-06 6298-16 */
START_TEST(after_a_lost_syn)
{
    struct conv c = reach(SYS);
    knob_set(c.h, "net.ipv4.tcp_syn_loss_times", "1");
    tcp_out(c.h, SEC(1), .flags = SYN, .seq = HX_ZERO);
    tcp_in(c.h, SEC(1) + MS(10), .flags = SYN | ACK, .seq = 0, .ack = 1, .wnd = PEER_WND,
           .opts = {.mss = 1460});
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1);
    td_time t0 = hx_now(c.h);
    ck_assert_uint_eq(conv_tcb(&c)->cc.cwnd, 1460); /* one segment */
    ck_assert_uint_eq(conv_tcb(&c)->rtt.srtt8, 0);    /* Karn */
    write_pattern(&c, 1, 3000);
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .len = 1460);
    hx_quiet(c.h, t0 + MS(2990));
    tcp_out(c.h, t0 + SEC(3), .flags = ACK, .seq = 1, .ack = 1, .len = 1460);
    leave(&c);
}
END_TEST

/* ---- USER TIMEOUT ---- */

/* shows: MUST-21 TSM-EST-USER-TIMEOUT-1 TSM-FW1-USER-TIMEOUT-1 TSM-CLW-USER-TIMEOUT-1
 * TSM-CLG-USER-TIMEOUT-1 TSM-LAK-USER-TIMEOUT-1 TSM-SYS-USER-TIMEOUT-1 TSM-SYR-USER-TIMEOUT-1 */
START_TEST(user_timeout)
{
    static const enum st states[] = {SYS, SYRA, EST, FW1, CLW, CLG, LAK};
    struct conv c = conv_new(TD_PROFILE_LINUX);
    c.st = states[_i];
    if (c.st == SYS || c.st == SYRA) { /* set before the OPEN */
        c.s = td_socket(c.h->st, AF_INET, SOCK_STREAM, 0);
        struct sockaddr_in us = td_sockaddr(HX_US, 80), sa = td_sockaddr(HX_PEER, 40000);
        ck_assert_int_eq(td_bind(c.h->st, c.s, (const struct sockaddr *)&us, sizeof us), 0);
        ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000), 0);
        ck_assert_int_eq(td_connect(c.h->st, c.s, (const struct sockaddr *)&sa, sizeof sa),
                         -EINPROGRESS);
        hx_drain(c.h);
        if (c.st == SYRA) {
            tcp_in(c.h, NOW, .flags = SYN, .seq = 0, .wnd = 100);
            hx_drain(c.h);
        }
    } else {
        c = reach_in(c, c.st == FW1 || c.st == CLG ? EST : c.st == LAK ? CLW : c.st);
        ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000), 0);
        if (states[_i] == EST || states[_i] == CLW) {
            write_pattern(&c, 1, 10);
        } else {
            ck_assert_int_eq(td_shutdown(c.h->st, c.s, SHUT_WR), 0);
        }
        hx_drain(c.h);
        c.st = states[_i];
        if (c.st == CLG) {
            tcp_in(c.h, NOW, .flags = ACK | FIN, .seq = 1, .ack = 1, .wnd = 100);
            hx_drain(c.h);
        }
    }
    assert_state(&c, st_tcps[c.st]);
    /* exactly then, whatever the RTO: 5 s after the first repetition */
    td_time first = c.st == SYS || c.st == SYRA ? SEC(1) : MS(200);
    hx_until(c.h, first + MS(4990));
    assert_state(&c, st_tcps[c.st]);
    hx_until(c.h, first + MS(5010));
    assert_state(&c, TCPS_CLOSED);
    ck_assert_int_eq(so_error(c.h, c.s), ETIMEDOUT);
    hx_drain(c.h);
    char b[4];
    ck_assert_int_eq(td_recv(c.h->st, c.s, b, 4, 0), 0);
    leave(&c);
}
END_TEST

/* ---- what isn't armed ---- */

/* shows: TSM-CLO-USER-TIMEOUT-1 TSM-CLO-RTO-1 TSM-CLO-TIME-WAIT-TIMEOUT-1 TSM-LIS-USER-TIMEOUT-1
 * TSM-LIS-RTO-1 TSM-LIS-TIME-WAIT-TIMEOUT-1 TSM-SYS-TIME-WAIT-TIMEOUT-1 TSM-SYR-TIME-WAIT-TIMEOUT-1
 * TSM-EST-TIME-WAIT-TIMEOUT-1 TSM-FW1-TIME-WAIT-TIMEOUT-1 TSM-FW2-TIME-WAIT-TIMEOUT-1
 * TSM-CLW-TIME-WAIT-TIMEOUT-1 TSM-CLG-TIME-WAIT-TIMEOUT-1 TSM-LAK-TIME-WAIT-TIMEOUT-1 TSM-FW2-RTO-1
 * TSM-TIW-RTO-1 */
START_TEST(timers_that_are_not_armed)
{
    struct conv c = reach((enum st)_i);
    struct tcb *t = c.st == CLO   ? NULL
                    : c.st == LIS ? c.h->st->tcp->all
                    : c.st == SYR ? NULL /* a record: its timer is the SYN-ACK's */
                    : c.st == TIW ? container_of(conv_ep(&c), struct timewait, ep)->tcb
                                  : conv_tcb(&c);
    bool sent =
        c.st == SYS || c.st == SYR || c.st == SYRA || c.st == FW1 || c.st == CLG || c.st == LAK;
    if (t != NULL) {
        ck_assert_int_eq(timer_armed(&t->t_rtx), sent);
        ck_assert_int_eq(t->rtx_kind, sent ? TRTX_REXMT : TRTX_NONE);
        ck_assert(!timer_armed(&t->t_ctl));
        ck_assert(!timer_armed(&t->t_delack));
    }
    if (c.st == SYR) {
        ck_assert(timer_armed(&conv_half_open(&c)->timer));
    }
    ck_assert_uint_eq(c.h->st->tcp->ntime_wait, c.st == TIW);
    if (!sent && c.st != TIW) { /* for a day */
        hx_quiet(c.h, SEC(86400));
        ck_assert_int_eq(conv_state(&c), c.st == CLO || c.st == LIS ? TCPS_CLOSED : st_tcps[c.st]);
    }
    if (c.s >= 0) { /* and at its end a connection leaves no timer behind */
        orphan(&c);
        hx_until(c.h, hx_now(c.h) + SEC(3600));
        hx_drain(c.h);
        ck_assert_int_eq(conv_state(&c), TCPS_CLOSED);
    }
    leave(&c);
}
END_TEST

/* ---- orphans ---- */

/* shows: TSM-FW2-IDLE-TIMEOUT-1 ATK-TCPR-05 */
START_TEST(orphan_in_fin_wait_2)
{
    struct conv c = reach(FW2);
    orphan(&c);
    hx_quiet(c.h, SEC(59));
    assert_state(&c, TCPS_FIN_WAIT_2);
    hx_quiet(c.h, SEC(61));
    assert_state(&c, TCPS_CLOSED);
    leave(&c);
    c = reach(FW1); /* it gets there as an orphan */
    orphan(&c);
    tcp_in(c.h, MS(5), .flags = ACK, .seq = 1, .ack = 2, .wnd = PEER_WND);
    hx_quiet(c.h, SEC(59));
    assert_state(&c, TCPS_FIN_WAIT_2);
    hx_quiet(c.h, SEC(61));
    assert_state(&c, TCPS_CLOSED);
    leave(&c);
    c = reach(FW2); /* TCP_LINGER2 */
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_LINGER2, 5), 0);
    orphan(&c);
    hx_quiet(c.h, MS(4900));
    assert_state(&c, TCPS_FIN_WAIT_2);
    hx_quiet(c.h, MS(5100));
    assert_state(&c, TCPS_CLOSED);
    leave(&c);
}
END_TEST

/* shows: ATK-TCPR-05 */
START_TEST(orphans_are_limited)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.tcp_max_orphans", "0");
    c = reach_in(c, EST);
    orphan(&c);
    tcp_out(c.h, NOW, .flags = RST | ACK, .seq = 1, .ack = 1);
    assert_state(&c, TCPS_CLOSED);
    leave(&c);
}
END_TEST

/* ---- probes that are taken, quick acknowledgments ---- */

START_TEST(probe_that_is_accepted)
{
    struct conv c = reach(EST);
    knob_set(c.h, "net.ipv4.tcp_probe_octet", "1");
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = HX_ZERO);
    write_pattern(&c, 1, 100);
    tcp_out(c.h, HX_ANYTIME, .flags = ACK, .seq = 1, .ack = 1, .len = 1);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 2, .wnd = 1000);
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 2, .ack = 1, .len = 99);
    leave(&c);
    c = reach(EST);
    knob_set(c.h, "net.ipv4.tcp_probe_octet", "1"); /* the FIN may be what is probed with */
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = HX_ZERO);
    ck_assert_int_eq(td_shutdown(c.h->st, c.s, SHUT_WR), 0);
    hx_flush(c.h);
    tcp_out(c.h, HX_ANYTIME, .flags = ACK | FIN, .seq = 1, .ack = 1);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 2, .wnd = HX_ZERO);
    assert_state(&c, TCPS_FIN_WAIT_2);
    hx_quiet(c.h, hx_now(c.h) + SEC(300));
    leave(&c);
}
END_TEST

START_TEST(quick_acks)
{
    struct conv c = reach(EST);
    for (int i = 0; i < 16; i++) {
        tcp_in(c.h, NOW, .flags = ACK, .seq = 1 + i, .ack = 1, .wnd = PEER_WND, .len = 1);
        tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 2 + i);
    }
    tcp_in(c.h, NOW, .flags = ACK, .seq = 17, .ack = 1, .wnd = PEER_WND, .len = 1);
    hx_quiet(c.h, hx_now(c.h) + MS(30));
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_QUICKACK, 1), 0);
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 18);
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_QUICKACK, 0), 0);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 18, .ack = 1, .wnd = PEER_WND, .len = 1);
    hx_quiet(c.h, hx_now(c.h) + MS(30));
    tcp_out(c.h, HX_ANYTIME, .flags = ACK, .seq = 1, .ack = 19);
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp timers by state");
    TCase *tc = tcase_create("states");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, text_is_repeated, 0, 2);
    tcase_add_loop_test(tc, text_is_given_up, 0, 2);
    tcase_add_test(tc, syn_is_repeated_and_given_up);
    tcase_add_test(tc, syn_ack_is_repeated_and_given_up);
    tcase_add_loop_test(tc, fin_is_repeated_and_given_up, 0, 3);
    tcase_add_test(tc, go_back);
    tcase_add_test(tc, after_a_lost_syn);
    tcase_add_loop_test(tc, user_timeout, 0, 7);
    tcase_add_loop_test(tc, timers_that_are_not_armed, CLO, STATES);
    tcase_add_test(tc, orphan_in_fin_wait_2);
    tcase_add_test(tc, orphans_are_limited);
    tcase_add_test(tc, probe_that_is_accepted);
    tcase_add_test(tc, quick_acks);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
