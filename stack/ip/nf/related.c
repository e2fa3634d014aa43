/* ip/nf/related.c: ICMP errors belong to the flow that they are about (RFC 5508 4.2, 5382 REQ-9).
 *
 * Theory of operation. An error quotes a datagram, as that was where it failed. The quote leads to the flow:
 *
 *     the inverse of what is quoted is a tuple of the table     it was quoted as it leaves us: the error comes
 *                                                               from beyond, and is turned back
 *     what is quoted is a tuple itself                          it was quoted as it came in: one of our own
 *                                                               errors, sent before anything was translated
 *     its destination was translated, its source not yet        one of our own errors about what is being
 *                                                               forwarded at this moment
 *
 * The quote is then rewritten to what its sender once sent (addresses, ports, identifier, checksums in it), so that
 * the sender finds the connection it is about, and the error goes to that sender. Its source is changed too where
 * the quoted datagram's destination was translated: the hosts behind such a translation aren't to be seen, unless
 * the error is our own. An error about nothing we know is INVALID; so is one that goes to somebody else than the
 * quoted datagram's source.
 *
 * All of the message that is looked at is made linear (at most the two headers and 20 octets). The message's own
 * checksum is brought up to date by the difference of the sums of that part.
 */
#include "ip/nf/nf_internal.h"

#include "wire/tcp.h"

#define QUOTE_LOOK (IPV4_MAX_HLEN + TCP_HLEN)

struct quote {
    struct ipv4_hdr h;
    struct nf_tuple t;
    uint32_t at, len; /* of the quote in the packet: what is looked at */
};

/* A quoted header may have a length or checksum that no longer fits: only what is needed is looked at. */
static bool read_quote(const struct nf_ctx *c, struct quote *q)
{
    uint8_t b[QUOTE_LOOK];
    uint32_t hlen;

    if (nf_l4_len(c) < ICMP_HLEN + IPV4_HLEN + 8)
        return false;
    q->at = nf_l4(c) + ICMP_HLEN;
    q->len = nf_l4_len(c) - ICMP_HLEN;
    if (q->len > sizeof b)
        q->len = sizeof b;
    if (!pkt_read(*c->p, q->at, b, q->len))
        return false;
    hlen = (b[0] & 15U) * 4;
    if (b[0] >> 4 != 4 || hlen < IPV4_HLEN || q->len < hlen + 8 || (wire_get16(b + 6) & 0x1fff) != 0)
        return false;
    q->h = (struct ipv4_hdr){.hlen = (uint8_t)hlen,
                             .proto = b[9],
                             .src = wire_get32(b + 12),
                             .dst = wire_get32(b + 16)};
    return nf_tuple_read(&q->t, &q->h, b + hlen, q->len - hlen);
}

/* ---- whose it is ---- */

static struct nf_conn *half_translated(const struct td_stack *st, const struct nf_tuple *t, enum nf_dir *dir)
{
    struct nf_conn *ct = st->ip->nf->current;

    for (unsigned d = 0; ct != NULL && d < 2; d++) {
        const struct nf_tuple *in = &ct->end[d].t, *back = &ct->end[!d].t;

        if (t->src == in->src && t->sport == in->sport && t->dst == back->src && t->dport == back->sport &&
            t->proto == in->proto) {
            *dir = (enum nf_dir)d;
            return ct;
        }
    }
    return NULL;
}

/* The flow, and the direction of the quoted datagram in it. */
static struct nf_conn *find_flow(const struct td_stack *st, const struct nf_tuple *t, enum nf_dir *dir)
{
    struct nf_tuple back = nf_inverse(t);
    struct nf_end *e = nf_find(st, &back);

    if (e != NULL) {
        *dir = e->dir == NF_ORIG ? NF_REPLY : NF_ORIG;
        return nf_conn_of(e);
    }
    e = nf_find(st, t);
    if (e != NULL) {
        *dir = (enum nf_dir)e->dir;
        return nf_conn_of(e);
    }
    return half_translated(st, t, dir);
}

/* ---- the quote as its sender sent it ---- */

static void put16(uint8_t *at, uint16_t v, uint8_t *sum)
{
    uint16_t old = wire_get16(at);

    wire_put16(at, v);
    if (sum != NULL)
        wire_put16(sum, checksum_update(wire_get16(sum), old, v));
}

