/* drill/match.c: what the stack sent against what the script expects.
 *
 * Theory of operation. The next datagram of the connection under test must be the expected one:
 * there is no searching ahead. Datagrams of other connections are passed over. If none has been
 * sent yet the clock goes on, timer by timer, until some seconds behind the deadline.
 *
 * A segment shorter than scripted may be the first of several: more are taken and joined while they
 * are contiguous, alike in acknowledgment, window, options and flags (but for FIN, PSH and CWR),
 * and all but the last equally long. The whole has the first one's sequence number and CWR; PSH,
 * FIN and time are the last one's. So scripts written where segmentation is offloaded hold for a
 * stack that cuts its segments itself. A segment longer than scripted is never split.
 *
 * Compared are, in this order: checksums, IP header, TOS and TTL if given, the transport header,
 * options, payload, time. The first difference is told with both packets in script notation.
 */
#include "tapdeck/drill/run.h"

#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLACK           (2 * TD_SEC)   /* how long behind the deadline a packet is waited for */
#define FOREVER         (300 * TD_SEC) /* what `*` waits at most */
#define SAME_TIME_STEPS 100000

/* ---- taking ---- */

/* The oldest datagram of this connection that was sent. Those of other connections the script knows
 * stay in their place; those of none are dropped. */
static struct seg *pick(struct run *r, const struct conn *c)
{
    struct seg *found = NULL, **link = &r->w.sent;
    while (*link != NULL) {
        struct seg *s = *link;
        const struct conn *owner = r->conns;
        if (found == NULL && conn_owns(c, s, true)) {
            found = s;
            *link = s->next;
            continue;
        }
        while (owner != NULL && !conn_owns(owner, s, true)) {
            owner = owner->next;
        }
        if (owner == NULL) {
            *link = s->next;
            seg_free(s);
        } else {
            link = &s->next;
        }
    }
    r->w.sent_tail = link;
    if (found != NULL) {
        found->next = NULL;
    }
    return found;
}

/* The next datagram of this connection, not later than `limit`; NULL: there is none. */
static struct seg *next_seg(struct run *r, const struct conn *c, td_time limit)
{
    unsigned still = 0;
    td_time last = world_now(&r->w);
    for (;;) {
        struct seg *s = pick(r, c);
        if (s != NULL) {
            return s;
        }
        if (!play_step(r, limit, true)) {
            return NULL;
        }
        still = world_now(&r->w) == last ? still + 1 : 0;
        last = world_now(&r->w);
        if (still > SAME_TIME_STEPS) {
            return NULL;
        }
    }
}

/* ---- joining ---- */

#define JOINED_MAY_DIFFER (TCP_FIN | TCP_PSH | TCP_CWR)

/* May `next` be joined to what begins with `first` and ends with `last`? */
static bool joins(const struct seg *first, const struct seg *last, const struct seg *next)
{
    return next->bad == NULL && next->proto == IPPROTO_TCP_ &&
           next->seq == last->seq + last->data_len && last->data_len == first->data_len &&
           next->ack == first->ack && next->win == first->win &&
           ((next->flags ^ first->flags) & ~JOINED_MAY_DIFFER) == 0 && next->tos == first->tos &&
           next->opt_len == first->opt_len &&
           memcmp(next->bytes + next->opt, first->bytes + first->opt, first->opt_len) == 0;
}

/* The datagram of the joined payload. Consumes both. NULL: no memory. */
static struct seg *join(struct seg *whole, struct seg *piece)
{
    struct seg *s = realloc(whole, sizeof *s + whole->len + piece->data_len);
    if (s == NULL) {
        seg_free(whole);
        seg_free(piece);
        return NULL;
    }
    memcpy(s->bytes + s->len, piece->bytes + piece->data, piece->data_len);
    s->len += piece->data_len;
    s->l4_len = (uint16_t)(s->l4_len + piece->data_len);
    s->data_len = (uint16_t)(s->data_len + piece->data_len);
    s->flags = (uint16_t)((piece->flags & ~TCP_CWR) | (s->flags & TCP_CWR));
    s->urg = piece->urg;
    s->at = piece->at;
    seg_free(piece);
    return s;
}

