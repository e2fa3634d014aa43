/* tcp/cookies.c: SYN cookies (RFC 4987 3.6 and appendix A; D. J. Bernstein, 1996).
 *
 * Theory of operation. When a listener's SYN queue is full, somebody may be flooding it. Then a SYN
 * is answered and forgotten. What would have been remembered is our initial sequence number itself,
 * so the ACK that ends the handshake brings it back:
 *
 *      ISS = H(tuple) + IRS + time * 2^24 + (H(tuple, time) + MSS index) mod 2^24
 *
 * H is SipHash under a key that only this instance knows; time counts steps of 64 s. The ACK tells
 * ISS (its ACK field less one), IRS (its sequence number less one) and the tuple. Subtracting what
 * can be computed leaves the time, which must be this step or the last one, and the MSS index,
 * which must be one there is. For a number that we didn't send this holds once in 2^20 tries, and a
 * try costs the attacker a segment and us a hash. A cookie that was seen on the wire can be used
 * again for two minutes at most, and only from its own address and port.
 *
 * The options would be lost but for the MSS. If the peer uses timestamps (RFC 7323), our TSval
 * comes back too, and its lowest six bits hold the rest: the peer's window scale (4 bits, 15 =
 * none), SACK (1), ECN (1). The value is rounded so that it never lies ahead of our clock. Without
 * timestamps none of these is agreed on.
 *
 * What a cookie can't do: the SYN-ACK isn't repeated, because nothing is left that could do it; if
 * it is lost, the peer's SYN comes again. So cookies are for need (tcp_syncookies 1), and an ACK is
 * taken for one only if the listener sent some in the last two steps.
 */
#include "tcp/seglog.h"
#include "tcp/tcp_internal.h"

#include <errno.h>

#define STEP         (64 * TD_SEC)
#define STEPS_VALID  2
#define TIME_SHIFT   24
#define DATA_MASK    ((UINT32_C(1) << TIME_SHIFT) - 1)
#define TS_BITS      6
#define TS_MASK      ((UINT32_C(1) << TS_BITS) - 1)
#define TS_NO_WSCALE 15u
#define TS_SACK      16u
#define TS_ECN       32u

/* The sizes that are common, and one for each stretch below them: what the peer said is rounded
 * down. */
static const uint16_t mss_table[] = {88, 256, 536, 1024, 1300, 1440, 1460, 8960};
#define MSS_VALUES (sizeof mss_table / sizeof mss_table[0])

static uint32_t steps_now(const struct td_stack *st)
{
    return (uint32_t)(st->now / STEP);
}

static uint32_t hash(const struct td_stack *st, const struct tcp_tuple *a, uint32_t what)
{
    const uint32_t in[4] = {a->laddr, a->raddr, (uint32_t)a->lport << 16 | a->rport, what};
    return (uint32_t)siphash(&st->tcp->cookie_key, in, sizeof in);
}

/* ---- the number ---- */

static uint32_t mss_index(uint16_t mss)
{
    uint32_t i = MSS_VALUES - 1;
    while (i > 0 && mss < mss_table[i]) {
        i--;
    }
    return i;
}

static tcp_seq make(const struct td_stack *st, const struct tcp_tuple *a, tcp_seq irs,
                    uint32_t data)
{
    uint32_t t = steps_now(st);
    return hash(st, a, 0) + irs + (t << TIME_SHIFT) + ((hash(st, a, t + 1) + data) & DATA_MASK);
}

/* The data of a cookie; UINT32_MAX: none of ours, or too old. */
static uint32_t check(const struct td_stack *st, const struct tcp_tuple *a, tcp_seq irs,
                      tcp_seq cookie)
{
    uint32_t now = steps_now(st);
    uint32_t rest = cookie - hash(st, a, 0) - irs;
    uint32_t age = (now - (rest >> TIME_SHIFT)) & (UINT32_MAX >> TIME_SHIFT);
    if (age >= STEPS_VALID) {
        return UINT32_MAX;
    }
    return (rest - hash(st, a, now - age + 1)) & DATA_MASK;
}

/* ---- the timestamp ---- */

/* What TSval our SYN-ACK carries, in milliseconds of our clock. */
static uint32_t ts_encode(const struct td_stack *st, const struct tcb *t)
{
    uint32_t bits = t->peer_wscale ? t->snd_wscale : TS_NO_WSCALE;
    bits |= t->sack_ok ? TS_SACK : 0;
    bits |= t->ecn_ok ? TS_ECN : 0;
    uint32_t now = tcp_ts_ms(st);
    uint32_t v = (now & ~TS_MASK) | bits;
    return (int32_t)(v - now) > 0 ? v - (TS_MASK + 1) : v;
}

/* What the SYN's options must have been. False: they can't have been. */
static bool ts_decode(const struct td_stack *st, const struct tcp_tuple *a,
                      const struct tcp_opts *o, struct tcp_opts *syn, uint16_t *flags)
{
    if (!o->has_ts) {
        return true;
    }
    uint32_t bits = (o->ts_ecr - tcp_ts_offset(st, a)) & TS_MASK;
    if (knob(st, TCP_TIMESTAMPS) == 0 || ((bits & TS_SACK) != 0 && knob(st, TCP_SACK) == 0)) {
        return false;
    }
    syn->has_ts = true;
    syn->ts_val = o->ts_val;
    syn->has_sack_perm = (bits & TS_SACK) != 0;
    syn->wscale = bits & TS_NO_WSCALE;
    syn->has_wscale = syn->wscale != TS_NO_WSCALE;
    if ((bits & TS_ECN) != 0) {
        *flags |= TCP_ECE | TCP_CWR;
    }
    return !syn->has_wscale || knob(st, TCP_WINDOW_SCALING) != 0;
}

