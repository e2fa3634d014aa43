/* What whole transfers over a bad wire found (test_transfer.c), each in the few segments it takes.
 */
#include "check_main.h"
#include "tcp_talk.h"

/* The right edge of the window that the segment looked at last offers, relative to the peer's ISN.
 */
static int64_t edge(const struct conv *c, unsigned shift)
{
    const struct tcp_hdr *t = &c->h->got.tcp;
    uint32_t peer_isn = hx_conn(c->h, HX_PEER, 40000, 80)->irs;
    unsigned by = (t->flags & SYN) != 0 ? 0 : shift;
    return (int64_t)(uint32_t)(t->ack - peer_isn) + ((int64_t)t->wnd << by);
}

/* A SYN's window isn't scaled. What was offered between a SYN-ACK and its repetition used to be
 * more than the SYN-ACK can say. */
/* shows: SHLD-14 */
START_TEST(edge_stays_when_a_syn_ack_is_repeated)
{
    struct conv c = conv_new(TD_PROFILE_RFC);
    struct hx *h = c.h;
    knob_set(h, "net.ipv4.tcp_syn_again", "0");
    knob_set(h, "net.ipv4.tcp_rmem", "4096 1048576 6291456");
    c.l = hx_tcp_listen(h, 80);
    tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = 1000, .opts = {.mss = 1460, .wscale = 1 + 1});
    tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1, .opts = {.wscale = 1 + 7});
    int64_t first = edge(&c, 7);
    ck_assert_int_gt(first, 65000);
    tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = 1000, .opts = {.mss = 1460, .wscale = 1 + 1});
    tcp_out(h, NOW, .flags = ACK, .seq = 1, .ack = 1);
    ck_assert_int_eq(edge(&c, 7), first);
    tcp_out(h, SEC(1), .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    ck_assert_int_eq(edge(&c, 7), first);
    leave(&c);
}
END_TEST

/* FINs crossed, and the peer's comes in one batch with its acknowledgment of ours: CLOSING and
 * TIME-WAIT without a flush in between. The acknowledgment of the FIN was forgotten, and the peer
 * had to time out and send it again. */
/* shows: TSM-CLG-SEG-ACK-2 */
START_TEST(fin_is_acknowledged_on_the_way_through_closing)
{
    struct conv c = reach(FW1);
    struct hx *h = c.h;
    struct hx_conn *k = hx_conn(h, HX_PEER, 40000, 80);
    uint8_t frame[2][60];
    const uint16_t flags[2] = {FIN | ACK, ACK};
    for (uint32_t i = 0; i < 2; i++) {
        const struct tcp_hdr t = {.sport = 40000,
                                  .dport = 80,
                                  .seq = k->irs + 1 + i,
                                  .ack = k->iss + 1 + i,
                                  .flags = flags[i],
                                  .wnd = 1000};
        const struct ipv4_hdr ip = {.hlen = IPV4_HLEN,
                                    .total_len = IPV4_HLEN + TCP_HLEN,
                                    .id = (uint16_t)i,
                                    .ttl = 64,
                                    .proto = IPPROTO_TCP_,
                                    .src = HX_PEER,
                                    .dst = HX_US};
        const struct eth_hdr e = {.dst = HX_US_MAC, .src = HX_PEER_MAC, .type = ETHERTYPE_IPV4};
        uint8_t *f = frame[i];
        memset(f, 0, sizeof frame[i]);
        (void)eth_emit(&e, f);
        (void)ipv4_emit(&ip, f + ETH_HLEN);
        (void)tcp_emit(&t, f + ETH_HLEN + IPV4_HLEN);
        uint32_t sum = checksum_pseudo(HX_PEER, HX_US, IPPROTO_TCP_, TCP_HLEN);
        sum = checksum_add(sum, f + ETH_HLEN + IPV4_HLEN, TCP_HLEN);
        wire_put16(f + ETH_HLEN + IPV4_HLEN + 16, checksum_finish(sum));
        ck_assert_int_eq(
            td_stack_input_bytes(h->st, h->ifindex, f, sizeof frame[i], td_stack_now(h->st)), 0);
    }
    assert_state(&c, TCPS_TIME_WAIT);
    tcp_out(h, NOW, .flags = ACK, .seq = 2, .ack = 2);
    leave(&c);
}
END_TEST

