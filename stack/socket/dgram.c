/* socket/dgram.c: datagram sockets, and UDP under them.
 *
 * Theory of operation. A datagram socket keeps what the application asked for (options) and what
 * waits to be read (dgram_queue.c); addresses and ports are the protocol's (udp/, or ping.c for
 * IPPROTO_ICMP), reached through struct dgram_proto.
 *
 * Sending: destination from msg_name or the connected peer; TTL, TOS, source, interface and IP
 * options from the socket, overruled by the control messages of this call (RFC 1122 4.1.4); the
 * payload is gathered into one packet. A datagram lost to a full queue on its way out is no error
 * unless IP_RECVERR is on, as in Linux.
 *
 * Errors: an ICMP error makes a connected socket's next call fail with the errno when it is of the
 * hard kind; with IP_RECVERR every error counts, for unconnected sockets too, and the details wait
 * in the error queue (RFC 1122 4.1.3.3; ip(7)).
 */
#include "socket/dgram.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <linux/sockios.h>
#include <string.h>

#define DGRAM_MAX 65535U

static const struct sock_ops dgram_ops;

/* ---- making and closing ---- */

void dgram_init(struct td_stack *st, struct dgram *d, const struct dgram_proto *proto, int protocol)
{
    sock_init(st, &d->so, &dgram_ops, SOCK_DGRAM, protocol);
    d->proto = proto;
    pkt_queue_init(&d->rx);
    d->errors_tail = &d->errors;
    d->rcvbuf = (int)knob(st, RMEM_DEFAULT);
    d->sndbuf = (int)knob(st, WMEM_DEFAULT);
    d->mcast_loop = true;
    d->mcast_all = true;
    d->mcast_ttl = 1; /* RFC 1112 6.1 */
    d->pmtu = UDP_PMTU_WANT;
}

void dgram_clear(struct td_stack *st, struct dgram *d, bool teardown)
{
    dgram_queues_clear(st, d);
    dgram_leave_all(st, d, teardown);
}

static void dgram_release(struct td_stack *st, struct sock *so, bool teardown)
{
    struct dgram *d = dgram_of(so);
    dgram_clear(st, d, teardown);
    d->proto->release(st, d, teardown);
}

int dgram_apply_opts(struct td_stack *st, struct sock *so)
{
    (void)st;
    struct dgram *d = dgram_of(so);
    uint32_t flags = 0;
    flags |= so->reuseaddr ? UDP_REUSEADDR : 0U;
    flags |= so->reuseport ? UDP_REUSEPORT : 0U;
    flags |= so->broadcast ? UDP_BROADCAST : 0U;
    flags |= so->no_check ? UDP_NO_CHECK : 0U;
    const struct udp_opts o = {
        .flags = flags,
        .ifindex = so->ifindex,
        .mcast_ifindex = d->mcast_ifindex,
        .pmtu = (enum udp_pmtu)d->pmtu,
    };
    d->proto->set_opts(d, &o);
    return 0;
}

/* ---- errors ---- */

void dgram_icmp_error(struct td_stack *st, struct dgram *d, int err, bool hard,
                      const struct ip_error *e, uint16_t dport)
{
    if (!d->recverr) {
        if (!hard || d->proto->addrs(d).raddr == 0) {
            return;
        }
    } else {
        /* The application wants the bytes it wrote: those behind UDP's header; a ping socket's
         * begin with the ICMP header. */
        uint32_t skip = d->so.protocol == IPPROTO_ICMP ? 0 : UDP_HLEN;
        bool more = e->payload_len > skip;
        struct dgram_err what = {
            .ee = {.ee_errno = (uint32_t)err,
                   .ee_origin = SO_EE_ORIGIN_ICMP,
                   .ee_type = e->type,
                   .ee_code = e->code,
                   .ee_info = err == EMSGSIZE ? e->mtu : 0},
            .offender = e->from,
            .dst = {e->h.dst, dport},
        };
        if (!dgram_enqueue_error(st, d, &what, more ? e->payload + skip : NULL,
                                 more ? e->payload_len - skip : 0)) {
            JOURNAL(st, EV_SOCKET_ERROR_DROP_QUEUE_FULL,
                    &((struct journal_subject){.conn = d->so.id, .addr = e->h.dst, .port = dport}),
                    e->from, (uint64_t)(e->type * 256U + e->code));
        }
    }
    d->error = err;
    sock_mark(st, &d->so);
}

