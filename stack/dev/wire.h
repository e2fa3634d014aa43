/* dev/wire.h: a wire between two TAP devices, in real time.
 *
 * What the kernel sends into one TAP comes out of the other, after the queue disciplines (netem, say) for its
 * direction has delayed, lost, doubled, reordered or corrupted it. So two Linux hosts (two network
 * namespaces) can be joined by a line as bad as a lesson needs. The wire itself knows neither clock
 * nor stack: wire_read and wire_send are given the time, wire_run is the loop that has a clock.
 */
#ifndef DEV_WIRE_H
#define DEV_WIRE_H

#include "tapdeck/qdisc.h"

struct wire;

struct wire_stats {         /* of one direction */
    uint64_t frames, bytes; /* put on the wire */
    uint64_t delivered;     /* that came out of the other end (duplicates too) */
    uint64_t dropped;       /* by the queue discipline: loss, limit */
    uint64_t lost;          /* because the other end was down, or for want of memory */
};

/* fd_a and fd_b are non-blocking and keep message boundaries; they become the wire's. Frames of up
 * to frame_max bytes pass. a_to_b and b_to_a may be NULL: no impairment. NULL: no memory, or a chain that isn't valid
 * (the descriptors stay the caller's). */
struct wire *wire_new(int fd_a, int fd_b, uint32_t frame_max, const struct td_qdisc_chain *a_to_b,
                      const struct td_qdisc_chain *b_to_a);
void wire_free(struct wire *w); /* closes both ends; NULL is allowed */

/* end 0 is a, 1 is b. Reads at most `budget` frames that wait at this end; how many there were. */
int wire_read(struct wire *w, int end, td_time now, int budget);
/* Hands over every frame whose time has come. */
void wire_send(struct wire *w, td_time now);
/* When wire_send has something to do; TD_NEVER. */
td_time wire_next(const struct wire *w);
/* The end can't take a frame now: call wire_send when its descriptor is writable. */
bool wire_blocked(const struct wire *w, int end);
/* Direction 0: from a to b, 1: from b to a. */
struct wire_stats wire_stats(const struct wire *w, int direction);

/* Runs in real time until stop_fd is readable (0) or something breaks (-errno). */
int wire_run(struct wire *w, int stop_fd);

#endif
