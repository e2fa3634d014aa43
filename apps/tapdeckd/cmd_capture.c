/* tapdeckd/cmd_capture.c: `capture`: frames into files, and as a stream for programs.
 *
 * `capture start` leaves a capture behind that goes on until `capture stop`; `capture stream` is
 * one for as long as it runs: its output is pcapng, byte by byte, for `tapdeck tcpdump` and for
 * Wireshark (`tapdeck extcap`). The letters are tcpdump's.
 */
#include "tapdeckd/captures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/args.h"
#include "dev/pcapng.h"
#include "link/link.h"

#define LETTERS "c:s:C:G:W:Q:v"
#define STEP    (256U << 10)   /* bytes of a stream a turn: as many as may come in with it */
#define NAP     (200 * TD_US)  /* a turn, while `capture stop` waits for a disk */
#define WRITE   (1500 * TD_MS) /* it waits so long, then says that it is still being written */

static const char right[] =
    "write `capture start FILE [dev IFACE|any] [-c N] [-s N] [-C N] [-G SECONDS] [-W N] "
    "[-Q in|out|inout] [EXPR]`, `capture stop [FILE|dev IFACE|all]` or `capture show`";

/* ---- words ---- */

static bool number(struct run *r, const char *what, const char *text, uint64_t least, uint64_t most,
                   uint64_t *out)
{
    if (parse_u64(text, most, out) && *out >= least)
        return true;
    run_fail(r, EXIT_USAGE, "'%s' is not %s: write %llu to %llu", text, what,
             (unsigned long long)least, (unsigned long long)most);
    return false;
}

static bool letter(struct run *r, int c, const char *value, struct capture_words *w)
{
    uint64_t n = 0;
    switch (c) {
    case 'c':
        return number(r, "a number of packets", value, 1, UINT64_MAX, &w->count);
    case 's':
        if (!number(r, "a number of bytes of each packet (0: all)", value, 0, 262144, &n))
            return false;
        w->snaplen = (uint32_t)n;
        return true;
    case 'C':
        if (!number(r, "a size in millions of bytes", value, 1, 1000000, &n))
            return false;
        w->size = n * 1000000;
        return true;
    case 'G':
        if (!number(r, "a number of seconds", value, 1, 31536000, &n))
            return false;
        w->seconds = (uint32_t)n;
        return true;
    case 'W':
        if (!number(r, "a number of files", value, 1, 100000, &n))
            return false;
        w->files = (uint32_t)n;
        return true;
    case 'v':
        w->verbose = true;
        return true;
    default:
        w->no_in = strcasecmp(value, "out") == 0;
        w->no_out = strcasecmp(value, "in") == 0;
        if (w->no_in || w->no_out || strcasecmp(value, "inout") == 0)
            return true;
        run_fail(r, EXIT_USAGE, "'%s' is not a direction: write in, out or inout", value);
        return false;
    }
}

/* As tcpdump chooses: the first interface that is up, loopback last. 0: there is none that is up.
 */
static uint32_t usual_interface(const struct td_stack *st)
{
    const struct netif *lo = NULL;
    for (const struct netif *nif = netif_first(st); nif != NULL; nif = nif->next) {
        if (!netif_is_up(nif))
            continue;
        if (nif->kind != TD_LINK_LOOPBACK)
            return nif->index;
        lo = nif;
    }
    return lo != NULL ? lo->index : 0;
}

/* The only one with a cable; 0: there are several, or none. */
static uint32_t only_interface(const struct td_stack *st)
{
    uint32_t only = 0;
    for (const struct netif *nif = netif_first(st); nif != NULL; nif = nif->next) {
        if (nif->kind != TD_LINK_DEVICE)
            continue;
        if (only != 0)
            return 0;
        only = nif->index;
    }
    return only;
}

/* `dev X`: 0 is any. A TAP may be called by the kernel's name for it, too. */
static bool interface(struct run *r, const char *name, uint32_t *ifindex)
{
    *ifindex = 0;
    if (strcmp(name, "any") == 0)
        return true;
    const struct deck_tap *t = deck_tap_find(r->deck, name);
    *ifindex = t != NULL ? tap_ifindex(t->tap) : run_interface(r, name);
    return *ifindex != 0;
}

