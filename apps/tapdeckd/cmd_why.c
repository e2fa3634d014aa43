/* tapdeckd/cmd_why.c: `why`: the journal, filtered, each event with the chain of what led to it.
 *
 * The newest events that match are printed, newest first; under each its causes, each of them the
 * event that led to the one above, until one came from outside: a frame, a timer, a call (said once
 * for neighbours that began with the same). What has been printed already is referred to by its
 * number. Looking back is done a bounded number of records at a time, and the number of events is
 * bounded by -n, so a journal of a million records doesn't hold the loop up.
 *
 * `why -f` goes the other way: it stays and prints each event as it happens.
 */
#include "tapdeckd/deck.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "link/link.h"

#define LOOK_PER_STEP 4096 /* records looked at before the loop goes on */
#define CHAIN_MAX     12   /* causes printed under one event */
#define COUNT_MAX     10000
#define SEEN_MAX      256

struct why {
    bool drops, errors;
    int kind;          /* enum event_kind, -1 = any */
    const char *event; /* a pattern for the event's name, or NULL */
    const char *layer; /* the first word of the event's name, or NULL */
    bool has_addr, has_conn, has_pkt;
    td_ip4 addr;
    uint16_t port;
    uint32_t conn;
    uint64_t pkt;
    uint32_t count;
    bool follow;
    uint32_t printed;
    uint8_t origin; /* of the chain printed last, not said yet */
    uint64_t origin_id;
    uint64_t seen[SEEN_MAX]; /* the numbers printed last: their chains aren't repeated */
    unsigned nseen;
};

static const char *const kind_names[] = {"drop", "error", "state", "action", "detail"};
static const char *const origin_names[] = {"", "frame", "timer", "call", "flush"};

/* ---- filter ---- */

/* Events are named layer-what: "tcp" is the layer of "tcp-state". */
static bool layer_is(const char *event, const char *layer)
{
    size_t n = strcspn(event, "-");
    return strlen(layer) == n && memcmp(event, layer, n) == 0;
}

static bool is_layer(const char *word)
{
    for (int e = 1; e < EV_COUNT; e++)
        if (layer_is(event_info[e].name, word))
            return true;
    return false;
}

/* A field of type ip with this address, or of type port with this port: the event is about it too.
 */
static bool fields_match(const struct why *w, const struct td_stack *st,
                         const struct journal_record *r)
{
    char name[32], text[64];
    uint64_t raw;
    char addr[16];
    bool addr_found = w->addr == 0, port_found = w->port == 0;
    format_ip4(w->addr, addr);
    for (unsigned i = 0; journal_field(st, r, i, name, sizeof(name), text, sizeof(text), &raw);
         i++) {
        addr_found = addr_found || strcmp(text, addr) == 0;
        port_found = port_found || (strstr(name, "port") != NULL && raw == w->port);
    }
    return addr_found && port_found;
}

static bool matches(const struct why *w, const struct td_stack *st, const struct journal_record *r)
{
    const struct event_info *e = &event_info[r->event];
    const struct journal_subject *s = &r->subject;
    if (w->kind >= 0 && (int)e->kind != w->kind)
        return false;
    if (w->event != NULL && fnmatch(w->event, e->name, 0) != 0)
        return false;
    if (w->layer != NULL && !layer_is(e->name, w->layer))
        return false;
    if (w->has_conn && s->conn != w->conn)
        return false;
    if (w->has_pkt && s->pkt != w->pkt && !(r->origin == ORIGIN_FRAME && r->origin_id == w->pkt))
        return false;
    if (!w->has_addr)
        return true;
    bool subject = (w->addr == 0 || s->addr == w->addr) &&
                   (w->port == 0 || s->port == w->port || s->lport == w->port);
    return subject || fields_match(w, st, r);
}

/* ---- printing ---- */

/* As tcpdump prints it: the wall clock's time of day. */
static void time_text(const struct deck *d, td_time t, char *dst, size_t size)
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

static void print_text(struct run *r, const struct journal_record *rec, int depth)
{
    const struct td_stack *st = r->deck->st;
    const struct event_info *e = &event_info[rec->event];
    char when[32], subject[160], sentence[512];
    static const char *const colours[] = {"\033[31m", "\033[31;1m", "\033[32m", "\033[36m",
                                          "\033[2m"};
    time_text(r->deck, rec->time, when, sizeof(when));
    subject_text(st, &rec->subject, subject, sizeof(subject));
    journal_format(st, rec, sentence, sizeof(sentence));
    run_printf(r, "%*s%s%s #%llu %s%s%s%s: %s", depth * 2, "", depth ? "because " : "", when,
               (unsigned long long)rec->seq, r->tty ? colours[e->kind] : "", e->name,
               r->tty ? "\033[0m" : "", subject, sentence);
    if (strcmp(e->clause, "-") != 0)
        run_printf(r, " [%s]", e->clause);
    run_puts(r, "\n");
}

