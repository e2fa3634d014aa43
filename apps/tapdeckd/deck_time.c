/* tapdeckd/deck_time.c: the time of a live stack (theory of operation: tapdeckd/deck_time.h). */
#include "tapdeckd/deck_time.h"

#include <stdlib.h>
#include <string.h>

#include "dev/sim.h"
#include "link/link.h"
#include "tapdeck/call.h"
#include "tapdeckd/deck_break.h"

#define TURN       TD_MS /* of real time that a step may take before others have their turn */
#define TURN_CALLS 512   /* and calls, where there is no clock to ask */

/* ---- now ---- */

td_time deck_time_now(const struct deck_time *t)
{
    if (t->sim != NULL)
        return sim_now(t->sim);
    if (t->mode != TIME_FLOWING || t->real == NULL)
        return t->frozen;
    return (td_time)((int64_t)t->real(t->real_ctx) - t->lost);
}

td_time deck_time_when(const struct deck_time *t, td_time due)
{
    if (t->mode != TIME_FLOWING || due == TD_NEVER)
        return TD_NEVER;
    int64_t real = (int64_t)due + t->lost;
    return real > 0 ? (td_time)real : 0;
}

/* From stack time `from` on the real clock is ahead by `lost`. */
static void set_lost(struct deck_time *t, td_time from, int64_t lost)
{
    int64_t more = lost - t->lost;
    t->lost = lost;
    for (struct deck *d = t->decks; d != NULL; d = d->time_next)
        d->wall_offset += more;
    if (t->nmarks > 0 && t->marks[t->nmarks - 1].from == from) {
        t->marks[t->nmarks - 1].lost = lost;
        return;
    }
    if (t->nmarks == TIME_MARKS) {
        t->nmarks /= 2;
        t->lost_before = t->marks[t->nmarks - 1].lost; /* all that is older is told by this one */
        memmove(t->marks, t->marks + TIME_MARKS - t->nmarks, t->nmarks * sizeof(*t->marks));
    }
    t->marks[t->nmarks++] = (struct time_mark){from, lost};
}

/* Stack time `now` is the present: the real clock has moved since, or the stack's time jumped. */
static void meet_real(struct deck_time *t, td_time now)
{
    if (t->real != NULL)
        set_lost(t, now, (int64_t)t->real(t->real_ctx) - (int64_t)now);
}

int64_t deck_wall(const struct deck *d, td_time at)
{
    const struct deck_time *t = d->time;
    if (t == NULL)
        return (int64_t)at + d->wall_offset;
    int64_t lost = t->lost_before;
    for (unsigned i = t->nmarks; i > 0; i--) {
        if (t->marks[i - 1].from <= at) {
            lost = t->marks[i - 1].lost;
            break;
        }
    }
    return (int64_t)at + d->wall_offset - (t->lost - lost);
}

/* ---- standing still ---- */

static void halt_all(struct deck_time *t, bool halt)
{
    for (struct deck *d = t->decks; d != NULL; d = d->time_next)
        td_stack_halt(d->st, halt);
}

void deck_time_stop(struct deck_time *t)
{
    td_time now = t->frozen;
    if (t->mode == TIME_PAUSED)
        return;
    for (struct deck *d = t->decks; d != NULL; d = d->time_next)
        if (td_stack_now(d->st) > now)
            now = td_stack_now(d->st);
    if (t->mode == TIME_FLOWING && t->real != NULL)
        t->paused_at = t->real(t->real_ctx);
    t->changes += t->mode == TIME_FLOWING;
    t->frozen = t->sim != NULL ? sim_now(t->sim) : now;
    if (t->mode == TIME_STEPPING)
        meet_real(t, t->frozen);
    t->mode = TIME_PAUSED;
    halt_all(t, true);
}

void deck_time_pause(struct deck_time *t)
{
    if (t->mode != TIME_FLOWING)
        return;
    t->frozen = deck_time_now(t);
    deck_time_stop(t);
}

/* What found its device closed may try again. */
static void devices_ready(struct deck_time *t)
{
    for (struct deck *d = t->decks; d != NULL; d = d->time_next) {
        for (struct deck_tap *tap = d->taps; tap != NULL; tap = tap->next) {
            if (tap->waiting)
                td_if_ready(d->st, tap->ifindex);
            tap->waiting = false;
        }
        if (d->wires_waiting)
            for (const struct netif *nif = netif_first(d->st); nif != NULL; nif = nif->next)
                if (nif->busy)
                    td_if_ready(d->st, nif->index);
        d->wires_waiting = false;
    }
}

