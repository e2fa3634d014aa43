/* ip/icmp_error.c: ICMP errors sent and received, redirects (RFC 792; RFC 1122 3.2.2; RFC
 * 1812 4.3.2).
 *
 * Theory of operation, sending. An error is a favour to the sender of a datagram that failed here,
 * and a weapon in the hands of whoever forges one. icmp_send_error says no, and journals why, when
 * the datagram
 *   - is itself an ICMP error (or an ICMP message of a kind we don't know, which might be one);
 *   - came in a link-layer broadcast or multicast, or was sent to a broadcast or group address;
 *   - is a fragment other than the first;
 *   - has a source that is no single host: zero, loopback (from outside), broadcast, group, class E
 * (RFC 1122 3.2.2), or when there have been too many: a bucket a destination (icmp_ratelimit, six
 * at once, then one per interval), then one for all (icmp_msgs_per_sec). The bucket for all is
 * drawn from in uneven gulps, 0 to 2 tokens, so that nobody can count what others have used up (SAD
 * DNS, CVE-2020-25705); asking the destination's own bucket first keeps one host from emptying it
 * at all. Fragmentation-needed isn't limited by destination: a path that needs it, needs it.
 *
 * The quote is the header and as much of the data as fits into 576 octets altogether (RFC 1812
 * 4.3.2.3), byte for byte as received. The message comes from the address that was written to. A host's has TOS 0
 * (RFC 1122 3.2.2); a router's about what was to pass through has the datagram's TOS and precedence 6, so that it
 * gets through where the datagram was stuck (RFC 1812 4.3.2.5).
 *
 * Receiving. The quote must be a datagram that we can have sent: long enough (header and 8 octets),
 * the first fragment, from an address of ours (RFC 5927 4). Then it goes to the protocol that is
 * named in it, which alone can judge whether it sent such a segment. RFC 4884: where the length
 * octet is set, the quote ends there and the rest is an extension that we don't read; zero means
 * all is quote (5.4).
 *
 * Redirects (3.2.2.2) change the way to one host, never the routing table, and only when they come
 * from the gateway that is in use for that host, name another one on the same subnet, and the way
 * was chosen by a default route: who has set a static route has said what he wants.
 */
#include "ip/ip_internal.h"

#include <errno.h>
#include <string.h>

/* ---- a header inside a message ---- */

/* As much of a header as can be trusted without a valid total length or checksum: routers on the
 * way have changed TTL and checksum, and some the length. False: too short, or no IPv4 header. */
static bool quote_parse(struct ipv4_hdr *h, const uint8_t *b, uint32_t n)
{
    uint32_t hlen = n >= IPV4_HLEN ? (b[0] & 0x0fU) * 4 : 0;

    if (hlen < IPV4_HLEN || hlen > n || b[0] >> 4 != 4)
        return false;
    *h = (struct ipv4_hdr){.hlen = (uint8_t)hlen,
                           .tos = b[1],
                           .total_len = wire_get16(b + 2),
                           .id = wire_get16(b + 4),
                           .flags = (uint16_t)(wire_get16(b + 6) & 0xe000),
                           .frag_off = (uint16_t)((wire_get16(b + 6) & 0x1fff) * 8),
                           .ttl = b[8],
                           .proto = b[9],
                           .csum = wire_get16(b + 10),
                           .src = wire_get32(b + 12),
                           .dst = wire_get32(b + 16),
                           .opt_len = (uint8_t)(hlen - IPV4_HLEN)};
    memcpy(h->opt, b + IPV4_HLEN, h->opt_len);
    return true;
}

/* ---- rate limits ---- */

struct icmp_bucket {
    struct hash_node node;
    td_ip4 host;
    td_time credit; /* ns: one interval buys one message */
    td_time last;
};

#define BUCKET_BURST 6
#define ICMP_TRANSIT_PRECEDENCE 0xc0 /* internetwork control */
#define ICMP_TOS_COPIED 0x1c         /* without precedence and ECN (RFC 3168 5) */

static bool bucket_eq(const struct hash_node *n, const void *key)
{
    return container_of(n, const struct icmp_bucket, node)->host == *(const td_ip4 *)key;
}

static void bucket_free(struct td_stack *st, struct icmp_bucket *b)
{
    hash_remove(&st->icmp->hosts, &b->node);
    mem_free(&st->mem, MEM_IP, b, sizeof *b);
}

