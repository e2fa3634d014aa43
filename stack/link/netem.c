/* link/netem.c: impairments, in tc-netem(8)'s words.
 *
 * Theory of operation. A frame that comes in is decided upon at once, in this order:
 *
 *     duplicate   a second copy of the frame takes the same way with its own jitter; a frame may be
 *                 both duplicated and lost, and then one copy is left, as in Linux's netem.
 *     loss        dropped with probability `loss`, or by a model of bursts (link/netem_loss.c).
 * With `ecn`, a frame that can be marked is marked instead. limit       no more than `limit` frames
 * are in flight. corrupt     one bit, anywhere in the frame, is flipped: in a private copy, payload
 * may be shared. rate        the wire serialises: a frame starts when the one before it has left,
 * and takes bytes * 8 / rate. Integer nanoseconds, rounded up. Frames may be counted longer by
 * `overhead`, or as whole cells (ATM: 48 bytes that cost 53). delay       then it travels for delay
 * ± jitter, by the distribution asked for. Jitter may overtake, as in netem. reorder     with
 * probability `reorder`, every `gap`-th frame skips the delay.
 *
 * The frame then waits for its time (link/departures.c). With slots it waits for the next slot,
 * too: what is due when a slot opens leaves in one burst, up to so many frames or bytes, and the
 * next slot opens a while later. At last it leaves, or goes into the discipline inside.
 */
#include "core/hash.h"
#include "link/chance.h"
#include "link/departures.h"
#include "link/netem_loss.h"
#include "link/qdisc.h"

#include <errno.h>

#define LIMIT_DEFAULT 1000

struct netem {
    struct qdisc q;
    struct td_netem par;
    struct chance rng;
    struct netem_loss loss;
    struct chance_lean delay_lean, duplicate_lean, corrupt_lean, reorder_lean;
    td_time line_free;                 /* when the serialiser has sent what it was given */
    uint32_t since_reorder;            /* frames since the last one that skipped the delay */
    td_time slot_open;                 /* slots: when the next one opens */
    uint64_t slot_packets, slot_bytes; /* that this one has let through */
    struct departures flight;
};

static struct netem *netem_of(struct qdisc *q)
{
    return container_of(q, struct netem, q);
}

static const struct netem *netem_of_const(const struct qdisc *q)
{
    return (const struct netem *)(const void *)((const char *)q - offsetof(struct netem, q));
}

static void netem_count(struct netem *n)
{
    n->q.packets = n->flight.count;
    n->q.bytes = n->flight.bytes;
}

/* ---- decisions ---- */

/* A draw that may lean on the one before. */
static bool netem_chance(struct netem *n, struct chance_lean *lean, uint32_t prob, uint32_t rho)
{
    if (prob == 0 || rho == 0)
        return chance_hits(&n->rng, prob);
    return chance_leaning(&n->rng, lean, rho) < prob;
}

static td_time netem_delay(struct netem *n)
{
    td_time d = n->par.delay, j = n->par.jitter;
    int64_t off;

    if (j == 0)
        return d;
    if (n->par.dist == TD_DIST_UNIFORM) {
        uint64_t span = 2 * j + 1; /* 0 .. 2j stands for -j .. +j */
        uint64_t at =
            n->par.delay_corr == 0
                ? chance_below(&n->rng, span)
                : chance_share(span, chance_leaning(&n->rng, &n->delay_lean, n->par.delay_corr));

        off = (int64_t)at - (int64_t)j;
    } else {
        uint32_t x = chance_leaning(&n->rng, &n->delay_lean, n->par.delay_corr);

        off = (int64_t)j * chance_quantile(n->par.dist, x) / 8192;
    }
    return off < 0 && (td_time)-off > d ? 0 : d + (td_time)off;
}

/* Every gap-th frame is a candidate; gap 0 makes every frame one (tc's default). */
static bool netem_skips_delay(struct netem *n)
{
    if (n->par.reorder == 0)
        return false;
    if (n->par.gap > 1 && n->since_reorder < n->par.gap - 1)
        return false;
    return netem_chance(n, &n->reorder_lean, n->par.reorder, n->par.reorder_corr);
}

