/* tests of apps/get/url.c. */
#include "check_main.h"

#include <string.h>

#include "get/url.h"

START_TEST(parts)
{
    static const struct {
        const char *text, *host, *target;
        unsigned port;
    } good[] = {
        {"http://10.0.0.1/", "10.0.0.1", "/", 80},
        {"http://10.0.0.1", "10.0.0.1", "/", 80},
        {"10.0.0.1", "10.0.0.1", "/", 80},
        {"10.0.0.1:8080/a/b?c=d#e", "10.0.0.1:8080", "/a/b?c=d", 8080},
        {"HTTP://10.0.0.1:80?q", "10.0.0.1", "/?q", 80},
        {"10.0.0.1/x?u=http://h/", "10.0.0.1", "/x?u=http://h/", 80},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct url u = {0};
        char msg[400] = "";
        ck_assert_msg(url_parse(&u, good[i].text, msg, sizeof msg), "%s: %s", good[i].text, msg);
        ck_assert_uint_eq(u.addr, TD_IP4(10, 0, 0, 1));
        ck_assert_uint_eq(u.port, good[i].port);
        ck_assert_str_eq(u.host, good[i].host);
        ck_assert_str_eq(u.target, good[i].target);
    }
}
END_TEST

START_TEST(refusals)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"https://10.0.0.1/", "no TLS"},
        {"ftp://10.0.0.1/", "not an http URL"},
        {"http://example.com/", "no name service"},
        {"http://10.0.1/", "no name service"},
        {"http://me@10.0.0.1/", "user name"},
        {"http://10.0.0.1:0/", "port 0"},
        {"http://10.0.0.1:99999/", "not a URL"},
        {"http://10.0.0.1/a b", "%20"},
        {"http://10.0.0.1/\r\nX: y", "%20"},
        {"http://10.0.0.1/\xc3\xa9", "no URL has"},
        {"", "not a URL"},
        {"http://", "not a URL"},
        {"http:///x", "not a URL"},
    };
    struct url u;
    char msg[400];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(!url_parse(&u, bad[i].text, msg, sizeof msg), "%s", bad[i].text);
        ck_assert_msg(strstr(msg, bad[i].says) != NULL, "%s: %s", bad[i].text, msg);
    }
    ck_assert(!url_parse(&u, "http://h/\x9b\x1b[2J", msg, sizeof msg));
    ck_assert_int_eq(strncmp(msg, "'http://h/\?\?[2J' ", 17), 0);
    char big[3000];
    memset(big, 'a', sizeof big - 1);
    memcpy(big, "10.0.0.1/", 9);
    big[sizeof big - 1] = '\0';
    ck_assert(!url_parse(&u, big, msg, sizeof msg));
    ck_assert(url_parse(&u, "http://10.0.0.1/", msg, sizeof msg));
    ck_assert(!url_follow(&u, big, &u, msg, sizeof msg));
    big[2046] = '\0';
    ck_assert(url_parse(&u, big, msg, sizeof msg));
}
END_TEST

/* RFC 3986 5.4's examples, as far as they stay within http. */
START_TEST(references)
{
    static const struct {
        const char *reference, *target;
    } to[] = {
        {"g", "/b/c/g"},          {"./g", "/b/c/g"},        {"g/", "/b/c/g/"},      {"/g", "/g"},
        {"?y", "/b/c/d;p?y"},     {"g?y", "/b/c/g?y"},      {"#s", "/b/c/d;p?q"},   {"g#s", "/b/c/g"},
        {"", "/b/c/d;p?q"},       {".", "/b/c/"},           {"./", "/b/c/"},        {"..", "/b/"},
        {"../", "/b/"},           {"../g", "/b/g"},         {"../..", "/"},         {"../../g", "/g"},
        {"../../../g", "/g"},     {"/./g", "/g"},           {"/../g", "/g"},        {"g.", "/b/c/g."},
        {"..g", "/b/c/..g"},      {"./../g", "/b/g"},       {"g/./h", "/b/c/g/h"},  {"g/../h", "/b/c/h"},
        {"g?y/../x", "/b/c/g?y/../x"}, {"//10.0.0.9/x", "/x"}, {"http://10.0.0.9", "/"},
    };
    struct url base, u;
    char msg[400] = "";
    ck_assert(url_parse(&base, "http://10.0.0.1:81/b/c/d;p?q", msg, sizeof msg));
    for (size_t i = 0; i < sizeof to / sizeof *to; i++) {
        ck_assert_msg(url_follow(&base, to[i].reference, &u, msg, sizeof msg), "%s: %s", to[i].reference, msg);
        ck_assert_msg(strcmp(u.target, to[i].target) == 0, "%s: %s", to[i].reference, u.target);
        ck_assert_str_eq(u.host, strstr(to[i].reference, "//") != NULL ? "10.0.0.9" : "10.0.0.1:81");
    }
    ck_assert(!url_follow(&base, "https://10.0.0.1/", &u, msg, sizeof msg));
    ck_assert_ptr_nonnull(strstr(msg, "TLS"));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("url");
    TCase *t = tcase_create("url");
    tcase_add_test(t, parts);
    tcase_add_test(t, refusals);
    tcase_add_test(t, references);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
