/* tcp/ack.c: what an acceptable acknowledgment means (RFC 9293 3.10.7.4, fifth step).
 *
 * Theory of operation. SEG.ACK moves SND.UNA: what it covers leaves the send buffer, a round trip
 * may have been measured, loss recovery and congestion control learn of it, the timer starts over.
 * An acknowledgment that moves nothing may be a window update, or a duplicate that hints at loss;
 * RFC 5681 2 says which is which. The window is taken only from segments that aren't older than the
 * one it came from last (SND.WL1, SND.WL2), as far as that can be told.
 */
#include "tcp/tcp_internal.h"

#include <poll.h>

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
    const struct journal_subject subject = tcp_subject(t);
    if (s->wnd == 0 && t->snd_wnd != 0) {
        JOURNAL(st, EV_TCP_WINDOW_ZERO_IN, &subject, s->ack, sndbuf_end(&t->snd) - s->ack);
        t->persist_backoff = 0;
        t->probes = 0;
    } else if (s->wnd != 0 && t->snd_wnd == 0) {
        JOURNAL(st, EV_TCP_WINDOW_OPEN_IN, &subject, s->wnd);
        tcp_patience_anew(st, t);
        t->persist_backoff = 0;
    }
    if (seq_lt(edge, old_edge) && seq_lt(edge, t->snd_nxt)) {
        JOURNAL(st, EV_TCP_WINDOW_SHRUNK, &subject, old_edge, edge);
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

static void take_rtt_sample(struct td_stack *st, struct tcb *t)
{
    if (t->rtt_time != 0 && seq_ge(t->snd_una, t->rtt_seq)) {
        td_time rtt = st->now - t->rtt_time;
        t->rtt_time = 0;
        tcp_rto_sample(st, t, rtt);
    }
}

/* SND.UNA < SEG.ACK =< SND.NXT */
static void new_ack(struct td_stack *st, struct tcb *t, const struct tcp_seg *s)
{
    uint32_t acked = s->ack - t->snd_una;
    uint32_t text = acked;
    if (t->snd_una == t->iss) {
        text--; /* the SYN's place in the sequence space */
    }
    if (text > t->snd.len) {
        text--; /* the FIN's */
    }
    if (text > 0) {
        uint32_t size =
            text + IPV4_HLEN + TCP_HLEN < t->pmtu ? text + IPV4_HLEN + TCP_HLEN : t->pmtu;
        t->max_size_acked = size > t->max_size_acked ? size : t->max_size_acked;
        sndbuf_ack(&st->mem, &t->snd, text);
    }
    t->bytes_acked += text;
    t->snd_una = s->ack;
    t->rtx_nxt = seq_max(t->rtx_nxt, s->ack);
    t->rexmits = 0;
    tcp_patience_anew(st, t);
    t->probes = 0;
    t->persist_backoff = 0;
    t->soft_err = 0;
    if (t->snd_urg && seq_ge(t->snd_una, t->snd_up)) {
        t->snd_urg = false;
    }
    take_rtt_sample(st, t);
    tcp_update_window(st, t, s);
    bool partial_before = t->in_recovery && t->partial_seen;
    tcp_recovery_newreno.new_ack(st, t, text);
    tcp_rtx_update(st, t, !(t->in_recovery && partial_before));
    if (st->now - t->last_advice >= TD_SEC || t->last_advice == 0) {
        t->last_advice = st->now;
        ip_advise_good(st, t->ep.a.raddr);
    }
    tune_sndbuf(st, t);
    tcp_chrono_update(st, t);
    tell_writable(st, t);
}

void tcp_ack_received(struct td_stack *st, struct tcb *t, const struct tcp_seg *s)
{
    if (seq_gt(s->ack, t->snd_una)) {
        new_ack(st, t, s);
        return;
    }
    uint32_t wnd = t->snd_wnd;
    bool current = s->ack == t->snd_una;
    if (current) {
        t->probes = 0; /* it answers */
        if (t->rtx_kind == TRTX_PERSIST && knob(st, TCP_GIVE_UP_BY_TIME) == 0) {
            t->stalled_since = st->now;
        }
        tcp_update_window(st, t, s);
    }
    /* RFC 5681 2: data outstanding, no text, no SYN or FIN, the same acknowledgment, the same
     * window. */
    if (current && t->snd_nxt != t->snd_una && s->len == 0 && s->wnd == wnd && wnd != 0) {
        tcp_recovery_newreno.dup_ack(st, t);
    }
    if (t->snd_wnd != wnd) {
        tcp_rtx_update(st, t, t->snd_wnd != 0 && wnd == 0);
    }
}
