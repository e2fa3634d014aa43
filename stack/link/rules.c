/* link/rules.c: addressed impairments: something happens to single, named frames.
 *
 * Theory of operation. The rules stand in front of a direction's queue disciplines. Each rule says
 * which frames it is about: by kind (a SYN-ACK, a segment with data; link/frame.c), by a filter
 * expression (a BPF program that libpcap has compiled outside, core/bpf.c), or both; and of those
 * frames, counted from 1 by the rule itself, which ones: the 3rd, the first two, every tenth. To
 * such a frame it does one thing:
 *
 *     drop        it is gone, and the sender isn't told
 *     delay       it goes on into the queue disciplines so much later (delays of several rules add
 * up) duplicate   copies of it go on right behind it corrupt     one bit is flipped, in a private
 * copy mark        "congestion experienced" is set, if its sender said that it understands (RFC
 * 3168) hold        it is kept until another frame, described in the same way, has passed; then it
 * goes on, behind that one. Or until a time is over, or somebody lets it go
 *
 * Rules are asked in the order in which they were added. All that match count the frame, so their
 * numbers don't depend on each other; but what one drops or holds, the later ones don't see.
 *
 * A frame that is delayed waits in here, in order of time. There is room for HELD_MAX frames in
 * all; where there is none, a frame to be held or delayed is dropped, and that is told.
 */
#include "core/bpf.h"
#include "core/hash.h"
#include "link/chance.h"
#include "link/departures.h"
#include "link/frame.h"
#include "link/qdisc.h"

#include <errno.h>
#include <string.h>

#define HELD_MAX   10000
#define COPIES_MAX 100

struct rule {
    struct rule *next;
    struct td_impair par;
    uint32_t id;
    uint64_t matched, acted;
    struct chance rng;
    struct pkt_queue held;
    td_time deadline;    /* of what is held; TD_NEVER: none */
    uint64_t until_seen; /* frames of the `until` kind since it began to hold */
    bool open;           /* let go, as soon as the frame that did it has passed */
};

struct rules {
    struct qdisc q;
    struct rule *first;
    uint32_t last_id, count;
    struct departures late;
    uint64_t held, held_bytes;
};

static struct rules *rules_of(struct qdisc *q)
{
    return container_of(q, struct rules, q);
}

static void rules_count(struct rules *s)
{
    s->q.packets = s->late.count + s->held;
    s->q.bytes = s->late.bytes + s->held_bytes;
}

/* ---- which frames ---- */

static bool is_meant(uint32_t kinds, const struct td_bpf_insn *code, uint32_t len,
                     const struct pkt *p, uint32_t is)
{
    return (is & kinds) == kinds && (len == 0 || bpf_run(code, p) != 0);
}

static bool rule_matches(const struct rule *r, const struct pkt *p, uint32_t is)
{
    return is_meant(r->par.kinds, r->par.code, r->par.match_len, p, is);
}

/* Is the frame that has just been counted one of those that something happens to? */
static bool rule_picks(const struct rule *r)
{
    return r->matched >= r->par.from && r->matched <= r->par.to &&
           (r->matched - r->par.from) % r->par.step == 0;
}

/* ---- what happens ---- */

static void rule_note(const struct rules *s, const struct rule *r, const struct pkt *p)
{
    qdisc_note(&s->q,
               &(struct qdisc_note){
                   .what = QDISC_RULE, .p = p, .a = r->id, .b = r->matched, .rule = &r->par});
}

static bool rules_full(const struct rules *s)
{
    return s->q.packets >= HELD_MAX;
}

static int rule_hold(struct rules *s, struct rule *r, struct pkt *p, td_time now)
{
    if (rules_full(s))
        return qdisc_drop(&s->q, p, W_QUEUE_FULL, -ENOBUFS);
    if (r->held.count == 0) {
        r->until_seen = 0;
        r->deadline = r->par.time == TD_NEVER ? TD_NEVER : now + r->par.time;
    }
    s->held++;
    s->held_bytes += p->len;
    pkt_queue_push(&r->held, p);
    rules_count(s);
    return 0;
}

static void rule_release(struct rules *s, struct rule *r, enum journal_word why, td_time now)
{
    uint64_t frames = r->held.count;
    struct pkt *p;

    r->open = false;
    r->deadline = TD_NEVER;
    if (frames == 0)
        return;
    qdisc_note(&s->q,
               &(struct qdisc_note){.what = QDISC_RELEASED, .why = why, .a = r->id, .b = frames});
    while ((p = pkt_queue_pop(&r->held)) != NULL) {
        s->held--;
        s->held_bytes -= p->len;
        rules_count(s);
        (void)qdisc_enqueue(s->q.child, p, now);
    }
}

static bool rule_corrupt(struct rule *r, struct pkt *p)
{
    uint64_t bits = (uint64_t)p->len * 8;
    uint64_t bit = r->par.bit != TD_IMPAIR_ANY_BIT ? r->par.bit
                   : bits > 0                    ? chance_below(&r->rng, bits)
                                                 : 0;

    if (bit >= bits || !pkt_make_linear(p))
        return false;
    p->data[bit / 8] = (uint8_t)(p->data[bit / 8] ^ (0x80U >> (bit % 8)));
    return true;
}

