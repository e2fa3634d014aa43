/* tapdeckd/ss_print.c: how ss shows a socket.
 *
 * ss makes each column as wide as its widest cell, so rows wait in a sheet until enough of them are
 * known. What stands behind the columns, users, timer, and in a second line memory and TCP's
 * variables, has ss's words, order and units: times in milliseconds, rates in bits a second. A
 * value that is 0 is left out where ss leaves it out. The names of table columns (tcp/table.c) are
 * those of the JSON.
 */
#include "tapdeckd/ss_print.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *heading, *before;
    bool right;
} columns[SS_COLUMNS] = {
    [SS_NETID] = {"Netid", "", false},          [SS_STATE] = {"State", " ", false},
    [SS_RECVQ] = {"Recv-Q", " ", false},        [SS_SENDQ] = {"Send-Q", " ", false},
    [SS_LOCAL] = {"Local Address:", " ", true}, [SS_LPORT] = {"Port", "", false},
    [SS_PEER] = {"Peer Address:", " ", true},   [SS_PPORT] = {"Port", "", false},
    [SS_PROCESS] = {"Process", "", false},
};

/* ---- the sheet ---- */

void sheet_init(struct ss_sheet *s, bool header)
{
    memset(s, 0, sizeof(*s));
    s->header = header;
    s->width[SS_RECVQ] = s->width[SS_SENDQ] = 6; /* without a heading too */
    for (int i = 0; header && i < SS_COLUMNS; i++)
        s->width[i] = strlen(columns[i].heading);
}

void sheet_free(struct ss_sheet *s)
{
    text_free(&s->cells);
}

static void cell(struct ss_sheet *s, enum ss_column c, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void cell(struct ss_sheet *s, enum ss_column c, const char *fmt, ...)
{
    size_t from = s->cells.len;
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&s->cells, fmt, ap);
    va_end(ap);
    if (s->cells.len - from > s->width[c])
        s->width[c] = s->cells.len - from;
    text_add(&s->cells, "", 1);
}

static void print_cell(const struct ss_sheet *s, struct run *r, enum ss_column c, const char *what,
                       bool *first)
{
    static const char blanks[] = "                                                                ";
    size_t len = strlen(what);
    size_t pad = c == SS_PROCESS || s->width[c] <= len
                     ? 0
                     : s->width[c] - len; /* nothing behind it: no blanks at the end of a line */
    if (s->hidden[c])
        return;
    /* Nine cells a row, thousands of rows a second under `watch`: no format to be read each time. */
    run_puts(r, *first ? "" : columns[c].before);
    if (!columns[c].right)
        text_add(&r->out, what, len);
    for (size_t n; pad > 0; pad -= n) {
        n = pad < sizeof(blanks) - 1 ? pad : sizeof(blanks) - 1;
        text_add(&r->out, blanks, n);
    }
    if (columns[c].right)
        text_add(&r->out, what, len);
    *first = false;
}

bool sheet_print(struct ss_sheet *s, struct run *r, size_t most)
{
    bool first = true;
    if (s->header) {
        for (int c = 0; c < SS_COLUMNS; c++)
            print_cell(s, r, (enum ss_column)c, columns[c].heading, &first);
        run_puts(r, "\n");
        s->header = false;
    }
    for (; s->at < s->cells.len && most > 0; most--) {
        first = true;
        for (int c = 0; c < SS_COLUMNS; c++) {
            print_cell(s, r, (enum ss_column)c, s->cells.s + s->at, &first);
            s->at += strlen(s->cells.s + s->at) + 1;
        }
        run_puts(r, "\n");
    }
    if (s->at < s->cells.len)
        return true;
    text_consume(&s->cells, s->cells.len);
    s->rows = s->at = 0;
    return false;
}

/* ---- behind the columns ---- */

struct line { /* what is being written, about what */
    struct text *t;
    const struct table *table;
    const struct row *row;
    bool numeric;
};

static uint64_t value(const struct line *l, const char *column)
{
    return row_number(l->table, l->row, column);
}

/* " word:number", unless it is 0. */
static void count_of(struct line *l, const char *word, const char *column)
{
    if (value(l, column) != 0)
        text_printf(l->t, " %s:%llu", word, (unsigned long long)value(l, column));
}

/* " word:milliseconds", unless it is 0 or unknown. */
static void time_of(struct line *l, const char *word, const char *column, uint64_t unit)
{
    if (value(l, column) / unit != 0)
        text_printf(l->t, " %s:%g", word, (double)(value(l, column) / unit) * (double)unit / 1e6);
}

static void flag_of(struct line *l, const char *column)
{
    if (value(l, column) != 0)
        text_printf(l->t, " %s", column);
}

static void rate_text(struct line *l, double bits)
{
    static const char units[] = " KMGT";
    int unit = 0;
    if (l->numeric) {
        text_printf(l->t, "%.0fbps", bits);
        return;
    }
    for (; bits >= 1e3 && unit < 4; unit++)
        bits /= 1e3;
    text_printf(l->t, "%.3g%.*sbps", bits, unit > 0, &units[unit]);
}

