/* tapdeck/main.c: the console and the one-shot client: its command line. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "tapdeck/console.h"

static const char usage[] =
    "usage: tapdeck [-n NAME] [-j] [COMMAND [WORD]...]\n"
    "\n"
    "Without a command: the console (readline; Ctrl-C cancels a command, Ctrl-D leaves), or, when "
    "the\n"
    "input is no terminal, a script of commands, one a line. With one: runs it, prints its "
    "output.\n"
    "\n"
    "  -n, --name NAME   talks to the daemon NAME (default: default)\n"
    "  -j, --json        JSON instead of text\n"
    "  -h, --help        this page\n"
    "  -V, --version     the version\n"
    "\n"
    "`tapdeck help` lists the commands, `tapdeck help COMMAND` explains one. doctor, drill, topo "
    "and wire "
    "need no daemon.\n"
    "\n"
    "Exit status: 0 done, 1 what was asked for failed, 2 bad usage or input, 3 no such daemon.\n"
    "\n"
    "Examples: tapdeck ss -tan      tapdeck ping -c 3 10.0.0.1      tapdeck -j ip addr      "
    "tapdeck why last\n";

/* What was written may have found no room. Whoever has closed the pipe has read enough. */
static int output_complete(int status)
{
    if (fflush(stdout) == 0 || status != EXIT_DONE || errno == EPIPE)
        return status;
    fprintf(stderr, "tapdeck: the output can't be written: %s\n", strerror(errno));
    return EXIT_FAILED;
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {
        {"name", required_argument, NULL, 'n'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    const char *name = DEFAULT_NAME;
    bool json = false;
    int c;
    /* "+": what follows the command's name is the command's. */
    while ((c = getopt_long(argc, argv, "+n:jhV", longs, NULL)) != -1) {
        switch (c) {
        case 'n':
            name = optarg;
            break;
        case 'j':
            json = true;
            break;
        case 'h':
            fputs(usage, stdout);
            return output_complete(EXIT_DONE);
        case 'V':
            puts("tapdeck " TAPDECK_VERSION);
            return output_complete(EXIT_DONE);
        default:
            fputs("tapdeck: `tapdeck --help` lists the options\n", stderr);
            return EXIT_USAGE;
        }
    }
    if (!daemon_name_ok(name)) {
        fprintf(stderr,
                "tapdeck: '%s' is not a name for a daemon: use letters, digits, '.', '_' and '-'\n",
                name);
        return EXIT_USAGE;
    }
    struct session s;
    int status;
    session_init(&s, name, json);
    if (optind < argc) {
        s.input = STDIN_FILENO;
        client_catch_interrupts();
        status = session_command(&s, argc - optind, argv + optind, "tapdeck");
    } else {
        status = console(&s);
    }
    session_end(&s);
    return output_complete(status);
}
