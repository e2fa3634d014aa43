/* replay/play_cause.h: why a frame isn't the same.
 *
 * Theory of operation. A capture doesn't hold all that decided what its host said: not when its
 * application read, not what its congestion control knew, not its timers' fine grain. And much is
 * left open by the RFCs: when to acknowledge, where to cut. Each frame that isn't the same is put
 * down to what of this its numbers show: the rules below are asked in their order, and the first
 * that fits names the cause. Where none fits it stays unexplained, and the report says so.
 */
#ifndef REPLAY_PLAY_CAUSE_H
#define REPLAY_PLAY_CAUSE_H

#include "replay/play.h"

struct cause_words {
    const char *json, *text; /* a word; a sentence */
    const char *clause;      /* which leaves it open or asks for it; "" */
    const char *knob;        /* with which it could be brought nearer; "" */
};
extern const struct cause_words cause_words[PLAY_CAUSES];

struct causer { /* what was told before; zero it */
    struct {
        bool any;
        tcp_seq ack;  /* the highest it has acknowledged */
        tcp_seq high; /* behind the highest it has sent */
    } side[2];        /* captured, sent */
};
/* Two frames of the same text: in what do they differ? */
enum play_cause cause_of_pair(const struct play_frame *captured, const struct play_frame *sent);
/* Of each row in its order; sets row->cause, counts it into p, and keeps its number as an example.
 */
void cause_row(struct causer *c, struct play *p, struct play_row *row);

#endif
