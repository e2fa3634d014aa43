/* The bridge: who gets which frame, what the host hears and says, ports that come and go, loops. */
#include "link_rig.h"

static struct netif *eth0, *eth1, *eth2, *br;

static void join(struct netif *port, struct netif *bridge)
{
    ck_assert_int_eq(link_set_master(&r->st, port, bridge), 0);
}

static void setup(void)
{
    lx_setup();
    eth0 = rig_if(r);
    eth1 = rig_if(r);
    eth2 = rig_if(r);
    br = lx_bridge("br0");
    join(eth0, br);
    join(eth1, br);
    join(eth2, br);
}

static void up(struct netif *nif, bool on)
{
    ck_assert_int_eq(netif_set_flags(&r->st, nif, on ? TD_IF_UP : 0, on ? 0 : TD_IF_UP), 0);
}

/* shows: 8021D-02 8021D-01 */
START_TEST(known_to_one_port_unknown_to_all_others)
{
    uint8_t b[200];
    uint32_t n = lx_frame(b, B, A, 0, NULL, 70);

    rig_input(r, eth0, b, n); /* nobody knows B: everywhere but back */
    ck_assert_uint_eq(r->nout, 2);
    ck_assert_uint_eq(lx_out(eth1), 1);
    ck_assert_uint_eq(lx_out(eth2), 1);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_uint_eq(r->out[i].len, n);
        ck_assert_mem_eq(r->out[i].b, b, n);
    }
    ck_assert_uint_eq(counter(CNT_BridgeFlooded), 1);
    rig_forget(r);
    lx_in(eth2, A, B, 0); /* B answers: A is known, and now B */
    ck_assert_uint_eq(r->nout, 1);
    ck_assert_uint_eq(lx_out(eth0), 1);
    rig_forget(r);
    lx_in(eth0, B, A, 0);
    ck_assert_uint_eq(r->nout, 1);
    ck_assert_uint_eq(lx_out(eth2), 1);
    ck_assert_uint_eq(counter(CNT_BridgeForwarded), 2);
    ck_assert_uint_eq(counter(CNT_BridgeLearned), 2);
    ck_assert_uint_eq(seen.n, 0); /* the host hears nothing of it */
    rig_forget(r);
    lx_in(eth1, B, A, 0); /* A has moved */
    lx_in(eth2, A, B, 0);
    ck_assert_uint_eq(lx_out(eth1), 1);
    ck_assert_uint_eq(lx_out(eth0), 0);
    ck_assert_uint_eq(counter(CNT_BridgeMoves), 1);
}
END_TEST

/* shows: 8021D-05 8021D-02 */
START_TEST(never_back_where_it_came_from)
{
    lx_in(eth0, MAC_BROADCAST, A, 0);
    lx_in(eth0, C, A, 0);
    ck_assert_uint_eq(lx_out(eth0), 0);
    ck_assert_uint_eq(r->nout, 4);
    lx_in(eth0, A, C, 0); /* A and C are on the same side: they have heard each other */
    ck_assert_uint_eq(r->nout, 4);
    ck_assert_uint_eq(events(EV_BRIDGE_DROP_SAME_PORT), 1);
    ck_assert_uint_eq(counter(CNT_BridgeDrops), 1);
    /* a hairpin port is asked for, and then gets it */
    ck_assert_int_eq(bridge_port_set(&r->st, eth0, TD_PORT_HAIRPIN, 0), 0);
    lx_in(eth0, A, C, 0);
    ck_assert_uint_eq(lx_out(eth0), 1);
}
END_TEST

