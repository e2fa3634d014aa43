/* What may leave, where it goes, and how it is cut (RFC 791 3.2; RFC 1122 3.2.1, 3.3.3, 3.3.6). */
#include "prng.h" /* first: the rig has an r of its own */

#include "ip_rig.h"

static uint8_t whole[65536];

/* ---- what may be sent ---- */

/* shows: 1122-I013 1122-I137 1122-I157 1812-IP21 1812-IP23 1812-IP25 */
START_TEST(test_sources)
{
    static const td_ip4 bad[] = {PEER,
                                 FAR,
                                 SUBNET_BCAST,
                                 TD_IP4_BROADCAST,
                                 LOCALHOST,
                                 IP_ALL_HOSTS,
                                 TD_IP4(10, 0, 0, 0),
                                 TD_IP4(0, 0, 0, 9),
                                 TD_IP4(240, 0, 0, 1)};

    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_int_eq(IP_SEND(10, .dst = PEER, .src = bad[i]), -EINVAL);
        ck_assert_uint_eq(events(EV_IP_OUT_DROP_SOURCE), i + 1);
    }
    nothing_sent();
    ck_assert_uint_eq(counter(IpOutDiscards), 9);
    ck_assert_int_eq(IP_SEND(10, .dst = PEER, .src = US), 0);
    ck_assert_int_eq(IP_SEND(10, .dst = PEER, .src = US2), 0); /* weak: any of ours */
    /* a host that looks for its address says 0.0.0.0, and only when it says so */
    ck_assert_int_eq(IP_SEND(10, .dst = TD_IP4_BROADCAST, .ifindex = eth0->index,
                             .flags = IP_TX_BROADCAST | IP_TX_NO_SRC_CHECK),
                     0);
    sent(2);
    ck_assert_uint_eq(outh.src, 0);
    ck_assert_int_eq(IP_SEND(10, .dst = PEER, .src = LOCALHOST, .flags = IP_TX_NO_SRC_CHECK),
                     -EINVAL); /* 127/8 never */
}
END_TEST

/* shows: 1122-I157 */
START_TEST(test_destinations)
{
    static const td_ip4 bad[] = {0, TD_IP4(0, 0, 0, 9), TD_IP4(240, 0, 0, 1)};

    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(IP_SEND(10, .dst = bad[i]), -EINVAL);
    ck_assert_uint_eq(events(EV_IP_OUT_DROP_DESTINATION), 3);
    /* 127/8 comes back and never leaves, whatever interface is named, even without its route */
    ck_assert_int_eq(IP_SEND(10, .dst = TD_IP4(127, 3, 2, 1), .ifindex = eth0->index), 0);
    ck_assert_uint_eq(up.count, 1);
    ck_assert_int_eq(ip_addr_del(stack(), lo->index, LOCALHOST, 8), 0);
    ck_assert_int_eq(IP_SEND(10, .dst = LOCALHOST), -EINVAL);
    nothing_sent();
    ck_assert_uint_eq(up.count, 1);
}
END_TEST

/* shows: 1122-I021 1122-I023 1122-I024 1122-I018 1812-IP20 */
START_TEST(test_ttl_and_tos)
{
    ck_assert_int_eq(IP_SEND(10, .dst = PEER), 0);
    sent(0);
    ck_assert_uint_eq(outh.ttl, 64);
    ck_assert_uint_eq(outh.tos, 0);
    for (unsigned ttl = 1; ttl < 256; ttl++) {
        ck_assert_int_eq(IP_SEND(10, .dst = PEER, .ttl = (uint8_t)ttl, .tos = (uint8_t)ttl), 0);
        sent(ttl);
        ck_assert_uint_eq(outh.ttl, ttl);
        ck_assert_uint_eq(outh.tos, ttl);
    }
    rig_forget(r);
    set_knob(IP_DEFAULT_TTL, 32);
    ck_assert_int_eq(IP_SEND(10, .dst = PEER), 0); /* .ttl 0 is the default, never 0 */
    sent(0);
    ck_assert_uint_eq(outh.ttl, 32);
}
END_TEST

