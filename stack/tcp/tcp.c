/* tcp/tcp.c: the module: its tables, a connection's birth and end, and the flush.
 *
 * Theory of operation. Three structures hold all endpoints:
 *
 *   eps     by four-tuple: connections, TIME-WAIT records, and what is bound or listening (remote
 * part 0). One lookup a segment ports   by local port: who uses it. Listeners are found here, and
 * conflicts at bind all     every tcb, for the end of the instance
 *
 * A tcb belongs to its owner, socket/, from tcp_new or tcp_accept to tcp_close; after that it is an
 * orphan and lives as long as the protocol needs it. It may end in the middle of anything, so it is
 * never freed there: tcp_finish takes it out of the tables and marks it dead, and the next flush
 * frees it.
 *
 * What input, timers and calls want to send is only marked; tcp_flush runs tcp_output once for each
 * marked connection, in the order of marking.
 */
#include "tcp/seglog.h"
#include "tcp/tcp_internal.h"

#include <errno.h>
#include <poll.h>

#define THROTTLE (250 * TD_US) /* between two looks at a full interface queue */

static void throttle_fired(struct td_stack *st, struct timer *tm);
static const struct ip_protocol tcp_protocol = {tcp_input, tcp_icmp_error, tcp_addr_lost};

int tcp_init(struct td_stack *st)
{
    struct tcp *tcp = mem_alloc(&st->mem, MEM_INSTANCE, sizeof *tcp);
    if (tcp == NULL) {
        return -ENOMEM;
    }
    st->tcp = tcp;
    tcp_organs_init(st);
    hash_init(&tcp->eps, &st->mem, &st->hash_key);
    hash_init(&tcp->ports, &st->mem, &st->hash_key);
    tcp->marked_tail = &tcp->marked;
    timer_init(&tcp->throttle, throttle_fired, "tcp-throttle");
    rng_bytes(&st->rng, &tcp->isn_key, sizeof tcp->isn_key);
    rng_bytes(&st->rng, &tcp->cookie_key, sizeof tcp->cookie_key);
    rng_bytes(&st->rng, &tcp->tfo_keys.key[0], sizeof tcp->tfo_keys.key[0]);
    tcp->tfo_keys.n = 1;
    hash_init(&tcp->tfo_peers, &st->mem, &st->hash_key);
    tcp->table = (struct table){.name = "tcp",
                                .doc = "TCP connections, listeners and TIME-WAITs",
                                .columns = tcp_columns,
                                .ncolumns = tcp_ncolumns,
                                .next = tcp_table_next};
    table_register(st, &tcp->table);
    tcp->tcb_table = (struct table){.name = "tcb",
                                    .doc = "TCP connections: every variable by its RFC name",
                                    .columns = tcp_tcb_columns,
                                    .ncolumns = tcp_tcb_ncolumns,
                                    .next = tcp_tcb_next};
    table_register(st, &tcp->tcb_table);
    tcp->series_table = (struct table){.name = "series",
                                       .doc = "TCP variables over time (knob tcp_series)",
                                       .columns = tcp_series_columns,
                                       .ncolumns = tcp_series_ncolumns,
                                       .next = tcp_series_next};
    table_register(st, &tcp->series_table);
    tcp->seglog_table = (struct table){.name = "segments",
                                       .doc = "TCP segments and changes of state of late (knob tapdeck.segments)",
                                       .columns = tcp_seglog_columns,
                                       .ncolumns = tcp_seglog_ncolumns,
                                       .next = tcp_seglog_next};
    table_register(st, &tcp->seglog_table);
    return ip_register(st, IPPROTO_TCP_, &tcp_protocol);
}

static void tcb_free(struct td_stack *st, struct tcb *t)
{
    tcp_timers_stop(st, t);
    sndbuf_clear(&st->mem, &t->snd);
    txq_free(st, t);
    rcvbuf_clear(&t->rcv);
    tcp_sack_clear(st, t);
    tcp_cc_release(st, t);
    tcp_pacing_release(st, t);
    tcp_series_ended(t);
    tcp_more_free(st, t);
    *t->all_prev = t->all_next;
    if (t->all_next != NULL) {
        t->all_next->all_prev = t->all_prev;
    }
    if (t->orphan && st->tcp->norphans > 0) {
        st->tcp->norphans--;
    }
    st->tcp->ntcb--;
    mem_free(&st->mem, MEM_TCP, t, sizeof *t);
}

