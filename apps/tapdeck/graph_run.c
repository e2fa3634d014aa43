/* tapdeck/graph_run.c: `graph` asks the daemon for a connection's record and has gnuplot draw it;
 * what is drawn is graph.c's.
 */
#include "tapdeck/graph.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tapdeck/local.h"
#include "tapdeck/pager.h"

/* One of the daemon's commands, its answer as JSON. NULL: *status and msg say why. */
static json_t *ask(struct session *s, int argc, char *const *argv, int *status, char *msg,
                   size_t msg_size)
{
    char *text = NULL;
    size_t size = 0;
    json_error_t e;
    json_t *j = NULL;
    FILE *f = open_memstream(&text, &size);
    *status = f == NULL ? EXIT_FAILED : session_run(s, argc, argv, true, f, msg, msg_size);
    if (f != NULL)
        (void)fclose(f);
    if (*status == EXIT_DONE && (j = json_loads(text, 0, &e)) == NULL) {
        *status = EXIT_FAILED;
        (void)snprintf(msg, msg_size, "the daemon's answer makes no sense: %s", e.text);
    }
    free(text);
    return j;
}

/* Nothing in it is seen: blanks, colours, a page break. */
static bool is_blank(const char *line)
{
    for (; *line != '\0'; line++) {
        if (*line == '\033')
            line += strcspn(line, "m");
        else if (strchr(" \f\r\n", *line) == NULL)
            return false;
        if (*line == '\0')
            break;
    }
    return true;
}

/* gnuplot reads the commands from a file, so that what it writes can be read from it. */
static int draw(struct session *s, const struct graph_options *o, const char *script, char *msg,
                size_t msg_size)
{
    char command[512], line[1024];
    FILE *made = o->file != NULL ? fopen(o->file, "we") : NULL;
    if (o->file != NULL && made == NULL) {
        (void)snprintf(msg, msg_size, "%s can't be written: %s", o->file, strerror(errno));
        return EXIT_FAILED;
    }
    if (made != NULL)
        (void)fclose(made);
    (void)snprintf(command, sizeof(command), "gnuplot %s 2>&1", script);
    FILE *gnuplot = popen(command, "re");
    if (gnuplot == NULL) {
        (void)snprintf(msg, msg_size, "gnuplot can't be started: %s", strerror(errno));
        return EXIT_FAILED;
    }
    bool begun = false;
    while (fgets(line, sizeof(line), gnuplot) != NULL) {
        begun = begun || !is_blank(line); /* it begins with a page break */
        if (begun && o->file == NULL)
            (void)fputs(line, s->out);
        else if (begun && msg[0] == '\0' && strspn(line, " ^\n") != strlen(line))
            (void)snprintf(msg, msg_size, "gnuplot says: %.*s", (int)strcspn(line, "\n"), line);
    }
    if (pclose(gnuplot) == 0) {
        msg[0] = '\0';
        return EXIT_DONE;
    }
    if (o->file != NULL)
        (void)unlink(o->file);
    if (msg[0] == '\0')
        (void)snprintf(msg, msg_size, "gnuplot failed");
    return EXIT_FAILED;
}

static int make(struct session *s, const struct graph_options *o, const json_t *story,
                const json_t *samples, char *msg, size_t msg_size)
{
    char script[] = "/tmp/tapdeck-graph-XXXXXX", note[256];
    if (system("command -v gnuplot >/dev/null 2>&1") != 0) {
        (void)snprintf(msg, msg_size,
                       "graph needs gnuplot, which is missing: apt-get install gnuplot-nox");
        return EXIT_FAILED;
    }
    int fd = mkstemp(script);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    if (f == NULL) {
        (void)snprintf(msg, msg_size, "no temporary file can be made: %s", strerror(errno));
        return EXIT_FAILED;
    }
    int status = graph_print(story, samples, o, f, note, sizeof(note), msg, msg_size);
    if (fclose(f) != 0 && status == EXIT_DONE) {
        (void)snprintf(msg, msg_size, "%s can't be written: %s", script, strerror(errno));
        status = EXIT_FAILED;
    }
    if (status == EXIT_DONE)
        status = draw(s, o, script, msg, msg_size);
    (void)unlink(script);
    if (status == EXIT_DONE && note[0] != '\0')
        (void)fprintf(o->file != NULL ? stderr : s->out, "%s\n", note);
    return status;
}

