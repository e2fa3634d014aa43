/* replay/record_tape.h: a recorded run as a tape (tape.h): a step goes to the next frame in or out.
 */
#ifndef REPLAY_RECORD_TAPE_H
#define REPLAY_RECORD_TAPE_H

#include "replay/record_run.h"
#include "replay/tape.h"

/* FILE.deck; options may be NULL. NULL: *status is an exit status and msg a sentence. Its close
 * frees it. */
struct tape *record_tape_open(const char *path, const struct record_run_options *options,
                              int *status, char *msg, size_t msg_size);

#endif
