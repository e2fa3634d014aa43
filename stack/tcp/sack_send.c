/* tcp/sack_send.c: selective acknowledgments as the sender of text gets them (RFC 2018 5, 2883 5).
 *
 * Theory of operation. A block says that the peer holds [left, right). It is taken only if it lies
 * in what is in flight: [SND.UNA, SND.NXT), left before right (so a made-up one can't mark anything
 * else). Every segment that lies in it as a whole is marked SACKED; a segment of which only a part
 * is reported stays as it was. Marks are only advice: the text stays in the send buffer until it is
 * acknowledged, because the peer may take back what it has SACKed (2018 8).
 *
 * The first block may be a D-SACK instead: text that came twice. It is one if it lies below this
 * very ACK field, or inside the second block (2883 5; comparing with SND.UNA would misread
 * acknowledgments that were overtaken). It is believed only as often as we sent something again.
 *
 * What else a block tells: a segment that was sent once and arrives below the highest SACKED was
 * overtaken: the path reorders, by so many segments. And for RACK and the round trip, when the
 * segments that arrived had left.
 */
#include "tcp/xmit.h"

/* How far back a late segment came: the most that was seen counts (up to tcp_max_reordering). */
void tcp_reordering_seen(struct td_stack *st, struct tcb *t, tcp_seq low, tcp_seq fack)
{
    if (!seq_lt(low, fack)) {
        return;
    }
    uint32_t distance = fack - low;
    if (distance > (uint32_t)t->reordering * t->mss) {
        uint32_t segments = (distance + t->mss - 1) / t->mss;
        uint32_t most = (uint32_t)knob(st, TCP_MAX_REORDERING);
        t->reordering = (uint16_t)(segments < most ? segments : most);
    }
    const struct journal_subject subject = tcp_subject(t);
    JOURNAL(st, EV_TCP_REORDER, &subject, low, distance, t->reordering);
    t->reord_seen = (uint16_t)(t->reord_seen < UINT16_MAX ? t->reord_seen + 1 : UINT16_MAX);
    count(st, TcpExtTCPSACKReorder);
}

static void refuse(struct td_stack *st, const struct tcb *t, const struct tcp_news *n,
                   const struct tcp_sack_block *b, enum journal_word why)
{
    const struct journal_subject subject = tcp_seg_subject(n->s, t);
    count(st, TcpExtTCPSACKDiscard);
    JOURNAL(st, EV_TCP_DROP_SACK, &subject, why, b->left, b->right, n->s->ack, t->snd_nxt);
}

/* ---- D-SACK ---- */

/* 2883 5: below this ACK field, or inside the second block. */
static bool is_dsack(const struct tcp_news *n, const struct tcp_opts *o)
{
    const struct tcp_sack_block *b = &o->sack[0];
    if (seq_lt(b->left, n->s->ack)) {
        return true;
    }
    return o->nsack > 1 && seq_le(b->right, o->sack[1].right) && seq_ge(b->left, o->sack[1].left);
}

/* A retransmission that is still in flight was needless. */
static void dsack_in_flight(struct tcb *t, const struct tcp_sack_block *b)
{
    struct txq *q = t->txq;
    if (txq_empty(q) || !seq_in(b->left, t->snd_una, t->rtx_nxt - t->snd_una)) {
        return;
    }
    for (uint32_t n = txq_find(q, b->left); n != q->end; n++) {
        const struct txseg *x = txq_at(q, n);
        if (seq_gt(txseg_end(x), b->right)) {
            break;
        }
        if (seq_lt(x->seq, b->left) || (x->marks & TXS_GONE) != 0) {
            continue;
        }
        if ((x->marks & TXS_EVER) != 0 && q->undo && q->undo_retrans > 0) {
            q->undo_retrans--;
        }
        if ((x->marks & TXS_RETRANS) != 0) {
            txq_clear_retrans(q, n);
        }
    }
}

