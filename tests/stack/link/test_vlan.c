/* 802.1Q: which interface a tag means, bytes of tags on and off, what is refused, what follows
 * what. */
#include "link_rig.h"

static struct netif *eth0, *v10, *v20;

static void setup(void)
{
    lx_setup();
    eth0 = rig_if(r);
    v10 = lx_vlan(eth0, 10, "eth0.10");
    v20 = lx_vlan(eth0, 20, "eth0.20");
}

static int try_vlan(struct netif *lower, uint16_t vid, const char *name, uint32_t mtu)
{
    struct td_link_config c = {.kind = TD_LINK_VLAN, .lower = lower->index, .vid = vid, .mtu = mtu};
    uint32_t index;

    memcpy(c.name, name, strnlen(name, sizeof c.name - 1));
    return link_add(&r->st, &c, &index);
}

/* shows: 8021Q-01 */
START_TEST(a_tag_says_the_interface)
{
    uint8_t b[100];
    uint16_t tci = 0x6014; /* priority 3, VLAN 20 */

    rig_input(r, eth0, b, lx_frame(b, eth0->mac, A, 1, &tci, 50));
    ck_assert_uint_eq(seen.n, 1);
    ck_assert_uint_eq(seen.ifindex, v20->index);
    ck_assert_uint_eq(seen.len, 50);
    ck_assert_uint_eq(seen.tci, 0x6014);
    for (unsigned i = 0; i < 50; i++)
        ck_assert_uint_eq(seen.b[i], i + 1);
    lx_in(eth0, eth0->mac, A, 10);
    ck_assert_uint_eq(seen.ifindex, v10->index);
    lx_in(eth0, eth0->mac, A, 0);
    ck_assert_uint_eq(seen.ifindex, eth0->index);
    ck_assert_uint_eq(v20->stats.rx_packets, 1);
    ck_assert_uint_eq(v20->stats.rx_bytes, 64);
    ck_assert_uint_eq(eth0->stats.rx_packets, 3);
    lx_in(eth0, MAC_BROADCAST, A, 10);
    ck_assert_uint_eq(seen.flags & PKT_L2_BROADCAST, PKT_L2_BROADCAST);
    lx_in(eth0, B, A, 10);
    ck_assert_uint_eq(seen.n, 4);
    ck_assert_uint_eq(events(EV_ETH_DROP_OTHERHOST), 1);
    ck_assert_uint_eq(v10->stats.rx_dropped, 1);
}
END_TEST

/* shows: 8021Q-02 */
START_TEST(what_is_sent_has_the_tag)
{
    static const uint8_t tag[] = {0x81, 0x00, 0x00, 0x14, 0x08, 0x00};

    ck_assert_int_eq(eth_output(&r->st, v20, A, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 30)), 0);
    ck_assert_uint_eq(netif_backlog(v20), 68);
    rig_flush(r);
    ck_assert_uint_eq(r->nout, 1);
    ck_assert_uint_eq(r->out[0].ifindex, eth0->index);
    ck_assert_uint_eq(r->out[0].len, 18 + 50);
    ck_assert_mem_eq(r->out[0].b, A.b, 6);
    ck_assert_mem_eq(r->out[0].b + 6, eth0->mac.b, 6);
    ck_assert_mem_eq(r->out[0].b + 12, tag, 6);
    ck_assert_uint_eq(r->out[0].b[18 + 49], 0x5a);
    ck_assert_uint_eq(v20->stats.tx_packets, 1);
    ck_assert_uint_eq(v20->stats.tx_bytes, 64);
    ck_assert_uint_eq(eth0->stats.tx_packets, 1);
    ck_assert_int_eq(eth_output(&r->st, eth0, A, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 30)), 0);
    rig_flush(r);
    ck_assert_uint_eq(r->out[1].b[12], 8); /* no tag of anybody's on the interface below */
}
END_TEST

/* shows: 8021Q-02 ATK-ETH-02 */
START_TEST(short_frames_are_padded_behind_the_tag)
{
    ck_assert_int_eq(eth_output(&r->st, v10, A, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 1)), 0);
    rig_flush(r);
    ck_assert_uint_eq(r->out[0].len, 60);
    ck_assert_uint_eq(r->out[0].b[15], 10);
    ck_assert_uint_eq(r->out[0].b[18 + 20], 0x5a);
    for (unsigned i = 18 + 21; i < 60; i++)
        ck_assert_uint_eq(r->out[0].b[i], 0);
}
END_TEST

