/* tapdeck/series.h: `tapdeck series`: a connection's variables over time, as text, CSV or a plot.
 */
#ifndef TAPDECK_SERIES_H
#define TAPDECK_SERIES_H

#include <stdbool.h>
#include <stdio.h>

#include "tapdeck/local.h"

struct series_options {
    long long id; /* the socket's number; -1: the newest connection that has samples */
    bool csv, plot;
    const char *svg; /* --plot=FILE: an SVG file; NULL: the terminal */
};
/* Reads the words behind `series`. False: msg is a sentence. */
bool series_words(int argc, char *const *argv, struct series_options *o, char *msg,
                  size_t msg_size);

/* rows: what `table series -j` printed. Prints CSV, text, or gnuplot's commands with their data,
 * for the chosen connection. EXIT_DONE, or another status and a sentence. */
int series_print(const char *rows, const struct series_options *o, FILE *out, char *msg,
                 size_t msg_size);


#endif
