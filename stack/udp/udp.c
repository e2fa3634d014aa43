/* udp/udp.c: the User Datagram Protocol (RFC 768; host rules of RFC 1122 4.1).
 *
 * Theory of operation. UDP adds three things to IP: ports, a length, and a checksum.
 *
 *   Input (udp_input): header there? length field sane (at least 8, not beyond what IP brought;
 *   bytes behind it are ignored)? checksum right, or absent (0)? Then udp_demux.c says whose it is,
 *   and the endpoint's owner (socket/) takes or refuses it. Nobody's: port unreachable, unless it
 *   was a broadcast or multicast (RFC 1122 4.1.3.1, 3.2.2).
 *
 *   Output (udp_send): route first, because the checksum covers the source address; then header,
 *   checksum over the pseudo-header of RFC 768 (a sum of zero is sent as all ones, because zero
 * means "none"), ip_output.
 *
 *   Errors (udp_error): an ICMP message quotes the datagram it is about; its ports find the
 *   endpoint as an answer would. The errno is Linux's.
 *
 * Every drop is journaled and counted; the endpoint counts the datagrams it had no room for.
 */
#include "udp/udp_internal.h"

#include "wire/checksum.h"

#include <errno.h>
#include <string.h>

#define UDP_MAX_PAYLOAD (65535U - IPV4_HLEN - UDP_HLEN)

/* ---- endpoints ---- */

struct udp_pcb *udp_new(struct td_stack *st, void *owner, uint32_t id, const struct udp_upcalls *up)
{
    struct udp_pcb *u = mem_alloc(&st->mem, MEM_UDP, sizeof *u);
    if (u == NULL) {
        return NULL;
    }
    u->owner = owner;
    u->id = id;
    u->up = up;
    u->opts.pmtu = UDP_PMTU_WANT;
    if (hash_insert(&st->udp->all, &u->all, &u->id, sizeof u->id) != 0) {
        mem_free(&st->mem, MEM_UDP, u, sizeof *u);
        return NULL;
    }
    return u;
}

void udp_free(struct td_stack *st, struct udp_pcb *u)
{
    udp_index_remove(st, u);
    hash_remove(&st->udp->all, &u->all);
    mem_free(&st->mem, MEM_UDP, u, sizeof *u);
}

void udp_set_opts(struct udp_pcb *u, const struct udp_opts *o)
{
    u->opts = *o;
}

struct udp_addrs udp_addrs(const struct udp_pcb *u)
{
    return u->a;
}

static struct journal_subject udp_subject(const struct udp_pcb *u, const struct pkt *p)
{
    return (struct journal_subject){
        .pkt = p != NULL ? p->id : 0,
        .conn = u->id,
        .addr = u->a.raddr,
        .port = u->a.rport,
        .lport = u->a.lport,
    };
}

/* An ephemeral port shares with nobody, whatever the flags say. */
static int udp_choose_port(struct td_stack *st, const struct udp_pcb *u, td_ip4 laddr, td_ip4 raddr,
                           uint16_t rport, uint16_t *port)
{
    for (uint32_t k = 0; port_candidate(st, laddr, raddr, rport, k, port); k++) {
        if (!udp_conflicts(st, u, u->a.laddr, *port, true)) {
            return 0;
        }
    }
    return -EADDRINUSE;
}

int udp_bind(struct td_stack *st, struct udp_pcb *u, td_ip4 addr, uint16_t port)
{
    if (u->a.lport != 0) {
        return -EINVAL;
    }
    if (addr != 0 && !ip4_is_multicast(addr) && !ip_is_local(st, addr) &&
        !ip_is_broadcast(st, NULL, addr)) {
        return -EADDRNOTAVAIL;
    }
    struct udp_addrs a = {.laddr = addr, .lport = port};
    if (port == 0) {
        int err = udp_choose_port(st, u, addr, 0, 0, &a.lport);
        if (err != 0) {
            return err;
        }
    } else if (udp_conflicts(st, u, addr, port, false)) {
        return -EADDRINUSE;
    }
    int err = udp_index_put(st, u, &a);
    if (err != 0) {
        return err;
    }
    u->addr_fixed = addr != 0;
    u->port_fixed = port != 0;
    struct journal_subject who = udp_subject(u, NULL);
    JOURNAL(st, EV_UDP_BIND, &who, a.laddr, a.lport);
    return 0;
}

