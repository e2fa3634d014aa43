/* tcp/cc/cc.c: which congestion controls there are, and how a connection comes by one.
 *
 * Theory of operation. A connection's organ is chosen when it begins (the knob
 * net.ipv4.tcp_congestion_control) or by TCP_CONGESTION. The organ's own state is allocated when
 * the connection sends its first text, so that connections that only receive, or idle, don't pay
 * for it. Everybody else talks to the organ through the functions here: they keep the shared fields
 * true, and write to the journal what the organ did.
 *
 * The order of the list is that of the words of the knob.
 */
#include "tcp/tcp_internal.h"

#include <string.h>

static const struct td_cc_ops *const known[] = {&tcp_cc_reno};

const struct td_cc_ops *tcp_cc_find(const char *name)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i]->name, name) == 0) {
            return known[i];
        }
    }
    return NULL;
}

const struct td_cc_ops *tcp_cc_default(const struct td_stack *st)
{
    size_t i = (size_t)knob(st, TCP_CONGESTION_CONTROL);
    return known[i < sizeof known / sizeof known[0] ? i : 0];
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
    if (ops->state_size == 0 && ops->init != NULL) {
        ops->init(&t->cc, st->now);
    }
}

static void want_state(struct td_stack *st, struct tcb *t)
{
    const struct td_cc_ops *ops = t->cc.ops;
    if (ops->state_size != 0 && t->cc.state == NULL) {
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
    t->cc.mss = t->mss;
    want_state(st, t);
    t->cc.ops->acked(&t->cc, ack);
    if (t->cc.cwnd != was) {
        JOURNAL(st, EV_TCP_CWND_GROW, &subject, t->cc.cwnd, t->cc.ssthresh, ack->acked);
    }
}

void tcp_cc_reduce(struct td_stack *st, struct tcb *t, enum td_cc_cause why, uint32_t flight)
{
    t->cc.mss = t->mss;
    want_state(st, t);
    t->cc.prior_cwnd = t->cc.cwnd;
    t->cc.prior_ssthresh = t->cc.ssthresh;
    t->cc.ssthresh = t->cc.ops->ssthresh(&t->cc, why, flight, st->now);
}

void tcp_cc_event(struct td_stack *st, struct tcb *t, enum td_cc_event what)
{
    t->cc.mss = t->mss;
    want_state(st, t);
    if (t->cc.ops->event != NULL) {
        t->cc.ops->event(&t->cc, what, st->now);
    }
}

void tcp_cc_undo(struct td_stack *st, struct tcb *t)
{
    uint32_t back = t->cc.prior_cwnd > t->cc.cwnd ? t->cc.prior_cwnd : t->cc.cwnd;
    t->cc.cwnd = t->cc.ops->undo != NULL ? t->cc.ops->undo(&t->cc, st->now) : back;
    if (t->cc.prior_ssthresh > t->cc.ssthresh) {
        t->cc.ssthresh = t->cc.prior_ssthresh;
    }
    tcp_cc_event(st, t, TD_CC_UNDONE);
}
