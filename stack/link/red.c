/* link/red.c: random early detection (Floyd and Jacobson, "Random Early Detection Gateways for
 * Congestion Avoidance", 1993; tc-red(8)).
 *
 * Theory of operation. An average of the queue's length in bytes is kept, avg += (length - avg) /
 * 2^wlog at every frame that comes, so that bursts pass and only a queue that stands raises it.
 * Below `min` nothing happens; above `max` every frame is dropped or marked; in between with a
 * probability that grows from 0 to max_p: pb = max_p (avg - min) / (max - min). Frames since the
 * last drop are counted, and the probability is pb / (1 - count * pb): that spreads the drops
 * evenly, about every 1/pb frames, instead of in clumps.
 *
 * While the queue is empty nothing comes that could lower the average. So the next frame lowers it
 * by as many steps as average frames could have left meanwhile at `bandwidth`: avg (1 - 2^-wlog)^m.
 *
 * adaptive (Floyd, Gummadi, Shenker 2001): twice a second max_p is moved so that the average comes
 * to lie in the middle between min and max: up by the lesser of 1 % and a quarter of itself, down
 * by a tenth.
 *
 * In integers: the average and probabilities with 32 binary places.
 */
#include "core/hash.h"
#include "link/chance.h"
#include "link/qdisc.h"

#include <errno.h>

#define ONE (UINT64_C(1) << 32)

struct red {
    struct qdisc q;
    struct td_red par;
    struct chance rng;
    struct pkt_queue fifo;
    uint64_t avg;       /* bytes, 32 binary places */
    uint64_t max_p;     /* 32 binary places */
    int64_t count;      /* frames since the last drop; -1: below min */
    td_time idle_since; /* the queue became empty; TD_NEVER: it isn't */
    td_time adapted;
    struct red_stats stats;
};

static struct red *red_of(struct qdisc *q)
{
    return container_of(q, struct red, q);
}

/* (1 - 2^-wlog)^m. */
static uint64_t decay(uint8_t wlog, uint64_t m)
{
    uint64_t base = ONE - (ONE >> wlog), r = ONE;

    for (; m != 0 && r != 0; m >>= 1) {
        if ((m & 1) != 0)
            r = (r * base) >> 32;
        base = (base * base) >> 32;
    }
    return r;
}

static void red_average(struct red *r, td_time now)
{
    if (r->idle_since != TD_NEVER) {
        td_time slot = qdisc_serialise(r->par.avpkt, r->par.bandwidth);
        uint64_t share = decay(r->par.wlog, now > r->idle_since ? (now - r->idle_since) / slot : 0);

        r->avg = (r->avg >> 32) * share + (((r->avg & 0xffffffff) * share) >> 32);
        r->idle_since = TD_NEVER;
        return;
    }
    if (r->q.bytes << 32 >= r->avg)
        r->avg += ((r->q.bytes << 32) - r->avg) >> r->par.wlog;
    else
        r->avg -= (r->avg - (r->q.bytes << 32)) >> r->par.wlog;
}

static void red_adapt(struct red *r, td_time now)
{
    uint64_t range = r->par.max - r->par.min, avg = r->avg >> 32;
    uint64_t low = r->par.min + range * 4 / 10, high = r->par.min + range * 6 / 10;

    if (!r->par.adaptive || now - r->adapted < 500 * TD_MS)
        return;
    r->adapted = now;
    if (avg > high && r->max_p <= ONE / 2) {
        uint64_t up = r->max_p / 4 < ONE / 100 ? r->max_p / 4 : ONE / 100;

        r->max_p += up;
    } else if (avg < low && r->max_p >= ONE / 100) {
        r->max_p -= r->max_p / 10;
    }
}

enum verdict { PASS, EARLY, FORCED };

static enum verdict red_judge(struct red *r)
{
    uint64_t avg = r->avg >> 32, pb, spread;

