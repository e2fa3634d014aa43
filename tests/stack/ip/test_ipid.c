/* Identification numbers: unpredictable, apart for each destination, no repeats (RFC 6864, 7739).
 */
#include "ip_rig.h"

static uint16_t id_to(td_ip4 dst)
{
    rig_forget(r);
    ck_assert_int_eq(IP_SEND(10, .dst = dst), 0);
    sent(0);
    return outh.id;
}

/* shows: 6864-05 ATK-IP-20 */
START_TEST(test_traffic_to_others_shows_nothing)
{
    /* The steps towards one destination are 1 to 4 whatever is sent to 20 others meanwhile: nothing
     * there to be counted. (Two of 1,024 counters may fall together: these don't.) */
    uint16_t last = id_to(PEER);

    for (unsigned i = 0; i < 50; i++) {
        for (unsigned other = 0; other < 20; other++)
            (void)id_to(TD_IP4(192, 0, 2, other + 1));
        uint16_t id = id_to(PEER), step = (uint16_t)(id - last);

        ck_assert_uint_ge(step, 1);
        ck_assert_uint_le(step, 4);
        last = id;
    }
}
END_TEST

/* shows: 6864-05 */
START_TEST(test_destinations_start_apart)
{
    unsigned close = 0;
    uint16_t a = id_to(PEER);

    for (unsigned i = 1; i < 200; i++) {
        uint16_t distance = (uint16_t)(id_to(TD_IP4(192, 0, 2, i)) - a);

        if (distance < 400 || distance > 65136)
            close++;
    }
    ck_assert_uint_lt(close, 15); /* 2.4 expected of uniform numbers */
    /* another protocol, another sequence; another instance, another everything */
    uint16_t udp = ipid_next(stack(), US, PEER, 17), tcp = ipid_next(stack(), US, PEER, 6);

    ck_assert_uint_ne(udp, tcp);
    r->st.ip->ids.what.k0++;
    uint16_t rekeyed = (uint16_t)(ipid_next(stack(), US, PEER, 17) - udp);

    ck_assert(rekeyed > 4);
}
END_TEST

START_TEST(test_long_before_a_repeat)
{
    static bool seen[65536];
    unsigned n = 0;

    memset(seen, 0, sizeof seen);
    for (uint16_t id = ipid_next(stack(), US, PEER, 1); !seen[id]; n++) {
        seen[id] = true;
        id = ipid_next(stack(), US, PEER, 1);
    }
    ck_assert_uint_gt(n, 20000);
}
END_TEST

/* shows: 6864-02 1122-I017 */
START_TEST(test_atomic_and_asked_for)
{
    ck_assert_int_eq(IP_SEND(10, .dst = PEER, .flags = IP_TX_DF), 0);
    ck_assert_int_eq(IP_SEND(10, .dst = PEER, .flags = IP_TX_ID, .id = 0x1234), 0);
    ck_assert_int_eq(IP_SEND(10, .dst = PEER, .flags = IP_TX_ID | IP_TX_DF, .id = 0x1234), 0);
    sent(0);
    ck_assert_uint_eq(outh.id, 0);
    sent(1);
    ck_assert_uint_eq(outh.id, 0x1234);
    sent(2);
    ck_assert_uint_eq(outh.id, 0x1234);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ip/ipid");
    TCase *tc = ip_case(s, "id", false);

    tcase_add_test(tc, test_traffic_to_others_shows_nothing);
    tcase_add_test(tc, test_destinations_start_apart);
    tcase_add_test(tc, test_long_before_a_repeat);
    tcase_add_test(tc, test_atomic_and_asked_for);
    return s;
}
CHECK_MAIN(suite)
