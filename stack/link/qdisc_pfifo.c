/* link/qdisc_pfifo.c: first in, first out, at most `limit` packets.
 *
 * Theory of operation. Linux's pfifo: the queue every interface starts with. A frame that finds
 * `limit` frames waiting is dropped (tail drop); whatever waits may leave at once, so the queue
 * only fills while the device behind it is busy.
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

static int pfifo_enqueue(struct qdisc *q, struct pkt *p, td_time now, const char **why)
{
    struct pfifo *f = pfifo_of(q);

    (void)now;
    if (f->fifo.count >= f->limit) {
        q->drops++;
        *why = "queue full";
        pkt_free(p);
        return -ENOBUFS;
    }
    q->packets++;
    q->bytes += p->len;
    pkt_queue_push(&f->fifo, p);
    return 0;
}

static struct pkt *pfifo_dequeue(struct qdisc *q, td_time now)
{
    struct pkt *p = pkt_queue_pop(&pfifo_of(q)->fifo);

    (void)now;
    if (p != NULL) {
        q->packets--;
        q->bytes -= p->len;
        q->sent_packets++;
        q->sent_bytes += p->len;
    }
    return p;
}

static td_time pfifo_next(struct qdisc *q)
{
    return pfifo_of(q)->fifo.count > 0 ? 0 : TD_NEVER;
}

static void pfifo_clear(struct qdisc *q)
{
    pkt_queue_clear(&pfifo_of(q)->fifo);
    q->packets = 0;
    q->bytes = 0;
}

static void pfifo_destroy(struct qdisc *q)
{
    struct pfifo *f = pfifo_of(q);

    pkt_queue_clear(&f->fifo);
    mem_free(q->mem, MEM_LINK, f, sizeof *f);
}

static const struct qdisc_ops pfifo_ops = {
    .kind = "pfifo",
    .enqueue = pfifo_enqueue,
    .dequeue = pfifo_dequeue,
    .next = pfifo_next,
    .clear = pfifo_clear,
    .destroy = pfifo_destroy,
};

struct qdisc *qdisc_pfifo(struct mem *m, uint32_t limit)
{
    struct pfifo *f = mem_alloc(m, MEM_LINK, sizeof *f);

    if (f == NULL)
        return NULL;
    f->q.ops = &pfifo_ops;
    f->q.mem = m;
    f->limit = limit;
    pkt_queue_init(&f->fifo);
    return &f->q;
}

void qdisc_destroy(struct qdisc *q)
{
    if (q != NULL)
        q->ops->destroy(q);
}
