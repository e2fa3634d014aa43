/* tcp/pacing.c: segments one after the other instead of a window at once.
 *
 * Theory of operation. A window that opens by ten segments lets ten leave back to back, and a queue
 * on the way has to hold them. A paced sender spreads them: after a segment of n bytes the next
 * leaves n / rate later. The rate is cwnd / SRTT, and more than that, or cwnd would never fill:
 * twice as much in the first half of slow start (tcp_pacing_ss_ratio), a fifth more otherwise
 * (tcp_pacing_ca_ratio). A congestion control may set its own (own_pacing), and the user a limit
 * (SO_MAX_PACING_RATE), which also switches pacing on for the connection.
 *
 * The rate is always known, paced or not: TCP_INFO tells it, and how much is sent in one burst
 * depends on it. A pacer, with its timer, exists only for connections that are paced. The first ten
 * segments aren't, and a sender that comes late (its timer, or nothing to send) may catch up on at
 * most half of each segment's time.
 */
#include "tcp/tcp_internal.h"

#define UNPACED_SEGMENTS 10

struct tcp_pacer {
    struct timer timer;
    struct tcb *t;
    td_time next; /* the next segment of text leaves then, or later */
};

static void pacer_fired(struct td_stack *st, struct timer *tm)
{
    struct tcp_pacer *p = container_of(tm, struct tcp_pacer, timer);
    tcp_output(st, p->t);
}

static struct tcp_pacer *pacer(const struct tcb *t)
{
    return t->more_state != NULL ? t->more_state->pacer : NULL;
}

static struct tcp_pacer *pacer_made(struct td_stack *st, struct tcb *t)
{
    struct tcp_more *m = tcp_more(st, t);
    if (m != NULL && m->pacer == NULL) {
        m->pacer = mem_alloc(&st->mem, MEM_TCP, sizeof *m->pacer);
        if (m->pacer != NULL) {
            timer_init(&m->pacer->timer, pacer_fired, "pacing");
            m->pacer->t = t;
        }
    }
    return m != NULL ? m->pacer : NULL;
}

void tcp_pacing_stop(struct td_stack *st, struct tcb *t)
{
    struct tcp_pacer *p = pacer(t);
    if (p != NULL) {
        timer_cancel(st, &p->timer);
    }
}

void tcp_pacing_release(struct td_stack *st, struct tcb *t)
{
    struct tcp_pacer *p = pacer(t);
    if (p != NULL) {
        tcp_pacing_stop(st, t);
        mem_free(&st->mem, MEM_TCP, p, sizeof *p);
        t->more_state->pacer = NULL;
    }
}

void tcp_pacing_rate(struct tcb *t, const struct td_stack *st)
{
    struct td_cc *cc = &t->cc;
    uint64_t most = tcp_max_pacing_rate(t);
    cc->paced = knob(st, TCP_PACING) != 0 || most != UINT64_MAX;
    if (!cc->own_pacing && cc->srtt != 0) {
        uint32_t flight = tcp_flight(t);
        uint64_t w = cc->cwnd > flight ? cc->cwnd : flight;
        uint64_t percent = (uint64_t)(cc->cwnd < cc->ssthresh / 2 ? knob(st, TCP_PACING_SS_RATIO)
                                                                  : knob(st, TCP_PACING_CA_RATIO));
        uint64_t us = cc->srtt / TD_US > 0 ? cc->srtt / TD_US : 1;
        cc->pacing_rate = w * percent * (TD_SEC / TD_US / 100) / us;
    }
    if (cc->pacing_rate > most || (cc->pacing_rate == 0 && most != UINT64_MAX)) {
        cc->pacing_rate = most;
    }
}

bool tcp_pacing_wait(struct td_stack *st, struct tcb *t)
{
    struct tcp_pacer *p = pacer(t);
    if (!t->cc.paced || p == NULL || st->now >= p->next) {
        return false;
    }
    if (!timer_armed(&p->timer)) {
        const struct journal_subject subject = tcp_subject(t);
        JOURNAL(st, EV_TCP_PACED, &subject, p->next - st->now, t->cc.pacing_rate);
        timer_arm(st, &p->timer, p->next);
    }
    return true;
}

void tcp_pacing_sent(struct td_stack *st, struct tcb *t, uint32_t len)
{
    uint64_t rate = t->cc.pacing_rate;
    if (!t->cc.paced || rate == 0 || len == 0 || t->data_segs_out < UNPACED_SEGMENTS) {
        return;
    }
    struct tcp_pacer *p = pacer_made(st, t);
    if (p == NULL) { /* unpaced: it must go on */
        return;
    }
    uint32_t headers = IPV4_HLEN + TCP_HLEN;
    td_time takes = (uint64_t)(len + headers) * TD_SEC / rate;
    if (p->next > st->now) { /* of the same burst */
        p->next += takes;
        return;
    }
    td_time late = st->now - p->next;
    p->next = st->now + takes - (late < takes / 2 ? late : takes / 2);
}

const struct timer *tcp_pacing_timer(const struct tcb *t)
{
    const struct tcp_pacer *p = pacer(t);
    return p != NULL ? &p->timer : NULL;
}

const struct tcb *tcp_pacing_owner(const struct timer *tm)
{
    return container_of(tm, const struct tcp_pacer, timer)->t;
}
