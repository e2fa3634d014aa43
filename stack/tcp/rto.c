/* tcp/rto.c: the retransmission time-out (RFC 6298), in integers.
 *
 * Theory of operation. SRTT is kept times 8 and RTTVAR times 4, in nanoseconds, so that the RFC's
 * factors 1/8 and 1/4 are shifts:
 *      RTTVAR <- 3/4 RTTVAR + 1/4 |SRTT - R'|        first, with the old SRTT (2.3)
 *      SRTT   <- 7/8 SRTT + 1/8 R'
 *      RTO    <- SRTT + max(G, 4 RTTVAR)             G: the wheel's microsecond
 * The result is kept between the knobs tcp_rto_min_us and tcp_rto_max_ms. A time-out doubles it
 * (5.5) and it stays so until a segment that was sent only once is acknowledged (Karn's rule:
 * whoever takes the sample sees to that, ack.c).
 */
#include "tcp/tcp_internal.h"

static td_time rto_clamp(const struct td_stack *st, td_time rto)
{
    td_time low = (td_time)knob(st, TCP_RTO_MIN_US) * TD_US;
    td_time high = (td_time)knob(st, TCP_RTO_MAX_MS) * TD_MS;
    return rto < low ? low : rto > high ? high : rto;
}

static void rto_init(struct td_stack *st, struct tcb *t)
{
    t->srtt = 0;
    t->rttvar = 0;
    t->rto = (td_time)knob(st, TCP_RTO_INITIAL_MS) * TD_MS; /* 2.1 */
    t->backoff = 0;
}

static void rto_sample(struct td_stack *st, struct tcb *t, td_time rtt)
{
    if (t->srtt == 0) { /* 2.2 */
        t->srtt = rtt * 8 + (rtt == 0);
        t->rttvar = rtt * 2;
    } else { /* 2.3 */
        td_time srtt = t->srtt / 8;
        td_time error = srtt > rtt ? srtt - rtt : rtt - srtt;
        t->rttvar = t->rttvar - t->rttvar / 4 + error;
        t->srtt = t->srtt - t->srtt / 8 + rtt;
    }
    td_time variance = t->rttvar > TD_US ? t->rttvar : TD_US;
    t->rto = rto_clamp(st, t->srtt / 8 + variance);
    t->backoff = 0;
    const struct journal_subject subject = tcp_subject(t);
    JOURNAL(st, EV_TCP_RTT, &subject, rtt, t->srtt / 8, t->rttvar / 4, t->rto);
}

static void rto_backoff(struct td_stack *st, struct tcb *t)
{
    t->rto = rto_clamp(st, t->rto * 2); /* 5.5 */
    if (t->backoff < UINT8_MAX) {
        t->backoff++;
    }
}

const struct tcp_rto_ops tcp_rto_6298 = {"rfc6298", rto_init, rto_sample, rto_backoff};
