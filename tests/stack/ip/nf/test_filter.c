/* ip/nf/filter.c, target.c: which packets rules catch, and what happens to them. */
#include "nf_rig.h"

static const struct flow_ends web = {PEER, SERVER, 40000, 80};

static bool passes_tcp(const struct flow_ends *f, uint16_t flags)
{
    rig_forget(r);
    tcp_in(f, flags, 100, 0, 0);
    bool through = r->nout == 1 && r->out[0].ifindex != side_of(f->src)->index;
    rig_forget(r);
    if (stack()->ip->nf != NULL)
        nf_conn_flush(stack(), W_NONE);
    return through;
}

START_TEST(nothing_is_there_without_rules)
{
    uint64_t before = stack()->mem.used;

    ck_assert_ptr_null(stack()->ip->nf);
    ck_assert(passes_tcp(&web, SYN));
    ck_assert_ptr_null(stack()->ip->nf);
    rules("-A FORWARD -p tcp --dport 80 -j DROP");
    ck_assert_ptr_nonnull(stack()->ip->nf);
    ck_assert(!passes_tcp(&web, SYN));
    rules("-F FORWARD");
    ck_assert_ptr_null(stack()->ip->nf);
    ck_assert(passes_tcp(&web, SYN));
    ck_assert_uint_le(stack()->mem.used_by[MEM_IP], before);
}
END_TEST

static const struct {
    const char *rule;
    bool catches;
} cases[] = {
    {"-s 10.0.0.2", true},        {"-s 10.0.0.0/24", true},       {"-s 10.0.0.3", false},
    {"! -s 10.0.0.3", true},      {"! -s 10.0.0.0/8", false},     {"-s 10.0.0.2/255.0.0.255", true},
    {"-d 192.168.5.2", true},     {"! -d 192.168.5.2", false},    {"-i eth0", true},
    {"-i eth1", false},           {"-i eth+", true},              {"! -i lo", true},
    {"-o eth1", true},            {"-o eth0", false},             {"-p tcp", true},
    {"-p udp", false},            {"! -p udp", true},             {"-p 6", true},
    {"-p tcp --dport 80", true},  {"-p tcp --dport 81", false},   {"-p tcp --dport 79:81", true},
    {"-p tcp ! --dport 80", false}, {"-p tcp --dport http", true}, {"-p tcp --sport 40000", true},
    {"-p tcp --sport :39999", false}, {"-p tcp --sport 40000:", true}, {"-p tcp --syn", true},
    {"-p tcp ! --syn", false},    {"-p tcp --tcp-flags ALL SYN", true}, {"-p tcp --tcp-flags SYN,ACK ACK", false},
    {"-p tcp --tcp-flags ALL NONE", false}, {"-p tcp -m multiport --dports 22,80,443", true},
    {"-p tcp -m multiport --dports 22,443", false}, {"-p tcp -m multiport --ports 39999:40001", true},
    {"-p tcp -m multiport ! --sports 1:1024", true}, {"-m state --state NEW", true},
    {"-m conntrack --ctstate ESTABLISHED,RELATED", false}, {"-m conntrack ! --ctstate INVALID", true},
    {"-m ttl --ttl-eq 63", true}, {"-m ttl --ttl-lt 63", false},  {"-m ttl --ttl-gt 62", true},
    {"-m ttl ! --ttl-eq 63", false}, {"-f", false},               {"! -f", true},
    {"-p icmp --icmp-type any", false}, {"-m comment --comment \"a b\"", true}, {"", true},
};

/* shows: 1812-FW48 */
START_TEST(each_match)
{
    char text[200];

    snprintf(text, sizeof text, "-A FORWARD %s -j DROP", cases[_i].rule);
    rules(text);
    ck_assert_msg(passes_tcp(&web, SYN) != cases[_i].catches, "%s", cases[_i].rule);
    ck_assert_uint_eq(rule_packets("filter", "FORWARD", 1), cases[_i].catches);
    ck_assert_uint_eq(events(EV_NF_DROP_RULE), cases[_i].catches);
}
END_TEST