void tcp_done(struct td_stack *st)
{
    struct tcp *tcp = st->tcp;
    if (tcp == NULL) {
        return;
    }
    tcp_pins_free(st);
    for (struct hash_node *n = hash_first(&tcp->eps), *next; n != NULL; n = next) {
        struct tcp_ep *ep = container_of(n, struct tcp_ep, node);
        next = hash_next(n);
        tcp_ep_remove(st, ep);
        if (ep->kind == TCP_EP_TIME_WAIT) {
            struct timewait *w = container_of(ep, struct timewait, ep);
            timer_cancel(st, &w->timer);
            mem_free(&st->mem, MEM_TCP, w, sizeof *w);
        } else if (ep->kind == TCP_EP_HALF_OPEN) {
            struct half_open *r = container_of(ep, struct half_open, ep);
            timer_cancel(st, &r->timer);
            mem_free(&st->mem, MEM_TCP, r, sizeof *r);
        }
    }
    while (tcp->all != NULL) {
        struct tcb *t = tcp->all;
        mem_free(&st->mem, MEM_TCP, t->in_accept ? NULL : t->lsn, sizeof *t->lsn);
        tcb_free(st, t);
    }
    for (struct hash_node *n = hash_first(&tcp->ports), *next; n != NULL; n = next) {
        struct tcp_port *port = container_of(n, struct tcp_port, node);
        next = hash_next(n);
        hash_remove(&tcp->ports, n);
        mem_free(&st->mem, MEM_TCP, port, sizeof *port);
    }
    tcp_series_clear(st);
    tcp_seglog_free(st);
    timer_cancel(st, &tcp->throttle);
    tcp_fastopen_done(st);
    hash_done(&tcp->eps);
    hash_done(&tcp->ports);
    mem_free(&st->mem, MEM_INSTANCE, tcp, sizeof *tcp);
    st->tcp = NULL;
}

/* ---- endpoints by tuple ---- */

static bool ep_eq(const struct hash_node *n, const void *key)
{
    const struct tcp_ep *ep = container_of(n, const struct tcp_ep, node);
    const struct tcp_tuple *a = key;
    return ep->a.laddr == a->laddr && ep->a.raddr == a->raddr && ep->a.lport == a->lport &&
           ep->a.rport == a->rport;
}

struct tcp_ep *tcp_ep_find(const struct td_stack *st, const struct tcp_tuple *a)
{
    struct hash_node *n = hash_find(&st->tcp->eps, a, sizeof *a, ep_eq);
    return n == NULL ? NULL : container_of(n, struct tcp_ep, node);
}

int tcp_ep_insert(struct td_stack *st, struct tcp_ep *ep)
{
    int e = hash_insert(&st->tcp->eps, &ep->node, &ep->a, sizeof ep->a);
    ep->hashed = e == 0;
    return e;
}

void tcp_ep_remove(struct td_stack *st, struct tcp_ep *ep)
{
    if (ep->hashed) {
        hash_remove(&st->tcp->eps, &ep->node);
        ep->hashed = false;
    }
}

/* ---- local ports ---- */

static bool port_eq(const struct hash_node *n, const void *key)
{
    return container_of(n, const struct tcp_port, node)->port == *(const uint16_t *)key;
}

struct tcp_port *tcp_port_get(struct td_stack *st, uint16_t port, bool create)
{
    struct hash_node *n = hash_find(&st->tcp->ports, &port, sizeof port, port_eq);
    if (n != NULL) {
        return container_of(n, struct tcp_port, node);
    }
    struct tcp_port *p = create ? mem_alloc(&st->mem, MEM_TCP, sizeof *p) : NULL;
    if (p == NULL) {
        return NULL;
    }
    p->port = port;
    if (hash_insert(&st->tcp->ports, &p->node, &port, sizeof port) != 0) {
        mem_free(&st->mem, MEM_TCP, p, sizeof *p);
        return NULL;
    }
    return p;
}

