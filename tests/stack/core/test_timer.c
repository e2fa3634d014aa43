/* The timing wheel against an oracle: a plain array, sorted when it must be. */
#include "check_main.h"
#include "core/stack.h"
#include "prng.h"

#include <stdlib.h>
#include <string.h>

struct probe {
    struct timer t;
    int id;
    td_time want;   /* deadline, rounded up to 1 us */
    uint64_t order; /* of arming */
    bool armed;
};

static struct td_stack *st;
static struct probe *fired_log[400000];
static td_time fired_at[400000];
static size_t nfired;

static void on_fire(struct td_stack *s, struct timer *t)
{
    struct probe *p = container_of(t, struct probe, t);
    ck_assert_ptr_eq(s, st);
    ck_assert(p->armed);
    p->armed = false;
    fired_at[nfired] = s->now;
    fired_log[nfired++] = p;
}

static void setup(void)
{
    st = calloc(1, sizeof *st);
    wheel_init(&st->wheel, 0);
    nfired = 0;
}

static void teardown(void)
{
    free(st);
}

static uint64_t below(struct prng *r, uint64_t bound)
{
    return prng_u64(r) % bound;
}

static uint64_t arm_count;

static void arm(struct probe *p, td_time deadline)
{
    timer_arm(st, &p->t, deadline);
    p->want = (deadline + 999) / 1000 * 1000;
    p->order = ++arm_count;
    p->armed = true;
}

START_TEST(never_early_and_exact_to_a_microsecond)
{
    struct probe p = {.id = 1};
    timer_init(&p.t, on_fire, "probe");
    arm(&p, 1234567);
    ck_assert_uint_eq(wheel_next(&st->wheel), 1235000);
    wheel_run(st, 1234999);
    ck_assert_uint_eq(nfired, 0);
    wheel_run(st, 1235000);
    ck_assert_uint_eq(nfired, 1);
    ck_assert_uint_eq(fired_at[0], 1235000);
    ck_assert_uint_eq(wheel_next(&st->wheel), TD_NEVER);
}
END_TEST

/* A is armed long before its deadline (a high level, cascades), B shortly before (level 0): the same
 * deadline must fire in the order of arming all the same. */
START_TEST(equal_deadlines_fire_in_arming_order_across_levels)
{
    struct probe p[6];
    td_time when = 5 * TD_SEC + 77 * TD_US;
    for (int i = 0; i < 6; i++)
        timer_init(&p[i].t, on_fire, "probe");
    arm(&p[0], when);
    wheel_run(st, 4 * TD_SEC);
    arm(&p[1], when);
    wheel_run(st, when - 50 * TD_MS);
    arm(&p[2], when);
    wheel_run(st, when - 3 * TD_US);
    arm(&p[3], when - 500); /* rounds up to the same microsecond */
    arm(&p[4], when);
    arm(&p[5], when);
    timer_cancel(st, &p[4].t);
    p[4].armed = false;
    wheel_run(st, when);
    ck_assert_uint_eq(nfired, 5);
    ck_assert_ptr_eq(fired_log[0], &p[0]);
    ck_assert_ptr_eq(fired_log[1], &p[1]);
    ck_assert_ptr_eq(fired_log[2], &p[2]);
    ck_assert_ptr_eq(fired_log[3], &p[3]);
    ck_assert_ptr_eq(fired_log[4], &p[5]);
}
END_TEST

static struct probe *victim;
static void on_fire_cancels(struct td_stack *s, struct timer *t)
{
    on_fire(s, t);
    timer_cancel(s, &victim->t);
    victim->armed = false;
}

START_TEST(a_handler_cancels_another_of_the_same_batch)
{
    struct probe a, b, c;
    timer_init(&a.t, on_fire_cancels, "a");
    timer_init(&b.t, on_fire, "b");
    timer_init(&c.t, on_fire, "c");
    victim = &b;
    arm(&a, 1000);
    arm(&b, 1000);
    arm(&c, 1000);
    wheel_run(st, 2000);
    ck_assert_uint_eq(nfired, 2);
    ck_assert_ptr_eq(fired_log[0], &a);
    ck_assert_ptr_eq(fired_log[1], &c);
    ck_assert_uint_eq(st->wheel.armed, 0);
}
END_TEST

static void on_fire_again(struct td_stack *s, struct timer *t)
{
    struct probe *p = container_of(t, struct probe, t);
    on_fire(s, t);
    if (nfired < 1000) {
        timer_arm(s, t, s->now); /* "now" while timers fire is the next microsecond */
        p->armed = true;
    }
}

