/* replay/recall.c: questions and answers, cards that change, errors and what they are about, fragments. */
#include "check_main.h"

#include "packets.h"
#include "replay/describe.h"
#include "replay/recall.h"

#define US INT64_C(1000)

static struct recall *recall;
static struct viewer viewer;
static uint64_t number;
static struct text line;

static void setup(void)
{
    recall = recall_new();
    ck_assert_ptr_nonnull(recall);
    number = 0;
}

static void teardown(void)
{
    recall_free(recall);
    viewer_done(&viewer);
    text_free(&line);
}

/* What is said of a packet beside what it is. */
static const char *told(const struct built *p, int64_t t)
{
    const struct capture_frame f = as_frame(p, 1);
    struct view v;
    ck_assert_int_eq(view_make(&viewer, &f, ++number, &v), VIEW_OK);
    text_free(&line);
    line = (struct text){0};
    text_puts(&line, "");
    recall_packet(recall, &v, t, &line);
    return line.len > 0 ? line.s : "";
}

static const char *arp(uint16_t op, uint8_t card, td_ip4 from, td_ip4 of, int64_t t)
{
    struct built p = {.n = 0};
    uint8_t b[28] = {0, 1, 8, 0, 6, 4, 0, (uint8_t)op, 2, 0, 0, 0, 0, card};
    wire_put32(b + 14, from);
    wire_put32(b + 24, of);
    put_ether(&p, 0x0806);
    put(&p, b, sizeof b);
    return told(&p, t);
}

static void put_icmp(struct built *p, td_ip4 src, td_ip4 dst, uint8_t type, uint8_t code, uint16_t id, uint16_t seq, const void *more, uint32_t n)
{
    uint8_t l4[600] = {type, code};
    wire_put16(l4 + 4, id);
    wire_put16(l4 + 6, seq);
    if (n > 0)
        memcpy(l4 + 8, more, n);
    wire_put16(l4 + 2, checksum_finish(checksum_add(0, l4, 8 + n)));
    put_ether(p, 0x0800);
    put_ipv4(p, src, dst, 1, l4, 8 + n);
}

static const char *echo(bool reply, td_ip4 src, td_ip4 dst, uint16_t seq, int64_t t)
{
    struct built p = {.n = 0};
    put_icmp(&p, src, dst, reply ? 0 : 8, 0, 7, seq, NULL, 0);
    return told(&p, t);
}

#define ANN 0x0a000001u
#define BOB 0x0a000002u

START_TEST(arp_answers_and_cards)
{
    ck_assert_str_eq(arp(1, 1, ANN, BOB, 0), "");
    ck_assert_str_eq(arp(2, 2, BOB, ANN, 40 * US), "; answers #1, 40 us later");
    ck_assert_str_eq(arp(1, 1, ANN, BOB, 50 * US), ""); /* an answered question may be asked again */
    ck_assert_str_eq(arp(1, 1, ANN, BOB, 60 * US), "; asks again what it asked in #3, 10 us later");
    ck_assert_str_eq(arp(2, 9, BOB, BOB, 90 * US),
                     "; until now it was at 02:00:00:00:00:02 (#2): a new card, or somebody else's claim (RFC 5227 2.4)");
    uint64_t first[2];
    ck_assert_uint_eq(recall_unanswered(recall, first, 2), 1);
    ck_assert_uint_eq(first[0], 4);
}
END_TEST

START_TEST(arp_probes_hope_for_silence)
{
    uint64_t first[2];
    ck_assert_str_eq(arp(1, 1, 0, ANN, 0), "");
    ck_assert_uint_eq(recall_unanswered(recall, first, 2), 0);
    ck_assert_str_eq(arp(1, 1, 0, BOB, 0), "");
    ck_assert_str_eq(arp(2, 2, BOB, 0, 30 * US), "; it is in use: an address conflict (RFC 5227 2.1.1), told to the probe #2, 30 us later");
}
END_TEST

START_TEST(echoes)
{
    uint64_t first[2];
    echo(false, ANN, BOB, 1, 0);
    echo(false, ANN, BOB, 2, 10 * US);
    echo(false, ANN, BOB, 3, 20 * US);
    ck_assert_str_eq(echo(true, BOB, ANN, 2, 30 * US), "; answers #2, 20 us later");
    ck_assert_str_eq(echo(true, BOB, ANN, 2, 31 * US), "; answers once more #2, 21 us later");
    ck_assert_str_eq(echo(true, BOB, ANN, 9, 32 * US), "");
    ck_assert_str_eq(echo(true, ANN, BOB, 1, 33 * US), ""); /* not whom it was asked */
    ck_assert_uint_eq(recall_unanswered(recall, first, 2), 2);
    ck_assert(first[0] == 1 && first[1] == 3);
    ck_assert_uint_eq(recall_unanswered(recall, first, 1), 2);
    ck_assert_uint_eq(first[0], 1);
}
END_TEST

