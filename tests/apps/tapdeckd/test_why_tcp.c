/* tests of apps/tapdeckd/cmd_why.c, why_*.c: prepared situations of TCP: how connections begin,
 * what is refused, what holds a sender back, loss and what comes of it, how they end. As
 * test_why.c. */
#include "check_main.h"

#include "asking.h"

/* ---- tcp: beginnings ---- */

START_TEST(bad_tcp_checksum)
{
    begin(reach(EST));
    tcp_in(h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000, .len = 4, .bad_csum = true);
    ASKS("why drop", "Dropped a segment from 10.0.0.2 port 40000 to port 80: its checksum",
         "RFC 9293 3.1");
    ASKS("why checksum", "tcp-drop-checksum", "is wrong");
    done();
}
END_TEST

START_TEST(closed_port)
{
    fresh();
    tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = 1000, .dport = 81);
    hx_drain(h);
    ASKS("why drop", "Nobody is at port 81 for the segment SYN from 10.0.0.2 port 40000",
         "RFC 9293 3.10.7.1");
    ASKS("why 10.0.0.2:40000", "Sent a reset (no such connection)", "because", "tcp-drop-closed");
    done();
}
END_TEST

START_TEST(refused)
{
    begin(reach(SYS));
    tcp_in(h, NOW, .flags = RST | ACK, .seq = 0, .ack = 1);
    ASKS("why connect",
         "10.0.0.2 answered our SYN to port 40000 with a reset: nobody listens there",
         "Connection refused", "RFC 9293 3.10.7");
    ASKS("why connect 10.0.0.2:40000", "answered our SYN",
         "the application is told: Connection refused", "tcp-rst-in");
    ASKS("why 10.0.0.2:40000", "The user is told: Connection refused", "because", "tcp-rst-in");
    ASKS("why last", "The user is told: Connection refused", "because", "tcp-rst-in");
    ASKS("why refused", "answered our SYN", "tcp-error");
    ASKS("why fail", "answered our SYN", "tcp-error");
    ck_assert_int_eq(td_close(h->st, c.s), 0);
    ASKS("why reset", "A reset at", "ends the connection in SYN-SENT", "tcp-rst-in");
    done();
}
END_TEST

START_TEST(no_answer)
{
    begin(reach(SYS));
    hx_until(h, SEC(5));
    hx_drain(h);
    ASKS("why connect 10.0.0.2:40000", "It has not failed yet", "no answer to our SYN",
         " times, the next goes out in");
    ASKS("why stalled", "SYN-SENT", "RFC");
    hx_until(h, SEC(200));
    hx_drain(h);
    ASKS("why connect 10.0.0.2:40000", "The connection is given up (retransmissions exhausted)",
         "timed out", "RFC 9293 3.8.3");
    done();
}
END_TEST

