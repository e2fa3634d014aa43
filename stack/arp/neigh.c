/* arp/neigh.c: the neighbour table: which MAC address a next hop has, and how sure we are.
 *
 * Theory of operation. An entry is found by (interface, address) in the one hash table. Its states
 * are Linux's (RFC 4861 7.3's, used for IPv4):
 *
 *                    packet                    reply
 *        NONE ─────────────────► INCOMPLETE ─────────► REACHABLE ◄───── confirmation from above
 *                                  │    │ request from it  │ ▲           or a solicited reply,
 *                mcast_solicit     │    ▼                  │ │           from any valid state
 *                without answer    │  STALE ◄──────────────┘ │
 *                                  ▼    │ packet     time    │ reply
 *                               FAILED  ▼                    │
 *                                  ▲  DELAY ──────────────► PROBE
 *                                  │         delay_first     │
 *                                  └─────────────────────────┘ ucast_solicit without answer
 *
 *   - INCOMPLETE: a broadcast request has gone out, packets wait in the entry's queue (the oldest
 * makes way when it is full: RFC 1122 2.3.2.2 wants the latest kept). Any ARP packet from the
 * target releases it; only a reply to our request makes the entry REACHABLE.
 *   - REACHABLE: confirmed within reach, a random 0.5 to 1.5 times base_reachable_time (RFC
 * 4861 6.3.2's spread keeps hosts from probing in step).
 *   - STALE: the address is used, but its next use starts DELAY: if nobody above confirms within
 *     delay_first_probe_time, PROBE asks the neighbour itself, by unicast (RFC 1122 2.3.2.1's
 * "unicast poll"), while packets go on being sent.
 *   - FAILED: nobody answered. The packets that waited are given to hooks.unreachable. The next
 * packet starts again.
 *
 * One request a second to a destination (RFC 1122 2.3.2.1 MUST): `asked` is looked at before each
 * request in every state, and outlives FAILED, so traffic to a dead host doesn't ask faster than
 * the timer. A neighbour that failed several times in a row is asked at intervals doubled each
 * time, up to retrans_backoff doublings; any word from it ends that.
 *
 * Locktime: within a second of a change of MAC another claim is disbelieved (the first of several
 * proxies wins, as in Linux); gratuitous ARP is exempt, so that a takeover by a standby is seen at
 * once.
 */
#include "arp/arp_priv.h"

#include <errno.h>

const char *neigh_state_name(enum neigh_state s)
{
    static const char *const names[] = {
        [NEIGH_NONE] = "NONE",           [NEIGH_INCOMPLETE] = "INCOMPLETE",
        [NEIGH_REACHABLE] = "REACHABLE", [NEIGH_STALE] = "STALE",
        [NEIGH_DELAY] = "DELAY",         [NEIGH_PROBE] = "PROBE",
        [NEIGH_FAILED] = "FAILED",       [NEIGH_PERMANENT] = "PERMANENT",
        [NEIGH_NOARP] = "NOARP",
    };
    return (size_t)s < sizeof names / sizeof names[0] ? names[s] : "?";
}

/* ---- finding, making, removing ---- */

static bool neigh_eq(const struct hash_node *node, const void *key)
{
    const struct neigh *n = (const struct neigh *)(const void *)node;
    const struct neigh_key *k = key;

    return n->key.ip == k->ip && n->key.ifindex == k->ifindex;
}
_Static_assert(offsetof(struct neigh, node) == 0, "neigh_eq and neigh_of rely on it");

static struct neigh *neigh_of(struct hash_node *node)
{
    return (struct neigh *)(void *)node;
}

struct neigh *neigh_find(const struct td_stack *st, const struct netif *nif, td_ip4 ip)
{
    struct neigh_key key = {.ifindex = nif->index, .ip = ip};

    return neigh_of(hash_find(&st->arp->table, &key, sizeof key, neigh_eq));
}

static timer_fn neigh_due;

