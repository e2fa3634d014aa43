/* dev/dumpfile.c: names, rotation, the queue, and disks that are full. */
#include "common/check_main.h"
#include "dev/dumpfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include <unistd.h>

static char dir[64], path[128], msg[300];

static void setup(void)
{
    snprintf(dir, sizeof dir, "/tmp/tapdeck-dump-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/f", dir);
}

static void teardown(void)
{
    char name[512];
    struct dirent *e;
    DIR *d = opendir(dir);
    while ((e = readdir(d)) != NULL) {
        snprintf(name, sizeof name, "%s/%s", dir, e->d_name);
        unlink(name);
    }
    closedir(d);
    rmdir(dir);
}

/* A file's contents; "-": there is none. */
static const char *holds(const char *suffix)
{
    static char text[4096];
    char name[256];
    snprintf(name, sizeof name, "%s%s", path, suffix);
    FILE *f = fopen(name, "r");
    if (f == NULL)
        return "-";
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

static struct dumpfile *open_dump(struct dump_config c)
{
    if (c.path == NULL)
        c.path = path;
    struct dumpfile *d = dump_open(&c, msg, sizeof msg);
    ck_assert_msg(d != NULL, "%s", msg);
    return d;
}

static bool packet(struct dumpfile *d, const char *text, td_time wall)
{
    return dump_put(d, SNIFF_PACKET, text, strlen(text), wall);
}

START_TEST(names_are_tcpdumps)
{
    struct dump_config c = {.path = "f"};
    char name[32];
    ck_assert(dump_name(&c, 0, 0, name, sizeof name));
    ck_assert_str_eq(name, "f");
    c.size = 1;
    ck_assert(dump_name(&c, 2, 0, name, sizeof name));
    ck_assert_str_eq(name, "f2");
    c.files = 10;
    ck_assert(dump_name(&c, 13, 0, name, sizeof name));
    ck_assert_str_eq(name, "f3");
    c.files = 11;
    ck_assert(dump_name(&c, 0, 0, name, sizeof name));
    ck_assert_str_eq(name, "f00");
    setenv("TZ", "UTC", 1);
    c = (struct dump_config){.path = "f-%H%M%S", .seconds = 60};
    ck_assert(dump_name(&c, 0, 3661 * TD_SEC, name, sizeof name));
    ck_assert_str_eq(name, "f-010101");
    ck_assert(!dump_name(&c, 0, 0, name, 5));
}
END_TEST

/* Every file begins with all headers so far; the ring writes the first over. In the background as
 * in front. */
START_TEST(rotation_by_size)
{
    struct dumpfile *d =
        open_dump((struct dump_config){.size = 10, .files = 3, .background = _i == 1});
    ck_assert(dump_put(d, SNIFF_HEADER, "H", 1, 0));
    ck_assert(packet(d, "aaaaaaaaaa", 1)); /* makes it larger than 10: the next begins another */
    ck_assert(packet(d, "bbbbbbbbbb", 2));
    ck_assert(dump_put(d, SNIFF_HEADER, "I", 1, 0));
    ck_assert(packet(d, "cccccccccc", 3));
    ck_assert(packet(d, "dddddddddd", 4));
    ck_assert(dump_put(d, SNIFF_END, "E", 1, 0));
    ck_assert_int_eq(dump_close(d), 0);
    ck_assert_str_eq(holds("0"), "HIddddddddddE");
    ck_assert_str_eq(holds("1"), "HbbbbbbbbbbI");
    ck_assert_str_eq(holds("2"), "HIcccccccccc");
    ck_assert_str_eq(holds(""), "-");
}
END_TEST

START_TEST(rotation_by_time_and_its_end)
{
    setenv("TZ", "UTC", 1);
    strcat(path, "%S");
    struct dumpfile *d =
        open_dump((struct dump_config){.seconds = 10, .files = 2, .now = 100 * TD_SEC});
    ck_assert(dump_put(d, SNIFF_HEADER, "H", 1, 0));
    ck_assert(packet(d, "a", 100 * TD_SEC));
    ck_assert(packet(d, "b", 109 * TD_SEC));
    ck_assert(packet(d, "c", 110 * TD_SEC));
    ck_assert(!dump_over(d));
    ck_assert(!packet(d, "d", 125 * TD_SEC));
    ck_assert(dump_over(d));
    ck_assert_uint_eq(dump_packets(d), 3);
    ck_assert_int_eq(dump_close(d), 0);
    path[strlen(path) - 2] = '\0';
    ck_assert_str_eq(holds("40"), "Hab");
    ck_assert_str_eq(holds("50"), "Hc");
}
END_TEST

START_TEST(the_first_file_must_open)
{
    struct dump_config c = {.path = "/nonexistent/f"};
    ck_assert_ptr_null(dump_open(&c, msg, sizeof msg));
    ck_assert_str_eq(msg, "/nonexistent/f: No such file or directory");
    c.background = true;
    c.path = path;
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_ptr_null(dump_open(&c, msg, sizeof msg));
    ck_assert_ptr_nonnull(strstr(msg, "nobody reads this pipe"));
}
END_TEST

/* A full disk: told once and for ever, nothing half of a packet stays, and nobody waited. */
START_TEST(a_full_disk)
{
    struct dumpfile *d = open_dump((struct dump_config){.path = "/dev/full", .background = true});
    ck_assert(packet(d, "a", 1));
    while (dump_error(d) == 0)
        usleep(1000);
    ck_assert_int_eq(dump_error(d), -ENOSPC);
    ck_assert(!packet(d, "b", 1));
    ck_assert_uint_eq(dump_packets(d), 1); /* given to the buffer before the disk refused */
    ck_assert_int_eq(dump_close(d), -ENOSPC);
}
END_TEST

START_TEST(what_does_not_fit_is_cut_off)
{
    struct rlimit limit = {.rlim_cur = 100000, .rlim_max = RLIM_INFINITY}, old;
    char block[30001];
    memset(block, 'x', 30000);
    block[30000] = '\0';
    getrlimit(RLIMIT_FSIZE, &old);
    limit.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    struct dumpfile *d = open_dump((struct dump_config){0});
    unsigned n = 0;
    while (packet(d, block, 1) && n < 10)
        n++;
    ck_assert_uint_lt(n, 10);
    ck_assert_int_eq(dump_error(d), -EFBIG);
    ck_assert_int_eq(dump_close(d), -EFBIG);
    setrlimit(RLIMIT_FSIZE, &old);
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_size, 90000);
}
END_TEST

