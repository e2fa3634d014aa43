/* tcp/ecn.c: explicit congestion notification (RFC 3168).
 *
 * Theory of operation. A router that would drop a segment for congestion may mark it instead, if
 * its sender said that it understands. Four codepoints in the TOS octet say who understands (ECT)
 * and what was marked (CE); two flags carry the news back and confirm it:
 *
 *      sender ── text, ECT(0) ──► router ── text, CE ──► receiver
 *         │ ◄── ECE on every ACK ──────────────────────────┘
 *         └─── cwnd cut once a window; CWR on the next new text ──► ECE stops
 *
 * Setting up: a SYN with ECE and CWR asks, a SYN-ACK with ECE alone agrees. Any other combination
 * means no, also a SYN-ACK that reflects both bits, as broken hosts do (6.1.1). Some firewalls drop
 * SYNs with these bits, so a SYN that has to be repeated doesn't ask again (6.1.1.1), and neither
 * does a repeated SYN-ACK agree.
 *
 * An echo halves cwnd, as a loss does. Where the knob tcp_ecn_least_cwnd is 1 it goes down to one
 * segment; if that is marked as well, there is nothing left to halve, so the next segment waits for
 * the retransmission timer, each time twice as long, until an ACK comes without an echo (6.1.2, RFC
 * 9438 4.6).
 *
 * Only new text is sent as ECT: not SYNs, pure ACKs, retransmissions, window probes. For these
 * nobody would notice that a mark was lost.
 */
#include "tcp/tcp_internal.h"

#define ECN_WAITS_MOST 15

uint16_t tcp_ecn_syn_flags(struct td_stack *st, struct tcb *t)
{
    bool again = t->rexmits > 0 && knob(st, TCP_ECN_FALLBACK) != 0;
    if (t->state == TCPS_SYN_SENT) {
        if (again) {
            t->ecn_refused = true;
        }
        return knob(st, TCP_ECN) == 1 && !t->ecn_refused ? TCP_ECE | TCP_CWR : 0;
    }
    return t->ecn_syn ? TCP_ECE : 0;
}

void tcp_ecn_syn_in(struct td_stack *st, struct tcb *t, uint16_t flags, uint8_t tos)
{
    /* A SYN that isn't sent as not-ECT doesn't come from a host that knows RFC 3168. */
    t->ecn_syn = (flags & (TCP_ECE | TCP_CWR)) == (TCP_ECE | TCP_CWR) && knob(st, TCP_ECN) != 0 &&
                 (tos & ECN_MASK) == ECN_NOT_ECT;
    t->ecn_ok = t->ecn_syn;
}

void tcp_ecn_syn_ack_in(struct td_stack *st, struct tcb *t, uint16_t flags)
{
    bool asked = knob(st, TCP_ECN) == 1 && !t->ecn_refused;
    uint16_t want = (flags & TCP_ACK) != 0 ? TCP_ECE : TCP_ECE | TCP_CWR;
    t->ecn_ok = asked && (flags & (TCP_ECE | TCP_CWR)) == want;
    t->ecn_syn = t->ecn_ok; /* a simultaneous open goes on with a SYN-ACK */
}

/* Is this text that may be marked: sent for the first time, and inside the peer's window? */
static bool markable(const struct tcb *t, const struct tcp_emit *e)
{
    return e->len > 0 && seq_ge(e->seq, t->snd_nxt) &&
           seq_le(e->seq + e->len, t->snd_una + t->snd_wnd);
}

void tcp_ecn_fill(const struct td_stack *st, struct tcb *t, struct tcp_emit *e)
{
    (void)st;
    if (!t->ecn_ok || (e->flags & (TCP_SYN | TCP_RST)) != 0) {
        return;
    }
    e->tos = (uint8_t)(e->tos & ~ECN_MASK);
    if (markable(t, e)) {
        e->tos |= ECN_ECT_0;
        if (t->ecn_cwr) { /* 6.1.2: on the first new text after the cut */
            t->ecn_cwr = false;
            e->flags |= TCP_CWR;
        }
    }
    if (t->ecn_echo) {
        e->flags |= TCP_ECE;
    }
}

void tcp_ecn_text_in(struct td_stack *st, struct tcb *t, const struct tcp_seg *s)
{
    if (!t->ecn_ok) {
        return;
    }
    if ((s->flags & TCP_CWR) != 0) { /* the sender has heard */
        t->ecn_echo = false;
        t->ack_now = true; /* its window may be very small now */
    }
    const struct journal_subject subject = tcp_seg_subject(s, t);
    switch ((enum tcp_ecn_codepoint)(s->tos & ECN_MASK)) {
    case ECN_NOT_ECT:
        if (t->ecn_seen && tcp_as_linux(st)) { /* so it is probably a retransmission */
            tcp_quickack_enter(st, t, 2);
        }
        return;
    case ECN_CE:
        if (!t->ecn_echo) {
            t->ecn_echo = true;
            tcp_quickack_enter(st, t, 2);
            t->ack_now = true;
            JOURNAL(st, EV_TCP_CE_IN, &subject, s->seq, s->text);
        }
        break;
    case ECN_ECT_0:
    case ECN_ECT_1:
        break;
    }
    t->ecn_seen = true;
}

void tcp_ecn_wait(struct td_stack *st, struct tcb *t)
{
    if (knob(st, TCP_ECN_LEAST_CWND) > 1) {
        return;
    }
    if (t->snd_nxt != t->snd_una) { /* what is in flight fills cwnd: its own timer starts over */
        tcp_rtx_arm(st, t, TRTX_REXMT);
        return;
    }
    t->ecn_hold = true;
    if (t->ecn_waits < ECN_WAITS_MOST) {
        t->ecn_waits++;
    }
    tcp_rtx_arm(st, t, TRTX_ECN);
    const struct journal_subject subject = tcp_subject(t);
    JOURNAL(st, EV_TCP_ECN_WAIT, &subject, t->ecn_waits, t->t_rtx.deadline - st->now);
}
