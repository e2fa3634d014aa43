/* tcp/open.c: OPEN (RFC 9293 3.9.1.1, 3.10.1): making, binding and connecting endpoints.
 *
 * Theory of operation. bind fixes the local half of the four-tuple, connect the other and sends the
 * SYN. Two endpoints may share a local port as long as no segment could belong to both:
 *   - connections differ in their remote half, always;
 *   - bound but unconnected ones may overlap only if both asked for it: SO_REUSEADDR unless one of
 * them listens, SO_REUSEPORT always;
 *   - what is left of older connections (TIME-WAIT, orphans) bars the port unless SO_REUSEADDR is
 * set.
 *
 * Ephemeral ports come from RFC 6056's algorithms, shared with UDP; a port somebody bound by name
 * is not taken.
 */
#include "tcp/tcp_internal.h"
#include "udp/udp.h"

#include <errno.h>
#include <poll.h>

void tcp_set_upcalls(struct td_stack *st, const struct tcp_upcalls *up)
{
    st->tcp->up = up;
}

struct tcb *tcp_new(struct td_stack *st, void *owner, uint32_t id)
{
    struct tcb *t = tcp_alloc(st);
    if (t != NULL) {
        t->owner = owner;
        t->id = id;
    }
    return t;
}

/* ---- bind ---- */

static bool addresses_overlap(td_ip4 a, td_ip4 b)
{
    return a == 0 || b == 0 || a == b;
}

static bool bind_conflicts(const struct tcb *t, const struct tcp_port *port, td_ip4 addr,
                           bool reuse_addr, bool reuse_port)
{
    if (port->ntime_wait > 0 && !reuse_addr && !reuse_port) {
        return true;
    }
    for (const struct tcb *o = port->members; o != NULL; o = o->port_next) {
        if (o == t || !addresses_overlap(o->ep.a.laddr, addr)) {
            continue;
        }
        if (reuse_port && o->reuse_port) {
            continue;
        }
        bool old_connection = o->ep.a.rport != 0;
        if (reuse_addr && o->state != TCPS_LISTEN && (o->reuse_addr || old_connection)) {
            continue;
        }
        return true;
    }
    return false;
}

static struct port_range own_range(const struct tcb *t)
{
    const struct tcp_more *m = t->more_state;
    return m != NULL ? (struct port_range){m->port_low, m->port_high} : (struct port_range){0, 0};
}

static int choose_bind_port(struct td_stack *st, const struct tcb *t, td_ip4 addr, bool reuse_addr,
                            bool reuse_port, uint16_t *port)
{
    const struct port_range own = own_range(t);
    for (uint32_t k = 0; port_candidate_in(st, &own, addr, 0, 0, k, port); k++) {
        const struct tcp_port *p = tcp_port_get(st, *port, false);
        if (p == NULL || !bind_conflicts(t, p, addr, reuse_addr, reuse_port)) {
            return 0;
        }
    }
    return -EADDRINUSE;
}

int tcp_bind(struct td_stack *st, struct tcb *t, td_ip4 addr, uint16_t port, bool reuse_addr,
             bool reuse_port)
{
    if (t->state != TCPS_CLOSED || t->ep.a.lport != 0) {
        return -EINVAL;
    }
    if (addr != 0 && (!ip_is_local(st, addr) || ip_is_broadcast(st, NULL, addr))) {
        return -EADDRNOTAVAIL;
    }
    if (port == 0) {
        int e = choose_bind_port(st, t, addr, reuse_addr, reuse_port, &port);
        if (e != 0) {
            return e;
        }
    } else {
        const struct tcp_port *p = tcp_port_get(st, port, false);
        if (p != NULL && bind_conflicts(t, p, addr, reuse_addr, reuse_port)) {
            return -EADDRINUSE;
        }
    }
    t->bound = true;
    t->addr_bound = addr != 0;
    t->reuse_addr = reuse_addr;
    t->reuse_port = reuse_port;
    t->ep.a = (struct tcp_tuple){.laddr = addr, .lport = port};
    int e = tcp_port_join(st, t, port);
    if (e == 0) {
        e = tcp_ep_insert(st, &t->ep);
        if (e != 0) {
            tcp_port_leave(st, t);
        }
    }
    if (e != 0) {
        t->bound = false;
        t->ep.a = (struct tcp_tuple){0};
    }
    return e;
}

