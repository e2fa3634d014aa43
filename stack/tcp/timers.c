/* tcp/timers.c: what happens when nothing happens.
 *
 * Theory of operation. A connection has three timers, each for what can't be needed at the same
 * time:
 *
 *   t_rtx     REXMT     something is in flight: RFC 6298 5 (5.1 start with the first, 5.2 stop when
 *                       all is acknowledged, 5.3 restart with progress, 5.4-5.6 on expiry)
 *             PROBE     the same, but before the RTO a tail loss probe is due (tlp.c)
 *             REO       the same, but what is late may soon be called lost (rack.c)
 *             PERSIST   the peer's window is closed: probe it (RFC 9293 3.8.6.1), with back-off,
 *                       for as long as it answers
 *             ECN       nothing in flight, and an ECN echo came while cwnd was one segment: the next
 *                       one has to wait (RFC 3168 6.1.2)
 *             OVERRIDE  nothing in flight, and what is queued was held back (silly window, cork):
 *                       send it all the same after a fraction of a second (3.8.6.2.1)
 *   t_delack  the acknowledgment that may wait (3.8.6.3)
 *   t_ctl     KEEPALIVE (3.8.4), or for an orphan the time it may spend in FIN-WAIT-2 or linger
 *
 * When all this is given up is in giveup.c.
 */
#include "tcp/xmit.h"

#include <errno.h>

static void rtx_fired(struct td_stack *st, struct timer *tm);
static void ctl_fired(struct td_stack *st, struct timer *tm);

static const struct timer_kind rtx_kinds[] = {
    [TRTX_NONE] = {rtx_fired, ""},          [TRTX_REXMT] = {rtx_fired, "rexmt"},
    [TRTX_PROBE] = {rtx_fired, "probe"},    [TRTX_REO] = {rtx_fired, "reorder"},
    [TRTX_PERSIST] = {rtx_fired, "persist"}, [TRTX_OVERRIDE] = {rtx_fired, "override"},
    [TRTX_ECN] = {rtx_fired, "ecn"},
};
static const struct timer_kind ctl_kinds[] = {
    [TCTL_NONE] = {ctl_fired, ""},
    [TCTL_KEEPALIVE] = {ctl_fired, "keepalive"},
    [TCTL_FIN_WAIT_2] = {ctl_fired, "fin-wait-2"},
    [TCTL_LINGER] = {ctl_fired, "linger"},
};

void tcp_timers_init(struct tcb *t)
{
    timer_set(&t->t_rtx, &rtx_kinds[TRTX_REXMT]);
    timer_init(&t->t_delack, tcp_delack_fired, "delack");
    timer_set(&t->t_ctl, &ctl_kinds[TCTL_KEEPALIVE]);
}

void tcp_timers_stop(struct td_stack *st, struct tcb *t)
{
    tcp_rtx_stop(st, t);
    timer_cancel(st, &t->t_delack);
    timer_cancel(st, &t->t_ctl);
    tcp_pacing_stop(st, t);
    t->ctl_kind = TCTL_NONE;
    t->ack_delayed = false;
}

/* ---- t_rtx ---- */

#define OVERRIDE_MAX TD_SEC /* RFC 9293 3.8.6.2.1: 0.1 to 1.0 seconds */

static td_time rto_max(const struct td_stack *st)
{
    return (td_time)knob(st, TCP_RTO_MAX_MS) * TD_MS;
}

static td_time persist_interval(const struct td_stack *st, const struct tcb *t)
{
    td_time most = rto_max(st);
    td_time d = t->rtt.rto;
    for (unsigned i = 0; i < t->persist_backoff && d < most; i++) {
        d *= 2; /* SHLD-30 */
    }
    return d < most ? d : most;
}

void tcp_rtx_arm_at(struct td_stack *st, struct tcb *t, enum tcp_rtx_timer kind, td_time at)
{
    if (t->stalled_since == 0 && knob(st, TCP_GIVE_UP_BY_TIME) == 0) {
        t->stalled_since = st->now;
    }
    if ((kind == TRTX_REXMT || kind == TRTX_PERSIST) && at > tcp_patience_ends(t)) {
        at = tcp_patience_ends(t) > st->now ? tcp_patience_ends(t) : st->now + TD_MS;
    }
    t->t_rtx.kind = &rtx_kinds[kind];
    t->rtx_kind = (uint8_t)kind;
    timer_arm(st, &t->t_rtx, at);
}

