/* tcp/xmit.h: the sender's inside: what is in flight, what is known about it, and how losses are
 * found and repaired. Only the files of the send side include it: ack.c, txq.c, sack_send.c,
 * recovery.c, lossdet.c, prr.c, undo.c, tlp.c, output.c, timers.c.
 */
#ifndef TCP_XMIT_H
#define TCP_XMIT_H

#include "tapdeck/loss.h"
#include "tcp/tcp_internal.h"

/* ---- segments in flight (txq.c) ---- */

/* A record is the public one of tapdeck/loss.h, as are its marks: the organ reads it as it is. */
#define txseg td_sent

enum txseg_mark {
    TXS_SACKED = TD_SENT_SACKED,   /* the peer holds it (RFC 2018) */
    TXS_LOST = TD_SENT_LOST,       /* believed lost; never together with SACKED */
    TXS_RETRANS = TD_SENT_RETRANS, /* sent again since it was last believed lost; only together with
                                      LOST, but for an undo that takes LOST back */
    TXS_EVER = TD_SENT_EVER,       /* sent more than once: no round trip is measured on it (Karn) */
    TXS_FIN = TD_SENT_FIN,
    TXS_PSH = TD_SENT_PSH,
    TXS_GONE = TD_SENT_GONE,       /* empty: joined with the one before it when that was sent again */
    TXS_LISTED = TD_SENT_LISTED,   /* in the list by time */
};

struct txcount {
    uint32_t segs, bytes;
};

#define TXQ_INLINE 8

/* Exists while something is in flight, or while the end of an episode of loss may still turn out
 * to have been none. Segments have numbers that only grow, modulo 2^32; [first, end) are held. */
struct txq {
    struct txseg *ring;        /* [cap], cap a power of two; number n is at n & (cap - 1) */
    uint32_t cap;
    uint32_t first, end;
    uint32_t oldest, newest;   /* of the list by time, if listed > 0 */
    uint32_t listed;
    uint32_t longest;          /* no record has more text than this */
    struct txcount out, sacked, lost, retrans;
    uint32_t lost_ever;        /* times a segment was marked lost */
    uint64_t lost_turn;        /* the frame or timer that told of a loss last: the journal's origin */
    uint32_t waiting;          /* segments LOST and not RETRANS: to be sent again */
    uint32_t dup_sacked;       /* without SACK: duplicate ACKs, each a segment that arrived */
    uint32_t rtx_hint;         /* none below this number waits to be sent again */
    uint32_t fack;             /* number of the highest SACKED, if sacked.segs > 0 */

    /* lossdet.c: the organ, and for whom it works while it is asked */
    struct td_loss loss;
    struct td_stack *st;
    struct tcb *t;
    const struct tcp_news *news;
    bool came_twice : 1;       /* a D-SACK that it wasn't told of yet */

    tcp_seq rtt_seq;           /* SND.NXT when a round trip was last measured, if rtt_taken */
    bool rtt_taken : 1;

    /* tlp.c */
    bool tlp_out : 1;          /* a probe is in flight */
    bool tlp_retrans : 1;      /* it was a retransmission */
    bool tlp_sampled : 1;      /* a round trip was measured since the last probe (8985 7.3) */
    tcp_seq tlp_end;           /* SND.NXT when it left */

    /* recovery.c, prr.c, undo.c */
    bool by_segments : 1;      /* knob tcp_cwnd_segments when it began */
    bool in_reduction : 1;     /* PRR is at work: prr_* count */
    bool restore : 1;          /* ... cwnd and ssthresh too: no ECN mark asked for it */
    bool undo : 1;             /* undo_marker counts: the reduction may be taken back */
    bool rtx_now : 1;          /* one segment is sent again whatever cwnd says */
    bool frto : 1;             /* this time-out may prove spurious (RFC 5682) */
    bool frto_new : 1;         /* ... new text is to show it: before any retransmission */
    bool reneged : 1;          /* the peer took back what it had SACKed */
    tcp_seq undo_marker;       /* SND.UNA when the episode began */
    tcp_seq undo_end;          /* nothing beyond was sent again since */
    int32_t undo_retrans;      /* retransmissions not yet known to be needless; -1 none was sent */
    td_time retrans_time;      /* when the episode's first retransmission left; 0 = none yet */
    uint32_t retrans_ts;       /* its TSval */
    uint32_t prr_delivered, prr_out, recover_fs; /* in units of tcp_unit() */
    uint32_t prr_target;       /* cwnd when the reduction is over, bytes: ssthresh; after ECN perhaps less */
    uint32_t run;              /* segments of one burst that were just sent again in a row */
    struct txseg inline_ring[TXQ_INLINE];
    _Alignas(16) unsigned char loss_state[]; /* the organ's */
};

