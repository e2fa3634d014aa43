/* tcp/giveup.c: how long a connection waits for an acknowledgment before it is given up.
 *
 * Theory of operation. RFC 9293 3.8.3 has two thresholds for the repetitions of one segment: at R1
 * IP is told that the way may be bad, at R2 the connection is closed. The user may set a time of
 * its own instead of R2 (TCP_USER_TIMEOUT), and a connection whose socket is closed has less
 * patience.
 *
 * There are two ways to measure (knob tcp_give_up_by_time):
 *
 *   by count  R1 and R2 are numbers of repetitions, and the user's time runs from the first
 *             transmission. The RFC's words.
 *   by time   what Linux does. tcp_retries1 and tcp_retries2 stand for the time that so many
 *             repetitions would take if the RTO had been 200 ms in the beginning, so that 15 are
 * 924.6 seconds on any path; the clock, also the user's, starts with the first repetition. Whether
 * it is over is looked at when the timer fires.
 *
 *      RTO       RTO         2 RTO              4 RTO
 *   ├────────┼────────┼────────────────┼───────────────────┄
 *   sent     again    again            again
 *            ╰─ stalled_since: time-outs count from here
 *
 * A window that stays closed is no reason to give up (MUST-37): probes are counted, and an answer
 * sets the count back. But the user's time runs on while the window is closed: the text doesn't get
 * through. Nobody can lose patience with a connection that has no socket any more, so that one is
 * given up when the probes have become as rare as they get, answered or not (RFC 6429 3).
 *
 * The end is silent: a peer that hasn't been heard of for minutes wouldn't hear a reset either.
 * Only keep-alive sends one (timers.c). The error is ETIMEDOUT. While connecting, and where the
 * user asked for it with IP_RECVERR, it is the reason the network gave, if it did; in a
 * synchronized state our own failure to find the neighbour is none: time has run out, that is all
 * the user asked.
 */
#include "tcp/tcp_internal.h"

#include <errno.h>

#define ORPHAN_LEAST 4
#define R_BASE       (200 * TD_MS) /* RTO from which tcp_retries1 and tcp_retries2 are reckoned */

static td_time rto_max(const struct td_stack *st)
{
    return (td_time)knob(st, TCP_RTO_MAX_MS) * TD_MS;
}

td_time tcp_backoff_time(const struct td_stack *st, unsigned times, td_time base)
{
    td_time total = 0, wait = base;
    for (unsigned i = 0; i <= times; i++) {
        total += wait;
        wait = 2 * wait < rto_max(st) ? 2 * wait : rto_max(st);
    }
    return total;
}

static td_time user_timeout(const struct tcb *t)
{
    return (td_time)t->user_timeout_ms * TD_MS;
}

td_time tcp_patience_ends(const struct tcb *t)
{
    return t->user_timeout_ms != 0 && t->stalled_since != 0 ? t->stalled_since + user_timeout(t)
                                                            : TD_NEVER;
}

void tcp_patience_anew(const struct td_stack *st, struct tcb *t)
{
    t->stalled_since = knob(st, TCP_GIVE_UP_BY_TIME) != 0 ? 0 : st->now;
}

/* So many repetitions, or the time they stand for. */
static bool repeated_enough(const struct td_stack *st, const struct tcb *t, unsigned r)
{
    if (knob(st, TCP_GIVE_UP_BY_TIME) == 0) {
        return t->rexmits >= r;
    }
    return t->rexmits > 0 && st->now - t->stalled_since >= tcp_backoff_time(st, r, R_BASE);
}

bool tcp_r1_passed(const struct td_stack *st, const struct tcb *t)
{
    unsigned r1 = (unsigned)knob(st, TCP_RETRIES1);
    return tcp_synchronized(t) ? repeated_enough(st, t, r1) : t->rexmits >= r1;
}

/* Repetitions, or probes, a connection without a socket is allowed. alive: the RTO has not grown to
 * its largest yet. Linux's 0 means: 8 as long as it hasn't, then none. */
static unsigned orphan_retries(const struct td_stack *st, const struct tcb *t, bool alive)
{
    unsigned n = (unsigned)knob(st, TCP_ORPHAN_RETRIES);
    if (t->soft_err != 0 && !alive && knob(st, TCP_GIVE_UP_BY_TIME) != 0) {
        n = 0; /* and the network says that there is no way */
    }
    return n == 0 && alive ? 8 : n;
}

static bool text_is_over(const struct td_stack *st, const struct tcb *t)
{
    if (t->state == TCPS_SYN_SENT) {
        unsigned most = (unsigned)(t->syncnt != 0 ? t->syncnt : knob(st, TCP_SYN_RETRIES));
        return t->rexmits >= most + (unsigned)knob(st, TCP_SYN_LINEAR_TIMEOUTS);
    }
    if (t->tfo_serial != 0) { /* its user may have it already: one more (Linux) */
        return t->rexmits >= (t->syncnt != 0 ? t->syncnt : knob(st, TCP_SYNACK_RETRIES) + 1);
    }
    if (t->state == TCPS_SYN_RECEIVED) {
        return t->rexmits >= knob(st, TCP_SYNACK_RETRIES);
    }
    unsigned r2 = (unsigned)knob(st, TCP_RETRIES2);
    if (tcp_is_orphan(t)) {
        /* An RTO that is still large from the trouble before would turn the first loss into the
         * end: so much patience there is (Linux has none). */
        bool alive = t->rtt.rto < rto_max(st) || t->rexmits < ORPHAN_LEAST;
        r2 = orphan_retries(st, t, alive);
        if (t->rexmits < ORPHAN_LEAST && t->rexmits < r2) {
            return false;
        }
    }
    return repeated_enough(st, t, r2);
}

static bool probes_are_over(const struct td_stack *st, const struct tcb *t, td_time interval)
{
    unsigned most = (unsigned)knob(st, TCP_RETRIES2);
    if (tcp_is_orphan(t)) {
        bool alive = interval < rto_max(st);
        most = orphan_retries(st, t, alive);
        if (!alive && knob(st, TCP_ORPHAN_PROBES) != 0) {
            return true; /* answered or not */
        }
    }
    return t->probes >= most;
}

int tcp_give_up_error(const struct td_stack *st, const struct tcb *t)
{
    (void)st;
    bool told = !tcp_synchronized(t) || t->recv_err || !t->soft_local;
    return t->soft_err != 0 && told ? t->soft_err : ETIMEDOUT;
}

bool tcp_give_up(struct td_stack *st, struct tcb *t, enum journal_word why, td_time interval)
{
    td_time waited = t->stalled_since == 0 ? 0 : st->now - t->stalled_since;
    bool persist = why == W_TCP_PERSIST_OUT;
    bool over = persist ? probes_are_over(st, t, interval) : text_is_over(st, t);
    if (t->user_timeout_ms != 0) { /* instead of R2; a SYN's own limit stays */
        bool out = tcp_patience_ends(t) <= st->now;
        bool probes_too = persist && knob(st, TCP_GIVE_UP_BY_TIME) != 0;
        over = out || (over && (!tcp_synchronized(t) || probes_too));
        why = out ? W_TCP_USER_TIMEOUT : why;
    }
    if (!over) {
        return false;
    }
    int err = tcp_give_up_error(st, t);
    const struct journal_subject subject = tcp_subject(t);
    JOURNAL_CAUSE(st, EV_TCP_GIVE_UP, &subject, why, persist ? t->probes : t->rexmits, waited,
                  (uint64_t)(int64_t)err);
    count(st, TcpExtTCPAbortOnTimeout);
    tcp_finish(st, t, err, why);
    return true;
}
