/* door/probe.c: packets that no socket would send.
 *
 * arping asks with sender addresses of its own choice, traceroute sends SYNs that belong to no
 * connection. Both give the bytes behind a header; the header is the stack's, so that what leaves
 * has our hardware address, and an IP address of ours, and passes rules, routes and queues like
 * everything else. What answers come, the stack treats as it would without the probe (a SYN-ACK is
 * reset); who waits for them looks with an observer (link/observe.c).
 */
#include "door/door.h"

#include "ip/ip.h"
#include "link/link.h"

#include <errno.h>

#define ETHERTYPE_LEAST 0x0600 /* below it the field is a length (IEEE 802.3 3.2.6) */

int probe_frame(struct td_stack *st, const struct td_call *c)
{
    struct netif *nif = netif_by_index(st, c->u.send.ifindex);
    if (nif == NULL)
        return -ENODEV;
    if ((nif->flags & TD_IF_LOOPBACK) != 0)
        return -EOPNOTSUPP;
    if (c->u.send.ethertype < ETHERTYPE_LEAST)
        return -EINVAL;
    if (c->u.send.len > nif->mtu)
        return -EMSGSIZE;
    struct pkt *p =
        pkt_from_bytes(&st->mem, PKT_HEADROOM, c->u.send.bytes, (uint32_t)c->u.send.len);
    return p != NULL ? eth_output(st, nif, c->u.send.dst, c->u.send.ethertype, p) : -ENOMEM;
}

int probe_datagram(struct td_stack *st, const struct td_call *c)
{
    const struct td_datagram *d = c->u.send.datagram;
    const struct ip_tx tx = {.src = d->src,
                             .dst = d->dst,
                             .proto = d->proto,
                             .tos = d->tos,
                             .ttl = d->ttl,
                             .flags = d->dont_fragment ? IP_TX_DF : 0,
                             .ifindex = d->ifindex};
    if (c->u.send.len > UINT16_MAX - IPV4_HLEN)
        return -EMSGSIZE;
    struct pkt *p =
        pkt_from_bytes(&st->mem, PKT_HEADROOM, c->u.send.bytes, (uint32_t)c->u.send.len);
    return p != NULL ? ip_output(st, p, &tx) : -ENOMEM;
}
