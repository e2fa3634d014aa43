/* tests/common/reasm_simple.h: a reassembler that is easy to believe in: the oracle of the others.
 */
#ifndef TESTS_REASM_SIMPLE_H
#define TESTS_REASM_SIMPLE_H

#include "tapdeck/reassembly.h"

extern const struct td_reassembly_ops reasm_simple;

#endif
