/* The token bucket: rate and burst to the byte, the peak rate, what waits inside. */
#include "qdisc_rig.h"

#include <errno.h>

static void make(struct td_tbf t)
{
    struct td_qdisc_chain c = {.depth = 1, .q[0] = {.kind = TD_QDISC_TBF, .u.tbf = t}};

    ck_assert_int_eq(qdisc_chain_set(&q, &m, &c, 1, &heard.sink, 0), 0);
}

static int put(uint32_t len, td_time now)
{
    static const uint8_t zero[4000];

    return qdisc_enqueue(q, pkt_from_bytes(&m, 0, zero, len), now);
}

/* Bytes that leave at `now`. */
static uint64_t leave(td_time now)
{
    uint64_t n = 0;
    struct pkt *p;

    while ((p = qdisc_dequeue(q, now)) != NULL) {
        n += p->len;
        pkt_free(p);
    }
    return n;
}

START_TEST(burst_at_once_then_the_rate)
{
    make((struct td_tbf){
        .rate = 8000000, .burst = 3000, .limit = 100000}); /* a byte a microsecond */
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(put(1000, 0), 0);
    ck_assert_uint_eq(leave(0), 3000);
    ck_assert_uint_eq(qdisc_next(q), TD_MS); /* exactly when 1000 bytes are there again */
    ck_assert_uint_eq(leave(TD_MS - 1), 0);
    ck_assert_uint_eq(leave(TD_MS), 1000);
    ck_assert_uint_eq(leave(3 * TD_MS + 999 * TD_US), 2000);
    ck_assert_uint_eq(leave(4 * TD_MS), 1000); /* what was over by then isn't lost */
    ck_assert_uint_ge(q->overlimits, 1);
    /* Silence fills the bucket, and no more than the bucket. */
    ck_assert_uint_eq(leave(100 * TD_MS), 3000);
    ck_assert_uint_eq(qdisc_all_packets(q), 0);
    ck_assert_uint_eq(qdisc_next(q), TD_NEVER);
    ck_assert_uint_eq(q->sent_bytes, 10000);
}
END_TEST

/* Over any time no more than burst + rate * t leaves, and nearly that much, whatever is asked when.
 */
START_TEST(never_more_than_the_curve)
{
    const uint64_t rate = 1234567;
    uint64_t sent = 0, waiting = 0, n = 0;
    td_time now = 0;

    make((struct td_tbf){.rate = rate, .burst = 1777, .limit = 1U << 30});
    for (int i = 0; i < 20000; i++) {
        uint32_t len = 60 + (uint32_t)(n = n * 6364136223846793005U + 1442695040888963407U) % 1717;

        while (waiting < 20000) {
            put(len, now);
            waiting += len;
        }
        uint64_t out = leave(now);
        sent += out;
        waiting -= out;
        /* bits * 10^9 on both sides: exact */
        ck_assert_uint_le(sent * 8 * 1000,
                          1777 * 8 * 1000 + rate * (now / TD_US) / 1000 + 8 * 1000);
        now += 1 * TD_US + (n >> 40) % (300 * TD_US) / TD_US * TD_US;
    }
    double ideal = (double)rate / 8 * (double)now / 1e9;
    ck_assert_double_gt((double)sent, ideal - 1777 - 400);
}
END_TEST

START_TEST(limit_and_too_long)
{
    make((struct td_tbf){.rate = 8000, .burst = 1500, .limit = 4000});
    ck_assert_int_eq(put(1501, 0), -ENOBUFS);
    ck_assert_uint_eq(heard.why[W_OVER_BURST], 1);
    ck_assert_int_eq(put(1500, 0), 0);
    ck_assert_uint_eq(leave(0), 1500);
    ck_assert_int_eq(put(1500, 0), 0);
    ck_assert_int_eq(put(1500, 0), 0);
    ck_assert_int_eq(put(1000, 0), 0);
    ck_assert_int_eq(put(1, 0), -ENOBUFS);
    ck_assert_uint_eq(heard.why[W_QUEUE_FULL], 1);
    ck_assert_uint_eq(qdisc_all_drops(q), 2);
    ck_assert_uint_eq(qdisc_all_bytes(q), 4000);
}
END_TEST

START_TEST(peak_rate_spreads_a_burst)
{
    make((struct td_tbf){
        .rate = 8000000, .burst = 10000, .peakrate = 80000000, .mtu = 1000, .limit = 100000});
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(put(1000, 0), 0);
    ck_assert_uint_eq(leave(0), 1000);
    ck_assert_uint_eq(qdisc_next(q), 100 * TD_US); /* ten bytes a microsecond */
    ck_assert_uint_eq(leave(100 * TD_US), 1000);
    ck_assert_uint_eq(leave(150 * TD_US), 0);
    ck_assert_uint_eq(leave(200 * TD_US), 1000);
    ck_assert_int_eq(put(1001, 0), -ENOBUFS); /* longer than the small bucket */
}
END_TEST

START_TEST(change_keeps_what_waits)
{
    struct td_qdisc_chain c = {.depth = 1, .q[0] = {.kind = TD_QDISC_TBF}};

    make((struct td_tbf){.rate = 8000, .burst = 1500, .limit = 10000});
    for (int i = 0; i < 4; i++)
        put(1500, 0);
    ck_assert_uint_eq(leave(0), 1500);
    c.q[0].u.tbf = (struct td_tbf){.rate = 8000000, .burst = 1000, .limit = 10000};
    ck_assert_int_eq(qdisc_chain_set(&q, &m, &c, 1, &heard.sink, 0), 0);
    ck_assert_uint_eq(qdisc_all_packets(q), 3);
    /* Frames longer than the smaller bucket were let in before: they go when it is full. */
    ck_assert_uint_eq(leave(TD_MS), 1500);
    ck_assert_uint_eq(leave(2 * TD_MS), 1500);
    ck_assert_uint_eq(heard.count[QDISC_DROPPED], 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tbf");
    TCase *t = tcase_create("tbf");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, burst_at_once_then_the_rate);
    tcase_add_test(t, never_more_than_the_curve);
    tcase_add_test(t, limit_and_too_long);
    tcase_add_test(t, peak_rate_spreads_a_burst);
    tcase_add_test(t, change_keeps_what_waits);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
