/* ip/nf/nat.c: which address and port a flow gets, and rewriting headers (RFC 2663, 3022, 4787, 5382, 5508).
 *
 * Theory of operation. Translating a flow means giving its reply tuple: DNAT says from where the answers will
 * come, SNAT to where they will go. Whatever its rule says, a flow's reply tuple must be nobody else's, or answers
 * would go to the wrong one; so a port that is taken is exchanged for another:
 *
 *     the port it has, if that is free (and --random isn't asked for);
 *     else one of the rule's range or, without one, of the class it is in: 1 to 511, 512 to 1023, 1024 to 65535,
 *     looked for from a random place on (RFC 6056 3.3.1). A small range is looked through whole, of a large one
 *     256 ports in four runs: then the datagram is dropped, journaled as such.
 *
 * A flow that no rule translates is checked in the same way: it keeps its port unless another one's answers
 * already come there. An ICMP query's identifier is its port. Of several addresses a flow takes the one that
 * its source hashes to, so that a client is always seen at the same (RFC 4787 REQ-2).
 *
 * Rewriting. Where a datagram comes in (PREROUTING, OUTPUT) its destination is rewritten, where it goes out
 * (INPUT, POSTROUTING) its source; in each direction to what the other direction's tuple says. Hairpin needs
 * nothing more: a client that writes to the outside address of its neighbour is translated twice, and both ways
 * back. Checksums are brought up to date by the difference (RFC 1624 eqn. 3), so a wrong one stays wrong; a UDP
 * checksum of zero means none, and stays (RFC 768); one that becomes zero is written as ffff.
 */
#include "ip/nf/nf_internal.h"

#include "wire/tcp.h"

/* ---- a tuple that is free ---- */

static bool reply_free(const struct td_stack *st, const struct nf_conn *ct, const struct nf_tuple *reply)
{
    const struct nf_end *e = nf_find(st, reply);

    return e == NULL || e == &ct->end[NF_REPLY];
}

static bool has_ports(const struct nf_tuple *t)
{
    return t->proto == IPPROTO_TCP_ || t->proto == IPPROTO_UDP_ || t->proto == IPPROTO_ICMP_;
}

static void port_class(const struct nf_tuple *t, uint16_t port, uint32_t *lo, uint32_t *hi)
{
    if (t->proto == IPPROTO_ICMP_) {
        *lo = 0;
        *hi = 65535;
    } else if (port < 512) {
        *lo = 1;
        *hi = 511;
    } else if (port < 1024) {
        *lo = 512;
        *hi = 1023;
    } else {
        *lo = 1024;
        *hi = 65535;
    }
}

#define SMALL_RANGE 256U
#define RUNS        4
#define RUN_LENGTH  64U

/* Finds a value for *port (of `reply`) with which reply is free. */
static bool find_port(struct td_stack *st, const struct nf_conn *ct, struct nf_tuple *reply, uint16_t *port,
                      uint32_t lo, uint32_t hi)
{
    uint32_t range = hi - lo + 1, runs = range <= SMALL_RANGE ? 1 : RUNS,
             length = range <= SMALL_RANGE ? range : RUN_LENGTH;

    while (runs-- > 0) {
        uint32_t from = rng_below(&st->rng, range);

        for (uint32_t i = 0; i < length; i++) {
            *port = (uint16_t)(lo + (from + i) % range);
            if (reply_free(st, ct, reply))
                return true;
        }
    }
    return false;
}

static bool no_port(struct td_stack *st, const struct nf_tuple *reply)
{
    const struct journal_subject sub = {.addr = reply->src, .port = reply->sport};

    count(st, NfNatNoPort);
    JOURNAL(st, EV_NF_DROP_NO_PORT, &sub, reply->dst, reply->src, reply->sport, reply->proto);
    return false;
}

/* ---- what a rule asks for ---- */

struct want {
    bool src;          /* of SNAT's kind */
    bool random, has_ports;
    td_ip4 addr;
    uint16_t port[2];
};

