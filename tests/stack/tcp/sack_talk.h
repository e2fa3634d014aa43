/* tests/stack/tcp/sack_talk.h: conversations of a sender with a peer that knows SACK. MSS 1000. */
#ifndef TESTS_SACK_TALK_H
#define TESTS_SACK_TALK_H

#include "tcp/xmit.h"
#include "tcp_talk.h"

#define SMSS 1000
#define WND  60000 /* times 16 */

static inline struct conv sack_open(struct conv c)
{
    c.h->tolerance = US(1);
    c = talk(c, (struct hx_opts){.mss = SMSS, .wscale = 4 + 1, .sack_perm = true}, WND, MS(100));
    c.h->start = td_stack_now(c.h->st);
    ck_assert(conv_tcb(&c)->sack_ok);
    return c;
}

/* total bytes are written; the first window of them, ten segments, leaves at t = 0. */
static inline struct conv sack_flight(struct conv c, size_t total)
{
    c = sack_open(c);
    say(&c, 1, total);
    ck_assert_uint_eq(hear(&c).segments, total < 10 * SMSS ? (total + SMSS - 1) / SMSS : 10);
    return c;
}

/* The peer's ACK with up to three blocks, in segments: [from, to) counted from 0; to = 0 ends the list. */
struct blocks {
    unsigned n;
    unsigned b[3][2];
};
static inline void sack_in(struct conv *c, td_time at, int64_t ack, struct blocks b)
{
    struct hx_opts o = {.nsack = (uint8_t)b.n};
    for (unsigned i = 0; i < b.n; i++) {
        o.sack[i].left = 1 + SMSS * b.b[i][0];
        o.sack[i].right = 1 + SMSS * b.b[i][1];
    }
    tcp_in(c->h, at, .flags = ACK, .seq = c->rcv, .ack = ack, .wnd = WND, .opts = o);
}
#define B1(f, t)             ((struct blocks){1, {{(f), (t)}}})
#define B2(f, t, f2, t2)     ((struct blocks){2, {{(f), (t)}, {(f2), (t2)}}})

/* The next segment out begins at segment n (from 0). */
#define again_out(c, at, n)                                                                        \
    do {                                                                                           \
        ip_out((c)->h, (at), IPPROTO_TCP_);                                                        \
        ck_assert_uint_eq((uint32_t)((c)->h->got.tcp.seq - hx_conn((c)->h, HX_PEER, 40000, 80)->iss), \
                          1 + SMSS * (uint32_t)(n));                                               \
    } while (0)

static inline struct tcp_inflight flight_of(struct conv *c)
{
    return tcp_inflight(conv_tcb(c));
}

#endif
