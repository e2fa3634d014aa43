/* wire/checksum.c against RFC 1071's example, a plain reference, and its own algebra. */
#include "common/check_main.h"
#include "common/prng.h"
#include "wire/checksum.h"
#include "wire/wire.h"

/* The definition, word by word. */
static uint16_t reference_sum(const uint8_t *b, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i + 1 < n; i += 2) {
        sum += wire_get16(b + i);
    }
    if (n % 2 == 1) {
        sum += (uint64_t)b[n - 1] << 8;
    }
    while (sum > 0xffff) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)sum;
}

/* shows: 1071-01 */
START_TEST(rfc1071_example)
{
    static const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    ck_assert_uint_eq(checksum_fold(checksum_add(0, bytes, sizeof bytes)), 0xddf2);
    ck_assert_uint_eq(checksum(bytes, sizeof bytes), 0x220d);
}
END_TEST

START_TEST(empty_is_zero)
{
    ck_assert_uint_eq(checksum_add(0, "", 0), 0);
    ck_assert_uint_eq(checksum_add(0x12345678, "", 0), 0x12345678);
    ck_assert_uint_eq(checksum("", 0), 0xffff);
}
END_TEST

/* shows: 1071-01 */
START_TEST(odd_last_byte_is_padded_behind)
{
    static const uint8_t bytes[] = {0x12, 0x34, 0x56};
    ck_assert_uint_eq(checksum_fold(checksum_add(0, bytes, 3)), 0x1234 + 0x5600);
    ck_assert_uint_eq(checksum_fold(checksum_add(0, bytes, 1)), 0x1200);
}
END_TEST

START_TEST(every_length_at_every_alignment)
{
    struct prng r = {1};
    for (size_t n = 0; n <= 200; n++) {
        for (size_t shift = 0; shift < 9; shift++) {
            uint8_t *b = prng_block(&r, shift + n);
            ck_assert_uint_eq(checksum_fold(checksum_add(0, b + shift, n)),
                              reference_sum(b + shift, n));
            free(b);
        }
    }
    static const size_t large[] = {1460, 1461, 9000, 65515, 65535, 65536};
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++) {
        uint8_t *b = prng_block(&r, large[i]);
        ck_assert_uint_eq(checksum_fold(checksum_add(0, b, large[i])), reference_sum(b, large[i]));
        free(b);
    }
}
END_TEST

/* All ones make every addition carry. */
START_TEST(carries_are_brought_round)
{
    for (size_t n = 0; n <= 4096; n = n < 100 ? n + 1 : n + 41) {
        uint8_t *b = exact_block(n);
        if (n > 0) {
            memset(b, 0xff, n);
        }
        ck_assert_uint_eq(checksum_fold(checksum_add(0, b, n)), reference_sum(b, n));
        ck_assert_uint_eq(checksum_fold(checksum_add(UINT32_MAX, b, n)),
                          n == 0 ? 0xffff : reference_sum(b, n));
        free(b);
    }
}
END_TEST

START_TEST(pieces_chain)
{
    struct prng r = {2};
    for (unsigned round = 0; round < prng_rounds(20000); round++) {
        size_t n = prng_below(&r, 600), cut = n == 0 ? 0 : prng_below(&r, (uint32_t)n) & ~(size_t)1;
        uint8_t *b = prng_block(&r, n);
        uint32_t sum = checksum_add(checksum_add(0, b, cut), b + cut, n - cut);
        ck_assert_uint_eq(checksum_fold(sum), reference_sum(b, n));
        free(b);
    }
}
END_TEST

/* The 32-bit accumulator is carried round, however many pieces there are. */
START_TEST(accumulator_never_loses_a_carry)
{
    uint32_t sum = 0;
    uint64_t wide = 0;
    static const uint8_t word[2] = {0xff, 0xfe};
    for (unsigned i = 0; i < 200000; i++) {
        sum = checksum_add(sum, word, 2);
        wide += 0xfffe;
    }
    while (wide > 0xffff) {
        wide = (wide & 0xffff) + (wide >> 16);
    }
    ck_assert_uint_eq(checksum_fold(sum), wide);
    ck_assert_uint_eq(checksum_fold(checksum_add(UINT32_MAX - 1, word, 2)),
                      checksum_fold(checksum_add(checksum_fold(UINT32_MAX - 1), word, 2)));
}
END_TEST

START_TEST(fold_edges)
{
    ck_assert_uint_eq(checksum_fold(0), 0);
    ck_assert_uint_eq(checksum_fold(0xffff), 0xffff);
    ck_assert_uint_eq(checksum_fold(0x10000), 1);
    ck_assert_uint_eq(checksum_fold(0x1ffff), 1);
    ck_assert_uint_eq(checksum_fold(0xffff0000), 0xffff);
    ck_assert_uint_eq(checksum_fold(0xffff0001), 1);
    ck_assert_uint_eq(checksum_fold(0xffffffff), 0xffff);
    ck_assert_uint_eq(checksum_finish(0xffff), 0);
    ck_assert_uint_eq(checksum_finish(0), 0xffff);
}
END_TEST