static void dsack_received(struct td_stack *st, struct tcb *t, struct tcp_news *n,
                           const struct tcp_sack_block *b)
{
    struct txq *q = t->txq;
    bool below = seq_le(b->right, n->s->ack);
    uint32_t len = b->right - b->left;
    if (seq_lt(b->left, n->s->ack)) {
        count(st, TcpExtTCPDSACKRecv);
    } else {
        count(st, TcpExtTCPDSACKOfoRecv);
    }
    if (!seq_lt(b->left, b->right) || len > t->max_snd_wnd || seq_gt(b->right, t->snd_nxt)) {
        count(st, TcpExtTCPDSACKIgnoredDubious);
        refuse(st, t, n, b, W_TCP_DSACK);
        return;
    }
    uint32_t segs = len > t->mss ? (len + t->mss - 1) / t->mss : 1;
    bool probe = q != NULL && q->tlp_out && q->tlp_end == b->right && segs == 1;
    t->dsack_dups += segs;
    if (t->dsack_dups > t->total_retrans) { /* it reports more than we ever sent again */
        count(st, TcpExtTCPDSACKIgnoredDubious);
        refuse(st, t, n, b, W_TCP_DSACK);
        return;
    }
    const struct journal_subject subject = tcp_seg_subject(n->s, t);
    JOURNAL(st, EV_TCP_DSACK, &subject, b->left, b->right, t->dsack_dups);
    n->dsack = true;
    n->dsack_tlp = probe;
    n->dsack_segs += segs;
    if (q == NULL) {
        return;
    }
    if (t->reord_seen > 0 && !probe) { /* 8985 6.2 step 4 */
        q->came_twice = true;
    }
    if (below && q->undo && q->undo_retrans > 0 && seq_le(b->right, n->una_before) &&
        seq_gt(b->right, q->undo_marker) && seq_le(b->right, q->undo_end)) {
        int32_t left = q->undo_retrans - (int32_t)segs;
        q->undo_retrans = left > 0 ? left : 0;
    } else {
        dsack_in_flight(t, b);
    }
}

/* ---- SACK ---- */

static void arrived(struct tcb *t, struct tcp_news *n, uint32_t num)
{
    struct txq *q = t->txq;
    const struct txseg *x = txq_at(q, num);
    if ((x->marks & TXS_GONE) != 0) {
        return;
    }
    tcp_loss_delivered(q, num);
    if (!n->delivered_any || seq_gt(x->delivered, n->prior_delivered)) {
        n->delivered_any = true;
        n->prior_delivered = x->delivered;
    }
    if ((x->marks & (TXS_EVER | TXS_RETRANS)) == 0) {
        if (seq_lt(x->seq, n->fack_before) && (!n->reordered || seq_lt(x->seq, n->reord))) {
            n->reordered = true;
            n->reord = x->seq;
        }
        if (seq_le(txseg_end(x), t->recover)) {
            n->orig_acked = true;
        }
        if (n->first_sacked == 0) {
            n->first_sacked = x->sent;
        }
        n->last_sacked = x->sent;
    } else {
        n->retrans_sent = x->sent > n->retrans_sent ? x->sent : n->retrans_sent;
    }
    t->delivered++;
    n->delivered_bytes += txseg_text(x);
    n->sacked = true;
    txq_mark_sacked(q, num);
}

static void take_block(struct tcb *t, struct tcp_news *n,
                       const struct tcp_sack_block *b)
{
    struct txq *q = t->txq;
    tcp_seq left = seq_max(b->left, t->snd_una);
    if (txq_empty(q) || !seq_lt(left, txseg_end(txq_at(q, q->end - 1)))) {
        return;
    }
    tcp_seq begins = txq_head(q)->seq; /* SND.UNA is ahead of it while an ACK is processed */
    uint32_t i = txq_find(q, seq_max(left, begins));
    if (seq_lt(txq_at(q, i)->seq, left)) {
        i++;
    }
    for (i = txq_unsacked(q, i); i != q->end; i = txq_unsacked(q, i + 1)) {
        if (seq_gt(txseg_end(txq_at(q, i)), b->right)) {
            break;
        }
        arrived(t, n, i);
    }
}

static bool valid(const struct tcb *t, const struct tcp_sack_block *b)
{
    return seq_lt(b->left, b->right) && seq_le(b->right, t->snd_nxt) &&
           seq_lt(b->left, t->snd_nxt) && b->right - b->left <= t->snd_nxt - t->snd_una;
}

void tcp_sack_received(struct td_stack *st, struct tcb *t, struct tcp_news *n)
{
    const struct tcp_opts *o = &n->s->h->o;
    unsigned i = 0;
    if (is_dsack(n, o)) {
        dsack_received(st, t, n, &o->sack[0]);
        i = 1;
    }
    if (t->txq == NULL) {
        return;
    }
    for (; i < o->nsack; i++) {
        const struct tcp_sack_block *b = &o->sack[i];
        if (!valid(t, b)) {
            refuse(st, t, n, b, W_TCP_SACK_RANGE);
        } else if (seq_gt(b->right, t->snd_una)) { /* else it is old news */
            take_block(t, n, b);
        }
    }
    if (n->sacked) {
        const struct journal_subject subject = tcp_seg_subject(n->s, t);
        JOURNAL(st, EV_TCP_SACK, &subject, o->sack[o->nsack > 1 && n->dsack].left,
                o->sack[o->nsack > 1 && n->dsack].right, t->txq->sacked.segs);
    }
    if (n->reordered && (t->ca_state != TCPE_LOSS || t->txq->undo)) {
        tcp_reordering_seen(st, t, n->reord, n->fack_before);
        n->reordered = false;
    }
}