/* The words behind `start` or `stream`. file NULL: none is wanted. */
static bool capture_words(struct run *r, struct capture_words *w, const char **file)
{
    struct args a;
    const char *word;
    bool dev = false;
    size_t used = 0;
    int c;
    memset(w, 0, sizeof(*w));
    args_init(&a, r->argc, r->argv, LETTERS);
    a.index = 2;
    while ((c = run_option(r, &a, &word, right)) != -1) {
        if (c == '?' || (c > 0 && !letter(r, c, a.value, w)))
            return false;
        if (c > 0)
            continue;
        if (file != NULL && *file == NULL) {
            *file = word;
        } else if (!dev && used == 0 && strcmp(word, "dev") == 0) {
            dev = true;
            const char *name = run_value(r, a.index - 1, "the interface's name, or any,");
            if (name == NULL || !interface(r, name, &w->ifindex))
                return false;
            a.index++;
        } else {
            used += (size_t)snprintf(w->filter + used, sizeof(w->filter) - used, "%s%s",
                                     used > 0 ? " " : "", word);
            if (used >= sizeof(w->filter)) {
                run_fail(r, EXIT_USAGE, "the expression is longer than %zu characters",
                         sizeof(w->filter) - 1);
                return false;
            }
        }
    }
    if (file != NULL && *file == NULL) {
        run_bad_word(r, r->argc, right);
        return false;
    }
    if (!dev) {
        w->ifindex = file != NULL ? only_interface(r->deck->st) : usual_interface(r->deck->st);
        if (w->ifindex == 0)
            run_fail(
                r, EXIT_USAGE,
                "say what to capture from, with `dev IFACE` or `dev any`: there is not just one "
                "interface with a cable");
    }
    return dev || w->ifindex != 0;
}

/* ---- start ---- */

static int capture_start(struct run *r)
{
    struct capture_words w;
    const char *file = NULL;
    bool failed;
    if (!capture_words(r, &w, &file))
        return EXIT_USAGE;
    if (strcmp(file, "-") == 0)
        return run_fail(r, EXIT_USAGE,
                        "the daemon has no standard output to capture to: name a file, or use "
                        "`tapdeck tcpdump -w -`");
    if (w.seconds > 0 && strchr(file, '%') == NULL)
        return run_fail(r, EXIT_USAGE,
                        "with -G the file's name needs a time in it, such as '%%H%%M%%S' "
                        "(strftime(3)): each file "
                        "would replace the one before");
    if (w.files > 0 && w.size == 0 && w.seconds == 0)
        return run_fail(r, EXIT_USAGE, "-W needs -C or -G: it says how many files they make");
    if (capture_begin(r, &w, file, &failed) == NULL)
        return failed ? EXIT_FAILED : EXIT_USAGE;
    return EXIT_DONE;
}

/* ---- stream ---- */

static const char *where(const struct deck_capture *c)
{
    const struct netif *nif = netif_by_index(c->deck->st, c->words.ifindex);
    return c->words.ifindex == 0 ? "any" : nif != NULL ? nif->name : "-";
}

static void stream_release(struct run *r)
{
    capture_free(r->state);
}

static int stream_step(struct run *r, td_time now)
{
    struct deck_capture *c = r->state;
    (void)now;
    if (r->out.len < STEP)
        capture_move(c, STEP - r->out.len);
    r->ready = capture_waiting(c) > 0;
    return c->sniffer == NULL && !r->ready ? EXIT_DONE : RUN_MORE;
}

static int stream_interrupt(struct run *r)
{
    struct deck_capture *c = r->state;
    capture_end(c);
    capture_move(c, SIZE_MAX);
    return EXIT_DONE;
}

static int capture_stream(struct run *r)
{
    struct capture_words w;
    bool failed;
    if (!capture_words(r, &w, NULL))
        return EXIT_USAGE;
    if (w.size > 0 || w.seconds > 0 || w.files > 0)
        return run_fail(r, EXIT_USAGE, "-C, -G and -W are for files: a stream has none");
    struct deck_capture *c = capture_begin(r, &w, NULL, &failed);
    if (c == NULL)
        return failed ? EXIT_FAILED : EXIT_USAGE;
    r->state = c;
    r->release = stream_release;
    r->step = stream_step;
    r->interrupt = stream_interrupt;
    r->timeless = true;
    if (w.verbose)
        run_note(r, "listening on %s, link-type EN10MB (Ethernet), snapshot length %u bytes\n",
                 where(c), w.snaplen != 0 ? w.snaplen : PCAPNG_SNAPLEN);
    return stream_step(r, 0);
}

/* ---- stop ---- */

struct stopping {
    char *file; /* NULL: all */
    uint32_t ifindex;
    bool by_interface;
    td_time until; /* real time */
    int status;
};

static bool meant(const struct stopping *s, const struct deck_capture *c)
{
    return c->file != NULL && (s->file == NULL || strcmp(c->file, s->file) == 0) &&
           (!s->by_interface || c->words.ifindex == s->ifindex);
}

