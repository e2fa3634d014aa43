/* link/netif.c: interfaces, and everything that configures them.
 *
 * Theory of operation. An interface is made with a name, an address and a device, gets the next
 * free index, and is found again by that index (an array: every frame that arrives asks) or by its
 * name (a list: people ask). Indices are never used twice, as in Linux, so an index in the journal
 * stays meaningful after the interface has gone.
 *
 * Modules above keep state by interface (neighbours, addresses, routes). They watch: each watcher
 * is told of the change after it has taken effect, except LINK_REMOVED, which comes first so that
 * they can let go of the struct netif. Watchers are called in the order in which they registered.
 *
 * A loopback interface is one without a device; it has no queue discipline and no Ethernet. The others
 * without a device, VLANs, bridges and dummies, are made in virtual.c.
 *
 * What happens to an interface is felt by those that stand on it (vlan.c) and by the bridge whose port
 * it is (bridge.c): they are told after the watchers, so that they find everything in order below.
 */
#include "link/link_priv.h"

#include <errno.h>
#include <string.h>

#define MTU_MIN 68 /* RFC 791: every module forwards 68 bytes without fragmenting */
#define MTU_MAX 65535

/* For the journal's text. */
static const char *netif_name(const struct td_stack *st, uint32_t ifindex)
{
    const struct netif *nif = netif_by_index(st, ifindex);
    return nif != NULL ? nif->name : NULL;
}

int link_init(struct td_stack *st)
{
    st->link = mem_alloc(&st->mem, MEM_LINK, sizeof *st->link);
    if (st->link == NULL)
        return -ENOMEM;
    st->link->next_index = 1;
    pkt_queue_init(&st->link->forward);
    pkt_queue_init(&st->link->gro);
    st->ifname = netif_name;
    netif_tables_init(st);
    return 0;
}

void netif_free(struct td_stack *st, struct netif *nif)
{
    if (nif->lower != NULL)
        vlan_detach(st, nif);
    bridge_done(st, nif);
    timer_cancel(st, &nif->egress_timer);
    timer_cancel(st, &nif->ingress_timer);
    pkt_free(nif->held);
    pkt_queue_clear(&nif->loop);
    qdisc_destroy(nif->egress);
    qdisc_destroy(nif->ingress);
    mem_free(&st->mem, MEM_LINK, nif, sizeof *nif);
}

void link_done(struct td_stack *st)
{
    struct link *l = st->link;

    if (l == NULL)
        return;
    pkt_queue_clear(&l->gro);
    /* VLANs let go of what they stand on, which may be before or behind them in the list. */
    for (struct netif *nif = l->first; nif != NULL; nif = nif->next) {
        if (nif->lower != NULL)
            vlan_detach(st, nif);
        nif->lower = NULL;
    }
    for (struct netif *nif = l->first; nif != NULL; nif = nif->next)
        bridge_done(st, nif);
    for (struct netif *nif = l->first, *next; nif != NULL; nif = next) {
        next = nif->next;
        netif_free(st, nif);
    }
    pkt_queue_clear(&l->forward);
    mem_free(&st->mem, MEM_LINK, l->by_index, l->by_index_cap * sizeof *l->by_index);
    mem_free(&st->mem, MEM_LINK, l->protos, l->nprotos * sizeof *l->protos);
    mem_free(&st->mem, MEM_LINK, l->watches, l->nwatches * sizeof *l->watches);
    mem_free(&st->mem, MEM_LINK, l, sizeof *l);
    st->link = NULL;
}

struct netif *netif_by_index(const struct td_stack *st, uint32_t index)
{
    return index < st->link->by_index_cap ? st->link->by_index[index] : NULL;
}

struct netif *netif_by_name(const struct td_stack *st, const char *name)
{
    struct netif *nif = st->link->first;

    while (nif != NULL && strcmp(nif->name, name) != 0)
        nif = nif->next;
    return nif;
}

struct netif *netif_first(const struct td_stack *st)
{
    return st->link->first;
}

