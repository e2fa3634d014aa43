/* core/hash.c: chained hash table with incremental growth.
 *
 * Two bucket arrays exist while the table grows: the new one takes all inserts, and each operation
 * that changes the table moves a few buckets over, so no single insert pays for all of them. A
 * lookup searches the new array and, while there is one, the old.
 */
#include "core/hash.h"

#include <errno.h>
#include <string.h>

#define HASH_FIRST   8 /* buckets of a table with its first node */
#define ORDER_MAX    (UINT32_MAX - 1) /* a cursor is one more than the last that was told */
#define HASH_MIGRATE 4 /* old buckets moved an operation */

void hash_init(struct hash *h, struct mem *m, const struct siphash_key *key)
{
    memset(h, 0, sizeof *h);
    h->mem = m;
    h->key = key;
}

static void buckets_free(struct hash *h, struct hash_node **b, uint32_t n)
{
    mem_free(h->mem, MEM_TABLE, b, (size_t)n * sizeof *b);
}

void hash_done(struct hash *h)
{
    buckets_free(h, h->bucket, h->nbuckets);
    buckets_free(h, h->old_bucket, h->old_nbuckets);
    h->bucket = h->old_bucket = NULL;
    h->nbuckets = h->old_nbuckets = h->migrated = h->count = 0;
    h->oldest = h->newest = h->reader = NULL;
}

static void hash_migrate(struct hash *h)
{
    for (int k = 0; k < HASH_MIGRATE && h->old_bucket != NULL; k++) {
        struct hash_node *n = h->old_bucket[h->migrated];
        while (n != NULL) {
            struct hash_node *rest = n->chain;
            struct hash_node **to = &h->bucket[n->hash & (h->nbuckets - 1)];
            n->chain = *to;
            *to = n;
            n = rest;
        }
        h->old_bucket[h->migrated] = NULL;
        if (++h->migrated == h->old_nbuckets) {
            buckets_free(h, h->old_bucket, h->old_nbuckets);
            h->old_bucket = NULL;
            h->old_nbuckets = h->migrated = 0;
        }
    }
}

struct hash_node *hash_find(const struct hash *h, const void *key, size_t len, hash_eq_fn *eq)
{
    if (h->count == 0)
        return NULL;
    uint32_t hash = (uint32_t)siphash(h->key, key, len);
    for (struct hash_node *n = h->bucket[hash & (h->nbuckets - 1)]; n != NULL; n = n->chain)
        if (n->hash == hash && eq(n, key))
            return n;
    if (h->old_bucket != NULL)
        for (struct hash_node *n = h->old_bucket[hash & (h->old_nbuckets - 1)]; n != NULL;
             n = n->chain)
            if (n->hash == hash && eq(n, key))
                return n;
    return NULL;
}

/* Makes room: the first array, or one twice as large. Growth that fails for want of memory only
 * makes chains longer. */
static int hash_grow(struct hash *h)
{
    if (h->nbuckets == 0) {
        h->bucket = mem_alloc(h->mem, MEM_TABLE, HASH_FIRST * sizeof *h->bucket);
        if (h->bucket == NULL)
            return -ENOMEM;
        h->nbuckets = HASH_FIRST;
    } else if (h->count >= h->nbuckets && h->old_bucket == NULL && h->nbuckets < UINT32_C(1) << 30) {
        struct hash_node **bigger =
            mem_alloc(h->mem, MEM_TABLE, (size_t)h->nbuckets * 2 * sizeof *bigger);
        if (bigger != NULL) {
            h->old_bucket = h->bucket;
            h->old_nbuckets = h->nbuckets;
            h->migrated = 0;
            h->bucket = bigger;
            h->nbuckets *= 2;
        }
    }
    return 0;
}

static void number_anew(struct hash *h)
{
    h->next_order = 0;
    for (struct hash_node *n = h->oldest; n != NULL; n = n->newer)
        n->order = ++h->next_order;
}

int hash_insert(struct hash *h, struct hash_node *n, const void *key, size_t len)
{
    int err = hash_grow(h);
    if (err != 0)
        return err;
    hash_migrate(h);
    n->hash = (uint32_t)siphash(h->key, key, len);
    struct hash_node **b = &h->bucket[n->hash & (h->nbuckets - 1)];
    n->chain = *b;
    *b = n;
    if (h->next_order == ORDER_MAX)
        number_anew(h);
    n->order = ++h->next_order;
    n->newer = NULL;
    n->older = h->newest;
    if (h->newest != NULL)
        h->newest->newer = n;
    else
        h->oldest = n;
    h->newest = n;
    h->count++;
    return 0;
}

static bool chain_unlink(struct hash_node **b, struct hash_node *n)
{
    for (; *b != NULL; b = &(*b)->chain)
        if (*b == n) {
            *b = n->chain;
            return true;
        }
    return false;
}

void hash_remove(struct hash *h, struct hash_node *n)
{
    if (!chain_unlink(&h->bucket[n->hash & (h->nbuckets - 1)], n) && h->old_bucket != NULL)
        (void)chain_unlink(&h->old_bucket[n->hash & (h->old_nbuckets - 1)], n);
    if (n->older != NULL)
        n->older->newer = n->newer;
    else
        h->oldest = n->newer;
    if (n->newer != NULL)
        n->newer->older = n->older;
    else
        h->newest = n->older;
    if (h->reader == n)
        h->reader = n->newer != NULL ? n->newer : n->older;
    n->chain = n->older = n->newer = NULL;
    h->count--;
    hash_migrate(h);
}

struct hash_node *hash_first(const struct hash *h)
{
    return h->oldest;
}

struct hash_node *hash_next(const struct hash_node *n)
{
    return n->newer;
}

/* The first node with order >= `order`, by steps from any node near it. */
static struct hash_node *walk_to(struct hash_node *n, uint64_t order)
{
    while (n->order < order && n->newer != NULL)
        n = n->newer;
    while (n->older != NULL && n->older->order >= order)
        n = n->older;
    return n;
}

struct hash_node *hash_from(struct hash *h, uint64_t order)
{
    if (h->newest == NULL || h->newest->order < order)
        return NULL;
    struct hash_node *near = h->oldest;
    if (order > near->order + (h->newest->order - near->order) / 2)
        near = h->newest;
    /* A running dump asks for the place behind the one it was given. */
    struct hash_node *r = h->reader;
    if (r != NULL && order >= r->order && (near == h->oldest || order - r->order < near->order - order))
        near = r;
    h->reader = walk_to(near, order);
    return h->reader;
}
