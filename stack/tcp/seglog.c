/* tcp/seglog.c: the record of segments.
 *
 * Theory of operation. Somebody who looks at a connection wants to see what passed: after it
 * happened, often when the connection is over, and without having asked for it before. So every
 * segment that arrives or leaves, and every change of state, leaves a record of a hundred bytes in
 * one of two rings of the instance:
 *
 *   rare    what a connection has little of: its first segments, SYN, FIN and RST, whatever is sent
 *           again or brings SACK, changes of state;
 *   usual   the rest: text and acknowledgments of a connection that runs.
 *
 * Two, because a bulk transfer fills a ring in milliseconds, and must not push out how another
 * connection began. Each begins empty, doubles while it is full, up to what the knob
 * tapdeck.segments says, and then loses its oldest. All records are numbered in one row, so that a
 * reader sees them in order again, and sees where some are missing. At the journal's level 0
 * (counters only), and while the knob is 0, nothing is recorded.
 *
 * A record names the connection by its ends, since it has no number before it is accepted;
 * TSL_ACCEPT says which number it got. What became of a segment is filled in when it has been
 * processed: the drop, if the journal got one meanwhile; for the rest a record tells from which
 * event on the journal knows.
 */
#include "tcp/seglog.h"

#include "tcp/tcp_internal.h"

#include <errno.h>

#define FIRST_CAP      64U
#define FIND_MOST      65536U /* records looked at for a person's words */
#define FIRST_SEGMENTS 16U    /* of a connection, that count as rare */

struct seg_ring {
    struct tcp_seglog_rec *v;
    uint32_t cap, count, oldest;
    bool lost; /* something fell out */
};

struct tcp_seglog {
    struct seg_ring ring[2]; /* usual, rare */
    uint64_t next;
    struct tcp_seglog_rec spare; /* written when there is no memory at all */
};
enum { USUAL, RARE };

static struct tcp_seglog_rec *nth(const struct seg_ring *r, uint32_t k)
{
    uint32_t at = r->oldest + k;
    return &r->v[at < r->cap ? at : at - r->cap];
}

/* ---- rings ---- */

static void remake(struct td_stack *st, struct seg_ring *r, uint32_t cap)
{
    struct tcp_seglog_rec *v =
        cap != 0 ? mem_alloc_raw(&st->mem, MEM_JOURNAL, (size_t)cap * sizeof *v) : NULL;
    if (v == NULL && cap != 0) {
        return;
    }
    uint32_t keep = r->count < cap ? r->count : cap;
    for (uint32_t k = 0; k < keep; k++) {
        v[k] = *nth(r, r->count - keep + k);
    }
    mem_free(&st->mem, MEM_JOURNAL, r->v, r->cap * sizeof *r->v);
    *r = (struct seg_ring){.v = v, .cap = cap, .count = keep, .lost = r->lost || keep < r->count};
}

static struct tcp_seglog *the_log(struct td_stack *st)
{
    if (st->tcp->seglog == NULL) {
        st->tcp->seglog = mem_alloc(&st->mem, MEM_JOURNAL, sizeof *st->tcp->seglog);
        if (st->tcp->seglog != NULL) {
            st->tcp->seglog->next = 1;
        }
    }
    return st->tcp->seglog;
}

/* A place for one more; its number is set, nothing else. */
static struct tcp_seglog_rec *place(struct td_stack *st, struct tcp_seglog *l, int which)
{
    struct seg_ring *r = &l->ring[which];
    uint32_t most = (uint32_t)knob(st, SEGMENTS);
    if (r->cap > most) {
        remake(st, r, most);
    } else if (r->count == r->cap && r->cap < most) {
        uint32_t cap = r->cap == 0 ? FIRST_CAP : 2 * r->cap;
        remake(st, r, cap < most ? cap : most);
    }
    struct tcp_seglog_rec *rec;
    if (r->cap == 0) {
        rec = &l->spare;
        r->lost = true;
    } else if (r->count < r->cap) {
        rec = nth(r, r->count++);
    } else {
        rec = &r->v[r->oldest];
        r->oldest = r->oldest + 1 < r->cap ? r->oldest + 1 : 0;
        r->lost = true;
    }
    rec->n = l->next++;
    return rec;
}

void tcp_seglog_free(struct td_stack *st)
{
    struct tcp_seglog *l = st->tcp->seglog;
    if (l != NULL) {
        remake(st, &l->ring[USUAL], 0);
        remake(st, &l->ring[RARE], 0);
        mem_free(&st->mem, MEM_JOURNAL, l, sizeof *l);
        st->tcp->seglog = NULL;
    }
}

