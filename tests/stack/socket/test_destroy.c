/* Whose a socket is (td_socket_owner), and its end from outside (td_socket_destroy, Linux's SOCK_DESTROY). */
#include "check_main.h"
#include "harness.h"

#include "core/stack.h"
#include "core/table.h"

#include <errno.h>
#include <string.h>

static uint64_t cell(const struct table *t, const struct row *row, const char *name)
{
    for (unsigned i = 0; i < t->ncolumns; i++)
        if (strcmp(t->columns[i].name, name) == 0)
            return row->v[i].type != VAL_NONE ? row->v[i].u : UINT64_MAX;
    ck_abort_msg("no column %s", name);
    return 0;
}

/* A column of the row of connection id; UINT64_MAX: no row, or nothing there. */
static uint64_t of_socket(struct hx *h, const char *table, uint32_t id, const char *column)
{
    struct table *t = table_find(h->st, table);
    uint64_t cursor = 0;
    struct row row;
    ck_assert_ptr_nonnull(t);
    while (t->next(h->st, &cursor, &row))
        if (cell(t, &row, "id") == id)
            return cell(t, &row, column);
    return UINT64_MAX;
}

static int destroy(struct hx *h, int protocol, uint16_t lport, td_ip4 raddr, uint16_t rport)
{
    const struct td_ends e = {(uint8_t)protocol, raddr != 0 || protocol == IPPROTO_UDP ? HX_US : 0, raddr,
                              lport, rport};
    return td_socket_destroy(h->st, &e);
}

static int error_of(struct hx *h, int s)
{
    int e = -1;
    socklen_t len = sizeof e;
    ck_assert_int_eq(td_getsockopt(h->st, s, SOL_SOCKET, SO_ERROR, &e, &len), 0);
    return e;
}

static void opens_another(void *ctx, struct td_stack *st, int s, int mask)
{
    int *other = ctx;
    (void)s;
    (void)mask;
    if (*other < 0)
        *other = td_socket(st, AF_INET, SOCK_DGRAM, 0);
}

START_TEST(test_owner)
{
    struct hx *h = hx_new();
    int other = -1;
    td_socket_owner(h->st, 7);
    int s = hx_tcp_listen(h, 80), u = hx_udp_socket(h, HX_US, 53);
    td_socket_owner(h->st, 8);
    int c = hx_tcp_accept(h, s, 0, 8000); /* the listener's, whoever takes it */
    ck_assert_uint_eq(of_socket(h, "tcp", td_socket_id(h->st, s), "owner"), 7);
    ck_assert_uint_eq(of_socket(h, "tcp", td_socket_id(h->st, c), "owner"), 7);
    ck_assert_uint_eq(of_socket(h, "tcp", td_socket_id(h->st, c), "handle"), (uint64_t)c);
    ck_assert_uint_eq(of_socket(h, "udp", td_socket_id(h->st, u), "owner"), 7);
    ck_assert_uint_eq(of_socket(h, "udp", td_socket_id(h->st, u), "handle"), (uint64_t)u);
    ck_assert_uint_gt(of_socket(h, "udp", td_socket_id(h->st, u), "rcvbuf"), 0);
    /* What a notification opens is its socket's owner's. */
    ck_assert_int_eq(td_set_notify(h->st, c, opens_another, &other), 0);
    tcp_in(h, MS(1), .flags = ACK | PSH, .seq = 1, .ack = 1, .wnd = 8000, .len = 10);
    ck_assert_int_ge(other, 0);
    ck_assert_uint_eq(of_socket(h, "udp", td_socket_id(h->st, other), "owner"), 7);
    int mine = td_socket(h->st, AF_INET, SOCK_STREAM, 0);
    ck_assert_uint_eq(of_socket(h, "socket", td_socket_id(h->st, mine), "owner"), 8);
    /* An orphan is nobody's. */
    uint32_t id = td_socket_id(h->st, c);
    uint8_t b[16];
    ck_assert_int_eq(td_recv(h->st, c, b, sizeof b, 0), 10);
    ck_assert_int_eq(td_close(h->st, c), 0);
    hx_flush(h);
    ck_assert_uint_eq(of_socket(h, "tcp", id, "orphan"), 1);
    ck_assert_uint_eq(of_socket(h, "tcp", id, "owner"), UINT64_MAX);
    hx_drain(h);
    hx_free(h);
}
END_TEST

