/* tapdeck/graph.c: what a plot of a connection consists of.
 *
 * Theory of operation. There are two sources. The record of segments (`ladder CONN -j`) is always
 * on and has everything, but reaches back only so far. The series (`table series`), which must be
 * switched on, has samples of the variables over a connection's whole life. cwnd and rtt take the
 * series where there is one; seq needs segments.
 *
 *   cwnd   congestion window, ssthresh, bytes in flight
 *   rtt    smoothed round trip and RTO; and, from segments, each round trip of text that was sent
 * once (Karn), as points seq    time and sequence number, as tcptrace draws them: each segment of
 * text a bar, those sent again in a colour of their own, the acknowledged number and the edge of
 * the window as lines, and the blocks of SACKs
 *
 * Data go into gnuplot's commands as named blocks, so that one file is all there is.
 */
#include "tapdeck/graph.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/control.h"

bool graph_words(int argc, char *const *argv, struct graph_options *o, char *msg, size_t msg_size)
{
    static const char *const kinds[] = {"cwnd", "seq", "rtt"};
    static const char right[] = "write `graph CONN cwnd|seq|rtt [-o FILE.svg|FILE.png]`";
    int kind = -1;
    for (int i = 0; i < argc; i++) {
        int k = 0;
        while (k < 3 && strcmp(argv[i], kinds[k]) != 0)
            k++;
        if (strcmp(argv[i], "-o") == 0 && i + 1 < argc) {
            o->file = argv[++i];
        } else if (strcmp(argv[i], "-o") == 0) {
            (void)snprintf(msg, msg_size, "after '-o' write the file's name: plot.svg or plot.png");
            return false;
        } else if (strcmp(argv[i], "-j") == 0) {
            o->json = true;
        } else if (strcmp(argv[i], "--in") == 0) {
            o->in = true;
        } else if (strcmp(argv[i], "--out") == 0) {
            o->out = true;
        } else if (k < 3 && kind < 0) {
            kind = k;
        } else if (o->conn == NULL && argv[i][0] != '-') {
            o->conn = argv[i];
        } else {
            (void)snprintf(msg, msg_size, "'%s' makes no sense here: %s", argv[i], right);
            return false;
        }
    }
    if (o->conn == NULL || kind < 0) {
        (void)snprintf(msg, msg_size, "%s is missing: %s",
                       o->conn == NULL ? "the connection" : "what to draw (cwnd, seq or rtt)",
                       right);
        return false;
    }
    o->kind = (enum graph_kind)kind;
    if ((o->in || o->out) && (o->kind != GRAPH_SEQ || (o->in && o->out))) {
        (void)snprintf(msg, msg_size, "--in (text received) or --out (text sent) goes with seq");
        return false;
    }
    size_t n = o->file != NULL ? strlen(o->file) : 0;
    if (o->file != NULL &&
        (n < 5 || strchr(o->file, '\n') != NULL ||
         (strcmp(o->file + n - 4, ".svg") != 0 && strcmp(o->file + n - 4, ".png") != 0))) {
        (void)snprintf(msg, msg_size, "'%s': the file's name ends in .svg or .png", o->file);
        return false;
    }
    return true;
}

/* ---- rows ---- */

static double number(const json_t *row, const char *key)
{
    return (double)json_integer_value(json_object_get(row, key));
}

static bool is(const json_t *row, const char *key, const char *value)
{
    const char *s = json_string_value(json_object_get(row, key));
    return s != NULL && strcmp(s, value) == 0;
}

static bool has(const json_t *row, const char *key)
{
    return json_object_get(row, key) != NULL;
}

static double seconds(const json_t *row, const char *key, double begin)
{
    return (number(row, key) - begin) / 1e9;
}

static double end_of(const json_t *row)
{
    const char *flags = json_string_value(json_object_get(row, "flags"));
    return number(row, "seq-relative") + number(row, "len") +
           (flags != NULL && (strstr(flags, "SYN") != NULL || strstr(flags, "FIN") != NULL));
}

/* A number of a row, or gnuplot's "there is none". */
static void cell(FILE *out, const json_t *row, const char *key, double unit)
{
    if (has(row, key))
        (void)fprintf(out, " %.9g", number(row, key) / unit);
    else
        (void)fputs(" NaN", out);
}

