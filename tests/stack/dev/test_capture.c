/* dev/capture.c: files of both time units and both byte orders, pcapng, tails that break off, and
 * what the writer writes. */
#include "common/check_main.h"
#include "common/prng.h"
#include "dev/capture.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

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

struct got {
    td_time wall;
    const uint8_t *frame;
    uint32_t caplen, len;
};
static int next(struct capture_reader *r, struct got *g)
{
    return capture_next(r, &g->wall, &g->frame, &g->caplen, &g->len, msg, sizeof msg);
}

static void expect_two(uint32_t magic, bool big_endian, uint32_t unit)
{
    struct file f = {.big_endian = big_endian};
    struct got g;
    header(&f, magic, 1);
    record(&f, 1700000000, 123456, 60, 60);
    record(&f, 1700000001, 999999, 20, 1514); /* cut by a snap length */
    struct capture_reader *r = open_bytes(&f, f.n);
    ck_assert_msg(r != NULL, "%s", msg);
    ck_assert_int_eq(next(r, &g), 1);
    ck_assert_uint_eq(g.wall, 1700000000 * TD_SEC + 123456u * unit);
    ck_assert_uint_eq(g.caplen, 60);
    ck_assert_uint_eq(g.len, 60);
    for (uint32_t i = 0; i < 60; i++) {
        ck_assert_uint_eq(g.frame[i], (uint8_t)(1700000000u + i));
    }
    ck_assert_int_eq(next(r, &g), 1);
    ck_assert_uint_eq(g.wall, 1700000001 * TD_SEC + 999999u * unit);
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

START_TEST(pcapng)
{
    struct file f = {.big_endian = false};
    struct got g;
    static const uint32_t section[] = {0x0a0d0d0a, 28, 0x1a2b3c4d, 1, UINT32_MAX, UINT32_MAX, 28};
    static const uint32_t interface[] = {1, 20, 1, 65535, 20};
    static const uint32_t packet[] = {6, 36, 0, 0x0005e0a2, 0x1a2b3c4d, 4, 60, 0xddccbbaa, 36};
    for (size_t i = 0; i < 7; i++) {
        put32(&f, section[i]);
    }
    for (size_t i = 0; i < 5; i++) {
        put32(&f, interface[i]);
    }
    for (size_t i = 0; i < 9; i++) {
        put32(&f, packet[i]);
    }
    struct capture_reader *r = open_bytes(&f, f.n);
    ck_assert_msg(r != NULL, "%s", msg);
    ck_assert_int_eq(next(r, &g), 1);
    ck_assert_uint_eq(g.wall,
                      UINT64_C(0x0005e0a21a2b3c4d) * 1000); /* its default unit: microseconds */
    ck_assert_uint_eq(g.caplen, 4);
    ck_assert_uint_eq(g.len, 60);
    ck_assert_mem_eq(g.frame, "\xaa\xbb\xcc\xdd", 4);
    ck_assert_int_eq(next(r, &g), 0);
    capture_close(r);
}
END_TEST

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
        struct got g;
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
    struct got g;
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
    header(&f, MICROSECONDS, 101); /* raw IP */
    ck_assert_ptr_null(open_bytes(&f, f.n));
    ck_assert_msg(strstr(msg, "RAW") != NULL && strstr(msg, "Ethernet") != NULL, "%s", msg);
}
END_TEST

/* ---- writing ---- */

