/* tests/fuzz/sent_check.h: what must hold of every frame a stack sends. */
#ifndef TESTS_SENT_CHECK_H
#define TESTS_SENT_CHECK_H

#include "core/pkt.h"
#include "wire/arp.h"
#include "wire/eth.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"
#include "wire/udp.h"

struct sent {
    struct eth_hdr eth;
    struct arp_pkt arp;
    struct ipv4_hdr ip;
    struct tcp_hdr tcp;
    struct udp_hdr udp;
    struct icmp_hdr icmp;
    bool is_arp, is_ip, whole; /* whole: not a fragment, so the transport header is there */
    const uint8_t *l4, *data;
    size_t l4_len, data_len;
};
/* Takes the frame apart into *s and aborts when it is malformed: a length, a checksum, padding that
 * isn't zero, a combination of flags or options that no RFC allows. mtu: the largest the interface
 * ever had. own: the transport header is of this stack's making (it wasn't forwarded). */
void sent_check(struct sent *s, const uint8_t *frame, size_t len, uint32_t mtu, bool own);

#endif
