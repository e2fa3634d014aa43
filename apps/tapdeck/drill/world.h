/* drill/world.h: one stack with one interface, in the hand of a script, in virtual time.
 *
 * The world is the stack under test, its clock, and what it has sent and nobody has looked at yet.
 * Every script has a world of its own; two with the same seed and script do the same.
 */
#ifndef DRILL_WORLD_H
#define DRILL_WORLD_H

#include "tapdeck/drill/seg.h"
#include "tapdeck/stack.h"

#define WORLD_NEVER TD_NEVER

struct world_config {
    td_ip4 local, remote, gateway;
    uint8_t plen;
    uint32_t mtu;
    uint64_t seed;
    enum td_profile profile;
    uint64_t faults; /* deliberate bugs switched on: 1 << enum fault_id */
};

struct drill_world {
    struct td_stack *st;
    uint32_t ifindex;
    struct td_mac mac, peer;
    td_time start;                 /* of the script, on the stack's clock */
    struct seg *sent, **sent_tail; /* in the order in which they left */
    bool no_memory;
    void (*stepped)(void *ctx); /* called after everything that may have changed something */
    void (*arrived)(void *ctx); /* called behind a datagram, before the stack answers it */
    void *ctx;
};

/* False: no memory, or the addresses don't go together. */
bool world_open(struct drill_world *w, const struct world_config *c);
void world_close(struct drill_world *w);

/* Nanoseconds since the script began. */
td_time world_now(const struct drill_world *w);
/* Fires the next timer that is due before `until` (or at it, if `at`), everything it leads to
 * included. False: there is none. */
bool world_step(struct drill_world *w, td_time until, bool at);
/* All timers before `until`, and moves the clock there. What happens at `until` itself comes after
 * the script's own event: a kernel's timers are never early, and a little late. */
void world_sleep(struct drill_world *w, td_time until);
/* After a call or a packet. */
void world_flush(struct drill_world *w);
/* A datagram, as from the wire. mss: it is a super-segment of segments of so many bytes; 0: none. */
void world_inject(struct drill_world *w, const uint8_t *datagram, size_t len, uint32_t mss);
struct seg *world_take(struct drill_world *w); /* the oldest that was sent, or NULL; the caller's */

#endif
