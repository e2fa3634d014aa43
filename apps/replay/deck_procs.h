/* replay/deck_procs.h: the processes of a tape, as the console keeps them.
 *
 * Each is the console's own child, with a channel. None is left behind: one that is ended is waited
 * for, and so are those that it had forked and nobody had heard of yet.
 */
#ifndef REPLAY_DECK_PROCS_H
#define REPLAY_DECK_PROCS_H

#include "replay/deck_internal.h"

struct proc {
    pid_t pid; /* 0: there is none */
    int fd;
    struct reel_place place;
};

struct reel {
    struct tape *tape;
    struct reel_hooks hooks;
    struct deck_shared *shared;
    struct proc root, head;
    struct proc check[DECK_CHECKPOINTS + 1];
    unsigned nchecks;
    struct reel_place place;
    struct text line;
    struct reel_place end; /* the last frame; step 0: not known */
    bool recovering;
    int unforked;      /* errno: a checkpoint couldn't be made; 0 */
    uint64_t differed; /* the first frame that did in the last move, 0: none; and how */
    char how[512];
    char body[DECK_BODY + 1];
};

/* Ends it. Its status as waitpid has it. */
int proc_end(struct proc *p);
/* The process has closed its channel: what ended it. It is given a moment to. */
int proc_gone(struct proc *p);
/* Nobody has ended it from outside. */
bool proc_alive(struct proc *p);
/* A copy of it. False: *error is why; -1: it is gone. */
bool proc_copy(struct reel *r, const struct proc *of, struct proc *made, int *error);

/* The process that has the tape at its beginning, from the console's own copy; if it isn't there.
 */
bool reel_make_root(struct reel *r, char *msg, size_t msg_size);
/* One that the head has left behind. When there are too many, every second one goes. */
void reel_add_checkpoint(struct reel *r, struct proc p);
void reel_drop_checkpoint(struct reel *r, unsigned i);
/* Where no more processes can be made, a checkpoint is the first to go. False: there is none. */
bool reel_make_room(struct reel *r);

#endif
