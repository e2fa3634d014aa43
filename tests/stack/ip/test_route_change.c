/* Lists of changes: all of them or none. */
#include "ip_rig.h"

#define GW2 TD_IP4(10, 0, 0, 253)
#define NET TD_IP4(20, 0, 0, 0)

/* All that td_route_next and td_rule_get show, summed up. */
static uint64_t fingerprint(void)
{
    uint64_t sum = 17;
    uint32_t table = 0;
    struct td_rule x;

    while ((table = td_table_next(stack(), table)) != 0) {
        struct td_path path[TD_PATHS_MAX];
        struct td_route route;
        uint64_t cursor = 0;

        while (td_route_next(stack(), table, &cursor, &route, path)) {
            const uint32_t words[] = {route.prefix, route.plen,    route.type,  route.gateway,
                                      route.src,    route.ifindex, route.metric, route.mtu,
                                      route.table,  route.flags,   route.npaths};

            for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)
                sum = sum * 31 + words[i];
            for (unsigned i = 0; i < route.npaths; i++)
                sum = (sum * 31 + path[i].gateway) * 31 + path[i].weight;
        }
    }
    for (unsigned i = 0; td_rule_get(stack(), i, &x); i++)
        sum = ((sum * 31 + x.priority) * 31 + x.table) * 31 + x.from;
    return sum;
}

static int one(enum td_change_kind kind, struct td_route route)
{
    const struct td_change c = {.kind = kind, .route = route};
    const struct td_change_list l = {.change = &c, .n = 1};

    return ip_route_change(stack(), &l, NULL);
}
#define ONE(kind, ...) one(TD_CHANGE_##kind, (struct td_route){__VA_ARGS__})

START_TEST(test_all_or_none)
{
    const struct td_path ways[] = {{.gateway = GW2, .weight = 1}, {.gateway = PEER, .weight = 5}};
    struct td_change c[] = {
        {.kind = TD_CHANGE_ADD, .route = {.prefix = NET, .plen = 8, .gateway = GW2}},
        {.kind = TD_CHANGE_APPEND, .route = {.prefix = NET, .plen = 8, .gateway = PEER}},
        {.kind = TD_CHANGE_ADD, .route = {.prefix = NET, .plen = 9, .npaths = 2}},
        {.kind = TD_CHANGE_DEL, .route = {.metric = UINT32_MAX}},
        {.kind = TD_CHANGE_ADD, .route = {.gateway = GW2, .table = 44}},
        {.kind = TD_CHANGE_RULE_ADD, .rule = {.priority = 10, .table = 44}},
        {.kind = TD_CHANGE_RULE_DEL, .rule = {.table = TD_TABLE_MAIN}},
        {.kind = TD_CHANGE_REPLACE, .route = {.prefix = NET, .plen = 8, .type = FIB_BLACKHOLE}},
        {.kind = TD_CHANGE_DEL, .route = {.prefix = NET, .plen = 9}},
        {.kind = TD_CHANGE_ADD, .route = {.prefix = TD_IP4(30, 0, 0, 0), .plen = 8, .gateway = FAR}},
    };
    const struct td_change_list l = {.change = c, .n = 10, .path = ways, .npaths = 2};
    uint64_t before = fingerprint();
    size_t used = r->st.mem.used, bad = 0;

    ck_assert_int_eq(ip_route_change(stack(), &l, &bad), -ENETUNREACH); /* FAR is no neighbour */
    ck_assert_uint_eq(bad, 9);
    ck_assert_uint_eq(fingerprint(), before);
    ck_assert_uint_le(r->st.mem.used, used + 4096); /* hash buckets may stay */
    c[9].route.gateway = PEER;
    ck_assert_int_eq(ip_route_change(stack(), &l, &bad), 0);
    ck_assert_uint_ne(fingerprint(), before);
}
END_TEST

/* Whichever allocation fails: none of it, and a second try succeeds. */
START_TEST(test_without_memory_nothing_is_changed)
{
    const struct td_change c[] = {
        {.kind = TD_CHANGE_ADD, .route = {.prefix = NET, .plen = 8, .gateway = GW2}},
        {.kind = TD_CHANGE_ADD, .route = {.gateway = GW2, .table = 44}},
        {.kind = TD_CHANGE_RULE_ADD, .rule = {.priority = 10, .table = 44}},
        {.kind = TD_CHANGE_ADD, .route = {.prefix = NET, .plen = 9, .gateway = PEER, .table = 44}},
    };
    const struct td_change_list l = {.change = c, .n = 4};
    uint64_t before = fingerprint();
    int rc = -ENOMEM;

    for (unsigned n = 1; n < 60 && rc != 0; n++) {
        r->st.mem.fail_after = n;
        rc = ip_route_change(stack(), &l, NULL);
        r->st.mem.fail_after = 0;
        r->st.mem.failing = false;
        if (rc != 0) {
            ck_assert_int_eq(rc, -ENOMEM);
            ck_assert_uint_eq(fingerprint(), before);
        }
    }
    ck_assert_int_eq(rc, 0);
    ck_assert_uint_ne(fingerprint(), before);
}
END_TEST

