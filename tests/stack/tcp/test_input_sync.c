/* SEGMENT ARRIVES in SYN-RECEIVED and the synchronized states (RFC 9293 3.10.7.4): each test is one
 * event, run in each state of its list. */
#include "check_main.h"
#include "tcp_states.h"

static const enum st sync8[] = {SYR, EST, FW1, FW2, CLW, CLG, LAK, TIW};
static const enum st sync7[] = {EST, FW1, FW2, CLW, CLG, LAK, TIW}; /* without SYN-RECEIVED */
static const enum st text4[] = {SYR, EST, FW1, FW2};                /* where text is taken */
static const enum st text3[] = {EST, FW1, FW2};
static const enum st after_fin[] = {CLW, CLG, LAK, TIW}; /* behind the peer's FIN */

#define N(a) ((int)(sizeof(a) / sizeof(a)[0]))

/* Where an ACK from this side is numbered: SND.NXT. */
#define ack_now(c) tcp_out((c)->h, NOW, .flags = ACK, .seq = (c)->nxt, .ack = (c)->rcv)

/* ---- step 1 ---- */

/* shows: TSM-SYR-SEG-SEQ-OUT-1 TSM-EST-SEG-SEQ-OUT-1 TSM-FW1-SEG-SEQ-OUT-1 TSM-FW2-SEG-SEQ-OUT-1
 * TSM-CLW-SEG-SEQ-OUT-1 TSM-CLG-SEG-SEQ-OUT-1 TSM-LAK-SEG-SEQ-OUT-1 TSM-TIW-SEG-SEQ-OUT-1
 * 9293-U14 */
START_TEST(outside_the_window_is_answered_by_an_ack)
{
    struct conv c = reach(sync8[_i]);
    int64_t edge = c.rcv + conv_rcv_wnd(&c);
    /* text beyond, text before, and the octet right behind the edge */
    tcp_in(c.h, NOW, .flags = ACK, .seq = edge + 1, .ack = c.nxt, .wnd = 1000, .len = 10);
    ack_now(&c);
    tcp_in(c.h, NOW, .flags = ACK, .seq = edge, .ack = c.nxt, .wnd = 1000, .len = 1);
    ack_now(&c);
    tcp_in(c.h, NOW, .flags = ACK, .seq = c.rcv - 20, .ack = c.nxt, .wnd = 1000, .len = 10);
    ack_now(&c);
    assert_state(&c, st_tcps[c.st]);
    ck_assert_int_ge((int)(hx_event(c.h, "tcp-drop-window") + hx_event(c.h, "tcp-drop-time-wait")),
                     3);
    /* bare ones could answer each other for ever: one answer in half a second */
    hx_until(c.h, hx_now(c.h) + MS(1));
    unsigned answers = 0;
    for (int i = 0; i < 5; i++) {
        tcp_in(c.h, NOW, .flags = ACK, .seq = edge + 1, .ack = c.nxt, .wnd = 1000);
        answers += hx_pending(c.h);
        hx_drain(c.h);
    }
    ck_assert_uint_eq(answers, 1);
    assert_state(&c, st_tcps[c.st]);
    leave(&c);
}
END_TEST

/* shows: TSM-SYR-SEG-SEQ-OUT-2 TSM-EST-SEG-SEQ-OUT-2 TSM-FW1-SEG-SEQ-OUT-2 TSM-FW2-SEG-SEQ-OUT-2
 * TSM-CLW-SEG-SEQ-OUT-2 TSM-CLG-SEG-SEQ-OUT-2 TSM-LAK-SEG-SEQ-OUT-2 TSM-TIW-SEG-SEQ-OUT-2
 * 9293-U04 */
START_TEST(reset_outside_the_window_is_dropped_silently)
{
    struct conv c = reach(sync8[_i]);
    int64_t edge = c.rcv + conv_rcv_wnd(&c);
    tcp_in(c.h, NOW, .flags = RST, .seq = c.rcv - 1);
    tcp_in(c.h, NOW, .flags = RST, .seq = edge);
    tcp_in(c.h, NOW, .flags = RST | ACK, .seq = edge + 1000, .ack = c.nxt);
    hx_quiet(c.h, NOW);
    assert_state(&c, st_tcps[c.st]);
    leave(&c);
}
END_TEST

/* shows: TSM-SYR-SEG-SEQ-OUT-3 TSM-EST-SEG-SEQ-OUT-3 TSM-FW1-SEG-SEQ-OUT-3 TSM-FW2-SEG-SEQ-OUT-3
 * TSM-CLW-SEG-SEQ-OUT-3 TSM-CLG-SEG-SEQ-OUT-3 TSM-LAK-SEG-SEQ-OUT-3 TSM-TIW-SEG-SEQ-OUT-3
 * 9293-U18 */
START_TEST(probe_of_a_closed_window)
{
    struct conv c = reach(sync8[_i]);
    conv_set_rcv_wnd(&c, 0);
    uint8_t now = st_tcps[c.st];
    tcp_in(c.h, NOW, .flags = ACK, .seq = c.rcv, .ack = c.una, .wnd = 1234, .len = 1);
    tcp_out(c.h, NOW, .flags = ACK, .seq = c.nxt, .ack = c.rcv, .wnd = HX_ZERO);
    assert_state(&c, now);
    struct tcp_ep *ep = conv_ep(&c);
    if (c.st != SYR && ep->kind == TCP_EP_TCB) { /* the rest of the segment counts */
        ck_assert_uint_eq(conv_tcb(&c)->snd_wnd, 1234);
    }
    if (c.st == FW1 || c.st == CLG) { /* its ACK too: of our FIN */
        tcp_in(c.h, NOW, .flags = ACK, .seq = c.rcv, .ack = 2, .wnd = 1234, .len = 1);
        if (c.st == FW1) {
            tcp_out(c.h, NOW, .flags = ACK, .seq = c.nxt, .ack = c.rcv, .wnd = HX_ZERO);
        }
        assert_state(&c, c.st == FW1 ? TCPS_FIN_WAIT_2 : TCPS_TIME_WAIT);
    }
    if (c.st == EST) {
        tcp_in(c.h, NOW, .flags = ACK | URG, .seq = c.rcv, .ack = 1, .wnd = 1234, .len = 1,
               .urp = 1);
        tcp_out(c.h, NOW, .flags = ACK, .seq = c.nxt, .ack = c.rcv, .wnd = HX_ZERO);
        ck_assert(td_poll(c.h->st, c.s) & POLLPRI);
    }
    tcp_in(c.h, NOW, .flags = RST, .seq = c.rcv); /* and a reset (MUST-66) */
    ck_assert_int_ne(conv_state(&c), now);
    leave(&c);
}
END_TEST

/* shows: MUST-66 */
START_TEST(reset_and_urgent_with_a_closed_window)
{
    struct conv c = reach(EST);
    conv_set_rcv_wnd(&c, 0);
    tcp_in(c.h, NOW, .flags = ACK | URG, .seq = 1, .ack = 1, .wnd = 1000, .len = 1, .urp = 1);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = HX_ZERO);
    ck_assert(td_poll(c.h->st, c.s) & POLLPRI);
    tcp_in(c.h, NOW, .flags = RST, .seq = 1);
    assert_state(&c, TCPS_CLOSED);
    ck_assert_int_eq(so_error(c.h, c.s), ECONNRESET);
    leave(&c);
}
END_TEST

