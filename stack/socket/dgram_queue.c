/* socket/dgram_queue.c: what waits to be read from a datagram socket: datagrams and errors.
 *
 * Theory of operation. A datagram waits as the packet it came in; what the application may ask
 * about it (who sent it, to which address, TTL, TOS, interface) is kept in the packet's scratch
 * words, IP options (rare) in a small block of their own. The queue is bounded by SO_RCVBUF in
 * bytes of memory really pinned (truesize), descriptors included, so neither a flood of large
 * datagrams nor one of empty ones can eat the instance; one datagram is always taken when the queue
 * is empty. A datagram of length zero is a message like any other: recvmsg returns 0 for it (RFC
 * 768 allows it).
 *
 * With IP_RECVERR the details of ICMP errors wait in a second queue within the same bound, for
 * recvmsg(MSG_ERRQUEUE) (ip(7)): the quoted payload, where it was going, who complained and why.
 */
#include "socket/dgram.h"

#include <errno.h>
#include <string.h>

/* What pkt->cb holds in this queue. */
struct dgram_meta {
    struct sock_name src, dst;
    uint8_t ttl, tos, opt_len;
    uint8_t *opt; /* opt_len bytes, or NULL */
};

static void meta_put(struct pkt *p, const struct dgram_meta *m)
{
    p->cb[0] = (uint64_t)m->src.addr << 32 | m->dst.addr;
    p->cb[1] = (uint64_t)m->src.port << 48 | (uint64_t)m->dst.port << 32 |
               (uint64_t)m->opt_len << 16 | (uint64_t)m->tos << 8 | m->ttl;
    p->cb[2] = (uint64_t)(uintptr_t)m->opt;
}

static struct dgram_meta meta_get(const struct pkt *p)
{
    return (struct dgram_meta){
        .src = {(td_ip4)(p->cb[0] >> 32), (uint16_t)(p->cb[1] >> 48)},
        .dst = {(td_ip4)p->cb[0], (uint16_t)(p->cb[1] >> 32)},
        .ttl = (uint8_t)p->cb[1],
        .tos = (uint8_t)(p->cb[1] >> 8),
        .opt_len = (uint8_t)(p->cb[1] >> 16),
        .opt = (uint8_t *)(uintptr_t)p->cb[2],
    };
}

static uint64_t dgram_cost(const struct pkt *p)
{
    return p->truesize > sizeof *p ? p->truesize : sizeof *p;
}

static bool dgram_room(const struct dgram *d, uint64_t cost)
{
    return d->charge == 0 || d->charge + cost <= (uint64_t)d->rcvbuf;
}

int dgram_enqueue(struct td_stack *st, struct dgram *d, struct pkt *p, const struct ip_rx *rx,
                  uint16_t sport, uint16_t dport)
{
    if (d->shut_rd || !dgram_room(d, dgram_cost(p))) {
        d->drops++;
        return -ENOBUFS;
    }
    struct dgram_meta m = {
        .src = {rx->h.src, sport},
        .dst = {rx->h.dst, dport},
        .ttl = rx->h.ttl,
        .tos = rx->h.tos,
    };
    if (rx->h.opt_len != 0 && (d->recv & DGRAM_RECV_OPTS) != 0) {
        m.opt = mem_alloc(&st->mem, MEM_SOCKET, rx->h.opt_len);
        if (m.opt == NULL) {
            d->drops++;
            return -ENOMEM;
        }
        m.opt_len = rx->h.opt_len;
        memcpy(m.opt, rx->h.opt, m.opt_len);
    }
    meta_put(p, &m);
    if (rx->nif != NULL) {
        p->ifindex = rx->nif->index;
    }
    d->charge += dgram_cost(p);
    pkt_queue_push(&d->rx, p);
    sock_mark(st, &d->so);
    return 0;
}

static void dgram_drop_head(struct td_stack *st, struct dgram *d)
{
    struct pkt *p = pkt_queue_pop(&d->rx);
    struct dgram_meta m = meta_get(p);
    d->charge -= dgram_cost(p);
    mem_free(&st->mem, MEM_SOCKET, m.opt, m.opt_len);
    pkt_free(p);
}

/* ---- the error queue ---- */

