/* The CSPRNG and SipHash: published vectors, determinism, uniformity, key erasure. */
#include "check_main.h"
#include "core/rng.h"

#include <nettle/chacha.h>
#include <string.h>

/* The vectors of the SipHash paper's appendix and reference: key 00..0f, messages 00, 00 01, …  */
START_TEST(siphash_vectors)
{
    struct siphash_key k = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    uint8_t m[64];
    for (unsigned i = 0; i < sizeof m; i++)
        m[i] = (uint8_t)i;
    ck_assert_uint_eq(siphash(&k, m, 15), UINT64_C(0xa129ca6149be45e5)); /* the paper's example */
    ck_assert_uint_eq(siphash(&k, m, 0), UINT64_C(0x726fdb47dd0e0e31));
    ck_assert_uint_eq(siphash(&k, m, 1), UINT64_C(0x74f839c593dc67fd));
    ck_assert_uint_eq(siphash(&k, m, 8), UINT64_C(0x93f5f5799a932462));
    k.k1 ^= 1;
    ck_assert_uint_ne(siphash(&k, m, 15), UINT64_C(0xa129ca6149be45e5));
}
END_TEST

START_TEST(the_first_bytes_are_chacha20s)
{
    uint8_t seed[32], want[512] = {0}, got[100];
    static const uint8_t nonce[CHACHA_NONCE_SIZE];
    for (unsigned i = 0; i < 32; i++)
        seed[i] = (uint8_t)(i * 7);
    struct chacha_ctx c;
    chacha_set_key(&c, seed);
    chacha_set_nonce(&c, nonce);
    chacha_crypt(&c, sizeof want, want, want);
    struct rng r;
    rng_seed(&r, seed);
    rng_bytes(&r, got, sizeof got);
    ck_assert(memcmp(got, want + 32, sizeof got) == 0); /* the first 32 became the next key */
    ck_assert(memcmp(r.key, want, 32) == 0);
    uint8_t zero[132] = {0};
    ck_assert(memcmp(r.buf, zero, 132) == 0); /* given out once, and forgotten */
}
END_TEST

START_TEST(same_seed_same_numbers_however_they_are_drawn)
{
    uint8_t seed[32] = {1}, one[5000], other[5000];
    struct rng a, b;
    rng_seed(&a, seed);
    rng_seed(&b, seed);
    rng_bytes(&a, one, sizeof one);
    for (size_t at = 0, n = 1; at < sizeof other; at += n, n = n % 97 + 1)
        rng_bytes(&b, other + at, n < sizeof other - at ? n : sizeof other - at);
    ck_assert(memcmp(one, other, sizeof one) == 0);
    rng_stir(&a, "entropy", 7);
    ck_assert_uint_ne(rng_u64(&a), rng_u64(&b));
}
END_TEST

START_TEST(below_is_uniform_and_in_bounds)
{
    uint8_t seed[32] = {2};
    struct rng r;
    unsigned n[10] = {0};
    rng_seed(&r, seed);
    for (int i = 0; i < 100000; i++) {
        uint32_t v = rng_below(&r, 10);
        ck_assert_uint_lt(v, 10);
        n[v]++;
    }
    for (int i = 0; i < 10; i++)
        ck_assert_msg(n[i] > 9500 && n[i] < 10500, "%d came %u times", i, n[i]);
    ck_assert_uint_eq(rng_below(&r, 1), 0);
    /* a bound just over 2^31: half of all draws must be refused, none may be out of bounds */
    for (int i = 0; i < 1000; i++)
        ck_assert_uint_lt(rng_below(&r, 0x80000001u), 0x80000001u);
    /* at 3 * 2^30 a bare remainder would give the first third half of all draws */
    unsigned low = 0;
    for (int i = 0; i < 30000; i++)
        low += rng_below(&r, 0xc0000000u) < 0x40000000u;
    ck_assert_msg(low > 9500 && low < 10500, "%u of 30000 in the first third", low);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("rng");
    TCase *t = tcase_create("rng");
    tcase_add_test(t, siphash_vectors);
    tcase_add_test(t, the_first_bytes_are_chacha20s);
    tcase_add_test(t, same_seed_same_numbers_however_they_are_drawn);
    tcase_add_test(t, below_is_uniform_and_in_bounds);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
