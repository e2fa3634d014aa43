/* dev/capread.c: files of both formats, of all units of time and both byte orders; compressed ones;
 * tails that break off, and what is no capture. */
#include "common/check_main.h"
#include "common/prng.h"
#include "dev/capture.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define MICROSECONDS 0xa1b2c3d4u
#define NANOSECONDS  0xa1b23c4du

static char msg[512];

/* A capture file, built byte by byte. */
struct file {
    uint8_t b[4096];
    size_t n;
    bool big_endian;
};

static void put32(struct file *f, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++) {
        f->b[f->n++] = (uint8_t)(v >> 8 * (f->big_endian ? 3 - i : i));
    }
}

static void put16(struct file *f, uint32_t v)
{
    f->b[f->n++] = (uint8_t)(f->big_endian ? v >> 8 : v);
    f->b[f->n++] = (uint8_t)(f->big_endian ? v : v >> 8);
}

static void header(struct file *f, uint32_t magic, uint32_t link)
{
    put32(f, magic);
    put16(f, 2);
    put16(f, 4);
    put32(f, 0);
    put32(f, 0);
    put32(f, 65535);
    put32(f, link);
}

static void record(struct file *f, uint32_t sec, uint32_t fraction, uint32_t caplen, uint32_t len)
{
    put32(f, sec);
    put32(f, fraction);
    put32(f, caplen);
    put32(f, len);
    for (uint32_t i = 0; i < caplen; i++) {
        f->b[f->n++] = (uint8_t)(sec + i);
    }
}

static struct capture_reader *open_bytes(const struct file *f, size_t n)
{
    FILE *stream = fmemopen((void *)(uintptr_t)f->b, n, "rb");
    ck_assert_ptr_nonnull(stream);
    msg[0] = '\0';
    return capture_open_stream(stream, "file", msg, sizeof msg);
}

static int next(struct capture_reader *r, struct capture_frame *g)
{
    return capture_next(r, g, msg, sizeof msg);
}

static void expect_two(uint32_t magic, bool big_endian, uint32_t unit)
{
    struct file f = {.big_endian = big_endian};
    struct capture_frame g;
    header(&f, magic, 1);
    record(&f, 1700000000, 123456, 60, 60);
    record(&f, 1700000001, 999999, 20, 1514); /* cut by a snap length */
    struct capture_reader *r = open_bytes(&f, f.n);
    ck_assert_msg(r != NULL, "%s", msg);
    ck_assert_int_eq(next(r, &g), 1);
    ck_assert_int_eq(g.wall, (int64_t)(1700000000 * TD_SEC + 123456u * unit));
    ck_assert_uint_eq(g.caplen, 60);
    ck_assert_uint_eq(g.len, 60);
    for (uint32_t i = 0; i < 60; i++) {
        ck_assert_uint_eq(g.bytes[i], (uint8_t)(1700000000u + i));
    }
    ck_assert_int_eq(next(r, &g), 1);
    ck_assert_int_eq(g.wall, (int64_t)(1700000001 * TD_SEC + 999999u * unit));
    ck_assert_uint_eq(g.caplen, 20);
    ck_assert_uint_eq(g.len, 1514);
    ck_assert_int_eq(next(r, &g), 0);
    ck_assert_int_eq(next(r, &g), 0);
    ck_assert_uint_eq(capture_frames(r), 2);
    capture_close(r);
}

START_TEST(microseconds_and_nanoseconds_in_both_orders)
{
    expect_two(MICROSECONDS, false, 1000);
    expect_two(MICROSECONDS, true, 1000);
    expect_two(NANOSECONDS, false, 1);
    expect_two(NANOSECONDS, true, 1);
}
END_TEST

/* ---- pcapng ---- */

static void block(struct file *f, uint32_t type, const struct file *body)
{
    uint32_t total = 12 + (uint32_t)body->n;
    put32(f, type);
    put32(f, total);
    memcpy(f->b + f->n, body->b, body->n);
    f->n += body->n;
    put32(f, total);
}

static void section(struct file *f)
{
    struct file b = {.big_endian = f->big_endian};
    put32(&b, 0x1a2b3c4d);
    put16(&b, 1);
    put16(&b, 0);
    put32(&b, UINT32_MAX); /* of unknown length */
    put32(&b, UINT32_MAX);
    block(f, 0x0a0d0d0a, &b);
}

