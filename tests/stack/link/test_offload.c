/* Super-frames and unfinished checksums on their way through VLANs and bridges: what a cable gets.
 */
#include "link_rig.h"

#include "wire/checksum.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"

static struct netif *eth0, *eth1;

static void setup(void)
{
    lx_setup();
    eth0 = rig_if(r);
    eth1 = rig_if(r);
}

#define SRC TD_IP4(10, 0, 0, 1)
#define DST TD_IP4(10, 0, 0, 2)

/* An IPv4 datagram with `data` octets in TCP or UDP, the transport checksum left to be finished. */
static struct pkt *unfinished(uint8_t proto, uint32_t data, uint16_t gso)
{
    uint32_t l4 = proto == IPPROTO_TCP_ ? 20 : 8;
    struct ipv4_hdr h = {
        .hlen = 20, .ttl = 64, .proto = proto, .src = SRC, .dst = DST, .id = 7, .flags = IPV4_DF};
    struct pkt *p = pkt_alloc(&r->st.mem, PKT_HEADROOM, 20 + l4 + data);
    uint8_t *b = pkt_put(p, 20 + l4 + data);

    memset(b, 0, 20 + l4);
    h.total_len = (uint16_t)(20 + l4 + data);
    (void)ipv4_emit(&h, b);
    b += 20;
    wire_put16(b, 1000);
    wire_put16(b + 2, 80);
    if (proto == IPPROTO_TCP_) {
        wire_put32(b + 4, 5000);
        b[12] = 0x50;
        b[13] = TCP_ACK | TCP_PSH | TCP_FIN | TCP_CWR;
    } else {
        wire_put16(b + 4, 8 + data);
    }
    for (uint32_t i = 0; i < data; i++)
        b[l4 + i] = (uint8_t)(i % 251);
    p->csum = PKT_CSUM_PARTIAL;
    p->csum_start = 20;
    p->csum_offset = proto == IPPROTO_TCP_ ? 16 : 6;
    wire_put16(b + p->csum_offset, checksum_fold(checksum_pseudo(SRC, DST, proto, l4 + data)));
    p->gso_size = gso;
    return p;
}

/* Frame i: IPv4 behind `tags` tags with good checksums. Its transport header; *data: its payload.
 */
static const uint8_t *good(unsigned i, unsigned tags, struct ipv4_hdr *h, const uint8_t **data,
                           uint32_t *n)
{
    const uint8_t *b = r->out[i].b + 14 + 4 * (size_t)tags;
    const uint8_t *l4;
    uint32_t len;

    ck_assert_uint_lt(i, r->nout);
    ck_assert_uint_eq(wire_get16(b - 2), ETHERTYPE_IPV4);
    ck_assert_int_eq(ipv4_parse(h, b, r->out[i].len - 14 - 4 * tags), WIRE_OK);
    ck_assert_uint_eq(checksum(b, 20), 0);
    l4 = b + 20;
    len = h->total_len - 20U;
    ck_assert_uint_eq(
        checksum_finish(checksum_add(checksum_pseudo(h->src, h->dst, h->proto, len), l4, len)), 0);
    *data = l4 + (h->proto == IPPROTO_TCP_ ? 20 : 8);
    *n = len - (h->proto == IPPROTO_TCP_ ? 20 : 8);
    return l4;
}

static void pieces(const struct netif *out, unsigned tags, uint8_t proto, uint32_t total,
                   uint32_t size)
{
    uint32_t off = 0, n, pos = 0;
    const uint8_t *l4, *data;
    struct ipv4_hdr h;

    for (unsigned i = 0; i < r->nout; i++) {
        if (r->out[i].ifindex != out->index)
            continue;
        l4 = good(i, tags, &h, &data, &n);
        ck_assert_uint_eq(n, total - off < size ? total - off : size);
        ck_assert_uint_eq(h.id, 7 + pos);
        for (uint32_t k = 0; k < n; k++)
            ck_assert_uint_eq(data[k], (off + k) % 251);
        if (proto == IPPROTO_TCP_) {
            bool last = off + n == total;

            ck_assert_uint_eq(wire_get32(l4 + 4), 5000 + off);
            ck_assert_uint_eq((l4[13] & TCP_FIN) != 0, last);
            ck_assert_uint_eq((l4[13] & TCP_PSH) != 0, last);
            ck_assert_uint_eq((l4[13] & TCP_CWR) != 0, off == 0);
            ck_assert_uint_eq(l4[13] & TCP_ACK, TCP_ACK);
        } else {
            ck_assert_uint_eq(wire_get16(l4 + 4), 8 + n);
        }
        off += n;
        pos++;
    }
    ck_assert_uint_eq(off, total);
}

