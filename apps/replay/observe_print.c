/* replay/observe_print.c: a row, and the statistics of a flow, as text and as JSON (observe.h).
 *
 * The text of a row is made for reading down: numbers in columns, then the states of both ends, then what is
 * to be said in words, each with its clause. What was inferred and not read is marked with a ~.
 */
#include <stddef.h>
#include <string.h>

#include "replay/describe.h"
#include "replay/observe.h"
#include "replay/report.h"
#include "replay/tcptrace.h"

/* ---- a row ---- */

void observe_flags(uint16_t flags, char dst[12])
{
    static const struct {
        uint16_t bit;
        char letter;
    } letters[] = {{TCP_SYN, 'S'}, {TCP_FIN, 'F'}, {TCP_RST, 'R'}, {TCP_PSH, 'P'}, {TCP_URG, 'U'},
                   {TCP_ECE, 'E'}, {TCP_CWR, 'W'}, {TCP_AE, 'e'},  {TCP_ACK, '.'}};
    unsigned n = 0;
    for (size_t i = 0; i < sizeof(letters) / sizeof(*letters); i++)
        if (flags & letters[i].bit)
            dst[n++] = letters[i].letter;
    if (n == 0)
        dst[n++] = '-';
    dst[n] = '\0';
}

static const char *state_short(uint8_t state)
{
    static const char *const names[] = {"?",        "CLOSED",     "LISTEN",   "SYN-SENT", "SYN-RCVD", "ESTAB", "FIN-WAIT1", "FIN-WAIT2",
                                        "CLOSE-WT", "CLOSING", "LAST-ACK", "TIME-WT"};
    return state < sizeof(names) / sizeof(*names) ? names[state] : "?";
}

static void put_marks(const struct track_row *r, const char *before, struct text *out)
{
    for (unsigned i = 0; i < TRACK_NMARKS; i++) {
        if ((r->marks >> i & 1) == 0 || i == TRACK_I_CUT) /* said once, at the end */
            continue;
        text_printf(out, "%s%s", before, track_marks[i].text);
        before = "; ";
        if (i == TRACK_I_DUP_ACK)
            text_printf(out, " #%u", r->dup);
        if (i == TRACK_I_DELAYED_ACK) {
            text_puts(out, " by about ");
            describe_time(out, r->ack_delay);
        }
        if (i == TRACK_I_URGENT)
            text_printf(out, " up to byte %lld", (long long)(r->urgent - 1));
        if (i == TRACK_I_SACK)
            for (unsigned k = 0; k < r->nsack; k++)
                text_printf(out, " %lld-%lld", (long long)r->sack[k].left, (long long)r->sack[k].right);
        if (track_marks[i].clause[0] != '\0')
            text_printf(out, " (%s)", track_marks[i].clause);
    }
}

/* Of a SYN, in words (RFC 9293 3.2, 7323, 2018, 7413, 5482). */
static void put_options(const struct tcp_opts *o, struct text *out)
{
    size_t before = out->len;
    if (o->has_mss)
        text_printf(out, "MSS %u", o->mss);
    if (o->has_sack_perm)
        text_printf(out, "%sSACK", out->len > before ? ", " : "");
    if (o->has_ts)
        text_printf(out, "%stimestamps", out->len > before ? ", " : "");
    if (o->has_wscale)
        text_printf(out, "%swindow scale %u", out->len > before ? ", " : "", o->wscale);
    if (o->has_fastopen && o->fastopen_len == 0)
        text_printf(out, "%sa request for a Fast Open cookie", out->len > before ? ", " : "");
    else if (o->has_fastopen)
        text_printf(out, "%sa Fast Open cookie of %u bytes", out->len > before ? ", " : "", o->fastopen_len);
    if (o->has_uto)
        text_printf(out, "%suser timeout %u %s", out->len > before ? ", " : "", o->uto & 0x7fff, o->uto & 0x8000 ? "minutes" : "s");
    if (o->unknown > 0)
        text_printf(out, "%s%u option%s of a kind unknown here", out->len > before ? ", " : "", o->unknown, o->unknown == 1 ? "" : "s");
    if (out->len == before)
        text_puts(out, "no option");
}

