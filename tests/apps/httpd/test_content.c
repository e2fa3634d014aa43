/* Media types, listings and escapes: httpd/content.c, httpd/escape.c. */
#include "check_main.h"
#include "httpd/content.h"
#include "httpd/escape.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

START_TEST(test_types)
{
    ck_assert_str_eq(content_type("index.html"), "text/html; charset=utf-8");
    ck_assert_str_eq(content_type("a/b.c/photo.JPG"), "image/jpeg");
    ck_assert_str_eq(content_type("x.tar.gz"), "application/gzip");
    ck_assert_str_eq(content_type("x.7z"), "application/x-7z-compressed");
    ck_assert_str_eq(content_type("x.zst"), "application/zstd");
    ck_assert_str_eq(content_type("trace.pcap"), "application/vnd.tcpdump.pcap");
    ck_assert_str_eq(content_type("x.unknown"), "application/octet-stream");
    ck_assert_str_eq(content_type("noextension"), "application/octet-stream");
    ck_assert_str_eq(content_type(".html"), "application/octet-stream");
    ck_assert_str_eq(content_type("a.html/b"), "application/octet-stream");
    ck_assert_str_eq(content_type(""), "application/octet-stream");
    ck_assert_str_eq(content_type("x."), "application/octet-stream");
}
END_TEST

START_TEST(test_escapes)
{
    struct text t = {0};
    escape_html(&t, "<a href=\"x\">&'</a>");
    ck_assert_str_eq(t.s, "&lt;a href=&quot;x&quot;&gt;&amp;&#39;&lt;/a&gt;");
    text_free(&t);
    escape_url(&t, "a b/c?d#e%:\"<\r\n\xff~_-.");
    ck_assert_str_eq(t.s, "a%20b/c%3Fd%23e%25%3A%22%3C%0D%0A%FF~_-.");
    text_free(&t);
}
END_TEST

static char base[PATH_MAX];

static void run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void run(const char *format, ...)
{
    char command[PATH_MAX * 2];
    va_list ap;
    va_start(ap, format);
    vsnprintf(command, sizeof command, format, ap);
    va_end(ap);
    ck_assert_int_eq(system(command), 0);
}

static void setup(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(base, sizeof base, "%s/test_content.XXXXXX", tmp != NULL ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(base));
}

static void teardown(void)
{
    run("rm -rf '%s'", base);
}

static void list(struct text *t, const char *path)
{
    int fd = open(base, O_RDONLY | O_DIRECTORY);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(content_listing(t, fd, path), 0);
    close(fd);
}

START_TEST(test_listing)
{
    struct text t = {0};
    run("cd '%s' && mkdir sub && printf 12345 >b && touch a 'x y' C .hidden '<script>' && ln -s "
        "/etc/passwd link"
        " && mkfifo pipe",
        base);
    list(&t, "");
    const char *order[] = {">&lt;script&gt;</a>", ">C</a>",    ">a</a>",  ">b</a>",
                           ">link</a>",           ">sub/</a>", ">x y</a>"};
    const char *at = t.s;
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        at = strstr(at, order[i]);
        ck_assert_msg(at != NULL, "%s is missing or out of order in\n%s", order[i], t.s);
    }
    ck_assert_ptr_nonnull(strstr(t.s, "href=\"%3Cscript%3E\""));
    ck_assert_ptr_nonnull(strstr(t.s, "href=\"x%20y\""));
    ck_assert_ptr_nonnull(strstr(t.s, "href=\"sub/\""));
    ck_assert_ptr_nonnull(strstr(t.s, "<td>5</td>"));
    ck_assert_ptr_null(strstr(t.s, "<script"));
    ck_assert_ptr_null(strstr(t.s, "hidden"));
    ck_assert_ptr_null(strstr(t.s, "pipe"));
    ck_assert_ptr_null(strstr(t.s, "../"));
    text_free(&t);
    list(&t, "a<b/"); /* beneath the root there is a way up, and the title is escaped */
    ck_assert_ptr_nonnull(strstr(t.s, "href=\"../\""));
    ck_assert_ptr_nonnull(strstr(t.s, "Index of /a&lt;b/"));
    text_free(&t);
}
END_TEST

START_TEST(test_listing_is_bounded)
{
    struct text t = {0};
    run("cd '%s' && seq 1 %d | xargs touch", base, LISTING_MAX_ENTRIES + 1);
    list(&t, "");
    ck_assert_ptr_nonnull(strstr(t.s, "this page stops at"));
    size_t rows = 0;
    for (const char *p = t.s; (p = strstr(p, "<tr>")) != NULL; p++)
        rows++;
    ck_assert_uint_eq(rows, LISTING_MAX_ENTRIES);
    text_free(&t);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("content");
    TCase *tc = tcase_create("content");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_types);
    tcase_add_test(tc, test_escapes);
    tcase_add_test(tc, test_listing);
    tcase_add_test(tc, test_listing_is_bounded);
    suite_add_tcase(s, tc);
    return s;
}
CHECK_MAIN(suite)
