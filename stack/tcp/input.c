/* tcp/input.c: SEGMENT ARRIVES (RFC 9293 3.10.7), up to SYN-SENT.
 *
 * Theory of operation. A segment is judged in three rounds. First by itself: lengths, checksum,
 * addresses that can't be one peer's (3.1, 3.9.2.3); what fails has no effect at all. Then it is
 * given to the connection it names, by its four-tuple; if there is none, to a listener of its port;
 * if there is none either, to the imaginary connection in state CLOSED (3.10.7.1). Last, by the
 * state of that connection: CLOSED, LISTEN and SYN-SENT here, all others in input_sync.c, in the
 * order of the RFC's text.
 *
 * Processing a segment doesn't send acknowledgments; it marks the connection, and tcp_flush decides
 * once for all segments of the batch (MUST-58, MUST-59). Resets and challenge ACKs are answers to
 * one segment and leave at once.
 */
#include "tcp/seglog.h"
#include "tcp/tcp_internal.h"
#include "wire/checksum.h"

#include <errno.h>
#include <poll.h>

/* ---- first: the segment by itself ---- */

static bool checksum_right(const struct td_stack *st, const struct pkt *p, const struct ip_rx *rx)
{
    if (p->csum != PKT_CSUM_NONE || FAULT_ON(st, NO_CHECKSUM)) {
        return true; /* the device vouches for it, or it never was on a wire */
    }
    uint32_t sum = checksum_pseudo(rx->h.src, rx->h.dst, IPPROTO_TCP_, p->len);
    sum += checksum_fold(pkt_sum(p, 0, p->len));
    return checksum_fold(sum) == 0xffff;
}

static struct journal_subject raw_subject(const struct pkt *p, const struct ip_rx *rx)
{
    return (struct journal_subject){
        .pkt = p->id, .ifindex = rx->nif != NULL ? rx->nif->index : 0, .addr = rx->h.src};
}

/* MUST-57, MUST-63: neither end may be a group. */
static bool addresses_possible(struct td_stack *st, const struct pkt *p, const struct ip_rx *rx)
{
    uint64_t ports = p->head_len >= 4 ? wire_get32(p->data) : 0;
    if (rx->bcast || rx->mcast || (p->flags & (PKT_L2_BROADCAST | PKT_L2_MULTICAST)) != 0) {
        JOURNAL(st, EV_TCP_DROP_BROADCAST, JOURNAL_ABOUT(raw_subject(p, rx)), rx->h.src, rx->h.dst,
                ports & 0xffff);
        return false;
    }
    td_ip4 src = rx->h.src;
    if (src == 0 || ip4_is_multicast(src) || ip4_is_class_e(src) || ip4_is_zeronet(src) ||
        ip_is_broadcast(st, rx->nif, src) ||
        (src == rx->h.dst && ports >> 16 == (ports & 0xffff))) { /* LAND: from itself to itself */
        JOURNAL(st, EV_TCP_DROP_SOURCE, JOURNAL_ABOUT(raw_subject(p, rx)), src, ports >> 16,
                ports & 0xffff);
        return false;
    }
    return true;
}

static bool header_right(struct td_stack *st, struct pkt *p, const struct ip_rx *rx,
                         struct tcp_hdr *h)
{
    if (p->len < TCP_HLEN || !pkt_may_pull(p, TCP_HLEN)) {
        JOURNAL(st, EV_TCP_DROP_SHORT, JOURNAL_ABOUT(raw_subject(p, rx)), rx->h.src, p->len);
        return false;
    }
    uint32_t hlen = (uint32_t)(p->data[12] >> 4) * 4;
    if (hlen <= p->len && !pkt_may_pull(p, hlen)) {
        JOURNAL(st, EV_TCP_DROP_MEMORY, JOURNAL_ABOUT(raw_subject(p, rx)), rx->h.src, 0, 0);
        return false;
    }
    if (!checksum_right(st, p, rx)) {
        count(st, TcpInCsumErrors);
        JOURNAL(st, EV_TCP_DROP_CHECKSUM, JOURNAL_ABOUT(raw_subject(p, rx)), rx->h.src,
                wire_get16(p->data), wire_get16(p->data + 2), wire_get16(p->data + 16));
        return false;
    }
    switch (tcp_parse(h, p->data, p->head_len)) {
    case WIRE_OK:
        return true;
    case WIRE_BAD_OPTION: /* MUST-7: dropping it is the safe reaction */
        JOURNAL(st, EV_TCP_DROP_OPTION, JOURNAL_ABOUT(raw_subject(p, rx)), rx->h.src, h->sport,
                h->dport);
        return false;
    default:
        JOURNAL(st, EV_TCP_DROP_LENGTH, JOURNAL_ABOUT(raw_subject(p, rx)), rx->h.src, h->sport,
                h->dport, p->len);
        return false;
    }
}

