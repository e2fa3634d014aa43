/* What happens to routes, neighbours and connections when interfaces come and go; whole hosts
 * joined by a bridge, by a VLAN, and by a bridge whose port is a VLAN. Through the door, in virtual
 * time. */
#include "check_main.h"
#include "core/stack.h"
#include "dev/sim.h"
#include "harness.h"
#include "link/link.h"
#include "tapdeck/link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- one host, its interface goes down and comes up ---- */

static struct hx *h;

static void setup(void)
{
    h = hx_new();
}

static void teardown(void)
{
    hx_free(h);
}

static void up(bool on)
{
    ck_assert_int_eq(td_if_up(h->st, h->ifindex, on), 0);
}

static void peer_answers_arp(td_time at)
{
    arp_out(h, at, ARP_REQUEST, HX_PEER);
    hx_arp_in(
        h, NOW,
        &(struct arp_pkt){
            .op = ARP_REPLY, .sha = HX_PEER_MAC, .spa = HX_PEER, .tha = HX_US_MAC, .tpa = HX_US},
        false);
}

START_TEST(a_connection_waits_for_its_interface)
{
    int l = hx_tcp_listen(h, 80), s;
    char got[16];

    s = hx_tcp_accept(h, l, 0, 10000);
    up(false);
    ck_assert_int_eq(td_send(h->st, s, "hello", 5, 0), 5); /* it may be written to */
    hx_flush(h);
    hx_quiet(h, SEC(1)); /* nothing leaves, whatever its timers say */
    up(true);
    hx_flush(h);
    hx_drain(h);
    hx_until(h, SEC(4)); /* by then it has tried again */
    hx_arp_in(
        h, NOW,
        &(struct arp_pkt){
            .op = ARP_REPLY, .sha = HX_PEER_MAC, .spa = HX_PEER, .tha = HX_US_MAC, .tpa = HX_US},
        false);
    hx_drain(h);
    tcp_in(h, NOW, .flags = ACK | PSH, .seq = 1, .ack = 6, .wnd = 10000, .data = "hi", .len = 2);
    ck_assert_int_eq(td_recv(h->st, s, got, sizeof got, 0), 2);
    hx_drain(h);
    td_close(h->st, s);
    td_close(h->st, l);
    hx_flush(h);
    hx_drain(h);
}
END_TEST

START_TEST(the_address_stays_ours_without_the_cable)
{
    struct td_route_answer a;
    int u = hx_udp_socket(h, HX_US, 9), v = hx_udp_socket(h, 0, 10);
    char got[4];

    up(false);
    ck_assert_int_eq(td_route_get(h->st, HX_US, 0, &a), 0); /* the host talks to itself on it */
    ck_assert_int_eq(td_sendto(h->st, v, "x", 1, 0, HX_US, 9), 1);
    hx_flush(h);
    ck_assert_int_eq(td_recv(h->st, u, got, sizeof got, 0), 1);
    /* and to nobody else */
    ck_assert_int_eq(td_route_get(h->st, HX_PEER, 0, &a), -ENETUNREACH);
    ck_assert_int_eq(td_route_get(h->st, HX_FAR, 0, &a), -ENETUNREACH);
    ck_assert_int_eq(td_sendto(h->st, v, "x", 1, 0, HX_FAR, 9), -ENETUNREACH);
    up(true);
    ck_assert_int_eq(td_route_get(h->st, HX_FAR, 0, &a),
                     0); /* configured routes are there again (1812-FW51) */
    ck_assert_uint_eq(a.nexthop, HX_ROUTER);
    td_close(h->st, u);
    td_close(h->st, v);
    hx_flush(h);
    hx_drain(h);
}
END_TEST

START_TEST(neighbours_are_asked_for_anew)
{
    int u = hx_udp_socket(h, 0, 9);

    ck_assert_int_eq(td_sendto(h->st, u, "x", 1, 0, HX_PEER, 9), 1);
    udp_out(h, NOW, .dport = 9, .sport = 9, .len = 1, .data = "x");
    up(false); /* who knows what is at the other end of the cable when it comes back */
    up(true);
    hx_flush(h);
    hx_drain(h);
    ck_assert_int_eq(td_sendto(h->st, u, "y", 1, 0, HX_PEER, 9), 1);
    peer_answers_arp(NOW);
    udp_out(h, NOW, .dport = 9, .sport = 9, .len = 1, .data = "y");
    td_close(h->st, u);
}
END_TEST

