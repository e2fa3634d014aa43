/* Datagram sockets: flags, shutdown, pending errors, queue questions. */
#include "check_main.h"
#include "harness.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <string.h>

static void connect_to(struct hx *h, int s, td_ip4 addr, uint16_t port)
{
    struct sockaddr_in sa = td_sockaddr(addr, port);
    ck_assert_int_eq(td_connect(h->st, s, (struct sockaddr *)&sa, sizeof sa), 0);
}

START_TEST(test_peek_and_trunc)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    char b[16] = {0};
    udp_in(h, 0, .sport = 7, .dport = 5000, .data = "0123456789", .len = 10);
    udp_in(h, 0, .sport = 8, .dport = 5000, .data = "next", .len = 4);
    ck_assert_int_eq(td_recv(h->st, s, b, 4, MSG_PEEK), 4);
    ck_assert_int_eq(td_recv(h->st, s, b, 4, MSG_PEEK | MSG_TRUNC), 10);
    struct iovec iov[2] = {{b, 3}, {b + 8, 3}};
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
    ck_assert_int_eq(td_recvmsg(h->st, s, &m, MSG_PEEK), 6);
    ck_assert_int_eq(m.msg_flags, MSG_TRUNC);
    ck_assert(memcmp(b, "012", 3) == 0 && memcmp(b + 8, "345", 3) == 0);
    int n = 0;
    ck_assert_int_eq(td_ioctl(h->st, s, SIOCINQ, &n), 0);
    ck_assert_int_eq(n, 10);
    ck_assert_int_eq(td_recv(h->st, s, b, 4, MSG_TRUNC), 10); /* the rest of it is gone */
    m.msg_iovlen = 1;
    iov[0] = (struct iovec){b, 16};
    ck_assert_int_eq(td_recvmsg(h->st, s, &m, MSG_DONTWAIT), 4);
    ck_assert_int_eq(m.msg_flags, 0);
    ck_assert(memcmp(b, "next", 4) == 0);
    ck_assert_int_eq(td_recvmsg(h->st, s, &m, 0), -EAGAIN);
    ck_assert_int_eq(td_ioctl(h->st, s, SIOCINQ, &n), 0);
    ck_assert_int_eq(n, 0);
    ck_assert_int_eq(td_ioctl(h->st, s, SIOCOUTQ, &n), 0);
    ck_assert_int_eq(n, 0);
    ck_assert_int_eq(td_ioctl(h->st, s, 1, &n), -ENOTTY);
    ck_assert_int_eq(td_recv(h->st, s, b, 1, MSG_OOB), -EOPNOTSUPP);
    hx_free(h);
}
END_TEST

START_TEST(test_source_name)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    char b[16];
    uint8_t name[32];
    struct iovec iov = {b, sizeof b};
    struct msghdr m = {.msg_name = name, .msg_namelen = 4, .msg_iov = &iov, .msg_iovlen = 1};
    memset(name, 0xee, sizeof name);
    udp_in(h, 0, .src = HX_FAR, .sport = 0x1234, .dport = 5000, .len = 1);
    ck_assert_int_eq(td_recvmsg(h->st, s, &m, 0), 1);
    ck_assert_uint_eq(m.msg_namelen, sizeof(struct sockaddr_in));
    ck_assert_uint_eq(wire_get16(name + 2), 0x1234);
    ck_assert_uint_eq(name[4], 0xee); /* cut to what the caller had room for */
    hx_free(h);
}
END_TEST

