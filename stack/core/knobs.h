/* core/knobs.h: the knob registry.
 *
 * A knob is one line of core/knobs.def: Linux's sysctl name, its value under the two profiles
 * (`linux`: what a stock kernel does; `rfc`: the RFCs' own constants), its range and a sentence.
 * Code reads it as knob(st, NAME); only the door writes it (td_knob_set). Values are integers,
 * or up to three of them (tcp_rmem); a knob of words (tcp_congestion_control) holds the index of
 * the word in its list, a knob that is a set of words (tcp_allowed_congestion_control) a bit for each
 * of its list. Per-interface knobs (net.ipv4.conf.IFACE.x, net.ipv4.neigh.IFACE.x) are
 * lines of IFKNOB: each interface has its own copy; "all" and "default" work as in Linux.
 */
#ifndef CORE_KNOBS_H
#define CORE_KNOBS_H

#include "tapdeck/types.h"

enum knob_id {
#define KNOB(id, name, linux_v, rfc_v, min, max, doc)       KNOB_##id,
#define KNOB3(id, name, a, b, c, min, max, doc)             KNOB_##id,
#define KNOBW(id, name, words, linux_v, rfc_v, doc)         KNOB_##id,
#define KNOBS(id, name, words, bits, fixed, doc)            KNOB_##id,
#define IFKNOB(id, name, linux_v, rfc_v, min, max, doc)
#include "core/knobs.def"
#undef KNOB
#undef KNOB3
#undef KNOBW
#undef KNOBS
#undef IFKNOB
    KNOB_COUNT
};

enum ifknob_id {
#define KNOB(id, name, linux_v, rfc_v, min, max, doc)
#define KNOB3(id, name, a, b, c, min, max, doc)
#define KNOBW(id, name, words, linux_v, rfc_v, doc)
#define KNOBS(id, name, words, bits, fixed, doc)
#define IFKNOB(id, name, linux_v, rfc_v, min, max, doc) IFKNOB_##id,
#include "core/knobs.def"
#undef KNOB
#undef KNOB3
#undef KNOBW
#undef KNOBS
#undef IFKNOB
    IFKNOB_COUNT
};

enum profile { PROFILE_LINUX, PROFILE_RFC };

struct knob_info {
    const char *name;  /* "net.ipv4.tcp_keepalive_time"; IFKNOB: "conf.%s.arp_ignore" (after net.ipv4.) */
    const char *words; /* KNOBW, KNOBS: "reno cubic", else NULL */
    int64_t def[2][3]; /* [profile][value] */
    int64_t min, max;
    bool set;          /* KNOBS: any of the words */
    bool fixed;        /* can be read only */
    uint8_t nvalues;   /* 1, 3, or 2: a range, first and last (a KNOB3 whose third value is 0) */
    const char *doc;
};
extern const struct knob_info knob_info[KNOB_COUNT];
extern const struct knob_info ifknob_info[IFKNOB_COUNT];

struct knobs {
    enum profile profile;
    int64_t v[KNOB_COUNT][3];
    int64_t all[IFKNOB_COUNT];  /* conf.all.x */
    int64_t dflt[IFKNOB_COUNT]; /* conf.default.x: what a new interface starts with */
};

void knobs_init(struct knobs *k, enum profile profile);

/* How the journal names a knob in one number: KNOB_x; or, for a per-interface knob, KNOB_COUNT +
 * IFKNOB_x and whose it is above: an interface's index, KNOB_WHO_ALL or KNOB_WHO_DEFAULT. */
#define KNOB_WHO_ALL                UINT64_C(0)
#define KNOB_WHO_DEFAULT            UINT64_C(0xffffffff)
#define KNOB_SUBJECT(number, who)   ((uint64_t)(who) << 16 | (uint64_t)(number))

#define knob(st, id)     ((st)->knobs.v[KNOB_##id][0])
#define knob_n(st, id, n) ((st)->knobs.v[KNOB_##id][n])
/* A per-interface knob's effective value: the larger of all and the interface's, as Linux does for
 * arp_ignore and the like. nif is a struct netif. */
#define ifknob(st, nif, id)                                                                        \
    ((nif)->knob[IFKNOB_##id] > (st)->knobs.all[IFKNOB_##id] ? (nif)->knob[IFKNOB_##id]            \
                                                            : (st)->knobs.all[IFKNOB_##id])

#endif
