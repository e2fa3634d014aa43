/* replay/quiz_tcp.c: questions about what stands in a segment's header (quiz.h).
 *
 * Each builder looks for a way to the answer: another segment's end, an acknowledgment, where the
 * next one begins. If the list doesn't have it there is no question. What a reader of the list
 * can't know (what has arrived and what hasn't) the question tells.
 */
#include <string.h>

#include "replay/quiz.h"

#define BAD       (TRACK_BIT(BAD_SUM))
#define LEAKS_FEW 4 /* a list full of dots is hard to read */

static const struct track_row *row(const struct quiz *q, size_t i)
{
    return &q->row[i].r;
}

static bool occupies(const struct quiz *q, size_t i)
{
    return quiz_end(q, i) != row(q, i)->seq && (row(q, i)->flags & TCP_RST) == 0 &&
           (row(q, i)->marks & BAD) == 0;
}

/* The last before row i in which this side sent something that ends there. */
static size_t ends_at(const struct quiz *q, size_t i, int side, int64_t end)
{
    while (i-- > 0)
        if (row(q, i)->side == side && occupies(q, i) && quiz_end(q, i) == end)
            return i;
    return QUIZ_NONE;
}

/* The row before i that ends highest of what this side sent. */
static size_t highest(const struct quiz *q, size_t i, int side)
{
    size_t best = QUIZ_NONE;
    while (i-- > 0)
        if (row(q, i)->side == side && occupies(q, i) &&
            (best == QUIZ_NONE || quiz_end(q, i) > quiz_end(q, best)))
            best = i;
    return best;
}

/* The last row before i in which this side acknowledged something. */
static size_t last_ack(const struct quiz *q, size_t i, int side)
{
    while (i-- > 0)
        if (row(q, i)->side == side && (row(q, i)->flags & (TCP_ACK | TCP_RST)) == TCP_ACK &&
            (row(q, i)->marks & BAD) == 0)
            return i;
    return QUIZ_NONE;
}

static size_t before_of(const struct quiz *q, size_t i, int side)
{
    while (i-- > 0)
        if (row(q, i)->side == side)
            return i;
    return QUIZ_NONE;
}

static void accept_seq(const struct quiz *q, struct question *x, int side, int64_t relative)
{
    question_accept(x, "%lld", (long long)relative);
    if (q->isn_known[side] && q->isn[side] != 0)
        question_accept(x, "%u", q->isn[side] + (tcp_seq)relative);
}

#define P(i)         ((unsigned long long)row(q, i)->number)
#define ASK(...)     (void)snprintf(x->ask, sizeof(x->ask), __VA_ARGS__)
#define EXPLAIN(...) (void)snprintf(x->explanation, sizeof(x->explanation), __VA_ARGS__)
#define CLAUSE(text) (void)snprintf(x->clause, sizeof(x->clause), "%s", text)
#define WHOLE        (COL_BIT(COL_SEQ) | COL_BIT(COL_LEN) | COL_BIT(COL_FLAGS))

static void how_long(const struct track_row *r, char *dst, size_t size)
{
    (void)snprintf(dst, size, "%lld + %u%s", (long long)r->seq, r->len,
                   r->flags & TCP_SYN   ? " + 1 (SYN)"
                   : r->flags & TCP_FIN ? " + 1 (FIN)"
                                        : "");
}

/* ---- sequence and acknowledgment numbers ---- */