/* What becomes of a frame that stays: how late it goes on, and how many more of it. */
struct fate {
    td_time delay;
    uint32_t copies;
};

/* One rule on one frame. True: the frame stays; false: it is gone, *rc as enqueue returns it. */
static bool rule_act(struct rules *s, struct rule *r, struct pkt *p, td_time now, struct fate *f,
                     int *rc)
{
    bool done = true;

    switch (r->par.action) {
    case TD_IMPAIR_DROP:
        r->acted++;
        rule_note(s, r, p);
        s->q.drops++;
        pkt_free(p);
        *rc = -ECOMM;
        return false;
    case TD_IMPAIR_HOLD:
        r->acted++;
        rule_note(s, r, p);
        *rc = rule_hold(s, r, p, now);
        return false;
    case TD_IMPAIR_DELAY:
        f->delay += r->par.time;
        break;
    case TD_IMPAIR_DUPLICATE:
        f->copies += r->par.copies;
        break;
    case TD_IMPAIR_CORRUPT:
        done = rule_corrupt(r, p);
        break;
    default:
        done = frame_mark_ce(p);
        if (done)
            s->q.marks++;
        break;
    }
    if (done) {
        r->acted++;
        rule_note(s, r, p);
    }
    return true;
}

/* On into the chain, at once or later. Consumes p. */
static int rules_forward(struct rules *s, struct pkt *p, td_time delay, td_time now)
{
    if (delay == 0)
        return qdisc_enqueue(s->q.child, p, now);
    if (rules_full(s))
        return qdisc_drop(&s->q, p, W_QUEUE_FULL, -ENOBUFS);
    if (!departures_reserve(&s->late))
        return qdisc_drop(&s->q, p, W_NO_MEMORY, -ENOBUFS);
    departures_push(&s->late, now + delay, p);
    rules_count(s);
    return 0;
}

/* The frame and its copies, the copies behind it. */
static int rules_pass(struct rules *s, struct pkt *p, const struct fate *f, td_time now)
{
    uint32_t copies = f->copies < COPIES_MAX ? f->copies : COPIES_MAX;
    struct pkt_queue more;
    struct pkt *twin;
    int rc;

    pkt_queue_init(&more);
    for (uint32_t i = 0; i < copies && (twin = pkt_clone(p, 0)) != NULL; i++) {
        twin->id = p->id;
        pkt_queue_push(&more, twin);
    }
    rc = rules_forward(s, p, f->delay, now);
    while ((twin = pkt_queue_pop(&more)) != NULL)
        (void)rules_forward(s, twin, f->delay, now);
    return rc;
}

static void rules_until(struct rules *s, const struct pkt *p, uint32_t is)
{
    for (struct rule *r = s->first; r != NULL; r = r->next) {
        if (!r->par.until || r->held.count == 0 ||
            !is_meant(r->par.until_kinds, r->par.code + r->par.match_len, r->par.until_len, p, is))
            continue;
        if (++r->until_seen >= r->par.until_count)
            r->open = true;
    }
}

static int rules_enqueue(struct qdisc *q, struct pkt *p, td_time now)
{
    struct rules *s = rules_of(q);
    struct fate fate = {0};
    uint32_t is = s->first != NULL ? frame_kinds(p) : 0;
    bool stays = true;
    int rc = 0;

    rules_until(s, p, is);
    for (struct rule *r = s->first; r != NULL && stays; r = r->next) {
        if (!rule_matches(r, p, is))
            continue;
        r->matched++;
        if (rule_picks(r))
            stays = rule_act(s, r, p, now, &fate, &rc);
    }
    if (stays)
        rc = rules_pass(s, p, &fate, now);
    for (struct rule *r = s->first; r != NULL; r = r->next)
        if (r->open)
            rule_release(s, r, W_CAME_AFTER, now);
    return rc;
}

static struct pkt *rules_dequeue(struct qdisc *q, td_time now)
{
    struct rules *s = rules_of(q);
    struct pkt *p;

    while (departures_next(&s->late) <= now && (p = departures_pop(&s->late)) != NULL) {
        rules_count(s);
        (void)qdisc_enqueue(q->child, p, now);
    }
    for (struct rule *r = s->first; r != NULL; r = r->next)
        if (r->deadline <= now)
            rule_release(s, r, W_HELD_LONG, now);
    p = qdisc_dequeue(q->child, now);
    if (p != NULL)
        qdisc_sent(q, p);
    return p;
}

static td_time rules_next(struct qdisc *q)
{
    struct rules *s = rules_of(q);
    td_time at = departures_next(&s->late), inner = qdisc_next(q->child);

    for (const struct rule *r = s->first; r != NULL; r = r->next)
        if (r->deadline < at)
            at = r->deadline;
    return at < inner ? at : inner;
}

static struct pkt *rules_take(struct qdisc *q)
{
    struct rules *s = rules_of(q);
    struct pkt *p = NULL;

