/* The tracker of replay/: conversations built byte by byte, and what each segment is said to be. */
#include "check_main.h"

#include <stdlib.h>

#include "packets.h"
#include "replay/track.h"

#define MS_ INT64_C(1000000)

struct talk {
    struct flows flows;
    struct viewer viewer;
    struct track_row row; /* of the last segment */
    int64_t t;
    uint64_t number;
    uint16_t wnd[2], id[2];
    uint32_t tsval;       /* 0 = no timestamps */
    uint32_t tsecr;
    struct tcp_opts opts; /* of the next segment */
    bool spoil, believe;
    const char *text;     /* of the next segment; NULL: x's */
    struct flow *flow;
};

static void talk_begin(struct talk *k)
{
    *k = (struct talk){.wnd = {1000, 1000}, .id = {100, 7000}};
    flows_init(&k->flows);
}

static void talk_end(struct talk *k)
{
    for (struct flow *f = k->flows.head; f != NULL; f = f->next)
        track_free(f);
    flows_done(&k->flows);
    viewer_done(&k->viewer);
}

/* A segment with len bytes of text, from end 0 (the client) or 1; sequence numbers as they stand. ms after
 * the one before. */
static const struct track_row *segment(struct talk *k, int from, int64_t ms, uint16_t flags, tcp_seq seq, tcp_seq ack, uint32_t len)
{
    static uint8_t l4[4096];
    struct built p = {.n = 0};
    struct view v;
    const td_ip4 addr[2] = {0x0a000001, 0x0a000002};
    const uint16_t port[2] = {4000, 80};
    struct tcp_hdr h = {.sport = port[from], .dport = port[1 - from], .seq = seq, .ack = ack, .flags = flags, .wnd = k->wnd[from]};
    h.o = k->opts;
    if (k->tsval != 0) {
        h.o.has_ts = true;
        h.o.ts_val = k->tsval;
        h.o.ts_ecr = k->tsecr;
    }
    tcp_opts_layout(&h, (flags & TCP_SYN) != 0, TCP_OPTS_PLAIN);
    uint32_t n = (uint32_t)tcp_emit(&h, l4);
    memset(l4 + n, 'x', len);
    if (k->text != NULL)
        memcpy(l4 + n, k->text, len);
    n += len;
    wire_put16(l4 + 16, checksum_finish(checksum_add(checksum_pseudo(addr[from], addr[1 - from], 6, n), l4, n)));
    if (k->spoil)
        l4[n - 1] ^= 0x55;
    put_ether(&p, 0x0800);
    struct ipv4_hdr ip = {.hlen = 20, .total_len = (uint16_t)(20 + n), .id = k->id[from]++, .ttl = 64, .proto = 6, .src = addr[from], .dst = addr[1 - from]};
    p.n += (uint32_t)ipv4_emit(&ip, p.b + p.n);
    put(&p, l4, n);
    struct capture_frame f = as_frame(&p, 1);
    int side;
    k->t += ms * MS_;
    f.wall = k->t;
    ck_assert_int_eq(view_make(&k->viewer, &f, ++k->number, &v), VIEW_OK);
    k->flow = flows_packet(&k->flows, &v, &side);
    ck_assert_ptr_nonnull(k->flow);
    ck_assert(track_packet(k->flow, side, &v, k->t, k->believe, &k->row));
    memset(&k->opts, 0, sizeof(k->opts));
    k->spoil = false;
    k->text = NULL;
    return &k->row;
}

/* SYN, SYN-ACK, ACK: the client begins at 100, the server at 500; 20 ms away, captured at the client. */
static void handshake(struct talk *k)
{
    k->opts = (struct tcp_opts){.has_mss = true, .mss = 1000, .has_sack_perm = true};
    segment(k, 0, 0, TCP_SYN, 100, 0, 0);
    k->opts = (struct tcp_opts){.has_mss = true, .mss = 1000, .has_sack_perm = true};
    segment(k, 1, 20, TCP_SYN | TCP_ACK, 500, 101, 0);
    segment(k, 0, 0, TCP_ACK, 101, 501, 0);
}

