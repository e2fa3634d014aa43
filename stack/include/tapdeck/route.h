/* tapdeck/route.h: routes and rules: tables, several ways, policy, and why a destination goes where it goes.
 *
 * The first rule (ip-rule(8)) that matches and whose table has a route decides; within a table the longest prefix
 * wins, then the smallest metric. Every change goes through the door and can be recorded. Addresses are in host
 * order; each call returns 0 or a negative errno. Part of tapdeck/stack.h, which includes it.
 */
#ifndef TAPDECK_ROUTE_H
#define TAPDECK_ROUTE_H

#include "tapdeck/types.h"

struct td_stack;

/* Tables of routes, as Linux numbers them. `ip rule` says which are asked, in which order. */
enum { TD_TABLE_DEFAULT = 253, TD_TABLE_MAIN = 254, TD_TABLE_LOCAL = 255 };
enum td_route_proto { TD_PROTO_STATIC, TD_PROTO_KERNEL, TD_PROTO_REDIRECT, TD_PROTO_BOOT };
enum { /* flags of routes and of their ways */
    TD_ROUTE_ONLINK = 1,   /* the gateway is a neighbour, whatever the subnets say */
    TD_ROUTE_DEAD = 2,     /* read only: its gateway is believed dead */
    TD_ROUTE_LINKDOWN = 4, /* read only: its interface is down */
};
#define TD_PATHS_MAX 64
struct td_path { /* one way of several: `nexthop via A dev X weight N` */
    td_ip4 gateway;    /* 0 = on-link */
    uint32_t ifindex;  /* 0: the gateway's */
    uint16_t weight;   /* 1 to 256 */
    uint8_t flags;
};
struct td_route {
    td_ip4 prefix;
    uint8_t plen;
    uint8_t type;      /* enum fib_type's numbers: 0 unicast, 1 local, 2 broadcast, 4 blackhole, 5 unreachable,
                          6 prohibit, 7 throw */
    td_ip4 gateway;    /* 0 = on-link */
    td_ip4 src;        /* preferred source; 0 = none */
    uint32_t ifindex;  /* 0: the gateway's */
    uint32_t metric;   /* td_route_del: UINT32_MAX = any */
    uint32_t mtu;      /* 0 = the interface's */
    uint32_t table;    /* 0 = main; of local and broadcast routes, local */
    uint8_t flags;
    uint8_t proto;     /* enum td_route_proto */
    uint8_t npaths;    /* ways among which its flows are shared out; 0 = the one above */
    uint32_t first_path; /* ... in the batch's array */
};
int td_route_add(struct td_stack *st, const struct td_route *r, bool replace);
int td_route_del(struct td_stack *st, const struct td_route *r);

/* Routing by more than the destination: the first rule that matches and whose table has a route wins. */
struct td_rule {
    uint32_t priority;          /* adding: 0 = one less than the smallest above 0 */
    td_ip4 from, to;
    uint8_t from_len, to_len;   /* 0: any */
    char iif[16], oif[16];      /* "": any; iif lo: what this host sends itself */
    bool not;                   /* everything else */
    uint8_t type;               /* as a route's: 0 asks the table; 4, 5, 6 */
    uint32_t table;             /* deleting: 0 = any */
};
enum td_change_kind {
    TD_CHANGE_ADD,      /* -EEXIST: there is one with this prefix and metric */
    TD_CHANGE_APPEND,   /* behind those; -EEXIST: the same one */
    TD_CHANGE_REPLACE,  /* in place of the first of those, or new */
    TD_CHANGE_CHANGE,   /* in place of the first of those; -ESRCH: there is none */
    TD_CHANGE_DEL,
    TD_CHANGE_RULE_ADD,
    TD_CHANGE_RULE_DEL, /* priority 0, lengths 0, names "": any */
    TD_CHANGE_FLUSH_CACHE, /* what ICMP told about single destinations is forgotten */
};
struct td_change {
    enum td_change_kind kind;
    struct td_route route;
    struct td_rule rule;
};
struct td_change_list { /* the caller's memory */
    const struct td_change *change;
    size_t n;
    const struct td_path *path;
    size_t npaths;
};
/* All of them, or none: -errno of the first that can't be done, *bad its number (may be NULL). -EINVAL: host
 * bits, a metric, type or gateway that makes no sense; -ENETUNREACH: the gateway isn't on-link; -ENODEV;
 * -EADDRNOTAVAIL: src is no address of ours; -EEXIST; -ESRCH; -EPERM: the rule of the local table; -ENOSPC: as
 * many tables or rules as there may be; -ENOMEM. */
int td_route_change(struct td_stack *st, const struct td_change_list *l, size_t *bad);
/* The next route of a table at or behind *cursor (0: the first). path: room for TD_PATHS_MAX, or NULL. */
bool td_route_next(struct td_stack *st, uint32_t table, uint64_t *cursor, struct td_route *out,
                   struct td_path *path);
/* The smallest number above `after` of a table that has routes; 0 = none. */
uint32_t td_table_next(struct td_stack *st, uint32_t after);
bool td_rule_get(struct td_stack *st, unsigned i, struct td_rule *out); /* the i-th, in order */
struct td_route_answer { /* what `ip route get` prints */
    td_ip4 src, nexthop;
    uint32_t ifindex, mtu;
    uint8_t type;
};
int td_route_get(struct td_stack *st, td_ip4 dst, td_ip4 src, struct td_route_answer *out);
struct td_route_query {
    td_ip4 dst, src;     /* src 0: choose */
    uint32_t iif, oif;   /* iif: as if it had arrived there; 0: sent by this host */
    uint8_t proto;       /* of the flow, for net.ipv4.fib_multipath_hash_policy 1 */
    uint16_t sport, dport;
};
enum td_verdict {
    TD_RULE_OTHER,     /* the rule doesn't match */
    TD_RULE_PASSED,    /* its table has no answer: the next rule */
    TD_RULE_DECIDES,
    TD_ROUTE_CHOSEN,
    TD_ROUTE_THROWS,   /* the longest match says: ask the next rule */
    TD_ROUTE_SHORTER,  /* a longer prefix matches */
    TD_ROUTE_METRIC,   /* another of the same prefix has a smaller metric, or is older */
    TD_ROUTE_IS_DEAD,
    TD_ROUTE_IS_DOWN,
    TD_ROUTE_OTHER_DEV, /* leads elsewhere than to the interface asked for */
};
struct td_reason { /* a rule, then the routes of its table that cover the destination, longest first */
    enum td_verdict verdict;
    struct td_rule rule;   /* TD_RULE_…: that one */
    struct td_route route; /* TD_ROUTE_…: that one; ways are not given */
};
/* What `ip route get` prints: the answer, and how it was found: at most max reasons, *n of them. 0, or why
 * there is no way, as ip_route() has it; the reasons are there all the same. */
int td_route_explain(struct td_stack *st, const struct td_route_query *q, struct td_route_answer *out,
                     struct td_reason *reason, unsigned max, unsigned *n);

#endif
