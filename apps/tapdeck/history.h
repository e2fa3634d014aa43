/* tapdeck/history.h: the console's history file, which several consoles write at once. */
#ifndef TAPDECK_HISTORY_H
#define TAPDECK_HISTORY_H

#include <stdbool.h>
#include <stddef.h>

/* $TAPDECK_HISTORY, else ~/.tapdeck_history. False: there shall be none. */
bool history_file(char *dst, size_t size);
/* Adds a line at the end. */
void history_file_add(const char *path, const char *line);
/* Drops the oldest lines when there are more than twice `keep`. */
void history_file_trim(const char *path, unsigned keep);

#endif
