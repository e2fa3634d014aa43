/* tests/common/wiretap.c: see wiretap.h. */
#include "wiretap.h"

#include "core/pkt.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32 };

struct view { /* a frame taken apart */
    const uint8_t *b;
    uint32_t len;
    uint16_t type;
    bool ip_right, tcp, sum_right;
    uint32_t ip_len, src, dst;
    const uint8_t *l4;
    uint32_t l4_len;
    /* TCP */
    uint16_t sport, dport, flags, wnd;
    uint32_t seq, ack, hlen, text;
};

__attribute__((format(printf, 3, 4))) static void wrong(struct wiretap *t, td_time now,
                                                        const char *fmt, ...)
{
    va_list ap;
    int n;
    if (t->fail[0] != '\0')
        return;
    n = snprintf(t->fail, sizeof t->fail, "t=%.6f: ", (double)now / 1e9);
    va_start(ap, fmt);
    vsnprintf(t->fail + n, sizeof t->fail - (size_t)n, fmt, ap);
    va_end(ap);
}

static uint16_t get16(const uint8_t *b)
{
    return (uint16_t)(b[0] << 8 | b[1]);
}
static uint32_t get32(const uint8_t *b)
{
    return (uint32_t)get16(b) << 16 | get16(b + 2);
}
static bool before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

/* The ones' complement sum in the machine's own byte order (RFC 1071 2B), folded. A sum of all ones
 * is right in either order. */
static uint64_t add(uint64_t sum, const uint8_t *b, uint32_t n)
{
    for (; n >= 4; b += 4, n -= 4) {
        uint32_t w;
        memcpy(&w, b, 4);
        sum += w;
    }
    if (n > 0) {
        uint32_t w = 0;
        memcpy(&w, b, n);
        sum += w;
    }
    return sum;
}
static bool all_ones(uint64_t sum)
{
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum == 0xffff;
}

static bool transport_sum_right(const struct view *v, uint8_t proto)
{
    const uint8_t pseudo[4] = {0, proto, (uint8_t)(v->l4_len >> 8), (uint8_t)v->l4_len};
    uint64_t sum = add(0, v->l4, v->l4_len);
    if (proto != 1)
        sum = add(add(sum, v->b + 14 + 12, 8), pseudo, 4);
    return all_ones(sum);
}

/* What can be told of a frame, which may be damaged anywhere. */
static void take_apart(struct view *v, const uint8_t *b, uint32_t len)
{
    *v = (struct view){.b = b, .len = len};
    if (len < 14)
        return;
    v->type = get16(b + 12);
    const uint8_t *ip = b + 14;
    if (v->type != 0x0800 || len < 34 || ip[0] != 0x45)
        return;
    v->ip_len = get16(ip + 2);
    if (!all_ones(add(0, ip, 20)) || v->ip_len < 20 || v->ip_len > len - 14)
        return;
    v->ip_right = true;
    v->src = get32(ip + 12);
    v->dst = get32(ip + 16);
    v->l4 = ip + 20;
    v->l4_len = v->ip_len - 20;
    v->sum_right = transport_sum_right(v, ip[9]);
    v->tcp = ip[9] == 6 && v->l4_len >= 20;
    if (!v->tcp)
        return;
    v->sport = get16(v->l4);
    v->dport = get16(v->l4 + 2);
    v->seq = get32(v->l4 + 4);
    v->ack = get32(v->l4 + 8);
    v->hlen = (uint32_t)(v->l4[12] >> 4) * 4;
    v->flags = v->l4[13];
    v->wnd = get16(v->l4 + 14);
    v->text = v->hlen >= 20 && v->hlen <= v->l4_len ? v->l4_len - v->hlen : 0;
}

static struct wire_flow *flow_of(struct wiretap *t, const struct view *v, int side, bool make)
{
    uint16_t a = side == 0 ? v->sport : v->dport, b = side == 0 ? v->dport : v->sport;
    for (unsigned i = 0; i < t->nflows; i++)
        if (t->flow[i].port[0] == a && t->flow[i].port[1] == b)
            return &t->flow[i];
    if (!make || t->nflows == WIRETAP_FLOWS)
        return NULL;
    t->flow[t->nflows] = (struct wire_flow){.port = {a, b}};
    return &t->flow[t->nflows++];
}

static uint32_t window_of(const struct wire_flow *f, const struct view *v, int side)
{
    bool scaled = (v->flags & SYN) == 0 && f->side[0].wscale >= 0 && f->side[1].wscale >= 0;
    return (uint32_t)v->wnd << (scaled ? f->side[side].wscale : 0);
}

/* ---- sent ---- */