START_TEST(groups_go_everywhere_and_to_the_host)
{
    struct td_mac group = {{1, 0, 0x5e, 0, 0, 5}};

    lx_in(eth0, group, A, 0);
    ck_assert_uint_eq(r->nout, 2);
    ck_assert_uint_eq(seen.n, 1);
    ck_assert_uint_eq(seen.ifindex, br->index);
    ck_assert_uint_eq(seen.flags & PKT_L2_MULTICAST, PKT_L2_MULTICAST);
    ck_assert_uint_eq(br->stats.rx_packets, 1);
    lx_in(eth0, MAC_BROADCAST, A, 0);
    ck_assert_uint_eq(seen.n, 2);
    ck_assert_uint_eq(seen.flags & PKT_L2_BROADCAST, PKT_L2_BROADCAST);
}
END_TEST

START_TEST(the_host_has_a_socket_on_the_switch)
{
    ck_assert(mac_eq(br->mac, eth0->mac)); /* the lowest of its ports' */
    lx_in(eth1, br->mac, A, 0);
    ck_assert_uint_eq(seen.n, 1);
    ck_assert_uint_eq(seen.ifindex, br->index);
    ck_assert_uint_eq(r->nout, 0);
    lx_in(eth1, eth2->mac, A, 0); /* a port's own address is the host's too */
    ck_assert_uint_eq(seen.n, 2);
    ck_assert_uint_eq(seen.ifindex, br->index);
    ck_assert_int_eq(eth_output(&r->st, br, A, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 50)), 0);
    rig_flush(r);
    ck_assert_uint_eq(r->nout, 1);
    ck_assert_uint_eq(lx_out(eth1), 1);
    ck_assert_mem_eq(r->out[0].b + 6, br->mac.b, 6);
    ck_assert_int_eq(
        eth_output(&r->st, br, MAC_BROADCAST, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 50)), 0);
    ck_assert_int_eq(eth_output(&r->st, br, C, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 50)), 0);
    rig_flush(r);
    ck_assert_uint_eq(r->nout, 7);
    ck_assert_uint_eq(br->stats.tx_packets, 3);
    ck_assert_int_eq(eth_output(&r->st, br, eth1->mac, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 50)),
                     0);
    rig_flush(r);
    ck_assert_uint_eq(r->nout, 7); /* to itself: nobody on a cable */
    ck_assert_uint_eq(events(EV_BRIDGE_DROP_NO_PORT), 1);
}
END_TEST

/* shows: 8021D-07 ATK-ETH-05 */
START_TEST(impossible_sources_and_our_own)
{
    struct td_mac group = {{1, 0, 0x5e, 0, 0, 5}};

    lx_in(eth0, B, MAC_BROADCAST, 0);
    lx_in(eth0, B, group, 0);
    lx_in(eth0, B, ZERO_MAC, 0);
    lx_in(eth0, B, eth0->mac, 0);
    ck_assert_uint_eq(events(EV_ETH_DROP_SOURCE), 4);
    lx_in(eth1, B, br->mac, 0); /* what the host sent comes back on another port: a loop */
    lx_in(eth1, MAC_BROADCAST, eth2->mac, 0);
    ck_assert_uint_eq(events(EV_BRIDGE_DROP_OWN), 2);
    ck_assert_uint_eq(r->nout, 0);
    ck_assert_uint_eq(counter(CNT_BridgeLearned), 0);
    ck_assert_uint_eq(seen.n, 0);
}
END_TEST

/* shows: 8021D-06 */
START_TEST(reserved_addresses_stay_here)
{
    struct td_mac m = {{0x01, 0x80, 0xc2, 0, 0, 0}};

    for (unsigned i = 1; i < 16; i++) {
        m.b[5] = (uint8_t)i;
        lx_in(eth0, m, A, 0);
    }
    ck_assert_uint_eq(r->nout, 0);
    ck_assert_uint_eq(seen.n, 14); /* for us, but for the pause frame */
    ck_assert_uint_eq(events(EV_BRIDGE_DROP_RESERVED), 1);
    m.b[5] = 0; /* the spanning tree's, of which we are no part */
    lx_in(eth0, m, A, 0);
    m.b[5] = 16;
    lx_in(eth0, m, A, 0);
    ck_assert_uint_eq(r->nout, 4);
}
END_TEST

