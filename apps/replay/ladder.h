/* replay/ladder.h: connections of a capture as sequence diagrams in text, behind `replay --report
 * text`.
 *
 * Theory of operation. It listens to the pass through the capture (observe.h) and draws a line for
 * each segment as it comes by: the time, the client's state where it has changed, an arrow with
 * what the segment says, the server's state; and below the arrow what it shows, if that is
 * something. The lines of a connection are kept until the end, so their number is bounded, and so
 * is that of connections: what lies beyond is counted, and said.
 */
#ifndef REPLAY_LADDER_H
#define REPLAY_LADDER_H

#include "replay/observe.h"

#define LADDER_FLOWS 100u /* connections that are drawn */
#define LADDER_ROWS  300u /* segments of each */

struct ladder_flow;
struct ladder {
    struct observe_listener listener; /* hand this to observe_run; first in the struct */
    FILE *out;
    struct ladder_flow *flow[LADDER_FLOWS]; /* by number of the connection */
};
/* Goes to `out` when the capture is over: for each connection its story in words, its ladder, and
 * tcptrace's table. */
void ladder_begin(struct ladder *l, FILE *out);
void ladder_done(struct ladder *l);

#endif
