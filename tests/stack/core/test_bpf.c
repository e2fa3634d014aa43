/* The BPF machine: against libpcap's on random programs and on what its compiler makes, and what is refused. */
#include "bpf_peer.h"
#include "check_main.h"
#include "common/filter.h"
#include "prng.h"

#include <string.h>

static struct mem m;

static void setup(void)
{
    mem_init(&m, 0);
}

static void teardown(void)
{
    pkt_cache_drop(&m);
    ck_assert_uint_eq(m.used, 0);
}

/* The frame in one piece, or its end in a slice. */
static struct pkt *frame_of(const uint8_t *b, uint32_t n, uint32_t head)
{
    struct pkt *p = pkt_from_bytes(&m, 0, b, head < n ? head : n);

    if (head < n) {
        struct pkt_block *block = pkt_block_alloc(&m, n - head);

        memcpy(block->bytes, b + head, n - head);
        ck_assert_int_eq(pkt_append_slice(p, block, 0, n - head), 0);
        pkt_block_free(block);
    }
    return p;
}

static const uint16_t codes[] = {
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x0c, 0x0e, 0x14, 0x15, 0x16, 0x1c, 0x1d, 0x20, 0x24, 0x25,
    0x28, 0x2c, 0x2d, 0x30, 0x34, 0x35, 0x3c, 0x3d, 0x40, 0x44, 0x45, 0x48, 0x4c, 0x4d, 0x50, 0x54, 0x5c, 0x60,
    0x61, 0x64, 0x6c, 0x74, 0x7c, 0x80, 0x81, 0x84, 0x87, 0x8c, 0x94, 0x9c, 0xa4, 0xac, 0xb1, 0xb4, 0x2a, 0x100,
};

/* Instructions of all kinds; where a number decides whether one is valid, mostly small ones. */
static uint32_t random_program(struct prng *r, struct td_bpf_insn *code)
{
    uint32_t n = bpf_peer_prologue(code), len = n + 1 + (uint32_t)prng_u64(r) % 24;

    for (uint32_t i = n; i < len; i++) {
        uint64_t x = prng_u64(r);

        code[i].code = codes[x % (sizeof codes / sizeof codes[0] - (x >> 60 != 0 ? 3 : 0))];
        code[i].k = x >> 62 == 0 ? (uint32_t)(x >> 20) : (uint32_t)(x >> 20) % 40;
        code[i].jt = (uint8_t)((x >> 40) % (len - i < 6 ? len - i + (x >> 61 == 0) : 6));
        code[i].jf = (uint8_t)((x >> 48) % (len - i < 6 ? len - i + (x >> 61 == 0) : 6));
        if ((code[i].code & 7) == 5 && (code[i].code & 0xf0) == 0)
            code[i].k %= len - i;
    }
    if (prng_u64(r) % 8 != 0)
        code[len - 1] = (struct td_bpf_insn){.code = (uint16_t)(prng_u64(r) % 2 != 0 ? 0x06 : 0x16), .k = 7};
    return len;
}

START_TEST(random_programs_as_libpcap_runs_them)
{
    struct prng r;
    unsigned ran = 0, nonzero = 0;

    r.state = 11;
    for (unsigned round = 0; round < 200000; round++) {
        struct td_bpf_insn code[64];
        uint8_t b[64];
        uint32_t len = random_program(&r, code), n = (uint32_t)prng_u64(&r) % (sizeof b + 1), ours, theirs;
        struct pkt *p;

        if (!bpf_valid(code, len))
            continue;
        ck_assert_msg(bpf_peer_valid(code, len), "round %u: libpcap wouldn't take what we take", round);
        for (uint32_t i = 0; i < n; i++)
            b[i] = (uint8_t)prng_u64(&r);
        p = frame_of(b, n, (uint32_t)prng_u64(&r) % 65);
        ours = bpf_run(code, p);
        theirs = bpf_peer_run(code, len, b, n);
        ck_assert_msg(ours == theirs, "round %u: ours %u, libpcap's %u", round, ours, theirs);
        pkt_free(p);
        ran++;
        nonzero += ours != 0;
    }
    ck_assert_uint_gt(ran, 20000);
    ck_assert_uint_gt(nonzero, ran / 10);
}
END_TEST

