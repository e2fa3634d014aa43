/* link/bridge_priv.h: between bridge.c (ports, forwarding) and fdb.c (stations). Nobody else
 * includes it. */
#ifndef LINK_BRIDGE_PRIV_H
#define LINK_BRIDGE_PRIV_H

#include "link/link_priv.h"

#define BRIDGE_AGEING  (300 * TD_SEC) /* IEEE 802.1D table 7-5 */
#define BRIDGE_FDB_MAX 4096

struct bridge_port {
    struct bridge_port *next; /* in the order in which they joined */
    struct netif *nif;
    struct bridge *bridge;
    uint32_t flags; /* enum td_port_flags */
};

struct bridge {
    struct netif *nif;
    struct bridge_port *ports;
    struct hash fdb;  /* by MAC address */
    td_time ageing;   /* ns; 0: nothing is learnt */
    uint32_t fdb_max; /* learnt entries at most */
    uint32_t learned; /* learnt entries now: neither local nor static */
    bool full_told;   /* that it is full; until there is room again */
};

struct fdb_entry {
    struct hash_node node;
    struct bridge *bridge;
    struct bridge_port *port; /* NULL: the bridge's own interface */
    struct td_mac mac;
    bool own;       /* an interface's address: comes and goes with it */
    uint32_t flags; /* enum td_fdb_flags */
    uint32_t moves;
    td_time updated, used; /* when it was last heard, and last asked for */
    td_time told;          /* when a move was last told; 0: never */
    struct timer timer;    /* ageing: armed for a learnt one */
};

static inline bool fdb_is_learned(const struct fdb_entry *e)
{
    return (e->flags & (TD_FDB_LOCAL | TD_FDB_STATIC)) == 0;
}

/* link/fdb.c */
struct fdb_entry *fdb_find(struct bridge *br, struct td_mac mac); /* NULL = not known */
/* The station was heard on port. */
void fdb_learn(struct td_stack *st, struct bridge *br, struct bridge_port *port, struct td_mac mac);
/* The interfaces' own addresses, made anew: after a port or an address came or went. */
void fdb_own_addresses(struct td_stack *st, struct bridge *br);
/* Forgets what is behind a port (NULL: all ports); all: entries made by command too. How many. */
uint32_t fdb_forget_port(struct td_stack *st, struct bridge *br, const struct bridge_port *port,
                         bool all, enum journal_word why);
void fdb_ageing_changed(struct td_stack *st, struct bridge *br);
void fdb_done(struct td_stack *st, struct bridge *br);

#endif
