/* link/frame.h: what queue disciplines and rules want to know of a frame: its kind, its flow, and
 * whether it can be marked. Frames begin with the Ethernet header. All functions only look, except
 * frame_mark_ce.
 */
#ifndef LINK_FRAME_H
#define LINK_FRAME_H

#include "core/pkt.h"
#include "core/rng.h"
#include "tapdeck/qdisc.h"

/* enum td_frame_kind. A damaged header counts as absent. */
uint32_t frame_kinds(const struct pkt *p);
/* The keyed hash of addresses, protocol and ports (of a fragment: without ports; of what isn't IP:
 * of EtherType and MAC addresses). */
uint64_t frame_flow(const struct pkt *p, const struct siphash_key *key);
/* Marks the frame "congestion experienced" (RFC 3168 5) when its sender understands that: ECT(0),
 * ECT(1) or CE already. False: not ECN-capable, not IP, or no memory to change it. */
bool frame_mark_ce(struct pkt *p);

#endif