struct neigh *neigh_create(struct td_stack *st, struct netif *nif, td_ip4 ip)
{
    struct arp *arp = st->arp;
    struct journal_subject sub = arp_subject(nif, NULL, ip);
    struct neigh *n = NULL;

    if (neigh_make_room(st))
        n = mem_alloc(&st->mem, MEM_ARP, sizeof *n);
    if (n != NULL) {
        n->key = (struct neigh_key){.ifindex = nif->index, .ip = ip};
        if (hash_insert(&arp->table, &n->node, &n->key, sizeof n->key) < 0) {
            mem_free(&st->mem, MEM_ARP, n, sizeof *n);
            n = NULL;
        }
    }
    if (n == NULL) {
        JOURNAL(st, EV_ARP_DROP_TABLE, &sub, nif->index, ip, arp->table.count);
        count(st, ArpTableFull);
        return NULL;
    }
    n->nif = nif;
    n->class = NEIGH_IN_USE;
    n->since = n->used = n->updated = n->confirmed = st->now;
    timer_init(&n->timer, neigh_due, "neigh");
    pkt_queue_init(&n->queue);
    (void)neigh_asked_recall(st, n);
    return n;
}

static void queue_drop(struct td_stack *st, struct netif *nif, td_ip4 ip, struct pkt *p,
                       enum journal_word why)
{
    struct journal_subject sub = arp_subject(nif, p, ip);

    JOURNAL(st, EV_ARP_DROP_QUEUE, &sub, nif->index, ip, why);
    count(st, ArpQueueDrops);
    pkt_free(p);
}

static struct pkt *queue_pop(struct td_stack *st, struct neigh *n)
{
    struct pkt *p = pkt_queue_pop(&n->queue);

    if (p != NULL)
        st->arp->queued--;
    return p;
}

void neigh_remove(struct td_stack *st, struct neigh *n, enum journal_word why)
{
    struct journal_subject sub = arp_subject(n->nif, NULL, n->key.ip);
    struct pkt *p;

    JOURNAL(st, EV_NEIGH_GONE, &sub, n->nif->index, n->key.ip, n->state, why);
    while ((p = queue_pop(st, n)) != NULL)
        queue_drop(st, n->nif, n->key.ip, p, W_NEIGH_DELETED);
    timer_cancel(st, &n->timer);
    neigh_classify(st, n, NEIGH_IN_USE);
    hash_remove(&st->arp->table, &n->node);
    mem_free(&st->mem, MEM_ARP, n, sizeof *n);
}

/* ---- states ---- */

static bool neigh_is_static(const struct neigh *n)
{
    return n->state == NEIGH_PERMANENT || n->state == NEIGH_NOARP;
}
static bool neigh_is_valid(const struct neigh *n)
{
    return n->state == NEIGH_REACHABLE || n->state == NEIGH_STALE || n->state == NEIGH_DELAY ||
           n->state == NEIGH_PROBE || neigh_is_static(n);
}

static enum neigh_class class_of(const struct neigh *n)
{
    switch (n->state) {
    case NEIGH_FAILED:
        return NEIGH_FAILED_CLASS;
    case NEIGH_INCOMPLETE:
        return NEIGH_INCOMPLETE_CLASS;
    case NEIGH_STALE:
        return n->ever_used ? NEIGH_STALE_CLASS : NEIGH_UNUSED_CLASS;
    default:
        return NEIGH_IN_USE;
    }
}

static td_time reach_draw(struct td_stack *st, const struct neigh *n)
{
    uint32_t base = (uint32_t)ifknob(st, n->nif, NEIGH_BASE_REACHABLE_MS); /* at most a day */
    uint64_t us = (uint64_t)base * 500 + rng_below(&st->rng, base) * UINT64_C(1000) +
                  rng_below(&st->rng, 1000);

    return us * TD_US;
}

