/* tcp/more.c: what few connections need, and what one inherits from another.
 *
 * Theory of operation. An idle connection must stay small, so what only some of them use (options
 * that hardly anybody sets, the account of where the time went, the search for a larger MTU) has a
 * block of its own that is made when the first of it is needed and goes with the connection. Who
 * asks without wanting to set anything gets the default if there is no block.
 *
 * What the user has set on a listener holds for the connections that come from it, as in Linux; and
 * what was set on a connection stays when connect(AF_UNSPEC) makes the socket new. Both are
 * tcp_options_inherit.
 */
#include "tcp/tcp_internal.h"

struct tcp_more *tcp_more(struct td_stack *st, struct tcb *t)
{
    if (t->more_state == NULL) {
        struct tcp_more *m = mem_alloc(&st->mem, MEM_TCP, sizeof *m);
        if (m == NULL) {
            return NULL;
        }
        m->max_pacing_rate = UINT64_MAX;
        m->notsent_lowat = (uint32_t)knob(st, TCP_NOTSENT_LOWAT);
        t->more_state = m;
    }
    return t->more_state;
}

void tcp_more_free(struct td_stack *st, struct tcb *t)
{
    if (t->more_state != NULL) {
        tcp_fastopen_free(st, t->more_state);
        tcp_eor_free(st, t->more_state);
    }
    mem_free(&st->mem, MEM_TCP, t->more_state, sizeof *t->more_state);
    t->more_state = NULL;
}

uint64_t tcp_max_pacing_rate(const struct tcb *t)
{
    return t->more_state != NULL ? t->more_state->max_pacing_rate : UINT64_MAX;
}

void tcp_more_inherit(struct td_stack *st, struct tcb *t, const struct tcb *by)
{
    const struct tcp_more *from = by->more_state;
    if (from == NULL || (from->max_pacing_rate == UINT64_MAX && from->notsent_option == 0 &&
                         from->rcvlowat == 0 && from->mark == 0)) {
        return;
    }
    struct tcp_more *m = tcp_more(st, t);
    if (m == NULL) {
        return; /* the defaults, then */
    }
    m->max_pacing_rate = from->max_pacing_rate;
    m->notsent_lowat = from->notsent_lowat;
    m->notsent_option = from->notsent_option;
    m->rcvlowat = from->rcvlowat;
    m->mark = from->mark;
}

void tcp_options_inherit(struct tcb *t, const struct tcb *from)
{
    t->ep.tos = from->ep.tos;
    t->ep.ttl = from->ep.ttl;
    t->reuse_addr = from->reuse_addr;
    t->reuse_port = from->reuse_port;
    t->nodelay = from->nodelay;
    t->cork = from->cork;
    t->keepalive = from->keepalive;
    t->keepidle = from->keepidle;
    t->keepintvl = from->keepintvl;
    t->keepcnt = from->keepcnt;
    t->syncnt = from->syncnt;
    t->linger = from->linger;
    t->linger_s = from->linger_s;
    t->linger2 = from->linger2;
    t->oob_inline = from->oob_inline;
    t->user_timeout_ms = from->user_timeout_ms;
    t->user_mss = from->user_mss;
    t->window_clamp = from->window_clamp;
    t->sndbuf_limit = from->sndbuf_limit;
    t->rcvbuf_limit = from->rcvbuf_limit;
    t->sndbuf_locked = from->sndbuf_locked;
    t->rcvbuf_locked = from->rcvbuf_locked;
    t->quickack_off = from->quickack_off;
    t->recv_err = from->recv_err;
    t->inq = from->inq;
    t->pmtudisc = from->pmtudisc;
    if (from->cc_chosen) { /* else the default of the moment, not of when the listener was made */
        t->cc.ops = from->cc.ops;
        t->cc_chosen = true;
    }
}
