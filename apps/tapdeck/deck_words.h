/* tapdeck/deck_words.h: the words that move a tape: `step`, `back`, `goto`, `until`, `play` and
 * their like. */
#ifndef TAPDECK_DECK_WORDS_H
#define TAPDECK_DECK_WORDS_H

#include "replay/deck.h"
#include "tapdeck/local.h"

#define SPEED_MAX 0u /* as fast as it goes */

struct deck_session { /* a session's host->ctx */
    struct session *s;
    struct reel *reel;
    uint32_t speed; /* thousandths of the captured pace; SPEED_MAX */
    int heeded;     /* of `interrupts`, so many have been heeded */
    bool playing;   /* Enter stops it */
    struct text
        *kept; /* lines are kept here, the last of them, rather than printed; NULL: they aren't */
    uint64_t nkept;
    unsigned waited; /* calls of progress in this order */
    bool drawn;
};
/* For reel_open; their ctx is a struct deck_session. */
extern const struct reel_hooks deck_hooks;
/* All commands of the client in a session with a tape. */
extern const struct local_command *const deck_locals[];

/* Runs a command at this instant, as session_host.run. */
int deck_session_run(struct session *s, int argc, char *const *argv, bool json, FILE *out,
                     char *err, size_t err_size);
void deck_session_prompt(struct session *s, char *dst, size_t size);

/* Thousandths of "4x", "0.5x", "4"; SPEED_MAX of "max". False: it is none. */
bool deck_speed(const char *word, uint32_t *speed);

/* ---- for the words ---- */

#define TAKEN_BACK 100u /* lines that are kept at most */

struct deck_session *deck_of(const struct session *s);
/* Before the tape is moved, and after. */
void deck_begin(struct deck_session *d);
void deck_end(struct deck_session *d);
/* Has somebody pressed Ctrl-C (or Enter, while it plays) since the last look? */
bool deck_interrupted(void *ctx);
/* The line of the frame where it stands. */
void deck_print_here(struct deck_session *d);
void deck_seconds(td_time t, char dst[32]);
void deck_place_name(struct reel_place at, char dst[48]); /* "packet 42", "the beginning" */
/* The first frame that differed in the last move, if any, to standard error. */
void deck_say_differences(struct deck_session *d);
/* The sentence for a result that isn't what was asked for; the exit status. */
int deck_outcome(struct deck_session *d, enum reel_result result, const char *msg);

extern const struct local_command deck_step, deck_back, deck_goto, deck_until, deck_play,
    deck_pause, deck_speed_command;

#endif
