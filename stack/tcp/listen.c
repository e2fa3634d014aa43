/* tcp/listen.c: passive OPEN: from a SYN to an accepted connection.
 *
 * Theory of operation. A listener isn't turned into the connection; each SYN makes a child in
 * SYN-RECEIVED, with the listener as parent (RFC 9293 3.10.7.2 "child TCB"). The child waits in the
 * parent's SYN queue until its handshake is complete, then in the accept queue until the user takes
 * it.
 *
 *      SYN ─► SYN queue ── ACK ─► accept queue ── accept() ─► the user
 *              │ RST, time-out       │
 *              ▼                     ▼ listener closed
 *            gone                  reset
 *
 * Both queues are bounded. A SYN that finds the accept queue full is dropped without a word, so
 * that the peer tries again (Linux's behaviour); when tcp_max_syn_backlog handshakes are under way,
 * the oldest of them gives way. When the accept queue has filled up during a handshake, its last
 * ACK is ignored: our SYN-ACK is repeated by its timer and the peer's answer tried again.
 * tcp_abort_on_overflow resets instead.
 */
#include "tcp/tcp_internal.h"

#include <errno.h>
#include <poll.h>

static void queue_push(struct tcb ***tail, struct tcb *t)
{
    t->q_next = NULL;
    t->q_prev = *tail;
    **tail = t;
    *tail = &t->q_next;
}

static void queue_remove(struct tcb ***tail, struct tcb *t)
{
    *t->q_prev = t->q_next;
    if (t->q_next != NULL) {
        t->q_next->q_prev = t->q_prev;
    } else {
        *tail = t->q_prev;
    }
    t->q_next = NULL;
    t->q_prev = NULL;
}

int tcp_listen(struct td_stack *st, struct tcb *t, int backlog)
{
    uint32_t n = backlog < 0 ? 0 : (uint32_t)backlog;
    if (t->state == TCPS_LISTEN) {
        t->lsn->backlog = n;
        return 0;
    }
    if (t->state != TCPS_CLOSED || t->err != 0 || t->was_connected) {
        return -EINVAL; /* it had its connection */
    }
    if (t->port == NULL) { /* never bound, or listening was shut down */
        struct tcp_tuple was = t->ep.a;
        t->ep.a = (struct tcp_tuple){0};
        int e = tcp_bind(st, t, was.laddr, was.lport, t->reuse_addr, t->reuse_port);
        if (e != 0) {
            t->ep.a = was;
            return e;
        }
    }
    /* Somebody who shares the port by SO_REUSEADDR may listen there already. */
    for (struct tcb *o = t->port->listeners; o != NULL; o = o->lsn->next) {
        bool overlap = o->ep.a.laddr == 0 || t->ep.a.laddr == 0 || o->ep.a.laddr == t->ep.a.laddr;
        if (overlap && !(o->reuse_port && t->reuse_port)) {
            return -EADDRINUSE; /* MUST-41 */
        }
    }
    struct tcp_listener *l = mem_alloc(&st->mem, MEM_TCP, sizeof *l);
    if (l == NULL) {
        return -ENOMEM;
    }
    l->self = t;
    l->syn_tail = &l->syn_queue;
    l->accept_tail = &l->accept_queue;
    l->backlog = n;
    struct tcb **at = &t->port->listeners;
    while (*at != NULL) {
        at = &(*at)->lsn->next;
    }
    *at = t;
    t->lsn = l;
    tcp_set_state(st, t, TCPS_LISTEN, W_TCP_PASSIVE_OPEN);
    const struct journal_subject subject = tcp_subject(t);
    JOURNAL(st, EV_TCP_LISTEN, &subject, t->ep.a.laddr, t->ep.a.lport, n);
    return 0;
}

static void syn_drop(struct td_stack *st, struct tcb *l, const struct tcp_seg *s,
                     enum journal_word why, uint32_t waiting)
{
    const struct journal_subject subject = tcp_seg_subject(s, l);
    count(st, TcpExtListenDrops);
    JOURNAL(st, EV_TCP_DROP_SYN, &subject, why, s->a.raddr, s->a.rport, waiting);
}

/* RFC 4987 3.4: the handshake that has waited longest gives way, without a word. One that is
 * answered within the time a flood takes to go round the queue gets through. */
