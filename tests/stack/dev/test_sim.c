/* The simulated wire: time, order, impairments, repeatability, and two whole stacks over it. */
#include "check_main.h"
#include "core/stack.h"
#include "dev/sim.h"
#include "link/link.h"
#include "tapdeck/socket.h"

#include <errno.h>
#include <string.h>

#define A_IP  TD_IP4(10, 0, 0, 1)
#define B_IP  TD_IP4(10, 0, 0, 2)
#define START (5 * TD_SEC)

struct world {
    struct sim *s;
    struct td_stack *a, *b;
    uint32_t a_if, b_if;
    struct sim_wire *w;
    unsigned frames[2];
    td_time first, last;
    uint64_t digest;
};

static void watch(void *ctx, int dir, td_time now, const struct pkt *p)
{
    struct world *w = ctx;
    uint8_t b[2048];

    if (w->frames[0] + w->frames[1] == 0)
        w->first = now;
    w->last = now;
    w->frames[dir]++;
    ck_assert(p->len <= sizeof b && pkt_read(p, 0, b, p->len));
    w->digest = w->digest * 31 + now + (uint64_t)dir;
    for (uint32_t i = 0; i < p->len; i++)
        w->digest = w->digest * 31 + b[i];
}

static void world_make(struct world *w, uint64_t seed, enum td_profile profile)
{
    memset(w, 0, sizeof *w);
    w->s = sim_new(seed, START);
    w->a = sim_host(w->s, profile);
    w->b = sim_host(w->s, profile);
    w->w = sim_join(w->s, w->a, "eth0", &w->a_if, w->b, "eth0", &w->b_if, 1500);
    ck_assert_ptr_nonnull(w->w);
    sim_tap(w->w, watch, w);
}

static void world_addresses(struct world *w)
{
    ck_assert_int_eq(td_addr_add(w->a, w->a_if, A_IP, 24), 0);
    ck_assert_int_eq(td_addr_add(w->b, w->b_if, B_IP, 24), 0);
}

static int udp(struct td_stack *st, td_ip4 addr, uint16_t port)
{
    struct sockaddr_in sa = td_sockaddr(addr, port);
    int s = td_socket(st, AF_INET, SOCK_DGRAM, 0);

    ck_assert_int_ge(s, 0);
    ck_assert_int_eq(td_bind(st, s, (const struct sockaddr *)(const void *)&sa, sizeof sa), 0);
    return s;
}

START_TEST(interfaces_are_up_and_readable)
{
    struct world w;
    const struct netif *nif;

    world_make(&w, 1, TD_PROFILE_LINUX);
    nif = netif_by_index(w.b, w.b_if);
    ck_assert_str_eq(nif->name, "eth0");
    ck_assert(netif_is_up(nif));
    ck_assert_uint_eq(nif->mtu, 1500);
    ck_assert_mem_eq(nif->mac.b, ((uint8_t[]){2, 0, 0, 2, 0, 1}), 6);
    ck_assert_uint_eq(sim_now(w.s), START);
    sim_free(w.s);
}
END_TEST

START_TEST(datagram_crosses_and_so_does_the_answer)
{
    struct world w;
    char buf[32];
    td_ip4 from;
    uint16_t port;
    int sa, sb;

    world_make(&w, 1, TD_PROFILE_LINUX);
    world_addresses(&w);
    sa = udp(w.a, A_IP, 1000);
    sb = udp(w.b, B_IP, 2000);
    ck_assert_int_eq(td_sendto(w.a, sa, "hello", 5, 0, B_IP, 2000), 5);
    sim_run(w.s, START + TD_SEC, NULL, NULL);
    ck_assert_int_eq(td_recvfrom(w.b, sb, buf, sizeof buf, 0, &from, &port), 5);
    ck_assert_mem_eq(buf, "hello", 5);
    ck_assert_uint_eq(from, A_IP);
    ck_assert_uint_eq(port, 1000);
    ck_assert_int_eq(td_sendto(w.b, sb, "there", 5, 0, A_IP, 1000), 5);
    sim_run(w.s, START + 2 * TD_SEC, NULL, NULL);
    ck_assert_int_eq(td_recvfrom(w.a, sa, buf, sizeof buf, 0, &from, &port), 5);
    ck_assert_uint_eq(sim_now(w.s),
                      START + 2 * TD_SEC); /* the clock goes on when nothing happens */
    ck_assert_uint_eq(td_stack_now(w.a), sim_now(w.s));
    ck_assert_uint_eq(td_stack_now(w.b), sim_now(w.s));
    sim_free(w.s);
}
END_TEST

