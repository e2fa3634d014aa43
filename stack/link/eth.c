/* link/eth.c: frames in and out (RFC 894, RFC 1042 on receipt, RFC 1122 2.3 and 2.4).
 *
 * Theory of operation. Inwards, link_input counts the frame and passes it through the interface's
 * ingress queue discipline, if it has one, to eth_input. That parses the header and decides, in this order:
 *
 *     1. a tag whose VLAN is configured on the interface: the frame, without tag, is the VLAN interface's
 *     2. the interface is a port of a bridge: the frame is the bridge's; what is for the host comes in
 *        again on the bridge's interface
 *     3. it is for us: what is left goes to whoever registered the EtherType
 *
 * After 1 and 2 it begins again on the interface above. Interfaces stand on each other without circles, so this
 * is a loop of few rounds, never a recursion. What is refused, and where it shows:
 *
 *     fewer bytes than the headers need            eth-drop-runt       rx_errors
 *     802.3 length beyond the frame                eth-drop-length     rx_errors
 *     802.3 without SNAP                           eth-drop-llc        rx_dropped
 *     source broadcast, multicast, zero, or ours   eth-drop-source     rx_dropped
 *     a VLAN that isn't configured                 eth-drop-vlan       rx_dropped
 *     another station's unicast address            eth-drop-otherhost  rx_dropped
 *     an EtherType nobody speaks                   eth-drop-type       rx_dropped
 *
 * A promiscuous interface is for those who look at the device (captures); its stack doesn't take
 * other stations' frames for its own (RFC 1812 5.3.4), so they end here too, marked
 * PKT_L2_OTHERHOST. A tag with VLAN id 0 carries only a priority (802.1Q), the frame belongs to no
 * VLAN and is taken. A frame longer than our MTU is taken at its real length: the MTU limits what
 * we send. We always send Ethernet II, never 802.3 (RFC 1122 2.3.3), and no trailers (2.3.1).
 *
 * Outwards, eth_output puts the header on and link_xmit sends: a VLAN, a bridge or a dummy has its own way
 * (virtual.c); before a device's queue super-frames are cut (offload.c) and a short frame is padded with
 * zeroes to the 60 bytes of the shortest (a stale buffer behind a short packet is CVE-2003-0001). Nothing
 * is handed to a device before link_flush at the end of the round. When a device says -EAGAIN the frame that it
 * refused is held in front of the queue and the interface is busy until netif_ready. A queue
 * discipline that wants time (netem) arms the interface's timer for its next departure.
 *
 * Loopback frames wait in nif->loop and come in at the next link_flush; what they cause is sent in
 * the round after that, so a host that talks to itself never recurses.
 */
#include "link/link_priv.h"

#include <errno.h>
#include <string.h>

#define ETH_PARSE_MAX 26 /* the longest header eth_parse knows: 802.1Q tag, 802.3 and SNAP */

void netif_mark_dirty(struct td_stack *st, struct netif *nif)
{
    struct link *l = st->link;

    st->flush_wanted = true;
    if (nif->dirty)
        return;
    nif->dirty = true;
    nif->dirty_next = NULL;
    if (l->dirty_last != NULL)
        l->dirty_last->dirty_next = nif;
    else
        l->dirty_first = nif;
    l->dirty_last = nif;
}

static void packet_name(struct td_stack *st, struct pkt *p)
{
    if (p->id == 0)
        p->id = ++st->journal.next_packet;
}

/* ---- input ---- */

/* A frame of an EtherType that nobody registered for. Every kernel on the cable speaks IPv6
 * unasked, every few seconds: the first such frame of an interface is told as a drop, the others
 * would bury the drops that matter, and are counted. */
static void unspoken(struct td_stack *st, struct netif *nif, const struct pkt *p, uint16_t type)
{
    if (type != ETHERTYPE_IPV6) {
        JOURNAL(st, EV_ETH_DROP_TYPE, JOURNAL_ABOUT(netif_subject(nif, p)), nif->index, type);
        return;
    }
    count(st, EthInIPv6);
    if (nif->rx_ipv6++ == 0)
        JOURNAL(st, EV_ETH_DROP_IPV6, JOURNAL_ABOUT(netif_subject(nif, p)), nif->index);
    else
        JOURNAL(st, EV_ETH_DROP_IPV6_AGAIN, JOURNAL_ABOUT(netif_subject(nif, p)), nif->index,
                nif->rx_ipv6);
}

