/* tapdeck/pager.h: output that is longer than the screen is shown by $PAGER. */
#ifndef TAPDECK_PAGER_H
#define TAPDECK_PAGER_H

#include <stdbool.h>
#include <sys/types.h>

struct pager {
    pid_t pid;
};
/* A descriptor to write to, whose output appears on the terminal; -1: standard output is none, or
 * there is no pager. */
int pager_begin(struct pager *p);
/* Waits until everything has been shown, and the person has left the pager. The descriptor must be
 * closed by now. */
void pager_end(struct pager *p);

/* Rows and columns of the terminal: 24 and 80 when it doesn't say. */
void screen_size(unsigned *rows, unsigned *columns);
/* How many rows of the terminal the text takes; the last line counts even without its newline.
 * Stops counting at `enough`. */
unsigned rows_taken(const char *text, size_t n, unsigned columns, unsigned enough);

#endif
