/* tcp/mtuprobe.c: finding the path's MTU without ICMP (RFC 4821, PLPMTUD).
 *
 * Theory of operation. A path may throw away large datagrams and say nothing, a black hole. Then
 * what a connection sees is that small segments get through and full ones never do. The remedy has
 * two halves, switched by net.ipv4.tcp_mtu_probing: 0 none, 1 when a black hole shows, 2 from the
 * beginning.
 *
 * The search. Between search_low, a size that gets through, and search_high, what the interface and
 * the peer would take, lies the MTU of the path. Segments are cut to search_low. When there is
 * enough to send, one segment of the size halfway is sent first: the probe. It carries text like
 * any other.
 *
 *      search_low        probe       search_high
 *   ├──────┼───────────────┼───────────────┼
 *          │      acknowledged: search_low moves up to it, the segments get larger
 *          │      lost alone: search_high moves below it
 *
 * "Lost alone": the first segment in flight is the probe, and fast retransmit finds it lost. That
 * isn't taken for congestion (4821 7.6.1): cwnd isn't cut, the text is sent again in ordinary
 * segments. If the timer had to do it, or if more is missing, the probe has shown nothing
 * ("inconclusive") and losses are losses. When search_high - search_low is below
 * tcp_probe_threshold the search is over, until tcp_probe_interval seconds have passed: the path
 * may have changed.
 *
 * A probe asks for so much text and window that its loss can be seen by fast retransmit (4821 7.4):
 * the probe and reordering + 1 segments behind it; nothing lost at the moment, and a cwnd of 11,
 * one of which is given up for the probe, since it takes the place of two.
 *
 * Verification (7.8). A probe may get through where its like don't: the path may be a bundle of
 * links of different MTU. So what is lost after a raise is counted for VERIFY_SEGS segments. If that
 * is far more than before, the raise is taken back, and the search is over until the interval has
 * passed.
 *
 * The black hole (7.7). When text has been repeated for the time of R1 without an answer, the
 * search begins, with segments of tcp_base_mss; if it has begun, they are halved, but not below
 * tcp_mtu_probe_floor. Where segments as large were acknowledged before, `rfc` waits for twice R1: on
 * a line that loses a fifth of all the segments would else shrink to the floor, time-out by time-out.
 *
 * The state of the search exists only for connections that search.
 */
#include "tcp/tcp_internal.h"

#define CWND_LEAST   11u /* segments */
#define VERIFY_SEGS  128u
#define VERIFY_LOST  4u   /* fewer are no sign */
#define VERIFY_SHARE 8u   /* one in so many lost is */
#define VERIFY_TIMES 4u   /* if it is so many times what it was */

static uint32_t base_mtu(const struct td_stack *st, const struct tcb *t)
{
    return tcp_mss_to_mtu(t, (uint32_t)knob(st, TCP_BASE_MSS));
}

static uint32_t highest(const struct tcb *t)
{
    return (uint32_t)t->peer_mss + IPV4_HLEN + TCP_HLEN;
}

static struct tcp_mtup *begin(struct td_stack *st, struct tcb *t)
{
    struct tcp_more *m = tcp_more(st, t);
    if (m == NULL) {
        return NULL;
    }
    struct tcp_mtup *p = &m->mtup;
    p->on = true;
    p->search_high = highest(t);
    p->search_low = base_mtu(st, t);
    p->probe_size = 0;
    p->since = st->now;
    return p;
}

static struct tcp_mtup *state(const struct tcb *t)
{
    return t->more_state != NULL && t->more_state->mtup.on ? &t->more_state->mtup : NULL;
}

void tcp_mtup_init(struct td_stack *st, struct tcb *t)
{
    if (knob(st, TCP_MTU_PROBING) > 1) {
        (void)begin(st, t);
    }
}

/* Segments are cut to search_low while the search is on. */
uint32_t tcp_mtup_limit(const struct td_stack *st, struct tcb *t, uint32_t pmtu)
{
    (void)st;
    struct tcp_mtup *p = state(t);
    if (p == NULL) {
        return pmtu;
    }
    p->search_high = p->search_high < pmtu ? p->search_high : pmtu;
    return p->search_low < pmtu ? p->search_low : pmtu;
}