/* The disk's time is real, whatever the stack's is: virtual time doesn't pass while it is waited
 * for. All that are meant end; those that are written are told and go. RUN_MORE: a disk is slow. */
static int stop_step(struct run *r, td_time now)
{
    (void)now;
    struct stopping *s = r->state;
    bool slow = false;
    for (struct deck_capture *c = r->deck->captures, *next; c != NULL; c = next) {
        next = c->next;
        if (!meant(s, c))
            continue;
        capture_end(c);
        if (!capture_written(c)) {
            slow = true;
            continue;
        }
        run_printf(r, "%s: %llu frames", c->file, (unsigned long long)c->written);
        if (c->stats.accepted > c->written)
            run_printf(r, ", %llu lost", (unsigned long long)(c->stats.accepted - c->written));
        run_puts(r, "\n");
        if (c->error != 0)
            s->status =
                run_fail(r, EXIT_FAILED, "%s is incomplete: %s", c->file, strerror(-c->error));
        capture_free(c);
    }
    if (slow && captures_real_now() >= s->until)
        return run_fail(r, EXIT_FAILED,
                        "the disk still takes what was captured: `capture show` tells when it has");
    if (slow)
        clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = NAP}, NULL);
    r->ready = slow;
    return slow ? RUN_MORE : s->status;
}

static void stop_release(struct run *r)
{
    struct stopping *s = r->state;
    if (s != NULL)
        free(s->file);
    free(s);
}

static int capture_stop(struct run *r)
{
    struct stopping *s = calloc(1, sizeof(*s));
    unsigned n = 0;
    if (s == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    r->state = s;
    r->release = stop_release;
    s->until = captures_real_now() + WRITE;
    if (r->argc == 4 && strcmp(r->argv[2], "dev") == 0) {
        s->by_interface = true;
        if (!interface(r, r->argv[3], &s->ifindex))
            return EXIT_USAGE;
    } else if (r->argc > 3) {
        return run_bad_word(r, 3, right);
    } else if (r->argc == 3 && strcmp(r->argv[2], "all") != 0) {
        s->file = strdup(r->argv[2]);
    }
    for (const struct deck_capture *c = r->deck->captures; c != NULL; c = c->next)
        n += meant(s, c);
    if (n == 0 && r->argc == 2)
        return run_fail(r, EXIT_USAGE, "no capture is running");
    if (n == 0)
        return run_fail(r, EXIT_USAGE, "no capture is running to '%s': `capture show` lists them",
                        r->argv[r->argc - 1]);
    if (n > 1 && r->argc == 2)
        return run_fail(
            r, EXIT_USAGE,
            "%u captures are running: say which, `capture stop FILE`, or `capture stop all`", n);
    r->step = stop_step;
    r->timeless = true;
    return stop_step(r, deck_now(r->deck));
}

/* ---- show ---- */

static const char *directions(const struct deck_capture *c)
{
    return c->words.no_in ? "out" : c->words.no_out ? "in" : "inout";
}

static void show_one(struct run *r, struct deck_capture *c)
{
    const struct sniffer_stats stats = c->sniffer != NULL ? sniffer_stats(c->sniffer) : c->stats;
    bool running = c->sniffer != NULL;
    int error = c->dump != NULL ? dump_error(c->dump) : c->error;
    uint64_t written = c->file == NULL   ? stats.written
                       : c->dump != NULL ? dump_packets(c->dump)
                                         : c->written;
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        if (c->file != NULL)
            jw_str(&r->jw, "file", c->file);
        jw_str(&r->jw, "dev", where(c));
        jw_str(&r->jw, "direction", directions(c));
        jw_str(&r->jw, "format", c->pcap ? "pcap" : "pcapng");
        if (c->words.filter[0] != '\0')
            jw_str(&r->jw, "filter", c->words.filter);
        jw_bool(&r->jw, "running", running);
        jw_u64(&r->jw, "seen", stats.seen);
        jw_u64(&r->jw, "accepted", stats.accepted);
        jw_u64(&r->jw, "written", written);
        jw_u64(&r->jw, "lost", stats.lost);
        if (error != 0)
            jw_str(&r->jw, "error", strerror(-error));
        jw_close(&r->jw, '}');
        return;
    }
    run_printf(r, "%s: %s, %s, %s", c->file != NULL ? c->file : "(a stream)", where(c),
               directions(c), c->pcap ? "pcap" : "pcapng");
    if (c->words.filter[0] != '\0')
        run_printf(r, ", '%s'", c->words.filter);
    run_printf(r, ": %llu frames written", (unsigned long long)written);
    if (stats.lost > 0)
        run_printf(r, ", %llu lost", (unsigned long long)stats.lost);
    if (error != 0)
        run_printf(r, "; writing it failed: %s", strerror(-error));
    else if (!running)
        run_puts(r, c->dump != NULL ? "; ended, still being written" : "; ended");
    run_puts(r, "\n");
}

