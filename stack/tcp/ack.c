/* tcp/ack.c: what an acceptable acknowledgment means (RFC 9293 3.10.7.4, fifth step).
 *
 * Theory of operation. In this order:
 *
 *   1. SEG.ACK moves SND.UNA; the window is taken, unless the segment is older than the one it came
 *      from last (SND.WL1, SND.WL2), as far as that can be told
 *   2. SACK blocks mark what the peer holds beyond (sack_send.c)
 *   3. what SND.UNA has passed leaves the send buffer and the queue of segments in flight; each
 *      segment tells something: a round trip if it was sent once, that the path reorders if it was
 *      overtaken
 *   4. if anything is odd, loss recovery decides (recovery.c)
 *   5. the timers start over when there was progress (RFC 6298 5.3)
 *   6. cwnd: reduced step by step during an episode (prr.c), else the congestion control may open
 * it
 *
 * What all of them want to know about this one acknowledgment is collected in struct tcp_news.
 */
#include "tcp/xmit.h"

#include <poll.h>

/* The peer's window has closed, or opens again. Apart, as its sister is: it happens seldom, and the
 * journal's arguments want registers. */
static void __attribute__((noinline))
window_shut(struct td_stack *st, struct tcb *t, const struct tcp_seg *s)
{
    const struct journal_subject subject = tcp_subject(t);
    if (s->wnd == 0) {
        JOURNAL(st, EV_TCP_WINDOW_ZERO_IN, &subject, s->ack, sndbuf_end(&t->snd) - s->ack);
        t->probes = 0;
    } else {
        JOURNAL(st, EV_TCP_WINDOW_OPEN_IN, &subject, s->wnd);
        tcp_patience_anew(st, t);
    }
    t->persist_backoff = 0;
}

static void __attribute__((noinline))
window_shrunk(struct td_stack *st, const struct tcb *t, tcp_seq from, tcp_seq to)
{
    const struct journal_subject subject = tcp_subject(t);
    JOURNAL(st, EV_TCP_WINDOW_SHRUNK, &subject, from, to);
}

void tcp_update_window(struct td_stack *st, struct tcb *t, const struct tcp_seg *s)
{
    /* An ACK field never goes back, so a larger one was sent later, also on a retransmission, whose
     * SEG.SEQ is below SND.WL1. Not to take its window would leave the older, larger one counted
     * from the new SND.UNA, and text would go beyond the edge. Among equal ACK fields SEG.SEQ tells
     * old from new. */
    if (seq_le(s->ack, t->snd_wl2) && !(s->ack == t->snd_wl2 && seq_le(t->snd_wl1, s->seq))) {
        return;
    }
    tcp_seq old_edge = t->snd_wl2 + t->snd_wnd;
    tcp_seq edge = s->ack + s->wnd;
    if ((s->wnd == 0) != (t->snd_wnd == 0)) {
        window_shut(st, t, s);
    }
    if (seq_lt(edge, old_edge) && seq_lt(edge, t->snd_nxt)) {
        window_shrunk(st, t, old_edge, edge);
    }
    t->snd_wnd = s->wnd;
    t->snd_wl1 = s->seq;
    t->snd_wl2 = s->ack;
    if (s->wnd > t->max_snd_wnd) {
        t->max_snd_wnd = s->wnd;
    }
}

static void tell_writable(struct td_stack *st, struct tcb *t)
{
    if (t->no_space && tcp_writable(t)) {
        t->no_space = false;
        tcp_notify(st, t, POLLOUT);
    }
}

/* Room for two flights: what is in flight and what the user writes meanwhile. */
static void tune_sndbuf(struct td_stack *st, struct tcb *t)
{
    uint32_t most = (uint32_t)knob_n(st, TCP_WMEM, 2);
    if (t->sndbuf_locked || t->sndbuf_limit >= most || t->cc.cwnd < t->sndbuf_limit / 2 ||
        tcp_memory(st) != TCP_MEMORY_FINE) {
        return;
    }
    uint64_t want = (uint64_t)t->cc.cwnd * 2 + t->mss;
    want = want < most ? want : most;
    if (want > t->sndbuf_limit) {
        const struct journal_subject subject = tcp_subject(t);
        JOURNAL(st, EV_TCP_SNDBUF_GROW, &subject, t->sndbuf_limit, want, t->cc.cwnd);
        t->sndbuf_limit = (uint32_t)want;
    }
}

/* ---- the round trip ---- */

