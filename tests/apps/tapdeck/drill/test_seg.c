/* Datagrams taken apart without the stack's parsers: tapdeck/drill/seg.h. Each field that can be
 * wrong is made wrong once. */
#include "check_main.h"
#include "tapdeck/drill/seg.h"

#include <string.h>

#define IP_BYTES  20
#define TCP_BYTES 24
#define DATA      5
#define LEN       (IP_BYTES + TCP_BYTES + DATA)

/* 192.168.0.1:8080 > 192.0.2.1:40000, ACK, options mss 1460, five bytes; all sums right. */
static void datagram(uint8_t b[LEN])
{
    static const uint8_t fixed[IP_BYTES + TCP_BYTES] = {
        0x45, 0,   0,    LEN,  0, 1,    0x40, 0,    64,   6, 0, 0, 192, 168, 0,
        1,    192, 0,    2,    1, 0x1f, 0x90, 0x9c, 0x40, 0, 0, 0, 9,   0,   0,
        0,    7,   0x60, 0x10, 1, 0,    0,    0,    0,    0, 2, 4, 5,   180};
    memset(b, 0, LEN);
    memcpy(b, fixed, sizeof fixed);
    seg_sign(b, LEN);
}

static void refused(const uint8_t *b, size_t n, const char *why)
{
    struct seg *s = seg_new(b, n, 0);
    ck_assert_ptr_nonnull(s);
    ck_assert_msg(s->bad != NULL, "taken, but it has %s", why);
    ck_assert_msg(strstr(s->bad, why) != NULL, "%s: %s", why, s->bad);
    seg_free(s);
}

START_TEST(fields)
{
    uint8_t b[LEN + 3] = {0};
    datagram(b);
    struct seg *s = seg_new(b, sizeof b, 42); /* Ethernet pads */
    ck_assert_ptr_null(s->bad);
    ck_assert_uint_eq(s->at, 42);
    ck_assert_uint_eq(s->len, LEN);
    ck_assert_uint_eq(s->src, TD_IP4(192, 168, 0, 1));
    ck_assert_uint_eq(s->dport, 40000);
    ck_assert_uint_eq(s->seq, 9);
    ck_assert_uint_eq(s->ack, 7);
    ck_assert_uint_eq(s->flags, 0x10);
    ck_assert_uint_eq(s->win, 256);
    ck_assert_uint_eq(s->data_len, DATA);
    ck_assert_uint_eq(s->opt_len, 4);
    seg_free(s);
}
END_TEST

START_TEST(every_bit_is_under_a_checksum)
{
    uint8_t b[LEN];
    for (size_t bit = 0; bit < LEN * 8; bit++) {
        datagram(b);
        b[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct seg *s = seg_new(b, LEN, 0);
        ck_assert_msg(s->bad != NULL, "bit %zu is wrong, and nothing noticed", bit);
        seg_free(s);
    }
}
END_TEST

START_TEST(wrong_lengths)
{
    uint8_t b[LEN];
    datagram(b);
    refused(b, 19, "not IPv4");
    refused(b, LEN - 1, "IP length");
    b[0] = 0x44;
    seg_sign(b, LEN);
    refused(b, LEN, "IP length");
    datagram(b);
    b[32] = 0x40; /* a data offset of 16 bytes */
    seg_sign(b, LEN);
    refused(b, LEN, "data offset");
    b[32] = 0xf0; /* of 60 */
    seg_sign(b, LEN);
    refused(b, LEN, "data offset");
    datagram(b);
    b[3] = 30; /* IP says 10 bytes of TCP */
    seg_sign(b, 30);
    refused(b, LEN, "TCP header");
}
END_TEST

START_TEST(options)
{
    const uint8_t good[] = {1, 2, 4, 5, 180, 0}, cut[] = {1, 2, 4, 5}, zero[] = {8, 0, 0, 0};
    size_t pos = 0;
    struct seg_opt o;
    ck_assert(seg_opt_next(good, sizeof good, &pos, &o));
    ck_assert_uint_eq(o.kind, 1);
    ck_assert(seg_opt_next(good, sizeof good, &pos, &o));
    ck_assert_uint_eq(o.kind, 2);
    ck_assert_uint_eq(o.body_len, 2);
    ck_assert_uint_eq(o.body[1], 180);
    ck_assert(seg_opt_next(good, sizeof good, &pos, &o));
    ck_assert_uint_eq(o.kind, 0);
    ck_assert(!seg_opt_next(good, sizeof good, &pos, &o));
    ck_assert_uint_eq(pos, sizeof good);
    pos = 0;
    ck_assert(seg_opt_next(cut, sizeof cut, &pos, &o));
    ck_assert(!seg_opt_next(cut, sizeof cut, &pos, &o));
    ck_assert_uint_eq(pos, 1);
    pos = 0;
    ck_assert(!seg_opt_next(zero, sizeof zero, &pos, &o));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("drill seg");
    TCase *c = tcase_create("seg");
    tcase_add_test(c, fields);
    tcase_add_test(c, every_bit_is_under_a_checksum);
    tcase_add_test(c, wrong_lengths);
    tcase_add_test(c, options);
    suite_add_tcase(s, c);
    return s;
}

CHECK_MAIN(suite)
