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
    struct pkt_queue forward; /* what bridges send: p->ifindex says by which port */
    bool forwarding;          /* link_forward_run is at work */
    struct pkt_queue gro;     /* segments that wait to be joined (gro.c) */
    struct link_observer *observers; /* NULL: nobody looks */
    struct table link_table, qdisc_table, rule_table, fdb_table;
};

#define LINK_NEST 8 /* interfaces one above the other at most, as in Linux */

/* link/netif_table.c: columns and rows of "link" and "qdisc". */
void netif_tables_init(struct td_stack *st);

/* link/eth.c */
void netif_mark_dirty(struct td_stack *st, struct netif *nif);
/* Throws away what waits in both directions; returns how many frames that were. */
uint64_t netif_clear_queues(struct td_stack *st, struct netif *nif);
timer_fn netif_egress_due, netif_ingress_due;
/* Lets in what the ingress queue disciplines release now, and sets the timer for the rest. */
void netif_ingress_run(struct td_stack *st, struct netif *nif);

/* link/netif_qdisc.c: hears what the disciplines of a new interface will say; a device's first egress queue
 * (once ops and txqlen are set; -ENOMEM). */
void netif_qdisc_listen(struct netif *nif);
int netif_qdisc_init(struct netif *nif);

/* A frame with its Ethernet header leaves by nif. Consumes p. 0, or a negative errno: dropped, told and counted. */
int link_xmit(struct td_stack *st, struct netif *nif, struct pkt *p);
/* Below the queue discipline of an interface without device: where its frame goes. As link_xmit. */
int link_xmit_virtual(struct td_stack *st, struct netif *nif, struct pkt *p);
/* Sends what bridges have put into l->forward; a bridge may stand on another: no recursion. */
void link_forward_run(struct td_stack *st);
/* Drops p on its way out: counts, frees. Returns error. */
int eth_refused(struct td_stack *st, struct netif *nif, struct pkt *p, int error);

/* link/netif.c: making an interface, in two steps; between them what its kind needs is added. mac zero: a random one.
 * -EINVAL (name, MTU, address), -EEXIST, -ENOMEM. */
int netif_new(struct td_stack *st, const char *name, enum td_link_kind kind, struct td_mac mac, uint32_t mtu,
              uint32_t flags, struct netif **out);
void netif_publish(struct td_stack *st, struct netif *nif); /* it is there: in the lists, told; still down */
void netif_free(struct td_stack *st, struct netif *nif);    /* one that isn't in the lists */
void link_tell(struct td_stack *st, struct netif *nif, enum link_change what);
bool netif_nest_ok(const struct td_stack *st); /* no more than LINK_NEST above each other */
/* As netif_set_mtu and netif_set_mac, on behalf of an interface below or a port: own_mtu, own_mac stay. */
void netif_follow_mtu(struct td_stack *st, struct netif *nif, uint32_t mtu);
void netif_follow_mac(struct td_stack *st, struct netif *nif, struct td_mac mac);

/* link/vlan.c */
struct netif *vlan_find(const struct netif *lower, uint16_t vid); /* NULL = none */
int vlan_check(const struct td_stack *st, const struct td_link_config *c, struct netif **lower);
int vlan_attach(struct td_stack *st, struct netif *nif); /* -EEXIST, -ENOMEM */
void vlan_detach(struct td_stack *st, struct netif *nif);
/* The interface above one that follows what happened to the one below. */
void vlan_lower_changed(struct td_stack *st, struct netif *lower, enum link_change what);
struct netif *vlan_first_on(const struct td_stack *st, const struct netif *lower);
bool vlan_push(struct pkt *p, uint16_t tci); /* false: no memory */
void vlan_pop(struct pkt *p);                /* at least 18 linear bytes, tagged */

/* link/bridge.c */
int bridge_init(struct td_stack *st, struct netif *nif, const struct td_bridge_config *c);
void bridge_done(struct td_stack *st, struct netif *nif);
/* What came in on a port: forwards it. Returns what is for the host, to be taken in as the bridge's, or NULL. */
struct pkt *bridge_input(struct td_stack *st, struct netif *nif, struct pkt *p, const struct eth_hdr *h);
/* What the host sends on the bridge's interface. */
int bridge_output(struct td_stack *st, struct netif *nif, struct pkt *p);
/* nif is a bridge and mac a local address of it (a port's, say): frames for it are the host's. */
bool bridge_has_address(const struct netif *nif, struct td_mac mac);
bool bridge_carrier(const struct netif *nif); /* a port is up */
bool bridge_stands_on(const struct netif *nif, const struct netif *below); /* directly or through others */
unsigned bridge_depth(const struct netif *nif);
/* An interface changed: as a port, or as a bridge. */
void bridge_changed(struct td_stack *st, struct netif *nif, enum link_change what);

/* link/fdb.c: columns and rows of "fdb". */
void fdb_table_init(struct td_stack *st);

/* link/observe.c: shows a frame to those who look at nif; asked where somebody looks at all. */
void link_seen(struct td_stack *st, const struct netif *nif, bool out, const struct pkt *p);
static inline void link_show(struct td_stack *st, const struct netif *nif, bool out, const struct pkt *p)
{
    if (__builtin_expect(st->link->observers != NULL, 0))
        link_seen(st, nif, out, p);
}

/* link/offload.c: finishes what the device won't: cuts a super-frame, completes a checksum. The
 * frames are in out. Consumes p. 0, or a negative errno: dropped, told and counted. */
int offload_finish(struct td_stack *st, struct netif *nif, struct pkt *p, struct pkt_queue *out);

static inline struct journal_subject netif_subject(const struct netif *nif, const struct pkt *p)
{
    return (struct journal_subject){.pkt = p != NULL ? p->id : 0, .ifindex = nif->index};
}

/* gro.c: p, data at the Ethernet header, goes up now or joined with what follows. Consumes p. */
void gro_input(struct td_stack *st, struct netif *nif, struct pkt *p);

#endif
