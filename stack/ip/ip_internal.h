/* ip/ip_internal.h: what the files of ip/ share, and nobody else includes.
 *
 * A map of the folder:
 *     ip.c          the instance's state made and unmade; protocols registered; interfaces watched
 *     addr.c        interface addresses and the routes that follow from them
 *     fib_trie.c    longest-prefix match: the book of routes
 *     fib_hop.c     ... what routes say, once each
 *     fib_poptrie.c  ... and the fast table compiled from it
 *     policy.c      tables, rules, and the ways of one route
 *     route.c       ip_route: next hop and source; default gateways
 *     route_change.c  routes and rules as they are configured
 *     route_why.c   how a route was found
 *     dstcache.c    what was learnt about single destinations: path MTUs and redirects
 *     input.c       ip_input: validation, in the order of RFC 1122 3.2.1
 *     output.c      ip_output, fragmentation
 *     forward.c     what passes through
 *     frag.c        reassembly
 *     ipid.c        identification numbers
 *     options.c     options in an answer: routes recorded and reversed
 *     mcast.c       groups
 *     icmp.c        ICMP received; echo
 *     icmp_error.c  ICMP errors sent and received
 *     tables.c      addr, route, frag, pmtu
 *     nf/           packet filter, address translation, connection tracking: nf/nf.h has its map
 */
#ifndef IP_IP_INTERNAL_H
#define IP_IP_INTERNAL_H

#include "arp/arp.h"
#include "ip/ip.h"
#include "tapdeck/route.h"
#include "wire/checksum.h"

/* ---- dstcache.c ---- */

/* One destination about which ICMP told something. Either half may be unset (its expiry 0). */
struct dst_entry {
    struct hash_node node;
    td_ip4 dst;
    uint32_t mtu;          /* RFC 1191 */
    bool mtu_floor;        /* the router asked for less than net.ipv4.route.min_pmtu */
    td_time mtu_expires;
    td_ip4 gateway;        /* by a redirect (RFC 1122 3.2.2.2) … */
    td_ip4 instead_of;     /* … of this gateway: void when the route's gateway is another by now */
    uint32_t ifindex;
    td_time gw_expires;
};

#define DST_CACHE_MAX 2048
#define DST_LIFETIME  (600 * TD_SEC)

void dst_cache_init(struct td_stack *st);
void dst_cache_done(struct td_stack *st);
/* The entry for dst with what has expired taken out, or NULL. */
struct dst_entry *dst_find(struct td_stack *st, td_ip4 dst);
/* dst goes by `gateway` on ifindex instead of `instead_of` from now on. */
void dst_redirect(struct td_stack *st, td_ip4 from, td_ip4 dst, td_ip4 gateway, td_ip4 instead_of,
                  uint32_t ifindex);
void dst_forget_redirect(struct td_stack *st, struct dst_entry *e); /* may free e */
void dst_forget_all(struct td_stack *st); /* `ip route flush cache` */
void dst_forget_interface(struct td_stack *st, uint32_t ifindex);

/* ---- frag.c ---- */

struct frag_queue;
struct frag_source;
struct reasm {
    struct hash queues;  /* by (src, dst, proto, id) */
    struct hash sources; /* by src */
    struct frag_queue **all; /* dense, for a random choice */
    uint32_t count, cap;
    uint64_t held; /* bytes charged */
};
void frag_init(struct td_stack *st);
void frag_done(struct td_stack *st);
/* A fragment whose header is rx->h, p->data behind the header, l3 noted. Consumes p. When it was the
 * last one missing, returns the whole datagram in the same form and sets rx->h; otherwise NULL. */
struct pkt *ip_reassemble(struct td_stack *st, struct pkt *p, struct ip_rx *rx);

/* A row of the table `frag`. */
struct frag_info {
    td_ip4 src, dst;
    uint16_t id;
    uint8_t proto;
    uint32_t fragments, received, total, holes; /* total: octets of payload, 0 = not known yet */
    td_time expires;
    bool barred;
};
bool frag_next(const struct td_stack *st, uint64_t *cursor, struct frag_info *out);

/* ---- ipid.c ---- */

#define IPID_BUCKETS 1024
struct ipid {
    struct siphash_key where, what;
    uint16_t counter[IPID_BUCKETS];
};
void ipid_init(struct td_stack *st);
uint16_t ipid_next(struct td_stack *st, td_ip4 src, td_ip4 dst, uint8_t proto);

/* ---- the instance ---- */

struct ip {
    const struct ip_protocol *proto[256];
    const struct fib_ops *fib_ops;
    struct fib *fib;            /* the local and the main table in one: policy.c */
    struct fib *own;            /* the local table alone */
    struct fib_table *tables;   /* the others, by number */
    uint32_t ntables, nrules;
    struct ip_rule *rules;      /* by priority */
    bool rules_plain;           /* local, main, default: nobody has added any */
    struct timer gateway_timer; /* dead gateways are tried again */
    struct hash dst;            /* struct dst_entry */
    struct hash groups;         /* struct ip_group */
    struct reasm reasm;
    struct ipid ids;
    struct pkt_queue failed;    /* our datagrams whose next hop didn't resolve */
    struct timer failed_timer;
    struct nf *nf;              /* packet filter, NAT, tracking: nf/nf.h; NULL = there is none */
    char (*nf_texts)[32];       /* names that the journal may ask for */
    uint32_t nf_ntexts;
    struct table addr_table, route_table, frag_table, pmtu_table, conntrack_table;
};

