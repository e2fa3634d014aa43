/* replay/play_mend.c: flawed captures, made out of good ones: the stack plays them all the same. */
#include "check_main.h"
#include "common/control.h"
#include "replay/play_mend.h"
#include "wire/checksum.h"

#include <stdlib.h>
#include <string.h>

static char msg[512];

/* ---- a capture made out of another ---- */

struct made {
    char *bytes;
    size_t n;
    FILE *f;
    uint64_t packets;
};

static void put32(FILE *f, uint32_t v)
{
    (void)fwrite(&v, 4, 1, f); /* the reader takes either order */
}

static void begin(struct made *m, uint16_t link)
{
    *m = (struct made){0};
    m->f = open_memstream(&m->bytes, &m->n);
    const uint32_t head[6] = {0xa1b23c4d, 2 | 4u << 16, 0, 0, 262144, link};
    (void)fwrite(head, sizeof(head), 1, m->f);
}

static void packet(struct made *m, int64_t wall, const uint8_t *bytes, uint32_t kept, uint32_t len)
{
    put32(m->f, (uint32_t)(wall / (int64_t)TD_SEC));
    put32(m->f, (uint32_t)(wall % (int64_t)TD_SEC));
    put32(m->f, kept);
    put32(m->f, len);
    (void)fwrite(bytes, 1, kept, m->f);
    m->packets++;
}

static struct capture_reader *original(const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "pcaps/%s/%s.pcapng", name, name);
    struct capture_reader *r = capture_open(path, msg, sizeof(msg));
    ck_assert_msg(r != NULL, "%s", msg);
    return r;
}

static int play(struct play *p, struct made *m, const char *side, const struct play_mend *mend)
{
    (void)fclose(m->f);
    struct capture_reader *r =
        capture_open_stream(fmemopen(m->bytes, m->n, "rb"), "made", msg, sizeof(msg));
    ck_assert_msg(r != NULL, "%s", msg);
    int status = play_load_mended(p, r, "made", 0, side, mend, msg, sizeof(msg));
    capture_close(r);
    if (status == EXIT_DONE)
        status = play_run(p, msg, sizeof(msg));
    free(m->bytes);
    return status;
}

static void all_same(const struct play *p, uint64_t n)
{
    for (unsigned v = 0; v < PLAY_VERDICTS; v++)
        ck_assert_msg(p->count[v] == (v == PLAY_SAME ? n : 0), "%lu %s", (unsigned long)p->count[v],
                      play_verdict_names[v]);
}

static const struct play_mend plain = {.sums = SUMS_REPAIR};

/* ---- checksums ---- */

enum { GOOD, BAD, UNFINISHED, NO_HEADERS };

/* The peer's D-SACK, which has something sent again, has another checksum; or no IP header has one,
 * as where cards write them. */
static void with_sum(struct made *m, int kind)
{
    struct capture_reader *r = original("dsack");
    struct capture_frame f;
    uint8_t b[2048];
    begin(m, 1);
    while (capture_next(r, &f, msg, sizeof(msg)) == 1) {
        memcpy(b, f.bytes, f.caplen);
        uint8_t *ip = b + 14, *tcp = ip + 20;
        if (kind == NO_HEADERS)
            wire_put16(ip + 10, 0);
        if (m->packets == 7 && kind == BAD)
            tcp[16] ^= 0xff;
        if (m->packets == 7 && kind == UNFINISHED)
            wire_put16(tcp + 16, (uint16_t)~checksum_finish(
                                     checksum_pseudo(wire_get32(ip + 12), wire_get32(ip + 16), 6,
                                                     (uint16_t)(wire_get16(ip + 2) - 20))));
        packet(m, f.wall, b, f.caplen, f.len);
    }
    capture_close(r);
}

START_TEST(checksums)
{
    struct play p;
    struct made m;
    struct play_mend mend = plain;
    with_sum(&m, GOOD);
    ck_assert_int_eq(play(&p, &m, "server", &mend), EXIT_DONE);
    uint64_t n = p.count[PLAY_SAME], all = p.ncap;
    all_same(&p, n);
    ck_assert_uint_eq(p.repaired, 0);
    play_done(&p);
    with_sum(&m, BAD); /* taken for right: the same */
    ck_assert_int_eq(play(&p, &m, "server", &mend), EXIT_DONE);
    all_same(&p, n);
    ck_assert_uint_eq(p.repaired, 1);
    play_done(&p);
    with_sum(&m, NO_HEADERS);
    ck_assert_int_eq(play(&p, &m, "server", &mend), EXIT_DONE);
    all_same(&p, n);
    ck_assert_uint_eq(p.repaired, all);
    play_done(&p);
    mend.sums = SUMS_HONOUR; /* the stack discards it */
    with_sum(&m, BAD);
    ck_assert_int_eq(play(&p, &m, "server", &mend), EXIT_DONE);
    ck_assert_uint_eq(p.discarded, 1);
    ck_assert_uint_eq(p.ncap, all);
    ck_assert_uint_lt(p.count[PLAY_SAME], n);
    play_done(&p);
    with_sum(&m, UNFINISHED); /* its card was to complete it */
    ck_assert_int_eq(play(&p, &m, "server", &mend), EXIT_DONE);
    all_same(&p, n);
    ck_assert_uint_eq(p.discarded, 0);
    play_done(&p);
    mend.sums = SUMS_DROP;
    with_sum(&m, BAD);
    ck_assert_int_eq(play(&p, &m, "server", &mend), EXIT_DONE);
    ck_assert_uint_eq(p.dropped, 1);
    ck_assert_uint_eq(p.ncap, all - 1);
    ck_assert_uint_lt(p.count[PLAY_SAME], n);
    play_done(&p);
    with_sum(&m, NO_HEADERS);
    ck_assert_int_eq(play(&p, &m, "server", &mend), EXIT_USAGE);
    ck_assert_msg(strstr(msg, "all its packets have a wrong checksum") != NULL, "%s", msg);
    play_done(&p);
}
END_TEST

