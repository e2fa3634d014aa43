/* tests/common/prng.h: seeded random numbers for property tests.
 *
 * splitmix64: any seed is a good seed, the same seed gives the same numbers on every machine. A
 * property that fails prints its seed, and the run with that seed fails again. */
#ifndef TESTS_PRNG_H
#define TESTS_PRNG_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct prng {
    uint64_t state;
};

static inline uint64_t prng_u64(struct prng *r)
{
    uint64_t z = (r->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}
static inline uint32_t prng_u32(struct prng *r)
{
    return (uint32_t)(prng_u64(r) >> 32);
}
static inline uint16_t prng_u16(struct prng *r)
{
    return (uint16_t)(prng_u64(r) >> 48);
}
static inline uint8_t prng_u8(struct prng *r)
{
    return (uint8_t)(prng_u64(r) >> 56);
}
/* In [0, bound); bound > 0. The bias of a test is nobody's concern. */
static inline uint32_t prng_below(struct prng *r, uint32_t bound)
{
    return (uint32_t)(prng_u64(r) % bound);
}
static inline void prng_fill(struct prng *r, void *dst, size_t n)
{
    uint8_t *p = dst;
    for (size_t i = 0; i < n; i++) {
        p[i] = prng_u8(r);
    }
}
/* n random bytes in a heap block of exactly n, so that AddressSanitizer and valgrind see the first
 * byte read behind them. The caller frees it. */
static inline uint8_t *exact_block(size_t n)
{
    uint8_t *p = malloc(n);
    if (p == NULL && n > 0) {
        abort();
    }
    return p;
}
static inline uint8_t *prng_block(struct prng *r, size_t n)
{
    uint8_t *p = exact_block(n);
    prng_fill(r, p, n);
    return p;
}
/* A copy of n bytes, in a block of exactly n. */
static inline uint8_t *exact_copy(const void *src, size_t n)
{
    uint8_t *p = exact_block(n);
    if (n > 0) {
        memcpy(p, src, n);
    }
    return p;
}
/* How often a property is tried: fewer times under valgrind, where memory errors don't hide in the
 * thousandth round. */
static inline unsigned prng_rounds(unsigned n)
{
    return getenv("VALGRIND") != NULL ? n / 50 + 1 : n;
}

#endif
