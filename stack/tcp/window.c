/* tcp/window.c: the receive window, its scale, and the sizes of segments.
 *
 * Theory of operation. The window tells the peer how much it may send beyond RCV.NXT. It comes from
 * the free part of the receive buffer, which is counted in memory, not in bytes of text: a small
 * segment costs much more than it holds. So free memory is converted by the ratio measured on what
 * has arrived (win_ratio, in 256ths).
 *
 * Three rules shape it:
 *   - The right edge, once advertised, never moves left (RFC 9293 SHLD-14). rcv_nxt + rcv_wnd
 * always is that edge; where scaling rounds, it is rounded up.
 *   - The edge moves right only in steps worth sending: the smaller of half the buffer and one
 *     segment (3.8.6.2.2, MUST-39). Else a slow reader would be sent tiny segments for ever.
 *   - It isn't larger than tcp_max_window: a sender on the same machine may fill it at once, and
 * what the device's transmit queue can't hold is lost.
 *
 * The buffer grows with its use. When the user takes in one round trip as much as the window
 * allowed, the window was the limit, and the buffer is made twice as large as what was taken, up to
 * tcp_rmem's third value. Without timestamps the receiver measures the round trip by the time one
 * whole window takes to arrive.
 */
#include "tcp/tcp_internal.h"

#define RATIO_ONE     256u
#define RATIO_START   128u
#define TCPIP_HEADERS (IPV4_HLEN + TCP_HLEN)

static uint32_t window_limit(const struct td_stack *st, const struct tcb *t)
{
    uint64_t most = (uint64_t)knob(st, TCP_MAX_WINDOW);
    uint64_t field = (uint64_t)UINT16_MAX << t->rcv_wscale;
    most = most < field ? most : field;
    if (t->window_clamp != 0 && t->window_clamp < most) {
        most = t->window_clamp;
    }
    return (uint32_t)most;
}

/* Text that so much memory can take. */
static uint32_t window_text(const struct td_stack *st, const struct tcb *t, uint32_t memory)
{
    uint64_t text = (uint64_t)memory * t->win_ratio / RATIO_ONE;
    uint32_t limit = window_limit(st, t);
    return text < limit ? (uint32_t)text : limit;
}

/* Text that the free part of the buffer can take. */
static uint32_t window_space(const struct td_stack *st, const struct tcb *t)
{
    uint32_t share = tcp_rcvbuf_share(st, t);
    if (t->rcv.truesize >= share) {
        return 0;
    }
    return window_text(st, t, share - t->rcv.truesize);
}

/* min(Fr * RCV.BUFF, Eff.snd.MSS) with Fr = 1/2. RCV.BUFF is what the buffer takes of text:
 * measured by its memory, a buffer for less than a segment could never open the window again. */
static uint32_t window_step(const struct td_stack *st, const struct tcb *t)
{
    uint32_t half = window_text(st, t, t->rcvbuf_limit) / 2;
    return half < t->rcv_mss ? half : t->rcv_mss;
}

uint32_t tcp_window_offer(struct td_stack *st, struct tcb *t)
{
    uint32_t space = window_space(st, t);
    uint32_t unit = 1u << t->rcv_wscale;
    space &= ~(unit - 1);
    uint32_t step = window_step(st, t);
    uint32_t old = t->rcv_wnd;
    if (t->rd_shut && t->orphan) {
        space = old; /* nobody will read: nothing more is asked for */
    }
    if (space > old && (space - old >= step || space >= window_limit(st, t))) {
        t->rcv_wnd = space;
    } else {
        t->rcv_wnd = (old + unit - 1) & ~(unit - 1); /* rounding may not move the edge left */
        uint32_t field = (uint32_t)UINT16_MAX << t->rcv_wscale;
        t->rcv_wnd = t->rcv_wnd > field ? field : t->rcv_wnd;
    }
    if (t->rcv_wnd == 0 && !t->wnd_closed) {
        const struct journal_subject subject = tcp_subject(t);
        t->wnd_closed = true;
        count(st, TcpExtTCPToZeroWindowAdv);
        JOURNAL(st, EV_TCP_WINDOW_ZERO_OUT, &subject, t->rcv.q.bytes, t->rcvbuf_limit);
    } else if (t->rcv_wnd > 0 && t->wnd_closed) {
        const struct journal_subject subject = tcp_subject(t);
        t->wnd_closed = false;
        count(st, TcpExtTCPFromZeroWindowAdv);
        JOURNAL(st, EV_TCP_WINDOW_OPEN_OUT, &subject, t->rcv_wnd);
    }
    return t->rcv_wnd;
}

