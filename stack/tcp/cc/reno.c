/* tcp/cc/reno.c: Reno, the congestion control of RFC 5681.
 *
 * Theory of operation. Below ssthresh, slow start: each acknowledgment opens cwnd by what it
 * acknowledges, at most L (RFC 3465; one segment is RFC 5681's), so cwnd about doubles a round
 * trip. Above, congestion avoidance: one segment a round trip, by counting acknowledged bytes until
 * they make a whole cwnd (3.1's recommended form; the remainder is carried, so nothing is lost to
 * rounding). Loss halves: ssthresh = max(FlightSize / 2, 2 SMSS) (equation 4). When to call which
 * is loss recovery's business.
 */
#include "tcp/tcp_internal.h"

static void reno_acked(struct td_cc *cc, const struct td_cc_ack *ack)
{
    uint32_t acked = ack->acked;
    if (!ack->cwnd_limited) {
        return;
    }
    if (cc->cwnd < cc->ssthresh) {
        acked = td_cc_slow_start(cc, acked);
    }
    if (acked > 0 && cc->cwnd >= cc->ssthresh) {
        td_cc_avoid(cc, acked);
    }
}

static uint32_t reno_ssthresh(struct td_cc *cc, enum td_cc_cause why, uint32_t flight, td_time now)
{
    (void)why;
    (void)now;
    return td_cc_half(cc, flight);
}

const struct td_cc_ops tcp_cc_reno = {
    .name = "reno",
    .doc = "slow start and congestion avoidance of RFC 5681",
    .acked = reno_acked,
    .ssthresh = reno_ssthresh,
};
