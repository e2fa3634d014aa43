/* tests/apps/tapdeckd/twin.h: a row of hosts, each with a console, joined by wires in virtual time.
 *
 *     twin_open(2);
 *     struct cmd *l = twin_start(1, "nc -l 5000");
 *     struct cmd *c = twin_start(0, "nc -N 10.0.0.2 5000");
 *     twin_type(c, "hello\n", 6, true);
 *     twin_wait(l, 10 * TD_SEC);      l->out, l->status …
 *     twin_close();
 *
 * Host i is joined to host i+1 by the network 10.0.i.0/24, in which they are .1 and .2 (1 ms each way,
 * 1 Gbit/s); those between forward, and everybody knows the way to everybody.
 */
#ifndef TESTS_TWIN_H
#define TESTS_TWIN_H

#include "check_main.h"

#include <stdio.h>
#include <string.h>

#include "dev/sim.h"
#include "harness.h"
#include "tapdeckd/deck.h"

#define TWIN_HOSTS 5

struct cmd { /* a command somebody runs */
    struct cmd *next;
    struct run *r;
    struct text in; /* still to be typed */
    bool eof;       /* and then the input ends */
    bool stopped;   /* its reader takes nothing */
    bool over;
    int status;
    struct text out, notes;
    char err[768];
    td_time over_at;
};

static struct {
    struct sim *sim;
    unsigned n;
    struct td_stack *st[TWIN_HOSTS];
    struct deck deck[TWIN_HOSTS];
    struct sim_wire *wire[TWIN_HOSTS];
    struct cmd *cmds;
} twin;

static inline void twin_drive(td_time until, bool (*stop)(void *ctx), void *ctx);

static inline void twin_route(unsigned i, unsigned net, td_ip4 via)
{
    struct td_route r = {.prefix = TD_IP4(10, 0, net, 0), .plen = 24, .gateway = via};
    ck_assert_int_eq(td_route_add(twin.st[i], &r, false), 0);
}

static inline void twin_open(unsigned n)
{
    const struct td_netem link = {.delay = TD_MS, .rate = 1000000000, .limit = 10000, .seed = 1};
    memset(&twin, 0, sizeof twin);
    twin.sim = sim_new(1, 0);
    twin.n = n;
    for (unsigned i = 0; i < n; i++) {
        twin.st[i] = sim_host(twin.sim, TD_PROFILE_LINUX);
        hx_fault(twin.st[i]);
        deck_init(&twin.deck[i], twin.st[i], "test");
        if (n > 2)
            ck_assert_int_eq(td_knob_set(twin.st[i], "net.ipv4.ip_forward", "1"), 0);
    }
    for (unsigned i = 0; i + 1 < n; i++) {
        uint32_t a, b;
        twin.wire[i] = sim_join(twin.sim, twin.st[i], i == 0 ? "eth0" : "eth1", &a, twin.st[i + 1], "eth0", &b, 1500);
        sim_impair(twin.wire[i], &link, &link);
        ck_assert_int_eq(td_addr_add(twin.st[i], a, TD_IP4(10, 0, i, 1), 24), 0);
        ck_assert_int_eq(td_addr_add(twin.st[i + 1], b, TD_IP4(10, 0, i, 2), 24), 0);
    }
    /* Conflict detection may keep the addresses back for a few seconds (RFC 5227). */
    twin_drive(10 * TD_SEC, NULL, NULL);
    for (unsigned i = 0; i < n; i++) {
        for (unsigned net = 0; net + 1 < n; net++) {
            if (net + 1 < i)
                twin_route(i, net, TD_IP4(10, 0, i - 1, 1));
            else if (net > i)
                twin_route(i, net, TD_IP4(10, 0, i, 2));
        }
    }
}

static inline void twin_forget(struct cmd *c)
{
    struct cmd **at = &twin.cmds;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    run_free(c->r);
    text_free(&c->in);
    text_free(&c->out);
    text_free(&c->notes);
    free(c);
}

static inline void twin_close(void)
{
    while (twin.cmds != NULL)
        twin_forget(twin.cmds);
    for (unsigned i = 0; i < twin.n; i++)
        deck_done(&twin.deck[i]);
    sim_free(twin.sim);
}

