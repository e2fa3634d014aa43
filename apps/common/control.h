/* common/control.h: what the daemon and its clients agree on (apps/README.md describes the
 * protocol).
 *
 * Where a daemon's socket is, one JSON object a line in each direction, and the exit statuses.
 */
#ifndef APPS_COMMON_CONTROL_H
#define APPS_COMMON_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#include "common/text.h"

#define TAPDECK_VERSION "0.1.0"

enum exit_status {
    EXIT_DONE = 0,
    EXIT_FAILED = 1, /* the thing asked for failed: no echo reply came */
    EXIT_USAGE = 2,  /* bad usage or input: one sentence says what, where, what would be right */
    EXIT_NO_DAEMON = 3,
};

#define DAEMON_NAME_MAX 64
#define DEFAULT_NAME    "default"
/* Letters, digits, '.', '_', '-', at most 64 of them, not beginning with '.' or '-'. */
bool daemon_name_ok(const char *name);

/* The n-th directory (0, 1, …) in which a daemon's socket may be: $TAPDECK_RUN,
 * $XDG_RUNTIME_DIR/tapdeck, /run/tapdeck, /tmp/tapdeck-UID; those whose variable is not set are
 * left out. False past the last. */
bool run_dir_candidate(unsigned n, char *dst, size_t size);
/* The first candidate that is (or can be made) a directory of mode 0700 which belongs to the user
 * and can be written. False: none, msg says so. */
bool run_dir_make(char *dst, size_t size, char *msg, size_t msg_size);

/* ---- lines ---- */

/* Requests are short; replies are cut into chunks of at most CHUNK_MAX bytes of output, which may
 * grow sixfold when escaped. */
#define REQUEST_MAX 65536
#define CHUNK_MAX   16384
#define REPLY_MAX   (6 * CHUNK_MAX + 4096)

/* Takes the next line (without its newline) off the front of `in`; false: none is complete yet. The
 * line is copied into `line`, whose old contents are dropped. */
bool take_line(struct text *in, struct text *line);

struct request {
    long long id;
    int argc;
    char **argv; /* words_free() it; NULL for a cancel */
    bool json;
    bool tty;
    bool streams; /* the client knows out64 and note */
    bool cancel;  /* ends the command `id` that runs */
    bool has_hold, hold; /* the output of the command `id` waits in the daemon, or goes on */
    bool input;   /* `in` and `eof` are for the command `id` that runs */
    bool eof;     /* no more input comes */
    struct text in;
};
/* Reads one request line. False: msg says what is wrong with it; r->id is the id if it could be
 * read, else -1. */
bool control_parse_request(const char *line, size_t len, struct request *r, char *msg,
                           size_t msg_size);
void control_free_request(struct request *r);
/* Adds the request as a line; its client knows out64 and note. */
void control_write_request(struct text *out, long long id, int argc, char *const *argv, bool json,
                           bool tty);
void control_write_cancel(struct text *out, long long id);
void control_write_hold(struct text *out, long long id, bool hold);
/* Input of the command `id`; INPUT_MAX bytes at most. eof: it is the last. */
#define INPUT_MAX 24576
void control_write_input(struct text *out, long long id, const void *bytes, size_t n, bool eof);

/* A piece of output as text: what is not UTF-8 in it becomes U+FFFD. */
void control_write_out(struct text *out, long long id, const char *bytes, size_t n);
/* The same, exact: as base64 (out64) when it is not UTF-8. */
void control_write_bytes(struct text *out, long long id, const char *bytes, size_t n);
/* Words for standard error. */
void control_write_note(struct text *out, long long id, const char *text, size_t n);
/* So many more bytes of input are welcome. */
void control_write_want(struct text *out, long long id, size_t n);
void control_write_end(struct text *out, long long id, int status,
                       const char *err); /* err may be NULL or "" */
/* The same, when the stack's time is paused: for prompts. */
void control_write_end_paused(struct text *out, long long id, int status, const char *err);

/* What a client that runs no command should know all the same: the stack's time stands still, or flows again. note: a
 * sentence that says why, or NULL. It has this id. */
#define CONTROL_NEWS (-2)
void control_write_news(struct text *out, bool paused, const char *note);

struct reply {
    long long id;
    char *out; /* NULL, or malloc()ed bytes */
    size_t out_len;
    char *note;  /* NULL, or malloc()ed text for standard error */
    size_t want; /* so many more bytes of input are welcome */
    char *err;   /* NULL, or a malloc()ed sentence */
    bool end;  /* the command is over with `status` */
    bool paused; /* the stack's time stands still: in the last line of a command, and in news */
    int status;
};
bool control_parse_reply(const char *line, size_t len, struct reply *r);
void control_free_reply(struct reply *r);

#endif