bool quiz_ask_ack(struct quiz *q, size_t i, struct question *x, struct cells *c)
{
    const struct track_row *r = row(q, i);
    int side = r->side, other = 1 - side;
    char sum[64];
    if ((r->flags & (TCP_ACK | TCP_RST)) != TCP_ACK ||
        (r->marks & (BAD | TRACK_BIT(DSACK) | TRACK_BIT(ACKED_UNSEEN))))
        return false;
    size_t last = last_ack(q, i, side), top = highest(q, i, other),
           from = ends_at(q, i, other, r->ack);
    bool dup = (r->marks & TRACK_BIT(DUP_ACK)) != 0;
    if (from == QUIZ_NONE || top == QUIZ_NONE ||
        (last != QUIZ_NONE && row(q, last)->ack == r->ack && !dup))
        return false;
    x->form = FORM_NUMBER;
    x->cells = COL_BIT(COL_ACK);
    accept_seq(q, x, other, r->ack);
    if (dup) {
        size_t m = 0;
        while (m < i && !(row(q, m)->side == other && occupies(q, m) && row(q, m)->seq == r->ack))
            m++;
        if (m == i || top == m)
            return false;
        cells_need(c, m, COL_BIT(COL_SEQ));
        cells_tell(c, i, COL_BIT(COL_MARK));
        ASK("Packet %llu has not arrived at the %s, but something that the %s sent behind it has, "
            "for which the %s sends packet %llu at once. "
            "Which acknowledgment number does it carry?",
            P(m), quiz_who[side], quiz_who[other], quiz_who[side], P(i));
        EXPLAIN("%lld: the first byte of packet %llu is still missing, so it is asked for again, "
                "whatever came behind it.",
                (long long)r->ack, P(m));
        CLAUSE("RFC 5681 4.2");
        question_wrong(x,
                       "That is behind the newest segment: an acknowledgment is cumulative, and "
                       "can't jump over what is missing.",
                       "%lld", (long long)quiz_end(q, top));
        question_wrong(
            x,
            "That is where the missing segment ends: the acknowledgment asks for its first byte.",
            "%lld", (long long)quiz_end(q, m));
    } else {
        how_long(row(q, from), sum, sizeof(sum));
        cells_need(c, from, WHOLE);
        if (quiz_end(q, top) == r->ack)
            ASK("All that the %s has sent by then has arrived. Which acknowledgment number does "
                "packet %llu carry?",
                quiz_who[other], P(i));
        else
            ASK("With packet %llu the %s acknowledges packet %llu and everything before it, "
                "nothing behind it. Which acknowledgment number does it carry?",
                P(i), quiz_who[side], P(from));
        EXPLAIN("%lld: packet %llu ends there (%s), and that byte is expected next.",
                (long long)r->ack, P(from), sum);
        CLAUSE("RFC 9293 3.4");
        question_wrong(x,
                       "That is the sequence number of the segment itself: an acknowledgment names "
                       "the byte that is expected next.",
                       "%lld", (long long)row(q, from)->seq);
        if (r->ack != row(q, from)->seq + row(q, from)->len)
            question_wrong(
                x, "Nearly: SYN and FIN take a sequence number each, as if they were a byte.",
                "%lld", (long long)(row(q, from)->seq + row(q, from)->len));
        question_wrong(
            x, "That is behind the newest segment: this packet doesn't acknowledge so much.",
            "%lld", (long long)quiz_end(q, top));
    }
    question_wrong(x, "That is the last byte that has arrived: the number names the one behind it.",
                   "%lld", (long long)(r->ack - 1));
    question_wrong(
        x,
        "That is the packet's own sequence number, which counts the bytes of the other direction.",
        "%lld", (long long)r->seq);
    for (size_t k = i + 1; k < q->nrows; k++)
        if (row(q, k)->side == side && (row(q, k)->flags & TCP_ACK) && row(q, k)->ack == r->ack)
            cells_leak(c, k, COL_BIT(COL_ACK));
    c->dull = c->nleak > LEAKS_FEW;
    return true;
}

bool quiz_ask_seq(struct quiz *q, size_t i, struct question *x, struct cells *c)
{
    const struct track_row *r = row(q, i);
    int side = r->side, other = 1 - side;
    char sum[64];
    size_t top = highest(q, i, side), last = before_of(q, i, side), heard = last_ack(q, i, other);
    if ((r->marks & BAD) || (r->flags & (TCP_RST | TCP_SYN)) || top == QUIZ_NONE ||
        last == QUIZ_NONE)
        return false;
    bool again = (r->marks & TRACK_ANY_RTX) != 0,
         keep = (r->marks & (TRACK_BIT(KEEP_ALIVE) | TRACK_BIT(PROBE))) != 0;
    x->form = FORM_NUMBER;
    x->cells = COL_BIT(COL_SEQ);
    accept_seq(q, x, side, r->seq);
    if (again) {
        if (heard == QUIZ_NONE || row(q, heard)->ack != r->seq)
            return false;
        cells_need(c, heard, COL_BIT(COL_ACK));
        cells_tell(c, i, COL_BIT(COL_MARK));
        ASK("Packet %llu is a retransmission: it begins with the first byte that the %s has not "
            "acknowledged by then. Which sequence number does it carry?",
            P(i), quiz_who[other]);
        EXPLAIN("%lld: so far the %s has acknowledged what is before it (packet %llu).",
                (long long)r->seq, quiz_who[other], P(heard));
        CLAUSE("RFC 6298 5.4");
        question_wrong(
            x, "That is where new data would begin; what is sent again keeps its old number.",
            "%lld", (long long)quiz_end(q, top));
    } else if (keep) {
        if (r->seq != quiz_end(q, top) - 1)
            return false;
        cells_need(c, top, WHOLE);
        cells_tell(c, i, COL_BIT(COL_MARK));
        ASK("Packet %llu only wants an answer: it names the last byte that was acknowledged long "
            "ago, so that the %s must repeat what it expects. "
            "Which sequence number does it carry?",
            P(i), quiz_who[other]);
        EXPLAIN("%lld: one before the next new byte, so it lies outside of the receiver's window, "
                "which must answer.",
                (long long)r->seq);
        CLAUSE("RFC 9293 3.8.4");
        question_wrong(x,
                       "That is where new data would begin: a receiver need not answer an empty "
                       "segment with that number.",
                       "%lld", (long long)quiz_end(q, top));
    } else {
        if (quiz_end(q, top) != r->seq || !occupies(q, last))
            return false;
        how_long(row(q, top), sum, sizeof(sum));
        cells_need(c, top, WHOLE);
        if (r->len > 0 || (r->flags & TCP_FIN))
            ASK("Nothing is sent again in packet %llu: what it carries is new. Which sequence "
                "number does it have?",
                P(i));
        else
            ASK("Packet %llu carries no text. Which sequence number does it have all the same?",
                P(i));
        EXPLAIN("%lld: the %s's last segment, packet %llu, ended there (%s).", (long long)r->seq,
                quiz_who[side], P(top), sum);
        CLAUSE("RFC 9293 3.4");
        question_wrong(x, "That is where the segment before began: this one begins where it ended.",
                       "%lld", (long long)row(q, top)->seq);
        if (quiz_end(q, top) != row(q, top)->seq + row(q, top)->len)
            question_wrong(
                x, "Nearly: SYN and FIN take a sequence number each, as if they were a byte.",
                "%lld", (long long)(row(q, top)->seq + row(q, top)->len));
        question_wrong(x, "That is where this segment ends; its number is that of its first byte.",
                       "%lld", (long long)quiz_end(q, i));
    }
    if (r->flags & TCP_ACK)
        question_wrong(x,
                       "That is the packet's acknowledgment number, which counts the bytes of the "
                       "other direction.",
                       "%lld", (long long)r->ack);
    for (size_t k = i + 1; k < q->nrows; k++) {
        if (row(q, k)->side == side && row(q, k)->seq == r->seq)
            cells_leak(c, k, COL_BIT(COL_SEQ));
        if (row(q, k)->side == other && (row(q, k)->flags & TCP_ACK) &&
            (row(q, k)->ack == r->seq || row(q, k)->ack == quiz_end(q, i)))
            cells_leak(c, k, COL_BIT(COL_ACK));
    }
    c->dull = c->nleak > LEAKS_FEW;
    return true;
}

