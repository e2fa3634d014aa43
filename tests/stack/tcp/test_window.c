/* The receive window: its right edge never moves left, small steps aren't told, and what was promised is
 * taken. The peer here is a sender that keeps to the window it was told. */
#include "check_main.h"
#include "prng.h"
#include "tcp_talk.h"

#include <stdio.h>

struct sender {
    struct conv *c;
    int64_t next;   /* the first octet it hasn't sent */
    int64_t acked;
    int64_t edge;   /* the furthest it was ever allowed to go */
    unsigned shift;
    int64_t last_edge; /* the one told last */
    unsigned acks;
    td_time last;   /* of the latest acknowledgment */
};

/* Takes what the stack has sent. The edge never goes back. */
static void listen_to(struct sender *p)
{
    const struct hx_conn *k = hx_conn(p->c->h, HX_PEER, 40000, 80);
    while (hx_pending(p->c->h) > 0) {
        ip_out(p->c->h, HX_ANYTIME, IPPROTO_TCP_);
        const struct hx_pkt *g = &p->c->h->got;
        int64_t ack = (int64_t)(uint32_t)(g->tcp.ack - k->irs);
        unsigned shift = (g->tcp.flags & TCP_SYN) != 0 ? 0 : p->shift;
        int64_t edge = ack + ((int64_t)g->tcp.wnd << shift);
        ck_assert_int_ge(ack, p->acked);
        ck_assert_msg(edge >= p->last_edge, "the edge moved left from %ld to %ld", (long)p->last_edge, (long)edge);
        p->acked = ack;
        p->last_edge = edge;
        p->edge = edge;
        p->acks++;
        p->last = g->at;
    }
}

/* Less than a full segment is the end of a write (PSH), not a sign that the peer's segments are small. */
static void send_text(struct sender *p, size_t n)
{
    tcp_in(p->c->h, NOW, .flags = n < 1460 ? PSH | ACK : ACK, .seq = p->next, .ack = p->c->una, .wnd = 60000, .len = n);
    p->next += (int64_t)n;
}

static struct sender start(struct conv *c, int rcvbuf, int wscale)
{
    *c = conv_new(TD_PROFILE_LINUX);
    if (rcvbuf != 0) {
        char v[64];
        snprintf(v, sizeof v, "4096 %d 6291456", rcvbuf);
        knob_set(c->h, "net.ipv4.tcp_rmem", v);
    }
    *c = talk(*c, (struct hx_opts){.mss = 1460, .wscale = (int8_t)wscale}, 60000, MS(10));
    struct sender p = {.c = c, .next = 1, .acked = 1, .edge = 1, .last_edge = 1};
    p.shift = conv_tcb(c)->rcv_wscale;
    p.edge = p.last_edge = 1 + conv_tcb(c)->rcv_wnd;
    return p;
}

