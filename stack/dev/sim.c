/* dev/sim.c: the simulated wire (theory of operation: dev/sim.h).
 *
 * How a step goes. The earliest deadline of all stacks and wires is where the clock moves to. There
 *     1. every wire, in order of creation, a→b before b→a, delivers the frames that have arrived;
 *     2. every host, in order of creation, fires its due timers, and is flushed if it had a frame
 * or a timer or was marked by a call. What it sends lies on a wire afterwards and is delivered in a
 *        later step, at the same time when the wire is unimpaired: a host never calls another.
 * All hosts see the same clock: one that has nothing to do is told the time (td_stack_clock) before
 * anybody outside may call it, so that timers armed by such a call count from now.
 *
 * A frame is copied twice: into the wire's memory when it is sent (packets never cross instances),
 * and into the receiver's when it arrives. A frame that the wire drops is gone, as on a real one;
 * the wire's queue disciplines count it.
 *
 * Deadlines are asked of each host at each step: a stack answers from a cache, and the worlds that
 * are simulated here have tens of hosts.
 */
#include "dev/sim.h"

#include "core/stack.h"
#include "link/qdisc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIRE_LIMIT 65536 /* frames in flight on an unimpaired wire */

struct sim_end {
    struct sim_wire *wire;
    int dir; /* what is sent at this end travels in this direction */
    size_t host;
    uint32_t ifindex;
};

struct sim_wire {
    struct sim_wire *next;
    struct sim *sim;
    struct mem mem;
    struct sim_end end[2];
    struct qdisc *flight[2]; /* [dir] frames on their way */
    void (*tap)(void *ctx, int dir, td_time now, const struct pkt *p);
    void *tap_ctx;
    void (*arrivals)(void *ctx, int dir, td_time now, const struct pkt *p);
    void *arrivals_ctx;
    uint64_t seed[2];
    struct qdisc_sink sink[2];
    void (*notes)(void *ctx, int dir, td_time now, const struct qdisc_note *n);
    void *notes_ctx;
};

struct sim_host {
    struct td_stack *st;
    struct td_stack_config config;
    uint32_t interfaces;
    bool touched; /* in this step */
};

struct sim {
    td_time now;
    uint64_t seed;
    struct sim_host *hosts;
    size_t nhosts;
    struct sim_wire *wires, *last_wire;
    uint64_t nwires;
    const struct sim_gate *gate;
    bool in_step;             /* a step was left unfinished: it goes on with */
    struct sim_wire *at_wire; /* this wire, NULL: they are done, */
    int at_dir;               /* in this direction, */
    size_t at_host;           /* or with this host, */
    bool ticked;              /* whose timers have fired */
};

/* SplitMix64: one seed makes many. */
static uint64_t seed_mix(uint64_t seed, uint64_t n)
{
    uint64_t z = seed + (n + 1) * UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

struct sim *sim_new(uint64_t seed, td_time start)
{
    struct sim *s = calloc(1, sizeof *s);

    if (s == NULL)
        return NULL;
    s->seed = seed;
    s->now = start;
    return s;
}

static void wire_free(struct sim_wire *w)
{
    qdisc_destroy(w->flight[0]);
    qdisc_destroy(w->flight[1]);
    pkt_cache_drop(&w->mem);
    free(w);
}

void sim_free(struct sim *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->nhosts; i++)
        td_stack_free(s->hosts[i].st);
    for (struct sim_wire *w = s->wires, *next; w != NULL; w = next) {
        next = w->next;
        wire_free(w);
    }
    free(s->hosts);
    free(s);
}

td_time sim_now(const struct sim *s)
{
    return s->now;
}

static struct td_stack *new_host(struct sim *s, enum td_profile profile, bool faults)
{
    struct td_stack_config c = {.now = s->now, .profile = profile, .allow_faults = faults};
    struct sim_host *grown = realloc(s->hosts, (s->nhosts + 1) * sizeof *grown);
    struct td_stack *st;

    if (grown == NULL)
        return NULL;
    s->hosts = grown;
    for (size_t i = 0; i < sizeof c.seed; i += 8) {
        uint64_t v = seed_mix(seed_mix(s->seed, s->nhosts), i);

        memcpy(&c.seed[i], &v, 8);
    }
    st = td_stack_new(&c);
    if (st != NULL)
        s->hosts[s->nhosts++] = (struct sim_host){.st = st, .config = c};
    return st;
}

bool sim_config(const struct sim *s, const struct td_stack *st, struct td_stack_config *c)
{
    for (size_t i = 0; i < s->nhosts; i++) {
        if (s->hosts[i].st == st) {
            *c = s->hosts[i].config;
            return true;
        }
    }
    return false;
}

struct td_stack *sim_host(struct sim *s, enum td_profile profile)
{
    return new_host(s, profile, true);
}

struct td_stack *sim_host_strict(struct sim *s, enum td_profile profile)
{
    return new_host(s, profile, false);
}

/* ---- wires ---- */