START_TEST(test_shutdown)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    char b[16];
    ck_assert_int_eq(td_shutdown(h->st, s, SHUT_WR), -ENOTCONN);
    s = hx_udp_socket(h, 0, 5001);
    connect_to(h, s, HX_PEER, 7);
    udp_in(h, 0, .sport = 7, .dport = 5001, .len = 3);
    ck_assert_int_eq(td_shutdown(h->st, s, SHUT_WR), 0);
    ck_assert_int_eq(td_send(h->st, s, "x", 1, 0), -EPIPE);
    ck_assert_int_eq(td_poll(h->st, s) & (POLLIN | POLLHUP), POLLIN);
    ck_assert_int_eq(td_shutdown(h->st, s, SHUT_RD), 0);
    ck_assert_int_eq(td_poll(h->st, s) & (POLLIN | POLLHUP | POLLRDHUP),
                     POLLIN | POLLHUP | POLLRDHUP);
    ck_assert_int_eq(td_recv(h->st, s, b, sizeof b, 0), 3); /* what had come can be read */
    udp_in(h, 0, .sport = 7, .dport = 5001, .len = 3);
    ck_assert_int_eq(td_recv(h->st, s, b, sizeof b, 0), 0);
    hx_quiet(h, SEC(1));
    hx_free(h);
}
END_TEST

START_TEST(test_connect_filters_and_dissolves)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    char b[16];
    connect_to(h, s, HX_PEER, 7);
    struct sockaddr_in sa;
    socklen_t len = sizeof sa;
    ck_assert_int_eq(td_getpeername(h->st, s, (struct sockaddr *)&sa, &len), 0);
    ck_assert_uint_eq(ntohs(sa.sin_port), 7);
    ck_assert_uint_eq(ntohl(sa.sin_addr.s_addr), HX_PEER);
    /* a name given with sendto goes elsewhere for once */
    ck_assert_int_eq(td_sendto(h->st, s, "x", 1, 0, HX_FAR, 9), 1);
    udp_out(h, 0, .dst = HX_FAR, .dport = 9, .len = 1);
    ck_assert_int_eq(td_send(h->st, s, "y", 1, 0), 1);
    udp_out(h, 0, .dport = 7, .len = 1);
    sa_family_t none = AF_UNSPEC;
    ck_assert_int_eq(td_connect(h->st, s, (struct sockaddr *)(void *)&none, sizeof none), 0);
    ck_assert_int_eq(td_getpeername(h->st, s, (struct sockaddr *)&sa, &len), -ENOTCONN);
    udp_in(h, 0, .src = HX_FAR, .sport = 1, .dport = 5000, .len = 3);
    ck_assert_int_eq(td_recv(h->st, s, b, sizeof b, 0), 3);
    hx_free(h);
}
END_TEST

/* A pending error precedes what waits to be read, once. */
START_TEST(test_error_before_data)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    char b[16];
    connect_to(h, s, HX_PEER, 7);
    ck_assert_int_eq(td_send(h->st, s, "x", 1, 0), 1);
    udp_out(h, 0, .len = 1);
    udp_in(h, 0, .sport = 7, .dport = 5000, .len = 3);
    hx_icmp_error_in(h, 0, HX_PEER, 3, 3, 0, 8);
    ck_assert_int_eq(td_recv(h->st, s, b, sizeof b, 0), -ECONNREFUSED);
    ck_assert_int_eq(td_recv(h->st, s, b, sizeof b, 0), 3);
    hx_free(h);
}
END_TEST

/* A full egress queue is loss, not an error, unless IP_RECVERR asks. */
START_TEST(test_egress_full)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    int one = 1;
    h->busy = true;
    for (unsigned i = 0; i < 1100; i++) {
        ck_assert_int_eq(td_sendto(h->st, s, "x", 1, 0, HX_PEER, 7), 1);
    }
    ck_assert_uint_ge(hx_counter(h, "UdpSndbufErrors"), 50);
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, IP_RECVERR, &one, sizeof one), 0);
    ck_assert_int_eq(td_sendto(h->st, s, "x", 1, 0, HX_PEER, 7), -ENOBUFS);
    h->busy = false;
    td_if_ready(h->st, h->ifindex);
    hx_flush(h);
    ck_assert_uint_ge(hx_pending(h), 900);
    hx_drain(h);
    hx_free(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("dgram");
    TCase *t = tcase_create("dgram");
    tcase_add_test(t, test_peek_and_trunc);
    tcase_add_test(t, test_source_name);
    tcase_add_test(t, test_shutdown);
    tcase_add_test(t, test_connect_filters_and_dissolves);
    tcase_add_test(t, test_error_before_data);
    tcase_add_test(t, test_egress_full);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
