/* tapdeck/replay_live.h: `replay --live` and `replay --inject`: a capture and a real device. */
#ifndef TAPDECK_REPLAY_LIVE_H
#define TAPDECK_REPLAY_LIVE_H

#include "tapdeck/local.h"

/* Is one of the two among the words? Then it has words of its own, and replay_live runs it. */
bool replay_is_live(int argc, char **argv);
int replay_live(struct session *s, int argc, char **argv);

#endif
