/* tests/common/rig.h: a stack of the lower layers only, with its clock and its devices in the
 * test's hand.
 *
 * A rig has the core's parts, link and (if asked) arp; no IP, no door. Frames that it sends are
 * kept in the order in which they left, with their time. rig_free checks that every byte of memory
 * came back.
 */
#ifndef TESTS_RIG_H
#define TESTS_RIG_H

#include "arp/arp.h"
#include "link/link.h"

#define RIG_FRAMES 4096
#define RIG_START  (1000 * TD_SEC)

struct rig_frame {
    td_time at;
    uint32_t ifindex, len;
    uint8_t tos;
    uint8_t b[1600];
};

struct rig;
struct rig_dev {
    struct rig *rig;
    struct netif *nif;
    int answer; /* what transmit returns; the frame is kept when it is 0 */
};

struct rig {
    struct td_stack st;
    struct rig_dev dev[4];
    unsigned ndev;
    struct rig_frame *out; /* [RIG_FRAMES] */
    unsigned nout;         /* frames sent; those past RIG_FRAMES are only counted */
};

struct rig *rig_new(bool with_arp);
void rig_free(struct rig *r);

/* eth0, eth1 …: MAC 02:00:00:00:00:01, :02 …, MTU 1500, up. */
struct netif *rig_if(struct rig *r);
/* Puts a READY address on nif (of memory that the rig doesn't own). */
void rig_addr(struct netif *nif, struct netif_addr *a, td_ip4 addr, uint8_t plen);

/* As td_if_netem. */
int rig_netem(struct netif *nif, bool ingress, const struct td_netem *n);

void rig_flush(struct rig *r);
void rig_input(struct rig *r, struct netif *nif, const void *frame, size_t len); /* and flush */
/* Fires timers up to `until`, each at its time, flushing after each. */
void rig_run(struct rig *r, td_time until);
void rig_forget(struct rig *r); /* the frames sent so far */

/* An ARP packet for Ethernet and IPv4, written byte by byte; 42 bytes. */
size_t rig_arp_frame(uint8_t b[42], struct td_mac dst, struct td_mac src, unsigned op,
                     struct td_mac sha, td_ip4 spa, struct td_mac tha, td_ip4 tpa);
/* The same, received on nif: the Ethernet source is sha; broadcast when dst is NULL. */
void rig_arp(struct rig *r, struct netif *nif, const struct td_mac *dst, unsigned op,
             struct td_mac sha, td_ip4 spa, struct td_mac tha, td_ip4 tpa);
/* Is frame i an ARP packet with exactly these fields, padded to 60 with zeroes? */
bool rig_is_arp(const struct rig *r, unsigned i, struct td_mac dst, unsigned op, td_ip4 spa,
                struct td_mac tha, td_ip4 tpa);
/* How many of the frames sent are requests for tpa. */
unsigned rig_requests(const struct rig *r, td_ip4 tpa);

struct td_mac rig_mac(unsigned n); /* 06:00 and n in four bytes: a station's */
/* An IPv4 header (20 bytes, src and dst right, the rest zero) and payload bytes of 0x5a. */
struct pkt *rig_datagram(struct rig *r, td_ip4 src, td_ip4 dst, uint32_t payload);

#define ZERO_MAC ((struct td_mac){{0}})

#endif