START_TEST(removed_with_all_that_stood_on_it)
{
    struct td_link_config c = {
        .kind = TD_LINK_VLAN, .name = "v", .lower = h->ifindex, .vid = 7, .flags = TD_IF_UP};
    struct td_route r = {
        .prefix = TD_IP4(198, 18, 0, 0), .plen = 16, .gateway = TD_IP4(10, 7, 0, 2)};
    struct td_route_answer a;
    uint32_t v;

    ck_assert_int_eq(td_link_add(h->st, &c, &v), 0);
    ck_assert_int_eq(td_addr_add(h->st, v, TD_IP4(10, 7, 0, 1), 24), 0);
    ck_assert_int_eq(td_route_add(h->st, &r, false), 0);
    hx_flush(h);
    hx_drain(h);
    ck_assert_int_eq(td_route_get(h->st, TD_IP4(198, 18, 1, 1), 0, &a), 0);
    ck_assert_uint_eq(a.ifindex, v);
    ck_assert_int_eq(td_if_del(h->st, h->ifindex), 0);
    ck_assert_int_eq(td_route_get(h->st, TD_IP4(198, 18, 1, 1), 0, &a), -ENETUNREACH);
    ck_assert_int_eq(td_route_get(h->st, TD_IP4(10, 7, 0, 1), 0, &a), -ENETUNREACH);
    ck_assert_uint_eq(td_if_index(h->st, "v"), 0);
}
END_TEST

START_TEST(many_addresses_one_interface)
{
    struct td_addr alias = {.addr = TD_IP4(10, 0, 0, 5), .plen = 24, .label = "eth0:5"};
    uint8_t echo[4] = "ping";

    ck_assert_int_eq(td_addr_add_full(h->st, h->ifindex, &alias), 0);
    alias.label[0] = 'x';
    alias.addr++;
    ck_assert_int_eq(td_addr_add_full(h->st, h->ifindex, &alias), -EINVAL);
    hx_drain(h);
    icmp_in(h, NOW, .dst = TD_IP4(10, 0, 0, 5), .type = ICMP_ECHO, .data = echo, .len = 4);
    icmp_out(h, NOW, .src = TD_IP4(10, 0, 0, 5), .type = ICMP_ECHO_REPLY, .data = echo, .len = 4);
    hx_arp_in(
        h, NOW,
        &(struct arp_pkt){
            .op = ARP_REQUEST, .sha = HX_PEER_MAC, .spa = HX_PEER, .tpa = TD_IP4(10, 0, 0, 5)},
        true);
    arp_out(h, NOW, ARP_REPLY, HX_PEER);
    ck_assert_uint_eq(h->got.arp.spa, TD_IP4(10, 0, 0, 5));
}
END_TEST

START_TEST(a_dummy_swallows_and_tells)
{
    struct td_link_config c = {.kind = TD_LINK_DUMMY, .name = "d0", .flags = TD_IF_UP};
    int u = hx_udp_socket(h, 0, 9);
    uint32_t d;
    uint8_t echo[4] = "ping";

    ck_assert_int_eq(td_link_add(h->st, &c, &d), 0);
    ck_assert_int_eq(td_addr_add(h->st, d, TD_IP4(192, 168, 77, 1), 24), 0);
    ck_assert_int_eq(td_sendto(h->st, u, "x", 1, 0, TD_IP4(192, 168, 77, 9), 9), 1);
    hx_flush(h);
    ck_assert_uint_eq(hx_event(h, "link-drop-dummy"), 1);
    ck_assert_uint_eq(netif_by_index(h->st, d)->stats.tx_packets, 1);
    /* its address is the host's, whatever cable the question comes by */
    icmp_in(h, NOW, .dst = TD_IP4(192, 168, 77, 1), .type = ICMP_ECHO, .data = echo, .len = 4);
    icmp_out(h, NOW, .src = TD_IP4(192, 168, 77, 1), .type = ICMP_ECHO_REPLY, .data = echo, .len = 4);
    td_close(h->st, u);
}
END_TEST

/* ---- hosts joined by what is tested ---- */

static struct sim *world;
static struct td_stack *a, *b, *sw;
static uint32_t a_if, b_if, sw_a, sw_b;