static bool set_up(struct td_stack *st, struct nf_conn *ct, const struct want *w)
{
    struct nf_tuple reply = ct->end[NF_REPLY].t, was = reply;
    uint16_t *port = w->src ? &reply.dport : &reply.sport, before = *port;
    bool portless = !has_ports(&reply) || (!w->src && reply.proto == IPPROTO_ICMP_);
    uint32_t lo, hi;
    bool in_range;

    *(w->src ? &reply.dst : &reply.src) = w->addr;
    if (!portless) {
        port_class(&reply, before, &lo, &hi);
        if (w->has_ports) {
            lo = w->port[0];
            hi = w->port[1];
        }
        in_range = before >= lo && before <= hi;
        /* A destination's port is changed only when the rule says so: it is a service's. */
        if (!w->src && !w->has_ports)
            lo = hi = before;
        if (!w->src && !in_range)
            *port = (uint16_t)(lo + rng_below(&st->rng, hi - lo + 1));
        else if ((!in_range || w->random || !reply_free(st, ct, &reply)) && w->src &&
                 !find_port(st, ct, &reply, port, lo, hi))
            return no_port(st, &reply);
    } else if (w->src && !reply_free(st, ct, &reply)) {
        return no_port(st, &reply);
    }
    /* A destination may clash: the source, later, makes the tuple its own. */
    if (reply.src != was.src || reply.sport != was.sport)
        ct->flags |= NF_C_DST_NAT;
    if (reply.dst != was.dst || reply.dport != was.dport)
        ct->flags |= NF_C_SRC_NAT;
    nf_conn_set_reply(st, ct, &reply);
    return true;
}

static td_ip4 pick_addr(const struct td_stack *st, const struct nf_conn *ct, const struct nf_rule *r)
{
    uint32_t range = r->nat_addr[1] - r->nat_addr[0] + 1;
    td_ip4 src = ct->end[NF_ORIG].t.src;

    if (range <= 1)
        return r->nat_addr[0];
    return r->nat_addr[0] + (td_ip4)(siphash(&st->hash_key, &src, sizeof src) % range);
}

bool nf_nat_target(struct td_stack *st, struct nf_ctx *c, const struct nf_rule *r)
{
    struct nf_conn *ct = c->flow->ct;
    struct want w = {.random = r->nat_random,
                     .has_ports = r->nat_has_ports,
                     .port = {r->nat_port[0], r->nat_port[1]}};

    w.src = r->target == NF_T_SNAT || r->target == NF_T_MASQUERADE;
    w.addr = w.src ? ct->end[NF_REPLY].t.dst : ct->end[NF_REPLY].t.src;
    switch (r->target) {
    case NF_T_MASQUERADE:
        w.addr = c->out != NULL ? addr_source_on(c->out, c->nexthop) : 0;
        ct->flags |= NF_C_MASQ;
        ct->masq_ifindex = c->out != NULL ? c->out->index : 0;
        break;
    case NF_T_REDIRECT:
        w.addr = c->hook == NF_OUTPUT || c->in == NULL ? TD_IP4(127, 0, 0, 1)
                                                       : addr_source_on(c->in, c->h->src);
        break;
    default:
        if (r->nat_has_addr)
            w.addr = pick_addr(st, ct, r);
        break;
    }
    if (w.addr == 0) {
        const struct journal_subject sub = {.pkt = (*c->p)->id, .addr = c->h->dst};

        JOURNAL(st, EV_NF_DROP_NO_ADDRESS, &sub, c->h->src, c->h->dst, c->out != NULL ? c->out->index : 0);
        return false;
    }
    return set_up(st, ct, &w);
}

bool nf_nat_bind(struct td_stack *st, struct nf_ctx *c)
{
    struct nf_conn *ct = c->flow->ct;
    bool dst = c->hook == NF_PREROUTING || c->hook == NF_OUTPUT;
    uint32_t done = dst ? NF_C_DST_DONE : NF_C_SRC_DONE;

    if ((ct->flags & done) != 0 || !nf_ruled(st))
        return true;
    ct->flags |= done;
    if (nf_filter(st, NF_NAT, c) == NF_DROPPED)
        return false;
    if (!dst && (ct->flags & NF_C_REPLY_IN) == 0) {
        struct want w = {.src = true, .addr = ct->end[NF_REPLY].t.dst};

        return set_up(st, ct, &w);
    }
    return true;
}

/* ---- rewriting ---- */

static void set16(uint8_t *at, uint16_t v, uint8_t *sum, bool partial)
{
    uint16_t old = wire_get16(at);

    wire_put16(at, v);
    if (sum == NULL)
        return;
    if (partial) /* the sum itself, not yet its complement */
        wire_put16(sum, (uint16_t)~checksum_update((uint16_t)~wire_get16(sum), old, v));
    else
        wire_put16(sum, checksum_update(wire_get16(sum), old, v));
}