/* What was joined, for the report. */
struct pieces {
    unsigned n;
    const char *stop; /* why the next one wasn't */
};

static struct seg *gather(struct run *r, struct conn *c, struct seg *s, uint32_t want,
                          td_time limit, struct pieces *got)
{
    struct seg first = *s, last = *s;
    struct seg *keep = seg_new(s->bytes, s->len, s->at); /* the first one's options */
    got->n = 1;
    while (keep != NULL && s != NULL && s->data_len < want) {
        struct seg *next = next_seg(r, c, limit);
        if (next == NULL) {
            got->stop = "nothing more came";
            break;
        }
        if (next->bad != NULL || !joins(keep, &last, next) ||
            (uint32_t)s->data_len + next->data_len > want) {
            got->stop = next->bad != NULL                       ? next->bad
                        : next->seq != last.seq + last.data_len ? "the next one isn't contiguous"
                        : last.data_len != first.data_len       ? "the pieces are not equally long"
                        : (uint32_t)s->data_len + next->data_len > want
                            ? "the next one goes too far"
                            : "the next one differs";
            next->next = r->w.sent; /* it is still the next to be matched */
            if (r->w.sent == NULL) {
                r->w.sent_tail = &next->next;
            }
            r->w.sent = next;
            break;
        }
        last = *next;
        got->n++;
        s = join(s, next);
    }
    if (keep == NULL || s == NULL) {
        r->w.no_memory = true;
    }
    seg_free(keep);
    return s;
}

/* ---- comparing ---- */

struct compare {
    struct run *r;
    const struct drill_event *e;
    const struct drill_packet *want;
    struct conn *c;
    const struct seg *s;
    struct noted got;
    char why[256];
};