static void report(struct td_stack *st, const struct tcb *t, enum journal_word what, uint32_t size)
{
    const struct tcp_mtup *p = state(t);
    const struct journal_subject subject = tcp_subject(t);
    JOURNAL(st, EV_TCP_MTU_PROBE, &subject, what, size, p->search_low, p->search_high, t->mss);
}

/* The search is over; so much later it may begin anew, from what the segments are now. */
static void reprobe(struct td_stack *st, struct tcb *t, struct tcp_mtup *p)
{
    if (st->now - p->since < (td_time)knob(st, TCP_PROBE_INTERVAL) * TD_SEC) {
        return;
    }
    p->since = st->now;
    p->search_high = highest(t) < t->pmtu ? highest(t) : t->pmtu;
    p->search_low = tcp_mss_to_mtu(t, t->mss);
}

enum tcp_mtup_advice tcp_mtup_advise(struct td_stack *st, struct tcb *t, uint32_t *len)
{
    struct tcp_mtup *p = state(t);
    if (p == NULL || p->probe_size != 0 || t->ca_state != TCPE_OPEN || t->dupacks > 0 ||
        t->cc.cwnd < CWND_LEAST * t->mss || t->rtx_nxt != t->snd_nxt) {
        return TCP_MTUP_NO;
    }
    uint32_t cwnd = t->cc.cwnd / t->mss, flight = tcp_inflight(t).unacked;
    uint32_t mtu = (p->search_low + p->search_high) / 2;
    uint32_t size = tcp_mtu_to_mss(st, t, mtu);
    if (p->search_high < p->search_low + (uint32_t)knob(st, TCP_PROBE_THRESHOLD)) {
        reprobe(st, t, p);
        return TCP_MTUP_NO;
    }
    uint64_t needed = size + (uint64_t)(t->reordering + 1u) * t->mss;
    if (sndbuf_end(&t->snd) - t->snd_nxt < needed || t->snd_wnd < needed) {
        return TCP_MTUP_NO;
    }
    if ((uint64_t)tcp_flight(t) + needed > t->snd_wnd) {
        return TCP_MTUP_WAIT;
    }
    if (flight + 2 > cwnd) { /* let it drain */
        return flight == 0 ? TCP_MTUP_NO : TCP_MTUP_WAIT;
    }
    *len = size;
    return TCP_MTUP_PROBE;
}

void tcp_mtup_sent(struct td_stack *st, struct tcb *t, tcp_seq seq, uint32_t len)
{
    struct tcp_mtup *p = state(t);
    p->probe_size = tcp_mss_to_mtu(t, len);
    p->from = seq;
    p->to = seq + len;
    t->cc.cwnd -= t->mss;
    count(st, TcpExtTCPMTUPProbe);
    report(st, t, W_TCP_PROBE_SENT, p->probe_size);
}

void tcp_mtup_acked(struct td_stack *st, struct tcb *t)
{
    struct tcp_mtup *p = state(t);
    if (p == NULL || p->probe_size == 0 || seq_gt(p->to, t->snd_una)) {
        return;
    }
    uint32_t size = p->probe_size;
    p->verified = p->verified != 0 ? p->verified : p->search_low;
    p->segs = p->lost = 0;
    p->search_low = size;
    p->probe_size = 0;
    count(st, TcpExtTCPMTUPSuccess);
    /* RFC 4821 4: the window in bytes doesn't grow; so it is as large as it was, less the rounding.
     */
    tcp_mss_update(st, t);
    t->cc.cwnd -= t->cc.cwnd % t->mss;
    t->cc.cwnd = t->cc.cwnd < t->mss ? t->mss : t->cc.cwnd;
    report(st, t, W_TCP_PROBE_ACKED, size);
}

/* What the larger segments met with was far worse than what the smaller did. */
static bool sharply_more(const struct tcp_mtup *p)
{
    uint64_t total = (uint64_t)p->segs + p->lost;
    uint64_t before = (uint64_t)p->segs_before + p->lost_before;
    return p->lost >= VERIFY_LOST && (uint64_t)p->lost * VERIFY_SHARE >= total &&
           p->lost * before >= VERIFY_TIMES * (uint64_t)p->lost_before * total;
}

