/* replay/ranges.h: a small set of ranges of sequence numbers: what was SACKed, what is missing.
 *
 * Sorted, disjoint, in one array that grows to RANGES_MAX; beyond that an addition that would need
 * another range is forgotten, so that a hostile capture costs neither memory nor time. All ranges lie
 * within half the sequence space of each other: the callers drop what is acknowledged.
 */
#ifndef REPLAY_RANGES_H
#define REPLAY_RANGES_H

#include "core/seq.h"

#define RANGES_MAX 256u

struct range {
    tcp_seq left, right; /* [left, right) */
};
struct ranges {
    struct range *at;
    uint16_t n, room;
};

void ranges_add(struct ranges *s, tcp_seq left, tcp_seq right);
void ranges_remove(struct ranges *s, tcp_seq left, tcp_seq right);
/* Forgets everything before `seq`. */
void ranges_below(struct ranges *s, tcp_seq seq);
/* How many bytes of [left, right) are in the set. */
uint32_t ranges_overlap(const struct ranges *s, tcp_seq left, tcp_seq right);
/* The range that holds `seq`, or NULL. */
const struct range *ranges_holding(const struct ranges *s, tcp_seq seq);
uint32_t ranges_bytes(const struct ranges *s);
void ranges_free(struct ranges *s); /* empty, and ready for use again */

#endif
