/* replay/observe_tape.h: an observed capture as a tape (tape.h): a step is a packet, taken into the
 * passive tracker.
 *
 * No stack is there. What is known of the connections is the tracker's, and the tape itself answers
 * what is asked of it: `ss`, `pcb`, `ladder` (and so `graph`), `help`. What needs the capture from
 * its beginning reads it once more, up to where the tape stands.
 */
#ifndef REPLAY_OBSERVE_TAPE_H
#define REPLAY_OBSERVE_TAPE_H

#include "replay/mapped.h"
#include "replay/observe.h"
#include "replay/tape.h"

struct observe_tape {
    struct tape tape; /* the first member: what others know of it */
    char *name;
    struct mapped file;
    struct capture_reader *reader;
    struct observe_options options;
    struct observe_listener listener;
    struct observer *observer;
    int64_t first; /* ns since 1970, of the first packet */
    /* the packet of the last step */
    bool told;
    bool tracked; /* row is */
    struct track_row row;
    struct text other; /* else what describe_packet says; empty: it can't be read */
};

/* flow: only this connection; -1: all, and what isn't TCP. tick as observe_run's. NULL: *status,
 * and a sentence in msg. */
struct tape *observe_tape_open(const char *name, int64_t flow, enum observe_sums sums,
                               void (*tick)(void *ctx, uint64_t packets), void *ctx, int *status,
                               char *msg, size_t msg_size);

/* observe_ask.c: what the tape answers itself; as tape_ops. With a bad status, `out` is the
 * sentence. */
bool observe_ask(struct tape *tape, int argc, char *const *argv, bool json, struct text *out,
                 int *status);

#endif
