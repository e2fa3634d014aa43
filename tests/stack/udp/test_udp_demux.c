/* Which socket gets a datagram, and which bindings go together. */
#include "check_main.h"
#include "harness.h"

#include "core/stack.h"
#include "core/table.h"

#include <errno.h>
#include <string.h>

static int new_socket(struct hx *h, int reuse) /* 0, SO_REUSEADDR or SO_REUSEPORT */
{
    int s = td_socket(h->st, AF_INET, SOCK_DGRAM, 0);
    int one = 1;
    ck_assert_int_ge(s, 0);
    if (reuse != 0) {
        ck_assert_int_eq(td_setsockopt(h->st, s, SOL_SOCKET, reuse, &one, sizeof one), 0);
    }
    return s;
}

static int bind_to(struct hx *h, int s, td_ip4 addr, uint16_t port)
{
    struct sockaddr_in sa = td_sockaddr(addr, port);
    return td_bind(h->st, s, (struct sockaddr *)&sa, sizeof sa);
}

static int connect_to(struct hx *h, int s, td_ip4 addr, uint16_t port)
{
    struct sockaddr_in sa = td_sockaddr(addr, port);
    return td_connect(h->st, s, (struct sockaddr *)&sa, sizeof sa);
}

/* How many datagrams wait on s; takes them. */
static unsigned take(struct hx *h, int s)
{
    char b[16];
    unsigned n = 0;
    while (td_recv(h->st, s, b, sizeof b, 0) >= 0) {
        n++;
    }
    return n;
}

START_TEST(test_best_match)
{
    struct hx *h = hx_new();
    int any = new_socket(h, SO_REUSEADDR), own = new_socket(h, SO_REUSEADDR),
        pair = new_socket(h, SO_REUSEADDR);
    ck_assert_int_eq(bind_to(h, any, 0, 5000), 0);
    udp_in(h, 0, .sport = 7, .dport = 5000, .len = 1);
    ck_assert_uint_eq(take(h, any), 1);
    ck_assert_int_eq(bind_to(h, own, HX_US, 5000), 0);
    udp_in(h, 0, .sport = 7, .dport = 5000, .len = 1);
    ck_assert_uint_eq(take(h, any), 0);
    ck_assert_uint_eq(take(h, own), 1);
    ck_assert_int_eq(bind_to(h, pair, HX_US, 5000), 0);
    ck_assert_int_eq(connect_to(h, pair, HX_PEER, 7), 0);
    udp_in(h, 0, .sport = 7, .dport = 5000, .len = 1);
    udp_in(h, 0, .sport = 8, .dport = 5000, .len = 1);
    ck_assert_uint_eq(take(h, any), 0);
    ck_assert_uint_eq(take(h, own), 1);
    ck_assert_uint_eq(take(h, pair), 1);
    /* another address of ours only concerns the wildcard */
    ck_assert_int_eq(td_addr_add(h->st, h->ifindex, TD_IP4(10, 0, 0, 50), 24), 0);
    hx_drain(h);
    udp_in(h, 0, .dst = TD_IP4(10, 0, 0, 50), .sport = 7, .dport = 5000, .len = 1);
    ck_assert_uint_eq(take(h, any), 1);
    /* when they go, the next best has it */
    ck_assert_int_eq(td_close(h->st, pair), 0);
    ck_assert_int_eq(td_close(h->st, own), 0);
    udp_in(h, 0, .sport = 7, .dport = 5000, .len = 1);
    ck_assert_uint_eq(take(h, any), 1);
    hx_free(h);
}
END_TEST

START_TEST(test_connected_to_any_port)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    ck_assert_int_eq(connect_to(h, s, HX_PEER, 0), 0);
    udp_in(h, 0, .sport = 7, .dport = 5000, .len = 1);
    udp_in(h, 0, .sport = 8, .dport = 5000, .len = 1);
    ck_assert_uint_eq(take(h, s), 2);
    udp_in(h, 0, .src = TD_IP4(10, 0, 0, 3), .sport = 7, .dport = 5000, .len = 1);
    ck_assert_uint_eq(take(h, s), 0);
    hx_drain(h);
    ck_assert_int_eq(td_send(h->st, s, "x", 1, 0), -EINVAL);
    hx_free(h);
}
END_TEST

