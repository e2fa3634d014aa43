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

int route_type_error(enum fib_type t)
{
    switch (t) {
    case FIB_BLACKHOLE:
        return -EINVAL;
    case FIB_UNREACHABLE:
        return -EHOSTUNREACH;
    case FIB_PROHIBIT:
        return -EACCES;
    case FIB_THROW:
        return -ENETUNREACH;
    default:
        return 0;
    }
}

/* Is the cached redirect still what it was given for? */
static bool redirect_holds(const struct dst_entry *e, const struct route_step *r)
{
    return e->gw_expires != 0 && r->gateway != 0 && r->gateway == e->instead_of &&
           r->ifindex == e->ifindex;
}

static int route_unicast(struct td_stack *st, const struct route_key *k, const struct fib_hop *r,
                         struct ip_route_result *out)
{
    struct route_step step = ip_step(st, r, k);
    struct dst_entry *e;

    out->nif = netif_by_index(st, step.ifindex);
    if (out->nif == NULL || !netif_is_up(out->nif))
        return -ENETUNREACH;
    out->nexthop = step.gateway != 0 ? step.gateway : k->dst;
    out->mtu = r->mtu != 0 && r->mtu < out->nif->mtu ? r->mtu : out->nif->mtu;
    e = dst_find(st, k->dst);
    if (e != NULL) {
        if (redirect_holds(e, &step))
            out->nexthop = e->gateway;
        if (e->mtu_expires != 0 && e->mtu < out->mtu)
            out->mtu = e->mtu;
        out->mtu_floor = e->mtu_expires != 0 && e->mtu_floor && e->mtu <= out->mtu;
    }
    if (out->src == 0)
        out->src = r->src != 0 ? r->src : addr_source(st, out->nif, out->nexthop);
    return 0;
}

uint32_t route_loopback(const struct td_stack *st)
{
    const struct netif *nif = netif_first(st);

    while (nif != NULL && (nif->flags & TD_IF_LOOPBACK) == 0)
        nif = nif->next;
    return nif != NULL ? nif->index : 0;
}

/* Ours, whatever interface was named. */
static int route_own(struct td_stack *st, td_ip4 dst, const struct fib_hop *r,
                     struct ip_route_result *out)
{
    out->type = FIB_LOCAL;
    out->route = r;
    out->nexthop = dst;
    out->nif = netif_by_index(st, route_loopback(st));
    if (out->nif == NULL)
        return -ENETUNREACH;
    out->mtu = out->nif->mtu;
    if (out->src == 0)
        out->src = r->src != 0 ? r->src : dst;
    return 0;
}

int route_find_flow(struct td_stack *st, struct route_key k, struct ip_route_result *out)
{
    const struct fib_hop *r;
    int err;

    *out = (struct ip_route_result){.src = k.src};
    if (k.dst == TD_IP4_BROADCAST || ip4_is_multicast(k.dst))
        return route_direct(st, k.dst, k.src, k.oif, out);
    r = ip_own(st, k.dst, 0);
    if (r != NULL && r->type == FIB_LOCAL)
        return route_own(st, k.dst, r, out);
    if (k.oif == 0 && k.src != 0 && knob(st, IP_STRONG_HOST) != 0) {
        const struct netif *owner = addr_owner(st, k.src);

        k.oif = owner != NULL && (owner->flags & TD_IF_LOOPBACK) == 0 ? owner->index : 0;
    }
    k.iif = route_loopback(st);
    r = ip_resolve(st, &k);
    if (r == NULL)
        return -ENETUNREACH;
    out->type = r->type;
    out->route = r;
    err = route_type_error(r->type);
    return err != 0 ? err : route_unicast(st, &k, r, out);
}

int route_find(struct td_stack *st, td_ip4 dst, td_ip4 src, uint32_t ifindex,
               struct ip_route_result *out)
{
    struct route_key k = {.dst = dst, .src = src, .oif = ifindex};

    return route_find_flow(st, k, out);
}

int ip_route(struct td_stack *st, td_ip4 dst, td_ip4 src, uint32_t ifindex,
             struct ip_route_result *out)
{
    int err = route_find(st, dst, src, ifindex, out);

    return err == 0 && out->src == 0 ? -EADDRNOTAVAIL : err;
}

/* ---- advice, and gateways that fail ---- */

