/* core/timer.c: the hierarchical timing wheel; core/timer.h has the theory.
 *
 * The unit is 1 us. A timer whose deadline d (in us) first differs from the wheel's position in the
 * 6-bit group L lies on level L, in the slot that group L of d names. When the position enters the
 * span of a slot of level L > 0, its timers are dealt out again to lower levels (cascading); a timer
 * cascades at most once a level. The position jumps from one occupied slot to the next by the
 * bitmaps, so an hour without timers costs nothing.
 */
#include "core/timer.h"

#include "core/journal.h"
#include "core/stack.h"

#include <string.h>

void wheel_init(struct wheel *w, td_time now)
{
    memset(w, 0, sizeof *w);
    w->now_us = now / TD_US;
}

void timer_init(struct timer *t, timer_fn *fn, const char *name)
{
    memset(t, 0, sizeof *t);
    t->fn = fn;
    t->name = name;
}

static td_time round_up_us(td_time t)
{
    return t > TD_NEVER - TD_US ? (TD_NEVER / TD_US) * TD_US : (t + TD_US - 1) / TD_US * TD_US;
}

/* The slot for deadline `us`, seen from the wheel's position. */
static uint16_t slot_of(const struct wheel *w, td_time us)
{
    td_time differ = us ^ w->now_us;
    unsigned level = differ == 0 ? 0 : (63U - (unsigned)__builtin_clzll(differ)) / WHEEL_BITS;
    if (level >= WHEEL_LEVELS)
        level = WHEEL_LEVELS - 1;
    unsigned index = (unsigned)(us >> (level * WHEEL_BITS)) & (WHEEL_SLOTS - 1);
    return (uint16_t)(level * WHEEL_SLOTS + index);
}

static void slot_link(struct wheel *w, struct timer *t)
{
    td_time us = t->deadline / TD_US;
    if (us < w->now_us)
        us = w->now_us; /* overdue: the slot of this very microsecond */
    t->slot = slot_of(w, us);
    unsigned level = t->slot / WHEEL_SLOTS, index = t->slot % WHEEL_SLOTS;
    struct timer **head = &w->slot[level][index];
    t->next = *head;
    if (t->next != NULL)
        t->next->prev = &t->next;
    t->prev = head;
    *head = t;
    w->occupied[level] |= UINT64_C(1) << index;
}

static void slot_unlink(struct wheel *w, struct timer *t)
{
    *t->prev = t->next;
    if (t->next != NULL)
        t->next->prev = t->prev;
    unsigned level = t->slot / WHEEL_SLOTS, index = t->slot % WHEEL_SLOTS;
    if (t->slot < WHEEL_LEVELS * WHEEL_SLOTS && w->slot[level][index] == NULL)
        w->occupied[level] &= ~(UINT64_C(1) << index);
    t->prev = NULL;
    t->next = NULL;
}

void timer_arm(struct td_stack *st, struct timer *t, td_time deadline)
{
    struct wheel *w = &st->wheel;
    if (timer_armed(t))
        timer_cancel(st, t);
    t->deadline = round_up_us(deadline);
    /* While timers fire, the present microsecond is over: a handler that re-arms itself for "now"
     * must not hold the loop. */
    if (w->running && t->deadline / TD_US <= w->now_us)
        t->deadline = (w->now_us + 1) * TD_US;
    t->seq = ++w->seq;
    t->cause = st->journal.cause;
    slot_link(w, t);
    w->armed++;
    if (w->next_cache != 0 && t->deadline < w->next_cache)
        w->next_cache = t->deadline;
}

void timer_cancel(struct td_stack *st, struct timer *t)
{
    struct wheel *w = &st->wheel;
    if (!timer_armed(t))
        return;
    slot_unlink(w, t);
    w->armed--;
    if (t->deadline <= w->next_cache)
        w->next_cache = 0;
}

/* The first occupied slot at or after the position on this level, or -1. Slots before the position
 * are empty: what was in them has fired or cascaded. The top level alone may wrap. */
static int first_slot(const struct wheel *w, unsigned level)
{
    uint64_t bits = w->occupied[level];
    if (bits == 0)
        return -1;
    unsigned at = (unsigned)(w->now_us >> (level * WHEEL_BITS)) & (WHEEL_SLOTS - 1);
    uint64_t ahead = bits & (UINT64_MAX << at);
    return ahead != 0 ? __builtin_ctzll(ahead) : __builtin_ctzll(bits);
}

