/* tapdeck/console.h: the console: a line read, sent to the daemon, its answer shown. */
#ifndef TAPDECK_CONSOLE_H
#define TAPDECK_CONSOLE_H

#include "tapdeck/client.h"

/* With a terminal: readline, until Ctrl-D, `exit` or `quit`; the exit status of the last command.
 * Without: stdin is a script, which ends at the first command that fails, with that command's
 * status. */
int console(struct client *c, const char *name, bool json);

/* stdout is a terminal and NO_COLOR isn't set (no-color.org). */
bool colours_wanted(void);

/* Commands that need no daemon: doctor, wire. -1: it is none of them. */
int local_command(int argc, char **argv, bool json);

#endif
