/* tests/apps/replay/recorded.h: two hosts on a simulated wire, of which the first, 10.0.0.1, is
 * recorded from its birth. */
#ifndef TESTS_RECORDED_H
#define TESTS_RECORDED_H

#include "check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/control.h"
#include "core/stack.h"
#include "dev/sim.h"
#include "replay/record.h"
#include "replay/record_run.h"
#include "tapdeck/link.h"

struct recorded {
    struct sim *sim;
    struct td_stack *st[2];
    uint32_t index[2];
    struct sim_wire *wire;
    struct recorder rec;
    int listener, peer[64];
    unsigned npeers;
    uint64_t got; /* bytes that the second host has read */
};
static char rec_dir[64], rec_path[128];

static inline void rec_open(struct recorded *r, uint64_t memory, uint64_t keep)
{
    struct td_stack_config c;
    const struct td_netem slow = {.delay = 5 * TD_MS};
    memset(r, 0, sizeof *r);
    r->sim = sim_new(7, 100 * TD_SEC);
    for (int i = 0; i < 2; i++) {
        r->st[i] = sim_host(r->sim, TD_PROFILE_LINUX);
        ck_assert_ptr_nonnull(r->st[i]);
        if (i > 0)
            continue;
        ck_assert(sim_config(r->sim, r->st[0], &c));
        r->st[0]->mem.limit = c.memory_limit = memory;
        if (memory != 0)
            r->st[0]->mem.pkt_cache = 0;
        recorder_init(&r->rec, r->st[0], &c, "test", "1", keep);
    }
    r->wire =
        sim_join(r->sim, r->st[0], "eth0", &r->index[0], r->st[1], "eth0", &r->index[1], 1500);
    sim_impair(r->wire, &slow, &slow);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(td_addr_add(r->st[i], r->index[i], TD_IP4(10, 0, 0, (unsigned)i + 1), 24),
                         0);
    if (rec_dir[0] == '\0') {
        snprintf(rec_dir, sizeof rec_dir, "/tmp/tapdeck-record-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(rec_dir));
        snprintf(rec_path, sizeof rec_path, "%s/run.deck", rec_dir);
    }
}

static inline void rec_clean(void)
{
    char cmd[128];
    if (rec_dir[0] == '\0')
        return;
    snprintf(cmd, sizeof cmd, "rm -rf %s", rec_dir);
    ck_assert_int_eq(system(cmd), 0);
    rec_dir[0] = '\0';
}

static inline void rec_start(struct recorded *r, uint64_t size, uint32_t files)
{
    char msg[512] = "";
    ck_assert_msg(recorder_start(&r->rec, rec_path, size, files, msg, sizeof msg), "%s", msg);
}

static inline void rec_close(struct recorded *r)
{
    recorder_done(&r->rec);
    sim_free(r->sim);
}

static inline void rec_run(struct recorded *r, td_time ns)
{
    sim_run(r->sim, sim_now(r->sim) + ns, NULL, NULL);
}

/* Applications: who accepts and reads; who writes as much as goes. */
static inline void rec_read(void *ctx, struct td_stack *st, int s, int mask)
{
    struct recorded *r = ctx;
    uint8_t buf[5000];
    int64_t n;
    (void)mask;
    while ((n = td_recv(st, s, buf, sizeof buf, 0)) > 0)
        r->got += (uint64_t)n;
    if (n == 0) {
        td_set_notify(st, s, NULL, NULL);
        td_close(st, s);
    }
}

static inline void rec_accept(void *ctx, struct td_stack *st, int s, int mask)
{
    int c;
    struct sockaddr_in sa;
    socklen_t len = sizeof sa;
    (void)mask;
    while ((c = td_accept(st, s, (struct sockaddr *)&sa, &len)) >= 0)
        td_set_notify(st, c, rec_read, ctx);
}

static inline void rec_listen(struct recorded *r, int host, uint16_t port)
{
    struct sockaddr_in sa = td_sockaddr(0, port);
    int s = td_socket(r->st[host], AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(s, 0);
    ck_assert_int_eq(td_bind(r->st[host], s, (struct sockaddr *)&sa, sizeof sa), 0);
    ck_assert_int_eq(td_listen(r->st[host], s, 8), 0);
    td_set_notify(r->st[host], s, rec_accept, r);
}

struct rec_writer {
    size_t left;
};
static inline void rec_write(void *ctx, struct td_stack *st, int s, int mask)
{
    struct rec_writer *w = ctx;
    static uint8_t data[65536];
    int64_t n = 1;
    (void)mask;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7 + i / 251);
    while (w->left > 0 &&
           (n = td_send(st, s, data, w->left < sizeof data ? w->left : sizeof data, 0)) > 0)
        w->left -= (size_t)n;
    if (w->left == 0) {
        td_set_notify(st, s, NULL, NULL);
        td_close(st, s);
    }
}

static inline void rec_transfer(struct recorded *r, int from, uint16_t port, struct rec_writer *w,
                                size_t bytes)
{
    struct sockaddr_in sa = td_sockaddr(TD_IP4(10, 0, 0, (unsigned)(1 - from) + 1), port);
    int s = td_socket(r->st[from], AF_INET, SOCK_STREAM, 0);
    w->left = bytes;
    td_set_notify(r->st[from], s, rec_write, w);
    ck_assert_int_eq(td_connect(r->st[from], s, (struct sockaddr *)&sa, sizeof sa), -EINPROGRESS);
}

/* Replays rec_path to its end. The step that ended it; msg has what was said. */
static inline enum record_step rec_replay(struct record_run *run,
                                          const struct record_run_options *o, char msg[512])
{
    enum record_step s;
    int status = record_run_open(run, rec_path, o, NULL, msg, 512);
    ck_assert_msg(status == 0, "%s", msg);
    do
        s = record_run_next(run, msg, 512);
    while (s == RECORD_STEP_CALL);
    return s;
}

#endif
