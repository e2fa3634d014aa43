/* tcp/delack.c: when to acknowledge (RFC 9293 3.8.6.3, RFC 5681 4.2).
 *
 * Theory of operation. An acknowledgment may wait for company: text of ours to ride on, or a second
 * segment. It may not wait half a second (MUST-40: SHLD-18, 19). Between these limits this file
 * decides, after each segment: now, later, or with what comes next.
 *
 * At once:
 *   - text out of order, a hole filled, text that came twice (RFC 5681 4.2: loss recovery at the
 *     other side lives on these);
 *   - more than one full segment unacknowledged, unless the user doesn't read: then the ACK that
 *     its reading sends can say a better window;
 *   - the first segments of a connection, and of one that was silent for longer than an RTO: a
 *     sender in slow start has little in flight and grows by our ACKs. A credit of quick ACKs is
 *     given for that (as many as fill half the window, 16 at most);
 *   - a change of the congestion mark (RFC 3168 6.1.3 has it on each anyway).
 *
 * Later: after the ACK time-out ATO. It follows the gaps between segments, from 40 ms up: two
 * segments within a gap are one ACK, and who sends rarely isn't waited for long. It is bounded by
 * the round trip. If it runs out in vain it doubles.
 *
 * With what comes next: who answers within the ATO of receiving text is in a dialogue (Linux calls
 * it ping-pong); its answers carry the ACKs, so there are no quick ones. When an ATO runs out
 * without an answer, the dialogue is over.
 *
 * Under the `rfc` profile all this is off: every second full-sized segment, else after 200 ms.
 */
#include "tcp/tcp_internal.h"

#define ATO_MIN_MS   40u
#define ATO_MAX_MS   200u
#define LEAST_MSS    88u
#define DEFAULT_MSS  536u
#define COMPRESS_DUP 3u /* so many duplicate ACKs leave at once: they are fast retransmit's */

static bool adaptive(const struct td_stack *st)
{
    return knob(st, TCP_PINGPONG_THRESH) != 0;
}

static uint32_t now_ms(const struct td_stack *st)
{
    return (uint32_t)(st->now / TD_MS);
}

static bool in_dialogue(const struct td_stack *st, const struct tcb *t)
{
    return t->pingpong != 0 && t->pingpong >= (uint64_t)knob(st, TCP_PINGPONG_THRESH);
}

bool tcp_quickack_get(const struct td_stack *st, const struct tcb *t)
{
    return !in_dialogue(st, t);
}

void tcp_dialogue(const struct td_stack *st, struct tcb *t, bool on)
{
    t->pingpong = on ? (uint8_t)knob(st, TCP_PINGPONG_THRESH) : 0;
}

static void add_quick(const struct td_stack *st, struct tcb *t, uint32_t most)
{
    uint32_t limit = (uint32_t)knob(st, TCP_QUICKACKS);
    uint32_t n = t->rcv_wnd / (2u * (t->rcv_mss != 0 ? t->rcv_mss : DEFAULT_MSS));
    n = n == 0 ? 2 : n;
    n = n < most ? n : most;
    n = n < limit ? n : limit;
    if (n > t->quickacks) {
        t->quickacks = (uint16_t)n;
    }
}

void tcp_quickack_enter(const struct td_stack *st, struct tcb *t, uint32_t most)
{
    if (!adaptive(st)) {
        return;
    }
    add_quick(st, t, most);
    tcp_dialogue(st, t, false);
    t->ato_ms = ATO_MIN_MS;
}

void tcp_quickack_set(struct td_stack *st, struct tcb *t, int v)
{
    t->quickack_off = v == 0;
    tcp_dialogue(st, t, v == 0);
    if (v == 0 || !t->ack_sched) {
        return;
    }
    t->ack_now = true;
    tcp_mark(st, t);
    if ((v & 1) == 0) { /* once only */
        tcp_dialogue(st, t, true);
    }
}

void tcp_rcv_mss_init(struct tcb *t)
{
    uint32_t hint = t->mss < DEFAULT_MSS ? t->mss : DEFAULT_MSS;
    hint = hint < t->rcv_wnd / 2 ? hint : t->rcv_wnd / 2;
    t->rcv_mss = (uint16_t)(hint > LEAST_MSS ? hint : LEAST_MSS);
}

/* The size of the peer's segments, guessed from what comes: full ones raise it at once, smaller
 * ones lower it when two of the same size follow each other and aren't the end of a write. */
