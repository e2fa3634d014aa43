/* ip/input.c: a datagram arrives (RFC 791 3.2; RFC 1122 3.2.1, 3.3.6).
 *
 * Theory of operation. ip_input takes the steps of RFC 1122 3.2.1 in the order in which the text
 * has them, and the first objection ends the matter. Each step is a function that says yes, or
 * journals and counts its reason and says no:
 *
 *     ip_check_header        3.2.1.1 version, 3.2.1.2 checksum; lengths (RFC 791); the link's
 * padding is cut off at the total length ip_check_source        3.2.1.3 nobody's address, our own
 * address from outside, RFC 3704 ip_check_destination   3.2.1.3 is it for us? as unicast, broadcast
 * or group? 3.3.4.2, 3.3.6 ip_check_options       3.2.1.8 well-formed? source-routed? ip_reassemble
 * 3.2.1.4, 3.3.2 ip_deliver             to whoever registered the protocol, else protocol
 * unreachable
 *
 * What isn't asked: the TTL (3.2.1.7: a datagram that has arrived may have used it up), the
 * reserved flag, the TOS. Silence is the rule for what isn't for us or comes from nobody (3.2.1.3):
 * an answer would go to a third party. Only malformed options and unknown protocols are answered,
 * and icmp_send_error has the last word on that.
 *
 * Choices that the RFCs leave open:
 *   - host model (3.3.4.2): weak, a datagram for any address of ours may come in anywhere; strong
 *     with net.ipv4.ip_strong_host;
 *   - the old all-zeroes broadcast of a subnet is taken as a broadcast (3.3.6 SHOULD), 0.0.0.0 is
 *     not a destination at all;
 *   - a subnet's broadcast address counts only on the interface that is in the subnet;
 *   - source 0.0.0.0 is accepted with destination 255.255.255.255 only: a host that asks for its
 *     address (RFC 2131).
 *
 * With net.ipv4.ip_forward set, what isn't for us goes to forwarding (forward.c).
 *
 * Where rules are set, the packet filter and address translation (nf/) are asked twice: PREROUTING, behind the
 * check of the source and before it is asked whose the destination is, and INPUT, before delivery.
 */
#include "ip/nf/nf_internal.h"

#include <errno.h>

static struct journal_subject rx_subject(const struct pkt *p, const struct ip_rx *rx)
{
    return (struct journal_subject){.pkt = p->id, .ifindex = rx->nif->index, .addr = rx->h.src};
}

/* ---- RFC 1122 3.2.1.1, 3.2.1.2; RFC 791 3.1 ---- */

static enum journal_word header_word(enum wire_status s)
{
    switch (s) {
    case WIRE_BAD_VERSION:
        return W_BAD_VERSION;
    case WIRE_BAD_LENGTH:
        return W_BAD_LENGTH;
    case WIRE_BAD_CHECKSUM:
        return W_BAD_CHECKSUM;
    default:
        return W_TOO_SHORT;
    }
}

static bool ip_check_header(struct td_stack *st, struct pkt *p, struct ip_rx *rx)
{
    uint32_t look = p->len < IPV4_MAX_HLEN ? p->len : IPV4_MAX_HLEN;
    enum wire_status status;

    if (!pkt_may_pull(p, look)) {
        count(st, IpInDiscards);
        JOURNAL(st, EV_IP_DROP_MEMORY, JOURNAL_ABOUT({.pkt = p->id, .ifindex = rx->nif->index}), 0,
                0, p->len);
        return false;
    }
    /* The header is linear; p->len bounds the total length, of which the rest may be in slices. */
    status = ipv4_parse(&rx->h, p->data, p->len);
    if (status == WIRE_OK) {
        pkt_trim(p, rx->h.total_len);
        return true;
    }
    count(st, IpInHdrErrors);
    if (status == WIRE_BAD_CHECKSUM)
        count(st, IpExtInCsumErrors);
    if (status == WIRE_BAD_LENGTH && wire_get16(p->data + 2) > p->len) {
        count(st, IpExtInTruncatedPkts);
        JOURNAL(st, EV_IP_DROP_TRUNCATED, JOURNAL_ABOUT({.pkt = p->id, .ifindex = rx->nif->index}),
                rx->nif->index, wire_get16(p->data + 2), p->len);
        return false;
    }
    JOURNAL(st, EV_IP_DROP_HEADER, JOURNAL_ABOUT({.pkt = p->id, .ifindex = rx->nif->index}),
            rx->nif->index, header_word(status), p->len);
    return false;
}

