/* Ethernet in and out: what is taken, what is refused and where it is counted, padding, busy
 * devices, loopback. */
#include "check_main.h"
#include "rig.h"

#include <errno.h>
#include <string.h>

static const struct td_mac PEER = {{0x06, 0, 0, 0, 0, 9}}, OTHER = {{0x06, 0, 0, 0, 0, 7}};

struct seen {
    unsigned n;
    uint32_t len;
    uint16_t flags, protocol, tci;
    struct eth_hdr eth;
    uint8_t first, b[2000];
    struct netif *nif;
    bool answer; /* send a frame from inside the handler */
};
static struct seen seen;

static void handler(struct td_stack *st, struct netif *nif, struct pkt *p,
                    const struct eth_hdr *eth)
{
    seen.n++;
    seen.len = p->len;
    seen.flags = p->flags;
    seen.protocol = p->protocol;
    seen.tci = p->vlan_tci;
    seen.eth = *eth;
    seen.nif = nif;
    memset(seen.b, 0, sizeof seen.b);
    ck_assert(pkt_read(p, 0, seen.b, p->len < sizeof seen.b ? p->len : (uint32_t)sizeof seen.b));
    if (seen.answer) {
        seen.answer = false;
        ck_assert_int_eq(eth_output(st, nif, eth->src, ETHERTYPE_IPV4, p), 0);
        return;
    }
    pkt_free(p);
}

static struct rig *r;
static struct netif *nif;

static void setup(void)
{
    r = rig_new(false);
    nif = rig_if(r);
    memset(&seen, 0, sizeof seen);
    ck_assert_int_eq(link_register(&r->st, ETHERTYPE_IPV4, handler), 0);
}

static void teardown(void)
{
    rig_free(r);
}

static size_t frame(uint8_t *b, struct td_mac dst, struct td_mac src, unsigned type, size_t payload)
{
    memcpy(b, dst.b, 6);
    memcpy(b + 6, src.b, 6);
    b[12] = (uint8_t)(type >> 8);
    b[13] = (uint8_t)type;
    for (size_t i = 0; i < payload; i++)
        b[14 + i] = (uint8_t)(i + 1);
    return 14 + payload;
}

static void in(struct td_mac dst, struct td_mac src, unsigned type, size_t payload)
{
    uint8_t b[2000];

    rig_input(r, nif, b, frame(b, dst, src, type, payload));
}

static uint64_t events(enum event_id ev)
{
    return r->st.journal.events[ev];
}

/* shows: 1122-L07 */
START_TEST(ethernet_ii_is_taken)
{
    in(nif->mac, PEER, 0x0800, 46);
    ck_assert_uint_eq(seen.n, 1);
    ck_assert_uint_eq(seen.len, 46);
    ck_assert_uint_eq(seen.flags, 0);
    ck_assert_uint_eq(seen.protocol, 0x0800);
    ck_assert_uint_eq(seen.b[0], 1);
    ck_assert(mac_eq(seen.eth.src, PEER));
    ck_assert_ptr_eq(seen.nif, nif);
    ck_assert_uint_eq(nif->stats.rx_packets, 1);
    ck_assert_uint_eq(nif->stats.rx_bytes, 60);
    ck_assert_uint_eq(nif->stats.rx_dropped + nif->stats.rx_errors, 0);
    ck_assert_uint_eq(r->st.counters.v[CNT_EthInFrames], 1);
}
END_TEST

/* shows: 1122-L13 */
START_TEST(broadcast_and_multicast_are_marked)
{
    in(MAC_BROADCAST, PEER, 0x0800, 46);
    ck_assert_uint_eq(seen.flags, PKT_L2_BROADCAST);
    in((struct td_mac){{1, 0, 0x5e, 0, 0, 1}}, PEER, 0x0800, 46);
    ck_assert_uint_eq(seen.flags, PKT_L2_MULTICAST);
    ck_assert_uint_eq(nif->stats.rx_multicast, 1);
    in(nif->mac, PEER, 0x0800, 46);
    ck_assert_uint_eq(seen.flags, 0);
}
END_TEST

