/* tcp/reasm.c: the reassembler: an organ, of tapdeck/reassembly.h and nothing else.
 *
 * Theory of operation. The pieces are kept as they came, in one list, sorted by sequence number and
 * without overlaps: of a new piece only what isn't held yet is kept, except that it takes the place
 * of those it covers wholly.
 *
 * The list is searched by runs, pieces without a gap between them, because there are as many runs
 * as holes, and holes are few. A run's first piece knows its last one and the first of the next
 * run:
 *
 *      first ──► A ─next─► B ─next─► C         D ─next─► E
 *                └──────── last ─────┘  hole   └─ last ──┘
 *                └────────────── next run ─────┘
 *
 * A search begins where the last one ended, which is one step for segments that come in order
 * behind a hole. A sender who makes holes on purpose (CVE-2018-5390) meets RUNS_MAX: text that
 * would begin another run isn't held.
 */
#include "tapdeck/reassembly.h"

#define RUNS_MAX 512u

extern const struct td_reassembly_ops tcp_reassembly_runs;

struct runs {
    struct td_piece *first; /* of all pieces, and of the lowest run */
    struct td_piece *hint;  /* the run inserted into last: the next segment usually follows it */
    uint32_t count;         /* of runs */
};

static struct td_piece *run_last(const struct td_piece *run)
{
    return run->mine[0];
}

static struct td_piece *run_next(const struct td_piece *run)
{
    return run->mine[1];
}

static void run_set(struct td_piece *run, struct td_piece *last, struct td_piece *next)
{
    run->mine[0] = last;
    run->mine[1] = next;
}

static uint32_t run_end(const struct td_piece *run)
{
    return td_piece_end(run_last(run));
}

/* The last run that begins at or before seq; NULL = none. */
static struct td_piece *run_before(const struct runs *o, uint32_t seq)
{
    struct td_piece *r = o->hint != NULL && !td_seq_before(seq, o->hint->seq) ? o->hint : o->first;
    if (r == NULL || td_seq_before(seq, r->seq)) {
        return NULL;
    }
    while (run_next(r) != NULL && !td_seq_before(seq, run_next(r)->seq)) {
        r = run_next(r);
    }
    return r;
}

static bool runs_range(const struct td_reassembly *r, uint32_t seq, struct td_range *out)
{
    const struct runs *o = r->state;
    const struct td_piece *run = run_before(o, seq);
    if (run == NULL || td_seq_before(run_end(run), seq)) {
        run = run != NULL ? run_next(run) : o->first;
    }
    if (run == NULL) {
        return false;
    }
    *out = (struct td_range){run->seq, run_end(run)};
    return true;
}

/* Frees the pieces of a run; how many bytes they held. */
static uint32_t run_free(struct td_reassembly *r, struct td_piece *run)
{
    struct runs *o = r->state;
    uint32_t bytes = run_end(run) - run->seq;
    struct td_piece *last = run_last(run);
    for (struct td_piece *p = run, *next; p != NULL; p = next) {
        next = p == last ? NULL : p->next;
        r->host->free(r, p);
    }
    o->count--;
    return bytes;
}

static int64_t runs_insert(struct td_reassembly *r, struct td_piece *p)
{
    struct runs *o = r->state;
    struct td_piece *before = run_before(o, p->seq);
    if (before != NULL && td_seq_before(p->seq, run_end(before))) { /* the front is there already */
        uint32_t have = run_end(before) - p->seq;
        if (have >= p->len) {
            r->host->free(r, p);
            return 0;
        }
        r->host->trim_front(r, p, have);
    }
    bool joins = before != NULL && run_end(before) == p->seq;
    if (!joins && o->count >= RUNS_MAX) {
        r->host->free(r, p);
        return TD_REASSEMBLY_REFUSED;
    }

    /* The runs behind: what p covers wholly it replaces, where it reaches into one it gives way. */
    struct td_piece *n = before != NULL ? run_next(before) : o->first;
    uint32_t fresh = p->len;
    while (n != NULL && td_seq_before(n->seq, td_piece_end(p))) {
        if (td_seq_before(td_piece_end(p), run_end(n))) {
            uint32_t over = td_piece_end(p) - n->seq;
            fresh -= over;
            r->host->trim_back(r, p, over);
            break;
        }
        struct td_piece *after = run_next(n);
        fresh -= run_free(r, n);
        n = after;
    }

    p->next = n;
    if (before != NULL) {
        run_last(before)->next = p;
    } else {
        o->first = p;
    }
    if (joins) {
        run_set(before, p, n);
    } else {
        run_set(p, p, n);
        o->count++;
        if (before != NULL) {
            run_set(before, run_last(before), p);
        }
        before = p;
    }
    if (n != NULL && td_piece_end(p) == n->seq) { /* no gap left between the two */
        run_set(before, run_last(n), run_next(n));
        o->count--;
    }
    o->hint = before;
    return fresh;
}

static struct td_piece *runs_take(struct td_reassembly *r, uint32_t rcv_nxt)
{
    struct runs *o = r->state;
    struct td_piece *p = o->first;
    if (p == NULL || td_seq_before(rcv_nxt, p->seq)) {
        return NULL;
    }
    if (run_last(p) == p) {
        o->first = run_next(p);
        o->hint = o->hint == p ? NULL : o->hint;
        o->count--;
    } else { /* the run begins with the next piece now */
        o->first = p->next;
        run_set(o->first, run_last(p), run_next(p));
        o->hint = o->hint == p ? o->first : o->hint;
    }
    return p;
}

static void runs_clear(struct td_reassembly *r)
{
    struct runs *o = r->state;
    while (o->first != NULL) {
        struct td_piece *p = o->first;
        o->first = p->next;
        r->host->free(r, p);
    }
    o->hint = NULL;
    o->count = 0;
}

const struct td_reassembly_ops tcp_reassembly_runs = {
    .name = "runs",
    .doc = "pieces as they came, searched by runs without a gap",
    .state_size = sizeof(struct runs),
    .insert = runs_insert,
    .take = runs_take,
    .range = runs_range,
    .clear = runs_clear,
};
