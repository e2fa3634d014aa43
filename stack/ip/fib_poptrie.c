/* ip/fib_poptrie.c: the fast FIB: a poptrie (Asai and Ohara, SIGCOMM 2015) compiled from the trie.
 *
 * Theory of operation. Walking a binary trie costs a cache miss a bit. A poptrie takes six bits a
 * step: a node has 64 children, but stores only two 64-bit maps and two indexes, because children
 * that need a node of their own lie side by side in one array, and answers in another:
 *
 *      node:  vector   bit i: child i is a node              ┐ how many 1 bits stand at or below i
 * is leafvec  bit i: a new answer begins at child i ┘ the place in the array (popcount) base1 ─►
 * nodes:  [ child | child | … ] base0 ─► leaves: [ answer | answer | … ]       equal neighbours are
 * stored once
 *
 * The first 16 bits of the address are an index into `slots`: most addresses of an Internet table
 * are answered after two more steps. What hangs below a slot is one block of memory, nodes and
 * leaves together, in which indexes are relative. A small table has no slots array (it would be 512
 * KiB): it is one block from bit 0, so ten routes cost about a kilobyte.
 *
 * Why this and not the alternatives: DIR-24-8 (what DPDK's rte_lpm does) answers in one or two
 * memory accesses but takes 64 MiB before the first route; a tree bitmap is as small but its steps
 * are longer. The poptrie of a million prefixes fits into a processor's last-level cache for the
 * most part.
 *
 * Changing. All routes are in the book, the binary trie of fib_trie.c, which answers dumps and is
 * the oracle in tests. A change of the book marks the slots it touches as stale; the next lookup
 * that comes to a stale slot compiles it from the book, some microseconds. So loading a full table
 * compiles nothing, and a change costs no more than what it touches. If there is no memory for a
 * block, the book itself answers.
 *
 * An answer is the first route of the longest prefix. Whether it may be used (interface up, gateway
 * alive, on the interface asked for) is decided at lookup; if not, the book is asked, which finds
 * the next route of that prefix or the next shorter prefix.
 */
#include "ip/fib_rib.h"

#include <string.h>

#include "wire/ipv4.h"

#define STRIDE     6u
#define CHILDREN   64u
#define SLOT_BITS  16u
#define SLOTS      (1u << SLOT_BITS)
#define DIRECT_MIN 256u /* routes from which the slots array is worth its memory */

struct pop_node {
    uint64_t vector, leafvec;
    uint32_t base0, base1;
};

/* What hangs below a slot: nodes[nnodes], then leaves: the first route of a prefix, NULL = none. */
struct pop_block {
    uint32_t nnodes, nleaves;
    struct pop_node nodes[];
};

struct fib {
    struct fib_rib rib;
    struct pop_block **slots; /* SLOTS of them, or NULL: `small` is all there is */
    uint64_t *fresh;          /* a bit a slot: its block says what the book says */
    struct pop_block *small;
    bool small_fresh;
};

static struct fib_route **block_leaves(struct pop_block *b)
{
    return (struct fib_route **)(void *)&b->nodes[b->nnodes];
}

static size_t block_size(uint32_t nnodes, uint32_t nleaves)
{
    return sizeof(struct pop_block) + nnodes * sizeof(struct pop_node) +
           nleaves * sizeof(struct fib_route *);
}

static void block_free(struct fib *f, struct pop_block *b)
{
    if (b != NULL)
        mem_free(f->rib.mem, MEM_TABLE, b, block_size(b->nnodes, b->nleaves));
}

/* ---- compiling ---- */

struct window { /* one node of the poptrie, unpacked: what its 64 children are */
    const struct fib_node *answer[CHILDREN];
    const struct fib_node
        *below[CHILDREN]; /* the topmost node of the book inside the child, if it is deeper */
};

struct work {                      /* a poptrie node still to be made */
    const struct fib_node *top;    /* topmost node of the book inside it */
    const struct fib_node *answer; /* the longest prefix that covers all of it */
    uint8_t depth;                 /* bits above it */
};

static unsigned child_of(td_ip4 a, unsigned depth)
{
    return depth + STRIDE <= 32 ? a >> (32 - STRIDE - depth) & (CHILDREN - 1)
                                : a << (STRIDE + depth - 32) & (CHILDREN - 1);
}

/* Paints the children of a window from the part of the book at and below `top`. Parents come before
 * their children, so a longer prefix paints over a shorter one. The stack holds at most one
 * sibling a bit of the window. */
