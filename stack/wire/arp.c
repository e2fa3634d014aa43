/* ARP packets for IPv4 over Ethernet (RFC 826).
 *
 * Theory of operation. RFC 826's packet is general: it says which hardware, which protocol, and how
 * long an address of each is. The reception algorithm asks these questions first ("Do I have the
 * hardware type? Do I speak the protocol?") and only then reads addresses. This host speaks one
 * pair, so the questions become checks of four constants; what passes has a fixed form of 28 bytes:
 *
 *      0 hardware 1 | 2 protocol 0x0800 | 4 hlen 6 | 5 plen 4 | 6 operation
 *      8 sender MAC | 14 sender IP | 18 target MAC | 24 target IP
 *
 * What the addresses mean, and which of them to believe, is arp/'s affair.
 */
#include "wire/arp.h"
#include "wire/eth.h"

#include <string.h>

#define ARP_HW_ETHERNET 1

enum wire_status arp_parse(struct arp_pkt *a, const uint8_t *b, size_t n)
{
    *a = (struct arp_pkt){0};
    if (n < 8) {
        return WIRE_SHORT;
    }
    a->op = wire_get16(b + 6);
    if (wire_get16(b) != ARP_HW_ETHERNET || wire_get16(b + 2) != ETHERTYPE_IPV4) {
        return WIRE_BAD_TYPE;
    }
    if (b[4] != 6 || b[5] != 4) {
        return WIRE_BAD_LENGTH;
    }
    if (a->op != ARP_REQUEST && a->op != ARP_REPLY) {
        return WIRE_BAD_TYPE;
    }
    if (n < ARP_LEN) {
        return WIRE_SHORT;
    }
    memcpy(a->sha.b, b + 8, 6);
    a->spa = wire_get32(b + 14);
    memcpy(a->tha.b, b + 18, 6);
    a->tpa = wire_get32(b + 24);
    return WIRE_OK;
}

size_t arp_emit(const struct arp_pkt *a, uint8_t *b)
{
    wire_put16(b, ARP_HW_ETHERNET);
    wire_put16(b + 2, ETHERTYPE_IPV4);
    b[4] = 6;
    b[5] = 4;
    wire_put16(b + 6, a->op);
    memcpy(b + 8, a->sha.b, 6);
    wire_put32(b + 14, a->spa);
    memcpy(b + 18, a->tha.b, 6);
    wire_put32(b + 24, a->tpa);
    return ARP_LEN;
}
