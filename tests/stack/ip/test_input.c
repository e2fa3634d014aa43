/* What is accepted, what is dropped, and what each drop says (RFC 1122 3.2.1, 3.3.4.2, 3.3.6). */
#include "ip_rig.h"

/* The last thing that came in was dropped by `ev`, without a word, and `cnt` went up. */
#define DROPPED_BY(ev, cnt, before)                                                                \
    do {                                                                                           \
        ck_assert_uint_eq(up.count, 0);                                                            \
        nothing_sent();                                                                            \
        ck_assert_uint_eq(counter(cnt), (before) + 1);                                             \
        ck_assert_ptr_nonnull(last_event(ev));                                                     \
        ck_assert_uint_eq(events(ev), (before) + 1);                                               \
    } while (0)

static uint8_t dg[2048];

/* shows: 1122-I001 1122-I019 1122-I150 1122-L14 */
START_TEST(test_delivers)
{
    IP_IN(100, .tos = 0x2c, .id = 7);
    ck_assert_uint_eq(up.count, 1);
    ck_assert_uint_eq(up.len, 100);
    ck_assert_mem_eq(up.bytes, pattern(), 100);
    ck_assert_uint_eq(up.rx.h.src, PEER);
    ck_assert_uint_eq(up.rx.h.dst, US);
    ck_assert_uint_eq(up.rx.h.tos, 0x2c);
    ck_assert_uint_eq(up.rx.h.total_len, 120);
    ck_assert_ptr_eq(up.rx.nif, eth0);
    ck_assert(!up.rx.bcast && !up.rx.mcast);
    ck_assert_uint_eq(counter(IpInReceives), 1);
    ck_assert_uint_eq(counter(IpInDelivers), 1);
    ck_assert_int_eq(IP_SEND(10, .dst = PEER, .tos = 0x2c), 0);
    ck_assert_uint_eq(r->out[0].tos, 0x2c); /* told to the link */
}
END_TEST

/* shows: 1122-I010 ATK-IP-01 1122-I008 1122-I009 */
START_TEST(test_version)
{
    static const uint8_t versions[] = {0, 5, 6, 15};

    build(dg, (struct ipv4_hdr){0}, pattern(), 40);
    dg[0] = (uint8_t)(versions[_i] << 4 | 5);
    wire_put16(dg + 10, 0);
    wire_put16(dg + 10, checksum(dg, 20));
    raw_in(dg, 60);
    DROPPED_BY(EV_IP_DROP_HEADER, IpInHdrErrors, 0);
    ck_assert_uint_eq(last_event(EV_IP_DROP_HEADER)->arg[1], W_BAD_VERSION);
    IP_IN(8, .id = 0);
    ck_assert_uint_eq(up.count, 1); /* the next one is none the worse for it */
}
END_TEST

/* shows: 1122-I011 ATK-IP-06 */
START_TEST(test_checksum)
{
    build(dg, (struct ipv4_hdr){0}, pattern(), 40);
    for (unsigned bit = 0; bit < 16; bit++) {
        wire_put16(dg + 10, wire_get16(dg + 10) ^ 1U << bit);
        raw_in(dg, 60);
        DROPPED_BY(EV_IP_DROP_HEADER, IpInHdrErrors, bit);
        ck_assert_uint_eq(counter(IpExtInCsumErrors), bit + 1);
        wire_put16(dg + 10, wire_get16(dg + 10) ^ 1U << bit);
    }
    /* both forms of zero: find an id with which the checksum is 0 */
    uint16_t csum = wire_get16(dg + 10);

    wire_put16(dg + 4, csum);
    wire_put16(dg + 10, 0);
    ck_assert_uint_eq(checksum(dg, 20), 0);
    raw_in(dg, 60);
    ck_assert_uint_eq(up.count, 1);
    wire_put16(dg + 10, 0xffff);
    raw_in(dg, 60);
    ck_assert_uint_eq(up.count, 2);
}
END_TEST

