/* tcp/txq.c: a record for each segment in flight.
 *
 * Theory of operation. A sender has to know when each segment left, whether it was sent again, and
 * what the peer said about it. The records stand in a ring in the order of their sequence numbers,
 * without gaps: each begins where the one before it ends, the first at SND.UNA, the last ends where
 * sending goes on. So a sequence number is found by binary search, and a record has a number that
 * stays its own while the ring grows.
 *
 *      first                                                      end
 *        │ SACKED? LOST? RETRANS? EVER? …                          │
 *        ├──────┬──────┬──────┬──────┬──────┬──────┬──────┬────────┤
 *     SND.UNA                                                   rtx_nxt
 *
 * A second order is that of time: RACK asks which segments left before a given one. It is a list
 * through the same records; what is sent again moves to its end. Segments that are SACKED, or LOST
 * and not sent again yet, aren't in it, because nobody waits for them.
 *
 * A record is what was sent at once, at most one MSS. SACK never splits one: a peer that reports
 * parts of segments would else make us keep as many pieces as it likes (CVE-2019-11477, -11478). A
 * partly reported segment counts as not reported. Only when the MSS shrinks are records cut, all of
 * them together, and when small ones are sent again they are joined. The peer can't make the walk
 * over SACKed runs long either: a SACKED record says where to look on, and each look shortens the
 * way (the path compression of union-find).
 *
 * The whole is allocated when the first segment leaves and freed when nothing is in flight: an idle
 * connection has only the pointer.
 */
#include "tcp/xmit.h"

#include <errno.h>
#include <string.h>

/* ---- counts ---- */

static void add(struct txcount *c, const struct txseg *x)
{
    c->segs++;
    c->bytes += x->len;
}

static void sub(struct txcount *c, const struct txseg *x)
{
    c->segs--;
    c->bytes -= x->len;
}

uint32_t tcp_pipe_units(const struct tcb *t)
{
    const struct txq *q = t->txq;
    if (q == NULL) {
        return 0;
    }
    uint32_t left = txcount_units(q, &q->sacked) + txcount_units(q, &q->lost);
    if (q->dup_sacked > 0) {
        left += q->by_segments ? q->dup_sacked : q->dup_sacked * t->mss;
    }
    uint32_t in = txcount_units(q, &q->out) + txcount_units(q, &q->retrans);
    return in > left ? in - left : 0;
}

uint32_t tcp_pipe_bytes(const struct tcb *t)
{
    return tcp_pipe_units(t) * tcp_unit(t);
}

uint32_t tcp_out_bytes(const struct tcb *t)
{
    return t->txq != NULL ? txcount_units(t->txq, &t->txq->out) * tcp_unit(t) : 0;
}

struct tcp_inflight tcp_inflight(const struct tcb *t)
{
    const struct txq *q = t->txq;
    if (q == NULL) { /* a SYN, or the octet of a window probe */
        return (struct tcp_inflight){.unacked = t->snd_nxt != t->snd_una};
    }
    return (struct tcp_inflight){.unacked = q->out.segs,
                                 .sacked = q->sacked.segs + q->dup_sacked,
                                 .lost = q->lost.segs,
                                 .retrans = q->retrans.segs};
}

/* ---- the ring ---- */

static void ring_free(struct td_stack *st, struct txq *q)
{
    if (q->ring != q->inline_ring) {
        mem_free(&st->mem, MEM_TCP, q->ring, q->cap * sizeof *q->ring);
    }
}

static int ring_resize(struct td_stack *st, struct txq *q, uint32_t cap)
{
    struct txseg *ring = mem_alloc_raw(&st->mem, MEM_TCP, cap * sizeof *ring);
    if (ring == NULL) {
        return -ENOMEM;
    }
    for (uint32_t n = q->first; n != q->end; n++) {
        ring[n & (cap - 1)] = *txq_at(q, n);
    }
    ring_free(st, q);
    q->ring = ring;
    q->cap = cap;
    return 0;
}