/* shows: ATK-ETH-01 */
START_TEST(runts_are_dropped)
{
    uint8_t b[14];

    frame(b, nif->mac, PEER, 0x0800, 0);
    for (size_t len = 0; len < 14; len++)
        rig_input(r, nif, b, len);
    ck_assert_uint_eq(seen.n, 0);
    ck_assert_uint_eq(events(EV_ETH_DROP_RUNT), 14);
    ck_assert_uint_eq(nif->stats.rx_errors, 14);
    ck_assert_uint_eq(r->st.counters.v[CNT_EthInDrops], 14);
    rig_input(r, nif, b, 14); /* a header and nothing behind it is the handler's to judge */
    ck_assert_uint_eq(seen.n, 1);
    ck_assert_uint_eq(seen.len, 0);
}
END_TEST

/* shows: ATK-ETH-04 */
START_TEST(other_stations_frames_are_dropped)
{
    in(OTHER, PEER, 0x0800, 46);
    ck_assert_uint_eq(seen.n, 0);
    ck_assert_uint_eq(events(EV_ETH_DROP_OTHERHOST), 1);
    ck_assert_uint_eq(nif->stats.rx_dropped, 1);
    ck_assert_int_eq(netif_set_flags(&r->st, nif, TD_IF_PROMISC, 0), 0);
    in(OTHER, PEER, 0x0800, 46);
    ck_assert_uint_eq(seen.n, 0);
    ck_assert_uint_eq(events(EV_ETH_DROP_OTHERHOST), 2);
}
END_TEST

/* shows: ATK-ETH-05 */
START_TEST(impossible_sources_are_dropped)
{
    in(nif->mac, MAC_BROADCAST, 0x0800, 46);
    in(nif->mac, (struct td_mac){{1, 0, 0x5e, 0, 0, 1}}, 0x0800, 46);
    in(nif->mac, ZERO_MAC, 0x0800, 46);
    in(nif->mac, nif->mac, 0x0800, 46);
    in(MAC_BROADCAST, nif->mac, 0x0800, 46);
    ck_assert_uint_eq(seen.n, 0);
    ck_assert_uint_eq(events(EV_ETH_DROP_SOURCE), 5);
    ck_assert_uint_eq(nif->stats.rx_dropped, 5);
}
END_TEST

/* shows: 1122-L02 ATK-ETH-06 */
START_TEST(unknown_types_are_dropped)
{
    in(nif->mac, PEER, 0x8035, 46);
    for (unsigned trailer = 0x1000; trailer <= 0x100f; trailer++)
        in(nif->mac, PEER, trailer, 512);
    ck_assert_uint_eq(seen.n, 0);
    ck_assert_uint_eq(events(EV_ETH_DROP_TYPE), 17);
    ck_assert_uint_eq(nif->stats.rx_dropped, 17);
    ck_assert_uint_eq(r->st.counters.v[CNT_EthInDrops], 17);
}
END_TEST

/* The kernel's IPv6 knocks every few seconds: told once an interface, then counted. */
/* shows: ATK-V6-01 */
START_TEST(ipv6_is_told_once)
{
    for (int i = 0; i < 5; i++)
        in((struct td_mac){{0x33, 0x33, 0, 0, 0, 2}}, PEER, 0x86dd, 46);
    ck_assert_uint_eq(seen.n, 0);
    ck_assert_uint_eq(events(EV_ETH_DROP_IPV6), 1);
    ck_assert_uint_eq(events(EV_ETH_DROP_IPV6_AGAIN), 4);
    ck_assert_uint_eq(events(EV_ETH_DROP_TYPE), 0);
    ck_assert_uint_eq(nif->stats.rx_dropped, 5);
    ck_assert_uint_eq(r->st.counters.v[CNT_EthInIPv6], 5);
    ck_assert_uint_eq(r->st.counters.v[CNT_EthInDrops], 5);
}
END_TEST

static size_t snap(uint8_t *b, unsigned length, size_t payload)
{
    static const uint8_t llc[] = {0xaa, 0xaa, 3, 0, 0, 0, 8, 0};

    frame(b, nif->mac, PEER, length, payload);
    memcpy(b + 14, llc, 8);
    return 14 + payload;
}

