/* Observers: what they see, where they stand, and that nobody notices them. */
#include "link_rig.h"

#include "wire/checksum.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"

static struct netif *eth0, *eth1;

#define SIGHTS 64
struct sight {
    uint32_t ifindex, len;
    bool out, bare;
    uint64_t id;
    uint8_t b[1600];
};
static struct sight sights[SIGHTS];
static unsigned nsights;

static void look(void *ctx, const struct link_sight *s)
{
    struct sight *to = &sights[nsights++];

    (void)ctx;
    ck_assert_uint_lt(nsights, SIGHTS);
    *to = (struct sight){
        .ifindex = s->ifindex, .len = s->p->len, .out = s->out, .bare = s->bare, .id = s->p->id};
    ck_assert(
        pkt_read(s->p, 0, to->b, s->p->len < sizeof to->b ? s->p->len : (uint32_t)sizeof to->b));
}

static struct link_observer all = {.fn = look};

static void setup(void)
{
    lx_setup();
    eth0 = rig_if(r);
    eth1 = rig_if(r);
    nsights = 0;
    all.ifindex = 0;
}

static void is(unsigned i, const struct netif *nif, bool out, uint32_t len)
{
    ck_assert_uint_lt(i, nsights);
    ck_assert_uint_eq(sights[i].ifindex, nif->index);
    ck_assert_uint_eq(sights[i].out, out);
    ck_assert_uint_eq(sights[i].len, len);
    ck_assert_uint_ne(sights[i].id, 0);
}

static void send_one(struct netif *nif)
{
    (void)eth_output(&r->st, nif, A, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 60));
    rig_flush(r);
}

START_TEST(both_directions_of_one_interface_or_of_all)
{
    link_observe(&r->st, &all);
    lx_in(eth0, eth0->mac, A, 0);
    send_one(eth1);
    ck_assert_uint_eq(nsights, 2);
    is(0, eth0, false, 64);
    is(1, eth1, true, 94);
    ck_assert_mem_eq(sights[1].b, A.b, 6);
    ck_assert_uint_ne(sights[0].id, sights[1].id);
    link_unobserve(&r->st, &all);
    link_unobserve(&r->st, &all); /* it isn't there any more: nothing happens */
    send_one(eth1);
    ck_assert_uint_eq(nsights, 2);
    all.ifindex = eth0->index;
    link_observe(&r->st, &all);
    send_one(eth1);
    send_one(eth0);
    ck_assert_uint_eq(nsights, 3);
    is(2, eth0, true, 94);
    link_unobserve(&r->st, &all);
}
END_TEST

/* As Linux's packet sockets: what is lost on the way out never was on the wire, what is lost on the
 * way in was. */
START_TEST(in_front_of_ingress_behind_egress)
{
    struct td_netem lossy = {.loss = UINT32_MAX, .seed = 1}, slow = {.delay = 10 * TD_MS};

    link_observe(&r->st, &all);
    ck_assert_int_eq(rig_netem(eth0, false, &lossy), 0);
    ck_assert_int_eq(rig_netem(eth0, true, &lossy), 0);
    send_one(eth0);
    ck_assert_uint_eq(nsights, 0);
    ck_assert_uint_eq(events(EV_LINK_DROP_QDISC), 1);
    lx_in(eth0, eth0->mac, A, 0);
    ck_assert_uint_eq(nsights, 1);
    is(0, eth0, false, 64);
    ck_assert_uint_eq(events(EV_LINK_DROP_QDISC), 2);
    ck_assert_uint_eq(seen.n, 0);
    ck_assert_int_eq(rig_netem(eth1, false, &slow), 0);
    send_one(eth1);
    ck_assert_uint_eq(nsights, 1); /* it leaves later, and is seen then */
    rig_run(r, RIG_START + 10 * TD_MS);
    ck_assert_uint_eq(nsights, 2);
    is(1, eth1, true, 94);
    link_unobserve(&r->st, &all);
}
END_TEST

/* A busy device: once, when it has gone. A refused frame never left. An interface that is down
 * shows nothing. */
START_TEST(once_when_it_has_gone)
{
    link_observe(&r->st, &all);
    r->dev[0].answer = -EAGAIN;
    send_one(eth0);
    ck_assert_uint_eq(nsights, 0);
    r->dev[0].answer = 0;
    netif_ready(&r->st, eth0);
    rig_flush(r);
    ck_assert_uint_eq(nsights, 1);
    r->dev[0].answer = -EIO;
    send_one(eth0);
    ck_assert_uint_eq(nsights, 1);
    ck_assert_int_eq(netif_set_flags(&r->st, eth1, 0, TD_IF_UP), 0);
    lx_in(eth1, eth1->mac, A, 0);
    ck_assert_uint_eq(nsights, 1);
    link_unobserve(&r->st, &all);
}
END_TEST

/* On the cable with its tag, above without; the same packet. A bridge's host sees what is its own.
 */
