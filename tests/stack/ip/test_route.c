/* Next hops, sources, gateways that fail (RFC 1122 3.3.1, 3.3.4). */
#include "ip_rig.h"

#define GW2 TD_IP4(10, 0, 0, 253)
#define GW3 TD_IP4(10, 0, 0, 252)

static struct ip_route_result res;

static td_ip4 via(td_ip4 dst)
{
    ck_assert_int_eq(ip_route(stack(), dst, 0, 0, &res), 0);
    return res.nexthop;
}
static int add(td_ip4 prefix, uint8_t plen, td_ip4 gw, uint32_t metric)
{
    struct fib_route route = {
        .prefix = prefix, .plen = plen, .gateway = gw, .metric = metric, .proto = FIB_PROTO_STATIC};

    return ip_route_add(stack(), &route, false);
}
static int del(td_ip4 prefix, uint8_t plen)
{
    struct fib_route route = {.prefix = prefix, .plen = plen, .metric = UINT32_MAX};

    return ip_route_del(stack(), &route);
}

/* shows: 1122-I094 950-01 1122-I012 1122-I083 1122-I111 */
START_TEST(test_local_or_remote)
{
    static const struct {
        uint8_t plen;
        td_ip4 own, inside, outside;
    } t[] = {
        {8, TD_IP4(20, 1, 2, 3), TD_IP4(20, 255, 0, 1), TD_IP4(21, 0, 0, 1)},
        {12, TD_IP4(20, 16, 0, 9), TD_IP4(20, 31, 255, 1), TD_IP4(20, 32, 0, 1)},
        {16, TD_IP4(20, 1, 2, 3), TD_IP4(20, 1, 0, 1), TD_IP4(20, 2, 0, 1)},
        {23, TD_IP4(20, 1, 2, 3), TD_IP4(20, 1, 3, 200), TD_IP4(20, 1, 4, 1)},
        {24, TD_IP4(20, 1, 2, 3), TD_IP4(20, 1, 2, 254), TD_IP4(20, 1, 3, 3)},
        {30, TD_IP4(20, 1, 2, 1), TD_IP4(20, 1, 2, 2), TD_IP4(20, 1, 2, 5)},
        {31, TD_IP4(20, 1, 2, 1), TD_IP4(20, 1, 2, 0), TD_IP4(20, 1, 2, 2)},
    };

    ck_assert_int_eq(ip_addr_add(stack(), eth1->index, t[_i].own, t[_i].plen, 0), 0);
    ck_assert_uint_eq(via(t[_i].inside), t[_i].inside);
    ck_assert_ptr_eq(res.nif, eth1);
    ck_assert_uint_eq(res.src, t[_i].own);
    ck_assert_uint_eq(via(t[_i].outside), ROUTER);
    ck_assert_ptr_eq(res.nif, eth0);
    ck_assert_int_eq(ip_addr_del(stack(), eth1->index, t[_i].own, t[_i].plen), 0);
    ck_assert_uint_eq(via(t[_i].inside), ROUTER);
}
END_TEST

/* shows: 1122-I095 1122-I098 4632-02 */
START_TEST(test_default_route)
{
    ck_assert_uint_eq(via(FAR), ROUTER);
    ck_assert_int_eq(del(0, 0), 0);
    ck_assert_int_eq(ip_route(stack(), FAR, 0, 0, &res), -ENETUNREACH);
    ck_assert_int_eq(IP_SEND(10, .dst = FAR), -ENETUNREACH);
    ck_assert_uint_eq(counter(IpOutNoRoutes), 1);
    ck_assert_uint_eq(events(EV_IP_OUT_DROP_ROUTE), 1);
    ck_assert_int_eq(IP_SEND(10, .dst = PEER), 0); /* on-link needs no gateway */
    ck_assert_uint_eq(r->nout, 1);
}
END_TEST

