/* core/journal.c: the ring of records; core/journal.h has the theory of operation.
 *
 * The ring starts small and doubles while it is full, up to the size the knob names: an idle
 * instance pays for no journal it doesn't fill. Records lie in order of writing at index
 * `written % size` while full, so the oldest is found by counting.
 */
#include "core/journal.h"

#include "core/stack.h"

#include <errno.h>
#include <string.h>

#define JOURNAL_FIRST 256 /* records of a ring when it is first needed */

const struct event_info event_info[EV_COUNT] = {
    [EV_NONE] = {"none", EVK_DETAIL, "-", "", "Nothing."},
#define EVENT(id, name, kind, clause, fields, sentence)                                            \
    [EV_##id] = {name, kind, clause, fields, sentence},
#include "core/events.def"
#undef EVENT
};

const char *const journal_words[W_COUNT] = {
    [W_NONE] = "-",
#define WORD(id, text) [W_##id] = text,
#include "core/words.def"
#undef WORD
};

void journal_init(struct journal *j, uint32_t size, enum journal_level level)
{
    memset(j, 0, sizeof *j);
    j->size = size;
    j->level = j->keeps = (uint8_t)level;
    j->next_seq = 1;
}

void journal_set_level(struct journal *j, enum journal_level level)
{
    j->keeps = (uint8_t)level;
    j->level = j->watches != NULL ? JOURNAL_ALL : j->keeps;
}

void journal_watch(struct journal *j, struct journal_watch *w)
{
    struct journal_watch **at = &j->watches;
    while (*at != NULL)
        at = &(*at)->next;
    w->next = NULL;
    *at = w;
    journal_set_level(j, (enum journal_level)j->keeps);
}

void journal_unwatch(struct journal *j, struct journal_watch *w)
{
    struct journal_watch **at = &j->watches;
    while (*at != NULL && *at != w)
        at = &(*at)->next;
    if (*at == w)
        *at = w->next;
    journal_set_level(j, (enum journal_level)j->keeps);
}

void journal_done(struct td_stack *st)
{
    struct journal *j = &st->journal;
    mem_free(&st->mem, MEM_JOURNAL, j->ring, j->capacity * sizeof *j->ring);
    j->ring = NULL;
    j->capacity = j->count = 0;
}

/* The k-th oldest record in the ring, k < capacity. */
static struct journal_record *nth(const struct journal *j, uint32_t k)
{
    uint32_t past = j->capacity - j->oldest; /* where the ring wraps round */
    return &j->ring[k < past ? j->oldest + k : k - past];
}

/* Another ring of `capacity` records with the newest of the present ones. */
static int ring_remake(struct td_stack *st, uint32_t capacity)
{
    struct journal *j = &st->journal;
    struct journal_record *ring =
        mem_alloc_raw(&st->mem, MEM_JOURNAL, (size_t)capacity * sizeof *ring);
    if (ring == NULL)
        return -ENOMEM;
    uint32_t keep = j->count < capacity ? j->count : capacity;
    for (uint32_t k = 0; k < keep; k++)
        ring[k] = *nth(j, j->count - keep + k);
    j->lost += j->count - keep;
    mem_free(&st->mem, MEM_JOURNAL, j->ring, j->capacity * sizeof *j->ring);
    j->ring = ring;
    j->capacity = capacity;
    j->count = keep;
    j->oldest = 0;
    return 0;
}

int journal_resize(struct td_stack *st, uint32_t size)
{
    struct journal *j = &st->journal;
    if (size == 0)
        return -EINVAL;
    if (j->capacity > size) {
        int err = ring_remake(st, size);
        if (err != 0)
            return err;
    }
    j->size = size;
    return 0;
}

/* The place for one more record while the ring isn't full: a larger one may be needed. NULL = no memory at
 * all. */
static struct journal_record *ring_place(struct td_stack *st)
{
    struct journal *j = &st->journal;
    if (j->count == j->capacity && j->capacity < j->size) {
        uint32_t capacity = j->capacity == 0 ? JOURNAL_FIRST : j->capacity * 2;
        (void)ring_remake(st, capacity < j->size ? capacity : j->size);
    }
    if (j->capacity == 0)
        return NULL;
    if (j->count < j->capacity)
        return nth(j, j->count++);
    struct journal_record *r = nth(j, 0);
    j->oldest = j->oldest + 1 < j->capacity ? j->oldest + 1 : 0;
    j->lost++;
    return r;
}

static const uint8_t event_drops[EV_COUNT] = {
#define EVENT(id, name, kind, clause, fields, sentence) [EV_##id] = (kind) == EVK_DROP,
#include "core/events.def"
#undef EVENT
};

static inline void record_fill(struct journal_record *r, const struct td_stack *st, enum event_id ev,
                               uint64_t pkt, uint64_t who, uint64_t where)
{
    const struct journal *j = &st->journal;
    r->seq = j->next_seq - 1;
    r->cause = j->cause;
    r->origin_id = j->origin_id;
    r->time = st->now;
    r->event = (uint16_t)ev;
    r->origin = j->origin;
    r->pad = 0;
    r->subject.pkt = pkt;
    r->subject.conn = (uint32_t)(who >> 32);
    r->subject.ifindex = (uint32_t)who;
    r->subject.addr = (td_ip4)(where >> 32);
    r->subject.port = (uint16_t)(where >> 16);
    r->subject.lport = (uint16_t)where;
}

static inline void args_fill(uint64_t arg[JOURNAL_ARGS], uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                             uint64_t e, uint64_t f, uint64_t g, uint64_t h)
{
    arg[0] = a;
    arg[1] = b;
    arg[2] = c;
    arg[3] = d;
    arg[4] = e;
    arg[5] = f;
    arg[6] = g;
    arg[7] = h;
}

/* A ring that isn't full yet, somebody who watches: watches are shown what the ring doesn't keep as well. */
static void __attribute__((noinline))
record_slowly(struct td_stack *st, enum event_id ev, uint64_t pkt, uint64_t who, uint64_t where,
              uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t g,
              uint64_t h)
{
    struct journal *j = &st->journal;
    struct journal_record unkept, *r = NULL;
    bool keep = j->keeps >= event_level[ev];
    if (keep && (r = ring_place(st)) == NULL)
        j->lost++;
    keep = r != NULL;
    if (!keep && j->watches == NULL)
        return;
    if (!keep)
        r = &unkept;
    record_fill(r, st, ev, pkt, who, where);
    args_fill(r->arg, a, b, c, d, e, f, g, h);
    for (const struct journal_watch *w = j->watches; w != NULL; w = w->next)
        w->fn(w->ctx, r);
    if (!keep)
        return;
    j->written++;
    j->drops += event_drops[ev];
    if (j->tap != NULL)
        j->tap(j->tap_ctx, r);
}

/* The short way is that of a ring that goes round. The record after this one is fetched meanwhile: the
 * ring is larger than the caches near the processor. */
void journal_record(struct td_stack *st, enum event_id ev, uint64_t pkt, uint64_t who,
                    uint64_t where, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                    uint64_t f, uint64_t g, uint64_t h)
{
    struct journal *j = &st->journal;
    if (j->count != j->size || j->watches != NULL || j->tap != NULL) {
        record_slowly(st, ev, pkt, who, where, a, b, c, d, e, f, g, h);
        return;
    }
    struct journal_record *r = &j->ring[j->oldest];
    j->oldest = j->oldest + 1 < j->size ? j->oldest + 1 : 0;
    __builtin_prefetch(&j->ring[j->oldest], 1);
    __builtin_prefetch(j->ring[j->oldest].arg, 1);
    j->lost++;
    j->written++;
    j->drops += event_drops[ev];
    record_fill(r, st, ev, pkt, who, where);
    args_fill(r->arg, a, b, c, d, e, f, g, h);
}

struct journal_frame journal_enter(struct td_stack *st, enum journal_origin origin,
                                   uint64_t origin_id, uint64_t cause)
{
    struct journal *j = &st->journal;
    struct journal_frame saved = {j->cause, j->origin_id, j->origin};
    j->origin = (uint8_t)origin;
    j->origin_id = origin_id;
    j->cause = cause;
    return saved;
}

void journal_leave(struct td_stack *st, struct journal_frame saved)
{
    struct journal *j = &st->journal;
    j->cause = saved.cause;
    j->origin_id = saved.origin_id;
    j->origin = saved.origin;
}

/* How many records have a seq below `from`: the index of the first that hasn't. */
static uint32_t place_of(const struct journal *j, uint64_t from)
{
    uint32_t lo = 0, hi = j->count;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (nth(j, mid)->seq < from)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const struct journal_record *journal_from(const struct td_stack *st, uint64_t from)
{
    const struct journal *j = &st->journal;
    uint32_t at = place_of(j, from);
    return at < j->count ? nth(j, at) : NULL;
}

const struct journal_record *journal_before(const struct td_stack *st, uint64_t before)
{
    const struct journal *j = &st->journal;
    uint32_t at = place_of(j, before);
    return at > 0 ? nth(j, at - 1) : NULL;
}

const struct journal_record *journal_find(const struct td_stack *st, uint64_t seq)
{
    const struct journal_record *r = journal_from(st, seq);
    return r != NULL && r->seq == seq ? r : NULL;
}