/* ---- a connection of a host with itself ---- */

static void with_addresses(struct made *m, const uint8_t both[8])
{
    struct capture_reader *r = original("dsack");
    struct capture_frame f;
    uint8_t b[2048];
    begin(m, 1);
    while (capture_next(r, &f, msg, sizeof(msg)) == 1) {
        bool forward = wire_get16(f.bytes + 36) == 8080;
        memcpy(b, f.bytes, f.caplen);
        memcpy(b + 26, both + (forward ? 0 : 4), 4);
        memcpy(b + 30, both + (forward ? 4 : 0), 4);
        packet(m, f.wall, b, f.caplen, f.len);
    }
    capture_close(r);
}

START_TEST(addresses_of_nobody)
{
    static const uint8_t them[3][8] = {
        {10, 0, 0, 1, 0, 0, 0, 2}, {224, 0, 0, 5, 10, 0, 0, 1}, {10, 0, 0, 1, 255, 255, 255, 255}};
    for (size_t i = 0; i < 3; i++)
        for (int side = 0; side < 2; side++) {
            struct made m;
            struct play p;
            with_addresses(&m, them[i]);
            ck_assert_int_eq(play(&p, &m, side == 0 ? "client" : "server", &plain), EXIT_USAGE);
            ck_assert_msg(strstr(msg, "can't be a host's") != NULL, "%s", msg);
            play_done(&p);
        }
}
END_TEST

START_TEST(one_host)
{
    static const uint8_t loopback[8] = {127, 0, 0, 1, 127, 0, 0, 1};
    struct made m;
    struct play p;
    with_addresses(&m, loopback);
    ck_assert_int_eq(play(&p, &m, "127.0.0.1:8080", &plain), EXIT_DONE);
    ck_assert_uint_ge(p.count[PLAY_SAME], 5);
    all_same(&p, p.count[PLAY_SAME]);
    ck_assert(p.one_host);
    play_done(&p);
}
END_TEST

/* ---- super-segments ---- */

/* Neighbours of one sender at one time that follow each other are joined, as cards do it. */
static void joined(struct made *m, const char *name)
{
    struct capture_reader *r = original(name);
    struct capture_frame f;
    static uint8_t b[65536], next[65536];
    uint32_t n = 0;
    int64_t wall = 0;
    begin(m, 1);
    while (capture_next(r, &f, msg, sizeof(msg)) == 1) {
        memcpy(next, f.bytes, f.caplen);
        uint32_t at = 14 + 20 + (uint32_t)(next[14 + 20 + 12] >> 4) * 4,
                 len = 14 + wire_get16(next + 16);
        bool joins = n > 0 && f.wall == wall && len > at && memcmp(b + 26, next + 26, 8) == 0 &&
                     memcmp(b + 34, next + 34, 4) == 0 &&
                     wire_get32(b + 38) + (n - at) == wire_get32(next + 38) &&
                     memcmp(b + 42, next + 42, 4) == 0 && n > at;
        if (joins) {
            memcpy(b + n, next + at, len - at);
            n += len - at;
            b[47] |= next[47];
            wire_put16(b + 16, (uint16_t)(n - 14));
            wire_put16(b + 24, 0);
            wire_put16(b + 24, checksum_finish(checksum_add(0, b + 14, 20)));
            continue;
        }
        if (n > 0)
            packet(m, wall, b, n, n);
        memcpy(b, next, len);
        n = len;
        wall = f.wall;
    }
    if (n > 0)
        packet(m, wall, b, n, n);
    capture_close(r);
}

