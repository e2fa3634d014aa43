/* UDP input, output and errors: frames in, frames out, what sockets get. */
#include "check_main.h"
#include "harness.h"

#include "core/stack.h"
#include "udp/udp.h"
#include "wire/checksum.h"

#include <errno.h>
#include <string.h>

static int64_t recv_text(struct hx *h, int s, char *dst, size_t size)
{
    int64_t n = td_recv(h->st, s, dst, size - 1, 0);
    dst[n > 0 ? n : 0] = '\0';
    return n;
}

static void connect_to(struct hx *h, int s, td_ip4 addr, uint16_t port)
{
    struct sockaddr_in sa = td_sockaddr(addr, port);
    ck_assert_int_eq(td_connect(h->st, s, (struct sockaddr *)&sa, sizeof sa), 0);
}

static void set_int(struct hx *h, int s, int level, int name, int value)
{
    ck_assert_int_eq(td_setsockopt(h->st, s, level, name, &value, sizeof value), 0);
}

/* ---- input ---- */

/* shows: 1122-U12 1122-U13 */
START_TEST(test_delivers_to_bound_socket)
{
    struct hx *h = hx_new();
    int any = hx_udp_socket(h, 0, 5000);
    int own = hx_udp_socket(h, HX_US, 5001);
    char text[64];
    td_ip4 from;
    uint16_t port;
    udp_in(h, 0, .sport = 1234, .dport = 5000, .data = "hello", .len = 5);
    ck_assert_int_eq(td_recvfrom(h->st, any, text, sizeof text, 0, &from, &port), 5);
    ck_assert(memcmp(text, "hello", 5) == 0);
    ck_assert_uint_eq(from, HX_PEER);
    ck_assert_uint_eq(port, 1234);
    udp_in(h, 0, .sport = 1234, .dport = 5001, .data = "own", .len = 3);
    ck_assert_int_eq(recv_text(h, own, text, sizeof text), 3);
    ck_assert_int_eq(recv_text(h, any, text, sizeof text), -EAGAIN);
    ck_assert_uint_eq(hx_counter(h, "UdpInDatagrams"), 2);
    hx_free(h);
}
END_TEST

/* shows: 1122-U01 1122-I047 1122-I048 1122-I152 ATK-UDP-05 */
START_TEST(test_closed_port_unreachable)
{
    struct hx *h = hx_new();
    udp_in(h, 0, .sport = 1234, .dport = 5000, .data = "anybody?", .len = 8);
    icmp_out(h, 0, .type = ICMP_UNREACHABLE, .code = ICMP_PORT_UNREACH, .any_len = true);
    /* the quote: IP header and at least 8 octets, as they came */
    ck_assert_uint_ge(h->got.len, 28);
    ck_assert_uint_eq(h->got.data[9], IPPROTO_UDP_);
    ck_assert_uint_eq(wire_get16(h->got.data + 20), 1234);
    ck_assert_uint_eq(wire_get16(h->got.data + 22), 5000);
    ck_assert_uint_eq(hx_counter(h, "UdpNoPorts"), 1);
    ck_assert_uint_eq(hx_event(h, "udp-drop-no-port"), 1);
    /* port 0 can't be bound: closed */
    udp_in(h, SEC(2), .sport = 1234, .dport = 0, .data = "x", .len = 1);
    icmp_out(h, SEC(2), .type = ICMP_UNREACHABLE, .code = ICMP_PORT_UNREACH, .any_len = true);
    hx_free(h);
}
END_TEST

/* shows: ATK-UDP-07 1122-I043 ATK-V6-02 */
START_TEST(test_closed_port_silent_for_broadcast_and_multicast)
{
    struct hx *h = hx_new();
    udp_in(h, 0, .dst = TD_IP4_BROADCAST, .sport = 1, .dport = 5000, .len = 4,
           .eth_broadcast = true);
    udp_in(h, 0, .dst = TD_IP4(10, 0, 0, 255), .sport = 1, .dport = 5000, .len = 4,
           .eth_broadcast = true);
    udp_in(h, 0, .dst = TD_IP4(224, 0, 0, 1), .sport = 1, .dport = 5353, .len = 4);
    hx_quiet(h, SEC(1));
    ck_assert_uint_eq(hx_event(h, "udp-drop-no-listener"), 3);
    ck_assert_uint_eq(hx_event(h, "udp-drop-no-port"), 0);
    hx_free(h);
}
END_TEST

/* shows: ATK-UDP-07 */
START_TEST(test_unreachables_are_rate_limited)
{
    struct hx *h = hx_new();
    for (unsigned i = 0; i < 1000; i++) {
        udp_in(h, US(i * 10), .sport = 1234, .dport = 5000, .len = 4);
    }
    ck_assert_uint_le(hx_pending(h), 50);
    ck_assert_uint_ge(hx_pending(h), 1);
    hx_drain(h);
    hx_free(h);
}
END_TEST

/* shows: ATK-UDP-05 1122-U22 */
START_TEST(test_source_port_zero)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    char b[8];
    td_ip4 from;
    uint16_t port = 99;
    udp_in(h, 0, .sport = 0, .dport = 5000, .data = "x", .len = 1);
    ck_assert_int_eq(td_recvfrom(h->st, s, b, sizeof b, 0, &from, &port), 1);
    ck_assert_uint_eq(port, 0);
    ck_assert_int_eq(td_sendto(h->st, s, "y", 1, 0, from, port), -EINVAL);
    hx_quiet(h, SEC(1));
    hx_free(h);
}
END_TEST

/* shows: 1122-U06 1122-U07 1122-U21 ATK-UDP-04 */
START_TEST(test_checksum_wrong_dropped_silently)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    char b[64];
    udp_in(h, 0, .sport = 1, .dport = 5000, .data = "hello", .len = 5, .bad_csum = true);
    udp_in(h, 0, .sport = 1, .dport = 9, .data = "hello", .len = 5, .bad_csum = true);
    hx_quiet(h, SEC(1)); /* no port unreachable for the second one either */
    ck_assert_int_eq(recv_text(h, s, b, sizeof b), -EAGAIN);
    ck_assert_uint_eq(hx_counter(h, "UdpInCsumErrors"), 2);
    ck_assert_uint_eq(hx_counter(h, "UdpInErrors"), 2);
    ck_assert_uint_eq(hx_event(h, "udp-drop-checksum"), 2);
    hx_free(h);
}
END_TEST

