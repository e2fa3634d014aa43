/* ip/frag.c: reassembly (RFC 791 3.2; RFC 815; RFC 1122 3.3.2; RFC 5722; RFC 6274 3.7, 4.1.2).
 *
 * Theory of operation. Fragments with the same source, destination, protocol and identification are
 * collected in a queue, sorted by offset:
 *
 *     ┌────────┐       ┌────────┐┌────────┐
 *     │0..1479 │ hole  │2960..  ││4440..  │ hole to infinity
 *     └────────┘       └────────┘└────────┘
 *
 * RFC 815 keeps a list of holes; here the holes are the gaps between neighbours, and behind the
 * last until a fragment without MF has told where the end is. A fragment is taken only when it lies
 * wholly within one hole. So no octet is ever accepted twice, and all holes are closed exactly when
 * the octets taken add up to the end. Nothing is copied: the whole datagram is the first fragment
 * with the others' buffers attached to it as slices. It keeps the first fragment's header and
 * options (RFC 815 6), with length and fragment fields made whole.
 *
 * What doesn't lie within one hole:
 *   - an exact duplicate, octet for octet, is dropped alone: the network does that;
 *   - anything else is an overlap, and no honest sender makes those (teardrop; RFC 1858, 3128): the
 *     whole datagram is dropped and its key barred until the time-out, so that the pieces still to
 *     come can't start another one (RFC 5722's rule for IPv6). The same for two different ends,
 * data behind the end, ECN marks that contradict each other, and too many pieces.
 *
 * For a lesson net.ipv4.ipfrag_overlap brings back what receivers once did, each in its own way, so that a filter and
 * the host behind it could be shown two different datagrams (Ptacek and Newsham 1998). Where a new fragment N meets an
 * old one O, the octets that both have are
 *     first   O's
 *     last    N's
 *     bsd     O's if O begins in front of N or where N does, else N's
 *     linux   O's if O begins in front of N, else N's
 * The loser's octets are cut off: from N before it is linked, from O where it lies. So the queue still has no octet
 * twice, and everything above holds.
 *
 * What is no fragment at all is dropped before it gets a queue: no data; more to come but not a
 * multiple of 8; beyond 65,535 octets with its header (ping of death).
 *
 * A router that puts datagrams together (its rules want to see ports) must send on what it got: the largest fragment's
 * size goes along with the whole, and its DF if the largest fragment had it. A small fragment with DF among larger
 * ones without means nothing.
 *
 * Time runs from the first fragment to arrive and is never extended. When it runs out, the sender
 * is told (Time Exceeded, code 1) only if the first fragment is there: it is what the quote needs.
 *
 * Limits (RFC 6274 4.1.2): net.ipv4.ipfrag_high_thresh on the memory really pinned by all; a
 * quarter of that and ipfrag_source_max datagrams for one source; ipfrag_max_frags pieces of one
 * datagram. Over a source's limit its own oldest datagram goes; over the limit of all, one chosen
 * at random, so that a flood can't aim at somebody else's. Always a whole datagram: half of one is
 * of no use.
 */
#include "ip/ip_internal.h"

#include <errno.h>

struct frag_key {
    td_ip4 src, dst;
    uint16_t id;
    uint8_t proto, zero;
};

struct frag_source { /* what one source has under way */
    struct hash_node node;
    td_ip4 src;
    uint32_t queues;
    uint64_t held;
    struct frag_queue *oldest, *newest;
};

struct frag_queue {
    struct hash_node node;
    struct td_stack *st;
    struct frag_key key;
    struct timer timer;
    struct frag_source *source;
    struct frag_queue *older, *newer; /* of the same source */
    uint32_t place;                   /* in reasm.all */
    struct pkt *first, *last;         /* by offset; data behind the IP header, l3 noted */
    uint32_t fragments;
    uint32_t received; /* octets of payload */
    uint32_t total;    /* end of the payload; 0 = not known yet */
    uint64_t held;     /* bytes charged */
    uint16_t largest, largest_df; /* octets of a fragment with its header; of one with DF */
    uint8_t ecn;       /* a bit for each of the four codepoints seen */
    bool barred;
};

