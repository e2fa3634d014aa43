/* tapdeckd/main.c: the daemon: its command line, its start, its end.
 *
 * Start: the stack is made and seeded from the system's entropy; the name is claimed; then the
 * commands of -f and -e run in the order in which they stand, each to its end, and the first that
 * fails ends the daemon with its sentence and its status. Only then clients are served, and whoever
 * waits for readiness (--daemon, --ready-fd) is told.
 *
 * End (SIGTERM, SIGINT, SIGHUP, or the command `shutdown`): applications stop and close their
 * sockets, connections are closed in order, and while some of them still need time for their FINs
 * the loop goes on, for a few seconds at most; a second signal ends that too.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "replay/record.h"
#include "tapdeckd/loop.h"
#include "tapdeckd/net.h"
#include "tcp/tcp.h"

#define CLOSING_TIME (3 * TD_SEC)
#define DEFAULT_SPIN (20 * TD_US)

static const char usage[] =
    "usage: tapdeckd [-n NAME] [-f CONFIG] [-e COMMAND]...\n"
    "\n"
    "Puts a TCP/IP host of its own on a Linux TAP device. Stays in the foreground; `tapdeck` talks "
    "to it.\n"
    "\n"
    "  -n, --name NAME      the daemon's name (default: default); its socket is NAME.sock\n"
    "  -f, --file CONFIG    runs the console commands in CONFIG, one a line, # begins a comment\n"
    "  -e, --execute CMD    runs one console command; -f and -e may be repeated, their order "
    "counts\n"
    "      --daemon         goes into the background once it is ready\n"
    "      --ready-fd N     writes \"ready\\n\" to file descriptor N once it is ready, and closes "
    "it\n"
    "      --profile P      linux (default): a stock kernel's constants; rfc: the RFCs' own\n"
    "      --memory BYTES   limits the stack's memory (default: no limit)\n"
    "      --record FILE    records the whole run for `tapdeck replay`, as `record start FILE` does (`help record`)\n"
    "      --keep SIZE      of memory for what comes from the start on, for a later `record start` (default: 16m; 0:\n"
    "                       none, and it is then too late)\n"
    "      --spin TIME      how long to poll after traffic before sleeping (default: 20us; 0: "
    "never)\n"
    "      --stall TIME     a console that reads nothing for so long is dropped (default: 60s)\n"
    "      --allow-faults   deliberate bugs may be switched on (`fault` lists them): for lessons and tests\n"
    "      --topo FILE      runs all nodes of a topology file, with simulated wires between them; the "
    "node's\n"
    "                       daemon is named TOPOLOGY.NODE (`tapdeck topo` says more)\n"
    "      --virtual        with --topo: time passes only while a command runs, and then at once\n"
    "      --real           with --topo: time is real, even if the file says virtual\n"
    "      --seed N         with --topo: of all its random numbers\n"
    "      --run 'NODE COMMAND'  with --topo: runs it and prints its output; ends after the last one\n"
    "  -h, --help           this page\n"
    "  -V, --version        the version\n"
    "\n"
    "The control socket is in the first of $TAPDECK_RUN, $XDG_RUNTIME_DIR/tapdeck, /run/tapdeck "
    "and\n"
    "/tmp/tapdeck-UID that is a directory of the user's own.\n"
    "\n"
    "Exit status: 0 ended as asked, 1 something failed, 2 bad usage, configuration or input.\n"
    "\n"
    "Example: sudo tapdeckd -e 'tap add tap0 as eth0' -e 'ip addr add 10.0.0.2/24 dev eth0' \\\n"
    "                       -e 'app start httpd -p 80 /srv'\n";

struct script { /* -f and -e, in order */
    struct script *next;
    bool file;
    const char *text;
};

struct options {
    const char *name;
    struct script *scripts;
    bool background;
    int ready_fd;
    td_time spin;
    enum td_profile profile;
    uint64_t memory;
    bool faults;
    td_time stall;
    bool named; /* -n was given */
    const char *record; /* NULL: only what is kept */
    uint32_t keep;
    struct net_options topo; /* topo.file NULL: no topology */
};

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("tapdeckd: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
}

