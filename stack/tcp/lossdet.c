/* tcp/lossdet.c: the host of the loss-detection organ (tapdeck/loss.h).
 *
 * Theory of operation. The records of what is in flight are txq.c's. Before the organ is asked
 * anything struct td_loss is made to tell what is true now (`view`); behind each mark that it sets
 * the counts are told anew. The bookmark in the list by time is moved by txq.c, because there
 * records leave it.
 *
 * For each segment that an acknowledgment delivers only what `delivered` needs is made true
 * (tcp_loss_ack_begins), since most acknowledgments tell nothing unusual, and nothing else is
 * asked.
 *
 * Which organ a flight has: the one that the connection was born with, if it is for SACK as the
 * connection is; else, and by default (`auto`), RACK or RFC 6675 by the knob tcp_recovery, without
 * SACK NewReno by tcp_newreno_prr.
 */
#include "tcp/xmit.h"

#define TIMER_ADD (2 * TD_MS) /* the reordering timer is never shorter: Linux's least time-out */

static struct txq *queue_of(const struct td_loss *l)
{
    return (struct txq *)(uintptr_t)container_of(l, const struct txq, loss);
}

/* What marks change. */
static void tell_counts(struct td_loss *l, const struct txq *q)
{
    l->oldest = q->oldest;
    l->listed = q->listed;
    l->sacked = q->sacked.segs;
    l->lost = q->lost.segs;
    l->retrans = q->retrans.segs;
    l->resend = q->rtx_hint;
}

static struct td_loss *view(struct td_stack *st, struct tcb *t, const struct tcp_news *n)
{
    struct txq *q = t->txq;
    struct td_loss *l = &q->loss;
    q->st = st;
    q->t = t;
    q->news = n;
    t->cc.mss = t->mss;
    l->now = st->now;
    l->rto = t->rtt.rto;
    l->ring = q->ring;
    l->mask = q->cap - 1;
    l->first = q->first;
    l->end = q->end;
    l->highest = q->fack;
    l->segs = q->out.segs;
    l->delivered = t->delivered;
    tell_counts(l, q);
    l->episode = t->ca_state;
    l->reordered = t->reord_seen > 0;
    l->dupacks = t->dupacks;
    l->duplicates = q->dup_sacked;
    l->reordering = t->reordering;
    l->una = t->snd_una;
    l->nxt = t->snd_nxt;
    l->recover = t->recover;
    l->options = (uint32_t)knob(st, TCP_RECOVERY);
    l->timer = false;
    l->advanced = n != NULL && n->advanced;
    l->any_sacked = n != NULL && n->sacked;
    l->duplicate = n != NULL && n->dup;
    l->restart_timer = n != NULL && n->set_timer;
    l->una_before = n != NULL ? n->una_before : t->snd_una;
    return l;
}

/* ---- what the organ may ask for ---- */

static bool host_lost(struct td_loss *l, uint32_t n, enum td_loss_why why, td_time patience)
{
    static const enum journal_word words[] = {
        [TD_LOSS_BY_TIME] = W_TCP_BY_TIME, [TD_LOSS_BY_SACK] = W_TCP_BY_SACK,
        [TD_LOSS_COPY] = W_TCP_RTX_LOST,   [TD_LOSS_DUPLICATE] = W_TCP_FAST,
        [TD_LOSS_PARTIAL] = W_TCP_PARTIAL,
    };
    struct txq *q = queue_of(l);
    if (seq_lt(n, q->first) || !seq_lt(n, q->end) || !txq_mark_lost(q->st, q, n)) {
        return false;
    }
    const struct txseg *x = txq_at(q, n);
    const struct journal_subject subject = tcp_subject(q->t);
    enum journal_word word = (unsigned)why <= TD_LOSS_PARTIAL ? words[why] : W_TCP_LOSS;
    JOURNAL(q->st, EV_TCP_LOST, &subject, x->seq, x->len, word, q->st->now - x->sent, patience);
    if (q->lost_turn != q->st->journal.origin_id) { /* the first of a turn explains what follows */
        q->lost_turn = q->st->journal.origin_id;
        JOURNAL_CAUSES(q->st);
    }
    tell_counts(l, q);
    return true;
}

static uint32_t host_unsacked(struct td_loss *l, uint32_t n)
{
    struct txq *q = queue_of(l);
    return seq_lt(n, q->first) || !seq_lt(n, q->end) ? q->end : txq_unsacked(q, n);
}

static bool host_echoes_older(const struct td_loss *l, td_time at)
{
    const struct txq *q = queue_of(l);
    return q->news != NULL && tcp_ecr_before(q->t, q->news->s, tcp_ts_at(q->t, at));
}

static void host_send_now(struct td_loss *l)
{
    queue_of(l)->rtx_now = true;
}

static void host_patience_changed(struct td_loss *l, uint32_t factor, td_time window)
{
    struct txq *q = queue_of(l);
    const struct journal_subject subject = tcp_subject(q->t);
    JOURNAL(q->st, EV_TCP_REO_WND, &subject, factor, window);
}

static const struct td_loss_host host = {
    .lost = host_lost,
    .unsacked = host_unsacked,
    .echoes_older = host_echoes_older,
    .send_now = host_send_now,
    .patience_changed = host_patience_changed,
};

/* ---- birth ---- */

