/* wire/arp.h: ARP for IPv4 over Ethernet (RFC 826). */
#ifndef WIRE_ARP_H
#define WIRE_ARP_H

#include "wire/wire.h"

#define ARP_LEN 28

enum arp_op { ARP_REQUEST = 1, ARP_REPLY = 2 };

struct arp_pkt {
    uint16_t op;
    struct td_mac sha, tha;
    td_ip4 spa, tpa;
};
/* BAD_TYPE: hardware not Ethernet, protocol not IPv4, or an op that is neither; BAD_LENGTH: address
 * lengths other than 6 and 4. Bytes behind the 28 are padding. */
enum wire_status arp_parse(struct arp_pkt *a, const uint8_t *b, size_t n);
size_t arp_emit(const struct arp_pkt *a, uint8_t *b); /* ARP_LEN */

#endif