td_time wheel_next(struct wheel *w)
{
    if (w->armed == 0)
        return TD_NEVER;
    if (w->next_cache != 0)
        return w->next_cache;
    /* Lower levels are earlier: every timer of level L + 1 is beyond the span of level L. */
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        int index = first_slot(w, level);
        if (index < 0)
            continue;
        td_time first = TD_NEVER;
        for (struct timer *t = w->slot[level][index]; t != NULL; t = t->next)
            if (t->deadline < first)
                first = t->deadline;
        w->next_cache = first;
        return first;
    }
    return TD_NEVER;
}

/* Takes a slot's timers off and deals them out again from the present position. */
static void cascade(struct wheel *w, unsigned level, unsigned index)
{
    struct timer *t = w->slot[level][index];
    w->slot[level][index] = NULL;
    w->occupied[level] &= ~(UINT64_C(1) << index);
    while (t != NULL) {
        struct timer *rest = t->next;
        slot_link(w, t);
        t = rest;
    }
}

/* Moves the position to `us`, cascading every slot whose span it enters. Nothing due lies between. */
static void wheel_advance(struct wheel *w, td_time us)
{
    if (us <= w->now_us)
        return;
    w->now_us = us;
    for (unsigned level = WHEEL_LEVELS - 1; level > 0; level--) {
        unsigned index = (unsigned)(us >> (level * WHEEL_BITS)) & (WHEEL_SLOTS - 1);
        if (w->occupied[level] >> index & 1)
            cascade(w, level, index);
    }
}

/* Merges two lists ordered by (deadline, seq), linked through next. */
static struct timer *merge(struct timer *a, struct timer *b)
{
    struct timer *head = NULL, **tail = &head;
    while (a != NULL && b != NULL) {
        bool a_first = a->deadline < b->deadline || (a->deadline == b->deadline && a->seq < b->seq);
        struct timer **from = a_first ? &a : &b;
        *tail = *from;
        *from = (*from)->next;
        tail = &(*tail)->next;
    }
    *tail = a != NULL ? a : b;
    return head;
}

/* Bottom-up merge sort of a slot's list, so that ten thousand timers of one microsecond cost
 * n log n and not n squared. Leaves the list properly linked in its slot. */
static void sort_slot(struct wheel *w, unsigned index)
{
    struct timer *run[40] = {NULL}, *t = w->slot[0][index];
    while (t != NULL) {
        struct timer *rest = t->next, *carry = t;
        carry->next = NULL;
        unsigned k = 0;
        for (; run[k] != NULL; k++) {
            carry = merge(run[k], carry);
            run[k] = NULL;
        }
        run[k] = carry;
        t = rest;
    }
    struct timer *sorted = NULL;
    for (unsigned k = 0; k < sizeof run / sizeof run[0]; k++)
        if (run[k] != NULL)
            sorted = merge(run[k], sorted);
    w->slot[0][index] = sorted;
    for (struct timer **link = &w->slot[0][index]; *link != NULL; link = &(*link)->next)
        (*link)->prev = link;
}

static void fire(struct td_stack *st, struct timer *t)
{
    struct wheel *w = &st->wheel;
    timer_cancel(st, t);
    w->fired++;
    if (t->deadline > st->now)
        st->now = t->deadline;
    struct journal_frame saved = journal_enter(st, ORIGIN_TIMER, t->seq, t->cause);
    t->fn(st, t);
    journal_leave(st, saved);
}

void wheel_run(struct td_stack *st, td_time now)
{
    struct wheel *w = &st->wheel;
    w->running = true;
    for (;;) {
        td_time next = wheel_next(w);
        if (next == TD_NEVER || next > now)
            break;
        wheel_advance(w, next / TD_US);
        /* Handlers can't arm for this microsecond any more (timer_arm), so once in order the slot
         * stays so, whatever they cancel. */
        unsigned index = (unsigned)w->now_us & (WHEEL_SLOTS - 1);
        sort_slot(w, index);
        struct timer *t;
        while ((t = w->slot[0][index]) != NULL && t->deadline / TD_US <= w->now_us)
            fire(st, t);
    }
    w->running = false;
    if (now > st->now)
        st->now = now;
    wheel_advance(w, now / TD_US);
}

void wheel_each(const struct wheel *w, void (*fn)(void *ctx, const struct timer *t), void *ctx)
{
    for (unsigned level = 0; level < WHEEL_LEVELS; level++)
        for (unsigned index = 0; index < WHEEL_SLOTS; index++)
            for (const struct timer *t = w->slot[level][index]; t != NULL; t = t->next)
                fn(ctx, t);
}