bool dgram_enqueue_error(struct td_stack *st, struct dgram *d, const struct dgram_err *what,
                         const uint8_t *data, uint32_t len)
{
    size_t size = sizeof *what + len;
    if (!dgram_room(d, size)) {
        return false;
    }
    struct dgram_err *e = mem_alloc(&st->mem, MEM_SOCKET, size);
    if (e == NULL) {
        return false;
    }
    *e = *what;
    e->next = NULL;
    e->len = len;
    if (len > 0) {
        memcpy(e->data, data, len);
    }
    *d->errors_tail = e;
    d->errors_tail = &e->next;
    d->charge += size;
    return true;
}

static void dgram_drop_error(struct td_stack *st, struct dgram *d)
{
    struct dgram_err *e = d->errors;
    size_t size = sizeof *e + e->len;
    d->errors = e->next;
    if (d->errors == NULL) {
        d->errors_tail = &d->errors;
    }
    d->charge -= size;
    mem_free(&st->mem, MEM_SOCKET, e, size);
}

void dgram_errors_clear(struct td_stack *st, struct dgram *d)
{
    while (d->errors != NULL) {
        dgram_drop_error(st, d);
    }
}

void dgram_queues_clear(struct td_stack *st, struct dgram *d)
{
    while (d->rx.head != NULL) {
        dgram_drop_head(st, d);
    }
    dgram_errors_clear(st, d);
}

/* ---- to and from the application's memory ---- */

void iov_gather(const struct msghdr *m, uint8_t *dst)
{
    for (size_t i = 0; i < m->msg_iovlen; i++) {
        if (m->msg_iov[i].iov_len > 0) {
            memcpy(dst, m->msg_iov[i].iov_base, m->msg_iov[i].iov_len);
            dst += m->msg_iov[i].iov_len;
        }
    }
}

/* As much of p as there is room for; returns the bytes copied. */
static uint32_t iov_scatter(const struct msghdr *m, const struct pkt *p)
{
    uint32_t off = 0;
    for (size_t i = 0; i < m->msg_iovlen && off < p->len; i++) {
        size_t room = m->msg_iov[i].iov_len;
        uint32_t n = room < p->len - off ? (uint32_t)room : p->len - off;
        if (n > 0 && !pkt_read(p, off, m->msg_iov[i].iov_base, n)) {
            break;
        }
        off += n;
    }
    return off;
}

static uint32_t iov_scatter_bytes(const struct msghdr *m, const uint8_t *b, uint32_t len)
{
    uint32_t off = 0;
    for (size_t i = 0; i < m->msg_iovlen && off < len; i++) {
        size_t room = m->msg_iov[i].iov_len;
        uint32_t n = room < len - off ? (uint32_t)room : len - off;
        if (n > 0) {
            memcpy(m->msg_iov[i].iov_base, b + off, n);
            off += n;
        }
    }
    return off;
}

static void msg_put_name(struct msghdr *m, struct sock_name name)
{
    if (m->msg_name != NULL) {
        sock_put_name(name, m->msg_name, &m->msg_namelen);
    } else {
        m->msg_namelen = 0;
    }
}

static struct sockaddr_in name_sockaddr(struct sock_name name)
{
    struct sockaddr_in in;
    socklen_t len = sizeof in;
    memset(&in, 0, sizeof in);
    sock_put_name(name, (struct sockaddr *)&in, &len);
    return in;
}

/* RFC 1122 4.1.3.5's specific-destination address: for a broadcast or multicast, an address of the
 * arriving interface that an answer can carry. */
static td_ip4 specific_destination(const struct td_stack *st, const struct pkt *p, td_ip4 dst)
{
    if (ip_is_local(st, dst)) {
        return dst;
    }
    const struct netif *nif = netif_by_index(st, p->ifindex);
    for (const struct netif_addr *a = nif != NULL ? nif->addrs : NULL; a != NULL; a = a->next) {
        if (a->state == ADDR_READY) {
            return a->addr;
        }
    }
    return 0;
}

