/* arp/arp.c: the Address Resolution Protocol (RFC 826), packets in and out.
 *
 * Theory of operation. arp_input is RFC 826's "Packet Reception" in its order, with what later RFCs
 * and experience put in front of it:
 *
 *     hardware and protocol type, lengths            wire/arp.c; else dropped
 *     the sender's MAC could be a station's          RFC 1812 3.3.2; else dropped
 *     not a packet of our own, come back             dropped, no conflict
 *     the sender claims an address of ours           RFC 5227 2.1.1, 2.4: acd.c; never cached
 *     the sender's address could be a host's here    else dropped; 0.0.0.0 is a probe (RFC 5227)
 *     merge: the sender is in the table              its entry is updated, whatever the opcode
 *     are we the target?                             else end, or proxy ARP (RFC 1027)
 *     not merged: add the sender                     only for a request: a reply nobody asked for
 *                                                    makes no entry
 *     request: reply to the asker's MAC              unicast, on the arriving interface
 *
 * RFC 826 adds the sender for replies too; that is the classical cache poisoning, so here
 * unsolicited traffic only ever updates what is there. A request from a sender that isn't on this
 * link (not in a prefix of the interface, and no neighbour already) is neither cached nor answered.
 *
 * Which of our addresses are answered for where is arp_ignore's, which source requests carry
 * arp_announce's: Linux's knobs and meanings.
 */
#include "arp/arp_priv.h"

#include <errno.h>

bool arp_on_link(const struct netif *nif, td_ip4 addr)
{
    for (const struct netif_addr *a = nif->addrs; a != NULL; a = a->next) {
        td_ip4 host = a->plen < 32 ? (td_ip4)0xffffffff >> a->plen : 0;

        if (a->state != ADDR_READY || ((a->addr ^ addr) & ~host) != 0)
            continue;
        if (a->plen < 31 && ((addr & host) == 0 || (addr & host) == host))
            return false; /* the prefix's network or broadcast address: nobody's */
        return true;
    }
    return false;
}

/* ---- output ---- */

static int arp_emit_packet(struct td_stack *st, struct netif *nif, struct td_mac dst,
                           const struct arp_pkt *a)
{
    struct pkt *p = pkt_alloc(&st->mem, PKT_HEADROOM, ETH_MIN_FRAME);
    uint8_t *b = p != NULL ? pkt_put(p, ARP_LEN) : NULL;

    if (b == NULL) {
        struct journal_subject sub = arp_subject(nif, NULL, a->tpa);

        JOURNAL(st, EV_ARP_DROP_QUEUE, &sub, nif->index, a->tpa, W_NO_MEMORY);
        count(st, ArpQueueDrops);
        pkt_free(p);
        return -ENOBUFS;
    }
    (void)arp_emit(a, b);
    return eth_output(st, nif, dst, ETHERTYPE_ARP, p);
}

int arp_emit_request(struct td_stack *st, struct netif *nif, struct td_mac dst, td_ip4 spa,
                     td_ip4 tpa)
{
    struct arp_pkt a = {.op = ARP_REQUEST, .sha = nif->mac, .spa = spa, .tpa = tpa};

    count(st, ArpOutRequests);
    return arp_emit_packet(st, nif, dst, &a);
}

int arp_send_request(struct td_stack *st, struct netif *nif, td_ip4 spa, td_ip4 tpa)
{
    struct journal_subject sub = arp_subject(nif, NULL, tpa);

    if (!nif_speaks_arp(nif))
        return -EOPNOTSUPP;
    if (!netif_is_up(nif))
        return -ENETDOWN;
    JOURNAL(st, EV_ARP_REQUEST, &sub, nif->index, tpa, spa, mac_u64(MAC_BROADCAST), 1);
    return arp_emit_request(st, nif, MAC_BROADCAST, spa, tpa);
}

static void arp_reply(struct td_stack *st, struct netif *nif, const struct arp_pkt *q,
                      const struct pkt *p, bool proxy)
{
    struct arp_pkt a = {
        .op = ARP_REPLY, .sha = nif->mac, .spa = q->tpa, .tha = q->sha, .tpa = q->spa};
    struct journal_subject sub = arp_subject(nif, p, q->spa);

    JOURNAL(st, EV_ARP_REPLY, &sub, nif->index, a.spa, mac_u64(a.tha), a.tpa, proxy);
    count(st, ArpOutReplies);
    (void)arp_emit_packet(st, nif, q->sha, &a);
}

/* ---- input ---- */