/* shows: 1122-I100 4632-01 4632-03 4632-04 */
START_TEST(test_static_routes)
{
    struct fib_route blackhole = {.prefix = TD_IP4(20, 0, 0, 0), .plen = 8, .type = FIB_BLACKHOLE};

    ck_assert_int_eq(add(TD_IP4(192, 0, 0, 0), 4, PEER, 0), 0);
    ck_assert_uint_eq(via(FAR), PEER);
    ck_assert_int_eq(add(TD_IP4(192, 0, 2, 0), 25, GW2, 0), 0);
    ck_assert_uint_eq(via(FAR), GW2);
    ck_assert_uint_eq(via(TD_IP4(192, 0, 2, 200)), PEER);
    ck_assert_int_eq(ip_route_add(stack(), &blackhole, false), 0);
    ck_assert_int_eq(add(TD_IP4(20, 1, 0, 0), 16, GW2, 0), 0);
    ck_assert_int_eq(ip_route(stack(), TD_IP4(20, 2, 0, 1), 0, 0, &res), -EINVAL);
    ck_assert_uint_eq(via(TD_IP4(20, 1, 0, 1)), GW2);
    blackhole.type = FIB_UNREACHABLE;
    ck_assert_int_eq(ip_route_add(stack(), &blackhole, false), -EEXIST);
    ck_assert_int_eq(ip_route_add(stack(), &blackhole, true), 0);
    ck_assert_int_eq(ip_route(stack(), TD_IP4(20, 2, 0, 1), 0, 0, &res), -EHOSTUNREACH);
    blackhole.type = FIB_PROHIBIT;
    ck_assert_int_eq(ip_route_add(stack(), &blackhole, true), 0);
    ck_assert_int_eq(IP_SEND(1, .dst = TD_IP4(20, 2, 0, 1)), -EACCES);
    ck_assert_int_eq(del(TD_IP4(20, 0, 0, 0), 8), 0);
    ck_assert_uint_eq(via(TD_IP4(20, 2, 0, 1)), ROUTER);
}
END_TEST

START_TEST(test_configuration_is_judged)
{
    struct fib_route route = {.prefix = TD_IP4(20, 0, 0, 0), .plen = 8};

    ck_assert_int_eq(ip_route_add(stack(), &route, false), -ENODEV);
    ck_assert_int_eq(add(TD_IP4(20, 0, 0, 1), 8, GW2, 0), -EINVAL); /* host bits */
    ck_assert_int_eq(add(TD_IP4(20, 0, 0, 0), 33, GW2, 0), -EINVAL);
    ck_assert_int_eq(add(TD_IP4(20, 0, 0, 0), 8, FAR, 0), -ENETUNREACH); /* gateway off-link */
    ck_assert_int_eq(add(TD_IP4(20, 0, 0, 0), 8, US, 0), -EINVAL);       /* ourselves */
    ck_assert_int_eq(add(TD_IP4(20, 0, 0, 0), 8, SUBNET_BCAST, 0), -EINVAL);
    ck_assert_int_eq(add(TD_IP4(20, 0, 0, 0), 8, IP_ALL_HOSTS, 0), -EINVAL);
    ck_assert_int_eq(add(0, 0, GW2, 0), -EEXIST);
    ck_assert_int_eq(add(0, 0, GW2, 1), 0);
    route.ifindex = 77;
    ck_assert_int_eq(ip_route_add(stack(), &route, false), -ENODEV);
    route.ifindex = eth1->index;
    route.src = PEER;
    ck_assert_int_eq(ip_route_add(stack(), &route, false), -EADDRNOTAVAIL); /* not our address */
    route.src = US;
    ck_assert_int_eq(ip_route_add(stack(), &route, false), 0); /* on-link, preferred source */
    ck_assert_uint_eq(via(TD_IP4(20, 5, 5, 5)), TD_IP4(20, 5, 5, 5));
    ck_assert_uint_eq(res.src, US);
    ck_assert_ptr_eq(res.nif, eth1);
    route.type = FIB_LOCAL;
    route.gateway = PEER; /* what is ours is not beyond anybody */
    ck_assert_int_eq(ip_route_add(stack(), &route, false), -EINVAL);
    ck_assert_int_eq(del(TD_IP4(30, 0, 0, 0), 8), -ESRCH);
    ck_assert_int_eq(del(TD_IP4(30, 0, 0, 1), 8), -EINVAL);
    ck_assert_int_eq(ip_addr_del(stack(), eth0->index, US, 24), 0); /* takes the route with it */
    ck_assert_uint_eq(events(EV_ROUTE_REMOVED), 1);
}
END_TEST