static int txq_new(struct td_stack *st, struct tcb *t)
{
    const struct td_loss_ops *ops = tcp_loss_choose(st, t);
    struct txq *q = mem_alloc(&st->mem, MEM_TCP, sizeof *q + ops->state_size);
    if (q == NULL) {
        return -ENOMEM;
    }
    q->ring = q->inline_ring;
    q->cap = TXQ_INLINE;
    q->by_segments = knob(st, TCP_CWND_SEGMENTS) != 0;
    q->tlp_sampled = true;
    t->txq = q;
    tcp_loss_init(st, t, ops);
    return 0;
}

void txq_free(struct td_stack *st, struct tcb *t)
{
    if (t->txq != NULL) {
        ring_free(st, t->txq);
        mem_free(&st->mem, MEM_TCP, t->txq, sizeof *t->txq + t->txq->loss.ops->state_size);
        t->txq = NULL;
    }
}

void txq_idle(struct td_stack *st, struct tcb *t)
{
    struct txq *q = t->txq;
    if (!txq_empty(q) || q == NULL) {
        return;
    }
    if (t->ca_state == TCPE_OPEN && !q->undo && !q->tlp_out) {
        txq_free(st, t);
    } else if (q->ring != q->inline_ring) {
        ring_free(st, q);
        q->ring = q->inline_ring;
        q->cap = TXQ_INLINE;
    }
}

int txq_reserve(struct td_stack *st, struct tcb *t)
{
    if (t->txq == NULL) {
        return txq_new(st, t);
    }
    struct txq *q = t->txq;
    return q->end - q->first < q->cap ? 0 : ring_resize(st, q, q->cap * 2);
}

/* ---- the list by time ---- */

static void list_last(struct txq *q, uint32_t n)
{
    struct txseg *x = txq_at(q, n);
    x->newer = n;
    x->older = q->listed > 0 ? q->newest : n;
    if (q->listed > 0) {
        txq_at(q, q->newest)->newer = n;
    } else {
        q->oldest = n;
    }
    q->newest = n;
    q->listed++;
    x->marks |= TXS_LISTED;
}

void txq_unlist(struct txq *q, uint32_t n)
{
    struct txseg *x = txq_at(q, n);
    if ((x->marks & TXS_LISTED) == 0) {
        return;
    }
    if (q->loss.marked && q->loss.mark == n) {
        q->loss.marked = x->older != n;
        q->loss.mark = x->older;
    }
    if (x->older != n) {
        txq_at(q, x->older)->newer = x->newer != n ? x->newer : x->older;
    } else if (x->newer != n) {
        q->oldest = x->newer;
    }
    if (x->newer != n) {
        txq_at(q, x->newer)->older = x->older != n ? x->older : x->newer;
    } else if (x->older != n) {
        q->newest = x->older;
    }
    q->listed--;
    x->marks &= (uint8_t)~TXS_LISTED;
}

/* ---- in and out ---- */

void txq_push(struct td_stack *st, struct tcb *t, tcp_seq seq, uint32_t len, uint8_t marks,
              bool joined)
{
    struct txq *q = t->txq;
    uint32_t n = q->end++;
    struct txseg *x = txq_at(q, n);
    *x = (struct txseg){.sent = st->now,
                        .seq = seq,
                        .len = (uint16_t)len,
                        .marks = marks,
                        .joined = joined,
                        .delivered = t->delivered};
    q->longest = txseg_text(x) > q->longest ? txseg_text(x) : q->longest;
    add(&q->out, x);
    list_last(q, n);
}

void txq_touch(struct td_stack *st, struct tcb *t, uint32_t n)
{
    struct txseg *x = txq_at(t->txq, n);
    txq_unlist(t->txq, n);
    x->sent = st->now;
    x->delivered = t->delivered;
    x->marks |= TXS_EVER;
    list_last(t->txq, n);
}

static bool waits(const struct txseg *x) /* to be sent again */
{
    return (x->marks & (TXS_LOST | TXS_RETRANS)) == TXS_LOST;
}

