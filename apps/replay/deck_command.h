/* replay/deck_command.h: a command at an instant of a tape, in a process that is thrown away
 * afterwards. */
#ifndef REPLAY_DECK_COMMAND_H
#define REPLAY_DECK_COMMAND_H

#include "replay/tape.h"

/* Runs it and answers on the channel (deck_internal.h: ANSWER_OUT, ANSWER_NOTE, ANSWER_END). */
void deck_command(struct tape *t, int channel, int argc, char *const *argv, bool json, bool tty);

/* Why a command of the daemon can't be run on a tape: a sentence; NULL: it can. */
const char *deck_command_refused(int argc, char *const *argv);

#endif
