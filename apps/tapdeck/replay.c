/* tapdeck/replay.c: `tapdeck replay`: its words. The work is done in replay/. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/parse.h"
#include "replay/list.h"
#include "replay/mapped.h"
#include "replay/observe.h"
#include "replay/play.h"
#include "replay/record_read.h"
#include "tapdeck/local.h"
#include "tapdeck/replay_deck.h"
#include "tapdeck/replay_live.h"
#include "tapdeck/replay_record.h"
#include "tapdeck/replay_report.h"
#include "tapdeck/replay_host.h"
#include "tapdeck/replay_play.h"

#define KNOBS_MAX 32

struct words {
    const char *file;
    bool list;
    struct observe_options observe; /* its json is for both */
    struct report_words report;
    struct deck_words deck;
    struct mend_words mend;         /* of --play */
    const char *of_observe;         /* an option that --list hasn't */
    const char *play;               /* the side that the stack is, or NULL */
    const char *not_play;           /* an option that --play hasn't */
    const char *not_deck;           /* one that -i hasn't */
    const char *knob[KNOBS_MAX];    /* of the played host */
    size_t nknobs;
};

/* ---- words ---- */

static int number(struct session *s, const char *option, const char *word, uint32_t from, uint32_t *n)
{
    if (word == NULL || !parse_u32(word, UINT32_MAX, n) || *n < from)
        return session_fail(s, EXIT_USAGE, "%s needs a number from %u, for example `%s 3`", option, from, option);
    return EXIT_DONE;
}

/* -e LINE */
static int deck_line(struct session *s, const char *line, struct deck_words *o)
{
    if (line == NULL || o->nlines == DECK_LINES)
        return session_fail(s, EXIT_USAGE, "-e needs a line of the console, for example `-e 'goto 42'`, and goes at most %d times", DECK_LINES);
    o->wanted = true;
    o->line[o->nlines++] = line;
    return EXIT_DONE;
}

/* An option with a value. EXIT_DONE: it was one; -1: it isn't. */
static int valued(struct session *s, const char *option, const char *value, struct words *w)
{
    uint32_t n = 0;
    int status;
    if (strcmp(option, "--flow") == 0) {
        if ((status = number(s, option, value, 0, &n)) == EXIT_DONE)
            w->observe.flow = n;
    } else if (strcmp(option, "--from") == 0) {
        if ((status = number(s, option, value, 1, &n)) == EXIT_DONE)
            w->observe.from = n;
    } else if (strcmp(option, "--to") == 0) {
        if ((status = number(s, option, value, 1, &n)) == EXIT_DONE)
            w->observe.to = n;
    } else if ((status = mend_option(s, option, value, &w->mend)) != -1) {
        if (strcmp(option, "--checksums") == 0)
            w->observe.sums = w->mend.mend.sums;
        w->of_observe = option;
        return status;
    } else if (strcmp(option, "-e") == 0) {
        return deck_line(s, value, &w->deck);
    } else if (strcmp(option, "--play") == 0) {
        if (value == NULL)
            return session_fail(s, EXIT_USAGE, "--play needs the side that the stack is: client, server, or ADDR:PORT");
        w->play = value;
        w->of_observe = option;
        return EXIT_DONE;
    } else if (strcmp(option, "--knob") == 0) {
        if (value == NULL || w->nknobs == KNOBS_MAX)
            return session_fail(s, EXIT_USAGE, "--knob needs NAME=VALUE, and goes at most %d times", KNOBS_MAX);
        w->knob[w->nknobs++] = value;
        return EXIT_DONE;
    } else {
        if ((status = report_option(s, option, value, &w->report)) == EXIT_DONE)
            w->of_observe = option;
        return status;
    }
    w->of_observe = option;
    if (strcmp(option, "--flow") != 0)
        w->not_play = option;
    if (strcmp(option, "--flow") != 0)
        w->not_deck = option;
    return status;
}

/* A recorded run has neither connections to choose from nor checksums to mend. */
static int record_words(struct session *s, int argc, char **argv, const char *file)
{
    static const char *const known[] = {"-j", "-n", "--list", "--summary"};
    for (int i = 1; i < argc; i++) {
        bool good = argv[i][0] != '-';
        for (size_t k = 0; k < sizeof(known) / sizeof(*known); k++)
            good = good || strcmp(argv[i], known[k]) == 0;
        if (!good)
            return session_fail(s, EXIT_USAGE, "%s is a recorded run: %s doesn't go with it", file, argv[i]);
    }
    return EXIT_DONE;
}

