/* core/siphash.c: SipHash-2-4, the keyed hash of hash tables, ISNs and ports.
 *
 * Jean-Philippe Aumasson, Daniel J. Bernstein: "SipHash: a fast short-input PRF", 2012. Four 64-bit
 * words of state; two rounds a message word, four at the end; the last word holds what is left of
 * the message and its length mod 256.
 */
#include "core/rng.h"

static inline uint64_t rotl(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] = rotl(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] = rotl(v[2], 32);
}

uint64_t siphash(const struct siphash_key *k, const void *data, size_t len)
{
    const uint8_t *p = data;
    uint64_t v[4] = {
        k->k0 ^ UINT64_C(0x736f6d6570736575),
        k->k1 ^ UINT64_C(0x646f72616e646f6d),
        k->k0 ^ UINT64_C(0x6c7967656e657261),
        k->k1 ^ UINT64_C(0x7465646279746573),
    };
    for (size_t words = len / 8; words > 0; words--, p += 8) {
        uint64_t m = 0;
        for (unsigned i = 0; i < 8; i++)
            m |= (uint64_t)p[i] << (8 * i);
        v[3] ^= m;
        sip_round(v);
        sip_round(v);
        v[0] ^= m;
    }
    uint64_t last = (uint64_t)(len & 0xff) << 56;
    for (unsigned i = 0; i < len % 8; i++)
        last |= (uint64_t)p[i] << (8 * i);
    v[3] ^= last;
    sip_round(v);
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
