/* What happens when nothing happens: window probes, keep-alive, giving up, delayed acknowledgments. */
#include "check_main.h"
#include "tcp_talk.h"

static struct conv est(enum td_profile p)
{
    struct conv c = conv_new(p);
    c.h->tolerance = US(1);
    return talk(c, (struct hx_opts){.mss = 1460}, 60000, 0); /* RTO: the floor */
}

/* ---- zero-window probes (3.8.6.1) ---- */

/* shows: MUST-36 SHLD-29 SHLD-30 */
START_TEST(probes)
{
    struct conv c = est(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.tcp_probe_octet", "1");
    ack_in(&c, NOW, 1, HX_ZERO);
    say(&c, 1, 100);
    td_time at = 0, wait = MS(200);
    for (int i = 0; i < 12; i++) { /* one octet after one RTO, then twice as long each time, answered or not */
        at += wait;
        wait = 2 * wait < SEC(120) ? 2 * wait : SEC(120);
        tcp_out(c.h, at, .flags = ACK, .seq = 1, .ack = 1, .len = 1);
        if (i % 2 == 0) {
            ack_in(&c, NOW, 1, HX_ZERO);
        }
    }
    ack_in(&c, at + SEC(1), 1, 60000); /* open: the whole text, the probe's octet too, at once */
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 100);
    ack_in(&c, NOW, 101, 60000);
    hx_quiet(c.h, hx_now(c.h) + SEC(300));
    leave(&c);
}
END_TEST

/* A peer that takes the probe's octet: the next octet is the next probe. */
START_TEST(probe_that_is_taken)
{
    struct conv c = est(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.tcp_probe_octet", "1");
    ack_in(&c, NOW, 1, HX_ZERO);
    say(&c, 1, 100);
    tcp_out(c.h, MS(200), .flags = ACK, .seq = 1, .ack = 1, .len = 1);
    ack_in(&c, MS(210), 2, HX_ZERO);
    tcp_out(c.h, HX_ANYTIME, .flags = ACK, .seq = 2, .ack = 1, .len = 1);
    ack_in(&c, NOW, 3, 60000);
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 3, .ack = 1, .len = 98);
    leave(&c);
    /* only a FIN waits: it is the probe */
    c = est(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.tcp_probe_octet", "1");
    ack_in(&c, NOW, 1, HX_ZERO);
    ck_assert_int_eq(td_shutdown(c.h->st, c.s, SHUT_WR), 0);
    tcp_out(c.h, MS(200), .flags = ACK | FIN, .seq = 1, .ack = 1);
    ack_in(&c, MS(210), 1, HX_ZERO);
    tcp_out(c.h, MS(600), .flags = ACK | FIN, .seq = 1, .ack = 1);
    ack_in(&c, MS(610), 2, HX_ZERO);
    assert_state(&c, TCPS_FIN_WAIT_2);
    hx_quiet(c.h, SEC(100));
    leave(&c);
}
END_TEST

/* shows: MUST-37 ATK-TCPR-04 6429-01 6429-02 */
START_TEST(closed_window_for_a_day)
{
    struct conv c = est(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.tcp_probe_octet", "1");
    ack_in(&c, NOW, 1, HX_ZERO);
    say(&c, 1, 100);
    while (hx_now(c.h) < SEC(24 * 3600)) {
        tcp_out(c.h, HX_ANYTIME, .flags = ACK, .seq = 1, .ack = 1, .len = 1);
        ack_in(&c, hx_now(c.h) + MS(10), 1, HX_ZERO);
    }
    assert_state(&c, TCPS_ESTABLISHED);
    ck_assert_int_eq(so_error(c.h, c.s), 0);
    ck_assert_int_eq(td_send(c.h->st, c.s, "x", 1, 0), 1);
    /* the user can end it at any time: linger 0 */
    const struct linger l = {1, 0};
    ck_assert_int_eq(td_setsockopt(c.h->st, c.s, SOL_SOCKET, SO_LINGER, &l, sizeof l), 0);
    ck_assert_int_eq(td_close(c.h->st, c.s), 0);
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = RST | ACK, .any_seq = true, .ack = 1);
    leave(&c);
}
END_TEST

/* shows: ATK-TCPR-03 */
START_TEST(probes_nobody_answers)
{
    struct conv c = est(TD_PROFILE_LINUX);
    ack_in(&c, NOW, 1, HX_ZERO);
    say(&c, 1, 100);
    unsigned n = 0;
    while (conv_state(&c) == TCPS_ESTABLISHED && n < 100) {
        hx_until(c.h, hx_now(c.h) + SEC(1));
        n += hx_pending(c.h);
        hx_drain(c.h);
    }
    ck_assert_uint_le(n, 17);
    ck_assert_uint_ge(hx_now(c.h), SEC(100));
    ck_assert_int_eq(so_error(c.h, c.s), ETIMEDOUT);
    leave(&c);
    /* or when the user's time is over */
    c = est(TD_PROFILE_LINUX);
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_USER_TIMEOUT, 3000), 0);
    ack_in(&c, NOW, 1, HX_ZERO);
    say(&c, 1, 100);
    hx_until(c.h, MS(200 + 2999)); /* the first probe starts the clock */
    assert_state(&c, TCPS_ESTABLISHED);
    hx_until(c.h, MS(200 + 3001));
    assert_state(&c, TCPS_CLOSED);
    ck_assert_int_eq(so_error(c.h, c.s), ETIMEDOUT);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* ---- R1 and R2 (3.8.3) ---- */

