/* tcp/timewait.c: TIME-WAIT (RFC 9293 3.6.1).
 *
 * Theory of operation. Who closes first waits two maximum segment lifetimes, so that its last
 * acknowledgment can be repeated and old segments of the connection die before its four-tuple is
 * used again. A busy server holds very many, so all that remains is this record: the tuple, three
 * numbers and a timer. It takes the connection's place in the table. An owner that hasn't closed
 * yet keeps its tcb, in state TIME-WAIT, to read what is left; the record alone answers segments.
 *
 * What may end it early:
 *   - a SYN for the same tuple whose timestamp, or without timestamps number, lies beyond the old
 * connection's last (RFC 6191, MAY-2): the record gives way and the SYN goes to the listener. The
 * new ISS is larger than the old one by the clock in it (isn.c). Without this a busy client stalls
 * as soon as its ports have come round;
 *   - a reset at RCV.NXT, unless tcp_rfc1337 says to ignore it.
 * A FIN that comes again means that our last acknowledgment was lost: it is answered, and the wait
 * starts over.
 */
#include "tcp/seglog.h"
#include "tcp/tcp_internal.h"

#include <poll.h>

static void time_wait_fired(struct td_stack *st, struct timer *tm)
{
    struct timewait *w = container_of(tm, struct timewait, timer);
    count(st, TcpExtTW);
    tcp_time_wait_end(st, w, W_TCP_2MSL);
}

static td_time two_msl(const struct td_stack *st)
{
    return (td_time)knob(st, TCP_TIME_WAIT) * TD_SEC;
}

static struct journal_subject record_subject(const struct timewait *w, const struct tcp_seg *s)
{
    return (struct journal_subject){.pkt = s != NULL ? s->pkt_id : 0,
                                    .ifindex = s != NULL ? s->ifindex : 0,
                                    .conn = w->id,
                                    .addr = w->ep.a.raddr,
                                    .port = w->ep.a.rport,
                                    .lport = w->ep.a.lport};
}

/* The connection's place is taken by a record. t is freed if nobody owns it. */
void tcp_time_wait(struct td_stack *st, struct tcb *t, enum journal_word why)
{
    struct tcp *tcp = st->tcp;
    struct journal_subject subject = tcp_subject(t);
    tcp_set_state(st, t, TCPS_TIME_WAIT, why);
    struct timewait *w = NULL;
    if (tcp->ntime_wait < (uint64_t)knob(st, TCP_MAX_TW_BUCKETS) && !FAULT_ON(st, NO_TIMEWAIT)) {
        w = mem_alloc(&st->mem, MEM_TCP, sizeof *w);
    }
    struct tcp_port *port = tcp_port_get(st, t->ep.a.lport, false);
    if (w == NULL || port == NULL) {
        count(st, TcpExtTCPTimeWaitOverflow);
        JOURNAL(st, EV_TCP_TIME_WAIT_FULL, &subject, tcp->ntime_wait);
        mem_free(&st->mem, MEM_TCP, w, sizeof *w);
        tcp_finish(st, t, 0, W_LIMIT);
        return;
    }
    w->ep.a = t->ep.a;
    w->ep.kind = TCP_EP_TIME_WAIT;
    w->ep.tos = t->ep.tos;
    w->ep.ttl = t->ep.ttl;
    w->snd_nxt = t->snd_nxt;
    w->rcv_nxt = t->rcv_nxt;
    w->rcv_wnd = t->rcv_wnd;
    w->rcv_wscale = t->rcv_wscale;
    w->ts_recent = t->ts_recent;
    w->ts_recent_s = t->ts_ok ? t->ts_recent_s : 0;
    w->ts_offset = t->ts_offset;
    w->id = t->id;
    w->port = port;
    port->ntime_wait++;
    tcp->ntime_wait++;
    timer_init(&w->timer, time_wait_fired, "time-wait");
    timer_arm(st, &w->timer, st->now + two_msl(st));
    tcp_timers_stop(st, t); /* "turn off the other timers" */
    tcp_ep_remove(st, &t->ep);
    (void)tcp_ep_insert(st, &w->ep); /* can't fail: the table was large enough before */
    JOURNAL(st, EV_TCP_TIME_WAIT, &subject, two_msl(st), tcp->ntime_wait);
    w->tcb = t;
    t->tw = w;
    if (tcp_is_orphan(t)) {
        tcp_finish(st, t, 0, why);
        return;
    }
    tcp_port_leave(st, t);
    tcp_notify(st, t, POLLIN | POLLRDHUP | POLLHUP);
}

/* Linux's rule: the new connection's timestamps must lie beyond the old one's, so there must have
 * been some, and TIME_WAIT must have lasted for tcp_tw_reuse_delay, in whole milliseconds. Who
 * chose the port by name meant it. */