static inline struct txseg *txq_at(const struct txq *q, uint32_t n)
{
    return &q->ring[n & (q->cap - 1)];
}
static inline bool txq_empty(const struct txq *q)
{
    return q == NULL || q->first == q->end;
}
static inline struct txseg *txq_head(const struct txq *q) /* the segment at SND.UNA, or NULL */
{
    return txq_empty(q) ? NULL : txq_at(q, q->first);
}
static inline tcp_seq txseg_end(const struct txseg *x)
{
    return x->seq + x->len;
}
static inline uint32_t txseg_text(const struct txseg *x)
{
    return (uint32_t)x->len - ((x->marks & TXS_FIN) != 0);
}

/* Room for one more; called before the segment is emitted, so that nothing is in flight without a
 * record. -ENOMEM. */
int txq_reserve(struct td_stack *st, struct tcb *t);
/* The segment behind the last one has left. */
void txq_push(struct td_stack *st, struct tcb *t, tcp_seq seq, uint32_t len, uint8_t marks,
              bool joined);
/* Number n left again, now. */
void txq_touch(struct td_stack *st, struct tcb *t, uint32_t n);
/* Takes n out of the list by time. */
void txq_unlist(struct txq *q, uint32_t n);
/* The first record is acknowledged as a whole; the queue may be empty then, and stays allocated. */
void txq_drop_head(struct txq *q);
/* The first `bytes` of the first record are acknowledged. */
void txq_trim_head(struct txq *q, uint32_t bytes);
/* The first record becomes two; the first of them carries `bytes`. -ENOMEM. */
int txq_split_head(struct td_stack *st, struct tcb *t, uint32_t bytes);
/* Number of the record that holds seq; seq is in [first's, end's). */
uint32_t txq_find(const struct txq *q, tcp_seq seq);
/* The lowest number >= n that isn't SACKED, or end. Amortised O(log n), usually O(1). */
uint32_t txq_unsacked(struct txq *q, uint32_t n);
/* Marks. Each keeps the counts true. */
void txq_mark_sacked(struct txq *q, uint32_t n);
void txq_mark_retrans(struct txq *q, uint32_t n);
void txq_clear_retrans(struct txq *q, uint32_t n);
/* Lost, or lost again. False: nothing changed. */
bool txq_mark_lost(struct td_stack *st, struct txq *q, uint32_t n);
void txq_clear_lost(struct txq *q);   /* of all */
void txq_clear_sacked(struct txq *q); /* of all: the peer reneged */
/* The lowest number that waits to be sent again: LOST, not RETRANS. False: none. */
bool txq_next_lost(struct txq *q, uint32_t *n);
/* Joins n with those behind it, while all fits into mss and they wait to be sent again too. */
void txq_join(struct txq *q, uint32_t n, uint32_t mss);
/* Records of more than mss bytes of text are cut. -ENOMEM: they stay. */
int txq_recut(struct td_stack *st, struct tcb *t, uint32_t mss);
/* Frees it if nothing keeps it: nothing in flight, no episode open. */
void txq_idle(struct td_stack *st, struct tcb *t);

/* What cwnd counts: whole segments (knob tcp_cwnd_segments) or bytes. */
static inline uint32_t tcp_unit(const struct tcb *t)
{
    return t->txq != NULL && t->txq->by_segments && t->mss != 0 ? t->mss : 1;
}
static inline uint32_t txcount_units(const struct txq *q, const struct txcount *c)
{
    return q->by_segments ? c->segs : c->bytes;
}
/* inflight of RFC 9937 6.2 and 8985: SND.NXT - SND.UNA - SACKed - lost + sent again; without SACK
 * every duplicate ACK stands for a segment that arrived. Units of tcp_unit(). */
