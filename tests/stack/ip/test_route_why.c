/* How a route was found, as `ip route get` tells it. */
#include "ip_rig.h"

#define GW2 TD_IP4(10, 0, 0, 253)
#define DST TD_IP4(20, 1, 2, 3)

static struct td_route_answer answer;
static struct td_reason why[64];
static unsigned n;

static int explain(struct td_route_query q)
{
    return td_route_explain(stack(), &q, &answer, why, 64, &n);
}
#define EXPLAIN(...) explain((struct td_route_query){__VA_ARGS__})

static int add(td_ip4 prefix, uint8_t plen, td_ip4 gw, uint32_t metric, uint32_t table)
{
    const struct td_change c = {.kind = TD_CHANGE_ADD,
                                .route = {.prefix = prefix,
                                          .plen = plen,
                                          .gateway = gw,
                                          .metric = metric,
                                          .table = table}};
    const struct td_change_list l = {.change = &c, .n = 1};

    return ip_route_change(stack(), &l, NULL);
}

START_TEST(test_each_candidate_and_its_reason)
{
    ck_assert_int_eq(add(TD_IP4(20, 0, 0, 0), 8, GW2, 5, 0), 0);
    ck_assert_int_eq(add(TD_IP4(20, 0, 0, 0), 8, PEER, 9, 0), 0);
    ck_assert_int_eq(add(TD_IP4(20, 1, 0, 0), 16, TD_IP4(192, 168, 5, 9), 0, 0), 0);
    ck_assert_int_eq(netif_set_flags(stack(), eth1, 0, TD_IF_UP), 0);
    ck_assert_int_eq(EXPLAIN(.dst = DST), 0);
    ck_assert_uint_eq(answer.nexthop, GW2);
    ck_assert_uint_eq(answer.src, US);
    ck_assert_uint_eq(n, 6);
    ck_assert_int_eq(why[0].verdict, TD_RULE_PASSED);
    ck_assert_uint_eq(why[0].rule.table, TD_TABLE_LOCAL);
    ck_assert_int_eq(why[1].verdict, TD_RULE_DECIDES);
    ck_assert_int_eq(why[2].verdict, TD_ROUTE_IS_DOWN);
    ck_assert_uint_eq(why[2].route.plen, 16);
    ck_assert_int_eq(why[3].verdict, TD_ROUTE_CHOSEN);
    ck_assert_uint_eq(why[3].route.metric, 5);
    ck_assert_int_eq(why[4].verdict, TD_ROUTE_METRIC);
    ck_assert_int_eq(why[5].verdict, TD_ROUTE_SHORTER);
    ck_assert_uint_eq(why[5].route.plen, 0);
}
END_TEST

START_TEST(test_which_rule)
{
    const struct td_change c[] = {
        {.kind = TD_CHANGE_RULE_ADD, .rule = {.priority = 9, .from = US2, .from_len = 32, .table = 5}},
        {.kind = TD_CHANGE_RULE_ADD, .rule = {.priority = 8, .to = DST, .to_len = 32, .table = 6}},
    };
    const struct td_change_list l = {.change = c, .n = 2};

    ck_assert_int_eq(add(0, 0, GW2, 0, 5), 0);
    ck_assert_int_eq(ip_route_change(stack(), &l, NULL), 0);
    ck_assert_int_eq(EXPLAIN(.dst = DST, .src = US2), 0);
    ck_assert_uint_eq(answer.nexthop, GW2);
    ck_assert_uint_eq(n, 4);
    ck_assert_int_eq(why[0].verdict, TD_RULE_PASSED); /* local */
    ck_assert_int_eq(why[1].verdict, TD_RULE_PASSED); /* table 6 is empty */
    ck_assert_int_eq(why[2].verdict, TD_RULE_DECIDES);
    ck_assert_uint_eq(why[2].rule.priority, 9);
    ck_assert_int_eq(why[3].verdict, TD_ROUTE_CHOSEN);
    ck_assert_int_eq(EXPLAIN(.dst = FAR, .src = US), 0);
    ck_assert_int_eq(why[1].verdict, TD_RULE_OTHER);
    ck_assert_int_eq(why[2].verdict, TD_RULE_OTHER);
    ck_assert_uint_eq(answer.nexthop, ROUTER);
    /* what came in is routed by whom it came from */
    ck_assert_int_eq(EXPLAIN(.dst = FAR, .src = US2, .iif = eth1->index), 0);
    ck_assert_uint_eq(answer.nexthop, GW2);
}
END_TEST

START_TEST(test_no_way_has_reasons_too)
{
    const struct td_change c[] = {{.kind = TD_CHANGE_DEL, .route = {.metric = UINT32_MAX}},
                                  {.kind = TD_CHANGE_ADD, .route = {.prefix = TD_IP4(20, 0, 0, 0),
                                                                    .plen = 8,
                                                                    .type = FIB_PROHIBIT}}};
    const struct td_change_list l = {.change = c, .n = 2};

    ck_assert_int_eq(ip_route_change(stack(), &l, NULL), 0);
    ck_assert_int_eq(EXPLAIN(.dst = FAR), -ENETUNREACH);
    ck_assert_uint_eq(n, 3);
    for (unsigned i = 0; i < n; i++)
        ck_assert_int_eq(why[i].verdict, TD_RULE_PASSED);
    ck_assert_int_eq(EXPLAIN(.dst = DST), -EACCES);
    ck_assert_int_eq(why[n - 1].verdict, TD_ROUTE_CHOSEN);
    ck_assert_uint_eq(why[n - 1].route.type, FIB_PROHIBIT);
    ck_assert_int_eq(td_route_explain(stack(), &(struct td_route_query){.dst = DST}, &answer, why, 1, &n), -EACCES);
    ck_assert_uint_eq(n, 1); /* no more than there is room for */
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ip/route_why");
    TCase *tc = ip_case(s, "route_why", true);

    tcase_add_test(tc, test_each_candidate_and_its_reason);
    tcase_add_test(tc, test_which_rule);
    tcase_add_test(tc, test_no_way_has_reasons_too);
    return s;
}
CHECK_MAIN(suite)