struct wait {
    struct world *w;
    int sock;
    unsigned asked;
};
static bool readable(void *ctx)
{
    struct wait *x = ctx;

    x->asked++;
    /* Whoever is asked may act: all hosts see the present time. */
    ck_assert_uint_eq(td_stack_now(x->w->a), sim_now(x->w->s));
    ck_assert_uint_eq(td_stack_now(x->w->b), sim_now(x->w->s));
    return (td_poll(x->w->b, x->sock) & POLLIN) != 0;
}

START_TEST(delay_and_rate_take_virtual_time)
{
    struct world w;
    struct td_netem slow = {.delay = 30 * TD_MS, .rate = 1000000};
    struct wait x;
    char buf[1000] = {0};
    uint64_t steps;
    int sa;

    world_make(&w, 1, TD_PROFILE_LINUX);
    world_addresses(&w);
    sim_run(w.s, START + TD_SEC, NULL, NULL); /* gratuitous ARP goes by */
    ck_assert_int_eq(sim_impair(w.w, &slow, NULL), 0);
    sa = udp(w.a, A_IP, 1000);
    x = (struct wait){.w = &w, .sock = udp(w.b, B_IP, 2000)};
    ck_assert_int_eq(td_sendto(w.a, sa, buf, 958, 0, B_IP, 2000), 958);
    steps = sim_run(w.s, TD_NEVER, readable, &x);
    /* a→b: the ARP request, 60 bytes, then 1000 bytes; b→a is unimpaired. */
    ck_assert_uint_eq(sim_now(w.s), START + TD_SEC + 60 * TD_MS + 480 * TD_US + 8 * TD_MS);
    ck_assert_uint_eq(steps, x.asked);
    sim_free(w.s);
}
END_TEST

START_TEST(nothing_left_is_the_end)
{
    struct world w;

    world_make(&w, 1, TD_PROFILE_LINUX);
    world_addresses(&w);
    sim_run(w.s, TD_NEVER, NULL, NULL);
    ck_assert_uint_lt(sim_now(w.s), START + 3600 * TD_SEC);
    ck_assert_uint_eq(sim_run(w.s, TD_NEVER, NULL, NULL), 0);
    sim_free(w.s);
}
END_TEST

START_TEST(loss_is_the_wires_and_is_counted)
{
    struct world w;
    struct td_netem lossy = {.loss = td_percent(50)};
    uint64_t lost, got = 0;
    char buf[8] = "x";
    int sa, sb;

    world_make(&w, 3, TD_PROFILE_LINUX);
    world_addresses(&w);
    sa = udp(w.a, A_IP, 1000);
    sb = udp(w.b, B_IP, 2000);
    td_sendto(w.a, sa, buf, 1, 0, B_IP, 2000);
    sim_run(w.s, START + TD_SEC, NULL, NULL);
    ck_assert_int_eq(td_recv(w.b, sb, buf, sizeof buf, 0), 1);
    ck_assert_int_eq(sim_impair(w.w, &lossy, NULL), 0);
    for (int i = 0; i < 200; i++) {
        ck_assert_int_eq(td_sendto(w.a, sa, buf, 1, 0, B_IP, 2000), 1);
        sim_run(w.s, sim_now(w.s) + TD_US, NULL, NULL);
        while (td_recv(w.b, sb, buf, sizeof buf, 0) == 1)
            got++;
    }
    lost = sim_flight(w.w, 0)->drops;
    ck_assert_uint_eq(lost + got, 200);
    ck_assert_uint_gt(lost, 60);
    ck_assert_uint_lt(lost, 140);
    ck_assert_uint_eq(sim_flight(w.w, 1)->drops, 0);
    sim_free(w.s);
}
END_TEST

/* Traffic with every impairment; what the wire saw, as a number. */
static uint64_t run_digest(uint64_t seed)
{
    struct world w;
    struct td_netem n = {.delay = 5 * TD_MS,
                         .jitter = 4 * TD_MS,
                         .loss = td_percent(10),
                         .duplicate = td_percent(5),
                         .corrupt = td_percent(5),
                         .reorder = td_percent(5),
                         .rate = 10000000};
    char buf[1400] = {0};
    uint64_t digest;
    int sa, sb;

    world_make(&w, seed, TD_PROFILE_LINUX);
    world_addresses(&w);
    sim_impair(w.w, &n, &n);
    sa = udp(w.a, A_IP, 1000);
    sb = udp(w.b, B_IP, 2000);
    for (size_t i = 0; i < 100; i++) {
        td_sendto(w.a, sa, buf, 10 * i, 0, B_IP, 2000);
        td_sendto(w.b, sb, buf, 13 * i, 0, A_IP, 1000);
        td_sendto(w.b, sb, buf, i, 0, A_IP, 1001); /* nobody there: port unreachable comes back */
        sim_run(w.s, sim_now(w.s) + 3 * TD_MS, NULL, NULL);
    }
    sim_run(w.s, sim_now(w.s) + 100 * TD_SEC, NULL, NULL);
    ck_assert_uint_gt(w.frames[0], 50);
    ck_assert_uint_gt(w.frames[1], 50);
    digest = w.digest;
    sim_free(w.s);
    return digest;
}