void tcp_port_drop_if_empty(struct td_stack *st, struct tcp_port *port)
{
    if (port->members == NULL && port->ntime_wait == 0) {
        hash_remove(&st->tcp->ports, &port->node);
        mem_free(&st->mem, MEM_TCP, port, sizeof *port);
    }
}

int tcp_port_join(struct td_stack *st, struct tcb *t, uint16_t number)
{
    struct tcp_port *port = tcp_port_get(st, number, true);
    if (port == NULL) {
        return -ENOMEM;
    }
    t->port = port;
    t->port_next = port->members;
    t->port_prev = &port->members;
    if (port->members != NULL) {
        port->members->port_prev = &t->port_next;
    }
    port->members = t;
    port->nbound += t->bound;
    return 0;
}

void tcp_port_leave(struct td_stack *st, struct tcb *t)
{
    struct tcp_port *port = t->port;
    if (port == NULL) {
        return;
    }
    port->nbound -= t->bound;
    *t->port_prev = t->port_next;
    if (t->port_next != NULL) {
        t->port_next->port_prev = t->port_prev;
    }
    t->port = NULL;
    tcp_port_drop_if_empty(st, port);
}

/* The listener for a segment: of those on its port, one bound to the very address before one bound
 * to any; of several that share both (SO_REUSEPORT), one chosen by the hash of the tuple. */
struct tcb *tcp_listener_find(const struct td_stack *st, const struct tcp_tuple *a)
{
    struct hash_node *n = hash_find(&st->tcp->ports, &a->lport, sizeof a->lport, port_eq);
    if (n == NULL) {
        return NULL;
    }
    const struct tcp_port *port = container_of(n, const struct tcp_port, node);
    struct tcb *any = NULL, *exact = NULL;
    uint32_t nany = 0, nexact = 0;
    for (struct tcb *l = port->listeners; l != NULL; l = l->lsn->next) {
        if (l->ep.a.laddr == a->laddr) {
            exact = exact != NULL ? exact : l;
            nexact++;
        } else if (l->ep.a.laddr == 0) {
            any = any != NULL ? any : l;
            nany++;
        }
    }
    struct tcb *first = exact != NULL ? exact : any;
    uint32_t n_same = exact != NULL ? nexact : nany;
    if (n_same <= 1) {
        return first;
    }
    uint32_t pick = (uint32_t)(siphash(&st->hash_key, a, sizeof *a) % n_same);
    for (struct tcb *l = first; l != NULL; l = l->lsn->next) {
        if (l->ep.a.laddr == first->ep.a.laddr && pick-- == 0) {
            return l;
        }
    }
    return first;
}

/* ---- birth and end ---- */

void tcp_tcb_init(struct td_stack *st, struct tcb *t)
{
    *t = (struct tcb){0};
    t->ep.kind = TCP_EP_TCB;
    t->state = TCPS_CLOSED;
    t->pmtudisc = knob(st, IP_NO_PMTU_DISC) == 0 ? TCP_PMTU_WANT : TCP_PMTU_DONT;
    t->cc.ops = tcp_cc_default(st);
    tcp_timers_init(t);
    sndbuf_init(&t->snd, 0);
    rcvbuf_init(&t->rcv);
    t->reassembly = st->tcp->organs.chosen[TD_ORGAN_REASSEMBLY];
    t->loss_detection = st->tcp->organs.chosen[TD_ORGAN_LOSS];
    t->rto_organ = st->tcp->organs.chosen[TD_ORGAN_RTO];
    tcp_init_limits(st, t);
    tcp_rto_init(st, t);
}

struct tcb *tcp_alloc(struct td_stack *st)
{
    struct tcp *tcp = st->tcp;
    struct tcb *t = mem_alloc(&st->mem, MEM_TCP, sizeof *t);
    if (t == NULL) {
        return NULL;
    }
    tcp_tcb_init(st, t);
    t->serial = ++tcp->serial;
    t->all_next = tcp->all;
    t->all_prev = &tcp->all;
    if (tcp->all != NULL) {
        tcp->all->all_prev = &t->all_next;
    }
    tcp->all = t;
    tcp->ntcb++;
    if (knob(st, TCP_NOTSENT_LOWAT) != UINT32_MAX) {
        (void)tcp_more(st, t); /* remembers it; without memory there is no limit */
    }
    return t;
}

