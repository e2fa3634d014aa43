/* common/qdisc.c: queue disciplines as tc writes them (common/qdisc.h); netem's words are in
 * netem.c. */
#include "common/qdisc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/parse.h"
#include "common/qdisc_words.h"
#include "common/text.h"

const char *words_peek(const struct words *w)
{
    return w->at < w->argc ? w->argv[w->at] : NULL;
}

bool words_fail(struct words *w, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(w->msg, w->msg_size, fmt, ap);
    va_end(ap);
    return false;
}

/* "'limit' needs a whole number instead of 'x', for example 'limit 1000'". */
static bool words_want(struct words *w, const char *what, const char *want, const char *example)
{
    const char *s = words_peek(w);
    return words_fail(w, "'%s' needs %s%s%s%s, for example '%s %s'", what, want,
                      s ? " instead of '" : "", s ? s : "", s ? "'" : "", what, example);
}

bool words_number(struct words *w, const char *what, uint64_t min, uint64_t max, uint64_t *out)
{
    const char *s = words_peek(w);
    char range[80], least[24];
    uint64_t v;
    snprintf(range, sizeof(range), "a whole number from %llu to %llu", (unsigned long long)min,
             (unsigned long long)max);
    snprintf(least, sizeof(least), "%llu", min > 1000 || max < 1000 ? (unsigned long long)min : 1000ULL);
    if (s == NULL || !parse_u64(s, max, &v) || v < min)
        return words_want(w, what, range, least);
    w->at++;
    *out = v;
    return true;
}

static bool words_u32(struct words *w, const char *what, uint32_t min, uint32_t max, uint32_t *out)
{
    uint64_t v;
    if (!words_number(w, what, min, max, &v))
        return false;
    *out = (uint32_t)v;
    return true;
}

bool words_size(struct words *w, const char *what, uint32_t *out)
{
    const char *s = words_peek(w);
    if (s == NULL || !parse_size(s, 1U << 30, out) || *out == 0)
        return words_want(w, what, "a size in bytes", "15kb");
    w->at++;
    return true;
}

bool words_rate(struct words *w, const char *what, uint64_t *out)
{
    const char *s = words_peek(w);
    if (s == NULL || !parse_rate(s, out) || *out == 0 || *out > UINT64_C(1000000000000))
        return words_want(w, what, "a rate", "100mbit");
    w->at++;
    return true;
}

bool words_time(struct words *w, const char *what, td_time *out)
{
    const char *s = words_peek(w);
    if (s == NULL || !parse_time(s, out) || *out > 1000 * TD_SEC)
        return words_want(w, what, "a time (at most 1000s)", "20ms");
    w->at++;
    return true;
}

/* ---- the disciplines ---- */

typedef bool option_fn(struct words *w, const char *word, struct td_qdisc *d, bool *known);

static bool fifo_option(struct words *w, const char *word, struct td_qdisc *d, bool *known)
{
    *known = strcmp(word, "limit") == 0;
    if (!*known)
        return true;
    return d->kind == TD_QDISC_PFIFO ? words_u32(w, word, 1, 10000000, &d->u.fifo.limit)
                                     : words_size(w, word, &d->u.fifo.limit);
}

static bool netem_option(struct words *w, const char *word, struct td_qdisc *d, bool *known)
{
    (void)word;
    int n = parse_netem(w->argc - w->at + 1, w->argv + w->at - 1, &d->u.netem, w->msg, w->msg_size);
    *known = n > 0;
    w->at += n > 0 ? n - 1 : 0;
    return n >= 0;
}

static bool tbf_words(struct words *w, struct td_tbf *t)
{
    td_time latency = 0;
    const char *s;
    for (; (s = words_peek(w)) != NULL;) {
        w->at++;
        bool good;
        if (strcmp(s, "rate") == 0)
            good = words_rate(w, s, &t->rate);
        else if (strcmp(s, "burst") == 0 || strcmp(s, "buffer") == 0 || strcmp(s, "maxburst") == 0)
            good = words_size(w, s, &t->burst);
        else if (strcmp(s, "limit") == 0)
            good = words_size(w, s, &t->limit);
        else if (strcmp(s, "latency") == 0)
            good = words_time(w, s, &latency);
        else if (strcmp(s, "peakrate") == 0)
            good = words_rate(w, s, &t->peakrate);
        else if (strcmp(s, "mtu") == 0 || strcmp(s, "minburst") == 0)
            good = words_size(w, s, &t->mtu);
        else {
            w->at--;
            break;
        }
        if (!good)
            return false;
    }
    if (t->rate == 0 || t->burst == 0)
        return words_fail(
            w, "tbf needs a %s: write for example 'tbf rate 10mbit burst 15kb latency 50ms'",
            t->rate == 0 ? "rate" : "burst");
    if ((latency != 0) == (t->limit != 0))
        return words_fail(
            w, "tbf needs either 'latency' or 'limit'%s: write for example 'latency 50ms'",
            latency != 0 ? ", not both" : "");
    if ((t->peakrate != 0) != (t->mtu != 0))
        return words_fail(
            w, "tbf's peakrate and mtu go together: write for example 'peakrate 20mbit mtu 1540'");
    if (t->peakrate != 0 && t->peakrate < t->rate)
        return words_fail(w, "tbf's peakrate is to be more than its rate");
    if (latency != 0) {
        double limit = (double)t->rate / 8 * (double)latency / 1e9 + t->burst;
        if (t->peakrate != 0) {
            double peak = (double)t->peakrate / 8 * (double)latency / 1e9 + t->mtu;
            limit = peak < limit ? peak : limit;
        }
        if (limit >= 4294967295.0)
            return words_fail(w, "tbf would queue more than 4 GiB: write a smaller latency");
        t->limit = (uint32_t)limit;
    }
    return true;
}

