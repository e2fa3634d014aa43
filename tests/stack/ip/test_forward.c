/* What passes through (RFC 1812 5): eth0 has 10.0.0.1/24, eth1 192.168.5.1/24; the default route
 * goes by ROUTER on eth0. HOST2 is a permanent neighbour on eth1. */
#include "ip_rig.h"

#define HOST2     TD_IP4(192, 168, 5, 9)
#define HOST2_MAC rig_mac(9)

static void router_setup(void)
{
    ip_setup2();
    set_knob(IP_FORWARD, 1);
    ck_assert_int_eq(neigh_set(stack(), eth1, HOST2, HOST2_MAC, NEIGH_PERMANENT), 0);
    rig_forget(r);
}

static void route(td_ip4 prefix, uint8_t plen, enum fib_type type, td_ip4 gateway, uint32_t ifindex)
{
    const struct fib_route f = {
        .prefix = prefix, .plen = plen, .type = type, .gateway = gateway, .ifindex = ifindex};
    ck_assert_int_eq(ip_route_add(stack(), &f, false), 0);
}

static uint64_t dropped_for(enum journal_word why)
{
    const struct journal_record *rec = last_event(EV_IP_FORWARD_DROP);
    return rec != NULL && rec->arg[2] == (uint64_t)why ? events(EV_IP_FORWARD_DROP) : 0;
}

/* shows: 1812-FW33 1812-FW35 ATK-IP-07 6864-04 1812-FW36 1812-IP10 1812-IP14 1812-IP19 1122-I004 1122-I005 */
START_TEST(passes_through_with_one_hop_less)
{
    IP_IN(100, .dst = HOST2, .ttl = 64, .tos = 0xb8, .id = 77, .flags = IPV4_DF);
    ck_assert_uint_eq(r->nout, 1);
    sent(0);
    ck_assert_mem_eq(sent_to(0).b, HOST2_MAC.b, 6);
    ck_assert_uint_eq(outh.src, PEER);
    ck_assert_uint_eq(outh.dst, HOST2);
    ck_assert_uint_eq(outh.ttl, 63);
    ck_assert_uint_eq(outh.tos, 0xb8);
    ck_assert_uint_eq(outh.id, 77);
    ck_assert_uint_eq(outh.flags, IPV4_DF);
    ck_assert_uint_eq(outn, 100);
    ck_assert_mem_eq(outp, pattern(), 100);
    ck_assert_uint_eq(counter(IpForwDatagrams), 1);
    ck_assert_uint_eq(up.count, 0);
    IP_IN(8, .dst = HOST2, .ttl = 2); /* FW35: somebody else's last hop */
    ck_assert_uint_eq(r->nout, 2);
    sent(1);
    ck_assert_uint_eq(outh.ttl, 1);
}
END_TEST

/* The checksum is right for every TTL and whatever the rest adds up to. */
/* shows: 1812-IP13 1812-IP11 */
START_TEST(checksum_is_updated_right)
{
    for (unsigned id = 0; id < 65536; id += 97) {
        for (unsigned ttl = 2; ttl < 256; ttl += 23) {
            rig_forget(r);
            IP_IN(4, .dst = HOST2, .ttl = (uint8_t)ttl, .id = (uint16_t)id);
            ck_assert_uint_eq(r->nout, 1);
            sent(0); /* parses only with a good checksum */
            ck_assert_uint_eq(outh.ttl, ttl - 1);
        }
    }
    uint8_t b[64];
    size_t n = build(b, (struct ipv4_hdr){.dst = HOST2}, pattern(), 8);
    b[10] ^= 1;
    rig_forget(r);
    raw_in(b, n);
    nothing_sent();
}
END_TEST

/* shows: 1812-FW49 */
START_TEST(is_off_until_it_is_wanted)
{
    set_knob(IP_FORWARD, 0);
    IP_IN(8, .dst = HOST2);
    nothing_sent();
    ck_assert_uint_eq(events(EV_IP_DROP_NOT_FOR_US), 1);
    set_knob(IP_FORWARD, 1);
    eth1->knob[IFKNOB_FORWARDING] = 0; /* neither out of it … */
    IP_IN(8, .dst = HOST2);
    nothing_sent();
    eth1->knob[IFKNOB_FORWARDING] = 1;
    eth0->knob[IFKNOB_FORWARDING] = 0; /* … nor in */
    IP_IN(8, .dst = HOST2);
    nothing_sent();
    ck_assert_uint_eq(dropped_for(W_FORWARD_OFF), 2);
    PING(8, .dst = US); /* what is for us isn't concerned */
    ck_assert_uint_eq(r->nout, 1);
}
END_TEST

/* shows: 1812-FW32 ATK-IP-07 1812-FW34 1812-IC03 1812-IC05 1812-IC06 1812-IP18 */
START_TEST(last_hop_is_told)
{
    for (uint8_t ttl = 0; ttl < 2; ttl++) {
        uint8_t b[128];
        size_t n = build(b, (struct ipv4_hdr){.dst = HOST2, .ttl = 9}, pattern(), 40);
        b[8] = ttl;
        wire_put16(b + 10, 0);
        wire_put16(b + 10, checksum(b, 20));
        rig_forget(r);
        raw_in(b, n);
        ck_assert_uint_eq(r->nout, 1);
        sent_icmp(0, ICMP_TIME_EXCEEDED, 0);
        ck_assert_uint_eq(outh.dst, PEER);
        ck_assert_uint_eq(outh.src, US); /* of the interface it leaves by */
        ck_assert_uint_eq(outh.ttl, 64);
        ck_assert_mem_eq(outp + 8, b, n); /* as it was received */
    }
    ck_assert_uint_eq(dropped_for(W_FORWARD_TTL), 2);
    uint8_t b[64]; /* for us, TTL 1 and 0 are as good as any */
    size_t n = build(b, (struct ipv4_hdr){.ttl = 1}, pattern(), 8);
    raw_in(b, n);
    ck_assert_uint_eq(up.count, 1);
}
END_TEST

