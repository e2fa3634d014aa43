/* tapdeck/device.h: what stands between a stack and the world.
 *
 * A device hands frames in with td_stack_input() and is given frames through td_device_ops. Frames
 * are whole Ethernet frames without FCS.
 */
#ifndef TAPDECK_DEVICE_H
#define TAPDECK_DEVICE_H

#include "tapdeck/types.h"

struct td_device_ops {
    /* Sends one frame; the packet stays the caller's (borrowed): copy or write it before returning.
     * 0: sent (or lost where real hardware would lose it). -EAGAIN: busy; the frame stays queued and
     * the device must call td_if_ready() later. Must not call back into the stack. */
    int (*transmit)(void *dev, const struct pkt *p);
};

enum td_if_flags {
    TD_IF_UP        = 1 << 0,
    TD_IF_BROADCAST = 1 << 1,
    TD_IF_LOOPBACK  = 1 << 2,
    TD_IF_NOARP     = 1 << 3,
    TD_IF_PROMISC   = 1 << 4,
    TD_IF_MULTICAST = 1 << 5,
    TD_IF_OFFLOAD   = 1 << 6, /* the device takes super-frames (gso_size) and unfinished transport checksums;
                                 for others both are finished before the queue discipline. At td_if_add */
    TD_IF_GRO       = 1 << 7, /* TCP segments of a flow that come in one batch are joined (link/gro.c); a device's */
};

struct td_if_config {
    char name[16];
    struct td_mac mac;        /* all zero: drawn at random, locally administered */
    uint32_t mtu;             /* 0 = 1500 */
    uint32_t flags;           /* enum td_if_flags to start with */
    uint32_t txqueuelen;      /* packets in the egress pfifo; 0 = 1000 */
    const struct td_device_ops *ops;
    void *dev;
};

struct td_if_stats { /* as `ip -s link` prints them */
    uint64_t rx_bytes, rx_packets, rx_errors, rx_dropped, rx_multicast;
    uint64_t tx_bytes, tx_packets, tx_errors, tx_dropped;
};

enum td_netem_dist { TD_DIST_UNIFORM, TD_DIST_NORMAL, TD_DIST_PARETO, TD_DIST_PARETONORMAL };

/* Impairments, in tc-netem's terms. Probabilities are in parts per 2^32 (UINT32_MAX = always);
 * td_percent() makes them. Zero everywhere: no impairment. */
struct td_netem {
    uint64_t rate;        /* bits a second of Ethernet frame bytes; 0 = unlimited */
    td_time delay;        /* ns added to every frame */
    td_time jitter;       /* ns: uniform in delay ± jitter; may reorder, as in netem */
    uint32_t loss;        /* probability */
    uint32_t duplicate;
    uint32_t corrupt;     /* one random bit flipped */
    uint32_t reorder;     /* probability of leaving at once instead of after the delay; 0 = never.
                             netem's meaning: it takes effect every `gap`-th frame when gap > 0 */
    uint32_t gap;
    /* Gilbert-Elliott: p good→bad, r bad→good, loss in bad, loss in good; used when ge_p > 0 */
    uint32_t ge_p, ge_r, ge_bad, ge_good;
    uint32_t limit;       /* packets queued at most; 0 = 1000 */
    uint64_t seed;        /* of its generator */
    /* How much each draw depends on the one before it, parts per 2^32. */
    uint32_t delay_corr, loss_corr, duplicate_corr, corrupt_corr, reorder_corr;
    enum td_netem_dist dist; /* of the delay; jitter is the deviation */
    bool four_state;         /* loss state: a Markov chain of four states */
    uint32_t p13, p31, p32, p23, p14;
    bool ecn;                /* marks what it would lose, where the sender understands it */
    int32_t overhead;        /* rate: bytes to add to every frame (or to take off) */
    uint32_t cell, cell_overhead; /* rate: the line carries cells of so many bytes */
    /* Slots: what is due leaves in bursts, the next slot opens slot_min to slot_max after the one
     * before, and lets so many through (0 = no limit). slot_max 0: none. */
    td_time slot_min, slot_max;
    uint32_t slot_packets, slot_bytes;
};
static inline uint32_t td_percent(double percent) /* configuration only, never on a packet's path */
{
    return percent <= 0 ? 0 : percent >= 100 ? UINT32_MAX : (uint32_t)(percent / 100.0 * 4294967295.0);
}

#endif