/* The peer sends old text again, so SEG.SEQ is below SND.WL1, but its ACK is the newest there is.
 * Leaving the window as it was let text go beyond the peer's edge. */
/* shows: TSM-EST-SEG-ACK-3 */
START_TEST(newest_ack_brings_the_window_even_on_old_text)
{
    struct conv c = talk(conv_new(TD_PROFILE_LINUX), (struct hx_opts){.mss = 1000}, 8000, 0);
    struct hx *h = c.h;
    say(&c, 1, 20000);
    struct heard x = hear(&c);
    ck_assert_int_eq(x.end, 8001);
    tcp_in(h, NOW, .flags = ACK, .seq = 501, .ack = 1, .wnd = 8000, .len = 500); /* behind a hole */
    (void)hear(&c);
    tcp_in(h, NOW, .flags = ACK, .seq = 1, .ack = 3001, .wnd = 5000, .len = 500); /* fills it */
    x = hear(&c);
    ck_assert_uint_eq(x.text, 0); /* the edge is where it was: 8001 */
    ck_assert_uint_eq(conv_tcb(&c)->snd_wnd, 5000);
    tcp_in(h, NOW, .flags = ACK, .seq = 1001, .ack = 4001, .wnd = 5000);
    x = hear(&c);
    ck_assert_int_eq(x.end, 9001);
    leave(&c);
}
END_TEST

/* A buffer that takes less than one of the peer's segments: the step by which the window opens was
 * the segment, so once closed it stayed closed. */
/* shows: MUST-39 */
START_TEST(buffer_below_a_segment_opens_again)
{
    struct conv c = reach(EST);
    struct hx *h = c.h;
    struct tcb *t = conv_tcb(&c);
    uint8_t buf[4096];
    int64_t at = 1;
    ck_assert_int_eq(set_opt(h, c.s, SOL_SOCKET, SO_RCVBUF, 1152), 0);
    t->rcv_wnd = 0;
    t->rcv_mss = 1460;
    t->win_ratio = 100; /* much of a packet is no text: 2304 bytes of memory take 900 of text */
    for (int round = 0; round < 5; round++) {
        tcp_in(h, NOW, .flags = ACK, .seq = at, .ack = 1, .wnd = PEER_WND, .len = 1); /* a probe */
        tcp_out(h, HX_ANYTIME, .flags = ACK, .seq = 1, .any_ack = true);
        int64_t wnd = h->got.tcp.wnd;
        ck_assert_msg(round == 0 || wnd > 0, "the window is closed, and the buffer empty");
        at = edge(&c, 0) - wnd;
        if (wnd > 0) {
            tcp_in(h, NOW, .flags = ACK, .seq = at, .ack = 1, .wnd = PEER_WND, .len = (size_t)wnd);
            at += wnd;
        }
        while (td_recv(h->st, c.s, buf, sizeof buf, 0) > 0) {
        }
        t->win_ratio = 100;
        hx_until(h, hx_now(h) + SEC(1));
        hx_drain(h);
    }
    leave(&c);
}
END_TEST

/* The stream was complete when the peer's FIN had come; a reset long after (it had forgotten the
 * connection) took the end of file away. */