/* The offsets travel in the packet's scratch. */
static uint32_t frag_off(const struct pkt *p)
{
    return (uint32_t)p->cb[0];
}
static uint32_t frag_end(const struct pkt *p)
{
    return (uint32_t)p->cb[0] + p->len;
}

static bool queue_eq(const struct hash_node *n, const void *key)
{
    const struct frag_key *a = &container_of(n, const struct frag_queue, node)->key, *b = key;

    return a->src == b->src && a->dst == b->dst && a->id == b->id && a->proto == b->proto;
}

static bool source_eq(const struct hash_node *n, const void *key)
{
    return container_of(n, const struct frag_source, node)->src == *(const td_ip4 *)key;
}

void frag_init(struct td_stack *st)
{
    struct reasm *re = &st->ip->reasm;

    hash_init(&re->queues, &st->mem, &st->hash_key);
    hash_init(&re->sources, &st->mem, &st->hash_key);
}

/* ---- charging, making, freeing ---- */

static void queue_charge(struct td_stack *st, struct frag_queue *q, uint64_t bytes)
{
    q->held += bytes;
    q->source->held += bytes;
    st->ip->reasm.held += bytes;
}

static void queue_uncharge(struct td_stack *st, struct frag_queue *q, uint64_t bytes)
{
    q->held -= bytes;
    q->source->held -= bytes;
    st->ip->reasm.held -= bytes;
}

static void queue_drop_fragments(struct td_stack *st, struct frag_queue *q)
{
    struct pkt *p;

    while ((p = q->first) != NULL) {
        q->first = p->next;
        p->next = NULL;
        queue_uncharge(st, q, p->truesize);
        pkt_free(p);
    }
    q->last = NULL;
    q->fragments = 0;
    q->received = 0;
}

static void source_unlink(struct td_stack *st, struct frag_queue *q)
{
    struct frag_source *s = q->source;

    if (q->older != NULL)
        q->older->newer = q->newer;
    else
        s->oldest = q->newer;
    if (q->newer != NULL)
        q->newer->older = q->older;
    else
        s->newest = q->older;
    if (--s->queues > 0)
        return;
    hash_remove(&st->ip->reasm.sources, &s->node);
    mem_free(&st->mem, MEM_IP, s, sizeof *s);
}

static void queue_free(struct td_stack *st, struct frag_queue *q)
{
    struct reasm *re = &st->ip->reasm;

    queue_drop_fragments(st, q);
    queue_uncharge(st, q, q->held);
    timer_cancel(st, &q->timer);
    re->all[q->place] = re->all[--re->count];
    re->all[q->place]->place = q->place;
    hash_remove(&re->queues, &q->node);
    source_unlink(st, q);
    mem_free(&st->mem, MEM_IP, q, sizeof *q);
}

void frag_done(struct td_stack *st)
{
    struct reasm *re = &st->ip->reasm;

    while (re->count > 0)
        queue_free(st, re->all[re->count - 1]);
    mem_free(&st->mem, MEM_IP, re->all, re->cap * sizeof *re->all);
    hash_done(&re->queues);
    hash_done(&re->sources);
}

static void queue_timeout(struct td_stack *st, struct timer *t)
{
    struct frag_queue *q = container_of(t, struct frag_queue, timer);
    struct journal_subject sub = {.addr = q->key.src};
    bool zero = q->first != NULL && frag_off(q->first) == 0;

    if (!q->barred) { /* a barred one was given up, and journaled, before */
        JOURNAL_CAUSE(st, EV_FRAG_DROP_TIMEOUT, &sub, q->key.src, q->key.dst, q->key.id,
                      q->fragments, zero);
        count(st, IpReasmTimeout);
        count(st, IpReasmFails);
        if (zero)
            icmp_send_error(st, q->first, ICMP_TIME_EXCEEDED, 1, 0);
    }
    queue_free(st, q);
}

static struct frag_source *source_get(struct td_stack *st, td_ip4 src)
{
    struct hash *h = &st->ip->reasm.sources;
    struct hash_node *n = hash_find(h, &src, sizeof src, source_eq);
    struct frag_source *s;

    if (n != NULL)
        return container_of(n, struct frag_source, node);
    s = mem_alloc(&st->mem, MEM_IP, sizeof *s);
    if (s == NULL)
        return NULL;
    s->src = src;
    if (hash_insert(h, &s->node, &src, sizeof src) < 0) {
        mem_free(&st->mem, MEM_IP, s, sizeof *s);
        return NULL;
    }
    return s;
}