/* shows: 8021Q-03 */
START_TEST(zero_is_a_priority_and_no_vlan)
{
    const uint16_t both[] = {0xe000, 20};
    uint8_t b[100];

    rig_input(r, eth0, b, lx_frame(b, eth0->mac, A, 1, both, 46));
    ck_assert_uint_eq(seen.n, 1);
    ck_assert_uint_eq(seen.ifindex, eth0->index);
    ck_assert_uint_eq(seen.tci, 0xe000);
    ck_assert_uint_eq(seen.b[0], 1);
    rig_input(r, eth0, b,
              lx_frame(b, eth0->mac, A, 2, both, 46)); /* and behind it the tag that counts */
    ck_assert_uint_eq(seen.n, 2);
    ck_assert_uint_eq(seen.ifindex, v20->index);
    ck_assert_uint_eq(seen.b[0], 1);
}
END_TEST

/* shows: 8021Q-05 8021Q-04 ATK-ETH-06 */
START_TEST(unknown_vlans_are_dropped)
{
    static const uint16_t vids[] = {1, 9, 11, 4094, 4095};
    const uint16_t inner_known[] = {30, 10}, inner_unknown[] = {10, 20}, zeroes[] = {0, 0, 10};
    uint8_t b[100];

    for (unsigned i = 0; i < 5; i++)
        lx_in(eth0, eth0->mac, A, vids[i]);
    ck_assert_uint_eq(events(EV_ETH_DROP_VLAN), 5);
    ck_assert_uint_eq(counter(CNT_EthInUnknownVlans), 5);
    ck_assert_uint_eq(eth0->stats.rx_dropped, 5);
    rig_input(r, eth0, b, lx_frame(b, eth0->mac, A, 2, inner_known, 46));
    ck_assert_uint_eq(events(EV_ETH_DROP_VLAN), 6);
    /* 10 is an interface, but on it nobody has 20: VLANs of the cable aren't VLANs of the VLAN */
    rig_input(r, eth0, b, lx_frame(b, eth0->mac, A, 2, inner_unknown, 46));
    ck_assert_uint_eq(events(EV_ETH_DROP_VLAN), 7);
    ck_assert_uint_eq(v10->stats.rx_dropped, 1);
    rig_input(r, eth0, b, lx_frame(b, eth0->mac, A, 3, zeroes, 46));
    b[12] = 0x88;
    b[13] = 0xa8; /* a provider's tag is nobody's */
    rig_input(r, eth0, b, 60);
    ck_assert_uint_eq(events(EV_ETH_DROP_TYPE), 2);
    rig_input(r, eth0, b, 16); /* half of a tag */
    ck_assert_uint_eq(seen.n, 0);
    b[12] = 0x81;
    b[13] = 0;
    for (uint32_t n = 14; n < 18; n++)
        rig_input(r, eth0, b, n);
    ck_assert_uint_eq(events(EV_ETH_DROP_RUNT), 4);
    ck_assert_uint_eq(seen.n, 0);
}
END_TEST

/* shows: 8021Q-04 */
START_TEST(what_cannot_be_configured)
{
    uint32_t lo;
    struct td_if_config c = {.name = "lo", .flags = TD_IF_LOOPBACK};

    ck_assert_int_eq(netif_add(&r->st, &c, &lo), 0);
    ck_assert_int_eq(try_vlan(eth0, 0, "x", 0), -EINVAL);
    ck_assert_int_eq(try_vlan(eth0, 4095, "x", 0), -EINVAL);
    ck_assert_int_eq(try_vlan(eth0, 65535, "x", 0), -EINVAL);
    ck_assert_int_eq(try_vlan(eth0, 10, "x", 0), -EEXIST);
    ck_assert_int_eq(try_vlan(eth0, 11, "eth0.10", 0), -EEXIST);
    ck_assert_int_eq(try_vlan(eth0, 11, "a/b", 0), -EINVAL);
    ck_assert_int_eq(try_vlan(eth0, 11, "x", 1501), -ERANGE);
    ck_assert_int_eq(try_vlan(eth0, 11, "x", 67), -EINVAL);
    ck_assert_int_eq(try_vlan(netif_by_index(&r->st, lo), 11, "x", 0), -EOPNOTSUPP);
    ck_assert_int_eq(try_vlan(eth0, 4094, "x", 0), 0);
    ck_assert_int_eq(netif_del(&r->st, lo), -EOPNOTSUPP);
}
END_TEST

