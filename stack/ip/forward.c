/* ip/forward.c: a datagram passes through (RFC 1812 5, RFC 791 3).
 *
 * Theory of operation. ip_input has verified header, source and destination, and found that the
 * datagram isn't for us. If forwarding is on (net.ipv4.ip_forward, and conf.X.forwarding of both
 * interfaces), the steps of RFC 1812 5.2.1.2 follow; the first objection ends the matter, and its
 * answer is an ICMP error where the RFC wants one:
 *
 *     link            came as a link-layer broadcast or multicast: not passed on       silence
 *     source route    refused, unless it is allowed and we are its next stop           silence, unreachable 5
 *     next hop        longest match; the route's type may forbid                       unreachable 0, 1, 13, silence
 *     TTL             one less; none left                                              time exceeded
 *     options         malformed ones; else routes and times are recorded               parameter problem
 *     size            larger than the next link takes: cut, or with DF refused       unreachable 4
 *     next hop again  ARP; a neighbour that doesn't answer                           unreachable 1
 *     redirect        if it leaves where it came in, its sender had a better first hop
 *
 * Where rules are set, the packet filter (nf/) is asked behind these steps, with the TTL taken off, and address
 * translation just before the datagram leaves.
 *
 * A super-frame (offloads) walks through all this once, and is cut into its segments when it leaves (link/gso.c). A router
 * with rules has put fragments together; they leave as fragments again, none larger than the largest was.
 *
 * What is not touched: everything else. A transit datagram keeps its identification, TOS and
 * unknown options, fragments pass one by one (5.2.6), the transport isn't looked at. The header
 * checksum is updated, not computed anew (RFC 1624 eqn. 3), so damage done to a header inside this
 * host would still show.
 *
 * The route is asked of the table itself: what was learnt about single destinations, redirects and
 * path MTUs, is this host's own affair and steers nobody else's datagrams (4.3.3.2).
 *
 * Choices: directed broadcasts stop here (RFC 2644) unless conf.X.bc_forwarding; groups aren't
 * routed. Source routes are refused unless net.ipv4.accept_source_route (RFC 7126 4.3; RFC
 * 1812 5.2.4.1 would let them pass). Where they are allowed a datagram that is addressed to us goes on to its
 * route's next stop, and our address takes that stop's place in the list; a strict route's next stop must be on a
 * link of ours, and a strict route that is addressed to somebody else has lost its way.
 */
#include "ip/nf/nf_internal.h"

#include <errno.h>
#include <string.h>

struct transit {
    struct pkt *p; /* data at the IP header */
    struct ipv4_hdr h;
    struct netif *in, *out;
    const struct fib_hop *route;
    td_ip4 to;       /* the destination, or a source route's next stop */
    td_ip4 nexthop;
    bool hop, strict; /* we are a stop of its source route */
    uint32_t mtu;
    uint8_t type, code; /* the ICMP error that answers a refusal; type 0 = none */
    uint32_t word;
};

static bool refuse(struct td_stack *st, struct transit *t, enum journal_word why, uint8_t type,
                   uint8_t code, uint32_t word)
{
    const struct journal_subject sub = {.pkt = t->p->id, .ifindex = t->in->index, .addr = t->h.src};

    JOURNAL_CAUSE(st, EV_IP_FORWARD_DROP, &sub, t->h.src, t->h.dst, why);
    t->type = type;
    t->code = code;
    t->word = word;
    return false;
}
#define SILENTLY 0, 0, 0

static bool may_forward(const struct td_stack *st, const struct netif *nif)
{
    return ifknob(st, nif, FORWARDING) != 0;
}

/* ---- the steps ---- */

static bool check_link(struct td_stack *st, struct transit *t)
{
    if ((t->p->flags & (PKT_L2_BROADCAST | PKT_L2_MULTICAST)) != 0 &&
        !FAULT_ON(st, FORWARD_LINK_BROADCASTS))
        return refuse(st, t, W_FORWARD_LINK_BROADCAST, SILENTLY);
    if (!may_forward(st, t->in))
        return refuse(st, t, W_FORWARD_OFF, SILENTLY);
    return true;
}

