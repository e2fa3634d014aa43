/* tapdeck/deck_words.c: the words that move a tape.
 *
 * A word asks the reel (replay/deck.h) to go somewhere and says where it is then: the line of the
 * frame it stands at. Between two words nothing moves. `play` alone takes time: it goes frame by
 * frame and sleeps between two as long as there was between them when they were captured, divided
 * by the speed; a gap of more than two seconds on the clock is said rather than slept. It is
 * stopped by Ctrl-C, or by Enter.
 */
#include "tapdeck/deck_words.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/filter.h"
#include "common/jsonw.h"
#include "common/parse.h"
#include "replay/deck_command.h"

#define SLEEP_MOST    (2 * TD_SEC) /* between two frames */
#define TAKEN_BACK    100u         /* lines that `back` prints */
#define PATIENCE      6u           /* calls of progress before it is drawn */
#define SPEED_ONE     1000u
#define SPEED_LARGEST 1000000u

static struct deck_session *of(const struct session *s)
{
    return s->host->ctx;
}

/* ---- what the reel calls ---- */

/* Somebody has pressed Enter while the tape plays. */
static bool entered(const struct deck_session *d)
{
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    char line[1024];
    if (!d->playing || !d->s->interactive || poll(&p, 1, 0) <= 0)
        return false;
    return read(STDIN_FILENO, line, sizeof(line)) >= 0;
}

static bool interrupted(void *ctx)
{
    struct deck_session *d = ctx;
    if (interrupts > d->heeded) {
        d->heeded++;
        return true;
    }
    return entered(d);
}

static void print_line(struct deck_session *d, const struct reel_place *at, const char *text,
                       size_t n)
{
    struct session *s = d->s;
    if (!s->json) {
        fprintf(s->out, "%.*s\n", (int)n, text);
        return;
    }
    struct text t = {0}, copy = {0};
    struct jsonw w = {.t = &t};
    text_add(&copy, text, n);
    text_add(&copy, "", 1);
    jw_open(&w, NULL, '{');
    jw_u64(&w, "packet", at->number);
    jw_u64(&w, "step", at->step);
    jw_u64(&w, "time_ns", at->at);
    jw_str(&w, "line", copy.s);
    jw_close(&w, '}');
    fprintf(s->out, "%s\n", t.s);
    text_free(&t);
    text_free(&copy);
}

static void keep_line(void *ctx, const struct reel_place *at, const char *text, size_t n)
{
    struct deck_session *d = ctx;
    if (d->kept == NULL) {
        print_line(d, at, text, n);
        return;
    }
    struct text *t = &d->kept[d->nkept++ % TAKEN_BACK]; /* the last of them */
    text_consume(t, t->len);
    text_add(t, text, n);
}

static void progress(void *ctx, uint64_t step)
{
    struct deck_session *d = ctx;
    uint64_t total = reel_total(d->reel);
    if (++d->waited < PATIENCE || !d->s->interactive || !isatty(STDERR_FILENO))
        return;
    d->drawn = true;
    if (total > 0)
        fprintf(stderr, "\rstep %" PRIu64 " of %" PRIu64 "\033[K", step, total);
    else
        fprintf(stderr, "\rstep %" PRIu64 "\033[K", step);
}

const struct reel_hooks deck_hooks = {
    .line = keep_line, .interrupted = interrupted, .progress = progress};

/* Before the tape is moved, and after. */
static void begin(struct deck_session *d)
{
    interrupts = 0;
    d->heeded = 0;
    d->waited = 0;
    d->drawn = false;
}

static void end(struct deck_session *d)
{
    if (d->drawn)
        fputs("\r\033[K", stderr);
    d->drawn = false;
}

/* ---- saying where it is ---- */

static void seconds(td_time t, char dst[32])
{
    (void)snprintf(dst, 32, "%.6f", (double)t / 1e9); /* as in lines */
}

/* "packet 42", "the beginning" */
static void place_name(struct reel_place at, char dst[48])
{
    if (at.step == 0)
        (void)snprintf(dst, 48, "the beginning");
    else
        (void)snprintf(dst, 48, "packet %llu", (unsigned long long)at.number);
}

void deck_session_prompt(struct session *s, char *dst, size_t size)
{
    const struct reel *r = of(s)->reel;
    struct reel_place at = reel_place(r);
    uint64_t last = reel_last(r);
    char t[32], total[32] = "";
    seconds(at.at, t);
    if (last > 0)
        (void)snprintf(total, sizeof(total), "/%llu", (unsigned long long)last);
    (void)snprintf(dst, size, "#%llu%s %ss> ", (unsigned long long)at.number, total, t);
}

