/* tcp/fastopen_client.c: TCP Fast Open, the client's side (RFC 7413 4.1.3, 4.2.1).
 *
 * Theory of operation. The user asks for it: sendto with MSG_FASTOPEN opens and sends in one call;
 * with TCP_FASTOPEN_CONNECT connect only notes the way, and the first SEND opens. What happens then
 * depends on what is known of the server:
 *
 *   nothing     a SYN that asks for a cookie; the text stays with the user
 *   a cookie    a SYN with the cookie and as much text as fits; the server may acknowledge it with
 *               its SYN-ACK. What it doesn't acknowledge is sent again at once, as if it had been
 *               lost, which it may have been
 *   paused      an ordinary SYN
 *
 * A SYN that times out is repeated plainly, without text and option: some middlebox may have
 * dropped it for them (7413 4.2.2).
 *
 * What is known is kept for each pair of addresses, the oldest given up when there are too many:
 * the cookie, the MSS the server said (so much may be on the SYN), and what went wrong. A server
 * that gave no cookie is asked once by the experimental option (kind 254, draft of RFC 7413), as
 * Linux does. Text that got lost on SYNs again and again (tcp_fastopen_syn_losses) puts the server
 * off for a minute, then two, and so on; a path that swallows connections after the handshake, seen
 * by three time-outs in a row, pauses Fast Open altogether for tcp_fastopen_blackhole_timeout_sec,
 * twice as long each time.
 */
#include "tcp/tcp_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#define OPTION_SPACE 40 /* left free on a SYN with text, for what others may add */
#define MSS_UNKNOWN  536
#define LOSS_PAUSE   (60 * TD_SEC)
#define PAUSE_SHIFT  6

struct peer { /* a server, as seen from one of our addresses */
    struct hash_node node;
    td_ip4 addr[2]; /* ours, the server's */
    uint16_t mss;   /* 0: not known */
    struct tcp_tfo_cookie cookie;
    uint8_t try_exp; /* 1: asked with kind 34 in vain; 2: with 254 too */
    uint8_t losses;  /* SYNs with text lost in a row */
    td_time lost_at;
};

/* ---- what is known ---- */

static bool peer_eq(const struct hash_node *n, const void *key)
{
    return memcmp(container_of(n, const struct peer, node)->addr, key, sizeof(td_ip4[2])) == 0;
}

static struct peer *peer_find(const struct td_stack *st, const struct tcb *t)
{
    const td_ip4 key[2] = {t->ep.a.laddr, t->ep.a.raddr};
    struct hash_node *n = hash_find(&st->tcp->tfo_peers, key, sizeof key, peer_eq);
    return n == NULL ? NULL : container_of(n, struct peer, node);
}

static void peer_forget(struct td_stack *st, struct peer *p)
{
    hash_remove(&st->tcp->tfo_peers, &p->node);
    mem_free(&st->mem, MEM_TCP, p, sizeof *p);
}

static struct peer *peer_get(struct td_stack *st, const struct tcb *t)
{
    struct hash *h = &st->tcp->tfo_peers;
    struct peer *p = peer_find(st, t);
    if (p != NULL) {
        return p;
    }
    while (h->count >= (uint64_t)knob(st, TCP_FASTOPEN_PEERS)) {
        peer_forget(st, container_of(hash_first(h), struct peer, node));
    }
    p = mem_alloc(&st->mem, MEM_TCP, sizeof *p);
    if (p == NULL) {
        return NULL;
    }
    p->addr[0] = t->ep.a.laddr;
    p->addr[1] = t->ep.a.raddr;
    if (hash_insert(h, &p->node, p->addr, sizeof p->addr) != 0) {
        mem_free(&st->mem, MEM_TCP, p, sizeof *p);
        return NULL;
    }
    return p;
}

void tcp_fastopen_forget(struct td_stack *st)
{
    for (struct hash_node *n; (n = hash_first(&st->tcp->tfo_peers)) != NULL;) {
        peer_forget(st, container_of(n, struct peer, node));
    }
}

void tcp_fastopen_done(struct td_stack *st)
{
    tcp_fastopen_forget(st);
    hash_done(&st->tcp->tfo_peers);
}

/* ---- when not to ---- */