/* ---- the handshake ---- */

bool tcp_cookie_wanted(const struct td_stack *st, const struct tcb *l)
{
    const struct tcp_listener *q = l->lsn;
    bool full = q->nsyn > q->backlog || q->nsyn >= (uint64_t)knob(st, TCP_MAX_SYN_BACKLOG);
    return knob(st, TCP_SYNCOOKIES) == 2 || (knob(st, TCP_SYNCOOKIES) == 1 && full);
}

void tcp_cookie_syn(struct td_stack *st, struct tcb *l, const struct tcp_seg *s)
{
    struct tcp_hdr h = *s->h;
    struct tcp_seg syn = *s;
    syn.h = &h;
    if (!h.o.has_ts || knob(st, TCP_TIMESTAMPS) == 0) { /* nowhere to put the rest */
        h.o.has_wscale = false;
        h.o.has_sack_perm = false;
        syn.flags &= (uint16_t) ~(TCP_ECE | TCP_CWR);
    }
    struct tcb t;
    tcp_tcb_init(st, &t);
    tcp_child_init(st, &t, l, &syn);
    uint32_t index = mss_index(t.peer_mss);
    t.iss = make(st, &t.ep.a, s->seq, index);
    t.ts_offset += ts_encode(st, &t) - tcp_ts_ms(st);
    l->lsn->cookie_time = st->now;
    l->lsn->cookies_sent = true;
    const struct journal_subject subject = tcp_seg_subject(s, l);
    JOURNAL_CAUSE(st, EV_TCP_COOKIE_OUT, &subject, s->a.raddr, s->a.rport, mss_table[index],
                  l->lsn->nsyn);
    count(st, TcpExtSyncookiesSent);
    if (knob(st, TCP_SYNCOOKIES) == 1) {
        count(st, TcpExtTCPReqQFullDoCookies);
    }
    tcp_child_syn_ack(st, &t, false, NULL);
}

/* t is in no table yet. */
static void child(struct td_stack *st, struct tcb *t, struct tcb *l, const struct tcp_seg *s,
                  const struct tcp_opts *o, uint16_t flags)
{
    const struct tcp_hdr h = {.o = *o};
    const struct tcp_seg syn = {
        .a = s->a, .seq = s->seq - 1, .wnd = s->h->wnd, .flags = flags, .h = &h};
    tcp_child_init(st, t, l, &syn);
    t->id = 0;
    t->parent = l;
    t->was_connected = true;
    t->iss = s->ack - 1;
    t->snd_una = t->iss;
    t->snd_nxt = s->ack;
    t->rtx_nxt = s->ack;
    t->snd_sml = t->iss;
    t->snd_wl2 = t->iss;
    t->segs_out = 1;
    sndbuf_init(&t->snd, s->ack);
    (void)tcp_window_field(st, t, true); /* RCV.WND as our SYN-ACK said it */
}

bool tcp_cookie_ack(struct td_stack *st, struct tcb *l, struct tcp_seg *s)
{
    struct tcp_listener *q = l->lsn;
    if (knob(st, TCP_SYNCOOKIES) == 0 || !q->cookies_sent ||
        st->now - q->cookie_time > STEPS_VALID * STEP) {
        return false;
    }
    const struct journal_subject subject = tcp_seg_subject(s, l);
    struct tcp_opts o = {0};
    uint16_t flags = TCP_SYN;
    uint32_t index = check(st, &s->a, s->seq - 1, s->ack - 1);
    if (index >= MSS_VALUES || !ts_decode(st, &s->a, &s->h->o, &o, &flags)) {
        count(st, TcpExtSyncookiesFailed);
        JOURNAL(st, EV_TCP_COOKIE_BAD, &subject, s->a.raddr, s->a.rport, s->ack);
        return false;
    }
    o.has_mss = true;
    o.mss = mss_table[index];
    count(st, TcpExtSyncookiesRecv);
    JOURNAL_CAUSE(st, EV_TCP_COOKIE_IN, &subject, s->a.raddr, s->a.rport, o.mss);
    if (!tcp_listen_room(st, l, &subject)) {
        return true;
    }
    struct tcb *t = tcp_alloc(st);
    if (t != NULL && tcp_port_join(st, t, s->a.lport) == 0) {
        child(st, t, l, s, &o, flags);
    }
    if (t == NULL || t->port == NULL || tcp_ep_insert(st, &t->ep) != 0) {
        tcp_syn_drop(st, l, s, W_NO_MEMORY, q->nsyn);
        if (t != NULL) {
            t->parent = NULL;
            t->state = TCPS_CLOSED;
            tcp_finish(st, t, 0, W_NO_MEMORY);
        }
        return true;
    }
    count(st, TcpPassiveOpens);
    tcp_seglog_state(st, &t->ep.a, 0, &subject, TCPS_LISTEN, TCPS_SYN_RECEIVED,
                     W_TCP_SYN_RECEIVED);
    s->wnd = (uint32_t)s->h->wnd << t->snd_wscale;
    tcp_segment_arrives(st, t, s);
    return true;
}
