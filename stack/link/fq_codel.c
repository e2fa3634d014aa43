/* link/fq_codel.c: flow queueing with CoDel (RFC 8290).
 *
 * Theory of operation. Each frame goes into one of `flows` queues, chosen by a hash of addresses,
 * protocol and ports. The queues take turns by deficit round robin: a queue may send `quantum`
 * bytes, then it is the next one's turn. A queue that has just become busy stands in the list of
 * new queues, which goes before the list of old ones: so a flow that sends little (an interactive
 * session, a handshake, DNS) hardly waits, however long the queues of the others are. A queue that
 * was new and is empty goes to the end of the old ones first, lest it be new again with the next
 * frame and starve them (RFC 8290 4.2).
 *
 * In each queue CoDel (link/codel.c) watches how long frames have waited, and drops or marks from
 * its head. When all together are over their limit, frames go from the head of the longest queue,
 * `drop_batch` at a time at most or half of it: finding the longest takes a look at every queue,
 * and that is then paid once a batch (RFC 8290 4.1).
 *
 * p->cb[0] is when the frame came, p->cb[1] the memory it was charged for.
 */
#include "core/hash.h"
#include "link/codel.h"
#include "link/frame.h"
#include "link/qdisc.h"

#include <errno.h>

enum flow_list { FLOW_IDLE, FLOW_NEW, FLOW_OLD };

struct flow {
    struct flow *next; /* in its list */
    struct pkt_queue fifo;
    int64_t deficit; /* bytes it may still send in this turn */
    enum flow_list list;
    struct codel codel;
};

struct flows { /* a list, in order of turns */
    struct flow *head, **tail;
    uint32_t count;
};

struct fq_codel {
    struct qdisc q;
    struct td_fq_codel par;
    struct siphash_key key;
    struct flow *flow; /* [par.flows] */
    struct flows fresh, old;
    struct fq_codel_stats stats;
};

static struct fq_codel *fq_of(struct qdisc *q)
{
    return container_of(q, struct fq_codel, q);
}

/* ---- the two lists ---- */

static void flows_init(struct flows *l)
{
    l->head = NULL;
    l->tail = &l->head;
    l->count = 0;
}

static void flows_push(struct flows *l, struct flow *f, enum flow_list list)
{
    f->next = NULL;
    f->list = list;
    *l->tail = f;
    l->tail = &f->next;
    l->count++;
}

static struct flow *flows_pop(struct flows *l)
{
    struct flow *f = l->head;

    l->head = f->next;
    if (l->head == NULL)
        l->tail = &l->head;
    l->count--;
    return f;
}

/* ---- frames in and out of a queue ---- */

static void fq_put(struct fq_codel *s, struct flow *f, struct pkt *p, td_time now)
{
    p->cb[0] = now;
    p->cb[1] = p->truesize;
    pkt_queue_push(&f->fifo, p);
    s->q.packets++;
    s->q.bytes += p->len;
    s->stats.memory_used += p->cb[1];
}

static struct pkt *fq_get(struct fq_codel *s, struct flow *f)
{
    struct pkt *p = pkt_queue_pop(&f->fifo);

    if (p == NULL)
        return NULL;
    s->q.packets--;
    s->q.bytes -= p->len;
    s->stats.memory_used -= p->cb[1];
    return p;
}

/* ---- in ---- */

static struct flow *fq_fattest(struct fq_codel *s)
{
    struct flow *fattest = &s->flow[0];

    for (uint32_t i = 1; i < s->par.flows; i++)
        if (s->flow[i].fifo.bytes > fattest->fifo.bytes)
            fattest = &s->flow[i];
    return fattest;
}

static bool fq_over(const struct fq_codel *s)
{
    return s->q.packets > s->par.limit || s->stats.memory_used > s->par.memory_limit;
}

