/* tapdeck/series.c: `tapdeck series`.
 *
 * The daemon keeps samples of its connections' variables when the knob tcp_series says so; they are
 * the table `series`. This asks for the table as JSON, picks one connection, and prints it for a
 * spreadsheet (CSV), for people, or through gnuplot: as characters on the terminal, or as an SVG
 * file.
 */
#include "tapdeck/series.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const struct series_column {
    const char *name, *heading;
    bool ns;
} columns[] = {
    {"time", "time_s", true},
    {"cwnd", "cwnd", false},
    {"ssthresh", "ssthresh", false},
    {"flight", "flight", false},
    {"snd_wnd", "snd_wnd", false},
    {"srtt", "srtt_s", true},
    {"rto", "rto_s", true},
    {"pacing_rate", "pacing_rate", false},
    {"bytes_acked", "bytes_acked", false},
    {"retrans", "retrans", false},
    {"state", "state", false},
    {"phase", "phase", false},
};
#define NCOLUMNS (sizeof columns / sizeof columns[0])

bool series_words(int argc, char *const *argv, struct series_options *o, char *msg, size_t msg_size)
{
    *o = (struct series_options){.id = -1};
    for (int i = 0; i < argc; i++) {
        char *end;
        errno = 0;
        if (strcmp(argv[i], "--csv") == 0) {
            o->csv = true;
        } else if (strcmp(argv[i], "--plot") == 0) {
            o->plot = true;
        } else if (strncmp(argv[i], "--plot=", 7) == 0 && argv[i][7] != '\0' &&
                   strpbrk(argv[i] + 7, "\"\\\n") == NULL) {
            o->plot = true;
            o->svg = argv[i] + 7;
        } else if (o->id < 0 && argv[i][0] >= '0' && argv[i][0] <= '9' &&
                   (o->id = strtoll(argv[i], &end, 10), *end == '\0') && errno == 0) {
            continue;
        } else {
            (void)snprintf(msg, msg_size, "'%s': write `series [CONN] [--csv | --plot[=FILE.svg]]`",
                           argv[i]);
            return false;
        }
    }
    if (o->csv && o->plot) {
        (void)snprintf(msg, msg_size, "--csv and --plot exclude each other");
        return false;
    }
    return true;
}

static double number(const json_t *v, bool ns)
{
    double n = json_is_integer(v) ? (double)json_integer_value(v) : 0;
    return ns ? n / 1e9 : n;
}

static void print_cell(const json_t *row, const struct series_column *c, const char *none,
                       FILE *out)
{
    const json_t *v = json_object_get(row, c->name);
    if (v == NULL)
        (void)fputs(none, out);
    else if (json_is_string(v))
        (void)fputs(json_string_value(v), out);
    else if (c->ns)
        (void)fprintf(out, "%.6f", number(v, true));
    else
        (void)fprintf(out, "%.0f", number(v, false));
}

static void print_rows(json_t *rows, long long id, const char *between, const char *none, FILE *out)
{
    size_t i;
    json_t *row;
    for (size_t c = 0; c < NCOLUMNS; c++)
        (void)fprintf(out, "%s%s", c > 0 ? between : "", columns[c].heading);
    (void)fputs("\n", out);
    json_array_foreach(rows, i, row)
    {
        if (json_integer_value(json_object_get(row, "id")) != id)
            continue;
        for (size_t c = 0; c < NCOLUMNS; c++) {
            (void)fputs(c > 0 ? between : "", out);
            print_cell(row, &columns[c], none, out);
        }
        (void)fputs("\n", out);
    }
}

static void print_plot(json_t *rows, const struct series_options *o, long long id, FILE *out)
{
    (void)fputs("$rows << EOD\n", out);
    print_rows(rows, id, "\t", "NaN", out);
    (void)fputs("EOD\nset datafile separator \"\\t\"\n", out);
    if (o->svg != NULL)
        (void)fprintf(
            out, "set terminal svg size 900,600 dynamic background \"white\"\nset output \"%s\"\n",
            o->svg);
    else
        (void)fputs("set terminal dumb size 100,30\n", out);
    (void)fprintf(out,
                  "set title \"connection %lld\"\nset xlabel \"seconds\"\nset ylabel \"bytes\"\n"
                  "set ytics nomirror\nset y2tics\nset y2label \"srtt, seconds\"\nset key below\n"
                  "plot $rows using 1:2 every ::1 with steps title \"cwnd\","
                  " $rows using 1:3 every ::1 with steps title \"ssthresh\","
                  " $rows using 1:4 every ::1 with lines title \"in flight\","
                  " $rows using 1:6 every ::1 axes x1y2 with lines title \"srtt\"\n",
                  id);
}

int series_print(const char *text, const struct series_options *o, FILE *out, char *msg,
                 size_t msg_size)
{
    json_error_t e;
    json_t *rows = json_loads(text, 0, &e), *row;
    long long id = -1;
    size_t i;
    if (!json_is_array(rows)) {
        (void)snprintf(msg, msg_size, "the daemon's answer makes no sense: %s", e.text);
        json_decref(rows);
        return EXIT_FAILED;
    }
    json_array_foreach(rows, i, row)
    {
        long long n = json_integer_value(json_object_get(row, "id"));
        if (o->id < 0 || n == o->id)
            id = n; /* series come oldest first */
    }
    if (id < 0) {
        if (json_array_size(rows) == 0)
            (void)snprintf(msg, msg_size,
                           "there are no samples: `sysctl -w net.ipv4.tcp_series=10000` keeps that "
                           "many a connection");
        else
            (void)snprintf(msg, msg_size,
                           "connection %lld has no samples: `table tcb` lists connections", o->id);
        json_decref(rows);
        return EXIT_FAILED;
    }
    if (o->plot)
        print_plot(rows, o, id, out);
    else
        print_rows(rows, id, o->csv ? "," : "  ", o->csv ? "" : "-", out);
    json_decref(rows);
    return EXIT_DONE;
}
