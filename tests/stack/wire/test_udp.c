/* wire/udp.c: the length rules, both round trips. */
#include "common/check_main.h"
#include "common/prng.h"
#include "wire/udp.h"

static enum wire_status parse_exact(struct udp_hdr *h, const uint8_t *b, size_t n)
{
    uint8_t *copy = exact_copy(b, n);
    enum wire_status s = udp_parse(h, copy, n);
    free(copy);
    return s;
}

START_TEST(known_header)
{
    static const uint8_t b[] = {0xc0, 0x01, 0x00, 0x35, 0x00, 0x0b, 0xbe, 0xef, 'a', 'b', 'c'};
    struct udp_hdr h;
    ck_assert_int_eq(parse_exact(&h, b, sizeof b), WIRE_OK);
    ck_assert_uint_eq(h.sport, 49153);
    ck_assert_uint_eq(h.dport, 53);
    ck_assert_uint_eq(h.length, 11);
    ck_assert_uint_eq(h.csum, 0xbeef);
    uint8_t out[UDP_HLEN];
    ck_assert_uint_eq(udp_emit(&h, out), UDP_HLEN);
    ck_assert_mem_eq(out, b, UDP_HLEN);
}
END_TEST

/* shows: 1122-U20 ATK-UDP-01 ATK-UDP-02 */
START_TEST(length_against_payload)
{
    uint8_t b[40] = {0};
    struct udp_hdr h;
    for (size_t n = 0; n <= sizeof b; n++) {
        for (uint32_t length = 0; length <= 48; length++) {
            wire_put16(b + 4, length);
            enum wire_status expect = n < UDP_HLEN                      ? WIRE_SHORT
                                      : length < UDP_HLEN || length > n ? WIRE_BAD_LENGTH
                                                                        : WIRE_OK;
            ck_assert_int_eq(parse_exact(&h, b, n), expect);
        }
    }
    wire_put16(b + 4, 0xffff);
    ck_assert_int_eq(parse_exact(&h, b, sizeof b), WIRE_BAD_LENGTH);
}
END_TEST

START_TEST(round_trips)
{
    struct prng r = {31};
    for (unsigned round = 0; round < prng_rounds(50000); round++) {
        size_t n = UDP_HLEN + prng_below(&r, 64);
        uint8_t *b = prng_block(&r, n), again[UDP_HLEN];
        struct udp_hdr h = {prng_u16(&r), prng_u16(&r),
                            (uint16_t)(UDP_HLEN + prng_below(&r, (uint32_t)n - UDP_HLEN + 1)),
                            prng_u16(&r)},
                       back;
        udp_emit(&h, b);
        ck_assert_int_eq(udp_parse(&back, b, n), WIRE_OK);
        ck_assert_uint_eq(back.sport, h.sport);
        ck_assert_uint_eq(back.dport, h.dport);
        ck_assert_uint_eq(back.length, h.length);
        ck_assert_uint_eq(back.csum, h.csum);
        udp_emit(&back, again);
        ck_assert_mem_eq(again, b, UDP_HLEN);
        free(b);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("wire_udp");
    TCase *c = tcase_create("wire_udp");
    tcase_add_test(c, known_header);
    tcase_add_test(c, length_against_payload);
    tcase_add_test(c, round_trips);
    suite_add_tcase(s, c);
    return s;
}
CHECK_MAIN(suite)
