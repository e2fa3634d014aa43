/* tcp/window.c: the receive window and its scale.
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

/* ---- what could be offered now ---- */

/* Steps worth sending, and a whole number of the scale's units; what was offered stands. */
static uint32_t select_rfc(const struct td_stack *st, const struct tcb *t)
{
    uint32_t unit = 1u << t->rcv_wscale;
    uint32_t space = window_space(st, t) & ~(unit - 1);
    uint32_t old = t->rcv_wnd;
    if (space > old && (space - old >= window_step(st, t) || space >= window_limit(st, t))) {
        return space;
    }
    return (old + unit - 1) & ~(unit - 1); /* rounding may not move the edge left */
}

/* Linux's: free memory, but no more than rcv_ssthresh; nothing at all when little is left. */
static uint32_t select_linux(struct td_stack *st, struct tcb *t)
{
    uint32_t unit = 1u << t->rcv_wscale;
    uint32_t space = window_space(st, t);
    uint32_t full = window_text(st, t, t->rcvbuf_limit);
    uint32_t mss = t->rcv_mss < full ? t->rcv_mss : full;
    bool may_shrink = knob(st, TCP_SHRINK_WINDOW) != 0 && t->rcv_wscale != 0;
    if (mss == 0) {
        return 0;
    }
    if (may_shrink) {
        space &= ~(unit - 1);
    }
    if (space < full / 2) {
        t->quickacks = 0;
        if (tcp_memory(st) >= TCP_MEMORY_PRESSURE && t->rcv_ssthresh > 4u * t->adv_mss) {
            t->rcv_ssthresh = 4u * t->adv_mss;
        }
        space &= ~(unit - 1);
        if (space < full / 16 || space < mss || space < unit) {
            return 0;
        }
    }
    space = space < t->rcv_ssthresh ? space : t->rcv_ssthresh;
    if (t->rcv_wscale != 0) {
        return (space + unit - 1) & ~(unit - 1);
    }
    uint32_t told = t->rcv_wnd + (t->rcv_nxt - t->last_ack_sent);
    if (told + mss <= space || told > space) { /* a whole number of segments */
        return space / mss * mss;
    }
    /* Where not even two segments may be offered, half of what may be is a step (MUST-39). Linux
     * asks it only if one segment fills the buffer: with rcv_ssthresh below that, it offers the same
     * few octets for ever. */
    uint32_t whole = full < t->rcv_ssthresh ? full : t->rcv_ssthresh;
    if (told < mss && space > told + whole / 2) {
        return space;
    }
    return told;
}

uint32_t tcp_window_select(struct td_stack *st, struct tcb *t)
{
    if (FAULT_ON(st, SILLY_WINDOW)) {
        return window_space(st, t);
    }
    return tcp_as_linux(st) ? select_linux(st, t) : select_rfc(st, t);
}

/* Our window has closed, or opened again. */
static void __attribute__((noinline)) note_closed(struct td_stack *st, struct tcb *t)
{
    const struct journal_subject subject = tcp_subject(t);
    t->wnd_closed = t->rcv_wnd == 0;
    if (t->wnd_closed) {
        count(st, TcpExtTCPToZeroWindowAdv);
        JOURNAL(st, EV_TCP_WINDOW_ZERO_OUT, &subject, t->rcv.q.bytes, t->rcvbuf_limit);
    } else {
        count(st, TcpExtTCPFromZeroWindowAdv);
        JOURNAL(st, EV_TCP_WINDOW_OPEN_OUT, &subject, t->rcv_wnd);
    }
}