/* Where a datagram to dst goes (of what leaves by ifindex, when not 0), or NULL. */
static inline const struct fib_hop *ip_fib_lookup(const struct td_stack *st, td_ip4 dst,
                                                  uint32_t ifindex)
{
    if (FAULT_ON(st, WRONG_PREFIX))
        dst &= 0xffffff00;
    if (FAULT_ON(st, LARGEST_METRIC)) {
        const struct fib_route *r = st->ip->fib_ops->lookup(st->ip->fib, dst, ifindex);

        while (r != NULL && r->next != NULL)
            r = r->next;
        return r != NULL ? r->hop : NULL;
    }
    return st->ip->fib_ops->find(st->ip->fib, dst, ifindex);
}

/* The route that says so: for those who must know its prefix. Not for a data path. */
static inline struct fib_route *ip_fib_route(const struct td_stack *st, td_ip4 dst,
                                             uint32_t ifindex)
{
    if (FAULT_ON(st, WRONG_PREFIX))
        dst &= 0xffffff00;
    return st->ip->fib_ops->lookup(st->ip->fib, dst, ifindex);
}

/* ---- policy.c: tables and rules, and one of several ways ---- */

#define RULE_MAIN    32766
#define RULE_DEFAULT 32767

struct fib_table {
    struct fib_table *next;
    uint32_t id;
    struct fib *fib;
};

struct ip_rule {
    struct ip_rule *next;
    struct td_rule r;
    uint32_t iif, oif; /* 0: there is no such interface now */
};

struct route_key { /* what a datagram is routed by */
    td_ip4 dst, src;
    uint32_t iif, oif;  /* iif: of what we send, the loopback interface's; oif: only by this one; 0 = any */
    uint8_t proto;
    uint32_t ports;     /* both, as on the wire; 0 = none */
};

struct route_step { /* the way taken */
    td_ip4 gateway; /* 0 = on-link */
    uint32_t ifindex;
};

int policy_init(struct td_stack *st); /* -ENOMEM */
void policy_done(struct td_stack *st);
int policy_rule_add(struct td_stack *st, struct td_rule *r); /* fills in the priority */
/* r: the one that went; *place: how many rules are in front of where it was. */
int policy_rule_del(struct td_stack *st, struct td_rule *r, bool exact, unsigned *place);
void policy_rule_put_back(struct td_stack *st, const struct td_rule *r, unsigned place);
void policy_interface(struct td_stack *st, const struct netif *nif, bool there);
struct fib *ip_table(const struct td_stack *st, uint32_t id); /* NULL: it has no routes */
/* As fib_ops has them, into the table that r names. Also -ENOSPC: too many tables. */
int table_insert(struct td_stack *st, const struct fib_route *r);
int table_remove(struct td_stack *st, const struct fib_route *r);
bool ip_rule_matches(const struct ip_rule *i, const struct route_key *k);
const struct fib_hop *ip_rule_verdict(uint8_t type);
/* By the rules: the hop, which may be one that refuses; never THROW; NULL: there is no route. */
const struct fib_hop *ip_resolve(const struct td_stack *st, const struct route_key *k);
/* The way that the flow takes; of a hop with one way, that. */
struct route_step ip_step(const struct td_stack *st, const struct fib_hop *h,
                          const struct route_key *k);
/* The ports of a datagram whose transport header is `at` bytes behind p->data; 0: it shows none. */
uint32_t ip_flow_ports(const struct pkt *p, uint32_t at, const struct ipv4_hdr *h);

/* What is ours, and broadcasts: the local table. */
static inline const struct fib_hop *ip_own(const struct td_stack *st, td_ip4 dst, uint32_t ifindex)
{
    return st->ip->fib_ops->find(st->ip->own, dst, ifindex);
}

/* ---- route_change.c ---- */

uint8_t route_proto_public(enum fib_proto p); /* enum td_route_proto */
void route_journal(struct td_stack *st, enum event_id ev, const struct fib_route *r);

/* ---- addr.c ---- */

void addr_set_hooks(struct td_stack *st);
void addr_interface_removed(struct td_stack *st, struct netif *nif);
/* The best source on nif for a next hop: of its subnet, else the primary one; 0 = none. */
td_ip4 addr_source_on(const struct netif *nif, td_ip4 nexthop);
/* The same, falling back to any interface but loopback (RFC 1122 3.3.4.3; weak host model). */
td_ip4 addr_source(const struct td_stack *st, const struct netif *nif, td_ip4 nexthop);
/* The interface that has this address READY, or NULL. */
struct netif *addr_owner(const struct td_stack *st, td_ip4 addr);
/* No host may have this address: 0/8, 127/8, multicast, class E, a broadcast address of ours. */
bool addr_is_no_host(const struct td_stack *st, td_ip4 addr);

