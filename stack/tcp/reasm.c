/* tcp/reasm.c: the receive queue and what waits beyond a hole.
 *
 * Theory of operation. Text that arrives in order is queued as the packets it came in, without a
 * copy; the user's RECEIVE copies it out once. Text beyond a hole (RFC 9293 SHLD-31) waits in a second
 * list, sorted by sequence number and without overlaps: of a new segment only what isn't held yet is kept,
 * except that it takes the place of those it covers wholly. What is in the first queue is never
 * touched again.
 *
 *      copied_seq           rcv_nxt
 *        ├── queue: pkt pkt pkt ┤  hole  ├ pkt pkt ┤ hole ├ pkt ┤
 *
 * A packet costs more memory than its text, and a sender of tiny segments could make us hold many
 * times the window it was given. So a small segment is copied into the free end of the packet before
 * it, and the memory of both lists is counted (truesize) for the window.
 *
 * A search from the last place of insertion is one step for segments that come in order behind a
 * hole, which is how they come.
 */
#include "tcp/tcp_internal.h"

#define COALESCE_MAX  512u  /* text that is rather copied than kept in a packet of its own */
#define COALESCE_ROOM 4096u /* the packet made to collect such text */

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
    b->ooo = b->ooo_last = b->ooo_hint = NULL;
    b->ooo_count = 0;
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
    b->ooo_last = b->ooo_hint = NULL;
    b->ooo_count = 0;
}

void rcvbuf_clear(struct rcvbuf *b)
{
    rcvbuf_drop_ooo(b);
    pkt_queue_clear(&b->q);
    b->truesize = 0;
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

/* The last held packet that begins at or before seq; NULL = none. */
static struct pkt *ooo_before(struct rcvbuf *b, tcp_seq seq)
{
    struct pkt *at = NULL;
    struct pkt *p = b->ooo;
    if (b->ooo_last != NULL && seq_le(pkt_seq(b->ooo_last), seq)) {
        return b->ooo_last;
    }
    if (b->ooo_hint != NULL && seq_le(pkt_seq(b->ooo_hint), seq)) {
        at = b->ooo_hint;
        p = at->next;
    }
    for (; p != NULL && seq_le(pkt_seq(p), seq); p = p->next) {
        at = p;
    }
    return at;
}

static void ooo_remove_after(struct rcvbuf *b, struct pkt *at)
{
    struct pkt *p = at->next;
    at->next = p->next;
    if (b->ooo_last == p) {
        b->ooo_last = at;
    }
    if (b->ooo_hint == p) {
        b->ooo_hint = at;
    }
    b->ooo_count--;
    b->truesize -= p->truesize;
    pkt_free(p);
}

uint32_t rcvbuf_insert(struct rcvbuf *b, struct pkt *p, tcp_seq seq)
{
    struct pkt *at = ooo_before(b, seq);
    if (at != NULL && seq_gt(pkt_end(at), seq)) { /* the front is there already */
        uint32_t have = pkt_end(at) - seq;
        if (have >= p->len) {
            pkt_free(p);
            return 0;
        }
        (void)pkt_pull(p, have);
        seq += have;
        const struct pkt *next = at->next;
        if (next != NULL && pkt_seq(next) == seq && seq_ge(pkt_end(next), seq + p->len)) {
            pkt_free(p); /* and the rest of it too */
            return 0;
        }
    }
    p->cb[0] = seq;
    if (at == NULL) {
        p->next = b->ooo;
        b->ooo = p;
    } else {
        p->next = at->next;
        at->next = p;
    }
    if (p->next == NULL) {
        b->ooo_last = p;
    }
    b->ooo_hint = p;
    b->ooo_count++;
    b->truesize += p->truesize;

    /* What is covered wholly by p goes; what begins inside p keeps its bytes, p gives way. */
    uint32_t fresh = p->len;
    while (p->next != NULL && seq_lt(pkt_seq(p->next), pkt_end(p))) {
        struct pkt *n = p->next;
        if (seq_le(pkt_end(n), pkt_end(p))) {
            fresh -= n->len;
            ooo_remove_after(b, p);
        } else {
            uint32_t over = pkt_end(p) - pkt_seq(n);
            pkt_trim(p, p->len - over);
            fresh -= over;
            break;
        }
    }
    return fresh;
}

uint32_t rcvbuf_advance(struct rcvbuf *b, tcp_seq rcv_nxt)
{
    uint32_t gained = 0;
    while (b->ooo != NULL && seq_le(pkt_seq(b->ooo), rcv_nxt)) {
        struct pkt *p = b->ooo;
        b->ooo = p->next;
        if (b->ooo_last == p) {
            b->ooo_last = NULL;
        }
        if (b->ooo_hint == p) {
            b->ooo_hint = NULL;
        }
        b->ooo_count--;
        b->truesize -= p->truesize;
        p->next = NULL;
        uint32_t have = rcv_nxt - pkt_seq(p);
        if (have >= p->len) {
            pkt_free(p);
            continue;
        }
        (void)pkt_pull(p, have);
        uint32_t n = p->len;
        rcvbuf_append(b, p, rcv_nxt);
        rcv_nxt += n;
        gained += n;
    }
    return gained;
}