/* Enters a state: journal, list of its class, the state's timer. */
static void neigh_become(struct td_stack *st, struct neigh *n, enum neigh_state to)
{
    struct journal_subject sub = arp_subject(n->nif, NULL, n->key.ip);
    td_time delay = (td_time)ifknob(st, n->nif, NEIGH_DELAY_FIRST_PROBE) * TD_SEC;

    if (to != n->state) {
        JOURNAL(st, EV_NEIGH_STATE, &sub, n->nif->index, n->key.ip, n->state, to, mac_u64(n->mac));
        n->since = st->now;
        n->probes = 0;
    }
    n->state = to;
    neigh_classify(st, n, class_of(n));
    timer_cancel(st, &n->timer);
    if (to == NEIGH_REACHABLE) {
        n->confirmed = st->now;
        n->reach = reach_draw(st, n);
        timer_arm(st, &n->timer, st->now + n->reach);
    } else if (to == NEIGH_DELAY) {
        timer_arm(st, &n->timer, st->now + delay);
    }
    neigh_gc_arm(st);
}

/* ---- asking ---- */

/* The source address a request carries, by arp_announce: the waiting packet's own if that may be,
 * else whatever IP would choose for the target. */
static td_ip4 request_source(struct td_stack *st, struct neigh *n)
{
    const struct arp_hooks *hooks = &st->arp->hooks;
    int64_t announce = ifknob(st, n->nif, ARP_ANNOUNCE);
    uint8_t b[4];
    td_ip4 src;

    if (announce < 2 && n->queue.head != NULL && pkt_read(n->queue.head, 12, b, sizeof b)) {
        src = wire_get32(b); /* RFC 791: the source is at offset 12 of the header */
        if (hooks->is_local != NULL && src != 0 && (src >> 24) != 127 && hooks->is_local(st, src)) {
            if (announce == 0)
                return src;
            for (const struct netif_addr *a = n->nif->addrs; a != NULL; a = a->next)
                if (a->addr == src && a->plen > 0 && ((a->addr ^ n->key.ip) >> (32 - a->plen)) == 0)
                    return src;
        }
    }
    return hooks->source_for != NULL ? hooks->source_for(st, n->nif, n->key.ip) : 0;
}

static td_time retrans_interval(const struct td_stack *st, const struct neigh *n)
{
    int64_t most = ifknob(st, n->nif, NEIGH_BACKOFF);
    uint32_t doublings = n->fails < (uint64_t)most ? n->fails : (uint32_t)most;

    return ((td_time)ifknob(st, n->nif, NEIGH_RETRANS_MS) * TD_MS) << doublings;
}

/* One request, now or when the rate limit allows; either way the timer comes back. */
static void neigh_solicit(struct td_stack *st, struct neigh *n, bool unicast)
{
    td_time limit = (td_time)ifknob(st, n->nif, NEIGH_RETRANS_MS) * TD_MS;
    struct journal_subject sub = arp_subject(n->nif, n->queue.head, n->key.ip);
    struct td_mac to = unicast ? n->mac : MAC_BROADCAST;
    td_ip4 src;

    if (n->ever_asked && st->now < n->asked + limit) {
        JOURNAL(st, EV_ARP_DELAYED, &sub, n->nif->index, n->key.ip, n->asked + limit - st->now);
        timer_arm(st, &n->timer, n->asked + limit);
        return;
    }
    n->probes++;
    n->ever_asked = true;
    n->asked = st->now;
    timer_arm(st, &n->timer, st->now + retrans_interval(st, n));
    src = request_source(st, n);
    if (src == 0) {
        JOURNAL(st, EV_ARP_NO_SOURCE, &sub, n->nif->index, n->key.ip);
        return;
    }
    n->awaiting = true;
    JOURNAL(st, EV_ARP_REQUEST, &sub, n->nif->index, n->key.ip, src, mac_u64(to), n->probes);
    (void)arp_emit_request(st, n->nif, to, src, n->key.ip); /* a lost one is asked again */
}

/* Nobody answered. Hooks may send, and so may evict this very entry: it isn't touched after them.
 */