static void dgram_put_control(struct td_stack *st, const struct dgram *d, const struct pkt *p,
                              const struct dgram_meta *meta, struct cmsg_out *out)
{
    if ((d->recv & DGRAM_RECV_OVFL) != 0 && d->drops != 0) {
        cmsg_put(out, SOL_SOCKET, SO_RXQ_OVFL, &d->drops, sizeof d->drops);
    }
    if ((d->recv & DGRAM_RECV_PKTINFO) != 0) {
        uint8_t spec[4], dst[4];
        struct in_pktinfo info;
        memset(&info, 0, sizeof info);
        wire_put32(spec, specific_destination(st, p, meta->dst.addr));
        wire_put32(dst, meta->dst.addr);
        info.ipi_ifindex = (int)p->ifindex;
        memcpy(&info.ipi_spec_dst, spec, 4);
        memcpy(&info.ipi_addr, dst, 4);
        cmsg_put(out, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    }
    if ((d->recv & DGRAM_RECV_TTL) != 0) {
        int ttl = meta->ttl;
        cmsg_put(out, IPPROTO_IP, IP_TTL, &ttl, sizeof ttl);
    }
    if ((d->recv & DGRAM_RECV_TOS) != 0) {
        cmsg_put(out, IPPROTO_IP, IP_TOS, &meta->tos, sizeof meta->tos);
    }
    if ((d->recv & DGRAM_RECV_OPTS) != 0 && meta->opt_len != 0) {
        cmsg_put(out, IPPROTO_IP, IP_RECVOPTS, meta->opt, meta->opt_len);
    }
    if ((d->recv & DGRAM_RECV_DSTADDR) != 0) {
        struct sockaddr_in in = name_sockaddr(meta->dst);
        cmsg_put(out, IPPROTO_IP, IP_ORIGDSTADDR, &in, sizeof in);
    }
}

/* struct sock_extended_err with the offender's address right behind it. */
struct recverr {
    struct sock_extended_err ee;
    struct sockaddr_in offender;
};

static int64_t dgram_recv_error(struct td_stack *st, struct dgram *d, struct msghdr *m, int flags)
{
    const struct dgram_err *e = d->errors;
    if (e == NULL) {
        m->msg_controllen = 0;
        m->msg_namelen = 0;
        return -EAGAIN;
    }
    uint32_t n = iov_scatter_bytes(m, e->data, e->len);
    m->msg_flags |= MSG_ERRQUEUE | (n < e->len ? MSG_TRUNC : 0);
    msg_put_name(m, e->dst);
    struct recverr r;
    memset(&r, 0, sizeof r);
    r.ee = e->ee;
    if (e->offender != 0) {
        r.offender = name_sockaddr((struct sock_name){e->offender, 0});
    }
    struct cmsg_out out = {.m = m, .room = m->msg_controllen};
    cmsg_put(&out, IPPROTO_IP, IP_RECVERR, &r, sizeof r);
    m->msg_controllen = out.used;
    if ((flags & MSG_PEEK) == 0) {
        dgram_drop_error(st, d);
        d->error = d->errors != NULL ? (int)d->errors->ee.ee_errno : 0;
        if (d->errors != NULL) {
            sock_mark(st, &d->so);
        }
    }
    return n;
}

int64_t dgram_recvmsg(struct td_stack *st, struct sock *so, struct msghdr *m, size_t len, int flags)
{
    struct dgram *d = dgram_of(so);
    (void)len;
    if ((flags & MSG_ERRQUEUE) != 0) {
        return dgram_recv_error(st, d, m, flags);
    }
    if ((flags & MSG_OOB) != 0) {
        return -EOPNOTSUPP;
    }
    if (d->error != 0) {
        int err = d->error;
        d->error = 0;
        return -err;
    }
    const struct pkt *p = d->rx.head;
    if (p == NULL) {
        m->msg_namelen = 0;
        m->msg_controllen = 0;
        return d->shut_rd ? 0 : -EAGAIN;
    }
    struct dgram_meta meta = meta_get(p);
    uint32_t n = iov_scatter(m, p);
    uint32_t whole = p->len;
    if (n < whole) {
        m->msg_flags |= MSG_TRUNC;
    }
    msg_put_name(m, meta.src);
    struct cmsg_out out = {.m = m, .room = m->msg_control != NULL ? m->msg_controllen : 0};
    dgram_put_control(st, d, p, &meta, &out);
    m->msg_controllen = out.used;
    if ((flags & MSG_PEEK) == 0) {
        dgram_drop_head(st, d);
    }
    return (flags & MSG_TRUNC) != 0 ? whole : n;
}
