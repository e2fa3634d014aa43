/* tcp/output.c: what to send now.
 *
 * Theory of operation. tcp_output is called once a flush for every connection something happened
 * to, after all segments that had arrived were processed (RFC 9293 3.10.7.4, MUST-58 and 59), and
 * by timers. It sends what it may, in this order:
 *
 *   1. text, from rtx_nxt on. rtx_nxt is SND.NXT, except after a time-out or a window probe: then
 * it lies behind, and what was in flight is sent again until it has caught up.
 *   2. a FIN behind the last byte, when the user has closed.
 *   3. if nothing of that went out, which always carries an acknowledgment, and one is due: an
 *      acknowledgment alone; several, when several segments arrived out of order, because the peer
 *      counts them (RFC 5681 3.2).
 *
 * How much: the smaller of the peer's window and cwnd (5681 3.1), counted from SND.UNA. How small:
 * a segment less than full is sent only if (3.8.6.2.1, 3.7.4)
 *   - it is the last of what is queued, and Nagle allows: nothing unacknowledged, or switched off,
 *     and the user didn't announce more (MSG_MORE, TCP_CORK);
 *   - or it is at least half of the largest window the peer ever had;
 *   - or it was sent before, or ends with the FIN;
 *   - or the override timer, armed when all else is still, has expired.
 * And: the interface's queue must not be flooded by one flush (tcp_limit_output_bytes).
 */
#include "tcp/tcp_internal.h"

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
        .conn = t->id != 0 || t->parent == NULL ? t->id : t->parent->id,
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
        t->soft_err = -err;
        t->soft_local = true;
    }
    return err;
}

/* Text [seq, seq+len), with a FIN behind it if asked. 0, or why it didn't leave; SND.NXT moves only
 * if it did. */
static int send_text(struct td_stack *st, struct tcb *t, tcp_seq seq, uint32_t len, bool fin,
                     enum journal_word why)
{
    bool again = seq_lt(seq, t->snd_nxt);
    tcp_seq end = seq + len + fin;
    struct tcp_emit e = emit_for(t);
    e.seq = seq;
    e.ack = t->rcv_nxt;
    e.flags = TCP_ACK;
    e.snd = &t->snd;
    e.len = len;
    if (len > 0 && seq + len == sndbuf_end(&t->snd)) {
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
        tcp_ack_text_out(st, t);
    }
    tcp_ack_sent(st, t);
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
        const struct journal_subject subject = tcp_subject(t);
        count(st, TcpRetransSegs);
        t->total_retrans++;
        t->bytes_retrans += len;
        unsigned times = t->rexmits > 0 ? t->rexmits : 1;
        JOURNAL(st, EV_TCP_RETRANSMIT, &subject, seq, len, why, times, t->rtt.rto);
        if (t->rtt_time != 0 && seq_lt(seq, t->rtt_seq)) {
            t->rtt_time = 0; /* Karn: its acknowledgment could mean either copy */
        }
    } else {
        count(st, TcpOutSegs);
        if (len > 0) {
            count(st, TcpExtTCPOrigDataSent);
        }
        if (t->rtt_time == 0) { /* RFC 6298 3: one sample a round trip */
            t->rtt_time = st->now;
            t->rtt_seq = end;
        }
    }
    t->snd_nxt = seq_max(t->snd_nxt, end);
    return 0;
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
    if (t->nodelay || t->snd_nxt == t->snd_una) {
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
    const struct journal_subject subject = tcp_subject(t);
    JOURNAL(st, EV_TCP_LIMIT_OUT, &subject, backlog, queued);
    return true;
}

/* Sends text and FIN as far as window, cwnd and the rules against small segments allow. force: they
 * don't count for one segment. */