static void link_handler_call(struct td_stack *st, struct netif *nif, struct pkt *p,
                              const struct eth_hdr *eth)
{
    const struct link *l = st->link;

    p->protocol = eth->type;
    for (uint32_t i = 0; i < l->nprotos; i++) {
        if (l->protos[i].type == eth->type) {
            l->protos[i].fn(st, nif, p, eth);
            return;
        }
    }
    unspoken(st, nif, p, eth->type);
    count(st, EthInDrops);
    nif->stats.rx_dropped++;
    pkt_free(p);
}

static bool source_possible(const struct netif *nif, const struct eth_hdr *h)
{
    return !mac_is_multicast(h->src) && !mac_is_zero(h->src) && !mac_eq(h->src, nif->mac);
}

/* The event for a frame that isn't for us; EV_NONE: take it. Sets the packet's L2 flags. */
static enum event_id eth_refuses(struct netif *nif, struct pkt *p, const struct eth_hdr *h)
{
    if (mac_is_broadcast(h->dst)) {
        p->flags |= PKT_L2_BROADCAST;
    } else if (mac_is_multicast(h->dst)) {
        p->flags |= PKT_L2_MULTICAST;
        nif->stats.rx_multicast++;
    } else if (!mac_eq(h->dst, nif->mac) && !bridge_has_address(nif, h->dst)) {
        p->flags |= PKT_L2_OTHERHOST;
        return EV_ETH_DROP_OTHERHOST;
    }
    return EV_NONE;
}

static enum event_id eth_status_event(enum wire_status s)
{
    switch (s) {
    case WIRE_BAD_LENGTH:
        return EV_ETH_DROP_LENGTH;
    case WIRE_BAD_TYPE:
        return EV_ETH_DROP_LLC;
    default:
        return EV_ETH_DROP_RUNT;
    }
}

/* Drops a frame that came in. event EV_NONE: it was told already. */
static void eth_drop(struct td_stack *st, struct netif *nif, struct pkt *p, enum event_id event, uint64_t arg)
{
    if (event != EV_NONE)
        JOURNAL(st, event, JOURNAL_ABOUT(netif_subject(nif, p)), nif->index, arg,
                (nif->flags & TD_IF_PROMISC) != 0);
    if (event == EV_ETH_DROP_RUNT || event == EV_ETH_DROP_LENGTH)
        nif->stats.rx_errors++;
    else
        nif->stats.rx_dropped++;
    count(st, EthInDrops);
    pkt_free(p);
}

/* The header, of which enough is made linear. False: dropped. *status may still be bad. */
static bool eth_header(struct td_stack *st, struct netif *nif, struct pkt *p, struct eth_hdr *h,
                       enum wire_status *status)
{
    uint32_t look = p->len < ETH_PARSE_MAX ? p->len : ETH_PARSE_MAX;

    if (!pkt_may_pull(p, look)) {
        eth_drop(st, nif, p, EV_ETH_DROP_MEMORY, p->len);
        return false;
    }
    /* The 802.3 length is checked against the whole frame, of which only the head need be linear.
     */
    *status = eth_parse(h, p->data, p->head_len);
    if (*status == WIRE_BAD_LENGTH && p->head_len < p->len) {
        if (!pkt_make_linear(p)) {
            eth_drop(st, nif, p, EV_ETH_DROP_MEMORY, p->len);
            return false;
        }
        *status = eth_parse(h, p->data, p->head_len);
    }
    if (*status == WIRE_SHORT) {
        eth_drop(st, nif, p, EV_ETH_DROP_RUNT, p->len);
        return false;
    }
    return true;
}