bool tcp_time_wait_reusable(const struct td_stack *st, const struct timewait *w, bool named)
{
    int64_t mode = knob(st, TCP_TW_REUSE);
    bool loopback = ip4_is_loopback(w->ep.a.laddr) || ip4_is_loopback(w->ep.a.raddr);
    if (w->ts_recent_s == 0 || knob(st, TCP_TIMESTAMPS) == 0) {
        return false;
    }
    if (named) {
        return true;
    }
    td_time begun = w->timer.deadline - two_msl(st);
    td_time waited = st->now / TD_MS - begun / TD_MS;
    return (mode == 1 || (mode == 2 && loopback)) && waited > (td_time)knob(st, TCP_TW_REUSE_DELAY);
}

void tcp_time_wait_end(struct td_stack *st, struct timewait *w, enum journal_word why)
{
    timer_cancel(st, &w->timer);
    tcp_ep_remove(st, &w->ep);
    st->tcp->ntime_wait--;
    w->port->ntime_wait--;
    tcp_port_drop_if_empty(st, w->port);
    if (w->tcb != NULL) {
        struct tcb *t = w->tcb;
        t->tw = NULL;
        tcp_finish(st, t, 0, why);
    } else {
        const struct journal_subject subject = record_subject(w, NULL);
        tcp_seglog_state(st, &w->ep.a, w->id, &subject, TCPS_TIME_WAIT, TCPS_CLOSED, why);
    }
    mem_free(&st->mem, MEM_TCP, w, sizeof *w);
}

static void record_ack(struct td_stack *st, const struct timewait *w)
{
    const struct tcp_emit e = {
        .a = w->ep.a,
        .seq = w->snd_nxt,
        .ack = w->rcv_nxt,
        .flags = TCP_ACK,
        .wnd = (uint16_t)(w->rcv_wnd >> w->rcv_wscale > UINT16_MAX ? UINT16_MAX
                                                                   : w->rcv_wnd >> w->rcv_wscale),
        .tos = w->ep.tos,
        .ttl = w->ep.ttl,
        .conn = w->id,
        .state = TCPS_TIME_WAIT,
        .wscale = w->rcv_wscale,
        .o = {.has_ts = w->ts_recent_s != 0,
              .ts_val = tcp_ts_ms(st) + w->ts_offset,
              .ts_ecr = w->ts_recent},
    };
    count(st, TcpOutSegs);
    (void)tcp_emit_segment(st, &e);
}

/* Answers that could be answered themselves are limited, as in the synchronized states. */
static bool answer_allowed(const struct td_stack *st, struct timewait *w)
{
    uint32_t now = (uint32_t)(st->now / TD_MS) + 1;
    if (w->answered_ms != 0 && now - w->answered_ms < (uint64_t)knob(st, TCP_INVALID_RATELIMIT)) {
        return false;
    }
    w->answered_ms = now;
    return true;
}

static void drop(struct td_stack *st, const struct timewait *w, const struct tcp_seg *s,
                 enum journal_word why)
{
    const struct journal_subject subject = record_subject(w, s);
    JOURNAL_CAUSE(st, EV_TCP_DROP_TIME_WAIT, &subject, why, s->flags, s->seq);
}

static void restart(struct td_stack *st, struct timewait *w, const struct tcp_seg *s)
{
    const struct journal_subject subject = record_subject(w, s);
    timer_arm(st, &w->timer, st->now + two_msl(st));
    JOURNAL(st, EV_TCP_TIME_WAIT_RESTART, &subject, s->seq);
    record_ack(st, w);
}

/* How far the segment's timestamp lies ahead of TS.Recent; 0 when there is nothing to compare. */
static int32_t ts_ahead(const struct timewait *w, const struct tcp_seg *s)
{
    const struct tcp_opts *o = &s->h->o;
    return w->ts_recent_s != 0 && o->has_ts ? (int32_t)(o->ts_val - w->ts_recent) : 0;
}

/* RFC 6191 2: may this SYN open a new connection? By its timestamp, if both connections have them;
 * else, and if it is the same, by its number, which must lie beyond the old FIN's (MAY-2). */
static bool is_new(const struct td_stack *st, const struct timewait *w, const struct tcp_seg *s)
{
    bool has_ts = s->h->o.has_ts && knob(st, TCP_TIMESTAMPS) != 0;
    if (has_ts && w->ts_recent_s == 0) {
        return true; /* the old connection had none */
    }
    int32_t ahead = has_ts ? ts_ahead(w, s) : 0;
    return ahead > 0 || (ahead == 0 && seq_gt(s->seq, w->rcv_nxt - 1));
}

