/* tcp/uto.c: the User Timeout option (RFC 5482).
 *
 * Theory of operation. How long text may stay unacknowledged before a connection is given up is
 * each side's own business. If one side is more patient than the other, the connection still ends
 * with the less patient one. The option tells the other side how long this one would wait:
 *
 *      kind 28 │ length 4 │ G │ 15 bits      G 0: seconds, 1: minutes; zero means nothing
 *
 * It is advice. The local time-out follows it only where the user hasn't set one of his own
 * (CHANGEABLE), and only within limits (3.1):
 *
 *      USER_TIMEOUT = min(U_LIMIT, max(ADV_UTO, REMOTE_UTO, L_LIMIT))
 *
 *   ADV_UTO     what we tell: TCP_USER_TIMEOUT if it was set, else the knob tcp_uto_adv
 *   REMOTE_UTO  what the peer told last
 *   L_LIMIT     the knob tcp_uto_min, 100 s or more, and more than the RTO
 *   U_LIMIT     the knob tcp_uto_max: a peer can't make us keep connections for ever
 *
 * The option goes on the SYN or SYN-ACK and again on the first segment without SYN: whoever answers
 * SYNs without keeping state learns it there (3). It goes once more when the user sets another
 * time-out. A full segment has no room for it; then it waits for the next one that has.
 *
 * A keep-alive that came before the time-out would end the connection that the time-out was to
 * keep: with an adopted one keep-alives begin later (4.2, timers.c).
 *
 * The knob tcp_uto is ENABLED, off as the RFC has it (3). State is in struct tcp_more, made for
 * connections that use the option.
 */
#include "tcp/tcp_internal.h"

#define UTO_LEN     4u
#define UTO_MINUTES 0x8000u
#define UTO_MOST    0x7fffu

uint16_t tcp_uto_encode(uint32_t seconds)
{
    if (seconds <= UTO_MOST) {
        return (uint16_t)seconds;
    }
    uint32_t minutes = seconds / 60 + (seconds % 60 != 0);
    return (uint16_t)(UTO_MINUTES | (minutes < UTO_MOST ? minutes : UTO_MOST));
}

uint32_t tcp_uto_decode(uint16_t field)
{
    return (field & UTO_MINUTES) != 0 ? (field & UTO_MOST) * 60u : field;
}

static bool changeable(const struct tcb *t) /* the user hasn't set a time-out */
{
    return t->user_timeout_ms == 0 || tcp_uto_adopted(t);
}

static uint32_t adv_uto(const struct td_stack *st, const struct tcb *t) /* seconds */
{
    if (changeable(t)) {
        return (uint32_t)knob(st, TCP_UTO_ADV);
    }
    return t->user_timeout_ms / 1000 + (t->user_timeout_ms % 1000 != 0);
}

/* 3.1 */
static uint32_t adopted_uto(const struct td_stack *st, const struct tcb *t, uint32_t remote)
{
    uint32_t adv = adv_uto(st, t), least = (uint32_t)knob(st, TCP_UTO_MIN);
    uint32_t rto = (uint32_t)(t->rtt.rto / TD_SEC) + 1;
    uint32_t most = (uint32_t)knob(st, TCP_UTO_MAX);
    uint32_t s = adv > remote ? adv : remote;
    s = s > least ? s : least;
    s = s > rto ? s : rto;
    return s < most ? s : most;
}

void tcp_uto_offer(const struct td_stack *st, const struct tcb *t, struct tcp_opts *o)
{
    if (knob(st, TCP_UTO) != 0) {
        o->has_uto = true;
        o->uto = tcp_uto_encode(adv_uto(st, t));
    }
}

void tcp_uto_begin(struct td_stack *st, struct tcb *t)
{
    if (knob(st, TCP_UTO) == 0) {
        return;
    }
    struct tcp_more *m = tcp_more(st, t);
    if (m != NULL) {
        m->uto_on = m->uto_due = true;
    }
}

unsigned tcp_uto_fill(const struct td_stack *st, const struct tcb *t, struct tcp_emit *e,
                      unsigned room)
{
    struct tcp_more *m = t->more_state;
    if (m == NULL || !m->uto_due || (e->flags & TCP_RST) != 0 || room < UTO_LEN ||
        IPV4_HLEN + TCP_HLEN + 40u - room + UTO_LEN + e->len > t->pmtu) {
        return 0;
    }
    m->uto_due = false;
    tcp_uto_offer(st, t, &e->o);
    return UTO_LEN;
}

void tcp_uto_received(struct td_stack *st, struct tcb *t, const struct tcp_seg *s)
{
    struct tcp_more *m = t->more_state;
    uint32_t remote = tcp_uto_decode(s->h->o.uto);
    if (!s->h->o.has_uto || m == NULL || !m->uto_on || remote == 0) { /* 3.4: zero is ignored */
        return;
    }
    m->remote_uto = remote;
    bool follow = changeable(t);
    if (follow) {
        t->user_timeout_ms = adopted_uto(st, t, remote) * 1000;
        m->uto_adopted = true;
        tcp_keepalive_update(st, t);
    }
    const struct journal_subject subject = tcp_seg_subject(s, t);
    JOURNAL(st, EV_TCP_UTO, &subject, remote, t->user_timeout_ms / 1000, follow);
}

void tcp_uto_user_set(struct td_stack *st, struct tcb *t)
{
    struct tcp_more *m = t->more_state;
    if (m == NULL || !m->uto_on) {
        return;
    }
    m->uto_adopted = false;
    m->uto_due = true;
    if (t->user_timeout_ms == 0 && m->remote_uto != 0) { /* his own is taken back */
        t->user_timeout_ms = adopted_uto(st, t, m->remote_uto) * 1000;
        m->uto_adopted = true;
    }
}