/* EXIT_DONE: go on; -1: done (help, version); EXIT_USAGE. */
static int read_options(int argc, char **argv, struct options *o)
{
    enum { OPT_DAEMON = 256, OPT_READY, OPT_PROFILE, OPT_MEMORY, OPT_SPIN, OPT_FAULTS, OPT_TOPO, OPT_VIRTUAL, OPT_REAL, OPT_SEED, OPT_RUN, OPT_STALL, OPT_RECORD, OPT_KEEP };
    static const struct option longs[] = {
        {"name", required_argument, NULL, 'n'},
        {"file", required_argument, NULL, 'f'},
        {"execute", required_argument, NULL, 'e'},
        {"daemon", no_argument, NULL, OPT_DAEMON},
        {"ready-fd", required_argument, NULL, OPT_READY},
        {"profile", required_argument, NULL, OPT_PROFILE},
        {"memory", required_argument, NULL, OPT_MEMORY},
        {"spin", required_argument, NULL, OPT_SPIN},
        {"allow-faults", no_argument, NULL, OPT_FAULTS},
        {"stall", required_argument, NULL, OPT_STALL},
        {"record", required_argument, NULL, OPT_RECORD},
        {"keep", required_argument, NULL, OPT_KEEP},
        {"topo", required_argument, NULL, OPT_TOPO},
        {"virtual", no_argument, NULL, OPT_VIRTUAL},
        {"real", no_argument, NULL, OPT_REAL},
        {"seed", required_argument, NULL, OPT_SEED},
        {"run", required_argument, NULL, OPT_RUN},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    struct script **last = &o->scripts;
    uint32_t n;
    int c;
    while ((c = getopt_long(argc, argv, "n:f:e:hV", longs, NULL)) != -1) {
        switch (c) {
        case 'n':
            o->name = optarg;
            o->named = true;
            break;
        case OPT_TOPO:
            o->topo.file = optarg;
            break;
        case OPT_VIRTUAL:
            o->topo.virtual_time = true;
            break;
        case OPT_REAL:
            o->topo.real_time = true;
            break;
        case OPT_SEED:
            if (!parse_u64(optarg, UINT64_MAX, &o->topo.seed)) {
                say("--seed: '%s' is not a number", optarg);
                return EXIT_USAGE;
            }
            o->topo.has_seed = true;
            break;
        case OPT_RUN:
            if (o->topo.nruns == NET_RUNS_MAX) {
                say("--run: at most %d of them", NET_RUNS_MAX);
                return EXIT_USAGE;
            }
            o->topo.runs[o->topo.nruns++] = optarg;
            break;
        case 'f':
        case 'e':
            *last = calloc(1, sizeof(**last));
            if (*last == NULL)
                return EXIT_FAILED;
            (*last)->file = c == 'f';
            (*last)->text = optarg;
            last = &(*last)->next;
            break;
        case OPT_DAEMON:
            o->background = true;
            break;
        case OPT_READY:
            if (!parse_u32(optarg, 65535, &n) || fcntl((int)n, F_GETFD) < 0) {
                say("--ready-fd: '%s' is not an open file descriptor", optarg);
                return EXIT_USAGE;
            }
            o->ready_fd = (int)n;
            break;
        case OPT_PROFILE:
            if (strcmp(optarg, "linux") != 0 && strcmp(optarg, "rfc") != 0) {
                say("--profile: '%s' is neither linux nor rfc", optarg);
                return EXIT_USAGE;
            }
            o->profile = optarg[0] == 'r' ? TD_PROFILE_RFC : TD_PROFILE_LINUX;
            break;
        case OPT_MEMORY:
            if (!parse_u64(optarg, UINT64_MAX, &o->memory)) {
                say("--memory: '%s' is not a number of bytes", optarg);
                return EXIT_USAGE;
            }
            break;
        case OPT_SPIN:
            if (!parse_time(optarg, &o->spin) || o->spin > TD_SEC) {
                say("--spin: '%s' is not a time of at most a second, such as 20us", optarg);
                return EXIT_USAGE;
            }
            break;
        case OPT_STALL:
            if (!parse_time(optarg, &o->stall) || o->stall == 0) {
                say("--stall: '%s' is not a time such as 60s", optarg);
                return EXIT_USAGE;
            }
            break;
        case OPT_RECORD:
            o->record = optarg;
            break;
        case OPT_KEEP:
            if (!parse_size(optarg, UINT32_MAX, &o->keep)) {
                say("--keep: '%s' is not a size such as 16m", optarg);
                return EXIT_USAGE;
            }
            break;
        case OPT_FAULTS:
            o->faults = true;
            break;
        case 'h':
            fputs(usage, stdout);
            return -1;
        case 'V':
            puts("tapdeckd " TAPDECK_VERSION);
            return -1;
        default:
            fputs("tapdeckd: `tapdeckd --help` lists the options\n", stderr);
            return EXIT_USAGE;
        }
    }
    if (optind < argc) {
        say("'%s' is left over: a command goes after -e, as one word in quotes", argv[optind]);
        return EXIT_USAGE;
    }
    if (o->topo.file != NULL && o->scripts != NULL) {
        say("--topo has its commands in its file: -f and -e don't go with it");
        return EXIT_USAGE;
    }
    if (o->topo.file != NULL && o->record != NULL) {
        say("--topo has several stacks: record each by a command of its node, `record start FILE`");
        return EXIT_USAGE;
    }
    if (o->topo.real_time && o->topo.virtual_time) {
        say("time is real or virtual: --real and --virtual don't go together");
        return EXIT_USAGE;
    }
    if (o->topo.file == NULL && (o->topo.virtual_time || o->topo.real_time || o->topo.has_seed || o->topo.nruns > 0)) {
        say("--virtual, --real, --seed and --run go with --topo FILE");
        return EXIT_USAGE;
    }
    if (!daemon_name_ok(o->name)) {
        say("'%s' is not a name for a daemon: use letters, digits, '.', '_' and '-', at most %d",
            o->name, DAEMON_NAME_MAX);
        return EXIT_USAGE;
    }
    return EXIT_DONE;
}

/* ---- start ---- */

/* Runs one line of -f or -e to its end. `where` is for the sentence: "demo.conf:3". */
static int run_line(struct loop *l, const char *line, const char *where)
{
    char msg[1024];
    int status = deck_run_line(l, l->members->deck, line, stdout, msg, sizeof(msg));
    if (msg[0] != '\0')
        say("%s: %s", where, msg);
    return status;
}

static int run_file(struct loop *l, const char *path)
{
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        say("the configuration %s can't be read: %s", path, strerror(errno));
        return EXIT_USAGE;
    }
    char *line = NULL, where[512];
    size_t size = 0;
    int status = EXIT_DONE;
    for (unsigned n = 1; status == EXIT_DONE && l->stop == 0 && getline(&line, &size, f) >= 0;
         n++) {
        snprintf(where, sizeof(where), "%s:%u", path, n);
        status = run_line(l, line, where);
    }
    if (ferror(f)) {
        say("the configuration %s can't be read: %s", path, strerror(errno));
        status = EXIT_USAGE;
    }
    free(line);
    fclose(f);
    return status;
}

