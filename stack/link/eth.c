/* link/eth.c: frames in and out (RFC 894, RFC 1042 on receipt, RFC 1122 2.3 and 2.4).
 *
 * Theory of operation. Inwards, link_input counts the frame and passes it through the interface's
 * ingress queue discipline, if it has one, to eth_input. That parses the header, decides whether
 * the frame is for us, and hands what is left to whoever registered the EtherType. What is refused,
 * and where it shows:
 *
 *     fewer bytes than the headers need            eth-drop-runt       rx_errors
 *     802.3 length beyond the frame                eth-drop-length     rx_errors
 *     802.3 without SNAP                           eth-drop-llc        rx_dropped
 *     source broadcast, multicast, zero, or ours   eth-drop-source     rx_dropped
 *     another station's unicast address            eth-drop-otherhost  rx_dropped
 *     a VLAN that isn't configured                 eth-drop-vlan       rx_dropped
 *     an EtherType nobody speaks                   eth-drop-type       rx_dropped
 *
 * A promiscuous interface is for those who look at the device (captures); its stack doesn't take
 * other stations' frames for its own (RFC 1812 5.3.4), so they end here too, marked
 * PKT_L2_OTHERHOST. A tag with VLAN id 0 carries only a priority (802.1Q), the frame belongs to no
 * VLAN and is taken. A frame longer than our MTU is taken at its real length: the MTU limits what
 * we send. We always send Ethernet II, never 802.3 (RFC 1122 2.3.3), and no trailers (2.3.1).
 *
 * Outwards, eth_output puts the header on, pads with zeroes to the 60 bytes of the shortest frame
 * (a stale buffer behind a short packet is CVE-2003-0001) and enqueues. Nothing is handed to a
 * device before link_flush at the end of the round. When a device says -EAGAIN the frame that it
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

/* The journal's word for a queue discipline's reason. */
static enum journal_word why_word(const char *why)
{
    for (unsigned w = W_NONE + 1; w < W_COUNT; w++)
        if (strcmp(journal_words[w], why) == 0)
            return (enum journal_word)w;
    return W_NONE;
}

/* ---- input ---- */

/* A frame of an EtherType that nobody registered for. Every kernel on the cable speaks IPv6
 * unasked, every few seconds: the first such frame of an interface is told as a drop, the others
 * would bury the drops that matter, and are counted. */
