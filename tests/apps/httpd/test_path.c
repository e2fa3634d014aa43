/* From URL to file, and no way out: httpd/path.c. A directory of its own in $TMPDIR. */
#include "check_main.h"
#include "httpd/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static char base[PATH_MAX]; /* base/site is served; base/secret is not */
static int root = -1;

static void put(const char *name, const char *text)
{
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", base, name);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

static void in_base(int (*make)(const char *, const char *), const char *target, const char *name)
{
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", base, name);
    ck_assert_int_eq(make(target, path), 0);
}

static int make_dir(const char *unused, const char *path)
{
    (void)unused;
    return mkdir(path, 0700);
}

static int make_fifo(const char *unused, const char *path)
{
    (void)unused;
    return mkfifo(path, 0600);
}

static void setup(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(base, sizeof base, "%s/test_path.XXXXXX", tmp != NULL ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(base));
    in_base(make_dir, NULL, "site");
    in_base(make_dir, NULL, "site/d");
    in_base(make_dir, NULL, "other");
    put("secret", "secret");
    put("other/f", "secret");
    put("site/f", "file");
    put("site/d/g", "deep");
    put("site/..x", "dots");
    in_base(symlink, "f", "site/inside");
    in_base(symlink, "../f", "site/d/up");
    in_base(symlink, "../secret", "site/out");
    in_base(symlink, "../other", "site/outdir");
    in_base(symlink, "/etc/passwd", "site/absolute");
    in_base(symlink, "/proc/self/root/etc/passwd", "site/magic");
    in_base(symlink, "loop", "site/loop");
    in_base(symlink, "d/../../secret", "site/bent");
    in_base(make_fifo, NULL, "site/fifo");
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/site", base);
    root = open(path, O_RDONLY | O_DIRECTORY);
    ck_assert_int_ge(root, 0);
}

static void teardown(void)
{
    char command[PATH_MAX + 64];
    close(root);
    snprintf(command, sizeof command, "rm -rf '%s'", base);
    ck_assert_int_eq(system(command), 0);
}

static int decode(const char *url, char *dst)
{
    return httpd_path_decode(url, strlen(url), dst);
}

START_TEST(test_decode)
{
    static const struct {
        const char *url, *path;
    } cases[] = {
        {"/", ""},          {"/a", "a"},
        {"/a/", "a/"},      {"//a///b", "a/b"},
        {"/./a/./", "a/"},  {"/%61%2Fb", NULL},
        {"/a%20b", "a b"},  {"/%e2%82%ac", "\xe2\x82\xac"},
        {"/...", "..."},    {"/..a/b..", "..a/b.."},
        {"/a+b", "a+b"},    {"/%2e", ""},
        {"/a%5cb", "a\\b"}, {"/%25%32%65", "%2e"},
        {"/.", ""},         {"/a/.", "a/"},
    };
    char path[HTTPD_PATH_MAX];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (cases[i].path == NULL) {
            ck_assert_int_eq(decode(cases[i].url, path), 404);
            continue;
        }
        ck_assert_msg(decode(cases[i].url, path) == 0, "%s", cases[i].url);
        ck_assert_str_eq(path, cases[i].path);
    }
}
END_TEST

START_TEST(test_decode_refusals)
{
    static const char *const bad[] = {
        "",
        "a",
        "/..",
        "/../",
        "/../secret",
        "/a/../b",
        "/a/..",
        "/%2e%2e",
        "/%2e%2e/secret",
        "/.%2e/secret",
        "/%2E./secret",
        "/d/%2e%2e/%2e%2e/secret",
        "/%00",
        "/a%00.html",
        "/%",
        "/%2",
        "/%zz",
        "/%2x",
        "/a%",
        "/%u002e",
        "//../x",
        "/./../x",
        "/x%2f/../y",
    };
    char path[HTTPD_PATH_MAX];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(decode(bad[i], path) == 400, "\"%s\" gave %d", bad[i], decode(bad[i], path));
    ck_assert_int_eq(httpd_path_decode("/a\0b", 4, path), 400);
    /* The last bytes of a cut percent sign lie behind the end and must not be read as digits. */
    ck_assert_int_eq(httpd_path_decode("/%41", 3, path), 400);
}
END_TEST