/* What an address is changed in, without being there: the transport's pseudo-header. */
static void sum_addr(uint8_t *sum, td_ip4 old, td_ip4 new, bool partial)
{
    uint8_t b[4];

    wire_put32(b, old);
    set16(b, (uint16_t)(new >> 16), sum, partial);
    set16(b + 2, (uint16_t)new, sum, partial);
}

struct l4 {
    uint8_t *sum;  /* NULL: none */
    uint8_t *port; /* NULL: none */
    bool pseudo, partial, udp;
};

static struct l4 transport(const struct nf_ctx *c, bool src)
{
    uint8_t *b = (*c->p)->data + nf_l4(c);
    struct l4 l = {0};

    switch (c->h->proto) {
    case IPPROTO_TCP_:
        l = (struct l4){.sum = b + 16, .port = b + (src ? 0 : 2), .pseudo = true};
        break;
    case IPPROTO_UDP_:
        l = (struct l4){.sum = b + 6, .port = b + (src ? 0 : 2), .pseudo = true, .udp = true};
        break;
    case IPPROTO_ICMP_:
        l = (struct l4){.sum = b + 2, .port = b + 4};
        break;
    default:
        return l;
    }
    l.partial = (*c->p)->csum == PKT_CSUM_PARTIAL;
    if (l.udp && !l.partial && wire_get16(l.sum) == 0)
        l.sum = NULL;
    return l;
}

/* The octets of the transport header that a change touches. */
static uint32_t transport_need(const struct nf_ctx *c)
{
    switch (c->h->proto) {
    case IPPROTO_TCP_:
        return TCP_HLEN;
    case IPPROTO_UDP_:
    case IPPROTO_ICMP_:
        return 8;
    default:
        return 0;
    }
}

static void write_addr(struct nf_ctx *c, bool src, td_ip4 addr)
{
    td_ip4 *in_h = src ? &c->h->src : &c->h->dst;

    if (!c->bare) {
        uint8_t *b = (*c->p)->data, *at = b + (src ? 12 : 16);

        set16(at, (uint16_t)(addr >> 16), b + 10, false);
        set16(at + 2, (uint16_t)addr, b + 10, false);
        c->h->csum = wire_get16(b + 10);
    }
    *in_h = addr;
}

bool nf_nat_write(struct td_stack *st, struct nf_ctx *c, bool src, td_ip4 addr, uint16_t port, bool set_port)
{
    td_ip4 old = src ? c->h->src : c->h->dst;
    struct l4 l;

    if (!nf_writable(st, c, nf_l4(c) + transport_need(c)))
        return false;
    l = transport(c, src);
    if (l.sum != NULL && l.pseudo && !FAULT_ON(st, NAT_CHECKSUM_KEPT))
        sum_addr(l.sum, old, addr, l.partial);
    if (l.port != NULL && set_port)
        set16(l.port, port, l.partial ? NULL : l.sum, false);
    if (l.udp && l.sum != NULL && !l.partial && wire_get16(l.sum) == 0)
        wire_put16(l.sum, 0xffff);
    write_addr(c, src, addr);
    return true;
}

bool nf_changes_dst(const struct nf_conn *ct, enum nf_dir dir)
{
    return (ct->flags & (dir == NF_ORIG ? NF_C_DST_NAT : NF_C_SRC_NAT)) != 0;
}

bool nf_nat_apply(struct td_stack *st, struct nf_ctx *c)
{
    const struct nf_conn *ct = c->flow->ct;
    enum nf_dir dir = c->flow->reply ? NF_REPLY : NF_ORIG;
    bool dst = c->hook == NF_PREROUTING || c->hook == NF_OUTPUT;
    uint32_t bit = (dir == NF_ORIG) == dst ? NF_C_DST_NAT : NF_C_SRC_NAT;
    struct nf_tuple to = nf_inverse(&ct->end[!dir].t);

    if ((ct->flags & bit) == 0)
        return true;
    if (dst)
        /* ICMP's identifier is its asker's port: an answer's destination. */
        return nf_nat_write(st, c, false, to.dst, to.dport, to.proto != IPPROTO_ICMP_ || dir == NF_REPLY);
    return nf_nat_write(st, c, true, to.src, to.sport, to.proto != IPPROTO_ICMP_ || dir == NF_ORIG);
}
