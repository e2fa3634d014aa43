/* tapdeckd/cmd_conntrack.c: `conntrack`: the flows that the packet filter knows, listed, followed,
 * forgotten.
 *
 * -L reads the table a bounded number of rows at a time. -E follows the journal, where each flow's
 * beginning, changes and end are events.
 */
#include "tapdeckd/deck.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/journal.h"
#include "ip/nf/nf.h"

#define ROWS_PER_STEP 256

struct flows {
    struct table *table;
    struct nf_ct_filter filter;
    bool timestamp, extended, id; /* -o */
    bool events[3];               /* -e: NEW, UPDATES, DESTROY; none: all */
};

/* ---- -L ---- */

static bool wanted(const struct nf_ct_filter *f, const struct table *t, const struct row *row)
{
    char text[64];
    td_ip4 src = (td_ip4)row_number(t, row, "src"), dst = (td_ip4)row_number(t, row, "dst"),
           rsrc = (td_ip4)row_number(t, row, "reply_src"),
           rdst = (td_ip4)row_number(t, row, "reply_dst");
    bool snat = rdst != src || row_number(t, row, "reply_dport") != row_number(t, row, "sport");
    bool dnat = rsrc != dst || row_number(t, row, "reply_sport") != row_number(t, row, "dport");
    static const char *const states[] = {"NONE",     "SYN_SENT",   "SYN_RECV", "ESTABLISHED",
                                         "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT",
                                         "CLOSE",    "SYN_SENT2"};
    return (!f->has_proto || row_number(t, row, "proto") == f->proto) &&
           (!f->has_src || src == f->src) && (!f->has_dst || dst == f->dst) &&
           (!f->has_rsrc || rsrc == f->rsrc) && (!f->has_rdst || rdst == f->rdst) &&
           (!f->has_sport || row_number(t, row, "sport") == f->sport) &&
           (!f->has_dport || row_number(t, row, "dport") == f->dport) &&
           (!f->has_state || strcmp(row_text(t, row, "state", text), states[f->state]) == 0) &&
           (!f->has_id || row_number(t, row, "id") == f->id) && (!f->src_nat || snat) &&
           (!f->dst_nat || dnat);
}

static void print_way(struct run *r, const struct table *t, const struct row *row,
                      const char *prefix)
{
    static const char *const parts[][2] = {
        {"src", "src"},     {"dst", "dst"},         {"sport", "sport"},
        {"dport", "dport"}, {"type", "type"},       {"code", "code"},
        {"icmp_id", "id"},  {"packets", "packets"}, {"bytes", "bytes"}};
    char column[32], text[64];
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        snprintf(column, sizeof(column), "%s%s", prefix, parts[i][0]);
        if (row_has(t, row, column))
            run_printf(r, "%s=%s ", parts[i][1], row_text(t, row, column, text));
    }
}

static void print_flow(struct run *r, const struct table *t, const struct row *row)
{
    const struct flows *f = r->state;
    char text[64];
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        for (unsigned i = 0; i < t->ncolumns; i++)
            row_json(&r->jw, t, row, t->columns[i].name, t->columns[i].name);
        jw_close(&r->jw, '}');
        return;
    }
    run_puts(r, f->extended ? "ipv4     2 " : "");
    run_printf(r, "%-8s %llu ", row_text(t, row, "protoname", text),
               (unsigned long long)row_number(t, row, "proto"));
    run_printf(r, "%llu ", (unsigned long long)row_number(t, row, "timeout"));
    if (row_has(t, row, "state"))
        run_printf(r, "%s ", row_text(t, row, "state", text));
    print_way(r, t, row, "");
    if (row_has(t, row, "unreplied"))
        run_puts(r, "[UNREPLIED] ");
    print_way(r, t, row, "reply_");
    if (row_has(t, row, "assured"))
        run_puts(r, "[ASSURED] ");
    run_puts(r, "mark=0 use=1");
    if (f->id)
        run_printf(r, " id=%llu", (unsigned long long)row_number(t, row, "id"));
    run_puts(r, "\n");
}

static int list_step(struct run *r, td_time now)
{
    (void)now;
    struct flows *f = r->state;
    struct row row;
    for (int i = 0; i < ROWS_PER_STEP; i++) {
        row_clear(&row);
        if (!f->table->next(r->deck->st, &r->cursor, &row)) {
            if (r->json) {
                jw_close(&r->jw, ']');
                run_puts(r, "\n");
            }
            return EXIT_DONE;
        }
        if (wanted(&f->filter, f->table, &row))
            print_flow(r, f->table, &row);
    }
    r->ready = true;
    return RUN_MORE;
}

/* ---- -E ---- */

