/* tcp/recovery.c: an episode of loss, from the first sign to the end.
 *
 * Theory of operation. The state says how the sender sees the path (Linux's names, TCP_INFO tells
 * them):
 *
 *   OPEN       nothing unusual
 *   DISORDER   duplicates or SACKs came; not enough to call it loss
 *   CWR        cwnd is being reduced because of an ECN echo; nothing is lost
 *   RECOVERY   segments are lost and are sent again; cwnd is being reduced
 *   LOSS       the retransmission timer expired
 *
 *      OPEN ◄─► DISORDER ──────► RECOVERY ──► OPEN       when SND.UNA reaches `recover`,
 *        └────────► CWR ────────────┘  │                 SND.NXT as it was when it began
 *      any ── time-out ──► LOSS ◄──────┘
 *
 * What is lost is for an organ to say (lossdet.c): rack.c by time (RFC 8985), sack6675.c by counting
 * SACKed bytes (RFC 6675), newreno.c without SACK (RFC 6582), or another. They only mark; sending again is
 * output.c's, as far as cwnd allows. prr.c brings cwnd down, undo.c takes back what was wrong.
 *
 * After a time-out F-RTO (RFC 5682) doubts it: the first segment goes again; when an ACK moves
 * SND.UNA after that, two new segments are sent instead of old ones; if then something is
 * acknowledged that was never sent again, the time-out was spurious.
 */
#include "tcp/xmit.h"

void tcp_journal_cwnd(struct td_stack *st, const struct tcb *t, enum journal_word why,
                      uint32_t from)
{
    const struct journal_subject subject = tcp_subject(t);
    JOURNAL(st, EV_TCP_CWND, &subject, why, from, t->cc.cwnd, t->cc.ssthresh, tcp_flight(t));
}

void tcp_recovery_init(struct td_stack *st, struct tcb *t)
{
    t->recover = t->iss; /* 6582 3.2 step 1 */
    t->ca_state = TCPE_OPEN;
    t->dupacks = 0;
    t->reordering = (uint16_t)knob(st, TCP_REORDERING);
    t->delivered = 1; /* the SYN, as Linux counts it */
}

void tcp_ca_set(struct td_stack *st, struct tcb *t, enum tcp_episode to)
{
    if (t->ca_state != to) {
        const struct journal_subject subject = tcp_subject(t);
        static const enum journal_word words[] = {W_TCP_CA_OPEN, W_TCP_CA_DISORDER, W_TCP_CA_CWR,
                                                  W_TCP_CA_RECOVERY, W_TCP_CA_LOSS};
        JOURNAL(st, EV_TCP_CA, &subject, words[t->ca_state], words[to], t->snd_una, t->recover);
        t->ca_state = (uint8_t)to;
        if (to != TCPE_CWR && to != TCPE_RECOVERY && t->txq != NULL) {
            t->txq->in_reduction = false;
        }
    }
}

bool tcp_any_retrans(const struct tcb *t)
{
    const struct txseg *x = txq_head(t->txq);
    return t->txq->retrans.segs > 0 || (x != NULL && (x->marks & TXS_EVER) != 0);
}

void tcp_open_or_disorder(struct td_stack *st, struct tcb *t)
{
    const struct txq *q = t->txq;
    bool odd = q->sacked.segs + q->lost.segs + q->dup_sacked > 0 || tcp_any_retrans(t);
    enum tcp_episode to = odd ? TCPE_DISORDER : TCPE_OPEN;
    if (t->ca_state != to) {
        tcp_ca_set(st, t, to);
        if (tcp_loss_prr(q)) {
            t->recover = t->snd_nxt;
        }
    }
}

/* ---- the ways in ---- */

void tcp_enter_cwr(struct td_stack *st, struct tcb *t, uint32_t fresh)
{
    if (t->ca_state < TCPE_CWR) {
        t->txq->undo = false;
        tcp_prr_start(st, t, TD_CC_ECN, fresh);
        t->txq->restore = false;
        t->ecn_cwr = t->ecn_ok;
        tcp_ca_set(st, t, TCPE_CWR);
        if (t->cc.prior_cwnd <= t->mss) {
            tcp_ecn_wait(st, t);
        }
    }
}

