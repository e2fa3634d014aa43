/* wire/arp.c: known packets, every check, both round trips. */
#include "common/check_main.h"
#include "common/prng.h"
#include "wire/arp.h"

/* Who has 10.0.0.2? Tell 10.0.0.1 */
static const uint8_t request[ARP_LEN] = {0,  1, 8, 0, 6, 4, 0, 1, 2, 0, 0,  0, 0, 1,
                                         10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2};

static enum wire_status parse_exact(struct arp_pkt *a, const uint8_t *b, size_t n)
{
    uint8_t *copy = exact_copy(b, n);
    enum wire_status s = arp_parse(a, copy, n);
    free(copy);
    return s;
}

START_TEST(known_request)
{
    struct arp_pkt a;
    ck_assert_int_eq(parse_exact(&a, request, sizeof request), WIRE_OK);
    ck_assert_uint_eq(a.op, ARP_REQUEST);
    ck_assert_mem_eq(a.sha.b, request + 8, 6);
    ck_assert_mem_eq(a.tha.b, request + 18, 6);
    ck_assert_uint_eq(a.spa, TD_IP4(10, 0, 0, 1));
    ck_assert_uint_eq(a.tpa, TD_IP4(10, 0, 0, 2));
    struct arp_pkt b = {.op = ARP_REQUEST,
                        .sha = {{2, 0, 0, 0, 0, 1}},
                        .spa = TD_IP4(10, 0, 0, 1),
                        .tpa = TD_IP4(10, 0, 0, 2)};
    uint8_t out[ARP_LEN];
    ck_assert_uint_eq(arp_emit(&b, out), ARP_LEN);
    ck_assert_mem_eq(out, request, ARP_LEN);
}
END_TEST

START_TEST(padding_behind_is_ignored)
{
    uint8_t padded[46];
    memset(padded, 0xee, sizeof padded);
    memcpy(padded, request, ARP_LEN);
    struct arp_pkt a;
    ck_assert_int_eq(parse_exact(&a, padded, sizeof padded), WIRE_OK);
    ck_assert_uint_eq(a.tpa, TD_IP4(10, 0, 0, 2));
}
END_TEST

START_TEST(every_short_length)
{
    struct arp_pkt a;
    for (size_t n = 0; n < ARP_LEN; n++) {
        ck_assert_int_eq(parse_exact(&a, request, n), WIRE_SHORT);
    }
}
END_TEST

/* shows: 826-01 */
START_TEST(each_constant_is_checked)
{
    static const struct {
        unsigned at;
        enum wire_status expect;
    } field[] = {{0, WIRE_BAD_TYPE},   {1, WIRE_BAD_TYPE},   {2, WIRE_BAD_TYPE}, {3, WIRE_BAD_TYPE},
                 {4, WIRE_BAD_LENGTH}, {5, WIRE_BAD_LENGTH}, {6, WIRE_BAD_TYPE}};
    for (unsigned i = 0; i < sizeof field / sizeof field[0]; i++) {
        for (unsigned v = 0; v < 256; v++) {
            uint8_t b[ARP_LEN];
            memcpy(b, request, sizeof b);
            b[field[i].at] = (uint8_t)v;
            struct arp_pkt a;
            ck_assert_int_eq(parse_exact(&a, b, sizeof b),
                             v == request[field[i].at] ? WIRE_OK : field[i].expect);
        }
    }
    for (unsigned op = 0; op < 256; op++) {
        uint8_t b[ARP_LEN];
        memcpy(b, request, sizeof b);
        b[7] = (uint8_t)op;
        struct arp_pkt a;
        ck_assert_int_eq(parse_exact(&a, b, sizeof b),
                         op == 1 || op == 2 ? WIRE_OK : WIRE_BAD_TYPE);
    }
}
END_TEST

START_TEST(round_trips)
{
    struct prng r = {21};
    for (unsigned round = 0; round < prng_rounds(50000); round++) {
        struct arp_pkt a = {0}, back;
        a.op = prng_below(&r, 2) == 0 ? ARP_REQUEST : ARP_REPLY;
        prng_fill(&r, a.sha.b, 6);
        prng_fill(&r, a.tha.b, 6);
        a.spa = prng_u32(&r);
        a.tpa = prng_u32(&r);
        uint8_t *b = exact_block(ARP_LEN), again[ARP_LEN];
        arp_emit(&a, b);
        ck_assert_int_eq(arp_parse(&back, b, ARP_LEN), WIRE_OK);
        ck_assert_uint_eq(back.op, a.op);
        ck_assert_mem_eq(back.sha.b, a.sha.b, 6);
        ck_assert_mem_eq(back.tha.b, a.tha.b, 6);
        ck_assert_uint_eq(back.spa, a.spa);
        ck_assert_uint_eq(back.tpa, a.tpa);
        arp_emit(&back, again);
        ck_assert_mem_eq(again, b, ARP_LEN);
        free(b);
    }
}
END_TEST

START_TEST(garbage)
{
    struct prng r = {22};
    for (unsigned round = 0; round < prng_rounds(100000); round++) {
        size_t n = prng_below(&r, 60);
        uint8_t *b = prng_block(&r, n);
        if (n >= 8 && prng_below(&r, 2) == 0) {
            memcpy(b, request, 8);
        }
        struct arp_pkt a;
        if (arp_parse(&a, b, n) == WIRE_OK) {
            uint8_t again[ARP_LEN];
            arp_emit(&a, again);
            ck_assert_mem_eq(again, b, ARP_LEN);
        }
        free(b);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("wire_arp");
    TCase *c = tcase_create("wire_arp");
    tcase_add_test(c, known_request);
    tcase_add_test(c, padding_behind_is_ignored);
    tcase_add_test(c, every_short_length);
    tcase_add_test(c, each_constant_is_checked);
    tcase_add_test(c, round_trips);
    tcase_add_test(c, garbage);
    suite_add_tcase(s, c);
    return s;
}
CHECK_MAIN(suite)
