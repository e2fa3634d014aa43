/* Ping sockets. */
#include "check_main.h"
#include "harness.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <string.h>

static int ping_socket(struct hx *h, uint16_t id)
{
    int s = td_socket(h->st, AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
    ck_assert_int_ge(s, 0);
    if (id != 0) {
        struct sockaddr_in sa = td_sockaddr(0, id);
        ck_assert_int_eq(td_bind(h->st, s, (struct sockaddr *)&sa, sizeof sa), 0);
    }
    return s;
}

static const uint8_t request[16] = {ICMP_ECHO, 0,   0xff, 0xff, 0x77, 0x77, 0,   5,
                                    'p',       'a', 'y',  'l',  'o',  'a',  'd', '!'};

/* shows: 1122-I152 1122-I153 */
START_TEST(test_echo_and_reply)
{
    struct hx *h = hx_new();
    int s = ping_socket(h, 4711), other = ping_socket(h, 4712);
    uint8_t b[64];
    td_ip4 from;
    uint16_t port = 9;
    ck_assert_int_eq(td_sendto(h->st, s, request, sizeof request, 0, HX_PEER, 0), sizeof request);
    /* the identifier is the socket's, not what the application wrote; the checksum is right */
    icmp_out(h, 0, .type = ICMP_ECHO, .word = 4711U << 16 | 5, .data = "payload!", .len = 8);
    icmp_in(h, MS(3), .type = ICMP_ECHO_REPLY, .word = 4711U << 16 | 5, .data = "payload!",
            .len = 8);
    ck_assert_int_eq(td_recvfrom(h->st, s, b, sizeof b, 0, &from, &port), 16);
    ck_assert_uint_eq(from, HX_PEER);
    ck_assert_uint_eq(port, 0);
    ck_assert_uint_eq(b[0], ICMP_ECHO_REPLY);
    ck_assert_uint_eq(wire_get16(b + 4), 4711);
    ck_assert_uint_eq(wire_get16(b + 6), 5);
    ck_assert(memcmp(b + 8, "payload!", 8) == 0);
    ck_assert_int_eq(td_recv(h->st, other, b, sizeof b, 0), -EAGAIN);
    /* nobody's reply */
    icmp_in(h, MS(4), .type = ICMP_ECHO_REPLY, .word = 9U << 16 | 5, .len = 8);
    ck_assert_uint_eq(hx_event(h, "ping-drop-no-socket"), 1);
    /* requests are answered by the stack, not shown */
    icmp_in(h, MS(5), .type = ICMP_ECHO, .word = 4711U << 16 | 5, .len = 8);
    icmp_out(h, MS(5), .type = ICMP_ECHO_REPLY, .word = 4711U << 16 | 5, .len = 8);
    ck_assert_int_eq(td_recv(h->st, s, b, sizeof b, 0), -EAGAIN);
    hx_free(h);
}
END_TEST

START_TEST(test_only_echo_requests)
{
    struct hx *h = hx_new();
    int s = ping_socket(h, 0);
    uint8_t b[16];
    for (unsigned type = 0; type < 256; type++) {
        memcpy(b, request, sizeof b);
        b[0] = (uint8_t)type;
        if (type != ICMP_ECHO) {
            ck_assert_int_eq(td_sendto(h->st, s, b, sizeof b, 0, HX_PEER, 0), -EINVAL);
        }
    }
    memcpy(b, request, sizeof b);
    b[1] = 1;
    ck_assert_int_eq(td_sendto(h->st, s, b, sizeof b, 0, HX_PEER, 0), -EINVAL);
    for (size_t n = 0; n < 8; n++) {
        ck_assert_int_eq(td_sendto(h->st, s, request, n, 0, HX_PEER, 0), -EINVAL);
    }
    ck_assert_int_eq(td_send(h->st, s, request, sizeof request, 0), -EDESTADDRREQ);
    hx_quiet(h, SEC(1));
    hx_free(h);
}
END_TEST

START_TEST(test_identifiers)
{
    struct hx *h = hx_new();
    int s = ping_socket(h, 0), t = ping_socket(h, 0);
    struct sockaddr_in sa;
    socklen_t len = sizeof sa;
    uint16_t id[2];
    ck_assert_int_eq(td_sendto(h->st, s, request, 16, 0, HX_PEER, 0), 16);
    icmp_out(h, 0, .type = ICMP_ECHO, .len = 8);
    ck_assert_int_eq(td_getsockname(h->st, s, (struct sockaddr *)&sa, &len), 0);
    id[0] = ntohs(sa.sin_port);
    ck_assert_uint_ne(id[0], 0);
    ck_assert_uint_eq(id[0], h->got.icmp.echo.id);
    ck_assert_int_eq(td_sendto(h->st, t, request, 16, 0, HX_PEER, 0), 16);
    icmp_out(h, 0, .type = ICMP_ECHO, .len = 8);
    id[1] = h->got.icmp.echo.id;
    ck_assert_uint_ne(id[0], id[1]);
    int u = ping_socket(h, 0);
    sa = td_sockaddr(0, id[0]);
    ck_assert_int_eq(td_bind(h->st, u, (struct sockaddr *)&sa, sizeof sa), -EADDRINUSE);
    ck_assert_int_eq(td_bind(h->st, s, (struct sockaddr *)&sa, sizeof sa), -EINVAL);
    sa = td_sockaddr(HX_PEER, 7);
    ck_assert_int_eq(td_bind(h->st, u, (struct sockaddr *)&sa, sizeof sa), -EADDRNOTAVAIL);
    ck_assert_int_eq(td_close(h->st, s), 0);
    sa = td_sockaddr(0, id[0]);
    ck_assert_int_eq(td_bind(h->st, u, (struct sockaddr *)&sa, sizeof sa), 0);
    hx_free(h);
}
END_TEST

START_TEST(test_connected_with_parameters)
{
    struct hx *h = hx_new();
    int s = ping_socket(h, 77), ttl = 3;
    struct sockaddr_in sa = td_sockaddr(HX_FAR, 0);
    ck_assert_int_eq(td_connect(h->st, s, (struct sockaddr *)&sa, sizeof sa), 0);
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, IP_TTL, &ttl, sizeof ttl), 0);
    ck_assert_int_eq(td_send(h->st, s, request, 16, 0), 16);
    icmp_out(h, 0, .dst = HX_FAR, .type = ICMP_ECHO, .ttl = 3, .len = 8);
    /* time exceeded: traceroute's way; soft, so only told with IP_RECVERR */
    hx_icmp_error_in(h, MS(1), HX_ROUTER, ICMP_TIME_EXCEEDED, 0, 0, 16);
    uint8_t b[64];
    ck_assert_int_eq(td_recv(h->st, s, b, sizeof b, 0), -EAGAIN);
    int one = 1;
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, IP_RECVERR, &one, sizeof one), 0);
    hx_icmp_error_in(h, MS(2), HX_ROUTER, ICMP_TIME_EXCEEDED, 0, 0, 16);
    ck_assert_int_eq(td_recv(h->st, s, b, sizeof b, 0), -EHOSTUNREACH);
    struct iovec iov = {b, sizeof b};
    union {
        size_t align;
        uint8_t b[128];
    } control;
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control};
    ck_assert_int_eq(td_recvmsg(h->st, s, &m, MSG_ERRQUEUE), 16);
    /* the request it is about: its number tells which */
    ck_assert_uint_eq(b[0], ICMP_ECHO);
    ck_assert_uint_eq(wire_get16(b + 6), 5);
    ck_assert(memcmp(b + 8, "payload!", 8) == 0);
    struct sock_extended_err ee;
    memcpy(&ee, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof ee);
    ck_assert_uint_eq(ee.ee_type, ICMP_TIME_EXCEEDED);
    /* an error about somebody else's echo */
    wire_put16((uint8_t *)(uintptr_t)h->got.l4 + 4, 78);
    hx_icmp_error_in(h, MS(3), HX_ROUTER, ICMP_TIME_EXCEEDED, 0, 0, 16);
    ck_assert_int_eq(td_recv(h->st, s, b, sizeof b, 0), -EAGAIN);
    hx_free(h);
}
END_TEST

