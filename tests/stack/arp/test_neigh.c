/* The states of a neighbour entry against the clock, its queue, its timers. */
#include "arp_rig.h"

static td_time at(td_time after) /* an absolute time */
{
    return RIG_START + after;
}

/* shows: 1122-L06 1122-L15 */
START_TEST(packets_wait_and_leave_in_order)
{
    for (uint32_t i = 0; i < 5; i++)
        ck_assert_int_eq(send_to(PEER, 100 + i), 0);
    ck_assert_int_eq(state(PEER), NEIGH_INCOMPLETE);
    ck_assert_uint_eq(r->nout, 1); /* one request for five packets */
    ck_assert_uint_eq(unreachable, 0);
    rig_forget(r);
    reply(PEER, PEER_MAC);
    ck_assert_int_eq(state(PEER), NEIGH_REACHABLE);
    ck_assert(mac_is(PEER, PEER_MAC));
    ck_assert_uint_eq(r->nout, 5);
    for (unsigned i = 0; i < 5; i++) {
        ck_assert_uint_eq(r->out[i].len, 134 + i);
        ck_assert_mem_eq(r->out[i].b, PEER_MAC.b, 6);
    }
    ck_assert_int_eq(send_to(PEER, 10), 0);
    ck_assert_uint_eq(r->nout, 6);
}
END_TEST

START_TEST(a_request_releases_the_queue_too)
{
    ck_assert_int_eq(send_to(PEER, 100), 0);
    rig_forget(r);
    request(PEER, PEER_MAC, PEER2); /* the target asks for somebody else */
    ck_assert_uint_eq(r->nout, 1);
    ck_assert_mem_eq(r->out[0].b, PEER_MAC.b, 6);
    ck_assert_int_eq(state(PEER), NEIGH_DELAY); /* known, used, not confirmed */
}
END_TEST

/* shows: 1122-L06 */
START_TEST(full_queue_keeps_the_latest)
{
    nif->knob[IFKNOB_NEIGH_UNRES_QLEN] = 3;
    for (uint32_t i = 0; i < 5; i++)
        ck_assert_int_eq(send_to(PEER, 100 + i), 0);
    ck_assert_uint_eq(events(EV_ARP_DROP_QUEUE), 2);
    ck_assert_uint_eq(r->st.counters.v[CNT_ArpQueueDrops], 2);
    rig_forget(r);
    reply(PEER, PEER_MAC);
    ck_assert_uint_eq(r->nout, 3);
    ck_assert_uint_eq(r->out[0].len, 136);
    ck_assert_uint_eq(r->out[2].len, 138);
    nif->knob[IFKNOB_NEIGH_UNRES_QLEN] = 0;
    ck_assert_int_eq(send_to(PEER2, 100), 0);
    ck_assert_uint_eq(events(EV_ARP_DROP_QUEUE), 3);
}
END_TEST

START_TEST(queues_are_bounded_together)
{
    r->st.knobs.v[KNOB_NEIGH_UNRES_TOTAL][0] = 4;
    ck_assert_int_eq(send_to(PEER, 100), 0);
    ck_assert_int_eq(send_to(PEER, 101), 0);
    ck_assert_int_eq(send_to(PEER2, 102), 0);
    ck_assert_int_eq(send_to(PEER2, 103), 0);
    ck_assert_int_eq(send_to(PEER2, 104), 0);             /* displaces PEER2's oldest */
    ck_assert_int_eq(send_to(TD_IP4(10, 0, 0, 4), 9), 0); /* has none of its own to displace */
    ck_assert_uint_eq(events(EV_ARP_DROP_QUEUE), 2);
    rig_forget(r);
    reply(PEER, PEER_MAC);
    ck_assert_uint_eq(r->nout, 2);
    reply(PEER2, PEER2_MAC);
    ck_assert_uint_eq(r->nout, 4);
    ck_assert_uint_eq(r->out[3].len, 138);
}
END_TEST