static bool fq_codel_option(struct words *w, const char *word, struct td_qdisc *d, bool *known)
{
    struct td_fq_codel *f = &d->u.fq_codel;
    *known = true;
    if (strcmp(word, "limit") == 0)
        return words_u32(w, word, 1, 10000000, &f->limit);
    if (strcmp(word, "flows") == 0)
        return words_u32(w, word, 1, 65536, &f->flows);
    if (strcmp(word, "quantum") == 0)
        return words_u32(w, word, 256, 1U << 20, &f->quantum);
    if (strcmp(word, "drop_batch") == 0)
        return words_u32(w, word, 1, 1000000, &f->drop_batch);
    if (strcmp(word, "memory_limit") == 0)
        return words_size(w, word, &f->memory_limit);
    if (strcmp(word, "target") == 0 || strcmp(word, "interval") == 0) {
        td_time *t = word[0] == 't' ? &f->target : &f->interval;
        return words_time(w, word, t) && (*t > 0 || words_fail(w, "'%s' can't be 0", word));
    }
    if (strcmp(word, "ce_threshold") == 0)
        return words_time(w, word, &f->ce_threshold);
    if (strcmp(word, "seed") == 0)
        return words_number(w, word, 0, UINT64_MAX, &f->seed);
    *known = strcmp(word, "ecn") == 0 || strcmp(word, "noecn") == 0;
    if (*known)
        f->ecn = word[0] == 'e';
    return true;
}

static bool red_option(struct words *w, const char *word, struct td_qdisc *d, bool *known)
{
    struct td_red *r = &d->u.red;
    *known = true;
    if (strcmp(word, "limit") == 0)
        return words_size(w, word, &r->limit);
    if (strcmp(word, "min") == 0)
        return words_size(w, word, &r->min);
    if (strcmp(word, "max") == 0)
        return words_size(w, word, &r->max);
    if (strcmp(word, "avpkt") == 0)
        return words_size(w, word, &r->avpkt);
    if (strcmp(word, "burst") == 0)
        return words_u32(w, word, 1, 1000000, &r->burst);
    if (strcmp(word, "bandwidth") == 0)
        return words_rate(w, word, &r->bandwidth);
    if (strcmp(word, "seed") == 0)
        return words_number(w, word, 0, UINT64_MAX, &r->seed);
    if (strcmp(word, "probability") == 0)
        return words_probability(w, word, &r->max_p);
    *known =
        strcmp(word, "ecn") == 0 || strcmp(word, "harddrop") == 0 || strcmp(word, "adaptive") == 0;
    if (*known)
        *(word[0] == 'e' ? &r->ecn : word[0] == 'h' ? &r->harddrop : &r->adaptive) = true;
    return true;
}

bool words_probability(struct words *w, const char *what, uint32_t *out)
{
    const char *s = words_peek(w);
    double p;
    if (s == NULL || !parse_percent(s, &p) || p <= 0 || (strchr(s, '%') == NULL && p > 1))
        return words_want(w, what, "a probability, 0 to 1 or in per cent", "0.02");
    *out = td_percent(strchr(s, '%') != NULL ? p : p * 100);
    w->at++;
    return true;
}

/* The weight 2^-wlog of the average, such that a burst of so many average frames into an empty
 * queue still passes (tc-red(8): burst). 0: no weight does. */
static uint8_t red_weight(const struct td_red *r)
{
    double a = r->burst + 1 - (double)r->min / r->avpkt, weight = 0.5;
    if (a < 1)
        return 0;
    for (uint8_t wlog = 1; wlog < 32; wlog++, weight /= 2) {
        double left = 1, square = 1 - weight; /* (1 - weight)^burst: a burst may be of millions */
        for (uint32_t n = r->burst; n != 0; n >>= 1, square *= square)
            left *= (n & 1) != 0 ? square : 1;
        if (a <= (1 - left) / weight)
            return wlog;
    }
    return 0;
}