/* ---- flags ---- */

void quiz_flags_text(uint16_t flags, char dst[48])
{
    static const struct {
        uint16_t bit;
        const char *name;
    } names[] = {{TCP_SYN, "SYN"}, {TCP_FIN, "FIN"}, {TCP_RST, "RST"}, {TCP_PSH, "PSH"},
                 {TCP_ACK, "ACK"}, {TCP_URG, "URG"}, {TCP_ECE, "ECE"}, {TCP_CWR, "CWR"}};
    size_t n = 0;
    dst[0] = '\0';
    for (size_t k = 0; k < sizeof(names) / sizeof(*names); k++)
        if (flags & names[k].bit)
            n += (size_t)snprintf(dst + n, 48 - n, "%s%s", n > 0 ? "," : "", names[k].name);
}

bool quiz_ask_flags(struct quiz *q, size_t i, struct question *x, struct cells *c)
{
    const struct track_row *r = row(q, i);
    int other = 1 - r->side;
    char text[48];
    const char *premise = "", *why;
    uint16_t flags = r->flags & (uint16_t)~TCP_PSH;
    if ((r->marks & (BAD | TRACK_BIT(PROBE) | TRACK_BIT(KEEP_ALIVE))) ||
        (flags & (TCP_URG | TCP_ECE | TCP_CWR | TCP_AE)))
        return false;
    x->form = FORM_FLAGS;
    x->cells = COL_BIT(COL_FLAGS);
    x->ignore = TCP_PSH;
    CLAUSE("RFC 9293 3.1");
    if (flags == TCP_SYN) {
        why = "it opens the connection, and has heard nothing yet that it could acknowledge.";
        CLAUSE("RFC 9293 3.5");
    } else if (flags == (TCP_SYN | TCP_ACK)) {
        cells_need(c, i, COL_BIT(COL_SEQ) | COL_BIT(COL_ACK));
        why = "it opens its own direction and acknowledges the other's SYN.";
        CLAUSE("RFC 9293 3.5");
    } else if (flags & TCP_RST) {
        bool refused = i > 0 && row(q, i - 1)->side == other && row(q, i - 1)->flags == TCP_SYN;
        if (!refused &&
            ((r->marks & TRACK_BIT(RST_OK)) == 0 || r->before[other] == r->after[other]))
            return false; /* what it does is seen by nobody, or it is only challenged */
        premise = refused ? "Nothing listens on that port. "
                          : "After it the connection is gone at once: nothing answers it. ";
        x->ignore |= refused ? 0u : TCP_ACK;
        why = refused ? "a SYN to a closed port is answered with a reset that acknowledges the SYN."
                      : "it resets the connection.";
        CLAUSE("RFC 9293 3.5.2");
    } else if (flags & TCP_FIN) {
        size_t u = i + 1;
        while (u < q->nrows && !(row(q, u)->side == other && (row(q, u)->flags & TCP_ACK) &&
                                 row(q, u)->ack >= quiz_end(q, i)))
            u++;
        if (u == q->nrows || row(q, u)->ack != quiz_end(q, i))
            return false;
        cells_need(c, i, COL_BIT(COL_SEQ) | COL_BIT(COL_LEN) | COL_BIT(COL_ACK));
        cells_need(c, u, COL_BIT(COL_ACK));
        why = "the number that acknowledges it is one more than its text takes: a FIN takes one "
              "too. And all but the first SYN acknowledge.";
        CLAUSE("RFC 9293 3.6");
    } else {
        bool third = i >= 2 && r->len == 0 && row(q, i - 1)->side == other &&
                     (row(q, i - 1)->flags & TCP_SYN);
        c->dull = !third;
        if (flags != TCP_ACK)
            return false;
        cells_need(c, i, COL_BIT(COL_SEQ) | COL_BIT(COL_ACK) | COL_BIT(COL_LEN));
        why = "every segment behind the first SYN acknowledges, and this one does nothing else to "
              "the connection.";
    }
    /* Which of those that end there takes the number for its FIN? The others' flags tell. */
    for (size_t k = 0; k < q->nrows; k++)
        if (k != i && row(q, k)->side == r->side &&
            row(q, k)->seq + row(q, k)->len == r->seq + r->len)
            cells_need(c, k, COL_BIT(COL_FLAGS));
    quiz_flags_text(flags, text);
    question_accept(x, "%s", text);
    ASK("%sWhich flags does packet %llu carry?", premise, P(i));
    EXPLAIN("%s: %s", text, why);
    x->nwrong = 0;
    if (flags & TCP_ACK) {
        quiz_flags_text(flags & (uint16_t)~TCP_ACK, text);
        if (text[0] != '\0')
            question_wrong(x,
                           "One is missing: does it tell its peer nothing about what has arrived?",
                           "%s", text);
    }
    if (flags == TCP_SYN)
        question_wrong(x, "One too many: what could it acknowledge so early?", "SYN,ACK");
    if ((flags & TCP_SYN) == 0)
        question_wrong(x, "A SYN is only the first segment of each direction.", "SYN");
    if (flags & (TCP_SYN | TCP_FIN | TCP_RST))
        question_wrong(
            x, "It does more than acknowledge: look at the sequence numbers before and behind it.",
            "ACK");
    else
        question_wrong(x, "Does the sequence number go on by one behind it, as a FIN makes it do?",
                       "FIN,ACK");
    return true;
}

