/* replay/report.h: `tapdeck replay --report html`: a capture as one page that needs nothing else.
 *
 * Theory of operation. The page listens to the same pass through the capture as the text does
 * (observe.h) and keeps each row as the JSON that will stand in the page. How many rows it keeps is
 * bounded, for a page of a million rows nobody can open: when there are ROWS_MAX, every other of
 * those that show nothing in particular is dropped, and from then on only every other such packet
 * is taken in; so what remains is spread over the whole capture, and what is marked
 * (retransmissions, changes of state, …) stays as long as there is room. How much was left out is
 * said on the page.
 *
 * Connections can be chosen, up to FLOWS_MAX of them; rows of others aren't taken.
 *
 * At the end the page is written: its parts (report/) were put into the program when it was built.
 * It holds its scripts, its style and its data, and a policy that forbids it to fetch or run
 * anything else. The data is JSON in which <, > and & are escaped: nothing that a capture says can
 * end the element that holds it; and the script only ever sets text.
 */
#ifndef REPLAY_REPORT_H
#define REPLAY_REPORT_H

#include "replay/observe.h"

#define REPORT_ROWS_MAX  50000u
#define REPORT_FLOWS_MAX 300u /* connections that can be chosen */

struct verdicts;
struct report_line {
    char *json; /* of one row */
    bool marked;
};
struct report {
    struct observe_listener listener; /* hand this to observe_run; first in the struct */
    struct verdicts *verdicts;        /* what the stack in the place of one end said, or NULL */
    const char *name;                 /* of the file; borrowed */
    FILE *out;
    struct track_row last; /* that was taken */
    int64_t first;         /* ns since 1970 */
    bool any;              /* a segment was told; */
    uint32_t first_flow;   /* of this connection */
    struct report_line *line;
    size_t lines, room, rows_max; /* rows_max: REPORT_ROWS_MAX, unless somebody says less */
    unsigned thin[2];             /* one of 2^thin rows is kept: of plain ones, of marked ones */
    uint64_t told[2];             /* rows that came */
};
/* The page goes to `out` when the capture is over. */
void report_begin(struct report *r, const char *name, struct verdicts *verdicts, FILE *out);
void report_done(struct report *r);

/* report_words.c: a connection in some sentences. */
void report_summary(const struct flow *f, struct text *out);

/* report_files.c: the parts of the page. */
struct report_file {
    const char *begin, *end;
};
extern const struct report_file report_page, report_style, report_plot_style, report_plot_script,
    report_plot_license;
#define REPORT_SCRIPTS 6
extern const struct report_file report_script[REPORT_SCRIPTS];

#endif
