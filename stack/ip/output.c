/* ip/output.c: a datagram leaves (RFC 791 3.2; RFC 1122 3.2.1, 3.3.3, 3.3.6).
 *
 * Theory of operation. ip_output judges what it was asked to send (output_check_*: RFC 1122 3.2.1.3
 * on addresses, 3.2.1.8 on options), finds the route, puts the header on, and hands the datagram to
 * whoever is next:
 *
 *     ours                     the loopback interface; it comes in again at the next flush round
 *     broadcast, group         ARP, which maps it without asking; a copy comes back to us
 *                              (broadcasts always, as in Linux; groups when asked and joined)
 *     unicast                  ARP, with the next hop
 *
 * Too big for the path and DF set: -EMSGSIZE. Otherwise it is cut: every piece but the last a
 * multiple of 8 octets; the first carries all options, the others those with the copy bit (RFC 791
 * 3.1). All pieces are made before the first is sent, so a lack of memory costs no half datagrams.
 * A transport checksum that was left for later must be summed before the cutting. What was put together here on its
 * way through and is cut again keeps its DF: only its sender may say otherwise.
 *
 * Where rules are set, the packet filter and address translation (nf/) see the datagram before its size is judged:
 * OUTPUT, which may give it another destination and so another route, then POSTROUTING.
 *
 * An identification number is only drawn for what can be fragmented (RFC 6864 4.1): with DF set it
 * is 0. Where a path asks for less than the 552 octets that we are willing to believe (a favourite
 * attack), DF is not set, and the routers may cut (RFC 1191 3 leaves no other way but that).
 *
 * What ARP could not resolve comes back by ip_unreachable. It is answered to its sender, which is
 * one of our own transports: the error is handed up as if the first router had sent it (RFC
 * 1122 2.4, 3.2.2.1), but from a timer, never from inside the transport's own call.
 */
#include "ip/nf/nf_internal.h"

#include <errno.h>
#include <string.h>

#define FAILED_MAX 128 /* packets whose failure waits to be told */

static struct journal_subject tx_subject(const struct pkt *p, const struct ip_tx *tx,
                                         uint32_t ifindex)
{
    return (struct journal_subject){.pkt = p->id, .addr = tx->dst, .ifindex = ifindex};
}

static int output_drop(struct td_stack *st, struct pkt *p, int err)
{
    count(st, IpOutDiscards);
    pkt_free(p);
    return err;
}

/* ---- what may be sent ---- */

/* RFC 1122 3.2.1.3: one of our own addresses; 127/8 only to ourselves. */
static bool output_source_ok(const struct td_stack *st, const struct ip_tx *tx,
                             const struct ip_route_result *r)
{
    if (r->type != FIB_LOCAL && ip4_is_loopback(r->src))
        return false;
    if ((tx->flags & IP_TX_NO_SRC_CHECK) != 0)
        return true;
    return r->src != 0 && ip_is_local(st, r->src);
}

/* RFC 1122 3.2.1.3: {0, host} is no destination, nor is class E; 127/8 never leaves the host. */
static bool output_destination_ok(const struct ip_tx *tx, const struct ip_route_result *r)
{
    if (tx->dst == TD_IP4_BROADCAST)
        return true;
    if (ip4_is_zeronet(tx->dst) || ip4_is_class_e(tx->dst))
        return false;
    return r == NULL || r->type == FIB_LOCAL || !ip4_is_loopback(tx->dst);
}

/* Fills in h. -EINVAL: options that can't be sent; a source route would need a first hop of its
 * own, which this interface has only for answers (RFC 7126 4.3: they are dropped nearly
 * everywhere). */
static int output_header(struct td_stack *st, const struct pkt *p, const struct ip_tx *tx,
                         struct ipv4_hdr *h)
{
    unsigned pointer = 0;
    bool complete;

    *h = (struct ipv4_hdr){.hlen = IPV4_HLEN, .tos = tx->tos, .proto = tx->proto, .dst = tx->dst};
    if (tx->opt_len > 0 && tx->opt_len <= sizeof h->opt) {
        h->opt_len = (uint8_t)((tx->opt_len + 3U) & ~3U); /* padded with EOL */
        memcpy(h->opt, tx->opt, tx->opt_len);
        h->hlen = (uint8_t)(IPV4_HLEN + h->opt_len);
    }
    if (tx->opt_len > sizeof h->opt || ipv4_options_check(h, &pointer) != WIRE_OK ||
        (ip_options_source_route(h, &complete) && (tx->flags & IP_TX_ANSWER_ROUTE) == 0)) {
        JOURNAL(st, EV_IP_OUT_DROP_OPTIONS, JOURNAL_ABOUT(tx_subject(p, tx, 0)), tx->dst, pointer);
        return -EINVAL;
    }
    if (p->len + h->hlen > UINT16_MAX) {
        JOURNAL(st, EV_IP_OUT_DROP_SIZE, JOURNAL_ABOUT(tx_subject(p, tx, 0)), tx->dst,
                p->len + h->hlen, UINT16_MAX, 0);
        return -EMSGSIZE;
    }
    h->total_len = (uint16_t)(p->len + h->hlen);
    h->ttl = tx->ttl;
    if (h->ttl == 0) /* RFC 1112 6.1: groups default to one hop */
        h->ttl = ip4_is_multicast(tx->dst) ? 1 : (uint8_t)knob(st, IP_DEFAULT_TTL);
    return 0;
}