START_TEST(backlog_full)
{
    fresh();
    int l = hx_tcp_listen(h, 80);
    ck_assert_int_eq(td_listen(h->st, l, 1), 0);
    for (uint16_t p = 1; p <= 4; p++) {
        tcp_in(h, NOW, .sport = p, .flags = SYN, .seq = 0, .wnd = 1000, .opts = {.mss = 1460});
        if (hx_pending(h) == 0)
            break;
        tcp_out(h, NOW, .dport = p, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
        tcp_in(h, NOW, .sport = p, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
    }
    ASKS("why drop", "accept queue full", "RFC 4987 3");
    hx_drain(h);
    done();
}
END_TEST

START_TEST(syn_cookies)
{
    fresh();
    knob_set(h, "net.ipv4.tcp_syncookies", "2");
    (void)hx_tcp_listen(h, 80);
    tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = 1000, .opts = {.mss = 1460});
    hx_drain(h);
    ASKS("why cookie", "10.0.0.2 port 40000 gets a SYN cookie", "RFC 4987 3.6");
    done();
}
END_TEST

/* ---- tcp: segments that are refused ---- */

static struct conv stamped_conv(void)
{
    struct conv x = conv_new(TD_PROFILE_LINUX);
    x = talk(x, (struct hx_opts){.mss = 1000, .ts = true, .ts_val = 1000}, 60000, 0);
    return x;
}

START_TEST(paws)
{
    begin(stamped_conv());
    tcp_in(h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000, .len = 4,
           .opts = {.ts = true, .ts_val = 5000});
    hx_drain(h);
    tcp_in(h, NOW, .flags = ACK, .seq = 5, .ack = 1, .wnd = 1000, .len = 4,
           .opts = {.ts = true, .ts_val = 10});
    hx_drain(h);
    ASKS("why drop", "its timestamp 10 is older than 5000", "RFC 7323 5.3", "tcp-drop-paws");
    ASKS("why paws", "tcp-drop-paws", "RFC 7323");
    done();
}
END_TEST

START_TEST(challenge_ack)
{
    begin(reach(EST));
    tcp_in(h, NOW, .flags = SYN, .seq = 1, .wnd = 1000);
    hx_drain(h);
    ASKS("why challenge", "Sent a challenge ACK (SYN in a synchronized state)", "RFC 5961 3-5");
    done();
}
END_TEST

START_TEST(blind_reset)
{
    begin(reach(EST));
    tcp_in(h, NOW, .flags = RST, .seq = 100);
    hx_drain(h);
    ASKS("why drop", "Dropped a reset at", "in the window but not at its edge", "RFC 9293 3.10.7",
         "tcp-drop-rst");
    ASKS("why 10.0.0.2:40000 -n 1", "challenge ACK", "RFC 5961");
    done();
}
END_TEST

START_TEST(outside_the_window)
{
    begin(reach(EST));
    tcp_in(h, NOW, .flags = ACK, .seq = 900000, .ack = 1, .wnd = 1000, .len = 4);
    hx_drain(h);
    ASKS("why drop", "outside the window of", "RFC 9293 3.10.7.4");
    done();
}
END_TEST

/* ---- tcp: what holds a sender back ---- */

START_TEST(window_full)
{
    begin(talk(conv_new(TD_PROFILE_LINUX), (struct hx_opts){.mss = 1000}, 2000, MS(10)));
    say(&c, 1, 5000);
    hx_drain(h);
    ASKS("why stalled 10.0.0.2:40000",
         "The peer's window is full: it takes 2000 bytes and 2000 are in flight; 3000 wait",
         "RFC 9293 3.8.6");
    done();
}
END_TEST

START_TEST(zero_window)
{
    begin(talk(conv_new(TD_PROFILE_LINUX), (struct hx_opts){.mss = 1000}, 2000, MS(10)));
    say(&c, 1, 5000);
    hx_drain(h);
    ack_in(&c, NOW, 2001, 0);
    ASKS("why stalled", "The peer's window is closed (zero window)", "3000 bytes wait",
         "RFC 9293 3.8.6.1", "tcp-window-zero-in");
    hx_until(h, hx_now(h) + SEC(1));
    hx_drain(h);
    ASKS("why window", "The peer closed its window", "RFC 9293 3.8.6.1");
    ASKS("why probe", "Window probe at", "RFC 9293 3.8.6.1");
    done();
}
END_TEST

START_TEST(nagle)
{
    begin(talk(conv_new(TD_PROFILE_LINUX), (struct hx_opts){.mss = 1000}, 60000, MS(10)));
    say(&c, 1, 100);
    say(&c, 101, 100);
    hx_drain(h);
    ASKS("why idle",
         "Nagle's rule: 100 bytes are less than a full segment (1000) and wait until the 100 in "
         "flight",
         "RFC 9293 3.7.4");
    done();
}
END_TEST

START_TEST(nothing_to_send)
{
    begin(reach(EST));
    ASKS("why idle", "The application has nothing to send", "RFC 9293");
    say(&c, 1, 100);
    hx_drain(h);
    ASKS("why stalled", "All that was written has been sent: 100 bytes are on their way",
         "RFC 9293");
    hx_until(h, hx_now(h) + SEC(3));
    hx_drain(h);
    ASKS("why stuck", "Nothing is acknowledged, though the earliest segment was sent again",
         "RFC 6298 5.5", "tcp-rto");
    done();
}
END_TEST

START_TEST(cwnd_full)
{
    begin(sack_flight(conv_new(TD_PROFILE_LINUX), 40000));
    ASKS("why stalled",
         "The congestion window is full: 10000 bytes, 10000 in flight (open); 30000 wait",
         "RFC 5681 3.1");
    done();
}
END_TEST

START_TEST(delayed_ack)
{
    begin(reach(EST));
    knob_set(h, "tapdeck.journal.level", "2");
    ck_assert_int_eq(set_opt(h, c.s, IPPROTO_TCP, TCP_QUICKACK, 0), 0);
    tcp_in(h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000, .len = 4);
    ASKS("why delack", "The acknowledgment of 4 bytes waits up to", "RFC 9293 3.8.6.3");
    hx_until(h, hx_now(h) + SEC(1));
    hx_drain(h);
    done();
}
END_TEST

/* ---- tcp: loss and what comes of it ---- */

START_TEST(rto_against_tlp)
{
    begin(sack_flight(conv_new(TD_PROFILE_LINUX), 4000));
    hx_until(h, MS(250));
    hx_drain(h);
    ASKS("why retransmit", "Tail loss probe", "RFC 8985 7.3");
    hx_until(h, MS(600));
    hx_drain(h);
    ASKS("why retransmit", "No acknowledgment for", "retransmission time-out 1",
         "RFC 6298 5.4-5.6");
    ASKS("why rto", "tcp-rto", "RFC 6298");
    ASKS("why cwnd", "No acknowledgment for", "the congestion window was cut from", "RFC 6298");
    done();
}
END_TEST

START_TEST(fast_retransmit)
{
    begin(sack_flight(conv_new(TD_PROFILE_LINUX), 10000));
    sack_in(&c, MS(100), 1, B1(1, 5));
    hx_until(h, MS(130));
    hx_drain(h);
    ASKS("why retransmit 10.0.0.2:40000", "is believed lost", "RFC 8985 6.2", "tcp-retransmit");
    ASKS("why cwnd 10.0.0.2:40000", "is believed lost",
         "the congestion window was cut from 10000 to", "tcp-cwnd");
    done();
}
END_TEST

START_TEST(sack_reneging)
{
    begin(sack_flight(conv_new(TD_PROFILE_LINUX), 10000));
    sack_in(&c, MS(100), 1, B1(1, 5));
    hx_until(h, MS(130));
    hx_drain(h);
    ack_in(&c, MS(140), 1001, WND); /* and no SACK of what follows */
    hx_until(h, SEC(2));
    hx_drain(h);
    ASKS("why renege", "which it has SACKed: its", "RFC 2018 8");
    done();
}
END_TEST

START_TEST(spurious_undo)
{
    begin(sack_flight(conv_new(TD_PROFILE_LINUX), 10000));
    sack_in(&c, MS(100), 1, B1(1, 10));
    hx_until(h, MS(130));
    hx_drain(h);
    sack_in(&c, MS(140), 10001, (struct blocks){0});
    say(&c, 10001, 1000);
    hx_drain(h);
    sack_in(&c, MS(200), 10001, B1(0, 1)); /* the copy came twice */
    ASKS("why undo", "There was no loss (D-SACK): cwnd back from", "RFC 4015 3");
    hx_drain(h);
    done();
}
END_TEST

START_TEST(path_mtu)
{
    begin(talk(conv_new(TD_PROFILE_LINUX), (struct hx_opts){.mss = 1460}, 60000, MS(10)));
    say(&c, 1, 1460);
    ip_out(h, NOW, 6);
    hx_icmp_error_in(h, NOW, HX_ROUTER, 3, 4, 1000, 8);
    hx_drain(h);
    ASKS("why pmtu", "full segments now carry", "RFC 1191");
    ASKS("why icmp", "10.0.0.254 says destination unreachable (code 4)", "icmp-error-in");
    done();
}
END_TEST

START_TEST(black_hole)
{
    fresh();
    knob_set(h, "net.ipv4.tcp_mtu_probing", "1");
    begin(talk(c, (struct hx_opts){.mss = 1460}, 60000, MS(10)));
    say(&c, 1, 14600);
    hx_until(h, hx_now(h) + SEC(20));
    hx_drain(h);
    ASKS("why mtu", "black hole", "RFC 4821 7");
    done();
}
END_TEST

/* ---- tcp: ends ---- */

START_TEST(close_wait)
{
    begin(reach(CLW));
    hx_until(h, hx_now(h) + SEC(12));
    ASKS("why state 10.0.0.2:40000",
         "10.0.0.1:80-10.0.0.2:40000 is in CLOSE-WAIT: the peer closed at", "RFC 9293 3.6",
         "has not called close for 12 s", "tcp-state", "the peer's FIN");
    ASKS("why CLOSE-WAIT", "is in CLOSE-WAIT: the peer closed",
         "which began with the arrival of packet");
    ASKS("why close_wait", "is in CLOSE-WAIT", "tcp-state");
    done();
}
END_TEST

START_TEST(other_states)
{
    static const struct {
        enum st st;
        const char *says;
    } states[] = {{SYR, "the peer's SYN came at"},
                  {EST, "neither side has closed since"},
                  {FW1, "the peer has not acknowledged our FIN"},
                  {FW2, "has not closed its own side"},
                  {CLG, "both sides closed at once"},
                  {LAK, "the peer closed first, then this side"},
                  {TIW, "it waits 2MSL"}};
    for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++) {
        begin(reach(states[i].st));
        ASKS("why state 10.0.0.2:40000", states[i].says, "RFC 9293 3");
        hx_drain(h);
        done();
    }
    begin(reach(LIS));
    ASKS("why state :80", "an application waits for connections", "tcp-listen");
    done();
}
END_TEST

