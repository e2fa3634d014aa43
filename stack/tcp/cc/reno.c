/* tcp/cc/reno.c: Reno, the congestion control of RFC 5681.
 *
 * Theory of operation. Below ssthresh, slow start: each acknowledgment opens cwnd by what it
 * acknowledges, at most one segment, so cwnd about doubles a round trip. Above, congestion
 * avoidance: one segment a round trip, by counting acknowledged bytes until they make a whole cwnd
 * (3.1's recommended form; the remainder is carried, so nothing is lost to rounding). Loss
 * halves: ssthresh = max(FlightSize / 2, 2 SMSS) (equation 4). When to call which is recovery.c's
 * business.
 */
#include "tcp/tcp_internal.h"

static void reno_init(struct td_stack *st, struct tcb *t)
{
    (void)st;
    t->ca_acked = 0;
}

static void reno_acked(struct td_stack *st, struct tcb *t, uint32_t acked)
{
    (void)st;
    if (t->cwnd < t->ssthresh) {
        t->cwnd += acked < t->mss ? acked : t->mss;
        return;
    }
    t->ca_acked += acked;
    if (t->ca_acked >= t->cwnd) {
        t->ca_acked -= t->cwnd;
        t->cwnd += t->mss;
    }
}

static uint32_t reno_ssthresh(struct td_stack *st, const struct tcb *t, uint32_t flight)
{
    (void)st;
    return flight / 2 > 2u * t->mss ? flight / 2 : 2u * t->mss;
}

const struct tcp_cc_ops tcp_cc_reno = {"reno", reno_init, reno_acked, reno_ssthresh};