/* shows: 1122-I025 1122-I036 1122-I149 */
START_TEST(test_options)
{
    static const uint8_t opt[] = {1, 7, 7, 4, 0, 0, 0, 0, 0};
    static const uint8_t two[] = {0x83, 7, 4, 10, 0, 0, 9, 0x89, 7, 4, 10, 0, 0, 9};
    static const uint8_t one[] = {0x83, 7, 4, 10, 0, 0, 9};
    static const uint8_t broken[] = {7, 99, 4};
    uint8_t many[44] = {1, 1, 1, 1};

    ck_assert_int_eq(IP_SEND(10, .dst = PEER, .opt = opt, .opt_len = 9), 0);
    sent(0);
    ck_assert_uint_eq(outh.opt_len, 12);
    ck_assert_mem_eq(outh.opt, opt, 9);
    ck_assert_uint_eq(outh.opt[9] | outh.opt[10] | outh.opt[11], 0); /* 791: padding is zero */
    ck_assert_mem_eq(outp, pattern(), 10);
    rig_forget(r);
    ck_assert_int_eq(IP_SEND(10, .dst = PEER, .opt = two, .opt_len = 14), -EINVAL);
    ck_assert_int_eq(
        IP_SEND(10, .dst = PEER, .opt = two, .opt_len = 14, .flags = IP_TX_ANSWER_ROUTE), -EINVAL);
    ck_assert_int_eq(IP_SEND(10, .dst = PEER, .opt = one, .opt_len = 7), -EINVAL);
    ck_assert_int_eq(IP_SEND(10, .dst = PEER, .opt = broken, .opt_len = 3), -EINVAL);
    ck_assert_int_eq(IP_SEND(10, .dst = PEER, .opt = many, .opt_len = 44), -EINVAL);
    ck_assert_uint_eq(events(EV_IP_OUT_DROP_OPTIONS), 5);
    nothing_sent();
}
END_TEST

/* ---- where it goes ---- */

START_TEST(test_unicast)
{
    ck_assert_int_eq(IP_SEND(10, .dst = PEER), 0);
    sent(0);
    ck_assert(mac_eq(sent_to(0), PEER_MAC));
    ck_assert_uint_eq(outh.src, US);
    ck_assert_int_eq(IP_SEND(10, .dst = FAR), 0);
    sent(1);
    ck_assert(mac_eq(sent_to(1), ROUTER_MAC));
    ck_assert_uint_eq(outh.dst, FAR);
    ck_assert_int_eq(IP_SEND(10, .dst = FAR, .flags = IP_TX_DONTROUTE), -ENETUNREACH);
    ck_assert_int_eq(IP_SEND(10, .dst = PEER, .flags = IP_TX_DONTROUTE), 0);
    ck_assert_uint_eq(r->nout, 3);
    ck_assert_uint_eq(counter(IpOutNoRoutes), 1);
    ck_assert_uint_eq(counter(IpOutRequests), 4);
}
END_TEST

/* shows: 1122-I142 1122-I140 1122-I144 1122-I156 1812-FW40 */
START_TEST(test_broadcasts)
{
    static const td_ip4 dst[] = {TD_IP4_BROADCAST, SUBNET_BCAST, TD_IP4(10, 0, 0, 0)};

    ck_assert_int_eq(IP_SEND(10, .dst = dst[_i]), -EACCES);
    ck_assert_uint_eq(events(EV_IP_OUT_DROP_BROADCAST), 1);
    nothing_sent();
    ck_assert_int_eq(IP_SEND(10, .dst = dst[_i], .flags = IP_TX_BROADCAST), 0);
    ck_assert_uint_eq(r->nout, 1); /* by no gateway, although there is a default route */
    sent(0);
    ck_assert(mac_is_broadcast(sent_to(0)));
    ck_assert_uint_eq(r->out[0].ifindex, eth0->index);
    ck_assert_uint_eq(outh.src, US);
    ck_assert_uint_eq(outh.dst, dst[_i]);
    ck_assert_uint_eq(up.count, 1); /* we hear ourselves, as on the interface it went by */
    ck_assert(up.rx.bcast);
    ck_assert_ptr_eq(up.rx.nif, eth0);
    ck_assert_uint_eq(counter(IpExtOutBcastPkts), 1);
    /* and no unicast datagram ever goes into a broadcast frame */
    ck_assert_int_eq(IP_SEND(10, .dst = PEER, .flags = IP_TX_BROADCAST), 0);
    ck_assert(!mac_is_multicast(sent_to(1)));
}
END_TEST

