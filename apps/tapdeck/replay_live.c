/* tapdeck/replay_live.c: `replay --live`: a TAP device, the stack on it, and a captured end's
 * script (replay/live.h). `replay --inject`: captured frames written to a TAP device as they are,
 * at their pace.
 *
 * Both open the device as the daemon does (dev/tap.h): the kernel has its other side. Time is the
 * monotonic clock; a signal ends either, and what was done by then is reported.
 */
#include "tapdeck/replay_live.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/parse.h"
#include "dev/tap.h"
#include "replay/live.h"
#include "tapdeck/stack.h"
#include "tapdeck/words.h"

#define KNOBS_MAX     32
#define FRAMES_A_TURN 64
#define ETHERNET      1u
#define NEXT_MOST     (TD_NEVER / 2) /* a capture's times may be anything */

struct words {
    const char *file, *device;
    bool live, json, max;
    int64_t flow;
    const char *play;
    td_ip4 as, to, via;
    uint8_t as_len;
    uint16_t port, as_port;
    bool has_as, has_to, has_via, has_speed;
    double speed;
    td_time wait, patience, gap;
    uint32_t pps, loop;
    const char *only_live, *only_inject; /* an option that only one of them has */
    const char *knob[KNOBS_MAX];
    size_t nknobs;
};

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
    (void)sig;
    stopped = 1;
}

static td_time clock_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (td_time)t.tv_sec * TD_SEC + (td_time)t.tv_nsec;
}

static void hear_signals(struct sigaction old[2])
{
    struct sigaction a = {.sa_handler = on_signal};
    sigemptyset(&a.sa_mask);
    stopped = 0;
    (void)sigaction(SIGINT, &a, &old[0]);
    (void)sigaction(SIGTERM, &a, &old[1]);
}

static void leave_signals(const struct sigaction old[2])
{
    (void)sigaction(SIGINT, &old[0], NULL);
    (void)sigaction(SIGTERM, &old[1], NULL);
}

/* ---- words ---- */

/* "2", "2x", "0.5x". */
static bool parse_speed(const char *s, double *speed)
{
    char *end;
    if (*s < '0' || *s > '9')
        return false;
    double x = strtod(s, &end);
    if (*end == 'x')
        end++;
    if (*end != '\0' || !(x >= 0.001) || x > 1e6)
        return false;
    *speed = x;
    return true;
}

static int needs(struct session *s, const char *option, const char *what)
{
    return session_fail(s, EXIT_USAGE, "%s needs %s", option, what);
}

static int valued_live(struct session *s, const char *option, const char *value, struct words *w)
{
    char addr[64];
    uint32_t port;
    if (strcmp(option, "--play") == 0) {
        if (value == NULL)
            return needs(s, option, "the side that the stack is: client, server, or ADDR:PORT");
        w->play = value;
    } else if (strcmp(option, "--as") == 0) {
        const char *slash = value != NULL ? strchr(value, '/') : NULL;
        if (value == NULL || slash == NULL || strlen(value) >= sizeof(addr) ||
            !parse_prefix(value, &w->as, &w->as_len) || w->as_len > 30)
            return needs(
                s, option,
                "the stack's own address with its prefix length, for example `--as 10.0.0.2/24`");
        w->has_as = true;
    } else if (strcmp(option, "--to") == 0) {
        if (value == NULL || !parse_endpoint(value, &w->to, &w->port) || w->to == 0)
            return needs(s, option,
                         "the peer's address, or address and port, for example `--to 10.0.0.1:80`");
        w->has_to = true;
    } else if (strcmp(option, "--via") == 0) {
        if (value == NULL || !parse_ip4(value, &w->via) || w->via == 0)
            return needs(s, option, "a gateway's address, for example `--via 10.0.0.1`");
        w->has_via = true;
    } else if (strcmp(option, "--port") == 0) {
        if (value == NULL || !parse_u32(value, 65535, &port) || port == 0)
            return needs(s, option,
                         "the port that the stack listens on, for example `--port 8080`");
        w->as_port = (uint16_t)port;
    } else if (strcmp(option, "--wait") == 0) {
        if (value == NULL || !parse_seconds(value, &w->wait) || w->wait == 0 ||
            w->wait > 86400 * TD_SEC)
            return needs(s, option, "seconds, for example `--wait 30`");
        w->patience = w->wait < w->patience ? w->wait : w->patience;
    } else if (strcmp(option, "--knob") == 0) {
        if (value == NULL || strchr(value, '=') == NULL || w->nknobs == KNOBS_MAX)
            return session_fail(s, EXIT_USAGE, "--knob needs NAME=VALUE, and goes at most %d times",
                                KNOBS_MAX);
        w->knob[w->nknobs++] = value;
    } else if (strcmp(option, "--flow") == 0) {
        uint32_t flow;
        if (value == NULL || !parse_u32(value, UINT32_MAX, &flow))
            return session_fail(s, EXIT_USAGE,
                                "--flow needs a number from 0, for example `--flow 3`");
        w->flow = flow;
    } else {
        return -1;
    }
    w->only_live = option;
    return EXIT_DONE;
}