/* shows: 1122-L04 1122-L15 */
START_TEST(failure_takes_three_requests_and_tells_ip)
{
    ck_assert_int_eq(send_to(PEER, 100), 0);
    ck_assert_int_eq(send_to(PEER, 101), 0);
    rig_run(r, at(3 * TD_SEC) - 1);
    ck_assert_int_eq(state(PEER), NEIGH_INCOMPLETE);
    ck_assert_uint_eq(unreachable, 0);
    ck_assert_uint_eq(r->nout, 3);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert(rig_is_arp(r, i, MAC_BROADCAST, 1, US, ZERO_MAC, PEER));
        ck_assert_uint_eq(r->out[i].at, at(i * TD_SEC));
    }
    rig_run(r, at(3 * TD_SEC));
    ck_assert_int_eq(state(PEER), NEIGH_FAILED);
    ck_assert_uint_eq(unreachable, 2); /* one call a packet, in order */
    ck_assert_uint_eq(unreachable_len[0], 120);
    ck_assert_uint_eq(unreachable_len[1], 121);
    rig_run(r, at(100 * TD_SEC)); /* and silence */
    ck_assert_uint_eq(r->nout, 3);
    ck_assert_uint_eq(r->st.counters.v[CNT_ArpFailures], 1);
}
END_TEST

/* shows: 1122-L04 ATK-ARP-06 */
START_TEST(one_request_a_second_whatever_is_sent)
{
    unsigned before;

    /* 1000 packets a second for 30 s: through INCOMPLETE, FAILED and again. */
    for (int ms = 0; ms < 30000; ms++) {
        rig_run(r, at((td_time)ms * TD_MS));
        ck_assert_int_eq(send_to(PEER, 10), 0);
    }
    ck_assert_uint_le(r->nout, 30);
    ck_assert_uint_ge(r->nout, 8); /* it goes on trying */
    for (unsigned i = 1; i < r->nout; i++)
        ck_assert_uint_ge(r->out[i].at - r->out[i - 1].at, TD_SEC);
    /* Deleting the entry by hand is the user's word and starts at once. */
    before = r->nout;
    ck_assert_int_eq(neigh_del(&r->st, nif, PEER), 0);
    ck_assert_int_eq(send_to(PEER, 10), 0);
    ck_assert_uint_eq(r->nout, before + 1);
}
END_TEST

START_TEST(repeated_failure_backs_off)
{
    static const unsigned expect[] = {0, 1, 2, 3, 5, 7, 9, 13, 17, 21, 25, 29};

    for (unsigned s = 0; s < 32; s++) { /* a packet a second, just before each full second */
        rig_run(r, at(s * TD_SEC));
        ck_assert_int_eq(send_to(PEER, 10), 0);
    }
    ck_assert_uint_ge(r->nout, 12);
    for (unsigned i = 0; i < 12; i++)
        ck_assert_uint_eq(r->out[i].at, at(expect[i] * TD_SEC));
    /* A word from it ends the back-off. */
    request(PEER, PEER_MAC, US);
    ck_assert_int_eq(state(PEER), NEIGH_DELAY);
}
END_TEST

START_TEST(late_reply_revives_a_failed_entry)
{
    ck_assert_int_eq(send_to(PEER, 100), 0);
    rig_run(r, at(10 * TD_SEC));
    ck_assert_int_eq(state(PEER), NEIGH_FAILED);
    reply(PEER, PEER_MAC); /* nobody waits for it any more: not trusted further than STALE */
    ck_assert_int_eq(state(PEER), NEIGH_STALE);
    ck_assert(mac_is(PEER, PEER_MAC));
}
END_TEST

