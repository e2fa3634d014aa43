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

struct fib_rib {
    struct mem *mem;
    struct fib_node *root;
    uint32_t count; /* routes */
    uint64_t order;
};

/* As the operations of struct fib_ops. */
int fib_rib_insert(struct fib_rib *f, const struct fib_route *r);
int fib_rib_remove(struct fib_rib *f, const struct fib_route *r);
struct fib_route *fib_rib_lookup(struct fib_rib *f, td_ip4 dst, uint32_t ifindex);
struct fib_route *fib_rib_next(struct fib_rib *f, uint64_t *cursor);
void fib_rib_clear(struct fib_rib *f);
/* May it be used for what leaves by ifindex (0: by any)? */
static inline bool fib_route_usable(const struct fib_route *r, uint32_t ifindex)
{
    return !r->dead && !r->linkdown && (ifindex == 0 || r->ifindex == ifindex || r->ifindex == 0);
}

#endif