/* shows: 1812-FW48 */
START_TEST(drops_say_where)
{
    rules("-N mine\n-A FORWARD -j ACCEPT -s 1.2.3.4\n-A FORWARD -j mine\n-A mine -p udp -j ACCEPT\n-A mine -j DROP");
    ck_assert(!passes_tcp(&web, SYN));
    const struct journal_record *rec = last_event(EV_NF_DROP_RULE);
    char text[300];
    ck_assert_ptr_nonnull(rec);
    journal_format(stack(), rec, text, sizeof text);
    ck_assert_str_eq(text, "Dropped a datagram from 10.0.0.2 to 192.168.5.2 (TCP, ports 40000 to 80) by rule 2 of chain "
                           "mine, table filter: DROP.");
    ck_assert_uint_eq(counter(NfDrops), 1);
    rules("-F\n-P FORWARD DROP");
    ck_assert(!passes_tcp(&web, SYN));
    ck_assert_uint_eq(events(EV_NF_DROP_POLICY), 1);
    ck_assert_uint_eq(nf_rules(stack())->table[NF_FILTER].chain[1]->packets, 1);
    journal_format(stack(), last_event(EV_NF_DROP_POLICY), text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "by the policy of chain FORWARD"));
}
END_TEST

START_TEST(chains_call_and_return)
{
    rules("-N a\n-N b\n-A a -p tcp --dport 80 -j RETURN\n-A a -j DROP\n-A b -j DROP\n"
          "-A FORWARD -j a\n-A FORWARD -p tcp --sport 40001 -j b\n-A FORWARD -j ACCEPT");
    ck_assert(passes_tcp(&web, SYN));
    ck_assert(!passes_tcp(ENDS(PEER, SERVER, 40000, 81), SYN));
    ck_assert(!passes_tcp(ENDS(PEER, SERVER, 40001, 80), SYN));
    rules("-R FORWARD 1 -g a\n-P FORWARD DROP"); /* a goto doesn't come back */
    ck_assert(!passes_tcp(&web, SYN));
}
END_TEST

START_TEST(places)
{
    rules("-A INPUT -p tcp -j DROP\n-A OUTPUT -p 253 -j DROP");
    tcp_in(ENDS(PEER, US, 1, 2), SYN, 1, 0, 0);
    ck_assert_uint_eq(up.count, 0);
    udp_in(ENDS(PEER, US, 1, 2), 10);
    ck_assert_uint_eq(up.count, 1);
    ck_assert(passes_tcp(&web, SYN));
    ck_assert_int_eq(IP_SEND(10, .dst = PEER), -EPERM);
    nothing_sent();
    ck_assert_int_eq(IP_SEND(10, .dst = PEER, .proto = 252), 0);
    ck_assert_uint_eq(r->nout, 1);
    ck_assert_uint_eq(nf_ct_count(stack()), 1); /* what was dropped left no flow */
}
END_TEST

static const struct {
    const char *with;
    uint8_t code;
} rejects[] = {{"", 3}, {"--reject-with icmp-net-unreachable", 0}, {"--reject-with icmp-host-unreachable", 1},
               {"--reject-with icmp-port-unreachable", 3}, {"--reject-with icmp-proto-unreachable", 2},
               {"--reject-with icmp-net-prohibited", 9}, {"--reject-with icmp-host-prohibited", 10},
               {"--reject-with icmp-admin-prohibited", 13}};

/* shows: 1812-FW26 */
START_TEST(rejects_with_icmp)
{
    char text[200];

    snprintf(text, sizeof text, "-A FORWARD -j REJECT %s", rejects[_i].with);
    rules(text);
    tcp_in(&web, SYN, 100, 0, 0);
    ck_assert_uint_eq(r->nout, 1);
    sent_icmp(0, ICMP_UNREACHABLE, rejects[_i].code);
    ck_assert_uint_eq(outh.dst, PEER);
    ck_assert_uint_eq(outh.src, US);
    ck_assert_uint_eq(nf_ct_count(stack()), 0);
}
END_TEST

