/* link/departures.h: frames that wait for their time, in order of (time, number).
 *
 * A binary heap. Frames of the same time leave in the order in which they came, so a run can be
 * repeated bit for bit.
 */
#ifndef LINK_DEPARTURES_H
#define LINK_DEPARTURES_H

#include "core/pkt.h"

struct departure {
    td_time time;
    uint64_t seq;
    struct pkt *p;
};

struct departures {
    struct mem *mem;
    struct departure *heap;
    uint32_t count, cap;
    uint64_t seq, bytes;
};

/* Room for one more. False: no memory. Ask before departures_push. */
bool departures_reserve(struct departures *d);
void departures_push(struct departures *d, td_time time, struct pkt *p);
struct pkt *departures_pop(struct departures *d);    /* the first; NULL: none */
td_time departures_next(const struct departures *d); /* TD_NEVER: none */
void departures_done(struct departures *d);          /* frees what waits, and itself */

#endif