static bool reasm_reserve(struct td_stack *st)
{
    struct reasm *re = &st->ip->reasm;
    uint32_t cap = re->cap == 0 ? 16 : re->cap * 2;
    struct frag_queue **grown;

    if (re->count < re->cap)
        return true;
    grown = mem_resize(&st->mem, MEM_IP, re->all, re->cap * sizeof *grown, cap * sizeof *grown);
    if (grown == NULL)
        return false;
    re->all = grown;
    re->cap = cap;
    return true;
}

static struct frag_queue *queue_new(struct td_stack *st, const struct frag_key *key)
{
    struct reasm *re = &st->ip->reasm;
    struct frag_source *s = reasm_reserve(st) ? source_get(st, key->src) : NULL;
    struct frag_queue *q = s != NULL ? mem_alloc(&st->mem, MEM_IP, sizeof *q) : NULL;

    if (q == NULL || hash_insert(&re->queues, &q->node, key, sizeof *key) < 0) {
        mem_free(&st->mem, MEM_IP, q, sizeof *q);
        if (s != NULL && s->queues == 0) {
            hash_remove(&re->sources, &s->node);
            mem_free(&st->mem, MEM_IP, s, sizeof *s);
        }
        return NULL;
    }
    q->st = st;
    q->key = *key;
    q->source = s;
    q->older = s->newest;
    if (s->newest != NULL)
        s->newest->newer = q;
    else
        s->oldest = q;
    s->newest = q;
    s->queues++;
    q->place = re->count;
    re->all[re->count++] = q;
    timer_init(&q->timer, queue_timeout, "reassembly");
    timer_arm(st, &q->timer, st->now + (td_time)knob(st, IPFRAG_TIME) * TD_SEC);
    queue_charge(st, q, sizeof *q);
    return q;
}

/* ---- limits ---- */

static void queue_evict(struct td_stack *st, struct frag_queue *q)
{
    struct journal_subject sub = {.addr = q->key.src};

    JOURNAL(st, EV_FRAG_DROP_LIMIT, &sub, q->key.src, q->key.dst, q->key.id, q->fragments,
            st->ip->reasm.held);
    if (!q->barred)
        count(st, IpReasmFails);
    queue_free(st, q);
}

/* Makes room for `bytes` of a fragment from src, whose datagram is `own` (NULL: a new one). False:
 * there is none to be had. `own` itself is never evicted. */
static bool reasm_make_room(struct td_stack *st, td_ip4 src, const struct frag_queue *own,
                            uint64_t bytes)
{
    struct reasm *re = &st->ip->reasm;
    uint64_t high = (uint64_t)knob(st, IPFRAG_HIGH_THRESH);
    uint32_t most = (uint32_t)knob(st, IPFRAG_SOURCE_MAX);
    struct hash_node *n;

    if (bytes > high)
        return false;
    while ((n = hash_find(&re->sources, &src, sizeof src, source_eq)) != NULL) {
        struct frag_source *s = container_of(n, struct frag_source, node);
        struct frag_queue *victim = s->oldest == own ? s->oldest->newer : s->oldest;

        if (s->held + bytes <= high / 4 && (own != NULL || s->queues < most))
            break;
        if (victim == NULL)
            return s->held + bytes <= high / 4;
        queue_evict(st, victim);
    }
    while (re->held + bytes > high) {
        struct frag_queue *victim = re->all[rng_below(&st->rng, re->count)];

        if (victim == own) {
            if (re->count == 1)
                return false;
            victim = re->all[(victim->place + 1) % re->count];
        }
        queue_evict(st, victim);
    }
    return true;
}

/* ---- taking a fragment in ---- */

static void frag_drop(struct td_stack *st, struct pkt *p, enum event_id ev, const struct ip_rx *rx,
                      enum journal_word why)
{
    struct journal_subject sub = {.pkt = p->id, .ifindex = rx->nif->index, .addr = rx->h.src};