/* ---- reading ---- */

static struct tcp_seglog_rec *ring_from(const struct seg_ring *r, uint64_t n)
{
    uint32_t lo = 0, hi = r->count; /* the first with a number >= n is in [lo, hi] */
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (nth(r, mid)->n < n) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo < r->count ? nth(r, lo) : NULL;
}

const struct tcp_seglog_rec *tcp_seglog_from(const struct td_stack *st, uint64_t n)
{
    const struct tcp_seglog *l = st->tcp->seglog;
    if (l == NULL) {
        return NULL;
    }
    const struct tcp_seglog_rec *a = ring_from(&l->ring[USUAL], n);
    const struct tcp_seglog_rec *b = ring_from(&l->ring[RARE], n);
    return a == NULL || (b != NULL && b->n < a->n) ? b : a;
}

static bool is_wanted(const struct tcp_wanted *w, const struct tcp_seglog_rec *x)
{
    return (w->id == 0 || w->id == x->id) && (w->a.laddr == 0 || w->a.laddr == x->a.laddr) &&
           (w->a.raddr == 0 || w->a.raddr == x->a.raddr) &&
           (w->a.lport == 0 || w->a.lport == x->a.lport) &&
           (w->a.rport == 0 || w->a.rport == x->a.rport);
}

const struct tcp_seglog_rec *tcp_seglog_find(const struct td_stack *st, const struct tcp_wanted *w)
{
    const struct tcp_seglog *l = st->tcp->seglog;
    const struct seg_ring *r = l != NULL ? &l->ring[RARE] : NULL;
    const struct tcp_seglog_rec *refused = NULL;
    uint32_t looked = 0;
    for (uint32_t k = r != NULL ? r->count : 0; k > 0 && looked < FIND_MOST; k--, looked++) {
        const struct tcp_seglog_rec *x = nth(r, k - 1);
        if (!is_wanted(w, x)) {
            continue;
        }
        if (x->state != TCPS_CLOSED) {
            return x;
        }
        refused = refused != NULL ? refused : x;
    }
    return refused;
}

static uint64_t held_from(const struct seg_ring *r)
{
    return !r->lost ? 1 : r->count > 0 ? nth(r, 0)->n : 0;
}

struct tcp_seglog_held tcp_seglog_held(const struct td_stack *st)
{
    const struct tcp_seglog *l = st->tcp->seglog;
    struct tcp_seglog_held held = {.next = 1};
    if (l != NULL) {
        held.next = l->next;
        held.rare_from = held_from(&l->ring[RARE]);
        held.usual_from = held_from(&l->ring[USUAL]);
    }
    return held;
}

/* ---- writing ---- */

static uint8_t options(const struct tcp_opts *o)
{
    return (uint8_t)(o->has_mss * TSO_MSS | o->has_wscale * TSO_WSCALE |
                     o->has_sack_perm * TSO_SACK_PERM | o->has_ts * TSO_TS |
                     (o->nsack > 0) * TSO_SACK | o->has_fastopen * TSO_FASTOPEN |
                     o->has_uto * TSO_UTO | (o->unknown > 0) * TSO_OTHER);
}

/* What the connection is like at this moment; t NULL: there is none. */
static void sender(struct tcp_seglog_rec *x, const struct tcb *t)
{
    if (t == NULL) {
        x->cwnd = x->ssthresh = x->flight = x->srtt_us = x->rto_us = 0;
        return;
    }
    x->cwnd = t->cc.cwnd;
    x->ssthresh = t->cc.ssthresh;
    x->flight = tcp_flight(t);
    x->srtt_us = (uint32_t)(t->cc.srtt / TD_US);
    x->rto_us = (uint32_t)(t->rtt.rto / TD_US);
}

static void of_header(struct tcp_seglog_rec *x, const struct tcp_opts *o)
{
    x->opts = options(o);
    x->nsack = o->nsack;
    x->sack_left = x->sack_right = 0;
    if ((x->flags & TCP_SYN) != 0) {
        x->sack_left = o->has_mss ? o->mss : 0;
        x->sack_right = o->has_wscale ? o->wscale + 1U : 0;
    } else if (o->nsack > 0) {
        x->sack_left = o->sack[0].left;
        x->sack_right = o->sack[0].right;
    }
}

static int kind_of(uint16_t flags, enum tcp_state state, const struct tcp_opts *o, bool again,
                   const struct tcb *t)
{
    return (flags & (TCP_SYN | TCP_FIN | TCP_RST)) != 0 || state != TCPS_ESTABLISHED ||
                   o->nsack > 0 || again || t == NULL || t->segs_in + t->segs_out < FIRST_SEGMENTS
               ? RARE
               : USUAL;
}