unsigned deck_time_leaving(const struct deck_time *t)
{
    unsigned n = 0;
    for (const struct deck *d = t->decks; d != NULL; d = d->time_next)
        for (const struct netif *nif = netif_first(d->st); nif != NULL; nif = nif->next)
            n += nif->busy;
    return n;
}

/* ---- frames that are held ---- */

bool deck_time_take(struct deck_tap *tap, struct pkt *p)
{
    struct deck_time *t = tap->deck->time;
    /* When time flows again, those that came before go first. */
    if (t == NULL || (t->mode == TIME_FLOWING && t->nheld == 0))
        return false;
    if (t->held == NULL)
        t->held = calloc(TIME_HELD_FRAMES, sizeof(*t->held));
    if (t->held == NULL || t->nheld == TIME_HELD_FRAMES ||
        t->held_bytes + p->len > TIME_HELD_BYTES) {
        tap->unheld++;
        pkt_free(p);
        return true;
    }
    t->held[(t->held_first + t->nheld++) % TIME_HELD_FRAMES] = (struct time_held){tap, p};
    t->held_bytes += p->len;
    if (t->mode == TIME_STEPPING && t->step.run != NULL)
        t->step.run->ready = true;
    return true;
}

void deck_time_forget(struct deck_tap *tap)
{
    struct deck_time *t = tap->deck->time;
    unsigned keep = 0;
    for (unsigned i = 0; t != NULL && i < t->nheld; i++) {
        struct time_held h = t->held[(t->held_first + i) % TIME_HELD_FRAMES];
        if (h.tap == tap) {
            t->held_bytes -= h.p->len;
            pkt_free(h.p);
        } else {
            t->held[(t->held_first + keep++) % TIME_HELD_FRAMES] = h;
        }
    }
    if (t != NULL)
        t->nheld = keep;
}

/* One more packet of the step's host. */
static void step_packet(struct deck_time *t, const struct deck_tap *tap, uint32_t ifindex, bool out,
                        const struct pkt *p)
{
    struct time_step *s = &t->step;
    const struct netif *nif = netif_by_index(s->deck->st, ifindex);
    if (s->unit == UNIT_PACKET) {
        s->left--;
        s->done++;
    }
    if (s->packet != NULL && s->run != NULL)
        s->packet(s->run, tap, nif != NULL ? nif->name : "?", out, p);
}

static void hand_over(struct deck_time *t)
{
    struct time_held h = t->held[t->held_first];
    t->held_first = (t->held_first + 1) % TIME_HELD_FRAMES;
    t->nheld--;
    t->held_bytes -= h.p->len;
    struct deck *d = h.tap->deck;
    if (t->mode == TIME_STEPPING && t->step.deck == d)
        step_packet(t, h.tap, h.tap->ifindex, false, h.p);
    if (h.tap->tap != NULL)
        tap_input(h.tap->tap, h.p, deck_time_now(t));
    else
        td_stack_input(d->st, h.tap->ifindex, h.p, deck_time_now(t));
}

/* Those that found no room, into the journal. */
static uint64_t tell_lost(struct deck_time *t)
{
    uint64_t lost = 0;
    for (struct deck *d = t->decks; d != NULL; d = d->time_next) {
        for (struct deck_tap *tap = d->taps; tap != NULL; tap = tap->next) {
            if (tap->unheld > 0)
                (void)td_stack_frames_lost(d->st, tap->ifindex, tap->unheld);
            lost += tap->unheld;
            tap->unheld = 0;
        }
    }
    return lost;
}

void deck_time_release(struct deck_time *t, unsigned budget)
{
    if (t->nheld == 0)
        return;
    while (budget-- > 0 && t->nheld > 0 && t->mode == TIME_FLOWING)
        hand_over(t);
    if (t->nheld == 0)
        tell_lost(t);
}

struct time_report deck_time_resume(struct deck_time *t)
{
    struct time_report r = {.held = t->nheld};
    td_time now = t->sim != NULL ? sim_now(t->sim) : t->frozen;
    if (t->real != NULL)
        r.stood = t->real(t->real_ctx) - t->paused_at;
    meet_real(t, now);
    t->mode = TIME_FLOWING;
    t->changes++;
    t->by_break = false;
    halt_all(t, false);
    for (struct deck *d = t->decks; d != NULL; d = d->time_next) {
        if (r.stood > 0)
            td_stack_time_stood(d->st, r.stood);
        for (struct run *run = d->runs; run != NULL; run = run->next)
            run->told = false;
    }
    r.lost = tell_lost(t);
    devices_ready(t);
    return r;
}

static bool may_leave(struct deck_time *t, const struct deck *d)
{
    if (t->mode != TIME_STEPPING)
        return t->mode == TIME_FLOWING;
    return t->step.unit != UNIT_PACKET || t->step.deck != d || t->step.left > 0;
}

