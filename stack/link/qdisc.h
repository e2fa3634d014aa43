/* link/qdisc.h: queue disciplines.
 *
 * A queue discipline is where frames wait between the stack and a device (egress) or between a
 * device and the stack (ingress). It is given the time with every call and never looks at a clock,
 * so the same object works in an interface of a stack, in a simulated wire, and between two live
 * TAP devices in apps/.
 *     enqueue  takes a frame (or drops it, and says why)
 *     dequeue  gives the next frame that may leave at `now`, or NULL
 *     next     when dequeue may have one: TD_NEVER when empty
 */
#ifndef LINK_QDISC_H
#define LINK_QDISC_H

#include "core/pkt.h"
#include "core/rng.h"
#include "tapdeck/device.h"

struct qdisc;
struct qdisc_ops {
    const char *kind; /* "pfifo", "netem" … as tc names it */
    /* Consumes p. 0; -ENOBUFS: dropped for want of room; -ECOMM: dropped as an impairment asks, which
     * the sender is not told, as it wouldn't be by a wire. *why then says in a word what for. */
    int (*enqueue)(struct qdisc *q, struct pkt *p, td_time now, const char **why);
    struct pkt *(*dequeue)(struct qdisc *q, td_time now);
    td_time (*next)(struct qdisc *q);
    void (*clear)(struct qdisc *q);   /* frees the frames in it */
    void (*destroy)(struct qdisc *q); /* frees q too */
};

struct qdisc {
    const struct qdisc_ops *ops;
    struct mem *mem;
    uint64_t packets, bytes;         /* waiting now */
    uint64_t sent_packets, sent_bytes, drops, overlimits;
};

/* First in, first out, at most `limit` packets (Linux's pfifo; txqueuelen). NULL = no memory. */
struct qdisc *qdisc_pfifo(struct mem *m, uint32_t limit);
/* Impairments (tc-netem(8)'s words). Copies *params; draws from its own generator seeded by
 * params->seed, so a run can be repeated. NULL = no memory. */
struct qdisc *qdisc_netem(struct mem *m, const struct td_netem *params);
/* Changes the impairments; frames in flight keep their time. */
void qdisc_netem_change(struct qdisc *q, const struct td_netem *params);
/* What a netem was told, or NULL when q is none. */
const struct td_netem *qdisc_netem_params(const struct qdisc *q);
/* Time that `bytes` take at `rate` bits a second, rounded up to a nanosecond; 0 for rate 0. */
td_time qdisc_serialise(uint64_t bytes, uint64_t rate);
void qdisc_destroy(struct qdisc *q); /* NULL is allowed */

#endif
