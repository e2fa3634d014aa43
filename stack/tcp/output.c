/* tcp/output.c: what to send now.
 *
 * Theory of operation. tcp_output is called once a flush for every connection something happened
 * to, after all segments that had arrived were processed (RFC 9293 3.10.7.4, MUST-58 and 59), and
 * by timers. It sends what it may, in this order:
 *
 *   1. what is believed lost, in order of sequence (recovery.c says what that is); then new text,
 *      from rtx_nxt on. rtx_nxt is SND.NXT, except after a window probe, whose octet is part of the
 *      first segment.
 *   2. a FIN behind the last byte, when the user has closed.
 *   3. if nothing of that went out, which always carries an acknowledgment, and one is due: an
 *      acknowledgment alone; several, when several segments arrived out of order, because the peer
 *      counts them (RFC 5681 3.2).
 *
 * How much: what is in the pipe may not exceed cwnd (5681 3.1, 6675, 9937), and no text lies beyond
 * the peer's window. How small:
 * a segment less than full is sent only if (3.8.6.2.1, 3.7.4)
 *   - it is the last of what is queued, and Nagle allows: nothing unacknowledged, or switched off,
 *     and the user didn't announce more (MSG_MORE, TCP_CORK);
 *   - or it is at least half of the largest window the peer ever had;
 *   - or it was sent before, or ends with the FIN;
 *   - or the override timer, armed when all else is still, has expired.
 * And: the interface's queue must not be flooded by one flush (tcp_limit_output_bytes).
 */
#include "tcp/xmit.h"

#include <errno.h>

#define LIMITED_TRANSMIT 2 /* RFC 3042: new segments for the first duplicate ACKs */

/* ---- one segment ---- */

static struct tcp_emit emit_for(const struct tcb *t)
{
    return (struct tcp_emit){
        .a = t->ep.a,
        .tos = t->ep.tos,
        .ttl = t->ep.ttl,
        .no_df = t->no_df,
        .conn = t->id != 0 || tcp_parent(t) == NULL ? t->id : tcp_parent(t)->id,
        .t = t,
        .wscale = t->rcv_wscale,
    };
}

/* SND.NXT; or, if a shrunken window or a probe left that outside the window, the window's edge:
 * outside, the peer would ignore the ACK field (RFC 9293 A.2). */
tcp_seq tcp_ack_seq(const struct tcb *t)
{
    tcp_seq edge = t->snd_una + t->snd_wnd;
    return seq_gt(t->snd_nxt, edge) && tcp_synchronized(t) ? edge : t->snd_nxt;
}

static int send_failed(struct td_stack *st, struct tcb *t, tcp_seq seq, uint32_t len, int err)
{
    const struct journal_subject subject = tcp_subject(t);
    if (err == -ENOMEM) {
        JOURNAL(st, EV_TCP_NO_MEMORY, &subject, seq, len);
        return err;
    }
    JOURNAL(st, EV_TCP_SEND_FAILED, &subject, seq, len, (uint64_t)(int64_t)-err);
    if (err == -EMSGSIZE) {
        tcp_mss_update(st, t);
    } else if (err != -ENOBUFS) {
        t->soft_err = (int16_t)-err;
        t->soft_local = true;
    }
    return err;
}

/* Text [seq, seq+len), with a FIN behind it if asked. 0, or why it didn't leave; SND.NXT moves only
 * if it did. */
