/* drill/nstat.c: nstat(8) without a shell; see nstat.h.
 *
 * Theory of operation. nstat prints what was added to each counter since it was last called, one
 * line a counter that changed: its name, the number, a rate. -a prints the counters themselves, -z
 * those at zero too, -s leaves what was seen as it is, -n prints nothing. Scripts look at the lines
 * with grep, for a name, and for a number with a blank on either side of it.
 */
#include "tapdeck/drill/nstat.h"

#include "core/stack.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool nstat_run(struct nstat *ns, const struct td_stack *st, bool dry, char (*word)[256], unsigned n,
               struct nstat_lines *lines)
{
    bool all = false, zeros = false, keep = dry, silent = false;
    memset(lines, 0, sizeof *lines);
    for (unsigned i = 1; i < n; i++) {
        if (word[i][0] != '-' || word[i][1] == '\0') {
            return false;
        }
        for (const char *o = word[i] + 1; *o != '\0'; o++) {
            switch (*o) {
            case 'a':
                all = true;
                break;
            case 'n':
                silent = true;
                break;
            case 's':
                keep = true;
                break;
            case 'z':
                zeros = true;
                break;
            default:
                return false;
            }
        }
    }
    for (size_t i = 0; i < CNT_COUNT; i++) {
        uint64_t now = st->counters.v[i];
        lines->value[i] = all ? now : now - ns->seen[i];
        lines->there[i] = !silent && (zeros || lines->value[i] != 0);
        if (!keep) {
            ns->seen[i] = now;
        }
    }
    return true;
}

unsigned nstat_grep(struct nstat_lines *lines, const char *text)
{
    unsigned left = 0;
    for (size_t i = 0; i < CNT_COUNT; i++) {
        char line[128];
        if (!lines->there[i]) {
            continue;
        }
        snprintf(line, sizeof line, "%-32s%-16" PRIu64 "%.1f", counter_info[i].name,
                 lines->value[i], 0.0);
        lines->there[i] = strstr(line, text) != NULL;
        left += lines->there[i];
    }
    return left;
}

bool nstat_known(const char *text)
{
    for (size_t i = 0; i < CNT_COUNT; i++) {
        if (strstr(counter_info[i].name, text) != NULL) {
            return true;
        }
    }
    return false;
}
