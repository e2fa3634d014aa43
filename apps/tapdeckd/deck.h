/* tapdeckd/deck.h: what the daemon has, and how its commands act on it.
 *
 * A deck is one stack with what stands around it: TAP devices, applications, captures. A command is
 * a run: it is started with its words, writes text into its output, and either is over at once or
 * asks to be stepped again (a dump that pauses while its reader catches up, a ping). Nothing here
 * knows of sockets or epoll: the daemon's loop drives runs, and so does a unit test, with a stack
 * that has no device and a clock of its own.
 */
#ifndef TAPDECKD_DECK_H
#define TAPDECKD_DECK_H

#include <stdio.h>

#include "common/app.h"
#include "common/control.h"
#include "common/jsonw.h"
#include "common/parse.h"
#include "common/text.h"
#include "core/stack.h"
#include "dev/tap.h"
#include "tapdeck/stack.h"

struct deck_capture;
struct recorder;

struct deck_tap { /* a TAP device that is an interface of the stack */
    struct deck_tap *next;
    struct deck *deck;
    struct tap *tap;
    void *loop_source; /* the loop's */
    uint32_t ifindex;  /* the stack's */
    struct tap_gate gate;
    uint64_t unheld; /* frames that came while time stood still and found no room */
    bool waiting;    /* a frame wants to leave and may not: time stands still */
};

struct deck_app { /* an application that runs */
    struct deck_app *next;
    unsigned id;
    const struct app_class *class;
    void *instance;
    char *line; /* the words it was started with */
};

struct loop_stats;
struct run;
struct deck_hooks {              /* the loop's part; any may be NULL */
    td_time (*clock)(void *ctx); /* now, ns, monotonic; NULL: the stack's present time */
    int (*tap_added)(void *ctx, struct deck_tap *t); /* 0 or -errno */
    void (*tap_removing)(void *ctx, struct deck_tap *t);
    void (*shutdown)(void *ctx); /* NULL: `shutdown` is refused */
    struct loop_stats *(*stats)(void *ctx);
    bool (*permit)(void *ctx, const struct run *r); /* may this command be run? NULL: each may */
    void *ctx;
};

struct deck_time;
struct deck_memo { /* a connection that was asked for by its number, and its ends (conn.c) */
    uint32_t id;
    td_ip4 laddr, raddr;
    uint16_t lport, rport;
};
#define DECK_MEMOS 16

struct deck {
    struct td_stack *st;
    struct deck_time *time; /* its time can be paused (deck_time.h); NULL: it can't */
    struct deck *time_next; /* those that share it */
    bool wires_waiting;     /* as deck_tap's, on simulated wires */
    struct deck_hooks hooks;
    const char *name;    /* the daemon's */
    int64_t wall_offset; /* wall clock less stack time now, ns: deck_wall() knows the past too */
    td_time started;
    struct deck_tap *taps;
    struct deck_app *apps;
    struct deck_capture *captures; /* captures.h */
    struct diary *diary;           /* of the stack, for them (dev/diary.h): in virtual time; NULL: none is kept */
    struct recorder *recorder;     /* replay/record.h; NULL: this deck has none */
    struct app_host host; /* what applications are given */
    unsigned next_app, next_run;
    uint64_t nstat_last[CNT_COUNT];
    struct run *runs; /* those that are not over */
    struct deck_memo memo[DECK_MEMOS]; /* by number modulo DECK_MEMOS */
    const char *(*owner)(void *ctx, uint32_t owner); /* in a recorded run: who opened a socket then; or NULL */
    void *owner_ctx;
    bool stopped;     /* the daemon has let go of everything: `shutdown` may answer */
};

void deck_init(struct deck *d, struct td_stack *st, const char *name);
/* Stops applications and runs, closes captures and TAPs. The stack stays its owner's. */
void deck_done(struct deck *d);
/* rec records this deck's stack from now on, and asks the deck for names and the wall clock. Both stay their owner's. */
void deck_record(struct deck *d, struct recorder *rec);
void deck_stop_apps(struct deck *d);
void deck_tick(struct deck *d, td_time now); /* applications' ticks: about once a second */
/* Who opened a socket (td_socket_owner): an application's number is what `app list` shows, a command's begins at
 * OWNER_RUNS. The name of either; "" for nobody, or when it is gone. */
#define OWNER_RUNS 100000U
const char *deck_owner(const struct deck *d, uint32_t owner);
td_time deck_now(const struct deck *d);
/* What the wall clock showed at this stack time, ns since 1970: also before, in and between pauses. */
int64_t deck_wall(const struct deck *d, td_time at);
struct deck_tap *deck_tap_find(const struct deck *d, const char *name); /* either side's name */
void deck_tap_remove(struct deck *d, struct deck_tap *t);

/* ---- runs ---- */

#define RUN_MORE (-1) /* not over: step again at `wake`, when told, or when output has drained */

