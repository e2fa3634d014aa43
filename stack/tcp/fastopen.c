/* tcp/fastopen.c: TCP Fast Open, the server's side (RFC 7413 4.2), and its keys.
 *
 * Theory of operation. A client that was here before may put text on its SYN, and it is given to
 * the user before the handshake is over: a round trip less. What makes this safe enough is a
 * cookie, a MAC of the client's address under our key. The client asked for it in an earlier
 * handshake, so it was at that address then; without one a forged SYN could make the user work.
 *
 *      SYN, kind 34 empty ─────────────────► an ordinary handshake; the SYN-ACK carries a cookie
 *      SYN, kind 34 with the cookie, text ─► a connection at once, in SYN-RECEIVED and in the
 * accept queue; the SYN-ACK acknowledges the text; the user may read, and answer before the
 * client's ACK comes SYN with another cookie ────────────► an ordinary handshake; text ignored, a
 * right cookie back
 *
 * A cookie is SipHash-2-4 of the two addresses as on the wire, under a key of 16 octets: what Linux
 * computes for the same key. A second key may be given: its cookies are taken, and answered with
 * one of the first, so that keys can be changed without a flag day (4.1.2).
 *
 * Who has a cookie, or can see one, may still send many SYNs from forged addresses. So a listener
 * has a limit for connections whose handshake isn't over (TCP_FASTOPEN, PendingFastOpenRequests of
 * 5.1); above it SYNs are taken the ordinary way. A reset of such a connection that the user has
 * already is a sign of forgery: it counts towards the limit for another minute.
 *
 * A connection with text on its SYN may see it twice (a SYN delivered again after the first
 * connection ended; 6.1). So nothing of this is done unless the user asked: a listener by
 * TCP_FASTOPEN or, for all of them, bit 0x400 of the knob; a client by MSG_FASTOPEN or
 * TCP_FASTOPEN_CONNECT (fastopen_client.c).
 */
#include "tcp/seglog.h"
#include "tcp/tcp_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#ifndef TCP_FASTOPEN_KEY
#define TCP_FASTOPEN_KEY 33
#endif
#ifndef TCP_FASTOPEN_NO_COOKIE
#define TCP_FASTOPEN_NO_COOKIE 34
#endif

#define COOKIE_LEN 8
#define KEY_LEN    16
#define PENALTY    (60 * TD_SEC)

/* ---- keys ---- */

static uint64_t load_le64(const uint8_t *p)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < 8; i++) {
        v |= (uint64_t)p[i] << (8 * i);
    }
    return v;
}

static void store_le64(uint8_t *p, uint64_t v)
{
    for (unsigned i = 0; i < 8; i++) {
        p[i] = (uint8_t)(v >> (8 * i));
    }
}

static struct siphash_key key_load(const uint8_t *p)
{
    return (struct siphash_key){load_le64(p), load_le64(p + 8)};
}

static void key_store(uint8_t *p, const struct siphash_key *k)
{
    store_le64(p, k->k0);
    store_le64(p + 8, k->k1);
}

/* "a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4": four words, each with its lowest octet first in the key.
 */
static const char *key_parse(const char *s, struct siphash_key *k)
{
    uint64_t word[4];
    for (unsigned i = 0; i < 4; i++) {
        unsigned digits = 0;
        word[i] = 0;
        for (; digits < 8; digits++, s++) {
            unsigned c = (unsigned char)*s;
            unsigned d = c >= '0' && c <= '9'   ? c - '0'
                         : c >= 'a' && c <= 'f' ? c - 'a' + 10
                         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                : 16;
            if (d == 16) {
                break;
            }
            word[i] = word[i] << 4 | d;
        }
        if (digits == 0 || (i < 3 && *s++ != '-')) {
            return NULL;
        }
    }
    *k = (struct siphash_key){word[0] | word[1] << 32, word[2] | word[3] << 32};
    return s;
}

int tcp_fastopen_key_set(struct td_stack *st, const char *text)
{
    struct tcp_tfo_keys k = {.n = 1};
    const char *s = key_parse(text, &k.key[0]);
    if (s != NULL && *s == ',') {
        s = key_parse(s + 1, &k.key[1]);
        k.n = 2;
    }
    if (s == NULL || *s != '\0') {
        return -EINVAL;
    }
    st->tcp->tfo_keys = k;
    JOURNAL(st, EV_TCP_FASTOPEN_KEY, NULL, k.n);
    return 0;
}

static int key_print(char *dst, size_t size, const struct siphash_key *k)
{
    return snprintf(dst, size, "%08x-%08x-%08x-%08x", (unsigned)k->k0, (unsigned)(k->k0 >> 32),
                    (unsigned)k->k1, (unsigned)(k->k1 >> 32));
}