void tcp_enter_recovery(struct td_stack *st, struct tcb *t, bool ece, uint32_t fresh)
{
    struct txq *q = t->txq;
    bool sack = q->loss.ops->sack;
    if (sack) {
        count(st, TcpExtTCPSackRecovery);
    } else {
        count(st, TcpExtTCPRenoRecovery);
    }
    tcp_undo_start(t);
    if (t->ca_state < TCPE_CWR || t->ca_state == TCPE_LOSS) {
        q->restore = !ece;
        tcp_prr_start(st, t, TD_CC_LOSS, fresh);
        t->ecn_cwr = t->ecn_ok;
    } else {
        q->restore = false;
    }
    tcp_ca_set(st, t, TCPE_RECOVERY);
    tcp_loss_entered(st, t);
}

/* Does this time-out call for a reduction? Not again for the same segment (RFC 5681 3.1). While
 * recovery is under way it has been made already; by RFC 5681 4.3 the loss of a retransmission is a
 * second reason, Linux doesn't count it so. */
static bool timeout_reduces(const struct tcb *t)
{
    if (t->ca_state == TCPE_LOSS) {
        return seq_ge(t->snd_una, t->recover) || t->rexmits <= 1;
    }
    return t->ca_state <= TCPE_DISORDER || seq_ge(t->snd_una, t->recover) || !t->txq->by_segments;
}

static void timeout_marks(struct td_stack *st, struct tcb *t)
{
    struct txq *q = t->txq;
    const struct txseg *head = txq_head(q);
    bool reneged = head != NULL && (head->marks & TXS_SACKED) != 0;
    if (reneged) { /* RFC 2018 8: what was SACKed may have been thrown away */
        const struct journal_subject subject = tcp_subject(t);
        JOURNAL(st, EV_TCP_RENEGE, &subject, t->snd_una, q->sacked.segs);
        count(st, TcpExtTCPSACKReneging);
        q->reneged = true;
    }
    if (reneged || knob(st, TCP_SACK_FORGET) != 0) {
        txq_clear_sacked(q);
    }
    q->dup_sacked = 0;
    const struct td_loss *l = tcp_loss_view(st, t);
    for (uint32_t n = q->first; n != q->end; n = txq_unsacked(q, n + 1)) {
        if (reneged || n == q->first || tcp_loss_stale(l, n)) {
            (void)txq_mark_lost(st, q, n);
        }
    }
}

void tcp_enter_loss(struct td_stack *st, struct tcb *t)
{
    struct txq *q = t->txq;
    uint32_t from = t->cc.cwnd;
    bool fresh = t->ca_state < TCPE_RECOVERY;
    uint32_t sacked = q->sacked.segs;
    timeout_marks(st, t);
    if (timeout_reduces(t)) {
        tcp_cc_reduce(st, t, TD_CC_TIMEOUT, q->by_segments ? t->cc.cwnd : tcp_flight(t));
        q->restore = true;
        tcp_undo_start(t);
    }
    q->in_reduction = false;
    /* The loss window (RFC 5681 3.1), beside what may still arrive (8985 6.3). */
    t->cc.cwnd = tcp_pipe_bytes(t) + t->mss;
    t->cc.count = 0;
    t->dupacks = 0;
    /* So many SACKed, and still a time-out: reordering was thought to be more than it is. */
    uint32_t usual = (uint32_t)knob(st, TCP_REORDERING);
    if (t->ca_state <= TCPE_DISORDER && sacked >= usual && t->reordering > usual) {
        t->reordering = (uint16_t)usual;
    }
    tcp_ca_set(st, t, TCPE_LOSS);
    t->recover = t->snd_nxt; /* 6582 3.2 step 4, 6675 5.1 */
    q->tlp_out = false;
    t->ecn_cwr = t->ecn_ok;
    /* RFC 5682 2.1 step 1: not if a recovery was under way, but for a repeated time-out. */
    q->frto = knob(st, TCP_FRTO) != 0 && (fresh || t->rexmits > 1);
    q->frto_new = false;
    q->rtx_now = true;
    tcp_cc_event(st, t, TD_CC_TIMED_OUT);
    tcp_journal_cwnd(st, t, W_TCP_RTO_FIRED, from);
}

