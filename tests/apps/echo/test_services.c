/* echo, discard, chargen and daytime over two stacks in virtual time: echo/service.c and the four.
 */
#include "check_main.h"
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct world *w;

static void setup(void)
{
    w = world_new();
}

static void teardown(void)
{
    world_free(w);
}

/* ---- UDP from the client's host ---- */

static struct {
    int s;
    unsigned count; /* answers */
    char last[2048];
    size_t len;
    td_ip4 from;
    uint16_t port;
} udp;

static void udp_notified(void *ctx, struct td_stack *st, int s, int mask)
{
    (void)ctx;
    (void)mask;
    int64_t n;
    while ((n = td_recvfrom(st, s, udp.last, sizeof udp.last, 0, &udp.from, &udp.port)) >= 0) {
        udp.len = (size_t)n;
        udp.count++;
    }
}

/* Sends from `source` to the server's port and waits a second. The number of answers. */
static unsigned ask(uint16_t source, td_ip4 to, uint16_t port, const char *bytes, size_t n)
{
    struct sockaddr_in name = td_sockaddr(TD_IP4_ANY, source);
    const int on = 1;
    memset(&udp, 0, sizeof udp);
    udp.s = td_socket(w->client, AF_INET, SOCK_DGRAM, 0);
    ck_assert_int_ge(udp.s, 0);
    td_setsockopt(w->client, udp.s, SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
    ck_assert_int_eq(td_bind(w->client, udp.s, (const struct sockaddr *)&name, sizeof name), 0);
    td_set_notify(w->client, udp.s, udp_notified, NULL);
    ck_assert_int_eq(td_sendto(w->client, udp.s, bytes, n, 0, to, port), (int64_t)n);
    world_run(w, TD_SEC);
    td_close(w->client, udp.s);
    return udp.count;
}

/* ---- echo ---- */

START_TEST(test_echo_tcp)
{
    ck_assert_int_eq(world_start(w, &app_echo, "echo", NULL), 0);
    struct client *c = world_connect(w, 7);
    client_say(c, "one");
    world_run(w, TD_SEC);
    ck_assert_str_eq(c->in.s, "one");
    client_say(c, " two");
    client_fin(c);
    ck_assert(world_until_eof(c, TD_SEC)); /* all that came before the FIN comes back, then FIN */
    ck_assert_str_eq(c->in.s, "one two");
    world_run(w, TD_SEC);
    ck_assert_ptr_nonnull(strstr(world_status(w), "*:7 tcp udp 0 connections"));
}
END_TEST

START_TEST(test_echo_much)
{
    /* More than all buffers hold, to a client that reads late: nothing is lost and nobody is stuck.
     */
    enum { SIZE = 20000000 };
    char *big = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        big[i] = (char)(i * 7 + i / 253);
    ck_assert_int_eq(world_start(w, &app_echo, "echo", "-t", NULL), 0);
    struct client *c = world_connect(w, 7);
    c->take = 0;
    client_say_n(c, big, SIZE);
    client_fin(c);
    world_run(w, 10 * TD_SEC);
    ck_assert_uint_lt(c->sent, SIZE); /* the window pushes back */
    client_take(c, SIZE_MAX);
    ck_assert(world_until_eof(c, 120 * TD_SEC));
    ck_assert_uint_eq(c->in.len, SIZE);
    ck_assert_mem_eq(c->in.s, big, SIZE);
    free(big);
}
END_TEST

START_TEST(test_echo_udp)
{
    ck_assert_int_eq(world_start(w, &app_echo, "echo", NULL), 0);
    ck_assert_uint_eq(ask(5000, WORLD_SERVER, 7, "datagram", 8), 1);
    ck_assert_uint_eq(udp.len, 8);
    ck_assert_mem_eq(udp.last, "datagram", 8);
    ck_assert_uint_eq(udp.from, WORLD_SERVER);
    ck_assert_uint_eq(udp.port, 7);
    ck_assert_uint_eq(ask(5000, WORLD_SERVER, 7, "", 0), 1);
    ck_assert_uint_eq(udp.len, 0);
}
END_TEST

START_TEST(test_udp_answers_from_the_address_asked)
{
    uint32_t lo = td_if_index(w->server, "lo");
    ck_assert_int_eq(td_addr_add(w->server, lo, TD_IP4(10, 7, 7, 7), 32), 0);
    const struct td_route r = {.prefix = TD_IP4(10, 7, 7, 7), .plen = 32, .gateway = WORLD_SERVER};
    ck_assert_int_eq(td_route_add(w->client, &r, false), 0);
    ck_assert_int_eq(world_start(w, &app_echo, "echo", "-u", NULL), 0);
    ck_assert_uint_eq(ask(5000, TD_IP4(10, 7, 7, 7), 7, "x", 1), 1);
    ck_assert_uint_eq(udp.from, TD_IP4(10, 7, 7, 7));
}
END_TEST

/* shows: ATK-UDP-06 */
START_TEST(test_udp_never_talks_to_its_like)
{
    static const uint16_t ports[] = {7, 9, 13, 17, 19, 37};
    ck_assert_int_eq(world_start(w, &app_echo, "echo", NULL), 0);
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++)
        ck_assert_uint_eq(ask(ports[i], WORLD_SERVER, 7, "x", 1), 0);
    ck_assert_ptr_nonnull(strstr(world_status(w), " 6 datagrams, 0 bytes sent"));
}
END_TEST

