/* tapdeckd/net.c: a topology in one process (theory of operation: tapdeckd/net.h). */
#include "tapdeckd/net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "dev/diary.h"
#include "dev/sim.h"
#include "tapdeckd/captures.h"

#define CABLE_RATE  UINT64_C(10000000000) /* bits a second */
#define CABLE_DELAY (10 * TD_US)
#define CABLE_LIMIT 100000                /* frames in flight */
#define VIRTUAL_EPOCH INT64_C(1767225600) /* 2026-01-01: the wall clock in virtual time, seconds */

struct net_node *net_node(struct net *n, const char *name)
{
    for (unsigned i = 0; i < n->topo->nnodes; i++)
        if (strcmp(n->nodes[i].topo->name, name) == 0)
            return &n->nodes[i];
    return NULL;
}

/* ---- building ---- */

static int make_world(struct net *n, const struct net_options *o, char *msg, size_t msg_size)
{
    uint64_t seed = o->has_seed ? o->seed : n->topo->seed;
    bool seeded = o->has_seed || n->topo->has_seed;
    if (!seeded && n->topo->virtual_time)
        seed = 1;
    else if (!seeded && getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
        snprintf(msg, msg_size, "the system gives no entropy: %s", strerror(errno));
        return EXIT_FAILED;
    }
    n->sim = sim_new(seed, n->topo->virtual_time ? TD_SEC : monotonic_now());
    int err = n->sim == NULL ? -ENOMEM : loop_init(&n->loop, n->sim, n->topo->virtual_time, o->spin);
    if (err < 0) {
        snprintf(msg, msg_size, "the event loop can't be made: %s", strerror(-err));
        return EXIT_FAILED;
    }
    n->looping = true;
    return EXIT_DONE;
}

static int make_node(struct net *n, struct net_node *node, const struct net_options *o, char *msg, size_t msg_size)
{
    bool serve = o->nruns == 0;
    struct td_stack_config config;
    int status = EXIT_FAILED;
    enum td_profile profile = node->topo->rfc ? TD_PROFILE_RFC : TD_PROFILE_LINUX;
    struct td_stack *st = node->topo->faults ? sim_host(n->sim, profile) : sim_host_strict(n->sim, profile);
    snprintf(node->name, sizeof(node->name), "%s.%s", n->name, node->topo->name);
    if (st == NULL) {
        snprintf(msg, msg_size, "there is no memory for the stack of %s", node->topo->name);
        return EXIT_FAILED;
    }
    if (sim_config(n->sim, st, &config))
        recorder_init(&node->rec, st, &config, node->name, TAPDECK_VERSION, o->keep / n->topo->nnodes);
    if (serve && (node->server = server_open(node->name, &status, msg, msg_size)) == NULL)
        return status;
    deck_init(&node->deck, st, node->name);
    deck_record(&node->deck, &node->rec);
    loop_add(&n->loop, &node->member, &node->deck);
    struct timespec wall = {.tv_sec = VIRTUAL_EPOCH};
    if (!n->topo->virtual_time)
        clock_gettime(CLOCK_REALTIME, &wall);
    node->deck.wall_offset =
        (int64_t)wall.tv_sec * (int64_t)TD_SEC + wall.tv_nsec - (int64_t)sim_now(n->sim);
    return EXIT_DONE;
}

static uint32_t link_mtu(const struct topo_link *l)
{
    uint32_t mtu = 1500;
    for (int i = 0; i < 2; i++)
        if (l->end[i].interface->mtu > mtu)
            mtu = l->end[i].interface->mtu;
    return mtu;
}

static void watch_storm(void *ctx, int dir, td_time now, const struct pkt *p)
{
    struct net_cable *c = ctx;
    uint8_t to[6];
    (void)dir;
    if (!c->net->watching || !pkt_read(p, 0, to, sizeof(to)) || memcmp(to, "\xff\xff\xff\xff\xff\xff", 6) != 0)
        return;
    if (now >= c->second + TD_SEC) {
        c->second = now;
        c->broadcasts = 0;
    }
    if (++c->broadcasts <= NET_STORM || c->net->storm != NULL)
        return;
    c->net->storm = c->link;
    c->net->loop.stop++;
}