int tcp_fastopen_key_get(const struct td_stack *st, char *dst, size_t size)
{
    const struct tcp_tfo_keys *k = &st->tcp->tfo_keys;
    int n = key_print(dst, size, &k->key[0]);
    if (k->n == 2 && n > 0 && (size_t)n + 1 < size) {
        dst[n] = ',';
        n += 1 + key_print(dst + n + 1, size - (size_t)n - 1, &k->key[1]);
    }
    return n;
}

static void cookie_make(const struct siphash_key *k, const struct tcp_tuple *a,
                        struct tcp_tfo_cookie *c)
{
    uint8_t in[8];
    wire_put32(in, a->raddr);
    wire_put32(in + 4, a->laddr);
    store_le64(c->val, siphash(k, in, sizeof in));
    c->len = COOKIE_LEN;
}

/* ---- the listener's limit ---- */

static struct tcp_tfo *tfo_of(const struct tcb *t)
{
    return t->more_state != NULL ? t->more_state->tfo : NULL;
}

static struct tcp_tfo *tfo_make(struct td_stack *st, struct tcb *t)
{
    struct tcp_more *m = tcp_more(st, t);
    if (m != NULL && m->tfo == NULL) {
        m->tfo = mem_alloc(&st->mem, MEM_TCP, sizeof *m->tfo);
    }
    return m != NULL ? m->tfo : NULL;
}

void tcp_fastopen_free(struct td_stack *st, struct tcp_more *m)
{
    if (m->tfo == NULL) {
        return;
    }
    while (m->tfo->penalties != NULL) {
        struct tcp_tfo_penalty *p = m->tfo->penalties;
        m->tfo->penalties = p->next;
        mem_free(&st->mem, MEM_TCP, p, sizeof *p);
    }
    mem_free(&st->mem, MEM_TCP, m->tfo, sizeof *m->tfo);
    m->tfo = NULL;
}

void tcp_fastopen_listen(struct td_stack *st, struct tcb *l)
{
    int64_t bits = knob(st, TCP_FASTOPEN);
    if ((bits & TFO_SERVER) == 0 || (bits & TFO_SERVER_ALL) == 0) {
        return;
    }
    struct tcp_tfo *f = tfo_make(st, l);
    if (f != NULL && f->limit == 0) {
        f->limit = l->lsn->backlog;
    }
}

/* A penalty that is over makes room. */
static bool queue_room(struct td_stack *st, struct tcp_tfo *f)
{
    if (f->pending < f->limit) {
        return true;
    }
    struct tcp_tfo_penalty *p = f->penalties;
    if (p == NULL || p->until > st->now) {
        return false;
    }
    f->penalties = p->next;
    f->pending--;
    mem_free(&st->mem, MEM_TCP, p, sizeof *p);
    return true;
}

static struct tcb *listener_of(const struct td_stack *st, const struct tcb *t)
{
    const struct tcp_port *port =
        tcp_port_get((struct td_stack *)(uintptr_t)st, t->ep.a.lport, false);
    struct tcb *l = port != NULL ? port->listeners : NULL;
    while (l != NULL && l->serial != t->tfo_serial) {
        l = l->lsn->next;
    }
    return l;
}

void tcp_fastopen_child_done(struct td_stack *st, struct tcb *t, bool reset)
{
    struct tcb *l = listener_of(st, t);
    bool accepted = tcp_parent(t) == NULL;
    t->tfo_serial = 0;
    if (l == NULL || tfo_of(l) == NULL) {
        return; /* the listener has gone */
    }
    struct tcp_tfo *f = tfo_of(l);
    f->pending--;
    if (!reset || !accepted) {
        return;
    }
    struct tcp_tfo_penalty *p = mem_alloc(&st->mem, MEM_TCP, sizeof *p);
    if (p == NULL) {
        return;
    }
    struct tcp_tfo_penalty **at = &f->penalties;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    p->until = st->now + PENALTY;
    *at = p;
    f->pending++;
}

/* ---- a SYN ---- */

/* 0: no cookie of ours; 1 or 2: by that key. *good: the one to answer with. */
static unsigned cookie_check(const struct td_stack *st, const struct tcb *l,
                             const struct tcp_tuple *a, const struct tcp_opts *o,
                             struct tcp_tfo_cookie *good)
{
    const struct tcp_tfo *f = tfo_of(l);
    const struct tcp_tfo_keys *k = f->keys.n > 0 ? &f->keys : &st->tcp->tfo_keys;
    for (unsigned i = 0; i < k->n; i++) {
        struct tcp_tfo_cookie c;
        cookie_make(&k->key[i], a, &c);
        if (i == 0) {
            memcpy(good->val, c.val, sizeof good->val);
            good->len = c.len;
        }
        if (o->fastopen_len == c.len && memcmp(o->fastopen, c.val, (size_t)c.len) == 0) {
            return i + 1;
        }
    }
    return 0;
}