struct tcp_seglog_mark tcp_seglog_in(struct td_stack *st, const struct tcp_ep *ep,
                                     const struct tcb *t, const struct tcp_seg *s)
{
    struct tcp_seglog *l = the_log(st);
    if (l == NULL) {
        return (struct tcp_seglog_mark){0};
    }
    enum tcp_state state = t != NULL                      ? (enum tcp_state)t->state
                           : ep == NULL                   ? TCPS_CLOSED
                           : ep->kind == TCP_EP_TIME_WAIT ? TCPS_TIME_WAIT
                                                          : TCPS_SYN_RECEIVED;
    const struct tcp_opts *o = &s->h->o;
    struct tcp_seglog_rec *x = place(st, l, kind_of(s->flags, state, o, false, t));
    /* Field by field: a record is made of every segment. */
    x->at = st->now;
    x->event = st->journal.next_seq;
    x->pkt = s->pkt_id;
    x->a = s->a;
    x->id = 0;
    x->seq = s->seq;
    x->ack = s->ack;
    x->wnd = s->wnd;
    x->len = s->text;
    x->flags = s->flags;
    x->verdict = EV_NONE;
    x->why = W_NONE;
    x->what = TSL_IN;
    x->state = x->to = (uint8_t)state;
    x->again = false;
    of_header(x, o);
    sender(x, state != TCPS_LISTEN ? t : NULL);
    if (t != NULL && state != TCPS_LISTEN) {
        x->id = t->id;
    } else if (state == TCPS_TIME_WAIT) {
        x->id = container_of(ep, const struct timewait, ep)->id;
    } else if (state == TCPS_SYN_RECEIVED && (s->flags & TCP_SYN) == 0) {
        x->wnd <<= container_of(ep, const struct half_open, ep)->snd_wscale;
    }
    return (struct tcp_seglog_mark){.n = x->n, .drops = st->journal.drops};
}

struct tcp_seglog_mark tcp_seglog_out(struct td_stack *st, const struct tcp_emit *e,
                                      const struct tcp_hdr *h, struct pkt *p)
{
    struct tcp_seglog *l = the_log(st);
    if (l == NULL) {
        return (struct tcp_seglog_mark){0};
    }
    const struct tcb *t = e->t;
    enum tcp_state state = (enum tcp_state)(t != NULL ? t->state : e->state);
    struct tcp_seglog_rec *x = place(st, l, kind_of(e->flags, state, &h->o, e->again, t));
    if (p->id == 0) {
        p->id = ++st->journal.next_packet;
    }
    x->at = st->now;
    x->event = st->journal.next_seq;
    x->pkt = p->id;
    x->a = e->a;
    x->id = t != NULL ? t->id : state == TCPS_TIME_WAIT ? e->conn : 0;
    x->seq = e->seq;
    x->ack = h->ack;
    x->wnd = (uint32_t)e->wnd << e->wscale;
    x->len = e->len;
    x->flags = e->flags;
    x->verdict = EV_NONE;
    x->why = e->why;
    x->what = TSL_OUT;
    x->state = x->to = (uint8_t)state;
    x->again = e->again;
    of_header(x, &h->o);
    sender(x, t);
    return (struct tcp_seglog_mark){.n = x->n, .drops = st->journal.drops};
}

/* The journal got a drop since: was it this segment's end? */
static void find_verdict(struct td_stack *st, uint64_t n)
{
    struct tcp_seglog *l = st->tcp->seglog;
    struct tcp_seglog_rec *x = ring_from(&l->ring[USUAL], n);
    if (x == NULL || x->n != n) {
        x = ring_from(&l->ring[RARE], n);
    }
    if (x == NULL || x->n != n) {
        return;
    }
    const struct journal_record *j = journal_from(st, x->event);
    for (unsigned looked = 0; j != NULL && looked < 16; looked++) {
        if (event_info[j->event].kind == EVK_DROP && j->subject.pkt == x->pkt) {
            x->verdict = j->event;
            return;
        }
        j = journal_from(st, j->seq + 1);
    }
}

void tcp_seglog_done(struct td_stack *st, struct tcp_seglog_mark m)
{
    if (m.n != 0 && st->journal.drops != m.drops) {
        find_verdict(st, m.n);
    }
}

/* ---- changes of state ---- */

