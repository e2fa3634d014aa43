/* tapdeckd/cmd_timers.c: `timers`: what will happen by itself, when, what for, and what led to it.
 *
 * All timers of an instance lie in one wheel (core/timer.h). The list is the soonest of them, kept
 * while the wheel is walked once; with a connection, that connection's own, which needs no walk. A
 * timer knows the event that was the cause when it was armed; as long as the journal holds that, it
 * is named.
 */
#include "tapdeckd/conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMERS_MAX 10000

static const struct {
    const char *name, *purpose, *clause; /* clause NULL: no RFC asks for it */
} purposes[] = {
    {"rexmt", "sends the earliest segment in flight again", "RFC 6298 5"},
    {"probe", "tail loss probe: the last segment again, or new", "RFC 8985 7"},
    {"reorder", "what is late by then is lost", "RFC 8985 6.2"},
    {"persist", "probes the peer's closed window", "RFC 9293 3.8.6.1"},
    {"override", "sends what was held back as too small", "RFC 9293 3.8.6.2.1"},
    {"ecn", "lets the next segment go: cwnd is one, ECE came", "RFC 3168 6.1.2"},
    {"delack", "sends the acknowledgment that could wait", "RFC 9293 3.8.6.3"},
    {"keepalive", "asks whether the peer is still there", "RFC 9293 3.8.4"},
    {"fin-wait-2", "gives an orphan up whose peer doesn't close", NULL},
    {"linger", "ends close()'s wait for the last data", NULL},
    {"pacing", "lets the next segment go", NULL},
    {"syn-ack", "sends the SYN,ACK again", "RFC 6298 5"},
    {"time-wait", "2MSL: frees the pair of ends", "RFC 9293 3.6.1"},
    {"tcp-throttle", "tries again: the interface's queue was full", NULL},
    {"neigh", "the next step of a neighbour's entry", "RFC 1122 2.3.2.1"},
    {"neigh-gc", "forgets neighbours nobody asks for", "RFC 1122 2.3.2.1"},
    {"acd", "the next probe or announcement of our address", "RFC 5227 2.1.1"},
    {"reassembly", "gives up a datagram whose fragments don't come", "RFC 1122 3.3.2"},
    {"conntrack", "forgets a flow", "RFC 5382 5"},
    {"unreachable", "tells the senders that a neighbour can't be found", "RFC 1812 5.2.7.1"},
    {"gateway", "looks whether a gateway is back", "RFC 1122 3.3.1.4"},
    {"egress", "a queue discipline's next frame out", NULL},
    {"ingress", "a queue discipline's next frame in", NULL},
    {"fdb", "forgets on which port a station was", NULL},
};

static const char *purpose(const struct timer *t, const char **clause)
{
    for (size_t i = 0; i < sizeof(purposes) / sizeof(purposes[0]); i++) {
        if (strcmp(t->kind->name, purposes[i].name) == 0) {
            *clause = purposes[i].clause;
            return purposes[i].purpose;
        }
    }
    *clause = NULL;
    return "";
}

struct soonest { /* the first `limit` timers to fire, in order */
    const struct timer **v;
    size_t n, limit;
};

static bool before(const struct timer *a, const struct timer *b)
{
    return a->deadline != b->deadline ? a->deadline < b->deadline : a->seq < b->seq;
}

static void keep_soonest(void *ctx, const struct timer *t)
{
    struct soonest *s = ctx;
    if (s->n == s->limit && !before(t, s->v[s->n - 1]))
        return;
    size_t i = s->n < s->limit ? s->n++ : s->n - 1;
    for (; i > 0 && before(t, s->v[i - 1]); i--)
        s->v[i] = s->v[i - 1];
    s->v[i] = t;
}

static void json_timer(struct run *r, const struct timer *t, td_time in, const struct conn *owner)
{
    const struct journal_record *cause = t->cause != 0 ? journal_find(r->deck->st, t->cause) : NULL;
    const char *clause, *what = purpose(t, &clause);
    jw_open(&r->jw, NULL, '{');
    jw_str(&r->jw, "name", t->kind->name);
    jw_ms(&r->jw, "in_ms", in);
    jw_u64(&r->jw, "deadline_ns", t->deadline);
    jw_u64(&r->jw, "seq", t->seq);
    if (*what != '\0')
        jw_str(&r->jw, "purpose", what);
    if (clause != NULL)
        jw_str(&r->jw, "clause", clause);
    if (owner != NULL) {
        jw_open(&r->jw, "connection", '{');
        conn_json(&r->jw, owner);
        jw_close(&r->jw, '}');
    }
    if (t->cause != 0)
        jw_u64(&r->jw, "cause", t->cause);
    if (cause != NULL)
        jw_str(&r->jw, "cause-event", event_info[cause->event].name);
    jw_close(&r->jw, '}');
}

