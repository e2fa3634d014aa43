/* tcp/timewait.c: TIME-WAIT (RFC 9293 3.6.1).
 *
 * Theory of operation. Who closes first waits two maximum segment lifetimes, so that its last
 * acknowledgment can be repeated and old segments of the connection die before its four-tuple is
 * used again. A busy server holds very many, so all that remains is this record: the tuple, three
 * numbers and a timer. It takes the connection's place in the table. An owner that hasn't closed
 * yet keeps its tcb, in state TIME-WAIT, to read what is left; the record alone answers segments.
 *
 * What may end it early:
 *   - a SYN for the same tuple whose number lies beyond the old connection's last (MAY-2): the
 * record gives way and the SYN goes to the listener. The new ISS is larger than the old one by the
 * clock in it (isn.c). Without this a busy client stalls as soon as its ports have come round;
 *   - a reset at RCV.NXT, unless tcp_rfc1337 says to ignore it.
 * A FIN that comes again means that our last acknowledgment was lost: it is answered, and the wait
 * starts over.
 */
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
    if (tcp->ntime_wait < (uint64_t)knob(st, TCP_MAX_TW_BUCKETS)) {
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
        JOURNAL(st, EV_TCP_STATE, &subject, TCPS_TIME_WAIT, TCPS_CLOSED, why);
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
    };
    count(st, TcpOutSegs);
    (void)tcp_emit_segment(st, &e);
}

/* Answers that could be answered themselves are limited, as in the synchronized states. */
static bool answer_allowed(const struct td_stack *st, struct timewait *w)
{
    uint64_t now = st->now / TD_MS;
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
    JOURNAL(st, EV_TCP_DROP_TIME_WAIT, &subject, why, s->flags, s->seq);
}

static void restart(struct td_stack *st, struct timewait *w, const struct tcp_seg *s)
{
    const struct journal_subject subject = record_subject(w, s);
    timer_arm(st, &w->timer, st->now + two_msl(st));
    JOURNAL(st, EV_TCP_TIME_WAIT_RESTART, &subject, s->seq);
    record_ack(st, w);
}

/* MAY-2 and RFC 6191 without timestamps: a SYN beyond the old connection's FIN opens a new one. */
static bool reopen(struct td_stack *st, struct timewait *w, struct tcp_seg *s)
{
    if ((s->flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) != TCP_SYN ||
        !seq_gt(s->seq, w->rcv_nxt - 1)) {
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
