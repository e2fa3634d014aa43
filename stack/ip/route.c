/* ip/route.c: where a datagram goes, and from which address (RFC 1122 3.3.1, 3.3.4).
 *
 * Theory of operation. ip_route asks, in this order:
 *
 *   1. limited broadcast and multicast: the interface alone is to be found (the one named, the one
 *      that has the source address, the default route's, the first that can broadcast), no gateway
 *      is ever used (3.3.1.1);
 *   2. the FIB by longest match: ours (then it loops back), a subnet's broadcast, on-link, or
 * through a gateway. Default gateways are nothing but routes to 0.0.0.0/0; of several the one with
 * the smallest metric is used while it lives (3.3.1.2);
 *   3. what ICMP has told about this very destination (dstcache.c): another first hop, a smaller
 * MTU;
 *   4. the source, when the caller has none (3.3.4.3): the route's preferred source, else the
 *      interface's address in the next hop's subnet, else its first one, else any other of ours.
 *
 * Dead gateways (3.3.1.4, 3.3.1.5). There are no pings to find out. Whoever notices speaks up: ARP
 * when the gateway doesn't resolve, TCP when it retransmits too often (ip_advise_bad). A redirect
 * that led there is forgotten first; otherwise the route is marked dead when there is another one
 * to the same prefix to take its place, the one after it by metric, round and round: the last one
 * is never marked, and the neighbour entry is made STALE, so that the next datagram asks ARP again.
 * Dead marks are lifted every two minutes while there are any, so that a gateway that comes back is
 * found.
 */
#include "ip/ip_internal.h"

#include <errno.h>

#define GATEWAY_RETRY (120 * TD_SEC)

/* ---- step 1: no gateway ---- */

static bool netif_can_broadcast(const struct netif *nif)
{
    return netif_is_up(nif) && (nif->flags & TD_IF_BROADCAST) != 0;
}

static struct netif *route_broadcast_netif(struct td_stack *st, td_ip4 dst, td_ip4 src,
                                           uint32_t ifindex)
{
    const struct fib_hop *r;
    struct netif *nif = NULL;

    if (ifindex != 0)
        return netif_by_index(st, ifindex);
    if (src != 0)
        nif = addr_owner(st, src);
    if (nif != NULL && netif_can_broadcast(nif))
        return nif;
    r = ip_fib_lookup(st, dst, 0);
    nif = r != NULL && r->type == FIB_UNICAST ? netif_by_index(st, r->ifindex) : NULL;
    if (nif != NULL && netif_can_broadcast(nif))
        return nif;
    for (nif = netif_first(st); nif != NULL && !netif_can_broadcast(nif); nif = nif->next)
        ;
    return nif;
}

static int route_direct(struct td_stack *st, td_ip4 dst, td_ip4 src, uint32_t ifindex,
                        struct ip_route_result *out)
{
    out->nif = route_broadcast_netif(st, dst, src, ifindex);
    if (out->nif == NULL || !netif_is_up(out->nif))
        return ifindex != 0 && out->nif == NULL ? -ENODEV : -ENETUNREACH;
    out->type = ip4_is_multicast(dst) ? FIB_MULTICAST : FIB_BROADCAST;
    out->nexthop = dst;
    out->mtu = out->nif->mtu;
    if (src == 0)
        out->src = addr_source(st, out->nif, dst);
    return 0;
}

/* ---- steps 2 to 4 ---- */

static int route_type_error(enum fib_type t)
{
    switch (t) {
    case FIB_BLACKHOLE:
        return -EINVAL;
    case FIB_UNREACHABLE:
        return -EHOSTUNREACH;
    case FIB_PROHIBIT:
        return -EACCES;
    default:
        return 0;
    }
}

/* Is the cached redirect still what it was given for? */
static bool redirect_holds(const struct dst_entry *e, const struct fib_hop *r)
{
    return e->gw_expires != 0 && r->gateway != 0 && r->gateway == e->instead_of &&
           r->ifindex == e->ifindex;
}

static int route_unicast(struct td_stack *st, td_ip4 dst, const struct fib_hop *r,
                         struct ip_route_result *out)
{
    struct dst_entry *e;

