/* tcp/syncache.c: half-open connections (SYN-RECEIVED from a passive OPEN; RFC 4987 3.5).
 *
 * Theory of operation. Anybody can send a SYN from any address, so what is kept of one must be
 * little: not a transmission control block but this record of some two hundred bytes, with the four
 * numbers of the handshake, what the options agreed on, and a timer. It takes the connection's
 * place in the table of endpoints, a keyed hash, so nobody can fill a bucket on purpose; it waits
 * in its listener's SYN queue, which is bounded (listen.c).
 *
 *      SYN ──► record ── the ACK of our SYN ──► tcb, which processes that very segment
 *                │ RST, in-window SYN, time-out, listener closed, the oldest of too many
 *                ▼
 *              gone, back to LISTEN: the user never hears of it (MUST-11)
 *
 * A record judges segments by the first steps of RFC 9293 3.10.7.4: sequence number, RST, SYN, ACK,
 * with the window rules of RFC 5961. It answers what isn't acceptable. The first segment that
 * acknowledges our SYN makes it a tcb in SYN-RECEIVED, which goes through all eight steps with that
 * segment: text, URG and FIN that come with it are nobody's special case.
 *
 * What a record says (SYN-ACK, options, window) must be what its tcb would say. So it is unpacked
 * for each SYN-ACK into a tcb on the stack, and that one is asked: there is one way to build a
 * SYN-ACK, and one place where options are agreed on (synopts.c).
 *
 * Repeating (RFC 6298 5, tcp_synack_retries): after 1 s, 2 s, 4 s … While the queue is more than
 * half full of handshakes that make no progress, old ones are given up earlier (RFC 4987 3.3). A
 * SYN that comes again means that our SYN-ACK was lost: it is sent at once, at most one in
 * tcp_invalid_ratelimit. TCP_DEFER_ACCEPT lets a bare ACK pass without effect for so many
 * repetitions, during which there is nothing to repeat: the peer has our SYN-ACK.
 */
#include "tcp/seglog.h"
#include "tcp/tcp_internal.h"

#include <errno.h>

struct journal_subject tcp_half_open_subject(const struct half_open *r, const struct tcp_seg *s)
{
    return (struct journal_subject){.pkt = s != NULL ? s->pkt_id : 0,
                                    .ifindex = s != NULL ? s->ifindex : 0,
                                    .conn = r->listener->id,
                                    .addr = r->ep.a.raddr,
                                    .port = r->ep.a.rport,
                                    .lport = r->ep.a.lport};
}

/* ---- a record and its tcb ---- */

static void pack(struct half_open *r, const struct tcb *t)
{
    r->irs = t->irs;
    r->iss = t->iss;
    r->snd_wnd = t->snd_wnd;
    r->rcv_wnd = t->rcv_wnd;
    r->peer_mss = t->peer_mss;
    r->peer_wscale = t->peer_wscale;
    r->snd_wscale = t->snd_wscale;
    r->rcv_wscale = t->rcv_wscale;
    r->sack_ok = t->sack_ok;
    r->ts_ok = t->ts_ok;
    r->ts_recent = t->ts_recent;
    r->ts_recent_s = t->ts_recent_s;
    r->ts_offset = t->ts_offset;
    r->ecn_ok = t->ecn_ok;
    r->ecn_syn = t->ecn_syn;
}