uint32_t tcp_measure_rcv_mss(struct tcb *t, const struct tcp_seg *s, const struct pkt *p)
{
    uint32_t size = p->gso_size != 0 && p->gso_size < p->len ? p->gso_size : p->len;
    uint16_t last = t->last_seg_size;
    t->last_seg_size = 0;
    if (size >= t->rcv_mss) {
        uint32_t most = t->adv_mss != 0 ? t->adv_mss : UINT16_MAX;
        t->rcv_mss = (uint16_t)(size < most ? size : most);
        if ((s->flags & TCP_PSH) != 0) {
            t->ack_pushed = true;
        }
        return size;
    }
    if (size >= DEFAULT_MSS ||
        (size >= LEAST_MSS && (s->flags & (TCP_FIN | TCP_URG | TCP_SYN | TCP_PSH)) == 0)) {
        t->last_seg_size = (uint16_t)size;
        if (size == last) {
            t->rcv_mss = (uint16_t)size;
            return size;
        }
    }
    t->ack_pushed2 = t->ack_pushed;
    t->ack_pushed = true;
    return size;
}

void tcp_ack_text_in(struct td_stack *st, struct tcb *t)
{
    uint32_t now = now_ms(st);
    t->ack_sched = true;
    if (!adaptive(st)) {
        t->last_data_ms = now;
        return;
    }
    uint32_t gap = now - t->last_data_ms;
    uint32_t rto = (uint32_t)(t->rtt.rto / TD_MS);
    if (t->ato_ms == 0) { /* the first text of the connection */
        add_quick(st, t, TCP_QUICK_MOST);
        t->ato_ms = ATO_MIN_MS;
    } else if (gap <= ATO_MIN_MS / 2) {
        t->ato_ms = (uint16_t)(t->ato_ms / 2 + ATO_MIN_MS / 2);
    } else if (gap < t->ato_ms) {
        uint32_t ato = t->ato_ms / 2u + gap;
        t->ato_ms = (uint16_t)(ato < rto ? ato : rto);
    } else if (gap > rto) { /* the sender starts slowly again, or should */
        add_quick(st, t, TCP_QUICK_MOST);
    }
    t->last_data_ms = now;
}

/* Does the user read? Then the window offered now is as large as the last one. */
static bool window_stands(struct td_stack *st, struct tcb *t, uint32_t unacked)
{
    return t->rcv.q.bytes == 0 || tcp_window_select(st, t) >= t->rcv_wnd + unacked;
}

static bool due_now(struct td_stack *st, struct tcb *t)
{
    uint32_t unacked = t->rcv_nxt - t->last_ack_sent;
    if (!adaptive(st)) {
        return unacked >= 2u * t->rcv_mss; /* RFC 5681 4.2, SHLD-19 */
    }
    return (unacked > t->rcv_mss && window_stands(st, t, unacked)) ||
           (t->quickacks > 0 && !in_dialogue(st, t));
}

/* Duplicate ACKs beyond the first few say little: with SACK one may stand for several. */
static td_time compress_delay(const struct td_stack *st, const struct tcb *t)
{
    if (!t->sack_ok || knob(st, TCP_COMP_SACK_NR) == 0) {
        return 0;
    }
    td_time rtt = (td_time)t->rrtt8_us / 8 * TD_US;
    td_time srtt = t->rtt.srtt8 / 8;
    rtt = srtt != 0 && srtt < rtt ? srtt : rtt;
    td_time most = (td_time)knob(st, TCP_COMP_SACK_DELAY_NS);
    return rtt / 20 < most ? rtt / 20 : most;
}

static void dup_ack(struct td_stack *st, struct tcb *t)
{
    if (t->dup_seq != t->rcv_nxt) {
        t->dup_seq = t->rcv_nxt;
        t->dup_count = 0;
        t->dup_held = 0;
    }
    td_time delay = compress_delay(st, t);
    if (t->dup_count < COMPRESS_DUP || delay == 0 ||
        t->dup_held >= (uint64_t)knob(st, TCP_COMP_SACK_NR)) {
        t->dup_count = (uint8_t)(t->dup_count + (t->dup_count < COMPRESS_DUP));
        t->dup_held = 0;
        if (t->dup_owed < UINT8_MAX) { /* an immediate duplicate ACK (MAY-13, RFC 5681 3.2) */
            t->dup_owed++;
        }
        return;
    }
    t->dup_held++;
    if (!t->ack_delayed || t->t_delack.deadline > st->now + delay) {
        t->ack_delayed = true;
        timer_arm(st, &t->t_delack, st->now + delay);
    }
}

void tcp_ack_check(struct td_stack *st, struct tcb *t, bool out_of_order)
{
    tcp_mark(st, t);
    if (out_of_order) {
        t->ack_sched = true;
        dup_ack(st, t);
    } else if (t->ack_sched && !t->ack_now) {
        if (due_now(st, t)) {
            t->ack_now = true;
        } else {
            tcp_delack_arm(st, t);
        }
    }
}

/* Who switched quick ACKs off, or defers acceptance, is about to send: the text carries the ACK. */
void tcp_ack_handshake(struct td_stack *st, struct tcb *t)
{
    tcp_mark(st, t);
    if (!adaptive(st) || (!t->quickack_off && t->defer_accept == 0)) {
        t->ack_now = true;
        return;
    }
    tcp_quickack_enter(st, t, TCP_QUICK_MOST);
    t->ack_sched = true;
    t->ack_delayed = true;
    timer_arm(st, &t->t_delack, st->now + ATO_MAX_MS * TD_MS);
}