/* ---- length and window ---- */

bool quiz_ask_len(struct quiz *q, size_t i, struct question *x, struct cells *c)
{
    const struct track_row *r = row(q, i);
    size_t next = i + 1;
    if (r->len == 0 || (r->marks & (BAD | TRACK_BIT(PROBE) | TRACK_BIT(KEEP_ALIVE))))
        return false;
    while (next < q->nrows && row(q, next)->side != r->side)
        next++;
    bool follows = next < q->nrows && row(q, next)->seq == quiz_end(q, i);
    if (!follows) {
        next = i + 1;
        while (next < q->nrows &&
               !(row(q, next)->side != r->side && (row(q, next)->flags & TCP_ACK) &&
                 row(q, next)->ack >= quiz_end(q, i)))
            next++;
        if (next == q->nrows || row(q, next)->ack != quiz_end(q, i))
            return false;
        cells_need(c, next, COL_BIT(COL_ACK));
        ASK("Packet %llu acknowledges exactly packet %llu, with all before it. How many bytes of "
            "text does packet %llu carry?",
            P(next), P(i), P(i));
    } else {
        cells_need(c, next, COL_BIT(COL_SEQ));
        ASK("Packet %llu carries what follows packet %llu, with nothing between. How many bytes of "
            "text does packet %llu carry?",
            P(next), P(i), P(i));
    }
    cells_need(c, i, COL_BIT(COL_SEQ) | COL_BIT(COL_FLAGS));
    x->form = FORM_NUMBER;
    x->cells = COL_BIT(COL_LEN);
    question_accept(x, "%u", r->len);
    EXPLAIN("%u: from %lld to %lld%s.", r->len, (long long)r->seq, (long long)quiz_end(q, i),
            r->flags & TCP_FIN ? ", of which the FIN takes one" : "");
    CLAUSE("RFC 9293 3.4");
    if (quiz_end(q, i) != r->seq + r->len)
        question_wrong(x, "Nearly: one of these numbers is taken by the FIN.", "%lld",
                       (long long)(quiz_end(q, i) - r->seq));
    question_wrong(x, "That is the number where it ends: text is what lies between its two ends.",
                   "%lld", (long long)quiz_end(q, i));
    question_wrong(x, "Headers don't count: this is about text alone.", "%u", r->len + 20);
    question_wrong(x, "Headers don't count: this is about text alone.", "%u", r->len + 32);
    question_wrong(x, "Headers don't count: this is about text alone.", "%u", r->len + 40);
    question_wrong(x, "Nearly: the first byte counts, the one where it ends doesn't.", "%u",
                   r->len - 1);
    for (size_t k = 0; k < q->nrows; k++)
        if (k != i && row(q, k)->side == r->side && row(q, k)->seq == r->seq &&
            row(q, k)->len == r->len)
            cells_leak(c, k, COL_BIT(COL_LEN));
    return true;
}

