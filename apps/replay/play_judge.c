/* replay/play_judge.c: what the stack sent beside what was captured (play.h).
 *
 * Rows stand in a ring in order of time: one for each captured frame of the played side, one for
 * each sent frame that has no twin yet. Those that wait for a twin hang in a hash by what makes
 * frames the same, oldest first, so that the n-th captured frame of a kind is paired with the n-th
 * sent one. A pair is decided at once. What waits is decided when the window has gone past it: when
 * it is older than WINDOW, or the ring is full, or at the end. A sweep then looks, by sequence
 * numbers, at the text of all that have no twin: a captured range that sent ones cover piece by
 * piece was split, or coalesced; and the older half of the ring is decided. Rows are told from the
 * ring's head as far as they are decided.
 */
#include "replay/play_again.h"
#include "replay/play_cause.h"

#include <stdlib.h>

#define ROWS    32768u /* a power of two */
#define WINDOW  (300 * TD_SEC)
#define BUCKETS 8192u
#define NONE    UINT32_MAX

struct entry {
    struct play_row row;
    bool decided, gone;  /* gone: it is in its twin's row */
    uint32_t next, prev; /* in its bucket: places in the ring */
};

struct judge {
    struct play *p;
    struct entry *ring;
    uint64_t head, tail; /* counted on; modulo ROWS their places */
    uint64_t told;       /* the first that hasn't been told */
    uint64_t last;       /* the captured frame given last, +1 */
    struct again again;
    struct causer causer;
    uint32_t first[BUCKETS], final[BUCKETS];
    struct entry *cap[ROWS], *sent[ROWS]; /* of a sweep */
};

struct judge *judge_new(struct play *p)
{
    struct judge *j = calloc(1, sizeof(*j));
    if (j != NULL && (j->ring = calloc(ROWS, sizeof(*j->ring))) == NULL) {
        free(j);
        return NULL;
    }
    if (j == NULL)
        return NULL;
    for (unsigned i = 0; i < BUCKETS; i++)
        j->first[i] = j->final[i] = NONE;
    j->p = p;
    return j;
}

void judge_free(struct judge *j)
{
    if (j != NULL)
        free(j->ring);
    free(j);
}

static struct entry *place(const struct judge *j, uint64_t i)
{
    return &j->ring[i % ROWS];
}

static const struct play_frame *frame_of(const struct entry *e)
{
    return e->row.captured.number > 0 ? &e->row.captured : &e->row.sent;
}

/* ---- twins ---- */

static bool same(const struct play_frame *a, const struct play_frame *b)
{
    return a->seq == b->seq && a->text == b->text && a->flags == b->flags && a->ack == b->ack &&
           a->kinds == b->kinds;
}

/* Captured and sent ones hang apart: there may be many of one kind that are all the same. */
static uint32_t bucket(const struct play_frame *f, bool captured)
{
    uint64_t h = (uint64_t)f->seq << 32 | f->ack;
    h ^= (uint64_t)f->text << 20 ^ (uint64_t)f->flags << 8 ^ f->kinds ^ (uint64_t)captured << 27;
    return (uint32_t)(h * UINT64_C(0x9e3779b97f4a7c15) >> 40) % BUCKETS;
}

static void hang(struct judge *j, struct entry *e)
{
    uint32_t b = bucket(frame_of(e), e->row.captured.number > 0), at = (uint32_t)(e - j->ring);
    e->next = NONE;
    e->prev = j->final[b];
    if (e->prev != NONE)
        j->ring[e->prev].next = at;
    else
        j->first[b] = at;
    j->final[b] = at;
}

static void unhang(struct judge *j, const struct entry *e)
{
    uint32_t b = bucket(frame_of(e), e->row.captured.number > 0);
    if (e->prev != NONE)
        j->ring[e->prev].next = e->next;
    else
        j->first[b] = e->next;
    if (e->next != NONE)
        j->ring[e->next].prev = e->prev;
    else
        j->final[b] = e->prev;
}