static void neigh_fail(struct td_stack *st, struct neigh *n)
{
    struct netif *nif = n->nif;
    td_ip4 ip = n->key.ip;
    struct journal_subject sub = arp_subject(nif, NULL, ip);
    struct pkt_queue waiting;
    struct pkt *p;

    JOURNAL_CAUSE(st, EV_NEIGH_FAILED, &sub, nif->index, ip, n->probes, n->queue.count);
    count(st, ArpFailures);
    n->awaiting = false;
    n->fails++;
    pkt_queue_init(&waiting);
    while ((p = queue_pop(st, n)) != NULL)
        pkt_queue_push(&waiting, p);
    neigh_become(st, n, NEIGH_FAILED);
    while ((p = pkt_queue_pop(&waiting)) != NULL) {
        sub = arp_subject(nif, p, ip);
        JOURNAL(st, EV_ARP_DROP_UNREACHABLE, &sub, nif->index, ip);
        count(st, ArpQueueDrops);
        if (st->arp->hooks.unreachable != NULL)
            st->arp->hooks.unreachable(st, nif, p);
        else
            pkt_free(p);
    }
}

static void neigh_due(struct td_stack *st, struct timer *t)
{
    struct neigh *n = container_of(t, struct neigh, timer);
    int64_t ucast = ifknob(st, n->nif, NEIGH_UCAST_SOLICIT);
    int64_t mcast = ifknob(st, n->nif, NEIGH_MCAST_SOLICIT);
    td_time delay = (td_time)ifknob(st, n->nif, NEIGH_DELAY_FIRST_PROBE) * TD_SEC;

    switch (n->state) {
    case NEIGH_REACHABLE:
        if (st->now < n->confirmed + n->reach)
            timer_arm(st, &n->timer, n->confirmed + n->reach);
        else
            neigh_become(st, n,
                         n->ever_used && st->now < n->used + delay ? NEIGH_DELAY : NEIGH_STALE);
        return;
    case NEIGH_DELAY:
        neigh_become(st, n, NEIGH_PROBE);
        neigh_solicit(st, n, ucast > 0);
        return;
    case NEIGH_PROBE:
        if (n->probes >= (uint64_t)(ucast > 0 ? ucast : mcast))
            neigh_fail(st, n);
        else
            neigh_solicit(st, n, ucast > 0);
        return;
    case NEIGH_INCOMPLETE:
        if (n->probes >= (uint64_t)mcast)
            neigh_fail(st, n);
        else
            neigh_solicit(st, n, false);
        return;
    default:
        return;
    }
}

/* ---- using ---- */

/* Queues p; the oldest makes way. */
static void neigh_enqueue(struct td_stack *st, struct neigh *n, struct pkt *p)
{
    int64_t most = ifknob(st, n->nif, NEIGH_UNRES_QLEN);
    bool full = n->queue.count >= (uint64_t)most ||
                st->arp->queued >= (uint64_t)knob(st, NEIGH_UNRES_TOTAL);

    if (most == 0) {
        queue_drop(st, n->nif, n->key.ip, p, W_NO_QUEUE);
        return;
    }
    if (full && n->queue.count == 0) {
        queue_drop(st, n->nif, n->key.ip, p, W_QUEUE_FULL);
        return;
    }
    if (full)
        queue_drop(st, n->nif, n->key.ip, queue_pop(st, n), W_OLDER_WAITS);
    pkt_queue_push(&n->queue, p);
    st->arp->queued++;
}

static void neigh_release_queue(struct td_stack *st, struct neigh *n)
{
    struct pkt *p;

    while ((p = queue_pop(st, n)) != NULL)
        (void)eth_output(st, n->nif, n->mac, ETHERTYPE_IPV4, p);
}

static bool nexthop_is_broadcast(const struct netif *nif, td_ip4 ip)
{
    if (ip == TD_IP4_BROADCAST)
        return true;
    for (const struct netif_addr *a = nif->addrs; a != NULL; a = a->next)
        if (a->broadcast != 0 && a->broadcast == ip)
            return true;
    return false;
}