bool quiz_ask_window(struct quiz *q, size_t i, struct question *x, struct cells *c)
{
    const struct track_row *r = row(q, i);
    const struct track_facts *own = &q->facts[r->side], *peer = &q->facts[1 - r->side];
    bool syn = (r->flags & TCP_SYN) != 0;
    unsigned scale = own->scale > 0 ? (unsigned)own->scale : 0;
    if (!own->syn_seen || !peer->syn_seen || !r->scaled || (r->flags & TCP_RST) ||
        (r->marks & BAD) || own->scale <= 0 || q->row[i].wnd == 0)
        return false;
    c->dull = syn;
    x->form = FORM_NUMBER;
    x->cells = COL_BIT(COL_OFFER);
    cells_need(c, i, COL_BIT(COL_WINDOW) | COL_BIT(COL_FLAGS));
    question_accept(x, "%llu", (unsigned long long)r->window);
    ASK("The window field of packet %llu holds %u. How many bytes does the %s offer to receive "
        "with it?",
        P(i), q->row[i].wnd, quiz_who[r->side]);
    if (syn)
        EXPLAIN("%llu: the window of a SYN is never scaled.", (unsigned long long)r->window);
    else if (peer->scale < 0)
        EXPLAIN("%llu: the %s did not offer to scale, so neither end's window is scaled.",
                (unsigned long long)r->window, quiz_who[1 - r->side]);
    else
        EXPLAIN("%llu: %u shifted left by %u, which the %s announced in its SYN (%u times %u).",
                (unsigned long long)r->window, q->row[i].wnd, scale, quiz_who[r->side],
                q->row[i].wnd, 1u << scale);
    CLAUSE("RFC 7323 2.2");
    question_wrong(x, "That is the bare field. What did the two SYNs agree on?", "%u",
                   q->row[i].wnd);
    if (syn || peer->scale < 0)
        question_wrong(
            x, syn ? "Scaling begins behind the handshake." : "Did both ends offer to scale?",
            "%llu", (unsigned long long)q->row[i].wnd << scale);
    if (peer->scale > 0)
        question_wrong(
            x, "That is the other end's scale: each announces how its own windows are meant.",
            "%llu", (unsigned long long)q->row[i].wnd << peer->scale);
    question_wrong(x, "The scale is a shift: a power of two, not a factor.", "%llu",
                   (unsigned long long)q->row[i].wnd * scale);
    return true;
}

/* ---- what follows from the packets ---- */

static bool shapes_state(const struct track_row *r)
{
    return (r->flags & (TCP_SYN | TCP_FIN | TCP_RST)) != 0 || r->moved[0] != NULL ||
           r->moved[1] != NULL;
}

/* Its FIN and the other's crossed on their way: this one, by its acknowledgment number, had not
 * heard the other. Until it came that couldn't be known, and the end was thought to be in
 * CLOSE-WAIT. The row of it, or QUIZ_NONE. */
static size_t crossed(const struct quiz *q, int who)
{
    for (size_t k = 0; k < q->nrows; k++)
        if (row(q, k)->before[who] == TRACK_CLOSE_WAIT && row(q, k)->after[who] == TRACK_CLOSING)
            return k;
    return QUIZ_NONE;
}

bool quiz_ask_state(struct quiz *q, size_t i, struct question *x, struct cells *c)
{
    const struct track_row *r = row(q, i);
    bool moved[2] = {r->before[0] != r->after[0], r->before[1] != r->after[1]};
    int who = moved[0] == moved[1] ? (int)rng_below(&q->rng, 2) : moved[1];
    size_t at = QUIZ_NONE;
    size_t cross = crossed(q, who);
    if (r->assumed[who] || r->after[who] == TRACK_UNSEEN || (r->marks & BAD) ||
        (cross != QUIZ_NONE && i < cross && r->after[who] == TRACK_CLOSE_WAIT))
        return false;
    c->dull = !moved[0] && !moved[1];
    for (size_t k = 0; k <= i; k++) {
        if (shapes_state(row(q, k)))
            cells_need(c, k,
                       COL_BIT(COL_FLAGS) | COL_BIT(COL_SEQ) | COL_BIT(COL_ACK) | COL_BIT(COL_LEN));
        if (row(q, k)->before[who] != row(q, k)->after[who])
            at = k;
    }
    cells_need(c, i, COL_BIT(COL_FLAGS) | COL_BIT(COL_ACK));
    x->form = FORM_STATE;
    x->cells = COL_BIT(COL_STATE);
    question_accept(x, "%s", track_state_text(r->after[who]));
    ASK("In which state is the %s behind packet %llu?%s", quiz_who[who], P(i),
        cross != QUIZ_NONE && i >= cross ? " (The two FINs crossed on their way.)" : "");
    if (at == QUIZ_NONE)
        EXPLAIN("%s, as before the first packet of the list: nothing has moved it.",
                track_state_text(r->after[who]));
    else if (at == cross)
        EXPLAIN("CLOSING: packet %llu, its FIN, doesn't acknowledge the other's: both had closed "
                "before they heard of it.",
                P(at));
    else
        EXPLAIN("%s: packet %llu moved it there from %s.", track_state_text(r->after[who]), P(at),
                track_state_text(row(q, at)->before[who]));
    CLAUSE(at != QUIZ_NONE && row(q, at)->moved[who] != NULL ? row(q, at)->moved[who]
                                                             : "RFC 9293 3.3.2");
    question_wrong(x, "That is the state it was in before this packet.", "%s",
                   track_state_text(r->before[who]));
    question_wrong(x, "That is the state of the other end.", "%s",
                   track_state_text(r->after[1 - who]));
    if (at != QUIZ_NONE)
        question_wrong(x, "It has been there, and has left it since.", "%s",
                       track_state_text(row(q, at)->before[who]));
    return true;
}