static void window_fill(struct window *w, const struct work *job)
{
    const struct fib_node *stack[2 * STRIDE + 2];
    unsigned n = 0;
    unsigned end = job->depth + STRIDE;

    for (unsigned i = 0; i < CHILDREN; i++) {
        w->answer[i] = job->answer;
        w->below[i] = NULL;
    }
    if (job->top != NULL)
        stack[n++] = job->top;
    while (n > 0) {
        const struct fib_node *b = stack[--n];
        unsigned first = child_of(b->prefix, job->depth);

        if (b->plen > end) {
            if (w->below[first] == NULL)
                w->below[first] = b;
            continue;
        }
        if (b->routes != NULL) {
            unsigned span = 1u << (end - b->plen);

            for (unsigned i = first; i < first + span && i < CHILDREN; i++)
                w->answer[i] = b;
        }
        for (unsigned i = 0; i < 2; i++) {
            if (b->child[i] == NULL)
                continue;
            /* A node that ends where the child ends, with more below: the child goes on from it. */
            if (b->plen == end) {
                if (w->below[first] == NULL)
                    w->below[first] = b;
            } else {
                stack[n++] = b->child[i];
            }
        }
    }
}

/* Two passes over the same breadth-first order: the first counts, the second writes. Children of
 * one node follow each other in that order, as base1 asks. */
struct compiler {
    struct fib *f;
    struct work *queue;
    uint32_t cap, head, tail;
    uint32_t nleaves;
};

static bool queue_push(struct compiler *c, struct work w)
{
    if (c->tail == c->cap) {
        uint32_t cap = c->cap != 0 ? c->cap * 2 : 64;
        struct work *q = mem_alloc_raw(c->f->rib.mem, MEM_TABLE, cap * sizeof *q);

        if (q == NULL)
            return false;
        if (c->cap != 0) {
            memcpy(q, c->queue, c->cap * sizeof *q);
            mem_free(c->f->rib.mem, MEM_TABLE, c->queue, c->cap * sizeof *q);
        }
        c->queue = q;
        c->cap = cap;
    }
    c->queue[c->tail++] = w;
    return true;
}

static bool count_pass(struct compiler *c)
{
    struct window w;

    for (c->head = 0; c->head < c->tail; c->head++) {
        struct work job = c->queue[c->head];
        const struct fib_node *last = NULL;
        bool any = false;

        window_fill(&w, &job);
        for (unsigned i = 0; i < CHILDREN; i++) {
            if (w.below[i] != NULL) {
                if (!queue_push(
                        c, (struct work){w.below[i], w.answer[i], (uint8_t)(job.depth + STRIDE)}))
                    return false;
            } else if (!any || w.answer[i] != last) {
                c->nleaves++;
                last = w.answer[i];
                any = true;
            }
        }
    }
    return true;
}

static void write_pass(const struct compiler *c, struct pop_block *b)
{
    struct fib_route **leaves = block_leaves(b);
    uint32_t leaf = 0, child = 1;
    struct window w;

    for (uint32_t k = 0; k < c->tail; k++) {
        struct pop_node *n = &b->nodes[k];
        const struct fib_node *last = NULL;
        bool any = false;

        window_fill(&w, &c->queue[k]);
        *n = (struct pop_node){.base0 = leaf, .base1 = child};
        for (unsigned i = 0; i < CHILDREN; i++) {
            if (w.below[i] != NULL) {
                n->vector |= UINT64_C(1) << i;
                child++;
            } else if (!any || w.answer[i] != last) {
                n->leafvec |= UINT64_C(1) << i;
                leaves[leaf++] = w.answer[i] != NULL ? w.answer[i]->routes : NULL;
                last = w.answer[i];
                any = true;
            }
        }
    }
}

/* The block for everything inside prefix/depth. NULL = no memory. */
static struct pop_block *compile(struct fib *f, td_ip4 prefix, unsigned depth)
{
    struct compiler c = {.f = f};
    struct work first = {.depth = (uint8_t)depth};
    struct pop_block *b = NULL;
    const struct fib_node *n = f->rib.root;

    /* From the root to the topmost node inside; the longest prefix met above it covers all. */
    while (n != NULL && n->plen < depth && ((n->prefix ^ prefix) & ip4_mask(n->plen)) == 0) {
        if (n->routes != NULL)
            first.answer = n;
        n = n->child[prefix >> (31 - n->plen) & 1];
    }
    if (n != NULL && n->plen >= depth && ((n->prefix ^ prefix) & ip4_mask((uint8_t)depth)) == 0)
        first.top = n;
    if (queue_push(&c, first) && count_pass(&c)) {
        b = mem_alloc_raw(f->rib.mem, MEM_TABLE, block_size(c.tail, c.nleaves));
        if (b != NULL) {
            b->nnodes = c.tail;
            b->nleaves = c.nleaves;
            write_pass(&c, b);
        }
    }
    if (c.cap != 0)
        mem_free(f->rib.mem, MEM_TABLE, c.queue, c.cap * sizeof *c.queue);
    return b;
}

/* ---- keeping it true ---- */

/* Everything inside prefix/plen is to be compiled anew before it answers. */
static void make_stale(struct fib *f, td_ip4 prefix, uint8_t plen)
{
    uint32_t first, n;

    f->small_fresh = false;
    if (f->slots == NULL)
        return;
    first = prefix >> (32 - SLOT_BITS);
    n = plen >= SLOT_BITS ? 1 : 1u << (SLOT_BITS - plen);
    for (uint32_t i = first; i < first + n; i++)
        f->fresh[i / 64] &= ~(UINT64_C(1) << i % 64);
}

