/* tcp/user.c: SEND, RECEIVE, CLOSE, ABORT and STATUS (RFC 9293 3.9.1, 3.10.2 to 3.10.6).
 *
 * Theory of operation. The calls never wait. SEND copies what fits into the send buffer; RECEIVE
 * copies what there is out of the receive queue; both leave the sending of segments to the flush.
 *
 * CLOSE has three forms (linger): orderly (the default: the FIN follows the last byte, and the
 * connection goes on without its socket); orderly within a time (linger > 0: reset when it is
 * over); at once (linger 0: a reset). And when there is unread data, it would be a lie to
 * acknowledge it with a FIN, so the peer gets a reset (3.6.1, SHLD-3). A closed connection that
 * still has work is an orphan; there may be tcp_max_orphans.
 *
 * Data received before a reset can still be read, then the error is reported (MUST-12 keeps FIN and
 * reset apart: end of file, or ECONNRESET).
 */
#include "tcp/tcp_internal.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* ---- STATUS ---- */

enum tcp_state tcp_state(const struct tcb *t)
{
    return (enum tcp_state)t->state;
}

struct tcp_addrs tcp_addrs(const struct tcb *t)
{
    return (struct tcp_addrs){t->ep.a.laddr, t->ep.a.raddr, t->ep.a.lport, t->ep.a.rport};
}

static bool urgent_in_queue(const struct tcb *t)
{
    return t->urg_state == TURG_PENDING && seq_ge(t->urg_seq, t->copied_seq) &&
           seq_lt(t->urg_seq, t->rcv_nxt);
}

uint32_t tcp_readable(const struct tcb *t)
{
    if (t->state == TCPS_LISTEN || tcp_opening(t)) {
        return 0;
    }
    uint32_t n = (uint32_t)t->rcv.q.bytes;
    return n > 0 && urgent_in_queue(t) && !t->oob_inline ? n - 1 : n;
}

uint32_t tcp_inq(const struct tcb *t)
{
    uint32_t n = tcp_readable(t);
    if (n > 0 && !t->oob_inline && t->urg_state != TURG_NONE && seq_ge(t->urg_seq, t->copied_seq) &&
        seq_lt(t->urg_seq, t->rcv_nxt)) {
        return t->urg_seq - t->copied_seq; /* up to the mark */
    }
    return n;
}

bool tcp_tells_inq(const struct tcb *t)
{
    return t->inq;
}

uint32_t tcp_inq_hint(const struct tcb *t)
{
    uint32_t n = (uint32_t)t->rcv.q.bytes;
    return t->fin_rcvd ? n + 1 : n;
}

uint32_t tcp_unsent(const struct tcb *t)
{
    if (tcp_opening(t) || t->state == TCPS_LISTEN) {
        return 0;
    }
    bool fin_acked = t->fin_sent && t->snd.len == 0 && t->snd_una == t->snd_nxt;
    return t->snd.len + (t->fin_queued && !fin_acked && t->state != TCPS_CLOSED);
}

uint32_t tcp_never_sent(const struct tcb *t)
{
    return tcp_opening(t) || t->state == TCPS_LISTEN || t->state == TCPS_CLOSED ? 0 : tcp_notsent(t);
}

bool tcp_atmark(const struct tcb *t)
{
    return t->urg_state != TURG_NONE && t->copied_seq == t->urg_seq;
}

uint32_t tcp_snd_space(const struct tcb *t)
{
    return t->snd.len < t->sndbuf_limit ? t->sndbuf_limit - t->snd.len : 0;
}

bool tcp_writable(const struct tcb *t)
{
    uint32_t space = tcp_snd_space(t);
    const struct tcp_more *m = t->more_state;
    if (m != NULL && 2 * (uint64_t)tcp_notsent(t) >= m->notsent_lowat) {
        return false;
    }
    return space > 0 && space >= t->sndbuf_limit / 3;
}

/* SO_RCVLOWAT is there, or as much as the window lets the peer send at all. The urgent octet at the
 * front isn't for an ordinary RECEIVE: it doesn't count. */
