/* RFC 826's reception algorithm on injected packets, and what it sends, byte by byte. */
#include "prng.h"
#include "arp_rig.h"

/* shows: 826-07 1122-L12 */
START_TEST(request_bytes)
{
    ck_assert_int_eq(send_to(PEER, 100), 0);
    ck_assert_uint_eq(r->nout, 1);
    ck_assert(rig_is_arp(r, 0, MAC_BROADCAST, 1, US, ZERO_MAC, PEER));
    ck_assert_uint_eq(r->st.counters.v[CNT_ArpOutRequests], 1);
}
END_TEST

/* shows: 826-04 826-05 5227-12 */
START_TEST(request_for_us_is_answered)
{
    struct netif *other = rig_if(r);

    rig_addr(other, &addr[1], TD_IP4(10, 9, 0, 1), 24);
    request(PEER, PEER_MAC, US);
    ck_assert_uint_eq(r->nout, 1);
    ck_assert(rig_is_arp(r, 0, PEER_MAC, 2, US, PEER_MAC, PEER));
    ck_assert_uint_eq(r->out[0].ifindex, nif->index);
    /* arp_ignore 0: any of our addresses, on whichever interface; from that interface's MAC. */
    rig_arp(r, other, NULL, 1, rig_mac(9), TD_IP4(10, 9, 0, 9), ZERO_MAC, US);
    ck_assert_uint_eq(r->nout, 2);
    ck_assert(rig_is_arp(r, 1, rig_mac(9), 2, US, rig_mac(9), TD_IP4(10, 9, 0, 9)));
    ck_assert_uint_eq(r->out[1].ifindex, other->index);
    ck_assert_uint_eq(r->st.counters.v[CNT_ArpOutReplies], 2);
}
END_TEST

START_TEST(request_for_us_makes_a_stale_entry)
{
    request(PEER, PEER_MAC, US);
    ck_assert_int_eq(state(PEER), NEIGH_STALE);
    ck_assert(mac_is(PEER, PEER_MAC));
    rig_forget(r);
    ck_assert_int_eq(send_to(PEER, 100), 0); /* used at once, no request */
    ck_assert_uint_eq(r->nout, 1);
    ck_assert_mem_eq(r->out[0].b, PEER_MAC.b, 6);
    ck_assert_uint_eq(r->out[0].b[13], 0);
}
END_TEST

/* shows: 826-03 ATK-ARP-09 */
START_TEST(request_for_another_makes_no_entry)
{
    request(PEER, PEER_MAC, PEER2);
    ck_assert_int_eq(state(PEER), NEIGH_NONE);
    ck_assert_int_eq(state(PEER2), NEIGH_NONE);
    ck_assert_uint_eq(r->nout, 0);
    ck_assert_uint_eq(events(EV_ARP_OTHER), 1);
}
END_TEST

/* shows: 826-02 */
START_TEST(merge_updates_whatever_the_opcode)
{
    resolve(PEER, PEER_MAC);
    rig_run(r, r->st.now + 2 * TD_SEC); /* beyond the locktime */
    request(PEER, rig_mac(22), PEER2);  /* not even for us */
    ck_assert(mac_is(PEER, rig_mac(22)));
    ck_assert_int_eq(state(PEER), NEIGH_STALE);
    rig_run(r, r->st.now + 2 * TD_SEC);
    reply(PEER, rig_mac(23));
    ck_assert(mac_is(PEER, rig_mac(23)));
    ck_assert_uint_eq(events(EV_NEIGH_REBIND), 2);
    ck_assert_uint_eq(r->st.counters.v[CNT_ArpRebinds], 2);
}
END_TEST

/* shows: ATK-ARP-01 826-08 */
START_TEST(unsolicited_creates_nothing)
{
    reply(PEER, PEER_MAC);
    rig_arp(r, nif, NULL, 2, PEER_MAC, PEER, PEER_MAC, PEER); /* gratuitous reply */
    request(PEER, PEER_MAC, PEER);                            /* gratuitous request */
    ck_assert_int_eq(state(PEER), NEIGH_NONE);
    ck_assert_uint_eq(events(EV_ARP_DROP_UNSOLICITED), 2);
    ck_assert_uint_eq(r->nout, 0);
}
END_TEST