/* shows: 1122-U06 1122-U07 1122-U21 */
START_TEST(test_checksum_covers_every_bit)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 0x1388);
    const td_ip4 src = HX_PEER, dst = HX_US;
    uint8_t good[UDP_HLEN + 5] = {0x04, 0xd2, 0x13, 0x88, 0, 13, 0, 0, 'h', 'e', 'l', 'l', 'o'};
    /* the vector, summed by hand: pseudo-header 0a00+0002+0a00+0001+0011+000d, then the words */
    uint32_t sum = 0x0a00 + 0x0002 + 0x0a00 + 0x0001 + 0x0011 + 0x000d;
    for (unsigned i = 0; i < sizeof good; i += 2) {
        sum += (uint32_t)good[i] << 8 | (i + 1 < sizeof good ? good[i + 1] : 0U);
    }
    sum = (sum & 0xffff) + (sum >> 16);
    good[6] = (uint8_t)(~sum >> 8);
    good[7] = (uint8_t)~sum;
    struct ipv4_hdr ip = {.src = src, .dst = dst, .proto = IPPROTO_UDP_};
    hx_ip_in(h, 0, &ip, good, sizeof good);
    char b[16];
    ck_assert_int_eq(td_recv(h->st, s, b, sizeof b, 0), 5);
    for (unsigned bit = 0; bit < sizeof good * 8; bit++) {
        if (bit / 8 == 4 || bit / 8 == 5) {
            continue; /* the length field: judged before the sum */
        }
        uint8_t bad[sizeof good];
        memcpy(bad, good, sizeof bad);
        bad[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
        hx_ip_in(h, 0, &ip, bad, sizeof bad);
    }
    ip.src = TD_IP4(10, 0, 0, 3);
    hx_ip_in(h, 0, &ip, good, sizeof good);
    hx_quiet(h, SEC(1));
    ck_assert_int_eq(td_recv(h->st, s, b, sizeof b, 0), -EAGAIN);
    ck_assert_uint_eq(hx_counter(h, "UdpInCsumErrors"), (sizeof good - 2) * 8 + 1);
    hx_free(h);
}
END_TEST

/* shows: 1122-U10 1122-U21 ATK-UDP-04 */
START_TEST(test_checksum_absent_accepted)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    char b[64];
    udp_in(h, 0, .sport = 1, .dport = 5000, .data = "bare", .len = 4, .no_csum = true);
    ck_assert_int_eq(recv_text(h, s, b, sizeof b), 4);
    hx_free(h);
}
END_TEST

/* shows: 1122-U20 ATK-UDP-01 ATK-UDP-02 ATK-UDP-03 */
START_TEST(test_length_field)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    char b[64];
    udp_in(h, 0, .sport = 1, .dport = 5000, .len = 20, .length = HX_ZERO);
    for (int64_t len = 1; len < 8; len++) {
        udp_in(h, 0, .sport = 1, .dport = 5000, .len = 20, .length = len, .no_csum = true);
    }
    udp_in(h, 0, .sport = 1, .dport = 5000, .len = 20, .length = 29);
    udp_in(h, 0, .sport = 1, .dport = 5000, .len = 20, .length = 65535, .no_csum = true);
    ck_assert_int_eq(recv_text(h, s, b, sizeof b), -EAGAIN);
    ck_assert_uint_eq(hx_event(h, "udp-drop-length"), 10);
    ck_assert_uint_eq(hx_counter(h, "UdpInErrors"), 10);
    /* shorter than what IP brought: the rest is ignored, by the checksum too */
    udp_in(h, 0, .sport = 1, .dport = 5000, .data = "abcdefgh", .len = 8, .length = 8 + 3);
    ck_assert_int_eq(recv_text(h, s, b, sizeof b), 3);
    ck_assert_str_eq(b, "abc");
    udp_in(h, 0, .sport = 1, .dport = 5000, .data = "abcdefgh", .len = 8, .length = 8);
    ck_assert_int_eq(recv_text(h, s, b, sizeof b), 0);
    hx_quiet(h, SEC(1));
    hx_free(h);
}
END_TEST

/* shows: ATK-UDP-01 */
START_TEST(test_truncated_header)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 0x1388);
    const uint8_t b[7] = {0, 1, 0x13, 0x88, 0, 8, 0};
    struct ipv4_hdr ip = {.src = HX_PEER, .dst = HX_US, .proto = IPPROTO_UDP_};
    for (size_t n = 0; n < sizeof b; n++) {
        hx_ip_in(h, 0, &ip, b, n);
    }
    hx_quiet(h, SEC(1));
    ck_assert_int_eq(td_poll(h->st, s) & POLLIN, 0);
    ck_assert_uint_eq(hx_event(h, "udp-drop-short"), 7);
    hx_free(h);
}
END_TEST

/* A datagram whose pieces and UDP length disagree.
 * The outer lengths are right, the UDP length goes beyond the reassembled whole. */
/* shows: ATK-FRAG-12 */
START_TEST(test_fragments_and_udp_length_disagree)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    uint8_t b[32] = {0, 1, 0x13, 0x88, 0, 40, 0, 0};
    struct ipv4_hdr ip = {.src = HX_PEER, .dst = HX_US, .proto = IPPROTO_UDP_, .id = 77};
    ip.flags = IPV4_MF;
    hx_ip_in(h, 0, &ip, b, 16);
    ip.flags = 0;
    ip.frag_off = 16;
    hx_ip_in(h, 0, &ip, b + 16, 16);
    ck_assert_uint_eq(hx_event(h, "udp-drop-length"), 1);
    /* and the same, right */
    b[5] = 32;
    ip.id = 78;
    ip.flags = IPV4_MF;
    ip.frag_off = 0;
    hx_ip_in(h, 0, &ip, b, 16);
    ip.flags = 0;
    ip.frag_off = 16;
    hx_ip_in(h, 0, &ip, b + 16, 16);
    char got[64];
    ck_assert_int_eq(td_recv(h->st, s, got, sizeof got, 0), 24);
    hx_free(h);
}
END_TEST