static void make_room(struct td_stack *st, struct tcb *l)
{
    struct tcb *oldest = l->lsn->syn_queue;
    const struct journal_subject subject = tcp_subject(oldest);
    count(st, TcpExtTCPReqQFullDrop);
    count(st, TcpExtListenDrops);
    JOURNAL(st, EV_TCP_DROP_SYN, &subject, W_TCP_SYN_FULL, oldest->ep.a.raddr, oldest->ep.a.rport,
            l->lsn->nsyn);
    tcp_finish(st, oldest, 0, W_TCP_SYN_FULL);
}

/* 3.10.7.2, third step: the SYN of a new connection. */
void tcp_listen_syn(struct td_stack *st, struct tcb *l, struct tcp_seg *s)
{
    struct tcp_listener *q = l->lsn;
    if (q->naccept > q->backlog) {
        count(st, TcpExtListenOverflows);
        syn_drop(st, l, s, W_TCP_OVERFLOW, q->naccept);
        return;
    }
    if (q->nsyn >= (uint64_t)knob(st, TCP_MAX_SYN_BACKLOG)) {
        make_room(st, l);
    }
    if (s->a.rport == 0 || s->a.lport == 0) {
        syn_drop(st, l, s, W_TCP_STATE, q->nsyn);
        return;
    }
    struct tcb *t = tcp_alloc(st);
    if (t == NULL) {
        syn_drop(st, l, s, W_NO_MEMORY, q->nsyn);
        return;
    }
    t->ep.a = s->a;
    t->ep.tos = l->ep.tos;
    t->ep.ttl = l->ep.ttl;
    t->passive = true;
    t->parent = l;
    /* What the user set on the listener holds for its connections. */
    t->reuse_addr = l->reuse_addr;
    t->reuse_port = l->reuse_port;
    t->nodelay = l->nodelay;
    t->keepalive = l->keepalive;
    t->keepidle = l->keepidle;
    t->keepintvl = l->keepintvl;
    t->keepcnt = l->keepcnt;
    t->linger = l->linger;
    t->linger_s = l->linger_s;
    t->linger2 = l->linger2;
    t->oob_inline = l->oob_inline;
    t->user_timeout_ms = l->user_timeout_ms;
    t->user_mss = l->user_mss;
    t->window_clamp = l->window_clamp;
    t->sndbuf_limit = l->sndbuf_limit;
    t->rcvbuf_limit = l->rcvbuf_limit;
    t->sndbuf_locked = l->sndbuf_locked;
    t->rcvbuf_locked = l->rcvbuf_locked;
    t->quickack_off = l->quickack_off;
    t->recv_err = l->recv_err;
    t->cc.ops = l->cc.ops;
    if (tcp_ep_insert(st, &t->ep) != 0 || tcp_port_join(st, t, t->ep.a.lport) != 0) {
        syn_drop(st, l, s, W_NO_MEMORY, q->nsyn);
        t->parent = NULL;
        tcp_finish(st, t, 0, W_NO_MEMORY);
        return;
    }
    t->irs = s->seq;
    t->rcv_nxt = s->seq + 1;
    t->copied_seq = t->rcv_nxt;
    t->rcv_up = t->rcv_nxt;
    t->iss = tcp_isn(st, &t->ep.a);
    if (s->reopens && seq_le(t->iss, s->beyond)) {
        t->iss = s->beyond + UINT16_MAX; /* MAY-2: larger than any number of the old connection */
    }
    t->snd_una = t->iss;
    t->snd_nxt = t->iss;
    t->rtx_nxt = t->iss;
    t->snd_sml = t->iss;
    sndbuf_init(&t->snd, t->iss + 1);
    tcp_recovery_newreno.init(st, t);
    t->snd_wnd = s->wnd;
    t->max_snd_wnd = s->wnd;
    t->snd_wl1 = s->seq;
    t->snd_wl2 = t->iss;
    t->last_rcvd = st->now;
    t->born = st->now;
    queue_push(&q->syn_tail, t);
    q->nsyn++;
    tcp_ecn_syn_in(st, t, s->flags, s->tos);
    tcp_syn_options_take(st, t, &s->h->o);
    const struct journal_subject subject = tcp_seg_subject(s, t);
    JOURNAL_CAUSE(st, EV_TCP_SYN_IN, &subject, s->a.raddr, s->a.rport, s->a.lport, t->irs, t->iss,
                  t->peer_mss, q->nsyn);
    count(st, TcpPassiveOpens);
    tcp_set_state(st, t, TCPS_SYN_RECEIVED, W_TCP_SYN_RECEIVED);
    /* Text on the SYN isn't kept nor acknowledged: the peer repeats it after the handshake. */
    tcp_send_syn(st, t);
    tcp_rtx_arm(st, t, TRTX_REXMT);
}

