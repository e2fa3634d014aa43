/* replay/quiz_played.c: questions about what only the stack knows of itself (quiz.h).
 *
 * The values are those of its table of connections behind each packet. What a question tells (the
 * window before, the smoothed round trip) and a rule that an RFC or Linux has must lead to the
 * value that the stack had; where they don't, as within a proportional rate reduction, nothing is
 * asked.
 */
#include <string.h>

#include "replay/quiz.h"

#define ASK(...)     (void)snprintf(x->ask, sizeof(x->ask), __VA_ARGS__)
#define EXPLAIN(...) (void)snprintf(x->explanation, sizeof(x->explanation), __VA_ARGS__)
#define CLAUSE(text) (void)snprintf(x->clause, sizeof(x->clause), "%s", text)

static bool truths(const struct quiz *q, size_t i, const struct quiz_truth **before,
                   const struct quiz_truth **now)
{
    if (q->played < 0 || i == 0 || !q->row[i].truth.known || !q->row[i - 1].truth.known)
        return false;
    *before = &q->row[i - 1].truth;
    *now = &q->row[i].truth;
    return true;
}

static bool loss(const struct quiz *q, size_t i)
{
    return q->row[i].r.side == q->played && (q->row[i].r.marks & TRACK_BIT(RTX_RTO)) != 0;
}

/* Full segments that packet i acknowledges for the first time, whole ones only; 0 = none. */
static uint32_t news(const struct quiz *q, size_t i, size_t *since)
{
    const struct track_row *r = &q->row[i].r;
    if (r->side == q->played || (r->flags & (TCP_ACK | TCP_RST | TCP_SYN)) != TCP_ACK)
        return 0;
    for (size_t k = i; k-- > 0;) {
        const struct track_row *b = &q->row[k].r;
        if (b->side != r->side || (b->flags & TCP_ACK) == 0)
            continue;
        *since = k;
        uint32_t mss = q->row[i].truth.mss;
        int64_t n = r->ack - b->ack;
        return mss > 0 && n > 0 && n % mss == 0 && n / mss < 100000 ? (uint32_t)(n / mss) : 0;
    }
    return 0;
}

/* RFC 5681 (4), and Linux's CUBIC: 717/1024 of the window. */
static uint32_t reduced(const struct quiz_truth *t)
{
    uint32_t to =
        strcmp(t->cc, "cubic") == 0 ? (uint32_t)((uint64_t)t->cwnd * 717 / 1024) : t->cwnd / 2;
    return to < 2 ? 2 : to;
}

static const char *plural(uint32_t n)
{
    return n == 1 ? "" : "s";
}

static bool halves(const struct quiz_truth *t)
{
    return strcmp(t->cc, "cubic") == 0 || strcmp(t->cc, "reno") == 0 ||
           strcmp(t->cc, "newreno") == 0;
}

static void thresh_text(const struct quiz_truth *t, char dst[48])
{
    if (t->never_lost)
        (void)snprintf(dst, 48, "no ssthresh yet");
    else
        (void)snprintf(dst, 48, "ssthresh %u", t->ssthresh);
}

