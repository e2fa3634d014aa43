/* tapdeck/deck_session.c: a session with a tape: what the reel tells, saying where the tape stands,
 * and everything that isn't a word that moves it: that is asked of the tape
 * (replay/deck_command.h).
 */
#include "tapdeck/deck_words.h"

#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/jsonw.h"

#define PATIENCE 6u /* calls of progress before it is drawn */

struct deck_session *deck_of(const struct session *s)
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

bool deck_interrupted(void *ctx)
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
    .line = keep_line, .interrupted = deck_interrupted, .progress = progress};

/* Before the tape is moved, and after. */
void deck_begin(struct deck_session *d)
{
    interrupts = 0;
    d->heeded = 0;
    d->waited = 0;
    d->drawn = false;
}

void deck_end(struct deck_session *d)
{
    if (d->drawn)
        fputs("\r\033[K", stderr);
    d->drawn = false;
}

/* ---- saying where it is ---- */

void deck_seconds(td_time t, char dst[32])
{
    (void)snprintf(dst, 32, "%.6f", (double)t / 1e9); /* as in lines */
}

/* "packet 42", "the beginning" */
void deck_place_name(struct reel_place at, char dst[48])
{
    if (at.step == 0)
        (void)snprintf(dst, 48, "the beginning");
    else
        (void)snprintf(dst, 48, "packet %llu", (unsigned long long)at.number);
}

void deck_session_prompt(struct session *s, char *dst, size_t size)
{
    const struct reel *r = deck_of(s)->reel;
    struct reel_place at = reel_place(r);
    uint64_t last = reel_last(r);
    char t[32], total[32] = "";
    deck_seconds(at.at, t);
    if (last > 0)
        (void)snprintf(total, sizeof(total), "/%llu", (unsigned long long)last);
    (void)snprintf(dst, size, "#%llu%s %ss> ", (unsigned long long)at.number, total, t);
}

void deck_print_here(struct deck_session *d)
{
    struct reel_place at = reel_place(d->reel);
    const char *line = reel_line(d->reel);
    if (at.step > 0 || d->s->json)
        print_line(d, &at, line, strlen(line));
    else
        fprintf(d->s->out, "the beginning\n");
}

/* Frames that weren't what they had been. */
void deck_say_differences(struct deck_session *d)
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
int deck_outcome(struct deck_session *d, enum reel_result result, const char *msg)
{
    char place[48];
    deck_end(d);
    deck_say_differences(d);
    deck_place_name(reel_place(d->reel), place);
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
    struct deck_session *d = deck_of(s);
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
    deck_place_name(at, place);
    deck_seconds(at.at, t);
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
    struct deck_session *d = deck_of(s);
    struct text notes = {0};
    bool changed;
    if (session_local(s, argv[0]) == NULL && local_find(argv[0]) != NULL)
        return refuse(argv[0], err, err_size);
    deck_begin(d);
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
