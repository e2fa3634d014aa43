/* replay/observe.h: `tapdeck replay FILE`: a capture through the passive tracker, told packet by packet. */
#ifndef REPLAY_OBSERVE_H
#define REPLAY_OBSERVE_H

#include <stdio.h>

#include "common/jsonw.h"
#include "replay/track.h"

enum observe_sums { SUMS_HONOUR, SUMS_REPAIR, SUMS_DROP };

struct observe_packet { /* as it was taken; all of it valid during the call only */
    const struct capture_frame *frame;
    uint64_t number;
    int64_t t;                   /* ns since 1970, never before the packet before */
    bool told;                   /* of those that were asked for (flow, from, to) */
    const struct view *view;     /* NULL: it couldn't be read */
    const struct flow *flow;     /* a segment's connection, or NULL */
    const struct track_row *row; /* NULL: nothing was tracked */
    const char *kind, *text;     /* of what is no segment and was told: describe_packet's; else NULL */
};
struct observe_end { /* what there is to say when the capture is over */
    int64_t first, last;         /* ns since 1970, of the first packet and the last */
    uint64_t packets;
    const struct flows *flows;
    const char *const *note;     /* sentences */
    unsigned nnotes;
};
/* Whoever wants more than what is written: told of every packet, and of the end, which only comes if all is well. */
struct observe_listener {
    struct observe_listener *next;
    void (*packet)(struct observe_listener *l, const struct observe_packet *p);
    void (*end)(struct observe_listener *l, const struct observe_end *e);
};

struct observe_options {
    bool json;
    bool silent;       /* nothing is written: the listeners do that */
    struct observe_listener *listener; /* and those behind it; NULL = none */
    bool summary;      /* only what is said at the end */
    int64_t flow;      /* only this one; -1 = all, and what isn't TCP */
    uint64_t from, to; /* packets that are told, both included; 0 = from the first, to the last */
    enum observe_sums sums;
};
/* Reads the capture to its end (or to o->to) and writes what it shows to `out`. tick, if not NULL, is called now
 * and then with the number of packets read. 0, or an exit status and a sentence in msg. */
int observe_run(struct capture_reader *r, const char *name, const struct observe_options *o, FILE *out,
                void (*tick)(void *ctx, uint64_t packets), void *ctx, char *msg, size_t msg_size);

/* The same packet by packet: only the listeners are told. The reader and the options stay the caller's. NULL: no memory. */
struct observer;
struct observer *observer_open(struct capture_reader *r, const char *name, const struct observe_options *o);
bool observer_next(struct observer *run); /* false: there is none, or the file breaks off */
const struct flows *observer_flows(const struct observer *run);
void observer_close(struct observer *run); /* NULL is allowed */

/* observe_print.c: the pieces of it. `first`: the time that rows are relative to, ns since 1970. */
void observe_row_text(const struct track_row *r, int64_t first, bool with_stream, struct text *out);
void observe_row_json(const struct track_row *r, int64_t first, struct jsonw *w);
/* What it shows, in words: the end of the line above. */
void observe_row_words(const struct track_row *r, struct text *out);
void observe_flags(uint16_t flags, char dst[12]); /* "SP.", as tcpdump has them */
void observe_flow_text(const struct flow *f, struct text *out);
void observe_flow_json(const struct flow *f, struct jsonw *w);

#endif