/* t is fresh. */
static void unpack(struct td_stack *st, const struct half_open *r, struct tcb *t)
{
    tcp_child_inherit(t, r->listener);
    t->ep.a = r->ep.a;
    t->ep.tos = r->ep.tos;
    t->ep.ttl = r->ep.ttl;
    t->state = TCPS_SYN_RECEIVED;
    t->was_connected = true;
    t->irs = r->irs;
    t->rcv_nxt = r->irs + 1;
    t->copied_seq = t->rcv_nxt;
    t->rcv_up = t->rcv_nxt;
    t->rcv_wnd = r->rcv_wnd;
    t->iss = r->iss;
    t->snd_una = r->iss;
    t->snd_nxt = r->iss + 1;
    t->rtx_nxt = t->snd_nxt;
    t->snd_sml = r->iss;
    t->snd_wl1 = r->irs;
    t->snd_wl2 = r->iss;
    t->snd_wnd = r->snd_wnd;
    t->max_snd_wnd = r->snd_wnd;
    sndbuf_init(&t->snd, r->iss + 1);
    tcp_recovery_init(st, t);
    t->last_rcvd = st->now;
    t->peer_mss = r->peer_mss;
    t->peer_wscale = r->peer_wscale;
    t->snd_wscale = r->snd_wscale;
    t->rcv_wscale = r->rcv_wscale;
    t->sack_ok = r->sack_ok;
    t->ts_ok = r->ts_ok;
    t->ts_recent = r->ts_recent;
    t->ts_recent_s = r->ts_recent_s;
    t->ts_offset = r->ts_offset;
    t->last_ack_sent = t->rcv_nxt;
    t->ecn_ok = r->ecn_ok;
    t->ecn_syn = r->ecn_syn;
    tcp_mss_update(st, t);
    t->rexmits = r->rexmits;
    t->ever_rexmt_syn = r->rexmits > 0;
    t->total_retrans = r->rexmits;
    t->segs_in = 1; /* the SYN; SYN-ACKs aren't counted: as Linux tells it */
    t->rtt_time = r->rexmits == 0 ? r->born : 0; /* Karn */
}

static void queue_push(struct tcp_listener *q, struct half_open *r)
{
    r->next = NULL;
    r->prev = q->syn_tail;
    *q->syn_tail = r;
    q->syn_tail = &r->next;
    q->nsyn++;
    q->nyoung++;
}

/* Off all tables and lists, and freed. */
static void forget(struct td_stack *st, struct half_open *r)
{
    struct tcp_listener *q = r->listener->lsn;
    timer_cancel(st, &r->timer);
    tcp_ep_remove(st, &r->ep);
    *r->prev = r->next;
    if (r->next != NULL) {
        r->next->prev = r->prev;
    } else {
        q->syn_tail = r->prev;
    }
    q->nsyn--;
    q->nyoung -= r->timeouts == 0;
    mem_free(&st->mem, MEM_TCP, r, sizeof *r);
}

void tcp_half_open_end(struct td_stack *st, struct half_open *r, enum journal_word why)
{
    const struct journal_subject subject = tcp_half_open_subject(r, NULL);
    tcp_seglog_state(st, &r->ep.a, 0, &subject, TCPS_SYN_RECEIVED, TCPS_CLOSED, why);
    forget(st, r);
}

/* ---- the SYN-ACK and its timer ---- */

static td_time interval(const struct td_stack *st, const struct half_open *r)
{
    td_time most = (td_time)knob(st, TCP_RTO_MAX_MS) * TD_MS;
    td_time d = (td_time)knob(st, TCP_RTO_INITIAL_MS) * TD_MS;
    for (unsigned i = 0; i < r->timeouts && d < most; i++) {
        d *= 2;
    }
    return d < most ? d : most;
}

static void repeat_syn_ack(struct td_stack *st, struct half_open *r)
{
    struct tcb t;
    tcp_tcb_init(st, &t);
    r->rexmits = (uint8_t)(r->rexmits < UINT8_MAX ? r->rexmits + 1 : UINT8_MAX);
    unpack(st, r, &t);
    t.id = r->listener->id; /* for the journal */
    tcp_child_syn_ack(st, &t, true, NULL);
    r->rcv_wnd = t.rcv_wnd;
}

/* RFC 4987 3.3: when the queue is more than half full, those that were repeated already are given
 * up the sooner the fewer young ones there are. */