static int send_text(struct td_stack *st, struct tcb *t, tcp_seq seq, uint32_t len, bool fin,
                     bool push, enum journal_word why)
{
    bool again = seq_lt(seq, t->snd_nxt);
    tcp_seq end = seq + len + fin;
    struct tcp_emit e = emit_for(t);
    e.seq = seq;
    e.ack = t->rcv_nxt;
    e.flags = TCP_ACK;
    e.snd = &t->snd;
    e.len = len;
    e.again = again;
    e.why = (uint16_t)(again || why != W_TCP_WINDOW ? why : W_NONE);
    if (len > 0 && push) {
        e.flags |= TCP_PSH; /* MUST-61 */
    }
    if (fin) {
        e.flags |= TCP_FIN;
    }
    if (t->snd_urg && seq_gt(t->snd_up, seq)) { /* 3.8.5 */
        uint32_t ahead = t->snd_up - seq;
        e.flags |= TCP_URG;
        e.urp = (uint16_t)(ahead < UINT16_MAX ? ahead : UINT16_MAX);
    }
    e.wnd = tcp_window_field(st, t, false);
    tcp_options_fill(st, t, &e);
    int err = tcp_emit_segment(st, &e);
    if (err != 0 && (err == -ENOMEM || err == -EMSGSIZE || (err == -ENOBUFS && !again))) {
        return send_failed(st, t, seq, len, err);
    }
    if (err != 0) { /* lost, as it might have been further on: the timer repeats it */
        (void)send_failed(st, t, seq, len, err);
    }
    if (len > 0) {
        tcp_ack_text_out(st, t, again);
    }
    tcp_ack_sent(st, t);
    if (st->tcp->pins != NULL) {
        tcp_pin_spent(st, &t->ep.a, len);
    }
    t->last_sent = st->now;
    t->segs_out++;
    if (fin) {
        t->fin_sent = true;
    }
    if (len > 0) {
        t->data_segs_out++;
        t->bytes_sent += len;
        if (len < t->mss) {
            t->snd_sml = end;
        }
    }
    if (again) {
        struct journal_subject subject = tcp_subject(t);
        subject.pkt = st->tcp->emitted;
        count(st, TcpRetransSegs);
        t->total_retrans++;
        t->bytes_retrans += len;
        unsigned times = t->rexmits > 0 ? t->rexmits : 1;
        JOURNAL(st, EV_TCP_RETRANSMIT, &subject, seq, len, why, times, t->rtt.rto);
    } else {
        count(st, TcpOutSegs);
        if (len > 0) {
            count(st, TcpExtTCPOrigDataSent);
        }
    }
    t->snd_nxt = seq_max(t->snd_nxt, end);
    return 0;
}

/* What was sent at once, once more. */
static int resend(struct td_stack *st, struct tcb *t, uint32_t n, bool push, enum journal_word why)
{
    const struct txseg *x = txq_at(t->txq, n);
    int err = send_text(st, t, x->seq, txseg_text(x), (x->marks & TXS_FIN) != 0,
                        push || (x->marks & TXS_PSH) != 0, why);
    if (err == 0) {
        txq_touch(st, t, n);
        tcp_mtup_inconclusive(st, t);
    }
    return err;
}

/* ---- what may go ---- */

static void hold(struct td_stack *st, const struct tcb *t, enum journal_word why, uint32_t queued,
                 uint32_t usable)
{
    const struct journal_subject subject = tcp_subject(t);
    JOURNAL(st, EV_TCP_HOLD, &subject, why, queued, tcp_flight(t), usable);
}

/* 3.7.4. Minshall's form holds a small segment back only while another is unacknowledged. */
static bool nagle_holds(const struct td_stack *st, const struct tcb *t)
{
    if (t->nodelay || t->snd_nxt == t->snd_una || FAULT_ON(st, NO_NAGLE)) {
        return false;
    }
    if (knob(st, TCP_MINSHALL) != 0) {
        return seq_gt(t->snd_sml, t->snd_una) && seq_le(t->snd_sml, t->snd_nxt);
    }
    return true;
}

static bool egress_full(struct td_stack *st, struct tcb *t, uint32_t queued)
{
    const struct netif *nif = t->ifindex != 0 ? netif_by_index(st, t->ifindex) : NULL;
    if (nif == NULL || nif->egress == NULL) {
        return false;
    }
    uint64_t backlog = netif_backlog(nif);
    /* Small segments fill the interface's own queue by number first: what it would drop waits here.
     * The queue of an emulated network (netem) is that network's, and may drop. */
    bool many = nif->egress->packets >= nif->txqlen - nif->txqlen / 8 &&
                qdisc_netem_params(nif->egress) == NULL;
    if (backlog < (uint64_t)knob(st, TCP_LIMIT_OUTPUT) && !many) {
        return false;
    }
    JOURNAL(st, EV_TCP_LIMIT_OUT, JOURNAL_ABOUT(tcp_subject(t)), backlog, queued);
    return true;
}

