/* replay/flows.h: the TCP connections of a capture, numbered as Wireshark's tcp.stream.
 *
 * Theory of operation. A flow is two endpoints. The first packet of a pair of endpoints makes a flow
 * and gives it the next number, from 0. A SYN that cannot belong to the flow these endpoints have had,
 * for its sequence number isn't where that flow began, begins a new incarnation with a number of its own; so one pair of endpoints may have many flows, and only the newest takes packets.
 *
 * End 0 is whoever seems to be the client: who sent the SYN, or didn't send the SYN-ACK, or else who
 * was seen first. What is kept of a flow is a fixed number of bytes, however long it runs.
 */
#ifndef REPLAY_FLOWS_H
#define REPLAY_FLOWS_H

#include "core/rng.h"
#include "replay/view.h"

enum flow_begin { FLOW_MIDSTREAM, FLOW_SYN_ACK, FLOW_SYN }; /* what was seen of its beginning, at best */
enum flow_end { FLOW_OPEN, FLOW_HALF_CLOSED, FLOW_CLOSED, FLOW_RESET };

struct flow_side {
    uint8_t addr[16];
    uint16_t port;
    bool seen;         /* it sent something */
    bool syn, fin;
    bool fin_acked;
    tcp_seq base;      /* its initial sequence number (where no SYN was seen: one less than the first) */
    bool begun;        /* `origin` is known, */
    tcp_seq origin;    /* where its sequence numbers seemed to begin, by its first packet or the other's first ACK */
    tcp_seq fin_seq;   /* the sequence number behind its FIN */
    uint64_t packets;
    uint64_t bytes;    /* of text, retransmissions included */
    uint64_t unique;   /* of text, by sequence numbers: from the first to the highest seen */
    uint64_t cut;      /* bytes of text that the capture hasn't */
    int64_t highest;   /* relative to base */
    struct track_side *track; /* the tracker's (track.h), which frees it; NULL where none is */
};

struct flow {
    struct flow *next;     /* in the order of their numbers */
    struct flow *chain;    /* same bucket, newest first */
    uint32_t number;
    bool ipv6;
    bool one_way;          /* only one side was captured */
    struct flow_side side[2]; /* 0: the client, as far as can be told */
    enum flow_begin begin;
    bool reset;
    int64_t first, last;   /* ns since 1970 */
    uint64_t first_packet, last_packet; /* their numbers in the file */
    uint64_t bad_sums;
};

struct flows {
    struct flow *head, **tail;
    struct flow **bucket;
    uint32_t nbuckets, count;
    struct siphash_key key;
    bool full;             /* more flows than FLOWS_MAX: the rest isn't numbered */
};
#define FLOWS_MAX 10000000u

void flows_init(struct flows *t);
void flows_done(struct flows *t);
/* Takes a packet; its flow, or NULL when it is no TCP segment (or memory is short: t->full). *side:
 * who sent it, 0 or 1. May swap the sides of a flow when it is learnt who the client is. */
struct flow *flows_packet(struct flows *t, const struct view *v, int *side);
/* The flow that an ICMP error is about, or NULL. *side: who sent what it quotes. */
struct flow *flows_quoted(const struct flows *t, const struct view *v, int *side);
/* The flow with this number, or NULL. */
const struct flow *flows_number(const struct flows *t, uint32_t number);

enum flow_end flow_end(const struct flow *f);
const char *flow_begin_text(const struct flow *f); /* "SYN", "SYN-ACK", "in the middle" */
const char *flow_end_text(const struct flow *f);   /* "FIN", "half-closed", "RST", "open", "no answer", "refused" */
/* Can the stack be this side? NULL: yes; else why not, in a few words. */
const char *flow_not_playable(const struct flow *f);

#endif
