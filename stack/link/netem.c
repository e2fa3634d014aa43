/* link/netem.c: impairments, in tc-netem(8)'s words.
 *
 * Theory of operation. A frame that comes in is decided upon at once, in this order:
 *
 *     loss        dropped with probability `loss`, or by the Gilbert-Elliott model: a channel that
 * is in a good or a bad state; each frame is lost with that state's probability, then the state may
 * change (p good→bad, r bad→good). Losses come in bursts of 1/r frames. duplicate   a second copy
 * of the frame takes the same way with its own jitter; a frame may be both duplicated and lost, and
 * then one copy is left, as in Linux's netem. limit       no more than `limit` frames are in
 * flight. corrupt     one bit, anywhere in the frame, is flipped: in a private copy, payload may be
 * shared. rate        the wire serialises: a frame starts when the one before it has left, and
 * takes bytes * 8 / rate. Integer nanoseconds, rounded up. delay       then it travels for delay ±
 * jitter (uniform). Jitter may overtake, as in netem. reorder     with probability `reorder`, every
 * `gap`-th frame skips the delay.
 *
 * The frame waits in a binary heap ordered by (time, number): frames of the same time leave in the
 * order in which they came, so a run can be repeated bit for bit. The generator is SplitMix64,
 * seeded by the caller: nothing here is a secret, and it must not draw from the stack's own
 * generator or an impairment would change the stack's ISNs.
 */
#include "core/hash.h"
#include "link/qdisc.h"

#include <errno.h>

struct netem_slot {
    td_time time;
    uint64_t seq;
    struct pkt *p;
};

struct netem {
    struct qdisc q;
    struct td_netem par;
    uint64_t rng;
    uint64_t seq;
    td_time line_free;      /* when the serialiser has sent what it was given */
    uint32_t since_reorder; /* frames since the last one that skipped the delay */
    bool bad;               /* Gilbert-Elliott state */
    struct netem_slot *heap;
    uint32_t cap;
};

static struct netem *netem_of(struct qdisc *q)
{
    return container_of(q, struct netem, q);
}

