/* udp/udp_internal.h: the inside of UDP: endpoints and the tables they are found by. */
#ifndef UDP_UDP_INTERNAL_H
#define UDP_UDP_INTERNAL_H

#include "udp/udp.h"

/* Hash keys; no padding. Unused parts are 0. */
struct udp_key {
    td_ip4 laddr, raddr;
    uint16_t lport, rport;
};

/* All endpoints with one key, newest first. Exists while it has a member. */
struct udp_slot {
    struct hash_node node;
    struct udp_key key;
    struct udp_pcb *first;
};

enum udp_index {
    UDP_BY_PORT,  /* key {lport}: every bound endpoint; conflicts, broadcast and multicast */
    UDP_BY_MATCH, /* key {laddr, raddr, lport, rport} connected, {laddr, lport} otherwise: unicast */
    UDP_INDEXES
};

struct udp_pcb {
    struct hash_node all; /* in udp->all, by id */
    struct {
        struct udp_slot *slot; /* NULL = not in it */
        struct udp_pcb *next, **prev;
    } in[UDP_INDEXES];
    void *owner;
    uint32_t id;
    const struct udp_upcalls *up;
    struct udp_addrs a;
    struct udp_opts opts;
    bool addr_fixed; /* laddr was bound, not chosen by connect */
    bool port_fixed; /* lport was bound, not chosen by connect or send */
    uint64_t drops;
};

struct ports {                  /* RFC 6056 */
    struct siphash_key key;     /* algorithm 3's secret */
    uint32_t next;              /* algorithm 3's counter */
    uint32_t base;              /* offset of candidate 0 of the search under way */
};

struct udp {
    struct hash all;
    struct hash index[UDP_INDEXES];
    struct ports ports;
    struct table table;
};

void ports_init(struct td_stack *st, struct ports *ports);

/* ---- udp_demux.c ---- */
/* Puts u into the tables under its present addresses (again, after they changed). -ENOMEM: u is
 * where it was. */
int udp_index_put(struct td_stack *st, struct udp_pcb *u, const struct udp_addrs *a);
void udp_index_remove(struct td_stack *st, struct udp_pcb *u);
/* Would u bound to addr:port clash with somebody? strict: sharing flags don't help. */
bool udp_conflicts(const struct td_stack *st, const struct udp_pcb *u, td_ip4 addr, uint16_t port,
                   bool strict);
/* The endpoint a unicast datagram from raddr:rport to laddr:lport belongs to; NULL = none. ifindex
 * 0 = arriving interface unknown. */
struct udp_pcb *udp_lookup(const struct td_stack *st, const struct udp_addrs *a, uint32_t ifindex);
/* Broadcast and multicast: the first matching endpoint after `u` (NULL: from the start). */
struct udp_pcb *udp_next_receiver(const struct td_stack *st, struct udp_pcb *u,
                                  const struct udp_addrs *a, uint32_t ifindex);
bool udp_table_next(struct td_stack *st, uint64_t *cursor, struct row *row);
extern const struct column udp_columns[];
extern const unsigned udp_ncolumns;

#endif