/* RFC 1812 5.2.4.1: what is addressed to us is here because its source route goes on. */
static bool check_source_route(struct td_stack *st, struct transit *t)
{
    unsigned pointer = 0;
    bool complete;

    t->to = t->h.dst;
    if (t->h.opt_len == 0 || ipv4_options_check(&t->h, &pointer) != WIRE_OK ||
        !ip_options_source_route(&t->h, &complete))
        return true; /* check_options has the word on malformed ones */
    if (knob(st, IP_ACCEPT_SOURCE_ROUTE) == 0)
        return refuse(st, t, W_FORWARD_SOURCE_ROUTE, SILENTLY);
    if (!ip_is_local(st, t->h.dst)) {
        if (ip_options_next_hop(&t->h, &t->to, &t->strict) && t->strict) /* 5.2.2: it went astray */
            return refuse(st, t, W_FORWARD_ASTRAY, ICMP_PARAM_PROBLEM, 0, UINT32_C(16) << 24);
        t->to = t->h.dst;
        t->strict = false;
        return true;
    }
    t->hop = ip_options_next_hop(&t->h, &t->to, &t->strict);
    if (!t->hop || addr_is_no_host(st, t->to) || ip_is_local(st, t->to))
        return refuse(st, t, W_FORWARD_BAD_STOP, ICMP_UNREACHABLE, ICMP_SR_FAILED, 0);
    return true;
}

static bool find_route(struct td_stack *st, struct transit *t)
{
    struct route_key key = {
        .dst = t->to,
        .src = t->h.src,
        .iif = t->in->index,
        .proto = t->h.proto,
        .ports = ip_flow_ports(t->p, t->h.hlen, &t->h),
    };
    const struct fib_hop *r = ip_resolve(st, &key);
    struct route_step step;

    if (r == NULL) {
        count(st, IpOutNoRoutes);
        if (FAULT_ON(st, NO_ROUTE_SILENCE))
            return refuse(st, t, W_FORWARD_NO_ROUTE, SILENTLY);
        return refuse(st, t, W_FORWARD_NO_ROUTE, ICMP_UNREACHABLE, ICMP_NET_UNREACH, 0);
    }
    switch (r->type) {
    case FIB_UNICAST:
        break;
    case FIB_UNREACHABLE:
        return refuse(st, t, W_FORWARD_UNREACHABLE, ICMP_UNREACHABLE, ICMP_HOST_UNREACH, 0);
    case FIB_PROHIBIT:
        return refuse(st, t, W_FORWARD_PROHIBITED, ICMP_UNREACHABLE, ICMP_ADMIN_PROHIBITED, 0);
    case FIB_BROADCAST: /* of another network of ours: a directed broadcast */
        if (ifknob(st, t->in, BC_FORWARDING) != 0 || FAULT_ON(st, FORWARD_DIRECTED))
            break;
        return refuse(st, t, W_FORWARD_DIRECTED, SILENTLY);
    default:
        return refuse(st, t, W_FORWARD_BLACKHOLE, SILENTLY);
    }
    t->route = r;
    step = ip_step(st, r, &key);
    t->out = netif_by_index(st, step.ifindex);
    if (t->out == NULL || !netif_is_up(t->out))
        return refuse(st, t, W_FORWARD_NO_ROUTE, ICMP_UNREACHABLE, ICMP_NET_UNREACH, 0);
    if (!may_forward(st, t->out))
        return refuse(st, t, W_FORWARD_OFF, SILENTLY);
    if (t->strict && step.gateway != 0)
        return refuse(st, t, W_FORWARD_BAD_STOP, ICMP_UNREACHABLE, ICMP_SR_FAILED, 0);
    t->nexthop = step.gateway != 0 ? step.gateway : t->to;
    if (r->type == FIB_BROADCAST)
        t->nexthop = TD_IP4_BROADCAST;
    t->mtu = r->mtu != 0 && r->mtu < t->out->mtu ? r->mtu : t->out->mtu;
    return true;
}

