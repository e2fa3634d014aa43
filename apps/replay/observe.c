/* replay/observe.c: a capture through the passive tracker (observe.h).
 *
 * One pass, packet by packet: a row is written as soon as its packet is read, so a capture may be endless and
 * come from a pipe; what grows is the table of flows. Each flow's statistics stand at the end.
 */
#include "replay/observe.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/control.h"
#include "replay/describe.h"
#include "wire/eth.h"
#include "wire/icmp.h"
#include "replay/recall.h"

#define TRACKED 50000u /* newest connections; of those before them short ones are let go */
#define TICK  16384
#define FLUSH 65536 /* bytes of text */
#define NOTES_MAX 8

struct observer {
    const struct observe_options *o;
    const char *name;
    FILE *out;
    struct text text;
    struct jsonw json;
    struct flows flows;
    struct flow *oldest;      /* the last that let_go looked at, of `passed`; NULL: none yet */
    uint32_t passed;
    struct recall *recall; /* NULL: memory was short, and relations aren't told */
    bool begun;          /* something has been written */
    int64_t first, now;  /* ns */
    uint64_t packets, rows, unread, clamped, cut, bad_sums, untracked, forgotten;
    struct observe_packet seen; /* for the listeners */
    char *notes[NOTES_MAX];
    unsigned nnotes;
    bool left_out;       /* this packet, for its checksum */
    /* the packet that is looked at */
    struct capture_reader *reader;
    struct capture_frame frame;
    struct viewer viewer;
    struct view view;
    int got;             /* capture_next's last answer */
    char broken[512];
    uint16_t link;       /* of the first */
};

static void flush(struct observer *run, size_t limit)
{
    if (run->text.len < limit || run->text.len == 0)
        return;
    (void)fwrite(run->text.s, 1, run->text.len, run->out);
    text_consume(&run->text, run->text.len);
}

static void write_head(struct observer *run)
{
    if (run->begun || run->o->silent)
        return;
    run->begun = true;
    if (run->o->json) {
        jw_open(&run->json, NULL, '{');
        jw_str(&run->json, "file", run->name);
        jw_i64(&run->json, "first_ns", run->first);
        jw_open(&run->json, "packets", '[');
    } else if (!run->o->summary) {
        text_printf(&run->text, "%6s %11s %s%-3s %-4s %10s %10s %6s %8s  %8s %8s  %-9s %-9s  %s\n", "packet", "seconds",
                    run->o->flow < 0 ? "flow " : "", "", "", "seq", "ack", "len", "window", "flight", "cwnd~", "client", "server", "what it shows");
    }
}

static bool asked_for(const struct observer *run, uint64_t number)
{
    return number >= run->o->from && (run->o->to == 0 || number <= run->o->to);
}

static void tell_listeners(struct observer *run)
{
    for (struct observe_listener *l = run->o->listener; l != NULL; l = l->next)
        l->packet(l, &run->seen);
    run->seen.frame = NULL; /* once is enough */
}

static void tell_other(struct observer *run, const struct view *v)
{
    struct text line = {0};
    if (run->o->flow >= 0)
        return;
    const char *kind = describe_packet(v, &line);
    if (run->recall != NULL)
        recall_packet(run->recall, v, run->now, &line);
    if (!asked_for(run, v->number)) {
        text_free(&line);
        return;
    }
    write_head(run);
    run->seen.kind = kind;
    run->seen.text = line.s;
    run->seen.told = true;
    tell_listeners(run);
    if (run->o->silent || run->o->summary) {
        ; /* it has been told */
    } else if (run->o->json) {
        jw_open(&run->json, NULL, '{');
        jw_u64(&run->json, "number", v->number);
        jw_str(&run->json, "kind", kind);
        jw_i64(&run->json, "time_ns", run->now - run->first);
        jw_str(&run->json, "text", line.s);
        jw_close(&run->json, '}');
    } else {
        text_printf(&run->text, "%6" PRIu64 " %11.6f      %s\n", v->number, (double)(run->now - run->first) / 1e9, line.s);
    }
    text_free(&line);
    run->rows++;
}

/* A receiver throws away what is damaged; --checksums drop does so before anything is told. */
static bool thrown_away(struct observer *run, const struct view *v)
{
    bool bad = v->l4_sum == SUM_BAD || v->ip_sum == SUM_BAD;
    run->bad_sums += bad;
    run->left_out = bad && run->o->sums == SUMS_DROP;
    return run->left_out;
}

/* A router says that a segment didn't fit (RFC 1191): its sender sends it again in smaller ones. */
static void too_big(struct observer *run, const struct view *v)
{
    int side;
    struct flow *f = flows_quoted(&run->flows, v, &side);
    if (f != NULL && v->frame[ETH_HLEN + v->ip.hlen] == ICMP_UNREACHABLE && v->frame[ETH_HLEN + v->ip.hlen + 1] == ICMP_FRAG_NEEDED)
        track_too_big(f, side, v->number);
}