/* Goes into the background; the parent waits until the child is ready or has failed. Returns the
 * descriptor the child reports on. */
static int go_background(void)
{
    int pipe_fd[2];
    if (pipe2(pipe_fd, O_CLOEXEC) < 0)
        return -1;
    pid_t waiting = getpid(), pid = fork();
    if (pid < 0)
        return -1;
    if (pid == 0) {
        close(pipe_fd[0]);
        /* Until it is ready, whoever waits for it may end it with Ctrl-C. */
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != waiting)
            _exit(EXIT_FAILED);
        setsid();
        return pipe_fd[1];
    }
    close(pipe_fd[1]);
    unsigned char status = EXIT_FAILED;
    ssize_t n = read(pipe_fd[0], &status, 1);
    /* No word: it ended before it could give one. */
    _exit(n == 1 ? status : EXIT_FAILED);
}

static void report(int fd, int status)
{
    unsigned char byte = (unsigned char)status;
    if (fd >= 0) {
        ssize_t ignored = write(fd, &byte, 1);
        (void)ignored;
        close(fd);
    }
}

static void announce(const struct options *o, const char *what, int background_fd)
{
    if (o->ready_fd >= 0) {
        ssize_t ignored = write(o->ready_fd, "ready\n", 6);
        (void)ignored;
        close(o->ready_fd);
    }
    if (!o->background) {
        say("ready; %s", what);
        return;
    }
    prctl(PR_SET_PDEATHSIG, 0);
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd <= 2 && null >= 0; fd++)
        dup2(null, fd);
    if (null > 2)
        close(null);
    report(background_fd, EXIT_DONE);
}

