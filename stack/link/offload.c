/* link/offload.c: finishing what a device won't.
 *
 * Theory of operation. Inside, a packet may be unfinished in two ways. Its transport checksum may
 * be left to somebody behind us (PKT_CSUM_PARTIAL: the field holds the sum of the pseudo-header,
 * and csum_start and csum_offset say what is to be added and where the result goes). And it may be
 * a super-frame: TCP or UDP payload far larger than a frame, with the headers of one, to be cut
 * into pieces of gso_size. Both pass bridges and VLANs as they are, because it costs a bridge as
 * much to pass 64 KiB as to pass 60 bytes. Here, in front of a device's queue, is the last place: a
 * device that says that it takes them (TD_IF_OFFLOAD) gets them, for every other they are finished
 * here. A tag that was put on since is part of the headers that each piece gets.
 *
 * Cutting, as a network card does it: each piece has the headers of the whole. In each,
 *     IP     total length and header checksum are its own, the identification counts up
 *     TCP    the sequence number moves on; FIN and PSH are the last piece's alone, CWR the first's
 *            (RFC 3168 6.1.2: once a reduction)
 *     UDP    each piece is a datagram with its own length
 *     both   the checksum is its own
 * What isn't IPv4 with TCP or UDP behind it, or is a fragment, can't be cut and is dropped.
 */
#include "link/link_priv.h"
#include "wire/checksum.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"

#include <errno.h>
#include <string.h>

#define UDP_HEADER 8

struct cut {
    struct pkt *p;   /* the whole, linear */
    uint32_t l3, l4; /* where its headers begin */
    uint32_t data;   /* and its payload */
    uint8_t proto;
    td_ip4 src, dst;
    uint32_t segment; /* bytes of payload in each piece */
};

/* Where the headers are; false: it can't be cut. */
static bool cut_parse(struct cut *c)
{
    const uint8_t *b = c->p->data;
    uint32_t n = c->p->len, at = 12;
    struct ipv4_hdr ip;

    while (n >= at + 6 &&
           (wire_get16(b + at) == ETHERTYPE_VLAN || wire_get16(b + at) == ETHERTYPE_QINQ))
        at += 4;
    c->l3 = at + 2;
    if (n < c->l3 || wire_get16(b + at) != ETHERTYPE_IPV4 ||
        ipv4_parse(&ip, b + c->l3, n - c->l3) != WIRE_OK || ip.frag_off != 0 ||
        (ip.flags & IPV4_MF) != 0)
        return false;
    c->l4 = c->l3 + ip.hlen;
    c->proto = ip.proto;
    c->src = ip.src;
    c->dst = ip.dst;
    if (ip.proto == IPPROTO_TCP_ && n >= c->l4 + TCP_HLEN)
        c->data = c->l4 + (uint32_t)(b[c->l4 + 12] >> 4) * 4;
    else if (ip.proto == IPPROTO_UDP_)
        c->data = c->l4 + UDP_HEADER;
    else
        return false;
    return c->data >= c->l4 + UDP_HEADER && c->data <= n;
}

/* The transport header of the piece that holds [off, off + len) of the payload. b: the transport
 * header. */
static void cut_transport(const struct cut *c, uint8_t *b, uint32_t off, uint32_t len)
{
    uint32_t total = c->data - c->l4 + len;
    size_t field = c->proto == IPPROTO_TCP_ ? 16 : 6;
    uint16_t sum;

    if (c->proto == IPPROTO_TCP_) {
        wire_put32(b + 4, wire_get32(b + 4) + off);
        if (off + len < c->p->len - c->data)
            b[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
        if (off > 0)
            b[13] &= (uint8_t)~TCP_CWR;
    } else {
        wire_put16(b + 4, total);
    }
    wire_put16(b + field, 0);
    sum = checksum_finish(checksum_add(checksum_pseudo(c->src, c->dst, c->proto, total), b, total));
    wire_put16(b + field, sum == 0 && c->proto == IPPROTO_UDP_ ? 0xffff : sum);
}

/* NULL = no memory. */
static struct pkt *cut_piece(const struct cut *c, uint32_t number)
{
    uint32_t off = number * c->segment, len = c->p->len - c->data - off;
    struct pkt *piece;
    uint8_t *b;

    len = len < c->segment ? len : c->segment;
    piece = pkt_alloc(c->p->mem, PKT_HEADROOM, c->data + len);
    if (piece == NULL)
        return NULL;
    b = pkt_put(piece, c->data + len);
    memcpy(b, c->p->data, c->data);
    memcpy(b + c->data, c->p->data + c->data + off, len);
    wire_put16(b + c->l3 + 2, c->data - c->l3 + len);
    wire_put16(b + c->l3 + 4, (wire_get16(b + c->l3 + 4) + number) & 0xffff);
    wire_put16(b + c->l3 + 10, 0);
    wire_put16(b + c->l3 + 10, checksum(b + c->l3, c->l4 - c->l3));
    cut_transport(c, b + c->l4, off, len);
    piece->id = c->p->id;
    piece->tstamp = c->p->tstamp;
    piece->ifindex = c->p->ifindex;
    piece->flags = c->p->flags;
    piece->protocol = c->p->protocol;
    piece->tos = c->p->tos;
    return piece;
}

static int offload_drop(struct td_stack *st, struct netif *nif, struct pkt *p, int err)
{
    struct journal_subject sub = netif_subject(nif, p);

    JOURNAL(st, EV_LINK_DROP_OFFLOAD, &sub, nif->index, p->len, p->gso_size);
    return eth_refused(st, nif, p, err);
}

static int super_frame(struct td_stack *st, struct netif *nif, struct pkt *p, struct pkt_queue *out)
{
    struct journal_subject sub = netif_subject(nif, p);
    struct cut c = {.p = p, .segment = p->gso_size};
    uint32_t pieces;

    if (!pkt_make_linear(p))
        return offload_drop(st, nif, p, -ENOBUFS);
    if (!cut_parse(&c))
        return offload_drop(st, nif, p, -EINVAL);
    pieces = p->len == c.data ? 1 : (p->len - c.data + c.segment - 1) / c.segment;
    for (uint32_t i = 0; i < pieces; i++) {
        struct pkt *piece = cut_piece(&c, i);

        if (piece == NULL) { /* what has no memory now is lost, as in a queue that is full */
            pkt_queue_clear(out);
            return offload_drop(st, nif, p, -ENOBUFS);
        }
        pkt_queue_push(out, piece);
    }
    JOURNAL(st, EV_LINK_CUT, &sub, nif->index, p->len, pieces, c.segment);
    pkt_free(p);
    return 0;
}

static int unfinished_checksum(struct td_stack *st, struct netif *nif, struct pkt *p,
                               struct pkt_queue *out)
{
    uint32_t start = p->csum_start, field = start + p->csum_offset;
    uint16_t sum;

    if (field + 2 > p->len || !pkt_make_linear(p))
        return offload_drop(st, nif, p, -EINVAL);
    sum = checksum_finish(checksum_add(0, p->data + start, p->len - start));
    wire_put16(p->data + field, sum == 0 && p->csum_offset == 6 ? 0xffff : sum);
    p->csum = PKT_CSUM_VERIFIED;
    pkt_queue_push(out, p);
    return 0;
}

int offload_finish(struct td_stack *st, struct netif *nif, struct pkt *p, struct pkt_queue *out)
{
    if (p->gso_size != 0)
        return super_frame(st, nif, p, out);
    if (p->csum == PKT_CSUM_PARTIAL)
        return unfinished_checksum(st, nif, p, out);
    pkt_queue_push(out, p);
    return 0;
}