static void resum(void)
{
    wire_put16(dg + 10, 0);
    wire_put16(dg + 10, checksum(dg, (dg[0] & 15U) * 4 > 20 ? (dg[0] & 15U) * 4 : 20));
}

/* shows: ATK-IP-02 */
START_TEST(test_header_length)
{
    unsigned drops = 0;

    for (unsigned ihl = 0; ihl < 5; ihl++) {
        build(dg, (struct ipv4_hdr){0}, pattern(), 40);
        dg[0] = (uint8_t)(0x40 | ihl);
        resum();
        raw_in(dg, 60);
        DROPPED_BY(EV_IP_DROP_HEADER, IpInHdrErrors, drops);
        drops++;
    }
    build(dg, (struct ipv4_hdr){.total_len = 40}, pattern(), 40); /* header longer than total */
    dg[0] = 0x4f;
    resum();
    raw_in(dg, 80);
    DROPPED_BY(EV_IP_DROP_HEADER, IpInHdrErrors, drops);
    drops++;
    build(dg, (struct ipv4_hdr){.total_len = 60}, pattern(), 10); /* header longer than the frame */
    dg[0] = 0x4f;
    raw_in(dg, 30);
    ck_assert_uint_eq(counter(IpInHdrErrors), drops + 1);
    ck_assert_uint_eq(up.count, 0);
    nothing_sent();
}
END_TEST

/* shows: ATK-IP-03 */
START_TEST(test_total_length_below_header)
{
    static const uint16_t lengths[] = {0, 1, 19, 23};

    for (unsigned i = 0; i < 4; i++) {
        struct ipv4_hdr h = {.opt_len = i == 3 ? 4 : 0, .opt = {1, 1, 1, 1}};

        build(dg, h, pattern(), 40);
        wire_put16(dg + 2, lengths[i]);
        resum();
        raw_in(dg, 64);
        DROPPED_BY(EV_IP_DROP_HEADER, IpInHdrErrors, i);
    }
    /* a header alone is a datagram */
    IP_IN(0, .ttl = 1);
    ck_assert_uint_eq(up.count, 1);
    ck_assert_uint_eq(up.len, 0);
}
END_TEST

/* shows: ATK-IP-04 ATK-IP-19 */
START_TEST(test_total_length_beyond_frame)
{
    IP_IN(60, .total_len = 81);
    DROPPED_BY(EV_IP_DROP_TRUNCATED, IpInHdrErrors, 0);
    IP_IN(60, .total_len = 60080);
    DROPPED_BY(EV_IP_DROP_TRUNCATED, IpInHdrErrors, 1);
    IP_IN(60, .total_len = 65535);
    DROPPED_BY(EV_IP_DROP_TRUNCATED, IpInHdrErrors, 2);
    ck_assert_uint_eq(counter(IpExtInTruncatedPkts), 3);
    /* a fragment and an echo request with such a length leave nothing either */
    IP_IN(64, .total_len = 200, .flags = IPV4_MF, .proto = IPPROTO_ICMP_);
    ck_assert_uint_eq(counter(IpReasmReqds), 0);
    nothing_sent();
}
END_TEST

/* shows: ATK-IP-05 791-10 */
START_TEST(test_trailer_is_cut)
{
    uint8_t msg[64];
    size_t n = icmp_build(msg, ICMP_ECHO, 0, 0x00010002, "ab", 2);

    IP_IN(100, .total_len = 30);
    ck_assert_uint_eq(up.len, 10);
    /* an echo request of 2 octets in a minimum frame whose padding is an attacker's */
    build(dg, (struct ipv4_hdr){.proto = IPPROTO_ICMP_, .total_len = (uint16_t)(20 + n)}, msg, n);
    memset(dg + 20 + n, 0xee, 46 - 20 - n);
    raw_in(dg, 46);
    ck_assert_uint_eq(r->nout, 1);
    sent_icmp(0, ICMP_ECHO_REPLY, 0);
    ck_assert_uint_eq(outn, 10);
}
END_TEST