/* Where ACKs are lost, one may tell of text that arrived long ago, though what it answers is a copy
 * of something else. Measured from that text it would count all time-outs up to here as one round
 * trip, and the next would be minutes: Karn's rule (6298 3), for all that one ACK tells.
 *
 * Of what was SACKed: a copy that left later arrived too, or came for nothing (D-SACK). */
static bool sack_is_late(const struct tcp_news *n)
{
    return n->dsack || n->retrans_sent > n->first_sacked;
}

/* Of timestamps: a copy that comes for nothing lies below the peer's window, where TS.Recent stays
 * what it was (7323 5.3: R2 comes before R3). So the echo is as old as the last text that was news. */
static bool echo_is_stale(const struct tcb *t, const struct tcp_news *n)
{
    return n->dsack && n->retrans_acked &&
           tcp_ecr_before(t, n->s, tcp_ts_at(t, n->retrans_sent));
}

/* From a segment that was sent once (RFC 6298 3, Karn), else from the echo of a timestamp, but only
 * if SND.UNA moved (RFC 7323 4.1). min_rtt takes the youngest segment: what waited for a delayed
 * ACK waited too long. */
static void take_rtt_sample(struct td_stack *st, struct tcb *t, struct tcp_news *n)
{
    td_time rtt = 0, least = 0;
    bool sacked = n->first_sacked != 0 && !sack_is_late(n);
    if (n->first_acked != 0 && (!n->retrans_acked || FAULT_ON(st, NO_KARN))) {
        rtt = st->now - n->first_acked;
        least = st->now - n->last_acked;
    } else if (sacked) {
        rtt = st->now - n->first_sacked;
    }
    if (sacked) {
        least = st->now - n->last_sacked;
    }
    bool timed = sacked ||
                 (n->first_acked != 0 && (!n->retrans_acked || FAULT_ON(st, NO_KARN)));
    const struct tcp_opts *o = &n->s->h->o;
    if (!timed && t->ts_ok && o->has_ts && o->ts_ecr != 0 && n->data_acked &&
        !echo_is_stale(t, n)) {
        uint32_t age = tcp_ts_at(t, st->now) - o->ts_ecr;
        if (age < INT32_MAX / 1000) {
            timed = true;
            rtt = least = (td_time)(age > 0 ? age : 1) * TD_MS;
        }
    }
    if (!timed) {
        return;
    }
    n->rtt = least > 0 ? least : 1;
    t->txq->tlp_sampled = true;
    tcp_rto_min_rtt(st, t, n->rtt);
    /* 7323 4.2: more than one sample a round trip would shorten the estimator's memory. */
    if (knob(st, TCP_RTT_EVERY) == 0 && t->txq->rtt_taken && seq_lt(t->snd_una, t->txq->rtt_seq)) {
        return;
    }
    t->txq->rtt_taken = true;
    t->txq->rtt_seq = t->snd_nxt;
    tcp_rto_sample(st, t, rtt);
}

/* ---- what SND.UNA has passed ---- */

static void segment_acked(struct tcb *t, struct tcp_news *n)
{
    struct txq *q = t->txq;
    const struct txseg *x = txq_head(q);
    if ((x->marks & (TXS_EVER | TXS_RETRANS)) != 0) {
        n->retrans_acked = true;
        n->retrans_sent = x->sent > n->retrans_sent ? x->sent : n->retrans_sent;
    } else if ((x->marks & TXS_SACKED) == 0) {
        n->last_acked = x->sent;
        if (n->first_acked == 0) {
            n->first_acked = x->sent;
        }
        if (!n->reordered || seq_lt(x->seq, n->reord)) {
            n->reordered = true;
            n->reord = x->seq;
        }
        if (seq_le(txseg_end(x), t->recover)) {
            n->orig_acked = true;
        }
    }
    if ((x->marks & TXS_SACKED) == 0) {
        n->delivered_bytes += txseg_text(x);
        if (t->sack_ok) {
            t->delivered++;
            tcp_loss_delivered(q, q->first);
        }
        if (!n->delivered_any || seq_gt(x->delivered, n->prior_delivered)) {
            n->delivered_any = true;
            n->prior_delivered = x->delivered;
        }
    }
    n->acked_segs++;
    n->data_acked = true;
    txq_drop_head(q);
}

/* Without SACK: the acknowledgment filled one hole; the rest are those that made duplicates. */
static void eat_duplicates(struct tcb *t, const struct tcp_news *n)
{
    struct txq *q = t->txq;
    uint32_t acked = n->acked_segs;
    if (acked == 0) {
        return;
    }
    uint32_t fresh = acked > q->dup_sacked ? acked - q->dup_sacked : 0;
    t->delivered += fresh > 1 ? fresh : 1;
    q->dup_sacked = acked - 1 >= q->dup_sacked ? 0 : q->dup_sacked - (acked - 1);
}