int link_register(struct td_stack *st, uint16_t ethertype, link_handler *fn)
{
    struct link *l = st->link;
    struct link_proto *grown;

    for (uint32_t i = 0; i < l->nprotos; i++)
        if (l->protos[i].type == ethertype)
            return -EEXIST;
    grown = mem_resize(&st->mem, MEM_LINK, l->protos, l->nprotos * sizeof *grown,
                       (l->nprotos + 1) * sizeof *grown);
    if (grown == NULL)
        return -ENOMEM;
    grown[l->nprotos++] = (struct link_proto){.type = ethertype, .fn = fn};
    l->protos = grown;
    return 0;
}

int link_watch_add(struct td_stack *st, link_watch *fn)
{
    struct link *l = st->link;
    link_watch **grown = mem_resize(&st->mem, MEM_LINK, l->watches, l->nwatches * sizeof *grown,
                                    (l->nwatches + 1) * sizeof *grown);

    if (grown == NULL)
        return -ENOMEM;
    grown[l->nwatches++] = fn;
    l->watches = grown;
    return 0;
}

void link_tell(struct td_stack *st, struct netif *nif, enum link_change what)
{
    for (uint32_t i = 0; i < st->link->nwatches; i++)
        st->link->watches[i](st, nif, what);
}

/* ---- adding and removing ---- */

