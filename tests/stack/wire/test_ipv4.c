/* wire/ipv4.c: the header's checks one by one, its options, and both round trips. */
#include "common/check_main.h"
#include "common/prng.h"
#include "wire/checksum.h"
#include "wire/ipv4.h"

/* A header whose checksum is known from many a textbook: b1e6 for 172.16.10.99 -> 172.16.10.12. */
static const uint8_t textbook[20] = {0x45, 0x00, 0x00, 0x3c, 0x1c, 0x46, 0x40, 0x00, 0x40, 0x06,
                                     0xb1, 0xe6, 0xac, 0x10, 0x0a, 0x63, 0xac, 0x10, 0x0a, 0x0c};

static enum wire_status parse_exact(struct ipv4_hdr *h, const uint8_t *b, size_t n)
{
    uint8_t *copy = exact_copy(b, n);
    enum wire_status s = ipv4_parse(h, copy, n);
    free(copy);
    return s;
}

/* Writes the right checksum for a header of hlen bytes. */
static void fix_sum(uint8_t *b, size_t hlen)
{
    wire_put16(b + 10, 0);
    wire_put16(b + 10, checksum(b, hlen));
}

START_TEST(known_header)
{
    uint8_t b[60] = {0};
    memcpy(b, textbook, sizeof textbook);
    struct ipv4_hdr h;
    ck_assert_int_eq(parse_exact(&h, b, sizeof b), WIRE_OK);
    ck_assert_uint_eq(h.hlen, 20);
    ck_assert_uint_eq(h.tos, 0);
    ck_assert_uint_eq(h.total_len, 60);
    ck_assert_uint_eq(h.id, 0x1c46);
    ck_assert_uint_eq(h.flags, IPV4_DF);
    ck_assert_uint_eq(h.frag_off, 0);
    ck_assert_uint_eq(h.ttl, 64);
    ck_assert_uint_eq(h.proto, IPPROTO_TCP_);
    ck_assert_uint_eq(h.csum, 0xb1e6);
    ck_assert_uint_eq(h.src, TD_IP4(172, 16, 10, 99));
    ck_assert_uint_eq(h.dst, TD_IP4(172, 16, 10, 12));
    ck_assert_uint_eq(h.opt_len, 0);
    uint8_t out[20];
    ck_assert_uint_eq(ipv4_emit(&h, out), 20);
    ck_assert_mem_eq(out, textbook, 20);
}
END_TEST

/* shows: 1122-I010 */
START_TEST(every_version)
{
    uint8_t b[60] = {0};
    memcpy(b, textbook, sizeof textbook);
    struct ipv4_hdr h;
    for (unsigned v = 0; v < 16; v++) {
        b[0] = (uint8_t)(v << 4 | 5);
        fix_sum(b, 20);
        ck_assert_int_eq(parse_exact(&h, b, sizeof b), v == 4 ? WIRE_OK : WIRE_BAD_VERSION);
    }
}
END_TEST

/* shows: ATK-IP-02 ATK-IP-04 */
START_TEST(header_and_total_length_at_every_size)
{
    struct ipv4_hdr h;
    for (size_t n = 0; n <= 64; n++) {
        for (unsigned ihl = 0; ihl < 16; ihl++) {
            for (unsigned total = 0; total <= 66; total++) {
                uint8_t b[66] = {0};
                memcpy(b, textbook, sizeof textbook);
                b[0] = (uint8_t)(0x40 | ihl);
                wire_put16(b + 2, total);
                fix_sum(b, ihl >= 5 ? ihl * 4 : 20);
                enum wire_status expect = WIRE_OK;
                if (n < 20) {
                    expect = WIRE_SHORT;
                } else if (ihl < 5 || ihl * 4 > n || total < ihl * 4 || total > n) {
                    expect = WIRE_BAD_LENGTH;
                }
                ck_assert_int_eq(parse_exact(&h, b, n), expect);
            }
        }
    }
}
END_TEST