uint32_t tcp_pipe_units(const struct tcb *t);
static inline uint32_t tcp_cwnd_units(const struct tcb *t)
{
    return t->cc.cwnd / tcp_unit(t);
}
static inline uint32_t tcp_ssthresh_units(const struct tcb *t)
{
    return t->cc.ssthresh / tcp_unit(t);
}

/* ---- what one acknowledgment told (ack.c) ---- */

struct tcp_news {
    const struct tcp_seg *s;
    tcp_seq una_before;
    tcp_seq fack_before;       /* end of the highest SACKed, or SND.UNA, before this ACK */
    uint32_t pipe_before;      /* bytes */
    uint32_t delivered_before; /* tcb.delivered */
    uint32_t lost_before;      /* txq.lost_ever */
    uint32_t acked_segs;       /* cumulatively */
    uint32_t delivered_bytes;  /* of text, newly: cumulatively or by SACK */
    uint32_t prior_delivered;  /* tcb.delivered when the youngest delivered segment left */
    uint32_t dsack_segs;
    td_time first_acked, last_acked;   /* when the first and last newly acknowledged, once sent */
    td_time first_sacked, last_sacked; /* segment left; the same for newly SACKed ones; 0 = none */
    td_time retrans_sent;      /* when the youngest delivered that was sent more than once left last */
    tcp_seq reord;             /* the lowest late arrival, if reordered */
    td_time rtt;               /* sample; 0 = none */
    bool advanced : 1;         /* SND.UNA moved */
    bool data_acked : 1;
    bool window : 1;           /* SND.WND changed */
    bool has_text : 1;         /* the segment occupied sequence space */
    bool sacked : 1;           /* something newly SACKed */
    bool orig_acked : 1;       /* something sent once and before the episode arrived */
    bool retrans_acked : 1;    /* SND.UNA passed something sent more than once */
    bool dsack : 1;            /* a D-SACK was believed */
    bool dsack_tlp : 1;        /* of the tail loss probe */
    bool ece : 1;
    bool reneging : 1;         /* the segment at SND.UNA is SACKed */
    bool reordered : 1;
    bool lost_retrans : 1;     /* a retransmission was found lost */
    bool set_timer : 1;        /* RTO or probe start over */
    bool delivered_any : 1;    /* prior_delivered counts */
    bool dup : 1;              /* a duplicate acknowledgment (RFC 5681 2, 6675 2) */
    bool ambiguous : 1;        /* old acknowledgment: only its SACK blocks count */
};
static inline uint32_t tcp_ts_at(const struct tcb *t, td_time at) /* our TSval at that time */
{
    return (uint32_t)(at / TD_MS) + t->ts_offset;
}
/* The TSecr of this ACK, if timestamps are on. */
static inline bool tcp_ecr_before(const struct tcb *t, const struct tcp_seg *s, uint32_t ts)
{
    return t->ts_ok && s != NULL && s->h != NULL && s->h->o.has_ts && s->h->o.ts_ecr != 0 &&
           (int32_t)(s->h->o.ts_ecr - ts) < 0;
}

/* ---- sack_send.c ---- */
void tcp_sack_received(struct td_stack *st, struct tcb *t, struct tcp_news *n);
/* Segment `n` of the queue arrived, by acknowledgment or SACK: for RACK and the counters. */
void tcp_reordering_seen(struct td_stack *st, struct tcb *t, tcp_seq low, tcp_seq fack);

/* ---- recovery.c ---- */
void tcp_ca_set(struct td_stack *st, struct tcb *t, enum tcp_episode to);
/* After the scoreboard is up to date: what this ACK means for the episode, and cwnd. */
void tcp_recovery_alert(struct td_stack *st, struct tcb *t, struct tcp_news *n);
/* fresh: bytes that the acknowledgment it begins with delivered. */
void tcp_enter_recovery(struct td_stack *st, struct tcb *t, bool ece, uint32_t fresh);
void tcp_enter_cwr(struct td_stack *st, struct tcb *t, uint32_t fresh);
void tcp_enter_loss(struct td_stack *st, struct tcb *t);
void tcp_open_or_disorder(struct td_stack *st, struct tcb *t);
bool tcp_any_retrans(const struct tcb *t);
void tcp_journal_cwnd(struct td_stack *st, const struct tcb *t, enum journal_word why,
                      uint32_t from);

