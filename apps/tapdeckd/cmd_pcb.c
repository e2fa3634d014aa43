/* tapdeckd/cmd_pcb.c: `pcb`: all that TCP remembers of one connection, with the RFCs' names.
 *
 * The variables, their meanings and clauses are the catalogue stack/tcp/pcb.def; this prints one
 * row of it. Sequence numbers are shown as on the wire and, in brackets, relative to the initial
 * number of the side whose they are. What has no value now (no recovery, no timestamps) is left
 * out, unless it was asked for by name.
 */
#include "tapdeckd/conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tcp/pcb.h"

#define WIDTH        80
#define NAME_WIDTH   20
#define VALUE_WIDTH  20
#define MEANING_FROM (1 + NAME_WIDTH + 1 + VALUE_WIDTH + 1)

static const struct value *value_of(const struct row *row, unsigned i)
{
    const struct value *v = &row->v[TCP_PCB_FIRST + i];
    return v->type == VAL_NONE ? NULL : v;
}

/* Relative to ISS or IRS; false: not a sequence number, or the initial one isn't known any more. */
static bool relative(struct run *r, const struct row *row, unsigned i, uint32_t *rel)
{
    const struct table *t = table_find(r->deck->st, "tcb");
    enum tcp_pcb_unit unit = tcp_pcb[i].unit;
    const char *first = unit == TPU_SEQ_OURS ? "ISS" : unit == TPU_SEQ_THEIRS ? "IRS" : NULL;
    if (first == NULL || !row_has(t, row, first))
        return false;
    *rel = (uint32_t)(value_of(row, i)->u - row_number(t, row, first));
    return true;
}

static void value_text(struct run *r, const struct row *row, unsigned i, char *dst, size_t size)
{
    const struct value *v = value_of(row, i);
    unsigned long long u = v != NULL && v->type != VAL_STR ? v->u : 0;
    uint32_t rel;
    if (v == NULL) {
        snprintf(dst, size, "-");
        return;
    }
    switch (tcp_pcb[i].unit) {
    case TPU_SEQ_OURS:
    case TPU_SEQ_THEIRS:
        if (relative(r, row, i, &rel))
            snprintf(dst, size, "%llu (%+lld)", u, (long long)(int32_t)rel);
        else
            snprintf(dst, size, "%llu", u);
        return;
    case TPU_NS:
        snprintf(dst, size, "%llu.%03llu ms", u / TD_MS, u % TD_MS / TD_US);
        return;
    case TPU_WORD:
        snprintf(dst, size, "%s", v->s);
        return;
    case TPU_BOOL:
    case TPU_YES:
        snprintf(dst, size, "%s", u != 0 ? "yes" : "no");
        return;
    case TPU_COUNT:
        snprintf(dst, size, "%llu", u);
        return;
    default:
        snprintf(dst, size, "%llu %s", u, tcp_pcb_unit_names[tcp_pcb[i].unit]);
    }
}

/* From column `from` on, the cursor being at `at`; lines are broken between words before column 80.
 */
static void print_wrapped(struct run *r, const char *text, int at, int from)
{
    if (at >= from) {
        run_puts(r, "\n");
        at = 0;
    }
    run_printf(r, "%*s", from - at, "");
    at = from;
    while (*text != '\0') {
        int word =
            (int)(*text == '[' ? strlen(text) : strcspn(text, " ")); /* a clause stays whole */
        bool blank = at > from;
        if (blank && at + 1 + word > WIDTH) {
            run_printf(r, "\n%*s", from, "");
            at = from;
            blank = false;
        }
        run_printf(r, "%s%.*s", blank ? " " : "", word, text);
        at += word + blank;
        text += word;
        text += *text == ' ';
    }
    run_puts(r, "\n");
}

static void print_variable(struct run *r, const struct row *row, unsigned i)
{
    const struct tcp_pcb_info *p = &tcp_pcb[i];
    char value[64], meaning[256];
    if (row != NULL)
        value_text(r, row, i, value, sizeof(value));
    else
        snprintf(value, sizeof(value), "%s", tcp_pcb_unit_names[p->unit]);
    snprintf(meaning, sizeof(meaning), "%s%s%s%s", p->meaning, *p->clause == '-' ? "" : " [",
             *p->clause == '-' ? "" : p->clause + strlen("RFC "), *p->clause == '-' ? "" : "]");
    run_printf(r, " %-*s %s", NAME_WIDTH, p->name, value);
    print_wrapped(r, meaning, 1 + NAME_WIDTH + 1 + (int)strlen(value), MEANING_FROM);
}