/* "7 10.0.0.1:80-10.0.0.2:40000" */
static void print_owner(struct run *r, const struct conn *c)
{
    char ends[CONN_TEXT];
    conn_text(c, ends);
    if (c->id != 0)
        run_printf(r, "%u ", c->id);
    run_puts(r, ends);
}

static void print_timer(struct run *r, const struct timer *t, bool name_owner)
{
    const struct td_stack *st = r->deck->st;
    td_time in = t->deadline > st->now ? t->deadline - st->now : 0;
    const struct journal_record *cause = t->cause != 0 ? journal_find(st, t->cause) : NULL;
    struct tcp_found f;
    struct conn owner = {0};
    bool owned = tcp_timer_owner(t, &f);
    const char *clause, *what = purpose(t, &clause);
    if (owned)
        owner = (struct conn){.id = f.id, .present = true, .state = f.state, .a = f.a};
    if (r->json) {
        json_timer(r, t, in, owned ? &owner : NULL);
        return;
    }
    run_printf(r, "%8llu.%03llu ms  %-12s", (unsigned long long)(in / TD_MS),
               (unsigned long long)(in / TD_US % 1000), t->kind->name);
    if (*what != '\0')
        run_printf(r, " %s", what);
    run_puts(r, "\n");
    bool second = clause != NULL || (owned && name_owner) || cause != NULL;
    if (!second)
        return;
    run_printf(r, "%17s", "");
    if (owned && name_owner)
        print_owner(r, &owner);
    if (cause != NULL)
        run_printf(r, "%ssince #%llu %s", owned && name_owner ? " " : "",
                   (unsigned long long)t->cause, event_info[cause->event].name);
    if (clause != NULL)
        run_printf(r, "%s[%s]", (owned && name_owner) || cause != NULL ? " " : "",
                   clause + strlen("RFC "));
    run_puts(r, "\n");
}

static int timers_of(struct run *r, const struct conn *c)
{
    const struct timer *v[TCP_TIMERS_MOST];
    unsigned n = tcp_timers_of(r->deck->st, &c->a, v);
    if (r->json)
        jw_open(&r->jw, NULL, '[');
    if (!r->json) {
        print_owner(r, c);
        run_printf(r, " %s: %s\n", tcp_state_name(c->state),
                   n == 0 ? "no timer is armed: nothing will happen by itself" : "its timers");
    }
    for (unsigned i = 1; i < n; i++)
        for (unsigned k = i; k > 0 && before(v[k], v[k - 1]); k--) {
            const struct timer *t = v[k];
            v[k] = v[k - 1];
            v[k - 1] = t;
        }
    for (unsigned i = 0; i < n; i++)
        print_timer(r, v[i], false);
    if (r->json) {
        jw_close(&r->jw, ']');
        run_puts(r, "\n");
    }
    return EXIT_DONE;
}

static int timers_main(struct run *r)
{
    struct td_stack *st = r->deck->st;
    uint32_t limit = 100;
    const char *word = NULL;
    for (int i = 1; i < r->argc; i++) {
        const char *value;
        if (strcmp(r->argv[i], "-j") == 0) {
            r->json = true;
        } else if (strcmp(r->argv[i], "-n") == 0) {
            if ((value = run_value(r, i++, "a number")) == NULL)
                return EXIT_USAGE;
            if (!parse_u32(value, TIMERS_MAX, &limit) || limit == 0)
                return run_fail(r, EXIT_USAGE, "'%s' is not a number of timers: write 1 to %d",
                                value, TIMERS_MAX);
        } else if (word == NULL && r->argv[i][0] != '-') {
            word = r->argv[i];
        } else {
            return run_bad_word(r, i, "write `timers [CONN] [-n N]`");
        }
    }
    if (word != NULL) {
        struct conn c;
        int status = conn_word(r, word, 0, &c);
        return status != EXIT_DONE ? status : timers_of(r, &c);
    }
    struct soonest s = {.v = calloc(limit, sizeof(*s.v)), .limit = limit};
    if (s.v == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    wheel_each(&st->wheel, keep_soonest, &s);
    if (r->json)
        jw_open(&r->jw, NULL, '[');
    else
        run_printf(r, "%llu armed, %llu fired since the start\n",
                   (unsigned long long)st->wheel.armed, (unsigned long long)st->wheel.fired);
    for (size_t i = 0; i < s.n; i++)
        print_timer(r, s.v[i], true);
    free(s.v);
    if (r->json) {
        jw_close(&r->jw, ']');
        run_puts(r, "\n");
    }
    return EXIT_DONE;
}

const struct command command_timers = {
    .name = "timers",
    .usage = "timers [CONN] [-n N] [-j]",
    .doc = "the timers that will fire next: what for, when, whose, and the event that armed each",
    .more =
        "With CONN, those of one connection. -n how many of the soonest are shown (100). #N is the "
        "number of an event,\nas `why` shows it; [N ...] the RFC's clause.\n"
        "Examples:\n  timers\n  timers :80\n  timers -n 5",
    .fn = timers_main,
};