static int read_words(struct session *s, int argc, char **argv, struct words *w)
{
    *w = (struct words){.observe = {.json = s->json, .flow = -1}, .mend = MEND_WORDS};
    for (int i = 1; i < argc; i++) {
        int status = argv[i][0] == '-' ? valued(s, argv[i], argv[i + 1], w) : -1;
        if (status > 0)
            return status;
        if (status == EXIT_DONE) {
            i++;
        } else if (strcmp(argv[i], "--list") == 0) {
            w->list = true;
        } else if (strcmp(argv[i], "-j") == 0) {
            w->observe.json = true;
        } else if (strcmp(argv[i], "--summary") == 0) {
            w->observe.summary = true;
            w->not_deck = argv[i];
            w->not_play = argv[i];
            w->of_observe = argv[i];
        } else if (strcmp(argv[i], "-i") == 0) {
            w->deck.wanted = true;
        } else if (strcmp(argv[i], "-n") == 0) {
            continue; /* names are never asked for; tcpdump's habit does no harm */
        } else if (argv[i][0] == '-' && argv[i][1] != '\0') {
            return session_fail(s, EXIT_USAGE, "replay has no option '%s': `help replay` lists them", argv[i]);
        } else if (w->file != NULL) {
            return session_fail(s, EXIT_USAGE, "'%s' after '%s': replay takes one capture", argv[i], w->file);
        } else {
            w->file = argv[i];
        }
    }
    if (w->file != NULL && !w->deck.wanted && record_is(w->file))
        return record_words(s, argc, argv, w->file);
    if (w->file == NULL)
        return session_fail(s, EXIT_USAGE, "which capture? write `replay FILE`, or `replay --list FILE`");
    if (w->list && w->of_observe != NULL)
        return session_fail(s, EXIT_USAGE, "--list shows the whole file: %s doesn't go with it", w->of_observe);
    if (w->nknobs > 0 && w->play == NULL)
        return session_fail(s, EXIT_USAGE, "--knob %s: only the stack has knobs, and it isn't asked for without --play", w->knob[0]);
    if (w->mend.option != NULL && w->play == NULL)
        return session_fail(s, EXIT_USAGE, "%s is for a connection that is played, and --play isn't asked for", w->mend.option);
    if (w->report.copy != NULL || w->report.to != NULL || w->report.form != REPORT_PLAIN)
        w->not_deck = w->report.copy != NULL ? "-w" : w->report.to != NULL ? "-o" : "--report";
    if (w->deck.wanted && (w->list || w->not_deck != NULL))
        return session_fail(s, EXIT_USAGE, "-i and -e are for a tape that is moved by hand: %s doesn't go with it", w->list ? "--list" : w->not_deck);
    w->observe.json = w->observe.json || w->report.form == REPORT_JSON;
    if (w->play != NULL && w->not_play != NULL)
        return session_fail(s, EXIT_USAGE, "--play plays a whole connection: %s doesn't go with it", w->not_play);
    if (w->observe.to > 0 && w->observe.to < w->observe.from)
        return session_fail(s, EXIT_USAGE, "--to %llu is before --from %llu", (unsigned long long)w->observe.to, (unsigned long long)w->observe.from);
    return report_words_fit(s, &w->report, w->observe.json, w->file);
}

/* ---- how far it is ---- */

struct progress {
    bool shown;
    int fd;      /* reads the same file, at the same place; -1 = it can't be told how long it is */
    off_t size;
    bool drawn;
};

static void draw(double part, uint64_t packets, const char *what)
{
    static const char bar[] = "##############################";
    fprintf(stderr, "\r[%-30.*s] %3d %%  %llu packets%s", (int)(30 * part), bar, (int)(100 * part), (unsigned long long)packets, what);
}

static void progress(void *ctx, uint64_t packets)
{
    struct progress *p = ctx;
    off_t at = p->fd >= 0 ? lseek(p->fd, 0, SEEK_CUR) : -1;
    p->drawn = true;
    if (at < 0 || p->size <= 0)
        fprintf(stderr, "\r%llu packets", (unsigned long long)packets);
    else
        draw((double)at / (double)p->size, packets, "");
}

static void play_progress(void *ctx, uint64_t done, uint64_t of)
{
    *(bool *)ctx = true;
    if (of == 0)
        fprintf(stderr, "\r%llu packets read", (unsigned long long)done);
    else
        draw((double)done / (double)of, done, " played");
}