/* shows: 1122-U15 ATK-UDP-06 */
START_TEST(test_bad_source_dropped)
{
    static const td_ip4 bad[] = {TD_IP4_BROADCAST, TD_IP4(10, 0, 0, 255), TD_IP4(224, 0, 0, 5),
                                 TD_IP4(127, 0, 0, 1), HX_US};
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        udp_in(h, 0, .src = bad[i], .sport = 1, .dport = 5000, .len = 4);
        udp_in(h, 0, .src = bad[i], .sport = 1, .dport = 5001, .len = 4);
    }
    hx_quiet(h, SEC(1));
    ck_assert_int_eq(td_poll(h->st, s) & POLLIN, 0);
    hx_free(h);
}
END_TEST

/* shows: ATK-UDP-08 */
START_TEST(test_receive_buffer_bounded)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    set_int(h, s, SOL_SOCKET, SO_RCVBUF, 20000);
    int size = 0;
    socklen_t len = sizeof size;
    ck_assert_int_eq(td_getsockopt(h->st, s, SOL_SOCKET, SO_RCVBUF, &size, &len), 0);
    ck_assert_int_eq(size, 40000);
    uint64_t before = h->st->mem.used_by[MEM_PKT];
    for (unsigned i = 0; i < 500; i++) {
        udp_in(h, US(i), .sport = 1, .dport = 5000, .len = 1000);
    }
    ck_assert_uint_le(h->st->mem.used_by[MEM_PKT] - before, 40000 + 2048);
    uint64_t taken = hx_counter(h, "UdpInDatagrams");
    ck_assert_uint_ge(taken, 10);
    ck_assert_uint_le(taken, 40);
    ck_assert_uint_eq(hx_counter(h, "UdpRcvbufErrors"), 500 - taken);
    ck_assert_uint_eq(hx_event(h, "udp-drop-queue-full"), 500 - taken);
    /* what was taken is whole, in order, and room comes back */
    uint8_t b[2000];
    for (uint64_t i = 0; i < taken; i++) {
        ck_assert_int_eq(td_recv(h->st, s, b, sizeof b, 0), 1000);
        ck_assert_uint_eq(b[999], hx_pattern(999));
    }
    ck_assert_int_eq(td_recv(h->st, s, b, sizeof b, 0), -EAGAIN);
    udp_in(h, MS(10), .sport = 1, .dport = 5000, .len = 1000);
    ck_assert_int_eq(td_recv(h->st, s, b, sizeof b, 0), 1000);
    hx_free(h);
}
END_TEST

/* shows: ATK-UDP-08 */
START_TEST(test_empty_datagrams)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    char b[8];
    td_ip4 from;
    udp_in(h, 0, .sport = 1, .dport = 5000, .len = 0);
    ck_assert_int_eq(td_poll(h->st, s) & (POLLIN | POLLHUP | POLLRDHUP), POLLIN);
    ck_assert_int_eq(td_recvfrom(h->st, s, b, sizeof b, 0, &from, NULL), 0);
    ck_assert_uint_eq(from, HX_PEER);
    ck_assert_int_eq(td_recv(h->st, s, b, sizeof b, 0), -EAGAIN);
    /* they cost memory too: a flood of nothing is bounded */
    set_int(h, s, SOL_SOCKET, SO_RCVBUF, 10000);
    for (unsigned i = 0; i < 2000; i++) {
        udp_in(h, US(i), .sport = 1, .dport = 5000, .len = 0);
    }
    ck_assert_uint_le(hx_counter(h, "UdpInDatagrams"), 200);
    ck_assert_uint_gt(hx_counter(h, "UdpRcvbufErrors"), 1800);
    /* and we can send one */
    ck_assert_int_eq(td_sendto(h->st, s, "", 0, 0, HX_PEER, 7), 0);
    udp_out(h, NOW, .sport = 5000, .dport = 7, .len = 0);
    hx_free(h);
}
END_TEST

/* ---- output ---- */

/* shows: 1122-U06 1122-U09 1122-U21 ATK-UDP-04 */
START_TEST(test_computed_zero_is_sent_as_ones)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, HX_US, 5000);
    /* Find a two-byte payload whose sum makes the checksum 0. */
    uint32_t sum = checksum_pseudo(HX_US, HX_PEER, IPPROTO_UDP_, 10) + 5000 + 7 + 10;
    uint16_t word = checksum_finish(sum);
    const uint8_t data[2] = {(uint8_t)(word >> 8), (uint8_t)word};
    ck_assert_int_eq(td_sendto(h->st, s, data, 2, 0, HX_PEER, 7), 2);
    udp_out(h, 0, .sport = 5000, .dport = 7, .data = data, .len = 2);
    ck_assert_uint_eq(h->got.udp.csum, 0xffff);
    /* the receiver takes it */
    int r = hx_udp_socket(h, 0, 7);
    struct ipv4_hdr ip = {.src = HX_PEER, .dst = HX_US, .proto = IPPROTO_UDP_};
    uint8_t back[10];
    memcpy(back, h->got.l4, sizeof back);
    hx_ip_in(h, 0, &ip, back, sizeof back); /* the sum doesn't care which way */
    char b[8];
    ck_assert_int_eq(td_recv(h->st, r, b, sizeof b, 0), 2);
    hx_free(h);
}
END_TEST

