/* drill/nstat.h: the counters of the stack under test as a script's nstat command sees them. */
#ifndef DRILL_NSTAT_H
#define DRILL_NSTAT_H

#include "core/counters.h"
#include "tapdeck/types.h"

struct td_stack;

/* What the last nstat saw: one a script, all zero at its beginning. */
struct nstat {
    uint64_t seen[CNT_COUNT];
};

/* What an nstat printed: the counters, and which of the lines are still there after grep. */
struct nstat_lines {
    uint64_t value[CNT_COUNT];
    bool there[CNT_COUNT];
};

/* nstat [-a] [-n] [-s] [-z] in word[0..n): fills in lines. False: it says something else. dry: what
 * was seen stays as it is. */
bool nstat_run(struct nstat *ns, const struct td_stack *st, bool dry, char (*word)[256], unsigned n,
               struct nstat_lines *lines);
/* Lines with `text` in them stay; their number. */
unsigned nstat_grep(struct nstat_lines *lines, const char *text);
/* Is there a counter with this in its name? */
bool nstat_known(const char *text);

#endif