/* shows: TSM-SYR-SEG-SEQ-OUT-4 TSM-EST-SEG-SEQ-OUT-4 TSM-FW1-SEG-SEQ-OUT-4 TSM-FW2-SEG-SEQ-OUT-4 */
START_TEST(partly_outside_is_cut_to_the_window)
{
    struct conv c = reach_in(conv_new(TD_PROFILE_RFC), text4[_i]); /* Linux takes all or nothing */
    conv_set_rcv_wnd(&c, 30);
    if (c.st != SYR) { /* ten bytes, then twenty of which ten are old */
        tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = c.una, .wnd = PEER_WND, .len = 10);
        tcp_out(c.h, HX_ANYTIME, .flags = ACK, .seq = c.nxt, .ack = 11);
        tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = c.una, .wnd = PEER_WND, .len = 20);
        tcp_out(c.h, HX_ANYTIME, .flags = ACK, .seq = c.nxt, .ack = 21);
        c.rcv = 21;
    }
    /* more than the window has room for, and a FIN that is cut off */
    tcp_in(c.h, NOW, .flags = ACK | FIN, .seq = c.rcv, .ack = c.st == SYR ? c.nxt : c.una,
           .wnd = PEER_WND, .len = 40);
    tcp_out(c.h, HX_ANYTIME, .flags = ACK, .seq = c.nxt, .ack = 31, .wnd = HX_ZERO);
    assert_state(&c, c.st == SYR ? TCPS_ESTABLISHED : st_tcps[c.st]);
    if (c.st == SYR) {
        c.s = td_accept(c.h->st, c.l, NULL, NULL);
    }
    read_pattern(&c, 1, 30);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* shows: TSM-CLW-SEG-SEQ-OUT-4 TSM-CLG-SEG-SEQ-OUT-4 TSM-LAK-SEG-SEQ-OUT-4 TSM-TIW-SEG-SEQ-OUT-4
 * TSM-CLW-SEG-SEQ-OUT-5 TSM-CLG-SEG-SEQ-OUT-5 TSM-LAK-SEG-SEQ-OUT-5 TSM-TIW-SEG-SEQ-OUT-5
 * TSM-CLW-SEG-TEXT-1 TSM-CLG-SEG-TEXT-1 TSM-LAK-SEG-TEXT-1 TSM-TIW-SEG-TEXT-1 */
START_TEST(text_behind_the_fin_is_ignored)
{
    struct conv c = reach(after_fin[_i]);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 2, .ack = c.una, .wnd = PEER_WND, .len = 10);
    hx_drain(c.h);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = c.una, .wnd = PEER_WND,
           .len = 10); /* half old */
    hx_drain(c.h);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 12, .ack = c.una, .wnd = PEER_WND, .len = 10); /* ahead */
    hx_drain(c.h);
    assert_state(&c, st_tcps[c.st]);
    /* RCV.NXT is where it was */
    tcp_in(c.h, NOW, .flags = ACK, .seq = 100000, .ack = c.una, .wnd = PEER_WND, .len = 1);
    tcp_out(c.h, NOW, .flags = ACK, .seq = c.nxt, .ack = 2);
    char b[10];
    ck_assert_int_eq(td_recv(c.h->st, c.s, b, sizeof b, 0), 0);
    leave(&c);
}
END_TEST

/* shows: TSM-SYR-SEG-SEQ-OUT-5 TSM-EST-SEG-SEQ-OUT-5 TSM-FW1-SEG-SEQ-OUT-5 TSM-FW2-SEG-SEQ-OUT-5
 * SHLD-31 MAY-13 5681-15 5681-16 */
START_TEST(beyond_a_hole_is_held)
{
    struct conv c = reach(text4[_i]);
    int64_t ack = c.st == SYR ? c.nxt : c.una;
    tcp_in(c.h, NOW, .flags = ACK, .seq = 101, .ack = ack, .wnd = PEER_WND, .len = 100);
    ack_now(&c); /* at once, and a duplicate */
    tcp_in(c.h, NOW, .flags = ACK, .seq = 301, .ack = ack, .wnd = PEER_WND, .len = 100);
    ack_now(&c);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = ack, .wnd = PEER_WND, .len = 100);
    tcp_out(c.h, NOW, .flags = ACK, .seq = c.nxt, .ack = 201); /* part of the gap: at once */
    tcp_in(c.h, NOW, .flags = ACK, .seq = 201, .ack = ack, .wnd = PEER_WND, .len = 100);
    tcp_out(c.h, NOW, .flags = ACK, .seq = c.nxt, .ack = 401);
    if (c.st == SYR) {
        c.s = td_accept(c.h->st, c.l, NULL, NULL);
    }
    read_pattern(&c, 1, 400);
    leave(&c);
}
END_TEST

/* ---- step 2 ---- */

/* shows: TSM-SYR-SEG-RST-1 TSM-EST-SEG-RST-1 TSM-FW1-SEG-RST-1 TSM-FW2-SEG-RST-1 TSM-CLW-SEG-RST-1
 * TSM-CLG-SEG-RST-1 TSM-LAK-SEG-RST-1 TSM-TIW-SEG-RST-1 9293-U01 5961-01 */
START_TEST(exact_reset)
{
    static const int want[STATES] = {
        [EST] = ECONNRESET, [FW1] = ECONNRESET, [FW2] = ECONNRESET, [CLW] = EPIPE};
    struct conv c = reach(sync8[_i]);
    if (c.st == EST) { /* queued data goes with it */
        write_pattern(&c, 1, 100);
        hx_drain(c.h);
    }
    tcp_in(c.h, NOW, .flags = RST, .seq = c.rcv);
    hx_quiet(c.h, NOW);
    assert_state(&c, TCPS_CLOSED);
    if (c.st == SYR) { /* MUST-11: back to listening, without a word to the user */
        ck_assert_int_eq(td_poll(c.h->st, c.l), 0);
        ck_assert_int_eq(td_accept(c.h->st, c.l, NULL, NULL), -EAGAIN);
        tcp_in(c.h, NOW, .flags = SYN, .seq = 0, .wnd = PEER_WND);
        tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
        leave(&c);
        return;
    }
    ck_assert(td_poll(c.h->st, c.s) & POLLHUP);
    ck_assert_int_eq(so_error(c.h, c.s), want[c.st]);
    char b[4];
    ck_assert_int_eq(td_recv(c.h->st, c.s, b, sizeof b, 0), 0);
    ck_assert_int_eq(td_send(c.h->st, c.s, b, sizeof b, MSG_NOSIGNAL), -EPIPE);
    hx_quiet(c.h, hx_now(c.h) + SEC(300)); /* nothing is left that could fire */
    leave(&c);
}
END_TEST

/* shows: TSM-SYR-SEG-RST-2 MUST-11 */
START_TEST(exact_reset_of_an_active_open)
{
    struct conv c = reach(SYRA);
    tcp_in(c.h, NOW, .flags = RST, .seq = 1);
    assert_state(&c, TCPS_CLOSED);
    ck_assert_int_eq(so_error(c.h, c.s), ECONNREFUSED);
    leave(&c);
}
END_TEST

/* shows: TSM-SYR-SEG-RST-3 TSM-EST-SEG-RST-2 TSM-FW1-SEG-RST-2 TSM-FW2-SEG-RST-2 TSM-CLW-SEG-RST-2
 * TSM-CLG-SEG-RST-2 TSM-LAK-SEG-RST-2 TSM-TIW-SEG-RST-2 9293-U02 9293-U03 5961-01 */
START_TEST(reset_in_the_window_is_challenged)
{
    struct conv c = reach(sync8[_i]);
    tcp_in(c.h, NOW, .flags = RST | ACK, .seq = c.rcv + 1, .ack = c.nxt, .len = 10);
    ack_now(&c);
    assert_state(&c, st_tcps[c.st]);
    if (c.s >= 0) {
        ck_assert_int_eq(so_error(c.h, c.s), 0);
    }
    hx_until(c.h, hx_now(c.h) + MS(600));
    hx_drain(c.h);
    tcp_in(c.h, NOW, .flags = RST, .seq = c.rcv + conv_rcv_wnd(&c) - 1); /* the last octet of it */
    ack_now(&c);
    assert_state(&c, st_tcps[c.st]);
    leave(&c);
}
END_TEST

