/* tapdeck/wire.h: `tapdeck wire`: two TAP devices joined by an impaired wire. */
#ifndef TAPDECK_WIRE_H
#define TAPDECK_WIRE_H

#include "tapdeck/qdisc.h"
#include "tapdeck/types.h"

struct wire_options {
    const char *tap[2];
    uint32_t mtu;
    bool persist;
    struct td_qdisc_chain way[2]; /* from the first to the second, and back */
};
/* Reads the words behind `wire`; a direction without a seed gets one from `seed`. False: msg is a
 * sentence. */
bool wire_words(int argc, char *const *argv, uint64_t seed, struct wire_options *o, char *msg,
                size_t msg_size);

int wire_main(int argc, char **argv); /* argv[0] is "wire" */

#endif