START_TEST(test_large_and_bounded)
{
    struct hx *h = hx_new();
    int s = ping_socket(h, 77), size = 3000;
    static uint8_t big[65535];
    memcpy(big, request, 8);
    ck_assert_int_eq(td_sendto(h->st, s, big, 8008, 0, HX_PEER, 0), 8008);
    ck_assert_uint_eq(hx_pending(h), 6);
    hx_drain(h);
    ck_assert_int_eq(td_sendto(h->st, s, big, 65516, 0, HX_PEER, 0), -EMSGSIZE);
    ck_assert_int_eq(td_setsockopt(h->st, s, SOL_SOCKET, SO_RCVBUF, &size, sizeof size), 0);
    for (unsigned i = 0; i < 100; i++) {
        icmp_in(h, 0, .type = ICMP_ECHO_REPLY, .word = 77U << 16 | i, .len = 1000);
    }
    ck_assert_uint_ge(hx_event(h, "ping-drop-queue-full"), 90);
    hx_free(h);
}
END_TEST

START_TEST(test_localhost)
{
    struct hx *h = hx_new();
    int s = ping_socket(h, 0);
    uint8_t b[64];
    ck_assert_int_eq(td_sendto(h->st, s, request, 16, 0, TD_IP4(127, 0, 0, 1), 0), 16);
    hx_flush(h);
    ck_assert_int_eq(td_recv(h->st, s, b, sizeof b, 0), 16);
    ck_assert_uint_eq(b[0], ICMP_ECHO_REPLY);
    hx_quiet(h, SEC(1));
    hx_free(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ping");
    TCase *t = tcase_create("ping");
    tcase_add_test(t, test_echo_and_reply);
    tcase_add_test(t, test_only_echo_requests);
    tcase_add_test(t, test_identifiers);
    tcase_add_test(t, test_connected_with_parameters);
    tcase_add_test(t, test_large_and_bounded);
    tcase_add_test(t, test_localhost);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