START_TEST(rejects_with_reset)
{
    rules("-A FORWARD -p tcp -j REJECT --reject-with tcp-reset");
    tcp_in(&web, SYN, 100, 0, 0);
    ck_assert_uint_eq(r->nout, 1);
    ck_ends(went(0, eth0), SERVER, PEER, 80, 40000);
    ck_assert_uint_eq(outp[13], RST | ACK);
    ck_assert_uint_eq(wire_get32(outp + 4), 0);
    ck_assert_uint_eq(wire_get32(outp + 8), 101);
    rig_forget(r);
    tcp_in(&web, ACK, 100, 777, 5);
    ck_assert_uint_eq(r->nout, 1);
    (void)went(0, eth0);
    ck_assert_uint_eq(outp[13], RST);
    ck_assert_uint_eq(wire_get32(outp + 4), 777);
    rig_forget(r);
    tcp_in(&web, RST, 100, 0, 0); /* a reset isn't answered with one */
    nothing_sent();
}
END_TEST

START_TEST(our_own_are_rejected_too)
{
    rules("-A OUTPUT -p udp -j REJECT");
    struct ip_tx tx = {.dst = PEER, .proto = IPPROTO_UDP_};
    struct pkt *p = payload(32);
    wire_put16(p->data + 4, 32);
    ck_assert_int_eq(ip_output(stack(), p, &tx), -EPERM);
    rig_flush(r);
    nothing_sent();
    ck_assert_uint_eq(err.count, 1); /* and whoever sent it hears of it */
    ck_assert_uint_eq(err.e.code, ICMP_PORT_UNREACH);
    ck_assert_uint_eq(err.e.h.dst, PEER);
}
END_TEST

START_TEST(logs_and_goes_on)
{
    char text[300];

    rules("-A FORWARD -p tcp --syn -j LOG --log-prefix \"new one: \" --log-level info\n-A FORWARD -j DROP");
    ck_assert(!passes_tcp(&web, SYN));
    ck_assert_uint_eq(events(EV_NF_LOG), 1);
    rules("-F"); /* the journal still knows the text */
    journal_format(stack(), last_event(EV_NF_LOG), text, sizeof text);
    ck_assert_str_eq(text, "new one: IN=eth0 OUT=eth1 SRC=10.0.0.2 DST=192.168.5.2 LEN=40 PROTO=TCP ports 40000 to 80.");
}
END_TEST

START_TEST(limit_lets_some_through)
{
    rules("-A FORWARD -m limit --limit 2/second --limit-burst 3 -j ACCEPT\n-P FORWARD DROP");
    unsigned through = 0;
    for (unsigned i = 0; i < 10; i++)
        through += passes_tcp(&web, SYN);
    ck_assert_uint_eq(through, 3);
    advance(500 * TD_MS);
    ck_assert(passes_tcp(&web, SYN));
    ck_assert(!passes_tcp(&web, SYN));
    advance(100 * TD_SEC);
    for (unsigned i = through = 0; i < 10; i++)
        through += passes_tcp(&web, SYN);
    ck_assert_uint_eq(through, 3);
}
END_TEST

START_TEST(icmp_types)
{
    rules("-A INPUT -p icmp --icmp-type echo-request -j DROP");
    PING(8, .dst = US);
    nothing_sent();
    rules("-F\n-A INPUT -p icmp ! --icmp-type 8/0 -j DROP");
    PING(8, .dst = US);
    ck_assert_uint_eq(r->nout, 1);
    rules("-F\n-A OUTPUT -p icmp --icmp-type 0 -j DROP");
    rig_forget(r);
    PING(8, .dst = US);
    nothing_sent();
}
END_TEST