/* ---- lossdet.c: the organ that says what is lost ---- */
/* Which one this connection's next flight gets; and that it is there now, in t->txq. */
const struct td_loss_ops *tcp_loss_choose(const struct td_stack *st, const struct tcb *t);
void tcp_loss_init(struct td_stack *st, struct tcb *t, const struct td_loss_ops *ops);
/* Before the first tcp_loss_delivered of an acknowledgment, when SND.UNA has moved. */
void tcp_loss_ack_begins(struct td_stack *st, struct tcb *t, const struct tcp_news *n);
/* Record num was delivered (RFC 8985 6.2 step 2). Before it leaves the list by time. */
static inline void tcp_loss_delivered(struct txq *q, uint32_t num)
{
    if (q->loss.ops->delivered != NULL) {
        q->loss.ops->delivered(&q->loss, num);
    }
}
void tcp_loss_came_twice(struct td_stack *st, struct tcb *t, const struct tcp_news *n);
void tcp_loss_detect(struct td_stack *st, struct tcb *t, struct tcp_news *n);
bool tcp_loss_begins(struct td_stack *st, struct tcb *t, const struct tcp_news *n);
void tcp_loss_entered(struct td_stack *st, struct tcb *t);
void tcp_loss_in_recovery(struct td_stack *st, struct tcb *t, const struct tcp_news *n);
void tcp_loss_done(struct td_stack *st, struct tcb *t);
/* For one time-out: what it tells, and may record n still arrive? */
const struct td_loss *tcp_loss_view(struct td_stack *st, struct tcb *t);
static inline bool tcp_loss_stale(const struct td_loss *l, uint32_t n)
{
    return l->ops->stale == NULL || l->ops->stale(l, n);
}
bool tcp_loss_next(struct td_stack *st, struct tcb *t, uint32_t *n);
void tcp_loss_event(struct td_stack *st, struct tcb *t, enum td_loss_event what);
void tcp_loss_timeout(struct td_stack *st, struct tcb *t);
/* cwnd in recovery follows RFC 9937; else the organ sets it. */
static inline bool tcp_loss_prr(const struct txq *q)
{
    return !q->loss.ops->own_cwnd;
}

/* ---- tlp.c ---- */
/* Arms the probe if it is the time for one; else false. progress: the RTO starts over too. */
bool tcp_tlp_schedule(struct td_stack *st, struct tcb *t, bool progress);
void tcp_tlp_fired(struct td_stack *st, struct tcb *t);
void tcp_tlp_ack(struct td_stack *st, struct tcb *t, const struct tcp_news *n);

/* ---- prr.c ---- */
void tcp_prr_start(struct td_stack *st, struct tcb *t, enum td_cc_cause why, uint32_t fresh);
void tcp_prr_ack(struct td_stack *st, struct tcb *t, uint32_t delivered, uint32_t lost,
                 bool advanced);
void tcp_prr_sent(struct tcb *t, uint32_t bytes);
void tcp_prr_end(struct td_stack *st, struct tcb *t);

/* ---- undo.c ---- */
void tcp_undo_start(struct tcb *t);
void tcp_undo_retransmitted(struct td_stack *st, struct tcb *t, tcp_seq end); /* up to there */
bool tcp_undo_recovery(struct td_stack *st, struct tcb *t, const struct tcp_news *n);
bool tcp_undo_partial(struct td_stack *st, struct tcb *t, const struct tcp_news *n, bool *keep);
bool tcp_undo_dsack(struct td_stack *st, struct tcb *t);
bool tcp_undo_loss(struct td_stack *st, struct tcb *t, const struct tcp_news *n, bool frto);

/* ---- timers.c ---- */
/* The head's own RTO: when it left plus RTO, not before now. */
td_time tcp_rto_deadline(const struct td_stack *st, const struct tcb *t);
void tcp_rtx_progress(struct td_stack *st, struct tcb *t); /* RFC 6298 5.3, 8985 7.2 */
void tcp_rtx_rearm(struct td_stack *st, struct tcb *t);    /* RTO, counted from the head */
void tcp_rtx_arm_at(struct td_stack *st, struct tcb *t, enum tcp_rtx_timer kind, td_time at);

/* ---- output.c ---- */
/* The tail loss probe: one segment of new text (ok if cwnd is full), or the last one again.
 * 1 new text, 2 again, 0 none. */
int tcp_send_probe(struct td_stack *st, struct tcb *t);

#endif