    if (ev == EV_FRAG_DROP_BAD)
        JOURNAL(st, ev, &sub, rx->h.src, rx->h.id, rx->h.frag_off, p->len, why);
    else
        JOURNAL(st, ev, &sub, rx->h.src, rx->h.id, rx->h.frag_off);
    pkt_free(p);
}

/* Gives the datagram up; its key stays barred until the time-out. */
static void queue_give_up(struct td_stack *st, struct frag_queue *q, const struct ip_rx *rx, enum journal_word why,
                          uint64_t pkt)
{
    struct journal_subject sub = {.pkt = pkt, .ifindex = rx->nif->index, .addr = rx->h.src};

    JOURNAL(st, EV_FRAG_DROP_DATAGRAM, &sub, q->key.src, q->key.dst, q->key.id, q->fragments + 1,
            why);
    if (why == W_OVERLAP)
        count(st, IpExtReasmOverlaps);
    count(st, IpReasmFails);
    queue_drop_fragments(st, q);
    q->barred = true;
}

static void queue_bar(struct td_stack *st, struct frag_queue *q, struct pkt *p,
                      const struct ip_rx *rx, enum journal_word why) /* consumes p */
{
    queue_give_up(st, q, rx, why, p->id);
    pkt_free(p);
}

/* Why this can't be a fragment at all, or W_NONE (RFC 791 3.2, RFC 6274 3.7). */
static enum journal_word frag_fault(const struct pkt *p, const struct ip_rx *rx)
{
    if (p->len == 0)
        return W_EMPTY_FRAGMENT;
    if ((rx->h.flags & IPV4_MF) != 0 && p->len % 8 != 0)
        return W_ODD_LENGTH;
    if ((uint32_t)rx->h.frag_off + p->len + rx->h.hlen > UINT16_MAX)
        return W_OVER_64K;
    return W_NONE;
}

static bool same_bytes(const struct pkt *a, const struct pkt *b)
{
    uint8_t x[256], y[256];

    for (uint32_t off = 0, n; off < a->len; off += n) {
        n = a->len - off < sizeof x ? a->len - off : (uint32_t)sizeof x;
        if (!pkt_read(a, off, x, n) || !pkt_read(b, off, y, n))
            return false;
        for (uint32_t i = 0; i < n; i++)
            if (x[i] != y[i])
                return false;
    }
    return true;
}

enum frag_place { PLACE_HOLE, PLACE_DUPLICATE, PLACE_OVERLAP };

/* Where [off, end) lies; *before is the fragment that it goes behind, NULL = in front. */
static enum frag_place frag_find_place(const struct frag_queue *q, const struct pkt *p,
                                       struct pkt **before)
{
    struct pkt *prev = NULL, *next = q->first;

    if (q->last != NULL && frag_off(p) >= frag_end(q->last)) { /* in order: the usual case */
        *before = q->last;
        return PLACE_HOLE;
    }
    while (next != NULL && frag_off(next) < frag_off(p)) {
        prev = next;
        next = next->next;
    }
    *before = prev;
    if (next != NULL && frag_off(next) == frag_off(p) && next->len == p->len && same_bytes(next, p))
        return PLACE_DUPLICATE;
    if ((prev != NULL && frag_end(prev) > frag_off(p)) ||
        (next != NULL && frag_off(next) < frag_end(p)))
        return PLACE_OVERLAP;
    return PLACE_HOLE;
}

/* The end of the datagram as p's flags tell it, against what is known. */
static enum journal_word frag_end_conflict(const struct frag_queue *q, const struct pkt *p,
                                           bool more)
{
    if (!more && q->total != 0 && q->total != frag_end(p))
        return W_END_CONFLICT;
    if (!more && q->last != NULL && frag_end(q->last) > frag_end(p))
        return W_PAST_END;
    if (more && q->total != 0 && frag_end(p) >= q->total) /* at the end, and yet more to come */
        return frag_end(p) == q->total ? W_END_CONFLICT : W_PAST_END;
    return W_NONE;
}

/* RFC 3168 5.3: CE on any piece marks the whole; not-ECT beside ECT or CE was tampered with. */
static bool ecn_contradicts(uint8_t seen)
{
    return (seen & 1) != 0 && (seen & ~1) != 0;
}

