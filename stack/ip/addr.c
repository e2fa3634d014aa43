/* ip/addr.c: interface addresses, and what follows from them (RFC 1122 3.2.1.3, 3.3.1.1; RFC 950).
 *
 * Theory of operation. Whether an address is ours, a broadcast, or a neighbour's is never found by
 * going through the interfaces: each address in use puts its routes into the FIB, and one
 * longest-prefix match answers all three questions (as Linux's local table does):
 *
 *     10.0.0.2/24 on eth0    10.0.0.2/32    local       that's us
 *                            10.0.0.0/24    unicast     on-link: (dst & mask) == (own & mask)
 *                            10.0.0.255/32  broadcast   RFC 919
 *                            10.0.0.0/32    broadcast   the old all-zeroes form (RFC 1122 3.3.6)
 *     10.0.0.4/31            10.0.0.4/32    local       RFC 3021: no broadcast, both ends are hosts
 *                            10.0.0.4/31    unicast
 *     10.0.0.7/32            10.0.0.7/32    local
 *     127.0.0.1/8 on lo      127.0.0.1/32 and 127.0.0.0/8, both local
 *
 * When the interface goes down all of them wait for it but the first: the address stays ours. The host still talks
 * to itself on it, and what comes for it in by another interface is taken (the weak host model), as in Linux.
 *
 * A second address of the same subnet finds the subnet's routes there already and adds only its own
 * /32; when the first one goes, the second takes the subnet over. The order of configuration stays
 * the order of preference: the first address of a subnet is the one that we speak from.
 *
 * With the arp_acd knob an address is TENTATIVE until ARP has probed for it (RFC 5227): it has no
 * routes, so nobody can send from it and nothing is accepted for it. If another host turns out to
 * have it, it goes to CONFLICT and its routes with it.
 */
#include "ip/nf/nf_internal.h"

#include <errno.h>
#include <string.h>

/* ---- the routes of an address ---- */

static bool addr_has_broadcast(const struct netif *nif, uint8_t plen)
{
    return plen < 31 && (nif->flags & TD_IF_BROADCAST) != 0;
}

/* The routes of a, in r[0..5]; returns how many. */
static unsigned addr_routes(const struct netif *nif, const struct netif_addr *a,
                            struct fib_route r[5])
{
    struct fib_route common = {.proto = FIB_PROTO_KERNEL,
                               .src = a->addr,
                               .ifindex = nif->index,
                               .linkdown = !netif_is_up(nif)};
    td_ip4 subnet = a->addr & ip4_mask(a->plen);
    unsigned n = 0;

    r[n] = common;
    r[n].prefix = a->addr;
    r[n].plen = 32;
    r[n].linkdown = false; /* ours, cable or not */
    r[n++].type = FIB_LOCAL;
    if (a->plen < 32) {
        bool loopback = (nif->flags & TD_IF_LOOPBACK) != 0;

        r[n] = common;
        r[n].prefix = subnet;
        r[n].plen = a->plen;
        r[n].linkdown = r[n].linkdown && !loopback; /* the host talks to itself always */
        r[n++].type = loopback ? FIB_LOCAL : FIB_UNICAST;
    }
    if (a->broadcast != 0) {
        r[n] = common;
        r[n].prefix = a->broadcast;
        r[n].plen = 32;
        r[n++].type = FIB_BROADCAST;
    }
    if (addr_has_broadcast(nif, a->plen) && subnet != a->broadcast) {
        r[n] = common;
        r[n].prefix = subnet;
        r[n].plen = 32;
        r[n++].type = FIB_BROADCAST;
    }
    return n;
}

static void addr_routes_del(struct td_stack *st, struct netif *nif, struct netif_addr *a);

/* Those that are there already, from an earlier address of the subnet, stay. 0 or -ENOMEM (then
 * none). */
static int addr_routes_add(struct td_stack *st, struct netif *nif, struct netif_addr *a)
{
    struct fib_route r[5];
    unsigned n = addr_routes(nif, a, r);

    for (unsigned i = 0; i < n; i++) {
        if (table_insert(st, &r[i]) == -ENOMEM) {
            addr_routes_del(st, nif, a);
            return -ENOMEM;
        }
    }
    return 0;
}

static void addr_routes_del(struct td_stack *st, struct netif *nif, struct netif_addr *a)
{
    struct fib_route r[5];
    unsigned n = addr_routes(nif, a, r);

    for (unsigned i = 0; i < n; i++)
        (void)table_remove(st, &r[i]);
    /* What another address of this interface shares comes back in its name. */
    for (struct netif_addr *o = nif->addrs; o != NULL; o = o->next) {
        if (o == a || o->state != ADDR_READY)
            continue;
        n = addr_routes(nif, o, r);
        for (unsigned i = 0; i < n; i++)
            (void)table_insert(st, &r[i]);
    }
}

/* ---- configuration ---- */