/* shows: MUST-20 SHLD-9 SHLD-10 SHLD-11 9293-U11 */
START_TEST(black_hole)
{
    struct conv c = est(TD_PROFILE_LINUX);
    struct hx *h = c.h;
    /* an entry that ARP learnt: IP's answer to bad advice is to doubt it */
    ck_assert_int_eq(td_neigh_del(h->st, h->ifindex, HX_PEER), 0);
    ck_assert_int_eq(td_neigh_add(h->st, h->ifindex, HX_PEER, HX_PEER_MAC, TD_NEIGH_REACHABLE), 0);
    ck_assert_int_eq(set_opt(h, c.s, IPPROTO_IP, IP_RECVERR, 1), 0);
    knob_set(h, "net.ipv4.tcp_give_up_by_time", "0"); /* R1 and R2 by count */
    say(&c, 1, 1);
    tcp_out(h, NOW, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 1);
    tcp_out(h, MS(200), .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 1);
    tcp_out(h, MS(600), .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 1);
    ck_assert_uint_eq(hx_event(h, "tcp-r1"), 0);
    ck_assert_int_eq(so_error(h, c.s), 0);
    uint64_t doubts = hx_event(h, "neigh-state");
    tcp_out(h, MS(1400), .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 1);
    ck_assert_uint_eq(hx_event(h, "tcp-r1"), 1);
    ck_assert_uint_gt(hx_event(h, "neigh-state"), doubts);
    ck_assert_int_eq(so_error(h, c.s), ETIMEDOUT); /* the user asked to be told early */
    assert_state(&c, TCPS_ESTABLISHED);            /* but it goes on */
    hx_neighbour(h, HX_PEER, HX_PEER_MAC);
    hx_drain(h);
    unsigned again = 3;
    while (conv_state(&c) == TCPS_ESTABLISHED) {
        tcp_out(h, HX_ANYTIME, .flags = conv_state(&c) == TCPS_ESTABLISHED ? ACK | PSH : ACK, .seq = 1, .ack = 1, .len = 1);
        again++;
        if (again == 15) {
            break;
        }
    }
    ck_assert_uint_ge(hx_now(h), SEC(100)); /* R2: 15 retransmissions, 924.6 s in all */
    assert_state(&c, TCPS_ESTABLISHED);
    hx_until(h, SEC(924));
    assert_state(&c, TCPS_ESTABLISHED);
    hx_quiet(h, SEC(925));
    assert_state(&c, TCPS_CLOSED);
    ck_assert_int_eq(so_error(h, c.s), ETIMEDOUT);
    leave(&c);
}
END_TEST

/* shows: MUST-21 */
START_TEST(users_time_out)
{
    struct conv c = est(TD_PROFILE_LINUX);
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000), 0);
    say(&c, 1, 1);
    hx_until(c.h, MS(200 + 4999)); /* the first repetition starts the clock */
    assert_state(&c, TCPS_ESTABLISHED);
    hx_until(c.h, MS(200 + 5001));
    assert_state(&c, TCPS_CLOSED);
    ck_assert_int_eq(so_error(c.h, c.s), ETIMEDOUT);
    hx_drain(c.h);
    leave(&c);
    /* as good as never: well beyond what R2 would allow */
    c = est(TD_PROFILE_LINUX);
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_USER_TIMEOUT, INT32_MAX), 0);
    say(&c, 1, 1);
    hx_until(c.h, SEC(7200));
    assert_state(&c, TCPS_ESTABLISHED);
    hx_drain(c.h);
    ack_in(&c, NOW, 2, 60000);
    ck_assert_uint_eq(conv_tcb(&c)->snd.len, 0);
    leave(&c);
}
END_TEST