/* Could this be the unicast address of a host on nif? */
static bool sender_plausible(const struct netif *nif, td_ip4 spa)
{
    if (spa >> 24 == 0 || spa >> 24 == 127 || spa >> 28 >= 0xe)
        return false;
    for (const struct netif_addr *a = nif->addrs; a != NULL; a = a->next) {
        td_ip4 host = a->plen < 32 ? (td_ip4)0xffffffff >> a->plen : 0;

        if (a->broadcast != 0 && spa == a->broadcast)
            return false;
        if (a->plen < 31 && ((a->addr ^ spa) & ~host) == 0 && (spa & host) == 0)
            return false; /* the network's own number (RFC 1122 3.2.1.3) */
    }
    return true;
}

static bool mac_is_ours(const struct td_stack *st, struct td_mac mac)
{
    for (const struct netif *nif = netif_first(st); nif != NULL; nif = nif->next)
        if ((nif->flags & TD_IF_LOOPBACK) == 0 && mac_eq(nif->mac, mac))
            return true;
    return false;
}

/* Does arp_ignore keep us from answering for tpa, one of our addresses, on nif? */
static bool arp_ignores(const struct td_stack *st, const struct netif *nif, const struct arp_pkt *a)
{
    int64_t mode = ifknob(st, nif, ARP_IGNORE);
    const struct netif_addr *own = nif->addrs;

    if (mode == 8)
        return true;
    if (mode != 1 && mode != 2)
        return false;
    while (own != NULL && (own->addr != a->tpa || own->state != ADDR_READY))
        own = own->next;
    if (own == NULL)
        return true;
    return mode == 2 && a->spa != 0 && own->plen > 0 &&
           ((own->addr ^ a->spa) >> (32 - own->plen)) != 0;
}

static void arp_refuse(struct td_stack *st, struct netif *nif, struct pkt *p, enum event_id why,
                       td_ip4 about, uint64_t arg1, uint64_t arg2)
{
    struct journal_subject sub = arp_subject(nif, p, about);

    JOURNAL(st, why, &sub, nif->index, arg1, arg2);
    count(st, ArpInDrops);
    pkt_free(p);
}

static enum journal_word status_word(enum wire_status s)
{
    switch (s) {
    case WIRE_BAD_TYPE:
        return W_BAD_TYPE;
    case WIRE_BAD_LENGTH:
        return W_BAD_LENGTH;
    default:
        return W_TOO_SHORT;
    }
}

/* The request is for an address that we answer for: note who asks, answer. Consumes p. */
static void arp_answer(struct td_stack *st, struct netif *nif, const struct arp_pkt *a,
                       struct pkt *p, bool merged, bool proxy)
{
    bool probe = a->spa == 0;

    if (!probe && !merged) {
        struct neigh *n;

        if (!arp_on_link(nif, a->spa)) {
            arp_refuse(st, nif, p, EV_ARP_DROP_OFFLINK, a->spa, a->spa, a->tpa);
            return;
        }
        n = neigh_create(st, nif, a->spa);
        if (n != NULL)
            neigh_learn(st, n, a->sha, false, false);
    }
    arp_reply(st, nif, a, p, proxy);
    pkt_free(p);
}

