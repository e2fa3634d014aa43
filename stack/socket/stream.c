/* socket/stream.c: stream sockets over TCP.
 *
 * Theory of operation. Nearly everything a stream socket does is TCP's user interface (RFC
 * 9293 3.9.1) under BSD names; this file keeps only what belongs to the socket and not to the
 * connection: the handle, the SO_REUSE flags until bind wants them, and the wish to be notified.
 * tcp/ reports changes as poll bits; they mark the socket and nothing more.
 */
#include "socket/dgram.h"
#include "socket/socket_internal.h"
#include "tcp/tcp.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>

struct stream {
    struct sock so; /* first */
    struct tcb *t;
};

static const struct sock_ops stream_ops;

static struct stream *stream_of(struct sock *so)
{
    return container_of(so, struct stream, so);
}
static const struct stream *stream_of_const(const struct sock *so)
{
    return container_of(so, const struct stream, so);
}

/* ---- what TCP tells ---- */

static void stream_event(struct td_stack *st, void *owner, uint32_t poll_bits)
{
    struct stream *ss = owner;
    if (poll_bits != 0) {
        sock_mark(st, &ss->so);
    }
}

static void stream_acceptable(struct td_stack *st, void *owner)
{
    struct stream *ss = owner;
    sock_mark(st, &ss->so);
}

static struct endpoint_user stream_user(const void *owner)
{
    const struct stream *ss = owner;
    return sock_user(&ss->so);
}

static const struct tcp_upcalls stream_upcalls = {stream_event, stream_acceptable, stream_user};

void stream_init(struct td_stack *st)
{
    tcp_set_upcalls(st, &stream_upcalls);
}

/* ---- making and closing ---- */

static struct stream *stream_alloc(struct td_stack *st)
{
    struct stream *ss = mem_alloc(&st->mem, MEM_SOCKET, sizeof *ss);
    if (ss != NULL) {
        sock_init(st, &ss->so, &stream_ops, SOCK_STREAM, IPPROTO_TCP);
    }
    return ss;
}

struct sock *stream_new(struct td_stack *st, int *err)
{
    struct stream *ss = stream_alloc(st);
    if (ss != NULL) {
        ss->t = tcp_new(st, ss, ss->so.id);
        if (ss->t != NULL) {
            return &ss->so;
        }
        mem_free(&st->mem, MEM_SOCKET, ss, sizeof *ss);
    }
    *err = -ENOMEM;
    return NULL;
}

/* At teardown tcp_done frees the connections. */
static void stream_release(struct td_stack *st, struct sock *so, bool teardown)
{
    struct stream *ss = stream_of(so);
    if (!teardown && ss->t != NULL) {
        tcp_close(st, ss->t);
    }
    mem_free(&st->mem, MEM_SOCKET, ss, sizeof *ss);
}

/* ---- calls ---- */

static int stream_bind(struct td_stack *st, struct sock *so, struct sock_name to)
{
    return tcp_bind(st, stream_of(so)->t, to.addr, to.port, so->reuseaddr, so->reuseport);
}

static int stream_listen(struct td_stack *st, struct sock *so, int backlog)
{
    int most = (int)knob(st, SOMAXCONN);
    /* A negative backlog is a huge unsigned one, as in Linux. */
    return tcp_listen(st, stream_of(so)->t, backlog < 0 || backlog > most ? most : backlog);
}

static bool stream_listening(const struct sock *so)
{
    return tcp_state(stream_of_const(so)->t) == TCPS_LISTEN;
}

static int stream_accept(struct td_stack *st, struct sock *so, struct sock **out,
                         struct sock_name *peer)
{
    struct tcb *listener = stream_of(so)->t;
    if (tcp_state(listener) != TCPS_LISTEN) {
        return -EINVAL;
    }
    if ((tcp_poll(listener) & POLLIN) == 0) {
        return -EAGAIN;
    }
    struct stream *ss = stream_alloc(st);
    if (ss == NULL) {
        return -ENOMEM;
    }
    ss->t = tcp_accept(st, listener, ss, ss->so.id);
    if (ss->t == NULL) {
        mem_free(&st->mem, MEM_SOCKET, ss, sizeof *ss);
        return -EAGAIN;
    }
    ss->so.reuseaddr = so->reuseaddr;
    ss->so.reuseport = so->reuseport;
    (void)sock_set_priority(st, &ss->so, sock_priority(so)); /* nothing here looks at it */
    ss->so.ifindex = so->ifindex;
    struct tcp_addrs a = tcp_addrs(ss->t);
    *peer = (struct sock_name){a.raddr, a.rport};
    *out = &ss->so;
    return 0;
}

/* AF_UNSPEC: the connection is aborted; the socket can begin another, with its options. */
static int stream_disconnect(struct td_stack *st, struct stream *ss)
{
    struct tcb *fresh = tcp_new(st, ss, ss->so.id);
    if (fresh == NULL) {
        return -ENOMEM;
    }
    struct tcb *old = ss->t;
    ss->t = fresh;
    return tcp_disconnect(st, old, fresh);
}

static int stream_connect(struct td_stack *st, struct sock *so, const struct sock_name *to)
{
    struct stream *ss = stream_of(so);
    return to == NULL ? stream_disconnect(st, ss) : tcp_connect(st, ss->t, to->addr, to->port);
}

