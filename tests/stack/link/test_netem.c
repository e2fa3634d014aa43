/* Impairments: each alone with exact figures, the order of equal times, the same seed twice. */
#include "core/pkt.h"
#include "qdisc_rig.h"

#include <errno.h>
#include <string.h>

static void make(struct td_netem n)
{
    qdisc_destroy(q);
    q = qdisc_netem(&m, &n);
    ck_assert_ptr_nonnull(q);
}

static int put(uint64_t id, uint32_t len, td_time now)
{
    uint8_t b[2000] = {0};
    struct pkt *p = pkt_from_bytes(&m, 0, b, len);

    p->id = id;
    return qdisc_enqueue(q, p, now);
}

START_TEST(unimpaired_is_first_in_first_out)
{
    make((struct td_netem){0});
    ck_assert_uint_eq(q->ops->next(q), TD_NEVER);
    for (uint64_t i = 1; i <= 100; i++)
        ck_assert_int_eq(put(i, 60, 5), 0);
    ck_assert_uint_eq(q->packets, 100);
    ck_assert_uint_eq(q->bytes, 6000);
    ck_assert_uint_eq(q->ops->next(q), 5);
    ck_assert_uint_eq(get(4), 0);
    for (uint64_t i = 1; i <= 100; i++)
        ck_assert_uint_eq(get(5), i);
    ck_assert_uint_eq(get(5), 0);
    ck_assert_uint_eq(q->packets, 0);
    ck_assert_uint_eq(q->bytes, 0);
    ck_assert_uint_eq(q->sent_packets, 100);
    ck_assert_uint_eq(q->sent_bytes, 6000);
}
END_TEST

START_TEST(rate_serialises_in_integer_ns)
{
    ck_assert_uint_eq(qdisc_serialise(1514, 10000000), 1211200);
    ck_assert_uint_eq(qdisc_serialise(1, 3), 2666666667); /* rounded up */
    ck_assert_uint_eq(qdisc_serialise(1514, 0), 0);
    /* more than a clock can count: long, and not wrapped round to short */
    ck_assert_uint_ge(qdisc_serialise(UINT64_C(131072) * 65537, 1), UINT64_MAX - 8 * TD_SEC);
    make((struct td_netem){.rate = 10000000, .delay = 50 * TD_MS});
    ck_assert_int_eq(put(1, 1514, 0), 0);
    ck_assert_int_eq(put(2, 1514, 0), 0);
    ck_assert_uint_eq(q->ops->next(q), 50 * TD_MS + 1211200);
    ck_assert_uint_eq(get(50 * TD_MS + 1211199), 0);
    ck_assert_uint_eq(get(50 * TD_MS + 1211200), 1);
    ck_assert_uint_eq(q->ops->next(q), 50 * TD_MS + 2 * 1211200);
    ck_assert_uint_eq(q->overlimits, 1);
    /* An idle line starts afresh. */
    ck_assert_int_eq(put(3, 1250, TD_SEC), 0);
    ck_assert_uint_eq(get(TD_SEC), 2);
    ck_assert_uint_eq(q->ops->next(q), TD_SEC + TD_MS + 50 * TD_MS);
}
END_TEST

START_TEST(jitter_stays_in_range_and_reorders)
{
    unsigned overtaken = 0;
    uint64_t last = 0;
    td_time lo = TD_NEVER, hi = 0;

    make((struct td_netem){.delay = 10 * TD_MS, .jitter = 5 * TD_MS, .seed = 1, .limit = 10000});
    for (uint64_t i = 1; i <= 10000; i++)
        ck_assert_int_eq(put(i, 60, 0), 0);
    while (q->packets > 0) {
        td_time t = q->ops->next(q);
        uint64_t id;

        ck_assert_uint_ge(t, 5 * TD_MS);
        ck_assert_uint_le(t, 15 * TD_MS);
        ck_assert_uint_ge(t, hi); /* the queue is in order of time */
        lo = t < lo ? t : lo;
        hi = t;
        id = get(t);
        overtaken += id < last;
        last = id;
    }
    ck_assert_uint_lt(lo, 5 * TD_MS + 20 * TD_US); /* 10000 draws come close to both ends */
    ck_assert_uint_gt(hi, 15 * TD_MS - 20 * TD_US);
    ck_assert_uint_gt(overtaken, 4000);

    make((struct td_netem){.delay = TD_MS, .jitter = 5 * TD_MS, .seed = 1}); /* never before now */
    for (uint64_t i = 1; i <= 100; i++)
        put(i, 60, 7);
    ck_assert_uint_ge(q->ops->next(q), 7);
}
END_TEST