/* The text of the SYN is the first of the stream. */
static void take_text(struct td_stack *st, struct tcb *t, struct tcp_seg *s)
{
    s->seq++;
    s->len--;
    s->flags &= (uint16_t) ~(TCP_SYN | TCP_URG);
    t->data_segs_in += s->text > 0;
    t->syn_data_acked = s->text > 0;
    tcp_segment_rest(st, t, s);
    tcp_ack_sent(st, t); /* by the SYN-ACK */
    tcp_ack_begin(t);    /* what is to come is answered as if it were the first */
    t->rcv_wnd = 0;      /* and the SYN-ACK's window begins behind it */
    (void)tcp_window_field(st, t, true);
}

static bool make_child(struct td_stack *st, struct tcb *l, struct tcp_seg *s,
                       const struct tcp_tfo_cookie *answer)
{
    struct tcb *t = tcp_alloc(st);
    if (t == NULL || tcp_port_join(st, t, s->a.lport) != 0) {
        if (t != NULL) {
            tcp_finish(st, t, 0, W_NO_MEMORY);
        }
        return false;
    }
    t->ep.a = s->a;
    if (tcp_ep_insert(st, &t->ep) != 0) {
        tcp_finish(st, t, 0, W_NO_MEMORY);
        return false;
    }
    const struct journal_subject subject = tcp_seg_subject(s, l);
    tcp_child_init(st, t, l, s);
    tcp_child_pin(st, t);
    tcp_more_inherit(st, t, l);
    t->id = 0;
    t->parent = l;
    t->was_connected = true;
    t->tfo_serial = l->serial;
    tfo_of(l)->pending++;
    JOURNAL_CAUSE(st, EV_TCP_SYN_IN, &subject, s->a.raddr, s->a.rport, s->a.lport, t->irs, t->iss,
                  t->peer_mss, l->lsn->nsyn);
    count(st, TcpPassiveOpens);
    count(st, TcpExtTCPFastOpenPassive);
    tcp_seglog_state(st, &t->ep.a, 0, &subject, TCPS_LISTEN, TCPS_SYN_RECEIVED,
                     W_TCP_SYN_RECEIVED);
    JOURNAL(st, EV_TCP_FASTOPEN_IN, &subject, s->a.raddr, s->a.rport, s->text, tfo_of(l)->pending);
    (void)tcp_window_field(st, t, true);
    take_text(st, t, s);
    tcp_start_cwnd(st,
                   t); /* RFC 7413 4.2.2: the answer may go at once, RFC 5681's initial window */
    tcp_child_syn_ack(st, t, false, answer);
    t->last_ack_sent = t->rcv_nxt;
    t->snd_nxt = t->iss + 1;
    t->rtx_nxt = t->snd_nxt;
    t->rtt_time = st->now;
    tcp_rtx_arm(st, t, TRTX_REXMT);
    tcp_listen_complete(st, t);
    return true;
}

bool tcp_fastopen_syn(struct td_stack *st, struct tcb *l, struct tcp_seg *s,
                      struct tcp_tfo_cookie *answer)
{
    const struct tcp_opts *o = &s->h->o;
    int64_t bits = knob(st, TCP_FASTOPEN);
    struct tcp_tfo *f = tfo_of(l);
    *answer = (struct tcp_tfo_cookie){.len = -1, .exp = o->fastopen_exp};
    if (o->has_fastopen && o->fastopen_len == 0) {
        count(st, TcpExtTCPFastOpenCookieReqd);
    }
    if ((bits & TFO_SERVER) == 0 || f == NULL || f->limit == 0 ||
        (s->text == 0 && !o->has_fastopen)) {
        return false;
    }
    const struct journal_subject subject = tcp_seg_subject(s, l);
    if (!queue_room(st, f)) {
        count(st, TcpExtTCPFastOpenListenOverflow);
        JOURNAL(st, EV_TCP_FASTOPEN_REFUSED, &subject, s->a.raddr, s->a.rport, W_LIMIT);
        return false;
    }
    unsigned by = 0;
    if ((bits & TFO_SERVER_NO_COOKIE) != 0 || l->tfo_no_cookie) {
        by = 1;
    } else if (o->has_fastopen) {
        by = cookie_check(st, l, &s->a, o, answer);
    }
    if (by == 0) {
        if (o->has_fastopen && o->fastopen_len > 0) {
            count(st, TcpExtTCPFastOpenPassiveFail);
            JOURNAL(st, EV_TCP_FASTOPEN_REFUSED, &subject, s->a.raddr, s->a.rport,
                    W_TCP_COOKIE_WRONG);
        }
        return false;
    }
    if (by == 2) {
        count(st, TcpExtTCPFastOpenPassiveAltKey);
    } else if (answer->len > 0) { /* it has it */
        answer->len = -1;
    }
    if (make_child(st, l, s, answer)) {
        return true;
    }
    count(st, TcpExtTCPFastOpenPassiveFail);
    return false;
}