/* Impairments count frames as the cable has them: a super-frame is cut first. */
static void ingress_enqueue(struct td_stack *st, struct netif *nif, struct pkt *p)
{
    struct pkt_queue pieces;

    if (p->gso_size == 0) {
        (void)qdisc_enqueue(nif->ingress, p, st->now);
        return;
    }
    pkt_queue_init(&pieces);
    (void)offload_finish(st, nif, p, &pieces);
    while ((p = pkt_queue_pop(&pieces)) != NULL)
        (void)qdisc_enqueue(nif->ingress, p, st->now);
}

/* The frame goes on to the interface above. That, or NULL: it went no further. */
static struct netif *eth_rise(struct td_stack *st, struct netif *above, struct pkt *p)
{
    p->ifindex = above->index;
    if (!netif_is_up(above)) {
        eth_drop(st, above, p, EV_LINK_DROP_DOWN_IN, p->len);
        return NULL;
    }
    above->stats.rx_packets++;
    above->stats.rx_bytes += p->len;
    link_show(st, above, false, p);
    if (above->ingress == NULL)
        return above;
    ingress_enqueue(st, above, p);
    timer_arm(st, &above->ingress_timer, st->now); /* the next tick, not here: no recursion */
    return NULL;
}

/* A frame with a tag. nif: the tag means no interface on nif; else whose turn is next, or NULL. */
static struct netif *eth_tagged(struct td_stack *st, struct netif *nif, struct pkt *p, const struct eth_hdr *h)
{
    uint16_t tci = h->tci;
    bool behind = (tci & 0xfff) == 0 && h->type == ETHERTYPE_VLAN && p->head_len >= ETH_HLEN + 8;
    struct netif *above;

    if (behind) /* a priority, and behind it the tag that counts */
        tci = wire_get16(p->data + ETH_HLEN + 4);
    above = (tci & 0xfff) != 0 ? vlan_find(nif, tci & 0xfff) : NULL;
    if (above == NULL)
        return nif;
    if (behind)
        vlan_pop(p);
    vlan_pop(p);
    p->vlan_tci = tci;
    return eth_rise(st, above, p);
}

/* One interface's look at the frame: the interface whose turn is next, NULL: it has been dealt with. */
static struct netif *eth_round(struct td_stack *st, struct netif *nif, struct pkt **pp)
{
    struct pkt *p = *pp;
    struct netif *above;
    enum wire_status status;
    enum event_id refused;
    struct eth_hdr h;

    if (!eth_header(st, nif, p, &h, &status))
        return NULL;
    if (status == WIRE_OK)
        JOURNAL(st, EV_ETH_IN, JOURNAL_ABOUT(netif_subject(nif, *pp)), nif->index, mac_u64(h.src),
                mac_u64(h.dst), h.type, p->len);
    if ((status == WIRE_OK || nif->port != NULL) && !source_possible(nif, &h)) {
        eth_drop(st, nif, p, EV_ETH_DROP_SOURCE, mac_u64(h.src));
        return NULL;
    }
    if (h.tagged) {
        above = eth_tagged(st, nif, p, &h);
        if (above != nif)
            return above;
    }
    if (nif->port != NULL) { /* whatever it carries: a bridge doesn't ask */
        above = netif_master(nif);
        *pp = bridge_input(st, nif, p, &h);
        link_forward_run(st);
        return *pp != NULL ? eth_rise(st, above, *pp) : NULL;
    }
    if (status != WIRE_OK) {
        eth_drop(st, nif, p, eth_status_event(status), p->len);
        return NULL;
    }
    if (h.tagged) {
        p->vlan_tci = h.tci;
        if ((h.tci & 0xfff) != 0 && !FAULT_ON(st, VLAN_LEAK)) {
            count(st, EthInUnknownVlans);
            eth_drop(st, nif, p, EV_ETH_DROP_VLAN, h.tci & 0xfff);
            return NULL;
        }
    }
    refused = eth_refuses(nif, p, &h);
    if (refused != EV_NONE) {
        eth_drop(st, nif, p, refused, mac_u64(h.dst));
        return NULL;
    }
    (void)pkt_pull(p, h.hlen);
    if (h.snap && h.length >= 8 && p->len > h.length - 8U)
        pkt_trim(p, h.length - 8U); /* the rest is padding; 8 bytes are LLC and SNAP */
    link_handler_call(st, nif, p, &h);
    return NULL;
}