/* shows: 1122-U06 1122-U09 */
START_TEST(test_checksums_of_all_lengths)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    uint8_t data[600];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = hx_pattern(i * 7);
    }
    for (size_t n = 0; n <= sizeof data; n += n < 70 ? 1 : 53) {
        ck_assert_int_eq(td_sendto(h->st, s, data, n, 0, HX_PEER, 7), (int64_t)n);
        udp_out(h, NOW, .sport = 5000, .dport = 7, .data = data, .len = n);
        ck_assert_uint_ne(h->got.udp.csum, 0);
        ck_assert_uint_eq(h->got.udp.length, n + 8);
    }
    hx_free(h);
}
END_TEST

/* shows: 1122-U08 */
START_TEST(test_checksum_can_be_left_out)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    set_int(h, s, SOL_SOCKET, SO_NO_CHECK, 1);
    ck_assert_int_eq(td_sendto(h->st, s, "x", 1, 0, HX_PEER, 7), 1);
    udp_out(h, 0, .dport = 7, .data = "x", .len = 1, .no_csum = true);
    hx_free(h);
}
END_TEST

/* shows: 1122-U16 1122-U12 */
START_TEST(test_only_valid_sources)
{
    struct hx *h = hx_new();
    int s = td_socket(h->st, AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in sa = td_sockaddr(TD_IP4(10, 0, 0, 9), 5000);
    ck_assert_int_eq(td_bind(h->st, s, (struct sockaddr *)&sa, sizeof sa), -EADDRNOTAVAIL);
    sa = td_sockaddr(0, 5000);
    ck_assert_int_eq(td_bind(h->st, s, (struct sockaddr *)&sa, sizeof sa), 0);
    /* by control message */
    struct in_pktinfo info = {.ipi_spec_dst = {htonl(TD_IP4(10, 0, 0, 9))}};
    union {
        size_t align;
        uint8_t b[CMSG_SPACE(sizeof info)];
    } control;
    memset(&control, 0, sizeof control);
    struct sockaddr_in to = td_sockaddr(HX_PEER, 7);
    struct iovec iov = {(void *)(uintptr_t) "x", 1};
    struct msghdr m = {.msg_name = &to,
                       .msg_namelen = sizeof to,
                       .msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control.b};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = IPPROTO_IP;
    c->cmsg_type = IP_PKTINFO;
    c->cmsg_len = CMSG_LEN(sizeof info);
    memcpy(CMSG_DATA(c), &info, sizeof info);
    ck_assert_int_eq(td_sendmsg(h->st, s, &m, 0), -EINVAL);
    hx_quiet(h, SEC(1));
    ck_assert_uint_eq(hx_event(h, "udp-send-failed"), 1);
    /* a socket bound to a broadcast address sends from a real one */
    int b = hx_udp_socket(h, TD_IP4(10, 0, 0, 255), 5001);
    ck_assert_int_eq(td_sendto(h->st, b, "y", 1, 0, HX_PEER, 7), 1);
    udp_out(h, NOW, .src = HX_US, .sport = 5001, .dport = 7, .len = 1);
    hx_free(h);
}
END_TEST

/* shows: 1122-U14 1122-U13 */
START_TEST(test_connect_tells_the_address)
{
    struct hx *h = hx_new();
    int s = td_socket(h->st, AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in sa;
    socklen_t len = sizeof sa;
    ck_assert_int_eq(td_getsockname(h->st, s, (struct sockaddr *)&sa, &len), 0);
    ck_assert_uint_eq(ntohl(sa.sin_addr.s_addr), 0);
    ck_assert_uint_eq(ntohs(sa.sin_port), 0);
    ck_assert_int_eq(td_getpeername(h->st, s, (struct sockaddr *)&sa, &len), -ENOTCONN);
    connect_to(h, s, HX_FAR, 53);
    len = sizeof sa;
    ck_assert_int_eq(td_getsockname(h->st, s, (struct sockaddr *)&sa, &len), 0);
    ck_assert_uint_eq(len, sizeof sa);
    ck_assert_uint_eq(ntohl(sa.sin_addr.s_addr), HX_US);
    uint16_t port = ntohs(sa.sin_port);
    ck_assert_uint_ge(port, 32768);
    ck_assert_uint_le(port, 60999);
    ck_assert_int_eq(td_send(h->st, s, "?", 1, 0), 1);
    udp_out(h, 0, .dst = HX_FAR, .sport = port, .dport = 53, .len = 1);
    ck_assert(mac_eq(h->got.eth.dst, HX_ROUTER_MAC));
    /* dissolved: the chosen address and port are given up */
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    ck_assert_int_eq(td_connect(h->st, s, &none, sizeof none), 0);
    ck_assert_int_eq(td_getsockname(h->st, s, (struct sockaddr *)&sa, &len), 0);
    ck_assert_uint_eq(ntohl(sa.sin_addr.s_addr), 0);
    ck_assert_uint_eq(ntohs(sa.sin_port), 0);
    ck_assert_int_eq(td_send(h->st, s, "?", 1, 0), -EDESTADDRREQ);
    /* what was bound stays */
    int b = hx_udp_socket(h, HX_US, 5000);
    connect_to(h, b, HX_PEER, 7);
    connect_to(h, b, HX_PEER, 8);
    ck_assert_int_eq(td_connect(h->st, b, &none, sizeof none), 0);
    ck_assert_int_eq(td_getsockname(h->st, b, (struct sockaddr *)&sa, &len), 0);
    ck_assert_uint_eq(ntohl(sa.sin_addr.s_addr), HX_US);
    ck_assert_uint_eq(ntohs(sa.sin_port), 5000);
    hx_free(h);
}
END_TEST

/* shows: 1122-I124 1122-I123 1122-U11 */
START_TEST(test_second_address)
{
    struct hx *h = hx_new();
    ck_assert_int_eq(td_addr_add(h->st, h->ifindex, TD_IP4(10, 0, 0, 77), 24), 0);
    hx_drain(h);
    int s = hx_udp_socket(h, TD_IP4(10, 0, 0, 77), 5000);
    ck_assert_int_eq(td_sendto(h->st, s, "x", 1, 0, HX_PEER, 7), 1);
    udp_out(h, 0, .src = TD_IP4(10, 0, 0, 77), .sport = 5000, .len = 1);
    /* a wildcard server learns the address it was called by, and can answer from it */
    int any = hx_udp_socket(h, 0, 6000);
    set_int(h, any, IPPROTO_IP, IP_PKTINFO, 1);
    udp_in(h, 0, .dst = TD_IP4(10, 0, 0, 77), .sport = 9, .dport = 6000, .data = "q", .len = 1);
    union {
        size_t align;
        uint8_t b[256];
    } control;
    char b[8];
    struct sockaddr_in from;
    struct iovec iov = {b, sizeof b};
    struct msghdr m = {.msg_name = &from,
                       .msg_namelen = sizeof from,
                       .msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control};
    ck_assert_int_eq(td_recvmsg(h->st, any, &m, 0), 1);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    ck_assert_ptr_nonnull(c);
    ck_assert_int_eq(c->cmsg_type, IP_PKTINFO);
    struct in_pktinfo info;
    memcpy(&info, CMSG_DATA(c), sizeof info);
    ck_assert_uint_eq(ntohl(info.ipi_addr.s_addr), TD_IP4(10, 0, 0, 77));
    ck_assert_uint_eq(ntohl(info.ipi_spec_dst.s_addr), TD_IP4(10, 0, 0, 77));
    ck_assert_int_eq(info.ipi_ifindex, (int)h->ifindex);
    info.ipi_ifindex = 0;
    memcpy(CMSG_DATA(c), &info, sizeof info);
    iov.iov_len = 1;
    ck_assert_int_eq(td_sendmsg(h->st, any, &m, 0), 1);
    udp_out(h, 0, .src = TD_IP4(10, 0, 0, 77), .sport = 6000, .dport = 9, .data = "q", .len = 1);
    hx_free(h);
}
END_TEST

/* shows: 1122-U17 1122-U18 1122-U03 1122-U04 1122-I023 1122-I025 1122-I149 */
START_TEST(test_ip_parameters_by_option)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    const uint8_t rr[] = {IPOPT_NOP_, IPOPT_RR_, 7, 4, 0, 0, 0, 0};
    set_int(h, s, IPPROTO_IP, IP_TTL, 9);
    set_int(h, s, IPPROTO_IP, IP_TOS, 0x48);
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, IP_OPTIONS, rr, sizeof rr), 0);
    ck_assert_int_eq(td_sendto(h->st, s, "x", 1, 0, HX_PEER, 7), 1);
    udp_out(h, 0, .ttl = 9, .tos = 0x48, .len = 1, .opt = rr, .opt_len = sizeof rr);
    /* a malformed option is refused when it is set */
    const uint8_t bad[] = {IPOPT_RR_, 30, 4, 0};
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, IP_OPTIONS, bad, sizeof bad), -EINVAL);
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, IP_OPTIONS, NULL, 0), 0);
    set_int(h, s, IPPROTO_IP, IP_TTL, -1);
    ck_assert_int_eq(td_sendto(h->st, s, "x", 1, 0, HX_PEER, 7), 1);
    udp_out(h, 0, .ttl = 64, .tos = 0x48, .len = 1);
    ck_assert_uint_eq(h->got.ip.opt_len, 0);
    hx_free(h);
}
END_TEST