void observe_row_words(const struct track_row *r, struct text *out)
{
    static const char *const who[] = {"client", "server"};
    const char *before = "";
    for (int i = 0; i < 2; i++) {
        if (r->moved[i] == NULL && !(r->before[i] != r->after[i]))
            continue;
        text_printf(out, "%s%s %s -> %s (%s)", before, who[i], track_state_text(r->before[i]), track_state_text(r->after[i]),
                    r->moved[i] != NULL ? r->moved[i] : "assumed");
        before = "; ";
    }
    if ((r->marks & ~TRACK_BIT(CUT)) != 0) {
        put_marks(r, before, out);
        before = "; ";
    }
    if (r->reason != NULL) {
        text_printf(out, "%s%s", before, r->reason);
        before = "; ";
    }
    if (r->about != 0)
        text_printf(out, " [#%llu]", (unsigned long long)r->about);
    if (r->offered != NULL) {
        text_printf(out, "%soffers ", before);
        put_options(r->offered, out);
        before = "; ";
    }
    if (r->said != NULL) {
        text_printf(out, "%s\"%.*s\"", before, (int)r->said_len, r->said);
        before = "; ";
    }
    int64_t rtt = r->rtt >= 0 ? r->rtt : r->rtt_ts;
    if (rtt >= 0) {
        text_printf(out, "%sRTT ", before);
        describe_time(out, rtt);
        if (r->rtt < 0)
            text_puts(out, " by its timestamp");
    }
}

void observe_row_text(const struct track_row *r, int64_t first, bool with_stream, struct text *out)
{
    char flags[12], ack[24] = "", guess[32] = "";
    const struct track_guess *g = &r->guess[r->side];
    observe_flags(r->flags, flags);
    if (r->flags & TCP_ACK)
        (void)snprintf(ack, sizeof(ack), "%lld", (long long)r->ack);
    if (g->cwnd > 0 && g->mss > 0)
        (void)snprintf(guess, sizeof(guess), "~%.1f", (double)g->cwnd / g->mss);
    text_printf(out, "%6llu %11.6f ", (unsigned long long)r->number, (double)(r->t - first) / 1e9);
    if (with_stream)
        text_printf(out, "%4u ", r->stream);
    text_printf(out, "%s %-4s %10lld %10s %6u %8llu%c %8llu %8s  %-9s %-9s", r->side == 0 ? "-->" : "<--", flags, (long long)r->seq, ack,
                r->len, (unsigned long long)r->window, r->scaled ? ' ' : '?', (unsigned long long)r->flight[r->side], guess,
                state_short(r->after[0]), state_short(r->after[1]));
    size_t end = out->len;
    text_puts(out, "  ");
    observe_row_words(r, out);
    if (out->len == end + 2) /* nothing to say: no blanks at the end of the line */
        out->s[out->len = end] = '\0';
    text_puts(out, "\n");
}

static void state_json(const struct track_row *r, int who, struct jsonw *w)
{
    jw_open(w, who == 0 ? "client" : "server", '{');
    jw_str(w, "before", track_state_text(r->before[who]));
    jw_str(w, "after", track_state_text(r->after[who]));
    if (r->assumed[who])
        jw_bool(w, "assumed", true);
    if (r->moved[who] != NULL)
        jw_str(w, "clause", r->moved[who]);
    jw_u64(w, "in_flight", r->flight[who]);
    const struct track_guess *g = &r->guess[who];
    if (g->cwnd > 0) {
        jw_open(w, "inferred", '{');
        jw_u64(w, "cwnd", g->cwnd);
        jw_double(w, "cwnd_segments", g->mss > 0 ? (double)g->cwnd / g->mss : 0);
        if (g->ssthresh > 0)
            jw_u64(w, "ssthresh", g->ssthresh);
        if (g->srtt > 0)
            jw_ms(w, "srtt_ms", (uint64_t)g->srtt);
        jw_str(w, "phase", g->phase);
        jw_close(w, '}');
    }
    jw_close(w, '}');
}