#define HAS(row, name) ck_assert_msg(((row)->marks & TRACK_BIT(name)) != 0, #name " is missing: %llx", (unsigned long long)(row)->marks)
#define HASNT(row, name) ck_assert_msg(((row)->marks & TRACK_BIT(name)) == 0, #name " is said: %llx", (unsigned long long)(row)->marks)
#define STATES(row, c, s)                             \
    do {                                              \
        ck_assert_int_eq((row)->after[0], TRACK_##c); \
        ck_assert_int_eq((row)->after[1], TRACK_##s); \
    } while (0)

START_TEST(test_opens_and_closes)
{
    struct talk k;
    talk_begin(&k);
    const struct track_row *r = segment(&k, 0, 0, TCP_SYN, 100, 0, 0);
    ck_assert_int_eq(r->before[0], TRACK_CLOSED);
    STATES(r, SYN_SENT, UNSEEN); /* whether somebody listens the answer tells */
    ck_assert_str_eq(r->moved[0], "RFC 9293 3.10.1");
    ck_assert_ptr_null(r->moved[1]);
    r = segment(&k, 1, 20, TCP_SYN | TCP_ACK, 500, 101, 0);
    ck_assert_int_eq(r->before[1], TRACK_LISTEN);
    STATES(r, ESTABLISHED, SYN_RECEIVED);
    ck_assert_str_eq(r->moved[1], "RFC 9293 3.10.7.2");
    ck_assert_str_eq(r->moved[0], "RFC 9293 3.10.7.3");
    ck_assert_int_eq(r->rtt, 20 * MS_);
    r = segment(&k, 0, 0, TCP_ACK, 101, 501, 0);
    STATES(r, ESTABLISHED, ESTABLISHED);
    ck_assert_int_eq(r->seq, 1);
    ck_assert_int_eq(r->ack, 1);
    r = segment(&k, 0, 1, TCP_ACK | TCP_FIN, 101, 501, 10);
    STATES(r, FIN_WAIT_1, CLOSE_WAIT);
    ck_assert_uint_eq(r->flight[0], 11);
    r = segment(&k, 1, 1, TCP_ACK, 501, 112, 0);
    STATES(r, FIN_WAIT_2, CLOSE_WAIT);
    r = segment(&k, 1, 1, TCP_ACK | TCP_FIN, 501, 112, 0);
    STATES(r, TIME_WAIT, LAST_ACK);
    r = segment(&k, 0, 1, TCP_ACK, 112, 502, 0);
    STATES(r, TIME_WAIT, CLOSED);
    ck_assert(!r->assumed[0] && !r->assumed[1]);
    talk_end(&k);
}
END_TEST

START_TEST(test_both_close_at_once)
{
    struct talk k;
    talk_begin(&k);
    handshake(&k);
    segment(&k, 0, 1, TCP_ACK | TCP_FIN, 101, 501, 0);
    /* The server's FIN passes without acknowledging the client's, so that had not come when it was sent. */
    const struct track_row *r = segment(&k, 1, 1, TCP_ACK | TCP_FIN, 501, 101, 0);
    ck_assert_int_eq(r->before[1], TRACK_CLOSE_WAIT);
    STATES(r, CLOSING, CLOSING);
    ck_assert(r->reason != NULL && strstr(r->reason, "crossed") != NULL);
    r = segment(&k, 1, 1, TCP_ACK, 502, 102, 0);
    STATES(r, TIME_WAIT, CLOSING);
    r = segment(&k, 0, 1, TCP_ACK, 102, 502, 0);
    STATES(r, TIME_WAIT, TIME_WAIT);
    talk_end(&k);
}
END_TEST

START_TEST(test_both_call_at_once)
{
    struct talk k;
    talk_begin(&k);
    segment(&k, 0, 0, TCP_SYN, 100, 0, 0);
    const struct track_row *r = segment(&k, 1, 10, TCP_SYN, 500, 0, 0);
    ck_assert_int_eq(r->before[1], TRACK_CLOSED);
    STATES(r, SYN_RECEIVED, SYN_SENT);
    ck_assert(r->reason != NULL && strstr(r->reason, "crossed") != NULL);
    ck_assert_ptr_nonnull(r->offered);
    r = segment(&k, 0, 1, TCP_SYN | TCP_ACK, 100, 501, 0);
    STATES(r, SYN_RECEIVED, ESTABLISHED);
    ck_assert((r->marks & TRACK_ANY_RTX) == 0);
    r = segment(&k, 1, 1, TCP_SYN | TCP_ACK, 500, 101, 0);
    STATES(r, ESTABLISHED, ESTABLISHED);
    talk_end(&k);
}
END_TEST

/* What nothing was heard of is in no known state, until its first segment tells. */
START_TEST(test_a_server_that_was_not_heard)
{
    struct talk k;
    talk_begin(&k);
    segment(&k, 0, 0, TCP_SYN, 100, 0, 0);
    const struct track_row *r = segment(&k, 0, 1, TCP_ACK, 101, 501, 0); /* its SYN-ACK wasn't captured */
    STATES(r, ESTABLISHED, ESTABLISHED);
    ck_assert(r->assumed[0] && r->assumed[1]);
    talk_end(&k);
    talk_begin(&k);
    segment(&k, 0, 0, TCP_SYN, 100, 0, 0);
    r = segment(&k, 1, 1, TCP_ACK | TCP_FIN, 501, 101, 5);
    STATES(r, CLOSE_WAIT, FIN_WAIT_1);
    talk_end(&k);
}
END_TEST

START_TEST(test_ecn_is_negotiated)
{
    static const struct {
        uint16_t syn, ack;
        uint64_t asked, agreed;
    } cases[] = {
        {TCP_ECE | TCP_CWR, TCP_ECE, TRACK_BIT(ECN_SYN), TRACK_BIT(ECN_AGREED)},
        {TCP_ECE | TCP_CWR | TCP_AE, TCP_CWR, TRACK_BIT(ACCECN_SYN), 0},
        {0, 0, 0, 0},
    };
    const uint64_t all = TRACK_BIT(ECN_SYN) | TRACK_BIT(ECN_AGREED) | TRACK_BIT(ACCECN_SYN) | TRACK_BIT(ECE) | TRACK_BIT(CWR);
    for (unsigned i = 0; i < 3; i++) {
        struct talk k;
        talk_begin(&k);
        const struct track_row *r = segment(&k, 0, 0, TCP_SYN | cases[i].syn, 100, 0, 0);
        ck_assert_uint_eq(r->marks & all, cases[i].asked);
        r = segment(&k, 1, 1, TCP_SYN | TCP_ACK | cases[i].ack, 500, 101, 0);
        ck_assert_uint_eq(r->marks & all, cases[i].agreed);
        talk_end(&k);
    }
}
END_TEST

/* Nothing in flight, and less room than a segment or half the window (RFC 9293 3.8.6.2.1). */
START_TEST(test_silly_windows)
{
    static const struct {
        uint16_t window;
        bool small;
    } cases[] = {{0, false}, {1, true}, {499, true}, {1460, false}, {3000, false}};
    struct talk k;
    talk_begin(&k);
    k.wnd[1] = 4000;
    handshake(&k);
    segment(&k, 0, 0, TCP_ACK, 101, 501, 1000);
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        k.wnd[1] = cases[i].window;
        const struct track_row *r = segment(&k, 1, 20, TCP_ACK, 501, 1101, 0);
        ck_assert_msg(((r->marks & TRACK_BIT(SMALL_WINDOW)) != 0) == cases[i].small, "window %u", cases[i].window);
    }
    k.wnd[1] = 100;
    segment(&k, 0, 0, TCP_ACK, 1101, 501, 50);
    const struct track_row *r = segment(&k, 1, 20, TCP_ACK, 501, 1111, 0); /* the rest is on its way: nobody waits */
    HASNT(r, SMALL_WINDOW);
    talk_end(&k);
}
END_TEST

START_TEST(test_first_lines)
{
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1"}, {"HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK"},
        {"GETTING THERE", NULL}, {"GET / \x1b[31m evil", "GET / "}, {"HTTP/1.", NULL},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct talk k;
        talk_begin(&k);
        handshake(&k);
        uint32_t n = (uint32_t)strlen(cases[i].text);
        k.text = cases[i].text;
        const struct track_row *r = segment(&k, 0, 0, TCP_ACK | TCP_PSH, 101, 501, n);
        ck_assert((r->said != NULL) == (cases[i].said != NULL));
        if (r->said != NULL) {
            ck_assert_uint_eq(r->said_len, strlen(cases[i].said));
            ck_assert_mem_eq(r->said, cases[i].said, r->said_len);
        }
        talk_end(&k);
    }
}
END_TEST

