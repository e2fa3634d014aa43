/* tcp/input_sync.c: SEGMENT ARRIVES in SYN-RECEIVED and the synchronized states (RFC
 * 9293 3.10.7.4).
 *
 * Theory of operation. Eight steps, in the RFC's order: sequence number, RST, security, SYN, ACK,
 * URG, text, FIN. Each may end the processing. The answer to a segment that isn't acceptable is an
 * acknowledgment that tells the peer where we are (3.5.2); such answers are limited, so that two
 * confused peers can't keep each other busy, and so are the challenge ACKs of RFC 5961, which
 * protect against somebody who only guesses. Both limits belong to one connection: a shared one
 * could be observed from another.
 *
 * Where the RFC contradicts itself, README.md ("TCP decisions") says what was chosen.
 */
#include "tcp/tcp_internal.h"

#include <errno.h>
#include <poll.h>

/* ---- answers ---- */

/* RFC 5961 7: so many a second. */
bool tcp_challenge_allowed(struct td_stack *st, struct tcb *t)
{
    uint32_t second = (uint32_t)(st->now / TD_SEC) + 1;
    if (t->challenge_s != second) {
        t->challenge_s = second;
        t->challenges = 0;
    }
    if (t->challenges >= (uint64_t)knob(st, TCP_CHALLENGE_ACK_LIMIT) ||
        t->challenges == UINT16_MAX) {
        count(st, TcpExtTCPACKSkippedChallenge);
        return false;
    }
    t->challenges++;
    return true;
}

static void challenge(struct td_stack *st, struct tcb *t, const struct tcp_seg *s,
                      enum journal_word why)
{
    if (!tcp_challenge_allowed(st, t)) {
        return;
    }
    const struct journal_subject subject = tcp_seg_subject(s, t);
    count(st, TcpExtTCPChallengeACK);
    JOURNAL(st, EV_TCP_CHALLENGE, &subject, why, tcp_ack_seq(t), t->rcv_nxt);
    tcp_send_ack(st, t);
}

/* Linux's window begins one octet to the left, at Last.ACK.sent - 1: a copy of what was acknowledged
 * last still counts by its timestamp, so that the ACK it causes echoes it (7323 4.3) and the peer's
 * round trip isn't that of the original, whose ACK was lost. But not if no clock can have come so
 * far since: whoever made it up would have PAWS refuse the peer's own text. */
static bool repeats_last(const struct td_stack *st, const struct tcb *t, const struct tcp_seg *s)
{
    return tcp_as_linux(st) && (s->flags & (TCP_SYN | TCP_ACK)) == TCP_ACK && s->len > 0 &&
           s->seq + s->len == t->last_ack_sent && seq_le(s->ack, t->snd_nxt) &&
           seq_ge(s->ack, t->snd_una - t->max_snd_wnd) && tcp_ts_plausible(st, t, s);
}

/* The ACK of step 1. Text or a FIN is the peer's to repeat, so each is answered; bare segments
 * could be the answers to our answers. */
static void answer_unacceptable(struct td_stack *st, struct tcb *t, const struct tcp_seg *s)
{
    uint32_t now = (uint32_t)(st->now / TD_MS) + 1;
    if (s->len == 0 || (s->flags & TCP_SYN) != 0) {
        if (t->oow_last_ms != 0 &&
            now - t->oow_last_ms < (uint64_t)knob(st, TCP_INVALID_RATELIMIT)) {
            return;
        }
        t->oow_last_ms = now;
    }
    if (s->len > 0 && seq_lt(s->seq, t->rcv_nxt) && (s->flags & TCP_SYN) == 0) {
        tcp_seq end = s->seq + s->len; /* it has it already, and doesn't know */
        count(st, TcpExtDelayedACKLost);
        tcp_quickack_enter(st, t, TCP_QUICK_MOST);
        tcp_sack_dup(st, t, s->seq, seq_lt(end, t->rcv_nxt) ? end : t->rcv_nxt);
    }
    t->ack_now = true;
    tcp_mark(st, t);
}

static void drop_window(struct td_stack *st, const struct tcb *t, const struct tcp_seg *s)
{
    const struct journal_subject subject = tcp_seg_subject(s, t);
    JOURNAL_CAUSE(st, EV_TCP_DROP_WINDOW, &subject, s->flags, s->seq, s->text, t->rcv_nxt, t->rcv_wnd);
}

/* ---- first, check the sequence number ---- */

/* Where it may shrink, the peer may not know yet: what was offered once is accepted (RFC 7323 2.4,
 * 7323-08). In Linux it does when there was no room, too; what lies beyond is dropped later then. */
