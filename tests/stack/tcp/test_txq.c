/* The queue of segments in flight: its counts and orders against a plain model, under random marks. */
#include "check_main.h"
#include "prng.h"
#include "sack_talk.h"

#define SEGS 400

struct model { /* one segment */
    bool gone, sacked, lost, retrans;
    uint32_t len;
    tcp_seq seq;
};

static struct model m[SEGS];

static void compare(const struct tcb *t, unsigned first, unsigned end)
{
    const struct txq *q = t->txq;
    struct txcount out = {0}, sacked = {0}, lost = {0}, retrans = {0};
    uint32_t waiting = 0;
    for (unsigned i = first; i < end; i++) {
        const struct txseg *x = txq_at(q, q->first + (i - first));
        ck_assert_uint_eq(x->seq, m[i].seq);
        ck_assert_uint_eq(x->len, m[i].len);
        ck_assert_uint_eq((x->marks & TXS_SACKED) != 0, m[i].sacked);
        ck_assert_uint_eq((x->marks & TXS_LOST) != 0, m[i].lost);
        ck_assert_uint_eq((x->marks & TXS_RETRANS) != 0, m[i].retrans);
        struct txcount *in[] = {&out, m[i].sacked ? &sacked : NULL, m[i].lost ? &lost : NULL,
                                m[i].retrans ? &retrans : NULL};
        for (unsigned k = 0; k < 4; k++) {
            if (in[k] != NULL) {
                in[k]->segs++;
                in[k]->bytes += m[i].len;
            }
        }
        waiting += m[i].lost && !m[i].retrans;
    }
    const struct txcount *have[] = {&q->out, &q->sacked, &q->lost, &q->retrans};
    const struct txcount *want[] = {&out, &sacked, &lost, &retrans};
    for (unsigned k = 0; k < 4; k++) {
        ck_assert_uint_eq(have[k]->segs, want[k]->segs);
        ck_assert_uint_eq(have[k]->bytes, want[k]->bytes);
    }
    ck_assert_uint_eq(q->waiting, waiting);
    /* SetPipe: each that isn't SACKed counts if it isn't lost, and once more if it was sent again */
    ck_assert_uint_eq(tcp_pipe_units(t), out.bytes - sacked.bytes - lost.bytes + retrans.bytes);
    /* the list by time: as many as it says, in order of time, both ways */
    uint32_t n = q->oldest, seen = 0;
    td_time last = 0;
    for (; seen < q->listed; seen++) {
        ck_assert(txq_at(q, n)->sent >= last);
        ck_assert((txq_at(q, n)->marks & TXS_LISTED) != 0);
        last = txq_at(q, n)->sent;
        if (txq_at(q, n)->newer == n) {
            seen++;
            break;
        }
        ck_assert_uint_eq(txq_at(q, txq_at(q, n)->newer)->older, n);
        n = txq_at(q, n)->newer;
    }
    ck_assert_uint_eq(seen, q->listed);
}

/* shows: 6675-03 9937-06 8985-04 ATK-TCPR-11 */
START_TEST(counts_and_orders)
{
    for (unsigned seed = 1; seed <= prng_rounds(40); seed++) {
        struct prng r = {seed};
        struct conv c = conv_reno();
        c = sack_open(c);
        struct tcb *t = conv_tcb(&c);
        struct td_stack *st = c.h->st;
        unsigned first = 0, end = 0;
        tcp_seq seq = UINT32_MAX - 20000; /* over the wrap */
        memset(m, 0, sizeof m);
        for (unsigned step = 0; step < 1500; step++) {
            unsigned i = end > first ? first + prng_below(&r, end - first) : 0;
            uint32_t n = t->txq != NULL ? t->txq->first + (i - first) : 0;
            st->now += US(prng_below(&r, 3));
            switch (prng_below(&r, end == first ? 1 : 7)) {
            case 0:
                if (end < SEGS && txq_reserve(st, t) == 0) {
                    m[end] = (struct model){.len = 1 + prng_below(&r, SMSS), .seq = seq};
                    txq_push(st, t, seq, m[end].len, 0, false);
                    seq += m[end++].len;
                }
                break;
            case 1:
                txq_mark_sacked(t->txq, n);
                m[i].sacked = true;
                m[i].lost = m[i].retrans = false;
                break;
            case 2:
                if (txq_mark_lost(st, t->txq, n) && !m[i].sacked) {
                    m[i].lost = true;
                    m[i].retrans = false;
                }
                break;
            case 3:
                if (txq_next_lost(t->txq, &n)) {
                    unsigned k = first;
                    while (!(m[k].lost && !m[k].retrans)) {
                        k++;
                    }
                    ck_assert_uint_eq(n - t->txq->first, k - first); /* the lowest that waits */
                    txq_touch(st, t, n);
                    txq_mark_retrans(t->txq, n);
                    m[k].retrans = true;
                }
                break;
            case 4:
                for (unsigned k = prng_below(&r, 4); k > 0 && first < end; k--, first++) {
                    txq_drop_head(t->txq);
                }
                break;
            case 5: {
                unsigned k = i;
                while (k < end && m[k].sacked) {
                    k++;
                }
                ck_assert_uint_eq(txq_unsacked(t->txq, n) - t->txq->first, k - first);
                break;
            }
            default:
                ck_assert_uint_eq(txq_find(t->txq, m[i].seq + prng_below(&r, m[i].len)), n);
                break;
            }
            if (t->txq != NULL) {
                compare(t, first, end);
            }
        }
        txq_free(st, t);
        leave(&c);
    }
}
END_TEST

