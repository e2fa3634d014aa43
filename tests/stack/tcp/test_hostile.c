/* What a peer can do by sending only what it may: make buffers grow past their limits, keep what
 * nobody owns any more, come round the sequence space. */
#include "check_main.h"
#include "tcp_talk.h"

#include <stdlib.h>

/* ---- the sequence space is a circle ---- */

/* Two gigabytes without a loss: `recover`, set when the connection began, is then half the circle
 * behind. The loss that comes at last is repaired by fast retransmit like any other. */
START_TEST(fast_retransmit_after_two_gigabytes)
{
    static char text[1 << 20];
    if (getenv("VALGRIND") != NULL) {
        return; /* minutes, and nothing of memory in it */
    }
    struct conv c = conv_new(TD_PROFILE_LINUX);
    ck_assert_int_eq(td_if_set_mtu(c.h->st, c.h->ifindex, 65535), 0);
    c = talk(c, (struct hx_opts){.mss = 65495, .wscale = 8 + 1}, 60000, MS(1));
    c.h->any_tx = true;
    const struct tcb *t = conv_tcb(&c);
    int64_t acked = 1;
    while (acked < INT64_C(0x80100000)) {
        (void)td_send(c.h->st, c.s, text, sizeof text, 0);
        hx_flush(c.h);
        acked += t->snd_nxt - t->snd_una;
        ack_in(&c, hx_now(c.h) + US(100), acked, 60000);
    }
    ck_assert_uint_eq(hx_counter(c.h, "TcpRetransSegs"), 0);
    (void)td_send(c.h->st, c.s, text, sizeof text, 0);
    hx_flush(c.h);
    ck_assert_uint_ne(t->snd_nxt, t->snd_una);
    for (int i = 0; i < 3; i++) {
        ack_in(&c, hx_now(c.h) + US(100), acked, 60000);
    }
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPFastRetrans"), 1);
    td_close(c.h->st, c.s);
    hx_free(c.h);
}
END_TEST

/* A mark that has been read over is gone: when its number comes round again, four gigabytes later,
 * no octet is taken out of the stream. */
START_TEST(urgent_mark_does_not_come_round_again)
{
    char b[64];
    for (int oob_first = 0; oob_first < 2; oob_first++) {
        struct conv c = conv_new(TD_PROFILE_LINUX);
        c = talk(c, (struct hx_opts){.mss = 1460}, 60000, MS(1));
        struct tcb *t = conv_tcb(&c);
        tcp_in(c.h, NOW, .flags = ACK | URG, .seq = 1, .ack = 1, .wnd = 60000, .len = 10, .urp = 5);
        ck_assert_int_eq(td_recv(c.h->st, c.s, b, sizeof b, 0), 4);
        if (oob_first) {
            ck_assert_int_eq(td_recv(c.h->st, c.s, b, 1, MSG_OOB), 1);
        }
        ck_assert_int_eq(td_recv(c.h->st, c.s, b, sizeof b, 0), 5);
        tcp_seq round = t->rcv_nxt - t->urg_seq;
        tcp_in(c.h, NOW, .flags = ACK, .seq = 11, .ack = 1, .wnd = 60000, .len = 40);
        t->urg_seq += round + 20; /* as four gigabytes later */
        if (t->urg_state == TURG_TAKEN) {
            t->urg_seq -= round + 20; /* kept for recv(MSG_OOB): dragged along instead */
        }
        ck_assert_int_eq(td_recv(c.h->st, c.s, b, sizeof b, 0), 40);
        ck_assert_uint_eq(t->copied_seq, t->rcv_nxt);
        ck_assert(t->urg_state == TURG_NONE || t->urg_seq == t->copied_seq - 1);
        if (!oob_first) { /* the octet itself is kept */
            ck_assert_int_eq(td_recv(c.h->st, c.s, b, 1, MSG_OOB), 1);
            ck_assert_uint_eq((uint8_t)b[0], hx_pattern(5));
        }
        hx_drain(c.h);
        leave(&c);
    }
}
END_TEST

/* ---- memory ---- */

/* Segments below the unit of the window's scale: the field is rounded up, so that the edge never
 * moves left, and each would win back what it took. What the user doesn't read stays bounded all the
 * same. */