bool quiz_ask_cwnd(struct quiz *q, size_t i, struct question *x, struct cells *c)
{
    const struct quiz_truth *b, *t;
    const struct track_row *r = &q->row[i].r;
    char thresh[48];
    size_t since = 0;
    if (!truths(q, i, &b, &t))
        return false;
    uint32_t n = news(q, i, &since);
    bool slow = b->never_lost || b->cwnd < b->ssthresh;
    x->form = FORM_NUMBER;
    x->cells = COL_BIT(COL_CWND);
    cells_tell(c, i - 1, COL_BIT(COL_CWND) | COL_BIT(COL_SSTHRESH));
    question_accept(x, "%u", t->cwnd);
    thresh_text(b, thresh);
    const char *who = quiz_who[q->played];
    if (loss(q, i) && t->cwnd == 1 && b->cwnd > 1) {
        cells_tell(c, i, COL_BIT(COL_MARK));
        ASK("The %s's congestion window was %u segment%s (%s, %s) when packet %llu was sent again "
            "by a retransmission timeout. What is it now, in segments?",
            who, b->cwnd, plural(b->cwnd), thresh, b->cc, (unsigned long long)r->number);
        EXPLAIN("1: a timeout is taken for heavy congestion, and slow start begins again with one "
                "segment.");
        CLAUSE("RFC 5681 3.1");
        question_wrong(x, "That is what ssthresh becomes; the window itself is cut more.", "%u",
                       reduced(b));
        question_wrong(
            x,
            "That is what a loss does that is mended by fast recovery; the timeout ran out here.",
            "%u", b->cwnd / 2);
        question_wrong(x, "It can't stay: a loss was found.", "%u", b->cwnd);
    } else if (n > 0 && slow && t->cwnd == b->cwnd + n &&
               (b->never_lost || t->cwnd <= b->ssthresh)) {
        cells_need(c, i, COL_BIT(COL_ACK));
        cells_need(c, since, COL_BIT(COL_ACK));
        ASK("The %s's congestion window was %u segment%s of %u bytes (%s, %s), and was what held "
            "it back, when packet %llu came. What is it behind it, in segments?",
            who, b->cwnd, plural(b->cwnd), t->mss, thresh, b->cc, (unsigned long long)r->number);
        EXPLAIN("%u: slow start adds a segment for each that is acknowledged, and this packet "
                "acknowledges %u.",
                t->cwnd, n);
        CLAUSE("RFC 5681 3.1");
        question_wrong(x, "It still grows: below ssthresh it is in slow start.", "%u", b->cwnd);
        question_wrong(x,
                       "Slow start counts what is acknowledged, not packets alone. Compare the "
                       "acknowledgment with the one before.",
                       "%u", b->cwnd + 1);
        question_wrong(x, "It doubles in a round trip, not with a single acknowledgment.", "%u",
                       2 * b->cwnd);
    } else if (r->side != q->played && r->dup > 0 && r->dup < 3 && t->cwnd == b->cwnd &&
               r->nsack == 0) {
        ASK("The %s's congestion window was %u segment%s (%s, %s). Packet %llu is duplicate "
            "acknowledgment number %u. What is the window behind it, in segments?",
            who, b->cwnd, plural(b->cwnd), thresh, b->cc, (unsigned long long)r->number, r->dup);
        cells_tell(c, i, COL_BIT(COL_MARK));
        EXPLAIN("%u: it acknowledges nothing new, and one or two may come from reordering; only "
                "the third is a sign of loss.",
                t->cwnd);
        CLAUSE("RFC 5681 3.2");
        question_wrong(x,
                       "The window grows with what is newly acknowledged. Does this packet "
                       "acknowledge anything?",
                       "%u", b->cwnd + 1);
        question_wrong(x, "Is it a sign of loss yet?", "%u", reduced(b));
        question_wrong(x, "Is it a sign of loss yet?", "%u", b->cwnd / 2);
        question_wrong(x, "No timer has run out.", "1");
        c->dull = r->dup == 1;
    } else {
        return false;
    }
    return true;
}

bool quiz_ask_ssthresh(struct quiz *q, size_t i, struct question *x, struct cells *c)
{
    const struct quiz_truth *b, *t;
    char thresh[48];
    if (!truths(q, i, &b, &t) || !halves(b))
        return false;
    bool changed = b->never_lost != t->never_lost || b->ssthresh != t->ssthresh;
    bool timeout = loss(q, i), third = q->row[i].r.dup == 3 && q->row[i].r.side != q->played;
    unsigned long long number = (unsigned long long)q->row[i].r.number;
    const char *who = quiz_who[q->played];
    x->form = FORM_NUMBER;
    x->cells = COL_BIT(COL_SSTHRESH);
    cells_tell(c, i - 1, COL_BIT(COL_CWND) | COL_BIT(COL_SSTHRESH));
    thresh_text(b, thresh);
    if (changed && (timeout || third) && t->ssthresh == reduced(b) && !t->never_lost) {
        bool cubic = strcmp(b->cc, "cubic") == 0;
        cells_tell(c, i, COL_BIT(COL_MARK));
        question_accept(x, "%u", t->ssthresh);
        ASK("The %s's congestion window was %u segment%s (%s, %s) when %s %llu. What is ssthresh "
            "behind it, in segments, if it is %s of the window, and 2 at least?",
            who, b->cwnd, plural(b->cwnd), thresh, b->cc,
            timeout ? "its retransmission timer ran out and it sent packet"
                    : "the third duplicate acknowledgment came, packet",
            number, cubic ? "717/1024 (0.7)" : "half");
        EXPLAIN("%u: %s of %u, rounded down, and 2 at least.", t->ssthresh, cubic ? "0.7" : "half",
                b->cwnd);
        CLAUSE(cubic ? "RFC 9438 4.6" : "RFC 5681 3.1");
        question_wrong(
            x, cubic ? "CUBIC gives up less than half." : "Reno gives up more than CUBIC does.",
            "%u", cubic ? b->cwnd / 2 : (uint32_t)((uint64_t)b->cwnd * 717 / 1024));
        question_wrong(x, "That is the window before; the threshold is a part of it.", "%u",
                       b->cwnd);
        question_wrong(x, "That is the window behind a timeout; the threshold remembers more.",
                       "1");
    } else if (!changed && !t->never_lost && t->cwnd != b->cwnd) {
        c->dull = true;
        question_accept(x, "%u", t->ssthresh);
        ASK("The %s had ssthresh %u and a congestion window of %u segment%s. Packet %llu changes "
            "the window; no loss is found. What is ssthresh behind it, in segments?",
            who, b->ssthresh, b->cwnd, plural(b->cwnd), number);
        EXPLAIN("%u: only a loss sets it.", t->ssthresh);
        CLAUSE("RFC 5681 3.1");
        question_wrong(x, "That was the window. ssthresh is set when a loss is found.", "%u",
                       b->cwnd);
    } else {
        return false;
    }
    return true;
}

