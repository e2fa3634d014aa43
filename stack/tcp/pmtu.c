/* tcp/pmtu.c: how large a segment the path takes (RFC 1191, 5927 7, RFC 9293 3.7.1).
 *
 * Theory of operation. A full segment is as large as the peer said it takes, the path takes, and
 * nobody else limits it to:
 *
 *      Eff.snd.MSS = min(SendMSS, PMTU - 40, half of the largest window ..., search_low - 40) -
 * options
 *
 * The path's MTU is IP's to keep, one for each destination, forgotten after
 * net.ipv4.route.mtu_expires seconds; it begins with the interface's. Before a connection sends new
 * text it looks whether that number has changed: so all connections of a path learn of a decrease
 * that one of them was told of (1191 6.2), and of the larger MTU when the entry is too old (6.3) or
 * a route was changed.
 *
 * "Fragmentation needed" comes from anybody who likes to send one. error.c has seen that the quoted
 * sequence number is in flight. Here: a number below 68 or above what is believed now is nonsense;
 * nobody can have thrown away a datagram for being larger than the one that was sent; and, where
 * the knob tcp_pmtu_verify is set, segments of a size that has got through before make the message
 * unlikely, so that it has to wait until a segment times out (5927 7.2).
 *
 * What it says goes to IP, which never goes below net.ipv4.route.min_pmtu: a path that wants less
 * gets datagrams without DF. What was in flight and is too large is sent again at once, cut anew,
 * once for each real decrease. That is no sign of congestion: cwnd stays the same number of
 * segments, fewer bytes (RFC 5681 3.1), and ssthresh doesn't shrink. Where the knob
 * tcp_pmtu_slow_start is set, one segment goes first, and slow start leads back to that cwnd (1191
 * 6.4).
 *
 * IP_MTU_DISCOVER: WANT, the default, is all of the above. DO has DF even where fragments would
 * help. With DONT, PROBE, INTERFACE and OMIT the interface's MTU is what counts, messages are
 * ignored and datagrams may be fragmented.
 *
 * Paths that throw away what is too large and say nothing are mtuprobe.c's.
 */
#include "tcp/tcp_internal.h"

#define MTU_UNKNOWN 1500
#define HEADERS     (IPV4_HLEN + TCP_HLEN)
#define RATIO_START 128u /* window.c */

static bool discovers(const struct tcb *t)
{
    return t->pmtudisc == TCP_PMTU_WANT || t->pmtudisc == TCP_PMTU_DO;
}

static uint32_t path_mtu(struct td_stack *st, struct tcb *t)
{
    struct ip_route_result r;
    if (ip_route(st, t->ep.a.raddr, t->ep.a.laddr, 0, &r) != 0) {
        return t->pmtu != 0 ? t->pmtu : MTU_UNKNOWN;
    }
    t->ifindex = r.nif != NULL ? r.nif->index : 0;
    t->no_df = !discovers(t) || (r.mtu_floor && t->pmtudisc != TCP_PMTU_DO);
    return discovers(t) || r.nif == NULL ? r.mtu : r.nif->mtu;
}

/* What our SYN says: the interface's MTU less the fixed headers, not less options (MUST-67). */
uint16_t tcp_rcv_mss(struct td_stack *st, const struct tcb *t)
{
    struct ip_route_result r;
    uint32_t mtu = MTU_UNKNOWN;
    if (ip_route(st, t->ep.a.raddr, t->ep.a.laddr, 0, &r) == 0 && r.nif != NULL) {
        mtu = r.nif->mtu;
    }
    uint32_t mss = mtu > HEADERS + 8 ? mtu - HEADERS : 8;
    mss = mss > UINT16_MAX - HEADERS ? UINT16_MAX - HEADERS : mss;
    if (t->user_mss != 0 && t->user_mss < mss) {
        mss = t->user_mss;
    }
    return (uint16_t)mss;
}

uint32_t tcp_mtu_to_mss(const struct td_stack *st, const struct tcb *t, uint32_t mtu)
{
    uint32_t m = mtu > HEADERS ? mtu - HEADERS : 0;
    m = m < t->peer_mss ? m : t->peer_mss;
    if (t->user_mss != 0 && t->user_mss < m) {
        m = t->user_mss;
    }
    uint32_t options = t->ts_ok ? TCP_TS_LEN : 0; /* on every segment (RFC 7323 3.2) */
    uint32_t least = (uint32_t)knob(st, TCP_MIN_SND_MSS);
    m = m > least ? m : least;
    return m - options;
}

