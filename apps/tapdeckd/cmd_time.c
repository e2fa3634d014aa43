/* tapdeckd/cmd_time.c: `pause`, `step`, `resume`: a live stack's time, by hand (deck_time.h says
 * how).
 *
 * A step tells what it did as it goes: each packet of this host that moved, and each event that the
 * journal kept, in the order in which they came.
 */
#include "tapdeckd/deck_time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/frame.h"

#define SLEEP_MAX (86400 * TD_SEC)
#define TOLD_MAX 200 /* packets and events that a step tells; it counts the rest */

/* Stack time as people count it: seconds since the daemon's start. */
static void age_text(const struct deck *d, td_time at, char dst[32])
{
    td_time age = at > d->started ? at - d->started : 0;
    snprintf(dst, 32, "%llu.%06llu s", (unsigned long long)(age / TD_SEC),
             (unsigned long long)(age % TD_SEC / TD_US));
}

static int no_time(struct run *r)
{
    return run_fail(r, EXIT_FAILED, "the time of this stack isn't this program's to pause");
}

/* -j, and nothing else. */
static int only_json(struct run *r)
{
    for (int i = 1; i < r->argc; i++) {
        if (strcmp(r->argv[i], "-j") != 0)
            return run_bad_word(r, i, "it takes no words but -j");
        r->json = true;
    }
    return EXIT_DONE;
}

static void json_state(struct run *r)
{
    const struct deck_time *t = r->deck->time;
    jw_bool(&r->jw, "paused", t->mode != TIME_FLOWING);
    jw_u64(&r->jw, "now_ns", deck_time_now(t));
    jw_u64(&r->jw, "held", t->nheld);
    jw_u64(&r->jw, "leaving", deck_time_leaving(t));
}

/* ---- pause ---- */

static int pause_main(struct run *r)
{
    struct deck_time *t = r->deck->time;
    char age[32];
    int status = only_json(r);
    if (status != EXIT_DONE)
        return status;
    if (t == NULL)
        return no_time(r);
    if (t->mode == TIME_STEPPING)
        return run_fail(r, EXIT_FAILED,
                        "a step is under way: Ctrl-C where it runs ends it, and time stands still");
    bool was = t->mode == TIME_PAUSED;
    deck_time_pause(t);
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        json_state(r);
        jw_close(&r->jw, '}');
        run_puts(r, "\n");
        return EXIT_DONE;
    }
    age_text(r->deck, deck_time_now(t), age);
    run_printf(r, "time %s at %s", was ? "stands still already," : "stands still", age);
    if (t->nheld > 0)
        run_printf(r, "; %u frame%s wait%s to come in", t->nheld, t->nheld == 1 ? "" : "s",
                   t->nheld == 1 ? "s" : "");
    run_puts(r, "\n");
    return EXIT_DONE;
}

const struct command command_pause = {
    .name = "pause",
    .usage = "pause [-j]",
    .doc = "stops the stack's time: nothing is due, frames wait; the console goes on",
    .more =
        "Timers, sockets, queue disciplines and applications see no time pass. Frames that come "
        "wait, 4096 or 8 MiB of\n"
        "them at most; what the stack wants to send waits too. Tables and the journal can be read "
        "as they\n"
        "stand. In a topology all its nodes stop. `step` goes on a little, `resume` altogether.\n"
        "Example:\n  pause\n  ss -tani\n  step\n  resume",
    .fn = pause_main,
};

/* ---- resume ---- */

static int resume_main(struct run *r)
{
    struct deck_time *t = r->deck->time;
    char age[32], stood[32];
    int status = only_json(r);
    if (status != EXIT_DONE)
        return status;
    if (t == NULL)
        return no_time(r);
    if (t->mode == TIME_FLOWING)
        return run_fail(r, EXIT_FAILED, "time isn't paused");
    if (t->mode == TIME_STEPPING)
        return run_fail(r, EXIT_FAILED, "a step is under way: Ctrl-C where it runs ends it");
    age_text(r->deck, deck_time_now(t), age);
    struct time_report p = deck_time_resume(t);
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        jw_bool(&r->jw, "paused", false);
        jw_u64(&r->jw, "stood_ns", p.stood);
        jw_u64(&r->jw, "held", p.held);
        jw_u64(&r->jw, "lost", p.lost);
        jw_close(&r->jw, '}');
        run_puts(r, "\n");
        return EXIT_DONE;
    }
    format_time(p.stood > TD_SEC ? p.stood / TD_MS * TD_MS : p.stood, stood, sizeof(stood));
    run_printf(r, "time goes on at %s", age);
    if (t->real != NULL)
        run_printf(r, ", after %s", stood);
    if (p.held > 0)
        run_printf(r, "; %u frame%s waited", p.held, p.held == 1 ? "" : "s");
    if (p.lost > 0)
        run_printf(r, "; %llu more found no room", (unsigned long long)p.lost);
    run_puts(r, "\n");
    return EXIT_DONE;
}