/* How many bytes cwnd lets out now. RFC 3042: for each of the first two duplicate ACKs one segment
 * more; where duplicates and SACKs lower the pipe, that comes by itself. */
static uint32_t cwnd_room(const struct tcb *t)
{
    const struct txq *q = t->txq;
    uint32_t unit = tcp_unit(t);
    uint32_t cwnd = tcp_cwnd_units(t);
    uint32_t pipe = tcp_pipe_units(t);
    if (q != NULL && !tcp_loss_prr(q) && t->ca_state < TCPE_RECOVERY && t->dupacks > 0) {
        uint32_t extra = t->dupacks < LIMITED_TRANSMIT ? t->dupacks : LIMITED_TRANSMIT;
        cwnd += q->by_segments ? extra : extra * t->mss;
    }
    return cwnd > pipe ? (cwnd - pipe) * unit : 0;
}

/* What was captured of it lets it send so much again (pin.c). */
static bool pin_lets_again(const struct td_stack *st, const struct tcb *t, uint32_t need)
{
    tcp_seq edge;
    int32_t credit;
    return st->tcp->pins != NULL && tcp_pin_window(st, &t->ep.a, &edge, &credit) && credit >= (int32_t)need;
}

static bool pinned_beyond(const struct td_stack *st, const struct tcb *t)
{
    tcp_seq edge;
    int32_t credit;
    return st->tcp->pins != NULL && tcp_pin_window(st, &t->ep.a, &edge, &credit) &&
           seq_gt(edge, t->rtx_nxt);
}

/* How many bytes of new text from pos on cwnd lets out, or what it is pinned to. */
static uint32_t new_room(const struct td_stack *st, const struct tcb *t, tcp_seq pos)
{
    tcp_seq edge;
    int32_t credit;
    if (st->tcp->pins == NULL || !tcp_pin_window(st, &t->ep.a, &edge, &credit)) {
        return cwnd_room(t);
    }
    return seq_gt(edge, pos) ? edge - pos : 0;
}

/* ---- what was lost ---- */

/* Segments of one burst that are sent again in a row are a burst again: PSH on the last. */
static bool ends_run(const struct tcb *t, uint32_t n)
{
    struct txq *q = t->txq;
    q->run = txq_at(q, n)->joined && q->run > 0 ? q->run + 1 : 1;
    const struct txseg *next = n + 1 != q->end ? txq_at(q, n + 1) : NULL;
    bool goes_on = next != NULL && next->joined && !q->rtx_now &&
                   (next->marks & (TXS_LOST | TXS_RETRANS)) == TXS_LOST &&
                   cwnd_room(t) >= 2u * t->mss;
    return q->by_segments && q->run > 1 && !goes_on;
}

/* Record n again, as far as the peer's window takes it. 0, 1 = not now, or an error. */
static int send_again(struct td_stack *st, struct tcb *t, uint32_t n, enum journal_word why)
{
    struct txq *q = t->txq;
    const struct txseg *x = txq_at(q, n);
    int32_t room = seq_diff(t->snd_una + t->snd_wnd, x->seq);
    if (room <= 0) {
        return 1;
    }
    if ((uint32_t)room < txseg_text(x)) { /* the window shrank under it */
        if (n != q->first) {
            return 1;
        }
        int e = txq_split_head(st, t, (uint32_t)room);
        if (e != 0) {
            return e;
        }
        n = q->first;
    }
    if ((txq_at(q, n)->marks & TXS_LOST) != 0) {
        txq_join(q, n, t->mss < (uint32_t)room ? t->mss : (uint32_t)room);
    }
    uint32_t bytes = txq_at(q, n)->len;
    int e = resend(st, t, n, ends_run(t, n), why);
    if (e != 0) {
        return e;
    }
    txq_mark_retrans(q, n);
    tcp_undo_retransmitted(st, t, txseg_end(txq_at(q, n)));
    tcp_prr_sent(t, bytes);
    if (t->ca_state == TCPE_LOSS) {
        count(st, TcpExtTCPSlowStartRetrans);
    } else {
        count(st, TcpExtTCPFastRetrans);
    }
    if (n == q->first && tcp_loss_prr(q) && t->rtx_kind != TRTX_REO) {
        tcp_rtx_arm(st, t, TRTX_REXMT);
    }
    return 0;
}