/* RFC 1112 6.4: 01:00:5e and the low 23 bits of the group. */
static struct td_mac mac_of_group(td_ip4 g)
{
    return (struct td_mac){
        {0x01, 0x00, 0x5e, (uint8_t)((g >> 16) & 0x7f), (uint8_t)(g >> 8), (uint8_t)g}};
}

static int output_refused(struct td_stack *st, struct netif *nif, td_ip4 nexthop, struct pkt *p,
                          enum event_id why, int error)
{
    struct journal_subject sub = arp_subject(nif, p, nexthop);

    JOURNAL(st, why, &sub, nif->index, nexthop);
    count(st, ArpQueueDrops);
    pkt_free(p);
    return error;
}

int arp_output(struct td_stack *st, struct netif *nif, td_ip4 nexthop, struct pkt *p)
{
    struct neigh *n;

    if ((nif->flags & TD_IF_LOOPBACK) != 0 || nif->kind == TD_LINK_DUMMY) /* nobody there to be asked */
        return eth_output(st, nif, nif->mac, ETHERTYPE_IPV4, p);
    if (nexthop_is_broadcast(nif, nexthop))
        return eth_output(st, nif, MAC_BROADCAST, ETHERTYPE_IPV4, p);
    if ((nexthop >> 28) == 0xe)
        return eth_output(st, nif, mac_of_group(nexthop), ETHERTYPE_IPV4, p);
    if (nexthop >> 24 == 0 || nexthop >> 24 == 127 || nexthop >> 28 == 0xf)
        return output_refused(st, nif, nexthop, p, EV_ARP_DROP_NEXTHOP, -EINVAL);

    n = neigh_find(st, nif, nexthop);
    if (n == NULL && !nif_speaks_arp(nif))
        return output_refused(st, nif, nexthop, p, EV_ARP_DROP_NOARP, -EHOSTUNREACH);
    if (!netif_is_up(nif))
        return eth_output(st, nif, nif->mac, ETHERTYPE_IPV4, p); /* which refuses it */
    if (n == NULL) {
        n = neigh_create(st, nif, nexthop);
        if (n == NULL) {
            count(st, ArpQueueDrops);
            pkt_free(p);
            return -ENOBUFS;
        }
    }
    n->used = st->now;
    n->ever_used = true;
    if (neigh_is_valid(n)) {
        if (n->state == NEIGH_STALE)
            neigh_become(st, n, NEIGH_DELAY);
        return eth_output(st, nif, n->mac, ETHERTYPE_IPV4, p);
    }
    if (p->id == 0)
        p->id = ++st->journal.next_packet;
    neigh_enqueue(st, n, p);
    if (n->state != NEIGH_INCOMPLETE) {
        neigh_become(st, n, NEIGH_INCOMPLETE);
        neigh_solicit(st, n, false);
    }
    return 0;
}

void arp_confirm(struct td_stack *st, struct netif *nif, td_ip4 nexthop)
{
    struct neigh *n = neigh_find(st, nif, nexthop);

    if (n == NULL)
        return;
    if (n->state == NEIGH_STALE || n->state == NEIGH_DELAY || n->state == NEIGH_PROBE)
        neigh_become(st, n, NEIGH_REACHABLE);
    if (n->state == NEIGH_REACHABLE)
        n->confirmed = st->now;
}

/* ---- learning ---- */

/* The MAC is (now) known; to is REACHABLE or STALE. A STALE entry whose queue is released is used.
 */
static void neigh_resolve(struct td_stack *st, struct neigh *n, struct td_mac mac,
                          enum neigh_state to)
{
    n->mac = mac;
    n->updated = st->now;
    n->fails = 0;
    n->awaiting = false;
    neigh_become(st, n, to);
    if (n->queue.count > 0 && to == NEIGH_STALE)
        neigh_become(st, n, NEIGH_DELAY);
    neigh_release_queue(st, n);
}