bool quiz_ask_flight(struct quiz *q, size_t i, struct question *x, struct cells *c)
{
    const struct track_row *r = row(q, i);
    int who = r->flight[r->side] > 0 ? r->side : 1 - r->side;
    size_t top = highest(q, i + 1, who), heard = last_ack(q, i + 1, 1 - who);
    int64_t una = 0;
    if (top == QUIZ_NONE || (r->marks & BAD) || (r->flags & TCP_RST) ||
        (!q->begins && heard == QUIZ_NONE))
        return false;
    if (heard != QUIZ_NONE) {
        una = row(q, heard)->ack;
        cells_need(c, heard, COL_BIT(COL_ACK));
    }
    cells_need(c, top, WHOLE);
    if ((int64_t)r->flight[who] != (quiz_end(q, top) > una ? quiz_end(q, top) - una : 0))
        return false;
    c->dull = r->flight[who] == r->len || r->flight[who] <= 1;
    x->form = FORM_NUMBER;
    x->cells = COL_BIT(COL_FLIGHT);
    question_accept(x, "%llu", (unsigned long long)r->flight[who]);
    ASK("How many bytes of the %s are in flight behind packet %llu, sent and not acknowledged?",
        quiz_who[who], P(i));
    EXPLAIN("%llu: packet %llu ends at %lld, and %lld is what the %s acknowledged last%s.",
            (unsigned long long)r->flight[who], P(top), (long long)quiz_end(q, top), (long long)una,
            quiz_who[1 - who], heard == QUIZ_NONE ? " (nothing yet)" : "");
    CLAUSE("RFC 5681 2");
    question_wrong(x, "That is the end of the newest segment: some of it has been acknowledged.",
                   "%lld", (long long)quiz_end(q, top));
    question_wrong(x, "That is the newest packet alone: others are under way too.", "%u", r->len);
    int64_t sum = 0;
    for (size_t k = 0; k <= i; k++)
        if (row(q, k)->side == who && occupies(q, k) && quiz_end(q, k) > una)
            sum += row(q, k)->len;
    question_wrong(x, "What was sent twice counts once here.", "%lld", (long long)sum);
    return true;
}

static void accept_time(struct question *x, int64_t ns)
{
    question_accept(x, "%lld.%03lld ms", (long long)ns / 1000000, (long long)ns / 1000 % 1000);
    x->tolerance = ns / 100 > 50000 ? (uint64_t)ns / 100 : 50000;
}

bool quiz_ask_rtt(struct quiz *q, size_t i, struct question *x, struct cells *c)
{
    const struct track_row *r = row(q, i);
    int other = 1 - r->side;
    size_t last = last_ack(q, i, r->side), from = ends_at(q, i, other, r->ack), first = 0,
           times = 0;
    if ((r->flags & (TCP_ACK | TCP_RST)) != TCP_ACK || (r->marks & BAD) || from == QUIZ_NONE ||
        (last != QUIZ_NONE && row(q, last)->ack >= r->ack))
        return false;
    for (size_t k = 0; k < i; k++) {
        if (row(q, k)->side != other || !occupies(q, k) || quiz_end(q, k) != r->ack)
            continue;
        first = times++ == 0 ? k : first;
        cells_need(c, k, WHOLE | COL_BIT(COL_TIME));
    }
    cells_need(c, i, COL_BIT(COL_ACK) | COL_BIT(COL_TIME));
    x->form = FORM_TIME;
    x->cells = COL_BIT(COL_RTT);
    CLAUSE("RFC 6298 3");
    int64_t since = r->t - row(q, from)->t;
    if (times == 1 && r->rtt > 100000 && since == r->rtt) {
        accept_time(x, r->rtt);
        EXPLAIN("%.3f ms: packet %llu left %.3f ms before, and nothing of it was sent twice.",
                (double)r->rtt / 1e6, P(from), (double)r->rtt / 1e6);
        question_wrong(x, "There is a sample: the segment was sent only once.", "none");
        for (size_t k = from; k-- > 0;) {
            if (row(q, k)->side != other || !occupies(q, k) || row(q, k)->t == row(q, from)->t)
                continue;
            question_wrong(x,
                           "That is the time since an older segment: which one does the "
                           "acknowledgment name the end of?",
                           "%.3f ms", (double)(r->t - row(q, k)->t) / 1e6);
            break;
        }
    } else if (times > 1 && r->rtt < 0 && r->rtt_ts < 0 && r->nsack == 0) {
        question_accept(x, "none");
        question_accept(x, "no sample");
        EXPLAIN("none: packet %llu was sent before, as packet %llu, and nobody can tell which of "
                "them is acknowledged (Karn's algorithm).",
                P(from), P(first));
        question_wrong(x, "Are you sure that it answers this one of the two, and not the other?",
                       "%.3f ms", (double)since / 1e6);
        question_wrong(x, "Are you sure that it answers this one of the two, and not the other?",
                       "%.3f ms", (double)(r->t - row(q, first)->t) / 1e6);
    } else {
        return false;
    }
    ASK("Which sample of the round trip does the acknowledgment in packet %llu give, as seen where "
        "the capture was made? "
        "The connection has no timestamps to tell. If it gives none, answer `none`.",
        P(i));
    if (q->facts[0].timestamps && q->facts[1].timestamps)
        ASK("Which sample of the round trip does the acknowledgment in packet %llu give, as seen "
            "where the capture was made?",
            P(i));
    return true;
}