static bool readable_enough(const struct tcb *t)
{
    uint32_t n = tcp_readable(t);
    uint32_t want = t->more_state != NULL ? t->more_state->rcvlowat : 0;
    return n > 0 && (n >= want || t->wnd_closed);
}

uint32_t tcp_poll(const struct tcb *t)
{
    uint32_t mask = t->err != 0 ? POLLERR : 0;
    if (t->state == TCPS_LISTEN) {
        return mask | (t->lsn->accept_queue != NULL ? POLLIN | POLLRDNORM : 0);
    }
    bool rd_end = t->rd_shut || t->fin_rcvd;
    bool closed = t->state == TCPS_CLOSED || t->state == TCPS_TIME_WAIT;
    bool wr_end = t->wr_shut || closed;
    if (closed || (rd_end && t->wr_shut)) {
        mask |= POLLHUP;
    }
    if (rd_end || (t->state == TCPS_CLOSED && t->was_connected)) {
        mask |= POLLIN | POLLRDNORM | POLLRDHUP;
    }
    if (tcp_opening(t)) {
        return t->tfo_deferred ? mask | POLLOUT | POLLWRNORM : mask;
    }
    if (readable_enough(t)) {
        mask |= POLLIN | POLLRDNORM;
    }
    if (wr_end || tcp_writable(t)) {
        mask |= POLLOUT | POLLWRNORM;
    }
    if (t->urg_state == TURG_PENDING || t->urg_state == TURG_TAKEN) {
        mask |= POLLPRI;
    }
    return mask;
}

int tcp_error(struct tcb *t, bool peek)
{
    int e = t->err;
    if (!peek) {
        t->err = 0;
        t->poll_told = (uint16_t)tcp_poll(t);
    }
    return e;
}

/* ---- SEND ---- */

/* What the state says to SEND, before there is any question of room (3.10.2). */
static int send_refused(struct tcb *t)
{
    if (t->err != 0) {
        return -tcp_error(t, false);
    }
    if (t->wr_shut) {
        return -EPIPE;
    }
    switch ((enum tcp_state)t->state) {
    case TCPS_ESTABLISHED:
    case TCPS_CLOSE_WAIT:
        return 0;
    case TCPS_SYN_SENT:
        return -EAGAIN;
    case TCPS_SYN_RECEIVED:
        return tcp_opening(t) ? -EAGAIN : 0;
    default: /* also where there never was a connection, as in Linux */
        return -EPIPE;
    }
}

#define SNDBUF_PRESSURE 16384u /* the share of one connection when memory is scarce, bytes */
#define SNDBUF_SHORT    4096u

/* When all connections together hold too much, each has to do with less. Who holds more already
 * keeps it until it is acknowledged. */
static void moderate_sndbuf(struct td_stack *st, struct tcb *t)
{
    enum tcp_memory how = tcp_memory(st);
    uint32_t least = how == TCP_MEMORY_SHORT ? SNDBUF_SHORT : SNDBUF_PRESSURE;
    if (how < TCP_MEMORY_PRESSURE || t->sndbuf_locked || t->sndbuf_limit <= least) {
        return;
    }
    const struct journal_subject subject = tcp_subject(t);
    count(st, TcpExtTCPMemoryPressures);
    JOURNAL(st, EV_TCP_SNDBUF_CUT, &subject, t->sndbuf_limit, least, st->mem.used_by[MEM_PKT]);
    t->sndbuf_limit = least;
}

