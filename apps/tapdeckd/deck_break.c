/* tapdeckd/deck_break.c: breakpoints (theory of operation: tapdeckd/deck_break.h). */
#include "tapdeckd/deck_break.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/filter.h"
#include "common/frame.h"
#include "core/bpf.h"
#include "link/link.h"
#include "tapdeckd/conn.h"
#include "tcp/pcb.h"

#define NOTED_MAX  64   /* connections touched in one call: more are looked at in turn */
#define HOLDS_MAX  4096 /* connections for which a condition is remembered to hold */
#define BREAKS_MAX 32
#define WHY_MAX    320

enum break_kind { BREAK_FILTER, BREAK_EVENT, BREAK_STATE, BREAK_VAR };
enum break_op { OP_LT, OP_LE, OP_GT, OP_GE, OP_EQ, OP_NE };

struct deck_break {
    struct deck_break *next;
    struct deck *deck;
    unsigned id;
    enum break_kind kind;
    char *text;
    uint64_t hits;
    bool hit; /* in the call that is under way */
    char why[WHY_MAX];
    bool has_conn;
    struct conn conn;

    struct journal_watch watch;
    bool events[EV_COUNT];
    enum tcp_state state;
    struct journal_record record; /* the event it was hit by */

    unsigned var;
    enum break_op op;
    uint64_t value;
    bool in_segments; /* value is; the variable is bytes */
    struct tcp_addrs noted[NOTED_MAX], *holds;
    unsigned nnoted, nholds;

    struct link_observer look;
    struct td_bpf_insn code[TD_IMPAIR_CODE];
    struct mem mem; /* of copies of frames that have no header */
};

/* ---- frames ---- */

static void see_frame(void *ctx, const struct link_sight *s)
{
    struct deck_break *b = ctx;
    const struct pkt *p = s->p;
    struct pkt *whole = NULL;
    char text[FRAME_TEXT];
    if (b->hit)
        return;
    if (s->bare) { /* filters are for Ethernet */
        whole = pkt_copy(&b->mem, p, 14);
        uint8_t *head = whole != NULL ? pkt_push(whole, 14) : NULL;
        if (head == NULL) {
            pkt_free(whole);
            return;
        }
        memset(head, 0, 12);
        head[12] = (uint8_t)(p->protocol >> 8);
        head[13] = (uint8_t)p->protocol;
        p = whole;
    }
    if (bpf_run(b->code, p) != 0) {
        const struct netif *nif = netif_by_index(b->deck->st, s->ifindex);
        frame_text(p, text);
        snprintf(b->why, sizeof(b->why), "%s %s, %u bytes: %s", nif != NULL ? nif->name : "?",
                 s->out ? "out" : "in", s->p->len, text);
        b->hit = true;
    }
    pkt_free(whole);
}

/* ---- variables ---- */

static bool same_ends(const struct tcp_addrs *a, const struct tcp_addrs *b)
{
    return a->laddr == b->laddr && a->raddr == b->raddr && a->lport == b->lport &&
           a->rport == b->rport;
}

/* Its value as it is compared; false: the connection or the variable isn't there. */
static bool value_now(const struct deck_break *b, const struct tcp_addrs *a, uint64_t *v)
{
    struct row row;
    unsigned smss = 0;
    row_clear(&row);
    if (!tcp_pcb_row(b->deck->st, a, &row) || row.v[TCP_PCB_FIRST + b->var].type == VAL_NONE)
        return false;
    *v = row.v[TCP_PCB_FIRST + b->var].u;
    if (!b->in_segments)
        return true;
    while (strcmp(tcp_pcb[smss].name, "SMSS") != 0)
        smss++;
    uint64_t mss = row.v[TCP_PCB_FIRST + smss].u;
    *v /= mss > 0 ? mss : 1;
    return true;
}

static bool compare(enum break_op op, uint64_t a, uint64_t b)
{
    switch (op) {
    case OP_LT:
        return a < b;
    case OP_LE:
        return a <= b;
    case OP_GT:
        return a > b;
    case OP_GE:
        return a >= b;
    case OP_EQ:
        return a == b;
    default:
        return a != b;
    }
}

/* Notes whether it holds for this connection now; true: since now. */
static bool begins_to_hold(struct deck_break *b, const struct tcp_addrs *a, uint64_t *v)
{
    unsigned at = 0;
    bool holds = value_now(b, a, v) && compare(b->op, *v, b->value);
    while (at < b->nholds && !same_ends(&b->holds[at], a))
        at++;
    if (at < b->nholds && !holds)
        b->holds[at] = b->holds[--b->nholds];
    if (at < b->nholds || !holds)
        return false;
    if (b->nholds < HOLDS_MAX)
        b->holds[b->nholds++] = *a;
    return true;
}