START_TEST(test_bind_conflicts)
{
    static const struct {
        td_ip4 first, second;
        int reuse_first, reuse_second;
        int result;
    } cases[] = {
        {0, 0, 0, 0, -EADDRINUSE},
        {0, HX_US, 0, 0, -EADDRINUSE},
        {HX_US, 0, 0, 0, -EADDRINUSE},
        {HX_US, HX_US, 0, 0, -EADDRINUSE},
        {HX_US, TD_IP4(127, 0, 0, 1), 0, 0, 0},
        {0, 0, SO_REUSEADDR, 0, -EADDRINUSE},
        {0, 0, 0, SO_REUSEADDR, -EADDRINUSE},
        {0, 0, SO_REUSEADDR, SO_REUSEADDR, 0},
        {0, 0, SO_REUSEPORT, SO_REUSEPORT, 0},
        {0, 0, SO_REUSEPORT, SO_REUSEADDR, -EADDRINUSE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hx *h = hx_new();
        int a = new_socket(h, cases[i].reuse_first), b = new_socket(h, cases[i].reuse_second);
        ck_assert_int_eq(bind_to(h, a, cases[i].first, 5000), 0);
        ck_assert_int_eq(bind_to(h, b, cases[i].second, 5000), cases[i].result);
        ck_assert_int_eq(bind_to(h, a, cases[i].first, 5001), -EINVAL); /* bound already */
        ck_assert_int_eq(td_close(h->st, a), 0);
        if (cases[i].result != 0) {
            ck_assert_int_eq(bind_to(h, b, cases[i].second, 5000), 0);
        }
        hx_free(h);
    }
}
END_TEST

START_TEST(test_sharing)
{
    struct hx *h = hx_new();
    int s[4];
    /* SO_REUSEADDR: the youngest has it all */
    for (unsigned i = 0; i < 2; i++) {
        s[i] = new_socket(h, SO_REUSEADDR);
        ck_assert_int_eq(bind_to(h, s[i], 0, 5000), 0);
    }
    for (unsigned i = 0; i < 20; i++) {
        udp_in(h, 0, .sport = (uint16_t)(100 + i), .dport = 5000, .len = 1);
    }
    ck_assert_uint_eq(take(h, s[0]), 0);
    ck_assert_uint_eq(take(h, s[1]), 20);
    /* SO_REUSEPORT: spread by pair, the same pair always to the same */
    for (unsigned i = 0; i < 4; i++) {
        s[i] = new_socket(h, SO_REUSEPORT);
        ck_assert_int_eq(bind_to(h, s[i], 0, 6000), 0);
    }
    for (unsigned i = 0; i < 200; i++) {
        udp_in(h, 0, .sport = (uint16_t)(100 + i), .dport = 6000, .len = 1);
    }
    unsigned sum = 0;
    for (unsigned i = 0; i < 4; i++) {
        unsigned n = take(h, s[i]);
        ck_assert_uint_ge(n, 20);
        sum += n;
    }
    ck_assert_uint_eq(sum, 200);
    for (unsigned i = 0; i < 50; i++) {
        udp_in(h, 0, .sport = 100, .dport = 6000, .len = 1);
    }
    unsigned with = 0;
    for (unsigned i = 0; i < 4; i++) {
        with += take(h, s[i]) == 50;
    }
    ck_assert_uint_eq(with, 1);
    hx_free(h);
}
END_TEST

/* shows: 1122-I141 1812-IP26 */
START_TEST(test_broadcast_goes_to_all)
{
    struct hx *h = hx_new();
    int any1 = new_socket(h, SO_REUSEADDR), any2 = new_socket(h, SO_REUSEADDR),
        own = new_socket(h, SO_REUSEADDR), other = new_socket(h, 0),
        pair = new_socket(h, SO_REUSEADDR);
    ck_assert_int_eq(bind_to(h, any1, 0, 67), 0);
    ck_assert_int_eq(bind_to(h, any2, 0, 67), 0);
    ck_assert_int_eq(bind_to(h, own, HX_US, 67), 0);
    ck_assert_int_eq(bind_to(h, other, 0, 68), 0);
    ck_assert_int_eq(bind_to(h, pair, 0, 67), 0);
    ck_assert_int_eq(connect_to(h, pair, HX_PEER, 9), 0);
    static const td_ip4 to[] = {TD_IP4_BROADCAST, TD_IP4(10, 0, 0, 255)};
    for (unsigned i = 0; i < 2; i++) {
        udp_in(h, 0, .dst = to[i], .sport = 9, .dport = 67, .data = "who?", .len = 4,
               .eth_broadcast = true);
        char b[8] = {0};
        ck_assert_int_eq(td_recv(h->st, any1, b, sizeof b, 0), 4);
        ck_assert_str_eq(b, "who?");
        ck_assert_int_eq(td_recv(h->st, any2, b, sizeof b, 0), 4);
        ck_assert_uint_eq(take(h, any1) + take(h, any2), 0);
        ck_assert_uint_eq(take(h, own), 0);   /* asked for unicast only */
        ck_assert_uint_eq(take(h, other), 0); /* another port */
        ck_assert_uint_eq(take(h, pair), 0);  /* its local address is a unicast one */
    }
    /* bound to the broadcast address: gets nothing else */
    int b = new_socket(h, SO_REUSEADDR);
    ck_assert_int_eq(bind_to(h, b, TD_IP4(10, 0, 0, 255), 67), 0);
    udp_in(h, 0, .dst = to[1], .sport = 9, .dport = 67, .len = 4, .eth_broadcast = true);
    ck_assert_uint_eq(take(h, b), 1);
    udp_in(h, 0, .dst = to[0], .sport = 9, .dport = 67, .len = 4, .eth_broadcast = true);
    udp_in(h, 0, .sport = 9, .dport = 67, .len = 4);
    ck_assert_uint_eq(take(h, b), 0);
    hx_free(h);
}
END_TEST

START_TEST(test_bound_to_device)
{
    struct hx *h = hx_new();
    int s = new_socket(h, 0), lo = new_socket(h, 0);
    ck_assert_int_eq(td_setsockopt(h->st, s, SOL_SOCKET, SO_BINDTODEVICE, "eth0", 5), 0);
    ck_assert_int_eq(td_setsockopt(h->st, lo, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), 0);
    ck_assert_int_eq(td_setsockopt(h->st, lo, SOL_SOCKET, SO_BINDTODEVICE, "eth9", 5), -ENODEV);
    ck_assert_int_eq(bind_to(h, s, 0, 5000), 0);
    ck_assert_int_eq(bind_to(h, lo, 0, 5000), 0); /* no conflict: other device */
    udp_in(h, 0, .sport = 7, .dport = 5000, .len = 1);
    ck_assert_uint_eq(take(h, s), 1);
    ck_assert_uint_eq(take(h, lo), 0);
    int c = new_socket(h, 0);
    ck_assert_int_eq(td_sendto(h->st, c, "x", 1, 0, TD_IP4(127, 0, 0, 1), 5000), 1);
    hx_flush(h);
    ck_assert_uint_eq(take(h, s), 0);
    ck_assert_uint_eq(take(h, lo), 1);
    char name[16];
    socklen_t len = sizeof name;
    ck_assert_int_eq(td_getsockopt(h->st, s, SOL_SOCKET, SO_BINDTODEVICE, name, &len), 0);
    ck_assert_str_eq(name, "eth0");
    ck_assert_uint_eq(len, 5);
    hx_free(h);
}
END_TEST

/* Ten thousand endpoints: each is found, and closing them leaves nothing. */
START_TEST(test_many)
{
    struct hx *h = hx_new();
    enum { N = 10000 };
    static int s[N];
    for (unsigned i = 0; i < N; i++) {
        s[i] = hx_udp_socket(h, i % 2 != 0 ? HX_US : 0, (uint16_t)(10000 + i));
    }
    for (unsigned i = 0; i < N; i += 7) {
        udp_in(h, 0, .sport = 7, .dport = (uint16_t)(10000 + i), .len = 1);
        ck_assert_uint_eq(take(h, s[i]), 1);
    }
    for (unsigned i = 0; i < N; i++) {
        ck_assert_int_eq(td_close(h->st, s[(i * 7919) % N]), 0);
    }
    udp_in(h, 0, .sport = 7, .dport = 10000, .len = 1);
    icmp_out(h, 0, .type = 3, .code = 3, .any_len = true);
    hx_free(h);
}
END_TEST

START_TEST(test_table)
{
    struct hx *h = hx_new();
    int a = hx_udp_socket(h, 0, 5000), b = hx_udp_socket(h, HX_US, 5001);
    ck_assert_int_eq(connect_to(h, b, HX_PEER, 7), 0);
    udp_in(h, 0, .sport = 9, .dport = 5000, .len = 30);
    struct table *t = table_find(h->st, "udp");
    ck_assert_ptr_nonnull(t);
    struct row row;
    uint64_t cursor = 0;
    ck_assert(t->next(h->st, &cursor, &row));
    ck_assert_uint_eq(row.v[0].u, td_socket_id(h->st, a));
    ck_assert_str_eq(row.v[1].s, "UNCONN");
    ck_assert_uint_eq(row.v[2].u, 30);
    ck_assert_uint_eq(row.v[5].u, 5000);
    ck_assert(t->next(h->st, &cursor, &row));
    ck_assert_uint_eq(row.v[0].u, td_socket_id(h->st, b));
    ck_assert_str_eq(row.v[1].s, "ESTAB");
    ck_assert_uint_eq(row.v[6].u, HX_PEER);
    ck_assert_uint_eq(row.v[7].u, 7);
    ck_assert(!t->next(h->st, &cursor, &row));
    hx_free(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("udp_demux");
    TCase *t = tcase_create("demux");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, test_best_match);
    tcase_add_test(t, test_connected_to_any_port);
    tcase_add_test(t, test_bind_conflicts);
    tcase_add_test(t, test_sharing);
    tcase_add_test(t, test_broadcast_goes_to_all);
    tcase_add_test(t, test_bound_to_device);
    tcase_add_test(t, test_many);
    tcase_add_test(t, test_table);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