static void world_setup(void)
{
    world = sim_new(42, SEC(1000));
    a = sim_host(world, TD_PROFILE_LINUX);
    sw = sim_host(world, TD_PROFILE_LINUX);
    b = sim_host(world, TD_PROFILE_LINUX);
    struct td_netem wire = {.delay = TD_MS, .rate = 100000000};
    struct sim_wire *one = sim_join(world, a, "eth0", &a_if, sw, "p0", &sw_a, 1500);
    struct sim_wire *two = sim_join(world, sw, "p1", &sw_b, b, "eth0", &b_if, 1500);
    ck_assert_int_eq(sim_impair(one, &wire, &wire), 0);
    ck_assert_int_eq(sim_impair(two, &wire, &wire), 0);
}

static void world_teardown(void)
{
    sim_free(world);
}

static uint32_t bridge_of(struct td_stack *st, uint32_t x, uint32_t y)
{
    struct td_link_config c = {.kind = TD_LINK_BRIDGE, .name = "br0", .flags = TD_IF_UP};
    uint32_t br;

    ck_assert_int_eq(td_link_add(st, &c, &br), 0);
    ck_assert_int_eq(td_link_set_master(st, x, br), 0);
    ck_assert_int_eq(td_link_set_master(st, y, br), 0);
    return br;
}

static uint32_t vlan_on(struct td_stack *st, uint32_t lower, uint16_t vid)
{
    struct td_link_config c = {.kind = TD_LINK_VLAN, .lower = lower, .vid = vid, .flags = TD_IF_UP};
    uint32_t v;

    snprintf(c.name, sizeof c.name, "v%u", vid);
    ck_assert_int_eq(td_link_add(st, &c, &v), 0);
    return v;
}

/* 200 KB from one host to another over TCP; true: they arrived as they were. */
static bool transfer(struct td_stack *from, struct td_stack *to, td_ip4 dst, uint16_t port)
{
    static uint8_t block[8192], got[8192];
    struct sockaddr_in sa = td_sockaddr(dst, port), any = td_sockaddr(0, port);
    int l = td_socket(to, AF_INET, SOCK_STREAM, 0), s = td_socket(from, AF_INET, SOCK_STREAM, 0),
        c = -1;
    uint32_t sent = 0, received = 0;
    bool same = true;

    ck_assert_int_eq(td_bind(to, l, (struct sockaddr *)&any, sizeof any), 0);
    ck_assert_int_eq(td_listen(to, l, 1), 0);
    ck_assert_int_eq(td_connect(from, s, (struct sockaddr *)&sa, sizeof sa), -EINPROGRESS);
    for (unsigned round = 0; round < 400 && received < 200000; round++) {
        int64_t n;

        sim_run(world, sim_now(world) + MS(20), NULL, NULL);
        if (c < 0)
            c = td_accept(to, l, NULL, NULL);
        for (n = 1; n > 0 && sent<200000; sent += n> 0 ? (uint32_t)n : 0) {
            for (uint32_t i = 0; i < sizeof block; i++)
                block[i] = (uint8_t)((sent + i) % 253);
            n = td_send(from, s, block, sizeof block < 200000 - sent ? sizeof block : 200000 - sent,
                        0);
        }
        while (c >= 0 && (n = td_recv(to, c, got, sizeof got, 0)) > 0) {
            for (int64_t i = 0; i < n; i++)
                same = same && got[i] == (uint8_t)((received + (uint64_t)i) % 253);
            received += (uint32_t)n;
        }
    }
    return same && received == 200000;
}

/* shows: 8021D-01 8021D-02 */
START_TEST(two_hosts_and_a_bridge_between)
{
    uint32_t br = bridge_of(sw, sw_a, sw_b);

    ck_assert_int_eq(td_addr_add(a, a_if, TD_IP4(10, 0, 0, 1), 24), 0);
    ck_assert_int_eq(td_addr_add(b, b_if, TD_IP4(10, 0, 0, 2), 24), 0);
    ck_assert_int_eq(td_addr_add(sw, br, TD_IP4(10, 0, 0, 3), 24),
                     0); /* the bridge is a host too */
    ck_assert(transfer(a, b, TD_IP4(10, 0, 0, 2), 80));
    ck_assert(transfer(a, sw, TD_IP4(10, 0, 0, 3), 81));
    ck_assert(transfer(sw, b, TD_IP4(10, 0, 0, 2), 82));
    ck_assert_uint_eq(sw->counters.v[CNT_BridgeLearned], 2);
    ck_assert_uint_lt(sw->counters.v[CNT_BridgeFlooded],
                      10); /* after the first it is known where they are */
    ck_assert_uint_gt(sw->counters.v[CNT_BridgeForwarded], 150);
    ck_assert_uint_eq(sw->counters.v[CNT_IpForwDatagrams], 0); /* nothing of this is routing */
}
END_TEST

