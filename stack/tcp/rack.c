/* tcp/rack.c: loss found by time (RACK, RFC 8985).
 *
 * Theory of operation. If a segment has arrived that left later than another one, the other one
 * should have arrived too. It may only be late: so much later as packets get reordered on this path
 * (the reordering window). After that it is lost. This needs no counting of duplicates, so it finds
 * losses at the end of a flight and lost retransmissions as well.
 *
 *      sent:      A  B  C  D        D is SACKed, RTT of D = R
 *      lost:      those of A, B, C for which  now - sent >= R + reo_wnd
 *      otherwise: look again when the youngest of them will have waited so long (timer)
 *
 * The list by time (txq.c) holds just the segments that are waited for, oldest first: the lost ones
 * are its beginning, the walk ends at the first that isn't. `rack_mark` is the youngest in the list
 * that left before the youngest delivered one; it is what the timer waits for. So an
 * acknowledgment costs no more than what it changes.
 *
 * The window (6.2 step 4): none as long as no reordering was seen and the case is clear (three
 * SACKed, or already in recovery); else a quarter of the least round trip, times a factor that a
 * D-SACK raises, because it says that a segment was sent again for nothing; never more than SRTT.
 */
#include "tcp/xmit.h"

#define PERSIST   16 /* recoveries that a raised factor lasts for (6.2 step 4) */
#define STEPS_MAX 255
#define TIMER_ADD (2 * TD_MS) /* the reordering timer is never shorter: Linux's least time-out */

/* RACK_sent_after of 6.2 step 2: by time, then by place. */
static bool sent_after(td_time t1, tcp_seq end1, td_time t2, tcp_seq end2)
{
    return t1 > t2 || (t1 == t2 && seq_gt(end1, end2));
}

void tcp_rack_delivered(struct td_stack *st, struct tcb *t, struct tcp_news *n, uint32_t num)
{
    struct txq *q = t->txq;
    const struct txseg *x = txq_at(q, num);
    td_time rtt = st->now - x->sent;
    if ((x->marks & TXS_EVER) != 0) {
        /* The acknowledgment may be the original's: too early for the copy. */
        bool cumulative = seq_le(txseg_end(x), n->s->ack); /* else TSecr is of something older */
        if (rtt < t->cc.min_rtt || (cumulative && tcp_ecr_before(t, n->s, tcp_ts_at(t, x->sent)))) {
            return;
        }
    }
    q->rack_advanced = true;
    q->rack_rtt = rtt;
    if (q->rack_sent == 0 || sent_after(x->sent, txseg_end(x), q->rack_sent, q->rack_end)) {
        q->rack_sent = x->sent;
        q->rack_end = txseg_end(x);
        if ((x->marks & TXS_LISTED) != 0) {
            q->rack_below = x->older != num;
            q->rack_mark = x->older;
        } else { /* it was believed lost: all that left before it is settled too */
            q->rack_below = false;
        }
    }
}

/* 6.2 step 4 */
static td_time reo_wnd(const struct td_stack *st, const struct tcb *t)
{
    const struct txq *q = t->txq;
    if (t->reord_seen == 0) {
        if (t->ca_state >= TCPE_RECOVERY) {
            return 0;
        }
        if (q->sacked.segs >= t->reordering && (knob(st, TCP_RECOVERY) & 4) == 0) {
            return 0;
        }
    }
    td_time w = t->cc.min_rtt / 4 * t->rack_steps;
    td_time srtt = t->cc.srtt;
    return w < srtt ? w : srtt;
}

