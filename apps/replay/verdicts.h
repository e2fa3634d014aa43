/* replay/verdicts.h: what the played stack did, kept for a second pass through the capture.
 *
 * `--play` judges a frame after it has seen what came behind it, and a page or an annotated copy
 * tells packets in their order with everything that is known of them. So the verdicts of the first
 * pass wait in a temporary file (memory doesn't grow with packets), in order of time, and the
 * second pass takes each when its packet comes by.
 */
#ifndef REPLAY_VERDICTS_H
#define REPLAY_VERDICTS_H

#include "replay/host.h"
#include "replay/play.h"

struct verdict {
    uint64_t number;     /* of the captured packet; 0: only the stack sent it */
    td_time at, sent_at; /* ns since the beginning; sent_at with was_sent */
    bool was_sent;
    char name[12];    /* "same", "missing", … */
    uint16_t flags;   /* of a played connection: of the captured segment, else of the sent one; */
    int64_t seq, ack; /* relative */
    uint32_t len;
    uint64_t window;         /* of what the stack sent, bytes; */
    uint64_t cwnd, ssthresh; /* and what its connection was like then: bytes, 0 = none; */
    uint64_t srtt;           /* ns */
    size_t words_len;
    const char *words; /* good until the next call */
};
struct verdicts {
    FILE *file;
    const struct play *play; /* whose rows are told, or NULL */
    const char *who;         /* what is played: "server", "10.0.0.1"; borrowed */
    int side;                /* of the connection; -1: a host is played */
    int64_t begin;           /* ns since 1970, what times are relative to; with `begun` */
    bool begun;
    struct text says;     /* about the whole, a line each */
    struct verdict next;  /* the second pass comes to it next, */
    bool there;           /* if there is one; */
    struct verdict last;  /* that was given out */
    struct text words[3]; /* of next, of last, of an extra one */
    void (*play_row)(void *ctx,
                     const struct play_row *row); /* are told of each row, too; or NULL */
    void (*host_row)(void *ctx, const struct host_row *row);
    void *row_ctx;
};
bool verdicts_open(struct verdicts *v);
void verdicts_play_row(void *v, const struct play_row *row); /* for play.row */
void verdicts_host_row(void *v, const struct host_row *row); /* for host_options.row */
/* After the first pass. False: it couldn't all be kept. */
bool verdicts_rewind(struct verdicts *v);
/* Where a packet of the second pass stands in the verdicts' time. Packet 1 sets its beginning, if
 * nobody has. */
td_time verdicts_time(struct verdicts *v, uint64_t number, int64_t t);
/* The next that only the stack sent, if that was no later than `at`; else false. */
bool verdicts_extra(struct verdicts *v, td_time at, struct verdict *out);
/* That of this packet, captured at `at`; numbers only grow, and who asks for the same one again
 * gets it again. What only the stack sent before it is passed over. False: it has none. */
bool verdicts_of(struct verdicts *v, uint64_t number, td_time at, struct verdict *out);
/* Is it as it was captured, as far as can be told? */
bool verdict_same(const struct verdict *v);
void verdicts_close(struct verdicts *v);

#endif
