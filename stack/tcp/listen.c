/* tcp/listen.c: passive OPEN: from a SYN to an accepted connection.
 *
 * Theory of operation. A listener isn't turned into the connection; each SYN makes a child in
 * SYN-RECEIVED (RFC 9293 3.10.7.2 "child TCB"). It is a small record in the listener's SYN queue
 * (syncache.c) until its handshake is complete; then a connection in the accept queue, with the
 * listener as parent, until the user takes it.
 *
 *      SYN ─► SYN queue ── ACK ─► accept queue ── accept() ─► the user
 *              │ RST, time-out       │
 *              ▼                     ▼ listener closed
 *            gone                  reset
 *
 * Both queues are bounded. A SYN that finds the accept queue full is dropped without a word, so
 * that the peer tries again (Linux's behaviour). When more handshakes are under way than the
 * backlog says, SYNs are answered with cookies and nothing is kept of them (cookies.c,
 * tcp_syncookies); without cookies, at tcp_max_syn_backlog the oldest handshake gives way. When the
 * accept queue has filled up during a handshake, its last ACK is ignored: our SYN-ACK is repeated
 * by its timer and the peer's answer tried again. tcp_abort_on_overflow resets instead.
 */
#include "tcp/seglog.h"
#include "tcp/tcp_internal.h"

#include <errno.h>

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
    if (t->state != TCPS_CLOSED || t->was_connected) {
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
    tcp_fastopen_listen(st, t);
    const struct journal_subject subject = tcp_subject(t);
    JOURNAL(st, EV_TCP_LISTEN, &subject, t->ep.a.laddr, t->ep.a.lport, n);
    return 0;
}

/* ---- a SYN ---- */

void tcp_syn_drop(struct td_stack *st, struct tcb *l, const struct tcp_seg *s,
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
    struct half_open *oldest = l->lsn->syn_queue;
    const struct journal_subject subject = tcp_half_open_subject(oldest, NULL);
    count(st, TcpExtTCPReqQFullDrop);
    count(st, TcpExtListenDrops);
    JOURNAL(st, EV_TCP_DROP_SYN, &subject, W_TCP_SYN_FULL, oldest->ep.a.raddr, oldest->ep.a.rport,
            l->lsn->nsyn);
    tcp_half_open_end(st, oldest, W_TCP_SYN_FULL);
}

void tcp_child_inherit(struct tcb *t, const struct tcb *l)
{
    t->passive = true;
    tcp_options_inherit(t, l);
}

/* All that is counted from our initial sequence number. */
static void count_from_iss(struct tcb *t)
{
    t->snd_una = t->iss;
    t->snd_nxt = t->iss;
    t->rtx_nxt = t->iss;
    t->snd_sml = t->iss;
    t->snd_wl2 = t->iss;
    sndbuf_init(&t->snd, t->iss + 1);
}

void tcp_child_pin(struct td_stack *st, struct tcb *t)
{
    if (tcp_pin_take(st, t)) {
        count_from_iss(t);
    }
}

void tcp_child_init(struct td_stack *st, struct tcb *t, struct tcb *l, const struct tcp_seg *s)
{
    tcp_child_inherit(t, l);
    t->ep.a = s->a;
    t->id = l->id; /* for the journal */
    t->state = TCPS_SYN_RECEIVED;
    t->irs = s->seq;
    t->rcv_nxt = s->seq + 1;
    t->copied_seq = t->rcv_nxt;
    t->rcv_up = t->rcv_nxt;
    t->iss = tcp_isn(st, &t->ep.a);
    if (s->reopens && seq_le(t->iss, s->beyond)) {
        t->iss = s->beyond + UINT16_MAX; /* MAY-2: larger than any number of the old connection */
    }
    count_from_iss(t);
    t->snd_wnd = s->wnd;
    t->max_snd_wnd = s->wnd;
    t->snd_wl1 = s->seq;
    t->last_rcvd = st->now;
    tcp_ecn_syn_in(st, t, s->flags, s->tos);
    tcp_syn_options_take(st, t, &s->h->o);
}

void tcp_child_syn_ack(struct td_stack *st, struct tcb *t, bool again,
                       const struct tcp_tfo_cookie *cookie)
{
    struct tcp_emit e = {
        .a = t->ep.a,
        .seq = t->iss,
        .ack = t->rcv_nxt,
        .flags = TCP_SYN | TCP_ACK,
        .tos = t->ep.tos,
        .ttl = t->ep.ttl,
        .no_df = t->no_df,
        .conn = t->id,
        .state = TCPS_SYN_RECEIVED,
        .again = again,
        .why = again ? W_TCP_RTO_FIRED : W_NONE,
    };
    e.flags |= tcp_ecn_syn_flags(st, t);
    tcp_syn_options_offer(st, t, &e.o);
    tcp_fastopen_offer(&e.o, cookie);
    e.wnd = tcp_window_field(st, t, true);
    if (again) {
        const struct journal_subject subject = tcp_subject(t);
        count(st, TcpRetransSegs);
        JOURNAL(st, EV_TCP_RETRANSMIT, &subject, t->iss, 0, W_TCP_RTO_FIRED, t->rexmits,
                t->rtt.rto);
    } else {
        count(st, TcpOutSegs);
    }
    int err = tcp_emit_segment(st, &e);
    if (err == -ENOMEM) { /* the timer repeats it */
        const struct journal_subject subject = tcp_subject(t);
        JOURNAL(st, EV_TCP_NO_MEMORY, &subject, t->iss, 0);
    } else if (err != 0) {
        const struct journal_subject subject = tcp_subject(t);
        JOURNAL(st, EV_TCP_SEND_FAILED, &subject, t->iss, 0, (uint64_t)(int64_t)-err);
    }
}