static void print_here(struct deck_session *d)
{
    struct reel_place at = reel_place(d->reel);
    const char *line = reel_line(d->reel);
    if (at.step > 0 || d->s->json)
        print_line(d, &at, line, strlen(line));
    else
        fprintf(d->s->out, "the beginning\n");
}

/* Frames that weren't what they had been. */
static void say_differences(struct deck_session *d)
{
    const char *how;
    uint64_t n = reel_differed(d->reel, &how);
    if (n == 0)
        return;
    fflush(d->s->out);
    fprintf(stderr, "%s: packet %llu isn't what it was: %s\n", d->s->where, (unsigned long long)n,
            how);
}

/* The sentence for a result that isn't what was asked for; the exit status. */
static int outcome(struct deck_session *d, enum reel_result result, const char *msg)
{
    char place[48];
    end(d);
    say_differences(d);
    place_name(reel_place(d->reel), place);
    switch (result) {
    case REEL_STOPPED:
        return EXIT_DONE;
    case REEL_ENDED:
        return session_fail(d->s, EXIT_FAILED, "the tape ends at %s", place);
    case REEL_INTERRUPTED:
        if (!d->s->interactive)
            d->s->leave = true;
        return session_fail(d->s, EXIT_FAILED, "stopped at %s", place);
    case REEL_DIFFERS:
        return EXIT_FAILED;
    case REEL_FAILED:
        return session_fail(d->s, EXIT_FAILED, "%s; the tape stands before that, at %s", msg,
                            place);
    default:
        return session_fail(d->s, EXIT_FAILED, "%s", msg);
    }
}

/* ---- words ---- */

static int count_word(struct session *s, int argc, char **argv, uint64_t *n)
{
    *n = 1;
    if (argc > 2)
        return session_fail(s, EXIT_USAGE, "'%s' after '%s %s': %s takes one number", argv[2],
                            argv[0], argv[1], argv[0]);
    if (argc == 2 && (!parse_u64(argv[1], UINT64_MAX - 1, n) || *n == 0))
        return session_fail(s, EXIT_USAGE,
                            "%s takes a number of packets from 1, for example `%s 10`, not '%s'",
                            argv[0], argv[0], argv[1]);
    return EXIT_DONE;
}

static int step_main(struct session *s, int argc, char **argv)
{
    struct deck_session *d = of(s);
    struct reel_goal g = {.lines = true, .heed = true};
    char msg[1024];
    int status = count_word(s, argc, argv, &g.steps);
    if (status != EXIT_DONE)
        return status;
    begin(d);
    uint64_t passed;
    enum reel_result result = reel_go(d->reel, &g, &passed, msg, sizeof(msg));
    fflush(s->out);
    return outcome(d, result, msg);
}

static const struct local_command deck_step = {
    .name = "step",
    .usage = "step [N]",
    .doc = "goes on by a packet, or N, and prints each",
    .more = "Example:\n  step 3",
    .screen = true,
    .fn = step_main,
};

static void print_taken_back(struct deck_session *d)
{
    uint64_t n = d->nkept < TAKEN_BACK ? d->nkept : TAKEN_BACK;
    for (uint64_t i = 0; i < n; i++) {
        const struct text *t = &d->kept[(d->nkept - 1 - i) % TAKEN_BACK];
        fprintf(d->s->out, "- %.*s\n", (int)t->len, t->len > 0 ? t->s : "");
    }
    if (d->nkept > n)
        fprintf(d->s->out, "- and %llu before\n", (unsigned long long)(d->nkept - n));
}

static int back_main(struct session *s, int argc, char **argv)
{
    struct deck_session *d = of(s);
    struct text kept[TAKEN_BACK] = {{0}};
    char msg[1024];
    uint64_t n, from = reel_place(d->reel).step;
    int status = count_word(s, argc, argv, &n);
    if (status != EXIT_DONE)
        return status;
    if (from == 0)
        return session_fail(s, EXIT_FAILED, "the tape is at its beginning");
    n = n < from ? n : from;
    begin(d);
    enum reel_result result = reel_goto_step(d->reel, from - n, msg, sizeof(msg));
    if (result == REEL_STOPPED && !s->json) {
        d->kept = kept;
        d->nkept = 0;
        (void)reel_peek(d->reel, n, msg, sizeof(msg));
        print_taken_back(d);
        d->kept = NULL;
        for (unsigned i = 0; i < TAKEN_BACK; i++)
            text_free(&kept[i]);
    } else if (result == REEL_STOPPED) {
        print_here(d);
    }
    fflush(s->out);
    return outcome(d, result, msg);
}

