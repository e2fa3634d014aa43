/* ip/fib_poptrie.c: the fast FIB: a poptrie (Asai and Ohara, SIGCOMM 2015) compiled from the trie.
 *
 * Theory of operation. Walking a binary trie costs a cache miss a bit. A poptrie takes six bits a
 * step: a node has 64 children, but stores only two 64-bit maps and two indexes, because children
 * that need a node of their own lie side by side in one array, and answers in another:
 *
 *      node:  vector   bit i: child i is a node                  how many 1 bits stand at or below i
 *             leafvec  bit i: a new answer begins at child i     is the place in the array (popcount)
 *             base1 ─► nodes:  [ child | child | … ]
 *             base0 ─► leaves: [ answer | answer | … ]           equal neighbours are stored once
 *
 * An answer is the number of a hop (fib_hop.c), two bytes: a lookup never comes near a route.
 *
 * The first bits of the address are an index into `slots`. A slot says the answer itself, when all of
 * its addresses have the same, or points to what hangs below it: one block of memory, nodes and then
 * leaves, in which indexes are relative. How many bits that is depends on the table:
 *
 *      below    512 routes     none: one block from bit 0; ten routes cost about a kilobyte
 *      below 16,384 routes     14:   128 KiB of slots
 *      above                   18:     2 MiB, and a /24 is answered by one node, whose leaves share its
 *                                    cache line mostly: two misses a lookup
 *
 * Why this and not the alternatives: DIR-24-8 (what DPDK's rte_lpm does) answers in one or two
 * memory accesses too, but takes 64 MiB before the first route, and a change of a short prefix writes
 * through all of it; a tree bitmap is as small, but its steps are longer. The poptrie of a million
 * prefixes fits into a processor's second- or last-level cache.
 *
 * Changing. All routes are in the book, the binary trie of fib_trie.c, which answers dumps and is
 * the oracle in tests. A change of the book empties the slots it touches; the next lookup that comes
 * to an empty slot compiles it from the book, in some microseconds. So loading a full table compiles
 * nothing, and a change costs no more than what it touches. If there is no memory for a block, the
 * book itself answers.
 *
 * An answer is the best live route of the longest prefix that has one: that an interface has gone
 * down, or a gateway is believed dead, is a change too. What leaves by an interface that the answer
 * doesn't lead to (SO_BINDTODEVICE) is asked of the book.
 */
#include "ip/fib_rib.h"

#include <string.h>

#include "wire/ipv4.h"

#define STRIDE   6u
#define CHILDREN 64u

/* From how many routes on so many bits of slots are worth their memory. */
static const struct {
    uint8_t bits;
    uint32_t routes;
} shapes[] = {{0, 0}, {14, 512}, {18, 16384}};
#define SHAPES (sizeof shapes / sizeof shapes[0])

struct pop_node {
    uint64_t vector, leafvec;
    uint32_t base0; /* first leaf: leaves of two bytes from the block's beginning */
    uint16_t base1; /* first child node, from the block's beginning */
    uint16_t size;  /* of the first node: the block's, in units of 8 bytes */
};
#define BLOCK_NODES_MAX 0xffffu
#define BLOCK_BYTES_MAX (0xffffu * 8)

/* A slot: 0, nothing is compiled; odd, an answer in the upper bits; else the block, its first node. */
union slot {
    uintptr_t bits;
    const struct pop_node *block;
};

struct fib {
    struct fib_rib rib;
    union slot *slots; /* 1 << bits of them; with bits = 0: &small */
    union slot small;
    uint8_t shape, bits, shift; /* shift = 32 - bits */
};

static size_t slots_of(uint8_t bits)
{
    return (size_t)1 << bits;
}

/* ---- compiling ---- */

struct window { /* one node of the poptrie, unpacked: what its 64 children are */
    uint16_t answer[CHILDREN];
    const struct fib_node
        *below[CHILDREN]; /* the topmost node of the book inside the child, if it is deeper */
};