static void look_at(struct deck_break *b, const struct tcp_addrs *a)
{
    struct conn c = {.a = *a};
    char ends[CONN_TEXT];
    uint64_t v;
    if (b->deck->time->mode == TIME_PAUSED || !begins_to_hold(b, a, &v) || b->hit)
        return;
    conn_text(&c, ends);
    snprintf(b->why, sizeof(b->why), "%s of %s is %llu%s", tcp_pcb[b->var].name, ends,
             (unsigned long long)v, b->in_segments ? " segments" : "");
    b->hit = true;
}

static void note_conn(struct deck_break *b, const struct journal_record *rec)
{
    struct tcp_wanted w = {
        .a = {.raddr = rec->subject.addr, .rport = rec->subject.port, .lport = rec->subject.lport}};
    struct tcp_found f;
    for (unsigned i = b->nnoted; i > 0; i--)
        if (b->noted[i - 1].rport == w.a.rport && b->noted[i - 1].lport == w.a.lport &&
            b->noted[i - 1].raddr == w.a.raddr)
            return;
    w.id = rec->subject.conn;
    if (b->nnoted == NOTED_MAX || w.a.rport == 0)
        return;
    /* The subject doesn't have our address. A number that isn't a socket's yet finds nothing. */
    if (tcp_find(b->deck->st, &w, &f, 1) == 0) {
        w.id = 0;
        if (tcp_find(b->deck->st, &w, &f, 1) == 0)
            return;
    }
    b->noted[b->nnoted++] = f.a;
}

/* ---- events ---- */

static void see_event(void *ctx, const struct journal_record *rec)
{
    struct deck_break *b = ctx;
    if (b->has_conn && !conn_is_subject(&b->conn, &rec->subject))
        return;
    if (b->kind == BREAK_VAR) {
        if (strncmp(event_info[rec->event].name, "tcp-", 4) == 0)
            note_conn(b, rec);
        return;
    }
    if (b->hit || !b->events[rec->event])
        return;
    if (b->kind == BREAK_STATE && (rec->arg[1] != (uint64_t)b->state || rec->arg[0] == rec->arg[1]))
        return;
    b->record = *rec;
    b->hit = true;
}

/* ---- being hit ---- */

static void tell_all(struct deck_time *t, const struct deck_break *b)
{
    for (struct deck *d = t->decks; d != NULL; d = d->time_next) {
        for (struct run *r = d->runs; r != NULL; r = r->next) {
            if (r->status != RUN_MORE)
                continue;
            if (r->awaits_break)
                r->ready = true;
            else if (r->streams || !r->json)
                run_note(r, "%s; time is paused\n", t->hit);
            r->told = true;
        }
    }
    t->hits++;
    t->hit_id = b->id;
    t->hit_deck = b->deck;
}

bool deck_break_check(struct deck_time *t, const struct td_stack *st)
{
    bool any = false;
    for (struct deck_break *b = t->breaks; b != NULL; b = b->next) {
        if (b->deck->st != st)
            continue;
        for (unsigned i = 0; i < b->nnoted; i++)
            look_at(b, &b->noted[i]);
        b->nnoted = 0;
        if (!b->hit)
            continue;
        b->hit = false;
        if (t->mode == TIME_PAUSED) /* somebody's command did it: time stands still already */
            continue;
        if (b->kind == BREAK_EVENT || b->kind == BREAK_STATE)
            journal_format(b->deck->st, &b->record, b->why, sizeof(b->why));
        b->hits++;
        snprintf(t->hit, sizeof(t->hit), "breakpoint %u (%.80s): %s", b->id, b->text, b->why);
        tell_all(t, b);
        any = true;
    }
    return any;
}

/* ---- making one ---- */

static void release(struct deck_break *b)
{
    free(b->holds);
    free(b->text);
    free(b);
}

/* The last word, when it is a connection, is taken off. */
static int take_conn(struct run *r, struct deck_break *b, int *argc, char *const *words)
{
    if (*argc < 2 || !conn_is_word(words[*argc - 1]))
        return EXIT_DONE;
    int status = conn_word(r, words[*argc - 1], CONN_LISTENING | CONN_NUMBER, &b->conn);
    b->has_conn = status == EXIT_DONE;
    --*argc;
    return status;
}

