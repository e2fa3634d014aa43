/* replay/report.c: the rows of the page, and writing it (report.h). */
#include "replay/report.h"

#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

#include "common/control.h"
#include "replay/describe.h"
#include "replay/tcptrace.h"
#include "replay/verdicts.h"

/* Marks that many segments of a long transfer have: rows with no others are dropped first. */
#define COMMON                                                                                     \
    (TRACK_BIT(SACK) | TRACK_BIT(DUP_ACK) | TRACK_BIT(WINDOW_UPDATE) | TRACK_BIT(DELAYED_ACK) |    \
     TRACK_BIT(CUT) | TRACK_BIT(BAD_SUM) | TRACK_BIT(CE) | TRACK_BIT(ECE))

/* ---- rows ---- */

static void drop_every_other(struct report *r, bool marked)
{
    size_t kept = 0;
    uint64_t met = 0;
    for (size_t i = 0; i < r->lines; i++) {
        if (r->line[i].marked == marked && met++ % 2 == 1)
            free(r->line[i].json);
        else
            r->line[kept++] = r->line[i];
    }
    r->lines = kept;
}

static void thin_out(struct report *r)
{
    size_t plain = 0;
    for (size_t i = 0; i < r->lines; i++)
        plain += !r->line[i].marked;
    bool marked = plain < r->rows_max / 4;
    drop_every_other(r, marked);
    r->thin[marked]++;
}

/* Can its connection be chosen? */
static bool chosen(struct report *r, const struct track_row *row)
{
    if (!r->any)
        r->first_flow = row->stream;
    r->any = true;
    return row->stream - r->first_flow < REPORT_FLOWS_MAX;
}

/* Is this row, the next of its kind, to be kept? Then there is room for it. */
static bool wanted(struct report *r, bool marked)
{
    uint64_t nth = r->told[marked]++;
    if ((nth & ((UINT64_C(1) << r->thin[marked]) - 1)) != 0)
        return false;
    while (r->lines >= r->rows_max)
        thin_out(r);
    if (r->lines == r->room) {
        size_t room = r->room == 0 ? 256 : 2 * r->room;
        struct report_line *grown = realloc(r->line, room * sizeof(*grown));
        if (grown == NULL)
            return false;
        r->line = grown;
        r->room = room;
    }
    return true;
}

/* The order of the cells is that of the names below; data.js reads them by name. */
static const char *const segment_columns[] = {
    "number",  "t",          "stream",    "side",         "flags",     "seq",
    "ack",     "len",        "window",    "scaled",       "before0",   "after0",
    "before1", "after1",     "flight0",   "cwnd0",        "ssthresh0", "srtt0",
    "flight1", "cwnd1",      "ssthresh1", "srtt1",        "rtt",       "about",
    "marks",   "sack",       "words",     "comment",      "verdict",   "its_words",
    "sent",    "its_window", "its_cwnd",  "its_ssthresh", "its_srtt"}; /* with --play */
static const char *const other_columns[] = {"number",  "t",         "stream", "kind",
                                            "words",   "from",      "to",     "comment",
                                            "verdict", "its_words", "sent"};

static void put_segment(struct jsonw *w, const struct track_row *row, const char *words)
{
    char flags[12];
    observe_flags(row->flags, flags);
    jw_u64(w, NULL, row->stream);
    jw_i64(w, NULL, row->side);
    jw_str(w, NULL, flags);
    jw_i64(w, NULL, row->seq);
    if (row->flags & TCP_ACK)
        jw_i64(w, NULL, row->ack);
    else
        jw_null(w, NULL);
    jw_u64(w, NULL, row->len);
    jw_u64(w, NULL, row->window);
    jw_u64(w, NULL, row->scaled);
    for (int i = 0; i < 2; i++) {
        jw_u64(w, NULL, row->before[i]);
        jw_u64(w, NULL, row->after[i]);
    }
    for (int i = 0; i < 2; i++) {
        const struct track_guess *g = &row->guess[i];
        jw_u64(w, NULL, row->flight[i]);
        jw_u64(w, NULL, g->cwnd);
        jw_u64(w, NULL, g->ssthresh);
        jw_i64(w, NULL, g->srtt);
    }
    jw_i64(w, NULL, row->rtt >= 0 ? row->rtt : row->rtt_ts);
    jw_u64(w, NULL, row->about);
    jw_open(w, NULL, '[');
    for (unsigned i = 0; i < TRACK_NMARKS; i++)
        if (row->marks >> i & 1)
            jw_u64(w, NULL, i);
    jw_close(w, ']');
    jw_open(w, NULL, '[');
    for (unsigned i = 0; i < row->nsack; i++) {
        jw_i64(w, NULL, row->sack[i].left);
        jw_i64(w, NULL, row->sack[i].right);
    }
    jw_close(w, ']');
    jw_str(w, NULL, words);
}