/* ---- the frame around ---- */

static void quoted(FILE *out, const char *s)
{
    (void)fputc('\'', out);
    for (; *s != '\0'; s++)
        (void)fprintf(out, *s == '\'' ? "''" : "%c", *s);
    (void)fputc('\'', out);
}

static void frame(const json_t *story, const struct graph_options *o, FILE *out)
{
    static const char *const titles[] = {"congestion window", "sequence numbers", "round trip"};
    static const char *const units[] = {"bytes", "bytes, relative to the first", "milliseconds"};
    if (o->file == NULL) {
        (void)fprintf(out, "set terminal dumb size %u,%u %s\n", o->columns, o->rows,
                      o->colours ? "ansi256" : "mono");
    } else if (strcmp(o->file + strlen(o->file) - 4, ".svg") == 0) {
        (void)fputs("set terminal svg size 900,600 dynamic background 'white'\n", out);
    } else {
        (void)fputs("set terminal pngcairo size 900,600 background 'white'\n", out);
    }
    if (o->file != NULL) {
        (void)fputs("set output ", out);
        quoted(out, o->file);
        (void)fputc('\n', out);
    }
    bool inferred = o->kind != GRAPH_SEQ && json_is_true(json_object_get(story, "inferred"));
    (void)fprintf(out, "set title '%s%s of %s:%d-%s:%d%s%s%s' noenhanced\n", inferred ? "~" : "", titles[o->kind],
                  json_string_value(json_object_get(story, "local")), (int)number(story, "lport"),
                  json_string_value(json_object_get(story, "peer")), (int)number(story, "pport"),
                  o->file == NULL ? " (" : "", o->file == NULL ? units[o->kind] : "",
                  o->file == NULL ? ")" : "");
    (void)fprintf(out, "set xlabel 'seconds'\nset key below\nset xrange [0:*]\n"
                       "set yrange [0:*]\nset format y '%%.0f'\n");
    if (o->file != NULL)
        (void)fprintf(out, "set ylabel '%s'\nset grid lc rgb '#dddddd'\n", units[o->kind]);
}

/* ---- cwnd ---- */

/* The block $v: a time and these columns of each row that has the first of them. id: of this
 * connection only; -1: of all. How many rows. */
static unsigned columns(const json_t *rows, long long id, const char *time,
                        const char *const keys[3], double unit, FILE *out)
{
    size_t i;
    json_t *row;
    unsigned n = 0;
    double begin = 0;
    (void)fputs("$v << EOD\n", out);
    json_array_foreach((json_t *)rows, i, row)
    {
        if ((id >= 0 && json_integer_value(json_object_get(row, "id")) != id) || !has(row, keys[0]))
            continue;
        if (n++ == 0)
            begin = number(row, time);
        (void)fprintf(out, "%.9f", seconds(row, time, begin));
        for (int k = 0; k < 3 && keys[k] != NULL; k++)
            cell(out, row, keys[k], unit);
        (void)fputc('\n', out);
    }
    (void)fputs("EOD\n", out);
    return n;
}

static void cwnd_plot(FILE *out)
{
    (void)fputs("plot $v using 1:2 with steps lw 2 title 'cwnd', $v using 1:3 with steps title "
                "'ssthresh', $v using 1:4 with lines title 'in flight'\n",
                out);
}

/* ---- rtt ---- */

/* The time of the first row that has this key. */
static double first_time(const json_t *rows, const char *key)
{
    size_t i;
    json_t *row;
    json_array_foreach((json_t *)rows, i, row) if (has(row, key)) return number(row, "time_ns");
    return 0;
}

/* Round trips of what was sent once: from a segment to the first acknowledgment that covers it and
 * comes before anything is sent again. */