START_TEST(test_udp_never_answers_a_broadcast)
{
    ck_assert_int_eq(world_start(w, &app_echo, "echo", NULL), 0);
    ck_assert_uint_eq(ask(5000, TD_IP4(10, 0, 0, 255), 7, "x", 1), 0);
    ck_assert_uint_eq(ask(5000, TD_IP4_BROADCAST, 7, "x", 1), 0);
    ck_assert_ptr_nonnull(strstr(world_status(w), " 2 datagrams, 0 bytes sent"));
}
END_TEST

START_TEST(test_many_datagrams)
{
    ck_assert_int_eq(world_start(w, &app_echo, "echo", NULL), 0);
    struct sockaddr_in name = td_sockaddr(TD_IP4_ANY, 5001);
    memset(&udp, 0, sizeof udp);
    udp.s = td_socket(w->client, AF_INET, SOCK_DGRAM, 0);
    td_bind(w->client, udp.s, (const struct sockaddr *)&name, sizeof name);
    td_set_notify(w->client, udp.s, udp_notified, NULL);
    ask(5000, WORLD_SERVER, 7, "x", 1); /* resolves the address */
    udp.count = 0;
    const struct td_netem together = {.delay = TD_MS, .limit = 10000, .seed = 1};
    sim_impair(w->wire, &together, &together);
    int s = td_socket(w->client, AF_INET, SOCK_DGRAM, 0);
    td_set_notify(w->client, s, udp_notified, NULL);
    for (int i = 0; i < 200; i++) /* all in one batch: more than one turn's worth */
        ck_assert_int_eq(td_sendto(w->client, s, "y", 1, 0, WORLD_SERVER, 7), 1);
    world_run(w, TD_SEC);
    ck_assert_uint_eq(udp.count, 200);
    td_close(w->client, s);
}
END_TEST

/* ---- discard ---- */

START_TEST(test_discard)
{
    static char bytes[300000];
    ck_assert_int_eq(world_start(w, &app_discard, "discard", NULL), 0);
    struct client *c = world_connect(w, 9);
    client_say_n(c, bytes, sizeof bytes);
    client_fin(c);
    ck_assert(world_until_eof(c, 10 * TD_SEC));
    ck_assert_uint_eq(c->in.len, 0);
    ck_assert_uint_eq(c->sent, sizeof bytes);
    ck_assert_uint_eq(ask(5000, WORLD_SERVER, 9, "x", 1), 0);
}
END_TEST

/* ---- hoard ---- */

/* The client's FIN is acknowledged and never answered, however long one waits; the application's
 * end closes. */
START_TEST(test_hoard)
{
    ck_assert_int_eq(world_start(w, &app_hoard, "hoard", NULL), 0);
    struct client *c = world_connect(w, 9000);
    client_say_n(c, "anything", 8);
    client_fin(c);
    ck_assert(!world_until_eof(c, 1000 * TD_SEC));
    ck_assert_uint_eq(c->sent, 8);
    ck_assert_uint_eq(ask(5000, WORLD_SERVER, 9000, "x", 1), 0);
}
END_TEST