    out->nif = netif_by_index(st, r->ifindex);
    if (out->nif == NULL || !netif_is_up(out->nif))
        return -ENETUNREACH;
    out->nexthop = r->gateway != 0 ? r->gateway : dst;
    out->mtu = r->mtu != 0 && r->mtu < out->nif->mtu ? r->mtu : out->nif->mtu;
    e = dst_find(st, dst);
    if (e != NULL) {
        if (redirect_holds(e, r))
            out->nexthop = e->gateway;
        if (e->mtu_expires != 0 && e->mtu < out->mtu)
            out->mtu = e->mtu;
        out->mtu_floor = e->mtu_expires != 0 && e->mtu_floor && e->mtu <= out->mtu;
    }
    if (out->src == 0)
        out->src = r->src != 0 ? r->src : addr_source(st, out->nif, out->nexthop);
    return 0;
}

int route_find(struct td_stack *st, td_ip4 dst, td_ip4 src, uint32_t ifindex,
               struct ip_route_result *out)
{
    const struct fib_hop *r;
    int err;

    *out = (struct ip_route_result){.src = src};
    if (dst == TD_IP4_BROADCAST || ip4_is_multicast(dst))
        return route_direct(st, dst, src, ifindex, out);
    r = ip_fib_lookup(st, dst, 0);
    if (r != NULL && r->type == FIB_LOCAL) { /* ours, whatever interface was named */
        out->type = FIB_LOCAL;
        out->route = r;
        out->nexthop = dst;
        for (out->nif = netif_first(st);
             out->nif != NULL && (out->nif->flags & TD_IF_LOOPBACK) == 0; out->nif = out->nif->next)
            ;
        if (out->nif == NULL)
            return -ENETUNREACH;
        out->mtu = out->nif->mtu;
        if (src == 0)
            out->src = r->src != 0 ? r->src : dst;
        return 0;
    }
    if (ifindex == 0 && src != 0 && knob(st, IP_STRONG_HOST) != 0) {
        const struct netif *own = addr_owner(st, src);

        ifindex = own != NULL && (own->flags & TD_IF_LOOPBACK) == 0 ? own->index : 0;
    }
    if (ifindex != 0)
        r = ip_fib_lookup(st, dst, ifindex);
    if (r == NULL)
        return -ENETUNREACH;
    out->type = r->type;
    out->route = r;
    err = route_type_error(r->type);
    return err != 0 ? err : route_unicast(st, dst, r, out);
}

int ip_route(struct td_stack *st, td_ip4 dst, td_ip4 src, uint32_t ifindex,
             struct ip_route_result *out)
{
    int err = route_find(st, dst, src, ifindex, out);

    return err == 0 && out->src == 0 ? -EADDRNOTAVAIL : err;
}

/* ---- advice, and gateways that fail ---- */

/* Calls fn for every route; fn may not add or remove. Not for a data path. */
static void route_each(struct td_stack *st,
                       bool (*fn)(struct td_stack *st, struct fib_route *r, const void *arg),
                       const void *arg)
{
    uint64_t cursor = 0;
    struct fib_route *r;

    while ((r = st->ip->fib_ops->next(st->ip->fib, &cursor)) != NULL)
        if (fn(st, r, arg))
            return;
}

static bool route_revive(struct td_stack *st, struct fib_route *r, const void *arg)
{
    const struct fib_route *like = arg; /* NULL: all; else all of its prefix but itself */
    struct journal_subject sub = {.addr = r->gateway, .ifindex = r->ifindex};

    if (!r->dead || r == like ||
        (like != NULL && (r->prefix != like->prefix || r->plen != like->plen)))
        return false;
    r->dead = false;
    st->ip->fib_ops->changed(st->ip->fib, r->prefix, r->plen);
    JOURNAL(st, EV_GATEWAY_RETRY, &sub, r->gateway, r->ifindex, (uint64_t)r->prefix << 8 | r->plen);
    return false;
}

void route_gateway_timer(struct td_stack *st, struct timer *t)
{
    (void)t;
    route_each(st, route_revive, NULL);
}

/* The usable route for dst that isn't r but has its prefix. r is marked dead when it returns. */
static struct fib_route *route_alternative(struct td_stack *st, td_ip4 dst, struct fib_route *r)
{
    struct fib_route *other;

