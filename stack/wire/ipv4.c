/* The IPv4 header and its options (RFC 791; RFC 1122 3.2.1.8).
 *
 * Theory of operation. Parsing answers "is this a header at all?": version, header length, total
 * length against the bytes that arrived, checksum. In that order, so that nothing is summed which
 * isn't there. Whether the addresses make sense, the fragment fits or the TTL suffices is ip/'s
 * business.
 *
 * Options are a second language inside the header. Two kinds are one octet (end of list, no
 * operation); all others carry their own length, so an unknown one can be stepped over
 * (ipv4_opt_next) and must be ignored (RFC 1122 3.2.1.8). Those that this host understands have
 * inner pointers which a router or we would write through: ipv4_options_check follows them before
 * anybody else does, and names the octet at fault for the Parameter Problem message.
 *
 * Offsets of options are counted from the start of the IP header, because that is what Parameter
 * Problem's pointer means.
 */
#include "wire/ipv4.h"
#include "wire/checksum.h"

#include <string.h>

enum wire_status ipv4_parse(struct ipv4_hdr *h, const uint8_t *b, size_t n)
{
    *h = (struct ipv4_hdr){0};
    if (n < IPV4_HLEN) {
        return WIRE_SHORT;
    }
    if (b[0] >> 4 != 4) {
        return WIRE_BAD_VERSION;
    }
    h->hlen = (uint8_t)((b[0] & 0x0f) * 4);
    h->tos = b[1];
    h->total_len = wire_get16(b + 2);
    h->id = wire_get16(b + 4);
    uint16_t frag = wire_get16(b + 6);
    h->flags = frag & (IPV4_EVIL | IPV4_DF | IPV4_MF);
    h->frag_off = (uint16_t)((frag & 0x1fff) * 8);
    h->ttl = b[8];
    h->proto = b[9];
    h->csum = wire_get16(b + 10);
    h->src = wire_get32(b + 12);
    h->dst = wire_get32(b + 16);
    if (h->hlen < IPV4_HLEN || h->hlen > n) {
        return WIRE_BAD_LENGTH;
    }
    h->opt_len = (uint8_t)(h->hlen - IPV4_HLEN);
    if (h->opt_len > 0) {
        memcpy(h->opt, b + IPV4_HLEN, h->opt_len);
    }
    if (h->total_len < h->hlen || h->total_len > n) {
        return WIRE_BAD_LENGTH;
    }
    if (checksum(b, h->hlen) != 0) {
        return WIRE_BAD_CHECKSUM;
    }
    return WIRE_OK;
}

size_t ipv4_emit(const struct ipv4_hdr *h, uint8_t *b)
{
    size_t opt_len = h->opt_len <= sizeof h->opt ? h->opt_len : sizeof h->opt;
    size_t hlen = IPV4_HLEN + ((opt_len + 3) & ~(size_t)3);
    b[0] = (uint8_t)(0x40 | (hlen / 4));
    b[1] = h->tos;
    wire_put16(b + 2, h->total_len);
    wire_put16(b + 4, h->id);
    wire_put16(b + 6, (uint32_t)(h->flags & (IPV4_EVIL | IPV4_DF | IPV4_MF)) |
                          (uint32_t)(h->frag_off / 8));
    b[8] = h->ttl;
    b[9] = h->proto;
    wire_put16(b + 10, 0);
    wire_put32(b + 12, h->src);
    wire_put32(b + 16, h->dst);
    if (opt_len > 0) {
        memcpy(b + IPV4_HLEN, h->opt, opt_len);
        memset(b + IPV4_HLEN + opt_len, IPOPT_EOL_, hlen - IPV4_HLEN - opt_len);
    }
    wire_put16(b + 10, checksum(b, hlen));
    return hlen;
}