static void option(struct file *b, uint32_t code, const void *value, uint32_t len)
{
    put16(b, code);
    put16(b, len);
    memcpy(b->b + b->n, value, len);
    b->n += (len + 3) & ~3u;
}

/* resolution 0: the option is left out. */
static void interface(struct file *f, uint32_t link, const char *name, uint8_t resolution, int64_t offset)
{
    struct file b = {.big_endian = f->big_endian}, number = {.big_endian = f->big_endian};
    put16(&b, link);
    put16(&b, 0);
    put32(&b, 65535);
    option(&b, 2, name, (uint32_t)strlen(name));
    if (resolution != 0)
        option(&b, 9, &resolution, 1);
    if (offset != 0) {
        put32(&number, (uint32_t)((uint64_t)offset >> (f->big_endian ? 32 : 0)));
        put32(&number, (uint32_t)((uint64_t)offset >> (f->big_endian ? 0 : 32)));
        option(&b, 14, number.b, 8);
    }
    put32(&b, 0);
    block(f, 1, &b);
}

static void packet(struct file *f, uint32_t iface, uint64_t units, uint32_t caplen, uint32_t len,
                   const char *comment, const char *more, uint32_t flags)
{
    struct file b = {.big_endian = f->big_endian}, word = {.big_endian = f->big_endian};
    put32(&b, iface);
    put32(&b, (uint32_t)(units >> 32));
    put32(&b, (uint32_t)units);
    put32(&b, caplen);
    put32(&b, len);
    for (uint32_t i = 0; i < caplen; i++)
        b.b[b.n++] = (uint8_t)(iface + i);
    b.n = (b.n + 3) & ~(size_t)3;
    if (comment != NULL)
        option(&b, 1, comment, (uint32_t)strlen(comment));
    if (more != NULL)
        option(&b, 1, more, (uint32_t)strlen(more));
    put32(&word, flags);
    if (flags != 0)
        option(&b, 2, word.b, 4);
    word.n = 0;
    put32(&word, f->big_endian ? 7 : 9);
    put32(&word, f->big_endian ? 9 : 7);
    option(&b, 5, word.b, 8); /* 0x0000000700000009 */
    block(f, 6, &b);
}

START_TEST(blocks_of_pcapng)
{
    struct file f = {.big_endian = _i == 1}, b = {.big_endian = _i == 1};
    struct capture_frame g;
    section(&f);
    interface(&f, 1, "eth0", 0, 0);
    put32(&b, 12345);
    block(&f, 0x7654, &b); /* of a type that nobody knows */
    interface(&f, 101, "tun0", 9, 0);
    packet(&f, 0, UINT64_C(0x0005e0a21a2b3c4d), 7, 60, "first", "second", 1);
    packet(&f, 1, UINT64_C(1700000000123456789), 20, 20, NULL, NULL, 2);
    b.n = 0; /* a simple packet: of the first interface, without a time */
    put32(&b, 3);
    put32(&b, f.big_endian ? 0x01020300 : 0x00030201);
    block(&f, 3, &b);
    section(&f); /* its interfaces begin anew */
    interface(&f, 276, "", 0, 0);
    packet(&f, 0, 5, 1, 1, NULL, NULL, 0);
    struct capture_reader *r = open_bytes(&f, f.n);
    ck_assert_msg(r != NULL, "%s", msg);
    ck_assert_msg(next(r, &g) == 1, "%s", msg);
    ck_assert_int_eq(g.wall, INT64_C(0x0005e0a21a2b3c4d) * 1000); /* its default unit: microseconds */
    ck_assert(g.timed);
    ck_assert_uint_eq(g.caplen, 7);
    ck_assert_uint_eq(g.len, 60);
    ck_assert_uint_eq(g.link, 1);
    ck_assert_uint_eq(g.dir, CAPTURE_IN);
    ck_assert_str_eq(g.comment, "first\nsecond");
    ck_assert_uint_eq(g.number, UINT64_C(0x0000000700000009));
    ck_assert_mem_eq(g.bytes, "\0\1\2\3\4\5\6", 7);
    ck_assert_str_eq(capture_interface(r, 0)->name, "eth0");
    ck_assert_str_eq(capture_interface(r, 1)->name, "tun0");
    ck_assert_ptr_null(capture_interface(r, 2));
    ck_assert_msg(next(r, &g) == 1, "%s", msg);
    ck_assert_int_eq(g.wall, INT64_C(1700000000123456789));
    ck_assert_uint_eq(g.link, 101);
    ck_assert_uint_eq(g.iface, 1);
    ck_assert_uint_eq(g.dir, CAPTURE_OUT);
    ck_assert_ptr_null(g.comment);
    ck_assert_msg(next(r, &g) == 1, "%s", msg);
    ck_assert(!g.timed && g.caplen == 3 && g.len == 3 && g.iface == 0);
    ck_assert_mem_eq(g.bytes, "\1\2\3", 3);
    ck_assert_msg(next(r, &g) == 1, "%s", msg);
    ck_assert_uint_eq(g.link, 276);
    ck_assert_int_eq(g.wall, 5000);
    ck_assert_uint_eq(g.dir, CAPTURE_UNKNOWN);
    ck_assert_int_eq(next(r, &g), 0);
    ck_assert_uint_eq(capture_frames(r), 4);
    capture_close(r);
}
END_TEST

