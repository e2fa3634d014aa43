/* tapdeckd/cmd_why.c: `why`: the journal, filtered, each event with the chain of what led to it.
 *
 * Theory of operation. A word that asks a question (`why state 7`, `why connect`, `why
 * route 10.0.0.9`) goes to why_ask.c, which answers it in a sentence. All other words are
 * conditions (why_words.c): the newest records that meet them are told, newest first, each with its
 * causes (why_print.c). Looking back is done a bounded number of records at a time, and the number
 * of events is bounded by -n, so a journal of a million records doesn't hold the loop up. `why -f`
 * goes the other way: it stays and tells each event as it happens. `why catalogue` tells what there
 * is to be told.
 */
#include "tapdeckd/why.h"

#include <stdlib.h>
#include <string.h>

#define COUNT_MAX 10000

struct why {
    struct why_follow f; /* its conditions and counts hold for looking back too */
    struct why_told told;
    bool follow;
};

/* ---- steps ---- */

static int back_over(struct run *r, struct why *w, bool at_end)
{
    if (r->json) {
        if (at_end && r->deck->st->journal.lost > 0) {
            jw_open(&r->jw, NULL, '{');
            jw_u64(&r->jw, "lost", r->deck->st->journal.lost);
            jw_close(&r->jw, '}');
        }
        jw_close(&r->jw, ']');
        run_puts(r, "\n");
        return EXIT_DONE;
    }
    why_origin(r, &w->told);
    if (w->f.printed == 0)
        run_puts(r, "nothing in the journal matches (`sysctl -w tapdeck.journal.level=2` keeps "
                    "more from now on)\n");
    if (at_end)
        why_lost(r);
    return EXIT_DONE;
}

/* cursor: the newest number not looked at yet, plus one. */
static int back_step(struct run *r, td_time now)
{
    (void)now;
    struct why *w = r->state;
    const struct td_stack *st = r->deck->st;
    size_t most = r->out.len + WHY_TOLD_PER_STEP;
    for (int i = 0; i < WHY_LOOK_PER_STEP && r->out.len < RUN_OUT_HIGH && r->out.len < most; i++) {
        if (w->f.printed >= w->f.count)
            return back_over(r, w, false);
        const struct journal_record *rec = journal_before(st, r->cursor);
        if (rec == NULL || rec->time < w->f.filter.since)
            return back_over(r, w, rec == NULL);
        r->cursor = rec->seq;
        if (!why_filter_match(&w->f.filter, st, rec))
            continue;
        if (r->json)
            why_object(r, rec);
        else if (why_already(&w->told, rec->seq))
            continue; /* it was named as a cause: it stands above */
        else
            why_chain(r, &w->told, rec);
        w->f.printed++;
    }
    r->ready = true;
    return RUN_MORE;
}

/* ---- the catalogue ---- */

static void catalogue_json(struct run *r, unsigned e)
{
    const struct event_info *info = &event_info[e];
    jw_open(&r->jw, NULL, '{');
    jw_str(&r->jw, "event", info->name);
    jw_str(&r->jw, "kind", why_kinds[info->kind]);
    jw_u64(&r->jw, "level", event_level[e]);
    jw_str(&r->jw, "sentence", info->sentence);
    jw_str(&r->jw, "fields", info->fields);
    if (strcmp(info->clause, "-") != 0)
        jw_str(&r->jw, "clause", info->clause);
    jw_u64(&r->jw, "count", r->deck->st->journal.events[e]);
    jw_close(&r->jw, '}');
}

static void catalogue_text(struct run *r, unsigned e, bool whole)
{
    const struct event_info *info = &event_info[e];
    if (!whole) {
        run_printf(r, "%-28s %-6s %s\n", info->name, why_kinds[info->kind], info->sentence);
        return;
    }
    run_printf(r,
               "%s\n    says    %s\n    fields  %s\n    clause  %s\n    kind    %s, kept from "
               "level %u on\n"
               "    so far  %llu\n",
               info->name, info->sentence, info->fields,
               strcmp(info->clause, "-") != 0 ? info->clause : "none", why_kinds[info->kind],
               event_level[e], (unsigned long long)r->deck->st->journal.events[e]);
}

static int catalogue(struct run *r)
{
    struct why_filter f;
    unsigned found = 0;
    why_filter_init(&f);
    for (int at = 2; at < r->argc;) {
        if (strcmp(r->argv[at], "-j") == 0) {
            r->json = true;
            at++;
            continue;
        }
        int status = why_filter_word(r, &at, &f);
        if (status > EXIT_DONE)
            return status;
        if (status < 0)
            return run_bad_word(r, at,
                                "write `why catalogue`, and behind it a layer (tcp), a kind (drop) "
                                "or an event (tcp-rto)");
    }
    for (unsigned e = 1; e < EV_COUNT; e++)
        found += f.event[e];
    if (r->json)
        jw_open(&r->jw, NULL, '[');
    for (unsigned e = 1; e < EV_COUNT; e++) {
        if (!f.event[e])
            continue;
        if (r->json)
            catalogue_json(r, e);
        else
            catalogue_text(r, e, found <= 3);
    }
    if (r->json) {
        jw_close(&r->jw, ']');
        run_puts(r, "\n");
    }
    return EXIT_DONE;
}

