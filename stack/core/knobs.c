/* core/knobs.c: the knob catalogue, from knobs.def, and an instance's first values. */
#include "core/knobs.h"

#include <string.h>

const struct knob_info knob_info[KNOB_COUNT] = {
#define KNOB(id, name, linux_v, rfc_v, min, max, doc)                                              \
    {name, NULL, {{linux_v, 0, 0}, {rfc_v, 0, 0}}, min, max, false, false, 1, doc},
#define KNOB3(id, name, a, b, c, min, max, doc)                                                    \
    {name, NULL, {{a, b, c}, {a, b, c}}, min, max, false, false, (c) == 0 ? 2 : 3, doc},
#define KNOBW(id, name, words, linux_v, rfc_v, doc)                                                \
    {name, words, {{linux_v, 0, 0}, {rfc_v, 0, 0}}, 0, 63, false, false, 1, doc},
#define KNOBS(id, name, words, bits, fixed, doc)                                                   \
    {name, words, {{bits, 0, 0}, {bits, 0, 0}}, 0, INT64_MAX, true, fixed, 1, doc},
#define IFKNOB(id, name, linux_v, rfc_v, min, max, doc)
#include "core/knobs.def"
#undef KNOB
#undef KNOB3
#undef KNOBW
#undef KNOBS
#undef IFKNOB
};

const struct knob_info ifknob_info[IFKNOB_COUNT] = {
#define KNOB(id, name, linux_v, rfc_v, min, max, doc)
#define KNOB3(id, name, a, b, c, min, max, doc)
#define KNOBW(id, name, words, linux_v, rfc_v, doc)
#define KNOBS(id, name, words, bits, fixed, doc)
#define IFKNOB(id, name, linux_v, rfc_v, min, max, doc)                                            \
    {name, NULL, {{linux_v, 0, 0}, {rfc_v, 0, 0}}, min, max, false, false, 1, doc},
#include "core/knobs.def"
#undef KNOB
#undef KNOB3
#undef KNOBW
#undef KNOBS
#undef IFKNOB
};

void knobs_init(struct knobs *k, enum profile profile)
{
    memset(k, 0, sizeof *k);
    k->profile = profile;
    for (unsigned i = 0; i < KNOB_COUNT; i++)
        memcpy(k->v[i], knob_info[i].def[profile], sizeof k->v[i]);
    /* conf.all starts at zero: it only ever adds to what an interface says. */
    for (unsigned i = 0; i < IFKNOB_COUNT; i++)
        k->dflt[i] = ifknob_info[i].def[profile][0];
}
