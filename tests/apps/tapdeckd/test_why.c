/* tests of apps/tapdeckd/cmd_why.c, why_*.c: prepared situations below TCP: link, ARP, IP, ICMP,
 * filter, UDP. In each, something happens; then `why` is asked, the first line must name the right
 * cause, the answer the clause that asks for it. */
#include "check_main.h"

#include "asking.h"

static void second_interface(void);
static int swallow(void *dev, const struct pkt *p)
{
    (void)dev;
    (void)p;
    return 0;
}
static const struct td_device_ops hole = {.transmit = swallow};
static uint32_t eth1;
static void second_interface(void)
{
    struct td_if_config eth = {.name = "eth1",
                               .mac = {{0x02, 0, 0, 0, 1, 1}},
                               .mtu = 1500,
                               .flags = TD_IF_UP | TD_IF_BROADCAST | TD_IF_MULTICAST,
                               .ops = &hole};
    ck_assert_int_eq(td_if_add(h->st, &eth, &eth1), 0);
}

/* An IP datagram of a UDP segment with these ends. */
static void datagram(td_ip4 src, td_ip4 dst, uint8_t ttl, uint16_t flags, uint16_t off, size_t len)
{
    uint8_t b[2000] = {0};
    struct ipv4_hdr ip = {
        .src = src, .dst = dst, .proto = 17, .ttl = ttl, .flags = flags, .frag_off = off, .id = 77};
    b[1] = 7;
    b[3] = 9;
    wire_put16(b + 4, (uint16_t)len);
    hx_ip_in(h, NOW, &ip, b, len);
}

/* ---- link ---- */

START_TEST(vlan_unknown)
{
    uint8_t f[64] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0, 42, 8, 0};
    fresh();
    hx_frame_in(h, NOW, f, sizeof(f));
    ASKS("why drop", "VLAN 42 isn't configured here", "eth-drop-vlan");
    ASKS("why vlan", "VLAN 42", "eth0");
    done();
}
END_TEST

START_TEST(dropped_by_a_queue)
{
    fresh();
    good("tc qdisc add dev eth0 root netem loss 100%");
    int s = hx_udp_socket(h, 0, 5000);
    ck_assert_int_ge(td_sendto(h->st, s, "x", 1, 0, HX_PEER, 9), 0);
    hx_flush(h);
    ASKS("why drop", "The queue discipline of eth0 dropped a frame (loss", "link-drop-qdisc");
    done();
}
END_TEST

START_TEST(impairment)
{
    fresh();
    good("tc rule add dev eth0 ingress drop the 1st packet");
    datagram(HX_PEER, HX_US, 64, 0, 0, 12);
    ASKS("why last", "Rule 1 of eth0 dropped a frame", "impair-drop");
    done();
}
END_TEST

START_TEST(bridge_port)
{
    uint8_t f[64] = {1, 0x80, 0xc2, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0};
    fresh();
    good("ip link add br0 type bridge");
    good("ip link set br0 up");
    good("ip link set eth0 master br0");
    hx_frame_in(h, NOW, f, sizeof(f));
    ASKS("why drop", "bridges don't pass that address on", "IEEE 802.1D 7.12.6");
    f[0] = 6; /* to itself: it is behind the port it came from */
    f[1] = 0;
    uint8_t from_it[64] = {2, 0, 0, 0, 0, 9, 6, 0, 0xc2, 0, 0, 1, 8, 0};
    f[2] = 0xc2;
    hx_frame_in(h, NOW, from_it, sizeof(from_it));
    hx_frame_in(h, NOW, f, sizeof(f));
    ASKS("why bridge drop", "is behind the port that it came from", "IEEE 802.1D 7.7.1");
    hx_drain(h);
    done();
}
END_TEST

/* ---- arp ---- */

START_TEST(arp_failed)
{
    fresh();
    int s = hx_tcp_connect(h, 5000, TD_IP4(10, 0, 0, 9), 80);
    (void)s;
    hx_until(h, SEC(20));
    hx_drain(h);
    ASKS("why connect 10.0.0.9:80", "Neighbour 10.0.0.9 on eth0 didn't answer 3 requests",
         "No route to host", "RFC 1122 2.3.2.1");
    ASKS("why neigh 10.0.0.9", "10.0.0.9 on eth0 is FAILED", "neigh-failed");
    done();
}
END_TEST