/* shows: 1122-I014 1122-I006 1122-I007 */
START_TEST(test_not_for_us)
{
    IP_IN(40, .dst = PEER);
    DROPPED_BY(EV_IP_DROP_NOT_FOR_US, IpInAddrErrors, 0);
    IP_IN(40, .dst = FAR);
    DROPPED_BY(EV_IP_DROP_NOT_FOR_US, IpInAddrErrors, 1);
    IP_IN(40, .dst = TD_IP4(192, 168, 5, 77), .ttl = 1); /* behind our other interface */
    DROPPED_BY(EV_IP_DROP_NOT_FOR_US, IpInAddrErrors, 2);
    PING(40, .dst = TD_IP4(192, 168, 5, 77));
    ck_assert_uint_eq(counter(IpForwDatagrams), 0);
    nothing_sent();
    ck_assert_uint_eq(last_event(EV_IP_DROP_NOT_FOR_US)->arg[3], 0);
    set_knob(IP_FORWARD, 1); /* then it is another's business: test_forward.c */
    IP_IN(40, .dst = TD_IP4(192, 168, 5, 77));
    ck_assert_uint_eq(counter(IpForwDatagrams), 1);
    ck_assert_uint_eq(up.count, 0);
}
END_TEST

static const td_ip4 martian_src[] = {
    TD_IP4(0, 0, 0, 0),       TD_IP4(0, 1, 2, 3),         TD_IP4(127, 0, 0, 1),
    TD_IP4(127, 9, 9, 9),     TD_IP4(224, 0, 0, 1),       TD_IP4(239, 1, 1, 1),
    TD_IP4(240, 0, 0, 1),     TD_IP4(255, 255, 255, 255), TD_IP4(10, 0, 0, 255),
    TD_IP4(10, 0, 0, 0),      TD_IP4(10, 0, 0, 1),        TD_IP4(192, 168, 5, 1),
    TD_IP4(192, 168, 5, 255),
};

/* shows: 1122-I015 ATK-IP-15 1122-I046 1812-IP22 1812-IP27 */
START_TEST(test_martian_source)
{
    build(dg, (struct ipv4_hdr){.proto = 99}, pattern(), 40); /* would earn an unreachable */
    wire_put32(dg + 12, martian_src[_i]);
    resum();
    raw_in(dg, 60);
    DROPPED_BY(EV_IP_DROP_MARTIAN_SRC, IpInAddrErrors, 0);
    ck_assert_uint_eq(counter(IcmpOutMsgs), 0);
}
END_TEST

/* 127/8 is refused by itself, not for the sake of a loopback interface that has it. */
START_TEST(test_loopback_source_without_loopback)
{
    ck_assert_int_eq(ip_addr_del(stack(), lo->index, LOCALHOST, 8), 0);
    IP_IN(40, .src = TD_IP4(127, 4, 4, 4));
    DROPPED_BY(EV_IP_DROP_MARTIAN_SRC, IpInAddrErrors, 0);
}
END_TEST

START_TEST(test_source_zero_only_to_limited_broadcast)
{
    build(dg, (struct ipv4_hdr){.proto = IPPROTO_UDP_, .dst = TD_IP4_BROADCAST}, pattern(), 40);
    wire_put32(dg + 12, 0);
    resum();
    raw_in_to(MAC_BROADCAST, dg, 60);
    ck_assert_uint_eq(up.count, 1);
    ck_assert_uint_eq(up.rx.h.src, 0);
}
END_TEST

static const td_ip4 martian_dst[] = {
    TD_IP4(0, 0, 0, 0),         TD_IP4(0, 0, 0, 9),   TD_IP4(127, 0, 0, 1),
    TD_IP4(127, 255, 255, 255), TD_IP4(240, 0, 0, 1), TD_IP4(255, 255, 255, 254),
};