/* 3.10.7.2, third step: the SYN of a new connection. */
void tcp_listen_syn(struct td_stack *st, struct tcb *l, struct tcp_seg *s)
{
    struct tcp_listener *q = l->lsn;
    bool cookie = !s->reopens && tcp_cookie_wanted(st, l); /* after TIME-WAIT it is no forgery */
    if (q->naccept > q->backlog) {
        count(st, TcpExtListenOverflows);
        tcp_syn_drop(st, l, s, W_TCP_OVERFLOW, q->naccept);
        return;
    }
    if (s->a.rport == 0 || s->a.lport == 0) {
        tcp_syn_drop(st, l, s, W_TCP_STATE, q->nsyn);
        return;
    }
    if (cookie) {
        tcp_cookie_syn(st, l, s);
        return;
    }
    if (q->nsyn >= (uint64_t)knob(st, TCP_MAX_SYN_BACKLOG)) {
        make_room(st, l);
    }
    struct tcp_tfo_cookie answer;
    if (tcp_fastopen_syn(st, l, s, &answer)) {
        return;
    }
    struct tcb t;
    tcp_tcb_init(st, &t);
    tcp_child_init(st, &t, l, s);
    tcp_child_pin(st, &t);
    /* Text on the SYN isn't kept nor acknowledged: the peer repeats it after the handshake. */
    if (tcp_half_open_new(st, l, &t, s, &answer) != 0) {
        tcp_syn_drop(st, l, s, W_NO_MEMORY, q->nsyn);
    }
}

/* ---- the handshake is complete ---- */

bool tcp_listen_room(struct td_stack *st, const struct tcb *l, const struct journal_subject *who)
{
    const struct tcp_listener *q = l->lsn;
    if (q->naccept <= q->backlog) {
        return true;
    }
    count(st, TcpExtListenOverflows);
    count(st, TcpExtListenDrops);
    JOURNAL(st, EV_TCP_DROP_ACCEPT, who, q->naccept, q->backlog);
    return false;
}

void tcp_listen_complete(struct td_stack *st, struct tcb *t)
{
    struct tcb *l = tcp_parent(t);
    struct tcp_listener *q = l->lsn;
    queue_push(&q->accept_tail, t);
    q->naccept++;
    t->in_accept = true;
    const struct journal_subject subject = tcp_subject(t);
    JOURNAL(st, EV_TCP_ACCEPTABLE, &subject, q->naccept, q->backlog);
    if (l->owner != NULL && st->tcp->up != NULL) {
        st->tcp->up->acceptable(st, l->owner);
    }
}

struct tcb *tcp_accept(struct td_stack *st, struct tcb *l, void *owner, uint32_t id)
{
    struct tcp_listener *q = l->lsn;
    if (q == NULL || q->accept_queue == NULL) {
        return NULL;
    }
    struct tcb *t = q->accept_queue;
    tcp_listen_forget(st, t);
    t->owner = owner;
    t->id = id;
    const struct journal_subject subject = tcp_subject(t);
    JOURNAL(st, EV_TCP_ACCEPT, &subject, t->ep.a.raddr, t->ep.a.rport, id);
    tcp_seglog_accept(st, t);
    t->poll_told = (uint16_t)tcp_poll(t);
    return t;
}

/* ---- TCP_DEFER_ACCEPT ---- */

uint8_t tcp_defer_retries(const struct td_stack *st, int seconds)
{
    int64_t step = knob(st, TCP_RTO_INITIAL_MS), most = knob(st, TCP_RTO_MAX_MS);
    int64_t wanted = (int64_t)seconds * 1000, sum = step;
    uint8_t n = 0;
    if (seconds <= 0) {
        return 0;
    }
    for (n = 1; sum < wanted && n < UINT8_MAX; n++) {
        step = step * 2 < most ? step * 2 : most;
        sum += step;
    }
    return n;
}

int tcp_defer_seconds(const struct td_stack *st, uint8_t retries)
{
    int64_t step = knob(st, TCP_RTO_INITIAL_MS), most = knob(st, TCP_RTO_MAX_MS), sum = 0;
    for (unsigned i = 0; i < retries; i++) {
        sum += step;
        step = step * 2 < most ? step * 2 : most;
    }
    return (int)(sum / 1000);
}

/* ---- end ---- */

void tcp_listen_forget(struct td_stack *st, struct tcb *t)
{
    (void)st;
    struct tcp_listener *q = tcp_parent(t)->lsn;
    if (t->in_accept) {
        queue_remove(&q->accept_tail, t);
        q->naccept--;
    }
    t->in_accept = false;
    t->parent = NULL;
}

/* CLOSE of a listener: its children are reset; half-open ones just disappear. */
void tcp_listen_close(struct td_stack *st, struct tcb *l)
{
    struct tcp_listener *q = l->lsn;
    while (q->syn_queue != NULL) {
        tcp_half_open_reset(st, q->syn_queue, W_TCP_LISTENER_CLOSED);
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
