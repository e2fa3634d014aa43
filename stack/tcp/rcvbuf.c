/* tcp/rcvbuf.c: the receive queue, and the host of the reassembly organ.
 *
 * Theory of operation. Text that arrives in order is queued as the packets it came in, without a
 * copy; the user's RECEIVE copies it out once. What is in this queue is never touched again. Text
 * beyond a hole (RFC 9293 SHLD-31) is given to an organ (tapdeck/reassembly.h; ours is reasm.c),
 * which hands it back when the hole before it is filled:
 *
 *      copied_seq           rcv_nxt
 *        ├── queue: pkt pkt pkt ┤  hole  ├── held by the organ ──┤
 *
 * A piece of the organ is a packet: struct td_piece lies in the packet's scratch space, so holding
 * one costs nothing. The organ and its state exist from the first piece beyond a hole to the moment
 * when nothing is held any more; a connection without holes has one pointer.
 *
 * A packet costs more memory than its text, and a sender of tiny segments could make us hold many
 * times the window it was given. So a small segment is copied into the free end of the packet
 * before it, and the memory of the queue, of the pieces and of what the organ allocates is counted
 * together (truesize) for the window.
 *
 * What an organ says is checked as far as others depend on it: it can spoil the stream it has part in,
 * but no sequence number is acknowledged or reported that nothing was received up to, and no memory
 * is reached that isn't the text's.
 */
#include "tcp/tcp_internal.h"

#define COALESCE_MAX  512u  /* text that is rather copied than kept in a packet of its own */
#define COALESCE_ROOM 4096u /* the packet made to collect such text */
#define VAIN_MORE     1024u /* so many pieces of old text in a row may an organ have made */

void rcvbuf_init(struct rcvbuf *b)
{
    pkt_queue_init(&b->q);
    b->held = NULL;
    b->truesize = 0;
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

void rcvbuf_clear(struct rcvbuf *b)
{
    rcvbuf_drop_held(b);
    rcvbuf_drop_queue(b);
}

/* ---- in order ---- */

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

void rcvbuf_append(struct rcvbuf *b, struct pkt *p)
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
                pkt_queue_push(&b->q, c);
                b->truesize += c->truesize;
                if (coalesce(b, c, p)) {
                    pkt_free(p);
                    return;
                }
            }
        }
    }
    b->truesize += p->truesize;
    pkt_queue_push(&b->q, p);
}

/* ---- beyond a hole: the organ's host ---- */

/* What is held there, and by whom. */
struct rcv_held {
    struct td_reassembly r;
    struct rcvbuf *b;
    struct mem *mem;
    td_time tstamp; /* of the last piece: for those that the organ makes */
    uint32_t pieces;
    uint32_t truesize; /* of the pieces, and of what the organ allocated */
    tcp_seq top;       /* no text from here on was ever handed over */
    _Alignas(16) unsigned char state[];
};
_Static_assert(sizeof(struct td_piece) <= sizeof((struct pkt *)NULL)->cb, "a piece has room in cb");

static struct rcv_held *held_of(const struct td_reassembly *r)
{
    return (struct rcv_held *)(uintptr_t)container_of(r, const struct rcv_held, r);
}

static struct pkt *pkt_of(const struct td_piece *p)
{
    return (struct pkt *)(uintptr_t)container_of(p, const struct pkt, piece);
}

static void host_trim_front(struct td_reassembly *r, struct td_piece *p, uint32_t n)
{
    (void)r;
    if (n < p->len && pkt_pull(pkt_of(p), n)) {
        p->seq += n;
        p->len -= n;
    }
}

static void host_trim_back(struct td_reassembly *r, struct td_piece *p, uint32_t n)
{
    (void)r;
    if (n < p->len) {
        p->len -= n;
        pkt_trim(pkt_of(p), p->len);
    }
}

static void host_copy(const struct td_reassembly *r, const struct td_piece *p, uint32_t off,
                      void *dst, uint32_t n)
{
    (void)r;
    (void)pkt_read(pkt_of(p), off, dst, n);
}

static void charge(struct rcv_held *h, uint32_t size)
{
    h->truesize += size;
    h->b->truesize += size;
}

static void discharge(struct rcv_held *h, uint32_t size)
{
    size = size < h->truesize ? size : h->truesize;
    h->truesize -= size;
    h->b->truesize -= size;
}

/* The piece leaves the organ. */
static struct pkt *given_back(struct rcv_held *h, struct td_piece *piece)
{
    struct pkt *p = pkt_of(piece);
    h->pieces--;
    discharge(h, p->truesize);
    p->next = NULL;
    return p;
}

static void host_free(struct td_reassembly *r, struct td_piece *p)
{
    pkt_free(given_back(held_of(r), p));
}

/* p belongs to the organ from here on. */
static struct td_piece *handed_over(struct rcv_held *h, struct pkt *p, tcp_seq seq)
{
    h->pieces++;
    charge(h, p->truesize);
    p->piece = (struct td_piece){.seq = seq, .len = p->len};
    return &p->piece;
}

static struct td_piece *host_make(struct td_reassembly *r, uint32_t seq, const void *bytes,
                                  uint32_t len)
{
    struct rcv_held *h = held_of(r);
    struct pkt *p = pkt_from_bytes(h->mem, 0, bytes, len);
    if (p == NULL) {
        return NULL;
    }
    p->tstamp = h->tstamp;
    return handed_over(h, p, seq);
}