START_TEST(time_wait)
{
    begin(reach(TIW));
    ASKS("why TIME-WAIT", "is in TIME-WAIT: this side closed first, so it waits 2MSL",
         "RFC 9293 3.6.1");
    tcp_in(h, hx_now(h) + SEC(2), .flags = SYN, .seq = 100000, .wnd = 1000, .opts = {.mss = 1460});
    hx_drain(h);
    ASKS("why reuse", "A new SYN at", "ends TIME-WAIT early", "RFC 9293 3.6.1");
    done();
}
END_TEST

START_TEST(keepalive_death)
{
    begin(reach(EST));
    ck_assert_int_eq(set_opt(h, c.s, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
    ck_assert_int_eq(set_opt(h, c.s, IPPROTO_TCP, TCP_KEEPIDLE, 10), 0);
    ck_assert_int_eq(set_opt(h, c.s, IPPROTO_TCP, TCP_KEEPINTVL, 1), 0);
    ck_assert_int_eq(set_opt(h, c.s, IPPROTO_TCP, TCP_KEEPCNT, 3), 0);
    hx_until(h, hx_now(h) + SEC(60));
    hx_drain(h);
    ASKS("why closed", "The connection is given up (keep-alive unanswered) after 3 tries",
         "tcp-give-up", "RFC 9293 3.8.3");
    ASKS("why fail", "The connection is given up (keep-alive unanswered)", "timed out");
    done();
}
END_TEST

START_TEST(user_timeout)
{
    begin(reach(EST));
    ck_assert_int_eq(set_opt(h, c.s, IPPROTO_TCP, TCP_USER_TIMEOUT, 3000), 0);
    say(&c, 1, 100);
    hx_until(h, hx_now(h) + SEC(30));
    hx_drain(h);
    ASKS("why closed", "The connection is given up (user timeout)", "tcp-give-up",
         "RFC 9293 3.8.3");
    done();
}
END_TEST

START_TEST(peer_reset)
{
    begin(reach(EST));
    tcp_in(h, NOW, .flags = RST, .seq = 1);
    ASKS("why closed 10.0.0.2:40000", "A reset at", "RFC 9293 3.10.7", "tcp-rst-in");
    ASKS("why reset", "A reset at", "ESTABLISHED");
    done();
}
END_TEST

static Suite *suite(void)
{
    const TTest *const tests[] = {bad_tcp_checksum,
                                  closed_port,
                                  refused,
                                  no_answer,
                                  backlog_full,
                                  syn_cookies,
                                  paws,
                                  challenge_ack,
                                  blind_reset,
                                  outside_the_window,
                                  window_full,
                                  zero_window,
                                  nagle,
                                  nothing_to_send,
                                  cwnd_full,
                                  delayed_ack,
                                  rto_against_tlp,
                                  fast_retransmit,
                                  sack_reneging,
                                  spurious_undo,
                                  path_mtu,
                                  black_hole,
                                  close_wait,
                                  other_states,
                                  time_wait,
                                  keepalive_death,
                                  user_timeout,
                                  peer_reset};
    Suite *s = suite_create("why/tcp");
    TCase *t = tcase_create("why/tcp");
    for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++)
        tcase_add_test(t, tests[i]);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