/* shows: 1812-FW19 1812-IC19 1812-FW24 1812-FW26 1812-FW25 */
START_TEST(routes_that_forbid)
{
    ck_assert_int_eq(ip_route_del(stack(), &(struct fib_route){.gateway = ROUTER}), 0);
    IP_IN(8, .dst = FAR);
    sent_icmp(0, ICMP_UNREACHABLE, ICMP_NET_UNREACH);
    rig_forget(r);
    route(TD_IP4(198, 18, 1, 0), 24, FIB_UNREACHABLE, 0, 0);
    route(TD_IP4(198, 18, 2, 0), 24, FIB_PROHIBIT, 0, 0);
    route(TD_IP4(198, 18, 3, 0), 24, FIB_BLACKHOLE, 0, 0);
    IP_IN(8, .dst = TD_IP4(198, 18, 1, 1));
    sent_icmp(0, ICMP_UNREACHABLE, ICMP_HOST_UNREACH);
    rig_forget(r);
    IP_IN(8, .dst = TD_IP4(198, 18, 2, 1));
    sent_icmp(0, ICMP_UNREACHABLE, ICMP_ADMIN_PROHIBITED);
    rig_forget(r);
    IP_IN(8, .dst = TD_IP4(198, 18, 3, 1));
    nothing_sent();
    ck_assert_uint_eq(dropped_for(W_FORWARD_BLACKHOLE), 4);
}
END_TEST

/* shows: 1812-FW14 1812-FW15 1812-FW16 1812-FW18 1812-IP32 1812-IP33 1812-IP01 */
START_TEST(longest_match_wins)
{
    route(TD_IP4(198, 18, 0, 0), 16, FIB_UNICAST, PEER, 0);
    route(TD_IP4(198, 18, 7, 0), 24, FIB_UNICAST, HOST2, 0);
    route(TD_IP4(198, 18, 7, 5), 32, FIB_UNICAST, ROUTER, 0);
    frame_in = eth1;
    IP_IN(8, .src = HOST2, .dst = TD_IP4(198, 18, 9, 9));
    IP_IN(8, .src = HOST2, .dst = TD_IP4(198, 18, 7, 5));
    IP_IN(8, .src = HOST2, .dst = FAR);
    frame_in = eth0;
    IP_IN(8, .dst = TD_IP4(198, 18, 7, 6));
    IP_IN(8, .dst = HOST2); /* on-link goes by no gateway */
    frame_in = NULL;
    static const unsigned to[] = {2, 254, 254, 9, 9};
    ck_assert_uint_eq(r->nout, 5);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_mem_eq(sent_to(i).b, rig_mac((uint8_t)to[i]).b, 6);
}
END_TEST

/* shows: 1812-FW22 1812-IP15 1812-IP16 1812-FW21 */
START_TEST(is_cut_for_a_smaller_link)
{
    static uint8_t whole[4096];
    ck_assert_int_eq(netif_set_mtu(stack(), eth1, 576), 0);
    rig_forget(r);
    IP_IN(1480, .dst = HOST2, .id = 4711, .ttl = 9);
    ck_assert_uint_eq(r->nout, 3); /* the fewest: 552, 552, 376 */
    ck_assert_uint_eq(reassemble_out(0, whole), 1480);
    ck_assert_mem_eq(whole, pattern(), 1480);
    unsigned last = 0;
    for (unsigned i = 0; i < 3; i++) {
        sent(i);
        ck_assert_uint_eq(outh.id, 4711);
        ck_assert_uint_eq(outh.ttl, 8);
        ck_assert_uint_le(outh.total_len, 576);
        ck_assert(i == 0 || outh.frag_off > last);
        last = outh.frag_off;
    }
    /* A fragment is cut again, in its place, and the last piece keeps its MF; it isn't put together
     * here. */
    rig_forget(r);
    IP_IN(1000, .dst = HOST2, .id = 5, .frag_off = 1480, .flags = IPV4_MF);
    ck_assert_uint_eq(r->nout, 2);
    sent(0);
    ck_assert_uint_eq(outh.frag_off, 1480);
    sent(1);
    ck_assert_uint_eq(outh.frag_off, 1480 + 552);
    ck_assert_uint_eq(outh.flags & IPV4_MF, IPV4_MF);
}
END_TEST

/* shows: 1812-FW23 1191-09 6864-04 */
START_TEST(with_df_the_sender_learns_the_mtu)
{
    ck_assert_int_eq(netif_set_mtu(stack(), eth1, 1400), 0);
    rig_forget(r);
    IP_IN(1400, .dst = HOST2, .flags = IPV4_DF);
    IP_IN(1381, .dst = HOST2, .flags = IPV4_DF); /* one octet too many */
    ck_assert_uint_eq(r->nout, 2);
    for (unsigned i = 0; i < 2; i++) {
        sent_icmp(i, ICMP_UNREACHABLE, ICMP_FRAG_NEEDED);
        ck_assert_uint_eq(wire_get32(outp + 4), 1400);
    }
    rig_forget(r);
    IP_IN(1380, .dst = HOST2, .flags = IPV4_DF); /* fits exactly */
    ck_assert_uint_eq(r->nout, 1);
    sent(0);
    ck_assert_uint_eq(outh.total_len, 1400);
    rig_forget(r);
    set_knob(MTU_BLACKHOLE, 1);
    IP_IN(1400, .dst = HOST2, .flags = IPV4_DF);
    nothing_sent(); /* a black hole; but the journal knows */
    ck_assert_uint_eq(dropped_for(W_FORWARD_TOO_BIG), 3);
    IP_IN(1400, .dst = HOST2);
    ck_assert_uint_eq(r->nout, 2); /* what may be cut is */
}
END_TEST