START_TEST(test_fin_waits_for_what_is_missing)
{
    struct talk k;
    talk_begin(&k);
    handshake(&k);
    const struct track_row *r = segment(&k, 0, 1, TCP_ACK | TCP_FIN, 111, 501, 10);
    HAS(r, LOST_BEFORE);
    STATES(r, FIN_WAIT_1, ESTABLISHED);
    r = segment(&k, 0, 400, TCP_ACK, 101, 501, 10);
    STATES(r, FIN_WAIT_1, CLOSE_WAIT);
    talk_end(&k);
}
END_TEST

START_TEST(test_begins_in_the_middle)
{
    struct talk k;
    talk_begin(&k);
    const struct track_row *r = segment(&k, 0, 0, TCP_ACK, 5000, 9000, 100);
    STATES(r, ESTABLISHED, ESTABLISHED);
    ck_assert(r->assumed[0] && r->assumed[1]);
    ck_assert(!r->scaled);
    ck_assert_int_eq(r->seq, 1);
    ck_assert_int_eq(r->ack, 1);
    r = segment(&k, 1, 1, TCP_ACK, 9400, 5100, 10); /* bytes of it were on their way before the capture began */
    HASNT(r, LOST_BEFORE);
    ck_assert_int_eq(r->seq, 401);
    ck_assert_int_eq(r->ack, 101);
    talk_end(&k);
}
END_TEST

