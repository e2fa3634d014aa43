/* Addresses of interfaces, and the routes that follow (RFC 1122 3.2.1.3; RFC 3021; RFC 5227). */
#include "ip_rig.h"

#define st_routes ((r->st.ip->fib_ops->count)(r->st.ip->fib)) /* not the macro count() */

static int add(td_ip4 addr, uint8_t plen)
{
    return ip_addr_add(stack(), eth1->index, addr, plen, 0);
}

START_TEST(test_judged)
{
    ck_assert_int_eq(ip_addr_add(stack(), 99, PEER, 24, 0), -ENODEV);
    ck_assert_int_eq(add(0, 24), -EINVAL);
    ck_assert_int_eq(add(TD_IP4(0, 1, 2, 3), 24), -EINVAL);
    ck_assert_int_eq(add(IP_ALL_HOSTS, 32), -EINVAL);
    ck_assert_int_eq(add(TD_IP4_BROADCAST, 32), -EINVAL);
    ck_assert_int_eq(add(TD_IP4(240, 0, 0, 1), 24), -EINVAL);
    ck_assert_int_eq(add(TD_IP4(127, 0, 0, 5), 8), -EINVAL); /* 127/8 off the loopback interface */
    ck_assert_int_eq(add(TD_IP4(20, 0, 0, 0), 24), -EINVAL); /* all zeroes */
    ck_assert_int_eq(add(TD_IP4(20, 0, 0, 255), 24), -EINVAL); /* all ones */
    ck_assert_int_eq(add(TD_IP4(20, 0, 0, 1), 33), -EINVAL);
    ck_assert_int_eq(add(TD_IP4(20, 0, 0, 255), 16), 0);
    ck_assert_int_eq(add(TD_IP4(20, 0, 0, 255), 17), -EEXIST);
    ck_assert_int_eq(ip_addr_del(stack(), eth1->index, TD_IP4(20, 0, 0, 255), 24), -EADDRNOTAVAIL);
    ck_assert_int_eq(ip_addr_del(stack(), eth1->index, TD_IP4(20, 0, 0, 255), 16), 0);
    ck_assert_int_eq(ip_addr_del(stack(), 99, PEER, 24), -ENODEV);
}
END_TEST

/* A second address of a subnet shares its routes, and inherits them. */
START_TEST(test_secondary)
{
    td_ip4 second = TD_IP4(10, 0, 0, 50), third = TD_IP4(10, 0, 0, 51);
    struct ip_route_result res;
    uint32_t before = st_routes;

    ck_assert_int_eq(ip_addr_add(stack(), eth0->index, second, 24, 0), 0);
    ck_assert_uint_eq(st_routes, before + 1);
    ck_assert_int_eq(ip_addr_add(stack(), eth0->index, third, 24, 0), 0);
    ck_assert(ip_is_local(stack(), second));
    ck_assert_int_eq(ip_addr_del(stack(), eth0->index, US, 24), 0);
    ck_assert_int_eq(ip_route(stack(), PEER, 0, 0, &res), 0);
    ck_assert_uint_eq(res.nexthop, PEER);
    ck_assert_uint_eq(res.src, second);
    ck_assert(ip_is_broadcast(stack(), eth0, SUBNET_BCAST));
    ck_assert(!ip_is_local(stack(), US));
    ck_assert_int_eq(ip_addr_del(stack(), eth0->index, third, 24), 0);
    ck_assert(ip_is_broadcast(stack(), eth0, SUBNET_BCAST));
    ck_assert_int_eq(ip_addr_del(stack(), eth0->index, second, 24), 0);
    ck_assert(!ip_is_broadcast(stack(), eth0, SUBNET_BCAST));
    ck_assert_uint_eq(st_routes, before - 4); /* local, subnet and two broadcasts have gone */
}
END_TEST

START_TEST(test_broadcast_given)
{
    ck_assert_int_eq(
        ip_addr_add(stack(), eth1->index, TD_IP4(20, 0, 0, 1), 24, TD_IP4(20, 0, 0, 127)), 0);
    ck_assert(ip_is_broadcast(stack(), eth1, TD_IP4(20, 0, 0, 127)));
    ck_assert(!ip_is_broadcast(stack(), eth1, TD_IP4(20, 0, 0, 255)));
    ck_assert(!ip_is_broadcast(stack(), eth0, TD_IP4(20, 0, 0, 127)));
    ck_assert(ip_is_broadcast(stack(), NULL, TD_IP4(20, 0, 0, 127)));
}
END_TEST

