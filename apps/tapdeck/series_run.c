/* tapdeck/series_run.c: `tapdeck series` asks the daemon, and gnuplot to draw; what is printed is
 * series.c's. */
#include "tapdeck/series.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static int plot(const char *rows, const struct series_options *o, char *msg, size_t msg_size)
{
    if (system("command -v gnuplot >/dev/null 2>&1") != 0) {
        (void)snprintf(msg, msg_size,
                       "--plot needs gnuplot, which is missing: apt-get install gnuplot-nox");
        return EXIT_FAILED;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    FILE *gnuplot = popen("gnuplot", "w");
    if (gnuplot == NULL) {
        (void)snprintf(msg, msg_size, "gnuplot can't be started: %s", strerror(errno));
        return EXIT_FAILED;
    }
    int status = series_print(rows, o, gnuplot, msg, msg_size);
    if (pclose(gnuplot) != 0 && status == EXIT_DONE) {
        (void)snprintf(msg, msg_size, "gnuplot failed");
        status = EXIT_FAILED;
    }
    return status;
}

static int series_command(struct session *session, int argc, char **argv)
{
    char *const words[] = {(char[]){"table"}, (char[]){"series"}};
    struct series_options o;
    char msg[1024] = "";
    char *rows = NULL;
    size_t size = 0;
    int status = EXIT_USAGE;
    if (series_words(argc - 1, argv + 1, &o, msg, sizeof msg)) {
        FILE *f = open_memstream(&rows, &size);
        status = f == NULL ? EXIT_FAILED : session_run(session, 2, words, true, f, msg, sizeof msg);
        if (f != NULL)
            (void)fclose(f);
        if (status == EXIT_DONE)
            status = o.plot ? plot(rows, &o, msg, sizeof msg)
                            : series_print(rows, &o, session->out, msg, sizeof msg);
        free(rows);
    }
    if (msg[0] != '\0')
        (void)fprintf(stderr, "tapdeck: %s\n", msg);
    return status;
}

const struct local_command local_series = {
    .name = "series",
    .usage = "series [CONN] [--csv | --plot | --plot=FILE]",
    .doc = "a connection's variables over time: a table, CSV, a plot",
    .more = "Congestion window, ssthresh, bytes in flight, round trip, RTO, pacing rate, bytes "
            "acknowledged.\n"
            "CONN is the number that `table tcb` and `table tcp` call id; without it, the newest "
            "connection\n"
            "that has samples. Samples are kept when the knob says how many:\n"
            "\n"
            "    tapdeck sysctl -w net.ipv4.tcp_series=10000\n"
            "\n"
            "  --csv             comma-separated values, times in seconds\n"
            "  --plot            a plot on the terminal (needs gnuplot)\n"
            "  --plot=FILE.svg   the same as an SVG file\n"
            "Examples:\n  series 7\n  series --plot",
    .fn = series_command,
};
