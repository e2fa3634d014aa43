/* link/offload.c: finishing what a device won't.
 *
 * Theory of operation. Inside, a packet may be unfinished in two ways. Its transport checksum may
 * be left to somebody behind us (PKT_CSUM_PARTIAL: the field holds the sum of the pseudo-header,
 * and csum_start and csum_offset say what is to be added and where the result goes). And it may be
 * a super-frame: TCP or UDP payload far larger than a frame, with the headers of one, to be cut
 * into pieces of gso_size. Both pass bridges and VLANs as they are, because it costs a bridge as
 * much to pass 64 KiB as to pass 60 bytes. Here, in front of a device's queue, is the last place: a
 * device that says that it takes them (TD_IF_OFFLOAD) gets them, for every other they are finished
 * here. The Ethernet header, with the tags that were put on since, is taken off, the datagram cut
 * (gso.c), and each piece gets a copy of it.
 *
 * What isn't IPv4 with TCP or UDP behind it, or is a fragment, can't be cut and is dropped.
 */
#include "link/link_priv.h"
#include "wire/checksum.h"

#include <errno.h>
#include <string.h>

#define L2_MAX                                                                                     \
    (ETH_HLEN + 4 * LINK_NEST) /* the longest header of ours: a tag from each interface */

static int offload_drop(struct td_stack *st, struct netif *nif, struct pkt *p, int err)
{
    struct journal_subject sub = netif_subject(nif, p);

    JOURNAL(st, EV_LINK_DROP_OFFLOAD, &sub, nif->index, p->len, p->gso_size);
    return eth_refused(st, nif, p, err);
}

/* How long the Ethernet header is, tags included, if IPv4 is behind it; 0: it isn't, or there are
 * too many tags. */
static uint32_t l2_length(const struct pkt *p)
{
    uint8_t type[2];
    uint32_t at;

    for (at = 12; at + 2 <= L2_MAX && pkt_read(p, at, type, 2); at += 4) {
        uint16_t t = wire_get16(type);

        if (t == ETHERTYPE_IPV4)
            return at + 2;
        if (t != ETHERTYPE_VLAN && t != ETHERTYPE_QINQ)
            break;
    }
    return 0;
}

static int super_frame(struct td_stack *st, struct netif *nif, struct pkt *p, struct pkt_queue *out)
{
    struct journal_subject sub = netif_subject(nif, p);
    uint32_t l2_len = l2_length(p), len = p->len;
    uint8_t l2[L2_MAX], *b;
    struct pkt_queue pieces;
    struct ipv4_hdr h;
    struct pkt *f;

    if (l2_len == 0 || !pkt_read(p, 0, l2, l2_len))
        return offload_drop(st, nif, p, -EINVAL);
    if (!pkt_make_linear(p))
        return offload_drop(st, nif, p, -ENOBUFS);
    (void)pkt_pull(p, l2_len);
    pkt_queue_init(&pieces);
    if (ipv4_parse(&h, p->data, p->len) != WIRE_OK || !gso_cut(st, p, &h, &pieces))
        return offload_drop(st, nif, p, -EINVAL);
    JOURNAL(st, EV_LINK_CUT, &sub, nif->index, len, pieces.count, p->gso_size);
    while ((f = pkt_queue_pop(&pieces)) != NULL) {
        b = pkt_push(f, l2_len); /* PKT_HEADROOM is there */
        memcpy(b, l2, l2_len);
        f->ifindex = p->ifindex;
        f->protocol = p->protocol;
        f->tstamp = p->tstamp;
        pkt_queue_push(out, f);
    }
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