struct work {                   /* a poptrie node still to be made */
    const struct fib_node *top; /* topmost node of the book inside it */
    uint16_t answer;            /* of the longest prefix that covers all of it */
    uint8_t depth;              /* bits above it */
};

static unsigned child_of(td_ip4 a, unsigned depth)
{
    return depth + STRIDE <= 32 ? a >> (32 - STRIDE - depth) & (CHILDREN - 1)
                                : a << (STRIDE + depth - 32) & (CHILDREN - 1);
}

/* What a prefix's routes answer; false: none of them is alive, a shorter prefix is asked. */
static bool node_answer(const struct fib_node *n, uint16_t *answer)
{
    const struct fib_route *r = fib_node_best(n, 0);

    if (r == NULL)
        return false;
    *answer = r->hop->id;
    return true;
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
        uint16_t answer;

        if (b->plen > end) {
            if (w->below[first] == NULL)
                w->below[first] = b;
            continue;
        }
        if (node_answer(b, &answer)) {
            unsigned span = 1u << (end - b->plen);

            for (unsigned i = first; i < first + span && i < CHILDREN; i++)
                w->answer[i] = answer;
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
 * one node follow each other in that order, as base1 asks. Most blocks have one node or a few: the
 * queue begins on the stack. */
#define QUEUE_FIRST 96
struct compiler {
    struct fib *f;
    struct work *queue;
    uint32_t cap, head, tail;
    uint32_t nleaves;
    struct work first[QUEUE_FIRST];
};

static void queue_free(struct compiler *c)
{
    if (c->queue != c->first)
        mem_free(c->f->rib.mem, MEM_TABLE, c->queue, c->cap * sizeof *c->queue);
}

static bool queue_push(struct compiler *c, struct work w)
{
    if (c->tail == c->cap) {
        uint32_t cap = c->cap * 2;
        struct work *q = mem_alloc_raw(c->f->rib.mem, MEM_TABLE, cap * sizeof *q);

        if (q == NULL)
            return false;
        memcpy(q, c->queue, c->cap * sizeof *q);
        queue_free(c);
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
        uint16_t last = 0;
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

static void write_pass(const struct compiler *c, struct pop_node *nodes)
{
    uint16_t *leaves = (uint16_t *)(void *)nodes;
    uint32_t leaf = c->tail * (uint32_t)(sizeof *nodes / sizeof *leaves), child = 1;
    struct window w;

    for (uint32_t k = 0; k < c->tail; k++) {
        struct pop_node *n = &nodes[k];
        uint16_t last = 0;
        bool any = false;

        window_fill(&w, &c->queue[k]);
        *n = (struct pop_node){.base0 = leaf, .base1 = (uint16_t)child};
        for (unsigned i = 0; i < CHILDREN; i++) {
            if (w.below[i] != NULL) {
                n->vector |= UINT64_C(1) << i;
                child++;
            } else if (!any || w.answer[i] != last) {
                n->leafvec |= UINT64_C(1) << i;
                leaves[leaf++] = w.answer[i];
                last = w.answer[i];
                any = true;
            }
        }
    }
}

static size_t block_size(const struct compiler *c)
{
    size_t bytes = c->tail * sizeof(struct pop_node) + c->nleaves * sizeof(uint16_t);

    return (bytes + 7) & ~(size_t)7;
}

/* From the root to the topmost node inside prefix/depth; the longest prefix met above it covers all. */
static struct work slot_work(const struct fib *f, td_ip4 prefix, unsigned depth)
{
    struct work w = {.depth = (uint8_t)depth, .answer = FIB_HOP_NONE};
    const struct fib_node *n = f->rib.root;

    while (n != NULL && n->plen < depth && ((n->prefix ^ prefix) & ip4_mask(n->plen)) == 0) {
        (void)node_answer(n, &w.answer);
        n = n->child[prefix >> (31 - n->plen) & 1];
    }
    if (n != NULL && n->plen >= depth && ((n->prefix ^ prefix) & ip4_mask((uint8_t)depth)) == 0)
        w.top = n;
    return w;
}

static union slot slot_answer(uint16_t answer)
{
    return (union slot){.bits = (uintptr_t)answer << 1 | 1};
}

/* Everything inside prefix/depth, as a slot. bits = 0: no memory. */
static union slot compile(struct fib *f, td_ip4 prefix, unsigned depth)
{
    struct compiler c = {.f = f, .cap = QUEUE_FIRST};
    struct work all = slot_work(f, prefix, depth);
    union slot s = {.bits = 0};
    struct pop_node *block;
    size_t size;

    c.queue = c.first;
    if (all.top == NULL)
        return slot_answer(all.answer);
    if (queue_push(&c, all) && count_pass(&c) && c.tail < BLOCK_NODES_MAX &&
        block_size(&c) <= BLOCK_BYTES_MAX) {
        size = block_size(&c);
        block = mem_alloc_raw(f->rib.mem, MEM_TABLE, size);
        if (block != NULL) {
            write_pass(&c, block);
            block->size = (uint16_t)(size / 8);
            s.block = block;
        }
    }
    queue_free(&c);
    return s;
}

/* ---- keeping it true ---- */

static void slot_clear(struct fib *f, union slot *s)
{
    if (s->bits != 0 && (s->bits & 1) == 0) {
        union {
            const struct pop_node *in;
            void *out;
        } b = {.in = s->block};

        mem_free(f->rib.mem, MEM_TABLE, b.out, (size_t)s->block->size * 8);
    }
    s->bits = 0;
}

/* Everything inside prefix/plen is to be compiled anew before it answers. */
static void make_stale(struct fib *f, td_ip4 prefix, uint8_t plen)
{
    size_t first = (size_t)((uint64_t)prefix >> f->shift);
    size_t n = plen >= f->bits ? 1 : (size_t)1 << (f->bits - plen);

    for (size_t i = first; i < first + n; i++)
        slot_clear(f, &f->slots[i]);
}

static void shape_set(struct fib *f, uint8_t shape, union slot *slots)
{
    make_stale(f, 0, 0);
    if (f->bits != 0)
        mem_free(f->rib.mem, MEM_TABLE, f->slots, slots_of(f->bits) * sizeof *f->slots);
    f->shape = shape;
    f->bits = shapes[shape].bits;
    f->slots = f->bits != 0 ? slots : &f->small;
    f->shift = (uint8_t)(32 - f->bits);
}

/* The slots come and go with the size of the table, with a gap between, so that one route more or
 * less doesn't make and unmake them. */
static void choose_shape(struct fib *f)
{
    uint8_t want = f->shape;
    union slot *slots = NULL;

    while (want + 1u < SHAPES && f->rib.count >= shapes[want + 1].routes)
        want++;
    while (want > 0 && f->rib.count < shapes[want].routes / 2)
        want--;
    if (want == f->shape)
        return;
    if (shapes[want].bits != 0) {
        slots = mem_alloc(f->rib.mem, MEM_TABLE, slots_of(shapes[want].bits) * sizeof *slots);
        if (slots == NULL)
            return; /* another shape answers too, only slower */
    }
    shape_set(f, want, slots);
}

static struct fib *poptrie_create(struct mem *m)
{
    struct fib *f = mem_alloc(m, MEM_TABLE, sizeof *f);

    if (f != NULL) {
        fib_rib_init(&f->rib, m);
        f->slots = &f->small;
        f->shift = 32;
    }
    return f;
}

static void poptrie_destroy(struct fib *f)
{
    struct mem *m = f->rib.mem;

    shape_set(f, 0, NULL);
    fib_rib_clear(&f->rib);
    mem_free(m, MEM_TABLE, f, sizeof *f);
}

static void poptrie_changed(struct fib *f, td_ip4 prefix, uint8_t plen)
{
    make_stale(f, prefix & ip4_mask(plen), plen);
}

static int poptrie_insert(struct fib *f, const struct fib_route *r)
{
    int e = fib_rib_insert(&f->rib, r);

    if (e == 0) {
        poptrie_changed(f, r->prefix, r->plen);
        choose_shape(f);
    }
    return e;
}

static int poptrie_remove(struct fib *f, const struct fib_route *r)
{
    int e = fib_rib_remove(&f->rib, r);

    if (e == 0) {
        poptrie_changed(f, r->prefix, r->plen);
        choose_shape(f);
    }
    return e;
}

/* ---- looking up ---- */

static struct fib_route *poptrie_lookup(struct fib *f, td_ip4 dst, uint32_t ifindex)
{
    return fib_rib_lookup(&f->rib, dst, ifindex);
}

static const struct fib_hop *book_find(struct fib *f, td_ip4 dst, uint32_t ifindex)
{
    const struct fib_route *r = fib_rib_lookup(&f->rib, dst, ifindex);

    return r != NULL ? r->hop : NULL;
}

static union slot *slot_of(struct fib *f, td_ip4 dst)
{
    return &f->slots[(uint64_t)dst >> f->shift];
}

/* A slot that isn't compiled yet. */
static const struct fib_hop *find_first(struct fib *f, td_ip4 dst, uint32_t ifindex);

/* How many bits are set. Without the processor's instruction for it (x86-64 has it since 2008, but a
 * compiler that must serve all doesn't use it) three additions of fields side by side are quicker
 * than the library's table. */
static inline uint32_t ones(uint64_t v)
{
#ifdef __POPCNT__
    return (uint32_t)__builtin_popcountll(v);
#else
    v -= v >> 1 & UINT64_C(0x5555555555555555);
    v = (v & UINT64_C(0x3333333333333333)) + (v >> 2 & UINT64_C(0x3333333333333333));
    v = (v + (v >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (uint32_t)(v * UINT64_C(0x0101010101010101) >> 56);
#endif
}

static unsigned block_answer(const struct pop_node *block, td_ip4 dst, unsigned depth)
{
    const uint16_t *leaves = (const uint16_t *)(const void *)block;
    const struct pop_node *n = block;

    for (;; depth += STRIDE) {
        unsigned child = child_of(dst, depth);
        uint64_t upto = (UINT64_C(2) << child) - 1;

        if ((n->vector >> child & 1) == 0)
            return leaves[n->base0 + ones(n->leafvec & upto) - 1];
        n = &block[n->base1 + ones(n->vector & upto) - 1];
    }
}

static const struct fib_hop *poptrie_find(struct fib *f, td_ip4 dst, uint32_t ifindex)
{
    union slot s = *slot_of(f, dst);
    const struct fib_hop *h;
    unsigned answer;

    if ((s.bits & 1) != 0)
        answer = (unsigned)(s.bits >> 1);
    else if (s.bits != 0)
        answer = block_answer(s.block, dst, f->bits);
    else
        return find_first(f, dst, ifindex);
    if (answer == FIB_HOP_NONE)
        return NULL;
    if (answer == FIB_HOP_BOOK)
        return book_find(f, dst, ifindex);
    h = f->rib.hop[answer];
    return ifindex == 0 || fib_hop_leads(h, ifindex) ? h : book_find(f, dst, ifindex);
}

static const struct fib_hop *find_first(struct fib *f, td_ip4 dst, uint32_t ifindex)
{
    union slot *s = slot_of(f, dst);

    *s = compile(f, dst & ip4_mask(f->bits), f->bits);
    return s->bits != 0 ? poptrie_find(f, dst, ifindex) : book_find(f, dst, ifindex);
}

static const struct fib_hop *poptrie_find_main(struct fib *f, td_ip4 dst, uint32_t ifindex)
{
    const struct fib_hop *h = poptrie_find(f, dst, ifindex);

    if (h == NULL || (h->type != FIB_LOCAL && h->type != FIB_BROADCAST))
        return h;
    return fib_rib_find_main(&f->rib, dst, ifindex);
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
    .find = poptrie_find,
    .lookup = poptrie_lookup,
    .find_main = poptrie_find_main,
    .changed = poptrie_changed,
    .next = poptrie_next,
    .count = poptrie_count,
};
