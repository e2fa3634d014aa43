/* The layer made and unmade, with and without memory; protocols registered. */
#include "ip_rig.h"

START_TEST(test_register)
{
    ck_assert_int_eq(ip_register(stack(), TEST_PROTO, &keeper), -EEXIST);
    ck_assert_int_eq(ip_register(stack(), 254, &keeper), 0);
    IP_IN(10, .proto = 254);
    ck_assert_uint_eq(up.count, 1);
}
END_TEST

/* Whichever allocation of its making fails, it says so and leaves nothing behind. */
START_TEST(test_made_without_memory)
{
    unsigned failed = 0;

    icmp_done(stack());
    ip_done(stack());
    ip_done(stack()); /* twice is once */
    icmp_done(stack());
    for (unsigned fail = 1; fail < 8; fail++) {
        struct rig *other = rig_new(true);
        int rc;

        other->st.mem.fail_after = fail;
        rc = ip_init(&other->st);
        if (rc == 0)
            rc = icmp_init(&other->st);
        ck_assert(rc == 0 || rc == -ENOMEM);
        failed += rc != 0;
        other->st.mem.fail_after = 0;
        other->st.mem.failing = false;
        icmp_done(&other->st);
        ip_done(&other->st);
        rig_free(other); /* which counts the bytes */
    }
    ck_assert_uint_ge(failed, 3);
    ck_assert_int_eq(ip_init(stack()), -EEXIST); /* the EtherType is taken */
    ck_assert_ptr_null(r->st.ip);
}
END_TEST

/* Everything under way when it ends: reassemblies, waiting failures, groups, cache. */
START_TEST(test_ends_in_the_middle)
{
    IP_IN(16, .id = 1, .flags = IPV4_MF);
    IP_IN(16, .id = 2, .frag_off = 8, .flags = IPV4_MF);
    ip_pmtu_update(stack(), FAR, 1000);
    ck_assert_int_eq(IP_SEND(10, .dst = TD_IP4(10, 0, 0, 99)), 0);
    ck_assert_int_eq(ip_mcast_join(stack(), eth0, TD_IP4(239, 1, 1, 1)), 0);
    ip_unreachable(stack(), eth0, payload(50)); /* not even a datagram */
    ck_assert_int_eq(IP_SEND(10, .dst = LOCALHOST, .proto = 99), 0);
}
END_TEST

START_TEST(test_idle_cost)
{
    /* FIB, counters of identification numbers, protocols: an idle layer is small. */
    ck_assert_uint_lt(sizeof(struct ip), 8192);
    ck_assert_uint_lt(sizeof(struct icmp), 256);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ip/ip");
    TCase *tc = ip_case(s, "ip", false);

    tcase_add_test(tc, test_register);
    tcase_add_test(tc, test_made_without_memory);
    tcase_add_test(tc, test_ends_in_the_middle);
    tcase_add_test(tc, test_idle_cost);
    return s;
}
CHECK_MAIN(suite)