static void rtt_points(const json_t *rows, double begin, FILE *out)
{
    size_t n = json_array_size(rows), head = 0;
    (void)fputs("$p << EOD\n", out);
    for (size_t i = 0; i < n; i++) {
        const json_t *row = json_array_get(rows, i);
        double ack = number(row, "ack-relative");
        if (json_is_true(json_object_get(row, "again")))
            head = i + 1;
        if (!is(row, "what", "in") || !has(row, "ack") || has(row, "drop"))
            continue;
        for (; head < i; head++) {
            const json_t *sent = json_array_get(rows, head);
            double end = end_of(sent);
            if (!is(sent, "what", "out") || end <= number(sent, "seq-relative"))
                continue;
            if (end > ack)
                break;
            (void)fprintf(out, "%.9f %.9g\n", seconds(row, "time_ns", begin),
                          (number(row, "time_ns") - number(sent, "time_ns")) / 1e6);
        }
    }
    (void)fputs("EOD\n", out);
}

static void rtt_plot(bool points, FILE *out)
{
    (void)fprintf(out,
                  "plot $v using 1:2 with lines lw 2 title 'SRTT', $v using 1:3 with steps "
                  "title 'RTO'%s\n",
                  points ? ", $p using 1:2 with points pt 1 title 'measured'" : "");
}

/* ---- seq ---- */

static unsigned seq_rows(const json_t *rows, bool in, FILE *out)
{
    const char *theirs = in ? "out" : "in", *ours = in ? "in" : "out";
    static const char *const blocks[] = {"sent", "again", "ack", "sack"};
    double begin = json_array_size(rows) > 0 ? number(json_array_get(rows, 0), "time_ns") : 0;
    unsigned n = 0;
    for (int b = 0; b < 4; b++) {
        double high = 0;
        size_t i;
        json_t *row;
        (void)fprintf(out, "$%s << EOD\n", blocks[b]);
        json_array_foreach((json_t *)rows, i, row)
        {
            double seq = number(row, "seq-relative"), end = end_of(row);
            bool again = json_is_true(json_object_get(row, "again")) || (in && end <= high);
            double at = seconds(row, "time_ns", begin);
            if (b < 2 && is(row, "what", ours) && end > seq) {
                if (again == (b == 1)) {
                    (void)fprintf(out, "%.9f %.0f 0 %.0f\n", at, seq, end - seq);
                    n++;
                }
                high = end > high ? end : high;
            } else if (b == 2 && is(row, "what", theirs) && has(row, "ack-relative")) {
                double ack = number(row, "ack-relative");
                (void)fprintf(out, "%.9f %.0f %.0f\n", at, ack, ack + number(row, "wnd"));
            } else if (b == 3 && is(row, "what", theirs) && has(row, "sack-left-relative")) {
                double left = number(row, "sack-left-relative");
                (void)fprintf(out, "%.9f %.0f 0 %.0f\n", at, left,
                              number(row, "sack-right-relative") - left);
            }
        }
        if (b == 1 || b == 3) /* gnuplot wants at least one; this one isn't seen */
            (void)fputs("NaN NaN NaN NaN\n", out);
        (void)fputs("EOD\n", out);
    }
    return n;
}

static void seq_plot(const struct graph_options *o, FILE *out)
{
    if (o->file == NULL)
        (void)fputs(
            "plot $ack using 1:3 with steps title 'window', $ack using 1:2 with steps title "
            "'acknowledged', $sent using 1:($2+$4) with points pt 1 title 'segment', $sack "
            "using 1:($2+$4) with points pt 19 title 'SACK', $again using 1:($2+$4) with "
            "points pt 18 title 'sent again'\n",
            out);
    else
        (void)fputs(
            "plot $ack using 1:3 with steps lc rgb '#e0a000' title 'window', $ack using 1:2 "
            "with steps lc rgb '#00a000' title 'acknowledged', $sent using 1:2:3:4 with "
            "vectors nohead lw 2 lc rgb '#2050c0' title 'segments', $sack using 1:2:3:4 with "
            "vectors nohead lw 2 lc rgb '#a000a0' title 'SACK', $again using 1:2 with "
            "points pt 7 ps 0.6 lc rgb '#d00000' title 'sent again'\n",
            out);
}

/* Whose text is more? */
static bool mostly_in(const json_t *rows)
{
    double sum = 0;
    size_t i;
    json_t *row;
    json_array_foreach((json_t *)rows, i, row) sum +=
        is(row, "what", "in") ? number(row, "len") : -number(row, "len");
    return sum > 0;
}

