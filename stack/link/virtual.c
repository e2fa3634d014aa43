/* link/virtual.c: interfaces without a device: how they are made, and where their frames go.
 *
 * Theory of operation. Every interface can be sent to (link_xmit) and has frames come in
 * (eth_input). Behind most there is a device. The others are made by td_link_add:
 *
 *     kind     out                                          in
 *     vlan     gets its tag, leaves by the interface below  vlan.c: loses its tag, comes in above
 *     bridge   as if it came from a port (bridge.c)         what the ports have for the host
 *     dummy    nowhere; counted, told (link-drop-dummy)     nothing
 *
 * They have no queue of their own (`noqueue`, as in Linux): a frame goes through in one step, and
 * the caller hears what the device's queue below said. A queue discipline may be put on them all
 * the same; then frames wait there, and go on from there.
 *
 * A dummy is a place for addresses that must not depend on a cable: a router's own address, a
 * service's. Loopback is no virtual interface in this sense: it has no Ethernet (eth.c).
 */
#include "link/link_priv.h"

#include <errno.h>

const char *td_link_kind_name(enum td_link_kind kind)
{
    static const char *const names[TD_LINK_KINDS] = {[TD_LINK_DEVICE] = "",
                                                     [TD_LINK_LOOPBACK] = "loopback",
                                                     [TD_LINK_VLAN] = "vlan",
                                                     [TD_LINK_BRIDGE] = "bridge",
                                                     [TD_LINK_DUMMY] = "dummy"};

    return (unsigned)kind < TD_LINK_KINDS ? names[kind] : "";
}

/* ---- making ---- */

/* What depends on the kind, before anybody knows of the interface. */
static int virtual_prepare(struct td_stack *st, struct netif *nif, const struct td_link_config *c)
{
    switch (c->kind) {
    case TD_LINK_VLAN:
        return vlan_attach(st, nif);
    case TD_LINK_BRIDGE:
        return bridge_init(st, nif, &c->bridge);
    default: /* a dummy asks nobody where a neighbour is: there is none */
        nif->flags = (nif->flags | TD_IF_NOARP) & ~(uint32_t)TD_IF_MULTICAST;
        return 0;
    }
}

int link_add(struct td_stack *st, const struct td_link_config *c, uint32_t *index)
{
    const uint32_t may = TD_IF_UP | TD_IF_PROMISC | TD_IF_NOARP | TD_IF_MULTICAST | TD_IF_BROADCAST;
    struct netif *lower = NULL, *nif;
    struct td_mac mac = c->mac;
    uint32_t mtu = c->mtu;
    int err = 0;

    if ((c->kind != TD_LINK_VLAN && c->kind != TD_LINK_BRIDGE && c->kind != TD_LINK_DUMMY) ||
        (c->flags & ~may) != 0)
        return -EINVAL;
    if (netif_by_name(st, c->name) != NULL)
        return -EEXIST;
    if (c->kind == TD_LINK_VLAN) {
        err = vlan_check(st, c, &lower);
        if (err == 0 && 1 + bridge_depth(lower) > LINK_NEST)
            err = -EMLINK;
        if (err < 0)
            return err;
        mtu = mtu != 0 ? mtu : lower->mtu;
        mac = mac_is_zero(mac) ? lower->mac : mac;
    }
    err = netif_new(st, c->name, c->kind, mac, mtu != 0 ? mtu : 1500, c->flags, &nif);
    if (err < 0)
        return err;
    nif->own_mac = !mac_is_zero(c->mac);
    nif->own_mtu = c->mtu != 0;
    nif->lower = lower;
    nif->vid = c->vid;
    err = virtual_prepare(st, nif, c);
    if (err < 0) {
        nif->lower = NULL; /* it isn't attached there */
        netif_free(st, nif);
        return err;
    }
    netif_publish(st, nif);
    *index = nif->index;
    if (lower != NULL) {
        struct journal_subject sub = netif_subject(nif, NULL);

        JOURNAL(st, EV_VLAN_ADDED, &sub, nif->index, nif->vid, lower->index);
    }
    if (!netif_nest_ok(
            st)) { /* it stands on something that is deep already, and something stands on it */
        (void)netif_del(st, nif->index);
        return -EMLINK;
    }
    return (c->flags & TD_IF_UP) != 0 ? netif_set_flags(st, nif, TD_IF_UP, 0) : 0;
}

/* ---- sending ---- */

static int dummy_output(struct td_stack *st, struct netif *nif, struct pkt *p)
{
    struct journal_subject sub = netif_subject(nif, p);

    JOURNAL(st, EV_LINK_DROP_DUMMY, &sub, nif->index, p->len);
    nif->stats.tx_packets++;
    nif->stats.tx_bytes += p->len;
    pkt_free(p);
    return 0;
}

static int vlan_output(struct td_stack *st, struct netif *nif, struct pkt *p)
{
    struct journal_subject sub = netif_subject(nif, p);
    uint32_t len = p->len;
    int err;

    if (!FAULT_ON(st, VLAN_UNTAGGED) && !vlan_push(p, nif->vid)) {
        JOURNAL(st, EV_LINK_DROP_QDISC, &sub, nif->index, false, W_NO_MEMORY, 0);
        return eth_refused(st, nif, p, -ENOBUFS);
    }
    p->ifindex = nif->lower->index;
    err = link_xmit(st, nif->lower, p);
    if (err < 0) {
        nif->stats.tx_dropped++;
        return err;
    }
    nif->stats.tx_packets++;
    nif->stats.tx_bytes += len;
    return 0;
}

int link_xmit_virtual(struct td_stack *st, struct netif *nif, struct pkt *p)
{
    link_show(st, nif, true, p);
    switch (nif->kind) {
    case TD_LINK_VLAN:
        return vlan_output(st, nif, p);
    case TD_LINK_BRIDGE:
        return bridge_output(st, nif, p);
    default:
        return dummy_output(st, nif, p);
    }
}

void link_forward_run(struct td_stack *st)
{
    struct link *l = st->link;
    struct netif *nif;
    struct pkt *p;

    if (l->forwarding)
        return; /* further up somebody is at it */
    l->forwarding = true;
    while ((p = pkt_queue_pop(&l->forward)) != NULL) {
        nif = netif_by_index(st, p->ifindex);
        if (nif == NULL)
            pkt_free(p);
        else
            (void)link_xmit(st, nif, p);
    }
    l->forwarding = false;
}
