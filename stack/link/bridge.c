/* link/bridge.c: a learning bridge (IEEE 802.1D-2004 clause 7, without spanning tree and VLAN
 * filter).
 *
 * Theory of operation. A bridge joins interfaces, its ports, into one network. Each frame that
 * comes in on a port is looked at twice: its source says what is behind this port (fdb.c), its
 * destination where it goes:
 *
 *     destination                        goes
 *     01-80-c2-00-00-01 … 0f             no further: protocols between neighbours (7.12.6); 01, the
 * pause frame, not even to us. 00, the spanning tree's, is passed on, since nobody here takes part
 * in it broadcast, multicast               to every other port, and to the host known, behind
 * another port         there known, behind this port            nowhere: the station has heard it
 * already (a hairpin port may) local: the bridge's address or     to the host a port's unknown to
 * every other port ("flooding"); one of them is right
 *
 * The bridge is an interface too: br0 is the host's own socket on the switch. It has addresses and
 * routes like any other, what is for the host comes in on it, what the host sends there is passed
 * on as if it came from a port. Ports have no life of their own above Ethernet: everything that
 * comes in on them is the bridge's (except a VLAN that is configured on the port itself, which
 * takes its frames before).
 *
 * Tags are not looked at: a tagged frame passes as it is, and br0 may carry VLANs. Frames too long
 * for a port are dropped there: a bridge has nobody to send an ICMP error to (and super-frames are
 * cut behind the bridge, port by port, by what each device can do: offload.c).
 *
 * A frame that goes to several ports is cloned: each copy has headers of its own, the payload is
 * shared. What goes out is put into a queue and sent when the frame has been dealt with
 * (link_forward_run): a port may be a VLAN on another bridge, and the depth of that must not be the
 * depth of our C stack. Bridges and VLANs can't stand on themselves (-ELOOP) nor deeper than
 * LINK_NEST, so the queue ends. A loop outside, in the cabling, nobody breaks without a spanning
 * tree: it is seen as stations that flap (bridge-moved) and as our own frames coming back, which
 * are dropped (bridge-drop-own).
 *
 * Address and MTU of the bridge follow its ports, unless somebody has set them: the numerically
 * lowest of the addresses, so that it stays the same whatever the order of joining, and the
 * smallest of the MTUs.
 */
#include "link/bridge_priv.h"

#include <errno.h>

/* ---- making, unmaking, configuring ---- */

static void bridge_told(struct td_stack *st, const struct bridge *br)
{
    struct journal_subject sub = netif_subject(br->nif, NULL);

    JOURNAL(st, EV_BRIDGE_CONFIG, &sub, br->nif->index, br->ageing, br->fdb_max);
}

static void bridge_configure(struct bridge *br, const struct td_bridge_config *c)
{
    if ((c->what & TD_BRIDGE_AGEING) != 0)
        br->ageing = c->ageing;
    if ((c->what & TD_BRIDGE_FDB_MAX) != 0)
        br->fdb_max = c->fdb_max;
}

int bridge_init(struct td_stack *st, struct netif *nif, const struct td_bridge_config *c)
{
    struct bridge *br = mem_alloc(&st->mem, MEM_LINK, sizeof *br);

    if (br == NULL)
        return -ENOMEM;
    br->nif = nif;
    br->ageing = BRIDGE_AGEING;
    br->fdb_max = BRIDGE_FDB_MAX;
    hash_init(&br->fdb, &st->mem, &st->hash_key);
    nif->bridge = br;
    bridge_configure(br, c);
    fdb_own_addresses(st, br);
    return 0;
}

void bridge_done(struct td_stack *st, struct netif *nif)
{
    struct bridge *br = nif->bridge;

    if (br == NULL)
        return;
    fdb_done(st, br);
    for (struct bridge_port *p = br->ports, *next; p != NULL; p = next) {
        next = p->next;
        p->nif->port = NULL;
        mem_free(&st->mem, MEM_LINK, p, sizeof *p);
    }
    mem_free(&st->mem, MEM_LINK, br, sizeof *br);
    nif->bridge = NULL;
}