void tcp_rtx_arm(struct td_stack *st, struct tcb *t, enum tcp_rtx_timer kind)
{
    td_time wait = t->rtt.rto;
    if (kind == TRTX_NONE) {
        tcp_rtx_stop(st, t);
        return;
    }
    if (kind == TRTX_PERSIST) {
        wait = persist_interval(st, t);
    } else if (kind == TRTX_ECN) {
        td_time most = rto_max(st);
        for (unsigned i = 1; i < t->ecn_waits && wait < most; i++) {
            wait *= 2; /* RFC 9438 4.6: with back-off */
        }
        wait = wait < most ? wait : most;
    } else if (kind == TRTX_OVERRIDE) {
        wait = wait < OVERRIDE_MAX ? wait : OVERRIDE_MAX;
        if (wait < (td_time)knob(st, TCP_OVERRIDE_MS) * TD_MS) {
            wait = (td_time)knob(st, TCP_OVERRIDE_MS) * TD_MS;
        }
    }
    tcp_rtx_arm_at(st, t, kind, st->now + wait);
}

void tcp_rtx_stop(struct td_stack *st, struct tcb *t)
{
    timer_cancel(st, &t->t_rtx);
    t->rtx_kind = TRTX_NONE;
    t->stalled_since = 0;
}

td_time tcp_rto_deadline(const struct td_stack *st, const struct tcb *t)
{
    const struct txseg *x = txq_head(t->txq);
    td_time at = (x != NULL ? x->sent : st->now) + t->rtt.rto;
    return at > st->now ? at : st->now + TD_US;
}

void tcp_rtx_rearm(struct td_stack *st, struct tcb *t)
{
    if (t->tfo_serial != 0) {
        return; /* the timer is the SYN-ACK's */
    }
    if (txq_empty(t->txq) || t->snd_wnd == 0) {
        tcp_rtx_update(st, t, false);
    } else {
        tcp_rtx_arm_at(st, t, TRTX_REXMT, tcp_rto_deadline(st, t));
    }
}

static bool for_flight(unsigned kind) /* one of the three that wait for an acknowledgment */
{
    return kind == TRTX_REXMT || kind == TRTX_PROBE || kind == TRTX_REO;
}

/* RFC 6298 5.3, 8985 7.2: with progress the probe is scheduled anew, or the RTO. */
void tcp_rtx_progress(struct td_stack *st, struct tcb *t)
{
    t->stalled_since = 0;
    if (txq_empty(t->txq) || t->snd_wnd == 0) {
        tcp_rtx_update(st, t, true);
    } else if (!tcp_tlp_schedule(st, t, true)) {
        if (t->rtx_kind == TRTX_PROBE || t->rtx_kind == TRTX_REO) {
            tcp_rtx_rearm(st, t); /* the RTO has run beside it */
        } else {
            tcp_rtx_arm(st, t, TRTX_REXMT);
        }
    }
}

void tcp_rtx_update(struct td_stack *st, struct tcb *t, bool restart)
{
    if (t->tfo_serial != 0) {
        return; /* the timer is the SYN-ACK's: nothing else is sent again before (RFC 7413 4.2.2) */
    }
    enum tcp_rtx_timer want = TRTX_NONE;
    bool queued = seq_lt(t->snd_nxt, sndbuf_end(&t->snd) + t->fin_queued);
    if (t->snd_nxt != t->snd_una) {
        want = t->snd_wnd == 0 ? TRTX_PERSIST : TRTX_REXMT;
    } else if (t->ecn_hold) {
        want = TRTX_ECN;
    } else if (queued) {
        want = t->snd_wnd == 0 ? TRTX_PERSIST : TRTX_OVERRIDE;
    }
    if (restart) {
        t->stalled_since = 0;
    }
    if (want == TRTX_NONE) {
        tcp_rtx_stop(st, t); /* RFC 6298 5.2 */
    } else if (restart ||
               !(t->rtx_kind == want || (want == TRTX_REXMT && for_flight(t->rtx_kind)))) {
        tcp_rtx_arm(st, t, want); /* 5.1, 5.3 */
    }
}

/* R1: negative advice to IP, and the user is told if it wants to know (SHLD-9). */
static void report_r1(struct td_stack *st, struct tcb *t, bool first)
{
    t->r1_told = t->r1_told && !first;
    if (!tcp_r1_passed(st, t)) {
        return;
    }
    ip_advise_bad(st, t->ep.a.raddr);
    tcp_mtup_black_hole(st, t);
    if (t->r1_told) {
        return;
    }
    t->r1_told = true;
    const struct journal_subject subject = tcp_subject(t);
    JOURNAL(st, EV_TCP_R1, &subject, t->rexmits);
    if (t->recv_err) {
        t->err = ETIMEDOUT;
        tcp_notify(st, t, 0);
    }
}