    r->dead = true;
    st->ip->fib_ops->changed(st->ip->fib, r->prefix, r->plen);
    other = ip_fib_route(st, dst, 0);
    if (other != NULL && other->plen == r->plen)
        return other;
    route_each(st, route_revive, r); /* those before it had two minutes, or less: round again */
    other = ip_fib_route(st, dst, 0);
    return other != NULL && other->plen == r->plen ? other : NULL;
}

/* True: another gateway is in use for dst now. */
static bool route_gateway_failed(struct td_stack *st, td_ip4 dst, struct fib_route *r)
{
    struct journal_subject sub = {.addr = r->gateway, .ifindex = r->ifindex};

    if (route_alternative(st, dst, r) == NULL) {
        r->dead = false; /* the only one: better a doubtful gateway than none */
        st->ip->fib_ops->changed(st->ip->fib, r->prefix, r->plen);
        return false;
    }
    JOURNAL_CAUSE(st, EV_GATEWAY_DEAD, &sub, r->gateway, r->ifindex,
                  (uint64_t)r->prefix << 8 | r->plen);
    if (!timer_armed(&st->ip->gateway_timer))
        timer_arm(st, &st->ip->gateway_timer, st->now + GATEWAY_RETRY);
    return true;
}

/* Forgets a redirect that is in use for dst. True: there was one. */
static bool route_unredirect(struct td_stack *st, td_ip4 dst, const struct fib_hop *r)
{
    struct dst_entry *e = dst_find(st, dst);

    if (e == NULL || !redirect_holds(e, r))
        return false;
    dst_forget_redirect(st, e);
    return true;
}

bool route_nexthop_failed(struct td_stack *st, const struct netif *nif, td_ip4 dst)
{
    struct fib_route *r = ip_fib_route(st, dst, 0);

    if (r == NULL || r->type != FIB_UNICAST || r->gateway == 0 || r->ifindex != nif->index)
        return false;
    return route_unredirect(st, dst, r->hop) || route_gateway_failed(st, dst, r);
}

void ip_advise_bad(struct td_stack *st, td_ip4 dst)
{
    struct fib_route *r = ip_fib_route(st, dst, 0);
    struct netif *nif = r != NULL ? netif_by_index(st, r->ifindex) : NULL;
    struct td_mac mac;
    td_ip4 nexthop;

    if (nif == NULL || r->type != FIB_UNICAST)
        return;
    if (r->gateway != 0 && (route_unredirect(st, dst, r->hop) || route_gateway_failed(st, dst, r)))
        return;
    nexthop = r->gateway != 0 ? r->gateway : dst;
    if (neigh_lookup(st, nif, nexthop, &mac) == NEIGH_REACHABLE)
        (void)neigh_set(st, nif, nexthop, mac, NEIGH_STALE);
}

void ip_advise_good(struct td_stack *st, td_ip4 dst)
{
    struct ip_route_result r;

    if (route_find(st, dst, 0, 0, &r) == 0 && r.type == FIB_UNICAST)
        arp_confirm(st, r.nif, r.nexthop);
}

/* ---- configuration ---- */

static void route_journal(struct td_stack *st, enum event_id ev, const struct fib_route *r)
{
    struct journal_subject sub = {.addr = r->gateway, .ifindex = r->ifindex};

    JOURNAL_CAUSE(st, ev, &sub, (uint64_t)r->prefix << 8 | r->plen, r->gateway, r->ifindex,
                  r->metric);
}

/* Fills in the interface, and judges the gateway: on-link, and not ourselves. */
static int route_check_gateway(struct td_stack *st, struct fib_route *r)
{
    const struct fib_hop *to = ip_fib_lookup(st, r->gateway, 0);

    if (addr_is_no_host(st, r->gateway) || (to != NULL && to->type == FIB_LOCAL))
        return -EINVAL;
    if (r->ifindex != 0)
        to = ip_fib_lookup(st, r->gateway, r->ifindex);
    if (to == NULL || to->type != FIB_UNICAST || to->gateway != 0)
        return -ENETUNREACH;
    r->ifindex = to->ifindex;
    return 0;
}

