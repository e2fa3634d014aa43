/* link/gro.c: generic receive offload: segments of a flow that come in one batch go up as one
 * super-frame.
 *
 * Theory of operation. On an interface where it is switched on (TD_IF_GRO; ethtool -K IFACE gro on)
 * a TCP segment with text waits here instead of going up. When the next segment of its flow
 * continues it, with the same headers in all but what must differ (number, lengths, checksums, the
 * IP identification, PSH), its text is hung behind the first one's, without copying, and one packet
 * will go up where there were two: once through IP, once through TCP, one acknowledgment decided.
 * What doesn't fit sends what waits up first, so nothing is overtaken within a flow; and whatever
 * waits goes up at the latest when the batch is over (link_gro_flush, at the beginning of a flush),
 * so nothing is late.
 *
 * A segment is taken only if its checksum is right: it is looked at here, since the sum of what is
 * joined would say nothing. Everything else (other protocols, fragments, options of IP, SYN, FIN,
 * RST, URG, acknowledgments without text) goes up as it came, behind what waits. What is forwarded
 * is cut again into the same segments (ip/gso.c).
 */
#include "link/link_priv.h"
#include "wire/checksum.h"
#include "wire/tcp.h"

#include <string.h>

#define GRO_FLOWS 8      /* wait at a time */
#define GRO_MOST  65535u /* octets of a datagram */

struct segment { /* a packet, data at its Ethernet header, that may be joined with others */
    struct ipv4_hdr ip;
    struct tcp_hdr tcp;
    uint32_t header; /* octets in front of the text */
    uint32_t text;
};

static bool checksum_right(const struct pkt *p, const struct segment *s)
{
    uint32_t at = (uint32_t)ETH_HLEN + s->ip.hlen, len = s->ip.total_len - s->ip.hlen;
    uint32_t sum = checksum_pseudo(s->ip.src, s->ip.dst, IPPROTO_TCP_, len);

    sum += checksum_fold(pkt_sum(p, at, len));
    return p->csum != PKT_CSUM_NONE || checksum_fold(sum) == 0xffff;
}

/* Takes p apart; false: it goes up as it is. */
static bool may_join(struct pkt *p, struct segment *s)
{
    const uint16_t plain = TCP_ACK | TCP_PSH;

    if (p->nslices != 0 || p->gso_size != 0 || p->refs != 1 || p->head->refs != 1 ||
        p->head_len < ETH_HLEN + 40 || (p->data[0] & 1) != 0 ||
        wire_get16(p->data + 12) != ETHERTYPE_IPV4)
        return false;
    if (ipv4_parse(&s->ip, p->data + ETH_HLEN, p->head_len - ETH_HLEN) != WIRE_OK ||
        s->ip.hlen != IPV4_HLEN || s->ip.proto != IPPROTO_TCP_ || s->ip.frag_off != 0 ||
        (s->ip.flags & IPV4_MF) != 0 || s->ip.total_len + (uint32_t)ETH_HLEN > p->len)
        return false;
    if (tcp_parse(&s->tcp, p->data + ETH_HLEN + s->ip.hlen, s->ip.total_len - (size_t)s->ip.hlen) !=
            WIRE_OK ||
        (s->tcp.flags & TCP_ACK) == 0 || (s->tcp.flags & ~plain) != 0)
        return false;
    s->header = (uint32_t)ETH_HLEN + s->ip.hlen + s->tcp.hlen;
    s->text = (uint32_t)ETH_HLEN + s->ip.total_len - s->header;
    return s->text > 0 && checksum_right(p, s);
}

static bool same_flow(const struct pkt *q, const struct segment *a, const struct pkt *p,
                      const struct segment *b)
{
    return q->ifindex == p->ifindex && a->ip.src == b->ip.src && a->ip.dst == b->ip.dst &&
           a->tcp.sport == b->tcp.sport && a->tcp.dport == b->tcp.dport;
}

/* What waits, taken apart again: its first segment's headers were kept, its lengths are in the
 * packet. */
