/* Tables, the rules that choose among them, and several ways of one route. */
#include "ip_rig.h"

#define GW2   TD_IP4(10, 0, 0, 253)
#define GW3   TD_IP4(192, 168, 5, 254)
#define NET   TD_IP4(20, 0, 0, 0)
#define HOST  TD_IP4(20, 1, 2, 3)

static struct ip_route_result res;

static int change(enum td_change_kind kind, struct td_route route)
{
    const struct td_change c = {.kind = kind, .route = route};
    const struct td_change_list l = {.change = &c, .n = 1};

    return ip_route_change(stack(), &l, NULL);
}
#define ADD(...) change(TD_CHANGE_ADD, (struct td_route){__VA_ARGS__})

static int rule(enum td_change_kind kind, struct td_rule x)
{
    const struct td_change c = {.kind = kind, .rule = x};
    const struct td_change_list l = {.change = &c, .n = 1};

    return ip_route_change(stack(), &l, NULL);
}
#define RULE(...)     rule(TD_CHANGE_RULE_ADD, (struct td_rule){__VA_ARGS__})
#define RULE_DEL(...) rule(TD_CHANGE_RULE_DEL, (struct td_rule){__VA_ARGS__})

static td_ip4 via(td_ip4 dst, td_ip4 src)
{
    int rc = ip_route(stack(), dst, src, 0, &res);

    return rc == 0 ? res.nexthop : (td_ip4)rc;
}

/* shows: 1812-FW18 */
START_TEST(test_a_rule_sends_a_source_another_way)
{
    td_ip4 second = TD_IP4(10, 0, 0, 77);

    ck_assert_int_eq(ip_addr_add(stack(), eth0->index, second, 24, 0), 0);
    ck_assert_int_eq(ADD(.gateway = GW2, .table = 100), 0);
    ck_assert_uint_eq(via(FAR, second), ROUTER);
    ck_assert_int_eq(RULE(.priority = 1000, .from = second, .from_len = 32, .table = 100), 0);
    ck_assert_uint_eq(via(FAR, second), GW2);
    ck_assert_uint_eq(via(FAR, US), ROUTER);
    ck_assert_uint_eq(via(PEER, second), GW2); /* that table has nothing else */
    ck_assert_uint_eq(via(US, second), US);    /* local comes first */
    ck_assert_int_eq(res.type, FIB_LOCAL);
    ck_assert_int_eq(RULE_DEL(.priority = 1000), 0);
    ck_assert_uint_eq(via(FAR, second), ROUTER);
    ck_assert_uint_eq(events(EV_RULE_ADDED), 1);
    ck_assert_uint_eq(events(EV_RULE_REMOVED), 1);
}
END_TEST

START_TEST(test_priority_decides_and_throw_goes_on)
{
    ck_assert_int_eq(ADD(.gateway = GW2, .table = 10), 0);
    ck_assert_int_eq(ADD(.prefix = NET, .plen = 8, .gateway = GW2, .table = 11), 0);
    ck_assert_int_eq(ADD(.prefix = TD_IP4(20, 1, 0, 0), .plen = 16, .type = FIB_THROW, .table = 11), 0);
    ck_assert_int_eq(RULE(.priority = 200, .table = 11), 0);
    ck_assert_uint_eq(via(TD_IP4(20, 9, 0, 1), 0), GW2);
    ck_assert_uint_eq(via(HOST, 0), ROUTER);       /* thrown to main */
    ck_assert_uint_eq(via(FAR, 0), ROUTER);        /* not in 11 */
    ck_assert_int_eq(RULE(.priority = 300, .to = HOST, .to_len = 32, .table = 10), 0);
    ck_assert_uint_eq(via(HOST, 0), GW2);
    ck_assert_int_eq(RULE(.priority = 100, .to = HOST, .to_len = 32, .type = FIB_PROHIBIT), 0);
    ck_assert_uint_eq(via(HOST, 0), (td_ip4)-EACCES);
    ck_assert_int_eq(RULE(.priority = 99, .to = HOST, .to_len = 32, .type = FIB_BLACKHOLE), 0);
    ck_assert_uint_eq(via(HOST, 0), (td_ip4)-EINVAL);
    ck_assert_int_eq(RULE(.priority = 98, .to = HOST, .to_len = 32, .type = FIB_UNREACHABLE), 0);
    ck_assert_uint_eq(via(HOST, 0), (td_ip4)-EHOSTUNREACH);
}
END_TEST