bool deck_time_let(struct deck_tap *tap, const struct pkt *p)
{
    struct deck_time *t = tap->deck->time;
    if (t == NULL)
        return true;
    if (!may_leave(t, tap->deck)) {
        tap->waiting = true;
        return false;
    }
    if (t->mode == TIME_STEPPING && t->step.deck == tap->deck)
        step_packet(t, tap, tap->ifindex, true, p);
    return true;
}

static struct deck *deck_of(const struct deck_time *t, const struct td_stack *st)
{
    struct deck *d = t->decks;
    while (d != NULL && d->st != st)
        d = d->time_next;
    return d;
}

static bool wire_let(void *ctx, struct td_stack *st, uint32_t ifindex, const struct pkt *p)
{
    struct deck_time *t = ctx;
    struct deck *d = deck_of(t, st);
    if (d == NULL)
        return true;
    if (!may_leave(t, d)) {
        d->wires_waiting = true;
        return false;
    }
    if (t->mode == TIME_STEPPING && t->step.deck == d)
        step_packet(t, NULL, ifindex, true, p);
    return true;
}

static void wire_take(void *ctx, struct td_stack *st, uint32_t ifindex, const struct pkt *p)
{
    struct deck_time *t = ctx;
    if (t->mode == TIME_STEPPING && t->step.deck->st == st)
        step_packet(t, NULL, ifindex, false, p);
}

/* ---- after each call ---- */

static void count_step(struct deck_time *t)
{
    struct time_step *s = &t->step;
    uint64_t written = s->deck->st->journal.written, fired = s->deck->st->wheel.fired, n = 0;
    if (s->unit == UNIT_EVENT)
        n = written - s->written;
    else if (s->unit == UNIT_TIMER)
        n = fired - s->fired;
    s->written = written;
    s->fired = fired;
    s->done += n;
    s->left -= n < s->left ? n : s->left;
}

static void after_call(void *ctx, struct td_stack *st, int kind)
{
    struct deck_time *t = ctx;
    (void)kind;
    if (t->mode == TIME_STEPPING && t->step.deck->st == st) {
        count_step(t);
        /* A packet or a timer first has what it leads to; a simulation's host is left at once all
         * the same, so that others don't go on meanwhile. */
        if (t->step.left == 0 && t->step.unit == UNIT_EVENT)
            deck_time_stop(t);
        else if (t->step.left == 0 && t->sim != NULL)
            td_stack_halt(st, true);
    }
    if (t->breaks != NULL && deck_break_check(t, st)) {
        deck_time_stop(t);
        t->by_break = true;
    }
}

void deck_time_tick(struct deck *d, td_time now)
{
    struct td_stack *st = d->st;
    while (d->time != NULL && d->time->breaks != NULL && !st->halted &&
           wheel_next(&st->wheel) <= now)
        td_stack_tick(st, wheel_next(&st->wheel));
    if (!st->halted)
        td_stack_tick(st, now);
}

/* ---- steps ---- */

void deck_time_step(struct deck_time *t, struct run *run, enum time_unit unit, uint64_t n,
                    void (*packet)(struct run *r, const struct deck_tap *tap, const char *dev,
                                   bool out, const struct pkt *p))
{
    struct td_stack *st = run->deck->st;
    t->step = (struct time_step){.run = run,
                                 .deck = run->deck,
                                 .unit = unit,
                                 .left = n,
                                 .written = st->journal.written,
                                 .fired = st->wheel.fired,
                                 .packet = packet};
    meet_real(t, t->sim != NULL ? sim_now(t->sim) : t->frozen);
    t->mode = TIME_STEPPING;
    t->by_break = false;
    halt_all(t, false);
    devices_ready(t);
    count_step(t); /* what this itself made isn't counted */
    t->step.left = n;
    t->step.done = 0;
}

struct turn { /* how much more of a step others can wait for */
    const struct deck_time *t;
    td_time until;
    unsigned calls;
};

static bool turn_over(void *ctx)
{
    struct turn *turn = ctx;
    if (turn->t->mode != TIME_STEPPING)
        return true;
    if (turn->t->real == NULL)
        return turn->calls-- == 0;
    return turn->t->real(turn->t->real_ctx) >= turn->until;
}

static struct turn turn_begin(const struct deck_time *t)
{
    return (struct turn){t, t->real != NULL ? t->real(t->real_ctx) + TURN : 0, TURN_CALLS};
}

/* The last of a step: what its packet or timer leads to at once, up to frames that want to leave.
 */
static enum time_end settle(struct deck_time *t)
{
    struct td_stack *st = t->step.deck->st;
    td_stack_halt(st, false);
    if (st->flush_wanted)
        td_stack_flush(st, deck_time_now(t));
    deck_time_stop(t);
    return STEP_DONE;
}

