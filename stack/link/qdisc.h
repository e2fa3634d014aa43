/* link/qdisc.h: queue disciplines.
 *
 * A queue discipline is where frames wait between the stack and a device (egress) or between a
 * device and the stack (ingress). It is given the time with every call and never looks at a clock,
 * so the same object works in an interface of a stack, in a simulated wire, and between two live
 * TAP devices in apps/.
 *     enqueue  takes a frame (or drops it, and says why)
 *     dequeue  gives the next frame that may leave at `now`, or NULL
 *     next     when dequeue may have one: TD_NEVER when empty
 *
 * Disciplines form a chain (tapdeck/qdisc.h): netem and tbf hand their frames to a child, which
 * belongs to them. Whoever owns the outermost calls that one only. Each counts for itself; the
 * qdisc_all_… functions sum over a chain.
 *
 * What happens to a frame in there is told to the chain's sink: every drop, mark, copy and flip.
 */
#ifndef LINK_QDISC_H
#define LINK_QDISC_H

#include "core/journal.h"
#include "core/pkt.h"
#include "core/rng.h"
#include "tapdeck/qdisc.h"

struct qdisc;
enum qdisc_what {
    QDISC_DROPPED, /* why */
    QDISC_MARKED,  /* why */
    QDISC_DELAYED, /* a: ns */
    QDISC_DUPLICATED,
    QDISC_CORRUPTED, /* a: bit */
    QDISC_REORDERED, /* goes ahead of those that are delayed */
    QDISC_CODEL,     /* a: 1 begins to drop or mark, 0 ends; b: ns the frame waited */
    QDISC_RULE,      /* a: the rule's number; b: which of its frames; rule; why on HOLD's limits */
    QDISC_RELEASED,  /* a: the rule's number; b: frames that it held; why */
};
struct qdisc_note {
    enum qdisc_what what;
    enum journal_word why;
    const struct pkt *p; /* borrowed, still whole */
    uint64_t a, b;
    const struct td_impair *rule;
};
struct qdisc_sink {
    void (*note)(void *ctx, const struct qdisc *q, const struct qdisc_note *n);
    void *ctx;
};

struct qdisc_ops {
    const char *kind; /* "pfifo", "netem" … as tc names it */
    enum td_qdisc_kind id;
    /* Consumes p. 0; -ENOBUFS: dropped for want of room; -ECOMM: dropped as an impairment asks,
     * which the sender is not told, as it wouldn't be by a wire. The sink has been told. */
    int (*enqueue)(struct qdisc *q, struct pkt *p, td_time now);
    struct pkt *(*dequeue)(struct qdisc *q, td_time now);
    td_time (*next)(struct qdisc *q);
    struct pkt *(*take)(
        struct qdisc *q); /* the next of its own frames, whatever the time and law */
    /* A frame that was further along already comes back: it has nothing left to wait for. NULL:
     * enqueue does. Consumes p. */
    void (*adopt)(struct qdisc *q, struct pkt *p, td_time now);
    void (*change)(struct qdisc *q, const struct td_qdisc *d);
    void (*params)(const struct qdisc *q, struct td_qdisc *out); /* fills out->u */
    void (*reset)(struct qdisc *q);   /* has just been emptied; may be NULL */
    void (*destroy)(struct qdisc *q); /* frees its frames and q, not its child */
};

struct qdisc {
    const struct qdisc_ops *ops;
    struct mem *mem;
    struct qdisc *child;           /* NULL: none */
    const struct qdisc_sink *sink; /* NULL: nobody listens */
    uint16_t handle;               /* major number; 0 = none */
    bool implicit;                 /* nobody asked for it: not shown */
    uint64_t packets, bytes;       /* waiting in itself now */
    uint64_t sent_packets, sent_bytes, drops, overlimits, marks;
};

/* ---- one ---- */

/* First in, first out, at most `limit` packets (Linux's pfifo; txqueuelen). NULL = no memory. */
struct qdisc *qdisc_pfifo(struct mem *m, uint32_t limit);
/* The same, at most `limit` bytes. */
struct qdisc *qdisc_bfifo(struct mem *m, uint32_t limit);
/* Impairments (tc-netem(8)'s words). Copies *params; draws from its own generator seeded by
 * params->seed, so a run can be repeated. NULL = no memory. */
