/* core/rng.h: the CSPRNG and the keyed hash.
 *
 * ChaCha20 (RFC 8439; nettle's) run as a generator with fast key erasure: each refill of 512 bytes
 * spends the first 32 as the next key. It is seeded through the door (td_stack_config.seed and
 * td_stack_entropy), so a recorded run draws the same numbers again. Everything that can be seen on
 * the wire (ISN keys, ports, IP ids, ARP jitter, hash keys) comes from here.
 */
#ifndef CORE_RNG_H
#define CORE_RNG_H

#include "tapdeck/types.h"

#define RNG_SEED_BYTES 32

struct rng {
    uint8_t key[32];
    uint8_t buf[512];
    uint32_t used; /* bytes of buf already given out */
};

void rng_seed(struct rng *r, const uint8_t seed[RNG_SEED_BYTES]);
void rng_stir(struct rng *r, const void *entropy, size_t len); /* mixes in more */
void rng_bytes(struct rng *r, void *dst, size_t n);
uint32_t rng_u32(struct rng *r);
uint64_t rng_u64(struct rng *r);
uint32_t rng_below(struct rng *r, uint32_t bound); /* uniform in [0, bound), without modulo bias; bound > 0 */

struct siphash_key {
    uint64_t k0, k1;
};
/* SipHash-2-4 (Aumasson, Bernstein 2012). */
uint64_t siphash(const struct siphash_key *k, const void *data, size_t len);

#endif
