/* Path MTUs and redirects of single destinations: learnt, bounded, forgotten (RFC 1191). */
#include "ip_rig.h"

static uint32_t mtu_to(td_ip4 dst)
{
    struct ip_route_result res;

    ck_assert_int_eq(ip_route(stack(), dst, 0, 0, &res), 0);
    return res.mtu;
}

START_TEST(test_lowered_and_forgotten)
{
    ip_pmtu_update(stack(), FAR, 1400);
    ck_assert_uint_eq(mtu_to(FAR), 1400);
    ck_assert_uint_eq(mtu_to(FAR + 1), 1500);
    ck_assert_uint_eq(events(EV_PMTU_LOWERED), 1);
    ip_pmtu_update(stack(), FAR, 1450); /* never raised */
    ip_pmtu_update(stack(), FAR, 1400);
    ip_pmtu_update(stack(), FAR, 9000);
    ip_pmtu_update(stack(), FAR, 0);
    ck_assert_uint_eq(mtu_to(FAR), 1400);
    ck_assert_uint_eq(events(EV_PMTU_IGNORED), 4);
    ip_pmtu_update(stack(), FAR, 600);
    ck_assert_uint_eq(mtu_to(FAR), 600);
    ck_assert_int_eq(IP_SEND(600, .dst = FAR, .flags = IP_TX_DF), -EMSGSIZE);
    ck_assert_int_eq(IP_SEND(580, .dst = FAR, .flags = IP_TX_DF), 0);
    ck_assert_int_eq(IP_SEND(1000, .dst = FAR), 0); /* cut to the path, not to the link */
    for (unsigned i = 1; i < r->nout; i++) {
        sent(i);
        ck_assert_uint_le(outh.total_len, 600);
    }
    rig_run(r, r->st.now + 600 * TD_SEC - 1000);
    ck_assert_uint_eq(mtu_to(FAR), 600);
    advance(1000);
    ck_assert_uint_eq(mtu_to(FAR), 1500);
    ck_assert_uint_eq(events(EV_PMTU_EXPIRED), 1);
    ck_assert_uint_eq(r->st.ip->dst.count, 0);
}
END_TEST

/* Messages that ask for next to nothing get 552 and no more; then DF isn't set (RFC 1191 3). */
START_TEST(test_floor)
{
    static const uint32_t nonsense[] = {0, 1, 67};

    for (unsigned i = 0; i < 3; i++)
        ip_pmtu_update(stack(), FAR, nonsense[i]);
    ck_assert_uint_eq(mtu_to(FAR), 1500);
    ip_pmtu_update(stack(), FAR, 68);
    ck_assert_uint_eq(mtu_to(FAR), 552);
    ck_assert_int_eq(IP_SEND(1000, .dst = FAR, .flags = IP_TX_DF), 0);
    ck_assert_uint_eq(r->nout, 2);
    sent(0);
    ck_assert_uint_eq(outh.flags, IPV4_MF);
    ck_assert_int_eq(IP_SEND(100, .dst = FAR, .flags = IP_TX_DF), 0);
    sent(2);
    ck_assert_uint_eq(outh.flags, 0);
    ck_assert_uint_ne(outh.id, 0);      /* it may be cut on its way: it needs a number */
    ip_pmtu_update(stack(), PEER, 552); /* asked for exactly the floor: an honest answer */
    ck_assert_int_eq(IP_SEND(100, .dst = PEER, .flags = IP_TX_DF), 0);
    sent(3);
    ck_assert_uint_eq(outh.flags, IPV4_DF);
    ip_pmtu_update(stack(), PEER, 400); /* and then for less after all */
    ck_assert_int_eq(IP_SEND(100, .dst = PEER, .flags = IP_TX_DF), 0);
    sent(4);
    ck_assert_uint_eq(outh.flags, 0);
}
END_TEST

START_TEST(test_small_interface)
{
    ck_assert_int_eq(netif_set_mtu(stack(), eth0, 296), 0);
    ip_pmtu_update(stack(), FAR, 200);
    ck_assert_uint_eq(mtu_to(FAR), 296); /* the floor raises nothing */
    ip_pmtu_update(stack(), US, 1000);
    ip_pmtu_update(stack(), TD_IP4_BROADCAST, 100);
    ck_assert_uint_eq(r->st.ip->dst.count, 0);
}
END_TEST

START_TEST(test_plateaus)
{
    static const uint32_t t[][2] = {{65535, 32000}, {32000, 17914}, {1500, 1492}, {1492, 1006},
                                    {577, 508},     {296, 68},      {68, 68},     {0, 68}};

    for (unsigned i = 0; i < sizeof t / sizeof *t; i++)
        ck_assert_uint_eq(ip_pmtu_plateau(t[i][0]), t[i][1]);
}
END_TEST

START_TEST(test_bounded)
{
    for (unsigned i = 0; i < 3 * DST_CACHE_MAX; i++) {
        ip_pmtu_update(stack(), TD_IP4(20, i >> 16, i >> 8 & 255, i & 255), 1400);
        if (i % 100 == 0) /* what is renewed is not the oldest */
            ip_pmtu_update(stack(), FAR, 1499 - i / 100);
    }
    ck_assert_uint_eq(r->st.ip->dst.count, DST_CACHE_MAX);
    ck_assert_uint_lt(mtu_to(FAR), 1499);
    ck_assert_uint_eq(mtu_to(TD_IP4(20, 0, 0, 0)), 1500);
    ck_assert_uint_eq(mtu_to(TD_IP4(20, 0, (3 * DST_CACHE_MAX - 1) >> 8, 255)), 1400);
}
END_TEST

START_TEST(test_without_memory)
{
    for (unsigned fail = 1; fail < 4; fail++) {
        r->st.mem.fail_after = fail;
        ip_pmtu_update(stack(), FAR + fail, 1400);
        r->st.mem.fail_after = 0;
        r->st.mem.failing = false;
        ck_assert(mtu_to(FAR + fail) == 1500 || mtu_to(FAR + fail) == 1400);
    }
}
END_TEST

/* A redirect and an MTU of the same host live and die apart. */
START_TEST(test_both_halves)
{
    struct ip_route_result res;

    ip_pmtu_update(stack(), FAR, 1400);
    advance(300 * TD_SEC);
    dst_redirect(stack(), ROUTER, FAR, TD_IP4(10, 0, 0, 253), ROUTER, eth0->index);
    advance(301 * TD_SEC);
    ck_assert_int_eq(ip_route(stack(), FAR, 0, 0, &res), 0);
    ck_assert_uint_eq(res.nexthop, TD_IP4(10, 0, 0, 253));
    ck_assert_uint_eq(res.mtu, 1500);
    ck_assert_int_eq(netif_set_flags(stack(), eth0, 0, TD_IF_UP), 0);
    ck_assert_int_eq(netif_set_flags(stack(), eth0, TD_IF_UP, 0), 0);
    ck_assert_int_eq(ip_route(stack(), FAR, 0, 0, &res), 0);
    ck_assert_uint_eq(res.nexthop, ROUTER);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ip/dstcache");
    TCase *tc = ip_case(s, "dst", false);

    tcase_add_test(tc, test_lowered_and_forgotten);
    tcase_add_test(tc, test_floor);
    tcase_add_test(tc, test_small_interface);
    tcase_add_test(tc, test_plateaus);
    tcase_add_test(tc, test_bounded);
    tcase_add_test(tc, test_without_memory);
    tcase_add_test(tc, test_both_halves);
    return s;
}
CHECK_MAIN(suite)
