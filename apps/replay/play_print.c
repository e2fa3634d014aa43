/* replay/play_print.c: the verdicts as a table and as JSON, and the first divergence in words
 * (play.h). */
#include <inttypes.h>
#include <string.h>

#include "replay/play_cause.h"
#include "replay/play_mend.h"

static void flags_text(uint16_t flags, char dst[12])
{
    static const char letters[] = "FSRP.UEWe";
    static const uint8_t order[] = {1, 0, 2, 3, 5, 6, 7, 8, 4};
    unsigned n = 0;
    for (unsigned i = 0; i < sizeof(order); i++)
        if (flags >> order[i] & 1)
            dst[n++] = letters[order[i]];
    if (n == 0)
        dst[n++] = '-';
    dst[n] = '\0';
}

static const char *state_text(uint8_t state)
{
    static const char *const names[] = {"CLOSED",     "ESTABLISHED", "SYN-SENT",  "SYN-RECEIVED",
                                        "FIN-WAIT-1", "FIN-WAIT-2",  "TIME-WAIT", "CLOSED",
                                        "CLOSE-WAIT", "LAST-ACK",    "LISTEN",    "CLOSING"};
    return state < sizeof(names) / sizeof(*names) ? names[state] : "?";
}

static uint64_t window(const struct play *p, const struct play_frame *f, bool sent)
{
    return (uint64_t)f->wnd << (f->flags & TCP_SYN ? 0 : p->scale[sent]);
}

static const struct play_frame *shown(const struct play_row *row)
{
    return row->captured.number > 0 ? &row->captured : &row->sent;
}

/* The first frame that isn't the same, as a lesson. */
static void explain(const struct play *p, struct text *out)
{
    const struct play_frame *f = shown(&p->first), *s = &p->first.sent;
    char flags[12];
    if (!p->diverged) {
        text_puts(out, "no divergence: the stack said what was captured\n");
        return;
    }
    flags_text(f->flags, flags);
    text_printf(out, "first divergence at %.6f s", (double)f->at / 1e9);
    if (f->number > 0)
        text_printf(out, ", packet %" PRIu64, f->number);
    text_printf(out, ": %s, %s, sequence number %u, %u bytes. ",
                play_verdict_names[p->first.verdict], flags, f->seq - p->base[1], f->text);
    const struct play_sight *at = &p->first.sight;
    switch ((enum play_verdict)p->first.verdict) {
    case PLAY_LATER:
    case PLAY_EARLIER:
        text_printf(out, "The stack sent it %.3f ms %s.",
                    (double)(s->at > f->at ? s->at - f->at : f->at - s->at) / 1e6,
                    p->first.verdict == PLAY_LATER ? "later" : "earlier");
        break;
    case PLAY_SPLIT:
        text_puts(out, "The stack sent this text in several segments.");
        break;
    case PLAY_COALESCED:
        text_puts(out, "The stack sent this text together with other text.");
        break;
    case PLAY_EXTRA:
        text_puts(out, "The stack sent it; the captured side didn't.");
        break;
    default:
        text_puts(out, "The stack never sent this frame.");
    }
    if (f->number > 0 && at->state != 0)
        text_printf(out,
                    " Its connection was then in %s, congestion window %u segments, %u in flight, "
                    "%u bytes waiting.",
                    state_text(at->state), at->cwnd, at->unacked, at->unsent);
    const struct cause_words *why = &cause_words[p->first.cause];
    if (why->text[0] != '\0' && p->first.cause != CAUSE_UNEXPLAINED)
        text_printf(out, " %c%s%s%s%s.", why->text[0] - 'a' + 'A', why->text + 1,
                    why->clause[0] != '\0' ? " (" : "", why->clause,
                    why->clause[0] != '\0' ? ")" : "");
    text_puts(out, "\n");
}

/* What isn't the same, by its causes, the most frequent first. */
static unsigned by_count(const struct play *p, uint8_t order[PLAY_CAUSES])
{
    unsigned n = 0;
    for (uint8_t i = CAUSE_NONE + 1; i < PLAY_CAUSES; i++) {
        unsigned at = n;
        if (p->why[i].count == 0)
            continue;
        for (; at > 0 && p->why[order[at - 1]].count < p->why[i].count; at--)
            order[at] = order[at - 1];
        order[at] = i;
        n++;
    }
    return n;
}