void tcp_rack_reo_wnd(struct td_stack *st, struct tcb *t, const struct tcp_news *n)
{
    struct txq *q = t->txq;
    if ((knob(st, TCP_RECOVERY) & 2) != 0 || !n->delivered_any) {
        return;
    }
    if (seq_lt(n->prior_delivered, q->rack_round)) { /* of a round that was counted already */
        q->rack_dsack = false;
    }
    if (q->rack_dsack) {
        q->rack_dsack = false;
        t->rack_steps = (uint8_t)(t->rack_steps < STEPS_MAX ? t->rack_steps + 1 : STEPS_MAX);
        q->rack_round = t->delivered;
        t->rack_persist = PERSIST;
        const struct journal_subject subject = tcp_subject(t);
        JOURNAL(st, EV_TCP_REO_WND, &subject, t->rack_steps, t->cc.min_rtt / 4 * t->rack_steps);
    } else if (t->rack_persist == 0) {
        t->rack_steps = 1;
    }
}

/* 6.2 step 5. How long until the youngest candidate is lost; 0: there is none. */
static td_time detect_loss(struct td_stack *st, struct tcb *t, bool *any)
{
    struct txq *q = t->txq;
    td_time patience = q->rack_rtt + reo_wnd(st, t);
    const struct journal_subject subject = tcp_subject(t);
    while (q->rack_below) { /* then the list isn't empty, and its oldest left no later than that */
        uint32_t n = q->oldest;
        const struct txseg *x = txq_at(q, n);
        td_time waited = st->now - x->sent;
        if (waited < patience) {
            td_time last = st->now - txq_at(q, q->rack_mark)->sent;
            return last < patience ? patience - last : 1;
        }
        bool again = (x->marks & TXS_RETRANS) != 0;
        JOURNAL(st, EV_TCP_LOST, &subject, x->seq, x->len, again ? W_TCP_RTX_LOST : W_TCP_BY_TIME,
                waited, patience);
        (void)txq_mark_lost(st, q, n);
        txq_unlist(q, n);
        *any = true;
    }
    return 0;
}

static bool rack_detect(struct td_stack *st, struct tcb *t, struct tcp_news *n)
{
    struct txq *q = t->txq;
    if (!q->rack_advanced) {
        return false;
    }
    q->rack_advanced = false;
    uint32_t retrans = q->retrans.segs;
    bool any = false;
    td_time wait = detect_loss(st, t, &any);
    n->lost_retrans = n->lost_retrans || q->retrans.segs < retrans;
    if (wait == 0) {
        return false;
    }
    td_time most = t->rtt.rto;
    wait += TIMER_ADD;
    tcp_rtx_arm_at(st, t, TRTX_REO, st->now + (wait < most ? wait : most));
    n->set_timer = false; /* 8985 8: one timer at a time */
    return true;
}

/* The reordering timer. */
void tcp_rack_timeout(struct td_stack *st, struct tcb *t)
{
    bool any = false;
    if (t->txq == NULL) {
        return;
    }
    (void)detect_loss(st, t, &any);
    if (any) {
        if (t->ca_state != TCPE_RECOVERY) {
            tcp_enter_recovery(st, t, false, 0);
            tcp_prr_ack(st, t, t->txq->by_segments ? 1 : t->mss, 0, false);
            if (!t->txq->by_segments) { /* nothing was delivered; Linux counts one */
                t->txq->prr_delivered = 0;
            }
        }
        t->txq->rtx_now = t->txq->rtx_now || t->txq->prr_out == 0;
    }
    tcp_rtx_rearm(st, t);
    tcp_output(st, t);
}

static bool rack_begins(const struct td_stack *st, const struct tcb *t)
{
    (void)st;
    return t->txq->lost.segs > 0;
}

/* 6.3: after a time-out the first segment is lost, the others only if they have waited for a round
 * trip. */
static bool rack_stale(const struct td_stack *st, const struct tcb *t, const struct txseg *x)
{
    return st->now - x->sent >= t->txq->rack_rtt;
}

const struct tcp_recovery_ops tcp_rack = {
    .name = "rack",
    .sack = true,
    .prr = true,
    .timed = true,
    .detect = rack_detect,
    .begins = rack_begins,
    .stale = rack_stale,
};
