/* tests/common/loss_bench.h: a loss detector outside of a stack.
 *
 * The bench is a host of tapdeck/loss.h: it keeps the records, the list by time and the bookmark as
 * the header says, in the plainest way, and sends at once again what the organ calls lost. A step
 * is one of: segments leave; time passes; an acknowledgment comes that delivers some of them, in
 * any order; the timer that detect asked for fires. loss_differ takes two detectors through the
 * same random steps and tells the first record of which they think differently.
 */
#ifndef TESTS_LOSS_BENCH_H
#define TESTS_LOSS_BENCH_H

#include "prng.h"
#include "tapdeck/loss.h"

#define BENCH_RECORDS 1024u /* a power of two */
#define BENCH_MSS     1000u

struct loss_bench {
    struct td_loss l;
    struct td_cc cc;
    struct td_sent ring[BENCH_RECORDS];
    uint32_t newest;
    uint8_t keep[2];
    td_time timer;        /* when detect wants to be asked again; 0 = not */
    uint32_t marked_lost; /* how often */
    char wrong[200];      /* a rule of the header that the organ broke; "" none */
};

void loss_open(struct loss_bench *b, const struct td_loss_ops *ops, uint32_t isn);
void loss_close(struct loss_bench *b);
void loss_send(struct loss_bench *b, uint32_t len);
/* Records whose bit is set in got[] (number - first) arrived; una moves over what is complete. */
void loss_ack(struct loss_bench *b, const bool *got);
void loss_timer(struct loss_bench *b);  /* if it is due at l.now */
void loss_resend(struct loss_bench *b); /* all that waits to be */

bool loss_differ(const struct td_loss_ops *reference, const struct td_loss_ops *other,
                 uint64_t seed, uint32_t isn, char *why, size_t size);

#endif
