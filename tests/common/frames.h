/* tests/common/frames.h: frames of TCP and UDP by hand, as queue disciplines see them. */
#ifndef TESTS_FRAMES_H
#define TESTS_FRAMES_H

#include "core/pkt.h"
#include "wire/checksum.h"
#include "wire/wire.h"

#include <string.h>

/* len bytes in all (at least 60), from 10.0.0.1 port `sport` to 10.0.0.2 port 80, with this TOS. */
static inline struct pkt *frame_udp(struct mem *m, uint16_t sport, uint32_t len, uint8_t tos)
{
    uint8_t b[2000] = {0};

    memcpy(b, "\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\0", 14);
    b[14] = 0x45;
    b[15] = tos;
    wire_put16(b + 16, len - 14);
    b[22] = 64;
    b[23] = 17;
    wire_put32(b + 26, TD_IP4(10, 0, 0, 1));
    wire_put32(b + 30, TD_IP4(10, 0, 0, 2));
    wire_put16(b + 24, checksum(b + 14, 20));
    wire_put16(b + 34, sport);
    wire_put16(b + 36, 80);
    wire_put16(b + 38, len - 34);
    return pkt_from_bytes(m, 0, b, len);
}

#endif
