/* socket/ping.c: ping sockets: SOCK_DGRAM with IPPROTO_ICMP (RFC 1122 3.2.2.6, 3.4; icmp(7)).
 *
 * Theory of operation. An application that wants to ping needs no raw socket: it writes echo
 * requests and reads the echo replies to them. What it writes and reads is the ICMP message, header
 * included; the identifier is the socket's "port" (chosen at random when it binds to 0 or just
 * sends), and the stack puts it in and computes the checksum, so an application can't forge
 * anything else. ip/icmp.c shows us every echo reply and every error about an echo request of ours;
 * the identifier, looked up in a keyed hash, says whose it is. Everything else is a datagram socket
 * like any other (dgram.c).
 */
#include "socket/dgram.h"

#include <errno.h>
#include <string.h>

struct ping {
    struct dgram d;        /* first */
    struct hash_node node; /* in sockets->ping while id != 0 */
    struct udp_addrs a;    /* lport: the identifier */
    struct udp_opts opts;
};

static struct ping *ping_of(struct dgram *d)
{
    return container_of(d, struct ping, d);
}
static const struct ping *ping_of_const(const struct dgram *d)
{
    return container_of(d, const struct ping, d);
}

static bool ping_eq(const struct hash_node *n, const void *key)
{
    uint16_t id;
    memcpy(&id, key, sizeof id);
    return container_of(n, const struct ping, node)->a.lport == id;
}

static struct ping *ping_find(const struct td_stack *st, uint16_t id)
{
    struct hash_node *n = hash_find(&st->sockets->ping, &id, sizeof id, ping_eq);
    return n == NULL ? NULL : container_of(n, struct ping, node);
}

/* ---- the protocol under dgram.c ---- */

/* A random start and then the next ones: somebody who can guess the identifier can forge answers.
 */
static int ping_choose_id(struct td_stack *st, uint16_t *id)
{
    uint32_t start = rng_below(&st->rng, 65535);
    for (uint32_t k = 0; k < 65535; k++) {
        *id = (uint16_t)(1 + (start + k) % 65535);
        if (ping_find(st, *id) == NULL) {
            return 0;
        }
    }
    return -EADDRINUSE;
}

static int ping_bind(struct td_stack *st, struct dgram *d, td_ip4 addr, uint16_t port)
{
    struct ping *g = ping_of(d);
    if (g->a.lport != 0) {
        return -EINVAL;
    }
    if (addr != 0 && !ip4_is_multicast(addr) && !ip_is_local(st, addr) &&
        !ip_is_broadcast(st, NULL, addr)) {
        return -EADDRNOTAVAIL;
    }
    uint16_t id = port;
    if (id == 0) {
        int err = ping_choose_id(st, &id);
        if (err != 0) {
            return err;
        }
    } else if (ping_find(st, id) != NULL) {
        return -EADDRINUSE;
    }
    if (hash_insert(&st->sockets->ping, &g->node, &id, sizeof id) != 0) {
        return -ENOMEM;
    }
    g->a.laddr = addr;
    g->a.lport = id;
    return 0;
}

static td_ip4 ping_source(const struct td_stack *st, const struct ping *g)
{
    return g->a.laddr != 0 && ip_is_local(st, g->a.laddr) ? g->a.laddr : 0;
}

static int ping_connect(struct td_stack *st, struct dgram *d, td_ip4 addr, uint16_t port)
{
    struct ping *g = ping_of(d);
    (void)port;
    if (addr == 0) {
        g->a.raddr = 0;
        return 0;
    }
    struct ip_route_result r;
    int err = ip_route(st, addr, ping_source(st, g), g->opts.ifindex, &r);
    if (err != 0) {
        return err;
    }
    if (r.type == FIB_BROADCAST && (g->opts.flags & UDP_BROADCAST) == 0) {
        return -EACCES;
    }
    if (g->a.lport == 0) {
        err = ping_bind(st, d, 0, 0);
        if (err != 0) {
            return err;
        }
    }
    g->a.raddr = addr;
    return 0;
}