static uint32_t queue_holes(const struct frag_queue *q)
{
    uint32_t holes = 0, at = 0;

    for (const struct pkt *p = q->first; p != NULL; p = p->next) {
        holes += frag_off(p) > at ? 1 : 0;
        at = frag_end(p);
    }
    return holes + (q->total == 0 || at < q->total ? 1 : 0);
}

static void queue_link(struct td_stack *st, struct frag_queue *q, struct pkt *p, struct pkt *before)
{
    p->next = before != NULL ? before->next : q->first;
    if (before != NULL)
        before->next = p;
    else
        q->first = p;
    if (p->next == NULL)
        q->last = p;
    q->fragments++;
    q->received += p->len;
    queue_charge(st, q, p->truesize);
}

/* ---- overlaps, as they were once resolved ---- */

enum overlap { OVERLAP_DROP, OVERLAP_FIRST, OVERLAP_LAST, OVERLAP_BSD, OVERLAP_LINUX }; /* the knob's words */

static bool old_wins(enum overlap policy, const struct pkt *old, uint32_t off)
{
    switch (policy) {
    case OVERLAP_FIRST:
        return true;
    case OVERLAP_BSD:
        return frag_off(old) <= off;
    case OVERLAP_LINUX:
        return frag_off(old) < off;
    default:
        return false;
    }
}

/* p without its first n octets. */
static void frag_behead(struct pkt *p, uint32_t n)
{
    (void)pkt_pull(p, n);
    p->cb[0] += n;
}

/* What p has from octet `from` on, as a fragment of its own; NULL: no memory. p ends at `end`. */
static struct pkt *frag_split(struct pkt *p, uint32_t end, uint32_t from)
{
    struct pkt *rest = pkt_clone(p, 0);

    if (rest == NULL)
        return NULL;
    rest->cb[0] = p->cb[0];
    rest->cb[1] = p->cb[1];
    frag_behead(rest, from - frag_off(p));
    pkt_trim(p, end - frag_off(p));
    return rest;
}

/* Takes the octets [off, end) out of o, which has them all; o is freed if it has no others. False: no memory. */
static bool old_loses(struct td_stack *st, struct frag_queue *q, struct pkt *o, struct pkt *before, uint32_t off,
                      uint32_t end)
{
    struct pkt *rest = NULL;

    if (frag_off(o) < off && frag_end(o) > end && (rest = frag_split(o, off, end)) == NULL)
        return false;
    q->received -= end - off;
    if (rest != NULL) {
        q->received -= rest->len; /* linked: counted again */
        queue_link(st, q, rest, o);
    } else if (frag_off(o) < off) {
        pkt_trim(o, off - frag_off(o));
    } else if (frag_end(o) > end) {
        frag_behead(o, end - frag_off(o));
    } else {
        if (before != NULL)
            before->next = o->next;
        else
            q->first = o->next;
        if (q->last == o)
            q->last = before;
        q->fragments--;
        queue_uncharge(st, q, o->truesize);
        o->next = NULL;
        pkt_free(o);
    }
    return true;
}

/* Takes p in among what it overlaps. Consumes it. False: no memory. */
static bool queue_resolve(struct td_stack *st, struct frag_queue *q, struct pkt *p, enum overlap policy)
{
    const struct journal_subject sub = {.pkt = p->id, .addr = q->key.src};
    uint32_t at = frag_off(p); /* where N began, whatever is cut off it */
    struct pkt *before = NULL, *o = q->first, *rest;

    while (o != NULL && frag_off(o) < frag_end(p)) {
        struct pkt *next = o->next;
        uint32_t off = frag_off(o) > frag_off(p) ? frag_off(o) : frag_off(p);
        uint32_t end = frag_end(o) < frag_end(p) ? frag_end(o) : frag_end(p);
        bool old = old_wins(policy, o, at);

        if (off >= end) { /* it lies in front */
            before = o;
            o = next;
            continue;
        }
        JOURNAL(st, EV_FRAG_OVERLAP, &sub, q->key.src, q->key.id, off, end - 1, old ? W_FIRST_WINS : W_LAST_WINS);
        if (!old) {
            bool whole = off == frag_off(o) && end == frag_end(o);

            if (!old_loses(st, q, o, before, off, end)) {
                pkt_free(p);
                return false;
            }
            if (!whole && frag_off(o) < frag_off(p))
                before = o;
            o = next;
            continue;
        }
        if (frag_off(p) < off) { /* what lies in front of o is taken in, the rest goes on */
            rest = end < frag_end(p) ? frag_split(p, off, end) : NULL;
            if (rest == NULL && end < frag_end(p)) {
                pkt_free(p);
                return false;
            }
            pkt_trim(p, off - frag_off(p));
            queue_link(st, q, p, before);
            p = rest;
        } else if (end < frag_end(p)) {
            frag_behead(p, end - frag_off(p));
        } else {
            pkt_free(p);
            p = NULL;
        }
        if (p == NULL)
            return true;
        before = o;
        o = next;
    }
    queue_link(st, q, p, before);
    return true;
}

