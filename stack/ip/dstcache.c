/* ip/dstcache.c: what ICMP has told about single destinations (RFC 1191; RFC
 * 1122 3.2.2.2, 3.3.1.2).
 *
 * Theory of operation. Routes are for networks and come from people. What messages from the network
 * say about one host, a smaller path MTU or a better first hop, is kept apart, in a bounded hash by
 * destination, and forgotten after ten minutes: a wrong word does limited harm for a limited time,
 * and a larger MTU gets another try (RFC 1191 6.3). When the table is full the entry that was
 * written longest ago goes.
 *
 * A redirect is bound to the gateway that gave it: once the routing table sends the destination
 * another way, the redirect means nothing, and ip_route passes it over.
 *
 * Expiry is looked at when an entry is looked at; there is no timer. What nobody looks at is pushed
 * out by what is new.
 */
#include "ip/ip_internal.h"

static bool dst_eq(const struct hash_node *n, const void *key)
{
    return container_of(n, const struct dst_entry, node)->dst == *(const td_ip4 *)key;
}

void dst_cache_init(struct td_stack *st)
{
    hash_init(&st->ip->dst, &st->mem, &st->hash_key);
}

static void dst_free(struct td_stack *st, struct dst_entry *e)
{
    hash_remove(&st->ip->dst, &e->node);
    mem_free(&st->mem, MEM_IP, e, sizeof *e);
}

void dst_forget_all(struct td_stack *st)
{
    struct hash_node *n;

    while ((n = hash_first(&st->ip->dst)) != NULL)
        dst_free(st, container_of(n, struct dst_entry, node));
}

void dst_cache_done(struct td_stack *st)
{
    dst_forget_all(st);
    hash_done(&st->ip->dst);
}

struct dst_entry *dst_find(struct td_stack *st, td_ip4 dst)
{
    struct dst_entry *e;
    struct hash_node *n;

    if (st->ip->dst.count == 0)
        return NULL;
    n = hash_find(&st->ip->dst, &dst, sizeof dst, dst_eq);
    if (n == NULL)
        return NULL;
    e = container_of(n, struct dst_entry, node);
    if (e->mtu_expires != 0 && e->mtu_expires <= st->now) {
        JOURNAL(st, EV_PMTU_EXPIRED, JOURNAL_ABOUT({.addr = dst}), dst, e->mtu);
        e->mtu_expires = 0;
    }
    if (e->gw_expires != 0 && e->gw_expires <= st->now) {
        JOURNAL(st, EV_REDIRECT_FORGOTTEN, JOURNAL_ABOUT({.addr = dst}), dst, e->gateway);
        e->gw_expires = 0;
    }
    if (e->mtu_expires == 0 && e->gw_expires == 0) {
        dst_free(st, e);
        return NULL;
    }
    return e;
}

/* The entry to write into: the newest now, whether it was there or not. NULL = no memory. */
static struct dst_entry *dst_touch(struct td_stack *st, td_ip4 dst)
{
    struct hash *h = &st->ip->dst;
    struct dst_entry *e = dst_find(st, dst);

    if (e != NULL) {
        hash_remove(h, &e->node);
    } else {
        if (h->count >= DST_CACHE_MAX)
            dst_free(st, container_of(hash_first(h), struct dst_entry, node));
        e = mem_alloc(&st->mem, MEM_IP, sizeof *e);
        if (e == NULL)
            return NULL;
        e->dst = dst;
    }
    if (hash_insert(h, &e->node, &dst, sizeof dst) < 0) {
        mem_free(&st->mem, MEM_IP, e, sizeof *e);
        return NULL;
    }
    return e;
}

/* ---- path MTU ---- */

void ip_pmtu_update(struct td_stack *st, td_ip4 dst, uint32_t mtu)
{
    struct journal_subject sub = {.addr = dst};
    struct ip_route_result r;
    struct dst_entry *e;
    uint32_t least = (uint32_t)knob(st, MIN_PMTU);
    uint32_t lowered = mtu < least ? least : mtu;

    if (route_find(st, dst, 0, 0, &r) < 0 || r.type != FIB_UNICAST)
        return;
    if (mtu < 68 || lowered > r.mtu || (lowered == r.mtu && mtu >= least)) {
        JOURNAL(st, EV_PMTU_IGNORED, &sub, dst, mtu,
                r.mtu); /* RFC 1191 3: never raised by a message */
        return;
    }
    e = dst_touch(st, dst);
    if (e == NULL)
        return;
    e->mtu = lowered;
    e->mtu_floor = mtu < least;
    td_time keep = (td_time)knob(st, MTU_EXPIRES) * TD_SEC;
    e->mtu_expires = keep == 0 ? TD_NEVER : st->now + keep;
    JOURNAL(st, EV_PMTU_LOWERED, &sub, dst, r.mtu, lowered, mtu);
}

uint32_t ip_pmtu_plateau(uint32_t total_len)
{
    static const uint16_t plateau[] = {32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68};

    for (unsigned i = 0; i < sizeof plateau / sizeof plateau[0]; i++)
        if (plateau[i] < total_len)
            return plateau[i];
    return 68;
}

/* ---- redirects ---- */

void dst_redirect(struct td_stack *st, td_ip4 from, td_ip4 dst, td_ip4 gateway, td_ip4 instead_of,
                  uint32_t ifindex)
{
    struct journal_subject sub = {.addr = dst, .ifindex = ifindex};
    struct dst_entry *e = dst_touch(st, dst);

    if (e == NULL)
        return;
    e->gateway = gateway;
    e->instead_of = instead_of;
    e->ifindex = ifindex;
    e->gw_expires = st->now + DST_LIFETIME;
    JOURNAL(st, EV_REDIRECT_TAKEN, &sub, from, dst, gateway, ifindex);
}

void dst_forget_redirect(struct td_stack *st, struct dst_entry *e)
{
    struct journal_subject sub = {.addr = e->dst, .ifindex = e->ifindex};

    if (e->gw_expires == 0)
        return;
    JOURNAL(st, EV_REDIRECT_FORGOTTEN, &sub, e->dst, e->gateway);
    e->gw_expires = 0;
    if (e->mtu_expires == 0)
        dst_free(st, e);
}

void dst_forget_interface(struct td_stack *st, uint32_t ifindex)
{
    for (struct hash_node *n = hash_first(&st->ip->dst), *next; n != NULL; n = next) {
        struct dst_entry *e = container_of(n, struct dst_entry, node);

        next = hash_next(n);
        if (e->gw_expires != 0 && e->ifindex == ifindex)
            dst_forget_redirect(st, e);
    }
}