int bridge_set(struct td_stack *st, struct netif *nif, const struct td_bridge_config *c)
{
    struct bridge *br = nif->bridge;

    if (br == NULL || (c->what & ~(uint32_t)(TD_BRIDGE_AGEING | TD_BRIDGE_FDB_MAX)) != 0)
        return -EINVAL;
    bridge_configure(br, c);
    br->full_told = false;
    fdb_ageing_changed(st, br);
    bridge_told(st, br);
    return 0;
}

struct td_bridge_config bridge_config(const struct netif *nif)
{
    return (struct td_bridge_config){.what = TD_BRIDGE_AGEING | TD_BRIDGE_FDB_MAX,
                                     .ageing = nif->bridge->ageing,
                                     .fdb_max = nif->bridge->fdb_max};
}

uint32_t bridge_fdb_learned(const struct netif *nif)
{
    return nif->bridge->learned;
}

uint32_t bridge_port_flags(const struct netif *nif)
{
    return nif->port != NULL ? nif->port->flags : 0;
}

int bridge_port_set(struct td_stack *st, struct netif *nif, uint32_t set, uint32_t clear)
{
    const uint32_t known = TD_PORT_LEARNING | TD_PORT_FLOOD | TD_PORT_HAIRPIN | TD_PORT_ISOLATED;
    struct journal_subject sub = netif_subject(nif, NULL);
    uint32_t from;

    if (nif->port == NULL || ((set | clear) & ~known) != 0)
        return -EINVAL;
    from = nif->port->flags;
    nif->port->flags = (from & ~clear) | set;
    JOURNAL(st, EV_BRIDGE_PORT, &sub, nif->index, from, nif->port->flags);
    return 0;
}

/* ---- ports ---- */

bool bridge_has_address(const struct netif *nif, struct td_mac mac)
{
    const struct fdb_entry *e = nif->bridge != NULL ? fdb_find(nif->bridge, mac) : NULL;

    return e != NULL && (e->flags & TD_FDB_LOCAL) != 0;
}

bool bridge_carrier(const struct netif *nif)
{
    for (const struct bridge_port *p = nif->bridge->ports; p != NULL; p = p->next)
        if (netif_running(p->nif))
            return true;
    return false;
}

/* Configuration only; LINK_NEST bounds the depth of these two. */
bool bridge_stands_on(const struct netif *nif, const struct netif *below)
{
    if (nif == below)
        return true;
    if (nif->kind == TD_LINK_VLAN)
        return bridge_stands_on(nif->lower, below);
    for (const struct bridge_port *p = nif->bridge != NULL ? nif->bridge->ports : NULL; p != NULL;
         p = p->next)
        if (bridge_stands_on(p->nif, below))
            return true;
    return false;
}

unsigned bridge_depth(const struct netif *nif)
{
    unsigned deepest = 0;

    if (nif->kind == TD_LINK_VLAN)
        return 1 + bridge_depth(nif->lower);
    for (const struct bridge_port *p = nif->bridge != NULL ? nif->bridge->ports : NULL; p != NULL;
         p = p->next) {
        unsigned d = 1 + bridge_depth(p->nif);

        deepest = d > deepest ? d : deepest;
    }
    return deepest;
}

/* The bridge's address and MTU, as its ports have them. */
static void bridge_follow(struct td_stack *st, struct bridge *br)
{
    struct netif *nif = br->nif;
    struct td_mac lowest = nif->mac;
    uint32_t mtu = 1500;

    for (const struct bridge_port *p = br->ports; p != NULL; p = p->next) {
        if (p == br->ports || mac_u64(p->nif->mac) < mac_u64(lowest))
            lowest = p->nif->mac;
        if (p == br->ports || p->nif->mtu < mtu)
            mtu = p->nif->mtu;
    }
    if (!nif->own_mtu)
        netif_follow_mtu(st, nif, mtu);
    if (!nif->own_mac)
        netif_follow_mac(st, nif, lowest);
    fdb_own_addresses(st, br);
}