/* Sends the message in p (linear, whole) as an echo request of ours. */
static int ping_transmit(struct td_stack *st, struct ping *g, const struct pkt *p, struct ip_tx *tx)
{
    struct icmp_hdr h;
    if (p->len > 65535U - IPV4_HLEN - tx->opt_len) {
        return -EMSGSIZE;
    }
    if (p->len < ICMP_HLEN || icmp_parse(&h, p->data, p->head_len) != WIRE_OK ||
        h.type != ICMP_ECHO || h.code != 0) {
        return -EINVAL;
    }
    if (tx->src != 0 && !ip_is_local(st, tx->src)) {
        return -EINVAL;
    }
    tx->dst = tx->dst != 0 ? tx->dst : g->a.raddr;
    tx->src = tx->src != 0 ? tx->src : ping_source(st, g);
    tx->proto = IPPROTO_ICMP_;
    if (tx->ifindex == 0) {
        tx->ifindex = g->opts.ifindex != 0        ? g->opts.ifindex
                      : ip4_is_multicast(tx->dst) ? g->opts.mcast_ifindex
                                                  : 0;
    }
    struct ip_route_result r;
    int err = ip_route(st, tx->dst, tx->src, tx->ifindex, &r);
    if (err != 0) {
        return err;
    }
    if (g->opts.pmtu == UDP_PMTU_DO || g->opts.pmtu == UDP_PMTU_PROBE ||
        (g->opts.pmtu == UDP_PMTU_WANT && !r.mtu_floor &&
         IPV4_HLEN + tx->opt_len + p->len <= r.mtu)) {
        tx->flags |= IP_TX_DF;
    }
    if (g->a.lport == 0) {
        err = ping_bind(st, &g->d, 0, 0);
        if (err != 0) {
            return err;
        }
    }
    return icmp_send_echo(st, tx, g->a.lport, h.echo.seq, p->data + ICMP_HLEN, p->len - ICMP_HLEN);
}

static int ping_send(struct td_stack *st, struct dgram *d, struct pkt *p, struct ip_tx *tx,
                     uint16_t dport)
{
    (void)dport;
    int err = ping_transmit(st, ping_of(d), p, tx);
    pkt_free(p);
    return err;
}

static struct udp_addrs ping_addrs(const struct dgram *d)
{
    return ping_of_const(d)->a;
}

static void ping_set_opts(struct dgram *d, const struct udp_opts *o)
{
    ping_of(d)->opts = *o;
}

static void ping_release(struct td_stack *st, struct dgram *d, bool teardown)
{
    struct ping *g = ping_of(d);
    (void)teardown;
    if (g->a.lport != 0) {
        hash_remove(&st->sockets->ping, &g->node);
    }
    mem_free(&st->mem, MEM_SOCKET, g, sizeof *g);
}

struct sock *dgram_new_ping(struct td_stack *st, int *err)
{
    static const struct dgram_proto proto = {
        .bind = ping_bind,
        .connect = ping_connect,
        .send = ping_send,
        .addrs = ping_addrs,
        .set_opts = ping_set_opts,
        .release = ping_release,
    };
    struct ping *g = mem_alloc(&st->mem, MEM_SOCKET, sizeof *g);
    if (g == NULL) {
        *err = -ENOMEM;
        return NULL;
    }
    dgram_init(st, &g->d, &proto, IPPROTO_ICMP);
    g->opts.pmtu = UDP_PMTU_WANT;
    return &g->d.so;
}

/* ---- what ICMP shows us ---- */

static void ping_reply(struct td_stack *st, const struct pkt *p, const struct ip_rx *rx,
                       const struct icmp_hdr *h)
{
    struct journal_subject who = {.pkt = p->id, .addr = rx->h.src};
    struct ping *g = ping_find(st, h->echo.id);
    uint32_t ifindex = rx->nif != NULL ? rx->nif->index : 0;
    if (g == NULL || (g->a.laddr != 0 && g->a.laddr != rx->h.dst) ||
        (g->opts.ifindex != 0 && g->opts.ifindex != ifindex)) {
        JOURNAL(st, EV_PING_DROP_NO_SOCKET, &who, rx->h.src, h->echo.id, h->echo.seq);
        return;
    }
    who.conn = g->d.so.id;
    struct pkt *copy = pkt_clone(p, 0);
    if (copy == NULL || dgram_enqueue(st, &g->d, copy, rx, 0, h->echo.id) != 0) {
        pkt_free(copy);
        JOURNAL(st, EV_PING_DROP_QUEUE_FULL, &who, rx->h.src, h->echo.id, h->echo.seq);
        return;
    }
    JOURNAL(st, EV_PING_DELIVER, &who, rx->h.src, h->echo.id, h->echo.seq);
}

static void ping_error(struct td_stack *st, const struct ip_error *e, uint16_t id, uint16_t seq)
{
    (void)seq;
    struct ping *g = ping_find(st, id);
    bool hard;
    int err = ip_icmp_errno(e->type, e->code, &hard);
    if (g == NULL || err == 0 || (err == EMSGSIZE && g->d.pmtu == UDP_PMTU_DONT)) {
        return;
    }
    if (err == EMSGSIZE) {
        udp_pmtu_error(st, e);
    }
    dgram_icmp_error(st, &g->d, err, hard, e, 0);
}

int ping_init(struct td_stack *st)
{
    static const struct icmp_listener listener = {ping_reply, ping_error};
    hash_init(&st->sockets->ping, &st->mem, &st->hash_key);
    icmp_set_listener(st, &listener);
    return 0;
}

void ping_done(struct td_stack *st)
{
    hash_done(&st->sockets->ping);
}