/* RFC 1812 5.3.1: the check is here, not on arrival, and about what is left after the decrement. */
static bool check_ttl(struct td_stack *st, struct transit *t)
{
    if (t->h.ttl > 1)
        return true;
    count(st, IpInHdrErrors);
    if (FAULT_ON(st, NO_TIME_EXCEEDED))
        return refuse(st, t, W_FORWARD_TTL, SILENTLY);
    return refuse(st, t, W_FORWARD_TTL, ICMP_TIME_EXCEEDED, 0, 0);
}

static bool check_options(struct td_stack *st, struct transit *t)
{
    unsigned pointer = 0;

    if (t->h.opt_len == 0)
        return true;
    if (ipv4_options_check(&t->h, &pointer) != WIRE_OK) {
        count(st, IpInHdrErrors);
        return refuse(st, t, W_BAD_OPTION, ICMP_PARAM_PROBLEM, 0, (uint32_t)pointer << 24);
    }
    return true;
}

/* RFC 1191 4: what doesn't fit and mustn't be cut is answered with the next link's MTU. A super-frame is judged by its
 * segments, what was put together here by its largest fragment: that is what its sender sent. */
static bool check_size(struct td_stack *st, struct transit *t)
{
    uint32_t size = t->p->frag_max != 0 ? t->p->frag_max : gso_largest(t->p, &t->h);

    if (size == 0) {
        count(st, IpInHdrErrors);
        return refuse(st, t, W_FORWARD_UNCUTTABLE, SILENTLY);
    }
    if (size <= t->mtu || (t->h.flags & IPV4_DF) == 0 || FAULT_ON(st, CUT_DESPITE_DF))
        return true;
    count(st, IpFragFails);
    if (knob(st, MTU_BLACKHOLE) != 0 || FAULT_ON(st, NO_FRAG_NEEDED))
        return refuse(st, t, W_FORWARD_TOO_BIG, SILENTLY);
    return refuse(st, t, W_FORWARD_TOO_BIG, ICMP_UNREACHABLE, ICMP_FRAG_NEEDED, t->mtu);
}

/* ---- the header as it leaves ---- */

static void write_header(struct td_stack *st, struct transit *t)
{
    uint8_t *b = t->p->data;
    uint16_t word = wire_get16(b + 8);
    uint16_t less = (uint16_t)(FAULT_ON(st, TTL_KEPT) ? word : word - 0x100);

    wire_put16(b + 8, less);
    if (!FAULT_ON(st, CHECKSUM_KEPT))
        wire_put16(b + 10, checksum_update(wire_get16(b + 10), word, less));
    t->h.ttl--;
    if (t->hop) {
        wire_put32(b + 16, t->to);
        t->h.dst = t->to;
    }
    if (t->h.opt_len > 0 &&
        ip_options_transit(st, b + IPV4_HLEN, t->h.opt_len, addr_source_on(t->out, t->nexthop), t->hop)) {
        wire_put16(b + 10, 0); /* words of the header changed: summed again */
        wire_put16(b + 10, checksum(b, t->h.hlen));
        memcpy(t->h.opt, b + IPV4_HLEN, t->h.opt_len);
    }
}

/* RFC 1812 5.2.7.2: the datagram goes back where it came from; its sender, on the same subnet,
 * could have given it to the next hop itself. It is forwarded all the same. */
static void tell_better_way(struct td_stack *st, const struct transit *t)
{
    const struct fib_route *to_sender;
    bool complete;

    if (t->in != t->out || t->route->type != FIB_UNICAST ||
        ifknob(st, t->in, SEND_REDIRECTS) == 0 || ip_options_source_route(&t->h, &complete))
        return;
    to_sender = ip_fib_route(st, t->h.src, t->in->index);
    if ((to_sender == NULL || to_sender->gateway != 0 || to_sender->type != FIB_UNICAST ||
         ((t->h.src ^ t->nexthop) & ip4_mask(to_sender->plen)) != 0) &&
        !FAULT_ON(st, REDIRECT_ANYBODY))
        return;
    icmp_send_error(st, t->p, ICMP_REDIRECT, 1, t->nexthop);
}

static void send_failed(struct td_stack *st, const struct transit *t)
{
    const struct journal_subject sub = {.pkt = t->p->id, .addr = t->h.dst, .ifindex = t->out->index};

    JOURNAL(st, EV_IP_OUT_DROP_MEMORY, &sub, t->h.dst, t->p->len);
    count(st, IpOutDiscards);
}