static unsigned retries(const struct td_stack *st, const struct tcb *l)
{
    const struct tcp_listener *q = l->lsn;
    unsigned most = (unsigned)(l->syncnt != 0 ? l->syncnt : knob(st, TCP_SYNACK_RETRIES));
    uint64_t room = q->backlog > 8 ? q->backlog : 8;
    if (knob(st, TCP_SYNCOOKIES) == 0) {
        room = (uint64_t)knob(st, TCP_MAX_SYN_BACKLOG);
    }
    if ((uint64_t)q->nsyn * 2 <= room) {
        return most;
    }
    for (uint64_t young = (uint64_t)q->nyoung * 2; most > 2 && q->nsyn >= young; young *= 2) {
        most--;
    }
    return most;
}

static void give_up(struct td_stack *st, struct half_open *r)
{
    const struct journal_subject subject = tcp_half_open_subject(r, NULL);
    JOURNAL_CAUSE(st, EV_TCP_GIVE_UP, &subject, W_TCP_TIMEOUT, r->timeouts, st->now - r->born,
                  ETIMEDOUT);
    count(st, TcpExtTCPAbortOnTimeout);
    count(st, TcpAttemptFails);
    tcp_half_open_end(st, r, W_TCP_TIMEOUT);
}

static void fired(struct td_stack *st, struct timer *tm)
{
    struct half_open *r = container_of(tm, struct half_open, timer);
    const struct tcb *l = r->listener;
    unsigned defer = l->defer_accept;
    bool over = r->timeouts >= retries(st, l);
    bool resend = true;
    if (defer >
        0) { /* acknowledged: wait for text; a last SYN-ACK before the end is a last chance */
        over = over && (!r->acked || r->timeouts >= defer);
        resend = !r->acked || r->timeouts + 1u >= defer;
    }
    if (over) {
        give_up(st, r);
        return;
    }
    const struct journal_subject subject = tcp_half_open_subject(r, NULL);
    td_time was = interval(st, r);
    l->lsn->nyoung -= r->timeouts == 0;
    r->timeouts++;
    count(st, TcpExtTCPTimeouts);
    JOURNAL_CAUSE(st, EV_TCP_RTO, &subject, was, interval(st, r), r->timeouts, 1);
    if (r->timeouts >= knob(st, TCP_RETRIES1)) {
        ip_advise_bad(st, r->ep.a.raddr);
    }
    timer_arm(st, &r->timer, st->now + interval(st, r));
    if (resend) {
        repeat_syn_ack(st, r);
    }
}

int tcp_half_open_new(struct td_stack *st, struct tcb *l, struct tcb *t, const struct tcp_seg *s,
                      const struct tcp_tfo_cookie *cookie)
{
    struct half_open *r = mem_alloc(&st->mem, MEM_TCP, sizeof *r);
    if (r == NULL) {
        return -ENOMEM;
    }
    r->ep =
        (struct tcp_ep){.a = t->ep.a, .kind = TCP_EP_HALF_OPEN, .tos = t->ep.tos, .ttl = t->ep.ttl};
    if (tcp_ep_insert(st, &r->ep) != 0) {
        mem_free(&st->mem, MEM_TCP, r, sizeof *r);
        return -ENOMEM;
    }
    r->listener = l;
    r->born = st->now;
    timer_init(&r->timer, fired, "syn-ack");
    queue_push(l->lsn, r);
    const struct journal_subject subject = tcp_half_open_subject(r, s);
    JOURNAL_CAUSE(st, EV_TCP_SYN_IN, &subject, s->a.raddr, s->a.rport, s->a.lport, t->irs, t->iss,
                  t->peer_mss, l->lsn->nsyn);
    count(st, TcpPassiveOpens);
    tcp_seglog_state(st, &r->ep.a, 0, &subject, TCPS_LISTEN, TCPS_SYN_RECEIVED,
                     W_TCP_SYN_RECEIVED);
    tcp_child_syn_ack(st, t, false, cookie);
    pack(r, t);
    timer_arm(st, &r->timer, st->now + interval(st, r));
    return 0;
}

