/* wire/udp.h: the UDP header (RFC 768). */
#ifndef WIRE_UDP_H
#define WIRE_UDP_H

#include "wire/wire.h"

#define UDP_HLEN 8

struct udp_hdr {
    uint16_t sport, dport;
    uint16_t length; /* header + data, bytes */
    uint16_t csum;   /* 0 = none */
};
/* n: bytes of IP payload there are. BAD_LENGTH: length < 8 or > n. The checksum is the caller's. */
enum wire_status udp_parse(struct udp_hdr *h, const uint8_t *b, size_t n);
size_t udp_emit(const struct udp_hdr *h, uint8_t *b);

#endif