/* shows: 826-06 1122-L03 */
START_TEST(reachable_goes_stale_between_half_and_one_and_a_half)
{
    td_time lo = TD_NEVER, hi = 0;

    r->st.knobs.v[KNOB_NEIGH_GC_THRESH1][0] = 1000; /* no collector's timer among ours */
    for (unsigned i = 0; i < 200; i++) {
        td_ip4 ip = TD_IP4(10, 0, 0, 10) + i;
        td_time start = r->st.now, next;

        resolve(ip, rig_mac(10 + i));
        next = wheel_next(&r->st.wheel) - start;
        lo = next < lo ? next : lo;
        hi = next > hi ? next : hi;
        rig_run(r, start + next - 1);
        ck_assert_int_eq(state(ip), NEIGH_REACHABLE);
        rig_run(r, start + next);
        ck_assert_int_eq(state(ip), NEIGH_STALE);
        ck_assert_uint_eq(r->nout, 0); /* idle: nobody is asked */
    }
    ck_assert_uint_ge(lo, 15 * TD_SEC);
    ck_assert_uint_le(hi, 45 * TD_SEC);
    ck_assert_uint_lt(lo, 16 * TD_SEC);
    ck_assert_uint_gt(hi, 44 * TD_SEC);
}
END_TEST

/* shows: 1122-L05 */
START_TEST(timeout_is_configurable)
{
    nif->knob[IFKNOB_NEIGH_BASE_REACHABLE_MS] = 5000;
    r->st.knobs.all[IFKNOB_NEIGH_BASE_REACHABLE_MS] = 0;
    resolve(PEER, PEER_MAC);
    rig_run(r, at(2499 * TD_MS));
    ck_assert_int_eq(state(PEER), NEIGH_REACHABLE);
    rig_run(r, at(7500 * TD_MS));
    ck_assert_int_ne(state(PEER), NEIGH_REACHABLE);
}
END_TEST

/* A STALE entry that was used at some time. */
static td_time make_stale(void)
{
    resolve(PEER, PEER_MAC);
    rig_run(r, at(46 * TD_SEC));
    ck_assert_int_eq(state(PEER), NEIGH_STALE);
    return r->st.now;
}

/* shows: 1122-L03 826-06 */
START_TEST(stale_is_used_then_probed_by_unicast)
{
    td_time t = make_stale();

    ck_assert_int_eq(send_to(PEER, 100), 0);
    ck_assert_int_eq(state(PEER), NEIGH_DELAY);
    ck_assert_uint_eq(r->nout, 1); /* the packet itself */
    rig_run(r, t + 5 * TD_SEC);
    ck_assert_int_eq(state(PEER), NEIGH_PROBE);
    ck_assert_uint_eq(r->nout, 2);
    ck_assert(rig_is_arp(r, 1, PEER_MAC, 1, US, ZERO_MAC, PEER));
    ck_assert_int_eq(send_to(PEER, 100), 0); /* packets go on meanwhile */
    ck_assert_uint_eq(r->nout, 3);
    rig_run(r, t + 7 * TD_SEC);
    ck_assert_uint_eq(r->nout, 5);
    ck_assert(rig_is_arp(r, 4, PEER_MAC, 1, US, ZERO_MAC, PEER));
    rig_run(r, t + 8 * TD_SEC);
    ck_assert_int_eq(state(PEER), NEIGH_FAILED);
    rig_forget(r);
    ck_assert_int_eq(send_to(PEER, 100), 0); /* the old address isn't used any more */
    ck_assert_int_eq(state(PEER), NEIGH_INCOMPLETE);
    ck_assert_uint_eq(r->nout, 1);
    ck_assert(rig_is_arp(r, 0, MAC_BROADCAST, 1, US, ZERO_MAC, PEER));
}
END_TEST

START_TEST(probe_answered)
{
    td_time t = make_stale();

    ck_assert_int_eq(send_to(PEER, 100), 0);
    rig_run(r, t + 5 * TD_SEC);
    ck_assert_int_eq(state(PEER), NEIGH_PROBE);
    request(PEER, PEER_MAC, US); /* hearing from it isn't an answer */
    ck_assert_int_eq(state(PEER), NEIGH_PROBE);
    reply(PEER, PEER_MAC);
    ck_assert_int_eq(state(PEER), NEIGH_REACHABLE);
}
END_TEST