static void unspoken(struct td_stack *st, struct netif *nif, const struct pkt *p, uint16_t type)
{
    struct journal_subject sub = netif_subject(nif, p);

    if (type != ETHERTYPE_IPV6) {
        JOURNAL(st, EV_ETH_DROP_TYPE, &sub, nif->index, type);
        return;
    }
    count(st, EthInIPv6);
    if (nif->rx_ipv6++ == 0)
        JOURNAL(st, EV_ETH_DROP_IPV6, &sub, nif->index);
    else
        JOURNAL(st, EV_ETH_DROP_IPV6_AGAIN, &sub, nif->index, nif->rx_ipv6);
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

/* The event for a frame that is refused although its header could be parsed; EV_NONE: take it. Sets
 * the packet's L2 flags and *arg, the event's second field. */
static enum event_id eth_refuses(struct netif *nif, struct pkt *p, const struct eth_hdr *h,
                                 uint64_t *arg)
{
    if (mac_is_multicast(h->src) || mac_is_zero(h->src) || mac_eq(h->src, nif->mac)) {
        *arg = mac_u64(h->src);
        return EV_ETH_DROP_SOURCE;
    }
    if (mac_is_broadcast(h->dst)) {
        p->flags |= PKT_L2_BROADCAST;
    } else if (mac_is_multicast(h->dst)) {
        p->flags |= PKT_L2_MULTICAST;
        nif->stats.rx_multicast++;
    } else if (!mac_eq(h->dst, nif->mac)) {
        p->flags |= PKT_L2_OTHERHOST;
        *arg = mac_u64(h->dst);
        return EV_ETH_DROP_OTHERHOST;
    }
    if (h->tagged) {
        p->vlan_tci = h->tci;
        if ((h->tci & 0xfff) != 0) {
            *arg = h->tci & 0xfff;
            return EV_ETH_DROP_VLAN;
        }
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

void eth_input(struct td_stack *st, struct netif *nif, struct pkt *p)
{
    struct journal_subject sub = netif_subject(nif, p);
    uint32_t look = p->len < ETH_PARSE_MAX ? p->len : ETH_PARSE_MAX;
    enum wire_status status;
    enum event_id refused;
    struct eth_hdr h;
    uint64_t arg = 0;

    if (!pkt_may_pull(p, look)) {
        JOURNAL(st, EV_ETH_DROP_MEMORY, &sub, nif->index, p->len);
        goto drop;
    }
    /* The 802.3 length is checked against the whole frame, of which only the head need be linear.
     */
    status = eth_parse(&h, p->data, p->head_len);
    if (status == WIRE_BAD_LENGTH && p->head_len < p->len) {
        if (!pkt_make_linear(p)) {
            JOURNAL(st, EV_ETH_DROP_MEMORY, &sub, nif->index, p->len);
            goto drop;
        }
        status = eth_parse(&h, p->data, p->head_len);
    }
    if (status != WIRE_OK) {
        JOURNAL(st, eth_status_event(status), &sub, nif->index, p->len);
        if (status != WIRE_BAD_TYPE) {
            nif->stats.rx_errors++;
            goto drop_counted;
        }
        goto drop;
    }
    JOURNAL(st, EV_ETH_IN, &sub, nif->index, mac_u64(h.src), mac_u64(h.dst), h.type, p->len);
    refused = eth_refuses(nif, p, &h, &arg);
    if (refused != EV_NONE) {
        JOURNAL(st, refused, &sub, nif->index, arg, (nif->flags & TD_IF_PROMISC) != 0);
        goto drop;
    }
    (void)pkt_pull(p, h.hlen);
    if (h.snap && h.length >= 8 && p->len > h.length - 8U)
        pkt_trim(p, h.length - 8U); /* the rest is padding; 8 bytes are LLC and SNAP */
    link_handler_call(st, nif, p, &h);
    return;

drop:
    nif->stats.rx_dropped++;
drop_counted:
    count(st, EthInDrops);
    pkt_free(p);
}

/* Lets in what the ingress queue discipline releases now, and sets the timer for the rest. */
static void netif_ingress_run(struct td_stack *st, struct netif *nif)
{
    struct qdisc *q = nif->ingress;
    struct pkt *p;
    td_time next;

    while ((p = q->ops->dequeue(q, st->now)) != NULL)
        eth_input(st, nif, p);
    next = q->ops->next(q);
    if (next != TD_NEVER)
        timer_arm(st, &nif->ingress_timer, next);
}

void netif_ingress_due(struct td_stack *st, struct timer *t)
{
    netif_ingress_run(st, container_of(t, struct netif, ingress_timer));
}

void link_input(struct td_stack *st, struct netif *nif, struct pkt *p)
{
    struct journal_subject sub;
    const char *why = "";

    packet_name(st, p);
    sub = netif_subject(nif, p);
    count(st, EthInFrames);
    p->ifindex = nif->index;
    p->tstamp = st->now;
    if (!netif_is_up(nif)) {
        JOURNAL(st, EV_LINK_DROP_DOWN_IN, &sub, nif->index, p->len);
        nif->stats.rx_dropped++;
        count(st, EthInDrops);
        pkt_free(p);
        return;
    }
    nif->stats.rx_packets++;
    nif->stats.rx_bytes += p->len;
    if (nif->ingress == NULL) {
        eth_input(st, nif, p);
        return;
    }
    if (nif->ingress->ops->enqueue(nif->ingress, p, st->now, &why) < 0) {
        JOURNAL(st, EV_LINK_DROP_QDISC, &sub, nif->index, true, why_word(why),
                nif->ingress->packets);
        nif->stats.rx_dropped++;
        count(st, EthInDrops);
    }
    netif_ingress_run(st, nif);
}

/* ---- output ---- */

static int eth_refused(struct td_stack *st, struct netif *nif, struct pkt *p, int error)
{
    nif->stats.tx_dropped++;
    count(st, EthOutDrops);
    pkt_free(p);
    return error;
}

/* Header in front, zeroes behind up to the minimum frame. False: no memory. */
static bool eth_encapsulate(struct netif *nif, struct td_mac dst, uint16_t ethertype, struct pkt *p)
{
    struct eth_hdr h = {.dst = dst, .src = nif->mac, .type = ethertype, .hlen = ETH_HLEN};
    uint8_t *b;

    if (p->len < ETH_MIN_FRAME - ETH_HLEN) {
        uint32_t pad = ETH_MIN_FRAME - ETH_HLEN - p->len;

        if (p->nslices > 0 && !pkt_make_linear(p))
            return false;
        b = pkt_put(p, pad);
        if (b == NULL)
            return false;
        memset(b, 0, pad);
    }
    b = pkt_push(p, ETH_HLEN);
    if (b == NULL)
        return false;
    (void)eth_emit(&h, b);
    return true;
}

static int loopback_output(struct td_stack *st, struct netif *nif, struct pkt *p)
{
    struct journal_subject sub = netif_subject(nif, p);

    if (nif->loop.count >= nif->txqlen) {
        JOURNAL(st, EV_LINK_DROP_QDISC, &sub, nif->index, false, W_QUEUE_FULL, nif->loop.count);
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

int eth_output(struct td_stack *st, struct netif *nif, struct td_mac dst, uint16_t ethertype,
               struct pkt *p)
{
    struct journal_subject sub;
    const char *why = "";
    int rc;

    packet_name(st, p);
    sub = netif_subject(nif, p);
    p->ifindex = nif->index;
    p->protocol = ethertype;
    p->tstamp = st->now;
    if (!netif_is_up(nif)) {
        JOURNAL(st, EV_LINK_DROP_DOWN_OUT, &sub, nif->index, p->len);
        return eth_refused(st, nif, p, -ENETDOWN);
    }
    if (p->len > nif->mtu) {
        JOURNAL(st, EV_LINK_DROP_MTU, &sub, nif->index, p->len, nif->mtu);
        return eth_refused(st, nif, p, -EMSGSIZE);
    }
    if (nif->egress == NULL)
        return loopback_output(st, nif, p);
    if (!eth_encapsulate(nif, dst, ethertype, p)) {
        JOURNAL(st, EV_LINK_DROP_QDISC, &sub, nif->index, false, W_NO_MEMORY, nif->egress->packets);
        return eth_refused(st, nif, p, -ENOBUFS);
    }
    netif_mark_dirty(st, nif);
    rc = nif->egress->ops->enqueue(nif->egress, p, st->now, &why);
    if (rc < 0) {
        JOURNAL(st, EV_LINK_DROP_QDISC, &sub, nif->index, false, why_word(why),
                nif->egress->packets);
        nif->stats.tx_dropped++;
        count(st, EthOutDrops);
    }
    return rc == -ECOMM ? 0 : rc; /* a loss on the wire is not for the sender to know */
}

uint64_t netif_backlog(const struct netif *nif)
{
    uint64_t bytes = nif->egress != NULL ? nif->egress->bytes : nif->loop.bytes;

    return bytes + (nif->held != NULL ? nif->held->len : 0);
}

/* Hands one frame to the device. False: it was refused for now and is held. */
static bool netif_transmit(struct td_stack *st, struct netif *nif, struct pkt *p)
{
    struct journal_subject sub = netif_subject(nif, p);
    int rc = nif->ops->transmit(nif->dev, p);

    if (rc == -EAGAIN) {
        nif->held = p;
        nif->busy = true;
        JOURNAL(st, EV_LINK_BUSY, &sub, nif->index, nif->egress->packets + 1);
        return false;
    }
    if (rc < 0) {
        JOURNAL(st, EV_LINK_DROP_DEVICE, &sub, nif->index, (uint64_t)(int64_t)-rc);
        nif->stats.tx_errors++;
        count(st, EthOutDrops);
    } else {
        JOURNAL(st, EV_ETH_OUT, &sub, nif->index, p->len);
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
        p = nif->held != NULL ? nif->held : q->ops->dequeue(q, st->now);
        if (p == NULL)
            break;
        nif->held = NULL;
        if (!netif_transmit(st, nif, p))
            return;
    }
    next = q->ops->next(q);
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
        if (nif->egress == NULL)
            looped = loopback_run(st, nif) || looped;
        else
            netif_egress_run(st, nif);
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
        frames += nif->egress->packets;
        nif->egress->ops->clear(nif->egress);
    }
    if (nif->ingress != NULL) {
        frames += nif->ingress->packets;
        nif->ingress->ops->clear(nif->ingress);
    }
    return frames;
}
