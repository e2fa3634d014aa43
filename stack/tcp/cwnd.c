/* tcp/cwnd.c: is the congestion window used? (RFC 5681 4.1, 2861, 9438 4.2, 6928 2)
 *
 * Theory of operation. cwnd is what the path was seen to carry. A sender that hasn't much to say
 * sees nothing: so cwnd grows only while it is what holds the sender back, and what wasn't used for
 * long isn't believed any more.
 *
 *   limited?   Asked after each output. Output was held back by cwnd, or what is in flight fills
 *              it: limited, and that holds until everything that is in flight now is acknowledged.
 *              Otherwise the most that was in flight in this window of data is remembered: in slow
 *              start cwnd may grow to twice that, because a sender that has used half its window
 *              may need more than all of it a round trip later.
 *   idle       Nothing was in flight, and nothing was sent for longer than an RTO. The RFC restarts
 *              from the initial window (5681 4.1: tcp_slow_start_after_idle 2). Linux (1) halves
 * cwnd for each RTO that passed, down to the initial window, and first remembers three quarters of
 * it in ssthresh, so that slow start finds back (RFC 2861). too large  Linux (1): cwnd wasn't
 * filled for an RTO: it goes half of the way down to what was used.
 *
 * The restart window is the initial one; under 2, if something of a first or restart window of more
 * than 4 KB was lost, that of RFC 3390 (6928 2).
 */
#include "tcp/tcp_internal.h"

#define IDLE_LINUX 1
#define IDLE_RFC   2

static uint32_t now_ms(const struct td_stack *st)
{
    return (uint32_t)(st->now / TD_MS);
}

bool tcp_cwnd_is_limited(const struct tcb *t)
{
    if (t->cwnd_full) {
        return true;
    }
    return t->cc.cwnd < t->cc.ssthresh && t->cc.cwnd / 2 < t->max_flight;
}

/* Three quarters of cwnd are worth coming back to. */
static uint32_t remembered(const struct tcb *t)
{
    uint32_t most = t->cc.cwnd / 2 + t->cc.cwnd / 4;
    return tcp_in_reduction(t) || t->cc.ssthresh > most ? t->cc.ssthresh : most;
}

static void set_cwnd(struct td_stack *st, struct tcb *t, uint32_t to, enum journal_word why)
{
    const struct journal_subject subject = tcp_subject(t);
    if (to == t->cc.cwnd) {
        return;
    }
    JOURNAL(st, EV_TCP_CWND, &subject, why, t->cc.cwnd, to, t->cc.ssthresh, tcp_flight(t));
    t->cc.cwnd = to;
    t->cc.count = 0;
}

void tcp_cwnd_in_bounds(struct tcb *t)
{
    uint32_t w = t->cc.cwnd > t->mss ? t->cc.cwnd : t->mss;
    t->cc.cwnd = w < TD_CC_CWND_MAX ? w : TD_CC_CWND_MAX;
}

/* ---- the sender was idle ---- */

static uint32_t restart_window(const struct td_stack *st, const struct tcb *t)
{
    uint32_t rw = tcp_initial_window(st, t);
    if (knob(st, TCP_SLOW_START_AFTER_IDLE) == IDLE_RFC && t->first_window_lost) {
        uint32_t most = 2u * t->mss > 4380 ? 2u * t->mss : 4380; /* RFC 3390 1 */
        most = 4u * t->mss < most ? 4u * t->mss : most;
        rw = rw < most ? rw : most;
    }
    return rw < t->cc.cwnd ? rw : t->cc.cwnd;
}

static void restart(struct td_stack *st, struct tcb *t, td_time idle)
{
    uint32_t rw = restart_window(st, t), w = t->cc.cwnd;
    if (knob(st, TCP_SLOW_START_AFTER_IDLE) == IDLE_RFC) {
        w = rw;
    } else {
        t->cc.ssthresh = remembered(t);
        for (td_time left = idle - t->rtt.rto; left > 0 && w > rw;
             left -= left < t->rtt.rto ? left : t->rtt.rto) {
            w /= 2;
        }
        w = w > rw ? w - w % t->mss : rw;
    }
    set_cwnd(st, t, w, W_TCP_IDLE);
    t->used_ms = now_ms(st);
    t->cwnd_used = 0;
    t->first_window = true;
    t->first_window_end = t->snd_nxt + t->cc.cwnd;
    tcp_cc_event(st, t, TD_CC_RESTART);
}

void tcp_cwnd_before_text(struct td_stack *st, struct tcb *t)
{
    if (t->snd_nxt != t->snd_una) {
        return;
    }
    td_time idle = t->last_sent != 0 ? st->now - t->last_sent : 0;
    if (idle > t->rtt.rto && knob(st, TCP_SLOW_START_AFTER_IDLE) != 0) {
        restart(st, t, idle);
    }
    tcp_cc_event(st, t, TD_CC_TX_START);
}

/* ---- the sender doesn't fill its window ---- */

static void shrink_to_use(struct td_stack *st, struct tcb *t)
{
    uint32_t iw = tcp_initial_window(st, t);
    uint32_t used = t->cwnd_used > iw ? t->cwnd_used : iw;
    if (t->ca_state == TCPE_OPEN && !t->no_space && used < t->cc.cwnd) {
        uint32_t w = t->cc.cwnd - (t->cc.cwnd - used) / 2;
        t->cc.ssthresh = remembered(t);
        set_cwnd(st, t, w - w % t->mss, W_TCP_UNUSED);
    }
    t->cwnd_used = 0;
    t->used_ms = now_ms(st);
}

void tcp_cwnd_validate(struct td_stack *st, struct tcb *t, bool held)
{
    uint32_t flight = tcp_out_bytes(t);
    tcp_series(st, t);
    if (flight == 0 && !held) {
        return; /* nothing was sent */
    }
    held = held || tcp_pipe_bytes(t) + t->mss > t->cc.cwnd;
    if (seq_ge(t->snd_una, t->usage_seq) || held || (!t->cwnd_full && flight > t->max_flight)) {
        t->cwnd_full = held;
        t->max_flight = flight;
        t->usage_seq = t->snd_nxt;
    }
    if (tcp_cwnd_is_limited(t)) {
        t->cwnd_used = 0;
        t->used_ms = now_ms(st);
        return;
    }
    t->cwnd_used = flight > t->cwnd_used ? flight : t->cwnd_used;
    if (knob(st, TCP_SLOW_START_AFTER_IDLE) == IDLE_LINUX &&
        (td_time)(now_ms(st) - t->used_ms) * TD_MS >= t->rtt.rto) {
        shrink_to_use(st, t);
    }
}

/* ---- the first window (RFC 6928 2) ---- */

void tcp_cwnd_started(struct td_stack *st, struct tcb *t)
{
    t->usage_seq = t->snd_una;
    t->used_ms = now_ms(st);
    t->first_window = true;
    t->first_window_end = t->iss + 1 + t->cc.cwnd;
}

void tcp_cwnd_lost(struct tcb *t, uint32_t flight)
{
    if (t->first_window && flight > 4096) {
        t->first_window_lost = true;
    }
}
