/* Notifications: when, how often, in which order, and what a callback may do. */
#include "check_main.h"
#include "harness.h"

#include <errno.h>
#include <string.h>

struct log {
    int calls;
    int handle[64], mask[64];
};

static void note(void *ctx, struct td_stack *st, int s, int mask)
{
    struct log *l = ctx;
    (void)st;
    ck_assert_int_lt(l->calls, 64);
    l->handle[l->calls] = s;
    l->mask[l->calls++] = mask;
}

/* A socket that hears of what comes; what set_notify itself brings is over. */
static int watched(struct hx *h, uint16_t port, td_notify *fn, void *ctx)
{
    int s = hx_udp_socket(h, 0, port);
    ck_assert_int_eq(td_set_notify(h->st, s, fn, ctx), 0);
    return s;
}

START_TEST(test_once_a_flush_with_the_present_mask)
{
    struct hx *h = hx_new();
    struct log l = {0};
    int s = watched(h, 5000, note, &l);
    ck_assert_int_eq(l.calls, 0); /* never inside a call */
    hx_flush(h);
    ck_assert_int_eq(l.calls, 1); /* writable already */
    ck_assert_int_eq(l.mask[0] & (POLLIN | POLLOUT), POLLOUT);
    hx_flush(h);
    ck_assert_int_eq(l.calls, 1);
    udp_in(h, 0, .sport = 1, .dport = 5000, .len = 4);
    ck_assert_int_eq(l.calls, 2);
    ck_assert_int_eq(l.handle[1], s);
    ck_assert_int_eq(l.mask[1] & POLLIN, POLLIN);
    hx_flush(h); /* level persists, but an edge is told once */
    ck_assert_int_eq(l.calls, 2);
    ck_assert_int_ne(td_poll(h->st, s) & POLLIN, 0);
    /* many frames before one flush: one call */
    uint8_t frame[60];
    for (unsigned i = 0; i < 3; i++) {
        struct eth_hdr e = {.dst = HX_US_MAC, .src = HX_PEER_MAC, .type = ETHERTYPE_IPV4};
        struct ipv4_hdr ip = {
            .hlen = 20, .total_len = 32, .ttl = 64, .proto = 17, .src = HX_PEER, .dst = HX_US};
        struct udp_hdr u = {.sport = 1, .dport = 5000, .length = 12};
        memset(frame, 0, sizeof frame);
        size_t n = eth_emit(&e, frame);
        n += ipv4_emit(&ip, frame + n);
        udp_emit(&u, frame + n);
        ck_assert_int_eq(
            td_stack_input_bytes(h->st, h->ifindex, frame, sizeof frame, td_stack_now(h->st)), 0);
    }
    ck_assert_int_eq(l.calls, 2);
    hx_flush(h);
    ck_assert_int_eq(l.calls, 3);
    ck_assert_int_eq(td_set_notify(h->st, s, NULL, NULL), 0);
    udp_in(h, 0, .sport = 1, .dport = 5000, .len = 4);
    ck_assert_int_eq(l.calls, 3);
    hx_free(h);
}
END_TEST

START_TEST(test_order_of_marking)
{
    struct hx *h = hx_new();
    struct log l = {0};
    int s[4];
    for (unsigned i = 0; i < 4; i++) {
        s[i] = watched(h, (uint16_t)(5000 + i), note, &l);
    }
    hx_flush(h);
    l.calls = 0;
    /* errors and datagrams in one batch */
    static const unsigned order[] = {2, 0, 3, 1};
    for (unsigned i = 0; i < 4; i++) {
        uint8_t frame[60] = {0};
        struct eth_hdr e = {.dst = HX_US_MAC, .src = HX_PEER_MAC, .type = ETHERTYPE_IPV4};
        struct ipv4_hdr ip = {
            .hlen = 20, .total_len = 32, .ttl = 64, .proto = 17, .src = HX_PEER, .dst = HX_US};
        struct udp_hdr u = {.sport = 1, .dport = (uint16_t)(5000 + order[i]), .length = 12};
        size_t n = eth_emit(&e, frame);
        n += ipv4_emit(&ip, frame + n);
        udp_emit(&u, frame + n);
        (void)td_stack_input_bytes(h->st, h->ifindex, frame, sizeof frame, td_stack_now(h->st));
    }
    hx_flush(h);
    ck_assert_int_eq(l.calls, 4);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_int_eq(l.handle[i], s[order[i]]);
    }
    hx_free(h);
}
END_TEST

