/* The table of stations: ageing to the microsecond, its limit, entries by command, its rows. */
#include "link_rig.h"

static struct netif *eth0, *eth1, *br;

static void setup(void)
{
    lx_setup();
    eth0 = rig_if(r);
    eth1 = rig_if(r);
    br = lx_bridge("br0");
    ck_assert_int_eq(link_set_master(&r->st, eth0, br), 0);
    ck_assert_int_eq(link_set_master(&r->st, eth1, br), 0);
}

static td_time since(td_time t)
{
    return RIG_START + t;
}

/* Does a frame for mac from eth1 go by eth0 alone (known there), or everywhere, the host counted by
 * `rx`? */
static bool known_on_eth0(struct td_mac mac)
{
    uint64_t before = counter(CNT_BridgeForwarded);

    rig_forget(r);
    lx_in(eth1, mac, C, 0);
    ck_assert_uint_eq(lx_out(eth0), 1);
    return counter(CNT_BridgeForwarded) == before + 1;
}

static void bridge_options(uint32_t what, td_time ageing, uint32_t max)
{
    struct td_bridge_config c = {.what = what, .ageing = ageing, .fdb_max = max};

    ck_assert_int_eq(bridge_set(&r->st, br, &c), 0);
}

/* shows: 8021D-03 */
START_TEST(the_silent_are_forgotten)
{
    lx_in(eth0, B, A, 0);
    rig_run(r, since(200 * TD_SEC));
    ck_assert(known_on_eth0(A));
    lx_in(eth0, B, A, 0); /* heard again: 300 s from here */
    rig_run(r, since(500 * TD_SEC) - 1);
    ck_assert(known_on_eth0(A));
    ck_assert_uint_eq(counter(CNT_BridgeAged), 0);
    rig_run(r, since(500 * TD_SEC) + TD_US);
    ck_assert_uint_eq(counter(CNT_BridgeAged), 1);
    ck_assert_uint_eq(events(EV_BRIDGE_AGED), 1);
    ck_assert(!known_on_eth0(A));
    ck_assert(known_on_eth0(A) == false);
}
END_TEST

/* shows: 8021D-03 */
START_TEST(another_ageing_time)
{
    lx_in(eth0, C, A, 0);
    bridge_options(TD_BRIDGE_AGEING, 10 * TD_SEC, 0);
    rig_run(r, since(10 * TD_SEC + TD_US));
    ck_assert_uint_eq(counter(CNT_BridgeAged), 1);
    lx_in(eth0, C, A, 0);
    bridge_options(TD_BRIDGE_AGEING, 0,
                   0); /* a hub: nothing is known any more, nothing is learnt */
    rig_run(r, since(11 * TD_SEC));
    lx_in(eth0, C, A, 0);
    ck_assert(!known_on_eth0(A));
    ck_assert_uint_eq(bridge_fdb_learned(br), 0);
}
END_TEST

/* shows: 8021D-04 */
START_TEST(a_full_table_is_a_hub_for_the_others)
{
    bridge_options(TD_BRIDGE_FDB_MAX, 0, 100);
    for (unsigned i = 0; i < 5000; i++) /* a flood of forged sources */
        lx_in(eth0, C, rig_mac(1000 + i), 0);
    ck_assert_uint_eq(bridge_fdb_learned(br), 100);
    ck_assert_uint_eq(counter(CNT_BridgeFdbFull), 4900);
    ck_assert_uint_eq(events(EV_BRIDGE_FULL), 1); /* told once */
    ck_assert(known_on_eth0(rig_mac(1000)));      /* who was there first stays */
    ck_assert(!known_on_eth0(rig_mac(1100)));     /* the rest gets its frames all the same */
    rig_run(r, since(301 * TD_SEC));
    ck_assert_uint_eq(bridge_fdb_learned(br), 0);
    for (unsigned i = 0; i < 101; i++)
        lx_in(eth0, C, rig_mac(1000 + i), 0);
    ck_assert_uint_eq(events(EV_BRIDGE_FULL), 2); /* there had been room again */
    ck_assert_int_eq(fdb_set(&r->st, eth0, A, 0), -ENOSPC);
    ck_assert_int_eq(fdb_set(&r->st, eth0, A, TD_FDB_STATIC),
                     0); /* what is given by hand has no limit */
}
END_TEST

/* shows: 8021D-01 */
START_TEST(moves_are_told_once_a_second)
{
    for (unsigned i = 0; i < 10; i++) {
        lx_in(eth0, B, A, 0);
        lx_in(eth1, B, A, 0);
    }
    ck_assert_uint_eq(counter(CNT_BridgeMoves), 19);
    ck_assert_uint_eq(events(EV_BRIDGE_MOVED), 1);
    rig_run(r, since(TD_SEC));
    lx_in(eth0, B, A, 0);
    ck_assert_uint_eq(events(EV_BRIDGE_MOVED), 2);
    ck_assert_uint_eq(bridge_fdb_learned(br), 1);
}
END_TEST