static int capture_show(struct run *r)
{
    if (r->argc > 2)
        return run_bad_word(r, 2, "`capture show` takes no more words");
    if (r->json)
        jw_open(&r->jw, NULL, '[');
    for (struct deck_capture *c = r->deck->captures; c != NULL; c = c->next) {
        if (c->file != NULL)
            (void)capture_written(c);
        show_one(r, c);
    }
    if (r->json) {
        jw_close(&r->jw, ']');
        run_puts(r, "\n");
    }
    return EXIT_DONE;
}

/* As tcpdump -D. */
static int capture_interfaces(struct run *r)
{
    unsigned n = 0;
    if (r->argc > 2)
        return run_bad_word(r, 2, "`capture interfaces` takes no more words");
    if (r->json)
        jw_open(&r->jw, NULL, '[');
    for (const struct netif *nif = netif_first(r->deck->st); nif != NULL; nif = nif->next) {
        const char *kind = td_link_kind_name(nif->kind);
        if (r->json) {
            jw_open(&r->jw, NULL, '{');
            jw_str(&r->jw, "ifname", nif->name);
            jw_bool(&r->jw, "up", netif_is_up(nif));
            if (*kind != '\0')
                jw_str(&r->jw, "kind", kind);
            jw_close(&r->jw, '}');
            continue;
        }
        run_printf(r, "%u.%s [%s%s%s]\n", ++n, nif->name, netif_is_up(nif) ? "Up" : "Down",
                   netif_is_up(nif) && netif_running(nif) ? ", Running" : "",
                   nif->kind == TD_LINK_LOOPBACK ? ", Loopback" : "");
    }
    if (r->json) {
        jw_close(&r->jw, ']');
        run_puts(r, "\n");
    } else {
        run_printf(r, "%u.any (all of them) [Up, Running]\n", ++n);
    }
    return EXIT_DONE;
}

static int capture_main(struct run *r)
{
    const char *verb = r->argc > 1 ? r->argv[1] : "show";
    if (strcmp(verb, "start") == 0)
        return capture_start(r);
    if (strcmp(verb, "stop") == 0)
        return capture_stop(r);
    if (strcmp(verb, "stream") == 0)
        return capture_stream(r);
    if (strcmp(verb, "show") == 0)
        return capture_show(r);
    if (strcmp(verb, "interfaces") == 0)
        return capture_interfaces(r);
    return run_bad_word(r, 1, right);
}

const struct command command_capture = {
    .name = "capture",
    .usage =
        "capture start FILE [dev {IFACE | any}] [-c N] [-s N] [-C N] [-G SECONDS] [-W N] [-Q {in | "
        "out | inout}] "
        "[EXPR...]\n"
        "capture stop [FILE | dev {IFACE | any} | all]\n"
        "capture stream [-v] [dev {IFACE | any}] [-c N] [-s N] [-Q {in | out | inout}] [EXPR...]\n"
        "capture {show | interfaces}",
    .doc = "writes the frames of an interface to a file, with the journal's reasons beside each",
    .more = "A FILE named *.pcapng gets everything: interfaces, directions, times in nanoseconds, "
            "and as comments what the\n"
            "journal says about each packet (Wireshark: frame.comment contains \"drop\"). Any "
            "other is plain pcap with\n"
            "nanoseconds. FILE is the daemon's to open: a relative path is relative to where the "
            "daemon was started.\n"
            "Frames are seen where Linux's tcpdump sees them: what impairments lose on the way out "
            "is not, what they lose on\n"
            "the way in is (and its comment says so).\n"
            "  dev    an interface of any kind, or any; without it the only one that has a cable\n"
            "  -c     ends after N packets                -s  keeps N bytes of each\n"
            "  -C     another file after N million bytes  -G  another every so many SECONDS: FILE "
            "has strftime's letters\n"
            "  -W     so many files: with -C a ring, with -G the end\n"
            "  -Q     only what comes in, or only what goes out\n"
            "  EXPR   a filter expression of libpcap's (pcap-filter(7))\n"
            "`capture stream` is pcapng as output, for programs: people use `tcpdump`.\n"
            "Examples:\n"
            "  capture start /tmp/eth0.pcapng dev eth0\n"
            "  capture start /tmp/all.pcapng dev any not arp\n"
            "  capture start /tmp/ring.pcapng -C 10 -W 4 tcp port 80\n"
            "  capture show\n"
            "  capture stop",
    .fn = capture_main,
};