static void differences(const struct play *p, struct text *out)
{
    uint8_t order[PLAY_CAUSES];
    unsigned n = by_count(p, order);
    if (n > 0)
        text_puts(out, "differences:\n");
    for (unsigned i = 0; i < n; i++) {
        const struct play_why *w = &p->why[order[i]];
        const struct cause_words *c = &cause_words[order[i]];
        text_printf(out, "%6" PRIu64 " ", w->count);
        for (unsigned v = 0, k = 0; v < PLAY_VERDICTS; v++)
            if (w->verdicts >> v & 1)
                text_printf(out, "%s%s", k++ == 0 ? "" : ", ", play_verdict_names[v]);
        text_printf(out, ": %s", c->text);
        if (c->clause[0] != '\0')
            text_printf(out, " (%s)", c->clause);
        if (c->knob[0] != '\0')
            text_printf(out, "; knob %s", c->knob);
        unsigned shown_n = 0;
        for (unsigned k = 0; k < PLAY_EXAMPLES && k < w->count; k++)
            if (w->packet[k] > 0)
                text_printf(out, "%s%" PRIu64, shown_n++ == 0 ? "; packet " : ", ", w->packet[k]);
        text_puts(out, shown_n > 0 && w->count > PLAY_EXAMPLES ? ", ...\n" : "\n");
    }
}

static void differences_json(const struct play *p, struct jsonw *w)
{
    uint8_t order[PLAY_CAUSES];
    unsigned n = by_count(p, order);
    jw_open(w, "differences", '[');
    for (unsigned i = 0; i < n; i++) {
        const struct play_why *why = &p->why[order[i]];
        const struct cause_words *c = &cause_words[order[i]];
        jw_open(w, NULL, '{');
        jw_str(w, "cause", c->json);
        jw_u64(w, "count", why->count);
        jw_str(w, "explanation", c->text);
        jw_str(w, "clause", c->clause);
        jw_str(w, "knob", c->knob);
        jw_open(w, "packets", '[');
        for (unsigned k = 0; k < PLAY_EXAMPLES && k < why->count; k++)
            if (why->packet[k] > 0)
                jw_u64(w, NULL, why->packet[k]);
        jw_close(w, ']');
        jw_close(w, '}');
    }
    jw_close(w, ']');
    jw_u64(w, "unexplained", p->why[CAUSE_UNEXPLAINED].count);
}

static void note(const struct play *p, struct text *out)
{
    if (p->clamped > 0)
        text_printf(out,
                    "note: %" PRIu64 " packets have a time before that of the packet before them: "
                    "they are taken as simultaneous with it\n",
                    p->clamped);
    if (p->cut > 0)
        text_printf(out,
                    "note: %" PRIu64 " packets were cut off when they were captured; zeros stand "
                    "for what is missing (%" PRIu64 " bytes)\n",
                    p->cut, p->cut_bytes);
    if (p->assumed)
        text_printf(out,
                    "note: its handshake wasn't captured, and is assumed a second before the first "
                    "packet: MSS %u, window "
                    "scale %u (its own) and %u, %s\n",
                    p->said[1], p->assumed_scale[1], p->assumed_scale[0],
                    middle_sack(p) ? "SACK" : "no SACK");
    if (p->one_host)
        text_puts(
            out, "note: both ends are on one host: the stack has 192.0.2.1 instead of the captured "
                 "address, its peer 192.0.2.2\n");
    if (p->repaired > 0)
        text_printf(out,
                    "note: %" PRIu64
                    " segments have a wrong checksum, and are taken for right (--checksums)\n",
                    p->repaired);
    if (p->discarded > 0)
        text_printf(out,
                    "note: %" PRIu64 " segments have a wrong checksum, and were handed in as they "
                    "are (--checksums honour)\n",
                    p->discarded);
    if (p->dropped > 0)
        text_printf(out,
                    "note: %" PRIu64
                    " segments have a wrong checksum, and were left out (--checksums drop)\n",
                    p->dropped);
    if (p->resegmented > 0)
        text_printf(
            out, "note: %" PRIu64 " super-segments, which no wire carries, were cut to the MSS\n",
            p->resegmented);
    if (p->broken[0] != '\0')
        text_printf(out, "note: %s\n", p->broken);
}

