/* ip/nf/nat.c, related.c: what is translated comes back, with right checksums, whatever it is. */
#include "prng.h" /* first: the rig has a global r */

#include "nf_rig.h"

#define OUTSIDE TD_IP4(203, 0, 113, 9) /* an address that nobody has, behind eth1 */

static void masquerade(void)
{
    struct fib_route beyond = {.prefix = TD_IP4(203, 0, 113, 0), .plen = 24, .gateway = SERVER, .proto = FIB_PROTO_STATIC};

    nf_setup();
    ck_assert_int_eq(ip_route_add(stack(), &beyond, false), 0);
    rules("-t nat -A POSTROUTING -o eth1 -j MASQUERADE");
}

/* shows: 1071-01 */
START_TEST(masquerade_there_and_back)
{
    struct flow_ends f = {PEER, SERVER, 40000, 80}, b;

    tcp_in(&f, SYN, 1, 0, 0);
    ck_assert_uint_eq(r->nout, 1);
    ck_ends(went(0, eth1), US2, SERVER, 40000, 80); /* the port is free: kept */
    b = (struct flow_ends){SERVER, US2, 80, 40000};
    rig_forget(r);
    tcp_in(&b, SYN | ACK, 9, 2, 0);
    ck_assert_uint_eq(r->nout, 1);
    ck_ends(went(0, eth0), SERVER, PEER, 80, 40000);
    rig_forget(r);
    tcp_in(&f, ACK, 2, 10, 333);
    ck_ends(went(0, eth1), US2, SERVER, 40000, 80);
    ck_assert_uint_eq(outn, 353);
    ck_assert_uint_eq(rule_packets("nat", "POSTROUTING", 1), 1); /* only the first datagram is asked about */
}
END_TEST

START_TEST(two_clients_one_port)
{
    struct flow_ends a = {PEER, SERVER, 40000, 80}, b = {PEER2, SERVER, 40000, 80}, got[2];

    udp_in(&a, 5);
    udp_in(&b, 5);
    got[0] = went(0, eth1);
    got[1] = went(1, eth1);
    ck_assert_uint_eq(got[0].sport, 40000);
    ck_assert_uint_ne(got[1].sport, 40000);
    ck_assert_uint_ge(got[1].sport, 1024);
    rig_forget(r);
    for (unsigned i = 0; i < 2; i++) {
        struct flow_ends back_to = back(&got[i]);
        udp_in(&back_to, 5);
        ck_ends(went(i, eth0), SERVER, i == 0 ? PEER : PEER2, 80, 40000);
    }
    /* To another server the port is free again. */
    rig_forget(r);
    udp_in(ENDS(PEER2, OUTSIDE, 40000, 80), 5);
    ck_assert_uint_eq(went(0, eth1).sport, 40000);
}
END_TEST

START_TEST(no_port_is_left)
{
    rules("-t nat -F\n-t nat -A POSTROUTING -p udp -j SNAT --to-source 192.168.5.7:5000-5003");
    for (uint16_t i = 0; i < 5; i++)
        udp_in(ENDS(PEER, SERVER, (uint16_t)(40000 + i), 80), 5);
    ck_assert_uint_eq(r->nout, 4);
    ck_assert_uint_eq(events(EV_NF_DROP_NO_PORT), 1);
    ck_assert_uint_eq(counter(NfNatNoPort), 1);
    ck_assert_uint_eq(nf_ct_count(stack()), 4);
    uint32_t seen = 0;
    for (unsigned i = 0; i < 4; i++) {
        struct flow_ends f = went(i, eth1);
        ck_assert_uint_eq(f.src, TD_IP4(192, 168, 5, 7));
        ck_assert_uint_ge(f.sport, 5000);
        seen |= 1U << (f.sport - 5000);
    }
    ck_assert_uint_eq(seen, 15);
    udp_in(ENDS(PEER, OUTSIDE, 40000, 80), 5); /* the ports are there for each destination */
    ck_assert_uint_eq(r->nout, 5);
}
END_TEST