/* Why it stopped before its end; EXIT_DONE: it didn't. */
static int stopped(const struct net *n, int status, char *msg, size_t msg_size)
{
    if (n->storm == NULL)
        return status;
    snprintf(msg, msg_size,
             "%s:%u: a storm: more than %d broadcasts in a second on the link of %s and %s: do switches form a loop? "
             "(They have no spanning tree; `topo up` in real time lets one look at it)",
             n->topo->file, n->storm->line, NET_STORM, n->storm->end[0].node->name, n->storm->end[1].node->name);
    return EXIT_FAILED;
}

static int make_wire(struct net *n, const struct topo_link *l, struct net_cable *c, char *msg, size_t msg_size)
{
    static const struct td_netem cable = {
        .rate = CABLE_RATE, .delay = CABLE_DELAY, .limit = CABLE_LIMIT};
    struct td_stack *st[2];
    uint32_t ifindex[2];
    for (int i = 0; i < 2; i++)
        st[i] = n->nodes[l->end[i].node->index].deck.st;
    struct sim_wire *w = sim_join(n->sim, st[0], l->end[0].interface->name, &ifindex[0], st[1],
                                  l->end[1].interface->name, &ifindex[1], link_mtu(l));
    if (w == NULL) {
        snprintf(msg, msg_size, "%s:%u: the link can't be made", n->topo->file, l->line);
        return EXIT_FAILED;
    }
    sim_impair(w, &cable, &cable);
    if (n->topo->virtual_time) {
        *c = (struct net_cable){.net = n, .link = l};
        sim_tap(w, watch_storm, c);
    }
    return EXIT_DONE;
}

/* One command of the file. */
static int obey(struct net *n, struct net_node *node, unsigned line, const char *command, char *msg,
                size_t msg_size)
{
    char why[768];
    int status = deck_run_line(&n->loop, &node->deck, command, stdout, why, sizeof(why));
    if (status != EXIT_DONE)
        snprintf(msg, msg_size, "%s:%u: node %s: %s", n->topo->file, line, node->topo->name,
                 why[0] != '\0' ? why : "the command failed");
    return status;
}

static int obey_f(struct net *n, struct net_node *node, unsigned line, char *msg, size_t msg_size,
                  const char *fmt, ...) __attribute__((format(printf, 6, 7)));
static int obey_f(struct net *n, struct net_node *node, unsigned line, char *msg, size_t msg_size,
                  const char *fmt, ...)
{
    struct text t = {0};
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&t, fmt, ap);
    va_end(ap);
    int status = obey(n, node, line, t.s, msg, msg_size);
    text_free(&t);
    return status;
}

/* TAP devices, interfaces without a cable, and MTUs. */
static int finish_interfaces(struct net *n, char *msg, size_t msg_size)
{
    int status = EXIT_DONE;
    for (const struct topo_tap *t = n->topo->taps; t != NULL && status == EXIT_DONE; t = t->next)
        status = obey_f(n, &n->nodes[t->end.node->index], t->line, msg, msg_size, "tap add %s as %s",
                        t->device, t->end.interface->name);
    for (unsigned i = 0; i < n->topo->nnodes; i++) {
        struct net_node *node = &n->nodes[i];
        for (const struct topo_if *f = node->topo->interfaces; f != NULL && status == EXIT_DONE; f = f->next) {
            if (!f->used)
                status = obey_f(n, node, f->line, msg, msg_size, "ip link add name %s type dummy", f->name);
            if (!f->used && status == EXIT_DONE)
                status = obey_f(n, node, f->line, msg, msg_size, "ip link set %s up", f->name);
            if (f->mtu != 0 && status == EXIT_DONE)
                status = obey_f(n, node, f->line, msg, msg_size, "ip link set %s mtu %u", f->name, f->mtu);
        }
    }
    return status;
}