/* The bucket of host, full when it is new; when there are too many the oldest makes room. */
static struct icmp_bucket *bucket_of(struct td_stack *st, td_ip4 host, td_time full)
{
    struct hash *h = &st->icmp->hosts;
    struct hash_node *n = hash_find(h, &host, sizeof host, bucket_eq);
    struct icmp_bucket *b;

    if (n != NULL)
        return container_of(n, struct icmp_bucket, node);
    if (h->count >= ICMP_HOSTS_MAX)
        bucket_free(st, container_of(hash_first(h), struct icmp_bucket, node));
    b = mem_alloc(&st->mem, MEM_IP, sizeof *b);
    if (b == NULL)
        return NULL;
    b->host = host;
    b->credit = full;
    b->last = st->now;
    if (hash_insert(h, &b->node, &host, sizeof host) < 0) {
        mem_free(&st->mem, MEM_IP, b, sizeof *b);
        return NULL;
    }
    return b;
}

static bool host_allows(struct td_stack *st, td_ip4 host)
{
    td_time interval = (td_time)knob(st, ICMP_RATELIMIT) * TD_MS, full = interval * BUCKET_BURST;
    struct icmp_bucket *b;

    if (interval == 0)
        return true;
    b = bucket_of(st, host, full);
    if (b == NULL)
        return false;
    b->credit += st->now - b->last;
    b->last = st->now;
    if (b->credit > full)
        b->credit = full;
    if (b->credit < interval)
        return false;
    b->credit -= interval;
    return true;
}

static bool everybody_allows(struct td_stack *st)
{
    struct icmp *icmp = st->icmp;
    uint64_t rate = (uint64_t)knob(st, ICMP_MSGS_PER_SEC),
             burst = (uint64_t)knob(st, ICMP_MSGS_BURST);
    td_time elapsed = st->now - icmp->refilled;
    uint64_t fresh = (elapsed > 3600 * TD_SEC ? 3600 * TD_SEC : elapsed) * rate / TD_SEC;
    uint32_t gulp;

    if (fresh > 0) {
        icmp->tokens = (uint32_t)(icmp->tokens + fresh > burst ? burst : icmp->tokens + fresh);
        icmp->refilled = st->now;
    }
    if (icmp->tokens == 0)
        return false;
    gulp = rng_below(&st->rng, 3);
    icmp->tokens -= gulp < icmp->tokens ? gulp : icmp->tokens;
    return true;
}

static bool rate_allows(struct td_stack *st, const struct ipv4_hdr *about, uint8_t type,
                        uint8_t code, bool looped)
{
    if (looped || FAULT_ON(st, NO_ICMP_LIMIT))
        return true; /* nobody is flooded but ourselves */
    if (!(type == ICMP_UNREACHABLE && code == ICMP_FRAG_NEEDED) && !host_allows(st, about->src)) {
        count(st, IcmpOutRateLimitHost);
        return false;
    }
    if (!everybody_allows(st)) {
        count(st, IcmpOutRateLimitGlobal);
        return false;
    }
    return true;
}

void icmp_error_done(struct td_stack *st)
{
    struct hash_node *n;

    while ((n = hash_first(&st->icmp->hosts)) != NULL)
        bucket_free(st, container_of(n, struct icmp_bucket, node));
    hash_done(&st->icmp->hosts);
}

/* ---- sending ---- */

/* What is to be quoted: from the IP header of p on. */
struct quote {
    const uint8_t *l3;
    uint32_t head; /* octets from l3 to p->data */
    uint32_t len;  /* octets of the datagram there are */
    struct ipv4_hdr h;
};

static bool quote_of(const struct pkt *p, struct quote *q)
{
    q->l3 = pkt_l3(p);
    if (q->l3 == NULL || q->l3 > p->data)
        return false;
    q->head = (uint32_t)(p->data - q->l3);
    q->len = q->head + p->len;
    if (!quote_parse(&q->h, q->l3, q->head + p->head_len))
        return false;
    if (q->len > q->h.total_len)
        q->len = q->h.total_len;
    return q->len >= q->h.hlen;
}