START_TEST(units_of_time)
{
    static const struct {
        uint8_t resolution;
        int64_t offset;
        uint64_t units;
        int64_t ns;
    } v[] = {
        {6, 0, 1, 1000},
        {9, 0, 1, 1},
        {0x80, 100, 3, 103 * INT64_C(1000000000)}, /* seconds, and as many later */
        {12, 0, 1234567, 1234},
        {19, 0, UINT64_C(10000000000000000000), 1000000000},
        {3, -1, 1500, 500000000},
        {0x80 | 10, 0, 1024 + 512, 1500000000},
        {0x80 | 32, 0, UINT64_C(0x180000000), 1500000000},
        {0x80 | 63, 0, UINT64_C(1) << 62, 500000000},
        {0x80 | 127, 0, UINT64_MAX, 0},
        {127, 0, UINT64_MAX, 0},
        {0x80, 0, UINT64_MAX, INT64_MAX}, /* what can't be */
        {6, INT64_MIN, 0, INT64_MIN},
    };
    for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
        struct file f = {.big_endian = false};
        struct capture_frame g;
        section(&f);
        interface(&f, 1, "x", v[i].resolution, v[i].offset);
        packet(&f, 0, v[i].units, 0, 0, NULL, NULL, 0);
        struct capture_reader *r = open_bytes(&f, f.n);
        ck_assert_int_eq(next(r, &g), 1);
        ck_assert_msg(g.wall == v[i].ns, "row %zu: %lld", i, (long long)g.wall);
        capture_close(r);
    }
}
END_TEST

/* Cut anywhere, or damaged in any byte: it ends, and what is whole before the cut is handed out. */
START_TEST(pcapng_cut_and_damaged)
{
    struct file f = {.big_endian = false};
    size_t ends[3];
    struct capture_frame g;
    section(&f);
    interface(&f, 1, "eth0", 9, 0);
    for (int i = 0; i < 3; i++) {
        packet(&f, 0, 5, 30, 30, "why", NULL, 1);
        ends[i] = f.n;
    }
    for (size_t n = 28; n < f.n; n++) {
        struct capture_reader *r = open_bytes(&f, n);
        unsigned whole = 0, got = 0;
        ck_assert_ptr_nonnull(r);
        while (whole < 3 && ends[whole] <= n)
            whole++;
        while (next(r, &g) == 1)
            got++;
        ck_assert_uint_eq(got, whole);
        bool boundary = n == 28 || n == ends[0] || n == ends[1] || n == ends[0] - (ends[1] - ends[0]);
        ck_assert_int_eq(next(r, &g), boundary ? 0 : -1);
        capture_close(r);
    }
    for (size_t at = 0; at < f.n; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            struct file d = f;
            unsigned got = 0;
            d.b[at] ^= (uint8_t)(1u << bit);
            struct capture_reader *r = open_bytes(&d, d.n);
            while (r != NULL && next(r, &g) == 1)
                got++;
            ck_assert_uint_le(got, 3);
            capture_close(r);
        }
    }
}
END_TEST

START_TEST(more_interfaces_than_can_be)
{
    struct file s = {.big_endian = false}, i = {.big_endian = false};
    struct capture_frame g;
    section(&s);
    interface(&i, 1, "", 0, 0);
    size_t n = s.n + i.n * 5000;
    uint8_t *bytes = malloc(n);
    memcpy(bytes, s.b, s.n);
    for (unsigned k = 0; k < 5000; k++)
        memcpy(bytes + s.n + i.n * k, i.b, i.n);
    struct capture_reader *r = capture_open_stream(fmemopen(bytes, n, "rb"), "file", msg, sizeof msg);
    ck_assert_ptr_nonnull(r);
    ck_assert_int_eq(next(r, &g), -1);
    ck_assert_msg(strstr(msg, "4096 interfaces") != NULL, "%s", msg);
    capture_close(r);
    free(bytes);
}
END_TEST

