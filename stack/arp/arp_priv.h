/* arp/arp_priv.h: what the files of arp/ share. Nobody else includes it.
 *
 *     arp.c       the protocol: packets in (RFC 826's algorithm) and out
 *     neigh.c     the table: the states of an entry, its queue, its timer
 *     neigh_gc.c  the table's bound: who goes when it is full
 *     neigh_table.c  its rows
 *     acd.c       RFC 5227: probe, announce, defend
 */
#ifndef ARP_ARP_PRIV_H
#define ARP_ARP_PRIV_H

#include "arp/arp.h"
#include "wire/arp.h"

/* Why an entry may be evicted, in the order in which it is: see neigh_gc.c. */
enum neigh_class {
    NEIGH_FAILED_CLASS,     /* nobody answered */
    NEIGH_UNUSED_CLASS,     /* STALE, made by somebody's request to us; we never sent to it */
    NEIGH_INCOMPLETE_CLASS, /* being asked for */
    NEIGH_STALE_CLASS,      /* STALE, was of use once */
    NEIGH_CLASSES,
    NEIGH_IN_USE = NEIGH_CLASSES, /* on no list, never evicted */
};

struct neigh_key {
    uint32_t ifindex;
    td_ip4 ip;
};

struct neigh {
    struct hash_node node;
    struct neigh_key key;
    struct netif *nif;
    enum neigh_state state;
    enum neigh_class class;
    struct neigh *older, *newer; /* list of its class, in order of entering it */
    struct td_mac mac;           /* zero until known */
    bool ever_used;              /* we sent, or wanted to send, to it */
    bool ever_asked;
    bool awaiting;   /* a request of ours is unanswered: the next reply is solicited */
    uint32_t probes; /* requests sent in this state */
    uint32_t fails;  /* resolutions that failed in a row */
    td_time reach;   /* how long this REACHABLE lasts: drawn on entering it */
    td_time used, confirmed, updated, asked, since; /* since: in this state */
    struct timer timer;
    struct pkt_queue queue; /* INCOMPLETE: packets that wait */
};

struct neigh_list {
    struct neigh *oldest, *newest;
};

/* When a destination whose entry was evicted was asked for last: the limit of one request a second
 * holds beyond the life of an entry. Direct mapped, newest wins. */
struct neigh_asked {
    struct neigh_key key;
    td_time at;
};
#define NEIGH_ASKED_SLOTS 1024

struct acd;
struct arp {
    struct arp_hooks hooks;
    struct hash table;
    struct neigh_list list[NEIGH_CLASSES];
    struct neigh_asked *asked; /* [NEIGH_ASKED_SLOTS], made when first needed */
    struct timer gc_timer;
    uint32_t queued; /* packets in all queues */
    struct acd *acds;
    struct table neigh_table;
};

static inline struct journal_subject arp_subject(const struct netif *nif, const struct pkt *p,
                                                 td_ip4 addr)
{
    return (struct journal_subject){
        .pkt = p != NULL ? p->id : 0, .ifindex = nif->index, .addr = addr};
}
static inline bool nif_speaks_arp(const struct netif *nif)
{
    return (nif->flags & (TD_IF_LOOPBACK | TD_IF_NOARP)) == 0;
}
/* addr lies in the prefix of a READY address of nif, and is neither its network nor its broadcast
 * address. */
bool arp_on_link(const struct netif *nif, td_ip4 addr);

/* arp.c: sends a request; dst broadcast or, for a probe, unicast. */
int arp_emit_request(struct td_stack *st, struct netif *nif, struct td_mac dst, td_ip4 spa,
                     td_ip4 tpa);

/* neigh.c */
struct neigh *neigh_find(const struct td_stack *st, const struct netif *nif, td_ip4 ip);
/* A new entry in state NONE; NULL: the table is full of entries in use, or no memory (counted and,
 * as a drop, journaled). */
struct neigh *neigh_create(struct td_stack *st, struct netif *nif, td_ip4 ip);
void neigh_remove(struct td_stack *st, struct neigh *n, enum journal_word why);
/* What an ARP packet from the neighbour says. reply: it is a unicast reply to us; gratuitous:
 * sender and target are the same address. */
void neigh_learn(struct td_stack *st, struct neigh *n, struct td_mac mac, bool reply,
                 bool gratuitous);
void neigh_link_changed(struct td_stack *st, struct netif *nif, enum link_change what);

/* neigh_table.c */
void neigh_table_init(struct td_stack *st);

/* neigh_gc.c */
void neigh_classify(struct td_stack *st, struct neigh *n, enum neigh_class c);
bool neigh_make_room(struct td_stack *st); /* false: nothing may go */
void neigh_gc_arm(struct td_stack *st);
timer_fn neigh_gc_due;
void neigh_asked_note(struct td_stack *st, const struct neigh *n);
bool neigh_asked_recall(const struct td_stack *st, struct neigh *n);

/* acd.c: true: the packet claims an address of ours and goes no further. */
bool acd_input(struct td_stack *st, struct netif *nif, const struct arp_pkt *p,
               const struct pkt *frame);
void acd_link_changed(struct td_stack *st, struct netif *nif, enum link_change what);
void acd_done(struct td_stack *st);

#endif