void eth_input(struct td_stack *st, struct netif *nif, struct pkt *p)
{
    while (nif != NULL)
        nif = eth_round(st, nif, &p);
}

void netif_ingress_run(struct td_stack *st, struct netif *nif)
{
    struct qdisc *q = nif->ingress;
    struct pkt *p;
    td_time next;

    if (q == NULL)
        return;
    while ((p = qdisc_dequeue(q, st->now)) != NULL)
        eth_input(st, nif, p);
    next = qdisc_next(q);
    if (next != TD_NEVER)
        timer_arm(st, &nif->ingress_timer, next);
}

void netif_ingress_due(struct td_stack *st, struct timer *t)
{
    netif_ingress_run(st, container_of(t, struct netif, ingress_timer));
}

void link_input(struct td_stack *st, struct netif *nif, struct pkt *p)
{
    packet_name(st, p);
    count(st, EthInFrames);
    p->ifindex = nif->index;
    p->tstamp = st->now;
    if (!netif_is_up(nif)) {
        JOURNAL(st, EV_LINK_DROP_DOWN_IN, JOURNAL_ABOUT(netif_subject(nif, p)), nif->index, p->len);
        nif->stats.rx_dropped++;
        count(st, EthInDrops);
        pkt_free(p);
        return;
    }
    nif->stats.rx_packets++;
    nif->stats.rx_bytes += p->len;
    link_show(st, nif, false, p);
    if (nif->ingress == NULL) {
        if ((nif->flags & TD_IF_GRO) != 0)
            gro_input(st, nif, p);
        else
            eth_input(st, nif, p);
        return;
    }
    ingress_enqueue(st, nif, p);
    netif_ingress_run(st, nif);
}

/* ---- output ---- */

int eth_refused(struct td_stack *st, struct netif *nif, struct pkt *p, int error)
{
    nif->stats.tx_dropped++;
    count(st, EthOutDrops);
    pkt_free(p);
    return error;
}

/* Zeroes behind a frame that is too short for the cable. False: no memory. */
static bool eth_pad(struct pkt *p)
{
    uint32_t pad;
    uint8_t *b;

    if (p->len >= ETH_MIN_FRAME)
        return true;
    pad = ETH_MIN_FRAME - p->len;
    if (p->nslices > 0 && !pkt_make_linear(p))
        return false;
    b = pkt_put(p, pad);
    if (b == NULL)
        return false;
    memset(b, 0, pad);
    return true;
}

/* Header in front. False: no memory. */
static bool eth_encapsulate(struct netif *nif, struct td_mac dst, uint16_t ethertype, struct pkt *p)
{
    struct eth_hdr h = {.dst = dst, .src = nif->mac, .type = ethertype, .hlen = ETH_HLEN};
    uint8_t *b = pkt_push(p, ETH_HLEN);

    if (b == NULL)
        return false;
    (void)eth_emit(&h, b);
    return true;
}

static int loopback_output(struct td_stack *st, struct netif *nif, struct pkt *p)
{
    if (nif->loop.count >= nif->txqlen) {
        JOURNAL(st, EV_LINK_DROP_QDISC, JOURNAL_ABOUT(netif_subject(nif, p)), nif->index, false,
                W_QUEUE_FULL, nif->loop.count);
        return eth_refused(st, nif, p, -ENOBUFS);
    }
    p->flags |= PKT_LOOPBACK;
    if (p->csum == PKT_CSUM_PARTIAL)
        p->csum = PKT_CSUM_VERIFIED; /* nothing between the two ends could have damaged it */
    nif->stats.tx_packets++;
    nif->stats.tx_bytes += p->len;
    pkt_queue_push(&nif->loop, p);
    netif_mark_dirty(st, nif);
    return 0;
}