static void json_variable(struct run *r, const struct row *row, unsigned i)
{
    const struct tcp_pcb_info *p = &tcp_pcb[i];
    const struct table *t = table_find(r->deck->st, "tcb");
    uint32_t rel;
    jw_open(&r->jw, NULL, '{');
    jw_str(&r->jw, "name", p->name);
    if (row != NULL && value_of(row, i) != NULL) {
        row_json(&r->jw, t, row, p->name, "value");
        if (relative(r, row, i, &rel))
            jw_i64(&r->jw, "relative", (int32_t)rel);
    }
    jw_str(&r->jw, "unit", tcp_pcb_unit_names[p->unit]);
    jw_str(&r->jw, "group", tcp_pcb_groups[p->group].name);
    if (*p->clause != '-')
        jw_str(&r->jw, "clause", p->clause);
    jw_str(&r->jw, "meaning", p->meaning);
    jw_close(&r->jw, '}');
}

/* Which variables the words from argv[at] on name: all of a group, or one. */
static int choose(struct run *r, int at, bool *chosen, bool *any)
{
    for (; at < r->argc; at++) {
        bool found = false;
        if (strcmp(r->argv[at], "-j") == 0) {
            r->json = true;
            continue;
        }
        for (unsigned i = 0; i < tcp_npcb; i++) {
            if (strcasecmp(r->argv[at], tcp_pcb[i].name) == 0 ||
                strcasecmp(r->argv[at], tcp_pcb_groups[tcp_pcb[i].group].name) == 0)
                chosen[i] = found = *any = true;
        }
        if (!found)
            return run_fail(r, EXIT_USAGE,
                            "'%s' is no variable of a connection: write a name as SND.NXT or cwnd "
                            "(`pcb --list` has all), or send, receive, options, rtt, congestion, "
                            "loss, timers, counts",
                            r->argv[at]);
    }
    return EXIT_DONE;
}

static void print_all(struct run *r, const struct row *row, const bool *chosen, bool any)
{
    int group = -1;
    if (r->json)
        jw_open(&r->jw, row != NULL ? "variables" : NULL, '[');
    for (unsigned i = 0; i < tcp_npcb; i++) {
        if (any ? !chosen[i] : row != NULL && value_of(row, i) == NULL)
            continue;
        if (r->json) {
            json_variable(r, row, i);
            continue;
        }
        if ((int)tcp_pcb[i].group != group) {
            group = (int)tcp_pcb[i].group;
            run_printf(r, "%s%s%s%s\n", row != NULL || i > 0 ? "\n" : "", r->tty ? "\033[1m" : "",
                       tcp_pcb_groups[group].title, r->tty ? "\033[0m" : "");
        }
        print_variable(r, row, i);
    }
    if (r->json)
        jw_close(&r->jw, ']');
}

static int pcb_main(struct run *r)
{
    bool chosen[TABLE_MAX_COLUMNS] = {false}, any = false;
    int at = 1;
    struct conn c = {0};
    struct row row;
    char ends[CONN_TEXT];
    if (r->argc > 1 && strcmp(r->argv[1], "-j") == 0) {
        r->json = true;
        at++;
    }
    bool list = at < r->argc && strcmp(r->argv[at], "--list") == 0;
    int status = list ? EXIT_DONE : conn_argument(r, at, CONN_LISTENING, &c);
    if (status == EXIT_DONE)
        status = choose(r, at + 1, chosen, &any);
    if (status != EXIT_DONE)
        return status;
    if (list) {
        print_all(r, NULL, chosen, any);
        if (r->json)
            run_puts(r, "\n");
        return EXIT_DONE;
    }
    if (!tcp_pcb_row(r->deck->st, &c.a, &row))
        return run_fail(r, EXIT_FAILED, "there is no connection '%s' any more", r->argv[at]);
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        conn_json(&r->jw, &c);
        print_all(r, &row, chosen, any);
        jw_close(&r->jw, '}');
        run_puts(r, "\n");
        return EXIT_DONE;
    }
    conn_text(&c, ends);
    if (c.id != 0)
        run_printf(r, "connection %u  %s  %s\n", c.id, ends, tcp_state_name(c.state));
    else
        run_printf(r, "connection %s  %s, not accepted yet\n", ends, tcp_state_name(c.state));
    print_all(r, &row, chosen, any);
    return EXIT_DONE;
}

const struct command command_pcb = {
    .name = "pcb",
    .usage =
        "pcb CONN [VARIABLE | send | receive | options | rtt | congestion | loss | timers | counts]... "
        "[-j]\npcb --list",
    .doc = "every variable of a connection, with its RFC name and meaning",
    .more =
        "CONN is a connection's number (`ss -e` shows it), its peer 10.0.0.2:40000, its local port "
        ":80, or both ends\n10.0.0.1:80-10.0.0.2:40000; of several, the newest. A listening socket "
        "and one in TIME-WAIT have what they have.\nSequence numbers are as on the wire, and in "
        "brackets relative to ISS or IRS. `pcb --list` explains all variables.\n"
        "Examples:\n  pcb :80\n  pcb 7 SND.UNA SND.NXT cwnd\n  pcb 10.0.0.2:40000 congestion loss",
    .fn = pcb_main,
};