static void options(struct wiretap *t, td_time now, const struct view *v, struct wire_side *me)
{
    const uint8_t *o = v->l4 + 20;
    uint32_t n = v->hlen - 20;
    while (n > 0 && o[0] != 0) {
        uint32_t len = o[0] == 1 ? 1 : n >= 2 ? o[1] : 0;
        if (len == 0 || len > n || (o[0] != 1 && len < 2)) {
            wrong(t, now, "the options of a segment are malformed");
            return;
        }
        if (o[0] == 2 && len == 4 && (v->flags & SYN) != 0)
            me->mss = get16(o + 2);
        else if (o[0] == 3 && len == 3 && (v->flags & SYN) != 0)
            me->wscale = o[2];
        else if ((o[0] == 2 || o[0] == 3) && (v->flags & SYN) == 0)
            wrong(t, now, "option %u on a segment without SYN", o[0]);
        o += len;
        n -= len;
    }
}

static void syn_sent(struct wiretap *t, td_time now, const struct view *v, struct wire_flow *f,
                     int side)
{
    struct wire_side *me = &f->side[side];
    if (me->syn && me->isn == v->seq)
        return;
    if (me->syn && (v->flags & ACK) == 0) { /* the ports are used again */
        *f = (struct wire_flow){.port = {f->port[0], f->port[1]}};
    } else if (me->syn && me->end != me->isn + 1) {
        wrong(t, now, "port %u > %u: another SYN-ACK in the middle of a connection", v->sport,
              v->dport);
    }
    *me =
        (struct wire_side){.syn = true, .isn = v->seq, .end = v->seq + 1, .wscale = -1, .mss = 536};
    me->told = false;
}

static void edge_sent(struct wiretap *t, td_time now, const struct view *v, struct wire_flow *f,
                      int side)
{
    struct wire_side *me = &f->side[side], *peer = &f->side[1 - side];
    uint32_t edge = v->ack + window_of(f, v, side);
    if (me->acked && before(v->ack, me->ack))
        wrong(t, now, "port %u > %u: the acknowledgment goes back by %u", v->sport, v->dport,
              me->ack - v->ack);
    if (peer->syn && before(peer->end, v->ack))
        wrong(t, now, "port %u > %u: acknowledges %u bytes that were never sent", v->sport,
              v->dport, v->ack - peer->end);
    if (me->edged && before(edge, me->edge))
        wrong(t, now, "port %u > %u: the right edge of the window moves left by %u (SHLD-14)",
              v->sport, v->dport, me->edge - edge);
    me->acked = me->edged = true;
    me->ack = v->ack;
    me->edge = edge;
}

static void text_sent(struct wiretap *t, td_time now, const struct view *v, struct wire_flow *f,
                      int side)
{
    struct wire_side *me = &f->side[side], *peer = &f->side[1 - side];
    uint32_t len = v->text + (v->flags & FIN), end = v->seq + len;
    if (before(me->end, v->seq) && !t->host[side].gaps)
        wrong(t, now, "port %u > %u: %u bytes were skipped", v->sport, v->dport, v->seq - me->end);
    if (len == 0)
        return;
    if (v->text > peer->mss)
        wrong(t, now, "port %u > %u: %u bytes of text, the peer takes %u", v->sport, v->dport,
              v->text, peer->mss);
    if (me->told && before(me->limit, end) && !(len == 1 && end == me->limit + 1))
        wrong(t, now, "port %u > %u: %u bytes end %u beyond the peer's window", v->sport, v->dport,
              len, end - me->limit);
    if (me->fin && before(me->end, end))
        wrong(t, now, "port %u > %u: something is sent behind the FIN", v->sport, v->dport);
    if (before(v->seq, me->end))
        t->rexmitted++;
    if (before(me->end, end))
        me->end = end;
    me->fin = me->fin || (v->flags & FIN) != 0;
    if (v->text > 0 && t->written != NULL) {
        uint64_t written = t->written(t->ctx, f, side);
        uint32_t off = v->seq + v->text - (me->isn + 1); /* streams here are below 4 GiB */
        if (written != UINT64_MAX && off > written)
            wrong(t, now, "port %u > %u: sent %u bytes of %llu written", v->sport, v->dport, off,
                  (unsigned long long)written);
        if (off == written && (v->flags & PSH) == 0)
            wrong(t, now, "port %u > %u: the last byte written goes without PSH", v->sport,
                  v->dport);
    }
}

static void segment_sent(struct wiretap *t, td_time now, const struct view *v, int side)
{
    if (v->hlen < 20 || v->hlen > v->l4_len) {
        wrong(t, now, "a data offset of %u in a segment of %u", v->hlen, v->l4_len);
        return;
    }
    if ((get16(v->b + 20) & 0x4000) == 0)
        wrong(t, now, "a TCP segment that may be fragmented");
    struct wire_flow *f = flow_of(t, v, side, (v->flags & SYN) != 0);
    if (f == NULL) {
        if ((v->flags & RST) == 0)
            wrong(t, now, "port %u > %u: a segment of a connection that has no SYN", v->sport,
                  v->dport);
        return;
    }
    if ((v->flags & SYN) != 0)
        syn_sent(t, now, v, f, side);
    options(t, now, v, &f->side[side]);
    if ((v->flags & RST) != 0)
        return; /* a refusal has no state of its own */
    if ((v->flags & ACK) != 0)
        edge_sent(t, now, v, f, side);
    else if ((v->flags & SYN) == 0)
        wrong(t, now, "port %u > %u: a segment without ACK", v->sport, v->dport);
    if ((v->flags & SYN) == 0)
        text_sent(t, now, v, f, side);
}