/* ---- what kind of packet, and what comes next ---- */

static const struct {
    uint64_t bit;
    const char *word, *why;
} kinds[] = {
    {TRACK_BIT(RTX_SYN), "rto", "the SYN again, when its timer had run out"},
    {TRACK_BIT(RTX_RTO), "rto",
     "old data again, after a silence as long as the retransmission timeout"},
    {TRACK_BIT(RTX_FAST), "fast-retransmit",
     "old data again at once, for the receiver had told of what is missing"},
    {TRACK_BIT(RTX_SACK), "recovery", "the next hole, while the loss is still being mended"},
    {TRACK_BIT(RTX_TLP), "tail-loss-probe",
     "the last segment again, before the timeout could run out"},
    {TRACK_BIT(SPURIOUS), "needless", "all of it had been acknowledged already"},
    {TRACK_BIT(OUT_OF_ORDER), "out-of-order", "it was late on its way, and not sent twice"},
    {TRACK_BIT(PROBE), "window-probe", "the window is closed: it asks whether that still holds"},
    {TRACK_BIT(KEEP_ALIVE), "keep-alive",
     "an old byte, after a long silence: is the other end still there?"},
    {TRACK_BIT(DSACK), "d-sack",
     "its first block names what lies below its acknowledgment number: that has come twice"},
    {TRACK_BIT(DUP_ACK), "dup-ack", "it repeats number and window of the one before, with no text"},
    {TRACK_BIT(WINDOW_UPDATE), "window-update", "only its window is new"},
    {TRACK_BIT(ZERO_WINDOW), "zero-window", "its window is closed"},
};

bool quiz_ask_mark(struct quiz *q, size_t i, struct question *x, struct cells *c)
{
    const struct track_row *r = row(q, i);
    const uint32_t all = WHOLE | COL_BIT(COL_ACK) | COL_BIT(COL_WINDOW);
    size_t last = last_ack(q, i, r->side), heard = last_ack(q, i, 1 - r->side),
           top = highest(q, i, r->side);
    const char *why = NULL;
    if ((r->marks & (BAD | TRACK_BIT(LOST_BEFORE) | TRACK_BIT(ACKED_UNSEEN) | TRACK_BIT(RTX) |
                     TRACK_BIT(DUPLICATED))) ||
        (r->flags & TCP_RST))
        return false;
    for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
        if ((r->marks & kinds[k].bit) == 0)
            continue;
        question_accept(x, "%s", kinds[k].word);
        why = why == NULL ? kinds[k].why : why;
    }
    if (why == NULL) {
        bool news = last == QUIZ_NONE || row(q, last)->ack != r->ack;
        if ((r->flags & (TCP_SYN | TCP_FIN)) || (r->len == 0 && !news) || top == QUIZ_NONE ||
            heard == QUIZ_NONE)
            return false;
        c->dull = true;
        question_accept(x, "%s", r->len > 0 ? "new-data" : "ack");
        why = r->len > 0 ? "its number is where the last segment ended"
                         : "it acknowledges what hadn't been acknowledged yet";
    }
    cells_need(c, i, all | COL_BIT(COL_TIME));
    if (last != QUIZ_NONE)
        cells_need(c, last, COL_BIT(COL_ACK) | COL_BIT(COL_WINDOW));
    if (heard != QUIZ_NONE)
        cells_need(c, heard, COL_BIT(COL_ACK) | COL_BIT(COL_WINDOW) | COL_BIT(COL_TIME));
    if (top != QUIZ_NONE)
        cells_need(c, top, WHOLE | COL_BIT(COL_TIME));
    for (size_t k = 0; k < i; k++) {
        if (row(q, k)->number == r->about)
            cells_need(c, k, WHOLE | COL_BIT(COL_ACK) | COL_BIT(COL_TIME));
        if (row(q, k)->side != r->side && row(q, k)->dup > 0 && heard != QUIZ_NONE &&
            row(q, k)->ack == row(q, heard)->ack)
            cells_need(c, k, COL_BIT(COL_ACK));
    }
    x->form = FORM_WORD;
    x->cells = COL_BIT(COL_MARK);
    ASK("What kind of packet is %llu?", P(i));
    EXPLAIN("%s: %s.", x->accepted[0], why);
    CLAUSE(r->clause[0] != '\0' ? r->clause : "RFC 9293 3.4");
    if (r->marks & (TRACK_BIT(RTX_RTO) | TRACK_BIT(RTX_TLP)))
        question_wrong(x, "Had the sender heard three duplicate acknowledgments, or a SACK?",
                       "fast-retransmit");
    if (r->marks & TRACK_BIT(RTX_RTO))
        question_wrong(
            x, "A probe comes sooner than the timeout: two round trips after the last segment.",
            "tail-loss-probe");
    if (r->marks & (TRACK_BIT(RTX_FAST) | TRACK_BIT(RTX_SACK)))
        question_wrong(
            x,
            "The timeout would have been longer: look at the time since the last acknowledgment.",
            "rto");
    if (r->marks & TRACK_BIT(RTX_SACK))
        question_wrong(x, "That was the first one of this recovery.", "fast-retransmit");
    if (r->marks & TRACK_ANY_RTX)
        question_wrong(x, "Its number lies before the end of what had been sent.", "new-data");
    if (r->marks & (TRACK_BIT(DUP_ACK) | TRACK_BIT(WINDOW_UPDATE) | TRACK_BIT(ZERO_WINDOW)))
        question_wrong(x, "Does it acknowledge anything that the one before it didn't?", "ack");
    if (r->marks & TRACK_BIT(WINDOW_UPDATE))
        question_wrong(x, "A duplicate offers the same window too.", "dup-ack");
    if (r->marks & TRACK_BIT(DUP_ACK))
        question_wrong(x, "Has its window changed?", "window-update");
    return true;
}