START_TEST(test_window_scale)
{
    struct talk k;
    talk_begin(&k);
    k.opts = (struct tcp_opts){.has_wscale = true, .wscale = 3};
    const struct track_row *r = segment(&k, 0, 0, TCP_SYN, 100, 0, 0);
    ck_assert_uint_eq(r->window, 1000);
    k.opts = (struct tcp_opts){.has_wscale = true, .wscale = 4};
    r = segment(&k, 1, 1, TCP_SYN | TCP_ACK, 500, 101, 0);
    ck_assert_uint_eq(r->window, 1000); /* never scaled on a SYN */
    r = segment(&k, 0, 1, TCP_ACK, 101, 501, 0);
    ck_assert_uint_eq(r->window, 8000);
    ck_assert(r->scaled);
    r = segment(&k, 1, 1, TCP_ACK, 501, 101, 0);
    ck_assert_uint_eq(r->window, 16000);
    talk_end(&k);
    /* One side without the option: neither scales. */
    talk_begin(&k);
    k.opts = (struct tcp_opts){.has_wscale = true, .wscale = 3};
    segment(&k, 0, 0, TCP_SYN, 100, 0, 0);
    segment(&k, 1, 1, TCP_SYN | TCP_ACK, 500, 101, 0);
    r = segment(&k, 0, 1, TCP_ACK, 101, 501, 0);
    ck_assert_uint_eq(r->window, 1000);
    ck_assert(r->scaled);
    talk_end(&k);
}
END_TEST

