/* tests/bench/fib.c: longest-prefix match: our poptrie, our trie and DPDK's rte_lpm, on the same
 * prefixes and addresses.
 *
 *     fib [PREFIXES [LOOKUPS]]       default: 1000000 and 5000000; prints JSON, one object a
 * structure
 *     fib check [PREFIXES [LOOKUPS]] the poptrie against the trie, with changes in between: 100000 and
 * 100000000; status 1 at the first difference
 *
 * The prefixes are synthetic, drawn with the lengths of an Internet table (most /24, then /22, /23,
 * /20 …) over the unicast space; the addresses are half uniform, half inside prefixes. All three
 * must give answers of the same prefix lengths; the sum of them is compared. Updates: one prefix
 * removed and added again, with a lookup of it in between, so that whoever defers work has to do
 * it.
 *
 * rte_lpm is measured if the program was built with it (Debian's libdpdk-dev).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef WITH_DPDK
#include <rte_eal.h>
#include <rte_lpm.h>
#endif

#include "ip/fib.h"

static uint64_t state = 20260101;
static uint64_t draw(void)
{
    uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Per 1000 prefixes, as the public tables of the last years have it (rounded). */
static const struct {
    uint8_t plen;
    unsigned share;
} lengths[] = {{24, 595}, {23, 105}, {22, 115}, {21, 55}, {20, 45}, {19, 28}, {18, 14},
               {17, 9},   {16, 14},  {15, 3},   {14, 3},  {13, 2},  {12, 2},  {11, 1},
               {10, 1},   {8, 1},    {32, 3},   {30, 2},  {29, 2}};

struct prefix {
    td_ip4 addr;
    uint8_t plen;
};

static uint32_t mask(uint8_t plen)
{
    return plen == 0 ? 0 : UINT32_MAX << (32 - plen);
}

static struct prefix draw_prefix(void)
{
    unsigned at = (unsigned)(draw() % 1000), i = 0;
    while (i + 1 < sizeof lengths / sizeof lengths[0] && at >= lengths[i].share)
        at -= lengths[i++].share;
    struct prefix p = {.plen = lengths[i].plen};
    p.addr = (td_ip4)(1 + draw() % 222) << 24 | (td_ip4)(draw() & 0xffffff);
    p.addr &= mask(p.plen);
    return p;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

#define UPDATES 20000
#define ROUNDS  5

/* One structure: made and filled once, then asked in turn with the others, so that whatever else the
 * machine does meanwhile falls on all of them. */
struct contestant {
    const char *name;
    const struct fib_ops *ops; /* NULL: rte_lpm */
    struct fib *fib;
    struct mem mem;
    uint64_t memory, sum;
    double load, first, updates, rate[ROUNDS];
};

#ifdef WITH_DPDK
static struct rte_lpm *lpm;

static bool lpm_start(size_t n)
{
    char *argv[] = {(char *)"fib",  (char *)"--no-huge",      (char *)"--no-pci",    (char *)"-m",
                    (char *)"1024", (char *)"--no-telemetry", (char *)"--no-shconf", NULL};
    if (rte_eal_init(7, argv) < 0) {
        fprintf(stderr, "fib: DPDK's environment doesn't start here: rte_lpm isn't measured\n");
        return false;
    }
    const struct rte_lpm_config c = {.max_rules = (uint32_t)n, .number_tbl8s = 65536};
    lpm = rte_lpm_create("bench", 0, &c);
    if (lpm == NULL)
        fprintf(stderr, "fib: rte_lpm_create failed\n");
    return lpm != NULL;
}

static void lpm_load(struct contestant *c, const struct prefix *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)rte_lpm_add(lpm, p[i].addr, p[i].plen, p[i].plen);
    /* tbl24, the groups of tbl8 it was made for, and the rules: what rte_lpm_create allocates. */
    c->memory = ((uint64_t)1 << 24) * 4 + (uint64_t)65536 * 256 * 4 + n * 8;
}

