/* core/counters.h: what nstat and `ip -s link` print.
 *
 * Every counter is one line of core/counters.def, with the MIB name that nstat prints (RFC 1213 /
 * RFC 4293 / RFC 4022 / Linux's TcpExt and IpExt), so that a student can compare column by column
 * with the kernel's. A bump is one add to an array in the instance.
 */
#ifndef CORE_COUNTERS_H
#define CORE_COUNTERS_H

#include "tapdeck/types.h"

enum counter {
#define COUNTER(name, doc) CNT_##name,
#include "core/counters.def"
#undef COUNTER
    CNT_COUNT
};

struct counters {
    uint64_t v[CNT_COUNT];
};

struct counter_info {
    const char *name; /* as nstat prints it: "IpInReceives" */
    const char *doc;
};
extern const struct counter_info counter_info[CNT_COUNT];

#define count(st, name)        ((void)(st)->counters.v[CNT_##name]++)
#define count_add(st, name, n) ((void)((st)->counters.v[CNT_##name] += (uint64_t)(n)))

#endif
