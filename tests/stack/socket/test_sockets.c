/* The socket calls: arguments, errors, handles' life. */
#include "check_main.h"
#include "harness.h"

#include "core/stack.h"
#include "core/table.h"

#include <errno.h>
#include <string.h>

START_TEST(test_open_errors)
{
    struct hx *h = hx_new();
    ck_assert_int_eq(td_socket(h->st, AF_INET6, SOCK_DGRAM, 0), -EAFNOSUPPORT);
    ck_assert_int_eq(td_socket(h->st, AF_UNIX, SOCK_STREAM, 0), -EAFNOSUPPORT);
    ck_assert_int_eq(td_socket(h->st, AF_INET, SOCK_RAW, IPPROTO_ICMP), -ESOCKTNOSUPPORT);
    ck_assert_int_eq(td_socket(h->st, AF_INET, 99, 0), -ESOCKTNOSUPPORT);
    ck_assert_int_eq(td_socket(h->st, AF_INET, SOCK_DGRAM, IPPROTO_TCP), -EPROTONOSUPPORT);
    ck_assert_int_eq(td_socket(h->st, AF_INET, SOCK_STREAM, IPPROTO_UDP), -EPROTONOSUPPORT);
    ck_assert_int_eq(td_socket(h->st, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), 0);
    ck_assert_int_eq(td_socket(h->st, AF_INET, SOCK_STREAM, IPPROTO_TCP), 1);
    ck_assert_int_eq(td_socket(h->st, AF_INET, SOCK_DGRAM, IPPROTO_ICMP), 2);
    hx_free(h);
}
END_TEST

START_TEST(test_bad_handles)
{
    struct hx *h = hx_new();
    int closed = td_socket(h->st, AF_INET, SOCK_DGRAM, 0);
    ck_assert_int_eq(td_close(h->st, closed), 0);
    const int bad[] = {-1, closed, 63, 64, 1000000, INT32_MAX, INT32_MIN};
    struct sockaddr_in sa = td_sockaddr(0, 0);
    socklen_t len = sizeof sa;
    char b[4];
    int v = 0;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int s = bad[i];
        struct iovec iov = {b, sizeof b};
        struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
        ck_assert_int_eq(td_bind(h->st, s, (struct sockaddr *)&sa, sizeof sa), -EBADF);
        ck_assert_int_eq(td_connect(h->st, s, (struct sockaddr *)&sa, sizeof sa), -EBADF);
        ck_assert_int_eq(td_listen(h->st, s, 1), -EBADF);
        ck_assert_int_eq(td_accept(h->st, s, NULL, NULL), -EBADF);
        ck_assert_int_eq(td_sendmsg(h->st, s, &m, 0), -EBADF);
        ck_assert_int_eq(td_recvmsg(h->st, s, &m, 0), -EBADF);
        ck_assert_int_eq(td_shutdown(h->st, s, SHUT_RD), -EBADF);
        ck_assert_int_eq(td_close(h->st, s), -EBADF);
        ck_assert_int_eq(td_dup(h->st, s), -EBADF);
        ck_assert_int_eq(td_setsockopt(h->st, s, SOL_SOCKET, SO_BROADCAST, &v, sizeof v), -EBADF);
        ck_assert_int_eq(td_getsockopt(h->st, s, SOL_SOCKET, SO_TYPE, &v, &len), -EBADF);
        ck_assert_int_eq(td_getsockname(h->st, s, (struct sockaddr *)&sa, &len), -EBADF);
        ck_assert_int_eq(td_getpeername(h->st, s, (struct sockaddr *)&sa, &len), -EBADF);
        ck_assert_int_eq(td_ioctl(h->st, s, 0x541b, &v), -EBADF);
        ck_assert_int_eq(td_poll(h->st, s), -EBADF);
        ck_assert_int_eq(td_set_notify(h->st, s, NULL, NULL), -EBADF);
        ck_assert_uint_eq(td_socket_id(h->st, s), 0);
    }
    hx_free(h);
}
END_TEST

