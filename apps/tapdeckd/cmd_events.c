/* tapdeckd/cmd_events.c: `events`: the journal as a stream, for people and other programs.
 *
 * Theory of operation. A reader has a position in the sequence of all records that were ever
 * written, and takes them one by one as long as there is room for its output: the loop asks again
 * when its reader has caught up. The journal itself is the buffer, so a reader that is too slow
 * costs nothing more; what falls out before it was told is counted, and said in the place where it
 * is missing. Nothing waits for a reader.
 */
#include "tapdeckd/why.h"

#include <stdlib.h>
#include <string.h>

/* ---- following ---- */

static void tell_lost(struct run *r, uint64_t lost)
{
    if (r->json)
        run_printf(r, "{\"lost\":%llu}\n", (unsigned long long)lost);
    else
        run_printf(r, "(%llu events fell out of the journal before they could be told)\n",
                   (unsigned long long)lost);
}

/* cursor: records below this number are done. */
static int follow_step(struct run *r, td_time now)
{
    (void)now;
    struct why_follow *w = r->state;
    const struct td_stack *st = r->deck->st;
    const struct journal *j = &st->journal;
    uint64_t oldest = j->written - j->count;
    if (w->position < oldest) {
        tell_lost(r, oldest - w->position);
        w->position = oldest;
    }
    size_t most = r->out.len + WHY_TOLD_PER_STEP;
    for (int i = 0; i < WHY_LOOK_PER_STEP && r->out.len < RUN_OUT_HIGH && r->out.len < most; i++) {
        const struct journal_record *rec = journal_from(st, r->cursor);
        if (rec == NULL)
            return RUN_MORE;
        r->cursor = rec->seq + 1;
        w->position++;
        if (!why_filter_match(&w->filter, st, rec))
            continue;
        if (r->json) {
            r->jw.comma = false;
            why_object(r, rec);
            run_puts(r, "\n");
        } else {
            why_line(r, rec, 0);
        }
        if (w->count != 0 && ++w->printed >= w->count)
            return EXIT_DONE;
    }
    r->ready = true;
    return RUN_MORE;
}

static int follow_interrupt(struct run *r)
{
    (void)r;
    return EXIT_DONE;
}

int why_follow(struct run *r, struct why_follow *w)
{
    const struct journal *j = &r->deck->st->journal;
    r->cursor = j->next_seq;
    w->position = j->written;
    r->follow = true;
    r->step = follow_step;
    r->interrupt = follow_interrupt;
    if (w->filter.since == 0)
        return RUN_MORE;
    const struct journal_record *first = journal_from(r->deck->st, 0);
    r->cursor = 0;
    w->position = j->written - j->count;
    if (first != NULL && first->time > w->filter.since && j->lost > 0)
        tell_lost(r, j->lost);
    return follow_step(r, 0);
}

/* ---- the command ---- */

static int events_words(struct run *r, struct why_follow *w)
{
    static const char right[] = "write `events [-j] [--since TIME] [-n N] "
                                "[drop|error|state|LAYER|ADDR[:PORT]|conn CONN|…]`";
    for (int i = 1; i < r->argc;) {
        const char *word = r->argv[i], *value;
        if (strcmp(word, "-j") == 0) {
            r->json = true;
            i++;
        } else if (strcmp(word, "-n") == 0) {
            if ((value = run_value(r, i, "a number")) == NULL)
                return EXIT_USAGE;
            if (!parse_u32(value, UINT32_MAX, &w->count) || w->count == 0)
                return run_fail(r, EXIT_USAGE, "'%s' is not a number of events: write 1 or more",
                                value);
            i += 2;
        } else if (strcmp(word, "--since") == 0) {
            if ((value = run_value(r, i, "a time")) == NULL)
                return EXIT_USAGE;
            if (!why_time(r->deck, value, &w->filter.since))
                return run_fail(
                    r, EXIT_USAGE,
                    "'%s' is not a time: write how long ago, 10s or 500ms, or when, 12:34:56",
                    value);
            w->filter.since += w->filter.since == 0;
            i += 2;
        } else {
            int status = why_filter_word(r, &i, &w->filter);
            if (status > EXIT_DONE)
                return status;
            if (status < 0)
                return run_bad_word(r, i, right);
        }
    }
    return EXIT_DONE;
}

static int events_main(struct run *r)
{
    struct why_follow *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    why_filter_init(&w->filter);
    r->state = w;
    int status = events_words(r, w);
    return status == EXIT_DONE ? why_follow(r, w) : status;
}

const struct command command_events = {
    .name = "events",
    .usage = "events [-j | -n N | --since TIME | drop | error | state | action | detail | LAYER | "
             "ADDR | ENDPOINT | CONN | conn "
             "CONN | pkt N | dev IFACE | kind KIND | layer LAYER | event EVENT | rule N CHAIN]...",
    .doc = "the journal as it is written, from now on or since a time; -j: a JSON object a line",
    .more = "It stays until it is interrupted, or for N events. The conditions are those of `why`. "
            "With --since it begins with what\n"
            "the journal still holds of the time since then. A reader that is too slow misses "
            "events: how many is said by\n"
            "{\"lost\":N} where they would stand. Its JSON is that of `why`: apps/README.md "
            "describes it; `why catalogue` lists\n"
            "the events.\n"
            "Examples:\n"
            "  events -j\n"
            "  events drop\n"
            "  events -j --since 1m tcp\n"
            "  events -j -n 100 10.0.0.1:40000",
    .fn = events_main,
};