/* shows: MUST-12 */
START_TEST(end_of_file_outlives_a_later_reset)
{
    struct conv c = reach(EST);
    struct hx *h = c.h;
    uint8_t buf[100];
    tcp_in(h, NOW, .flags = FIN | ACK, .seq = 1, .ack = 1, .wnd = PEER_WND, .len = 10);
    tcp_out(h, NOW, .flags = ACK, .seq = 1, .ack = 12);
    tcp_in(h, NOW, .flags = RST, .seq = 12, .wnd = 0);
    ck_assert_int_eq(td_recv(h->st, c.s, buf, sizeof buf, 0), 10);
    ck_assert_int_eq(td_recv(h->st, c.s, buf, sizeof buf, 0), 0);
    ck_assert_int_eq(td_send(h->st, c.s, "x", 1, MSG_NOSIGNAL), -EPIPE);
    ck_assert_int_eq(td_recv(h->st, c.s, buf, sizeof buf, 0), 0);
    leave(&c);
}
END_TEST

/* The keep-alive timer that fires while the FIN is still unacknowledged has nothing to do, but in
 * FIN-WAIT-2 it is needed again: a peer that had died left the user waiting for ever. */
/* shows: MUST-24 */
START_TEST(keep_alive_outlives_fin_wait_1)
{
    struct conv c = reach(EST);
    struct hx *h = c.h;
    ck_assert_int_eq(set_opt(h, c.s, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
    ck_assert_int_eq(set_opt(h, c.s, IPPROTO_TCP, TCP_KEEPIDLE, 10), 0);
    ck_assert_int_eq(td_shutdown(h->st, c.s, SHUT_WR), 0);
    hx_until(h, SEC(15));
    hx_drain(h);
    ack_in(&c, NOW, 2, PEER_WND);
    assert_state(&c, TCPS_FIN_WAIT_2);
    tcp_out(h, HX_ANYTIME, .flags = ACK, .seq = 1, .ack = 1); /* SEG.SEQ = SND.NXT-1 */
    ck_assert_uint_ge(hx_now(h), SEC(25));
    ck_assert_uint_lt(hx_now(h), SEC(40));
    leave(&c);
}
END_TEST

static uint64_t last_reason(const struct conv *c, uint64_t *count)
{
    uint64_t why = W_NONE, seq = 0;
    const struct journal_record *r;
    while ((r = journal_from(c->h->st, seq)) != NULL) {
        if (r->event == EV_TCP_RETRANSMIT) {
            why = r->arg[2];
            *count = r->arg[3];
        }
        seq = r->seq + 1;
    }
    return why;
}

/* After the first progress the rest of what a time-out sends again was said to be sent for the
 * peer's window; and the first time was called the second. */
START_TEST(going_back_is_called_so_to_its_end)
{
    struct conv c = talk(conv_new(TD_PROFILE_LINUX), (struct hx_opts){.mss = 1000}, 60000, 0);
    struct hx *h = c.h;
    say(&c, 1, 5000);
    ck_assert_int_eq(hear(&c).end, 5001);
    hx_until(h, SEC(2)); /* the time-out */
    uint64_t count = 0;
    ck_assert_uint_eq(last_reason(&c, &count), W_TCP_GO_BACK);
    ck_assert_uint_eq(count, hx_counter(h, "TcpExtTCPTimeouts"));
    (void)hear(&c);
    ack_in(&c, NOW, 1001, 60000);
    ck_assert_uint_ge(hear(&c).segments, 1);
    ck_assert_uint_eq(last_reason(&c, &count), W_TCP_GO_BACK);
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("found");
    TCase *t = tcase_create("found");
    tcase_add_test(t, edge_stays_when_a_syn_ack_is_repeated);
    tcase_add_test(t, fin_is_acknowledged_on_the_way_through_closing);
    tcase_add_test(t, newest_ack_brings_the_window_even_on_old_text);
    tcase_add_test(t, buffer_below_a_segment_opens_again);
    tcase_add_test(t, end_of_file_outlives_a_later_reset);
    tcase_add_test(t, keep_alive_outlives_fin_wait_1);
    tcase_add_test(t, going_back_is_called_so_to_its_end);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
