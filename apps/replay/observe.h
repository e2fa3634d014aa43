/* replay/observe.h: `tapdeck replay FILE`: a capture through the passive tracker, told packet by packet. */
#ifndef REPLAY_OBSERVE_H
#define REPLAY_OBSERVE_H

#include <stdio.h>

#include "common/jsonw.h"
#include "replay/track.h"

enum observe_sums { SUMS_HONOUR, SUMS_REPAIR, SUMS_DROP };
struct observe_options {
    bool json;
    bool summary;      /* only what is said at the end */
    int64_t flow;      /* only this one; -1 = all, and what isn't TCP */
    uint64_t from, to; /* packets that are told, both included; 0 = from the first, to the last */
    enum observe_sums sums;
};
/* Reads the capture to its end (or to o->to) and writes what it shows to `out`. tick, if not NULL, is called now
 * and then with the number of packets read. 0, or an exit status and a sentence in msg. */
int observe_run(struct capture_reader *r, const char *name, const struct observe_options *o, FILE *out,
                void (*tick)(void *ctx, uint64_t packets), void *ctx, char *msg, size_t msg_size);

/* observe_print.c: the pieces of it. `first`: the time that rows are relative to, ns since 1970. */
void observe_row_text(const struct track_row *r, int64_t first, bool with_stream, struct text *out);
void observe_row_json(const struct track_row *r, int64_t first, struct jsonw *w);
void observe_flow_text(const struct flow *f, struct text *out);
void observe_flow_json(const struct flow *f, struct jsonw *w);

#endif
