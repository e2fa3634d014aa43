/* tcp/reasm.c: the receive queue and what waits beyond a hole.
 *
 * Theory of operation. Text that arrives in order is queued as the packets it came in, without a
 * copy; the user's RECEIVE copies it out once. Text beyond a hole (RFC 9293 SHLD-31) waits in a
 * second list, sorted by sequence number and without overlaps: of a new segment only what isn't
 * held yet is kept, except that it takes the place of those it covers wholly. What is in the first
 * queue is never touched again.
 *
 *      copied_seq           rcv_nxt
 *        ├── queue: pkt pkt pkt ┤  hole  ├ pkt pkt ┤ hole ├ pkt ┤
 *
 * A packet costs more memory than its text, and a sender of tiny segments could make us hold many
 * times the window it was given. So a small segment is copied into the free end of the packet
 * before it, and the memory of both lists is counted (truesize) for the window.
 *
 * The second list is searched by runs, packets without a gap between them, because there are as
 * many runs as holes, and holes are few: a search begins where the last one ended, which is one
 * step for segments that come in order behind a hole. A sender who makes holes on purpose
 * (CVE-2018-5390) meets RUNS_MAX: text that would begin another run isn't held.
 */
#include "tcp/tcp_internal.h"

#define COALESCE_MAX  512u  /* text that is rather copied than kept in a packet of its own */
#define COALESCE_ROOM 4096u /* the packet made to collect such text */
#define RUNS_MAX      512u

static tcp_seq pkt_seq(const struct pkt *p)
{
    return (tcp_seq)p->cb[0];
}

static tcp_seq pkt_end(const struct pkt *p)
{
    return (tcp_seq)p->cb[0] + p->len;
}

void rcvbuf_init(struct rcvbuf *b)
{
    pkt_queue_init(&b->q);
    b->ooo = b->ooo_hint = NULL;
    b->ooo_count = b->ooo_runs = b->refused = 0;
    b->truesize = 0;
}

void rcvbuf_drop_ooo(struct rcvbuf *b)
{
    while (b->ooo != NULL) {
        struct pkt *p = b->ooo;
        b->ooo = p->next;
        b->truesize -= p->truesize;
        pkt_free(p);
    }
    b->ooo_hint = NULL;
    b->ooo_count = b->ooo_runs = 0;
}

void rcvbuf_clear(struct rcvbuf *b)
{
    rcvbuf_drop_ooo(b);
    rcvbuf_drop_queue(b);
}

uint32_t rcvbuf_drop_queue(struct rcvbuf *b)
{
    uint32_t bytes = (uint32_t)b->q.bytes;
    for (const struct pkt *p = b->q.head; p != NULL; p = p->next) {
        b->truesize -= p->truesize;
    }
    pkt_queue_clear(&b->q);
    return bytes;
}

static struct pkt *queue_last(struct pkt_queue *q)
{
    return q->head == NULL ? NULL : container_of(q->tail, struct pkt, next);
}

static uint32_t pkt_tailroom(const struct pkt *p)
{
    if (p->nslices > 0 || p->head == NULL || p->head->refs > 1 || p->refs > 1) {
        return 0;
    }
    size_t used = (size_t)(p->data - p->head->bytes) + p->head_len;
    return used < p->head->size ? (uint32_t)(p->head->size - used) : 0;
}

/* Copies p's text behind that of `last`, which has room for it. */
static bool coalesce(struct rcvbuf *b, struct pkt *last, const struct pkt *p)
{
    uint32_t n = p->len;
    uint32_t before = last->truesize;
    uint8_t *dst = pkt_put(last, n);
    if (dst == NULL) {
        return false;
    }
    (void)pkt_read(p, 0, dst, n);
    b->truesize += last->truesize - before;
    b->q.bytes += n;
    return true;
}

void rcvbuf_append(struct rcvbuf *b, struct pkt *p, tcp_seq seq)
{
    struct pkt *last = queue_last(&b->q);
    if (p->len <= COALESCE_MAX && last != NULL) {
        if (pkt_tailroom(last) >= p->len && coalesce(b, last, p)) {
            pkt_free(p);
            return;
        }
        if (last->len <= COALESCE_MAX) { /* the second small one in a row */
            struct pkt *c = pkt_alloc(p->mem, 0, COALESCE_ROOM);
            if (c != NULL) {
                c->tstamp = p->tstamp;
                c->cb[0] = seq;
                pkt_queue_push(&b->q, c);
                b->truesize += c->truesize;
                if (coalesce(b, c, p)) {
                    pkt_free(p);
                    return;
                }
            }
        }
    }
    p->cb[0] = seq;
    b->truesize += p->truesize;
    pkt_queue_push(&b->q, p);
}

/* ---- beyond the hole ---- */

/* A run is packets without a gap between them. Its first packet knows its last one and the next
 * run. */
static struct pkt *run_last(const struct pkt *run)
{
    return (struct pkt *)(uintptr_t)run->cb[1];
}

static struct pkt *run_next(const struct pkt *run)
{
    return (struct pkt *)(uintptr_t)run->cb[2];
}

static void run_set(struct pkt *run, const struct pkt *last, const struct pkt *next)
{
    run->cb[1] = (uintptr_t)last;
    run->cb[2] = (uintptr_t)next;
}

