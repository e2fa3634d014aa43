/* tcp/lookup.c: which connections do somebody's words mean?
 *
 * Theory of operation. The data path finds an endpoint by all four parts of its tuple. A person
 * says less: a number, a port, the peer's address. So this walks the table of endpoints from the
 * newest to the oldest and takes those where whatever was said is so; when everything was said, it
 * is the hash's one lookup. Listening sockets come last, since they are in no connection that
 * somebody talks about by an address.
 */
#include "tcp/tcp_internal.h"

#include <string.h>

static struct tcp_found found(const struct tcp_ep *ep)
{
    struct tcp_found f = {.a = {.laddr = ep->a.laddr,
                                .raddr = ep->a.raddr,
                                .lport = ep->a.lport,
                                .rport = ep->a.rport}};
    if (ep->kind == TCP_EP_TIME_WAIT) {
        f.id = container_of(ep, const struct timewait, ep)->id;
        f.state = TCPS_TIME_WAIT;
    } else if (ep->kind == TCP_EP_HALF_OPEN) {
        f.state = TCPS_SYN_RECEIVED;
    } else {
        const struct tcb *t = container_of(ep, const struct tcb, ep);
        f.state = (enum tcp_state)t->state;
        f.id = t->id;
    }
    return f;
}

static bool matches(const struct tcp_wanted *w, const struct tcp_found *f)
{
    return (w->id == 0 || w->id == f->id) && (w->a.laddr == 0 || w->a.laddr == f->a.laddr) &&
           (w->a.raddr == 0 || w->a.raddr == f->a.raddr) &&
           (w->a.lport == 0 || w->a.lport == f->a.lport) &&
           (w->a.rport == 0 || w->a.rport == f->a.rport);
}

static unsigned walk(const struct td_stack *st, const struct tcp_wanted *w, bool listening,
                     struct tcp_found *f, unsigned most)
{
    unsigned n = 0;
    for (const struct hash_node *e = st->tcp->eps.newest; e != NULL && n < most; e = e->older) {
        f[n] = found(container_of(e, const struct tcp_ep, node));
        bool unconnected = f[n].state == TCPS_LISTEN || f[n].state == TCPS_CLOSED;
        if (unconnected == listening && matches(w, &f[n])) {
            n++;
        }
    }
    return n;
}

unsigned tcp_find(const struct td_stack *st, const struct tcp_wanted *w, struct tcp_found *f,
                  unsigned most)
{
    if (w->id == 0 && w->a.laddr != 0 && w->a.raddr != 0 && w->a.lport != 0 && w->a.rport != 0) {
        const struct tcp_tuple a = {w->a.laddr, w->a.raddr, w->a.lport, w->a.rport};
        const struct tcp_ep *ep = tcp_ep_find(st, &a);
        if (ep == NULL || most == 0) {
            return 0;
        }
        f[0] = found(ep);
        return 1;
    }
    unsigned n = walk(st, w, false, f, most);
    if (w->listening) {
        n += walk(st, w, true, f + n, most - n);
    }
    return n;
}

bool tcp_count_states(struct td_stack *st, uint64_t *cursor, unsigned most,
                      uint64_t counts[TCPS_CLOSING + 1])
{
    const struct hash_node *e = hash_from(&st->tcp->eps, *cursor);
    for (; e != NULL && most > 0; e = e->newer, most--) {
        counts[found(container_of(e, const struct tcp_ep, node)).state]++;
        *cursor = (uint64_t)e->order + 1;
    }
    return e == NULL;
}

/* ---- timers ---- */

unsigned tcp_timers_of(const struct td_stack *st, const struct tcp_addrs *a,
                       const struct timer *v[TCP_TIMERS_MOST])
{
    const struct tcp_tuple tuple = {a->laddr, a->raddr, a->lport, a->rport};
    const struct tcp_ep *ep = tcp_ep_find(st, &tuple);
    const struct timer *all[TCP_TIMERS_MOST] = {NULL};
    unsigned n = 0;
    if (ep != NULL && ep->kind == TCP_EP_TIME_WAIT) {
        all[0] = &container_of(ep, const struct timewait, ep)->timer;
    } else if (ep != NULL && ep->kind == TCP_EP_HALF_OPEN) {
        all[0] = &container_of(ep, const struct half_open, ep)->timer;
    } else if (ep != NULL) {
        const struct tcb *t = container_of(ep, const struct tcb, ep);
        all[0] = &t->t_rtx;
        all[1] = &t->t_delack;
        all[2] = &t->t_ctl;
        all[3] = tcp_pacing_timer(t);
    }
    for (unsigned i = 0; i < TCP_TIMERS_MOST; i++) {
        if (all[i] != NULL && timer_armed(all[i])) {
            v[n++] = all[i];
        }
    }
    return n;
}

static bool is_one_of(const char *name, const char *const *names)
{
    while (*names != NULL && strcmp(name, *names) != 0) {
        names++;
    }
    return *names != NULL;
}

bool tcp_timer_owner(const struct timer *t, struct tcp_found *f)
{
    static const char *const rtx[] = {"rexmt",    "probe", "reorder", "persist",
                                      "override", "ecn",   NULL};
    static const char *const ctl[] = {"keepalive", "fin-wait-2", "linger", NULL};
    const char *name = t->kind->name;
    const struct tcb *b = NULL;
    if (is_one_of(name, rtx)) {
        b = container_of(t, const struct tcb, t_rtx);
    } else if (is_one_of(name, ctl)) {
        b = container_of(t, const struct tcb, t_ctl);
    } else if (strcmp(name, "delack") == 0) {
        b = container_of(t, const struct tcb, t_delack);
    } else if (strcmp(name, "pacing") == 0) {
        b = tcp_pacing_owner(t);
    } else if (strcmp(name, "syn-ack") == 0) {
        *f = found(&container_of(t, const struct half_open, timer)->ep);
        return true;
    } else if (strcmp(name, "time-wait") == 0) {
        *f = found(&container_of(t, const struct timewait, timer)->ep);
        return true;
    }
    if (b != NULL) {
        *f = found(&b->ep);
    }
    return b != NULL;
}