START_TEST(no_unicast_probes_means_broadcast_ones)
{
    td_time t = make_stale();

    nif->knob[IFKNOB_NEIGH_UCAST_SOLICIT] = 0;
    r->st.knobs.all[IFKNOB_NEIGH_UCAST_SOLICIT] = 0;
    ck_assert_int_eq(send_to(PEER, 100), 0);
    rig_forget(r);
    rig_run(r, t + 5 * TD_SEC);
    ck_assert(rig_is_arp(r, 0, MAC_BROADCAST, 1, US, ZERO_MAC, PEER));
    rig_run(r, t + 8 * TD_SEC);
    ck_assert_uint_eq(r->nout, 3);
    ck_assert_int_eq(state(PEER), NEIGH_FAILED);
}
END_TEST

START_TEST(confirmation_from_above)
{
    td_time t = make_stale();

    ck_assert_int_eq(send_to(PEER, 100), 0);
    arp_confirm(&r->st, nif, PEER);
    ck_assert_int_eq(state(PEER), NEIGH_REACHABLE);
    rig_forget(r);
    for (unsigned i = 1; i < 200; i++) { /* confirmed each second, it never needs to ask */
        rig_run(r, t + i * TD_SEC);
        arp_confirm(&r->st, nif, PEER);
        ck_assert_int_eq(state(PEER), NEIGH_REACHABLE);
    }
    ck_assert_uint_eq(r->nout, 0);
    arp_confirm(&r->st, nif, PEER2); /* unknown: nothing */
    ck_assert_int_eq(state(PEER2), NEIGH_NONE);
    ck_assert_int_eq(send_to(PEER2, 1), 0);
    arp_confirm(&r->st, nif, PEER2); /* can't confirm what has no address */
    ck_assert_int_eq(state(PEER2), NEIGH_INCOMPLETE);
}
END_TEST

START_TEST(in_use_without_confirmation_is_probed_without_going_stale)
{
    resolve(PEER, PEER_MAC);
    for (unsigned i = 1; i <= 45 && state(PEER) == NEIGH_REACHABLE; i++) {
        rig_run(r, at(i * TD_SEC));
        if (state(PEER) == NEIGH_REACHABLE)
            ck_assert_int_eq(send_to(PEER, 10), 0);
    }
    ck_assert_int_eq(state(PEER), NEIGH_DELAY);
}
END_TEST

START_TEST(locktime)
{
    resolve(PEER, PEER_MAC);
    reply(PEER, rig_mac(66)); /* a second answer to the same question: the first stands */
    ck_assert(mac_is(PEER, PEER_MAC));
    ck_assert_uint_eq(events(EV_NEIGH_KEPT), 1);
    rig_run(r, at(TD_SEC));
    reply(PEER, rig_mac(66));
    ck_assert(mac_is(PEER, rig_mac(66)));
    ck_assert_int_eq(state(PEER), NEIGH_STALE);
}
END_TEST

START_TEST(no_source_address_to_ask_with)
{
    addr[0].state = ADDR_TENTATIVE;
    ck_assert_int_eq(send_to(PEER, 100), 0);
    rig_run(r, at(3 * TD_SEC));
    ck_assert_uint_eq(r->nout, 0); /* a request from 0.0.0.0 would be a probe */
    ck_assert_uint_eq(events(EV_ARP_NO_SOURCE), 3);
    ck_assert_int_eq(state(PEER), NEIGH_FAILED);
    ck_assert_uint_eq(unreachable, 1);
}
END_TEST