    for (struct rule *r = s->first; r != NULL && p == NULL; r = r->next) {
        p = pkt_queue_pop(&r->held);
        if (p == NULL)
            continue;
        s->held--;
        s->held_bytes -= p->len;
        if (r->held.count == 0)
            r->deadline = TD_NEVER;
    }
    if (p == NULL)
        p = departures_pop(&s->late);
    rules_count(s);
    return p;
}

static void rule_free(struct rules *s, struct rule *r)
{
    pkt_queue_clear(&r->held);
    mem_free(s->q.mem, MEM_LINK, r, sizeof *r);
}

static void rules_destroy(struct qdisc *q)
{
    struct rules *s = rules_of(q);

    for (struct rule *r = s->first, *next; r != NULL; r = next) {
        next = r->next;
        rule_free(s, r);
    }
    departures_done(&s->late);
    mem_free(q->mem, MEM_LINK, s, sizeof *s);
}

static const struct qdisc_ops rules_ops = {
    .kind = "rules",
    .id = TD_QDISC_KINDS,
    .enqueue = rules_enqueue,
    .dequeue = rules_dequeue,
    .next = rules_next,
    .take = rules_take,
    .destroy = rules_destroy,
};

/* ---- configuration ---- */

struct qdisc *qdisc_rules(struct mem *m, struct qdisc *child)
{
    struct rules *s = mem_alloc(m, MEM_LINK, sizeof *s);

    if (s == NULL)
        return NULL;
    s->q.ops = &rules_ops;
    s->q.mem = m;
    s->q.child = child;
    s->q.sink = child->sink;
    s->q.implicit = true;
    s->late.mem = m;
    return &s->q;
}

bool qdisc_is_rules(const struct qdisc *q)
{
    return q != NULL && q->ops == &rules_ops;
}

struct qdisc *qdisc_behind_rules(struct qdisc *q)
{
    return qdisc_is_rules(q) ? q->child : q;
}

static bool rule_valid(const struct td_impair *r)
{
    if (r->action >= TD_IMPAIR_ACTIONS || r->from == 0 || r->to < r->from || r->step == 0 ||
        memchr(r->text, '\0', sizeof r->text) == NULL)
        return false;
    if (r->match_len > TD_IMPAIR_CODE || r->until_len > TD_IMPAIR_CODE - r->match_len)
        return false;
    if ((r->match_len > 0 && !bpf_valid(r->code, r->match_len)) ||
        (r->until_len > 0 && !bpf_valid(r->code + r->match_len, r->until_len)))
        return false;
    if (r->action == TD_IMPAIR_DELAY && (r->time == 0 || r->time > 1000 * TD_SEC))
        return false;
    if (r->action == TD_IMPAIR_HOLD &&
        (r->time == 0 || (r->time != TD_NEVER && r->time > 1000000 * TD_SEC) ||
         (r->until && r->until_count == 0)))
        return false;
    return r->action != TD_IMPAIR_DUPLICATE || (r->copies >= 1 && r->copies <= COPIES_MAX);
}

int qdisc_rule_add(struct qdisc *q, const struct td_impair *rule)
{
    struct rules *s = rules_of(q);
    struct rule *r, **at = &s->first;

    if (!rule_valid(rule))
        return -EINVAL;
    if (s->count >= TD_IMPAIRS_MAX)
        return -ENOSPC;
    r = mem_alloc(q->mem, MEM_LINK, sizeof *r);
    if (r == NULL)
        return -ENOMEM;
    r->par = *rule;
    r->id = ++s->last_id;
    r->rng.state = rule->seed;
    r->deadline = TD_NEVER;
    pkt_queue_init(&r->held);
    while (*at != NULL)
        at = &(*at)->next;
    *at = r;
    s->count++;
    return (int)r->id;
}

int qdisc_rule_del(struct qdisc *q, uint32_t id, td_time now)
{
    struct rules *s = rules_of(q);
    bool found = false;

    for (struct rule **at = &s->first; *at != NULL;) {
        struct rule *r = *at;

        if (id != 0 && r->id != id) {
            at = &r->next;
            continue;
        }
        found = true;
        rule_release(s, r, W_BY_COMMAND, now);
        *at = r->next;
        s->count--;
        rule_free(s, r);
    }
    return found || id == 0 ? 0 : -ENOENT;
}

int qdisc_rule_release(struct qdisc *q, uint32_t id, td_time now)
{
    struct rules *s = rules_of(q);
    bool found = false;

    for (struct rule *r = s->first; r != NULL; r = r->next) {
        if (id != 0 && r->id != id)
            continue;
        found = true;
        rule_release(s, r, W_BY_COMMAND, now);
    }
    return found || id == 0 ? 0 : -ENOENT;
}

bool qdisc_rule_from(const struct qdisc *q, uint32_t id, struct rule_info *out)
{
    const struct rules *s =
        (const struct rules *)(const void *)((const char *)q - offsetof(struct rules, q));
    const struct rule *r = s->first;

    while (r != NULL && r->id < id)
        r = r->next;
    if (r == NULL)
        return false;
    *out = (struct rule_info){.rule = &r->par,
                              .id = r->id,
                              .matched = r->matched,
                              .acted = r->acted,
                              .held = r->held.count};
    return true;
}
