/* The public calls of tapdeck/stack.h: each reaches its module, and errors come back. */
#include "check_main.h"
#include "core/stack.h"
#include "harness.h"
#include "link/link.h"

#include <errno.h>
#include <string.h>

static struct hx *h;

static void setup(void)
{
    h = hx_new();
}

static void teardown(void)
{
    hx_free(h);
}

static int swallow(void *dev, const struct pkt *p)
{
    (void)dev;
    (void)p;
    return 0;
}
static const struct td_device_ops ops = {.transmit = swallow};

START_TEST(interfaces)
{
    struct td_if_config c = {.name = "eth1", .ops = &ops};
    uint32_t i = 0;
    ck_assert_int_eq(td_if_add(h->st, &c, &i), 0);
    ck_assert_uint_ne(i, h->ifindex);
    ck_assert_uint_eq(td_if_index(h->st, "eth1"), i);
    ck_assert_int_eq(td_if_add(h->st, &c, &i), -EEXIST);
    struct netif *nif = netif_by_index(h->st, i);
    ck_assert(!netif_is_up(nif));
    ck_assert_int_eq(td_if_up(h->st, i, true), 0);
    ck_assert(netif_is_up(nif));
    ck_assert_int_eq(td_if_up(h->st, i, false), 0);
    ck_assert(!netif_is_up(nif));
    ck_assert_int_eq(td_if_set_mtu(h->st, i, 1280), 0);
    ck_assert_uint_eq(nif->mtu, 1280);
    ck_assert_int_eq(td_if_set_mtu(h->st, i, 1), -EINVAL);
    struct td_mac mac = {{2, 1, 2, 3, 4, 5}};
    ck_assert_int_eq(td_if_set_mac(h->st, i, mac), 0);
    ck_assert(mac_eq(nif->mac, mac));
    ck_assert_int_eq(td_if_set_mac(h->st, i, MAC_BROADCAST), -EADDRNOTAVAIL);
    ck_assert_int_eq(td_if_del(h->st, i), 0);
    ck_assert_uint_eq(td_if_index(h->st, "eth1"), 0);
}
END_TEST

START_TEST(nobodys_interface)
{
    struct td_mac mac = {{2}};
    struct td_netem netem = {0};
    ck_assert_int_eq(td_if_del(h->st, 99), -ENODEV);
    ck_assert_int_eq(td_if_up(h->st, 99, true), -ENODEV);
    ck_assert_int_eq(td_if_set_mtu(h->st, 99, 1500), -ENODEV);
    ck_assert_int_eq(td_if_set_mac(h->st, 99, mac), -ENODEV);
    ck_assert_int_eq(td_if_netem(h->st, 99, false, &netem), -ENODEV);
    td_if_ready(h->st, 99);
    ck_assert_int_eq(td_addr_add(h->st, 99, TD_IP4(10, 9, 9, 9), 8), -ENODEV);
    ck_assert_int_eq(td_addr_del(h->st, 99, TD_IP4(10, 9, 9, 9), 8), -ENODEV);
    ck_assert_int_eq(td_neigh_add(h->st, 99, HX_PEER, mac, TD_NEIGH_STALE), -ENODEV);
    ck_assert_int_eq(td_neigh_del(h->st, 99, HX_PEER), -ENODEV);
    ck_assert_int_eq(td_neigh_flush(h->st, 99), -ENODEV);
    ck_assert_int_eq(td_neigh_add(h->st, h->ifindex, HX_PEER, mac, (enum td_neigh_state)77), -EINVAL);
}
END_TEST

