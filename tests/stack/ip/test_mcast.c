/* Groups joined and left (RFC 1112; RFC 1122 3.3.7). */
#include "ip_rig.h"

#define GROUP TD_IP4(239, 1, 1, 1)
static const struct td_mac group_mac = {{1, 0, 0x5e, 1, 1, 1}};

static unsigned hear(td_ip4 group)
{
    uint8_t b[64];
    size_t n = build(b, (struct ipv4_hdr){.dst = group, .proto = IPPROTO_UDP_}, pattern(), 20);

    up.count = 0;
    raw_in_to(group_mac, b, n);
    return up.count;
}

/* shows: 1122-I145 ATK-IP-16 */
START_TEST(test_join_and_leave)
{
    ck_assert_uint_eq(hear(GROUP), 0);
    ck_assert_uint_eq(events(EV_IP_DROP_GROUP), 1);
    ck_assert_int_eq(ip_mcast_join(stack(), eth0, GROUP), 0);
    ck_assert_uint_eq(hear(GROUP), 1);
    ck_assert(up.rx.mcast && !up.rx.bcast);
    ck_assert_uint_eq(counter(IpExtInMcastPkts), 1);
    frame_in = eth1; /* joined there, not here */
    ck_assert_uint_eq(hear(GROUP), 0);
    frame_in = NULL;
    ck_assert_int_eq(ip_mcast_join(stack(), eth0, GROUP), 0); /* twice: counted */
    ck_assert_int_eq(ip_mcast_leave(stack(), eth0, GROUP), 0);
    ck_assert_uint_eq(hear(GROUP), 1);
    ck_assert_int_eq(ip_mcast_leave(stack(), eth0, GROUP), 0);
    ck_assert_uint_eq(hear(GROUP), 0);
    ck_assert_int_eq(ip_mcast_leave(stack(), eth0, GROUP), -EADDRNOTAVAIL);
    ck_assert_uint_eq(events(EV_GROUP_JOINED), 3); /* two interfaces' 224.0.0.1 among them */
    ck_assert_uint_eq(events(EV_GROUP_LEFT), 1);
}
END_TEST

/* shows: 1122-I147 1122-I148 */
START_TEST(test_all_hosts)
{
    ck_assert_uint_eq(hear(IP_ALL_HOSTS), 1);
    frame_in = eth1;
    ck_assert_uint_eq(hear(IP_ALL_HOSTS), 1);
    frame_in = NULL;
    ck_assert_int_eq(ip_mcast_leave(stack(), eth0, IP_ALL_HOSTS), -EADDRNOTAVAIL);
    ck_assert_uint_eq(hear(IP_ALL_HOSTS), 1);
    ck_assert_uint_ne(eth0->flags & TD_IF_MULTICAST, 0);
    ck_assert_uint_eq(lo->flags & TD_IF_MULTICAST, 0);
    ck_assert_int_eq(ip_mcast_join(stack(), lo, GROUP), -EINVAL);
    ck_assert_int_eq(ip_mcast_join(stack(), eth0, PEER), -EINVAL);
}
END_TEST

START_TEST(test_bounded_and_removed)
{
    unsigned n = 0;

    for (unsigned i = 0; i < 1000; i++)
        n += ip_mcast_join(stack(), eth0, TD_IP4(239, 2, i >> 8, i & 255)) == 0;
    ck_assert_uint_eq(n, IP_GROUPS_MAX - 2);
    ck_assert_int_eq(ip_mcast_join(stack(), eth0, GROUP), -ENOBUFS);
    ck_assert_int_eq(netif_del(stack(), eth0->index), 0);
    ck_assert_uint_eq(r->st.ip->groups.count, 1);
    r->st.mem.fail_after = 1;
    ck_assert_int_eq(ip_mcast_join(stack(), eth1, GROUP), -ENOMEM);
    r->st.mem.fail_after = 0;
    r->st.mem.failing = false;
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ip/mcast");
    TCase *tc = ip_case(s, "groups", true);

    tcase_add_test(tc, test_join_and_leave);
    tcase_add_test(tc, test_all_hosts);
    tcase_add_test(tc, test_bounded_and_removed);
    return s;
}
CHECK_MAIN(suite)
