/* tapdeck/series_run.c: `tapdeck series` asks the daemon, and gnuplot to draw; what is printed is
 * series.c's. */
#include "tapdeck/series.h"

#include <errno.h>
#include <jansson.h>
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

/* Any word for a connection as its number, which is what the samples have. */
static int number_of(struct session *session, const char *word, char number[24], char *msg,
                     size_t msg_size)
{
    char *const words[] = {(char[]){"states"}, (char *)(uintptr_t)word};
    char *text = NULL;
    size_t size = 0;
    json_error_t e;
    FILE *f = open_memstream(&text, &size);
    int status = f == NULL ? EXIT_FAILED : session_run(session, 2, words, true, f, msg, msg_size);
    if (f != NULL)
        (void)fclose(f);
    json_t *j = status == EXIT_DONE ? json_loads(text, 0, &e) : NULL;
    (void)snprintf(number, 24, "%lld", (long long)json_integer_value(json_object_get(j, "id")));
    json_decref(j);
    free(text);
    return status;
}

static int series_command(struct session *session, int argc, char **argv)
{
    char *const words[] = {(char[]){"table"}, (char[]){"series"}};
    struct series_options o;
    char msg[1024] = "";
    char *rows = NULL;
    size_t size = 0;
    char number[24];
    int status = EXIT_USAGE;
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-' || argv[i][strspn(argv[i], "0123456789")] == '\0')
            continue;
        if ((status = number_of(session, argv[i], number, msg, sizeof msg)) != EXIT_DONE)
            return session_fail(session, status, "%s", msg);
        argv[i] = number;
        break;
    }
    status = EXIT_USAGE;
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
            "CONN is a connection's number, its peer, :PORT or both ends; without it, the newest "
            "connection\n"
            "that has samples. A daemon keeps 400 of each connection that sends more than a little; every one\n"
            "of an interval, without thinning them out:\n"
            "\n"
            "    tapdeck sysctl -w net.ipv4.tcp_series_thin=0 net.ipv4.tcp_series=10000\n"
            "\n"
            "  --csv             comma-separated values, times in seconds\n"
            "  --plot            a plot on the terminal (needs gnuplot)\n"
            "  --plot=FILE.svg   the same as an SVG file\n"
            "Examples:\n  series 7\n  series --plot",
    .fn = series_command,
};