static void uncount(struct txq *q, const struct txseg *x)
{
    sub(&q->out, x);
    if ((x->marks & TXS_SACKED) != 0) {
        sub(&q->sacked, x);
    }
    if ((x->marks & TXS_LOST) != 0) {
        sub(&q->lost, x);
    }
    if ((x->marks & TXS_RETRANS) != 0) {
        sub(&q->retrans, x);
    }
    q->waiting -= waits(x);
}

static void recount(struct txq *q, const struct txseg *x)
{
    add(&q->out, x);
    if ((x->marks & TXS_SACKED) != 0) {
        add(&q->sacked, x);
    }
    if ((x->marks & TXS_LOST) != 0) {
        add(&q->lost, x);
    }
    if ((x->marks & TXS_RETRANS) != 0) {
        add(&q->retrans, x);
    }
    q->waiting += waits(x);
}

static void remark(struct txq *q, struct txseg *x, unsigned on, unsigned off)
{
    uncount(q, x);
    x->marks = (uint8_t)((x->marks | on) & ~off);
    recount(q, x);
}

void txq_drop_head(struct txq *q)
{
    struct txseg *x = txq_at(q, q->first);
    txq_unlist(q, q->first);
    if ((x->marks & TXS_GONE) == 0) {
        uncount(q, x);
    }
    q->first++;
    while (q->first != q->end && (txq_at(q, q->first)->marks & TXS_GONE) != 0) {
        q->first++;
    }
    if (seq_lt(q->rtx_hint, q->first)) {
        q->rtx_hint = q->first;
    }
}

void txq_trim_head(struct txq *q, uint32_t bytes)
{
    struct txseg *x = txq_at(q, q->first);
    uncount(q, x);
    x->seq += bytes;
    x->len = (uint16_t)(x->len - bytes);
    recount(q, x);
}

int txq_split_head(struct td_stack *st, struct tcb *t, uint32_t bytes)
{
    int e = txq_reserve(st, t);
    if (e != 0) {
        return e;
    }
    struct txq *q = t->txq;
    struct txseg *tail = txq_at(q, q->first);
    uncount(q, tail);
    struct txseg *x = txq_at(q, q->first - 1);
    *x = *tail;
    x->len = (uint16_t)bytes;
    x->marks &= (uint8_t) ~(TXS_FIN | TXS_PSH | TXS_LISTED);
    tail->seq += bytes;
    tail->len = (uint16_t)(tail->len - bytes);
    q->first--;
    recount(q, x);
    recount(q, tail);
    if ((tail->marks & TXS_LISTED) != 0) { /* beside it: it left at the same time */
        uint32_t n = q->first, m = q->first + 1;
        x->marks |= TXS_LISTED;
        x->older = tail->older != m ? tail->older : n;
        x->newer = m;
        if (tail->older != m) {
            txq_at(q, tail->older)->newer = n;
        } else {
            q->oldest = n;
        }
        tail->older = n;
        q->listed++;
    }
    q->rtx_hint = q->first;
    return 0;
}

/* ---- by sequence number ---- */

uint32_t txq_find(const struct txq *q, tcp_seq seq)
{
    uint32_t low = q->first, high = q->end; /* the last record that begins at or before seq */
    while (high - low > 1) {
        uint32_t mid = low + (high - low) / 2;
        if (seq_le(txq_at(q, mid)->seq, seq)) {
            low = mid;
        } else {
            high = mid;
        }
    }
    return low;
}

uint32_t txq_unsacked(struct txq *q, uint32_t n)
{
    uint32_t at = n;
    while (at != q->end && (txq_at(q, at)->marks & TXS_SACKED) != 0) {
        at = txq_at(q, at)->jump;
    }
    while (n != at && n != q->end && (txq_at(q, n)->marks & TXS_SACKED) != 0) { /* compress */
        uint32_t next = txq_at(q, n)->jump;
        txq_at(q, n)->jump = at;
        n = next;
    }
    return at;
}