static uint64_t netem_draw(struct netem *n)
{
    uint64_t z = (n->rng += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* True with probability prob / 2^32; UINT32_MAX is always. Draws only when there is a choice. */
static bool netem_chance(struct netem *n, uint32_t prob)
{
    if (prob == 0)
        return false;
    if (prob == UINT32_MAX)
        return true;
    return (uint32_t)(netem_draw(n) >> 32) < prob;
}

/* Uniform in [0, bound), bound > 0: the 128-bit multiply without its 128 bits, by rejection. */
static uint64_t netem_below(struct netem *n, uint64_t bound)
{
    uint64_t reject = (UINT64_MAX - bound + 1) % bound; /* 2^64 mod bound */
    uint64_t v;

    do {
        v = netem_draw(n);
    } while (v < reject);
    return v % bound;
}

td_time qdisc_serialise(uint64_t bytes, uint64_t rate)
{
    if (rate == 0)
        return 0;
    return (bytes * 8 * TD_SEC + rate - 1) / rate;
}

/* ---- the heap ---- */

static bool slot_before(const struct netem_slot *a, const struct netem_slot *b)
{
    return a->time != b->time ? a->time < b->time : a->seq < b->seq;
}

static bool heap_reserve(struct netem *n)
{
    uint32_t used = (uint32_t)n->q.packets;
    uint32_t cap = n->cap == 0 ? 16 : n->cap * 2;
    struct netem_slot *h;

    if (used < n->cap)
        return true;
    h = mem_resize(n->q.mem, MEM_LINK, n->heap, n->cap * sizeof *h, cap * sizeof *h);
    if (h == NULL)
        return false;
    n->heap = h;
    n->cap = cap;
    return true;
}

static void heap_push(struct netem *n, td_time time, struct pkt *p)
{
    struct netem_slot s = {.time = time, .seq = n->seq++, .p = p};
    uint64_t i = n->q.packets++;

    n->q.bytes += p->len;
    while (i > 0 && slot_before(&s, &n->heap[(i - 1) / 2])) {
        n->heap[i] = n->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    n->heap[i] = s;
}

static struct pkt *heap_pop(struct netem *n)
{
    struct pkt *p = n->heap[0].p;
    uint64_t count = --n->q.packets;
    struct netem_slot last = n->heap[count];
    uint64_t i = 0, child;

    n->q.bytes -= p->len;
    while ((child = 2 * i + 1) < count) {
        if (child + 1 < count && slot_before(&n->heap[child + 1], &n->heap[child]))
            child++;
        if (!slot_before(&n->heap[child], &last))
            break;
        n->heap[i] = n->heap[child];
        i = child;
    }
    n->heap[i] = last;
    return p;
}

/* ---- decisions ---- */

static bool netem_lost(struct netem *n, const char **why)
{
    if (n->par.ge_p > 0) {
        bool bad = n->bad;

        if (netem_chance(n, bad ? n->par.ge_r : n->par.ge_p))
            n->bad = !bad;
        if (netem_chance(n, bad ? n->par.ge_bad : n->par.ge_good)) {
            *why = bad ? "loss in a bad period" : "loss";
            return true;
        }
    }
    if (netem_chance(n, n->par.loss)) {
        *why = "loss";
        return true;
    }
    return false;
}

static td_time netem_delay(struct netem *n)
{
    td_time d = n->par.delay, j = n->par.jitter;
    uint64_t off;

    if (j == 0)
        return d;
    off = netem_below(n, 2 * j + 1); /* 0 .. 2j stands for -j .. +j */
    return d + off < j ? 0 : d + off - j;
}

/* Every gap-th frame is a candidate; gap 0 makes every frame one (tc's default). */
static bool netem_skips_delay(struct netem *n)
{
    if (n->par.reorder == 0)
        return false;
    if (n->par.gap > 1 && n->since_reorder < n->par.gap - 1)
        return false;
    return netem_chance(n, n->par.reorder);
}

/* One copy on its way: limit, corruption, serialiser, delay. Consumes p. */
static int netem_admit(struct netem *n, struct pkt *p, td_time now, const char **why)
{
    td_time start;

    if (n->q.packets >= (n->par.limit != 0 ? n->par.limit : 1000)) {
        *why = "queue full";
        goto drop;
    }
    if (!heap_reserve(n)) {
        *why = "no memory";
        goto drop;
    }
    if (p->len > 0 && netem_chance(n, n->par.corrupt)) {
        uint64_t bit = netem_below(n, (uint64_t)p->len * 8);

        if (!pkt_make_linear(p)) {
            *why = "no memory";
            goto drop;
        }
        p->data[bit / 8] = (uint8_t)(p->data[bit / 8] ^ (1U << (bit % 8)));
    }
    start = now > n->line_free ? now : n->line_free;
    if (start > now)
        n->q.overlimits++;
    n->line_free = start + qdisc_serialise(p->len, n->par.rate);
    if (netem_skips_delay(n)) {
        n->since_reorder = 0;
        heap_push(n, n->line_free, p);
    } else {
        n->since_reorder++;
        heap_push(n, n->line_free + netem_delay(n), p);
    }
    return 0;

drop:
    n->q.drops++;
    pkt_free(p);
    return -ENOBUFS;
}

static int netem_enqueue(struct qdisc *q, struct pkt *p, td_time now, const char **why)
{
    struct netem *n = netem_of(q);
    struct pkt *twin = NULL;
    int copies = 1;

    if (netem_chance(n, n->par.duplicate))
        copies++;
    if (netem_lost(n, why))
        copies--;
    if (copies == 0) {
        q->drops++;
        pkt_free(p);
        return -ECOMM;
    }
    if (copies == 2)
        twin = pkt_clone(p, 0); /* NULL: no memory; the frame itself still goes */
    if (twin != NULL) {
        const char *twin_why = "";

        (void)netem_admit(n, twin, now, &twin_why); /* counted in q->drops; the sender sent one */
    }
    return netem_admit(n, p, now, why);
}

static struct pkt *netem_dequeue(struct qdisc *q, td_time now)
{
    struct netem *n = netem_of(q);
    struct pkt *p;

    if (q->packets == 0 || n->heap[0].time > now)
        return NULL;
    p = heap_pop(n);
    q->sent_packets++;
    q->sent_bytes += p->len;
    return p;
}

static td_time netem_next(struct qdisc *q)
{
    return q->packets == 0 ? TD_NEVER : netem_of(q)->heap[0].time;
}

static void netem_clear(struct qdisc *q)
{
    struct netem *n = netem_of(q);

    for (uint64_t i = 0; i < q->packets; i++)
        pkt_free(n->heap[i].p);
    q->packets = 0;
    q->bytes = 0;
    n->line_free = 0;
}

static void netem_destroy(struct qdisc *q)
{
    struct netem *n = netem_of(q);

    netem_clear(q);
    mem_free(q->mem, MEM_LINK, n->heap, n->cap * sizeof *n->heap);
    mem_free(q->mem, MEM_LINK, n, sizeof *n);
}

static const struct qdisc_ops netem_ops = {
    .kind = "netem",
    .enqueue = netem_enqueue,
    .dequeue = netem_dequeue,
    .next = netem_next,
    .clear = netem_clear,
    .destroy = netem_destroy,
};

struct qdisc *qdisc_netem(struct mem *m, const struct td_netem *params)
{
    struct netem *n = mem_alloc(m, MEM_LINK, sizeof *n);

    if (n == NULL)
        return NULL;
    n->q.ops = &netem_ops;
    n->q.mem = m;
    n->par = *params;
    n->rng = params->seed;
    return &n->q;
}

void qdisc_netem_change(struct qdisc *q, const struct td_netem *params)
{
    struct netem *n = netem_of(q);

    if (params->seed != n->par.seed)
        n->rng = params->seed;
    n->par = *params;
    n->bad = false;
    n->since_reorder = 0;
}

const struct td_netem *qdisc_netem_params(const struct qdisc *q)
{
    if (q->ops != &netem_ops)
        return NULL;
    return &((const struct netem *)(const void *)((const char *)q - offsetof(struct netem, q)))
                ->par;
}