START_TEST(test_broadcast_interface)
{
    ck_assert_int_eq(
        IP_SEND(10, .dst = TD_IP4_BROADCAST, .ifindex = eth1->index, .flags = IP_TX_BROADCAST), 0);
    ck_assert_uint_eq(r->out[0].ifindex, eth1->index);
    sent(0);
    ck_assert_uint_eq(outh.src, US2);
    ck_assert_int_eq(IP_SEND(10, .dst = TD_IP4_BROADCAST, .src = US2, .flags = IP_TX_BROADCAST), 0);
    ck_assert_uint_eq(r->out[1].ifindex, eth1->index);
    ck_assert_int_eq(IP_SEND(10, .dst = TD_IP4_BROADCAST, .ifindex = 99, .flags = IP_TX_BROADCAST),
                     -ENODEV);
}
END_TEST

/* shows: 1122-I156 1122-I145 */
START_TEST(test_groups)
{
    td_ip4 group = TD_IP4(239, 129, 2, 3);
    static const struct td_mac mapped = {{1, 0, 0x5e, 1, 2, 3}};

    ck_assert_int_eq(IP_SEND(10, .dst = group), 0);
    sent(0);
    ck_assert(mac_eq(sent_to(0), mapped)); /* straight, although there is a default route */
    ck_assert_uint_eq(outh.ttl, 1);
    ck_assert_uint_eq(up.count, 0);
    ck_assert_int_eq(ip_mcast_join(stack(), eth0, group), 0);
    ck_assert_int_eq(IP_SEND(10, .dst = group, .flags = IP_TX_MCAST_LOOP, .ttl = 5), 0);
    ck_assert_uint_eq(up.count, 1);
    ck_assert(up.rx.mcast);
    ck_assert_int_eq(IP_SEND(10, .dst = group), 0); /* loop not asked for */
    ck_assert_uint_eq(up.count, 1);
    ck_assert_uint_eq(counter(IpExtOutMcastPkts), 3);
}
END_TEST

START_TEST(test_loopback)
{
    ck_assert_int_eq(IP_SEND(3000, .dst = US), 0);
    ck_assert_uint_eq(up.count, 1);
    ck_assert_uint_eq(up.len, 3000);
    ck_assert_uint_eq(up.rx.h.src, US);
    ck_assert_ptr_eq(up.rx.nif, lo);
    ck_assert_uint_ne(up.flags & PKT_LOOPBACK, 0);
    ck_assert_int_eq(IP_SEND(10, .dst = TD_IP4(127, 0, 0, 2)), 0);
    ck_assert_uint_eq(up.rx.h.src, LOCALHOST);
    ck_assert_int_eq(IP_SEND(10, .dst = US2, .src = US), 0);
    ck_assert_uint_eq(up.count, 3);
    nothing_sent();
}
END_TEST

/* ---- size ---- */

/* shows: 1122-I119 791-02 1122-I160 */
START_TEST(test_fragmentation)
{
    static const struct {
        uint32_t mtu, n, frags;
    } t[] = {{1500, 1480, 1}, {1500, 1481, 2},   {1500, 4000, 3}, {576, 4000, 8},  {68, 100, 3},
             {1500, 8008, 6}, {1500, 65515, 45}, {9000, 8980, 1}, {9000, 8981, 2}, {1001, 1961, 3}};
    uint32_t mtu = t[_i].mtu, first = mtu > 1500 ? 1500 : mtu;
    uint16_t id = 0;

    ck_assert_int_eq(netif_set_mtu(stack(), eth0, mtu), 0);
    if (mtu > 1500) { /* frames that long don't fit the rig's record */
        struct ip_route_result res;

        ck_assert_int_eq(ip_route(stack(), PEER, 0, 0, &res), 0);
        ck_assert_uint_eq(res.mtu, mtu);
        ck_assert_int_eq(netif_set_mtu(stack(), eth0, 1500), 0);
        return;
    }
    ck_assert_int_eq(IP_SEND(t[_i].n, .dst = PEER), 0);
    ck_assert_uint_eq(r->nout, t[_i].frags);
    for (unsigned i = 0; i < r->nout; i++) {
        sent(i);
        ck_assert_uint_le(outh.total_len, first);
        ck_assert_uint_eq((outh.flags & IPV4_MF) != 0, i + 1 < r->nout);
        ck_assert_uint_eq(outh.flags & (IPV4_DF | IPV4_EVIL), 0);
        if (i > 0)
            ck_assert_uint_eq(outh.id, id);
        id = outh.id;
    }
    ck_assert_uint_eq(reassemble_out(0, whole), t[_i].n);
    ck_assert_mem_eq(whole, pattern(), t[_i].n);
    ck_assert_uint_eq(counter(IpFragCreates), t[_i].frags > 1 ? t[_i].frags : 0);
}
END_TEST