/* shows: 1122-I011 ATK-IP-06 */
START_TEST(every_flipped_bit_fails_the_checksum)
{
    struct ipv4_hdr h;
    for (unsigned bit = 0; bit < 160; bit++) {
        uint8_t b[60] = {0};
        memcpy(b, textbook, sizeof textbook);
        b[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert_int_ne(parse_exact(&h, b, sizeof b), WIRE_OK);
    }
    /* Both zeros of ones' complement verify: make the other words sum to ffff. */
    uint8_t b[60] = {0};
    memcpy(b, textbook, sizeof textbook);
    wire_put16(b + 10, 0);
    wire_put16(b + 4, 0);
    wire_put16(b + 4, checksum(b, 20));
    ck_assert_int_eq(parse_exact(&h, b, sizeof b), WIRE_OK);
    wire_put16(b + 10, 0xffff);
    ck_assert_int_eq(parse_exact(&h, b, sizeof b), WIRE_OK);
    ck_assert_uint_eq(h.csum, 0xffff);
}
END_TEST

START_TEST(fragment_fields)
{
    uint8_t b[60] = {0};
    memcpy(b, textbook, sizeof textbook);
    struct ipv4_hdr h;
    for (uint32_t v = 0; v <= 0xffff; v += 7) {
        wire_put16(b + 6, v);
        fix_sum(b, 20);
        ck_assert_int_eq(parse_exact(&h, b, sizeof b), WIRE_OK);
        ck_assert_uint_eq(h.flags, v & 0xe000);
        ck_assert_uint_eq(h.frag_off, (v & 0x1fff) * 8);
        uint8_t out[20];
        ipv4_emit(&h, out);
        ck_assert_mem_eq(out, b, 20);
    }
}
END_TEST

/* shows: 791-09 */
START_TEST(options_are_padded_with_zero)
{
    struct ipv4_hdr h = {.total_len = 60, .ttl = 1, .proto = 17};
    for (uint8_t opt_len = 0; opt_len <= 40; opt_len++) {
        uint8_t out[60];
        memset(out, 0xee, sizeof out);
        memset(h.opt, IPOPT_NOP_, sizeof h.opt);
        h.opt_len = opt_len;
        size_t hlen = ipv4_emit(&h, out);
        ck_assert_uint_eq(hlen, 20 + (size_t)(opt_len + 3) / 4 * 4);
        ck_assert_uint_eq(out[0], 0x40 | hlen / 4);
        for (size_t i = 20; i < hlen; i++) {
            ck_assert_uint_eq(out[i], i < 20u + opt_len ? IPOPT_NOP_ : 0);
        }
        for (size_t i = hlen; i < sizeof out; i++) {
            ck_assert_uint_eq(out[i], 0xee);
        }
        ck_assert_uint_eq(checksum(out, hlen), 0);
    }
    h.opt_len = 255; /* more than there can be: cut, not overrun */
    uint8_t *out = exact_block(IPV4_MAX_HLEN);
    ck_assert_uint_eq(ipv4_emit(&h, out), 60);
    free(out);
}
END_TEST

/* ---- options ---- */

static struct ipv4_hdr with_options(const void *opt, size_t n)
{
    struct ipv4_hdr h = {.hlen = (uint8_t)(20 + n), .opt_len = (uint8_t)n};
    memcpy(h.opt, opt, n);
    return h;
}
#define OPTIONS(...)                                                                               \
    with_options((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void expect_check(struct ipv4_hdr h, int pointer) /* -1: fine */
{
    unsigned at = 999;
    enum wire_status s = ipv4_options_check(&h, &at);
    if (pointer < 0) {
        ck_assert_int_eq(s, WIRE_OK);
    } else {
        ck_assert_int_eq(s, WIRE_BAD_OPTION);
        ck_assert_int_eq((int)at, pointer);
    }
}

START_TEST(walking_options)
{
    struct ipv4_hdr h =
        OPTIONS(IPOPT_NOP_, IPOPT_RR_, 7, 4, 1, 2, 3, 4, 200, 2, IPOPT_EOL_, IPOPT_NOP_);
    unsigned pos = 0;
    struct ipv4_opt o;
    int bad;
    ck_assert(ipv4_opt_next(&h, &pos, &o, &bad));
    ck_assert(o.type == IPOPT_NOP_ && o.len == 1 && o.off == 20);
    ck_assert(ipv4_opt_next(&h, &pos, &o, &bad));
    ck_assert(o.type == IPOPT_RR_ && o.len == 7 && o.off == 21 && o.body == h.opt + 1);
    ck_assert(ipv4_opt_next(&h, &pos, &o, &bad));
    ck_assert(o.type == 200 && o.len == 2 && o.off == 28);
    ck_assert(
        !ipv4_opt_next(&h, &pos, &o, &bad)); /* the end of the list; what follows is padding */
    ck_assert_int_eq(bad, -1);
    ck_assert(!ipv4_opt_next(&h, &pos, &o, &bad));
}
END_TEST

/* shows: ATK-IP-08 ATK-IP-09 */
START_TEST(illegal_option_lengths)
{
    expect_check(OPTIONS(IPOPT_TS_, 0, 5, 0), 21); /* would loop for ever */
    expect_check(OPTIONS(IPOPT_TS_, 1, 5, 0), 21);
    expect_check(OPTIONS(1, 1, 200, 0), 23);
    expect_check(OPTIONS(200, 5, 0, 0), 21); /* one more than there is */
    expect_check(OPTIONS(200, 255, 0, 0), 21);
    expect_check(OPTIONS(1, 1, 1, 200), 23); /* type in the last octet, no length */
    expect_check(OPTIONS(200, 4, 0, 0), -1); /* unknown: stepped over */
    for (unsigned at = 0; at < 39; at++) {   /* first, middle, last */
        uint8_t opt[40];
        memset(opt, IPOPT_NOP_, sizeof opt);
        opt[at] = 0x44;
        opt[at + 1] = 0;
        expect_check(with_options(opt, sizeof opt), (int)(20 + at + 1));
    }
    uint8_t nops[40];
    memset(nops, IPOPT_NOP_, sizeof nops);
    expect_check(with_options(nops, sizeof nops), -1);
}
END_TEST

/* shows: 791-08 ATK-IP-10 */
START_TEST(record_route_pointer)
{
    for (unsigned len = 0; len <= 39; len++) {
        for (unsigned pointer = 0; pointer < 256; pointer++) {
            uint8_t opt[40] = {0};
            opt[0] = IPOPT_RR_;
            opt[1] = (uint8_t)len;
            opt[2] = (uint8_t)pointer;
            int expect = -1;
            if (len < 3) {
                expect = 21;
            } else if (pointer < 4) {
                expect = 22;
            } else if (pointer <= len && pointer + 3 > len) {
                expect = 22; /* room for a part of an address */
            }
            expect_check(with_options(opt, sizeof opt), expect);
        }
    }
    expect_check(OPTIONS(IPOPT_RR_, 3, 4, IPOPT_RR_, 3, 4, 0, 0), 23); /* twice */
}
END_TEST

/* shows: 791-08 ATK-IP-11 */
START_TEST(timestamp_pointer_and_flag)
{
    for (unsigned len = 0; len <= 40; len++) {
        for (unsigned pointer = 0; pointer < 64; pointer++) {
            for (unsigned flag = 0; flag < 16; flag++) {
                uint8_t opt[40] = {0};
                opt[0] = IPOPT_TS_;
                opt[1] = (uint8_t)len;
                opt[2] = (uint8_t)pointer;
                opt[3] = (uint8_t)flag;
                unsigned step = flag == 0 ? 4 : 8;
                int expect = -1;
                if (len < 4) {
                    expect = 21;
                } else if (flag == 2 || flag > 3) {
                    expect = 23;
                } else if (pointer < 5 || (pointer <= len && pointer + step - 1 > len)) {
                    expect = 22;
                }
                expect_check(with_options(opt, sizeof opt), expect);
            }
        }
    }
    expect_check(OPTIONS(IPOPT_TS_, 4, 5, 0, IPOPT_TS_, 4, 5, 0), 24);
}
END_TEST

/* shows: 791-08 */
START_TEST(source_routes)
{
    static const uint8_t type[] = {IPOPT_LSRR_, IPOPT_SSRR_};
    for (unsigned t = 0; t < 2; t++) {
        for (unsigned len = 0; len <= 39; len++) {
            for (unsigned pointer = 0; pointer < 256; pointer++) {
                uint8_t opt[40] = {0};
                opt[0] = type[t];
                opt[1] = (uint8_t)len;
                opt[2] = (uint8_t)pointer;
                int expect = -1;
                if (len < 3 || (len - 3) % 4 != 0) {
                    expect = 21;
                } else if (pointer < 4 || (pointer <= len && pointer + 3 > len)) {
                    expect = 22;
                }
                expect_check(with_options(opt, sizeof opt), expect);
            }
        }
    }
    expect_check(OPTIONS(IPOPT_LSRR_, 7, 4, 1, 2, 3, 4, IPOPT_SSRR_, 7, 4, 1, 2, 3, 4, 0, 0), 27);
    expect_check(OPTIONS(IPOPT_LSRR_, 7, 8, 1, 2, 3, 4, IPOPT_LSRR_, 7, 8, 1, 2, 3, 4, 0, 0), 27);
    expect_check(OPTIONS(IPOPT_LSRR_, 7, 4, 1, 2, 3, 4, IPOPT_RR_, 7, 4, 0, 0, 0, 0, 0, 0), -1);
}
END_TEST

START_TEST(router_alert_length)
{
    expect_check(OPTIONS(IPOPT_RA_, 4, 0, 0), -1);
    expect_check(OPTIONS(IPOPT_RA_, 3, 0, 0), 21);
    expect_check(OPTIONS(IPOPT_RA_, 5, 0, 0, 0, 0, 0, 0), 21);
}
END_TEST

/* shows: 791-07 */
START_TEST(copied_options)
{
    uint8_t out[40];
    struct ipv4_hdr h = OPTIONS(IPOPT_NOP_, IPOPT_RR_, 7, 4, 0, 0, 0, 0, /* not copied */
                                IPOPT_LSRR_, 7, 4, 10, 0, 0, 9,          /* copied */
                                IPOPT_TS_, 8, 5, 0, 0, 0, 0, 0,          /* not copied */
                                IPOPT_RA_, 4, 0, 0, IPOPT_EOL_);
    ck_assert_uint_eq(ipv4_options_copied(&h, out), 12);
    ck_assert_mem_eq(
        out, ((const uint8_t[]){IPOPT_LSRR_, 7, 4, 10, 0, 0, 9, IPOPT_RA_, 4, 0, 0, 0}), 12);
    h = OPTIONS(IPOPT_RR_, 7, 4, 0, 0, 0, 0, 0);
    ck_assert_uint_eq(ipv4_options_copied(&h, out), 0);
    uint8_t full[40] = {0xc8, 40};
    h = with_options(full, sizeof full);
    ck_assert_uint_eq(ipv4_options_copied(&h, out), 40);
    ck_assert_mem_eq(out, full, 40);
}
END_TEST

/* Random options, well-formed or not: the walk ends, stays inside, and only moves forward. */
START_TEST(option_garbage)
{
    struct prng r = {51};
    for (unsigned round = 0; round < prng_rounds(200000); round++) {
        struct ipv4_hdr *h = (struct ipv4_hdr *)(void *)exact_block(sizeof *h);
        memset(h, 0, sizeof *h);
        h->opt_len = (uint8_t)(4 * prng_below(&r, 11));
        for (unsigned i = 0; i < h->opt_len; i++) {
            static const uint8_t common[] = {0, 1, 7, 68, 131, 137, 148, 2, 3, 4, 7, 8, 11};
            h->opt[i] =
                prng_below(&r, 4) == 0 ? prng_u8(&r) : common[prng_below(&r, sizeof common)];
        }
        unsigned pos = 0, steps = 0, at;
        struct ipv4_opt o;
        int bad;
        while (ipv4_opt_next(h, &pos, &o, &bad)) {
            ck_assert_uint_le(pos, h->opt_len);
            ck_assert_uint_ge(o.off, 20);
            ck_assert_uint_eq(o.off - 20u + o.len, pos);
            ck_assert_uint_le(++steps, 40);
        }
        ck_assert(bad == -1 || (bad >= 20 && bad < 20 + h->opt_len));
        if (ipv4_options_check(h, &at) != WIRE_OK) {
            ck_assert_uint_ge(at, 20);
            ck_assert_uint_lt(at, 20u + h->opt_len);
        } else {
            ck_assert_int_eq(bad, -1);
        }
        uint8_t *out = exact_block(40);
        unsigned copied = ipv4_options_copied(h, out);
        ck_assert_uint_le(copied, h->opt_len);
        ck_assert_uint_eq(copied % 4, 0);
        free(out);
        free(h);
    }
}
END_TEST

/* ---- round trips ---- */

START_TEST(emit_then_parse)
{
    struct prng r = {52};
    for (unsigned round = 0; round < prng_rounds(50000); round++) {
        struct ipv4_hdr h = {0}, back;
        h.opt_len = (uint8_t)(4 * prng_below(&r, 11));
        h.hlen = (uint8_t)(20 + h.opt_len);
        prng_fill(&r, h.opt, h.opt_len);
        h.tos = prng_u8(&r);
        h.id = prng_u16(&r);
        h.flags = prng_u16(&r) & 0xe000;
        h.frag_off = prng_u16(&r) & 0xfff8;
        h.ttl = prng_u8(&r);
        h.proto = prng_u8(&r);
        h.src = prng_u32(&r);
        h.dst = prng_u32(&r);
        size_t payload = prng_below(&r, 100);
        h.total_len = (uint16_t)(h.hlen + prng_below(&r, (uint32_t)payload + 1));
        uint8_t *b = exact_block(h.hlen + payload);
        memset(b, 0xee, h.hlen + payload);
        ck_assert_uint_eq(ipv4_emit(&h, b), h.hlen);
        ck_assert_int_eq(ipv4_parse(&back, b, h.hlen + payload), WIRE_OK);
        h.csum = back.csum;
        ck_assert_mem_eq(&back, &h, sizeof h);
        free(b);
    }
}
END_TEST

START_TEST(parse_then_emit)
{
    struct prng r = {53};
    unsigned parsed = 0;
    for (unsigned round = 0; round < prng_rounds(200000); round++) {
        size_t n = prng_below(&r, 100);
        uint8_t *b = prng_block(&r, n);
        if (n >= 20 && round % 4 != 0) {
            b[0] = (uint8_t)(0x40 | (prng_below(&r, 8) == 0 ? prng_below(&r, 16)
                                                            : 5 + prng_below(&r, 11)));
            wire_put16(b + 2, prng_below(&r, (uint32_t)n + 4));
            size_t hlen = (size_t)(b[0] & 15) * 4;
            if (hlen >= 20 && hlen <= n) {
                fix_sum(b, hlen);
            }
        }
        struct ipv4_hdr h;
        if (ipv4_parse(&h, b, n) == WIRE_OK && h.csum != 0xffff) {
            uint8_t out[60];
            ck_assert_uint_eq(ipv4_emit(&h, out), h.hlen);
            ck_assert_mem_eq(out, b, h.hlen);
            parsed++;
        }
        free(b);
    }
    ck_assert_uint_gt(parsed, 100);
}
END_TEST

START_TEST(address_classes)
{
    ck_assert(ip4_is_multicast(TD_IP4(224, 0, 0, 1)) &&
              ip4_is_multicast(TD_IP4(239, 255, 255, 255)));
    ck_assert(!ip4_is_multicast(TD_IP4(223, 255, 255, 255)) &&
              !ip4_is_multicast(TD_IP4(240, 0, 0, 0)));
    ck_assert(ip4_is_loopback(TD_IP4(127, 255, 0, 1)) && !ip4_is_loopback(TD_IP4(128, 0, 0, 1)));
    ck_assert(ip4_is_class_e(TD_IP4_BROADCAST) && ip4_is_class_e(TD_IP4(240, 0, 0, 0)));
    ck_assert(ip4_is_zeronet(TD_IP4(0, 1, 2, 3)) && !ip4_is_zeronet(TD_IP4(1, 0, 0, 0)));
    ck_assert_uint_eq(ip4_mask(0), 0);
    ck_assert_uint_eq(ip4_mask(1), 0x80000000);
    ck_assert_uint_eq(ip4_mask(24), 0xffffff00);
    ck_assert_uint_eq(ip4_mask(32), 0xffffffff);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("wire_ipv4");
    TCase *c = tcase_create("wire_ipv4");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, known_header);
    tcase_add_test(c, every_version);
    tcase_add_test(c, header_and_total_length_at_every_size);
    tcase_add_test(c, every_flipped_bit_fails_the_checksum);
    tcase_add_test(c, fragment_fields);
    tcase_add_test(c, options_are_padded_with_zero);
    tcase_add_test(c, walking_options);
    tcase_add_test(c, illegal_option_lengths);
    tcase_add_test(c, record_route_pointer);
    tcase_add_test(c, timestamp_pointer_and_flag);
    tcase_add_test(c, source_routes);
    tcase_add_test(c, router_alert_length);
    tcase_add_test(c, copied_options);
    tcase_add_test(c, option_garbage);
    tcase_add_test(c, emit_then_parse);
    tcase_add_test(c, parse_then_emit);
    tcase_add_test(c, address_classes);
    suite_add_tcase(s, c);
    return s;
}
CHECK_MAIN(suite)