static void rate_of(struct line *l, const char *word, const char *column)
{
    if (value(l, column) == 0)
        return;
    text_printf(l->t, " %s ", word);
    rate_text(l, (double)value(l, column) * 8);
}

static void limited_of(struct line *l, const char *column)
{
    uint64_t busy = value(l, "busy"), n = value(l, column);
    if (n / TD_MS != 0)
        text_printf(l->t, " %s:%llums(%.1f%%)", column, (unsigned long long)(n / TD_MS),
                    (double)n * 100 / (double)busy);
}

static void sender(struct line *l)
{
    uint64_t rtt = value(l, "rtt"), mss = value(l, "mss"), cwnd = value(l, "cwnd");
    char cc[64];
    if (row_has(l->table, l->row, "cc"))
        text_printf(l->t, " %s", row_text(l->table, l->row, "cc", cc));
    if (value(l, "snd-wscale") != 0 || value(l, "rcv-wscale") != 0)
        text_printf(l->t, " wscale:%llu,%llu", (unsigned long long)value(l, "snd-wscale"),
                    (unsigned long long)value(l, "rcv-wscale"));
    time_of(l, "rto", "rto", TD_US);
    count_of(l, "backoff", "backoff");
    if (rtt != 0)
        text_printf(l->t, " rtt:%g/%g", (double)(rtt / TD_US) / 1e3,
                    (double)(value(l, "rttvar") / TD_US) / 1e3);
    time_of(l, "ato", "ato", TD_US);
    count_of(l, "mss", "mss");
    count_of(l, "pmtu", "pmtu");
    count_of(l, "rcvmss", "rcvmss");
    count_of(l, "advmss", "advmss");
    count_of(l, "cwnd", "cwnd");
    count_of(l, "ssthresh", "ssthresh");
    count_of(l, "bytes_sent", "bytes_sent");
    count_of(l, "bytes_retrans", "bytes_retrans");
    count_of(l, "bytes_acked", "bytes_acked");
    count_of(l, "bytes_received", "bytes_received");
    count_of(l, "segs_out", "segs_out");
    count_of(l, "segs_in", "segs_in");
    count_of(l, "data_segs_out", "data_segs_out");
    count_of(l, "data_segs_in", "data_segs_in");
    if (rtt != 0 && mss != 0 && cwnd != 0) {
        text_puts(l->t, " send ");
        rate_text(l, (double)cwnd * (double)mss * 8e9 / (double)rtt);
    }
}

static void the_rest(struct line *l)
{
    time_of(l, "lastsnd", "lastsnd", TD_MS);
    time_of(l, "lastrcv", "lastrcv", TD_MS);
    time_of(l, "lastack", "lastack", TD_MS);
    rate_of(l, "pacing_rate", "pacing_rate");
    rate_of(l, "delivery_rate", "delivery_rate");
    count_of(l, "delivered", "delivered");
    count_of(l, "delivered_ce", "delivered_ce");
    flag_of(l, "app_limited");
    if (value(l, "busy") / TD_MS != 0)
        text_printf(l->t, " busy:%llums", (unsigned long long)(value(l, "busy") / TD_MS));
    limited_of(l, "rwnd_limited");
    limited_of(l, "sndbuf_limited");
    count_of(l, "unacked", "unacked");
    if (value(l, "retrans_out") != 0 || value(l, "retrans") != 0)
        text_printf(l->t, " retrans:%llu/%llu", (unsigned long long)value(l, "retrans_out"),
                    (unsigned long long)value(l, "retrans"));
    count_of(l, "lost", "lost");
    count_of(l, "sacked", "sacked");
    count_of(l, "dsack_dups", "dsack_dups");
    if (value(l, "reordering") != 3)
        count_of(l, "reordering", "reordering");
    count_of(l, "reord_seen", "reord_seen");
    time_of(l, "rcv_rtt", "rcv_rtt", TD_US);
    count_of(l, "rcv_space", "rcv_space");
    count_of(l, "rcv_ssthresh", "rcv_ssthresh");
    count_of(l, "notsent", "notsent");
    time_of(l, "minrtt", "minrtt", TD_US);
    count_of(l, "rcv_ooopack", "rcv_ooopack");
    count_of(l, "snd_wnd", "snd_wnd");
}

/* Where Linux has something that this stack hasn't, its figure is 0: no memory is reserved ahead
 * (f), frames in an interface's queue share the send buffer's blocks (t), nothing waits for a
 * socket that is in use (bl). */
static void memory(struct line *l)
{
    text_printf(l->t, " skmem:(r%llu,rb%llu,t0,tb%llu,f0,w%llu,o%llu,bl0,d%llu)",
                (unsigned long long)value(l, "rmem"), (unsigned long long)value(l, "rcvbuf"),
                (unsigned long long)value(l, "sndbuf"), (unsigned long long)value(l, "wmem"),
                (unsigned long long)value(l, "opt_mem"), (unsigned long long)value(l, "drops"));
}

