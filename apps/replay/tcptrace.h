/* replay/tcptrace.h: a connection's statistics as tcptrace -l -r has them: the same lines, the same
 * names. */
#ifndef REPLAY_TCPTRACE_H
#define REPLAY_TCPTRACE_H

#include "common/text.h"
#include "replay/track.h"

/* Calls `line` for each: a's value is of what the client sent, b's of the server; unit may be "".
 */
typedef void tcptrace_line(void *ctx, const char *name, const char *a, const char *b,
                           const char *unit);
void tcptrace_lines(const struct flow *f, tcptrace_line *line, void *ctx);
/* The same as text, side by side. */
void tcptrace_text(const struct flow *f, struct text *out);

double tcptrace_root(double x);

#endif