static int egress_enqueue(struct td_stack *st, struct netif *nif, struct pkt *p)
{
    int rc;

    if (nif->ops != NULL && !eth_pad(p)) {
        JOURNAL(st, EV_LINK_DROP_QDISC, JOURNAL_ABOUT(netif_subject(nif, p)), nif->index, false,
                W_NO_MEMORY, qdisc_all_packets(nif->egress));
        return eth_refused(st, nif, p, -ENOBUFS);
    }
    netif_mark_dirty(st, nif);
    rc = qdisc_enqueue(nif->egress, p, st->now);
    return rc == -ECOMM ? 0 : rc; /* a loss on the wire is not for the sender to know */
}

/* Is it for this interface's queue to see frames as the cable will? Impairments and whatever shares out
 * the line count frames, and most devices take nothing else. */
static bool must_be_finished(const struct netif *nif)
{
    return (nif->ops != NULL && (nif->flags & TD_IF_OFFLOAD) == 0) || nif->egress->ops->id != TD_QDISC_PFIFO;
}

int link_xmit(struct td_stack *st, struct netif *nif, struct pkt *p)
{
    struct pkt_queue pieces;
    int err = 0, rc;

    if (!netif_is_up(nif)) {
        JOURNAL(st, EV_LINK_DROP_DOWN_OUT, JOURNAL_ABOUT(netif_subject(nif, p)), nif->index,
                p->len);
        return eth_refused(st, nif, p, -ENETDOWN);
    }
    if (nif->egress == NULL) {
        rc = link_xmit_virtual(st, nif, p);
        link_forward_run(st);
        return rc;
    }
    if ((p->gso_size == 0 && p->csum != PKT_CSUM_PARTIAL) || !must_be_finished(nif))
        return egress_enqueue(st, nif, p);
    pkt_queue_init(&pieces);
    err = offload_finish(st, nif, p, &pieces);
    while ((p = pkt_queue_pop(&pieces)) != NULL) {
        rc = egress_enqueue(st, nif, p);
        err = err == 0 ? rc : err;
    }
    return err;
}

int eth_output(struct td_stack *st, struct netif *nif, struct td_mac dst, uint16_t ethertype,
               struct pkt *p)
{
    packet_name(st, p);
    p->ifindex = nif->index;
    p->protocol = ethertype;
    p->tstamp = st->now;
    if (!netif_is_up(nif)) {
        JOURNAL(st, EV_LINK_DROP_DOWN_OUT, JOURNAL_ABOUT(netif_subject(nif, p)), nif->index,
                p->len);
        return eth_refused(st, nif, p, -ENETDOWN);
    }
    if (p->len > nif->mtu && p->gso_size == 0) {
        JOURNAL(st, EV_LINK_DROP_MTU, JOURNAL_ABOUT(netif_subject(nif, p)), nif->index, p->len,
                nif->mtu);
        return eth_refused(st, nif, p, -EMSGSIZE);
    }
    if (nif->kind == TD_LINK_LOOPBACK)
        return loopback_output(st, nif, p);
    if (!eth_encapsulate(nif, dst, ethertype, p)) {
        JOURNAL(st, EV_LINK_DROP_QDISC, JOURNAL_ABOUT(netif_subject(nif, p)), nif->index, false,
                W_NO_MEMORY, 0);
        return eth_refused(st, nif, p, -ENOBUFS);
    }
    return link_xmit(st, nif, p);
}

uint64_t netif_backlog(const struct netif *nif)
{
    uint64_t bytes = nif->loop.bytes;

    for (; nif != NULL; nif = nif->lower)
        bytes += qdisc_all_bytes(nif->egress) + (nif->held != NULL ? nif->held->len : 0);
    return bytes;
}