const struct command command_resume = {
    .name = "resume",
    .usage = "resume [-j]",
    .doc = "lets the stack's time go on after `pause`",
    .more = "Frames that waited come in first, in their order. Everything is due later by the time "
            "that was paused.\nExample:\n  resume",
    .fn = resume_main,
};

/* ---- step ---- */

struct step {
    uint64_t next_seq; /* of the first event that wasn't told yet */
    uint64_t told, untold;
    td_time began;
};

static void tell_event(struct run *r, const struct journal_record *rec)
{
    char text[512], age[32];
    journal_format(r->deck->st, rec, text, sizeof(text));
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        jw_u64(&r->jw, "time_ns", rec->time);
        jw_str(&r->jw, "event", event_info[rec->event].name);
        jw_u64(&r->jw, "seq", rec->seq);
        jw_str(&r->jw, "text", text);
        jw_close(&r->jw, '}');
        return;
    }
    age_text(r->deck, rec->time, age);
    run_printf(r, "  %s  %s: %s\n", age, event_info[rec->event].name, text);
}

static bool may_tell(struct step *s)
{
    if (s->told >= TOLD_MAX) {
        s->untold++;
        return false;
    }
    s->told++;
    return true;
}

static void tell_events(struct run *r)
{
    struct step *s = r->state;
    const struct journal_record *rec;
    while ((rec = journal_from(r->deck->st, s->next_seq)) != NULL) {
        s->next_seq = rec->seq + 1;
        if (may_tell(s))
            tell_event(r, rec);
    }
}

static void tell_packet(struct run *r, const struct deck_tap *tap, const char *dev, bool out,
                        const struct pkt *p)
{
    struct step *s = r->state;
    char text[FRAME_TEXT], age[32];
    (void)tap;
    tell_events(r);
    if (!may_tell(s))
        return;
    frame_text(p, text);
    td_time now = deck_time_now(r->deck->time);
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        jw_u64(&r->jw, "time_ns", now);
        jw_str(&r->jw, "packet", out ? "out" : "in");
        jw_str(&r->jw, "dev", dev);
        jw_u64(&r->jw, "len", p->len);
        jw_str(&r->jw, "text", text);
        jw_close(&r->jw, '}');
        return;
    }
    age_text(r->deck, now, age);
    run_printf(r, "%c %s  %s %s, %u bytes: %s\n", out ? '>' : '<', age, dev, out ? "out" : "in",
               p->len, text);
}

static void step_summary(struct run *r)
{
    static const char *const names[] = {"packet", "event", "timer"};
    const struct deck_time *t = r->deck->time;
    const struct step *s = r->state;
    unsigned long long done = t->step.done;
    td_time now = deck_time_now(t);
    unsigned leaving = deck_time_leaving(t);
    char age[32], passed[32];
    if (r->json) {
        jw_close(&r->jw, ']');
        jw_str(&r->jw, "unit", names[t->step.unit]);
        jw_u64(&r->jw, "done", done);
        jw_u64(&r->jw, "untold", s->untold);
        json_state(r);
        jw_close(&r->jw, '}');
        run_puts(r, "\n");
        return;
    }
    if (s->untold > 0)
        run_printf(r, "  … and %llu more (`why` has the events)\n", (unsigned long long)s->untold);
    age_text(r->deck, now, age);
    format_time(now - s->began, passed, sizeof(passed));
    run_printf(r, "%llu %s%s; %s", done, names[t->step.unit], done == 1 ? "" : "s", age);
    if (now != s->began)
        run_printf(r, " (+%s)", passed);
    if (t->nheld > 0)
        run_printf(r, "; %u wait%s to come in", t->nheld, t->nheld == 1 ? "s" : "");
    if (leaving > 0)
        run_printf(r, "; frames wait to leave");
    run_puts(r, "\n");
}

static int step_step(struct run *r, td_time now)
{
    struct deck_time *t = r->deck->time;
    (void)now;
    if (t->step.run != r)
        return EXIT_FAILED;
    enum time_end end = deck_time_go(t);
    tell_events(r);
    if (end == STEP_MORE || end == STEP_WAITS) {
        r->ready = end == STEP_MORE;
        if (end == STEP_WAITS && !r->told) {
            const struct timer *next = wheel_walk_from(&r->deck->st->wheel, 0);
            r->told = true;
            if (r->streams || !r->json)
                run_note(r, "no frame waits, so this waits for one to come; Ctrl-C ends it%s%s%s\n",
                         next != NULL ? " (the next timer is " : "",
                         next != NULL ? next->kind->name : "",
                         next != NULL ? ": `step timer`)" : "");
        }
        return RUN_MORE;
    }
    step_summary(r);
    t->step.run = NULL;
    if (t->by_break && t->step.left > 0) /* the note says which */
        return EXIT_DONE;
    if (end == STEP_NOTHING)
        return run_fail(r, EXIT_FAILED,
                        "nothing is left that could happen: no timer runs, no frame is on its way");
    return EXIT_DONE;
}