/* ---- connect ---- */

/* Nobody has the tuple, or only a TIME-WAIT that may be taken over. */
static bool tuple_free(const struct td_stack *st, const struct tcp_tuple *a, bool named)
{
    const struct tcp_ep *ep = tcp_ep_find(st, a);
    return ep == NULL ||
           (ep->kind == TCP_EP_TIME_WAIT &&
            tcp_time_wait_reusable(st, container_of(ep, const struct timewait, ep), named));
}

/* A tuple nobody has: with the bound port, or with the first ephemeral one that makes it so. */
static int choose_tuple(struct td_stack *st, const struct tcb *t, struct tcp_tuple *a)
{
    if (t->ep.a.lport != 0) {
        a->lport = t->ep.a.lport;
        if (a->laddr == a->raddr && a->lport == a->rport) {
            return -EADDRINUSE; /* to itself: would be dropped as a LAND attack */
        }
        return tuple_free(st, a, true) ? 0 : -EADDRNOTAVAIL;
    }
    const struct port_range own = own_range(t);
    for (uint32_t k = 0; port_candidate_in(st, &own, a->laddr, a->raddr, a->rport, k, &a->lport);
         k++) {
        const struct tcp_port *p = tcp_port_get(st, a->lport, false);
        if ((p == NULL || p->nbound == 0) && tuple_free(st, a, false) &&
            !(a->laddr == a->raddr && a->lport == a->rport)) {
            return 0;
        }
    }
    return -EADDRNOTAVAIL;
}

/* What a failed attempt left behind: gone, but for what the user set. */
static int forget_attempt(struct td_stack *st, struct tcb *t)
{
    const struct tcp_tuple was = t->ep.a;
    bool bound = t->bound, addr_bound = t->addr_bound;
    t->attempt_failed = false;
    t->was_connected = false;
    t->soft_err = 0;
    t->rexmits = 0;
    t->total_retrans = 0;
    t->ever_rexmt_syn = false;
    t->ecn_refused = false;
    t->rd_shut = false;
    t->wr_shut = false;
    t->ts_ok = false;
    t->sack_ok = false;
    t->ecn_ok = false;
    t->peer_wscale = false;
    t->snd_wscale = 0;
    t->rtt_time = 0;
    t->pmtu_pending = 0;
    t->rcv_wnd = 0;
    t->syn_fastopen = false;
    t->syn_data = false;
    t->tfo_opened = false;
    t->tfo_mode = TFO_MODE_OFF;
    tcp_rto_init(st, t);
    t->ep.a = (struct tcp_tuple){0};
    t->bound = false;
    t->addr_bound = false;
    return bound ? tcp_bind(st, t, addr_bound ? was.laddr : 0, was.lport, t->reuse_addr,
                            t->reuse_port)
                 : 0;
}

/* The TIME-WAIT of this tuple, if there is one, gives way; *beyond: its last number. */
static bool take_over(struct td_stack *st, const struct tcb *t, const struct tcp_tuple *a,
                      tcp_seq *beyond)
{
    struct tcp_ep *ep = tcp_ep_find(st, a);
    if (ep == NULL || ep->kind != TCP_EP_TIME_WAIT) {
        return false;
    }
    struct timewait *w = container_of(ep, struct timewait, ep);
    const struct journal_subject subject = tcp_subject(t);
    *beyond = w->snd_nxt;
    count(st, TcpExtTWRecycled);
    JOURNAL(st, EV_TCP_TIME_WAIT_REUSE, &subject, w->snd_nxt, w->snd_nxt - 1);
    tcp_time_wait_end(st, w, W_TCP_ACTIVE_OPEN);
    return true;
}