START_TEST(ports_are_not_guessable)
{
    uint32_t kept = 0, together = 0;
    uint16_t last = 0;

    rules("-t nat -F\n-t nat -A POSTROUTING -p udp -j MASQUERADE --random");
    for (uint16_t i = 0; i < 200; i++) {
        rig_forget(r);
        udp_in(ENDS(PEER, SERVER, (uint16_t)(30000 + i), 80), 5);
        uint16_t port = went(0, eth1).sport;
        kept += port == 30000 + i;
        together += port == last + 1;
        last = port;
    }
    ck_assert_uint_le(kept, 5);
    ck_assert_uint_le(together, 5);
}
END_TEST

START_TEST(dnat_to_a_server)
{
    struct flow_ends f = {SERVER, US2, 50000, 8080};

    rules("-t nat -F\n-t nat -A PREROUTING -i eth1 -p tcp --dport 8080 -j DNAT --to-destination 10.0.0.2:80");
    tcp_in(&f, SYN, 1, 0, 0);
    ck_ends(went(0, eth0), SERVER, PEER, 50000, 80);
    rig_forget(r);
    tcp_in(ENDS(PEER, SERVER, 80, 50000), SYN | ACK, 1, 2, 0);
    ck_ends(went(0, eth1), US2, SERVER, 8080, 50000);
    ck_assert_uint_eq(up.count, 0);
}
END_TEST

START_TEST(redirect_to_ourselves)
{
    rules("-t nat -F\n-t nat -A PREROUTING -p udp --dport 53 -j REDIRECT --to-ports 5353");
    udp_in(ENDS(PEER, SERVER, 50000, 53), 20);
    ck_assert_uint_eq(up.count, 1);
    ck_assert_uint_eq(up.rx.h.dst, US);
    ck_assert_uint_eq(wire_get16(up.bytes + 2), 5353);
    ck_assert_uint_eq(checksum_fold(checksum_add(checksum_pseudo(PEER, US, 17, up.len), up.bytes, up.len)), 0xffff);
    /* Our answer comes from where the question went. */
    struct ip_tx tx = {.src = US, .dst = PEER, .proto = IPPROTO_UDP_};
    struct pkt *p = payload(16);
    wire_put16(p->data, 5353);
    wire_put16(p->data + 2, 50000);
    wire_put16(p->data + 4, 16);
    wire_put16(p->data + 6, 0);
    wire_put16(p->data + 6, checksum_finish(checksum_add(checksum_pseudo(US, PEER, 17, 16), p->data, 16)));
    ck_assert_int_eq(ip_output(stack(), p, &tx), 0);
    rig_flush(r);
    ck_ends(went(0, eth0), SERVER, PEER, 53, 50000);
}
END_TEST

START_TEST(hairpin)
{
    rules("-t nat -F\n-t nat -A PREROUTING -d 192.168.5.1 -p tcp --dport 80 -j DNAT --to-destination 10.0.0.3\n"
          "-t nat -A POSTROUTING -s 10.0.0.0/24 -d 10.0.0.0/24 -j MASQUERADE");
    eth0->knob[IFKNOB_SEND_REDIRECTS] = 1;
    tcp_in(ENDS(PEER, US2, 40000, 80), SYN, 1, 0, 0);
    ck_assert_uint_eq(r->nout, 1); /* and no redirect, that would tell where the server is */
    ck_ends(went(0, eth0), US, PEER2, 40000, 80);
    rig_forget(r);
    tcp_in(ENDS(PEER2, US, 80, 40000), SYN | ACK, 1, 2, 0);
    ck_ends(went(0, eth0), US2, PEER, 80, 40000);
    rig_forget(r);
    tcp_in(ENDS(PEER, US2, 40000, 80), ACK, 2, 2, 50);
    ck_ends(went(0, eth0), US, PEER2, 40000, 80);
    ck_assert_uint_eq(nf_ct_count(stack()), 1);
}
END_TEST