bool tcp_ack_after_read(struct td_stack *st, struct tcb *t)
{
    if (!adaptive(st)) {
        return false;
    }
    bool small = t->ack_pushed2 || (t->ack_pushed && !in_dialogue(st, t));
    return t->ack_sched && (t->rcv_nxt - t->last_ack_sent > t->rcv_mss ||
                            (small && t->rcv.q.bytes == 0 && t->rcv.held == NULL));
}

void tcp_ack_sent(struct td_stack *st, struct tcb *t)
{
    if (t->quickacks > 0 && t->ack_sched) {
        t->quickacks--;
        if (t->quickacks == 0) {
            t->ato_ms = ATO_MIN_MS;
        }
    }
    t->ack_now = false;
    t->ack_sched = false;
    t->ack_pushed = false;
    t->ack_pushed2 = false;
    t->dup_owed = 0;
    t->dup_held = 0;
    if (t->ack_delayed) {
        timer_cancel(st, &t->t_delack);
        t->ack_delayed = false;
    }
}

void tcp_ack_begin(struct tcb *t)
{
    t->ato_ms = 0;
    t->quickacks = 0;
    t->pingpong = 0;
}

void tcp_ack_text_out(const struct td_stack *st, struct tcb *t, bool again)
{
    if (adaptive(st) && !again && t->ack_now && t->rcv_nxt == t->irs + 1) {
        t->ato_ms = ATO_MIN_MS; /* the user waited for the handshake's end: a dialogue begins */
        t->pingpong = 1;
        return;
    }
    if (adaptive(st) && now_ms(st) - t->last_data_ms < t->ato_ms && t->pingpong < UINT8_MAX) {
        t->pingpong++;
    }
}

/* ---- the timer ---- */

static td_time delay_for(const struct td_stack *st, const struct tcb *t)
{
    uint32_t least = (uint32_t)knob(st, TCP_DELACK_MIN_MS);
    if (!adaptive(st)) {
        return (td_time)least * TD_MS;
    }
    uint32_t ato = t->ato_ms;
    if (ato > least) {
        uint32_t most = in_dialogue(st, t) || t->ack_pushed ? ATO_MAX_MS : 500;
        uint32_t srtt = (uint32_t)(t->rtt.srtt8 / 8 / TD_MS);
        if (t->rtt.srtt8 != 0) { /* who sends again after a round trip mustn't wait for us */
            srtt = srtt > least ? srtt : least;
            most = srtt < most ? srtt : most;
        }
        ato = ato < most ? ato : most;
    }
    ato = ato < ATO_MAX_MS ? ato : ATO_MAX_MS;
    return (td_time)ato * TD_MS;
}

void tcp_delack_arm(struct td_stack *st, struct tcb *t)
{
    td_time delay = delay_for(st, t) + (FAULT_ON(st, LAZY_ACKS) ? TD_SEC : 0);
    td_time at = st->now + delay;
    t->ack_sched = true;
    if (t->ack_delayed && t->t_delack.deadline <= at) {
        if (adaptive(st) && t->t_delack.deadline <= st->now + delay / 4) { /* about to expire */
            t->ack_now = true;
            tcp_mark(st, t);
        }
        return; /* the first unacknowledged segment's deadline stands */
    }
    if (delay == 0) {
        t->ack_now = true;
        tcp_mark(st, t);
        return;
    }
    const struct journal_subject subject = tcp_subject(t);
    t->ack_delayed = true;
    timer_arm(st, &t->t_delack, at);
    JOURNAL(st, EV_TCP_DELACK, &subject, t->rcv_nxt - t->last_ack_sent, delay);
}

void tcp_delack_fired(struct td_stack *st, struct timer *tm)
{
    struct tcb *t = container_of(tm, struct tcb, t_delack);
    const struct journal_subject subject = tcp_subject(t);
    t->ack_delayed = false;
    t->ack_now = true;
    if (t->dup_held > 0) {
        st->counters.v[CNT_TcpExtTCPAckCompressed] += t->dup_held - 1u;
        tcp_output(st, t);
        return;
    }
    count(st, TcpExtDelayedACKs);
    JOURNAL(st, EV_TCP_DELACK_FIRED, &subject, t->rcv_nxt - t->last_ack_sent);
    if (adaptive(st)) {
        uint32_t rto = (uint32_t)(t->rtt.rto / TD_MS);
        if (in_dialogue(st, t)) { /* the answer didn't come */
            tcp_dialogue(st, t, false);
            t->ato_ms = ATO_MIN_MS;
        } else {
            uint32_t ato = 2u * t->ato_ms;
            ato = ato < rto ? ato : rto;
            t->ato_ms = (uint16_t)(ato < UINT16_MAX ? ato : UINT16_MAX);
        }
    }
    tcp_output(st, t);
}
