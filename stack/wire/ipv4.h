/* wire/ipv4.h: the IPv4 header and its options (RFC 791). */
#ifndef WIRE_IPV4_H
#define WIRE_IPV4_H

#include "wire/wire.h"

#define IPV4_HLEN     20
#define IPV4_MAX_HLEN 60
#define IPV4_DF       0x4000
#define IPV4_MF       0x2000
#define IPV4_EVIL     0x8000 /* the reserved bit */

#define IPPROTO_ICMP_ 1
#define IPPROTO_TCP_  6
#define IPPROTO_UDP_  17

struct ipv4_hdr {
    uint8_t hlen;       /* bytes, 20..60 */
    uint8_t tos;
    uint16_t total_len; /* bytes, header included */
    uint16_t id;
    uint16_t flags;     /* IPV4_DF | IPV4_MF | IPV4_EVIL */
    uint16_t frag_off;  /* BYTES (field * 8) */
    uint8_t ttl;
    uint8_t proto;
    uint16_t csum;      /* as read; ipv4_emit computes it */
    td_ip4 src, dst;
    uint8_t opt_len;    /* bytes of options, padding included: hlen - 20 */
    uint8_t opt[40];    /* as on the wire */
};
/* Checks version, IHL, total length (hlen <= total_len <= n) and the header checksum. A super-frame
 * (GSO) may have total_len 0: not accepted here; the device completes it. Options are copied, not
 * judged: ipv4_options_check does that. A checksum of 0xffff verifies where ipv4_emit would write 0:
 * both are zero in ones' complement. */
enum wire_status ipv4_parse(struct ipv4_hdr *h, const uint8_t *b, size_t n);
/* Writes hlen bytes (from opt_len, rounded up to 4 with zero), checksum computed. Returns hlen. */
size_t ipv4_emit(const struct ipv4_hdr *h, uint8_t *b);

#define IPOPT_EOL_  0
#define IPOPT_NOP_  1
#define IPOPT_RR_   7
#define IPOPT_TS_   68
#define IPOPT_LSRR_ 131
#define IPOPT_SSRR_ 137
#define IPOPT_RA_   148
#define IPOPT_COPIED 0x80 /* goes into every fragment */

/* One option at `opt[*pos]`; moves *pos behind it. Returns false at the end (EOL or opt_len). On a
 * bad length sets *bad to the offset of the bad octet from the start of the IP header (what a
 * Parameter Problem points at) and returns false; *bad is -1 otherwise. */
struct ipv4_opt {
    uint8_t type, len;   /* len 1 for NOP */
    const uint8_t *body; /* the whole option, type octet first */
    uint8_t off;         /* offset of the type octet from the start of the IP header */
};
bool ipv4_opt_next(const struct ipv4_hdr *h, unsigned *pos, struct ipv4_opt *o, int *bad);
/* Well-formedness of all options: lengths, pointers (RR, TS, LSRR, SSRR), at most one source
 * route, one record route and one timestamp.
 * WIRE_OK or WIRE_BAD_OPTION with *pointer = offset of the bad octet in the header. */
enum wire_status ipv4_options_check(const struct ipv4_hdr *h, unsigned *pointer);
/* The options that non-first fragments carry (RFC 791 3.1); returns their padded length. */
unsigned ipv4_options_copied(const struct ipv4_hdr *h, uint8_t out[40]);

/* Address classes that protocols ask about (RFC 1122 3.2.1.3, RFC 6890). */
static inline bool ip4_is_multicast(td_ip4 a)
{
    return (a >> 28) == 14;
}
static inline bool ip4_is_loopback(td_ip4 a)
{
    return (a >> 24) == 127;
}
static inline bool ip4_is_class_e(td_ip4 a) /* 240/4, 255.255.255.255 included */
{
    return (a >> 28) == 15;
}
static inline bool ip4_is_zeronet(td_ip4 a)
{
    return (a >> 24) == 0;
}
static inline td_ip4 ip4_mask(unsigned len)
{
    return len == 0 ? 0 : (td_ip4)(UINT32_MAX << (32 - len));
}

#endif