START_TEST(errors_and_what_they_are_about)
{
    struct built asked = {.n = 0}, p = {.n = 0};
    uint64_t first[1];
    put_icmp(&asked, ANN, BOB, 8, 0, 7, 1, "abcdefgh", 8);
    (void)told(&asked, 0);
    put_icmp(&p, BOB, ANN, 5, 1, 0, 0, asked.b + 14, 28); /* a redirect: the answer may come yet */
    ck_assert_str_eq(told(&p, 10 * US), "; that is #1, 10 us later");
    ck_assert_uint_eq(recall_unanswered(recall, first, 1), 1);
    p.n = 0;
    put_icmp(&p, BOB, ANN, 3, 1, 0, 0, asked.b + 14, 28);
    ck_assert_str_eq(told(&p, 20 * US), "; that is #1, 20 us later");
    ck_assert_uint_eq(recall_unanswered(recall, first, 1), 0);
    asked.b[14 + 5]++; /* another id */
    p.n = 0;
    put_icmp(&p, BOB, ANN, 3, 1, 0, 0, asked.b + 14, 28);
    ck_assert_str_eq(told(&p, 30 * US), "");
    p.n = 0;
    put_icmp(&p, BOB, ANN, 3, 1, 0, 0, asked.b + 14, 10); /* too little of it is quoted */
    ck_assert_str_eq(told(&p, 40 * US), "");
}
END_TEST

static const char *fragment(uint16_t id, uint16_t begin, uint16_t n, bool more, int64_t t)
{
    struct built p = {.n = 0};
    uint8_t text[2000] = {0};
    struct ipv4_hdr h = {.hlen = 20, .total_len = (uint16_t)(20 + n), .ttl = 64, .proto = 17, .src = ANN, .dst = BOB, .id = id,
                         .frag_off = begin, .flags = more ? IPV4_MF : 0};
    put_ether(&p, 0x0800);
    p.n += (uint32_t)ipv4_emit(&h, p.b + p.n);
    put(&p, text, n);
    return told(&p, t);
}

START_TEST(fragments)
{
    ck_assert_str_eq(fragment(1, 0, 800, true, 0), "");
    ck_assert_str_eq(fragment(1, 800, 800, true, 0), "");
    ck_assert_str_eq(fragment(1, 1600, 100, false, 0), "; with it the whole datagram has passed: 1700 bytes in 3 fragments");
    ck_assert_str_eq(fragment(2, 800, 100, false, 0), "");
    ck_assert_str_eq(fragment(2, 0, 800, true, 0), "; after one that lies behind it: out of order; with it the whole datagram has passed: 900 bytes in 2 fragments");
    ck_assert_str_eq(fragment(3, 0, 800, true, 0), "");
    ck_assert_str_eq(fragment(3, 0, 800, true, 0), "; the same as #6");
    ck_assert_str_eq(fragment(3, 720, 160, false, 0),
                     "; overlaps #6 in bytes 720 to 799: not to be trusted (RFC 1858); overlaps #7 in bytes 720 to 799: not to be trusted "
                     "(RFC 1858); with it all 880 bytes have passed, but fragments overlap");
    ck_assert_str_eq(fragment(4, 0, 800, true, 0), "");
    ck_assert_str_eq(fragment(4, 1600, 8, false, 0), ""); /* the middle is missing */
    ck_assert_str_eq(fragment(4, 800, 800, true, INT64_C(61000000000)), ""); /* of another datagram by now */
    for (uint16_t i = 0; i < 100; i++) /* more pieces than are kept */
        (void)fragment(5, (uint16_t)(8 * i), 8, true, 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("replay/recall");
    TCase *c = tcase_create("recall");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, arp_answers_and_cards);
    tcase_add_test(c, arp_probes_hope_for_silence);
    tcase_add_test(c, echoes);
    tcase_add_test(c, errors_and_what_they_are_about);
    tcase_add_test(c, fragments);
    suite_add_tcase(s, c);
    return s;
}
CHECK_MAIN(suite)