void observe_row_json(const struct track_row *r, int64_t first, struct jsonw *w)
{
    char flags[12];
    observe_flags(r->flags, flags);
    jw_open(w, NULL, '{');
    jw_u64(w, "number", r->number);
    jw_str(w, "kind", "tcp");
    jw_u64(w, "stream", r->stream);
    jw_i64(w, "time_ns", r->t - first);
    jw_str(w, "from", r->side == 0 ? "client" : "server");
    jw_str(w, "flags", flags);
    jw_i64(w, "seq", r->seq);
    if (r->flags & TCP_ACK)
        jw_i64(w, "ack", r->ack);
    jw_u64(w, "len", r->len);
    jw_u64(w, "window", r->window);
    if (!r->scaled)
        jw_bool(w, "window_scale_unknown", true);
    state_json(r, 0, w);
    state_json(r, 1, w);
    jw_str(w, "clause", r->clause);
    jw_open(w, "marks", '[');
    for (unsigned i = 0; i < TRACK_NMARKS; i++)
        if (r->marks >> i & 1)
            jw_str(w, NULL, track_marks[i].json);
    jw_close(w, ']');
    if (r->reason != NULL)
        jw_str(w, "reason", r->reason);
    if (r->about != 0)
        jw_u64(w, "about", r->about);
    if (r->dup > 0)
        jw_u64(w, "duplicate_ack", r->dup);
    if (r->rtt >= 0)
        jw_ms(w, "rtt_ms", (uint64_t)r->rtt);
    if (r->rtt_ts >= 0)
        jw_ms(w, "rtt_timestamp_ms", (uint64_t)r->rtt_ts);
    if (r->ack_delay > 0)
        jw_ms(w, "ack_delay_ms", (uint64_t)r->ack_delay);
    if (r->offered != NULL) {
        struct text options = {0};
        put_options(r->offered, &options);
        jw_str(w, "offers", options.s);
        text_free(&options);
    }
    if (r->said != NULL) {
        struct text line = {0};
        text_add(&line, r->said, r->said_len);
        jw_str(w, "said", line.s);
        text_free(&line);
    }
    if (r->nsack > 0) {
        jw_open(w, "sack", '[');
        for (unsigned i = 0; i < r->nsack; i++) {
            jw_open(w, NULL, '[');
            jw_i64(w, NULL, r->sack[i].left);
            jw_i64(w, NULL, r->sack[i].right);
            jw_close(w, ']');
        }
        jw_close(w, ']');
    }
    jw_close(w, '}');
}

/* ---- statistics ---- */

static const struct counted {
    const char *text, *json;
    size_t at;
    bool always; /* else only where one of the sides has any */
} counters[] = {
#define C(field, text, always) {text, #field, offsetof(struct track_stats, field), always}
    C(packets, "packets", true),
    C(acks, "ACKs", true),
    C(pure_acks, "pure ACKs", true),
    C(sacks, "ACKs with SACK", false),
    C(dsacks, "D-SACKs", false),
    C(unique_bytes, "unique bytes", true),
    C(data_packets, "packets with text", true),
    C(data_bytes, "bytes of text", true),
    C(rtx_packets, "retransmissions", true),
    C(rtx_bytes, "  bytes of them", false),
    C(by_rto, "  by timeout", false),
    C(by_fast, "  fast retransmits", false),
    C(by_sack, "  more in recovery", false),
    C(by_tlp, "  tail loss probes", false),
    C(spurious, "  acknowledged before", false),
    C(needless, "  needless by D-SACK", false),
    C(duplicated, "duplicated on the way", false),
    C(out_of_order, "out of order", true),
    C(lost_before, "gaps in the capture", false),
    C(acked_unseen, "ACKs of what is not there", false),
    C(dup_acks, "duplicate ACKs", true),
    C(triple_dup_acks, "  three in a row", false),
    C(zero_windows, "zero windows", false),
    C(probes, "window probes", false),
    C(window_updates, "window updates", false),
    C(window_fulls, "window filled", false),
    C(keep_alives, "keep-alives", false),
    C(pushed, "PSH", false),
    C(syn, "SYN", false),
    C(fin, "FIN", false),
    C(rst, "RST", false),
    C(challenged, "RST to be challenged", false),
    C(urgent_packets, "urgent packets", false),
    C(ce, "CE marks", false),
    C(ece, "ECE", false),
    C(cwr, "CWR", false),
    C(bad_sums, "bad checksums", false),
    C(cut_bytes, "bytes not captured", false),
    C(min_segment, "smallest segment", false),
    C(max_segment, "largest segment", false),
    C(min_window, "smallest window", true),
    C(max_window, "largest window", true),
    C(initial_bytes, "initial window, bytes", false),
    C(initial_packets, "initial window, packets", false),
    C(max_flight, "most in flight", true),
    C(rtt_count, "RTT samples", true),
#undef C
};

