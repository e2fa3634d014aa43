/* ip/mcast.c: host groups (RFC 1112, RFC 1122 3.3.7).
 *
 * Which groups each interface listens to, counted, so that two sockets may join the same one. There
 * is no IGMP: on the one link that we see, Ethernet carries groups to everybody, and no router is
 * told. Every interface that can multicast is in 224.0.0.1 from the start, for ever.
 */
#include "ip/ip_internal.h"

#include <errno.h>

struct ip_group {
    struct hash_node node;
    uint32_t ifindex;
    td_ip4 group;
    uint32_t members;
};

struct group_key {
    uint32_t ifindex;
    td_ip4 group;
};

static bool group_eq(const struct hash_node *n, const void *key)
{
    const struct ip_group *g = container_of(n, const struct ip_group, node);
    const struct group_key *k = key;

    return g->ifindex == k->ifindex && g->group == k->group;
}

static struct ip_group *group_find(const struct td_stack *st, uint32_t ifindex, td_ip4 group)
{
    struct group_key key = {.ifindex = ifindex, .group = group};
    struct hash_node *n = hash_find(&st->ip->groups, &key, sizeof key, group_eq);

    return n != NULL ? container_of(n, struct ip_group, node) : NULL;
}

static void group_free(struct td_stack *st, struct ip_group *g)
{
    hash_remove(&st->ip->groups, &g->node);
    mem_free(&st->mem, MEM_IP, g, sizeof *g);
}

int ip_mcast_join(struct td_stack *st, struct netif *nif, td_ip4 group)
{
    struct group_key key = {.ifindex = nif->index, .group = group};
    struct journal_subject sub = {.ifindex = nif->index, .addr = group};
    struct ip_group *g = group_find(st, nif->index, group);

    if (!ip4_is_multicast(group) || (nif->flags & TD_IF_MULTICAST) == 0)
        return -EINVAL;
    if (g != NULL) {
        g->members++;
        return 0;
    }
    if (st->ip->groups.count >= IP_GROUPS_MAX)
        return -ENOBUFS;
    g = mem_alloc(&st->mem, MEM_IP, sizeof *g);
    if (g == NULL)
        return -ENOMEM;
    g->ifindex = nif->index;
    g->group = group;
    g->members = 1;
    if (hash_insert(&st->ip->groups, &g->node, &key, sizeof key) < 0) {
        mem_free(&st->mem, MEM_IP, g, sizeof *g);
        return -ENOMEM;
    }
    JOURNAL(st, EV_GROUP_JOINED, &sub, group, nif->index);
    return 0;
}

int ip_mcast_leave(struct td_stack *st, struct netif *nif, td_ip4 group)
{
    struct journal_subject sub = {.ifindex = nif->index, .addr = group};
    struct ip_group *g = group_find(st, nif->index, group);

    if (g == NULL || (group == IP_ALL_HOSTS && g->members == 1))
        return -EADDRNOTAVAIL;
    if (--g->members > 0)
        return 0;
    group_free(st, g);
    JOURNAL(st, EV_GROUP_LEFT, &sub, group, nif->index);
    return 0;
}

bool mcast_joined(const struct td_stack *st, const struct netif *nif, td_ip4 group)
{
    return group_find(st, nif->index, group) != NULL;
}

void mcast_interface_up(struct td_stack *st, struct netif *nif)
{
    if ((nif->flags & TD_IF_MULTICAST) != 0 && !mcast_joined(st, nif, IP_ALL_HOSTS))
        (void)ip_mcast_join(st, nif, IP_ALL_HOSTS);
}

void mcast_interface_removed(struct td_stack *st, uint32_t ifindex)
{
    for (struct hash_node *n = hash_first(&st->ip->groups), *next; n != NULL; n = next) {
        struct ip_group *g = container_of(n, struct ip_group, node);

        next = hash_next(n);
        if (g->ifindex == ifindex)
            group_free(st, g);
    }
}

void mcast_done(struct td_stack *st)
{
    struct hash_node *n;

    while ((n = hash_first(&st->ip->groups)) != NULL)
        group_free(st, container_of(n, struct ip_group, node));
    hash_done(&st->ip->groups);
}
