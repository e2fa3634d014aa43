/* link/link.h: network interfaces and Ethernet.
 *
 * A struct netif is an interface: its name, MAC, MTU, flags, IPv4 addresses, queue discipline and
 * counters. The device behind it (TAP, simulated wire, capture file) is somebody else's: it hands
 * frames in through td_stack_input and gets frames out through `transmit`, which never re-enters the
 * stack. eth_output puts the Ethernet header on and passes the frame through the egress queue
 * discipline; when the device says -EAGAIN the frame waits there until td_if_ready.
 *
 * Loopback is an interface without Ethernet and without device: what is sent on it is queued and
 * comes in again at the next flush round (never re-entered).
 */
#ifndef LINK_LINK_H
#define LINK_LINK_H

#include "core/stack.h"
#include "link/qdisc.h"
#include "tapdeck/device.h"
#include "tapdeck/link.h"
#include "wire/eth.h"
#include "wire/ipv4.h"

#define NETIF_NAME_LEN 16

enum netif_addr_state {
    ADDR_TENTATIVE, /* RFC 5227: being probed, not in use yet */
    ADDR_READY,
    ADDR_CONFLICT, /* somebody else has it: not used */
};

/* One IPv4 address of an interface. Owned by ip/addr.c; read by arp and ip. */
struct netif_addr {
    struct netif_addr *next; /* in order of configuration: the first is the primary one */
    td_ip4 addr;
    uint8_t plen;            /* prefix length, 0..32 */
    td_ip4 broadcast;        /* 0 = none (/31, /32: RFC 3021) */
    enum netif_addr_state state;
    void *acd;               /* arp's conflict-detection state, or NULL */
    char label[NETIF_NAME_LEN]; /* "": the interface's name */
};

struct bridge;
struct bridge_port;
struct vlan_group;

struct netif {
    struct netif *next;      /* list in order of index */
    uint32_t index;          /* from 1 */
    char name[NETIF_NAME_LEN];
    struct td_mac mac;
    enum td_link_kind kind;
    uint32_t mtu;            /* bytes of IP datagram */
    uint32_t flags;          /* enum td_if_flags */
    bool own_mac, own_mtu;   /* given by somebody: doesn't follow the interfaces below */
    uint16_t vid;            /* VLAN: its number */
    struct netif *lower;     /* VLAN: the interface that carries it */
    struct vlan_group *vlans;/* those it carries; NULL: none */
    struct bridge *bridge;   /* bridge: its ports and stations */
    struct bridge_port *port;/* what it is to the bridge it is a port of; NULL: none */
    struct netif_addr *addrs;
    struct qdisc *egress;    /* never NULL on a device interface; elsewhere there is none unless asked for */
    struct qdisc *ingress;   /* NULL = frames go straight in */
    struct qdisc_sink sink[2]; /* of egress, of ingress */
    const struct td_device_ops *ops; /* NULL: there is no device */
    void *dev;
    bool busy;               /* the device said -EAGAIN */
    int64_t knob[IFKNOB_COUNT];
    struct td_if_stats stats;
    uint64_t rx_ipv6;        /* frames of IPv6 dropped: the journal tells the first */
    struct pkt *held;        /* the frame a busy device refused: first to go when it is ready */
    uint32_t txqlen;         /* packets the egress pfifo (or the loopback queue) holds */
    struct timer egress_timer, ingress_timer; /* a qdisc's next departure */
    struct td_stack *st;     /* for the timers */
    uint32_t acd_conflicts;  /* arp's: conflicts since an address was last won here (RFC 5227) */
    td_time acd_attempt;     /* arp's: when probing last began here */
    struct pkt_queue loop;   /* loopback: waiting for the next round */
    struct netif *dirty_next;
    bool dirty;              /* has egress or loop work at the next flush */
};

int link_init(struct td_stack *st);
void link_done(struct td_stack *st);

struct netif *netif_by_index(const struct td_stack *st, uint32_t index); /* NULL = none */
struct netif *netif_by_name(const struct td_stack *st, const char *name);
struct netif *netif_first(const struct td_stack *st);

static inline bool netif_is_up(const struct netif *nif)
{
    return (nif->flags & TD_IF_UP) != 0;
}

/* Receives frames of an EtherType; pkt->data is behind the Ethernet header. Consumes pkt. */
typedef void link_handler(struct td_stack *st, struct netif *nif, struct pkt *p,
                          const struct eth_hdr *eth);
int link_register(struct td_stack *st, uint16_t ethertype, link_handler *fn); /* -EEXIST, -ENOMEM */
/* The master of a port (its bridge's interface), or NULL. */
struct netif *netif_master(const struct netif *nif);
/* Up, and able to send: a bridge needs a port that can, a VLAN an interface below that can. */
bool netif_running(const struct netif *nif);

/* Told when an interface goes up or down, is added (up = false) or is about to be removed. */
enum link_change { LINK_ADDED, LINK_UP, LINK_DOWN, LINK_REMOVED, LINK_MTU, LINK_MAC };
typedef void link_watch(struct td_stack *st, struct netif *nif, enum link_change what);
int link_watch_add(struct td_stack *st, link_watch *fn);

