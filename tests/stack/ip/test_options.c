/* Options of answers, octet by octet (RFC 791 3.1; RFC 1122 3.2.1.8, 3.2.2.6). */
#include "ip_rig.h"

static uint8_t out[40];
static td_ip4 first;

#define A1 TD_IP4(20, 0, 0, 1)
#define A2 TD_IP4(20, 0, 0, 2)
#define A3 TD_IP4(20, 0, 0, 3)

static unsigned answer(const uint8_t *opt, size_t n)
{
    struct ipv4_hdr h = {.src = PEER, .dst = US, .hlen = 20};
    unsigned pointer;

    memcpy(h.opt, opt, n);
    h.opt_len = (uint8_t)((n + 3) & ~(size_t)3);
    h.hlen = (uint8_t)(20 + h.opt_len);
    ck_assert_int_eq(ipv4_options_check(&h, &pointer), WIRE_OK);
    memset(out, 0xcc, sizeof out);
    return ip_options_answer(stack(), &h, US, out, &first);
}
#define ANSWER(...) answer((const uint8_t[]){__VA_ARGS__}, sizeof(const uint8_t[]){__VA_ARGS__})

START_TEST(test_nothing)
{
    ck_assert_uint_eq(ANSWER(1, 1, 1, 0), 0);
    ck_assert_uint_eq(ANSWER(0x9e, 4, 1, 2), 0);
    ck_assert_uint_eq(first, 0);
}
END_TEST

START_TEST(test_record_route)
{
    static const uint8_t full[] = {7, 7, 8, 1, 2, 3, 4};

    ck_assert_uint_eq(ANSWER(7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0), 12);
    ck_assert_uint_eq(out[2], 8);
    ck_assert_uint_eq(wire_get32(out + 3), US);
    ck_assert_uint_eq(out[11], 0);
    ck_assert_uint_eq(answer(full, 7), 8);
    ck_assert_mem_eq(out, full, 7); /* full: as it came */
    ck_assert_uint_eq(ANSWER(7, 3, 4), 4);
}
END_TEST

/* shows: ATK-IP-11 */
START_TEST(test_timestamp)
{
    uint32_t now = (uint32_t)(r->st.now / TD_MS) | 0x80000000;

    ck_assert_uint_eq(ANSWER(0x44, 8, 5, 0, 0, 0, 0, 0), 8); /* times only */
    ck_assert_uint_eq(wire_get32(out + 4), now);
    ck_assert_uint_eq(out[2], 9);
    ANSWER(0x44, 8, 9, 0x30, 9, 9, 9, 9); /* full: one more that found no room */
    ck_assert_uint_eq(out[3], 0x40);
    ck_assert_uint_eq(out[2], 9);
    ANSWER(0x44, 8, 9, 0xf0, 9, 9, 9, 9); /* the count is full too: it doesn't wrap */
    ck_assert_uint_eq(out[3], 0xf0);
    /* addresses given: ours is next */
    ANSWER(0x44, 12, 5, 3, 10, 0, 0, 1, 0, 0, 0, 0);
    ck_assert_uint_eq(wire_get32(out + 8), now);
    ck_assert_uint_eq(out[2], 13);
    ANSWER(0x44, 12, 5, 3, 10, 0, 0, 9, 0, 0, 0, 0); /* another's: not touched */
    ck_assert_uint_eq(wire_get32(out + 8), 0);
    ck_assert_uint_eq(out[2], 5);
}
END_TEST

#define IP(a) (uint8_t)((a) >> 24), (uint8_t)((a) >> 16), (uint8_t)((a) >> 8), (uint8_t)(a)

/* shows: 1122-I035 */
START_TEST(test_source_route)
{
    static const uint8_t kinds[] = {0x83, 0x89};
    uint8_t kind = kinds[_i];

    ck_assert_uint_eq(ANSWER(kind, 15, 16, IP(A1), IP(A2), IP(A3)), 16);
    ck_assert_uint_eq(first, A3);
    ck_assert_uint_eq(out[0], kind);
    ck_assert_uint_eq(out[1], 15);
    ck_assert_uint_eq(out[2], 4);
    ck_assert_uint_eq(wire_get32(out + 3), A2);
    ck_assert_uint_eq(wire_get32(out + 7), A1);
    ck_assert_uint_eq(wire_get32(out + 11), PEER);
    /* the sender put itself in front: it appears once all the same */
    ck_assert_uint_eq(ANSWER(kind, 15, 16, IP(PEER), IP(A2), IP(A3)), 12);
    ck_assert_uint_eq(first, A3);
    ck_assert_uint_eq(out[1], 11);
    ck_assert_uint_eq(wire_get32(out + 3), A2);
    ck_assert_uint_eq(wire_get32(out + 7), PEER);
    ck_assert_uint_eq(ANSWER(kind, 7, 8, IP(PEER)), 0); /* straight */
    ck_assert_uint_eq(first, 0);
    ck_assert_uint_eq(ANSWER(kind, 3, 4), 0);
    ck_assert_uint_eq(ANSWER(kind, 7, 8, IP(A1)), 8);
    ck_assert_uint_eq(first, A1);
    ck_assert_uint_eq(wire_get32(out + 3), PEER);
    ck_assert_uint_eq(ANSWER(kind, 7, 4, IP(A1)), 0); /* not complete: no answer to make */
}
END_TEST

START_TEST(test_all_together_fit)
{
    uint8_t opt[40] = {0x83, 15,   16, IP(A1), IP(A2), IP(A3), 7, 11, 4, 0, 0, 0, 0, 0, 0, 0,
                       0,    0x44, 12, 5,      1,      0,      0, 0,  0, 0, 0, 0, 0, 1, 1};

    ck_assert_uint_le(answer(opt, 40), 40);
    ck_assert_uint_eq(out[15], 7);
    ck_assert_uint_eq(out[26], 0x44);
}
END_TEST

START_TEST(test_is_there_a_source_route)
{
    struct ipv4_hdr h = {.opt_len = 8, .opt = {1, 0x83, 7, 8, 1, 2, 3, 4}};
    bool complete;

    ck_assert(ip_options_source_route(&h, &complete));
    ck_assert(complete);
    h.opt[3] = 4;
    ck_assert(ip_options_source_route(&h, &complete));
    ck_assert(!complete);
    h.opt[1] = 7;
    ck_assert(!ip_options_source_route(&h, &complete));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ip/options");
    TCase *tc = ip_case(s, "options", false);

    tcase_add_test(tc, test_nothing);
    tcase_add_test(tc, test_record_route);
    tcase_add_test(tc, test_timestamp);
    tcase_add_loop_test(tc, test_source_route, 0, 2);
    tcase_add_test(tc, test_all_together_fit);
    tcase_add_test(tc, test_is_there_a_source_route);
    return s;
}
CHECK_MAIN(suite)