START_TEST(a_device_that_cannot_gets_frames)
{
    ck_assert_int_eq(
        eth_output(&r->st, eth0, A, ETHERTYPE_IPV4, unfinished(IPPROTO_TCP_, 5000, 1460)), 0);
    rig_flush(r);
    ck_assert_uint_eq(r->nout, 4);
    pieces(eth0, 0, IPPROTO_TCP_, 5000, 1460);
    ck_assert_uint_eq(events(EV_LINK_CUT), 1);
    rig_forget(r);
    ck_assert_int_eq(
        eth_output(&r->st, eth0, A, ETHERTYPE_IPV4, unfinished(IPPROTO_UDP_, 2500, 1000)), 0);
    rig_flush(r);
    pieces(eth0, 0, IPPROTO_UDP_, 2500, 1000);
}
END_TEST

START_TEST(the_tag_is_in_each_frame)
{
    struct netif *outer = lx_vlan(eth0, 10, "v10"), *inner = lx_vlan(outer, 20, "v20");

    ck_assert_int_eq(
        eth_output(&r->st, outer, A, ETHERTYPE_IPV4, unfinished(IPPROTO_TCP_, 4000, 1460)), 0);
    rig_flush(r);
    ck_assert_uint_eq(r->nout, 3);
    pieces(eth0, 1, IPPROTO_TCP_, 4000, 1460);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_uint_eq(wire_get32(r->out[i].b + 12), 0x8100000aU);
    rig_forget(r);
    ck_assert_int_eq(
        eth_output(&r->st, inner, A, ETHERTYPE_IPV4, unfinished(IPPROTO_TCP_, 4000, 1460)), 0);
    rig_flush(r);
    pieces(eth0, 2, IPPROTO_TCP_, 4000, 1460);
    ck_assert_uint_eq(wire_get32(r->out[2].b + 16), 0x81000014U);
}
END_TEST

START_TEST(a_checksum_is_finished_behind_the_tag)
{
    struct netif *v = lx_vlan(eth0, 10, "v10");
    const uint8_t *data;
    struct ipv4_hdr h;
    uint32_t n;

    ck_assert_int_eq(eth_output(&r->st, v, A, ETHERTYPE_IPV4, unfinished(IPPROTO_UDP_, 333, 0)), 0);
    ck_assert_int_eq(eth_output(&r->st, eth1, A, ETHERTYPE_IPV4, unfinished(IPPROTO_TCP_, 1, 0)),
                     0);
    rig_flush(r);
    (void)good(0, 1, &h, &data, &n);
    ck_assert_uint_eq(n, 333);
    (void)good(1, 0, &h, &data, &n);
    ck_assert_uint_eq(n, 1);
}
END_TEST

/* In by a port with a device that hands in super-frames, tagged; out by a plain port and by a VLAN
 * on another. */
START_TEST(a_bridge_passes_them_whole_and_each_port_cuts)
{
    struct netif *br = lx_bridge("br0"), *eth2 = rig_if(r), *v = lx_vlan(eth2, 10, "eth2.10");
    struct eth_hdr e = {.dst = MAC_BROADCAST, .src = A, .type = ETHERTYPE_IPV4};
    struct pkt *p = unfinished(IPPROTO_TCP_, 9000, 1400);

    ck_assert_int_eq(link_set_master(&r->st, eth0, br), 0);
    ck_assert_int_eq(link_set_master(&r->st, eth1, br), 0);
    ck_assert_int_eq(link_set_master(&r->st, v, br), 0);
    (void)eth_emit(&e, pkt_push(p, ETH_HLEN));
    link_input(&r->st, eth0, p);
    rig_flush(r);
    ck_assert_uint_eq(r->nout, 14);
    pieces(eth1, 0, IPPROTO_TCP_, 9000, 1400);
    pieces(eth2, 1, IPPROTO_TCP_, 9000, 1400);
    ck_assert_uint_eq(seen.n, 1); /* the host's copy is whole */
    ck_assert_uint_eq(seen.len, 9040);
}
END_TEST

/* A tag that came with a super-frame is taken off without disturbing what is said of its checksum.
 */
START_TEST(untagged_and_sent_on)
{
    struct netif *br = lx_bridge("br0"), *v = lx_vlan(eth0, 10, "eth0.10");
    struct eth_hdr e = {.dst = B, .src = A, .type = ETHERTYPE_IPV4, .tagged = true, .tci = 10};
    struct pkt *p = unfinished(IPPROTO_UDP_, 3000, 1000);

    ck_assert_int_eq(link_set_master(&r->st, v, br), 0);
    ck_assert_int_eq(link_set_master(&r->st, eth1, br), 0);
    (void)eth_emit(&e, pkt_push(p, ETH_HLEN + 4));
    link_input(&r->st, eth0, p);
    rig_flush(r);
    ck_assert_uint_eq(r->nout, 3);
    pieces(eth1, 0, IPPROTO_UDP_, 3000, 1000);
}
END_TEST