static void rexmt_fired(struct td_stack *st, struct tcb *t)
{
    if (tcp_give_up(st, t, W_TCP_TIMEOUT, 0)) {
        tcp_fastopen_timeout(st, t, true);
        return;
    }
    tcp_fastopen_timeout(st, t, false);
    if (t->stalled_since == 0) {
        t->stalled_since = st->now;
    }
    const struct journal_subject subject = tcp_subject(t);
    td_time was = t->rtt.rto;
    t->rexmits++;
    count(st, TcpExtTCPTimeouts);
    if ((t->state != TCPS_SYN_SENT || t->rexmits > knob(st, TCP_SYN_LINEAR_TIMEOUTS)) &&
        !FAULT_ON(st, NO_BACKOFF)) {
        tcp_rto_backoff(st, t);
    }
    JOURNAL_CAUSE(st, EV_TCP_RTO, &subject, was, t->rtt.rto, t->rexmits, tcp_flight(t));
    report_r1(st, t, t->rexmits == 1);
    tcp_mtup_inconclusive(st, t);
    tcp_pmtu_timed_out(st, t);
    if (t->snd_una == t->iss) { /* SYN or SYN-ACK */
        t->ever_rexmt_syn = true;
        tcp_send_syn(st, t);
        tcp_rtx_arm(st, t, TRTX_REXMT);
        return;
    }
    if (!txq_empty(t->txq)) {
        tcp_enter_loss(st, t);
    }
    tcp_rtx_arm(st, t, TRTX_REXMT); /* 5.6 */
    tcp_output(st, t);
}

static void persist_fired(struct td_stack *st, struct tcb *t)
{
    if (FAULT_ON(st, NO_PROBES)) {
        return;
    }
    if (tcp_give_up(st, t, W_TCP_PERSIST_OUT, persist_interval(st, t))) {
        return;
    }
    if (t->stalled_since == 0) {
        t->stalled_since = st->now;
    }
    tcp_window_probe(st, t);
    if (t->probes < UINT8_MAX) {
        t->probes++;
    }
    if (t->persist_backoff < UINT8_MAX) {
        t->persist_backoff++;
    }
    tcp_rtx_arm(st, t, TRTX_PERSIST);
    const struct journal_subject subject = tcp_subject(t);
    JOURNAL(st, EV_TCP_PROBE, &subject, t->snd_una, t->probes, t->t_rtx.deadline - st->now);
}

static void rtx_fired(struct td_stack *st, struct timer *tm)
{
    struct tcb *t = container_of(tm, struct tcb, t_rtx);
    switch ((enum tcp_rtx_timer)t->rtx_kind) {
    case TRTX_REXMT:
        rexmt_fired(st, t);
        break;
    case TRTX_PROBE:
        tcp_tlp_fired(st, t);
        break;
    case TRTX_REO:
        tcp_loss_timeout(st, t);
        break;
    case TRTX_PERSIST:
        persist_fired(st, t);
        break;
    case TRTX_OVERRIDE:
        t->rtx_kind = TRTX_NONE;
        tcp_output_forced(st, t);
        break;
    case TRTX_ECN:
        t->rtx_kind = TRTX_NONE;
        t->ecn_hold = false;
        tcp_output(st, t);
        break;
    case TRTX_NONE:
        break;
    }
}

/* ---- t_ctl ---- */

static td_time keepidle(const struct td_stack *st, const struct tcb *t)
{
    td_time wait = (td_time)(t->keepidle != 0 ? t->keepidle : knob(st, TCP_KEEPALIVE_TIME)) * TD_SEC;
    td_time uto = (td_time)t->user_timeout_ms * TD_MS;
    return tcp_uto_adopted(t) && wait <= uto ? uto + TD_SEC : wait; /* RFC 5482 4.2 */
}

static td_time keepintvl(const struct td_stack *st, const struct tcb *t)
{
    return (td_time)(t->keepintvl != 0 ? t->keepintvl : knob(st, TCP_KEEPALIVE_INTVL)) * TD_SEC;
}

