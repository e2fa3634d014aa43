/* tapdeckd/loop.h: the daemon's event loop and its control socket. */
#ifndef TAPDECKD_LOOP_H
#define TAPDECKD_LOOP_H

#include <stdio.h>
#include <sys/epoll.h>

#include "tapdeckd/deck_time.h"
#include "tapdeckd/loop_stats.h"

struct loop;
struct source { /* something the loop waits for */
    int fd;
    void (*fn)(struct loop *l, struct source *s, uint32_t events);
    void *ctx;
    bool dead; /* freed at the end of the turn */
    struct source *next_dead;
};

struct member { /* a deck that the loop drives */
    struct member *next;
    struct loop *loop;
    struct deck *deck;
    struct server *server; /* its control socket; NULL: none yet */
    uint64_t held_most;    /* the stack's bytes at their most since memory was last given back */
    uint64_t journal_seen;
};

struct sim;
struct loop {
    int epoll;
    struct member *members; /* one, or a topology's nodes, in its file's order */
    struct sim *sim;        /* the wires between them, and their clock; NULL: none */
    bool virtual_time;      /* with sim: time passes only while a command wants it to, and then at once */
    bool awaiting;          /* deck_run_line's command waits for what the members do, at no time of its own */
    struct deck_time time;  /* the members': real time less stack time is what was paused, and what a simulation was late */
    struct source *dead;
    struct source *signals;
    td_time now;           /* of this turn, ns: monotonic, or the simulation's */
    td_time spin;          /* how long to poll before sleeping after traffic, ns */
    td_time last_traffic; /* monotonic, as spin is: after a step the stack time may be ahead of it */
    td_time next_tick; /* applications' */
    bool coarse; /* the kernel has no epoll_pwait2 */
    struct loop_stats stats;
    td_time turn_began;    /* real time */
    td_time cpu_before;    /* this thread's, when the last turn ended; 0: not taken */
    td_time console_began; /* real time; 0: nobody is at it */
    td_time console_used;  /* in this turn, for clients and commands */
    uint64_t round;        /* of commands that want a step: each has one before any has another */
    td_time stall;         /* a client that reads nothing for so long is dropped */
    bool unsettled; /* a capture has more to write than fitted into the last turn */
    int stop;    /* asked to stop so many times */
};

/* Blocks SIGTERM, SIGINT and SIGHUP and waits for them with the rest. sim (borrowed, may be NULL): the
 * members' stacks are its hosts. 0 or -errno. */
int loop_init(struct loop *l, struct sim *sim, bool virtual_time, td_time spin);
void loop_done(struct loop *l);
/* From now on the loop drives this deck; both stay their owner's, who keeps them until loop_done. */
void loop_add(struct loop *l, struct member *m, struct deck *d);
/* What the loop's members call now: monotonic, or the simulation's. */
td_time loop_now(const struct loop *l);
/* Waits for something to happen, at most max_wait ns, and does everything that is due. */
void loop_turn(struct loop *l, td_time max_wait);
/* Runs one line as a command of the deck to its end, its output to out. Its exit status; msg is its
 * sentence or "". */
int deck_run_line(struct loop *l, struct deck *d, const char *line, FILE *out, char *msg, size_t msg_size);
struct source *loop_watch(struct loop *l, int fd, uint32_t events,
                          void (*fn)(struct loop *l, struct source *s, uint32_t events), void *ctx);
void loop_change(struct loop *l, struct source *s, uint32_t events);
void loop_unwatch(struct loop *l, struct source *s); /* doesn't close fd */
td_time monotonic_now(void);

/* Clients and commands may take CONSOLE_TURN of a turn, between them: whoever works for them brackets it, and
 * leaves the rest for the next turn when it is over. */
#define CONSOLE_TURN (250 * TD_US)
#define CLIENT_STALL (60 * TD_SEC)
bool console_enter(struct loop *l); /* false: somebody is at it already */
void console_leave(struct loop *l);
bool console_over(const struct loop *l);

/* ---- the control socket (server.c) ---- */

struct server;
/* Makes sure no other daemon has this name, clears what a dead one left, and listens. NULL: msg is
 * a sentence, *status the exit status it asks for. */
struct server *server_open(const char *name, int *status, char *msg, size_t msg_size);
const char *server_path(const struct server *s);
void server_start(struct server *s, struct member *m); /* from now on clients are served */
void server_stop_accepting(struct server *s);        /* removes the socket from the file system */
/* Moves the output of runs to their clients, ends runs that are over. True: some have more to do at
 * once. */
bool server_pump(struct server *s);
bool server_clogged(const struct run *r); /* its reader must catch up first */
td_time server_deadline(const struct server *s); /* real time: when a client will have stalled; TD_NEVER */
bool server_admit(struct server *s, int fd); /* a connection; false: refused, and closed */
void server_close(struct server *s);

#endif