/* shows: ATK-IP-16 */
START_TEST(test_martian_destination)
{
    build(dg, (struct ipv4_hdr){.proto = IPPROTO_ICMP_}, dg, 0);
    size_t n = icmp_build(dg + 20, ICMP_ECHO, 0, 1, pattern(), 20);

    wire_put16(dg + 2, (uint32_t)(20 + n));
    wire_put32(dg + 16, martian_dst[_i]);
    resum();
    raw_in(dg, 20 + n);
    DROPPED_BY(EV_IP_DROP_MARTIAN_DST, IpInAddrErrors, 0);
    IP_IN(40, .dst = TD_IP4(239, 1, 1, 1)); /* a group not joined */
    DROPPED_BY(EV_IP_DROP_GROUP, IpInDiscards, 0);
    IP_IN(40, .dst = PEER); /* another host's */
    ck_assert_uint_eq(up.count, 0);
    nothing_sent();
}
END_TEST

/* shows: 1122-I022 */
START_TEST(test_ttl_is_not_looked_at)
{
    build(dg, (struct ipv4_hdr){.ttl = 1}, pattern(), 40);
    raw_in(dg, 60);
    ck_assert_uint_eq(up.count, 1);
    dg[8] = 0;
    resum();
    raw_in(dg, 60);
    ck_assert_uint_eq(up.count, 2);
    ck_assert_uint_eq(up.rx.h.ttl, 0);
}
END_TEST

/* ---- broadcasts and groups ---- */

static void broadcast_in(td_ip4 dst, unsigned delivered)
{
    size_t n = build(dg, (struct ipv4_hdr){.dst = dst, .proto = IPPROTO_UDP_}, pattern(), 30);

    up.count = 0;
    raw_in_to(MAC_BROADCAST, dg, n);
    ck_assert_uint_eq(up.count, delivered);
    if (delivered > 0)
        ck_assert(up.rx.bcast);
}

/* shows: 1122-I141 1122-I138 919-01 1812-IP28 */
START_TEST(test_broadcast_forms)
{
    broadcast_in(TD_IP4_BROADCAST, 1);
    broadcast_in(SUBNET_BCAST, 1);
    broadcast_in(TD_IP4(10, 0, 0, 0), 1);      /* the old form */
    broadcast_in(TD_IP4(192, 168, 5, 255), 0); /* of a subnet on the other interface */
    broadcast_in(TD_IP4(10, 0, 1, 255), 0);    /* of nobody's */
    ck_assert_uint_eq(counter(IpExtInBcastPkts), 3);
    nothing_sent();
}
END_TEST

/* shows: 3021-01 919-01 1812-IP28 */
START_TEST(test_slash_31_and_32_have_no_broadcast)
{
    td_ip4 low = TD_IP4(10, 9, 0, 4), high = TD_IP4(10, 9, 0, 5), alone = TD_IP4(10, 9, 1, 255);

    ck_assert_int_eq(ip_addr_add(stack(), eth1->index, high, 31, 0), 0);
    ck_assert_int_eq(ip_addr_add(stack(), eth1->index, alone, 32, 0), 0);
    ck_assert(!ip_is_broadcast(stack(), NULL, high));
    ck_assert(!ip_is_broadcast(stack(), NULL, low));
    ck_assert(!ip_is_broadcast(stack(), NULL, alone));
    ck_assert(ip_is_broadcast(stack(), eth1, TD_IP4_BROADCAST));
    frame_in = eth1;
    PING(20, .src = low, .dst = high); /* both ends are hosts */
    frame_in = NULL;
    ck_assert_uint_eq(neigh_lookup(stack(), eth1, low, NULL), NEIGH_INCOMPLETE);
    ck_assert_int_eq(neigh_set(stack(), eth1, low, PEER_MAC, NEIGH_PERMANENT), 0);
    rig_flush(r);
    sent_icmp(r->nout - 1, ICMP_ECHO_REPLY, 0);
    ck_assert_uint_eq(outh.dst, low);
    ck_assert_uint_eq(outh.src, high);
    ck_assert_int_eq(IP_SEND(10, .dst = low), 0); /* no broadcast flag needed */
    ck_assert_int_eq(ip_addr_add(stack(), eth0->index, TD_IP4(10, 9, 2, 0), 31, 0), 0);
    ck_assert(ip_is_local(stack(), TD_IP4(10, 9, 2, 0)));
}
END_TEST