static bool addr_acceptable(const struct netif *nif, td_ip4 addr, uint8_t plen, td_ip4 broadcast)
{
    td_ip4 host;

    if (plen > 32 || ip4_is_zeronet(addr) || ip4_is_multicast(addr) || ip4_is_class_e(addr))
        return false;
    if (ip4_is_loopback(addr) && (nif->flags & TD_IF_LOOPBACK) == 0)
        return false;
    host = addr & ~ip4_mask(plen);
    /* RFC 1122 3.2.1.3: neither all ones nor all zeroes in the host part is a host */
    if (plen < 31 && (host == 0 || host == ~ip4_mask(plen)))
        return false;
    return broadcast == 0 || broadcast != addr;
}

static struct netif_addr **addr_slot(struct netif *nif, td_ip4 addr)
{
    struct netif_addr **at = &nif->addrs;

    while (*at != NULL && (*at)->addr != addr)
        at = &(*at)->next;
    return at;
}

/* Linux asks that a label be the interface's name, or begin with it and a colon (ip-address(8)). */
static bool label_acceptable(const struct netif *nif, const char *label)
{
    size_t n = strlen(nif->name);

    if (label[0] == '\0')
        return true;
    return memchr(label, '\0', NETIF_NAME_LEN) != NULL && strncmp(label, nif->name, n) == 0 &&
           (label[n] == '\0' || label[n] == ':');
}

int ip_addr_add(struct td_stack *st, uint32_t ifindex, td_ip4 addr, uint8_t plen, td_ip4 broadcast)
{
    struct td_addr config = {.addr = addr, .plen = plen, .broadcast = broadcast};

    return ip_addr_add_full(st, ifindex, &config);
}

int ip_addr_add_full(struct td_stack *st, uint32_t ifindex, const struct td_addr *config)
{
    struct netif *nif = netif_by_index(st, ifindex);
    struct journal_subject sub = {.ifindex = ifindex, .addr = config->addr};
    td_ip4 addr = config->addr, broadcast = config->no_broadcast ? 0 : config->broadcast;
    uint8_t plen = config->plen;
    struct netif_addr **at, *a;

    if (nif == NULL)
        return -ENODEV;
    if (!addr_acceptable(nif, addr, plen, broadcast) || !label_acceptable(nif, config->label))
        return -EINVAL;
    at = addr_slot(nif, addr);
    if (*at != NULL)
        return -EEXIST;
    a = mem_alloc(&st->mem, MEM_IP, sizeof *a);
    if (a == NULL)
        return -ENOMEM;
    a->addr = addr;
    a->plen = plen;
    a->broadcast = broadcast;
    if (broadcast == 0 && !config->no_broadcast && addr_has_broadcast(nif, plen))
        a->broadcast = addr | ~ip4_mask(plen);
    memcpy(a->label, config->label, strlen(config->label));
    a->state = ADDR_READY;
    if ((nif->flags & TD_IF_BROADCAST) != 0 && (nif->flags & TD_IF_NOARP) == 0 &&
        ifknob(st, nif, ARP_ACD) != 0)
        a->state = ADDR_TENTATIVE;
    if (a->state == ADDR_READY && addr_routes_add(st, nif, a) < 0) {
        mem_free(&st->mem, MEM_IP, a, sizeof *a);
        return -ENOMEM;
    }
    *at = a;
    JOURNAL_CAUSE(st, EV_ADDR_ADDED, &sub, (uint64_t)addr << 8 | plen, ifindex);
    if ((nif->flags & TD_IF_LOOPBACK) == 0)
        arp_addr_added(st, nif, a);
    return 0;
}

bool ip_addr_is_secondary(const struct netif *nif, const struct netif_addr *a)
{
    for (const struct netif_addr *o = nif->addrs; o != a; o = o->next)
        if (o->plen == a->plen && ((o->addr ^ a->addr) & ip4_mask(a->plen)) == 0)
            return true;
    return false;
}

static void addr_remove(struct td_stack *st, struct netif *nif, struct netif_addr **at)
{
    struct netif_addr *a = *at;
    struct journal_subject sub = {.ifindex = nif->index, .addr = a->addr};

    if ((nif->flags & TD_IF_LOOPBACK) == 0)
        arp_addr_removed(st, nif, a);
    if (a->state == ADDR_READY)
        addr_routes_del(st, nif, a);
    *at = a->next;
    route_source_removed(st, a->addr);
    JOURNAL_CAUSE(st, EV_ADDR_REMOVED, &sub, (uint64_t)a->addr << 8 | a->plen, nif->index);
    nf_masq_gone(st, 0, a->addr);
    mem_free(&st->mem, MEM_IP, a, sizeof *a);
}

int ip_addr_del(struct td_stack *st, uint32_t ifindex, td_ip4 addr, uint8_t plen)
{
    struct netif *nif = netif_by_index(st, ifindex);
    struct netif_addr **at;

    if (nif == NULL)
        return -ENODEV;
    at = addr_slot(nif, addr);
    if (*at == NULL || (*at)->plen != plen)
        return -EADDRNOTAVAIL;
    addr_remove(st, nif, at);
    return 0;
}

