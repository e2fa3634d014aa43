/* RFC 5227 with the clock in hand: probes, announcements, conflicts, defence. */
#include "arp_rig.h"

#define MINE TD_IP4(10, 0, 0, 77)

static td_time t0;

/* A tentative address, its probing begun. */
static void tentative(void)
{
    rig_addr(nif, &addr[1], MINE, 24);
    addr[1].state = ADDR_TENTATIVE;
    t0 = r->st.now;
    arp_addr_added(&r->st, nif, &addr[1]);
    rig_flush(r);
}

static void teardown(void)
{
    if (addr[1].addr == MINE)
        arp_addr_removed(&r->st, nif, &addr[1]);
    arp_teardown();
}

static void setup(void)
{
    memset(addr, 0, sizeof addr);
    arp_setup();
}

/* Runs until n frames are out. */
static void run_to(unsigned n)
{
    while (r->nout < n && wheel_next(&r->st.wheel) != TD_NEVER)
        rig_run(r, wheel_next(&r->st.wheel));
    ck_assert_uint_eq(r->nout, n);
}

static void until_won(void)
{
    tentative();
    rig_run(r, t0 + 20 * TD_SEC);
    ck_assert_uint_eq(acd_won, 1);
    ck_assert_int_eq(addr[1].state, ADDR_READY);
    rig_forget(r);
}

/* shows: 5227-01 5227-02 5227-03 5227-04 5227-08 */
START_TEST(probes_then_announcements)
{
    td_time first, second, third;

    tentative();
    ck_assert_uint_eq(r->nout, 0);
    run_to(3);
    for (unsigned i = 0; i < 3; i++)
        ck_assert(rig_is_arp(r, i, MAC_BROADCAST, 1, 0, ZERO_MAC, MINE));
    first = r->out[0].at, second = r->out[1].at, third = r->out[2].at;
    ck_assert_uint_le(first - t0, TD_SEC);
    ck_assert_uint_ge(second - first, TD_SEC);
    ck_assert_uint_le(second - first, 2 * TD_SEC + TD_US);
    ck_assert_uint_ge(third - second, TD_SEC);
    ck_assert_uint_le(third - second, 2 * TD_SEC + TD_US);
    rig_run(r, third + 2 * TD_SEC - 1);
    ck_assert_uint_eq(acd_won, 0);
    ck_assert_int_eq(addr[1].state, ADDR_TENTATIVE);
    rig_run(r, third + 2 * TD_SEC);
    ck_assert_uint_eq(acd_won, 1);
    ck_assert_uint_eq(r->nout, 4);
    ck_assert(rig_is_arp(r, 3, MAC_BROADCAST, 1, MINE, ZERO_MAC, MINE));
    rig_run(r, third + 4 * TD_SEC - 1);
    ck_assert_uint_eq(r->nout, 4);
    rig_run(r, third + 4 * TD_SEC);
    ck_assert_uint_eq(r->nout, 5);
    ck_assert(rig_is_arp(r, 4, MAC_BROADCAST, 1, MINE, ZERO_MAC, MINE));
    rig_run(r, third + 10000 * TD_SEC); /* never again while the interface is up */
    ck_assert_uint_eq(r->nout, 5);
    ck_assert_uint_eq(acd_lost, 0);
}
END_TEST

/* shows: 5227-04 */
START_TEST(waits_are_spread)
{
    td_time lo = TD_NEVER, hi = 0, gap_lo = TD_NEVER, gap_hi = 0;

    for (int i = 0; i < 300; i++) {
        td_time w, g;

        tentative();
        run_to(2);
        w = r->out[0].at - t0;
        g = r->out[1].at - r->out[0].at;
        lo = w < lo ? w : lo, hi = w > hi ? w : hi;
        gap_lo = g < gap_lo ? g : gap_lo, gap_hi = g > gap_hi ? g : gap_hi;
        arp_addr_removed(&r->st, nif, &addr[1]);
        nif->addrs->next = NULL;
        rig_forget(r);
    }
    ck_assert_uint_lt(lo, 50 * TD_MS);
    ck_assert_uint_gt(hi, 950 * TD_MS);
    ck_assert_uint_lt(gap_lo, 1050 * TD_MS);
    ck_assert_uint_gt(gap_hi, 1950 * TD_MS);
}
END_TEST

