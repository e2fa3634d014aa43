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

void timer_set(struct timer *t, const struct timer_kind *kind)
{
    memset(t, 0, sizeof *t);
    t->kind = kind;
}

/* ---- the heap of a slot ---- */

static bool before(const struct timer *a, const struct timer *b)
{
    return a->deadline != b->deadline ? a->deadline < b->deadline : a->seq < b->seq;
}

/* Two heaps become one: the later root becomes the first child of the earlier. Either may be NULL. */
static struct timer *meld(struct timer *a, struct timer *b)
{
    if (a == NULL)
        return b;
    if (b == NULL)
        return a;
    struct timer *root = before(a, b) ? a : b, *late = root == a ? b : a;
    late->next = root->child;
    if (late->next != NULL)
        late->next->prev = late;
    late->prev = root;
    root->child = late;
    return root;
}

/* Makes one heap of a row of siblings: melded in pairs from the left, then the pairs from the right. */
static struct timer *meld_row(struct timer *first)
{
    struct timer *pairs = NULL, *all = NULL;
    while (first != NULL) {
        struct timer *a = first, *b = a->next;
        first = b != NULL ? b->next : NULL;
        a->next = a->prev = NULL;
        if (b != NULL)
            b->next = b->prev = NULL;
        a = meld(a, b);
        a->next = pairs;
        pairs = a;
    }
    while (pairs != NULL) {
        struct timer *rest = pairs->next;
        pairs->next = NULL;
        all = meld(all, pairs);
        pairs = rest;
    }
    return all;
}

/* ---- slots ---- */

static td_time round_up_us(td_time t)
{
    return t > TD_NEVER - TD_US ? (TD_NEVER / TD_US) * TD_US : (t + TD_US - 1) / TD_US * TD_US;
}

/* The slot for deadline `us`, seen from the wheel's position. */
static uint16_t slot_of(const struct wheel *w, td_time us)
{
    td_time differ = us ^ w->now_us;
    unsigned level = differ == 0 ? 0 : (63U - (unsigned)__builtin_clzll(differ)) / WHEEL_BITS;
    unsigned index = (unsigned)(us >> (level * WHEEL_BITS)) & (WHEEL_SLOTS - 1);
    return (uint16_t)(level * WHEEL_SLOTS + index);
}

static void slot_link(struct wheel *w, struct timer *t)
{
    td_time us = t->deadline / TD_US;
    if (us < w->now_us)
        us = w->now_us; /* overdue: the slot of this very microsecond */
    t->slot = slot_of(w, us) & 0x7ffU;
    t->child = t->next = t->prev = NULL;
    unsigned slot = (unsigned)t->slot, level = slot / WHEEL_SLOTS, index = slot % WHEEL_SLOTS;
    w->slot[level][index] = meld(w->slot[level][index], t);
    w->occupied[level] |= UINT64_C(1) << index;
}

static void slot_unlink(struct wheel *w, struct timer *t)
{
    unsigned slot = (unsigned)t->slot, level = slot / WHEEL_SLOTS, index = slot % WHEEL_SLOTS;
    struct timer **root = &w->slot[level][index], *children = meld_row(t->child);
    if (*root == t) {
        *root = children;
        if (children == NULL)
            w->occupied[level] &= ~(UINT64_C(1) << index);
    } else {
        if (t->prev->child == t)
            t->prev->child = t->next;
        else
            t->prev->next = t->next;
        if (t->next != NULL)
            t->next->prev = t->prev;
        *root = meld(*root, children);
    }
    t->child = t->next = t->prev = NULL;
}

/* ---- arming ---- */

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
    t->seq = ++w->seq & UINT64_C(0xfffffffffffff);
    t->cause = st->journal.cause;
    slot_link(w, t);
    t->armed = true;
    w->armed++;
    w->changes++;
}

void timer_cancel(struct td_stack *st, struct timer *t)
{
    struct wheel *w = &st->wheel;
    if (!timer_armed(t))
        return;
    slot_unlink(w, t);
    t->armed = false;
    w->armed--;
    w->changes++;
}

td_time wheel_next(struct wheel *w)
{
    /* Lower levels are earlier: every timer of level L + 1 is beyond the span of level L. Within a
     * level slots before the position are empty: what was in them has fired or cascaded. */
    for (unsigned level = 0; level < WHEEL_LEVELS; level++)
        if (w->occupied[level] != 0)
            return w->slot[level][__builtin_ctzll(w->occupied[level])]->deadline;
    return TD_NEVER;
}

/* ---- time passes ---- */

/* Takes a slot's timers off and deals them out again from the present position. */
static void cascade(struct wheel *w, unsigned level, unsigned index)
{
    struct timer *row = w->slot[level][index];
    w->slot[level][index] = NULL;
    w->occupied[level] &= ~(UINT64_C(1) << index);
    while (row != NULL) {
        struct timer *t = row, *last = t->child;
        row = t->next;
        if (last != NULL) { /* its children come next */
            while (last->next != NULL)
                last = last->next;
            last->next = row;
            row = t->child;
        }
        slot_link(w, t);
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

static void fire(struct td_stack *st, struct timer *t)
{
    struct wheel *w = &st->wheel;
    timer_cancel(st, t);
    w->fired++;
    if (t->deadline > st->now)
        st->now = t->deadline;
    struct journal_frame saved = journal_enter(st, ORIGIN_TIMER, t->seq, t->cause);
    t->kind->fn(st, t);
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
        /* Handlers can't arm for this microsecond any more (timer_arm): the slot only empties. */
        struct timer **root = &w->slot[0][w->now_us & (WHEEL_SLOTS - 1)];
        while (*root != NULL && (*root)->deadline / TD_US <= w->now_us)
            fire(st, *root);
    }
    w->running = false;
    if (now > st->now)
        st->now = now;
    wheel_advance(w, now / TD_US);
}

/* ---- looking ---- */

const struct timer *wheel_walk_from(const struct wheel *w, unsigned slot)
{
    for (; slot < WHEEL_LEVELS * WHEEL_SLOTS; slot++)
        if (w->slot[slot / WHEEL_SLOTS][slot % WHEEL_SLOTS] != NULL)
            return w->slot[slot / WHEEL_SLOTS][slot % WHEEL_SLOTS];
    return NULL;
}

const struct timer *wheel_walk_next(const struct wheel *w, const struct timer *t)
{
    unsigned slot = (unsigned)t->slot;
    if (t->child != NULL)
        return t->child;
    while (t->next == NULL) {
        while (t->prev != NULL && t->prev->child != t) /* to the first of the siblings */
            t = t->prev;
        t = t->prev; /* the parent */
        if (t == NULL)
            return wheel_walk_from(w, slot + 1);
    }
    return t->next;
}

void wheel_each(const struct wheel *w, void (*fn)(void *ctx, const struct timer *t), void *ctx)
{
    for (const struct timer *t = wheel_walk_from(w, 0); t != NULL; t = wheel_walk_next(w, t))
        fn(ctx, t);
}
