/* tapdeck/link.h: interfaces that the stack makes itself, and bridges.
 *
 * td_if_add (tapdeck/stack.h) gives a stack an interface with a device behind it. The interfaces of
 * this header need none: they stand on others, or on nothing.
 *
 *     VLAN     an 802.1Q sub-interface: what it sends leaves by the interface below it with its
 * tag, what comes in there with its tag comes in on it bridge   a learning switch whose ports are
 * other interfaces; itself the host's interface on that switch dummy    takes everything and sends
 * nothing: a place for an address
 *
 * The calls of tapdeck/stack.h (td_if_del, td_if_up, td_if_set_mtu, addresses, impairments …) work
 * on all of them. Every call that changes something goes through the door and can be recorded.
 * Names, defaults and consequences are Linux's (ip-link(8), bridge(8)).
 *
 *     struct td_link_config c = {.kind = TD_LINK_BRIDGE, .name = "br0", .flags = TD_IF_UP};
 *     uint32_t br;
 *     td_link_add(st, &c, &br);
 *     td_link_set_master(st, td_if_index(st, "eth0"), br);
 *     td_link_set_master(st, td_if_index(st, "eth1"), br);
 *     struct td_link_config v = {.kind = TD_LINK_VLAN, .name = "br0.10", .lower = br, .vid = 10};
 */
#ifndef TAPDECK_LINK_H
#define TAPDECK_LINK_H

#include "tapdeck/device.h"

enum td_link_kind {
    TD_LINK_DEVICE,   /* td_if_add's */
    TD_LINK_LOOPBACK, /* lo, which every instance has */
    TD_LINK_VLAN,
    TD_LINK_BRIDGE,
    TD_LINK_DUMMY,
    TD_LINK_KINDS
};
const char *td_link_kind_name(enum td_link_kind kind); /* "vlan", "bridge" …; "" for a device */

enum td_bridge_what { /* which fields of td_bridge_config are meant */
                      TD_BRIDGE_AGEING = 1 << 0,
                      TD_BRIDGE_FDB_MAX = 1 << 1,
};
struct td_bridge_config {
    uint32_t what;  /* enum td_bridge_what; the others stay, or are the defaults */
    td_time ageing; /* ns until a station that says nothing is forgotten (default 300 s); 0: nothing
                       is learnt, every frame goes everywhere, as in a hub */
    uint32_t fdb_max; /* stations learnt at most (default 4096); 0: none */
};

struct td_link_config {
    enum td_link_kind kind; /* VLAN, BRIDGE or DUMMY */
    char name[16];
    struct td_mac mac; /* all zero: a VLAN has its lower interface's and follows it, a bridge has
                          the numerically lowest of its ports' (random while there is none), a dummy
                          a random one */
    uint32_t mtu;      /* bytes. 0: a VLAN's lower interface's; a bridge follows the smallest of its
                          ports'; 1500 */
    uint32_t flags;    /* enum td_if_flags to start with */
    uint32_t lower;    /* VLAN: the interface that carries it */
    uint16_t vid;      /* VLAN: 1 to 4094 */
    struct td_bridge_config bridge;
};
/* Makes an interface. -EINVAL (kind, name, MAC, MTU, VLAN number), -EEXIST (the name, or the VLAN
 * on that interface), -ENODEV (no such lower interface), -ERANGE (a VLAN's MTU is above its lower
 * interface's), -EOPNOTSUPP (a VLAN on loopback), -EMLINK (more than 8 interfaces one above the
 * other), -ENETDOWN (a VLAN can't be up while its lower interface is down; it was not made),
 * -ENOMEM. */
int td_link_add(struct td_stack *st, const struct td_link_config *c, uint32_t *ifindex);

/* Makes an interface a port of a bridge (it leaves the one it was in), or with master 0 of none. A
 * port's frames belong to the bridge: what the host has to say and hear there, addresses too,
 * belongs on the bridge's own interface. -ENODEV, -EINVAL (loopback; or master isn't a bridge),
 * -ELOOP (it is a bridge, or stands on
 * that bridge itself), -EMLINK, -ENOMEM. */
int td_link_set_master(struct td_stack *st, uint32_t ifindex, uint32_t master);

/* Sets and clears flags: TD_IF_UP, TD_IF_PROMISC, TD_IF_NOARP, TD_IF_MULTICAST; of a device's also TD_IF_GRO. -ENODEV, -EINVAL
 * (others), -ENETDOWN (a VLAN above an interface that is down). */
int td_if_set_flags(struct td_stack *st, uint32_t ifindex, uint32_t set, uint32_t clear);

/* -ENODEV, -EINVAL (no bridge). Stations that are known already stay, and age by the new time. */
int td_bridge_set(struct td_stack *st, uint32_t ifindex, const struct td_bridge_config *c);

enum td_port_flags {
    TD_PORT_LEARNING = 1 << 0, /* stations heard here are learnt (on) */
    TD_PORT_FLOOD = 1 << 1,    /* frames for stations nobody knows go here too (on) */
    TD_PORT_HAIRPIN = 1 << 2,  /* a frame may leave by the port it came in by (off) */
    TD_PORT_ISOLATED = 1 << 3, /* no frames from or to other isolated ports (off) */
};
/* -ENODEV, -EINVAL (no port of a bridge, or unknown flags). */
int td_port_set_flags(struct td_stack *st, uint32_t ifindex, uint32_t set, uint32_t clear);

/* The table of stations ("forwarding database"). */
enum td_fdb_flags {
    TD_FDB_LOCAL = 1 << 0,  /* frames for it are the host's ("permanent") */
    TD_FDB_STATIC = 1 << 1, /* doesn't age; moves when the station is heard elsewhere */
    TD_FDB_STICKY = 1 << 2, /* doesn't move either */
};
/* On a port of a bridge, or on the bridge itself (local entries only). flags 0: as if it had been
 * heard. An entry that is there is changed. -ENODEV, -EINVAL (neither port nor bridge; a group
 * address or zero; both LOCAL and STATIC), -ENOSPC (fdb_max), -ENOMEM. */
int td_fdb_add(struct td_stack *st, uint32_t ifindex, struct td_mac mac, uint32_t flags);
/* -ENODEV, -EINVAL, -ENOENT (not there, or on another port), -EBUSY (an interface's own address).
 */
int td_fdb_del(struct td_stack *st, uint32_t ifindex, struct td_mac mac);
/* Forgets what was learnt: on a port, or on all ports of a bridge. How many, -ENODEV, -EINVAL. */
int td_fdb_flush(struct td_stack *st, uint32_t ifindex);

/* An address with all that `ip addr add` can say of it. */
struct td_addr {
    td_ip4 addr;
    uint8_t plen;
    bool no_broadcast; /* it has none: as `broadcast 0.0.0.0` */
    td_ip4 broadcast;  /* 0: the usual one */
    char label[16];    /* "eth0:1"; "": the interface's name. Begins with the interface's name */
};
/* As td_addr_add of tapdeck/stack.h; -EINVAL for a label that doesn't begin with the interface's
 * name too. */
int td_addr_add_full(struct td_stack *st, uint32_t ifindex, const struct td_addr *a);

#endif