START_TEST(test_replace)
{
    struct fib_route route = {.gateway = GW2};

    ck_assert_int_eq(ip_route_add(stack(), &route, true), 0);
    ck_assert_uint_eq(via(FAR), GW2);
    ck_assert_int_eq(del(0, 0), 0);
    ck_assert_int_eq(del(0, 0), -ESRCH);
    route.mtu = 1400;
    ck_assert_int_eq(ip_route_add(stack(), &route, true), 0);
    ck_assert_uint_eq(via(FAR), GW2);
    ck_assert_uint_eq(res.mtu, 1400);
}
END_TEST

/* ---- source addresses ---- */

/* shows: 1122-I126 */
START_TEST(test_source)
{
    td_ip4 second = TD_IP4(10, 0, 0, 77), other = TD_IP4(172, 16, 0, 1);
    struct fib_route dflt1 = {.gateway = TD_IP4(192, 168, 5, 254), .metric = 50};

    ck_assert_int_eq(ip_addr_add(stack(), eth0->index, other, 16, 0), 0);
    ck_assert_int_eq(ip_addr_add(stack(), eth0->index, second, 24, 0), 0);
    via(PEER);
    ck_assert_uint_eq(res.src, US); /* the first of the subnet */
    via(TD_IP4(172, 16, 9, 9));
    ck_assert_uint_eq(res.src, other); /* the one in the next hop's subnet */
    via(FAR);
    ck_assert_uint_eq(res.src, US);
    ck_assert_int_eq(ip_route(stack(), FAR, second, 0, &res), 0);
    ck_assert_uint_eq(res.src, second); /* the caller's choice stands */
    ck_assert_int_eq(ip_route_add(stack(), &dflt1, false), 0);
    ck_assert_int_eq(ip_route(stack(), FAR, US2, 0, &res), 0);
    ck_assert_ptr_eq(res.nif, eth0); /* weak model: the source doesn't choose the interface */
    set_knob(IP_STRONG_HOST, 1);
    ck_assert_int_eq(ip_route(stack(), FAR, US2, 0, &res), 0);
    ck_assert_ptr_eq(res.nif, eth1); /* strong model: it does */
    ck_assert_uint_eq(res.nexthop, TD_IP4(192, 168, 5, 254));
    ck_assert_int_eq(ip_route(stack(), FAR, 0, eth1->index, &res), 0);
    ck_assert_uint_eq(res.src, US2);
    ck_assert_ptr_eq(res.nif, eth1);
}
END_TEST

START_TEST(test_interface_without_address)
{
    struct fib_route route = {.prefix = TD_IP4(20, 0, 0, 0), .plen = 8, .ifindex = eth1->index};

    ck_assert_int_eq(ip_addr_del(stack(), eth1->index, US2, 24), 0);
    ck_assert_int_eq(ip_route_add(stack(), &route, false), 0);
    via(TD_IP4(20, 0, 0, 1));
    ck_assert_uint_eq(res.src, US); /* another interface's */
    ck_assert_int_eq(ip_addr_del(stack(), eth0->index, US, 24), 0);
    ck_assert_int_eq(ip_route(stack(), TD_IP4(20, 0, 0, 1), 0, 0, &res), -EADDRNOTAVAIL);
}
END_TEST