/* shows: 8021Q-06 */
START_TEST(the_tag_does_not_count_for_the_mtu)
{
    static uint8_t b[1600];
    uint16_t vid = 10;

    ck_assert_uint_eq(v10->mtu, 1500);
    ck_assert_int_eq(eth_output(&r->st, v10, A, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 1480)), 0);
    rig_flush(r);
    ck_assert_uint_eq(r->out[0].len, 1518);
    ck_assert_int_eq(eth_output(&r->st, v10, A, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 1481)),
                     -EMSGSIZE);
    rig_input(r, eth0, b, lx_frame(b, eth0->mac, A, 1, &vid, 1500));
    ck_assert_uint_eq(seen.len, 1500);
}
END_TEST

START_TEST(vlans_in_vlans)
{
    const uint16_t tags[] = {10, 7};
    struct netif *inner = lx_vlan(v10, 7, "eth0.10.7");
    static const uint8_t want[] = {0x81, 0, 0, 10, 0x81, 0, 0, 7, 8, 0};
    uint8_t b[100];

    rig_input(r, eth0, b, lx_frame(b, eth0->mac, A, 2, tags, 46));
    ck_assert_uint_eq(seen.n, 1);
    ck_assert_uint_eq(seen.ifindex, inner->index);
    ck_assert_uint_eq(seen.b[0], 1);
    ck_assert_int_eq(eth_output(&r->st, inner, A, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 30)), 0);
    rig_flush(r);
    ck_assert_mem_eq(r->out[0].b + 12, want, sizeof want);

    struct netif *at = inner;
    char name[8] = "n0";
    for (unsigned depth = 3; depth <= 8; depth++, name[1]++)
        at = lx_vlan(at, 7, name);
    ck_assert_int_eq(try_vlan(at, 7, "deep", 0), -EMLINK);
}
END_TEST

START_TEST(up_and_down_with_the_interface_below)
{
    uint8_t b[100];
    uint16_t vid = 10;

    ck_assert_int_eq(netif_set_flags(&r->st, v20, 0, TD_IF_UP), 0);
    lx_in(eth0, eth0->mac, A, 20);
    ck_assert_uint_eq(events(EV_LINK_DROP_DOWN_IN), 1);
    ck_assert_uint_eq(v20->stats.rx_dropped, 1);
    ck_assert_int_eq(netif_set_flags(&r->st, eth0, 0, TD_IF_UP), 0);
    ck_assert(!netif_is_up(v10));
    ck_assert_int_eq(netif_set_flags(&r->st, v10, TD_IF_UP, 0), -ENETDOWN);
    ck_assert_int_eq(eth_output(&r->st, v10, A, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 30)),
                     -ENETDOWN);
    rig_input(r, eth0, b, lx_frame(b, eth0->mac, A, 1, &vid, 50));
    ck_assert_uint_eq(seen.n, 0);
    ck_assert_int_eq(netif_set_flags(&r->st, eth0, TD_IF_UP, 0), 0);
    ck_assert(netif_is_up(v10)); /* as Linux: all of them come up with it */
    ck_assert(netif_is_up(v20));
    ck_assert_uint_eq(events(EV_VLAN_FOLLOWS), 3);
    lx_in(eth0, eth0->mac, A, 10);
    ck_assert_uint_eq(seen.n, 1);
}
END_TEST

START_TEST(address_and_mtu_follow_unless_they_were_given)
{
    struct td_mac own = {{2, 0, 0, 0, 9, 9}}, fresh = {{2, 0, 0, 0, 8, 8}};

    ck_assert(mac_eq(v10->mac, eth0->mac));
    ck_assert_int_eq(netif_set_mac(&r->st, v20, own), 0);
    ck_assert_int_eq(netif_set_mac(&r->st, eth0, fresh), 0);
    ck_assert(mac_eq(v10->mac, fresh));
    ck_assert(mac_eq(v20->mac, own));
    lx_in(eth0, own, A, 20); /* an address that the interface below doesn't have */
    ck_assert_uint_eq(seen.n, 1);
    ck_assert_int_eq(netif_set_mtu(&r->st, v20, 1200), 0);
    ck_assert_int_eq(netif_set_mtu(&r->st, eth0, 1300), 0);
    ck_assert_uint_eq(v10->mtu, 1300);
    ck_assert_uint_eq(v20->mtu, 1200);
    ck_assert_int_eq(netif_set_mtu(&r->st, v20, 1301), -ERANGE);
    ck_assert_int_eq(netif_set_mtu(&r->st, eth0, 1500), 0);
    ck_assert_uint_eq(v10->mtu, 1300); /* as Linux: it doesn't grow by itself */
}
END_TEST