/* shows: 1122-I143 ATK-ETH-03 */
START_TEST(test_unicast_in_a_link_broadcast)
{
    size_t n = build(dg, (struct ipv4_hdr){.proto = 99}, pattern(), 40);

    raw_in_to(MAC_BROADCAST, dg, n);
    DROPPED_BY(EV_IP_DROP_LINK_BROADCAST, IpInDiscards, 0);
    raw_in_to((struct td_mac){{1, 0, 0x5e, 0, 0, 1}}, dg, n);
    DROPPED_BY(EV_IP_DROP_LINK_BROADCAST, IpInDiscards, 1);
    build(dg, (struct ipv4_hdr){.proto = IPPROTO_ICMP_}, dg, 0);
    wire_put16(dg + 2, (uint32_t)(20 + icmp_build(dg + 20, ICMP_ECHO, 0, 1, pattern(), 20)));
    resum();
    raw_in_to(MAC_BROADCAST, dg, 48);
    DROPPED_BY(EV_IP_DROP_LINK_BROADCAST, IpInDiscards, 2);
}
END_TEST

/* ---- host model, reverse path ---- */

/* shows: 1122-I125 1122-I003 */
START_TEST(test_host_model)
{
    IP_IN(40, .dst = US2); /* weak: any address by any interface */
    ck_assert_uint_eq(up.count, 1);
    ck_assert_ptr_eq(up.rx.nif, eth0);
    up.count = 0;
    set_knob(IP_STRONG_HOST, 1);
    IP_IN(40, .dst = US2);
    DROPPED_BY(EV_IP_DROP_STRONG_HOST, IpInAddrErrors, 0);
    IP_IN(40, .dst = US);
    ck_assert_uint_eq(up.count, 1);
}
END_TEST

START_TEST(test_reverse_path)
{
    td_ip4 other_side = TD_IP4(192, 168, 5, 9);

    IP_IN(40, .src = other_side); /* off by default */
    ck_assert_uint_eq(up.count, 1);
    up.count = 0;
    eth0->knob[IFKNOB_RP_FILTER] = 1;
    IP_IN(40, .src = other_side);
    DROPPED_BY(EV_IP_DROP_RPF, IpInAddrErrors, 0);
    IP_IN(40, .src = FAR); /* the default route is a way back too */
    ck_assert_uint_eq(up.count, 1);
    eth0->knob[IFKNOB_RP_FILTER] = 2;
    IP_IN(40, .src = other_side);
    ck_assert_uint_eq(up.count, 2);
}
END_TEST

/* ---- options ---- */

static void option_in(const uint8_t *opt, unsigned n, uint8_t proto)
{
    struct ipv4_hdr h = {.proto = proto, .opt_len = (uint8_t)n};

    memcpy(h.opt, opt, n);
    h.opt_len = (uint8_t)((n + 3) & ~3U);
    ip_in(h, pattern(), 40);
}
#define OPTION_IN(...)                                                                             \
    option_in((const uint8_t[]){__VA_ARGS__}, sizeof(const uint8_t[]){__VA_ARGS__}, TEST_PROTO)

/* shows: 1122-I026 1122-I027 1122-I030 1122-I151 1122-I153 6814-01 791-09 ATK-IP-14 7126-03 */
START_TEST(test_options_passed_up_and_ignored)
{
    static const uint8_t ignored[] = {0x9e, 136, 145, 82, 142, 144, 147, 149, 151, 152, 40, 148};

    for (unsigned i = 0; i < sizeof ignored; i++) {
        uint8_t opt[] = {ignored[i], 4, 0xab, 0xcd};

        option_in(opt, 4, TEST_PROTO);
        ck_assert_uint_eq(up.count, i + 1);
        ck_assert_uint_eq(up.rx.h.opt_len, 4);
        ck_assert_mem_eq(up.rx.h.opt, opt, 4);
        ck_assert_uint_eq(up.len, 40);
    }
    up.count = 0;
    for (unsigned kind = 1; kind < 2; kind++) { /* 40 octets of NOP */
        uint8_t nops[40];

        memset(nops, 1, sizeof nops);
        option_in(nops, 40, TEST_PROTO);
        ck_assert_uint_eq(up.count, 1);
        ck_assert_uint_eq(up.rx.h.opt_len, 40);
    }
    OPTION_IN(0, 0x44, 0, 0x83, 0xff, 7, 1, 9); /* garbage behind the end of the list */
    ck_assert_uint_eq(up.count, 2);
    nothing_sent();
}
END_TEST