/* shows: TSM-SYR-SEG-RST-4 TSM-EST-SEG-RST-3 TSM-FW1-SEG-RST-3 TSM-FW2-SEG-RST-3 TSM-CLW-SEG-RST-3
 * TSM-CLG-SEG-RST-3 TSM-LAK-SEG-RST-3 TSM-TIW-SEG-RST-3 */
START_TEST(reset_in_the_window_without_rfc_5961)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.tcp_challenge_ack", "0");
    c = reach_in(c, sync8[_i]);
    tcp_in(c.h, NOW, .flags = RST, .seq = c.rcv + 10);
    hx_quiet(c.h, NOW);
    assert_state(&c, TCPS_CLOSED);
    leave(&c);
}
END_TEST

/* shows: TSM-SYR-SEG-RST-5 TSM-EST-SEG-RST-4 TSM-FW1-SEG-RST-4 TSM-FW2-SEG-RST-4 TSM-CLW-SEG-RST-4
 * TSM-CLG-SEG-RST-4 TSM-LAK-SEG-RST-4 TSM-TIW-SEG-RST-4 */
START_TEST(ack_field_of_a_reset_plays_no_part)
{
    struct conv c = reach(sync8[_i]);
    tcp_in(c.h, NOW, .flags = RST | ACK, .seq = c.rcv, .ack = c.nxt + 100000);
    hx_quiet(c.h, NOW);
    assert_state(&c, TCPS_CLOSED);
    leave(&c);
}
END_TEST

/* shows: SHLD-2 ATK-TCPI-14 */
START_TEST(reset_with_text)
{
    struct conv c = reach(EST);
    tcp_in(c.h, NOW, .flags = RST | ACK, .seq = 1, .ack = 1, .len = 20);
    assert_state(&c, TCPS_CLOSED);
    char b[30];
    ck_assert_int_eq(td_recv(c.h->st, c.s, b, sizeof b, 0), -ECONNRESET);
    ck_assert_int_eq(td_recv(c.h->st, c.s, b, sizeof b, 0), 0);
    leave(&c);
}
END_TEST

/* shows: MUST-12 */
START_TEST(fin_and_reset_are_told_apart)
{
    struct conv c = reach(EST);
    char b[4];
    tcp_in(c.h, NOW, .flags = FIN | ACK, .seq = 1, .ack = 1, .wnd = PEER_WND);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 2);
    ck_assert_int_eq(td_recv(c.h->st, c.s, b, sizeof b, 0), 0);
    ck_assert_int_eq(so_error(c.h, c.s), 0);
    leave(&c);
    c = reach(EST);
    tcp_in(c.h, NOW, .flags = RST, .seq = 1);
    ck_assert_int_eq(td_recv(c.h->st, c.s, b, sizeof b, 0), -ECONNRESET);
    leave(&c);
}
END_TEST

/* ---- step 4 ---- */

/* shows: TSM-EST-SEG-SYN-1 TSM-FW1-SEG-SYN-1 TSM-FW2-SEG-SYN-1 TSM-CLW-SEG-SYN-1 TSM-CLG-SEG-SYN-1
 * TSM-LAK-SEG-SYN-1 TSM-TIW-SEG-SYN-1 9293-U05 9293-U06 5961-03 ATK-TCPI-02 */
START_TEST(syn_is_challenged_wherever_it_is)
{
    struct conv c = reach(sync7[_i]);
    if (c.l >= 0) { /* in TIME-WAIT a SYN may open anew: not without a listener */
        ck_assert_int_eq(td_close(c.h->st, c.l), 0);
    }
    const int64_t at[] = {c.rcv, c.rcv + 5, c.rcv - 100, c.rcv + 1000000};
    for (unsigned i = 0; i < 4; i++) {
        hx_until(c.h, hx_now(c.h) + MS(600));
        hx_drain(c.h); /* our FIN may have been sent again */
        tcp_in(c.h, NOW, .flags = SYN, .seq = at[i], .wnd = 1000, .len = 10);
        ack_now(&c);
        assert_state(&c, st_tcps[c.st]);
    }
    char b[20]; /* its text was not taken */
    int64_t n = td_recv(c.h->st, c.s, b, sizeof b, 0);
    ck_assert(n == -EAGAIN || n == 0);
    leave(&c);
}
END_TEST

/* shows: TSM-EST-SEG-SYN-ACK-1 TSM-FW1-SEG-SYN-ACK-1 TSM-FW2-SEG-SYN-ACK-1 TSM-CLW-SEG-SYN-ACK-1
 * TSM-CLG-SEG-SYN-ACK-1 TSM-LAK-SEG-SYN-ACK-1 TSM-TIW-SEG-SYN-ACK-1 */
START_TEST(syn_ack_is_challenged)
{
    struct conv c = reach(sync7[_i]);
    tcp_in(c.h, NOW, .flags = SYN | ACK, .seq = c.rcv, .ack = c.nxt, .wnd = 1000);
    ack_now(&c);
    assert_state(&c, st_tcps[c.st]);
    leave(&c);
    c = reach(sync7[_i]);
    tcp_in(c.h, NOW, .flags = SYN | ACK, .seq = c.rcv - 1000, .ack = c.nxt, .wnd = 1000);
    ack_now(&c);
    assert_state(&c, st_tcps[c.st]);
    leave(&c);
}
END_TEST

/* shows: TSM-EST-SEG-SYN-2 TSM-FW1-SEG-SYN-2 TSM-FW2-SEG-SYN-2 TSM-CLW-SEG-SYN-2 TSM-CLG-SEG-SYN-2
 * TSM-LAK-SEG-SYN-2 TSM-TIW-SEG-SYN-2 */
START_TEST(syn_in_the_window_without_rfc_5961)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.tcp_challenge_ack", "0");
    c = reach_in(c, sync7[_i]);
    ck_assert_int_eq(td_close(c.h->st, c.l), 0);
    tcp_in(c.h, NOW, .flags = SYN, .seq = c.rcv, .wnd = 1000);
    tcp_out(c.h, NOW, .flags = RST | ACK, .any_seq = true, .ack = c.rcv + 1);
    assert_state(&c, TCPS_CLOSED);
    leave(&c);
}
END_TEST

/* shows: TSM-SYR-SEG-SYN-FIN-1 TSM-EST-SEG-SYN-FIN-1 TSM-FW1-SEG-SYN-FIN-1 TSM-FW2-SEG-SYN-FIN-1
 * TSM-CLW-SEG-SYN-FIN-1 TSM-CLG-SEG-SYN-FIN-1 TSM-LAK-SEG-SYN-FIN-1 TSM-TIW-SEG-SYN-FIN-1 */
START_TEST(syn_and_fin_together)
{
    struct conv c = reach(sync8[_i]);
    tcp_in(c.h, NOW, .flags = SYN | FIN | ACK, .seq = c.rcv, .ack = c.nxt, .wnd = 1000);
    if (c.st == SYR) { /* in the window, passive: back to listening */
        hx_quiet(c.h, NOW);
        assert_state(&c, TCPS_CLOSED);
    } else {
        ack_now(&c);
        assert_state(&c, st_tcps[c.st]);
    }
    leave(&c);
}
END_TEST

/* shows: TSM-SYR-SEG-SYN-1 */
START_TEST(old_duplicate_syn_in_syn_received)
{
    for (int k = 0; k < 2; k++) { /* k 0: by the letter of step 1. k 1: as Linux, the SYN-ACK */
        struct conv c = reach_in(conv_new(k == 0 ? TD_PROFILE_RFC : TD_PROFILE_LINUX), SYR);
        tcp_in(c.h, MS(100), .flags = SYN, .seq = 0, .wnd = PEER_WND, .opts = {.mss = 1460});
        if (k == 0) {
            ack_now(&c);
        } else {
            tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
        }
        assert_state(&c, TCPS_SYN_RECEIVED);
        tcp_out(c.h, SEC(1), .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1); /* the timer's */
        leave(&c);
    }
}
END_TEST