static int output_route(struct td_stack *st, const struct pkt *p, const struct ip_tx *tx,
                        struct ip_route_result *r)
{
    struct route_key k = {
        .dst = tx->dst, .src = tx->src, .oif = tx->ifindex, .proto = tx->proto};
    const struct ipv4_hdr whole = {.proto = tx->proto};
    int err;

    if (!output_destination_ok(tx, NULL)) {
        JOURNAL(st, EV_IP_OUT_DROP_DESTINATION, JOURNAL_ABOUT(tx_subject(p, tx, tx->ifindex)),
                tx->dst);
        return -EINVAL;
    }
    if (tx->proto == IPPROTO_UDP_ || tx->proto == IPPROTO_TCP_)
        k.ports = ip_flow_ports(p, 0, &whole);
    err = route_find_flow(st, k, r);
    if (err == 0 && (tx->flags & IP_TX_DONTROUTE) != 0 && r->nexthop != tx->dst)
        err = -ENETUNREACH;
    if (err == 0 && (tx->flags & IP_TX_NO_SRC_CHECK) != 0)
        r->src = tx->src; /* 0.0.0.0 is meant */
    else if (err == 0 && r->src == 0)
        err = -EADDRNOTAVAIL;
    if (err < 0) {
        JOURNAL(st, EV_IP_OUT_DROP_ROUTE, JOURNAL_ABOUT(tx_subject(p, tx, tx->ifindex)), tx->dst,
                (uint64_t)-err);
        count(st, IpOutNoRoutes);
        return err;
    }
    if (!output_destination_ok(tx, r)) {
        JOURNAL(st, EV_IP_OUT_DROP_DESTINATION, JOURNAL_ABOUT(tx_subject(p, tx, tx->ifindex)),
                tx->dst);
        return -EINVAL;
    }
    if (!output_source_ok(st, tx, r)) {
        JOURNAL(st, EV_IP_OUT_DROP_SOURCE, JOURNAL_ABOUT(tx_subject(p, tx, tx->ifindex)), r->src,
                tx->dst);
        return -EINVAL;
    }
    if (r->type == FIB_BROADCAST && (tx->flags & IP_TX_BROADCAST) == 0) {
        JOURNAL(st, EV_IP_OUT_DROP_BROADCAST, JOURNAL_ABOUT(tx_subject(p, tx, tx->ifindex)),
                tx->dst);
        return -EACCES;
    }
    return 0;
}

/* ---- the checksum that was left for later ---- */

bool ip_csum_complete(struct pkt *p, uint8_t proto)
{
    uint32_t at = (uint32_t)p->csum_start + p->csum_offset;
    uint16_t sum;

    if (p->csum != PKT_CSUM_PARTIAL)
        return true;
    if (at + 2 > p->len || !pkt_may_pull(p, at + 2))
        return false;
    sum = checksum_finish(pkt_sum(p, p->csum_start, p->len - p->csum_start));
    if (sum == 0 && proto == IPPROTO_UDP_)
        sum = 0xffff; /* RFC 768 */
    wire_put16(p->data + at, sum);
    p->csum = PKT_CSUM_NONE;
    return true;
}

/* ---- cutting ---- */

static struct pkt *fragment_make(struct td_stack *st, const struct pkt *whole, uint32_t off,
                                 uint32_t len, const struct ipv4_hdr *h)
{
    struct pkt *f = pkt_alloc(&st->mem, PKT_HEADROOM, h->hlen + len);
    uint8_t *b = f != NULL ? pkt_put(f, h->hlen + len) : NULL;

    if (b == NULL || !pkt_read(whole, off, b + h->hlen, len)) {
        pkt_free(f);
        return NULL;
    }
    (void)ipv4_emit(h, b);
    f->tos = h->tos;
    f->id = ++st->journal.next_packet;
    return f;
}

bool ip_fragment(struct td_stack *st, const struct pkt *p, const struct ipv4_hdr *h, uint32_t mtu,
                 struct pkt_queue *q)
{
    struct ipv4_hdr piece = *h;
    struct pkt *f;