/* False: nothing more can leave now. */
static bool send_lost(struct td_stack *st, struct tcb *t)
{
    struct txq *q = t->txq;
    uint32_t n;
    q->run = 0;
    if (q->waiting > 0 && q->longest > t->mss && txq_recut(st, t, t->mss) != 0) {
        return false;
    }
    while (txq_next_lost(q, &n)) {
        uint32_t need = q->by_segments ? t->mss : txq_at(q, n)->len;
        if (!q->rtx_now && cwnd_room(t) < need && !pin_lets_again(st, t, need)) {
            t->cwnd_limited = true;
            return false;
        }
        if (!q->rtx_now && tcp_pacing_wait(st, t)) {
            return false;
        }
        if (egress_full(st, t, txq_at(q, n)->len)) {
            t->out_limited = true;
            return false;
        }
        int e = send_again(st, t, n, t->ca_state == TCPE_LOSS ? W_TCP_GO_BACK : W_TCP_LOSS);
        if (e == -EMSGSIZE) {
            if (q->longest <= t->mss || txq_recut(st, t, t->mss) != 0) {
                return false;
            }
            continue;
        }
        if (e != 0) {
            t->out_limited = e == -ENOBUFS;
            return false;
        }
        tcp_pacing_sent(st, t, need);
        q->rtx_now = false;
    }
    q->rtx_now = false;
    return true;
}

/* ---- new text ---- */

/* Too small to go alone (3.8.6.2.1, 3.7.4)? W_NONE: it may. by_cwnd: cwnd made it small. */
static enum journal_word small_segment_waits(const struct td_stack *st, struct tcb *t, uint32_t len,
                                             uint32_t queued, bool by_cwnd)
{
    if (len < (t->max_snd_wnd + 1) / 2 && len < queued) {
        return by_cwnd ? W_TCP_CWND : W_TCP_SWS;
    }
    if (len < queued || t->push_now) {
        return W_NONE;
    }
    if (t->cork || (t->more && !t->more_over)) {
        return W_TCP_CORK;
    }
    return nagle_holds(st, t) ? W_TCP_NAGLE : W_NONE;
}

/* How large segments are may have changed; the first may be a probe of a larger size. False:
 * nothing goes before what is in flight has been answered. */
static bool new_text_fits(struct td_stack *st, struct tcb *t, uint32_t *probe)
{
    if (!seq_lt(t->snd_nxt, sndbuf_end(&t->snd))) {
        return true;
    }
    (void)tcp_pmtu_changed(st, t);
    return tcp_mtup_advise(st, t, probe) != TCP_MTUP_WAIT;
}

/* ---- PSH ----
 *
 * A segment has PSH if it ends what the user has written (RFC 9293 3.9.1.2, MUST-61). Linux hands
 * bursts of segments to the device as one, and such a burst has PSH on its last segment too: the
 * receiver should not wait for more than it. Where cwnd counts segments as Linux does, bursts are
 * reckoned as there: as many segments as fit into a millisecond at the pacing rate and two at
 * least; not more than half of cwnd, of the largest window, and what may be sent now.
 */
struct burst {
    uint32_t left; /* segments that still belong to it; 0 = the next one begins another */
    uint32_t size;
};

