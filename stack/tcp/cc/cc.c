/* tcp/cc/cc.c: which congestion controls there are, and how a connection comes by one.
 *
 * Theory of operation. A connection's organ is chosen when it begins (the knob
 * net.ipv4.tcp_congestion_control) or by TCP_CONGESTION. The organ's own state is allocated when
 * cwnd first holds the sender back, or something is lost, so that connections that only receive,
 * idle, or send a little now and then, don't pay for it. Everybody else talks to the organ through
 * the functions here: they keep the shared fields true, and write to the journal what the organ
 * did.
 *
 * The order of the list is that of the words of the knobs. An instance's own list (organs.c) begins with it; behind
 * it stand those that were added, which everybody may use.
 */
#include "tcp/tcp_internal.h"

#include <string.h>

static const struct td_cc_ops *const known[] = {&tcp_cc_reno, &tcp_cc_cubic, &tcp_cc_vegas};
#define KNOWN (sizeof known / sizeof known[0])
_Static_assert(KNOWN == TCP_CC_OURS, "the number that others know");

uint8_t tcp_cc_ours(const struct td_cc_ops **list)
{
    memcpy(list, known, sizeof known);
    return KNOWN;
}

const struct td_cc_ops *tcp_cc_find(const struct td_stack *st, const char *name)
{
    const struct tcp_organs *o = &st->tcp->organs;
    for (unsigned i = 0; i < o->count[TD_ORGAN_CC]; i++) {
        if (strcmp(o->cc[i]->name, name) == 0) {
            return o->cc[i];
        }
    }
    return NULL;
}

bool tcp_cc_allowed(const struct td_stack *st, const struct td_cc_ops *ops)
{
    for (size_t i = 0; i < KNOWN; i++) {
        if (known[i] == ops) {
            return (knob(st, TCP_ALLOWED_CC) >> i & 1) != 0;
        }
    }
    return true; /* whoever added it wants it used */
}

const struct td_cc_ops *tcp_cc_default(const struct td_stack *st)
{
    const struct tcp_organs *o = &st->tcp->organs;
    size_t i = (size_t)knob(st, TCP_CONGESTION_CONTROL);
    if (o->chosen[TD_ORGAN_CC] >= KNOWN) {
        return o->cc[o->chosen[TD_ORGAN_CC]];
    }
    return known[i < KNOWN ? i : 0];
}

void tcp_cc_release(struct td_stack *st, struct tcb *t)
{
    if (t->cc.state != NULL) {
        mem_free(&st->mem, MEM_TCP, t->cc.state, t->cc.ops->state_size);
        t->cc.state = NULL;
    }
}

void tcp_cc_set(struct td_stack *st, struct tcb *t, const struct td_cc_ops *ops)
{
    tcp_cc_release(st, t);
    t->cc.ops = ops;
    t->cc.count = 0;
    t->cc.own_pacing = false;
    t->cc.phase = t->cc.cwnd < t->cc.ssthresh ? TD_CC_SLOW_START : TD_CC_AVOIDANCE;
    if (ops->state_size == 0 && ops->init != NULL) {
        ops->init(&t->cc, st->now);
    }
}

static enum journal_word phase_word(uint8_t phase)
{
    static const enum journal_word words[] = {
        [TD_CC_SLOW_START] = W_TCP_SLOW_START, [TD_CC_CSS] = W_TCP_CSS,
        [TD_CC_AVOIDANCE] = W_TCP_AVOIDANCE,   [TD_CC_CONCAVE] = W_TCP_CONCAVE,
        [TD_CC_CONVEX] = W_TCP_CONVEX,         [TD_CC_RENO_FRIENDLY] = W_TCP_RENO_FRIENDLY,
    };
    return words[phase < sizeof words / sizeof words[0] ? phase : TD_CC_AVOIDANCE];
}