static uint64_t counter(const struct track_stats *s, const struct counted *c)
{
    uint64_t n;
    memcpy(&n, (const char *)s + c->at, sizeof(n));
    return n;
}

struct derived { /* what is computed of the counters */
    double rtt_min, rtt_avg, rtt_max, rtt_stdev; /* ms */
    double window_avg, segment_avg, seconds, throughput, idle;
};

static struct derived derive(const struct track_stats *s)
{
    struct derived d = {0};
    if (s->rtt_count > 0) {
        double n = (double)s->rtt_count, mean = s->rtt_sum / n, var = s->rtt_squares / n - mean * mean;
        d.rtt_min = (double)s->rtt_min / 1e6;
        d.rtt_max = (double)s->rtt_max / 1e6;
        d.rtt_avg = mean / 1e6;
        d.rtt_stdev = var > 0 ? tcptrace_root(var) / 1e6 : 0;
    }
    if (s->packets > 0)
        d.window_avg = (double)s->window_sum / (double)s->packets;
    if (s->data_packets > 0) {
        d.segment_avg = (double)s->data_bytes / (double)s->data_packets;
        d.seconds = (double)(s->data_last - s->data_first) / 1e9;
    }
    if (d.seconds > 0)
        d.throughput = (double)s->unique_bytes / d.seconds;
    d.idle = (double)s->idle_max / 1e9;
    return d;
}

static void two(struct text *out, const char *name, double a, double b, const char *unit)
{
    if (a > 0 || b > 0)
        text_printf(out, "  %-26s %16.3f %16.3f  %s\n", name, a, b, unit);
}

static void facts_text(const struct flow *f, struct text *out)
{
    char said[2][64];
    for (int i = 0; i < 2; i++) {
        struct track_facts k;
        char scale[24] = "no scale";
        track_facts(f, i, &k);
        if (!k.syn_seen) {
            (void)snprintf(said[i], sizeof(said[i]), "%s", "SYN not seen");
            continue;
        }
        if (k.scale >= 0)
            (void)snprintf(scale, sizeof(scale), "scale %d", k.scale);
        (void)snprintf(said[i], sizeof(said[i]), "MSS %u %s%s%s", k.mss, scale, k.sack_permitted ? " SACK" : "", k.timestamps ? " TS" : "");
    }
    text_printf(out, "  %-26s %16s   %s\n", "offered", said[0], said[1]);
}