static uint32_t burst_size(const struct td_stack *st, const struct tcb *t)
{
    if (st->tcp->pins != NULL && tcp_pin_burst(st, &t->ep.a)) {
        return UINT16_MAX; /* as far as the pin lets it */
    }
    uint64_t rate = t->cc.pacing_rate, mss = t->mss;
    uint64_t bytes = rate == 0 || rate >> 10 > UINT16_MAX ? UINT16_MAX : rate >> 10;
    uint64_t shift = t->cc.min_rtt / TD_US >> 9; /* on a short path larger ones do no harm */
    bytes += t->cc.min_rtt != 0 && shift < 16 ? (uint64_t)UINT16_MAX >> shift : 0;
    bytes = bytes < UINT16_MAX ? bytes : UINT16_MAX;
    uint64_t segs = bytes / mss;
    segs =
        segs > (uint64_t)knob(st, TCP_MIN_TSO_SEGS) ? segs : (uint64_t)knob(st, TCP_MIN_TSO_SEGS);
    uint32_t half = tcp_cwnd_units(t) / 2;
    segs = segs < half ? segs : half;
    uint64_t window = t->max_snd_wnd / 2 / mss;
    segs = segs < window ? segs : window;
    return segs > 1 ? (uint32_t)segs : 1;
}

/* Does a segment of len, of `queued` that wait, end what is to be pushed? room: what cwnd lets out,
 * wnd: what the window takes. */
static bool push(const struct td_stack *st, const struct tcb *t, struct burst *b, uint32_t len,
                 uint32_t queued, uint32_t room, uint32_t wnd)
{
    if (!t->txq->by_segments) {
        return false;
    }
    if (b->left == 0) {
        b->size = b->left = burst_size(st, t);
    }
    b->left--;
    uint32_t next = queued - len < t->mss ? queued - len : t->mss;
    bool held = next == 0 ||
                (next < t->mss && (t->cork || (t->more && !t->more_over) || nagle_holds(st, t)));
    if (b->left == 0 || room < 2u * t->mss || wnd < len + next || held) {
        bool several = b->size - b->left > 1;
        b->left = 0;
        return several;
    }
    return false;
}

/* Text and FIN as far as window, cwnd and the rules against small segments allow. force: they don't
 * count for one segment. How many segments left. */
static unsigned send_new(struct td_stack *st, struct tcb *t, bool force)
{
    unsigned sent = 0;
    uint32_t probe = 0;
    if (t->ecn_hold) {
        hold(st, t, W_TCP_ECN, tcp_notsent(t), 0);
        return 0;
    }
    if (!new_text_fits(st, t, &probe)) {
        return 0;
    }
    struct burst burst = {0, 0};
    for (unsigned errors = 0; errors < 3;) {
        tcp_seq pos = t->rtx_nxt;
        tcp_seq end = sndbuf_end(&t->snd);
        if (seq_gt(pos, end)) {
            break; /* the FIN is out */
        }
        uint32_t queued = end - pos;
        bool fin = t->fin_queued;
        if (queued == 0 && !fin) {
            break;
        }
        if (txq_reserve(st, t) != 0) {
            (void)send_failed(st, t, pos, queued, -ENOMEM);
            break;
        }
        bool again = seq_lt(pos, t->snd_nxt);
        uint32_t by_cwnd = FAULT_ON(st, IGNORE_CWND) ? INT32_MAX : new_room(st, t, pos);
        tcp_seq una = t->snd_una + (t->snd_una == t->iss); /* Fast Open: a SYN takes no window */
        int32_t by_wnd = seq_diff(una + t->snd_wnd, pos);
        uint32_t wnd = by_wnd > 0 ? (uint32_t)by_wnd : 0;
        wnd = FAULT_ON(st, IGNORE_WINDOW) ? INT32_MAX : wnd;
        bool cwnd_less = by_cwnd < wnd;
        uint32_t usable = cwnd_less ? by_cwnd : wnd;
        uint32_t full = probe != 0 ? probe : t->mss;
        bool record;
        uint32_t len = tcp_eor_clip(t, pos, queued < full ? queued : full, &record);
        record = record && len <= usable;
        len = len < usable ? len : usable;
        fin = fin && len == queued && usable > len;
        if (len == 0 && !fin) {
            t->cwnd_limited = t->cwnd_limited || cwnd_less;
            hold(st, t, cwnd_less ? W_TCP_CWND : W_TCP_WINDOW, queued, usable);
            break;
        }
        bool small = len < t->mss && !(record && len < queued);
        if (small && !again && !fin && !force) {
            enum journal_word why = small_segment_waits(st, t, len, queued, cwnd_less);
            if (why != W_NONE) {
                t->cwnd_limited = t->cwnd_limited || why == W_TCP_CWND;
                hold(st, t, why, queued, usable);
                break;
            }
        }
        if (len > 0 && burst.left == 0 && tcp_pacing_wait(st, t)) {
            break;
        }
        if (egress_full(st, t, queued)) {
            t->out_limited = true;
            break;
        }
        if (!again) {
            tcp_cwnd_before_text(st, t);
        }
        bool joined = burst.left > 0;
        bool ends = record || (len == queued && (!t->more || force));
        bool psh = push(st, t, &burst, len, queued, by_cwnd, wnd) || ends;
        burst.left = record ? 0 : burst.left;
        int err = send_text(st, t, pos, len, fin, psh, W_TCP_WINDOW);
        if (err == -EMSGSIZE) {
            errors++;
            continue;
        }
        if (err != 0) {
            t->out_limited = err == -ENOBUFS;
            break;
        }
        uint32_t marks = (again ? TXS_EVER : 0u) | (fin ? TXS_FIN : 0u) | (ends ? TXS_PSH : 0u);
        txq_push(st, t, pos, len + fin, (uint8_t)marks, joined);
        tcp_prr_sent(t, len + fin);
        tcp_pacing_sent(st, t, len);
        if (probe != 0 && len == probe) {
            tcp_mtup_sent(st, t, pos, len);
        }
        probe = 0;
        t->rtx_nxt = pos + len + fin;
        force = false;
        sent++;
    }
    return sent;
}