static void print_json(struct run *r, const struct journal_record *rec)
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
    jw_str(&r->jw, "kind", kind_names[e->kind]);
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

static bool already(const struct why *w, uint64_t seq)
{
    unsigned n = w->nseen < SEEN_MAX ? w->nseen : SEEN_MAX;
    for (unsigned i = 0; i < n; i++)
        if (w->seen[i] == seq)
            return true;
    return false;
}

/* The same, and from now on it is. */
static bool seen(struct why *w, uint64_t seq)
{
    if (already(w, seq))
        return true;
    w->seen[w->nseen++ % SEEN_MAX] = seq;
    return false;
}

/* Says where the events printed last came from outside: once for all of them that began there. */
static void print_origin(struct run *r, struct why *w)
{
    static const char *const what[] = {
        [ORIGIN_FRAME] = "the arrival of packet", [ORIGIN_TIMER] = "timer", [ORIGIN_CALL] = "call"};
    if (w->origin == ORIGIN_FRAME || w->origin == ORIGIN_TIMER || w->origin == ORIGIN_CALL)
        run_printf(r, "    which began with %s %llu\n", what[w->origin],
                   (unsigned long long)w->origin_id);
    w->origin = ORIGIN_NONE;
}

/* An event and what led to it. */
static void print_chain(struct run *r, struct why *w, const struct journal_record *rec)
{
    struct td_stack *st = r->deck->st;
    const struct journal_record *last = rec;
    if (w->origin != rec->origin || w->origin_id != rec->origin_id)
        print_origin(r, w);
    print_text(r, rec, 0);
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
        print_text(r, next, depth);
        last = next;
    }
    w->origin = last->origin;
    w->origin_id = last->origin_id;
}

/* ---- steps ---- */

/* cursor: the newest number not looked at yet, plus one. */
static int back_step(struct run *r, td_time now)
{
    (void)now;
    struct why *w = r->state;
    const struct td_stack *st = r->deck->st;
    const struct journal_record *oldest = journal_from(st, 0);
    for (int i = 0; i < LOOK_PER_STEP; i++) {
        if (oldest == NULL || r->cursor <= oldest->seq || w->printed >= w->count) {
            if (r->json) {
                jw_close(&r->jw, ']');
                run_puts(r, "\n");
            } else if (w->printed > 0) {
                print_origin(r, w);
            } else {
                run_puts(r, "nothing in the journal matches (`sysctl -w "
                            "tapdeck.journal.level=2` keeps more from now on)\n");
            }
            return EXIT_DONE;
        }
        const struct journal_record *rec = journal_find(st, --r->cursor);
        if (rec == NULL || !matches(w, st, rec))
            continue;
        if (r->json)
            print_json(r, rec);
        else if (already(w, rec->seq))
            continue; /* it was named as a cause: it stands above */
        else
            print_chain(r, w, rec);
        w->printed++;
    }
    r->ready = true;
    return RUN_MORE;
}

