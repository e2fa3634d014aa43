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
    /* A datagram for this endpoint: p->data at the UDP payload. Consumes p. May refuse with -ENOBUFS
     * (receive buffer full): then udp/ counts and journals the drop, and frees p. */
    int (*deliver)(struct td_stack *st, void *owner, struct pkt *p, const struct ip_rx *rx,
                   uint16_t sport);
    /* An ICMP error about a datagram this endpoint sent, as an errno (ECONNREFUSED …). */
    void (*error)(struct td_stack *st, void *owner, int err, const struct ip_error *e);
};

struct udp_pcb *udp_new(struct td_stack *st, void *owner, uint32_t id, const struct udp_upcalls *up);
void udp_free(struct td_stack *st, struct udp_pcb *u);
/* port 0 = an ephemeral one (RFC 6056 algorithm 3: keyed hash). -EADDRINUSE, -EADDRNOTAVAIL. reuse:
 * SO_REUSEADDR (allowed when all sharers have it). Broadcast and multicast addresses may be bound. */
int udp_bind(struct td_stack *st, struct udp_pcb *u, td_ip4 addr, uint16_t port, bool reuse,
             uint32_t ifindex);
/* Fixes the far end (chooses the local address and port if need be). addr 0 = disconnect. */
int udp_connect(struct td_stack *st, struct udp_pcb *u, td_ip4 addr, uint16_t port);
struct udp_addrs { td_ip4 laddr, raddr; uint16_t lport, rport; };
struct udp_addrs udp_addrs(const struct udp_pcb *u);
/* Sends p (payload) to tx->dst:dport (the connected peer when tx->dst is 0). Binds if unbound.
 * Consumes p. -EDESTADDRREQ, -EMSGSIZE (over 65507), -EINVAL (port 0), and ip_output's. */
int udp_send(struct td_stack *st, struct udp_pcb *u, struct pkt *p, const struct ip_tx *tx,
             uint16_t dport);

/* Ephemeral port choice shared with TCP (RFC 6056 algorithm 3): the k-th candidate (k = 0, 1, …) for
 * this pair; false when the range is exhausted. */
bool port_candidate(struct td_stack *st, td_ip4 laddr, td_ip4 raddr, uint16_t rport, uint32_t k,
                    uint16_t *port);

#endif