START_TEST(compiled_expressions_as_libpcap_runs_them)
{
    static const char *const exprs[] = {
        "tcp dst port 80",
        "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn|tcp-ack",
        "udp and (port 53 or port 5353)",
        "host 10.0.0.1 and not arp",
        "ether dst 02:00:00:00:00:01",
        "ip[6:2] & 0x1fff != 0",
        "vlan 7 and ip",
        "greater 100 and less 1000",
        "ip6 and tcp",
        "tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420",
        "src net 10.0.0.0/24 and dst portrange 1000-2000",
        "icmp[icmptype] = icmp-echo",
        "len % 7 == 3",
    };
    struct prng r;
    char msg[512];

    r.state = 12;
    for (unsigned e = 0; e < sizeof exprs / sizeof exprs[0]; e++) {
        struct td_bpf_insn code[TD_IMPAIR_CODE];
        uint32_t len;

        ck_assert_msg(filter_compile(exprs[e], code, TD_IMPAIR_CODE, &len, msg, sizeof msg), "%s", msg);
        ck_assert_msg(bpf_valid(code, len), "%s", exprs[e]);
        for (unsigned round = 0; round < 2000; round++) {
            uint8_t b[120];
            uint32_t n = (uint32_t)prng_u64(&r) % sizeof b;
            struct pkt *p;

            for (uint32_t i = 0; i < sizeof b; i++)
                b[i] = (uint8_t)prng_u64(&r);
            /* Mostly IPv4 and TCP from 10.0.0.1 to port 80, with anything bent. */
            memcpy(b + 12, "\x08\x00\x45\x00", 4);
            memcpy(b + 20, "\x00\x00\x40\x06", 4);
            memcpy(b + 26, "\x0a\x00\x00\x01\x0a\x00\x00\x02", 8);
            memcpy(b + 36, "\x00\x50", 2);
            if (prng_u64(&r) % 4 != 0)
                b[12 + prng_u64(&r) % 36] = (uint8_t)prng_u64(&r);
            p = frame_of(b, n, 30);
            ck_assert_msg((bpf_run(code, p) != 0) == (bpf_peer_run(code, len, b, n) != 0), "%s, round %u", exprs[e], round);
            pkt_free(p);
        }
    }
}
END_TEST

#define REFUSED(...)                                                                               \
    do {                                                                                           \
        const struct td_bpf_insn c[] = {__VA_ARGS__, {0x06, 0, 0, 1}};                             \
        ck_assert(!bpf_valid(c, sizeof c / sizeof c[0]));                                          \
    } while (0)

START_TEST(what_is_no_program)
{
    const struct td_bpf_insn one = {0x06, 0, 0, 1}, no_end = {0x00, 0, 0, 1};

    ck_assert(bpf_valid(&one, 1));
    ck_assert(!bpf_valid(&one, 0));
    ck_assert(!bpf_valid(&no_end, 1));               /* would run over the end */
    REFUSED({0x05, 0, 0, 1});                        /* ja beyond the end */
    REFUSED({0x05, 0, 0, UINT32_MAX});               /* ja backwards: a loop */
    REFUSED({0x15, 1, 0, 0});                        /* jeq beyond the end */
    REFUSED({0x15, 0, 1, 0});
    REFUSED({0x02, 0, 0, 16});                       /* st M[16] */
    REFUSED({0x60, 0, 0, 16});                       /* ld M[16] */
    REFUSED({0x34, 0, 0, 0});                        /* div #0 */
    REFUSED({0x94, 0, 0, 0});                        /* mod #0 */
    REFUSED({0x64, 0, 0, 32});                       /* lsh #32 */
    REFUSED({0xb4, 0, 0, 1});                        /* no such operation */
    REFUSED({0xb1, 0, 0, 1}, {0x21, 0, 0, 0});       /* ldx [k] */
    REFUSED({0x107, 0, 0, 0});                       /* beyond eight bits */
    REFUSED({0x0e, 0, 0, 0});                        /* ret x */
    REFUSED({0x8c, 0, 0, 0});                        /* neg x */
    REFUSED({0x1f, 0, 0, 0});                        /* no such misc */
}
END_TEST

/* A division by zero and a load from behind the end are "no match", never a crash. */
START_TEST(what_goes_wrong_while_it_runs)
{
    static const struct {
        struct td_bpf_insn code[4];
    } wrong[] = {
        {{{0x00, 0, 0, 5}, {0x3c, 0, 0, 0}, {0x06, 0, 0, 1}}},          /* 5 / x, x = 0 */
        {{{0x00, 0, 0, 5}, {0x9c, 0, 0, 0}, {0x06, 0, 0, 1}}},          /* 5 % x */
        {{{0x30, 0, 0, 8}, {0x06, 0, 0, 1}, {0x06, 0, 0, 1}}},          /* the ninth byte of eight */
        {{{0x20, 0, 0, 5}, {0x06, 0, 0, 1}, {0x06, 0, 0, 1}}},          /* a word of which three are there */
        {{{0x20, 0, 0, UINT32_MAX}, {0x06, 0, 0, 1}, {0x06, 0, 0, 1}}}, /* the offset must not wrap */
        {{{0x01, 0, 0, UINT32_MAX}, {0x50, 0, 0, 4}, {0x06, 0, 0, 1}}},
        {{{0xb1, 0, 0, 8}, {0x06, 0, 0, 1}, {0x06, 0, 0, 1}}},
    };
    struct pkt *p = frame_of((const uint8_t *)"abcdefgh", 8, 3);

    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_assert(bpf_valid(wrong[i].code, 3));
        ck_assert_uint_eq(bpf_run(wrong[i].code, p), 0);
    }
    pkt_free(p);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("bpf");
    TCase *t = tcase_create("bpf");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, random_programs_as_libpcap_runs_them);
    tcase_add_test(t, compiled_expressions_as_libpcap_runs_them);
    tcase_add_test(t, what_is_no_program);
    tcase_add_test(t, what_goes_wrong_while_it_runs);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
