/* ip/ip.h: the internet layer of a host (RFC 791, 1122 section 3). */
#ifndef IP_IP_H
#define IP_IP_H

#include "core/stack.h"
#include "ip/fib.h"
#include "link/link.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"

int ip_init(struct td_stack *st);
void ip_done(struct td_stack *st);

/* ---- input ---- */

/* What a transport is told about a datagram that arrived (RFC 1122 3.4). Valid during the call. */
struct nf_conn;
struct ip_flow { /* how a datagram stands to its flow: ip/nf's, carried from hook to hook */
    struct nf_conn *ct;       /* NULL: none */
    uint8_t state;            /* enum nf_state_bits */
    bool reply;               /* travels against the flow's first datagram */
    bool created;             /* it began the flow */
};
struct ip_rx {
    struct netif *nif;        /* arriving interface */
    struct ipv4_hdr h;        /* the header, options included; total_len of the whole datagram */
    bool bcast, mcast;        /* destination was a broadcast / multicast address */
    struct ip_flow flow;
};
struct ip_error { /* an ICMP error handed up (RFC 1122 3.2.2) */
    uint8_t type, code;
    uint16_t mtu;             /* frag needed: next-hop MTU, 0 when the router didn't say */
    td_ip4 from;              /* who sent the ICMP message */
    struct ipv4_hdr h;        /* the quoted header: src is ours */
    const uint8_t *payload;   /* quoted transport bytes */
    uint32_t payload_len;     /* at least 8 */
};
struct ip_protocol {
    /* p->data at the transport header, p->len = IP payload. Consumes p. */
    void (*input)(struct td_stack *st, struct pkt *p, const struct ip_rx *rx);
    void (*error)(struct td_stack *st, const struct ip_error *e); /* may be NULL */
    /* An address of ours is about to be given up to another station (RFC 5227 2.4); what is sent from
     * it now still leaves. May be NULL. */
    void (*addr_lost)(struct td_stack *st, td_ip4 addr);
};
/* ops lives as long as the instance. -EEXIST. */
int ip_register(struct td_stack *st, uint8_t proto, const struct ip_protocol *ops);

/* The largest transport message that can be received (RFC 1122 3.3.2: MMS_R = EMTU_R - 20). The
 * largest that can be sent (MMS_S, 3.3.3) is ip_route's mtu - 20 - options. */
#define IP_MMS_R (65535 - IPV4_HLEN)

/* ---- output ---- */

enum ip_tx_flags {
    IP_TX_DF         = 1 << 0, /* don't fragment: -EMSGSIZE when it doesn't fit */
    IP_TX_BROADCAST  = 1 << 1, /* may go to a broadcast address (SO_BROADCAST) */
    IP_TX_DONTROUTE  = 1 << 2, /* only to on-link destinations (SO_DONTROUTE) */
    IP_TX_ID         = 1 << 3, /* use id (replay, tests) */
    IP_TX_MCAST_LOOP = 1 << 4,
    IP_TX_NO_SRC_CHECK = 1 << 5, /* source may be 0.0.0.0 or foreign: forwarding, DHCP; nobody else */
    IP_TX_ANSWER_ROUTE = 1 << 6, /* opt holds the reversed source route of an answer (ip/ itself) */
};
struct ip_tx {
    td_ip4 src;          /* 0 = choose (RFC 1122 3.3.4.3) */
    td_ip4 dst;
    uint8_t proto, tos;
    uint8_t ttl;         /* 0 = the default */
    uint16_t id;
    uint32_t flags;      /* enum ip_tx_flags */
    uint32_t ifindex;    /* SO_BINDTODEVICE / multicast interface; 0 = by route */
    const uint8_t *opt;  /* IP options as on the wire */
    uint8_t opt_len;
};
/* Sends p (transport header and payload) as a datagram; fragments when it must; loops it back when
 * dst is local. The transport's checksum must already be right (or PKT_CSUM_PARTIAL). Consumes p.
 * 0, or -ENETUNREACH, -EHOSTUNREACH, -EACCES (broadcast without flag), -EMSGSIZE, -EINVAL, -ENOBUFS,
 * -EPERM (the packet filter).
 * A drop is journaled and counted here. */
int ip_output(struct td_stack *st, struct pkt *p, const struct ip_tx *tx);

/* ---- addresses and routes, as transports ask about them ---- */

/* Source, interface, next hop and MTU for dst. src: 0 = choose; otherwise it is taken as it is (the
 * strong host model sends it by its own interface). ifindex: 0 = any. -ENETUNREACH (no route),
 * -EHOSTUNREACH, -EACCES, -EINVAL (unreachable, prohibit and blackhole routes), -EADDRNOTAVAIL (no
 * source address), -ENODEV. */