/* A flood or a scan makes connections of a packet or two by the million, of which nothing more comes. */
static void let_go(struct observer *run)
{
    while (run->flows.count > run->passed + TRACKED) {
        run->oldest = run->oldest == NULL ? run->flows.head : run->oldest->next;
        run->passed++;
        if (run->oldest->side[0].track != NULL && run->oldest->side[0].packets + run->oldest->side[1].packets <= 2) {
            track_free(run->oldest);
            run->forgotten++;
        }
    }
}

static void take(struct observer *run, const struct view *v)
{
    int side;
    struct track_row row;
    struct flow *f = flows_packet(&run->flows, v, &side);
    run->seen.view = v;
    run->seen.flow = f;
    if (thrown_away(run, v))
        return;
    if (f == NULL) {
        too_big(run, v);
        tell_other(run, v);
        return;
    }
    if (run->recall != NULL)
        recall_packet(run->recall, v, run->now, NULL);
    let_go(run);
    if (run->o->flow >= 0 && f->number != run->o->flow)
        return;
    if (!track_packet(f, side, v, run->now, run->o->sums == SUMS_REPAIR, &row)) {
        run->untracked++;
        return;
    }
    if (run->clamped > 0 && v->wall < run->now)
        row.marks |= TRACK_BIT(CLAMPED);
    run->seen.row = &row;
    run->seen.told = asked_for(run, v->number);
    tell_listeners(run);
    if (!run->seen.told)
        return;
    run->rows++;
    write_head(run);
    if (run->o->silent || run->o->summary)
        return;
    if (run->o->json)
        observe_row_json(&row, run->first, &run->json);
    else
        observe_row_text(&row, run->first, run->o->flow < 0, &run->text);
}

/* The packet's time, never before that of the packet before. */
static void clock_packet(struct observer *run, const struct capture_frame *f)
{
    int64_t t = view_wall(f);
    if (run->packets == 1)
        run->first = run->now = t;
    if (!f->timed)
        return;
    if (t < run->now)
        run->clamped++;
    else
        run->now = t;
}

static void note(struct observer *run, uint64_t n, const char *what)
{
    char line[512];
    if (n > 0)
        (void)snprintf(line, sizeof(line), "%" PRIu64 " %s", n, what);
    else
        (void)snprintf(line, sizeof(line), "%s", what);
    if (run->nnotes < NOTES_MAX && (run->notes[run->nnotes] = strdup(line)) != NULL)
        run->nnotes++;
}

static void count(struct observer *run, uint64_t n, const char *what)
{
    if (n > 0)
        note(run, n, what);
}

static void note_unanswered(struct observer *run)
{
    enum { SOME = 5 };
    uint64_t first[SOME];
    unsigned n = run->recall != NULL && run->o->flow < 0 ? recall_unanswered(run->recall, first, SOME) : 0;
    struct text line = {0};
    if (n == 0)
        return;
    text_puts(&line, n == 1 ? "question stayed without an answer:" : "questions stayed without an answer:");
    for (unsigned i = 0; i < n && i < SOME; i++)
        text_printf(&line, "%s packet %" PRIu64, i > 0 ? "," : "", first[i]);
    if (n > SOME)
        text_puts(&line, ", …");
    note(run, n, line.s);
    text_free(&line);
}

static void take_notes(struct observer *run, const char *broken)
{
    count(run, run->clamped, "packets have a time before that of the packet before them: they are taken as simultaneous with it");
    count(run, run->cut, "packets were cut off when they were captured; zeros stand for what is missing");
    count(run, run->unread, "packets are of a link layer that can't be read");
    count(run, run->bad_sums, run->o->sums == SUMS_HONOUR   ? "packets have a wrong checksum; unless their card was to compute it, their receiver discarded them"
                             : run->o->sums == SUMS_REPAIR ? "packets have a wrong checksum, which was taken for right"
                                                           : "packets have a wrong checksum and were left out");
    count(run, run->untracked, "packets could not be tracked: memory is short");
    count(run, run->forgotten, "connections of one or two packets have no statistics: there were too many behind them");
    note_unanswered(run);
    if (broken[0] != '\0')
        note(run, 0, broken);
}

static void write_tail(struct observer *run)
{
    write_head(run);
    if (run->o->json) {
        jw_close(&run->json, ']');
        jw_open(&run->json, "streams", '[');
    }
    for (const struct flow *f = run->flows.head; f != NULL; f = f->next) {
        if (run->o->flow >= 0 && f->number != run->o->flow)
            continue;
        if (run->o->json)
            observe_flow_json(f, &run->json);
        else
            observe_flow_text(f, &run->text);
        flush(run, FLUSH);
    }
    if (run->o->json) {
        jw_close(&run->json, ']');
        jw_open(&run->json, "notes", '[');
    } else {
        text_puts(&run->text, "\n");
    }
    for (unsigned i = 0; i < run->nnotes; i++) {
        if (run->o->json)
            jw_str(&run->json, NULL, run->notes[i]);
        else
            text_printf(&run->text, "note: %s\n", run->notes[i]);
    }
    if (run->o->json) {
        jw_close(&run->json, ']');
        jw_close(&run->json, '}');
        text_puts(&run->text, "\n");
    } else {
        text_printf(&run->text, "%" PRIu64 " packets, %u TCP connections\n", run->packets, run->flows.count);
    }
    flush(run, 0);
}