START_TEST(test_not_and_interfaces)
{
    set_knob(IP_FORWARD, 1);
    ck_assert_int_eq(neigh_set(stack(), eth1, GW3, rig_mac(9), NEIGH_PERMANENT), 0);
    ck_assert_int_eq(ADD(.gateway = GW3, .table = 10), 0);
    ck_assert_int_eq(RULE(.priority = 5, .iif = "eth0", .table = 10), 0);
    IP_IN(8, .dst = HOST);
    ck_assert_uint_eq(r->nout, 1);
    ck_assert_mem_eq(sent_to(0).b, rig_mac(9).b, 6);
    ck_assert_uint_eq(via(HOST, 0), ROUTER); /* our own came in nowhere */
    ck_assert_int_eq(RULE_DEL(.iif = "eth0"), 0);
    ck_assert_int_eq(RULE(.priority = 5, .iif = "lo", .table = 10), 0);
    ck_assert_uint_eq(via(HOST, 0), GW3);
    ck_assert_int_eq(RULE_DEL(.priority = 5), 0);
    ck_assert_int_eq(RULE(.priority = 5, .to = NET, .to_len = 8, .not = true, .table = 10), 0);
    ck_assert_uint_eq(via(HOST, 0), ROUTER);
    ck_assert_uint_eq(via(FAR, 0), GW3);
}
END_TEST

START_TEST(test_rules_are_judged)
{
    struct td_rule out;

    ck_assert_int_eq(RULE(.table = 0), -EINVAL);
    ck_assert_int_eq(RULE(.from = 1, .from_len = 24, .table = 10), -EINVAL);
    ck_assert_int_eq(RULE(.from_len = 33, .table = 10), -EINVAL);
    ck_assert_int_eq(RULE(.type = FIB_LOCAL, .table = 10), -EINVAL);
    ck_assert_int_eq(RULE(.iif = "nosuch", .table = 10), -ENODEV);
    ck_assert_int_eq(RULE_DEL(.priority = 77), -ESRCH);
    ck_assert_int_eq(RULE_DEL(.table = TD_TABLE_LOCAL), -EPERM);
    ck_assert_int_eq(RULE(.table = 10), 0); /* in front of main */
    ck_assert(td_rule_get(stack(), 1, &out));
    ck_assert_uint_eq(out.priority, 32765);
    ck_assert_int_eq(RULE(.priority = 32765, .table = 10), -EEXIST);
    ck_assert(td_rule_get(stack(), 3, &out));
    ck_assert_uint_eq(out.table, TD_TABLE_DEFAULT);
    ck_assert(!td_rule_get(stack(), 4, &out));
    ck_assert_int_eq(RULE_DEL(.table = TD_TABLE_MAIN), 0); /* main may go: */
    ck_assert_uint_eq(via(FAR, 0), (td_ip4)-ENETUNREACH);
}
END_TEST

START_TEST(test_tables_come_and_go)
{
    ck_assert_uint_eq(td_table_next(stack(), 0), TD_TABLE_MAIN);
    ck_assert_int_eq(ADD(.gateway = GW2, .table = 7), 0);
    ck_assert_int_eq(ADD(.gateway = GW2, .table = 1000), 0);
    ck_assert_int_eq(ADD(.gateway = GW2, .table = TD_TABLE_DEFAULT), 0);
    ck_assert_uint_eq(td_table_next(stack(), 0), 7);
    ck_assert_uint_eq(td_table_next(stack(), 7), TD_TABLE_DEFAULT);
    ck_assert_uint_eq(td_table_next(stack(), TD_TABLE_DEFAULT), TD_TABLE_MAIN);
    ck_assert_uint_eq(td_table_next(stack(), TD_TABLE_LOCAL), 1000);
    ck_assert_uint_eq(td_table_next(stack(), 1000), 0);
    /* the default table is asked when main has nothing */
    ck_assert_int_eq(change(TD_CHANGE_DEL, (struct td_route){.metric = UINT32_MAX}), 0);
    ck_assert_uint_eq(via(FAR, 0), GW2);
    ck_assert_int_eq(change(TD_CHANGE_DEL, (struct td_route){.table = TD_TABLE_DEFAULT}), 0);
    ck_assert_uint_eq(via(FAR, 0), (td_ip4)-ENETUNREACH);
    ck_assert_int_eq(change(TD_CHANGE_DEL, (struct td_route){.table = 7}), 0);
    ck_assert_uint_eq(td_table_next(stack(), 0), TD_TABLE_MAIN);
    for (uint32_t i = 0; i < 255; i++)
        ck_assert_int_eq(ADD(.gateway = GW2, .table = 2000 + i), 0);
    ck_assert_int_eq(ADD(.gateway = GW2, .table = 3000), -ENOSPC);
}
END_TEST

/* shows: 1812-FW18 */
START_TEST(test_the_smallest_metric_is_used)
{
    ck_assert_int_eq(ADD(.prefix = NET, .plen = 8, .gateway = GW3, .metric = 30), 0);
    ck_assert_int_eq(ADD(.prefix = NET, .plen = 8, .gateway = GW2, .metric = 20), 0);
    ck_assert_int_eq(ADD(.prefix = NET, .plen = 8, .gateway = PEER, .metric = 40), 0);
    ck_assert_uint_eq(via(HOST, 0), GW2);
    ck_assert_int_eq(change(TD_CHANGE_DEL, (struct td_route){.prefix = NET, .plen = 8, .metric = 20}), 0);
    ck_assert_uint_eq(via(HOST, 0), GW3);
}
END_TEST