static void fq_shed(struct fq_codel *s)
{
    struct flow *f = fq_fattest(s);
    uint64_t half = f->fifo.bytes / 2, gone = 0;

    if (s->stats.memory_used > s->par.memory_limit)
        s->stats.drop_overmemory++;
    for (uint32_t i = 0; i < s->par.drop_batch && f->fifo.count > 0 && (i == 0 || gone < half);
         i++) {
        struct pkt *p = fq_get(s, f);

        gone += p->len;
        s->stats.drop_overlimit++;
        (void)qdisc_drop(&s->q, p, W_FATTEST_FLOW, 0);
    }
    f->codel.count++; /* a sign of congestion that CoDel hasn't seen */
}

static int fq_enqueue(struct qdisc *q, struct pkt *p, td_time now)
{
    struct fq_codel *s = fq_of(q);
    struct flow *f = &s->flow[frame_flow(p, &s->key) % s->par.flows];

    if (p->len > s->stats.maxpacket)
        s->stats.maxpacket = p->len;
    fq_put(s, f, p, now);
    if (f->list == FLOW_IDLE) {
        f->deficit = s->par.quantum;
        flows_push(&s->fresh, f, FLOW_NEW);
        s->stats.new_flow_count++;
    }
    while (fq_over(s))
        fq_shed(s);
    return 0; /* what was shed is another's frame as a rule; the sender can't know */
}

/* ---- out ---- */

/* The next frame of a queue; *above: CoDel finds its delay bad. */
static struct pkt *flow_next(struct fq_codel *s, struct flow *f, td_time now, bool *above)
{
    struct pkt *p = fq_get(s, f);

    *above = false;
    if (p == NULL) {
        f->codel.first_above = 0;
        return NULL;
    }
    *above = codel_above(&f->codel, now, now - p->cb[0], f->fifo.bytes, s->stats.maxpacket,
                         s->par.target, s->par.interval);
    return p;
}

/* What CoDel decided happens to the frame: true: it is marked and stays; false: it is gone. */
static bool fq_punish(struct fq_codel *s, struct pkt *p)
{
    if (s->par.ecn && qdisc_mark(&s->q, p, W_SOJOURN)) {
        s->stats.ecn_mark++;
        return true;
    }
    (void)qdisc_drop(&s->q, p, W_SOJOURN, 0);
    return false;
}

static void codel_says(struct fq_codel *s, const struct pkt *p, bool begins, td_time waited)
{
    qdisc_note(&s->q, &(struct qdisc_note){.what = QDISC_CODEL, .p = p, .a = begins, .b = waited});
}

/* In the dropping state: drops what is due (RFC 8289 5.6). */
static struct pkt *flow_dropping(struct fq_codel *s, struct flow *f, struct pkt *p, bool above,
                                 td_time now)
{
    struct codel *c = &f->codel;

    while (above && now >= c->drop_next) {
        c->count++;
        if (fq_punish(s, p)) {
            c->drop_next = codel_law(c->drop_next, s->par.interval, c->count);
            return p;
        }
        p = flow_next(s, f, now, &above);
        if (above)
            c->drop_next = codel_law(c->drop_next, s->par.interval, c->count);
    }
    if (!above) {
        c->dropping = false;
        codel_says(s, p, false, p != NULL ? now - p->cb[0] : 0);
    }
    return p;
}

static struct pkt *flow_dequeue(struct fq_codel *s, struct flow *f, td_time now)
{
    bool above;
    struct pkt *p = flow_next(s, f, now, &above);

    if (f->codel.dropping)
        return flow_dropping(s, f, p, above, now);
    if (!above)
        return p;
    codel_says(s, p, true, now - p->cb[0]);
    if (!fq_punish(s, p))
        p = flow_next(s, f, now, &above);
    codel_begin(&f->codel, now, s->par.interval);
    return p;
}

static struct pkt *fq_dequeue(struct qdisc *q, td_time now)
{
    struct fq_codel *s = fq_of(q);