/* ---- compressed ---- */

START_TEST(compressed_with_gzip)
{
    struct file f = {.big_endian = false};
    struct capture_frame g;
    char path[] = "/tmp/tapdeck-capread-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    header(&f, NANOSECONDS, 1);
    for (uint32_t i = 0; i < 20; i++)
        record(&f, i, i, 100, 100);
    gzFile z = gzdopen(dup(fd), "wb");
    ck_assert_int_eq(gzwrite(z, f.b, 1000), 1000);
    gzclose(z);
    z = gzdopen(dup(fd), "ab"); /* in two pieces, as `cat a.gz b.gz` makes them */
    ck_assert_int_eq(gzwrite(z, f.b + 1000, (unsigned)f.n - 1000), (int)f.n - 1000);
    gzclose(z);
    struct capture_reader *r = capture_open(path, msg, sizeof msg);
    ck_assert_msg(r != NULL, "%s", msg);
    for (uint32_t i = 0; i < 20; i++) {
        ck_assert_msg(next(r, &g) == 1, "%s", msg);
        ck_assert_int_eq(g.wall, (int64_t)(i * TD_SEC + i));
    }
    ck_assert_int_eq(next(r, &g), 0);
    capture_close(r);
    off_t size = lseek(fd, 0, SEEK_END);
    ck_assert_int_eq(ftruncate(fd, size - 30), 0);
    r = capture_open(path, msg, sizeof msg);
    unsigned got = 0;
    while (next(r, &g) == 1)
        got++;
    ck_assert_uint_gt(got, 5);
    ck_assert_uint_lt(got, 20);
    ck_assert_int_eq(next(r, &g), -1);
    ck_assert_msg(strstr(msg, "compressed") != NULL, "%s", msg);
    capture_close(r);
    close(fd);
    unlink(path);
}
END_TEST

/* ---- what breaks off ---- */

/* Wherever the file ends, every whole frame is handed out, and then the reader says that it isn't
 * whole; unless it ends between two records: nobody can tell then. */
START_TEST(a_tail_that_breaks_off_anywhere)
{
    struct file f = {.big_endian = false};
    header(&f, MICROSECONDS, 1);
    record(&f, 1, 1, 60, 60);
    record(&f, 2, 2, 30, 30);
    record(&f, 3, 3, 0, 0);
    static const size_t ends[] = {24, 24 + 76, 24 + 76 + 46, 24 + 76 + 46 + 16};
    ck_assert_uint_eq(f.n, ends[3]);
    for (size_t n = 24; n <= f.n; n++) {
        struct capture_reader *r = open_bytes(&f, n);
        struct capture_frame g;
        ck_assert_msg(r != NULL, "%s", msg);
        unsigned whole = 0;
        while (whole < 3 && ends[whole + 1] <= n) {
            whole++;
        }
        for (unsigned i = 0; i < whole; i++) {
            ck_assert_int_eq(next(r, &g), 1);
        }
        int expect = n == ends[whole] ? 0 : -1;
        ck_assert_int_eq(next(r, &g), expect);
        ck_assert_uint_eq(capture_frames(r), whole);
        if (expect == -1) {
            char how_many[64];
            snprintf(how_many, sizeof how_many, "file: breaks off after %u frame%s: ", whole,
                     whole == 1 ? "" : "s");
            ck_assert_msg(strstr(msg, how_many) == msg, "%s", msg);
            msg[0] = '\0';
            ck_assert_int_eq(next(r, &g), -1); /* and says so again */
            ck_assert_msg(strstr(msg, how_many) == msg, "%s", msg);
        }
        capture_close(r);
    }
}
END_TEST

START_TEST(a_record_longer_than_any_frame)
{
    struct file f = {.big_endian = false};
    struct capture_frame g;
    header(&f, MICROSECONDS, 1);
    record(&f, 1, 1, 10, 10);
    put32(&f, 2);
    put32(&f, 2);
    put32(&f, 0x7fffffff);
    put32(&f, 0x7fffffff);
    struct capture_reader *r = open_bytes(&f, f.n);
    ck_assert_int_eq(next(r, &g), 1);
    ck_assert_int_eq(next(r, &g), -1);
    ck_assert_msg(strstr(msg, "after 1 frame:") != NULL, "%s", msg);
    capture_close(r);
}
END_TEST