/* shows: 826-08 ATK-ARP-01 */
START_TEST(gratuitous_updates_what_is_there)
{
    resolve(PEER, PEER_MAC);
    request(PEER, rig_mac(50), PEER); /* exempt from the locktime */
    ck_assert(mac_is(PEER, rig_mac(50)));
    ck_assert_int_eq(state(PEER), NEIGH_STALE);
    ck_assert_int_eq(neigh_set(&r->st, nif, PEER2, PEER2_MAC, NEIGH_PERMANENT), 0);
    request(PEER2, rig_mac(50), PEER2);
    reply(PEER2, rig_mac(50));
    ck_assert(mac_is(PEER2, PEER2_MAC));
    ck_assert_int_eq(state(PEER2), NEIGH_PERMANENT);
    ck_assert_uint_eq(events(EV_NEIGH_KEPT), 2);
}
END_TEST

/* shows: 826-01 ATK-ARP-07 ATK-ARP-08 */
START_TEST(malformed_packets_are_dropped)
{
    static const struct {
        unsigned at;
        uint8_t hi, lo;
    } bad[] = {{14, 0, 0}, {14, 0, 6},  {14, 1, 1},   {16, 0x86, 0xdd}, {16, 0, 0},
               {16, 8, 6}, {18, 0, 4},  {18, 1, 4},   {18, 5, 4},       {18, 255, 4},
               {18, 6, 0}, {18, 6, 16}, {18, 6, 255}, {20, 0, 0},       {20, 0, 3},
               {20, 0, 4}, {20, 0, 8},  {20, 0, 9},   {20, 255, 255},   {20, 1, 1}};
    uint8_t good[42], b[42];

    rig_arp_frame(good, MAC_BROADCAST, PEER_MAC, 1, PEER_MAC, PEER, ZERO_MAC, US);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        memcpy(b, good, sizeof b);
        b[bad[i].at] = bad[i].hi;
        b[bad[i].at + 1] = bad[i].lo;
        rig_input(r, nif, b, sizeof b);
        ck_assert_uint_eq(events(EV_ARP_DROP_PARSE), i + 1);
    }
    for (size_t len = 14; len < 42; len++)
        rig_input(r, nif, good, len);
    ck_assert_uint_eq(events(EV_ARP_DROP_PARSE), sizeof bad / sizeof bad[0] + 28);
    ck_assert_uint_eq(r->st.counters.v[CNT_ArpInDrops], events(EV_ARP_DROP_PARSE));
    b[12] = 0x80, b[13] = 0x35; /* RARP is nobody's EtherType here */
    rig_input(r, nif, b, sizeof b);
    ck_assert_uint_eq(events(EV_ETH_DROP_TYPE), 1);
    ck_assert_uint_eq(nif->addrs->addr, US);
    ck_assert_int_eq(state(PEER), NEIGH_NONE);
    ck_assert_uint_eq(r->nout, 0);
    rig_input(r, nif, good, sizeof good);
    ck_assert_uint_eq(r->nout, 1);
}
END_TEST

/* shows: 826-09 ATK-ARP-02 */
START_TEST(our_own_address_is_never_learned)
{
    request(US, PEER_MAC, PEER2);
    request(US, PEER_MAC, US);
    reply(US, PEER_MAC);
    ck_assert_int_eq(state(US), NEIGH_NONE);
    ck_assert_uint_eq(events(EV_ACD_CONFLICT), 3);
    ck_assert_uint_eq(r->st.counters.v[CNT_ArpConflicts], 3);
    ck_assert_uint_eq(r->nout, 0); /* arp_defend 0: reported only */
}
END_TEST

/* shows: ATK-ARP-10 */
START_TEST(looped_packets_are_no_conflict)
{
    uint8_t b[42];
    struct netif *other = rig_if(r);

    /* By a station between us: the Ethernet source is its own. */
    rig_arp_frame(b, MAC_BROADCAST, PEER_MAC, 1, nif->mac, US, ZERO_MAC, PEER);
    rig_input(r, nif, b, sizeof b);
    /* Or another interface of ours on the same wire. */
    rig_arp_frame(b, MAC_BROADCAST, nif->mac, 1, nif->mac, US, ZERO_MAC, PEER);
    rig_input(r, other, b, sizeof b);
    ck_assert_uint_eq(events(EV_ACD_CONFLICT), 0);
    ck_assert_uint_eq(events(EV_ARP_DROP_OWN), 2);
    for (int i = 0; i < 10000; i++)
        reply(PEER, PEER_MAC);
    ck_assert_uint_eq(r->nout, 0); /* replies never trigger replies */
}
END_TEST

