/* tests/stack/tcp/tcp_states.h: a connection brought to any state, for the tests that ask what each
 * state does with each event (RFC 9293 3.10; the rows TSM-* of tcp-state-table.tsv).
 *
 * The peer is 10.0.0.2 port 40000, we are 10.0.0.1 port 80 (the harness's defaults). Numbers are
 * relative, as in the harness. After reach(): everything that was sent on the way has been looked
 * at.
 */
#ifndef TESTS_TCP_STATES_H
#define TESTS_TCP_STATES_H

#include "harness.h"
#include "tcp/tcp_internal.h"
#include "wire/checksum.h"

#include <errno.h>
#include <linux/sockios.h>
#include <asm/ioctls.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>

enum st { /* the states as the tests number them */
          CLO,
          LIS,
          SYS,
          SYR,
          SYRA,
          EST,
          FW1,
          FW2,
          CLW,
          CLG,
          LAK,
          TIW,
          STATES
}; /* SYR: from a passive OPEN; SYRA: from an active one */

static const uint8_t st_tcps[STATES] = {
    [CLO] = TCPS_CLOSED,       [LIS] = TCPS_LISTEN,        [SYS] = TCPS_SYN_SENT,
    [SYR] = TCPS_SYN_RECEIVED, [SYRA] = TCPS_SYN_RECEIVED, [EST] = TCPS_ESTABLISHED,
    [FW1] = TCPS_FIN_WAIT_1,   [FW2] = TCPS_FIN_WAIT_2,    [CLW] = TCPS_CLOSE_WAIT,
    [CLG] = TCPS_CLOSING,      [LAK] = TCPS_LAST_ACK,      [TIW] = TCPS_TIME_WAIT,
};

struct conv {
    struct hx *h;
    int l, s; /* listener, connection; -1 = none */
    enum st st;
    int64_t una, nxt; /* ours: SND.UNA, SND.NXT */
    int64_t rcv;      /* RCV.NXT */
};

#define PEER_WND 60000

static inline struct tcp_ep *conv_ep(const struct conv *c)
{
    const struct tcp_tuple a = {.laddr = HX_US, .raddr = HX_PEER, .lport = 80, .rport = 40000};
    return tcp_ep_find(c->h->st, &a);
}

static inline struct half_open *conv_half_open(const struct conv *c)
{
    struct tcp_ep *ep = conv_ep(c);
    ck_assert_msg(ep != NULL && ep->kind == TCP_EP_HALF_OPEN, "there is no handshake");
    return container_of(ep, struct half_open, ep);
}

static inline struct tcb *conv_tcb(const struct conv *c)
{
    struct tcp_ep *ep = conv_ep(c);
    ck_assert_msg(ep != NULL && ep->kind == TCP_EP_TCB, "there is no connection");
    return container_of(ep, struct tcb, ep);
}

/* The state the segment's connection is in; CLOSED when there is none. */
static inline uint8_t conv_state(const struct conv *c)
{
    struct tcp_ep *ep = conv_ep(c);
    if (ep == NULL) {
        return TCPS_CLOSED;
    }
    return ep->kind == TCP_EP_TIME_WAIT   ? TCPS_TIME_WAIT
           : ep->kind == TCP_EP_HALF_OPEN ? TCPS_SYN_RECEIVED
                                          : container_of(ep, struct tcb, ep)->state;
}

#define assert_state(c, want)                                                                      \
    ck_assert_msg(conv_state(c) == (want), "%s: is in %s, not %s", st_name((c)->st),               \
                  tcp_state_name((enum tcp_state)conv_state(c)), tcp_state_name(want))

static inline const char *st_name(enum st s)
{
    return tcp_state_name((enum tcp_state)st_tcps[s]);
}

static inline int64_t conv_rcv_wnd(const struct conv *c)
{
    struct tcp_ep *ep = conv_ep(c);
    return ep->kind == TCP_EP_TIME_WAIT   ? container_of(ep, struct timewait, ep)->rcv_wnd
           : ep->kind == TCP_EP_HALF_OPEN ? container_of(ep, struct half_open, ep)->rcv_wnd
                                          : container_of(ep, struct tcb, ep)->rcv_wnd;
}