/* shows: TSM-SYR-SEG-SYN-2 */
START_TEST(syn_in_the_window_of_a_passive_syn_received)
{
    struct conv c = reach(SYR);
    tcp_in(c.h, NOW, .flags = SYN, .seq = 5, .wnd = PEER_WND);
    hx_quiet(c.h, SEC(100));
    assert_state(&c, TCPS_CLOSED);
    ck_assert_int_eq(td_poll(c.h->st, c.l), 0);
    leave(&c);
}
END_TEST

/* shows: TSM-SYR-SEG-SYN-3 */
START_TEST(syn_in_the_window_of_an_active_syn_received)
{
    struct conv c = reach(SYRA);
    tcp_in(c.h, NOW, .flags = SYN, .seq = 5, .wnd = PEER_WND);
    ack_now(&c);
    assert_state(&c, TCPS_SYN_RECEIVED);
    leave(&c);
}
END_TEST

/* shows: TSM-SYR-SEG-SYN-ACK-1 MUST-10 TSM-SYS-SEG-SYN-1 */
START_TEST(simultaneous_open)
{
    struct conv c = reach(SYRA); /* our SYN, the peer's SYN, our SYN-ACK with the same ISS */
    tcp_in(c.h, MS(20), .flags = SYN | ACK, .seq = 0, .ack = 1, .wnd = PEER_WND);
    assert_state(&c, TCPS_ESTABLISHED);
    ck_assert(td_poll(c.h->st, c.s) & POLLOUT);
    leave(&c);
    c = reach(SYRA); /* the same completed by a plain ACK */
    tcp_in(c.h, MS(20), .flags = ACK, .seq = 1, .ack = 1, .wnd = PEER_WND);
    assert_state(&c, TCPS_ESTABLISHED);
    tcp_in(c.h, MS(30), .flags = ACK, .seq = 1, .ack = 1, .wnd = PEER_WND, .len = 5);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 6);
    leave(&c);
}
END_TEST

/* ---- step 5 ---- */

/* shows: TSM-SYR-SEG-NOACK-1 TSM-EST-SEG-NOACK-1 TSM-FW1-SEG-NOACK-1 TSM-FW2-SEG-NOACK-1
 * TSM-CLW-SEG-NOACK-1 TSM-CLG-SEG-NOACK-1 TSM-LAK-SEG-NOACK-1 TSM-TIW-SEG-NOACK-1 */
START_TEST(without_the_ack_bit)
{
    struct conv c = reach(sync8[_i]);
    tcp_in(c.h, NOW, .flags = FIN, .seq = c.rcv, .wnd = 1000);
    tcp_in(c.h, NOW, .flags = PSH, .seq = c.rcv, .wnd = 1000, .len = 10);
    tcp_in(c.h, NOW, .flags = URG, .seq = c.rcv, .wnd = 1000, .urp = 1);
    tcp_in(c.h, NOW, .flags = 0, .seq = c.rcv, .wnd = 1000);
    hx_quiet(c.h, NOW);
    assert_state(&c, st_tcps[c.st]);
    ck_assert_int_eq((int)(hx_event(c.h, "tcp-drop-no-ack") + hx_event(c.h, "tcp-drop-time-wait")),
                     4);
    leave(&c);
}
END_TEST

/* shows: TSM-SYR-SEG-ACK-1 TSM-SYR-SEG-TEXT-1 TSM-SYR-SEG-URG-1 */
START_TEST(ack_completes_the_handshake)
{
    struct conv c = reach(SYR);
    tcp_in(c.h, MS(5), .flags = ACK | PSH | URG, .seq = 1, .ack = 1, .wnd = 777, .len = 10,
           .urp = 3);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 11);
    assert_state(&c, TCPS_ESTABLISHED);
    ck_assert_uint_eq(conv_tcb(&c)->snd_wnd, 777);
    ck_assert(td_poll(c.h->st, c.l) & POLLIN);
    c.s = td_accept(c.h->st, c.l, NULL, NULL);
    ck_assert_int_ge(c.s, 0);
    ck_assert(td_poll(c.h->st, c.s) & POLLPRI);
    read_pattern(&c, 1, 2);
    leave(&c);
}
END_TEST

/* shows: TSM-SYR-SEG-ACK-2 */
START_TEST(unacceptable_ack_in_syn_received)
{
    const int64_t bad[] = {0, 2, -1, 100000};
    for (unsigned i = 0; i < 4; i++) {
        struct conv c = reach(SYR);
        tcp_in(c.h, MS(5), .flags = ACK, .seq = 1, .ack = bad[i], .wnd = 777);
        tcp_out(c.h, NOW, .flags = RST, .seq = bad[i] == 0 ? HX_ZERO : (int64_t)(uint32_t)bad[i]);
        assert_state(&c, TCPS_SYN_RECEIVED);
        tcp_in(c.h, MS(6), .flags = ACK, .seq = 1, .ack = 1,
               .wnd = 777); /* the right one still does */
        assert_state(&c, TCPS_ESTABLISHED);
        leave(&c);
    }
}
END_TEST

/* shows: TSM-EST-SEG-ACK-1 TSM-FW1-SEG-ACK-1 TSM-FW2-SEG-ACK-1 TSM-CLW-SEG-ACK-1 TSM-CLG-SEG-ACK-1
 * TSM-LAK-SEG-ACK-1 MAY-12 9293-U07 9293-U08 5961-05 ATK-TCPI-03 */
START_TEST(ancient_ack)
{
    static const enum st states[] = {EST, FW1, FW2, CLW, CLG, LAK};
    struct conv c = reach(states[_i]);
    int64_t oldest = c.una - PEER_WND;
    tcp_in(c.h, NOW, .flags = ACK, .seq = c.rcv, .ack = oldest - 1, .wnd = 1000, .len = 10);
    ack_now(&c);
    ck_assert_uint_eq(conv_tcb(&c)->rcv.q.bytes, 0); /* not delivered */
    ck_assert_uint_eq(conv_tcb(&c)->snd_wnd, PEER_WND);
    assert_state(&c, st_tcps[c.st]);
    if (c.st == EST) { /* the edge itself is allowed */
        tcp_in(c.h, NOW, .flags = ACK, .seq = c.rcv, .ack = oldest, .wnd = 1000, .len = 10);
        tcp_out(c.h, NOW, .flags = ACK, .seq = c.nxt, .ack = c.rcv + 10);
    }
    leave(&c);
}
END_TEST

/* shows: TSM-TIW-SEG-ACK-1 */
START_TEST(impossible_ack_in_time_wait)
{
    struct conv c = reach(TIW);
    tcp_in(c.h, NOW, .flags = ACK, .seq = c.rcv, .ack = c.nxt + 1, .wnd = 1000);
    ack_now(&c);
    assert_state(&c, TCPS_TIME_WAIT);
    leave(&c);
}
END_TEST

/* Brings 1000 bytes of ours into flight in front of a FIN where the state has sent one. */
static struct conv with_text_in_flight(enum st to)
{
    struct conv c;
    if (to == CLW || to == LAK) {
        c = reach(CLW);
    } else {
        c = reach(EST);
    }
    write_pattern(&c, 1, 1000);
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 1, .ack = c.rcv, .len = 1000);
    c.nxt = 1001;
    if (to != EST && to != CLW) {
        ck_assert_int_eq(td_shutdown(c.h->st, c.s, SHUT_WR), 0);
        hx_flush(c.h);
        tcp_out(c.h, NOW, .flags = ACK | FIN, .seq = 1001, .ack = c.rcv);
        c.nxt = 1002;
    }
    if (to == CLG) {
        tcp_in(c.h, NOW, .flags = ACK | FIN, .seq = 1, .ack = 1, .wnd = PEER_WND);
        c.rcv = 2;
        tcp_out(c.h, NOW, .flags = ACK, .seq = c.nxt, .ack = 2);
    }
    c.st = to;
    assert_state(&c, st_tcps[to]);
    return c;
}