    for (uint32_t off = 0, len; off < p->len; off += len) {
        len = p->len - off;
        if (off + len < p->len || piece.hlen + len > mtu)
            len = (mtu - piece.hlen) & ~7U;
        piece.frag_off = (uint16_t)(h->frag_off + (FAULT_ON(st, FRAGMENT_OFFSETS) ? off & ~15U : off));
        piece.flags = h->flags; /* MF stays in the last piece of a fragment */
        if (p->frag_max == 0)
            piece.flags &= (uint16_t)~IPV4_DF; /* DF stays in what came in pieces with DF (RFC 6864 4.2) */
        if (off + len < p->len)
            piece.flags |= IPV4_MF;
        piece.total_len = (uint16_t)(piece.hlen + len);
        f = fragment_make(st, p, off, len, &piece);
        if (f == NULL) {
            pkt_queue_clear(q);
            return false;
        }
        pkt_queue_push(q, f);
        if (off == 0 && h->opt_len > 0) { /* the others carry the copied options only */
            memset(piece.opt, 0, sizeof piece.opt);
            piece.opt_len = (uint8_t)ipv4_options_copied(h, piece.opt);
            piece.hlen = (uint8_t)(IPV4_HLEN + piece.opt_len);
        }
    }
    return true;
}

/* ---- sending ---- */

static int output_next(struct td_stack *st, struct pkt *p, const struct ip_route_result *r)
{
    count_add(st, IpExtOutOctets, p->len);
    if (r->type == FIB_LOCAL)
        return eth_output(st, r->nif, (struct td_mac){{0}}, ETHERTYPE_IPV4, p);
    /* Any broadcast is the link's broadcast (RFC 1122 3.3.6): ARP need not know the subnets. */
    return arp_output(st, r->nif, r->type == FIB_BROADCAST ? TD_IP4_BROADCAST : r->nexthop, p);
}

/* The copy of a broadcast or group datagram that comes back to us. */
static void output_loop_copy(struct td_stack *st, const struct pkt *p, const struct ip_tx *tx,
                             const struct ip_route_result *r)
{
    struct netif *lo;
    struct pkt *copy;

    if (r->type == FIB_MULTICAST &&
        ((tx->flags & IP_TX_MCAST_LOOP) == 0 || !mcast_joined(st, r->nif, tx->dst)))
        return;
    if (r->src == 0)
        return; /* a host without an address has nobody to listen to itself */
    for (lo = netif_first(st); lo != NULL && (lo->flags & TD_IF_LOOPBACK) == 0; lo = lo->next)
        ;
    if (lo == NULL || !netif_is_up(lo))
        return;
    copy = pkt_clone(p, PKT_HEADROOM);
    if (copy == NULL) {
        struct journal_subject sub = {.pkt = p->id, .addr = tx->dst, .ifindex = lo->index};

        JOURNAL(st, EV_IP_OUT_DROP_MEMORY, &sub, tx->dst, p->len);
        count(st, IpOutDiscards);
        return;
    }
    (void)eth_output(st, lo, (struct td_mac){{0}}, ETHERTYPE_IPV4, copy);
}

static int output_fragments(struct td_stack *st, struct pkt *p, const struct ip_tx *tx,
                            const struct ipv4_hdr *h, const struct ip_route_result *r)
{
    struct pkt_queue q;
    struct pkt *f;
    int err = 0, rc;

    pkt_queue_init(&q);
    if (!ip_csum_complete(p, tx->proto) || !ip_fragment(st, p, h, r->mtu, &q)) {
        JOURNAL(st, EV_IP_OUT_DROP_MEMORY, JOURNAL_ABOUT(tx_subject(p, tx, r->nif->index)), tx->dst,
                p->len);
        count(st, IpFragFails);
        return output_drop(st, p, -ENOBUFS);
    }
    JOURNAL(st, EV_IP_FRAGMENTED, JOURNAL_ABOUT(tx_subject(p, tx, r->nif->index)), tx->dst,
            h->total_len, r->mtu, q.count);
    count(st, IpFragOKs);
    count_add(st, IpFragCreates, q.count);
    pkt_free(p);
    while ((f = pkt_queue_pop(&q)) != NULL) {
        if (r->type == FIB_BROADCAST || r->type == FIB_MULTICAST)
            output_loop_copy(st, f, tx, r);
        rc = output_next(st, f, r);
        if (err == 0)
            err = rc;
    }
    return err;
}

static int output_whole(struct td_stack *st, struct pkt *p, const struct ip_tx *tx,
                        const struct ipv4_hdr *h, const struct ip_route_result *r)
{
    uint8_t *b = pkt_push(p, h->hlen);

    if (b == NULL) {
        JOURNAL(st, EV_IP_OUT_DROP_MEMORY, JOURNAL_ABOUT(tx_subject(p, tx, r->nif->index)), tx->dst,
                p->len);
        return output_drop(st, p, -ENOBUFS);
    }
    (void)ipv4_emit(h, b);
    p->tos = h->tos;
    pkt_set_l3(p);
    JOURNAL(st, EV_IP_OUT, JOURNAL_ABOUT(tx_subject(p, tx, r->nif->index)), h->src, h->dst,
            h->proto, h->total_len, r->nexthop, r->nif->index);
    if (r->type == FIB_BROADCAST || r->type == FIB_MULTICAST)
        output_loop_copy(st, p, tx, r);
    return output_next(st, p, r);
}