START_TEST(our_own_by_output)
{
    rules("-t nat -F\n-t nat -A OUTPUT -p udp -d 10.0.0.77 -j DNAT --to-destination 192.168.5.2:99");
    struct ip_tx tx = {.dst = TD_IP4(10, 0, 0, 77), .proto = IPPROTO_UDP_};
    struct pkt *p = payload(16);
    wire_put16(p->data, 7);
    wire_put16(p->data + 2, 8);
    wire_put16(p->data + 4, 16);
    wire_put16(p->data + 6, 0);
    ck_assert_int_eq(ip_output(stack(), p, &tx), 0);
    rig_flush(r);
    ck_assert_uint_eq(r->nout, 1);
    ck_ends(went(0, eth1), US, SERVER, 7, 99); /* another way out, too */
    ck_assert_uint_eq(wire_get16(outp + 6), 0); /* UDP without a checksum stays so */
    udp_in(ENDS(SERVER, US, 99, 7), 4);
    ck_assert_uint_eq(up.count, 1);
    ck_assert_uint_eq(up.rx.h.src, TD_IP4(10, 0, 0, 77));
    ck_assert_uint_eq(wire_get16(up.bytes), 8);
}
END_TEST

/* shows: 1812-IP24 1122-I157 */
START_TEST(loopback_addresses_stay_inside)
{
    rules("-t nat -F\n-t nat -A POSTROUTING -p udp --dport 7 -j SNAT --to-source 127.0.0.5\n"
          "-t nat -A PREROUTING -p udp --dport 8 -j DNAT --to-destination 127.0.0.1\n"
          "-t nat -A OUTPUT -d 127.0.0.9 -j DNAT --to-destination 192.168.5.2");
    udp_in(ENDS(PEER, SERVER, 1, 7), 5);
    udp_in(ENDS(PEER, US, 1, 8), 5);
    nothing_sent();
    ck_assert_uint_eq(up.count, 0);
    struct ip_tx tx = {.src = LOCALHOST, .dst = TD_IP4(127, 0, 0, 9), .proto = TEST_PROTO};
    ck_assert_int_eq(ip_output(stack(), payload(30), &tx), -EINVAL);
    rig_flush(r);
    nothing_sent();
    ck_assert_uint_eq(events(EV_IP_OUT_DROP_SOURCE), 2);
}
END_TEST

/* What we send to ourselves is seen going out and coming in, and is one flow. */
START_TEST(to_ourselves)
{
    rules("-t nat -F\n-t nat -A OUTPUT -p udp -d 10.0.0.88 --dport 5 -j REDIRECT --to-ports 50\n"
          "-A INPUT -m state --state NEW -j ACCEPT\n-P INPUT DROP");
    struct ip_tx tx = {.dst = TD_IP4(10, 0, 0, 88), .proto = IPPROTO_UDP_};
    struct pkt *p = payload(16);
    wire_put16(p->data, 40000);
    wire_put16(p->data + 2, 5);
    wire_put16(p->data + 4, 16);
    wire_put16(p->data + 6, 0);
    ck_assert_int_eq(ip_output(stack(), p, &tx), 0);
    rig_flush(r);
    rig_flush(r);
    nothing_sent();
    ck_assert_uint_eq(up.count, 1);
    ck_assert_uint_eq(up.rx.h.dst, LOCALHOST);
    ck_assert_uint_eq(wire_get16(up.bytes + 2), 50);
    ck_assert_uint_eq(nf_ct_count(stack()), 1);
    ck_assert_uint_eq(flow_of(ENDS(US, TD_IP4(10, 0, 0, 88), 40000, 5), 17)->packets[NF_ORIG], 1);
    /* And the answer comes from whom was asked. */
    rules("-A INPUT -m state --state ESTABLISHED -j ACCEPT");
    tx = (struct ip_tx){.src = LOCALHOST, .dst = US, .proto = IPPROTO_UDP_};
    p = payload(16);
    wire_put16(p->data, 50);
    wire_put16(p->data + 2, 40000);
    wire_put16(p->data + 4, 16);
    wire_put16(p->data + 6, 0);
    ck_assert_int_eq(ip_output(stack(), p, &tx), 0);
    rig_flush(r);
    rig_flush(r);
    ck_assert_uint_eq(up.count, 2);
    ck_assert_uint_eq(up.rx.h.src, TD_IP4(10, 0, 0, 88));
    ck_assert_uint_eq(wire_get16(up.bytes), 5);
    ck_assert_uint_eq(nf_ct_count(stack()), 1);
}
END_TEST

