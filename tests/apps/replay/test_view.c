/* replay/view.c: every link layer becomes Ethernet, tags go, what was cut is filled, headers are read. */
#include "check_main.h"
#include "packets.h"

#include <netinet/in.h>
#include <stdlib.h>

#define A 0x0a000001u
#define B 0x0a000002u

static struct viewer viewer;
static struct view v;

static void setup(void)
{
    viewer = (struct viewer){0};
}
static void teardown(void)
{
    viewer_done(&viewer);
}

static enum view_result look(const struct built *p, uint16_t link)
{
    struct capture_frame f = as_frame(p, link);
    return view_make(&viewer, &f, 7, &v);
}

static void segment(struct built *p)
{
    put_tcp(p, A, 1000, B, 80, TCP_ACK | TCP_PSH, 5, 9, "hello");
}

/* The segment of segment(), found behind whatever was in front of it. */
static void expect_segment(void)
{
    ck_assert_uint_eq(v.type, 0x0800);
    ck_assert_int_eq(v.net, VIEW_IPV4);
    ck_assert_uint_eq(v.frame_len, 14 + 45);
    ck_assert_uint_eq(v.proto, IPPROTO_TCP);
    ck_assert(v.has_tcp);
    ck_assert_uint_eq(v.sport, 1000);
    ck_assert_uint_eq(v.dport, 80);
    ck_assert_uint_eq(v.text_len, 5);
    ck_assert_mem_eq(v.frame + v.text_at, "hello", 5);
    ck_assert_int_eq(v.ip_sum, SUM_GOOD);
    ck_assert_int_eq(v.l4_sum, SUM_GOOD);
}

START_TEST(link_layers)
{
    static const uint8_t cooked[14] = {0, 4, 0, 1, 0, 6, 2, 7, 7, 7, 7, 7, 0, 0},
                         cooked2[20] = {8, 0, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 7, 7, 7, 7, 7, 0, 0};
    static const struct {
        uint16_t link;
        const void *before;
        uint32_t n;
        const char *macs; /* what the frame begins with */
    } rows[] = {
        {101, "", 0, "\2\0\12\0\0\2\2\0\12\0\0\1"},
        {12, "", 0, "\2\0\12\0\0\2\2\0\12\0\0\1"},
        {228, "", 0, "\2\0\12\0\0\2\2\0\12\0\0\1"},
        {0, "\2\0\0\0", 4, "\2\0\12\0\0\2\2\0\12\0\0\1"},
        {0, "\0\0\0\2", 4, "\2\0\12\0\0\2\2\0\12\0\0\1"},
        {108, "\0\0\0\2", 4, "\2\0\12\0\0\2\2\0\12\0\0\1"},
        {276, cooked2, 20, "\2\0\12\0\0\2\2\7\7\7\7\7"},
    };
    struct built p;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        p = (struct built){.n = 0};
        put(&p, rows[i].before, rows[i].n);
        segment(&p);
        ck_assert_int_eq(look(&p, rows[i].link), VIEW_OK);
        expect_segment();
        ck_assert_mem_eq(v.frame, rows[i].macs, 12);
    }
    p = (struct built){.n = 0};
    put(&p, cooked, 14);
    put(&p, "\10\0", 2);
    segment(&p);
    ck_assert_int_eq(look(&p, 113), VIEW_OK);
    expect_segment();
    ck_assert_mem_eq(v.frame, "\2\0\12\0\0\2\2\7\7\7\7\7", 12);
    ck_assert(view_knows_link(113) && !view_knows_link(105));
    ck_assert_int_eq(look(&p, 105), VIEW_UNKNOWN_LINK);
    ck_assert_uint_eq(v.number, 7);
}
END_TEST

START_TEST(tags_are_taken_off)
{
    struct built p = {.n = 0};
    put_ether(&p, 0x88a8);
    put(&p, "\0\7\x81\0\0\5\10\0", 8); /* VLAN 7, in it VLAN 5 */
    segment(&p);
    ck_assert_int_eq(look(&p, 1), VIEW_OK);
    expect_segment();
    ck_assert_int_eq(v.vlan, 7);
    p.n = 14 + 8 + 45;
    struct capture_frame f = as_frame(&p, 1);
    f.caplen = 16; /* cut within the tag */
    ck_assert_int_eq(view_make(&viewer, &f, 1, &v), VIEW_OK);
    ck_assert_int_eq(v.net, VIEW_OTHER);
}
END_TEST

START_TEST(what_was_cut_is_zeros)
{
    struct built p = {.n = 0};
    put_ether(&p, 0x0800);
    segment(&p);
    for (uint32_t kept = 0; kept <= p.n; kept++) {
        struct capture_frame f = as_frame(&p, 1);
        uint8_t *exact = malloc(kept + 1);
        memcpy(exact, p.b, kept);
        f.bytes = exact;
        f.caplen = kept;
        enum view_result r = view_make(&viewer, &f, 1, &v);
        ck_assert_int_eq(r, kept < 14 ? VIEW_SHORT : VIEW_OK);
        if (r == VIEW_OK) {
            ck_assert_uint_eq(v.frame_len, p.n);
            ck_assert_uint_eq(v.filled, p.n - kept);
            for (uint32_t i = kept; i < p.n; i++)
                ck_assert_uint_eq(v.frame[i], 0);
            ck_assert_int_eq(v.l4_sum, kept == p.n ? SUM_GOOD : SUM_UNKNOWN);
        }
        if (kept >= 54) { /* its headers are whole */
            ck_assert(v.has_tcp);
            ck_assert_uint_eq(v.text_len, 5);
            ck_assert_uint_eq(v.text_kept, kept - 54);
        }
        free(exact);
    }
}
END_TEST