/* shows: 8021Q-01 8021Q-02 8021Q-06 */
START_TEST(a_router_on_a_stick)
{
    /* Both hosts are on one cable's two VLANs each; the middle one routes from 10 to 20. */
    uint32_t va = vlan_on(a, a_if, 10), s10 = vlan_on(sw, sw_a, 10), s20 = vlan_on(sw, sw_b, 20),
             vb = vlan_on(b, b_if, 20);
    struct td_route to_b = {
        .prefix = TD_IP4(10, 20, 0, 0), .plen = 16, .gateway = TD_IP4(10, 10, 0, 254)};
    struct td_route to_a = {
        .prefix = TD_IP4(10, 10, 0, 0), .plen = 16, .gateway = TD_IP4(10, 20, 0, 254)};

    ck_assert_int_eq(td_addr_add(a, va, TD_IP4(10, 10, 0, 1), 16), 0);
    ck_assert_int_eq(td_addr_add(b, vb, TD_IP4(10, 20, 0, 1), 16), 0);
    ck_assert_int_eq(td_addr_add(sw, s10, TD_IP4(10, 10, 0, 254), 16), 0);
    ck_assert_int_eq(td_addr_add(sw, s20, TD_IP4(10, 20, 0, 254), 16), 0);
    ck_assert_int_eq(td_route_add(a, &to_b, false), 0);
    ck_assert_int_eq(td_route_add(b, &to_a, false), 0);
    ck_assert_int_eq(td_knob_set(sw, "net.ipv4.ip_forward", "1"), 0);
    ck_assert(transfer(a, b, TD_IP4(10, 20, 0, 1), 80));
    ck_assert_uint_gt(sw->counters.v[CNT_IpForwDatagrams], 150);
}
END_TEST

START_TEST(a_bridge_from_a_vlan_to_a_plain_cable)
{
    uint32_t va = vlan_on(a, a_if, 10), s10 = vlan_on(sw, sw_a, 10);

    (void)bridge_of(sw, s10, sw_b);
    ck_assert_int_eq(td_addr_add(a, va, TD_IP4(10, 0, 0, 1), 24), 0);
    ck_assert_int_eq(td_addr_add(b, b_if, TD_IP4(10, 0, 0, 2), 24), 0);
    ck_assert(transfer(b, a, TD_IP4(10, 0, 0, 1), 80));
    ck_assert_int_eq(td_if_set_mtu(sw, sw_a, 1400),
                     0); /* the switch's link narrows: nobody tells, and it stands */
    ck_assert(!transfer(b, a, TD_IP4(10, 0, 0, 1), 81));
    ck_assert_uint_gt(sw->journal.events[EV_BRIDGE_DROP_MTU], 0);
}
END_TEST

START_TEST(cables_are_swapped_under_a_connection)
{
    (void)bridge_of(sw, sw_a, sw_b);
    ck_assert_int_eq(td_addr_add(a, a_if, TD_IP4(10, 0, 0, 1), 24), 0);
    ck_assert_int_eq(td_addr_add(b, b_if, TD_IP4(10, 0, 0, 2), 24), 0);
    ck_assert(transfer(a, b, TD_IP4(10, 0, 0, 2), 80));
    ck_assert_int_eq(td_if_up(sw, sw_b, false), 0);
    ck_assert(!transfer(a, b, TD_IP4(10, 0, 0, 2), 81));
    ck_assert_int_eq(td_if_up(sw, sw_b, true), 0);
    ck_assert(transfer(a, b, TD_IP4(10, 0, 0, 2), 82));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("interfaces");
    TCase *t = tcase_create("one host");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_connection_waits_for_its_interface);
    tcase_add_test(t, the_address_stays_ours_without_the_cable);
    tcase_add_test(t, neighbours_are_asked_for_anew);
    tcase_add_test(t, removed_with_all_that_stood_on_it);
    tcase_add_test(t, many_addresses_one_interface);
    tcase_add_test(t, a_dummy_swallows_and_tells);
    suite_add_tcase(s, t);
    t = tcase_create("hosts");
    tcase_add_checked_fixture(t, world_setup, world_teardown);
    tcase_add_test(t, two_hosts_and_a_bridge_between);
    tcase_add_test(t, a_router_on_a_stick);
    tcase_add_test(t, a_bridge_from_a_vlan_to_a_plain_cable);
    tcase_add_test(t, cables_are_swapped_under_a_connection);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