START_TEST(segments_below_the_windows_unit)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    c = talk(c, (struct hx_opts){.mss = 1460, .wscale = 7 + 1}, 60000, MS(1));
    c.h->any_tx = true;
    const struct tcb *t = conv_tcb(&c);
    uint32_t limit = t->rcvbuf_limit;
    for (int i = 0; i < 30000; i++) {
        tcp_seq at = t->rcv_nxt - t->irs;
        if (t->rcv_wnd < 100) {
            break;
        }
        tcp_in(c.h, hx_now(c.h) + MS(50), .flags = ACK, .seq = at, .ack = 1, .wnd = 60000, .len = 100);
        hx_until(c.h, hx_now(c.h) + MS(50)); /* acknowledged one by one */
        ck_assert_msg(t->rcv.truesize <= 2 * limit + 65536 + 8192, "%u bytes held, the limit is %u",
                      t->rcv.truesize, limit);
    }
    ck_assert_uint_gt(t->rcv.q.bytes, limit / 2);
    /* The user reads: what was refused comes again and the stream goes on. */
    static char all[1 << 20];
    int64_t n = td_recv(c.h->st, c.s, all, sizeof all, 0);
    for (int64_t i = 0; i < n; i++) {
        ck_assert_uint_eq((uint8_t)all[i], hx_pattern(1 + (uint64_t)i));
    }
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1 + n, .ack = 1, .wnd = 60000, .len = 100);
    ck_assert_int_eq(td_recv(c.h->st, c.s, all, sizeof all, 0), 100);
    td_close(c.h->st, c.s);
    hx_free(c.h);
}
END_TEST

/* Readers that take much, so that their buffers grow, and then nothing more: together they are bounded
 * by tcp_mem. Who comes afterwards is served from less; when they have gone all is as before. */