START_TEST(each_interface_on_its_way)
{
    struct netif *v = lx_vlan(eth0, 7, "eth0.7"), *br = lx_bridge("br0");

    link_observe(&r->st, &all);
    lx_in(eth0, eth0->mac, A, 7);
    ck_assert_uint_eq(nsights, 2);
    is(0, eth0, false, 68);
    is(1, v, false, 64);
    ck_assert_uint_eq(sights[0].id, sights[1].id);
    send_one(v);
    ck_assert_uint_eq(nsights, 4);
    is(2, v, true, 94);
    is(3, eth0, true, 98);
    ck_assert_uint_eq(sights[2].id, sights[3].id);
    nsights = 0;
    ck_assert_int_eq(link_set_master(&r->st, eth1, br), 0);
    lx_in(eth1, br->mac, B, 0);
    ck_assert_uint_eq(nsights, 2);
    is(0, eth1, false, 64);
    is(1, br, false, 64);
    (void)eth_output(&r->st, br, B, ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 60));
    rig_flush(r);
    ck_assert_uint_eq(nsights, 4);
    is(2, br, true, 94);
    is(3, eth1, true, 94);
    link_unobserve(&r->st, &all);
}
END_TEST

START_TEST(loopback_once_and_bare)
{
    struct td_if_config c = {.name = "lo", .flags = TD_IF_UP | TD_IF_LOOPBACK};
    uint32_t index;

    ck_assert_int_eq(netif_add(&r->st, &c, &index), 0);
    link_observe(&r->st, &all);
    send_one(netif_by_index(&r->st, index));
    ck_assert_uint_eq(nsights, 1);
    is(0, netif_by_index(&r->st, index), false, 80);
    ck_assert(sights[0].bare);
    ck_assert_uint_eq(sights[0].b[0], 0x45);
    link_unobserve(&r->st, &all);
}
END_TEST

/* A super-frame of 3000 octets of text with its checksum left open, as a device with offloads hands
 * it in. */
static struct pkt *super(uint32_t text, uint16_t gso)
{
    struct ipv4_hdr h = {.hlen = 20,
                         .ttl = 64,
                         .proto = IPPROTO_TCP_,
                         .src = TD_IP4(10, 0, 0, 1),
                         .dst = TD_IP4(10, 0, 0, 2),
                         .id = 7,
                         .total_len = (uint16_t)(40 + text)};
    struct pkt *p = pkt_alloc(&r->st.mem, PKT_HEADROOM, 54 + text);
    uint8_t *b = pkt_put(p, 54 + text);

    memset(b, 0, 54 + text);
    memcpy(b, eth0->mac.b, 6);
    memcpy(b + 6, A.b, 6);
    wire_put16(b + 12, ETHERTYPE_IPV4);
    (void)ipv4_emit(&h, b + 14);
    wire_put32(b + 38, 5000);
    b[46] = 0x50;
    b[47] = TCP_ACK;
    wire_put16(b + 50, checksum_fold(checksum_pseudo(h.src, h.dst, h.proto, 20 + text)));
    p->csum = PKT_CSUM_PARTIAL;
    p->csum_start = 34;
    p->csum_offset = 16;
    p->gso_size = gso;
    return p;
}

static void good_sum(const struct sight *s)
{
    uint32_t len = s->len - 34;

    ck_assert_uint_eq(checksum(s->b + 14, 20), 0);
    ck_assert_uint_eq(
        checksum_finish(checksum_add(
            checksum_pseudo(TD_IP4(10, 0, 0, 1), TD_IP4(10, 0, 0, 2), IPPROTO_TCP_, len), s->b + 34,
            len)),
        0);
}

/* The observer gets segments; the stack gets what came, at the same cost as without an observer. */
START_TEST(segments_for_the_observer_the_whole_for_the_stack)
{
    uint64_t calls, ids;

    link_input(&r->st, eth0, super(3000, 1460));
    ck_assert_uint_eq(seen.len, 3040);
    ids = r->st.journal.next_packet;
    calls = r->st.mem.calls;
    link_input(&r->st, eth0, super(3000, 1460));
    ids = r->st.journal.next_packet - ids;
    calls = r->st.mem.calls - calls;
    link_observe(&r->st, &all);
    uint64_t ids0 = r->st.journal.next_packet, calls0 = r->st.mem.calls;
    link_input(&r->st, eth0, super(3000, 1460));
    ck_assert_uint_eq(seen.len, 3040);
    ck_assert_uint_eq(r->st.journal.next_packet - ids0, ids);
    ck_assert_uint_eq(r->st.mem.calls - calls0, calls);
    ck_assert_uint_eq(nsights, 3);
    is(0, eth0, false, 54 + 1460);
    is(1, eth0, false, 54 + 1460);
    is(2, eth0, false, 54 + 80);
    for (unsigned i = 0; i < 3; i++) {
        good_sum(&sights[i]);
        ck_assert_uint_eq(wire_get32(sights[i].b + 38), 5000 + i * 1460);
        ck_assert_uint_eq(sights[i].id, sights[0].id);
    }
    link_input(&r->st, eth0, super(100, 0));
    is(3, eth0, false, 154);
    good_sum(&sights[3]);
    link_unobserve(&r->st, &all);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("observe");
    TCase *t = tcase_create("observe");

    tcase_add_checked_fixture(t, setup, lx_teardown);
    tcase_add_test(t, both_directions_of_one_interface_or_of_all);
    tcase_add_test(t, in_front_of_ingress_behind_egress);
    tcase_add_test(t, once_when_it_has_gone);
    tcase_add_test(t, each_interface_on_its_way);
    tcase_add_test(t, loopback_once_and_bare);
    tcase_add_test(t, segments_for_the_observer_the_whole_for_the_stack);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