/* ---- RFC 1122 3.2.1.3: source ---- */

static bool source_is_martian(struct td_stack *st, const struct pkt *p, const struct ip_rx *rx)
{
    td_ip4 src = rx->h.src;
    const struct fib_hop *r;

    if (FAULT_ON(st, NO_MARTIANS))
        return false;
    if (src == 0)
        return rx->h.dst != TD_IP4_BROADCAST;
    if (ip4_is_zeronet(src) || ip4_is_multicast(src) || ip4_is_class_e(src))
        return true;
    if ((p->flags & PKT_LOOPBACK) != 0)
        return false; /* output has judged it */
    if (ip4_is_loopback(src))
        return true;
    r = ip_own(st, src, 0);
    return r != NULL && (r->type == FIB_LOCAL || r->type == FIB_BROADCAST);
}

/* RFC 3704: 1 strict, the way back leaves by the same interface; 2 loose, there is one. */
static bool reverse_path_fails(struct td_stack *st, const struct pkt *p, const struct ip_rx *rx)
{
    int64_t mode = ifknob(st, rx->nif, RP_FILTER);
    struct route_key back = {.dst = rx->h.src, .src = rx->h.dst, .iif = route_loopback(st)};
    const struct fib_hop *r;

    if (mode == 0 || rx->h.src == 0 || (p->flags & PKT_LOOPBACK) != 0)
        return false;
    r = ip_resolve(st, &back);
    if (r == NULL || r->type != FIB_UNICAST)
        return true;
    return mode == 1 && !fib_hop_leads(r, rx->nif->index); /* any of several ways will do */
}

static bool ip_check_source(struct td_stack *st, const struct pkt *p, const struct ip_rx *rx)
{
    if (source_is_martian(st, p, rx)) {
        JOURNAL(st, EV_IP_DROP_MARTIAN_SRC, JOURNAL_ABOUT(rx_subject(p, rx)), rx->h.src, rx->h.dst,
                rx->nif->index);
    } else if (reverse_path_fails(st, p, rx)) {
        JOURNAL(st, EV_IP_DROP_RPF, JOURNAL_ABOUT(rx_subject(p, rx)), rx->h.src, rx->h.dst,
                rx->nif->index);
    } else {
        return true;
    }
    count(st, IpInAddrErrors);
    return false;
}

/* ---- RFC 1122 3.2.1.3: destination; 3.3.4.2; 3.3.6 ---- */

static enum event_id destination_unicast(struct td_stack *st, const struct pkt *p, struct ip_rx *rx)
{
    const struct fib_hop *r = ip_own(st, rx->h.dst, 0);

    if (r != NULL && r->type == FIB_BROADCAST && r->ifindex != rx->nif->index)
        r = ip_own(st, rx->h.dst, rx->nif->index);
    if (r != NULL && r->type == FIB_BROADCAST) {
        rx->bcast = true;
        return EV_NONE;
    }
    if (r == NULL || r->type != FIB_LOCAL)
        return EV_IP_DROP_NOT_FOR_US;
    if ((p->flags & (PKT_L2_BROADCAST | PKT_L2_MULTICAST)) != 0)
        return EV_IP_DROP_LINK_BROADCAST;
    if (r->ifindex != rx->nif->index && (p->flags & PKT_LOOPBACK) == 0 &&
        knob(st, IP_STRONG_HOST) != 0) {
        r = ip_own(st, rx->h.dst, rx->nif->index);
        if (r == NULL || r->type != FIB_LOCAL)
            return EV_IP_DROP_STRONG_HOST;
    }
    return EV_NONE;
}