static void send_what_may(struct td_stack *st, struct tcb *t, bool force)
{
    t->out_limited = false;
    t->cwnd_limited = false;
    for (unsigned errors = 0; errors < 3;) {
        tcp_seq pos = t->rtx_nxt;
        tcp_seq end = sndbuf_end(&t->snd);
        if (seq_gt(pos, end)) {
            return; /* the FIN is out */
        }
        uint32_t queued = end - pos;
        bool fin = t->fin_queued;
        if (queued == 0 && !fin) {
            return;
        }
        bool again = seq_lt(pos, t->snd_nxt);
        uint32_t cwnd = t->cc.cwnd;
        uint32_t limited = 0;
        if (!t->in_recovery && t->dupacks > 0 && !again) { /* RFC 3042 */
            limited = t->dupacks < LIMITED_TRANSMIT ? t->dupacks : LIMITED_TRANSMIT;
            cwnd += limited * t->mss;
        }
        bool by_cwnd = cwnd < t->snd_wnd;
        int32_t room = seq_diff(t->snd_una + (by_cwnd ? cwnd : t->snd_wnd), pos);
        uint32_t usable = room > 0 ? (uint32_t)room : 0;
        uint32_t len = queued < t->mss ? queued : t->mss;
        len = len < usable ? len : usable;
        fin = fin && len == queued && usable > len;
        if (len == 0 && !fin) {
            t->cwnd_limited = by_cwnd;
            hold(st, t, by_cwnd ? W_TCP_CWND : W_TCP_WINDOW, queued, usable);
            return;
        }
        if (len < t->mss && !again && !fin && !force && len < (t->max_snd_wnd + 1) / 2) {
            if (len < queued) {
                t->cwnd_limited = by_cwnd;
                hold(st, t, by_cwnd ? W_TCP_CWND : W_TCP_SWS, queued, usable);
                return;
            }
            if (t->cork || t->more) {
                hold(st, t, W_TCP_CORK, queued, usable);
                return;
            }
            if (nagle_holds(st, t)) {
                hold(st, t, W_TCP_NAGLE, queued, usable);
                return;
            }
        } else if (len < t->mss && len == queued && !again && !fin && !force &&
                   (t->cork || t->more || nagle_holds(st, t))) {
            hold(st, t, t->cork || t->more ? W_TCP_CORK : W_TCP_NAGLE, queued, usable);
            return;
        }
        if (len > 0 && tcp_pacing_wait(st, t)) {
            return;
        }
        if (egress_full(st, t, queued)) {
            t->out_limited = true;
            return;
        }
        if (!again) {
            tcp_cwnd_before_text(st, t);
        }
        /* again: after a time-out, up to what was in flight then; or text that a probe began */
        bool back = seq_lt(pos, t->recover);
        int err = send_text(st, t, pos, len, fin, back ? W_TCP_GO_BACK : W_TCP_WINDOW);
        if (err == -EMSGSIZE) {
            errors++;
            continue;
        }
        if (err != 0) {
            t->out_limited = err == -ENOBUFS;
            return;
        }
        if (limited > 0 && seq_gt(pos + len, t->snd_una + t->cc.cwnd)) {
            t->limited_sent += len;
        }
        tcp_pacing_sent(st, t, len);
        t->rtx_nxt = pos + len + fin;
        force = false;
    }
}

/* ---- the acknowledgment alone ---- */

void tcp_send_ack(struct td_stack *st, struct tcb *t)
{
    struct tcp_emit e = emit_for(t);
    e.seq = tcp_ack_seq(t);
    e.ack = t->rcv_nxt;
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
        if (t->ack_now) {
            tcp_send_ack(st, t);
        }
        return;
    default:
        break;
    }
    send_what_may(st, t, force);
    tcp_cwnd_validate(st, t, t->cwnd_limited);
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
    const struct journal_subject subject = tcp_subject(t);
    JOURNAL(st, EV_TCP_OVERRIDE, &subject, sndbuf_end(&t->snd) - t->snd_nxt);
    output(st, t, true);
}

/* ---- segments outside the window's rules ---- */