/* Judges p against the queue and takes it in. False: it is gone (and perhaps all of them). */
static bool queue_take(struct td_stack *st, struct frag_queue *q, struct pkt *p,
                       const struct ip_rx *rx)
{
    bool more = (rx->h.flags & IPV4_MF) != 0;
    enum overlap policy = (enum overlap)knob(st, IPFRAG_OVERLAP);
    uint64_t id = p->id;
    enum journal_word why;
    struct pkt *before;
    enum frag_place place = frag_find_place(q, p, &before);

    if (place == PLACE_DUPLICATE && more == (q->total == 0 || frag_end(p) != q->total)) {
        frag_drop(st, p, EV_FRAG_DROP_DUPLICATE, rx, W_NONE);
        return false;
    }
    why = place == PLACE_HOLE || policy != OVERLAP_DROP ? frag_end_conflict(q, p, more) : W_OVERLAP;
    if (why == W_NONE && q->fragments >= (uint32_t)knob(st, IPFRAG_MAX_FRAGS))
        why = W_TOO_MANY_FRAGS;
    if (why == W_NONE && ecn_contradicts((uint8_t)(q->ecn | 1U << (rx->h.tos & 3))))
        why = W_ECN_MIX;
    if (why != W_NONE) {
        queue_bar(st, q, p, rx, why);
        return false;
    }
    q->ecn |= (uint8_t)(1U << (rx->h.tos & 3));
    if (rx->h.total_len > q->largest)
        q->largest = rx->h.total_len;
    if ((rx->h.flags & IPV4_DF) != 0 && rx->h.total_len > q->largest_df)
        q->largest_df = rx->h.total_len;
    if (!more)
        q->total = frag_end(p);
    if (place == PLACE_HOLE) {
        queue_link(st, q, p, before);
        return true;
    }
    if (!queue_resolve(st, q, p, policy)) {
        queue_give_up(st, q, rx, W_NO_MEMORY, id);
        return false;
    }
    return true;
}

/* ---- putting together ---- */

/* Attaches the payload of f to p; f's descriptor is freed. What f's buffers cost beyond their payload is
 * p's cost now: tiny fragments must not make a cheap datagram. */
static int frag_attach(struct pkt *p, struct pkt *f)
{
    int err = 0;

    if (f->truesize > f->len)
        p->truesize += f->truesize - f->len;
    if (f->head_len > 0)
        err = pkt_append_slice(p, f->head, (uint32_t)(f->data - f->head->bytes), f->head_len);
    for (uint16_t i = 0; err == 0 && i < f->nslices; i++)
        err = pkt_append_slice(p, f->slices[i].block, f->slices[i].off, f->slices[i].len);
    pkt_free(f);
    return err;
}

/* All holes are closed: takes the queue apart and returns the whole datagram, NULL when it can't be
 * made (too long with the first header, no memory). Frees q. */
static struct pkt *queue_assemble(struct td_stack *st, struct frag_queue *q, struct ip_rx *rx)
{
    struct journal_subject sub = {.ifindex = rx->nif->index, .addr = q->key.src};
    uint32_t total = q->total, fragments = q->fragments;
    uint16_t largest = q->largest;
    bool df = q->largest_df == q->largest;
    bool ce = (q->ecn & 1 << 3) != 0;
    struct frag_key key = q->key;
    struct pkt *p = q->first, *rest = p->next, *f;
    enum journal_word why = W_NONE;
    uint8_t *l3 = p->data - (uint32_t)p->cb[1]; /* the header was pulled from this very head */