void addr_interface_removed(struct td_stack *st, struct netif *nif)
{
    while (nif->addrs != NULL)
        addr_remove(st, nif, &nif->addrs);
}

/* ---- what others ask ---- */

bool ip_is_local(const struct td_stack *st, td_ip4 addr)
{
    const struct fib_hop *r = ip_own(st, addr, 0);

    return r != NULL && r->type == FIB_LOCAL;
}

bool ip_is_broadcast(const struct td_stack *st, const struct netif *nif, td_ip4 addr)
{
    const struct fib_hop *r;

    if (addr == TD_IP4_BROADCAST)
        return true;
    r = ip_own(st, addr, nif != NULL ? nif->index : 0);
    return r != NULL && r->type == FIB_BROADCAST;
}

bool addr_is_no_host(const struct td_stack *st, td_ip4 addr)
{
    return ip4_is_zeronet(addr) || ip4_is_loopback(addr) || ip4_is_multicast(addr) ||
           ip4_is_class_e(addr) || ip_is_broadcast(st, NULL, addr);
}

td_ip4 addr_source_on(const struct netif *nif, td_ip4 nexthop)
{
    td_ip4 first = 0;

    for (const struct netif_addr *a = nif->addrs; a != NULL; a = a->next) {
        if (a->state != ADDR_READY)
            continue;
        if (((a->addr ^ nexthop) & ip4_mask(a->plen)) == 0)
            return a->addr;
        if (first == 0)
            first = a->addr;
    }
    return first;
}

td_ip4 addr_source(const struct td_stack *st, const struct netif *nif, td_ip4 nexthop)
{
    td_ip4 src = addr_source_on(nif, nexthop);

    for (const struct netif *o = netif_first(st); src == 0 && o != NULL; o = o->next)
        if (o != nif && netif_is_up(o))
            for (const struct netif_addr *a = o->addrs; src == 0 && a != NULL; a = a->next)
                if (a->state == ADDR_READY && !ip4_is_loopback(a->addr))
                    src = a->addr;
    return src;
}

struct netif *addr_owner(const struct td_stack *st, td_ip4 addr)
{
    const struct fib_hop *r = ip_own(st, addr, 0);

    return r != NULL && r->type == FIB_LOCAL ? netif_by_index(st, r->ifindex) : NULL;
}

/* ---- arp's questions and news ---- */

static bool hook_is_local(struct td_stack *st, td_ip4 addr)
{
    return !ip4_is_loopback(addr) && ip_is_local(st, addr); /* 127/8 is never on a wire */
}

static bool hook_routed_elsewhere(struct td_stack *st, struct netif *nif, td_ip4 addr)
{
    const struct fib_route *r = ip_fib_route(st, addr, 0);

    return r != NULL && r->type == FIB_UNICAST && r->plen > 0 && r->ifindex != nif->index;
}

static td_ip4 hook_source_for(struct td_stack *st, struct netif *nif, td_ip4 target)
{
    return addr_source(st, nif, target);
}

static void hook_acd_ready(struct td_stack *st, struct netif *nif, struct netif_addr *a)
{
    struct journal_subject sub = {.ifindex = nif->index, .addr = a->addr};

    if (a->state == ADDR_READY)
        return;
    a->state = ADDR_READY;
    if (addr_routes_add(st, nif, a) < 0) {
        a->state = ADDR_CONFLICT; /* no memory for its routes: it can't be used either */
        return;
    }
    JOURNAL(st, EV_ADDR_READY_NOW, &sub, (uint64_t)a->addr << 8 | a->plen, nif->index);
}

static void hook_acd_conflict(struct td_stack *st, struct netif *nif, struct netif_addr *a)
{
    struct journal_subject sub = {.ifindex = nif->index, .addr = a->addr};

    if (a->state == ADDR_READY) {
        for (unsigned i = 0; i < 256; i++) {
            if (st->ip->proto[i] != NULL && st->ip->proto[i]->addr_lost != NULL)
                st->ip->proto[i]->addr_lost(st, a->addr);
        }
        addr_routes_del(st, nif, a);
    }
    a->state = ADDR_CONFLICT;
    JOURNAL(st, EV_ADDR_LOST, &sub, (uint64_t)a->addr << 8 | a->plen, nif->index);
}

/* RFC 5227 2.1: the interface came up, so the address is tested again before it is used. */
static void hook_acd_retest(struct td_stack *st, struct netif *nif, struct netif_addr *a)
{
    if (a->state != ADDR_READY)
        return;
    addr_routes_del(st, nif, a);
    a->state = ADDR_TENTATIVE;
}

void addr_set_hooks(struct td_stack *st)
{
    const struct arp_hooks hooks = {
        .unreachable = ip_unreachable,
        .is_local = hook_is_local,
        .routed_elsewhere = hook_routed_elsewhere,
        .source_for = hook_source_for,
        .acd_ready = hook_acd_ready,
        .acd_conflict = hook_acd_conflict,
        .acd_retest = hook_acd_retest,
    };

    arp_set_hooks(st, &hooks); /* copied */
}
