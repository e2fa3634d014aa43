/* tests of apps/tapdeckd/cmd_why.c, why_*.c: prepared situations over all layers, in virtual time. In each, something
 * happens to a stack that only sees frames; then `why` is asked as a person would, and the first line must
 * name the right cause, the answer the clause that asks for it.
 *
 * WHY_SHOW=1 prints the answers. */
#include "check_main.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/control.h"
#include "stack/tcp/sack_talk.h"
#include "tapdeckd/deck.h"

static struct deck deck;
static struct conv c;
static struct hx *h;
static char out[262144], err[768];

static void begin(struct conv conv)
{
    c = conv;
    h = c.h;
    deck_init(&deck, h->st, "test");
}

static void fresh(void)
{
    begin(conv_new(TD_PROFILE_LINUX));
}

static void done(void)
{
    deck_done(&deck);
    leave(&c);
}

static int run_as(const char *line, bool json)
{
    char msg[256], **argv;
    int argc = words_split(line, &argv, msg, sizeof(msg));
    ck_assert_msg(argc > 0, "%s: %s", line, msg);
    struct run *r = run_start(&deck, argc, argv, json, false);
    words_free(argv);
    for (int i = 0; i < 1000 && r->status == RUN_MORE; i++)
        run_step(r, td_stack_now(h->st));
    ck_assert_msg(r->status != RUN_MORE, "%s does not end", line);
    snprintf(out, sizeof(out), "%s", r->out.s != NULL ? r->out.s : "");
    snprintf(err, sizeof(err), "%s", r->err);
    int status = r->status;
    run_free(r);
    return status;
}

static void good(const char *line)
{
    int status = run_as(line, false);
    ck_assert_msg(status == EXIT_DONE, "%s: status %d, %s", line, status, err);
}

/* A record's line begins with its time, the lines of a chain with blanks. */
static bool begins_line(const char *p)
{
    return *p == '\0' || *p == ' ' || (p[0] >= '0' && p[0] <= '9' && p[1] >= '0' && p[1] <= '9' && p[2] == ':' && p[8] == '.');
}

/* Sentences of several lines become one line. */
static void unwrap(void)
{
    for (char *p = out; (p = strchr(p, '\n')) != NULL; p++)
        if (!begins_line(p + 1))
            *p = ' ';
}

/* Asks; the first line must have `cause`, the whole answer each of the others, up to NULL. */
static void asks(const char *question, const char *cause, ...)
{
    va_list more;
    good(question);
    if (getenv("WHY_SHOW") != NULL)
        printf("? %s\n%s\n", question, out);
    unwrap();
    const char *found = strstr(out, cause);
    ck_assert_msg(found != NULL && found < out + strcspn(out, "\n"), "%s: '%s' is not first in:\n%s", question, cause, out);
    va_start(more, cause);
    for (const char *s; (s = va_arg(more, const char *)) != NULL;)
        ck_assert_msg(strstr(out, s) != NULL, "%s: '%s' is not in:\n%s", question, s, out);
    va_end(more);
}

/* The same for many: the sentence, and the RFC. */
#define ASKS(q, cause, ...) asks(q, cause, __VA_ARGS__, (const char *)NULL)

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
    struct ipv4_hdr ip = {.src = src, .dst = dst, .proto = 17, .ttl = ttl, .flags = flags, .frag_off = off, .id = 77};
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
    ASKS("why connect 10.0.0.9:80", "Neighbour 10.0.0.9 on eth0 didn't answer 3 requests", "No route to host", "RFC 1122 2.3.2.1");
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
    ASKS("why drop", "no host may have that source address here", "ip-drop-martian-source", "RFC 1122 3.2.1.3");
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
    ASKS("why connect 192.0.2.7:80", "No connection to 192.0.2.7 port 80 could be opened: Network is unreachable", "RFC 9293");
    ASKS("why route 192.0.2.7", "No route leads to 192.0.2.7: the network is unreachable", "RFC 1122 3.3.1");
    int u = hx_udp_socket(h, 0, 5000);
    ck_assert_int_lt(td_sendto(h->st, u, "x", 1, 0, HX_FAR, 9), 0);
    ASKS("why error", "A datagram to 192.0.2.7 port 9 was not sent: Network is unreachable", "RFC 1122 4.1.4");
    done();
}
END_TEST