/* The window is w bytes and won't grow: as if the buffer were full to that. */
static inline void conv_set_rcv_wnd(const struct conv *c, uint32_t w)
{
    struct tcp_ep *ep = conv_ep(c);
    if (ep->kind == TCP_EP_TIME_WAIT) {
        container_of(ep, struct timewait, ep)->rcv_wnd = w;
        return;
    }
    struct tcb *t;
    if (ep->kind == TCP_EP_HALF_OPEN) { /* its tcb will have the listener's buffer */
        conv_half_open(c)->rcv_wnd = w;
        t = conv_half_open(c)->listener;
    } else {
        t = container_of(ep, struct tcb, ep);
        t->rcv_wnd = w;
    }
    t->rcvbuf_limit = w;
    t->rcvbuf_locked = true;
}

static inline void knob_set(struct hx *h, const char *name, const char *value)
{
    ck_assert_int_eq(td_knob_set(h->st, name, value), 0);
}

static inline int set_opt(struct hx *h, int s, int level, int name, int v)
{
    return td_setsockopt(h->st, s, level, name, &v, sizeof v);
}

static inline int get_opt(struct hx *h, int s, int level, int name)
{
    int v = -1;
    socklen_t len = sizeof v;
    ck_assert_int_eq(td_getsockopt(h->st, s, level, name, &v, &len), 0);
    return v;
}

/* The pending error, cleared. */
static inline int so_error(struct hx *h, int s)
{
    return get_opt(h, s, SOL_SOCKET, SO_ERROR);
}

/* Delayed ACKs and quick ACKs as the tests want them: an acknowledgment of text goes out at once.
 */
static inline struct conv conv_new(enum td_profile profile)
{
    struct conv c = {.l = -1, .s = -1};
    c.h = hx_new_profile(profile, SEC(1000));
    return c;
}

/* Brings a new harness's connection to `to`. */
static inline struct conv reach_in(struct conv c, enum st to)
{
    struct hx *h = c.h;
    c.st = to;
    if (to == CLO) {
        return c;
    }
    if (to == SYS || to == SYRA) {
        c.s = hx_tcp_connect(h, 80, HX_PEER, 40000);
        tcp_out(h, NOW, .flags = SYN, .seq = HX_ZERO);
        c.nxt = 1;
        if (to == SYRA) {
            tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = PEER_WND, .opts = {.mss = 1460});
            tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
            c.rcv = 1;
        }
        return c;
    }
    c.l = hx_tcp_listen(h, 80);
    if (to == LIS) {
        return c;
    }
    if (to == SYR) {
        tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = PEER_WND, .opts = {.mss = 1460});
        tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
        c.nxt = 1;
        c.rcv = 1;
        return c;
    }
    c.s = hx_tcp_accept(h, c.l, NOW, PEER_WND);
    c.una = c.nxt = c.rcv = 1;
    if (to == CLW || to == LAK) {
        tcp_in(h, NOW, .flags = FIN | ACK, .seq = 1, .ack = 1, .wnd = PEER_WND);
        c.rcv = 2;
        tcp_out(h, NOW, .flags = ACK, .seq = 1, .ack = 2);
    }
    if (to == FW1 || to == FW2 || to == CLG || to == LAK || to == TIW) {
        ck_assert_int_eq(td_shutdown(h->st, c.s, SHUT_WR), 0);
        hx_flush(h);
        tcp_out(h, NOW, .flags = FIN | ACK, .seq = 1, .ack = c.rcv);
        c.nxt = 2;
    }
    if (to == CLG) {
        tcp_in(h, NOW, .flags = FIN | ACK, .seq = 1, .ack = 1, .wnd = PEER_WND);
        c.rcv = 2;
        tcp_out(h, NOW, .flags = ACK, .seq = 2, .ack = 2);
    }
    if (to == FW2) {
        tcp_in(h, NOW, .flags = ACK, .seq = 1, .ack = 2, .wnd = PEER_WND);
        c.una = 2;
    }
    if (to == TIW) {
        tcp_in(h, NOW, .flags = FIN | ACK, .seq = 1, .ack = 2, .wnd = PEER_WND);
        c.una = c.rcv = 2;
        tcp_out(h, NOW, .flags = ACK, .seq = 2, .ack = 2);
    }
    assert_state(&c, st_tcps[to]);
    return c;
}

