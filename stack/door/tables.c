/* door/tables.c: the tables of the core itself: counters, events, timers, memory, knobs. */
#include "door/door.h"

#include "core/counters.h"
#include "core/journal.h"
#include "core/table.h"
#include "tapdeck/stack.h"

static bool counters_next(struct td_stack *st, uint64_t *cursor, struct row *row)
{
    if (*cursor >= CNT_COUNT)
        return false;
    row_clear(row);
    row_word(row, 0, counter_info[*cursor].name);
    row_u64(row, 1, st->counters.v[*cursor]);
    row_word(row, 2, counter_info[*cursor].doc);
    (*cursor)++;
    return true;
}

static const struct column counter_columns[] = {
    {"name", VAL_STR, "as nstat prints it"},
    {"value", VAL_U64, "since the stack started"},
    {"doc", VAL_STR, "what is counted"},
};

static bool events_next(struct td_stack *st, uint64_t *cursor, struct row *row)
{
    if (*cursor == 0)
        *cursor = 1; /* EV_NONE is no event */
    if (*cursor >= EV_COUNT)
        return false;
    const struct event_info *e = &event_info[*cursor];
    row_clear(row);
    row_word(row, 0, e->name);
    row_u64(row, 1, st->journal.events[*cursor]);
    row_word(row, 2, e->clause);
    row_word(row, 3, e->sentence);
    (*cursor)++;
    return true;
}

static const struct column event_columns[] = {
    {"name", VAL_STR, "the event"},
    {"count", VAL_U64, "how often it happened"},
    {"clause", VAL_STR, "the RFC clause that asks for it"},
    {"sentence", VAL_STR, "what it says"},
};

/* Armed timers in the wheel's order. The cursor is a slot (level and index) and a place in it: a
 * reader who comes back after timers have moved goes on near where it was, at the cost of a walk
 * along one slot. While nothing has moved, the next row is one step away. */
#define PLACE_BITS 32

static const struct timer *timer_at(const struct wheel *w, uint64_t *cursor)
{
    unsigned slot = (unsigned)(*cursor >> PLACE_BITS);
    uint64_t place = *cursor & ((UINT64_C(1) << PLACE_BITS) - 1), k = 0;
    const struct timer *t = wheel_walk_from(w, slot);
    for (; t != NULL && t->slot == slot && k < place; k++)
        t = wheel_walk_next(w, t);
    if (t != NULL)
        *cursor = (uint64_t)t->slot << PLACE_BITS | (t->slot == slot ? k + 1 : 1);
    return t;
}

static bool timers_next(struct td_stack *st, uint64_t *cursor, struct row *row)
{
    const struct wheel *w = &st->wheel;
    struct timer_reader *r = &st->door->timers;
    const struct timer *t;
    if (r->last != NULL && r->changes == w->changes && r->cursor == *cursor) {
        t = wheel_walk_next(w, r->last);
        if (t != NULL)
            *cursor = t->slot == r->last->slot ? *cursor + 1 : (uint64_t)t->slot << PLACE_BITS | 1;
    } else {
        t = timer_at(w, cursor);
    }
    *r = (struct timer_reader){t, *cursor, w->changes};
    if (t == NULL)
        return false;
    row_clear(row);
    row_word(row, 0, t->kind->name);
    row_ns(row, 1, t->deadline > st->now ? t->deadline - st->now : 0);
    row_u64(row, 2, t->cause);
    return true;
}

static const struct column timer_columns[] = {
    {"name", VAL_STR, "what it is for"},
    {"in", VAL_NS, "time until it fires"},
    {"cause", VAL_U64, "the journal's number of the event that armed it"},
};

static bool knobs_next(struct td_stack *st, uint64_t *cursor, struct row *row)
{
    char name[KNOB_NAME_LEN], value[96];
    const char *doc;
    do
        doc = knob_nth(st, (*cursor)++, name);
    while (doc != NULL && *doc == '\0');
    if (doc == NULL)
        return false;
    row_clear(row);
    row_str(row, 0, name);
    (void)td_knob_get(st, name, value, sizeof value);
    row_str(row, 1, value);
    row_word(row, 2, doc);
    return true;
}

static const struct column knob_columns[] = {
    {"name", VAL_STR, "as sysctl names it"},
    {"value", VAL_STR, "now"},
    {"doc", VAL_STR, "what it does, its unit, where it comes from"},
};

static bool memory_next(struct td_stack *st, uint64_t *cursor, struct row *row)
{
    if (*cursor > MEM_TAGS)
        return false;
    bool total = *cursor == MEM_TAGS;
    row_clear(row);
    row_word(row, 0, total ? "total" : mem_tag_name((enum mem_tag)*cursor));
    row_u64(row, 1, total ? st->mem.used : st->mem.used_by[*cursor]);
    if (total) {
        row_u64(row, 2, st->mem.peak);
        row_u64(row, 3, st->mem.limit);
        row_u64(row, 4, st->mem.failures);
    }
    (*cursor)++;
    return true;
}

static const struct column memory_columns[] = {
    {"tag", VAL_STR, "what the memory is for"},
    {"used", VAL_U64, "bytes now"},
    {"peak", VAL_U64, "bytes at most so far"},
    {"limit", VAL_U64, "bytes allowed, 0 = no limit"},
    {"failures", VAL_U64, "allocations refused"},
};

#define COLUMNS(c) .columns = (c), .ncolumns = sizeof(c) / sizeof(c)[0]

void door_tables_init(struct td_stack *st)
{
    struct table *t = st->door->tables;
    t[0] = (struct table){.name = "counters", .doc = "MIB counters", COLUMNS(counter_columns), .next = counters_next};
    t[1] = (struct table){.name = "events", .doc = "the journal's catalogue, counted", COLUMNS(event_columns), .next = events_next};
    t[2] = (struct table){.name = "timers", .doc = "armed timers", COLUMNS(timer_columns), .next = timers_next};
    t[3] = (struct table){.name = "memory", .doc = "bytes by purpose", COLUMNS(memory_columns), .next = memory_next};
    t[4] = (struct table){.name = "knobs", .doc = "knobs and their values", COLUMNS(knob_columns), .next = knobs_next};
    for (unsigned i = 0; i < DOOR_TABLES; i++)
        table_register(st, &t[i]);
}
