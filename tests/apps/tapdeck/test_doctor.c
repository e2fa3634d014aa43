/* tests of apps/tapdeck/doctor.c: with a machine that answers as the test says. */
#include "check_main.h"

#include <errno.h>
#include <string.h>

#include "common/control.h"
#include "tapdeck/doctor.h"

static const char *no_file; /* a path that doesn't exist */
static int tap_error, pwait_error;
static const char *no_package; /* "" = no dpkg at all */
static const char *userns_word;

static bool exists(const char *path)
{
    return no_file == NULL || strcmp(path, no_file) != 0;
}
static int try_tap(bool user_namespace)
{
    (void)user_namespace;
    return tap_error;
}
static int try_pwait(void)
{
    return pwait_error;
}
static int package(const char *name)
{
    if (no_package != NULL && *no_package == '\0')
        return -1;
    return no_package == NULL || strcmp(name, no_package) != 0;
}
static bool read_word(const char *path, char *dst, size_t size)
{
    if (userns_word == NULL || strstr(path, "unprivileged_userns_clone") == NULL)
        return false;
    snprintf(dst, size, "%s", userns_word);
    return true;
}
static bool run_dir(char *dst, size_t size, char *msg, size_t msg_size)
{
    (void)msg;
    (void)msg_size;
    snprintf(dst, size, "/run/tapdeck");
    return true;
}

static const char list[] = "# a comment\n"
                           "build\tgcc\tthe compiler\n"
                           "build\tmake\tthe build\n"
                           "test\tcheck\tlibcheck\n"
                           "bench\tiperf3\ta kernel peer\n";

static int run(bool root, char *out, size_t size)
{
    struct doctor_machine m = {.root = root,
                               .exists = exists,
                               .try_tap = try_tap,
                               .read_word = read_word,
                               .try_epoll_pwait2 = try_pwait,
                               .package = package,
                               .run_dir = run_dir};
    m.packages = fmemopen((char *)(uintptr_t)list, sizeof(list) - 1, "r");
    memset(out, 0, size);
    FILE *f = fmemopen(out, size - 1, "w");
    int status = doctor(&m, f);
    fclose(f);
    fclose(m.packages);
    return status;
}

static void setup(void)
{
    no_file = no_package = userns_word = NULL;
    tap_error = pwait_error = 0;
}

START_TEST(all_well)
{
    char out[4096];
    ck_assert_int_eq(run(true, out, sizeof(out)), EXIT_DONE);
    ck_assert_ptr_null(strstr(out, "missing "));
    ck_assert_ptr_nonnull(strstr(out, "the 2 packages for `make` are installed"));
    ck_assert_ptr_nonnull(strstr(out, "Nothing that is needed is missing."));
}
END_TEST

START_TEST(no_tun)
{
    char out[4096];
    no_file = "/dev/net/tun";
    ck_assert_int_eq(run(false, out, sizeof(out)), EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(out, "sudo modprobe tun"));
}
END_TEST

START_TEST(no_permission)
{
    char out[4096];
    tap_error = EPERM;
    ck_assert_int_eq(run(true, out, sizeof(out)), EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(out, "NET_ADMIN"));
    tap_error = EACCES; /* the device file's own mode */
    ck_assert_int_eq(run(false, out, sizeof(out)), EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(out, "sudo chmod 0666 /dev/net/tun"));
    tap_error = ENOTTY; /* a plain file in the driver's place */
    ck_assert_int_eq(run(false, out, sizeof(out)), EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(out, "isn't the driver"));
    ck_assert_ptr_nonnull(strstr(out, "mknod -m 666 /dev/net/tun c 10 200"));
    tap_error = EPERM;
    userns_word = "0";
    ck_assert_int_eq(run(false, out, sizeof(out)), EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(out, "sudo sysctl -w kernel.unprivileged_userns_clone=1"));
}
END_TEST

START_TEST(packages)
{
    char out[4096];
    no_package = "check";
    ck_assert_int_eq(run(false, out, sizeof(out)), EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(out, "1 of 1 packages for `make test`: check (libcheck)"));
    ck_assert_ptr_nonnull(strstr(out, "sudo apt-get install -y check\n"));
    /* Only bench lacks something: said, but no failure. */
    no_package = "iperf3";
    ck_assert_int_eq(run(true, out, sizeof(out)), EXIT_DONE);
    ck_assert_ptr_nonnull(strstr(out, "note     1 of 1 packages for `make bench`"));
    ck_assert_ptr_nonnull(strstr(out, " apt-get install -y iperf3\n"));
    /* Not Debian. */
    no_package = "";
    ck_assert_int_eq(run(true, out, sizeof(out)), EXIT_DONE);
    ck_assert_ptr_nonnull(strstr(out, "note     dpkg is not here"));
}
END_TEST

START_TEST(old_kernel)
{
    char out[4096];
    pwait_error = ENOSYS; /* the daemon has another way */
    ck_assert_int_eq(run(true, out, sizeof(out)), EXIT_DONE);
    ck_assert_ptr_nonnull(strstr(out, "epoll_pwait2"));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("doctor");
    TCase *t = tcase_create("doctor");
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, all_well);
    tcase_add_test(t, no_tun);
    tcase_add_test(t, no_permission);
    tcase_add_test(t, packages);
    tcase_add_test(t, old_kernel);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