/* ---- end ---- */

static bool closing(const struct loop *l)
{
    for (const struct member *m = l->members; m != NULL; m = m->next)
        if (tcp_closing(m->deck->st))
            return true;
    return false;
}

static bool commands_left(const struct loop *l)
{
    for (const struct member *m = l->members; m != NULL; m = m->next)
        if (m->deck->runs != NULL)
            return true;
    return false;
}

static void shut_down(struct loop *l)
{
    int asked = l->stop;
    if (l->time.mode != TIME_FLOWING) { /* connections can't be closed while time stands still */
        deck_time_stop(&l->time);
        deck_time_resume(&l->time);
    }
    for (struct member *m = l->members; m != NULL; m = m->next) {
        for (struct run *r = m->deck->runs; r != NULL; r = r->next)
            run_interrupt(r);
        deck_stop_apps(m->deck);
    }
    td_time until = monotonic_now() + CLOSING_TIME;
    do
        loop_turn(l, 20 * TD_MS);
    while (closing(l) && !l->virtual_time && l->stop == asked && monotonic_now() < until);
    loop_turn(l, 0);
    for (struct member *m = l->members; m != NULL; m = m->next) {
        while (m->deck->taps != NULL)
            deck_tap_remove(m->deck, m->deck->taps);
        if (m->server != NULL)
            server_stop_accepting(m->server);
        /* Whoever asked hears that it is done: name and devices are free again. */
        m->deck->stopped = true;
        for (struct run *r = m->deck->runs; r != NULL; r = r->next)
            run_step(r, l->now);
    }
    until = monotonic_now() + TD_SEC / 2;
    while (commands_left(l) && monotonic_now() < until)
        loop_turn(l, 10 * TD_MS);
}

static void turn_until_stopped(struct loop *l)
{
    while (l->stop == 0)
        loop_turn(l, TD_NEVER);
    shut_down(l);
}

static int begin_record(const struct options *o, struct deck *d, struct recorder *rec)
{
    char msg[1024];
    deck_record(d, rec);
    if (o->record == NULL ||
        recorder_start(rec, o->record, RECORD_SIZE_DEFAULT, RECORD_FILES_DEFAULT, msg, sizeof(msg)))
        return EXIT_DONE;
    say("%s", msg);
    return EXIT_FAILED;
}

static int serve(const struct options *o, struct td_stack *st, struct recorder *rec, int background_fd)
{
    struct deck deck;
    struct loop loop;
    struct member member;
    struct timespec wall;
    char msg[1024];
    int status;
    struct server *server = server_open(o->name, &status, msg, sizeof(msg));
    if (server == NULL) {
        say("%s", msg);
        return status;
    }
    deck_init(&deck, st, o->name);
    int err = loop_init(&loop, NULL, false, o->spin);
    if (err < 0) {
        say("the event loop can't be made: %s", strerror(-err));
        server_close(server);
        return EXIT_FAILED;
    }
    loop.stall = o->stall;
    loop_add(&loop, &member, &deck);
    clock_gettime(CLOCK_REALTIME, &wall);
    deck.wall_offset =
        (int64_t)wall.tv_sec * (int64_t)TD_SEC + wall.tv_nsec - (int64_t)monotonic_now();
    status = begin_record(o, &deck, rec);
    for (const struct script *c = o->scripts; c != NULL && status == EXIT_DONE && loop.stop == 0;
         c = c->next)
        status = c->file ? run_file(&loop, c->text) : run_line(&loop, c->text, "-e");
    if (status == EXIT_DONE) {
        server_start(server, &member);
        snprintf(msg, sizeof(msg), "the control socket is %s", server_path(server));
        announce(o, msg, background_fd);
        turn_until_stopped(&loop);
    }
    server_close(server);
    deck_done(&deck);
    loop_done(&loop);
    recorder_stop(rec);
    return status;
}

