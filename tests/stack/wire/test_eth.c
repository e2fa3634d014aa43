/* wire/eth.c: the four framings, every length, and both round trips. */
#include "common/check_main.h"
#include "common/prng.h"
#include "wire/eth.h"

static const struct td_mac here = {{0x02, 0, 0, 0, 0, 1}}, there = {{0x02, 0, 0, 0, 0, 2}};

/* Parses from a block of exactly n bytes. */
static enum wire_status parse_exact(struct eth_hdr *h, const uint8_t *b, size_t n)
{
    uint8_t *copy = exact_copy(b, n);
    enum wire_status s = eth_parse(h, copy, n);
    free(copy);
    return s;
}

static void assert_same(const struct eth_hdr *a, const struct eth_hdr *b)
{
    ck_assert(mac_eq(a->dst, b->dst));
    ck_assert(mac_eq(a->src, b->src));
    ck_assert_uint_eq(a->type, b->type);
    ck_assert_int_eq(a->tagged, b->tagged);
    ck_assert_uint_eq(a->tci, b->tci);
    ck_assert_int_eq(a->snap, b->snap);
    ck_assert_uint_eq(a->length, b->length);
}

/* shows: 1122-L07 */
START_TEST(ethernet_ii)
{
    static const uint8_t frame[] = {0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1, 0x08, 0x00, 0x45};
    struct eth_hdr h;
    ck_assert_int_eq(parse_exact(&h, frame, sizeof frame), WIRE_OK);
    ck_assert(mac_eq(h.dst, there));
    ck_assert(mac_eq(h.src, here));
    ck_assert_uint_eq(h.type, ETHERTYPE_IPV4);
    ck_assert(!h.tagged && !h.snap);
    ck_assert_uint_eq(h.hlen, 14);
    uint8_t out[14];
    ck_assert_uint_eq(
        eth_emit(&(struct eth_hdr){.dst = there, .src = here, .type = ETHERTYPE_IPV4}, out), 14);
    ck_assert_mem_eq(out, frame, 14);
}
END_TEST

START_TEST(tagged)
{
    static const uint8_t frame[] = {0x02, 0, 0, 0,    0,    2,    0x02, 0,    0,
                                    0,    0, 1, 0x81, 0x00, 0xa0, 0x64, 0x08, 0x06};
    struct eth_hdr h;
    ck_assert_int_eq(parse_exact(&h, frame, sizeof frame), WIRE_OK);
    ck_assert(h.tagged);
    ck_assert_uint_eq(h.tci, 0xa064); /* priority 5, VLAN 100 */
    ck_assert_uint_eq(h.type, ETHERTYPE_ARP);
    ck_assert_uint_eq(h.hlen, 18);
    ck_assert_int_eq(parse_exact(&h, frame, 17), WIRE_SHORT);
    ck_assert_int_eq(parse_exact(&h, frame, 14), WIRE_SHORT); /* a tag with nothing behind it */
}
END_TEST

/* Only one tag is taken off; a second one, and a provider's, are EtherTypes nobody registered. */
START_TEST(second_tag_is_payload)
{
    uint8_t frame[22] = {0};
    wire_put16(frame + 12, ETHERTYPE_VLAN);
    wire_put16(frame + 16, ETHERTYPE_VLAN);
    struct eth_hdr h;
    ck_assert_int_eq(parse_exact(&h, frame, sizeof frame), WIRE_OK);
    ck_assert_uint_eq(h.type, ETHERTYPE_VLAN);
    ck_assert_uint_eq(h.hlen, 18);
    wire_put16(frame + 12, ETHERTYPE_QINQ);
    ck_assert_int_eq(parse_exact(&h, frame, sizeof frame), WIRE_OK);
    ck_assert(!h.tagged);
    ck_assert_uint_eq(h.type, ETHERTYPE_QINQ);
}
END_TEST

/* shows: 1122-L08 */
START_TEST(snap_frame)
{
    uint8_t frame[60] = {0x02, 0, 0,  0,    0,    2,    0x02, 0, 0, 0,    0,
                         1,    0, 36, 0xaa, 0xaa, 0x03, 0,    0, 0, 0x08, 0x06};
    struct eth_hdr h;
    ck_assert_int_eq(parse_exact(&h, frame, sizeof frame), WIRE_OK);
    ck_assert(h.snap);
    ck_assert_uint_eq(h.type, ETHERTYPE_ARP);
    ck_assert_uint_eq(h.length, 36); /* 8 of LLC and SNAP, 28 of ARP; 10 bytes behind are padding */
    ck_assert_uint_eq(h.hlen, 22);
    uint8_t out[22];
    ck_assert_uint_eq(eth_hlen(&h), 22);
    ck_assert_uint_eq(eth_emit(&h, out), 22);
    ck_assert_mem_eq(out, frame, 22);
    /* The length claims exactly what there is, then one byte more. */
    ck_assert_int_eq(parse_exact(&h, frame, 14 + 36), WIRE_OK);
    ck_assert_int_eq(parse_exact(&h, frame, 14 + 35), WIRE_BAD_LENGTH);
}
END_TEST

