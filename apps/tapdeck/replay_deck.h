/* tapdeck/replay_deck.h: `replay -i`: a tape with a console. */
#ifndef TAPDECK_REPLAY_DECK_H
#define TAPDECK_REPLAY_DECK_H

#include "replay/observe.h"
#include "tapdeck/local.h"

#define DECK_LINES 64

struct play_mend;
struct deck_words {
    bool wanted;
    const char *line[DECK_LINES]; /* -e: run instead of what standard input has */
    size_t nlines;
    /* which tape */
    struct tape *tape; /* it is open already: taken over; NULL: what follows tells */
    const char *file;
    int64_t flow; /* -1: all */
    enum observe_sums sums;
    const char *play; /* the side that the stack is; NULL: it is only watched */
    const struct play_mend *mend; /* of a side */
    const char *const *knob;
    size_t nknobs;
    bool json;
};
/* The status of the last line that failed. */
int replay_deck(struct session *s, const struct deck_words *w);

#define REPLAY_DECK_USAGE                                                                          \
    "replay -i [-e LINE]... [--flow N] [--checksums {honour|repair|drop}] [-j] FILE\n"             \
    "replay -i [-e LINE]... --play {client|server|ADDR:PORT} [--flow N] [--knob NAME=VALUE]...\n" \
    "       [--mtu N] [--checksums {honour|repair|drop}] [--midstream {assume|refuse}] [-j] FILE\n"                                                                                  \
    "replay -i [-e LINE]... {--play ADDR[/LEN] [--on IFACE] [--mac MAC]}... [--run COMMAND]...\n"   \
    "       [--config FILE] [--knob NAME=VALUE]... [--mtu N] [--checksums {honour|repair|drop}] FILE...\n" \
    "replay -i [-e LINE]... [-j] FILE.deck"
#define REPLAY_DECK_MORE                                                                           \
    "replay -i is a console in which the file is a tape: play, step, back, goto, until move it, "  \
    "forward and back, and\n"                                                                      \
    "every other command answers for that instant: of a capture that is only watched ss, pcb, "    \
    "ladder, graph; with\n"                                                                        \
    "--play, and of a recorded run, all of the daemon's. What a command changes it changes in a "  \
    "copy: the tape stays\n"                                                                       \
    "as it is. Without a terminal the lines of the standard input are run; -e runs LINE instead, " \
    "also several. The\n"                                                                          \
    "status is that of the last line that failed.\n"

#endif