/* shows: 1122-I021 */
START_TEST(test_ttl_zero_refused)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    int ttl = 0;
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, IP_TTL, &ttl, sizeof ttl), -EINVAL);
    ttl = 256;
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, IP_TTL, &ttl, sizeof ttl), -EINVAL);
    /* IP_MULTICAST_TTL 0 keeps the datagram on this host */
    set_int(h, s, IPPROTO_IP, IP_MULTICAST_TTL, 0);
    (void)td_sendto(h->st, s, "x", 1, 0, TD_IP4(239, 1, 1, 1), 7);
    hx_quiet(h, SEC(1));
    hx_free(h);
}
END_TEST

/* shows: 1122-I119 */
START_TEST(test_large_datagrams)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    static uint8_t data[65536];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = hx_pattern(i);
    }
    ck_assert_int_eq(td_sendto(h->st, s, data, 1472, 0, HX_PEER, 7), 1472);
    udp_out(h, 0, .data = data, .len = 1472, .df = 1);
    /* fragments: no DF, and the checksum covers the whole */
    ck_assert_int_eq(td_sendto(h->st, s, data, 4000, 0, HX_PEER, 7), 4000);
    uint8_t whole[4008];
    size_t got = 0;
    while (got < sizeof whole) {
        ip_out(h, 0, IPPROTO_UDP_);
        ck_assert_uint_eq(h->got.ip.flags & IPV4_DF, 0);
        ck_assert_uint_eq(h->got.ip.frag_off, got);
        ck_assert_uint_le(got + h->got.l4_len, sizeof whole);
        memcpy(whole + got, h->got.l4, h->got.l4_len);
        got += h->got.l4_len;
    }
    ck_assert(memcmp(whole + 8, data, 4000) == 0);
    ck_assert_uint_eq(checksum_finish(checksum_add(
                          checksum_pseudo(HX_US, HX_PEER, IPPROTO_UDP_, 4008), whole, 4008)),
                      0);
    /* limits */
    ck_assert_int_eq(td_sendto(h->st, s, data, 65508, 0, HX_PEER, 7), -EMSGSIZE);
    ck_assert_int_eq(td_sendto(h->st, s, data, 65536, 0, HX_PEER, 7), -EMSGSIZE);
    hx_quiet(h, NOW);
    ck_assert_int_eq(td_sendto(h->st, s, data, 65507, 0, HX_PEER, 7), 65507);
    ck_assert_uint_eq(hx_pending(h), 45);
    hx_drain(h);
    /* don't fragment */
    set_int(h, s, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
    ck_assert_int_eq(td_sendto(h->st, s, data, 1473, 0, HX_PEER, 7), -EMSGSIZE);
    set_int(h, s, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
    ck_assert_int_eq(td_sendto(h->st, s, data, 100, 0, HX_PEER, 7), 100);
    udp_out(h, 0, .len = 100, .df = HX_ZERO);
    hx_free(h);
}
END_TEST

START_TEST(test_broadcast_needs_permission)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    ck_assert_int_eq(td_sendto(h->st, s, "x", 1, 0, TD_IP4(10, 0, 0, 255), 7), -EACCES);
    ck_assert_int_eq(td_sendto(h->st, s, "x", 1, 0, TD_IP4_BROADCAST, 7), -EACCES);
    struct sockaddr_in sa = td_sockaddr(TD_IP4(10, 0, 0, 255), 7);
    ck_assert_int_eq(td_connect(h->st, s, (struct sockaddr *)&sa, sizeof sa), -EACCES);
    hx_quiet(h, NOW);
    set_int(h, s, SOL_SOCKET, SO_BROADCAST, 1);
    ck_assert_int_eq(td_sendto(h->st, s, "x", 1, 0, TD_IP4(10, 0, 0, 255), 7), 1);
    udp_out(h, 0, .dst = TD_IP4(10, 0, 0, 255), .len = 1);
    ck_assert(mac_is_broadcast(h->got.eth.dst));
    ck_assert_int_eq(td_connect(h->st, s, (struct sockaddr *)&sa, sizeof sa), 0);
    hx_free(h);
}
END_TEST

