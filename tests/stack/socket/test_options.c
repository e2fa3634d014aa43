/* setsockopt and getsockopt of SOL_SOCKET: lengths, ranges, what is told back. */
#include "check_main.h"
#include "harness.h"

#include <errno.h>
#include <string.h>
#include <sys/time.h>

static int get(struct hx *h, int s, int level, int name)
{
    int v = -12345;
    socklen_t len = sizeof v;
    ck_assert_int_eq(td_getsockopt(h->st, s, level, name, &v, &len), 0);
    ck_assert_uint_eq(len, sizeof v);
    return v;
}

/* Every option, every length up to 64, a buffer that ASan watches: never a crash, never more
 * written than there was room for. */
START_TEST(test_every_length_of_every_option)
{
    struct hx *h = hx_new();
    static const int types[][2] = {{SOCK_STREAM, 0}, {SOCK_DGRAM, 0}, {SOCK_DGRAM, IPPROTO_ICMP}};
    static const int levels[] = {SOL_SOCKET, IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP, 255};
    for (size_t t = 0; t < 3; t++) {
        for (size_t l = 0; l < sizeof levels / sizeof levels[0]; l++) {
            for (int name = 0; name < 80; name++) {
                for (socklen_t n = 0; n < 40; n++) {
                    int s = td_socket(h->st, AF_INET, types[t][0], types[t][1]);
                    uint8_t *exact = malloc(n + 1U);
                    ck_assert_ptr_nonnull(exact);
                    memset(exact, 1, n + 1U);
                    (void)td_setsockopt(h->st, s, levels[l], name, exact + 1, n);
                    socklen_t len = n;
                    int r = td_getsockopt(h->st, s, levels[l], name, exact + 1, &len);
                    ck_assert(r != 0 || len <= n || n == 0);
                    free(exact);
                    ck_assert_int_eq(td_close(h->st, s), 0);
                }
            }
        }
    }
    hx_drain(h);
    hx_free(h);
}
END_TEST

START_TEST(test_bad_arguments)
{
    struct hx *h = hx_new();
    int s = td_socket(h->st, AF_INET, SOCK_DGRAM, 0), v = 1;
    socklen_t len = sizeof v;
    static const int names[] = {SO_REUSEADDR, SO_REUSEPORT, SO_BROADCAST, SO_RCVBUF,   SO_SNDBUF,
                                SO_KEEPALIVE, SO_PRIORITY,  SO_RCVLOWAT,  SO_DONTROUTE};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        for (socklen_t n = 0; n < sizeof v; n++) {
            ck_assert_int_eq(td_setsockopt(h->st, s, SOL_SOCKET, names[i], &v, n), -EINVAL);
        }
        ck_assert_int_eq(td_setsockopt(h->st, s, SOL_SOCKET, names[i], NULL, 4), -EINVAL);
        ck_assert_int_eq(td_setsockopt(h->st, s, SOL_SOCKET, names[i], &v, (socklen_t)-1), -EINVAL);
    }
    ck_assert_int_eq(td_getsockopt(h->st, s, SOL_SOCKET, SO_TYPE, NULL, &len), -EFAULT);
    ck_assert_int_eq(td_getsockopt(h->st, s, SOL_SOCKET, SO_TYPE, &v, NULL), -EFAULT);
    len = (socklen_t)-1;
    ck_assert_int_eq(td_getsockopt(h->st, s, SOL_SOCKET, SO_TYPE, &v, &len), -EINVAL);
    len = sizeof v;
    ck_assert_int_eq(td_setsockopt(h->st, s, SOL_SOCKET, 9999, &v, sizeof v), -ENOPROTOOPT);
    ck_assert_int_eq(td_getsockopt(h->st, s, SOL_SOCKET, 9999, &v, &len), -ENOPROTOOPT);
    ck_assert_int_eq(td_setsockopt(h->st, s, 77, 1, &v, sizeof v), -ENOPROTOOPT);
    ck_assert_int_eq(td_getsockopt(h->st, s, 77, 1, &v, &len), -ENOPROTOOPT);
    static const int readonly[] = {SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_ERROR, SO_ACCEPTCONN};
    for (size_t i = 0; i < 5; i++) {
        ck_assert_int_eq(td_setsockopt(h->st, s, SOL_SOCKET, readonly[i], &v, sizeof v),
                         -ENOPROTOOPT);
    }
    hx_free(h);
}
END_TEST