/* ---- gateways ---- */

/* shows: 1122-I099 1122-I110 1122-I105 1122-I109 */
START_TEST(test_advice_switches_gateways)
{
    ck_assert_int_eq(add(0, 0, GW2, 10), 0);
    ck_assert_int_eq(add(0, 0, GW3, 20), 0);
    ck_assert_uint_eq(via(FAR), ROUTER);
    ip_advise_bad(stack(), FAR);
    ck_assert_uint_eq(via(FAR), GW2);
    ck_assert_uint_eq(via(TD_IP4(198, 51, 100, 1)), GW2); /* for everybody behind it */
    ip_advise_bad(stack(), FAR);
    ck_assert_uint_eq(via(FAR), GW3);
    ip_advise_bad(stack(), FAR); /* the last one: round again */
    ck_assert_uint_eq(via(FAR), ROUTER);
    ck_assert_uint_eq(events(EV_GATEWAY_DEAD), 3);
    ip_advise_bad(stack(), FAR);
    ck_assert_uint_eq(via(FAR), GW2);
    advance(121 * TD_SEC); /* no death is for ever */
    ck_assert_uint_eq(via(FAR), ROUTER);
    ck_assert_uint_eq(via(PEER), PEER);
}
END_TEST

/* A shorter prefix is no substitute for the only gateway of a longer one: it may not lead there. */
START_TEST(test_advice_keeps_the_prefix)
{
    ck_assert_int_eq(add(TD_IP4(20, 0, 0, 0), 8, GW2, 0), 0);
    ip_advise_bad(stack(), TD_IP4(20, 0, 0, 1));
    ck_assert_uint_eq(via(TD_IP4(20, 0, 0, 1)), GW2);
    ck_assert_uint_eq(events(EV_GATEWAY_DEAD), 0);
}
END_TEST

/* shows: 1122-I104 1122-I110 */
START_TEST(test_arp_failure_switches_gateways)
{
    td_ip4 gw_absent = TD_IP4(10, 0, 0, 250);
    struct fib_route first = {.gateway = gw_absent};

    ck_assert_int_eq(ip_route_add(stack(), &first, true), 0);
    ck_assert_int_eq(add(0, 0, ROUTER, 10), 0);
    ck_assert_int_eq(IP_SEND(10, .dst = FAR), 0);
    advance(5 * TD_SEC);
    ck_assert_uint_eq(events(EV_GATEWAY_DEAD), 1);
    ck_assert_uint_eq(via(FAR), ROUTER);
    ck_assert_uint_eq(err.count, 0); /* there is another way: nothing to tell the transport */
    rig_forget(r);
    ck_assert_int_eq(IP_SEND(10, .dst = FAR), 0);
    sent(0);
    ck_assert(mac_eq(sent_to(0), ROUTER_MAC));
    /* With no other way the transport hears of it */
    ck_assert_int_eq(ip_route_del(stack(), &(struct fib_route){.metric = 10}), 0);
    advance(200 * TD_SEC);
    ck_assert_int_eq(IP_SEND(10, .dst = FAR), 0);
    advance(10 * TD_SEC);
    ck_assert_uint_eq(err.count, 1);
    ck_assert_uint_eq(err.e.code, ICMP_HOST_UNREACH);
    ck_assert_uint_eq(via(FAR), gw_absent); /* a doubtful gateway is better than none */
}
END_TEST

/* shows: 1122-I106 1122-I107 1122-I108 */
START_TEST(test_gateways_are_not_pinged)
{
    ck_assert_int_eq(add(0, 0, GW2, 10), 0);
    ip_advise_bad(stack(), FAR);
    advance(3600 * TD_SEC);
    nothing_sent();
}
END_TEST