START_TEST(test_loopback)
{
    struct hx *h = hx_new();
    int a = hx_udp_socket(h, TD_IP4(127, 0, 0, 1), 5000);
    int b = td_socket(h->st, AF_INET, SOCK_DGRAM, 0);
    char text[16];
    ck_assert_int_eq(td_sendto(h->st, b, "self", 4, 0, TD_IP4(127, 0, 0, 1), 5000), 4);
    hx_flush(h);
    td_ip4 from;
    uint16_t port;
    ck_assert_int_eq(td_recvfrom(h->st, a, text, sizeof text, 0, &from, &port), 4);
    ck_assert_uint_eq(from, TD_IP4(127, 0, 0, 1));
    ck_assert_int_eq(td_sendto(h->st, a, "you", 3, 0, from, port), 3);
    hx_flush(h);
    ck_assert_int_eq(recv_text(h, b, text, sizeof text), 3);
    /* our own address likewise; connect to 0.0.0.0 means this host */
    int c = hx_udp_socket(h, HX_US, 5001);
    ck_assert_int_eq(td_sendto(h->st, b, "own", 3, 0, HX_US, 5001), 3);
    hx_flush(h);
    ck_assert_int_eq(recv_text(h, c, text, sizeof text), 3);
    int d = td_socket(h->st, AF_INET, SOCK_DGRAM, 0);
    connect_to(h, d, 0, 5000);
    ck_assert_int_eq(td_send(h->st, d, "any", 3, 0), 3);
    hx_flush(h);
    ck_assert_int_eq(recv_text(h, a, text, sizeof text), 3);
    /* a closed port of our own refuses */
    connect_to(h, d, TD_IP4(127, 0, 0, 1), 9);
    ck_assert_int_eq(td_send(h->st, d, "any", 3, 0), 3);
    hx_flush(h);
    ck_assert_int_eq(td_recv(h->st, d, text, sizeof text, 0), -ECONNREFUSED);
    hx_quiet(h, SEC(1));
    hx_free(h);
}
END_TEST

/* ---- errors ---- */

/* shows: 1122-U05 1122-I153 1122-I050 */
START_TEST(test_port_unreachable_refuses_connected)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    char b[8];
    connect_to(h, s, HX_PEER, 9);
    ck_assert_int_eq(td_send(h->st, s, "x", 1, 0), 1);
    udp_out(h, 0, .dport = 9, .len = 1);
    hx_icmp_error_in(h, MS(1), HX_PEER, ICMP_UNREACHABLE, ICMP_PORT_UNREACH, 0, 8);
    ck_assert_int_ne(td_poll(h->st, s) & POLLERR, 0);
    ck_assert_int_eq(td_recv(h->st, s, b, sizeof b, 0), -ECONNREFUSED);
    ck_assert_int_eq(td_recv(h->st, s, b, sizeof b, 0), -EAGAIN); /* told once */
    hx_icmp_error_in(h, MS(2), HX_PEER, ICMP_UNREACHABLE, ICMP_PORT_UNREACH, 0, 8);
    ck_assert_int_eq(td_send(h->st, s, "x", 1, 0), -ECONNREFUSED);
    hx_icmp_error_in(h, MS(3), HX_PEER, ICMP_UNREACHABLE, ICMP_PORT_UNREACH, 0, 8);
    int err;
    socklen_t len = sizeof err;
    ck_assert_int_eq(td_getsockopt(h->st, s, SOL_SOCKET, SO_ERROR, &err, &len), 0);
    ck_assert_int_eq(err, ECONNREFUSED);
    ck_assert_int_eq(td_getsockopt(h->st, s, SOL_SOCKET, SO_ERROR, &err, &len), 0);
    ck_assert_int_eq(err, 0);
    ck_assert_uint_eq(hx_event(h, "udp-error"), 3);
    hx_free(h);
}
END_TEST

