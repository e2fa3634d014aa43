/* tapdeckd/deck_break.h: breakpoints: what stops a live stack's time.
 *
 * Theory of operation. A breakpoint is one condition about one host:
 *
 *     FILTER             a frame that libpcap's expression matches comes in or goes out, on any
 * interface event=NAME [CONN]  an event of the journal, whatever its level; NAME may hold * and ?
 *     state=NAME [CONN]  a connection enters this state
 *     VAR<N [CONN]       a variable of `pcb` (<, <=, >, >=, =, !=) becomes so for a connection. It
 * is looked at whenever TCP has something to tell of the connection; those for which it was so when
 * the breakpoint was made, or when it was hit, count again once it was not so in between
 *
 * Frames are seen by an observer of the link layer, events by a watch on the journal; both only
 * take a note, since the stack is in the middle of something. At the end of that call through the
 * door deck_time.c asks here whether anything was noted, and stops time there: so all of what the
 * call did has happened, and nothing else. Without breakpoints nobody looks.
 */
#ifndef TAPDECKD_DECK_BREAK_H
#define TAPDECKD_DECK_BREAK_H

#include "tapdeckd/deck_time.h"

/* `words` joined by blanks; the breakpoint's number, or 0 with the run's sentence and status set.
 */
unsigned deck_break_add(struct run *r, int argc, char *const *words, int *status);
bool deck_break_del(struct deck *d, unsigned id); /* false: this deck has none such */
void deck_break_leave(struct deck *d);            /* all of this deck's */
/* A call of st is over: was a breakpoint hit in it? All who wait are told. */
bool deck_break_check(struct deck_time *t, const struct td_stack *st);
/* Walks this deck's: fn(number, what was asked for, hits). */
void deck_break_each(const struct deck *d,
                     void (*fn)(void *ctx, unsigned id, const char *text, uint64_t hits),
                     void *ctx);

#endif