START_TEST(many_readers_that_stop)
{
    static char text[1 << 20];
    struct conv c = conv_new(TD_PROFILE_LINUX);
    struct hx *h = c.h;
    ck_assert_int_eq(td_knob_set(h->st, "net.ipv4.tcp_mem", "1024 2048 4096"), 0); /* 4, 8, 16 MiB */
    ck_assert_int_eq(td_knob_set(h->st, "net.ipv4.tcp_cubic_hystart", "0"), 0); /* ACKs this close would end slow start */
    int l = hx_tcp_listen(h, 80);
    int s[20];
    for (int i = 0; i < 20; i++) {
        uint16_t port = (uint16_t)(50000 + i);
        h->any_tx = false;
        tcp_in(h, NOW, .sport = port, .flags = SYN, .seq = 0, .wnd = 60000,
               .opts = {.mss = 1460, .wscale = 10 + 1});
        tcp_out(h, NOW, .dport = port, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
        tcp_in(h, NOW, .sport = port, .flags = ACK, .seq = 1, .ack = 1, .wnd = 60000);
        s[i] = td_accept(h->st, l, NULL, NULL);
        ck_assert_int_ge(s[i], 0);
        h->any_tx = true;
        const struct tcp_tuple a = {.laddr = HX_US, .raddr = HX_PEER, .lport = 80, .rport = port};
        const struct tcb *t = container_of(tcp_ep_find(h->st, &a), struct tcb, ep);
        int64_t acked = 1;
        for (int k = 0; k < 10; k++) {
            while (td_send(h->st, s[i], text, sizeof text, 0) > 0) {
            }
            hx_flush(h);
            for (tcp_seq end = t->snd_nxt; seq_lt(t->snd_una, end);) {
                uint32_t n = end - t->snd_una < 1460 ? end - t->snd_una : 1460;
                acked += n;
                tcp_in(h, hx_now(h) + US(1), .sport = port, .flags = ACK, .seq = 1, .ack = acked,
                       .wnd = k < 9 || t->snd_una + n != end ? 60000 : HX_ZERO);
            }
        }
        if (i == 0) {
            ck_assert_uint_gt(t->sndbuf_limit, 2000000); /* memory enough: it grew */
        }
        while (td_send(h->st, s[i], text, sizeof text, 0) > 0) {
        }
        ck_assert_uint_gt(t->snd.len, 0); /* and everybody is served */
    }
    ck_assert_uint_le(h->st->mem.used_by[MEM_PKT], (8u + 4u) << 20);
    ck_assert_uint_gt(hx_counter(h, "TcpExtTCPMemoryPressures"), 0);
    for (int i = 0; i < 20; i++) {
        struct linger hard = {1, 0};
        (void)td_setsockopt(h->st, s[i], SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        td_close(h->st, s[i]);
    }
    hx_flush(h);
    ck_assert_uint_lt(h->st->mem.used_by[MEM_PKT], 1u << 20);
    hx_free(h);
}
END_TEST

/* Small segments, and a window for very many: the interface's queue holds a thousand frames, and not one
 * is sent only to be dropped there. */
START_TEST(small_segments_into_a_queue_of_frames)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    c = talk(c, (struct hx_opts){.mss = 88, .wscale = 8 + 1}, 60000, MS(1));
    c.h->any_tx = true;
    conv_tcb(&c)->cc.cwnd = 10000000;
    say(&c, 1, 88 * 2900);
    hx_until(c.h, hx_now(c.h) + MS(10));
    ck_assert_uint_eq(hx_counter(c.h, "EthOutDrops"), 0);
    ck_assert_uint_eq(conv_tcb(&c)->snd_nxt - conv_tcb(&c)->iss, 1 + 88 * 2900);
    td_close(c.h->st, c.s);
    hx_free(c.h);
}
END_TEST

/* ---- what nobody owns any more ---- */

/* The user has closed and the peer keeps its window closed, answering every probe: nobody is left who
 * could give up, so the stack does (as Linux; RFC 6429). With the RFCs' own constants it never does
 * (MUST-37). */
START_TEST(orphan_before_a_closed_window)
{
    enum td_profile profile = _i == 0 ? TD_PROFILE_LINUX : TD_PROFILE_RFC;
    struct conv c = conv_new(profile);
    c = talk(c, (struct hx_opts){.mss = 1460}, 60000, MS(1));
    c.h->any_tx = true;
    ack_in(&c, NOW, 1, HX_ZERO);
    say(&c, 1, 5000);
    td_close(c.h->st, c.s);
    hx_flush(c.h);
    for (int i = 0; i < 3600 && conv_state(&c) != TCPS_CLOSED; i++) {
        ack_in(&c, hx_now(c.h) + SEC(1), 1, HX_ZERO);
    }
    assert_state(&c, profile == TD_PROFILE_LINUX ? TCPS_CLOSED : TCPS_FIN_WAIT_1);
    ck_assert_int_eq(hx_counter(c.h, "TcpOutRsts") > 0, profile == TD_PROFILE_LINUX);
    hx_free(c.h);
}
END_TEST

/* ---- the edge that was promised ---- */

static void count_writable(void *ctx, struct td_stack *st, int s, int mask)
{
    (void)st;
    (void)s;
    *(int *)ctx += (mask & POLLOUT) != 0;
}

/* A SEND that exactly fills the buffer leaves it unwritable without a word; that it is writable again
 * is an edge all the same. */
START_TEST(writable_again_after_an_exact_fill)
{
    static char text[1 << 20];
    int writable = 0;
    struct conv c = conv_new(TD_PROFILE_LINUX);
    c = talk(c, (struct hx_opts){.mss = 1460, .wscale = 7 + 1}, 60000, MS(1));
    c.h->any_tx = true;
    ck_assert_int_eq(set_opt(c.h, c.s, SOL_SOCKET, SO_SNDBUF, 20000), 0);
    uint32_t space = tcp_snd_space(conv_tcb(&c));
    ck_assert_uint_le(space, sizeof text);
    ck_assert_int_eq(td_send(c.h->st, c.s, text, space, 0), space);
    ck_assert_int_eq(td_poll(c.h->st, c.s) & POLLOUT, 0);
    td_set_notify(c.h->st, c.s, count_writable, &writable);
    hx_flush(c.h);
    ck_assert_int_eq(writable, 0);
    int64_t acked = 1;
    const struct tcb *t = conv_tcb(&c);
    for (int i = 0; i < 50 && t->snd.len > 0; i++) {
        acked += t->snd_nxt - t->snd_una;
        ack_in(&c, hx_now(c.h) + MS(1), acked, 60000);
    }
    ck_assert_int_ne(td_poll(c.h->st, c.s) & POLLOUT, 0);
    ck_assert_int_eq(writable, 1);
    td_close(c.h->st, c.s);
    hx_free(c.h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp hostile");
    TCase *tc = tcase_create("hostile");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, fast_retransmit_after_two_gigabytes);
    tcase_add_test(tc, urgent_mark_does_not_come_round_again);
    tcase_add_test(tc, segments_below_the_windows_unit);
    tcase_add_test(tc, many_readers_that_stop);
    tcase_add_test(tc, small_segments_into_a_queue_of_frames);
    tcase_add_loop_test(tc, orphan_before_a_closed_window, 0, 2);
    tcase_add_test(tc, writable_again_after_an_exact_fill);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