/* ---- marks ---- */

void txq_mark_sacked(struct txq *q, uint32_t n)
{
    struct txseg *x = txq_at(q, n);
    if ((x->marks & TXS_SACKED) != 0) {
        return;
    }
    if (q->sacked.segs == 0 || seq_gt(n, q->fack)) {
        q->fack = n;
    }
    remark(q, x, TXS_SACKED, TXS_LOST | TXS_RETRANS);
    x->jump = n + 1;
    txq_unlist(q, n);
}

void txq_mark_retrans(struct txq *q, uint32_t n)
{
    remark(q, txq_at(q, n), TXS_RETRANS, 0);
}

void txq_clear_retrans(struct txq *q, uint32_t n)
{
    remark(q, txq_at(q, n), 0, TXS_RETRANS);
    if (waits(txq_at(q, n))) { /* lost, and not on its way any more */
        txq_unlist(q, n);
        q->rtx_hint = seq_lt(n, q->rtx_hint) ? n : q->rtx_hint;
    }
}

bool txq_mark_lost(struct td_stack *st, struct txq *q, uint32_t n)
{
    struct txseg *x = txq_at(q, n);
    if ((x->marks & (TXS_SACKED | TXS_GONE)) != 0 || waits(x)) {
        return false;
    }
    if ((x->marks & TXS_RETRANS) != 0) {
        count(st, TcpExtTCPLostRetransmit);
    }
    remark(q, x, TXS_LOST, TXS_RETRANS);
    q->lost_ever++;
    txq_unlist(q, n);
    if (seq_lt(n, q->rtx_hint)) {
        q->rtx_hint = n;
    }
    return true;
}

/* Back into the list by time of what isn't in it: at its end, in order of sequence. What waits to be
 * sent again stays out, as txq_mark_lost left it: it is in nobody's flight. */
static void relist(struct txq *q)
{
    for (uint32_t n = q->first; n != q->end; n++) {
        const struct txseg *x = txq_at(q, n);
        if ((x->marks & (TXS_LISTED | TXS_GONE | TXS_SACKED)) == 0 && !waits(x)) {
            list_last(q, n);
        }
    }
}

void txq_clear_lost(struct txq *q)
{
    for (uint32_t n = q->first; n != q->end; n++) {
        if ((txq_at(q, n)->marks & TXS_LOST) != 0) {
            remark(q, txq_at(q, n), 0, TXS_LOST);
        }
    }
    relist(q);
}

void txq_clear_sacked(struct txq *q)
{
    for (uint32_t n = q->first; n != q->end; n++) {
        if ((txq_at(q, n)->marks & TXS_SACKED) != 0) {
            remark(q, txq_at(q, n), 0, TXS_SACKED);
        }
    }
    relist(q);
}

bool txq_next_lost(struct txq *q, uint32_t *n)
{
    if (q->waiting == 0) {
        return false;
    }
    for (uint32_t i = q->rtx_hint; i != q->end; i = txq_unsacked(q, i + 1)) {
        if (waits(txq_at(q, i))) {
            q->rtx_hint = i;
            *n = i;
            return true;
        }
    }
    q->rtx_hint = q->end;
    return false;
}

void txq_join(struct txq *q, uint32_t n, uint32_t mss)
{
    struct txseg *x = txq_at(q, n);
    for (uint32_t m = n + 1; m != q->end && (x->marks & TXS_FIN) == 0; m++) {
        struct txseg *y = txq_at(q, m);
        if ((y->marks & TXS_GONE) != 0) {
            continue;
        }
        if (!waits(y) || x->len + txseg_text(y) > mss) {
            return;
        }
        uncount(q, x);
        uncount(q, y);
        txq_unlist(q, m);
        x->len = (uint16_t)(x->len + y->len);
        x->marks |= y->marks & (TXS_FIN | TXS_PSH | TXS_EVER);
        recount(q, x);
        y->seq = txseg_end(x);
        y->len = 0;
        y->marks = TXS_GONE;
    }
}