START_TEST(addresses_and_routes)
{
    struct td_route_answer a;
    ck_assert_int_eq(td_addr_add(h->st, h->ifindex, TD_IP4(192, 168, 1, 1), 24), 0);
    ck_assert_int_eq(td_addr_add(h->st, h->ifindex, TD_IP4(192, 168, 1, 1), 24), -EEXIST);
    ck_assert_int_eq(td_route_get(h->st, TD_IP4(192, 168, 1, 9), 0, &a), 0);
    ck_assert_uint_eq(a.src, TD_IP4(192, 168, 1, 1));
    ck_assert_uint_eq(a.nexthop, TD_IP4(192, 168, 1, 9));
    ck_assert_uint_eq(a.ifindex, h->ifindex);
    ck_assert_uint_eq(a.mtu, 1500);
    struct td_route r = {.prefix = TD_IP4(198, 51, 100, 0), .plen = 24, .gateway = HX_PEER, .mtu = 1000};
    ck_assert_int_eq(td_route_add(h->st, &r, false), 0);
    ck_assert_int_eq(td_route_add(h->st, &r, false), -EEXIST);
    ck_assert_int_eq(td_route_add(h->st, &r, true), 0);
    ck_assert_int_eq(td_route_get(h->st, TD_IP4(198, 51, 100, 1), 0, &a), 0);
    ck_assert_uint_eq(a.nexthop, HX_PEER);
    ck_assert_uint_eq(a.mtu, 1000);
    ck_assert_int_eq(td_route_del(h->st, &r), 0);
    ck_assert_int_lt(td_route_del(h->st, &r), 0);
    ck_assert_int_eq(td_route_get(h->st, TD_IP4(198, 51, 100, 1), 0, &a), 0);
    ck_assert_uint_eq(a.nexthop, HX_ROUTER); /* the default route's again */
    struct td_route sink = {.prefix = TD_IP4(203, 0, 113, 0), .plen = 24, .type = 5};
    ck_assert_int_eq(td_route_add(h->st, &sink, false), 0);
    ck_assert_int_eq(td_route_get(h->st, TD_IP4(203, 0, 113, 1), 0, &a), -EHOSTUNREACH);
    ck_assert_int_eq(td_addr_del(h->st, h->ifindex, TD_IP4(192, 168, 1, 1), 24), 0);
    ck_assert_int_eq(td_addr_del(h->st, h->ifindex, TD_IP4(192, 168, 1, 1), 24), -EADDRNOTAVAIL);
    hx_drain(h); /* announcements */
}
END_TEST

START_TEST(neighbours)
{
    struct td_mac mac = {{2, 7, 7, 7, 7, 7}};
    int s = hx_udp_socket(h, 0, 5000);
    ck_assert_int_eq(td_neigh_add(h->st, h->ifindex, TD_IP4(10, 0, 0, 7), mac, TD_NEIGH_REACHABLE), 0);
    ck_assert_int_eq(td_sendto(h->st, s, "x", 1, 0, TD_IP4(10, 0, 0, 7), 9), 1);
    udp_out(h, NOW, .dst = TD_IP4(10, 0, 0, 7), .sport = 5000, .dport = 9, .len = 1, .data = "x");
    ck_assert(mac_eq(h->got.eth.dst, mac));
    ck_assert_int_eq(td_neigh_del(h->st, h->ifindex, TD_IP4(10, 0, 0, 7)), 0);
    ck_assert_int_eq(td_neigh_del(h->st, h->ifindex, TD_IP4(10, 0, 0, 7)), -ENOENT);
    ck_assert_int_eq(td_neigh_add(h->st, h->ifindex, TD_IP4(10, 0, 0, 8), mac, TD_NEIGH_STALE), 0);
    ck_assert_int_eq(td_neigh_flush(h->st, h->ifindex), 0); /* static entries stay: the peer answers */
    ck_assert_int_eq(td_neigh_del(h->st, h->ifindex, TD_IP4(10, 0, 0, 8)), -ENOENT);
    ck_assert_int_eq(td_sendto(h->st, s, "x", 1, 0, HX_PEER, 9), 1);
    udp_out(h, NOW, .dst = HX_PEER, .sport = 5000, .dport = 9, .len = 1, .data = "x");
}
END_TEST