/* As the kernel's dev_valid_name: what can't be typed on a command line or in a sysctl name. */
static bool name_valid(const char *name)
{
    size_t len = strnlen(name, NETIF_NAME_LEN);

    if (len == 0 || len == NETIF_NAME_LEN || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return false;
    for (size_t i = 0; i < len; i++)
        if (name[i] <= ' ' || name[i] == '/' || name[i] == ':' || name[i] == 0x7f)
            return false;
    return true;
}

static int by_index_reserve(struct td_stack *st, uint32_t index)
{
    struct link *l = st->link;
    uint32_t cap = l->by_index_cap == 0 ? 4 : l->by_index_cap;
    struct netif **grown;

    while (cap <= index)
        cap *= 2;
    if (cap == l->by_index_cap)
        return 0;
    grown = mem_resize(&st->mem, MEM_LINK, l->by_index, l->by_index_cap * sizeof *grown,
                       cap * sizeof *grown);
    if (grown == NULL)
        return -ENOMEM;
    l->by_index = grown;
    l->by_index_cap = cap;
    return 0;
}

/* A random address: unicast, locally administered (IEEE 802-2014 8.4). */
static struct td_mac mac_random(struct td_stack *st)
{
    struct td_mac mac;

    rng_bytes(&st->rng, mac.b, sizeof mac.b);
    mac.b[0] = (uint8_t)((mac.b[0] & 0xfc) | 0x02);
    return mac;
}

int netif_new(struct td_stack *st, const char *name, enum td_link_kind kind, struct td_mac mac, uint32_t mtu,
              uint32_t flags, struct netif **out)
{
    struct link *l = st->link;
    struct netif *nif;

    if (!name_valid(name) || mtu < MTU_MIN || mtu > MTU_MAX || mac_is_multicast(mac))
        return -EINVAL;
    if (netif_by_name(st, name) != NULL)
        return -EEXIST;
    if (by_index_reserve(st, l->next_index) < 0)
        return -ENOMEM;
    nif = mem_alloc(&st->mem, MEM_LINK, sizeof *nif);
    if (nif == NULL)
        return -ENOMEM;
    nif->st = st;
    nif->kind = kind;
    memcpy(nif->name, name, strnlen(name, NETIF_NAME_LEN - 1));
    nif->mtu = mtu;
    nif->flags = flags & ~(uint32_t)TD_IF_UP;
    nif->txqlen = 1000;
    memcpy(nif->knob, st->knobs.dflt, sizeof nif->knob);
    pkt_queue_init(&nif->loop);
    timer_init(&nif->egress_timer, netif_egress_due, "egress");
    timer_init(&nif->ingress_timer, netif_ingress_due, "ingress");
    netif_qdisc_listen(nif);
    if (kind != TD_LINK_LOOPBACK) {
        nif->flags |= TD_IF_BROADCAST | TD_IF_MULTICAST;
        nif->mac = mac_is_zero(mac) ? mac_random(st) : mac;
    }
    *out = nif;
    return 0;
}

void netif_publish(struct td_stack *st, struct netif *nif)
{
    struct link *l = st->link;
    struct journal_subject sub;

    nif->index = l->next_index++;
    l->by_index[nif->index] = nif;
    if (l->last != NULL)
        l->last->next = nif;
    else
        l->first = nif;
    l->last = nif;
    sub = netif_subject(nif, NULL);
    JOURNAL(st, EV_LINK_ADDED, &sub, nif->index, mac_u64(nif->mac), nif->mtu);
    link_tell(st, nif, LINK_ADDED);
}

int netif_add(struct td_stack *st, const struct td_if_config *c, uint32_t *index)
{
    bool loopback = (c->flags & TD_IF_LOOPBACK) != 0;
    uint32_t mtu = c->mtu != 0 ? c->mtu : loopback ? MTU_MAX : 1500;
    struct netif *nif;
    int err;

    if (loopback != (c->ops == NULL))
        return -EINVAL;
    err = netif_new(st, c->name, loopback ? TD_LINK_LOOPBACK : TD_LINK_DEVICE, c->mac, mtu, c->flags, &nif);
    if (err < 0)
        return err;
    nif->txqlen = c->txqueuelen != 0 ? c->txqueuelen : 1000;
    nif->ops = c->ops;
    nif->dev = c->dev;
    if (!loopback) {
        if (netif_qdisc_init(nif) < 0) {
            netif_free(st, nif);
            return -ENOMEM;
        }
    }
    netif_publish(st, nif);
    *index = nif->index;
    if ((c->flags & TD_IF_UP) != 0)
        return netif_set_flags(st, nif, TD_IF_UP, 0);
    return 0;
}

bool netif_running(const struct netif *nif)
{
    if (!netif_is_up(nif))
        return false;
    if (nif->kind == TD_LINK_BRIDGE)
        return bridge_carrier(nif);
    return nif->kind != TD_LINK_VLAN || netif_running(nif->lower);
}

bool netif_nest_ok(const struct td_stack *st)
{
    for (const struct netif *nif = st->link->first; nif != NULL; nif = nif->next)
        if (bridge_depth(nif) > LINK_NEST)
            return false;
    return true;
}

static void dirty_unlink(struct link *l, struct netif *nif)
{
    struct netif *prev = NULL;

    for (struct netif *n = l->dirty_first; n != NULL; prev = n, n = n->dirty_next) {
        if (n != nif)
            continue;
        if (prev != NULL)
            prev->dirty_next = n->dirty_next;
        else
            l->dirty_first = n->dirty_next;
        if (l->dirty_last == n)
            l->dirty_last = prev;
        break;
    }
}

int netif_del(struct td_stack *st, uint32_t index)
{
    struct link *l = st->link;
    struct netif *nif = netif_by_index(st, index), *prev = NULL;

    if (nif == NULL)
        return -ENODEV;
    if (nif->kind == TD_LINK_LOOPBACK)
        return -EOPNOTSUPP;
    for (struct netif *v; (v = vlan_first_on(st, nif)) != NULL;)
        (void)netif_del(st, v->index); /* LINK_NEST deep at most */
    netif_set_flags(st, nif, 0, TD_IF_UP);
    (void)link_set_master(st, nif, NULL);
    for (struct netif *port = l->first; nif->bridge != NULL && port != NULL; port = port->next)
        if (netif_master(port) == nif)
            (void)link_set_master(st, port, NULL);
    link_tell(st, nif, LINK_REMOVED);
    struct journal_subject sub = netif_subject(nif, NULL);
    JOURNAL(st, EV_LINK_REMOVED, &sub, nif->index);

    dirty_unlink(l, nif);
    for (struct netif *n = l->first; n != nif; n = n->next)
        prev = n;
    if (prev != NULL)
        prev->next = nif->next;
    else
        l->first = nif->next;
    if (l->last == nif)
        l->last = prev;
    l->by_index[index] = NULL;
    netif_free(st, nif);
    return 0;
}

/* ---- changing ---- */

/* Tells those who watch, then those who stand on it or have it as a port. */
static void netif_changed(struct td_stack *st, struct netif *nif, enum link_change what)
{
    link_tell(st, nif, what);
    bridge_changed(st, nif, what);
    vlan_lower_changed(st, nif, what);
}

int netif_set_flags(struct td_stack *st, struct netif *nif, uint32_t set, uint32_t clear)
{
    const uint32_t may = TD_IF_UP | TD_IF_NOARP | TD_IF_PROMISC | TD_IF_MULTICAST | TD_IF_BROADCAST |
                         (nif->ops != NULL ? TD_IF_GRO : 0);
    uint32_t from = nif->flags, to = (from & ~clear) | set;
    struct journal_subject sub = netif_subject(nif, NULL);

    if (((from ^ to) & ~may) != 0)
        return -EINVAL;
    if (from == to)
        return 0;
    if ((to & ~from & TD_IF_UP) != 0 && nif->lower != NULL && !netif_is_up(nif->lower))
        return -ENETDOWN;
    nif->flags = to;
    if (((from ^ to) & ~(uint32_t)TD_IF_UP) != 0)
        JOURNAL(st, EV_LINK_FLAGS, &sub, nif->index, from, to);
    if (((from ^ to) & TD_IF_UP) == 0)
        return 0;
    JOURNAL_CAUSE(st, EV_LINK_STATE, &sub, nif->index, netif_is_up(nif));
    if (!netif_is_up(nif)) {
        uint64_t frames = netif_clear_queues(st, nif);

        if (frames > 0) {
            JOURNAL(st, EV_LINK_DROP_FLUSH, &sub, nif->index, frames);
            count_add(st, EthOutDrops, frames);
            nif->stats.tx_dropped += frames;
        }
    }
    netif_changed(st, nif, netif_is_up(nif) ? LINK_UP : LINK_DOWN);
    return 0;
}

int netif_set_mtu(struct td_stack *st, struct netif *nif, uint32_t mtu)
{
    if (mtu < MTU_MIN || mtu > MTU_MAX)
        return -EINVAL;
    if (nif->lower != NULL && mtu > nif->lower->mtu)
        return -ERANGE;
    nif->own_mtu = true;
    netif_follow_mtu(st, nif, mtu);
    return 0;
}

void netif_follow_mtu(struct td_stack *st, struct netif *nif, uint32_t mtu)
{
    struct journal_subject sub = netif_subject(nif, NULL);

    if (mtu == nif->mtu)
        return;
    JOURNAL_CAUSE(st, EV_LINK_MTU, &sub, nif->index, nif->mtu, mtu);
    nif->mtu = mtu;
    netif_changed(st, nif, LINK_MTU);
}

int netif_set_mac(struct td_stack *st, struct netif *nif, struct td_mac mac)
{
    if ((nif->flags & TD_IF_LOOPBACK) != 0)
        return -EOPNOTSUPP;
    if (mac_is_multicast(mac) || mac_is_zero(mac))
        return -EADDRNOTAVAIL;
    nif->own_mac = true;
    netif_follow_mac(st, nif, mac);
    return 0;
}

void netif_follow_mac(struct td_stack *st, struct netif *nif, struct td_mac mac)
{
    struct journal_subject sub = netif_subject(nif, NULL);

    if (mac_eq(mac, nif->mac))
        return;
    JOURNAL_CAUSE(st, EV_LINK_MAC, &sub, nif->index, mac_u64(nif->mac), mac_u64(mac));
    nif->mac = mac;
    netif_changed(st, nif, LINK_MAC);
}

void netif_ready(struct td_stack *st, struct netif *nif)
{
    struct journal_subject sub = netif_subject(nif, NULL);

    if (!nif->busy)
        return;
    nif->busy = false;
    JOURNAL(st, EV_LINK_READY, &sub, nif->index,
            qdisc_all_packets(nif->egress) + (nif->held != NULL));
    netif_mark_dirty(st, nif);
}