static bool keepalive_wanted(const struct tcb *t)
{
    return t->keepalive && !tcp_is_orphan(t) &&
           (t->state == TCPS_ESTABLISHED || t->state == TCPS_CLOSE_WAIT ||
            t->state == TCPS_FIN_WAIT_1 || /* the FIN is outstanding; afterwards nothing may be */
            t->state == TCPS_FIN_WAIT_2);
}

void tcp_keepalive_update(struct td_stack *st, struct tcb *t)
{
    if (t->ctl_kind != TCTL_NONE && t->ctl_kind != TCTL_KEEPALIVE) {
        return;
    }
    if (!keepalive_wanted(t)) {
        timer_cancel(st, &t->t_ctl);
        t->ctl_kind = TCTL_NONE;
        return;
    }
    td_time due = t->last_rcvd + keepidle(st, t);
    t->ctl_kind = TCTL_KEEPALIVE;
    t->t_ctl.kind = &ctl_kinds[TCTL_KEEPALIVE];
    timer_arm(st, &t->t_ctl, due > st->now ? due : st->now);
}

static void keepalive_fired(struct td_stack *st, struct tcb *t)
{
    td_time idle = st->now - t->last_rcvd;
    const struct journal_subject subject = tcp_subject(t);
    if (!keepalive_wanted(t)) {
        t->ctl_kind = TCTL_NONE;
        return;
    }
    if (t->snd_nxt != t->snd_una || t->snd.len > 0) { /* MUST-26: the other timers are at it */
        timer_arm(st, &t->t_ctl, st->now + keepidle(st, t));
        return;
    }
    if (idle < keepidle(st, t)) {
        timer_arm(st, &t->t_ctl, t->last_rcvd + keepidle(st, t));
        return;
    }
    unsigned most = (unsigned)(t->keepcnt != 0 ? t->keepcnt : knob(st, TCP_KEEPALIVE_PROBES));
    bool over = t->user_timeout_ms != 0
                    ? idle >= (td_time)t->user_timeout_ms * TD_MS && t->probes > 0
                    : t->probes >= most;
    if (over) {
        int err = tcp_give_up_error(st, t);
        JOURNAL_CAUSE(st, EV_TCP_GIVE_UP, &subject, W_TCP_KEEPALIVE_OUT, t->probes, idle,
                      (uint64_t)(int64_t)err);
        count(st, TcpExtTCPAbortOnTimeout);
        tcp_abort_with(st, t, err, W_TCP_KEEPALIVE_OUT);
        return;
    }
    JOURNAL(st, EV_TCP_KEEPALIVE, &subject, t->probes, idle);
    count(st, TcpExtTCPKeepAlive);
    t->probes++;
    tcp_keepalive_probe(st, t);
    timer_arm(st, &t->t_ctl, st->now + keepintvl(st, t));
}

void tcp_fin_wait_2_arm(struct td_stack *st, struct tcb *t)
{
    td_time wait = (td_time)(t->linger2 > 0 ? t->linger2 : knob(st, TCP_FIN_TIMEOUT)) * TD_SEC;
    if (wait < t->rtt.rto * 7 / 2) { /* time for the peer to repeat its FIN, as in Linux */
        wait = t->rtt.rto * 7 / 2;
    }
    t->ctl_kind = TCTL_FIN_WAIT_2;
    t->t_ctl.kind = &ctl_kinds[TCTL_FIN_WAIT_2];
    timer_arm(st, &t->t_ctl, st->now + (t->linger2 < 0 ? 0 : wait));
}

void tcp_linger_arm(struct td_stack *st, struct tcb *t)
{
    t->ctl_kind = TCTL_LINGER;
    t->t_ctl.kind = &ctl_kinds[TCTL_LINGER];
    timer_arm(st, &t->t_ctl, st->now + (td_time)t->linger_s * TD_SEC);
}

static void ctl_fired(struct td_stack *st, struct timer *tm)
{
    struct tcb *t = container_of(tm, struct tcb, t_ctl);
    switch ((enum tcp_ctl_timer)t->ctl_kind) {
    case TCTL_KEEPALIVE:
        keepalive_fired(st, t);
        break;
    case TCTL_FIN_WAIT_2:
        t->ctl_kind = TCTL_NONE;
        tcp_finish(st, t, 0, W_TCP_FIN_WAIT_2_OUT);
        break;
    case TCTL_LINGER:
        t->ctl_kind = TCTL_NONE;
        count(st, TcpExtTCPAbortOnLinger);
        tcp_abort_with(st, t, 0, W_TCP_LINGER);
        break;
    case TCTL_NONE:
        break;
    }
}