/* No link of ours sums for us: what came without a checksum gets it here. */
static void send_whole(struct td_stack *st, struct transit *t)
{
    struct pkt *p = t->p;

    if (!ip_csum_complete(p, t->h.proto)) {
        send_failed(st, t);
        return;
    }
    t->p = NULL;
    count_add(st, IpExtOutOctets, p->len);
    (void)arp_output(st, t->out, t->nexthop, p);
}

static void send_pieces(struct td_stack *st, struct transit *t)
{
    const struct journal_subject sub = {
        .pkt = t->p->id, .addr = t->h.dst, .ifindex = t->out->index};
    uint32_t mtu = t->p->frag_max != 0 && t->p->frag_max < t->mtu ? t->p->frag_max : t->mtu;
    struct pkt_queue q;
    struct pkt *f;

    pkt_queue_init(&q);
    (void)pkt_pull(t->p, t->h.hlen);
    if (!ip_csum_complete(t->p, t->h.proto) || !ip_fragment(st, t->p, &t->h, mtu, &q)) {
        send_failed(st, t);
        count(st, IpFragFails);
        return;
    }
    JOURNAL(st, EV_IP_FRAGMENTED, &sub, t->h.dst, t->h.total_len, mtu, q.count);
    count(st, IpFragOKs);
    count_add(st, IpFragCreates, q.count);
    while ((f = pkt_queue_pop(&q)) != NULL) {
        f->flags |= PKT_FORWARDED;
        count_add(st, IpExtOutOctets, f->len);
        (void)arp_output(st, t->out, t->nexthop, f);
    }
}

static void send_datagram(struct td_stack *st, struct transit *t)
{
    if (t->h.total_len <= t->mtu && t->p->frag_max == 0)
        send_whole(st, t);
    else
        send_pieces(st, t);
    pkt_free(t->p);
}

static void send_segments(struct td_stack *st, struct transit *t)
{
    struct transit one = *t;
    struct pkt_queue q;

    pkt_queue_init(&q);
    if (!gso_cut(st, t->p, &t->h, &q))
        send_failed(st, t);
    pkt_free(t->p);
    while ((one.p = pkt_queue_pop(&q)) != NULL) {
        (void)ipv4_parse(&one.h, one.p->data, one.p->len);
        send_datagram(st, &one);
    }
}

void ip_forward(struct td_stack *st, struct pkt *p, const struct ip_rx *rx)
{
    struct transit t = {.p = p, .h = rx->h, .in = rx->nif};
    struct ip_flow flow = rx->flow;
    struct nf_ctx c = {.p = &t.p, .h = &t.h, .in = rx->nif, .flow = &flow};
    const struct journal_subject sub = {.pkt = p->id, .ifindex = rx->nif->index, .addr = rx->h.src};

    if (!check_link(st, &t) || !check_source_route(st, &t) || !find_route(st, &t) || !check_ttl(st, &t) ||
        !check_options(st, &t) || !check_size(st, &t)) {
        if (t.type != 0)
            icmp_send_error(st, p, t.type, t.code, t.word);
        pkt_free(p);
        return;
    }
    if (p->head->refs > 1 && !pkt_make_linear(p)) {
        JOURNAL(st, EV_IP_OUT_DROP_MEMORY, &sub, t.h.dst, p->len);
        count(st, IpOutDiscards);
        pkt_free(p);
        return;
    }
    if (!nf_translated(&flow)) /* whom it is really for is not the sender's to know */
        tell_better_way(st, &t);
    p->flags |= PKT_FORWARDED;
    write_header(st, &t);
    pkt_set_l3(p);
    c.out = t.out;
    c.nexthop = t.nexthop;
    if (!nf_hook(st, NF_FORWARD, &c) || !nf_hook(st, NF_POSTROUTING, &c))
        return;
    p = t.p;
    count(st, IpForwDatagrams);
    JOURNAL(st, EV_IP_FORWARD, &sub, t.h.src, t.h.dst, t.nexthop, t.out->index, t.h.ttl);
    if (p->gso_size != 0)
        send_segments(st, &t);
    else
        send_datagram(st, &t);
}