static uint64_t lpm_lookups(const td_ip4 *a, size_t m)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < m; i++) {
        uint32_t hop = 0;
        sum += rte_lpm_lookup(lpm, a[i], &hop) == 0 ? hop : 0;
    }
    return sum;
}

static void lpm_update(const struct prefix *u)
{
    uint32_t hop;
    (void)rte_lpm_delete(lpm, u->addr, u->plen);
    (void)rte_lpm_lookup(lpm, u->addr, &hop);
    (void)rte_lpm_add(lpm, u->addr, u->plen, u->plen);
    (void)rte_lpm_lookup(lpm, u->addr, &hop);
}
#else
static void lpm_load(struct contestant *c, const struct prefix *p, size_t n)
{
    (void)c, (void)p, (void)n;
}
static uint64_t lpm_lookups(const td_ip4 *a, size_t m)
{
    (void)a, (void)m;
    return 0;
}
static void lpm_update(const struct prefix *u)
{
    (void)u;
}
#endif

/* A hop a length, for all: so the answers can be compared by their sum. */
static struct fib_route route_of(const struct prefix *p)
{
    return (struct fib_route){.prefix = p->addr, .plen = p->plen, .ifindex = p->plen};
}

static void fill(struct contestant *c, const struct prefix *p, size_t n)
{
    double t = now();
    if (c->ops == NULL) {
        lpm_load(c, p, n);
        c->load = now() - t;
        return;
    }
    mem_init(&c->mem, 0);
    c->fib = c->ops->create(&c->mem);
    for (size_t i = 0; i < n; i++) {
        const struct fib_route r = route_of(&p[i]);
        (void)c->ops->insert(c->fib, &r);
    }
    c->load = now() - t;
    t = now();
    for (size_t i = 0; i < 1u << 18; i++) /* what is compiled on demand is compiled now */
        (void)c->ops->find(c->fib, (td_ip4)i << 14, 0);
    c->first = now() - t;
    c->memory = c->mem.used;
}

static double lookups(struct contestant *c, const td_ip4 *a, size_t m)
{
    double t = now();
    c->sum = 0;
    if (c->ops == NULL) {
        c->sum = lpm_lookups(a, m);
        return (double)m / (now() - t);
    }
    for (size_t i = 0; i < m; i++) {
        const struct fib_hop *h = c->ops->find(c->fib, a[i], 0);
        c->sum += h != NULL ? h->ifindex : 0;
    }
    return (double)m / (now() - t);
}

static void update(struct contestant *c, const struct prefix *p, size_t n)
{
    double t = now();
    for (size_t i = 0; i < UPDATES; i++) {
        const struct prefix *u = &p[(i * 7919) % n];
        if (c->ops == NULL) {
            lpm_update(u);
            continue;
        }
        const struct fib_route r = route_of(u);
        (void)c->ops->remove(c->fib, &r);
        (void)c->ops->find(c->fib, u->addr, 0);
        (void)c->ops->insert(c->fib, &r);
        (void)c->ops->find(c->fib, u->addr, 0);
    }
    c->updates = 2 * UPDATES / (now() - t);
}

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static void report(struct contestant *c, size_t n)
{
    qsort(c->rate, ROUNDS, sizeof c->rate[0], by_size);
    printf("{\"fib\": \"%s\", \"prefixes\": %zu, \"load_s\": %.2f, \"first_pass_s\": %.2f, "
           "\"memory_mb\": %.1f, \"lookups_per_s\": %.0f, \"slowest\": %.0f, \"fastest\": %.0f, "
           "\"updates_per_s\": %.0f, \"sum\": %" PRIu64 "}\n",
           c->name, n, c->load, c->first, (double)c->memory / 1e6, c->rate[ROUNDS / 2], c->rate[0], c->rate[ROUNDS - 1],
           c->updates, c->sum);
    fflush(stdout);
}

