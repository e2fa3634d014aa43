/* tapdeck/organ.h: what all replaceable parts have in common.
 *
 * An organ is a table of functions with a name. It has no state of its own, no global and no static
 * variable: what it remembers it keeps in the struct it is handed, or in `state`, `state_size`
 * zeroed bytes that its host allocates for it (16-byte aligned) before init and frees behind it. It
 * makes no system call, reads no clock (the time comes in as an argument), draws no random numbers
 * and uses integers: so that the same input gives the same output, which is what replay and
 * comparison rest on.
 *
 * The host is whoever calls the organ: the stack, or a test that feeds two organs the same random
 * input and compares what they say. An organ can't tell the difference, because all that it may ask
 * for is in the header of its kind:
 *
 *      tapdeck/organs.h      congestion control; the retransmission time-out
 *      tapdeck/reassembly.h  the receiver's text beyond a hole
 *      tapdeck/loss.h        which segments in flight are lost
 *
 * Each is complete in itself: a file with an organ includes that one header and nothing else of
 * ours.
 *
 * An organ is given to one instance by td_organ_add and chosen by its name, for the instance by a knob
 * (tapdeck.reassembly, tapdeck.loss_detection, tapdeck.rto, net.ipv4.tcp_congestion_control); a connection has
 * the one that was chosen when it was born, for life. Congestion control alone may be changed later, by the
 * socket option TCP_CONGESTION.
 */
#ifndef TAPDECK_ORGAN_H
#define TAPDECK_ORGAN_H

#include "tapdeck/types.h"

/* ---- sequence numbers (RFC 9293 3.4): modulo 2^32, compared by their distance ---- */

static inline bool td_seq_before(uint32_t a, uint32_t b) /* a < b */
{
    return (int32_t)(a - b) < 0;
}
static inline uint32_t td_seq_max(uint32_t a, uint32_t b)
{
    return td_seq_before(a, b) ? b : a;
}
static inline uint32_t td_seq_min(uint32_t a, uint32_t b)
{
    return td_seq_before(a, b) ? a : b;
}

struct td_range { /* [left, right) of sequence space */
    uint32_t left, right;
};

/* ---- into an instance ---- */

enum td_organ_kind {     /* and what `ops` points to: */
    TD_ORGAN_REASSEMBLY, /* struct td_reassembly_ops */
    TD_ORGAN_LOSS,       /* struct td_loss_ops */
    TD_ORGAN_CC,         /* struct td_cc_ops */
    TD_ORGAN_RTO,        /* struct td_rto_ops */
    TD_ORGAN_KINDS
};

/* The instance may be told to use it from now on. ops lives as long as the instance. 0, -EEXIST
 * (the name is taken), -EINVAL (no name, a function missing), -ENOSPC (too many). */
int td_organ_add(struct td_stack *st, enum td_organ_kind kind, const void *ops);

#endif
