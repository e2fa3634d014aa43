/* wire/icmp.c: a known message of each form, every length, both round trips. */
#include "common/check_main.h"
#include "common/prng.h"
#include "wire/icmp.h"

static enum wire_status parse_exact(struct icmp_hdr *h, const uint8_t *b, size_t n)
{
    uint8_t *copy = exact_copy(b, n);
    enum wire_status s = icmp_parse(h, copy, n);
    free(copy);
    return s;
}

static const uint8_t known_type[] = {ICMP_ECHO_REPLY,    ICMP_UNREACHABLE, ICMP_SOURCE_QUENCH,
                                     ICMP_REDIRECT,      ICMP_ECHO,        ICMP_TIME_EXCEEDED,
                                     ICMP_PARAM_PROBLEM, ICMP_TIMESTAMP,   ICMP_TIMESTAMP_REPLY};
#define KNOWN_TYPES (sizeof known_type / sizeof known_type[0])

static bool is_known(uint8_t type)
{
    return memchr(known_type, type, KNOWN_TYPES) != NULL;
}
static bool is_timestamp(uint8_t type)
{
    return type == ICMP_TIMESTAMP || type == ICMP_TIMESTAMP_REPLY;
}

START_TEST(echo)
{
    static const uint8_t b[] = {8, 0, 0x12, 0x34, 0xab, 0xcd, 0x00, 0x07};
    struct icmp_hdr h;
    ck_assert_int_eq(parse_exact(&h, b, sizeof b), WIRE_OK);
    ck_assert_uint_eq(h.type, ICMP_ECHO);
    ck_assert_uint_eq(h.code, 0);
    ck_assert_uint_eq(h.csum, 0x1234);
    ck_assert_uint_eq(h.echo.id, 0xabcd);
    ck_assert_uint_eq(h.echo.seq, 7);
    uint8_t out[8];
    ck_assert_uint_eq(icmp_emit(&h, out), 8);
    ck_assert_mem_eq(out, ((const uint8_t[]){8, 0, 0, 0, 0xab, 0xcd, 0, 7}),
                     8); /* sum left to the caller */
}
END_TEST

START_TEST(fragmentation_needed)
{
    static const uint8_t b[] = {3, 4, 0, 0, 0, 32, 0x05, 0x14};
    struct icmp_hdr h;
    ck_assert_int_eq(parse_exact(&h, b, sizeof b), WIRE_OK);
    ck_assert_uint_eq(h.code, ICMP_FRAG_NEEDED);
    ck_assert_uint_eq(h.unreach.length, 32);
    ck_assert_uint_eq(h.unreach.mtu, 1300);
}
END_TEST

START_TEST(time_exceeded)
{
    static const uint8_t b[] = {11, 1, 0, 0, 0, 33, 0, 0};
    struct icmp_hdr h;
    ck_assert_int_eq(parse_exact(&h, b, sizeof b), WIRE_OK);
    ck_assert_uint_eq(h.unreach.length, 33);
}
END_TEST

START_TEST(parameter_problem)
{
    static const uint8_t b[] = {12, 0, 0, 0, 20, 5, 0, 0};
    struct icmp_hdr h;
    ck_assert_int_eq(parse_exact(&h, b, sizeof b), WIRE_OK);
    ck_assert_uint_eq(h.param.pointer, 20);
    ck_assert_uint_eq(h.param.length, 5);
}
END_TEST

START_TEST(redirect)
{
    static const uint8_t b[] = {5, 1, 0, 0, 192, 168, 1, 254};
    struct icmp_hdr h;
    ck_assert_int_eq(parse_exact(&h, b, sizeof b), WIRE_OK);
    ck_assert_uint_eq(h.gateway, TD_IP4(192, 168, 1, 254));
}
END_TEST

START_TEST(timestamp)
{
    uint8_t b[20] = {13, 0, 0, 0, 0, 1, 0, 2};
    wire_put32(b + 8, 0x01020304);
    wire_put32(b + 12, 0);
    wire_put32(b + 16, 0x80000000);
    struct icmp_hdr h;
    ck_assert_int_eq(parse_exact(&h, b, sizeof b), WIRE_OK);
    ck_assert_uint_eq(h.echo.id, 1);
    ck_assert_uint_eq(h.echo.seq, 2);
    ck_assert_uint_eq(h.times[0], 0x01020304);
    ck_assert_uint_eq(h.times[2], 0x80000000);
    uint8_t out[20];
    ck_assert_uint_eq(icmp_emit(&h, out), 20);
    ck_assert_mem_eq(out, b, 20);
}
END_TEST