struct ip_route_result {
    td_ip4 src;          /* chosen or confirmed source address */
    td_ip4 nexthop;      /* dst itself when on-link */
    struct netif *nif;
    uint32_t mtu;        /* of the path: interface MTU or what PMTU discovery knows */
    bool mtu_floor;      /* the path wants less than the least we go to: fragments, no DF */
    enum fib_type type;  /* FIB_UNICAST, FIB_LOCAL, FIB_BROADCAST; FIB_MULTICAST for 224/4 */
    const struct fib_hop *route; /* NULL for limited broadcast and the like */
};
int ip_route(struct td_stack *st, td_ip4 dst, td_ip4 src, uint32_t ifindex,
             struct ip_route_result *out);
bool ip_is_local(const struct td_stack *st, td_ip4 addr);    /* one of ours (127/8 too) */
/* Broadcast as seen from nif (NULL: any): 255.255.255.255 or a subnet's. */
bool ip_is_broadcast(const struct td_stack *st, const struct netif *nif, td_ip4 addr);
/* Path MTU learnt by ICMP (RFC 1191): lowers it for dst, for 10 minutes, at least to 552. The
 * transport calls it, after it has found that the quoted segment may be its own (RFC 5927). */
void ip_pmtu_update(struct td_stack *st, td_ip4 dst, uint32_t mtu);
/* Where the router didn't say: the next plateau of RFC 1191 7.1 below the total length of the
 * datagram that was too big (quoted header's total_len). */
uint32_t ip_pmtu_plateau(uint32_t total_len);
/* Negative advice from a transport (RFC 1122 3.3.1.4): another route, a fresh neighbour. */
void ip_advise_bad(struct td_stack *st, td_ip4 dst);
/* Positive advice: dst's next hop answers. */
void ip_advise_good(struct td_stack *st, td_ip4 dst);

/* Multicast membership (RFC 1112, level 2 without IGMP), counted: as many leaves as joins. 224.0.0.1
 * is joined on every interface that can multicast. -EINVAL (no group, or an interface without
 * TD_IF_MULTICAST), -ENOBUFS (too many), -ENOMEM, -EADDRNOTAVAIL (leave: not joined). */
int ip_mcast_join(struct td_stack *st, struct netif *nif, td_ip4 group);
int ip_mcast_leave(struct td_stack *st, struct netif *nif, td_ip4 group);

/* ---- configuration: `ip addr`, `ip route` end here ---- */
/* -ENODEV, -EINVAL (no host's address, or 127/8 off the loopback interface), -EEXIST, -ENOMEM. */
int ip_addr_add(struct td_stack *st, uint32_t ifindex, td_ip4 addr, uint8_t plen,
                td_ip4 broadcast /* 0 = the usual one */);
/* The same with a label, which -EINVAL wants to begin with the interface's name. */
int ip_addr_add_full(struct td_stack *st, uint32_t ifindex, const struct td_addr *config);
/* Not the first of its subnet on the interface: the first is who speaks there. */
bool ip_addr_is_secondary(const struct netif *nif, const struct netif_addr *a);
/* -ENODEV, -EADDRNOTAVAIL. Routes with it as preferred source go with it. */
int ip_addr_del(struct td_stack *st, uint32_t ifindex, td_ip4 addr, uint8_t plen);

/* td_route_change(). */
struct td_change_list;
int ip_route_change(struct td_stack *st, const struct td_change_list *list, size_t *bad);

/* ---- ICMP (ip/icmp.c) ---- */
int icmp_init(struct td_stack *st);
void icmp_done(struct td_stack *st);
/* Sends an error about `p` (which must have its IP header noted: pkt_set_l3) unless RFC 1122 3.2.2 or
 * the rate limit forbids; the reason for silence is journaled. word: bytes 4..7 of the message (MTU, pointer << 24,
 * gateway). p is borrowed. */
void icmp_send_error(struct td_stack *st, const struct pkt *p, uint8_t type, uint8_t code,
                     uint32_t word);
/* Echo requests for `ping`; replies go to the raw ICMP endpoints below. data may be NULL (zeroes). */
int icmp_send_echo(struct td_stack *st, const struct ip_tx *tx, uint16_t id, uint16_t seq,
                   const void *data, uint32_t len);
/* The errno an ICMP error means to a socket, as in Linux; 0 = none. *hard: the fatal kind. */
int ip_icmp_errno(uint8_t type, uint8_t code, bool *hard);
/* p->data is at the ICMP header in reply(). "ping sockets" (IPPROTO_ICMP datagram sockets): socket/ registers one listener; it sees echo replies, and errors
 * about echo requests we sent. Both borrowed. */
struct icmp_listener {
    void (*reply)(struct td_stack *st, const struct pkt *p, const struct ip_rx *rx,
                  const struct icmp_hdr *h);
    void (*error)(struct td_stack *st, const struct ip_error *e, uint16_t id, uint16_t seq);
};
void icmp_set_listener(struct td_stack *st, const struct icmp_listener *l);

#endif
