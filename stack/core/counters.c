/* core/counters.c: the names and meanings of the counters, from counters.def. */
#include "core/counters.h"

const struct counter_info counter_info[CNT_COUNT] = {
#define COUNTER(name, doc) {#name, doc},
#include "core/counters.def"
#undef COUNTER
};