START_TEST(impairments)
{
    int s = hx_udp_socket(h, 0, 5000);
    struct td_netem slow = {.delay = MS(30)}, all_lost = {.loss = UINT32_MAX};
    ck_assert_int_eq(td_if_netem(h->st, h->ifindex, false, &slow), 0);
    ck_assert_int_eq(td_sendto(h->st, s, "x", 1, 0, HX_PEER, 9), 1);
    td_time at = hx_now(h) + MS(30);
    udp_out(h, at, .sport = 5000, .dport = 9, .len = 1, .data = "x");
    ck_assert_int_eq(td_if_netem(h->st, h->ifindex, false, &all_lost), 0);
    ck_assert_int_eq(td_sendto(h->st, s, "x", 1, 0, HX_PEER, 9), 1);
    hx_quiet(h, hx_now(h) + SEC(1));
    ck_assert_uint_gt(hx_event(h, "link-drop-qdisc"), 0); /* lost, and it says so */
    ck_assert_uint_gt(hx_counter(h, "EthOutDrops"), 0);
    ck_assert_int_eq(td_if_netem(h->st, h->ifindex, false, NULL), 0);
    ck_assert_int_eq(td_sendto(h->st, s, "x", 1, 0, HX_PEER, 9), 1);
    udp_out(h, NOW, .sport = 5000, .dport = 9, .len = 1, .data = "x");
    ck_assert_int_eq(td_if_netem(h->st, h->ifindex, true, &all_lost), 0);
    udp_in(h, NOW, .sport = 9, .dport = 5000, .len = 1, .data = "y");
    char b;
    ck_assert_int_eq(td_recv(h->st, s, &b, 1, 0), -EAGAIN);
    ck_assert_int_eq(td_if_netem(h->st, h->ifindex, true, NULL), 0);
    udp_in(h, NOW, .sport = 9, .dport = 5000, .len = 1, .data = "y");
    ck_assert_int_eq(td_recv(h->st, s, &b, 1, 0), 1);
}
END_TEST

START_TEST(conveniences)
{
    struct sockaddr_in sa = td_sockaddr(TD_IP4(1, 2, 3, 4), 0x1234);
    static const uint8_t port[2] = {0x12, 0x34}, addr[4] = {1, 2, 3, 4};
    ck_assert_int_eq(sa.sin_family, AF_INET);
    ck_assert(memcmp(&sa.sin_port, port, 2) == 0); /* network order inside */
    ck_assert(memcmp(&sa.sin_addr, addr, 4) == 0);
    int s = hx_udp_socket(h, 0, 5000);
    udp_in(h, NOW, .sport = 777, .dport = 5000, .len = 3, .data = "abc");
    char b[8] = "";
    td_ip4 from;
    uint16_t sport;
    ck_assert_int_eq(td_recvfrom(h->st, s, b, sizeof b, 0, &from, &sport), 3);
    ck_assert_str_eq(b, "abc");
    ck_assert_uint_eq(from, HX_PEER);
    ck_assert_uint_eq(sport, 777);
    udp_in(h, NOW, .sport = 777, .dport = 5000, .len = 3, .data = "abc");
    ck_assert_int_eq(td_recvfrom(h->st, s, b, sizeof b, 0, NULL, NULL), 3);
    ck_assert_int_eq(td_recvfrom(h->st, s, b, sizeof b, 0, &from, &sport), -EAGAIN);
    ck_assert_int_eq(td_recvfrom(h->st, 55, b, sizeof b, 0, NULL, NULL), -EBADF);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("api");
    TCase *t = tcase_create("api");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, interfaces);
    tcase_add_test(t, nobodys_interface);
    tcase_add_test(t, addresses_and_routes);
    tcase_add_test(t, neighbours);
    tcase_add_test(t, impairments);
    tcase_add_test(t, conveniences);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