static const struct local_command deck_back = {
    .name = "back",
    .usage = "back [N]",
    .doc = "goes back by a packet, or N, and prints what is taken back",
    .more = "What is taken back is printed last first, with a minus before it: at most 100 "
            "packets.\nExample:\n  back 10",
    .screen = true,
    .fn = back_main,
};

/* Where to: a packet's number, or a time. */
static int goto_word(struct session *s, const char *word, char *msg, size_t msg_size,
                     enum reel_result *result)
{
    struct deck_session *d = of(s);
    uint64_t number, last = reel_last(d->reel);
    td_time at;
    if (strcmp(word, "start") == 0) {
        *result = reel_goto_step(d->reel, 0, msg, msg_size);
    } else if (strcmp(word, "end") == 0) {
        uint64_t total = reel_total(d->reel);
        *result = reel_goto_step(d->reel, total > 0 ? total : UINT64_MAX, msg, msg_size);
        if (*result == REEL_ENDED)
            *result = REEL_STOPPED;
    } else if (parse_u64(word, UINT64_MAX, &number)) {
        if (last > 0 && number > last)
            return session_fail(s, EXIT_USAGE, "there is no packet %s: the last is %llu", word,
                                (unsigned long long)last);
        *result = reel_goto_number(d->reel, number, msg, msg_size);
    } else if (parse_time(word, &at)) {
        td_time length = reel_tape(d->reel)->length;
        if (length > 0 && at > length)
            return session_fail(s, EXIT_USAGE,
                                "there is nothing at %s: the tape is %llu.%06llu s long", word,
                                (unsigned long long)(length / TD_SEC),
                                (unsigned long long)(length % TD_SEC / TD_US));
        *result = reel_goto_time(d->reel, at, msg, msg_size);
        if (*result == REEL_ENDED && length > 0) /* behind its last packet */
            *result = REEL_STOPPED;
    } else {
        return session_fail(s, EXIT_USAGE,
                            "'%s' is no place on the tape: write a packet's number, a time such as "
                            "1.5s, start or end",
                            word);
    }
    return EXIT_DONE;
}

static int goto_main(struct session *s, int argc, char **argv)
{
    struct deck_session *d = of(s);
    char msg[1024] = "";
    enum reel_result result = REEL_STOPPED;
    if (argc != 2)
        return session_fail(
            s, EXIT_USAGE,
            "goto takes one place: a packet's number, a time such as 1.5s, start or end");
    begin(d);
    int status = goto_word(s, argv[1], msg, sizeof(msg), &result);
    if (status != EXIT_DONE)
        return status;
    end(d);
    if (result == REEL_STOPPED)
        print_here(d);
    fflush(s->out);
    return outcome(d, result, msg);
}

static const struct local_command deck_goto = {
    .name = "goto",
    .usage = "goto {N | TIME | start | end}",
    .doc = "goes to the packet with this number, or to a time, forward or back",
    .more = "Times count from the tape's beginning: 1.5s, 20ms. Where no packet has the number or "
            "the time, it is the last one before.\n"
            "Examples:\n  goto 42\n  goto 1.5s\n  goto end",
    .screen = true,
    .fn = goto_main,
};

/* What to wait for. */
static int until_words(struct session *s, int argc, char **argv, struct reel_goal *g)
{
    const struct reel *r = of(s)->reel;
    char msg[512];
    bool state = argc > 1 && strncmp(argv[1], "state=", 6) == 0,
         event = argc > 1 && strncmp(argv[1], "event=", 6) == 0;
    if (argc < 2)
        return session_fail(
            s, EXIT_USAGE,
            "until what? state=FIN_WAIT_2, event=tcp-rto, or a filter such as 'tcp[13] & 4 != 0'");
    if ((state || event) && argc > 2)
        return session_fail(s, EXIT_USAGE, "'%s' doesn't belong after '%s'", argv[2], argv[1]);
    if (state) {
        if (!reel_knows_state(r, argv[1] + 6, msg, sizeof(msg)))
            return session_fail(s, EXIT_USAGE, "%s", msg);
        (void)snprintf(g->state, sizeof(g->state), "%s", argv[1] + 6);
    } else if (event) {
        if (!reel_knows_event(r, argv[1] + 6, msg, sizeof(msg)))
            return session_fail(s, EXIT_USAGE, "%s", msg);
        (void)snprintf(g->event, sizeof(g->event), "%s", argv[1] + 6);
    } else {
        struct text expr = {0};
        for (int i = 1; i < argc; i++)
            text_printf(&expr, "%s%s", i > 1 ? " " : "", argv[i]);
        bool good = filter_compile(expr.s, g->code, TD_IMPAIR_CODE, &g->ncode, msg, sizeof(msg));
        text_free(&expr);
        if (!good)
            return session_fail(s, EXIT_USAGE, "%s", msg);
    }
    return EXIT_DONE;
}

