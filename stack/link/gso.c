/* link/gso.c: a super-frame is cut into the datagrams that it stands for (RFC 9293 3.8; RFC
 * 3168 6.1.2).
 *
 * Theory of operation. A device or an embedding program may hand us many segments of one flow as a
 * single packet with one header, to be cut at gso_size octets of payload. It costs one walk through
 * routing, filter and translation instead of forty. On the wire nobody may notice, so what leaves
 * by a link that can't take it whole is cut here, by a router between two links (ip/forward.c) or in front of a
 * device (link/offload.c):
 *
 *     IP │ TCP seq 1000 PSH │ 4000 octets        gso_size 1448
 *     IP │ TCP seq 1000     │ 1448   IP id n
 *     IP │ TCP seq 2448     │ 1448   IP id n+1
 *     IP │ TCP seq 3896 PSH │ 1104   IP id n+2
 *
 * FIN and PSH belong to the last octet, so to the last segment; CWR was said once, so by the first.
 * UDP is cut likewise, each datagram with a length of its own. Every piece is summed anew: the sum
 * of the whole is that of none of them. What carries no checksum (UDP's zero) gets none.
 *
 * Whoever asks whether a super-frame fits a link must ask about its pieces: gso_largest.
 */
#include "link/link.h"

#include "wire/checksum.h"
#include "wire/tcp.h"
#include "wire/udp.h"

#include <string.h>

/* The transport header's length; 0: nothing that could be cut. */
static uint32_t transport_len(const struct pkt *p, const struct ipv4_hdr *h)
{
    uint8_t offset;

    if (h->frag_off != 0 || (h->flags & IPV4_MF) != 0 || p->gso_size == 0)
        return 0;
    if (h->proto == IPPROTO_UDP_)
        return p->len >= (uint32_t)h->hlen + UDP_HLEN ? UDP_HLEN : 0;
    if (h->proto != IPPROTO_TCP_ || !pkt_read(p, h->hlen + 12U, &offset, 1))
        return 0;
    offset = (uint8_t)((offset >> 4) * 4);
    return offset >= TCP_HLEN && p->len >= (uint32_t)h->hlen + offset ? offset : 0;
}

uint32_t gso_largest(const struct pkt *p, const struct ipv4_hdr *h)
{
    uint32_t l4 = transport_len(p, h), most;

    if (p->gso_size == 0)
        return h->total_len;
    if (l4 == 0)
        return 0;
    most = (uint32_t)h->hlen + l4 + p->gso_size;
    return most < h->total_len ? most : h->total_len;
}

/* What is different in the piece with octets [off, off + len) of the payload. */
static void piece_header(uint8_t *b, const struct ipv4_hdr *h, uint32_t off, uint32_t len,
                         bool last, bool summed)
{
    uint8_t *l4 = b + h->hlen;
    uint32_t n;
    uint16_t sum;

    if (h->proto == IPPROTO_UDP_) {
        n = UDP_HLEN + len;
        wire_put16(l4 + 4, n);
        if (summed) {
            wire_put16(l4 + 6, 0);
            sum =
                checksum_finish(checksum_add(checksum_pseudo(h->src, h->dst, h->proto, n), l4, n));
            wire_put16(l4 + 6, sum != 0 ? sum : 0xffff);
        }
        return;
    }
    n = (l4[12] >> 4) * 4U + len;
    wire_put32(l4 + 4, wire_get32(l4 + 4) + off);
    if (!last)
        l4[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
    if (off > 0)
        l4[13] &= (uint8_t)~TCP_CWR;
    wire_put16(l4 + 16, 0);
    wire_put16(l4 + 16,
               checksum_finish(checksum_add(checksum_pseudo(h->src, h->dst, h->proto, n), l4, n)));
}

bool gso_pieces(struct mem *m, const struct pkt *p, const struct ipv4_hdr *h, struct pkt_queue *q)
{
    uint32_t l4 = transport_len(p, h), head = h->hlen + l4;
    uint8_t udp_sum[2] = {1, 0};
    struct ipv4_hdr piece = *h;

    if (l4 == 0 || h->total_len > p->len)
        return false;
    if (h->proto == IPPROTO_UDP_ && p->csum != PKT_CSUM_PARTIAL)
        (void)pkt_read(p, h->hlen + 6U, udp_sum, 2);
    for (uint32_t off = 0, len, payload = h->total_len - head; off == 0 || off < payload;
         off += len) {
        struct pkt *f;
        uint8_t *b;

        len = payload - off < p->gso_size ? payload - off : p->gso_size;
        f = pkt_alloc(m, PKT_HEADROOM, head + len);
        b = f != NULL ? pkt_put(f, head + len) : NULL;
        if (b == NULL || !pkt_read(p, 0, b, head) || !pkt_read(p, head + off, b + head, len)) {
            pkt_free(f);
            pkt_queue_clear(q);
            return false;
        }
        piece.total_len = (uint16_t)(head + len);
        (void)ipv4_emit(&piece, b);
        piece.id++;
        piece_header(b, h, off, len, off + len == payload, udp_sum[0] != 0 || udp_sum[1] != 0);
        f->tos = h->tos;
        f->flags = p->flags;
        pkt_set_l3(f);
        pkt_queue_push(q, f);
        if (payload == 0)
            break;
    }
    return true;
}

bool gso_cut(struct td_stack *st, const struct pkt *p, const struct ipv4_hdr *h,
             struct pkt_queue *q)
{
    if (!gso_pieces(&st->mem, p, h, q))
        return false;
    for (struct pkt *f = q->head; f != NULL; f = f->next)
        f->id = ++st->journal.next_packet;
    return true;
}