/* The oldest of the other kind that is the same and waits. */
static struct entry *twin(const struct judge *j, const struct play_frame *f)
{
    for (uint32_t at = j->first[bucket(f, f->number == 0)]; at != NONE; at = j->ring[at].next) {
        struct entry *e = &j->ring[at];
        if ((e->row.captured.number > 0) != (f->number > 0) && same(frame_of(e), f))
            return e;
    }
    return NULL;
}

static void pair(struct play_row *row, const struct play_frame *sent)
{
    const struct play_frame *cap = &row->captured;
    row->sent = *sent;
    row->was_sent = true;
    if (sent->at > cap->left + PLAY_TOLERANCE)
        row->verdict = PLAY_LATER;
    else
        row->verdict = sent->at + PLAY_TOLERANCE < cap->left ? PLAY_EARLIER : PLAY_SAME;
}

/* ---- text ---- */

/* From `base` on: seq_lt alone is no order for numbers that lie all around the circle. */
static int by_seq(const void *x, const void *y, void *base)
{
    const struct entry *a = *(struct entry *const *)x, *b = *(struct entry *const *)y;
    const struct play_frame *f = frame_of(a), *g = frame_of(b);
    uint32_t m = f->seq - *(const tcp_seq *)base, n = g->seq - *(const tcp_seq *)base;
    if (m != n)
        return m < n ? -1 : 1;
    return (f->at > g->at) - (f->at < g->at);
}

static tcp_seq end_of(const struct play_frame *f)
{
    return f->seq + f->text;
}

/* Of those without twin: does the text of one lie in several, or the other way round? */
static void judge_text(struct entry **cap, size_t ncap, struct entry **sent, size_t nsent)
{
    size_t j = 0;
    for (size_t i = 0; i < ncap; i++) {
        struct play_row *row = &cap[i]->row;
        const struct play_frame *c = &row->captured;
        while (j < nsent && seq_le(end_of(frame_of(sent[j])), c->seq))
            j++;
        for (size_t k = j; k < nsent && k < j + 64 && seq_lt(frame_of(sent[k])->seq, end_of(c));
             k++) {
            const struct play_frame *s = &sent[k]->row.sent;
            if (seq_le(end_of(s), c->seq))
                continue;
            bool within = seq_ge(s->seq, c->seq) && seq_le(end_of(s), end_of(c));
            uint8_t v = within && s->text < c->text ? PLAY_SPLIT : PLAY_COALESCED;
            if (s->text == c->text && s->seq == c->seq) { /* with other flags or another
                                                             acknowledgement: missing, and extra */
                bool both = row->cause == CAUSE_NONE && sent[k]->row.cause == CAUSE_NONE;
                if (both)
                    row->cause = sent[k]->row.cause = (uint8_t)cause_of_pair(c, s);
                continue;
            }
            if (!row->was_sent) {
                row->verdict = v;
                row->sent = *s;
                row->was_sent = true;
            }
            sent[k]->row.verdict = v;
        }
    }
}

/* Decides all before `until`. */
static void sweep(struct judge *j, uint64_t until)
{
    size_t nc = 0, ns = 0;
    for (uint64_t i = j->told; i < j->tail; i++) {
        struct entry *e = place(j, i);
        if (e->decided || frame_of(e)->text == 0)
            continue;
        if (e->row.captured.number > 0)
            j->cap[nc++] = e;
        else
            j->sent[ns++] = e;
    }
    const struct entry *any = nc > 0 ? j->cap[0] : ns > 0 ? j->sent[0] : NULL;
    tcp_seq base = any != NULL ? frame_of(any)->seq - 0x80000000u : 0;
    qsort_r(j->cap, nc, sizeof(*j->cap), by_seq, &base);
    qsort_r(j->sent, ns, sizeof(*j->sent), by_seq, &base);
    judge_text(j->cap, nc, j->sent, ns);
    for (uint64_t i = j->told; i < until; i++) {
        struct entry *e = place(j, i);
        if (!e->decided)
            unhang(j, e);
        e->decided = true;
    }
}

/* ---- rows ---- */