/* A frame from a device, as td_stack_input got it: through the ingress qdisc, then eth_input. */
void link_input(struct td_stack *st, struct netif *nif, struct pkt *p);
/* Pulls the Ethernet header, drops what is not for us, hands on by EtherType. */
void eth_input(struct td_stack *st, struct netif *nif, struct pkt *p);
/* Sends an IP datagram or ARP packet to dst: Ethernet header (or loopback), padding to the minimum
 * frame with zeroes, qdisc, device. Consumes p. p->tos is the datagram's TOS. 0, or a negative errno when it was dropped
 * (-ENETDOWN, -ENOBUFS: queue full) — the drop is already journaled and counted. */
int eth_output(struct td_stack *st, struct netif *nif, struct td_mac dst, uint16_t ethertype,
               struct pkt *p);
/* ---- link/gro.c ---- */
/* The batch is over: what waits to be joined goes up. */
void link_gro_flush(struct td_stack *st);
/* ---- link/gso.c ---- */
/* The largest datagram that p (data at the IP header h) becomes when it is cut at its gso_size; 0: it can't be cut so. */
uint32_t gso_largest(const struct pkt *p, const struct ipv4_hdr *h);
/* Cuts it into q: whole datagrams with headers, checksums and IP header noted. False: no memory, or nothing that can
 * be cut so (q is empty). */
bool gso_cut(struct td_stack *st, const struct pkt *p, const struct ipv4_hdr *h, struct pkt_queue *q);
/* The same into memory of m, without packet ids: for who only looks. */
bool gso_pieces(struct mem *m, const struct pkt *p, const struct ipv4_hdr *h, struct pkt_queue *q);

/* ---- link/observe.c: looking at frames without touching them ---- */
struct link_sight {
    uint32_t ifindex;    /* the interface on which it was seen */
    bool out;            /* leaves; else comes in */
    bool bare;           /* p begins with the IP header: a loopback frame has no Ethernet header */
    const struct pkt *p; /* borrowed; p->id is the journal's name for it, p->protocol its EtherType if bare */
};
/* The observer's memory is the caller's and must stay until link_unobserve. fn must not call into the stack,
 * except that it may take its observer out. */
struct link_observer {
    struct link_observer *next;
    uint32_t ifindex; /* 0 = every interface */
    void (*fn)(void *ctx, const struct link_sight *s);
    void *ctx;
};
void link_observe(struct td_stack *st, struct link_observer *o);   /* ifindex, fn and ctx are set */
void link_unobserve(struct td_stack *st, struct link_observer *o); /* nothing when it isn't there */

/* Bytes waiting in the egress queue (a VLAN's are its lower interface's): TCP bounds its share by it. */
uint64_t netif_backlog(const struct netif *nif);
/* End of a flush round: moves frames from qdiscs to devices and loopback queues back in. Returns
 * true when frames were looped back, i.e. protocols may have marked more work. */
bool link_flush(struct td_stack *st);

/* The configuration calls of tapdeck/stack.h end here. netif_add: c->ops NULL is right for a
 * TD_IF_LOOPBACK interface only (its MTU defaults to 65535); -EEXIST (name), -EINVAL (name, MTU, MAC),
 * -ENOMEM. Flags BROADCAST and MULTICAST come by themselves on Ethernet. */
int netif_add(struct td_stack *st, const struct td_if_config *c, uint32_t *index);
/* td_link_add and the calls of tapdeck/link.h end here. */
int link_add(struct td_stack *st, const struct td_link_config *c, uint32_t *index);
int link_set_master(struct td_stack *st, struct netif *nif, struct netif *master); /* NULL: none */
int bridge_set(struct td_stack *st, struct netif *nif, const struct td_bridge_config *c);
int bridge_port_set(struct td_stack *st, struct netif *nif, uint32_t set, uint32_t clear);
uint32_t bridge_port_flags(const struct netif *nif); /* enum td_port_flags; 0 when it is no port */
struct td_bridge_config bridge_config(const struct netif *nif); /* of a bridge */
uint32_t bridge_fdb_learned(const struct netif *nif);           /* stations learnt now */
int fdb_set(struct td_stack *st, struct netif *nif, struct td_mac mac, uint32_t flags);
int fdb_unset(struct td_stack *st, struct netif *nif, struct td_mac mac);
int fdb_flush(struct td_stack *st, struct netif *nif);
/* VLANs on it go first, it leaves its bridge, a bridge lets go of its ports. -EOPNOTSUPP: loopback. */
int netif_del(struct td_stack *st, uint32_t index);
/* Going down takes the VLANs above down, coming up brings them up, as in Linux. -EINVAL, -ENETDOWN. */
int netif_set_flags(struct td_stack *st, struct netif *nif, uint32_t set, uint32_t clear);
/* 68..65535, -EINVAL; -ERANGE: a VLAN's is at most its lower interface's. VLANs above don't stay larger, a bridge that
 * follows its ports follows. */
int netif_set_mtu(struct td_stack *st, struct netif *nif, uint32_t mtu);
int netif_set_mac(struct td_stack *st, struct netif *nif, struct td_mac mac);
void netif_ready(struct td_stack *st, struct netif *nif);
/* td_if_qdisc, td_impair_… end here: they stand in front of the device (egress) or of eth_input
 * (ingress). -EOPNOTSUPP on loopback. */
int netif_set_qdisc(struct td_stack *st, struct netif *nif, bool ingress,
                    const struct td_qdisc_chain *chain);
int netif_rule(struct td_stack *st, struct netif *nif, bool ingress, enum td_impair_op op,
               uint32_t id, const struct td_impair *rule);
/* The outermost queue discipline that somebody may see, behind the rules; NULL: none. */
struct qdisc *netif_chain(const struct netif *nif, bool ingress);

#endif
