/* tapdeckd/loop_stats.h: how long the turns of the daemon's loop take, and what its consoles cost.
 *
 * A turn is what happens between two waits: frames, timers, applications, commands, the clients'
 * bytes. While one lasts nothing else happens, so the longest is how late everything may be. Its
 * length on the wall clock includes the times the kernel gave the processor to others; so, while a
 * client is connected, the processor's own time is taken as well.
 */
#ifndef TAPDECKD_LOOP_STATS_H
#define TAPDECKD_LOOP_STATS_H

#include "tapdeck/types.h"

#define LOOP_BUCKETS 12 /* up to 10, 20, 50, 100, 200, 500 us, 1, 2, 5, 10, 20 ms, and more */

struct loop_stats {
    td_time since; /* monotonic, ns */
    uint64_t turns;
    uint64_t histogram[LOOP_BUCKETS]; /* turns by length */
    td_time longest, longest_cpu;     /* ns; of the processor's: while a client was connected */
    td_time busy;                     /* in turns altogether, ns */
    td_time consoles;                 /* of that, for clients and commands */
    unsigned clients;                 /* connected now */
    uint64_t accepted;                /* clients, since the daemon's start */
    uint64_t stalled;                 /* dropped: they read nothing for too long */
    uint64_t evicted;   /* dropped: others wanted their place, and they used it least */
    uint64_t refused;   /* not accepted: no place, no descriptor */
    uint64_t strangers; /* not accepted: another user's */
};

static inline unsigned loop_bucket(td_time length)
{
    static const td_time upto[LOOP_BUCKETS - 1] = {
        10 * TD_US, 20 * TD_US, 50 * TD_US, 100 * TD_US, 200 * TD_US, 500 * TD_US,
        TD_MS,      2 * TD_MS,  5 * TD_MS,  10 * TD_MS,  20 * TD_MS};
    unsigned i = 0;
    while (i < LOOP_BUCKETS - 1 && length > upto[i])
        i++;
    return i;
}

#endif