void tcp_fastopen_pause(struct td_stack *st, const struct tcb *t)
{
    struct tcp *tcp = st->tcp;
    if (knob(st, TCP_FASTOPEN_BLACKHOLE) == 0) {
        return;
    }
    const struct journal_subject subject = tcp_subject(t);
    tcp->tfo_paused_at = st->now;
    tcp->tfo_pauses++;
    count(st, TcpExtTCPFastOpenBlackhole);
    JOURNAL(st, EV_TCP_FASTOPEN_PAUSE, &subject, tcp->tfo_pauses);
}

static bool paused(const struct td_stack *st, struct tcb *t)
{
    const struct tcp *tcp = st->tcp;
    if (tcp->tfo_pauses == 0 || knob(st, TCP_FASTOPEN_BLACKHOLE) == 0) {
        return false;
    }
    unsigned shift = tcp->tfo_pauses - 1 < PAUSE_SHIFT ? tcp->tfo_pauses - 1 : PAUSE_SHIFT;
    if (st->now - tcp->tfo_paused_at <= ((td_time)knob(st, TCP_FASTOPEN_BLACKHOLE) * TD_SEC)
                                            << shift) {
        return true;
    }
    t->tfo_after_pause = true; /* if this one goes well, the pauses are forgotten */
    return false;
}

void tcp_fastopen_timeout(struct td_stack *st, const struct tcb *t, bool over)
{
    if ((t->syn_fastopen || t->syn_data) && (t->rexmits == 2 || (t->rexmits < 2 && over))) {
        tcp_fastopen_pause(st, t);
    }
}

/* The connection ends: text came, so this path is no black hole; or nothing but a FIN behind a gap,
 * which is what one leaves. */
void tcp_fastopen_ends(struct td_stack *st, const struct tcb *t)
{
    if (!t->syn_fastopen) {
        return;
    }
    if (t->bytes_received > 0) {
        if (t->tfo_after_pause) {
            st->tcp->tfo_pauses = 0;
        }
    } else if (t->fin_ooo && t->rcv.held == NULL) {
        tcp_fastopen_pause(st, t);
    }
}

static bool put_off(const struct td_stack *st, const struct peer *p)
{
    int64_t most = knob(st, TCP_FASTOPEN_LOSSES);
    if (most == 0 || p->losses < most) {
        return false;
    }
    unsigned shift = p->losses < PAUSE_SHIFT ? p->losses : PAUSE_SHIFT;
    return st->now - p->lost_at < LOSS_PAUSE << shift;
}

/* ---- opening ---- */

enum tcp_tfo_mode tcp_fastopen_mode(struct td_stack *st, struct tcb *t)
{
    const struct peer *p = peer_find(st, t);
    if (paused(st, t) || (p != NULL && put_off(st, p))) {
        return TFO_MODE_OFF;
    }
    if ((knob(st, TCP_FASTOPEN) & TFO_CLIENT_NO_COOKIE) != 0 || t->tfo_no_cookie) {
        return TFO_MODE_PLAIN;
    }
    if (p != NULL && p->cookie.len > 0) {
        return TFO_MODE_COOKIE;
    }
    t->tfo_fail = TFO_COOKIE_UNAVAILABLE_;
    return TFO_MODE_ASK;
}

/* 7413 4.2.1: "no more than the server's MSS, or 536". */
static uint32_t syn_room(struct td_stack *st, struct tcb *t)
{
    const struct peer *p = peer_find(st, t);
    uint32_t mss = p != NULL && p->mss != 0             ? p->mss
                   : st->knobs.profile == PROFILE_LINUX ? tcp_rcv_mss(st, t)
                                                        : MSS_UNKNOWN;
    uint32_t path = t->pmtu > IPV4_HLEN + TCP_HLEN ? t->pmtu - IPV4_HLEN - TCP_HLEN : 0;
    mss = mss < path ? mss : path;
    if (t->user_mss != 0 && t->user_mss < mss) {
        mss = t->user_mss;
    }
    return mss > OPTION_SPACE ? mss - OPTION_SPACE : 0;
}