/* A SYN's window is never scaled (RFC 7323 2.2). It is a whole number of the units of the scaled
 * ones, so that the edge it sets can be told again exactly; and until the handshake is over it
 * stays there, because a repeated SYN-ACK couldn't say more, and would take back what was offered
 * since. */
static uint16_t syn_window(struct td_stack *st, struct tcb *t)
{
    uint8_t shift = t->state != TCPS_SYN_SENT           ? t->rcv_wscale
                    : knob(st, TCP_WINDOW_SCALING) != 0 ? tcp_window_scale(st, t)
                                                        : 0;
    uint32_t most = UINT16_MAX & ~((1u << shift) - 1);
    uint32_t w = tcp_window_offer(st, t);
    t->rcv_wnd = w > most ? most : w;
    return (uint16_t)t->rcv_wnd;
}

/* The window field of a segment. */
uint16_t tcp_window_field(struct td_stack *st, struct tcb *t, bool syn)
{
    if (syn) {
        return syn_window(st, t);
    }
    uint32_t w = t->state == TCPS_SYN_RECEIVED ? t->rcv_wnd : tcp_window_offer(st, t);
    return (uint16_t)(w >> t->rcv_wscale);
}

/* Would an acknowledgment now move the edge far enough to be worth a segment of its own? Twice the
 * step of 3.8.6.2.2, or any step when the window was closed or less than a segment was left. */
bool tcp_window_update_due(struct td_stack *st, struct tcb *t)
{
    uint32_t space = window_space(st, t) & ~((1u << t->rcv_wscale) - 1);
    if (space <= t->rcv_wnd) {
        return false;
    }
    uint32_t gain = space - t->rcv_wnd;
    uint32_t step = window_step(st, t);
    if (t->rcv_wnd < t->rcv_mss) {
        return gain >= step;
    }
    return gain >= 2 * step && space >= 2 * t->rcv_wnd;
}

uint8_t tcp_window_scale(const struct td_stack *st, const struct tcb *t)
{
    uint64_t space = (uint64_t)knob_n(st, TCP_RMEM, 2);
    if (t->rcvbuf_locked) {
        space = t->rcvbuf_limit;
    }
    uint8_t shift = 0;
    while (shift < 14 && (space >> shift) > UINT16_MAX) {
        shift++;
    }
    return shift;
}

/* ---- auto-tuning ---- */

void tcp_rcv_rtt(struct td_stack *st, struct tcb *t)
{
    if (t->rrtt_time == 0) {
        t->rrtt_time = st->now;
        t->rrtt_seq = t->rcv_nxt + t->rcv_wnd;
        return;
    }
    if (seq_lt(t->rcv_nxt, t->rrtt_seq)) {
        return;
    }
    td_time sample = st->now - t->rrtt_time;
    /* A window may take long because the peer had nothing to say: the smallest one counts most. */
    t->rrtt = t->rrtt == 0 || sample < t->rrtt ? sample : t->rrtt + (sample - t->rrtt) / 8;
    t->rrtt_time = st->now;
    t->rrtt_seq = t->rcv_nxt + t->rcv_wnd;
}