START_TEST(test_each_handle_has_its_own)
{
    struct hx *h = hx_new();
    struct log a = {0}, b = {0};
    int s = watched(h, 5000, note, &a);
    int d = td_dup(h->st, s), e = td_dup(h->st, s);
    ck_assert_int_eq(td_set_notify(h->st, d, note, &b), 0);
    hx_flush(h);
    a.calls = b.calls = 0;
    udp_in(h, 0, .sport = 1, .dport = 5000, .len = 4);
    ck_assert_int_eq(a.calls, 1);
    ck_assert_int_eq(b.calls, 1);
    ck_assert_int_eq(a.handle[0], s);
    ck_assert_int_eq(b.handle[0], d);
    ck_assert_int_eq(td_close(h->st, s), 0);
    udp_in(h, 0, .sport = 1, .dport = 5000, .len = 4);
    ck_assert_int_eq(a.calls, 1);
    ck_assert_int_eq(b.calls, 2);
    (void)e;
    hx_free(h);
}
END_TEST

/* ---- callbacks that do things ---- */

struct actor {
    int calls, other;
    struct log *log;
};

static void close_both(void *ctx, struct td_stack *st, int s, int mask)
{
    struct actor *a = ctx;
    (void)mask;
    a->calls++;
    ck_assert_int_eq(td_close(st, s), 0);
    ck_assert_int_eq(td_close(st, a->other), 0);
}

START_TEST(test_callback_closes_itself_and_another)
{
    struct hx *h = hx_new();
    struct actor x = {0}, y = {0};
    int s = hx_udp_socket(h, 0, 5000), t = hx_udp_socket(h, 0, 5001);
    x.other = t;
    y.other = s;
    /* both marked; the first one closes both: the second is never called */
    ck_assert_int_eq(td_set_notify(h->st, s, close_both, &x), 0);
    ck_assert_int_eq(td_set_notify(h->st, t, close_both, &y), 0);
    hx_flush(h);
    ck_assert_int_eq(x.calls, 1);
    ck_assert_int_eq(y.calls, 0);
    ck_assert_int_eq(td_poll(h->st, s), -EBADF);
    ck_assert_int_eq(td_poll(h->st, t), -EBADF);
    hx_free(h);
}
END_TEST

static void echo(void *ctx, struct td_stack *st, int s, int mask)
{
    struct actor *a = ctx;
    char b[64];
    td_ip4 from;
    uint16_t port;
    int64_t n;
    a->calls++;
    if ((mask & POLLIN) == 0) {
        return;
    }
    while ((n = td_recvfrom(st, s, b, sizeof b, 0, &from, &port)) >= 0) {
        ck_assert_int_eq(td_sendto(st, s, b, (size_t)n, 0, from, port), n);
    }
}

/* What a callback sends goes out in the same flush; and over the loopback interface two sockets
 * play ping-pong in one flush, for a bounded number of rounds. */
START_TEST(test_callback_sends)
{
    struct hx *h = hx_new();
    struct actor x = {0}, y = {0};
    int s = watched(h, 5000, echo, &x);
    udp_in(h, 0, .sport = 9, .dport = 5000, .data = "echo", .len = 4);
    udp_out(h, 0, .sport = 5000, .dport = 9, .data = "echo", .len = 4);
    (void)watched(h, 5001, echo, &y);
    hx_flush(h);
    x.calls = 0;
    ck_assert_int_eq(td_sendto(h->st, s, "!", 1, 0, TD_IP4(127, 0, 0, 1), 5001), 1);
    hx_flush(h);
    ck_assert_int_ge(x.calls, 1);
    ck_assert_int_le(x.calls, 10000); /* it came back: the flush ended */
    ck_assert_int_eq(td_close(h->st, s), 0);
    hx_until(h, MS(1));
    hx_drain(h);
    hx_free(h);
}
END_TEST

