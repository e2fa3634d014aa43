/* replay/play_again.h: which of the captured retransmissions the stack sent too.
 *
 * Theory of operation. What lies below the highest that was sent is sent again. In a capture made
 * elsewhere, that isn't all: what was lost before the capture point is there only once, and fills a
 * hole; and what was overtaken fills one as well. The two are told apart by what the sender counts
 * on: timestamps, else IP identification, else by how late it is.
 *
 * A captured retransmission is reproduced if the stack sent some of the same text again, whenever
 * that was: each of the stack's stands for one captured one. Both wait for each other in a list of
 * the last MANY; so nothing grows with the packets.
 */
#ifndef REPLAY_PLAY_AGAIN_H
#define REPLAY_PLAY_AGAIN_H

#include "replay/play.h"

#define AGAIN_MANY 512u

struct again_side { /* captured, sent */
    bool begun;
    tcp_seq high;   /* behind the highest */
    uint32_t tsval; /* of the frame that went there, */
    uint16_t id;    /* its identification */
    td_time at;     /* and when it was */
    struct {
        tcp_seq left, right;
    } wait[AGAIN_MANY]; /* for one of the other side's */
    unsigned n, oldest;
};
struct again {
    struct again_side side[2];
};

/* A frame that was captured, or that the stack sent, in order of time. True: it is sent again.
 * Counts into p. */
bool again_frame(struct again *a, struct play *p, const struct play_frame *f, bool sent);

#endif
