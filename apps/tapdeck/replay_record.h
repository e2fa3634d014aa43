/* tapdeck/replay_record.h: `tapdeck replay` of a recorded run. */
#ifndef TAPDECK_REPLAY_RECORD_H
#define TAPDECK_REPLAY_RECORD_H

#include "tapdeck/local.h"

struct replay_record_words {
    const char *file;
    bool list, json;
};
int replay_record(struct session *s, const struct replay_record_words *w);

#endif