START_TEST(which_route)
{
    fresh();
    ASKS("why route 192.0.2.7", "192.0.2.7 goes by the gateway 10.0.0.254 on eth0: the route to default is the longest", "chosen",
         "RFC 1812 5.2.4.3");
    ASKS("why route to 10.0.0.77", "10.0.0.77 goes directly on eth0: the route to 10.0.0.0/24", "addr-added");
    ASKS("why route 10.0.0.0/24", "eth0 was given the address 10.0.0.1/24", "RFC 1122 3.3.1");
    good("ip route add 172.16.0.0/16 via 10.0.0.2");
    ASKS("why route 172.16.0.0/16", "A route to 172.16.0.0/16 was added", "RFC 1122 3.3.1");
    ASKS("why route 172.16.5.5", "172.16.5.5 goes by the gateway 10.0.0.2 on eth0", "route-added 10.0.0.2");
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
    ASKS("why drop", "Dropped the message echo request (code 0) from 10.0.0.2: its checksum is wrong", "RFC 792");
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
    ASKS("why drop", "Dropped a redirect from 10.0.0.2 for 192.0.2.7 to 10.0.0.66", "icmp-drop-redirect");
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
    ASKS("why nat drop", "all 1 flows there may be are assured (nf_conntrack_max)", "nf-drop-table-full");
    done();
}
END_TEST

START_TEST(a_rule_swallows_the_syn)
{
    fresh();
    good("iptables -A OUTPUT -p tcp --dport 81 -j DROP");
    (void)hx_tcp_connect(h, 5000, HX_PEER, 81);
    hx_until(h, SEC(4));
    ASKS("why connect 10.0.0.2:81", "by rule 1 of chain OUTPUT, table filter: DROP", "That is why our SYN is not answered", "RFC 1812 5.3.9");
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
    ASKS("why stalled", "by rule 1 of chain INPUT, table filter: DROP", "That is why nothing is acknowledged", "nf-drop-rule");
    done();
}
END_TEST

/* ---- udp ---- */

START_TEST(bad_udp_checksum)
{
    fresh();
    (void)hx_udp_socket(h, 0, 9);
    udp_in(h, NOW, .sport = 7, .dport = 9, .len = 4, .bad_csum = true);
    ASKS("why 10.0.0.2:7", "A datagram from 10.0.0.2 port 7 to port 9 was dropped: its checksum", "RFC 1122 4.1.3.4");
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
    ASKS("why fail", "10.0.0.2 says destination unreachable (code 3)", "Connection refused", "RFC 1122");
    ASKS("why connect 10.0.0.2:9", "10.0.0.2 says destination unreachable", "udp-error");
    done();
}
END_TEST

/* ---- tcp: beginnings ---- */

START_TEST(bad_tcp_checksum)
{
    begin(reach(EST));
    tcp_in(h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000, .len = 4, .bad_csum = true);
    ASKS("why drop", "Dropped a segment from 10.0.0.2 port 40000 to port 80: its checksum", "RFC 9293 3.1");
    ASKS("why checksum", "tcp-drop-checksum", "is wrong");
    done();
}
END_TEST

START_TEST(closed_port)
{
    fresh();
    tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = 1000, .dport = 81);
    hx_drain(h);
    ASKS("why drop", "Nobody is at port 81 for the segment SYN from 10.0.0.2 port 40000", "RFC 9293 3.10.7.1");
    ASKS("why 10.0.0.2:40000", "Sent a reset (no such connection)", "because", "tcp-drop-closed");
    done();
}
END_TEST

START_TEST(refused)
{
    begin(reach(SYS));
    tcp_in(h, NOW, .flags = RST | ACK, .seq = 0, .ack = 1);
    ASKS("why connect", "10.0.0.2 answered our SYN to port 40000 with a reset: nobody listens there", "Connection refused", "RFC 9293 3.10.7");
    ASKS("why connect 10.0.0.2:40000", "answered our SYN", "the application is told: Connection refused", "tcp-rst-in");
    ASKS("why 10.0.0.2:40000", "The user is told: Connection refused", "because", "tcp-rst-in");
    ASKS("why last", "The user is told: Connection refused", "because", "tcp-rst-in");
    ASKS("why refused", "answered our SYN", "tcp-error");
    ASKS("why fail", "answered our SYN", "tcp-error");
    done();
}
END_TEST

