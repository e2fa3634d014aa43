/* tcp/timestamps.c: the timestamps option (RFC 7323 3 to 5).
 *
 * Theory of operation. Once both SYNs carried the option, every segment does: TSval, our clock in
 * milliseconds, and TSecr, the last TSval of the peer that may be echoed. Two things come of it.
 *
 *   RTTM (section 4). An acknowledgment that echoes our TSval tells when the segment it answers was
 *     sent, also for one that was sent twice. What may be echoed is TS.Recent: the TSval of the
 *     segment that reaches over Last.ACK.sent, which is the first one not acknowledged yet, so that
 *     a delayed ACK's delay is part of the measurement.
 *
 *   PAWS (section 5). At 10 Gbit/s sequence numbers come round in seconds. An old duplicate then
 *     fits the window, but its timestamp doesn't: the clock wraps after 24 days only. So a segment
 *     whose TSval lies before TS.Recent is old, whatever its number says, and this is asked before
 *     anything else about it. After 24 days of silence the comparison means nothing any more.
 *
 * A reset is exempt: after a crash its sender may not know the clock any more (5.2).
 *
 * The clock is stack time plus a number that a keyed hash gives to the four-tuple (7.1). So it
 * tells nobody how long we have been up nor ties connections together, and yet the next connection
 * of the same tuple goes on where the last one ended, on which reuse of TIME-WAIT rests (RFC 6191).
 */
#include "tcp/tcp_internal.h"

#define PAWS_VALID_S (24u * 86400)

static uint32_t stamp_now(const struct td_stack *st)
{
    return (uint32_t)(st->now / TD_SEC) + 1;
}

uint32_t tcp_ts_offset(const struct td_stack *st, const struct tcp_tuple *a)
{
    if (knob(st, TCP_TIMESTAMPS) != 1) {
        return 0;
    }
    const uint32_t in[4] = {a->laddr, a->raddr, (uint32_t)a->lport << 16 | a->rport, TCPOPT_TS_};
    return (uint32_t)siphash(&st->tcp->isn_key, in, sizeof in);
}

void tcp_ts_store(const struct td_stack *st, struct tcb *t, uint32_t val)
{
    t->ts_recent = val;
    t->ts_recent_s = stamp_now(st);
}

/* 5.5: TS.Recent may be older than half the clock's round. */
static bool recent_valid(const struct td_stack *st, const struct tcb *t)
{
    return t->ts_recent_s != 0 && stamp_now(st) - t->ts_recent_s < PAWS_VALID_S;
}

void tcp_ts_update(const struct td_stack *st, struct tcb *t, const struct tcp_seg *s)
{
    const struct tcp_opts *o = &s->h->o;
    if (!t->ts_ok || !o->has_ts || seq_gt(s->h->seq, t->last_ack_sent)) {
        return;
    }
    if (!recent_valid(st, t) || (int32_t)(o->ts_val - t->ts_recent) >= 0) {
        tcp_ts_store(st, t, o->ts_val);
    }
}

/* The fastest clock ticks by the millisecond (4.1). */
bool tcp_ts_plausible(const struct td_stack *st, const struct tcb *t, const struct tcp_seg *s)
{
    uint64_t most = (uint64_t)(stamp_now(st) - t->ts_recent_s + 1) * 1000;
    return t->ts_ok && s->h->o.has_ts && recent_valid(st, t) &&
           s->h->o.ts_val - t->ts_recent <= most;
}

/* Only acknowledges, only what is acknowledged already, and is just a little late: a duplicate ACK
 * that others overtook. Loss recovery counts it all the same. */
static bool late_dup_ack(const struct tcb *t, const struct tcp_seg *s)
{
    int32_t behind = (int32_t)(t->ts_recent - s->h->o.ts_val);
    return s->seq == t->rcv_nxt && s->ack == t->snd_una && s->wnd <= t->snd_wnd &&
           behind <= (int32_t)(t->rtt.rto * 6 / 5 / TD_MS);
}

enum tcp_paws tcp_paws(const struct td_stack *st, const struct tcb *t, const struct tcp_seg *s)
{
    const struct tcp_opts *o = &s->h->o;
    if (!t->ts_ok || !o->has_ts || (s->flags & TCP_RST) != 0 || !recent_valid(st, t) ||
        (int32_t)(t->ts_recent - o->ts_val) <= (int32_t)knob(st, TCP_PAWS_SLACK)) {
        return TCP_PAWS_OK;
    }
    if (st->knobs.profile == PROFILE_LINUX && s->len == 0 && (s->flags & TCP_ACK) != 0) {
        if (seq_lt(s->seq, t->rcv_nxt)) {
            return TCP_PAWS_OLD_ACK;
        }
        if (late_dup_ack(t, s)) {
            return TCP_PAWS_OK;
        }
    }
    return TCP_PAWS_REJECT;
}