/* shows: 792-09 */
START_TEST(every_type_at_every_length)
{
    struct prng r = {41};
    for (unsigned type = 0; type < 256; type++) {
        for (size_t n = 0; n <= 24; n++) {
            uint8_t b[24];
            prng_fill(&r, b, sizeof b);
            b[0] = (uint8_t)type;
            struct icmp_hdr h;
            enum wire_status expect = WIRE_OK;
            if (n < ICMP_HLEN) {
                expect = WIRE_SHORT;
            } else if (!is_known((uint8_t)type)) {
                expect = WIRE_BAD_TYPE;
            } else if (is_timestamp((uint8_t)type) && n < 20) {
                expect = WIRE_SHORT;
            }
            ck_assert_int_eq(parse_exact(&h, b, n), expect);
            if (expect == WIRE_BAD_TYPE) { /* named all the same, for the journal */
                ck_assert_uint_eq(h.type, type);
                ck_assert_uint_eq(h.code, b[1]);
                ck_assert_uint_eq(h.word, wire_get32(b + 4));
            }
        }
    }
}
END_TEST

START_TEST(errors_are_told_from_queries)
{
    for (unsigned type = 0; type < 256; type++) {
        bool error = type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
        ck_assert_int_eq(icmp_is_error((uint8_t)type), error);
    }
}
END_TEST

/* Octets that the RFC calls unused are written as zero whatever was read. */
static void clear_unused(uint8_t *b)
{
    wire_put16(b + 2, 0);
    if (b[0] == ICMP_UNREACHABLE || b[0] == ICMP_TIME_EXCEEDED) {
        b[4] = 0;
    } else if (b[0] == ICMP_PARAM_PROBLEM) {
        wire_put16(b + 6, 0);
    }
}

START_TEST(parse_then_emit)
{
    struct prng r = {42};
    for (unsigned round = 0; round < prng_rounds(100000); round++) {
        size_t n = prng_below(&r, 40);
        uint8_t *b = prng_block(&r, n);
        if (n > 0 && round % 2 == 0) {
            b[0] = known_type[prng_below(&r, KNOWN_TYPES)];
        }
        struct icmp_hdr h;
        enum wire_status s = icmp_parse(&h, b, n);
        if (s == WIRE_OK || s == WIRE_BAD_TYPE) {
            uint8_t out[20];
            size_t m = icmp_emit(&h, out);
            ck_assert_uint_eq(m, is_timestamp(b[0]) ? 20 : 8);
            clear_unused(b);
            ck_assert_mem_eq(out, b, m);
        }
        free(b);
    }
}
END_TEST

START_TEST(emit_then_parse)
{
    struct prng r = {43};
    for (unsigned round = 0; round < prng_rounds(50000); round++) {
        struct icmp_hdr h = {0}, back;
        h.type = known_type[prng_below(&r, KNOWN_TYPES)];
        h.code = prng_u8(&r);
        switch (h.type) {
        case ICMP_UNREACHABLE:
        case ICMP_TIME_EXCEEDED:
            h.unreach.length = prng_u8(&r);
            h.unreach.mtu = prng_u16(&r);
            break;
        case ICMP_PARAM_PROBLEM:
            h.param.pointer = prng_u8(&r);
            h.param.length = prng_u8(&r);
            break;
        default:
            h.word = prng_u32(&r);
            break;
        }
        for (unsigned i = 0; i < 3; i++) {
            h.times[i] = is_timestamp(h.type) ? prng_u32(&r) : 0;
        }
        size_t n = is_timestamp(h.type) ? 20 : 8;
        uint8_t *b = exact_block(n);
        ck_assert_uint_eq(icmp_emit(&h, b), n);
        ck_assert_int_eq(icmp_parse(&back, b, n), WIRE_OK);
        ck_assert_uint_eq(back.type, h.type);
        ck_assert_uint_eq(back.code, h.code);
        switch (h.type) {
        case ICMP_UNREACHABLE:
        case ICMP_TIME_EXCEEDED:
            ck_assert_uint_eq(back.unreach.length, h.unreach.length);
            ck_assert_uint_eq(back.unreach.mtu, h.unreach.mtu);
            break;
        case ICMP_PARAM_PROBLEM:
            ck_assert_uint_eq(back.param.pointer, h.param.pointer);
            ck_assert_uint_eq(back.param.length, h.param.length);
            break;
        default:
            ck_assert_uint_eq(back.word, h.word);
            break;
        }
        ck_assert_mem_eq(back.times, h.times, sizeof h.times);
        free(b);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("wire_icmp");
    TCase *c = tcase_create("wire_icmp");
    tcase_add_test(c, echo);
    tcase_add_test(c, fragmentation_needed);
    tcase_add_test(c, time_exceeded);
    tcase_add_test(c, parameter_problem);
    tcase_add_test(c, redirect);
    tcase_add_test(c, timestamp);
    tcase_add_test(c, every_type_at_every_length);
    tcase_add_test(c, errors_are_told_from_queries);
    tcase_add_test(c, parse_then_emit);
    tcase_add_test(c, emit_then_parse);
    suite_add_tcase(s, c);
    return s;
}
CHECK_MAIN(suite)