static void arp_input(struct td_stack *st, struct netif *nif, struct pkt *p,
                      const struct eth_hdr *eth)
{
    const struct arp_hooks *hooks = &st->arp->hooks;
    struct journal_subject sub;
    enum wire_status status;
    struct arp_pkt a;
    struct neigh *n = NULL;
    bool to_us, probe, linear;

    (void)eth;
    linear = pkt_may_pull(p, p->len < ARP_LEN ? p->len : ARP_LEN);
    status = linear ? arp_parse(&a, p->data, p->head_len) : WIRE_SHORT;
    if (status != WIRE_OK) {
        arp_refuse(st, nif, p, EV_ARP_DROP_PARSE, 0, linear ? status_word(status) : W_NO_MEMORY,
                   p->len);
        return;
    }
    sub = arp_subject(nif, p, a.spa);
    if (!nif_speaks_arp(nif)) {
        arp_refuse(st, nif, p, EV_ARP_DROP_NOARP, a.spa, a.spa, 0);
        return;
    }
    JOURNAL(st, EV_ARP_IN, &sub, nif->index, a.op, a.spa, mac_u64(a.sha), a.tpa);
    if (a.op == ARP_REQUEST)
        count(st, ArpInRequests);
    else
        count(st, ArpInReplies);

    if (mac_is_multicast(a.sha) || mac_is_zero(a.sha)) {
        arp_refuse(st, nif, p, EV_ARP_DROP_SENDER_MAC, a.spa, mac_u64(a.sha), a.spa);
        return;
    }
    if (mac_is_ours(st, a.sha)) {
        arp_refuse(st, nif, p, EV_ARP_DROP_OWN, a.spa, a.spa, mac_u64(a.sha));
        return;
    }
    if (acd_input(st, nif, &a, p)) {
        count(st, ArpInDrops);
        pkt_free(p);
        return;
    }
    probe = a.spa == 0 && a.op == ARP_REQUEST;
    if (!probe && !sender_plausible(nif, a.spa)) {
        arp_refuse(st, nif, p, EV_ARP_DROP_SENDER_IP, a.spa, a.spa, mac_u64(a.sha));
        return;
    }
    to_us = a.tpa >> 24 != 127 && hooks->is_local != NULL && hooks->is_local(st, a.tpa);

    if (!probe)
        n = neigh_find(st, nif, a.spa);
    if (n != NULL)
        neigh_learn(st, n, a.sha,
                    a.op == ARP_REPLY && to_us &&
                        (p->flags & (PKT_L2_BROADCAST | PKT_L2_MULTICAST)) == 0,
                    a.spa == a.tpa);

    if (a.op == ARP_REQUEST && !probe && !to_us && FAULT_ON(st, ARP_ANYBODY)) {
        arp_answer(st, nif, &a, p, n != NULL, false);
        return;
    }
    if (to_us && a.op == ARP_REQUEST && !FAULT_ON(st, ARP_SILENCE)) {
        if (arp_ignores(st, nif, &a))
            arp_refuse(st, nif, p, EV_ARP_DROP_IGNORED, a.spa, a.tpa,
                       (uint64_t)ifknob(st, nif, ARP_IGNORE));
        else
            arp_answer(st, nif, &a, p, n != NULL, false);
        return;
    }
    if (a.op == ARP_REPLY && n == NULL && (to_us || a.spa == a.tpa)) {
        arp_refuse(st, nif, p, EV_ARP_DROP_UNSOLICITED, a.spa, a.spa, mac_u64(a.sha));
        return;
    }
    /* RFC 1027 2.2: only where the way to the target is another interface, and not the default. */
    if (a.op == ARP_REQUEST && !probe && a.spa != a.tpa && ifknob(st, nif, PROXY_ARP) != 0 &&
        hooks->routed_elsewhere != NULL && hooks->routed_elsewhere(st, nif, a.tpa)) {
        arp_answer(st, nif, &a, p, n != NULL, true);
        return;
    }
    if (n == NULL)
        JOURNAL(st, EV_ARP_OTHER, &sub, nif->index, a.tpa);
    pkt_free(p);
}

/* ---- the module ---- */

static void arp_link_changed(struct td_stack *st, struct netif *nif, enum link_change what)
{
    neigh_link_changed(st, nif, what);
    acd_link_changed(st, nif, what);
}

void arp_done(struct td_stack *st)
{
    struct arp *arp = st->arp;
    struct hash_node *node;

    if (arp == NULL)
        return;
    acd_done(st);
    while ((node = hash_first(&arp->table)) != NULL)
        neigh_remove(st, container_of(node, struct neigh, node), W_BY_COMMAND);
    hash_done(&arp->table);
    timer_cancel(st, &arp->gc_timer);
    if (arp->asked != NULL)
        mem_free(&st->mem, MEM_ARP, arp->asked, NEIGH_ASKED_SLOTS * sizeof *arp->asked);
    mem_free(&st->mem, MEM_ARP, arp, sizeof *arp);
    st->arp = NULL;
}

int arp_init(struct td_stack *st)
{
    struct arp *arp = mem_alloc(&st->mem, MEM_ARP, sizeof *arp);
    int rc;

    if (arp == NULL)
        return -ENOMEM;
    st->arp = arp;
    hash_init(&arp->table, &st->mem, &st->hash_key);
    timer_init(&arp->gc_timer, neigh_gc_due, "neigh-gc");
    neigh_table_init(st);
    rc = link_register(st, ETHERTYPE_ARP, arp_input);
    if (rc == 0)
        rc = link_watch_add(st, arp_link_changed);
    if (rc < 0)
        arp_done(st);
    return rc;
}

void arp_set_hooks(struct td_stack *st, const struct arp_hooks *hooks)
{
    st->arp->hooks = *hooks;
}