/* Copies [off, off+n) of the datagram. */
static bool quote_read(const struct pkt *p, const struct quote *q, uint32_t off, uint8_t *dst,
                       uint32_t n)
{
    uint32_t front = off < q->head ? q->head - off : 0;

    if (front > n)
        front = n;
    if (front > 0)
        memcpy(dst, q->l3 + off, front);
    return n == front || pkt_read(p, off + front - q->head, dst + front, n - front);
}

/* RFC 1122 3.2.2: no error about an error. Unknown types count as errors. */
static bool quote_is_icmp_error(const struct pkt *p, const struct quote *q)
{
    uint8_t type;

    if (q->h.proto != IPPROTO_ICMP_)
        return false;
    if (q->len <= q->h.hlen || !quote_read(p, q, q->h.hlen, &type, 1))
        return true;
    return type != ICMP_ECHO && type != ICMP_ECHO_REPLY && type != ICMP_TIMESTAMP &&
           type != ICMP_TIMESTAMP_REPLY;
}

/* The reason for silence, or W_NONE. */
static enum journal_word error_forbidden(const struct td_stack *st, const struct pkt *p,
                                         const struct quote *q)
{
    bool looped = (p->flags & PKT_LOOPBACK) != 0;

    if ((p->flags & (PKT_L2_BROADCAST | PKT_L2_MULTICAST)) != 0)
        return W_LINK_BROADCAST;
    if (ip4_is_multicast(q->h.dst) || ip4_is_class_e(q->h.dst) ||
        ip_is_broadcast(st, NULL, q->h.dst))
        return W_TO_BROADCAST;
    if (q->h.frag_off != 0)
        return W_NOT_FIRST;
    if (addr_is_no_host(st, q->h.src) && !(looped && ip4_is_loopback(q->h.src)))
        return W_BAD_SOURCE;
    return quote_is_icmp_error(p, q) && !FAULT_ON(st, ERRORS_ABOUT_ERRORS) ? W_ABOUT_ERROR : W_NONE;
}

static struct pkt *error_packet(struct td_stack *st, const struct pkt *p, const struct quote *q,
                                uint32_t quoted, uint8_t type, uint8_t code, uint32_t word)
{
    struct icmp_hdr h = {.type = type, .code = code};
    struct pkt *e = pkt_alloc(&st->mem, PKT_HEADROOM, ICMP_HLEN + quoted);
    uint8_t *b = e != NULL ? pkt_put(e, ICMP_HLEN + quoted) : NULL;

    if (b == NULL || !quote_read(p, q, 0, b + ICMP_HLEN, quoted)) {
        pkt_free(e);
        return NULL;
    }
    (void)icmp_emit(&h, b);
    wire_put32(b + 4, word);
    wire_put16(b + 2, checksum(b, ICMP_HLEN + quoted));
    return e;
}

void icmp_send_error(struct td_stack *st, const struct pkt *p, uint8_t type, uint8_t code,
                     uint32_t word)
{
    struct quote q = {0};
    enum journal_word why = quote_of(p, &q) ? error_forbidden(st, p, &q) : W_NO_HEADER;
    struct journal_subject sub = {.pkt = p->id, .ifindex = p->ifindex, .addr = q.h.src};
    struct ip_tx tx = {.dst = q.h.src, .proto = IPPROTO_ICMP_};
    uint64_t what = (uint64_t)type * 256 + code;
    uint32_t quoted = q.len < ICMP_QUOTE_MAX ? q.len : ICMP_QUOTE_MAX;
    struct pkt *e;

    if (why == W_NONE && !rate_allows(st, &q.h, type, code, (p->flags & PKT_LOOPBACK) != 0))
        why = W_RATE_LIMIT;
    if (why != W_NONE) {
        JOURNAL(st, EV_ICMP_ERROR_SILENT, &sub, q.h.src, what, why);
        return;
    }
    e = error_packet(st, p, &q, quoted, type, code, word);
    if (e == NULL) {
        JOURNAL(st, EV_ICMP_DROP_MEMORY, &sub, q.h.src, quoted);
        count(st, IcmpOutErrors);
        return;
    }
    if (ip_is_local(st, q.h.dst))
        tx.src = q.h.dst;
    else if ((p->flags & PKT_LOOPBACK) == 0)
        tx.tos = (uint8_t)(ICMP_TRANSIT_PRECEDENCE | (q.h.tos & ICMP_TOS_COPIED));
    JOURNAL(st, EV_ICMP_ERROR_OUT, &sub, q.h.src, what, quoted);
    (void)icmp_transmit(st, e, &tx);
}