uint32_t tcp_window_offer(struct td_stack *st, struct tcb *t)
{
    uint32_t unit = 1u << t->rcv_wscale;
    uint32_t w = tcp_window_select(st, t);
    bool may_shrink = knob(st, TCP_SHRINK_WINDOW) != 0 && t->rcv_wscale != 0;
    if (t->rcv_nomem) { /* Linux: all that was offered is taken back */
        t->rcv_nomem = false;
        t->rcv_retracted = true;
        t->rcv_wnd = w = 0;
    }
    if (w > t->rcv_wnd && t->rd_shut && t->orphan) {
        w = t->rcv_wnd; /* nobody will read: nothing more is asked for */
    }
    if (w <= t->rcv_wnd && !(may_shrink && w < t->rcv_wnd)) { /* SHLD-14 */
        if (w == 0 && t->rcv_wnd != 0) {
            count(st, TcpExtTCPWantZeroWindowAdv);
        }
        w = (t->rcv_wnd + unit - 1) & ~(unit - 1);
    }
    uint32_t field = (uint32_t)UINT16_MAX << t->rcv_wscale;
    t->rcv_wnd = w < field ? w : field;
    if (seq_ge(t->rcv_nxt + t->rcv_wnd, t->rcv_edge)) {
        t->rcv_edge = t->rcv_nxt + t->rcv_wnd;
        t->rcv_retracted = false;
    }
    if ((t->rcv_wnd == 0) != t->wnd_closed) {
        note_closed(st, t);
    }
    return t->rcv_wnd;
}

/* A SYN's window is never scaled (RFC 7323 2.2), and until the handshake is over it stays where it
 * is: a repeated SYN-ACK couldn't say more, and would take back what was offered since. Linux: as
 * many whole segments as the buffer takes. `rfc`: a whole number of the units of the scaled
 * windows, so that the edge it sets can be told again exactly. */
static uint32_t whole_segments(struct td_stack *st, const struct tcb *t)
{
    uint64_t space = (uint64_t)t->rcvbuf_limit * t->win_ratio / RATIO_ONE;
    uint64_t most = (uint64_t)knob(st, TCP_MAX_WINDOW);
    most = t->window_clamp != 0 && t->window_clamp < most ? t->window_clamp : most;
    space = space < most ? space : most;
    uint32_t mss = tcp_rcv_mss(st, t);
    mss = t->ts_ok && mss > 2 * TCP_TS_LEN ? mss - TCP_TS_LEN : mss;
    return (uint32_t)(space > mss ? space / mss * mss : space);
}

static uint16_t syn_window(struct td_stack *st, struct tcb *t)
{
    if (tcp_as_linux(st)) {
        if (t->rcv_wnd == 0) {
            uint32_t space = whole_segments(st, t);
            t->rcv_wnd = space < UINT16_MAX ? space : UINT16_MAX;
        }
    } else {
        uint8_t shift = t->state != TCPS_SYN_SENT           ? t->rcv_wscale
                        : knob(st, TCP_WINDOW_SCALING) != 0 ? tcp_window_scale(st, t)
                                                            : 0;
        uint32_t most = UINT16_MAX & ~((1u << shift) - 1);
        uint32_t w = tcp_window_offer(st, t);
        t->rcv_wnd = w > most ? most : w;
    }
    t->rcv_edge = t->rcv_nxt + t->rcv_wnd;
    return (uint16_t)t->rcv_wnd;
}

/* The connection is established: rcv_ssthresh keeps room for one more segment than is offered. */
void tcp_window_start(struct td_stack *st, struct tcb *t)
{
    uint32_t full = window_text(st, t, t->rcvbuf_limit);
    t->adv_mss = (uint16_t)(tcp_rcv_mss(st, t) - (t->ts_ok ? TCP_TS_LEN : 0));
    tcp_rcv_mss_init(t);
    t->rcv_edge = t->rcv_nxt + t->rcv_wnd;
    t->rcv_ssthresh = whole_segments(st, t);
    uint32_t most = full > 3u * t->adv_mss ? full - t->adv_mss : full;
    t->rcv_ssthresh = t->rcv_ssthresh < most ? t->rcv_ssthresh : most;
    t->space_seq = t->copied_seq;
    t->space = t->rcv_wnd;
    if (tcp_as_linux(st)) {
        t->space = t->space < t->rcv_ssthresh ? t->space : t->rcv_ssthresh;
        t->space = t->space < 10u * t->adv_mss ? t->space : 10u * t->adv_mss;
    }
}

