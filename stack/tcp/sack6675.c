/* tcp/sack6675.c: loss found by counting what is SACKed above (RFC 6675).
 *
 * Theory of operation. A segment is lost when the peer holds enough beyond it (IsLost, 4): three
 * separate ranges, or more than two full segments' bytes. What is lost is so by its place alone,
 * and everything below a lost segment is lost too. So there is one boundary: walk down from the
 * highest SACKed segment until enough was passed; what isn't SACKed below is lost. The walk stops
 * where the last one had come to (`lost_to`), because what is below is marked already.
 *
 * NextSeg (4): first what is lost, in order (rule 1); then new text (rule 2); then, if neither
 * exists, holes that aren't believed lost yet (rule 3); and once in a recovery the last segment of
 * all, when nothing else is left to keep the ACK clock going (rule 4, the rescue).
 */
#include "tcp/xmit.h"

/* The highest record of which IsLost holds, or q->first - 1. */
static uint32_t boundary(const struct tcb *t)
{
    const struct txq *q = t->txq;
    uint32_t none = q->first - 1;
    if (q->sacked.segs == 0) {
        return none;
    }
    uint64_t need = (uint64_t)(t->reordering - 1u) * t->mss;
    uint64_t bytes = 0;
    uint32_t ranges = 0;
    bool above = false; /* the record above is SACKed */
    for (uint32_t n = q->fack;; n--) {
        const struct txseg *x = txq_at(q, n);
        if ((x->marks & TXS_SACKED) != 0) {
            bytes += x->len;
            ranges += !above;
            above = true;
        } else if ((x->marks & TXS_GONE) == 0) {
            above = false;
            if (bytes > need || ranges >= t->reordering) {
                return n;
            }
            if ((x->marks & TXS_LOST) != 0) { /* as are all below it */
                return n;
            }
        }
        if (n == q->first) {
            return none;
        }
    }
}

static bool detect(struct td_stack *st, struct tcb *t, struct tcp_news *n)
{
    struct txq *q = t->txq;
    if (n == NULL || !n->sacked) {
        return false;
    }
    const struct journal_subject subject = tcp_subject(t);
    for (uint32_t i = boundary(t); seq_ge(i, q->first); i--) {
        const struct txseg *x = txq_at(q, i);
        if ((x->marks & TXS_SACKED) == 0 && (x->marks & TXS_LOST) != 0) {
            break;
        }
        if (txq_mark_lost(st, q, i)) {
            JOURNAL(st, EV_TCP_LOST, &subject, x->seq, x->len, W_TCP_BY_SACK, st->now - x->sent, 0);
        }
    }
    return false;
}

/* 5: three duplicates, or IsLost(HighACK + 1). */
static bool begins(const struct td_stack *st, const struct tcb *t)
{
    struct txq *q = t->txq;
    (void)st;
    return q->lost.segs > 0 || t->dupacks >= t->reordering;
}

static void entered(struct td_stack *st, struct tcb *t)
{
    (void)txq_mark_lost(st, t->txq, txq_unsacked(t->txq, t->txq->first)); /* HighACK + 1 (4.2) */
    t->txq->rescue = false;
}

/* NextSeg rules 3 and 4. */
static bool next(struct td_stack *st, struct tcb *t, uint32_t *n)
{
    struct txq *q = t->txq;
    (void)st;
    if (t->ca_state != TCPE_RECOVERY || q->sacked.segs == 0) {
        return false;
    }
    for (uint32_t i = txq_unsacked(q, q->rtx_hint); seq_lt(i, q->fack);
         i = txq_unsacked(q, i + 1)) {
        if ((txq_at(q, i)->marks & (TXS_RETRANS | TXS_GONE)) == 0) {
            *n = i;
            return true;
        }
    }
    uint32_t last = q->end - 1;
    if (!q->rescue && (txq_at(q, last)->marks & (TXS_SACKED | TXS_RETRANS | TXS_GONE)) == 0) {
        q->rescue = true;
        *n = last;
        return true;
    }
    return false;
}

const struct tcp_recovery_ops tcp_sack6675 = {
    .name = "sack6675",
    .sack = true,
    .prr = true,
    .detect = detect,
    .begins = begins,
    .entered = entered,
    .next = next,
};