static int udp_disconnect(struct td_stack *st, struct udp_pcb *u)
{
    if (u->a.lport == 0) {
        return 0;
    }
    struct udp_addrs a = {
        .laddr = u->addr_fixed ? u->a.laddr : 0,
        .lport = u->port_fixed ? u->a.lport : 0,
    };
    if (a.lport == 0) {
        udp_index_remove(st, u);
        u->a = a;
    } else {
        int err = udp_index_put(st, u, &a);
        if (err != 0) {
            return err;
        }
    }
    struct journal_subject who = udp_subject(u, NULL);
    JOURNAL(st, EV_UDP_CONNECT, &who, u->a.laddr, u->a.lport, 0, 0);
    return 0;
}

/* The address datagrams leave from: the bound one, unless that is only good for receiving. */
static td_ip4 udp_source(const struct td_stack *st, const struct udp_pcb *u)
{
    td_ip4 a = u->a.laddr;
    return a != 0 && (ip4_is_multicast(a) || !ip_is_local(st, a)) ? 0 : a;
}

static uint32_t udp_out_ifindex(const struct udp_pcb *u, td_ip4 dst, uint32_t asked)
{
    if (asked != 0) {
        return asked;
    }
    if (u->opts.ifindex != 0) {
        return u->opts.ifindex;
    }
    return ip4_is_multicast(dst) ? u->opts.mcast_ifindex : 0;
}

int udp_connect(struct td_stack *st, struct udp_pcb *u, td_ip4 addr, uint16_t port)
{
    if (addr == 0) {
        return udp_disconnect(st, u);
    }
    /* A second connect chooses its source anew. */
    td_ip4 bound = u->a.raddr != 0 && !u->addr_fixed ? 0 : u->a.laddr;
    td_ip4 src = bound != 0 ? udp_source(st, u) : 0;
    struct ip_route_result r;
    int err = ip_route(st, addr, src, udp_out_ifindex(u, addr, 0), &r);
    if (err != 0) {
        return err;
    }
    if (r.type == FIB_BROADCAST && (u->opts.flags & UDP_BROADCAST) == 0) {
        return -EACCES;
    }
    struct udp_addrs a = {
        .laddr = bound != 0 ? bound : r.src,
        .lport = u->a.lport,
        .raddr = addr,
        .rport = port,
    };
    if (a.lport == 0) {
        err = udp_choose_port(st, u, a.laddr, addr, port, &a.lport);
        if (err != 0) {
            return err;
        }
    }
    err = udp_index_put(st, u, &a);
    if (err != 0) {
        return err;
    }
    struct journal_subject who = udp_subject(u, NULL);
    JOURNAL(st, EV_UDP_CONNECT, &who, a.laddr, a.lport, a.raddr, a.rport);
    return 0;
}

/* ---- output ---- */

static int udp_refuse(struct td_stack *st, const struct udp_pcb *u, struct pkt *p, td_ip4 dst,
                      uint16_t dport, int err)
{
    struct journal_subject who = udp_subject(u, p);
    JOURNAL(st, EV_UDP_SEND_FAILED, &who, dst, dport, (uint64_t)-err);
    pkt_free(p);
    return err;
}

/* Header and checksum in front of the payload. */
static bool udp_encapsulate(struct pkt *p, const struct udp_pcb *u, td_ip4 src, td_ip4 dst,
                            uint16_t dport)
{
    struct udp_hdr h = {
        .sport = u->a.lport,
        .dport = dport,
        .length = (uint16_t)(p->len + UDP_HLEN),
    };
    uint8_t *b = pkt_push(p, UDP_HLEN);
    if (b == NULL) {
        return false;
    }
    udp_emit(&h, b);
    if ((u->opts.flags & UDP_NO_CHECK) == 0) {
        uint32_t pseudo = checksum_pseudo(src, dst, IPPROTO_UDP_, p->len);
        uint16_t sum =
            checksum_finish((uint32_t)checksum_fold(pseudo) + checksum_fold(pkt_sum(p, 0, p->len)));
        h.csum = sum != 0 ? sum : 0xffff; /* RFC 768: zero means that there is none */
        udp_emit(&h, b);
    }
    return true;
}

