/* wire/eth.h: Ethernet II (RFC 894), 802.1Q tags, and 802.3/LLC/SNAP (RFC 1042) on receipt. */
#ifndef WIRE_ETH_H
#define WIRE_ETH_H

#include "wire/wire.h"

#define ETH_HLEN        14
#define ETH_MIN_FRAME   60 /* without FCS */
#define ETHERTYPE_IPV4  0x0800
#define ETHERTYPE_ARP   0x0806
#define ETHERTYPE_VLAN  0x8100
#define ETHERTYPE_QINQ  0x88a8
#define ETHERTYPE_IPV6  0x86dd

struct eth_hdr {
    struct td_mac dst, src;
    uint16_t type;    /* EtherType of the payload (behind the tag or SNAP header) */
    bool tagged;
    uint16_t tci;     /* 802.1Q tag control: PCP(3) DEI(1) VID(12) */
    bool snap;        /* was (is to be) in an RFC 1042 encapsulation */
    uint16_t length;  /* SNAP: the 802.3 length field; bytes behind it are padding */
    uint8_t hlen;     /* bytes of header: 14, 18, 22 or 26 */
};
/* Parses [b, b+n). BAD_LENGTH: 802.3 length beyond the frame; BAD_TYPE: 802.3 without SNAP. */
enum wire_status eth_parse(struct eth_hdr *h, const uint8_t *b, size_t n);
size_t eth_hlen(const struct eth_hdr *h); /* what eth_emit will write */
size_t eth_emit(const struct eth_hdr *h, uint8_t *b); /* returns eth_hlen(h) */

static inline bool mac_eq(struct td_mac a, struct td_mac b)
{
    return ((a.b[0] ^ b.b[0]) | (a.b[1] ^ b.b[1]) | (a.b[2] ^ b.b[2]) | (a.b[3] ^ b.b[3]) |
            (a.b[4] ^ b.b[4]) | (a.b[5] ^ b.b[5])) == 0;
}
bool mac_is_broadcast(struct td_mac m);
bool mac_is_multicast(struct td_mac m); /* group bit; broadcast included */
bool mac_is_zero(struct td_mac m);
uint64_t mac_u64(struct td_mac m);      /* first byte highest: for the journal and tables */
struct td_mac mac_from_u64(uint64_t v);
#define MAC_BROADCAST ((struct td_mac){{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}})

#endif