static int valued_inject(struct session *s, const char *option, const char *value, struct words *w)
{
    if (strcmp(option, "--pps") == 0) {
        if (value == NULL || !parse_u32(value, 10000000, &w->pps) || w->pps == 0)
            return needs(s, option, "frames a second from 1, for example `--pps 1000`");
    } else if (strcmp(option, "--gap") == 0) {
        if (value == NULL || !parse_time(value, &w->gap) || w->gap == 0)
            return needs(s, option, "the time from a frame to the next, for example `--gap 10ms`");
    } else if (strcmp(option, "--loop") == 0) {
        if (value == NULL || !parse_u32(value, 1000000, &w->loop) || w->loop == 0)
            return needs(s, option, "how often, from 1 to 1000000, for example `--loop 10`");
    } else {
        return -1;
    }
    w->only_inject = option;
    return EXIT_DONE;
}

/* EXIT_DONE: it was an option with a value; -1: it isn't one. */
static int valued(struct session *s, const char *option, const char *value, void *words)
{
    struct words *w = words;
    if (strcmp(option, "--live") == 0 || strcmp(option, "--inject") == 0) {
        if (value == NULL || *value == '\0' || *value == '-')
            return needs(s, option, "the name of a TAP device, for example tap0");
        if (w->device != NULL)
            return session_fail(s, EXIT_USAGE, "%s %s: the device is %s already", option, value,
                                w->device);
        w->device = value;
        w->live = strcmp(option, "--live") == 0;
        return EXIT_DONE;
    }
    if (strcmp(option, "--speed") == 0) {
        if (value == NULL || !parse_speed(value, &w->speed))
            return needs(s, option, "a factor, for example `--speed 2x` or `--speed 0.5x`");
        w->has_speed = true;
        return EXIT_DONE;
    }
    int status = valued_live(s, option, value, w);
    return status == -1 ? valued_inject(s, option, value, w) : status;
}

static int go_together(struct session *s, const struct words *w)
{
    if (w->file == NULL)
        return session_fail(s, EXIT_USAGE, "which capture? write `replay %s FILE`",
                            w->live ? "--live TAP --play client" : "--inject TAP");
    if (strlen(w->device) > 15)
        return session_fail(s, EXIT_USAGE, "%s: a device's name has at most 15 characters",
                            w->device);
    if (w->live && w->only_inject != NULL)
        return session_fail(s, EXIT_USAGE, "%s goes with --inject: --live has --speed",
                            w->only_inject);
    if (!w->live && w->only_live != NULL)
        return session_fail(s, EXIT_USAGE,
                            "%s goes with --live: --inject writes all frames as they are",
                            w->only_live);
    if ((w->pps > 0) + (w->gap > 0) + w->has_speed + w->max > 1)
        return session_fail(s, EXIT_USAGE,
                            "--speed, --pps, --gap and --max are four paces: choose one");
    if (w->live && w->play == NULL)
        return session_fail(
            s, EXIT_USAGE,
            "--live needs the side that the stack is: --play client or --play server");
    return EXIT_DONE;
}

static int plain(struct session *s, char *word, void *words)
{
    struct words *w = words;
    if (strcmp(word, "-j") == 0)
        w->json = true;
    else if (strcmp(word, "--max") == 0)
        w->max = true;
    else if (word[0] == '-' && word[1] != '\0')
        return session_fail(s, EXIT_USAGE,
                            "%s doesn't go with --live or --inject: `help replay` has their words",
                            word);
    else if (w->file != NULL)
        return session_fail(s, EXIT_USAGE, "'%s' after '%s': replay takes one capture", word,
                            w->file);
    else
        w->file = word;
    return EXIT_DONE;
}

