/* The UDP header (RFC 768): four 16-bit fields, ports, length and checksum.
 *
 * Theory of operation. The only claim in it that can be a lie is the length: it counts the header,
 * so it is at least 8, and it can't exceed what IP delivered. It may be less; what is behind it is
 * not part of the datagram. A checksum of zero means that the sender computed none, which is why a
 * computed sum of zero is sent as 0xffff: that rule is udp/'s, who knows the pseudo-header.
 */
#include "wire/udp.h"

enum wire_status udp_parse(struct udp_hdr *h, const uint8_t *b, size_t n)
{
    *h = (struct udp_hdr){0};
    if (n < UDP_HLEN) {
        return WIRE_SHORT;
    }
    h->sport = wire_get16(b);
    h->dport = wire_get16(b + 2);
    h->length = wire_get16(b + 4);
    h->csum = wire_get16(b + 6);
    if (h->length < UDP_HLEN || h->length > n) {
        return WIRE_BAD_LENGTH;
    }
    return WIRE_OK;
}

size_t udp_emit(const struct udp_hdr *h, uint8_t *b)
{
    wire_put16(b, h->sport);
    wire_put16(b + 2, h->dport);
    wire_put16(b + 4, h->length);
    wire_put16(b + 6, h->csum);
    return UDP_HLEN;
}
