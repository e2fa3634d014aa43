/* dev/capture.c: what the writer writes, and what can't be written. */
#include "common/check_main.h"
#include "common/prng.h"
#include "dev/capture.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define NANOSECONDS 0xa1b23c4du

static char msg[512];

static int next(struct capture_reader *r, struct capture_frame *g)
{
    return capture_next(r, g, msg, sizeof msg);
}

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
    struct capture_frame g;
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
        ck_assert_int_eq(g.wall, (int64_t)(i * TD_SEC + 999999999 - i));
        ck_assert_uint_eq(g.len, 14 + i + i % 3 * 600);
        ck_assert_uint_eq(g.caplen, g.len);
        ck_assert_mem_eq(g.bytes, bytes, 14 + i);
        for (uint32_t slice = 0; slice < i % 3; slice++) {
            ck_assert_mem_eq(g.bytes + 14 + i + 600 * slice, bytes + 1000 * slice + 3, 600);
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
    struct capture_frame g;
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
    tcase_add_test(c, what_is_written_reads_back);
    tcase_add_test(c, the_file_says_nanoseconds);
    tcase_add_test(c, snap_length);
    tcase_add_test(c, what_cannot_be_written);
    suite_add_tcase(s, c);
    return s;
}
CHECK_MAIN(suite)