/* The timer runs from this packet on, for so long as the estimate makes it: what a reader can
 * compute. */
bool quiz_ask_rto(struct quiz *q, size_t i, struct question *x, struct cells *c)
{
    const struct quiz_truth *t = &q->row[i].truth;
    const struct track_row *r = &q->row[i].r;
    char estimate[160], times[120];
    if (q->played < 0 || !t->known || t->timer == 0 || r->flight[q->played] == 0)
        return false;
    td_time spread = 4 * t->rttvar > 200 * TD_MS ? 4 * t->rttvar : 200 * TD_MS;
    td_time rto = t->srtt < TD_MS / 10 ? TD_SEC : t->srtt + spread;
    for (uint32_t k = 0; k < t->backoff && rto < 120 * TD_SEC; k++)
        rto *= 2;
    td_time off = rto > t->timer ? rto - t->timer : t->timer - rto;
    if (off > 20 * TD_US || t->backoff > 8)
        return false;
    if (t->srtt < TD_MS / 10)
        (void)snprintf(estimate, sizeof(estimate),
                       "no round trip has been measured yet (then it is 1 s)");
    else
        (void)snprintf(estimate, sizeof(estimate),
                       "the smoothed round trip is %.3f ms, its mean variation %.3f ms",
                       (double)t->srtt / 1e6, (double)t->rttvar / 1e6);
    if (t->backoff > 0)
        (void)snprintf(times, sizeof(times),
                       "since the last round trip that could be measured it has run out %u time%s",
                       t->backoff, t->backoff == 1 ? "" : "s");
    else
        (void)snprintf(times, sizeof(times), "it has not run out since");
    x->form = FORM_TIME;
    x->cells = COL_BIT(COL_RTO);
    x->tolerance = rto / 50;
    question_accept(x, "%.3f ms", (double)t->timer / 1e6);
    ASK("Behind packet %llu something of the %s is in flight, and its retransmission timer has "
        "just been started anew: %s, and %s. "
        "How long after this packet does the timer fire, if nothing more is heard?",
        (unsigned long long)r->number, quiz_who[q->played], estimate, times);
    if (t->srtt < TD_MS / 10)
        EXPLAIN("%.3f ms: without a sample it is a second%s.", (double)t->timer / 1e6,
                t->backoff > 0 ? ", doubled each time it ran out" : "");
    else
        EXPLAIN("%.3f ms: %.3f ms and four times %.3f ms, which counts as 200 ms at least%s.",
                (double)t->timer / 1e6, (double)t->srtt / 1e6, (double)t->rttvar / 1e6,
                t->backoff > 0 ? "; doubled each time it ran out" : "");
    CLAUSE(t->backoff > 0         ? "RFC 6298 5.5"
           : t->srtt < TD_MS / 10 ? "RFC 6298 2.1"
                                  : "RFC 6298 2.3");
    if (t->backoff > 0)
        question_wrong(x, "That is the timeout without back-off.", "%.3f ms",
                       (double)(rto >> t->backoff) / 1e6);
    if (t->backoff > 0)
        question_wrong(x, "That is how long it ran the last time.", "%.3f ms",
                       (double)(rto / 2) / 1e6);
    if (t->srtt >= TD_MS / 10) {
        question_wrong(x, "The round trip alone would be too short: its variation counts too.",
                       "%.3f ms", (double)t->srtt / 1e6);
        question_wrong(x, "Four times the variation has a least value here, as in Linux: 200 ms.",
                       "%.3f ms", (double)(t->srtt + 4 * t->rttvar) / 1e6);
        question_wrong(x, "The round trip has to be added to it.", "%.3f ms", (double)spread / 1e6);
    }
    /* Where it did fire the list would show when. */
    for (size_t k = i + 1; k < q->nrows; k++) {
        if (q->row[k].r.side != q->played || q->row[k].r.seq + q->row[k].r.len == 0)
            continue;
        if (q->row[k].r.marks & (TRACK_BIT(RTX_RTO) | TRACK_BIT(RTX_SYN)))
            cells_leak(c, k, COL_BIT(COL_TIME));
        break;
    }
    for (size_t k = i + 1; k < q->nrows; k++) /* what answers it at the same time */
        if ((q->row[k].r.marks & (TRACK_BIT(RTX_RTO) | TRACK_BIT(RTX_SYN))) && k + 1 < q->nrows &&
            q->row[k + 1].r.t - q->row[k].r.t < (int64_t)(rto / 10))
            cells_leak(c, k + 1, COL_BIT(COL_TIME));
    return true;
}
