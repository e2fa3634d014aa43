/* tests/stack/tcp/tcp_talk.h: small phrases for conversations on one established connection. */
#ifndef TESTS_TCP_TALK_H
#define TESTS_TCP_TALK_H

#include "tcp_states.h"

/* The passive open with these options on the peer's SYN; its ACK comes rtt later with this window field. */
static inline struct conv talk(struct conv c, struct hx_opts opts, uint16_t wnd, td_time rtt)
{
    struct hx *h = c.h;
    c.l = hx_tcp_listen(h, 80);
    tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = wnd, .opts = opts);
    tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    tcp_in(h, hx_now(h) + rtt, .flags = ACK, .seq = 1, .ack = 1, .wnd = wnd);
    c.s = td_accept(h->st, c.l, NULL, NULL);
    ck_assert_int_ge(c.s, 0);
    c.st = EST;
    c.una = c.nxt = c.rcv = 1;
    return c;
}

/* A new connection to be whose congestion control is RFC 5681's, byte by byte: Reno, ssthresh from
 * FlightSize, slow start by one segment an acknowledgment. The rest is the linux profile. */
static inline struct conv conv_reno(void)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    ck_assert_int_eq(td_knob_set(c.h->st, "net.ipv4.tcp_congestion_control", "reno"), 0);
    ck_assert_int_eq(td_knob_set(c.h->st, "net.ipv4.tcp_cwnd_segments", "0"), 0);
    ck_assert_int_eq(td_knob_set(c.h->st, "net.ipv4.tcp_abc", "1"), 0);
    ck_assert_int_eq(td_knob_set(c.h->st, "net.ipv4.tcp_newreno_prr", "0"), 0);
    ck_assert_int_eq(td_knob_set(c.h->st, "net.ipv4.tcp_frto", "0"), 0);
    return c;
}

/* n bytes of the pattern that begins at our position pos, sent as far as may be. */
static inline void say(struct conv *c, int64_t pos, size_t n)
{
    write_pattern(c, pos, n);
    hx_flush(c->h);
}

/* The peer's bare acknowledgment. */
static inline void ack_in(struct conv *c, td_time at, int64_t ack, int64_t wnd)
{
    tcp_in(c->h, at, .flags = ACK, .seq = c->rcv, .ack = ack, .wnd = wnd);
}

/* What was sent and not looked at yet: how many segments, their text, and the end of the furthest. Each must
 * carry the pattern of its place. */
struct heard {
    unsigned segments;
    uint64_t text;
    int64_t end;
};
static inline struct heard hear(struct conv *c)
{
    struct heard x = {0};
    const struct hx_conn *k = hx_conn(c->h, HX_PEER, 40000, 80);
    while (hx_pending(c->h) > 0) {
        ip_out(c->h, HX_ANYTIME, IPPROTO_TCP_);
        const struct hx_pkt *g = &c->h->got;
        int64_t seq = (int64_t)(uint32_t)(g->tcp.seq - k->iss);
        x.segments++;
        x.text += g->len;
        for (size_t i = 0; i < g->len; i++) {
            ck_assert_msg(g->data[i] == hx_pattern((uint64_t)seq + i), "byte %ld is wrong", (long)seq + (long)i);
        }
        if (seq + (int64_t)g->len > x.end) {
            x.end = seq + (int64_t)g->len;
        }
    }
    return x;
}

static inline struct tcp_info info(struct conv *c)
{
    struct tcp_info i;
    socklen_t len = sizeof i;
    ck_assert_int_eq(td_getsockopt(c->h->st, c->s, IPPROTO_TCP, TCP_INFO, &i, &len), 0);
    return i;
}

#endif
