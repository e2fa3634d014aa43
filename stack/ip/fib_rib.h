/* ip/fib_rib.h: all routes, in a path-compressed binary trie (ip/fib_trie.c).
 *
 * It is a FIB by itself, and the book from which a faster one is compiled (ip/fib_poptrie.c).
 */
#ifndef IP_FIB_RIB_H
#define IP_FIB_RIB_H

#include "ip/fib.h"

struct fib_node {
    struct fib_node *child[2];
    struct fib_route *routes; /* best first; NULL: only a branch */
    td_ip4 prefix;
    uint8_t plen;
};

/* Numbers of hops: 0 says there is no route, FIB_HOP_BOOK that the book must be asked. */
#define FIB_HOP_NONE 0u
#define FIB_HOP_BOOK 0xffffu

struct fib_rib {
    struct mem *mem;
    struct fib_node *root;
    uint32_t count; /* routes */
    uint64_t order;
    struct hash hops;     /* struct fib_hop, by what it says (ip/fib_hop.c) */
    struct fib_hop **hop; /* by number; [0] is NULL */
    uint16_t *spare;      /* numbers that are free below `numbered` */
    uint32_t hop_cap, numbered, nspare;
};

void fib_rib_init(struct fib_rib *f, struct mem *m);
/* The hop of a route, one reference more; NULL = no memory. */
struct fib_hop *fib_hop_get(struct fib_rib *f, const struct fib_route *r);
void fib_hop_put(struct fib_rib *f, struct fib_hop *h);
void fib_hops_done(struct fib_rib *f); /* when there are no routes any more */

/* As the operations of struct fib_ops. */
int fib_rib_insert(struct fib_rib *f, const struct fib_route *r);
int fib_rib_remove(struct fib_rib *f, const struct fib_route *r);
struct fib_route *fib_rib_lookup(struct fib_rib *f, td_ip4 dst, uint32_t ifindex);
const struct fib_hop *fib_rib_find_main(struct fib_rib *f, td_ip4 dst, uint32_t ifindex);
struct fib_route *fib_rib_next(struct fib_rib *f, uint64_t *cursor);
void fib_rib_clear(struct fib_rib *f);
/* May it be used for what leaves by ifindex (0: by any)? */
static inline bool fib_route_usable(const struct fib_route *r, uint32_t ifindex)
{
    return !r->dead && !r->linkdown && fib_hop_leads(r->hop, ifindex);
}

/* The best of a prefix's routes, or NULL. */
static inline struct fib_route *fib_node_best(const struct fib_node *n, uint32_t ifindex)
{
    for (struct fib_route *r = n->routes; r != NULL; r = r->next)
        if (fib_route_usable(r, ifindex))
            return r;
    return NULL;
}

#endif