/* ---- several ways ---- */

static int two_ways(uint16_t w1, uint16_t w2)
{
    const struct td_path p[] = {{.gateway = GW2, .weight = w1}, {.gateway = GW3, .weight = w2}};
    const struct td_change c = {.kind = TD_CHANGE_REPLACE,
                                .route = {.prefix = NET, .plen = 8, .npaths = 2}};
    const struct td_change_list l = {.change = &c, .n = 1, .path = p, .npaths = 2};

    return ip_route_change(stack(), &l, NULL);
}

/* shows: 1812-FW18 */
START_TEST(test_flows_are_shared_out_by_weight)
{
    unsigned by[2] = {0, 0};

    ck_assert_int_eq(two_ways(1, 3), 0);
    for (unsigned i = 0; i < 4000; i++) {
        td_ip4 dst = TD_IP4(20, 0, 0, 1) + i * 97, way = via(dst, US);

        ck_assert(way == GW2 || way == GW3);
        by[way == GW3]++;
        r->st.journal.next_packet++;
        ck_assert_uint_eq(via(dst, US), way); /* a flow keeps its way */
        ck_assert_ptr_eq(res.nif, way == GW3 ? eth1 : eth0);
    }
    ck_assert_uint_gt(by[0], 850);
    ck_assert_uint_lt(by[0], 1150);
    ck_assert_int_eq(ip_route(stack(), HOST, 0, eth1->index, &res), 0); /* bound to an interface */
    ck_assert_uint_eq(res.nexthop, GW3);
}
END_TEST

/* shows: 1812-FW18 */
START_TEST(test_a_way_whose_interface_is_down_is_taken_out)
{
    ck_assert_int_eq(two_ways(1, 1), 0);
    ck_assert_int_eq(netif_set_flags(stack(), eth1, 0, TD_IF_UP), 0);
    for (unsigned i = 0; i < 100; i++)
        ck_assert_uint_eq(via(TD_IP4(20, 0, 0, 1) + i, US), GW2);
    ck_assert_int_eq(netif_set_flags(stack(), eth0, 0, TD_IF_UP), 0);
    ck_assert_uint_eq(via(HOST, US), (td_ip4)-ENETUNREACH);
    ck_assert_int_eq(netif_set_flags(stack(), eth0, TD_IF_UP, 0), 0);
    ck_assert_int_eq(netif_set_flags(stack(), eth1, TD_IF_UP, 0), 0);
    unsigned second = 0;
    for (unsigned i = 0; i < 100; i++)
        second += via(TD_IP4(20, 0, 0, 1) + i, US) == GW3;
    ck_assert_uint_gt(second, 20);
    /* one whose interface is gone for good leaves the others */
    ck_assert_int_eq(netif_del(stack(), eth1->index), 0);
    for (unsigned i = 0; i < 100; i++)
        ck_assert_uint_eq(via(TD_IP4(20, 0, 0, 1) + i, US), GW2);
}
END_TEST

START_TEST(test_ports_count_when_told_so)
{
    struct route_key k = {.dst = HOST, .src = US, .proto = 17};
    unsigned by[2][2] = {{0, 0}, {0, 0}};

    ck_assert_int_eq(two_ways(1, 1), 0);
    for (unsigned policy = 0; policy < 2; policy++) {
        set_knob(FIB_MULTIPATH_HASH_POLICY, policy);
        for (uint32_t port = 0; port < 200; port++) {
            k.ports = port << 16 | 53;
            ck_assert_int_eq(route_find_flow(stack(), k, &res), 0);
            by[policy][res.nexthop == GW3]++;
        }
    }
    ck_assert(by[0][0] == 0 || by[0][1] == 0);
    ck_assert_uint_gt(by[1][0], 50);
    ck_assert_uint_gt(by[1][1], 50);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ip/policy");
    TCase *tc = ip_case(s, "policy", true);

    tcase_add_test(tc, test_a_rule_sends_a_source_another_way);
    tcase_add_test(tc, test_priority_decides_and_throw_goes_on);
    tcase_add_test(tc, test_not_and_interfaces);
    tcase_add_test(tc, test_rules_are_judged);
    tcase_add_test(tc, test_tables_come_and_go);
    tcase_add_test(tc, test_the_smallest_metric_is_used);
    tcase_add_test(tc, test_flows_are_shared_out_by_weight);
    tcase_add_test(tc, test_a_way_whose_interface_is_down_is_taken_out);
    tcase_add_test(tc, test_ports_count_when_told_so);
    return s;
}
CHECK_MAIN(suite)