bool tcp_listen_defers(struct td_stack *st, struct tcb *t, const struct tcp_seg *s)
{
    uint32_t defer = t->parent->defer_accept;
    if (defer == 0 || s->len > 0 || st->now - t->born >= defer * TD_SEC) {
        return false;
    }
    const struct journal_subject subject = tcp_seg_subject(s, t);
    JOURNAL(st, EV_TCP_DROP_ACK, &subject, W_TCP_DEFERRED, s->ack, t->snd_una, t->snd_nxt);
    return true;
}

bool tcp_listen_room(struct td_stack *st, struct tcb *t)
{
    struct tcp_listener *q = t->parent->lsn;
    if (q->naccept <= q->backlog) {
        return true;
    }
    const struct journal_subject subject = tcp_subject(t);
    count(st, TcpExtListenOverflows);
    count(st, TcpExtListenDrops);
    JOURNAL(st, EV_TCP_DROP_ACCEPT, &subject, q->naccept, q->backlog);
    if (knob(st, TCP_ABORT_ON_OVERFLOW) != 0) {
        tcp_send_rst(st, t, W_TCP_OVERFLOW);
        tcp_finish(st, t, 0, W_TCP_OVERFLOW);
    }
    return false;
}

bool tcp_listen_complete(struct td_stack *st, struct tcb *t)
{
    struct tcb *l = t->parent;
    struct tcp_listener *q = l->lsn;
    queue_remove(&q->syn_tail, t);
    q->nsyn--;
    queue_push(&q->accept_tail, t);
    q->naccept++;
    t->in_accept = true;
    const struct journal_subject subject = tcp_subject(t);
    JOURNAL(st, EV_TCP_ACCEPTABLE, &subject, q->naccept, q->backlog);
    if (l->up != NULL) {
        l->up->acceptable(st, l->owner);
    }
    return true;
}

struct tcb *tcp_accept(struct td_stack *st, struct tcb *l, void *owner, uint32_t id,
                       const struct tcp_upcalls *up)
{
    struct tcp_listener *q = l->lsn;
    if (q == NULL || q->accept_queue == NULL) {
        return NULL;
    }
    struct tcb *t = q->accept_queue;
    tcp_listen_forget(st, t);
    t->owner = owner;
    t->id = id;
    t->up = up;
    const struct journal_subject subject = tcp_subject(t);
    JOURNAL(st, EV_TCP_ACCEPT, &subject, t->ep.a.raddr, t->ep.a.rport, id);
    t->poll_told = tcp_poll(t);
    if (t->tw != NULL) {
        t->tw->id = id;
    }
    return t;
}

void tcp_listen_forget(struct td_stack *st, struct tcb *t)
{
    (void)st;
    struct tcp_listener *q = t->parent->lsn;
    if (t->q_prev != NULL) {
        if (t->in_accept) {
            queue_remove(&q->accept_tail, t);
            q->naccept--;
        } else {
            queue_remove(&q->syn_tail, t);
            q->nsyn--;
        }
    }
    t->in_accept = false;
    t->parent = NULL;
}

/* CLOSE of a listener: its children are reset; half-open ones just disappear. */
void tcp_listen_close(struct td_stack *st, struct tcb *l)
{
    struct tcp_listener *q = l->lsn;
    while (q->syn_queue != NULL) {
        struct tcb *t = q->syn_queue;
        tcp_send_rst(st, t, W_TCP_LISTENER_CLOSED);
        tcp_finish(st, t, 0, W_TCP_LISTENER_CLOSED);
    }
    while (q->accept_queue != NULL) {
        struct tcb *t = q->accept_queue;
        if (t->state != TCPS_CLOSED && t->state != TCPS_TIME_WAIT) {
            tcp_send_rst(st, t, W_TCP_LISTENER_CLOSED);
        }
        tcp_listen_forget(st, t);
        t->orphan = true;
        st->tcp->norphans++;
        tcp_finish(st, t, 0, W_TCP_LISTENER_CLOSED);
    }
    struct tcb **at = &l->port->listeners;
    while (*at != NULL && *at != l) {
        at = &(*at)->lsn->next;
    }
    if (*at == l) {
        *at = q->next;
    }
    mem_free(&st->mem, MEM_TCP, q, sizeof *q);
    l->lsn = NULL;
}