static int until_main(struct session *s, int argc, char **argv)
{
    struct deck_session *d = of(s);
    struct reel_goal *g = calloc(1, sizeof(*g));
    char msg[1024] = "", place[48];
    uint64_t passed = 0;
    if (g == NULL)
        return session_fail(s, EXIT_FAILED, "out of memory");
    g->steps = UINT64_MAX;
    g->heed = true;
    int status = until_words(s, argc, argv, g);
    if (status != EXIT_DONE) {
        free(g);
        return status;
    }
    begin(d);
    enum reel_result result = reel_go(d->reel, g, &passed, msg, sizeof(msg));
    free(g);
    end(d);
    if (result == REEL_ENDED) {
        place_name(reel_place(d->reel), place);
        return session_fail(s, EXIT_FAILED,
                            "that doesn't come: the tape ends at %s, %llu packets further on",
                            place, (unsigned long long)passed);
    }
    if (result == REEL_STOPPED || result == REEL_DIFFERS)
        print_here(d);
    if (result == REEL_STOPPED && msg[0] != '\0' && !s->json)
        fprintf(s->out, "%s\n", msg);
    fflush(s->out);
    return outcome(d, result, msg);
}

static const struct local_command deck_until = {
    .name = "until",
    .usage = "until state=TCPSTATE\n"
             "until event=EVENT\n"
             "until EXPR...",
    .doc = "goes on until a connection comes into a state, an event happens, or a packet matches a "
           "filter",
    .more =
        "States have Linux's names or the RFC's, events those of the journal (* and ? stand for "
        "anything), filters are\n"
        "libpcap's. Where that never comes, the tape ends.\n"
        "Examples:\n  until state=FIN_WAIT_2\n  until event=tcp-rto*\n  until 'tcp[13] & 4 != 0'",
    .screen = true,
    .fn = until_main,
};

/* ---- play ---- */

bool deck_speed(const char *word, uint32_t *speed)
{
    char number[32];
    td_time t;
    size_t n = strlen(word);
    if (strcmp(word, "max") == 0) {
        *speed = SPEED_MAX;
        return true;
    }
    if (n > 0 && word[n - 1] == 'x')
        n--;
    if (n == 0 || n >= sizeof(number))
        return false;
    memcpy(number, word, n);
    number[n] = '\0';
    if (!parse_seconds(number, &t) || t < TD_MS || t / TD_MS > SPEED_LARGEST)
        return false;
    *speed = (uint32_t)(t / TD_MS);
    return true;
}

static void speed_text(uint32_t speed, char dst[32])
{
    if (speed == SPEED_MAX)
        (void)snprintf(dst, 32, "max");
    else if (speed % 1000 == 0)
        (void)snprintf(dst, 32, "%ux", speed / 1000);
    else
        (void)snprintf(dst, 32, "%.3gx", (double)speed / 1000);
}

static int speed_word(struct session *s, const char *word)
{
    if (deck_speed(word, &of(s)->speed))
        return EXIT_DONE;
    return session_fail(s, EXIT_USAGE,
                        "'%s' is no speed: write for example 4x, 0.5x, or max (0.001x to 1000x)",
                        word);
}

static int speed_main(struct session *s, int argc, char **argv)
{
    char text[32];
    int status = argc > 2    ? session_fail(s, EXIT_USAGE, "speed takes one word: 4x, 0.5x, max")
                 : argc == 2 ? speed_word(s, argv[1])
                             : EXIT_DONE;
    if (status != EXIT_DONE || argc == 2)
        return status;
    speed_text(of(s)->speed, text);
    fprintf(s->out, "speed %s\n", text);
    return EXIT_DONE;
}

static const struct local_command deck_speed_command = {
    .name = "speed",
    .usage = "speed [SPEED | max]",
    .doc =
        "how fast `play` goes: 4x is four times the pace of the capture; max doesn't wait at all",
    .more = "Examples:\n  speed 4x\n  speed max",
    .fn = speed_main,
};