static uint32_t whole_len;
static uint16_t whole_gso, whole_start;
static uint8_t whole_csum;
static int take_whole(void *dev, const struct pkt *p)
{
    (void)dev;
    whole_len = p->len;
    whole_gso = p->gso_size;
    whole_csum = p->csum;
    whole_start = p->csum_start;
    return 0;
}

START_TEST(a_device_that_can_gets_them_whole)
{
    static const struct td_device_ops ops = {.transmit = take_whole};
    struct td_if_config c = {.name = "big", .flags = TD_IF_UP | TD_IF_OFFLOAD, .ops = &ops};
    struct td_netem slow = {.delay = TD_MS};
    struct netif *v;
    uint32_t index;

    ck_assert_int_eq(netif_add(&r->st, &c, &index), 0);
    v = lx_vlan(netif_by_index(&r->st, index), 10, "big.10");
    ck_assert_int_eq(eth_output(&r->st, v, A, ETHERTYPE_IPV4, unfinished(IPPROTO_TCP_, 9000, 1400)),
                     0);
    rig_flush(r);
    ck_assert_uint_eq(whole_len, 18 + 9040);
    ck_assert_uint_eq(whole_gso, 1400);
    ck_assert_uint_eq(whole_csum, PKT_CSUM_PARTIAL);
    ck_assert_uint_eq(whole_start, 18 + 20);
    /* impairments count frames: cut first */
    ck_assert_int_eq(rig_netem(netif_by_index(&r->st, index), false, &slow), 0);
    ck_assert_int_eq(eth_output(&r->st, v, A, ETHERTYPE_IPV4, unfinished(IPPROTO_TCP_, 2800, 1400)),
                     0);
    rig_flush(r);
    rig_run(r, RIG_START + 2 * TD_MS);
    ck_assert_uint_eq(whole_len, 18 + 1440);
    ck_assert_uint_eq(whole_gso, 0);
}
END_TEST

START_TEST(what_cannot_be_cut_is_dropped)
{
    struct pkt *p = unfinished(IPPROTO_TCP_, 5000, 1460);

    p->data[9] = 47; /* not TCP */
    wire_put16(p->data + 10, 0);
    wire_put16(p->data + 10, checksum(p->data, 20));
    ck_assert_int_eq(eth_output(&r->st, eth0, A, ETHERTYPE_IPV4, p), -EINVAL);
    ck_assert_int_eq(
        eth_output(&r->st, eth0, A, ETHERTYPE_IPV6, unfinished(IPPROTO_TCP_, 5000, 1460)), -EINVAL);
    p = unfinished(IPPROTO_TCP_, 5000, 1460);
    p->data[6] |= 0x20; /* more fragments */
    wire_put16(p->data + 10, 0);
    wire_put16(p->data + 10, checksum(p->data, 20));
    ck_assert_int_eq(eth_output(&r->st, eth0, A, ETHERTYPE_IPV4, p), -EINVAL);
    p = unfinished(IPPROTO_UDP_, 100, 0);
    p->csum_start = 200; /* a device lies about where the sum goes */
    ck_assert_int_eq(eth_output(&r->st, eth0, A, ETHERTYPE_IPV4, p), -EINVAL);
    rig_flush(r);
    ck_assert_uint_eq(r->nout, 0);
    ck_assert_uint_eq(events(EV_LINK_DROP_OFFLOAD), 4);
    ck_assert_uint_eq(eth0->stats.tx_dropped, 4);
    for (uint64_t n = 1; n < 8; n++) {
        p = unfinished(IPPROTO_TCP_, 5000, 1460);
        r->st.mem.fail_after = n;
        (void)eth_output(&r->st, eth0, A, ETHERTYPE_IPV4, p);
        r->st.mem.fail_after = 0;
        r->st.mem.failing = false;
    }
    rig_flush(r);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("offload");
    TCase *t = tcase_create("offload");

    tcase_add_checked_fixture(t, setup, lx_teardown);
    tcase_add_test(t, a_device_that_cannot_gets_frames);
    tcase_add_test(t, the_tag_is_in_each_frame);
    tcase_add_test(t, a_checksum_is_finished_behind_the_tag);
    tcase_add_test(t, a_bridge_passes_them_whole_and_each_port_cuts);
    tcase_add_test(t, untagged_and_sent_on);
    tcase_add_test(t, a_device_that_can_gets_them_whole);
    tcase_add_test(t, what_cannot_be_cut_is_dropped);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