/* shows: 1122-L08 1122-L16 */
START_TEST(snap_frames_are_taken_and_trimmed)
{
    uint8_t b[2000];

    rig_input(r, nif, b, snap(b, 28, 46)); /* 20 bytes in SNAP, padded to the minimum */
    ck_assert_uint_eq(seen.n, 1);
    ck_assert_uint_eq(seen.len, 20);
    ck_assert_uint_eq(seen.protocol, 0x0800);
    ck_assert_uint_eq(seen.b[0], 9); /* the byte behind LLC and SNAP */
    ck_assert(seen.eth.snap);
    rig_input(r, nif, b, snap(b, 1500, 1500)); /* 0x05dc is a length still */
    ck_assert_uint_eq(seen.len, 1492);
    in(nif->mac, PEER, 0x05dd, 1501); /* neither a length nor a type */
    ck_assert_uint_eq(seen.n, 2);
    ck_assert_uint_eq(r->st.counters.v[CNT_EthInDrops], 1);
}
END_TEST

/* shows: ATK-ETH-06 */
START_TEST(broken_802_3_is_dropped)
{
    uint8_t b[2000];

    rig_input(r, nif, b, snap(b, 47, 46)); /* says more than there is */
    ck_assert_uint_eq(events(EV_ETH_DROP_LENGTH), 1);
    ck_assert_uint_eq(nif->stats.rx_errors, 1);
    for (unsigned length = 0; length < 8; length++) /* too short for LLC and SNAP */
        rig_input(r, nif, b, snap(b, length, 46));
    ck_assert_uint_eq(r->st.counters.v[CNT_EthInDrops], 9);
    snap(b, 40, 46);
    b[14] = b[15] = 0x42; /* a spanning-tree BPDU: LLC without SNAP */
    rig_input(r, nif, b, 60);
    ck_assert_uint_eq(events(EV_ETH_DROP_LLC), 9);
    ck_assert_uint_eq(seen.n, 0);
    ck_assert_uint_eq(nif->stats.rx_errors + nif->stats.rx_dropped, 10);
}
END_TEST

/* shows: ATK-ETH-06 */
START_TEST(vlan_tags)
{
    uint8_t b[100];

    frame(b, nif->mac, PEER, 0x8100, 46);
    memcpy(b + 14, (const uint8_t[]){0xe0, 0, 8, 0}, 4); /* priority 7, VID 0, IPv4 */
    rig_input(r, nif, b, 60);
    ck_assert_uint_eq(seen.n, 1);
    ck_assert_uint_eq(seen.len, 42);
    ck_assert_uint_eq(seen.b[0], 5);
    ck_assert_uint_eq(seen.tci, 0xe000);

    b[15] = 42; /* VID 42 */
    rig_input(r, nif, b, 60);
    ck_assert_uint_eq(events(EV_ETH_DROP_VLAN), 1);
    rig_input(r, nif, b, 14); /* a tag with nothing behind it */
    rig_input(r, nif, b, 17);
    ck_assert_uint_eq(events(EV_ETH_DROP_RUNT), 2);

    memcpy(b + 14, (const uint8_t[]){0, 0, 0x81, 0, 0, 0, 8, 0}, 8); /* two tags */
    rig_input(r, nif, b, 60);
    memcpy(b + 12, (const uint8_t[]){0x88, 0xa8}, 2); /* provider tag */
    rig_input(r, nif, b, 60);
    ck_assert_uint_eq(seen.n, 1);
    ck_assert_uint_eq(r->st.counters.v[CNT_EthInDrops], 5);
}
END_TEST

/* shows: ATK-ETH-07 1812-LL06 */
START_TEST(giants_are_taken_at_their_length)
{
    static uint8_t b[14 + 65535];

    frame(b, nif->mac, PEER, 0x0800, 9004);
    rig_input(r, nif, b, 14 + 9004);
    ck_assert_uint_eq(seen.len, 9004);
    rig_input(r, nif, b, sizeof b);
    ck_assert_uint_eq(seen.len, 65535);
    ck_assert_uint_eq(nif->stats.rx_bytes, 14 + 9004 + sizeof b);
}
END_TEST

START_TEST(down_interface_takes_nothing)
{
    ck_assert_int_eq(netif_set_flags(&r->st, nif, 0, TD_IF_UP), 0);
    in(nif->mac, PEER, 0x0800, 46);
    ck_assert_uint_eq(seen.n, 0);
    ck_assert_uint_eq(events(EV_LINK_DROP_DOWN_IN), 1);
    ck_assert_uint_eq(nif->stats.rx_dropped, 1);
    ck_assert_int_eq(eth_output(&r->st, nif, PEER, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 0)),
                     -ENETDOWN);
    ck_assert_uint_eq(events(EV_LINK_DROP_DOWN_OUT), 1);
    ck_assert_uint_eq(nif->stats.tx_dropped, 1);
    ck_assert_uint_eq(r->st.counters.v[CNT_EthOutDrops], 1);
}
END_TEST

