/* link/tbf.c: the token bucket filter (tc-tbf(8)).
 *
 * Theory of operation. A bucket holds tokens for `burst` bytes and is filled at `rate`. A frame
 * leaves when the bucket holds tokens for all its bytes, and takes them out. So over any time t no
 * more than burst + rate * t leaves, and a sender who was silent may send `burst` at once. With a
 * peakrate a second, small bucket (`mtu` bytes) must have tokens, too: then even a burst leaves no
 * faster than that.
 *
 * Frames wait in the discipline inside: a bfifo of `limit` bytes (tc's `latency` says the same as a
 * time: limit = rate * latency + burst), or what was put there, an fq_codel, say. A frame that has
 * been taken out of it and finds no tokens is kept in hand until there are.
 *
 * Tokens are counted in bits times 10^9, so that rate (bits a second) times nanoseconds is exact:
 * nothing is lost to rounding however often the bucket is looked at. 2^30 bytes of burst are
 * 8.6 * 10^18, which fits in 64 bits.
 */
#include "core/hash.h"
#include "link/qdisc.h"

#include <errno.h>

struct bucket {
    uint64_t rate;          /* bits a second; 0 = no such bucket */
    uint64_t tokens, depth; /* bits * 10^9 */
};

struct tbf {
    struct qdisc q;
    struct td_tbf par;
    struct bucket main, peak;
    td_time filled; /* when both were filled up last */
    struct pkt *hand;
};

static struct tbf *tbf_of(struct qdisc *q)
{
    return container_of(q, struct tbf, q);
}

static uint64_t tokens_of(uint64_t bytes)
{
    return bytes * 8 * TD_SEC;
}

static void bucket_fill(struct bucket *b, td_time elapsed)
{
    uint64_t missing = b->depth - b->tokens;

    if (b->rate == 0)
        return;
    if (elapsed > missing / b->rate)
        b->tokens = b->depth;
    else
        b->tokens += b->rate * elapsed;
}

static void tbf_fill(struct tbf *t, td_time now)
{
    if (now <= t->filled)
        return;
    bucket_fill(&t->main, now - t->filled);
    bucket_fill(&t->peak, now - t->filled);
    t->filled = now;
}

/* What a frame takes out of it: never more than it holds, which may have become less since the
 * frame was let in. */
static uint64_t bucket_price(const struct bucket *b, uint32_t len)
{
    uint64_t price = tokens_of(len);

    return price < b->depth ? price : b->depth;
}

/* How long until the bucket holds enough for so many bytes, rounded up. */
static td_time bucket_wait(const struct bucket *b, uint32_t len)
{
    uint64_t need = bucket_price(b, len);

    if (b->rate == 0 || b->tokens >= need)
        return 0;
    return (need - b->tokens + b->rate - 1) / b->rate;
}

static uint32_t tbf_longest(const struct tbf *t)
{
    return t->par.peakrate != 0 && t->par.mtu < t->par.burst ? t->par.mtu : t->par.burst;
}

static int tbf_enqueue(struct qdisc *q, struct pkt *p, td_time now)
{
    if (p->len > tbf_longest(tbf_of(q)))
        return qdisc_drop(q, p, W_OVER_BURST, -ENOBUFS);
    return qdisc_enqueue(q->child, p, now);
}

static void tbf_hand(struct tbf *t, struct pkt *p)
{
    t->hand = p;
    t->q.packets = p != NULL ? 1 : 0;
    t->q.bytes = p != NULL ? p->len : 0;
}

static struct pkt *tbf_dequeue(struct qdisc *q, td_time now)
{
    struct tbf *t = tbf_of(q);
    struct pkt *p;

    if (t->hand == NULL)
        tbf_hand(t, qdisc_dequeue(q->child, now));
    p = t->hand;
    if (p == NULL)
        return NULL;
    tbf_fill(t, now);
    if (bucket_wait(&t->main, p->len) > 0 || bucket_wait(&t->peak, p->len) > 0) {
        q->overlimits++;
        return NULL;
    }
    t->main.tokens -= bucket_price(&t->main, p->len);
    t->peak.tokens -= bucket_price(&t->peak, p->len);
    tbf_hand(t, NULL);
    qdisc_sent(q, p);
    return p;
}

static td_time tbf_next(struct qdisc *q)
{
    const struct tbf *t = tbf_of(q);
    td_time main, peak;

    if (t->hand == NULL)
        return qdisc_next(q->child);
    main = bucket_wait(&t->main, t->hand->len);
    peak = bucket_wait(&t->peak, t->hand->len);
    return t->filled + (main > peak ? main : peak);
}

static struct pkt *tbf_take(struct qdisc *q)
{
    struct tbf *t = tbf_of(q);
    struct pkt *p = t->hand;

    tbf_hand(t, NULL);
    return p;
}

static void bucket_set(struct bucket *b, uint64_t rate, uint32_t bytes)
{
    b->rate = rate;
    b->depth = tokens_of(bytes);
    if (b->tokens > b->depth)
        b->tokens = b->depth;
}

static void tbf_change(struct qdisc *q, const struct td_qdisc *d)
{
    struct tbf *t = tbf_of(q);

    t->par = d->u.tbf;
    bucket_set(&t->main, t->par.rate, t->par.burst);
    bucket_set(&t->peak, t->par.peakrate, t->par.mtu);
}

static void tbf_params(const struct qdisc *q, struct td_qdisc *out)
{
    out->u.tbf =
        ((const struct tbf *)(const void *)((const char *)q - offsetof(struct tbf, q)))->par;
}

static void tbf_reset(struct qdisc *q)
{
    struct tbf *t = tbf_of(q);

    t->main.tokens = t->main.depth;
    t->peak.tokens = t->peak.depth;
}

static void tbf_destroy(struct qdisc *q)
{
    struct tbf *t = tbf_of(q);

    pkt_free(t->hand);
    mem_free(q->mem, MEM_LINK, t, sizeof *t);
}

static const struct qdisc_ops tbf_ops = {
    .kind = "tbf",
    .id = TD_QDISC_TBF,
    .enqueue = tbf_enqueue,
    .dequeue = tbf_dequeue,
    .next = tbf_next,
    .take = tbf_take,
    .change = tbf_change,
    .params = tbf_params,
    .reset = tbf_reset,
    .destroy = tbf_destroy,
};

struct qdisc *qdisc_tbf(struct mem *m, const struct td_tbf *params)
{
    struct tbf *t = mem_alloc(m, MEM_LINK, sizeof *t);

    if (t == NULL)
        return NULL;
    t->q.ops = &tbf_ops;
    t->q.mem = m;
    t->par = *params;
    bucket_set(&t->main, params->rate, params->burst);
    bucket_set(&t->peak, params->peakrate, params->mtu);
    tbf_reset(&t->q);
    return &t->q;
}