uint32_t tcp_mss_to_mtu(const struct tcb *t, uint32_t mss)
{
    return mss + HEADERS + (t->ts_ok ? TCP_TS_LEN : 0);
}

/* Eff.snd.MSS = min(SendMSS + 20, MMS_S) - TCPhdrsize - IPoptionsize (MUST-16). */
void tcp_mss_update(struct td_stack *st, struct tcb *t)
{
    t->pmtu = path_mtu(st, t);
    uint32_t m = tcp_mtu_to_mss(st, t, tcp_mtup_limit(st, t, t->pmtu));
    t->mss = (uint16_t)(m > UINT16_MAX - HEADERS ? UINT16_MAX - HEADERS : m);
    if (t->rcv_mss == 0) {
        t->rcv_mss = t->mss < 536 ? t->mss : 536; /* until something larger arrives */
    }
    if (t->win_ratio == 0) {
        t->win_ratio = RATIO_START;
    }
}

/* RFC 5681 3.1, 4821 4: cwnd in bytes doesn't grow with the segments, in segments it doesn't grow
 * when they shrink. */
static void rescale_cwnd(struct tcb *t, uint32_t old_mss)
{
    if (t->mss < old_mss && t->cc.cwnd > 0) {
        t->cc.cwnd = (uint32_t)((uint64_t)t->cc.cwnd * t->mss / old_mss);
        t->cc.cwnd = t->cc.cwnd < t->mss ? t->mss : t->cc.cwnd;
    }
}

bool tcp_pmtu_changed(struct td_stack *st, struct tcb *t)
{
    uint32_t was = t->pmtu, old_mss = t->mss;
    tcp_mss_update(st, t);
    if (t->pmtu == was) {
        return false;
    }
    const struct journal_subject subject = tcp_subject(t);
    JOURNAL(st, EV_TCP_PMTU, &subject, was, t->pmtu, t->mss);
    rescale_cwnd(t, old_mss);
    return true;
}

/* RFC 1191 6.4: the window isn't reduced, but one segment goes out until ACKs come again. */
static void restart_slowly(struct td_stack *st, struct tcb *t)
{
    uint32_t from = t->cc.cwnd, to = tcp_pipe_bytes(t) + t->mss;
    if (knob(st, TCP_PMTU_SLOW_START) == 0 || from <= to) {
        return;
    }
    t->cc.ssthresh = t->cc.ssthresh > from ? t->cc.ssthresh : from;
    t->cc.cwnd = to;
    t->cc.count = 0;
    const struct journal_subject subject = tcp_subject(t);
    JOURNAL(st, EV_TCP_CWND, &subject, W_TCP_SMALLER_MTU, from, to, t->cc.ssthresh, tcp_flight(t));
}

static void lower(struct td_stack *st, struct tcb *t, uint32_t mtu)
{
    uint16_t old_mss = t->mss;
    ip_pmtu_update(st, t->ep.a.raddr, mtu);
    (void)tcp_pmtu_changed(st, t);
    if (t->mss >= old_mss || !tcp_synchronized(t)) {
        return;
    }
    tcp_resend_large(st, t);
    restart_slowly(st, t);
    tcp_mark(st, t);
}

enum tcp_pmtu_verdict tcp_pmtu_too_big(struct td_stack *st, struct tcb *t, uint32_t mtu,
                                       uint32_t quoted_len)
{
    if (!discovers(t)) {
        return TCP_PMTU_UNWANTED;
    }
    if (mtu == 0) { /* an old router doesn't say: the next plateau below (RFC 1191 7) */
        mtu = ip_pmtu_plateau(quoted_len);
    }
    if (mtu < IPV4_MTU_LEAST || mtu >= t->pmtu || mtu >= quoted_len) {
        return TCP_PMTU_NONSENSE;
    }
    if (knob(st, TCP_PMTU_VERIFY) != 0 && mtu < t->max_size_acked && t->rexmits == 0) {
        t->pmtu_pending = (uint16_t)mtu;
        return TCP_PMTU_WAITS;
    }
    lower(st, t, mtu);
    return TCP_PMTU_TAKEN;
}

void tcp_pmtu_timed_out(struct td_stack *st, struct tcb *t)
{
    uint32_t mtu = t->pmtu_pending;
    t->pmtu_pending = 0;
    if (mtu != 0) { /* RFC 5927 7.2: no progress, so the message told the truth */
        ip_pmtu_update(st, t->ep.a.raddr, mtu);
        (void)tcp_pmtu_changed(st, t);
    }
}