/* Five segments, the first lost; three duplicate ACKs bring it again, and the rest of recovery follows. */
START_TEST(test_fast_retransmit)
{
    struct talk k;
    talk_begin(&k);
    k.wnd[1] = 60000;
    handshake(&k);
    for (tcp_seq i = 0; i < 6; i++)
        segment(&k, 0, 0, TCP_ACK, 101 + 1000 * i, 501, 1000);
    for (uint32_t i = 1; i <= 4; i++) {
        k.opts.nsack = 1;
        k.opts.sack[0] = (struct tcp_sack_block){1101, 1101 + 1000 * i};
        const struct track_row *r = segment(&k, 1, i == 1 ? 20 : 0, TCP_ACK, 501, 101, 0);
        HAS(r, SACK);
        ck_assert_uint_eq(r->dup, i);
    }
    const struct track_row *r = segment(&k, 0, 0, TCP_ACK, 101, 501, 1000);
    HAS(r, RTX_FAST);
    ck_assert_uint_eq(r->about, 4);
    ck_assert_str_eq(r->guess[0].phase, "fast recovery");
    r = segment(&k, 0, 1, TCP_ACK, 5101, 501, 1000);
    HAS(r, RTX_SACK);
    r = segment(&k, 1, 20, TCP_ACK, 501, 6101, 0);
    ck_assert_int_eq(r->rtt, -1); /* Karn */
    ck_assert_str_eq(r->guess[0].phase, "fast recovery"); /* what the sender knows is seen when it sends */
    r = segment(&k, 0, 0, TCP_ACK, 6101, 501, 1000);
    ck_assert_str_ne(r->guess[0].phase, "fast recovery");
    ck_assert_uint_eq(track_stats(k.flow, 0)->by_fast, 1);
    ck_assert_uint_eq(track_stats(k.flow, 0)->by_sack, 1);
    ck_assert_uint_eq(track_stats(k.flow, 0)->rtx_bytes, 2000);
    talk_end(&k);
}
END_TEST

START_TEST(test_timeout)
{
    struct talk k;
    talk_begin(&k);
    k.wnd[1] = 60000;
    handshake(&k);
    for (tcp_seq i = 0; i < 4; i++)
        segment(&k, 0, 0, TCP_ACK, 101 + 1000 * i, 501, 1000);
    const struct track_row *r = segment(&k, 0, 50, TCP_ACK, 3101, 501, 1000);
    HAS(r, RTX_TLP);
    r = segment(&k, 0, 250, TCP_ACK, 101, 501, 1000);
    HAS(r, RTX_RTO);
    ck_assert_uint_eq(r->guess[0].cwnd, 1000);
    ck_assert_str_eq(r->guess[0].phase, "loss");
    r = segment(&k, 0, 500, TCP_ACK, 101, 501, 1000);
    HAS(r, RTX_RTO);
    r = segment(&k, 1, 20, TCP_ACK, 501, 1101, 0);
    r = segment(&k, 0, 0, TCP_ACK, 1101, 501, 1000);
    HAS(r, RTX);
    ck_assert_str_eq(r->reason, "after the timeout");
    ck_assert_uint_eq(track_stats(k.flow, 0)->by_rto, 2);
    ck_assert_uint_eq(track_stats(k.flow, 0)->max_again, 2);
    talk_end(&k);
}
END_TEST

/* A router said that what was sent is too big: it goes again at once, in smaller segments. */
START_TEST(test_smaller_segments)
{
    struct talk k;
    talk_begin(&k);
    handshake(&k);
    segment(&k, 0, 0, TCP_ACK, 101, 501, 1000);
    segment(&k, 0, 0, TCP_ACK, 1101, 501, 1000);
    track_too_big(k.flow, 0, 77);
    const struct track_row *r = segment(&k, 0, 5, TCP_ACK, 101, 501, 700);
    HAS(r, RTX);
    ck_assert_uint_eq(r->about, 77);
    ck_assert(strstr(r->reason, "RFC 1191") != NULL);
    r = segment(&k, 0, 0, TCP_ACK, 1501, 501, 600); /* the last: no tail loss probe either */
    HAS(r, RTX);
    HASNT(r, RTX_TLP);
    segment(&k, 1, 20, TCP_ACK, 501, 2101, 0);
    r = segment(&k, 0, 0, TCP_ACK, 2101, 501, 700);
    ck_assert((r->marks & TRACK_ANY_RTX) == 0);
    r = segment(&k, 0, 2000, TCP_ACK, 2101, 501, 700);
    HAS(r, RTX_RTO);
    r = segment(&k, 0, 4000, TCP_ACK, 2101, 501, 300);
    HAS(r, RTX_RTO);
    ck_assert(strstr(r->reason, "smaller this time") != NULL);
    talk_end(&k);
}
END_TEST