static void print_event(struct run *r, const struct journal_record *rec)
{
    const struct flows *f = r->state;
    int64_t wall = (int64_t)rec->time + r->deck->wall_offset;
    const char *word = rec->event == EV_NF_CT_NEW      ? "NEW"
                       : rec->event == EV_NF_CT_UPDATE ? "UPDATE"
                                                       : "DESTROY";
    const char *state = rec->arg[1] < W_COUNT ? journal_words[rec->arg[1]] : "?";
    bool tcp = rec->arg[0] == 6, gone = rec->event == EV_NF_CT_DESTROY;
    char buf[8], a[16], b[16], c[16], d[16];
    format_ip4((td_ip4)rec->arg[2], a);
    format_ip4((td_ip4)rec->arg[3], b);
    format_ip4((td_ip4)rec->arg[5], c);
    format_ip4((td_ip4)rec->arg[6], d);
    const char *proto = nf_proto_name((uint8_t)rec->arg[0], buf);
    unsigned o = (unsigned)rec->arg[4], back = (unsigned)rec->arg[7];
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        if (f->timestamp)
            jw_double(&r->jw, "timestamp", (double)(wall / 1000) / 1e6);
        jw_str(&r->jw, "event", word);
        jw_str(&r->jw, "protoname", proto);
        jw_str(&r->jw, gone ? "why" : "state", state);
        jw_str(&r->jw, "src", a);
        jw_str(&r->jw, "dst", b);
        jw_u64(&r->jw, "sport", o >> 16);
        jw_u64(&r->jw, "dport", o & 0xffff);
        jw_str(&r->jw, "reply_src", c);
        jw_str(&r->jw, "reply_dst", d);
        jw_u64(&r->jw, "reply_sport", back >> 16);
        jw_u64(&r->jw, "reply_dport", back & 0xffff);
        jw_close(&r->jw, '}');
        r->jw.comma = false;
        run_puts(r, "\n");
        return;
    }
    if (f->timestamp)
        run_printf(r, "[%-8lld.%06lld]\t", (long long)(wall / (int64_t)TD_SEC),
                   (long long)(wall % (int64_t)TD_SEC / 1000));
    run_printf(r, "%*s[%s] %s%-8s %u ", (int)(8 - strlen(word)), "", word,
               f->extended ? "ipv4     2 " : "", proto, (unsigned)rec->arg[0]);
    if (tcp && !gone)
        run_printf(r, "%s ", state);
    run_printf(r, "src=%s dst=%s sport=%u dport=%u ", a, b, o >> 16, o & 0xffff);
    if (!gone && (rec->event == EV_NF_CT_NEW || rec->arg[1] == W_NF_UNREPLIED))
        run_puts(r, "[UNREPLIED] ");
    run_printf(r, "src=%s dst=%s sport=%u dport=%u", c, d, back >> 16, back & 0xffff);
    run_printf(r, gone ? " (%s)\n" : "\n", state);
}

static bool event_wanted(const struct flows *w, const struct journal_record *rec)
{
    const struct nf_ct_filter *f = &w->filter;
    int kind = rec->event == EV_NF_CT_NEW ? 0 : rec->event == EV_NF_CT_UPDATE ? 1 : 2;
    if ((w->events[0] || w->events[1] || w->events[2]) && !w->events[kind])
        return false;
    if (rec->event != EV_NF_CT_NEW && rec->event != EV_NF_CT_UPDATE &&
        rec->event != EV_NF_CT_DESTROY)
        return false;
    return (!f->has_proto || rec->arg[0] == f->proto) && (!f->has_src || rec->arg[2] == f->src) &&
           (!f->has_dst || rec->arg[3] == f->dst) && (!f->has_rsrc || rec->arg[5] == f->rsrc) &&
           (!f->has_rdst || rec->arg[6] == f->rdst) &&
           (!f->has_sport || rec->arg[4] >> 16 == f->sport) &&
           (!f->has_dport || (rec->arg[4] & 0xffff) == f->dport);
}

static int follow_step(struct run *r, td_time now)
{
    (void)now;
    struct flows *f = r->state;
    for (int i = 0; i < 1024; i++) {
        const struct journal_record *rec = journal_from(r->deck->st, r->cursor);
        if (rec == NULL)
            return RUN_MORE;
        r->cursor = rec->seq + 1;
        if (event_wanted(f, rec))
            print_event(r, rec);
    }
    r->ready = true;
    return RUN_MORE;
}

static int follow_end(struct run *r)
{
    (void)r;
    return EXIT_DONE;
}

/* ---- the command ---- */

/* "timestamp,id" behind -o, "NEW,DESTROY" behind -e: sets what is named. False: one isn't known. */
static bool list_words(const char *text, const char *const *names, bool *const *flags, size_t n)
{
    while (*text != '\0') {
        size_t len = strcspn(text, ","), k = 0;
        while (k < n && (strlen(names[k]) != len || strncmp(names[k], text, len) != 0))
            k++;
        if (k == n)
            return false;
        *flags[k] = true;
        text += len + (text[len] == ',');
    }
    return true;
}