START_TEST(a_timer_that_rearms_itself_for_now_makes_progress)
{
    struct probe p;
    timer_init(&p.t, on_fire_again, "again");
    arm(&p, 1000);
    wheel_run(st, 10000);
    ck_assert_uint_eq(nfired, 10); /* at 1, 2, … 10 us, and no more */
    ck_assert_uint_eq(wheel_next(&st->wheel), 11000);
}
END_TEST

START_TEST(a_century_passes_in_no_time)
{
    struct probe p;
    timer_init(&p.t, on_fire, "far");
    td_time century = UINT64_C(100) * 365 * 86400 * TD_SEC;
    arm(&p, century);
    ck_assert_uint_eq(wheel_next(&st->wheel), century);
    wheel_run(st, century - TD_US);
    ck_assert_uint_eq(nfired, 0);
    wheel_run(st, century);
    ck_assert_uint_eq(nfired, 1);
}
END_TEST

static int by_deadline(const void *a, const void *b)
{
    const struct probe *x = *(struct probe *const *)a, *y = *(struct probe *const *)b;
    if (x->want != y->want)
        return x->want < y->want ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* Random arming, re-arming, cancelling and running; after each run everything due has fired, in the
 * oracle's order, and wheel_next is the oracle's minimum. */
START_TEST(agrees_with_a_sorted_list)
{
    enum { N = 400, STEPS = 300 };
    static struct probe p[N];
    static struct probe *due[N];
    struct prng r = {(uint64_t)_i + 1};
    td_time now = (td_time)prng_below(&r, 1000000) * 777;
    wheel_init(&st->wheel, now);
    st->now = now;
    memset(p, 0, sizeof p);
    for (int i = 0; i < N; i++)
        timer_init(&p[i].t, on_fire, "probe");
    for (int step = 0; step < STEPS; step++) {
        for (int k = 0; k < 20; k++) {
            struct probe *q = &p[prng_below(&r, N)];
            if (prng_below(&r, 5) == 0) {
                timer_cancel(st, &q->t);
                q->armed = false;
            } else {
                unsigned scale = (unsigned)prng_below(&r, 34);
                arm(q, now + below(&r, UINT64_C(1) << (scale + 5)));
            }
        }
        td_time earliest = TD_NEVER;
        for (int i = 0; i < N; i++)
            if (p[i].armed && p[i].want < earliest)
                earliest = p[i].want;
        ck_assert_uint_eq(wheel_next(&st->wheel), earliest);
        now += below(&r, UINT64_C(1) << (10 + prng_below(&r, 25)));
        size_t n = 0;
        for (int i = 0; i < N; i++)
            if (p[i].armed && p[i].want <= now)
                due[n++] = &p[i];
        qsort(due, n, sizeof due[0], by_deadline);
        nfired = 0;
        wheel_run(st, now);
        ck_assert_uint_eq(nfired, n);
        for (size_t i = 0; i < n; i++) {
            ck_assert_ptr_eq(fired_log[i], due[i]);
            ck_assert(fired_at[i] >= due[i]->want);
        }
    }
    for (int i = 0; i < N; i++)
        timer_cancel(st, &p[i].t);
    ck_assert_uint_eq(st->wheel.armed, 0);
    ck_assert_uint_eq(wheel_next(&st->wheel), TD_NEVER);
}
END_TEST

START_TEST(a_hundred_thousand_timers)
{
    const unsigned N = prng_rounds(100000);
    struct probe *p = calloc(N, sizeof *p);
    struct prng r = {7};
    for (unsigned i = 0; i < N; i++) {
        timer_init(&p[i].t, on_fire, "probe");
        arm(&p[i], below(&r, 10 * TD_SEC));
    }
    for (td_time now = 0; now <= 10 * TD_SEC; now += 100 * TD_MS)
        wheel_run(st, now);
    ck_assert_uint_eq(nfired, N);
    for (size_t i = 1; i < nfired; i++)
        ck_assert(fired_log[i - 1]->want < fired_log[i]->want ||
                  (fired_log[i - 1]->want == fired_log[i]->want &&
                   fired_log[i - 1]->order < fired_log[i]->order));
    free(p);
}
END_TEST

START_TEST(remembers_what_armed_it)
{
    struct probe p;
    timer_init(&p.t, on_fire, "probe");
    st->journal.cause = 4711;
    arm(&p, 1000);
    ck_assert_uint_eq(p.t.cause, 4711);
}
END_TEST

START_TEST(as_late_as_can_be_said)
{
    struct probe p[4];
    for (int i = 0; i < 4; i++)
        timer_init(&p[i].t, on_fire, "late");
    timer_arm(st, &p[0].t, TD_NEVER);
    timer_arm(st, &p[1].t, TD_NEVER - 10 * TD_US);
    timer_arm(st, &p[2].t, TD_NEVER / 2);
    p[0].armed = p[1].armed = p[2].armed = true;
    arm(&p[3], UINT64_C(10) * 365 * 86400 * TD_SEC); /* ten years are sooner than all of them */
    ck_assert_uint_eq(wheel_next(&st->wheel), p[3].want);
    wheel_run(st, p[3].want);
    ck_assert_uint_eq(nfired, 1);
    wheel_run(st, TD_NEVER / 2 + TD_US);
    ck_assert_uint_eq(nfired, 2);
    ck_assert_uint_eq(wheel_next(&st->wheel), p[1].t.deadline);
    wheel_run(st, TD_NEVER - 1);
    ck_assert_uint_eq(nfired, 4);
    ck_assert_ptr_eq(fired_log[2], &p[1]);
}
END_TEST

/* The case that decides the slot's data structure: TIME-WAITs by the thousand in one slot, and a
 * retransmission timer that is armed and cancelled in front of them at each turn of the loop. */
START_TEST(a_crowd_in_one_slot)
{
    enum { N = 20000 };
    struct probe *p = calloc(N, sizeof *p), rexmt;
    timer_init(&rexmt.t, on_fire, "rexmt");
    for (int i = 0; i < N; i++) {
        timer_init(&p[i].t, on_fire, "timewait");
        arm(&p[i], st->now + 60 * TD_SEC);
        arm(&rexmt, st->now + 200 * TD_MS);
        ck_assert_uint_eq(wheel_next(&st->wheel), rexmt.want);
        timer_cancel(st, &rexmt.t);
        ck_assert_uint_eq(wheel_next(&st->wheel), p[0].want);
        wheel_run(st, st->now + 5 * TD_US);
    }
    /* cancelled from the middle, and from the front */
    for (int i = 0; i < N; i += 3)
        timer_cancel(st, &p[i].t);
    ck_assert_uint_eq(wheel_next(&st->wheel), p[1].want);
    wheel_run(st, 61 * TD_SEC);
    size_t k = 0;
    for (int i = 0; i < N; i++)
        if (i % 3 != 0)
            ck_assert_ptr_eq(fired_log[k++], &p[i]);
    ck_assert_uint_eq(nfired, k);
    free(p);
}
END_TEST

static void mark(void *ctx, const struct timer *t)
{
    (*(unsigned *)ctx)++;
    /* the walk is the visitor's own: count each timer in the only field of a probe that is free */
    ((struct probe *)(uintptr_t)container_of((struct timer *)(uintptr_t)t, struct probe, t))->id++;
}

START_TEST(a_walk_meets_each_timer_once)
{
    enum { N = 3000 };
    static struct probe p[N];
    struct prng r = {5};
    memset(p, 0, sizeof p);
    for (int i = 0; i < N; i++) {
        timer_init(&p[i].t, on_fire, "probe");
        arm(&p[i], below(&r, UINT64_C(1) << (10 + prng_below(&r, 30))));
    }
    for (int i = 0; i < N; i += 2)
        timer_cancel(st, &p[i].t);
    unsigned visits = 0;
    wheel_each(&st->wheel, mark, &visits);
    ck_assert_uint_eq(visits, N / 2);
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(p[i].id, i % 2);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("timer");
    TCase *t = tcase_create("wheel");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, never_early_and_exact_to_a_microsecond);
    tcase_add_test(t, equal_deadlines_fire_in_arming_order_across_levels);
    tcase_add_test(t, a_handler_cancels_another_of_the_same_batch);
    tcase_add_test(t, a_timer_that_rearms_itself_for_now_makes_progress);
    tcase_add_test(t, a_century_passes_in_no_time);
    tcase_add_loop_test(t, agrees_with_a_sorted_list, 0, 20);
    tcase_add_test(t, a_hundred_thousand_timers);
    tcase_add_test(t, remembers_what_armed_it);
    tcase_add_test(t, as_late_as_can_be_said);
    tcase_add_test(t, a_crowd_in_one_slot);
    tcase_add_test(t, a_walk_meets_each_timer_once);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
