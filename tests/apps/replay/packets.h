/* Captured packets, built byte by byte, for the tests of replay/. */
#ifndef TESTS_REPLAY_PACKETS_H
#define TESTS_REPLAY_PACKETS_H

#include <string.h>

#include "replay/view.h"
#include "wire/checksum.h"

struct built {
    uint8_t b[8192];
    uint32_t n;
};

static inline void put(struct built *p, const void *bytes, uint32_t n)
{
    memcpy(p->b + p->n, bytes, n);
    p->n += n;
}

/* A datagram of IPv4 with n bytes of `proto` behind its header, both sums right. */
static inline void put_ipv4(struct built *p, td_ip4 src, td_ip4 dst, uint8_t proto, const uint8_t *l4, uint32_t n)
{
    struct ipv4_hdr h = {.hlen = 20, .total_len = (uint16_t)(20 + n), .ttl = 64, .proto = proto, .src = src, .dst = dst};
    p->n += (uint32_t)ipv4_emit(&h, p->b + p->n);
    put(p, l4, n);
}

/* A segment from src:sport to dst:dport. */
static inline void put_tcp(struct built *p, td_ip4 src, uint16_t sport, td_ip4 dst, uint16_t dport, uint16_t flags,
                           tcp_seq seq, tcp_seq ack, const char *text)
{
    uint8_t l4[2048];
    struct tcp_hdr h = {.sport = sport, .dport = dport, .seq = seq, .ack = ack, .flags = flags, .wnd = 1000, .hlen = 20};
    uint32_t n = (uint32_t)tcp_emit(&h, l4), len = (uint32_t)strlen(text);
    memcpy(l4 + n, text, len);
    n += len;
    uint32_t sum = checksum_add(checksum_pseudo(src, dst, 6, n), l4, n);
    wire_put16(l4 + 16, checksum_finish(sum));
    put_ipv4(p, src, dst, 6, l4, n);
}

static inline void put_ether(struct built *p, uint16_t type)
{
    static const uint8_t macs[12] = {2, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2};
    uint8_t t[2];
    wire_put16(t, type);
    put(p, macs, 12);
    put(p, t, 2);
}

static inline struct capture_frame as_frame(const struct built *p, uint16_t link)
{
    return (struct capture_frame){.wall = 1000, .timed = true, .link = link, .caplen = p->n, .len = p->n, .bytes = p->b};
}

#endif