struct command;
struct run {
    struct run *next, **prev; /* deck->runs */
    struct deck *deck;
    const struct command *cmd;
    int argc;
    char **argv;
    bool json, tty;
    int status;      /* RUN_MORE or an exit status */
    bool streams;    /* its reader tells binary output and notes apart */
    bool held;       /* its reader wants nothing more for now */
    struct text out; /* output not taken yet */
    struct text notes; /* for standard error, not taken yet */
    bool reads;        /* it takes input: run_read */
    bool in_eof;       /* no more comes than is in `in` */
    struct text in;    /* input that it hasn't taken yet: what it takes it consumes */
    size_t in_granted; /* bytes its client was asked for and hasn't sent yet */
    char err[768];   /* the sentence, when status is not 0 (or a warning) */
    struct jsonw jw; /* over out */
    td_time wake;    /* when it wants to be stepped; TD_NEVER: only when something happened */
    bool ready;      /* has more to do at once: step as soon as its reader has room */
    bool follow;     /* wants a step when the journal grew */
    bool timeless;   /* needs no stack time to pass: a pause doesn't concern it */
    bool told;       /* that time is paused */
    uint64_t round;    /* the loop's, in which it was stepped last */
    bool awaits_break; /* wants a step when a breakpoint is hit */
    int (*step)(struct run *r,
                td_time now); /* RUN_MORE or the status; NULL when it never runs on */
    /* The reader interrupted it: may print (ping's summary); returns the status. NULL: EXIT_FAILED
     */
    int (*interrupt)(struct run *r);
    void (*release)(struct run *r); /* frees `state`; NULL: free() does */
    void *state;
    uint64_t cursor; /* of the dump that is under way */
    void *owner;     /* the client, or whoever started it */
    uint32_t number; /* its sockets' owner */
    long long id;    /* its id in the protocol */
};

/* Starts a command. Never NULL; when r->status is not RUN_MORE it is over already. */
struct run *run_start(struct deck *d, int argc, char *const *argv, bool json, bool tty);
void run_step(struct run *r, td_time now);
void run_interrupt(struct run *r);
/* Input has come (eof: the last of it): a command that reads is stepped. Others don't notice. */
void run_input(struct run *r, const void *bytes, size_t n, bool eof);
/* So many more bytes of input should now be asked for; 0: none. They are taken as asked for. */
size_t run_input_wanted(struct run *r);
/* Has more input than it should: its client must wait. */
bool run_input_full(const struct run *r);
void run_free(struct run *r); /* also one that is not over */
/* The earliest time a run wants to be stepped; *ready: one wants it now. */
td_time runs_deadline(const struct deck *d);

/* A run that waits for the network alone sets `wake` no further away than this: in a world of virtual time, time passes
 * only while a run waits for a time. */
#define RUN_PATIENCE (3600 * TD_SEC)

/* Output a run keeps before it must wait for its reader. */
#define RUN_OUT_HIGH 65536
/* Input that waits for a run at most, if its client sends no more than was asked for. */
#define RUN_IN_HIGH 65536

/* ---- for commands ---- */

struct command {
    const char *name;
    const char *usage; /* a grammar, one form a line: common/usage.h */
    const char *doc;   /* one sentence for the list */
    const char *more;  /* paragraphs and examples, or NULL */
    int (*fn)(struct run *r);
};
extern const struct command *const commands[]; /* in the order of `help`; NULL at the end */
const struct command *command_find(const char *name);

void run_puts(struct run *r, const char *s);
void run_printf(struct run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* For standard error: what a tool says about its work rather than as its result. */
void run_note(struct run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* For td_set_notify with the run as its context: it is stepped when its socket has news. */
void run_notify(void *ctx, struct td_stack *st, int s, int mask);
/* From now on it takes input, from r->in. */
void run_read(struct run *r);
/* Sets the sentence and returns status: `return run_fail(r, EXIT_USAGE, "…");` */
int run_fail(struct run *r, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* "unknown word 'x' after 'ip addr': …" with the command's usage. */
int run_bad_word(struct run *r, int at, const char *would_be_right);
struct nearest;
/* Adds "; did you mean 'x'?" to the sentence when something was near. Returns status. */
int run_mean(struct run *r, int status, const struct nearest *n);
/* "no event is called 'x'…", with the nearest. */
int run_no_event(struct run *r, const char *name);
/* The value that must follow word `at`; NULL (sentence set): there is none. */
const char *run_value(struct run *r, int at, const char *what);

/* The next option of a command that reads its words as getopt does, operands and options in any order:
 * its letter (a->value: what belongs to it), 0 for an operand (*word), -1 at the end, '?' for a bad one
 * (sentence set; `would_be_right` is its end). Begin with args_init(a, r->argc, r->argv, letters). */
struct args;
int run_option(struct run *r, struct args *a, const char **word, const char *would_be_right);

/* A table of the registry, row by row, resumable. */
int table_column(const struct table *t, const char *name); /* -1 = none */
const struct value *row_value(const struct table *t, const struct row *row,
                              const char *column); /* NULL = none */
uint64_t row_number(const struct table *t, const struct row *row,
                    const char *column); /* 0 = none */
bool row_has(const struct table *t, const struct row *row, const char *column);
/* As text; "" = none. */
const char *row_text(const struct table *t, const struct row *row, const char *column,
                     char dst[64]);
/* One column into JSON with its type; nothing when the row has no value there. */
void value_json(struct jsonw *w, const struct value *v, const char *key); /* VAL_NONE: nothing */
void row_json(struct jsonw *w, const struct table *t, const struct row *row, const char *column,
              const char *key);

/* A file of lines, to be read; NULL: the sentence is set. */
FILE *run_open(struct run *r, const char *name);

/* An interface by name; 0 and a sentence when there is none. */
uint32_t run_interface(struct run *r, const char *name);
/* An errno of the stack as words a person can use. */
const char *error_text(int err);

extern const struct command command_pcb, command_states, command_ladder;
extern const struct command command_pause, command_step, command_resume, command_break, command_sleep;
extern const struct command command_ip, command_ss, command_ping, command_nc, command_get, command_traceroute, command_arping, command_why, command_events, command_metrics, command_sysctl,
    command_nstat, command_table, command_app, command_tap, command_tc, command_ethtool, command_capture, command_timers,
    command_fault, command_bridge, command_iptables, command_iptables_save, command_iptables_restore, command_conntrack,
    command_values, command_record, command_help, command_version, command_shutdown;

#endif