static bool differ(struct compare *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool differ(struct compare *m, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(m->why, sizeof m->why, fmt, ap);
    va_end(ap);
    return false;
}

static bool same_ip(struct compare *m)
{
    const struct drill_packet *w = m->want;
    const struct seg *s = m->s;
    static const uint8_t proto[] = {
        [DRILL_TCP] = IPPROTO_TCP_, [DRILL_UDP] = IPPROTO_UDP_, [DRILL_ICMP] = IPPROTO_ICMP_};
    static const char *const ecn[] = {"noecn", "ect1", "ect0", "ce"};
    if (s->bad != NULL) {
        return differ(m, "the datagram has %s", s->bad);
    }
    if (s->proto != proto[w->proto]) {
        return differ(m, "another protocol");
    }
    if (s->ihl != IPV4_HLEN) {
        return differ(m, "the IP header has options");
    }
    if ((s->frag & 0x3fff) != 0) {
        return differ(m, "the datagram is a fragment");
    }
    uint8_t e = s->tos & 3;
    switch (w->ecn) {
    case DRILL_ECN_ANY:
        break;
    case DRILL_TOS:
        if (s->tos != w->tos) {
            return differ(m, "the TOS field is 0x%02x, expected 0x%02x", s->tos, w->tos);
        }
        break;
    case DRILL_ECT01:
        if (e != 1 && e != 2) {
            return differ(m, "the ECN field says %s, expected ect01", ecn[e]);
        }
        break;
    default:
        if (e != (w->ecn == DRILL_ECT0   ? 2
                  : w->ecn == DRILL_ECT1 ? 1
                  : w->ecn == DRILL_CE   ? 3
                                         : 0)) {
            return differ(m, "the ECN field says %s", ecn[e]);
        }
        break;
    }
    if (w->has_ttl && s->ttl != w->ttl) {
        return differ(m, "the TTL is %u, expected %u", s->ttl, w->ttl);
    }
    return true;
}

static bool same_header(struct compare *m)
{
    const struct drill_packet *w = m->want, *g = &m->got.p;
    if (w->has_ports && (w->sport != m->s->sport || w->dport != m->s->dport)) {
        return differ(m, "the ports are %u > %u", m->s->sport, m->s->dport);
    }
    if (g->flags != w->flags) {
        return differ(m, "the flags differ");
    }
    if (m->s->reserved != 0) {
        return differ(m, "reserved bits are set");
    }
    if (g->seq != w->seq) {
        return differ(m, "the sequence number is %u, expected %u", g->seq, w->seq);
    }
    if (w->has_ack && g->ack != w->ack) {
        return differ(m, "the acknowledgment number (ack) is %u, expected %u", g->ack, w->ack);
    }
    if (w->has_win && g->win != w->win) {
        return differ(m, "the window (win) is %u, expected %u", g->win, w->win);
    }
    if ((w->has_urg ? w->urg : 0) != m->s->urg) {
        return differ(m, "the urgent pointer (urg) is %u, expected %u", m->s->urg,
                      w->has_urg ? w->urg : 0);
    }
    if (g->len != w->len) {
        return differ(m, "the length is %u, expected %u", g->len, w->len);
    }
    return true;
}

/* ---- options ---- */

static bool same_ts(struct compare *m, const struct drill_opt *w, uint32_t live, uint32_t ecr)
{
    const struct drill_options *o = m->r->o;
    uint32_t is;
    if (o->has_ts_tick && o->ts_tick_usecs > 0 && conn_ts_script(m->c, live, &is)) {
        int64_t off = (int64_t)(int32_t)(is - w->v[0]) * o->ts_tick_usecs;
        td_time at = m->s->at, tol = play_tolerance(m->r, at, m->r->prev) / TD_US;
        if ((uint64_t)(off < 0 ? -off : off) > tol) {
            return differ(m, "option TS: val is %u, expected %u", is, w->v[0]);
        }
    }
    bool echoes = (m->want->flags & TCP_ACK) != 0; /* else the field says nothing (RFC 7323 3.2) */
    if (echoes && ecr != w->v[1]) {
        return differ(m, "option TS: ecr is %u, expected %u", ecr, w->v[1]);
    }
    return true;
}

static bool same_opt(struct compare *m, const struct drill_opt *w, const struct drill_opt *g)
{
    if (w->kind != g->kind || w->n != g->n || w->order1 != g->order1) {
        return false;
    }
    switch (w->kind) {
    case DRILL_OPT_MSS:
    case DRILL_OPT_WSCALE:
        return w->v[0] == g->v[0];
    case DRILL_OPT_SACK:
        return w->n == 0 || memcmp(w->sack, g->sack, w->n * sizeof w->sack[0]) == 0;
    case DRILL_OPT_FO:
    case DRILL_OPT_FOEXP:
    case DRILL_OPT_MD5:
        return memcmp(w->bytes, g->bytes, w->n) == 0;
    case DRILL_OPT_ACCECN:
        return memcmp(w->count, g->count, sizeof w->count) == 0;
    default:
        (void)m;
        return true;
    }
}

static const uint8_t *live_ts(const struct seg *s)
{
    size_t pos = 0;
    struct seg_opt raw;
    while (seg_opt_next(s->bytes + s->opt, s->opt_len, &pos, &raw)) {
        if (raw.kind == TCPOPT_TS_ && raw.body_len == 8) {
            return raw.body;
        }
    }
    return NULL;
}

static bool same_options(struct compare *m)
{
    const struct drill_packet *w = m->want, *g = &m->got.p;
    const uint8_t *ts = live_ts(m->s);
    for (size_t i = 0; i < w->nopts; i++) { /* learned even where nothing is compared */
        if (w->opt[i].kind == DRILL_OPT_TS && ts != NULL && !w->any_opts) {
            if (!same_ts(m, &w->opt[i], wire_get32(ts), wire_get32(ts + 4))) {
                return false;
            }
            m->r->w.no_memory |= !conn_ts_learn(m->c, w->opt[i].v[0], wire_get32(ts));
        }
    }
    if (w->any_opts) {
        return true;
    }
    for (size_t i = 0; i < w->nopts || i < g->nopts; i++) {
        if (i >= g->nopts || i >= w->nopts) {
            return differ(m, "%s option%s than expected", i >= g->nopts ? "fewer" : "more",
                          w->nopts == 0 ? "s (none was)" : "s");
        }
        if (!same_opt(m, &w->opt[i], &g->opt[i])) {
            struct text a = {0}, b = {0};
            drill_print_opt(&a, &g->opt[i]);
            drill_print_opt(&b, &w->opt[i]);
            differ(m, "option %zu is '%s', expected '%s'", i + 1, a.s, b.s);
            text_free(&a);
            text_free(&b);
            return false;
        }
    }
    return true;
}

static bool zeroes(struct compare *m)
{
    const uint8_t *b = m->s->bytes + m->s->data;
    for (size_t i = 0; i < m->s->data_len; i++) {
        if (b[i] != 0) {
            return differ(m, "payload byte %zu is 0x%02x, not zero", i, b[i]);
        }
    }
    return true;
}

static bool same_icmp(struct compare *m)
{
    const struct drill_packet *w = m->want, *g = &m->got.p;
    if (g->icmp_type != w->icmp_type) {
        return differ(m, "the ICMP type is %u, expected %u", g->icmp_type, w->icmp_type);
    }
    if (g->icmp_code != w->icmp_code) {
        return differ(m, "the ICMP code is %u, expected %u", g->icmp_code, w->icmp_code);
    }
    if (w->has_mtu && g->mtu != w->mtu) {
        return differ(m, "the mtu is %u, expected %u", g->mtu, w->mtu);
    }
    if (w->has_id && g->id != w->id) {
        return differ(m, "the id is %u, expected %u", g->id, w->id);
    }
    if (w->quote != DRILL_QUOTE_NONE && (w->quote != g->quote || w->len != g->len ||
                                         (w->quote == DRILL_QUOTE_TCP && w->seq != g->seq))) {
        return differ(m, "it quotes something else");
    }
    return true;
}

static bool same(struct compare *m)
{
    if (!same_ip(m)) {
        return false;
    }
    bool whole = note_read(&m->got, m->c, m->s);
    switch (m->want->proto) {
    case DRILL_TCP:
        if (!same_header(m)) {
            return false;
        }
        if (!whole) {
            return differ(m, "its options make no sense");
        }
        return same_options(m) && zeroes(m);
    case DRILL_UDP:
        if (m->want->has_ports &&
            (m->want->sport != m->s->sport || m->want->dport != m->s->dport)) {
            return differ(m, "the ports are %u > %u", m->s->sport, m->s->dport);
        }
        if (m->got.p.len != m->want->len) {
            return differ(m, "the length is %u, expected %u", m->got.p.len, m->want->len);
        }
        return zeroes(m);
    default:
        return same_icmp(m);
    }
}

/* ---- time ---- */

static bool in_time(struct compare *m, const struct expectation *x)
{
    td_time tol = play_tolerance(m->r, x->at, m->r->prev);
    td_time until = x->range ? x->until : x->at;
    char is[32], a[32], b[32];
    if (x->any || (m->s->at + tol >= x->at && m->s->at <= until + tol)) {
        return true;
    }
    note_time(m->s->at, is);
    note_time(x->at, a);
    note_time(until, b);
    const char *how = m->s->at < x->at ? "early" : "late";
    if (x->range) {
        return differ(m, "too %s: it left at %s, expected between %s and %s", how, is, a, b);
    }
    return differ(m, "too %s: it left at %s, expected at %s", how, is, a);
}

/* ---- the expectation ---- */

/* What the stack's own SYN tells about its numbers, and the end of one incarnation. */
static void learn_local(struct conn *c, const struct seg *s, const struct drill_packet *want)
{
    if (s->proto != IPPROTO_TCP_ || s->bad != NULL || (s->flags & TCP_SYN) == 0) {
        return;
    }
    bool again = (s->flags & TCP_ACK) != 0 && c->has_risn && c->last_syn != c->risn &&
                 s->ack == c->last_syn + 1 && s->seq != c->lisn_live;
    if (again) {
        c->risn = c->last_syn;
    }
    if (!c->has_lisn || again) {
        c->has_lisn = true;
        c->lisn_live = s->seq;
        c->lisn_script = want->proto == DRILL_TCP && (want->flags & TCP_SYN) != 0 ? want->seq : 0;
    }
}

static void told(struct run *r, const struct drill_event *e, const struct conn *c,
                 const struct seg *s, const struct pieces *got, const char *why)
{
    struct text t = {0};
    char when[32];
    if (s == NULL) {
        text_puts(&t, "nothing");
    } else {
        note_seg(&t, c, s);
        text_printf(&t, "  at %s", note_time(s->at, when));
    }
    if (got->n > 1) {
        text_printf(&t, " (%u segments joined%s%s)", got->n, got->stop != NULL ? "; " : "",
                    got->stop != NULL ? got->stop : "");
    } else if (got->stop != NULL) {
        text_printf(&t, " (%s)", got->stop);
    }
    play_differs(r, e, t.s, "%s", why);
    text_free(&t);
}

static struct conn *expected_conn(struct run *r, const struct drill_packet *p)
{
    int proto = p->proto == DRILL_UDP ? IPPROTO_UDP_ : IPPROTO_TCP_;
    struct conn *c = r->current;
    if (p->has_ports && p->proto != DRILL_ICMP) {
        struct conn *named = play_conn_find(r, proto, p->sport, p->dport);
        c = named != NULL ? named : c;
    }
    return c;
}

void play_expect(struct run *r, const struct drill_event *e, const struct expectation *x)
{
    const struct drill_packet *want = &e->packet;
    struct conn *c = expected_conn(r, want);
    if (c == NULL) {
        play_fail(r, e->line, "a packet is expected, but there is no connection yet");
        return;
    }
    td_time until = x->range ? x->until : x->at;
    td_time limit =
        x->any ? world_now(&r->w) + FOREVER : until + play_tolerance(r, x->at, r->prev) + SLACK;
    struct pieces got = {0};
    struct seg *s = next_seg(r, c, limit);
    if (s == NULL) {
        told(r, e, c, NULL, &got, "the expected packet didn't come");
        return;
    }
    learn_local(c, s, want);
    bool tcp = want->proto == DRILL_TCP && s->bad == NULL && s->proto == IPPROTO_TCP_;
    if (tcp && !r->o->strict_segments && s->data_len > 0 && s->data_len < want->len) {
        s = gather(r, c, s, want->len, limit, &got);
        if (s == NULL) {
            return;
        }
    }
    struct compare m = {.r = r, .e = e, .want = want, .c = c, .s = s};
    if (!same(&m) || !in_time(&m, x)) {
        told(r, e, c, s, &got, m.why);
    } else if (r->o->verbose) {
        struct text t = {0};
        note_seg(&t, c, s);
        play_told(r, s->at, "%s", t.s);
        text_free(&t);
    }
    seg_free(s);
}

void play_check_silence(struct run *r)
{
    struct seg *s;
    while ((s = world_take(&r->w)) != NULL) {
        for (struct conn *c = r->conns; c != NULL && !r->over; c = c->next) {
            if (conn_owns(c, s, true)) {
                struct text t = {0};
                char when[32];
                note_seg(&t, c, s);
                play_fail(r, 0, "left over at the end: %s   at %s", t.s, note_time(s->at, when));
                text_free(&t);
            }
        }
        seg_free(s);
    }
}