static void port_free(struct td_stack *st, struct bridge_port *port)
{
    struct bridge *br = port->bridge;
    struct bridge_port **at = &br->ports;

    while (*at != port)
        at = &(*at)->next;
    *at = port->next;
    port->nif->port = NULL;
    mem_free(&st->mem, MEM_LINK, port, sizeof *port);
}

static void port_leave(struct td_stack *st, struct bridge_port *port)
{
    struct bridge *br = port->bridge;

    (void)fdb_forget_port(st, br, port, true, W_PORT_LEFT);
    for (struct hash_node *n = hash_first(&br->fdb); n != NULL; n = hash_next(n)) {
        struct fdb_entry *e = container_of(n, struct fdb_entry, node);

        if (e->port == port)
            e->port = NULL; /* its own address, which bridge_follow takes out */
    }
    port_free(st, port);
    bridge_follow(st, br);
}

static int port_join(struct td_stack *st, struct bridge *br, struct netif *nif)
{
    struct bridge_port *port = mem_alloc(&st->mem, MEM_LINK, sizeof *port), **at = &br->ports;

    if (port == NULL)
        return -ENOMEM;
    *port =
        (struct bridge_port){.nif = nif, .bridge = br, .flags = TD_PORT_LEARNING | TD_PORT_FLOOD};
    while (*at != NULL)
        at = &(*at)->next;
    *at = port;
    nif->port = port;
    if (!netif_nest_ok(st)) {
        port_free(st, port);
        return -EMLINK;
    }
    bridge_follow(st, br);
    return 0;
}

struct netif *netif_master(const struct netif *nif)
{
    return nif->port != NULL ? nif->port->bridge->nif : NULL;
}

int link_set_master(struct td_stack *st, struct netif *nif, struct netif *master)
{
    struct journal_subject sub = netif_subject(nif, NULL);
    struct netif *from = netif_master(nif);
    uint32_t flags = bridge_port_flags(nif);
    int err = 0;

    if (from == master)
        return 0;
    if (master != NULL && (master->bridge == NULL || nif->kind == TD_LINK_LOOPBACK))
        return -EINVAL;
    /* A bridge as a port, Linux refuses too; what stands on the bridge, however far up, would be a
     * circle. */
    if (master != NULL && (nif->bridge != NULL || bridge_stands_on(nif, master)))
        return -ELOOP;
    if (from != NULL)
        port_leave(st, nif->port);
    if (master != NULL)
        err = port_join(st, master->bridge, nif);
    if (err < 0) { /* back to where it was */
        if (from != NULL && port_join(st, from->bridge, nif) == 0)
            nif->port->flags = flags;
        return err;
    }
    JOURNAL_CAUSE(st, EV_LINK_MASTER, &sub, nif->index, from != NULL ? from->index : 0,
                  master != NULL ? master->index : 0);
    return 0;
}

void bridge_changed(struct td_stack *st, struct netif *nif, enum link_change what)
{
    if (nif->bridge != NULL && what == LINK_MAC)
        fdb_own_addresses(st, nif->bridge);
    if (nif->port == NULL)
        return;
    if (what == LINK_DOWN)
        (void)fdb_forget_port(st, nif->port->bridge, nif->port, false, W_PORT_DOWN);
    else if (what == LINK_MTU || what == LINK_MAC)
        bridge_follow(st, nif->port->bridge);
}

/* ---- forwarding ---- */

struct passage { /* a frame on its way through */
    struct bridge *br;
    const struct bridge_port *from; /* NULL: from the host */
    struct pkt *p;
    struct td_mac dst;
    bool group; /* broadcast or multicast */
};

static uint32_t passage_from(const struct passage *w)
{
    return w->from != NULL ? w->from->nif->index : w->br->nif->index;
}