START_TEST(it_goes_with_the_interface_below)
{
    struct netif *inner = lx_vlan(v10, 7, "inner");
    uint32_t gone[] = {eth0->index, v10->index, v20->index, inner->index};

    ck_assert_int_eq(eth_output(&r->st, inner, A, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 30)), 0);
    ck_assert_int_eq(netif_del(&r->st, eth0->index), 0);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_ptr_null(netif_by_index(&r->st, gone[i]));
    ck_assert_uint_eq(events(EV_LINK_REMOVED), 4);
    ck_assert_ptr_null(netif_first(&r->st));
}
END_TEST

START_TEST(thousands_of_vlans)
{
    char name[16];

    for (unsigned vid = 1; vid <= 4094; vid++) {
        if (vid == 10 || vid == 20)
            continue;
        snprintf(name, sizeof name, "v%u", vid);
        ck_assert_int_eq(try_vlan(eth0, (uint16_t)vid, name, 0), 0);
    }
    lx_in(eth0, eth0->mac, A, 4094);
    ck_assert_uint_eq(events(EV_LINK_DROP_DOWN_IN), 1); /* found, and down */
    ck_assert_int_eq(netif_set_flags(&r->st, netif_by_name(&r->st, "v4094"), TD_IF_UP, 0), 0);
    lx_in(eth0, eth0->mac, A, 4094);
    ck_assert_uint_eq(seen.n, 1);
}
END_TEST

START_TEST(impairments_on_a_vlan_alone)
{
    struct td_netem slow = {.delay = 10 * TD_MS};

    ck_assert_int_eq(rig_netem(v10, false, &slow), 0);
    ck_assert_int_eq(eth_output(&r->st, v10, A, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 30)), 0);
    ck_assert_int_eq(eth_output(&r->st, v20, A, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 30)), 0);
    rig_flush(r);
    ck_assert_uint_eq(r->nout, 1);
    ck_assert_uint_eq(r->out[0].b[15], 20);
    rig_run(r, RIG_START + 11 * TD_MS);
    ck_assert_uint_eq(r->nout, 2);
    ck_assert_uint_eq(r->out[1].b[15], 10);
    ck_assert_uint_eq(r->out[1].at, RIG_START + 10 * TD_MS);
    ck_assert_int_eq(rig_netem(v10, true, &slow), 0);
    lx_in(eth0, eth0->mac, A, 10);
    ck_assert_uint_eq(seen.n, 0);
    rig_run(r, RIG_START + 22 * TD_MS);
    ck_assert_uint_eq(seen.n, 1);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    for (uint64_t n = 1; n < 12; n++) {
        r->st.mem.fail_after = n;
        int err = try_vlan(eth0, 3000, "m", 0);
        r->st.mem.fail_after = 0;
        r->st.mem.failing = false;
        ck_assert(err == 0 || err == -ENOMEM);
        if (err == 0) {
            ck_assert_int_eq(netif_del(&r->st, netif_by_name(&r->st, "m")->index), 0);
            return;
        }
        ck_assert_ptr_null(netif_by_name(&r->st, "m"));
    }
    ck_abort_msg("it never worked");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("vlan");
    TCase *t = tcase_create("vlan");

    tcase_add_checked_fixture(t, setup, lx_teardown);
    tcase_add_test(t, a_tag_says_the_interface);
    tcase_add_test(t, what_is_sent_has_the_tag);
    tcase_add_test(t, short_frames_are_padded_behind_the_tag);
    tcase_add_test(t, zero_is_a_priority_and_no_vlan);
    tcase_add_test(t, unknown_vlans_are_dropped);
    tcase_add_test(t, what_cannot_be_configured);
    tcase_add_test(t, the_tag_does_not_count_for_the_mtu);
    tcase_add_test(t, vlans_in_vlans);
    tcase_add_test(t, up_and_down_with_the_interface_below);
    tcase_add_test(t, address_and_mtu_follow_unless_they_were_given);
    tcase_add_test(t, it_goes_with_the_interface_below);
    tcase_add_test(t, thousands_of_vlans);
    tcase_add_test(t, impairments_on_a_vlan_alone);
    tcase_add_test(t, every_allocation_may_fail);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