int udp_send(struct td_stack *st, struct udp_pcb *u, struct pkt *p, const struct ip_tx *tx,
             uint16_t dport)
{
    struct ip_tx out = *tx;
    if (out.dst == 0) {
        out.dst = u->a.raddr;
        dport = u->a.rport;
        if (out.dst == 0) {
            return udp_refuse(st, u, p, 0, dport, -EDESTADDRREQ);
        }
    }
    if (dport == 0) {
        return udp_refuse(st, u, p, out.dst, dport, -EINVAL);
    }
    if (p->len > UDP_MAX_PAYLOAD - out.opt_len) {
        return udp_refuse(st, u, p, out.dst, dport, -EMSGSIZE);
    }
    if (out.src != 0 && !ip_is_local(st, out.src)) { /* RFC 1122 4.1.3.6 */
        return udp_refuse(st, u, p, out.dst, dport, -EINVAL);
    }
    if (out.src == 0) {
        out.src = udp_source(st, u);
    }
    out.ifindex = udp_out_ifindex(u, out.dst, out.ifindex);
    struct ip_route_result r;
    int err = ip_route(st, out.dst, out.src, out.ifindex, &r);
    if (err != 0) {
        return udp_refuse(st, u, p, out.dst, dport, err);
    }
    out.src = r.src;
    out.proto = IPPROTO_UDP_;
    if ((u->opts.flags & UDP_BROADCAST) != 0) {
        out.flags |= IP_TX_BROADCAST;
    } else if (r.type == FIB_BROADCAST) {
        return udp_refuse(st, u, p, out.dst, dport, -EACCES);
    }

    uint32_t size = (uint32_t)IPV4_HLEN + UDP_HLEN + out.opt_len + p->len;
    uint32_t mtu = u->opts.pmtu == UDP_PMTU_PROBE ? r.nif->mtu : r.mtu;
    bool df_always = u->opts.pmtu == UDP_PMTU_DO || u->opts.pmtu == UDP_PMTU_PROBE;
    if (df_always && size > mtu) {
        return udp_refuse(st, u, p, out.dst, dport, -EMSGSIZE);
    }
    if (df_always || (u->opts.pmtu == UDP_PMTU_WANT && size <= mtu && !r.mtu_floor)) {
        out.flags |= IP_TX_DF;
    }

    if (u->a.lport == 0) {
        struct udp_addrs a = u->a;
        err = udp_choose_port(st, u, 0, 0, 0, &a.lport);
        if (err == 0) {
            err = udp_index_put(st, u, &a);
        }
        if (err != 0) {
            return udp_refuse(st, u, p, out.dst, dport, err);
        }
    }
    if (!udp_encapsulate(p, u, out.src, out.dst, dport)) {
        return udp_refuse(st, u, p, out.dst, dport, -ENOBUFS);
    }
    struct journal_subject who = udp_subject(u, p);
    who.addr = out.dst;
    who.port = dport;
    uint64_t bytes = p->len - UDP_HLEN;
    err = ip_output(st, p, &out);
    if (err == 0) {
        count(st, UdpOutDatagrams);
        JOURNAL(st, EV_UDP_SEND, &who, out.src, who.lport, out.dst, dport, bytes);
    } else {
        if (err == -ENOBUFS) {
            count(st, UdpSndbufErrors);
        }
        who.pkt = 0;
        JOURNAL(st, EV_UDP_SEND_FAILED, &who, out.dst, dport, (uint64_t)-err);
    }
    return err;
}

/* ---- input ---- */

static struct journal_subject udp_rx_subject(const struct pkt *p, const struct ip_rx *rx,
                                             const struct udp_hdr *h)
{
    return (struct journal_subject){
        .pkt = p->id,
        .ifindex = rx->nif != NULL ? rx->nif->index : 0,
        .addr = rx->h.src,
        .port = h->sport,
        .lport = h->dport,
    };
}

static bool udp_checksum_ok(const struct td_stack *st, const struct pkt *p, const struct ip_rx *rx, const struct udp_hdr *h)
{
    if (h->csum == 0 || p->csum != PKT_CSUM_NONE) {
        return true;
    }
    if (FAULT_ON(st, UDP_NO_CHECKSUM)) {
        return true;
    }
    uint32_t pseudo = checksum_pseudo(rx->h.src, rx->h.dst, IPPROTO_UDP_, h->length);
    return checksum_finish((uint32_t)checksum_fold(pseudo) +
                           checksum_fold(pkt_sum(p, 0, h->length))) == 0;
}

