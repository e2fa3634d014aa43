/* link/netem_loss.c: netem's three ways to lose a frame (tc-netem(8)).
 *
 * Theory of operation.
 *
 *     random     each frame with probability `loss`; with a correlation, each draw leans on the
 * last
 *
 *     gemodel    Gilbert-Elliott: a channel that is in a good or a bad state; each frame is lost
 * with that state's probability (1-k good, 1-h bad), then the state may change (p good to bad, r
 * bad to good). With 1-h = 100 % losses come in bursts of 1/r frames.
 *
 *     state      a Markov chain of four states, entered before the frame is judged:
 *                     1  gap, received      2  burst, received
 *                     4  gap, lost alone    3  burst, lost
 *                From 1 to 4 with p14, to 3 with p13; from 3 to 2 with p32, to 1 with p31; from 2
 * to 3 with p23; from 4 always back to 1. So bursts of loss may have frames that get through in
 * between, and single losses may stand between bursts.
 */
#include "link/netem_loss.h"

enum { GAP, BURST, BURST_LOST, GAP_LOST }; /* states 1, 2, 3, 4 */

static bool gemodel(struct netem_loss *s, const struct td_netem *par, struct chance *rng,
                    enum journal_word *why)
{
    bool bad = s->bad;

    if (chance_hits(rng, bad ? par->ge_r : par->ge_p))
        s->bad = !bad;
    if (!chance_hits(rng, bad ? par->ge_bad : par->ge_good))
        return false;
    *why = bad ? W_LOSS_BURST : W_LOSS;
    return true;
}

/* Takes the first with probability a, the second with probability b, or stays. */
static uint8_t step(struct chance *rng, uint8_t stay, uint32_t a, uint8_t first, uint32_t b,
                    uint8_t second)
{
    uint32_t x = (uint32_t)(chance_draw(rng) >> 32);

    if (a == UINT32_MAX || x < a)
        return first;
    return b == UINT32_MAX || (uint64_t)x < (uint64_t)a + b ? second : stay;
}

static bool four_state(struct netem_loss *s, const struct td_netem *par, struct chance *rng,
                       enum journal_word *why)
{
    switch (s->state) {
    case GAP:
        s->state = step(rng, GAP, par->p14, GAP_LOST, par->p13, BURST_LOST);
        break;
    case BURST:
        s->state = step(rng, BURST, par->p23, BURST_LOST, 0, BURST);
        break;
    case BURST_LOST:
        s->state = step(rng, BURST_LOST, par->p32, BURST, par->p31, GAP);
        break;
    default:
        s->state = GAP;
        break;
    }
    *why = s->state == BURST_LOST ? W_LOSS_BURST : W_LOSS;
    return s->state == BURST_LOST || s->state == GAP_LOST;
}

bool netem_loses(struct netem_loss *s, const struct td_netem *par, struct chance *rng,
                 enum journal_word *why)
{
    if (par->ge_p > 0 && gemodel(s, par, rng, why))
        return true;
    if (par->four_state && four_state(s, par, rng, why))
        return true;
    *why = W_LOSS;
    if (par->loss == 0 || par->loss_corr == 0)
        return chance_hits(rng, par->loss);
    return chance_leaning(rng, &s->lean, par->loss_corr) < par->loss;
}