/* shows: MUST-22 MUST-23 */
START_TEST(syn_into_a_black_hole)
{
    struct conv c = conv_new(_i == 0 ? TD_PROFILE_RFC : TD_PROFILE_LINUX);
    c.s = hx_tcp_connect(c.h, 80, HX_PEER, 40000);
    unsigned syns = 0;
    while (conv_state(&c) == TCPS_SYN_SENT) {
        hx_until(c.h, hx_now(c.h) + SEC(1));
        syns += hx_pending(c.h);
        hx_drain(c.h);
        ck_assert_uint_lt(hx_now(c.h), SEC(1000));
    }
    if (_i == 0) {
        ck_assert_uint_ge(hx_now(c.h), SEC(180));
        ck_assert_uint_eq(syns, 9);
    } else { /* Linux's: four without doubling, six with it */
        ck_assert_uint_eq(syns, 11);
    }
    ck_assert_uint_eq(hx_event(c.h, "tcp-r1"), 1);
    ck_assert(td_poll(c.h->st, c.s) & POLLERR);
    ck_assert_int_eq(so_error(c.h, c.s), ETIMEDOUT);
    leave(&c);
    /* the user may give up sooner */
    c = conv_new(TD_PROFILE_LINUX);
    c.s = td_socket(c.h->st, AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_SYNCNT, 2), 0);
    knob_set(c.h, "net.ipv4.tcp_syn_linear_timeouts", "0");
    struct sockaddr_in sa = td_sockaddr(HX_PEER, 40000);
    ck_assert_int_eq(td_connect(c.h->st, c.s, (const struct sockaddr *)(const void *)&sa, sizeof sa), -EINPROGRESS);
    hx_until(c.h, SEC(8));
    ck_assert_uint_eq(hx_pending(c.h), 3);
    ck_assert_int_eq(so_error(c.h, c.s), ETIMEDOUT);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* shows: ATK-TCPR-02 */
START_TEST(syn_acks_stop)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    c.l = hx_tcp_listen(c.h, 80);
    tcp_in(c.h, NOW, .flags = SYN, .seq = 0, .wnd = 1000);
    hx_until(c.h, SEC(1000));
    ck_assert_uint_eq(hx_pending(c.h), 1 + 5); /* tcp_synack_retries, and no reset */
    hx_drain(c.h);
    /* a reset stops them at once: the victim's answer */
    tcp_in(c.h, NOW, .sport = 50000, .flags = SYN, .seq = 0, .wnd = 1000);
    tcp_out(c.h, NOW, .dport = 50000, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    tcp_in(c.h, NOW, .sport = 50000, .flags = RST, .seq = 1);
    hx_quiet(c.h, SEC(2000));
    leave(&c);
}
END_TEST

/* shows: ATK-TCPR-07 */
START_TEST(last_ack_of_a_peer_that_has_gone)
{
    struct conv c = reach(LAK);
    orphan(&c);
    hx_until(c.h, SEC(300));
    ck_assert_uint_ge(hx_pending(c.h), 3);
    ck_assert_uint_le(hx_pending(c.h), 9);
    hx_drain(c.h);
    ck_assert_ptr_null(conv_ep(&c));
    leave(&c);
    /* a user that never closes: seen in the table, for ever */
    c = reach(CLW);
    hx_quiet(c.h, SEC(86400));
    assert_state(&c, TCPS_CLOSE_WAIT);
    ck_assert_uint_eq(hx_counter(c.h, "TcpCurrEstab"), 1);
    leave(&c);
}
END_TEST

/* ---- keep-alive (3.8.4) ---- */

static struct conv alive(void)
{
    struct conv c = est(TD_PROFILE_LINUX);
    ck_assert_int_eq(set_opt(c.h, c.s, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_KEEPIDLE, 10), 0);
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_KEEPINTVL, 5), 0);
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_KEEPCNT, 3), 0);
    return c;
}

#define probe_out(c, at) tcp_out((c)->h, (at), .flags = ACK, .seq = HX_ZERO, .ack = 1)