/* The same for all nodes of a topology. */
static int serve_topology(struct options *o, int background_fd)
{
    char msg[1024];
    struct net net;
    if (o->named)
        o->topo.name = o->name;
    o->topo.spin = o->spin;
    o->topo.keep = o->keep;
    int status = net_open(&net, &o->topo, msg, sizeof(msg));
    if (status == EXIT_DONE && o->topo.nruns > 0) {
        status = net_run(&net, &o->topo, stdout, msg, sizeof(msg));
        shut_down(&net.loop);
    } else if (status == EXIT_DONE && net.loop.stop > 0) {
        status = EXIT_FAILED;
        snprintf(msg, sizeof(msg), "interrupted on the way up");
    } else if (status == EXIT_DONE) {
        net.loop.stall = o->stall;
        net_serve(&net);
        net_describe(&net, msg, sizeof(msg));
        announce(o, msg, background_fd);
        turn_until_stopped(&net.loop);
        msg[0] = '\0';
    }
    if (status != EXIT_DONE && msg[0] != '\0')
        say("%s", msg);
    net_close(&net);
    return status;
}

/* Files that applications are sending, TAP devices, clients: each is a descriptor, and the usual soft
 * limit of 1024 is for programs that use select(2), which nothing here does. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit); /* if it can't be, the limit stays what it was */
    }
}

int main(int argc, char **argv)
{
    struct options o = {
        .name = DEFAULT_NAME, .ready_fd = -1, .spin = DEFAULT_SPIN, .stall = CLIENT_STALL, .profile = TD_PROFILE_LINUX, .keep = RECORD_KEEP_DEFAULT};
    int status = read_options(argc, argv, &o);
    if (status != EXIT_DONE)
        return status < 0 ? EXIT_DONE : status;
    int background_fd = o.background ? go_background() : -1;
    if (o.background && background_fd < 0) {
        say("it can't go into the background: %s", strerror(errno));
        return EXIT_FAILED;
    }
    raise_file_limit();
    if (o.topo.file != NULL) {
        status = serve_topology(&o, background_fd);
        if (status != EXIT_DONE)
            report(background_fd, status);
        return status;
    }
    mallopt(M_TRIM_THRESHOLD, 16 << 20); /* blocks come and go by the megabyte: not each to the kernel */
    struct td_stack_config config = {
        .now = monotonic_now(), .memory_limit = o.memory, .profile = o.profile, .allow_faults = o.faults};
    if (getrandom(config.seed, sizeof(config.seed), 0) != (ssize_t)sizeof(config.seed)) {
        say("the system gives no entropy: %s", strerror(errno));
        return EXIT_FAILED;
    }
    struct td_stack *st = td_stack_new(&config);
    if (st == NULL) {
        say("there is no memory for the stack");
        return EXIT_FAILED;
    }
    struct recorder rec;
    recorder_init(&rec, st, &config, o.name, TAPDECK_VERSION,
                  o.record != NULL && o.keep == 0 ? RECORD_KEEP_DEFAULT : o.keep);
    /* So that `graph` and `series` can show any connection that sends more than a little. */
    (void)td_knob_set(st, "net.ipv4.tcp_series_thin", "1");
    (void)td_knob_set(st, "net.ipv4.tcp_series_interval_us", "1000");
    (void)td_knob_set(st, "net.ipv4.tcp_series", "400");
    status = serve(&o, st, &rec, background_fd);
    recorder_done(&rec);
    td_stack_free(st);
    if (status != EXIT_DONE)
        report(background_fd, status);
    while (o.scripts != NULL) {
        struct script *next = o.scripts->next;
        free(o.scripts);
        o.scripts = next;
    }
    return status;
}