/* Up to the SYN, which isn't sent yet. */
static int open_active(struct td_stack *st, struct tcb *t, td_ip4 addr, uint16_t port)
{
    if (t->err != 0 && !t->was_connected) {
        t->err = 0; /* of the connection before connect(AF_UNSPEC) */
    }
    if (t->err != 0) {
        return -tcp_error(t, false);
    }
    switch ((enum tcp_state)t->state) {
    case TCPS_CLOSED:
        if (t->was_connected && !t->attempt_failed) {
            return -EISCONN; /* one connection a socket; connect(AF_UNSPEC) makes it new */
        }
        break;
    case TCPS_SYN_SENT:
    case TCPS_SYN_RECEIVED:
        return -EALREADY;
    default:
        return -EISCONN;
    }
    if (addr == 0 || port == 0) { /* "remote socket unspecified" (3.10.1) */
        return -EDESTADDRREQ;
    }
    if (ip4_is_multicast(addr) || ip_is_broadcast(st, NULL, addr) || ip4_is_class_e(addr)) {
        return ip_is_broadcast(st, NULL, addr) ? -EACCES : -ENETUNREACH;
    }
    struct ip_route_result r;
    int e = ip_route(st, addr, t->ep.a.laddr, 0, &r); /* MUST-44 */
    if (e != 0) {
        return e;
    }
    if (r.type == FIB_BROADCAST || r.type == FIB_MULTICAST) {
        return r.type == FIB_BROADCAST ? -EACCES : -ENETUNREACH;
    }
    if (t->attempt_failed) {
        e = forget_attempt(st, t);
        if (e != 0) {
            return e;
        }
    }
    struct tcp_tuple a = {.laddr = r.src, .raddr = addr, .rport = port};
    e = choose_tuple(st, t, &a);
    if (e != 0) {
        return e;
    }
    struct tcp_tuple old = t->ep.a;
    tcp_seq beyond = 0;
    bool reuses = take_over(st, t, &a, &beyond);
    tcp_ep_remove(st, &t->ep);
    t->ep.a = a;
    e = tcp_ep_insert(st, &t->ep);
    if (e == 0 && t->port == NULL) {
        e = tcp_port_join(st, t, a.lport);
    }
    if (e != 0) {
        tcp_ep_remove(st, &t->ep);
        t->ep.a = old;
        if (old.lport != 0) {
            (void)tcp_ep_insert(st, &t->ep);
        }
        return e;
    }
    t->passive = false;
    t->peer_mss = 536;
    tcp_mss_update(st, t);
    t->rcv_wscale = 0;
    t->iss = tcp_isn(st, &a);
    if (reuses && seq_le(t->iss, beyond)) {
        t->iss = beyond + UINT16_MAX; /* larger than any number of the old connection */
    }
    t->ts_offset = tcp_ts_offset(st, &a);
    (void)tcp_pin_take(st, t);
    t->snd_una = t->iss;
    t->snd_nxt = t->iss;
    t->rtx_nxt = t->iss;
    t->snd_sml = t->iss;
    sndbuf_init(&t->snd, t->iss + 1);
    tcp_recovery_init(st, t);
    t->last_rcvd = st->now;
    count(st, TcpActiveOpens);
    const struct journal_subject subject = tcp_subject(t);
    JOURNAL_CAUSE(st, EV_TCP_OPEN, &subject, a.laddr, a.lport, a.raddr, a.rport, t->iss);
    tcp_set_state(st, t, TCPS_SYN_SENT, W_TCP_ACTIVE_OPEN);
    return 0;
}

static int send_syn(struct td_stack *st, struct tcb *t)
{
    t->tfo_deferred = false;
    t->poll_told = (uint16_t)tcp_poll(t);
    tcp_send_syn(st, t);
    tcp_rtx_arm(st, t, TRTX_REXMT);
    return -EINPROGRESS;
}

bool tcp_connect_deferred(const struct tcb *t)
{
    return t->tfo_deferred;
}