int64_t tcp_send(struct td_stack *st, struct tcb *t, const struct iovec *iov, size_t niov,
                 int flags)
{
    int refused = send_refused(t);
    if (refused != 0) {
        t->no_space = refused == -EAGAIN;
        return refused;
    }
    int64_t taken = 0;
    uint64_t wanted = 0;
    bool no_memory = false;
    moderate_sndbuf(st, t);
    for (size_t i = 0; i < niov; i++) {
        wanted += iov[i].iov_len;
    }
    for (size_t i = 0; i < niov && !no_memory; i++) {
        uint32_t space = tcp_snd_space(t);
        uint32_t n = iov[i].iov_len < space ? (uint32_t)iov[i].iov_len : space;
        uint32_t got = n > 0 ? sndbuf_write(&st->mem, &t->snd, iov[i].iov_base, n) : 0;
        taken += got;
        no_memory = got < n;
        if (got < iov[i].iov_len) {
            break;
        }
    }
    t->more = (flags & MSG_MORE) != 0 && (uint64_t)taken == wanted;
    if (taken > 0 && (flags & MSG_EOR) != 0 && (uint64_t)taken == wanted) {
        tcp_eor_mark(st, t, sndbuf_end(&t->snd));
    }
    t->more_over = false;
    if (taken > 0 && (flags & MSG_OOB) != 0 && (uint64_t)taken == wanted) {
        t->snd_urg = true; /* SND.UP: behind the last octet */
        t->snd_up = sndbuf_end(&t->snd);
    }
    if ((uint64_t)taken < wanted || !tcp_writable(t)) { /* an exact fill isn't told otherwise */
        t->no_space = true;
    }
    t->poll_told = (uint16_t)tcp_poll(t);
    if (taken > 0) {
        tcp_mark(st, t);
        return taken;
    }
    return wanted == 0 ? 0 : no_memory ? -ENOBUFS : -EAGAIN;
}

/* ---- RECEIVE ---- */

struct cursor { /* a place in the user's iovec */
    const struct iovec *iov;
    size_t n, i, off;
    bool discard; /* MSG_TRUNC: count, don't copy */
};

/* Copies [off, off+len) of p to the user; how many. */
static uint32_t copy_out(struct cursor *c, const struct pkt *p, uint32_t off, uint32_t len)
{
    uint32_t done = 0;
    while (done < len && c->i < c->n) {
        size_t room = c->iov[c->i].iov_len - c->off;
        uint32_t k = len - done < room ? len - done : (uint32_t)room;
        if (k > 0 && !c->discard) {
            (void)pkt_read(p, off + done, (uint8_t *)c->iov[c->i].iov_base + c->off, k);
        }
        done += k;
        c->off += k;
        if (c->off == c->iov[c->i].iov_len) {
            c->i++;
            c->off = 0;
        }
    }
    return done;
}

/* n bytes at the front of the queue are done with. */
static void consume(struct tcb *t, uint32_t n)
{
    struct rcvbuf *b = &t->rcv;
    t->copied_seq += n;
    while (n > 0) {
        struct pkt *p = b->q.head;
        if (n < p->len) {
            (void)pkt_pull(p, n);
            b->q.bytes -= n;
            return;
        }
        n -= p->len;
        b->truesize -= p->truesize;
        pkt_free(pkt_queue_pop(&b->q));
    }
}

static bool queue_byte(const struct tcb *t, tcp_seq seq, uint8_t *byte)
{
    uint32_t off = seq - t->copied_seq;
    for (const struct pkt *p = t->rcv.q.head; p != NULL; p = p->next) {
        if (off < p->len) {
            return pkt_read(p, off, byte, 1);
        }
        off -= p->len;
    }
    return false;
}

/* recv(MSG_OOB): the urgent octet, once. */
static int64_t recv_oob(struct td_stack *st, struct tcb *t, const struct iovec *iov, size_t niov,
                        int flags)
{
    uint8_t byte = t->urg_byte;
    if (t->oob_inline || t->urg_state == TURG_NONE || t->urg_state == TURG_READ) {
        return -EINVAL;
    }
    if (t->state == TCPS_CLOSED && t->err != 0) {
        return -tcp_error(t, false);
    }
    if (t->urg_state == TURG_PENDING) {
        if (!urgent_in_queue(t)) {
            return -EAGAIN;
        }
        if (!queue_byte(t, t->urg_seq, &byte)) {
            return -EAGAIN;
        }
    }
    int64_t done = 0; /* into a buffer of no bytes it is lost, as in Linux */
    for (size_t i = 0; i < niov && done == 0; i++) {
        if (iov[i].iov_len > 0) {
            done = 1;
            if ((flags & MSG_TRUNC) == 0) {
                *(uint8_t *)iov[i].iov_base = byte;
            }
        }
    }
    if ((flags & MSG_PEEK) == 0) {
        t->urg_state = TURG_READ;
        t->poll_told = (uint16_t)tcp_poll(t);
    }
    (void)st;
    return done;
}