static struct capture_reader *open_file(const char *name, struct progress *p, char *msg, size_t msg_size)
{
    struct stat st;
    p->fd = -1;
    FILE *f = strcmp(name, "-") == 0 ? NULL : fopen(name, "rbe");
    if (f == NULL)
        return capture_open(name, msg, msg_size);
    if (p->shown && fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode)) {
        p->fd = fcntl(fileno(f), F_DUPFD_CLOEXEC, 0);
        p->size = st.st_size;
    }
    return capture_open_stream(f, name, msg, msg_size);
}

/* ---- the command ---- */

static int list(struct session *s, const struct words *w, struct capture_reader *r, struct progress *p, char *msg, size_t msg_size)
{
    struct contents c;
    int status = contents_read(&c, r, w->file, p->shown ? progress : NULL, p, msg, msg_size);
    if (p->drawn)
        fputs("\r\033[K", stderr);
    if (status == EXIT_DONE)
        (w->observe.json ? contents_json : contents_print)(&c, s->out);
    contents_done(&c);
    return status;
}

static int play(struct session *s, const struct words *w, bool *observe, char *msg, size_t msg_size)
{
    struct play p;
    struct mend_words mend = w->mend;
    bool drawn = false;
    if (isatty(STDERR_FILENO) && !isatty(fileno(s->out))) { /* rows on the same terminal would be cut by the bar */
        mend.mend.progress = play_progress;
        mend.mend.progress_ctx = &drawn;
    }
    int64_t flow = w->observe.flow < 0 ? 0 : w->observe.flow;
    int status = replay_play_load(&p, w->file, flow, w->play, &mend, observe, msg, msg_size);
    p.knob = w->knob;
    p.nknobs = w->nknobs;
    if (status == EXIT_DONE && !*observe)
        status = report_play(s, &w->report, &p, w->file, (uint32_t)flow, w->observe.json, msg, msg_size);
    if (drawn)
        fputs("\r\033[K", stderr);
    play_done(&p);
    return status;
}

static int replay_main(struct session *s, int argc, char **argv)
{
    struct words w;
    char msg[1024];
    if (replay_is_live(argc, argv))
        return replay_live(s, argc, argv);
    if (replay_is_host(argc, argv))
        return replay_host(s, argc, argv);
    int status = read_words(s, argc, argv, &w);
    if (status != EXIT_DONE)
        return status;
    if (w.deck.wanted) {
        w.deck.file = w.file;
        w.deck.flow = w.observe.flow;
        w.deck.sums = w.observe.sums;
        w.deck.play = w.play;
        w.deck.mend = &w.mend.mend;
        w.deck.knob = w.knob;
        w.deck.nknobs = w.nknobs;
        w.deck.json = w.observe.json;
        return replay_deck(s, &w.deck);
    }
    mapped_guard();
    if (record_is(w.file)) {
        struct replay_record_words of_record = {
            .file = w.file, .list = w.list, .json = w.observe.json};
        return replay_record(s, &of_record);
    }
    bool observe = w.play == NULL;
    if (!observe) {
        status = play(s, &w, &observe, msg, sizeof(msg));
        if (status != EXIT_DONE)
            return session_fail(s, status, "%s", msg);
        if (!observe)
            return status;
    }
    /* Rows on the same terminal would be cut by the bar. */
    struct progress p = {.shown = isatty(STDERR_FILENO) && (w.list || w.observe.summary || w.report.to != NULL || w.report.copy != NULL || !isatty(fileno(s->out)))};
    struct capture_reader *r = open_file(w.file, &p, msg, sizeof(msg));
    if (r == NULL) {
        status = EXIT_USAGE;
    } else if (w.list) {
        status = list(s, &w, r, &p, msg, sizeof(msg));
    } else {
        status = report_observe(s, &w.report, &w.observe, r, w.file, p.shown ? progress : NULL, &p, msg, sizeof(msg));
        if (p.drawn)
            fputs("\r\033[K", stderr);
    }
    if (p.fd >= 0)
        close(p.fd);
    capture_close(r);
    return status == EXIT_DONE ? status : session_fail(s, status, "%s", msg);
}

