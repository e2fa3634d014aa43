/* Super-frames that pass through: what the segments look like, and what is told when they don't fit. eth0 is where they
 * come from, eth1 where they leave, as in test_forward.c. */
#include "wire/tcp.h"
#include "wire/udp.h"

#include "ip_rig.h"

#define HOST2 TD_IP4(192, 168, 5, 9)

static void gso_setup(void)
{
    ip_setup2();
    set_knob(IP_FORWARD, 1);
    ck_assert_int_eq(neigh_set(stack(), eth1, HOST2, rig_mac(9), NEIGH_PERMANENT), 0);
    rig_forget(r);
}

/* A frame with offload metadata, as a device would hand it in: its transport checksum is left for later. */
static void super_in(uint8_t proto, const uint8_t *l4, uint32_t n, uint32_t sum_at, uint16_t gso_size, uint16_t flags)
{
    static uint8_t f[65536];
    struct eth_hdr eh = {.dst = eth0->mac, .src = PEER_MAC, .type = ETHERTYPE_IPV4};
    size_t hlen = eth_emit(&eh, f);
    struct pkt *p;

    (void)build(f + hlen, (struct ipv4_hdr){.dst = HOST2, .proto = proto, .id = 100, .tos = 2, .flags = flags}, l4, n);
    wire_put16(f + hlen + 20 + sum_at, checksum_fold(checksum_pseudo(PEER, HOST2, proto, n)));
    p = pkt_from_bytes(&r->st.mem, PKT_HEADROOM, f, (uint32_t)(hlen + 20 + n));
    ck_assert_ptr_nonnull(p);
    p->id = ++r->st.journal.next_packet;
    p->csum = PKT_CSUM_PARTIAL;
    p->csum_start = (uint16_t)(hlen + 20);
    p->csum_offset = (uint16_t)sum_at;
    p->gso_size = gso_size;
    eth_input(stack(), eth0, p);
    rig_flush(r);
}

static uint32_t tcp_super(uint8_t *b, uint32_t data, uint16_t flags, uint32_t seq)
{
    struct tcp_hdr h = {.sport = 40000, .dport = 80, .seq = seq, .ack = 7, .flags = flags, .wnd = 500, .hlen = 20};
    size_t n = tcp_emit(&h, b);

    memcpy(b + n, pattern(), data);
    return (uint32_t)n + data;
}

/* Segment i left whole and with a good checksum; returns its payload's length. */
static uint32_t segment(unsigned i)
{
    sent(i);
    ck_assert_uint_eq(outh.frag_off, 0);
    ck_assert_uint_eq(outh.ttl, 63);
    ck_assert_uint_eq(outh.tos, 2);
    ck_assert_uint_eq(outh.id, 100 + i);
    ck_assert_uint_eq(checksum_fold(checksum_add(checksum_pseudo(outh.src, outh.dst, outh.proto, outn), outp, outn)), 0xffff);
    return outh.proto == IPPROTO_TCP_ ? outn - TCP_HLEN : outn - UDP_HLEN;
}

START_TEST(tcp_is_cut_into_its_segments)
{
    static uint8_t b[20000];
    const uint32_t seq = 0xfffffa00; /* its numbers wrap on the way */
    uint32_t n = tcp_super(b, 4000, TCP_ACK | TCP_PSH | TCP_FIN | TCP_CWR, seq), at = 0;

    super_in(IPPROTO_TCP_, b, n, 16, 1448, IPV4_DF);
    ck_assert_uint_eq(r->nout, 3);
    for (unsigned i = 0; i < 3; i++) {
        uint32_t len = segment(i);
        ck_assert_uint_eq(len, i < 2 ? 1448 : 1104);
        ck_assert_uint_eq(outh.flags, IPV4_DF);
        ck_assert_uint_eq(wire_get32(outp + 4), seq + at);
        ck_assert_uint_eq(wire_get32(outp + 8), 7);
        ck_assert_uint_eq(outp[13], (i == 0 ? TCP_CWR : 0) | (i == 2 ? TCP_PSH | TCP_FIN : 0) | TCP_ACK);
        ck_assert_mem_eq(outp + 20, pattern() + at, len);
        at += len;
    }
    ck_assert_uint_eq(at, 4000);
    ck_assert_uint_eq(counter(IpForwDatagrams), 1);
}
END_TEST

