/* replay/quiz_sheet.c: what the student is given: the sheet as text and JSON, and a file for the
 * answers (quiz.h).
 *
 * The list of packets has what a header holds and nothing that was worked out from it, except that
 * sequence numbers are relative. ?7 stands for the answer to question 7; a cell that would give an
 * answer away is dots.
 */
#include <inttypes.h>
#include <string.h>

#include "replay/quiz.h"

static const char *base(const char *file)
{
    const char *slash = strrchr(file, '/');
    return slash != NULL ? slash + 1 : file;
}

static void letters(uint16_t flags, char dst[12])
{
    static const char names[] = "FSRP.UEWe";
    static const uint8_t order[] = {1, 0, 2, 3, 5, 6, 7, 8, 4};
    unsigned n = 0;
    for (unsigned i = 0; i < sizeof(order); i++)
        if (flags >> order[i] & 1)
            dst[n++] = names[order[i]];
    if (n == 0)
        dst[n++] = '-';
    dst[n] = '\0';
}

/* The cell's text, or what stands in its place. */
static const char *shown(const struct quiz_row *r, enum quiz_col col, const char *text,
                         char dst[16])
{
    if (r->asked[col] != 0)
        (void)snprintf(dst, 16, "?%u", r->asked[col]);
    else if (r->hidden & COL_BIT(col))
        (void)snprintf(dst, 16, ".....");
    else
        return text;
    return dst;
}

static void options_text(const struct quiz *q, const struct quiz_row *r, struct text *out)
{
    const char *before = "";
    const struct track_row *t = &r->r;
    if ((t->flags & TCP_SYN) != 0 && r->o.has_mss) {
        text_printf(out, "MSS %u", r->o.mss);
        before = ", ";
    }
    if ((t->flags & TCP_SYN) != 0 && r->o.has_wscale) {
        text_printf(out, "%sscale %u", before, r->o.wscale);
        before = ", ";
    }
    if ((t->flags & TCP_SYN) != 0 && r->o.has_sack_perm) {
        text_printf(out, "%sSACK permitted", before);
        before = ", ";
    }
    if ((t->flags & TCP_SYN) != 0 && r->o.has_ts) {
        text_printf(out, "%stimestamps", before);
        before = ", ";
    }
    (void)q;
    for (unsigned i = 0; i < t->nsack; i++) {
        text_printf(out, "%s%lld-%lld", before, (long long)t->sack[i].left,
                    (long long)t->sack[i].right);
        before = ", ";
    }
}

static void tcp_row(const struct quiz *q, const struct quiz_row *r, struct text *out)
{
    char flags[12], seq[24], ack[24] = "", len[24], window[24], cell[6][16], at[32];
    struct text options = {0};
    const struct track_row *t = &r->r;
    bool fields = (q->o.fields & QUIZ_BIT(QUIZ_WINDOW)) != 0;
    letters(t->flags, flags);
    (void)snprintf(seq, sizeof(seq), "%lld", (long long)t->seq);
    if (t->flags & TCP_ACK)
        (void)snprintf(ack, sizeof(ack), "%lld", (long long)t->ack);
    (void)snprintf(len, sizeof(len), "%u", t->len);
    if (fields)
        (void)snprintf(window, sizeof(window), "%u", r->wnd);
    else
        (void)snprintf(window, sizeof(window), "%llu%s", (unsigned long long)t->window,
                       t->scaled ? "" : "?");
    (void)snprintf(at, sizeof(at), "%.6f", (double)t->t / 1e9);
    options_text(q, r, &options);
    text_printf(out, "%6llu %12s %s %-5s %10s %10s %6s %8s  %s\n", (unsigned long long)t->number,
                shown(r, COL_TIME, at, cell[0]), t->side == 0 ? "-->" : "<--",
                shown(r, COL_FLAGS, flags, cell[1]), shown(r, COL_SEQ, seq, cell[2]),
                shown(r, COL_ACK, ack, cell[3]), shown(r, COL_LEN, len, cell[4]),
                shown(r, COL_WINDOW, window, cell[5]),
                (r->hidden & COL_BIT(COL_OPTIONS)) != 0 ? "....."
                : options.len > 0                       ? options.s
                                                        : "");
    while (out->len > 1 && out->s[out->len - 2] == ' ') { /* no blanks at the end of a line */
        out->len--;
        out->s[out->len - 1] = '\n';
        out->s[out->len] = '\0';
    }
    text_free(&options);
}