static uint32_t accept_window(const struct td_stack *st, const struct tcb *t)
{
    bool may = knob(st, TCP_SHRINK_WINDOW) != 0 || t->rcv_retracted;
    bool shrunk = may && seq_gt(t->rcv_edge, t->rcv_nxt + t->rcv_wnd);
    return shrunk ? t->rcv_edge - t->rcv_nxt : t->rcv_wnd;
}

static bool acceptable(const struct td_stack *st, const struct tcb *t, tcp_seq seq, uint32_t len)
{
    uint32_t wnd = accept_window(st, t);
    if (wnd == 0) {
        return len == 0 && seq == t->rcv_nxt;
    }
    if (len == 0) {
        return seq_in(seq, t->rcv_nxt, wnd);
    }
    return seq_in(seq, t->rcv_nxt, wnd) || seq_in(seq + len - 1, t->rcv_nxt, wnd);
}

/* Does it reach beyond the window with unread text before it? Linux doesn't cut it then, but drops
 * the whole: the peer ignores the window. If all was read it is welcome, to the last octet. */
static bool reaches_beyond(const struct td_stack *st, const struct tcb *t, const struct tcp_seg *s)
{
    return tcp_as_linux(st) && s->text > 0 && t->rcv.q.bytes > 0 &&
           seq_gt(s->seq + s->len, t->rcv_nxt + accept_window(st, t));
}

/* A FIN alone at a closed window breaks the rules of the window, but holding out against it would
 * only make it come again for ever: Linux takes it. */
static bool bare_fin(const struct td_stack *st, const struct tcb *t, const struct tcp_seg *s)
{
    return tcp_as_linux(st) && s->text == 0 && s->seq == t->rcv_nxt &&
           (s->flags & (TCP_FIN | TCP_SYN)) == TCP_FIN && accept_window(st, t) == 0;
}

/* "tailor it to the window": what is old in front, what is beyond behind, SYN and FIN included. */
static void trim(struct td_stack *st, struct tcb *t, struct tcp_seg *s)
{
    uint32_t front = 0, back = 0;
    if (seq_lt(s->seq, t->rcv_nxt)) {
        tcp_sack_dup(st, t, s->seq, t->rcv_nxt);
        front = t->rcv_nxt - s->seq;
        uint32_t text = front;
        if ((s->flags & TCP_SYN) != 0) {
            s->flags &= (uint16_t)~TCP_SYN;
            text--;
        }
        if (text > s->text) {
            s->flags &= (uint16_t)~TCP_FIN;
            text = s->text;
        }
        (void)pkt_pull(s->p, text);
        s->text -= text;
        s->len -= front;
        s->seq += front;
        if ((s->flags & TCP_URG) != 0) {
            if (s->urp > front) {
                s->urp = (uint16_t)(s->urp - front);
            } else {
                s->flags &= (uint16_t)~TCP_URG;
            }
        }
    }
    tcp_seq edge = t->rcv_nxt + accept_window(st, t);
    if (!tcp_as_linux(st) && seq_gt(s->seq + s->len, edge)) {
        back = s->seq + s->len - edge;
        uint32_t text = back;
        if ((s->flags & TCP_FIN) != 0) {
            s->flags &= (uint16_t)~TCP_FIN;
            text--;
        }
        pkt_trim(s->p, s->text - text);
        s->text -= text;
        s->len -= back;
    }
    if (front != 0 || back != 0) {
        const struct journal_subject subject = tcp_seg_subject(s, t);
        JOURNAL(st, EV_TCP_TRIM, &subject, s->seq, front, back);
    }
}

/* ---- before the first: timestamps (RFC 7323 3.2, 5.3 R1) ---- */

/* False: the segment is dropped. Resets are exempt. */
static bool timestamp_step(struct td_stack *st, struct tcb *t, const struct tcp_seg *s)
{
    const struct tcp_opts *o = &s->h->o;
    if (!t->ts_ok || (s->flags & TCP_RST) != 0) {
        return true;
    }
    const struct journal_subject subject = tcp_seg_subject(s, t);
    if (!o->has_ts) {
        if (knob(st, TCP_TS_REQUIRED) == 0) {
            return true;
        }
        JOURNAL(st, EV_TCP_DROP_NO_TS, &subject, s->flags, s->seq, s->text);
        return false;
    }
    enum tcp_paws verdict = tcp_paws(st, t, s);
    if (verdict == TCP_PAWS_OK || FAULT_ON(st, NO_PAWS)) {
        return true;
    }
    JOURNAL_CAUSE(st, EV_TCP_DROP_PAWS, &subject, s->flags, s->seq, s->text, o->ts_val, t->ts_recent);
    if (verdict == TCP_PAWS_OLD_ACK) {
        count(st, TcpExtPAWSOldAck);
        return false;
    }
    count(st, TcpExtPAWSEstab);
    answer_unacceptable(st, t, s);
    return false;
}

