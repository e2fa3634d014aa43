/* replay/quiz_ask.c: which questions are asked (quiz.h).
 *
 * The fields take turns. A field's turn draws packets in an order of its own until one gives a
 * question that goes with those that have been taken: the cells it needs are visible, what it hides
 * nobody needs, what it tells nobody asks. Dull questions wait until nothing better is left, and
 * behind them second ones with the same answer; none is both.
 */
#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/control.h"
#include "replay/quiz.h"

const char *const quiz_who[2] = {"client", "server"};

const struct quiz_field_info quiz_fields[QUIZ_FIELDS] = {
    [QUIZ_SEQ] = {"tcp.seq", "seq", "a sequence number, relative as in the list or absolute",
                  "Sequence numbers count bytes: new data begins where the sender's last segment "
                  "ended; what is sent again has its old number."},
    [QUIZ_ACK] = {"tcp.ack", "ack", "a sequence number, relative as in the list or absolute",
                  "An acknowledgment number names the next byte that its sender expects of the "
                  "other end: everything before it has arrived."},
    [QUIZ_FLAGS] = {"tcp.flags", "flags",
                    "flags by name or letter, in any order: SYN,ACK or SA; PSH may be left out",
                    "Ask what the segment does: does it open, close or break off, and does it "
                    "acknowledge anything?"},
    [QUIZ_LEN] = {"tcp.len", "len", "bytes of text",
                  "The text reaches from this segment's sequence number to where the next one "
                  "begins; SYN and FIN take a number, but are no text."},
    [QUIZ_WINDOW] = {"tcp.window", "window", "bytes",
                     "The field counts units that its sender announced in its SYN, if both ends "
                     "offered to scale; a SYN's own window is never scaled."},
    [QUIZ_STATE] =
        {"state", "tcp.state",
         "a state by the RFC's name or Linux's: FIN-WAIT-1, FIN_WAIT1; upper or lower case",
         "Walk through the diagram of RFC 9293 figure 5 from the beginning, a SYN, FIN or ACK at a "
         "time."},
    [QUIZ_FLIGHT] = {"in_flight", "flight", "bytes; a SYN and a FIN count as one each",
                     "In flight is what lies between the highest acknowledgment number that was "
                     "heard and the end of the highest segment that was sent."},
    [QUIZ_RTT] = {"rtt", "tcp.rtt", "a time with its unit: 12.5 ms, 0.0125 s; or none",
                  "A sample is the time from a segment's leaving to its acknowledgment: find the "
                  "segment whose end the acknowledgment names."},
    [QUIZ_MARK] = {"mark", "kind",
                   "one of: new-data, ack, dup-ack, d-sack, rto, fast-retransmit, recovery, "
                   "tail-loss-probe, needless, out-of-order, window-probe,\n"
                   "                 keep-alive, zero-window, window-update",
                   "Compare its numbers with those before it: is anything new? Then look at the "
                   "time since its sender was last silent, and at what it had heard."},
    [QUIZ_NEXT] = {"next", "", "one of: syn-ack, ack, dup-ack, data, retransmission, fin, rst",
                   "Think of what RFC 9293 3.10.7 makes the receiver of this segment do at once."},
    [QUIZ_CWND] =
        {"cwnd", "", "segments",
         "Which phase is it in, and what does this packet tell it: news, nothing, or a loss?"},
    [QUIZ_SSTHRESH] = {"ssthresh", "", "segments, rounded down; or none",
                       "It is set when a loss is found, and by what the window was then; else it "
                       "stays as it is."},
    [QUIZ_RTO] = {"rto", "", "a time from this packet on, with its unit: 300 ms, 0.3 s",
                  "The timeout is the smoothed round trip and four times its variation, which "
                  "counts as 200 ms at least; each time it runs out it doubles."},
    [QUIZ_ARP] =
        {"arp", "", "an IPv4 address",
         "A request asks for the hardware address of one IPv4 address: only its owner answers."},
    [QUIZ_TTL] = {"ip.ttl", "ttl", "a number",
                  "Each router on the way takes one from the time to live."},
    [QUIZ_FRAG] = {"ip.frag", "frag", "bytes from the beginning of the datagram's payload",
                   "A fragment begins where the one before it ended; the field counts eights, the "
                   "list bytes."},
};