/* shows: 8021D-08 */
START_TEST(too_large_for_a_port)
{
    static uint8_t b[1600];
    uint16_t vid = 7;

    ck_assert_int_eq(netif_set_mtu(&r->st, eth1, 600), 0);
    ck_assert_uint_eq(br->mtu, 600); /* the host may not send what a port can't take */
    rig_input(r, eth0, b, lx_frame(b, MAC_BROADCAST, A, 0, NULL, 601 + 4));
    ck_assert_uint_eq(lx_out(eth1), 0);
    ck_assert_uint_eq(lx_out(eth2), 1);
    ck_assert_uint_eq(events(EV_BRIDGE_DROP_MTU), 1);
    ck_assert_uint_eq(eth1->stats.tx_dropped, 1);
    rig_input(r, eth0, b, lx_frame(b, MAC_BROADCAST, A, 1, &vid, 600)); /* the tag doesn't count */
    ck_assert_uint_eq(lx_out(eth1), 1);
    lx_in(eth1, MAC_BROADCAST, B, 0);
    rig_input(r, eth0, b, lx_frame(b, B, A, 0, NULL, 800));
    ck_assert_uint_eq(events(EV_BRIDGE_DROP_MTU), 2);
}
END_TEST

/* Whatever it is: a bridge doesn't read what it carries. */
START_TEST(anything_passes)
{
    const uint16_t tags[] = {0, 4095, 7};
    uint8_t b[100];
    uint32_t n = lx_frame(b, B, A, 3, tags, 50);

    rig_input(r, eth0, b, n); /* tags, one on the other */
    ck_assert_uint_eq(r->nout, 2);
    ck_assert_mem_eq(r->out[0].b, b, n);
    n = lx_frame(b, B, A, 0, NULL, 50);
    for (unsigned type = 0; type < 65536;
         type += 251) { /* 802.3 lengths, right and wrong, and types */
        rig_forget(r);
        wire_put16(b + 12, type);
        rig_input(r, eth0, b, n);
        if (type != ETHERTYPE_VLAN)
            ck_assert_uint_eq(r->nout, 2);
    }
    rig_forget(r);
    for (n = 0; n < 14; n++)
        rig_input(r, eth0, b, n);
    ck_assert_uint_eq(r->nout, 0);
    ck_assert_uint_eq(events(EV_ETH_DROP_RUNT), 14);
    rig_input(r, eth0, b, 14); /* nothing but a header: padded on the way out */
    ck_assert_uint_eq(r->nout, 2);
    ck_assert_uint_eq(r->out[0].len, 60);
    for (unsigned i = 14; i < 60; i++)
        ck_assert_uint_eq(r->out[0].b[i], 0);
}
END_TEST

START_TEST(ports_come_and_go)
{
    lx_in(eth0, B, A, 0);
    lx_in(eth1, A, B, 0);
    rig_forget(r);
    up(eth1, false); /* what was behind it is forgotten, and it gets nothing */
    ck_assert_uint_eq(events(EV_BRIDGE_FORGOT), 1);
    lx_in(eth0, B, A, 0);
    ck_assert_uint_eq(r->nout, 1);
    ck_assert_uint_eq(lx_out(eth2), 1);
    up(eth1, true);
    ck_assert_int_eq(link_set_master(&r->st, eth0, NULL), 0);
    ck_assert_ptr_null(netif_master(eth0));
    ck_assert(mac_eq(br->mac, eth1->mac)); /* its address was eth0's */
    rig_forget(r);
    lx_in(eth0, B, A, 0); /* an interface of its own again */
    ck_assert_uint_eq(r->nout, 0);
    ck_assert_uint_eq(events(EV_ETH_DROP_OTHERHOST), 1);
    lx_in(eth0, eth0->mac, A, 0);
    ck_assert_uint_eq(seen.ifindex, eth0->index);
    ck_assert_int_eq(netif_del(&r->st, eth1->index), 0);
    ck_assert(mac_eq(br->mac, eth2->mac));
    ck_assert_int_eq(netif_del(&r->st, br->index), 0);
    ck_assert_ptr_null(netif_master(eth2));
    lx_in(eth2, eth2->mac, A, 0);
    ck_assert_uint_eq(seen.ifindex, eth2->index);
    ck_assert_uint_eq(events(EV_LINK_MASTER), 6);
}
END_TEST