/* ---- answers ---- */

static void send(struct td_stack *st, struct half_open *r, uint16_t flags)
{
    struct tcp_emit e = {
        .a = r->ep.a,
        .seq = r->iss + 1,
        .ack = r->irs + 1,
        .flags = flags,
        .wnd = (uint16_t)((flags & TCP_RST) != 0 ? 0 : tcp_window_told(&r->rcv_wnd, r->rcv_wscale)),
        .tos = r->ep.tos,
        .ttl = r->ep.ttl,
        .conn = r->listener->id,
        .state = TCPS_SYN_RECEIVED,
        .wscale = r->rcv_wscale,
        .o = {.has_ts = r->ts_ok, .ts_val = tcp_ts_ms(st) + r->ts_offset, .ts_ecr = r->ts_recent},
    };
    count(st, TcpOutSegs);
    (void)tcp_emit_segment(st, &e);
}

void tcp_half_open_reset(struct td_stack *st, struct half_open *r, enum journal_word why)
{
    const struct journal_subject subject = tcp_half_open_subject(r, NULL);
    JOURNAL(st, EV_TCP_RST_OUT, &subject, why, r->iss + 1, r->irs + 1);
    count(st, TcpOutRsts);
    send(st, r, TCP_RST | TCP_ACK);
    tcp_half_open_end(st, r, why);
}

/* As in the synchronized states: text is answered each time, a bare segment or a SYN only so often,
 * because it could be the answer to our answer. */
static bool answer_allowed(struct td_stack *st, struct half_open *r, const struct tcp_seg *s)
{
    if (s->len > 0 && (s->flags & TCP_SYN) == 0) {
        return true;
    }
    uint32_t now = (uint32_t)(st->now / TD_MS) + 1;
    if (r->answered_ms != 0 && now - r->answered_ms < (uint64_t)knob(st, TCP_INVALID_RATELIMIT)) {
        return false;
    }
    r->answered_ms = now;
    return true;
}

/* RFC 5961 7: so many a second. */
static void challenge(struct td_stack *st, struct half_open *r, const struct tcp_seg *s,
                      enum journal_word why)
{
    uint32_t second = (uint32_t)(st->now / TD_SEC) + 1;
    if (r->challenge_s != second) {
        r->challenge_s = second;
        r->challenges = 0;
    }
    if (r->challenges >= (uint64_t)knob(st, TCP_CHALLENGE_ACK_LIMIT) ||
        r->challenges == UINT16_MAX) {
        count(st, TcpExtTCPACKSkippedChallenge);
        return;
    }
    r->challenges++;
    const struct journal_subject subject = tcp_half_open_subject(r, s);
    count(st, TcpExtTCPChallengeACK);
    JOURNAL(st, EV_TCP_CHALLENGE, &subject, why, r->iss + 1, r->irs + 1);
    send(st, r, TCP_ACK);
}

/* ---- a segment arrives (RFC 9293 3.10.7.4) ---- */

static bool acceptable(const struct half_open *r, tcp_seq seq, uint32_t len)
{
    tcp_seq nxt = r->irs + 1;
    if (r->rcv_wnd == 0) {
        return len == 0 && seq == nxt;
    }
    return seq_in(seq, nxt, r->rcv_wnd) || (len > 0 && seq_in(seq + len - 1, nxt, r->rcv_wnd));
}

