/* dev/pcapng.c: blocks byte by byte, and what was written read back. */
#include "common/check_main.h"
#include "common/pcapng_read.h"

#include <stdio.h>
#include <string.h>

static struct pcapng_buf w;
static struct pcapng_reader rd;
static char msg[200];

static void setup(void)
{
    w = (struct pcapng_buf){0};
    memset(&rd, 0, sizeof rd);
    msg[0] = '\0';
}

static void teardown(void)
{
    pcapng_buf_free(&w);
}

static uint32_t le32(size_t at)
{
    return (uint32_t)(w.b[at] | w.b[at + 1] << 8 | w.b[at + 2] << 16) | (uint32_t)w.b[at + 3] << 24;
}

/* Every block's two lengths agree, and the blocks fill the buffer. The types, in order. */
static unsigned types(uint32_t *type, unsigned most)
{
    unsigned n = 0;
    size_t at = 0;
    while (at < w.len) {
        uint32_t len = le32(at + 4);
        ck_assert_uint_eq(len % 4, 0);
        ck_assert_uint_le(at + len, w.len);
        ck_assert_uint_eq(le32(at + len - 4), len);
        ck_assert_uint_lt(n, most);
        type[n++] = le32(at);
        at += len;
    }
    ck_assert_uint_eq(at, w.len);
    return n;
}

static const struct pcapng_interface eth0 = {.name = "eth0",
                                             .description = "first",
                                             .filter = "tcp",
                                             .mac = {{2, 0, 0, 0, 0, 1}},
                                             .addr = {TD_IP4(10, 0, 0, 2), TD_IP4(10, 1, 0, 2)},
                                             .plen = {24, 0},
                                             .naddrs = 2,
                                             .snaplen = 65535};

START_TEST(the_bytes_of_a_section_and_an_interface)
{
    static const uint8_t section[] = {
        0x0a, 0x0d, 0x0d, 0x0a, 48,   0,    0,    0,    0x4d, 0x3c, 0x2b, 0x1a, 1,   0,   0,   0,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,    0,    3,    0,    'p', 'c', '1', 0,
        4,    0,    1,    0,    'x',  0,    0,    0,    0,    0,    0,    0,    48,  0,   0,   0,
    };
    pcapng_section(&w, "pc1", NULL, "x");
    ck_assert_uint_eq(w.len, sizeof section);
    ck_assert_mem_eq(w.b, section, sizeof section);
    w.len = 0;
    pcapng_interface(&w, &eth0);
    static const uint8_t interface[] = {
        1,   0,   0,   0,   96,  0,   0,   0,   1,   0,   0,   0,   0xff, 0xff, 0, 0, 2, 0, 4, 0,
        'e', 't', 'h', '0', 3,   0,   5,   0,   'f', 'i', 'r', 's', 't',  0,    0, 0, 4, 0, 8, 0,
        10,  0,   0,   2,   255, 255, 255, 0,   4,   0,   8,   0,   10,   1,    0, 2, 0, 0, 0, 0,
        6,   0,   6,   0,   2,   0,   0,   0,   0,   1,   0,   0,   9,    0,    1, 0, 9, 0, 0, 0,
        11,  0,   4,   0,   0,   't', 'c', 'p', 0,   0,   0,   0,   96,   0,    0, 0,
    };
    ck_assert_uint_eq(w.len, sizeof interface);
    ck_assert_mem_eq(w.b, interface, sizeof interface);
}
END_TEST

/* A file of three packets on two interfaces, with all there is. */
static void whole_file(void)
{
    static const uint8_t frame[61] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 6};
    struct pcapng_packet p = {.wall = UINT64_C(1700000000123456789),
                              .caplen = 61,
                              .len = 61,
                              .data = frame,
                              .direction = PCAPNG_DIR_IN,
                              .reception = PCAPNG_BROADCAST,
                              .id = 42,
                              .ncomments = 2};
    p.comment[0].s = "why";
    p.comment[0].len = 3;
    p.comment[1].s = "because";
    p.comment[1].len = 7;
    pcapng_section(&w, "pc", "os", "app");
    pcapng_interface(&w, &eth0);
    pcapng_names(&w, &(struct pcapng_name){TD_IP4(10, 0, 0, 2), "deck"}, 1);
    pcapng_packet(&w, &p);
    p = (struct pcapng_packet){.wall = 1,
                               .caplen = 4,
                               .len = 1500,
                               .data = frame,
                               .direction = PCAPNG_DIR_OUT,
                               .reception = PCAPNG_UNICAST,
                               .lost = 7};
    pcapng_packet(&w, &p);
    pcapng_interface(&w, &(struct pcapng_interface){.name = "lo", .snaplen = 65535});
    p = (struct pcapng_packet){.interface = 1, .data = frame, .id = UINT64_MAX};
    pcapng_packet(&w, &p);
    pcapng_statistics(&w, &(struct pcapng_statistics){.wall = 5,
                                                      .start = 1,
                                                      .end = UINT64_C(0x100000002),
                                                      .received = 9,
                                                      .accepted = 8,
                                                      .lost = 7,
                                                      .delivered = 2});
    ck_assert(!w.failed);
}