/* timer:(name,when,retries), the time as ss writes it: 119min, 1min5sec, 12sec, 3.200ms, 40ms. */
static void timer(struct line *l)
{
    char text[64];
    const char *name = row_text(l->table, l->row, "timer", text);
    unsigned long long all = value(l, "expires") / TD_MS, min = all / 60000, sec = all / 1000 % 60,
                       ms = all % 1000;
    if (*name == '\0')
        return;
    text_printf(l->t, " timer:(%s,", name);
    if (min > 0)
        text_printf(l->t, "%llumin", min);
    if (sec > 0 && min <= 9)
        text_printf(l->t, "%llu%s", sec, ms > 0 && sec <= 9 && min == 0 ? "." : "sec");
    if ((ms > 0 && sec <= 9 && min == 0) || all == 0)
        text_printf(l->t, sec > 0 ? "%03llums" : "%llums", ms);
    text_printf(l->t, ",%llu)", (unsigned long long)value(l, "retries"));
}

static void process(struct ss_sheet *s, struct run *r, const struct ss_show *show,
                    const struct table *t, const struct row *row)
{
    struct text out = {0};
    struct line l = {.t = &out, .table = t, .row = row, .numeric = show->numeric};
    const char *user = deck_owner(r->deck, (uint32_t)value(&l, "owner"));
    bool tcp = strcmp(t->name, "tcp") == 0, sized = row_has(t, row, "rcvbuf");
    if (show->users && *user != '\0' && row_has(t, row, "handle"))
        text_printf(&out, " users:((\"%s\",pid=%llu,fd=%llu))", user,
                    (unsigned long long)value(&l, "owner"),
                    (unsigned long long)value(&l, "handle"));
    if (show->timers)
        timer(&l);
    if (show->extended) {
        text_printf(&out, " id:%llu", (unsigned long long)value(&l, "id"));
        if (sized)
            text_printf(&out, " %c-%c", value(&l, "rd_shut") != 0 ? '-' : '<',
                        value(&l, "wr_shut") != 0 ? '-' : '>');
    }
    if ((show->memory && sized) || (show->info && row_has(t, row, "cc"))) {
        text_puts(&out, show->one_line ? "" : "\n\t");
        if (show->memory && sized)
            memory(&l);
        if (show->info && tcp) {
            static const char *const options[] = {"ts", "sack", "ecn", "ecnseen", "fastopen"};
            for (size_t i = 0; show->timers && i < sizeof(options) / sizeof(*options); i++)
                flag_of(&l, options[i]);
            sender(&l);
            the_rest(&l);
        }
    }
    cell(s, SS_PROCESS, "%s", out.s != NULL ? out.s : "");
    text_free(&out);
}

/* ---- a row ---- */

static void end_cells(struct ss_sheet *s, enum ss_column c, const struct table *t,
                      const struct row *row, const char *addr, const char *port, const char *dev)
{
    char text[16];
    uint64_t p = row_number(t, row, port);
    format_ip4((td_ip4)row_number(t, row, addr), text);
    cell(s, c, "%s%s%s:", text, *dev != '\0' ? "%" : "", dev);
    if (p != 0)
        cell(s, c + 1, "%llu", (unsigned long long)p);
    else
        cell(s, c + 1, "*");
}

void sheet_row(struct ss_sheet *s, struct run *r, const struct ss_show *show, const struct table *t,
               const struct row *row)
{
    char text[64];
    cell(s, SS_NETID, "%s", t->name);
    cell(s, SS_STATE, "%s", row_text(t, row, "state", text));
    cell(s, SS_RECVQ, "%llu", (unsigned long long)row_number(t, row, "recv-q"));
    cell(s, SS_SENDQ, "%llu", (unsigned long long)row_number(t, row, "send-q"));
    end_cells(s, SS_LOCAL, t, row, "local", "lport", row_text(t, row, "dev", text));
    end_cells(s, SS_PEER, t, row, "peer", "pport", "");
    process(s, r, show, t, row);
    s->rows++;
}

void ss_json(struct run *r, const struct table *t, const struct row *row)
{
    const char *user = deck_owner(r->deck, (uint32_t)row_number(t, row, "owner"));
    jw_open(&r->jw, NULL, '{');
    jw_str(&r->jw, "netid", t->name);
    for (unsigned i = 0; i < t->ncolumns; i++) {
        char key[64];
        size_t n = 0;
        for (const char *c = t->columns[i].name; *c && n + 1 < sizeof(key); c++)
            key[n++] = *c == '-' ? '_' : *c;
        key[n] = '\0';
        value_json(&r->jw, &row->v[i], key);
    }
    if (*user != '\0') {
        jw_open(&r->jw, "users", '[');
        jw_open(&r->jw, NULL, '{');
        jw_str(&r->jw, "name", user);
        jw_u64(&r->jw, "pid", row_number(t, row, "owner"));
        row_json(&r->jw, t, row, "handle", "fd");
        jw_close(&r->jw, '}');
        jw_close(&r->jw, ']');
    }
    jw_close(&r->jw, '}');
}
