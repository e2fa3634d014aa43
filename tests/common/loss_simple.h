/* tests/common/loss_simple.h: detectors that are easy to believe in: oracles of the others. */
#ifndef TESTS_LOSS_SIMPLE_H
#define TESTS_LOSS_SIMPLE_H

#include "tapdeck/loss.h"

extern const struct td_loss_ops loss_simple;  /* the header's example: by a count of segments */
extern const struct td_loss_ops loss_is_lost; /* RFC 6675 4, word for word */
extern const struct td_loss_ops loss_rack; /* RFC 8985 6.2, word for word, reo_wnd = min RTT / 4 */

#endif
