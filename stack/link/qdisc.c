/* link/qdisc.c: chains of queue disciplines.
 *
 * Theory of operation. A chain is configured as a whole: qdisc_chain_set is given what is to be
 * there and compares it with what is, from the outside inwards. As long as the kinds agree, the
 * discipline that is there is only told its new parameters and keeps frames, counters and the state
 * of its generator. From the first difference on, everything is made anew; only when all of that is
 * there (memory may be short) is anything changed. The frames of what is thrown away go into what
 * takes its place, in the order in which they would have left.
 *
 * A tbf always has something inside it: where nobody put anything, a bfifo with the tbf's limit,
 * which isn't shown.
 */
#include "link/qdisc.h"

#include "link/frame.h"

#include <errno.h>

void qdisc_note(const struct qdisc *q, const struct qdisc_note *n)
{
    if (q->sink != NULL)
        q->sink->note(q->sink->ctx, q, n);
}

int qdisc_drop(struct qdisc *q, struct pkt *p, enum journal_word why, int err)
{
    q->drops++;
    qdisc_note(q, &(struct qdisc_note){.what = QDISC_DROPPED, .why = why, .p = p});
    pkt_free(p);
    return err;
}

bool qdisc_mark(struct qdisc *q, struct pkt *p, enum journal_word why)
{
    if (!frame_mark_ce(p))
        return false;
    q->marks++;
    qdisc_note(q, &(struct qdisc_note){.what = QDISC_MARKED, .why = why, .p = p});
    return true;
}

void qdisc_sent(struct qdisc *q, const struct pkt *p)
{
    q->sent_packets++;
    q->sent_bytes += p->len;
}

td_time qdisc_serialise(uint64_t bytes, uint64_t rate)
{
    const uint64_t most = (UINT64_MAX - rate) / (8 * TD_SEC); /* cells can make a lot of a frame */

    if (rate == 0)
        return 0;
    if (bytes > most)
        bytes = most;
    return (bytes * 8 * TD_SEC + rate - 1) / rate;
}

void qdisc_destroy(struct qdisc *root)
{
    for (struct qdisc *q = root, *child; q != NULL; q = child) {
        child = q->child;
        q->ops->destroy(q);
    }
}

/* ---- sums ---- */

uint64_t qdisc_all_packets(const struct qdisc *root)
{
    uint64_t n = 0;

    for (const struct qdisc *q = root; q != NULL; q = q->child)
        n += q->packets;
    return n;
}

uint64_t qdisc_all_bytes(const struct qdisc *root)
{
    uint64_t n = 0;

    for (const struct qdisc *q = root; q != NULL; q = q->child)
        n += q->bytes;
    return n;
}

uint64_t qdisc_all_drops(const struct qdisc *root)
{
    uint64_t n = 0;

    for (const struct qdisc *q = root; q != NULL; q = q->child)
        n += q->drops;
    return n;
}

struct pkt *qdisc_chain_take(struct qdisc *root)
{
    for (;;) {
        struct qdisc *inner = NULL;
        struct pkt *p;

        for (struct qdisc *q = root; q != NULL; q = q->child)
            if (q->packets > 0)
                inner = q;
        if (inner == NULL)
            return NULL;
        p = inner->ops->take(inner);
        if (p != NULL)
            return p;
    }
}

void qdisc_chain_clear(struct qdisc *root)
{
    struct pkt *p;

    while ((p = qdisc_chain_take(root)) != NULL)
        pkt_free(p);
    for (struct qdisc *q = root; q != NULL; q = q->child)
        if (q->ops->reset != NULL)
            q->ops->reset(q);
}

/* ---- judging ---- */

static bool holds_others(enum td_qdisc_kind kind)
{
    return kind == TD_QDISC_NETEM || kind == TD_QDISC_TBF;
}

#define TIME_MAX (1000 * TD_SEC)
#define RATE_MAX UINT64_C(1000000000000)

static bool netem_valid(const struct td_netem *n)
{
    return n->rate <= RATE_MAX && n->delay <= TIME_MAX && n->jitter <= TIME_MAX &&
           n->dist <= TD_DIST_PARETONORMAL && n->slot_min <= n->slot_max &&
           n->slot_max <= TIME_MAX && n->overhead >= -65536 && n->overhead <= 65536 &&
           n->cell <= 65536 && n->cell_overhead <= 65536;
}

static bool tbf_valid(const struct td_tbf *t)
{
    return t->rate > 0 && t->rate <= RATE_MAX && t->burst > 0 && t->burst <= 1U << 30 &&
           t->mtu <= 1U << 30 && t->peakrate <= RATE_MAX && (t->peakrate == 0 || t->mtu > 0);
}

static bool red_valid(const struct td_red *r)
{
    return r->limit > 0 && r->min > 0 && r->min < r->max && r->max <= r->limit &&
           r->limit <= 1U << 30 && r->avpkt > 0 && r->wlog >= 1 && r->wlog < 32 && r->max_p > 0 &&
           r->bandwidth > 0 && r->bandwidth <= RATE_MAX;
}

static bool fq_codel_valid(const struct td_fq_codel *f)
{
    return f->limit > 0 && f->flows >= 1 && f->flows <= 65536 && f->quantum >= 256 &&
           f->quantum <= 1U << 20 && f->memory_limit > 0 && f->drop_batch > 0 && f->target > 0 &&
           f->target <= TIME_MAX && f->interval > 0 && f->interval <= TIME_MAX;
}