/* shows: MUST-39 ATK-TCPR-20 */
START_TEST(slow_reader_is_not_told_of_every_octet)
{
    struct conv c;
    struct sender p = start(&c, 32768, 0);
    while (p.edge - p.next >= 1460) {
        send_text(&p, 1460);
        listen_to(&p);
    }
    if (p.edge > p.next) {
        send_text(&p, (size_t)(p.edge - p.next));
        listen_to(&p);
    }
    hx_until(c.h, SEC(1));
    listen_to(&p);
    ck_assert_int_eq(p.acked, p.next);
    int64_t edge = p.edge;
    unsigned acks = p.acks;
    char b;
    int64_t read = 0;
    while (p.acks == acks && read < 20000) {
        ck_assert_int_eq(td_recv(c.h->st, c.s, &b, 1, 0), 1);
        read++;
        hx_until(c.h, hx_now(c.h) + US(10));
        listen_to(&p);
    }
    ck_assert_int_ge(p.edge - edge, 1460); /* one update, and worth it */
    ck_assert_uint_eq(p.acks, acks + 1);
    /* and so on to the end of what is there */
    edge = p.edge;
    acks = p.acks;
    while (td_recv(c.h->st, c.s, &b, 1, 0) == 1) {
        hx_flush(c.h);
        listen_to(&p);
        if (p.acks != acks) {
            ck_assert_int_ge(p.edge - edge, 1460);
            edge = p.edge;
            acks = p.acks;
        }
    }
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* shows: MUST-39 */
START_TEST(small_gains_are_not_told_on_the_way)
{
    struct conv c;
    struct sender p = start(&c, 32768, 0);
    send_text(&p, 1460); /* a full one, so that it is known what that is; then smaller ones */
    listen_to(&p);
    while (p.next < p.edge) {
        send_text(&p, (size_t)(p.edge - p.next < 500 ? p.edge - p.next : 500));
        listen_to(&p);
        hx_until(c.h, hx_now(c.h) + MS(50));
        listen_to(&p);
    }
    static char b[1460];
    ck_assert_int_eq(td_recv(c.h->st, c.s, b, 1460, 0), 1460);
    hx_flush(c.h);
    unsigned kept = 0;
    for (int i = 0; i < 10; i++) { /* each read frees less than a segment; the peer asks after each */
        listen_to(&p);
        int64_t edge = p.edge;
        ck_assert_int_eq(td_recv(c.h->st, c.s, b, 600, 0), 600);
        tcp_in(c.h, NOW, .flags = ACK, .seq = p.acked - 1, .ack = 1, .wnd = 60000, .len = 1);
        listen_to(&p);
        ck_assert(p.edge == edge || p.edge >= edge + 1460);
        kept += p.edge == edge;
    }
    ck_assert_uint_ge(kept, 3);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* A buffer for less than two segments, all but one octet of it filled at once, then read: the octet
 * that is left must not stay the whole window for ever. */
/* shows: MUST-39 */
START_TEST(one_octet_left_is_not_the_window_for_ever)
{
    static char b[4000];
    struct conv c;
    struct sender p = start(&c, 2800, 0);
    int64_t room = p.edge - p.next;
    ck_assert_int_gt(room, 800);
    ck_assert_int_lt(room, 1460);
    for (int round = 0; round < 3; round++) { /* the peer's segments are as large as the window */
        send_text(&p, (size_t)(p.edge - p.next));
        hx_until(c.h, hx_now(c.h) + MS(300));
        ck_assert_int_gt(td_recv(c.h->st, c.s, b, sizeof b, 0), 0);
        hx_flush(c.h);
        listen_to(&p);
        ck_assert_int_gt(p.edge - p.next, room / 2);
    }
    send_text(&p, (size_t)(p.edge - p.next - 1));
    hx_until(c.h, hx_now(c.h) + MS(300));
    listen_to(&p);
    ck_assert_int_eq(p.edge - p.next, 1);
    ck_assert_int_gt(td_recv(c.h->st, c.s, b, sizeof b, 0), 0);
    hx_flush(c.h);
    listen_to(&p);
    for (int i = 0; i < 3 && p.edge - p.next <= room / 2; i++) { /* probes */
        send_text(&p, 1);
        ck_assert_int_eq(td_recv(c.h->st, c.s, b, sizeof b, 0), 1);
        hx_until(c.h, hx_now(c.h) + MS(300));
        listen_to(&p);
    }
    ck_assert_int_gt(p.edge - p.next, room / 2);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* shows: SHLD-14 7323-08 */
START_TEST(edge_never_moves_left)
{
    struct prng r = {(uint64_t)_i + 1};
    for (int round = 0; round < 8; round++) {
        struct conv c;
        struct sender p = start(&c, 4096 + (int)prng_below(&r, 200000), _i % 2 == 0 ? 0 : 1 + 7);
        static uint8_t b[70000];
        for (int i = 0; i < 400; i++) {
            int64_t room = p.edge - p.next;
            uint32_t what = prng_below(&r, 10);
            if (what < 6 && room > 0) { /* of any size: the scale can't tell the edge exactly then */
                uint32_t most = room < 1460 ? (uint32_t)room : 1460;
                send_text(&p, prng_below(&r, 3) == 0 ? most : 1 + prng_below(&r, most));
            } else if (what < 8) {
                (void)td_recv(c.h->st, c.s, b, 1 + prng_below(&r, 3000), 0);
                hx_flush(c.h);
            } else {
                hx_until(c.h, hx_now(c.h) + MS(prng_below(&r, 60)));
            }
            listen_to(&p);
        }
        /* what was ever promised is taken, to the last octet */
        while (p.next < p.edge) {
            int64_t edge = p.edge;
            send_text(&p, (size_t)(edge - p.next < 1460 ? edge - p.next : 1460));
            listen_to(&p);
            if (p.next > 3000000) {
                break;
            }
        }
        hx_until(c.h, hx_now(c.h) + SEC(1));
        listen_to(&p);
        ck_assert_int_eq(p.acked, p.next);
        while (td_recv(c.h->st, c.s, b, sizeof b, 0) > 0) {
        }
        hx_drain(c.h);
        leave(&c);
    }
}
END_TEST

/* shows: MAY-8 */
START_TEST(reader_that_never_reads)
{
    struct conv c;
    struct sender p = start(&c, 16384, 0);
    while (p.next < p.edge) {
        send_text(&p, (size_t)(p.edge - p.next < 1460 ? p.edge - p.next : 1460));
        listen_to(&p);
        hx_until(c.h, hx_now(c.h) + MS(50));
        listen_to(&p);
    }
    int64_t full = p.acked;
    for (int i = 0; i < 200; i++) { /* probed every two minutes: 0, 0, 0 … */
        tcp_in(c.h, hx_now(c.h) + SEC(120), .flags = ACK, .seq = p.next, .ack = 1, .wnd = 60000, .len = 1);
        tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = full, .wnd = HX_ZERO);
    }
    assert_state(&c, TCPS_ESTABLISHED);
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPToZeroWindowAdv"), 1);
    static uint8_t b[70000]; /* read at last: the peer is told at once */
    ck_assert_int_eq(td_recv(c.h->st, c.s, b, sizeof b, 0), full - 1);
    for (int64_t i = 0; i < full - 1; i++) {
        ck_assert_uint_eq(b[i], hx_pattern((uint64_t)i + 1));
    }
    hx_flush(c.h);
    listen_to(&p);
    ck_assert_int_gt(p.edge, full + 1460);
    leave(&c);
}
END_TEST

/* shows: REC-1 7323-06 */
START_TEST(window_grows_beyond_64_kib)
{
    struct conv c;
    struct sender p = start(&c, 0, 1 + 7);
    ck_assert_uint_gt(p.shift, 0);
    static uint8_t b[400000];
    int64_t largest = 0;
    for (int i = 0, n = getenv("VALGRIND") != NULL ? 15 : 40; i < n; i++) { /* forty round trips of a whole window each; the reader takes it at once */
        int64_t edge = p.edge;
        largest = edge - p.acked > largest ? edge - p.acked : largest;
        hx_until(c.h, hx_now(c.h) + MS(10));
        while (p.next + 1460 <= edge) {
            send_text(&p, 1460);
            (void)td_recv(c.h->st, c.s, b, sizeof b, 0);
        }
        hx_flush(c.h);
        listen_to(&p);
    }
    ck_assert_int_gt(largest, 4 * 65535);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* shows: ATK-TCPR-09 */
START_TEST(segments_of_one_octet_cost_what_they_cost)
{
    struct conv c;
    struct sender p = start(&c, 65536, 0);
    ck_assert_int_eq(td_knob_set(c.h->st, "tapdeck.segments", "0"), 0); /* what is told of them isn't theirs */
    uint64_t before = c.h->heap;
    for (int i = 0; i < 60000 && p.next < p.edge; i++) {
        send_text(&p, 1);
        listen_to(&p);
    }
    ck_assert_uint_le(c.h->heap - before, 2 * 65536);
    hx_until(c.h, hx_now(c.h) + SEC(1)); /* nobody reads, so the ACK may wait for its time */
    listen_to(&p);
    ck_assert_int_eq(p.acked >= p.next - 3 * 1460, 1);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* Where the edge may move left (tcp_shrink_window), what was promised is taken all the same: the peer may have sent it. */
/* shows: 7323-08 7323-09 */
START_TEST(an_edge_that_moved_left)
{
    struct conv c;
    struct sender p = start(&c, 200000, 1 + 7);
    knob_set(c.h, "net.ipv4.tcp_shrink_window", "1");
    send_text(&p, 100);
    hx_until(c.h, hx_now(c.h) + SEC(1));
    listen_to(&p);
    int64_t promised = p.edge;
    int small = 4096;
    ck_assert_int_eq(td_setsockopt(c.h->st, c.s, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    send_text(&p, 100);
    hx_until(c.h, hx_now(c.h) + SEC(1));
    ip_out(c.h, HX_ANYTIME, IPPROTO_TCP_);
    int64_t edge = 201 + ((int64_t)c.h->got.tcp.wnd << p.shift);
    ck_assert_int_lt(edge, promised);
    tcp_in(c.h, NOW, .flags = ACK, .seq = promised - 100, .ack = 1, .wnd = 60000, .len = 100); /* to its last octet */
    ck_assert_uint_eq(hx_event(c.h, "tcp-drop-window"), 0);
    tcp_in(c.h, NOW, .flags = ACK, .seq = promised, .ack = 1, .wnd = 60000, .len = 100); /* and no further */
    ck_assert_uint_eq(hx_event(c.h, "tcp-drop-window"), 1);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp window");
    TCase *tc = tcase_create("window");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, slow_reader_is_not_told_of_every_octet);
    tcase_add_test(tc, small_gains_are_not_told_on_the_way);
    tcase_add_test(tc, one_octet_left_is_not_the_window_for_ever);
    tcase_add_loop_test(tc, edge_never_moves_left, 0, 4);
    tcase_add_test(tc, an_edge_that_moved_left);
    tcase_add_test(tc, reader_that_never_reads);
    tcase_add_test(tc, window_grows_beyond_64_kib);
    tcase_add_test(tc, segments_of_one_octet_cost_what_they_cost);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