static void lost(void)
{
    ck_assert_uint_eq(acd_lost, 1);
    ck_assert_int_eq(addr[1].state, ADDR_CONFLICT);
    rig_forget(r);
    rig_run(r, r->st.now + 100 * TD_SEC);
    ck_assert_uint_eq(r->nout, 0); /* nothing more is said */
    ck_assert_uint_eq(acd_won, 0);
}

/* shows: 5227-05 */
START_TEST(any_packet_with_it_as_sender_is_a_conflict)
{
    tentative();
    run_to(2);
    reply(MINE, PEER_MAC);
    lost();
}
END_TEST

/* shows: 5227-05 */
START_TEST(conflict_while_waiting_to_begin)
{
    tentative();
    request(MINE, PEER_MAC, PEER); /* an ordinary request of its owner */
    lost();
}
END_TEST

/* shows: 5227-05 */
START_TEST(conflict_after_the_last_probe)
{
    tentative();
    run_to(3);
    rig_run(r, r->st.now + 2 * TD_SEC - TD_MS);
    request(MINE, PEER_MAC, MINE);
    lost();
}
END_TEST

/* shows: 5227-06 */
START_TEST(another_hosts_probe_is_a_conflict)
{
    tentative();
    run_to(1);
    request(0, PEER_MAC, PEER2); /* for another address: none of ours */
    ck_assert_uint_eq(acd_lost, 0);
    request(0, PEER_MAC, MINE);
    lost();
}
END_TEST

/* shows: 5227-06 */
START_TEST(our_own_probe_come_back_is_none)
{
    uint8_t b[42];

    tentative();
    rig_arp_frame(b, MAC_BROADCAST, PEER_MAC, 1, nif->mac, 0, ZERO_MAC, MINE);
    rig_input(r, nif, b, sizeof b);
    rig_run(r, t0 + 20 * TD_SEC);
    ck_assert_uint_eq(acd_lost, 0);
    ck_assert_uint_eq(acd_won, 1);
}
END_TEST

/* shows: 5227-05 */
START_TEST(a_request_for_it_is_none)
{
    tentative();
    rig_forget(r);
    request(PEER, PEER_MAC, MINE); /* somebody looks for the address: not answered yet either */
    ck_assert_uint_eq(acd_lost, 0);
    ck_assert_uint_eq(r->nout, 0);
}
END_TEST

/* shows: 5227-11 */
START_TEST(answers_from_the_first_announcement)
{
    tentative();
    run_to(3);
    request(PEER, PEER_MAC, MINE);
    ck_assert_uint_eq(r->nout, 3);
    run_to(4);
    request(PEER, PEER_MAC, MINE);
    ck_assert_uint_eq(r->nout, 5);
    ck_assert(rig_is_arp(r, 4, PEER_MAC, 2, MINE, PEER_MAC, PEER));
}
END_TEST

/* shows: 5227-07 */
START_TEST(many_conflicts_slow_down)
{
    for (int i = 0; i < 10; i++) {
        tentative();
        run_to(1);
        ck_assert_uint_le(r->out[0].at - t0, TD_SEC);
        rig_forget(r);
        reply(MINE, PEER_MAC);
        arp_addr_removed(&r->st, nif, &addr[1]);
        nif->addrs->next = NULL;
    }
    ck_assert_uint_eq(acd_lost, 10);
    for (int i = 0; i < 3; i++) { /* from now one attempt a minute */
        td_time previous = nif->acd_attempt;

        tentative();
        run_to(1);
        ck_assert_uint_ge(r->out[0].at, previous + 60 * TD_SEC);
        ck_assert_uint_le(r->out[0].at, previous + 62 * TD_SEC);
        rig_forget(r);
        reply(MINE, PEER_MAC);
        arp_addr_removed(&r->st, nif, &addr[1]);
        nif->addrs->next = NULL;
    }
    tentative();
    rig_run(r, t0 + 90 * TD_SEC);
    ck_assert_uint_eq(acd_won, 1);
    ck_assert_uint_eq(nif->acd_conflicts, 0); /* a success ends it */
}
END_TEST

/* shows: 5227-09 */
START_TEST(policy_a_gives_up)
{
    until_won();
    nif->knob[IFKNOB_ARP_DEFEND] = 1;
    reply(MINE, PEER_MAC);
    ck_assert_uint_eq(acd_lost, 1);
    ck_assert_uint_eq(r->nout, 0);
}
END_TEST

