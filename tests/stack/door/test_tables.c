/* The core's own tables: every row, and dumps that go on while the table changes. */
#include "check_main.h"
#include "core/stack.h"
#include "harness.h"
#include "prng.h"

#include <stdio.h>
#include <string.h>

static struct hx *h;
static struct row row;

static void setup(void)
{
    h = hx_new();
}

static void teardown(void)
{
    hx_free(h);
}

static struct table *table(const char *name)
{
    struct table *t = table_find(h->st, name);
    ck_assert_msg(t != NULL, "no table %s", name);
    return t;
}

/* All tables, whoever registered them: rows keep to the columns they declare. */
START_TEST(rows_keep_to_their_columns)
{
    unsigned tables = 0;
    for (struct table *t = h->st->tables; t != NULL; t = t->link, tables++) {
        uint64_t cursor = 0, rows = 0;
        ck_assert_uint_le(t->ncolumns, TABLE_MAX_COLUMNS);
        ck_assert_uint_gt(strlen(t->doc), 3);
        for (struct table *u = t->link; u != NULL; u = u->link)
            ck_assert_str_ne(t->name, u->name);
        for (unsigned c = 0; c < t->ncolumns; c++) {
            ck_assert_uint_gt(strlen(t->columns[c].doc), 2);
            for (unsigned d = 0; d < c; d++)
                ck_assert_msg(strcmp(t->columns[c].name, t->columns[d].name) != 0, "%s: two columns %s",
                              t->name, t->columns[c].name);
        }
        while (t->next(h->st, &cursor, &row)) {
            ck_assert_msg(++rows < 100000, "%s has no end", t->name);
            for (unsigned c = 0; c < TABLE_MAX_COLUMNS; c++)
                if (row.v[c].type != VAL_NONE)
                    ck_assert_msg(c < t->ncolumns && row.v[c].type == t->columns[c].type,
                                  "%s: column %u has type %d", t->name, c, (int)row.v[c].type);
        }
        ck_assert(!t->next(h->st, &cursor, &row)); /* the end stays the end */
    }
    ck_assert_uint_ge(tables, 10);
}
END_TEST

START_TEST(counters_and_events)
{
    struct table *t = table("counters");
    uint64_t cursor = 0;
    unsigned n = 0;
    bool seen = false;
    while (t->next(h->st, &cursor, &row)) {
        ck_assert_str_eq(row.v[0].s, counter_info[n].name);
        ck_assert_uint_eq(row.v[1].u, h->st->counters.v[n]);
        seen = seen || (strcmp(row.v[0].s, "EthOutFrames") == 0 && row.v[1].u > 0);
        n++;
    }
    ck_assert_uint_eq(n, CNT_COUNT);
    ck_assert(seen);
    t = table("events");
    cursor = 0;
    n = 1;
    while (t->next(h->st, &cursor, &row)) {
        ck_assert_str_eq(row.v[0].s, event_info[n].name);
        ck_assert_uint_eq(row.v[1].u, h->st->journal.events[n]);
        n++;
    }
    ck_assert_uint_eq(n, EV_COUNT);
}
END_TEST

START_TEST(memory_adds_up)
{
    struct table *t = table("memory");
    uint64_t cursor = 0, sum = 0;
    while (t->next(h->st, &cursor, &row)) {
        if (strcmp(row.v[0].s, "total") != 0) {
            sum += row.v[1].u;
            continue;
        }
        ck_assert_uint_eq(row.v[1].u, sum);
        ck_assert_uint_eq(row.v[1].u, h->heap);
        ck_assert_uint_ge(row.v[2].u, sum); /* peak */
    }
    ck_assert_uint_gt(sum, 0);
}
END_TEST

