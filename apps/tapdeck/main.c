/* tapdeck/main.c: the console and the one-shot client: its command line. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tapdeck/console.h"
#include "tapdeck/doctor.h"
#include "tapdeck/drill/drill.h"
#include "tapdeck/series.h"
#include "tapdeck/topo.h"
#include "tapdeck/wire.h"

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
    "Commands of this program, which need no daemon:\n"
    "  doctor            says what this machine lacks, and the command that mends it\n"
    "  drill FILE.pkt...  plays packet scripts against the stack (`tapdeck drill --help`)\n"
    "  topo up FILE...   networks from a file, simulated or as daemons (`tapdeck topo --help`)\n"
    "  wire TAP1 TAP2    joins two TAP devices by an impaired wire (`tapdeck wire --help`)\n"
    "Of this program, about a daemon's data:\n"
    "  series [CONN]     a connection's variables over time; CSV, plots (`tapdeck series --help`)\n"
    "All others are the daemon's: `tapdeck help` lists them, `tapdeck help COMMAND` explains one.\n"
    "\n"
    "Exit status: 0 done, 1 what was asked for failed, 2 bad usage or input, 3 no such daemon.\n"
    "\n"
    "Examples: tapdeck ss -tan      tapdeck ping -c 3 10.0.0.1      tapdeck -j ip addr      "
    "tapdeck why last\n";

int local_command(int argc, char **argv, bool json)
{
    if (strcmp(argv[0], "doctor") == 0)
        return doctor_main(argc, argv);
    if (strcmp(argv[0], "drill") == 0)
        return drill_main(argc, argv);
    if (strcmp(argv[0], "wire") == 0)
        return wire_main(argc, argv);
    if (strcmp(argv[0], "topo") == 0)
        return topo_main(argc, argv, json);
    return -1;
}

bool colours_wanted(void)
{
    const char *no = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) && (no == NULL || *no == '\0');
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
            return EXIT_DONE;
        case 'V':
            puts("tapdeck " TAPDECK_VERSION);
            return EXIT_DONE;
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
    int status = optind < argc ? local_command(argc - optind, argv + optind, json) : -1;
    if (status >= 0)
        return status;
    struct client client;
    char msg[1024];
    if (optind + 1 < argc && strcmp(argv[optind], "series") == 0 && strcmp(argv[optind + 1], "--help") == 0) {
        fputs(series_usage, stdout);
        return EXIT_DONE;
    }
    status = client_connect(&client, name, msg, sizeof(msg));
    if (status != EXIT_DONE) {
        fprintf(stderr, "tapdeck: %s\n", msg);
        return status;
    }
    if (optind >= argc) {
        status = console(&client, name, json);
    } else if (strcmp(argv[optind], "series") == 0) {
        client_catch_interrupts();
        status = series_main(&client, argc - optind, argv + optind);
    } else {
        client_catch_interrupts();
        status = client_run(&client, argc - optind, argv + optind, json, colours_wanted(), stdout,
                            msg, sizeof(msg));
        if (msg[0] != '\0')
            fprintf(stderr, "tapdeck: %s\n", msg);
    }
    client_close(&client);
    return status;
}
