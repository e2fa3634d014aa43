/* ip/fib_trie.c: the reference FIB, a binary trie with path compression (Morrison's PATRICIA).
 *
 * Theory of operation. A node stands for a prefix; its children continue it with a 0 or a 1 bit.
 * Chains of nodes with one child and no route are left out, so a node says how long its prefix is
 * and the search compares the skipped bits when it gets there:
 *
 *     0.0.0.0/0 ──0── 10.0.0.0/8 ──0── 10.0.0.0/24 ── …      a route in each
 *         └─────1──── 192.168.0.0/16
 *
 * A lookup walks from the root as long as the node's prefix covers the destination, and remembers
 * the last node that had a usable route: that is the longest match (RFC 4632 5.1). At most 33
 * steps, no recursion, no backtracking. A route is usable when neither its gateway nor its
 * interface is believed dead; a prefix whose routes are all unusable doesn't hide a shorter one.
 *
 * A node is made for a new prefix, or to branch where two prefixes part; it goes when it has
 * neither a route nor two children. So there are at most two nodes a prefix.
 *
 * A dump is in order of prefix, then length, then place in the list. Its cursor packs the three
 * into 63 bits, so it needs no state in the trie and stays meaningful when routes come and go
 * between two rows: a parent sorts before its children (same bits, shorter length), the 0 child
 * before the 1 child, hence preorder is the order of the keys and the successor of a key is found
 * from the root.
 */
#include "ip/fib_rib.h"

#include <errno.h>

#include "wire/ipv4.h"

struct fib {
    struct fib_rib rib;
};

const char *fib_type_name(enum fib_type t)
{
    static const char *const name[] = {
        [FIB_UNICAST] = "unicast",     [FIB_LOCAL] = "local",
        [FIB_BROADCAST] = "broadcast", [FIB_MULTICAST] = "multicast",
        [FIB_BLACKHOLE] = "blackhole", [FIB_UNREACHABLE] = "unreachable",
        [FIB_PROHIBIT] = "prohibit",   [FIB_THROW] = "throw",
    };

    return (unsigned)t < sizeof name / sizeof name[0] ? name[t] : "?";
}

static unsigned bit_at(td_ip4 a, unsigned n) /* n = 0 is the first on the wire; n <= 31 */
{
    return (a >> (31 - n)) & 1;
}

static bool node_covers(const struct fib_node *n, td_ip4 a)
{
    return ((a ^ n->prefix) & ip4_mask(n->plen)) == 0;
}

static struct fib_node *node_new(struct fib_rib *f, td_ip4 prefix, uint8_t plen)
{
    struct fib_node *n = mem_alloc(f->mem, MEM_TABLE, sizeof *n);

    if (n != NULL) {
        n->prefix = prefix & ip4_mask(plen);
        n->plen = plen;
    }
    return n;
}

static void node_free(struct fib_rib *f, struct fib_node *n)
{
    mem_free(f->mem, MEM_TABLE, n, sizeof *n);
}

/* Bits that a and b have in common from the left, at most `most`. */
static uint8_t common_bits(td_ip4 a, td_ip4 b, uint8_t most)
{
    uint8_t n = 0;

    while (n < most && bit_at(a ^ b, n) == 0)
        n++;
    return n;
}

/* The slot of the node for prefix/plen, or where it would have to go; *parent is the slot of the
 * node above it (NULL at the root). */
static struct fib_node **trie_slot(struct fib_rib *f, td_ip4 prefix, uint8_t plen,
                                   struct fib_node ***parent)
{
    struct fib_node **at = &f->root;

    *parent = NULL;
    while (*at != NULL && (*at)->plen < plen && node_covers(*at, prefix)) {
        *parent = at;
        at = &(*at)->child[bit_at(prefix, (*at)->plen)];
    }
    return at;
}

static struct fib_node *trie_node(struct fib_rib *f, td_ip4 prefix, uint8_t plen)
{
    struct fib_node **parent, **at = trie_slot(f, prefix, plen, &parent);
    struct fib_node *below = *at, *n, *branch;
    uint8_t shared;

    if (below != NULL && below->plen == plen && below->prefix == prefix)
        return below;
    n = node_new(f, prefix, plen);
    if (n == NULL || below == NULL) {
        if (n != NULL)
            *at = n;
        return n;
    }
    shared = common_bits(prefix, below->prefix, plen < below->plen ? plen : below->plen);
    if (shared == plen) { /* the new one is on the way to what is there */
        n->child[bit_at(below->prefix, plen)] = below;
        *at = n;
        return n;
    }
    branch = node_new(f, prefix, shared);
    if (branch == NULL) {
        node_free(f, n);
        return NULL;
    }
    branch->child[bit_at(prefix, shared)] = n;
    branch->child[bit_at(below->prefix, shared)] = below;
    *at = branch;
    return n;
}