/* Malformed options: dropped, and a Parameter Problem points at the octet. */
static const struct {
    uint8_t n, pointer;
    uint8_t opt[40];
} bad_option[] = {
    {4, 21, {0x44, 0, 5, 0}},             /* ATK-IP-08: length 0, first */
    {8, 25, {1, 1, 1, 1, 0x44, 0, 5, 0}}, /* middle */
    {4, 23, {1, 1, 0x44, 0}},             /* last */
    {4, 21, {7, 1, 4, 0}},                /* ATK-IP-09: length 1 */
    {40, 57, {[0] = 0x88, 36, [36] = 0x88, 255, 0, 0}},
    {4, 23, {1, 1, 1, 0x99}},          /* kind as the very last octet */
    {8, 22, {7, 7, 0, 0, 0, 0, 0, 0}}, /* 791-08: record route, pointers below 4 */
    {8, 22, {7, 7, 1, 0, 0, 0, 0, 0}},
    {8, 22, {7, 7, 2, 0, 0, 0, 0, 0}},
    {8, 22, {7, 7, 3, 0, 0, 0, 0, 0}},
    {8, 22, {7, 7, 5, 0, 0, 0, 0, 0}}, /* some room, not enough */
    {8, 22, {7, 6, 4, 0, 0, 0, 0, 0}},
    {8, 22, {0x44, 8, 4, 0, 0, 0, 0, 0}}, /* timestamp, pointer below 5 */
    {4, 21, {0x44, 3, 5, 0}},             /* its length below 4 */
    {8, 22, {0x44, 8, 6, 0, 0, 0, 0, 0}}, /* pointer between two places */
    {8, 23, {0x44, 8, 5, 2, 0, 0, 0, 0}}, /* a flag nobody defined */
    {8, 23, {0x44, 8, 5, 15, 0, 0, 0, 0}},
    {12, 27, {7, 7, 4, 0, 0, 0, 0, 7, 3, 4, 0, 0}}, /* two record routes */
};

/* shows: ATK-IP-08 ATK-IP-09 ATK-IP-10 ATK-IP-11 791-08 1122-I060 792-05 */
START_TEST(test_malformed_options)
{
    option_in(bad_option[_i].opt, bad_option[_i].n, TEST_PROTO);
    ck_assert_uint_eq(up.count, 0);
    ck_assert_uint_eq(events(EV_IP_DROP_OPTIONS), 1);
    ck_assert_uint_eq(counter(IpInHdrErrors), 1);
    ck_assert_uint_eq(r->nout, 1);
    sent_icmp(0, ICMP_PARAM_PROBLEM, 0);
    ck_assert_uint_eq(outp[4], bad_option[_i].pointer);
    ck_assert_uint_eq(wire_get32(outp + 4) & 0xffffff, 0);
    ck_assert_uint_eq(outh.opt_len, 0); /* ATK-IP-13: none of it in the answer */
    ck_assert_uint_eq(outh.dst, PEER);
}
END_TEST

START_TEST(test_full_route_options_are_fine)
{
    OPTION_IN(7, 7, 8, 1, 2, 3, 4, 0);
    OPTION_IN(7, 7, 255, 1, 2, 3, 4, 0);
    OPTION_IN(0x44, 8, 9, 0xf0, 1, 2, 3,
              4); /* overflow 15 and full: no wrap, it isn't ours to count */
    ck_assert_uint_eq(up.count, 3);
    ck_assert_uint_eq(up.rx.h.opt[3], 0xf0);
}
END_TEST

