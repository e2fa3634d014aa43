/* link/codel.h: the control law of CoDel (RFC 8289), apart from any queue. */
#ifndef LINK_CODEL_H
#define LINK_CODEL_H

#include "tapdeck/types.h"

struct codel {           /* of one queue; zero: at the start */
    td_time first_above; /* when the delay will have been above target for an interval; 0: isn't */
    td_time drop_next;
    uint32_t count, last_count; /* drops since dropping began; when it began the time before */
    bool dropping;
};

/* A frame left the queue after `sojourn`; `left` bytes still wait. Is the delay bad long enough to
 * act (RFC 8289 5.6, dodequeue)? maxpacket: a queue that holds no more than one such is never bad.
 */
bool codel_above(struct codel *c, td_time now, td_time sojourn, uint64_t left, uint32_t maxpacket,
                 td_time target, td_time interval);
/* Begins to drop (5.6, deque): the caller has found codel_above and disposes of this frame. */
void codel_begin(struct codel *c, td_time now, td_time interval);
/* When the next drop after the one at t is due (5.5): t + interval / sqrt(count). */
td_time codel_law(td_time t, td_time interval, uint32_t count);

#endif