/* Text came that cost `truesize` of memory: rcv_ssthresh grows as long as the buffer could take a
 * whole window of such segments. */
void tcp_window_grow(struct td_stack *st, struct tcb *t, uint32_t text, uint32_t truesize)
{
    uint32_t space = window_space(st, t);
    if (text < 128 || space <= t->rcv_ssthresh || tcp_memory(st) >= TCP_MEMORY_PRESSURE) {
        return;
    }
    uint32_t room = space - t->rcv_ssthresh, incr = 0;
    uint32_t cost = (uint32_t)((uint64_t)truesize * t->win_ratio / RATIO_ONE);
    if (cost <= text) {
        incr = 2u * t->adv_mss;
    } else {
        uint64_t window = (uint64_t)knob_n(st, TCP_RMEM, 2) * t->win_ratio / RATIO_ONE / 2;
        for (cost /= 2; t->rcv_ssthresh <= window; cost /= 2, window /= 2) {
            if (cost <= text) {
                incr = 2u * t->rcv_mss;
                break;
            }
        }
    }
    if (incr == 0) {
        return;
    }
    incr = incr > 2 * text ? incr : 2 * text;
    t->rcv_ssthresh += incr < room ? incr : room;
    t->quickacks |= tcp_as_linux(st);
}

uint16_t tcp_window_told(uint32_t *wnd, uint8_t shift)
{
    uint32_t unit = 1u << shift;
    uint32_t up = (*wnd + unit - 1) & ~(unit - 1);
    if (up <= UINT16_MAX) { /* a SYN-ACK that is repeated says no less */
        *wnd = up;
    }
    return (uint16_t)(up >> shift);
}

/* The window field of a segment. */
uint16_t tcp_window_field(struct td_stack *st, struct tcb *t, bool syn)
{
    if (syn) {
        return syn_window(st, t);
    }
    if (t->state == TCPS_SYN_RECEIVED) {
        return tcp_window_told(&t->rcv_wnd, t->rcv_wscale);
    }
    return (uint16_t)(tcp_window_offer(st, t) >> t->rcv_wscale);
}

/* Would an acknowledgment now move the edge far enough to be worth a segment of its own? Twice the
 * step of 3.8.6.2.2, or any step when the window was closed or less than a segment was left. */
