/* wire/wire.h: reading and writing header fields.
 *
 * The house style of this folder: a header has a host-order struct, `X_parse` that checks every
 * length before it looks at a byte and returns WIRE_OK or the reason why not, and `X_emit` that
 * writes exactly the bytes the struct says. Pure functions on byte arrays; no buffer is ever cast to
 * a struct. Parsing what was emitted gives the same struct back, and emitting what was parsed gives
 * the same bytes, options included (the property tests say so).
 */
#ifndef WIRE_WIRE_H
#define WIRE_WIRE_H

#include "tapdeck/types.h"

enum wire_status {
    WIRE_OK,
    WIRE_SHORT,        /* fewer bytes than the header needs */
    WIRE_BAD_VERSION,
    WIRE_BAD_LENGTH,   /* a length field contradicts itself or the bytes there are */
    WIRE_BAD_CHECKSUM,
    WIRE_BAD_OPTION,   /* an option's length is illegal */
    WIRE_BAD_TYPE,     /* a type or format field this host doesn't speak */
};
const char *wire_status_name(enum wire_status s);

static inline uint16_t wire_get16(const uint8_t *p)
{
    return (uint16_t)((p[0] << 8) | p[1]);
}
static inline uint32_t wire_get32(const uint8_t *p)
{
    return ((uint32_t)p[0] << 24) | ((uint32_t)p[1] << 16) | ((uint32_t)p[2] << 8) | p[3];
}
static inline void wire_put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}
static inline void wire_put32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

#endif