/* Calls fn for every route of a table; fn may not add or remove. Not for a data path. */
static void route_each(struct td_stack *st, struct fib *f,
                       bool (*fn)(struct td_stack *st, struct fib_route *r, const void *arg),
                       const void *arg)
{
    uint64_t cursor = 0;
    struct fib_route *r;

    while ((r = st->ip->fib_ops->next(f, &cursor)) != NULL)
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
    route_each(st, st->ip->fib, route_revive, NULL);
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
    route_each(st, st->ip->fib, route_revive, r); /* those before it had two minutes, or less: round again */
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
static bool route_unredirect(struct td_stack *st, td_ip4 dst, const struct fib_route *r)
{
    struct dst_entry *e = dst_find(st, dst);

    if (e == NULL || !redirect_holds(e, &(struct route_step){r->gateway, r->ifindex}))
        return false;
    dst_forget_redirect(st, e);
    return true;
}

bool route_nexthop_failed(struct td_stack *st, const struct netif *nif, td_ip4 dst)
{
    struct fib_route *r = ip_fib_route(st, dst, 0);

    if (r == NULL || r->type != FIB_UNICAST || r->gateway == 0 || r->ifindex != nif->index)
        return false; /* also: one of several ways; they go with their interfaces only */
    return route_unredirect(st, dst, r) || route_gateway_failed(st, dst, r);
}

void ip_advise_bad(struct td_stack *st, td_ip4 dst)
{
    struct fib_route *r = ip_fib_route(st, dst, 0);
    struct netif *nif = r != NULL ? netif_by_index(st, r->ifindex) : NULL;
    struct td_mac mac;
    td_ip4 nexthop;

    if (nif == NULL || r->type != FIB_UNICAST)
        return;
    if (r->gateway != 0 && (route_unredirect(st, dst, r) || route_gateway_failed(st, dst, r)))
        return;
    nexthop = r->gateway != 0 ? r->gateway : dst;
    if (neigh_lookup(st, nif, nexthop, &mac) == NEIGH_REACHABLE)
        (void)neigh_set(st, nif, nexthop, mac, NEIGH_STALE);
}

void ip_advise_good(struct td_stack *st, td_ip4 dst)
{
    struct ip_route_result r;

    /* Of several ways nobody knows here which one was taken. */
    if (route_find(st, dst, 0, 0, &r) == 0 && r.type == FIB_UNICAST && r.route->npaths == 0)
        arp_confirm(st, r.nif, r.nexthop);
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
    if (r->ifindex == news->ifindex && r->type != FIB_LOCAL) /* an address is ours without its cable too */
        r->linkdown = news->down;
    for (unsigned i = 0; i < r->npaths; i++)
        if (r->paths[i].ifindex == news->ifindex)
            r->paths[i].linkdown = news->down;
    return false;
}

static void table_linkdown(struct td_stack *st, struct fib *f, const struct link_news *news)
{
    route_each(st, f, route_set_linkdown, news);
    st->ip->fib_ops->changed(f, 0, 0);
}

void route_interface_changed(struct td_stack *st, uint32_t ifindex, bool up)
{
    struct link_news news = {.ifindex = ifindex, .down = !up};

    table_linkdown(st, st->ip->fib, &news);
    table_linkdown(st, st->ip->own, &news);
    for (struct fib_table *t = st->ip->tables; t != NULL; t = t->next)
        table_linkdown(st, t->fib, &news);
}

/* Removes every route of a table for which gone() is true; what it says instead, when anything, is
 * written in its place. */
static void table_purge(struct td_stack *st, uint32_t id, struct fib *f,
                        bool (*gone)(const struct fib_route *r, uint32_t arg), uint32_t arg)
{
    uint64_t cursor = 0, at = 0;
    struct fib_route *r;

    while ((r = st->ip->fib_ops->next(f, &cursor)) != NULL) {
        struct fib_route copy = *r, less = *r;
        struct fib_path paths[FIB_PATHS_MAX], left[FIB_PATHS_MAX];
        unsigned left_n; /* fewer: some of its ways went; as many: it goes for another reason */

        if (!gone(r, arg)) {
            at = cursor;
            continue;
        }
        copy.exact = true;
        copy.table = copy.type == FIB_LOCAL || copy.type == FIB_BROADCAST ? TD_TABLE_LOCAL : id;
        less.table = copy.table;
        less.npaths = 0;
        for (unsigned i = 0; i < r->npaths; i++) {
            paths[i] = r->paths[i];
            if (paths[i].ifindex != arg)
                left[less.npaths++] = paths[i];
        }
        left_n = less.npaths;
        copy.paths = paths;
        less.paths = left;
        if (table_remove(st, &copy) == 0)
            cursor = at; /* its successor took its place */
        route_journal(st, EV_ROUTE_REMOVED, &copy);
        if (less.npaths == 1) {
            less.npaths = 0;
            less.gateway = left[0].gateway;
            less.ifindex = left[0].ifindex;
            less.onlink = left[0].onlink;
            less.linkdown = left[0].linkdown;
        }
        if (copy.npaths > left_n && left_n > 0) {
            (void)table_insert(st, &less); /* one way less; without memory, none */
            route_journal(st, EV_ROUTE_ADDED, &less);
        }
        if (ip_table(st, id) != f)
            return; /* that was its last one */
    }
}

static void route_purge(struct td_stack *st, bool (*gone)(const struct fib_route *r, uint32_t arg),
                        uint32_t arg)
{
    struct fib_table *t, *next;

    table_purge(st, TD_TABLE_MAIN, st->ip->fib, gone, arg);
    for (t = st->ip->tables; t != NULL; t = next) {
        next = t->next;
        table_purge(st, t->id, t->fib, gone, arg);
    }
}

static bool route_on_interface(const struct fib_route *r, uint32_t ifindex)
{
    for (unsigned i = 0; i < r->npaths; i++)
        if (r->paths[i].ifindex == ifindex)
            return true;
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
