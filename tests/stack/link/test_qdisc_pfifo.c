/* pfifo: order, limit, counters. */
#include "check_main.h"
#include "core/pkt.h"
#include "link/qdisc.h"
#include "sink.h"

#include <errno.h>

START_TEST(first_in_first_out_and_tail_drop)
{
    struct mem m;
    struct qdisc *q;
    struct heard h;

    mem_init(&m, 0);
    q = qdisc_pfifo(&m, 3);
    heard_init(&h);
    q->sink = &h.sink;
    ck_assert_str_eq(q->ops->kind, "pfifo");
    ck_assert_uint_eq(q->ops->next(q), TD_NEVER);
    for (uint64_t i = 1; i <= 4; i++) {
        struct pkt *p = pkt_from_bytes(&m, 0, "abc", 3);

        p->id = i;
        ck_assert_int_eq(qdisc_enqueue(q, p, 0), i <= 3 ? 0 : -ENOBUFS);
    }
    ck_assert_uint_eq(h.why[W_QUEUE_FULL], 1);
    ck_assert_uint_eq(q->drops, 1);
    ck_assert_uint_eq(q->packets, 3);
    ck_assert_uint_eq(q->bytes, 9);
    ck_assert_uint_eq(q->ops->next(q), 0);
    for (uint64_t i = 1; i <= 2; i++) {
        struct pkt *p = q->ops->dequeue(q, 0);

        ck_assert_uint_eq(p->id, i);
        pkt_free(p);
    }
    ck_assert_uint_eq(q->sent_packets, 2);
    ck_assert_uint_eq(q->sent_bytes, 6);
    qdisc_chain_clear(q);
    ck_assert_uint_eq(q->packets + q->bytes, 0);
    ck_assert_ptr_null(q->ops->dequeue(q, 0));
    ck_assert_ptr_null(qdisc_netem_params(q));
    qdisc_destroy(q);
    qdisc_destroy(NULL);
    pkt_cache_drop(&m);
    ck_assert_uint_eq(m.used, 0);
}
END_TEST

START_TEST(bfifo_counts_bytes)
{
    struct mem m;
    struct qdisc *q;

    mem_init(&m, 0);
    q = qdisc_bfifo(&m, 10);
    ck_assert_str_eq(q->ops->kind, "bfifo");
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(qdisc_enqueue(q, pkt_from_bytes(&m, 0, "abcd", 4), 0), i < 2 ? 0 : -ENOBUFS);
    ck_assert_int_eq(qdisc_enqueue(q, pkt_from_bytes(&m, 0, "ab", 2), 0), 0); /* to the byte */
    ck_assert_int_eq(qdisc_enqueue(q, pkt_from_bytes(&m, 0, "a", 1), 0), -ENOBUFS);
    ck_assert_uint_eq(q->bytes, 10);
    ck_assert_uint_eq(q->drops, 2);
    qdisc_destroy(q);
    pkt_cache_drop(&m);
    ck_assert_uint_eq(m.used, 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("qdisc_pfifo");
    TCase *t = tcase_create("qdisc_pfifo");

    tcase_add_test(t, first_in_first_out_and_tail_drop);
    tcase_add_test(t, bfifo_counts_bytes);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