void tcp_window_tune(struct td_stack *st, struct tcb *t)
{
    td_time rtt = t->rrtt != 0 ? t->rrtt : t->rtt.srtt8 / 8;
    if (t->space_time == 0) {
        t->space_time = st->now;
        t->space_seq = t->copied_seq;
        return;
    }
    if (rtt == 0 || st->now - t->space_time < rtt) {
        return;
    }
    uint32_t taken = t->copied_seq - t->space_seq;
    t->space_time = st->now;
    t->space_seq = t->copied_seq;
    if (taken <= t->space) {
        return;
    }
    t->space = taken;
    if (knob(st, TCP_MODERATE_RCVBUF) == 0 || t->rcvbuf_locked ||
        tcp_memory(st) != TCP_MEMORY_FINE) {
        return;
    }
    uint64_t want = (uint64_t)taken * 2 + 16u * t->rcv_mss;
    want = want * RATIO_ONE / t->win_ratio;
    uint64_t most = (uint64_t)knob_n(st, TCP_RMEM, 2);
    want = want < most ? want : most;
    if (want > t->rcvbuf_limit) {
        const struct journal_subject subject = tcp_subject(t);
        JOURNAL(st, EV_TCP_RCVBUF_GROW, &subject, t->rcvbuf_limit, want, taken, rtt);
        t->rcvbuf_limit = (uint32_t)want;
    }
}

/* ---- segment sizes (RFC 9293 3.7.1) ---- */

static uint32_t path_mtu(struct td_stack *st, struct tcb *t)
{
    struct ip_route_result r;
    if (ip_route(st, t->ep.a.raddr, t->ep.a.laddr, 0, &r) != 0) {
        return t->pmtu != 0 ? t->pmtu : 1500;
    }
    t->ifindex = r.nif != NULL ? r.nif->index : 0;
    t->no_df = r.mtu_floor;
    return r.mtu;
}

/* What our SYN says: the interface's MTU less the fixed headers, not less options (MUST-67). */
uint16_t tcp_rcv_mss(struct td_stack *st, const struct tcb *t)
{
    struct ip_route_result r;
    uint32_t mtu = 1500;
    if (ip_route(st, t->ep.a.raddr, t->ep.a.laddr, 0, &r) == 0 && r.nif != NULL) {
        mtu = r.nif->mtu;
    }
    uint32_t mss = mtu > TCPIP_HEADERS + 8 ? mtu - TCPIP_HEADERS : 8;
    mss = mss > UINT16_MAX - TCPIP_HEADERS ? UINT16_MAX - TCPIP_HEADERS : mss;
    if (t->user_mss != 0 && t->user_mss < mss) {
        mss = t->user_mss;
    }
    return (uint16_t)mss;
}

/* Eff.snd.MSS = min(SendMSS + 20, MMS_S) - TCPhdrsize - IPoptionsize (MUST-16). */
void tcp_mss_update(struct td_stack *st, struct tcb *t)
{
    t->pmtu = path_mtu(st, t);
    uint32_t mms_s = t->pmtu - IPV4_HLEN;
    uint32_t m = (uint32_t)t->peer_mss + TCP_HLEN;
    m = m < mms_s ? m : mms_s;
    m -= TCP_HLEN;
    if (t->user_mss != 0 && t->user_mss < m) {
        m = t->user_mss;
    }
    if (t->ts_ok) { /* RFC 7323 3.2, 9293 3.7.1: the option is on every segment */
        m = m > 2 * TCP_TS_LEN ? m - TCP_TS_LEN : TCP_TS_LEN;
    }
    t->mss = (uint16_t)(m > UINT16_MAX - TCPIP_HEADERS ? UINT16_MAX - TCPIP_HEADERS : m);
    if (t->rcv_mss == 0) {
        t->rcv_mss = t->mss < 536 ? t->mss : 536; /* until something larger arrives */
    }
    if (t->win_ratio == 0) {
        t->win_ratio = RATIO_START;
    }
}