/* In virtual time a capture can tell all that its stacks were told. */
static int begin_diaries(struct net *n, char *msg, size_t msg_size)
{
    for (unsigned i = 0; i < n->topo->nnodes && n->topo->virtual_time; i++) {
        struct net_node *node = &n->nodes[i];
        if (node->topo->kind != TOPO_TAPDECK)
            continue;
        node->deck.diary = diary_open(node->deck.st, node->topo->name, node->deck.wall_offset);
        if (node->deck.diary == NULL) {
            snprintf(msg, msg_size, "there is no memory for the diary of %s", node->topo->name);
            return EXIT_FAILED;
        }
    }
    return EXIT_DONE;
}

static int impair_links(struct net *n, char *msg, size_t msg_size)
{
    int status = EXIT_DONE;
    for (const struct topo_link *l = n->topo->links; l != NULL; l = l->next)
        for (int dir = 0; dir < 2 && status == EXIT_DONE; dir++)
            if (l->impair[dir] != NULL)
                status = obey_f(n, &n->nodes[l->end[dir].node->index], l->impair[dir]->line, msg, msg_size,
                                "tc qdisc add dev %s root %s", l->end[dir].interface->name,
                                l->impair[dir]->text);
    return status;
}

static int build(struct net *n, const struct net_options *o, char *msg, size_t msg_size)
{
    int status = make_world(n, o, msg, msg_size);
    for (struct topo_node *t = n->topo->nodes; t != NULL && status == EXIT_DONE; t = t->next) {
        n->nodes[t->index].topo = t;
        status = make_node(n, &n->nodes[t->index], o, msg, msg_size);
    }
    unsigned nlinks = 0;
    for (const struct topo_link *l = n->topo->links; l != NULL; l = l->next)
        nlinks++;
    n->cables = calloc(nlinks + 1, sizeof(*n->cables));
    if (n->cables == NULL && status == EXIT_DONE) {
        snprintf(msg, msg_size, "there is no memory for the links");
        status = EXIT_FAILED;
    }
    n->watching = true;
    struct net_cable *cable = n->cables;
    for (const struct topo_link *l = n->topo->links; l != NULL && status == EXIT_DONE; l = l->next)
        status = make_wire(n, l, cable++, msg, msg_size);
    if (status == EXIT_DONE)
        status = finish_interfaces(n, msg, msg_size);
    if (status == EXIT_DONE)
        status = begin_diaries(n, msg, msg_size);
    for (unsigned i = 0; i < n->topo->nnodes && status == EXIT_DONE; i++) {
        const struct topo_words *c = n->nodes[i].topo->commands;
        for (; c != NULL && status == EXIT_DONE && n->loop.stop == 0; c = c->next)
            status = obey(n, &n->nodes[i], c->line, c->text, msg, msg_size);
    }
    if (status == EXIT_DONE)
        status = impair_links(n, msg, msg_size);
    return stopped(n, status, msg, msg_size);
}

