/* tapdeckd/cmd_break.c: `break`: what is to stop a live stack's time (deck_break.h says how). */
#include "tapdeckd/deck_break.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- list ---- */

static void list_one(void *ctx, unsigned id, const char *text, uint64_t hits)
{
    struct run *r = ctx;
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        jw_u64(&r->jw, "id", id);
        jw_str(&r->jw, "when", text);
        jw_u64(&r->jw, "hits", hits);
        jw_close(&r->jw, '}');
    } else {
        run_printf(r, "%-4u %-8llu %s\n", id, (unsigned long long)hits, text);
    }
}

static int break_list(struct run *r)
{
    if (r->json)
        jw_open(&r->jw, NULL, '[');
    else
        run_printf(r, "%-4s %-8s %s\n", "ID", "HITS", "WHEN");
    deck_break_each(r->deck, list_one, r);
    if (r->json) {
        jw_close(&r->jw, ']');
        run_puts(r, "\n");
    }
    return EXIT_DONE;
}

/* ---- wait ---- */

struct await {
    uint64_t seen; /* hits that were told */
    bool follow;
};

static void tell_hit(struct run *r)
{
    const struct deck_time *t = r->deck->time;
    bool elsewhere = t->hit_deck != r->deck && t->hit_deck != NULL;
    if (r->json) {
        r->jw.comma = false;
        jw_open(&r->jw, NULL, '{');
        jw_u64(&r->jw, "id", t->hit_id);
        jw_str(&r->jw, "text", t->hit);
        if (t->hit_deck != NULL)
            jw_str(&r->jw, "name", t->hit_deck->name);
        jw_u64(&r->jw, "now_ns", deck_time_now(t));
        jw_close(&r->jw, '}');
        run_puts(r, "\n");
        return;
    }
    run_printf(r, "%s%s%s; time is paused\n", elsewhere ? t->hit_deck->name : "",
               elsewhere ? ": " : "", t->hit);
}

static int await_step(struct run *r, td_time now)
{
    struct await *a = r->state;
    (void)now;
    if (r->deck->time->hits == a->seen)
        return RUN_MORE;
    a->seen = r->deck->time->hits;
    tell_hit(r);
    return a->follow ? RUN_MORE : EXIT_DONE;
}

static int await_interrupt(struct run *r)
{
    const struct await *a = r->state;
    return a->follow ? EXIT_DONE : EXIT_FAILED;
}

static int break_wait(struct run *r)
{
    struct await *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    r->state = a;
    for (int i = 2; i < r->argc; i++) {
        if (strcmp(r->argv[i], "-f") != 0)
            return run_bad_word(r, i, "write `break wait [-f] [-j]`");
        a->follow = true;
    }
    a->seen = r->deck->time->hits;
    if (r->deck->time->by_break) { /* it was hit before anybody waited */
        tell_hit(r);
        if (!a->follow)
            return EXIT_DONE;
    }
    r->step = await_step;
    r->interrupt = await_interrupt;
    r->timeless = r->awaits_break = true;
    return RUN_MORE;
}

/* ---- the command ---- */

static int break_when(struct run *r)
{
    int status;
    if (r->argc < 3)
        return run_bad_word(
            r, 2, "when? write a filter, state=NAME, event=NAME, or a variable such as cwnd<3");
    unsigned id = deck_break_add(r, r->argc - 2, r->argv + 2, &status);
    if (id == 0)
        return status;
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        jw_u64(&r->jw, "id", id);
        jw_close(&r->jw, '}');
        run_puts(r, "\n");
    } else {
        run_printf(r, "breakpoint %u\n", id);
    }
    return EXIT_DONE;
}

static int break_del(struct run *r)
{
    const char *value = run_value(r, 1, "the breakpoint's number, or all,");
    uint32_t id;
    if (value == NULL)
        return EXIT_USAGE;
    if (r->argc > 3)
        return run_bad_word(r, 3, "one number, or all");
    if (strcmp(value, "all") == 0) {
        deck_break_leave(r->deck);
        return EXIT_DONE;
    }
    if (!parse_u32(value, UINT32_MAX, &id) || !deck_break_del(r->deck, id))
        return run_fail(r, EXIT_USAGE, "there is no breakpoint '%s': `break list` shows them",
                        value);
    return EXIT_DONE;
}

static int break_main(struct run *r)
{
    if (r->argc > 2 && strcmp(r->argv[r->argc - 1], "-j") == 0) {
        r->json = true;
        r->argc--;
    }
    const char *verb = r->argc > 1 ? r->argv[1] : "list";
    if (r->deck->time == NULL)
        return run_fail(r, EXIT_FAILED, "the time of this stack isn't this program's to pause");
    if (strcmp(verb, "when") == 0)
        return break_when(r);
    if (strcmp(verb, "del") == 0)
        return break_del(r);
    if (strcmp(verb, "wait") == 0)
        return break_wait(r);
    if (strcmp(verb, "list") != 0)
        return run_bad_word(r, 1,
                            "write `break when …`, `break list`, `break del N` or `break wait`");
    return r->argc > 2 ? run_bad_word(r, 2, "`break list` takes no more words") : break_list(r);
}

const struct command command_break = {
    .name = "break",
    .usage = "break when EXPR...\n"
             "break when VARIABLE<N [CONN]\n"
             "break when state=TCPSTATE [CONN]\n"
             "break when event=EVENT [CONN]\n"
             "break [list] [-j]\n"
             "break del {N | all}\n"
             "break wait [-f] [-j]",
    .doc = "stops the stack's time when a frame, event, state or variable is so",
    .more = "EXPR is a filter in libpcap's language, looked for in every frame of every interface, "
            "or a variable of `pcb`,\n"
            "<, <=, >, >=, = or !=, a number and perhaps CONN: cwnd, ssthresh and FlightSize in "
            "segments (4000b: bytes),\n"
            "times with their unit. A variable hits when it becomes so. EVENT may hold *.\n"
            "Time stops at the end of the call (a frame, a timer, an application's call) in which "
            "it was so; commands that\n"
            "run are told, and `break wait` waits for it (-f: again and again). `step` and "
            "`resume` go on.\n"
            "Examples:\n"
            "  break when 'tcp[tcpflags] & tcp-syn != 0'\n"
            "  break when state=CLOSING\n"
            "  break when cwnd<3 10.0.0.1:40000\n"
            "  break when event=tcp-rto*\n"
            "  break wait",
    .fn = break_main,
};