/* F-RTO's step 2 b (RFC 5682): new text, and nothing again until the next acknowledgment. False:
 * none could be sent, so it can't tell. */
static bool send_frto(struct td_stack *st, struct tcb *t, unsigned *sent)
{
    *sent += send_new(st, t, *sent == 0);
    if (seq_gt(t->snd_nxt, t->recover)) {
        return true;
    }
    t->txq->frto = t->txq->frto_new = false;
    return false;
}

static void send_what_may(struct td_stack *st, struct tcb *t, bool force)
{
    bool in_flight = !txq_empty(t->txq);
    unsigned sent = 0;
    t->out_limited = false;
    t->cwnd_limited = false;
    if (t->txq == NULL || !t->txq->frto_new || !send_frto(st, t, &sent)) {
        if (t->txq == NULL || send_lost(st, t) || pinned_beyond(st, t)) {
            sent += send_new(st, t, force);
            struct txq *q = t->txq;
            uint32_t n;
            while (q != NULL && q->loss.ops->next != NULL && cwnd_room(t) >= t->mss &&
                   tcp_loss_next(st, t, &n) && send_again(st, t, n, W_TCP_RESCUE) == 0) {
            }
        }
    }
    t->push_now = false;
    tcp_cwnd_validate(st, t, t->cwnd_limited);
    if (sent > 0) {
        if (!in_flight) {
            tcp_rtx_update(st, t, true); /* RFC 6298 5.1 */
        }
        (void)tcp_tlp_schedule(st, t, false);
    }
    txq_idle(st, t);
}