/* shows: 1122-I051 */
START_TEST(test_unreachables_kill_no_route)
{
    static const uint8_t codes[] = {0, 1, 5};
    uint8_t quote[28];

    ck_assert_int_eq(add(0, 0, GW2, 10), 0);
    build(quote, (struct ipv4_hdr){.src = US, .dst = FAR}, pattern(), 8);
    for (unsigned i = 0; i < 3; i++) {
        icmp_in((struct ipv4_hdr){.src = ROUTER}, ICMP_UNREACHABLE, codes[i], 0, quote, 28);
        ck_assert_uint_eq(err.count, i + 1);
        ck_assert_uint_eq(via(FAR), ROUTER);
    }
    ck_assert_uint_eq(events(EV_GATEWAY_DEAD), 0);
}
END_TEST

START_TEST(test_advice_about_a_neighbour)
{
    td_ip4 host = TD_IP4(10, 0, 0, 66);

    ck_assert_int_eq(neigh_set(stack(), eth0, host, PEER_MAC, NEIGH_REACHABLE), 0);
    ip_advise_bad(stack(), host);
    ck_assert_int_eq(neigh_lookup(stack(), eth0, host, NULL), NEIGH_STALE);
    ip_advise_good(stack(), host);
    ck_assert_int_eq(neigh_lookup(stack(), eth0, host, NULL), NEIGH_REACHABLE);
    ip_advise_bad(stack(), US);
    ip_advise_bad(stack(), TD_IP4_BROADCAST);
    ip_advise_bad(stack(), 0);
    ip_advise_good(stack(), TD_IP4_BROADCAST);
}
END_TEST

/* ---- interfaces ---- */

START_TEST(test_interface_down)
{
    struct fib_route second = {.gateway = TD_IP4(192, 168, 5, 254), .metric = 50};

    ck_assert_int_eq(ip_route_add(stack(), &second, false), 0);
    ck_assert_int_eq(netif_set_flags(stack(), eth0, 0, TD_IF_UP), 0);
    ck_assert_uint_eq(via(FAR), TD_IP4(192, 168, 5, 254));
    ck_assert(ip_is_local(stack(), US)); /* an address is ours without its cable too, as in Linux */
    ck_assert_uint_eq(via(PEER), TD_IP4(192, 168, 5, 254));
    ck_assert_int_eq(netif_set_flags(stack(), eth0, TD_IF_UP, 0), 0);
    ck_assert_uint_eq(via(FAR), ROUTER);
    ck_assert(ip_is_local(stack(), US));
    ck_assert_int_eq(netif_del(stack(), eth0->index), 0);
    eth0 = eth1;
    ck_assert(!ip_is_local(stack(), US));
    ck_assert_uint_eq(via(FAR), TD_IP4(192, 168, 5, 254));
    ck_assert_int_eq(netif_set_flags(stack(), eth1, 0, TD_IF_UP), 0);
    ck_assert_int_eq(ip_route(stack(), FAR, 0, 0, &res), -ENETUNREACH);
    ck_assert_int_eq(ip_route(stack(), TD_IP4_BROADCAST, 0, 0, &res), -ENETUNREACH);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ip/route");
    TCase *tc = ip_case(s, "route", true);

    tcase_add_loop_test(tc, test_local_or_remote, 0, 7);
    tcase_add_test(tc, test_default_route);
    tcase_add_test(tc, test_static_routes);
    tcase_add_test(tc, test_configuration_is_judged);
    tcase_add_test(tc, test_replace);
    tcase_add_test(tc, test_source);
    tcase_add_test(tc, test_interface_without_address);
    tcase_add_test(tc, test_advice_switches_gateways);
    tcase_add_test(tc, test_advice_keeps_the_prefix);
    tcase_add_test(tc, test_arp_failure_switches_gateways);
    tcase_add_test(tc, test_gateways_are_not_pinged);
    tcase_add_test(tc, test_unreachables_kill_no_route);
    tcase_add_test(tc, test_advice_about_a_neighbour);
    tcase_add_test(tc, test_interface_down);
    return s;
}
CHECK_MAIN(suite)