/* ---- 3.10.7.1: CLOSED ---- */

static void closed_segment(struct td_stack *st, const struct tcp_seg *s)
{
    const struct journal_subject subject = tcp_seg_subject(s, NULL);
    JOURNAL_CAUSE(st, EV_TCP_DROP_CLOSED, &subject, s->a.raddr, s->a.rport, s->a.lport, s->flags);
    tcp_reset_reply(st, s, W_TCP_NO_CONNECTION);
}

/* ---- 3.10.7.2: LISTEN ---- */

static void listen_drop(struct td_stack *st, struct tcb *l, const struct tcp_seg *s,
                        enum journal_word why)
{
    const struct journal_subject subject = tcp_seg_subject(s, l);
    JOURNAL_CAUSE(st, EV_TCP_DROP_LISTEN, &subject, why, s->a.raddr, s->a.rport, s->flags);
}

static void listen_segment(struct td_stack *st, struct tcb *l, struct tcp_seg *s)
{
    if ((s->flags & TCP_RST) != 0) { /* first, check for a RST */
        listen_drop(st, l, s, W_TCP_RST);
        return;
    }
    if ((s->flags & TCP_ACK) != 0) { /* second, check for an ACK */
        if ((s->flags & TCP_SYN) == 0 && tcp_cookie_ack(st, l, s)) {
            return;
        }
        listen_drop(st, l, s, W_TCP_BAD_ACK);
        tcp_reset_reply(st, s, W_TCP_BAD_ACK);
        return;
    }
    if ((s->flags & TCP_SYN) != 0) { /* third, check for a SYN */
        if ((s->flags & TCP_FIN) != 0) {
            /* No client sends this, scanners do: refused, as is common hardening. */
            listen_drop(st, l, s, W_TCP_SYN_FIN);
            return;
        }
        tcp_listen_syn(st, l, s);
        return;
    }
    listen_drop(st, l, s, W_TCP_NO_SYN); /* fourth, other data or control */
}

/* ---- 3.10.7.3: SYN-SENT ---- */

static void syn_sent_drop(struct td_stack *st, struct tcb *t, const struct tcp_seg *s,
                          enum journal_word why)
{
    JOURNAL_CAUSE(st, EV_TCP_DROP_SYN_SENT, JOURNAL_ABOUT(tcp_seg_subject(s, t)), why, s->flags, s->seq,
            s->ack);
}

/* RFC 7323 3.2: TSecr is the TSval of a SYN of ours. One that was never sent is an older
 * connection's. 0 may be somebody's who doesn't fill it in. */
static bool echo_possible(const struct td_stack *st, const struct tcb *t, const struct tcp_seg *s)
{
    const struct tcp_opts *o = &s->h->o;
    if (!o->has_ts || o->ts_ecr == 0 || knob(st, TCP_TIMESTAMPS) == 0) {
        return true;
    }
    return tcp_ts_age(st, t, o->ts_ecr) <= tcp_ts_age(st, t, t->rrtt_ecr);
}