/* shows: 826-10 ATK-ARP-04 1812-LL04 */
START_TEST(group_and_zero_hardware_addresses_are_refused)
{
    const struct td_mac bad[] = {MAC_BROADCAST, {{1, 0, 0x5e, 0, 0, 1}}, ZERO_MAC};
    uint8_t b[42];

    ck_assert_int_eq(send_to(PEER, 100), 0);
    rig_forget(r);
    for (int i = 0; i < 3; i++) {
        rig_arp_frame(b, nif->mac, PEER_MAC, 2, bad[i], PEER, nif->mac, US);
        rig_input(r, nif, b, sizeof b);
        rig_arp_frame(b, MAC_BROADCAST, PEER_MAC, 1, bad[i], PEER2, ZERO_MAC, US);
        rig_input(r, nif, b, sizeof b);
    }
    ck_assert_uint_eq(events(EV_ARP_DROP_SENDER_MAC), 6);
    ck_assert_int_eq(state(PEER), NEIGH_INCOMPLETE);
    ck_assert_int_eq(state(PEER2), NEIGH_NONE);
    ck_assert_uint_eq(r->nout, 0);
}
END_TEST

/* shows: 826-12 ATK-ARP-03 */
START_TEST(impossible_senders_create_nothing)
{
    const td_ip4 bad[] = {TD_IP4(224, 0, 0, 1),  TD_IP4(239, 1, 1, 1), TD_IP4_BROADCAST,
                          TD_IP4(10, 0, 0, 255), TD_IP4(10, 0, 0, 0),  TD_IP4(127, 0, 0, 1),
                          TD_IP4(0, 0, 0, 7),    TD_IP4(240, 0, 0, 1)};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        request(bad[i], PEER_MAC, US);
        ck_assert_int_eq(state(bad[i]), NEIGH_NONE);
    }
    ck_assert_uint_eq(r->nout, 0);
    ck_assert_uint_eq(r->st.counters.v[CNT_ArpInDrops], 8);
    rig_arp(r, nif, NULL, 2, PEER_MAC, 0, ZERO_MAC, US); /* a reply from 0.0.0.0 is nothing */
    ck_assert_uint_eq(r->nout, 0);
}
END_TEST

/* shows: 826-12 ATK-ARP-03 5227-11 */
START_TEST(probe_is_answered_not_cached)
{
    request(0, PEER_MAC, US);
    ck_assert_uint_eq(r->nout, 1);
    ck_assert(rig_is_arp(r, 0, PEER_MAC, 2, US, PEER_MAC, 0));
    ck_assert_int_eq(state(0), NEIGH_NONE);
    ck_assert_uint_eq(events(EV_ACD_CONFLICT), 0);
}
END_TEST

/* shows: 826-12 ATK-ARP-09 */
START_TEST(off_link_sender_is_neither_cached_nor_answered)
{
    td_ip4 far = TD_IP4(192, 0, 2, 7);

    request(far, PEER_MAC, US);
    ck_assert_int_eq(state(far), NEIGH_NONE);
    ck_assert_uint_eq(r->nout, 0);
    ck_assert_uint_eq(events(EV_ARP_DROP_OFFLINK), 1);
    /* But a neighbour that we talk to by a route of our own may ask. */
    ck_assert_int_eq(send_to(far, 100), 0);
    rig_forget(r);
    request(far, PEER_MAC, US);
    ck_assert_uint_eq(r->nout, 2); /* the packet that waited, and the answer */
    ck_assert(rig_is_arp(r, 1, PEER_MAC, 2, US, PEER_MAC, far));
}
END_TEST

START_TEST(loopback_addresses_are_never_answered_for)
{
    request(PEER, PEER_MAC, TD_IP4(127, 0, 0, 1));
    ck_assert_uint_eq(r->nout, 0);
}
END_TEST

