/* wire/checksum.h: the Internet checksum (RFC 1071), whole and incremental (RFC 1624). */
#ifndef WIRE_CHECKSUM_H
#define WIRE_CHECKSUM_H

#include "tapdeck/types.h"

/* Adds the ones' complement sum of n bytes (odd last byte padded with zero) to `sum`, a 32-bit
 * accumulator of 16-bit big-endian words. Pieces may be chained when all but the last are even. */
uint32_t checksum_add(uint32_t sum, const void *bytes, size_t n);
/* Folds to 16 bits; not inverted. */
uint16_t checksum_fold(uint32_t sum);
/* The value for the checksum field, host order: ~fold. */
static inline uint16_t checksum_finish(uint32_t sum)
{
    return (uint16_t)~checksum_fold(sum);
}
uint16_t checksum(const void *bytes, size_t n);
/* Pseudo-header of RFC 768 and 9293: addresses, zero, protocol, length (bytes of header + data). */
uint32_t checksum_pseudo(td_ip4 src, td_ip4 dst, uint8_t proto, uint32_t length);
/* HC' = ~(~HC + ~m + m') (RFC 1624 eqn. 3), for one 16-bit word changing from m to m2. Where the
 * result is 0 and all else that is summed may be zero too, sum afresh: that message's is 0xffff. */
uint16_t checksum_update(uint16_t hc, uint16_t m, uint16_t m2);

#endif