static void tell(struct judge *j)
{
    struct play *p = j->p;
    for (; j->told < j->tail && place(j, j->told)->decided; j->told++) {
        struct entry *e = place(j, j->told);
        struct play_row *row = &e->row;
        /* What leaves behind the end of the capture nobody can judge. */
        if (e->gone ||
            (row->captured.number == 0 && (row->verdict != PLAY_EXTRA || row->sent.at > p->end)))
            continue;
        cause_row(&j->causer, p, row);
        p->count[row->verdict]++;
        if (row->verdict != PLAY_SAME && !p->diverged) {
            p->diverged = true;
            p->first = *row;
        }
        if (p->row != NULL)
            p->row(p->row_ctx, row);
    }
}

static struct entry *add(struct judge *j)
{
    if (j->tail - j->told == ROWS) {
        sweep(j, j->told + ROWS / 2);
        tell(j);
    }
    if (j->tail - j->head == ROWS)
        j->head++; /* it was told */
    struct entry *e = place(j, j->tail++);
    *e = (struct entry){.next = NONE, .prev = NONE};
    return e;
}

/* Puts an entry into another place of the ring; in its bucket it stays where it is. */
static void move(struct judge *j, const struct entry *from, struct entry *to)
{
    uint32_t b = bucket(frame_of(from), from->row.captured.number > 0),
             at = (uint32_t)(to - j->ring);
    *to = *from;
    if (from->decided)
        return;
    *(to->prev != NONE ? &j->ring[to->prev].next : &j->first[b]) = at;
    *(to->next != NONE ? &j->ring[to->next].prev : &j->final[b]) = at;
}

/* A new place for what was captured at this time: before what was sent then already. */
static struct entry *add_captured(struct judge *j, td_time at)
{
    struct entry *e = add(j);
    j->last = j->tail;
    for (; j->last - 1 > j->told; j->last--) {
        struct entry *before = place(j, j->last - 2);
        if (before->row.captured.number > 0 || before->row.sent.at < at)
            break;
        move(j, before, e);
        e = before;
    }
    *e = (struct entry){.next = NONE, .prev = NONE};
    return e;
}

static void take_captured(struct judge *j, const struct play_frame *f)
{
    struct entry *e = add_captured(j, f->left), *s = twin(j, f);
    e->row.captured = *f;
    e->row.verdict = PLAY_MISSING;
    if (s == NULL) {
        hang(j, e);
        return;
    }
    pair(&e->row, &s->row.sent);
    unhang(j, s);
    s->gone = s->decided = e->decided = true;
}

void judge_captured(struct judge *j, const struct play_frame *f)
{
    struct play_frame kept = *f;
    kept.left = f->left != 0 ? f->left : f->at;
    kept.again = again_frame(&j->again, j->p, f, false);
    take_captured(j, &kept);
}

void judge_sent(struct judge *j, const struct play_frame *frame)
{
    struct play_frame kept = *frame, *f = &kept;
    kept.again = again_frame(&j->again, j->p, frame, true);
    struct entry *c = twin(j, f);
    if (c != NULL) {
        pair(&c->row, f);
        unhang(j, c);
        c->decided = true;
        return;
    }
    struct entry *e = add(j);
    e->row.sent = *f;
    e->row.was_sent = true;
    e->row.verdict = PLAY_EXTRA;
    hang(j, e);
}

void judge_sight(struct judge *j, const struct play_sight *s)
{
    if (j->last > j->told)
        place(j, j->last - 1)->row.sight = *s;
}

void judge_pass(struct judge *j, td_time now)
{
    tell(j);
    if (j->told == j->tail || frame_of(place(j, j->told))->at + WINDOW > now)
        return;
    uint64_t until = j->told;
    while (until < j->tail && frame_of(place(j, until))->at + WINDOW / 2 <= now)
        until++;
    sweep(j, until);
    tell(j);
}

void judge_end(struct judge *j)
{
    sweep(j, j->tail);
    tell(j);
}

const struct play_row *judge_look(const struct judge *j, uint64_t number)
{
    for (uint64_t i = j->tail; i > j->head; i--) {
        const struct play_row *row = &place(j, i - 1)->row;
        if (row->captured.number == number)
            return row;
        if (row->captured.number > 0 && row->captured.number < number)
            break; /* they stand in their order */
    }
    return NULL;
}