/* What the stack did in its place. */
static void put_verdict(struct report *r, struct jsonw *w, const struct verdict *v)
{
    jw_str(w, NULL, v->name);
    jw_str(w, NULL, v->words);
    if (v->was_sent)
        jw_i64(w, NULL, r->verdicts->begin - r->first + (int64_t)v->sent_at);
    else
        jw_null(w, NULL);
    if (r->verdicts->side < 0)
        return;
    jw_u64(w, NULL, v->window);
    jw_u64(w, NULL, v->cwnd);
    jw_u64(w, NULL, v->ssthresh);
    jw_u64(w, NULL, v->srtt);
}

/* A segment that was captured by nobody; as the last row in all that isn't its own. */
static void put_extra_segment(struct report *r, struct jsonw *w, const struct verdict *v)
{
    struct track_row row = r->last;
    row.side = r->verdicts->side;
    row.flags = v->flags;
    row.seq = v->seq;
    row.ack = v->ack;
    row.len = v->len;
    row.window = v->window;
    row.scaled = true;
    row.marks = row.about = row.nsack = 0;
    row.rtt = row.rtt_ts = -1;
    for (int i = 0; i < 2; i++)
        row.before[i] = row.after[i];
    put_segment(w, &row, "");
}

static void put_extra_other(struct jsonw *w, const struct verdict *v)
{
    jw_i64(w, NULL, -1);
    jw_str(w, NULL, v->name);
    jw_str(w, NULL, v->words);
    jw_str(w, NULL, "");
    jw_str(w, NULL, "");
}

static void take_extra(struct report *r, const struct verdict *v)
{
    struct text json = {0};
    struct jsonw w = {.t = &json};
    if (!wanted(r, true))
        return;
    jw_open(&w, NULL, '[');
    jw_u64(&w, NULL, 0);
    jw_i64(&w, NULL, r->verdicts->begin - r->first + (int64_t)v->at);
    if (r->verdicts->side >= 0)
        put_extra_segment(r, &w, v);
    else
        put_extra_other(&w, v);
    jw_str(&w, NULL, "");
    put_verdict(r, &w, v);
    jw_close(&w, ']');
    r->line[r->lines++] = (struct report_line){.json = json.s, .marked = true};
}

/* The verdict on a packet; those that come before it are taken. */
static bool judged(struct report *r, const struct observe_packet *p, struct verdict *v)
{
    if (r->verdicts == NULL)
        return false;
    td_time at = verdicts_time(r->verdicts, p->number, p->t);
    while (verdicts_extra(r->verdicts, at, v))
        take_extra(r, v);
    return verdicts_of(r->verdicts, p->number, at, v);
}

static void put_other(struct jsonw *w, const struct observe_packet *p)
{
    char from[64], to[64];
    describe_ends(p->view, from, to);
    jw_i64(w, NULL, -1);
    jw_str(w, NULL, p->kind);
    jw_str(w, NULL, p->text);
    jw_str(w, NULL, from);
    jw_str(w, NULL, to);
}

static bool tells(const struct track_row *row)
{
    return (row->marks & ~COMMON) != 0 || row->before[0] != row->after[0] ||
           row->before[1] != row->after[1];
}

static void take_packet(struct observe_listener *l, const struct observe_packet *p)
{
    struct report *r = (struct report *)l;
    const struct track_row *row = p->row;
    struct text json = {0}, words = {0};
    struct jsonw w = {.t = &json};
    struct verdict v;
    if (p->number == 1)
        r->first = p->t;
    if (!p->told || (row == NULL && p->text == NULL))
        return;
    if (row != NULL && !chosen(r, row))
        return;
    bool has_verdict = judged(r, p, &v);
    bool marked = (has_verdict && !verdict_same(&v)) || (row != NULL && tells(row));
    if (!wanted(r, marked))
        return;
    jw_open(&w, NULL, '[');
    jw_u64(&w, NULL, p->number);
    jw_i64(&w, NULL, p->t - r->first);
    if (row != NULL) {
        r->last = *row;
        observe_row_words(row, &words);
        put_segment(&w, row, words.len > 0 ? words.s : "");
        text_free(&words);
    } else {
        put_other(&w, p);
    }
    if (p->frame->comment != NULL || has_verdict)
        jw_str(&w, NULL, p->frame->comment != NULL ? p->frame->comment : "");
    if (has_verdict)
        put_verdict(r, &w, &v);
    jw_close(&w, ']');
    r->line[r->lines++] = (struct report_line){.json = json.s, .marked = marked};
}