/* Bytes that a frame is on the line. */
static uint64_t netem_line_bytes(const struct netem *n, uint32_t len)
{
    int64_t bytes = (int64_t)len + n->par.overhead;

    if (bytes < 0)
        bytes = 0;
    if (n->par.cell != 0) {
        int64_t cells = (bytes + n->par.cell - 1) / n->par.cell;

        bytes = cells * ((int64_t)n->par.cell + n->par.cell_overhead);
    }
    return (uint64_t)bytes;
}

/* False: no memory, p is gone. */
static bool netem_corrupt(struct netem *n, struct pkt *p)
{
    uint64_t bit = chance_below(&n->rng, (uint64_t)p->len * 8);

    if (!pkt_make_linear(p))
        return false;
    p->data[bit / 8] = (uint8_t)(p->data[bit / 8] ^ (1U << (bit % 8)));
    qdisc_note(&n->q, &(struct qdisc_note){.what = QDISC_CORRUPTED, .p = p, .a = bit});
    return true;
}

/* One copy on its way: limit, corruption, serialiser, delay. Consumes p. */
static int netem_admit(struct netem *n, struct pkt *p, td_time now)
{
    td_time start, due;

    if (n->flight.count >= (n->par.limit != 0 ? n->par.limit : LIMIT_DEFAULT))
        return qdisc_drop(&n->q, p, W_QUEUE_FULL, -ENOBUFS);
    if (!departures_reserve(&n->flight))
        return qdisc_drop(&n->q, p, W_NO_MEMORY, -ENOBUFS);
    if (p->len > 0 && netem_chance(n, &n->corrupt_lean, n->par.corrupt, n->par.corrupt_corr) &&
        !netem_corrupt(n, p))
        return qdisc_drop(&n->q, p, W_NO_MEMORY, -ENOBUFS);
    start = now > n->line_free ? now : n->line_free;
    if (start > now)
        n->q.overlimits++;
    n->line_free = start + qdisc_serialise(netem_line_bytes(n, p->len), n->par.rate);
    due = n->line_free;
    if (netem_skips_delay(n)) {
        n->since_reorder = 0;
        qdisc_note(&n->q, &(struct qdisc_note){.what = QDISC_REORDERED, .p = p});
    } else {
        n->since_reorder++;
        due += netem_delay(n);
    }
    if (due > now)
        qdisc_note(&n->q, &(struct qdisc_note){.what = QDISC_DELAYED, .p = p, .a = due - now});
    departures_push(&n->flight, due, p);
    netem_count(n);
    return 0;
}

static int netem_enqueue(struct qdisc *q, struct pkt *p, td_time now)
{
    struct netem *n = netem_of(q);
    struct pkt *twin = NULL;
    enum journal_word why = W_NONE;
    int copies = 1;

    if (netem_chance(n, &n->duplicate_lean, n->par.duplicate, n->par.duplicate_corr))
        copies++;
    if (netem_loses(&n->loss, &n->par, &n->rng, &why) && !(n->par.ecn && qdisc_mark(q, p, why)))
        copies--;
    if (copies == 0)
        return qdisc_drop(q, p, why, -ECOMM);
    if (copies == 2)
        twin = pkt_clone(p, 0); /* NULL: no memory; the frame itself still goes */
    if (twin != NULL) {
        twin->id = p->id;
        qdisc_note(q, &(struct qdisc_note){.what = QDISC_DUPLICATED, .p = p});
        (void)netem_admit(n, twin,
                          now); /* what becomes of it is not for the sender, who sent one */
    }
    return netem_admit(n, p, now);
}

/* ---- departures ---- */

static bool netem_slotted(const struct netem *n)
{
    return n->par.slot_max != 0;
}

/* The slot that let something through is over: when does the next one open? */
static void netem_slot_close(struct netem *n, td_time now)
{
    n->slot_open =
        now + n->par.slot_min + chance_below(&n->rng, n->par.slot_max - n->par.slot_min + 1);
    n->slot_packets = n->slot_bytes = 0;
}