bool tcp_window_update_due(struct td_stack *st, struct tcb *t)
{
    bool by_syn =
        t->rcv_wscale != 0 && seq_le(t->rcv_edge, t->irs + 1 + UINT16_MAX + tcp_rcv_mss(st, t));
    if (tcp_as_linux(st) && by_syn && !t->wnd_closed) {
        return false; /* the SYN couldn't say more; the next segment will, whatever it is for */
    }
    if (tcp_as_linux(st)) { /* twice as much as the peer knows of */
        uint32_t w =
            2ull * t->rcv_wnd <= window_text(st, t, t->rcvbuf_limit) ? tcp_window_select(st, t) : 0;
        return w != 0 && w >= 2ull * t->rcv_wnd;
    }
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

/* Large enough for the largest window there may ever be. */
uint8_t tcp_window_scale(const struct td_stack *st, const struct tcb *t)
{
    uint64_t space = (uint64_t)knob_n(st, TCP_RMEM, 2);
    uint64_t max = (uint64_t)knob(st, RMEM_MAX);
    if (tcp_as_linux(st)) {
        space = space > max ? space : max;
        uint64_t locked = (uint64_t)t->rcvbuf_limit * RATIO_START / RATIO_ONE;
        space = t->rcvbuf_locked && locked < space ? locked : space;
        space = t->window_clamp != 0 && t->window_clamp < space ? t->window_clamp : space;
    } else if (t->rcvbuf_locked) {
        space = t->rcvbuf_limit;
    }
    uint8_t shift = 0;
    while (shift < 14 && (space >> shift) > UINT16_MAX) {
        shift++;
    }
    return shift;
}

/* ---- auto-tuning ---- */

/* In eighths of microseconds. A smaller sample counts at once: what makes a round trip look longer
 * is the peer's user, or ours. */
static void rtt_sample(struct tcb *t, uint32_t us, bool smooth)
{
    uint32_t m = us * 8;
    if (t->rrtt8_us == 0 || m < t->rrtt8_us) {
        t->rrtt8_us = m;
    } else if (smooth && t->rcv_nxt == t->copied_seq) {
        t->rrtt8_us += us - (t->rrtt8_us >> 3);
    }
}

/* With timestamps: our TSval comes back with text that our acknowledgment set off. Of several with
 * the same echo the first counts: the others waited for the peer's user. */
void tcp_rcv_rtt_ts(struct td_stack *st, struct tcb *t, const struct tcp_seg *s)
{
    const struct tcp_opts *o = &s->h->o;
    if (!t->ts_ok || !o->has_ts || o->ts_ecr == t->rrtt_ecr) {
        return;
    }
    t->rrtt_ecr = o->ts_ecr;
    uint32_t ms = tcp_ts_age(st, t, o->ts_ecr);
    if (s->len >= t->rcv_mss && ms > 0 && ms < 500000) {
        rtt_sample(t, ms * 1000, true);
    }
}

static uint32_t now_us(const struct td_stack *st) /* never 0 */
{
    return (uint32_t)(st->now / TD_US) | 1;
}

/* Without: a whole window takes at least a round trip. */
void tcp_rcv_rtt(struct td_stack *st, struct tcb *t)
{
    uint32_t now = now_us(st);
    if (t->rrtt_at_us != 0) {
        if (seq_lt(t->rcv_nxt, t->rrtt_seq)) {
            return;
        }
        uint32_t us = now - t->rrtt_at_us;
        if (us < 500000000) {
            rtt_sample(t, us != 0 ? us : 1, false);
        }
    }
    t->rrtt_at_us = now;
    t->rrtt_seq = t->rcv_nxt + t->rcv_wnd;
}

void tcp_window_tune(struct td_stack *st, struct tcb *t)
{
    uint32_t now = now_us(st);
    uint32_t rtt = t->rrtt8_us != 0 ? t->rrtt8_us / 8 : (uint32_t)(t->rtt.srtt8 / 8 / TD_US);
    if (t->space_us == 0) {
        t->space_us = now;
        t->space_seq = t->copied_seq;
        return;
    }
    if (rtt == 0 || now - t->space_us < rtt) {
        return;
    }
    uint32_t taken = t->copied_seq - t->space_seq;
    uint32_t unread =
        t->rcv_nxt - t->copied_seq; /* the reader is behind: no larger window for it */
    taken = tcp_as_linux(st) ? (taken > unread ? taken - unread : 0) : taken;
    t->space_us = now;
    t->space_seq = t->copied_seq;
    if (taken <= t->space) {
        return;
    }
    uint32_t before = t->space != 0 ? t->space : taken;
    t->space = taken;
    if (knob(st, TCP_MODERATE_RCVBUF) == 0 || t->rcvbuf_locked ||
        tcp_memory(st) != TCP_MEMORY_FINE) {
        return;
    }
    /* The measure is a round trip old, and in slow start the sender doubles meanwhile. */
    uint64_t want = (uint64_t)taken * 2;
    want += 2 * (want * (taken - before) / before) + 16u * t->rcv_mss;
    want = want * RATIO_ONE / t->win_ratio;
    uint64_t most = (uint64_t)knob_n(st, TCP_RMEM, 2);
    want = want < most ? want : most;
    if (want > t->rcvbuf_limit) {
        const struct journal_subject subject = tcp_subject(t);
        JOURNAL(st, EV_TCP_RCVBUF_GROW, &subject, t->rcvbuf_limit, want, taken,
                (td_time)rtt * TD_US);
        t->rcvbuf_limit = (uint32_t)want;
    }
}
