/* ip/fib_hop.c: what routes say, once each.
 *
 * Theory of operation. A full Internet table has a million prefixes and perhaps fifty neighbours to
 * send to. What a route says (type, gateway, interface, source, MTU, or the ways among which its
 * flows are shared out) is kept in a hop, and routes that say the same point to one hop: it is found
 * by a hash over its contents and counted by its routes.
 *
 * Each hop has a small number. The fast table's leaves are these numbers, two bytes each, so that a
 * lookup never touches a route: the hops it ends in are few, and stay in the processor's first-level
 * cache. Numbers that get free are given out again. If somebody has more than 65,534 different hops,
 * the others have the number FIB_HOP_BOOK, and lookups that lead there ask the book of routes.
 */
#include "ip/fib_rib.h"

#include <string.h>

/* A hop as words: the key of the hash, and what is compared. */
struct hop_key {
    uint32_t word[5 + 3 * FIB_PATHS_MAX];
    unsigned n;
};

static const struct siphash_key hop_hash_key; /* routes come from people: nobody wants to collide */

static unsigned key_path(uint32_t *word, const struct fib_path *p)
{
    word[0] = p->gateway;
    word[1] = p->ifindex;
    word[2] = (uint32_t)p->weight << 1 | p->onlink;
    return 3;
}

static void key_make(struct hop_key *k, const struct fib_route *r)
{
    k->word[0] = (uint32_t)r->type << 8 | r->npaths;
    k->word[1] = r->src;
    k->word[2] = r->mtu;
    k->word[3] = r->gateway;
    k->word[4] = r->ifindex << 1 | r->onlink;
    k->n = 5;
    for (unsigned i = 0; i < r->npaths; i++)
        k->n += key_path(k->word + k->n, &r->paths[i]);
}

static bool hop_eq(const struct hash_node *n, const void *key)
{
    const struct fib_hop *h = container_of(n, const struct fib_hop, node);
    const struct hop_key *k = key;
    uint32_t path[3];

    if (k->word[0] != ((uint32_t)h->type << 8 | h->npaths) || k->word[1] != h->src ||
        k->word[2] != h->mtu || k->word[3] != h->gateway ||
        k->word[4] != (h->ifindex << 1 | h->onlink))
        return false;
    for (unsigned i = 0; i < h->npaths; i++) {
        (void)key_path(path, &h->paths[i]);
        if (memcmp(path, k->word + 5 + 3 * i, sizeof path) != 0)
            return false;
    }
    return true;
}

/* hash_find hands the bytes hashed to hop_eq; they are the key's first member. */
static struct fib_hop *hop_find(const struct fib_rib *f, const struct hop_key *k)
{
    struct hash_node *n = hash_find(&f->hops, k->word, k->n * sizeof k->word[0], hop_eq);

    return n != NULL ? container_of(n, struct fib_hop, node) : NULL;
}

static size_t hop_size(unsigned npaths)
{
    return sizeof(struct fib_hop) + npaths * sizeof(struct fib_path);
}

/* A number for a new hop; FIB_HOP_BOOK when there is none, or no memory for the table of them. */
static uint16_t number_take(struct fib_rib *f)
{
    uint32_t cap = f->hop_cap != 0 ? f->hop_cap * 2 : 16;
    struct fib_hop **hop;
    uint16_t *spare;

    if (f->nspare > 0)
        return f->spare[--f->nspare];
    if (f->numbered + 1 < f->hop_cap)
        return (uint16_t)++f->numbered;
    if (f->hop_cap > FIB_HOP_BOOK - 1)
        return FIB_HOP_BOOK;
    if (cap > FIB_HOP_BOOK)
        cap = FIB_HOP_BOOK;
    hop = mem_alloc(f->mem, MEM_TABLE, cap * sizeof *hop);
    spare = mem_alloc(f->mem, MEM_TABLE, cap * sizeof *spare);
    if (hop == NULL || spare == NULL) {
        mem_free(f->mem, MEM_TABLE, hop, cap * sizeof *hop);
        mem_free(f->mem, MEM_TABLE, spare, cap * sizeof *spare);
        return FIB_HOP_BOOK;
    }
    if (f->hop_cap != 0)
        memcpy(hop, f->hop, f->hop_cap * sizeof *hop);
    mem_free(f->mem, MEM_TABLE, f->hop, f->hop_cap * sizeof *hop);
    mem_free(f->mem, MEM_TABLE, f->spare, f->hop_cap * sizeof *spare);
    f->hop = hop;
    f->spare = spare;
    f->hop_cap = cap;
    return (uint16_t)++f->numbered;
}

struct fib_hop *fib_hop_get(struct fib_rib *f, const struct fib_route *r)
{
    struct fib_hop *h;
    struct hop_key k;

    key_make(&k, r);
    h = hop_find(f, &k);
    if (h != NULL) {
        h->refs++;
        return h;
    }
    h = mem_alloc(f->mem, MEM_TABLE, hop_size(r->npaths));
    if (h == NULL)
        return NULL;
    h->type = r->type;
    h->gateway = r->gateway;
    h->src = r->src;
    h->ifindex = r->ifindex;
    h->mtu = r->mtu;
    h->onlink = r->onlink;
    h->npaths = r->npaths;
    h->refs = 1;
    for (unsigned i = 0; i < r->npaths; i++)
        h->paths[i] = r->paths[i];
    if (hash_insert(&f->hops, &h->node, k.word, k.n * sizeof k.word[0]) < 0) {
        mem_free(f->mem, MEM_TABLE, h, hop_size(r->npaths));
        return NULL;
    }
    h->id = number_take(f);
    if (h->id != FIB_HOP_BOOK)
        f->hop[h->id] = h;
    return h;
}

void fib_hop_put(struct fib_rib *f, struct fib_hop *h)
{
    if (--h->refs != 0)
        return;
    if (h->id != FIB_HOP_BOOK) {
        f->hop[h->id] = NULL;
        f->spare[f->nspare++] = h->id;
    }
    hash_remove(&f->hops, &h->node);
    mem_free(f->mem, MEM_TABLE, h, hop_size(h->npaths));
}

void fib_rib_init(struct fib_rib *f, struct mem *m)
{
    f->mem = m;
    hash_init(&f->hops, m, &hop_hash_key);
}

void fib_hops_done(struct fib_rib *f)
{
    hash_done(&f->hops);
    mem_free(f->mem, MEM_TABLE, f->hop, f->hop_cap * sizeof *f->hop);
    mem_free(f->mem, MEM_TABLE, f->spare, f->hop_cap * sizeof *f->spare);
    f->hop = NULL;
    f->spare = NULL;
    f->hop_cap = f->numbered = f->nspare = 0;
}