void neigh_learn(struct td_stack *st, struct neigh *n, struct td_mac mac, bool reply,
                 bool gratuitous)
{
    struct journal_subject sub = arp_subject(n->nif, NULL, n->key.ip);
    td_time lock = (td_time)ifknob(st, n->nif, NEIGH_LOCKTIME_MS) * TD_MS;
    bool solicited = reply && n->awaiting;
    bool same = mac_eq(mac, n->mac);

    if (neigh_is_static(n)) {
        if (!same) {
            JOURNAL(st, EV_NEIGH_KEPT, &sub, n->nif->index, n->key.ip, mac_u64(n->mac),
                    mac_u64(mac), W_STATIC_ENTRY);
            count(st, ArpInDrops);
        }
        return;
    }
    if (!neigh_is_valid(n)) {
        neigh_resolve(st, n, mac, solicited ? NEIGH_REACHABLE : NEIGH_STALE);
        return;
    }
    if (same) {
        if (solicited) {
            n->fails = 0;
            n->awaiting = false;
            neigh_become(st, n, NEIGH_REACHABLE);
        }
        return;
    }
    if (!gratuitous && st->now < n->updated + lock) {
        JOURNAL(st, EV_NEIGH_KEPT, &sub, n->nif->index, n->key.ip, mac_u64(n->mac), mac_u64(mac),
                W_LOCKTIME);
        count(st, ArpInDrops);
        return;
    }
    JOURNAL_CAUSE(st, EV_NEIGH_REBIND, &sub, n->nif->index, n->key.ip, mac_u64(n->mac),
                  mac_u64(mac), solicited);
    count(st, ArpRebinds);
    neigh_resolve(st, n, mac, solicited ? NEIGH_REACHABLE : NEIGH_STALE);
}

/* ---- commands and interfaces ---- */

static bool unicast_host(td_ip4 ip)
{
    return ip >> 24 != 0 && ip >> 24 != 127 && ip >> 28 < 0xe;
}

int neigh_set(struct td_stack *st, struct netif *nif, td_ip4 addr, struct td_mac mac,
              enum neigh_state state)
{
    bool known = state == NEIGH_PERMANENT || state == NEIGH_NOARP || state == NEIGH_REACHABLE ||
                 state == NEIGH_STALE;
    struct neigh *n;

    if (!known || !unicast_host(addr) || mac_is_zero(mac) || (nif->flags & TD_IF_LOOPBACK) != 0)
        return -EINVAL;
    n = neigh_find(st, nif, addr);
    if (n == NULL)
        n = neigh_create(st, nif, addr);
    if (n == NULL)
        return -ENOSPC;
    neigh_resolve(st, n, mac, state);
    return 0;
}

int neigh_del(struct td_stack *st, struct netif *nif, td_ip4 addr)
{
    struct neigh *n = neigh_find(st, nif, addr);

    if (n == NULL)
        return -ENOENT;
    neigh_remove(st, n, W_BY_COMMAND);
    return 0;
}

static void neigh_flush_if(struct td_stack *st, const struct netif *nif, bool statics,
                           enum journal_word why)
{
    struct hash_node *node = hash_first(&st->arp->table), *next;

    for (; node != NULL; node = next) {
        struct neigh *n = neigh_of(node);

        next = hash_next(node);
        if ((nif == NULL || n->nif == nif) && (statics || !neigh_is_static(n)))
            neigh_remove(st, n, why);
    }
}

void neigh_flush(struct td_stack *st, struct netif *nif)
{
    neigh_flush_if(st, nif, false, W_BY_COMMAND);
}

void neigh_link_changed(struct td_stack *st, struct netif *nif, enum link_change what)
{
    /* Those set by hand too, as in Linux: they were said of the cable that was there. */
    if (what == LINK_REMOVED || what == LINK_DOWN || what == LINK_MAC)
        neigh_flush_if(st, nif, true, W_IF_DOWN);
}

enum neigh_state neigh_lookup(const struct td_stack *st, const struct netif *nif, td_ip4 addr,
                              struct td_mac *mac)
{
    const struct neigh *n = neigh_find(st, nif, addr);

    if (n == NULL)
        return NEIGH_NONE;
    if (mac != NULL)
        *mac = n->mac;
    return n->state;
}