/* tc's own defaults for what wasn't said. */
static bool red_complete(struct words *w, struct td_red *r)
{
    if (r->limit == 0)
        return words_fail(w, "red needs a limit: write for example 'red limit 400kb avpkt 1000'");
    if (r->avpkt == 0)
        r->avpkt = 1000;
    if (r->max == 0)
        r->max = r->limit / 4;
    if (r->min == 0)
        r->min = r->max / 3;
    if (r->min == 0 || r->min >= r->max || r->max > r->limit)
        return words_fail(
            w, "red needs min below max and max not above limit: write for example 'red limit "
               "400kb min 30kb max 100kb'");
    if (r->burst == 0)
        r->burst = (2 * r->min + r->max) / (3 * r->avpkt);
    if (r->max_p == 0)
        r->max_p = td_percent(2);
    if (r->bandwidth == 0)
        r->bandwidth = 10000000;
    r->wlog = red_weight(r);
    if (r->wlog == 0)
        return words_fail(
            w, "red can't work with a burst of %u frames: at least min / avpkt = %u are needed",
            r->burst, r->min / r->avpkt + 1);
    return true;
}

static const struct {
    const char *name;
    option_fn *option; /* NULL: reads all of its words at once */
} kinds[TD_QDISC_KINDS] = {
    [TD_QDISC_PFIFO] = {"pfifo", fifo_option},  [TD_QDISC_BFIFO] = {"bfifo", fifo_option},
    [TD_QDISC_NETEM] = {"netem", netem_option}, [TD_QDISC_TBF] = {"tbf", NULL},
    [TD_QDISC_RED] = {"red", red_option},       [TD_QDISC_FQ_CODEL] = {"fq_codel", fq_codel_option},
};

const char *qdisc_kind_name(enum td_qdisc_kind kind)
{
    return (unsigned)kind < TD_QDISC_KINDS ? kinds[kind].name : "?";
}

bool qdisc_kind_parse(const char *word, enum td_qdisc_kind *out)
{
    for (unsigned k = 0; k < TD_QDISC_KINDS; k++) {
        if (strcmp(word, kinds[k].name) == 0) {
            *out = (enum td_qdisc_kind)k;
            return true;
        }
    }
    return false;
}

int parse_qdisc(int argc, char *const *argv, struct td_qdisc *out, char *msg, size_t msg_size)
{
    struct words w = {argc, 1, argv, msg, msg_size};
    enum td_qdisc_kind kind;
    const char *s;
    if (argc == 0 || !qdisc_kind_parse(argv[0], &kind)) {
        words_fail(
            &w,
            "'%s' is no queue discipline here: they are pfifo, bfifo, netem, tbf, red and fq_codel",
            argc > 0 ? argv[0] : "");
        return -1;
    }
    *out = (struct td_qdisc){.kind = kind};
    if (out->kind == TD_QDISC_FQ_CODEL)
        out->u.fq_codel = TD_FQ_CODEL_DEFAULTS;
    if (out->kind == TD_QDISC_TBF)
        return tbf_words(&w, &out->u.tbf) ? w.at : -1;
    while ((s = words_peek(&w)) != NULL) {
        bool known;
        w.at++;
        if (!kinds[kind].option(&w, s, out, &known))
            return -1;
        if (!known) {
            w.at--;
            break;
        }
    }
    if (out->kind == TD_QDISC_BFIFO && out->u.fifo.limit == 0) {
        words_fail(&w, "bfifo needs a limit in bytes: write for example 'bfifo limit 100kb'");
        return -1;
    }
    if (out->kind == TD_QDISC_RED && !red_complete(&w, &out->u.red))
        return -1;
    return w.at;
}

int parse_qdisc_chain(int argc, char *const *argv, struct td_qdisc_chain *out, char *msg,
                      size_t msg_size)
{
    int at = 0;
    *out = (struct td_qdisc_chain){0};
    for (;;) {
        if (out->depth == TD_QDISC_DEPTH) {
            snprintf(msg, msg_size, "at most %d queue disciplines stand inside each other",
                     TD_QDISC_DEPTH);
            return -1;
        }
        int n = parse_qdisc(argc - at, argv + at, &out->q[out->depth], msg, msg_size);
        if (n < 0)
            return -1;
        at += n;
        enum td_qdisc_kind kind = out->q[out->depth++].kind;
        if (at == argc || strcmp(argv[at], "/") != 0)
            return at;
        if (!qdisc_holds_others(kind)) {
            snprintf(msg, msg_size,
                     "nothing can stand inside a %s: only netem and tbf hold another discipline",
                     qdisc_kind_name(kind));
            return -1;
        }
        at++;
    }
}