/* Up to the mark, or over it when the user stands at it. How many bytes may be read now; *skip: the
 * octet at the front is the urgent one and not for this call. */
static uint32_t before_mark(const struct tcb *t, bool *skip)
{
    uint32_t n = (uint32_t)t->rcv.q.bytes;
    *skip = false;
    if (t->urg_state == TURG_NONE || !seq_in(t->urg_seq, t->copied_seq, n)) {
        return n;
    }
    uint32_t to_mark = t->urg_seq - t->copied_seq;
    if (to_mark > 0) {
        return to_mark;
    }
    *skip = !t->oob_inline;
    return n;
}

static void pass_mark(struct tcb *t)
{
    if (t->urg_state == TURG_PENDING) {
        (void)queue_byte(t, t->urg_seq, &t->urg_byte);
        t->urg_state = TURG_TAKEN;
    }
    consume(t, 1);
}

/* Read over, the mark must not come round again with its number, four gigabytes on. An octet that
 * was taken out waits for its recv(MSG_OOB) as long as that may be. */
static void leave_mark(struct tcb *t)
{
    if (t->urg_state == TURG_NONE || seq_ge(t->urg_seq, t->copied_seq)) {
        return;
    }
    if (t->urg_state == TURG_TAKEN) {
        t->urg_seq = t->copied_seq - 1;
        t->rcv_up = t->copied_seq;
    } else {
        t->urg_state = TURG_NONE;
    }
}

static int64_t nothing_to_read(struct tcb *t)
{
    if (t->fin_rcvd) { /* the stream is complete; what befell the connection afterwards is for SEND
                          to hear */
        return 0;
    }
    if (t->err != 0) {
        return -tcp_error(t, false);
    }
    if (t->rd_shut) {
        return 0;
    }
    if (t->state == TCPS_CLOSED || t->state == TCPS_LISTEN) {
        return t->was_connected ? 0 : -ENOTCONN;
    }
    return -EAGAIN;
}

int64_t tcp_recv(struct td_stack *st, struct tcb *t, const struct iovec *iov, size_t niov,
                 int flags)
{
    if (t->state == TCPS_LISTEN) {
        return -ENOTCONN;
    }
    if ((flags & MSG_OOB) != 0) {
        return recv_oob(st, t, iov, niov, flags);
    }
    struct cursor c = {.iov = iov, .n = niov, .discard = (flags & MSG_TRUNC) != 0};
    bool peek = (flags & MSG_PEEK) != 0;
    bool skip;
    uint32_t avail = before_mark(t, &skip);
    uint32_t done = 0;
    uint32_t skipped = 0;
    if (skip) {
        if (peek) {
            skipped = 1;
            avail--;
        } else {
            pass_mark(t);
            avail = before_mark(t, &skip);
        }
    }
    if (avail == 0) {
        return nothing_to_read(t);
    }
    uint32_t off = skipped;
    for (const struct pkt *p = t->rcv.q.head; p != NULL && done < avail; p = p->next) {
        if (off >= p->len) {
            off -= p->len;
            continue;
        }
        uint32_t want = p->len - off < avail - done ? p->len - off : avail - done;
        uint32_t got = copy_out(&c, p, off, want);
        done += got;
        off = 0;
        if (got < want) {
            break;
        }
    }
    if (peek) {
        return done;
    }
    if (t->urg_state != TURG_NONE && t->oob_inline && seq_in(t->urg_seq, t->copied_seq, done)) {
        t->urg_state = TURG_READ;
    }
    consume(t, done);
    if (t->urg_mode && seq_ge(t->copied_seq, t->rcv_up)) {
        t->urg_mode = false;
    }
    leave_mark(t);
    t->poll_told = (uint16_t)tcp_poll(t);
    tcp_window_tune(st, t);
    if (t->state != TCPS_CLOSED &&
        (tcp_ack_after_read(st, t) || (!t->fin_rcvd && tcp_window_update_due(st, t)))) {
        t->ack_now = true;
        tcp_mark(st, t);
    }
    return done;
}