static void take_off(struct td_stack *st, struct tcb *t, struct tcp_news *n)
{
    struct txq *q = t->txq;
    while (!txq_empty(q) && seq_le(txseg_end(txq_head(q)), t->snd_una)) {
        segment_acked(t, n);
    }
    const struct txseg *x = txq_head(q);
    if (x != NULL && seq_lt(x->seq, t->snd_una)) { /* a part of one */
        n->delivered_bytes += (x->marks & TXS_SACKED) == 0 ? t->snd_una - x->seq : 0;
        n->data_acked = true;
        txq_trim_head(q, t->snd_una - x->seq);
    }
    n->reneging = x != NULL && (x->marks & TXS_SACKED) != 0;
    if (!t->sack_ok) {
        eat_duplicates(t, n);
        if (n->retrans_acked) { /* which of them were originals can't be told */
            n->orig_acked = false;
        }
    } else if (n->reordered && seq_lt(n->reord, n->fack_before)) {
        tcp_reordering_seen(st, t, n->reord, n->fack_before);
    }
    n->set_timer = n->data_acked;
}

/* SND.UNA < SEG.ACK =< SND.NXT */
static void advance(struct td_stack *st, struct tcb *t, const struct tcp_seg *s)
{
    uint32_t text = s->ack - t->snd_una;
    if (t->snd_una == t->iss) {
        text--; /* the SYN's place in the sequence space */
    }
    if (text > t->snd.len) {
        text--; /* the FIN's */
    }
    if (text > 0) {
        uint32_t size =
            text + IPV4_HLEN + TCP_HLEN < t->pmtu ? text + IPV4_HLEN + TCP_HLEN : t->pmtu;
        t->max_size_acked = size > t->max_size_acked ? (uint16_t)size : t->max_size_acked;
        sndbuf_ack(&st->mem, &t->snd, text);
    }
    t->bytes_acked += text;
    t->snd_una = s->ack;
    tcp_eor_acked(st, t);
    t->rtx_nxt = seq_max(t->rtx_nxt, s->ack);
    t->rexmits = 0;
    tcp_patience_anew(st, t);
    t->probes = 0;
    t->persist_backoff = 0;
    t->soft_err = 0;
    if (t->snd_urg && seq_ge(t->snd_una, t->snd_up)) {
        t->snd_urg = false;
    }
}

/* ---- cwnd ---- */

static void control(struct td_stack *st, struct tcb *t, const struct tcp_news *n,
                    enum tcp_episode before)
{
    struct txq *q = t->txq;
    uint32_t segs = t->delivered - n->delivered_before;
    uint32_t lost = q->lost_ever - n->lost_before;
    uint32_t delivered = q->by_segments ? segs : n->delivered_bytes;
    if (q->in_reduction && (tcp_loss_prr(q) || t->ca_state == TCPE_CWR)) {
        tcp_prr_ack(st, t, delivered, lost, n->advanced);
        return;
    }
    if (before == TCPE_RECOVERY && !tcp_loss_prr(q)) {
        if (t->ca_state == TCPE_RECOVERY) {
            tcp_loss_in_recovery(st, t, n);
        }
        return;
    }
    bool may = t->reordering > (uint32_t)knob(st, TCP_REORDERING) ? n->data_acked || n->sacked
                                                                  : n->data_acked;
    if (!may || q->in_reduction || t->ca_state == TCPE_RECOVERY) {
        return;
    }
    const struct td_cc_ack ack = {.now = st->now,
                                  .acked = q->by_segments ? segs * t->mss : n->delivered_bytes,
                                  .flight = n->pipe_before,
                                  .una = t->snd_una,
                                  .nxt = t->snd_nxt,
                                  .rtt = n->rtt,
                                  .cwnd_limited = tcp_cwnd_is_limited(t)};
    tcp_cc_acked(st, t, &ack);
}

/* ---- all of it ---- */

static bool odd(const struct tcb *t, const struct tcp_news *n)
{
    return !(n->has_text || n->window || n->data_acked) || n->sacked || n->ece || n->dsack ||
           t->ca_state != TCPE_OPEN;
}