/* The next frame whose time has come, or NULL. */
static struct pkt *netem_due(struct netem *n, td_time now)
{
    struct pkt *p;

    if (netem_slotted(n) && now < n->slot_open)
        return NULL;
    if (departures_next(&n->flight) > now || n->flight.count == 0) {
        if (netem_slotted(n) && n->slot_packets > 0)
            netem_slot_close(n, now);
        return NULL;
    }
    p = departures_pop(&n->flight);
    netem_count(n);
    if (!netem_slotted(n))
        return p;
    n->slot_packets++;
    n->slot_bytes += p->len;
    if ((n->par.slot_packets != 0 && n->slot_packets >= n->par.slot_packets) ||
        (n->par.slot_bytes != 0 && n->slot_bytes >= n->par.slot_bytes))
        netem_slot_close(n, now);
    return p;
}

static struct pkt *netem_dequeue(struct qdisc *q, td_time now)
{
    struct netem *n = netem_of(q);
    struct pkt *p = netem_due(n, now);

    if (q->child != NULL) {
        for (; p != NULL; p = netem_due(n, now))
            (void)qdisc_enqueue(q->child, p, now);
        p = qdisc_dequeue(q->child, now);
    }
    if (p != NULL)
        qdisc_sent(q, p);
    return p;
}

static td_time netem_next(struct qdisc *q)
{
    const struct netem *n = netem_of(q);
    td_time own = departures_next(&n->flight);
    td_time inner = q->child != NULL ? qdisc_next(q->child) : TD_NEVER;

    if (own != TD_NEVER && netem_slotted(n) && own < n->slot_open)
        own = n->slot_open;
    return own < inner ? own : inner;
}

static struct pkt *netem_take(struct qdisc *q)
{
    struct netem *n = netem_of(q);
    struct pkt *p = departures_pop(&n->flight);

    netem_count(n);
    return p;
}

static void netem_adopt(struct qdisc *q, struct pkt *p, td_time now)
{
    struct netem *n = netem_of(q);

    if (!departures_reserve(&n->flight)) {
        (void)qdisc_drop(q, p, W_NO_MEMORY, -ENOBUFS);
        return;
    }
    departures_push(&n->flight, now, p);
    netem_count(n);
}

static void netem_reset(struct qdisc *q)
{
    netem_of(q)->line_free = 0;
}

static void netem_destroy(struct qdisc *q)
{
    struct netem *n = netem_of(q);

    departures_done(&n->flight);
    mem_free(q->mem, MEM_LINK, n, sizeof *n);
}

static void netem_change(struct qdisc *q, const struct td_qdisc *d)
{
    qdisc_netem_change(q, &d->u.netem);
}

static void netem_params(const struct qdisc *q, struct td_qdisc *out)
{
    out->u.netem = netem_of_const(q)->par;
}

static const struct qdisc_ops netem_ops = {
    .kind = "netem",
    .id = TD_QDISC_NETEM,
    .enqueue = netem_enqueue,
    .dequeue = netem_dequeue,
    .next = netem_next,
    .take = netem_take,
    .adopt = netem_adopt,
    .change = netem_change,
    .params = netem_params,
    .reset = netem_reset,
    .destroy = netem_destroy,
};

struct qdisc *qdisc_netem(struct mem *m, const struct td_netem *params)
{
    struct netem *n = mem_alloc(m, MEM_LINK, sizeof *n);

    if (n == NULL)
        return NULL;
    n->q.ops = &netem_ops;
    n->q.mem = m;
    n->flight.mem = m;
    n->par = *params;
    n->rng.state = params->seed;
    return &n->q;
}

void qdisc_netem_change(struct qdisc *q, const struct td_netem *params)
{
    struct netem *n = netem_of(q);

    if (params->seed != n->par.seed)
        n->rng.state = params->seed;
    n->par = *params;
    n->loss = (struct netem_loss){0};
    n->since_reorder = 0;
    n->slot_open = 0;
    n->slot_packets = n->slot_bytes = 0;
}

const struct td_netem *qdisc_netem_params(const struct qdisc *q)
{
    return q->ops == &netem_ops ? &netem_of_const(q)->par : NULL;
}
