/* Passive open: the two queues and their limits (RFC 9293 3.9.1.1, RFC 4987; Linux's behaviour at
 * overflow). */
#include "check_main.h"
#include "tcp_states.h"

static int listener(struct hx *h, uint16_t port, int backlog)
{
    int s = td_socket(h->st, AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in sa = td_sockaddr(0, port);
    ck_assert_int_eq(td_bind(h->st, s, (const struct sockaddr *)&sa, sizeof sa), 0);
    ck_assert_int_eq(td_listen(h->st, s, backlog), 0);
    return s;
}

static void syn(struct hx *h, uint16_t port)
{
    tcp_in(h, NOW, .sport = port, .flags = SYN, .seq = 0, .wnd = 1000);
}

static void open_one(struct hx *h, uint16_t port)
{
    syn(h, port);
    tcp_out(h, NOW, .dport = port, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    tcp_in(h, NOW, .sport = port, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
}

/* shows: TSM-LIS-SEG-SYN-2 ATK-TCPR-14 4987-01 */
START_TEST(accept_queue_overflows)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    struct hx *h = c.h;
    int l = listener(h, 80, 2);
    syn(h, 50009); /* one that is under way when it fills */
    tcp_out(h, NOW, .dport = 50009, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    for (uint16_t p = 50000; p < 50003; p++) { /* backlog + 1, as in Linux */
        open_one(h, p);
    }
    syn(h, 50003); /* dropped, without a reset */
    hx_quiet(h, NOW);
    ck_assert_uint_eq(hx_counter(h, "TcpExtListenDrops"), 1);
    ck_assert_uint_eq(hx_counter(h, "TcpExtListenOverflows"), 1);
    /* the last ACK of that other one is ignored; our SYN-ACK comes again, and the peer's next
     * answer finds room */
    tcp_in(h, NOW, .sport = 50009, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
    hx_quiet(h, MS(900));
    ck_assert_uint_eq(hx_event(h, "tcp-drop-accept"), 1);
    int s = td_accept(h->st, l, NULL, NULL);
    ck_assert_int_ge(s, 0);
    tcp_out(h, SEC(1), .dport = 50009, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    tcp_in(h, NOW, .sport = 50009, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_ge(td_accept(h->st, l, NULL, NULL), 0);
    }
    ck_assert_int_eq(td_accept(h->st, l, NULL, NULL), -EAGAIN);
    open_one(h, 50003); /* it has recovered */
    leave(&c);
}
END_TEST

START_TEST(abort_on_overflow)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    struct hx *h = c.h;
    knob_set(h, "net.ipv4.tcp_abort_on_overflow", "1");
    (void)listener(h, 80, 0);
    syn(h, 50009);
    tcp_out(h, NOW, .dport = 50009, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    open_one(h, 50000);
    tcp_in(h, NOW, .sport = 50009, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
    tcp_out(h, NOW, .dport = 50009, .flags = RST | ACK, .seq = 1, .ack = 1);
    leave(&c);
}
END_TEST

/* shows: ATK-TCPR-01 4987-01 */
START_TEST(syn_flood)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    struct hx *h = c.h;
    int l = listener(h, 80, 100);
    knob_set(h, "net.ipv4.tcp_syncookies", "0");
    h->any_tx = true;
    for (uint32_t i = 0; i < 20000; i++) { /* from addresses that never answer */
        tcp_in(h, hx_now(h) + US(10), .src = TD_IP4(192, 0, 2, 0) + i % 250,
               .sport = (uint16_t)(1024 + i / 250), .flags = SYN, .seq = 0, .wnd = 1000);
        h->nconns = 0;
    }
    ck_assert_uint_eq(h->st->tcp->ntcb, 1); /* bounded, and small */
    ck_assert_uint_eq(h->st->tcp->eps.count, 1 + 4096);
    ck_assert_uint_le(h->st->mem.used_by[MEM_TCP], 4100 * 256);
    h->any_tx = false;
    hx_drain(h);
    /* a real client's SYN is taken; it answers at once, as one nearby does */
    open_one(h, 50000);
    ck_assert_int_ge(td_accept(h->st, l, NULL, NULL), 0);
    /* and so is one whose ACK waits behind all that a TAP's ring holds of the flood */
    syn(h, 50001);
    tcp_out(h, NOW, .dport = 50001, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    h->any_tx = true;
    for (uint32_t i = 0; i < 4000; i++) {
        tcp_in(h, hx_now(h) + US(10), .src = TD_IP4(198, 51, 100, 0) + i % 250,
               .sport = (uint16_t)(1024 + i / 250), .flags = SYN, .seq = 0, .wnd = 1000);
        h->nconns = h->nconns > 2 ? 2 : h->nconns;
    }
    tcp_in(h, NOW, .sport = 50001, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
    ck_assert_int_ge(td_accept(h->st, l, NULL, NULL), 0);
    hx_until(h, SEC(200)); /* the rest expires */
    h->any_tx = false;
    hx_drain(h);
    ck_assert_uint_eq(h->st->tcp->ntcb, 3);
    ck_assert_uint_eq(h->st->tcp->eps.count, 3);
    leave(&c);
}
END_TEST

START_TEST(order_and_addresses)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    struct hx *h = c.h;
    int l = listener(h, 80, 10);
    for (uint16_t p = 50000; p < 50005; p++) {
        open_one(h, p);
    }
    for (uint16_t p = 50000; p < 50005; p++) { /* in the order in which they were completed */
        struct sockaddr_in sa;
        socklen_t len = sizeof sa;
        ck_assert_int_ge(td_accept(h->st, l, (struct sockaddr *)&sa, &len), 0);
        ck_assert_uint_eq(ntohs(sa.sin_port), p);
    }
    ck_assert_int_eq(td_poll(h->st, l) & POLLIN, 0);
    leave(&c);
}
END_TEST

/* A connection that was reset while it waited is still given out: the user learns of it by reading.
 */
START_TEST(reset_before_accept)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    struct hx *h = c.h;
    int l = listener(h, 80, 10);
    open_one(h, 50000);
    tcp_in(h, NOW, .sport = 50000, .flags = RST, .seq = 1);
    int s = td_accept(h->st, l, NULL, NULL);
    ck_assert_int_ge(s, 0);
    char b[4];
    ck_assert_int_eq(td_recv(h->st, s, b, 4, 0), -ECONNRESET);
    leave(&c);
}
END_TEST

START_TEST(specific_address_before_any)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    struct hx *h = c.h;
    int any = td_socket(h->st, AF_INET, SOCK_STREAM, 0),
        one = td_socket(h->st, AF_INET, SOCK_STREAM, 0), yes = 1;
    struct sockaddr_in sa = td_sockaddr(0, 80), sb = td_sockaddr(HX_US, 80);
    ck_assert_int_eq(td_addr_add(h->st, h->ifindex, TD_IP4(10, 0, 0, 7), 24), 0);
    hx_drain(h);
    td_setsockopt(h->st, any, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);
    td_setsockopt(h->st, one, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);
    ck_assert_int_eq(td_bind(h->st, any, (const struct sockaddr *)&sa, sizeof sa), 0);
    ck_assert_int_eq(td_listen(h->st, any, 5), 0);
    ck_assert_int_eq(td_bind(h->st, one, (const struct sockaddr *)&sb, sizeof sb), 0);
    ck_assert_int_eq(td_listen(h->st, one, 5), 0);
    open_one(h, 50000);
    ck_assert_int_eq(td_poll(h->st, any) & POLLIN, 0);
    ck_assert_int_eq(td_poll(h->st, one) & POLLIN, POLLIN);
    tcp_in(h, NOW, .dst = TD_IP4(10, 0, 0, 7), .sport = 50001, .flags = SYN, .seq = 0, .wnd = 1000);
    tcp_out(h, NOW, .src = TD_IP4(10, 0, 0, 7), .dport = 50001, .flags = SYN | ACK, .seq = HX_ZERO,
            .ack = 1);
    tcp_in(h, NOW, .dst = TD_IP4(10, 0, 0, 7), .sport = 50001, .flags = ACK, .seq = 1, .ack = 1,
           .wnd = 1000);
    ck_assert_int_eq(td_poll(h->st, any) & POLLIN, POLLIN);
    leave(&c);
}
END_TEST

/* Several listeners of one port share the connections; each segment of one goes to the same. */
START_TEST(reuseport_spreads)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    struct hx *h = c.h;
    int l[3], yes = 1, n[3] = {0};
    struct sockaddr_in sa = td_sockaddr(0, 80);
    for (int i = 0; i < 3; i++) {
        l[i] = td_socket(h->st, AF_INET, SOCK_STREAM, 0);
        td_setsockopt(h->st, l[i], SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);
        ck_assert_int_eq(td_bind(h->st, l[i], (const struct sockaddr *)&sa, sizeof sa), 0);
        ck_assert_int_eq(td_listen(h->st, l[i], 100), 0);
    }
    for (uint16_t p = 50000; p < 50060; p++) {
        open_one(h, p);
    }
    for (int i = 0; i < 3; i++) {
        while (td_accept(h->st, l[i], NULL, NULL) >= 0) {
            n[i]++;
        }
        ck_assert_int_ge(n[i], 8);
    }
    ck_assert_int_eq(n[0] + n[1] + n[2], 60);
    leave(&c);
}
END_TEST

START_TEST(defer_accept)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    struct hx *h = c.h;
    int l = listener(h, 80, 10);
    ck_assert_int_eq(set_opt(h, l, IPPROTO_TCP, TCP_DEFER_ACCEPT, 5), 0);
    open_one(h, 50000);
    ck_assert_int_eq(td_poll(h->st, l) & POLLIN, 0);
    tcp_in(h, MS(10), .sport = 50000, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000, .len = 5);
    tcp_out(h, NOW, .dport = 50000, .flags = ACK, .seq = 1, .ack = 6);
    ck_assert_int_eq(td_poll(h->st, l) & POLLIN, POLLIN);
    leave(&c);
}
END_TEST

/* What was set on the listener holds for its connections. */
START_TEST(options_are_inherited)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    struct hx *h = c.h;
    int l = listener(h, 80, 10);
    set_opt(h, l, IPPROTO_TCP, TCP_NODELAY, 1);
    set_opt(h, l, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_opt(h, l, IPPROTO_TCP, TCP_KEEPIDLE, 77);
    set_opt(h, l, SOL_SOCKET, SO_RCVBUF, 10000);
    set_opt(h, l, IPPROTO_IP, IP_TTL, 9);
    set_opt(h, l, IPPROTO_IP, IP_TOS, 0x10);
    syn(h, 50000);
    tcp_out(h, NOW, .dport = 50000, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1, .ttl = 9,
            .tos = 0x10, .wnd = 6 * 1460);
    tcp_in(h, NOW, .sport = 50000, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
    int s = td_accept(h->st, l, NULL, NULL);
    ck_assert_int_eq(get_opt(h, s, IPPROTO_TCP, TCP_NODELAY), 1);
    ck_assert_int_eq(get_opt(h, s, SOL_SOCKET, SO_KEEPALIVE), 1);
    ck_assert_int_eq(get_opt(h, s, IPPROTO_TCP, TCP_KEEPIDLE), 77);
    ck_assert_int_eq(get_opt(h, s, SOL_SOCKET, SO_RCVBUF), 20000);
    ck_assert_int_eq(get_opt(h, s, IPPROTO_IP, IP_TTL), 9);
    leave(&c);
}
END_TEST

/* An idle connection costs less than a kilobyte. */
START_TEST(idle_connection_is_small)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    struct hx *h = c.h;
    int l = listener(h, 80, 100);
    for (uint16_t p = 50000; p < 50020; p++) { /* tables have grown to their size */
        open_one(h, p);
        ck_assert_int_ge(td_accept(h->st, l, NULL, NULL), 0);
    }
    uint64_t before = h->st->mem.used_by[MEM_TCP];
    for (uint16_t p = 50020; p < 50040; p++) {
        open_one(h, p);
        ck_assert_int_ge(td_accept(h->st, l, NULL, NULL), 0);
    }
    ck_assert_uint_le((h->st->mem.used_by[MEM_TCP] - before) / 20, 1024);
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp listen");
    TCase *tc = tcase_create("listen");
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, accept_queue_overflows);
    tcase_add_test(tc, abort_on_overflow);
    tcase_add_test(tc, syn_flood);
    tcase_add_test(tc, order_and_addresses);
    tcase_add_test(tc, reset_before_accept);
    tcase_add_test(tc, specific_address_before_any);
    tcase_add_test(tc, reuseport_spreads);
    tcase_add_test(tc, defer_accept);
    tcase_add_test(tc, options_are_inherited);
    tcase_add_test(tc, idle_connection_is_small);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
