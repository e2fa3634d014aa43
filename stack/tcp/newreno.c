/* tcp/newreno.c: what is lost, without SACK (RFC 5681 3.2, 6582 NewReno).
 *
 * Theory of operation. An acknowledgment that repeats SND.UNA says that something arrived, but not
 * what is expected next. One or two may be reordering: each lets one new segment go (limited
 * transmit, RFC 3042), so that the third may come at all. The third means loss: the segment at
 * SND.UNA is sent again, ssthresh is reduced, and the connection is in recovery until everything
 * that was in flight then (recover) is acknowledged. A partial acknowledgment, which moves SND.UNA
 * but not so far, points at the next hole.
 *
 * cwnd meanwhile can be driven in two ways (knob tcp_newreno_prr):
 *
 *   newreno       as RFC 6582 has it. Entering: ssthresh + 3 segments. Each further duplicate is a
 *                 segment that left the network: one more. Partial: less by what was acknowledged,
 *                 plus one. Full: min(ssthresh, max(FlightSize, SMSS) + SMSS).
 *   newreno-prr   as Linux does: a duplicate counts as a SACKed segment, of which only the place
 *                 isn't known, and proportional rate reduction (RFC 9937) does the rest.
 *
 * `recover` also keeps duplicates caused by our own retransmissions from starting it all over
 * (6582 3.2 step 2). Forged duplicates can't blow cwnd up: of what was in flight when SND.UNA last
 * moved each segment can cause one, and no more than that are counted (5681 3.2 step 4).
 */
#include "tcp/xmit.h"

static void head_lost(struct td_stack *st, struct tcb *t, enum journal_word why)
{
    struct txq *q = t->txq;
    const struct txseg *x = txq_head(q);
    if (x != NULL && txq_mark_lost(st, q, q->first)) {
        const struct journal_subject subject = tcp_subject(t);
        JOURNAL(st, EV_TCP_LOST, &subject, x->seq, x->len, why, st->now - x->sent, 0);
    }
}

/* ---- with proportional rate reduction ---- */

static bool prr_detect(struct td_stack *st, struct tcb *t, struct tcp_news *n)
{
    struct txq *q = t->txq;
    bool recovery = t->ca_state == TCPE_RECOVERY;
    if (t->ca_state < TCPE_RECOVERY ? q->dup_sacked >= t->reordering : recovery && n->advanced) {
        const struct txseg *x = txq_head(q);
        if (x != NULL && (x->marks & TXS_LOST) == 0) {
            head_lost(st, t, recovery ? W_TCP_PARTIAL : W_TCP_FAST);
        }
    }
    return false;
}

static bool prr_begins(const struct td_stack *st, const struct tcb *t)
{
    (void)st;
    return t->txq->lost.segs > 0;
}

const struct tcp_recovery_ops tcp_newreno_prr = {
    .name = "newreno-prr",
    .prr = true,
    .detect = prr_detect,
    .begins = prr_begins,
};

/* ---- by the letter of RFC 6582 ---- */

static bool begins(const struct td_stack *st, const struct tcb *t)
{
    (void)st;
    return t->ca_state <= TCPE_CWR && t->dupacks == t->reordering && seq_gt(t->snd_una, t->recover);
}

static void entered(struct td_stack *st, struct tcb *t)
{
    struct txq *q = t->txq;
    head_lost(st, t, W_TCP_FAST);
    q->rtx_now = true;
    q->partial_seen = false;
    q->dup_flight = tcp_flight(t);
    t->cc.cwnd = t->cc.ssthresh + 3u * t->mss; /* 3.2 step 3 */
    tcp_journal_cwnd(st, t, W_TCP_FAST, t->cc.prior_cwnd);
}

static void in_recovery(struct td_stack *st, struct tcb *t, const struct tcp_news *n)
{
    struct txq *q = t->txq;
    uint32_t from = t->cc.cwnd;
    if (n->dup && (uint64_t)t->dupacks * t->mss <= q->dup_flight) {
        t->cc.cwnd += t->mss;
    }
    if (!n->advanced) {
        return;
    }
    uint32_t acked = t->snd_una - n->una_before; /* partial */
    t->cc.cwnd = t->cc.cwnd > acked ? t->cc.cwnd - acked : 0;
    if (acked >= t->mss || t->cc.cwnd < t->mss) {
        t->cc.cwnd += t->mss;
    }
    q->dup_flight = tcp_flight(t);
    head_lost(st, t, W_TCP_PARTIAL);
    q->rtx_now = true;
    tcp_journal_cwnd(st, t, W_TCP_PARTIAL, from);
}

static void done(struct td_stack *st, struct tcb *t)
{
    uint32_t from = t->cc.cwnd;
    uint32_t flight = tcp_flight(t);
    uint32_t w = (flight > t->mss ? flight : t->mss) + t->mss;
    t->cc.cwnd = w < t->cc.ssthresh ? w : t->cc.ssthresh;
    tcp_cc_event(st, t, TD_CC_RECOVERED);
    tcp_journal_cwnd(st, t, W_TCP_FULL_ACK, from);
}

static bool detect(struct td_stack *st, struct tcb *t, struct tcp_news *n)
{
    struct txq *q = t->txq;
    (void)st;
    if (n != NULL && t->ca_state == TCPE_RECOVERY && n->advanced) {
        n->set_timer = !q->partial_seen; /* the impatient variant: only the first restarts it */
        q->partial_seen = true;
    }
    return false;
}

const struct tcp_recovery_ops tcp_newreno = {
    .name = "newreno",
    .detect = detect,
    .begins = begins,
    .entered = entered,
    .in_recovery = in_recovery,
    .done = done,
};