static bool qdisc_valid(const struct td_qdisc *d)
{
    switch (d->kind) {
    case TD_QDISC_PFIFO:
    case TD_QDISC_BFIFO:
        return d->u.fifo.limit > 0;
    case TD_QDISC_NETEM:
        return netem_valid(&d->u.netem);
    case TD_QDISC_TBF:
        return tbf_valid(&d->u.tbf);
    case TD_QDISC_RED:
        return red_valid(&d->u.red);
    case TD_QDISC_FQ_CODEL:
        return fq_codel_valid(&d->u.fq_codel);
    default:
        return false;
    }
}

int qdisc_chain_valid(const struct td_qdisc_chain *chain)
{
    if (chain->depth > TD_QDISC_DEPTH)
        return -EINVAL;
    for (uint32_t i = 0; i < chain->depth; i++) {
        if (!qdisc_valid(&chain->q[i]))
            return -EINVAL;
        if (i + 1 < chain->depth && !holds_others(chain->q[i].kind))
            return -EINVAL;
    }
    return 0;
}

/* ---- making ---- */

static uint64_t *seed_of(struct td_qdisc *d)
{
    switch (d->kind) {
    case TD_QDISC_NETEM:
        return &d->u.netem.seed;
    case TD_QDISC_RED:
        return &d->u.red.seed;
    case TD_QDISC_FQ_CODEL:
        return &d->u.fq_codel.seed;
    default:
        return NULL;
    }
}

static struct qdisc *qdisc_new(struct mem *m, const struct td_qdisc *d)
{
    switch (d->kind) {
    case TD_QDISC_PFIFO:
        return qdisc_pfifo(m, d->u.fifo.limit);
    case TD_QDISC_BFIFO:
        return qdisc_bfifo(m, d->u.fifo.limit);
    case TD_QDISC_NETEM:
        return qdisc_netem(m, &d->u.netem);
    case TD_QDISC_TBF:
        return qdisc_tbf(m, &d->u.tbf);
    case TD_QDISC_RED:
        return qdisc_red(m, &d->u.red);
    default:
        return qdisc_fq_codel(m, &d->u.fq_codel);
    }
}

/* What is to be there in full: seeds filled in, and tbf's own queue. */
struct plan {
    uint32_t depth;
    struct td_qdisc q[TD_QDISC_DEPTH + 1];
    bool implicit_last;
};

static void plan_make(struct plan *plan, const struct td_qdisc_chain *chain, uint64_t seed)
{
    const struct td_qdisc *last = &chain->q[chain->depth - 1];

    *plan = (struct plan){.depth = chain->depth};
    for (uint32_t i = 0; i < chain->depth; i++) {
        uint64_t *own;

        plan->q[i] = chain->q[i];
        own = seed_of(&plan->q[i]);
        if (own != NULL && *own == 0)
            *own = seed + i;
    }
    if (last->kind == TD_QDISC_TBF) {
        plan->q[plan->depth] =
            (struct td_qdisc){.kind = TD_QDISC_BFIFO, .u.fifo.limit = last->u.tbf.limit};
        plan->depth++;
        plan->implicit_last = true;
    }
}

/* fq_codel's queues are made once. */
static bool can_become(const struct qdisc *q, const struct td_qdisc *d)
{
    struct td_qdisc is = {0};

    if (q->ops->id != d->kind)
        return false;
    if (d->kind != TD_QDISC_FQ_CODEL)
        return true;
    q->ops->params(q, &is);
    return is.u.fq_codel.flows == d->u.fq_codel.flows;
}

int qdisc_chain_set(struct qdisc **root, struct mem *m, const struct td_qdisc_chain *chain,
                    uint64_t seed, const struct qdisc_sink *sink, td_time now)
{
    struct qdisc **place = root, *fresh = NULL, **end = &fresh, *old, *last = NULL;
    struct plan plan;
    uint32_t kept = 0;
    struct pkt *p;

    if (chain->depth == 0 || qdisc_chain_valid(chain) < 0)
        return -EINVAL;
    plan_make(&plan, chain, seed);
    if (plan.implicit_last && plan.q[plan.depth - 1].u.fifo.limit == 0)
        return -EINVAL; /* a tbf without a limit and without anything inside */
    for (; kept < plan.depth && *place != NULL && can_become(*place, &plan.q[kept]); kept++)
        place = &(*place)->child;
    for (uint32_t i = kept; i < plan.depth; i++) {
        *end = qdisc_new(m, &plan.q[i]);
        if (*end == NULL) {
            qdisc_destroy(fresh);
            return -ENOMEM;
        }
        end = &(*end)->child;
    }

    old = *place;
    *place = fresh;
    place = root;
    for (uint32_t i = 0; i < plan.depth; i++, place = &(*place)->child) {
        if (i < kept)
            (*place)->ops->change(*place, &plan.q[i]);
        last = *place;
        last->sink = sink;
        last->handle = plan.q[i].handle;
        last->implicit = plan.implicit_last && i + 1 == plan.depth;
    }
    while (old != NULL && (p = qdisc_chain_take(old)) != NULL) {
        if (fresh != NULL)
            (void)qdisc_enqueue(fresh, p, now);
        else
            last->ops->adopt(last, p, now); /* a netem that lost what was inside it */
    }
    qdisc_destroy(old);
    return 0;
}

void qdisc_chain_get(const struct qdisc *root, struct td_qdisc_chain *out)
{
    *out = (struct td_qdisc_chain){0};
    for (const struct qdisc *q = root; q != NULL && out->depth < TD_QDISC_DEPTH; q = q->child) {
        struct td_qdisc *d = &out->q[out->depth];

        if (q->implicit)
            return;
        d->kind = q->ops->id;
        d->handle = q->handle;
        q->ops->params(q, d);
        out->depth++;
    }
}
