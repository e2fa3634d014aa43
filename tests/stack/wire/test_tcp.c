/* wire/tcp.c: the header, each option at each length, Linux's layout, both round trips. */
#include "common/check_main.h"
#include "common/prng.h"
#include "wire/tcp.h"

static enum wire_status parse_exact(struct tcp_hdr *h, const uint8_t *b, size_t n)
{
    uint8_t *copy = exact_copy(b, n);
    enum wire_status s = tcp_parse(h, copy, n);
    free(copy);
    return s;
}

/* A header with these option bytes, which are padded to 4 with EOL. */
static enum wire_status parse_options(struct tcp_hdr *h, const uint8_t *opt, size_t n)
{
    uint8_t b[60] = {0};
    size_t hlen = 20 + (n + 3) / 4 * 4;
    b[12] = (uint8_t)(hlen / 4 << 4);
    memcpy(b + 20, opt, n);
    return parse_exact(h, b, hlen);
}
#define PARSE_OPTIONS(h, ...)                                                                      \
    parse_options(h, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

START_TEST(known_syn)
{
    static const uint8_t b[40] = {0xd4, 0x31, 0x00, 0x50, 0x01, 0x02, 0x03, 0x04, 0x00, 0x00,
                                  0x00, 0x00, 0xa0, 0x02, 0xfa, 0xf0, 0xbe, 0xef, 0x00, 0x00,
                                  2,    4,    0x05, 0xb4, 4,    2,    8,    10,   0x11, 0x22,
                                  0x33, 0x44, 0,    0,    0,    0,    1,    3,    3,    7};
    struct tcp_hdr h;
    ck_assert_int_eq(parse_exact(&h, b, sizeof b), WIRE_OK);
    ck_assert_uint_eq(h.sport, 54321);
    ck_assert_uint_eq(h.dport, 80);
    ck_assert_uint_eq(h.seq, 0x01020304);
    ck_assert_uint_eq(h.ack, 0);
    ck_assert_uint_eq(h.flags, TCP_SYN);
    ck_assert_uint_eq(h.wnd, 64240);
    ck_assert_uint_eq(h.csum, 0xbeef);
    ck_assert_uint_eq(h.urp, 0);
    ck_assert_uint_eq(h.hlen, 40);
    ck_assert(h.o.has_mss && h.o.mss == 1460);
    ck_assert(h.o.has_sack_perm);
    ck_assert(h.o.has_ts && h.o.ts_val == 0x11223344 && h.o.ts_ecr == 0);
    ck_assert(h.o.has_wscale && h.o.wscale == 7);
    ck_assert_uint_eq(h.o.unknown, 0);
    ck_assert_uint_eq(h.o.nsack, 0);
    ck_assert(!h.o.has_fastopen);
    uint8_t out[40], expect[40];
    memcpy(expect, b, 40);
    wire_put16(expect + 16, 0); /* the checksum is the caller's */
    ck_assert_uint_eq(tcp_emit(&h, out), 40);
    ck_assert_mem_eq(out, expect, 40);
}
END_TEST

START_TEST(every_flag_and_reserved_bit)
{
    for (unsigned bits = 0; bits < 0x1000; bits++) {
        uint8_t b[20] = {0}, out[20];
        b[12] = (uint8_t)(0x50 | bits >> 8);
        b[13] = (uint8_t)bits;
        struct tcp_hdr h;
        ck_assert_int_eq(parse_exact(&h, b, sizeof b), WIRE_OK);
        ck_assert_uint_eq(h.flags, bits & 0x1ff);
        ck_assert_uint_eq(h.reserved, bits >> 9);
        tcp_emit(&h, out);
        ck_assert_uint_eq(out[12], 0x50 | ((bits >> 8) & 1)); /* reserved bits go out as zero */
        ck_assert_uint_eq(out[13], bits & 0xff);
    }
}
END_TEST

START_TEST(data_offset_at_every_length)
{
    struct tcp_hdr h;
    for (size_t n = 0; n <= 64; n++) {
        for (unsigned offset = 0; offset < 16; offset++) {
            uint8_t b[64] = {0};
            b[12] = (uint8_t)(offset << 4);
            enum wire_status expect = n < 20                         ? WIRE_SHORT
                                      : offset < 5 || offset * 4 > n ? WIRE_BAD_LENGTH
                                                                     : WIRE_OK;
            ck_assert_int_eq(parse_exact(&h, b, n), expect);
        }
    }
}
END_TEST

/* shows: MUST-7 ATK-TCPH-03 ATK-TCPH-04 */
START_TEST(illegal_option_lengths)
{
    struct tcp_hdr h;
    for (unsigned kind = 2; kind < 256; kind++) {
        ck_assert_int_eq(PARSE_OPTIONS(&h, (uint8_t)kind, 0, 0, 0), WIRE_BAD_OPTION);
        ck_assert_int_eq(PARSE_OPTIONS(&h, (uint8_t)kind, 1, 0, 0), WIRE_BAD_OPTION);
        ck_assert_int_eq(PARSE_OPTIONS(&h, (uint8_t)kind, 5, 0, 0), WIRE_BAD_OPTION);
        ck_assert_int_eq(PARSE_OPTIONS(&h, (uint8_t)kind, 255, 0, 0), WIRE_BAD_OPTION);
        ck_assert_int_eq(PARSE_OPTIONS(&h, 1, 1, 1, (uint8_t)kind), WIRE_BAD_OPTION);
    }
    /* What came before the bad one was read. */
    ck_assert_int_eq(PARSE_OPTIONS(&h, 2, 4, 0x02, 0x18, 3, 0, 0, 0), WIRE_BAD_OPTION);
    ck_assert(h.o.has_mss && h.o.mss == 536);
    ck_assert(!h.o.has_wscale);
    /* Forty NOPs, and rubbish behind the end of the list. */
    uint8_t nops[40];
    memset(nops, TCPOPT_NOP_, sizeof nops);
    ck_assert_int_eq(parse_options(&h, nops, sizeof nops), WIRE_OK);
    ck_assert_int_eq(PARSE_OPTIONS(&h, 1, 0, 2, 0), WIRE_OK);
    ck_assert_int_eq(PARSE_OPTIONS(&h, 0, 2, 4, 5, 180, 9, 9, 9), WIRE_OK);
    ck_assert(!h.o.has_mss);
}
END_TEST

/* Each kind at each length: decoded only at its legal one, stepped over otherwise. */
/* shows: MUST-68 */
START_TEST(every_kind_at_every_length)
{
    for (unsigned kind = 2; kind < 256; kind++) {
        for (uint8_t len = 2; len <= 40; len++) {
            uint8_t opt[40];
            memset(opt, 0, sizeof opt);
            opt[0] = (uint8_t)kind;
            opt[1] = len;
            for (uint8_t i = 2; i < len; i++) {
                opt[i] = i;
            }
            struct tcp_hdr h;
            ck_assert_int_eq(parse_options(&h, opt, len), WIRE_OK);
            bool mss = kind == 2 && len == 4, ws = kind == 3 && len == 3,
                 perm = kind == 4 && len == 2;
            bool sack = kind == 5 && (len == 10 || len == 18 || len == 26 || len == 34);
            bool ts = kind == 8 && len == 10;
            bool fo = kind == 34 && (len == 2 || (len >= 6 && len <= 18 && len % 2 == 0));
            ck_assert_int_eq(h.o.has_mss, mss);
            ck_assert_int_eq(h.o.has_wscale, ws);
            ck_assert_int_eq(h.o.has_sack_perm, perm);
            ck_assert_int_eq(h.o.has_ts, ts);
            ck_assert_int_eq(h.o.has_fastopen, fo);
            bool uto = kind == 28 && len == 4;
            ck_assert_int_eq(h.o.has_uto, uto);
            ck_assert(!uto || h.o.uto == 0x0203);
            ck_assert_uint_eq(h.o.nsack, sack ? (unsigned)(len - 2) / 8 : 0);
            ck_assert_uint_eq(h.o.unknown, mss || ws || perm || sack || ts || fo || uto ? 0 : 1);
            if (mss) {
                ck_assert_uint_eq(h.o.mss, 0x0203);
            }
            if (ws) {
                ck_assert_uint_eq(h.o.wscale, 2);
            }
            if (ts) {
                ck_assert_uint_eq(h.o.ts_val, 0x02030405);
                ck_assert_uint_eq(h.o.ts_ecr, 0x06070809);
            }
            for (unsigned i = 0; i < h.o.nsack; i++) {
                ck_assert_uint_eq(h.o.sack[i].left, wire_get32(opt + 2 + 8 * i));
                ck_assert_uint_eq(h.o.sack[i].right, wire_get32(opt + 6 + 8 * i));
            }
            if (fo) {
                ck_assert_uint_eq(h.o.fastopen_len, len - 2);
                ck_assert_mem_eq(h.o.fastopen, opt + 2, len - 2u);
            }
        }
    }
}
END_TEST

START_TEST(known_option_behind_an_unknown_one)
{
    struct tcp_hdr h;
    ck_assert_int_eq(PARSE_OPTIONS(&h, 200, 6, 1, 2, 3, 4, 19, 2, 2, 4, 0x02, 0x00), WIRE_OK);
    ck_assert(h.o.has_mss && h.o.mss == 512);
    ck_assert_uint_eq(h.o.unknown, 2);
}
END_TEST

START_TEST(the_first_of_a_kind_counts)
{
    struct tcp_hdr h;
    ck_assert_int_eq(PARSE_OPTIONS(&h, 2, 4, 1, 0, 2, 4, 2, 0, 3, 3, 5, 3, 3, 9, 1, 1), WIRE_OK);
    ck_assert_uint_eq(h.o.mss, 0x100);
    ck_assert_uint_eq(h.o.wscale, 5);
    ck_assert_int_eq(PARSE_OPTIONS(&h, 2, 3, 9, 2, 4, 2, 0, 1), WIRE_OK); /* a bad length is none */
    ck_assert_uint_eq(h.o.mss, 0x200);
    ck_assert_int_eq(
        PARSE_OPTIONS(&h, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 8, 10, 0, 0, 0, 3, 0, 0, 0, 4), WIRE_OK);
    ck_assert(h.o.ts_val == 1 && h.o.ts_ecr == 2);
    ck_assert_int_eq(
        PARSE_OPTIONS(&h, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2, 5, 10, 0, 0, 0, 3, 0, 0, 0, 4), WIRE_OK);
    ck_assert(h.o.nsack == 1 && h.o.sack[0].left == 1);
    ck_assert_int_eq(PARSE_OPTIONS(&h, 34, 2, 34, 6, 1, 2, 3, 4), WIRE_OK);
    ck_assert(h.o.has_fastopen && h.o.fastopen_len == 0);
}
END_TEST

/* ---- layout ---- */

static void expect_layout(struct tcp_opts o, bool syn, enum tcp_opt_style style,
                          const uint8_t *expect, size_t n)
{
    struct tcp_hdr h = {.o = o};
    ck_assert_uint_eq(tcp_opts_layout(&h, syn, style), n);
    ck_assert_uint_eq(h.raw_len, n);
    ck_assert_uint_eq(h.hlen, 20 + n);
    if (n > 0) {
        ck_assert_mem_eq(h.raw, expect, n);
    }
}
#define EXPECT_LAYOUT(o, syn, style, ...)                                                          \
    expect_layout(o, syn, style, (const uint8_t[]){__VA_ARGS__},                                   \
                  sizeof((const uint8_t[]){__VA_ARGS__}))

/* The layouts that Linux sends, one by one. */
START_TEST(linux_order)
{
    struct tcp_opts o = {.has_mss = true, .mss = 1460};
    EXPECT_LAYOUT(o, true, TCP_OPTS_LINUX, 2, 4, 5, 180);
    o.has_wscale = true;
    o.wscale = 8;
    EXPECT_LAYOUT(o, true, TCP_OPTS_LINUX, 2, 4, 5, 180, 1, 3, 3, 8);
    o.has_sack_perm = true;
    EXPECT_LAYOUT(o, true, TCP_OPTS_LINUX, 2, 4, 5, 180, 1, 1, 4, 2, 1, 3, 3, 8);
    o.has_ts = true;
    o.ts_val = 100;
    o.ts_ecr = 0x01020304;
    EXPECT_LAYOUT(o, true, TCP_OPTS_LINUX, 2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 100, 1, 2, 3, 4, 1,
                  3, 3, 8);
    o.has_sack_perm = false;
    EXPECT_LAYOUT(o, true, TCP_OPTS_LINUX, 2, 4, 5, 180, 1, 1, 8, 10, 0, 0, 0, 100, 1, 2, 3, 4, 1,
                  3, 3, 8);
    /* Fast Open comes last and is padded behind. */
    o = (struct tcp_opts){.has_mss = true, .mss = 1460, .has_fastopen = true};
    EXPECT_LAYOUT(o, true, TCP_OPTS_LINUX, 2, 4, 5, 180, 34, 2, 1, 1);
    o.fastopen_len = 8;
    memcpy(o.fastopen, "abcdefgh", 8);
    EXPECT_LAYOUT(o, true, TCP_OPTS_LINUX, 2, 4, 5, 180, 34, 10, 'a', 'b', 'c', 'd', 'e', 'f', 'g',
                  'h', 1, 1);
}
END_TEST

START_TEST(linux_order_without_syn)
{
    /* Everything that belongs to a SYN is left out elsewhere. */
    struct tcp_opts o = {
        .has_mss = true, .has_wscale = true, .has_sack_perm = true, .has_fastopen = true};
    expect_layout(o, false, TCP_OPTS_LINUX, NULL, 0);
    o.has_ts = true;
    o.ts_val = 1;
    o.ts_ecr = 2;
    EXPECT_LAYOUT(o, false, TCP_OPTS_LINUX, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2);
    o.nsack = 1;
    o.sack[0] = (struct tcp_sack_block){3, 4};
    EXPECT_LAYOUT(o, false, TCP_OPTS_LINUX, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1, 5, 10, 0, 0,
                  0, 3, 0, 0, 0, 4);
    o.has_ts = false;
    EXPECT_LAYOUT(o, false, TCP_OPTS_LINUX, 1, 1, 5, 10, 0, 0, 0, 3, 0, 0, 0, 4);
    o.nsack = 0;
    expect_layout(o, false, TCP_OPTS_LINUX, NULL, 0);
}
END_TEST

START_TEST(plain_order)
{
    struct tcp_opts o = {.has_mss = true,
                         .mss = 1460,
                         .has_wscale = true,
                         .wscale = 7,
                         .has_sack_perm = true,
                         .has_ts = true,
                         .ts_val = 1,
                         .ts_ecr = 2};
    EXPECT_LAYOUT(o, true, TCP_OPTS_PLAIN, 2, 4, 5, 180, 1, 3, 3, 7, 1, 1, 4, 2, 1, 1, 8, 10, 0, 0,
                  0, 1, 0, 0, 0, 2);
    o.nsack = 1;
    o.sack[0] = (struct tcp_sack_block){3, 4};
    EXPECT_LAYOUT(o, false, TCP_OPTS_PLAIN, 1, 1, 5, 10, 0, 0, 0, 3, 0, 0, 0, 4, 1, 1, 8, 10, 0, 0,
                  0, 1, 0, 0, 0, 2);
    o = (struct tcp_opts){.has_fastopen = true, .fastopen_len = 4, .fastopen = {9, 8, 7, 6}};
    EXPECT_LAYOUT(o, true, TCP_OPTS_PLAIN, 1, 1, 34, 6, 9, 8, 7, 6);
}
END_TEST

START_TEST(sack_blocks_that_fit)
{
    static const enum tcp_opt_style styles[] = {TCP_OPTS_LINUX, TCP_OPTS_PLAIN};
    for (unsigned s = 0; s < 2; s++) {
        for (unsigned n = 0; n <= 4; n++) {
            for (unsigned ts = 0; ts < 2; ts++) {
                struct tcp_hdr h = {0}, back;
                h.o.nsack = (uint8_t)n;
                h.o.has_ts = ts == 1;
                for (unsigned i = 0; i < n; i++) {
                    h.o.sack[i] = (struct tcp_sack_block){100 * i, 100 * i + 50};
                }
                unsigned fit = ts == 1 && n > 3 ? 3 : n;
                unsigned len = tcp_opts_layout(&h, false, styles[s]);
                ck_assert_uint_eq(len, ts * 12 + (fit > 0 ? 4 + 8 * fit : 0));
                ck_assert_int_eq(parse_options(&back, h.raw, len), WIRE_OK);
                ck_assert_uint_eq(back.o.nsack, fit);
                ck_assert_int_eq(back.o.has_ts, ts == 1);
                ck_assert_mem_eq(back.o.sack, h.o.sack, fit * sizeof h.o.sack[0]);
            }
        }
    }
}
END_TEST

/* Whatever is asked for: at most 40 bytes, a multiple of 4, every option on the wire reads back as
 * it was meant, and nothing but the SACK blocks and cookie that don't fit is missing. */
START_TEST(layout_then_parse)
{
    struct prng r = {61};
    for (unsigned round = 0; round < prng_rounds(200000); round++) {
        struct tcp_opts o = {0};
        o.has_mss = prng_below(&r, 2) == 1;
        o.has_wscale = prng_below(&r, 2) == 1;
        o.has_sack_perm = prng_below(&r, 2) == 1;
        o.has_ts = prng_below(&r, 2) == 1;
        o.has_fastopen = prng_below(&r, 2) == 1;
        o.has_uto = prng_below(&r, 2) == 1;
        o.uto = o.has_uto ? prng_u16(&r) : 0;
        o.mss = o.has_mss ? prng_u16(&r) : 0;
        o.wscale = o.has_wscale ? prng_u8(&r) : 0;
        if (o.has_ts) {
            o.ts_val = prng_u32(&r);
            o.ts_ecr = prng_u32(&r);
        }
        if (o.has_fastopen && prng_below(&r, 3) != 0) {
            o.fastopen_len = (uint8_t)(4 + 2 * prng_below(&r, 7));
            prng_fill(&r, o.fastopen, o.fastopen_len);
        }
        o.nsack = (uint8_t)prng_below(&r, 5);
        for (unsigned i = 0; i < o.nsack; i++) {
            o.sack[i] = (struct tcp_sack_block){prng_u32(&r), prng_u32(&r)};
        }
        bool syn = prng_below(&r, 2) == 1;
        enum tcp_opt_style style = prng_below(&r, 2) == 1 ? TCP_OPTS_LINUX : TCP_OPTS_PLAIN;
        struct tcp_hdr h = {.o = o}, back;
        unsigned len = tcp_opts_layout(&h, syn, style);
        ck_assert_uint_le(len, 40);
        ck_assert_uint_eq(len % 4, 0);
        uint8_t *b = exact_block(20 + len);
        ck_assert_uint_eq(tcp_emit(&h, b), 20 + len);
        ck_assert_int_eq(tcp_parse(&back, b, 20 + len), WIRE_OK);
        ck_assert_uint_eq(back.o.unknown, 0);
        ck_assert_int_eq(back.o.has_mss, syn && o.has_mss);
        ck_assert_int_eq(back.o.has_wscale, syn && o.has_wscale);
        ck_assert_int_eq(back.o.has_sack_perm, syn && o.has_sack_perm);
        ck_assert_int_eq(back.o.has_ts, o.has_ts);
        ck_assert(!back.o.has_mss || back.o.mss == o.mss);
        ck_assert(!back.o.has_wscale || back.o.wscale == o.wscale);
        ck_assert(!back.o.has_ts || (back.o.ts_val == o.ts_val && back.o.ts_ecr == o.ts_ecr));
        unsigned most = !o.has_ts ? 4 : o.has_uto ? 2 : 3;
        unsigned fit = syn ? 0 : o.nsack > most ? most : o.nsack;
        ck_assert(back.o.has_uto ? back.o.uto == o.uto : !o.has_uto || (syn && len > 36));
        ck_assert_uint_eq(back.o.nsack, fit);
        ck_assert_mem_eq(back.o.sack, o.sack, fit * sizeof o.sack[0]);
        if (back.o.has_fastopen) {
            ck_assert(syn && o.has_fastopen);
            ck_assert_uint_eq(back.o.fastopen_len, o.fastopen_len);
            ck_assert_mem_eq(back.o.fastopen, o.fastopen, 16);
        } else if (syn && o.has_fastopen) {
            ck_assert_uint_gt(len + 2u + o.fastopen_len, 40);
        }
        free(b);
    }
}
END_TEST

/* ---- round trips of the whole header ---- */

START_TEST(emit_then_parse)
{
    struct prng r = {62};
    for (unsigned round = 0; round < prng_rounds(50000); round++) {
        struct tcp_hdr h = {0}, back;
        h.sport = prng_u16(&r);
        h.dport = prng_u16(&r);
        h.seq = prng_u32(&r);
        h.ack = prng_u32(&r);
        h.flags = prng_u16(&r) & 0x1ff;
        h.wnd = prng_u16(&r);
        h.urp = prng_u16(&r);
        h.o.has_ts = prng_below(&r, 2) == 1;
        h.o.ts_val = h.o.has_ts ? prng_u32(&r) : 0;
        h.o.ts_ecr = h.o.has_ts ? prng_u32(&r) : 0;
        h.o.has_mss = (h.flags & TCP_SYN) != 0;
        h.o.mss = h.o.has_mss ? prng_u16(&r) : 0;
        tcp_opts_layout(&h, (h.flags & TCP_SYN) != 0, TCP_OPTS_LINUX);
        uint8_t *b = exact_block(h.hlen);
        ck_assert_uint_eq(tcp_emit(&h, b), h.hlen);
        ck_assert_int_eq(tcp_parse(&back, b, h.hlen), WIRE_OK);
        ck_assert_uint_eq(back.sport, h.sport);
        ck_assert_uint_eq(back.dport, h.dport);
        ck_assert_uint_eq(back.seq, h.seq);
        ck_assert_uint_eq(back.ack, h.ack);
        ck_assert_uint_eq(back.flags, h.flags);
        ck_assert_uint_eq(back.reserved, 0);
        ck_assert_uint_eq(back.wnd, h.wnd);
        ck_assert_uint_eq(back.csum, 0);
        ck_assert_uint_eq(back.urp, h.urp);
        ck_assert_uint_eq(back.hlen, h.hlen);
        ck_assert_uint_eq(back.raw_len, h.raw_len);
        ck_assert_mem_eq(back.raw, h.raw, h.raw_len);
        ck_assert_int_eq(back.o.has_mss, h.o.has_mss);
        ck_assert_uint_eq(back.o.mss, h.o.mss);
        ck_assert_int_eq(back.o.has_ts, h.o.has_ts);
        ck_assert_uint_eq(back.o.ts_val, h.o.ts_val);
        free(b);
    }
}
END_TEST

/* Options of any length are padded with EOL, which is zero, and too many are cut. */
/* shows: MUST-69 */
START_TEST(options_are_padded_with_zero)
{
    for (unsigned len = 0; len <= 255; len++) {
        struct tcp_hdr h = {.raw_len = (uint8_t)len};
        memset(h.raw, TCPOPT_NOP_, sizeof h.raw);
        uint8_t *b = exact_block(60);
        size_t hlen = tcp_emit(&h, b), used = len < 40 ? len : 40;
        ck_assert_uint_eq(hlen, 20 + (used + 3) / 4 * 4);
        for (size_t i = 20; i < hlen; i++) {
            ck_assert_uint_eq(b[i], i < 20 + used ? TCPOPT_NOP_ : 0);
        }
        free(b);
    }
}
END_TEST

START_TEST(parse_then_emit)
{
    struct prng r = {63};
    unsigned parsed = 0;
    for (unsigned round = 0; round < prng_rounds(300000); round++) {
        size_t n = prng_below(&r, 80);
        uint8_t *b = prng_block(&r, n);
        if (n >= 20 && round % 4 != 0) {
            b[12] = (uint8_t)((5 + prng_below(&r, 11)) << 4 | (b[12] & 1));
            for (size_t i = 20; i < n && i < 60; i++) {
                static const uint8_t common[] = {0,  1,  1, 1, 2, 3, 4,  5, 8,
                                                 10, 34, 2, 3, 4, 6, 10, 18};
                if (prng_below(&r, 4) != 0) {
                    b[i] = common[prng_below(&r, sizeof common)];
                }
            }
        }
        struct tcp_hdr h;
        enum wire_status s = tcp_parse(&h, b, n);
        if (s == WIRE_OK || s == WIRE_BAD_OPTION) {
            uint8_t out[60];
            ck_assert_uint_eq(tcp_emit(&h, out), h.hlen);
            wire_put16(b + 16, 0);
            b[12] &= 0xf1;
            ck_assert_mem_eq(out, b, h.hlen);
            ck_assert_uint_le(h.o.nsack, 4);
            ck_assert_uint_le(h.o.fastopen_len, 16);
            parsed++;
        }
        free(b);
    }
    ck_assert_uint_gt(parsed, 100);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("wire_tcp");
    TCase *c = tcase_create("wire_tcp");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, known_syn);
    tcase_add_test(c, every_flag_and_reserved_bit);
    tcase_add_test(c, data_offset_at_every_length);
    tcase_add_test(c, illegal_option_lengths);
    tcase_add_test(c, every_kind_at_every_length);
    tcase_add_test(c, known_option_behind_an_unknown_one);
    tcase_add_test(c, the_first_of_a_kind_counts);
    tcase_add_test(c, linux_order);
    tcase_add_test(c, linux_order_without_syn);
    tcase_add_test(c, plain_order);
    tcase_add_test(c, sack_blocks_that_fit);
    tcase_add_test(c, layout_then_parse);
    tcase_add_test(c, emit_then_parse);
    tcase_add_test(c, options_are_padded_with_zero);
    tcase_add_test(c, parse_then_emit);
    suite_add_tcase(s, c);
    return s;
}
CHECK_MAIN(suite)