static void syn_sent_segment(struct td_stack *st, struct tcb *t, struct tcp_seg *s)
{
    bool has_ack = (s->flags & TCP_ACK) != 0;
    if (has_ack) { /* first, check the ACK bit: SND.UNA < SEG.ACK =< SND.NXT is acceptable */
        if (seq_le(s->ack, t->iss) || seq_gt(s->ack, t->snd_nxt)) {
            syn_sent_drop(st, t, s, W_TCP_BAD_ACK);
            tcp_reset_reply(st, s, W_TCP_BAD_ACK); /* does nothing for a RST */
            return;
        }
        if (!echo_possible(st, t, s)) {
            count(st, TcpExtPAWSActive);
            syn_sent_drop(st, t, s, W_TCP_BAD_ECHO);
            tcp_reset_reply(st, s, W_TCP_BAD_ECHO);
            return;
        }
    }
    if ((s->flags & TCP_RST) != 0) { /* second, check the RST bit */
        const struct journal_subject subject = tcp_seg_subject(s, t);
        if (!has_ack) { /* RFC 5961 3.2: it must acknowledge the SYN */
            JOURNAL_CAUSE(st, EV_TCP_DROP_RST, &subject, W_TCP_NO_ACK, s->seq, t->state);
            return;
        }
        JOURNAL_CAUSE(st, EV_TCP_RST_IN, &subject, s->seq, t->state);
        tcp_finish(st, t, ECONNREFUSED, W_TCP_RESET_BY_PEER);
        return;
    }
    /* third, check the security: no compartments here */
    if ((s->flags & TCP_SYN) == 0) { /* fifth, if neither SYN nor RST: drop */
        syn_sent_drop(st, t, s, W_TCP_NO_SYN);
        return;
    }
    /* fourth, check the SYN bit */
    t->irs = s->seq;
    t->rcv_nxt = s->seq + 1;
    t->copied_seq = t->rcv_nxt;
    t->rcv_up = t->rcv_nxt;
    tcp_ecn_syn_ack_in(st, t, s->flags);
    tcp_syn_options_take(st, t, &s->h->o);
    t->snd_wnd = s->wnd; /* of a SYN: not scaled */
    t->max_snd_wnd = s->wnd;
    t->snd_wl1 = s->seq;
    t->snd_wl2 = has_ack ? s->ack : t->iss;
    if (has_ack) { /* our SYN is acknowledged */
        tcp_fastopen_syn_ack_in(st, t, s);
        t->snd_una = s->ack;
        t->rtx_nxt = seq_max(t->rtx_nxt, s->ack);
        tcp_handshake_sample(st, t, s);
        tcp_enter_established(st, t, W_TCP_SYN_ACKED);
        tcp_uto_received(st, t, s);
        tcp_ack_handshake(st, t);
        /* "if there are other controls or text in the segment, then continue at the sixth step" */
        s->seq++;
        s->len--;
        s->flags &= (uint16_t)~TCP_SYN;
        if (s->len > 0 || (s->flags & TCP_URG) != 0) {
            tcp_segment_rest(st, t, s);
        }
        return;
    }
    /* Simultaneous open (3.5, MUST-10). Text on the SYN isn't kept: it isn't acknowledged either,
     * so the peer repeats it. */
    tcp_set_state(st, t, TCPS_SYN_RECEIVED, W_TCP_SIMULTANEOUS);
    t->rexmits = 0;
    tcp_send_syn(st, t);
    tcp_rtx_arm(st, t, TRTX_REXMT);
}

/* The handshake's round trip: if the SYN was sent once, by its time, else by what is echoed, which
 * tells the copies apart (RFC 7323 4.1). */
void tcp_handshake_sample(struct td_stack *st, struct tcb *t, const struct tcp_seg *s)
{
    const struct tcp_opts *o = &s->h->o;
    if (t->rtt_time != 0) {
        tcp_rto_sample(st, t, st->now - t->rtt_time);
    } else if (t->ever_rexmt_syn && t->ts_ok && o->has_ts && o->ts_ecr != 0) {
        uint32_t age = tcp_ts_age(st, t, o->ts_ecr);
        if (age < INT32_MAX / 1000) {
            tcp_rto_sample(st, t, (td_time)(age > 0 ? age : 1) * TD_MS);
        }
    }
    t->rtt_time = 0;
}