static void put_addr(uint8_t *at, td_ip4 v, uint8_t *ip_sum, uint8_t *l4_sum)
{
    uint8_t copy[4] = {at[0], at[1], at[2], at[3]};

    put16(at, (uint16_t)(v >> 16), ip_sum);
    put16(at + 2, (uint16_t)v, ip_sum);
    if (l4_sum != NULL) {
        put16(copy, (uint16_t)(v >> 16), l4_sum);
        put16(copy + 2, (uint16_t)v, l4_sum);
    }
}

static void rewrite(uint8_t *b, const struct quote *q, const struct nf_tuple *to)
{
    uint8_t *l4 = b + q->h.hlen, *sum = NULL;
    uint32_t n = q->len - q->h.hlen;

    switch (to->proto) {
    case IPPROTO_TCP_:
        if (n >= 18)
            sum = l4 + 16;
        break;
    case IPPROTO_UDP_:
        sum = wire_get16(l4 + 6) != 0 ? l4 + 6 : NULL;
        break;
    default:
        break;
    }
    put_addr(b + 12, to->src, b + 10, sum);
    put_addr(b + 16, to->dst, b + 10, sum);
    if (to->proto == IPPROTO_TCP_ || to->proto == IPPROTO_UDP_) {
        put16(l4, to->sport, sum);
        put16(l4 + 2, to->dport, sum);
        if (to->proto == IPPROTO_UDP_ && sum != NULL && wire_get16(sum) == 0)
            wire_put16(sum, 0xffff);
    } else if (to->proto == IPPROTO_ICMP_) {
        put16(l4 + 4, to->sport != 0 ? to->sport : to->dport, l4 + 2);
    }
}

static bool same_tuple(const struct nf_tuple *a, const struct nf_tuple *b)
{
    return a->src == b->src && a->dst == b->dst && a->sport == b->sport && a->dport == b->dport;
}

static bool turn_back(struct td_stack *st, struct nf_ctx *c, const struct quote *q, const struct nf_tuple *to)
{
    uint16_t before, after;
    uint8_t *icmp;

    if (!nf_writable(st, c, q->at + q->len))
        return false;
    icmp = (*c->p)->data + nf_l4(c);
    before = checksum_fold(checksum_add(0, icmp + ICMP_HLEN, q->len & ~1U));
    rewrite(icmp + ICMP_HLEN, q, to);
    after = checksum_fold(checksum_add(0, icmp + ICMP_HLEN, q->len & ~1U));
    wire_put16(icmp + 2, checksum_update(wire_get16(icmp + 2), before, after));
    return true;
}

bool nf_related(struct td_stack *st, struct nf_ctx *c)
{
    const struct journal_subject sub = {.pkt = (*c->p)->id, .addr = c->h->src};
    bool looped = !c->bare && ((*c->p)->flags & PKT_LOOPBACK) != 0;
    struct nf_conn *ct = NULL;
    enum nf_dir dir = NF_ORIG;
    const struct nf_tuple *to;
    struct quote q;

    c->flow->state = NF_S_INVALID;
    if (read_quote(c, &q) && (c->bare || knob(st, NF_CT_CHECKSUM) == 0 || nf_checksum_ok(c)))
        ct = find_flow(st, &q.t, &dir);
    if (ct == NULL || (!looped && c->h->dst != q.h.src)) {
        count(st, NfCtInvalid);
        JOURNAL(st, EV_NF_INVALID, &sub, c->h->src, c->h->dst, c->h->proto, W_NF_ABOUT_NOTHING);
        return true;
    }
    c->flow->ct = ct;
    c->flow->reply = dir == NF_ORIG;
    c->flow->state = NF_S_RELATED;
    to = &ct->end[dir].t;
    if (looped || (ct->flags & (NF_C_SRC_NAT | NF_C_DST_NAT)) == 0)
        return true;
    if (!same_tuple(&q.t, to)) {
        if (!turn_back(st, c, &q, to))
            return false;
        JOURNAL(st, EV_NF_RELATED, &sub, c->h->src, q.h.src, to->src, to->dst);
    }
    if (c->h->dst != to->src && !nf_nat_write(st, c, false, to->src, 0, false))
        return false;
    if (!c->bare && nf_changes_dst(ct, dir) && c->h->src != to->dst &&
        !nf_nat_write(st, c, true, to->dst, 0, false))
        return false;
    return true;
}