/* The queue has a limit; headers pass it. What doesn't fit is refused at once. */
START_TEST(a_slow_pipe_and_a_full_queue)
{
    char big[5001];
    memset(big, 'p', 5000);
    big[5000] = '\0';
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    struct dumpfile *d = open_dump((struct dump_config){.background = true, .queue = 20000});
    unsigned taken = 0, refused = 0;
    for (unsigned i = 0; i < 2000; i++) {
        bool ok = packet(d, big, i);
        taken += ok;
        refused += !ok;
    }
    ck_assert_uint_gt(refused, 0);
    ck_assert(dump_put(d, SNIFF_HEADER, "H", 1, 0));
    size_t got = 0;
    char buf[65536];
    dump_finish(d);
    while (!dump_finished(d) || got < (size_t)taken * 5000 + 1) {
        ssize_t n = read(reader, buf, sizeof buf);
        if (n > 0)
            got += (size_t)n;
        else if (n == 0)
            break;
        if (dump_finished(d) && n < 0) { /* what is left in the buffer comes with the close */
            ck_assert_int_eq(dump_close(d), 0);
            d = NULL;
            while ((n = read(reader, buf, sizeof buf)) > 0)
                got += (size_t)n;
            break;
        }
    }
    if (d != NULL)
        ck_assert_int_eq(dump_close(d), 0);
    ck_assert_uint_eq(got, (size_t)taken * 5000 + 1);
    close(reader);
}
END_TEST

/* Nobody reads any more: the end comes all the same. */
START_TEST(a_pipe_that_nobody_reads)
{
    char big[5001];
    memset(big, 'p', 5000);
    big[5000] = '\0';
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    struct dumpfile *d = open_dump((struct dump_config){.background = true});
    for (unsigned i = 0; i < 100; i++)
        (void)packet(d, big, i);
    ck_assert_int_eq(dump_close(d), -EAGAIN);
    close(reader);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("dumpfile");
    TCase *t = tcase_create("dumpfile");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, names_are_tcpdumps);
    tcase_add_loop_test(t, rotation_by_size, 0, 2);
    tcase_add_test(t, rotation_by_time_and_its_end);
    tcase_add_test(t, the_first_file_must_open);
    tcase_add_test(t, a_full_disk);
    tcase_add_test(t, what_does_not_fit_is_cut_off);
    tcase_add_test(t, a_slow_pipe_and_a_full_queue);
    tcase_add_test(t, a_pipe_that_nobody_reads);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