static inline struct conv reach(enum st to)
{
    return reach_in(conv_new(TD_PROFILE_LINUX), to);
}

static inline void leave(struct conv *c)
{
    hx_quiet(c->h, NOW);
    hx_drain(c->h);
    hx_free(c->h);
}

/* The user has gone: close() instead of shutdown(). For FW1, FW2, CLG, LAK, TIW. */
static inline void orphan(struct conv *c)
{
    ck_assert_int_eq(td_close(c->h->st, c->s), 0);
    hx_flush(c->h);
    c->s = -1;
}

/* ---- several segments before one flush ---- */

struct burst_seg {
    int64_t seq, ack;
    uint16_t flags;
    uint32_t len;
    uint16_t wnd;
};

/* Hands segments in without letting the stack answer between them. */
static inline void burst_in(struct conv *c, const struct burst_seg *seg, unsigned n)
{
    const struct hx_conn *k = hx_conn(c->h, HX_PEER, 40000, 80);
    for (unsigned i = 0; i < n; i++) {
        uint8_t f[2000];
        const struct eth_hdr eth = {.dst = HX_US_MAC, .src = HX_PEER_MAC, .type = 0x0800};
        size_t at = eth_emit(&eth, f);
        const struct tcp_hdr t = {.sport = 40000,
                                  .dport = 80,
                                  .seq = (uint32_t)seg[i].seq + k->irs,
                                  .ack = (uint32_t)seg[i].ack + k->iss,
                                  .flags = seg[i].flags,
                                  .wnd = seg[i].wnd != 0 ? seg[i].wnd : PEER_WND};
        const struct ipv4_hdr ip = {.hlen = 20,
                                    .ttl = 64,
                                    .proto = 6,
                                    .src = HX_PEER,
                                    .dst = HX_US,
                                    .total_len = (uint16_t)(40 + seg[i].len)};
        at += ipv4_emit(&ip, f + at);
        uint8_t *b = f + at;
        size_t len = tcp_emit(&t, b);
        for (uint32_t j = 0; j < seg[i].len; j++) {
            b[len + j] = hx_pattern((uint64_t)seg[i].seq + j);
        }
        len += seg[i].len;
        uint32_t sum = checksum_pseudo(HX_PEER, HX_US, 6, (uint32_t)len);
        wire_put16(b + 16, checksum_finish(checksum_add(sum, b, len)));
        ck_assert_int_eq(
            td_stack_input_bytes(c->h->st, c->h->ifindex, f, at + len, td_stack_now(c->h->st)), 0);
    }
    hx_flush(c->h);
}

/* Reads n bytes that must be the pattern from position pos on. */
static inline void read_pattern(struct conv *c, int64_t pos, size_t n)
{
    uint8_t b[70000];
    ck_assert(n <= sizeof b);
    size_t got = 0;
    while (got < n) {
        int64_t k = td_recv(c->h->st, c->s, b + got, n - got, 0);
        ck_assert_msg(k > 0, "%zu of %zu bytes, then %ld", got, n, (long)k);
        got += (size_t)k;
    }
    for (size_t i = 0; i < n; i++) {
        ck_assert_msg(b[i] == hx_pattern((uint64_t)pos + i), "byte %zu is wrong", i);
    }
}

/* Queues n bytes of the pattern that begins at our relative position pos. */
static inline void write_pattern(struct conv *c, int64_t pos, size_t n)
{
    static uint8_t b[1 << 20];
    ck_assert(n <= sizeof b);
    for (size_t i = 0; i < n; i++) {
        b[i] = hx_pattern((uint64_t)pos + i);
    }
    ck_assert_int_eq(td_send(c->h->st, c->s, b, n, 0), (int64_t)n);
}

#endif