static uint64_t mangle_packets(const char *chain)
{
    return nf_chain_find(&nf_rules(stack())->table[NF_MANGLE], chain)->rule[0]->packets;
}

/* mangle is asked before filter, at each of its five places. */
START_TEST(mangle)
{
    rules("-t mangle -A PREROUTING -p udp --dport 9\n-t mangle -A FORWARD -p udp --dport 9 -j DROP\n"
          "-t mangle -A POSTROUTING\n-t mangle -A INPUT\n-t mangle -A OUTPUT\n-A FORWARD -p udp --dport 9");
    udp_in(ENDS(PEER, SERVER, 40000, 9), 4);
    nothing_sent();
    ck_assert_uint_eq(last_event(EV_NF_DROP_RULE)->arg[0], W_NF_MANGLE);
    ck_assert_uint_eq(mangle_packets("PREROUTING"), 1);
    ck_assert_uint_eq(mangle_packets("FORWARD"), 1);
    ck_assert_uint_eq(mangle_packets("POSTROUTING"), 0);
    ck_assert_uint_eq(rule_packets("filter", "FORWARD", 1), 0);
    udp_in(ENDS(PEER, SERVER, 40000, 10), 4);
    ck_assert_uint_eq(r->nout, 1);
    ck_assert_uint_eq(mangle_packets("POSTROUTING"), 1);
    PING(8, .dst = US);
    ck_assert_uint_eq(mangle_packets("INPUT"), 1);
    ck_assert_uint_eq(mangle_packets("OUTPUT"), 1);
    ck_assert_uint_eq(mangle_packets("POSTROUTING"), 2);
    rules("-t mangle -F");
    udp_in(ENDS(PEER, SERVER, 40000, 9), 4);
    ck_assert_uint_eq(r->nout, 3);
}
END_TEST

/* shows: FRAG-06 ATK-FRAG-07 */
START_TEST(tiny_fragments_get_nowhere)
{
    uint8_t b[100] = {0};
    struct tcp_hdr h = {.sport = 40000, .dport = 80, .flags = SYN, .hlen = 20};

    rules("-A FORWARD -p tcp --syn -j DROP");
    (void)tcp_emit(&h, b);
    wire_put16(b + 16, checksum_finish(checksum_add(checksum_pseudo(PEER, SERVER, 6, 60), b, 60)));
    /* The flags are in the second fragment. */
    ip_in((struct ipv4_hdr){.dst = SERVER, .proto = 6, .id = 9, .flags = IPV4_MF}, b, 8);
    nothing_sent();
    ip_in((struct ipv4_hdr){.dst = SERVER, .proto = 6, .id = 9, .frag_off = 8}, b + 8, 52);
    nothing_sent();
    ck_assert_uint_eq(rule_packets("filter", "FORWARD", 1), 1);
    /* Too short for a TCP header at all. */
    ip_in((struct ipv4_hdr){.dst = SERVER, .proto = 6, .id = 10}, b, 12);
    nothing_sent();
    ck_assert_uint_eq(events(EV_NF_DROP_RULE), 2);
    rules("-F\n-A FORWARD -p tcp --dport 80 -j ACCEPT"); /* nor does a rule that would let it through */
    ip_in((struct ipv4_hdr){.dst = SERVER, .proto = 6, .id = 10}, b, 12);
    nothing_sent();
    ck_assert_uint_eq(events(EV_NF_DROP_RULE), 3);
    /* Whole ones go through, cut again. */
    rules("-F\n-A FORWARD -p udp --dport 9 -j ACCEPT\n-P FORWARD DROP");
    wire_put16(b + 2, 9);
    wire_put16(b + 4, 60);
    wire_put16(b + 6, 0);
    ip_in((struct ipv4_hdr){.dst = SERVER, .proto = 17, .id = 11, .frag_off = 24}, b + 24, 36);
    ip_in((struct ipv4_hdr){.dst = SERVER, .proto = 17, .id = 11, .flags = IPV4_MF}, b, 24);
    uint8_t whole[2048];
    ck_assert_uint_eq(r->nout, 2);
    ck_assert_uint_eq(reassemble_out(0, whole), 60);
    ck_assert_mem_eq(whole, b, 60);
    ck_assert_uint_eq(outh.id, 11);
}
END_TEST