/* ---- second, check the RST bit ---- */

static void reset_by_peer(struct td_stack *st, struct tcb *t, const struct tcp_seg *s)
{
    const struct journal_subject subject = tcp_seg_subject(s, t);
    JOURNAL_CAUSE(st, EV_TCP_RST_IN, &subject, s->seq, t->state);
    switch ((enum tcp_state)t->state) {
    case TCPS_SYN_RECEIVED: /* passive: back to listening, the user isn't told (MUST-11) */
        count(st, TcpAttemptFails);
        tcp_finish(st, t,
                   t->tfo_serial != 0 ? ECONNRESET
                   : t->passive       ? 0
                                      : ECONNREFUSED,
                   W_TCP_RESET_BY_PEER);
        break;
    case TCPS_ESTABLISHED:
    case TCPS_CLOSE_WAIT:
        count(st, TcpEstabResets);
        /* fall through */
    case TCPS_FIN_WAIT_1:
    case TCPS_FIN_WAIT_2:
        tcp_finish(st, t, t->state == TCPS_CLOSE_WAIT ? EPIPE : ECONNRESET, W_TCP_RESET_BY_PEER);
        break;
    default: /* CLOSING, LAST-ACK: the user has gone already */
        tcp_finish(st, t, 0, W_TCP_RESET_BY_PEER);
        break;
    }
}

static void rst_step(struct td_stack *st, struct tcb *t, const struct tcp_seg *s)
{
    const struct journal_subject subject = tcp_seg_subject(s, t);
    bool strict = knob(st, TCP_CHALLENGE_ACK) != 0 && !FAULT_ON(st, ANY_RST);
    /* Only SEG.SEQ counts; text is allowed (SHLD-2), a closed window doesn't matter (MUST-66). */
    if (s->seq == t->rcv_nxt || (!strict && seq_in(s->seq, t->rcv_nxt, t->rcv_wnd))) {
        reset_by_peer(st, t, s);
    } else if (seq_in(s->seq, t->rcv_nxt, t->rcv_wnd)) {
        JOURNAL_CAUSE(st, EV_TCP_DROP_RST, &subject, W_TCP_IN_WINDOW, s->seq, t->state);
        challenge(st, t, s, W_TCP_IN_WINDOW);
    } else {
        JOURNAL_CAUSE(st, EV_TCP_DROP_RST, &subject, W_TCP_OUT_OF_WINDOW, s->seq, t->state);
    }
}

/* ---- fourth, check the SYN bit ---- */

/* Conflict 3: in a simultaneous open both SYN,ACKs carry SEG.SEQ = IRS, below the window; Figure 7
 * accepts them. */