START_TEST(test_decode_long)
{
    static char url[3 * HTTPD_PATH_MAX];
    char path[HTTPD_PATH_MAX];
    memset(url, 'a', sizeof url);
    url[0] = '/';
    ck_assert_int_eq(httpd_path_decode(url, HTTPD_PATH_MAX, path), 0);
    ck_assert_uint_eq(strlen(path), HTTPD_PATH_MAX - 1);
    ck_assert_int_eq(httpd_path_decode(url, HTTPD_PATH_MAX + 1, path), 404);
    for (size_t i = 2; i < sizeof url; i += 2)
        url[i] = '/';
    ck_assert_int_eq(httpd_path_decode(url, sizeof url, path), 404);
}
END_TEST

typedef int opener(int root_fd, const char *rel, struct stat *st);

static void expect(opener *how, const char *rel, int err)
{
    struct stat st;
    int fd = how(root, rel, &st);
    if (fd >= 0)
        close(fd);
    ck_assert_msg(err == 0 ? fd >= 0 : fd == err, "\"%s\" gave %d, not %d", rel, fd, err);
}

static void expect_text(opener *how, const char *rel, const char *text)
{
    struct stat st;
    char got[64] = "";
    int fd = how(root, rel, &st);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(read(fd, got, sizeof got - 1), (ssize_t)strlen(text));
    ck_assert_str_eq(got, text);
    close(fd);
}

START_TEST(test_open)
{
    opener *how = _i == 0 ? httpd_path_open : httpd_path_walk;
    expect(how, "", 0);
    expect(how, "d", 0);
    expect(how, "d/", 0);
    expect_text(how, "f", "file");
    expect_text(how, "d/g", "deep");
    expect_text(how, "..x", "dots");
    expect(how, "nothing", -ENOENT);
    expect(how, "f/", -ENOENT);
    expect(how, "f/x", -ENOENT);
    expect(how, "fifo", -ENOENT); /* and it doesn't block */
}
END_TEST

START_TEST(test_no_way_out)
{
    opener *how = _i == 0 ? httpd_path_open : httpd_path_walk;
    static const char *const out[] = {
        "out",
        "outdir",
        "outdir/f",
        "outdir/",
        "absolute",
        "magic",
        "loop",
        "bent",
        "..",
        "../secret",
        "d/../../secret",
        "/etc/passwd",
        "../site/f",
        "outdir/../secret",
    };
    for (size_t i = 0; i < sizeof out / sizeof out[0]; i++)
        expect(how, out[i], -ENOENT);
}
END_TEST

/* valgrind, for one, doesn't know the call. */
static bool has_openat2(void)
{
    long fd = syscall(SYS_openat2, root, ".", NULL, 0);
    if (fd >= 0)
        close((int)fd);
    return fd >= 0 || errno != ENOSYS;
}

START_TEST(test_links_that_stay)
{
    if (has_openat2()) {
        expect_text(httpd_path_open, "inside", "file");
        expect_text(httpd_path_open, "d/up", "file");
    }
    expect(httpd_path_walk, "inside", -ENOENT); /* without openat2 no link is followed */
    expect(httpd_path_walk, "d/up", -ENOENT);
}
END_TEST

START_TEST(test_no_descriptor_is_lost)
{
    int before = dup(0);
    close(before);
    struct stat st;
    for (int i = 0; i < 50; i++) {
        httpd_path_open(root, "out", &st);
        httpd_path_open(root, "fifo", &st);
        httpd_path_walk(root, "d/nothing/x", &st);
        httpd_path_walk(root, "outdir/f", &st);
        httpd_path_walk(root, "d/../x", &st);
        httpd_path_walk(root, "fifo", &st);
    }
    int after = dup(0);
    close(after);
    ck_assert_int_eq(before, after);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("path");
    TCase *tc = tcase_create("path");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_decode);
    tcase_add_test(tc, test_decode_refusals);
    tcase_add_test(tc, test_decode_long);
    tcase_add_loop_test(tc, test_open, 0, 2);
    tcase_add_loop_test(tc, test_no_way_out, 0, 2);
    tcase_add_test(tc, test_links_that_stay);
    tcase_add_test(tc, test_no_descriptor_is_lost);
    suite_add_tcase(s, tc);
    return s;
}
CHECK_MAIN(suite)