/* What the rules had put together leaves in pieces no larger than the largest that came, although the link takes more,
 * and with DF exactly if that one had it; where even those don't fit, the sender is told. */
START_TEST(fragments_leave_as_they_came)
{
    static const struct {
        uint32_t first, second; /* octets of payload */
        uint16_t df_first, df_second;
        uint16_t mtu;
        unsigned out;
        uint32_t most;
        uint16_t df;
    } c[] = {
        {552, 400, 0, 0, 1500, 2, 572, 0},
        {552, 400, IPV4_DF, IPV4_DF, 1500, 2, 572, IPV4_DF},
        {552, 400, IPV4_DF, 0, 1500, 2, 572, IPV4_DF},
        {552, 560, IPV4_DF, 0, 1500, 2, 580, 0}, /* a small one with DF means nothing */
        {1400, 400, 0, 0, 576, 4, 576, 0},
    };
    rules("-A FORWARD -p udp --dport 9 -j ACCEPT\n-P FORWARD DROP");
    for (unsigned i = 0; i < sizeof c / sizeof *c; i++) {
        static uint8_t b[2048], whole[4096];
        uint32_t n = c[i].first + c[i].second;
        memcpy(b, pattern(), n);
        memcpy(b, (uint8_t[]){0x9c, 0x40, 0, 9, (uint8_t)(n >> 8), (uint8_t)n, 0, 0}, 8);
        ck_assert_int_eq(netif_set_mtu(stack(), eth1, c[i].mtu), 0);
        rig_forget(r);
        ip_in((struct ipv4_hdr){.dst = SERVER, .proto = 17, .id = (uint16_t)(50 + i), .flags = (uint16_t)(IPV4_MF | c[i].df_first)}, b,
              c[i].first);
        ip_in((struct ipv4_hdr){.dst = SERVER, .proto = 17, .id = (uint16_t)(50 + i), .frag_off = (uint16_t)c[i].first, .flags = c[i].df_second},
              b + c[i].first, c[i].second);
        ck_assert_uint_eq(r->nout, c[i].out);
        uint32_t most = 0;
        for (unsigned f = 0; f < r->nout; f++) {
            sent(f);
            ck_assert_uint_eq(outh.flags & IPV4_DF, c[i].df);
            most = outh.total_len > most ? outh.total_len : most;
        }
        ck_assert_uint_le(most, c[i].most);
        ck_assert_uint_gt(most + 8, c[i].most);
        ck_assert_uint_eq(reassemble_out(0, whole), n);
        ck_assert_mem_eq(whole, b, n);
    }
    uint8_t b[2048] = {0x9c, 0x40, 0, 9, 6, 0, 0, 0};
    rig_forget(r);
    ip_in((struct ipv4_hdr){.dst = SERVER, .proto = 17, .id = 99, .flags = IPV4_MF | IPV4_DF}, b, 1400);
    ip_in((struct ipv4_hdr){.dst = SERVER, .proto = 17, .id = 99, .frag_off = 1400, .flags = IPV4_DF}, b, 136);
    ck_assert_uint_eq(r->nout, 1);
    sent_icmp(0, ICMP_UNREACHABLE, ICMP_FRAG_NEEDED);
    ck_assert_uint_eq(wire_get32(outp + 4), 576);
    ck_assert_uint_eq(outh.dst, PEER);
}
END_TEST