uint32_t tcp_fastopen_take(struct td_stack *st, struct tcb *t, const struct iovec *iov, size_t niov)
{
    uint32_t room = syn_room(st, t), taken = 0;
    for (size_t i = 0; i < niov && taken < room; i++) {
        uint32_t n = iov[i].iov_len < room - taken ? (uint32_t)iov[i].iov_len : room - taken;
        uint32_t got = sndbuf_write(&st->mem, &t->snd, iov[i].iov_base, n);
        taken += got;
        if (got < n) {
            break;
        }
    }
    return taken;
}

void tcp_fastopen_syn_out(struct td_stack *st, struct tcb *t, struct tcp_emit *e)
{
    const struct peer *p = peer_find(st, t);
    struct tcp_tfo_cookie c = {.len = -1};
    switch ((enum tcp_tfo_mode)t->tfo_mode) {
    case TFO_MODE_COOKIE:
        if (p != NULL && p->cookie.len > 0) {
            c = p->cookie;
        }
        break;
    case TFO_MODE_ASK:
        c.len = 0;
        c.exp = p != NULL && p->try_exp == 1;
        break;
    default:
        break;
    }
    tcp_fastopen_offer(&e->o, &c);
    t->syn_fastopen = e->o.has_fastopen;
    t->syn_fastopen_exp = e->o.fastopen_exp;
    e->snd = &t->snd;
    e->len = t->snd.len; /* what was taken for it */
    t->syn_data = e->len > 0;
    if (t->tfo_mode != TFO_MODE_OFF) {
        const struct journal_subject subject = tcp_subject(t);
        JOURNAL(st, EV_TCP_FASTOPEN_OUT, &subject, e->len, e->o.has_fastopen, e->o.fastopen_len);
    }
}

/* ---- the SYN-ACK ---- */

static void learn(struct td_stack *st, struct tcb *t, const struct tcp_opts *o, bool data_left)
{
    bool cookie =
        o->has_fastopen && t->syn_fastopen; /* one that nobody asked for counts for nothing */
    bool retried = t->rexmits > 0 || t->ever_rexmt_syn;
    struct peer *p = peer_get(st, t);
    if (p == NULL) {
        return;
    }
    p->mss = t->peer_mss;
    if (cookie && o->fastopen_len > 0) {
        p->cookie.len = (int8_t)o->fastopen_len;
        p->cookie.exp = o->fastopen_exp;
        memcpy(p->cookie.val, o->fastopen, o->fastopen_len);
        const struct journal_subject subject = tcp_subject(t);
        JOURNAL(st, EV_TCP_FASTOPEN_COOKIE, &subject, t->ep.a.raddr, o->fastopen_len, p->mss);
    } else if (t->syn_fastopen && !retried && !cookie && !t->syn_data && p->cookie.len <= 0) {
        uint8_t tried = t->syn_fastopen_exp ? 2 : 1; /* a negative result, kept */
        p->try_exp = tried > p->try_exp ? tried : p->try_exp;
    }
    if (retried && t->syn_fastopen && !cookie && data_left) {
        p->losses = (uint8_t)(p->losses < UINT8_MAX ? p->losses + 1 : UINT8_MAX);
        p->lost_at = st->now;
    } else {
        p->losses = 0;
    }
}

void tcp_fastopen_syn_ack_in(struct td_stack *st, struct tcb *t, const struct tcp_seg *s)
{
    uint32_t text = s->ack - (t->iss + 1); /* of the SYN's text, acknowledged */
    if (text > 0) {
        sndbuf_ack(&st->mem, &t->snd, text);
        t->bytes_acked += text;
    }
    if (!t->syn_fastopen && !t->syn_data) {
        return;
    }
    bool left = t->syn_data && s->ack != t->snd_nxt;
    learn(st, t, &s->h->o, left);
    if (left) { /* 7413 4.2.2: again, with the ACK */
        t->tfo_fail = t->ever_rexmt_syn ? TFO_SYN_RETRANSMITTED_ : TFO_DATA_NOT_ACKED_;
        count(st, TcpExtTCPFastOpenActiveFail);
        const struct journal_subject subject = tcp_subject(t);
        JOURNAL(st, EV_TCP_FASTOPEN_FAIL, &subject, t->snd_nxt - s->ack);
    } else if (t->syn_data) {
        t->syn_data_acked = true;
        count(st, TcpExtTCPFastOpenActive);
    }
}
