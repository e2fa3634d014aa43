/* tapdeckd/why_print.c: records of the journal as lines, as JSON, and as chains of causes.
 *
 * Under an event stand its causes, each of them the event that led to the one above, until one came
 * from outside: a frame, a timer, a call (said once for neighbours that began with the same). What
 * has been printed already is referred to by its number.
 */
#include "tapdeckd/why.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "link/link.h"

#define CHAIN_MAX 12 /* causes printed under one event */

const char *const why_kinds[5] = {"drop", "error", "state", "action", "detail"};
static const char *const origin_names[] = {"", "frame", "timer", "call", "flush"};

/* As tcpdump prints it: the wall clock's time of day. */
void why_time_text(const struct deck *d, td_time t, char *dst, size_t size)
{
    int64_t wall = deck_wall(d, t);
    time_t seconds = (time_t)(wall / (int64_t)TD_SEC);
    struct tm tm;
    localtime_r(&seconds, &tm);
    snprintf(dst, size, "%02d:%02d:%02d.%06lld", tm.tm_hour, tm.tm_min, tm.tm_sec,
             (long long)(wall % (int64_t)TD_SEC / 1000));
}

static void subject_text(const struct td_stack *st, const struct journal_subject *s, char *dst,
                         size_t size)
{
    size_t n = 0;
    char addr[16];
    dst[0] = '\0';
#define PART(...) n += n < size ? (size_t)snprintf(dst + n, size - n, __VA_ARGS__) : 0
    if (s->conn != 0)
        PART(" conn %u", s->conn);
    if (s->addr != 0) {
        format_ip4(s->addr, addr);
        PART(" %s", addr);
        if (s->port != 0)
            PART(":%u", s->port);
    }
    if (s->lport != 0)
        PART(" port %u", s->lport);
    const struct netif *nif = s->ifindex != 0 ? netif_by_index(st, s->ifindex) : NULL;
    if (nif != NULL)
        PART(" %s", nif->name);
    if (s->pkt != 0)
        PART(" pkt %llu", (unsigned long long)s->pkt);
#undef PART
}

void why_line(struct run *r, const struct journal_record *rec, int depth)
{
    const struct td_stack *st = r->deck->st;
    const struct event_info *e = &event_info[rec->event];
    char when[32], subject[160], sentence[512];
    static const char *const colours[] = {"\033[31m", "\033[31;1m", "\033[32m", "\033[36m",
                                          "\033[2m"};
    why_time_text(r->deck, rec->time, when, sizeof(when));
    subject_text(st, &rec->subject, subject, sizeof(subject));
    journal_format(st, rec, sentence, sizeof(sentence));
    run_printf(r, "%*s%s%s #%llu %s%s%s%s: %s", depth * 2, "", depth ? "because " : "", when,
               (unsigned long long)rec->seq, r->tty ? colours[e->kind] : "", e->name,
               r->tty ? "\033[0m" : "", subject, sentence);
    if (strcmp(e->clause, "-") != 0)
        run_printf(r, " [%s]", e->clause);
    run_puts(r, "\n");
}

void why_object(struct run *r, const struct journal_record *rec)
{
    const struct td_stack *st = r->deck->st;
    const struct event_info *e = &event_info[rec->event];
    const struct journal_subject *s = &rec->subject;
    char text[512], name[32];
    uint64_t raw;
    jw_open(&r->jw, NULL, '{');
    jw_u64(&r->jw, "seq", rec->seq);
    jw_u64(&r->jw, "time_ns", rec->time);
    jw_i64(&r->jw, "wall_ns", deck_wall(r->deck, rec->time));
    jw_str(&r->jw, "event", e->name);
    jw_str(&r->jw, "kind", why_kinds[e->kind]);
    if (strcmp(e->clause, "-") != 0)
        jw_str(&r->jw, "clause", e->clause);
    journal_format(st, rec, text, sizeof(text));
    jw_str(&r->jw, "text", text);
    jw_open(&r->jw, "fields", '{');
    for (unsigned i = 0; journal_field(st, rec, i, name, sizeof(name), text, sizeof(text), &raw);
         i++)
        jw_str(&r->jw, name, text);
    jw_close(&r->jw, '}');
    if (rec->cause != 0)
        jw_u64(&r->jw, "cause", rec->cause);
    if (rec->origin != ORIGIN_NONE) {
        jw_str(&r->jw, "origin", origin_names[rec->origin]);
        jw_u64(&r->jw, "origin_id", rec->origin_id);
    }
    if (s->conn != 0)
        jw_u64(&r->jw, "conn", s->conn);
    if (s->pkt != 0)
        jw_u64(&r->jw, "pkt", s->pkt);
    const struct netif *nif = s->ifindex != 0 ? netif_by_index(st, s->ifindex) : NULL;
    if (nif != NULL)
        jw_str(&r->jw, "dev", nif->name);
    if (s->addr != 0) {
        char addr[16];
        format_ip4(s->addr, addr);
        jw_str(&r->jw, "addr", addr);
    }
    if (s->port != 0)
        jw_u64(&r->jw, "port", s->port);
    if (s->lport != 0)
        jw_u64(&r->jw, "lport", s->lport);
    jw_close(&r->jw, '}');
}