static int output_words(struct run *r, int at, struct flows *f)
{
    static const char *const outputs[] = {"timestamp", "extended", "id", "ktimestamp"};
    static const char *const masks[] = {"NEW", "UPDATES", "DESTROY", "ALL"};
    bool all = false, o = r->argv[at][1] == 'o';
    bool *const output_flags[] = {&f->timestamp, &f->extended, &f->id, &f->timestamp};
    bool *const event_flags[] = {&f->events[0], &f->events[1], &f->events[2], &all};
    const char *value =
        run_value(r, at, o ? "timestamp, extended or id" : "NEW, UPDATES or DESTROY");
    if (value == NULL)
        return EXIT_USAGE;
    if (list_words(value, o ? outputs : masks, o ? output_flags : event_flags, 4))
        return EXIT_DONE;
    return run_fail(r, EXIT_USAGE, "'%s' can't stand behind %s: write %s", value, r->argv[at],
                    o ? "timestamp, extended, id, with commas between"
                      : "NEW, UPDATES, DESTROY, with commas between");
}

static int conntrack_main(struct run *r)
{
    static const char *const right =
        "write `conntrack -L|-E|-D|-C|-F [-j] [-p PROTO] [-s ADDR] [-d ADDR] …`";
    struct text words = {0};
    struct nf_ct_filter filter;
    char op = '\0', msg[256];
    struct flows shown = {0};
    for (int i = 1; i < r->argc; i++) {
        const char *w = r->argv[i];
        if (op == '\0' && w[0] == '-' && w[1] != '\0' && strchr("LEDCF", w[1]) != NULL &&
            w[2] == '\0') {
            op = w[1];
        } else if (strcmp(w, "-j") == 0) {
            r->json = true;
        } else if (strcmp(w, "-o") == 0 || strcmp(w, "-e") == 0) {
            if (output_words(r, i++, &shown) != EXIT_DONE) {
                text_free(&words);
                return EXIT_USAGE;
            }
        } else if (strpbrk(w, " \t\"'\\") != NULL) {
            text_free(&words);
            return run_bad_word(r, i, right);
        } else {
            text_puts(&words, w);
            text_puts(&words, " ");
        }
    }
    bool ok = nf_ct_filter_parse(words.s != NULL ? words.s : "", &filter, msg, sizeof(msg));
    bool any = words.len > 0;
    if (op == '\0' || !ok || (any && (op == 'C' || op == 'F'))) {
        text_free(&words);
        return ok || op == '\0' ? run_bad_word(r, r->argc > 1 ? r->argc - 1 : 1, right)
                                : run_fail(r, EXIT_USAGE, "conntrack: %s", msg);
    }
    if (op == 'D' || op == 'F') {
        int64_t n = td_nf_forget(r->deck->st, words.s != NULL ? words.s : "", msg, sizeof(msg));
        text_free(&words);
        if (n < 0)
            return run_fail(r, EXIT_USAGE, "conntrack: %s", msg);
        if (op == 'D' && n == 0)
            return run_fail(r, EXIT_FAILED, "conntrack: 0 flow entries have been deleted");
        if (op == 'D')
            run_printf(r, "%lld flow entries have been deleted\n", (long long)n);
        return EXIT_DONE;
    }
    text_free(&words);
    if (op == 'C') {
        run_printf(r, "%u\n", nf_ct_count(r->deck->st));
        return EXIT_DONE;
    }
    struct flows *f = calloc(1, sizeof(*f));
    if (f == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    *f = shown;
    f->filter = filter;
    f->table = table_find(r->deck->st, "conntrack");
    r->state = f;
    if (op == 'E') {
        r->cursor = r->deck->st->journal.next_seq;
        r->follow = true;
        r->step = follow_step;
        r->interrupt = follow_end;
        return RUN_MORE;
    }
    r->step = list_step;
    if (r->json)
        jw_open(&r->jw, NULL, '[');
    return list_step(r, 0);
}

const struct command command_conntrack = {
    .name = "conntrack",
    .usage =
        "conntrack -L [-j] [-o {extended | id}] [FILTER]\n"
        "conntrack -E [-j] [-o {timestamp | extended}] [-e {NEW | UPDATES | DESTROY}] [FILTER]\n"
        "conntrack -D [FILTER]\n"
        "conntrack -C\n"
        "conntrack -F\n"
        "FILTER := [-p PROTO] [-s ADDR] [-d ADDR] [-r ADDR] [-q ADDR] [--sport PORT] [--dport "
        "PORT] [--state FLOWSTATE]\n"
        "          [--id FLOW] [-n] [-g]",
    .doc = "the flows that the packet filter follows: list, watch, delete, count, flush",
    .more = "There are flows while there are rules. FILTER: -p PROTO, -s, -d ADDRESS (as the flow "
            "began), -r, -q ADDRESS (of its\n"
            "answers), --sport, --dport PORT, --state STATE, --id N, -n (source translated), -g "
            "(destination translated).\n"
            "-o, -e: several with\ncommas between.\nExamples:\n  conntrack -L\n  conntrack -E -o "
            "timestamp -e NEW,DESTROY -p tcp\n  conntrack -D -s 10.0.0.5\n",
    .fn = conntrack_main,
};