int tcp_connect(struct td_stack *st, struct tcb *t, td_ip4 addr, uint16_t port)
{
    if (t->tfo_deferred) {
        return -EISCONN; /* as far as the user is to know */
    }
    int e = open_active(st, t, addr, port);
    if (e != 0) {
        if (e != -EALREADY && e != -EISCONN) {
            JOURNAL(st, EV_TCP_OPEN_FAILED,
                    JOURNAL_ABOUT({.conn = t->id, .addr = addr, .port = port}), addr, port,
                    (uint64_t)-e);
        }
        return e;
    }
    if (t->tfo_connect) {
        t->tfo_mode = (uint8_t)tcp_fastopen_mode(st, t) & 3u;
        if (t->tfo_mode == TFO_MODE_COOKIE || t->tfo_mode == TFO_MODE_PLAIN) {
            t->tfo_deferred = true;
            t->poll_told = (uint16_t)tcp_poll(t);
            return 0;
        }
    }
    return send_syn(st, t);
}

int64_t tcp_connect_send(struct td_stack *st, struct tcb *t, td_ip4 addr, uint16_t port,
                         const struct iovec *iov, size_t niov, int flags)
{
    if ((knob(st, TCP_FASTOPEN) & TFO_CLIENT) == 0) {
        return -EOPNOTSUPP;
    }
    if (t->tfo_opened && tcp_synchronized(t)) {
        t->tfo_opened = false;
        return tcp_send(st, t, iov, niov, flags);
    }
    if (!t->tfo_deferred) {
        int e = open_active(st, t, addr, port);
        if (e != 0) {
            return e;
        }
    } else if (t->err != 0) {
        return -tcp_error(t, false);
    }
    t->tfo_mode = (uint8_t)tcp_fastopen_mode(st, t) & 3u;
    uint32_t taken = 0;
    if (t->tfo_mode == TFO_MODE_COOKIE || t->tfo_mode == TFO_MODE_PLAIN) {
        taken = tcp_fastopen_take(st, t, iov, niov);
    }
    t->tfo_opened = true;
    int e = send_syn(st, t);
    return taken > 0 ? (int64_t)taken : e;
}

/* ---- where a connection starts ---- */

void tcp_init_limits(struct td_stack *st, struct tcb *t)
{
    t->sndbuf_limit = (uint32_t)knob_n(st, TCP_WMEM, 1);
    t->rcvbuf_limit = (uint32_t)knob_n(st, TCP_RMEM, 1);
    t->win_ratio = 128;
}

/* RFC 6928: 10 segments, but not more than 14,600 bytes of large ones. */
uint32_t tcp_initial_window(const struct td_stack *st, const struct tcb *t)
{
    uint32_t n = (uint32_t)knob(st, TCP_INITIAL_CWND);
    uint64_t w = (uint64_t)n * t->mss;
    uint64_t most = (uint64_t)n * 1460;
    most = most > 2u * t->mss ? most : 2u * t->mss;
    return (uint32_t)(w < most ? w : most);
}

void tcp_start_cwnd(struct td_stack *st, struct tcb *t)
{
    const struct journal_subject subject = tcp_subject(t);
    t->cc.ssthresh = INT32_MAX; /* arbitrarily high (RFC 5681 3.1) */
    t->cc.cwnd = FAULT_ON(st, NO_SLOW_START) ? 1u << 24 : tcp_initial_window(st, t);
    if (t->ever_rexmt_syn && t->total_retrans >= (uint32_t)knob(st, TCP_SYN_LOSS_TIMES)) {
        t->cc.cwnd = (uint32_t)knob(st, TCP_FIRST_RTO_CWND) * t->mss;
    }
    tcp_cc_set(st, t, t->cc.ops);
    tcp_cwnd_started(st, t);
    tcp_pacing_rate(t, st);
    JOURNAL(st, EV_TCP_CWND, &subject, W_TCP_INITIAL, 0, t->cc.cwnd, t->cc.ssthresh, 0);
}