START_TEST(tagged_snap)
{
    uint8_t frame[64] = {0x02, 0, 0, 0, 0,  2,    0x02, 0,    0, 0, 0, 1,    0x81,
                         0,    0, 7, 0, 28, 0xaa, 0xaa, 0x03, 0, 0, 0, 0x08, 0x00};
    struct eth_hdr h;
    ck_assert_int_eq(parse_exact(&h, frame, sizeof frame), WIRE_OK);
    ck_assert(h.snap && h.tagged);
    ck_assert_uint_eq(h.tci, 7);
    ck_assert_uint_eq(h.hlen, 26);
    ck_assert_uint_eq(h.type, ETHERTYPE_IPV4);
}
END_TEST

START_TEST(other_8023_frames_are_refused)
{
    /* Spanning tree: LLC 42-42-03. */
    uint8_t frame[60] = {0x01, 0x80, 0xc2, 0, 0, 0, 0x02, 0, 0, 0, 0, 1, 0, 38, 0x42, 0x42, 0x03};
    struct eth_hdr h;
    ck_assert_int_eq(parse_exact(&h, frame, sizeof frame), WIRE_BAD_TYPE);
    static const uint8_t snap[6] = {0xaa, 0xaa, 0x03, 0, 0, 0};
    for (unsigned i = 0; i < 6; i++) { /* each octet of the SNAP header counts */
        memcpy(frame + 14, snap, 6);
        frame[14 + i] ^= 1;
        ck_assert_int_eq(parse_exact(&h, frame, sizeof frame), WIRE_BAD_TYPE);
    }
    memcpy(frame + 14, snap, 6);
    for (uint8_t len = 0; len < 8; len++) { /* too short for LLC and SNAP */
        frame[13] = len;
        ck_assert_int_eq(parse_exact(&h, frame, sizeof frame), WIRE_BAD_TYPE);
    }
    frame[13] = 8;
    ck_assert_int_eq(parse_exact(&h, frame, sizeof frame), WIRE_OK);
    ck_assert_int_eq(parse_exact(&h, frame, 22), WIRE_OK);
}
END_TEST

/* shows: 1122-L16 */
START_TEST(length_or_type_boundary)
{
    uint8_t *frame = exact_block(14 + 1600);
    memset(frame, 0, 14 + 1600);
    memcpy(frame + 14, (const uint8_t[]){0xaa, 0xaa, 0x03, 0, 0, 0, 0x08, 0x00}, 8);
    struct eth_hdr h;
    for (uint32_t v = 0; v <= 0xffff; v++) {
        if (v == ETHERTYPE_VLAN) {
            continue; /* a tag: `tagged` */
        }
        wire_put16(frame + 12, v);
        enum wire_status s = eth_parse(&h, frame, 14 + 1600);
        if (v < 8 || (v > 1500 && v < 0x600)) {
            ck_assert_int_eq(s, WIRE_BAD_TYPE);
        } else if (v <= 1500) {
            ck_assert_int_eq(s, WIRE_OK);
            ck_assert(h.snap && h.length == v && h.type == ETHERTYPE_IPV4);
        } else {
            ck_assert_int_eq(s, WIRE_OK);
            ck_assert(!h.snap && !h.tagged && h.type == v);
        }
    }
    free(frame);
}
END_TEST

START_TEST(every_short_length)
{
    uint8_t frame[26] = {0};
    struct eth_hdr h;
    wire_put16(frame + 12, ETHERTYPE_IPV4);
    for (size_t n = 0; n <= sizeof frame; n++) {
        ck_assert_int_eq(parse_exact(&h, frame, n), n < 14 ? WIRE_SHORT : WIRE_OK);
    }
}
END_TEST