/* What we found out ourselves about a datagram to be sent goes the same way under IP_RECVERR. */
static void dgram_local_error(struct td_stack *st, struct dgram *d, int err, const struct ip_tx *tx,
                              uint16_t dport)
{
    struct ip_route_result r;
    uint32_t mtu = 0;
    td_ip4 dst = tx->dst != 0 ? tx->dst : d->proto->addrs(d).raddr;
    if (ip_route(st, dst, tx->src, tx->ifindex, &r) == 0) {
        mtu = r.mtu;
    }
    struct dgram_err what = {
        .ee = {.ee_errno = (uint32_t)err, .ee_origin = SO_EE_ORIGIN_LOCAL, .ee_info = mtu},
        .dst = {dst, dport},
    };
    if (dgram_enqueue_error(st, d, &what, NULL, 0)) {
        sock_mark(st, &d->so);
    }
}

static int dgram_error(struct sock *so)
{
    struct dgram *d = dgram_of(so);
    int err = d->error;
    d->error = 0;
    return err;
}

/* ---- calls ---- */

static int dgram_bind(struct td_stack *st, struct sock *so, struct sock_name to)
{
    struct dgram *d = dgram_of(so);
    return d->proto->bind(st, d, to.addr, to.port);
}

static int dgram_connect(struct td_stack *st, struct sock *so, const struct sock_name *to)
{
    struct dgram *d = dgram_of(so);
    return to == NULL ? d->proto->connect(st, d, 0, 0)
                      : d->proto->connect(st, d, to->addr, to->port);
}

static int dgram_destination(struct dgram *d, const struct msghdr *m, struct sock_name *to)
{
    if (m->msg_name == NULL || m->msg_namelen == 0) {
        *to = (struct sock_name){0, 0}; /* the connected peer, if there is one */
        return d->proto->addrs(d).raddr != 0 ? 0 : -EDESTADDRREQ;
    }
    int err = sock_get_name(m->msg_name, m->msg_namelen, to);
    if (err != 0) {
        return err;
    }
    if (to->port == 0 && d->so.protocol == IPPROTO_UDP) {
        return -EINVAL; /* RFC 768: nobody can be reached at port 0 */
    }
    if (to->addr == 0) {
        td_ip4 own = d->proto->addrs(d).laddr;
        to->addr = own != 0 ? own : INADDR_LOOPBACK;
    }
    return 0;
}

static uint32_t loopback_ifindex(const struct td_stack *st)
{
    const struct netif *nif = netif_first(st);
    while (nif != NULL && (nif->flags & TD_IF_LOOPBACK) == 0) {
        nif = nif->next;
    }
    return nif != NULL ? nif->index : 0;
}

/* What the socket's options say; control messages may then overrule it. */
static void dgram_tx_defaults(const struct td_stack *st, const struct dgram *d, int flags,
                              td_ip4 dst, struct ip_tx *tx)
{
    *tx = (struct ip_tx){
        .dst = dst,
        .tos = d->tos,
        .ttl = d->ttl,
        .opt = d->opt,
        .opt_len = d->opt_len,
    };
    if (d->so.dontroute || (flags & MSG_DONTROUTE) != 0) {
        tx->flags |= IP_TX_DONTROUTE;
    }
    if (d->so.broadcast) {
        tx->flags |= IP_TX_BROADCAST;
    }
    td_ip4 to = dst != 0 ? dst : d->proto->addrs(d).raddr;
    if (ip4_is_multicast(to)) {
        tx->ttl = d->mcast_ttl;
        tx->src = d->mcast_addr;
        if (d->mcast_loop) {
            tx->flags |= IP_TX_MCAST_LOOP;
        }
        if (d->mcast_ttl == 0) { /* not to leave this host */
            tx->ttl = 1;
            tx->ifindex = loopback_ifindex(st);
        }
    }
}