START_TEST(test_addresses_checked)
{
    struct hx *h = hx_new();
    for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
        int s = td_socket(h->st, AF_INET, type, 0);
        struct sockaddr_in sa = td_sockaddr(HX_PEER, 7);
        struct sockaddr *p = (struct sockaddr *)&sa;
        for (socklen_t len = 0; len < sizeof sa; len++) {
            ck_assert_int_eq(td_bind(h->st, s, p, len), -EINVAL);
            ck_assert_int_eq(td_connect(h->st, s, p, len), -EINVAL);
        }
        ck_assert_int_eq(td_bind(h->st, s, NULL, sizeof sa), -EINVAL);
        ck_assert_int_eq(td_connect(h->st, s, NULL, sizeof sa), -EINVAL);
        sa.sin_family = AF_INET6;
        ck_assert_int_eq(td_bind(h->st, s, p, sizeof sa), -EAFNOSUPPORT);
        ck_assert_int_eq(td_connect(h->st, s, p, sizeof sa), -EAFNOSUPPORT);
        sa = td_sockaddr(HX_PEER, 7);
        ck_assert_int_eq(td_bind(h->st, s, p, sizeof sa), -EADDRNOTAVAIL);
        ck_assert_int_eq(td_shutdown(h->st, s, 3), -EINVAL);
        ck_assert_int_eq(td_shutdown(h->st, s, -1), -EINVAL);
    }
    hx_quiet(h, SEC(1));
    hx_free(h);
}
END_TEST

START_TEST(test_iovecs_checked)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    struct sockaddr_in to = td_sockaddr(HX_PEER, 7);
    char b[8] = "abcdef";
    struct iovec iov[3] = {{b, 2}, {b + 2, 0}, {b + 2, 3}};
    struct msghdr m = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = iov, .msg_iovlen = 3};
    ck_assert_int_eq(td_sendmsg(h->st, s, &m, 0), 5);
    udp_out(h, 0, .dport = 7, .data = "abcde", .len = 5);
    m.msg_iovlen = 1025;
    ck_assert_int_eq(td_sendmsg(h->st, s, &m, 0), -EMSGSIZE);
    ck_assert_int_eq(td_recvmsg(h->st, s, &m, 0), -EMSGSIZE);
    m.msg_iovlen = 2;
    iov[0].iov_len = SIZE_MAX / 2 + 1;
    ck_assert_int_eq(td_sendmsg(h->st, s, &m, 0), -EINVAL);
    iov[0].iov_len = SIZE_MAX / 2;
    iov[1].iov_len = 1;
    ck_assert_int_eq(td_sendmsg(h->st, s, &m, 0), -EINVAL);
    iov[0] = (struct iovec){NULL, 4};
    ck_assert_int_eq(td_sendmsg(h->st, s, &m, 0), -EFAULT);
    m.msg_iov = NULL;
    ck_assert_int_eq(td_sendmsg(h->st, s, &m, 0), -EFAULT);
    ck_assert_int_eq(td_sendmsg(h->st, s, NULL, 0), -EFAULT);
    m.msg_iovlen = 0; /* an empty datagram */
    ck_assert_int_eq(td_sendmsg(h->st, s, &m, 0), 0);
    udp_out(h, 0, .dport = 7, .len = 0);
    /* the name's length */
    m.msg_namelen = sizeof to - 1;
    ck_assert_int_eq(td_sendmsg(h->st, s, &m, 0), -EINVAL);
    m.msg_namelen = sizeof to;
    to.sin_family = AF_INET6;
    ck_assert_int_eq(td_sendmsg(h->st, s, &m, 0), -EAFNOSUPPORT);
    to = td_sockaddr(HX_PEER, 0);
    ck_assert_int_eq(td_sendmsg(h->st, s, &m, 0), -EINVAL);
    m.msg_name = NULL;
    ck_assert_int_eq(td_sendmsg(h->st, s, &m, 0), -EDESTADDRREQ);
    ck_assert_int_eq(td_send(h->st, s, b, 1, MSG_OOB), -EOPNOTSUPP);
    hx_free(h);
}
END_TEST

START_TEST(test_names_cut_to_the_callers_room)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, HX_US, 5000);
    uint8_t b[32];
    memset(b, 0xee, sizeof b);
    socklen_t len = 4;
    ck_assert_int_eq(td_getsockname(h->st, s, (struct sockaddr *)b, &len), 0);
    ck_assert_uint_eq(len, sizeof(struct sockaddr_in));
    ck_assert_uint_eq(wire_get16(b + 2), 5000);
    for (size_t i = 4; i < sizeof b; i++) {
        ck_assert_uint_eq(b[i], 0xee);
    }
    ck_assert_int_eq(td_getsockname(h->st, s, NULL, &len), -EFAULT);
    ck_assert_int_eq(td_getsockname(h->st, s, (struct sockaddr *)b, NULL), -EFAULT);
    hx_free(h);
}
END_TEST