/* shows: TSM-EST-SEG-ACK-2 TSM-FW1-SEG-ACK-2 TSM-CLW-SEG-ACK-2 TSM-CLG-SEG-ACK-3
 * TSM-LAK-SEG-ACK-3 */
START_TEST(acknowledged_text_leaves_the_queue)
{
    static const enum st states[] = {EST, FW1, CLW, CLG, LAK};
    struct conv c = with_text_in_flight(states[_i]);
    td_time armed = conv_tcb(&c)->t_rtx.deadline;
    tcp_in(c.h, hx_now(c.h) + MS(50), .flags = ACK, .seq = c.rcv, .ack = 401, .wnd = PEER_WND);
    const struct tcb *t = conv_tcb(&c);
    ck_assert_uint_eq(t->snd_una - t->iss, 401);
    ck_assert_uint_eq(t->snd.len, 600);
    ck_assert(timer_armed(&t->t_rtx) && t->t_rtx.deadline > armed); /* restarted */
    assert_state(&c, st_tcps[c.st]);
    tcp_in(c.h, hx_now(c.h) + MS(50), .flags = ACK, .seq = c.rcv, .ack = 1001, .wnd = PEER_WND);
    t = conv_tcb(&c);
    ck_assert_uint_eq(t->snd.len, 0);
    ck_assert_int_eq(timer_armed(&t->t_rtx), t->fin_sent); /* stopped: nothing but a FIN is out */
    assert_state(&c, st_tcps[c.st]);
    leave(&c);
}
END_TEST

/* shows: TSM-FW2-SEG-ACK-2 TSM-FW2-SEG-ACK-6 TSM-FW1-SEG-ACK-6 TSM-CLG-SEG-ACK-2
 * TSM-LAK-SEG-ACK-2 */
START_TEST(acknowledgment_of_the_fin)
{
    struct conv c = with_text_in_flight(FW1);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1002, .wnd = PEER_WND);
    assert_state(&c, TCPS_FIN_WAIT_2);
    ck_assert(!timer_armed(&conv_tcb(&c)->t_rtx));
    ck_assert_uint_eq(conv_tcb(&c)->snd.len, 0);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1002, .wnd = PEER_WND);
    assert_state(&c, TCPS_FIN_WAIT_2); /* the TCB stays */
    leave(&c);
    c = with_text_in_flight(CLG);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 2, .ack = 1002, .wnd = PEER_WND);
    assert_state(&c, TCPS_TIME_WAIT);
    leave(&c);
    c = with_text_in_flight(LAK);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 2, .ack = 1002, .wnd = PEER_WND);
    assert_state(&c, TCPS_CLOSED);
    leave(&c);
}
END_TEST

/* shows: TSM-EST-SEG-ACK-3 TSM-FW1-SEG-ACK-3 TSM-FW2-SEG-ACK-3 TSM-CLW-SEG-ACK-3 */
START_TEST(window_only_from_segments_that_are_not_older)
{
    static const enum st states[] = {EST, FW1, FW2, CLW};
    struct conv c = reach(states[_i]);
    struct tcb *t = conv_tcb(&c);
    tcp_in(c.h, NOW, .flags = ACK, .seq = c.rcv, .ack = c.una, .wnd = 5000);
    ck_assert_uint_eq(t->snd_wnd, 5000);
    tcp_in(c.h, NOW, .flags = ACK, .seq = c.rcv + 10, .ack = c.una,
           .wnd = 6000); /* newer SEG.SEQ */
    ck_assert_uint_eq(t->snd_wnd, 6000);
    tcp_in(c.h, NOW, .flags = ACK, .seq = c.rcv, .ack = c.una, .wnd = 7000); /* older */
    ck_assert_uint_eq(t->snd_wnd, 6000);
    tcp_in(c.h, NOW, .flags = ACK, .seq = c.rcv + 10, .ack = c.una - 1,
           .wnd = 8000); /* older SEG.ACK */
    ck_assert_uint_eq(t->snd_wnd, 6000);
    ck_assert_uint_eq(t->snd_wl1 - t->irs, (uint32_t)c.rcv + 10);
    leave(&c);
}
END_TEST

/* shows: TSM-EST-SEG-ACK-4 TSM-FW1-SEG-ACK-4 TSM-FW2-SEG-ACK-4 TSM-CLW-SEG-ACK-4 */
START_TEST(duplicate_ack_still_brings_its_text)
{
    static const enum st states[] = {EST, FW1, FW2, CLW};
    struct conv c = reach(states[_i]);
    tcp_in(c.h, NOW, .flags = ACK | FIN, .seq = c.rcv, .ack = c.una - 1, .wnd = PEER_WND,
           .len = 10);
    if (c.st == CLW) { /* text and FIN behind the FIN: nothing but the ACK field was of use */
        hx_drain(c.h);
        assert_state(&c, TCPS_CLOSE_WAIT);
    } else {
        tcp_out(c.h, NOW, .flags = ACK, .seq = c.nxt, .ack = 12);
        read_pattern(&c, 1, 10);
        assert_state(&c, c.st == EST   ? TCPS_CLOSE_WAIT
                         : c.st == FW1 ? TCPS_CLOSING
                                       : TCPS_TIME_WAIT);
    }
    leave(&c);
}
END_TEST

/* shows: TSM-EST-SEG-ACK-5 TSM-FW1-SEG-ACK-5 TSM-FW2-SEG-ACK-5 TSM-CLW-SEG-ACK-5 ATK-TCPI-15 */
START_TEST(ack_of_what_was_never_sent)
{
    static const enum st states[] = {EST, FW1, FW2, CLW};
    const int64_t ahead[] = {1, 1000, INT32_MAX - 10};
    for (unsigned i = 0; i < 3; i++) { /* Linux is silent in ESTABLISHED: below */
        struct conv c =
            states[_i] == EST ? reach_in(conv_new(TD_PROFILE_RFC), EST) : reach(states[_i]);
        tcp_in(c.h, NOW, .flags = ACK, .seq = c.rcv, .ack = c.nxt + ahead[i], .wnd = 999,
               .len = 10);
        ack_now(&c);
        ck_assert_uint_eq(conv_tcb(&c)->snd_una - conv_tcb(&c)->iss, (uint32_t)c.una);
        ck_assert_uint_eq(conv_tcb(&c)->snd_wnd, PEER_WND);
        ck_assert_uint_eq(conv_tcb(&c)->rcv.q.bytes, 0);
        assert_state(&c, st_tcps[c.st]);
        leave(&c);
    }
}
END_TEST

START_TEST(linux_says_nothing_to_such_an_ack)
{
    struct conv c = reach(EST);
    tcp_in(c.h, NOW, .flags = ACK, .seq = c.rcv, .ack = c.nxt + 1000, .wnd = 999, .len = 10);
    hx_quiet(c.h, MS(300));
    ck_assert_uint_eq(conv_tcb(&c)->snd_una - conv_tcb(&c)->iss, (uint32_t)c.una);
    ck_assert_uint_eq(conv_tcb(&c)->snd_wnd, PEER_WND);
    ck_assert_uint_eq(conv_tcb(&c)->rcv.q.bytes, 0);
    leave(&c);
}
END_TEST

/* shows: TSM-TIW-SEG-ACK-2 */
START_TEST(bare_ack_in_time_wait_gets_no_answer)
{
    struct conv c = reach(TIW);
    tcp_in(c.h, SEC(1), .flags = ACK, .seq = 2, .ack = 2, .wnd = PEER_WND);
    hx_quiet(c.h, SEC(2));
    assert_state(&c, TCPS_TIME_WAIT);
    tcp_in(c.h, SEC(3), .flags = ACK | FIN, .seq = 1, .ack = 2, .wnd = PEER_WND);
    ack_now(&c);
    leave(&c);
}
END_TEST