static void make_path(char path[64])
{
    strcpy(path, "/tmp/tapdeck-capture-XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

START_TEST(what_is_written_reads_back)
{
    struct prng rng = {7};
    struct mem m;
    struct got g;
    char path[64];
    make_path(path);
    mem_init(&m, 0);
    struct capture_writer *w = capture_create(path, 0, msg, sizeof msg);
    ck_assert_msg(w != NULL, "%s", msg);
    uint8_t bytes[3000];
    prng_fill(&rng, bytes, sizeof bytes);
    for (uint32_t i = 0; i < 200; i++) {
        /* A head, and a payload in one or two slices of shared blocks. */
        struct pkt *p = pkt_from_bytes(&m, 0, bytes, 14 + i);
        ck_assert_ptr_nonnull(p);
        for (uint32_t slice = 0; slice < i % 3; slice++) {
            struct pkt_block *block = pkt_block_alloc(&m, 700);
            ck_assert_ptr_nonnull(block);
            memcpy(block->bytes, bytes + 1000 * slice, 700);
            ck_assert_int_eq(pkt_append_slice(p, block, 3, 600), 0);
            pkt_block_free(block);
        }
        ck_assert_int_eq(capture_write(w, (td_time)i * TD_SEC + 999999999 - i, p), 0);
        pkt_free(p);
    }
    ck_assert_int_eq(capture_flush(w), 0);

    struct capture_reader *r =
        capture_open(path, msg, sizeof msg); /* readable before it is finished */
    ck_assert_msg(r != NULL, "%s", msg);
    for (uint32_t i = 0; i < 200; i++) {
        ck_assert_int_eq(next(r, &g), 1);
        ck_assert_uint_eq(g.wall, (td_time)i * TD_SEC + 999999999 - i);
        ck_assert_uint_eq(g.len, 14 + i + i % 3 * 600);
        ck_assert_uint_eq(g.caplen, g.len);
        ck_assert_mem_eq(g.frame, bytes, 14 + i);
        for (uint32_t slice = 0; slice < i % 3; slice++) {
            ck_assert_mem_eq(g.frame + 14 + i + 600 * slice, bytes + 1000 * slice + 3, 600);
        }
    }
    ck_assert_int_eq(next(r, &g), 0);
    capture_close(r);
    capture_finish(w);
    ck_assert_uint_eq(m.used, 0);
    unlink(path);
}
END_TEST

START_TEST(the_file_says_nanoseconds)
{
    char path[64];
    uint8_t magic[4] = {0};
    make_path(path);
    struct capture_writer *w = capture_create(path, 100, msg, sizeof msg);
    capture_finish(w);
    FILE *f = fopen(path, "rb");
    ck_assert_uint_eq(fread(magic, 1, 4, f), 4);
    fclose(f);
    uint32_t v;
    memcpy(&v, magic, 4);
    ck_assert_uint_eq(v, NANOSECONDS);
    unlink(path);
}
END_TEST

START_TEST(snap_length)
{
    struct mem m;
    struct got g;
    char path[64];
    uint8_t bytes[200] = {1, 2, 3};
    make_path(path);
    mem_init(&m, 0);
    struct capture_writer *w = capture_create(path, 96, msg, sizeof msg);
    static const uint32_t lengths[] = {95, 96, 97, 200};
    for (size_t i = 0; i < 4; i++) {
        struct pkt *p = pkt_from_bytes(&m, 0, bytes, lengths[i]);
        ck_assert_int_eq(capture_write(w, 1, p), 0);
        pkt_free(p);
    }
    capture_finish(w);
    struct capture_reader *r = capture_open(path, msg, sizeof msg);
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(next(r, &g), 1);
        ck_assert_uint_eq(g.len, lengths[i]);
        ck_assert_uint_eq(g.caplen, lengths[i] < 96 ? lengths[i] : 96);
    }
    capture_close(r);
    unlink(path);
}
END_TEST

START_TEST(what_cannot_be_written)
{
    struct mem m;
    ck_assert_ptr_null(capture_create("/nonexistent/file.pcap", 0, msg, sizeof msg));
    ck_assert_str_eq(msg, "/nonexistent/file.pcap: No such file or directory");
    if (access("/dev/full", W_OK) != 0) {
        return;
    }
    mem_init(&m, 0);
    struct capture_writer *w = capture_create("/dev/full", 0, msg, sizeof msg);
    ck_assert_msg(w != NULL, "%s", msg);
    uint8_t bytes[1500] = {0};
    struct pkt *p = pkt_from_bytes(&m, 0, bytes, sizeof bytes);
    int e = 0;
    for (unsigned i = 0; i < 100 && e == 0; i++) { /* until the stream's buffer is full */
        e = capture_write(w, 1, p);
    }
    ck_assert_int_eq(e, -ENOSPC);
    ck_assert_int_eq(capture_write(w, 1, p), -ENOSPC); /* it stays broken */
    ck_assert_int_eq(capture_flush(w), -ENOSPC);
    pkt_free(p);
    capture_finish(w);
    ck_assert_uint_eq(m.used, 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("capture");
    TCase *c = tcase_create("capture");
    tcase_add_test(c, microseconds_and_nanoseconds_in_both_orders);
    tcase_add_test(c, pcapng);
    tcase_add_test(c, a_tail_that_breaks_off_anywhere);
    tcase_add_test(c, a_record_longer_than_any_frame);
    tcase_add_test(c, what_is_not_a_capture);
    tcase_add_test(c, what_is_written_reads_back);
    tcase_add_test(c, the_file_says_nanoseconds);
    tcase_add_test(c, snap_length);
    tcase_add_test(c, what_cannot_be_written);
    suite_add_tcase(s, c);
    return s;
}
CHECK_MAIN(suite)