START_TEST(entries_by_command)
{
    struct td_mac group = {{1, 2, 3, 4, 5, 6}};

    ck_assert_int_eq(fdb_set(&r->st, eth0, A, TD_FDB_STATIC), 0);
    ck_assert_int_eq(fdb_set(&r->st, eth0, B, TD_FDB_STICKY), 0);
    ck_assert_int_eq(fdb_set(&r->st, eth0, rig_mac(9), 0), 0);
    rig_run(r, since(301 * TD_SEC));
    ck_assert(known_on_eth0(A));
    ck_assert(known_on_eth0(B));
    ck_assert(!known_on_eth0(rig_mac(9))); /* as if heard: aged */
    lx_in(eth1, C, A, 0);                  /* static ones move, sticky ones don't */
    lx_in(eth1, C, B, 0);
    ck_assert(known_on_eth0(B));
    ck_assert_uint_eq(counter(CNT_BridgeMoves), 1);
    ck_assert_int_eq(fdb_set(&r->st, eth0, rig_mac(8), TD_FDB_LOCAL), 0);
    lx_in(eth1, rig_mac(8), C, 0);
    ck_assert_uint_eq(seen.n, 1); /* the host takes it for its own */
    ck_assert_int_eq(fdb_set(&r->st, br, rig_mac(7), TD_FDB_LOCAL), 0);
    ck_assert_int_eq(fdb_set(&r->st, br, rig_mac(7), TD_FDB_STATIC), -EINVAL);
    ck_assert_int_eq(fdb_set(&r->st, eth0, rig_mac(7), TD_FDB_STATIC | TD_FDB_LOCAL), -EINVAL);
    ck_assert_int_eq(fdb_set(&r->st, eth0, group, 0), -EINVAL);
    ck_assert_int_eq(fdb_set(&r->st, eth0, ZERO_MAC, 0), -EINVAL);
    ck_assert_int_eq(fdb_set(&r->st, eth0, rig_mac(6), 8), -EINVAL);
    ck_assert_int_eq(fdb_set(&r->st, eth0, eth1->mac, TD_FDB_STATIC), -EBUSY);
    ck_assert_int_eq(fdb_unset(&r->st, eth0, eth0->mac), -EBUSY);
    ck_assert_int_eq(fdb_unset(&r->st, eth1, B), -ENOENT);
    ck_assert_int_eq(fdb_unset(&r->st, eth0, rig_mac(99)), -ENOENT);
    ck_assert_int_eq(fdb_unset(&r->st, eth0, B), 0);
    ck_assert_int_eq(fdb_unset(&r->st, br, rig_mac(7)), 0);
    ck_assert_int_eq(link_set_master(&r->st, eth0, NULL), 0);
    ck_assert_int_eq(fdb_set(&r->st, eth0, A, 0), -EINVAL);
    ck_assert_int_eq(fdb_unset(&r->st, eth0, A), -EINVAL);
    ck_assert_int_eq(fdb_flush(&r->st, eth0), -EINVAL);
}
END_TEST

START_TEST(flushing_forgets_what_was_learnt)
{
    lx_in(eth0, C, A, 0);
    lx_in(eth1, C, B, 0);
    ck_assert_int_eq(fdb_set(&r->st, eth0, rig_mac(9), TD_FDB_STATIC), 0);
    ck_assert_int_eq(fdb_flush(&r->st, eth0), 1);
    ck_assert_int_eq(fdb_flush(&r->st, br), 1);
    ck_assert_uint_eq(bridge_fdb_learned(br), 0);
    ck_assert(known_on_eth0(rig_mac(9)));
}
END_TEST

/* A station with an address that becomes ours isn't one any more. */
START_TEST(an_address_becomes_ours)
{
    lx_in(eth0, C, A, 0);
    ck_assert_int_eq(netif_set_mac(&r->st, br, A), 0);
    ck_assert_uint_eq(bridge_fdb_learned(br), 0);
    lx_in(eth1, A, B, 0);
    ck_assert_uint_eq(seen.n, 1);
    lx_in(eth0, C, A, 0);
    ck_assert_uint_eq(events(EV_BRIDGE_DROP_OWN), 1);
    ck_assert_int_eq(netif_set_mac(&r->st, eth1, rig_mac(50)), 0);
    ck_assert(mac_eq(br->mac, A)); /* given: it doesn't follow its ports */
    lx_in(eth0, rig_mac(50), C, 0);
    ck_assert_uint_eq(seen.n, 2);
}
END_TEST

static unsigned rows(char *text)
{
    struct table *t = table_find(&r->st, "fdb");
    uint64_t cursor = 0;
    static struct row row;
    unsigned n = 0;

    text[0] = '\0';
    while (t->next(&r->st, &cursor, &row)) {
        n++;
        for (unsigned i = 1; i <= 3; i++) {
            char v[64];

            value_format(&row.v[i], v, sizeof v);
            strcat(text, row.v[i].type == VAL_NONE ? "-" : v);
            strcat(text, i == 3 ? "\n" : " ");
        }
    }
    return n;
}

START_TEST(the_table_has_a_row_a_station)
{
    char text[1024];

    lx_in(eth0, C, A, 0);
    ck_assert_int_eq(fdb_set(&r->st, eth1, B, TD_FDB_STATIC), 0);
    ck_assert_uint_eq(rows(text), 4);
    ck_assert_str_eq(text, "eth0 br0 permanent\neth1 br0 permanent\neth0 br0 -\neth1 br0 static\n");
    (void)lx_bridge("br1");
    ck_assert_uint_eq(rows(text), 5);
    ck_assert_int_eq(netif_del(&r->st, br->index), 0);
    ck_assert_uint_eq(rows(text), 1);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("fdb");
    TCase *t = tcase_create("fdb");

    tcase_add_checked_fixture(t, setup, lx_teardown);
    tcase_add_test(t, the_silent_are_forgotten);
    tcase_add_test(t, another_ageing_time);
    tcase_add_test(t, a_full_table_is_a_hub_for_the_others);
    tcase_add_test(t, moves_are_told_once_a_second);
    tcase_add_test(t, entries_by_command);
    tcase_add_test(t, flushing_forgets_what_was_learnt);
    tcase_add_test(t, an_address_becomes_ours);
    tcase_add_test(t, the_table_has_a_row_a_station);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