static bool crossed_syn_ack(const struct tcb *t, const struct tcp_seg *s)
{
    return t->state == TCPS_SYN_RECEIVED && !t->passive &&
           (s->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == (TCP_SYN | TCP_ACK) && s->seq == t->irs &&
           seq_gt(s->ack, t->snd_una) && seq_le(s->ack, t->snd_nxt);
}

static void syn_step(struct td_stack *st, struct tcb *t, const struct tcp_seg *s)
{
    const struct journal_subject subject = tcp_seg_subject(s, t);
    JOURNAL_CAUSE(st, EV_TCP_DROP_SYN_SYNC, &subject, s->flags, s->seq, t->state);
    bool in_window = acceptable(st, t, s->seq, s->len);
    if (t->state == TCPS_SYN_RECEIVED && t->passive && t->tfo_serial == 0 && in_window) {
        /* return to LISTEN */
        count(st, TcpAttemptFails);
        tcp_finish(st, t, 0, W_TCP_SYN_AGAIN);
        return;
    }
    if (knob(st, TCP_CHALLENGE_ACK) == 0 && in_window) { /* RFC 793's rule */
        tcp_reset_reply(st, s, W_TCP_SYN);
        tcp_finish(st, t, ECONNRESET, W_TCP_SYN);
        return;
    }
    count(st, TcpExtTCPSYNChallenge);
    challenge(st, t, s, W_TCP_SYN);
}

/* ---- fifth, check the ACK field ---- */

static void drop_ack(struct td_stack *st, const struct tcb *t, const struct tcp_seg *s,
                     enum journal_word why)
{
    const struct journal_subject subject = tcp_seg_subject(s, t);
    JOURNAL_CAUSE(st, EV_TCP_DROP_ACK, &subject, why, s->ack, t->snd_una, t->snd_nxt);
}

static bool syn_received_ack(struct td_stack *st, struct tcb *t, struct tcp_seg *s)
{
    if (!seq_gt(s->ack, t->snd_una) || seq_gt(s->ack, t->snd_nxt)) {
        drop_ack(st, t, s, W_TCP_BAD_ACK);
        tcp_reset_reply(st, s, W_TCP_BAD_ACK); /* conflict 2 */
        return false;
    }
    t->snd_una = t->iss + 1;
    t->rtx_nxt = seq_max(t->rtx_nxt, t->snd_una);
    tcp_handshake_sample(st, t, s);
    t->snd_wnd = s->wnd;
    t->max_snd_wnd = s->wnd;
    t->snd_wl1 = s->seq;
    t->snd_wl2 = t->snd_una;
    tcp_ts_update(st, t, s);
    tcp_enter_established(st, t, W_TCP_SYN_ACKED);
    if (t->tfo_serial != 0) { /* its user may have it already, and may have sent something */
        tcp_fastopen_child_done(st, t, false);
    } else if (tcp_parent(t) != NULL) {
        tcp_listen_complete(st, t);
    }
    bool early = t->snd_nxt != t->snd_una && s->h->o.nsack > 0; /* Fast Open: SACK of the answer */
    if (s->ack != t->snd_una || early) {
        tcp_ack_received(st, t, s);
    }
    return true;
}

static bool our_fin_acked(const struct tcb *t)
{
    return t->fin_sent && t->snd_una == sndbuf_end(&t->snd) + 1;
}

/* False: the segment is done with. */
static bool ack_step(struct td_stack *st, struct tcb *t, struct tcp_seg *s)
{
    if ((s->flags & TCP_ACK) == 0) { /* "if the ACK bit is off, drop the segment" */
        const struct journal_subject subject = tcp_seg_subject(s, t);
        JOURNAL(st, EV_TCP_DROP_NO_ACK, &subject, s->flags, s->seq);
        return false;
    }
    if (t->state == TCPS_SYN_RECEIVED) {
        return syn_received_ack(st, t, s);
    }
    if (seq_gt(s->ack, t->snd_nxt)) { /* "acks something not yet sent: send an ACK, drop" */
        drop_ack(st, t, s, W_TCP_ACK_UNSENT);
        if (t->state != TCPS_ESTABLISHED || !tcp_as_linux(st)) { /* Linux keeps silent there */
            challenge(st, t, s, W_TCP_ACK_UNSENT);
        }
        return false;
    }
    if (seq_lt(s->ack, t->snd_una - t->max_snd_wnd)) { /* RFC 5961 5.2 */
        drop_ack(st, t, s, W_TCP_ACK_OLD);
        challenge(st, t, s, W_TCP_ACK_OLD);
        return false;
    }
    tcp_ts_update(st, t, s); /* not by an ACK that means nothing: it isn't the peer's, perhaps */
    tcp_ack_received(st, t, s);
    if (t->tfo_serial != 0 && t->snd_una != t->iss) { /* Fast Open, and closed early */
        tcp_fastopen_child_done(st, t, false);
        tcp_rtx_update(st, t, true);
    }
    switch ((enum tcp_state)t->state) {
    case TCPS_FIN_WAIT_1:
        if (our_fin_acked(t)) {
            tcp_set_state(st, t, TCPS_FIN_WAIT_2, W_TCP_FIN_ACKED);
            if (tcp_is_orphan(t)) {
                tcp_fin_wait_2_arm(st, t);
            }
        }
        break;
    case TCPS_CLOSING:
        if (our_fin_acked(t)) {
            if (t->ack_now) { /* the peer's FIN came in the same batch: no flush will see this TCB
                                 again */
                tcp_send_ack(st, t);
            }
            tcp_time_wait(st, t, W_TCP_FIN_ACKED);
            return false;
        }
        break;
    case TCPS_LAST_ACK:
        if (our_fin_acked(t)) {
            tcp_finish(st, t, 0, W_TCP_FIN_ACKED);
            return false;
        }
        break;
    default:
        break;
    }
    return true;
}

/* ---- sixth, check the URG bit ---- */

static void urg_step(struct td_stack *st, struct tcb *t, const struct tcp_seg *s)
{
    if ((s->flags & TCP_URG) == 0 || t->fin_rcvd) { /* the peer has sent its FIN: ignore */
        return;
    }
    tcp_seq up = s->seq + s->urp;
    /* RCV.UP never recedes; a pointer at or behind what was taken already says nothing. */
    if (s->urp == 0 || seq_le(up, t->copied_seq) ||
        (t->urg_state != TURG_NONE && seq_le(up, t->rcv_up))) {
        return;
    }
    const struct journal_subject subject = tcp_seg_subject(s, t);
    t->rcv_up = up;
    t->urg_seq = up - 1; /* MUST-62: the pointer is the octet behind the urgent one */
    t->urg_state = TURG_PENDING;
    t->urg_mode = true;
    JOURNAL(st, EV_TCP_URGENT_IN, &subject, up, up - t->copied_seq);
    tcp_notify(st, t, POLLPRI);
}

/* ---- seventh, process the segment text ---- */

static void drop_text(struct td_stack *st, const struct tcb *t, const struct tcp_seg *s,
                      enum journal_word why)
{
    const struct journal_subject subject = tcp_seg_subject(s, t);
    JOURNAL(st, EV_TCP_DROP_TEXT, &subject, why, s->seq, s->text);
}

/* The size of the peer's segments, and what they cost in memory: the window rests on both. Larger
 * segments than before are judged by themselves; Linux judges no others. */
static void measure(const struct td_stack *st, struct tcb *t, const struct tcp_seg *s,
                    const struct pkt *p)
{
    uint16_t was = t->rcv_mss;
    uint32_t size = tcp_measure_rcv_mss(t, s, p);
    bool larger = tcp_as_linux(st) ? size > was : t->rcv_mss > was;
    bool judged = s->seq == t->rcv_nxt || larger; /* what is beyond a hole may be odd */
    if (!judged || p->truesize == 0 || p->len < t->rcv_mss / 2u ||
        (tcp_as_linux(st) && !larger)) {
        return;
    }
    uint32_t ratio = (uint32_t)((uint64_t)p->len * 256 / p->truesize);
    ratio = ratio < 16 ? 16 : ratio > 250 ? 250 : ratio;
    t->win_ratio = (uint8_t)(larger ? ratio : (t->win_ratio * 7u + ratio + 4) / 8);
}

#define TEXT_SLACK 65536u /* small buffers take a few segments, whatever these cost */

/* Is there memory for text in order? The window alone doesn't bound it: segments may cost more than
 * the ratio measured, and those below the unit of the window's scale win back what they take. At
 * twice the limit and a little what lies beyond the hole goes first: the peer has it still. A buffer
 * of a size that was asked for may have been made smaller since the window was told: Linux then
 * takes back what it offered, and says so at once; the same for a segment far beyond the window. */
static bool room_for_text(struct td_stack *st, struct tcb *t, const struct pkt *p)
{
    uint32_t share = tcp_rcvbuf_share(st, t);
    uint64_t most = (uint64_t)share * 2 + TEXT_SLACK;
    bool empty = t->rcv.q.head == NULL, locked = tcp_as_linux(st) && t->rcvbuf_locked;
    bool giant = locked && p->len > t->rcv_wnd && p->len > 2 * (uint64_t)share;
    if (t->rcv.truesize + (uint64_t)p->truesize > most && t->rcv.held != NULL) {
        rcvbuf_drop_held(&t->rcv);
        tcp_sack_clear(st, t); /* RFC 2018 8: what isn't there any more isn't reported */
    }
    bool fits = t->rcv.truesize + (uint64_t)p->truesize <= most;
    if (locked && (giant || !fits)) { /* the window starts over from two segments */
        t->quickacks = 0;
        t->rcv_ssthresh = 2u * t->adv_mss;
        t->rcv_nomem = true;
        t->ack_now = true;
        tcp_mark(st, t);
    }
    return empty || fits;
}

/* RCV.NXT moves, the advertised edge stays where it is: both at once, because a D-SACK that waits
 * may make an ACK leave at any step in between. */
static void advance(struct tcb *t, uint32_t text)
{
    t->rcv_nxt += text;
    t->rcv_wnd = t->rcv_wnd > text ? t->rcv_wnd - text : 0;
}

/* Text at RCV.NXT, in the window. */
static void take_text(struct td_stack *st, struct tcb *t, struct tcp_seg *s)
{
    struct pkt *p = s->p;
    uint32_t n = s->text, size = p->truesize;
    s->p = NULL;
    tcp_ecn_text_in(st, t, s);
    measure(st, t, s, p);
    rcvbuf_append(&t->rcv, p);
    advance(t, n);
    tcp_ack_text_in(st, t);
    tcp_window_grow(st, t, n, size);
    if (t->rcv.held != NULL) {
        struct tcp_sack_block part;
        if (rcvbuf_held(&t->rcv, s->seq, n, &part)) {
            tcp_sack_dup(st, t, part.left, part.right);
        }
        uint32_t more = rcvbuf_advance(&t->rcv, t->rcv_nxt);
        const struct journal_subject subject = tcp_seg_subject(s, t);
        advance(t, more);
        n += more;
        tcp_sack_advance(st, t);
        JOURNAL(st, EV_TCP_OOO_FILLED, &subject, more, rcvbuf_pieces(&t->rcv));
        t->ack_now = true; /* a hole is filled, or there are others (RFC 5681 4.2) */
    }
    t->bytes_received += n;
    t->dup_owed = 0;
    tcp_ack_check(st, t, false);
    tcp_rcv_rtt_ts(st, t, s);
    tcp_rcv_rtt(st, t);
    if (t->orphan || t->rd_shut) { /* nobody will read it */
        t->copied_seq += rcvbuf_drop_queue(&t->rcv);
    } else {
        tcp_notify(st, t, POLLIN);
    }
}

/* Memory for what lies beyond a hole: somebody may make holes on purpose, in many connections. */
static uint32_t hold_limit(const struct td_stack *st, const struct tcb *t)
{
    uint32_t share = tcp_rcvbuf_share(st, t);
    return tcp_memory(st) == TCP_MEMORY_SHORT ? 0 : share + (share >> 1);
}

static void hold_text(struct td_stack *st, struct tcb *t, struct tcp_seg *s)
{
    const struct journal_subject subject = tcp_seg_subject(s, t);
    struct pkt *p = s->p;
    uint32_t most = hold_limit(st, t), size = p->truesize;
    struct tcp_sack_block block;
    tcp_ecn_text_in(st, t, s);
    if (t->rcv.truesize + p->truesize > most || FAULT_ON(st, NO_REASSEMBLY)) {
        count(st, TcpExtTCPOFODrop);
        drop_text(st, t, s, W_TCP_BUFFER_FULL);
    } else {
        uint32_t hole = s->seq - t->rcv_nxt;
        s->p = NULL;
        measure(st, t, s, p);
        if (rcvbuf_held(&t->rcv, s->seq, s->text, &block)) {
            tcp_sack_dup(st, t, block.left, block.right);
        }
        int64_t fresh = rcvbuf_insert(&t->rcv, tcp_reassembly(st, t), p, s->seq);
        if (fresh == TD_REASSEMBLY_REFUSED) {
            count(st, TcpExtTCPOFODrop);
            drop_text(st, t, s, W_LIMIT);
        } else {
            count(st, TcpExtTCPOFOQueue);
            JOURNAL(st, EV_TCP_OOO, &subject, s->seq, s->text, hole, rcvbuf_pieces(&t->rcv));
            if (t->sack_ok && fresh > 0) {
                tcp_window_grow(st, t, s->text, size);
            }
            if (rcvbuf_run(&t->rcv, s->seq, &block)) {
                bool fin = t->fin_ooo && t->fin_seq == block.right;
                bool ends = (s->flags & TCP_FIN) != 0 && s->seq + s->text == block.right;
                block.right += fin || ends;
                tcp_sack_held(st, t, block);
            }
        }
    }
    tcp_ack_check(st, t, true);
}

/* False: the connection is over. */
static bool text_step(struct td_stack *st, struct tcb *t, struct tcp_seg *s)
{
    if (s->text == 0) {
        return true;
    }
    switch ((enum tcp_state)t->state) {
    case TCPS_SYN_RECEIVED: /* Fast Open: the SYN's text */
    case TCPS_ESTABLISHED:
    case TCPS_FIN_WAIT_1:
    case TCPS_FIN_WAIT_2:
        break;
    default: /* "this should not occur, since a FIN has been received: ignore the text" */
        drop_text(st, t, s, W_TCP_AFTER_FIN);
        return true;
    }
    if (t->fin_ooo && seq_ge(s->seq, t->fin_seq)) {
        drop_text(st, t, s, W_TCP_AFTER_FIN);
        return true;
    }
    if (t->orphan && seq_gt(s->seq + s->text, t->rcv_nxt)) { /* SHLD-3: it would be lost, say so */
        count(st, TcpExtTCPAbortOnData);
        tcp_abort_with(st, t, 0, W_TCP_DATA_AFTER_CLOSE);
        return false;
    }
    bool retracted = t->rcv_retracted && knob(st, TCP_SHRINK_WINDOW) == 0;
    if (retracted && seq_ge(s->seq, t->rcv_nxt + t->rcv_wnd)) { /* closed without warning */
        if (s->seq == t->rcv_nxt) {
            count(st, TcpExtTCPZeroWindowDrop);
        } else {
            count(st, TcpExtBeyondWindow);
        }
        drop_text(st, t, s, W_TCP_BUFFER_FULL);
        tcp_quickack_enter(st, t, TCP_QUICK_MOST);
        t->ack_now = true;
        tcp_mark(st, t);
    } else if (s->seq == t->rcv_nxt && !room_for_text(st, t, s->p)) {
        count(st, TcpExtTCPRcvQDrop);
        drop_text(st, t, s, W_TCP_BUFFER_FULL);
        t->ack_now = true;
        tcp_mark(st, t);
    } else if (s->seq == t->rcv_nxt) {
        take_text(st, t, s);
    } else {
        hold_text(st, t, s);
    }
    return true;
}

/* ---- eighth, check the FIN bit ---- */

/* A FIN is acknowledged at once; in Linux only where our side is closing too. Else the user may
 * close in a moment, and our FIN carries the ACK. */
static void fin_ack(struct td_stack *st, struct tcb *t)
{
    t->ack_sched = true;
    if (t->state == TCPS_ESTABLISHED && knob(st, TCP_PINGPONG_THRESH) != 0) {
        tcp_dialogue(st, t, true);
        tcp_ack_check(st, t, false);
        return;
    }
    t->ack_now = true;
    tcp_mark(st, t);
}

static void fin_step(struct td_stack *st, struct tcb *t, const struct tcp_seg *s)
{
    if ((s->flags & TCP_FIN) != 0 && !t->fin_rcvd) {
        t->fin_ooo = true; /* it counts when all before it is there */
        t->fin_seq = s->seq + s->text;
        if (s->text == 0 && t->fin_seq != t->rcv_nxt) { /* alone beyond a hole: out of order, too */
            struct tcp_sack_block block = {t->fin_seq, t->fin_seq + 1};
            if (rcvbuf_run(&t->rcv, t->fin_seq, &block)) {
                block.right++;
            }
            tcp_sack_held(st, t, block);
            tcp_ack_check(st, t, true);
        }
    }
    if (!t->fin_ooo || t->fin_seq != t->rcv_nxt || t->fin_rcvd) {
        return;
    }
    t->fin_ooo = false;
    t->fin_rcvd = true;
    t->rcv_nxt++;
    t->rcv_wnd = t->rcv_wnd > 0 ? t->rcv_wnd - 1 : 0;
    tcp_sack_advance(st, t);
    if (tcp_as_linux(st)) { /* nothing is reported any more, not even what came twice */
        tcp_sack_clear(st, t);
    }
    fin_ack(st, t);
    switch ((enum tcp_state)t->state) {
    case TCPS_SYN_RECEIVED:
    case TCPS_ESTABLISHED:
        tcp_set_state(st, t, TCPS_CLOSE_WAIT, W_TCP_FIN_RECEIVED);
        break;
    case TCPS_FIN_WAIT_1:
        if (our_fin_acked(t)) {
            tcp_send_ack(st, t);
            tcp_time_wait(st, t, W_TCP_FIN_RECEIVED);
            return;
        }
        tcp_set_state(st, t, TCPS_CLOSING, W_TCP_FIN_RECEIVED);
        break;
    case TCPS_FIN_WAIT_2:
        tcp_send_ack(st, t);
        tcp_time_wait(st, t, W_TCP_FIN_RECEIVED);
        return;
    default:
        break;
    }
    tcp_notify(st, t, POLLIN | POLLRDHUP);
}

/* ---- the eight steps ---- */

void tcp_segment_rest(struct td_stack *st, struct tcb *t, struct tcp_seg *s)
{
    if (t->state != TCPS_SYN_RECEIVED && seq_gt(s->seq + s->len, t->rcv_nxt + t->rcv_wnd)) {
        trim(st, t, s);
    }
    urg_step(st, t, s);
    if (text_step(st, t, s)) {
        fin_step(st, t, s);
    }
}

void tcp_segment_synchronized(struct td_stack *st, struct tcb *t, struct tcp_seg *s)
{
    t->last_rcvd = st->now;
    if (crossed_syn_ack(t, s)) {
        s->flags &= (uint16_t)~TCP_SYN;
        s->seq++;
        s->len--;
    }
    if (!timestamp_step(st, t, s)) {
        return;
    }
    if (t->tfo_serial != 0 && tcp_fastopen_syn_again(st, t, s)) {
        return;
    }
    /* Steps 2 and 4 before 1: RFC 5961 has window rules of its own for RST and SYN. */
    if ((s->flags & TCP_RST) != 0) {
        rst_step(st, t, s);
        return;
    }
    if ((s->flags & TCP_SYN) != 0 &&
        (t->state != TCPS_SYN_RECEIVED || acceptable(st, t, s->seq, s->len)) &&
        (knob(st, TCP_CHALLENGE_ACK) != 0 || acceptable(st, t, s->seq, s->len))) {
        syn_step(st, t, s);
        return;
    }
    /* first */
    if (acceptable(st, t, s->seq, s->len) && reaches_beyond(st, t, s)) {
        count(st, TcpExtBeyondWindow);
        drop_window(st, t, s);
        answer_unacceptable(st, t, s);
        return;
    }
    if (bare_fin(st, t, s)) {
        t->ack_now = true;
        tcp_mark(st, t);
    } else if (!acceptable(st, t, s->seq, s->len)) {
        /* "if the RCV.WND is zero, special allowance should be made to accept valid ACKs, URGs";
         * A.2 adds the segment at RCV.NXT-1: a keep-alive's or probe's ACK field is as good as any.
         */
        bool probe = (s->flags & TCP_SYN) == 0 &&
                     ((t->rcv_wnd == 0 && s->seq == t->rcv_nxt) || s->seq == t->rcv_nxt - 1);
        if (probe && (s->flags & TCP_ACK) != 0 && t->state != TCPS_SYN_RECEIVED) {
            struct tcp_seg bare = *s;
            bare.flags &= (uint16_t)~TCP_FIN;
            if (!ack_step(st, t, &bare)) {
                return;
            }
            urg_step(st, t, &bare);
            if (t->rcv_wnd == 0 && s->text > 0 && s->seq == t->rcv_nxt) {
                count(st, TcpExtTCPZeroWindowDrop);
            }
        } else if (repeats_last(st, t, s)) {
            tcp_ts_update(st, t, s);
        } else if (seq_gt(s->seq, t->rcv_nxt + accept_window(st, t))) {
            count(st, TcpExtBeyondWindow);
        }
        drop_window(st, t, s);
        answer_unacceptable(st, t, s);
        return;
    }
    trim(st, t, s);
    /* third: no compartments here. fifth */
    if (!ack_step(st, t, s)) {
        return;
    }
    tcp_uto_received(st, t, s);
    tcp_mark(st, t);
    tcp_segment_rest(st, t, s); /* sixth to eighth */
}

/* ---- the short way ---- */

/* Header prediction (Jacobson). In ESTABLISHED nearly every segment is one of two: the next text,
 * with nothing new in its ACK, or an acknowledgment of text with nothing else in it. For these the
 * eight steps above come down to what is done here; whatever isn't exactly so takes the long way.
 */
bool tcp_fast_path(struct td_stack *st, struct tcb *t, struct tcp_seg *s)
{
    if (t->state != TCPS_ESTABLISHED || (s->flags & ~TCP_PSH) != TCP_ACK || s->seq != t->rcv_nxt ||
        s->len > t->rcv_wnd || s->wnd != t->snd_wnd || s->h->o.has_uto) {
        return false;
    }
    /* Timestamps: it must have one, and not an old one. */
    if (t->ts_ok && (!s->h->o.has_ts || (int32_t)(s->h->o.ts_val - t->ts_recent) < 0)) {
        return false;
    }
    if (s->text == 0) {
        if (!seq_gt(s->ack, t->snd_una) || seq_gt(s->ack, t->snd_nxt) || t->rcv_wnd == 0) {
            return false;
        }
        t->last_rcvd = st->now;
        count(st, TcpExtTCPHPHits);
        count(st, TcpExtTCPPureAcks);
        tcp_ts_update(st, t, s);
        tcp_ack_received(st, t, s);
        tcp_mark(st, t);
        return true;
    }
    if (s->ack != t->snd_una || t->ca_state != TCPE_OPEN || s->h->o.nsack > 0 || t->fin_ooo ||
        t->orphan || t->rtx_kind == TRTX_PERSIST ||
        t->rcv.truesize + (uint64_t)s->p->truesize > tcp_rcvbuf_share(st, t)) {
        return false;
    }
    t->last_rcvd = st->now;
    t->probes = 0;
    count(st, TcpExtTCPHPHits);
    tcp_ts_update(st, t, s);
    tcp_update_window(st, t, s);
    take_text(st, t, s);
    return true;
}