static void slots_drop(struct fib *f)
{
    if (f->slots == NULL)
        return;
    for (uint32_t i = 0; i < SLOTS; i++)
        block_free(f, f->slots[i]);
    mem_free(f->rib.mem, MEM_TABLE, f->slots, SLOTS * sizeof *f->slots);
    mem_free(f->rib.mem, MEM_TABLE, f->fresh, SLOTS / 8);
    f->slots = NULL;
    f->fresh = NULL;
}

/* The slots array comes and goes with the size of the table, with a gap between, so that one route
 * more or less doesn't make and unmake it. */
static void choose_shape(struct fib *f)
{
    if (f->slots == NULL && f->rib.count >= DIRECT_MIN) {
        struct pop_block **slots = mem_alloc(f->rib.mem, MEM_TABLE, SLOTS * sizeof *slots);
        uint64_t *fresh = mem_alloc(f->rib.mem, MEM_TABLE, SLOTS / 8);

        if (slots == NULL || fresh == NULL) {
            mem_free(f->rib.mem, MEM_TABLE, slots, SLOTS * sizeof *slots);
            mem_free(f->rib.mem, MEM_TABLE, fresh, SLOTS / 8);
            return; /* the small shape answers too, only slower to change */
        }
        f->slots = slots;
        f->fresh = fresh;
        block_free(f, f->small);
        f->small = NULL;
        f->small_fresh = false;
    } else if (f->slots != NULL && f->rib.count < DIRECT_MIN / 2) {
        slots_drop(f);
    }
}

static struct fib *poptrie_create(struct mem *m)
{
    struct fib *f = mem_alloc(m, MEM_TABLE, sizeof *f);

    if (f != NULL)
        f->rib.mem = m;
    return f;
}

static void poptrie_destroy(struct fib *f)
{
    struct mem *m = f->rib.mem;

    slots_drop(f);
    block_free(f, f->small);
    fib_rib_clear(&f->rib);
    mem_free(m, MEM_TABLE, f, sizeof *f);
}

static int poptrie_insert(struct fib *f, const struct fib_route *r)
{
    int e = fib_rib_insert(&f->rib, r);

    if (e == 0) {
        make_stale(f, r->prefix & ip4_mask(r->plen), r->plen);
        choose_shape(f);
    }
    return e;
}

static int poptrie_remove(struct fib *f, const struct fib_route *r)
{
    int e = fib_rib_remove(&f->rib, r);

    if (e == 0) {
        make_stale(f, r->prefix & ip4_mask(r->plen), r->plen);
        choose_shape(f);
    }
    return e;
}

/* ---- looking up ---- */

static struct pop_block *fresh_block(struct fib *f, td_ip4 dst)
{
    if (f->slots == NULL) {
        if (!f->small_fresh) {
            block_free(f, f->small);
            f->small = compile(f, 0, 0);
            f->small_fresh = f->small != NULL;
        }
        return f->small;
    }
    uint32_t i = dst >> (32 - SLOT_BITS);
    uint64_t bit = UINT64_C(1) << i % 64;
    if ((f->fresh[i / 64] & bit) == 0) {
        block_free(f, f->slots[i]);
        f->slots[i] = compile(f, i << (32 - SLOT_BITS), SLOT_BITS);
        if (f->slots[i] != NULL)
            f->fresh[i / 64] |= bit;
    }
    return f->slots[i];
}

static struct fib_route *poptrie_lookup(struct fib *f, td_ip4 dst, uint32_t ifindex)
{
    struct pop_block *b = fresh_block(f, dst);
    const struct pop_node *n;
    struct fib_route *r;
    unsigned depth = f->slots != NULL ? SLOT_BITS : 0;

    if (b == NULL)
        return fib_rib_lookup(&f->rib, dst, ifindex);
    for (n = b->nodes;; depth += STRIDE) {
        unsigned child = child_of(dst, depth);
        uint64_t upto = (UINT64_C(2) << child) - 1;

        if ((n->vector >> child & 1) == 0) {
            uint32_t place = n->base0 + (uint32_t)__builtin_popcountll(n->leafvec & upto) - 1;
            r = block_leaves(b)[place];
            break;
        }
        n = &b->nodes[n->base1 + (uint32_t)__builtin_popcountll(n->vector & upto) - 1];
    }
    if (r == NULL || fib_route_usable(r, ifindex))
        return r;
    return fib_rib_lookup(&f->rib, dst, ifindex);
}

static struct fib_route *poptrie_next(struct fib *f, uint64_t *cursor)
{
    return fib_rib_next(&f->rib, cursor);
}

static uint32_t poptrie_count(const struct fib *f)
{
    return f->rib.count;
}

const struct fib_ops fib_poptrie = {
    .name = "poptrie",
    .create = poptrie_create,
    .destroy = poptrie_destroy,
    .insert = poptrie_insert,
    .remove = poptrie_remove,
    .lookup = poptrie_lookup,
    .next = poptrie_next,
    .count = poptrie_count,
};
