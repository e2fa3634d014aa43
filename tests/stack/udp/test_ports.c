/* Ephemeral ports: RFC 6056. */
#include "check_main.h"
#include "harness.h"

#include "udp/udp.h"

#include <errno.h>
#include <string.h>

#define LOW  32768
#define HIGH 60999

static uint16_t own_port(struct hx *h, int s)
{
    struct sockaddr_in sa;
    socklen_t len = sizeof sa;
    ck_assert_int_eq(td_getsockname(h->st, s, (struct sockaddr *)&sa, &len), 0);
    return ntohs(sa.sin_port);
}

/* Every candidate of a search is different, in range, and there are as many as the range holds. */
START_TEST(test_search_covers_the_range)
{
    struct hx *h = hx_new();
    static bool seen[65536];
    const td_ip4 peers[] = {0, HX_PEER};
    for (unsigned p = 0; p < 2; p++) {
        memset(seen, 0, sizeof seen);
        uint16_t port;
        uint32_t k = 0;
        while (port_candidate(h->st, HX_US, peers[p], 53, k, &port)) {
            ck_assert_uint_ge(port, LOW);
            ck_assert_uint_le(port, HIGH);
            ck_assert(!seen[port]);
            seen[port] = true;
            k++;
        }
        ck_assert_uint_eq(k, HIGH - LOW + 1);
    }
    hx_free(h);
}
END_TEST

/* To one peer ports go up, so that none comes again soon; another peer sees another sequence. */
START_TEST(test_known_peer_counts_up)
{
    struct hx *h = hx_new();
    uint16_t a, b, c;
    ck_assert(port_candidate(h->st, HX_US, HX_PEER, 80, 0, &a));
    ck_assert(port_candidate(h->st, HX_US, HX_PEER, 80, 0, &b));
    ck_assert_int_eq(LOW + (a - LOW + 1) % (HIGH - LOW + 1), b);
    unsigned near = 0;
    for (unsigned i = 0; i < 32; i++) {
        ck_assert(port_candidate(h->st, HX_US, HX_FAR + i, 80, 0, &c));
        near += c >= a && c < a + 100;
    }
    ck_assert_uint_lt(near, 4);
    hx_free(h);
}
END_TEST

/* Unconnected sockets: no port tells anything about the next. The spread is tested with 64 bins,
 * the step by counting how often a port is near its predecessor. */
/* shows: ATK-UDP-10 */
START_TEST(test_unconnected_ports_are_random)
{
    struct hx *h = hx_new();
    enum { N = 4096, BINS = 64 };
    unsigned bin[BINS] = {0}, near = 0;
    uint16_t last = 0;
    for (unsigned i = 0; i < N; i++) {
        int s = td_socket(h->st, AF_INET, SOCK_DGRAM, 0);
        ck_assert_int_eq(td_sendto(h->st, s, "q", 1, 0, HX_PEER, 53), 1);
        uint16_t port = own_port(h, s);
        ck_assert_uint_ge(port, LOW);
        ck_assert_uint_le(port, HIGH);
        bin[(unsigned)(port - LOW) * BINS / (HIGH - LOW + 1)]++;
        int step = port - last;
        near += step >= -16 && step <= 16;
        last = port;
        ck_assert_int_eq(td_close(h->st, s), 0);
        hx_drain(h);
    }
    for (unsigned i = 0; i < BINS; i++) {
        ck_assert_uint_ge(bin[i], N / BINS / 3);
        ck_assert_uint_le(bin[i], N / BINS * 3);
    }
    ck_assert_uint_lt(near, 24); /* 33 in 28232 at random: about 5 */
    hx_free(h);
}
END_TEST

/* Two instances with different seeds give different ports. */
/* shows: ATK-UDP-10 */
START_TEST(test_connected_port_depends_on_secret)
{
    uint16_t port[2];
    for (unsigned i = 0; i < 2; i++) {
        struct td_stack_config c = {.now = SEC(1), .seed = {(uint8_t)(i + 1)}};
        struct td_stack *st = td_stack_new(&c);
        ck_assert(port_candidate(st, HX_US, HX_PEER, 80, 0, &port[i]));
        td_stack_free(st);
    }
    ck_assert_uint_ne(port[0], port[1]);
}
END_TEST

START_TEST(test_range_knob_and_exhaustion)
{
    struct hx *h = hx_new();
    ck_assert_int_eq(td_knob_set(h->st, "net.ipv4.ip_local_port_range", "50000 50003"), 0);
    unsigned seen = 0;
    for (unsigned i = 0; i < 4; i++) {
        int s = td_socket(h->st, AF_INET, SOCK_DGRAM, 0);
        struct sockaddr_in sa = td_sockaddr(0, 0);
        ck_assert_int_eq(td_bind(h->st, s, (struct sockaddr *)&sa, sizeof sa), 0);
        seen |= 1U << (own_port(h, s) - 50000);
    }
    ck_assert_uint_eq(seen, 15);
    int s = td_socket(h->st, AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in sa = td_sockaddr(0, 0);
    ck_assert_int_eq(td_bind(h->st, s, (struct sockaddr *)&sa, sizeof sa), -EADDRINUSE);
    ck_assert_int_eq(td_sendto(h->st, s, "x", 1, 0, HX_PEER, 53), -EADDRINUSE);
    sa = td_sockaddr(HX_PEER, 53);
    ck_assert_int_eq(td_connect(h->st, s, (struct sockaddr *)&sa, sizeof sa), -EADDRINUSE);
    hx_free(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ports");
    TCase *t = tcase_create("ports");
    tcase_set_timeout(t, 30);
    tcase_add_test(t, test_search_covers_the_range);
    tcase_add_test(t, test_known_peer_counts_up);
    tcase_add_test(t, test_unconnected_ports_are_random);
    tcase_add_test(t, test_connected_port_depends_on_secret);
    tcase_add_test(t, test_range_knob_and_exhaustion);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
