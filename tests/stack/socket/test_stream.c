/* Stream sockets: what the socket layer adds to TCP. The protocol itself is tested in
 * tests/stack/tcp. */
#include "check_main.h"
#include "harness.h"

#include "core/stack.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>

struct log {
    int calls, last;
};

static void note(void *ctx, struct td_stack *st, int s, int mask)
{
    struct log *l = ctx;
    (void)st;
    (void)s;
    l->calls++;
    l->last = mask;
}

static void names_of(struct hx *h, int s, struct sockaddr_in *own, struct sockaddr_in *peer)
{
    socklen_t len = sizeof *own;
    ck_assert_int_eq(td_getsockname(h->st, s, (struct sockaddr *)own, &len), 0);
    len = sizeof *peer;
    ck_assert_int_eq(td_getpeername(h->st, s, (struct sockaddr *)peer, &len), 0);
}

START_TEST(test_passive_open)
{
    struct hx *h = hx_new();
    struct log l = {0};
    int s = hx_tcp_listen(h, 80);
    struct sockaddr_in sa, own, peer;
    socklen_t len = sizeof sa;
    ck_assert_int_eq(td_set_notify(h->st, s, note, &l), 0);
    ck_assert_int_eq(td_accept(h->st, s, NULL, NULL), -EAGAIN);
    tcp_in(h, 0, .flags = SYN, .wnd = 1000, .opts = {.mss = 1460});
    tcp_out(h, 0, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    ck_assert_int_eq(l.calls, 0); /* nothing to accept yet */
    tcp_in(h, MS(1), .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
    ck_assert_int_eq(l.calls, 1);
    ck_assert_int_ne(l.last & POLLIN, 0);
    int c = td_accept(h->st, s, (struct sockaddr *)&sa, &len);
    ck_assert_int_ge(c, 0);
    ck_assert_uint_eq(len, sizeof sa);
    ck_assert_uint_eq(ntohl(sa.sin_addr.s_addr), HX_PEER);
    ck_assert_uint_eq(ntohs(sa.sin_port), HX_PEER_PORT);
    names_of(h, c, &own, &peer);
    ck_assert_uint_eq(ntohs(own.sin_port), 80);
    ck_assert_uint_eq(ntohl(own.sin_addr.s_addr), HX_US);
    ck_assert_int_eq(memcmp(&peer, &sa, sizeof sa), 0);
    ck_assert_int_eq(td_accept(h->st, s, NULL, NULL), -EAGAIN);
    ck_assert_int_eq(td_accept(h->st, c, NULL, NULL), -EINVAL);
    ck_assert_uint_ne(td_socket_id(h->st, c), td_socket_id(h->st, s));
    hx_quiet(h, MS(2));
    ck_assert_int_eq(td_close(h->st, c), 0);
    tcp_out(h, MS(2), .flags = FIN | ACK, .seq = 1, .ack = 1);
    hx_drain(h);
    hx_free(h);
}
END_TEST

START_TEST(test_data_and_questions)
{
    struct hx *h = hx_new();
    int s = hx_tcp_listen(h, 80), c = hx_tcp_accept(h, s, 0, 8000), n = 0;
    struct log l = {0};
    uint8_t b[64];
    ck_assert_int_eq(td_set_notify(h->st, c, note, &l), 0);
    hx_flush(h);
    l.calls = 0;
    tcp_in(h, MS(1), .flags = ACK | PSH, .seq = 1, .ack = 1, .wnd = 8000, .len = 10);
    hx_drain(h);
    ck_assert_int_eq(l.calls, 1);
    ck_assert_int_ne(l.last & POLLIN, 0);
    ck_assert_int_eq(td_ioctl(h->st, c, SIOCINQ, &n), 0);
    ck_assert_int_eq(n, 10);
    ck_assert_int_eq(td_recv(h->st, c, b, 4, MSG_PEEK), 4);
    struct iovec iov[2] = {{b, 3}, {b + 10, 20}};
    struct sockaddr_in sa;
    struct msghdr m = {.msg_name = &sa,
                       .msg_namelen = sizeof sa,
                       .msg_iov = iov,
                       .msg_iovlen = 2,
                       .msg_control = b + 40,
                       .msg_controllen = 20,
                       .msg_flags = 77};
    ck_assert_int_eq(td_recvmsg(h->st, c, &m, 0), 10);
    ck_assert_uint_eq(m.msg_namelen, 0);
    ck_assert_uint_eq(m.msg_controllen, 0);
    ck_assert_int_eq(m.msg_flags, 0);
    ck_assert_uint_eq(b[2], hx_pattern(3));
    ck_assert_uint_eq(b[10], hx_pattern(4));
    ck_assert_int_eq(td_recv(h->st, c, b, sizeof b, 0), -EAGAIN);
    ck_assert_int_eq(td_recv(h->st, c, b, sizeof b, MSG_ERRQUEUE), -EAGAIN);
    ck_assert_int_eq(td_send(h->st, c, "abc", 3, 0), 3);
    ck_assert_int_eq(td_ioctl(h->st, c, SIOCOUTQ, &n), 0);
    ck_assert_int_eq(n, 3);
    hx_flush(h);
    tcp_out(h, MS(1), .flags = ACK | PSH, .seq = 1, .ack = 11, .data = "abc", .len = 3);
    tcp_in(h, MS(2), .flags = ACK, .seq = 11, .ack = 4, .wnd = 8000);
    ck_assert_int_eq(td_ioctl(h->st, c, SIOCOUTQ, &n), 0);
    ck_assert_int_eq(n, 0);
    ck_assert_int_eq(td_ioctl(h->st, s, SIOCINQ, &n), -EINVAL);
    ck_assert_int_eq(td_ioctl(h->st, c, 1, &n), -ENOTTY);
    int mtu = 0;
    socklen_t len = sizeof mtu;
    ck_assert_int_eq(td_getsockopt(h->st, c, IPPROTO_IP, IP_MTU, &mtu, &len), 0);
    ck_assert_int_eq(mtu, 1500);
    ck_assert_int_eq(td_getsockopt(h->st, s, IPPROTO_IP, IP_MTU, &mtu, &len), -ENOTCONN);
    /* the peer's FIN: readable to the end, then 0 */
    tcp_in(h, MS(3), .flags = FIN | ACK, .seq = 11, .ack = 4, .wnd = 8000);
    hx_drain(h);
    ck_assert_int_ne(td_poll(h->st, c) & POLLRDHUP, 0);
    ck_assert_int_eq(td_recv(h->st, c, b, sizeof b, 0), 0);
    ck_assert_int_eq(td_close(h->st, c), 0);
    hx_drain(h);
    hx_free(h);
}
END_TEST

/* TCP_INQ: recvmsg says how much is left to be read, and one more once the peer has ended. */
START_TEST(test_what_is_left)
{
    struct hx *h = hx_new();
    int s = hx_tcp_listen(h, 80), c = hx_tcp_accept(h, s, 0, 8000), one = 1, left = -1;
    uint8_t b[64];
    _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = {b, 4};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control};
    tcp_in(h, MS(1), .flags = FIN | ACK | PSH, .seq = 1, .ack = 1, .wnd = 8000, .len = 10);
    hx_drain(h);
    m.msg_controllen = sizeof control;
    ck_assert_int_eq(td_recvmsg(h->st, c, &m, MSG_PEEK), 4);
    ck_assert_uint_eq(m.msg_controllen, 0); /* not asked for */
    ck_assert_int_eq(td_setsockopt(h->st, c, IPPROTO_TCP, 36, &one, sizeof one), 0);
    static const struct {
        int64_t got;
        int left;
    } reads[] = {{4, 7}, {4, 3}, {2, 1}, {0, 1}};
    for (unsigned i = 0; i < 4; i++) {
        m.msg_controllen = sizeof control;
        ck_assert_int_eq(td_recvmsg(h->st, c, &m, 0), reads[i].got);
        ck_assert_uint_eq(m.msg_controllen, sizeof control);
        const struct cmsghdr *x = CMSG_FIRSTHDR(&m);
        ck_assert_int_eq(x->cmsg_level, IPPROTO_TCP);
        ck_assert_int_eq(x->cmsg_type, 36);
        memcpy(&left, CMSG_DATA(x), sizeof left);
        ck_assert_int_eq(left, reads[i].left);
    }
    m.msg_controllen = 0; /* no room: nothing is said */
    ck_assert_int_eq(td_recvmsg(h->st, c, &m, 0), 0);
    ck_assert_int_eq(m.msg_flags, 0);
    hx_free(h);
}
END_TEST

START_TEST(test_active_open)
{
    struct hx *h = hx_new();
    struct log l = {0};
    int s = td_socket(h->st, AF_INET, SOCK_STREAM, 0), err = -1;
    struct sockaddr_in sa = td_sockaddr(HX_PEER, 9000), own, peer;
    socklen_t len = sizeof sa;
    ck_assert_int_eq(td_set_notify(h->st, s, note, &l), 0);
    hx_flush(h);
    l.calls = 0;
    ck_assert_int_eq(td_connect(h->st, s, (struct sockaddr *)&sa, sizeof sa), -EINPROGRESS);
    ck_assert_int_eq(td_getpeername(h->st, s, (struct sockaddr *)&peer, &len), -ENOTCONN);
    ck_assert_int_eq(td_poll(h->st, s) & (POLLIN | POLLOUT), 0);
    tcp_out(h, 0, .flags = SYN, .seq = HX_ZERO, .dport = 9000);
    uint16_t port = h->got.tcp.sport;
    ck_assert_int_eq(td_connect(h->st, s, (struct sockaddr *)&sa, sizeof sa), -EALREADY);
    tcp_in(h, MS(1), .sport = 9000, .dport = port, .flags = SYN | ACK, .seq = 0, .ack = 1,
           .wnd = 1000);
    tcp_out(h, MS(1), .flags = ACK, .seq = 1, .ack = 1);
    ck_assert_int_eq(l.calls, 1);
    ck_assert_int_ne(l.last & POLLOUT, 0);
    len = sizeof err;
    ck_assert_int_eq(td_getsockopt(h->st, s, SOL_SOCKET, SO_ERROR, &err, &len), 0);
    ck_assert_int_eq(err, 0);
    names_of(h, s, &own, &peer);
    ck_assert_uint_eq(ntohs(own.sin_port), port);
    ck_assert_uint_eq(ntohs(peer.sin_port), 9000);
    /* dissolved: reset, and the socket is as new */
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    ck_assert_int_eq(td_connect(h->st, s, &none, sizeof none), 0);
    tcp_out(h, MS(1), .sport = port, .dport = 9000, .flags = RST | ACK, .any_seq = true,
            .any_ack = true);
    len = sizeof sa;
    ck_assert_int_eq(td_getpeername(h->st, s, (struct sockaddr *)&peer, &len), -ENOTCONN);
    sa = td_sockaddr(0, 90);
    ck_assert_int_eq(td_bind(h->st, s, (struct sockaddr *)&sa, sizeof sa), 0);
    ck_assert_int_eq(td_listen(h->st, s, 1), 0);
    hx_free(h);
}
END_TEST

START_TEST(test_refused)
{
    struct hx *h = hx_new();
    struct log l = {0};
    int s = hx_tcp_connect(h, 5000, HX_PEER, 9000), err;
    socklen_t len = sizeof err;
    ck_assert_int_eq(td_set_notify(h->st, s, note, &l), 0);
    tcp_out(h, 0, .flags = SYN, .dport = 9000);
    l.calls = 0;
    tcp_in(h, MS(1), .sport = 9000, .dport = 5000, .flags = RST | ACK, .seq = 0, .ack = 1);
    ck_assert_int_eq(l.calls, 1);
    ck_assert_int_ne(l.last & POLLERR, 0);
    ck_assert_int_eq(td_getsockopt(h->st, s, SOL_SOCKET, SO_ERROR, &err, &len), 0);
    ck_assert_int_eq(err, ECONNREFUSED);
    ck_assert_int_eq(td_close(h->st, s), 0);
    hx_quiet(h, SEC(1));
    hx_free(h);
}
END_TEST

START_TEST(test_wrong_states)
{
    struct hx *h = hx_new();
    int s = td_socket(h->st, AF_INET, SOCK_STREAM, 0), one = 1;
    char b[4];
    ck_assert_int_eq(td_accept(h->st, s, NULL, NULL), -EINVAL);
    ck_assert_int_eq(td_recv(h->st, s, b, sizeof b, 0), -ENOTCONN);
    ck_assert_int_lt(td_send(h->st, s, b, sizeof b, 0), 0);
    ck_assert_int_eq(td_shutdown(h->st, s, SHUT_RDWR), -ENOTCONN);
    ck_assert_int_eq(td_setsockopt(h->st, s, SOL_SOCKET, SO_BINDTODEVICE, "eth0", 4), -ENOPROTOOPT);
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one), 0);
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_TCP, TCP_NODELAY, &one, 3), -EINVAL);
    /* two listeners on one port, with and without permission */
    int a = hx_tcp_listen(h, 80);
    struct sockaddr_in sa = td_sockaddr(0, 80);
    ck_assert_int_eq(td_bind(h->st, s, (struct sockaddr *)&sa, sizeof sa), -EADDRINUSE);
    ck_assert_int_eq(td_close(h->st, a), 0);
    ck_assert_int_eq(td_bind(h->st, s, (struct sockaddr *)&sa, sizeof sa), 0);
    ck_assert_int_eq(td_listen(h->st, s, -1), 0); /* any backlog is good: it is bounded */
    ck_assert_int_eq(td_listen(h->st, s, INT32_MAX), 0);
    hx_quiet(h, SEC(1));
    hx_free(h);
}
END_TEST

