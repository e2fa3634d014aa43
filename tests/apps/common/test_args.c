/* Command lines of applications: common/args.c. */
#include "check_main.h"
#include "common/args.h"

#include <errno.h>
#include <string.h>

static char msg[200];

START_TEST(test_joined_and_separate)
{
    char *argv[] = {"httpd", "-p80", "-a", "10.0.0.2", "-tu", "dir", "-x", NULL};
    struct args a;
    args_init(&a, 7, argv, "a:p:tu");
    ck_assert_int_eq(args_next(&a, msg, sizeof msg), 'p');
    ck_assert_str_eq(a.value, "80");
    ck_assert_int_eq(args_next(&a, msg, sizeof msg), 'a');
    ck_assert_str_eq(a.value, "10.0.0.2");
    ck_assert_int_eq(args_next(&a, msg, sizeof msg), 't');
    ck_assert_ptr_null(a.value);
    ck_assert_int_eq(args_next(&a, msg, sizeof msg), 'u');
    ck_assert_int_eq(args_next(&a, msg, sizeof msg), -1);
    ck_assert_str_eq(argv[a.index], "dir");
}
END_TEST

START_TEST(test_double_dash_ends)
{
    char *argv[] = {"httpd", "--", "-p", NULL};
    struct args a;
    args_init(&a, 3, argv, "p:");
    ck_assert_int_eq(args_next(&a, msg, sizeof msg), -1);
    ck_assert_str_eq(argv[a.index], "-p");
}
END_TEST

START_TEST(test_refusals)
{
    char *unknown[] = {"echo", "-z", NULL}, *colon[] = {"echo", "-:", NULL},
         *lacking[] = {"echo", "-p", NULL};
    struct args a;
    args_init(&a, 2, unknown, "p:");
    ck_assert_int_eq(args_next(&a, msg, sizeof msg), '?');
    ck_assert_str_eq(msg, "echo: there is no option -z");
    args_init(&a, 2, colon, "p:");
    ck_assert_int_eq(args_next(&a, msg, sizeof msg), '?');
    args_init(&a, 2, lacking, "p:");
    ck_assert_int_eq(args_next(&a, msg, sizeof msg), '?');
    ck_assert_str_eq(msg, "echo: option -p needs a value after it");
}
END_TEST

START_TEST(test_numbers)
{
    static const struct {
        const char *text;
        int err;
        uint64_t value;
    } cases[] = {
        {"1", 0, 1},
        {"65535", 0, 65535},
        {"64K", 0, 65536},
        {"0", -EINVAL, 0},
        {"65537", -EINVAL, 0},
        {"", -EINVAL, 0},
        {"K", -EINVAL, 0},
        {"12x", -EINVAL, 0},
        {"-1", -EINVAL, 0},
        {" 1", -EINVAL, 0},
        {"1 ", -EINVAL, 0},
        {"18446744073709551616", -EINVAL, 0},
        {"18446744073709551615G", -EINVAL, 0},
        {"99999999999999999999999999999", -EINVAL, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t v = 0;
        ck_assert_int_eq(args_number("httpd", "port", cases[i].text, 1, 65536, &v, msg, sizeof msg),
                         cases[i].err);
        ck_assert_uint_eq(v, cases[i].value);
    }
    uint64_t v;
    args_number("httpd", "port", "http", 1, 65535, &v, msg, sizeof msg);
    ck_assert_str_eq(msg, "httpd: \"http\" is not a port: a whole number from 1 to 65535");
}
END_TEST

START_TEST(test_addresses)
{
    td_ip4 a = 1;
    ck_assert_int_eq(args_addr("echo", "any", &a, msg, sizeof msg), 0);
    ck_assert_uint_eq(a, 0);
    ck_assert_int_eq(args_addr("echo", "10.0.0.2", &a, msg, sizeof msg), 0);
    ck_assert_uint_eq(a, TD_IP4(10, 0, 0, 2));
    ck_assert_int_eq(args_addr("echo", "10.0.0.256", &a, msg, sizeof msg), -EINVAL);
    ck_assert_str_eq(msg, "echo: \"10.0.0.256\" is not an IPv4 address like 10.0.0.2");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("args");
    TCase *tc = tcase_create("args");
    tcase_add_test(tc, test_joined_and_separate);
    tcase_add_test(tc, test_double_dash_ends);
    tcase_add_test(tc, test_refusals);
    tcase_add_test(tc, test_numbers);
    tcase_add_test(tc, test_addresses);
    suite_add_tcase(s, tc);
    return s;
}
CHECK_MAIN(suite)
