/* drill/names.h: words of the packet notation, for reading and for writing. */
#ifndef DRILL_NAMES_H
#define DRILL_NAMES_H

#include "tapdeck/types.h"

struct icmp_name {
    uint8_t type, code;
    const char *name;
};
/* Several names may stand for one number: the first is the one that is written. */
extern const struct icmp_name icmp_types[];
extern const size_t icmp_types_n;
extern const struct icmp_name icmp_codes[];
extern const size_t icmp_codes_n;

struct flag_letter {
    char letter;
    uint16_t bit;
};
extern const struct flag_letter flag_letters[]; /* in the order they are written */
extern const size_t flag_letters_n;

/* Indexed by enum drill_ecn, without DRILL_TOS. */
extern const char *const ecn_names[6];
/* Of an AccECN option: by its order, then position. */
extern const char *const accecn_names[2][3];

#endif