static void waiting_read(const struct pkt *q, struct segment *s)
{
    (void)ipv4_parse(&s->ip, q->data + ETH_HLEN, GRO_MOST);
    (void)tcp_parse(&s->tcp, q->data + ETH_HLEN + s->ip.hlen, GRO_MOST);
    s->header = (uint32_t)ETH_HLEN + s->ip.hlen + s->tcp.hlen;
    s->text = q->len - s->header;
}

static bool continues(const struct pkt *q, const struct segment *a, const struct pkt *p,
                      const struct segment *b)
{
    uint32_t size = q->gso_size != 0 ? q->gso_size : a->text;

    return b->tcp.seq == a->tcp.seq + a->text && b->tcp.ack == a->tcp.ack &&
           b->tcp.wnd == a->tcp.wnd && b->ip.tos == a->ip.tos && b->ip.ttl == a->ip.ttl &&
           b->ip.flags == a->ip.flags && b->tcp.raw_len == a->tcp.raw_len &&
           memcmp(b->tcp.raw, a->tcp.raw, a->tcp.raw_len) == 0 &&
           memcmp(q->data, p->data, ETH_HLEN) == 0 && b->text <= size && a->text % size == 0 &&
           a->ip.total_len + b->text <= GRO_MOST;
}

/* p's text behind q's; p is consumed. False: no memory, p stays. */
static bool join(struct pkt *q, struct segment *a, struct pkt *p, const struct segment *b)
{
    uint8_t *tcp = q->data + ETH_HLEN + a->ip.hlen;

    if (pkt_append_slice(q, p->head, (uint32_t)(p->data + b->header - p->head->bytes), b->text) !=
        0)
        return false;
    q->truesize += p->truesize - b->text;
    if (q->gso_size == 0) {
        q->gso_size = (uint16_t)a->text;
        q->gso_segs = 1;
        q->csum = PKT_CSUM_VERIFIED;
    }
    q->gso_segs++;
    a->ip.total_len = (uint16_t)(a->ip.total_len + b->text);
    (void)ipv4_emit(&a->ip, q->data + ETH_HLEN);
    tcp[13] |= (uint8_t)(b->tcp.flags & TCP_PSH);
    pkt_free(p);
    return true;
}

static void go_up(struct td_stack *st, struct pkt *p)
{
    struct netif *nif = netif_by_index(st, p->ifindex);

    if (nif == NULL) { /* gone since */
        pkt_free(p);
        return;
    }
    if (p->gso_size != 0)
        JOURNAL(st, EV_LINK_JOINED, JOURNAL_ABOUT(netif_subject(nif, p)), nif->index, p->len,
                p->gso_segs, p->gso_size);
    eth_input(st, nif, p);
}

/* Takes p out of those that wait. */
static void unqueue(struct pkt_queue *held, struct pkt *p)
{
    for (uint32_t n = held->count; n > 0; n--) {
        struct pkt *first = pkt_queue_pop(held);

        if (first != p)
            pkt_queue_push(held, first);
    }
}

void link_gro_flush(struct td_stack *st)
{
    struct pkt *p;

    while ((p = pkt_queue_pop(&st->link->gro)) != NULL)
        go_up(st, p);
}

void gro_input(struct td_stack *st, struct netif *nif, struct pkt *p)
{
    struct pkt_queue *held = &st->link->gro;
    struct segment a, b;
    struct pkt *q;

    if (!may_join(p, &b)) {
        link_gro_flush(st);
        eth_input(st, nif, p);
        return;
    }
    pkt_trim(p, b.header + b.text); /* what pads a short frame isn't text */
    for (q = held->head; q != NULL; q = q->next) {
        waiting_read(q, &a);
        if (same_flow(q, &a, p, &b))
            break;
    }
    if (q != NULL && continues(q, &a, p, &b) && join(q, &a, p, &b)) {
        if (b.text < q->gso_size ||
            (b.tcp.flags & TCP_PSH) != 0) { /* the end of what the sender had */
            unqueue(held, q);
            go_up(st, q);
        }
        return;
    }
    if (q != NULL) {
        unqueue(held, q);
        go_up(st, q);
    } else if (held->count == GRO_FLOWS) {
        go_up(st, pkt_queue_pop(held));
    }
    pkt_queue_push(held, p);
}