/* ---- the command ---- */

static int why_words(struct run *r, struct why *w)
{
    static const char *const right =
        "write `why [last|drop|error|state|LAYER|EVENT|ADDR[:PORT]|conn CONN|pkt N|since TIME] [-n "
        "N] [-f]` "
        "(LAYER: arp, neigh, ip, icmp, udp, tcp, ...) or a question: `help why`";
    for (int i = 1; i < r->argc;) {
        const char *word = r->argv[i], *value;
        if (strcmp(word, "last") == 0) {
            w->f.count = w->f.count == 0 ? 1 : w->f.count;
            i++;
        } else if (strcmp(word, "-f") == 0 || strcmp(word, "--follow") == 0) {
            w->follow = true;
            i++;
        } else if (strcmp(word, "-j") == 0) {
            r->json = true;
            i++;
        } else if (strcmp(word, "-n") == 0) {
            if ((value = run_value(r, i, "a number")) == NULL)
                return EXIT_USAGE;
            if (!parse_u32(value, COUNT_MAX, &w->f.count) || w->f.count == 0)
                return run_fail(r, EXIT_USAGE, "'%s' is not a number of events: write 1 to %d",
                                value, COUNT_MAX);
            i += 2;
        } else {
            int status = why_filter_word(r, &i, &w->f.filter);
            if (status > EXIT_DONE)
                return status;
            if (status < 0)
                return run_bad_word(r, i, right);
        }
    }
    return EXIT_DONE;
}

static int why_main(struct run *r)
{
    if (r->argc > 1 && (strcmp(r->argv[1], "catalogue") == 0 || strcmp(r->argv[1], "catalog") == 0))
        return catalogue(r);
    why_plain_words(r);
    int status = why_ask(r);
    if (status != WHY_NOT_ASKED)
        return status;
    struct why *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    why_filter_init(&w->f.filter);
    r->state = w;
    if ((status = why_words(r, w)) != EXIT_DONE)
        return status;
    r->cursor = r->deck->st->journal.next_seq;
    if (w->follow)
        return why_follow(r, &w->f);
    if (w->f.count == 0)
        w->f.count = 10;
    r->step = back_step;
    if (r->json)
        jw_open(&r->jw, NULL, '[');
    return back_step(r, 0);
}

const struct command command_why = {
    .name = "why",
    .usage = "why [last | drop | error | state | action | detail | LAYER | ADDR | ENDPOINT | CONN "
             "| conn CONN | pkt N | dev "
             "IFACE | kind KIND | layer LAYER | event EVENT | neigh ADDR | route PREFIX | rule N "
             "CHAIN | nat ADDR | socket "
             "CONN | since TIME | until TIME | between TIME TIME | -n N | -f | --follow | -j]...\n"
             "why {state | cwnd | stalled | idle | retransmit | closed | fail} [CONN]\n"
             "why connect [ADDR | ENDPOINT]\n"
             "why {route | neigh} ADDR\n"
             "why catalogue [LAYER | EVENT | KIND]",
    .doc = "the journal of decisions, newest first, each with its causes and the RFC clause",
    .more = "Without words: the last 10 events; `last`: the last one; several words must all hold. "
            "LAYER is the word that\n"
            "events' names begin with: link, eth, arp, neigh, acd, ip, frag, route, icmp, udp, "
            "tcp, socket and others; any\n"
            "other word of a name does too (rto, window, checksum, redirect). ADDR matches the far "
            "end and addresses an\n"
            "event mentions; a name may hold * (tcp-rto*). TIME is how long ago (10s, 5m) or when "
            "(12:34:56). -f stays and\n"
            "shows events as they happen. Of dropped IPv6 frames only the first of an interface is "
            "told as a drop.\n"
            "A question is answered in a sentence, with what led to it below: in which state a "
            "connection is and who must\n"
            "move, what cut its window, why nothing is sent, why a connect failed, which route and "
            "why. Without CONN it is\n"
            "about the newest. It may be said in more words (`why is this socket in CLOSE_WAIT`). "
            "`why catalogue` lists all there\n"
            "is to be told.\n"
            "Examples:\n"
            "  why drop\n"
            "  why arp drop since 10s\n"
            "  why 10.0.0.1:40000 -n 50\n"
            "  why event tcp-state conn 7\n"
            "  why rule 3 INPUT\n"
            "  why connect 10.0.0.9:80\n"
            "  why CLOSE-WAIT\n"
            "  why cwnd 10.0.0.1:40000\n"
            "  why stalled\n"
            "  why route 192.0.2.7\n"
            "  why -f kind drop",
    .fn = why_main,
};
