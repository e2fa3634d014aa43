/* tests/common/wiretap.h: an eye on the simulated wire between two hosts that trusts neither.
 *
 * It takes every frame apart by itself, without the stack's own parsers, as it is sent and again as
 * it arrives, and holds it against what RFC 9293 asks of a sender:
 *
 *   sent     the frame is well formed, its checksums are right, its padding is zero, it fits the
 * MTU and the peer's MSS; the acknowledgment never goes back and never runs ahead of what the peer
 * has sent; the right edge of the window never moves left (SHLD-14); text stays within the window
 * that has reached the sender, but for a probe of one octet; nothing is skipped; the last byte of
 * what the application has written carries PSH (MUST-61) arrived  a frame that was damaged on the
 * way must make the receiver journal a drop; how many segments should reach its TCP, and how many
 * with a wrong checksum, is counted
 *
 * The first thing that isn't as it should be is kept in `fail`. The digest covers all frames sent
 * and when: two runs that have the same digest were the same.
 */
#ifndef TESTS_WIRETAP_H
#define TESTS_WIRETAP_H

#include "dev/capture.h"
#include "dev/sim.h"

#define WIRETAP_FLOWS 32

struct wire_side { /* one end of a connection, by what it has sent */
    bool syn, fin, acked, edged, told;
    int wscale;     /* the shift its SYN offered; -1: none */
    uint32_t isn;   /* of its SYN */
    uint32_t end;   /* behind all it has sent */
    uint32_t ack;   /* the latest it acknowledged */
    uint32_t edge;  /* right edge of the window it offers */
    uint32_t limit; /* the peer's edge, as far as that has arrived here */
    uint32_t mss;   /* it takes segments so large */
};

struct wire_flow {
    uint16_t port[2]; /* at host a, at host b */
    struct wire_side side[2];
};

struct wire_host { /* what should have come in here */
    uint64_t arrived, tcp, tcp_damaged, tcp_sent;
    uint64_t drops;    /* of the journal: the owner counts them */
    bool gaps;         /* frames were lost before the wire: what it sends may have holes */
    bool must_drop;    /* the frame that arrived last is damaged */
    uint64_t drops_at; /* ...and so many drops there were before it */
};

struct wiretap {
    char fail[400]; /* empty: all is well */
    uint32_t mtu;
    bool starved; /* the hosts have too little memory to say what they drop */
    td_ip4 ip[2];
    struct wire_host host[2];
    uint64_t digest, frames[2], damaged, rexmitted;
    struct wire_flow flow[WIRETAP_FLOWS];
    unsigned nflows;
    /* How many bytes the application at `side` has written into this flow; UINT64_MAX: unknown. */
    uint64_t (*written)(void *ctx, const struct wire_flow *f, int side);
    void *ctx;
    struct capture_writer *capture[2]; /* of what is sent, of what arrives; NULL: none */
};

void wiretap_init(struct wiretap *t, struct sim_wire *w, uint32_t mtu, td_ip4 a, td_ip4 b);
/* Judges what the last frame led to; before the numbers are looked at. */
void wiretap_settle(struct wiretap *t);

#endif
