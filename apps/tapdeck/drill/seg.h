/* drill/seg.h: a datagram as it is on the wire, taken apart.
 *
 * What the stack sends is taken apart here without the stack's own parsers, so that a mistake both
 * sides share can't hide: lengths, the IP header's checksum and TCP's, UDP's and ICMP's are judged
 * by this code alone. Everything is in host order and in live space.
 */
#ifndef DRILL_SEG_H
#define DRILL_SEG_H

#include "tapdeck/types.h"

#define SEG_MAX 65535

struct seg {
    struct seg *next;
    td_time at;      /* when it left */
    const char *bad; /* why it is not a well-formed datagram; NULL: it is */
    /* IPv4 */
    td_ip4 src, dst;
    uint8_t tos, ttl, proto, ihl;
    uint16_t frag; /* the field with its flags */
    /* the transport header; l4 is its offset in bytes[] */
    uint16_t l4, l4_len;
    uint16_t sport, dport;
    uint32_t seq, ack;
    uint16_t flags; /* enum tcp_flags of wire/tcp.h, 9 bits */
    uint8_t reserved;
    uint16_t win, urg;
    uint8_t icmp_type, icmp_code;
    uint16_t data, data_len; /* where the payload begins, and how long it is */
    uint16_t opt, opt_len;   /* TCP options */
    uint32_t len;            /* of bytes[] */
    uint8_t bytes[];         /* the IP datagram */
};

/* A copy of the datagram, taken apart; NULL: no memory. */
struct seg *seg_new(const uint8_t *datagram, size_t len, td_time at);
void seg_free(struct seg *s);

/* One option at opt[*pos..n); moves *pos behind it. kind 0 and 1 have length 1. False at the end,
 * or when the rest makes no sense (*pos stays before it). */
struct seg_opt {
    uint8_t kind, len;   /* len: of the whole option */
    const uint8_t *body; /* behind kind and length */
    uint8_t body_len;
};
bool seg_opt_next(const uint8_t *opt, size_t n, size_t *pos, struct seg_opt *o);

/* Writes the checksums of an IPv4 datagram whose other bytes are complete: IP's, and that of its
 * TCP segment, UDP datagram or ICMP message. */
void seg_sign(uint8_t *datagram, size_t len);

#endif