/* Takes *at out when nothing needs it any more, and then the branch above it. */
static void trie_prune(struct fib_rib *f, struct fib_node **at, struct fib_node **parent)
{
    struct fib_node *n = *at, *up;

    if (n->routes != NULL || (n->child[0] != NULL && n->child[1] != NULL))
        return;
    *at = n->child[0] != NULL ? n->child[0] : n->child[1];
    node_free(f, n);
    if (*at != NULL || parent == NULL)
        return;
    up = *parent;
    if (up->routes == NULL) { /* a branch that has lost one side */
        *parent = up->child[0] != NULL ? up->child[0] : up->child[1];
        node_free(f, up);
    }
}

static bool route_own(enum fib_type t) /* what in Linux is the local table, asked first */
{
    return t == FIB_LOCAL || t == FIB_BROADCAST;
}

static bool route_before(const struct fib_route *a, const struct fib_route *b)
{
    if (route_own(a->type) != route_own(b->type))
        return route_own(a->type);
    return a->metric < b->metric || (a->metric == b->metric && a->order < b->order);
}

static bool route_same(const struct fib_route *a, const struct fib_route *b)
{
    if (a->metric != b->metric || a->type != b->type || a->gateway != b->gateway ||
        a->ifindex != b->ifindex || a->npaths != b->npaths)
        return false;
    for (unsigned i = 0; i < a->npaths; i++)
        if (a->paths[i].gateway != b->paths[i].gateway ||
            a->paths[i].ifindex != b->paths[i].ifindex)
            return false;
    return true;
}

int fib_rib_insert(struct fib_rib *f, const struct fib_route *r)
{
    td_ip4 prefix = r->prefix & ip4_mask(r->plen);
    struct fib_node **parent, **slot;
    struct fib_node *n = trie_node(f, prefix, r->plen);
    struct fib_route **at, *copy;
    struct fib_hop *hop;

    if (n == NULL)
        return -ENOMEM;
    for (const struct fib_route *i = n->routes; i != NULL; i = i->next)
        if (route_same(i, r))
            return -EEXIST;
    copy = mem_alloc(f->mem, MEM_TABLE, sizeof *copy);
    hop = copy != NULL ? fib_hop_get(f, r) : NULL;
    if (hop == NULL) {
        mem_free(f->mem, MEM_TABLE, copy, sizeof *copy);
        slot = trie_slot(f, prefix, r->plen, &parent);
        trie_prune(f, slot, parent);
        return -ENOMEM;
    }
    *copy = *r;
    copy->prefix = prefix;
    copy->hop = hop;
    copy->paths = r->npaths != 0 ? hop->paths : NULL;
    if (copy->order == 0)
        copy->order = ++f->order;
    for (at = &n->routes; *at != NULL && !route_before(copy, *at); at = &(*at)->next)
        ;
    copy->next = *at;
    *at = copy;
    f->count++;
    return 0;
}

static bool type_asked(enum fib_type asked, enum fib_type t)
{
    return asked == FIB_UNICAST ? !route_own(t) : asked == t;
}

static bool route_asked(const struct fib_route *asked, const struct fib_route *r)
{
    if (asked->exact)
        return asked->type == r->type && route_same(asked, r);
    return type_asked(asked->type, r->type) &&
           (asked->metric == UINT32_MAX || asked->metric == r->metric) &&
           (asked->gateway == 0 || asked->gateway == r->gateway) &&
           (asked->ifindex == 0 || asked->ifindex == r->ifindex) &&
           (asked->npaths == 0 || route_same(asked, r) ||
            (asked->metric == UINT32_MAX && asked->npaths == r->npaths));
}

int fib_rib_remove(struct fib_rib *f, const struct fib_route *r)
{
    td_ip4 prefix = r->prefix & ip4_mask(r->plen);
    struct fib_node **parent, **slot = trie_slot(f, prefix, r->plen, &parent);
    struct fib_route **at, *gone;

    if (*slot == NULL || (*slot)->plen != r->plen || (*slot)->prefix != prefix)
        return -ESRCH;
    for (at = &(*slot)->routes; *at != NULL; at = &(*at)->next)
        if (route_asked(r, *at))
            break;
    if (*at == NULL)
        return -ESRCH;
    gone = *at;
    *at = gone->next;
    fib_hop_put(f, gone->hop);
    mem_free(f->mem, MEM_TABLE, gone, sizeof *gone);
    f->count--;
    trie_prune(f, slot, parent);
    return 0;
}

struct fib_route *fib_rib_lookup(struct fib_rib *f, td_ip4 dst, uint32_t ifindex)
{
    struct fib_route *best = NULL, *r;
    const struct fib_node *n = f->root;

    while (n != NULL && node_covers(n, dst)) {
        r = fib_node_best(n, ifindex);
        if (r != NULL)
            best = r;
        if (n->plen == 32)
            break;
        n = n->child[bit_at(dst, n->plen)];
    }
    return best;
}