static quiz_builder *const builders[QUIZ_FIELDS] = {
    [QUIZ_SEQ] = quiz_ask_seq,       [QUIZ_ACK] = quiz_ask_ack,
    [QUIZ_FLAGS] = quiz_ask_flags,   [QUIZ_LEN] = quiz_ask_len,
    [QUIZ_WINDOW] = quiz_ask_window, [QUIZ_STATE] = quiz_ask_state,
    [QUIZ_FLIGHT] = quiz_ask_flight, [QUIZ_RTT] = quiz_ask_rtt,
    [QUIZ_MARK] = quiz_ask_mark,     [QUIZ_NEXT] = quiz_ask_next,
    [QUIZ_CWND] = quiz_ask_cwnd,     [QUIZ_SSTHRESH] = quiz_ask_ssthresh,
    [QUIZ_RTO] = quiz_ask_rto,       [QUIZ_ARP] = quiz_ask_arp,
    [QUIZ_TTL] = quiz_ask_ttl,       [QUIZ_FRAG] = quiz_ask_frag,
};

enum quiz_field quiz_field(const char *name)
{
    unsigned f = 0;
    while (f < QUIZ_FIELDS && strcmp(name, quiz_fields[f].name) != 0 &&
           (quiz_fields[f].other[0] == '\0' || strcmp(name, quiz_fields[f].other) != 0))
        f++;
    return (enum quiz_field)f;
}

/* ---- what builders call ---- */

static void cell(size_t row, uint32_t cols, size_t *to_row, uint32_t *to_cols)
{
    *to_row = row;
    *to_cols = cols;
}

void cells_need(struct cells *c, size_t row, uint32_t cols)
{
    if (c->nneed == CELLS_MAX)
        c->full = true;
    else
        cell(row, cols, &c->need[c->nneed].row, &c->need[c->nneed].cols), c->nneed++;
}

void cells_leak(struct cells *c, size_t row, uint32_t cols)
{
    if (c->nleak == CELLS_MAX)
        c->full = true;
    else
        cell(row, cols, &c->leak[c->nleak].row, &c->leak[c->nleak].cols), c->nleak++;
}

void cells_tell(struct cells *c, size_t row, uint32_t cols)
{
    if (c->ntell == sizeof(c->tell) / sizeof(*c->tell))
        c->full = true;
    else
        cell(row, cols, &c->tell[c->ntell].row, &c->tell[c->ntell].cols), c->ntell++;
}

void question_accept(struct question *q, const char *fmt, ...)
{
    va_list ap;
    if (q->naccepted == QUIZ_ACCEPTED)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(q->accepted[q->naccepted++], sizeof(q->accepted[0]), fmt, ap);
    va_end(ap);
}

void question_wrong(struct question *q, const char *feedback, const char *fmt, ...)
{
    struct quiz_wrong w;
    va_list ap;
    const char *said;
    va_start(ap, fmt);
    (void)vsnprintf(w.answer, sizeof(w.answer), fmt, ap);
    va_end(ap);
    (void)snprintf(w.feedback, sizeof(w.feedback), "%s", feedback);
    if (q->nwrong == QUIZ_WRONG || quiz_mark(q, w.answer, &said) != ANSWER_WRONG)
        return;
    for (unsigned i = 0; i < q->nwrong; i++)
        if (strcmp(q->wrong[i].answer, w.answer) == 0)
            return;
    q->wrong[q->nwrong++] = w;
}

int64_t quiz_end(const struct quiz *q, size_t i)
{
    const struct track_row *r = &q->row[i].r;
    return r->seq + r->len + ((r->flags & TCP_SYN) != 0) + ((r->flags & TCP_FIN) != 0);
}

/* ---- taking one ---- */

