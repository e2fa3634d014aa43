/* replay/knob_words.h: knobs of a played host, as NAME=VALUE. */
#ifndef REPLAY_KNOB_WORDS_H
#define REPLAY_KNOB_WORDS_H

#include "tapdeck/stack.h"

/* 0, or what td_knob_set says; -ENOENT also if it isn't NAME=VALUE. */
int knob_word(struct td_stack *st, const char *word);
/* Those of --knob, in their order. 0, or an exit status and a sentence. */
int knob_words(struct td_stack *st, const char *const *word, size_t n, char *msg, size_t msg_size);

#endif