static int64_t dgram_sendmsg(struct td_stack *st, struct sock *so, const struct msghdr *m,
                             size_t len, int flags)
{
    struct dgram *d = dgram_of(so);
    if (len > DGRAM_MAX) {
        return -EMSGSIZE;
    }
    if ((flags & (MSG_OOB | MSG_MORE)) != 0) {
        return -EOPNOTSUPP;
    }
    struct sock_name to;
    int err = dgram_destination(d, m, &to);
    if (err != 0) {
        return err;
    }
    struct ip_tx tx;
    uint8_t opt[40];
    dgram_tx_defaults(st, d, flags, to.addr, &tx);
    err = cmsg_parse_tx(st, m, &tx, opt);
    if (err != 0) {
        return err;
    }
    if (d->error != 0) {
        return -dgram_error(so);
    }
    if (d->shut_wr) {
        return -EPIPE;
    }
    struct pkt *p = pkt_alloc(&st->mem, PKT_HEADROOM, (uint32_t)len);
    if (p == NULL) {
        return -ENOBUFS;
    }
    if (len > 0) {
        uint8_t *b = pkt_put(p, (uint32_t)len);
        if (b == NULL) {
            pkt_free(p);
            return -ENOBUFS;
        }
        iov_gather(m, b);
    }
    err = d->proto->send(st, d, p, &tx, to.port);
    if (err == -EMSGSIZE && d->recverr) {
        dgram_local_error(st, d, EMSGSIZE, &tx, to.port);
    }
    if (err == -ENOBUFS && !d->recverr) {
        err = 0; /* a queue on the way was full: lost, like any datagram */
    }
    return err != 0 ? err : (int64_t)len;
}

static int dgram_shutdown(struct td_stack *st, struct sock *so, int how)
{
    (void)st;
    struct dgram *d = dgram_of(so);
    d->shut_rd |= how != SHUT_WR;
    d->shut_wr |= how != SHUT_RD;
    return d->proto->addrs(d).raddr != 0 ? 0 : -ENOTCONN; /* Linux shuts all the same */
}

static int dgram_getname(struct td_stack *st, struct sock *so, bool peer, struct sock_name *out)
{
    (void)st;
    const struct dgram *d = dgram_of(so);
    struct udp_addrs a = d->proto->addrs(d);
    if (peer && a.raddr == 0) {
        return -ENOTCONN;
    }
    *out = peer ? (struct sock_name){a.raddr, a.rport} : (struct sock_name){a.laddr, a.lport};
    return 0;
}

static int dgram_ioctl(struct td_stack *st, struct sock *so, unsigned long request, int *out)
{
    (void)st;
    const struct dgram *d = dgram_of(so);
    switch (request) {
    case SIOCINQ: /* the next datagram's bytes, not all of them */
        *out = d->rx.head != NULL ? (int)d->rx.head->len : 0;
        return 0;
    case SIOCOUTQ:
        *out = 0;
        return 0;
    default:
        return -ENOTTY;
    }
}

static uint32_t dgram_poll(const struct sock *so)
{
    const struct dgram *d = dgram_of_const(so);
    uint32_t mask = POLLOUT | POLLWRNORM;
    if (d->rx.head != NULL || d->shut_rd) {
        mask |= POLLIN | POLLRDNORM;
    }
    if (d->shut_rd) {
        mask |= POLLRDHUP;
    }
    if (d->shut_rd && d->shut_wr) {
        mask |= POLLHUP;
    }
    if (d->error != 0 || d->errors != NULL) {
        mask |= POLLERR;
    }
    return mask;
}

static const char *dgram_state(const struct sock *so, uint64_t *recvq, uint64_t *sendq)
{
    const struct dgram *d = dgram_of_const(so);
    *recvq = d->rx.bytes;
    *sendq = 0;
    return d->proto->addrs(d).raddr != 0 ? "ESTAB" : "UNCONN";
}

static bool dgram_listening(const struct sock *so)
{
    (void)so;
    return false;
}

