/* link/chance.h: the dice of impairments.
 *
 * SplitMix64, seeded by whoever configures: nothing here is a secret, and it must not draw from the
 * stack's own generator, or an impairment would change the stack's initial sequence numbers. The
 * same seed gives the same draws. Probabilities are parts per 2^32; UINT32_MAX is always.
 */
#ifndef LINK_CHANCE_H
#define LINK_CHANCE_H

#include "tapdeck/device.h"

struct chance {
    uint64_t state;
};
/* One stream of draws each of which leans on the one before (netem's correlations). */
struct chance_lean {
    uint32_t last;
    bool primed;
};

uint64_t chance_draw(struct chance *c);
/* True with probability prob. Draws only when there is a choice. */
bool chance_hits(struct chance *c, uint32_t prob);
/* Uniform in [0, bound), bound > 0. */
uint64_t chance_below(struct chance *c, uint64_t bound);
/* 32 bits: (1 - rho) of a fresh draw and rho of the last one. rho 0: independent. */
uint32_t chance_leaning(struct chance *c, struct chance_lean *l, uint32_t rho);
/* v * x / 2^32, rounded down. */
uint64_t chance_share(uint64_t v, uint32_t x);
/* The value below which lies the share x / 2^32 of a distribution with mean 0, in units of 1/8192
 * of tc's deviation. Not for TD_DIST_UNIFORM. */
int32_t chance_quantile(enum td_netem_dist dist, uint32_t x);

#endif
