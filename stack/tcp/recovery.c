/* tcp/recovery.c: what is lost, without SACK (RFC 5681 3.2, 6582 NewReno, 3042 limited transmit).
 *
 * Theory of operation. An acknowledgment that repeats SND.UNA says that something arrived, but not
 * what is expected next. One or two may be reordering: each lets one new segment go (limited
 * transmit), so that the third may come at all. The third means loss: the segment at SND.UNA is
 * sent again, ssthresh is halved, and the connection is in recovery until everything that was in
 * flight then (recover) is acknowledged.
 *
 *   further duplicates   each is a segment that left the network: cwnd grows by one to let another
 * in partial ACK          SND.UNA moved, but not beyond recover: the next hole. It is sent again at
 * once, cwnd shrinks by what was acknowledged and grows by one segment full ACK             cwnd =
 * min(ssthresh, max(FlightSize, SMSS) + SMSS), recovery is over time-out             cwnd = one
 * segment, everything from SND.UNA is sent again in slow start
 *
 * `recover` also keeps duplicates caused by our own retransmissions from starting it all over
 * (6582 3.2 step 2). Forged duplicates can't blow cwnd up: of what was in flight when SND.UNA last
 * moved each segment can cause one, and no more than that are counted (5681 3.2 step 4).
 */
#include "tcp/tcp_internal.h"

static void journal_cwnd(struct td_stack *st, const struct tcb *t, enum journal_word why,
                         uint32_t from)
{
    const struct journal_subject subject = tcp_subject(t);
    JOURNAL(st, EV_TCP_CWND, &subject, why, from, t->cc.cwnd, t->cc.ssthresh, tcp_flight(t));
}

static void newreno_init(struct td_stack *st, struct tcb *t)
{
    (void)st;
    t->recover = t->iss; /* 6582 3.2 step 1 */
    t->dupacks = 0;
    t->in_recovery = false;
}

static void enter_recovery(struct td_stack *st, struct tcb *t)
{
    uint32_t from = t->cc.cwnd;
    uint32_t flight = tcp_flight(t) - t->limited_sent; /* limited transmit doesn't count */
    tcp_cc_reduce(st, t, TD_CC_LOSS, flight);
    t->recover = t->snd_nxt;
    t->in_recovery = true;
    t->partial_seen = false;
    t->limited_sent = 0;
    t->cc.cwnd = t->cc.ssthresh + 3u * t->mss;
    t->dup_flight = tcp_flight(t);
    count(st, TcpExtTCPRenoRecovery);
    count(st, TcpExtTCPFastRetrans);
    journal_cwnd(st, t, W_TCP_FAST, from);
    (void)tcp_retransmit_first(st, t, W_TCP_FAST);
}

static void newreno_dup_ack(struct td_stack *st, struct tcb *t)
{
    const struct journal_subject subject = tcp_subject(t);
    if (t->dupacks < UINT16_MAX) {
        t->dupacks++;
    }
    JOURNAL(st, EV_TCP_DUPACK, &subject, t->snd_una, t->dupacks);
    if (t->in_recovery) {
        if ((uint64_t)t->dupacks * t->mss <= t->dup_flight) {
            t->cc.cwnd += t->mss;
        }
    } else if (t->dupacks == (uint32_t)knob(st, TCP_REORDERING) && seq_gt(t->snd_una, t->recover)) {
        enter_recovery(st, t);
    }
}

static void newreno_new_ack(struct td_stack *st, struct tcb *t, uint32_t acked)
{
    uint32_t from = t->cc.cwnd;
    t->dupacks = 0;
    t->limited_sent = 0;
    if (!t->in_recovery) {
        if (seq_gt(t->snd_una,
                   t->recover)) { /* kept close: half a circle behind it would lie ahead */
            t->recover = t->snd_una - 1;
        }
        const struct td_cc_ack ack = {.now = st->now,
                                      .acked = acked,
                                      .flight = tcp_flight(t) + acked,
                                      .una = t->snd_una,
                                      .nxt = t->snd_nxt,
                                      .cwnd_limited = tcp_cwnd_is_limited(t)};
        tcp_cc_acked(st, t, &ack);
        return;
    }
    if (seq_ge(t->snd_una, t->recover)) { /* full */
        uint32_t flight = tcp_flight(t);
        uint32_t w = (flight > t->mss ? flight : t->mss) + t->mss;
        t->cc.cwnd = w < t->cc.ssthresh ? w : t->cc.ssthresh;
        t->in_recovery = false;
        tcp_cc_event(st, t, TD_CC_RECOVERED);
        journal_cwnd(st, t, W_TCP_FULL_ACK, from);
        return;
    }
    t->cc.cwnd = t->cc.cwnd > acked ? t->cc.cwnd - acked : 0; /* partial */
    if (acked >= t->mss || t->cc.cwnd < t->mss) {
        t->cc.cwnd += t->mss;
    }
    t->dup_flight = tcp_flight(t);
    journal_cwnd(st, t, W_TCP_PARTIAL, from);
    (void)tcp_retransmit_first(st, t, W_TCP_PARTIAL);
    if (!t->partial_seen) { /* the impatient variant: only the first restarts the timer */
        t->partial_seen = true;
        tcp_rtx_arm(st, t, TRTX_REXMT);
    }
}

static void newreno_timeout(struct td_stack *st, struct tcb *t, bool first)
{
    uint32_t from = t->cc.cwnd;
    if (first) { /* RFC 5681 3.1: not again for the same segment */
        tcp_cc_reduce(st, t, TD_CC_TIMEOUT, tcp_flight(t));
    }
    t->cc.cwnd = t->mss; /* the loss window */
    t->cc.count = 0;
    t->dupacks = 0;
    t->limited_sent = 0;
    t->recover = t->snd_nxt; /* 6582 3.2 step 4 */
    t->in_recovery = false;
    tcp_cc_event(st, t, TD_CC_TIMED_OUT);
    journal_cwnd(st, t, W_TCP_RTO_FIRED, from);
}

const struct tcp_recovery_ops tcp_recovery_newreno = {"newreno", newreno_init, newreno_new_ack,
                                                      newreno_dup_ack, newreno_timeout};