    for (;;) {
        struct flows *l = s->fresh.head != NULL ? &s->fresh : &s->old;
        struct flow *f = l->head;
        struct pkt *p;

        if (f == NULL)
            return NULL;
        if (f->deficit <= 0) {
            f->deficit += s->par.quantum;
            flows_push(&s->old, flows_pop(l), FLOW_OLD);
            continue;
        }
        p = flow_dequeue(s, f, now);
        if (p == NULL) {
            (void)flows_pop(l);
            if (l == &s->fresh && s->old.head != NULL)
                flows_push(&s->old, f, FLOW_OLD);
            else
                f->list = FLOW_IDLE;
            continue;
        }
        f->deficit -= p->len;
        if (now - p->cb[0] > s->par.ce_threshold && qdisc_mark(q, p, W_CE_THRESHOLD))
            s->stats.ce_mark++;
        qdisc_sent(q, p);
        return p;
    }
}

static td_time fq_next(struct qdisc *q)
{
    return q->packets > 0 ? 0 : TD_NEVER;
}

static struct pkt *fq_take(struct qdisc *q)
{
    struct fq_codel *s = fq_of(q);

    for (int i = 0; i < 2; i++)
        for (struct flow *f = i == 0 ? s->fresh.head : s->old.head; f != NULL; f = f->next)
            if (f->fifo.count > 0)
                return fq_get(s, f);
    return NULL;
}

static void fq_change(struct qdisc *q, const struct td_qdisc *d)
{
    struct fq_codel *s = fq_of(q);
    uint64_t seed = s->par.seed; /* the flows that wait have been told apart by it */

    s->par = d->u.fq_codel;
    s->par.seed = seed;
    while (fq_over(s))
        fq_shed(s);
}

static const struct fq_codel *fq_of_const(const struct qdisc *q)
{
    return (const struct fq_codel *)(const void *)((const char *)q - offsetof(struct fq_codel, q));
}

static void fq_params(const struct qdisc *q, struct td_qdisc *out)
{
    out->u.fq_codel = fq_of_const(q)->par;
}

static void fq_destroy(struct qdisc *q)
{
    struct fq_codel *s = fq_of(q);

    for (uint32_t i = 0; i < s->par.flows; i++)
        pkt_queue_clear(&s->flow[i].fifo);
    mem_free(q->mem, MEM_LINK, s->flow, s->par.flows * sizeof *s->flow);
    mem_free(q->mem, MEM_LINK, s, sizeof *s);
}

static const struct qdisc_ops fq_ops = {
    .kind = "fq_codel",
    .id = TD_QDISC_FQ_CODEL,
    .enqueue = fq_enqueue,
    .dequeue = fq_dequeue,
    .next = fq_next,
    .take = fq_take,
    .change = fq_change,
    .params = fq_params,
    .destroy = fq_destroy,
};

struct qdisc *qdisc_fq_codel(struct mem *m, const struct td_fq_codel *params)
{
    struct fq_codel *s = mem_alloc(m, MEM_LINK, sizeof *s);

    if (s == NULL)
        return NULL;
    s->flow = mem_alloc(m, MEM_LINK, params->flows * sizeof *s->flow);
    if (s->flow == NULL) {
        mem_free(m, MEM_LINK, s, sizeof *s);
        return NULL;
    }
    s->q.ops = &fq_ops;
    s->q.mem = m;
    s->par = *params;
    s->key.k0 = params->seed;
    s->key.k1 = ~params->seed;
    flows_init(&s->fresh);
    flows_init(&s->old);
    for (uint32_t i = 0; i < params->flows; i++)
        pkt_queue_init(&s->flow[i].fifo);
    return &s->q;
}

bool qdisc_fq_codel_stats(const struct qdisc *q, struct fq_codel_stats *out)
{
    if (q->ops != &fq_ops)
        return false;
    *out = fq_of_const(q)->stats;
    out->new_flows_len = fq_of_const(q)->fresh.count;
    out->old_flows_len = fq_of_const(q)->old.count;
    return true;
}
