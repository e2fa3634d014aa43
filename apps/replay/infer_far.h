/* replay/infer_far.h: the window of a sender that is far away and sends no timestamps.
 *
 * Theory of operation. Far from the sender, what is in flight can't be counted: nobody knows which acknowledgements
 * it has got. But when it answers a loss, all that it sent up to its retransmission has passed the capture point
 * (queues keep the order), and that less what was lost first *is* its window at that moment. Between two losses the
 * window grows as its congestion control says: Reno's by a segment a window (RFC 5681 3.1), CUBIC's by the clock
 * (RFC 9438 4.2, 4.3). So both are computed from each loss on, and compared with what the next loss shows: the one that
 * was nearer lately is believed. A sender that has far more in flight than either lets it have goes by something else.
 */
#ifndef REPLAY_INFER_FAR_H
#define REPLAY_INFER_FAR_H

#include "replay/infer.h"

void far_begin(struct infer *f);
/* Bytes were acknowledged at t, outside of a recovery. most: before the first loss, what slow start can't exceed. */
void far_acked(struct infer *f, int64_t t, uint32_t bytes, uint64_t most);
/* It answers a loss with so many bytes between what was lost and the last it sent. Sets f->cwnd, and says what
 * it seems to go by. */
enum far_verdict { FAR_EITHER, FAR_WINDOW, FAR_RATE };
enum far_verdict far_lost(struct infer *f, uint32_t flight);
void far_timeout(struct infer *f);
void far_recovered(struct infer *f, int64_t t);
const struct infer_sim *far_sim(const struct infer *f); /* the one that is believed */

#endif