START_TEST(test_dup_keeps_the_socket)
{
    struct hx *h = hx_new();
    int a = hx_udp_socket(h, 0, 5000);
    int b = td_dup(h->st, a);
    char text[8];
    ck_assert_int_eq(b, a + 1);
    ck_assert_uint_eq(td_socket_id(h->st, a), td_socket_id(h->st, b));
    ck_assert_int_eq(td_close(h->st, a), 0);
    ck_assert_int_eq(td_poll(h->st, a), -EBADF);
    udp_in(h, 0, .sport = 7, .dport = 5000, .data = "hi", .len = 2);
    ck_assert_int_eq(td_recv(h->st, b, text, sizeof text, 0), 2);
    ck_assert_int_eq(td_close(h->st, b), 0);
    udp_in(h, 0, .sport = 7, .dport = 5000, .data = "hi", .len = 2);
    icmp_out(h, 0, .type = 3, .code = 3, .any_len = true);
    ck_assert_uint_eq(hx_event(h, "socket-close"), 1);
    hx_free(h);
}
END_TEST

START_TEST(test_listen_and_accept_are_streams_business)
{
    struct hx *h = hx_new();
    int s = td_socket(h->st, AF_INET, SOCK_DGRAM, 0);
    ck_assert_int_eq(td_listen(h->st, s, 5), -EOPNOTSUPP);
    ck_assert_int_eq(td_accept(h->st, s, NULL, NULL), -EOPNOTSUPP);
    hx_free(h);
}
END_TEST

START_TEST(test_table)
{
    struct hx *h = hx_new();
    int a = hx_udp_socket(h, 0, 5000);
    int p = td_socket(h->st, AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
    int d = td_dup(h->st, a);
    udp_in(h, 0, .sport = 7, .dport = 5000, .len = 11);
    struct table *t = table_find(h->st, "socket");
    ck_assert_ptr_nonnull(t);
    const struct {
        int handle;
        const char *type;
        uint64_t recvq, lport;
    } want[] = {{a, "udp", 11, 5000}, {p, "icmp", 0, 0}, {d, "udp", 11, 5000}};
    uint64_t cursor = 0;
    struct row row;
    for (size_t i = 0; i < 3; i++) {
        ck_assert(t->next(h->st, &cursor, &row));
        ck_assert_uint_eq(row.v[0].u, (uint64_t)want[i].handle);
        ck_assert_str_eq(row.v[1].s, want[i].type);
        ck_assert_uint_eq(row.v[2].u, td_socket_id(h->st, want[i].handle));
        ck_assert_str_eq(row.v[3].s, "UNCONN");
        ck_assert_uint_eq(row.v[4].u, want[i].recvq);
        ck_assert_uint_eq(row.v[7].u, want[i].lport);
        ck_assert_int_eq(row.v[8].type, VAL_NONE);
    }
    ck_assert(!t->next(h->st, &cursor, &row));
    hx_free(h);
}
END_TEST

/* Sockets open, queues full, groups joined: the instance goes and everything is given back (hx_free
 * looks). */
START_TEST(test_teardown_with_everything_open)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    int one = 1;
    struct ip_mreqn r = {.imr_multiaddr = {htonl(TD_IP4(239, 1, 2, 3))},
                         .imr_ifindex = (int)h->ifindex};
    const uint8_t opt[4] = {IPOPT_RA_, 4, 0, 0};
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, IP_RECVOPTS, &one, sizeof one), 0);
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, IP_RECVERR, &one, sizeof one), 0);
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &r, sizeof r), 0);
    for (unsigned i = 0; i < 10; i++) {
        udp_in(h, 0, .sport = 7, .dport = 5000, .len = 100, .opt = opt, .opt_len = sizeof opt);
    }
    ck_assert_int_eq(td_sendto(h->st, s, "x", 1, 0, HX_PEER, 9), 1);
    udp_out(h, 0, .len = 1);
    hx_icmp_error_in(h, 0, HX_PEER, 3, 3, 0, 8);
    (void)td_dup(h->st, s);
    int p = td_socket(h->st, AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
    struct sockaddr_in sa = td_sockaddr(0, 77);
    ck_assert_int_eq(td_bind(h->st, p, (struct sockaddr *)&sa, sizeof sa), 0);
    hx_free(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("sockets");
    TCase *t = tcase_create("calls");
    tcase_add_test(t, test_open_errors);
    tcase_add_test(t, test_bad_handles);
    tcase_add_test(t, test_addresses_checked);
    tcase_add_test(t, test_iovecs_checked);
    tcase_add_test(t, test_names_cut_to_the_callers_room);
    tcase_add_test(t, test_dup_keeps_the_socket);
    tcase_add_test(t, test_listen_and_accept_are_streams_business);
    tcase_add_test(t, test_table);
    tcase_add_test(t, test_teardown_with_everything_open);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
