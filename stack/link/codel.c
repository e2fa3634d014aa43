/* link/codel.c: the control law of CoDel (RFC 8289).
 *
 * Theory of operation. A good queue is one that empties: a burst stands in it for a moment. A bad
 * queue stands: for a whole `interval` no frame has waited less than `target`. Then one frame is
 * dropped (or marked), and while the delay stays bad the next ones at times that come closer and
 * closer: the n-th follows after interval / sqrt(n), to which the rate of a TCP answers linearly.
 * The first frame that waited less than target ends it. If it must begin again soon (within 16
 * intervals) it goes on from about the pace it had reached.
 *
 * The square root is taken in integers: sqrt(count) with 16 binary places.
 */
#include "link/codel.h"

static uint64_t square_root(uint64_t v)
{
    uint64_t r = 0;

    for (uint64_t bit = UINT64_C(1) << 31; bit != 0; bit >>= 1)
        if ((r | bit) * (r | bit) <= v)
            r |= bit;
    return r;
}

td_time codel_law(td_time t, td_time interval, uint32_t count)
{
    return t + interval * 65536 / square_root((uint64_t)(count != 0 ? count : 1) << 32);
}

bool codel_above(struct codel *c, td_time now, td_time sojourn, uint64_t left, uint32_t maxpacket,
                 td_time target, td_time interval)
{
    if (sojourn < target || left <= maxpacket) {
        c->first_above = 0;
        return false;
    }
    if (c->first_above == 0) {
        c->first_above = now + interval;
        return false;
    }
    return now >= c->first_above;
}

void codel_begin(struct codel *c, td_time now, td_time interval)
{
    uint32_t delta = c->count - c->last_count;

    c->dropping = true;
    c->count = delta > 1 && now - c->drop_next < 16 * interval ? delta : 1;
    c->drop_next = codel_law(now, interval, c->count);
    c->last_count = c->count;
}