/* The kinds of timers by which a queue discipline lets a frame go. */
static bool moves_frames(const struct timer_kind *k)
{
    return strcmp(k->name, "egress") == 0 || strcmp(k->name, "ingress") == 0;
}

static bool next_is_queue(const struct td_stack *st)
{
    const struct timer *next =
        wheel_walk_from(&st->wheel, 0); /* the earliest: as wheel_next has it */
    return next != NULL && moves_frames(next->kind);
}

static enum time_end go_real(struct deck_time *t)
{
    struct turn turn = turn_begin(t);
    struct time_step *s = &t->step;
    struct td_stack *st = s->deck->st;
    while (t->mode == TIME_STEPPING) {
        if (st->flush_wanted)
            td_stack_flush(st, t->frozen);
        if (t->mode != TIME_STEPPING)
            break;
        if (s->left == 0)
            return settle(t);
        if (turn_over(&turn))
            return STEP_MORE;
        if (st->flush_wanted)
            continue;
        if (t->nheld > 0 && s->unit != UNIT_TIMER) {
            hand_over(t);
            continue;
        }
        td_time due = wheel_next(&st->wheel);
        if (s->unit == UNIT_PACKET && !next_is_queue(st))
            return STEP_WAITS;
        if (due == TD_NEVER) {
            deck_time_stop(t);
            return STEP_NOTHING;
        }
        if (due > t->frozen)
            t->frozen = due;
        td_stack_tick(st, t->frozen);
    }
    return STEP_DONE;
}

static enum time_end go_simulated(struct deck_time *t)
{
    struct turn turn = turn_begin(t);
    while (t->mode == TIME_STEPPING) {
        if (t->step.left == 0)
            return settle(t);
        if (turn_over(&turn))
            return STEP_MORE;
        if (t->nheld > 0 && t->step.unit != UNIT_TIMER) {
            hand_over(t);
            sim_run(t->sim, sim_now(t->sim), turn_over, &turn);
            continue;
        }
        td_time next = sim_next(t->sim);
        if (next == TD_NEVER) {
            for (const struct deck *d = t->decks; d != NULL; d = d->time_next)
                if (d->taps != NULL && t->step.unit != UNIT_TIMER)
                    return STEP_WAITS;
            deck_time_stop(t);
            return STEP_NOTHING;
        }
        sim_run(t->sim, TD_NEVER, turn_over, &turn);
    }
    return STEP_DONE;
}

enum time_end deck_time_go(struct deck_time *t)
{
    return t->mode != TIME_STEPPING ? STEP_DONE : t->sim != NULL ? go_simulated(t) : go_real(t);
}

/* ---- commands that wait ---- */

void deck_time_tell(struct deck *d)
{
    for (struct run *r = d->runs; r != NULL; r = r->next) {
        if (r->status != RUN_MORE || r->ready || r->told || r->timeless)
            continue;
        r->told = true;
        if (r->streams || !r->json) /* without streams a note would stand in the JSON */
            run_note(r, "time is paused: this waits until `resume`, or a `step`, lets it go on\n");
    }
}

/* ---- joining ---- */

void deck_time_init(struct deck_time *t, td_time (*real)(void *ctx), void *ctx, struct sim *sim)
{
    memset(t, 0, sizeof(*t));
    t->real = real;
    t->real_ctx = ctx;
    t->sim = sim;
    t->gate = (struct sim_gate){.out = wire_let, .in = wire_take, .ctx = t};
    if (sim != NULL)
        sim_set_gate(sim, &t->gate);
}

void deck_time_join(struct deck_time *t, struct deck *d)
{
    struct deck **at = &t->decks;
    while (*at != NULL)
        at = &(*at)->time_next;
    *at = d;
    d->time = t;
    td_stack_after(d->st, after_call, t);
    if (t->sim == NULL && t->real == NULL)
        t->frozen = td_stack_now(d->st);
}

void deck_time_leave(struct deck *d)
{
    struct deck **at = d->time != NULL ? &d->time->decks : NULL;
    while (at != NULL && *at != NULL && *at != d)
        at = &(*at)->time_next;
    if (at == NULL || *at == NULL)
        return;
    deck_break_leave(d);
    *at = d->time_next;
    td_stack_after(d->st, NULL, NULL);
    td_stack_halt(d->st, false);
    d->time = NULL;
}

void deck_time_done(struct deck_time *t)
{
    while (t->decks != NULL)
        deck_time_leave(t->decks);
    if (t->sim != NULL)
        sim_set_gate(t->sim, NULL);
    free(t->held);
}