static tcp_seq run_end(const struct pkt *run)
{
    return pkt_end(run_last(run));
}

/* The last run that begins at or before seq; NULL = none. */
static struct pkt *run_before(const struct rcvbuf *b, tcp_seq seq)
{
    struct pkt *r = b->ooo_hint != NULL && seq_le(pkt_seq(b->ooo_hint), seq) ? b->ooo_hint : b->ooo;
    if (r == NULL || seq_gt(pkt_seq(r), seq)) {
        return NULL;
    }
    while (run_next(r) != NULL && seq_le(pkt_seq(run_next(r)), seq)) {
        r = run_next(r);
    }
    return r;
}

/* Takes the packets of a run off the list's books and frees them; how many bytes they held. */
static uint32_t run_free(struct rcvbuf *b, struct pkt *run)
{
    uint32_t bytes = run_end(run) - pkt_seq(run);
    struct pkt *last = run_last(run);
    for (struct pkt *p = run, *next; p != NULL; p = next) {
        next = p == last ? NULL : p->next;
        b->ooo_count--;
        b->truesize -= p->truesize;
        pkt_free(p);
    }
    b->ooo_runs--;
    return bytes;
}

bool rcvbuf_run(const struct rcvbuf *b, tcp_seq seq, struct tcp_sack_block *run)
{
    const struct pkt *r = run_before(b, seq);
    if (r == NULL || seq_lt(run_end(r), seq)) {
        return false;
    }
    *run = (struct tcp_sack_block){pkt_seq(r), run_end(r)};
    return true;
}

bool rcvbuf_held(const struct rcvbuf *b, tcp_seq seq, uint32_t len, struct tcp_sack_block *part)
{
    const struct pkt *r = run_before(b, seq);
    tcp_seq end = seq + len;
    if (r == NULL || seq_le(run_end(r), seq)) {
        r = r != NULL ? run_next(r) : b->ooo;
        if (r == NULL || seq_ge(pkt_seq(r), end)) {
            return false;
        }
        seq = pkt_seq(r);
    }
    *part = (struct tcp_sack_block){seq, seq_lt(run_end(r), end) ? run_end(r) : end};
    return true;
}

uint32_t rcvbuf_insert(struct rcvbuf *b, struct pkt *p, tcp_seq seq)
{
    struct pkt *r = run_before(b, seq);
    if (r != NULL && seq_gt(run_end(r), seq)) { /* the front is there already */
        uint32_t have = run_end(r) - seq;
        if (have >= p->len) {
            pkt_free(p);
            return 0;
        }
        (void)pkt_pull(p, have);
        seq += have;
    }
    bool joins = r != NULL && run_end(r) == seq;
    if (!joins && b->ooo_runs >= RUNS_MAX) {
        b->refused++;
        pkt_free(p);
        return 0;
    }
    p->cb[0] = seq;

    /* The runs behind: what p covers wholly it replaces, where it reaches into one it gives way. */
    struct pkt *n = r != NULL ? run_next(r) : b->ooo;
    uint32_t fresh = p->len;
    while (n != NULL && seq_lt(pkt_seq(n), pkt_end(p))) {
        if (seq_gt(run_end(n), pkt_end(p))) {
            fresh -= pkt_end(p) - pkt_seq(n);
            pkt_trim(p, pkt_seq(n) - seq);
            break;
        }
        struct pkt *after = run_next(n);
        fresh -= run_free(b, n);
        n = after;
    }

    b->ooo_count++;
    b->truesize += p->truesize;
    p->next = n;
    if (r != NULL) {
        run_last(r)->next = p;
    } else {
        b->ooo = p;
    }
    if (joins) {
        run_set(r, p, n);
    } else {
        run_set(p, p, n);
        b->ooo_runs++;
        if (r != NULL) {
            run_set(r, run_last(r), p);
        }
        r = p;
    }
    if (n != NULL && pkt_end(p) == pkt_seq(n)) { /* no gap left between the two */
        run_set(r, run_last(n), run_next(n));
        b->ooo_runs--;
    }
    b->ooo_hint = r;
    return fresh;
}

uint32_t rcvbuf_advance(struct rcvbuf *b, tcp_seq rcv_nxt)
{
    uint32_t gained = 0;
    while (b->ooo != NULL && seq_le(pkt_seq(b->ooo), rcv_nxt)) {
        struct pkt *run = b->ooo, *last = run_last(run);
        b->ooo = run_next(run);
        b->ooo_runs--;
        if (b->ooo_hint == run) {
            b->ooo_hint = NULL;
        }
        for (struct pkt *p = run, *next; p != NULL; p = next) {
            next = p == last ? NULL : p->next;
            b->ooo_count--;
            b->truesize -= p->truesize;
            p->next = NULL;
            uint32_t have = rcv_nxt - pkt_seq(p);
            if (have >= p->len) {
                pkt_free(p);
                continue;
            }
            (void)pkt_pull(p, have);
            uint32_t fresh = p->len;
            rcvbuf_append(b, p, rcv_nxt);
            rcv_nxt += fresh;
            gained += fresh;
        }
    }
    return gained;
}