START_TEST(no_answer)
{
    begin(reach(SYS));
    hx_until(h, SEC(5));
    hx_drain(h);
    ASKS("why connect 10.0.0.2:40000", "It has not failed yet", "no answer to our SYN", " times, the next goes out in");
    ASKS("why stalled", "SYN-SENT", "RFC");
    hx_until(h, SEC(200));
    hx_drain(h);
    ASKS("why connect 10.0.0.2:40000", "The connection is given up (retransmissions exhausted)", "timed out", "RFC 9293 3.8.3");
    done();
}
END_TEST

START_TEST(backlog_full)
{
    fresh();
    int l = hx_tcp_listen(h, 80);
    ck_assert_int_eq(td_listen(h->st, l, 1), 0);
    for (uint16_t p = 1; p <= 4; p++) {
        tcp_in(h, NOW, .sport = p, .flags = SYN, .seq = 0, .wnd = 1000, .opts = {.mss = 1460});
        if (hx_pending(h) == 0)
            break;
        tcp_out(h, NOW, .dport = p, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
        tcp_in(h, NOW, .sport = p, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
    }
    ASKS("why drop", "accept queue full", "RFC 4987 3");
    hx_drain(h);
    done();
}
END_TEST

START_TEST(syn_cookies)
{
    fresh();
    knob_set(h, "net.ipv4.tcp_syncookies", "2");
    (void)hx_tcp_listen(h, 80);
    tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = 1000, .opts = {.mss = 1460});
    hx_drain(h);
    ASKS("why cookie", "10.0.0.2 port 40000 gets a SYN cookie", "RFC 4987 3.6");
    done();
}
END_TEST

/* ---- tcp: segments that are refused ---- */

static struct conv stamped_conv(void)
{
    struct conv x = conv_new(TD_PROFILE_LINUX);
    x = talk(x, (struct hx_opts){.mss = 1000, .ts = true, .ts_val = 1000}, 60000, 0);
    return x;
}

START_TEST(paws)
{
    begin(stamped_conv());
    tcp_in(h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000, .len = 4, .opts = {.ts = true, .ts_val = 5000});
    hx_drain(h);
    tcp_in(h, NOW, .flags = ACK, .seq = 5, .ack = 1, .wnd = 1000, .len = 4, .opts = {.ts = true, .ts_val = 10});
    hx_drain(h);
    ASKS("why drop", "its timestamp 10 is older than 5000", "RFC 7323 5.3", "tcp-drop-paws");
    ASKS("why paws", "tcp-drop-paws", "RFC 7323");
    done();
}
END_TEST

START_TEST(challenge_ack)
{
    begin(reach(EST));
    tcp_in(h, NOW, .flags = SYN, .seq = 1, .wnd = 1000);
    hx_drain(h);
    ASKS("why challenge", "Sent a challenge ACK (SYN in a synchronized state)", "RFC 5961 3-5");
    done();
}
END_TEST

START_TEST(blind_reset)
{
    begin(reach(EST));
    tcp_in(h, NOW, .flags = RST, .seq = 100);
    hx_drain(h);
    ASKS("why drop", "Dropped a reset at", "in the window but not at its edge", "RFC 9293 3.10.7", "tcp-drop-rst");
    ASKS("why 10.0.0.2:40000 -n 1", "challenge ACK", "RFC 5961");
    done();
}
END_TEST

START_TEST(outside_the_window)
{
    begin(reach(EST));
    tcp_in(h, NOW, .flags = ACK, .seq = 900000, .ack = 1, .wnd = 1000, .len = 4);
    hx_drain(h);
    ASKS("why drop", "outside the window of", "RFC 9293 3.10.7.4");
    done();
}
END_TEST

/* ---- tcp: what holds a sender back ---- */

START_TEST(window_full)
{
    begin(talk(conv_new(TD_PROFILE_LINUX), (struct hx_opts){.mss = 1000}, 2000, MS(10)));
    say(&c, 1, 5000);
    hx_drain(h);
    ASKS("why stalled 10.0.0.2:40000", "The peer's window is full: it takes 2000 bytes and 2000 are in flight; 3000 wait", "RFC 9293 3.8.6");
    done();
}
END_TEST

START_TEST(zero_window)
{
    begin(talk(conv_new(TD_PROFILE_LINUX), (struct hx_opts){.mss = 1000}, 2000, MS(10)));
    say(&c, 1, 5000);
    hx_drain(h);
    ack_in(&c, NOW, 2001, 0);
    ASKS("why stalled", "The peer's window is closed (zero window)", "3000 bytes wait", "RFC 9293 3.8.6.1", "tcp-window-zero-in");
    hx_until(h, hx_now(h) + SEC(1));
    hx_drain(h);
    ASKS("why window", "The peer closed its window", "RFC 9293 3.8.6.1");
    ASKS("why probe", "Window probe at", "RFC 9293 3.8.6.1");
    done();
}
END_TEST

START_TEST(nagle)
{
    begin(talk(conv_new(TD_PROFILE_LINUX), (struct hx_opts){.mss = 1000}, 60000, MS(10)));
    say(&c, 1, 100);
    say(&c, 101, 100);
    hx_drain(h);
    ASKS("why idle", "Nagle's rule: 100 bytes are less than a full segment (1000) and wait until the 100 in flight", "RFC 9293 3.7.4");
    done();
}
END_TEST

START_TEST(nothing_to_send)
{
    begin(reach(EST));
    ASKS("why idle", "The application has nothing to send", "RFC 9293");
    say(&c, 1, 100);
    hx_drain(h);
    ASKS("why stalled", "All that was written has been sent: 100 bytes are on their way", "RFC 9293");
    hx_until(h, hx_now(h) + SEC(3));
    hx_drain(h);
    ASKS("why stuck", "Nothing is acknowledged, though the earliest segment was sent again", "RFC 6298 5.5", "tcp-rto");
    done();
}
END_TEST

START_TEST(cwnd_full)
{
    begin(sack_flight(conv_new(TD_PROFILE_LINUX), 40000));
    ASKS("why stalled", "The congestion window is full: 10000 bytes, 10000 in flight (open); 30000 wait", "RFC 5681 3.1");
    done();
}
END_TEST

START_TEST(delayed_ack)
{
    begin(reach(EST));
    knob_set(h, "tapdeck.journal.level", "2");
    ck_assert_int_eq(set_opt(h, c.s, IPPROTO_TCP, TCP_QUICKACK, 0), 0);
    tcp_in(h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000, .len = 4);
    ASKS("why delack", "The acknowledgment of 4 bytes waits up to", "RFC 9293 3.8.6.3");
    hx_until(h, hx_now(h) + SEC(1));
    hx_drain(h);
    done();
}
END_TEST

/* ---- tcp: loss and what comes of it ---- */

START_TEST(rto_against_tlp)
{
    begin(sack_flight(conv_new(TD_PROFILE_LINUX), 4000));
    hx_until(h, MS(250));
    hx_drain(h);
    ASKS("why retransmit", "Tail loss probe", "RFC 8985 7.3");
    hx_until(h, MS(600));
    hx_drain(h);
    ASKS("why retransmit", "No acknowledgment for", "retransmission time-out 1", "RFC 6298 5.4-5.6");
    ASKS("why rto", "tcp-rto", "RFC 6298");
    ASKS("why cwnd", "No acknowledgment for", "the congestion window was cut from", "RFC 6298");
    done();
}
END_TEST

START_TEST(fast_retransmit)
{
    begin(sack_flight(conv_new(TD_PROFILE_LINUX), 10000));
    sack_in(&c, MS(100), 1, B1(1, 5));
    hx_until(h, MS(130));
    hx_drain(h);
    ASKS("why retransmit 10.0.0.2:40000", "is believed lost", "RFC 8985 6.2", "tcp-retransmit");
    ASKS("why cwnd 10.0.0.2:40000", "is believed lost", "the congestion window was cut from 10000 to", "tcp-cwnd");
    done();
}
END_TEST

START_TEST(sack_reneging)
{
    begin(sack_flight(conv_new(TD_PROFILE_LINUX), 10000));
    sack_in(&c, MS(100), 1, B1(1, 5));
    hx_until(h, MS(130));
    hx_drain(h);
    ack_in(&c, MS(140), 1001, WND); /* and no SACK of what follows */
    hx_until(h, SEC(2));
    hx_drain(h);
    ASKS("why renege", "which it has SACKed: its", "RFC 2018 8");
    done();
}
END_TEST

START_TEST(spurious_undo)
{
    begin(sack_flight(conv_new(TD_PROFILE_LINUX), 10000));
    sack_in(&c, MS(100), 1, B1(1, 10));
    hx_until(h, MS(130));
    hx_drain(h);
    sack_in(&c, MS(140), 10001, (struct blocks){0});
    say(&c, 10001, 1000);
    hx_drain(h);
    sack_in(&c, MS(200), 10001, B1(0, 1)); /* the copy came twice */
    ASKS("why undo", "There was no loss (D-SACK): cwnd back from", "RFC 4015 3");
    hx_drain(h);
    done();
}
END_TEST

START_TEST(path_mtu)
{
    begin(talk(conv_new(TD_PROFILE_LINUX), (struct hx_opts){.mss = 1460}, 60000, MS(10)));
    say(&c, 1, 1460);
    ip_out(h, NOW, 6);
    hx_icmp_error_in(h, NOW, HX_ROUTER, 3, 4, 1000, 8);
    hx_drain(h);
    ASKS("why pmtu", "full segments now carry", "RFC 1191");
    ASKS("why icmp", "10.0.0.254 says destination unreachable (code 4)", "icmp-error-in");
    done();
}
END_TEST

START_TEST(black_hole)
{
    fresh();
    knob_set(h, "net.ipv4.tcp_mtu_probing", "1");
    begin(talk(c, (struct hx_opts){.mss = 1460}, 60000, MS(10)));
    say(&c, 1, 14600);
    hx_until(h, hx_now(h) + SEC(20));
    hx_drain(h);
    ASKS("why mtu", "black hole", "RFC 4821 7");
    done();
}
END_TEST

/* ---- tcp: ends ---- */

START_TEST(close_wait)
{
    begin(reach(CLW));
    hx_until(h, hx_now(h) + SEC(12));
    ASKS("why state 10.0.0.2:40000", "10.0.0.1:80-10.0.0.2:40000 is in CLOSE-WAIT: the peer closed at",
         "RFC 9293 3.6", "has not called close for 12 s", "tcp-state", "the peer's FIN");
    ASKS("why CLOSE-WAIT", "is in CLOSE-WAIT: the peer closed", "which began with the arrival of packet");
    ASKS("why close_wait", "is in CLOSE-WAIT", "tcp-state");
    done();
}
END_TEST

START_TEST(other_states)
{
    static const struct {
        enum st st;
        const char *says;
    } states[] = {{SYR, "the peer's SYN came at"},
                  {EST, "neither side has closed since"},
                  {FW1, "the peer has not acknowledged our FIN"},
                  {FW2, "has not closed its own side"},
                  {CLG, "both sides closed at once"},
                  {LAK, "the peer closed first, then this side"},
                  {TIW, "it waits 2MSL"}};
    for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++) {
        begin(reach(states[i].st));
        ASKS("why state 10.0.0.2:40000", states[i].says, "RFC 9293 3");
        hx_drain(h);
        done();
    }
    begin(reach(LIS));
    ASKS("why state :80", "an application waits for connections", "tcp-listen");
    done();
}
END_TEST

