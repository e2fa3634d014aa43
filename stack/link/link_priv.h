/* link/link_priv.h: what the files of link/ share. Nobody else includes it. */
#ifndef LINK_LINK_PRIV_H
#define LINK_LINK_PRIV_H

#include "link/link.h"

struct link_proto {
    uint16_t type;
    link_handler *fn;
};

struct link {
    struct netif *first, *last; /* in order of index */
    struct netif **by_index;    /* [index], NULL where there is none; indices are never reused */
    uint32_t by_index_cap;
    uint32_t next_index;
    struct link_proto *protos;
    uint32_t nprotos;
    link_watch **watches;
    uint32_t nwatches;
    struct netif *dirty_first, *dirty_last; /* interfaces with work at the next flush */
    struct table link_table, qdisc_table;
};

/* link/netif_table.c: columns and rows of "link" and "qdisc". */
void netif_tables_init(struct td_stack *st);

/* link/eth.c */
void netif_mark_dirty(struct td_stack *st, struct netif *nif);
/* Throws away what waits in both directions; returns how many frames that were. */
uint64_t netif_clear_queues(struct td_stack *st, struct netif *nif);
timer_fn netif_egress_due, netif_ingress_due;

static inline struct journal_subject netif_subject(const struct netif *nif, const struct pkt *p)
{
    return (struct journal_subject){.pkt = p != NULL ? p->id : 0, .ifindex = nif->index};
}

#endif