/* shows: 9293-U21 */
START_TEST(ack_field_of_a_probe_below_the_window_counts)
{
    struct conv c = with_text_in_flight(EST);
    tcp_in(c.h, MS(50), .flags = ACK, .seq = 0, .ack = 1001,
           .wnd = PEER_WND); /* SEG.SEQ = RCV.NXT-1 */
    ack_now(&c);
    ck_assert_uint_eq(conv_tcb(&c)->snd.len, 0);
    hx_quiet(c.h, SEC(10)); /* nothing is sent again */
    leave(&c);
}
END_TEST

/* ---- step 6 ---- */

/* shows: TSM-EST-SEG-URG-1 TSM-FW1-SEG-URG-1 TSM-FW2-SEG-URG-1 TSM-EST-SEG-URG-2 TSM-FW1-SEG-URG-2
 * TSM-FW2-SEG-URG-2 MUST-32 MUST-33 MUST-30 9293-U11 */
START_TEST(urgent_pointer)
{
    struct conv c = reach(text3[_i]);
    struct hx *h = c.h;
    tcp_in(h, NOW, .flags = ACK | URG, .seq = 1, .ack = c.una, .wnd = PEER_WND, .len = 10,
           .urp = 8);
    tcp_out(h, NOW, .flags = ACK, .seq = c.nxt, .ack = 11);
    ck_assert(td_poll(h->st, c.s) & POLLPRI);
    ck_assert_uint_eq(hx_event(h, "tcp-urgent-in"), 1);
    ck_assert_uint_eq(conv_tcb(&c)->rcv_up - conv_tcb(&c)->irs, 9);
    /* the same again, and one that is behind: nothing new */
    tcp_in(h, NOW, .flags = ACK | URG, .seq = 11, .ack = c.una, .wnd = PEER_WND, .len = 1,
           .urp = 0);
    tcp_in(h, NOW, .flags = ACK | URG, .seq = 1, .ack = c.una, .wnd = PEER_WND, .len = 10,
           .urp = 8);
    ck_assert_uint_eq(hx_event(h, "tcp-urgent-in"), 1);
    hx_drain(h);
    /* the mark is where it says: seven bytes up to it, then the rest without the octet */
    char b[20];
    int mark = -1;
    ck_assert_int_eq(td_recv(h->st, c.s, b, sizeof b, 0), 7);
    ck_assert_int_eq(td_ioctl(h->st, c.s, SIOCATMARK, &mark), 0);
    ck_assert_int_eq(mark, 1);
    ck_assert_int_eq(td_recv(h->st, c.s, b, 1, MSG_OOB), 1);
    ck_assert_uint_eq((uint8_t)b[0], hx_pattern(8));
    ck_assert(!(td_poll(h->st, c.s) & POLLPRI));
    ck_assert_int_eq(td_recv(h->st, c.s, b, sizeof b, 0), 3);
    ck_assert_uint_eq((uint8_t)b[0], hx_pattern(9));
    ck_assert_int_eq(td_ioctl(h->st, c.s, SIOCATMARK, &mark), 0);
    ck_assert_int_eq(mark, 0);
    /* an advance is told */
    tcp_in(h, NOW, .flags = ACK | URG, .seq = 12, .ack = c.una, .wnd = PEER_WND, .len = 5,
           .urp = 2);
    ck_assert_uint_eq(hx_event(h, "tcp-urgent-in"), 2);
    tcp_in(h, NOW, .flags = ACK | URG, .seq = 17, .ack = c.una, .wnd = PEER_WND, .len = 5,
           .urp = 5);
    ck_assert_uint_eq(hx_event(h, "tcp-urgent-in"), 3);
    hx_drain(h);
    leave(&c);
}
END_TEST