/* ---- as a table ---- */

void play_row_text(const struct play *p, const struct play_row *row, struct text *t)
{
    const struct play_frame *f = shown(row);
    char flags[12];
    flags_text(f->flags, flags);
    if (f->number > 0)
        text_printf(t, "%6" PRIu64 " %11.6f", f->number, (double)f->at / 1e9);
    else
        text_printf(t, "%6s %11s", "-", "-");
    text_printf(t, "  %-5s %10u %10u %6u  %-9s", flags, f->seq - p->base[1],
                f->flags & TCP_ACK ? f->ack - p->base[0] : 0, f->text,
                play_verdict_names[row->verdict]);
    if (row->was_sent)
        text_printf(t, " %11.6f", (double)row->sent.at / 1e9);
    else
        text_printf(t, " %11s", "-");
    if (f->number > 0)
        text_printf(t, " %9" PRIu64, window(p, f, false));
    else
        text_printf(t, " %9s", "-");
    if (row->was_sent)
        text_printf(t, " %9" PRIu64 "\n", window(p, &row->sent, true));
    else
        text_printf(t, " %9s\n", "-");
}

void play_heard_text(const struct play *p, const struct play_frame *f, bool lost, struct text *t)
{
    char flags[12];
    text_printf(t, "%6" PRIu64 " %11.6f", f->number, (double)f->at / 1e9);
    if (f->icmp) {
        text_puts(t, "  ICMP error about the connection\n");
        return;
    }
    flags_text(f->flags, flags);
    text_printf(t, "  %-5s %10u %10u %6u  %-9s %11s %9" PRIu64 "\n", flags, f->seq - p->base[0],
                f->flags & TCP_ACK ? f->ack - p->base[1] : 0, f->text, lost ? "lost" : "heard", "",
                (uint64_t)f->wnd << (f->flags & TCP_SYN ? 0 : p->scale[2]));
}

void play_end_text(const struct play *p, struct text *t)
{
    for (unsigned v = 1; v <= PLAY_VERDICTS; v++)
        text_printf(t, "%s%" PRIu64 " %s", v == 1 ? "" : ", ", p->count[v % PLAY_VERDICTS],
                    play_verdict_names[v % PLAY_VERDICTS]);
    text_puts(t, "\n");
    if (p->again_captured > 0 || p->again_sent > 0)
        text_printf(t,
                    "retransmissions: captured %" PRIu64 ", of these the stack sent %" PRIu64
                    " (%.1f %%); the stack sent %" PRIu64 " in all\n",
                    p->again_captured, p->again_both,
                    p->again_captured > 0
                        ? 100.0 * (double)p->again_both / (double)p->again_captured
                        : 100.0,
                    p->again_sent);
    differences(p, t);
    if (p->lag > 0)
        text_printf(t,
                    "the capture was made %.3f ms from the played side, there and back: what it "
                    "heard is handed in so much later\n",
                    (double)p->lag / 1e6);
    if (p->held > 0)
        text_printf(t,
                    "%" PRIu64
                    " acknowledgements were held until the stack had sent what they acknowledge\n",
                    p->held);
    if (p->lost > 0)
        text_printf(t,
                    "%" PRIu64 " packets were lost between where they were captured and the played "
                    "side: it didn't hear them\n",
                    p->lost);
    if (p->windowed)
        text_printf(t,
                    "its congestion window was taken from the capture; the stack's own would have "
                    "let out less at %" PRIu64 " frames, more at %" PRIu64 "\n",
                    p->beyond, p->within);
    explain(p, t);
    note(p, t);
}

/* ---- as JSON ---- */