/* shows: 1122-L07 1122-L10 1122-L11 ATK-ETH-02 1812-LL01 */
START_TEST(output_is_ethernet_ii_padded_with_zeroes)
{
    struct pkt *p = pkt_alloc(&r->st.mem, PKT_HEADROOM, 200);
    uint8_t *b = pkt_put(p, 200), want[60] = {0};

    memset(b, 0xee, 200); /* what lay in the buffer before */
    pkt_trim(p, 21);
    memcpy(want, PEER.b, 6);
    memcpy(want + 6, nif->mac.b, 6);
    want[12] = 8;
    memset(want + 14, 0xee, 21);
    ck_assert_int_eq(eth_output(&r->st, nif, PEER, ETHERTYPE_IPV4, p), 0);
    ck_assert_uint_eq(r->nout, 0); /* nothing leaves before the flush */
    ck_assert(r->st.flush_wanted);
    ck_assert_uint_eq(netif_backlog(nif), 60);
    rig_flush(r);
    ck_assert_uint_eq(r->nout, 1);
    ck_assert_uint_eq(r->out[0].len, 60);
    ck_assert_mem_eq(r->out[0].b, want, 60);
    ck_assert_uint_eq(netif_backlog(nif), 0);
    ck_assert_uint_eq(nif->stats.tx_packets, 1);
    ck_assert_uint_eq(nif->stats.tx_bytes, 60);
}
END_TEST

/* shows: ATK-ETH-02 */
START_TEST(padding_leaves_shared_payload_alone)
{
    struct pkt *p = rig_datagram(r, 1, 2, 0);
    struct pkt_block *blk = pkt_block_alloc(&r->st.mem, 100);

    memset(blk->bytes, 0xab, 100);
    ck_assert_int_eq(pkt_append_slice(p, blk, 10, 5), 0);
    ck_assert_int_eq(eth_output(&r->st, nif, PEER, ETHERTYPE_IPV4, p), 0);
    rig_flush(r);
    ck_assert_uint_eq(r->out[0].len, 60);
    ck_assert_uint_eq(r->out[0].b[14 + 20], 0xab);
    ck_assert_uint_eq(r->out[0].b[14 + 24], 0xab);
    for (int i = 14 + 25; i < 60; i++)
        ck_assert_uint_eq(r->out[0].b[i], 0);
    for (int i = 0; i < 100; i++)
        ck_assert_uint_eq(blk->bytes[i], 0xab);
    pkt_block_free(blk);
}
END_TEST

/* shows: 1122-L14 */
START_TEST(tos_reaches_the_device)
{
    struct pkt *p = rig_datagram(r, 1, 2, 100);

    p->tos = 0xb8;
    ck_assert_int_eq(eth_output(&r->st, nif, PEER, ETHERTYPE_IPV4, p), 0);
    rig_flush(r);
    ck_assert_uint_eq(r->out[0].tos, 0xb8);
}
END_TEST

/* shows: 1122-L16 */
START_TEST(mtu_is_the_limit)
{
    ck_assert_int_eq(eth_output(&r->st, nif, PEER, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 1480)), 0);
    ck_assert_int_eq(eth_output(&r->st, nif, PEER, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 1481)),
                     -EMSGSIZE);
    rig_flush(r);
    ck_assert_uint_eq(r->nout, 1);
    ck_assert_uint_eq(r->out[0].len, 1514);
    ck_assert_uint_eq(events(EV_LINK_DROP_MTU), 1);
}
END_TEST

START_TEST(busy_device_keeps_the_order)
{
    for (uint32_t i = 0; i < 3; i++)
        ck_assert_int_eq(
            eth_output(&r->st, nif, PEER, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 100 + i)), 0);
    r->dev[0].answer = -EAGAIN;
    rig_flush(r);
    ck_assert_uint_eq(r->nout, 0);
    ck_assert(nif->busy);
    ck_assert_uint_eq(netif_backlog(nif), 134 + 135 + 136);
    rig_flush(r); /* nothing happens until the device is ready */
    ck_assert_uint_eq(events(EV_LINK_BUSY), 1);
    ck_assert_int_eq(eth_output(&r->st, nif, PEER, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 103)), 0);
    r->dev[0].answer = 0;
    rig_flush(r);
    ck_assert_uint_eq(r->nout, 0);
    netif_ready(&r->st, nif);
    rig_flush(r);
    ck_assert_uint_eq(r->nout, 4);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_uint_eq(r->out[i].len, 134 + i);
    ck_assert_uint_eq(nif->stats.tx_packets, 4);
}
END_TEST