struct qdisc *qdisc_netem(struct mem *m, const struct td_netem *params);
struct qdisc *qdisc_tbf(struct mem *m, const struct td_tbf *params); /* without its child */
struct qdisc *qdisc_red(struct mem *m, const struct td_red *params);
struct qdisc *qdisc_fq_codel(struct mem *m, const struct td_fq_codel *params);
/* Changes the impairments; frames in flight keep their time. */
void qdisc_netem_change(struct qdisc *q, const struct td_netem *params);
/* What a netem was told, or NULL when q is none. */
const struct td_netem *qdisc_netem_params(const struct qdisc *q);
/* Time that `bytes` take at `rate` bits a second, rounded up to a nanosecond; 0 for rate 0. */
td_time qdisc_serialise(uint64_t bytes, uint64_t rate);

struct fq_codel_stats { /* as `tc -s qdisc` has them */
    uint32_t maxpacket, drop_overlimit, new_flow_count, ecn_mark, new_flows_len, old_flows_len;
    uint32_t drop_overmemory, ce_mark;
    uint64_t memory_used;
};
bool qdisc_fq_codel_stats(const struct qdisc *q, struct fq_codel_stats *out); /* false: is none */
struct red_stats {
    uint64_t marked, early, pdrop, other;
    uint64_t average; /* bytes */
};
bool qdisc_red_stats(const struct qdisc *q, struct red_stats *out);

/* ---- a chain ---- */

/* 0, or -EINVAL: a value is out of its range, or something stands inside what can't hold it. */
int qdisc_chain_valid(const struct td_qdisc_chain *chain);
/* Makes *root as `chain` says (depth > 0). What keeps its place and kind from the outside on is
 * changed, and keeps its frames; the others are new, and get the frames of what they replace.
 * `seed` stands in where a discipline has none. 0; -EINVAL, -ENOMEM: nothing changed. */
int qdisc_chain_set(struct qdisc **root, struct mem *m, const struct td_qdisc_chain *chain,
                    uint64_t seed, const struct qdisc_sink *sink, td_time now);
/* What it would take to make it so. Depth 0: nobody asked for anything. */
void qdisc_chain_get(const struct qdisc *root, struct td_qdisc_chain *out);
/* The next frame of the chain, whatever the time; innermost first: in the order of leaving. */
struct pkt *qdisc_chain_take(struct qdisc *root);
void qdisc_chain_clear(struct qdisc *root);           /* frees the frames */
uint64_t qdisc_all_packets(const struct qdisc *root); /* waiting */
uint64_t qdisc_all_bytes(const struct qdisc *root);
uint64_t qdisc_all_drops(const struct qdisc *root);
void qdisc_destroy(struct qdisc *root); /* with all in it; NULL is allowed */

/* ---- rules (link/rules.c): the outermost discipline where there are any ---- */

struct qdisc *qdisc_rules(struct mem *m,
                          struct qdisc *child); /* takes child on; NULL = no memory */
bool qdisc_is_rules(const struct qdisc *q);
/* The chain behind the rules; q itself where there are none. q may be NULL. */
struct qdisc *qdisc_behind_rules(struct qdisc *q);
/* As td_impair_add, td_impair_del, td_impair_release. What is let go by the last two is in the chain. */
int qdisc_rule_add(struct qdisc *q, const struct td_impair *rule);
int qdisc_rule_del(struct qdisc *q, uint32_t id, td_time now);
int qdisc_rule_release(struct qdisc *q, uint32_t id, td_time now);
struct rule_info {
    const struct td_impair *rule;
    uint32_t id;
    uint64_t matched, acted, held;
};
/* The rule with the lowest number >= id. False: none. */
bool qdisc_rule_from(const struct qdisc *q, uint32_t id, struct rule_info *out);

/* ---- for disciplines ---- */

static inline int qdisc_enqueue(struct qdisc *q, struct pkt *p, td_time now)
{
    return q->ops->enqueue(q, p, now);
}
static inline struct pkt *qdisc_dequeue(struct qdisc *q, td_time now)
{
    return q->ops->dequeue(q, now);
}
static inline td_time qdisc_next(struct qdisc *q)
{
    return q->ops->next(q);
}
void qdisc_note(const struct qdisc *q, const struct qdisc_note *n);
/* Counts, tells, frees. Returns err. */
int qdisc_drop(struct qdisc *q, struct pkt *p, enum journal_word why, int err);
/* Tries to mark; true: done, counted and told. */
bool qdisc_mark(struct qdisc *q, struct pkt *p, enum journal_word why);
void qdisc_sent(struct qdisc *q, const struct pkt *p); /* counts */

#endif