/* shows: 1812-FW37 1812-FW38 1812-FW39 1812-IC13 1812-FW41 1812-FW42 */
START_TEST(broadcasts_stay_where_they_are)
{
    uint8_t b[64];
    size_t n = build(b, (struct ipv4_hdr){.dst = HOST2}, pattern(), 8);
    raw_in_to((struct td_mac){{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}, b, n);
    raw_in_to((struct td_mac){{0x01, 0, 0x5e, 0, 0, 1}}, b, n);
    nothing_sent();
    ck_assert_uint_eq(dropped_for(W_FORWARD_LINK_BROADCAST), 2);
    IP_IN(8, .dst = TD_IP4(192, 168, 5, 255)); /* directed */
    nothing_sent();
    ck_assert_uint_eq(dropped_for(W_FORWARD_DIRECTED), 3);
    IP_IN(8, .dst = TD_IP4_BROADCAST); /* for us, and no further */
    nothing_sent();
    ck_assert_uint_eq(up.count, 1);
    eth0->knob[IFKNOB_BC_FORWARDING] = 1;
    IP_IN(8, .dst = TD_IP4(192, 168, 5, 255));
    ck_assert_uint_eq(r->nout, 1);
    ck_assert_uint_eq(sent_to(0).b[0], 0xff);
}
END_TEST

/* shows: 1812-FW43 1812-FW44 1812-FW45 1812-FW46 1812-IC14 1812-IP24 1812-IP02 */
START_TEST(martians_are_stopped)
{
    static const td_ip4 from[] = {LOCALHOST,
                                  TD_IP4(0, 1, 2, 3),
                                  TD_IP4(224, 0, 0, 9),
                                  TD_IP4(240, 0, 0, 1),
                                  TD_IP4_BROADCAST,
                                  SUBNET_BCAST,
                                  US,
                                  US2};
    static const td_ip4 to[] = {LOCALHOST, TD_IP4(0, 1, 2, 3), TD_IP4(240, 0, 0, 1)};
    for (unsigned i = 0; i < sizeof from / sizeof *from; i++)
        IP_IN(8, .src = from[i], .dst = HOST2);
    for (unsigned i = 0; i < sizeof to / sizeof *to; i++)
        IP_IN(8, .dst = to[i]);
    nothing_sent();
    ck_assert_uint_eq(events(EV_IP_DROP_MARTIAN_SRC), 8);
    ck_assert_uint_eq(events(EV_IP_DROP_MARTIAN_DST), 3);
    ck_assert_uint_eq(counter(IpInAddrErrors), 11);
    ck_assert_uint_eq(counter(IpForwDatagrams), 0);
}
END_TEST

/* shows: 1812-FW47 ATK-IP-17 */
START_TEST(reverse_path)
{
    eth0->knob[IFKNOB_RP_FILTER] = 1;
    IP_IN(8, .src = TD_IP4(192, 168, 5, 77), .dst = HOST2); /* lives behind eth1 */
    nothing_sent();
    ck_assert_uint_eq(events(EV_IP_DROP_RPF), 1);
    eth0->knob[IFKNOB_RP_FILTER] = 0;
    IP_IN(8, .src = TD_IP4(192, 168, 5, 77), .dst = HOST2);
    ck_assert_uint_eq(r->nout, 1);
    eth0->knob[IFKNOB_RP_FILTER] = 2; /* loose: there is a way back, whichever */
    IP_IN(8, .src = TD_IP4(192, 168, 5, 77), .dst = HOST2);
    ck_assert_uint_eq(r->nout, 2);
    IP_IN(8, .src = FAR, .dst = HOST2);
    ck_assert_uint_eq(r->nout, 3);
    ck_assert_int_eq(ip_route_del(stack(), &(struct fib_route){.gateway = ROUTER}), 0);
    IP_IN(8, .src = FAR, .dst = HOST2); /* none at all now */
    route(TD_IP4(192, 0, 2, 0), 24, FIB_BLACKHOLE, 0, 0);
    IP_IN(8, .src = FAR, .dst = HOST2); /* nor is that one */
    ck_assert_uint_eq(r->nout, 3);
    ck_assert_uint_eq(events(EV_IP_DROP_RPF), 3);
}
END_TEST

/* shows: 1812-FW52 1812-FW53 1812-IP03 1812-FW55 1812-IP08 1812-FW56 1812-IP05 */
START_TEST(options_in_transit)
{
    struct ipv4_hdr h = {.dst = HOST2, .opt_len = 12};
    static const uint8_t unknown[] = {0x9e, 4, 1, 2, 136, 4, 0xab, 0xcd, 1, 1, 1, 0};
    memcpy(h.opt, unknown, sizeof unknown);
    ip_in(h, pattern(), 8);
    sent(0);
    ck_assert_uint_eq(outh.opt_len, 12);
    ck_assert_mem_eq(outh.opt, unknown, 12);

    rig_forget(r); /* record route: room for two, one taken; ours is the address of the egress */
    static const uint8_t rr[] = {7, 11, 8, 1, 2, 3, 4, 0, 0, 0, 0, 0};
    memcpy(h.opt, rr, sizeof rr);
    ip_in(h, pattern(), 8);
    sent(0);
    ck_assert_uint_eq(outh.opt[2], 12);
    ck_assert_uint_eq(wire_get32(outh.opt + 7), US2);
    ck_assert_uint_eq(wire_get32(outh.opt + 3), TD_IP4(1, 2, 3, 4));

    rig_forget(r); /* full: as it was */
    h.opt[2] = 12;
    ip_in(h, pattern(), 8);
    sent(0);
    ck_assert_mem_eq(outh.opt + 3, rr + 3, 8);

    rig_forget(r); /* timestamps with addresses */
    static const uint8_t ts[] = {68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0};
    memcpy(h.opt, ts, sizeof ts);
    ip_in(h, pattern(), 8);
    sent(0);
    ck_assert_uint_eq(outh.opt[2], 13);
    ck_assert_uint_eq(wire_get32(outh.opt + 4), US2);
    ck_assert_uint_ne(wire_get32(outh.opt + 8), 0);

    rig_forget(r); /* no room left: counted */
    h.opt[2] = 13;
    ip_in(h, pattern(), 8);
    sent(0);
    ck_assert_uint_eq(outh.opt[3] >> 4, 1);
}
END_TEST

/* shows: 1812-FW01 1812-IC24 1812-IC11 */
START_TEST(bad_options_in_transit)
{
    struct ipv4_hdr h = {.dst = HOST2, .opt_len = 4, .opt = {7, 1, 4, 0}};
    ip_in(h, pattern(), 8);
    ck_assert_uint_eq(r->nout, 1);
    sent_icmp(0, ICMP_PARAM_PROBLEM, 0);
    ck_assert_uint_eq(outp[4], 21);
    rig_forget(r);
    struct ipv4_hdr route = {.dst = HOST2, .opt_len = 8, .opt = {131, 7, 4, 1, 2, 3, 4, 0}};
    ip_in(route, pattern(), 8);
    nothing_sent();
    ck_assert_uint_eq(dropped_for(W_FORWARD_SOURCE_ROUTE), 2);
}
END_TEST

/* shows: 1812-FW28 792-06 1812-FW27 1812-FW29 1812-FW30 */
START_TEST(a_better_first_hop_is_told)
{
    IP_IN(8, .dst = FAR); /* from PEER by ROUTER, all on eth0 */
    ck_assert_uint_eq(r->nout, 2);
    unsigned redirect = 0, other = 1;
    sent(0);
    if (outh.proto != IPPROTO_ICMP_) {
        redirect = 1;
        other = 0;
    }
    sent_icmp(redirect, ICMP_REDIRECT, 1);
    ck_assert_uint_eq(wire_get32(outp + 4), ROUTER);
    ck_assert_uint_eq(outh.src, US);
    ck_assert_uint_eq(outh.dst, PEER);
    sent(other); /* and it is forwarded all the same */
    ck_assert_uint_eq(outh.dst, FAR);
    rig_forget(r);
    IP_IN(8, .src = TD_IP4(198, 51, 100, 1), .dst = FAR); /* its sender isn't on this subnet */
    ck_assert_uint_eq(r->nout, 1);
    rig_forget(r);
    IP_IN(8, .dst = HOST2); /* leaves elsewhere */
    ck_assert_uint_eq(r->nout, 1);
    rig_forget(r);
    eth0->knob[IFKNOB_SEND_REDIRECTS] = 0;
    advance(10 * TD_SEC);
    rig_forget(r);
    IP_IN(8, .dst = FAR);
    ck_assert_uint_eq(r->nout, 1);
}
END_TEST

/* shows: 1812-IC20 1812-LL02 1812-LL03 */
START_TEST(a_neighbour_that_is_silent)
{
    IP_IN(8, .dst = TD_IP4(192, 168, 5, 200));
    ck_assert_uint_eq(r->nout, 1); /* the question; the datagram waits */
    ck_assert_uint_eq(wire_get16(r->out[0].b + 12), 0x0806);
    advance(10 * TD_SEC);
    unsigned told = 0;
    for (unsigned i = 0; i < r->nout; i++) {
        if (wire_get16(r->out[i].b + 12) == ETHERTYPE_IPV4) {
            sent_icmp(i, ICMP_UNREACHABLE, ICMP_HOST_UNREACH);
            ck_assert_uint_eq(outh.dst, PEER);
            told++;
        }
    }
    ck_assert_uint_eq(told, 1);
}
END_TEST

/* shows: 1812-FW50 1812-FW51 1812-LL07 */
START_TEST(interface_down_and_up)
{
    route(TD_IP4(198, 18, 0, 0), 16, FIB_UNICAST, HOST2, 0);
    ck_assert_int_eq(netif_set_flags(stack(), eth1, 0, TD_IF_UP), 0);
    rig_forget(r);
    IP_IN(8, .dst = TD_IP4(198, 18, 1, 1)); /* falls back to the default route */
    for (unsigned i = 0; i < r->nout; i++) {
        sent(i);
        if (outh.proto == TEST_PROTO)
            ck_assert_mem_eq(sent_to(i).b, ROUTER_MAC.b, 6);
    }
    ck_assert_uint_eq(counter(IpForwDatagrams), 1);
    ck_assert_int_eq(netif_set_flags(stack(), eth1, TD_IF_UP, 0), 0);
    rig_forget(r);
    IP_IN(8, .dst = TD_IP4(198, 18, 1, 1));
    ck_assert_uint_eq(counter(IpForwDatagrams), 2);
    for (unsigned i = 0; i < r->nout; i++) /* by eth1 again: at least asked for there */
        if (wire_get16(r->out[i].b + 12) == ETHERTYPE_IPV4) {
            sent(i);
            ck_assert(memcmp(sent_to(i).b, ROUTER_MAC.b, 6) != 0);
        }
}
END_TEST

/* ---- RFC 1812 5.2.2: what is no header isn't forwarded, whatever is switched ---- */

static uint8_t bad[128];

static void resum(void)
{
    uint32_t hlen = (bad[0] & 15U) * 4;

    wire_put16(bad + 10, 0);
    wire_put16(bad + 10, checksum(bad, hlen < 20 ? 20 : hlen));
}

/* Every kind of bad header once; returns how many. */
static unsigned bad_headers_in(void)
{
    unsigned n = 0;

    for (unsigned len = 0; len < 20; len++, n++) {
        (void)build(bad, (struct ipv4_hdr){.dst = HOST2}, pattern(), 40);
        raw_in(bad, len);
    }
    for (unsigned version = 0; version < 16; version++)
        if (version != 4) {
            (void)build(bad, (struct ipv4_hdr){.dst = HOST2}, pattern(), 40);
            bad[0] = (uint8_t)(version << 4 | 5);
            resum();
            raw_in(bad, 60);
            n++;
        }
    for (unsigned ihl = 0; ihl < 5; ihl++, n++) {
        (void)build(bad, (struct ipv4_hdr){.dst = HOST2}, pattern(), 40);
        bad[0] = (uint8_t)(0x40 | ihl);
        resum();
        raw_in(bad, 60);
    }
    for (unsigned total = 0; total < 20; total++, n++) {
        (void)build(bad, (struct ipv4_hdr){.dst = HOST2}, pattern(), 40);
        wire_put16(bad + 2, total);
        resum();
        raw_in(bad, 60);
    }
    for (unsigned bit = 0; bit < 16; bit++, n++) {
        (void)build(bad, (struct ipv4_hdr){.dst = HOST2}, pattern(), 40);
        bad[10 + bit / 8] ^= (uint8_t)(1U << bit % 8);
        raw_in(bad, 60);
    }
    (void)build(bad, (struct ipv4_hdr){.dst = HOST2, .total_len = 61}, pattern(), 40); /* longer than its frame */
    raw_in(bad, 60);
    return n + 1;
}

/* shows: 1812-FW02 1812-FW03 1812-FW04 1812-FW05 1812-FW06 1812-FW07 1812-FW09 */
START_TEST(bad_headers_go_nowhere)
{
    unsigned n = bad_headers_in();

    nothing_sent();
    ck_assert_uint_eq(counter(IpInHdrErrors), n);
    ck_assert_uint_eq(events(EV_IP_DROP_HEADER) + events(EV_IP_DROP_TRUNCATED), n);
    ck_assert_uint_eq(counter(IpForwDatagrams), 0);
    size_t len = build(bad, (struct ipv4_hdr){.dst = HOST2}, pattern(), 40); /* a trailer is cut off */
    raw_in(bad, len + 30);
    sent(0);
    ck_assert_uint_eq(r->out[0].len, 14 + 60);
}
END_TEST

/* No knob, at its least or its greatest, lets a bad header through. */
/* shows: 1812-FW08 1812-IP12 */
START_TEST(no_switch_lets_bad_headers_through)
{
    for (unsigned k = 0; k < KNOB_COUNT; k++)
        for (unsigned end = 0; end < 2; end++) {
            int64_t before = r->st.knobs.v[k][0];

            r->st.knobs.v[k][0] = end == 0 ? knob_info[k].min : knob_info[k].max;
            (void)bad_headers_in();
            ck_assert_uint_eq(counter(IpForwDatagrams), 0);
            r->st.knobs.v[k][0] = before;
        }
    for (unsigned k = 0; k < IFKNOB_COUNT; k++)
        for (int64_t v = 0; v < 3; v++) {
            int64_t before = eth0->knob[k];

            eth0->knob[k] = v;
            (void)bad_headers_in();
            ck_assert_uint_eq(counter(IpForwDatagrams), 0);
            eth0->knob[k] = before;
        }
    nothing_sent();
}
END_TEST

/* ---- source routes ---- */

/* LSRR or SSRR with these stops, its pointer at stop `at`. */
static struct ipv4_hdr source_routed(td_ip4 dst, uint8_t type, unsigned at, unsigned n, const td_ip4 *stop)
{
    struct ipv4_hdr h = {.dst = dst, .opt_len = (uint8_t)((3 + 4 * n + 3) & ~3U)};

    h.opt[0] = type;
    h.opt[1] = (uint8_t)(3 + 4 * n);
    h.opt[2] = (uint8_t)(4 + 4 * at);
    for (unsigned i = 0; i < n; i++)
        wire_put32(h.opt + 3 + 4 * i, stop[i]);
    return h;
}

/* shows: 1812-FW12 1812-FW54 1812-FW55 */
START_TEST(a_source_route_is_followed_when_allowed)
{
    const td_ip4 stops[] = {TD_IP4(10, 0, 0, 77), HOST2, FAR};
    struct ipv4_hdr h = source_routed(US, IPOPT_LSRR_, 1, 3, stops);

    ip_in(h, pattern(), 8);
    nothing_sent(); /* refused until it is allowed */
    set_knob(IP_ACCEPT_SOURCE_ROUTE, 1);
    ip_in(h, pattern(), 8);
    ck_assert_uint_eq(r->nout, 1);
    sent(0); /* to the next stop, not the last */
    ck_assert_mem_eq(sent_to(0).b, HOST2_MAC.b, 6);
    ck_assert_uint_eq(outh.dst, HOST2);
    ck_assert_uint_eq(outh.src, PEER);
    ck_assert_uint_eq(outh.ttl, 63);
    ck_assert_uint_eq(outh.opt[2], 12);
    ck_assert_uint_eq(wire_get32(outh.opt + 3), stops[0]);
    ck_assert_uint_eq(wire_get32(outh.opt + 7), US2); /* its place is ours now, as we leave */
    ck_assert_uint_eq(wire_get32(outh.opt + 11), FAR);
    ck_assert_uint_eq(up.count, 0);

    rig_forget(r); /* for somebody else: as it is */
    h = source_routed(HOST2, IPOPT_LSRR_, 1, 3, stops);
    ip_in(h, pattern(), 8);
    sent(0);
    ck_assert_uint_eq(outh.dst, HOST2);
    ck_assert_mem_eq(outh.opt, h.opt, 15);

    rig_forget(r); /* at its end it is ours, router or not */
    h = source_routed(US, IPOPT_LSRR_, 3, 3, stops);
    ip_in(h, pattern(), 8);
    nothing_sent();
    ck_assert_uint_eq(up.count, 1);
}
END_TEST

/* shows: 1812-FW10 1812-FW20 1812-FW13 */
START_TEST(source_routes_that_cant_be_followed)
{
    const td_ip4 far[] = {FAR}, near[] = {HOST2}, ours[] = {US2}, group[] = {IP_ALL_HOSTS};
    set_knob(IP_ACCEPT_SOURCE_ROUTE, 1);
    set_knob(ICMP_RATELIMIT, 0);
    ip_in(source_routed(US, IPOPT_SSRR_, 0, 1, near), pattern(), 8); /* strict, and a neighbour */
    sent(0);
    ck_assert_uint_eq(outh.dst, HOST2);
    rig_forget(r);
    ip_in(source_routed(US, IPOPT_SSRR_, 0, 1, far), pattern(), 8); /* strict, and behind a router */
    ck_assert_uint_eq(r->nout, 1);
    sent_icmp(0, ICMP_UNREACHABLE, ICMP_SR_FAILED);
    ck_assert_uint_eq(outh.dst, PEER);
    rig_forget(r);
    ip_in(source_routed(US, IPOPT_LSRR_, 0, 1, far), pattern(), 8); /* loose: no matter */
    for (unsigned i = 0; i < r->nout; i++) {
        sent(i);
        ck_assert_uint_ne(outh.proto, IPPROTO_ICMP_); /* and no redirect to who has named his way */
    }
    ck_assert_uint_eq(r->nout, 1);
    ck_assert_uint_eq(outh.dst, FAR);
    rig_forget(r);
    ip_in(source_routed(US, IPOPT_LSRR_, 0, 1, ours), pattern(), 8);
    ip_in(source_routed(US, IPOPT_LSRR_, 0, 1, group), pattern(), 8);
    ck_assert_uint_eq(r->nout, 2);
    sent_icmp(0, ICMP_UNREACHABLE, ICMP_SR_FAILED);
    sent_icmp(1, ICMP_UNREACHABLE, ICMP_SR_FAILED);
    rig_forget(r);
    ip_in(source_routed(HOST2, IPOPT_SSRR_, 0, 1, far), pattern(), 8); /* strict, and not for us */
    ck_assert_uint_eq(r->nout, 1);
    sent_icmp(0, ICMP_PARAM_PROBLEM, 0);
    ck_assert_uint_eq(outp[4], 16); /* the destination */
    rig_forget(r);
    struct ipv4_hdr two = source_routed(HOST2, IPOPT_LSRR_, 0, 1, near);
    two.opt_len = 16;
    memcpy(two.opt + 8, two.opt, 8);
    two.opt[7] = IPOPT_NOP_;
    ip_in(two, pattern(), 8);
    ck_assert_uint_eq(r->nout, 1);
    sent_icmp(0, ICMP_PARAM_PROBLEM, 0);
    ck_assert_uint_eq(outp[4], 28); /* the second one */
    ck_assert_uint_eq(counter(IpForwDatagrams), 2);
}
END_TEST

/* A link of the least MTU that RFC 791 allows: 68 octets pass whole, what is more is cut into eights, in its place. */
/* shows: 791-01 ATK-FRAG-17 */
START_TEST(the_smallest_link)
{
    static uint8_t whole[4096];
    ck_assert_int_eq(netif_set_mtu(stack(), eth1, 68), 0);
    rig_forget(r);
    IP_IN(48, .dst = HOST2, .id = 3);
    ck_assert_uint_eq(r->nout, 1);
    sent(0);
    ck_assert_uint_eq(outh.total_len, 68);
    rig_forget(r);
    IP_IN(49, .dst = HOST2, .id = 3);
    ck_assert_uint_eq(r->nout, 2);
    rig_forget(r);
    /* a middle fragment: offsets go on from its own, MF stays on all */
    IP_IN(200, .dst = HOST2, .id = 4, .frag_off = 800, .flags = IPV4_MF);
    ck_assert_uint_eq(r->nout, 5);
    for (unsigned i = 0; i < 5; i++) {
        sent(i);
        ck_assert_uint_eq(outh.frag_off, 800 + 48 * i);
        ck_assert_uint_eq(outh.flags, IPV4_MF);
        ck_assert_uint_gt(outn, 0);
    }
    rig_forget(r); /* the last one: MF on all but the true last */
    IP_IN(100, .dst = HOST2, .id = 4, .frag_off = 1000);
    ck_assert_uint_eq(r->nout, 3);
    ck_assert_uint_eq(reassemble_out(0, whole), 1100);
    rig_forget(r); /* with DF the first of them is answered, and those behind it aren't */
    IP_IN(200, .dst = HOST2, .id = 5, .flags = IPV4_MF | IPV4_DF);
    IP_IN(200, .dst = HOST2, .id = 5, .frag_off = 200, .flags = IPV4_DF);
    ck_assert_uint_eq(r->nout, 1);
    sent_icmp(0, ICMP_UNREACHABLE, ICMP_FRAG_NEEDED);
    ck_assert_uint_eq(wire_get32(outp + 4), 68);
}
END_TEST

/* Two routers whose default routes point at each other: the test is the other one. */
/* shows: ATK-IP-22 */
START_TEST(a_loop_ends)
{
    unsigned passes = 0, told = 0;
    uint8_t b[128];
    size_t n = build(b, (struct ipv4_hdr){.dst = FAR, .ttl = 64}, pattern(), 8);
    raw_in(b, n);
    while (r->nout > 0) {
        bool again = false;
        for (unsigned i = 0; i < r->nout; i++) {
            sent(i);
            if (outh.proto == IPPROTO_ICMP_) { /* a redirect, once: its sender is a neighbour; the end */
                told += outp[0] == ICMP_TIME_EXCEEDED;
                continue;
            }
            passes++;
            n = build(b, (struct ipv4_hdr){.dst = FAR, .ttl = (uint8_t)(outh.ttl - 1)}, pattern(), 8);
            again = outh.ttl > 1;
        }
        rig_forget(r);
        if (again)
            raw_in(b, n);
    }
    ck_assert_uint_eq(passes, 32);
    ck_assert_uint_le(told, 1);
    rig_forget(r); /* and nothing goes by a gateway that is ourselves */
    ck_assert_int_lt(ip_route_add(stack(), &(struct fib_route){.prefix = TD_IP4(198, 18, 0, 0), .plen = 16, .gateway = US}, false), 0);
}
END_TEST

/* ---- who is told, and how ---- */

/* shows: 1812-IC10 1812-IC12 1812-IC15 1812-IC16 */
START_TEST(what_nobody_is_told_about)
{
    uint8_t quote[28];
    set_knob(ICMP_RATELIMIT, 0);
    (void)build(quote, (struct ipv4_hdr){.src = HOST2, .dst = PEER}, pattern(), 8);
    icmp_in((struct ipv4_hdr){.dst = HOST2, .ttl = 1}, ICMP_UNREACHABLE, 1, 0, quote, 28); /* an error */
    IP_IN(8, .dst = TD_IP4(224, 5, 5, 5), .ttl = 1);                      /* a group */
    IP_IN(8, .dst = TD_IP4(192, 168, 5, 255), .ttl = 1);                  /* a broadcast */
    IP_IN(8, .dst = HOST2, .ttl = 1, .frag_off = 8);                      /* a later fragment … */
    ck_assert_int_eq(ip_route_del(stack(), &(struct fib_route){.gateway = ROUTER}), 0);
    IP_IN(8, .dst = FAR, .frag_off = 8);                                  /* … with no route */
    IP_IN(8, .src = LOCALHOST, .dst = HOST2, .ttl = 1);                   /* a martian */
    route(TD_IP4(198, 18, 3, 0), 24, FIB_BLACKHOLE, 0, 0);
    IP_IN(8, .dst = TD_IP4(198, 18, 3, 1), .ttl = 1);
    nothing_sent();
    ck_assert_uint_eq(counter(IpForwDatagrams), 0);
    IP_IN(8, .dst = HOST2, .ttl = 1, .flags = IPV4_MF); /* the first fragment */
    sent_icmp(0, ICMP_TIME_EXCEEDED, 0);
}
END_TEST

/* shows: 1812-IC07 1812-IP09 */
START_TEST(errors_go_first_class)
{
    IP_IN(8, .dst = HOST2, .ttl = 1, .tos = 0x2b, .flags = IPV4_EVIL);
    sent_icmp(0, ICMP_TIME_EXCEEDED, 0);
    ck_assert_uint_eq(outh.tos, 0xc8); /* precedence 6, TOS as it came, no ECN */
    ck_assert_uint_eq(outh.flags & IPV4_EVIL, 0);
    rig_forget(r);
    IP_IN(8, .dst = US, .proto = 99, .tos = 0x2b); /* a host's error: RFC 1122 3.2.2 */
    sent_icmp(0, ICMP_UNREACHABLE, ICMP_PROTO_UNREACH);
    ck_assert_uint_eq(outh.tos, 0);
    rig_forget(r);
    PING(8, .dst = US, .flags = IPV4_EVIL);
    sent_icmp(0, ICMP_ECHO_REPLY, 0);
    ck_assert_uint_eq(outh.flags & IPV4_EVIL, 0);
}
END_TEST

/* What hosts are told isn't for routers: the redirected destination keeps its way for transit, whatever the knob says. */
/* shows: 1812-IC22 1812-FW31 */
START_TEST(redirects_steer_nothing)
{
    for (int64_t accept = 0; accept < 2; accept++) {
        uint8_t quote[28];
        eth0->knob[IFKNOB_ACCEPT_REDIRECTS] = accept;
        (void)build(quote, (struct ipv4_hdr){.src = US, .dst = FAR}, pattern(), 8);
        rig_forget(r);
        icmp_in((struct ipv4_hdr){.src = ROUTER}, ICMP_REDIRECT, 1, PEER, quote, 28);
        frame_in = eth1;
        IP_IN(8, .src = HOST2, .dst = FAR);
        frame_in = NULL;
        ck_assert_uint_eq(r->nout, 1);
        ck_assert_mem_eq(sent_to(0).b, ROUTER_MAC.b, 6);
    }
}
END_TEST

/* RFC 1812 5.2.1.2: the next hop is found first, then the TTL is looked at, then options, then the size. */
/* shows: 1812-FW58 */
START_TEST(objections_in_their_order)
{
    struct ipv4_hdr h = {.opt_len = 4, .opt = {7, 1, 4, 0}, .flags = IPV4_DF};
    set_knob(ICMP_RATELIMIT, 0);
    ck_assert_int_eq(netif_set_mtu(stack(), eth1, 576), 0);
    route(TD_IP4(198, 18, 2, 0), 24, FIB_PROHIBIT, 0, 0);
    rig_forget(r);
    h.ttl = 1;
    h.dst = TD_IP4(198, 18, 2, 1);
    ip_in(h, pattern(), 1000);
    sent_icmp(0, ICMP_UNREACHABLE, ICMP_ADMIN_PROHIBITED);
    h.dst = HOST2;
    ip_in(h, pattern(), 1000);
    sent_icmp(1, ICMP_TIME_EXCEEDED, 0);
    h.ttl = 9;
    ip_in(h, pattern(), 1000);
    sent_icmp(2, ICMP_PARAM_PROBLEM, 0);
    h.opt_len = 0;
    ip_in(h, pattern(), 1000);
    sent_icmp(3, ICMP_UNREACHABLE, ICMP_FRAG_NEEDED);
    eth0->knob[IFKNOB_RP_FILTER] = 1; /* a policy's refusal beats the TTL */
    IP_IN(8, .src = TD_IP4(192, 168, 5, 77), .dst = HOST2, .ttl = 1);
    ck_assert_uint_eq(r->nout, 4);
}
END_TEST

/* shows: 1812-FW11 */
START_TEST(ours_theirs_or_both)
{
    static const struct {
        td_ip4 dst;
        unsigned ours, passed;
    } c[] = {{US, 1, 0}, {US2, 1, 0}, {TD_IP4_BROADCAST, 1, 0}, {SUBNET_BCAST, 1, 0}, {HOST2, 0, 1},
             {TD_IP4(192, 168, 5, 255), 1, 1}, {IP_ALL_HOSTS, 1, 0}, {TD_IP4(224, 5, 5, 5), 0, 0}};
    eth0->knob[IFKNOB_BC_FORWARDING] = 1;
    for (unsigned i = 0; i < sizeof c / sizeof *c; i++) {
        uint64_t ours = up.count, passed = counter(IpForwDatagrams);
        IP_IN(8, .dst = c[i].dst);
        ck_assert_uint_eq(up.count - ours, c[i].ours);
        ck_assert_uint_eq(counter(IpForwDatagrams) - passed, c[i].passed);
    }
}
END_TEST

/* A line that takes nothing: what doesn't fit in its queue is dropped there, and nobody is told (RFC 6633). */
/* shows: 1812-FW57 1812-IC23 1812-IC17 6633-03 */
START_TEST(congestion_drops_quietly)
{
    r->dev[1].answer = -EAGAIN;
    for (unsigned i = 0; i < 2000; i++)
        IP_IN(8, .dst = HOST2, .id = (uint16_t)i);
    ck_assert_uint_eq(r->nout, 0);
    ck_assert_uint_gt(eth1->stats.tx_dropped, 900);
    ck_assert_uint_eq(counter(IcmpOutMsgs), 0);
    ck_assert_uint_gt(events(EV_LINK_DROP_QDISC), 900);
    r->dev[1].answer = 0; /* and who is told by others doesn't listen */
    uint8_t quote[28];
    (void)build(quote, (struct ipv4_hdr){.src = US, .dst = HOST2}, pattern(), 8);
    icmp_in((struct ipv4_hdr){0}, ICMP_SOURCE_QUENCH, 0, 0, quote, 28);
    ck_assert_uint_eq(events(EV_ICMP_DROP_SOURCE_QUENCH), 1);
    ck_assert_uint_eq(err.count, 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("forward");
    TCase *t = tcase_create("forward");
    tcase_add_checked_fixture(t, router_setup, ip_teardown);
    suite_add_tcase(s, t);
    tcase_add_test(t, passes_through_with_one_hop_less);
    tcase_add_test(t, checksum_is_updated_right);
    tcase_add_test(t, is_off_until_it_is_wanted);
    tcase_add_test(t, last_hop_is_told);
    tcase_add_test(t, routes_that_forbid);
    tcase_add_test(t, longest_match_wins);
    tcase_add_test(t, is_cut_for_a_smaller_link);
    tcase_add_test(t, with_df_the_sender_learns_the_mtu);
    tcase_add_test(t, broadcasts_stay_where_they_are);
    tcase_add_test(t, martians_are_stopped);
    tcase_add_test(t, reverse_path);
    tcase_add_test(t, options_in_transit);
    tcase_add_test(t, bad_options_in_transit);
    tcase_add_test(t, a_better_first_hop_is_told);
    tcase_add_test(t, a_neighbour_that_is_silent);
    tcase_add_test(t, interface_down_and_up);
    tcase_add_test(t, bad_headers_go_nowhere);
    tcase_add_test(t, no_switch_lets_bad_headers_through);
    tcase_add_test(t, a_source_route_is_followed_when_allowed);
    tcase_add_test(t, source_routes_that_cant_be_followed);
    tcase_add_test(t, the_smallest_link);
    tcase_add_test(t, a_loop_ends);
    tcase_add_test(t, what_nobody_is_told_about);
    tcase_add_test(t, errors_go_first_class);
    tcase_add_test(t, redirects_steer_nothing);
    tcase_add_test(t, objections_in_their_order);
    tcase_add_test(t, ours_theirs_or_both);
    tcase_add_test(t, congestion_drops_quietly);
    return s;
}

CHECK_MAIN(suite)