static void digest(struct wiretap *t, int dir, td_time now, const uint8_t *b, uint32_t len)
{
    uint64_t h = t->digest ^ now ^ (uint64_t)dir << 63 ^ (uint64_t)len << 48;
    for (; len >= 8; b += 8, len -= 8) {
        uint64_t w;
        memcpy(&w, b, 8);
        h = (h ^ w) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 32;
    }
    for (; len > 0; b++, len--)
        h = (h ^ *b) * UINT64_C(0x100000001b3);
    t->digest = h ^ h >> 29;
}

static void sent(void *ctx, int dir, td_time now, const struct pkt *p)
{
    struct wiretap *t = ctx;
    struct view v;
    uint8_t b[9216];
    wiretap_settle(t);
    if (t->capture[0] != NULL)
        (void)capture_write(t->capture[0], now, p);
    t->frames[dir]++;
    if (p->len > sizeof b || !pkt_read(p, 0, b, p->len)) {
        wrong(t, now, "a frame of %u bytes", p->len);
        return;
    }
    digest(t, dir, now, b, p->len);
    take_apart(&v, b, p->len);
    if (p->len < 60 || p->len > t->mtu + 14)
        wrong(t, now, "a frame of %u bytes, the MTU is %u", p->len, t->mtu);
    if (v.type == 0x0806) {
        v.ip_len = 28;
    } else if (!v.ip_right || v.src != t->ip[dir]) {
        wrong(t, now, "a frame that is neither ARP nor a right IP datagram");
        return;
    } else if (!v.sum_right) {
        wrong(t, now, "the transport checksum is wrong");
    }
    for (uint32_t i = 14 + v.ip_len; i < p->len; i++) {
        if (b[i] != 0) {
            wrong(t, now, "the padding isn't zero");
            break;
        }
    }
    if (v.tcp) {
        t->host[dir].tcp_sent++;
        segment_sent(t, now, &v, dir);
    }
}

/* ---- arrived ---- */

/* Should the receiver take it? Hosts of a simulated world have 02:00:host:host:if:if. */
static bool intact(struct wiretap *t, const struct view *v, int to)
{
    struct wire_host *h = &t->host[to];
    const uint8_t mine[6] = {2, 0, 0, (uint8_t)(to + 1), 0, 1};
    if (v->len < 14 || (v->b[6] & 1) != 0 || memcmp(v->b + 6, mine, 6) == 0)
        return false;
    bool for_me = memcmp(v->b, mine, 6) == 0;
    if (v->type == 0x0806)
        return for_me || (v->b[0] & 1) != 0; /* its contents are ARP's affair */
    if (!for_me || !v->ip_right || v->dst != t->ip[to])
        return false;
    if (v->b[14 + 9] == 6) {
        h->tcp++;
        h->tcp_damaged += !v->sum_right;
    }
    return v->sum_right;
}

static void arrived(void *ctx, int dir, td_time now, const struct pkt *p)
{
    struct wiretap *t = ctx;
    struct view v;
    uint8_t b[9216];
    int to = 1 - dir;
    wiretap_settle(t);
    if (t->capture[1] != NULL)
        (void)capture_write(t->capture[1], now, p);
    t->host[to].arrived++;
    if (p->len > sizeof b || !pkt_read(p, 0, b, p->len))
        return;
    take_apart(&v, b, p->len);
    if (!intact(t, &v, to)) {
        t->damaged++;
        t->host[to].must_drop = true;
        t->host[to].drops_at = t->host[to].drops;
        return;
    }
    if (!v.tcp || (v.flags & ACK) == 0 || (v.flags & RST) != 0)
        return;
    struct wire_flow *f = flow_of(t, &v, dir, false);
    if (f == NULL)
        return;
    uint32_t edge = v.ack + window_of(f, &v, dir);
    struct wire_side *me = &f->side[to];
    if (!me->told || before(me->limit, edge))
        me->limit = edge;
    me->told = true;
}

void wiretap_settle(struct wiretap *t)
{
    for (int i = 0; i < 2; i++) {
        struct wire_host *h = &t->host[i];
        if (h->must_drop && !t->starved && h->drops == h->drops_at && t->fail[0] == '\0')
            snprintf(t->fail, sizeof t->fail,
                     "frame %llu at host %c was damaged, and no drop was journaled",
                     (unsigned long long)h->arrived, 'a' + i);
        h->must_drop = false;
    }
}

void wiretap_init(struct wiretap *t, struct sim_wire *w, uint32_t mtu, td_ip4 a, td_ip4 b)
{
    *t = (struct wiretap){.mtu = mtu, .ip = {a, b}, .digest = 1};
    sim_tap(w, sent, t);
    sim_tap_arrivals(w, arrived, t);
}
