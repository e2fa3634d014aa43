/* The bound of the table: floods displace floods, never what is in use. */
#include "arp_rig.h"

#define NET16(n) (TD_IP4(10, 0, 0, 0) + (n)) /* the n-th address of 10.0.0.0/16 */

static void setup16(void)
{
    arp_setup();
    addr[0].plen = 16;
    addr[0].broadcast = TD_IP4(10, 0, 255, 255);
}

static unsigned entries(void)
{
    struct table *t = table_find(&r->st, "neigh");
    static struct row row;
    uint64_t cursor = 0;
    unsigned n = 0;

    while (t->next(&r->st, &cursor, &row))
        n++;
    return n;
}

/* A gateway in use, a peer used a minute ago and now STALE, a static entry. */
static void make_table(void)
{
    resolve(PEER2, PEER2_MAC);
    rig_run(r, RIG_START + 60 * TD_SEC);
    ck_assert_int_eq(state(PEER2), NEIGH_STALE);
    resolve(PEER, PEER_MAC);
    ck_assert_int_eq(neigh_set(&r->st, nif, TD_IP4(10, 0, 0, 9), rig_mac(9), NEIGH_PERMANENT), 0);
}

static void check_table(void)
{
    ck_assert_int_eq(state(PEER), NEIGH_REACHABLE);
    ck_assert(mac_is(PEER, PEER_MAC));
    ck_assert_int_eq(state(PEER2), NEIGH_STALE);
    ck_assert_int_eq(state(TD_IP4(10, 0, 0, 9)), NEIGH_PERMANENT);
    ck_assert_uint_le(entries(), 1024);
}

/* shows: 826-11 ATK-ARP-05 */
START_TEST(spoofed_senders_displace_each_other)
{
    uint64_t memory = 0;

    make_table();
    for (unsigned i = 0; i < 100000; i++) {
        td_ip4 ip = NET16(256 + i % 65000);

        request(ip, rig_mac(1000 + i), US);
        if (i == 5000)
            memory = r->st.mem.used;
        else if (i > 5000 && i % 1000 == 0)
            ck_assert_uint_le(r->st.mem.used, memory + 4096); /* flat */
        if (i % 100 == 0)
            rig_run(r, r->st.now + TD_MS);
    }
    ck_assert_uint_eq(r->st.counters.v[CNT_ArpOutReplies], 100000); /* each was answered */
    ck_assert_uint_eq(entries(), 1024);
    ck_assert_uint_ge(r->st.counters.v[CNT_ArpEvictions], 98000);
    ck_assert_uint_eq(r->st.counters.v[CNT_ArpTableFull], 0);
    check_table();
}
END_TEST

/* shows: 826-11 ATK-ARP-06 */
START_TEST(scan_of_the_subnet_displaces_itself)
{
    td_time start;

    make_table();
    start = r->st.now;
    for (unsigned i = 0; i < 65000; i++) {
        ck_assert_int_eq(send_to(NET16(256 + i), 10), 0);
        if (i % 100 == 99)
            rig_run(r, r->st.now + TD_MS);
        if (i % 1000 == 0)
            ck_assert_int_eq(send_to(PEER, 10), 0);
    }
    check_table();
    ck_assert_uint_eq(entries(), 1024);
    /* Beside the scan, a new neighbour is found. */
    ck_assert_int_eq(send_to(TD_IP4(10, 0, 0, 7), 10), 0);
    for (unsigned i = 0; i < 500; i++)
        ck_assert_int_eq(send_to(NET16(1000 + i), 10), 0);
    rig_run(r, r->st.now + TD_MS);
    reply(TD_IP4(10, 0, 0, 7), rig_mac(7));
    ck_assert_int_eq(state(TD_IP4(10, 0, 0, 7)), NEIGH_REACHABLE);
    /* What waited is given up: told to IP where the entry lived to fail, dropped with its entry
     * otherwise. Nothing is left over. */
    rig_run(r, start + 12 * TD_SEC);
    ck_assert_uint_gt(unreachable, 900);
    ck_assert_uint_eq(r->st.counters.v[CNT_ArpQueueDrops], 65000 + 500);
    ck_assert_int_eq(state(PEER), NEIGH_REACHABLE);
}
END_TEST