void observe_flow_text(const struct flow *f, struct text *out)
{
    const struct track_stats *s[2] = {track_stats(f, 0), track_stats(f, 1)};
    char a[64], b[64];
    if (s[0] == NULL || s[1] == NULL)
        return;
    view_endpoint(f->side[0].addr, f->side[0].port, a);
    view_endpoint(f->side[1].addr, f->side[1].port, b);
    text_printf(out, "\nstream %u: %s (client) and %s (server), packets %llu to %llu, %.6f s, begins %s%s, ends %s\n", f->number, a, b,
                (unsigned long long)f->first_packet, (unsigned long long)f->last_packet, ((double)f->last - (double)f->first) / 1e9,
                f->begin == FLOW_MIDSTREAM ? "" : "with ", flow_begin_text(f), flow_end_text(f));
    if (f->begin == FLOW_MIDSTREAM)
        text_puts(out, "  the capture began in the middle: both are taken as ESTABLISHED, and the scaling of windows isn't known\n");
    text_printf(out, "  %-26s %16s %16s\n", "", "client", "server");
    facts_text(f, out);
    for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++) {
        uint64_t n[2] = {counter(s[0], &counters[i]), counter(s[1], &counters[i])};
        if (counters[i].always || n[0] > 0 || n[1] > 0)
            text_printf(out, "  %-26s %16llu %16llu\n", counters[i].text, (unsigned long long)n[0], (unsigned long long)n[1]);
    }
    struct derived d[2] = {derive(s[0]), derive(s[1])};
    two(out, "average segment", d[0].segment_avg, d[1].segment_avg, "bytes");
    two(out, "average window", d[0].window_avg, d[1].window_avg, "bytes");
    two(out, "RTT min", d[0].rtt_min, d[1].rtt_min, "ms");
    two(out, "RTT avg", d[0].rtt_avg, d[1].rtt_avg, "ms");
    two(out, "RTT max", d[0].rtt_max, d[1].rtt_max, "ms");
    two(out, "RTT stdev", d[0].rtt_stdev, d[1].rtt_stdev, "ms");
    two(out, "sent text for", d[0].seconds, d[1].seconds, "s");
    two(out, "longest without text", d[0].idle, d[1].idle, "s");
    two(out, "throughput", d[0].throughput, d[1].throughput, "bytes/s");
    for (int i = 0; i < 2; i++)
        if (s[i]->bad_sums > 0 && s[i]->bad_sums == s[i]->packets)
            text_printf(out, "  note: all checksums of the %s are wrong: its card was to compute them, or something rewrote it; try --checksums repair\n",
                        i == 0 ? "client" : "server");
}

static void side_json(const struct flow *f, int side, struct jsonw *w)
{
    const struct track_stats *s = track_stats(f, side);
    struct derived d = derive(s);
    struct track_facts k;
    char addr[64];
    track_facts(f, side, &k);
    view_endpoint(f->side[side].addr, f->side[side].port, addr);
    jw_open(w, side == 0 ? "client" : "server", '{');
    jw_str(w, "endpoint", addr);
    if (k.syn_seen) {
        jw_u64(w, "mss", k.mss);
        if (k.scale >= 0)
            jw_i64(w, "window_scale", k.scale);
        jw_bool(w, "sack_permitted", k.sack_permitted);
    }
    jw_bool(w, "timestamps", k.timestamps);
    jw_u64(w, "segment", k.segment);
    for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++)
        jw_u64(w, counters[i].json, counter(s, &counters[i]));
    const struct {
        const char *name;
        double v;
    } more[] = {{"rtt_min_ms", d.rtt_min}, {"rtt_avg_ms", d.rtt_avg}, {"rtt_max_ms", d.rtt_max}, {"rtt_stdev_ms", d.rtt_stdev},
                {"segment_avg", d.segment_avg}, {"window_avg", d.window_avg}, {"data_seconds", d.seconds}, {"idle_max_seconds", d.idle},
                {"throughput", d.throughput}};
    for (size_t i = 0; i < sizeof(more) / sizeof(*more); i++)
        jw_double(w, more[i].name, more[i].v);
    jw_close(w, '}');
}

void observe_flow_json(const struct flow *f, struct jsonw *w)
{
    struct text words = {0};
    if (track_stats(f, 0) == NULL || track_stats(f, 1) == NULL)
        return;
    jw_open(w, NULL, '{');
    jw_u64(w, "stream", f->number);
    jw_u64(w, "first_packet", f->first_packet);
    jw_u64(w, "last_packet", f->last_packet);
    jw_double(w, "seconds", ((double)f->last - (double)f->first) / 1e9);
    jw_str(w, "begins", flow_begin_text(f));
    jw_str(w, "ends", flow_end_text(f));
    jw_bool(w, "states_assumed", f->begin == FLOW_MIDSTREAM);
    report_summary(f, &words);
    jw_str(w, "summary", words.s);
    text_free(&words);
    side_json(f, 0, w);
    side_json(f, 1, w);
    jw_close(w, '}');
}