/* Something was in flight, or an episode isn't over. */
static void digest(struct td_stack *st, struct tcb *t, struct tcp_news *n)
{
    struct txq *q = t->txq;
    enum tcp_episode before = (enum tcp_episode)t->ca_state;
    bool was_empty = txq_empty(q);
    if (n->advanced) {
        take_off(st, t, n);
    }
    take_rtt_sample(st, t, n);
    if (q->came_twice && n->delivered_any) {
        tcp_loss_came_twice(st, t, n);
    }
    if (q->tlp_out) {
        tcp_tlp_ack(st, t, n);
    }
    if (n->sacked && !t->sack_ok) {
        n->sacked = false;
    }
    if (n->advanced) {
        t->dupacks = 0;
    } else if (t->sack_ok ? n->sacked : n->dup) { /* RFC 6675 2: with SACK, only news count */
        const struct journal_subject subject = tcp_subject(t);
        t->dupacks = (uint16_t)(t->dupacks < UINT16_MAX ? t->dupacks + 1 : t->dupacks);
        JOURNAL(st, EV_TCP_DUPACK, &subject, t->snd_una, t->dupacks);
    }
    if ((!was_empty && odd(t, n)) || n->dsack) {
        tcp_recovery_alert(st, t, n);
    }
    if (n->set_timer) {
        tcp_rtx_progress(st, t);
    }
    if (n->ece) {
        t->delivered_ce += t->delivered - n->delivered_before;
    }
    if (!was_empty) {
        control(st, t, n, before);
    }
    if (!tcp_loss_prr(q) && t->ca_state == TCPE_OPEN && seq_gt(t->snd_una, t->recover)) {
        t->recover = t->snd_una - 1; /* kept close: half a circle behind it would lie ahead */
    }
    tcp_mtup_verify(st, t, t->delivered - n->delivered_before, q->lost_ever);
    if (q->waiting > 0 || q->frto_new) {
        tcp_mark(st, t);
    }
}

void tcp_ack_received(struct td_stack *st, struct tcb *t, const struct tcp_seg *s)
{
    struct txq *q = t->txq;
    bool blocks = t->sack_ok && s->h->o.nsack > 0;
    bool old = seq_lt(s->ack, t->snd_una);
    uint32_t wnd = t->snd_wnd;
    t->more_over = true; /* MSG_MORE holds back until something comes, as in Linux */
    bool outstanding = t->snd_nxt != t->snd_una;
    struct tcp_news n = {.s = s,
                         .una_before = t->snd_una,
                         .fack_before = t->snd_una,
                         .delivered_before = t->delivered,
                         .lost_before = q != NULL ? q->lost_ever : 0,
                         .pipe_before = tcp_pipe_bytes(t),
                         .has_text = s->len > 0,
                         .ece = t->ecn_ok && (s->flags & TCP_ECE) != 0,
                         .advanced = seq_gt(s->ack, t->snd_una)};
    if (q != NULL && q->sacked.segs > 0) {
        n.fack_before = txseg_end(txq_at(q, q->fack));
    }
    if (!old) {
        if (n.advanced) {
            advance(st, t, s);
        } else {
            t->probes = 0; /* it answers */
            if (t->rtx_kind == TRTX_PERSIST && knob(st, TCP_GIVE_UP_BY_TIME) == 0) {
                t->stalled_since = st->now;
            }
        }
        tcp_update_window(st, t, s);
    } else if (!blocks) {
        return;
    }
    n.window = t->snd_wnd != wnd;
    if (q != NULL) {
        tcp_loss_ack_begins(st, t, &n);
    }
    if (blocks) {
        tcp_sack_received(st, t, &n);
    }
    /* RFC 5681 2: data outstanding, no text, no SYN or FIN, the same acknowledgment, the same
     * window. */
    n.dup =
        !old && !n.advanced && outstanding && s->len == 0 && s->wnd == wnd && wnd != 0 && !n.dsack;
    if (q != NULL) {
        digest(st, t, &n);
    }
    if (n.advanced) {
        if (txq_empty(q) || t->snd_wnd == 0) {
            tcp_rtx_update(st, t, true);
        }
        uint32_t second = (uint32_t)(st->now / TD_SEC) + 1;
        if (second != t->last_advice) {
            t->last_advice = second;
            ip_advise_good(st, t->ep.a.raddr);
        }
        t->pmtu_pending = 0; /* what it said was too large gets through */
        tcp_mtup_acked(st, t);
        tune_sndbuf(st, t);
        tcp_chrono_update(st, t);
        tell_writable(st, t);
    } else if (t->snd_wnd != wnd) {
        tcp_rtx_update(st, t, t->snd_wnd != 0 && wnd == 0);
    }
    txq_idle(st, t);
}