START_TEST(super_segments)
{
    struct play p;
    struct made m;
    begin(&m, 1);
    struct capture_reader *r = original("sack");
    struct capture_frame f;
    while (capture_next(r, &f, msg, sizeof(msg)) == 1)
        packet(&m, f.wall, f.bytes, f.caplen, f.len);
    capture_close(r);
    ck_assert_int_eq(play(&p, &m, "server", &plain), EXIT_DONE);
    uint64_t n = p.count[PLAY_SAME], all = p.ncap;
    ck_assert_uint_eq(p.resegmented, 0);
    all_same(&p, n);
    play_done(&p);
    joined(&m, "sack");
    ck_assert_uint_lt(m.packets, all);
    ck_assert_int_eq(play(&p, &m, "server", &plain), EXIT_DONE);
    ck_assert_uint_gt(p.resegmented, 0);
    ck_assert_uint_eq(p.ncap, all); /* as many as before they were joined */
    all_same(&p, n);
    play_done(&p);
    joined(&m, "sack"); /* the other side: its text comes in pieces */
    ck_assert_int_eq(play(&p, &m, "client", &plain), EXIT_DONE);
    ck_assert_uint_eq(p.ncap, all);
    play_done(&p);
    joined(&m, "sack"); /* for a smaller MTU */
    const struct play_mend mend = {.sums = SUMS_REPAIR, .mtu = 576};
    ck_assert_int_eq(play(&p, &m, "server", &mend), EXIT_DONE);
    for (size_t i = 0; i < p.ncap; i++)
        ck_assert_uint_le(p.cap[i].len, 576);
    play_done(&p);
}
END_TEST

/* ---- a beginning that wasn't captured, times, lengths ---- */

static void without(struct made *m, const char *name, uint64_t first, uint32_t snap, bool backwards)
{
    struct capture_reader *r = original(name);
    struct capture_frame f;
    begin(m, 1);
    for (uint64_t i = 1; capture_next(r, &f, msg, sizeof(msg)) == 1; i++)
        if (i >= first)
            packet(m, f.wall - (backwards && i == first + 5 ? 3 * (int64_t)TD_SEC : 0), f.bytes,
                   f.caplen < snap ? f.caplen : snap, f.len);
    capture_close(r);
}

START_TEST(midstream)
{
    struct play p;
    struct made m;
    const struct play_mend assume = {.sums = SUMS_REPAIR, .assume = true};
    without(&m, "half-close", 4, 65535, false);
    ck_assert_int_eq(play(&p, &m, "server", &plain), EXIT_USAGE);
    ck_assert(p.midstream);
    ck_assert_ptr_nonnull(strstr(msg, "--midstream assume"));
    play_done(&p);
    const char *sides[] = {"client", "server"}; /* who was seen first is taken for the client */
    for (int i = 0; i < 2; i++) {
        without(&m, "half-close", 4, 65535, false);
        ck_assert_msg(play(&p, &m, sides[i], &assume) == EXIT_DONE, "%s", msg);
        ck_assert(p.assumed);
        ck_assert_uint_gt(p.count[PLAY_SAME] + p.count[PLAY_EARLIER] + p.count[PLAY_LATER], 0);
        ck_assert_msg(i != 0 || p.count[PLAY_MISSING] + p.count[PLAY_EXTRA] == 0,
                      "%s: %lu missing, %lu extra", sides[i], (unsigned long)p.count[PLAY_MISSING],
                      (unsigned long)p.count[PLAY_EXTRA]);
        play_done(&p);
    }
    without(&m, "half-close", 2, 65535, false); /* the SYN-ACK is there */
    ck_assert_int_eq(play(&p, &m, "server", &assume), EXIT_DONE);
    ck_assert_uint_eq(p.count[PLAY_MISSING] + p.count[PLAY_EXTRA], 0);
    play_done(&p);
    without(&m, "half-close", 1, 65535, false); /* nothing to be assumed */
    ck_assert_int_eq(play(&p, &m, "server", &assume), EXIT_DONE);
    ck_assert(!p.assumed);
    play_done(&p);
}
END_TEST

START_TEST(times_and_lengths)
{
    struct play p;
    struct made m;
    without(&m, "sack", 1, 65535, true);
    ck_assert_int_eq(play(&p, &m, "server", &plain), EXIT_DONE);
    ck_assert_uint_eq(p.clamped, 1);
    for (size_t i = 1; i < p.ncap; i++)
        ck_assert_uint_ge(p.cap[i].at, p.cap[i - 1].at);
    play_done(&p);
    without(&m, "sack", 1, 100, false);
    ck_assert_int_eq(play(&p, &m, "server", &plain), EXIT_DONE);
    ck_assert_uint_gt(p.cut, 0);
    ck_assert_uint_gt(p.cut_bytes, 400 * p.cut);
    ck_assert_uint_eq(p.count[PLAY_MISSING] + p.count[PLAY_EXTRA], 0);
    play_done(&p);
}
END_TEST

/* Urgent data, without a diary that would tell of it. */
START_TEST(urgent)
{
    static const struct {
        const char *side;
        uint64_t frames;
    } sides[] = {{"server", 4}, {"client", 5}};
    struct play p;
    struct made m;
    for (int i = 0; i < 2; i++) {
        without(&m, "urgent", 1, 65535, false);
        ck_assert_int_eq(play(&p, &m, sides[i].side, &plain), EXIT_DONE);
        all_same(&p, sides[i].frames);
        play_done(&p);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("replay play_mend");
    TCase *tc = tcase_create("mend");
    tcase_add_test(tc, checksums);
    tcase_add_test(tc, one_host);
    tcase_add_test(tc, addresses_of_nobody);
    tcase_add_test(tc, super_segments);
    tcase_add_test(tc, midstream);
    tcase_add_test(tc, times_and_lengths);
    tcase_add_test(tc, urgent);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
