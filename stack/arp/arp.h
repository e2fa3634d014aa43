/* arp/arp.h: the neighbour table (RFC 826, 1122 2.3.2, 5227; Linux's states). */
#ifndef ARP_ARP_H
#define ARP_ARP_H

#include "core/stack.h"
#include "link/link.h"

enum neigh_state { /* Linux's NUD_* under their names in `ip neigh` */
    NEIGH_NONE, NEIGH_INCOMPLETE, NEIGH_REACHABLE, NEIGH_STALE, NEIGH_DELAY, NEIGH_PROBE,
    NEIGH_FAILED, NEIGH_PERMANENT, NEIGH_NOARP,
};
const char *neigh_state_name(enum neigh_state s); /* "REACHABLE" */

int arp_init(struct td_stack *st);
void arp_done(struct td_stack *st);

/* Sends an IP datagram (p->data at the IP header) to next hop `nexthop` on nif: at once when its
 * MAC is known, after resolution otherwise. Broadcast and multicast map without asking. Consumes p.
 * 0: sent or queued. Negative errno: dropped, journaled. */
int arp_output(struct td_stack *st, struct netif *nif, td_ip4 nexthop, struct pkt *p);

/* Upper layers' word that nexthop answers (RFC 1122 2.3.2.1's advice from above): TCP calls it when
 * new data is acknowledged. */
void arp_confirm(struct td_stack *st, struct netif *nif, td_ip4 nexthop);

/* ip registers these when the instance is made. */
struct arp_hooks {
    /* Resolution failed: one call a packet that waited (consumes it). ip answers host unreachable. */
    void (*unreachable)(struct td_stack *st, struct netif *nif, struct pkt *p);
    /* Is this address one of ours, READY, on any interface? */
    bool (*is_local)(struct td_stack *st, td_ip4 addr);
    /* Proxy ARP (RFC 1027): would a datagram to addr leave by another interface than nif, and not by
     * a default route? */
    bool (*routed_elsewhere)(struct td_stack *st, struct netif *nif, td_ip4 addr);
    /* Which of our addresses a datagram to `target` on nif would carry as source; 0 = none. */
    td_ip4 (*source_for)(struct td_stack *st, struct netif *nif, td_ip4 target);
    /* RFC 5227: the address passed its probes / lost to somebody. */
    void (*acd_ready)(struct td_stack *st, struct netif *nif, struct netif_addr *a);
    void (*acd_conflict)(struct td_stack *st, struct netif *nif, struct netif_addr *a);
    /* RFC 5227 2.1: the interface came up, a READY address is to be tested again before it is used: ip
     * makes it ADDR_TENTATIVE, probing begins when the hook returns. NULL: it stays in use untested. */
    void (*acd_retest)(struct td_stack *st, struct netif *nif, struct netif_addr *a);
};
void arp_set_hooks(struct td_stack *st, const struct arp_hooks *hooks);

/* ip/addr.c tells: an address was configured (ADDR_TENTATIVE when it is to be probed first, RFC
 * 5227; otherwise it is announced at once when arp_notify says so), or is about to go. */
void arp_addr_added(struct td_stack *st, struct netif *nif, struct netif_addr *a);
void arp_addr_removed(struct td_stack *st, struct netif *nif, struct netif_addr *a);

/* ip neigh add/replace … lladdr … [permanent|reachable|stale], del, flush. -ENOENT, -ENOSPC, -EINVAL */
int neigh_set(struct td_stack *st, struct netif *nif, td_ip4 addr, struct td_mac mac,
              enum neigh_state state);
int neigh_del(struct td_stack *st, struct netif *nif, td_ip4 addr);
void neigh_flush(struct td_stack *st, struct netif *nif); /* NULL: all interfaces; PERMANENT stays */

/* arping: one broadcast request for target, journaled; replies are seen by `observe`. */
int arp_send_request(struct td_stack *st, struct netif *nif, td_ip4 spa, td_ip4 tpa);

/* Read only: for tests and `why`. NONE when there is no entry. */
enum neigh_state neigh_lookup(const struct td_stack *st, const struct netif *nif, td_ip4 addr,
                              struct td_mac *mac);

#endif
