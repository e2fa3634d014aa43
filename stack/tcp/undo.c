/* tcp/undo.c: when a loss turns out to have been none.
 *
 * Theory of operation. A reduction of cwnd was for nothing if the segments that were sent again had
 * arrived in the first place. Three signs tell so:
 *
 *   timestamps   an ACK of what was sent again echoes a TSval from before the first retransmission:
 *                the original caused it (the Eifel detection, RFC 3522)
 *   D-SACK       the peer reports each of our retransmissions as a duplicate (RFC 2883; 3708)
 *   F-RTO        after a time-out, something that was never sent again is acknowledged (RFC 5682)
 *
 * Then cwnd and ssthresh go back to what they were (RFC 4015's response, as far as the congestion
 * control agrees), and what was marked lost isn't any more. An episode begins with undo_marker =
 * SND.UNA; undo_retrans counts retransmissions not yet reported as duplicates; retrans_ts is the
 * TSval of the first of them. An episode that ECN caused can't be undone: the mark was true.
 */
#include "tcp/xmit.h"

void tcp_undo_start(struct tcb *t)
{
    struct txq *q = t->txq;
    q->undo = true;
    q->undo_marker = t->snd_una;
    q->undo_retrans = (int32_t)q->retrans.segs + (q->tlp_out && q->tlp_retrans);
    q->undo_end = q->undo_retrans == 0 ? t->snd_una : t->snd_nxt;
    if (q->undo_retrans == 0) { /* none yet: zero would mean that all were needless */
        q->undo_retrans = -1;
    }
}

void tcp_undo_retransmitted(struct td_stack *st, struct tcb *t, tcp_seq end)
{
    struct txq *q = t->txq;
    q->undo_end = seq_max(q->undo_end, end);
    if (q->retrans_time == 0) {
        q->retrans_time = st->now;
        q->retrans_ts = tcp_ts_at(t, st->now);
    }
    q->undo_retrans = q->undo_retrans < 0 ? 1 : q->undo_retrans + 1;
}

/* The ACK was caused by an original: its echo is older than the first retransmission, or there was
 * none yet. */
static bool original_came(const struct tcb *t, const struct tcp_news *n)
{
    const struct txq *q = t->txq;
    if (q->retrans_time != 0) {
        return tcp_ecr_before(t, n->s, q->retrans_ts);
    }
    return t->sack_ok || seq_lt(t->snd_una, t->recover);
}

static bool may_undo(const struct tcb *t, const struct tcp_news *n)
{
    const struct txq *q = t->txq;
    return q->undo && (q->undo_retrans == 0 || original_came(t, n));
}

static void undo_reduction(struct td_stack *st, struct tcb *t, bool unmark, enum journal_word why)
{
    struct txq *q = t->txq;
    uint32_t from = t->cc.cwnd;
    if (unmark) {
        txq_clear_lost(q);
    }
    if (q->restore) {
        tcp_cc_undo(st, t);
        t->ecn_cwr = false;
        const struct journal_subject subject = tcp_subject(t);
        JOURNAL(st, EV_TCP_UNDO, &subject, why, from, t->cc.cwnd, t->cc.ssthresh);
    }
    q->undo = false;
    tcp_loss_event(st, t, TD_LOSS_UNDONE);
}

/* Without SACK, duplicates of our own retransmissions may still come: the state stays until
 * something above the episode is acknowledged (RFC 6582 3.2 step 2). */
static bool holds_state(struct tcb *t)
{
    if (t->sack_ok || t->snd_una != t->recover || !tcp_loss_prr(t->txq)) {
        return false;
    }
    if (!tcp_any_retrans(t)) {
        t->txq->retrans_time = 0;
    }
    return true;
}

/* All that was in flight when it began is acknowledged. True: the state stays for now. */
bool tcp_undo_recovery(struct td_stack *st, struct tcb *t, const struct tcp_news *n)
{
    if (may_undo(t, n)) {
        bool loss = t->ca_state == TCPE_LOSS;
        undo_reduction(st, t, false, W_TCP_FULL_ACK);
        if (loss) {
            count(st, TcpExtTCPLossUndo);
        } else {
            count(st, TcpExtTCPFullUndo);
        }
    } else {
        tcp_loss_event(st, t, TD_LOSS_RECOVERED);
    }
    if (holds_state(t)) {
        return true;
    }
    tcp_ca_set(st, t, TCPE_OPEN);
    t->txq->reneged = false;
    return false;
}

/* SND.UNA moved, but not over all. True: keep as it is, while retransmissions are in flight. */
bool tcp_undo_partial(struct td_stack *st, struct tcb *t, const struct tcp_news *n, bool *keep)
{
    struct txq *q = t->txq;
    *keep = false;
    if (!q->undo || !original_came(t, n)) {
        return false;
    }
    tcp_reordering_seen(st, t, n->una_before, n->fack_before);
    if (q->retrans.segs > 0) {
        *keep = true;
        return true;
    }
    if (!tcp_any_retrans(t)) {
        q->retrans_time = 0;
    }
    undo_reduction(st, t, true, W_TCP_PARTIAL);
    count(st, TcpExtTCPPartialUndo);
    tcp_open_or_disorder(st, t);
    return true;
}

bool tcp_undo_dsack(struct td_stack *st, struct tcb *t)
{
    struct txq *q = t->txq;
    if (!q->undo || q->undo_retrans != 0) {
        return false;
    }
    tcp_loss_event(st, t, TD_LOSS_SPURIOUS);
    undo_reduction(st, t, false, W_TCP_DSACK);
    count(st, TcpExtTCPDSACKUndo);
    return true;
}

bool tcp_undo_loss(struct td_stack *st, struct tcb *t, const struct tcp_news *n, bool frto)
{
    if (!frto && !may_undo(t, n)) {
        return false;
    }
    undo_reduction(st, t, true, frto ? W_TCP_FRTO : W_TCP_EIFEL);
    count(st, TcpExtTCPLossUndo);
    if (frto) {
        count(st, TcpExtTCPSpuriousRTOs);
    }
    t->rexmits = 0;
    if (holds_state(t)) {
        return true;
    }
    if (frto || t->sack_ok) {
        tcp_ca_set(st, t, TCPE_OPEN);
        t->txq->reneged = false;
    }
    return true;
}