START_TEST(test_the_verbs)
{
    struct ip_route_result res;

    ck_assert_int_eq(ONE(CHANGE, .prefix = NET, .plen = 8, .gateway = GW2), -ESRCH);
    ck_assert_int_eq(ONE(ADD, .prefix = NET, .plen = 8, .gateway = GW2), 0);
    ck_assert_int_eq(ONE(ADD, .prefix = NET, .plen = 8, .gateway = PEER), -EEXIST);
    ck_assert_int_eq(ONE(APPEND, .prefix = NET, .plen = 8, .gateway = GW2), -EEXIST);
    ck_assert_int_eq(ONE(APPEND, .prefix = NET, .plen = 8, .gateway = PEER), 0);
    ck_assert_int_eq(ip_route(stack(), TD_IP4(20, 1, 1, 1), 0, 0, &res), 0);
    ck_assert_uint_eq(res.nexthop, GW2);
    ck_assert_int_eq(ONE(CHANGE, .prefix = NET, .plen = 8, .gateway = ROUTER), 0);
    ck_assert_int_eq(ip_route(stack(), TD_IP4(20, 1, 1, 1), 0, 0, &res), 0);
    ck_assert_uint_eq(res.nexthop, ROUTER); /* in the first one's place */
    ck_assert_int_eq(ONE(DEL, .prefix = NET, .plen = 8, .gateway = ROUTER), 0);
    ck_assert_int_eq(ip_route(stack(), TD_IP4(20, 1, 1, 1), 0, 0, &res), 0);
    ck_assert_uint_eq(res.nexthop, PEER);
}
END_TEST

/* A gateway that no subnet covers, and one that only this host can be. */
START_TEST(test_gateways)
{
    struct ip_route_result res;
    td_ip4 odd = TD_IP4(169, 254, 9, 9);

    ck_assert_int_eq(ONE(ADD, .prefix = NET, .plen = 8, .gateway = odd, .flags = TD_ROUTE_ONLINK), -ENODEV);
    ck_assert_int_eq(ONE(ADD, .prefix = NET, .plen = 8, .gateway = odd, .ifindex = eth0->index), -ENETUNREACH);
    ck_assert_int_eq(ONE(ADD, .prefix = NET, .plen = 8, .gateway = odd, .ifindex = eth0->index,
                         .flags = TD_ROUTE_ONLINK), 0);
    ck_assert_int_eq(ip_route(stack(), TD_IP4(20, 1, 1, 1), 0, 0, &res), 0);
    ck_assert_uint_eq(res.nexthop, odd);
    ck_assert_ptr_eq(res.nif, eth0);
    ck_assert_int_eq(ONE(ADD, .prefix = NET, .plen = 9, .gateway = US, .ifindex = eth0->index,
                         .flags = TD_ROUTE_ONLINK), -EINVAL);
    ck_assert_int_eq(ONE(ADD, .prefix = NET, .plen = 10, .type = FIB_BLACKHOLE, .ifindex = eth0->index), -EINVAL);
    ck_assert_int_eq(ONE(ADD, .prefix = NET, .plen = 10, .type = 3), -EINVAL);
    ck_assert_int_eq(ONE(ADD, .prefix = NET, .plen = 10, .type = 200), -EINVAL);
    ck_assert_int_eq(ONE(ADD, .prefix = NET, .plen = 10, .npaths = 2), -EINVAL); /* which? */
}
END_TEST

/* A whole net may be ours. */
START_TEST(test_local_routes_can_be_set)
{
    struct ip_route_result res;

    ck_assert_int_eq(ONE(ADD, .prefix = NET, .plen = 16, .type = FIB_LOCAL, .ifindex = lo->index), 0);
    ck_assert(ip_is_local(stack(), TD_IP4(20, 0, 7, 7)));
    ck_assert_int_eq(ip_route(stack(), TD_IP4(20, 0, 7, 7), 0, 0, &res), 0);
    ck_assert_int_eq(res.type, FIB_LOCAL);
    ck_assert_int_eq(ONE(DEL, .prefix = NET, .plen = 16), -ESRCH); /* that one has a type */
    ck_assert_int_eq(ONE(DEL, .prefix = NET, .plen = 16, .type = FIB_LOCAL), 0);
    ck_assert(!ip_is_local(stack(), TD_IP4(20, 0, 7, 7)));
}
END_TEST