bool parse_qdisc_text(const char *text, struct td_qdisc_chain *out, char *msg, size_t msg_size)
{
    struct td_qdisc_chain c;
    char **argv;
    int argc = words_split(text, &argv, msg, msg_size);
    if (argc < 0)
        return false;
    int at = argc > 0 ? parse_qdisc_chain(argc, argv, &c, msg, msg_size) : -1;
    if (argc == 0)
        snprintf(msg, msg_size,
                 "there is no queue discipline: write for example 'netem delay 20ms'");
    else if (at >= 0 && at < argc)
        snprintf(
            msg, msg_size,
            "'%s' is none of %s's words ('/' divides disciplines that stand inside each other)",
            argv[at], qdisc_kind_name(c.q[c.depth - 1].kind));
    bool good = at == argc && argc > 0;
    words_free(argv);
    if (good)
        *out = c;
    return good;
}

bool qdisc_holds_others(enum td_qdisc_kind kind)
{
    return kind == TD_QDISC_NETEM || kind == TD_QDISC_TBF;
}

/* ---- back to words ---- */

static void format_tbf(const struct td_tbf *t, char *dst, size_t size)
{
    char rate[32], burst[32], peak[96] = "", a[32], b[32], tail[48];
    format_rate(t->rate, rate, sizeof(rate));
    format_size(t->burst, burst, sizeof(burst));
    if (t->peakrate != 0) {
        format_rate(t->peakrate, a, sizeof(a));
        format_size(t->mtu, b, sizeof(b));
        snprintf(peak, sizeof(peak), " peakrate %s minburst %s", a, b);
    }
    if (t->limit > t->burst && t->peakrate == 0) {
        format_time(qdisc_tbf_latency(t), a, sizeof(a));
        snprintf(tail, sizeof(tail), "lat %s", a);
    } else {
        format_size(t->limit, a, sizeof(a));
        snprintf(tail, sizeof(tail), "limit %s", a);
    }
    snprintf(dst, size, "rate %s burst %s%s %s", rate, burst, peak, tail);
}

td_time qdisc_tbf_latency(const struct td_tbf *t)
{
    if (t->limit <= t->burst)
        return 0;
    /* To a microsecond, as tc: the limit was rounded down to a byte. */
    double us = (double)(t->limit - t->burst) * 8e6 / (double)t->rate;
    return (td_time)(us + 0.999) * TD_US;
}

static void format_fq_codel(const struct td_fq_codel *f, char *dst, size_t size)
{
    char target[32], interval[32], memory[32], ce[32], threshold[56] = "";
    format_time(f->target, target, sizeof(target));
    format_time(f->interval, interval, sizeof(interval));
    format_size(f->memory_limit, memory, sizeof(memory));
    if (f->ce_threshold != TD_NEVER) {
        format_time(f->ce_threshold, ce, sizeof(ce));
        snprintf(threshold, sizeof(threshold), " ce_threshold %s", ce);
    }
    snprintf(
        dst, size,
        "limit %up flows %u quantum %u target %s%s interval %s memory_limit %s%s drop_batch %u",
        f->limit, f->flows, f->quantum, target, threshold, interval, memory, f->ecn ? " ecn" : "",
        f->drop_batch);
}

static void format_red(const struct td_red *r, char *dst, size_t size)
{
    char limit[32], min[32], max[32];
    format_size(r->limit, limit, sizeof(limit));
    format_size(r->min, min, sizeof(min));
    format_size(r->max, max, sizeof(max));
    snprintf(dst, size, "limit %s min %s max %s%s%s%s ewma %u probability %.6g", limit, min, max,
             r->ecn ? " ecn" : "", r->harddrop ? " harddrop" : "", r->adaptive ? " adaptive" : "",
             r->wlog, (double)r->max_p / 4294967295.0);
}

void format_qdisc(const struct td_qdisc *d, char *dst, size_t size)
{
    char limit[32];
    switch (d->kind) {
    case TD_QDISC_PFIFO:
        snprintf(dst, size, "limit %up", d->u.fifo.limit);
        return;
    case TD_QDISC_BFIFO:
        format_size(d->u.fifo.limit, limit, sizeof(limit));
        snprintf(dst, size, "limit %s", limit);
        return;
    case TD_QDISC_NETEM:
        format_netem(&d->u.netem, dst, size);
        return;
    case TD_QDISC_TBF:
        format_tbf(&d->u.tbf, dst, size);
        return;
    case TD_QDISC_RED:
        format_red(&d->u.red, dst, size);
        return;
    default:
        format_fq_codel(&d->u.fq_codel, dst, size);
    }
}