static void *host_alloc(struct td_reassembly *r, uint32_t size)
{
    struct rcv_held *h = held_of(r);
    void *p = mem_alloc(h->mem, MEM_TCP, size);
    charge(h, p != NULL ? size : 0);
    return p;
}

static void host_release(struct td_reassembly *r, void *p, uint32_t size)
{
    struct rcv_held *h = held_of(r);
    discharge(h, p != NULL ? size : 0);
    mem_free(h->mem, MEM_TCP, p, size);
}

static const struct td_reassembly_host host = {
    .trim_front = host_trim_front,
    .trim_back = host_trim_back,
    .copy = host_copy,
    .free = host_free,
    .make = host_make,
    .alloc = host_alloc,
    .release = host_release,
};

/* ---- beyond a hole: what the rest of TCP asks ---- */

static struct rcv_held *held_new(struct rcvbuf *b, const struct td_reassembly_ops *ops,
                                 struct mem *m)
{
    struct rcv_held *h = mem_alloc(m, MEM_TCP, sizeof *h + ops->state_size);
    if (h != NULL) {
        h->r = (struct td_reassembly){ops, &host, h->state};
        h->b = b;
        h->mem = m;
        if (ops->init != NULL) {
            ops->init(&h->r);
        }
        b->held = h;
    }
    return h;
}

void rcvbuf_drop_held(struct rcvbuf *b)
{
    struct rcv_held *h = b->held;
    if (h != NULL) {
        h->r.ops->clear(&h->r);
        discharge(h, h->truesize); /* what it forgot doesn't keep the window closed */
        b->held = NULL;
        mem_free(h->mem, MEM_TCP, h, sizeof *h + h->r.ops->state_size);
    }
}

/* The lowest range that ends at `from` or behind it. One that can't be is none. */
static bool held_range(const struct rcvbuf *b, tcp_seq from, struct td_range *r)
{
    const struct rcv_held *h = b->held;
    return h != NULL && h->r.ops->range(&h->r, from, r) && seq_lt(r->left, r->right) &&
           seq_ge(r->right, from) && seq_le(r->right, h->top);
}

/* Nothing is held, from here on? Then the organ isn't needed any more. */
static void drop_if_empty(struct rcvbuf *b, tcp_seq from)
{
    struct td_range any;
    if (!held_range(b, from, &any)) {
        rcvbuf_drop_held(b);
    }
}

uint32_t rcvbuf_pieces(const struct rcvbuf *b)
{
    return b->held != NULL ? b->held->pieces : 0;
}

bool rcvbuf_run(const struct rcvbuf *b, tcp_seq seq, struct tcp_sack_block *run)
{
    struct td_range r;
    if (!held_range(b, seq, &r) || seq_gt(r.left, seq)) {
        return false;
    }
    *run = (struct tcp_sack_block){r.left, r.right};
    return true;
}

bool rcvbuf_held(const struct rcvbuf *b, tcp_seq seq, uint32_t len, struct tcp_sack_block *part)
{
    struct td_range r; /* one that ends behind seq */
    tcp_seq end = seq + len;
    if (!held_range(b, seq + 1, &r) || seq_ge(r.left, end)) {
        return false;
    }
    *part = (struct tcp_sack_block){seq_max(seq, r.left), seq_min(r.right, end)};
    return true;
}

int64_t rcvbuf_insert(struct rcvbuf *b, const struct td_reassembly_ops *ops, struct pkt *p,
                      tcp_seq seq)
{
    struct rcv_held *h = b->held != NULL ? b->held : held_new(b, ops, p->mem);
    if (h == NULL) {
        pkt_free(p);
        return TD_REASSEMBLY_REFUSED;
    }
    h->tstamp = p->tstamp;
    h->top = h->pieces == 0 && h->truesize == 0 ? seq + p->len : seq_max(h->top, seq + p->len);
    int64_t fresh = h->r.ops->insert(&h->r, handed_over(h, p, seq));
    if (fresh <= 0) {
        drop_if_empty(b, seq - TD_CC_CWND_MAX); /* no window is larger */
    }
    return fresh;
}

uint32_t rcvbuf_advance(struct rcvbuf *b, tcp_seq rcv_nxt)
{
    uint32_t gained = 0;
    struct rcv_held *h = b->held;
    struct td_piece *piece;
    if (h == NULL) {
        return 0;
    }
    uint32_t most = h->pieces + VAIN_MORE;
    for (uint32_t vain = 0; vain < most && (piece = h->r.ops->take(&h->r, rcv_nxt)) != NULL;
         vain++) {
        uint32_t old = rcv_nxt - piece->seq;
        struct pkt *p = given_back(h, piece);
        if (old >= p->len || seq_ge(rcv_nxt, h->top)) {
            pkt_free(p);
            continue;
        }
        (void)pkt_pull(p, old);
        pkt_trim(p, h->top - rcv_nxt);
        uint32_t fresh = p->len;
        vain = 0;
        rcvbuf_append(b, p);
        rcv_nxt += fresh;
        gained += fresh;
    }
    drop_if_empty(b, rcv_nxt);
    return gained;
}