/* EV_NONE: for us, with rx->bcast and rx->mcast set; else the event to drop it by. */
static enum event_id ip_destination(struct td_stack *st, const struct pkt *p, struct ip_rx *rx)
{
    td_ip4 dst = rx->h.dst;

    if (dst == TD_IP4_BROADCAST) {
        rx->bcast = true;
        return EV_NONE;
    }
    if (ip4_is_multicast(dst)) {
        rx->mcast = true;
        return mcast_joined(st, rx->nif, dst) ? EV_NONE : EV_IP_DROP_GROUP;
    }
    if (ip4_is_zeronet(dst) || ip4_is_class_e(dst) ||
        (ip4_is_loopback(dst) && (p->flags & PKT_LOOPBACK) == 0))
        return EV_IP_DROP_MARTIAN_DST;
    return destination_unicast(st, p, rx);
}

/* *transit: not for us, and to be forwarded. */
static bool ip_check_destination(struct td_stack *st, const struct pkt *p, struct ip_rx *rx,
                                 bool *transit)
{
    enum event_id refused = ip_destination(st, p, rx);

    if (refused == EV_IP_DROP_NOT_FOR_US && knob(st, IP_FORWARD) != 0 &&
        (p->flags & PKT_LOOPBACK) == 0 && rx->h.src != 0) {
        *transit = true;
        return true;
    }
    if (refused == EV_NONE) {
        if (rx->bcast)
            count(st, IpExtInBcastPkts);
        if (rx->mcast)
            count(st, IpExtInMcastPkts);
        return true;
    }
    JOURNAL(st, refused, JOURNAL_ABOUT(rx_subject(p, rx)), rx->h.src, rx->h.dst, rx->nif->index,
            knob(st, IP_FORWARD) != 0);
    if (refused == EV_IP_DROP_LINK_BROADCAST || refused == EV_IP_DROP_GROUP)
        count(st, IpInDiscards);
    else
        count(st, IpInAddrErrors);
    return false;
}

/* ---- RFC 1122 3.2.1.8 ---- */

/* A source route that has come to its end here is delivered (3.2.1.8c) when the knob allows source
 * routes at all (RFC 7126 4.3). One that goes on is followed by a router (RFC 1812 5.2.4.1), not by a host,
 * which forwards nothing (3.3.5). */
static bool ip_check_source_route(struct td_stack *st, struct pkt *p, const struct ip_rx *rx,
                                  bool *transit)
{
    bool complete, allowed = knob(st, IP_ACCEPT_SOURCE_ROUTE) != 0;

    if (!ip_options_source_route(&rx->h, &complete) || (allowed && complete))
        return true;
    if (allowed && knob(st, IP_FORWARD) != 0 && !rx->bcast && !rx->mcast &&
        (p->flags & PKT_LOOPBACK) == 0) {
        *transit = true;
        return true;
    }
    JOURNAL_CAUSE(st, EV_IP_DROP_SOURCE_ROUTE, JOURNAL_ABOUT(rx_subject(p, rx)), rx->h.src, rx->h.dst,
            complete);
    count(st, IpInDiscards);
    if (allowed)
        icmp_send_error(st, p, ICMP_UNREACHABLE, ICMP_SR_FAILED, 0);
    return false;
}

/* *transit: its source route goes on. */
static bool ip_check_options(struct td_stack *st, struct pkt *p, const struct ip_rx *rx, bool *transit)
{
    unsigned pointer = 0;

    if (rx->h.opt_len == 0)
        return true;
    if (ipv4_options_check(&rx->h, &pointer) != WIRE_OK) {
        JOURNAL_CAUSE(st, EV_IP_DROP_OPTIONS, JOURNAL_ABOUT(rx_subject(p, rx)), rx->h.src, rx->h.dst,
                pointer);
        count(st, IpInHdrErrors);
        icmp_send_error(st, p, ICMP_PARAM_PROBLEM, 0, (uint32_t)pointer << 24);
        return false;
    }
    return ip_check_source_route(st, p, rx, transit);
}

/* ---- upwards ---- */

