/* The Internet checksum (RFC 1071), whole and incremental (RFC 1624).
 *
 * Theory of operation. The checksum is the ones' complement of the ones' complement sum of 16-bit
 * words: a carry out of the top comes in again at the bottom. Three properties of that sum (RFC
 * 1071 section 2) make it cheap:
 *   - it is associative, so pieces can be summed apart and added up;
 *   - a wider sum folds to the narrower one: 64-bit words are added with their carry brought back
 *     in, and halving the result three times gives what 16-bit adds would have given;
 *   - it doesn't mind byte order: a sum of byte-swapped words is the byte-swapped sum. So the words
 *     are read as this machine has them, and only the folded result is swapped.
 *
 * The accumulator handed from call to call is 32 bits wide, in host order, and wraps around with
 * its carry, so any number of pieces may be chained. There is one catch: a piece of odd length is
 * padded with a zero byte, and so only the last piece may be odd (or its follower must be swapped,
 * which is what pkt_sum does for slices).
 */
#include "wire/checksum.h"

#include <string.h>

static inline uint64_t add_carry(uint64_t sum, uint64_t word)
{
    sum += word;
    return sum + (sum < word);
}

static inline uint64_t load64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v); /* the only portable unaligned load; compiles to one instruction */
    return v;
}

/* A folded sum of words in this machine's order, as a sum of big-endian words. */
static inline uint32_t from_native(uint32_t sum16)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return ((sum16 & 0xff) << 8) | (sum16 >> 8);
#else
    return sum16;
#endif
}

static inline uint32_t fold64(uint64_t sum)
{
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & UINT32_MAX) + (sum >> 32);
    return checksum_fold((uint32_t)sum);
}

uint32_t checksum_add(uint32_t sum, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    uint64_t total = 0;
    if (n >= 32) {
        /* Four chains, so that one word's carry needn't be waited for before the next is added. */
        uint64_t a = 0, b = 0, c = 0, d = 0;
        do {
            a = add_carry(a, load64(p));
            b = add_carry(b, load64(p + 8));
            c = add_carry(c, load64(p + 16));
            d = add_carry(d, load64(p + 24));
            p += 32;
            n -= 32;
        } while (n >= 32);
        total = add_carry(add_carry(a, b), add_carry(c, d));
    }
    while (n >= 8) {
        total = add_carry(total, load64(p));
        p += 8;
        n -= 8;
    }
    /* At most seven bytes are left. They start at an even offset, so whole words may be added as
     * they are; the last odd byte is the first of a word whose second is zero. */
    if ((n & 4) != 0) {
        uint32_t word;
        memcpy(&word, p, sizeof word);
        total = add_carry(total, word);
        p += 4;
    }
    if ((n & 2) != 0) {
        uint16_t word;
        memcpy(&word, p, sizeof word);
        total = add_carry(total, word);
        p += 2;
    }
    if ((n & 1) != 0) {
        const uint8_t padded[2] = {*p, 0};
        uint16_t word;
        memcpy(&word, padded, sizeof word);
        total = add_carry(total, word);
    }
    uint64_t out = (uint64_t)sum + from_native(fold64(total));
    return (uint32_t)out + (uint32_t)(out >> 32);
}

uint16_t checksum_fold(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

uint16_t checksum(const void *bytes, size_t n)
{
    return checksum_finish(checksum_add(0, bytes, n));
}

uint32_t checksum_pseudo(td_ip4 src, td_ip4 dst, uint8_t proto, uint32_t length)
{
    /* A handful of 16-bit words: no carry can be lost in 32 bits. */
    return (src >> 16) + (src & 0xffff) + (dst >> 16) + (dst & 0xffff) + proto + (length >> 16) +
           (length & 0xffff);
}

uint16_t checksum_update(uint16_t hc, uint16_t m, uint16_t m2)
{
    return checksum_finish((uint32_t)(uint16_t)~hc + (uint32_t)(uint16_t)~m + m2);
}