/* ---- chargen ---- */

static void check_pattern(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t line = i / 74, column = i % 74;
        char want = column == 72 ? '\r' : column == 73 ? '\n' : (char)(' ' + (line + column) % 95);
        if (p[i] != want) /* an assertion a byte would take its time */
            ck_abort_msg("byte %zu is %d, not %d", i, p[i], want);
    }
}

START_TEST(test_chargen_tcp)
{
    ck_assert_int_eq(world_start(w, &app_chargen, "chargen", NULL), 0);
    struct client *c = world_connect(w, 19);
    c->take = 500001; /* a client that stops reading stops it */
    client_say(c, "whatever");
    world_run(w, 10 * TD_SEC);
    ck_assert_uint_eq(c->in.len, 500001);
    client_take(c, 10000000);
    world_run(w, 10 * TD_SEC);
    ck_assert_uint_eq(c->in.len, 10000000);
    check_pattern(c->in.s, c->in.len);
    client_fin(c);
    client_take(c, SIZE_MAX);
    ck_assert(world_until_eof(c, 60 * TD_SEC));
    check_pattern(c->in.s, c->in.len);
    ck_assert_ptr_nonnull(strstr(world_status(w), " 0 connections"));
}
END_TEST

START_TEST(test_chargen_udp)
{
    size_t shortest = 9999, longest = 0;
    ck_assert_int_eq(world_start(w, &app_chargen, "chargen", NULL), 0);
    for (int i = 0; i < 60; i++) {
        ck_assert_uint_eq(ask(5000, WORLD_SERVER, 19, "x", 1), 1);
        ck_assert_uint_le(udp.len, 512); /* RFC 864 */
        check_pattern(udp.last, udp.len);
        shortest = udp.len < shortest ? udp.len : shortest;
        longest = udp.len > longest ? udp.len : longest;
    }
    ck_assert_uint_lt(shortest, 100);
    ck_assert_uint_gt(longest, 400);
}
END_TEST

/* ---- daytime ---- */

START_TEST(test_daytime)
{
    ck_assert_int_eq(world_start(w, &app_daytime, "daytime", NULL), 0);
    world_run(w, 20 * TD_SEC - sim_now(w->sim));
    struct client *c = world_connect(w, 13);
    client_say(c, "ignored");
    ck_assert(world_until_eof(c, TD_SEC));
    ck_assert_str_eq(c->in.s, "Tuesday, November 14, 2023 22:13:40-UTC\r\n");
    ck_assert_uint_eq(ask(5000, WORLD_SERVER, 13, "", 0), 1);
    ck_assert_mem_eq(udp.last, "Tuesday, November 14, 2023 22:13:4", 34);
    ck_assert_uint_eq(udp.len, strlen("Tuesday, November 14, 2023 22:13:40-UTC\r\n"));
}
END_TEST

/* ---- all of them ---- */

START_TEST(test_idle)
{
    ck_assert_int_eq(world_start(w, &app_echo, "echo", NULL), 0);
    struct client *c = world_connect(w, 7), *busy = world_connect(w, 7);
    for (int i = 0; i < 29; i++) {
        client_say(busy, "x");
        world_run(w, 10 * TD_SEC);
    }
    ck_assert(!c->eof);
    client_say(busy, "x");
    world_run(w, 15 * TD_SEC);
    ck_assert(c->eof);
    ck_assert(!busy->eof);
}
END_TEST

START_TEST(test_connection_limit)
{
    enum { LIMIT = 1024, COUNT = LIMIT + 20 };
    static struct client *c[COUNT];
    ck_assert_int_eq(world_start(w, &app_echo, "echo", NULL), 0);
    for (int i = 0; i < COUNT; i++) {
        c[i] = world_connect(w, 7);
        client_say(c[i], "x");
        if (i % 100 == 99)
            world_run(w, TD_SEC);
    }
    world_run(w, 10 * TD_SEC);
    unsigned served = 0;
    for (int i = 0; i < COUNT; i++)
        served += c[i]->in.len == 1;
    ck_assert_uint_eq(served, LIMIT); /* the others wait in the listen queue */
    ck_assert_ptr_nonnull(strstr(world_status(w), " 1024 connections"));
    for (int i = 0; i < 20; i++)
        client_fin(c[i]);
    world_run(w,
              500 * TD_MS); /* a place that is given up is filled at once, not at the next tick */
    served = 0;
    for (int i = 0; i < COUNT; i++)
        served += c[i]->in.len == 1;
    ck_assert_uint_eq(served, COUNT);
}
END_TEST