static int want_events(struct run *r, struct deck_break *b, const char *pattern)
{
    bool any = false;
    for (int e = 1; e < EV_COUNT; e++) {
        b->events[e] = fnmatch(pattern, event_info[e].name, 0) == 0;
        any = any || b->events[e];
    }
    return any ? EXIT_DONE : run_no_event(r, pattern);
}

static int want_state(struct run *r, struct deck_break *b, const char *name)
{
    for (int s = 1; s < 16; s++) {
        const char *rfc = tcp_state_name((enum tcp_state)s), *ss = tcp_state_ss((enum tcp_state)s);
        if ((rfc != NULL && strcasecmp(name, rfc) == 0) ||
            (ss != NULL && strcasecmp(name, ss) == 0)) {
            b->state = (enum tcp_state)s;
            b->events[EV_TCP_STATE] = true;
            return EXIT_DONE;
        }
    }
    return run_fail(
        r, EXIT_USAGE,
        "'%s' is not a state of TCP: write one such as SYN-RECEIVED, ESTABLISHED or CLOSING", name);
}

/* A variable's name at the beginning of text; its length, 0: none. */
static size_t find_var(const char *text, unsigned *var)
{
    for (*var = 0; *var < tcp_npcb; ++*var) {
        size_t n = strlen(tcp_pcb[*var].name);
        if (strncasecmp(text, tcp_pcb[*var].name, n) == 0 && strchr(" <>=!", text[n]) != NULL &&
            text[n] != '\0')
            return n;
    }
    return 0;
}

static const char *take_op(const char *s, enum break_op *op)
{
    static const struct {
        const char *text;
        enum break_op op;
    } ops[] = {{"<=", OP_LE}, {">=", OP_GE}, {"==", OP_EQ}, {"!=", OP_NE},
               {"<", OP_LT},  {">", OP_GT},  {"=", OP_EQ}};
    s += strspn(s, " ");
    for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
        size_t n = strlen(ops[i].text);
        if (strncmp(s, ops[i].text, n) == 0) {
            *op = ops[i].op;
            s += n;
            return s + strspn(s, " ");
        }
    }
    return NULL;
}

/* In the variable's own unit; windows also in segments, as `ss -i` shows them. */
static bool take_value(struct deck_break *b, const char *s)
{
    enum tcp_pcb_unit unit = tcp_pcb[b->var].unit;
    char text[32];
    td_time t;
    size_t n = strlen(s);
    if (n == 0 || n >= sizeof(text))
        return false;
    if (unit == TPU_NS || unit == TPU_US || unit == TPU_MS || unit == TPU_SECONDS) {
        if (isdigit((unsigned char)s[n - 1]) || !parse_time(s, &t))
            return false;
        b->value = unit == TPU_NS   ? t
                   : unit == TPU_US ? t / TD_US
                   : unit == TPU_MS ? t / TD_MS
                                    : t / TD_SEC;
        return true;
    }
    memcpy(text, s, n + 1);
    const char *name = tcp_pcb[b->var].name;
    b->in_segments = strcmp(name, "cwnd") == 0 || strcmp(name, "ssthresh") == 0 ||
                     strcmp(name, "FlightSize") == 0;
    if (b->in_segments && text[n - 1] == 'b') {
        text[n - 1] = '\0';
        b->in_segments = false;
    }
    return unit != TPU_WORD && parse_u64(text, UINT64_MAX, &b->value);
}

static int want_var(struct run *r, struct deck_break *b, const char *text, size_t name_len)
{
    const char *s = take_op(text + name_len, &b->op);
    if (s == NULL || !take_value(b, s))
        return run_fail(r, EXIT_USAGE,
                        "'%s' compares nothing: write for example cwnd<3 (segments), cwnd<4000b "
                        "(bytes), SRTT>100ms",
                        text);
    b->holds = calloc(HOLDS_MAX, sizeof(*b->holds));
    return b->holds != NULL ? EXIT_DONE : run_fail(r, EXIT_FAILED, "out of memory");
}

static int want_filter(struct run *r, struct deck_break *b)
{
    uint32_t len;
    if (!filter_compile(b->text, b->code, TD_IMPAIR_CODE, &len, r->err, sizeof(r->err)))
        return EXIT_USAGE;
    if (!bpf_valid(b->code, len))
        return run_fail(r, EXIT_USAGE, "'%s' makes a program that can't be run here", b->text);
    return EXIT_DONE;
}