START_TEST(time_wait)
{
    begin(reach(TIW));
    ASKS("why TIME-WAIT", "is in TIME-WAIT: this side closed first, so it waits 2MSL", "RFC 9293 3.6.1");
    tcp_in(h, hx_now(h) + SEC(2), .flags = SYN, .seq = 100000, .wnd = 1000, .opts = {.mss = 1460});
    hx_drain(h);
    ASKS("why reuse", "A new SYN at", "ends TIME-WAIT early", "RFC 9293 3.6.1");
    done();
}
END_TEST

START_TEST(keepalive_death)
{
    begin(reach(EST));
    ck_assert_int_eq(set_opt(h, c.s, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
    ck_assert_int_eq(set_opt(h, c.s, IPPROTO_TCP, TCP_KEEPIDLE, 10), 0);
    ck_assert_int_eq(set_opt(h, c.s, IPPROTO_TCP, TCP_KEEPINTVL, 1), 0);
    ck_assert_int_eq(set_opt(h, c.s, IPPROTO_TCP, TCP_KEEPCNT, 3), 0);
    hx_until(h, hx_now(h) + SEC(60));
    hx_drain(h);
    ASKS("why closed", "The connection is given up (keep-alive unanswered) after 3 tries", "tcp-give-up", "RFC 9293 3.8.3");
    ASKS("why fail", "The connection is given up (keep-alive unanswered)", "timed out");
    done();
}
END_TEST

START_TEST(user_timeout)
{
    begin(reach(EST));
    ck_assert_int_eq(set_opt(h, c.s, IPPROTO_TCP, TCP_USER_TIMEOUT, 3000), 0);
    say(&c, 1, 100);
    hx_until(h, hx_now(h) + SEC(30));
    hx_drain(h);
    ASKS("why closed", "The connection is given up (user timeout)", "tcp-give-up", "RFC 9293 3.8.3");
    done();
}
END_TEST

START_TEST(peer_reset)
{
    begin(reach(EST));
    tcp_in(h, NOW, .flags = RST, .seq = 1);
    ASKS("why closed 10.0.0.2:40000", "A reset at", "RFC 9293 3.10.7", "tcp-rst-in");
    ASKS("why reset", "A reset at", "ESTABLISHED");
    done();
}
END_TEST

/* ---- the words ---- */

static void refuses(const char *line, const char *why)
{
    int status = run_as(line, false);
    ck_assert_msg(status == EXIT_USAGE, "%s: status %d, %s", line, status, err);
    ck_assert_msg(strstr(err, why) != NULL, "%s: %s", line, err);
    ck_assert_msg(strchr(err, '\n') == NULL, "%s: more than a sentence", line);
}

START_TEST(times)
{
    fresh();
    udp_in(h, NOW, .sport = 7, .dport = 9, .len = 4);
    hx_until(h, hx_now(h) + SEC(100));
    udp_in(h, NOW, .sport = 8, .dport = 9, .len = 4);
    hx_drain(h);
    good("why drop since 10s");
    ck_assert(strstr(out, "port 8") != NULL && strstr(out, "port 7") == NULL);
    good("why drop until 50s");
    ck_assert(strstr(out, "port 7 ") != NULL && strstr(out, "port 8 ") == NULL);
    good("why drop between 200s and 50s");
    ck_assert(strstr(out, "port 7 ") != NULL && strstr(out, "port 8 ") == NULL);
    good("why drop since 00:00:00 until 23:59:59");
    refuses("why since yesterday", "'yesterday' is not a time");
    refuses("why since", "a time");
    refuses("why between 5s", "a time");
    done();
}
END_TEST

START_TEST(words)
{
    fresh();
    udp_in(h, NOW, .sport = 7, .dport = 9, .len = 4);
    hx_drain(h);
    good("why udp drop");
    char pkt[64];
    snprintf(pkt, sizeof(pkt), "why %.12s", strstr(out, "pkt "));
    pkt[strcspn(pkt, ":")] = '\0';
    ASKS(pkt, "icmp-error-out", "udp-drop-no-port");
    ASKS("why dev eth0 drop", "nobody listens", "RFC");
    ASKS("why 10.0.0.0/24 drop", "nobody listens", "RFC");
    ASKS("why udp-drop-no-port", "nobody listens", "RFC");
    ASKS("why layer udp", "nobody listens", "RFC");
    ASKS("why udp-drop-*", "nobody listens", "RFC");
    ASKS("why event udp-drop-no-port", "nobody listens", "RFC");
    ASKS("why port drop", "nobody listens", "RFC");
    refuses("why because", "'because'");
    refuses("why rule", "why rule 3 INPUT");
    refuses("why rule x", "why rule 3 INPUT");
    refuses("why state nowhere", "'nowhere'");
    refuses("why cwnd 10.0.0.9 now", "'now'");
    refuses("why dev eth9", "eth9");
    refuses("why catalogue nonsense", "'nonsense'");
    ck_assert_int_eq(run_as("why state 10.0.0.9:1", false), EXIT_FAILED);
    good("why cwnd");
    ck_assert_ptr_nonnull(strstr(out, "no congestion window was cut"));
    good("why stalled");
    ck_assert_ptr_nonnull(strstr(out, "there is no connection"));
    done();
}
END_TEST

/* As somebody would say it to a person. */
START_TEST(sentences)
{
    begin(reach(CLW));
    udp_in(h, NOW, .sport = 7, .dport = 9, .len = 4);
    hx_drain(h);
    ASKS("why was this dropped", "nobody listens on port 9", "RFC 1122");
    ASKS("why is this socket in CLOSE_WAIT", "is in CLOSE-WAIT: the peer closed at", "RFC 9293 3.6");
    ASKS("why is this connection in CLOSE_WAIT?", "is in CLOSE-WAIT: the peer closed at", "RFC 9293 3.6");
    ASKS("why is nothing being sent", "The application has nothing to send", "RFC 9293");
    ASKS("why this route 10.0.0.9", "10.0.0.9 goes directly on eth0", "RFC 1812");
    ASKS("why did that connect fail", "no attempt to connect has failed", "no");
    ASKS("why did cwnd halve", "no congestion window was cut", "no");
    ASKS("why dev eth0", "eth0", "#");
    done();
}
END_TEST

/* Words in any order: each answer ends, with a status and at most a sentence; nothing else happens. */
START_TEST(any_words)
{
    static const char *const vocabulary[] = {
        "last", "drop", "state", "cwnd", "connect", "stalled", "closed", "fail", "retransmit", "neigh", "route", "to", "rule",
        "nat", "socket", "conn", "kind", "layer", "event", "pkt", "dev", "since", "until", "between", "and", "-n", "-j", "catalogue",
        "tcp", "udp", "rto", "window", "*", "?", "[", "tcp-*", "CLOSE-WAIT", "time_wait", "10.0.0.2:40000", "10.0.0.2", ":80",
        "10.0.0.1:80-10.0.0.2:40000", "10.0.0.0/8", "0.0.0.0/0", "default", "eth0", "INPUT", "3", "0", "-1", "18446744073709551616",
        "10s", "12:34:56", "99:99:99", "#5", "#", "", " ", "/", "-", "\"", "nonsense", "is", "socket", "the"};
    uint64_t seed = 42;
    begin(reach(CLW));
    for (int round = 0; round < 3000; round++) {
        char *argv[7] = {"why"};
        int argc = 1;
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        for (uint64_t bits = seed >> 16, n = 1 + (seed >> 60) % 5; n-- > 0; bits /= 61)
            argv[argc++] = (char *)(uintptr_t)vocabulary[bits % (sizeof(vocabulary) / sizeof(*vocabulary))];
        struct run *r = run_start(&deck, argc, argv, (seed >> 40 & 1) != 0, false);
        for (int i = 0; i < 100 && r->status == RUN_MORE; i++)
            run_step(r, td_stack_now(h->st));
        ck_assert_msg(r->status >= EXIT_DONE && r->status <= EXIT_USAGE, "%s %s: %d", argv[0], argv[1], r->status);
        ck_assert((r->status == EXIT_DONE) == (r->err[0] == '\0'));
        ck_assert_ptr_null(strchr(r->err, '\n'));
        if (r->status == EXIT_DONE && r->json) {
            json_t *o = json_loads(r->out.s, 0, NULL);
            ck_assert_msg(o != NULL, "no JSON: %s", r->out.s);
            json_decref(o);
        }
        run_free(r);
    }
    done();
}
END_TEST

START_TEST(catalogue)
{
    fresh();
    good("why catalogue tcp-rto");
    ck_assert_ptr_nonnull(strstr(out, "RFC 6298 5.4-5.6"));
    ck_assert_ptr_nonnull(strstr(out, "rto:ns"));
    good("why catalogue arp");
    ck_assert_ptr_nonnull(strstr(out, "arp-request "));
    ck_assert_ptr_null(strstr(out, "tcp-"));
    good("why catalogue tcp drop");
    ck_assert_ptr_null(strstr(out, "tcp-state"));
    ck_assert_int_eq(run_as("why catalogue", true), EXIT_DONE);
    json_t *list = json_loads(out, 0, NULL);
    ck_assert_ptr_nonnull(list);
    ck_assert_uint_eq(json_array_size(list), EV_COUNT - 1);
    json_decref(list);
    done();
}
END_TEST

START_TEST(what_fell_out_is_told)
{
    fresh();
    knob_set(h, "tapdeck.journal.records", "16");
    for (int i = 0; i < 40; i++)
        udp_in(h, NOW, .sport = 7, .dport = 9, .len = 4);
    hx_drain(h);
    good("why drop -n 5"); /* is complete */
    ck_assert_ptr_null(strstr(out, "fallen out"));
    good("why tcp");
    ck_assert_ptr_nonnull(strstr(out, "older events have fallen out of the journal, which holds 16"));
    ck_assert_int_eq(run_as("why tcp", true), EXIT_DONE);
    json_t *list = json_loads(out, 0, NULL);
    ck_assert(json_integer_value(json_object_get(json_array_get(list, 0), "lost")) > 0);
    json_decref(list);
    done();
}
END_TEST

START_TEST(answers_as_json)
{
    begin(reach(CLW));
    ck_assert_int_eq(run_as("why state 10.0.0.2:40000", true), EXIT_DONE);
    json_t *o = json_loads(out, 0, NULL);
    ck_assert_ptr_nonnull(o);
    ck_assert_str_eq(json_string_value(json_object_get(o, "question")), "state");
    ck_assert_str_eq(json_string_value(json_object_get(o, "clause")), "RFC 9293 3.6");
    ck_assert_ptr_nonnull(strstr(json_string_value(json_object_get(o, "answer")), "CLOSE-WAIT"));
    json_t *e = json_array_get(json_object_get(o, "events"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(e, "event")), "tcp-state");
    json_decref(o);
    done();
}
END_TEST

START_TEST(follows)
{
    fresh();
    char *argv[] = {"why", "--follow", "drop"};
    struct run *r = run_start(&deck, 3, argv, false, false);
    ck_assert_int_eq(r->status, RUN_MORE);
    udp_in(h, NOW, .sport = 7, .dport = 9, .len = 4);
    hx_drain(h);
    run_step(r, td_stack_now(h->st));
    ck_assert_ptr_nonnull(strstr(r->out.s, "nobody listens on port 9"));
    run_interrupt(r);
    ck_assert_int_eq(r->status, EXIT_DONE);
    run_free(r);
    done();
}
END_TEST

static Suite *suite(void)
{
    const TTest *const tests[] = {
        vlan_unknown, dropped_by_a_queue, impairment, bridge_port, arp_failed, arp_pending, duplicate_address, bad_ip_checksum,
        martian_source, reverse_path, not_for_us, ttl_expired, frag_needed, no_route, which_route, fragment_timeout,
        bad_icmp_checksum, redirect_ignored, filter_rule, a_rule_swallows_the_syn, a_rule_swallows_the_acknowledgments, nat_table_full, bad_udp_checksum, udp_closed_port,
        port_unreachable, bad_tcp_checksum, closed_port, refused, no_answer, backlog_full, syn_cookies, paws, challenge_ack,
        blind_reset, outside_the_window, window_full, zero_window, nagle, nothing_to_send, cwnd_full, delayed_ack,
        rto_against_tlp, fast_retransmit, sack_reneging, spurious_undo, path_mtu, black_hole, close_wait, other_states,
        time_wait, keepalive_death, user_timeout, peer_reset, times, words, sentences, any_words, catalogue, what_fell_out_is_told,
        answers_as_json, follows};
    Suite *s = suite_create("why");
    TCase *t = tcase_create("why");
    for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++)
        tcase_add_test(t, tests[i]);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