static int64_t stream_sendmsg(struct td_stack *st, struct sock *so, const struct msghdr *m,
                              size_t len, int flags)
{
    (void)len;
    struct tcb *t = stream_of(so)->t;
    if ((flags & MSG_FASTOPEN) != 0 || tcp_connect_deferred(t)) {
        struct sock_name to = {0};
        int err = m->msg_name != NULL && !tcp_connect_deferred(t)
                      ? sock_get_name(m->msg_name, m->msg_namelen, &to)
                      : 0;
        return err != 0 ? err
                        : tcp_connect_send(st, t, to.addr, to.port, m->msg_iov, m->msg_iovlen,
                                           flags);
    }
    return tcp_send(st, stream_of(so)->t, m->msg_iov, m->msg_iovlen, flags);
}

static int64_t stream_recvmsg(struct td_stack *st, struct sock *so, struct msghdr *m, size_t len,
                              int flags)
{
    (void)len;
    struct tcb *t = stream_of(so)->t;
    struct cmsg_out out = {.m = m, .room = m->msg_control != NULL ? m->msg_controllen : 0};
    m->msg_namelen = 0;
    m->msg_controllen = 0;
    if ((flags & MSG_ERRQUEUE) != 0) {
        return -EAGAIN;
    }
    int64_t n = tcp_recv(st, t, m->msg_iov, m->msg_iovlen, flags);
    if (n >= 0 && out.room > 0 && tcp_tells_inq(t)) {
        int left = (int)tcp_inq_hint(t);
        cmsg_put(&out, IPPROTO_TCP, TCP_CM_INQ, &left, sizeof left);
        m->msg_controllen = out.used;
    }
    if (n > 0 && (flags & MSG_OOB) != 0) {
        m->msg_flags |= MSG_OOB;
    }
    return n;
}

static int stream_shutdown(struct td_stack *st, struct sock *so, int how)
{
    return tcp_shutdown(st, stream_of(so)->t, how);
}

static int stream_setopt(struct td_stack *st, struct sock *so, int level, int name, const void *v,
                         socklen_t len)
{
    return tcp_setsockopt(st, stream_of(so)->t, level, name, v, len);
}

static int stream_getopt(struct td_stack *st, struct sock *so, int level, int name, void *v,
                         socklen_t *len)
{
    uint32_t n = *len;
    int err = tcp_getsockopt(st, stream_of(so)->t, level, name, v, &n);
    *len = n;
    return err;
}

/* TCP finds its way by route alone: a socket that can't keep to a device doesn't say that it does.
 */
static int stream_changed(struct td_stack *st, struct sock *so)
{
    (void)st;
    return so->ifindex != 0 ? -ENOPROTOOPT : 0;
}

static int stream_getname(struct td_stack *st, struct sock *so, bool peer, struct sock_name *out)
{
    (void)st;
    struct tcb *t = stream_of(so)->t;
    struct tcp_addrs a = tcp_addrs(t);
    if (!peer) {
        *out = (struct sock_name){a.laddr, a.lport};
        return 0;
    }
    enum tcp_state s = tcp_state(t);
    if (s == TCPS_CLOSED || s == TCPS_LISTEN || s == TCPS_SYN_SENT) {
        return -ENOTCONN;
    }
    *out = (struct sock_name){a.raddr, a.rport};
    return 0;
}

static int stream_ioctl(struct td_stack *st, struct sock *so, unsigned long request, int *out)
{
    (void)st;
    struct tcb *t = stream_of(so)->t;
    switch (request) {
    case SIOCINQ:
        if (tcp_state(t) == TCPS_LISTEN) {
            return -EINVAL;
        }
        *out = (int)tcp_inq(t);
        return 0;
    case SIOCOUTQ:
    case SIOCOUTQNSD:
        if (tcp_state(t) == TCPS_LISTEN) {
            return -EINVAL;
        }
        *out = (int)(request == SIOCOUTQ ? tcp_unsent(t) : tcp_never_sent(t));
        return 0;
    case SIOCATMARK:
        *out = tcp_atmark(t);
        return 0;
    default:
        return -ENOTTY;
    }
}

static uint32_t stream_poll(const struct sock *so)
{
    return tcp_poll(stream_of_const(so)->t);
}

static int stream_error(struct sock *so)
{
    return tcp_error(stream_of(so)->t, false);
}

static const char *stream_state(const struct sock *so, uint64_t *recvq, uint64_t *sendq)
{
    const struct tcb *t = stream_of_const(so)->t;
    *recvq = tcp_readable(t);
    *sendq = tcp_unsent(t);
    return tcp_state_ss(tcp_state(t));
}

static const struct sock_ops stream_ops = {
    .bind = stream_bind,
    .listen = stream_listen,
    .accept = stream_accept,
    .connect = stream_connect,
    .sendmsg = stream_sendmsg,
    .recvmsg = stream_recvmsg,
    .shutdown = stream_shutdown,
    .setopt = stream_setopt,
    .getopt = stream_getopt,
    .changed = stream_changed,
    .getname = stream_getname,
    .ioctl = stream_ioctl,
    .poll = stream_poll,
    .error = stream_error,
    .state = stream_state,
    .listening = stream_listening,
    .release = stream_release,
};