/* shows: ATK-IP-13 */
START_TEST(test_malformed_options_in_an_echo)
{
    OPTION_IN(0x83, 7, 4, 1, 2, 3, 4, 0x83, 7, 4, 1, 2, 3, 4); /* two source routes */
    ck_assert_uint_eq(r->nout, 1);
    sent_icmp(0, ICMP_PARAM_PROBLEM, 0);
    ck_assert_uint_eq(outh.hlen, 20);
    rig_forget(r);
    struct ipv4_hdr h = {.opt_len = 40, .opt = {7, 39, 38, 0}};

    icmp_in(h, ICMP_ECHO, 0, 1, pattern(), 8);
    sent_icmp(0, ICMP_PARAM_PROBLEM, 0);
    ck_assert_uint_eq(outh.hlen, 20);
    ck_assert_uint_eq(r->nout, 1);
}
END_TEST

/* ---- source routes ---- */

static const uint8_t lsrr_done[] = {0x83, 7, 8, 10, 0, 0, 254};
static const uint8_t lsrr_more[] = {0x83, 7, 4, 10, 0, 0, 9};
static const uint8_t ssrr_more[] = {0x89, 7, 4, 10, 0, 0, 9};

/* shows: 7126-01 ATK-IP-12 1122-I134 */
START_TEST(test_source_routes_dropped_by_default)
{
    const uint8_t *opt[] = {lsrr_done, lsrr_more, ssrr_more};

    option_in(opt[_i], 7, TEST_PROTO);
    DROPPED_BY(EV_IP_DROP_SOURCE_ROUTE, IpInDiscards, 0);
}
END_TEST

/* shows: 1122-I034 1122-I136 */
START_TEST(test_source_routes_accepted)
{
    set_knob(IP_ACCEPT_SOURCE_ROUTE, 1);
    option_in(lsrr_done, 7, TEST_PROTO);
    ck_assert_uint_eq(up.count, 1);
    ck_assert_mem_eq(up.rx.h.opt, lsrr_done, 7);
    nothing_sent();
    option_in(lsrr_more, 7, TEST_PROTO); /* we don't forward it */
    ck_assert_uint_eq(up.count, 1);
    ck_assert_uint_eq(r->nout, 1);
    sent_icmp(0, ICMP_UNREACHABLE, ICMP_SR_FAILED);
    rig_forget(r);
    /* but no error about an error */
    struct ipv4_hdr h = {.opt_len = 8};
    uint8_t quote[28];

    memcpy(h.opt, lsrr_more, 7);
    build(quote, (struct ipv4_hdr){.src = US, .dst = PEER}, pattern(), 8);
    icmp_in(h, ICMP_UNREACHABLE, 1, 0, quote, 28);
    nothing_sent();
}
END_TEST

/* ---- upwards ---- */

/* shows: 1122-I048 ATK-IP-23 ATK-IP-18 1122-I047 */
START_TEST(test_unknown_protocols)
{
    static const uint8_t protos[] = {0, 2, 4, 41, 58, 250, 254, 255};
    size_t n = build(dg, (struct ipv4_hdr){.proto = 1}, pattern(), 40);

    set_knob(ICMP_RATELIMIT, 0);
    dg[9] = protos[_i];
    resum();
    raw_in(dg, n);
    ck_assert_uint_eq(up.count, 0);
    ck_assert_uint_eq(counter(IpInUnknownProtos), 1);
    ck_assert_uint_eq(events(EV_IP_DROP_PROTOCOL), 1);
    ck_assert_uint_eq(r->nout, 1);
    sent_icmp(0, ICMP_UNREACHABLE, ICMP_PROTO_UNREACH);
    ck_assert_mem_eq(outp + 8, dg, n);
    rig_forget(r);
    wire_put32(dg + 16, TD_IP4_BROADCAST); /* none for a broadcast */
    resum();
    raw_in_to(MAC_BROADCAST, dg, n);
    nothing_sent();
}
END_TEST