START_TEST(sums_lengths_and_padding)
{
    struct built p = {.n = 0};
    put_ether(&p, 0x0800);
    segment(&p);
    p.b[p.n - 1] ^= 1;
    ck_assert_int_eq(look(&p, 1), VIEW_OK);
    ck_assert_int_eq(v.l4_sum, SUM_BAD);
    ck_assert_int_eq(v.ip_sum, SUM_GOOD);
    ck_assert(v.has_tcp);
    p.b[14 + 8] ^= 1; /* the time to live */
    ck_assert_int_eq(look(&p, 1), VIEW_OK);
    ck_assert_int_eq(v.ip_sum, SUM_BAD);
    ck_assert(v.has_tcp && v.ip.ttl == 65);
    /* A frame's padding is not text. */
    p = (struct built){.n = 0};
    put_ether(&p, 0x0800);
    put_tcp(&p, A, 1, B, 2, TCP_ACK, 1, 1, "");
    put(&p, "padpad", 6);
    ck_assert_int_eq(look(&p, 1), VIEW_OK);
    ck_assert_uint_eq(v.text_len, 0);
    ck_assert_int_eq(v.l4_sum, SUM_GOOD);
    /* A super-segment that was captured before it was cut says a length of 0. */
    wire_put16(p.b + 16, 0);
    ck_assert_int_eq(look(&p, 1), VIEW_OK);
    ck_assert_uint_eq(v.text_len, 6);
    /* A fragment: what follows is not a header. */
    p.b[14 + 6] = 0x20;
    ck_assert_int_eq(look(&p, 1), VIEW_OK);
    ck_assert(v.fragment && !v.has_tcp && v.proto == IPPROTO_TCP);
}
END_TEST

START_TEST(other_protocols)
{
    static const uint8_t udp[] = {0, 53, 0, 99, 0, 11, 0, 0, 'a', 'b', 'c'}, echo[] = {8, 0, 0xf7, 0xff, 0, 0, 0, 0};
    struct built p = {.n = 0};
    put_ether(&p, 0x0800);
    put_ipv4(&p, A, B, IPPROTO_UDP, udp, sizeof(udp));
    ck_assert_int_eq(look(&p, 1), VIEW_OK);
    ck_assert_uint_eq(v.sport, 53);
    ck_assert_uint_eq(v.text_len, 3);
    ck_assert_int_eq(v.l4_sum, SUM_GOOD); /* none was sent */
    p = (struct built){.n = 0};
    put_ether(&p, 0x0800);
    put_ipv4(&p, A, B, IPPROTO_ICMP, echo, sizeof(echo));
    ck_assert_int_eq(look(&p, 1), VIEW_OK);
    ck_assert_int_eq(v.l4_sum, SUM_GOOD);
    p = (struct built){.n = 0};
    put_ether(&p, 0x0806);
    ck_assert_int_eq(look(&p, 1), VIEW_OK);
    ck_assert_int_eq(v.net, VIEW_ARP);
    /* TCP over IPv6: enough of it to be numbered. */
    p = (struct built){.n = 0};
    put_ether(&p, 0x86dd);
    put(&p, "\x60\0\0\0\0\24\6\100", 8);
    for (uint8_t i = 0; i < 32; i++)
        put(&p, &i, 1);
    put(&p, "\0\24\0\120\0\0\0\1\0\0\0\0\120\2\0\0\0\0\0\0", 20);
    ck_assert_int_eq(look(&p, 1), VIEW_OK);
    ck_assert_int_eq(v.net, VIEW_IPV6);
    ck_assert(v.has_tcp && v.sport == 20 && v.dport == 80 && v.tcp.flags == TCP_SYN);
    char text[64];
    view_endpoint(v.src, v.sport, text);
    ck_assert_str_eq(text, "[1:203:405:607:809:a0b:c0d:e0f]:20");
}
END_TEST

/* Times are added and subtracted everywhere: what a file can't mean is brought into range here. */
START_TEST(times_are_in_range)
{
    static const struct {
        int64_t wall, seen;
    } rows[] = {{INT64_MAX, INT64_C(1) << 61},
                {INT64_MIN, -(INT64_C(1) << 61)},
                {INT64_C(1700000000000000001), INT64_C(1700000000000000001)},
                {-5, -5}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct capture_frame f = {.wall = rows[i].wall};
        ck_assert_int_eq(view_wall(&f), rows[i].seen);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("replay view");
    TCase *t = tcase_create("view");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, link_layers);
    tcase_add_test(t, tags_are_taken_off);
    tcase_add_test(t, what_was_cut_is_zeros);
    tcase_add_test(t, sums_lengths_and_padding);
    tcase_add_test(t, other_protocols);
    tcase_add_test(t, times_are_in_range);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
