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

#endif
