/* link/qdisc_pfifo.c: first in, first out, at most so many packets (pfifo) or bytes (bfifo).
 *
 * Theory of operation. Linux's pfifo is the queue every interface starts with. A frame that finds
 * `limit` frames waiting is dropped (tail drop); whatever waits may leave at once, so the queue
 * only fills while the device behind it, or the discipline around it, is busy. bfifo counts bytes
 * instead; it is what waits inside a tbf.
 */
#include "core/hash.h"
#include "link/qdisc.h"

#include <errno.h>

struct pfifo {
    struct qdisc q;
    struct pkt_queue fifo;
    uint32_t limit;
};

static struct pfifo *pfifo_of(struct qdisc *q)
{
    return container_of(q, struct pfifo, q);
}

static int fifo_push(struct qdisc *q, struct pkt *p)
{
    q->packets++;
    q->bytes += p->len;
    pkt_queue_push(&pfifo_of(q)->fifo, p);
    return 0;
}

static int pfifo_enqueue(struct qdisc *q, struct pkt *p, td_time now)
{
    (void)now;
    if (q->packets >= pfifo_of(q)->limit)
        return qdisc_drop(q, p, W_QUEUE_FULL, -ENOBUFS);
    return fifo_push(q, p);
}

static int bfifo_enqueue(struct qdisc *q, struct pkt *p, td_time now)
{
    (void)now;
    if (q->bytes + p->len > pfifo_of(q)->limit)
        return qdisc_drop(q, p, W_QUEUE_FULL, -ENOBUFS);
    return fifo_push(q, p);
}

static struct pkt *pfifo_take(struct qdisc *q)
{
    struct pkt *p = pkt_queue_pop(&pfifo_of(q)->fifo);

    if (p != NULL) {
        q->packets--;
        q->bytes -= p->len;
    }
    return p;
}

static struct pkt *pfifo_dequeue(struct qdisc *q, td_time now)
{
    struct pkt *p = pfifo_take(q);

    (void)now;
    if (p != NULL)
        qdisc_sent(q, p);
    return p;
}

static td_time pfifo_next(struct qdisc *q)
{
    return q->packets > 0 ? 0 : TD_NEVER;
}

static void pfifo_destroy(struct qdisc *q)
{
    struct pfifo *f = pfifo_of(q);

    pkt_queue_clear(&f->fifo);
    mem_free(q->mem, MEM_LINK, f, sizeof *f);
}

static void pfifo_change(struct qdisc *q, const struct td_qdisc *d)
{
    pfifo_of(q)->limit = d->u.fifo.limit;
}

static void pfifo_params(const struct qdisc *q, struct td_qdisc *out)
{
    const struct pfifo *f =
        (const struct pfifo *)(const void *)((const char *)q - offsetof(struct pfifo, q));

    out->u.fifo.limit = f->limit;
}

static const struct qdisc_ops pfifo_ops = {
    .kind = "pfifo",
    .id = TD_QDISC_PFIFO,
    .enqueue = pfifo_enqueue,
    .dequeue = pfifo_dequeue,
    .next = pfifo_next,
    .take = pfifo_take,
    .change = pfifo_change,
    .params = pfifo_params,
    .destroy = pfifo_destroy,
};

static const struct qdisc_ops bfifo_ops = {
    .kind = "bfifo",
    .id = TD_QDISC_BFIFO,
    .enqueue = bfifo_enqueue,
    .dequeue = pfifo_dequeue,
    .next = pfifo_next,
    .take = pfifo_take,
    .change = pfifo_change,
    .params = pfifo_params,
    .destroy = pfifo_destroy,
};

static struct qdisc *fifo_new(struct mem *m, uint32_t limit, const struct qdisc_ops *ops)
{
    struct pfifo *f = mem_alloc(m, MEM_LINK, sizeof *f);

    if (f == NULL)
        return NULL;
    f->q.ops = ops;
    f->q.mem = m;
    f->limit = limit;
    pkt_queue_init(&f->fifo);
    return &f->q;
}

struct qdisc *qdisc_pfifo(struct mem *m, uint32_t limit)
{
    return fifo_new(m, limit, &pfifo_ops);
}

struct qdisc *qdisc_bfifo(struct mem *m, uint32_t limit)
{
    return fifo_new(m, limit, &bfifo_ops);
}