static void reopen(void *ctx, struct td_stack *st, int s, int mask)
{
    struct actor *a = ctx;
    (void)mask;
    a->calls++;
    (void)td_close(st, s);
    int n = td_socket(st, AF_INET, SOCK_DGRAM, 0);
    ck_assert_int_eq(n, s); /* the lowest free one, while its old self is still being notified */
    ck_assert_int_eq(td_set_notify(st, n, reopen, a), 0);
}

/* A callback that makes new work each time can't keep a flush going for ever. */
START_TEST(test_endless_work_is_bounded)
{
    struct hx *h = hx_new();
    struct actor x = {0};
    (void)watched(h, 5000, reopen, &x);
    hx_flush(h);
    ck_assert_int_ge(x.calls, 1);
    ck_assert_int_le(x.calls, 10000);
    ck_assert_int_eq(td_set_notify(h->st, 0, NULL, NULL), 0);
    hx_free(h);
}
END_TEST

static void dup_more(void *ctx, struct td_stack *st, int s, int mask)
{
    struct actor *a = ctx;
    (void)mask;
    if (a->calls++ == 0) {
        int d = td_dup(st, s);
        ck_assert_int_ge(d, 0);
        ck_assert_int_eq(td_set_notify(st, d, note, a->log), 0);
    }
}

START_TEST(test_callback_dups)
{
    struct hx *h = hx_new();
    struct log l = {0};
    struct actor x = {.log = &l};
    int s = watched(h, 5000, dup_more, &x);
    hx_flush(h);
    ck_assert_int_ge(x.calls, 1);
    ck_assert_int_ge(l.calls, 1); /* the new handle is told what is ready */
    ck_assert_int_eq(td_set_notify(h->st, s, NULL, NULL), 0);
    int before = l.calls;
    udp_in(h, 0, .sport = 1, .dport = 5000, .len = 4);
    ck_assert_int_eq(l.calls, before + 1);
    hx_free(h);
}
END_TEST

START_TEST(test_shutdown_and_error_are_edges)
{
    struct hx *h = hx_new();
    struct log l = {0};
    int s = watched(h, 5000, note, &l);
    struct sockaddr_in sa = td_sockaddr(HX_PEER, 9);
    ck_assert_int_eq(td_connect(h->st, s, (struct sockaddr *)&sa, sizeof sa), 0);
    ck_assert_int_eq(td_send(h->st, s, "x", 1, 0), 1);
    udp_out(h, 0, .len = 1);
    l.calls = 0;
    hx_icmp_error_in(h, 0, HX_PEER, 3, 3, 0, 8);
    ck_assert_int_eq(l.calls, 1);
    ck_assert_int_eq(l.mask[0] & POLLERR, POLLERR);
    ck_assert_int_eq(td_shutdown(h->st, s, SHUT_RDWR), 0);
    hx_flush(h);
    ck_assert_int_eq(l.calls, 2);
    ck_assert_int_eq(l.mask[1] & (POLLHUP | POLLRDHUP | POLLIN), POLLHUP | POLLRDHUP | POLLIN);
    hx_free(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("notify");
    TCase *t = tcase_create("notify");
    tcase_add_test(t, test_once_a_flush_with_the_present_mask);
    tcase_add_test(t, test_order_of_marking);
    tcase_add_test(t, test_each_handle_has_its_own);
    tcase_add_test(t, test_callback_closes_itself_and_another);
    tcase_add_test(t, test_callback_sends);
    tcase_add_test(t, test_endless_work_is_bounded);
    tcase_add_test(t, test_callback_dups);
    tcase_add_test(t, test_shutdown_and_error_are_edges);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