static void bridge_drop(struct td_stack *st, const struct passage *w)
{
    count(st, BridgeDrops);
    w->br->nif->stats.tx_dropped++;
    pkt_free(w->p);
}

static bool port_open(const struct td_stack *st, const struct passage *w,
                      const struct bridge_port *to)
{
    if (!netif_is_up(to->nif))
        return false;
    if (to == w->from)
        return FAULT_ON(st, BRIDGE_HAIRPIN) || (to->flags & TD_PORT_HAIRPIN) != 0;
    return w->from == NULL || (w->from->flags & to->flags & TD_PORT_ISOLATED) == 0;
}

/* False: dropped. The tag doesn't count, and a super-frame will be cut. */
static bool port_fits(struct td_stack *st, const struct passage *w, const struct bridge_port *to)
{
    struct journal_subject sub = netif_subject(w->br->nif, w->p);

    if (w->p->gso_size != 0 || w->p->len <= to->nif->mtu + ETH_HLEN + 4)
        return true;
    JOURNAL(st, EV_BRIDGE_DROP_MTU, &sub, w->br->nif->index, to->nif->index, w->p->len,
            to->nif->mtu);
    count(st, BridgeDrops);
    to->nif->stats.tx_dropped++;
    return false;
}

/* Consumes p. */
static void port_send(struct td_stack *st, const struct bridge_port *to, struct pkt *p)
{
    p->ifindex = to->nif->index;
    p->flags &= (uint16_t) ~(PKT_L2_BROADCAST | PKT_L2_MULTICAST | PKT_L2_OTHERHOST);
    pkt_queue_push(&st->link->forward, p);
}

static void forward_to(struct td_stack *st, const struct passage *w, struct bridge_port *to)
{
    struct journal_subject sub = netif_subject(w->br->nif, w->p);

    if (!port_open(st, w, to)) {
        if (to == w->from)
            JOURNAL(st, EV_BRIDGE_DROP_SAME_PORT, &sub, to->nif->index, mac_u64(w->dst));
        else
            JOURNAL(st, EV_BRIDGE_DROP_NO_PORT, &sub, w->br->nif->index, mac_u64(w->dst));
        bridge_drop(st, w);
        return;
    }
    if (!port_fits(st, w, to)) {
        pkt_free(w->p);
        return;
    }
    JOURNAL(st, EV_BRIDGE_FORWARD, &sub, w->br->nif->index, mac_u64(w->dst), passage_from(w),
            to->nif->index, w->p->len);
    count(st, BridgeForwarded);
    port_send(st, to, w->p);
}

/* To every port that is open. The original goes to the last of them, or is left in w->p when
 * `keep`. */
static void forward_all(struct td_stack *st, struct passage *w, bool keep)
{
    struct journal_subject sub = netif_subject(w->br->nif, w->p);
    const struct bridge_port *last = NULL;
    uint32_t ports = 0;
    struct pkt *copy;

    for (const struct bridge_port *to = w->br->ports; to != NULL; to = to->next) {
        if (!port_open(st, w, to) || (!w->group && (to->flags & TD_PORT_FLOOD) == 0) ||
            !port_fits(st, w, to))
            continue;
        ports++;
        if (last != NULL || keep) {
            copy = pkt_clone(w->p, PKT_HEADROOM);
            if (copy == NULL) {
                JOURNAL(st, EV_BRIDGE_DROP_MEMORY, &sub, w->br->nif->index, to->nif->index,
                        w->p->len);
                count(st, BridgeDrops);
            } else {
                port_send(st, keep ? to : last, copy);
            }
        }
        last = to;
    }
    if (ports > 0) {
        JOURNAL(st, EV_BRIDGE_FLOOD, &sub, w->br->nif->index, mac_u64(w->dst), passage_from(w),
                ports, w->p->len);
        count(st, BridgeFlooded);
        if (!keep)
            port_send(st, last, w->p);
    } else if (!keep) {
        JOURNAL(st, EV_BRIDGE_DROP_NO_PORT, &sub, w->br->nif->index, mac_u64(w->dst));
        bridge_drop(st, w);
    }
}