/* A checksum that a device is to complete: the field holds the sum of the pseudo-header, and is kept so. */
START_TEST(partial_checksums)
{
    struct ip_tx tx = {.src = US, .dst = SERVER, .proto = IPPROTO_TCP_};

    rules("-t nat -F\n-t nat -A POSTROUTING -p tcp -j SNAT --to-source 192.168.5.7:7000");
    struct pkt *p = payload(100);
    p->data[12] = 0x50;
    p->data[13] = SYN;
    wire_put16(p->data + 16, checksum_fold(checksum_pseudo(US, SERVER, 6, 100)));
    p->csum = PKT_CSUM_PARTIAL;
    p->csum_start = 0;
    p->csum_offset = 16;
    ck_assert_int_eq(netif_set_mtu(stack(), eth1, 76), 0); /* cutting makes IP complete it */
    ck_assert_int_eq(ip_output(stack(), p, &tx), 0);
    rig_flush(r);
    uint8_t got[200];
    ck_assert_uint_gt(r->nout, 1);
    ck_assert_uint_eq(reassemble_out(0, got), 100);
    ck_assert_uint_eq(outh.src, TD_IP4(192, 168, 5, 7));
    ck_assert_uint_eq(wire_get16(got), 7000);
    ck_assert_uint_eq(checksum_fold(checksum_add(checksum_pseudo(outh.src, SERVER, 6, 100), got, 100)), 0xffff);
}
END_TEST

START_TEST(ping_identifiers)
{
    uint16_t id[2];

    for (unsigned i = 0; i < 2; i++) {
        frame_in = eth0;
        icmp_in((struct ipv4_hdr){.src = i == 0 ? PEER : PEER2, .dst = SERVER}, ICMP_ECHO, 0, 0x12340005, pattern(), 8);
        frame_in = NULL;
        id[i] = went(i, eth1).sport;
        ck_assert_uint_eq(outh.src, US2);
        ck_assert_uint_eq(wire_get16(outp + 6), 5);
    }
    ck_assert_uint_eq(id[0], 0x1234);
    ck_assert_uint_ne(id[1], 0x1234);
    rig_forget(r);
    for (unsigned i = 0; i < 2; i++) {
        frame_in = eth1;
        icmp_in((struct ipv4_hdr){.src = SERVER, .dst = US2}, ICMP_ECHO_REPLY, 0, (uint32_t)id[i] << 16 | 5, pattern(), 8);
        frame_in = NULL;
        ck_assert_uint_eq(went(i, eth0).sport, 0x1234);
        ck_assert_uint_eq(outh.dst, i == 0 ? PEER : PEER2);
    }
    frame_in = eth1; /* who pings us is answered by us */
    rig_forget(r);
    icmp_in((struct ipv4_hdr){.src = SERVER, .dst = US2}, ICMP_ECHO, 0, 0x77770001, pattern(), 8);
    frame_in = NULL;
    ck_assert_uint_eq(went(0, eth1).sport, 0x7777);
}
END_TEST

/* An ICMP error from `from` about frame i as it left. */
static void error_about(unsigned i, td_ip4 from, uint8_t type, uint8_t code, uint32_t word, uint32_t quote)
{
    uint8_t b[600];
    struct ipv4_hdr h;

    ck_assert_int_eq(ipv4_parse(&h, r->out[i].b + 14, r->out[i].len - 14), WIRE_OK);
    if (quote > h.total_len)
        quote = h.total_len;
    memcpy(b, r->out[i].b + 14, quote);
    rig_forget(r);
    frame_in = side_of(from);
    icmp_in((struct ipv4_hdr){.src = from, .dst = h.src}, type, code, word, b, quote);
    frame_in = NULL;
}

/* Frame i is an error with a quote that is whole: what `f` sent. */
static void quotes(unsigned i, uint8_t type, uint8_t code, const struct flow_ends *f, uint8_t proto)
{
    sent_icmp(i, type, code);
    ck_assert_uint_eq(checksum(outp + 8, 20), 0); /* the quoted header's own */
    ck_assert_uint_eq(wire_get32(outp + 8 + 12), f->src);
    ck_assert_uint_eq(wire_get32(outp + 8 + 16), f->dst);
    ck_assert_uint_eq(outp[8 + 9], proto);
    ck_assert_uint_eq(wire_get16(outp + 28), f->sport);
    ck_assert_uint_eq(wire_get16(outp + 30), f->dport);
    uint32_t n = wire_get16(outp + 10) - 20U;
    if (n <= outn - 28) /* whole: its checksum must hold, too */
        ck_assert_uint_eq(checksum_fold(checksum_add(checksum_pseudo(f->src, f->dst, proto, n), outp + 28, n)), 0xffff);
}