START_TEST(same_seed_same_run)
{
    uint64_t first = run_digest(11);

    ck_assert_uint_eq(run_digest(11), first);
    ck_assert_uint_ne(run_digest(12), first);
}
END_TEST

START_TEST(a_duplicate_address_is_found)
{
    struct world w;

    world_make(&w, 1, TD_PROFILE_RFC);
    ck_assert_int_eq(td_addr_add(w.a, w.a_if, A_IP, 24), 0);
    sim_run(w.s, START + 20 * TD_SEC, NULL, NULL);
    ck_assert_int_eq(netif_by_index(w.a, w.a_if)->addrs->state, ADDR_READY);
    ck_assert_int_eq(td_addr_add(w.b, w.b_if, A_IP, 24), 0);
    sim_run(w.s, START + 40 * TD_SEC, NULL, NULL);
    ck_assert_int_eq(netif_by_index(w.b, w.b_if)->addrs->state, ADDR_CONFLICT);
    ck_assert_int_eq(netif_by_index(w.a, w.a_if)->addrs->state, ADDR_READY);
    /* Both at once: probes meet, and at most one of them gets it. */
    ck_assert_int_eq(td_addr_add(w.a, w.a_if, B_IP, 24), 0);
    ck_assert_int_eq(td_addr_add(w.b, w.b_if, B_IP, 24), 0);
    sim_run(w.s, START + 60 * TD_SEC, NULL, NULL);
    ck_assert_int_ne(netif_by_index(w.a, w.a_if)->addrs->next->state == ADDR_READY &&
                         netif_by_index(w.b, w.b_if)->addrs->next->state == ADDR_READY,
                     true);
    sim_free(w.s);
}
END_TEST

START_TEST(many_hosts_in_a_ring)
{
    struct sim *s = sim_new(9, 0);
    struct td_stack *h[40];
    uint32_t left[40], right[40];
    int sock[40];
    char buf[8];

    for (int i = 0; i < 40; i++)
        h[i] = sim_host(s, TD_PROFILE_LINUX);
    for (unsigned i = 0; i < 40; i++) {
        unsigned next = (i + 1) % 40;

        ck_assert_ptr_nonnull(
            sim_join(s, h[i], "right", &right[i], h[next], "left", &left[next], 1500));
        ck_assert_int_eq(td_addr_add(h[i], right[i], TD_IP4(10, i, 0, 1), 24), 0);
        ck_assert_int_eq(td_addr_add(h[next], left[next], TD_IP4(10, i, 0, 2), 24), 0);
    }
    for (unsigned i = 0; i < 40; i++)
        sock[i] = udp(h[i], TD_IP4_ANY, 7);
    for (unsigned i = 0; i < 40; i++)
        ck_assert_int_eq(td_sendto(h[i], sock[i], "x", 1, 0, TD_IP4(10, i, 0, 2), 7), 1);
    sim_run(s, TD_SEC, NULL, NULL);
    for (unsigned i = 0; i < 40; i++)
        ck_assert_int_eq(td_recv(h[i], sock[i], buf, sizeof buf, 0), 1);
    ck_assert_ptr_null(
        sim_join(s, h[0], "left", &left[0], h[1], "new", &right[1], 1500)); /* name taken */
    ck_assert_ptr_null(sim_join(s, h[0], "new", &left[0], h[1], "left", &right[1], 1500));
    ck_assert_uint_eq(td_if_index(h[0], "new"), 0); /* the half that was made is gone again */
    sim_free(s);
}
END_TEST

START_TEST(freeing_with_frames_in_flight)
{
    struct world w;
    struct td_netem n = {.delay = TD_SEC, .duplicate = UINT32_MAX};

    world_make(&w, 1, TD_PROFILE_LINUX);
    sim_impair(w.w, &n, &n);
    world_addresses(&w);
    sim_run(w.s, START + TD_MS, NULL, NULL);
    ck_assert_uint_gt(sim_flight(w.w, 0)->packets, 0);
    sim_free(w.s);
    sim_free(NULL);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("sim");
    TCase *t = tcase_create("sim");

    tcase_set_timeout(t, 30);
    tcase_add_test(t, interfaces_are_up_and_readable);
    tcase_add_test(t, datagram_crosses_and_so_does_the_answer);
    tcase_add_test(t, delay_and_rate_take_virtual_time);
    tcase_add_test(t, nothing_left_is_the_end);
    tcase_add_test(t, loss_is_the_wires_and_is_counted);
    tcase_add_test(t, same_seed_same_run);
    tcase_add_test(t, a_duplicate_address_is_found);
    tcase_add_test(t, many_hosts_in_a_ring);
    tcase_add_test(t, freeing_with_frames_in_flight);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