/* shows: TSM-CLW-SEG-URG-1 TSM-CLG-SEG-URG-1 TSM-LAK-SEG-URG-1 TSM-TIW-SEG-URG-1 */
START_TEST(urgent_pointer_behind_the_fin_is_ignored)
{
    struct conv c = reach(after_fin[_i]);
    tcp_in(c.h, NOW, .flags = ACK | URG, .seq = c.rcv, .ack = c.una, .wnd = PEER_WND, .urp = 5);
    ck_assert(!(td_poll(c.h->st, c.s) & POLLPRI));
    ck_assert_uint_eq(hx_event(c.h, "tcp-urgent-in"), 0);
    assert_state(&c, st_tcps[c.st]);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* shows: 9293-U17 ATK-TCPH-16 ATK-TCPH-17 */
START_TEST(senseless_urgent_pointers)
{
    struct conv c = reach(EST);
    const uint16_t urp[] = {0, 1, 65535, 2, 1};
    int64_t at = 1;
    for (unsigned i = 0; i < 5; i++) {
        tcp_in(c.h, NOW, .flags = ACK | URG, .seq = at, .ack = 1, .wnd = PEER_WND, .len = 3,
               .urp = urp[i]);
        at += 3;
        struct tcb *t = conv_tcb(&c);
        static const uint32_t up[] = {0, 5, 7 + 65535, 7 + 65535, 7 + 65535}; /* never recedes */
        ck_assert_int_eq(t->urg_state != TURG_NONE, i > 0); /* a pointer to what is taken says nothing */
        ck_assert(i == 0 || t->rcv_up - t->irs == up[i]);
    }
    tcp_in(c.h, NOW, .flags = ACK | URG, .seq = at, .ack = 1, .wnd = PEER_WND, .urp = 40000);
    hx_drain(c.h);
    uint8_t b[64];
    int64_t total = 0, n;
    while ((n = td_recv(c.h->st, c.s, b, sizeof b, 0)) > 0) { /* every call makes progress */
        total += n;
    }
    ck_assert_int_eq(n, -EAGAIN);
    ck_assert_int_ge(total, 14);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* shows: MUST-31 MUST-32 */
START_TEST(urgent_data_of_any_length)
{
    const uint16_t far[] = {1, 2000, 65535};
    for (unsigned i = 0; i < 3; i++) {
        struct conv c = reach(EST);
        int64_t end = 1 + far[i];
        for (int64_t at = 1; at < end;
             at += 1000) { /* the pointer counts from each segment's own SEG.SEQ */
            size_t n = (size_t)(end - at < 1000 ? end - at : 1000);
            tcp_in(c.h, NOW, .flags = ACK | URG, .seq = at, .ack = 1, .wnd = PEER_WND, .len = n,
                   .urp = (uint16_t)(end - at));
            struct tcb *t = conv_tcb(&c);
            ck_assert(t->urg_mode);
            char b[2000];
            if (at + (int64_t)n < end) {
                ck_assert_int_eq(td_recv(c.h->st, c.s, b, sizeof b, 0), (int64_t)n);
                ck_assert(t->urg_mode);
            } else if (n > 1) {
                ck_assert_int_eq(td_recv(c.h->st, c.s, b, sizeof b, 0), (int64_t)n - 1);
            }
        }
        ck_assert_uint_eq(hx_event(c.h, "tcp-urgent-in"), 1);
        tcp_in(c.h, NOW, .flags = ACK, .seq = end, .ack = 1, .wnd = PEER_WND, .len = 4);
        char b[10];
        ck_assert_int_eq(td_recv(c.h->st, c.s, b, sizeof b, 0), 4);
        ck_assert(!conv_tcb(&c)->urg_mode); /* over, exactly there */
        hx_drain(c.h);
        leave(&c);
    }
}
END_TEST

/* ---- step 7 ---- */

/* shows: TSM-EST-SEG-TEXT-1 TSM-FW1-SEG-TEXT-1 TSM-FW2-SEG-TEXT-1 SHLD-14 */
START_TEST(text_in_order)
{
    struct conv c = reach(text3[_i]);
    int64_t edge = c.rcv + conv_rcv_wnd(&c);
    int64_t at = 1;
    for (int i = 0; i < 20; i++) {
        tcp_in(c.h, hx_now(c.h) + MS(10), .flags = ACK | PSH, .seq = at, .ack = c.una,
               .wnd = PEER_WND, .len = 1000);
        at += 1000;
        while (hx_pending(c.h) > 0) {
            ip_out(c.h, HX_ANYTIME, 6);
            int64_t e = (int64_t)(c.h->got.tcp.ack - hx_conn(c.h, HX_PEER, 40000, 80)->irs) +
                        c.h->got.tcp.wnd;
            ck_assert_msg(e >= edge, "the right edge moved left: %ld, was %ld", (long)e,
                          (long)edge);
            edge = e;
        }
        ck_assert_int_le(conv_rcv_wnd(&c), edge - at);
    }
    assert_state(&c, st_tcps[c.st]);
    read_pattern(&c, 1, 20000);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* shows: TSM-EST-SEG-TEXT-2 TSM-FW1-SEG-TEXT-2 TSM-FW2-SEG-TEXT-2 */
START_TEST(text_larger_than_the_buffer)
{
    struct conv c = reach_in(conv_new(TD_PROFILE_RFC), text3[_i]);
    conv_set_rcv_wnd(&c, 100);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = c.una, .wnd = PEER_WND, .len = 150);
    tcp_out(c.h, HX_ANYTIME, .flags = ACK, .seq = c.nxt, .ack = 101, .wnd = HX_ZERO);
    read_pattern(&c, 1, 100);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* shows: TSM-FW1-SEG-TEXT-3 TSM-FW2-SEG-TEXT-3 SHLD-3 MAY-1 ATK-TCPR-17 */
START_TEST(text_after_close_is_reset)
{
    static const enum st states[] = {FW1, FW2};
    struct conv c = reach(states[_i]);
    orphan(&c);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = c.una, .wnd = PEER_WND, .len = 10);
    tcp_out(c.h, NOW, .flags = RST | ACK, .seq = c.nxt, .ack = 1);
    assert_state(&c, TCPS_CLOSED);
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPAbortOnData"), 1);
    leave(&c);
}
END_TEST

/* ---- step 8 ---- */

/* shows: TSM-SYR-SEG-FIN-1 TSM-EST-SEG-FIN-1 TSM-FW1-SEG-FIN-2 TSM-FW2-SEG-FIN-1 */
START_TEST(fin_in_order)
{
    struct conv c = reach(text4[_i]);
    static const uint8_t next[STATES] = {[SYR] = TCPS_CLOSE_WAIT,
                                         [EST] = TCPS_CLOSE_WAIT,
                                         [FW1] = TCPS_CLOSING,
                                         [FW2] = TCPS_TIME_WAIT};
    tcp_in(c.h, NOW, .flags = ACK | FIN, .seq = 1, .ack = c.st == SYR ? c.nxt : c.una,
           .wnd = PEER_WND, .len = 10);
    tcp_out(c.h, NOW, .flags = ACK, .seq = c.nxt, .ack = 12);
    assert_state(&c, next[c.st]);
    if (c.st == SYR) {
        c.s = td_accept(c.h->st, c.l, NULL, NULL);
    }
    ck_assert(td_poll(c.h->st, c.s) & POLLRDHUP);
    read_pattern(&c, 1, 10); /* the text first */
    char b[4];
    ck_assert_int_eq(td_recv(c.h->st, c.s, b, sizeof b, 0), 0);
    leave(&c);
}
END_TEST

/* shows: TSM-FW1-SEG-FIN-1 */
START_TEST(fin_that_acknowledges_ours)
{
    struct conv c = reach(FW1);
    tcp_in(c.h, NOW, .flags = ACK | FIN, .seq = 1, .ack = 2, .wnd = PEER_WND);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 2, .ack = 2);
    assert_state(&c, TCPS_TIME_WAIT);
    hx_quiet(c.h, SEC(59)); /* no other timer */
    assert_state(&c, TCPS_TIME_WAIT);
    hx_quiet(c.h, SEC(61));
    assert_state(&c, TCPS_CLOSED);
    leave(&c);
}
END_TEST

/* shows: TSM-SYR-SEG-FIN-2 TSM-EST-SEG-FIN-2 TSM-FW1-SEG-FIN-3 TSM-FW2-SEG-FIN-2 ATK-TCPI-04 */
START_TEST(fin_behind_a_hole_waits)
{
    struct conv c = reach(text4[_i]);
    static const uint8_t next[STATES] = {[SYR] = TCPS_CLOSE_WAIT,
                                         [EST] = TCPS_CLOSE_WAIT,
                                         [FW1] = TCPS_CLOSING,
                                         [FW2] = TCPS_TIME_WAIT};
    int64_t ack = c.st == SYR ? c.nxt : c.una;
    tcp_in(c.h, NOW, .flags = ACK | FIN, .seq = 11, .ack = ack, .wnd = PEER_WND, .len = 10);
    ack_now(&c);
    assert_state(&c, c.st == SYR ? TCPS_ESTABLISHED : st_tcps[c.st]);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = ack, .wnd = PEER_WND, .len = 10);
    tcp_out(c.h, NOW, .flags = ACK, .seq = c.nxt, .ack = 22);
    assert_state(&c, next[c.st]);
    leave(&c);
}
END_TEST

/* shows: TSM-CLW-SEG-FIN-1 TSM-CLG-SEG-FIN-1 TSM-LAK-SEG-FIN-1 */
START_TEST(repeated_fin)
{
    static const enum st states[] = {CLW, CLG, LAK};
    struct conv c = reach(states[_i]);
    tcp_in(c.h, NOW, .flags = ACK | FIN, .seq = 1, .ack = c.una, .wnd = PEER_WND);
    tcp_out(c.h, NOW, .flags = ACK, .seq = c.nxt, .ack = 2);
    tcp_in(c.h, NOW, .flags = ACK | FIN, .seq = 2, .ack = c.una,
           .wnd = PEER_WND); /* one behind it */
    hx_drain(c.h);
    ck_assert_uint_eq(conv_tcb(&c)->rcv_nxt - conv_tcb(&c)->irs, 2);
    assert_state(&c, st_tcps[c.st]);
    leave(&c);
}
END_TEST

/* ---- a batch ---- */

/* shows: MUST-58 MUST-59 5681-27 */
START_TEST(one_acknowledgment_for_a_batch)
{
    struct conv c = reach(EST);
    struct burst_seg b[11];
    for (int i = 0; i < 10; i++) {
        b[i] = (struct burst_seg){.seq = 1 + i * 1000, .ack = 1, .flags = ACK, .len = 1000};
    }
    burst_in(&c, b, 10);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 10001);
    hx_quiet(c.h, SEC(1));
    /* a burst that fills a hole: nothing in between */
    for (int i = 0; i < 5; i++) {
        b[i] = (struct burst_seg){.seq = 10001 + (i + 1) * 100, .ack = 1, .flags = ACK, .len = 100};
    }
    b[5] = (struct burst_seg){.seq = 10001, .ack = 1, .flags = ACK, .len = 100};
    burst_in(&c, b, 6);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 10601);
    hx_quiet(c.h, SEC(2));
    /* a hole that stays: a duplicate for each segment behind it, so that the peer can count */
    for (int i = 0; i < 4; i++) {
        b[i] = (struct burst_seg){.seq = 10701 + i * 100, .ack = 1, .flags = ACK, .len = 100};
    }
    burst_in(&c, b, 4);
    for (int i = 0; i < 4; i++) {
        tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 10601);
    }
    leave(&c);
}
END_TEST

/* shows: ATK-TCPI-13 5961-06 4987-06 */
START_TEST(acks_that_answer_acks_die_out)
{
    struct conv c = reach(EST);
    unsigned answers = 0;
    for (int i = 0; i < 1000; i++) { /* a peer that is out of step, for a second */
        tcp_in(c.h, hx_now(c.h) + MS(1), .flags = ACK, .seq = 500000, .ack = 1, .wnd = 1000);
        answers += hx_pending(c.h);
        hx_drain(c.h);
    }
    ck_assert_uint_le(answers, 3);
    answers = 0;
    for (int i = 0; i < 1000; i++) { /* resets that miss */
        tcp_in(c.h, hx_now(c.h) + MS(1), .flags = RST, .seq = 100 + i);
        answers += hx_pending(c.h);
        hx_drain(c.h);
    }
    ck_assert_uint_ge(answers, 1);
    ck_assert_uint_le(answers, 20);
    ck_assert_uint_gt(hx_counter(c.h, "TcpExtTCPACKSkippedChallenge"), 900);
    assert_state(&c, TCPS_ESTABLISHED);
    leave(&c);
}
END_TEST