START_TEST(knobs_with_their_values)
{
    struct table *t = table("knobs");
    uint64_t cursor = 0;
    bool ttl = false, eth = false;
    while (t->next(h->st, &cursor, &row)) {
        char value[64];
        ck_assert_int_ge(td_knob_get(h->st, row.v[0].s, value, sizeof value), 0);
        ck_assert_str_eq(row.v[1].s, value);
        ttl = ttl || (strcmp(row.v[0].s, "net.ipv4.ip_default_ttl") == 0 && strcmp(row.v[1].s, "64") == 0);
        eth = eth || strcmp(row.v[0].s, "net.ipv4.conf.eth0.arp_notify") == 0;
    }
    ck_assert(ttl && eth);
}
END_TEST

static void nothing(struct td_stack *st, struct timer *t)
{
    (void)st;
    (void)t;
}

enum { N = 20000 };
static struct timer timers[N];

static void arm_many(void)
{
    struct prng r = {1};
    for (int i = 0; i < N; i++) {
        timer_init(&timers[i], nothing, "many");
        timer_arm(h->st, &timers[i], td_stack_now(h->st) + SEC(60) + prng_below(&r, 1000) * TD_MS);
    }
}

static void cancel_many(void)
{
    for (int i = 0; i < N; i++)
        timer_cancel(h->st, &timers[i]);
}

/* Twenty thousand in a slot: a row costs a step, not a walk (this would take minutes otherwise). */
START_TEST(timers_all_of_them)
{
    struct table *t = table("timers");
    uint64_t cursor = 0;
    unsigned n = 0, many = 0;
    arm_many();
    while (t->next(h->st, &cursor, &row)) {
        n++;
        if (strcmp(row.v[0].s, "many") == 0) {
            many++;
            ck_assert_uint_ge(row.v[1].u, SEC(60));
            ck_assert_uint_lt(row.v[1].u, SEC(61));
        }
    }
    ck_assert_uint_eq(many, N);
    ck_assert_uint_eq(n, h->st->wheel.armed);
    cancel_many();
}
END_TEST

/* A reader takes some rows a turn; between turns timers come and go. It comes to an end, and two
 * readers don't disturb each other. */
START_TEST(timers_while_they_change)
{
    struct table *t = table("timers");
    uint64_t one = 0, two = 0;
    unsigned rows = 0, turns = 0;
    struct prng r = {2};
    bool more = true;
    arm_many();
    while (more) {
        ck_assert_uint_lt(++turns, 2000);
        for (int i = 0; i < 100 && more; i++) {
            more = t->next(h->st, &one, &row);
            rows += more;
            if (i % 10 == 0)
                (void)t->next(h->st, &two, &row);
        }
        for (int i = 0; i < 5; i++) {
            struct timer *x = &timers[prng_below(&r, N)];
            if (timer_armed(x))
                timer_cancel(h->st, x);
            else
                timer_arm(h->st, x, td_stack_now(h->st) + SEC(60));
        }
    }
    ck_assert_uint_gt(rows, N / 2);
    cancel_many();
}
END_TEST

/* The row just read is cancelled: the reader goes on behind it, not behind what it was once. */
START_TEST(timers_when_the_last_row_is_gone)
{
    struct table *t = table("timers");
    uint64_t cursor = 0;
    unsigned left = 0;
    for (int i = 0; i < 4; i++) {
        timer_init(&timers[i], nothing, "many");
        timer_arm(h->st, &timers[i], td_stack_now(h->st) + SEC(60)); /* one slot */
    }
    do
        ck_assert(t->next(h->st, &cursor, &row));
    while (strcmp(row.v[0].s, "many") != 0);
    timer_cancel(h->st, &timers[0]); /* the first of equals is the first row */
    while (t->next(h->st, &cursor, &row))
        left += strcmp(row.v[0].s, "many") == 0;
    ck_assert_uint_ge(left, 2);
    ck_assert_uint_le(left, 3);
    cancel_many();
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tables");
    TCase *t = tcase_create("tables");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, rows_keep_to_their_columns);
    tcase_add_test(t, counters_and_events);
    tcase_add_test(t, memory_adds_up);
    tcase_add_test(t, knobs_with_their_values);
    tcase_add_test(t, timers_all_of_them);
    tcase_add_test(t, timers_while_they_change);
    tcase_add_test(t, timers_when_the_last_row_is_gone);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