/* ---- redirects ---- */

static enum journal_word redirect_refused(struct td_stack *st, const struct ip_rx *rx,
                                          const struct icmp_hdr *h, td_ip4 dst,
                                          struct ip_route_result *r)
{
    const struct fib_route *by;
    const struct fib_hop *to;

    if (ifknob(st, rx->nif, ACCEPT_REDIRECTS) == 0)
        return W_REDIRECT_OFF;
    if (h->code > 3)
        return W_BAD_CODE;
    if (route_find(st, dst, 0, 0, r) < 0 || r->type != FIB_UNICAST || r->nexthop == dst ||
        r->nexthop != rx->h.src || r->nif != rx->nif)
        return W_NOT_OUR_GATEWAY;
    by = ip_fib_route(st, dst, 0);
    if (by != NULL && by->plen > 0)
        return W_STATIC_ROUTE;
    if (addr_is_no_host(st, h->gateway) || ip_is_local(st, h->gateway) || h->gateway == rx->h.src)
        return W_GATEWAY_BAD;
    to = ip_fib_lookup(st, h->gateway, rx->nif->index);
    if (to == NULL || to->type != FIB_UNICAST || to->gateway != 0)
        return W_GATEWAY_OFF_LINK;
    return W_NONE;
}

/* Codes 0 to 3, for a network or a host, with TOS or without: all change one host (RFC 1122
 * 3.2.2.2, 3.3.1.2). */
static void icmp_redirect(struct td_stack *st, const struct pkt *p, const struct ip_rx *rx,
                          const struct icmp_hdr *h, td_ip4 dst)
{
    struct journal_subject sub = {.pkt = p->id, .ifindex = rx->nif->index, .addr = rx->h.src};
    struct ip_route_result r;
    enum journal_word why = redirect_refused(st, rx, h, dst, &r);

    if (why != W_NONE) {
        JOURNAL(st, EV_ICMP_DROP_REDIRECT, &sub, rx->h.src, dst, h->gateway, why);
        return;
    }
    dst_redirect(st, rx->h.src, dst, h->gateway, r.route->gateway, rx->nif->index);
}

/* ---- receiving ---- */

static void count_in(struct td_stack *st, uint8_t type)
{
    switch (type) {
    case ICMP_UNREACHABLE:
        count(st, IcmpInDestUnreachs);
        break;
    case ICMP_TIME_EXCEEDED:
        count(st, IcmpInTimeExcds);
        break;
    case ICMP_PARAM_PROBLEM:
        count(st, IcmpInParmProbs);
        break;
    default:
        count(st, IcmpInRedirects);
        break;
    }
}

static bool error_code_known(const struct icmp_hdr *h)
{
    switch (h->type) {
    case ICMP_UNREACHABLE:
        return h->code <= ICMP_PREC_CUTOFF;
    case ICMP_TIME_EXCEEDED:
        return h->code <= 1;
    default:
        return true; /* a parameter problem is one, whatever its code; redirects judge theirs */
    }
}

/* The octets of the quote among the n behind the ICMP header (RFC 4884 5.4). */
static uint32_t quote_length(const struct icmp_hdr *h, uint32_t n)
{
    uint32_t words = 0;

    if (h->type == ICMP_UNREACHABLE || h->type == ICMP_TIME_EXCEEDED)
        words = h->unreach.length;
    else if (h->type == ICMP_PARAM_PROBLEM)
        words = h->param.length;
    return words > 0 && words * 4 <= n ? words * 4 : n;
}

static void error_deliver(struct td_stack *st, const struct pkt *p, const struct ip_rx *rx,
                          const struct icmp_hdr *h, struct ip_error *e)
{
    struct journal_subject sub = {.pkt = p->id, .ifindex = rx->nif->index, .addr = e->h.dst};
    const struct ip_protocol *proto = st->ip->proto[e->h.proto];
    uint64_t what = (uint64_t)h->type * 256 + h->code;

    if (proto == NULL || proto->error == NULL) {
        JOURNAL(st, EV_ICMP_DROP_UNCLAIMED, &sub, rx->h.src, what, e->h.proto);
        return;
    }
    e->type = h->type;
    e->code = h->code;
    e->from = rx->h.src;
    if (h->type == ICMP_UNREACHABLE && h->code == ICMP_FRAG_NEEDED)
        e->mtu = h->unreach.mtu;
    JOURNAL_CAUSE(st, EV_ICMP_ERROR_IN, &sub, rx->h.src, what, e->h.dst, e->h.proto);
    proto->error(st, e);
}