/* What the words ask for. */
static int understand(struct run *r, struct deck_break *b, int argc, char *const *words)
{
    struct text t = {0};
    int status = EXIT_DONE, told = argc;
    bool event = strncmp(words[0], "event=", 6) == 0, state = strncmp(words[0], "state=", 6) == 0;
    for (int i = 0; i < argc; i++)
        text_printf(&t, "%s%s", i > 0 ? " " : "", words[i]);
    b->text = t.s;
    size_t name = event || state ? 0 : find_var(t.s, &b->var);
    b->kind = event ? BREAK_EVENT : state ? BREAK_STATE : name > 0 ? BREAK_VAR : BREAK_FILTER;
    if (b->kind == BREAK_FILTER)
        return want_filter(r, b);
    /* `cwnd < 3`: the 3 is no connection. */
    if (b->kind != BREAK_VAR ||
        strchr("<>=", words[argc > 1 ? argc - 2 : 0][strlen(words[argc > 1 ? argc - 2 : 0]) - 1]) ==
            NULL)
        status = take_conn(r, b, &told, words);
    if (status != EXIT_DONE)
        return status;
    if ((event || state) && told > 1)
        return run_fail(r, EXIT_USAGE,
                        "'%s' doesn't belong after '%s': write a connection, or nothing", words[1],
                        words[0]);
    if (event)
        return want_events(r, b, words[0] + 6);
    if (state)
        return want_state(r, b, words[0] + 6);
    struct text expr = {0};
    for (int i = 0; i < told; i++)
        text_printf(&expr, "%s%s", i > 0 ? " " : "", words[i]);
    status = want_var(r, b, expr.s, name);
    text_free(&expr);
    return status;
}

/* Those for which it is so already. */
static void look_at_all(struct deck_break *b)
{
    struct tcp_wanted any = {0};
    struct tcp_found *f = calloc(HOLDS_MAX, sizeof(*f));
    uint64_t v;
    unsigned n = f != NULL ? tcp_find(b->deck->st, &any, f, HOLDS_MAX) : 0;
    for (unsigned i = 0; i < n; i++)
        (void)begins_to_hold(b, &f[i].a, &v);
    free(f);
}

unsigned deck_break_add(struct run *r, int argc, char *const *words, int *status)
{
    struct deck_time *t = r->deck->time;
    struct deck_break *b = calloc(1, sizeof(*b)), **at = &t->breaks;
    unsigned n = 0;
    *status = EXIT_FAILED;
    for (; *at != NULL; at = &(*at)->next)
        n++;
    if (n >= BREAKS_MAX || b == NULL) {
        free(b);
        run_fail(r, EXIT_FAILED, "there are %d breakpoints already: `break del` takes one away",
                 BREAKS_MAX);
        return 0;
    }
    b->deck = r->deck;
    *status = understand(r, b, argc, words);
    if (*status != EXIT_DONE) {
        release(b);
        return 0;
    }
    b->id = ++t->last_break;
    *at = b;
    mem_init(&b->mem, 0);
    if (b->kind == BREAK_FILTER) {
        b->look = (struct link_observer){.fn = see_frame, .ctx = b};
        link_observe(b->deck->st, &b->look);
    } else {
        b->watch = (struct journal_watch){.fn = see_event, .ctx = b};
        journal_watch(&b->deck->st->journal, &b->watch);
    }
    if (b->kind == BREAK_VAR)
        look_at_all(b);
    return b->id;
}

static void unlink_break(struct deck_break **at)
{
    struct deck_break *b = *at;
    *at = b->next;
    if (b->kind == BREAK_FILTER)
        link_unobserve(b->deck->st, &b->look);
    else
        journal_unwatch(&b->deck->st->journal, &b->watch);
    pkt_cache_drop(&b->mem);
    release(b);
}

bool deck_break_del(struct deck *d, unsigned id)
{
    for (struct deck_break **at = &d->time->breaks; *at != NULL; at = &(*at)->next) {
        if ((*at)->deck == d && (*at)->id == id) {
            unlink_break(at);
            return true;
        }
    }
    return false;
}

void deck_break_leave(struct deck *d)
{
    struct deck_break **at = &d->time->breaks;
    while (*at != NULL) {
        if ((*at)->deck == d)
            unlink_break(at);
        else
            at = &(*at)->next;
    }
}

void deck_break_each(const struct deck *d,
                     void (*fn)(void *ctx, unsigned id, const char *text, uint64_t hits), void *ctx)
{
    for (const struct deck_break *b = d->time->breaks; b != NULL; b = b->next)
        if (b->deck == d)
            fn(ctx, b->id, b->text, b->hits);
}
