/* replay/infer.h: what a sender's congestion window must have been, from what was captured of it.
 *
 * Theory of operation. No header carries cwnd. But a sender that has more to send than it may send
 * fills its window after each acknowledgement, so what is in flight just after it sent *is* the
 * window, as long as nothing else held it back: a full peer's window, an application with nothing
 * to say. What is in flight is counted as RFC 6675 counts its pipe: sent, not acknowledged, not
 * SACKed, not taken for lost, and what was sent again once more.
 *
 * "In flight" is meant at the sender, and the capture may have been made at the receiver, or behind
 * the sender's own queue. An acknowledgement that passes the capture point has not been seen by the
 * sender yet. So it waits here until the sender shows that it knows it: its next segments echo the
 * acknowledgement's timestamp (RFC 7323), or, without timestamps, the delay between the two that the
 * handshake showed has gone by. Without them, and far from the sender, what waits in queues can't be seen: infer_far.h.
 *
 * Growth is followed at once, a lower value only after a whole round trip in which the sender was
 * held back by nothing else. A retransmission enters recovery (the window follows the pipe, ends at
 * ssthresh), a timeout begins again at one segment, CWR is a reduction without loss, and a D-SACK or
 * an old timestamp that shows it was all needless puts back what was. ssthresh is taken from where
 * the pipe ended, as a half or 0.7 (CUBIC) of the window before, whichever is nearer.
 *
 * A sender that goes by rate (BBR) isn't held back by its window. It is known by its clock: it sends when no
 * acknowledgement lets it; near the sender by the time since one came in, far from it by timestamps that moved on while the echoed one
 * didn't. Or by this, that it has as much in flight after its losses as before. For it the window is computed as BBR's is: twice the best
 * delivery rate of ten round trips times the shortest round trip, and a few segments; what is in flight for a round trip after a loss.
 *
 * Linux counts segments, not bytes: a short one in flight counts as much as a full one.
 */
#ifndef REPLAY_INFER_H
#define REPLAY_INFER_H

#include "replay/ranges.h"

enum infer_phase { INFER_UNKNOWN, INFER_SLOW_START, INFER_AVOIDANCE, INFER_RATE, INFER_RECOVERY, INFER_LOSS };
#define INFER_RATES 10u /* round trips that the best delivery rate is of */
#define INFER_SHORTS 16u
enum infer_sent { INFER_NEW, INFER_AGAIN, INFER_TIMEOUT, INFER_PROBE }; /* PROBE: a tail loss probe */

struct infer_ack; /* one that the sender may not know yet */

struct infer_sim { /* a window as it would be by CUBIC or Reno; infer_far.h */
    uint32_t cwnd, ssthresh, top, friendly, count;
    uint32_t off;  /* thousandths that it was wrong by, lately */
    int64_t since;
};

struct infer {
    bool begun, cut_known; /* cut_known: ssthresh is more than a guess */
    uint8_t phase;         /* enum infer_phase */
    bool reno;             /* halves, by what was seen */
    bool round_idle, round_short, round_full; /* in this round trip it sent when no ACK let it; had nothing to send; the peer's window was full */
    bool undone;
    bool stamped;          /* its segments carry timestamps */
    bool placed;           /* the handshake told how far the capture point is from the sender */
    bool last_full;        /* the last new segment it sent was a full one, */
    uint32_t last_tsval, last_tsecr; /* and its timestamps, */
    int64_t last_new;      /* and when it passed */
    int64_t heard_at;      /* when an acknowledgement last passed towards it */
    uint16_t trains, loose; /* new segments that weren't sent together with one before; those that no ACK let go */
    uint16_t round_trains, round_loose; /* in this round trip */
    bool after_loss;       /* the round trips since a recovery ended are looked at */
    uint8_t heeded, ignored; /* losses after which it had less in flight; after which it hadn't */
    uint8_t rate_at;
    uint32_t mss;
    tcp_seq una, nxt, high, recover, round_end, lost_edge;
    struct ranges sacked, again; /* of [una, nxt): the peer has it; sent again, and on its way */
    struct infer_ack *queue;
    uint16_t head, waiting, room;
    uint32_t dup;                 /* duplicate ACKs, where there is no SACK */
    uint32_t cwnd, ssthresh;      /* bytes, 0 = no idea */
    uint32_t prior_cwnd, prior_ssthresh;
    uint32_t round_max, last_max; /* most in flight in this round trip and in the one before */
    uint32_t rec_pipe;            /* in flight when it last sent in recovery */
    uint32_t again_bytes, needless_bytes;
    bool again_ts;
    uint32_t again_tsval;         /* of the first that was sent again in this episode */
    int64_t lag_least;     /* the least that lag was */
    int64_t lag, lag_now;         /* ns from an ACK at the capture point to the segment it causes, there */
    int64_t asked_at;             /* when the first sign of a loss passed; 0 = there is none */
    int64_t acked_at, sent_at;    /* when it last learnt of an ACK; when it last sent */
    int64_t srtt, rttvar;         /* ns, RFC 6298; srtt 0 = none yet */
    int64_t shortest, shortest_t; /* ns, the shortest round trip, and when it was seen; 0 = none yet */
    int64_t episode_t;            /* when it began to answer the last loss */
    struct {                      /* segments in flight that aren't full, for a window counts segments */
        tcp_seq end;
        uint32_t lacks;           /* bytes */
    } shorts[INFER_SHORTS];
    uint8_t nshorts;
    struct infer_sim sim[2];      /* CUBIC, Reno: of a sender far away without timestamps */
    uint64_t delivered, rate_delivered; /* bytes acknowledged since its beginning; when the rate was last taken, */
    int64_t rate_t;                     /* and when that was */
    uint32_t rate[INFER_RATES];   /* bytes/ms of the last round trips */
    uint32_t loss_flight;         /* the most in flight in the round trips before a loss */
};

struct infer_data { /* a segment with text, SYN or FIN that the sender sent */
    int64_t t;
    tcp_seq seq, end;
    uint8_t kind;      /* enum infer_sent */
    bool syn, cwr;
    bool has_ts;
    uint32_t tsval, tsecr;
    bool edge_known;
    tcp_seq edge;      /* of the peer's window */
};
struct infer_heard { /* an acknowledgement that passed towards the sender */
    int64_t t;
    tcp_seq ack;
    bool has_ts, duplicate, needless; /* needless: a D-SACK */
    uint32_t tsval, tsecr;
    uint32_t needless_bytes;
    uint8_t nsack;
    struct range sack[4];
};

/* lag: ns that the sender was seen to take to answer in the handshake (0: the capture was made there). iw: the window
 * it begins with, bytes; 0 if the capture begins in the middle. */
void infer_begin(struct infer *f, tcp_seq nxt, uint32_t mss, uint32_t iw);
void infer_lag(struct infer *f, int64_t lag);
void infer_data(struct infer *f, const struct infer_data *d);
void infer_heard(struct infer *f, const struct infer_heard *a);
/* A sample of the round trip as seen from the capture point at time t, ns; the sender's share is added. */
void infer_rtt(struct infer *f, int64_t t, int64_t rtt);
void infer_free(struct infer *f);
const char *infer_phase_text(const struct infer *f);

#endif