#define LEAST_ROWS    16 /* gnuplot makes no picture of less */
#define LEAST_COLUMNS 56

/* Text on a screen that holds none would be noise. */
static bool fits(const struct graph_options *o, char *msg, size_t msg_size)
{
    if (o->file != NULL || o->json || (o->rows >= LEAST_ROWS - 2 && o->columns >= LEAST_COLUMNS - 1))
        return true;
    (void)snprintf(msg, msg_size,
                   "a graph needs a terminal of at least %d columns and %d rows: enlarge this one, "
                   "or write -o FILE.svg",
                   LEAST_COLUMNS, LEAST_ROWS);
    return false;
}

static int graph_command(struct session *s, int argc, char **argv)
{
    struct graph_options o = {0};
    char msg[1024] = "";
    int status = EXIT_USAGE;
    screen_size(&o.rows, &o.columns);
    o.rows = o.rows > 8 ? o.rows - 2 : 8; /* the prompt, and a note */
    o.columns = o.columns > 20 ? o.columns - 1 : 20;
    o.colours = s->tty;
    bool said = graph_words(argc - 1, argv + 1, &o, msg, sizeof(msg));
    o.json = o.json || s->json;
    if (said && !fits(&o, msg, sizeof(msg))) {
        status = EXIT_FAILED;
    } else if (said) {
        char *const ladder[] = {(char[]){"ladder"}, (char *)(uintptr_t)o.conn, (char[]){"-n"},
                                (char[]){"100000"}};
        char *const series[] = {(char[]){"table"}, (char[]){"series"}};
        json_t *samples = NULL, *story = ask(s, 4, ladder, &status, msg, sizeof(msg));
        if (story != NULL && o.kind != GRAPH_SEQ)
            samples = ask(s, 2, series, &status, msg, sizeof(msg));
        if (story != NULL && status == EXIT_DONE && o.json)
            status = graph_json(story, samples, &o, s->out, msg, sizeof(msg));
        else if (story != NULL && status == EXIT_DONE)
            status = make(s, &o, story, samples, msg, sizeof(msg));
        json_decref(story);
        json_decref(samples);
    }
    return msg[0] != '\0' ? session_fail(s, status, "%s", msg) : status;
}

const struct local_command local_graph = {
    .name = "graph",
    .usage = "graph CONN {cwnd | seq | rtt} [-o FILE | -j] [--in | --out]",
    .doc = "a connection's cwnd, sequence numbers or round trips over time, drawn by gnuplot",
    .more =
        "In the terminal; with -o, into FILE.svg or FILE.png. Needs no preparation: it draws what "
        "the\n"
        "record of segments has (`ladder CONN`), also of a connection that is over. What lies too "
        "far\n"
        "back for that, cwnd and rtt take from the series, if `sysctl -w "
        "net.ipv4.tcp_series=10000` was\n"
        "set before.\n"
        "  -j     the numbers as JSON instead: the rows of `ladder -j`, or of `table series -j`\n"
        "  cwnd   congestion window, ssthresh, bytes in flight\n"
        "  seq    segments, those sent again, acknowledgments, window, SACKs; of the side that "
        "sent\n"
        "         more, or of --out (us), --in (the peer)\n"
        "  rtt    each round trip measured, SRTT, RTO\n"
        "Examples:\n  graph :80 cwnd\n  graph 7 seq -o transfer.svg\n  graph 10.0.0.2:40000 rtt\n",
    .fn = graph_command,
};