START_TEST(test_one_protocol)
{
    ck_assert_int_eq(world_start(w, &app_echo, "echo", "-t", "-p", "77", NULL), 0);
    ck_assert_uint_eq(ask(5000, WORLD_SERVER, 77, "x", 1), 0);
    struct client *c = world_connect(w, 77);
    client_say(c, "x");
    world_run(w, TD_SEC);
    ck_assert_str_eq(c->in.s, "x");
    w->app->stop(w->instance);
    w->instance = NULL;
    ck_assert_int_eq(world_start(w, &app_echo, "echo", "-u", "-p77", NULL), 0);
    ck_assert_uint_eq(ask(5000, WORLD_SERVER, 77, "x", 1), 1);
    c = world_connect(w, 77);
    world_run(w, TD_SEC);
    ck_assert_int_eq(c->err, -ECONNREFUSED);
}
END_TEST

START_TEST(test_sentences)
{
    ck_assert_int_eq(world_start(w, &app_echo, "echo", "much", NULL), -EINVAL);
    ck_assert_str_eq(
        w->msg, "echo: \"much\" means nothing here; usage: echo [-a ADDR] [-p PORT] [-t] [-u]");
    ck_assert_int_eq(world_start(w, &app_daytime, "daytime", "-p", "65536", NULL), -EINVAL);
    ck_assert_str_eq(w->msg, "daytime: \"65536\" is not a port: a whole number from 1 to 65535");
    ck_assert_int_eq(world_start(w, &app_chargen, "chargen", "-a", "10.9.9.9", NULL),
                     -EADDRNOTAVAIL);
    ck_assert_str_eq(
        w->msg, "chargen: 10.9.9.9 is not an address of this host; give it one with ip addr add");
    ck_assert_ptr_null(w->instance);
    ck_assert_int_eq(world_start(w, &app_discard, "discard", NULL), 0);
    ck_assert_int_eq(world_start(w, &app_discard, "discard", NULL), -EADDRINUSE);
    ck_assert_str_eq(w->msg, "discard: TCP port 9 is in use already; choose another with -p");
    ck_assert_int_eq(world_start(w, &app_discard, "discard", "-u", NULL), -EADDRINUSE);
    ck_assert_str_eq(w->msg, "discard: UDP port 9 is in use already; choose another with -p");
}
END_TEST

START_TEST(test_stop_in_the_middle)
{
    ck_assert_int_eq(world_start(w, &app_chargen, "chargen", NULL), 0);
    struct client *c = world_connect(w, 19);
    c->take = 1000;
    world_run(w, TD_SEC);
    w->app->stop(w->instance);
    w->instance = NULL;
    client_take(c, SIZE_MAX);
    ck_assert(world_until_eof(c, 60 * TD_SEC)); /* what was sent arrives, then FIN */
    check_pattern(c->in.s, c->in.len);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("services");
    TCase *tc = tcase_create("services");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, test_echo_tcp);
    tcase_add_test(tc, test_echo_much);
    tcase_add_test(tc, test_echo_udp);
    tcase_add_test(tc, test_udp_answers_from_the_address_asked);
    tcase_add_test(tc, test_udp_never_talks_to_its_like);
    tcase_add_test(tc, test_udp_never_answers_a_broadcast);
    tcase_add_test(tc, test_many_datagrams);
    tcase_add_test(tc, test_discard);
    tcase_add_test(tc, test_hoard);
    tcase_add_test(tc, test_chargen_tcp);
    tcase_add_test(tc, test_chargen_udp);
    tcase_add_test(tc, test_daytime);
    tcase_add_test(tc, test_idle);
    tcase_add_test(tc, test_connection_limit);
    tcase_add_test(tc, test_one_protocol);
    tcase_add_test(tc, test_sentences);
    tcase_add_test(tc, test_stop_in_the_middle);
    suite_add_tcase(s, tc);
    return s;
}
CHECK_MAIN(suite)