/* ---- together ---- */

static bool has_samples(const json_t *samples, long long id)
{
    size_t i;
    json_t *row;
    unsigned n = 0;
    json_array_foreach((json_t *)samples, i, row) n +=
        json_integer_value(json_object_get(row, "id")) == id;
    return n > 1;
}

/* Nothing of it fell out. */
static bool is_whole(const json_t *story, const json_t *rows)
{
    size_t i;
    json_t *row;
    json_array_foreach((json_t *)rows, i, row) if (has(row, "gap-before")) return false;
    return json_is_true(json_object_get(story, "from-the-beginning"));
}

/* Is it the series that has what is to be drawn? Segments are better while all of them are kept. */
static bool from_series(const json_t *story, const json_t *samples, const struct graph_options *o)
{
    long long id = json_integer_value(json_object_get(story, "id"));
    return o->kind != GRAPH_SEQ && id != 0 && has_samples(samples, id) &&
           !is_whole(story, json_object_get(story, "rows"));
}

static int too_little(char *msg, size_t msg_size)
{
    (void)snprintf(msg, msg_size,
                   "too little of this connection is kept to draw it: `sysctl -w "
                   "tapdeck.segments=4096 tapdeck.journal.level=1` keeps its segments from now on");
    return EXIT_FAILED;
}

int graph_print(const json_t *story, const json_t *samples, const struct graph_options *o,
                FILE *out, char *note, size_t note_size, char *msg, size_t msg_size)
{
    static const char *const windows[3] = {"cwnd", "ssthresh", "flight"};
    static const char *const trips[3] = {"srtt", "rto", NULL};
    const json_t *rows = json_object_get(story, "rows");
    long long id = json_integer_value(json_object_get(story, "id"));
    bool series = from_series(story, samples, o);
    const json_t *from = series ? samples : rows;
    const char *time = series ? "time" : "time_ns";
    bool in = o->in || (!o->out && mostly_in(rows));
    unsigned n = 0;
    note[0] = '\0';
    frame(story, o, out);
    switch (o->kind) {
    case GRAPH_CWND:
        n = columns(from, series ? id : -1, time, windows, 1, out);
        cwnd_plot(out);
        break;
    case GRAPH_RTT:
        n = columns(from, series ? id : -1, time, trips, 1e6, out);
        if (!series)
            rtt_points(rows, first_time(rows, "srtt"), out);
        rtt_plot(!series, out);
        break;
    case GRAPH_SEQ:
        n = seq_rows(rows, in, out);
        seq_plot(o, out);
        break;
    }
    if (n < 2)
        return too_little(msg, msg_size);
    if (!series && !is_whole(story, rows))
        (void)snprintf(note, note_size,
                       "Some of its segments are no longer kept; to keep more from now "
                       "on:\n`sysctl -w tapdeck.segments=65536`");
    return EXIT_DONE;
}

int graph_json(const json_t *story, const json_t *samples, const struct graph_options *o, FILE *out,
               char *msg, size_t msg_size)
{
    static const char *const kinds[] = {"cwnd", "seq", "rtt"};
    bool series = from_series(story, samples, o);
    long long id = json_integer_value(json_object_get(story, "id"));
    json_t *points = json_array(), *row;
    size_t i;
    json_array_foreach(series ? (json_t *)(uintptr_t)samples : json_object_get(story, "rows"), i, row)
        if (!series || json_integer_value(json_object_get(row, "id")) == id)
            (void)json_array_append(points, row);
    bool enough = json_array_size(points) >= 2;
    json_t *j = json_pack("{s:s, s:I, s:O?, s:O?, s:O?, s:O?, s:s, s:o}", "graph", kinds[o->kind], "id",
                          (json_int_t)id, "local", json_object_get(story, "local"), "lport",
                          json_object_get(story, "lport"), "peer", json_object_get(story, "peer"), "pport",
                          json_object_get(story, "pport"), "source", series ? "series" : "segments",
                          "points", points);
    if (enough && j != NULL) {
        (void)json_dumpf(j, out, JSON_COMPACT);
        (void)fputc('\n', out);
    }
    json_decref(j);
    return enough ? EXIT_DONE : too_little(msg, msg_size);
}
