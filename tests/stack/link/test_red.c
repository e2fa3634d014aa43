/* RED: nothing below min, all above max, the probability in between, even spacing, idle decay,
 * marks. */
#include "frames.h"
#include "qdisc_rig.h"

#include <errno.h>
#include <math.h>

static void make(struct td_red r)
{
    q = qdisc_red(&m, &r);
    ck_assert_ptr_nonnull(q);
    q->sink = &heard.sink;
}

static const struct td_red plain = {.limit = 400000,
                                    .min = 30000,
                                    .max = 90000,
                                    .avpkt = 1000,
                                    .wlog = 1,
                                    .max_p = 1U << 28,
                                    .bandwidth = 8000000,
                                    .seed = 3};

static int put(uint8_t tos, td_time now)
{
    return qdisc_enqueue(q, frame_udp(&m, 1, 1000, tos), now);
}

static uint64_t average(void)
{
    struct red_stats s;

    ck_assert(qdisc_red_stats(q, &s));
    return s.average;
}

/* Keeps `frames` of 1000 bytes waiting and offers n more; how many of those are refused. */
static unsigned stand(unsigned frames, unsigned n, uint8_t tos)
{
    unsigned refused = 0;

    while (q->packets < frames)
        (void)put(tos, 0);
    for (unsigned i = 0; i < n; i++) {
        if (put(tos, 0) < 0)
            refused++;
        else
            pkt_free(qdisc_dequeue(q, 0));
    }
    return refused;
}

/* shows: 1812-FW57 */
START_TEST(below_min_and_above_max)
{
    make(plain);
    ck_assert_uint_eq(stand(29, 1000, 0), 0);
    ck_assert_uint_eq(average(), 28999); /* it comes as near as integers allow */
    qdisc_destroy(q);
    make(plain);
    while (average() < 90000)
        (void)put(0, 0);
    ck_assert_int_eq(put(0, 0), -ENOBUFS);
    ck_assert_uint_ge(heard.why[W_RED_FORCED], 1);
}
END_TEST

/* In the middle the drop probability is max_p / 2 = 1/32, spread evenly: one in 1/pb, between 1 and
 * 2/pb - 1 frames apart (uniform), about (1/pb + 1)/2 on average. */
START_TEST(in_between)
{
    make(plain);
    unsigned n = 100000, refused = stand(60, n, 0);
    double pb = 1.0 / 32, mean = (1 / pb + 1) / 2;

    ck_assert_double_eq_tol((double)n / refused, mean, mean * 0.05);
    ck_assert_uint_eq(heard.why[W_RED_EARLY], heard.count[QDISC_DROPPED]);
    ck_assert_uint_ge(q->overlimits, refused);
}
END_TEST

START_TEST(drops_are_not_in_clumps)
{
    unsigned longest = 0, since = 0;

    make(plain);
    (void)stand(60, 100, 0);
    for (unsigned i = 0; i < 50000; i++) {
        if (put(0, 0) < 0) {
            since = 0;
            continue;
        }
        pkt_free(qdisc_dequeue(q, 0));
        since++;
        longest = since > longest ? since : longest;
    }
    ck_assert_uint_le(longest, 34); /* 1/pb, give or take the average's last digits */
}
END_TEST

START_TEST(an_idle_queue_forgets)
{
    struct td_red r = plain;
    struct pkt *p;

    r.wlog = 4;
    make(r);
    (void)stand(60, 2000, 0);
    uint64_t before = average();
    while ((p = qdisc_dequeue(q, TD_SEC)) != NULL)
        pkt_free(p);
    (void)put(0, TD_SEC + 16 * TD_MS); /* 16 frames' time at 8 Mbit/s */
    ck_assert_double_eq_tol((double)average(), (double)before * pow(15.0 / 16, 16), 60);
}
END_TEST

START_TEST(marks_instead)
{
    struct td_red r = plain;
    struct red_stats s;

    r.ecn = true;
    make(r);
    ck_assert_uint_eq(stand(60, 1000, 2), 0);
    ck_assert_uint_gt(heard.why[W_RED_EARLY], 20);
    ck_assert_uint_eq(heard.count[QDISC_DROPPED], 0);
    ck_assert_uint_gt(stand(60, 1000, 0), 20); /* who doesn't understand is dropped */
    ck_assert(qdisc_red_stats(q, &s));
    ck_assert_uint_eq(s.marked, q->marks);
    qdisc_destroy(q);
    r.harddrop = true;
    make(r);
    while (average() < 90000)
        (void)put(2, 0);
    ck_assert_int_eq(put(2, 0), -ENOBUFS);
}
END_TEST

START_TEST(adaptive_moves_the_probability)
{
    struct td_red r = plain;
    unsigned early, late;

    r.adaptive = true;
    make(r);
    early = stand(80, 2000, 0);
    for (int i = 0; i < 40; i++) { /* the average stays high: twice a second max_p grows */
        if (put(0, (td_time)i * 500 * TD_MS) == 0)
            pkt_free(qdisc_dequeue(q, 0));
    }
    while (q->packets < 80)
        (void)put(0, 20 * TD_SEC);
    late = 0;
    for (int i = 0; i < 2000; i++) {
        if (put(0, 20 * TD_SEC) < 0)
            late++;
        else
            pkt_free(qdisc_dequeue(q, 20 * TD_SEC));
    }
    ck_assert_uint_gt(late, early * 2);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("red");
    TCase *t = tcase_create("red");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, below_min_and_above_max);
    tcase_add_test(t, in_between);
    tcase_add_test(t, drops_are_not_in_clumps);
    tcase_add_test(t, an_idle_queue_forgets);
    tcase_add_test(t, marks_instead);
    tcase_add_test(t, adaptive_moves_the_probability);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