/* shows: 5961-07 ATK-TCPI-05 */
START_TEST(challenges_of_one_connection_say_nothing_about_another)
{
    struct conv c = reach(EST);
    tcp_in(c.h, NOW, .sport = 50000, .flags = SYN, .seq = 0, .wnd = 1000);
    tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    tcp_in(c.h, NOW, .sport = 50000, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
    for (int i = 0; i < 2000; i++) {
        tcp_in(c.h, NOW, .flags = RST, .seq = 100 + i);
    }
    hx_drain(c.h);
    for (int i = 0; i < 10; i++) { /* the whole allowance is there */
        tcp_in(c.h, NOW, .sport = 50000, .flags = RST, .seq = 100);
        tcp_out(c.h, NOW, .dport = 50000, .flags = ACK, .seq = 1, .ack = 1);
    }
    leave(&c);
}
END_TEST

/* shows: 5961-04 ATK-TCPI-12 */
START_TEST(peer_that_was_restarted)
{
    struct conv c = reach(EST);
    tcp_in(c.h, SEC(1), .flags = SYN, .seq = 700000, .wnd = 1000, .opts = {.mss = 1460});
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1); /* challenge */
    tcp_in(c.h, SEC(1), .flags = RST, .seq = 1);         /* its answer to that */
    assert_state(&c, TCPS_CLOSED);
    ck_assert_int_eq(so_error(c.h, c.s), ECONNRESET);
    c.h->peer_isn += 700000;
    tcp_in(c.h, SEC(2), .flags = SYN, .seq = 0, .wnd = 1000, .opts = {.mss = 1460});
    tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    leave(&c);
}
END_TEST

/* shows: ATK-TCPH-21 */
START_TEST(numbers_that_wrap)
{
    const uint32_t isn[] = {0xffffffff, 0xfffffff0, 0x7fffffff, 0xffffff00};
    for (unsigned i = 0; i < 4; i++) {
        struct conv c = conv_new(TD_PROFILE_LINUX);
        c.h->peer_isn = isn[i];
        c = reach_in(c, EST);
        tcp_in(c.h, NOW, .flags = ACK, .seq = 101, .ack = 1, .wnd = PEER_WND, .len = 400);
        ack_now(&c);
        tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = PEER_WND, .len = 100);
        tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 501);
        tcp_in(c.h, NOW, .flags = ACK | FIN, .seq = 501, .ack = 1, .wnd = PEER_WND);
        tcp_out(c.h, HX_ANYTIME, .flags = ACK, .seq = 1, .ack = 502);
        read_pattern(&c, 1, 500);
        /* our own numbers across the wrap too */
        struct tcb *t = conv_tcb(&c);
        uint32_t shift = 0xffffff00 - t->snd_nxt;
        t->iss += shift;
        t->snd_una += shift;
        t->snd_nxt += shift;
        t->rtx_nxt += shift;
        t->snd_wl2 += shift;
        t->snd_sml += shift;
        t->snd.base += shift;
        t->recover += shift;
        hx_conn(c.h, HX_PEER, 40000, 80)->iss += shift;
        write_pattern(&c, 1, 3000);
        hx_flush(c.h);
        tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 502, .len = 1460);
        tcp_out(c.h, NOW, .flags = ACK, .seq = 1461, .ack = 502, .len = 1460);
        tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 2921, .ack = 502, .len = 80);
        tcp_in(c.h, NOW, .flags = ACK, .seq = 502, .ack = 1461, .wnd = PEER_WND);
        ck_assert_uint_eq(t->snd.len, 1540);
        tcp_in(c.h, NOW, .flags = ACK, .seq = 502, .ack = 3001, .wnd = PEER_WND);
        ck_assert_uint_eq(t->snd.len, 0);
        leave(&c);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp input_sync");
    TCase *tc = tcase_create("steps");
#define LOOP(test, list) tcase_add_loop_test(tc, test, 0, N(list))
    LOOP(outside_the_window_is_answered_by_an_ack, sync8);
    LOOP(reset_outside_the_window_is_dropped_silently, sync8);
    LOOP(probe_of_a_closed_window, sync8);
    tcase_add_test(tc, reset_and_urgent_with_a_closed_window);
    LOOP(partly_outside_is_cut_to_the_window, text4);
    LOOP(text_behind_the_fin_is_ignored, after_fin);
    LOOP(beyond_a_hole_is_held, text4);
    LOOP(exact_reset, sync8);
    tcase_add_test(tc, exact_reset_of_an_active_open);
    LOOP(reset_in_the_window_is_challenged, sync8);
    LOOP(reset_in_the_window_without_rfc_5961, sync8);
    LOOP(ack_field_of_a_reset_plays_no_part, sync8);
    tcase_add_test(tc, reset_with_text);
    tcase_add_test(tc, fin_and_reset_are_told_apart);
    LOOP(syn_is_challenged_wherever_it_is, sync7);
    LOOP(syn_ack_is_challenged, sync7);
    LOOP(syn_in_the_window_without_rfc_5961, sync7);
    LOOP(syn_and_fin_together, sync8);
    tcase_add_test(tc, old_duplicate_syn_in_syn_received);
    tcase_add_test(tc, syn_in_the_window_of_a_passive_syn_received);
    tcase_add_test(tc, syn_in_the_window_of_an_active_syn_received);
    tcase_add_test(tc, simultaneous_open);
    LOOP(without_the_ack_bit, sync8);
    tcase_add_test(tc, ack_completes_the_handshake);
    tcase_add_test(tc, unacceptable_ack_in_syn_received);
    tcase_add_loop_test(tc, ancient_ack, 0, 6);
    tcase_add_test(tc, impossible_ack_in_time_wait);
    tcase_add_loop_test(tc, acknowledged_text_leaves_the_queue, 0, 5);
    tcase_add_test(tc, acknowledgment_of_the_fin);
    tcase_add_loop_test(tc, window_only_from_segments_that_are_not_older, 0, 4);
    tcase_add_loop_test(tc, duplicate_ack_still_brings_its_text, 0, 4);
    tcase_add_loop_test(tc, ack_of_what_was_never_sent, 0, 4);
    tcase_add_test(tc, linux_says_nothing_to_such_an_ack);
    tcase_add_test(tc, bare_ack_in_time_wait_gets_no_answer);
    tcase_add_test(tc, ack_field_of_a_probe_below_the_window_counts);
    LOOP(urgent_pointer, text3);
    LOOP(urgent_pointer_behind_the_fin_is_ignored, after_fin);
    tcase_add_test(tc, senseless_urgent_pointers);
    tcase_add_test(tc, urgent_data_of_any_length);
    LOOP(text_in_order, text3);
    LOOP(text_larger_than_the_buffer, text3);
    tcase_add_loop_test(tc, text_after_close_is_reset, 0, 2);
    LOOP(fin_in_order, text4);
    tcase_add_test(tc, fin_that_acknowledges_ours);
    LOOP(fin_behind_a_hole_waits, text4);
    tcase_add_loop_test(tc, repeated_fin, 0, 3);
    tcase_add_test(tc, one_acknowledgment_for_a_batch);
    tcase_add_test(tc, acks_that_answer_acks_die_out);
    tcase_add_test(tc, challenges_of_one_connection_say_nothing_about_another);
    tcase_add_test(tc, peer_that_was_restarted);
    tcase_add_test(tc, numbers_that_wrap);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