START_TEST(full_queue_drops_the_newest)
{
    r->dev[0].answer = -EAGAIN;
    for (uint32_t i = 0; i < 1000; i++)
        ck_assert_int_eq(eth_output(&r->st, nif, PEER, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 50)),
                         0);
    ck_assert_int_eq(eth_output(&r->st, nif, PEER, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 50)),
                     -ENOBUFS);
    ck_assert_uint_eq(events(EV_LINK_DROP_QDISC), 1);
    ck_assert_uint_eq(nif->stats.tx_dropped, 1);
    rig_flush(r);
    /* Going down throws away what waits, held frame included, and says so. */
    ck_assert_int_eq(netif_set_flags(&r->st, nif, 0, TD_IF_UP), 0);
    ck_assert_uint_eq(events(EV_LINK_DROP_FLUSH), 1);
    ck_assert_uint_eq(nif->stats.tx_dropped, 1001);
    ck_assert_uint_eq(netif_backlog(nif), 0);
    ck_assert(!nif->busy);
}
END_TEST

START_TEST(device_error_is_a_drop)
{
    r->dev[0].answer = -EIO;
    ck_assert_int_eq(eth_output(&r->st, nif, PEER, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 50)), 0);
    rig_flush(r);
    ck_assert_uint_eq(events(EV_LINK_DROP_DEVICE), 1);
    ck_assert_uint_eq(nif->stats.tx_errors, 1);
    ck_assert(!nif->busy);
}
END_TEST

START_TEST(answer_from_a_handler_leaves_at_the_flush)
{
    seen.answer = true;
    in(nif->mac, PEER, 0x0800, 46);
    ck_assert_uint_eq(r->nout, 1);
    ck_assert_mem_eq(r->out[0].b, PEER.b, 6);
}
END_TEST

START_TEST(loopback_comes_in_next_round)
{
    struct td_if_config c = {.name = "lo", .flags = TD_IF_LOOPBACK | TD_IF_UP};
    struct netif *lo;
    uint32_t index;

    ck_assert_int_eq(netif_add(&r->st, &c, &index), 0);
    lo = netif_by_index(&r->st, index);
    ck_assert_uint_eq(lo->mtu, 65535);
    ck_assert_int_eq(eth_output(&r->st, lo, lo->mac, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 5)), 0);
    ck_assert_uint_eq(seen.n, 0);
    seen.answer = true; /* the handler sends again: one round later */
    ck_assert(link_flush(&r->st));
    ck_assert_uint_eq(seen.n, 1);
    ck_assert_uint_eq(seen.len, 25); /* no padding, no header */
    ck_assert_uint_eq(seen.flags, PKT_LOOPBACK);
    ck_assert_ptr_eq(seen.nif, lo);
    ck_assert(link_flush(&r->st));
    ck_assert_uint_eq(seen.n, 2);
    ck_assert(!link_flush(&r->st));
    ck_assert_uint_eq(lo->stats.tx_packets, 2);
    ck_assert_uint_eq(lo->stats.rx_packets, 2);
    ck_assert_uint_eq(r->nout, 0);
    for (unsigned i = 0; i < 1000; i++)
        ck_assert_int_eq(eth_output(&r->st, lo, lo->mac, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 5)),
                         0);
    ck_assert_int_eq(eth_output(&r->st, lo, lo->mac, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 5)),
                     -ENOBUFS);
}
END_TEST

