/* drill/inject.c: inbound packets of a script, made into datagrams and handed to the stack.
 *
 * Theory of operation. A packet is written byte by byte into one buffer: IP header, transport
 * header, options in the order of the script without any padding of ours, payload of zeroes. Its
 * numbers are translated on the way (mapping.h); what has been learned from the stack's own packets
 * goes in here. An ICMP message quotes a minimal datagram of the connection under test: the header
 * and the first 8 octets of what the stack is said to have sent.
 */
#include "tapdeck/drill/run.h"

#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"

#include <stdlib.h>
#include <string.h>

#define INJECT_TTL   255
#define FOEXP_KIND   254
#define FOEXP_MAGIC  0xf989
#define MD5_KIND     19
#define ACCECN0_KIND 172
#define ACCECN1_KIND 174

struct build {
    struct run *r;
    const struct drill_event *e;
    struct conn *c;
    uint8_t *b;
    size_t n; /* bytes written */
};

static void put8(struct build *d, uint32_t v)
{
    d->b[d->n++] = (uint8_t)v;
}
static void put16(struct build *d, uint32_t v)
{
    wire_put16(d->b + d->n, v);
    d->n += 2;
}
static void put32(struct build *d, uint32_t v)
{
    wire_put32(d->b + d->n, v);
    d->n += 4;
}
static void put_bytes(struct build *d, const uint8_t *bytes, size_t n)
{
    memcpy(d->b + d->n, bytes, n);
    d->n += n;
}

/* The header of a datagram; its length is filled in by finish(). */
static void put_ip(struct build *d, td_ip4 src, td_ip4 dst, uint8_t proto, uint8_t tos, uint8_t ttl,
                   uint32_t total)
{
    put8(d, 0x45);
    put8(d, tos);
    put16(d, total);
    put16(d, 0);
    put16(d, 0);
    put8(d, ttl);
    put8(d, proto);
    put16(d, 0);
    put32(d, src);
    put32(d, dst);
}

static uint8_t packet_tos(const struct drill_packet *p)
{
    switch (p->ecn) {
    case DRILL_ECT0:
    case DRILL_ECT01:
        return 2;
    case DRILL_ECT1:
        return 1;
    case DRILL_CE:
        return 3;
    case DRILL_TOS:
        return p->tos;
    default:
        return 0;
    }
}

/* ---- TCP ---- */

static void put_accecn(struct build *d, const struct drill_opt *o)
{
    put8(d, o->order1 ? ACCECN1_KIND : ACCECN0_KIND);
    put8(d, (uint32_t)(2 + 3 * o->n));
    for (size_t i = 0; i < o->n; i++) {
        put8(d, o->count[i] >> 16);
        put16(d, o->count[i]);
    }
}

static void put_ts(struct build *d, const struct drill_opt *o)
{
    uint32_t ecr = o->v[1];
    bool acks = (d->e->packet.flags & TCP_ACK) != 0;
    if (acks && !conn_ts_live(d->c, o->v[1], d->r->o->ts_ecr_scaled, &ecr)) {
        play_fail(d->r, d->e->line, "the stack never sent a timestamp that the script calls %u",
                  o->v[1]);
    }
    put8(d, TCPOPT_TS_);
    put8(d, 10);
    put32(d, o->v[0]);
    put32(d, ecr);
}

static void put_opt(struct build *d, const struct drill_opt *o)
{
    bool syn = (d->e->packet.flags & TCP_SYN) != 0;
    switch (o->kind) {
    case DRILL_OPT_EOL:
    case DRILL_OPT_NOP:
        put8(d, o->kind == DRILL_OPT_NOP);
        break;
    case DRILL_OPT_MSS:
        put8(d, TCPOPT_MSS_);
        put8(d, 4);
        put16(d, o->v[0]);
        break;
    case DRILL_OPT_WSCALE:
        put8(d, TCPOPT_WSCALE_);
        put8(d, 3);
        put8(d, o->v[0]);
        break;
    case DRILL_OPT_SACKOK:
        put8(d, TCPOPT_SACK_PERM_);
        put8(d, 2);
        break;
    case DRILL_OPT_SACK:
        put8(d, TCPOPT_SACK_);
        put8(d, (uint32_t)(2 + 8 * o->n));
        for (size_t i = 0; i < o->n; i++) {
            put32(d, conn_local_live(d->c, o->sack[i][0], syn));
            put32(d, conn_local_live(d->c, o->sack[i][1], syn));
        }
        break;
    case DRILL_OPT_TS:
        put_ts(d, o);
        break;
    case DRILL_OPT_FO:
        put8(d, TCPOPT_FASTOPEN_);
        put8(d, (uint32_t)(2 + o->n));
        put_bytes(d, o->bytes, o->n);
        break;
    case DRILL_OPT_FOEXP:
        put8(d, FOEXP_KIND);
        put8(d, (uint32_t)(4 + o->n));
        put16(d, FOEXP_MAGIC);
        put_bytes(d, o->bytes, o->n);
        break;
    case DRILL_OPT_MD5:
        put8(d, MD5_KIND);
        put8(d, (uint32_t)(2 + o->n));
        put_bytes(d, o->bytes, o->n);
        break;
    case DRILL_OPT_ACCECN:
        put_accecn(d, o);
        break;
    case DRILL_OPT_OTHER: /* only met on the wire */
        break;
    }
}