START_TEST(what_is_not_a_capture)
{
    struct file f = {.big_endian = false};
    ck_assert_ptr_null(capture_open("/nonexistent/file.pcap", msg, sizeof msg));
    ck_assert_str_eq(msg, "/nonexistent/file.pcap: No such file or directory");
    ck_assert_ptr_null(capture_open("/", msg, sizeof msg));
    ck_assert_msg(strncmp(msg, "/: ", 3) == 0, "%s", msg);
    memcpy(f.b, "GET / HTTP/1.1\r\nHost: example\r\n\r\n", 33);
    ck_assert_ptr_null(open_bytes(&f, 33));
    ck_assert_msg(strncmp(msg, "file: not a capture file", 24) == 0, "%s", msg);
    f.n = 0;
    header(&f, MICROSECONDS, 1);
    for (size_t n = 1; n < 24; n++) { /* less than a file header */
        ck_assert_ptr_null(open_bytes(&f, n));
    }
    f.n = 0;
    header(&f, MICROSECONDS, 1);
    f.b[4] = 9; /* version 9.4 */
    ck_assert_ptr_null(open_bytes(&f, f.n));
    ck_assert_msg(strstr(msg, "version 9.4") != NULL, "%s", msg);
    ck_assert_ptr_null(capture_open("/dev/null", msg, sizeof msg));
    ck_assert_str_eq(msg, "/dev/null: it is empty");
}
END_TEST

static void custom(struct file *f, uint32_t type, uint32_t pen, const char *text, size_t len)
{
    struct file b = {.big_endian = f->big_endian};
    put32(&b, pen);
    memcpy(b.b + b.n, text, len);
    b.n += (len + 3) & ~(size_t)3;
    block(f, type, &b);
}

static unsigned customs;
static char custom_text[64];

static void take_custom(void *ctx, const char *text, size_t len)
{
    ck_assert_ptr_eq(ctx, &customs);
    customs++;
    snprintf(custom_text, sizeof custom_text, "%.*s", (int)len, text);
    ck_assert_uint_eq(strlen(custom_text), len);
}

/* Ours are given out, without their padding; those of others, or that may not be copied, are skipped; none is a frame. */
START_TEST(custom_blocks)
{
    struct file f = {.big_endian = _i == 1};
    struct capture_frame g;
    section(&f);
    interface(&f, 1, "eth0", 9, 0);
    custom(&f, 0xbad, 32473, "first", 5);
    packet(&f, 0, 5, 10, 10, NULL, NULL, 0);
    custom(&f, 0xbad, 10949, "another's", 9);
    custom(&f, 0x40000bad, 32473, "not to be copied", 16);
    custom(&f, 0xbad, 32473, "last of all\n", 12);
    struct file none = {.big_endian = f.big_endian};
    block(&f, 0xbad, &none); /* not even a number */
    for (unsigned wanted = 0; wanted < 2; wanted++) {
        struct capture_reader *r = open_bytes(&f, f.n);
        customs = 0;
        if (wanted)
            capture_on_custom(r, take_custom, &customs);
        ck_assert_int_eq(next(r, &g), 1);
        ck_assert_uint_eq(customs, wanted);
        ck_assert(!wanted || strcmp(custom_text, "first") == 0);
        ck_assert_int_eq(next(r, &g), 0);
        ck_assert_uint_eq(customs, wanted ? 2 : 0);
        ck_assert(!wanted || strcmp(custom_text, "last of all\n") == 0);
        capture_close(r);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("capread");
    TCase *c = tcase_create("capread");
    tcase_add_test(c, microseconds_and_nanoseconds_in_both_orders);
    tcase_add_loop_test(c, blocks_of_pcapng, 0, 2);
    tcase_add_test(c, units_of_time);
    tcase_add_test(c, pcapng_cut_and_damaged);
    tcase_add_test(c, more_interfaces_than_can_be);
    tcase_add_loop_test(c, custom_blocks, 0, 2);
    tcase_add_test(c, compressed_with_gzip);
    tcase_add_test(c, a_tail_that_breaks_off_anywhere);
    tcase_add_test(c, a_record_longer_than_any_frame);
    tcase_add_test(c, what_is_not_a_capture);
    suite_add_tcase(s, c);
    return s;
}
CHECK_MAIN(suite)