void tcp_fastopen_offer(struct tcp_opts *o, const struct tcp_tfo_cookie *c)
{
    if (c == NULL || c->len < 0) {
        return;
    }
    o->has_fastopen = true;
    o->fastopen_exp = c->exp;
    o->fastopen_len = (uint8_t)c->len;
    memcpy(o->fastopen, c->val, (size_t)c->len);
}

/* The SYN of a connection made by one comes again: our SYN-ACK was lost. */
bool tcp_fastopen_syn_again(struct td_stack *st, struct tcb *t, const struct tcp_seg *s)
{
    if ((s->flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN || s->seq != t->irs) {
        return false;
    }
    const struct journal_subject subject = tcp_seg_subject(s, t);
    uint32_t now = (uint32_t)(st->now / TD_MS) + 1;
    JOURNAL_CAUSE(st, EV_TCP_DROP_SYN_SYNC, &subject, s->flags, s->seq, t->state);
    if (t->oow_last_ms == 0 || now - t->oow_last_ms >= (uint64_t)knob(st, TCP_INVALID_RATELIMIT)) {
        t->oow_last_ms = now;
        tcp_send_syn(st, t);
    }
    return true;
}

/* ---- options (tcp(7)) ---- */

bool tcp_fastopen_is_option(int name)
{
    return name == TCP_FASTOPEN || name == TCP_FASTOPEN_CONNECT || name == TCP_FASTOPEN_KEY ||
           name == TCP_FASTOPEN_NO_COOKIE;
}

static int set_key(struct td_stack *st, struct tcb *t, const uint8_t *val, uint32_t len)
{
    if (len != KEY_LEN && len != 2 * KEY_LEN) {
        return -EINVAL;
    }
    struct tcp_tfo *f = tfo_make(st, t);
    if (f == NULL) {
        return -ENOMEM;
    }
    f->keys.n = (uint8_t)(len / KEY_LEN);
    for (unsigned i = 0; i < f->keys.n; i++) {
        f->keys.key[i] = key_load(val + (size_t)i * KEY_LEN);
    }
    return 0;
}

int tcp_fastopen_setopt(struct td_stack *st, struct tcb *t, int name, const void *val, uint32_t len)
{
    bool passive = t->state == TCPS_CLOSED || t->state == TCPS_LISTEN;
    int v;
    if (name == TCP_FASTOPEN_KEY) {
        return set_key(st, t, val, len);
    }
    if (len < sizeof v) {
        return -EINVAL;
    }
    memcpy(&v, val, sizeof v);
    struct tcp_tfo *f;
    switch (name) {
    case TCP_FASTOPEN:
        if (v < 0 || !passive) {
            return -EINVAL;
        }
        f = tfo_make(st, t);
        if (f == NULL) {
            return -ENOMEM;
        }
        f->limit = (uint32_t)(v < knob(st, SOMAXCONN) ? v : knob(st, SOMAXCONN));
        return 0;
    case TCP_FASTOPEN_CONNECT:
        if (v < 0 || v > 1) {
            return -EINVAL;
        }
        if ((knob(st, TCP_FASTOPEN) & TFO_CLIENT) == 0) {
            return -EOPNOTSUPP;
        }
        if (t->state != TCPS_CLOSED) {
            return -EINVAL;
        }
        t->tfo_connect = v != 0;
        return 0;
    default: /* TCP_FASTOPEN_NO_COOKIE */
        if (v < 0 || v > 1 || !passive) {
            return -EINVAL;
        }
        t->tfo_no_cookie = v != 0;
        return 0;
    }
}

/* val has *len bytes; *len becomes what was put there. */
int tcp_fastopen_getopt(const struct td_stack *st, const struct tcb *t, int name, void *val,
                        uint32_t *len)
{
    const struct tcp_tfo *f = tfo_of(t);
    uint8_t out[2 * KEY_LEN];
    uint32_t n = sizeof(int);
    if (name == TCP_FASTOPEN_KEY) {
        const struct tcp_tfo_keys *k = f != NULL && f->keys.n > 0 ? &f->keys : &st->tcp->tfo_keys;
        for (unsigned i = 0; i < k->n; i++) {
            key_store(out + (size_t)i * KEY_LEN, &k->key[i]);
        }
        n = (uint32_t)k->n * KEY_LEN;
    } else {
        int v = name == TCP_FASTOPEN           ? (f != NULL ? (int)f->limit : 0)
                : name == TCP_FASTOPEN_CONNECT ? t->tfo_connect
                                               : t->tfo_no_cookie;
        memcpy(out, &v, sizeof v);
    }
    *len = *len < n ? *len : n;
    memcpy(val, out, *len);
    return 0;
}