/* Random structs: written, read back, the same. */
START_TEST(emit_then_parse)
{
    struct prng r = {11};
    for (unsigned round = 0; round < prng_rounds(50000); round++) {
        struct eth_hdr h = {0}, back;
        prng_fill(&r, h.dst.b, 6);
        prng_fill(&r, h.src.b, 6);
        h.tagged = prng_below(&r, 2) == 1;
        h.tci = h.tagged ? prng_u16(&r) : 0;
        h.snap = prng_below(&r, 2) == 1;
        h.type = prng_u16(&r);
        if (!h.snap && h.type < 0x600) {
            h.type = (uint16_t)(h.type + 0x600);
        }
        if (!h.snap && !h.tagged && h.type == ETHERTYPE_VLAN) {
            continue; /* that is a tag */
        }
        size_t payload = prng_below(&r, 60);
        h.length = h.snap ? (uint16_t)(8 + payload) : 0;
        size_t n = eth_hlen(&h) + payload;
        uint8_t *frame = prng_block(&r, n);
        ck_assert_uint_eq(eth_emit(&h, frame), eth_hlen(&h));
        ck_assert_int_eq(eth_parse(&back, frame, n), WIRE_OK);
        assert_same(&h, &back);
        ck_assert_uint_eq(back.hlen, eth_hlen(&h));
        free(frame);
    }
}
END_TEST

/* Random bytes, steered towards the framings: nothing is read behind the end, and what parses is
 * written again byte for byte. */
START_TEST(parse_then_emit)
{
    struct prng r = {12};
    unsigned parsed = 0;
    for (unsigned round = 0; round < prng_rounds(200000); round++) {
        size_t n = prng_below(&r, 80);
        uint8_t *frame = prng_block(&r, n);
        size_t at = 12;
        if (n >= 18 && prng_below(&r, 3) == 0) {
            wire_put16(frame + at, ETHERTYPE_VLAN);
            at += 4;
        }
        if (n >= at + 8 && prng_below(&r, 2) == 0) {
            wire_put16(frame + at, prng_below(&r, (uint32_t)(n - at + 2)));
            memcpy(frame + at + 2, (const uint8_t[]){0xaa, 0xaa, 0x03, 0, 0, 0}, 6);
        }
        struct eth_hdr h;
        if (eth_parse(&h, frame, n) == WIRE_OK) {
            uint8_t out[26];
            ck_assert_uint_le(h.hlen, n);
            ck_assert_uint_eq(eth_emit(&h, out), h.hlen);
            ck_assert_mem_eq(out, frame, h.hlen);
            parsed++;
        }
        free(frame);
    }
    ck_assert_uint_gt(parsed, 100);
}
END_TEST

START_TEST(mac_helpers)
{
    ck_assert(mac_is_broadcast(MAC_BROADCAST));
    ck_assert(mac_is_multicast(MAC_BROADCAST));
    ck_assert(!mac_is_broadcast((struct td_mac){{0xff, 0xff, 0xff, 0xff, 0xff, 0xfe}}));
    ck_assert(mac_is_multicast((struct td_mac){{0x01, 0, 0x5e, 0, 0, 1}}));
    ck_assert(!mac_is_multicast(here));
    ck_assert(mac_is_zero((struct td_mac){{0}}));
    ck_assert(!mac_is_zero((struct td_mac){{0, 0, 0, 0, 0, 1}}));
    for (unsigned i = 0; i < 6; i++) { /* every byte takes part in the comparison */
        struct td_mac m = here;
        m.b[i] ^= 0x80;
        ck_assert(!mac_eq(m, here));
    }
    ck_assert_uint_eq(mac_u64((struct td_mac){{1, 2, 3, 4, 5, 6}}), UINT64_C(0x010203040506));
    struct prng r = {13};
    for (unsigned i = 0; i < 100; i++) {
        struct td_mac m;
        prng_fill(&r, m.b, 6);
        ck_assert(mac_eq(mac_from_u64(mac_u64(m)), m));
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("eth");
    TCase *c = tcase_create("eth");
    tcase_add_test(c, ethernet_ii);
    tcase_add_test(c, tagged);
    tcase_add_test(c, second_tag_is_payload);
    tcase_add_test(c, snap_frame);
    tcase_add_test(c, tagged_snap);
    tcase_add_test(c, other_8023_frames_are_refused);
    tcase_add_test(c, length_or_type_boundary);
    tcase_add_test(c, every_short_length);
    tcase_add_test(c, emit_then_parse);
    tcase_add_test(c, parse_then_emit);
    tcase_add_test(c, mac_helpers);
    suite_add_tcase(s, c);
    return s;
}
CHECK_MAIN(suite)
