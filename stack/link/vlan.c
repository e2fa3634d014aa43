/* link/vlan.c: 802.1Q sub-interfaces (IEEE 802.1Q-2018 9.3, 9.6).
 *
 * Theory of operation. One cable can carry many networks: a tag of four bytes behind the addresses
 * says which one a frame belongs to.
 *
 *      0      6       12     14     16
 *     | dst  | src   | 8100 | tci  | EtherType | payload …        tci = priority(3) dei(1) VLAN(12)
 *
 * A VLAN interface stands on another one (its `lower`) and has a number, 1 to 4094. What comes in
 * below with that number loses its tag and comes in again on the VLAN interface, which looks at
 * address, tag and EtherType anew: so a VLAN may carry VLANs, and be a port of a bridge. What the
 * VLAN interface sends gets the tag and leaves below, in one step, without a queue of its own. 0
 * isn't a VLAN, it is a frame with a priority and nothing else; 4095 is reserved. A number that
 * nobody has configured is dropped (eth-drop-vlan), never taken for untagged: that would let a host
 * reach into a network that it isn't part of.
 *
 * Which interface a number means is found in a table of pages, 16 of 256 entries, made when
 * they are needed: two steps whether there is one VLAN or four thousand.
 *
 * What happens below is felt above, as in Linux: a VLAN can't be up when the interface below is
 * down, goes down with it, and comes up with it; its MTU is at most the one below (the tag doesn't
 * count: every Ethernet device takes four bytes more) and shrinks with it; it has the MAC address
 * of the one below unless it was given one of its own; and it goes when the one below goes.
 */
#include "link/link_priv.h"

#include <errno.h>
#include <string.h>

#define VLAN_PAGES 16
#define VLAN_PAGE  256
#define VID_MAX    4094
#define TAG_LEN    4

struct vlan_group {
    uint32_t count;
    struct netif **page[VLAN_PAGES];
};

struct netif *vlan_find(const struct netif *lower, uint16_t vid)
{
    struct netif *const *page;

    if (lower->vlans == NULL || vid > VID_MAX)
        return NULL;
    page = lower->vlans->page[vid / VLAN_PAGE];
    return page != NULL ? page[vid % VLAN_PAGE] : NULL;
}

/* ---- making and unmaking ---- */

int vlan_check(const struct td_stack *st, const struct td_link_config *c, struct netif **lower)
{
    struct netif *below = netif_by_index(st, c->lower);

    *lower = below;
    if (below == NULL)
        return -ENODEV;
    if (c->vid == 0 || c->vid > VID_MAX)
        return -EINVAL;
    if (below->kind == TD_LINK_LOOPBACK)
        return -EOPNOTSUPP;
    if (vlan_find(below, c->vid) != NULL)
        return -EEXIST;
    if (c->mtu > below->mtu)
        return -ERANGE;
    if ((c->flags & TD_IF_UP) != 0 && !netif_is_up(below))
        return -ENETDOWN;
    return 0;
}

int vlan_attach(struct td_stack *st, struct netif *nif)
{
    struct vlan_group *g = nif->lower->vlans;
    struct netif ***page;

    if (g == NULL) {
        g = mem_alloc(&st->mem, MEM_LINK, sizeof *g);
        if (g == NULL)
            return -ENOMEM;
        nif->lower->vlans = g;
    }
    page = &g->page[nif->vid / VLAN_PAGE];
    if (*page == NULL)
        *page = mem_alloc(&st->mem, MEM_LINK, VLAN_PAGE * sizeof **page);
    if (*page == NULL) {
        if (g->count == 0) {
            mem_free(&st->mem, MEM_LINK, g, sizeof *g);
            nif->lower->vlans = NULL;
        }
        return -ENOMEM;
    }
    (*page)[nif->vid % VLAN_PAGE] = nif;
    g->count++;
    return 0;
}

void vlan_detach(struct td_stack *st, struct netif *nif)
{
    struct vlan_group *g = nif->lower->vlans;

    g->page[nif->vid / VLAN_PAGE][nif->vid % VLAN_PAGE] = NULL;
    if (--g->count > 0)
        return;
    for (unsigned i = 0; i < VLAN_PAGES; i++)
        if (g->page[i] != NULL)
            mem_free(&st->mem, MEM_LINK, g->page[i], VLAN_PAGE * sizeof *g->page[i]);
    mem_free(&st->mem, MEM_LINK, g, sizeof *g);
    nif->lower->vlans = NULL;
}

struct netif *vlan_first_on(const struct td_stack *st, const struct netif *lower)
{
    struct netif *nif = lower->vlans != NULL ? netif_first(st) : NULL;

    while (nif != NULL && nif->lower != lower)
        nif = nif->next;
    return nif;
}

/* ---- what happens below ---- */

static void vlan_follow(struct td_stack *st, struct netif *nif, enum link_change what)
{
    struct journal_subject sub = netif_subject(nif, NULL);
    const struct netif *lower = nif->lower;

    if (what == LINK_UP && !netif_is_up(nif)) {
        JOURNAL(st, EV_VLAN_FOLLOWS, &sub, nif->index, lower->index, W_LINK_BELOW_UP);
        (void)netif_set_flags(st, nif, TD_IF_UP, 0);
    } else if (what == LINK_DOWN && netif_is_up(nif)) {
        JOURNAL(st, EV_VLAN_FOLLOWS, &sub, nif->index, lower->index, W_LINK_BELOW_DOWN);
        (void)netif_set_flags(st, nif, 0, TD_IF_UP);
    } else if (what == LINK_MTU && nif->mtu > lower->mtu) {
        JOURNAL(st, EV_VLAN_FOLLOWS, &sub, nif->index, lower->index, W_LINK_BELOW_MTU);
        netif_follow_mtu(st, nif, lower->mtu);
    } else if (what == LINK_MAC && !nif->own_mac && !mac_eq(nif->mac, lower->mac)) {
        JOURNAL(st, EV_VLAN_FOLLOWS, &sub, nif->index, lower->index, W_LINK_BELOW_MAC);
        netif_follow_mac(st, nif, lower->mac);
    }
}

void vlan_lower_changed(struct td_stack *st, struct netif *lower, enum link_change what)
{
    if (lower->vlans == NULL)
        return;
    for (struct netif *nif = netif_first(st); nif != NULL; nif = nif->next)
        if (nif->lower == lower)
            vlan_follow(st, nif, what);
}

/* ---- tags ---- */

bool vlan_push(struct pkt *p, uint16_t tci)
{
    uint8_t *b = pkt_push(p, TAG_LEN);

    if (b == NULL)
        return false;
    memmove(b, b + TAG_LEN, 12);
    wire_put16(b + 12, ETHERTYPE_VLAN);
    wire_put16(b + 14, tci);
    return true;
}

void vlan_pop(struct pkt *p)
{
    memmove(p->data + TAG_LEN, p->data, 12);
    (void)pkt_pull(p, TAG_LEN);
}
