/* ip/ip.c: the internet layer made and unmade.
 *
 * struct ip is the state of all files of this folder (ip_internal.h is the map). It registers with
 * the layers below: IPv4's EtherType, ARP's hooks, changes of interfaces. Transports register with
 * it: an input and an ICMP error function a protocol number.
 */
#include "ip/nf/nf_internal.h"

#include <errno.h>

static void ip_link_changed(struct td_stack *st, struct netif *nif, enum link_change what)
{
    if (st->ip == NULL) /* ip_init failed later on; the watch stays */
        return;
    switch (what) {
    case LINK_ADDED:
        policy_interface(st, nif, true);
        mcast_interface_up(st, nif); /* a group needs no carrier to be joined */
        break;
    case LINK_UP:
    case LINK_DOWN:
        route_interface_changed(st, nif->index, what == LINK_UP);
        if (what == LINK_DOWN) {
            dst_forget_interface(st, nif->index);
            nf_masq_gone(st, nif->index, 0);
        }
        break;
    case LINK_REMOVED:
        policy_interface(st, nif, false);
        addr_interface_removed(st, nif);
        route_interface_removed(st, nif->index);
        dst_forget_interface(st, nif->index);
        mcast_interface_removed(st, nif->index);
        break;
    case LINK_MTU: /* read at every use */
    case LINK_MAC:
        break;
    }
}

static int ip_attach(struct td_stack *st)
{
    int err = link_register(st, ETHERTYPE_IPV4, ip_input);

    if (err == 0)
        err = link_watch_add(st, ip_link_changed);
    return err;
}

int ip_init(struct td_stack *st)
{
    struct ip *ip = mem_alloc(&st->mem, MEM_INSTANCE, sizeof *ip);
    int err;

    if (ip == NULL)
        return -ENOMEM;
    st->ip = ip;
    ip->fib_ops = &fib_poptrie;
    ip->fib = ip->fib_ops->create(&st->mem);
    dst_cache_init(st);
    hash_init(&ip->groups, &st->mem, &st->hash_key);
    frag_init(st);
    ipid_init(st);
    pkt_queue_init(&ip->failed);
    timer_init(&ip->failed_timer, ip_failed_timer, "unreachable");
    timer_init(&ip->gateway_timer, route_gateway_timer, "gateway");
    err = ip->fib == NULL ? -ENOMEM : policy_init(st);
    if (err == 0)
        err = ip_attach(st);
    if (err < 0) {
        ip_done(st);
        return err;
    }
    addr_set_hooks(st);
    for (struct netif *nif = netif_first(st); nif != NULL; nif = nif->next)
        mcast_interface_up(st, nif);
    tables_register(st);
    nf_table_register(st);
    return 0;
}

void ip_done(struct td_stack *st)
{
    struct ip *ip = st->ip;

    if (ip == NULL)
        return;
    frag_done(st);
    nf_done(st);
    timer_cancel(st, &ip->failed_timer);
    timer_cancel(st, &ip->gateway_timer);
    pkt_queue_clear(&ip->failed);
    mcast_done(st);
    dst_cache_done(st);
    /* The interfaces outlive this call; their addresses are ours. */
    for (struct netif *nif = netif_first(st); nif != NULL; nif = nif->next)
        while (nif->addrs != NULL) {
            struct netif_addr *a = nif->addrs;

            nif->addrs = a->next;
            mem_free(&st->mem, MEM_IP, a, sizeof *a);
        }
    policy_done(st);
    if (ip->fib != NULL)
        ip->fib_ops->destroy(ip->fib);
    mem_free(&st->mem, MEM_INSTANCE, ip, sizeof *ip);
    st->ip = NULL;
}

int ip_register(struct td_stack *st, uint8_t proto, const struct ip_protocol *ops)
{
    if (st->ip->proto[proto] != NULL)
        return -EEXIST;
    st->ip->proto[proto] = ops;
    return 0;
}
