/* tcp/rto.c: the retransmission time-out (RFC 6298), in integers.
 *
 * Theory of operation. SRTT is kept times 8 and RTTVAR times 4, in nanoseconds, so that the RFC's
 * factors 1/8 and 1/4 are shifts:
 *      RTTVAR <- 3/4 RTTVAR + 1/4 |SRTT - R'|        first, with the old SRTT (2.3)
 *      SRTT   <- 7/8 SRTT + 1/8 R'
 *      RTO    <- SRTT + max(G, 4 RTTVAR)             G: the wheel's microsecond
 * The result is kept between the knobs tcp_rto_min_us and tcp_rto_max_ms. Under `linux` the least
 * is that of the second term instead, so that RTO is SRTT and 200 ms or more (tcp_rto_min_var). A
 * time-out doubles it (5.5) and it stays so until a segment that was sent only once is acknowledged
 * (Karn's rule: whoever takes the sample sees to that, ack.c).
 */
#include "tcp/tcp_internal.h"

static td_time rto_clamp(const struct td_rto_limits *l, td_time rto)
{
    return rto < l->min ? l->min : rto > l->max ? l->max : rto;
}

static void rto_init(struct td_rto *r, const struct td_rto_limits *l)
{
    r->srtt8 = 0;
    r->rttvar4 = 0;
    r->rto = l->initial; /* 2.1 */
    r->backoff = 0;
}

static void rto_sample(struct td_rto *r, const struct td_rto_limits *l, td_time rtt)
{
    if (r->srtt8 == 0) { /* 2.2 */
        r->srtt8 = rtt * 8 + (rtt == 0);
        r->rttvar4 = rtt * 2;
    } else { /* 2.3 */
        td_time srtt = r->srtt8 / 8;
        td_time error = srtt > rtt ? srtt - rtt : rtt - srtt;
        r->rttvar4 = r->rttvar4 - r->rttvar4 / 4 + error;
        r->srtt8 = r->srtt8 - r->srtt8 / 8 + rtt;
    }
    td_time variance = r->rttvar4 > l->granularity ? r->rttvar4 : l->granularity;
    r->rto = rto_clamp(l, r->srtt8 / 8 + variance);
    r->backoff = 0;
}

static void rto_backoff(struct td_rto *r, const struct td_rto_limits *l)
{
    r->rto = rto_clamp(l, r->rto * 2); /* 5.5 */
    if (r->backoff < UINT8_MAX) {
        r->backoff++;
    }
}

const struct td_rto_ops tcp_rto_6298 = {"rfc6298",
                                        "Jacobson's estimator with Karn's back-off (RFC 6298)",
                                        rto_init, rto_sample, rto_backoff};

/* ---- for the rest of TCP ---- */

static struct td_rto_limits limits(const struct td_stack *st)
{
    td_time min = (td_time)knob(st, TCP_RTO_MIN_US) * TD_US;
    return (struct td_rto_limits){.initial = (td_time)knob(st, TCP_RTO_INITIAL_MS) * TD_MS,
                                  .min = min,
                                  .max = (td_time)knob(st, TCP_RTO_MAX_MS) * TD_MS,
                                  .granularity = knob(st, TCP_RTO_MIN_VAR) != 0 ? min : TD_US};
}

static const struct td_rto_ops *organ(const struct td_stack *st, const struct tcb *t)
{
    return st->tcp->organs.rto[t->rto_organ];
}

/* Whatever an organ of somebody else's made of it. */
static void keep_in_bounds(struct tcb *t, const struct td_rto_limits *l)
{
    if (t->rto_organ != 0) {
        t->rtt.rto = rto_clamp(l, t->rtt.rto);
    }
}

void tcp_rto_init(struct td_stack *st, struct tcb *t)
{
    const struct td_rto_limits l = limits(st);
    organ(st, t)->init(&t->rtt, &l);
    keep_in_bounds(t, &l);
}

void tcp_rto_sample(struct td_stack *st, struct tcb *t, td_time rtt)
{
    const struct td_rto_limits l = limits(st);
    organ(st, t)->sample(&t->rtt, &l, rtt);
    keep_in_bounds(t, &l);
    t->cc.srtt = t->rtt.srtt8 / 8;
    tcp_rto_min_rtt(st, t, rtt);
    const struct journal_subject subject = tcp_subject(t);
    JOURNAL(st, EV_TCP_RTT, &subject, rtt, t->rtt.srtt8 / 8, t->rtt.rttvar4 / 4, t->rtt.rto);
}

/* RFC 8985 6.2 step 1: the least of about the last tcp_min_rtt_wlen seconds. One that is older
 * makes way for whatever comes. */
void tcp_rto_min_rtt(struct td_stack *st, struct tcb *t, td_time rtt)
{
    uint32_t second = (uint32_t)(st->now / TD_SEC);
    if (t->cc.min_rtt == 0 || rtt <= t->cc.min_rtt ||
        second - t->min_rtt_s > (uint32_t)knob(st, TCP_MIN_RTT_WLEN)) {
        t->cc.min_rtt = rtt > 0 ? rtt : 1;
        t->min_rtt_s = second;
    }
}

void tcp_rto_backoff(struct td_stack *st, struct tcb *t)
{
    const struct td_rto_limits l = limits(st);
    organ(st, t)->backoff(&t->rtt, &l);
    keep_in_bounds(t, &l);
}