static const char *const also[] = {
    "\n" REPLAY_MEND_MORE "\n" REPLAY_HOST_MORE "\n",
    "replay FILE.deck (what the daemon's `record` wrote) does a recorded run again, and compares each call's result and\n"
    "each frame that leaves: the first difference is an error. A run that ended in a crash comes to it again.\n"
    "With --list, what is in the file.\n"
    "\n",
    REPLAY_DECK_MORE "\n",
    REPLAY_LIVE_MORE,
    "replay --list shows the connections, numbered as Wireshark's tcp.stream: a SYN with another initial sequence\n"
    "number on the same ports is another one. Bytes are those of the sequence space, so what was sent twice\n"
    "counts once; `begins with` says whether the capture has the handshake.\n"
    "Examples:\n"
    "  replay --list capture.pcapng\n"
    "  replay --flow 0 capture.pcapng\n"
    "  replay --play server pcaps/sack/sack.pcapng\n"
    "  replay --play server --knob net.ipv4.tcp_congestion_control=reno pcaps/sawtooth-reno/sawtooth-reno.pcapng.gz\n"
    "  replay --play 10.0.0.2 pcaps/fragments-out-of-order/fragments-out-of-order.pcapng\n"
    "  replay -i --play server pcaps/sack/sack.pcapng\n"
    "  replay -i -e 'until state=FIN_WAIT_2' -e ss capture.pcapng\n"
    "  replay --flow 0 --from 100 --to 200 capture.pcapng\n"
    "  replay --report html -o sack.html pcaps/sack/sack.pcapng\n"
    "  replay -w commented.pcapng capture.pcap\n"
    REPLAY_LIVE_EXAMPLES
    "  replay --summary --checksums repair capture.pcapng",
    NULL};

const struct local_command local_replay = {
    .name = "replay",
    .usage = "replay [--flow N] [--from N] [--to N] [--checksums {honour|repair|drop}] [--summary] [-n]\n"
             "       [-j | --report {text|json|html}] [-o FILE] [-w COPY] FILE\n"
             "replay --play {client|server|ADDR:PORT} [--flow N] [--knob NAME=VALUE]... [--mtu N]\n"
             "       [--checksums {honour|repair|drop}] [--midstream {assume|refuse}]\n"
             "       [-j | --report {text|json|html}] [-o FILE] [-w COPY] FILE\n"
             REPLAY_HOST_USAGE "\n"
             REPLAY_DECK_USAGE "\n"
             REPLAY_LIVE_USAGE "replay --list [-j] FILE\n"
             "replay [--list] [-j] FILE.deck",
    .doc = "a capture, packet by packet: what both ends of each connection know and do; or what is in it",
    .more = "FILE is a pcap or pcapng file, also compressed with gzip; - is the standard input. No daemon is\n"
            "needed, and nothing is sent but by --live and --inject. A file that breaks off is read as far as it goes.\n"
            "\n"
            "replay FILE takes both directions of each connection into a passive tracker. A line for each packet: its\n"
            "number, seconds, connection (tcp.stream), direction (--> is from the client), flags, sequence and\n"
            "acknowledgement numbers relative to the initial ones, text, the offered window (? where the scaling isn't known), bytes in\n"
            "flight, the sender's inferred congestion window in segments, both ends' states after it, and in words:\n"
            "changes of state and what else it shows, each with its clause. What passes the place of the capture is taken\n"
            "to arrive; where a capture begins in the middle both ends are taken as ESTABLISHED. ~ marks what was\n"
            "inferred: no packet carries a congestion window. At the end come statistics, named as tcptrace names them.\n"
            "\n"
            "  --flow N       only this connection; without it all, and a line for each ARP, ICMP, UDP and fragment\n"
            "  --from, --to   numbers of packets: which are shown. All before them are read too, none behind --to\n"
            "  --summary      only the statistics\n"
            "  --checksums    wrong ones: honour = the receiver discards the segment (one that the sender's card was\n"
            "                 to complete is known and taken for right); repair = taken for right; drop = left out\n"
            "  -n             as always: numbers, no names\n"
            "  -j             JSON (apps/README.md describes it)\n"
            "  --report text  behind that for each connection its story in words, its ladder, and tcptrace's statistics\n"
            "  --report html  a page for a browser that needs nothing else: graphs, ladder, packets, statistics\n"
            "  -o FILE        where the report goes to; else the standard output\n"
            "  -w COPY        the capture again, as pcapng, with what is said of each packet as its comments: Wireshark\n"
            "                 shows them. Only this is written, unless a report was asked for too\n"
            "\n"
            "replay --play puts the stack in the place of one end of a connection (--flow; else the first), in virtual time:\n"
            "what the other end sent is handed to it, its application writes and closes as the captured one did, its initial\n"
            "sequence number, ports, timestamps and IP identification are the captured ones. A line for each frame of that\n"
            "end: same (flags, numbers, length, kinds of options), later or earlier (by more than 5 ms), split, coalesced,\n"
            "missing; extra is what only the stack sent. Behind it when the stack sent it, and both windows. client or A is\n"
            "who connected, server or B who was connected to. At the end: the first divergence, and what the stack's connection was\n"
            "like then. --knob sets what is known of that host, as sysctl -w does.\n",
    .also = also,
    .fn = replay_main,
};
