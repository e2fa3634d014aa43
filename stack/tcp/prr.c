/* tcp/prr.c: how cwnd gets down to ssthresh (proportional rate reduction, RFC 9937).
 *
 * Theory of operation. After a loss, or an ECN echo, ssthresh says how much may be in flight when
 * it is over. Until then what is sent follows what is delivered:
 *
 *   inflight > ssthresh   of every RecoverFS delivered, ssthresh may be sent: the flight shrinks
 *                         evenly over one round trip, and its clock never stops
 *   inflight <= ssthresh  more was lost than the reduction takes away: as much as was delivered,
 *                         and one segment more when that ACK told of progress and of no new loss
 *                         (SafeACK), until the flight is ssthresh
 *
 * After an ECN echo it may come down to one segment, while ssthresh never goes below two.
 * At least one segment goes out when it begins: the first retransmission never waits. The result is
 * a cwnd that always is inflight + SndCnt, so the rest of the sender needs to know nothing of it.
 * Everything is counted in the unit of cwnd: segments or bytes (knob tcp_cwnd_segments).
 */
#include "tcp/xmit.h"

void tcp_prr_start(struct td_stack *st, struct tcb *t, enum td_cc_cause why, uint32_t fresh)
{
    struct txq *q = t->txq;
    uint32_t from = t->cc.cwnd;
    uint32_t unit = tcp_unit(t);
    uint32_t flight = tcp_flight(t);
    /* RFC 5681 3.2 step 2: what limited transmit sent beyond cwnd doesn't count. */
    uint32_t counted = q->by_segments ? t->cc.cwnd : flight < from ? flight : from;
    t->recover = t->snd_nxt;
    q->tlp_out = false;
    q->prr_delivered = 0;
    q->prr_out = 0;
    /* 6.1: what was SACKed before isn't delivered again; what this ACK told of will be. Linux takes
     * cwnd. */
    q->recover_fs = q->by_segments ? from / unit : flight - q->sacked.bytes + fresh;
    q->recover_fs += q->recover_fs == 0;
    q->in_reduction = true;
    tcp_cc_reduce(st, t, why, counted);
    q->prr_target = t->cc.ssthresh;
    if (why == TD_CC_ECN && knob(st, TCP_ECN_LEAST_CWND) == 1 && from <= t->cc.ssthresh) {
        q->prr_target = from / 2 > t->mss ? from / 2 : t->mss; /* RFC 9438 4.6 */
    }
    tcp_journal_cwnd(st, t, why == TD_CC_ECN ? W_TCP_ECN : W_TCP_LOSS, from);
}

void tcp_prr_ack(struct td_stack *st, struct tcb *t, uint32_t delivered, uint32_t lost,
                 bool advanced)
{
    struct txq *q = t->txq;
    if (delivered == 0 || !q->in_reduction) {
        return;
    }
    uint32_t unit = tcp_unit(t);
    uint32_t smss = q->by_segments ? 1 : t->mss;
    uint32_t pipe = tcp_pipe_units(t);
    uint32_t ssthresh = q->prr_target / unit;
    int64_t sndcnt;
    q->prr_delivered += delivered;
    if (pipe > ssthresh) {
        uint64_t due = (uint64_t)q->prr_delivered * ssthresh + q->recover_fs - 1;
        sndcnt = (int64_t)(due / q->recover_fs) - q->prr_out;
    } else {
        int64_t limit = (int64_t)q->prr_delivered - q->prr_out;
        limit = limit > (int64_t)delivered ? limit : (int64_t)delivered;
        if (advanced && lost == 0) { /* SafeACK */
            limit += smss;
        }
        sndcnt = (int64_t)ssthresh - pipe;
        sndcnt = sndcnt < limit ? sndcnt : limit;
    }
    int64_t least = q->prr_out == 0 ? smss : 0;
    sndcnt = sndcnt > least ? sndcnt : least;
    uint32_t from = t->cc.cwnd;
    t->cc.cwnd = (pipe + (uint32_t)sndcnt) * unit;
    if (t->cc.cwnd < t->mss) {
        t->cc.cwnd = t->mss;
    }
    const struct journal_subject subject = tcp_subject(t);
    JOURNAL(st, EV_TCP_PRR, &subject, from, t->cc.cwnd, q->prr_target, pipe * unit,
            q->prr_delivered * unit, q->prr_out * unit);
}

void tcp_prr_sent(struct tcb *t, uint32_t bytes)
{
    if (t->txq->in_reduction) {
        t->txq->prr_out += t->txq->by_segments ? 1 : bytes;
    }
}

void tcp_prr_end(struct td_stack *st, struct tcb *t)
{
    struct txq *q = t->txq;
    uint32_t from = t->cc.cwnd;
    q->in_reduction = false;
    if (t->ca_state == TCPE_CWR || q->undo) { /* unless the reduction was taken back */
        t->cc.cwnd = q->prr_target;
    }
    tcp_cc_event(st, t, TD_CC_RECOVERED);
    tcp_journal_cwnd(st, t, W_TCP_FULL_ACK, from);
}
