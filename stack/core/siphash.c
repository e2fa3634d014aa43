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

struct sip {
    uint64_t a, b, c, d; /* v0 to v3 of the paper */
};

static inline void sip_round(struct sip *v)
{
    v->a += v->b;
    v->c += v->d;
    v->b = rotl(v->b, 13) ^ v->a;
    v->d = rotl(v->d, 16) ^ v->c;
    v->a = rotl(v->a, 32);
    v->c += v->b;
    v->a += v->d;
    v->b = rotl(v->b, 17) ^ v->c;
    v->d = rotl(v->d, 21) ^ v->a;
    v->c = rotl(v->c, 32);
}

/* Eight bytes, first byte lowest; written out so that a compiler sees one load. */
static inline uint64_t load_le(const uint8_t *p)
{
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
           (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
}

uint64_t siphash(const struct siphash_key *k, const void *data, size_t len)
{
    const uint8_t *p = data;
    struct sip v = {
        k->k0 ^ UINT64_C(0x736f6d6570736575),
        k->k1 ^ UINT64_C(0x646f72616e646f6d),
        k->k0 ^ UINT64_C(0x6c7967656e657261),
        k->k1 ^ UINT64_C(0x7465646279746573),
    };
    for (size_t words = len / 8; words > 0; words--, p += 8) {
        uint64_t m = load_le(p);
        v.d ^= m;
        sip_round(&v);
        sip_round(&v);
        v.a ^= m;
    }
    uint64_t last = (uint64_t)(len & 0xff) << 56;
    for (unsigned i = 0; i < len % 8; i++)
        last |= (uint64_t)p[i] << (8 * i);
    v.d ^= last;
    sip_round(&v);
    sip_round(&v);
    v.a ^= last;
    v.c ^= 0xff;
    sip_round(&v);
    sip_round(&v);
    sip_round(&v);
    sip_round(&v);
    return v.a ^ v.b ^ v.c ^ v.d;
}