static int step_interrupt(struct run *r)
{
    struct deck_time *t = r->deck->time;
    deck_time_stop(t);
    tell_events(r);
    step_summary(r);
    t->step.run = NULL;
    return EXIT_FAILED;
}

static void step_release(struct run *r)
{
    struct deck_time *t = r->deck->time;
    if (t != NULL && t->step.run == r) { /* its client has gone */
        t->step.run = NULL;
        deck_time_stop(t);
    }
    free(r->state);
}

static int step_words(struct run *r, enum time_unit *unit, uint64_t *n)
{
    static const char *const units[] = {"packet", "event", "timer"};
    bool counted = false, named = false;
    for (int i = 1; i < r->argc; i++) {
        const char *w = r->argv[i];
        int u = 0;
        size_t len = strlen(w);
        if (strcmp(w, "-j") == 0) {
            r->json = true;
            continue;
        }
        if (!counted && !named && parse_u64(w, 1000000000, n)) {
            if (*n == 0)
                return run_fail(r, EXIT_USAGE, "'0' is no step: write 1 or more");
            counted = true;
            continue;
        }
        if (len > 1 && w[len - 1] == 's')
            len--; /* step 3 packets */
        while (u < 3 && (strncmp(w, units[u], len) != 0 || units[u][len] != '\0'))
            u++;
        if (named || u == 3)
            return run_bad_word(r, i, "write `step [N] [packet|event|timer]`");
        *unit = (enum time_unit)u;
        named = true;
    }
    return EXIT_DONE;
}

static int step_main(struct run *r)
{
    struct deck_time *t = r->deck->time;
    enum time_unit unit = UNIT_PACKET;
    uint64_t n = 1;
    int status = step_words(r, &unit, &n);
    if (status != EXIT_DONE)
        return status;
    if (t == NULL)
        return no_time(r);
    if (t->mode == TIME_FLOWING)
        return run_fail(r, EXIT_FAILED, "time isn't paused: `pause` first");
    if (t->mode == TIME_STEPPING)
        return run_fail(r, EXIT_FAILED, "a step is under way already");
    struct step *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    r->state = s;
    r->release = step_release;
    r->step = step_step;
    r->interrupt = step_interrupt;
    r->timeless = true;
    s->next_seq = r->deck->st->journal.next_seq;
    s->began = deck_time_now(t);
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        jw_open(&r->jw, "told", '[');
    }
    deck_time_step(t, r, unit, n, tell_packet);
    r->ready = true;
    return RUN_MORE;
}

const struct command command_step = {
    .name = "step",
    .usage = "step [N] [packet | event | timer] [-j]",
    .doc = "lets a paused stack's time go on by N packets, events or timers",
    .more = "packet (the default): the next frame that waits to leave, or else to come in, N "
            "times. Nothing else moves time; when\n"
            "no frame waits, it waits for one to come. event: whatever comes next, until the "
            "journal has N events more.\n"
            "timer: time jumps to the next timer and fires it, N times; frames that wait to come "
            "in go on waiting.\n"
            "What one call of the stack does is done whole: two timers of one microsecond fire "
            "together.\n"
            "Examples:\n  step\n  step 3 packets\n  step timer\n  step 10 event",
    .fn = step_main,
};

/* ---- sleep ---- */

static int sleep_step(struct run *r, td_time now)
{
    return now >= r->wake ? EXIT_DONE : RUN_MORE;
}

static int sleep_main(struct run *r)
{
    td_time t;
    if (r->argc != 2 || !parse_time(r->argv[1], &t) || t > SLEEP_MAX)
        return run_fail(r, EXIT_USAGE, "sleep needs a time such as 5s or 200ms, at most a day");
    r->wake = deck_now(r->deck) + t;
    r->step = sleep_step;
    return RUN_MORE;
}

const struct command command_sleep = {
    .name = "sleep",
    .usage = "sleep TIME",
    .doc = "waits: the next command is run so much later",
    .more = "It is the stack's time that passes: none does while it is paused, and where time is virtual nobody waits.\n"
            "Examples:\n  sleep 5s\n  sleep 200ms",
    .fn = sleep_main,
};
