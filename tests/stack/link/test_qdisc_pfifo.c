/* pfifo: order, limit, counters. */
#include "check_main.h"
#include "core/pkt.h"
#include "link/qdisc.h"

#include <errno.h>

START_TEST(first_in_first_out_and_tail_drop)
{
    struct mem m;
    struct qdisc *q;
    const char *why = "";

    mem_init(&m, 0);
    q = qdisc_pfifo(&m, 3);
    ck_assert_str_eq(q->ops->kind, "pfifo");
    ck_assert_uint_eq(q->ops->next(q), TD_NEVER);
    for (uint64_t i = 1; i <= 4; i++) {
        struct pkt *p = pkt_from_bytes(&m, 0, "abc", 3);

        p->id = i;
        ck_assert_int_eq(q->ops->enqueue(q, p, 0, &why), i <= 3 ? 0 : -ENOBUFS);
    }
    ck_assert_str_eq(why, "queue full");
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
    q->ops->clear(q);
    ck_assert_uint_eq(q->packets + q->bytes, 0);
    ck_assert_ptr_null(q->ops->dequeue(q, 0));
    ck_assert_ptr_null(qdisc_netem_params(q));
    qdisc_destroy(q);
    qdisc_destroy(NULL);
    pkt_cache_drop(&m);
    ck_assert_uint_eq(m.used, 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("qdisc_pfifo");
    TCase *t = tcase_create("qdisc_pfifo");

    tcase_add_test(t, first_in_first_out_and_tail_drop);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