START_TEST(test_syn_again)
{
    struct talk k;
    talk_begin(&k);
    segment(&k, 0, 0, TCP_SYN, 100, 0, 0);
    const struct track_row *r = segment(&k, 0, 1000, TCP_SYN, 100, 0, 0);
    HAS(r, RTX_SYN);
    STATES(r, SYN_SENT, UNSEEN);
    ck_assert_str_eq(flow_end_text(k.flow), "no answer");
    talk_end(&k);
}
END_TEST

/* A segment overtaken by two: its IP id is older. Sent again: it is newer. */
START_TEST(test_order_by_ip_id)
{
    struct talk k;
    talk_begin(&k);
    handshake(&k);
    for (tcp_seq i = 0; i < 4; i++)
        segment(&k, 0, 0, TCP_ACK, 101 + 10 * i, 501, 10);
    k.id[0] += 1;
    const struct track_row *r = segment(&k, 0, 0, TCP_ACK, 151, 501, 10);
    HAS(r, LOST_BEFORE);
    k.id[0] -= 2;
    r = segment(&k, 0, 100, TCP_ACK, 141, 501, 10);
    HAS(r, OUT_OF_ORDER);
    HASNT(r, RTX);
    ck_assert_str_eq(r->reason, "its IP id is before that of the highest segment");
    k.id[0] += 1;
    segment(&k, 0, 0, TCP_ACK, 171, 501, 10);
    r = segment(&k, 0, 1, TCP_ACK, 161, 501, 10);
    HASNT(r, OUT_OF_ORDER);
    ck_assert((r->marks & TRACK_ANY_RTX) != 0);
    ck_assert_str_eq(r->reason, "its IP id is after that of the highest segment");
    talk_end(&k);
}
END_TEST

START_TEST(test_duplicated_on_the_way)
{
    struct talk k;
    talk_begin(&k);
    handshake(&k);
    for (tcp_seq i = 0; i < 4; i++)
        segment(&k, 0, 0, TCP_ACK, 101 + 10 * i, 501, 10);
    k.id[0]--;
    const struct track_row *r = segment(&k, 0, 0, TCP_ACK, 131, 501, 10);
    HAS(r, DUPLICATED);
    ck_assert((r->marks & TRACK_ANY_RTX) == 0);
    ck_assert_uint_eq(r->about, 7);
    talk_end(&k);
}
END_TEST

START_TEST(test_needless)
{
    struct talk k;
    talk_begin(&k);
    handshake(&k);
    segment(&k, 0, 0, TCP_ACK, 101, 501, 1000);
    segment(&k, 0, 250, TCP_ACK, 101, 501, 1000);
    segment(&k, 1, 1, TCP_ACK, 501, 1101, 0);
    const struct track_row *r = segment(&k, 0, 1, TCP_ACK, 101, 501, 1000);
    HAS(r, SPURIOUS);
    k.opts.nsack = 1;
    k.opts.sack[0] = (struct tcp_sack_block){101, 1101};
    r = segment(&k, 1, 1, TCP_ACK, 501, 1101, 0);
    HAS(r, DSACK);
    ck_assert_uint_eq(r->about, 7);
    ck_assert_uint_eq(track_stats(k.flow, 0)->needless, 1);
    ck_assert_uint_eq(track_stats(k.flow, 1)->dsacks, 1);
    talk_end(&k);
}
END_TEST

/* The answer echoes the timestamp of what was first sent: the timeout was premature. */
START_TEST(test_original_arrived)
{
    for (uint32_t echo = 10; echo <= 11; echo++) {
        struct talk k;
        talk_begin(&k);
        handshake(&k);
        k.tsval = 10;
        segment(&k, 0, 0, TCP_ACK, 101, 501, 1000);
        k.tsval = 11;
        segment(&k, 0, 250, TCP_ACK, 101, 501, 1000);
        k.tsval = 90;
        k.tsecr = echo;
        const struct track_row *r = segment(&k, 1, 1, TCP_ACK, 501, 1101, 0);
        ck_assert_int_eq((r->marks & TRACK_BIT(ORIGINAL)) != 0, echo == 10);
        ck_assert_int_eq(r->rtt, -1);
        ck_assert_int_eq(r->rtt_ts, echo == 10 ? -1 : MS_);
        talk_end(&k);
    }
}
END_TEST