/* shows: 5227-09 */
START_TEST(policy_b_defends_once)
{
    until_won();
    nif->knob[IFKNOB_ARP_DEFEND] = 2;
    request(MINE, PEER_MAC, PEER);
    ck_assert_uint_eq(r->nout, 1);
    ck_assert(rig_is_arp(r, 0, MAC_BROADCAST, 1, MINE, ZERO_MAC, MINE));
    ck_assert_uint_eq(acd_lost, 0);
    rig_run(r, r->st.now + 11 * TD_SEC); /* 11 s apart: defended again */
    request(MINE, PEER_MAC, PEER);
    ck_assert_uint_eq(r->nout, 2);
    ck_assert_uint_eq(acd_lost, 0);
    rig_run(r, r->st.now + TD_SEC); /* 1 s apart: lost */
    request(MINE, PEER_MAC, PEER);
    ck_assert_uint_eq(r->nout, 2);
    ck_assert_uint_eq(acd_lost, 1);
    ck_assert_int_eq(addr[1].state, ADDR_CONFLICT);
    ck_assert_int_eq(state(MINE), NEIGH_NONE);
}
END_TEST

/* shows: 5227-09 ATK-ARP-02 */
START_TEST(policy_c_defends_once_in_ten_seconds)
{
    until_won();
    nif->knob[IFKNOB_ARP_DEFEND] = 3;
    t0 = r->st.now;
    for (int i = 0; i < 3000; i++) { /* 100 a second for 30 s */
        rig_run(r, t0 + (td_time)i * 10 * TD_MS);
        request(MINE, PEER_MAC, MINE);
    }
    ck_assert_uint_eq(r->nout, 3);
    ck_assert_uint_eq(r->out[1].at - r->out[0].at, 10 * TD_SEC);
    ck_assert_uint_eq(r->out[2].at - r->out[1].at, 10 * TD_SEC);
    ck_assert_uint_eq(acd_lost, 0);
    ck_assert_int_eq(addr[1].state, ADDR_READY);
    ck_assert_int_eq(state(MINE), NEIGH_NONE);
    ck_assert_uint_eq(r->st.counters.v[CNT_ArpConflicts], 3000);
}
END_TEST

START_TEST(untested_addresses_are_defended_too)
{
    nif->knob[IFKNOB_ARP_DEFEND] = 2; /* US was never probed */
    reply(US, PEER_MAC);
    ck_assert_uint_eq(r->nout, 1);
    ck_assert(rig_is_arp(r, 0, MAC_BROADCAST, 1, US, ZERO_MAC, US));
    reply(US, PEER_MAC);
    ck_assert_uint_eq(acd_lost, 1);
    arp_addr_removed(&r->st, nif, &addr[0]);
}
END_TEST

START_TEST(a_lost_address_belongs_to_the_other)
{
    tentative();
    reply(MINE, PEER_MAC);
    ck_assert_uint_eq(acd_lost, 1);
    ck_assert_int_eq(send_to(MINE, 10), 0);
    reply(MINE, PEER_MAC); /* its owner answers like any neighbour */
    ck_assert_int_eq(state(MINE), NEIGH_REACHABLE);
    ck_assert_uint_eq(events(EV_ACD_CONFLICT), 1);
}
END_TEST

START_TEST(gratuitous_arp_without_detection)
{
    rig_addr(nif, &addr[1], MINE, 24);
    arp_addr_added(&r->st, nif, &addr[1]);
    rig_flush(r);
    ck_assert_uint_eq(r->nout, 1);
    ck_assert(rig_is_arp(r, 0, MAC_BROADCAST, 1, MINE, ZERO_MAC, MINE));
    netif_set_flags(&r->st, nif, 0, TD_IF_UP);
    netif_set_flags(&r->st, nif, TD_IF_UP, 0); /* both addresses */
    rig_flush(r);
    ck_assert_uint_eq(r->nout, 3);
    ck_assert(rig_is_arp(r, 1, MAC_BROADCAST, 1, US, ZERO_MAC, US));
    netif_set_mac(&r->st, nif, rig_mac(5));
    rig_flush(r);
    ck_assert_uint_eq(r->nout, 5);
    ck_assert(rig_is_arp(r, 4, MAC_BROADCAST, 1, MINE, ZERO_MAC, MINE)); /* with the new MAC */
    nif->knob[IFKNOB_ARP_NOTIFY] = 0;
    arp_addr_added(&r->st, nif, &addr[1]);
    netif_set_mac(&r->st, nif, rig_mac(6));
    rig_flush(r);
    ck_assert_uint_eq(r->nout, 5);
}
END_TEST