START_TEST(arp_ignore)
{
    struct netif *other = rig_if(r);
    td_ip4 theirs = TD_IP4(10, 9, 0, 1);

    rig_addr(other, &addr[1], theirs, 24);
    rig_addr(nif, &addr[2], TD_IP4(10, 1, 0, 1), 24);
    request(PEER, PEER_MAC, theirs);
    ck_assert_uint_eq(r->nout, 1); /* 0: any local address */
    nif->knob[IFKNOB_ARP_IGNORE] = 1;
    request(PEER, PEER_MAC, theirs);
    ck_assert_uint_eq(r->nout, 1);
    request(PEER, PEER_MAC, TD_IP4(10, 1, 0, 1));
    ck_assert_uint_eq(r->nout, 2);
    nif->knob[IFKNOB_ARP_IGNORE] = 2;
    request(PEER, PEER_MAC, TD_IP4(10, 1, 0, 1)); /* other subnet than the sender */
    ck_assert_uint_eq(r->nout, 2);
    request(PEER, PEER_MAC, US);
    ck_assert_uint_eq(r->nout, 3);
    nif->knob[IFKNOB_ARP_IGNORE] = 8;
    request(PEER, PEER_MAC, US);
    ck_assert_uint_eq(r->nout, 3);
    ck_assert_uint_eq(events(EV_ARP_DROP_IGNORED), 3);
}
END_TEST

START_TEST(arp_announce)
{
    td_ip4 second = TD_IP4(10, 1, 0, 1);
    struct pkt *p;

    rig_addr(nif, &addr[1], second, 24);
    /* 0: the packet's own source, of whatever subnet. */
    p = rig_datagram(r, second, PEER, 10);
    ck_assert_int_eq(arp_output(&r->st, nif, PEER, p), 0);
    rig_flush(r);
    ck_assert(rig_is_arp(r, 0, MAC_BROADCAST, 1, second, ZERO_MAC, PEER));
    /* A source that isn't ours (forwarded) is never used. */
    p = rig_datagram(r, TD_IP4(192, 0, 2, 1), PEER2, 10);
    ck_assert_int_eq(arp_output(&r->st, nif, PEER2, p), 0);
    rig_flush(r);
    ck_assert(rig_is_arp(r, 1, MAC_BROADCAST, 1, US, ZERO_MAC, PEER2));
    /* 1: the packet's, if it is of the target's subnet. */
    nif->knob[IFKNOB_ARP_ANNOUNCE] = 1;
    p = rig_datagram(r, second, TD_IP4(10, 0, 0, 4), 10);
    ck_assert_int_eq(arp_output(&r->st, nif, TD_IP4(10, 0, 0, 4), p), 0);
    p = rig_datagram(r, second, TD_IP4(10, 1, 0, 4), 10);
    ck_assert_int_eq(arp_output(&r->st, nif, TD_IP4(10, 1, 0, 4), p), 0);
    rig_flush(r);
    ck_assert(rig_is_arp(r, 2, MAC_BROADCAST, 1, US, ZERO_MAC, TD_IP4(10, 0, 0, 4)));
    ck_assert(rig_is_arp(r, 3, MAC_BROADCAST, 1, second, ZERO_MAC, TD_IP4(10, 1, 0, 4)));
    /* 2: what IP chooses. */
    nif->knob[IFKNOB_ARP_ANNOUNCE] = 2;
    p = rig_datagram(r, second, TD_IP4(10, 1, 0, 5), 10);
    ck_assert_int_eq(arp_output(&r->st, nif, TD_IP4(10, 1, 0, 5), p), 0);
    rig_flush(r);
    ck_assert(rig_is_arp(r, 4, MAC_BROADCAST, 1, US, ZERO_MAC, TD_IP4(10, 1, 0, 5)));
}
END_TEST

/* shows: 1027-01 ATK-ARP-09 */
START_TEST(proxy_arp_only_when_asked_and_routed_elsewhere)
{
    td_ip4 behind = TD_IP4(10, 0, 0, 99);

    elsewhere = behind;
    request(PEER, PEER_MAC, behind); /* off by default */
    ck_assert_uint_eq(r->nout, 0);
    nif->knob[IFKNOB_PROXY_ARP] = 1;
    request(PEER, PEER_MAC, PEER2); /* by this interface, or the default route: the hook says no */
    ck_assert_uint_eq(r->nout, 0);
    request(PEER, PEER_MAC, behind);
    ck_assert_uint_eq(r->nout, 1);
    ck_assert(rig_is_arp(r, 0, PEER_MAC, 2, behind, PEER_MAC, PEER));
    ck_assert_int_eq(state(PEER), NEIGH_STALE);
    request(0, PEER_MAC, behind);      /* a probe must find the real owner, not us */
    request(behind, PEER_MAC, behind); /* nor is an announcement answered */
    ck_assert_uint_eq(r->nout, 1);
}
END_TEST