/* ---- smaller segments ---- */

/* A run of records that are cut as one: those that wait to be sent again, neighbours of each other;
 * any other record is a run of its own. Returns its last number, and its text. */
static uint32_t run_end(const struct txseg *ring, const struct txq *q, uint32_t n, uint32_t *text)
{
    uint32_t last = n;
    *text = txseg_text(&ring[n & (q->cap - 1)]);
    while (waits(&ring[last & (q->cap - 1)]) && last + 1 != q->end) {
        const struct txseg *next = &ring[(last + 1) & (q->cap - 1)];
        if (!waits(next) && (next->marks & TXS_GONE) == 0) {
            break;
        }
        last++;
        *text += txseg_text(next);
    }
    return last;
}

static uint32_t pieces(uint32_t text, uint32_t mss)
{
    return text <= mss ? 1 : (text + mss - 1) / mss;
}

/* One run into the new ring, from number `at` on. The number behind its last piece. */
static uint32_t cut(struct txq *q, const struct txseg *x, const struct txseg *last, uint32_t text,
                    uint32_t at, uint32_t mss)
{
    tcp_seq seq = x->seq;
    for (uint32_t k = pieces(text, mss); k > 0; k--, at++) {
        struct txseg *y = txq_at(q, at);
        *y = *x;
        y->seq = seq;
        y->len = (uint16_t)(k == 1 ? txseg_end(last) - seq : mss);
        y->marks &= (uint8_t) ~(TXS_LISTED | TXS_FIN | TXS_PSH);
        y->marks |= k == 1 ? last->marks & (TXS_FIN | TXS_PSH) : 0;
        y->jump = at + 1;
        seq += y->len;
        recount(q, y);
        if ((y->marks & TXS_SACKED) != 0) {
            q->fack = at;
        }
    }
    return at;
}

int txq_recut(struct td_stack *st, struct tcb *t, uint32_t mss)
{
    struct txq *q = t->txq;
    if (txq_empty(q) || q->longest <= mss) {
        return 0;
    }
    uint32_t total = 0, cap = TXQ_INLINE * 2, text;
    for (uint32_t n = q->first; n != q->end; n = run_end(q->ring, q, n, &text) + 1) {
        (void)run_end(q->ring, q, n, &text);
        total += pieces(text, mss);
    }
    while (cap < total) {
        cap *= 2;
    }
    struct txseg *ring = mem_alloc_raw(&st->mem, MEM_TCP, cap * sizeof *ring);
    if (ring == NULL) {
        return -ENOMEM;
    }
    struct txq old = *q;
    struct txseg *from = q->ring;
    uint32_t at = q->first;
    q->out = q->sacked = q->lost = q->retrans = (struct txcount){0, 0};
    q->waiting = 0;
    q->ring = ring;
    q->cap = cap;
    for (uint32_t n = old.first, last; n != old.end; n = last + 1) {
        struct txseg *x = &from[n & (old.cap - 1)];
        last = run_end(from, &old, n, &text);
        uint32_t first = at;
        if ((x->marks & TXS_GONE) == 0) {
            at = cut(q, x, &from[last & (old.cap - 1)], text, at, mss);
        }
        x->jump = first; /* where its pieces are: for the list by time, below */
    }
    q->end = at;
    q->longest = mss;
    q->listed = 0;
    q->loss.marked = false;
    q->rtx_hint = q->first;
    for (uint32_t n = old.oldest, left = old.listed; left > 0; left--) {
        const struct txseg *x = &from[n & (old.cap - 1)];
        for (uint32_t i = 0, k = pieces(txseg_text(x), mss); i < k; i++) {
            list_last(q, x->jump + i);
        }
        n = x->newer;
    }
    if (from != q->inline_ring) {
        mem_free(&st->mem, MEM_TCP, from, old.cap * sizeof *from);
    }
    return 0;
}