/* shows: 791-07 */
START_TEST(test_copied_options)
{
    /* NOP, record route (first only), an unknown one with the copy bit, one without */
    static const uint8_t opt[] = {1, 7, 7, 4, 0, 0, 0, 0, 0x9e, 5, 1, 2, 3, 0x1e, 4, 9, 9};
    static const uint8_t copied[] = {0x9e, 5, 1, 2, 3, 0, 0, 0};

    ck_assert_int_eq(IP_SEND(4000, .dst = PEER, .opt = opt, .opt_len = sizeof opt), 0);
    ck_assert_uint_eq(r->nout, 3);
    sent(0);
    ck_assert_uint_eq(outh.opt_len, 20);
    ck_assert_mem_eq(outh.opt, opt, sizeof opt);
    for (unsigned i = 1; i < 3; i++) {
        sent(i);
        ck_assert_uint_eq(outh.opt_len, 8);
        ck_assert_mem_eq(outh.opt, copied, 8);
    }
    ck_assert_uint_eq(reassemble_out(0, whole), 4000);
    ck_assert_mem_eq(whole, pattern(), 4000);
}
END_TEST

/* shows: 791-06 1122-I120 1122-I118 1122-I115 */
START_TEST(test_df_and_sizes)
{
    struct ip_route_result res;

    ck_assert_int_eq(ip_route(stack(), PEER, 0, 0, &res), 0);
    ck_assert_uint_eq(res.mtu - IPV4_HLEN, 1480); /* MMS_S */
    ck_assert_uint_eq(IP_MMS_R, 65515);
    ck_assert_int_eq(IP_SEND(1480, .dst = PEER, .flags = IP_TX_DF), 0);
    sent(0);
    ck_assert_uint_eq(outh.flags, IPV4_DF);
    ck_assert_int_eq(IP_SEND(1481, .dst = PEER, .flags = IP_TX_DF), -EMSGSIZE);
    ck_assert_uint_eq(r->nout, 1);
    ck_assert_uint_eq(counter(IpFragFails), 1);
    ck_assert_uint_eq(events(EV_IP_OUT_DROP_SIZE), 1);
    ck_assert_int_eq(IP_SEND(65516, .dst = PEER), -EMSGSIZE); /* beyond 65,535 with its header */
    ck_assert_int_eq(IP_SEND(65515, .dst = PEER), 0);
}
END_TEST

START_TEST(test_partial_checksum_is_completed)
{
    struct ip_tx tx = {.dst = PEER, .proto = IPPROTO_UDP_};

    for (unsigned n = 8; n < 4000; n += 1601) {
        struct pkt *p = payload(n);
        uint32_t pseudo = checksum_pseudo(US, PEER, IPPROTO_UDP_, n);

        wire_put16(p->data + 6, checksum_fold(pseudo));
        p->csum = PKT_CSUM_PARTIAL;
        p->csum_start = 0;
        p->csum_offset = 6;
        rig_forget(r);
        if (n <= 1480) /* one piece: the device's affair, but it must find the place */
            ck_assert(ip_csum_complete(p, IPPROTO_UDP_));
        ck_assert_int_eq(ip_output(stack(), p, &tx), 0);
        rig_flush(r);
        ck_assert_uint_eq(reassemble_out(0, whole), n);
        ck_assert_uint_eq(checksum_fold(checksum_add(pseudo, whole, n)), 0xffff);
    }
    /* A sum that comes out as zero goes as all ones, in UDP */
    uint8_t zero[8] = {0, 0, 0, 0, 0xff, 0xff, 0, 0};
    struct pkt *p = pkt_from_bytes(&r->st.mem, 64, zero, 8);

    p->csum = PKT_CSUM_PARTIAL;
    p->csum_offset = 6;
    ck_assert(ip_csum_complete(p, IPPROTO_UDP_));
    ck_assert_uint_eq(wire_get16(p->data + 6), 0xffff);
    pkt_free(p);
}
END_TEST