START_TEST(test_windows)
{
    struct talk k;
    talk_begin(&k);
    k.wnd[1] = 1000;
    handshake(&k);
    const struct track_row *r = segment(&k, 0, 0, TCP_ACK, 101, 501, 1000);
    HAS(r, WINDOW_FULL);
    k.wnd[1] = 0;
    r = segment(&k, 1, 20, TCP_ACK, 501, 1101, 0);
    HAS(r, ZERO_WINDOW);
    r = segment(&k, 0, 200, TCP_ACK, 1101, 501, 1);
    HAS(r, PROBE);
    r = segment(&k, 1, 1, TCP_ACK, 501, 1101, 0);
    HAS(r, PROBE_ACK);
    r = segment(&k, 0, 400, TCP_ACK, 1100, 501, 0); /* as Linux probes */
    HAS(r, PROBE);
    HASNT(r, KEEP_ALIVE);
    k.wnd[1] = 1000;
    r = segment(&k, 1, 1, TCP_ACK, 501, 1101, 0);
    HAS(r, WINDOW_UPDATE);
    HASNT(r, DUP_ACK);
    talk_end(&k);
}
END_TEST

START_TEST(test_keep_alive)
{
    struct talk k;
    talk_begin(&k);
    handshake(&k);
    segment(&k, 0, 0, TCP_ACK, 101, 501, 10);
    segment(&k, 1, 0, TCP_ACK, 501, 111, 0);
    const struct track_row *r = segment(&k, 0, 60000, TCP_ACK, 110, 501, 0);
    HAS(r, KEEP_ALIVE);
    ck_assert((r->marks & TRACK_ANY_RTX) == 0);
    r = segment(&k, 1, 1, TCP_ACK, 501, 111, 0);
    HAS(r, KEEP_ALIVE_ACK);
    ck_assert_uint_eq(r->about, r->number - 1);
    HASNT(r, DUP_ACK);
    talk_end(&k);
}
END_TEST

START_TEST(test_what_was_not_captured)
{
    struct talk k;
    talk_begin(&k);
    handshake(&k);
    segment(&k, 0, 0, TCP_ACK, 101, 501, 10);
    const struct track_row *r = segment(&k, 1, 1, TCP_ACK, 501, 131, 0);
    HAS(r, ACKED_UNSEEN);
    r = segment(&k, 0, 1, TCP_ACK, 141, 501, 10);
    HAS(r, LOST_BEFORE);
    talk_end(&k);
}
END_TEST

START_TEST(test_rst)
{
    struct talk k;
    talk_begin(&k);
    handshake(&k);
    const struct track_row *r = segment(&k, 1, 1, TCP_RST, 600, 0, 0);
    HAS(r, RST_NEAR);
    STATES(r, ESTABLISHED, CLOSED);
    uint64_t rst = r->number;
    r = segment(&k, 0, 1, TCP_ACK, 101, 501, 0); /* as when it was believed: nothing new */
    HAS(r, CHALLENGE);
    HASNT(r, DUP_ACK);
    ck_assert_uint_eq(r->about, rst);
    r = segment(&k, 1, 1, TCP_RST, 501, 0, 0);
    HAS(r, RST_NOBODY);
    ck_assert_int_eq(r->after[0], TRACK_CLOSED);
    talk_end(&k);
    talk_begin(&k);
    handshake(&k);
    r = segment(&k, 1, 1, TCP_RST, 501 + 100000, 0, 0);
    HAS(r, RST_BAD);
    ck_assert_int_eq(r->after[0], TRACK_ESTABLISHED);
    r = segment(&k, 1, 1, TCP_RST, 501, 0, 0);
    HAS(r, RST_OK);
    STATES(r, CLOSED, CLOSED);
    talk_end(&k);
    /* Refused. */
    talk_begin(&k);
    segment(&k, 0, 1, TCP_SYN, 100, 0, 0);
    r = segment(&k, 1, 1, TCP_RST | TCP_ACK, 0, 101, 0);
    STATES(r, CLOSED, CLOSED);
    HAS(r, RST_REFUSED);
    HASNT(r, RST_OK);
    HASNT(r, RST_NOBODY);
    ck_assert_uint_eq(r->window, k.wnd[1]);
    ck_assert_str_eq(r->moved[0], "RFC 9293 3.10.7.3");
    ck_assert_str_eq(flow_end_text(k.flow), "refused");
    talk_end(&k);
}
END_TEST