/* Hands one frame to the device. False: it was refused for now and is held. */
static bool netif_transmit(struct td_stack *st, struct netif *nif, struct pkt *p)
{
    int rc;

    if (nif->ops == NULL) { /* a queue discipline on an interface without device */
        (void)link_xmit_virtual(st, nif, p);
        link_forward_run(st);
        return true;
    }
    rc = nif->ops->transmit(nif->dev, p);
    if (st->sent != NULL)
        st->sent(st->sent_ctx, nif->index, p, rc);
    if (rc == -EAGAIN) {
        nif->held = p;
        nif->busy = true;
        JOURNAL(st, EV_LINK_BUSY, JOURNAL_ABOUT(netif_subject(nif, p)), nif->index,
                qdisc_all_packets(nif->egress) + 1);
        return false;
    }
    if (rc < 0) {
        JOURNAL(st, EV_LINK_DROP_DEVICE, JOURNAL_ABOUT(netif_subject(nif, p)), nif->index,
                (uint64_t)(int64_t)-rc);
        nif->stats.tx_errors++;
        count(st, EthOutDrops);
    } else {
        JOURNAL(st, EV_ETH_OUT, JOURNAL_ABOUT(netif_subject(nif, p)), nif->index, p->len);
        link_show(st, nif, true, p);
        nif->stats.tx_packets++;
        nif->stats.tx_bytes += p->len;
        count(st, EthOutFrames);
    }
    pkt_free(p);
    return true;
}

static void netif_egress_run(struct td_stack *st, struct netif *nif)
{
    struct qdisc *q = nif->egress;
    struct pkt *p;
    td_time next;

    while (!nif->busy) {
        p = nif->held != NULL ? nif->held : qdisc_dequeue(q, st->now);
        if (p == NULL)
            break;
        nif->held = NULL;
        if (!netif_transmit(st, nif, p))
            return;
    }
    next = qdisc_next(q);
    if (!nif->busy && next != TD_NEVER)
        timer_arm(st, &nif->egress_timer, next);
}

void netif_egress_due(struct td_stack *st, struct timer *t)
{
    netif_mark_dirty(st, container_of(t, struct netif, egress_timer));
}

/* Lets in what was looped back before this call. True: there was something. */
static bool loopback_run(struct td_stack *st, struct netif *nif)
{
    uint32_t waiting = nif->loop.count;
    struct eth_hdr h = {0};

    for (uint32_t i = 0; i < waiting; i++) {
        struct pkt *p = pkt_queue_pop(&nif->loop);
        struct journal_frame saved;

        if (p == NULL)
            break; /* the interface went down meanwhile */
        nif->stats.rx_packets++;
        nif->stats.rx_bytes += p->len;
        p->tstamp = st->now;
        link_show(st, nif, false, p);
        h.type = p->protocol;
        saved = journal_enter(st, ORIGIN_FRAME, p->id, st->journal.cause);
        link_handler_call(st, nif, p, &h);
        journal_leave(st, saved);
    }
    return waiting > 0;
}

bool link_flush(struct td_stack *st)
{
    struct link *l = st->link;
    struct netif *end = l->dirty_last, *nif;
    bool looped = false, last;

    while ((nif = l->dirty_first) != NULL) {
        last = nif == end;
        l->dirty_first = nif->dirty_next;
        if (l->dirty_first == NULL)
            l->dirty_last = NULL;
        nif->dirty = false;
        if (nif->kind == TD_LINK_LOOPBACK)
            looped = loopback_run(st, nif) || looped;
        else if (nif->egress != NULL)
            netif_egress_run(st, nif);
        if (nif->ops == NULL && l->dirty_first != NULL)
            looped = true; /* it may have sent into another's queue: that one has its turn too */
        if (last)
            break; /* what was marked meanwhile is the next round's */
    }
    return looped;
}

uint64_t netif_clear_queues(struct td_stack *st, struct netif *nif)
{
    uint64_t frames = nif->loop.count + (nif->held != NULL ? 1U : 0U);

    timer_cancel(st, &nif->egress_timer);
    timer_cancel(st, &nif->ingress_timer);
    pkt_queue_clear(&nif->loop);
    pkt_free(nif->held);
    nif->held = NULL;
    nif->busy = false;
    if (nif->egress != NULL) {
        frames += qdisc_all_packets(nif->egress);
        qdisc_chain_clear(nif->egress);
    }
    if (nif->ingress != NULL) {
        frames += qdisc_all_packets(nif->ingress);
        qdisc_chain_clear(nif->ingress);
    }
    return frames;
}