static void plain(struct td_stack *st, enum tcp_seglog_what what, const struct tcp_tuple *a,
                  uint32_t id, enum tcp_state from, enum tcp_state to, enum journal_word why)
{
    struct tcp_seglog *l = tcp_seglog_on(st) ? the_log(st) : NULL;
    if (knob(st, SEGMENTS) == 0) {
        tcp_seglog_free(st); /* what there was isn't wanted any more */
    }
    if (l == NULL) {
        return;
    }
    struct tcp_seglog_rec *x = place(st, l, RARE);
    *x = (struct tcp_seglog_rec){.n = x->n,
                                 .at = st->now,
                                 .event = st->journal.next_seq,
                                 .a = *a,
                                 .id = id,
                                 .what = (uint8_t)what,
                                 .state = (uint8_t)from,
                                 .to = (uint8_t)to,
                                 .why = (uint16_t)why};
}

void tcp_seglog_state(struct td_stack *st, const struct tcp_tuple *a, uint32_t id,
                      const struct journal_subject *subject, enum tcp_state from, enum tcp_state to,
                      enum journal_word why)
{
    if (a->rport != 0) { /* a socket that listens, or was only bound, is in no connection */
        plain(st, TSL_STATE, a, id, from, to, why);
    }
    JOURNAL(st, EV_TCP_STATE, subject, from, to, why);
}

void tcp_seglog_accept(struct td_stack *st, const struct tcb *t)
{
    plain(st, TSL_ACCEPT, &t->ep.a, t->id, (enum tcp_state)t->state, (enum tcp_state)t->state,
          W_NONE);
}

/* ---- the table ---- */

enum {
    COL_N,
    COL_TIME,
    COL_ID,
    COL_LADDR,
    COL_LPORT,
    COL_RADDR,
    COL_RPORT,
    COL_WHAT,
    COL_STATE,
    COL_TO,
    COL_WHY,
    COL_FLAGS,
    COL_SEQ,
    COL_ACK,
    COL_LEN,
    COL_WND,
    COL_OPTS,
    COL_MSS,
    COL_WSCALE,
    COL_SACK_LEFT,
    COL_SACK_RIGHT,
    COL_AGAIN,
    COL_DROP,
    COL_CWND,
    COL_SSTHRESH,
    COL_FLIGHT,
    COL_SRTT,
    COL_RTO,
    COL_PKT,
    COL_EVENT,
    NCOLS
};
const struct column tcp_seglog_columns[] = {
    [COL_N] = {"n", VAL_U64, "number of the record; where some are missing, they fell out"},
    [COL_TIME] = {"time", VAL_NS, "stack time"},
    [COL_ID] = {"id", VAL_U64, "number of the socket; 0: not accepted yet, or none"},
    [COL_LADDR] = {"local", VAL_IP4, "local address"},
    [COL_LPORT] = {"lport", VAL_U64, "local port"},
    [COL_RADDR] = {"peer", VAL_IP4, "peer's address"},
    [COL_RPORT] = {"pport", VAL_U64, "peer's port"},
    [COL_WHAT] = {"what", VAL_STR, "in, out: a segment; state: a change of state; accept"},
    [COL_STATE] = {"state", VAL_STR,
                   "as it came or went (LISTEN: the listener's), as the RFC writes it"},
    [COL_TO] = {"to", VAL_STR, "state: the new one"},
    [COL_WHY] = {"why", VAL_STR, "state: the cause; out: why again, or what it asks for"},
    [COL_FLAGS] = {"flags", VAL_STR, "SYN, ACK, FIN, RST, PSH, URG, ECE, CWR"},
    [COL_SEQ] = {"seq", VAL_U64, "SEG.SEQ, as on the wire"},
    [COL_ACK] = {"ack", VAL_U64, "SEG.ACK, as on the wire; absent: no ACK flag"},
    [COL_LEN] = {"len", VAL_U64, "bytes of text"},
    [COL_WND] = {"wnd", VAL_U64, "SEG.WND, bytes, scaled"},
    [COL_OPTS] = {"opts", VAL_STR, "options: mss wscale sackOK TS sack fastopen uto other"},
    [COL_MSS] = {"mss", VAL_U64, "of a SYN"},
    [COL_WSCALE] = {"wscale", VAL_U64, "of a SYN"},
    [COL_SACK_LEFT] = {"sack-left", VAL_U64, "the first SACK block"},
    [COL_SACK_RIGHT] = {"sack-right", VAL_U64, "its end"},
    [COL_AGAIN] = {"again", VAL_BOOL, "it had been sent before"},
    [COL_DROP] = {"drop", VAL_STR, "the event it ended in"},
    [COL_CWND] = {"cwnd", VAL_U64, "congestion window then, bytes"},
    [COL_SSTHRESH] = {"ssthresh", VAL_U64, "slow-start threshold, bytes; absent: none yet"},
    [COL_FLIGHT] = {"flight", VAL_U64, "SND.NXT - SND.UNA before it, bytes"},
    [COL_SRTT] = {"srtt", VAL_NS, "smoothed round trip; absent: none yet"},
    [COL_RTO] = {"rto", VAL_NS, "retransmission time-out"},
    [COL_PKT] = {"pkt", VAL_U64, "number of the packet: `why pkt`"},
    [COL_EVENT] = {"event", VAL_U64,
                   "state: the journal's number; else what it led to has this or a larger one"},
};
const unsigned tcp_seglog_ncolumns = NCOLS;
_Static_assert(NCOLS <= TABLE_MAX_COLUMNS, "too many columns");