/* What a receiver throws away changes nothing; unless it is to be believed. */
START_TEST(test_bad_checksum)
{
    for (int believe = 0; believe < 2; believe++) {
        struct talk k;
        talk_begin(&k);
        handshake(&k);
        k.spoil = true;
        k.believe = believe;
        const struct track_row *r = segment(&k, 0, 0, TCP_ACK, 101, 501, 10);
        ck_assert_int_eq((r->marks & TRACK_BIT(BAD_SUM)) != 0, !believe);
        r = segment(&k, 0, 300, TCP_ACK, 101, 501, 10);
        ck_assert_int_eq((r->marks & TRACK_ANY_RTX) != 0, believe);
        talk_end(&k);
    }
}
END_TEST

/* Captured at the receiver: nothing seems to be in flight, but timestamps tell what the sender knew. */
START_TEST(test_window_seen_from_the_receiver)
{
    struct talk k;
    uint32_t sent = 0;
    talk_begin(&k);
    k.wnd[0] = k.wnd[1] = 60000;
    k.tsval = 1000;
    k.opts = (struct tcp_opts){.has_mss = true, .mss = 1012, .has_sack_perm = true};
    segment(&k, 0, 0, TCP_SYN, 100, 0, 0);
    k.opts = (struct tcp_opts){.has_mss = true, .mss = 1012, .has_sack_perm = true};
    segment(&k, 1, 0, TCP_SYN | TCP_ACK, 500, 101, 0);
    segment(&k, 0, 40, TCP_ACK, 101, 501, 0);
    /* Twenty segments a round trip of 40 ms, each acknowledged at once. The receiver's clock ticks with each. */
    const struct track_row *r = NULL;
    for (uint32_t i = 0; i < 200; i++) {
        k.tsecr = i < 20 ? 1000 : 2000 + i - 20;
        k.tsval = 1000 + i;
        r = segment(&k, 0, 2, TCP_ACK, 101 + sent, 501, 1000);
        sent += 1000;
        k.tsval = 2000 + i;
        segment(&k, 1, 0, TCP_ACK, 501, 101 + sent, 0);
    }
    ck_assert_uint_eq(k.row.flight[0], 0);
    ck_assert_uint_ge(r->guess[0].cwnd, 18000);
    ck_assert_uint_le(r->guess[0].cwnd, 22000);
    talk_end(&k);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *s = suite_create("replay/track");
    TCase *c = tcase_create("track");
    tcase_add_test(c, test_opens_and_closes);
    tcase_add_test(c, test_both_close_at_once);
    tcase_add_test(c, test_both_call_at_once);
    tcase_add_test(c, test_smaller_segments);
    tcase_add_test(c, test_a_server_that_was_not_heard);
    tcase_add_test(c, test_ecn_is_negotiated);
    tcase_add_test(c, test_silly_windows);
    tcase_add_test(c, test_first_lines);
    tcase_add_test(c, test_fin_waits_for_what_is_missing);
    tcase_add_test(c, test_begins_in_the_middle);
    tcase_add_test(c, test_window_scale);
    tcase_add_test(c, test_fast_retransmit);
    tcase_add_test(c, test_timeout);
    tcase_add_test(c, test_syn_again);
    tcase_add_test(c, test_order_by_ip_id);
    tcase_add_test(c, test_duplicated_on_the_way);
    tcase_add_test(c, test_needless);
    tcase_add_test(c, test_original_arrived);
    tcase_add_test(c, test_windows);
    tcase_add_test(c, test_keep_alive);
    tcase_add_test(c, test_what_was_not_captured);
    tcase_add_test(c, test_rst);
    tcase_add_test(c, test_bad_checksum);
    tcase_add_test(c, test_window_seen_from_the_receiver);
    suite_add_tcase(s, c);
    return s;
}
CHECK_MAIN(make_suite)