const struct fib_hop *fib_rib_find_main(struct fib_rib *f, td_ip4 dst, uint32_t ifindex)
{
    const struct fib_hop *best = NULL;
    const struct fib_node *n = f->root;

    while (n != NULL && node_covers(n, dst)) {
        const struct fib_route *r = n->routes; /* own ones come first */

        while (r != NULL && (route_own(r->type) || !fib_route_usable(r, ifindex)))
            r = r->next;
        if (r != NULL)
            best = r->hop;
        if (n->plen == 32)
            break;
        n = n->child[bit_at(dst, n->plen)];
    }
    return best;
}

/* ---- dump: by fib_cursor's keys ---- */

static uint64_t node_key(const struct fib_node *n)
{
    return fib_cursor(n->prefix, n->plen);
}

/* The first node in preorder with a key >= key. */
static const struct fib_node *trie_from(const struct fib_rib *f, uint64_t key)
{
    const struct fib_node *n = f->root, *after = NULL;

    while (n != NULL && node_key(n) < key) {
        const struct fib_node *right = n->child[1];

        if (right != NULL && node_key(right) <= key) {
            n = right; /* all of the left side is before key */
        } else {
            if (right != NULL)
                after = right;
            n = n->child[0];
        }
    }
    return n != NULL ? n : after;
}

struct fib_route *fib_rib_next(struct fib_rib *f, uint64_t *cursor)
{
    const uint64_t place_mask = (UINT64_C(1) << FIB_PLACE_BITS) - 1;

    for (;;) {
        uint64_t key = *cursor & ~place_mask, place = *cursor & place_mask;
        const struct fib_node *n = trie_from(f, key);
        struct fib_route *r;

        if (n == NULL)
            return NULL;
        if (node_key(n) != key) {
            key = node_key(n);
            place = 0;
        }
        r = n->routes;
        for (uint64_t i = 0; i < place && r != NULL; i++)
            r = r->next;
        if (r != NULL) {
            *cursor = key | (place + 1);
            return r;
        }
        *cursor = key + (UINT64_C(1) << FIB_PLACE_BITS); /* the next length */
    }
}

/* Frees without a stack: takes leaf after leaf off the left edge. */
void fib_rib_clear(struct fib_rib *f)
{
    struct fib_node **at;

    while (f->root != NULL) {
        at = &f->root;
        while ((*at)->child[0] != NULL || (*at)->child[1] != NULL)
            at = (*at)->child[0] != NULL ? &(*at)->child[0] : &(*at)->child[1];
        for (struct fib_route *r = (*at)->routes, *next; r != NULL; r = next) {
            next = r->next;
            fib_hop_put(f, r->hop);
            mem_free(f->mem, MEM_TABLE, r, sizeof *r);
        }
        node_free(f, *at);
        *at = NULL;
    }
    fib_hops_done(f);
}

/* ---- as a FIB ---- */

static struct fib *trie_create(struct mem *m)
{
    struct fib *f = mem_alloc(m, MEM_TABLE, sizeof *f);

    if (f != NULL)
        fib_rib_init(&f->rib, m);
    return f;
}

static void trie_destroy(struct fib *f)
{
    struct mem *m = f->rib.mem;

    fib_rib_clear(&f->rib);
    mem_free(m, MEM_TABLE, f, sizeof *f);
}

static int trie_insert(struct fib *f, const struct fib_route *r)
{
    return fib_rib_insert(&f->rib, r);
}

static int trie_remove(struct fib *f, const struct fib_route *r)
{
    return fib_rib_remove(&f->rib, r);
}

static struct fib_route *trie_lookup(struct fib *f, td_ip4 dst, uint32_t ifindex)
{
    return fib_rib_lookup(&f->rib, dst, ifindex);
}

static const struct fib_hop *trie_find(struct fib *f, td_ip4 dst, uint32_t ifindex)
{
    const struct fib_route *r = fib_rib_lookup(&f->rib, dst, ifindex);

    return r != NULL ? r->hop : NULL;
}

static const struct fib_hop *trie_find_main(struct fib *f, td_ip4 dst, uint32_t ifindex)
{
    return fib_rib_find_main(&f->rib, dst, ifindex);
}

static void trie_changed(struct fib *f, td_ip4 prefix, uint8_t plen)
{
    (void)f; /* it looks at the routes each time */
    (void)prefix;
    (void)plen;
}

static struct fib_route *trie_next(struct fib *f, uint64_t *cursor)
{
    return fib_rib_next(&f->rib, cursor);
}

static uint32_t trie_count(const struct fib *f)
{
    return f->rib.count;
}

const struct fib_ops fib_trie = {
    .name = "trie",
    .create = trie_create,
    .destroy = trie_destroy,
    .insert = trie_insert,
    .remove = trie_remove,
    .find = trie_find,
    .lookup = trie_lookup,
    .find_main = trie_find_main,
    .changed = trie_changed,
    .next = trie_next,
    .count = trie_count,
};