/* A stack sends: the frame is on the wire now. */
static int sim_transmit(void *dev, const struct pkt *p)
{
    const struct sim_end *e = dev;
    struct sim_wire *w = e->wire;
    struct qdisc *q = w->flight[e->dir];
    struct pkt *copy;

    const struct sim_gate *g = w->sim->gate;
    if (g != NULL && !g->out(g->ctx, w->sim->hosts[e->host].st, e->ifindex, p))
        return -EAGAIN;
    if (w->tap != NULL)
        w->tap(w->tap_ctx, e->dir, w->sim->now, p);
    copy = pkt_copy(&w->mem, p, 0);
    if (copy != NULL)
        (void)qdisc_enqueue(q, copy, w->sim->now);
    return 0;
}

static void sim_note(void *ctx, const struct qdisc *q, const struct qdisc_note *n)
{
    const struct sim_end *e = ctx;
    struct sim_wire *w = e->wire;

    (void)q;
    if (w->notes != NULL)
        w->notes(w->notes_ctx, e->dir, w->sim->now, n);
}

static const struct td_device_ops sim_ops = {.transmit = sim_transmit};

static size_t host_index(const struct sim *s, const struct td_stack *st)
{
    size_t i = 0;

    while (i < s->nhosts && s->hosts[i].st != st)
        i++;
    return i;
}

static int end_attach(struct sim *s, struct sim_end *e, struct td_stack *st, const char *name,
                      uint32_t mtu, uint32_t *ifindex)
{
    struct td_if_config c = {.mtu = mtu, .flags = TD_IF_UP, .ops = &sim_ops, .dev = e};
    size_t host = host_index(s, st);
    uint32_t n;
    int rc;

    if (host == s->nhosts || strlen(name) >= sizeof c.name)
        return -EINVAL;
    n = ++s->hosts[host].interfaces;
    snprintf(c.name, sizeof c.name, "%s", name);
    /* Locally administered, and readable in a capture: host number, interface number. */
    c.mac = (struct td_mac){
        {0x02, 0, (uint8_t)((host + 1) >> 8), (uint8_t)(host + 1), (uint8_t)(n >> 8), (uint8_t)n}};
    e->host = host;
    rc = td_if_add(st, &c, ifindex);
    e->ifindex = *ifindex;
    return rc;
}

struct sim_wire *sim_join(struct sim *s, struct td_stack *a, const char *a_name, uint32_t *a_if,
                          struct td_stack *b, const char *b_name, uint32_t *b_if, uint32_t mtu)
{
    struct sim_wire *w = calloc(1, sizeof *w);

    if (w == NULL)
        return NULL;
    w->sim = s;
    mem_init(&w->mem, 0);
    w->mem.pkt_cache = 64;
    for (int dir = 0; dir < 2; dir++) {
        w->end[dir] = (struct sim_end){.wire = w, .dir = dir};
        w->sink[dir] = (struct qdisc_sink){.note = sim_note, .ctx = &w->end[dir]};
        w->seed[dir] = seed_mix(~s->seed, s->nwires * 2 + (uint64_t)dir);
        (void)sim_qdisc(w, dir, NULL); /* no memory: there is none then */
    }
    if (w->flight[0] == NULL || w->flight[1] == NULL ||
        end_attach(s, &w->end[0], a, a_name, mtu, a_if) < 0) {
        wire_free(w);
        return NULL;
    }
    if (end_attach(s, &w->end[1], b, b_name, mtu, b_if) < 0) {
        (void)td_if_del(a, *a_if);
        wire_free(w);
        return NULL;
    }
    if (s->last_wire != NULL)
        s->last_wire->next = w;
    else
        s->wires = w;
    s->last_wire = w;
    s->nwires++;
    return w;
}

int sim_qdisc(struct sim_wire *w, int dir, const struct td_qdisc_chain *chain)
{
    const struct td_qdisc_chain plain = {
        .depth = 1, .q[0] = {.kind = TD_QDISC_NETEM, .u.netem.limit = WIRE_LIMIT}};
    struct qdisc **place = qdisc_is_rules(w->flight[dir]) ? &w->flight[dir]->child : &w->flight[dir];

    return qdisc_chain_set(place, &w->mem, chain != NULL && chain->depth > 0 ? chain : &plain,
                           w->seed[dir], &w->sink[dir], w->sim->now);
}

int sim_impair(struct sim_wire *w, const struct td_netem *a_to_b, const struct td_netem *b_to_a)
{
    const struct td_netem *way[2] = {a_to_b, b_to_a};
    struct td_qdisc_chain chain = {.depth = 1, .q[0].kind = TD_QDISC_NETEM};
    int err = 0;

    for (int dir = 0; dir < 2 && err == 0; dir++) {
        if (way[dir] == NULL)
            continue;
        chain.q[0].u.netem = *way[dir];
        err = sim_qdisc(w, dir, &chain);
    }
    return err;
}

