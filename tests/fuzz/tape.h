/* tests/fuzz/tape.h: what entered a stack by its door, kept, and issued again to another one. */
#ifndef TESTS_TAPE_H
#define TESTS_TAPE_H

#include "tapdeck/call.h"

struct taped;
struct tape {
    struct taped *first, **end;
};
void tape_init(struct tape *t);
void tape_free(struct tape *t);
/* A td_recorder; ctx is the tape. Copies what the call points at. */
void tape_record(void *ctx, const struct td_call *call, int64_t result);
/* Issues every call to st and aborts at the first result, or received byte, that differs. The n-th
 * interface that is added gets devices[n] behind it. */
void tape_replay(const struct tape *t, struct td_stack *st, void *const *devices);

#endif
