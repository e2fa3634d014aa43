/* A rig with ARP and an IP layer that is only its hooks: eth0 has 10.0.0.1/24. */
#ifndef TESTS_ARP_RIG_H
#define TESTS_ARP_RIG_H

#include "check_main.h"
#include "rig.h"

#include <errno.h>
#include <string.h>

#define US        TD_IP4(10, 0, 0, 1)
#define PEER      TD_IP4(10, 0, 0, 2)
#define PEER2     TD_IP4(10, 0, 0, 3)
#define PEER_MAC  rig_mac(2)
#define PEER2_MAC rig_mac(3)

static struct rig *r;
static struct netif *nif;
static struct netif_addr addr[4];
static unsigned unreachable, acd_won, acd_lost;
static uint32_t unreachable_len[64];
static td_ip4 elsewhere; /* routed by another interface */

static inline void hook_unreachable(struct td_stack *st, struct netif *on, struct pkt *p)
{
    (void)st;
    (void)on;
    if (unreachable < 64)
        unreachable_len[unreachable] = p->len;
    unreachable++;
    pkt_free(p);
}
static inline bool hook_is_local(struct td_stack *st, td_ip4 a)
{
    for (const struct netif *n = netif_first(st); n != NULL; n = n->next)
        for (const struct netif_addr *own = n->addrs; own != NULL; own = own->next)
            if (own->addr == a && own->state == ADDR_READY)
                return true;
    return (a >> 24) == 127;
}
static inline bool hook_elsewhere(struct td_stack *st, struct netif *on, td_ip4 a)
{
    (void)st;
    (void)on;
    return a == elsewhere;
}
static inline td_ip4 hook_source(struct td_stack *st, struct netif *on, td_ip4 target)
{
    (void)st;
    (void)target;
    for (const struct netif_addr *own = on->addrs; own != NULL; own = own->next)
        if (own->state == ADDR_READY)
            return own->addr;
    return 0;
}
static inline void hook_ready(struct td_stack *st, struct netif *on, struct netif_addr *a)
{
    (void)st;
    (void)on;
    a->state = ADDR_READY;
    acd_won++;
}
static inline void hook_conflict(struct td_stack *st, struct netif *on, struct netif_addr *a)
{
    (void)st;
    (void)on;
    a->state = ADDR_CONFLICT;
    acd_lost++;
}

static inline void hook_retest(struct td_stack *st, struct netif *on, struct netif_addr *a)
{
    (void)st;
    (void)on;
    a->state = ADDR_TENTATIVE;
}

static inline void arp_setup(void)
{
    static const struct arp_hooks hooks = {hook_unreachable, hook_is_local, hook_elsewhere,
                                           hook_source,      hook_ready,    hook_conflict,
                                           hook_retest};

    r = rig_new(true);
    arp_set_hooks(&r->st, &hooks);
    nif = rig_if(r);
    rig_addr(nif, &addr[0], US, 24);
    unreachable = acd_won = acd_lost = 0;
    elsewhere = 0;
}
static inline void arp_teardown(void)
{
    rig_free(r);
}

/* A datagram of 20 + payload bytes to ip, flushed. */
static inline int send_to(td_ip4 ip, uint32_t payload)
{
    int rc = arp_output(&r->st, nif, ip, rig_datagram(r, US, ip, payload));

    rig_flush(r);
    return rc;
}
static inline enum neigh_state state(td_ip4 ip)
{
    return neigh_lookup(&r->st, nif, ip, NULL);
}
static inline bool mac_is(td_ip4 ip, struct td_mac want)
{
    struct td_mac mac;

    return neigh_lookup(&r->st, nif, ip, &mac) != NEIGH_NONE && mac_eq(mac, want);
}
static inline uint64_t events(enum event_id ev)
{
    return r->st.journal.events[ev];
}
static inline void reply(td_ip4 spa, struct td_mac sha)
{
    rig_arp(r, nif, &nif->mac, 2, sha, spa, nif->mac, US);
}
static inline void request(td_ip4 spa, struct td_mac sha, td_ip4 tpa)
{
    rig_arp(r, nif, NULL, 1, sha, spa, ZERO_MAC, tpa);
}
/* Resolves ip, so that it is REACHABLE and was used now. */
static inline void resolve(td_ip4 ip, struct td_mac mac)
{
    ck_assert_int_eq(send_to(ip, 100), 0);
    reply(ip, mac);
    ck_assert_int_eq(state(ip), NEIGH_REACHABLE);
    rig_forget(r);
}

#endif
