/* replay/deck.h: the tape deck: a tape (tape.h) that goes both ways.
 *
 * Theory of operation. A tape only goes forward. Here it lives in a process of its own, the head,
 * and as the head moves it leaves checkpoints behind: forks of itself that sleep. To go back to
 * some frame, the nearest checkpoint at or before it is forked once more, and that copy goes
 * forward to the frame and is the head from then on. A tape does the same each time it passes a
 * place, so what is found there is the same, whichever way one came.
 *
 *     console ──socket── head        where the tape stands
 *             ├─socket── root        the tape at its beginning
 *             └─socket── checkpoint  one each `every` steps, DECK_CHECKPOINTS at most: when there
 * are more, `every` is doubled and those between are given up
 *
 * Nothing is serialised, and memory is shared until one of them writes to it: a checkpoint costs
 * what has changed since. Commands run in one more fork of the head, which is thrown away: what
 * they change, they change there.
 *
 * All processes are children of the console's, also those that were forked by others
 * (CLONE_PARENT), so it can say by which signal the tape's process ended, and they end with it: by
 * the parent-death signal, and because their socket is closed. A crash of the stack is a crash of
 * the head alone. It is told at which frame, and the tape stands before it.
 *
 * No terminal here, no words: apps/tapdeck/replay_deck.c has those.
 */
#ifndef REPLAY_DECK_H
#define REPLAY_DECK_H

#include <stdio.h>

#include "common/text.h"
#include "replay/tape.h"
#include "tapdeck/qdisc.h"

#define DECK_CHECKPOINTS 48

struct reel_place {
    uint64_t step;   /* frames since the tape's beginning */
    uint64_t number; /* of the last one; 0: before the first */
    td_time at;      /* its time since the tape's beginning, ns */
    int64_t wall;    /* ns since 1970; 0: not known */
};

enum reel_result {
    REEL_STOPPED,     /* where it was to go */
    REEL_ENDED,       /* at the tape's end, before that */
    REEL_INTERRUPTED, /* hooks.interrupted said so */
    REEL_DIFFERS,     /* at a frame that isn't what it was (msg) */
    REEL_FAILED, /* the tape, or its process, can't go over the next frame (msg): it stands before
                    it */
    REEL_LOST,   /* no process can be made (msg) */
};

struct reel_hooks { /* each may be NULL */
    /* A line about a frame that was passed, without its newline. */
    void (*line)(void *ctx, const struct reel_place *at, const char *text, size_t n);
    /* Asked often while the tape moves or a command runs: true: stop. True again: at once, whatever
     * it is doing. */
    bool (*interrupted)(void *ctx);
    /* Some time has gone by and it still moves: over which step. */
    void (*progress)(void *ctx, uint64_t step);
    void *ctx;
};

struct reel;
/* Takes the tape over, which must be at its beginning; closes it in the end, and when it fails
 * (NULL, msg). */
struct reel *reel_open(struct tape *t, const struct reel_hooks *hooks, char *msg, size_t msg_size);
void reel_close(struct reel *r); /* ends all its processes; NULL is allowed */

const struct tape *
reel_tape(const struct reel *r); /* at its beginning: for what is known of it as a whole */
struct reel_place reel_place(const struct reel *r);
const char *reel_line(const struct reel *r); /* of the frame it stands at; "" at the beginning */
uint64_t reel_total(const struct reel *r);   /* frames; 0: not known (yet) */
uint64_t reel_last(const struct reel *r);    /* the last one's number; 0: not known (yet) */
/* How many there are, and the steps between them; *error: an errno if one couldn't be made, or 0.
 */
unsigned reel_checkpoints(const struct reel *r, uint64_t *every, int *error);
/* The first frame that differed when the tape was moved last, and how; 0: none did. */
uint64_t reel_differed(const struct reel *r, const char **how);

/* What to go forward to: one of the conditions, or none; `steps` ends it in any case. */
struct reel_goal {
    uint64_t steps;  /* so many at most */
    bool lines;      /* hooks.line for each frame */
    bool heed;       /* a frame that differs ends it */
    uint64_t number; /* a frame with this number or a higher one; 0: any */
    bool has_time;   /* a frame later than `time` */
    td_time time;
    uint32_t ncode; /* a frame that the filter matches; 0: none */
    struct td_bpf_insn code[TD_IMPAIR_CODE];
    char event[64]; /* an event of the journal that matches (with * and ?); "" none */
    char state[32]; /* a connection comes into this state, by Linux's or the RFC's name; "" none */
};
/* Is there such a state, such an event? False: msg says what is wrong, also when the tape has none.
 */
bool reel_knows_state(const struct reel *r, const char *state, char *msg, size_t msg_size);
bool reel_knows_event(const struct reel *r, const char *event, char *msg, size_t msg_size);
/* Forward. msg: what was met (an event's sentence), or what went wrong. *passed: frames, may be
 * NULL. */
enum reel_result reel_go(struct reel *r, const struct reel_goal *g, uint64_t *passed, char *msg,
                         size_t msg_size);
/* To the frame with this number; where the tape has none, or at this time, to the last one before.
 */
enum reel_result reel_goto_number(struct reel *r, uint64_t number, char *msg, size_t msg_size);
enum reel_result reel_goto_time(struct reel *r, td_time at, char *msg, size_t msg_size);
enum reel_result reel_goto_step(struct reel *r, uint64_t step, char *msg, size_t msg_size);
/* The lines of the next `steps` frames through hooks.line, without going there. */
enum reel_result reel_peek(struct reel *r, uint64_t steps, char *msg, size_t msg_size);

/* Runs a command at this instant, in a copy. Its output goes to `out`, what it has to say about its
 * work and its sentence to `notes` and err ("" none). *changed: it did something to the copy. The
 * exit status. */
int reel_command(struct reel *r, int argc, char *const *argv, bool json, bool tty, FILE *out,
                 struct text *notes, bool *changed, char *err, size_t err_size);

#endif
