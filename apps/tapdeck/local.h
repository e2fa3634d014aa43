/* tapdeck/local.h: the commands of the client itself, and the session they run in.
 *
 * A command belongs here when it needs what the daemon has not: the person's terminal, files and
 * programs (gnuplot, tcpdump). It is registered once, in local.c's table; `help`, completion and
 * `--help` take its words from there, as they take the daemon's from `struct command`.
 */
#ifndef TAPDECK_LOCAL_H
#define TAPDECK_LOCAL_H

#include <stdint.h>

#include "tapdeck/client.h"

struct alias;
struct catalog;
struct local_command;
struct session;

/* Who is asked instead of a daemon: a tape that is replayed (tapdeck/replay_deck.c). Its session needs no socket, and has
 * other commands of the client. */
struct session_host {
    const struct local_command *const *locals; /* NULL at the end */
    /* As session_run. */
    int (*run)(struct session *s, int argc, char *const *argv, bool json, FILE *out, char *err, size_t err_size);
    bool (*offers)(const char *command); /* is it worth a line in `help`? */
    void (*prompt)(struct session *s, char *dst, size_t size);
    const char *hello; /* what the console begins with */
    void *ctx;
};

struct session {
    const struct session_host *host; /* NULL: a daemon */
    const char *name;        /* the daemon's */
    struct client client;    /* client.fd < 0: not connected (yet) */
    bool json;               /* `tapdeck -j`: JSON instead of text */
    bool tty;                /* what goes to `out` may have colours */
    bool interactive;        /* the console at a terminal */
    int input;               /* what a command that reads is given, a descriptor; -1: nothing */
    FILE *out;               /* where output goes; never NULL */
    const char *where;       /* stands before a sentence: "tapdeck", or FILE:LINE of a script */
    char note[768];          /* of NEWS_TIME */
    bool missed;             /* it has been said that the daemon is gone */
    int64_t looked;          /* when it was looked for, ms */
    bool leave;              /* `exit`: no more lines */
    bool goes_on;            /* a line that fails doesn't end a script; its status is that of the last that failed */
    unsigned depth;          /* of files that source each other */
    struct alias *aliases;   /* tapdeck/alias.h */
    struct catalog *catalog; /* the daemon's commands, once they have been asked for */
};
void session_init(struct session *s, const char *name, bool json);
void session_end(struct session *s);
/* Connects if it isn't. EXIT_DONE, or EXIT_NO_DAEMON and a sentence. */
int session_connect(struct session *s, char *msg, size_t msg_size);
/* Has the daemon gone away since the last look, or come back (which connects to it)? Costs little;
 * a daemon that isn't there is looked for twice a second at most. */
enum session_news { NEWS_NONE, NEWS_GONE, NEWS_BACK, NEWS_TIME /* s->note, if it isn't "" */ };
enum session_news session_look(struct session *s);
/* Runs one of the daemon's commands to its end, as client_run does; connects if need be. */
int session_run(struct session *s, int argc, char *const *argv, bool json, FILE *out, char *err,
                size_t err_size);
/* Says "tapdeck: sentence" (or FILE:LINE, in a script) on standard error and returns status. */
int session_fail(const struct session *s, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

struct local_command {
    const char *name;
    const char *usage; /* a grammar, one form a line: see common/usage.h */
    const char *doc;   /* one sentence for the list */
    const char *more;  /* paragraphs and examples, or NULL */
    const char *const *also; /* what goes on from `more`, NULL at the end: one string has at most 4095 characters */
    /* argv[0] is the name. Says its own sentences; returns an exit status. */
    int (*fn)(struct session *s, int argc, char **argv);
    bool screen; /* wants the terminal itself, or goes on until it is stopped: its output isn't
                    paged */
};
extern const struct local_command *const local_commands[]; /* NULL at the end */
/* `more` and `also`, the caller's to free; NULL: there is none. */
char *local_more(const struct local_command *c);
const struct local_command *local_find(const char *name);
/* The client's own commands in this session. */
const struct local_command *const *session_locals(const struct session *s);
const struct local_command *session_local(const struct session *s, const char *name);
/* Text whose lines are folded at blanks to fit so many columns (0: as they are); what is folded is
 * indented as the line was, and `hang` more. */
void help_fold(const char *text, unsigned columns, unsigned hang, FILE *out);
void help_print(const char *usage, const char *doc, const char *more, unsigned columns, FILE *out);
/* What `NAME --help` prints. */
void local_print_help(const struct local_command *c, FILE *out);

/* The sentence for a command that isn't there gets the nearest of all there are, also the client's.
 */
void session_suggest(struct session *s, const char *name, char *err, size_t err_size);
/* Runs a command, of the client or of the daemon, to its end: output to s->out, its sentence as
 * "where: sentence" to standard error. The exit status. */
int session_command(struct session *s, int argc, char **argv, const char *where);

extern const struct local_command local_alias, local_complete, local_exit, local_quit, local_source,
    local_unalias, local_watch;
extern const struct local_command local_extcap, local_graph, local_tcpdump;
extern const struct local_command local_help, local_lab, local_doctor, local_drill, local_quiz, local_replay, local_series,
    local_topo, local_wire;

#endif
