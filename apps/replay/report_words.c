/* replay/report_words.c: a connection in some sentences: how it began, what happened, how it ended
 * (report.h). */
#include "replay/report.h"

#include <inttypes.h>
#include <string.h>

static const char *const who[2] = {"the client", "the server"}, *const Who[2] = {"The client",
                                                                                 "The server"};

static void put_seconds(struct text *out, int64_t ns)
{
    if (ns < 1000000000)
        text_printf(out, "%.1f ms", (double)ns / 1e6);
    else
        text_printf(out, "%.2f s", (double)ns / 1e9);
}

/* "1 segment", "12 segments" */
static void put_count(struct text *out, uint64_t n, const char *one)
{
    text_printf(out, "%" PRIu64 " %s%s", n, one, n == 1 ? "" : "s");
}

static void began(const struct flow *f, struct text *out)
{
    char end[2][64];
    for (int i = 0; i < 2; i++)
        view_endpoint(f->side[i].addr, f->side[i].port, end[i]);
    if (f->begin == FLOW_MIDSTREAM)
        text_printf(out,
                    "The capture begins in the middle of a connection of %s (taken for the client) "
                    "and %s. ",
                    end[0], end[1]);
    else if (!f->side[1].seen)
        text_printf(out, "%s asked %s for a connection, and no answer was captured. ", end[0],
                    end[1]);
    else
        text_printf(out, "%s (the client) connected to %s (the server)%s. ", end[0], end[1],
                    f->begin == FLOW_SYN_ACK ? "; its SYN was not captured" : "");
}

static void sent(const struct track_stats *s, int i, struct text *out)
{
    if (s->packets == 0)
        return;
    text_printf(out, "%s sent ", Who[i]);
    if (s->unique_bytes == 0)
        text_puts(out, "no data");
    else
        text_printf(out, "%" PRIu64 " bytes in ", s->unique_bytes);
    if (s->unique_bytes > 0)
        put_count(out, s->data_packets, "segment");
    if (s->unique_bytes > 0 && s->data_last > s->data_first) {
        text_puts(out, " within ");
        put_seconds(out, s->data_last - s->data_first);
    }
    text_puts(out, ". ");
}

struct cause {
    uint64_t n;
    const char *text;
};

static void list(const struct cause *c, unsigned n, struct text *out)
{
    const char *before = ": ";
    for (unsigned i = 0; i < n; i++) {
        if (c[i].n == 0)
            continue;
        text_printf(out, "%s%" PRIu64 " %s", before, c[i].n, c[i].text);
        before = ", ";
    }
}

static void trouble(const struct track_stats *s, int i, struct text *out)
{
    const struct cause again[] = {{s->by_rto, "by timeout"},
                                  {s->by_fast, "by fast retransmit"},
                                  {s->by_sack, "in recovery"},
                                  {s->by_tlp, "like tail loss probes"},
                                  {s->spurious, "of what was acknowledged already"}};
    const struct cause other[] = {{s->out_of_order, "arrived out of order"},
                                  {s->duplicated, "duplicated on the way"},
                                  {s->lost_before, "gaps in the capture"}};
    if (s->rtx_packets > 0) {
        text_printf(out, "%s sent ", Who[i]);
        put_count(out, s->rtx_packets, "segment");
        text_puts(out, " again");
        list(again, sizeof(again) / sizeof(*again), out);
        if (s->needless > 0)
            text_printf(out, "; %" PRIu64 " of them needlessly, as D-SACKs show", s->needless);
        text_puts(out, ". ");
    }
    if (s->out_of_order + s->duplicated + s->lost_before > 0) {
        text_printf(out, "Of %s's segments", who[i]);
        list(other, sizeof(other) / sizeof(*other), out);
        text_puts(out, ". ");
    }
    if (s->zero_windows > 0)
        text_printf(out, "%s closed its window (%" PRIu64 " times zero). ", Who[i],
                    s->zero_windows);
    if (s->ce > 0)
        text_printf(out, "A queue marked %" PRIu64 " packets of %s as congested (CE). ", s->ce,
                    who[i]);
    if (s->keep_alives > 0)
        text_printf(out, "%s sent %" PRIu64 " keep-alives. ", Who[i], s->keep_alives);
}

static void ended(const struct flow *f, struct text *out)
{
    switch (flow_end(f)) {
    case FLOW_RESET:
        text_printf(out, "It was reset by %s",
                    track_stats(f, 0)->rst > 0 ? track_stats(f, 1)->rst > 0 ? "both" : who[0]
                                               : who[1]);
        break;
    case FLOW_CLOSED:
        text_puts(out, "Both closed it");
        break;
    case FLOW_HALF_CLOSED:
        text_printf(out, "Only %s closed it", f->side[0].fin ? who[0] : who[1]);
        break;
    default:
        text_puts(out, "It was still open at the end of the capture");
    }
    text_puts(out, ", after ");
    put_seconds(out, f->last > f->first ? f->last - f->first : 0);
    text_puts(out, ".");
}

void report_summary(const struct flow *f, struct text *out)
{
    bool clean = true;
    began(f, out);
    for (int i = 0; i < 2; i++)
        sent(track_stats(f, i), i, out);
    for (int i = 0; i < 2; i++) {
        const struct track_stats *s = track_stats(f, i);
        clean = clean && s->rtx_packets + s->out_of_order + s->duplicated + s->lost_before == 0;
        trouble(s, i, out);
    }
    if (clean)
        text_puts(out, "Nothing was sent twice, lost or out of order. ");
    ended(f, out);
}
