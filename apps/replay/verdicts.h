/* replay/verdicts.h: what the played stack said, kept for a second pass through the capture.
 *
 * `--play` judges a frame after it has seen what came behind it, and a page or an annotated copy
 * tells packets in their order with everything that is known of them. So the verdicts of the first
 * pass wait in a temporary file (memory doesn't grow with packets), in order of time, and the
 * second pass takes each when its packet comes by.
 */
#ifndef REPLAY_VERDICTS_H
#define REPLAY_VERDICTS_H

#include "replay/play.h"

struct verdict {
    uint64_t number;     /* of the captured packet; 0: only the stack sent it */
    td_time at, sent_at; /* ns since the flow's first packet; sent_at with was_sent */
    bool was_sent;
    uint8_t verdict;  /* enum play_verdict */
    uint16_t flags;   /* of the captured one, else of the sent one; */
    int64_t seq, ack; /* relative */
    uint32_t len;
    uint64_t window; /* of what the stack sent, bytes */
    struct play_sight sight;
};
struct verdicts {
    FILE *file;
    const struct play *play;
    struct verdict next;                                /* the second pass comes to it next, */
    bool there;                                         /* if there is one */
    struct verdict last;                                /* that was given out */
    void (*row)(void *ctx, const struct play_row *row); /* is told of each row, too; or NULL */
    void *row_ctx;
};
bool verdicts_open(struct verdicts *v, const struct play *p);
void verdicts_row(void *v, const struct play_row *row); /* for play.row */
/* After the first pass. False: it couldn't all be kept. */
bool verdicts_rewind(struct verdicts *v);
/* The next that only the stack sent, if that was no later than `at` (ns since the flow's first
 * packet); else false. */
bool verdicts_extra(struct verdicts *v, td_time at, struct verdict *out);
/* That of this packet, captured at `at`; numbers only grow, and who asks for the same one again
 * gets it again. What only the stack sent before it is passed over. False: it has none. */
bool verdicts_of(struct verdicts *v, uint64_t number, td_time at, struct verdict *out);
/* "later: the stack sent it 12.3 ms later; its congestion window 10 segments" */
void verdict_words(const struct verdict *v, struct text *out);
void verdicts_close(struct verdicts *v);

#endif
