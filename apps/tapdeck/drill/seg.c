/* drill/seg.c: datagrams taken apart and signed; see seg.h.
 *
 * Theory of operation. A datagram is read strictly from the front: no length is believed before the
 * bytes it speaks of are known to be there, and the first thing that is wrong is kept as a word of
 * plain English in `bad`, for the report. The ones' complement sum is RFC 1071's, word by word.
 */
#include "tapdeck/drill/seg.h"

#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"

#include <stdlib.h>
#include <string.h>

static uint32_t sum_add(uint32_t sum, const uint8_t *b, size_t n)
{
    for (size_t i = 0; i + 1 < n; i += 2) {
        sum += (uint32_t)(b[i] << 8 | b[i + 1]);
    }
    return n % 2 != 0 ? sum + (uint32_t)(b[n - 1] << 8) : sum;
}

static uint16_t sum_fold(uint32_t sum)
{
    while (sum > 0xffff) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)sum;
}

/* The sum over the pseudo-header (not for ICMP) and the transport's bytes. */
static uint16_t l4_sum(const uint8_t *d, size_t ihl, size_t len)
{
    uint32_t sum = 0;
    if (d[9] != IPPROTO_ICMP_) {
        sum = sum_add(0, d + 12, 8) + d[9] + (uint32_t)(len - ihl);
    }
    return sum_fold(sum_add(sum, d + ihl, len - ihl));
}

static const char *parse_tcp(struct seg *s, const uint8_t *b, size_t n)
{
    if (n < TCP_HLEN) {
        return "shorter than a TCP header";
    }
    size_t hlen = (size_t)(b[12] >> 4) * 4;
    s->sport = wire_get16(b);
    s->dport = wire_get16(b + 2);
    s->seq = wire_get32(b + 4);
    s->ack = wire_get32(b + 8);
    s->flags = (uint16_t)((b[12] & 1) << 8 | b[13]);
    s->reserved = (uint8_t)(b[12] >> 1 & 7);
    s->win = wire_get16(b + 14);
    s->urg = wire_get16(b + 18);
    if (hlen < TCP_HLEN || hlen > n) {
        return "a TCP data offset that makes no sense";
    }
    s->opt = (uint16_t)(s->l4 + TCP_HLEN);
    s->opt_len = (uint16_t)(hlen - TCP_HLEN);
    s->data = (uint16_t)(s->l4 + hlen);
    s->data_len = (uint16_t)(n - hlen);
    return NULL;
}

static const char *parse_udp(struct seg *s, const uint8_t *b, size_t n)
{
    if (n < 8) {
        return "shorter than a UDP header";
    }
    s->sport = wire_get16(b);
    s->dport = wire_get16(b + 2);
    s->data = (uint16_t)(s->l4 + 8);
    s->data_len = (uint16_t)(n - 8);
    return wire_get16(b + 4) != n ? "a UDP length that isn't the datagram's" : NULL;
}

static const char *parse_icmp(struct seg *s, const uint8_t *b, size_t n)
{
    if (n < ICMP_HLEN) {
        return "shorter than an ICMP header";
    }
    s->icmp_type = b[0];
    s->icmp_code = b[1];
    s->data = (uint16_t)(s->l4 + ICMP_HLEN);
    s->data_len = (uint16_t)(n - ICMP_HLEN);
    return NULL;
}

static const char *parse(struct seg *s)
{
    const uint8_t *b = s->bytes;
    if (s->len < IPV4_HLEN || b[0] >> 4 != 4) {
        return "not IPv4";
    }
    s->ihl = (uint8_t)((b[0] & 15) * 4);
    size_t total = wire_get16(b + 2);
    s->tos = b[1];
    s->frag = wire_get16(b + 6);
    s->ttl = b[8];
    s->proto = b[9];
    s->src = wire_get32(b + 12);
    s->dst = wire_get32(b + 16);
    if (s->ihl < IPV4_HLEN || s->ihl > total || total > s->len) {
        return "an IP length that makes no sense";
    }
    s->len = (uint32_t)total; /* Ethernet pads */
    if (sum_fold(sum_add(0, b, s->ihl)) != 0xffff) {
        return "a wrong IP header checksum";
    }
    s->l4 = s->data = s->ihl;
    s->l4_len = s->data_len = (uint16_t)(total - s->ihl);
    if ((s->frag & 0x3fff) != 0) {
        return NULL; /* a fragment: its transport can't be judged */
    }
    const char *bad = s->proto == IPPROTO_TCP_    ? parse_tcp(s, b + s->l4, s->l4_len)
                      : s->proto == IPPROTO_UDP_  ? parse_udp(s, b + s->l4, s->l4_len)
                      : s->proto == IPPROTO_ICMP_ ? parse_icmp(s, b + s->l4, s->l4_len)
                                                  : NULL;
    if (bad != NULL) {
        return bad;
    }
    bool none = s->proto == IPPROTO_UDP_ && wire_get16(b + s->l4 + 6) == 0;
    bool known = s->proto == IPPROTO_TCP_ || s->proto == IPPROTO_UDP_ || s->proto == IPPROTO_ICMP_;
    if (known && !none && l4_sum(b, s->ihl, total) != 0xffff) {
        return s->proto == IPPROTO_TCP_   ? "a wrong TCP checksum"
               : s->proto == IPPROTO_UDP_ ? "a wrong UDP checksum"
                                          : "a wrong ICMP checksum";
    }
    return NULL;
}

struct seg *seg_new(const uint8_t *datagram, size_t len, td_time at)
{
    struct seg *s = calloc(1, sizeof *s + len);
    if (s == NULL) {
        return NULL;
    }
    memcpy(s->bytes, datagram, len);
    s->len = (uint32_t)len;
    s->at = at;
    s->bad = parse(s);
    return s;
}

void seg_free(struct seg *s)
{
    free(s);
}

bool seg_opt_next(const uint8_t *opt, size_t n, size_t *pos, struct seg_opt *o)
{
    if (*pos >= n) {
        return false;
    }
    o->kind = opt[*pos];
    o->len = 1;
    o->body = opt + *pos + 1;
    o->body_len = 0;
    if (o->kind > TCPOPT_NOP_) {
        if (n - *pos < 2 || opt[*pos + 1] < 2 || opt[*pos + 1] > n - *pos) {
            return false;
        }
        o->len = opt[*pos + 1];
        o->body = opt + *pos + 2;
        o->body_len = (uint8_t)(o->len - 2);
    }
    *pos += o->len;
    return true;
}

void seg_sign(uint8_t *d, size_t len)
{
    size_t ihl = (size_t)(d[0] & 15) * 4;
    wire_put16(d + 10, 0);
    wire_put16(d + 10, (uint16_t)~sum_fold(sum_add(0, d, ihl)));
    size_t at = d[9] == IPPROTO_TCP_ ? 16 : d[9] == IPPROTO_UDP_ ? 6 : 2;
    if (len < ihl + at + 2) {
        return;
    }
    wire_put16(d + ihl + at, 0);
    uint16_t sum = (uint16_t)~l4_sum(d, ihl, len);
    wire_put16(d + ihl + at, sum == 0 && d[9] == IPPROTO_UDP_ ? 0xffff : sum);
}