static void take_back(struct td_stack *st, struct tcb *t, struct tcp_mtup *p)
{
    uint32_t old_mss = t->mss, size = p->search_low;
    p->search_low = p->search_high = p->verified;
    p->verified = 0;
    p->since = st->now;
    tcp_mss_update(st, t);
    if (t->mss < old_mss) { /* no more segments than before (4821 4) */
        t->cc.cwnd = (uint32_t)((uint64_t)t->cc.cwnd * t->mss / old_mss);
        t->cc.cwnd = t->cc.cwnd < t->mss ? t->mss : t->cc.cwnd;
    }
    report(st, t, W_TCP_RAISE_UNDONE, size);
}

void tcp_mtup_verify(struct td_stack *st, struct tcb *t, uint32_t delivered, uint32_t lost_ever)
{
    struct tcp_mtup *p = state(t);
    if (p == NULL) {
        return;
    }
    uint32_t lost = lost_ever >= p->lost_ever ? lost_ever - p->lost_ever : lost_ever;
    p->lost_ever = lost_ever;
    if (p->verified == 0) {
        p->segs_before += delivered;
        p->lost_before += lost;
        return;
    }
    p->segs += delivered;
    p->lost += lost;
    if (sharply_more(p)) {
        take_back(st, t, p);
    } else if (p->segs >= VERIFY_SEGS) {
        p->verified = 0;
        p->segs_before = p->segs; /* the recent past is what the next raise is compared with */
        p->lost_before = p->lost;
        report(st, t, W_TCP_RAISE_HOLDS, p->search_low);
    }
}

bool tcp_mtup_lost(struct td_stack *st, struct tcb *t)
{
    struct tcp_mtup *p = state(t);
    if (p == NULL || p->probe_size == 0 || p->from != t->snd_una) {
        return false;
    }
    uint32_t size = p->probe_size;
    p->search_high = size - 1;
    p->probe_size = 0;
    t->cc.cwnd += t->mss; /* what the probe had been given */
    count(st, TcpExtTCPMTUPFail);
    report(st, t, W_TCP_PROBE_LOST, size);
    return true;
}

void tcp_mtup_inconclusive(struct td_stack *st, struct tcb *t)
{
    struct tcp_mtup *p = state(t);
    if (p != NULL && p->probe_size != 0) {
        uint32_t size = p->probe_size;
        p->probe_size = 0;
        report(st, t, W_TCP_PROBE_UNCLEAR, size);
    }
}

/* Segments of this size were acknowledged: it is more likely that much is lost than that the path
 * has become narrower. Linux doesn't ask. */
static bool got_through(const struct td_stack *st, const struct tcb *t)
{
    return !tcp_as_linux(st) && t->max_size_acked >= (uint32_t)t->mss + IPV4_HLEN + TCP_HLEN &&
           t->rexmits <= 2 * knob(st, TCP_RETRIES1);
}

void tcp_mtup_black_hole(struct td_stack *st, struct tcb *t)
{
    if (knob(st, TCP_MTU_PROBING) == 0 || !tcp_synchronized(t) || got_through(st, t)) {
        return;
    }
    struct tcp_mtup *p = state(t);
    if (p == NULL) {
        p = begin(st, t);
        if (p == NULL) {
            return; /* at the next time-out */
        }
    } else {
        uint32_t mss = tcp_mtu_to_mss(st, t, p->search_low) / 2;
        uint32_t most = (uint32_t)knob(st, TCP_BASE_MSS);
        uint32_t floor = (uint32_t)knob(st, TCP_MTU_PROBE_FLOOR);
        mss = mss < most ? mss : most;
        mss = mss > floor ? mss : floor;
        mss = mss > (uint32_t)knob(st, TCP_MIN_SND_MSS) ? mss : (uint32_t)knob(st, TCP_MIN_SND_MSS);
        p->search_low = tcp_mss_to_mtu(t, mss);
    }
    tcp_mss_update(st, t);
    report(st, t, W_TCP_BLACK_HOLE, t->pmtu);
}