/* shows: 6864-01 */
START_TEST(test_atomic_id_means_nothing)
{
    IP_IN(16, .id = 77, .flags = IPV4_MF);
    IP_IN(24, .id = 77, .flags = IPV4_DF); /* same key, not a fragment: delivered */
    IP_IN(24, .id = 0, .flags = IPV4_DF);
    IP_IN(24, .id = 0, .flags = IPV4_DF);
    ck_assert_uint_eq(up.count, 3);
    IP_IN(24, .id = 1, .flags = IPV4_EVIL); /* the reserved bit is nobody's business */
    ck_assert_uint_eq(up.count, 4);
}
END_TEST

START_TEST(test_no_memory_anywhere)
{
    /* Whatever allocation fails, nothing leaks (the rig's teardown says so) and nothing crashes. */
    for (unsigned fail = 1; fail < 40; fail++) {
        r->st.mem.fail_after = 0;
        r->st.mem.failing = false;
        struct pkt *p = pkt_alloc(&r->st.mem, 64, 2048);
        uint8_t *b = pkt_put(p, 8 + 20 + 40);
        size_t n = build(b, (struct ipv4_hdr){.proto = fail % 2 ? IPPROTO_ICMP_ : 99}, dg, 0);

        (void)icmp_build(b + n, ICMP_ECHO, 0, 1, pattern(), 40);
        wire_put16(b + 2, 68);
        wire_put16(b + 10, 0);
        wire_put16(b + 10, checksum(b, 20));
        r->st.mem.fail_after = fail;
        p->protocol = ETHERTYPE_IPV4;
        ip_input(stack(), eth0, p, NULL);
        rig_flush(r);
    }
    r->st.mem.fail_after = 0;
    r->st.mem.failing = false;
    rig_flush(r);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ip/input");
    TCase *tc = ip_case(s, "header", false);

    tcase_add_test(tc, test_delivers);
    tcase_add_loop_test(tc, test_version, 0, 4);
    tcase_add_test(tc, test_checksum);
    tcase_add_test(tc, test_header_length);
    tcase_add_test(tc, test_total_length_below_header);
    tcase_add_test(tc, test_total_length_beyond_frame);
    tcase_add_test(tc, test_trailer_is_cut);
    tcase_add_test(tc, test_no_memory_anywhere);
    tc = ip_case(s, "addresses", true);
    tcase_add_test(tc, test_not_for_us);
    tcase_add_loop_test(tc, test_martian_source, 0, sizeof martian_src / sizeof *martian_src);
    tcase_add_test(tc, test_loopback_source_without_loopback);
    tcase_add_test(tc, test_source_zero_only_to_limited_broadcast);
    tcase_add_loop_test(tc, test_martian_destination, 0, sizeof martian_dst / sizeof *martian_dst);
    tcase_add_test(tc, test_ttl_is_not_looked_at);
    tcase_add_test(tc, test_broadcast_forms);
    tcase_add_test(tc, test_slash_31_and_32_have_no_broadcast);
    tcase_add_test(tc, test_unicast_in_a_link_broadcast);
    tcase_add_test(tc, test_host_model);
    tcase_add_test(tc, test_reverse_path);
    tc = ip_case(s, "options", false);
    tcase_add_test(tc, test_options_passed_up_and_ignored);
    tcase_add_loop_test(tc, test_malformed_options, 0, sizeof bad_option / sizeof *bad_option);
    tcase_add_test(tc, test_full_route_options_are_fine);
    tcase_add_test(tc, test_malformed_options_in_an_echo);
    tcase_add_loop_test(tc, test_source_routes_dropped_by_default, 0, 3);
    tcase_add_test(tc, test_source_routes_accepted);
    tc = ip_case(s, "upwards", false);
    tcase_add_loop_test(tc, test_unknown_protocols, 0, 8);
    tcase_add_test(tc, test_atomic_id_means_nothing);
    return s;
}
CHECK_MAIN(suite)
