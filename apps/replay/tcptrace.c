/* replay/tcptrace.c: statistics in tcptrace's words (tcptrace.h).
 *
 * Those who have read tcptrace's long output for years find its lines here, in its order. What it
 * counts otherwise than the tracker is counted for it apart (struct track_more): windows without
 * those of SYNs, the time from one sending of a segment to the next. Lines that it has and that say
 * nothing of the conversation (its own guesses at what a capture lacks, samples of full segments
 * alone) are left out.
 */
#include "replay/tcptrace.h"

#include <inttypes.h>
#include <stdio.h>

/* Newton's way: libm isn't worth it. */
double tcptrace_root(double x)
{
    double r = x > 1 ? x : 1;
    for (int i = 0; i < 200 && r * r > x * (1 + 1e-12); i++)
        r = (r + x / r) / 2;
    return r;
}

struct table {
    const struct flow *f;
    const struct track_stats *s[2];
    struct track_facts k[2];
    tcptrace_line *line;
    void *ctx;
};

static void numbers(const struct table *t, const char *name, uint64_t a, uint64_t b,
                    const char *unit)
{
    char text[2][24];
    (void)snprintf(text[0], sizeof(text[0]), "%" PRIu64, a);
    (void)snprintf(text[1], sizeof(text[1]), "%" PRIu64, b);
    t->line(t->ctx, name, text[0], text[1], unit);
}

static void decimals(const struct table *t, const char *name, double a, double b, int places,
                     const char *unit)
{
    char text[2][40];
    (void)snprintf(text[0], sizeof(text[0]), "%.*f", places, a);
    (void)snprintf(text[1], sizeof(text[1]), "%.*f", places, b);
    t->line(t->ctx, name, text[0], text[1], unit);
}

#define EACH(name, field, unit) numbers(t, name, t->s[0]->field, t->s[1]->field, unit)

static void packets(const struct table *t)
{
    EACH("total packets", packets, "");
    EACH("resets sent", rst, "");
    EACH("ack pkts sent", acks, "");
    EACH("pure acks sent", pure_acks, "");
    EACH("sack pkts sent", sacks, "");
    EACH("dsack pkts sent", dsacks, "");
    EACH("max sack blks/ack", max_sacks, "");
    EACH("unique bytes sent", unique_bytes, "");
    EACH("actual data pkts", data_packets, "");
    EACH("actual data bytes", data_bytes, "");
    EACH("rexmt data pkts", rtx_packets, "");
    EACH("rexmt data bytes", rtx_bytes, "");
    EACH("zwnd probe pkts", probes, "");
    EACH("zwnd probe bytes", more.probe_bytes, "");
    EACH("outoforder pkts", out_of_order, "");
    EACH("pushed data pkts", more.pushed_data, "");
}

static void options(const struct table *t)
{
    char syn[2][48], stamps[2][8], scale[2][16], sack[2][4];
    bool agreed = t->k[0].syn_seen && t->k[1].syn_seen && t->k[0].scale >= 0 && t->k[1].scale >= 0;
    for (int i = 0; i < 2; i++) {
        const struct track_facts *k = &t->k[i];
        (void)snprintf(syn[i], sizeof(syn[i]), "%" PRIu64 "/%" PRIu64, t->s[i]->syn, t->s[i]->fin);
        (void)snprintf(stamps[i], sizeof(stamps[i]), "%c/%c",
                       k->syn_seen && k->scale >= 0 ? 'Y' : 'N', k->timestamps ? 'Y' : 'N');
        (void)snprintf(scale[i], sizeof(scale[i]), "%d", agreed ? k->scale : 0);
        (void)snprintf(sack[i], sizeof(sack[i]), "%c",
                       k->syn_seen && k->sack_permitted ? 'Y' : 'N');
    }
    t->line(t->ctx, "SYN/FIN pkts sent", syn[0], syn[1], "");
    t->line(t->ctx, "req 1323 ws/ts", stamps[0], stamps[1], "");
    t->line(t->ctx, "adv wind scale", scale[0], scale[1], "");
    t->line(t->ctx, "req sack", sack[0], sack[1], "");
    EACH("sacks sent", sacks, "");
    EACH("urgent data pkts", urgent_packets, "pkts");
    EACH("urgent data bytes", urgent_bytes, "bytes");
    numbers(t, "mss requested", t->k[0].mss, t->k[1].mss, "bytes");
}

static uint64_t average(uint64_t sum, uint64_t n)
{
    return n > 0 ? sum / n : 0;
}