START_TEST(arp_pending)
{
    fresh();
    hx_neighbour(h, TD_IP4(10, 0, 0, 9), (struct td_mac){{2, 0, 0, 0, 0, 9}});
    (void)hx_tcp_connect(h, 5000, TD_IP4(10, 0, 0, 9), 80);
    ip_out(h, NOW, 6);
    ASKS("why stalled", "is in SYN-SENT: no answer to our SYN has come", "RFC 9293");
    hx_drain(h);
    done();
    begin(reach(EST)); /* and one whose neighbour has been forgotten */
    good("ip neigh del 10.0.0.2 dev eth0");
    say(&c, 1, 100);
    hx_until(h, hx_now(h) + MS(1500));
    hx_drain(h);
    ASKS("why stalled", "The next hop 10.0.0.2 does not answer ARP", "RFC 1122 2.3.2.2");
    done();
}
END_TEST

START_TEST(duplicate_address)
{
    struct arp_pkt a = {.op = 1, .sha = HX_PEER_MAC, .spa = HX_US, .tpa = HX_US};
    fresh();
    hx_arp_in(h, NOW, &a, true);
    ASKS("why drop", "Address conflict on eth0", "RFC 5227 2.4", "10.0.0.1");
    ASKS("why conflict", "claims 10.0.0.1, which is ours", "acd-conflict");
    hx_drain(h);
    done();
}
END_TEST

/* ---- ip ---- */

START_TEST(bad_ip_checksum)
{
    uint8_t b[60] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 20};
    fresh();
    hx_frame_in(h, NOW, b, sizeof(b));
    ASKS("why drop", "that are no IPv4 datagram: bad checksum", "RFC 1122 3.2.1");
    done();
}
END_TEST

START_TEST(martian_source)
{
    fresh();
    datagram(TD_IP4(127, 0, 0, 1), HX_US, 64, 0, 0, 12);
    ASKS("why drop", "no host may have that source address here", "ip-drop-martian-source",
         "RFC 1122 3.2.1.3");
    ASKS("why martian", "127.0.0.1", "eth0");
    done();
}
END_TEST

START_TEST(reverse_path)
{
    fresh();
    second_interface();
    ck_assert_int_eq(td_addr_add(h->st, eth1, TD_IP4(172, 16, 0, 1), 24), 0);
    good("sysctl -w net.ipv4.conf.eth0.rp_filter=1");
    datagram(TD_IP4(172, 16, 0, 5), HX_US, 64, 0, 0, 12);
    ASKS("why drop", "the way back to 172.16.0.5 doesn't leave by eth0", "RFC 3704");
    done();
}
END_TEST

START_TEST(not_for_us)
{
    fresh();
    datagram(HX_PEER, HX_FAR, 64, 0, 0, 12);
    ASKS("why drop", "that is not this host (ip_forward: no)", "RFC 1122 3.2.1.3");
    done();
}
END_TEST

START_TEST(ttl_expired)
{
    fresh();
    good("sysctl -w net.ipv4.ip_forward=1");
    datagram(HX_PEER, HX_FAR, 1, 0, 0, 12);
    hx_drain(h);
    ASKS("why drop", "its TTL has run out", "ip-forward-drop", "RFC 1812 5.2");
    ASKS("why 10.0.0.2 icmp", "Told 10.0.0.2: time exceeded", "RFC 1122 3.2.2");
    done();
}
END_TEST

START_TEST(frag_needed)
{
    fresh();
    second_interface();
    ck_assert_int_eq(td_addr_add(h->st, eth1, TD_IP4(172, 16, 0, 1), 24), 0);
    ck_assert_int_eq(td_if_set_mtu(h->st, eth1, 600), 0);
    good("sysctl -w net.ipv4.ip_forward=1");
    datagram(HX_PEER, TD_IP4(172, 16, 0, 5), 64, IPV4_DF, 0, 1000);
    hx_drain(h);
    ASKS("why drop", "larger than the next link's MTU and must not be cut", "ip-forward-drop");
    done();
}
END_TEST

