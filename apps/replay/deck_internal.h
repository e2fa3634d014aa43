/* replay/deck_internal.h: what the console's side and the tape's processes say to each other.
 *
 * A channel is a socket pair of whole messages (SOCK_SEQPACKET). The console gives an order, and
 * reads answers until the one that ends it. A process that has been forked answers on a channel of
 * its own, whose other end is handed to the console with the message that tells of it. What changes
 * while an order runs (stop!; where checkpoints are; which step is under way) stands in a page that
 * all share: only one of them is ever at work.
 */
#ifndef REPLAY_DECK_INTERNAL_H
#define REPLAY_DECK_INTERNAL_H

#include "replay/deck.h"

#include <sys/types.h>

#define DECK_BODY 32768 /* bytes behind a message's head, at most */

struct deck_shared {
    volatile uint32_t stop;
    volatile uint32_t n;     /* checkpoints */
    volatile uint64_t every; /* steps between them */
    volatile uint64_t have[DECK_CHECKPOINTS + 1];
    volatile uint64_t under_way;     /* the step that is, or that failed, counted from 1; 0: none */
    volatile uint64_t passed_number; /* of the frame before it */
};

enum deck_order { ORDER_FORK, ORDER_GO, ORDER_COMMAND };
enum deck_answer {
    ANSWER_FORKED,     /* of ORDER_FORK: place, pid, and the channel (none: `error`) */
    ANSWER_CHECKPOINT, /* the same, on the way */
    ANSWER_LINE,       /* place; body: the line */
    ANSWER_STOPPED,    /* ends ORDER_GO. body: the frame's line, a message, how the first frame
                          differed; zero bytes between */
    ANSWER_OUT,        /* of a command */
    ANSWER_NOTE,
    ANSWER_END, /* ends ORDER_COMMAND. status, changed; body: the sentence */
};

struct deck_message {
    uint32_t kind;
    int32_t error;          /* errno */
    int32_t result, status; /* enum reel_result; a command's */
    pid_t pid;
    bool json, tty, changed,
        copy; /* copy: ORDER_GO of a process that is thrown away: leaves no checkpoints */
    int32_t argc;
    uint64_t passed;  /* steps made */
    uint64_t differs; /* the first frame that did, 0: none */
    struct reel_place place;
    uint32_t len; /* of the body */
};

/* Sends a message and its body (head->len bytes), and a descriptor if fd >= 0. False: nobody is
 * there. */
bool deck_send(int channel, const struct deck_message *head, const void *body, int fd);
/* Reads one; body has DECK_BODY + 1 bytes, and a zero byte is put behind what came. *fd: -1 if none
 * came with it. */
bool deck_receive(int channel, struct deck_message *head, char *body, int *fd);

/* deck_head.c: a process of the tape: does what it is told, until the channel is closed. `console`:
 * its parent. */
_Noreturn void deck_serve(struct tape *t, struct deck_shared *shared, int channel, pid_t console);

/* Names of states, however they are written: "FIN_WAIT_2", "FIN-WAIT-2", "fin_wait2". */
bool deck_same_state(const char *a, const char *b);
int deck_state_number(const char *name); /* enum tcp_state; 0: none */

#endif