/* Before the first: RFC 7323 3.2 and 5.3 R1. False: the segment is dropped. */
static bool timestamp_step(struct td_stack *st, struct half_open *r, const struct tcp_seg *s)
{
    const struct tcp_opts *o = &s->h->o;
    if (!r->ts_ok || (s->flags & TCP_RST) != 0) {
        return true;
    }
    const struct journal_subject subject = tcp_half_open_subject(r, s);
    if (!o->has_ts) {
        if (knob(st, TCP_TS_REQUIRED) == 0) {
            return true;
        }
        JOURNAL(st, EV_TCP_DROP_NO_TS, &subject, s->flags, s->seq, s->text);
        return false;
    }
    if ((int32_t)(r->ts_recent - o->ts_val) <= knob(st, TCP_PAWS_SLACK)) {
        return true;
    }
    JOURNAL_CAUSE(st, EV_TCP_DROP_PAWS, &subject, s->flags, s->seq, s->text, o->ts_val, r->ts_recent);
    count(st, TcpExtPAWSEstab);
    if (answer_allowed(st, r, s)) {
        send(st, r, TCP_ACK);
    }
    return false;
}

/* First step. */
static void not_acceptable(struct td_stack *st, struct half_open *r, const struct tcp_seg *s)
{
    const struct journal_subject subject = tcp_half_open_subject(r, s);
    JOURNAL_CAUSE(st, EV_TCP_DROP_WINDOW, &subject, s->flags, s->seq, s->text, r->irs + 1, r->rcv_wnd);
    if (!answer_allowed(st, r, s)) {
        return;
    }
    bool again = s->seq == r->irs && (s->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
    if (again && knob(st, TCP_SYN_AGAIN) != 0) {
        repeat_syn_ack(st, r);
    } else {
        send(st, r, TCP_ACK);
    }
}

/* Second step. */
static void reset(struct td_stack *st, struct half_open *r, const struct tcp_seg *s)
{
    const struct journal_subject subject = tcp_half_open_subject(r, s);
    bool strict = knob(st, TCP_CHALLENGE_ACK) != 0;
    bool exact = s->seq == r->irs + 1;
    bool inside = exact || seq_in(s->seq, r->irs + 1, r->rcv_wnd);
    if (exact || (inside && !strict)) {
        JOURNAL_CAUSE(st, EV_TCP_RST_IN, &subject, s->seq, TCPS_SYN_RECEIVED);
        count(st, TcpAttemptFails);
        tcp_half_open_end(st, r, W_TCP_RESET_BY_PEER);
        return;
    }
    JOURNAL_CAUSE(st, EV_TCP_DROP_RST, &subject, inside ? W_TCP_IN_WINDOW : W_TCP_OUT_OF_WINDOW, s->seq,
            TCPS_SYN_RECEIVED);
    if (inside) {
        challenge(st, r, s, W_TCP_IN_WINDOW);
    }
}

static void drop_ack(struct td_stack *st, const struct half_open *r, const struct tcp_seg *s,
                     enum journal_word why)
{
    const struct journal_subject subject = tcp_half_open_subject(r, s);
    JOURNAL_CAUSE(st, EV_TCP_DROP_ACK, &subject, why, s->ack, r->iss, r->iss + 1);
}

/* Our SYN is acknowledged: the tcb goes on with this segment. */
static void promote(struct td_stack *st, struct half_open *r, struct tcp_seg *s)
{
    struct tcb *t = tcp_alloc(st);
    if (t == NULL || tcp_port_join(st, t, r->ep.a.lport) != 0) {
        tcp_syn_drop(st, r->listener, s, W_NO_MEMORY, r->listener->lsn->nsyn);
        if (t != NULL) {
            tcp_finish(st, t, 0, W_NO_MEMORY);
        }
        return; /* the peer takes our next SYN-ACK for the sign that its ACK was lost */
    }
    unpack(st, r, t);
    tcp_more_inherit(st, t, r->listener);
    t->rexmits = 0;
    t->parent = r->listener;
    forget(st, r);
    (void)tcp_ep_insert(st, &t->ep); /* can't fail: the table was large enough before */
    tcp_segment_arrives(st, t, s);
}

void tcp_half_open_segment(struct td_stack *st, struct half_open *r, struct tcp_seg *s)
{
    if ((s->flags & TCP_SYN) == 0) {
        s->wnd <<= r->snd_wscale;
    }
    bool in_window = acceptable(r, s->seq, s->len);
    bool good_ack = (s->flags & TCP_ACK) != 0 && s->ack == r->iss + 1;
    const struct journal_subject subject = tcp_half_open_subject(r, s);
    if ((s->flags & (TCP_RST | TCP_SYN)) != 0 || !in_window || !good_ack) { /* else the tcb does */
        JOURNAL(st, EV_TCP_SEG_IN, &subject, s->flags, s->seq, s->ack, s->text, s->wnd);
    }
    if (!timestamp_step(st, r, s)) {
        return;
    }
    if ((s->flags & TCP_RST) != 0) { /* before the first: RFC 5961 has its own window rule */
        reset(st, r, s);
        return;
    }
    if (!in_window) { /* first */
        not_acceptable(st, r, s);
        return;
    }
    if ((s->flags & TCP_SYN) != 0) { /* fourth: "return to the LISTEN state" */
        JOURNAL_CAUSE(st, EV_TCP_DROP_SYN_SYNC, &subject, s->flags, s->seq, TCPS_SYN_RECEIVED);
        count(st, TcpAttemptFails);
        tcp_half_open_end(st, r, W_TCP_SYN_AGAIN);
        return;
    }
    if ((s->flags & TCP_ACK) == 0) { /* fifth */
        JOURNAL(st, EV_TCP_DROP_NO_ACK, &subject, s->flags, s->seq);
        return;
    }
    if (!good_ack) {
        drop_ack(st, r, s, W_TCP_BAD_ACK);
        tcp_reset_reply(st, s, W_TCP_BAD_ACK);
        return;
    }
    if (r->timeouts < r->listener->defer_accept && s->seq + s->len == r->irs + 1) {
        r->acked = true;
        drop_ack(st, r, s, W_TCP_DEFERRED);
        count(st, TcpExtTCPDeferAcceptDrop);
        return;
    }
    if (!tcp_listen_room(st, r->listener, &subject)) {
        r->acked = true;
        if (knob(st, TCP_ABORT_ON_OVERFLOW) != 0) {
            tcp_half_open_reset(st, r, W_TCP_OVERFLOW);
        }
        return;
    }
    promote(st, r, s);
}

/* ---- ICMP errors ---- */

/* Linux's list: that the way is gone, not that somebody refuses. The user isn't told: there is
 * nobody yet whom it would concern. */
static bool way_is_gone(const struct ip_error *e)
{
    return e->type == ICMP_PARAM_PROBLEM || e->type == ICMP_TIME_EXCEEDED ||
           (e->type == ICMP_UNREACHABLE &&
            (e->code == ICMP_NET_UNREACH || e->code == ICMP_HOST_UNREACH));
}

void tcp_half_open_icmp(struct td_stack *st, struct half_open *r, const struct ip_error *e,
                        tcp_seq quoted)
{
    const struct journal_subject subject = tcp_half_open_subject(r, NULL);
    uint64_t icmp = (uint64_t)e->type * 256 + e->code;
    bool fatal;
    int err = ip_icmp_errno(e->type, e->code, &fatal);
    if (quoted != r->iss || err == 0) {
        JOURNAL(st, EV_TCP_DROP_ICMP, &subject, quoted != r->iss ? W_TCP_QUOTE : W_TCP_STATE,
                e->from, icmp, quoted);
        return;
    }
    if (knob(st, TCP_SYN_SOFT_ABORT) == 0 || !way_is_gone(e)) {
        JOURNAL(st, EV_TCP_SOFT_ERROR, &subject, e->from, icmp, (uint64_t)(int64_t)err);
        return;
    }
    JOURNAL_CAUSE(st, EV_TCP_HARD_ERROR, &subject, e->from, icmp, (uint64_t)(int64_t)err);
    count(st, TcpExtListenDrops);
    count(st, TcpAttemptFails);
    tcp_half_open_end(st, r, W_TCP_ICMP);
}