/* shows: ATK-UDP-09 */
START_TEST(test_errors_of_others_are_not_ours)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    char b[8];
    connect_to(h, s, HX_PEER, 9);
    ck_assert_int_eq(td_send(h->st, s, "x", 1, 0), 1);
    udp_out(h, 0, .dport = 9, .len = 1);
    uint8_t quote[28];
    struct ipv4_hdr ip = h->got.ip;
    memcpy(quote + 20, h->got.l4, 8);
    /* another local port; another remote port; another peer */
    for (unsigned i = 0; i < 3; i++) {
        ip.dst = i == 2 ? TD_IP4(10, 0, 0, 3) : HX_PEER;
        ipv4_emit(&ip, quote);
        wire_put16(quote + 20, i == 0 ? 5001 : 5000);
        wire_put16(quote + 22, i == 1 ? 10 : 9);
        icmp_in(h, MS(1), .type = ICMP_UNREACHABLE, .code = ICMP_PORT_UNREACH, .data = quote,
                .len = sizeof quote);
        ck_assert_int_eq(td_recv(h->st, s, b, sizeof b, 0), -EAGAIN);
    }
    ck_assert_uint_eq(hx_event(h, "udp-error-drop-no-socket"), 3);
    /* and datagrams from elsewhere don't reach a connected socket */
    udp_in(h, MS(2), .src = TD_IP4(10, 0, 0, 3), .sport = 9, .dport = 5000, .len = 1);
    udp_in(h, MS(2), .src = HX_PEER, .sport = 10, .dport = 5000, .len = 1);
    ck_assert_int_eq(td_recv(h->st, s, b, sizeof b, 0), -EAGAIN);
    ck_assert_uint_eq(hx_event(h, "udp-drop-no-port"), 2);
    hx_drain(h);
    udp_in(h, MS(2), .src = HX_PEER, .sport = 9, .dport = 5000, .len = 1);
    ck_assert_int_eq(td_recv(h->st, s, b, sizeof b, 0), 1);
    hx_free(h);
}
END_TEST

struct error_case {
    uint8_t type, code;
    int err; /* what a connected socket sees; 0 = nothing */
};
static const struct error_case error_cases[] = {
    {ICMP_UNREACHABLE, ICMP_NET_UNREACH, 0}, /* soft: the path may mend */
    {ICMP_UNREACHABLE, ICMP_HOST_UNREACH, 0},
    {ICMP_UNREACHABLE, ICMP_PROTO_UNREACH, ENOPROTOOPT},
    {ICMP_UNREACHABLE, ICMP_PORT_UNREACH, ECONNREFUSED},
    {ICMP_UNREACHABLE, ICMP_SR_FAILED, 0},
    {ICMP_UNREACHABLE, ICMP_NET_UNKNOWN, ENETUNREACH},
    {ICMP_UNREACHABLE, ICMP_HOST_UNKNOWN, EHOSTDOWN},
    {ICMP_UNREACHABLE, ICMP_HOST_ISOLATED, ENONET},
    {ICMP_UNREACHABLE, ICMP_NET_PROHIBITED, ENETUNREACH},
    {ICMP_UNREACHABLE, ICMP_HOST_PROHIBITED, EHOSTUNREACH},
    {ICMP_UNREACHABLE, ICMP_NET_TOS, 0},
    {ICMP_UNREACHABLE, ICMP_HOST_TOS, 0},
    {ICMP_UNREACHABLE, ICMP_ADMIN_PROHIBITED, EHOSTUNREACH},
    {ICMP_TIME_EXCEEDED, 0, 0},
    {ICMP_PARAM_PROBLEM, 0, EPROTO},
    {ICMP_SOURCE_QUENCH, 0, 0},
};

/* shows: 1122-U05 6633-02 1122-I057 */
START_TEST(test_icmp_errnos)
{
    const struct error_case *c = &error_cases[_i];
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    char b[8];
    connect_to(h, s, HX_PEER, 9);
    ck_assert_int_eq(td_send(h->st, s, "x", 1, 0), 1);
    udp_out(h, 0, .dport = 9, .len = 1);
    hx_icmp_error_in(h, MS(1), HX_ROUTER, c->type, c->code, 0, 8);
    ck_assert_int_eq(td_recv(h->st, s, b, sizeof b, 0), c->err != 0 ? -c->err : -EAGAIN);
    /* an unconnected socket isn't told, as it couldn't know about whom */
    int u = hx_udp_socket(h, 0, 5001);
    ck_assert_int_eq(td_sendto(h->st, u, "x", 1, 0, HX_PEER, 9), 1);
    udp_out(h, MS(1), .dport = 9, .len = 1);
    hx_icmp_error_in(h, MS(2), HX_ROUTER, c->type, c->code, 0, 8);
    ck_assert_int_eq(td_recv(h->st, u, b, sizeof b, 0), -EAGAIN);
    hx_free(h);
}
END_TEST

START_TEST(test_path_mtu)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    static const uint8_t data[1400];
    char b[8];
    connect_to(h, s, HX_FAR, 9);
    set_int(h, s, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
    ck_assert_int_eq(td_send(h->st, s, data, 1400, 0), 1400);
    udp_out(h, 0, .dst = HX_FAR, .len = 1400, .df = 1);
    hx_icmp_error_in(h, MS(1), HX_ROUTER, ICMP_UNREACHABLE, ICMP_FRAG_NEEDED, 1000, 8);
    ck_assert_int_eq(td_recv(h->st, s, b, sizeof b, 0), -EMSGSIZE);
    int mtu = 0;
    socklen_t len = sizeof mtu;
    ck_assert_int_eq(td_getsockopt(h->st, s, IPPROTO_IP, IP_MTU, &mtu, &len), 0);
    ck_assert_int_eq(mtu, 1000);
    ck_assert_int_eq(td_send(h->st, s, data, 1400, 0), -EMSGSIZE);
    ck_assert_int_eq(td_send(h->st, s, data, 972, 0), 972);
    udp_out(h, MS(1), .dst = HX_FAR, .len = 972, .df = 1);
    /* WANT: what doesn't fit is cut */
    set_int(h, s, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_WANT);
    ck_assert_int_eq(td_send(h->st, s, data, 1400, 0), 1400);
    ip_out(h, MS(1), IPPROTO_UDP_);
    ck_assert_uint_eq(h->got.ip.flags, IPV4_MF);
    ck_assert_uint_le(h->got.ip.total_len, 1000);
    ip_out(h, MS(1), IPPROTO_UDP_);
    hx_free(h);
}
END_TEST