/* The command's client: takes the output, types the input. True: something moved. */
static inline bool twin_serve(struct cmd *c)
{
    struct run *r = c->r;
    bool moved = false;
    if (c->over)
        return false;
    if (!c->stopped && r->out.len + r->notes.len > 0) {
        text_add(&c->out, r->out.s, r->out.len);
        text_add(&c->notes, r->notes.s, r->notes.len);
        text_consume(&r->out, r->out.len);
        text_consume(&r->notes, r->notes.len);
        moved = true;
    }
    ck_assert_uint_lt(r->out.len, 2 * RUN_OUT_HIGH);
    ck_assert_uint_le(r->in.len, RUN_IN_HIGH);
    size_t want = run_input_wanted(r);
    if (want > 0 && (c->in.len > 0 || c->eof)) {
        size_t n = want < c->in.len ? want : c->in.len;
        bool last = c->eof && n == c->in.len;
        run_input(r, c->in.s, n, last);
        text_consume(&c->in, n);
        c->eof = c->eof && !last;
        moved = true;
    }
    r->in_granted = 0; /* what couldn't be typed now is asked for again */
    if (r->status != RUN_MORE && r->out.len + r->notes.len == 0) {
        c->over = true;
        c->over_at = sim_now(twin.sim);
        c->status = r->status;
        snprintf(c->err, sizeof c->err, "%s", r->err);
    }
    return moved;
}

static inline bool twin_steps(td_time *next)
{
    bool moved = false;
    *next = TD_NEVER;
    for (struct cmd *c = twin.cmds; c != NULL; c = c->next) {
        struct run *r = c->r;
        bool clogged = r->out.len + r->notes.len >= RUN_OUT_HIGH;
        if (r->status == RUN_MORE && !clogged && (r->ready || r->wake <= sim_now(twin.sim))) {
            run_step(r, sim_now(twin.sim));
            moved = true;
        }
        moved = twin_serve(c) || moved;
        if (r->status == RUN_MORE && !clogged && r->wake < *next)
            *next = r->wake;
    }
    return moved;
}

static inline bool twin_ready(void *ctx)
{
    (void)ctx;
    for (const struct cmd *c = twin.cmds; c != NULL; c = c->next)
        if (c->r->status == RUN_MORE && c->r->ready && c->r->out.len < RUN_OUT_HIGH)
            return true;
    return false;
}

static inline void twin_drive(td_time until, bool (*stop)(void *ctx), void *ctx)
{
    for (;;) {
        td_time next;
        while (twin_steps(&next))
            ;
        if ((stop != NULL && stop(ctx)) || sim_now(twin.sim) >= until)
            return;
        sim_run(twin.sim, next < until ? next : until, twin_ready, NULL);
    }
}

static inline struct cmd *twin_start_as(unsigned host, const char *line, bool json)
{
    struct cmd *c = calloc(1, sizeof *c);
    char **argv, msg[256];
    int argc = words_split(line, &argv, msg, sizeof msg);
    ck_assert_msg(argc > 0 && c != NULL, "%s: %s", line, msg);
    c->r = run_start(&twin.deck[host], argc, argv, json, false);
    words_free(argv);
    struct cmd **at = &twin.cmds;
    while (*at != NULL)
        at = &(*at)->next;
    *at = c;
    twin_serve(c);
    return c;
}

static inline struct cmd *twin_start(unsigned host, const char *line)
{
    return twin_start_as(host, line, false);
}

static inline void twin_type(struct cmd *c, const void *bytes, size_t n, bool eof)
{
    text_add(&c->in, bytes, n);
    c->eof = eof;
}

static inline void twin_run(td_time duration)
{
    twin_drive(sim_now(twin.sim) + duration, NULL, NULL);
}

static inline bool twin_cmd_over(void *ctx)
{
    return ((const struct cmd *)ctx)->over;
}

/* Until the command is over, which it must be within `limit`. */
static inline void twin_wait(struct cmd *c, td_time limit)
{
    twin_drive(sim_now(twin.sim) + limit, twin_cmd_over, c);
    ck_assert_msg(c->over, "%s still runs: %s%s", c->r->argv[0], c->out.s ? c->out.s : "", c->notes.s ? c->notes.s : "");
}

/* Runs it alone, to its end. */
static inline struct cmd *twin_do(unsigned host, const char *line, int status)
{
    struct cmd *c = twin_start(host, line);
    twin_wait(c, 1000 * TD_SEC);
    ck_assert_msg(c->status == status, "%s: status %d, %s; %s", line, c->status, c->err, c->notes.s ? c->notes.s : "");
    return c;
}

/* Refused with status 2 and one sentence that has `why` in it. */
static inline void twin_refused(const char *line, const char *why)
{
    struct cmd *c = twin_do(0, line, EXIT_USAGE);
    ck_assert_msg(strstr(c->err, why) != NULL && strchr(c->err, '\n') == NULL, "%s: %s", line, c->err);
    twin_forget(c);
}

static inline void twin_says(const struct text *t, const char *what)
{
    ck_assert_msg(t->s != NULL && strstr(t->s, what) != NULL, "'%s' is not in:\n%s", what, t->s ? t->s : "");
}

static inline const char *twin_text(const struct text *t)
{
    return t->s != NULL ? t->s : "";
}

#endif