/* ---- the page ---- */

/* JSON within HTML: what could end its element, or begin another, can't stand in it. */
static void put_json(FILE *out, const char *s, size_t n)
{
    size_t from = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] != '<' && s[i] != '>' && s[i] != '&')
            continue;
        (void)fwrite(s + from, 1, i - from, out);
        fprintf(out, "\\u%04x", (unsigned)(unsigned char)s[i]);
        from = i + 1;
    }
    (void)fwrite(s + from, 1, n - from, out);
}

static void put_text(FILE *out, const char *s)
{
    for (; *s != '\0'; s++) {
        if (*s == '<' || *s == '>' || *s == '&' || *s == '"' || (unsigned char)*s < ' ')
            fprintf(out, "&#%u;", (unsigned char)*s < ' ' ? ' ' : (unsigned)*s);
        else
            fputc(*s, out);
    }
}

static void names(struct jsonw *w, const char *key, const char *const *name, size_t n)
{
    jw_open(w, key, '[');
    for (size_t i = 0; i < n; i++)
        jw_str(w, NULL, name[i]);
    jw_close(w, ']');
}

static void put_line(void *ctx, const char *name, const char *a, const char *b, const char *unit)
{
    struct jsonw *w = ctx;
    jw_open(w, NULL, '[');
    jw_str(w, NULL, name);
    jw_str(w, NULL, a);
    jw_str(w, NULL, b);
    jw_str(w, NULL, unit);
    jw_close(w, ']');
}

/* What the played stack did, in words. */
static void put_play(const struct verdicts *v, struct jsonw *w)
{
    jw_open(w, "play", '{');
    jw_str(w, "who", v->who);
    jw_i64(w, "side", v->side);
    jw_open(w, "says", '[');
    for (const char *line = v->says.s; line != NULL && *line != '\0';) {
        struct text one = {0};
        size_t n = strcspn(line, "\n");
        text_add(&one, line, n);
        if (n > 0)
            jw_str(w, NULL, one.s);
        text_free(&one);
        line += n + (line[n] != '\0');
    }
    jw_close(w, ']');
    jw_close(w, '}');
}

static void put_flow(const struct flow *f, struct jsonw *w)
{
    jw_open(w, NULL, '{');
    jw_open(w, "tcptrace", '[');
    tcptrace_lines(f, put_line, w);
    jw_close(w, ']');
    jw_open(w, "stream", '[');
    observe_flow_json(f, w);
    jw_close(w, ']');
    jw_close(w, '}');
}

/* What is known of the whole: one object, in front of the rows. */
static void put_head(struct report *r, const struct observe_end *e)
{
    struct text t = {0};
    struct jsonw w = {.t = &t};
    uint32_t flows = 0, left_out = 0;
    jw_open(&w, NULL, '{');
    jw_str(&w, "file", r->name);
    jw_str(&w, "version", TAPDECK_VERSION);
    jw_i64(&w, "first_ns", r->first);
    jw_i64(&w, "length_ns", e->last - r->first);
    jw_u64(&w, "packets", e->packets);
    jw_u64(&w, "told", r->told[0] + r->told[1]);
    jw_u64(&w, "kept", r->lines);
    jw_u64(&w, "one_plain_row_of", UINT64_C(1) << r->thin[0]);
    jw_u64(&w, "one_marked_row_of", UINT64_C(1) << r->thin[1]);
    names(&w, "segment_columns", segment_columns,
          sizeof(segment_columns) / sizeof(*segment_columns));
    names(&w, "other_columns", other_columns, sizeof(other_columns) / sizeof(*other_columns));
    jw_open(&w, "marks", '[');
    for (unsigned i = 0; i < TRACK_NMARKS; i++)
        jw_str(&w, NULL, track_marks[i].json);
    jw_close(&w, ']');
    jw_open(&w, "again", '['); /* which of them mean that it was sent again */
    for (unsigned i = 0; i < TRACK_NMARKS; i++)
        if (TRACK_ANY_RTX >> i & 1)
            jw_u64(&w, NULL, i);
    jw_close(&w, ']');
    jw_open(&w, "states", '[');
    for (unsigned i = 0; i <= TRACK_TIME_WAIT; i++)
        jw_str(&w, NULL, track_state_text(i));
    jw_close(&w, ']');
    jw_open(&w, "notes", '[');
    for (unsigned i = 0; i < e->nnotes; i++)
        jw_str(&w, NULL, e->note[i]);
    jw_close(&w, ']');
    if (r->verdicts != NULL)
        put_play(r->verdicts, &w);
    jw_open(&w, "flows", '[');
    for (const struct flow *f = e->flows->head; f != NULL; f = f->next) {
        if (track_stats(f, 0) == NULL || track_stats(f, 1) == NULL)
            continue; /* not the one that was asked for */
        if (flows++ < REPORT_FLOWS_MAX)
            put_flow(f, &w);
        else
            left_out++;
        put_json(r->out, t.s, t.len);
        text_consume(&t, t.len);
    }
    jw_close(&w, ']');
    jw_u64(&w, "flows_left_out", left_out);
    jw_close(&w, '}');
    put_json(r->out, t.s, t.len);
    text_free(&t);
}

