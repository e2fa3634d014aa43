/* A mapped file: read by two, and cut off by somebody else. */
#include "check_main.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "replay/mapped.h"

#define SIZE 40000

static char path[64], msg[256];

static void make(void)
{
    snprintf(path, sizeof(path), "/tmp/tapdeck-mapped-XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    for (unsigned i = 0; i < SIZE; i++) {
        char c = (char)(i % 251);
        ck_assert_int_eq(write(fd, &c, 1), 1);
    }
    close(fd);
}

/* Where a forked process reads doesn't move its parent. */
START_TEST(test_two_readers)
{
    struct mapped m;
    make();
    FILE *f = mapped_open(&m, path, msg, sizeof(msg));
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fseek(f, 1000, SEEK_SET), 0);
    pid_t child = fork();
    if (child == 0) {
        for (unsigned i = 1000; i < SIZE; i++)
            if (fgetc(f) != (int)(i % 251))
                _exit(1);
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(fgetc(f), 1000 % 251);
    fclose(f);
    mapped_close(&m);
    unlink(path);
}
END_TEST

START_TEST(test_cut_off)
{
    int out[2], status;
    char said[256] = "";
    make();
    ck_assert_int_eq(pipe(out), 0);
    pid_t child = fork();
    if (child == 0) {
        struct mapped m;
        dup2(out[1], STDERR_FILENO);
        mapped_guard();
        FILE *f = mapped_open(&m, path, msg, sizeof(msg));
        if (f == NULL || fgetc(f) != 0 || truncate(path, 0) != 0)
            _exit(9);
        volatile const char *byte = m.base;
        _exit(byte[SIZE - 1] == 0 ? 7 : 8); /* not reached */
    }
    close(out[1]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_gt(read(out[0], said, sizeof(said) - 1), 0);
    close(out[0]);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    ck_assert_ptr_nonnull(strstr(said, "was cut off by somebody else"));
    unlink(path);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("mapped");
    TCase *t = tcase_create("mapped");
    tcase_add_test(t, test_two_readers);
    tcase_add_test(t, test_cut_off);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