/* What an inbound SYN tells about the remote's numbers. */
static void learn_remote(struct conn *c, const struct drill_packet *p)
{
    if ((p->flags & TCP_SYN) == 0) {
        return;
    }
    c->last_syn = p->seq;
    if (!c->has_risn) {
        c->has_risn = true;
        c->risn = p->seq;
    }
}

static void put_tcp(struct build *d)
{
    const struct drill_packet *p = &d->e->packet;
    bool syn = (p->flags & TCP_SYN) != 0;
    size_t head = d->n;
    put16(d, p->has_ports ? p->sport : d->c->rport);
    put16(d, p->has_ports ? p->dport : d->c->lport);
    put32(d, conn_remote_live(d->c, p->seq, syn));
    put32(d, p->has_ack ? conn_local_live(d->c, p->ack, syn) : 0);
    put16(d, p->flags);
    put16(d, p->win);
    put16(d, 0);
    put16(d, p->urg);
    for (size_t i = 0; i < p->nopts; i++) {
        put_opt(d, &p->opt[i]);
    }
    size_t hlen = d->n - head;
    if (hlen % 4 != 0 || hlen > TCP_MAX_HLEN) {
        play_fail(d->r, d->e->line,
                  "the options take %zu bytes: they must fill a multiple of 4, and 40 at most",
                  hlen - TCP_HLEN);
        return;
    }
    d->b[head + 12] = (uint8_t)(hlen / 4 << 4 | (p->flags >> 8 & 1));
    d->n += p->len; /* zeroes */
}

/* ---- UDP and ICMP ---- */

static void put_udp(struct build *d)
{
    const struct drill_packet *p = &d->e->packet;
    put16(d, p->has_ports ? p->sport : d->c->rport);
    put16(d, p->has_ports ? p->dport : d->c->lport);
    put16(d, 8 + p->len);
    put16(d, 0);
    d->n += p->len;
}

/* The datagram an ICMP error is about: one the stack sent. */
static void put_quote(struct build *d)
{
    const struct drill_packet *p = &d->e->packet;
    bool udp =
        p->quote == DRILL_QUOTE_UDP || (p->quote == DRILL_QUOTE_NONE && d->c->proto != IPPROTO_TCP);
    size_t at = d->n;
    uint32_t total = (udp ? IPV4_HLEN + 8 : IPV4_HLEN + TCP_HLEN) + p->len;
    put_ip(d, d->c->laddr, d->c->raddr, udp ? IPPROTO_UDP_ : IPPROTO_TCP_, 0, 64, total);
    uint32_t sum = 0;
    for (size_t i = at; i < d->n; i += 2) {
        sum += wire_get16(d->b + i);
    }
    while (sum > 0xffff) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    wire_put16(d->b + at + 10, (uint16_t)~sum);
    put16(d, d->c->lport);
    put16(d, d->c->rport);
    if (udp) {
        put16(d, 8 + p->len);
        put16(d, 0);
    } else {
        put32(d, conn_local_live(d->c, p->seq, false));
    }
}

static void put_icmp(struct build *d)
{
    const struct drill_packet *p = &d->e->packet;
    put8(d, p->icmp_type);
    put8(d, p->icmp_code);
    put16(d, 0);
    put16(d, p->has_id ? p->id : 0);
    put16(d, p->has_mtu ? p->mtu : 0);
    if (p->quote == DRILL_QUOTE_TCP || p->quote == DRILL_QUOTE_UDP ||
        (p->quote == DRILL_QUOTE_NONE && icmp_is_error(p->icmp_type))) {
        put_quote(d); /* a script that says nothing of it: the connection's first segment */
    } else if (p->quote == DRILL_QUOTE_RAW) {
        d->n += p->len;
    }
}

void play_inject(struct run *r, const struct drill_event *e)
{
    const struct drill_packet *p = &e->packet;
    struct conn *c = play_conn_inbound(r, p);
    struct build d = {.r = r, .e = e, .c = c};
    size_t most = 256 + (size_t)p->len;
    if (c == NULL) {
        return;
    }
    if (most > SEG_MAX) {
        play_fail(r, e->line, "a datagram can't hold %u bytes", p->len);
        return;
    }
    d.b = calloc(1, most);
    if (d.b == NULL) {
        r->w.no_memory = true;
        return;
    }
    uint8_t proto = p->proto == DRILL_TCP   ? IPPROTO_TCP_
                    : p->proto == DRILL_UDP ? IPPROTO_UDP_
                                            : IPPROTO_ICMP_;
    put_ip(&d, c->raddr, c->laddr, proto, packet_tos(p), p->has_ttl ? p->ttl : INJECT_TTL, 0);
    if (p->proto == DRILL_TCP) {
        learn_remote(c, p);
        put_tcp(&d);
    } else if (p->proto == DRILL_UDP) {
        put_udp(&d);
    } else {
        put_icmp(&d);
    }
    if (!r->over) {
        wire_put16(d.b + 2, (uint32_t)d.n);
        seg_sign(d.b, d.n);
        bool super = p->proto == DRILL_TCP && r->o->mss != 0 && p->len > r->o->mss;
        world_inject(&r->w, d.b, d.n, super ? r->o->mss : 0);
    }
    free(d.b);
}
