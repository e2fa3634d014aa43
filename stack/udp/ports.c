/* udp/ports.c: which ephemeral port (RFC 6056).
 *
 * Theory of operation. Somebody off the path who can guess the port of a client can forge its
 * answers, so ports must not be guessable; but a port that is used again too soon for the same peer
 * can collide with what is left of an older connection there, so ports should not simply be random
 * either. RFC 6056 has an algorithm for each need, and both are used:
 *
 *   - The peer is known (TCP's connect, a UDP connect): algorithm 3, simple hash-based selection.
 * Each peer sees its own sequence that starts at F(local address, peer, secret) and goes up with a
 * counter, so a port comes round again only after the whole range.
 *   - No peer (bind to port 0, first send of an unconnected socket): there is nothing to hash, and
 *     algorithm 3 would count up by one from socket to socket, for all to see. So algorithm 1:
 *     a random start, then the following ports.
 *
 * A search asks for candidate 0, 1, 2 … and takes the first that is free.
 * net.ipv4.ip_local_port_range bounds the range.
 */
#include "udp/udp_internal.h"

void ports_init(struct td_stack *st, struct ports *ports)
{
    rng_bytes(&st->rng, &ports->key, sizeof ports->key);
    ports->next = 0;
    ports->base = 0;
}

static uint32_t ports_hash(const struct ports *ports, td_ip4 laddr, td_ip4 raddr, uint16_t rport)
{
    const uint32_t pair[3] = {laddr, raddr, rport};
    return (uint32_t)siphash(&ports->key, pair, sizeof pair);
}

bool port_candidate(struct td_stack *st, td_ip4 laddr, td_ip4 raddr, uint16_t rport, uint32_t k,
                    uint16_t *port)
{
    const struct port_range any = {0, 0};
    return port_candidate_in(st, &any, laddr, raddr, rport, k, port);
}

bool port_candidate_in(struct td_stack *st, const struct port_range *own, td_ip4 laddr,
                       td_ip4 raddr, uint16_t rport, uint32_t k, uint16_t *port)
{
    struct ports *ports = &st->udp->ports;
    uint32_t low = (uint32_t)knob_n(st, IP_LOCAL_PORT_RANGE, 0);
    uint32_t high = (uint32_t)knob_n(st, IP_LOCAL_PORT_RANGE, 1);
    if (low <= own->low && own->low <= high) { /* as Linux: what lies outside says nothing */
        low = own->low;
    }
    if (low <= own->high && own->high <= high) {
        high = own->high;
    }
    if (high < low) {
        return false;
    }
    uint32_t range = high - low + 1;
    if (k >= range) {
        return false;
    }
    if (k == 0) {
        ports->base = raddr != 0
                          ? (ports_hash(ports, laddr, raddr, rport) % range + ports->next) % range
                          : rng_below(&st->rng, range);
    }
    if (raddr != 0) {
        ports->next = (ports->next + 1) % range; /* algorithm 3: one step a try */
    }
    *port = (uint16_t)(low + (ports->base + k) % range);
    return true;
}