/* Cut to a smaller MSS: the same octets in the same order, none longer; what waits is cut as one. */
START_TEST(cut_anew)
{
    struct conv c = conv_reno();
    c = sack_open(c);
    struct tcb *t = conv_tcb(&c);
    for (unsigned i = 0; i < 20; i++) {
        ck_assert_int_eq(txq_reserve(c.h->st, t), 0);
        txq_push(c.h->st, t, i * SMSS, SMSS, i == 19 ? TXS_PSH : 0, false);
    }
    txq_mark_sacked(t->txq, t->txq->first + 5);
    for (unsigned i = 10; i < 13; i++) {
        (void)txq_mark_lost(c.h->st, t->txq, t->txq->first + i);
    }
    ck_assert_int_eq(txq_recut(c.h->st, t, 700), 0);
    const struct txq *q = t->txq;
    tcp_seq at = 0;
    unsigned lost = 0;
    for (uint32_t n = q->first; n != q->end; n++) {
        const struct txseg *x = txq_at(q, n);
        ck_assert_uint_eq(x->seq, at);
        ck_assert_uint_le(x->len, 700);
        ck_assert_uint_eq((x->marks & TXS_SACKED) != 0, at >= 5 * SMSS && at < 6 * SMSS);
        lost += (x->marks & TXS_LOST) != 0;
        at += x->len;
    }
    ck_assert_uint_eq(at, 20 * SMSS);
    ck_assert_uint_eq(lost, 5); /* 3000 as 4 x 700 + 200 */
    ck_assert_uint_eq(q->lost.bytes, 3 * SMSS);
    ck_assert_uint_eq(q->sacked.bytes, SMSS);
    ck_assert((txq_at(q, q->end - 1)->marks & TXS_PSH) != 0);
    txq_free(c.h->st, t);
    leave(&c);
}
END_TEST

/* shows: ATK-TCPR-11 ATK-TCPR-10 */
START_TEST(sacked_runs_are_not_walked_again)
{
    struct conv c = conv_reno();
    c = sack_open(c);
    struct tcb *t = conv_tcb(&c);
    const unsigned many = 70000; /* more than fit into 16 bits */
    for (unsigned i = 0; i < many; i++) {
        ck_assert_int_eq(txq_reserve(c.h->st, t), 0);
        txq_push(c.h->st, t, i * 8, 8, 0, false);
    }
    for (unsigned i = 1; i < many; i++) {
        txq_mark_sacked(t->txq, t->txq->first + i);
    }
    ck_assert_uint_eq(t->txq->sacked.segs, many - 1);
    for (unsigned i = 0; i < prng_rounds(2000000); i++) { /* walked each time: 140,000 million steps */
        ck_assert_uint_eq(txq_unsacked(t->txq, t->txq->first + 1), t->txq->end);
    }
    txq_free(c.h->st, t);
    leave(&c);
}
END_TEST

/* What is in flight has records, what is idle has none. */
START_TEST(nothing_while_idle)
{
    struct conv c = sack_flight(conv_new(TD_PROFILE_LINUX), 5000);
    ck_assert_ptr_nonnull(conv_tcb(&c)->txq);
    ack_in(&c, MS(100), 5001, WND);
    ck_assert_ptr_null(conv_tcb(&c)->txq);
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp txq");
    TCase *tc = tcase_create("txq");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, counts_and_orders);
    tcase_add_test(tc, cut_anew);
    tcase_add_test(tc, sacked_runs_are_not_walked_again);
    tcase_add_test(tc, nothing_while_idle);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