static void other_row(const struct quiz_row *r, struct text *out)
{
    char id[16] = "", offset[16] = "", len[16] = "", ttl[16] = "", cell[2][16];
    bool fragment = strcmp(r->kind, "fragment") == 0;
    if (r->ip) {
        (void)snprintf(id, sizeof(id), "%u", r->id);
        (void)snprintf(len, sizeof(len), "%u", r->payload);
        (void)snprintf(ttl, sizeof(ttl), "%u", r->ttl);
    }
    if (fragment)
        (void)snprintf(offset, sizeof(offset), "%u", r->offset);
    text_printf(out, "%6llu %12.6f %6s %7s %6s %4s  ", (unsigned long long)r->r.number,
                (double)r->r.t / 1e9, id, shown(r, COL_OFFSET, offset, cell[0]), len, ttl);
    if (fragment)
        text_printf(out, "%s > %s, fragment%s\n", r->from, r->to,
                    r->more ? ", more follow" : ", the last");
    else
        text_printf(out, "%s\n", shown(r, COL_WHAT, r->what != NULL ? r->what : "", cell[1]));
}

void quiz_list(const struct quiz *q, struct text *out)
{
    if (q->tcp)
        text_printf(out, "%6s %12s %3s %-5s %10s %10s %6s %8s  %s\n", "packet", "seconds", "",
                    "flags", "seq", "ack", "len",
                    q->o.fields & QUIZ_BIT(QUIZ_WINDOW) ? "win field" : "window", "options");
    else
        text_printf(out, "%6s %12s %6s %7s %6s %4s\n", "packet", "seconds", "id", "offset", "bytes",
                    "ttl");
    for (size_t i = 0; i < q->nrows; i++) {
        if (q->tcp)
            tcp_row(q, &q->row[i], out);
        else
            other_row(&q->row[i], out);
    }
    if (q->more > 0)
        text_printf(out, "(%" PRIu64 " packets before the first of these aren't shown)\n", q->more);
}

static void put_ends(const struct quiz *q, struct text *out)
{
    for (int i = 0; i < 2; i++) {
        const struct track_facts *f = &q->facts[i];
        text_printf(out, "%s %s %s", quiz_who[i], i == 0 ? "-->" : "<--", q->end[i]);
        if (f->syn_seen) {
            text_printf(out, ": MSS %u", f->mss);
            if (f->scale >= 0)
                text_printf(out, ", window scale %d", f->scale);
            text_printf(out, "%s%s", f->sack_permitted ? ", SACK" : "",
                        f->timestamps ? ", timestamps" : "");
        }
        if (q->isn_known[i])
            text_printf(out,
                        f->syn_seen ? "; initial sequence number %u"
                                    : "; its numbers are counted from %u",
                        q->isn[i]);
        text_puts(out, "\n");
    }
    if (q->played >= 0)
        text_printf(out,
                    "The %s is tapdeck's own stack: cwnd, ssthresh and rto are what it had at each "
                    "packet.\n",
                    quiz_who[q->played]);
    if (!q->begins)
        text_printf(
            out, "Before the first packet of the list the client was in %s and the server in %s.\n",
            track_state_text(q->first_state[0]), track_state_text(q->first_state[1]));
}

static uint32_t asked_fields(const struct quiz *q)
{
    uint32_t fields = 0;
    for (unsigned i = 0; i < q->nq; i++)
        fields |= QUIZ_BIT(q->q[i].field);
    return fields;
}

static const char *tolerance(unsigned field)
{
    return field == QUIZ_RTO   ? "; within 2 %"
           : field == QUIZ_RTT ? "; within 1 %, 0.05 ms at least"
                               : "";
}

void quiz_sheet(const struct quiz *q, struct text *out)
{
    uint32_t fields = asked_fields(q);
    text_printf(out, "Quiz %s, seed %s\n%s", q->id, q->o.seed, base(q->o.file));
    if (q->tcp)
        text_printf(out, ", TCP connection %u", q->flow);
    text_printf(out, ": %u question%s\n\n", q->nq, q->nq == 1 ? "" : "s");
    if (q->tcp) {
        put_ends(q, out);
        text_puts(out, "Sequence and acknowledgment numbers are relative to the initial ones. "
                       "Flags: S SYN, F FIN, R RST, P PSH, . ACK. len is text in bytes.\n"
                       "A packet is taken to arrive when it is captured. ?7 is what question 7 "
                       "asks for; a cell with dots would give an answer away.\n\n");
    } else {
        text_puts(out, "bytes and offset are of the IP payload. ?7 is what question 7 asks for; a "
                       "cell with dots would give an answer away.\n\n");
    }
    quiz_list(q, out);
    text_puts(out, "\nQuestions\n\n");
    for (unsigned i = 0; i < q->nq; i++)
        text_printf(out, "%3u. [%s] %s\n", q->q[i].n, quiz_fields[q->q[i].field].name, q->q[i].ask);
    text_puts(out, "\nAnswers: one a line in a file, the question's number, a colon, the answer. "
                   "What they look like:\n\n");
    for (unsigned f = 0; f < QUIZ_FIELDS; f++)
        if (fields >> f & 1)
            text_printf(out, "  %-14s %s%s\n", quiz_fields[f].name, quiz_fields[f].form,
                        tolerance(f));
}

