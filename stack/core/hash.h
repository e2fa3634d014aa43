/* core/hash.h: the one hash table.
 *
 * Chained buckets of embedded nodes, a power of two of them, doubled when there is more than one
 * node a bucket and rehashed a few buckets an operation, so no single insert pays for all. The hash
 * is SipHash with the instance's key: a remote party can't choose who collides. Iteration is in
 * insertion order (nodes are also on a doubly linked list): determinism, and resumable dumps. When four
 * billion nodes were inserted those that are there are numbered anew, and a dump that is under way may
 * miss some or tell some twice.
 */
#ifndef CORE_HASH_H
#define CORE_HASH_H

#include "core/mem.h"
#include "core/rng.h"

struct hash_node {
    struct hash_node *chain;
    struct hash_node *older, *newer; /* insertion order */
    uint32_t hash;
    uint32_t order; /* insertion number: a resumable cursor */
};

struct hash {
    struct mem *mem;
    const struct siphash_key *key;
    struct hash_node **bucket, **old_bucket; /* old_bucket while a resize is under way */
    uint32_t nbuckets, old_nbuckets, migrated;
    uint32_t count;
    struct hash_node *oldest, *newest;
    struct hash_node *reader; /* what hash_from gave out last */
    uint32_t next_order;
};

typedef bool hash_eq_fn(const struct hash_node *n, const void *key);

/* Starts with no buckets: an empty table costs nothing. */
void hash_init(struct hash *h, struct mem *m, const struct siphash_key *key);
void hash_done(struct hash *h); /* frees the buckets; the nodes are their owners' */
/* key bytes must hold no padding. Returns the node or NULL. */
struct hash_node *hash_find(const struct hash *h, const void *key, size_t len, hash_eq_fn *eq);
/* 0, or -ENOMEM when not even a first bucket array could be had. Doesn't look for duplicates. */
int hash_insert(struct hash *h, struct hash_node *n, const void *key, size_t len);
void hash_remove(struct hash *h, struct hash_node *n);
/* Iteration in insertion order: `for (n = hash_first(h); n; n = hash_next(n))`; don't remove n
 * before taking its successor. hash_from(h, order): the first node with n->order >= order; one step
 * for a reader who goes on where the last call ended, a walk from the nearer end otherwise. */
struct hash_node *hash_first(const struct hash *h);
struct hash_node *hash_next(const struct hash_node *n);
struct hash_node *hash_from(struct hash *h, uint64_t order);

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#endif
