/* socket/groups.c: multicast memberships of a socket (RFC 1112 6.1, 7.1; ip(7)).
 *
 * Theory of operation. A socket joins a group on an interface; ip/ counts the joins of all sockets
 * and receives the group while there is one. Which sockets get a datagram is decided here: those
 * that joined this group on this interface and, as long as IP_MULTICAST_ALL is on (Linux's
 * default), every other one bound to the port too. The memberships go with the socket.
 */
#include "socket/dgram.h"

#include <errno.h>
#include <string.h>

bool dgram_wants_group(const void *owner, td_ip4 group, uint32_t ifindex)
{
    const struct dgram *d = owner;
    for (const struct dgram_group *g = d->groups; g != NULL; g = g->next) {
        if (g->group == group && g->ifindex == ifindex) {
            return true;
        }
    }
    return d->mcast_all;
}

static td_ip4 in_addr_host(const struct in_addr *a)
{
    uint8_t b[4];
    memcpy(b, a, 4);
    return wire_get32(b);
}

static struct netif *netif_by_addr(const struct td_stack *st, td_ip4 addr)
{
    for (struct netif *nif = netif_first(st); nif != NULL; nif = nif->next) {
        for (const struct netif_addr *a = nif->addrs; a != NULL; a = a->next) {
            if (a->addr == addr && a->state == ADDR_READY) {
                return nif;
            }
        }
    }
    return NULL;
}

/* The three shapes that ip(7) allows: struct ip_mreqn, struct ip_mreq, and (where bare is true)
 * struct in_addr. */
static int mreq_parse(const void *v, socklen_t len, bool bare, struct ip_mreqn *out)
{
    memset(out, 0, sizeof *out);
    if (v != NULL && len >= sizeof *out) {
        memcpy(out, v, sizeof *out);
    } else if (v != NULL && len >= sizeof(struct ip_mreq)) {
        memcpy(out, v, sizeof(struct ip_mreq));
    } else if (v != NULL && bare && len >= sizeof(struct in_addr)) {
        memcpy(&out->imr_address, v, sizeof(struct in_addr));
    } else {
        return -EINVAL;
    }
    return 0;
}

static struct netif *mreq_netif(struct td_stack *st, const struct dgram *d,
                                const struct ip_mreqn *r)
{
    if (r->imr_ifindex != 0) {
        return r->imr_ifindex > 0 ? netif_by_index(st, (uint32_t)r->imr_ifindex) : NULL;
    }
    td_ip4 addr = in_addr_host(&r->imr_address);
    if (addr != 0) {
        return netif_by_addr(st, addr);
    }
    struct ip_route_result route;
    int err = ip_route(st, in_addr_host(&r->imr_multiaddr), 0, d->so.ifindex, &route);
    return err == 0 ? route.nif : NULL;
}

static int dgram_join_one(struct td_stack *st, struct dgram *d, struct netif *nif, td_ip4 group)
{
    for (const struct dgram_group *g = d->groups; g != NULL; g = g->next) {
        if (g->group == group && g->ifindex == nif->index) {
            return -EADDRINUSE;
        }
    }
    if (d->ngroups >= (uint32_t)knob(st, IGMP_MAX_MEMBERSHIPS)) {
        return -ENOBUFS;
    }
    struct dgram_group *g = mem_alloc(&st->mem, MEM_SOCKET, sizeof *g);
    if (g == NULL) {
        return -ENOMEM;
    }
    int err = ip_mcast_join(st, nif, group);
    if (err != 0) {
        mem_free(&st->mem, MEM_SOCKET, g, sizeof *g);
        return err;
    }
    *g = (struct dgram_group){.next = d->groups, .group = group, .ifindex = nif->index};
    d->groups = g;
    d->ngroups++;
    return 0;
}

static void dgram_leave_at(struct td_stack *st, struct dgram *d, struct dgram_group **at,
                           bool teardown)
{
    struct dgram_group *g = *at;
    struct netif *nif = teardown ? NULL : netif_by_index(st, g->ifindex);
    if (nif != NULL) {
        (void)ip_mcast_leave(st, nif, g->group); /* the interface may have been made anew */
    }
    *at = g->next;
    d->ngroups--;
    mem_free(&st->mem, MEM_SOCKET, g, sizeof *g);
}

int dgram_join(struct td_stack *st, struct dgram *d, const void *v, socklen_t len, bool join)
{
    struct ip_mreqn r;
    int err = mreq_parse(v, len, false, &r);
    if (err != 0) {
        return err;
    }
    td_ip4 group = in_addr_host(&r.imr_multiaddr);
    if (!ip4_is_multicast(group)) {
        return -EINVAL;
    }
    struct netif *nif = mreq_netif(st, d, &r);
    if (join) {
        return nif == NULL ? -ENODEV : dgram_join_one(st, d, nif, group);
    }
    for (struct dgram_group **g = &d->groups; *g != NULL; g = &(*g)->next) {
        if ((*g)->group == group && (nif == NULL || (*g)->ifindex == nif->index)) {
            dgram_leave_at(st, d, g, false);
            return 0;
        }
    }
    return nif == NULL ? -ENODEV : -EADDRNOTAVAIL;
}

void dgram_leave_all(struct td_stack *st, struct dgram *d, bool teardown)
{
    while (d->groups != NULL) {
        dgram_leave_at(st, d, &d->groups, teardown);
    }
}

int dgram_set_mcast_if(struct td_stack *st, struct dgram *d, const void *v, socklen_t len)
{
    struct ip_mreqn r;
    int err = mreq_parse(v, len, true, &r);
    if (err != 0) {
        return err;
    }
    td_ip4 addr = in_addr_host(&r.imr_address);
    if (r.imr_ifindex == 0 && addr == 0) { /* back to choosing by route */
        d->mcast_ifindex = 0;
        d->mcast_addr = 0;
        return 0;
    }
    struct netif *nif = NULL;
    if (r.imr_ifindex > 0) {
        nif = netif_by_index(st, (uint32_t)r.imr_ifindex);
    } else if (r.imr_ifindex == 0) {
        nif = netif_by_addr(st, addr);
    }
    if (nif == NULL) {
        return -EADDRNOTAVAIL;
    }
    if (d->so.ifindex != 0 && d->so.ifindex != nif->index) {
        return -EINVAL;
    }
    d->mcast_ifindex = nif->index;
    d->mcast_addr = addr;
    return 0;
}