bool ipv4_opt_next(const struct ipv4_hdr *h, unsigned *pos, struct ipv4_opt *o, int *bad)
{
    *bad = -1;
    unsigned at = *pos;
    if (at >= h->opt_len || h->opt[at] == IPOPT_EOL_) {
        return false;
    }
    o->type = h->opt[at];
    o->body = h->opt + at;
    o->off = (uint8_t)(IPV4_HLEN + at);
    if (o->type == IPOPT_NOP_) {
        o->len = 1;
        *pos = at + 1;
        return true;
    }
    if (at + 1 >= h->opt_len) { /* no room for its length: the type octet itself is at fault */
        *bad = o->off;
        return false;
    }
    o->len = h->opt[at + 1];
    if (o->len < 2 || o->len > h->opt_len - at) {
        *bad = o->off + 1;
        return false;
    }
    *pos = at + o->len;
    return true;
}

/* Offset within option o of the octet at fault, or 0 when a pointer at o->body[2] that counts from
 * 1 and walks in steps of `step` from `first` has either a whole step of room left or none at all:
 * RFC 791 3.1 calls "some room but not enough" an error. */
static unsigned route_pointer_fault(const struct ipv4_opt *o, unsigned first, unsigned step)
{
    unsigned pointer = o->body[2];
    if (pointer < first) {
        return 2;
    }
    return pointer <= o->len && pointer + step - 1 > o->len ? 2 : 0;
}

/* The offset within the option of the octet at fault; 0 = none. */
static unsigned option_fault(const struct ipv4_opt *o)
{
    switch (o->type) {
    case IPOPT_RR_:
        return o->len < 3 ? 1 : route_pointer_fault(o, 4, 4);
    case IPOPT_LSRR_:
    case IPOPT_SSRR_:
        if (o->len < 3 || (o->len - 3) % 4 != 0) {
            return 1;
        }
        return route_pointer_fault(o, 4, 4);
    case IPOPT_TS_:
        if (o->len < 4) {
            return 1;
        }
        switch (o->body[3] & 0x0f) {
        case 0: /* times only */
            return route_pointer_fault(o, 5, 4);
        case 1: /* address and time */
        case 3: /* the same, addresses given */
            return route_pointer_fault(o, 5, 8);
        default:
            return 3;
        }
    case IPOPT_RA_: /* RFC 2113 2.1 */
        return o->len != 4 ? 1 : 0;
    default:
        return 0;
    }
}

enum wire_status ipv4_options_check(const struct ipv4_hdr *h, unsigned *pointer)
{
    bool source_route = false, record = false, stamp = false;
    unsigned pos = 0;
    struct ipv4_opt o;
    int bad;
    while (ipv4_opt_next(h, &pos, &o, &bad)) {
        unsigned fault = option_fault(&o);
        if (fault != 0) {
            *pointer = o.off + fault;
            return WIRE_BAD_OPTION;
        }
        bool *seen = NULL;
        if (o.type == IPOPT_LSRR_ || o.type == IPOPT_SSRR_) {
            seen = &source_route;
        } else if (o.type == IPOPT_RR_) {
            seen = &record;
        } else if (o.type == IPOPT_TS_) {
            seen = &stamp;
        }
        if (seen != NULL && *seen) { /* each "appears at most once in a datagram" (RFC 791 3.1) */
            *pointer = o.off;
            return WIRE_BAD_OPTION;
        }
        if (seen != NULL) {
            *seen = true;
        }
    }
    if (bad >= 0) {
        *pointer = (unsigned)bad;
        return WIRE_BAD_OPTION;
    }
    return WIRE_OK;
}

unsigned ipv4_options_copied(const struct ipv4_hdr *h, uint8_t out[40])
{
    unsigned n = 0, pos = 0;
    struct ipv4_opt o;
    int bad;
    while (ipv4_opt_next(h, &pos, &o, &bad)) {
        if ((o.type & IPOPT_COPIED) != 0) {
            memcpy(out + n, o.body, o.len);
            n += o.len;
        }
    }
    while (n % 4 != 0) {
        out[n++] = IPOPT_EOL_;
    }
    return n;
}