bool why_already(const struct why_told *w, uint64_t seq)
{
    unsigned n = w->nseen < WHY_SEEN ? w->nseen : WHY_SEEN;
    for (unsigned i = 0; i < n; i++)
        if (w->seen[i] == seq)
            return true;
    return false;
}

/* The same, and from now on it is. */
static bool seen(struct why_told *w, uint64_t seq)
{
    if (why_already(w, seq))
        return true;
    w->seen[w->nseen++ % WHY_SEEN] = seq;
    return false;
}

void why_origin(struct run *r, struct why_told *w)
{
    static const char *const what[] = {
        [ORIGIN_FRAME] = "the arrival of packet", [ORIGIN_TIMER] = "timer", [ORIGIN_CALL] = "call"};
    if (w->origin == ORIGIN_FRAME || w->origin == ORIGIN_TIMER || w->origin == ORIGIN_CALL)
        run_printf(r, "    which began with %s %llu\n", what[w->origin],
                   (unsigned long long)w->origin_id);
    w->origin = ORIGIN_NONE;
}

void why_chain(struct run *r, struct why_told *w, const struct journal_record *rec)
{
    struct td_stack *st = r->deck->st;
    const struct journal_record *last = rec;
    if (w->origin != rec->origin || w->origin_id != rec->origin_id)
        why_origin(r, w);
    why_line(r, rec, 0);
    seen(w, rec->seq);
    for (int depth = 1; last->cause != 0; depth++) {
        uint64_t cause = last->cause;
        const struct journal_record *next = journal_find(st, cause);
        if (next == NULL || cause >= last->seq || depth > CHAIN_MAX) {
            run_printf(r, "%*sbecause of #%llu%s\n", depth * 2, "", (unsigned long long)cause,
                       next == NULL
                           ? ", which the journal no longer (or at this level doesn't) hold"
                           : " and so on");
            break;
        }
        if (seen(w, cause)) {
            run_printf(r, "%*sbecause of #%llu %s, above\n", depth * 2, "",
                       (unsigned long long)cause, event_info[next->event].name);
            break;
        }
        why_line(r, next, depth);
        last = next;
    }
    w->origin = last->origin;
    w->origin_id = last->origin_id;
}

void why_chain_json(struct run *r, const struct journal_record *rec)
{
    jw_open(&r->jw, "events", '[');
    for (int depth = 0; rec != NULL && depth <= CHAIN_MAX; depth++) {
        const struct journal_record *next =
            rec->cause != 0 && rec->cause < rec->seq ? journal_find(r->deck->st, rec->cause) : NULL;
        why_object(r, rec);
        rec = next;
    }
    jw_close(&r->jw, ']');
}

const struct journal_record *why_root(const struct td_stack *st, const struct journal_record *rec)
{
    for (int depth = 0; depth < CHAIN_MAX && rec->cause != 0; depth++) {
        const struct journal_record *next = journal_find(st, rec->cause);
        if (next == NULL || next->seq >= rec->seq || rec->time - next->time > 10 * TD_MS)
            break;
        bool same = next->origin == rec->origin && next->origin_id == rec->origin_id &&
                    next->time == rec->time;
        enum event_kind kind = event_info[next->event].kind;
        if (!same && kind != EVK_ERROR && kind != EVK_DROP)
            break; /* a failure explains what it led to, also in the next turn */
        rec = next;
    }
    return rec;
}

void why_sentence(struct run *r, const char *text)
{
    size_t column = 0;
    while (*text != '\0') {
        size_t n = strcspn(text, " ");
        if (column > 0 && column + 1 + n > 80) {
            run_puts(r, "\n");
            column = 0;
        }
        run_printf(r, "%s%.*s", column > 0 ? " " : "", (int)n, text);
        column += n + (column > 0);
        text += n;
        text += strspn(text, " ");
    }
    run_puts(r, "\n");
}

void why_lost(struct run *r)
{
    const struct journal *j = &r->deck->st->journal;
    if (j->lost == 0)
        return;
    run_printf(
        r,
        "(there may be more: %llu older events have fallen out of the journal, which holds %u; "
        "`sysctl -w tapdeck.journal.records=N` makes it larger)\n",
        (unsigned long long)j->lost, j->size);
}