/* Handles run out: the connection that found none is not left hanging. */
START_TEST(test_accept_without_a_handle)
{
    struct hx *h = hx_new();
    int s = hx_tcp_listen(h, 80);
    ck_assert_int_eq(td_knob_set(h->st, "net.core.max_sockets", "1"), 0);
    tcp_in(h, 0, .flags = SYN, .wnd = 1000, .opts = {.mss = 1460});
    tcp_out(h, 0, .flags = SYN | ACK);
    tcp_in(h, 0, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
    ck_assert_int_eq(td_accept(h->st, s, NULL, NULL), -EMFILE);
    ck_assert_int_eq(td_knob_set(h->st, "net.core.max_sockets", "2"), 0);
    /* and it still waits: Linux reserves the descriptor before it takes the connection */
    ck_assert_int_ge(td_accept(h->st, s, NULL, NULL), 0);
    hx_drain(h);
    hx_free(h);
}
END_TEST

START_TEST(test_close_of_the_last_handle)
{
    struct hx *h = hx_new();
    int s = hx_tcp_listen(h, 80), c = hx_tcp_accept(h, s, 0, 8000), d = td_dup(h->st, c);
    ck_assert_int_eq(td_close(h->st, c), 0);
    hx_quiet(h, MS(1)); /* the other handle still stands for it */
    ck_assert_int_eq(td_send(h->st, d, "x", 1, 0), 1);
    tcp_out(h, MS(1), .flags = ACK | PSH, .seq = 1, .len = 1);
    ck_assert_int_eq(td_close(h->st, d), 0);
    tcp_out(h, MS(1), .flags = FIN | ACK, .seq = 2);
    tcp_in(h, MS(2), .flags = FIN | ACK, .seq = 1, .ack = 3, .wnd = 8000);
    tcp_out(h, MS(2), .flags = ACK, .seq = 3, .ack = 2);
    hx_free(h);
}
END_TEST

START_TEST(test_memory_failures)
{
    for (int64_t n = 1; n < 30; n++) {
        struct hx *h = hx_new();
        int s = hx_tcp_listen(h, 80);
        tcp_in(h, 0, .flags = SYN, .wnd = 1000, .opts = {.mss = 1460});
        tcp_out(h, 0, .flags = SYN | ACK);
        tcp_in(h, 0, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
        h->fail_alloc = n;
        int c = td_accept(h->st, s, NULL, NULL);
        h->fail_alloc = 0;
        ck_assert(c >= 0 || c == -ENOMEM || c == -EAGAIN);
        h->fail_alloc = n;
        int t = td_socket(h->st, AF_INET, SOCK_STREAM, 0);
        h->fail_alloc = 0;
        ck_assert(t >= 0 || t == -ENOMEM);
        hx_drain(h);
        hx_free(h);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("stream");
    TCase *t = tcase_create("stream");
    tcase_add_test(t, test_passive_open);
    tcase_add_test(t, test_data_and_questions);
    tcase_add_test(t, test_what_is_left);
    tcase_add_test(t, test_active_open);
    tcase_add_test(t, test_refused);
    tcase_add_test(t, test_wrong_states);
    tcase_add_test(t, test_accept_without_a_handle);
    tcase_add_test(t, test_close_of_the_last_handle);
    tcase_add_test(t, test_memory_failures);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