static void finish(struct observer *run, const char *broken)
{
    take_notes(run, broken);
    const struct observe_end end = {.first = run->first, .last = run->now, .packets = run->packets, .flows = &run->flows,
                                    .note = (const char *const *)run->notes, .nnotes = run->nnotes};
    if (!run->o->silent)
        write_tail(run);
    for (struct observe_listener *l = run->o->listener; l != NULL; l = l->next)
        l->end(l, &end);
}

static int refuse(struct observer *run, int got, const char *broken, uint16_t link, char *msg, size_t msg_size)
{
    if (run->packets == 0) {
        (void)snprintf(msg, msg_size, "%s%s", got < 0 ? "" : run->name, got < 0 ? broken : ": there is no packet in it");
        return EXIT_USAGE;
    }
    if (run->unread == run->packets) {
        view_none(run->name, run->packets, link, msg, msg_size);
        return EXIT_USAGE;
    }
    if (run->o->flow >= 0 && run->o->flow >= (int64_t)run->flows.count) {
        if (run->flows.count == 0)
            (void)snprintf(msg, msg_size, "%s: there is no TCP connection in it", run->name);
        else
            (void)snprintf(msg, msg_size, "%s: there is no flow %" PRId64 "; the last is %u: `replay --list` shows them", run->name,
                           run->o->flow, run->flows.count - 1);
        return EXIT_USAGE;
    }
    if (run->o->from > run->packets) {
        (void)snprintf(msg, msg_size, "%s: there is no packet %" PRIu64 "; the last is %" PRIu64, run->name, run->o->from, run->packets);
        return EXIT_USAGE;
    }
    return EXIT_DONE;
}

static void begin(struct observer *run, struct capture_reader *r, const char *name, const struct observe_options *o, FILE *out)
{
    *run = (struct observer){.o = o, .name = name, .out = out, .reader = r};
    run->json.t = &run->text;
    flows_init(&run->flows);
    run->recall = recall_new();
}

static void done(struct observer *run)
{
    viewer_done(&run->viewer);
    for (struct flow *flow = run->flows.head; flow != NULL; flow = flow->next)
        track_free(flow);
    flows_done(&run->flows);
    recall_free(run->recall);
    text_free(&run->text);
    for (unsigned i = 0; i < run->nnotes; i++)
        free(run->notes[i]);
}

bool observer_next(struct observer *run)
{
    run->got = capture_next(run->reader, &run->frame, run->broken, sizeof(run->broken));
    if (run->got != 1)
        return false;
    if (run->packets++ == 0)
        run->link = run->frame.link;
    clock_packet(run, &run->frame);
    run->cut += run->frame.caplen < run->frame.len;
    run->left_out = false;
    run->seen = (struct observe_packet){.frame = &run->frame, .number = run->packets, .t = run->now};
    if (view_make(&run->viewer, &run->frame, run->packets, &run->view) == VIEW_OK)
        take(run, &run->view);
    else
        run->unread++;
    if (run->seen.frame != NULL) { /* of no use to the tracker; a copy of the capture has it all the same */
        run->seen.told = run->o->flow < 0 && asked_for(run, run->packets) && !run->left_out;
        tell_listeners(run);
    }
    return true;
}

struct observer *observer_open(struct capture_reader *r, const char *name, const struct observe_options *o)
{
    struct observer *run = malloc(sizeof(*run));
    if (run != NULL)
        begin(run, r, name, o, NULL);
    return run;
}

const struct flows *observer_flows(const struct observer *run)
{
    return &run->flows;
}

void observer_close(struct observer *run)
{
    if (run != NULL)
        done(run);
    free(run);
}

int observe_run(struct capture_reader *r, const char *name, const struct observe_options *o, FILE *out,
                void (*tick)(void *ctx, uint64_t packets), void *ctx, char *msg, size_t msg_size)
{
    struct observer run;
    begin(&run, r, name, o, out);
    while (observer_next(&run)) {
        flush(&run, FLUSH);
        if (tick != NULL && run.packets % TICK == 0)
            tick(ctx, run.packets);
        if (o->to > 0 && run.packets >= o->to)
            break;
    }
    int status = refuse(&run, run.got, run.broken, run.link, msg, msg_size);
    if (status == EXIT_DONE)
        finish(&run, run.broken);
    done(&run);
    return status;
}