int ip_output(struct td_stack *st, struct pkt *p, const struct ip_tx *tx)
{
    struct ip_route_result r;
    struct ipv4_hdr h;
    struct ip_flow flow = {0};
    struct nf_ctx c = {.p = &p, .h = &h, .bare = true, .flow = &flow, .tx = tx, .r = &r};
    bool df = (tx->flags & IP_TX_DF) != 0, fits;
    int err;

    if (p->id == 0)
        p->id = ++st->journal.next_packet;
    count(st, IpOutRequests);
    err = output_header(st, p, tx, &h);
    if (err == 0)
        err = output_route(st, p, tx, &r);
    if (err < 0)
        return output_drop(st, p, err);
    h.src = r.src;
    if (!nf_hook(st, NF_OUTPUT, &c) || !nf_hook(st, NF_POSTROUTING, &c)) {
        count(st, IpOutDiscards);
        return c.err;
    }
    if (r.type == FIB_BROADCAST)
        count(st, IpExtOutBcastPkts);
    else if (r.type == FIB_MULTICAST)
        count(st, IpExtOutMcastPkts);
    fits = h.total_len <= r.mtu || p->gso_size != 0;
    if (!fits && df && !r.mtu_floor) {

        JOURNAL(st, EV_IP_OUT_DROP_SIZE, JOURNAL_ABOUT(tx_subject(p, tx, r.nif->index)), tx->dst,
                h.total_len, r.mtu, 1);
        count(st, IpFragFails);
        return output_drop(st, p, -EMSGSIZE);
    }
    if (df && !r.mtu_floor)
        h.flags = IPV4_DF;
    if ((tx->flags & IP_TX_ID) != 0)
        h.id = tx->id;
    else if (h.flags != IPV4_DF)
        h.id = ipid_next(st, h.src, h.dst, h.proto);
    return fits ? output_whole(st, p, tx, &h, &r) : output_fragments(st, p, tx, &h, &r);
}

/* ---- the next hop didn't answer ---- */

/* Hands the failure of p (IP header at data) to the transport that sent it. */
static void failed_tell(struct td_stack *st, struct pkt *p)
{
    struct ip_error e = {.type = ICMP_UNREACHABLE, .code = ICMP_HOST_UNREACH};
    uint32_t look = p->len < 576 ? p->len : 576;
    const struct ip_protocol *proto;

    if (!pkt_may_pull(p, look) || ipv4_parse(&e.h, p->data, p->len) != WIRE_OK)
        return;
    proto = st->ip->proto[e.h.proto];
    if (e.h.frag_off != 0 || look < e.h.hlen + 8U || proto == NULL || proto->error == NULL)
        return;
    e.from = e.h.src;
    e.payload = p->data + e.h.hlen;
    e.payload_len = look - e.h.hlen;
    proto->error(st, &e);
}

void ip_failed_timer(struct td_stack *st, struct timer *t)
{
    uint32_t waiting = st->ip->failed.count;
    struct pkt *p;

    (void)t;
    while (waiting-- > 0 && (p = pkt_queue_pop(&st->ip->failed)) != NULL) {
        failed_tell(st, p);
        pkt_free(p);
    }
    if (st->ip->failed.count > 0)
        timer_arm(st, &st->ip->failed_timer, st->now);
}

void ip_unreachable(struct td_stack *st, struct netif *nif, struct pkt *p)
{
    struct ipv4_hdr h;
    uint32_t look = p->len < IPV4_MAX_HLEN ? p->len : IPV4_MAX_HLEN;

    if (!pkt_may_pull(p, look) || ipv4_parse(&h, p->data, p->len) != WIRE_OK ||
        route_nexthop_failed(st, nif, h.dst)) { /* the next datagram goes another way: no error */
        pkt_free(p);
        return;
    }
    if ((p->flags & PKT_FORWARDED) != 0) {
        pkt_set_l3(p);
        icmp_send_error(st, p, ICMP_UNREACHABLE, ICMP_HOST_UNREACH, 0);
        pkt_free(p);
        return;
    }
    if (st->ip->failed.count >= FAILED_MAX) {
        pkt_free(p);
        return;
    }
    pkt_queue_push(&st->ip->failed, p);
    if (!timer_armed(&st->ip->failed_timer))
        timer_arm(st, &st->ip->failed_timer, st->now);
}