START_TEST(udp_gets_lengths_of_its_own)
{
    static uint8_t b[20000];
    struct udp_hdr h = {.sport = 5, .dport = 9, .length = 8 + 2500};
    (void)udp_emit(&h, b);
    memcpy(b + 8, pattern(), 2500);
    super_in(IPPROTO_UDP_, b, 2508, 6, 1000, 0);
    ck_assert_uint_eq(r->nout, 3);
    for (unsigned i = 0; i < 3; i++) {
        uint32_t len = segment(i);
        ck_assert_uint_eq(len, i < 2 ? 1000 : 500);
        ck_assert_uint_eq(wire_get16(outp + 4), 8 + len);
        ck_assert_mem_eq(outp + 8, pattern() + 1000 * i, len);
    }
}
END_TEST

/* The super-frame is larger than any MTU; what counts is each of its segments. */
START_TEST(segments_that_dont_fit)
{
    static uint8_t b[20000], whole[8192];
    uint32_t n = tcp_super(b, 2896, TCP_ACK, 1);

    ck_assert_int_eq(netif_set_mtu(stack(), eth1, 1488), 0);
    rig_forget(r);
    super_in(IPPROTO_TCP_, b, n, 16, 1448, IPV4_DF); /* 20 + 20 + 1448 fit exactly */
    ck_assert_uint_eq(r->nout, 2);
    ck_assert_int_eq(netif_set_mtu(stack(), eth1, 1487), 0);
    rig_forget(r);
    super_in(IPPROTO_TCP_, b, n, 16, 1448, IPV4_DF);
    ck_assert_uint_eq(r->nout, 1);
    sent_icmp(0, ICMP_UNREACHABLE, ICMP_FRAG_NEEDED);
    ck_assert_uint_eq(wire_get32(outp + 4), 1487);
    rig_forget(r);
    super_in(IPPROTO_TCP_, b, n, 16, 1448, 0); /* may be cut: each segment is, by itself */
    ck_assert_uint_eq(r->nout, 4);
    for (unsigned i = 0; i < 4; i++) {
        sent(i);
        ck_assert_uint_eq(outh.id, 100 + i / 2);
        ck_assert_uint_le(outh.total_len, 1487);
        if (i < 2)
            memcpy(whole + outh.frag_off, outp, outn);
    }
    ck_assert_uint_eq(checksum_fold(checksum_add(checksum_pseudo(PEER, HOST2, 6, 1468), whole, 1468)), 0xffff);
}
END_TEST

/* A checksum that the sender's device was to complete is completed here, whole or cut. */
START_TEST(partial_checksums_are_completed)
{
    static uint8_t b[20000], whole[8192];
    uint32_t n = tcp_super(b, 1001, TCP_ACK, 1);

    super_in(IPPROTO_TCP_, b, n, 16, 0, 0);
    ck_assert_uint_eq(r->nout, 1);
    ck_assert_uint_eq(segment(0), 1001);
    ck_assert_int_eq(netif_set_mtu(stack(), eth1, 576), 0);
    rig_forget(r);
    super_in(IPPROTO_TCP_, b, n, 16, 0, 0);
    ck_assert_uint_eq(r->nout, 2);
    ck_assert_uint_eq(reassemble_out(0, whole), n);
    ck_assert_uint_eq(checksum_fold(checksum_add(checksum_pseudo(PEER, HOST2, 6, n), whole, n)), 0xffff);
}
END_TEST

/* Nonsense in the metadata harms nobody. */
START_TEST(what_cannot_be_cut)
{
    static uint8_t b[20000];
    uint32_t n = tcp_super(b, 1000, TCP_ACK, 1);

    b[12] = 0xf0; /* a header of 60 octets in 40 */
    super_in(IPPROTO_TCP_, b, 40, 16, 10, 0);
    b[12] = 0x10; /* one of 4 */
    super_in(IPPROTO_TCP_, b, n, 16, 100, 0);
    super_in(IPPROTO_UDP_, b, 7, 4, 100, 0);
    super_in(TEST_PROTO, b, n, 16, 100, 0);
    nothing_sent();
    ck_assert_uint_eq(events(EV_IP_FORWARD_DROP), 4);
    ck_assert_uint_eq(last_event(EV_IP_FORWARD_DROP)->arg[2], W_FORWARD_UNCUTTABLE);
    b[12] = 0x50;
    super_in(IPPROTO_TCP_, b, 20, 16, 1448, 0); /* no payload: one segment */
    ck_assert_uint_eq(r->nout, 1);
    ck_assert_uint_eq(segment(0), 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("gso");
    TCase *t = tcase_create("gso");
    tcase_add_checked_fixture(t, gso_setup, ip_teardown);
    suite_add_tcase(s, t);
    tcase_add_test(t, tcp_is_cut_into_its_segments);
    tcase_add_test(t, udp_gets_lengths_of_its_own);
    tcase_add_test(t, segments_that_dont_fit);
    tcase_add_test(t, partial_checksums_are_completed);
    tcase_add_test(t, what_cannot_be_cut);
    return s;
}

CHECK_MAIN(suite)