START_TEST(test_fragments_of_slices)
{
    struct prng rng = {.state = 5};

    for (unsigned round = 0; round < prng_rounds(50); round++) {
        struct pkt *p = payload(prng_below(&rng, 300));
        uint32_t n = p->len, want = 1500 + prng_below(&rng, 8000);
        struct ip_tx tx = {.dst = PEER, .proto = TEST_PROTO};

        while (n < want) {
            uint32_t len = 1 + prng_below(&rng, 3000);
            struct pkt_block *b = pkt_block_alloc(&r->st.mem, len + 10);

            memcpy(b->bytes + 3, pattern() + n, len);
            ck_assert_int_eq(pkt_append_slice(p, b, 3, len), 0);
            pkt_block_free(b);
            n += len;
        }
        rig_forget(r);
        ck_assert_int_eq(ip_output(stack(), p, &tx), 0);
        rig_flush(r);
        ck_assert_uint_eq(reassemble_out(0, whole), n);
        ck_assert_mem_eq(whole, pattern(), n);
    }
}
END_TEST

START_TEST(test_no_memory)
{
    for (unsigned fail = 1; fail < 60; fail++) {
        struct pkt *p = payload(fail % 2 ? 6000 : 100);
        struct ip_tx tx = {.dst = fail % 3 ? PEER : TD_IP4_BROADCAST, .flags = IP_TX_BROADCAST};

        rig_forget(r);
        r->st.mem.fail_after = fail;
        int rc = ip_output(stack(), p, &tx);

        rig_flush(r);
        r->st.mem.fail_after = 0;
        r->st.mem.failing = false;
        ck_assert(rc == 0 || rc == -ENOBUFS);
        if (rc != 0 && fail % 2)
            nothing_sent(); /* no half datagram */
    }
}
END_TEST

/* ---- failure of the next hop ---- */

/* shows: 1122-L15 */
START_TEST(test_next_hop_fails)
{
    td_ip4 absent = TD_IP4(10, 0, 0, 99);

    ck_assert_int_eq(IP_SEND(50, .dst = absent), 0);
    ck_assert_int_eq(IP_SEND(4000, .dst = absent), 0);
    ck_assert_uint_eq(err.count, 0); /* a missing entry alone is no failure */
    advance(2 * TD_SEC);
    ck_assert_uint_eq(err.count, 0);
    advance(3 * TD_SEC);
    ck_assert_uint_eq(err.count, 2); /* one each: the later fragments are not told */
    ck_assert_uint_eq(err.e.type, ICMP_UNREACHABLE);
    ck_assert_uint_eq(err.e.code, ICMP_HOST_UNREACH);
    ck_assert_uint_eq(err.e.h.dst, absent);
    ck_assert_uint_eq(err.e.h.src, US);
    ck_assert_mem_eq(err.payload, pattern(), 8);
    ck_assert_uint_eq(counter(IcmpOutMsgs), 0); /* nothing on the wire about it */
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ip/output");
    TCase *tc = ip_case(s, "judged", true);

    tcase_add_test(tc, test_sources);
    tcase_add_test(tc, test_destinations);
    tcase_add_test(tc, test_ttl_and_tos);
    tcase_add_test(tc, test_options);
    tc = ip_case(s, "next", true);
    tcase_add_test(tc, test_unicast);
    tcase_add_loop_test(tc, test_broadcasts, 0, 3);
    tcase_add_test(tc, test_broadcast_interface);
    tcase_add_test(tc, test_groups);
    tcase_add_test(tc, test_loopback);
    tcase_add_test(tc, test_next_hop_fails);
    tc = ip_case(s, "size", false);
    tcase_add_loop_test(tc, test_fragmentation, 0, 10);
    tcase_add_test(tc, test_copied_options);
    tcase_add_test(tc, test_df_and_sizes);
    tcase_add_test(tc, test_partial_checksum_is_completed);
    tcase_add_test(tc, test_fragments_of_slices);
    tcase_add_test(tc, test_no_memory);
    return s;
}
CHECK_MAIN(suite)