/* Parses and verifies; false: dropped (p still the caller's). */
static bool udp_check(struct td_stack *st, struct pkt *p, const struct ip_rx *rx, struct udp_hdr *h)
{
    memset(h, 0, sizeof *h);
    struct journal_subject who = udp_rx_subject(p, rx, h);
    if (!pkt_may_pull(p, UDP_HLEN)) {
        count(st, UdpInErrors);
        JOURNAL(st, EV_UDP_DROP_SHORT, &who, rx->h.src, p->len);
        return false;
    }
    enum wire_status s = udp_parse(h, p->data, p->len);
    who = udp_rx_subject(p, rx, h);
    if (s != WIRE_OK) {
        count(st, UdpInErrors);
        JOURNAL(st, EV_UDP_DROP_LENGTH, &who, rx->h.src, wire_get16(p->data + 4), p->len);
        return false;
    }
    if (!udp_checksum_ok(st, p, rx, h)) {
        count(st, UdpInErrors);
        count(st, UdpInCsumErrors);
        JOURNAL(st, EV_UDP_DROP_CHECKSUM, &who, rx->h.src, h->sport, h->dport, h->csum);
        return false;
    }
    pkt_trim(p, h->length);
    return true;
}

/* Hands the payload (header already pulled) to an endpoint. Consumes p. */
static void udp_deliver(struct td_stack *st, struct udp_pcb *u, struct pkt *p,
                        const struct ip_rx *rx, const struct udp_hdr *h)
{
    struct journal_subject who = udp_rx_subject(p, rx, h);
    who.conn = u->id;
    uint64_t bytes = p->len;
    int err = u->up->deliver(st, u->owner, p, rx, h->sport);
    if (err == 0) {
        count(st, UdpInDatagrams);
        JOURNAL(st, EV_UDP_DELIVER, &who, rx->h.src, h->sport, rx->h.dst, h->dport, bytes);
        return;
    }
    u->drops++;
    count(st, UdpInErrors);
    if (err == -ENOBUFS) {
        count(st, UdpRcvbufErrors);
        JOURNAL(st, EV_UDP_DROP_QUEUE_FULL, &who, rx->h.src, h->sport, h->dport, bytes);
    } else {
        JOURNAL(st, EV_UDP_DROP_MEMORY, &who, rx->h.src, h->sport, h->dport, bytes);
    }
    pkt_free(p);
}

/* RFC 1122 4.1.3.5, RFC 1112 6.1: a copy to every endpoint that matches. Consumes p. */
static void udp_deliver_all(struct td_stack *st, struct pkt *p, const struct ip_rx *rx,
                            const struct udp_hdr *h, const struct udp_addrs *a, uint32_t ifindex)
{
    struct udp_pcb *u = udp_next_receiver(st, NULL, a, ifindex);
    if (u == NULL) {
        struct journal_subject who = udp_rx_subject(p, rx, h);
        count(st, UdpNoPorts);
        JOURNAL(st, EV_UDP_DROP_NO_LISTENER, &who, rx->h.src, h->sport, rx->h.dst, h->dport);
        pkt_free(p);
        return;
    }
    pkt_pull(p, UDP_HLEN);
    while (u != NULL) {
        struct udp_pcb *next = udp_next_receiver(st, u, a, ifindex);
        struct pkt *copy = next != NULL ? pkt_clone(p, 0) : p;
        if (copy != NULL) {
            udp_deliver(st, u, copy, rx, h);
        } else {
            struct journal_subject who = udp_rx_subject(p, rx, h);
            who.conn = u->id;
            u->drops++;
            count(st, UdpInErrors);
            JOURNAL(st, EV_UDP_DROP_MEMORY, &who, rx->h.src, h->sport, h->dport, p->len);
        }
        u = next;
    }
}

static void udp_input(struct td_stack *st, struct pkt *p, const struct ip_rx *rx)
{
    struct udp_hdr h;
    if (!udp_check(st, p, rx, &h)) {
        pkt_free(p);
        return;
    }
    const struct udp_addrs a = {
        .laddr = rx->h.dst, .raddr = rx->h.src, .lport = h.dport, .rport = h.sport};
    uint32_t ifindex = rx->nif != NULL ? rx->nif->index : 0;
    if (rx->bcast || rx->mcast) {
        udp_deliver_all(st, p, rx, &h, &a, ifindex);
        return;
    }
    struct udp_pcb *u = udp_lookup(st, &a, ifindex);
    if (u == NULL) { /* RFC 1122 4.1.3.1 */
        struct journal_subject who = udp_rx_subject(p, rx, &h);
        count(st, UdpNoPorts);
        JOURNAL_CAUSE(st, EV_UDP_DROP_NO_PORT, &who, rx->h.src, h.sport, h.dport);
        if (!FAULT_ON(st, UDP_SILENCE))
            icmp_send_error(st, p, ICMP_UNREACHABLE, ICMP_PORT_UNREACH, 0);
        pkt_free(p);
        return;
    }
    pkt_pull(p, UDP_HLEN);
    udp_deliver(st, u, p, rx, &h);
}