START_TEST(down_it_passes_nothing)
{
    up(br, false);
    lx_in(eth0, MAC_BROADCAST, A, 0);
    ck_assert_uint_eq(r->nout, 0);
    ck_assert_uint_eq(seen.n, 0);
    ck_assert_uint_eq(events(EV_BRIDGE_DROP_DOWN), 1);
    ck_assert_int_eq(eth_output(&r->st, br, A, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 50)),
                     -ENETDOWN);
    up(br, true);
    ck_assert(netif_running(br));
    up(eth0, false);
    up(eth1, false);
    up(eth2, false);
    ck_assert(!netif_running(br)); /* up, without carrier */
    ck_assert_int_eq(eth_output(&r->st, br, A, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 50)), 0);
    ck_assert_uint_eq(events(EV_BRIDGE_DROP_NO_PORT), 1);
}
END_TEST

START_TEST(what_cannot_be_a_port)
{
    struct td_if_config c = {.name = "lo", .flags = TD_IF_LOOPBACK};
    struct netif *br1 = lx_bridge("br1"), *v = lx_vlan(br, 5, "br0.5"), *at;
    uint32_t lo;
    char name[4] = "b0";

    ck_assert_int_eq(netif_add(&r->st, &c, &lo), 0);
    ck_assert_int_eq(link_set_master(&r->st, netif_by_index(&r->st, lo), br), -EINVAL);
    ck_assert_int_eq(link_set_master(&r->st, eth0, eth1), -EINVAL);
    ck_assert_int_eq(link_set_master(&r->st, br, br), -ELOOP);
    ck_assert_int_eq(link_set_master(&r->st, v, br),
                     -ELOOP); /* a VLAN of the bridge in the bridge */
    join(v, br1);
    ck_assert_int_eq(link_set_master(&r->st, br1, br), -ELOOP); /* the long way round */
    ck_assert_ptr_eq(netif_master(eth0), br);                   /* all that changed nothing */
    join(eth0, br1);                                            /* from one to the other at once */
    ck_assert_ptr_eq(netif_master(eth0), br1);
    ck_assert_int_eq(link_set_master(&r->st, lx_bridge("br2"), br1),
                     -ELOOP); /* a bridge is no port */
    at = br1;                 /* br1 - br0.5 - br0 - eth1: depth 3 */
    for (unsigned depth = 4; depth <= 8; depth++, name[1]++)
        at = lx_vlan(at, 4, name);
    struct netif *top = lx_bridge("top");
    ck_assert_int_eq(link_set_master(&r->st, at, top), -EMLINK);
    ck_assert_ptr_null(netif_master(at));
    ck_assert_int_eq(bridge_port_set(&r->st, top, TD_PORT_FLOOD, 0), -EINVAL);
    ck_assert_int_eq(bridge_port_set(&r->st, eth0, 64, 0), -EINVAL);
    ck_assert_int_eq(bridge_set(&r->st, eth0, &(struct td_bridge_config){0}), -EINVAL);
}
END_TEST