static void ip_deliver(struct td_stack *st, struct pkt *p, const struct ip_rx *rx)
{
    const struct ip_protocol *proto = st->ip->proto[rx->h.proto];

    JOURNAL(st, EV_IP_IN, JOURNAL_ABOUT(rx_subject(p, rx)), rx->h.src, rx->h.dst, rx->h.proto,
            rx->h.total_len, rx->h.ttl, rx->h.id);
    if (proto == NULL) {
        JOURNAL_CAUSE(st, EV_IP_DROP_PROTOCOL, JOURNAL_ABOUT(rx_subject(p, rx)), rx->h.src, rx->h.dst,
                rx->h.proto);
        count(st, IpInUnknownProtos);
        icmp_send_error(st, p, ICMP_UNREACHABLE, ICMP_PROTO_UNREACH, 0);
        pkt_free(p);
        return;
    }
    count(st, IpInDelivers);
    proto->input(st, p, rx);
}

/* RFC 1812 5.2.3: a broadcast to another network of ours that is forwarded is for us as well. */
static struct pkt *directed_copy(struct td_stack *st, const struct pkt *p, struct ip_rx *rx)
{
    const struct fib_hop *r;

    if (ifknob(st, rx->nif, BC_FORWARDING) == 0 || (p->flags & (PKT_L2_BROADCAST | PKT_L2_MULTICAST)) != 0)
        return NULL;
    r = ip_own(st, rx->h.dst, 0);
    return r != NULL && r->type == FIB_BROADCAST ? pkt_clone(p, PKT_HEADROOM) : NULL;
}

/* Copies of our own broadcasts and groups come in by the loopback interface, but mean the one that
 * they were sent on: the one with their source address. */
static struct netif *ip_arrived_on(struct td_stack *st, struct netif *nif, const struct pkt *p,
                                   const struct ipv4_hdr *h)
{
    struct netif *sent_on;

    if ((p->flags & PKT_LOOPBACK) == 0 ||
        !(ip4_is_multicast(h->dst) || ip_is_broadcast(st, NULL, h->dst)))
        return nif;
    sent_on = addr_owner(st, h->src);
    return sent_on != NULL ? sent_on : nif;
}

void ip_input(struct td_stack *st, struct netif *nif, struct pkt *p, const struct eth_hdr *eth)
{
    struct ip_rx rx = {.nif = nif};
    struct nf_ctx c = {.p = &p, .h = &rx.h, .in = nif, .flow = &rx.flow};
    bool transit = false;

    (void)eth;
    count(st, IpInReceives);
    count_add(st, IpExtInOctets, p->len);
    if ((p->flags & PKT_L2_OTHERHOST) != 0) {
        JOURNAL(st, EV_IP_DROP_OTHERHOST, JOURNAL_ABOUT({.pkt = p->id, .ifindex = nif->index}),
                nif->index, p->len);
        count(st, IpInAddrErrors);
        pkt_free(p);
        return;
    }
    if (!ip_check_header(st, p, &rx)) {
        pkt_free(p);
        return;
    }
    rx.nif = ip_arrived_on(st, nif, p, &rx.h);
    pkt_set_l3(p);
    if (!ip_check_source(st, p, &rx)) {
        pkt_free(p);
        return;
    }
    if (!nf_hook(st, NF_PREROUTING, &c))
        return;
    if (!ip_check_destination(st, p, &rx, &transit) ||
        (!transit && !ip_check_options(st, p, &rx, &transit))) {
        pkt_free(p);
        return;
    }
    if (transit) {
        struct pkt *ours = directed_copy(st, p, &rx);

        ip_forward(st, p, &rx);
        if (ours == NULL)
            return;
        p = ours;
        rx.bcast = true;
        rx.flow = (struct ip_flow){0};
    }
    if (!nf_hook(st, NF_INPUT, &c))
        return;
    (void)pkt_pull(p, rx.h.hlen);
    if (rx.h.frag_off != 0 || (rx.h.flags & IPV4_MF) != 0) {
        p = ip_reassemble(st, p, &rx);
        if (p == NULL)
            return;
    }
    ip_deliver(st, p, &rx);
}
