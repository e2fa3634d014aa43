/* tests/common/sink.h: listens to what queue disciplines say. */
#ifndef TESTS_SINK_H
#define TESTS_SINK_H

#include "link/qdisc.h"

struct heard {
    unsigned count[QDISC_RELEASED + 1]; /* by enum qdisc_what */
    unsigned why[W_COUNT];              /* of drops and marks */
    struct qdisc_note last;             /* its packet is gone */
    struct qdisc_sink sink;
};

static inline void heard_note(void *ctx, const struct qdisc *q, const struct qdisc_note *n)
{
    struct heard *h = ctx;

    (void)q;
    h->count[n->what]++;
    if (n->what == QDISC_DROPPED || n->what == QDISC_MARKED)
        h->why[n->why]++;
    h->last = *n;
    h->last.p = NULL;
}

static inline void heard_init(struct heard *h)
{
    *h = (struct heard){.sink = {.note = heard_note, .ctx = h}};
}

#endif