void icmp_error_input(struct td_stack *st, struct pkt *p, const struct ip_rx *rx,
                      const struct icmp_hdr *h)
{
    struct journal_subject sub = {.pkt = p->id, .ifindex = rx->nif->index, .addr = rx->h.src};
    uint64_t what = (uint64_t)h->type * 256 + h->code;
    uint32_t look = p->len < ICMP_HLEN + 1500U ? p->len : ICMP_HLEN + 1500U, n;
    struct ip_error e = {0};

    count_in(st, h->type);
    if (rx->bcast || rx->mcast) {
        JOURNAL(st, EV_ICMP_DROP_BROADCAST, &sub, rx->h.src, rx->h.dst, what);
        return;
    }
    if (!error_code_known(h)) {
        JOURNAL(st, EV_ICMP_DROP_TYPE, &sub, rx->h.src, what);
        return;
    }
    if (!pkt_may_pull(p, look)) {
        JOURNAL(st, EV_ICMP_DROP_MEMORY, &sub, rx->h.src, look);
        return;
    }
    n = quote_length(h, look - ICMP_HLEN);
    if (!quote_parse(&e.h, p->data + ICMP_HLEN, n) || n < e.h.hlen + 8U || e.h.frag_off != 0) {
        JOURNAL(st, EV_ICMP_DROP_QUOTE, &sub, rx->h.src, what, n);
        count(st, IcmpInErrors);
        return;
    }
    if (!ip_is_local(st, e.h.src)) {
        JOURNAL(st, EV_ICMP_DROP_FOREIGN, &sub, rx->h.src, what, e.h.src, e.h.dst);
        return;
    }
    if (h->type == ICMP_REDIRECT) {
        icmp_redirect(st, p, rx, h, e.h.dst);
        return;
    }
    e.payload = p->data + ICMP_HLEN + e.h.hlen;
    e.payload_len = n - e.h.hlen;
    error_deliver(st, p, rx, h, &e);
}

int ip_icmp_errno(uint8_t type, uint8_t code, bool *hard)
{
    static const struct {
        int err;
        bool hard;
    } unreachable[] = {
        [ICMP_NET_UNREACH] = {ENETUNREACH, false},
        [ICMP_HOST_UNREACH] = {EHOSTUNREACH, false},
        [ICMP_PROTO_UNREACH] = {ENOPROTOOPT, true},
        [ICMP_PORT_UNREACH] = {ECONNREFUSED, true},
        [ICMP_FRAG_NEEDED] = {EMSGSIZE, true},
        [ICMP_SR_FAILED] = {EOPNOTSUPP, false},
        [ICMP_NET_UNKNOWN] = {ENETUNREACH, true},
        [ICMP_HOST_UNKNOWN] = {EHOSTDOWN, true},
        [ICMP_HOST_ISOLATED] = {ENONET, true},
        [ICMP_NET_PROHIBITED] = {ENETUNREACH, true},
        [ICMP_HOST_PROHIBITED] = {EHOSTUNREACH, true},
        [ICMP_NET_TOS] = {ENETUNREACH, false},
        [ICMP_HOST_TOS] = {EHOSTUNREACH, false},
        [ICMP_ADMIN_PROHIBITED] = {EHOSTUNREACH, true},
        [ICMP_PREC_VIOLATION] = {EHOSTUNREACH, true},
        [ICMP_PREC_CUTOFF] = {EHOSTUNREACH, true},
    };
    *hard = false;
    switch (type) {
    case ICMP_UNREACHABLE:
        if (code >= sizeof unreachable / sizeof unreachable[0]) {
            return EHOSTUNREACH;
        }
        *hard = unreachable[code].hard;
        return unreachable[code].err;
    case ICMP_PARAM_PROBLEM:
        *hard = true;
        return EPROTO;
    case ICMP_TIME_EXCEEDED:
        return EHOSTUNREACH;
    default: /* redirects are IP's; source quench is to be discarded (RFC 6633 section 3) */
        return 0;
    }
}