/* shows: 5227-02 */
START_TEST(interface_down_stops_and_up_begins_again)
{
    tentative();
    run_to(2);
    netif_set_flags(&r->st, nif, 0, TD_IF_UP);
    rig_forget(r);
    rig_run(r, r->st.now + 60 * TD_SEC);
    ck_assert_uint_eq(r->nout, 0);
    nif->knob[IFKNOB_ARP_NOTIFY] = 0;
    t0 = r->st.now;
    netif_set_flags(&r->st, nif, TD_IF_UP, 0);
    run_to(3); /* three probes again */
    for (unsigned i = 0; i < 3; i++)
        ck_assert(rig_is_arp(r, i, MAC_BROADCAST, 1, 0, ZERO_MAC, MINE));
    rig_run(r, r->st.now + 2 * TD_SEC);
    ck_assert_uint_eq(acd_won, 1);
}
END_TEST

/* shows: 5227-02 */
START_TEST(an_address_in_use_is_tested_again_when_the_interface_comes_up)
{
    until_won();
    addr[0].state = ADDR_CONFLICT; /* out of the way */
    nif->knob[IFKNOB_ARP_ACD] = 1;
    netif_set_flags(&r->st, nif, 0, TD_IF_UP);
    netif_set_flags(&r->st, nif, TD_IF_UP, 0);
    ck_assert_int_eq(addr[1].state, ADDR_TENTATIVE);
    run_to(3);
    for (unsigned i = 0; i < 3; i++)
        ck_assert(rig_is_arp(r, i, MAC_BROADCAST, 1, 0, ZERO_MAC, MINE));
    rig_run(r, r->st.now + 2 * TD_SEC);
    ck_assert_uint_eq(acd_won, 2);
}
END_TEST

START_TEST(added_while_down_is_probed_when_up)
{
    netif_set_flags(&r->st, nif, 0, TD_IF_UP);
    tentative();
    rig_run(r, t0 + 20 * TD_SEC);
    ck_assert_uint_eq(r->nout, 0);
    ck_assert_uint_eq(acd_won, 0);
    netif_set_flags(&r->st, nif, TD_IF_UP, 0);
    rig_run(r, t0 + 40 * TD_SEC);
    ck_assert_uint_eq(acd_won, 1);
}
END_TEST

START_TEST(neighbours_entry_for_what_is_now_ours_goes)
{
    resolve(MINE, PEER_MAC);
    tentative();
    ck_assert_int_eq(state(MINE), NEIGH_NONE);
}
END_TEST

START_TEST(noarp_interfaces_need_no_test)
{
    nif->flags |= TD_IF_NOARP;
    tentative();
    ck_assert_uint_eq(acd_won, 1);
    ck_assert_uint_eq(r->nout, 0);
}
END_TEST

START_TEST(addresses_go_with_their_interface)
{
    tentative();
    netif_del(&r->st, nif->index);
    ck_assert_ptr_null(addr[1].acd);
    addr[1].addr = 0;
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("acd");
    TCase *t = tcase_create("acd");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, probes_then_announcements);
    tcase_add_test(t, waits_are_spread);
    tcase_add_test(t, any_packet_with_it_as_sender_is_a_conflict);
    tcase_add_test(t, conflict_while_waiting_to_begin);
    tcase_add_test(t, conflict_after_the_last_probe);
    tcase_add_test(t, another_hosts_probe_is_a_conflict);
    tcase_add_test(t, our_own_probe_come_back_is_none);
    tcase_add_test(t, a_request_for_it_is_none);
    tcase_add_test(t, answers_from_the_first_announcement);
    tcase_add_test(t, many_conflicts_slow_down);
    tcase_add_test(t, policy_a_gives_up);
    tcase_add_test(t, policy_b_defends_once);
    tcase_add_test(t, policy_c_defends_once_in_ten_seconds);
    tcase_add_test(t, untested_addresses_are_defended_too);
    tcase_add_test(t, a_lost_address_belongs_to_the_other);
    tcase_add_test(t, gratuitous_arp_without_detection);
    tcase_add_test(t, interface_down_stops_and_up_begins_again);
    tcase_add_test(t, an_address_in_use_is_tested_again_when_the_interface_comes_up);
    tcase_add_test(t, added_while_down_is_probed_when_up);
    tcase_add_test(t, neighbours_entry_for_what_is_now_ours_goes);
    tcase_add_test(t, noarp_interfaces_need_no_test);
    tcase_add_test(t, addresses_go_with_their_interface);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