START_TEST(loss_is_as_frequent_as_asked)
{
    unsigned lost = 0;

    make((struct td_netem){.loss = td_percent(2), .seed = 42, .limit = 200000});
    for (uint64_t i = 1; i <= 100000; i++)
        lost += put(i, 60, 0) == -ECOMM;
    ck_assert_uint_gt(lost, 1860); /* 2000, standard deviation 44 */
    ck_assert_uint_lt(lost, 2140);
    ck_assert_uint_eq(q->drops, lost);
    make((struct td_netem){.loss = UINT32_MAX});
    for (uint64_t i = 1; i <= 1000; i++)
        ck_assert_int_eq(put(i, 60, 0), -ECOMM);
}
END_TEST

START_TEST(gilbert_elliott_loses_in_bursts)
{
    unsigned lost = 0, bursts = 0;
    bool before = false;

    /* p = 1 %, r = 25 %: 1/26 of the time bad, bursts of 4. */
    make((struct td_netem){.ge_p = td_percent(1),
                           .ge_r = td_percent(25),
                           .ge_bad = UINT32_MAX,
                           .seed = 7,
                           .limit = 300000});
    for (uint64_t i = 1; i <= 200000; i++) {
        bool l = put(i, 60, 0) < 0;

        lost += l;
        bursts += l && !before;
        before = l;
    }
    ck_assert_uint_gt(lost, 6900); /* 7692 */
    ck_assert_uint_lt(lost, 8500);
    ck_assert_uint_gt(lost * 10, bursts * 35); /* a burst is 4 frames on average */
    ck_assert_uint_lt(lost * 10, bursts * 45);
}
END_TEST

START_TEST(duplicates_are_equal_and_counted)
{
    struct pkt *a, *b;

    make((struct td_netem){.duplicate = UINT32_MAX});
    ck_assert_int_eq(put(9, 61, 0), 0);
    ck_assert_uint_eq(q->packets, 2);
    a = q->ops->dequeue(q, 0);
    b = q->ops->dequeue(q, 0);
    ck_assert_ptr_ne(a, b);
    ck_assert_uint_eq(a->len, 61);
    ck_assert_uint_eq(b->len, 61);
    a->data[0] = 0xff; /* private heads */
    ck_assert_uint_eq(b->data[0], 0);
    pkt_free(a);
    pkt_free(b);
    /* Doubled and lost at once: one is left, as in netem. */
    make((struct td_netem){.duplicate = UINT32_MAX, .loss = UINT32_MAX});
    ck_assert_int_eq(put(9, 61, 0), 0);
    ck_assert_uint_eq(q->packets, 1);
}
END_TEST

START_TEST(corruption_flips_one_bit_of_a_copy)
{
    struct pkt_block *blk = pkt_block_alloc(&m, 100);
    unsigned positions = 0, flipped[128] = {0};

    memset(blk->bytes, 0, 100);
    make((struct td_netem){.corrupt = UINT32_MAX, .seed = 3});
    for (int i = 0; i < 5000; i++) {
        uint8_t head[28] = {0}, all[128];
        struct pkt *p = pkt_from_bytes(&m, 0, head, sizeof head);
        unsigned ones = 0;

        ck_assert_int_eq(pkt_append_slice(p, blk, 0, 100), 0);
        ck_assert_int_eq(qdisc_enqueue(q, p, 0), 0);
        p = q->ops->dequeue(q, 0);
        ck_assert_uint_eq(p->len, 128);
        ck_assert(pkt_read(p, 0, all, 128));
        for (unsigned at = 0; at < 128; at++) {
            for (uint8_t v = all[at]; v != 0; v &= (uint8_t)(v - 1)) {
                ones++;
                flipped[at]++;
            }
        }
        ck_assert_uint_eq(ones, 1);
        pkt_free(p);
    }
    for (int i = 0; i < 100; i++)
        ck_assert_uint_eq(blk->bytes[i], 0); /* shared payload is immutable */
    for (int i = 0; i < 128; i++)
        positions += flipped[i] > 0;
    ck_assert_uint_eq(positions, 128);
    pkt_block_free(blk);
}
END_TEST

