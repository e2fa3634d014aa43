/* Byte streams over a wire that loses, reorders, duplicates and corrupts: two whole stacks, virtual
 * time, both directions at once. Every stream arrives intact and ends with EOF on both sides. */
#include "check_main.h"
#include "core/stack.h"
#include "dev/sim.h"
#include "tapdeck/socket.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define A_IP TD_IP4(10, 0, 0, 1)
#define B_IP TD_IP4(10, 0, 0, 2)

/* One end of the conversation: sends `total` bytes of its pattern, then shuts down; reads until
 * EOF. */
struct end {
    struct td_stack *st;
    int listener, s;
    uint64_t total, sent, got, peer_total;
    uint8_t seed, peer_seed;
    bool shut, eof;
    int err;
};
struct run {
    struct sim *sim;
    struct end e[2];
};

static uint8_t pattern(uint8_t seed, uint64_t pos)
{
    return (uint8_t)((pos * 2654435761u >> 13) + pos + seed);
}

static void end_read(struct end *e)
{
    uint8_t buf[9000];
    while ((td_poll(e->st, e->s) & (POLLIN | POLLERR)) != 0 && !e->eof && e->err == 0) {
        int64_t n = td_recv(e->st, e->s, buf, sizeof buf, 0);
        if (n == -EAGAIN) {
            return;
        }
        if (n < 0) {
            e->err = (int)-n;
            return;
        }
        if (n == 0) {
            e->eof = true;
            return;
        }
        for (int64_t i = 0; i < n; i++) {
            if (buf[i] != pattern(e->peer_seed, e->got + (uint64_t)i)) {
                ck_abort_msg("byte %lu is wrong", (unsigned long)(e->got + (uint64_t)i));
            }
        }
        e->got += (uint64_t)n;
    }
}

static void end_write(struct end *e)
{
    uint8_t buf[5000];
    while (e->sent < e->total && e->err == 0 && (td_poll(e->st, e->s) & POLLOUT) != 0) {
        uint64_t k = e->total - e->sent;
        k = k < sizeof buf ? k : sizeof buf;
        for (uint64_t i = 0; i < k; i++) {
            buf[i] = pattern(e->seed, e->sent + i);
        }
        int64_t n = td_send(e->st, e->s, buf, k, 0);
        if (n == -EAGAIN) {
            return;
        }
        if (n < 0) {
            e->err = (int)-n;
            return;
        }
        e->sent += (uint64_t)n;
    }
    if (e->sent == e->total && !e->shut && e->err == 0) {
        e->shut = true;
        ck_assert_int_eq(td_shutdown(e->st, e->s, SHUT_WR), 0);
    }
}

static bool end_step(struct end *e)
{
    /* A call, even one in vain, is work for the next flush: only calls that poll announces are
     * made. */
    if (e->s < 0) {
        if ((td_poll(e->st, e->listener) & POLLIN) == 0) {
            return false;
        }
        e->s = td_accept(e->st, e->listener, NULL, NULL);
        if (e->s < 0) {
            return false;
        }
    }
    int mask = td_poll(e->st, e->s);
    if ((mask & POLLOUT) != 0 && !e->shut) {
        end_write(e);
    }
    if ((mask & (POLLIN | POLLERR)) != 0 && !e->eof) {
        end_read(e);
    }
    return e->err != 0 || (e->eof && e->shut);
}

static bool step(void *ctx)
{
    struct run *r = ctx;
    bool a = end_step(&r->e[0]);
    bool b = end_step(&r->e[1]);
    return (a && b) || r->e[0].err != 0 || r->e[1].err != 0;
}

static void run_streams(uint64_t seed, const struct td_netem *ab, const struct td_netem *ba,
                        uint64_t total, struct run *r)
{
    uint32_t aif, bif;
    memset(r, 0, sizeof *r);
    r->sim = sim_new(seed, 1000 * TD_SEC);
    struct td_stack *a = sim_host(r->sim, TD_PROFILE_LINUX);
    struct td_stack *b = sim_host(r->sim, TD_PROFILE_LINUX);
    struct sim_wire *w = sim_join(r->sim, a, "eth0", &aif, b, "eth0", &bif, 1500);
    ck_assert_int_eq(td_addr_add(a, aif, A_IP, 24), 0);
    ck_assert_int_eq(td_addr_add(b, bif, B_IP, 24), 0);
    ck_assert_int_eq(sim_impair(w, ab, ba), 0);
    r->e[0] = (struct end){
        .st = a, .s = -1, .total = total, .peer_total = total, .seed = 1, .peer_seed = 2};
    r->e[1] = (struct end){
        .st = b, .s = -1, .total = total, .peer_total = total, .seed = 2, .peer_seed = 1};
    int l = td_socket(b, AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in sa = td_sockaddr(B_IP, 80);
    ck_assert_int_eq(td_bind(b, l, (const struct sockaddr *)(const void *)&sa, sizeof sa), 0);
    ck_assert_int_eq(td_listen(b, l, 5), 0);
    r->e[1].listener = l;
    r->e[0].s = td_socket(a, AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(
        td_connect(a, r->e[0].s, (const struct sockaddr *)(const void *)&sa, sizeof sa),
        -EINPROGRESS);
    sim_run(r->sim, sim_now(r->sim) + 3600 * TD_SEC, step, r);
}

static void check_intact(const struct run *r, uint64_t seed)
{
    for (int i = 0; i < 2; i++) {
        const struct end *e = &r->e[i];
        ck_assert_msg(e->err == 0 && e->eof && e->got == e->peer_total,
                      "seed %lu end %d: error %d, eof %d, got %lu of %lu, sent %lu at %lu s",
                      (unsigned long)seed, i, e->err, e->eof, (unsigned long)e->got,
                      (unsigned long)e->peer_total, (unsigned long)e->sent,
                      (unsigned long)((sim_now(r->sim)) / TD_SEC));
    }
}

START_TEST(clean_wire)
{
    struct run r;
    const struct td_netem n = {.delay = TD_MS, .rate = 100000000};
    run_streams(1, &n, &n, 3000000, &r);
    check_intact(&r, 1);
    printf("%.3f s\n", (double)(sim_now(r.sim) - 1000 * TD_SEC) / 1e9);
    sim_free(r.sim);
}
END_TEST

START_TEST(impaired_wires)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct run r;
        const struct td_netem n = {
            .delay = 5 * TD_MS,
            .jitter = seed % 3 == 0 ? 2 * TD_MS : 0,
            .loss = td_percent((double)(seed % 11)),
            .duplicate = td_percent((double)(seed % 7)),
            .corrupt = td_percent((double)(seed % 5)),
            .reorder = td_percent((double)(seed % 13)),
        };
        run_streams(seed, &n, &n, 60000, &r);
        check_intact(&r, seed);
        sim_free(r.sim);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp streams");
    TCase *tc = tcase_create("streams");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, clean_wire);
    tcase_add_test(tc, impaired_wires);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