static void frame_json(const struct play *p, struct jsonw *w, const char *key,
                       const struct play_frame *f, bool sent)
{
    jw_open(w, key, '{');
    if (f->number > 0)
        jw_u64(w, "number", f->number);
    jw_u64(w, "time_ns", f->at);
    jw_u64(w, "flags", f->flags);
    jw_u64(w, "seq", f->seq);
    jw_u64(w, "ack", f->ack);
    jw_u64(w, "len", f->text);
    jw_u64(w, "window", window(p, f, sent));
    if (f->again)
        jw_bool(w, "retransmission", true);
    jw_close(w, '}');
}

static void row_json(const struct play *p, struct jsonw *w, const struct play_row *row)
{
    jw_open(w, NULL, '{');
    jw_str(w, "verdict", play_verdict_names[row->verdict]);
    if (row->verdict != PLAY_SAME)
        jw_str(w, "cause", cause_words[row->cause].json);
    if (row->captured.number > 0)
        frame_json(p, w, "captured", &row->captured, false);
    if (row->was_sent)
        frame_json(p, w, "sent", &row->sent, true);
    jw_close(w, '}');
}

static void json_end(const struct play *p, struct jsonw *w)
{
    struct text lesson = {0};
    jw_close(w, ']');
    for (unsigned v = 0; v < PLAY_VERDICTS; v++)
        jw_u64(w, play_verdict_names[v], p->count[v]);
    jw_u64(w, "held", p->held);
    jw_u64(w, "lost", p->lost);
    differences_json(p, w);
    jw_open(w, "retransmissions", '{');
    jw_u64(w, "captured", p->again_captured);
    jw_u64(w, "reproduced", p->again_both);
    jw_u64(w, "sent", p->again_sent);
    jw_close(w, '}');
    jw_u64(w, "lag_ns", p->lag);
    jw_bool(w, "captured_window", p->windowed);
    if (p->windowed) {
        jw_u64(w, "own_window_less", p->beyond);
        jw_u64(w, "own_window_more", p->within);
    }
    explain(p, &lesson);
    if (lesson.len > 0 && lesson.s[lesson.len - 1] == '\n')
        lesson.s[lesson.len - 1] = '\0';
    jw_str(w, "lesson", lesson.s);
    jw_u64(w, "clamped", p->clamped);
    jw_u64(w, "cut", p->cut);
    jw_u64(w, "cut_bytes", p->cut_bytes);
    jw_bool(w, "assumed", p->assumed);
    jw_u64(w, "repaired", p->repaired);
    jw_u64(w, "discarded", p->discarded);
    jw_u64(w, "dropped", p->dropped);
    jw_u64(w, "resegmented", p->resegmented);
    jw_bool(w, "one_host", p->one_host);
    if (p->broken[0] != '\0')
        jw_str(w, "broken", p->broken);
    jw_close(w, '}');
    text_puts(w->t, "\n");
    text_free(&lesson);
}

/* ---- as it goes ---- */

static void text_end(struct play_out *o)
{
    text_puts(&o->t, "\n");
    play_end_text(o->p, &o->t);
}

void play_out_begin(struct play_out *o)
{
    o->w.t = &o->t;
    if (!o->json) {
        text_printf(&o->t, "%6s %11s  %-5s %10s %10s %6s  %-9s %11s %9s %9s\n", "packet", "seconds",
                    "", "seq", "ack", "len", "verdict", "sent", "window", "its");
        return;
    }
    jw_open(&o->w, NULL, '{');
    jw_str(&o->w, "file", o->name);
    jw_str(&o->w, "played", o->p->side == 0 ? "client" : "server");
    jw_open(&o->w, "frames", '[');
}

void play_out_row(void *ctx, const struct play_row *row)
{
    struct play_out *o = ctx;
    if (o->json)
        row_json(o->p, &o->w, row);
    else
        play_row_text(o->p, row, &o->t);
    if (o->t.len < 65536)
        return;
    (void)fwrite(o->t.s, 1, o->t.len, o->out);
    text_consume(&o->t, o->t.len);
}

void play_out_end(struct play_out *o, bool whole)
{
    if (whole && o->json)
        json_end(o->p, &o->w);
    else if (whole)
        text_end(o);
    if (whole)
        (void)fwrite(o->t.s, 1, o->t.len, o->out);
    text_free(&o->t);
}