START_TEST(commands)
{
    ck_assert_int_eq(send_to(PEER, 100), 0);
    rig_forget(r);
    ck_assert_int_eq(neigh_set(&r->st, nif, PEER, PEER_MAC, NEIGH_PERMANENT), 0);
    rig_flush(r);
    ck_assert_uint_eq(r->nout, 1); /* the packet that waited */
    rig_run(r, at(1000 * TD_SEC));
    ck_assert_int_eq(state(PEER), NEIGH_PERMANENT);
    ck_assert_int_eq(neigh_set(&r->st, nif, PEER2, PEER2_MAC, NEIGH_STALE), 0);
    ck_assert_int_eq(neigh_set(&r->st, nif, PEER2, PEER2_MAC, NEIGH_PROBE), -EINVAL);
    ck_assert_int_eq(neigh_set(&r->st, nif, TD_IP4(224, 0, 0, 1), PEER2_MAC, NEIGH_STALE), -EINVAL);
    ck_assert_int_eq(neigh_set(&r->st, nif, PEER2, ZERO_MAC, NEIGH_STALE), -EINVAL);
    neigh_flush(&r->st, NULL);
    ck_assert_int_eq(state(PEER2), NEIGH_NONE);
    ck_assert_int_eq(state(PEER), NEIGH_PERMANENT);
    ck_assert_int_eq(neigh_del(&r->st, nif, PEER), 0);
    ck_assert_int_eq(neigh_del(&r->st, nif, PEER), -ENOENT);
}
END_TEST

START_TEST(deleting_drops_what_waits)
{
    ck_assert_int_eq(send_to(PEER, 100), 0);
    ck_assert_int_eq(send_to(PEER, 100), 0);
    ck_assert_int_eq(neigh_del(&r->st, nif, PEER), 0);
    ck_assert_uint_eq(events(EV_ARP_DROP_QUEUE), 2);
    ck_assert_uint_eq(unreachable, 0);
}
END_TEST

START_TEST(interface_changes)
{
    struct netif *other = rig_if(r);

    resolve(PEER, PEER_MAC);
    ck_assert_int_eq(neigh_set(&r->st, nif, PEER2, PEER2_MAC, NEIGH_PERMANENT), 0);
    ck_assert_int_eq(neigh_set(&r->st, other, PEER, PEER_MAC, NEIGH_STALE), 0);
    netif_set_flags(&r->st, nif, 0, TD_IF_UP);
    ck_assert_int_eq(state(PEER), NEIGH_NONE);
    ck_assert_int_eq(state(PEER2), NEIGH_NONE); /* as Linux: those set by hand too */
    ck_assert_int_eq(neigh_lookup(&r->st, other, PEER, NULL), NEIGH_STALE);
    ck_assert_int_eq(send_to(PEER, 100), -ENETDOWN);
    ck_assert_int_eq(netif_del(&r->st, nif->index), 0);
    netif_set_mac(&r->st, other,
                  rig_mac(70)); /* who knew our old MAC must ask us anew, and we them */
    ck_assert_int_eq(neigh_lookup(&r->st, other, PEER, NULL), NEIGH_NONE);
}
END_TEST

START_TEST(same_address_on_two_interfaces)
{
    struct netif *other = rig_if(r);

    resolve(PEER, PEER_MAC);
    ck_assert_int_eq(neigh_lookup(&r->st, other, PEER, NULL), NEIGH_NONE);
    ck_assert_int_eq(neigh_set(&r->st, other, PEER, PEER2_MAC, NEIGH_STALE), 0);
    ck_assert(mac_is(PEER, PEER_MAC));
}
END_TEST

START_TEST(loopback_needs_no_neighbour)
{
    struct td_if_config c = {.name = "lo", .flags = TD_IF_LOOPBACK | TD_IF_UP};
    uint32_t index;

    ck_assert_int_eq(netif_add(&r->st, &c, &index), 0);
    ck_assert_int_eq(arp_output(&r->st, netif_by_index(&r->st, index), TD_IP4(127, 0, 0, 1),
                                rig_datagram(r, TD_IP4(127, 0, 0, 1), TD_IP4(127, 0, 0, 1), 4)),
                     0);
    ck_assert_uint_eq(netif_by_index(&r->st, index)->loop.count, 1);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    int rc = -ENOBUFS;

    for (uint64_t n = 1; rc != 0 || r->nout == 0; n++) {
        struct pkt *p = rig_datagram(r, US, PEER, 100);

        ck_assert_uint_lt(n, 20);
        r->st.mem.fail_after = n;
        rc = arp_output(&r->st, nif, PEER, p);
        r->st.mem.fail_after = 0;
        r->st.mem.failing = false;
        rig_flush(r);
        if (rc == 0 && r->nout == 0)
            ck_assert_int_eq(neigh_del(&r->st, nif, PEER), 0); /* the request itself was not sent */
    }
}
END_TEST