/* What every way into ESTABLISHED has in common. */
void tcp_enter_established(struct td_stack *st, struct tcb *t, enum journal_word why)
{
    t->rexmits = 0;
    t->soft_err = 0;
    tcp_rtx_stop(st, t);
    tcp_mtup_init(st, t);
    tcp_uto_begin(st, t);
    tcp_mss_update(st, t);
    if (t->tfo_serial == 0 || t->ever_rexmt_syn) { /* else it has begun */
        tcp_start_cwnd(st, t);
    }
    bool timed = tcp_as_linux(st) && t->cc.srtt != 0; /* Linux: a sample is better than none */
    if (t->ever_rexmt_syn && !timed && t->rtt.rto < 3 * TD_SEC) { /* RFC 6298 5.7 */
        t->rtt.rto = 3 * TD_SEC;
    }
    tcp_set_state(st, t, TCPS_ESTABLISHED, why);
    tcp_window_start(st, t);
    tcp_dialogue(st, t, t->quickack_off);
    t->up_ms = (uint32_t)(st->now / TD_MS);
    t->last_data_ms = t->up_ms;
    tcp_keepalive_update(st, t);
    if (t->fin_queued) { /* the user closed during the handshake */
        tcp_set_state(st, t, TCPS_FIN_WAIT_1, W_TCP_USER_CLOSE);
    }
    tcp_notify(st, t, POLLOUT);
}

/* ---- the way in ---- */

void tcp_segment_arrives(struct td_stack *st, struct tcb *t, struct tcp_seg *s)
{
    JOURNAL(st, EV_TCP_SEG_IN, JOURNAL_ABOUT(tcp_seg_subject(s, t)), s->flags, s->seq, s->ack,
            s->text, s->wnd);
    if (t == NULL || t->state == TCPS_CLOSED) {
        closed_segment(st, s);
        return;
    }
    if (t->state == TCPS_LISTEN) {
        listen_segment(st, t, s);
        return;
    }
    t->segs_in++;
    if (s->text > 0) {
        t->data_segs_in++;
    }
    if (t->state == TCPS_SYN_SENT) {
        syn_sent_segment(st, t, s);
        return;
    }
    if (knob(st, TCP_HEADER_PREDICTION) == 0 || !tcp_fast_path(st, t, s)) {
        tcp_segment_synchronized(st, t, s);
    }
}

void tcp_input(struct td_stack *st, struct pkt *p, const struct ip_rx *rx)
{
    struct tcp_hdr h;
    count(st, TcpInSegs);
    if (!header_right(st, p, rx, &h) || !addresses_possible(st, p, rx)) {
        count(st, TcpInErrs);
        pkt_free(p);
        return;
    }
    (void)pkt_pull(p, h.hlen);
    struct tcp_seg s = {
        .p = p,
        .a = {.laddr = rx->h.dst, .raddr = rx->h.src, .lport = h.dport, .rport = h.sport},
        .seq = h.seq,
        .ack = h.ack,
        .text = p->len,
        .len = p->len + ((h.flags & TCP_SYN) != 0) + ((h.flags & TCP_FIN) != 0),
        .wnd = h.wnd,
        .flags = h.flags,
        .urp = h.urp,
        .h = &h,
        .tos = rx->h.tos,
        .pkt_id = p->id,
        .ifindex = rx->nif != NULL ? rx->nif->index : 0,
    };
    struct tcp_ep *ep = tcp_ep_find(st, &s.a);
    struct tcp_seglog_mark mark = {0};
    struct tcb *t = ep == NULL                ? tcp_listener_find(st, &s.a)
                    : ep->kind == TCP_EP_TCB ? container_of(ep, struct tcb, ep)
                                             : NULL;
    if (t != NULL && (h.flags & TCP_SYN) == 0) {
        s.wnd = (uint32_t)h.wnd << (FAULT_ON(st, NO_WSCALE) ? 0 : t->snd_wscale);
    }
    if (tcp_seglog_on(st)) {
        mark = tcp_seglog_in(st, ep, t, &s);
    }
    if (ep != NULL && ep->kind == TCP_EP_TIME_WAIT) {
        tcp_time_wait_segment(st, container_of(ep, struct timewait, ep), &s);
    } else if (ep != NULL && ep->kind == TCP_EP_HALF_OPEN) {
        tcp_half_open_segment(st, container_of(ep, struct half_open, ep), &s);
    } else {
        tcp_segment_arrives(st, t, &s);
    }
    tcp_seglog_done(st, mark);
    pkt_free(s.p);
}