int tcp_send_probe(struct td_stack *st, struct tcb *t)
{
    struct txq *q = t->txq;
    tcp_seq pos = t->rtx_nxt;
    tcp_seq end = sndbuf_end(&t->snd);
    int32_t wnd = seq_diff(t->snd_una + t->snd_wnd, pos);
    if (seq_lt(pos, end) && wnd > 0) {
        uint32_t queued = end - pos;
        uint32_t len = queued < t->mss ? queued : t->mss;
        len = len < (uint32_t)wnd ? len : (uint32_t)wnd;
        bool fin = t->fin_queued && len == queued && (uint32_t)wnd > len;
        if (txq_reserve(st, t) != 0 ||
            send_text(st, t, pos, len, fin, len == queued, W_TCP_TAIL) != 0) {
            return 0;
        }
        unsigned marks = (fin ? TXS_FIN : 0u) | (len == queued ? TXS_PSH : 0u);
        txq_push(st, t, pos, len + fin, (uint8_t)marks, false);
        tcp_prr_sent(t, len + fin);
        t->rtx_nxt = pos + len + fin;
        return 1;
    }
    uint32_t last = q->end - 1;
    while (last != q->first && (txq_at(q, last)->marks & TXS_GONE) != 0) {
        last--;
    }
    const struct txseg *x = txq_at(q, last);
    if (txseg_text(x) > t->mss || seq_gt(x->seq + txseg_text(x), t->snd_una + t->snd_wnd)) {
        return 0;
    }
    return resend(st, t, last, false, W_TCP_TAIL) == 0 ? 2 : 0;
}

/* ---- the acknowledgment alone ---- */

void tcp_send_ack(struct td_stack *st, struct tcb *t)
{
    struct tcp_emit e = emit_for(t);
    e.seq = tcp_ack_seq(t);
    e.ack = FAULT_ON(st, ACK_LOST_HALF) && (t->segs_out & 1) != 0 ? t->irs + 1 : t->rcv_nxt;
    e.flags = TCP_ACK;
    e.wnd = tcp_window_field(st, t, false);
    if (t->snd_urg && seq_gt(t->snd_up, e.seq)) {
        uint32_t ahead = t->snd_up - e.seq;
        e.flags |= TCP_URG;
        e.urp = (uint16_t)(ahead < UINT16_MAX ? ahead : UINT16_MAX);
    }
    tcp_options_fill(st, t, &e);
    int err = tcp_emit_segment(st, &e);
    if (err == -ENOMEM) { /* soon again; the peer's timer would do it too */
        (void)send_failed(st, t, e.seq, 0, err);
        t->ack_now = false;
        tcp_delack_arm(st, t);
        return;
    }
    count(st, TcpOutSegs);
    t->segs_out++;
    tcp_ack_sent(st, t);
}

/* ---- the entry ---- */

static void output(struct td_stack *st, struct tcb *t, bool force)
{
    switch ((enum tcp_state)t->state) {
    case TCPS_CLOSED:
    case TCPS_LISTEN:
    case TCPS_SYN_SENT:
    case TCPS_TIME_WAIT:
        return;
    case TCPS_SYN_RECEIVED:
        if (t->tfo_serial != 0) {
            break; /* may send before the handshake is over (RFC 7413 4.2.2) */
        }
        if (t->ack_now) {
            tcp_send_ack(st, t);
        }
        return;
    default:
        break;
    }
    send_what_may(st, t, force);
    if (t->dup_owed > 0) { /* one for each segment out of order; text doesn't count as one */
        for (unsigned n = t->dup_owed; n > 0; n--) {
            tcp_send_ack(st, t);
        }
    } else if (t->ack_now) {
        tcp_send_ack(st, t);
    }
    tcp_rtx_update(st, t, false);
    tcp_chrono_update(st, t);
    if (t->out_limited) {
        tcp_mark_throttled(st, t);
    }
}

void tcp_output(struct td_stack *st, struct tcb *t)
{
    output(st, t, false);
}

void tcp_output_forced(struct td_stack *st, struct tcb *t)
{
    JOURNAL(st, EV_TCP_OVERRIDE, JOURNAL_ABOUT(tcp_subject(t)), sndbuf_end(&t->snd) - t->snd_nxt);
    output(st, t, true);
}

/* ---- segments outside the window's rules ---- */