static int read_words(struct session *s, int argc, char **argv, struct words *w)
{
    static const struct words_reader reader = {valued, plain};
    *w = (struct words){
        .json = s->json, .speed = 1, .loop = 1, .wait = 30 * TD_SEC, .patience = 5 * TD_SEC};
    int status = words_read(s, argc, argv, &reader, w);
    return status == EXIT_DONE ? go_together(s, w) : status;
}

/* A device that is there keeps its MTU; 0: there is none yet. */
static uint32_t mtu_of(const char *device)
{
    struct ifreq ifr = {0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    (void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%.15s", device);
    bool there = fd >= 0 && ioctl(fd, SIOCGIFMTU, &ifr) == 0 && ifr.ifr_mtu > 0;
    if (fd >= 0)
        close(fd);
    return there ? (uint32_t)ifr.ifr_mtu : 0;
}

/* ---- live ---- */

static bool within(td_ip4 a, td_ip4 net, unsigned len)
{
    return len == 0 || (a ^ net) >> (32 - len) == 0;
}

static int set_up(struct session *s, const struct words *w, struct td_stack *st,
                  const struct tap *tap, struct live_options *o, const struct live *l)
{
    char us[16], to[16];
    format_ip4(o->us, us);
    format_ip4(o->to, to);
    (void)td_knob_set(st, "net.ipv4.conf.all.arp_acd", "0");
    (void)td_knob_set(st, "net.ipv4.conf.default.arp_acd", "0");
    for (size_t i = 0; i < w->nknobs; i++) {
        char name[128];
        const char *equals = strchr(w->knob[i], '=');
        (void)snprintf(name, sizeof(name), "%.*s",
                       (int)(equals - w->knob[i] < 127 ? equals - w->knob[i] : 127), w->knob[i]);
        int err = td_knob_set(st, name, equals + 1);
        if (err != 0)
            return session_fail(s, EXIT_USAGE, "--knob %s: %s", w->knob[i],
                                err == -ENOENT ? "there is no such knob: `sysctl -a` lists them"
                                               : "it can't have this value");
    }
    if (td_addr_add(st, tap_ifindex(tap), o->us, w->as_len) != 0)
        return session_fail(
            s, EXIT_USAGE, "%s/%u can't be a host's address: choose another one with --as ADDR/LEN",
            us, w->as_len);
    if (w->has_via) {
        struct td_route all = {.gateway = w->via, .ifindex = tap_ifindex(tap)};
        if (!within(w->via, o->us, w->as_len) || td_route_add(st, &all, true) != 0)
            return session_fail(s, EXIT_USAGE,
                                "--via: a gateway is a neighbour, and this one isn't in %s/%u", us,
                                w->as_len);
    } else if (!l->server && !within(o->to, o->us, w->as_len)) {
        return session_fail(s, EXIT_USAGE,
                            "%s isn't in %s/%u, where the stack is: give --as ADDR/LEN, --to "
                            "ADDR:PORT, or a gateway with --via ADDR",
                            to, us, w->as_len);
    }
    return EXIT_DONE;
}

static void run(struct live *l, struct td_stack *st, struct tap *tap)
{
    td_stack_flush(st, clock_now());
    while (!l->over) {
        td_time now = clock_now();
        if (stopped)
            live_stop(l, now);
        (void)tap_readable(tap, now, FRAMES_A_TURN);
        td_stack_tick(st, now);
        td_time due = live_turn(l, now), timer;
        td_stack_flush(st, now);
        timer = td_stack_next_deadline(st);
        due = timer < due ? timer : due;
        now = clock_now();
        if (l->over || due <= now)
            continue;
        struct timespec t = {.tv_sec = (time_t)((due - now) / TD_SEC),
                             .tv_nsec = (long)((due - now) % TD_SEC)};
        struct pollfd f = {.fd = tap_fd(tap),
                           .events = (short)(POLLIN | (tap_wants_write(tap) ? POLLOUT : 0))};
        if (t.tv_sec > 1)
            t.tv_sec = 1; /* a signal that came just before is noticed */
        (void)ppoll(&f, 1, &t, NULL);
        if (f.revents & POLLOUT)
            tap_writable(tap);
    }
}

static int live_on(struct session *s, const struct words *w, const struct play *p, struct live *l)
{
    struct td_stack_config config = {.now = clock_now()};
    struct tap_config device = {.name = w->device, .stack_name = "eth0", .mtu = mtu_of(w->device)};
    struct live_options o = {.us = w->has_as ? w->as : p->us,
                             .to = w->has_to ? w->to : p->peer,
                             .speed = w->max ? 0 : w->speed,
                             .patience = w->patience,
                             .wait = w->wait};
    struct sigaction old[2];
    char msg[512];
    int err;
    if (l->server && w->has_to)
        return session_fail(s, EXIT_USAGE,
                            "--to is whom a client connects to: a server is connected to");
    if (!l->server && w->as_port != 0)
        return session_fail(s, EXIT_USAGE,
                            "--port is where a server listens: a client has --to ADDR:PORT");
    o.port =
        l->server ? (w->as_port != 0 ? w->as_port : p->port) : (w->port != 0 ? w->port : p->pport);
    if (getrandom(config.seed, sizeof(config.seed), 0) != (ssize_t)sizeof(config.seed))
        return session_fail(s, EXIT_FAILED, "the system has no random numbers: %s",
                            strerror(errno));
    struct td_stack *st = td_stack_new(&config);
    struct tap *tap = st != NULL ? tap_open(st, &device, &err, msg, sizeof(msg)) : NULL;
    int status = EXIT_DONE;
    if (tap == NULL) {
        status = session_fail(s, EXIT_FAILED, "%s", st != NULL ? msg : "out of memory");
    } else if ((status = set_up(s, w, st, tap, &o, l)) == EXIT_DONE) {
        hear_signals(old);
        if ((status = live_begin(l, st, &o, clock_now(), msg, sizeof(msg))) != EXIT_DONE) {
            (void)session_fail(s, status, "%s", msg);
        } else {
            if (l->server && !w->json) {
                char us[16];
                format_ip4(o.us, us);
                fprintf(s->out, "listening on %s:%u\n", us, o.port);
                fflush(s->out);
            }
            run(l, st, tap);
            struct tap_stats stats = tap_stats(tap);
            const uint64_t frames[2] = {stats.tx_frames, stats.rx_frames};
            if (w->json)
                live_json(l, w->file, tap_name(tap), frames, s->out);
            else
                live_print(l, tap_name(tap), frames, s->out);
            status = live_went_well(l) ? EXIT_DONE : EXIT_FAILED;
        }
        leave_signals(old);
    }
    if (tap != NULL)
        tap_close(tap);
    if (st != NULL)
        td_stack_free(st);
    return status;
}

static int live_main(struct session *s, struct words *w, struct capture_reader *r)
{
    struct play p;
    struct live l = {0};
    char msg[1024];
    /* Only what was said counts: neither how it was cut into segments, nor by whom they were
     * signed. */
    const struct play_mend mend = {.sums = SUMS_REPAIR, .assume = true, .elsewhere = true};
    int status = play_load_mended(&p, r, w->file, w->flow, w->play, &mend, msg, sizeof(msg));
    if (!w->has_as)
        w->as_len = 24;
    if (status == EXIT_DONE)
        status = live_load(&l, &p, w->file, msg, sizeof(msg));
    if (status != EXIT_DONE)
        (void)session_fail(s, status, "%s", msg);
    else
        status = live_on(s, w, &p, &l);
    live_done(&l);
    play_done(&p);
    return status;
}

/* ---- injection ---- */

struct injection {
    uint64_t frames, bytes, large, refused, filled, unread, late, packets;
    td_time began, ended;
    int error;     /* the first that the device gave */
    uint16_t link; /* of the first packet */
    char broken[512];
};

/* For a second at most at once: so a signal that came just before is noticed. */
static void sleep_until(td_time at)
{
    for (td_time now = clock_now(); !stopped && now < at; now = clock_now()) {
        td_time wake = at - now < TD_SEC ? at : now + TD_SEC;
        struct timespec t = {.tv_sec = (time_t)(wake / TD_SEC), .tv_nsec = (long)(wake % TD_SEC)};
        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
    }
}

static void write_frame(struct injection *in, int fd, uint32_t mtu, const uint8_t *b, uint32_t n,
                        unsigned tags)
{
    struct pollfd f = {.fd = fd, .events = POLLOUT};
    if (n > mtu + 14 + 4 * tags) {
        in->large++;
        return;
    }
    for (;;) {
        ssize_t wrote = write(fd, b, n);
        if (wrote >= 0) {
            in->frames++;
            in->bytes += n;
            return;
        }
        if (errno == EAGAIN && !stopped && poll(&f, 1, 1000) > 0)
            continue;
        if (errno == EINTR && !stopped)
            continue;
        in->refused++;
        in->error = in->error == 0 ? errno : in->error;
        return;
    }
}

static unsigned tags_of(const uint8_t *b, uint32_t n)
{
    unsigned tags = 0;
    for (uint32_t at = 12;
         at + 4 <= n && tags < 2 &&
         ((b[at] == 0x81 && b[at + 1] == 0) || (b[at] == 0x88 && b[at + 1] == 0xa8));
         at += 4)
        tags++;
    return tags;
}

/* The frame as it was captured; what isn't Ethernet gets such a header (view.h). Bytes that were
 * cut off are zeros. */
static const uint8_t *whole_frame(struct injection *in, struct viewer *v, struct viewer *own,
                                  const struct capture_frame *f, uint32_t *n)
{
    struct view view;
    if (f->link == ETHERNET && f->caplen == f->len) {
        *n = f->len;
        return f->bytes;
    }
    if (f->link == ETHERNET && f->len <= VIEW_FRAME_MAX) {
        if (own->room < f->len) {
            uint8_t *grown = realloc(own->frame, f->len);
            if (grown == NULL)
                return NULL;
            own->frame = grown;
            own->room = f->len;
        }
        memcpy(own->frame, f->bytes, f->caplen);
        memset(own->frame + f->caplen, 0, f->len - f->caplen);
        in->filled++;
        *n = f->len;
        return own->frame;
    }
    if (view_make(v, f, 1, &view) != VIEW_OK)
        return NULL;
    in->filled += view.filled > 0;
    *n = view.frame_len;
    return view.frame;
}

/* Once through the file. False: it can't be opened, or nothing in it can be read. */
static bool inject_once(struct injection *in, const struct words *w, int fd, uint32_t mtu,
                        td_time *next, char *msg, size_t msg_size)
{
    struct capture_frame f;
    struct viewer viewer = {0}, own = {0};
    struct capture_reader *r = capture_open(w->file, msg, msg_size);
    int64_t last = 0;
    bool any = false;
    int got = 0;
    if (r == NULL)
        return false;
    while (!stopped && (got = capture_next(r, &f, in->broken, sizeof(in->broken))) == 1) {
        uint32_t n = 0;
        if (in->packets++ == 0)
            in->link = f.link;
        const uint8_t *b = whole_frame(in, &viewer, &own, &f, &n);
        if (any && w->pps > 0)
            *next += TD_SEC / w->pps;
        else if (any && w->gap > 0)
            *next += w->gap;
        else if (any && !w->max && f.wall > last)
            *next += live_pace((uint64_t)f.wall - (uint64_t)last, w->speed);
        *next = *next < NEXT_MOST ? *next : NEXT_MOST;
        last = !any || f.wall > last ? f.wall : last;
        any = true;
        td_time now = clock_now();
        if (*next > now)
            sleep_until(*next);
        else if (now - *next > TD_MS && !w->max)
            in->late++;
        if (stopped)
            break;
        if (b == NULL || n < 14)
            in->unread++;
        else
            write_frame(in, fd, mtu, b, n, tags_of(b, n));
    }
    if (got >= 0)
        in->broken[0] = '\0';
    free(viewer.frame);
    free(own.frame);
    capture_close(r);
    if (stopped || in->unread < in->packets)
        return true;
    if (in->packets == 0 && got < 0)
        (void)snprintf(msg, msg_size, "%s", in->broken);
    else
        view_none(w->file, in->packets, in->link, msg, msg_size);
    return false;
}

static void inject_report(struct session *s, const struct words *w, const struct injection *in,
                          const char *device, uint32_t mtu, uint32_t rounds)
{
    double seconds = (double)(in->ended - in->began) / 1e9;
    if (w->json) {
        struct text t = {0};
        struct jsonw j = {.t = &t};
        jw_open(&j, NULL, '{');
        jw_str(&j, "file", w->file);
        jw_str(&j, "device", device);
        jw_u64(&j, "frames", in->frames);
        jw_u64(&j, "bytes", in->bytes);
        jw_double(&j, "seconds", seconds);
        jw_u64(&j, "rounds", rounds);
        jw_u64(&j, "too_large", in->large);
        jw_u64(&j, "refused", in->refused);
        jw_u64(&j, "filled", in->filled);
        jw_u64(&j, "unread", in->unread);
        jw_u64(&j, "late", in->late);
        jw_bool(&j, "interrupted", stopped != 0);
        if (in->broken[0] != '\0')
            jw_str(&j, "broken", in->broken);
        jw_close(&j, '}');
        fprintf(s->out, "%s\n", t.s);
        text_free(&t);
        return;
    }
    fprintf(s->out, "%llu frames, %llu bytes to %s in %.3f s\n", (unsigned long long)in->frames,
            (unsigned long long)in->bytes, device, seconds);
    if (in->large > 0)
        fprintf(s->out, "%llu frames are too large for its MTU of %u: not sent\n",
                (unsigned long long)in->large, mtu);
    if (in->refused > 0)
        fprintf(s->out, "%llu frames were refused: %s%s\n", (unsigned long long)in->refused,
                strerror(in->error), in->error == EIO ? " (is the device up?)" : "");
    if (in->filled > 0)
        fprintf(s->out,
                "note: %llu frames were cut off when they were captured; zeros stand for what is "
                "missing\n",
                (unsigned long long)in->filled);
    if (in->unread > 0)
        fprintf(
            s->out,
            "note: %llu packets are of a link layer that can't be read, or too short: not sent\n",
            (unsigned long long)in->unread);
    if (in->late > 0)
        fprintf(s->out, "note: %llu frames left more than a millisecond late\n",
                (unsigned long long)in->late);
    if (in->broken[0] != '\0')
        fprintf(s->out, "note: %s\n", in->broken);
    if (stopped)
        fprintf(s->out, "interrupted\n");
}

static int inject_main(struct session *s, const struct words *w)
{
    struct injection in = {0};
    struct tap_config device = {.name = w->device, .mtu = mtu_of(w->device)};
    struct sigaction old[2];
    char msg[1024], name[16] = "";
    uint32_t mtu = 0, round = 0;
    if (w->loop > 1 && strcmp(w->file, "-") == 0)
        return session_fail(s, EXIT_USAGE, "--loop reads the capture again: give it as a file");
    int fd = tap_open_fd(&device, name, &mtu, msg, sizeof(msg));
    if (fd < 0)
        return session_fail(s, EXIT_FAILED, "%s", msg);
    hear_signals(old);
    bool ok = true;
    td_time next = in.began = clock_now();
    for (; ok && round < w->loop && !stopped; round++)
        ok = inject_once(&in, w, fd, mtu, &next, msg, sizeof(msg));
    in.ended = clock_now();
    if (!ok)
        (void)session_fail(s, EXIT_USAGE, "%s", msg);
    else
        inject_report(s, w, &in, name, mtu, round);
    leave_signals(old);
    close(fd);
    return !ok                                                             ? EXIT_USAGE
           : in.frames > 0 && in.refused == 0 && in.large == 0 && !stopped ? EXIT_DONE
                                                                           : EXIT_FAILED;
}

/* ---- the command ---- */

bool replay_is_live(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--live") == 0 || strcmp(argv[i], "--inject") == 0)
            return true;
    return false;
}

int replay_live(struct session *s, int argc, char **argv)
{
    struct words w;
    char msg[1024];
    int status = read_words(s, argc, argv, &w);
    if (status != EXIT_DONE)
        return status;
    struct capture_reader *r =
        strcmp(w.file, "-") == 0 && !w.live ? NULL : capture_open(w.file, msg, sizeof(msg));
    if (r == NULL && (w.live || strcmp(w.file, "-") != 0))
        return session_fail(s, EXIT_USAGE, "%s", msg);
    status = w.live ? live_main(s, &w, r) : inject_main(s, &w);
    capture_close(r);
    return status;
}