    if (avg < r->par.min) {
        r->count = -1;
        return PASS;
    }
    if (avg >= r->par.max) {
        r->count = 0;
        return FORCED;
    }
    r->count++;
    pb = r->max_p * (avg - r->par.min) / (r->par.max - r->par.min);
    spread = pb * (uint64_t)r->count;
    if (spread < ONE && (chance_draw(&r->rng) >> 32) * (ONE - spread) >= pb << 32)
        return PASS;
    r->count = 0;
    return EARLY;
}

static int red_enqueue(struct qdisc *q, struct pkt *p, td_time now)
{
    struct red *r = red_of(q);
    enum verdict v;

    red_average(r, now);
    red_adapt(r, now);
    v = red_judge(r);
    if (v != PASS) {
        enum journal_word why = v == EARLY ? W_RED_EARLY : W_RED_FORCED;

        q->overlimits++;
        if (r->par.ecn && !(v == FORCED && r->par.harddrop) && qdisc_mark(q, p, why)) {
            r->stats.marked++;
        } else {
            r->stats.early++;
            return qdisc_drop(q, p, why, -ENOBUFS);
        }
    }
    if (q->bytes + p->len > r->par.limit) {
        r->stats.pdrop++;
        return qdisc_drop(q, p, W_QUEUE_FULL, -ENOBUFS);
    }
    q->packets++;
    q->bytes += p->len;
    pkt_queue_push(&r->fifo, p);
    return 0;
}

static struct pkt *red_take(struct qdisc *q)
{
    struct pkt *p = pkt_queue_pop(&red_of(q)->fifo);

    if (p != NULL) {
        q->packets--;
        q->bytes -= p->len;
    }
    return p;
}

static struct pkt *red_dequeue(struct qdisc *q, td_time now)
{
    struct pkt *p = red_take(q);

    if (p == NULL)
        return NULL;
    if (q->packets == 0)
        red_of(q)->idle_since = now;
    qdisc_sent(q, p);
    return p;
}

static td_time red_next(struct qdisc *q)
{
    return q->packets > 0 ? 0 : TD_NEVER;
}

static void red_configure(struct red *r, const struct td_red *par)
{
    if (par->seed != r->par.seed || r->rng.state == 0)
        r->rng.state = par->seed;
    r->par = *par;
    r->max_p = par->max_p;
}

static void red_change(struct qdisc *q, const struct td_qdisc *d)
{
    red_configure(red_of(q), &d->u.red);
}

static const struct red *red_of_const(const struct qdisc *q)
{
    return (const struct red *)(const void *)((const char *)q - offsetof(struct red, q));
}

static void red_params(const struct qdisc *q, struct td_qdisc *out)
{
    out->u.red = red_of_const(q)->par;
}

static void red_reset(struct qdisc *q)
{
    struct red *r = red_of(q);

    r->avg = 0;
    r->count = -1;
    r->idle_since = TD_NEVER;
}

static void red_destroy(struct qdisc *q)
{
    struct red *r = red_of(q);

    pkt_queue_clear(&r->fifo);
    mem_free(q->mem, MEM_LINK, r, sizeof *r);
}

static const struct qdisc_ops red_ops = {
    .kind = "red",
    .id = TD_QDISC_RED,
    .enqueue = red_enqueue,
    .dequeue = red_dequeue,
    .next = red_next,
    .take = red_take,
    .change = red_change,
    .params = red_params,
    .reset = red_reset,
    .destroy = red_destroy,
};

struct qdisc *qdisc_red(struct mem *m, const struct td_red *params)
{
    struct red *r = mem_alloc(m, MEM_LINK, sizeof *r);

    if (r == NULL)
        return NULL;
    r->q.ops = &red_ops;
    r->q.mem = m;
    pkt_queue_init(&r->fifo);
    red_configure(r, params);
    red_reset(&r->q);
    return &r->q;
}

bool qdisc_red_stats(const struct qdisc *q, struct red_stats *out)
{
    if (q->ops != &red_ops)
        return false;
    *out = red_of_const(q)->stats;
    out->average = red_of_const(q)->avg >> 32;
    return true;
}