bool quiz_ask_next(struct quiz *q, size_t i, struct question *x, struct cells *c)
{
    size_t m = i + 1;
    if (m >= q->nrows || row(q, m)->side == row(q, i)->side || (row(q, i)->marks & BAD))
        return false;
    const struct track_row *r = row(q, i), *n = row(q, m);
    const char *premise = "", *clause = "RFC 9293 3.10.7.4", *why;
    bool pure = n->len == 0 && (n->flags & (TCP_SYN | TCP_FIN | TCP_RST | TCP_ACK)) == TCP_ACK;
    x->form = FORM_WORD;
    if (r->flags == TCP_SYN && (n->flags & TCP_SYN) && (n->flags & TCP_ACK)) {
        premise = "A process listens on that port. ";
        question_accept(x, "syn-ack");
        why = "a listener answers a SYN with its own, and acknowledges it";
        clause = "RFC 9293 3.10.7.2";
        question_wrong(x, "The other direction must be opened too.", "ack");
    } else if (r->flags == TCP_SYN && (n->flags & TCP_RST)) {
        premise = "Nothing listens on that port. ";
        question_accept(x, "rst");
        why = "a SYN for a port where nobody listens is refused";
        clause = "RFC 9293 3.10.7.1";
        question_wrong(x, "Who would answer so, if nobody listens?", "syn-ack");
    } else if ((r->flags & TCP_SYN) && (r->flags & TCP_ACK) && pure) {
        question_accept(x, "ack");
        why = "the third step of the handshake acknowledges the SYN of the second";
        clause = "RFC 9293 3.10.7.3";
        question_wrong(x, "Its own direction is open already.", "syn-ack");
    } else if ((r->flags & TCP_FIN) && pure && n->ack == quiz_end(q, i)) {
        premise = "Its application goes on as before. ";
        question_accept(x, "ack");
        why = "a FIN is acknowledged at once; the own direction stays open until the application "
              "closes it";
        question_wrong(
            x, "That would be its application's business: the connection may stay half open.",
            "fin");
    } else if (r->dup == 3 && (n->marks & TRACK_BIT(RTX_FAST))) {
        question_accept(x, "retransmission");
        why = "the third duplicate acknowledgment is taken for a sign of loss (fast retransmit)";
        clause = "RFC 5681 3.2";
        question_wrong(x, "What does the third repetition of an acknowledgment tell a sender?",
                       "data");
    } else if ((n->marks & TRACK_BIT(DUP_ACK)) && r->len > 0 && n->t == r->t) {
        premise = "It arrives while something before it is missing. ";
        question_accept(x, "dup-ack");
        question_accept(x, "ack");
        why = "what comes out of order is answered at once with the number of what is missing";
        clause = "RFC 5681 4.2";
    } else if (r->marks & (TRACK_BIT(PROBE) | TRACK_BIT(KEEP_ALIVE)) && pure) {
        question_accept(x, "ack");
        question_accept(x, "dup-ack");
        why = "a segment outside of the window is answered with an acknowledgment that tells what "
              "is expected";
        question_wrong(x, "It asked for an answer, and need not get text for it.", "data");
    } else {
        return false;
    }
    c->dull = (r->flags & TCP_SYN) != 0; /* and the row that it hides is needed for every state */
    x->hides_row = m;
    x->cells = COL_BIT(COL_FLAGS) | COL_BIT(COL_SEQ) | COL_BIT(COL_ACK) | COL_BIT(COL_LEN) |
               COL_BIT(COL_WINDOW) | COL_BIT(COL_OPTIONS) | COL_BIT(COL_MARK);
    cells_need(c, i, WHOLE | COL_BIT(COL_ACK) | COL_BIT(COL_WINDOW));
    cells_tell(c, i, r->marks & TRACK_BIT(DUP_ACK) ? 0 : COL_BIT(COL_MARK));
    for (size_t k = 0; k < i && r->dup == 3; k++)
        if (row(q, k)->side == r->side && row(q, k)->dup > 0 && row(q, k)->ack == r->ack)
            cells_need(c, k, COL_BIT(COL_ACK));
    ASK("%sWhat does the %s send in answer to packet %llu?", premise, quiz_who[n->side], P(i));
    EXPLAIN("%s: %s.", x->accepted[0], why);
    CLAUSE(clause);
    return true;
}