/* shows: 1122-U21 */
START_TEST(udp_datagram_with_pseudo_header)
{
    /* 10.0.0.1:53 -> 10.0.0.2:1024, "abc", word by word. */
    static const uint8_t udp[] = {0x00, 0x35, 0x04, 0x00, 0x00, 0x0b, 0x00, 0x00, 'a', 'b', 'c'};
    uint32_t sum = checksum_pseudo(TD_IP4(10, 0, 0, 1), TD_IP4(10, 0, 0, 2), 17, sizeof udp);
    ck_assert_uint_eq(sum, 0x0a00 + 0x0001 + 0x0a00 + 0x0002 + 0x11 + 0x0b);
    sum = checksum_add(sum, udp, sizeof udp);
    ck_assert_uint_eq(checksum_fold(sum), 0x0a00 + 0x0001 + 0x0a00 + 0x0002 + 0x11 + 0x0b + 0x35 +
                                              0x400 + 0x0b + 0x6162 + 0x6300);
}
END_TEST

START_TEST(pseudo_header_equals_its_bytes)
{
    struct prng r = {3};
    for (unsigned round = 0; round < prng_rounds(20000); round++) {
        uint8_t b[12] = {0};
        td_ip4 src = round == 0 ? UINT32_MAX : prng_u32(&r),
               dst = round == 0 ? UINT32_MAX : prng_u32(&r);
        uint8_t proto = prng_u8(&r);
        uint32_t len = round == 0 ? UINT32_MAX : prng_u32(&r);
        wire_put32(b, src);
        wire_put32(b + 4, dst);
        wire_put16(b + 8, proto);
        wire_put16(b + 10, len >> 16);
        uint16_t expect = reference_sum(b, sizeof b);
        uint8_t low[2];
        wire_put16(low, len & 0xffff);
        expect = checksum_fold((uint32_t)expect + reference_sum(low, 2));
        ck_assert_uint_eq(checksum_fold(checksum_pseudo(src, dst, proto, len)), expect);
    }
}
END_TEST

/* shows: 1071-01 */
START_TEST(rfc1624_example)
{
    /* RFC 1624 section 4: HC = DD2F, a field changes from 5555 to 3285; the result is 0000, where
     * RFC 1141's formula gave FFFF. */
    ck_assert_uint_eq(checksum_update(0xdd2f, 0x5555, 0x3285), 0x0000);
}
END_TEST

/* shows: 1071-01 */
START_TEST(update_equals_recomputation)
{
    struct prng r = {4};
    for (unsigned round = 0; round < prng_rounds(100000); round++) {
        uint8_t b[20];
        prng_fill(&r, b, sizeof b);
        if (round % 3 == 0) { /* corners of the ones' complement ring */
            memset(b, round % 2 ? 0xff : 0x00, sizeof b);
            b[0] = 0x45;
        }
        uint16_t hc = checksum(b, sizeof b);
        unsigned at = 2 * prng_below(&r, 10);
        uint16_t m = wire_get16(b + at);
        uint16_t m2 = round % 5 == 0 ? 0 : round % 5 == 1 ? 0xffff : prng_u16(&r);
        wire_put16(b + at, m2);
        uint16_t updated = checksum_update(hc, m, m2), fresh = checksum(b, sizeof b);
        bool all_zero = true;
        for (size_t i = 0; i < sizeof b; i++) {
            all_zero = all_zero && b[i] == 0;
        }
        if (!all_zero) { /* no header is all zero; only there does the update give the other zero */
            ck_assert_uint_eq(updated, fresh);
        }
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("checksum");
    TCase *c = tcase_create("checksum");
    tcase_add_test(c, rfc1071_example);
    tcase_add_test(c, empty_is_zero);
    tcase_add_test(c, odd_last_byte_is_padded_behind);
    tcase_add_test(c, every_length_at_every_alignment);
    tcase_add_test(c, carries_are_brought_round);
    tcase_add_test(c, pieces_chain);
    tcase_add_test(c, accumulator_never_loses_a_carry);
    tcase_add_test(c, fold_edges);
    tcase_add_test(c, udp_datagram_with_pseudo_header);
    tcase_add_test(c, pseudo_header_equals_its_bytes);
    tcase_add_test(c, rfc1624_example);
    tcase_add_test(c, update_equals_recomputation);
    suite_add_tcase(s, c);
    return s;
}
CHECK_MAIN(suite)