/* What the organ sees is made true before it is asked. */
static void prepare(struct td_stack *st, struct tcb *t, bool state)
{
    const struct td_cc_ops *ops = t->cc.ops;
    uint64_t limit = (uint64_t)knob(st, TCP_ABC);
    t->cc.mss = t->mss;
    t->cc.hystart = (uint8_t)(knob(st, TCP_CUBIC_HYSTART) & 3);
    limit = limit == 0 ? UINT32_MAX : t->cc.timed_out ? t->mss : limit * t->mss; /* RFC 3465 2.3 */
    t->cc.slow_limit = (uint32_t)limit;
    if (state && ops->state_size != 0 && t->cc.state == NULL) {
        t->cc.state = mem_alloc(&st->mem, MEM_TCP, ops->state_size);
        if (ops->init != NULL) {
            ops->init(&t->cc, st->now);
        }
    }
}

void tcp_cc_acked(struct td_stack *st, struct tcb *t, const struct td_cc_ack *ack)
{
    const struct journal_subject subject = tcp_subject(t);
    uint32_t was = t->cc.cwnd;
    uint8_t phase = t->cc.phase;
    prepare(st, t, ack->cwnd_limited);
    t->cc.ops->acked(&t->cc, ack);
    tcp_cwnd_in_bounds(t);
    tcp_pacing_rate(t, st);
    if (t->first_window && seq_ge(ack->una, t->first_window_end)) {
        t->first_window = false;
    }
    if (t->cc.cwnd >= t->cc.ssthresh) {
        t->cc.timed_out = false;
    }
    if (t->cc.phase != phase) {
        JOURNAL(st, EV_TCP_CC_PHASE, &subject, phase_word(phase), phase_word(t->cc.phase),
                t->cc.cwnd, t->cc.ssthresh);
    }
    if (t->cc.cwnd != was) {
        JOURNAL(st, EV_TCP_CWND_GROW, &subject, t->cc.cwnd, t->cc.ssthresh, ack->acked);
    }
    tcp_series(st, t);
}

void tcp_cc_reduce(struct td_stack *st, struct tcb *t, enum td_cc_cause why, uint32_t flight)
{
    bool segments = knob(st, TCP_CWND_SEGMENTS) != 0;
    prepare(st, t, true);
    t->cc.prior_cwnd = t->cc.cwnd;
    t->cc.prior_ssthresh = t->cc.ssthresh;
    t->cc.timed_out = why == TD_CC_TIMEOUT;
    tcp_cwnd_lost(t, flight);
    uint32_t s = t->cc.ops->ssthresh(&t->cc, why, segments ? t->cc.cwnd : flight, st->now);
    s = FAULT_ON(st, NO_REDUCTION) ? t->cc.cwnd : s;
    if (segments && t->mss != 0) {
        s -= s % t->mss;
    }
    t->cc.ssthresh = s > 2u * t->mss ? s : 2u * t->mss; /* whatever the organ says: RFC 5681 (4) */
}

void tcp_cc_event(struct td_stack *st, struct tcb *t, enum td_cc_event what)
{
    if (t->cc.ops->event != NULL && (t->cc.ops->state_size == 0 || t->cc.state != NULL)) {
        t->cc.mss = t->mss;
        t->cc.ops->event(&t->cc, what, st->now); /* an organ that never grew has nothing to learn */
    }
}

void tcp_cc_undo(struct td_stack *st, struct tcb *t)
{
    uint32_t back = t->cc.prior_cwnd > t->cc.cwnd ? t->cc.prior_cwnd : t->cc.cwnd;
    t->cc.cwnd = t->cc.ops->undo != NULL ? t->cc.ops->undo(&t->cc, st->now) : back;
    tcp_cwnd_in_bounds(t);
    t->cc.timed_out = false;
    if (t->cc.prior_ssthresh > t->cc.ssthresh) {
        t->cc.ssthresh = t->cc.prior_ssthresh;
    }
    tcp_cc_event(st, t, TD_CC_UNDONE);
}