static void put_data(struct report *r, const struct observe_end *e)
{
    fputs("<script type=\"application/json\" id=\"head\">", r->out);
    put_head(r, e);
    fputs("</script>\n<script type=\"application/json\" id=\"rows\">[\n", r->out);
    for (size_t i = 0; i < r->lines; i++) {
        put_json(r->out, r->line[i].json, strlen(r->line[i].json));
        fputs(i + 1 < r->lines ? ",\n" : "\n", r->out);
    }
    fputs("]</script>", r->out);
}

static void add_file(struct text *t, const struct report_file *f)
{
    text_add(t, f->begin, (size_t)(f->end - f->begin));
}

/* The policy names what may run by its hash (CSP 2, 4.2.5): a script that got in anyhow wouldn't.
 */
static void put_hash(FILE *out, const char *directive, const struct text *t)
{
    struct sha256_ctx c;
    uint8_t digest[SHA256_DIGEST_SIZE];
    struct text b = {0};
    sha256_init(&c);
    sha256_update(&c, t->len, (const uint8_t *)t->s);
    sha256_digest(&c, sizeof(digest), digest);
    text_base64(&b, digest, sizeof(digest));
    fprintf(out, "; %s 'sha256-%s'", directive, b.s);
    text_free(&b);
}

/* The page's frame has places: a line of its own each, @NAME@. */
static void put_page(struct report *r, const struct observe_end *e)
{
    struct text style = {0}, script = {0};
    const char *at = report_page.begin;
    add_file(&style, &report_plot_style);
    add_file(&style, &report_style);
    text_puts(&script, "/*\n");
    add_file(&script, &report_plot_license);
    text_puts(&script, "*/\n");
    add_file(&script, &report_plot_script);
    for (unsigned i = 0; i < REPORT_SCRIPTS; i++)
        add_file(&script, &report_script[i]);
    while (at < report_page.end) {
        const char *end = memchr(at, '\n', (size_t)(report_page.end - at));
        size_t n = end != NULL ? (size_t)(end - at) + 1 : (size_t)(report_page.end - at);
        if (strncmp(at, "@POLICY@", 8) == 0) {
            fputs("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                  "base-uri 'none'; form-action 'none'",
                  r->out);
            put_hash(r->out, "script-src", &script);
            put_hash(r->out, "style-src", &style);
            fputs("\">\n", r->out);
        } else if (strncmp(at, "@TITLE@", 7) == 0) {
            fputs("<title>", r->out);
            put_text(r->out, r->name);
            fputs(" \xe2\x80\x93 tapdeck replay</title>\n", r->out);
        } else if (strncmp(at, "@STYLE@", 7) == 0) {
            fprintf(r->out, "<style>%s</style>\n", style.s);
        } else if (strncmp(at, "@DATA@", 6) == 0) {
            put_data(r, e);
        } else if (strncmp(at, "@SCRIPT@", 8) == 0) {
            fprintf(r->out, "<script>%s</script>\n", script.s);
        } else {
            (void)fwrite(at, 1, n, r->out);
        }
        at += n;
    }
    text_free(&style);
    text_free(&script);
}

static void take_end(struct observe_listener *l, const struct observe_end *e)
{
    struct report *r = (struct report *)l;
    struct verdict v;
    while (r->verdicts != NULL && verdicts_extra(r->verdicts, TD_NEVER, &v))
        take_extra(r, &v);
    put_page(r, e);
}

void report_begin(struct report *r, const char *name, struct verdicts *verdicts, FILE *out)
{
    *r = (struct report){.listener = {.packet = take_packet, .end = take_end},
                         .name = name,
                         .verdicts = verdicts,
                         .rows_max = REPORT_ROWS_MAX,
                         .out = out};
}

void report_done(struct report *r)
{
    for (size_t i = 0; i < r->lines; i++)
        free(r->line[i].json);
    free(r->line);
    *r = (struct report){0};
}
