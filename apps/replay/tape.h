/* replay/tape.h: what can be played, stopped and rewound: a capture with the stack in it, or a recorded run.
 *
 * Theory of operation. A tape is a row of frames, numbered upwards, and whatever else happens between
 * them: timers, calls of applications. It goes forward only, a frame at a step, and always the same way: what
 * it does depends on its file alone. Who wants to go back goes forward again from somewhere before: a checkpoint is
 * a fork() of the process that holds the tape (deck.h), and nothing is ever serialised.
 *
 * So a tape must bear being forked between any two steps. It starts no thread, and reads its file
 * through a mapping (mapped.h) or with pread: a file's offset is shared by parent and child, and would move under both.
 * Nor does it write to a terminal or a file while it moves: many processes go over the same place.
 *
 * After each step the tape stands at an instant: its stack (where it has one) is as it was then, and every
 * command of the daemon that only looks can be run on `deck`. A command that changes something may be run too, in
 * a process that is thrown away afterwards: the tape itself must not notice.
 */
#ifndef REPLAY_TAPE_H
#define REPLAY_TAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tapdeck/types.h"

struct deck;
struct text;
struct tape;

enum tape_dir { TAPE_IN, TAPE_OUT, TAPE_SEEN }; /* into the stack, out of it, past the tracker */

struct tape_frame {        /* the one that the last step came to */
    uint64_t number;       /* in a capture Wireshark's; in a recorded run counted from 1, both ways together */
    td_time at;            /* ns since the tape's beginning */
    int64_t wall;          /* ns since 1970; 0: not known */
    enum tape_dir dir;
    uint32_t ifindex;      /* the stack's; 0: there is none */
    const uint8_t *bytes;  /* Ethernet; good until the next step */
    size_t len;
};

enum tape_step { TAPE_FRAME, TAPE_END, TAPE_DIFFERS, TAPE_FAILED };

struct tape_ops {
    const char *kind; /* "capture", "record": for sentences */
    /* On to the next frame, and over it: sets `frame`, counts `steps`.
     * END: there is none, and nothing has happened: the tape stands where and as it stood before.
     * DIFFERS: a step as any other, but the frame isn't what it was when the tape was made (msg says how).
     * FAILED: the tape can't be gone on from, nor looked at (msg says why), but before that frame it can. */
    enum tape_step (*step)(struct tape *t, char *msg, size_t msg_size);
    /* One line about the frame that the last step came to: what is printed as the tape moves. */
    void (*line)(const struct tape *t, struct text *out);
    /* Has an end of a connection come into this state ("FIN_WAIT_2", Linux's name, or the RFC's) with the last step? NULL: the
     * journal of the deck's stack is asked. */
    bool (*in_state)(const struct tape *t, const char *state);
    /* A command that the tape answers itself (of observed captures: `ss`, `pcb`); false: not its own. NULL: it has none. */
    bool (*command)(struct tape *t, int argc, char *const *argv, bool json, struct text *out, int *status);
    void (*close)(struct tape *t);
};

struct tape {
    const struct tape_ops *ops;
    struct deck *deck;       /* what the daemon's commands are run on; NULL: there is no stack */
    uint64_t steps;          /* made so far */
    uint64_t total;          /* of them there are; 0: not known */
    uint64_t first, last;    /* numbers of the first and the last frame; 0: not known */
    td_time length;          /* ns; 0: not known */
    struct tape_frame frame; /* number 0: before the first */
};

#endif