/* ---- an acknowledgment ---- */

/* Without SACK each duplicate is a segment that arrived; at least one of those in flight didn't. */
static void count_dup(struct td_stack *st, struct tcb *t, const struct tcp_news *n)
{
    struct txq *q = t->txq;
    if (!n->dup || !tcp_loss_prr(q) || q->loss.ops->sack) {
        return;
    }
    uint32_t holes = q->lost.segs > 1 ? q->lost.segs : 1;
    holes = holes < q->out.segs ? holes : q->out.segs;
    if (q->dup_sacked + 1 + holes <= q->out.segs) {
        q->dup_sacked++;
        t->delivered++;
    } else { /* more duplicates than there can be: the network reorders */
        uint32_t seen = q->out.segs > t->reordering ? q->out.segs : t->reordering;
        uint32_t most = (uint32_t)knob(st, TCP_MAX_REORDERING);
        t->reordering = (uint16_t)(seen < most ? seen : most);
        t->reord_seen = (uint16_t)(t->reord_seen < UINT16_MAX ? t->reord_seen + 1 : UINT16_MAX);
        count(st, TcpExtTCPRenoReorder);
    }
}

static void try_to_open(struct td_stack *st, struct tcb *t, const struct tcp_news *n)
{
    if (!tcp_any_retrans(t)) {
        t->txq->retrans_time = 0;
    }
    if (n->ece) {
        tcp_enter_cwr(st, t, n->delivered_bytes);
    } else {
        t->ecn_waits = 0;
    }
    if (t->ca_state != TCPE_CWR) {
        tcp_open_or_disorder(st, t);
    }
}

static void loss_state(struct td_stack *st, struct tcb *t, struct tcp_news *n)
{
    struct txq *q = t->txq;
    bool recovered = seq_ge(t->snd_una, t->recover);
    q->frto_new = false;
    if (n->advanced && tcp_undo_loss(st, t, n, false)) {
        return;
    }
    if (q->frto) {
        /* RFC 5682 3.1 step 3 b: something that was never sent again has arrived. */
        if (n->orig_acked && tcp_undo_loss(st, t, n, true)) {
            return;
        }
        if (seq_gt(t->snd_nxt, t->recover)) {
            if (n->sacked || n->dup) { /* 3 a: the new text made a duplicate: the loss was real */
                q->frto = false;
            }
        } else if (n->advanced && !recovered) { /* 2 b: new text, if there is some, can tell */
            t->recover = t->snd_nxt;
            if (seq_lt(t->rtx_nxt, sndbuf_end(&t->snd)) &&
                seq_gt(t->snd_una + t->snd_wnd, t->snd_nxt)) {
                q->frto_new = true;
                return;
            }
            q->frto = false;
        }
    }
    if (recovered) {
        (void)tcp_undo_recovery(st, t, n);
        return;
    }
    if (tcp_loss_prr(q) && !q->loss.ops->sack) {
        if (seq_gt(t->snd_nxt, t->recover) && n->dup) {
            count_dup(st, t, n);
        } else if (n->advanced) {
            q->dup_sacked = 0;
        }
    }
}

/* The end of CWR or recovery? True: nothing more is to be done. */
static bool episode_over(struct td_stack *st, struct tcb *t, struct tcp_news *n)
{
    struct txq *q = t->txq;
    if (seq_lt(t->snd_una, t->recover)) {
        return false;
    }
    if (t->ca_state == TCPE_CWR && t->snd_una != t->recover) {
        tcp_prr_end(st, t);
        tcp_ca_set(st, t, TCPE_OPEN);
    } else if (t->ca_state == TCPE_RECOVERY) {
        q->dup_sacked = 0;
        if (tcp_undo_recovery(st, t, n)) {
            return true;
        }
        if (!tcp_loss_prr(q)) {
            if (q->undo) {
                tcp_loss_done(st, t);
            }
            q->in_reduction = false;
        } else {
            tcp_prr_end(st, t);
        }
    }
    return false;
}