static void sizes(const struct table *t)
{
    const struct track_more *a = &t->s[0]->more, *b = &t->s[1]->more;
    EACH("max segm size", max_segment, "bytes");
    EACH("min segm size", min_segment, "bytes");
    numbers(t, "avg segm size", average(t->s[0]->data_bytes, t->s[0]->data_packets),
            average(t->s[1]->data_bytes, t->s[1]->data_packets), "bytes");
    numbers(t, "max win adv", a->window_max, b->window_max, "bytes");
    numbers(t, "min win adv", a->window_min, b->window_min, "bytes");
    EACH("zero win adv", zero_windows, "times");
    numbers(t, "avg win adv", average(a->window_sum, t->s[0]->packets),
            average(b->window_sum, t->s[1]->packets), "bytes");
    EACH("max owin", max_flight, "bytes");
    EACH("initial window", initial_bytes, "bytes");
    EACH("initial window", initial_packets, "pkts");
    EACH("truncated data", cut_bytes, "bytes");
    EACH("truncated packets", more.cut_packets, "pkts");
}

static double seconds(int64_t ns)
{
    return ns > 0 ? (double)ns / 1e9 : 0;
}

static void times(const struct table *t)
{
    double all = seconds(t->f->last - t->f->first), xmit[2];
    for (int i = 0; i < 2; i++)
        xmit[i] = t->s[i]->data_packets > 0 ? seconds(t->s[i]->data_last - t->s[i]->data_first) : 0;
    decimals(t, "data xmit time", xmit[0], xmit[1], 3, "secs");
    decimals(t, "idletime max", seconds(t->s[0]->more.quiet_max) * 1e3,
             seconds(t->s[1]->more.quiet_max) * 1e3, 1, "ms");
    decimals(t, "throughput", all > 0 ? (double)t->s[0]->unique_bytes / all : 0,
             all > 0 ? (double)t->s[1]->unique_bytes / all : 0, 0, "Bps");
}

struct spread { /* ms */
    double min, max, avg, dev;
};

static struct spread spread(uint64_t n, int64_t min, int64_t max, double sum, double squares)
{
    struct spread p = {0};
    if (n == 0)
        return p;
    double mean = sum / (double)n, var = n > 2 ? (squares - sum * mean) / (double)(n - 1) : 0;
    p.min = (double)min / 1e6;
    p.max = (double)max / 1e6;
    p.avg = mean / 1e6;
    p.dev = var > 0 ? tcptrace_root(var) / 1e6 : 0;
    return p;
}

static void round_trips(const struct table *t)
{
    struct spread r[2], g[2];
    for (int i = 0; i < 2; i++) {
        const struct track_stats *s = t->s[i];
        r[i] = spread(s->rtt_count, s->rtt_min, s->rtt_max, s->rtt_sum, s->rtt_squares);
        g[i] = spread(s->more.again_count, s->more.again_min, s->more.again_max, s->more.again_sum,
                      s->more.again_squares);
    }
    EACH("RTT samples", rtt_count, "");
    decimals(t, "RTT min", r[0].min, r[1].min, 1, "ms");
    decimals(t, "RTT max", r[0].max, r[1].max, 1, "ms");
    decimals(t, "RTT avg", r[0].avg, r[1].avg, 1, "ms");
    decimals(t, "RTT stdev", r[0].dev, r[1].dev, 1, "ms");
    EACH("segs cum acked", more.together, "");
    /* tcptrace counts these for whose data they ask */
    numbers(t, "duplicate acks", t->s[1]->dup_acks, t->s[0]->dup_acks, "");
    numbers(t, "triple dupacks", t->s[1]->triple_dup_acks, t->s[0]->triple_dup_acks, "");
    EACH("max # retrans", max_again, "");
    decimals(t, "min retr time", g[0].min, g[1].min, 1, "ms");
    decimals(t, "max retr time", g[0].max, g[1].max, 1, "ms");
    decimals(t, "avg retr time", g[0].avg, g[1].avg, 1, "ms");
    decimals(t, "sdv retr time", g[0].dev, g[1].dev, 1, "ms");
}

void tcptrace_lines(const struct flow *f, tcptrace_line *line, void *ctx)
{
    struct table t = {
        .f = f, .s = {track_stats(f, 0), track_stats(f, 1)}, .line = line, .ctx = ctx};
    if (t.s[0] == NULL || t.s[1] == NULL)
        return;
    track_facts(f, 0, &t.k[0]);
    track_facts(f, 1, &t.k[1]);
    packets(&t);
    options(&t);
    sizes(&t);
    times(&t);
    round_trips(&t);
}

static void as_text(void *ctx, const char *name, const char *a, const char *b, const char *unit)
{
    struct text *out = ctx;
    text_printf(out, "  %-18s %16s %16s%s%s\n", name, a, b, *unit != '\0' ? "  " : "", unit);
}

void tcptrace_text(const struct flow *f, struct text *out)
{
    text_printf(out, "  %-18s %16s %16s\n", "", "client", "server");
    tcptrace_lines(f, as_text, out);
}