/* A frame climbs and descends: eth0 → br0 → its VLAN 5 → br1 → VLAN 6 on eth3. */
START_TEST(bridges_on_vlans_on_bridges)
{
    struct netif *eth3 = rig_if(r), *v6 = lx_vlan(eth3, 6, "eth3.6"), *v5 = lx_vlan(br, 5, "br0.5");
    struct netif *br1 = lx_bridge("br1");
    uint16_t five = 5, six = 6;
    uint8_t b[200];

    join(v5, br1);
    join(v6, br1);
    rig_input(r, eth0, b, lx_frame(b, MAC_BROADCAST, A, 1, &five, 50));
    ck_assert_uint_eq(lx_out(eth1), 1);
    ck_assert_uint_eq(lx_out(eth3), 1);
    ck_assert_uint_eq(seen.n, 1);
    ck_assert_uint_eq(seen.ifindex, br1->index);
    for (unsigned i = 0; i < r->nout; i++)
        if (r->out[i].ifindex == eth3->index)
            ck_assert_uint_eq(wire_get16(r->out[i].b + 14), 6);
    rig_forget(r);
    rig_input(r, eth3, b, lx_frame(b, A, B, 1, &six, 50)); /* and back */
    ck_assert_uint_eq(r->nout, 1);
    ck_assert_uint_eq(lx_out(eth0), 1);
    ck_assert_uint_eq(wire_get16(r->out[0].b + 14), 5);
}
END_TEST

/* A VLAN of the port itself takes its frames before the bridge does. */
START_TEST(a_vlan_on_a_port)
{
    struct netif *v = lx_vlan(eth0, 9, "eth0.9");

    lx_in(eth0, eth0->mac, A, 9);
    ck_assert_uint_eq(seen.ifindex, v->index);
    ck_assert_uint_eq(r->nout, 0);
    lx_in(eth0, MAC_BROADCAST, A, 8);
    ck_assert_uint_eq(r->nout, 2);
}
END_TEST

/* Two cables between the same two bridges: a broadcast never ends, and it is seen. */
START_TEST(a_loop_outside_is_seen)
{
    uint8_t b[100];
    uint32_t n = lx_frame(b, MAC_BROADCAST, A, 0, NULL, 50);

    rig_input(r, eth0, b, n);
    for (unsigned turn = 0; turn < 100;
         turn++) { /* what left by eth1 comes in by eth2, and round */
        rig_forget(r);
        rig_input(r, turn % 2 == 0 ? eth2 : eth1, b, n);
        ck_assert_uint_eq(r->nout, 2);
    }
    ck_assert_uint_eq(counter(CNT_BridgeMoves), 100);
    ck_assert_uint_eq(events(EV_BRIDGE_MOVED), 1); /* told once a second */
    ck_assert_uint_eq(events(EV_BRIDGE_MOVED_AGAIN), 99);
}
END_TEST

START_TEST(ports_that_are_told_otherwise)
{
    ck_assert_int_eq(bridge_port_set(&r->st, eth1, 0, TD_PORT_FLOOD), 0);
    lx_in(eth0, C, A, 0);
    ck_assert_uint_eq(lx_out(eth1), 0);
    ck_assert_uint_eq(lx_out(eth2), 1);
    lx_in(eth0, MAC_BROADCAST, A, 0);
    ck_assert_uint_eq(lx_out(eth1), 1);
    ck_assert_int_eq(
        bridge_port_set(&r->st, eth1, TD_PORT_FLOOD | TD_PORT_ISOLATED, TD_PORT_LEARNING), 0);
    ck_assert_int_eq(bridge_port_set(&r->st, eth2, TD_PORT_ISOLATED, 0), 0);
    rig_forget(r);
    lx_in(eth1, MAC_BROADCAST, B, 0); /* isolated ports talk to others, not to each other */
    ck_assert_uint_eq(lx_out(eth0), 1);
    ck_assert_uint_eq(lx_out(eth2), 0);
    rig_forget(r);
    lx_in(eth0, B, A, 0); /* B wasn't learnt */
    ck_assert_uint_eq(r->nout, 2);
    ck_assert_uint_eq(bridge_port_flags(eth1), TD_PORT_FLOOD | TD_PORT_ISOLATED);
}
END_TEST