    sub.pkt = p->id;
    if (ipv4_parse(&rx->h, l3, UINT16_MAX) != WIRE_OK || total + rx->h.hlen > UINT16_MAX)
        why = W_OVER_64K;
    queue_uncharge(st, q, q->held);
    q->first = q->last = NULL;
    queue_free(st, q);
    p->next = NULL;
    while ((f = rest) != NULL) {
        rest = f->next;
        f->next = NULL;
        if (why != W_NONE)
            pkt_free(f);
        else if (frag_attach(p, f) < 0)
            why = W_NO_MEMORY;
    }
    if (why != W_NONE) {
        JOURNAL(st, EV_FRAG_DROP_DATAGRAM, &sub, key.src, key.dst, key.id, fragments, why);
        count(st, IpReasmFails);
        pkt_free(p);
        return NULL;
    }
    rx->h.total_len = (uint16_t)(total + rx->h.hlen);
    rx->h.flags = (uint16_t)((rx->h.flags & ~(IPV4_MF | IPV4_DF)) | (df ? IPV4_DF : 0));
    rx->h.frag_off = 0;
    if (ce)
        rx->h.tos |= 3;
    (void)ipv4_emit(&rx->h, l3);
    p->flags |= PKT_REASSEMBLED;
    p->frag_max = largest;
    p->csum = PKT_CSUM_NONE;
    JOURNAL(st, EV_FRAG_DONE, &sub, key.src, key.dst, key.id, total, fragments);
    count(st, IpReasmOKs);
    return p;
}

struct pkt *ip_reassemble(struct td_stack *st, struct pkt *p, struct ip_rx *rx)
{
    struct frag_key key = {
        .src = rx->h.src, .dst = rx->h.dst, .id = rx->h.id, .proto = rx->h.proto};
    struct journal_subject sub = {.pkt = p->id, .ifindex = rx->nif->index, .addr = rx->h.src};
    enum journal_word why = frag_fault(p, rx);
    struct hash_node *n = hash_find(&st->ip->reasm.queues, &key, sizeof key, queue_eq);
    struct frag_queue *q = n != NULL ? container_of(n, struct frag_queue, node) : NULL;
    uint32_t off = rx->h.frag_off, end = off + p->len;

    count(st, IpReasmReqds);
    if (q != NULL && q->barred) {
        frag_drop(st, p, EV_FRAG_DROP_BARRED, rx, W_NONE);
        return NULL;
    }
    if (why != W_NONE) {
        if (q != NULL && why == W_OVER_64K) { /* part of an attack on this very datagram */
            queue_bar(st, q, p, rx, why);
            return NULL;
        }
        count(st, IpReasmFails);
        frag_drop(st, p, EV_FRAG_DROP_BAD, rx, why);
        return NULL;
    }
    if (!reasm_make_room(st, key.src, q, p->truesize + (q == NULL ? sizeof *q : 0)) ||
        (q == NULL && (q = queue_new(st, &key)) == NULL)) {
        count(st, IpReasmFails);
        frag_drop(st, p, EV_FRAG_DROP_BAD, rx, W_LIMIT);
        return NULL;
    }
    p->cb[0] = off;
    p->cb[1] = rx->h.hlen;
    if (!queue_take(st, q, p, rx))
        return NULL;
    JOURNAL(st, EV_FRAG_QUEUED, &sub, key.src, key.id, off, end - 1, queue_holes(q));
    return q->total != 0 && q->received == q->total ? queue_assemble(st, q, rx) : NULL;
}

/* ---- the table ---- */

bool frag_next(const struct td_stack *st, uint64_t *cursor, struct frag_info *out)
{
    struct hash_node *n = hash_from(&st->ip->reasm.queues, *cursor);
    const struct frag_queue *q;

    if (n == NULL)
        return false;
    *cursor = n->order + 1;
    q = container_of(n, const struct frag_queue, node);
    *out = (struct frag_info){.src = q->key.src,
                              .dst = q->key.dst,
                              .id = q->key.id,
                              .proto = q->key.proto,
                              .fragments = q->fragments,
                              .received = q->received,
                              .total = q->total,
                              .holes = q->barred ? 0 : queue_holes(q),
                              .expires = q->timer.deadline,
                              .barred = q->barred};
    return true;
}
