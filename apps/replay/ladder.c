/* replay/ladder.c: sequence diagrams in text (ladder.h). */
#include "replay/ladder.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "replay/report.h"
#include "replay/tcptrace.h"

#define SHAFT 50                       /* columns between the margins */
#define PAUSE (100 * INT64_C(1000000)) /* ns; from here on it is said how long nothing happened */

struct ladder_flow {
    struct text lines;
    uint64_t rows, more; /* drawn; left out */
    int64_t begin, last;
};

/* ---- a line ---- */

static void flags_words(uint16_t flags, struct text *out)
{
    static const struct {
        uint16_t bit;
        const char *name;
    } names[] = {{TCP_SYN, "SYN"}, {TCP_FIN, "FIN"}, {TCP_RST, "RST"}, {TCP_PSH, "PSH"},
                 {TCP_ACK, "ACK"}, {TCP_URG, "URG"}, {TCP_ECE, "ECE"}, {TCP_CWR, "CWR"}};
    size_t before = out->len;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (flags & names[i].bit)
            text_printf(out, "%s%s", out->len > before ? "," : "", names[i].name);
    if (out->len == before)
        text_puts(out, "no flags");
}

/* Adds `part` if the label stays on the arrow with it. */
static void add_part(struct text *label, const char *part)
{
    if (label->len + strlen(part) <= SHAFT - 8)
        text_puts(label, part);
}

static void say_segment(const struct track_row *r, struct text *out)
{
    char part[64];
    flags_words(r->flags, out);
    if (r->len > 0)
        (void)snprintf(part, sizeof(part), " %" PRId64 ":%" PRId64, r->seq, r->seq + r->len);
    else
        (void)snprintf(part, sizeof(part), " %" PRId64, r->seq);
    add_part(out, part);
    if (r->flags & TCP_ACK) {
        (void)snprintf(part, sizeof(part), " ack %" PRId64, r->ack);
        add_part(out, part);
    }
    if (r->nsack > 0) {
        (void)snprintf(part, sizeof(part), " sack %" PRId64 ":%" PRId64, r->sack[0].left,
                       r->sack[0].right);
        add_part(out, part);
    }
    if ((r->flags & TCP_RST) == 0) {
        (void)snprintf(part, sizeof(part), " win %" PRIu64, r->window);
        add_part(out, part);
    }
}

static void draw_arrow(const struct track_row *r, struct text *out)
{
    struct text label = {0};
    char line[SHAFT + 1];
    memset(line, r->marks & TRACK_ANY_RTX ? '=' : '-', SHAFT);
    line[SHAFT] = '\0';
    say_segment(r, &label);
    size_t n = label.len < SHAFT - 6 ? label.len : SHAFT - 6, at = r->side == 0 ? 3 : SHAFT - n - 4;
    line[at - 1] = line[at + n] = ' ';
    memcpy(line + at, label.s, n);
    line[r->side == 0 ? SHAFT - 1 : 0] = r->side == 0 ? '>' : '<';
    text_puts(out, line);
    text_free(&label);
}

/* A remark between the margins. */
static void remark(struct text *out, const char *text)
{
    for (const char *s = text; *s != '\0';) {
        size_t n = strlen(s);
        if (n > SHAFT - 2)
            for (n = SHAFT - 2; n > SHAFT / 2 && s[n] != ' '; n--)
                ;
        text_printf(out, "%24s|  %-*.*s|\n", "", SHAFT - 2, (int)n, s);
        s += n;
        s += *s == ' ';
    }
}

/* What it shows but for the states, which stand at the margins. */
static void say_marks(const struct track_row *r, struct text *out)
{
    struct track_row bare = *r;
    struct text words = {0};
    bare.rtt = bare.rtt_ts = -1;
    for (int i = 0; i < 2; i++) {
        bare.moved[i] = NULL;
        bare.before[i] = bare.after[i];
    }
    observe_row_words(&bare, &words);
    if (words.len > 0)
        remark(out, words.s);
    text_free(&words);
}

static void draw(struct ladder_flow *f, const struct track_row *r)
{
    char later[48];
    if (f->rows > 1 && r->t - f->last >= PAUSE) {
        (void)snprintf(later, sizeof(later), ":  %.3f s later", (double)(r->t - f->last) / 1e9);
        remark(&f->lines, later);
    }
    text_printf(&f->lines, "%10.3f %-12s |", (double)(r->t - f->begin) / 1e6,
                r->before[0] != r->after[0] ? track_state_text(r->after[0]) : "");
    draw_arrow(r, &f->lines);
    text_printf(&f->lines, "|%s%s\n", r->before[1] != r->after[1] ? " " : "",
                r->before[1] != r->after[1] ? track_state_text(r->after[1]) : "");
    say_marks(r, &f->lines);
}

/* ---- the pass ---- */

static void take_packet(struct observe_listener *l, const struct observe_packet *p)
{
    struct ladder *ladder = (struct ladder *)l;
    const struct track_row *r = p->row;
    if (!p->told || r == NULL || r->stream >= LADDER_FLOWS)
        return;
    struct ladder_flow **at = &ladder->flow[r->stream];
    if (*at == NULL && (*at = calloc(1, sizeof(**at))) == NULL)
        return;
    if ((*at)->rows == LADDER_ROWS) {
        (*at)->more++;
        return;
    }
    if ((*at)->rows++ == 0)
        (*at)->begin = r->t;
    draw(*at, r);
    (*at)->last = r->t;
}

static void write_flow(const struct ladder_flow *f, const struct flow *flow, FILE *out)
{
    struct text t = {0};
    char a[64], b[64];
    view_endpoint(flow->side[0].addr, flow->side[0].port, a);
    view_endpoint(flow->side[1].addr, flow->side[1].port, b);
    text_printf(&t, "\n==== connection %u ====\n\n", flow->number);
    report_summary(flow, &t);
    text_printf(&t, "\n\n%10s %-12s  %-*s%*s\n", "ms", "client", SHAFT / 2, a, SHAFT - SHAFT / 2,
                b);
    text_puts(&t, f->lines.s);
    if (f->more > 0)
        text_printf(&t, "%24s:  %" PRIu64 " segments more\n", "", f->more);
    text_puts(&t, "\n");
    tcptrace_text(flow, &t);
    (void)fwrite(t.s, 1, t.len, out);
    text_free(&t);
}

static void take_end(struct observe_listener *l, const struct observe_end *e)
{
    struct ladder *ladder = (struct ladder *)l;
    uint32_t not_drawn = 0;
    for (const struct flow *f = e->flows->head; f != NULL; f = f->next) {
        if (f->number < LADDER_FLOWS && ladder->flow[f->number] != NULL)
            write_flow(ladder->flow[f->number], f, ladder->out);
        else if (f->number >= LADDER_FLOWS && track_stats(f, 0) != NULL)
            not_drawn++;
    }
    if (not_drawn > 0)
        fprintf(ladder->out, "\n%u connections more have no ladder here: --flow N draws one\n",
                not_drawn);
}

void ladder_begin(struct ladder *l, FILE *out)
{
    *l = (struct ladder){.listener = {.packet = take_packet, .end = take_end}, .out = out};
}

void ladder_done(struct ladder *l)
{
    for (unsigned i = 0; i < LADDER_FLOWS; i++) {
        if (l->flow[i] != NULL)
            text_free(&l->flow[i]->lines);
        free(l->flow[i]);
    }
    *l = (struct ladder){0};
}
