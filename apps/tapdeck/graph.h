/* tapdeck/graph.h: `graph`: a connection's congestion window, sequence numbers or round trips over
 * time, drawn by gnuplot.
 */
#ifndef TAPDECK_GRAPH_H
#define TAPDECK_GRAPH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum graph_kind { GRAPH_CWND, GRAPH_SEQ, GRAPH_RTT };

struct graph_options {
    const char *conn;
    enum graph_kind kind;
    bool in, out;           /* seq: whose text; neither: whoever sent more */
    bool json;              /* the numbers instead of a picture */
    const char *file;       /* .svg or .png; NULL: the terminal */
    bool colours;           /* the terminal shows them */
    unsigned rows, columns; /* of the terminal */
};

/* Reads the words behind `graph`. False: msg is a sentence. */
bool graph_words(int argc, char *const *argv, struct graph_options *o, char *msg, size_t msg_size);

/* story: what `ladder CONN -j` printed; samples: the rows of `table series -j`, or NULL. Writes
 * gnuplot's commands with their data. EXIT_DONE; EXIT_FAILED and a sentence: there is nothing to be
 * drawn. note: what the reader should know of the picture, or "". */
int graph_print(const json_t *story, const json_t *samples, const struct graph_options *o,
                FILE *out, char *note, size_t note_size, char *msg, size_t msg_size);

/* The same as one JSON object: what would be drawn. */
int graph_json(const json_t *story, const json_t *samples, const struct graph_options *o, FILE *out,
               char *msg, size_t msg_size);

#endif