START_TEST(errors_find_their_client)
{
    struct flow_ends a = {PEER, OUTSIDE, 40000, 80}, b = {PEER2, OUTSIDE, 40000, 80};
    static const uint32_t quote[] = {28, 48, 500};

    rules("-A FORWARD -m state --state INVALID -j DROP");
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned proto = 0; proto < 2; proto++) {
            for (unsigned who = 0; who < 2; who++) {
                const struct flow_ends *f = who == 0 ? &a : &b;
                rig_forget(r);
                if (proto == 0)
                    udp_in(f, 99);
                else
                    tcp_in(f, SYN, 1, 0, 99);
                ck_assert_uint_eq(went(0, eth1).src, US2);
                error_about(0, SERVER, ICMP_TIME_EXCEEDED, 0, 0, quote[i]);
                ck_assert_uint_eq(r->nout, 1);
                quotes(0, ICMP_TIME_EXCEEDED, 0, f, proto == 0 ? 17 : 6);
                ck_assert_uint_eq(outh.dst, f->src);
                ck_assert_uint_eq(outh.src, SERVER);
            }
        }
    }
    rig_forget(r); /* frag needed keeps its MTU */
    udp_in(&b, 99);
    error_about(0, SERVER, ICMP_UNREACHABLE, ICMP_FRAG_NEEDED, 1400, 28);
    quotes(0, ICMP_UNREACHABLE, ICMP_FRAG_NEEDED, &b, 17);
    ck_assert_uint_eq(wire_get16(outp + 6), 1400);
}
END_TEST

START_TEST(errors_about_pings)
{
    for (unsigned i = 0; i < 2; i++) {
        rig_forget(r);
        frame_in = eth0;
        icmp_in((struct ipv4_hdr){.src = i == 0 ? PEER : PEER2, .dst = OUTSIDE}, ICMP_ECHO, 0, 0x12340005, pattern(), 8);
        frame_in = NULL;
        error_about(0, SERVER, ICMP_UNREACHABLE, ICMP_HOST_UNREACH, 0, 500);
        sent_icmp(0, ICMP_UNREACHABLE, ICMP_HOST_UNREACH);
        ck_assert_uint_eq(outh.dst, i == 0 ? PEER : PEER2);
        ck_assert_uint_eq(checksum(outp + 8, 20), 0);
        ck_assert_uint_eq(wire_get16(outp + 32), 0x1234);
        ck_assert_uint_eq(checksum(outp + 28, outn - 28), 0);
    }
}
END_TEST

START_TEST(errors_nobody_asked_for)
{
    struct flow_ends a = {PEER, SERVER, 40000, 80};

    rules("-A FORWARD -m state --state INVALID -j DROP\n-A INPUT -m state --state INVALID -j DROP");
    udp_in(&a, 10);
    r->out[0].b[14 + 20] ^= 1; /* a port that no flow has */
    error_about(0, SERVER, ICMP_UNREACHABLE, ICMP_PORT_UNREACH, 0, 28);
    nothing_sent();
    rig_forget(r);
    udp_in(&a, 10);
    uint8_t b[28]; /* about our flow, but sent to another of our addresses */
    memcpy(b, r->out[0].b + 14, sizeof b);
    rig_forget(r);
    frame_in = eth1;
    icmp_in((struct ipv4_hdr){.src = SERVER, .dst = US}, ICMP_UNREACHABLE, ICMP_PORT_UNREACH, 0, b, sizeof b);
    frame_in = NULL;
    nothing_sent();
    ck_assert_uint_eq(err.count, 0);
    ck_assert_uint_eq(events(EV_NF_INVALID), 2);
}
END_TEST