START_TEST(noarp_interface)
{
    nif->flags |= TD_IF_NOARP;
    request(PEER, PEER_MAC, US);
    ck_assert_uint_eq(r->nout, 0);
    ck_assert_int_eq(send_to(PEER, 10), -EHOSTUNREACH);
    ck_assert_uint_eq(events(EV_ARP_DROP_NOARP), 2);
    ck_assert_int_eq(neigh_set(&r->st, nif, PEER, PEER_MAC, NEIGH_PERMANENT), 0);
    ck_assert_int_eq(send_to(PEER, 10), 0);
    ck_assert_uint_eq(r->nout, 1);
    ck_assert_int_eq(arp_send_request(&r->st, nif, US, PEER), -EOPNOTSUPP);
}
END_TEST

START_TEST(arping)
{
    ck_assert_int_eq(arp_send_request(&r->st, nif, US, PEER), 0);
    rig_flush(r);
    ck_assert(rig_is_arp(r, 0, MAC_BROADCAST, 1, US, ZERO_MAC, PEER));
    ck_assert_int_eq(state(PEER), NEIGH_NONE);
    netif_set_flags(&r->st, nif, 0, TD_IF_UP);
    ck_assert_int_eq(arp_send_request(&r->st, nif, US, PEER), -ENETDOWN);
}
END_TEST

START_TEST(broadcast_and_multicast_map_without_asking)
{
    static const uint8_t group[] = {1, 0, 0x5e, 0x01, 0x02, 0x03};

    ck_assert_int_eq(send_to(TD_IP4_BROADCAST, 10), 0);
    ck_assert_int_eq(send_to(TD_IP4(10, 0, 0, 255), 10), 0);
    ck_assert_int_eq(send_to(TD_IP4(239, 129, 2, 3), 10), 0); /* the ninth bit is lost */
    ck_assert_uint_eq(r->nout, 3);
    ck_assert_mem_eq(r->out[0].b, MAC_BROADCAST.b, 6);
    ck_assert_mem_eq(r->out[1].b, MAC_BROADCAST.b, 6);
    ck_assert_mem_eq(r->out[2].b, group, 6);
    ck_assert_int_eq(send_to(0, 10), -EINVAL);
    ck_assert_int_eq(send_to(TD_IP4(127, 0, 0, 1), 10), -EINVAL);
    ck_assert_uint_eq(events(EV_ARP_DROP_NEXTHOP), 2);
    ck_assert_uint_eq(r->nout, 3);
}
END_TEST

START_TEST(padding_is_not_looked_at)
{
    uint8_t b[60];

    memset(b, 0xff, sizeof b);
    rig_arp_frame(b, MAC_BROADCAST, PEER_MAC, 1, PEER_MAC, PEER, ZERO_MAC, US);
    rig_input(r, nif, b, sizeof b);
    ck_assert_uint_eq(r->nout, 1);
}
END_TEST

START_TEST(no_memory_for_a_reply)
{
    struct pkt *p;
    uint8_t b[42];

    resolve(PEER, PEER_MAC); /* so that there is no entry to make */
    rig_arp_frame(b, MAC_BROADCAST, PEER_MAC, 1, PEER_MAC, PEER, ZERO_MAC, US);
    p = pkt_from_bytes(&r->st.mem, 0, b, sizeof b);
    r->st.mem.fail_after = 1;
    link_input(&r->st, nif, p);
    r->st.mem.fail_after = 0;
    r->st.mem.failing = false;
    rig_flush(r);
    ck_assert_uint_eq(r->nout, 0);
    ck_assert_uint_eq(events(EV_ARP_DROP_QUEUE), 1);
}
END_TEST

