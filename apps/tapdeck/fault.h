/* tapdeck/fault.h: `fault reveal`, the part of `fault` that asks no daemon. */
#ifndef TAPDECK_FAULT_H
#define TAPDECK_FAULT_H

#include "tapdeck/local.h"

bool fault_is_local(int argc, char *const *argv);
int fault_reveal(struct session *s, int argc, char **argv);

#endif