static void mark(struct td_stack *st, struct tcb *t)
{
    struct tcp *tcp = st->tcp;
    struct tcp_marks *m = &tcp->marks[tcp->marking];
    if (!t->marked) {
        t->marked = true;
        t->mark_next = NULL;
        *tcp->marked_tail = t;
        tcp->marked_tail = &t->mark_next;
        if (m->n < TCP_MARKS) {
            m->why[m->n++] =
                (struct tcp_mark_why){st->journal.cause, st->journal.origin_id, st->journal.origin};
        }
    } else if (tcp->marked_tail == &t->mark_next && m->n > 0 && m->n < TCP_MARKS) {
        struct tcp_mark_why *why = &m->why[m->n - 1]; /* marked last: what has come to light since */
        if (why->origin == st->journal.origin && why->origin_id == st->journal.origin_id) {
            why->cause = st->journal.cause;
        }
    }
}

void tcp_mark(struct td_stack *st, struct tcb *t)
{
    mark(st, t);
    st->flush_wanted = true;
}

/* The interface's queue is full. Any flush tries again; a timer makes sure there is one. */
void tcp_mark_throttled(struct td_stack *st, struct tcb *t)
{
    mark(st, t);
    if (!timer_armed(&st->tcp->throttle)) {
        timer_arm(st, &st->tcp->throttle, st->now + THROTTLE);
    }
}

static void throttle_fired(struct td_stack *st, struct timer *tm)
{
    (void)tm;
    st->flush_wanted = true;
}

static bool counts_as_established(enum tcp_state s)
{
    return s == TCPS_ESTABLISHED || s == TCPS_CLOSE_WAIT;
}

void tcp_set_state(struct td_stack *st, struct tcb *t, enum tcp_state to, enum journal_word why)
{
    enum tcp_state from = (enum tcp_state)t->state;
    const struct journal_subject subject = tcp_subject(t);
    if (from == to) {
        return;
    }
    tcp_seglog_state(st, &t->ep.a, t->id, &subject, from, to, why);
    if (counts_as_established(to) && !counts_as_established(from)) {
        count(st, TcpCurrEstab);
    } else if (counts_as_established(from) && !counts_as_established(to)) {
        st->counters.v[CNT_TcpCurrEstab]--;
    }
    if (to != TCPS_LISTEN && to != TCPS_CLOSED) {
        t->was_connected = true;
    }
    t->state = (uint8_t)to;
}

void tcp_finish(struct td_stack *st, struct tcb *t, int err, enum journal_word why)
{
    if (tcp_tw(t) != NULL) { /* the record goes on by itself: CLOSED is journaled when it ends */
        t->tw->tcb = NULL;
        t->tw = NULL;
        t->state = TCPS_CLOSED;
    }
    if ((t->state == TCPS_SYN_SENT || t->state == TCPS_SYN_RECEIVED) && err != 0) {
        count(st, TcpAttemptFails);
        t->attempt_failed = !t->passive;
    }
    if (t->tfo_serial != 0) {
        tcp_fastopen_child_done(st, t, why == W_TCP_RESET_BY_PEER);
    }
    tcp_fastopen_ends(st, t);
    tcp_set_state(st, t, TCPS_CLOSED, why);
    tcp_timers_stop(st, t);
    tcp_ep_remove(st, &t->ep);
    tcp_port_leave(st, t);
    sndbuf_clear(&st->mem, &t->snd);
    txq_free(st, t);
    rcvbuf_drop_held(&t->rcv);
    tcp_sack_clear(st, t);
    t->dup_owed = 0;
    t->ack_now = false;
    if (tcp_parent(t) != NULL && !t->in_accept) { /* never had an owner: nobody will close it */
        tcp_listen_forget(st, t);
        t->dead = true;
    }
    if (t->orphan || (t->owner == NULL && tcp_parent(t) == NULL)) {
        t->dead = true;
    }
    if (t->dead) {
        tcp_mark(st, t);
        return;
    }
    if (err != 0) {
        const struct journal_subject subject = tcp_subject(t);
        t->err = (int16_t)err;
        JOURNAL(st, EV_TCP_ERROR, &subject, (uint64_t)(int64_t)err);
    }
    tcp_notify(st, t, POLLIN | POLLOUT | POLLHUP | POLLERR);
}