/* Half-random packets, sends and time: whatever comes, what must never be in the table isn't. */
START_TEST(random_packets_keep_the_invariants)
{
    static const td_ip4 ips[] = {US,
                                 PEER,
                                 PEER2,
                                 TD_IP4(10, 0, 0, 255),
                                 TD_IP4(10, 0, 0, 0),
                                 0,
                                 0xffffffffU,
                                 TD_IP4(127, 0, 0, 1),
                                 TD_IP4(192, 0, 2, 1),
                                 TD_IP4(224, 0, 0, 1),
                                 TD_IP4(10, 0, 0, 77),
                                 TD_IP4(10, 0, 0, 9)};
    struct prng rnd = {.state = 2026};
    struct table *t = table_find(&r->st, "neigh");
    static struct row row;

    rig_addr(nif, &addr[1], TD_IP4(10, 0, 0, 77), 24);
    addr[1].state = ADDR_TENTATIVE;
    nif->knob[IFKNOB_ARP_DEFEND] = 3;
    arp_addr_added(&r->st, nif, &addr[1]);
    ck_assert_int_eq(neigh_set(&r->st, nif, TD_IP4(10, 0, 0, 9), rig_mac(9), NEIGH_PERMANENT), 0);
    for (unsigned i = 0; i < prng_rounds(100000); i++) {
        struct td_mac macs[] = {nif->mac, PEER_MAC, PEER2_MAC, ZERO_MAC, MAC_BROADCAST, rig_mac(i)};
        td_ip4 spa = ips[prng_below(&rnd, 12)], tpa = ips[prng_below(&rnd, 12)];
        uint8_t b[42];
        uint64_t cursor = 0;

        if (prng_below(&rnd, 4) == 0)
            spa = TD_IP4(10, 0, 0, 0) + prng_below(&rnd, 256);
        rig_arp_frame(b, prng_below(&rnd, 2) != 0 ? MAC_BROADCAST : nif->mac,
                      macs[prng_below(&rnd, 6)], prng_below(&rnd, 3), macs[prng_below(&rnd, 6)],
                      spa, macs[prng_below(&rnd, 6)], tpa);
        if (prng_below(&rnd, 10) == 0)
            b[12 + prng_below(&rnd, 30)] = prng_u8(&rnd);
        rig_input(r, nif, b, prng_below(&rnd, 20) == 0 ? prng_below(&rnd, 43) : 42);
        tpa = ips[prng_below(&rnd, 12)];
        if (prng_below(&rnd, 5) == 0 && !hook_is_local(&r->st, tpa)) /* ip loops those back */
            (void)send_to(tpa, 10);
        if (prng_below(&rnd, 3) == 0)
            rig_run(r, r->st.now + prng_below(&rnd, 2000) * TD_MS);
        if (i % 100 != 0)
            continue;
        while (t->next(&r->st, &cursor, &row)) {
            td_ip4 dst = (td_ip4)row.v[0].u;
            uint64_t mac = row.v[2].type == VAL_NONE ? 1 : row.v[2].u;

            ck_assert(!hook_is_local(&r->st, dst));
            ck_assert_uint_ne(dst, TD_IP4(10, 0, 0, 255));
            ck_assert_uint_ne(dst >> 28, 14);
            ck_assert_uint_ne(mac, 0);
            ck_assert_uint_eq(mac >> 40 & 1, 0);
        }
        ck_assert(mac_is(TD_IP4(10, 0, 0, 9), rig_mac(9)));
        rig_forget(r);
    }
    arp_addr_removed(&r->st, nif, &addr[0]);
    arp_addr_removed(&r->st, nif, &addr[1]);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("arp");
    TCase *t = tcase_create("arp");

    tcase_add_checked_fixture(t, arp_setup, arp_teardown);
    tcase_add_test(t, request_bytes);
    tcase_add_test(t, request_for_us_is_answered);
    tcase_add_test(t, request_for_us_makes_a_stale_entry);
    tcase_add_test(t, request_for_another_makes_no_entry);
    tcase_add_test(t, merge_updates_whatever_the_opcode);
    tcase_add_test(t, unsolicited_creates_nothing);
    tcase_add_test(t, gratuitous_updates_what_is_there);
    tcase_add_test(t, malformed_packets_are_dropped);
    tcase_add_test(t, our_own_address_is_never_learned);
    tcase_add_test(t, looped_packets_are_no_conflict);
    tcase_add_test(t, group_and_zero_hardware_addresses_are_refused);
    tcase_add_test(t, impossible_senders_create_nothing);
    tcase_add_test(t, probe_is_answered_not_cached);
    tcase_add_test(t, off_link_sender_is_neither_cached_nor_answered);
    tcase_add_test(t, loopback_addresses_are_never_answered_for);
    tcase_add_test(t, arp_ignore);
    tcase_add_test(t, arp_announce);
    tcase_add_test(t, proxy_arp_only_when_asked_and_routed_elsewhere);
    tcase_add_test(t, noarp_interface);
    tcase_add_test(t, arping);
    tcase_add_test(t, broadcast_and_multicast_map_without_asking);
    tcase_add_test(t, padding_is_not_looked_at);
    tcase_add_test(t, no_memory_for_a_reply);
    tcase_add_test(t, random_packets_keep_the_invariants);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