START_TEST(no_route)
{
    fresh();
    good("ip route del default");
    int s = td_socket(h->st, AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = td_sockaddr(HX_FAR, 80);
    ck_assert_int_lt(td_connect(h->st, s, (struct sockaddr *)&to, sizeof(to)), 0);
    ASKS("why connect 192.0.2.7:80",
         "No connection to 192.0.2.7 port 80 could be opened: Network is unreachable", "RFC 9293");
    ASKS("why route 192.0.2.7", "No route leads to 192.0.2.7: the network is unreachable",
         "RFC 1122 3.3.1");
    int u = hx_udp_socket(h, 0, 5000);
    ck_assert_int_lt(td_sendto(h->st, u, "x", 1, 0, HX_FAR, 9), 0);
    ASKS("why error", "A datagram to 192.0.2.7 port 9 was not sent: Network is unreachable",
         "RFC 1122 4.1.4");
    done();
}
END_TEST

START_TEST(which_route)
{
    fresh();
    ASKS("why route 192.0.2.7",
         "192.0.2.7 goes by the gateway 10.0.0.254 on eth0: the route to default is the longest",
         "chosen", "RFC 1812 5.2.4.3");
    ASKS("why route to 10.0.0.77", "10.0.0.77 goes directly on eth0: the route to 10.0.0.0/24",
         "addr-added");
    ASKS("why route 10.0.0.0/24", "eth0 was given the address 10.0.0.1/24", "RFC 1122 3.3.1");
    good("ip route add 172.16.0.0/16 via 10.0.0.2");
    ASKS("why route 172.16.0.0/16", "A route to 172.16.0.0/16 was added", "RFC 1122 3.3.1");
    ASKS("why route 172.16.5.5", "172.16.5.5 goes by the gateway 10.0.0.2 on eth0",
         "route-added 10.0.0.2");
    good("ip route add blackhole 9.9.9.0/24");
    ASKS("why route 9.9.9.9", "Nothing can be sent to 9.9.9.9: the route to 9.9.9.0/24 is of the type blackhole",
         "9.9.9.0/24", "RFC 1122 3.3.1");
    ASKS("why route 10.0.0.1", "is this host itself", "local");
    done();
}
END_TEST

START_TEST(fragment_timeout)
{
    fresh();
    datagram(HX_PEER, HX_US, 64, IPV4_MF, 0, 16);
    hx_until(h, SEC(60));
    hx_drain(h);
    ASKS("why drop", "time ran out", "frag-drop-timeout", "RFC 1122 3.3.2");
    ASKS("why fragments", "10.0.0.2", "frag-");
    done();
}
END_TEST

/* ---- icmp ---- */

START_TEST(bad_icmp_checksum)
{
    fresh();
    icmp_in(h, NOW, .type = 8, .bad_csum = true);
    ASKS("why drop",
         "Dropped the message echo request (code 0) from 10.0.0.2: its checksum is wrong",
         "RFC 792");
    done();
}
END_TEST

START_TEST(redirect_ignored)
{
    uint8_t quote[28] = {0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 192, 0, 2, 7};
    fresh();
    knob_set(h, "net.ipv4.conf.all.accept_redirects", "1");
    knob_set(h, "net.ipv4.conf.eth0.accept_redirects", "1");
    icmp_in(h, NOW, .type = 5, .code = 1, .word = 0x0a000042, .data = quote, .len = sizeof(quote));
    ASKS("why redirect", "its sender is not the gateway in use", "RFC 1122 3.2.2.2");
    ASKS("why drop", "Dropped a redirect from 10.0.0.2 for 192.0.2.7 to 10.0.0.66",
         "icmp-drop-redirect");
    done();
}
END_TEST

/* ---- filter, nat ---- */

START_TEST(filter_rule)
{
    fresh();
    good("iptables -A INPUT -p tcp --dport 22 -j ACCEPT");
    good("iptables -A INPUT -p icmp -j ACCEPT");
    good("iptables -A INPUT -p udp --dport 9 -j DROP");
    udp_in(h, NOW, .sport = 7, .dport = 9, .len = 4);
    ASKS("why drop", "by rule 3 of chain INPUT, table filter: DROP", "RFC 1812 5.3.9");
    ASKS("why rule 3 INPUT", "nf-drop-rule", "from 10.0.0.2 to 10.0.0.1 (UDP, ports 7 to 9)");
    good("why rule 2 INPUT");
    ck_assert_ptr_nonnull(strstr(out, "nothing in the journal matches"));
    good("iptables -P INPUT DROP");
    udp_in(h, NOW, .sport = 7, .dport = 10, .len = 4);
    ASKS("why last drop", "by the policy of chain INPUT: no rule decided", "nf-drop-policy");
    done();
}
END_TEST

START_TEST(nat_table_full)
{
    fresh();
    good("iptables -A INPUT -m conntrack --ctstate NEW -j ACCEPT");
    good("sysctl -w net.netfilter.nf_conntrack_max=1");
    (void)hx_udp_socket(h, 0, 9);
    for (int i = 0; i < 3; i++) {
        int s = hx_udp_socket(h, 0, (uint16_t)(5000 + i));
        ck_assert_int_ge(s, 0);
        (void)td_sendto(h->st, s, "x", 1, 0, HX_PEER, 9);
        hx_flush(h);
        udp_in(h, NOW, .sport = 9, .dport = (uint16_t)(5000 + i), .len = 4);
        (void)td_sendto(h->st, s, "x", 1, 0, HX_PEER, 9);
        hx_flush(h);
        hx_until(h, hx_now(h) + SEC(3));
        (void)td_sendto(h->st, s, "x", 1, 0, HX_PEER, 9);
        hx_flush(h);
    }
    hx_drain(h);
    ASKS("why nat drop", "all 1 flows there may be are assured (nf_conntrack_max)",
         "nf-drop-table-full");
    done();
}
END_TEST

START_TEST(a_rule_swallows_the_syn)
{
    fresh();
    good("iptables -A OUTPUT -p tcp --dport 81 -j DROP");
    (void)hx_tcp_connect(h, 5000, HX_PEER, 81);
    hx_until(h, SEC(4));
    ASKS("why connect 10.0.0.2:81", "by rule 1 of chain OUTPUT, table filter: DROP",
         "That is why our SYN is not answered", "RFC 1812 5.3.9");
    ASKS("why stalled", "by rule 1 of chain OUTPUT, table filter: DROP", "nf-drop-rule");
    hx_drain(h);
    done();
}
END_TEST

START_TEST(a_rule_swallows_the_acknowledgments)
{
    begin(reach(EST));
    good("iptables -A INPUT -p tcp --sport 40000 -j DROP");
    say(&c, 1, 100);
    hx_drain(h);
    ack_in(&c, hx_now(h) + MS(1), 101, 1000);
    hx_until(h, hx_now(h) + SEC(2));
    hx_drain(h);
    ASKS("why stalled", "by rule 1 of chain INPUT, table filter: DROP",
         "That is why nothing is acknowledged", "nf-drop-rule");
    done();
}
END_TEST

/* ---- udp ---- */

START_TEST(bad_udp_checksum)
{
    fresh();
    (void)hx_udp_socket(h, 0, 9);
    udp_in(h, NOW, .sport = 7, .dport = 9, .len = 4, .bad_csum = true);
    ASKS("why 10.0.0.2:7", "A datagram from 10.0.0.2 port 7 to port 9 was dropped: its checksum",
         "RFC 1122 4.1.3.4");
    done();
}
END_TEST

START_TEST(udp_closed_port)
{
    fresh();
    udp_in(h, NOW, .sport = 7, .dport = 9, .len = 4);
    hx_drain(h);
    ASKS("why drop", "nobody listens on port 9", "RFC 1122 4.1.3.1");
    ASKS("why icmp", "destination unreachable (code 3)", "because", "udp-drop-no-port");
    done();
}
END_TEST

START_TEST(port_unreachable)
{
    fresh();
    int s = hx_udp_socket(h, 0, 5000);
    struct sockaddr_in to = td_sockaddr(HX_PEER, 9);
    ck_assert_int_eq(td_connect(h->st, s, (struct sockaddr *)&to, sizeof(to)), 0);
    ck_assert_int_eq(td_send(h->st, s, "x", 1, 0), 1);
    hx_flush(h);
    ip_out(h, NOW, 17);
    hx_icmp_error_in(h, NOW, HX_PEER, 3, 3, 0, 8);
    ASKS("why fail", "10.0.0.2 says destination unreachable (code 3)", "Connection refused",
         "RFC 1122");
    ASKS("why connect 10.0.0.2:9", "10.0.0.2 says destination unreachable", "udp-error");
    done();
}
END_TEST

static Suite *suite(void)
{
    const TTest *const tests[] = {vlan_unknown,
                                  dropped_by_a_queue,
                                  impairment,
                                  bridge_port,
                                  arp_failed,
                                  arp_pending,
                                  duplicate_address,
                                  bad_ip_checksum,
                                  martian_source,
                                  reverse_path,
                                  not_for_us,
                                  ttl_expired,
                                  frag_needed,
                                  no_route,
                                  which_route,
                                  fragment_timeout,
                                  bad_icmp_checksum,
                                  redirect_ignored,
                                  filter_rule,
                                  nat_table_full,
                                  a_rule_swallows_the_syn,
                                  a_rule_swallows_the_acknowledgments,
                                  bad_udp_checksum,
                                  udp_closed_port,
                                  port_unreachable};
    Suite *s = suite_create("why");
    TCase *t = tcase_create("why");
    for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++)
        tcase_add_test(t, tests[i]);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