int net_open(struct net *n, const struct net_options *o, char *msg, size_t msg_size)
{
    memset(n, 0, sizeof(*n));
    n->topo = o->bytes != NULL ? topo_parse(o->file, o->bytes, o->len, msg, msg_size) : topo_load(o->file, msg, msg_size);
    if (n->topo == NULL)
        return EXIT_USAGE;
    const struct topo_node *linux_node = topo_has(n->topo, TOPO_LINUX);
    if (linux_node != NULL) {
        snprintf(msg, msg_size,
                 "%s:%u: node %s is a Linux network namespace, which a simulation hasn't got: run the file with "
                 "`tapdeck topo up --daemons`",
                 o->file, linux_node->line, linux_node->name);
        return EXIT_USAGE;
    }
    if (o->virtual_time && n->topo->taps != NULL) {
        snprintf(msg, msg_size, "%s:%u: TAP devices live in real time: they can't be had with --virtual", o->file,
                 n->topo->taps->line);
        return EXIT_USAGE;
    }
    n->topo->virtual_time = (n->topo->virtual_time && !o->real_time) || o->virtual_time;
    if (o->name != NULL && strlen(o->name) > TOPO_NAME_MAX) {
        snprintf(msg, msg_size, "'%s' is too long a name for a topology: at most %d letters", o->name, TOPO_NAME_MAX);
        return EXIT_USAGE;
    }
    snprintf(n->name, sizeof(n->name), "%s", o->name != NULL ? o->name : n->topo->name);
    n->nodes = calloc(n->topo->nnodes, sizeof(*n->nodes));
    if (n->nodes == NULL && n->topo->nnodes > 0) {
        snprintf(msg, msg_size, "there is no memory for the nodes");
        return EXIT_FAILED;
    }
    return build(n, o, msg, msg_size);
}

void net_close(struct net *n)
{
    for (unsigned i = 0; n->nodes != NULL && i < n->topo->nnodes; i++)
        if (n->nodes[i].deck.st != NULL) /* all before the first node goes: they tell of every node */
            captures_done(&n->nodes[i].deck);
    for (unsigned i = 0; n->nodes != NULL && i < n->topo->nnodes; i++) {
        server_close(n->nodes[i].server);
        if (n->nodes[i].deck.st != NULL)
            deck_done(&n->nodes[i].deck);
        if (n->nodes[i].rec.st != NULL)
            recorder_done(&n->nodes[i].rec);
    }
    for (unsigned i = 0; n->nodes != NULL && i < n->topo->nnodes; i++)
        diary_close(n->nodes[i].deck.diary);
    if (n->looping)
        loop_done(&n->loop);
    sim_free(n->sim);
    free(n->cables);
    free(n->nodes);
    topo_free(n->topo);
    memset(n, 0, sizeof(*n));
}

/* ---- running ---- */

void net_serve(struct net *n)
{
    n->watching = false; /* whoever sits at a console may interrupt his command */
    for (unsigned i = 0; i < n->topo->nnodes; i++)
        if (n->nodes[i].server != NULL)
            server_start(n->nodes[i].server, &n->nodes[i].member);
}

int net_run(struct net *n, const struct net_options *o, FILE *out, char *msg, size_t msg_size)
{
    for (unsigned i = 0; i < o->nruns && n->loop.stop == 0; i++) {
        const char *line = o->runs[i];
        size_t len = strcspn(line, " \t");
        char name[TOPO_NAME_MAX + 1] = "", why[768];
        if (len <= TOPO_NAME_MAX)
            snprintf(name, sizeof(name), "%.*s", (int)len, line);
        struct net_node *node = net_node(n, name);
        if (node == NULL) {
            snprintf(msg, msg_size, "'%s' doesn't begin with a node of %s: write 'NODE COMMAND'", line, o->file);
            return EXIT_USAGE;
        }
        int status = deck_run_line(&n->loop, &node->deck, line + len, out, why, sizeof(why));
        if (n->storm != NULL)
            return stopped(n, status, msg, msg_size);
        if (status != EXIT_DONE) {
            snprintf(msg, msg_size, "%s: %s", name, why[0] != '\0' ? why : "the command failed");
            return status;
        }
    }
    return EXIT_DONE;
}

void net_describe(const struct net *n, char *dst, size_t size)
{
    size_t at = (size_t)snprintf(dst, size, "%u node%s:", n->topo->nnodes, n->topo->nnodes == 1 ? "" : "s");
    for (unsigned i = 0; i < n->topo->nnodes && at < size; i++)
        at += (size_t)snprintf(dst + at, size - at, "%s tapdeck -n %s", i > 0 ? "," : "", n->nodes[i].name);
}
