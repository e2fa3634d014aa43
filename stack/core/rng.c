/* core/rng.c: ChaCha20 as a generator with fast key erasure.
 *
 * Each refill runs the cipher over zeroes under the present key for a buffer of 512 bytes. The first
 * 32 of them become the next key and are wiped, the rest is given out once and wiped as it goes. So
 * who reads the generator's memory learns nothing about numbers it has already given.
 */
#include "core/rng.h"

#include <nettle/chacha.h>
#include <string.h>

static void rng_refill(struct rng *r)
{
    static const uint8_t nonce[CHACHA_NONCE_SIZE]; /* zero: each key is used for one buffer only */
    struct chacha_ctx c;
    chacha_set_key(&c, r->key);
    chacha_set_nonce(&c, nonce);
    memset(r->buf, 0, sizeof r->buf);
    chacha_crypt(&c, sizeof r->buf, r->buf, r->buf);
    memcpy(r->key, r->buf, sizeof r->key);
    memset(r->buf, 0, sizeof r->key);
    r->used = sizeof r->key;
}

void rng_seed(struct rng *r, const uint8_t seed[RNG_SEED_BYTES])
{
    memcpy(r->key, seed, sizeof r->key);
    rng_refill(r);
}

void rng_stir(struct rng *r, const void *entropy, size_t len)
{
    const uint8_t *e = entropy;
    for (size_t i = 0; i < len; i++) {
        r->key[i % sizeof r->key] ^= e[i];
        if (i % sizeof r->key == sizeof r->key - 1)
            rng_refill(r);
    }
    rng_refill(r);
}

void rng_bytes(struct rng *r, void *dst, size_t n)
{
    uint8_t *d = dst;
    while (n > 0) {
        if (r->used == sizeof r->buf)
            rng_refill(r);
        size_t take = sizeof r->buf - r->used;
        if (take > n)
            take = n;
        memcpy(d, r->buf + r->used, take);
        memset(r->buf + r->used, 0, take);
        r->used += (uint32_t)take;
        d += take;
        n -= take;
    }
}

uint32_t rng_u32(struct rng *r)
{
    uint8_t b[4];
    rng_bytes(r, b, sizeof b);
    return ((uint32_t)b[0] << 24) | ((uint32_t)b[1] << 16) | ((uint32_t)b[2] << 8) | b[3];
}

uint64_t rng_u64(struct rng *r)
{
    uint64_t hi = rng_u32(r);
    return hi << 32 | rng_u32(r);
}

uint32_t rng_below(struct rng *r, uint32_t bound)
{
    if (bound <= 1)
        return 0;
    /* Values below 2^32 mod bound would make some remainders likelier: draw again. */
    uint32_t reject = (uint32_t)(-bound) % bound;
    uint32_t v;
    do
        v = rng_u32(r);
    while (v < reject);
    return v % bound;
}