void quiz_template(const struct quiz *q, struct text *out)
{
    text_printf(out,
                "# Answers to quiz %s. Write each behind its colon; lines that begin with # are "
                "comments.\nquiz: %s\nseed: %s\nstudent: \n\n",
                q->id, q->id, q->o.seed);
    for (unsigned i = 0; i < q->nq; i++)
        text_printf(out, "# packet %" PRIu64 ", %s\n%u: \n", q->q[i].packet,
                    quiz_fields[q->q[i].field].name, q->q[i].n);
}

/* ---- JSON ---- */

static bool cell_json(const struct quiz_row *r, enum quiz_col col, const char *name,
                      struct jsonw *w)
{
    char said[16];
    if (r->asked[col] == 0 && (r->hidden & COL_BIT(col)) == 0)
        return true;
    jw_str(w, name, shown(r, col, "", said));
    return false;
}

static void row_json(const struct quiz *q, const struct quiz_row *r, struct jsonw *w)
{
    char flags[12];
    const struct track_row *t = &r->r;
    jw_open(w, NULL, '{');
    jw_u64(w, "number", t->number);
    if (cell_json(r, COL_TIME, "time_ns", w))
        jw_i64(w, "time_ns", t->t);
    if (q->tcp) {
        jw_str(w, "from", quiz_who[t->side]);
        letters(t->flags, flags);
        if (cell_json(r, COL_FLAGS, "flags", w))
            jw_str(w, "flags", flags);
        if (cell_json(r, COL_SEQ, "seq", w))
            jw_i64(w, "seq", t->seq);
        if (cell_json(r, COL_ACK, "ack", w) && (t->flags & TCP_ACK))
            jw_i64(w, "ack", t->ack);
        if (cell_json(r, COL_LEN, "len", w))
            jw_u64(w, "len", t->len);
        if (cell_json(r, COL_WINDOW, "window", w)) {
            if (q->o.fields & QUIZ_BIT(QUIZ_WINDOW))
                jw_u64(w, "window_field", r->wnd);
            else
                jw_u64(w, "window", t->window);
        }
        struct text options = {0};
        if ((r->hidden & COL_BIT(COL_OPTIONS)) == 0)
            options_text(q, r, &options);
        if (options.len > 0)
            jw_str(w, "options", options.s);
        text_free(&options);
    } else {
        if (r->ip) {
            jw_u64(w, "id", r->id);
            jw_u64(w, "ttl", r->ttl);
            jw_u64(w, "payload", r->payload);
            if (cell_json(r, COL_OFFSET, "offset", w))
                jw_u64(w, "offset", r->offset);
        }
        if (strcmp(r->kind, "fragment") != 0 && cell_json(r, COL_WHAT, "text", w))
            jw_str(w, "text", r->what != NULL ? r->what : "");
    }
    jw_close(w, '}');
}

void quiz_sheet_json(const struct quiz *q, struct text *out)
{
    struct jsonw w = {.t = out};
    jw_open(&w, NULL, '{');
    jw_str(&w, "quiz", q->id);
    jw_str(&w, "seed", q->o.seed);
    jw_str(&w, "file", base(q->o.file));
    if (q->tcp) {
        jw_u64(&w, "stream", q->flow);
        jw_str(&w, "client", q->end[0]);
        jw_str(&w, "server", q->end[1]);
    }
    jw_open(&w, "packets", '[');
    for (size_t i = 0; i < q->nrows; i++)
        row_json(q, &q->row[i], &w);
    jw_close(&w, ']');
    jw_open(&w, "questions", '[');
    for (unsigned i = 0; i < q->nq; i++) {
        const struct question *x = &q->q[i];
        jw_open(&w, NULL, '{');
        jw_u64(&w, "question", x->n);
        jw_u64(&w, "packet", x->packet);
        jw_str(&w, "field", quiz_fields[x->field].name);
        jw_str(&w, "ask", x->ask);
        jw_str(&w, "form", quiz_fields[x->field].form);
        if (x->form == FORM_TIME)
            jw_u64(&w, "within_percent", x->field == QUIZ_RTO ? 2 : 1);
        jw_close(&w, '}');
    }
    jw_close(&w, ']');
    jw_close(&w, '}');
    text_puts(out, "\n");
}