START_TEST(test_identity)
{
    struct hx *h = hx_new();
    int u = td_socket(h->st, AF_INET, SOCK_DGRAM, 0), t = td_socket(h->st, AF_INET, SOCK_STREAM, 0),
        p = td_socket(h->st, AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
    ck_assert_int_eq(get(h, u, SOL_SOCKET, SO_TYPE), SOCK_DGRAM);
    ck_assert_int_eq(get(h, t, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
    ck_assert_int_eq(get(h, u, SOL_SOCKET, SO_PROTOCOL), IPPROTO_UDP);
    ck_assert_int_eq(get(h, t, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
    ck_assert_int_eq(get(h, p, SOL_SOCKET, SO_PROTOCOL), IPPROTO_ICMP);
    ck_assert_int_eq(get(h, u, SOL_SOCKET, SO_DOMAIN), AF_INET);
    ck_assert_int_eq(get(h, u, SOL_SOCKET, SO_ACCEPTCONN), 0);
    ck_assert_int_eq(get(h, t, SOL_SOCKET, SO_ACCEPTCONN), 0);
    int l = hx_tcp_listen(h, 80);
    ck_assert_int_eq(get(h, l, SOL_SOCKET, SO_ACCEPTCONN), 1);
    hx_free(h);
}
END_TEST

START_TEST(test_switches_and_numbers)
{
    struct hx *h = hx_new();
    int s = td_socket(h->st, AF_INET, SOCK_DGRAM, 0);
    static const int names[] = {SO_REUSEADDR, SO_REUSEPORT, SO_BROADCAST, SO_DONTROUTE,
                                SO_KEEPALIVE, SO_OOBINLINE, SO_NO_CHECK};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ck_assert_int_eq(get(h, s, SOL_SOCKET, names[i]), 0);
        int v = 77;
        ck_assert_int_eq(td_setsockopt(h->st, s, SOL_SOCKET, names[i], &v, sizeof v), 0);
        ck_assert_int_eq(get(h, s, SOL_SOCKET, names[i]), 1);
        v = 0;
        ck_assert_int_eq(td_setsockopt(h->st, s, SOL_SOCKET, names[i], &v, sizeof v), 0);
        ck_assert_int_eq(get(h, s, SOL_SOCKET, names[i]), 0);
    }
    int v = 6;
    ck_assert_int_eq(td_setsockopt(h->st, s, SOL_SOCKET, SO_PRIORITY, &v, sizeof v), 0);
    ck_assert_int_eq(get(h, s, SOL_SOCKET, SO_PRIORITY), 6);
    v = 0;
    ck_assert_int_eq(td_setsockopt(h->st, s, SOL_SOCKET, SO_RCVLOWAT, &v, sizeof v), 0);
    ck_assert_int_eq(get(h, s, SOL_SOCKET, SO_RCVLOWAT), 1);
    /* a short buffer gets the first bytes */
    uint8_t b[4] = {9, 9, 9, 9};
    socklen_t len = 2;
    ck_assert_int_eq(td_getsockopt(h->st, s, SOL_SOCKET, SO_PRIORITY, b, &len), 0);
    ck_assert_uint_eq(len, 2);
    ck_assert(b[0] == 6 && b[1] == 0 && b[2] == 9 && b[3] == 9);
    hx_free(h);
}
END_TEST

START_TEST(test_buffers)
{
    struct hx *h = hx_new();
    int s = td_socket(h->st, AF_INET, SOCK_DGRAM, 0);
    ck_assert_int_eq(get(h, s, SOL_SOCKET, SO_RCVBUF), 212992);
    ck_assert_int_eq(get(h, s, SOL_SOCKET, SO_SNDBUF), 212992);
    static const int cases[][3] = {/* asked, RCVBUF, SNDBUF */
                                   {100000, 200000, 200000},
                                   {0, 2304, 4608},
                                   {1, 2304, 4608},
                                   {INT32_MAX, 8388608, 8388608},
                                   {-1, 8388608, 8388608}};
    for (size_t i = 0; i < 5; i++) {
        ck_assert_int_eq(td_setsockopt(h->st, s, SOL_SOCKET, SO_RCVBUF, &cases[i][0], 4), 0);
        ck_assert_int_eq(td_setsockopt(h->st, s, SOL_SOCKET, SO_SNDBUF, &cases[i][0], 4), 0);
        ck_assert_int_eq(get(h, s, SOL_SOCKET, SO_RCVBUF), cases[i][1]);
        ck_assert_int_eq(get(h, s, SOL_SOCKET, SO_SNDBUF), cases[i][2]);
    }
    ck_assert_int_eq(td_knob_set(h->st, "net.core.rmem_max", "50000"), 0);
    ck_assert_int_eq(td_knob_set(h->st, "net.core.rmem_default", "30000"), 0);
    ck_assert_int_eq(td_setsockopt(h->st, s, SOL_SOCKET, SO_RCVBUF, &cases[0][0], 4), 0);
    ck_assert_int_eq(get(h, s, SOL_SOCKET, SO_RCVBUF), 100000);
    s = td_socket(h->st, AF_INET, SOCK_DGRAM, 0);
    ck_assert_int_eq(get(h, s, SOL_SOCKET, SO_RCVBUF), 30000);
    hx_free(h);
}
END_TEST

START_TEST(test_timeouts)
{
    struct hx *h = hx_new();
    int s = td_socket(h->st, AF_INET, SOCK_STREAM, 0);
    struct timeval tv = {3, 250000}, back;
    socklen_t len = sizeof back;
    ck_assert_int_eq(td_setsockopt(h->st, s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv), 0);
    ck_assert_int_eq(td_getsockopt(h->st, s, SOL_SOCKET, SO_RCVTIMEO, &back, &len), 0);
    ck_assert(back.tv_sec == 3 && back.tv_usec == 250000);
    ck_assert_int_eq(td_getsockopt(h->st, s, SOL_SOCKET, SO_SNDTIMEO, &back, &len), 0);
    ck_assert(back.tv_sec == 0 && back.tv_usec == 0);
    ck_assert_int_eq(td_setsockopt(h->st, s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv - 1), -EINVAL);
    tv.tv_usec = 1000000;
    ck_assert_int_eq(td_setsockopt(h->st, s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv), -EDOM);
    tv = (struct timeval){INT64_MAX, 0};
    ck_assert_int_eq(td_setsockopt(h->st, s, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv), 0);
    hx_free(h);
}
END_TEST

START_TEST(test_device)
{
    struct hx *h = hx_new();
    int s = td_socket(h->st, AF_INET, SOCK_DGRAM, 0);
    char b[16];
    socklen_t len = sizeof b;
    ck_assert_int_eq(td_getsockopt(h->st, s, SOL_SOCKET, SO_BINDTODEVICE, b, &len), 0);
    ck_assert_uint_eq(len, 0);
    ck_assert_int_eq(td_setsockopt(h->st, s, SOL_SOCKET, SO_BINDTODEVICE, "eth0zzzz", 4), 0);
    len = 15;
    ck_assert_int_eq(td_getsockopt(h->st, s, SOL_SOCKET, SO_BINDTODEVICE, b, &len), -EINVAL);
    ck_assert_int_eq(
        td_setsockopt(h->st, s, SOL_SOCKET, SO_BINDTODEVICE, "averyveryverylongname", 21), -ENODEV);
    ck_assert_int_eq(td_setsockopt(h->st, s, SOL_SOCKET, SO_BINDTODEVICE, "", 0), 0);
    len = sizeof b;
    ck_assert_int_eq(td_getsockopt(h->st, s, SOL_SOCKET, SO_BINDTODEVICE, b, &len), 0);
    ck_assert_uint_eq(len, 0);
    ck_assert_int_eq(td_setsockopt(h->st, s, SOL_SOCKET, SO_BINDTODEVICE, NULL, 3), -EFAULT);
    hx_free(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("options");
    TCase *t = tcase_create("options");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, test_every_length_of_every_option);
    tcase_add_test(t, test_bad_arguments);
    tcase_add_test(t, test_identity);
    tcase_add_test(t, test_switches_and_numbers);
    tcase_add_test(t, test_buffers);
    tcase_add_test(t, test_timeouts);
    tcase_add_test(t, test_device);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