static const struct value *cell(const struct table *t, const struct row *row, const char *name)
{
    for (unsigned i = 0; i < t->ncolumns; i++)
        if (strcmp(t->columns[i].name, name) == 0)
            return &row->v[i];
    ck_abort_msg("no column %s", name);
}

START_TEST(neigh_rows)
{
    struct table *t = table_find(&r->st, "neigh");
    static struct row row;
    uint64_t cursor = 0;

    resolve(PEER, PEER_MAC);
    rig_run(r, at(2 * TD_SEC));
    ck_assert_int_eq(send_to(PEER2, 100), 0);
    ck_assert(t->next(&r->st, &cursor, &row));
    ck_assert_uint_eq(cell(t, &row, "dst")->u, PEER);
    ck_assert_str_eq(cell(t, &row, "dev")->s, "eth0");
    ck_assert_uint_eq(cell(t, &row, "lladdr")->u, mac_u64(PEER_MAC));
    ck_assert_str_eq(cell(t, &row, "state")->s, "REACHABLE");
    ck_assert_uint_eq(cell(t, &row, "used")->u, 2 * TD_SEC);
    ck_assert_uint_eq(cell(t, &row, "queue")->u, 0);
    ck_assert(t->next(&r->st, &cursor, &row));
    ck_assert_str_eq(cell(t, &row, "state")->s, "INCOMPLETE");
    ck_assert_int_eq(cell(t, &row, "lladdr")->type, VAL_NONE);
    ck_assert_uint_eq(cell(t, &row, "queue")->u, 1);
    ck_assert_uint_eq(cell(t, &row, "probes")->u, 1);
    ck_assert(!t->next(&r->st, &cursor, &row));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("neigh");
    TCase *t = tcase_create("neigh");

    tcase_add_checked_fixture(t, arp_setup, arp_teardown);
    tcase_add_test(t, packets_wait_and_leave_in_order);
    tcase_add_test(t, a_request_releases_the_queue_too);
    tcase_add_test(t, full_queue_keeps_the_latest);
    tcase_add_test(t, queues_are_bounded_together);
    tcase_add_test(t, failure_takes_three_requests_and_tells_ip);
    tcase_add_test(t, one_request_a_second_whatever_is_sent);
    tcase_add_test(t, repeated_failure_backs_off);
    tcase_add_test(t, late_reply_revives_a_failed_entry);
    tcase_add_test(t, reachable_goes_stale_between_half_and_one_and_a_half);
    tcase_add_test(t, timeout_is_configurable);
    tcase_add_test(t, stale_is_used_then_probed_by_unicast);
    tcase_add_test(t, probe_answered);
    tcase_add_test(t, no_unicast_probes_means_broadcast_ones);
    tcase_add_test(t, confirmation_from_above);
    tcase_add_test(t, in_use_without_confirmation_is_probed_without_going_stale);
    tcase_add_test(t, locktime);
    tcase_add_test(t, no_source_address_to_ask_with);
    tcase_add_test(t, commands);
    tcase_add_test(t, deleting_drops_what_waits);
    tcase_add_test(t, interface_changes);
    tcase_add_test(t, same_address_on_two_interfaces);
    tcase_add_test(t, loopback_needs_no_neighbour);
    tcase_add_test(t, every_allocation_may_fail);
    tcase_add_test(t, neigh_rows);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
