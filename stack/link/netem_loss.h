/* link/netem_loss.h: netem's three ways to lose a frame. */
#ifndef LINK_NETEM_LOSS_H
#define LINK_NETEM_LOSS_H

#include "core/journal.h"
#include "link/chance.h"

struct netem_loss { /* zero: at the start */
    bool bad;       /* Gilbert-Elliott: in the bad state */
    uint8_t state;  /* four states: less one */
    struct chance_lean lean;
};

/* Is the next frame lost? *why then says by what. */
bool netem_loses(struct netem_loss *s, const struct td_netem *par, struct chance *rng,
                 enum journal_word *why);

#endif
