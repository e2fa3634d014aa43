/* tapdeckd/story.h: what the record of segments (stack/tcp/seglog.h) has of one connection.
 *
 * A pair of ends may have been used by several connections, one after the other. A story is one of
 * them: the newest, or the one that had the number asked for.
 */
#ifndef TAPDECKD_STORY_H
#define TAPDECKD_STORY_H

#include "tapdeckd/conn.h"
#include "tcp/seglog.h"

struct story {
    struct conn c;
    uint64_t from, to; /* numbers of its records: [from, to) */
    uint64_t count;    /* of them */
    td_time begin;     /* time of the first */
    bool beginning;    /* that is the connection's beginning, not only of what is left of it */
    bool have_iss, have_irs;
    uint32_t iss, irs; /* what numbers are relative to; not known: the first that was seen */
    /* while it is looked for */
    uint64_t scan;
    uint32_t id;
    bool open, begun, settled;
    bool reopens;     /* it begins with a SYN that ends a TIME-WAIT: */
    uint64_t foreign; /* that end's record, which is the older connection's */
    uint32_t syn;
};

void story_begin(struct story *s, const struct conn *c);
/* Looks at so many records; true: the story is known, as far as it goes now. Again later: goes on
 * with what was added since. */
bool story_find(struct td_stack *st, struct story *s, unsigned records);
/* The story's first record with this number or a larger one, looking at *budget records at most
 * (counted down); NULL: there is none, or (when *budget is 0) look again from *at. */
const struct tcp_seglog_rec *story_next(const struct td_stack *st, const struct story *s,
                                        uint64_t *at, unsigned *budget);
/* Sequence numbers relative to the sender's initial one. */
uint32_t story_seq(const struct story *s, const struct tcp_seglog_rec *x);
uint32_t story_ack(const struct story *s, const struct tcp_seglog_rec *x);
/* As the wall clock shows it, "22:13:20.123456". */
void story_clock(const struct deck *d, td_time t, char dst[32]);

#endif