/* False: somebody wants it to stop. */
static bool sleep_for(struct deck_session *d, td_time t)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    td_time begun = (td_time)now.tv_sec * TD_SEC + (td_time)now.tv_nsec, over = begun + t;
    for (td_time at = begun; at < over;) {
        struct pollfd p = {.fd = d->s->interactive ? STDIN_FILENO : -1, .events = POLLIN};
        td_time left = over - at;
        const struct timespec nap = {.tv_sec = (time_t)(left / TD_SEC),
                                     .tv_nsec = (long)(left % TD_SEC)};
        (void)ppoll(&p, 1, &nap, NULL);
        if (interrupted(d))
            return false;
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        at = (td_time)now.tv_sec * TD_SEC + (td_time)now.tv_nsec;
    }
    return true;
}

/* What lies between two frames, on the clock. */
static bool pace(struct deck_session *d, td_time gap)
{
    char t[32];
    td_time scaled = gap / d->speed * SPEED_ONE + gap % d->speed * SPEED_ONE / d->speed;
    if (scaled <= SLEEP_MOST)
        return sleep_for(d, scaled);
    seconds(gap, t);
    if (!d->s->json)
        fprintf(d->s->out, "  ... %s s later\n", t);
    return !interrupted(d);
}

static enum reel_result play_paced(struct deck_session *d, char *msg, size_t msg_size)
{
    const struct reel_goal one = {.steps = 1, .heed = true};
    enum reel_result result;
    bool on = true;
    do {
        struct reel_place before = reel_place(d->reel);
        result = reel_go(d->reel, &one, NULL, msg, msg_size);
        struct reel_place at = reel_place(d->reel);
        if (result != REEL_STOPPED && result != REEL_DIFFERS)
            return result;
        if (before.step > 0 && at.at > before.at)
            on = pace(d, at.at - before.at);
        print_here(d);
        fflush(d->s->out);
    } while (on && result == REEL_STOPPED);
    return on ? result : REEL_INTERRUPTED;
}

static int play_main(struct session *s, int argc, char **argv)
{
    struct deck_session *d = of(s);
    const struct reel_goal all = {.steps = UINT64_MAX, .lines = true, .heed = true};
    char msg[1024] = "", place[48];
    enum reel_result result;
    if (argc > 2)
        return session_fail(s, EXIT_USAGE, "play takes a speed at most: `play 4x`, `play max`");
    int status = argc == 2 ? speed_word(s, argv[1]) : EXIT_DONE;
    if (status != EXIT_DONE)
        return status;
    begin(d);
    d->playing = true;
    if (d->speed == SPEED_MAX)
        result = reel_go(d->reel, &all, NULL, msg, sizeof(msg));
    else
        result = play_paced(d, msg, sizeof(msg));
    d->playing = false;
    fflush(s->out);
    place_name(reel_place(d->reel), place);
    if (result == REEL_ENDED || (result == REEL_INTERRUPTED && s->interactive)) {
        end(d);
        say_differences(d);
        if (!s->json)
            fprintf(s->out, "%s %s\n", result == REEL_ENDED ? "the tape ends at" : "stands at",
                    place);
        return EXIT_DONE;
    }
    return outcome(d, result, msg);
}

static const struct local_command deck_play = {
    .name = "play",
    .usage = "play [SPEED | max]",
    .doc = "plays on, at the pace of the capture (or `speed`), until its end, Enter or Ctrl-C",
    .more = "Each packet is printed when it is due. Gaps of more than two seconds are said, not "
            "slept. Without a terminal the speed is\n"
            "max, unless something else was said.\n"
            "Examples:\n  play\n  play 10x",
    .screen = true,
    .fn = play_main,
};

static int pause_main(struct session *s, int argc, char **argv)
{
    char place[48];
    if (argc > 1)
        return session_fail(s, EXIT_USAGE, "`%s` takes no words", argv[0]);
    place_name(reel_place(of(s)->reel), place);
    fprintf(s->out, "stands at %s\n", place);
    return EXIT_DONE;
}

static const struct local_command deck_pause = {
    .name = "pause",
    .usage = "pause",
    .doc = "says where the tape stands; while it plays, Enter or Ctrl-C stops it",
    .fn = pause_main,
};

/* ---- where ---- */

