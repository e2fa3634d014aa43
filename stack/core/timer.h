/* core/timer.h: the hierarchical timing wheel.
 *
 * Theory of operation. Varghese and Lauck's wheel: levels of 64 slots, level 0 one slot a
 * microsecond, each further level 64 times coarser, with a bitmap of occupied slots a level. Time only
 * moves in wheel_run(). Deadlines are rounded UP to a microsecond, so a timer never fires early; equal
 * deadlines fire in the order in which they were armed (each arming takes a sequence number).
 *
 * A slot holds its timers as a pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986), ordered by
 * deadline and arming: arming is O(1), the slot's earliest timer is its root. A plain list would do for
 * firing, but not for saying exactly when the next timer is due: twenty thousand TIME-WAITs lie in one
 * slot of 16 seconds, and the loop asks for the next deadline at each turn. Cancelling costs O(log n)
 * of the timers in its slot, amortised, and O(1) for one that has no children, as most have not.
 *
 * A timer is embedded in its owner and remembers what armed it (`cause`, an event or call number of
 * the journal), so that `why` can tell that this retransmission comes from that segment.
 */
#ifndef CORE_TIMER_H
#define CORE_TIMER_H

#include "tapdeck/types.h"

struct timer;
typedef void timer_fn(struct td_stack *st, struct timer *t);

struct timer_kind { /* what all timers of one use have in common */
    timer_fn *fn;
    const char *name; /* "rexmt", "delack", "neigh" ... for `timers` */
};

struct timer {
    struct timer *child;        /* heap of a slot: the first of those that are later than this one */
    struct timer *next, *prev;  /* siblings; prev of the first is the parent, of a root NULL */
    td_time deadline;           /* ns, rounded up to 1 us */
    uint64_t seq : 52;          /* arming order */
    uint64_t slot : 11;         /* which slot, level * 64 + index */
    bool armed : 1;
    uint64_t cause;             /* journal id that was current when it was armed */
    const struct timer_kind *kind;
};

#define WHEEL_BITS   6
#define WHEEL_SLOTS  (1 << WHEEL_BITS)
#define WHEEL_LEVELS 10 /* 60 bits of microseconds: all that 64 bits of nanoseconds can say */

struct wheel {
    td_time now_us;                     /* wheel's position, microseconds */
    uint64_t seq;
    uint64_t armed;                     /* timers armed now */
    uint64_t fired;                     /* since the start */
    uint64_t occupied[WHEEL_LEVELS];    /* a bit a slot */
    struct timer *slot[WHEEL_LEVELS][WHEEL_SLOTS]; /* the roots */
    uint64_t changes;                   /* armings, cancellings and firings since the start */
    bool running;                       /* inside wheel_run */
};

void wheel_init(struct wheel *w, td_time now);

void timer_set(struct timer *t, const struct timer_kind *kind); /* not armed */
/* The same with a kind of its own. fn and name are constants. */
#define timer_init(t, fn, name)                                                                    \
    do {                                                                                           \
        static const struct timer_kind timer_kind_ = {fn, name};                                   \
        timer_set(t, &timer_kind_);                                                                \
    } while (0)
static inline bool timer_armed(const struct timer *t)
{
    return t->armed;
}
/* Arms (or re-arms) t for `deadline`. A deadline in the past fires at the next wheel_run(). */
void timer_arm(struct td_stack *st, struct timer *t, td_time deadline);
void timer_cancel(struct td_stack *st, struct timer *t);

/* Fires everything due at or before now, in order of (deadline, arming). A handler may arm, cancel
 * and free timers, its own among them. st->now is the deadline of each timer while it runs. */
void wheel_run(struct td_stack *st, td_time now);
/* The earliest deadline, exact to 1 us, or TD_NEVER. */
td_time wheel_next(struct wheel *w);
/* Visits armed timers for `timers`: calls fn for each in unspecified but deterministic order. */
void wheel_each(const struct wheel *w, void (*fn)(void *ctx, const struct timer *t), void *ctx);
/* The same step by step: the first timer of a slot or of a later one (slot: level * 64 + index), and
 * the one after t; NULL = none. The order holds as long as `changes` does. */
const struct timer *wheel_walk_from(const struct wheel *w, unsigned slot);
const struct timer *wheel_walk_next(const struct wheel *w, const struct timer *t);

#endif