/* ---- CLOSE ---- */

/* 3.10.4: the FIN follows the last queued byte; the state changes at once. */
void tcp_queue_fin(struct td_stack *st, struct tcb *t)
{
    enum journal_word why = t->orphan ? W_TCP_USER_CLOSE : W_TCP_USER_SHUTDOWN;
    t->wr_shut = true;
    t->more = false;
    if (t->fin_queued) {
        return;
    }
    switch ((enum tcp_state)t->state) {
    case TCPS_SYN_RECEIVED:
        t->fin_queued = true;
        if (t->tfo_serial != 0) {
            tcp_set_state(st, t, TCPS_FIN_WAIT_1, why);
        } else if (t->snd.len == 0) {
            tcp_set_state(st, t, TCPS_FIN_WAIT_1, why);
            tcp_start_cwnd(st, t);
        }
        break;
    case TCPS_ESTABLISHED:
        t->fin_queued = true;
        tcp_set_state(st, t, TCPS_FIN_WAIT_1, why);
        break;
    case TCPS_CLOSE_WAIT:
        t->fin_queued = true;
        tcp_set_state(st, t, TCPS_LAST_ACK, why);
        break;
    default:
        return;
    }
    tcp_mark(st, t);
}

int tcp_shutdown(struct td_stack *st, struct tcb *t, int how)
{
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) {
        return -EINVAL;
    }
    if (t->state == TCPS_CLOSED || t->state == TCPS_TIME_WAIT) { /* as Linux */
        return -ENOTCONN;
    }
    if (t->state == TCPS_LISTEN) { /* as Linux: it stops listening */
        if (how != SHUT_WR) {
            tcp_listen_close(st, t);
            tcp_finish(st, t, 0, W_TCP_USER_SHUTDOWN);
        }
        return 0;
    }
    if (t->state == TCPS_SYN_SENT) {
        tcp_finish(st, t, ECONNRESET, W_TCP_USER_SHUTDOWN); /* 3.10.4: the TCB goes */
        return 0;
    }
    if (how != SHUT_WR) {
        t->rd_shut = true;
    }
    if (how != SHUT_RD) {
        tcp_queue_fin(st, t);
    }
    t->poll_told = 0;
    tcp_notify(st, t, 0);
    return 0;
}

void tcp_abort_with(struct td_stack *st, struct tcb *t, int err, enum journal_word why)
{
    switch ((enum tcp_state)t->state) {
    case TCPS_SYN_RECEIVED:
    case TCPS_ESTABLISHED:
    case TCPS_FIN_WAIT_1:
    case TCPS_FIN_WAIT_2:
    case TCPS_CLOSE_WAIT:
        tcp_send_rst(st, t, why);
        break;
    default: /* CLOSING, LAST-ACK, TIME-WAIT: both sides know already (3.10.5) */
        break;
    }
    tcp_finish(st, t, err, why);
}

static void abort_whole(struct td_stack *st, struct tcb *t, enum journal_word why)
{
    if (t->state == TCPS_LISTEN) {
        tcp_listen_close(st, t);
    }
    struct timewait *w = tcp_tw(t);
    if (t->state != TCPS_CLOSED) {
        tcp_abort_with(st, t, ECONNABORTED, why);
    }
    if (w != NULL) {
        tcp_time_wait_end(st, w, why);
    }
}

void tcp_abort(struct td_stack *st, struct tcb *t)
{
    abort_whole(st, t, W_TCP_USER_ABORT);
}

static void destroy_endpoint(struct td_stack *st, struct tcp_ep *ep)
{
    struct timewait *w;
    switch ((enum tcp_ep_kind)ep->kind) {
    case TCP_EP_HALF_OPEN:
        tcp_half_open_reset(st, container_of(ep, struct half_open, ep), W_TCP_DESTROYED);
        break;
    case TCP_EP_TIME_WAIT:
        w = container_of(ep, struct timewait, ep);
        if (w->tcb != NULL) {
            abort_whole(st, w->tcb, W_TCP_DESTROYED);
        } else {
            tcp_time_wait_end(st, w, W_TCP_DESTROYED);
        }
        break;
    case TCP_EP_TCB:
        abort_whole(st, container_of(ep, struct tcb, ep), W_TCP_DESTROYED);
        break;
    }
}