START_TEST(test_same_address_on_two_interfaces)
{
    ck_assert_int_eq(add(US, 24), 0);
    ck_assert(ip_is_local(stack(), US));
    ck_assert_int_eq(ip_addr_del(stack(), eth0->index, US, 24), 0);
    ck_assert(ip_is_local(stack(), US)); /* still eth1's */
    ck_assert_int_eq(ip_addr_del(stack(), eth1->index, US, 24), 0);
    ck_assert(!ip_is_local(stack(), US));
}
END_TEST

START_TEST(test_loopback_net)
{
    ck_assert(ip_is_local(stack(), TD_IP4(127, 200, 1, 1)));
    ck_assert_int_eq(ip_addr_add(stack(), lo->index, TD_IP4(10, 99, 0, 1), 32, 0), 0);
    ck_assert(ip_is_local(stack(), TD_IP4(10, 99, 0, 1)));
    ck_assert_uint_eq(addr_source(stack(), eth0, PEER), US);
    PING(10, .dst = TD_IP4(10, 99, 0, 1)); /* reachable from outside, unlike 127/8 */
    ck_assert_uint_eq(r->nout, 1);
}
END_TEST

/* While an address is probed for it is nobody's (RFC 5227). */
START_TEST(test_conflict_detection)
{
    td_ip4 fresh = TD_IP4(10, 0, 0, 80);
    struct ip_tx tx = {.dst = PEER, .src = fresh, .proto = TEST_PROTO};

    eth0->knob[IFKNOB_ARP_ACD] = 1;
    ck_assert_int_eq(ip_addr_add(stack(), eth0->index, fresh, 24, 0), 0);
    ck_assert(!ip_is_local(stack(), fresh));
    IP_IN(10, .dst = fresh);
    ck_assert_uint_eq(up.count, 0);
    ck_assert_int_eq(ip_output(stack(), payload(5), &tx), -EINVAL);
    advance(15 * TD_SEC);
    ck_assert(ip_is_local(stack(), fresh));
    ck_assert_uint_eq(events(EV_ADDR_READY_NOW), 1);
    IP_IN(10, .dst = fresh);
    ck_assert_uint_eq(up.count, 1);
    /* another one, which somebody has */
    td_ip4 taken = TD_IP4(10, 0, 0, 81);

    ck_assert_int_eq(ip_addr_add(stack(), eth0->index, taken, 24, 0), 0);
    advance(TD_SEC);
    rig_arp(r, eth0, NULL, 2, rig_mac(81), taken, eth0->mac, 0);
    advance(15 * TD_SEC);
    ck_assert(!ip_is_local(stack(), taken));
    ck_assert_uint_eq(events(EV_ADDR_LOST), 1);
    ck_assert_int_eq(ip_addr_del(stack(), eth0->index, taken, 24), 0);
}
END_TEST

START_TEST(test_without_memory)
{
    for (unsigned fail = 1; fail < 12; fail++) {
        uint32_t before = st_routes;

        r->st.mem.fail_after = fail;
        int rc = add(TD_IP4(20, 0, 0, 1), 24);

        r->st.mem.fail_after = 0;
        r->st.mem.failing = false;
        ck_assert(rc == 0 || rc == -ENOMEM);
        if (rc == 0)
            ck_assert_int_eq(ip_addr_del(stack(), eth1->index, TD_IP4(20, 0, 0, 1), 24), 0);
        ck_assert_uint_eq(st_routes, before);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ip/addr");
    TCase *tc = ip_case(s, "addr", true);

    tcase_add_test(tc, test_judged);
    tcase_add_test(tc, test_secondary);
    tcase_add_test(tc, test_broadcast_given);
    tcase_add_test(tc, test_same_address_on_two_interfaces);
    tcase_add_test(tc, test_loopback_net);
    tcase_add_test(tc, test_conflict_detection);
    tcase_add_test(tc, test_without_memory);
    return s;
}
CHECK_MAIN(suite)