static bool fits(const struct quiz *q, const struct question *x, const struct cells *c)
{
    if (c->full || x->naccepted == 0)
        return false;
    const struct quiz_row *own = &q->row[x->hides_row];
    if (((own->hidden | own->needed | own->told) & x->cells) != 0)
        return false;
    for (unsigned i = 0; i < QUIZ_COLS; i++)
        if ((x->cells >> i & 1) != 0 && own->asked[i] != 0)
            return false;
    for (unsigned i = 0; i < c->nneed; i++) {
        const struct quiz_row *r = &q->row[c->need[i].row];
        if ((r->hidden & c->need[i].cols) != 0 ||
            (c->need[i].row == x->hides_row && (c->need[i].cols & x->cells) != 0))
            return false;
        for (unsigned k = 0; k < c->nleak; k++)
            if (c->leak[k].row == c->need[i].row && (c->leak[k].cols & c->need[i].cols) != 0)
                return false;
    }
    for (unsigned i = 0; i < c->nleak; i++)
        if ((q->row[c->leak[i].row].needed & c->leak[i].cols) != 0)
            return false;
    for (unsigned i = 0; i < c->ntell; i++)
        if ((q->row[c->tell[i].row].hidden & c->tell[i].cols) != 0)
            return false;
    return true;
}

static void take(struct quiz *q, const struct question *x, const struct cells *c)
{
    q->row[x->hides_row].hidden |= x->cells;
    for (unsigned i = 0; i < c->nneed; i++)
        q->row[c->need[i].row].needed |= c->need[i].cols;
    for (unsigned i = 0; i < c->nleak; i++)
        q->row[c->leak[i].row].hidden |= c->leak[i].cols;
    for (unsigned i = 0; i < c->ntell; i++)
        q->row[c->tell[i].row].told |= c->tell[i].cols;
    q->q[q->nq++] = *x;
}

static bool asked_already(const struct quiz *q, const struct question *x, bool *same_answer)
{
    bool same = false;
    for (unsigned i = 0; i < q->nq; i++) {
        if (q->q[i].field != x->field)
            continue;
        if (q->q[i].row == x->row)
            return true;
        same = same || strcmp(q->q[i].accepted[0], x->accepted[0]) == 0;
    }
    *same_answer = same;
    return false;
}

/* One more of this field, if there is any. pass 0: only a good one, with a new answer; 1: a dull
 * one too; 2: a good one, with any answer. */
static bool ask_one(struct quiz *q, unsigned field, const size_t *order, size_t *at, unsigned pass)
{
    while (*at < q->nrows) {
        struct question x = {.field = (uint8_t)field};
        struct cells c = {0};
        bool same = false;
        x.row = x.hides_row = order[(*at)++];
        x.packet = q->row[x.row].r.number;
        if (!builders[field](q, x.row, &x, &c) || (c.dull && pass != 1) ||
            asked_already(q, &x, &same) || (same && pass != 2) || !fits(q, &x, &c))
            continue;
        take(q, &x, &c);
        return true;
    }
    return false;
}

static int by_packet(const void *a, const void *b)
{
    const struct question *x = a, *y = b;
    if (x->packet != y->packet)
        return x->packet < y->packet ? -1 : 1;
    return (int)x->field - (int)y->field;
}

static void shuffle(struct quiz *q, size_t *order)
{
    for (size_t i = 0; i < q->nrows; i++)
        order[i] = i;
    for (size_t i = q->nrows; i > 1; i--) {
        size_t k = rng_below(&q->rng, (uint32_t)i), t = order[i - 1];
        order[i - 1] = order[k];
        order[k] = t;
    }
}

/* The quiz's words and what its sheet's head says make its name and its generator: neither tells of
 * what is hidden. */
static void seed(struct quiz *q)
{
    struct sha256_ctx sum;
    struct text words = {0};
    uint8_t digest[32];
    const struct quiz_options *o = &q->o;
    text_printf(&words,
                "quiz 1\n%s %s %u %u %zu\n%u\n%" PRIu64 " %" PRIu64 "\n%d\n%" PRIx32 "\n%u\n",
                q->end[0], q->end[1], q->isn[0], q->isn[1], q->nrows, q->flow, o->from, o->to,
                q->played, o->fields, o->count);
    for (size_t i = 0; i < o->nknobs; i++)
        text_printf(&words, "%s\n", o->knob[i]);
    text_printf(&words, "%s", o->seed);
    sha256_init(&sum);
    sha256_update(&sum, words.len, (const uint8_t *)words.s);
    sha256_digest(&sum, sizeof(digest), digest);
    rng_seed(&q->rng, digest);
    sha256_init(&sum);
    sha256_update(&sum, sizeof(digest), digest);
    sha256_digest(&sum, sizeof(digest), digest);
    (void)snprintf(q->id, sizeof(q->id), "%02x%02x%02x%02x", digest[0], digest[1], digest[2],
                   digest[3]);
    text_free(&words);
}

