/* ip/fib.h: the forwarding information base, behind an ops table.
 *
 * Part of the architecture's replaceable organs: ip/ asks only through fib_ops. The reference
 * implementation is a binary trie with path compression (ip/fib_trie.c), simple and right; the one in use is
 * compiled from it and holds an Internet table (ip/fib_poptrie.c).
 */
#ifndef IP_FIB_H
#define IP_FIB_H

#include "core/hash.h"
#include "tapdeck/types.h"

enum fib_type { FIB_UNICAST, FIB_LOCAL, FIB_BROADCAST, FIB_MULTICAST, FIB_BLACKHOLE,
                FIB_UNREACHABLE, FIB_PROHIBIT, FIB_THROW };
const char *fib_type_name(enum fib_type t); /* "unicast", "local" … */

enum fib_proto { FIB_PROTO_KERNEL, FIB_PROTO_STATIC, FIB_PROTO_REDIRECT, FIB_PROTO_BOOT };

/* One way of several (RFC 2992): `ip route add … nexthop via … weight …`. */
#define FIB_PATHS_MAX 64
struct fib_path {
    td_ip4 gateway;   /* 0 = on-link */
    uint32_t ifindex;
    uint16_t weight;  /* 1 to 256 */
    bool onlink;      /* the gateway is a neighbour, whatever the subnets say */
    bool linkdown;    /* its interface is down */
    bool dead;        /* its gateway is believed dead */
};

/* What a lookup ends in: all that a datagram needs to know of a route. Routes that say the same share
 * one (a million prefixes lead to a few dozen neighbours). Good until the table changes. */
struct fib_hop {
    enum fib_type type;
    td_ip4 gateway;         /* 0 = on-link; with paths: 0 */
    td_ip4 src;             /* preferred source, 0 = the interface's */
    uint32_t ifindex;       /* with paths: 0 */
    uint32_t mtu;           /* 0 = the interface's */
    bool onlink;
    uint8_t npaths;         /* 0, or at least 2 */
    uint16_t id;            /* its number in the fast table; FIB_HOP_BOOK: it has none */
    uint32_t refs;          /* routes */
    struct hash_node node;
    struct fib_path paths[];
};

struct fib_route {
    struct fib_route *next; /* same prefix, larger metric (or same metric, later) */
    td_ip4 prefix;
    uint8_t plen;
    enum fib_type type;
    enum fib_proto proto;
    uint32_t metric;
    td_ip4 gateway;         /* 0 = on-link */
    td_ip4 src;             /* preferred source, 0 = the interface's */
    uint32_t ifindex;
    uint32_t mtu;           /* 0 = the interface's */
    bool onlink;            /* the gateway is a neighbour, whatever the subnets say */
    bool dead;              /* its gateway is believed dead (RFC 1122 3.3.1.5) */
    bool linkdown;          /* its interface is down */
    uint8_t npaths;         /* several ways; then gateway and ifindex are 0 */
    uint32_t table;         /* configuration: which table; 0 = the usual one. A fib doesn't look at it */
    bool exact;             /* removing: this very one, nothing stands for any */
    struct fib_path *paths; /* given: copied; in a table: the hop's */
    struct fib_hop *hop;    /* in a table */
    uint64_t order;         /* insertion number; given to insert: it comes back to its old place */
};

/* Where a dump that starts with prefix/plen begins: prefix(32) plen(6) place(25), 0 is the beginning
 * of all. The highest bit stays free, for whoever lists something else behind the routes. */
#define FIB_PLACE_BITS 25
static inline uint64_t fib_cursor(td_ip4 prefix, uint8_t plen)
{
    return (uint64_t)prefix << (FIB_PLACE_BITS + 6) | (uint64_t)plen << FIB_PLACE_BITS;
}

struct fib;
struct fib_ops {
    const char *name;
    struct fib *(*create)(struct mem *m);
    void (*destroy)(struct fib *f);
    /* Copies *r in; among routes of one prefix LOCAL and BROADCAST come first, then the smaller
     * metric, then the older. -EEXIST when prefix, metric, type, gateway, interface and ways are there
     * already; -ENOMEM. */
    int (*insert)(struct fib *f, const struct fib_route *r);
    /* Removes the route with prefix, plen, and metric (UINT32_MAX: the first), gateway (0: any) and
     * ifindex (0: any). Its type must be the same, but FIB_UNICAST also finds BLACKHOLE, UNREACHABLE,
     * PROHIBIT and THROW (`ip route del` names no type). -ESRCH. */
    int (*remove)(struct fib *f, const struct fib_route *r);
    /* Longest prefix match: what to do with a datagram to dst, by the best live route (of those on
     * ifindex, when not 0), or NULL. The data path's. */
    const struct fib_hop *(*find)(struct fib *f, td_ip4 dst, uint32_t ifindex);
    /* The same, but the route itself: for those who ask for its prefix. Slower. */
    struct fib_route *(*lookup)(struct fib *f, td_ip4 dst, uint32_t ifindex);
    /* find among routes that are neither LOCAL nor BROADCAST: the main table without the local one. */
    const struct fib_hop *(*find_main)(struct fib *f, td_ip4 dst, uint32_t ifindex);
    /* dead or linkdown of a route to prefix/plen, or of one of its ways, has been changed. 0/0: of any. */
    void (*changed)(struct fib *f, td_ip4 prefix, uint8_t plen);
    /* In order of prefix, then length, then place in the list of the prefix: the first at or behind
     * *cursor, which moves behind it. A cursor is fib_cursor() + place. Deterministic and resumable;
     * NULL at the end. */
    struct fib_route *(*next)(struct fib *f, uint64_t *cursor);
    uint32_t (*count)(const struct fib *f);
};
extern const struct fib_ops fib_trie;    /* the reference: one bit a step */
extern const struct fib_ops fib_poptrie; /* six bits a step, for any size of table */

/* Is there a way by ifindex (0: by any) that is alive? */
static inline bool fib_hop_leads(const struct fib_hop *h, uint32_t ifindex)
{
    if (h->npaths == 0)
        return ifindex == 0 || h->ifindex == ifindex || h->ifindex == 0;
    for (unsigned i = 0; i < h->npaths; i++)
        if (!h->paths[i].linkdown && !h->paths[i].dead &&
            (ifindex == 0 || h->paths[i].ifindex == ifindex))
            return true;
    return false;
}

/* Configuration: one change, errors as td_route_change() has them. */
int ip_route_add(struct td_stack *st, const struct fib_route *r, bool replace);
int ip_route_del(struct td_stack *st, const struct fib_route *r);

#endif