START_TEST(reorder_skips_the_delay_every_gap)
{
    make((struct td_netem){.delay = 10 * TD_MS, .reorder = UINT32_MAX, .gap = 5});
    for (uint64_t i = 1; i <= 10; i++)
        ck_assert_int_eq(put(i, 60, 0), 0);
    ck_assert_uint_eq(get(0), 5);
    ck_assert_uint_eq(get(0), 10);
    ck_assert_uint_eq(get(0), 0);
    ck_assert_uint_eq(get(10 * TD_MS), 1);
    ck_assert_uint_eq(get(10 * TD_MS), 2);
    make((struct td_netem){.delay = 10 * TD_MS, .reorder = td_percent(25), .seed = 5});
    unsigned early = 0;
    for (uint64_t i = 1; i <= 1000; i++)
        put(i, 60, 0);
    while (get(0) != 0)
        early++;
    ck_assert_uint_gt(early, 190);
    ck_assert_uint_lt(early, 310);
}
END_TEST

START_TEST(limit_bounds_what_is_in_flight)
{
    make((struct td_netem){.delay = TD_SEC, .limit = 3});
    for (uint64_t i = 1; i <= 3; i++)
        ck_assert_int_eq(put(i, 60, 0), 0);
    ck_assert_int_eq(put(4, 60, 0), -ENOBUFS);
    ck_assert_uint_eq(q->drops, 1);
    ck_assert_uint_eq(get(TD_SEC), 1);
    ck_assert_int_eq(put(5, 60, TD_SEC), 0);
    qdisc_chain_clear(q);
    ck_assert_uint_eq(q->packets, 0);
    ck_assert_uint_eq(q->ops->next(q), TD_NEVER);
    make((struct td_netem){.delay = TD_SEC}); /* the default is 1000 */
    for (uint64_t i = 1; i <= 1000; i++)
        ck_assert_int_eq(put(i, 60, 0), 0);
    ck_assert_int_eq(put(1001, 60, 0), -ENOBUFS);
}
END_TEST

START_TEST(same_seed_same_run)
{
    struct td_netem n = {.delay = TD_MS,
                         .jitter = TD_MS,
                         .loss = td_percent(10),
                         .duplicate = td_percent(10),
                         .reorder = td_percent(5),
                         .rate = 100000000,
                         .corrupt = td_percent(5)};
    uint64_t digest[3] = {0};

    for (int run = 0; run < 3; run++) {
        n.seed = run < 2 ? 77 : 78;
        make(n);
        for (uint64_t i = 1; i <= 500; i++)
            put(i, 60 + (uint32_t)(i * 7 % 1400), i * 1000);
        while (q->packets > 0) {
            td_time t = q->ops->next(q);

            digest[run] = digest[run] * 31 + t;
            digest[run] = digest[run] * 31 + get(t);
        }
    }
    ck_assert_uint_eq(digest[0], digest[1]);
    ck_assert_uint_ne(digest[0], digest[2]);
}
END_TEST

START_TEST(change_keeps_what_is_in_flight)
{
    struct td_netem n = {.delay = TD_SEC, .seed = 4};

    make(n);
    put(1, 60, 0);
    n.delay = 0;
    qdisc_netem_change(q, &n);
    put(2, 60, 0);
    ck_assert_uint_eq(get(0), 2);
    ck_assert_uint_eq(get(0), 0);
    ck_assert_uint_eq(get(TD_SEC), 1);
    ck_assert_uint_eq(qdisc_netem_params(q)->delay, 0);
}
END_TEST

START_TEST(no_memory_drops)
{
    struct heard h;
    struct pkt *p;

    make((struct td_netem){0});
    heard_init(&h);
    q->sink = &h.sink;
    p = pkt_alloc(&m, 0, 60);
    m.fail_after = 1;
    ck_assert_int_eq(qdisc_enqueue(q, p, 0), -ENOBUFS);
    ck_assert_uint_eq(h.why[W_NO_MEMORY], 1);
    ck_assert_ptr_null(qdisc_netem(&m, &(struct td_netem){0}));
    ck_assert_ptr_null(qdisc_pfifo(&m, 1));
    m.fail_after = 0;
    m.failing = false;
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("netem");
    TCase *t = tcase_create("netem");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, unimpaired_is_first_in_first_out);
    tcase_add_test(t, rate_serialises_in_integer_ns);
    tcase_add_test(t, jitter_stays_in_range_and_reorders);
    tcase_add_test(t, loss_is_as_frequent_as_asked);
    tcase_add_test(t, gilbert_elliott_loses_in_bursts);
    tcase_add_test(t, duplicates_are_equal_and_counted);
    tcase_add_test(t, corruption_flips_one_bit_of_a_copy);
    tcase_add_test(t, reorder_skips_the_delay_every_gap);
    tcase_add_test(t, limit_bounds_what_is_in_flight);
    tcase_add_test(t, same_seed_same_run);
    tcase_add_test(t, change_keeps_what_is_in_flight);
    tcase_add_test(t, no_memory_drops);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