static int route_check(struct td_stack *st, struct fib_route *r)
{
    const struct netif *nif;
    int err;

    if (r->plen > 32 || (r->prefix & ~ip4_mask(r->plen)) != 0 || r->metric == UINT32_MAX)
        return -EINVAL;
    if (route_type_error(r->type) != 0)
        return r->gateway != 0 ? -EINVAL : 0;
    if (r->type != FIB_UNICAST)
        return -EINVAL; /* local and broadcast routes follow from addresses */
    if (r->ifindex != 0 && netif_by_index(st, r->ifindex) == NULL)
        return -ENODEV;
    if (r->src != 0 && !ip_is_local(st, r->src))
        return -EINVAL;
    if (r->gateway != 0) {
        err = route_check_gateway(st, r);
        if (err < 0)
            return err;
    }
    nif = netif_by_index(st, r->ifindex);
    if (nif == NULL)
        return -ENODEV;
    r->linkdown = !netif_is_up(nif);
    return 0;
}

int ip_route_add(struct td_stack *st, const struct fib_route *r, bool replace)
{
    const struct fib_ops *ops = st->ip->fib_ops;
    struct fib_route add = *r, same = {.prefix = r->prefix, .plen = r->plen, .metric = r->metric};
    uint64_t cursor = fib_cursor(r->prefix, r->plen);
    const struct fib_route *i;
    bool taken = false;
    int err;

    add.dead = false;
    add.next = NULL;
    if (add.proto == FIB_PROTO_KERNEL)
        add.proto = FIB_PROTO_STATIC; /* the kernel's follow from addresses */
    err = route_check(st, &add);
    if (err < 0)
        return err;
    /* As in Linux, a prefix and metric belong to one configured route. */
    while ((i = ops->next(st->ip->fib, &cursor)) != NULL && i->prefix == r->prefix &&
           i->plen == r->plen)
        if (i->metric == r->metric && i->type != FIB_LOCAL && i->type != FIB_BROADCAST)
            taken = true;
    if (taken && !replace)
        return -EEXIST;
    if (taken)
        while (ops->remove(st->ip->fib, &same) == 0)
            ;
    err = ops->insert(st->ip->fib, &add);
    if (err == 0)
        route_journal(st, EV_ROUTE_ADDED, &add);
    return err;
}

int ip_route_del(struct td_stack *st, const struct fib_route *r)
{
    struct fib_route del = *r;
    int err;

    if (r->plen > 32 || (r->prefix & ~ip4_mask(r->plen)) != 0)
        return -EINVAL;
    err = st->ip->fib_ops->remove(st->ip->fib, &del);
    if (err == 0)
        route_journal(st, EV_ROUTE_REMOVED, &del);
    return err;
}

/* ---- news from below ---- */

struct link_news {
    uint32_t ifindex;
    bool down;
};

static bool route_set_linkdown(struct td_stack *st, struct fib_route *r, const void *arg)
{
    const struct link_news *news = arg;

    (void)st;
    if (r->ifindex == news->ifindex)
        r->linkdown = news->down;
    return false;
}

void route_interface_changed(struct td_stack *st, uint32_t ifindex, bool up)
{
    struct link_news news = {.ifindex = ifindex, .down = !up};

    route_each(st, route_set_linkdown, &news);
    st->ip->fib_ops->changed(st->ip->fib, 0, 0);
}

/* Removes every route for which gone() is true. */
static void route_purge(struct td_stack *st, bool (*gone)(const struct fib_route *r, uint32_t arg),
                        uint32_t arg)
{
    uint64_t cursor = 0, at = 0;
    struct fib_route *r;

    while ((r = st->ip->fib_ops->next(st->ip->fib, &cursor)) != NULL) {
        struct fib_route copy = *r;

        if (!gone(r, arg)) {
            at = cursor;
            continue;
        }
        if (st->ip->fib_ops->remove(st->ip->fib, &copy) == 0)
            cursor = at; /* its successor took its place */
        route_journal(st, EV_ROUTE_REMOVED, &copy);
    }
}

static bool route_on_interface(const struct fib_route *r, uint32_t ifindex)
{
    return r->ifindex == ifindex;
}

static bool route_prefers(const struct fib_route *r, uint32_t src)
{
    return r->src == src && r->proto != FIB_PROTO_KERNEL;
}

void route_interface_removed(struct td_stack *st, uint32_t ifindex)
{
    route_purge(st, route_on_interface, ifindex);
}

void route_source_removed(struct td_stack *st, td_ip4 src)
{
    route_purge(st, route_prefers, src);
}