int quiz_choose(struct quiz *q, char *msg, size_t msg_size)
{
    size_t *order = calloc(QUIZ_FIELDS * (q->nrows + 1), sizeof(*order)), at[QUIZ_FIELDS];
    q->q = calloc(q->o.count, sizeof(*q->q));
    if (order == NULL || q->q == NULL) {
        free(order);
        (void)snprintf(msg, msg_size, "out of memory");
        return EXIT_FAILED;
    }
    seed(q);
    for (unsigned f = 0; f < QUIZ_FIELDS; f++)
        shuffle(q, order + f * q->nrows);
    for (unsigned pass = 0; pass < 3 && q->nq < q->o.count; pass++) {
        bool any = true;
        memset(at, 0, sizeof(at));
        while (any && q->nq < q->o.count) {
            any = false;
            /* From the last one on: what needs many cells before what hides them. */
            for (unsigned f = QUIZ_FIELDS; f-- > 0 && q->nq < q->o.count;)
                if ((q->o.fields >> f & 1) != 0)
                    any = ask_one(q, f, order + f * q->nrows, &at[f], pass) || any;
        }
    }
    free(order);
    if (q->nq == 0) {
        (void)snprintf(msg, msg_size,
                       "%s: none of its packets has a question about these fields whose answer can "
                       "be worked out from the others",
                       q->o.file);
        return EXIT_FAILED;
    }
    qsort(q->q, q->nq, sizeof(*q->q), by_packet);
    for (unsigned i = 0; i < q->nq; i++) {
        q->q[i].n = i + 1;
        for (unsigned c = 0; c < QUIZ_COLS; c++)
            if (q->q[i].cells >> c & 1)
                q->row[q->q[i].hides_row].asked[c] = (uint16_t)(i + 1);
    }
    return EXIT_DONE;
}

/* Nobody said which end the stack is to play: the one that says more, for its window is the one to
 * ask about. */
static const char *busier(const struct quiz *q)
{
    uint64_t text[2] = {0};
    for (size_t i = 0; i < q->nrows; i++)
        text[q->row[i].r.side] += q->row[i].r.len;
    return quiz_who[text[1] > text[0]];
}

static int play(struct quiz *q, struct capture_reader *r, char *msg, size_t msg_size)
{
    char why[512];
    bool chosen = q->o.play != NULL;
    if (!chosen)
        q->o.play = busier(q);
    int status = quiz_play(q, r, chosen ? msg : why, chosen ? msg_size : sizeof(why));
    if (status != EXIT_DONE && !chosen)
        (void)snprintf(msg, msg_size,
                       "cwnd, ssthresh and rto are on no packet, and what could be inferred is no "
                       "key for a quiz; to know them "
                       "the stack must play an end (--play), but %s",
                       why);
    return status;
}

int quiz_make(struct quiz *q, const struct quiz_options *o,
              struct capture_reader *(*again)(void *ctx, char *msg, size_t msg_size), void *ctx,
              char *msg, size_t msg_size)
{
    int status = EXIT_USAGE;
    memset(q, 0, sizeof(*q));
    q->o = *o;
    q->played = -1;
    struct capture_reader *r = again(ctx, msg, msg_size);
    if (r != NULL)
        status = quiz_read(q, r, msg, msg_size);
    capture_close(r);
    if (status == EXIT_DONE && (o->play != NULL || (o->fields & QUIZ_PLAYED) != 0)) {
        r = again(ctx, msg, msg_size);
        status = r != NULL ? play(q, r, msg, msg_size) : EXIT_USAGE;
        capture_close(r);
    }
    return status == EXIT_DONE ? quiz_choose(q, msg, msg_size) : status;
}

void quiz_done(struct quiz *q)
{
    for (size_t i = 0; i < q->nrows; i++)
        free(q->row[i].what);
    free(q->row);
    free(q->q);
    memset(q, 0, sizeof(*q));
}