START_TEST(test_connection)
{
    struct hx *h = hx_new();
    int s = hx_tcp_listen(h, 80), c = hx_tcp_accept(h, s, 0, 8000);
    uint8_t b[4];
    ck_assert_int_eq(destroy(h, IPPROTO_TCP, 80, HX_PEER, HX_PEER_PORT + 1), -ENOENT);
    ck_assert_int_eq(destroy(h, IPPROTO_ICMP, 80, HX_PEER, HX_PEER_PORT), -EPROTONOSUPPORT);
    hx_quiet(h, MS(1));
    ck_assert_int_eq(destroy(h, IPPROTO_TCP, 80, HX_PEER, HX_PEER_PORT), 1);
    tcp_out(h, NOW, .flags = RST | ACK, .seq = 1, .ack = 1);
    ck_assert_int_eq(error_of(h, c), ECONNABORTED);
    ck_assert_int_eq(td_recv(h->st, c, b, sizeof b, 0), 0);
    ck_assert_int_eq(destroy(h, IPPROTO_TCP, 80, HX_PEER, HX_PEER_PORT), -ENOENT);
    ck_assert_int_eq(td_poll(h->st, s), 0); /* the listener listens on */
    hx_drain(h);
    hx_free(h);
}
END_TEST

START_TEST(test_half_open_and_listener)
{
    struct hx *h = hx_new();
    int s = hx_tcp_listen(h, 80);
    tcp_in(h, 0, .flags = SYN, .wnd = 1000, .opts = {.mss = 1460});
    tcp_out(h, 0, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    ck_assert_int_eq(destroy(h, IPPROTO_TCP, 80, HX_PEER, HX_PEER_PORT), 1);
    tcp_out(h, NOW, .flags = RST | ACK, .seq = 1, .ack = 1);
    ck_assert_int_eq(destroy(h, IPPROTO_TCP, 80, 0, 0), 1);
    ck_assert_int_eq(error_of(h, s), ECONNABORTED);
    ck_assert_int_eq(destroy(h, IPPROTO_TCP, 80, 0, 0), -ENOENT);
    tcp_in(h, MS(10), .flags = SYN, .sport = 40001, .wnd = 1000);
    tcp_out(h, MS(10), .flags = RST | ACK, .dport = 40001, .ack = 1);
    hx_free(h);
}
END_TEST

START_TEST(test_time_wait)
{
    struct hx *h = hx_new();
    int s = hx_tcp_listen(h, 80), c = hx_tcp_accept(h, s, 0, 8000);
    ck_assert_int_eq(td_shutdown(h->st, c, SHUT_WR), 0);
    tcp_out(h, NOW, .flags = FIN | ACK, .seq = 1, .ack = 1);
    tcp_in(h, MS(5), .flags = FIN | ACK, .seq = 1, .ack = 2, .wnd = 8000);
    tcp_out(h, MS(5), .flags = ACK, .seq = 2, .ack = 2);
    ck_assert_uint_eq(of_socket(h, "tcp", td_socket_id(h->st, c), "handle"), (uint64_t)c);
    ck_assert_int_eq(destroy(h, IPPROTO_TCP, 80, HX_PEER, HX_PEER_PORT), 1); /* the owner is still there */
    ck_assert_uint_eq(of_socket(h, "tcp", td_socket_id(h->st, c), "lport"), UINT64_MAX);
    ck_assert_int_eq(td_close(h->st, c), 0);
    c = hx_tcp_accept(h, s, MS(20), 8000);
    ck_assert_int_eq(td_close(h->st, c), 0);
    tcp_out(h, NOW, .flags = FIN | ACK, .seq = 1, .ack = 1);
    tcp_in(h, MS(25), .flags = FIN | ACK, .seq = 1, .ack = 2, .wnd = 8000);
    tcp_out(h, MS(25), .flags = ACK, .seq = 2, .ack = 2);
    ck_assert_int_eq(destroy(h, IPPROTO_TCP, 80, HX_PEER, HX_PEER_PORT), 1); /* and gone */
    hx_quiet(h, SEC(5));
    hx_free(h);
}
END_TEST

START_TEST(test_datagrams)
{
    struct hx *h = hx_new();
    int u = hx_udp_socket(h, HX_US, 53);
    const struct sockaddr_in peer = td_sockaddr(HX_PEER, 4000);
    ck_assert_int_eq(td_connect(h->st, u, (const struct sockaddr *)&peer, sizeof peer), 0);
    ck_assert_int_eq(destroy(h, IPPROTO_UDP, 53, 0, 0), -ENOENT); /* its ends are others */
    ck_assert_int_eq(destroy(h, IPPROTO_UDP, 53, HX_PEER, 4000), 1);
    ck_assert_int_ne(td_poll(h->st, u) & POLLERR, 0);
    ck_assert_int_eq(error_of(h, u), ECONNABORTED);
    ck_assert_int_eq(td_send(h->st, u, "x", 1, 0), -EDESTADDRREQ); /* no peer any more, but still bound */
    ck_assert_uint_eq(of_socket(h, "udp", td_socket_id(h->st, u), "lport"), 53);
    hx_free(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("socket destroy");
    TCase *tc = tcase_create("all");
    tcase_add_test(tc, test_owner);
    tcase_add_test(tc, test_connection);
    tcase_add_test(tc, test_half_open_and_listener);
    tcase_add_test(tc, test_time_wait);
    tcase_add_test(tc, test_datagrams);
    suite_add_tcase(s, tc);
    return s;
}
CHECK_MAIN(suite)