/* ---- in from a port ---- */

/* 01-80-c2-00-00-01 to -0f: 0 it isn't one, 1 for the host alone, 2 for nobody. */
static int reserved_address(struct td_mac m)
{
    if ((mac_u64(m) & ~UINT64_C(0xf)) != UINT64_C(0x0180c2000000) || m.b[5] == 0)
        return 0;
    return m.b[5] == 1 ? 2 : 1;
}

/* What a frame says of itself that forbids to pass it on. */
static enum event_id bridge_refuses(const struct passage *w, const struct eth_hdr *h, uint64_t *arg)
{
    const struct fdb_entry *src;

    if (!netif_is_up(w->br->nif)) {
        *arg = w->br->nif->index;
        return EV_BRIDGE_DROP_DOWN;
    }
    if (reserved_address(h->dst) == 2) {
        *arg = mac_u64(h->dst);
        return EV_BRIDGE_DROP_RESERVED;
    }
    src = fdb_find(w->br, h->src);
    *arg = mac_u64(h->src);
    return src != NULL && (src->flags & TD_FDB_LOCAL) != 0 ? EV_BRIDGE_DROP_OWN : EV_NONE;
}

struct pkt *bridge_input(struct td_stack *st, struct netif *nif, struct pkt *p,
                         const struct eth_hdr *h)
{
    struct bridge_port *port = nif->port;
    struct passage w = {.br = port->bridge, .from = port, .p = p, .dst = h->dst};
    struct journal_subject sub = netif_subject(nif, p);
    bool watched = (w.br->nif->flags & TD_IF_PROMISC) != 0;
    struct fdb_entry *dst;
    uint64_t arg = 0;
    enum event_id refused = bridge_refuses(&w, h, &arg);

    if (refused != EV_NONE) {
        JOURNAL(st, refused, &sub, nif->index, arg, w.br->nif->index);
        nif->stats.rx_dropped++;
        count(st, BridgeDrops);
        pkt_free(p);
        return NULL;
    }
    if ((port->flags & TD_PORT_LEARNING) != 0)
        fdb_learn(st, w.br, port, h->src);
    if (mac_is_multicast(h->dst)) {
        w.group = true;
        if (reserved_address(h->dst) == 0)
            forward_all(st, &w, true);
        return p;
    }
    dst = fdb_find(w.br, h->dst);
    if (dst != NULL)
        dst->used = st->now;
    if (dst != NULL && (dst->flags & TD_FDB_LOCAL) != 0)
        return p;
    if (watched) { /* who looks at the bridge sees everything that passes */
        w.p = pkt_clone(p, PKT_HEADROOM);
        if (w.p == NULL) {
            w.p = p;
            watched = false;
        }
    }
    if (dst != NULL)
        forward_to(st, &w, dst->port);
    else
        forward_all(st, &w, false);
    return watched ? p : NULL;
}

/* ---- out from the host ---- */

int bridge_output(struct td_stack *st, struct netif *nif, struct pkt *p)
{
    struct passage w = {.br = nif->bridge, .p = p};
    struct journal_subject sub = netif_subject(nif, p);
    struct fdb_entry *dst;
    struct eth_hdr h;

    (void)eth_parse(&h, p->data, p->head_len); /* we have written it: the addresses are there */
    w.dst = h.dst;
    w.group = mac_is_multicast(h.dst);
    nif->stats.tx_packets++;
    nif->stats.tx_bytes += p->len;
    dst = w.group ? NULL : fdb_find(w.br, h.dst);
    if (dst == NULL) {
        forward_all(st, &w, false);
    } else if ((dst->flags & TD_FDB_LOCAL) != 0) {
        JOURNAL(st, EV_BRIDGE_DROP_NO_PORT, &sub, nif->index, mac_u64(h.dst));
        bridge_drop(st, &w);
    } else {
        dst->used = st->now;
        forward_to(st, &w, dst->port);
    }
    return 0;
}