void tcp_send_syn(struct td_stack *st, struct tcb *t)
{
    bool again = t->snd_nxt != t->iss;
    struct tcp_emit e = emit_for(t);
    e.seq = t->iss;
    e.flags = TCP_SYN;
    if (t->state != TCPS_SYN_SENT) {
        e.flags |= TCP_ACK;
        e.ack = t->rcv_nxt;
    }
    e.flags |= tcp_ecn_syn_flags(st, t);
    tcp_syn_options_offer(st, t, &e.o);
    e.wnd = tcp_window_field(st, t, true);
    int err = tcp_emit_segment(st, &e);
    if (err != 0) {
        (void)send_failed(st, t, t->iss, 0, err);
    }
    t->snd_nxt = again ? t->snd_nxt : t->iss + 1;
    t->rtx_nxt = t->iss + 1;
    t->segs_out += !t->passive; /* a SYN-ACK isn't counted, as in Linux */
    if (again) {
        const struct journal_subject subject = tcp_subject(t);
        count(st, TcpRetransSegs);
        t->total_retrans++;
        t->rtt_time = 0;
        JOURNAL(st, EV_TCP_RETRANSMIT, &subject, t->iss, 0, W_TCP_RTO_FIRED, t->rexmits,
                t->rtt.rto);
    } else {
        count(st, TcpOutSegs);
        t->rtt_time = st->now;
        t->rtt_seq = t->iss + 1;
    }
}

int tcp_retransmit_first(struct td_stack *st, struct tcb *t, enum journal_word why)
{
    uint32_t text = sndbuf_end(&t->snd) - t->snd_una;
    uint32_t sent = t->snd_nxt - t->snd_una;
    uint32_t len = text < sent ? text : sent;
    len = len < t->mss ? len : t->mss;
    bool fin = t->fin_sent && len == text;
    if (len == 0 && !fin) {
        return 0;
    }
    return send_text(st, t, t->snd_una, len, fin, why);
}

/* 3.8.6.1: one octet beyond the closed window, or the FIN. It counts as sent, but sending goes on
 * from it, so that it is part of the first segment when the window opens. */
void tcp_window_probe(struct td_stack *st, struct tcb *t)
{
    uint32_t text = sndbuf_end(&t->snd) - t->snd_una;
    if (text == 0 && !t->fin_queued) {
        return;
    }
    count(st, TcpExtTCPWinProbe);
    (void)send_text(st, t, t->snd_una, text > 0 ? 1 : 0, text == 0, W_TCP_WINDOW);
    t->rtt_time = 0;
    t->rtx_nxt = t->snd_una;
}

/* 3.8.4: SEG.SEQ = SND.NXT-1, no text (SHLD-12): outside the peer's window, so it must answer. */
void tcp_keepalive_probe(struct td_stack *st, struct tcb *t)
{
    struct tcp_emit e = emit_for(t);
    e.seq = t->snd_nxt - 1;
    e.ack = t->rcv_nxt;
    e.flags = TCP_ACK;
    e.wnd = tcp_window_field(st, t, false);
    tcp_options_fill(st, t, &e);
    count(st, TcpOutSegs);
    t->segs_out++;
    (void)tcp_emit_segment(st, &e);
}

void tcp_send_rst(struct td_stack *st, struct tcb *t, enum journal_word why)
{
    const struct journal_subject subject = tcp_subject(t);
    struct tcp_emit e = emit_for(t);
    e.seq = tcp_ack_seq(t);
    e.ack = t->rcv_nxt;
    e.flags = TCP_RST | TCP_ACK;
    tcp_options_fill(st, t, &e);
    JOURNAL(st, EV_TCP_RST_OUT, &subject, why, e.seq, e.ack);
    count(st, TcpOutSegs);
    count(st, TcpOutRsts);
    t->segs_out++;
    (void)tcp_emit_segment(st, &e);
}
