/* Options of IPPROTO_IP on datagram sockets. */
#include "check_main.h"
#include "harness.h"

#include <errno.h>
#include <string.h>

START_TEST(test_values_kept_and_checked)
{
    static const struct {
        int name, initial, low, high; /* low..high are taken, the next ones refused */
        bool clamp;                   /* anything non-zero means 1, nothing is refused */
    } opts[] = {
        {IP_TTL, 64, 1, 255, false},
        {IP_MULTICAST_TTL, 1, 0, 255, false},
        {IP_MTU_DISCOVER, IP_PMTUDISC_WANT, 0, 3, false},
        {IP_MULTICAST_ALL, 1, 0, 1, false},
        {IP_MULTICAST_LOOP, 1, 0, 1, true},
        {IP_PKTINFO, 0, 0, 1, true},
        {IP_RECVTTL, 0, 0, 1, true},
        {IP_RECVTOS, 0, 0, 1, true},
        {IP_RECVOPTS, 0, 0, 1, true},
        {IP_RECVERR, 0, 0, 1, true},
    };
    struct hx *h = hx_new();
    int s = td_socket(h->st, AF_INET, SOCK_DGRAM, 0);
    for (size_t i = 0; i < sizeof opts / sizeof opts[0]; i++) {
        int v = 0;
        socklen_t len = sizeof v;
        ck_assert_int_eq(td_getsockopt(h->st, s, IPPROTO_IP, opts[i].name, &v, &len), 0);
        ck_assert_int_eq(v, opts[i].initial);
        const int ends[] = {opts[i].low, opts[i].high};
        for (size_t e = 0; e < 2; e++) {
            ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, opts[i].name, &ends[e], 4), 0);
            len = sizeof v;
            ck_assert_int_eq(td_getsockopt(h->st, s, IPPROTO_IP, opts[i].name, &v, &len), 0);
            ck_assert_int_eq(v, ends[e]);
            /* one byte will do, both ways */
            uint8_t b = (uint8_t)ends[e];
            ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, opts[i].name, &b, 1), 0);
            b = 99;
            len = 1;
            ck_assert_int_eq(td_getsockopt(h->st, s, IPPROTO_IP, opts[i].name, &b, &len), 0);
            ck_assert_uint_eq(len, 1);
            ck_assert_uint_eq(b, (unsigned)ends[e]);
        }
        /* -1 means the default to some */
        const int beyond[] = {opts[i].low == 0 ? -2 : 0, opts[i].high + 1};
        for (size_t e = 0; e < 2; e++) {
            int r = td_setsockopt(h->st, s, IPPROTO_IP, opts[i].name, &beyond[e], 4);
            ck_assert_int_eq(r, opts[i].clamp ? 0 : -EINVAL);
        }
        ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, opts[i].name, NULL, 4), -EINVAL);
        ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, opts[i].name, &v, 0), -EINVAL);
    }
    int minus = -1, v;
    socklen_t len = sizeof v;
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, IP_TTL, &minus, sizeof minus), 0);
    ck_assert_int_eq(td_getsockopt(h->st, s, IPPROTO_IP, IP_TTL, &v, &len), 0);
    ck_assert_int_eq(v, 64);
    hx_free(h);
}
END_TEST

/* shows: 1122-I024 */
START_TEST(test_default_ttl_is_the_knob)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000), v;
    socklen_t len = sizeof v;
    ck_assert_int_eq(td_knob_set(h->st, "net.ipv4.ip_default_ttl", "32"), 0);
    ck_assert_int_eq(td_getsockopt(h->st, s, IPPROTO_IP, IP_TTL, &v, &len), 0);
    ck_assert_int_eq(v, 32);
    ck_assert_int_eq(td_sendto(h->st, s, "x", 1, 0, HX_PEER, 7), 1);
    udp_out(h, 0, .ttl = 32, .len = 1);
    hx_free(h);
}
END_TEST

/* shows: 1122-I036 1812-IP07 */
START_TEST(test_ip_options)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    uint8_t back[40];
    socklen_t len = sizeof back;
    const uint8_t rr[] = {IPOPT_RR_, 7, 4, 0, 0, 0, 0};
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, IP_OPTIONS, rr, sizeof rr), 0);
    ck_assert_int_eq(td_getsockopt(h->st, s, IPPROTO_IP, IP_OPTIONS, back, &len), 0);
    ck_assert_uint_eq(len, 8); /* padded to a word */
    ck_assert(memcmp(back, rr, sizeof rr) == 0 && back[7] == 0);
    uint8_t nops[41];
    memset(nops, IPOPT_NOP_, sizeof nops);
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, IP_OPTIONS, nops, 41), -EINVAL);
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, IP_OPTIONS, nops, 40), 0);
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, IP_OPTIONS, NULL, 4), -EINVAL);
    const uint8_t two_routes[] = {IPOPT_LSRR_, 7, 4, 10, 0, 0, 254,
                                  IPOPT_SSRR_, 7, 4, 10, 0, 0, 254};
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, IP_OPTIONS, two_routes, sizeof two_routes),
                     -EINVAL);
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, IP_OPTIONS, NULL, 0), 0);
    len = sizeof back;
    ck_assert_int_eq(td_getsockopt(h->st, s, IPPROTO_IP, IP_OPTIONS, back, &len), 0);
    ck_assert_uint_eq(len, 0);
    hx_free(h);
}
END_TEST

START_TEST(test_mtu)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000), v = 0;
    socklen_t len = sizeof v;
    ck_assert_int_eq(td_getsockopt(h->st, s, IPPROTO_IP, IP_MTU, &v, &len), -ENOTCONN);
    struct sockaddr_in sa = td_sockaddr(HX_PEER, 7);
    ck_assert_int_eq(td_connect(h->st, s, (struct sockaddr *)&sa, sizeof sa), 0);
    ck_assert_int_eq(td_getsockopt(h->st, s, IPPROTO_IP, IP_MTU, &v, &len), 0);
    ck_assert_int_eq(v, 1500);
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, IP_MTU, &v, sizeof v), -ENOPROTOOPT);
    hx_free(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("dgram_options");
    TCase *t = tcase_create("ip");
    tcase_add_test(t, test_values_kept_and_checked);
    tcase_add_test(t, test_default_ttl_is_the_knob);
    tcase_add_test(t, test_ip_options);
    tcase_add_test(t, test_mtu);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