int sim_rule(struct sim_wire *w, int dir, const struct td_impair *rule)
{
    if (!qdisc_is_rules(w->flight[dir])) {
        struct qdisc *rules = qdisc_rules(&w->mem, w->flight[dir]);

        if (rules == NULL)
            return -ENOMEM;
        w->flight[dir] = rules;
    }
    return qdisc_rule_add(w->flight[dir], rule);
}

void sim_notes(struct sim_wire *w,
               void (*fn)(void *ctx, int dir, td_time now, const struct qdisc_note *n), void *ctx)
{
    w->notes = fn;
    w->notes_ctx = ctx;
}

const struct qdisc *sim_flight(const struct sim_wire *w, int dir)
{
    return w->flight[dir];
}

void sim_tap(struct sim_wire *w, void (*fn)(void *ctx, int dir, td_time now, const struct pkt *p),
             void *ctx)
{
    w->tap = fn;
    w->tap_ctx = ctx;
}

void sim_tap_arrivals(struct sim_wire *w,
                      void (*fn)(void *ctx, int dir, td_time now, const struct pkt *p), void *ctx)
{
    w->arrivals = fn;
    w->arrivals_ctx = ctx;
}

/* ---- running ---- */

static td_time host_deadline(const struct sim *s, const struct sim_host *h)
{
    return h->st->flush_wanted ? s->now : td_stack_next_deadline(h->st);
}

td_time sim_next(const struct sim *s)
{
    td_time earliest = s->in_step ? s->now : TD_NEVER, t;

    for (size_t i = 0; i < s->nhosts; i++) {
        t = host_deadline(s, &s->hosts[i]);
        if (t < earliest)
            earliest = t;
    }
    for (const struct sim_wire *w = s->wires; w != NULL; w = w->next) {
        for (int dir = 0; dir < 2; dir++) {
            t = qdisc_next(w->flight[dir]);
            if (t < earliest)
                earliest = t;
        }
    }
    return earliest < s->now ? s->now : earliest;
}

/* False: the receiver was halted, and there may be more to deliver. */
static bool wire_deliver(struct sim *s, struct sim_wire *w, int dir)
{
    struct qdisc *q = w->flight[dir];
    const struct sim_end *to = &w->end[1 - dir];
    struct sim_host *h = &s->hosts[to->host];
    struct pkt *p;

    while ((p = qdisc_dequeue(q, s->now)) != NULL) {
        struct pkt *copy;

        if (w->arrivals != NULL)
            w->arrivals(w->arrivals_ctx, dir, s->now, p);
        copy = pkt_copy(td_stack_mem(h->st), p, 0);
        if (copy != NULL && s->gate != NULL)
            s->gate->in(s->gate->ctx, h->st, to->ifindex, copy);
        if (copy != NULL) /* else the receiver has no memory for it: lost */
            td_stack_input(h->st, to->ifindex, copy, s->now);
        pkt_free(p);
        h->touched = true;
        if (h->st->halted)
            return false;
    }
    return true;
}

static bool host_step(struct sim *s, struct sim_host *h)
{
    if (!s->ticked && td_stack_next_deadline(h->st) <= s->now) {
        td_stack_tick(h->st, s->now);
        h->touched = true;
        s->ticked = true;
        if (h->st->halted)
            return false;
    }
    if (h->touched || h->st->flush_wanted)
        td_stack_flush(h->st, s->now);
    h->touched = s->ticked = false;
    return true;
}

/* Does what is left of the step. False: a host was halted. */
static bool sim_step(struct sim *s)
{
    for (; s->at_wire != NULL; s->at_wire = s->at_wire->next) {
        for (; s->at_dir < 2; s->at_dir++)
            if (!wire_deliver(s, s->at_wire, s->at_dir))
                return false;
        s->at_dir = 0;
    }
    while (s->at_host < s->nhosts) {
        struct sim_host *h = &s->hosts[s->at_host];

        if (!host_step(s, h))
            return false;
        s->at_host++;
        if (h->st->halted)
            return false;
    }
    s->in_step = false;
    return true;
}

void sim_set_gate(struct sim *s, const struct sim_gate *g)
{
    s->gate = g;
}

static void sim_tell_time(struct sim *s)
{
    for (size_t i = 0; i < s->nhosts; i++)
        if (td_stack_now(s->hosts[i].st) != s->now)
            td_stack_clock(s->hosts[i].st, s->now);
}

uint64_t sim_run(struct sim *s, td_time until, bool (*stop)(void *ctx), void *ctx)
{
    uint64_t steps = 0;

    for (;;) {
        td_time t = s->in_step ? s->now : sim_next(s);

        if (t == TD_NEVER || t > until) {
            if (until != TD_NEVER && until > s->now)
                s->now = until;
            break;
        }
        if (!s->in_step) {
            s->in_step = true;
            s->at_wire = s->wires;
            s->at_dir = 0;
            s->at_host = 0;
        }
        s->now = t;
        if (!sim_step(s))
            break;
        steps++;
        if (stop != NULL) {
            sim_tell_time(s);
            if (stop(ctx))
                break;
        }
    }
    sim_tell_time(s);
    return steps;
}