/* shows: 1122-L04 ATK-ARP-06 */
START_TEST(eviction_does_not_forget_the_rate_limit)
{
    unsigned asked;

    r->st.knobs.v[KNOB_NEIGH_GC_THRESH3][0] = 4;
    for (int round = 0; round < 100;
         round++) { /* 8 addresses in turn through 4 entries, in 100 ms */
        for (unsigned i = 0; i < 8; i++)
            ck_assert_int_eq(send_to(NET16(300 + i), 10), 0);
        rig_run(r, r->st.now + TD_MS);
    }
    ck_assert_uint_gt(r->st.counters.v[CNT_ArpEvictions], 700);
    for (unsigned i = 0; i < 8; i++) {
        asked = rig_requests(r, NET16(300 + i));
        ck_assert_uint_eq(asked, 1);
    }
}
END_TEST

START_TEST(a_table_in_use_refuses_newcomers)
{
    r->st.knobs.v[KNOB_NEIGH_GC_THRESH3][0] = 3;
    resolve(PEER, PEER_MAC);
    resolve(PEER2, PEER2_MAC);
    ck_assert_int_eq(neigh_set(&r->st, nif, TD_IP4(10, 0, 0, 9), rig_mac(9), NEIGH_PERMANENT), 0);
    ck_assert_int_eq(send_to(TD_IP4(10, 0, 0, 4), 10), -ENOBUFS);
    ck_assert_uint_eq(events(EV_ARP_DROP_TABLE), 1);
    ck_assert_uint_eq(r->st.counters.v[CNT_ArpTableFull], 1);
    ck_assert_int_eq(neigh_set(&r->st, nif, TD_IP4(10, 0, 0, 5), rig_mac(5), NEIGH_STALE), -ENOSPC);
    request(TD_IP4(10, 0, 0, 6), rig_mac(6), US); /* answered all the same */
    ck_assert_uint_eq(r->nout, 1);
    ck_assert(rig_is_arp(r, 0, rig_mac(6), 2, US, rig_mac(6), TD_IP4(10, 0, 0, 6)));
    ck_assert_int_eq(state(PEER), NEIGH_REACHABLE);
    ck_assert_int_eq(state(PEER2), NEIGH_REACHABLE);
}
END_TEST

START_TEST(order_of_eviction)
{
    td_ip4 failed = NET16(300), unused = NET16(301), incomplete = NET16(302), stale = PEER2;

    r->st.knobs.v[KNOB_NEIGH_GC_THRESH3][0] = 4;
    resolve(stale, PEER2_MAC);
    rig_run(r, RIG_START + 46 * TD_SEC);
    ck_assert_int_eq(send_to(failed, 10), 0);
    rig_run(r, RIG_START + 60 * TD_SEC);
    ck_assert_int_eq(state(failed), NEIGH_FAILED);
    request(unused, rig_mac(301), US);
    ck_assert_int_eq(send_to(incomplete, 10), 0);
    const td_ip4 order[] = {failed, unused, incomplete, stale};
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_int_ne(state(order[i]), NEIGH_NONE);
        ck_assert_int_eq(neigh_set(&r->st, nif, NET16(400 + i), rig_mac(400 + i), NEIGH_REACHABLE),
                         0);
        ck_assert_int_eq(state(order[i]), NEIGH_NONE);
    }
}
END_TEST

START_TEST(collection_by_age)
{
    r->st.knobs.v[KNOB_NEIGH_GC_THRESH1][0] = 8;
    for (unsigned i = 0; i < 8; i++)
        request(NET16(300 + i), rig_mac(i), US);
    rig_run(r, RIG_START + 1000 * TD_SEC);
    ck_assert_uint_eq(entries(), 8);         /* gc_thresh1 entries may stay for ever */
    ck_assert_uint_eq(r->st.wheel.armed, 0); /* an idle instance has no timer */
    for (unsigned i = 0; i < 12; i++)
        request(NET16(400 + i), rig_mac(i), US);
    ck_assert_uint_eq(entries(), 20);
    rig_run(r, r->st.now + 31 * TD_SEC);
    ck_assert_uint_eq(entries(), 12); /* the eight of old; the others are younger than a minute */
    ck_assert_int_eq(state(NET16(300)), NEIGH_NONE);
    ck_assert_int_eq(state(NET16(400)), NEIGH_STALE);
    rig_run(r, r->st.now + 200 * TD_SEC);
    ck_assert_uint_eq(entries(), 8);
    ck_assert_uint_eq(r->st.wheel.armed, 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("neigh_gc");
    TCase *t = tcase_create("neigh_gc");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup16, arp_teardown);
    tcase_add_test(t, spoofed_senders_displace_each_other);
    tcase_add_test(t, scan_of_the_subnet_displaces_itself);
    tcase_add_test(t, eviction_does_not_forget_the_rate_limit);
    tcase_add_test(t, a_table_in_use_refuses_newcomers);
    tcase_add_test(t, order_of_eviction);
    tcase_add_test(t, collection_by_age);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
