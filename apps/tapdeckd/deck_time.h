/* tapdeckd/deck_time.h: the time of a live stack: it flows, stands still, or goes on step by step.
 *
 * Theory of operation. A stack has no clock: it is told what time it is. So stopping it takes no
 * more than telling it the same time again, and not handing it the frames that come meanwhile. The
 * loop asks this module for now, and
 *
 *     stack time = the monotonic clock less the time paused
 *
 * holds for everything: timers, queue disciplines, sockets' time-outs, round trips. Nothing that
 * waits for a time comes due while it is paused, and everything is due later by exactly the time
 * that was paused. Only the wall clock goes on: deck_wall() says what it showed at some stack time,
 * before, in or after any pause.
 *
 * All members of one loop (a topology's nodes) share one time: they pause together. A simulation
 * (dev/sim.h) that has the clock stands still while nobody runs it.
 *
 *     FLOWING     frames go in and out as they come
 *     PAUSED      frames from devices are held, in order, TIME_HELD_FRAMES and TIME_HELD_BYTES at
 * most; those beyond are counted, and journaled when time goes on. What the stack wants to send
 * finds its devices busy. No timer fires, no application runs. Commands go on, and read what they
 * like STEPPING    until so many packets, events or timers have happened
 *
 * A step takes one input of the stack after the other (each a call through its door), and looks
 * after each whether it was enough, so it ends exactly there. What comes next is: frames that wait
 * to leave; else the oldest frame that was held; else the next timer, to which time then jumps. Of
 * a step by packets one frame more is let out or in for each; it fires no timers but those by which
 * a queue discipline lets a frame go, and when no frame waits, it waits for one to come. In a
 * simulation frames come by time itself, so it runs until one has come in or gone out at this host.
 * What a call has done is done: a step by one event may be two, when one frame made two.
 *
 * A breakpoint (deck_break.h) stops time at the end of the call in which it is hit.
 */
#ifndef TAPDECKD_DECK_TIME_H
#define TAPDECKD_DECK_TIME_H

#include "dev/sim.h"
#include "tapdeckd/deck.h"

#define TIME_HELD_FRAMES 4096
#define TIME_HELD_BYTES  (8U << 20)
#define TIME_MARKS       256 /* pauses whose place on the wall clock is remembered */

enum time_mode { TIME_FLOWING, TIME_PAUSED, TIME_STEPPING };
enum time_unit { UNIT_PACKET, UNIT_EVENT, UNIT_TIMER };
enum time_end {               /* how a turn of a step ended */
                STEP_DONE,    /* as many as were asked for, or a breakpoint was hit: paused */
                STEP_MORE,    /* there is more to do at once */
                STEP_WAITS,   /* until a frame comes */
                STEP_NOTHING, /* nothing is left that could happen: paused */
};

struct deck_break;

struct time_step {
    struct run *run; /* whose step it is: told of each packet */
    struct deck *deck;
    enum time_unit unit;
    uint64_t left, done;
    uint64_t written,
        fired; /* the journal's records and the wheel's firings that were counted already */
    void (*packet)(struct run *r, const struct deck_tap *t, const char *dev, bool out,
                   const struct pkt *p);
};

struct time_held {
    struct deck_tap *tap;
    struct pkt *p;
};

struct time_mark { /* from this stack time on the real clock was ahead of it by so much */
    td_time from;
    int64_t lost;
};

struct deck_time {
    td_time (*real)(void *ctx); /* a clock that never stops, ns; NULL: time is virtual */
    void *real_ctx;
    struct sim *sim;    /* has the clock; NULL: none */
    struct deck *decks; /* by time_next */
    enum time_mode mode;
    td_time frozen;    /* stack time while it isn't flowing (a simulation has its own) */
    td_time paused_at; /* real time */
    int64_t lost;      /* real time less stack time, ns */
    struct time_mark marks[TIME_MARKS];
    unsigned nmarks;
    int64_t lost_before;    /* the first of them */
    struct time_held *held; /* a ring of TIME_HELD_FRAMES; NULL: never needed yet */
    unsigned held_first, nheld;
    uint64_t held_bytes;
    struct time_step step;
    struct sim_gate gate;
    struct deck_break *breaks; /* deck_break.h */
    unsigned last_break;       /* number */
    uint64_t hits;             /* of all of them since the start */
    char hit[512];             /* the last one, as a sentence */
    unsigned hit_id;
    const struct deck *hit_deck;
    bool by_break;    /* it is paused because of it */
    uint64_t changes; /* how often it was paused and resumed: for those who want to know */
};

void deck_time_init(struct deck_time *t, td_time (*real)(void *ctx), void *ctx, struct sim *sim);
void deck_time_done(struct deck_time *t);
/* The deck's time is this one from now on, until deck_time_leave. */
void deck_time_join(struct deck_time *t, struct deck *d);
void deck_time_leave(struct deck *d);

td_time deck_time_now(const struct deck_time *t); /* stack time */
td_time deck_time_when(const struct deck_time *t,
                       td_time due); /* the real time of a stack time; TD_NEVER: not as it stands */
static inline bool deck_paused(const struct deck *d)
{
    return d->time != NULL && d->time->mode != TIME_FLOWING;
}

void deck_time_pause(struct deck_time *t);
struct time_report {
    td_time stood; /* real time since the pause began */
    unsigned held; /* frames that waited */
    uint64_t lost; /* frames that found no room */
};
struct time_report deck_time_resume(struct deck_time *t); /* paused, not stepping */
/* Hands over frames that were held while time stood still: as many as `budget`. */
void deck_time_release(struct deck_time *t, unsigned budget);
unsigned
deck_time_leaving(const struct deck_time *t); /* interfaces with frames that wait to leave */

/* run's step begins; deck_time_go does some of it (about a millisecond's work). Paused before. */
void deck_time_step(struct deck_time *t, struct run *run, enum time_unit unit, uint64_t n,
                    void (*packet)(struct run *r, const struct deck_tap *tap, const char *dev,
                                   bool out, const struct pkt *p));
enum time_end deck_time_go(struct deck_time *t);
void deck_time_stop(
    struct deck_time *t); /* time stands still, wherever it is: a step or its flow ends */

/* A device has a frame for the stack. True: it was taken over. */
bool deck_time_take(struct deck_tap *tap, struct pkt *p);
/* May it leave? */
bool deck_time_let(struct deck_tap *tap, const struct pkt *p);
void deck_time_forget(struct deck_tap *tap); /* the device goes, and what is held of it */

/* Fires the timers that are due by `now`, one time after the other if a breakpoint could stop it
 * between. */
void deck_time_tick(struct deck *d, td_time now);
/* Tells commands that wait for time that it stands still. */
void deck_time_tell(struct deck *d);

#endif