static const struct sock_ops dgram_ops = {
    .bind = dgram_bind,
    .connect = dgram_connect,
    .sendmsg = dgram_sendmsg,
    .recvmsg = dgram_recvmsg,
    .shutdown = dgram_shutdown,
    .setopt = dgram_setopt,
    .getopt = dgram_getopt,
    .changed = dgram_apply_opts,
    .getname = dgram_getname,
    .ioctl = dgram_ioctl,
    .poll = dgram_poll,
    .error = dgram_error,
    .state = dgram_state,
    .listening = dgram_listening,
    .release = dgram_release,
};

/* ---- UDP ---- */

static int dgram_udp_bind(struct td_stack *st, struct dgram *d, td_ip4 addr, uint16_t port)
{
    return udp_bind(st, d->udp, addr, port);
}

static int dgram_udp_connect(struct td_stack *st, struct dgram *d, td_ip4 addr, uint16_t port)
{
    return udp_connect(st, d->udp, addr, port);
}

static int dgram_udp_send(struct td_stack *st, struct dgram *d, struct pkt *p, struct ip_tx *tx,
                          uint16_t dport)
{
    return udp_send(st, d->udp, p, tx, dport);
}

static struct udp_addrs dgram_udp_addrs(const struct dgram *d)
{
    return udp_addrs(d->udp);
}

static void dgram_udp_set_opts(struct dgram *d, const struct udp_opts *o)
{
    udp_set_opts(d->udp, o);
}

static void dgram_udp_release(struct td_stack *st, struct dgram *d, bool teardown)
{
    if (!teardown) { /* then udp_done frees the endpoints */
        udp_free(st, d->udp);
    }
    mem_free(&st->mem, MEM_SOCKET, d, sizeof *d);
}

static int dgram_udp_deliver(struct td_stack *st, void *owner, struct pkt *p,
                             const struct ip_rx *rx, uint16_t sport)
{
    struct dgram *d = owner;
    return dgram_enqueue(st, d, p, rx, sport, udp_addrs(d->udp).lport);
}

static void dgram_udp_error(struct td_stack *st, void *owner, int err, bool hard,
                            const struct ip_error *e)
{
    dgram_icmp_error(st, owner, err, hard, e, wire_get16(e->payload + 2));
}

static uint64_t dgram_udp_queued(const void *owner)
{
    const struct dgram *d = owner;
    return d->rx.bytes;
}

static struct endpoint_user dgram_udp_user(const void *owner)
{
    const struct dgram *d = owner;
    struct endpoint_user u = sock_user(&d->so);
    u.rmem = d->charge;
    u.rcvbuf = (uint32_t)d->rcvbuf;
    u.sndbuf = (uint32_t)d->sndbuf;
    return u;
}

static void dgram_udp_aborted(struct td_stack *st, void *owner, int err)
{
    struct dgram *d = owner;
    d->error = err;
    sock_mark(st, &d->so);
}

struct sock *dgram_new_udp(struct td_stack *st, int *err)
{
    static const struct dgram_proto proto = {
        .bind = dgram_udp_bind,
        .connect = dgram_udp_connect,
        .send = dgram_udp_send,
        .addrs = dgram_udp_addrs,
        .set_opts = dgram_udp_set_opts,
        .release = dgram_udp_release,
    };
    static const struct udp_upcalls upcalls = {
        .deliver = dgram_udp_deliver,
        .error = dgram_udp_error,
        .wants_group = dgram_wants_group,
        .queued = dgram_udp_queued,
        .user = dgram_udp_user,
        .aborted = dgram_udp_aborted,
    };
    struct dgram *d = mem_alloc(&st->mem, MEM_SOCKET, sizeof *d);
    if (d == NULL) {
        *err = -ENOMEM;
        return NULL;
    }
    dgram_init(st, d, &proto, IPPROTO_UDP);
    d->udp = udp_new(st, d, d->so.id, &upcalls);
    if (d->udp == NULL) {
        mem_free(&st->mem, MEM_SOCKET, d, sizeof *d);
        *err = -ENOMEM;
        return NULL;
    }
    return &d->so;
}