/* The names whose bits are set, with blanks between. */
static void row_bits(struct row *row, unsigned col, const char *const *names, unsigned bits)
{
    char text[64];
    size_t n = 0;
    for (unsigned i = 0; i < 8; i++) {
        if ((bits & 1U << i) == 0) {
            continue;
        }
        if (n > 0) {
            text[n++] = ' ';
        }
        for (const char *c = names[i]; *c != '\0'; c++) {
            text[n++] = *c;
        }
    }
    text[n] = '\0';
    row_str(row, col, text);
}

static void fill_segment(struct row *row, const struct tcp_seglog_rec *x)
{
    static const char *const flags[] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"};
    static const char *const opts[] = {"mss",  "wscale",   "sackOK", "TS",
                                       "sack", "fastopen", "uto",    "other"};
    row_bits(row, COL_FLAGS, flags, x->flags);
    row_u64(row, COL_SEQ, x->seq);
    if ((x->flags & TCP_ACK) != 0) {
        row_u64(row, COL_ACK, x->ack);
    }
    row_u64(row, COL_LEN, x->len);
    row_u64(row, COL_WND, x->wnd);
    if (x->opts != 0) {
        row_bits(row, COL_OPTS, opts, x->opts);
    }
    if ((x->opts & TSO_MSS) != 0) {
        row_u64(row, COL_MSS, x->sack_left);
    }
    if ((x->opts & TSO_WSCALE) != 0) {
        row_u64(row, COL_WSCALE, x->sack_right - 1);
    }
    if ((x->opts & TSO_SACK) != 0) {
        row_u64(row, COL_SACK_LEFT, x->sack_left);
        row_u64(row, COL_SACK_RIGHT, x->sack_right);
    }
    if (x->again) {
        row_bool(row, COL_AGAIN, true);
    }
    if (x->verdict != EV_NONE) {
        row_word(row, COL_DROP, event_info[x->verdict].name);
    }
    if (x->cwnd != 0) {
        row_u64(row, COL_CWND, x->cwnd);
        row_u64(row, COL_FLIGHT, x->flight);
        row_ns(row, COL_RTO, (td_time)x->rto_us * TD_US);
    }
    if (x->cwnd != 0 && x->ssthresh != 0 && x->ssthresh < TD_CC_NO_SSTHRESH) {
        row_u64(row, COL_SSTHRESH, x->ssthresh);
    }
    if (x->srtt_us != 0) {
        row_ns(row, COL_SRTT, (td_time)x->srtt_us * TD_US);
    }
    row_u64(row, COL_PKT, x->pkt);
}

bool tcp_seglog_next(struct td_stack *st, uint64_t *cursor, struct row *row)
{
    static const char *const whats[] = {"in", "out", "state", "accept"};
    const struct tcp_seglog_rec *x = tcp_seglog_from(st, *cursor);
    if (x == NULL) {
        return false;
    }
    *cursor = x->n + 1;
    row_clear(row);
    row_u64(row, COL_N, x->n);
    row_ns(row, COL_TIME, x->at);
    row_u64(row, COL_ID, x->id);
    row_ip4(row, COL_LADDR, x->a.laddr);
    row_u64(row, COL_LPORT, x->a.lport);
    row_ip4(row, COL_RADDR, x->a.raddr);
    row_u64(row, COL_RPORT, x->a.rport);
    row_word(row, COL_WHAT, whats[x->what]);
    row_word(row, COL_STATE, tcp_state_name((enum tcp_state)x->state));
    if (x->what == TSL_STATE) {
        row_word(row, COL_TO, tcp_state_name((enum tcp_state)x->to));
    }
    if (x->why != W_NONE) {
        row_word(row, COL_WHY, journal_words[x->why]);
    }
    row_u64(row, COL_EVENT, x->event);
    if (x->what == TSL_IN || x->what == TSL_OUT) {
        fill_segment(row, x);
    }
    return true;
}