void tcp_recovery_alert(struct td_stack *st, struct tcb *t, struct tcp_news *n)
{
    struct txq *q = t->txq;
    if (n->ece) {
        q->restore = false;
    }
    if (n->reneging && n->advanced) { /* the time-out comes sooner (RFC 2018 8) */
        td_time half = t->cc.srtt / 2 > 10 * TD_MS ? t->cc.srtt / 2 : 10 * TD_MS;
        tcp_rtx_arm_at(st, t, TRTX_REXMT, st->now + half);
        n->set_timer = false;
        return;
    }
    if (t->ca_state == TCPE_OPEN) {
        q->retrans_time = 0;
    } else if (episode_over(st, t, n)) {
        return;
    }
    bool keep;
    switch ((enum tcp_episode)t->ca_state) {
    case TCPE_RECOVERY:
        if (!n->advanced) {
            count_dup(st, t, n);
        } else if (tcp_undo_partial(st, t, n, &keep)) {
            return;
        }
        if (tcp_undo_dsack(st, t)) {
            try_to_open(st, t, n);
        }
        tcp_loss_detect(st, t, n);
        if (t->ca_state == TCPE_RECOVERY || !tcp_loss_begins(st, t, n)) {
            return;
        }
        tcp_enter_recovery(st, t, n->ece, n->delivered_bytes);
        return;
    case TCPE_LOSS:
        loss_state(st, t, n);
        tcp_loss_detect(st, t, n);
        if (t->ca_state != TCPE_OPEN && !n->lost_retrans) {
            return;
        }
        break;
    default:
        if (n->advanced) {
            q->dup_sacked = 0;
        }
        count_dup(st, t, n);
        if (t->ca_state <= TCPE_DISORDER) {
            (void)tcp_undo_dsack(st, t);
        }
        tcp_loss_detect(st, t, n);
        break;
    }
    if (!tcp_loss_begins(st, t, n) || FAULT_ON(st, NO_FAST_RETRANSMIT)) {
        try_to_open(st, t, n);
        return;
    }
    if (t->ca_state < TCPE_CWR && tcp_mtup_lost(st, t)) { /* RFC 4821 7.6.1: no congestion */
        tcp_resend_large(st, t);
        return;
    }
    tcp_enter_recovery(st, t, n->ece, n->delivered_bytes);
}

static void resend_from(struct td_stack *st, struct tcb *t, uint32_t larger_than)
{
    struct txq *q = t->txq;
    bool some = false;
    if (txq_empty(q)) {
        return;
    }
    for (uint32_t n = q->first; n != q->end; n = txq_unsacked(q, n + 1)) {
        const struct txseg *x = txq_at(q, n);
        if (x->len > larger_than && (x->marks & TXS_SACKED) == 0) {
            some = txq_mark_lost(st, q, n) || some;
        }
    }
    if (!some) {
        return;
    }
    q->tlp_out = false;
    if (t->ca_state != TCPE_LOSS) {
        q->undo = false;
        q->in_reduction = false;
        q->frto = false;
        t->recover = t->snd_nxt;
        tcp_ca_set(st, t, TCPE_LOSS);
    }
}

/* All that is in flight has to be sent again, though nothing says that the path is congested: a
 * window that shrank under it. */
void tcp_resend_all(struct td_stack *st, struct tcb *t)
{
    resend_from(st, t, 0);
}

/* The same for what is larger than segments are now: a smaller path MTU (RFC 1191 6.4). */
void tcp_resend_large(struct td_stack *st, struct tcb *t)
{
    resend_from(st, t, t->mss);
}