START_TEST(what_was_written_is_read_back)
{
    static const uint32_t want[] = {PCAPNG_SECTION, PCAPNG_INTERFACE, PCAPNG_NAMES,
                                    PCAPNG_PACKET,  PCAPNG_PACKET,    PCAPNG_INTERFACE,
                                    PCAPNG_PACKET,  PCAPNG_STATISTICS};
    struct pcapng_block b;
    uint32_t type[16];
    size_t at = 0;
    whole_file();
    ck_assert_uint_eq(types(type, 16), 8);
    for (unsigned i = 0; i < 8; i++) {
        ck_assert_uint_eq(type[i], want[i]);
        ck_assert_msg(pcapng_read(&rd, w.b + at, w.len - at, &b, msg, sizeof msg) == 1,
                      "block %u: %s", i, msg);
        ck_assert_uint_eq(b.type, want[i]);
        const struct pcapng_packet *p = &b.packet;
        if (i == 3) {
            ck_assert_uint_eq(p->wall, UINT64_C(1700000000123456789));
            ck_assert_uint_eq(p->caplen, 61);
            ck_assert_uint_eq(p->data[6], 6);
            ck_assert_uint_eq(p->direction, PCAPNG_DIR_IN);
            ck_assert_uint_eq(p->reception, PCAPNG_BROADCAST);
            ck_assert_uint_eq(p->id, 42);
            ck_assert_uint_eq(p->lost, 0);
            ck_assert_uint_eq(p->ncomments, 2);
            ck_assert_uint_eq(p->comment[1].len, 7);
            ck_assert_mem_eq(p->comment[1].s, "because", 7);
        } else if (i == 4) {
            ck_assert_uint_eq(p->wall, 1);
            ck_assert_uint_eq(p->caplen, 4);
            ck_assert_uint_eq(p->len, 1500);
            ck_assert_uint_eq(p->direction, PCAPNG_DIR_OUT);
            ck_assert_uint_eq(p->lost, 7);
            ck_assert_uint_eq(p->id, 0);
            ck_assert_uint_eq(p->ncomments, 0);
        } else if (i == 6) {
            ck_assert_uint_eq(p->interface, 1);
            ck_assert_uint_eq(p->caplen, 0);
            ck_assert_uint_eq(p->id, UINT64_MAX);
        } else if (i == 7) {
            uint16_t code, len;
            const uint8_t *v;
            size_t o = pcapng_options(&rd, &b);
            ck_assert(pcapng_option(&rd, &b, &o, &code, &v, &len));
            ck_assert_uint_eq(code, 2);
            ck_assert(pcapng_option(&rd, &b, &o, &code, &v, &len));
            ck_assert_uint_eq(code, 3);
            ck_assert_mem_eq(v, "\1\0\0\0\2\0\0\0", 8); /* the high half first */
            ck_assert(pcapng_option(&rd, &b, &o, &code, &v, &len));
            ck_assert_uint_eq(v[0], 9);
        }
        at += b.len;
    }
    ck_assert_uint_eq(rd.ninterfaces, 2);
    ck_assert_str_eq(rd.interface[1].name, "lo");
    ck_assert_int_eq(pcapng_read(&rd, w.b + at, 0, &b, msg, sizeof msg), 0);
}
END_TEST

START_TEST(pcap_with_nanoseconds)
{
    static const uint8_t want[] = {0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4,  0, 0, 0, 0,   0,   0,  0, 0,
                                   0,    0,    1,    0,    0, 1, 0,  0, 0, 2, 0,   0,   0,  5, 0,
                                   0,    0,    3,    0,    0, 0, 60, 0, 0, 0, 'a', 'b', 'c'};
    pcap_header(&w, 1, 256);
    pcap_packet(
        &w, &(struct pcapng_packet){
                .wall = 2 * TD_SEC + 5, .caplen = 3, .len = 60, .data = (const uint8_t *)"abc"});
    ck_assert_uint_eq(w.len, sizeof want);
    ck_assert_mem_eq(w.b, want, sizeof want);
}
END_TEST

START_TEST(the_bytes_of_a_custom_block)
{
    static const uint8_t block[] = {0xad, 0x0b, 0, 0, 24, 0, 0, 0, 0xd9, 0x7e, 0, 0, 'h', 'e', 'l', 'l', 'o', 0, 0, 0, 24, 0, 0, 0};
    pcapng_custom(&w, "hello", 5);
    ck_assert_uint_eq(w.len, sizeof block);
    ck_assert_mem_eq(w.b, block, sizeof block);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("pcapng");
    TCase *t = tcase_create("pcapng");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_bytes_of_a_section_and_an_interface);
    tcase_add_test(t, the_bytes_of_a_custom_block);
    tcase_add_test(t, what_was_written_is_read_back);
    tcase_add_test(t, pcap_with_nanoseconds);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
