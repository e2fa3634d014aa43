/* replay/record_run.h: a recording, done again.
 *
 * Theory of operation. A stack is made as the recorded one was, and gets the same calls at the same
 * times. Its devices are the recording: each frame that the stack hands to one must be the frame
 * that is next in it, and gets the answer that the device gave then. What each call gives back is
 * compared as well. The first thing that isn't as it was is a difference; one may go on behind it,
 * but then nothing is certain any more.
 *
 * A recording that has no end was left by a daemon that was killed or crashed. If it crashed within
 * a call, that call is the last in the file. So the last call of such a recording is first tried in
 * a child process, and only done when the child comes through: else the run fails there, as it did,
 * and everything before it can be looked at.
 */
#ifndef REPLAY_RECORD_RUN_H
#define REPLAY_RECORD_RUN_H

#include "replay/record_read.h"

struct record_organ { /* one that is at hand */
    enum td_organ_kind kind;
    const void *ops;
};

struct record_run_hooks { /* any may be NULL */
    /* A frame came in, or left: before the stack has it, or has gone on. */
    void (*frame)(void *ctx, bool out, uint32_t ifindex, const uint8_t *bytes, size_t len);
    void (*app)(void *ctx, uint32_t id, const char *line); /* started; "": stopped */
    void (*owner)(void *ctx, uint32_t number, const char *name);
    void (*wall)(void *ctx, int64_t wall); /* wall clock less stack time, from here on */
    void *ctx;
};

struct record_run_options {
    const struct record_organ *organs;
    size_t norgans;
    uint64_t memory; /* the stack's at most, whatever the file says; 0: RECORD_MEMORY */
    td_time
        patience; /* no timer that is due may be older than this when time comes to it; 0: a day */
    bool alone;   /* no child processes */
    bool unchecked; /* for a fuzzer: records count whose check is wrong */
};
#define RECORD_MEMORY (UINT64_C(4) << 30)

enum record_step {
    RECORD_STEP_CALL,    /* one more call was done */
    RECORD_STEP_END,     /* there is none */
    RECORD_STEP_DIFFERS, /* one was done, and something wasn't as it was */
    RECORD_STEP_FAILED,  /* the next can't be done; status says whose fault it is */
};

struct record_device;
struct record_run {
    struct record_file file;
    struct record_run_options options;
    struct record_run_hooks hooks;
    struct record_room room;
    struct td_stack *st;
    struct record_device *devices;
    uint64_t calls, in, out; /* so far; of frames those that got through */
    enum td_call_kind kind;  /* of the last call, or the one that failed */
    td_time at;              /* its time */
    uint32_t part;           /* of the set: which file */
    bool ended;              /* END was met: why, and the recorder's counts */
    enum record_why why;
    uint64_t end_calls, end_in, end_out;
    bool broken; /* it has no end; tail: what stands there instead */
    enum record_got tail;
    int signal; /* by which the last call ends the program; -1: otherwise */
    int status; /* FAILED: EXIT_FAILED or EXIT_USAGE */
    uint8_t *frame;
    size_t frame_cap;
    char *msg; /* where a difference is told, during a call */
    size_t msg_size;
    bool differs;
};

/* 0; else an exit status and a sentence. options and hooks may be NULL; what they point at must
 * stay. */
int record_run_open(struct record_run *run, const char *path,
                    const struct record_run_options *options, const struct record_run_hooks *hooks,
                    char *msg, size_t msg_size);
int record_run_bytes(struct record_run *run, const uint8_t *bytes, size_t len,
                     const struct record_run_options *options, const struct record_run_hooks *hooks,
                     char *msg, size_t msg_size);
/* The next call. */
enum record_step record_run_next(struct record_run *run, char *msg, size_t msg_size);
void record_run_close(struct record_run *run);

struct record_contents { /* what is in a file, without doing any of it */
    uint64_t calls, in, out, records;
    uint64_t by_kind[TD_CALL_KINDS];
    td_time first, last;
    bool ended;
    enum record_why why;
    enum record_got tail; /* RECORD_NO_MORE, or what is wrong behind the last whole record */
};
void record_contents(struct record_file *f,
                     struct record_contents *c); /* begins and ends at the start */

#endif