/* The errors that we make ourselves quote what their sender sent, however far it had been translated. */
START_TEST(our_own_errors)
{
    struct flow_ends in = {SERVER, US2, 50000, 8080}, pin = {PEER, US2, 40000, 8080}, out = {PEER, SERVER, 40000, 80};
    uint8_t b[64] = {0};

    rules("-t nat -A PREROUTING -d 192.168.5.1 -p udp --dport 8080 -j DNAT --to-destination 10.0.0.3:80\n"
          "-t nat -A POSTROUTING -s 10.0.0.0/24 -d 10.0.0.0/24 -j MASQUERADE\n"
          "-A OUTPUT -m state --state INVALID -j DROP");
    const struct flow_ends *all[] = {&in, &pin, &out};
    for (unsigned round = 0; round < 2; round++) /* new flows, then known ones */
        for (unsigned i = 0; i < 3; i++) {
            if (round == 1)
                udp_in(all[i], 3);
            rig_forget(r);
            wire_put16(b, all[i]->sport);
            wire_put16(b + 2, all[i]->dport);
            wire_put16(b + 4, 40);
            l4_in(all[i], 17, b, 40, 6, 1);
            ck_assert_uint_eq(r->nout, 1);
            quotes(0, ICMP_TIME_EXCEEDED, 0, all[i], 17);
            ck_assert_uint_eq(outh.dst, all[i]->src);
        }
}
END_TEST

START_TEST(rejects_are_translated)
{
    rules("-t nat -A PREROUTING -d 192.168.5.1 -p tcp --dport 8080 -j DNAT --to-destination 10.0.0.3:80\n"
          "-A FORWARD -p tcp --dport 80 -j REJECT --reject-with tcp-reset");
    tcp_in(ENDS(SERVER, US2, 50000, 8080), SYN, 1, 0, 0);
    ck_assert_uint_eq(r->nout, 1);
    ck_ends(went(0, eth1), US2, SERVER, 8080, 50000);
    ck_assert_uint_eq(outp[13], RST | ACK);
    ck_assert_uint_eq(nf_ct_count(stack()), 0);
}
END_TEST

START_TEST(masquerade_follows_the_address)
{
    udp_in(ENDS(PEER, SERVER, 40000, 80), 5);
    ck_assert_int_eq(ip_addr_add(stack(), eth1->index, TD_IP4(192, 168, 5, 9), 24, 0), 0);
    ck_assert_int_eq(ip_addr_del(stack(), eth1->index, US2, 24), 0);
    ck_assert_uint_eq(nf_ct_count(stack()), 0);
    ck_assert_uint_eq(last_event(EV_NF_CT_DESTROY)->arg[1], W_NF_ADDRESS_GONE);
    rig_flush(r);
    rig_forget(r);
    udp_in(ENDS(PEER, SERVER, 40000, 80), 5);
    ck_assert_uint_eq(went(0, eth1).src, TD_IP4(192, 168, 5, 9));
    ck_assert_int_eq(netif_set_flags(stack(), eth1, 0, TD_IF_UP), 0);
    ck_assert_uint_eq(nf_ct_count(stack()), 0);
}
END_TEST

START_TEST(fragments_are_translated_whole)
{
    uint8_t b[2008];

    memcpy(b, pattern(), sizeof b);
    wire_put16(b, 40000);
    wire_put16(b + 2, 80);
    wire_put16(b + 4, sizeof b);
    wire_put16(b + 6, 0);
    wire_put16(b + 6, checksum_finish(checksum_add(checksum_pseudo(PEER, SERVER, 17, sizeof b), b, sizeof b)));
    ip_in((struct ipv4_hdr){.dst = SERVER, .proto = 17, .id = 5, .frag_off = 1000}, b + 1000, sizeof b - 1000);
    nothing_sent();
    ip_in((struct ipv4_hdr){.dst = SERVER, .proto = 17, .id = 5, .flags = IPV4_MF}, b, 1000);
    ck_assert_uint_eq(r->nout, 2);
    uint8_t got[4000];
    ck_assert_uint_eq(reassemble_out(0, got), sizeof b);
    ck_assert_uint_eq(outh.src, US2);
    ck_assert_uint_eq(checksum_fold(checksum_add(checksum_pseudo(US2, SERVER, 17, sizeof b), got, sizeof b)), 0xffff);
    ck_assert_mem_eq(got + 8, b + 8, sizeof b - 8);
}
END_TEST