/* ---- telling the owner ---- */

void tcp_notify(struct td_stack *st, struct tcb *t, uint32_t bits)
{
    uint32_t mask = tcp_poll(t);
    uint32_t news = (bits | ~t->poll_told) & mask;
    t->poll_told = (uint16_t)mask;
    if (news != 0 && t->owner != NULL && st->tcp->up != NULL) {
        st->tcp->up->event(st, t->owner, news);
    }
}

/* ---- the door's part ---- */

void tcp_flush(struct td_stack *st)
{
    struct tcp *tcp = st->tcp;
    struct tcb *t = tcp->marked;
    uint32_t n = 0;
    tcp->marked = NULL; /* what is marked from now on belongs to the next round */
    tcp->marked_tail = &tcp->marked;
    struct tcp_marks *marks = &tcp->marks[tcp->marking];
    tcp->marking = !tcp->marking;
    while (t != NULL) {
        struct tcb *next = t->mark_next;
        t->marked = false;
        if (t->dead) {
            tcb_free(st, t);
        } else if (n < marks->n) { /* because of what marked it, not because of the flush */
            const struct tcp_mark_why *why = &marks->why[n];
            struct journal_frame saved =
                journal_enter(st, (enum journal_origin)why->origin, why->origin_id, why->cause);
            tcp_output(st, t);
            journal_leave(st, saved);
        } else {
            tcp_output(st, t);
        }
        t = next;
        n++;
    }
    marks->n = 0;
}

bool tcp_closing(const struct td_stack *st)
{
    for (const struct tcb *t = st->tcp->all; t != NULL; t = t->all_next) {
        if (t->orphan && !t->dead) {
            return true;
        }
    }
    return false;
}

/* ---- names ---- */

static const char *const rfc_names[] = {
    [0] = "NONE",
    [TCPS_ESTABLISHED] = "ESTABLISHED",
    [TCPS_SYN_SENT] = "SYN-SENT",
    [TCPS_SYN_RECEIVED] = "SYN-RECEIVED",
    [TCPS_FIN_WAIT_1] = "FIN-WAIT-1",
    [TCPS_FIN_WAIT_2] = "FIN-WAIT-2",
    [TCPS_TIME_WAIT] = "TIME-WAIT",
    [TCPS_CLOSED] = "CLOSED",
    [TCPS_CLOSE_WAIT] = "CLOSE-WAIT",
    [TCPS_LAST_ACK] = "LAST-ACK",
    [TCPS_LISTEN] = "LISTEN",
    [TCPS_CLOSING] = "CLOSING",
};
static const char *const ss_names[] = {
    [0] = "NONE",
    [TCPS_ESTABLISHED] = "ESTAB",
    [TCPS_SYN_SENT] = "SYN-SENT",
    [TCPS_SYN_RECEIVED] = "SYN-RECV",
    [TCPS_FIN_WAIT_1] = "FIN-WAIT-1",
    [TCPS_FIN_WAIT_2] = "FIN-WAIT-2",
    [TCPS_TIME_WAIT] = "TIME-WAIT",
    [TCPS_CLOSED] = "UNCONN",
    [TCPS_CLOSE_WAIT] = "CLOSE-WAIT",
    [TCPS_LAST_ACK] = "LAST-ACK",
    [TCPS_LISTEN] = "LISTEN",
    [TCPS_CLOSING] = "CLOSING",
};
_Static_assert(sizeof rfc_names / sizeof rfc_names[0] == TCPS_CLOSING + 1, "a name a state");

const char *tcp_state_name(enum tcp_state s)
{
    return (unsigned)s <= TCPS_CLOSING ? rfc_names[s] : "?";
}

const char *tcp_state_ss(enum tcp_state s)
{
    return (unsigned)s <= TCPS_CLOSING ? ss_names[s] : "?";
}