void tcp_send_syn(struct td_stack *st, struct tcb *t)
{
    bool again = t->snd_nxt != t->iss;
    struct tcp_emit e = emit_for(t);
    e.seq = t->iss;
    e.flags = TCP_SYN;
    e.wscale = 0;
    e.again = again;
    e.why = (uint16_t)(again ? W_TCP_RTO_FIRED : W_NONE);
    if (t->state != TCPS_SYN_SENT) {
        e.flags |= TCP_ACK;
        e.ack = t->rcv_nxt;
    }
    e.flags |= tcp_ecn_syn_flags(st, t);
    tcp_syn_options_offer(st, t, &e.o);
    e.wnd = tcp_window_field(st, t, true);
    if (!again && t->state == TCPS_SYN_SENT) {
        tcp_fastopen_syn_out(st, t, &e);
    }
    int err = tcp_emit_segment(st, &e);
    if (err != 0) {
        (void)send_failed(st, t, t->iss, 0, err);
    }
    if (!again) {
        t->snd_nxt = t->iss + 1 + e.len;
        t->rtx_nxt = t->iss + 1;
        t->data_segs_out += e.len > 0;
        t->bytes_sent += e.len;
    }
    t->segs_out += !t->passive; /* a SYN-ACK isn't counted, as in Linux */
    if (again) {
        struct journal_subject subject = tcp_subject(t);
        subject.pkt = st->tcp->emitted;
        count(st, TcpRetransSegs);
        t->total_retrans++;
        t->rtt_time = 0;
        JOURNAL(st, EV_TCP_RETRANSMIT, &subject, t->iss, 0, W_TCP_RTO_FIRED, t->rexmits, t->rtt.rto);
    } else {
        count(st, TcpOutSegs);
        if (e.len > 0) {
            count(st, TcpExtTCPOrigDataSent);
        }
        t->rtt_time = st->now;
    }
}

/* An acknowledgment whose number lies outside the peer's window, so it must answer. */
static void bare_probe(struct td_stack *st, struct tcb *t, tcp_seq seq, enum journal_word why)
{
    struct tcp_emit e = emit_for(t);
    e.why = (uint16_t)why;
    e.seq = seq;
    e.ack = t->rcv_nxt;
    e.flags = TCP_ACK;
    e.wnd = tcp_window_field(st, t, false);
    tcp_options_fill(st, t, &e);
    count(st, TcpOutSegs);
    t->segs_out++;
    (void)tcp_emit_segment(st, &e);
}

/* 3.8.6.1: one octet beyond the closed window, or the FIN. It counts as sent, but sending goes on
 * from it, so that it is part of the first segment when the window opens. Linux sends no octet. */
void tcp_window_probe(struct td_stack *st, struct tcb *t)
{
    uint32_t text = sndbuf_end(&t->snd) - t->snd_una;
    if (text == 0 && !t->fin_queued) {
        return;
    }
    count(st, TcpExtTCPWinProbe);
    tcp_resend_all(st, t); /* what was in flight was thrown away for want of room */
    if (knob(st, TCP_PROBE_OCTET) == 0) {
        bare_probe(st, t, t->snd_una - 1, W_TCP_WINDOW_PROBE);
        return;
    }
    (void)send_text(st, t, t->snd_una, text > 0 ? 1 : 0, text == 0, text == 1, W_TCP_WINDOW_PROBE);
    if (txq_empty(t->txq)) {
        t->rtx_nxt = t->snd_una;
    }
}

/* 3.8.4: SEG.SEQ = SND.NXT-1, no text (SHLD-12): outside the peer's window, so it must answer. */
void tcp_keepalive_probe(struct td_stack *st, struct tcb *t)
{
    bare_probe(st, t, t->snd_nxt - 1, W_TCP_KEEPALIVE_PROBE);
}

void tcp_send_rst(struct td_stack *st, struct tcb *t, enum journal_word why)
{
    struct tcp_emit e = emit_for(t);
    e.seq = tcp_ack_seq(t);
    e.ack = t->rcv_nxt;
    e.flags = TCP_RST | TCP_ACK;
    if (tcp_as_linux(st)) { /* which tells it as any other segment does */
        e.wnd = tcp_window_field(st, t, false);
    }
    tcp_options_fill(st, t, &e);
    JOURNAL(st, EV_TCP_RST_OUT, JOURNAL_ABOUT(tcp_subject(t)), why, e.seq, e.ack);
    count(st, TcpOutSegs);
    count(st, TcpOutRsts);
    t->segs_out++;
    (void)tcp_emit_segment(st, &e);
}
