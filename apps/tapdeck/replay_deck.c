/* tapdeck/replay_deck.c: `replay -i`: a tape with a console.
 *
 * The console is the daemon's (tapdeck/console.c), with another host: what isn't one of the words
 * that move the tape (tapdeck/deck_words.c) is asked of the tape at the place where it stands.
 * Without a terminal the lines of standard input are run, all of them, also behind one that failed.
 */
#include "tapdeck/replay_deck.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "replay/deck_command.h"
#include "replay/observe_tape.h"
#include "replay/play.h"
#include "replay/record_read.h"
#include "replay/record_tape.h"
#include "tapdeck/console.h"
#include "tapdeck/deck_words.h"
#include "tapdeck/line.h"

/* Is it worth a line in `help`? */
static bool offers(const char *command)
{
    char *const word[] = {(char *)(uintptr_t)command};
    return deck_command_refused(1, word) == NULL;
}

static void hello_text(const struct tape *t, const char *file, char *dst, size_t size)
{
    char total[64] = "", length[64] = "";
    if (t->total > 0)
        (void)snprintf(total, sizeof(total), ": %" PRIu64 " packet%s", t->total,
                       t->total == 1 ? "" : "s");
    if (t->length > 0)
        (void)snprintf(length, sizeof(length), " in %" PRIu64 ".%06" PRIu64 " s",
                       (uint64_t)(t->length / TD_SEC), (uint64_t)(t->length % TD_SEC / TD_US));
    (void)snprintf(dst, size,
                   "%.200s%s%s; %s\n`play`, `step`, `back`, `goto` and `until` move the tape, "
                   "`help` lists the commands, Ctrl-D leaves.",
                   file, total, length,
                   t->deck != NULL ? "the stack is on it" : "no stack is on it: it is watched");
}

static int run(struct session *s, const struct deck_words *w)
{
    int failed = EXIT_DONE;
    if (w->nlines == 0)
        return console(s);
    for (size_t i = 0; i < w->nlines && !s->leave; i++) {
        int status = line_run(s, w->line[i], "tapdeck");
        failed = status != EXIT_DONE ? status : failed;
    }
    return failed;
}

/* ---- which tape ---- */

static void tick(void *ctx, uint64_t packets)
{
    (void)ctx;
    fprintf(stderr, "\r%" PRIu64 " packets", packets);
}

static struct tape *open_played(const struct deck_words *w, int *status, char *msg, size_t msg_size)
{
    struct play p;
    struct capture_reader *r = capture_open(w->file, msg, msg_size);
    *status = EXIT_USAGE;
    if (r == NULL)
        return NULL;
    *status = play_load_mended(&p, r, w->file, w->flow < 0 ? 0 : w->flow, w->play, w->mend, msg, msg_size);
    capture_close(r);
    p.knob = w->knob;
    p.nknobs = w->nknobs;
    if (*status == EXIT_DONE)
        return play_tape_open(&p, status, msg, msg_size);
    play_done(&p);
    return NULL;
}

static struct tape *open_tape(const struct deck_words *w, int *status, char *msg, size_t msg_size)
{
    if (record_is(w->file)) {
        if (w->play == NULL && w->flow < 0)
            return record_tape_open(w->file, NULL, status, msg, msg_size);
        *status = EXIT_USAGE;
        (void)snprintf(msg, msg_size, "%s is a recorded run, the whole of it: --play and --flow are for captures", w->file);
        return NULL;
    }
    if (w->play != NULL)
        return open_played(w, status, msg, msg_size);
    bool shown = isatty(STDERR_FILENO);
    struct tape *t = observe_tape_open(w->file, w->flow, w->sums, shown ? tick : NULL, NULL, status, msg, msg_size);
    if (shown)
        fputs("\r\033[K", stderr);
    return t;
}

int replay_deck(struct session *outer, const struct deck_words *w)
{
    struct session s;
    struct deck_session d = {.s = &s, .speed = 1000};
    struct reel_hooks hooks = deck_hooks;
    char msg[1024], hello[512];
    int status;
    const struct session_host host = {.locals = deck_locals,
                                      .run = deck_session_run,
                                      .offers = offers,
                                      .prompt = deck_session_prompt,
                                      .hello = hello,
                                      .ctx = &d};
    if (w->nlines == 0 && strcmp(w->file, "-") == 0) {
        if (w->tape != NULL)
            w->tape->ops->close(w->tape);
        return session_fail(outer, EXIT_USAGE, "the standard input can't be the capture and the console's lines at once: write -e LINE");
    }
    struct tape *t = w->tape != NULL ? w->tape : open_tape(w, &status, msg, sizeof(msg));
    if (t == NULL)
        return session_fail(outer, status, "%s", msg);
    hello_text(t, w->file, hello, sizeof(hello));
    hooks.ctx = &d;
    d.reel = reel_open(t, &hooks, msg, sizeof(msg));
    if (d.reel == NULL)
        return session_fail(outer, EXIT_FAILED, "%s", msg);
    session_init(&s, outer->name, w->json);
    s.host = &host;
    s.goes_on = true;
    if (w->nlines > 0 || !isatty(STDIN_FILENO))
        d.speed = SPEED_MAX;
    client_catch_interrupts();
    status = run(&s, w);
    (void)fflush(stdout);
    reel_close(d.reel);
    session_end(&s);
    return status;
}
