/* udp/udp.h: UDP (RFC 768, 1122 section 4.1) as socket/ uses it. */
#ifndef UDP_UDP_H
#define UDP_UDP_H

#include "core/stack.h"
#include "ip/ip.h"
#include "wire/udp.h"

int udp_init(struct td_stack *st);
void udp_done(struct td_stack *st);

struct udp_pcb; /* one endpoint: local and remote address and port, owner */

struct udp_upcalls { /* registered when the endpoint is made; owner is socket/'s */
    /* A datagram for this endpoint: p->data at the UDP payload. Consumes p, unless it refuses with
     * -ENOBUFS (receive buffer full) or -ENOMEM: then udp/ counts and journals the drop, and frees
     * p. */
    int (*deliver)(struct td_stack *st, void *owner, struct pkt *p, const struct ip_rx *rx,
                   uint16_t sport);
    /* An ICMP error about a datagram this endpoint sent, as a positive errno (ECONNREFUSED …). hard:
     * RFC 1122 4.1.3.3's fatal kind, which a connected endpoint is told without asking. */
    void (*error)(struct td_stack *st, void *owner, int err, bool hard, const struct ip_error *e);
    /* Does this endpoint want datagrams to `group` that arrive on ifindex? NULL: yes. */
    bool (*wants_group)(const void *owner, td_ip4 group, uint32_t ifindex);
    /* Bytes waiting to be read, for the table; NULL: 0. */
    uint64_t (*queued)(const void *owner);
    struct endpoint_user (*user)(const void *owner); /* for the table; NULL: nobody */
    void (*aborted)(struct td_stack *st, void *owner, int err); /* udp_destroy; err positive */
};

struct udp_pcb *udp_new(struct td_stack *st, void *owner, uint32_t id, const struct udp_upcalls *up);
void udp_free(struct td_stack *st, struct udp_pcb *u);

/* What the socket options of an endpoint come down to; may be changed at any time. */
enum udp_flags {
    UDP_REUSEADDR = 1 << 0, /* may share address and port with endpoints that have it too */
    UDP_REUSEPORT = 1 << 1, /* the same, and unicast datagrams are spread over the sharers */
    UDP_BROADCAST = 1 << 2, /* may send to broadcast addresses */
    UDP_NO_CHECK  = 1 << 3, /* send without a checksum (RFC 1122 4.1.3.4 allows the option) */
};
enum udp_pmtu { /* numbers are Linux's IP_PMTUDISC_* */
    UDP_PMTU_DONT,  /* never DF */
    UDP_PMTU_WANT,  /* DF on what fits the path MTU, fragments of what doesn't */
    UDP_PMTU_DO,    /* always DF; -EMSGSIZE for what doesn't fit */
    UDP_PMTU_PROBE, /* DF, and the learnt path MTU is ignored */
};
struct udp_opts {
    uint32_t flags;         /* enum udp_flags */
    uint32_t ifindex;       /* SO_BINDTODEVICE; 0 = any */
    uint32_t mcast_ifindex; /* IP_MULTICAST_IF; 0 = by route */
    enum udp_pmtu pmtu;
};
void udp_set_opts(struct udp_pcb *u, const struct udp_opts *o);

/* port 0 = an ephemeral one (RFC 6056). addr 0 = any; broadcast and multicast addresses may be
 * bound. -EADDRINUSE, -EADDRNOTAVAIL (not ours), -EINVAL (already bound), -ENOMEM. */
int udp_bind(struct td_stack *st, struct udp_pcb *u, td_ip4 addr, uint16_t port);
/* Fixes the far end (chooses the local address and port if need be). addr 0 = disconnect: what
 * connect had chosen is given up again. -EACCES (broadcast), -EADDRINUSE, -ENOMEM, ip_route's. */
int udp_connect(struct td_stack *st, struct udp_pcb *u, td_ip4 addr, uint16_t port);
struct udp_addrs { td_ip4 laddr, raddr; uint16_t lport, rport; };
/* Every endpoint with exactly these ends is disconnected, its owner told ECONNABORTED; how many. */
int udp_destroy(struct td_stack *st, const struct udp_addrs *a);
struct udp_addrs udp_addrs(const struct udp_pcb *u);
/* Sends p (payload) to tx->dst:dport (the connected peer when tx->dst is 0). Binds if unbound. tx->src 0
 * = the bound address or RFC 1122 3.3.4.3's choice. Consumes p. -EDESTADDRREQ, -EMSGSIZE (over 65507, or over the path
 * MTU where it may not be fragmented), -EINVAL (port 0; a source that isn't ours), and ip_output's. */
int udp_send(struct td_stack *st, struct udp_pcb *u, struct pkt *p, const struct ip_tx *tx,
             uint16_t dport);

/* Frag needed (RFC 1191): the path's MTU is what e says, or the next plateau below the datagram's
 * size where the router didn't say. Called once the quoted datagram has been found to be ours. */
void udp_pmtu_error(struct td_stack *st, const struct ip_error *e);

/* Ephemeral port choice shared with TCP (RFC 6056): the k-th candidate (k = 0, 1, … in that order)
 * for this pair; false when the range is exhausted. raddr 0 = no peer known yet. The caller takes
 * the first candidate that is free. Returns host order in *port. */
bool port_candidate(struct td_stack *st, td_ip4 laddr, td_ip4 raddr, uint16_t rport, uint32_t k,
                    uint16_t *port);
/* The same within a socket's own range (IP_LOCAL_PORT_RANGE); an end that is 0 or lies outside the
 * knob's range is the knob's. */
struct port_range {
    uint16_t low, high;
};
bool port_candidate_in(struct td_stack *st, const struct port_range *own, td_ip4 laddr,
                       td_ip4 raddr, uint16_t rport, uint32_t k, uint16_t *port);

#endif