static void wall_text(int64_t wall, char dst[64])
{
    time_t t = (time_t)(wall / 1000000000);
    struct tm tm;
    char day[32];
    dst[0] = '\0';
    if (wall > 0 && gmtime_r(&t, &tm) != NULL &&
        strftime(day, sizeof(day), "%Y-%m-%d %H:%M:%S", &tm) > 0)
        (void)snprintf(dst, 64, "%s.%06lld UTC", day, (long long)(wall % 1000000000 / 1000));
}

static void where_json(struct deck_session *d)
{
    struct text t = {0};
    struct jsonw w = {.t = &t};
    struct reel_place at = reel_place(d->reel);
    uint64_t every;
    int error;
    unsigned n = reel_checkpoints(d->reel, &every, &error);
    jw_open(&w, NULL, '{');
    jw_u64(&w, "packet", at.number);
    jw_u64(&w, "step", at.step);
    jw_u64(&w, "time_ns", at.at);
    if (at.wall > 0)
        jw_i64(&w, "wall_ns", at.wall);
    if (reel_total(d->reel) > 0)
        jw_u64(&w, "steps", reel_total(d->reel));
    if (reel_last(d->reel) > 0)
        jw_u64(&w, "last_packet", reel_last(d->reel));
    jw_str(&w, "line", reel_line(d->reel));
    jw_u64(&w, "checkpoints", n);
    jw_u64(&w, "checkpoint_every", every);
    jw_close(&w, '}');
    fprintf(d->s->out, "%s\n", t.s);
    text_free(&t);
}

static int where_main(struct session *s, int argc, char **argv)
{
    struct deck_session *d = of(s);
    struct reel_place at = reel_place(d->reel);
    bool json = s->json || (argc == 2 && strcmp(argv[1], "-j") == 0);
    uint64_t every, total = reel_total(d->reel);
    char place[48], t[32], wall[64];
    int error;
    if (argc > 2 || (argc == 2 && !json))
        return session_fail(s, EXIT_USAGE, "`where` takes no words but -j");
    if (json) {
        where_json(d);
        return EXIT_DONE;
    }
    place_name(at, place);
    seconds(at.at, t);
    wall_text(at.wall, wall);
    fprintf(s->out, "%s, step %llu", place, (unsigned long long)at.step);
    if (total > 0)
        fprintf(s->out, " of %llu", (unsigned long long)total);
    fprintf(s->out, ", %s s%s%s\n", t, wall[0] != '\0' ? ", " : "", wall);
    if (at.step > 0)
        fprintf(s->out, "%s\n", reel_line(d->reel));
    unsigned n = reel_checkpoints(d->reel, &every, &error);
    fprintf(s->out, "%u checkpoint%s, one each %llu steps\n", n, n == 1 ? "" : "s",
            (unsigned long long)every);
    if (error != 0)
        fprintf(s->out, "the last one couldn't be made (%s): going back takes longer\n",
                strerror(error));
    return EXIT_DONE;
}

static const struct local_command deck_where = {
    .name = "where",
    .usage = "where [-j]",
    .doc = "where the tape stands: packet, step, time",
    .fn = where_main,
};

/* One a line, so that two additions don't meet. */
/* clang-format off */
const struct local_command *const deck_locals[] = {
    &deck_play,
    &deck_pause,
    &deck_step,
    &deck_back,
    &deck_goto,
    &deck_until,
    &deck_speed_command,
    &deck_where,
    &local_graph,
    &local_series,
    &local_help,
    &local_source,
    &local_alias,
    &local_unalias,
    &local_complete,
    &local_exit,
    &local_quit,
    NULL,
};
/* clang-format on */

/* ---- all other commands ---- */

static int refuse(const char *name, char *err, size_t err_size)
{
    (void)snprintf(err, err_size,
                   "`%s` is of no use on a tape: it stands still while one looks, and is moved by "
                   "step, back, goto, until and play",
                   name);
    return EXIT_FAILED;
}

int deck_session_run(struct session *s, int argc, char *const *argv, bool json, FILE *out,
                     char *err, size_t err_size)
{
    struct deck_session *d = of(s);
    struct text notes = {0};
    bool changed;
    if (session_local(s, argv[0]) == NULL && local_find(argv[0]) != NULL)
        return refuse(argv[0], err, err_size);
    begin(d);
    int status = reel_command(d->reel, argc, argv, json, s->tty && out == s->out, out, &notes,
                              &changed, err, err_size);
    fflush(out);
    if (notes.len > 0)
        fprintf(stderr, "%.*s", (int)notes.len, notes.s);
    if (changed)
        fprintf(stderr, "%s: tried in a copy: the tape is as it was\n", s->where);
    text_free(&notes);
    return status;
}