int tcp_destroy(struct td_stack *st, const struct tcp_addrs *a)
{
    const struct tcp_tuple key = {a->laddr, a->raddr, a->lport, a->rport};
    struct tcp_ep *ep, *last = NULL;
    int n = 0;
    /* Several listeners may share their ends; what stays is bound only, and has nothing to end. */
    while ((ep = tcp_ep_find(st, &key)) != NULL && ep != last) {
        last = ep;
        if (ep->kind == TCP_EP_TCB && container_of(ep, struct tcb, ep)->state == TCPS_CLOSED) {
            break;
        }
        destroy_endpoint(st, ep);
        n++;
    }
    return n;
}

int tcp_disconnect(struct td_stack *st, struct tcb *old, struct tcb *fresh)
{
    const struct tcp_tuple was = old->ep.a;
    bool bound = old->bound, addr_bound = old->addr_bound;
    bool cut = old->state != TCPS_CLOSED && old->state != TCPS_LISTEN &&
               old->state != TCPS_TIME_WAIT;
    tcp_options_inherit(fresh, old);
    tcp_more_inherit(st, fresh, old);
    if (cut || old->state == TCPS_TIME_WAIT) {
        tcp_abort(st, old);
    }
    tcp_close(st, old);
    int e = 0;
    if (bound) {
        e = tcp_bind(st, fresh, addr_bound ? was.laddr : 0, was.lport, fresh->reuse_addr,
                     fresh->reuse_port);
    }
    fresh->err = cut ? ECONNRESET : 0;
    return e;
}

static void close_connection(struct td_stack *st, struct tcb *t)
{
    bool unread = t->rcv.q.bytes > 0;
    if (unread && t->state != TCPS_LAST_ACK && t->state != TCPS_CLOSING) {
        count(st, TcpExtTCPAbortOnClose);
        tcp_abort_with(st, t, 0, W_TCP_UNREAD);
        return;
    }
    if (t->linger && t->linger_s == 0) {
        count(st, TcpExtTCPAbortOnLinger);
        tcp_abort_with(st, t, 0, W_TCP_LINGER_0);
        return;
    }
    if (st->tcp->norphans > (uint64_t)knob(st, TCP_MAX_ORPHANS)) {
        count(st, TcpExtTCPAbortOnMemory);
        tcp_abort_with(st, t, 0, W_TCP_ORPHANS);
        return;
    }
    if (t->state == TCPS_FIN_WAIT_2) {
        if (t->linger2 < 0) {
            count(st, TcpExtTCPAbortOnLinger);
            tcp_abort_with(st, t, 0, W_TCP_FIN_WAIT_2_OUT);
        } else {
            tcp_fin_wait_2_arm(st, t);
        }
        return;
    }
    tcp_queue_fin(st, t);
    t->cork = false;
    timer_cancel(st, &t->t_ctl);
    t->ctl_kind = TCTL_NONE;
    if (t->linger) {
        tcp_linger_arm(st, t);
    }
    tcp_mark(st, t);
}

void tcp_close(struct td_stack *st, struct tcb *t)
{
    const struct journal_subject subject = tcp_subject(t);
    JOURNAL_CAUSE(st, EV_TCP_CLOSE, &subject, t->rcv.q.bytes, t->snd.len);
    t->owner = NULL;
    t->orphan = true;
    st->tcp->norphans++;
    switch ((enum tcp_state)t->state) {
    case TCPS_LISTEN:
        tcp_listen_close(st, t);
        tcp_finish(st, t, 0, W_TCP_USER_CLOSE);
        break;
    case TCPS_CLOSED:
    case TCPS_SYN_SENT:
    case TCPS_TIME_WAIT:
        tcp_finish(st, t, 0, W_TCP_USER_CLOSE);
        break;
    default:
        JOURNAL(st, EV_TCP_ORPHAN, &subject, st->tcp->norphans);
        close_connection(st, t);
        break;
    }
}