/* An error about a datagram that no socket of ours sent must not change a path. */
/* shows: ATK-UDP-09 */
START_TEST(test_path_mtu_forged)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    connect_to(h, s, HX_FAR, 9);
    ck_assert_int_eq(td_send(h->st, s, "x", 1, 0), 1);
    udp_out(h, 0, .dst = HX_FAR, .len = 1);
    uint8_t quote[28];
    struct ipv4_hdr ip = h->got.ip;
    ip.total_len = 1500;
    ipv4_emit(&ip, quote);
    memcpy(quote + 20, h->got.l4, 8);
    wire_put16(quote + 20, 5001);
    icmp_in(h, MS(1), .src = HX_ROUTER, .type = ICMP_UNREACHABLE, .code = ICMP_FRAG_NEEDED,
            .word = 600, .data = quote, .len = sizeof quote);
    int mtu = 0;
    socklen_t len = sizeof mtu;
    ck_assert_int_eq(td_getsockopt(h->st, s, IPPROTO_IP, IP_MTU, &mtu, &len), 0);
    ck_assert_int_eq(mtu, 1500);
    hx_free(h);
}
END_TEST

START_TEST(test_unreachable_neighbour)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    connect_to(h, s, TD_IP4(10, 0, 0, 99), 9);
    set_int(h, s, IPPROTO_IP, IP_RECVERR, 1);
    ck_assert_int_eq(td_send(h->st, s, "x", 1, 0), 1);
    for (unsigned i = 0; i < 3; i++) {
        arp_out(h, HX_ANYTIME, ARP_REQUEST, TD_IP4(10, 0, 0, 99));
    }
    hx_until(h, SEC(10));
    char b[8];
    ck_assert_int_eq(td_recv(h->st, s, b, sizeof b, 0), -EHOSTUNREACH);
    hx_free(h);
}
END_TEST

START_TEST(test_no_route)
{
    struct hx *h = hx_new();
    struct td_route r = {.gateway = HX_ROUTER};
    ck_assert_int_eq(td_route_del(h->st, &r), 0);
    int s = hx_udp_socket(h, 0, 5000);
    ck_assert_int_eq(td_sendto(h->st, s, "x", 1, 0, HX_FAR, 9), -ENETUNREACH);
    struct sockaddr_in sa = td_sockaddr(HX_FAR, 9);
    ck_assert_int_eq(td_connect(h->st, s, (struct sockaddr *)&sa, sizeof sa), -ENETUNREACH);
    ck_assert_uint_eq(hx_event(h, "udp-send-failed"), 1);
    hx_quiet(h, SEC(1));
    hx_free(h);
}
END_TEST

START_TEST(test_memory_failures)
{
    for (int64_t n = 1; n < 40; n++) {
        struct hx *h = hx_new();
        int s = hx_udp_socket(h, 0, 5000);
        struct sockaddr_in sa = td_sockaddr(HX_PEER, 7);
        h->fail_alloc = n;
        int64_t c = td_connect(h->st, s, (struct sockaddr *)&sa, sizeof sa);
        ck_assert(c == 0 || c == -ENOMEM);
        int64_t sent = td_sendto(h->st, s, "x", 1, 0, HX_PEER, 7);
        ck_assert(sent == 1 || sent == -ENOBUFS || sent == -ENOMEM);
        udp_in(h, 0, .sport = 7, .dport = 5000, .len = 4);
        int extra = td_socket(h->st, AF_INET, SOCK_DGRAM, 0);
        ck_assert(extra >= 0 || extra == -ENOMEM);
        h->fail_alloc = 0;
        /* and all is as before */
        hx_drain(h);
        while (td_recv(h->st, s, (char[8]){0}, 8, 0) != -EAGAIN) {
        }
        udp_in(h, MS(1), .sport = 7, .dport = 5000, .len = 4);
        ck_assert_int_eq(td_recv(h->st, s, (char[8]){0}, 8, 0), 4);
        hx_free(h);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("udp");
    TCase *t = tcase_create("input");
    tcase_add_test(t, test_delivers_to_bound_socket);
    tcase_add_test(t, test_closed_port_unreachable);
    tcase_add_test(t, test_closed_port_silent_for_broadcast_and_multicast);
    tcase_add_test(t, test_unreachables_are_rate_limited);
    tcase_add_test(t, test_source_port_zero);
    tcase_add_test(t, test_checksum_wrong_dropped_silently);
    tcase_add_test(t, test_checksum_covers_every_bit);
    tcase_add_test(t, test_checksum_absent_accepted);
    tcase_add_test(t, test_length_field);
    tcase_add_test(t, test_truncated_header);
    tcase_add_test(t, test_fragments_and_udp_length_disagree);
    tcase_add_test(t, test_bad_source_dropped);
    tcase_add_test(t, test_receive_buffer_bounded);
    tcase_add_test(t, test_empty_datagrams);
    suite_add_tcase(s, t);
    t = tcase_create("output");
    tcase_add_test(t, test_computed_zero_is_sent_as_ones);
    tcase_add_test(t, test_checksums_of_all_lengths);
    tcase_add_test(t, test_checksum_can_be_left_out);
    tcase_add_test(t, test_only_valid_sources);
    tcase_add_test(t, test_connect_tells_the_address);
    tcase_add_test(t, test_second_address);
    tcase_add_test(t, test_ip_parameters_by_option);
    tcase_add_test(t, test_ttl_zero_refused);
    tcase_add_test(t, test_large_datagrams);
    tcase_add_test(t, test_broadcast_needs_permission);
    tcase_add_test(t, test_loopback);
    suite_add_tcase(s, t);
    t = tcase_create("errors");
    tcase_add_test(t, test_port_unreachable_refuses_connected);
    tcase_add_test(t, test_errors_of_others_are_not_ours);
    tcase_add_loop_test(t, test_icmp_errnos, 0, (int)(sizeof error_cases / sizeof error_cases[0]));
    tcase_add_test(t, test_path_mtu);
    tcase_add_test(t, test_path_mtu_forged);
    tcase_add_test(t, test_unreachable_neighbour);
    tcase_add_test(t, test_no_route);
    tcase_add_test(t, test_memory_failures);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