/* A hundred thousand flows of all kinds: what leaves has right checksums and comes back as it went, no two flows look
 * the same outside, and the table keeps to its limit. */
/* shows: 1071-01 */
START_TEST(random_flows)
{
    struct prng g = {42};
    unsigned rounds = getenv("VALGRIND") != NULL ? 2000 : 100000, same = 0;

    set_knob(NF_CT_MAX, 500);
    rules("-t nat -A PREROUTING -i eth1 -p tcp --dport 1000:2000 -j DNAT --to-destination 10.0.0.2-10.0.0.3:80-90\n"
          "-t nat -A POSTROUTING -s 10.0.0.2 -o eth0 -j SNAT --to-source 10.0.0.1");
    for (unsigned i = 0; i < rounds; i++) {
        bool tcp = prng_below(&g, 2) != 0, in = tcp && prng_below(&g, 4) == 0;
        struct flow_ends f = {prng_below(&g, 2) != 0 ? PEER : PEER2, prng_below(&g, 4) != 0 ? SERVER : OUTSIDE,
                              (uint16_t)(1 + prng_below(&g, 20000)), (uint16_t)(1 + prng_below(&g, 5))},
                         seen, answer;

        if (in)
            f = (struct flow_ends){SERVER, US2, (uint16_t)(1 + prng_below(&g, 20000)), (uint16_t)(1000 + prng_below(&g, 1001))};
        rig_forget(r);
        if (tcp)
            tcp_in(&f, SYN, 1, 0, prng_below(&g, 50));
        else
            udp_in(&f, prng_below(&g, 50));
        ck_assert_uint_eq(r->nout, 1);
        seen = went(0, in ? eth0 : eth1);
        if (in) {
            ck_assert(seen.dst == PEER || seen.dst == PEER2);
            ck_assert(seen.dport >= 80 && seen.dport <= 90);
        } else {
            ck_assert_uint_eq(seen.src, US2);
            same += seen.sport == f.sport;
        }
        answer = back(&seen);
        rig_forget(r);
        if (tcp)
            tcp_in(&answer, SYN | ACK, 1, 2, prng_below(&g, 50));
        else
            udp_in(&answer, prng_below(&g, 50));
        ck_assert_uint_eq(r->nout, 1);
        ck_ends(went(0, in ? eth1 : eth0), f.dst, f.src, f.dport, f.sport);
        ck_assert_uint_le(nf_ct_count(stack()), 500);
        if (prng_below(&g, 50) == 0)
            advance(prng_below(&g, 3) * TD_SEC);
    }
    ck_assert_uint_gt(same, rounds / 3);
    ck_assert_uint_gt(counter(NfCtEarlyDrops), rounds / 2);
    ck_assert_uint_le(stack()->ip->nf->conns.count, 1000);
    nf_conn_flush(stack(), W_NONE);
    ck_assert_uint_eq(stack()->ip->nf->conns.count, 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ip/nf/nat");
    TCase *tc = tcase_create("nat");

    tcase_add_checked_fixture(tc, masquerade, ip_teardown);
    tcase_set_timeout(tc, 300);
    suite_add_tcase(s, tc);
    tcase_add_test(tc, masquerade_there_and_back);
    tcase_add_test(tc, two_clients_one_port);
    tcase_add_test(tc, no_port_is_left);
    tcase_add_test(tc, ports_are_not_guessable);
    tcase_add_test(tc, dnat_to_a_server);
    tcase_add_test(tc, redirect_to_ourselves);
    tcase_add_test(tc, hairpin);
    tcase_add_test(tc, our_own_by_output);
    tcase_add_test(tc, loopback_addresses_stay_inside);
    tcase_add_test(tc, to_ourselves);
    tcase_add_test(tc, partial_checksums);
    tcase_add_test(tc, ping_identifiers);
    tcase_add_test(tc, errors_find_their_client);
    tcase_add_test(tc, errors_about_pings);
    tcase_add_test(tc, errors_nobody_asked_for);
    tcase_add_test(tc, our_own_errors);
    tcase_add_test(tc, rejects_are_translated);
    tcase_add_test(tc, masquerade_follows_the_address);
    tcase_add_test(tc, fragments_are_translated_whole);
    tcase_add_test(tc, random_flows);
    return s;
}
CHECK_MAIN(suite)