int udp_destroy(struct td_stack *st, const struct udp_addrs *a)
{
    int n = 0;
    for (struct hash_node *node = hash_first(&st->udp->all); node != NULL; node = hash_next(node)) {
        struct udp_pcb *u = container_of(node, struct udp_pcb, all);
        const struct journal_subject who = {
            .conn = u->id, .addr = u->a.raddr, .port = u->a.rport, .lport = u->a.lport};
        if (u->a.laddr != a->laddr || u->a.lport != a->lport || u->a.raddr != a->raddr ||
            u->a.rport != a->rport) {
            continue;
        }
        JOURNAL(st, EV_UDP_DESTROYED, &who, a->laddr, a->lport, a->raddr, a->rport);
        if (u->up->aborted != NULL) {
            u->up->aborted(st, u->owner, ECONNABORTED);
        }
        if (u->a.raddr != 0) {
            (void)udp_connect(st, u, 0, 0); /* to dissolve needs no memory */
        }
        n++;
    }
    return n;
}

/* ---- ICMP errors ---- */

void udp_pmtu_error(struct td_stack *st, const struct ip_error *e)
{
    uint32_t mtu = e->mtu != 0 ? e->mtu : ip_pmtu_plateau(e->h.total_len);
    if (mtu < e->h.total_len) { /* else it can't have been the reason */
        ip_pmtu_update(st, e->h.dst, mtu);
    }
}

static void udp_error(struct td_stack *st, const struct ip_error *e)
{
    const struct udp_addrs a = {
        .laddr = e->h.src,
        .raddr = e->h.dst,
        .lport = e->payload_len >= 2 ? wire_get16(e->payload) : 0,
        .rport = e->payload_len >= 4 ? wire_get16(e->payload + 2) : 0,
    };
    struct journal_subject who = {.addr = a.raddr, .port = a.rport, .lport = a.lport};
    uint64_t what = (uint64_t)(e->type * 256U + e->code);
    bool hard;
    int err = ip_icmp_errno(e->type, e->code, &hard);
    if (err == 0) {
        JOURNAL(st, EV_UDP_ERROR_IGNORED, &who, e->from, what);
        return;
    }
    struct udp_pcb *u = e->payload_len >= UDP_HLEN ? udp_lookup(st, &a, 0) : NULL;
    if (u == NULL) {
        count(st, UdpInErrors);
        JOURNAL(st, EV_UDP_ERROR_DROP_NO_SOCKET, &who, e->from, what, a.lport);
        return;
    }
    who.conn = u->id;
    if (err == EMSGSIZE && u->opts.pmtu == UDP_PMTU_DONT) {
        /* We asked routers to fragment; one that didn't has no claim on the sender's attention. */
        JOURNAL(st, EV_UDP_ERROR_IGNORED, &who, e->from, what);
        return;
    }
    if (err == EMSGSIZE) {
        udp_pmtu_error(st, e);
    }
    JOURNAL_CAUSE(st, EV_UDP_ERROR, &who, e->from, what, (uint64_t)err);
    u->up->error(st, u->owner, err, hard, e);
}

/* ---- the instance ---- */

int udp_init(struct td_stack *st)
{
    static const struct ip_protocol ops = {.input = udp_input, .error = udp_error};
    struct udp *udp = mem_alloc(&st->mem, MEM_INSTANCE, sizeof *udp);
    if (udp == NULL) {
        return -ENOMEM;
    }
    st->udp = udp;
    hash_init(&udp->all, &st->mem, &st->hash_key);
    for (int i = 0; i < UDP_INDEXES; i++) {
        hash_init(&udp->index[i], &st->mem, &st->hash_key);
    }
    ports_init(st, &udp->ports);
    udp->table = (struct table){
        .name = "udp",
        .doc = "UDP sockets",
        .columns = udp_columns,
        .ncolumns = udp_ncolumns,
        .next = udp_table_next,
    };
    table_register(st, &udp->table);
    return ip_register(st, IPPROTO_UDP_, &ops);
}

void udp_done(struct td_stack *st)
{
    struct udp *udp = st->udp;
    if (udp == NULL) {
        return;
    }
    struct hash_node *n;
    while ((n = hash_first(&udp->all)) != NULL) {
        udp_free(st, container_of(n, struct udp_pcb, all));
    }
    for (int i = 0; i < UDP_INDEXES; i++) {
        hash_done(&udp->index[i]);
    }
    hash_done(&udp->all);
    mem_free(&st->mem, MEM_INSTANCE, udp, sizeof *udp);
    st->udp = NULL;
}