static bool reopen(struct td_stack *st, struct timewait *w, struct tcp_seg *s)
{
    if ((s->flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) != TCP_SYN || !is_new(st, w, s)) {
        return false;
    }
    struct tcb *l = tcp_listener_find(st, &s->a);
    if (l == NULL) {
        return false;
    }
    const struct journal_subject subject = record_subject(w, s);
    count(st, TcpExtTWRecycled);
    JOURNAL_CAUSE(st, EV_TCP_TIME_WAIT_REUSE, &subject, s->seq, w->rcv_nxt - 1);
    s->reopens = true;
    s->beyond = w->snd_nxt;
    tcp_time_wait_end(st, w, W_TCP_SYN_RECEIVED);
    tcp_segment_arrives(st, l, s);
    return true;
}

void tcp_time_wait_segment(struct td_stack *st, struct timewait *w, struct tcp_seg *s)
{
    const struct journal_subject subject = record_subject(w, s);
    bool strict = knob(st, TCP_CHALLENGE_ACK) != 0;
    bool in_window = s->len == 0 ? s->seq == w->rcv_nxt || seq_in(s->seq, w->rcv_nxt, w->rcv_wnd)
                                 : seq_in(s->seq, w->rcv_nxt, w->rcv_wnd) ||
                                       seq_in(s->seq + s->len - 1, w->rcv_nxt, w->rcv_wnd);
    JOURNAL(st, EV_TCP_SEG_IN, &subject, s->flags, s->seq, s->ack, s->text, s->wnd);

    if ((s->flags & TCP_RST) != 0) { /* second step, by its own window rule */
        bool exact = s->seq == w->rcv_nxt;
        bool inside = exact || seq_in(s->seq, w->rcv_nxt, w->rcv_wnd);
        if (inside && knob(st, TCP_RFC1337) != 0) {
            drop(st, w, s, W_TCP_RFC1337);
        } else if (exact || (inside && !strict)) {
            JOURNAL_CAUSE(st, EV_TCP_RST_IN, &subject, s->seq, TCPS_TIME_WAIT);
            tcp_time_wait_end(st, w, W_TCP_RESET_BY_PEER);
        } else {
            drop(st, w, s, inside ? W_TCP_IN_WINDOW : W_TCP_OUT_OF_WINDOW);
            if (inside && answer_allowed(st, w)) {
                count(st, TcpExtTCPChallengeACK);
                record_ack(st, w);
            }
        }
        return;
    }
    if (reopen(st, w, s)) {
        return;
    }
    if (-ts_ahead(w, s) > knob(st, TCP_PAWS_SLACK)) { /* before the first: RFC 7323 5.3 */
        JOURNAL_CAUSE(st, EV_TCP_DROP_PAWS, &subject, s->flags, s->seq, s->text, s->h->o.ts_val,
                w->ts_recent);
        count(st, TcpExtPAWSEstab);
        if (answer_allowed(st, w)) {
            record_ack(st, w);
        }
        return;
    }
    if (ts_ahead(w, s) > 0 && seq_le(s->seq, w->rcv_nxt)) { /* RFC 7323 4.3 */
        w->ts_recent = s->h->o.ts_val;
        w->ts_recent_s = (uint32_t)(st->now / TD_SEC) + 1;
    }
    if ((s->flags & TCP_SYN) != 0 && (strict || in_window)) { /* fourth step */
        drop(st, w, s, W_TCP_SYN);
        if (!strict) {
            tcp_reset_reply(st, s, W_TCP_SYN);
            tcp_time_wait_end(st, w, W_TCP_SYN);
        } else if (answer_allowed(st, w)) {
            count(st, TcpExtTCPSYNChallenge);
            count(st, TcpExtTCPChallengeACK);
            record_ack(st, w);
        }
        return;
    }
    /* The peer's FIN again lies just below the window: recognised by its place (conflict 4). */
    if ((s->flags & (TCP_FIN | TCP_ACK)) == (TCP_FIN | TCP_ACK) &&
        (s->seq + s->len == w->rcv_nxt || in_window)) {
        restart(st, w, s);
        return;
    }
    if (!in_window) { /* first step */
        drop(st, w, s, W_TCP_OUT_OF_WINDOW);
        if (s->len > 0 || answer_allowed(st, w)) {
            record_ack(st, w);
        }
        return;
    }
    if ((s->flags & TCP_ACK) == 0) { /* fifth step */
        drop(st, w, s, W_TCP_NO_ACK);
        return;
    }
    if (seq_gt(s->ack, w->snd_nxt)) {
        drop(st, w, s, W_TCP_ACK_UNSENT);
        if (answer_allowed(st, w)) {
            record_ack(st, w);
        }
        return;
    }
    if (s->text > 0) { /* seventh step: behind the peer's FIN there is no text */
        drop(st, w, s, W_TCP_AFTER_FIN);
        record_ack(st, w);
        return;
    }
    drop(st, w, s, W_TCP_STATE); /* a bare acknowledgment: answering could go on for ever */
}
