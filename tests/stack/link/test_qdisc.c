/* Chains of disciplines: what is kept and what is new, where frames go, what is refused, memory
 * that is short. */
#include "frames.h"
#include "qdisc_rig.h"

#include <errno.h>

static const struct td_qdisc pfifo = {.kind = TD_QDISC_PFIFO, .u.fifo.limit = 1000},
                             netem = {.kind = TD_QDISC_NETEM, .handle = 1, .u.netem.delay = TD_SEC},
                             tbf = {.kind = TD_QDISC_TBF,
                                    .handle = 2,
                                    .u.tbf = {.rate = 8000, .burst = 1500, .limit = 100000}},
                             fq = {.kind = TD_QDISC_FQ_CODEL,
                                   .handle = 3,
                                   .u.fq_codel = {.limit = 100,
                                                  .flows = 4,
                                                  .quantum = 1514,
                                                  .memory_limit = 1U << 20,
                                                  .drop_batch = 8,
                                                  .target = 5 * TD_MS,
                                                  .interval = 100 * TD_MS,
                                                  .ce_threshold = TD_NEVER}};

static int set(td_time now, unsigned depth, const struct td_qdisc *a, const struct td_qdisc *b,
               const struct td_qdisc *c)
{
    const struct td_qdisc *all[3] = {a, b, c};
    struct td_qdisc_chain chain = {.depth = depth};

    for (unsigned i = 0; i < depth && i < 3; i++)
        chain.q[i] = *all[i];
    return qdisc_chain_set(&q, &m, &chain, 1, &heard.sink, now);
}

static void put(uint16_t id, td_time now)
{
    struct pkt *p = frame_udp(&m, id, 100, 0);

    p->id = id;
    ck_assert_int_eq(qdisc_enqueue(q, p, now), 0);
}

START_TEST(frames_follow_what_takes_their_place)
{
    ck_assert_int_eq(set(0, 1, &pfifo, NULL, NULL), 0);
    for (uint16_t i = 1; i <= 5; i++)
        put(i, 0);
    ck_assert_int_eq(set(0, 1, &netem, NULL, NULL), 0); /* they are delayed from now on */
    ck_assert_uint_eq(qdisc_all_packets(q), 5);
    ck_assert_uint_eq(get(TD_SEC - 1), 0);
    ck_assert_uint_eq(get(TD_SEC), 1);
    ck_assert_int_eq(set(TD_SEC, 2, &netem, &fq, NULL),
                     0); /* the netem stays, with its frames and counters */
    ck_assert_uint_eq(q->sent_packets, 1);
    ck_assert_uint_eq(get(TD_SEC), 2);
    put(6, TD_SEC);
    /* Frames 3 to 5 are inside the fq_codel by now; without it they have nothing left to wait for.
     */
    ck_assert_int_eq(set(TD_SEC, 1, &netem, NULL, NULL), 0);
    ck_assert_ptr_null(q->child);
    uint64_t sum = 0;
    for (int i = 0; i < 3; i++)
        sum += get(TD_SEC);
    ck_assert_uint_eq(sum, 3 + 4 + 5);
    ck_assert_uint_eq(get(TD_SEC), 0);
    ck_assert_int_eq(set(TD_SEC, 1, &pfifo, NULL, NULL), 0);
    ck_assert_uint_eq(get(TD_SEC), 6);
    ck_assert_uint_eq(heard.count[QDISC_DROPPED], 0);
}
END_TEST

START_TEST(delay_then_rate_then_turns)
{
    struct td_qdisc_chain back;

    ck_assert_int_eq(set(0, 3, &netem, &tbf, &fq), 0);
    for (uint16_t i = 0; i < 20; i++)
        put(1, 0);
    put(2, 0);
    ck_assert_uint_eq(get(TD_SEC - 1), 0);
    unsigned n = 0, second = 0;
    for (uint64_t id; (id = get(TD_SEC)) != 0; n++)
        second = id == 2 ? n : second;
    ck_assert_uint_eq(n, 15);                               /* the bucket's 1500 bytes */
    ck_assert_uint_lt(second, 15);                          /* the other flow had its turn */
    ck_assert_uint_eq(qdisc_next(q), TD_SEC + 100 * TD_MS); /* 100 bytes at 1000 bytes a second */
    qdisc_chain_get(q, &back);
    ck_assert_uint_eq(back.depth, 3);
    ck_assert_uint_eq(back.q[1].handle, 2);
    ck_assert_int_eq(back.q[2].kind, TD_QDISC_FQ_CODEL);
    ck_assert_uint_eq(back.q[2].u.fq_codel.flows, 4);
    qdisc_chain_clear(q);
    ck_assert_uint_eq(qdisc_all_packets(q) + qdisc_all_bytes(q), 0);
}
END_TEST

START_TEST(a_tbf_alone_has_a_queue_of_its_own)
{
    struct td_qdisc_chain back;

    ck_assert_int_eq(set(0, 1, &tbf, NULL, NULL), 0);
    ck_assert(q->child->implicit);
    qdisc_chain_get(q, &back);
    ck_assert_uint_eq(back.depth, 1); /* nobody asked for it */
    ck_assert_int_eq(set(0, 2, &tbf, &fq, NULL), 0);
    ck_assert_str_eq(q->child->ops->kind, "fq_codel");
    put(1, 0);
    ck_assert_int_eq(set(0, 1, &tbf, NULL, NULL), 0);
    ck_assert_str_eq(q->child->ops->kind, "bfifo");
    ck_assert_uint_eq(get(0), 1);
}
END_TEST

START_TEST(refused_and_nothing_changed)
{
    struct td_qdisc bad = fq, no_limit = tbf, slow = tbf;

    ck_assert_int_eq(set(0, 2, &netem, &tbf, NULL), 0);
    put(1, 0);
    ck_assert_int_eq(set(0, 2, &fq, &pfifo, NULL), -EINVAL); /* an fq_codel holds nothing */
    bad.u.fq_codel.flows = 0;
    ck_assert_int_eq(set(0, 2, &netem, &bad, NULL), -EINVAL);
    no_limit.u.tbf.limit = 0;
    ck_assert_int_eq(set(0, 1, &no_limit, NULL, NULL), -EINVAL);
    slow.u.tbf.rate = 0;
    ck_assert_int_eq(set(0, 1, &slow, NULL, NULL), -EINVAL);
    ck_assert_int_eq(set(0, 0, NULL, NULL, NULL), -EINVAL);
    ck_assert_int_eq(set(0, TD_QDISC_DEPTH + 1, &netem, &netem, &netem), -EINVAL);
    for (uint64_t after = 1; after <= 3; after++) {
        m.fail_after = after;
        m.failing = false;
        ck_assert_int_eq(set(0, 2, &tbf, &fq, NULL), -ENOMEM);
    }
    m.fail_after = 0;
    m.failing = false;
    ck_assert_str_eq(q->ops->kind, "netem");
    ck_assert_str_eq(q->child->ops->kind, "tbf");
    ck_assert_uint_eq(get(TD_SEC), 1);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("qdisc");
    TCase *t = tcase_create("qdisc");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, frames_follow_what_takes_their_place);
    tcase_add_test(t, delay_then_rate_then_turns);
    tcase_add_test(t, a_tbf_alone_has_a_queue_of_its_own);
    tcase_add_test(t, refused_and_nothing_changed);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