START_TEST(mss_is_clamped)
{
    static const uint16_t mss[] = {1460, 536, 9000};

    rules(_i == 0 ? "-t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu" :
          "-A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu");
    ck_assert_int_eq(netif_set_mtu(stack(), eth1, 1400), 0);
    for (unsigned odd = 0; odd < 2; odd++)
        for (unsigned i = 0; i < 3; i++) {
            uint8_t b[28] = {0};
            struct tcp_hdr h = {.sport = (uint16_t)(40000 + i), .dport = 80, .flags = SYN, .hlen = 28, .raw_len = 8};
            h.raw[0] = h.raw[7] = 1; /* at an even place and at an odd one */
            h.raw[5 + odd] = 1;
            h.raw[odd] = 2;
            h.raw[odd + 1] = 4;
            wire_put16(h.raw + odd + 2, mss[i]);
            h.raw[4 + odd] = h.raw[4 + odd] == 0 ? 1 : h.raw[4 + odd];
            (void)tcp_emit(&h, b);
            rig_forget(r);
            l4_in(ENDS(PEER, SERVER, 0, 0), 6, b, 28, 16, 64);
            ck_assert_uint_eq(r->nout, 1);
            (void)went(0, eth1);
            ck_assert_uint_eq(wire_get16(outp + 22 + odd), mss[i] < 1360 ? mss[i] : 1360);
            rig_forget(r);
            l4_in(ENDS(SERVER, PEER, 0, 0), 6, b, 28, 16, 64); /* the answer goes a wider way, the road back doesn't */
            (void)went(0, eth0);
            ck_assert_uint_eq(wire_get16(outp + 22 + odd), mss[i] < 1360 ? mss[i] : 1360);
        }
    rules("-F\n-t mangle -F\n-A FORWARD -p tcp --syn -j TCPMSS --set-mss 500");
    rig_forget(r);
    ck_assert(passes_tcp(&web, SYN)); /* without the option: as it was */
    ck_assert_uint_eq(events(EV_NF_MSS), 8);
}
END_TEST

START_TEST(shared_packets_are_copied)
{
    uint8_t b[60], *at = b;
    struct pkt *p;

    rules("-t nat -A POSTROUTING -o eth1 -j MASQUERADE");
    size_t n = build(b, (struct ipv4_hdr){.dst = SERVER, .proto = 17, .ttl = 9}, pattern(), 32);
    wire_put16(at + 24, 32);
    wire_put16(at + 26, 0);
    p = pkt_from_bytes(&stack()->mem, PKT_HEADROOM, b, (uint32_t)n);
    p->ifindex = eth0->index;
    struct pkt *mine = pkt_ref(p);
    ip_input(stack(), eth0, p, NULL);
    rig_flush(r);
    ck_assert_uint_eq(r->nout, 1);
    ck_assert_uint_eq(went(0, eth1).src, US2);
    ck_assert_uint_eq(mine->len, n);
    ck_assert_mem_eq(mine->data + 12, b + 12, n - 12);
    pkt_free(mine);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ip/nf/filter");
    TCase *tc = nf_case(s, "filter");

    tcase_add_test(tc, nothing_is_there_without_rules);
    tcase_add_loop_test(tc, each_match, 0, sizeof cases / sizeof cases[0]);
    tcase_add_test(tc, drops_say_where);
    tcase_add_test(tc, chains_call_and_return);
    tcase_add_test(tc, places);
    tcase_add_loop_test(tc, rejects_with_icmp, 0, sizeof rejects / sizeof rejects[0]);
    tcase_add_test(tc, rejects_with_reset);
    tcase_add_test(tc, our_own_are_rejected_too);
    tcase_add_test(tc, logs_and_goes_on);
    tcase_add_test(tc, limit_lets_some_through);
    tcase_add_test(tc, icmp_types);
    tcase_add_test(tc, tiny_fragments_get_nowhere);
    tcase_add_test(tc, fragments_leave_as_they_came);
    tcase_add_loop_test(tc, mss_is_clamped, 0, 2);
    tcase_add_test(tc, mangle);
    tcase_add_test(tc, shared_packets_are_copied);
    return s;
}
CHECK_MAIN(suite)
