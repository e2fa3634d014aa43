/* tapdeck/console.h: the console: a line read, sent to the daemon, its answer shown. */
#ifndef TAPDECK_CONSOLE_H
#define TAPDECK_CONSOLE_H

#include "tapdeck/local.h"

/* With a terminal: readline, until Ctrl-D, `exit` or `quit`; the exit status of the last command.
 * Without: stdin is a script, which ends at the first command that fails, with that command's
 * status. */
int console(struct session *s);

/* stdout is a terminal and NO_COLOR isn't set (no-color.org). */
bool colours_wanted(void);

#endif
