/* Ethernet headers: DIX framing (RFC 894), 802.1Q tags, and 802.3/LLC/SNAP on receipt (RFC 1042).
 *
 * Theory of operation. Two kinds of frame share the cable and differ in the two bytes behind the
 * addresses. From 1536 on they are an EtherType: the frame is Ethernet II. Up to 1500 they are the
 * length of what follows, an 802.3 frame, whose payload says what it is in an LLC header; IP and
 * ARP travel there behind AA-AA-03 and the SNAP header 00-00-00-type. RFC 1122 2.3.3 wants a host
 * to send the first kind and be able to read both. An 802.1Q tag, if any, stands before either.
 *
 * The 802.3 length matters beyond the parse: short frames are padded to 60 bytes, and only the
 * length says where the payload ends. Ethernet II leaves that to the protocol inside.
 */
#include "wire/eth.h"

#include <string.h>

#define TAG_LEN      4
#define SNAP_LEN     8
#define ETH_8023_MAX 1500   /* the largest 802.3 length */
#define ETH_TYPE_MIN 0x0600 /* the smallest EtherType; 1501..1535 are neither */

static const uint8_t rfc1042_snap[6] = {0xaa, 0xaa, 0x03, 0x00, 0x00, 0x00};

enum wire_status eth_parse(struct eth_hdr *h, const uint8_t *b, size_t n)
{
    *h = (struct eth_hdr){0};
    if (n < ETH_HLEN) {
        return WIRE_SHORT;
    }
    memcpy(h->dst.b, b, 6);
    memcpy(h->src.b, b + 6, 6);
    size_t at = 12;
    h->type = wire_get16(b + at);
    if (h->type == ETHERTYPE_VLAN) {
        if (n < ETH_HLEN + TAG_LEN) {
            return WIRE_SHORT;
        }
        h->tagged = true;
        h->tci = wire_get16(b + 14);
        at += TAG_LEN;
        h->type = wire_get16(b + at);
    }
    at += 2;
    h->hlen = (uint8_t)at;
    if (h->type >= ETH_TYPE_MIN) {
        return WIRE_OK;
    }
    if (h->type > ETH_8023_MAX) {
        return WIRE_BAD_TYPE;
    }
    h->length = h->type;
    h->type = 0;
    if (h->length > n - at) {
        return WIRE_BAD_LENGTH;
    }
    if (h->length < SNAP_LEN || memcmp(b + at, rfc1042_snap, sizeof rfc1042_snap) != 0) {
        return WIRE_BAD_TYPE;
    }
    h->snap = true;
    h->type = wire_get16(b + at + 6);
    h->hlen = (uint8_t)(at + SNAP_LEN);
    return WIRE_OK;
}

size_t eth_hlen(const struct eth_hdr *h)
{
    return (size_t)ETH_HLEN + (h->tagged ? TAG_LEN : 0) + (h->snap ? SNAP_LEN : 0);
}

size_t eth_emit(const struct eth_hdr *h, uint8_t *b)
{
    memcpy(b, h->dst.b, 6);
    memcpy(b + 6, h->src.b, 6);
    size_t at = 12;
    if (h->tagged) {
        wire_put16(b + at, ETHERTYPE_VLAN);
        wire_put16(b + at + 2, h->tci);
        at += TAG_LEN;
    }
    if (h->snap) {
        wire_put16(b + at, h->length);
        memcpy(b + at + 2, rfc1042_snap, sizeof rfc1042_snap);
        at += 2 + sizeof rfc1042_snap;
    }
    wire_put16(b + at, h->type);
    return at + 2;
}

bool mac_is_broadcast(struct td_mac m)
{
    return mac_eq(m, MAC_BROADCAST);
}

bool mac_is_multicast(struct td_mac m)
{
    return (m.b[0] & 1) != 0;
}

bool mac_is_zero(struct td_mac m)
{
    return mac_eq(m, (struct td_mac){{0}});
}

uint64_t mac_u64(struct td_mac m)
{
    return ((uint64_t)wire_get16(m.b) << 32) | wire_get32(m.b + 2);
}

struct td_mac mac_from_u64(uint64_t v)
{
    struct td_mac m;
    wire_put16(m.b, (uint32_t)(v >> 32) & 0xffff);
    wire_put32(m.b + 2, (uint32_t)v);
    return m;
}