/* cursor: the number to print next. */
static int follow_step(struct run *r, td_time now)
{
    (void)now;
    struct why *w = r->state;
    const struct td_stack *st = r->deck->st;
    for (int i = 0; i < LOOK_PER_STEP && r->out.len < RUN_OUT_HIGH; i++) {
        const struct journal_record *rec = journal_from(st, r->cursor);
        if (rec == NULL)
            return RUN_MORE;
        r->cursor = rec->seq + 1;
        if (!matches(w, st, rec))
            continue;
        if (r->json) {
            r->jw.comma = false;
            print_json(r, rec);
            run_puts(r, "\n");
        } else {
            print_text(r, rec, 0);
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

/* ---- the command ---- */

static int kind_of(const char *word)
{
    for (int k = 0; k < (int)(sizeof(kind_names) / sizeof(*kind_names)); k++)
        if (strcmp(word, kind_names[k]) == 0)
            return k;
    return -1;
}

static int why_words(struct run *r, struct why *w)
{
    static const char *const right =
        "write `why [last|drop|error|state|LAYER|ADDR[:PORT]|conn ID|pkt ID|kind KIND|event NAME] "
        "[-n N] [-f]` (LAYER: arp, neigh, ip, icmp, udp, tcp, ...)";
    for (int i = 1; i < r->argc; i++) {
        const char *word = r->argv[i], *value;
        if (strcmp(word, "last") == 0) {
            if (w->count == 0)
                w->count = 1;
        } else if (strcmp(word, "-f") == 0) {
            w->follow = true;
        } else if (strcmp(word, "-j") == 0) {
            r->json = true;
        } else if (strcmp(word, "-n") == 0) {
            if ((value = run_value(r, i++, "a number")) == NULL)
                return EXIT_USAGE;
            if (!parse_u32(value, COUNT_MAX, &w->count) || w->count == 0)
                return run_fail(r, EXIT_USAGE, "'%s' is not a number of events: write 1 to %d",
                                value, COUNT_MAX);
        } else if (strcmp(word, "conn") == 0 || strcmp(word, "pkt") == 0) {
            uint64_t id;
            if ((value = run_value(r, i++, "a number")) == NULL)
                return EXIT_USAGE;
            if (!parse_u64(value, word[0] == 'c' ? UINT32_MAX : UINT64_MAX, &id))
                return run_fail(r, EXIT_USAGE, "'%s' is not the number of a %s", value,
                                word[0] == 'c' ? "connection: `ss -e` shows them" : "packet");
            if (word[0] == 'c') {
                w->has_conn = true;
                w->conn = (uint32_t)id;
            } else {
                w->has_pkt = true;
                w->pkt = id;
            }
        } else if (strcmp(word, "kind") == 0) {
            if ((value = run_value(r, i++, "a kind")) == NULL)
                return EXIT_USAGE;
            if ((w->kind = kind_of(value)) < 0)
                return run_fail(
                    r, EXIT_USAGE,
                    "'%s' is not a kind of event: write drop, error, state, action or detail",
                    value);
        } else if (strcmp(word, "event") == 0) {
            if ((value = run_value(r, i++, "the name of an event")) == NULL)
                return EXIT_USAGE;
            w->event = value;
        } else if (kind_of(word) >= 0) {
            w->kind = kind_of(word);
        } else if (is_layer(word)) {
            w->layer = word;
        } else if (parse_endpoint(word, &w->addr, &w->port) && (w->addr != 0 || w->port != 0)) {
            w->has_addr = true;
        } else {
            return run_bad_word(r, i, right);
        }
    }
    return EXIT_DONE;
}

static int why_main(struct run *r)
{
    struct why *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    w->kind = -1;
    r->state = w;
    int status = why_words(r, w);
    if (status != EXIT_DONE)
        return status;
    if (w->event != NULL) {
        bool any = false;
        for (int e = 1; e < EV_COUNT && !any; e++)
            any = fnmatch(w->event, event_info[e].name, 0) == 0;
        if (!any)
            return run_fail(
                r, EXIT_USAGE,
                "no event is called '%s': names look like tcp-state, and * stands for anything",
                w->event);
    }
    if (w->follow) {
        r->cursor = r->deck->st->journal.next_seq;
        r->follow = true;
        r->step = follow_step;
        r->interrupt = follow_interrupt;
        return RUN_MORE;
    }
    if (w->count == 0)
        w->count = 10;
    r->cursor = r->deck->st->journal.next_seq;
    r->step = back_step;
    if (r->json)
        jw_open(&r->jw, NULL, '[');
    return back_step(r, 0);
}

const struct command command_why = {
    .name = "why",
    .usage = "why [last | drop | error | state | LAYER | ADDR[:PORT] | conn ID | pkt ID | kind "
             "KIND | event NAME]... [-n N] [-f] [-j]",
    .doc = "the journal of decisions, newest first, each with its causes and the RFC clause",
    .more =
        "Without words: the last 10 events; `last`: the last one; several words must all hold. "
        "LAYER is the word that\n"
        "events' names begin with: link, eth, arp, neigh, acd, ip, frag, route, icmp, udp, tcp, "
        "socket and others.\n"
        "ADDR matches the far end and addresses an event mentions; NAME may hold * "
        "(tcp-rto*). -f stays and\n"
        "shows events as they happen. Of dropped IPv6 frames only the first of an interface "
        "is told as a drop.\n"
        "Examples:\n"
        "  why drop\n"
        "  why tcp\n"
        "  why arp drop\n"
        "  why 10.0.0.1:40000 -n 50\n"
        "  why event tcp-state conn 7\n"
        "  why -f kind drop",
    .fn = why_main,
};