/* A failed list leaves the rules in their order, also one whose interface has gone. */
START_TEST(test_rules_come_back_to_their_places)
{
    struct td_change c[] = {
        {.kind = TD_CHANGE_RULE_ADD, .rule = {.priority = 10, .from = NET, .from_len = 8, .table = 44}},
        {.kind = TD_CHANGE_RULE_ADD, .rule = {.priority = 10, .iif = "eth1", .table = 45}},
        {.kind = TD_CHANGE_RULE_ADD, .rule = {.priority = 10, .table = 46}},
        {.kind = TD_CHANGE_RULE_DEL, .rule = {.table = 45}},
        {.kind = TD_CHANGE_RULE_DEL, .rule = {.table = 44}},
        {.kind = TD_CHANGE_RULE_DEL, .rule = {.table = 77}},
    };
    const struct td_change_list three = {.change = c, .n = 3}, rest = {.change = c + 3, .n = 3};
    struct td_rule x;
    uint64_t before;

    eth1 = rig_if(r);
    ck_assert_int_eq(ip_route_change(stack(), &three, NULL), 0);
    ck_assert_int_eq(netif_del(stack(), eth1->index), 0);
    before = fingerprint();
    ck_assert_int_eq(ip_route_change(stack(), &rest, NULL), -ESRCH);
    ck_assert_uint_eq(fingerprint(), before);
    ck_assert(td_rule_get(stack(), 2, &x));
    ck_assert_str_eq(x.iif, "eth1");
}
END_TEST

/* Without memory for the new route the old one stays. */
START_TEST(test_a_failed_replacement_leaves_the_old_route)
{
    const struct td_path ways[] = {{.gateway = GW2, .weight = 1}, {.gateway = PEER, .weight = 5}};
    const struct td_change c = {.kind = TD_CHANGE_REPLACE, .route = {.prefix = NET, .plen = 8, .npaths = 2}};
    const struct td_change_list l = {.change = &c, .n = 1, .path = ways, .npaths = 2};
    uint64_t before;
    int rc = -ENOMEM;

    ck_assert_int_eq(ONE(ADD, .prefix = NET, .plen = 8, .gateway = GW2), 0);
    before = fingerprint();
    for (uint64_t more = 0; more < 65536 && rc != 0; more += 16) {
        r->st.mem.limit = r->st.mem.used + more;
        rc = ip_route_change(stack(), &l, NULL);
        ck_assert(rc == 0 || fingerprint() == before);
    }
    r->st.mem.limit = 0;
    ck_assert_int_eq(rc, 0);
    ck_assert_uint_ne(fingerprint(), before);
}
END_TEST

/* RFC 791 3.2: 68 bytes pass whole; less than a header and eight bytes can't be cut into. */
START_TEST(test_a_route_has_no_mtu_below_68)
{
    ck_assert_int_eq(ONE(ADD, .prefix = NET, .plen = 8, .gateway = GW2, .mtu = 24), -EINVAL);
    ck_assert_int_eq(ONE(ADD, .prefix = NET, .plen = 8, .gateway = GW2, .mtu = 67), -EINVAL);
    ck_assert_int_eq(ONE(ADD, .prefix = NET, .plen = 8, .gateway = GW2, .mtu = 68), 0);
}
END_TEST

/* A route of several ways that prefers a source goes as a whole with the address. */
START_TEST(test_several_ways_go_with_their_source)
{
    const struct td_path ways[] = {{.gateway = GW2, .weight = 1}, {.gateway = PEER, .weight = 5}};
    const td_ip4 second = TD_IP4(10, 0, 0, 77);
    const struct td_change c = {
        .kind = TD_CHANGE_ADD,
        .route = {.prefix = NET, .plen = 8, .src = second, .npaths = 2}};
    const struct td_change_list l = {.change = &c, .n = 1, .path = ways, .npaths = 2};
    uint64_t before = fingerprint();

    ck_assert_int_eq(ip_addr_add(stack(), eth0->index, second, 24, 0), 0);
    ck_assert_int_eq(ip_route_change(stack(), &l, NULL), 0);
    ck_assert_int_eq(ip_addr_del(stack(), eth0->index, second, 24), 0);
    ck_assert_uint_eq(fingerprint(), before);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ip/route_change");
    TCase *tc = ip_case(s, "route_change", true);

    tcase_add_test(tc, test_all_or_none);
    tcase_add_test(tc, test_without_memory_nothing_is_changed);
    tcase_add_test(tc, test_the_verbs);
    tcase_add_test(tc, test_gateways);
    tcase_add_test(tc, test_local_routes_can_be_set);
    tcase_add_test(tc, test_rules_come_back_to_their_places);
    tcase_add_test(tc, test_a_failed_replacement_leaves_the_old_route);
    tcase_add_test(tc, test_a_route_has_no_mtu_below_68);
    tcase_add_test(tc, test_several_ways_go_with_their_source);
    return s;
}
CHECK_MAIN(suite)