/* Random tables, random and near addresses; one prefix is taken out or put back every 50 lookups. */
static int check(size_t n, size_t m)
{
    struct mem mem;
    struct prefix *p = malloc(n * sizeof *p);
    bool *in = calloc(n, sizeof *in);
    mem_init(&mem, 0);
    struct fib *fast = fib_poptrie.create(&mem), *slow = fib_trie.create(&mem);
    size_t changes = 0;
    if (p == NULL || in == NULL || fast == NULL || slow == NULL)
        return 2;
    for (size_t i = 0; i < n; i++)
        p[i] = draw_prefix();
    double t = now();
    for (size_t i = 0; i < m + n; i++) {
        const struct prefix *x = &p[draw() % n];
        if (i < n || i % 50 == 0) {
            const struct fib_route r = {
                .prefix = x->addr, .plen = x->plen, .gateway = x->addr >> 7 ^ x->plen, .ifindex = 1 + x->plen % 7};
            bool *there = &in[x - p];
            int a = *there ? fib_poptrie.remove(fast, &r) : fib_poptrie.insert(fast, &r);
            int b = *there ? fib_trie.remove(slow, &r) : fib_trie.insert(slow, &r);
            if (a != b)
                return printf("a change of %08x/%u gave %d and %d\n", x->addr, x->plen, a, b), 1;
            *there = a == 0 ? !*there : *there;
            changes++;
        }
        td_ip4 host = ~mask(x->plen);
        td_ip4 dst = i % 4 == 0 ? (td_ip4)draw() : i % 4 == 1 ? (x->addr | host) + (i & 1) : x->addr | ((td_ip4)draw() & host);
        const struct fib_hop *a = fib_poptrie.find(fast, dst, 0), *b = fib_trie.find(slow, dst, 0);
        if ((a == NULL) != (b == NULL) || (a != NULL && (a->gateway != b->gateway || a->ifindex != b->ifindex)))
            return printf("%08x: the poptrie and the trie differ\n", dst), 1;
    }
    printf("{\"check\": \"poptrie\", \"prefixes\": %zu, \"routes\": %u, \"lookups\": %zu, \"changes\": %zu, \"seconds\": %.0f, "
           "\"differences\": 0}\n",
           n, (fib_poptrie.count)(fast), m + n, changes, now() - t);
    fib_poptrie.destroy(fast);
    fib_trie.destroy(slow);
    free(p);
    free(in);
    return mem.used == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "check") == 0)
        return check(argc > 2 ? strtoull(argv[2], NULL, 10) : 100000, argc > 3 ? strtoull(argv[3], NULL, 10) : 100000000);
    size_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    size_t m = argc > 2 ? strtoull(argv[2], NULL, 10) : 5000000;
    struct prefix *p = malloc(n * sizeof *p);
    td_ip4 *a = malloc(m * sizeof *a);
    if (p == NULL || a == NULL || n == 0)
        return 2;
    for (size_t i = 0; i < n; i++)
        p[i] = draw_prefix();
    for (size_t i = 0; i < m; i++) {
        const struct prefix *in = &p[draw() % n];
        a[i] = i % 2 == 0 ? (td_ip4)(1 + draw() % 222) << 24 | (td_ip4)(draw() & 0xffffff)
                          : in->addr | ((td_ip4)draw() & ~mask(in->plen));
    }
    struct contestant all[] = {{.name = "poptrie", .ops = &fib_poptrie}, {.name = "rte_lpm"}, {.name = "trie", .ops = &fib_trie}};
    bool with[] = {true, false, true};
#ifdef WITH_DPDK
    with[1] = lpm_start(n);
#endif
    for (unsigned k = 0; k < 3; k++)
        if (with[k])
            fill(&all[k], p, n);
    for (unsigned round = 0; round < ROUNDS; round++)
        for (unsigned k = 0; k < 3; k++)
            if (with[k])
                all[k].rate[round] = lookups(&all[k], a, m);
    for (unsigned k = 0; k < 3; k++) {
        if (!with[k])
            continue;
        update(&all[k], p, n);
        report(&all[k], n);
        if (all[k].ops != NULL)
            all[k].ops->destroy(all[k].fib);
    }
    free(p);
    free(a);
    return 0;
}