START_TEST(promiscuous_it_shows_everything)
{
    lx_in(eth1, A, B, 0);
    lx_in(eth0, B, A, 0);
    ck_assert_uint_eq(br->stats.rx_packets, 0);
    ck_assert_int_eq(netif_set_flags(&r->st, br, TD_IF_PROMISC, 0), 0);
    rig_forget(r);
    lx_in(eth0, B, A, 0);
    ck_assert_uint_eq(lx_out(eth1), 1);
    ck_assert_uint_eq(br->stats.rx_packets, 1); /* to be looked at: the host doesn't take it */
    ck_assert_uint_eq(events(EV_ETH_DROP_OTHERHOST), 1);
    ck_assert_uint_eq(seen.n, 0);
}
END_TEST

/* The copies share the payload; the headers are each one's own. */
START_TEST(copies_do_not_disturb_each_other)
{
    struct pkt *p = rig_datagram(r, 1, 2, 0);
    struct pkt_block *blk = pkt_block_alloc(&r->st.mem, 1000);
    struct netif *v = lx_vlan(eth2, 77, "eth2.77");

    join(v, br);
    memset(blk->bytes, 0xab, 1000);
    ck_assert_int_eq(pkt_append_slice(p, blk, 0, 1000), 0);
    ck_assert_int_eq(eth_output(&r->st, br, MAC_BROADCAST, ETHERTYPE_IPV4, p), 0);
    rig_flush(r);
    ck_assert_uint_eq(r->nout, 4);
    for (unsigned i = 0; i < 4; i++) {
        uint32_t tag = r->out[i].len - (14 + 20 + 1000);

        ck_assert(tag == 0 || tag == 4);
        ck_assert_uint_eq(wire_get16(r->out[i].b + 12), tag != 0 ? 0x8100 : 0x0800);
        ck_assert_uint_eq(r->out[i].b[14 + tag + 19], 2);
        ck_assert_uint_eq(r->out[i].b[r->out[i].len - 1], 0xab);
    }
    pkt_block_free(blk);
}
END_TEST

START_TEST(no_memory_loses_copies_and_nothing_else)
{
    for (uint64_t n = 1; n < 30; n++) {
        uint8_t b[100];
        struct pkt *p = pkt_from_bytes(
            &r->st.mem, 0, b, lx_frame(b, MAC_BROADCAST, rig_mac(100 + (unsigned)n), 0, NULL, 50));

        r->st.mem.fail_after = n;
        link_input(&r->st, eth0, p);
        rig_flush(r);
        r->st.mem.fail_after = 0;
        r->st.mem.failing = false;
    }
    ck_assert_uint_gt(events(EV_BRIDGE_DROP_MEMORY), 0);
    ck_assert_uint_gt(counter(CNT_BridgeFdbFull), 0);
    rig_forget(r);
    lx_in(eth0, MAC_BROADCAST, A, 0);
    ck_assert_uint_eq(r->nout, 2);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("bridge");
    TCase *t = tcase_create("bridge");

    tcase_add_checked_fixture(t, setup, lx_teardown);
    tcase_add_test(t, known_to_one_port_unknown_to_all_others);
    tcase_add_test(t, never_back_where_it_came_from);
    tcase_add_test(t, groups_go_everywhere_and_to_the_host);
    tcase_add_test(t, the_host_has_a_socket_on_the_switch);
    tcase_add_test(t, impossible_sources_and_our_own);
    tcase_add_test(t, reserved_addresses_stay_here);
    tcase_add_test(t, too_large_for_a_port);
    tcase_add_test(t, anything_passes);
    tcase_add_test(t, ports_come_and_go);
    tcase_add_test(t, down_it_passes_nothing);
    tcase_add_test(t, what_cannot_be_a_port);
    tcase_add_test(t, bridges_on_vlans_on_bridges);
    tcase_add_test(t, a_vlan_on_a_port);
    tcase_add_test(t, a_loop_outside_is_seen);
    tcase_add_test(t, ports_that_are_told_otherwise);
    tcase_add_test(t, promiscuous_it_shows_everything);
    tcase_add_test(t, copies_do_not_disturb_each_other);
    tcase_add_test(t, no_memory_loses_copies_and_nothing_else);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
