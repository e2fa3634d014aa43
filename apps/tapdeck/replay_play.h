/* tapdeck/replay_play.h: `replay --play`: one end of a connection, and what is done about the flaws
 * of its capture. */
#ifndef TAPDECK_REPLAY_PLAY_H
#define TAPDECK_REPLAY_PLAY_H

#include "replay/play.h"
#include "tapdeck/local.h"

struct mend_words {
    struct play_mend mend;
    bool refuse;        /* --midstream refuse: nobody is asked */
    const char *option; /* the last of those that only --play has; NULL: none */
};
#define MEND_WORDS ((struct mend_words){.mend = {.sums = SUMS_REPAIR}})

/* --checksums, --mtu, --midstream. EXIT_DONE: it was one, with a value that is right; -1: it is
 * none of them. */
int mend_option(struct session *s, const char *option, const char *value, struct mend_words *w);
bool replay_sums(const char *word, enum observe_sums *sums); /* honour, repair, drop */
/* Reads the flow from the file. Where its handshake wasn't captured and a person sits there, asks
 * what to do: *observe, if it is to be watched instead (then p is empty). An exit status and a
 * sentence. */
int replay_play_load(struct play *p, const char *file, int64_t flow, const char *side,
                     const struct mend_words *w, bool *observe, char *msg, size_t msg_size);

#define REPLAY_MEND_MORE                                                                           \
    "--play mends what a capture has wrong, and says so: a segment with a wrong checksum is "      \
    "taken\n"                                                                                      \
    "for right (--checksums honour: the stack gets it as it is; drop: it is left out), bytes "     \
    "that\n"                                                                                       \
    "the snap length cut off are zeros, super-segments, which no wire carries, are cut to the "    \
    "MSS\n"                                                                                        \
    "(or for --mtu N), times that go back are held. A connection whose handshake wasn't captured " \
    "is\n"                                                                                         \
    "played from one that is assumed (--midstream assume: MSS 1460, window scale 7 or more, a "    \
    "second\n"                                                                                     \
    "before the first packet) or not at all (refuse); without the word you are\n"                  \
    "asked on a terminal, and it is refused elsewhere.\n"

#endif