START_TEST(netem_egress_delays_and_loses_silently)
{
    struct td_netem n = {.delay = 10 * TD_MS};

    ck_assert_int_eq(rig_netem(nif, false, &n), 0);
    ck_assert_int_eq(eth_output(&r->st, nif, PEER, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 50)), 0);
    rig_flush(r);
    rig_run(r, RIG_START + 10 * TD_MS - 1);
    ck_assert_uint_eq(r->nout, 0);
    rig_run(r, RIG_START + 10 * TD_MS);
    ck_assert_uint_eq(r->nout, 1);
    n.loss = UINT32_MAX;
    ck_assert_int_eq(rig_netem(nif, false, &n), 0);
    /* The sender isn't told what a wire loses. */
    ck_assert_int_eq(eth_output(&r->st, nif, PEER, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 50)), 0);
    ck_assert_uint_eq(events(EV_LINK_DROP_QDISC), 1);
    ck_assert_uint_eq(nif->stats.tx_dropped, 1);
    /* Taking it off lets go at once what it held. */
    n = (struct td_netem){.delay = TD_SEC};
    ck_assert_int_eq(rig_netem(nif, false, &n), 0);
    ck_assert_int_eq(eth_output(&r->st, nif, PEER, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 50)), 0);
    ck_assert_int_eq(rig_netem(nif, false, NULL), 0);
    ck_assert_str_eq(nif->egress->ops->kind, "pfifo");
    rig_flush(r);
    ck_assert_uint_eq(r->nout, 2);
}
END_TEST

START_TEST(netem_ingress_delays)
{
    struct td_netem n = {.delay = 10 * TD_MS};

    ck_assert_int_eq(rig_netem(nif, true, &n), 0);
    in(nif->mac, PEER, 0x0800, 46);
    ck_assert_uint_eq(seen.n, 0);
    rig_run(r, RIG_START + 10 * TD_MS);
    ck_assert_uint_eq(seen.n, 1);
    in(nif->mac, PEER, 0x0800, 46);
    ck_assert_int_eq(rig_netem(nif, true, NULL), 0);
    ck_assert_uint_eq(seen.n, 2);
    ck_assert_ptr_null(nif->ingress);
    n.loss = UINT32_MAX;
    ck_assert_int_eq(rig_netem(nif, true, &n), 0);
    in(nif->mac, PEER, 0x0800, 46);
    ck_assert_uint_eq(seen.n, 2);
    ck_assert_uint_eq(events(EV_LINK_DROP_QDISC), 1);
    ck_assert_uint_eq(nif->stats.rx_dropped, 1);
}
END_TEST

START_TEST(no_memory_is_a_counted_drop)
{
    struct pkt *p = pkt_alloc(&r->st.mem, 0, 20); /* no headroom: the header needs memory */

    (void)pkt_put(p, 20);
    r->st.mem.fail_after = 1;
    ck_assert_int_eq(eth_output(&r->st, nif, PEER, ETHERTYPE_IPV4, p), -ENOBUFS);
    r->st.mem.fail_after = 0;
    r->st.mem.failing = false;
    ck_assert_uint_eq(nif->stats.tx_dropped, 1);
    ck_assert_uint_eq(events(EV_LINK_DROP_QDISC), 1);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("eth");
    TCase *t = tcase_create("eth");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, ethernet_ii_is_taken);
    tcase_add_test(t, broadcast_and_multicast_are_marked);
    tcase_add_test(t, runts_are_dropped);
    tcase_add_test(t, other_stations_frames_are_dropped);
    tcase_add_test(t, impossible_sources_are_dropped);
    tcase_add_test(t, unknown_types_are_dropped);
    tcase_add_test(t, ipv6_is_told_once);
    tcase_add_test(t, snap_frames_are_taken_and_trimmed);
    tcase_add_test(t, broken_802_3_is_dropped);
    tcase_add_test(t, vlan_tags);
    tcase_add_test(t, giants_are_taken_at_their_length);
    tcase_add_test(t, down_interface_takes_nothing);
    tcase_add_test(t, output_is_ethernet_ii_padded_with_zeroes);
    tcase_add_test(t, padding_leaves_shared_payload_alone);
    tcase_add_test(t, tos_reaches_the_device);
    tcase_add_test(t, mtu_is_the_limit);
    tcase_add_test(t, busy_device_keeps_the_order);
    tcase_add_test(t, full_queue_drops_the_newest);
    tcase_add_test(t, device_error_is_a_drop);
    tcase_add_test(t, answer_from_a_handler_leaves_at_the_flush);
    tcase_add_test(t, loopback_comes_in_next_round);
    tcase_add_test(t, netem_egress_delays_and_loses_silently);
    tcase_add_test(t, netem_ingress_delays);
    tcase_add_test(t, no_memory_is_a_counted_drop);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