/* shows: MUST-27 MUST-29 SHLD-12 MAY-5 ATK-TCPR-19 */
START_TEST(keepalive)
{
    struct conv c = alive();
    probe_out(&c, SEC(10)); /* SND.NXT-1, no text */
    probe_out(&c, SEC(15));
    probe_out(&c, SEC(20));
    ack_in(&c, SEC(21), 1, 60000); /* two lost ones don't matter */
    assert_state(&c, TCPS_ESTABLISHED);
    probe_out(&c, SEC(31));
    probe_out(&c, SEC(36));
    probe_out(&c, SEC(41));
    tcp_out(c.h, SEC(46), .flags = RST | ACK, .seq = 1, .ack = 1);
    ck_assert_int_eq(so_error(c.h, c.s), ETIMEDOUT);
    leave(&c);
    c = alive(); /* the peer has forgotten the connection */
    probe_out(&c, SEC(10));
    tcp_in(c.h, SEC(10) + MS(1), .flags = RST, .seq = 1);
    ck_assert_int_eq(so_error(c.h, c.s), ECONNRESET);
    leave(&c);
}
END_TEST

/* shows: MUST-24 MUST-25 */
START_TEST(keepalive_is_asked_for_by_connection)
{
    struct conv c = est(TD_PROFILE_LINUX);
    hx_quiet(c.h, SEC(24 * 3600)); /* off */
    tcp_in(c.h, NOW, .sport = 50000, .flags = SYN, .seq = 0, .wnd = 1000);
    tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    tcp_in(c.h, NOW, .sport = 50000, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
    int s2 = td_accept(c.h->st, c.l, NULL, NULL);
    ck_assert_int_eq(set_opt(c.h, s2, IPPROTO_TCP, TCP_KEEPIDLE, 10), 0);
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_KEEPIDLE, 10), 0);
    ck_assert_int_eq(set_opt(c.h, s2, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
    td_time t0 = hx_now(c.h);
    tcp_out(c.h, t0 + SEC(10), .dport = 50000, .flags = ACK, .seq = HX_ZERO, .ack = 1);
    tcp_in(c.h, NOW, .sport = 50000, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
    hx_quiet(c.h, t0 + SEC(19)); /* the other one is silent */
    ck_assert_int_eq(set_opt(c.h, s2, SOL_SOCKET, SO_KEEPALIVE, 0), 0);
    hx_quiet(c.h, t0 + SEC(3600));
    leave(&c);
}
END_TEST

/* shows: MUST-26 */
START_TEST(keepalive_only_when_all_is_still)
{
    struct conv c = alive();
    for (int i = 1; i < 10; i++) { /* something arrives now and then */
        ack_in(&c, SEC(9 * i), 1, 60000);
        hx_quiet(c.h, SEC(9 * i));
    }
    hx_quiet(c.h, SEC(81 + 9)); /* until 10 s after the last */
    ck_assert_uint_eq(hx_event(c.h, "tcp-keepalive"), 0);
    /* text is out: the retransmission timer is at it */
    say(&c, 1, 1);
    hx_until(c.h, SEC(81 + 100));
    ck_assert_uint_eq(hx_event(c.h, "tcp-keepalive"), 0);
    ck_assert_uint_gt(hx_counter(c.h, "TcpRetransSegs"), 3);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* shows: MUST-28 */
START_TEST(keepalive_after_two_hours)
{
    struct conv c = est(TD_PROFILE_LINUX);
    ck_assert_int_eq(set_opt(c.h, c.s, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
    hx_quiet(c.h, SEC(7200) - MS(1));
    probe_out(&c, SEC(7200));
    leave(&c);
}
END_TEST

/* shows: ATK-TCPR-19 */
START_TEST(keepalive_of_the_peer)
{
    struct conv c = est(TD_PROFILE_LINUX);
    for (int i = 0; i < 2; i++) { /* without and with its octet of garbage: answered, and not delivered */
        tcp_in(c.h, SEC(10 + 10 * i), .flags = ACK, .seq = 0, .ack = 1, .wnd = 60000, .len = (size_t)i, .data = "g");
        tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1);
    }
    char b[4];
    ck_assert_int_eq(td_recv(c.h->st, c.s, b, sizeof b, 0), -EAGAIN);
    leave(&c);
}
END_TEST

/* ---- the delayed acknowledgment (3.8.6.3) ---- */

#define text_in(c, at, pos, n) tcp_in((c)->h, (at), .flags = ACK, .seq = (pos), .ack = 1, .wnd = 60000, .len = (n))

/* shows: MUST-40 SHLD-18 5681-26 */
START_TEST(acknowledgment_is_delayed_but_not_long)
{
    struct conv c = est(TD_PROFILE_RFC);
    text_in(&c, SEC(1), 1, 100);
    hx_quiet(c.h, SEC(1) + MS(199));
    tcp_out(c.h, SEC(1) + MS(200), .flags = ACK, .seq = 1, .ack = 101);
    /* more small ones don't push it back */
    for (int i = 0; i < 4; i++) {
        text_in(&c, SEC(2) + MS(40 * i), 101 + i, 1);
    }
    tcp_out(c.h, SEC(2) + MS(200), .flags = ACK, .seq = 1, .ack = 105);
    /* text of our own carries it */
    text_in(&c, SEC(3), 105, 1);
    hx_until(c.h, SEC(3) + MS(10));
    say(&c, 1, 5);
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 1, .ack = 106, .len = 5);
    c.rcv = 106;
    ack_in(&c, NOW, 6, 60000);
    hx_quiet(c.h, SEC(4));
    leave(&c);
}
END_TEST

/* shows: SHLD-19 5681-26 */
START_TEST(every_second_full_segment)
{
    struct conv c = est(TD_PROFILE_RFC);
    for (int i = 0; i < 10; i += 2) {
        text_in(&c, SEC(2) + MS(10 * i), 1 + 1460 * i, 1460);
        hx_quiet(c.h, NOW);
        text_in(&c, SEC(2) + MS(10 * i + 10), 1 + 1460 * (i + 1), 1460);
        tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1 + 1460 * (i + 2));
    }
    leave(&c);
}
END_TEST

/* Linux's way: at once in the beginning, then delayed. */
START_TEST(quick_acks)
{
    struct conv c = est(TD_PROFILE_LINUX);
    int64_t pos = 1;
    for (int i = 0; i < 16; i++, pos += 10) {
        text_in(&c, MS(i), pos, 10);
        tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = pos + 10);
    }
    text_in(&c, MS(100), pos, 10);
    tcp_out(c.h, MS(140), .flags = ACK, .seq = 1, .ack = pos + 10);
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtDelayedACKs"), 1);
    leave(&c);
}
END_TEST

/* ---- long times ---- */

/* shows: ATK-TCPR-21 */
START_TEST(fifty_days)
{
    struct conv c = est(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.tcp_rto_min_var", "0");
    static const int64_t days[] = {25, 50, 75};
    int64_t pos = 1;
    for (int i = 0; i < 3; i++) {
        hx_quiet(c.h, SEC(86400 * days[i]));
        say(&c, pos, 10);
        tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = pos, .ack = 1, .len = 10);
        pos += 10;
        ack_in(&c, hx_now(c.h) + MS(10), pos, 60000);
        ck_assert_uint_lt(info(&c).tcpi_rtt, 20000);
        say(&c, pos, 10);
        tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = pos, .ack = 1, .len = 10);
        tcp_out(c.h, hx_now(c.h) + MS(200), .flags = ACK | PSH, .seq = pos, .ack = 1, .len = 10);
        pos += 10;
        ack_in(&c, hx_now(c.h) + MS(10), pos, 60000);
    }
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp timers");
    TCase *tc = tcase_create("timers");
    tcase_add_test(tc, probes);
    tcase_add_test(tc, probe_that_is_taken);
    tcase_add_test(tc, closed_window_for_a_day);
    tcase_add_test(tc, probes_nobody_answers);
    tcase_add_test(tc, black_hole);
    tcase_add_test(tc, users_time_out);
    tcase_add_loop_test(tc, syn_into_a_black_hole, 0, 2);
    tcase_add_test(tc, syn_acks_stop);
    tcase_add_test(tc, last_ack_of_a_peer_that_has_gone);
    tcase_add_test(tc, keepalive);
    tcase_add_test(tc, keepalive_is_asked_for_by_connection);
    tcase_add_test(tc, keepalive_only_when_all_is_still);
    tcase_add_test(tc, keepalive_after_two_hours);
    tcase_add_test(tc, keepalive_of_the_peer);
    tcase_add_test(tc, acknowledgment_is_delayed_but_not_long);
    tcase_add_test(tc, every_second_full_segment);
    tcase_add_test(tc, quick_acks);
    tcase_add_test(tc, fifty_days);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
