/* wire/icmp.h: ICMP messages (RFC 792, 1191, 4884; those still alive after RFC 6633 and 6918). */
#ifndef WIRE_ICMP_H
#define WIRE_ICMP_H

#include "wire/wire.h"

#define ICMP_HLEN 8

enum icmp_type {
    ICMP_ECHO_REPLY      = 0,
    ICMP_UNREACHABLE     = 3,
    ICMP_SOURCE_QUENCH   = 4, /* parsed, never sent (RFC 6633) */
    ICMP_REDIRECT        = 5,
    ICMP_ECHO            = 8,
    ICMP_TIME_EXCEEDED   = 11,
    ICMP_PARAM_PROBLEM   = 12,
    ICMP_TIMESTAMP       = 13,
    ICMP_TIMESTAMP_REPLY = 14,
};
enum icmp_unreach_code {
    ICMP_NET_UNREACH = 0, ICMP_HOST_UNREACH = 1, ICMP_PROTO_UNREACH = 2, ICMP_PORT_UNREACH = 3,
    ICMP_FRAG_NEEDED = 4, ICMP_SR_FAILED = 5, ICMP_NET_UNKNOWN = 6, ICMP_HOST_UNKNOWN = 7,
    ICMP_HOST_ISOLATED = 8, ICMP_NET_PROHIBITED = 9, ICMP_HOST_PROHIBITED = 10,
    ICMP_NET_TOS = 11, ICMP_HOST_TOS = 12, ICMP_ADMIN_PROHIBITED = 13,
    ICMP_PREC_VIOLATION = 14, ICMP_PREC_CUTOFF = 15,
};

struct icmp_hdr {
    uint8_t type, code;
    uint16_t csum; /* as read */
    union {
        struct { uint16_t id, seq; } echo;           /* echo, timestamp */
        struct { uint8_t length; uint16_t mtu; } unreach; /* unreachable, time exceeded. length: RFC 4884,
                                                             32-bit words; mtu: code 4 */
        struct { uint8_t pointer, length; } param;
        td_ip4 gateway;                               /* redirect */
        uint32_t word;                                /* bytes 4..7 whatever they are */
    };
    uint32_t times[3]; /* timestamp messages: originate, receive, transmit */
};
/* The header in [b, b+n). The checksum is NOT checked here (the message may be in slices): the
 * caller sums the whole message. SHORT: fewer than 8 bytes, or 20 for timestamps. BAD_TYPE: a type
 * this struct has no form for (type and code are filled in all the same, word too). */
enum wire_status icmp_parse(struct icmp_hdr *h, const uint8_t *b, size_t n);
/* Writes the 8 (timestamps 20) bytes with a zero checksum field; returns how many. The caller sums
 * header and data and stores the checksum at offset 2. */
size_t icmp_emit(const struct icmp_hdr *h, uint8_t *b);
static inline bool icmp_is_error(uint8_t type) /* RFC 1122 3.2.2 */
{
    return type == ICMP_UNREACHABLE || type == ICMP_SOURCE_QUENCH || type == ICMP_REDIRECT ||
           type == ICMP_TIME_EXCEEDED || type == ICMP_PARAM_PROBLEM;
}

#endif