const struct td_loss_ops *tcp_loss_choose(const struct td_stack *st, const struct tcb *t)
{
    const struct td_loss_ops *own = st->tcp->organs.loss[t->loss_detection];
    if (t->loss_detection != TCP_LOSS_AUTO && own->sack == t->sack_ok) {
        return own;
    }
    if (!t->sack_ok) {
        return knob(st, TCP_NEWRENO_PRR) != 0 ? &tcp_newreno_prr : &tcp_newreno;
    }
    return (knob(st, TCP_RECOVERY) & 1) != 0 ? &tcp_rack : &tcp_sack6675;
}

void tcp_loss_init(struct td_stack *st, struct tcb *t, const struct td_loss_ops *ops)
{
    struct txq *q = t->txq;
    q->loss.ops = ops;
    q->loss.host = &host;
    q->loss.state = q->loss_state;
    q->loss.keep = t->loss_keep;
    q->loss.cc = &t->cc;
    if (ops->init != NULL) {
        ops->init(view(st, t, NULL));
    }
}

/* ---- what the rest of TCP asks ---- */

void tcp_loss_ack_begins(struct td_stack *st, struct tcb *t, const struct tcp_news *n)
{
    struct txq *q = t->txq;
    struct td_loss *l = &q->loss;
    q->st = st;
    q->t = t;
    q->news = n;
    l->now = st->now;
    l->ring = q->ring;
    l->mask = q->cap - 1;
    l->una = t->snd_una;
    l->options = (uint32_t)knob(st, TCP_RECOVERY);
}

void tcp_loss_came_twice(struct td_stack *st, struct tcb *t, const struct tcp_news *n)
{
    struct txq *q = t->txq;
    q->came_twice = false;
    if (q->loss.ops->came_twice != NULL) {
        q->loss.ops->came_twice(view(st, t, n), n->prior_delivered);
    }
}

void tcp_loss_detect(struct td_stack *st, struct tcb *t, struct tcp_news *n)
{
    struct txq *q = t->txq;
    struct td_loss *l = view(st, t, n);
    uint32_t retrans = q->retrans.segs;
    td_time wait = l->ops->detect(l);
    n->lost_retrans = n->lost_retrans || q->retrans.segs < retrans;
    n->set_timer = n->set_timer && l->restart_timer;
    tcp_cwnd_in_bounds(t);
    if (wait > 0) {
        td_time most = t->rtt.rto;
        wait = wait < most ? wait + TIMER_ADD : most;
        tcp_rtx_arm_at(st, t, TRTX_REO, st->now + (wait < most ? wait : most));
        n->set_timer = false; /* 8985 8: one timer at a time */
    }
}

bool tcp_loss_begins(struct td_stack *st, struct tcb *t, const struct tcp_news *n)
{
    const struct txq *q = t->txq;
    return q->loss.ops->begins != NULL ? q->loss.ops->begins(view(st, t, n)) : q->lost.segs > 0;
}

void tcp_loss_entered(struct td_stack *st, struct tcb *t)
{
    const struct td_loss_ops *ops = t->txq->loss.ops;
    if (ops->entered != NULL) {
        ops->entered(view(st, t, NULL));
        tcp_cwnd_in_bounds(t);
    }
    if (ops->own_cwnd) {
        tcp_journal_cwnd(st, t, W_TCP_FAST, t->cc.prior_cwnd);
    }
}

void tcp_loss_in_recovery(struct td_stack *st, struct tcb *t, const struct tcp_news *n)
{
    uint32_t from = t->cc.cwnd;
    t->txq->loss.ops->in_recovery(view(st, t, n));
    tcp_cwnd_in_bounds(t);
    if (n->advanced) {
        tcp_journal_cwnd(st, t, W_TCP_PARTIAL, from);
    }
}

void tcp_loss_done(struct td_stack *st, struct tcb *t)
{
    uint32_t from = t->cc.cwnd;
    t->txq->loss.ops->done(view(st, t, NULL));
    tcp_cwnd_in_bounds(t);
    tcp_cc_event(st, t, TD_CC_RECOVERED);
    tcp_journal_cwnd(st, t, W_TCP_FULL_ACK, from);
}

const struct td_loss *tcp_loss_view(struct td_stack *st, struct tcb *t)
{
    return view(st, t, NULL);
}

bool tcp_loss_next(struct td_stack *st, struct tcb *t, uint32_t *n)
{
    const struct txq *q = t->txq;
    const unsigned settled = TXS_SACKED | TXS_RETRANS | TXS_GONE; /* else it could go on for ever */
    return q->loss.ops->next(view(st, t, NULL), n) && !seq_lt(*n, q->first) &&
           seq_lt(*n, q->end) && (txq_at(q, *n)->marks & settled) == 0;
}

void tcp_loss_event(struct td_stack *st, struct tcb *t, enum td_loss_event what)
{
    const struct td_loss_ops *ops = t->txq->loss.ops;
    if (ops->event != NULL) {
        ops->event(view(st, t, NULL), what);
    }
}

/* The reordering timer. */
void tcp_loss_timeout(struct td_stack *st, struct tcb *t)
{
    struct txq *q = t->txq;
    if (q == NULL) {
        return;
    }
    uint32_t before = q->lost_ever;
    struct td_loss *l = view(st, t, NULL);
    l->timer = true;
    (void)l->ops->detect(l);
    if (q->lost_ever != before) {
        if (t->ca_state != TCPE_RECOVERY) {
            tcp_enter_recovery(st, t, false, 0);
            tcp_prr_ack(st, t, q->by_segments ? 1 : t->mss, 0, false);
            if (!q->by_segments) { /* nothing was delivered; Linux counts one */
                q->prr_delivered = 0;
            }
        }
        q->rtx_now = q->rtx_now || q->prr_out == 0;
    }
    tcp_rtx_rearm(st, t);
    tcp_output(st, t);
}