/* ---- route.c ---- */

void route_interface_changed(struct td_stack *st, uint32_t ifindex, bool up);
void route_interface_removed(struct td_stack *st, uint32_t ifindex);
void route_source_removed(struct td_stack *st, td_ip4 src);
void route_gateway_timer(struct td_stack *st, struct timer *t);
/* ARP could not resolve nexthop, which was to take a datagram to dst on nif. True: it was a gateway,
 * and another one is in use now. */
bool route_nexthop_failed(struct td_stack *st, const struct netif *nif, td_ip4 dst);
/* Routes ip_route()s without needing a source: out->src may be 0. */
int route_find(struct td_stack *st, td_ip4 dst, td_ip4 src, uint32_t ifindex,
               struct ip_route_result *out);
/* The same for a flow whose ports are known. k->iif is filled in. */
int route_find_flow(struct td_stack *st, struct route_key k, struct ip_route_result *out);
int route_type_error(enum fib_type t); /* 0, or why it takes no datagrams */
uint32_t route_loopback(const struct td_stack *st); /* the loopback interface's index; 0 = none */

/* ---- mcast.c ---- */

#define IP_ALL_HOSTS TD_IP4(224, 0, 0, 1)
#define IP_GROUPS_MAX 512
void mcast_done(struct td_stack *st);
void mcast_interface_up(struct td_stack *st, struct netif *nif); /* joins 224.0.0.1 */
void mcast_interface_removed(struct td_stack *st, uint32_t ifindex);
bool mcast_joined(const struct td_stack *st, const struct netif *nif, td_ip4 group);

/* ---- input.c, output.c ---- */

void ip_input(struct td_stack *st, struct netif *nif, struct pkt *p, const struct eth_hdr *eth);
/* arp's hook: p waited for a next hop that didn't answer. */
void ip_unreachable(struct td_stack *st, struct netif *nif, struct pkt *p);
void ip_failed_timer(struct td_stack *st, struct timer *t);
/* Sums what PKT_CSUM_PARTIAL left open and stores it. False: no memory. */
bool ip_csum_complete(struct pkt *p, uint8_t proto);

/* Cuts the payload p of a datagram with header h into q, pieces of at most mtu octets with headers; DF only where p
 * was put together from pieces (p->frag_max). False: no memory (q is empty). */
bool ip_fragment(struct td_stack *st, const struct pkt *p, const struct ipv4_hdr *h, uint32_t mtu,
                 struct pkt_queue *q);

/* ---- forward.c ---- */

/* p (data at the IP header) isn't for us. Consumes it. */
void ip_forward(struct td_stack *st, struct pkt *p, const struct ip_rx *rx);

/* ---- tables.c ---- */

void tables_register(struct td_stack *st);

/* ---- options.c ---- */

/* The options of an answer to a datagram with header h, which reached our address `self` (RFC 1122
 * 3.2.2.6): record route and timestamp brought up to date, a completed source route reversed (then
 * *first_hop is where the answer goes first; else 0). Returns the length, a multiple of 4. */
unsigned ip_options_answer(const struct td_stack *st, const struct ipv4_hdr *h, td_ip4 self,
                           uint8_t out[40], td_ip4 *first_hop);
/* Record route and timestamp in the options of a datagram that passes through, as on the wire, brought up to date
 * with our address `self`; hop: the source route too, whose next stop was taken out of it. True if something
 * changed. They have been checked. */
bool ip_options_transit(const struct td_stack *st, uint8_t *opt, unsigned len, td_ip4 self, bool hop);
/* Where a source route that isn't complete goes next; false: there is none. *strict: it must be a neighbour. */
bool ip_options_next_hop(const struct ipv4_hdr *h, td_ip4 *next, bool *strict);
/* Is there a source route, and is it complete (pointer behind the list)? */
bool ip_options_source_route(const struct ipv4_hdr *h, bool *complete);

/* ---- icmp.c, icmp_error.c ---- */

struct icmp {
    const struct icmp_listener *listener;
    uint32_t tokens;        /* global bucket */
    td_time refilled;
    struct hash hosts;      /* struct icmp_bucket, one a destination of errors */
};
#define ICMP_HOSTS_MAX 1024
#define ICMP_QUOTE_MAX (576 - IPV4_HLEN - ICMP_HLEN) /* RFC 1812 4.3.2.3 */

/* An error message arrived: p->data at the ICMP header. Borrows p. */
void icmp_error_input(struct td_stack *st, struct pkt *p, const struct ip_rx *rx,
                      const struct icmp_hdr *h);
void icmp_error_done(struct td_stack *st);
/* Checksums the message in p, counts it and sends it. */
int icmp_transmit(struct td_stack *st, struct pkt *p, const struct ip_tx *tx);

#endif
