/* replay/track.c: a packet of a flow: judged, taken in, told as a row (track.h). */
#include "replay/track.h"

#include <stdlib.h>
#include <string.h>

#include "replay/track_internal.h"
#include "wire/checksum.h"

const struct track_mark track_marks[TRACK_NMARKS] = {
#define X(name, json, text, clause) {json, text, clause},
    TRACK_MARKS(X)
#undef X
};

/* ---- a side ---- */

uint32_t side_segment(const struct track_side *s, const struct track_side *other)
{
    uint32_t options = s->has_ts && (other->has_ts || !other->syn_seen) ? 12 : 0;
    if (other->mss > 0 && other->mss > options)
        return other->mss - options; /* what the other accepts; its path may take less */
    if (s->largest > 9000 || (s->largest > 1460 && s->largest % (1460 - options) == 0))
        return 1460 - options; /* super-segments, before the card cut them */
    return s->largest;
}

/* RFC 7323 2.2: both must have offered the option; a SYN's own window is never scaled. */
static bool scaling(const struct track_side *s, const struct track_side *other, unsigned *shift)
{
    *shift = 0;
    if (s->syn_seen && other->syn_seen) {
        if (s->has_wscale && other->has_wscale)
            *shift = s->wscale > 14 ? 14 : s->wscale;
        return true;
    }
    return (s->syn_seen && !s->has_wscale) || (other->syn_seen && !other->has_wscale);
}

bool side_window_same(const struct track_side *s, const struct track_side *other, uint16_t wnd)
{
    unsigned shift;
    (void)scaling(s, other, &shift);
    return wnd == s->wnd && (!s->wnd_of_syn || shift == 0);
}

uint32_t side_window(const struct track_side *s, const struct track_side *other, bool *known)
{
    unsigned shift;
    *known = scaling(s, other, &shift);
    if (s->wnd_of_syn) {
        *known = true;
        shift = 0;
    }
    return (uint32_t)s->wnd << shift;
}

uint32_t side_flight(const struct track_side *s)
{
    if (!s->begun || !s->acked)
        return s->begun && s->syn_seen ? (uint32_t)seq_diff(s->nxt, s->base) : 0;
    return seq_gt(s->nxt, s->una) ? s->nxt - s->una : 0;
}

/* Linux's bound on RFC 6298's timeout: the round trip, and at least 200 ms. */
int64_t side_rto(const struct track_side *s)
{
    int64_t spread = 4 * s->infer.rttvar;
    if (s->infer.srtt == 0)
        return 1000 * MS;
    return s->infer.srtt + (spread > 200 * MS ? spread : 200 * MS);
}

/* ---- what is in flight ---- */

static struct seg *seg_at(const struct track_side *s, unsigned i)
{
    return &s->segs[(s->seg_head + i) % s->seg_room];
}

/* The first in flight that ends behind seq; seg_n if there is none. */
static unsigned seg_behind(const struct track_side *s, tcp_seq seq)
{
    unsigned lo = 0, hi = s->seg_n;
    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        if (seq_gt(seg_at(s, mid)->end, seq))
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

struct seg *side_seg(const struct track_side *s, tcp_seq seq)
{
    unsigned i = seg_behind(s, seq);
    return i < s->seg_n && seq_le(seg_at(s, i)->seq, seq) ? seg_at(s, i) : NULL;
}

static bool seg_room(struct track_side *s)
{
    if (s->seg_n < s->seg_room)
        return true;
    unsigned room = s->seg_room == 0 ? 4 : 2u * s->seg_room;
    if (room > SEGS_MAX) { /* the oldest isn't remembered any more: one sample less */
        s->seg_head = (uint16_t)((s->seg_head + 1) % s->seg_room);
        s->seg_n--;
        return true;
    }
    struct seg *segs = malloc(room * sizeof(*segs));
    if (segs == NULL)
        return false;
    for (unsigned i = 0; i < s->seg_n; i++)
        segs[i] = *seg_at(s, i);
    free(s->segs);
    s->segs = segs;
    s->seg_head = 0;
    s->seg_room = (uint16_t)room;
    return true;
}

static void remember(struct seen *p, tcp_seq from)
{
    struct track_side *a = p->a;
    if (!seg_room(a))
        return;
    a->seg_n++;
    *seg_at(a, a->seg_n - 1u) = (struct seg){
        .seq = from, .end = p->end, .t = p->t, .packet = p->v->number, .ip_id = p->v->ip.id, .times = 1,
        .tsval = p->h->o.ts_val, .first_tsval = p->h->o.ts_val};
}

static void count_again(struct track_more *m, int64_t after)
{
    m->again_min = m->again_count == 0 || after < m->again_min ? after : m->again_min;
    m->again_max = after > m->again_max ? after : m->again_max;
    m->again_count++;
    m->again_sum += (double)after;
    m->again_squares += (double)after * (double)after;
}

static void remember_again(struct seen *p)
{
    struct track_side *a = p->a;
    for (unsigned i = seg_behind(a, p->h->seq); i < a->seg_n && seq_lt(seg_at(a, i)->seq, p->end); i++) {
        struct seg *e = seg_at(a, i);
        count_again(&a->stats.more, p->t - e->t);
        e->t = p->t;
        e->packet = p->v->number;
        e->ip_id = p->v->ip.id;
        e->tsval = p->h->o.ts_val;
        e->times = e->times < 255 ? (uint8_t)(e->times + 1) : 255;
        if (a->stats.max_again < e->times - 1u)
            a->stats.max_again = e->times - 1u;
    }
    memmove(a->recent + 1, a->recent, (RECENT_MAX - 1) * sizeof(*a->recent));
    a->recent[0].seq = p->h->seq;
    a->recent[0].end = p->end;
    a->recent[0].packet = p->v->number;
    a->recent_n = a->recent_n < RECENT_MAX ? (uint8_t)(a->recent_n + 1) : RECENT_MAX;
}

/* ---- what an acknowledgement tells of the other's data ---- */

static void sample(struct seen *p, int64_t rtt)
{
    struct track_stats *st = &p->b->stats;
    p->row->rtt = rtt;
    if (st->rtt_count == 0 || rtt < st->rtt_min)
        st->rtt_min = rtt;
    if (rtt > st->rtt_max)
        st->rtt_max = rtt;
    st->rtt_count++;
    st->rtt_sum += (double)rtt;
    st->rtt_squares += (double)rtt * (double)rtt;
    infer_rtt(&p->b->infer, p->t, rtt);
}

/* Eifel: the echo is older than the retransmission, so it answers what was first sent. */
static void original(struct seen *p, const struct seg *e)
{
    if (e->times == 1 || !p->h->o.has_ts || e->first_tsval == e->tsval || (int32_t)(p->h->o.ts_ecr - e->tsval) >= 0)
        return;
    if (p->b->acked && seq_lt(p->b->una, e->seq))
        return; /* acknowledged with others: the echo is of the first of them */
    p->row->marks |= TRACK_BIT(ORIGINAL);
    p->row->about = e->packet;
}

/* Takes what is acknowledged from what is in flight. Karn: no sample if any of it was sent twice; nor
 * if it had been SACKed, which was the answer to it. The timestamp that comes back tells which it was (RFC 7323 4.1). */
static void measure(struct seen *p)
{
    struct track_side *b = p->b;
    bool clean = true;
    const struct seg *newest = NULL;
    while (b->seg_n > 0 && seq_le(seg_at(b, 0)->end, p->h->ack)) {
        b->stats.more.together += newest != NULL;
        newest = seg_at(b, 0);
        if (p->h->o.has_ts && newest->tsval == p->h->o.ts_ecr && (newest->times == 1 || newest->first_tsval != newest->tsval))
            p->row->rtt_ts = p->t - newest->t;
        original(p, newest);
        clean = clean && newest->times == 1 && ranges_overlap(&b->sacked, newest->seq, newest->end) == 0;
        b->seg_head = (uint16_t)((b->seg_head + 1) % b->seg_room);
        b->seg_n--;
    }
    if (newest == NULL)
        return;
    if (b->tainted && seq_lt(newest->seq, b->taint)) /* its ACK may have waited for what was missing before it */
        clean = false;
    b->tainted = b->tainted && seq_lt(p->h->ack, b->taint);
    if (clean)
        sample(p, p->t - newest->t);
    else if (p->row->rtt_ts >= 0)
        infer_rtt(&b->infer, p->t, p->row->rtt_ts);
}

static void read_sacks(struct seen *p, struct infer_heard *heard)
{
    const struct tcp_opts *o = &p->h->o;
    struct track_side *b = p->b;
    unsigned first = 0;
    p->row->nsack = o->nsack;
    if (o->nsack == 0)
        return;
    p->row->marks |= TRACK_BIT(SACK);
    struct tcp_sack_block s = o->sack[0];
    bool within = o->nsack > 1 && seq_ge(s.left, o->sack[1].left) && seq_le(s.right, o->sack[1].right);
    if (seq_lt(s.left, p->h->ack) || within) { /* RFC 2883 4: what it got twice */
        first = 1;
        p->row->marks |= TRACK_BIT(DSACK);
        heard->needless = true;
        heard->needless_bytes = s.right - s.left;
        for (unsigned i = 0; i < b->recent_n; i++) {
            if (seq_lt(b->recent[i].seq, s.right) && seq_lt(s.left, b->recent[i].end)) {
                p->row->about = b->recent[i].packet;
                p->row->reason = "a retransmission was needless";
                b->stats.needless++;
                break;
            }
        }
    }
    for (unsigned i = 0; i < o->nsack; i++) {
        p->row->sack[i].left = b->based ? side_rel(b, o->sack[i].left) : 0;
        p->row->sack[i].right = b->based ? side_rel(b, o->sack[i].right) : 0;
        if (i < first || !b->begun || seq_lt(o->sack[i].left, p->h->ack) || seq_gt(o->sack[i].right, b->nxt) ||
            seq_ge(o->sack[i].left, o->sack[i].right))
            continue;
        ranges_add(&b->sacked, o->sack[i].left, o->sack[i].right);
        if (b->sacked.n == 1 || seq_gt(o->sack[i].right, b->high))
            b->high = o->sack[i].right;
        heard->sack[heard->nsack++] = (struct range){o->sack[i].left, o->sack[i].right};
    }
}

static void late_ack(struct seen *p)
{
    struct track_side *a = p->a;
    int64_t waited = a->answer_t > 0 ? p->t - a->answer_t : 0;
    if (a->answer_t == 0)
        return;
    a->answer_t = 0;
    if (a->quickest == 0)
        a->quickest = a->infer.lag; /* it answered the SYN-ACK at once */
    if (a->quickest == 0 || waited < a->quickest)
        a->quickest = waited > 0 ? waited : 1;
    bool pure = p->v->text_len == 0 && p->plain;
    if (pure && waited - a->quickest >= 30 * MS && waited - a->quickest <= 550 * MS && p->row->rtt >= 0) {
        p->row->marks |= TRACK_BIT(DELAYED_ACK);
        p->row->ack_delay = waited - a->quickest;
    }
}

static void take_ack(struct seen *p)
{
    struct track_side *a = p->a, *b = p->b;
    tcp_seq ack = p->h->ack;
    struct infer_heard heard = {.t = p->t, .ack = ack, .has_ts = p->h->o.has_ts, .tsval = p->h->o.ts_val, .tsecr = p->h->o.ts_ecr,
                                .duplicate = (p->row->marks & TRACK_BIT(DUP_ACK)) != 0};
    if (!b->begun && !b->based) { /* the other end hasn't been heard yet: what it is to send next */
        b->based = true;
        b->base = ack - 1;
        b->nxt = ack;
        b->nxt_rel = 1;
    }
    bool ahead = b->begun && seq_gt(ack, b->nxt), fresh = !b->acked || seq_gt(ack, b->una);
    if ((ahead && (!b->acked || seq_gt(ack, b->una))) || (fresh && ranges_overlap(&b->holes, b->base, ack) > 0))
        p->row->marks |= TRACK_BIT(ACKED_UNSEEN);
    if (fresh) {
        measure(p);
        b->una = ack;
        b->acked = true;
        b->moved_t = p->t;
        ranges_below(&b->holes, ack);
        ranges_below(&b->sacked, ack);
        if (b->recovering && seq_ge(ack, b->recover))
            b->recovering = false;
        if (b->timed_out && seq_ge(ack, b->lost))
            b->timed_out = false;
        if (b->recovering && !(a->has_sack && b->has_sack))
            p->row->marks |= TRACK_BIT(PARTIAL);
        if (seq_ge(ack, b->nxt))
            b->una_t = p->t;
        late_ack(p);
    }
    read_sacks(p, &heard);
    if (!p->syn)
        infer_heard(&b->infer, &heard);
    a->ack_seen = true;
    a->ack = ack;
    a->ack_t = p->t;
}

/* ---- what it sends ---- */

static void read_syn(struct seen *p)
{
    struct track_side *a = p->a;
    const struct tcp_opts *o = &p->h->o;
    a->syn_seen = true;
    a->has_wscale = o->has_wscale;
    a->wscale = o->wscale;
    a->has_sack = o->has_sack_perm;
    a->has_ts = o->has_ts;
    a->mss = o->has_mss ? o->mss : 536; /* RFC 9293 3.7.1 */
}

static void begin(struct seen *p)
{
    struct track_side *a = p->a;
    if (a->begun)
        return;
    if (!a->based || p->syn) {
        a->base = p->syn ? p->h->seq : p->h->seq - 1;
        a->nxt = p->h->seq;
        a->nxt_rel = p->syn ? 0 : 1;
    }
    a->nxt_rel += seq_diff(p->h->seq, a->nxt);
    a->nxt = p->h->seq;
    a->begun = a->based = true;
    a->nxt_t = p->t;
    a->nxt_id = a->last_id = p->v->ip.id;
}

static void count_ids(struct track_side *a, uint16_t id)
{
    int d = (int16_t)(id - a->last_id);
    if (d > 0 && d <= 256)
        a->ids_up++;
    else
        a->ids_odd++;
    if (a->ids_up + a->ids_odd > 1000) {
        a->ids_up /= 2;
        a->ids_odd /= 2;
    }
    a->last_id = id;
}

static void nagle(struct seen *p)
{
    struct track_side *a = p->a;
    uint32_t mss = side_segment(a, p->b), len = p->v->text_len;
    if (len == 0 || len >= mss || a->last_len == 0 || a->last_len >= mss || side_flight(a) > 0 || p->b->ack_t == 0)
        return;
    int64_t after = p->t - a->una_t;
    if (a->una_t > 0 && a->una_t == p->b->ack_t && p->b->answer_t == 0 && after <= a->infer.lag + MS && a->una_t - a->sent_t > 5 * MS)
        p->row->marks |= TRACK_BIT(NAGLE);
}

static void tell_infer(struct seen *p)
{
    struct track_side *a = p->a, *b = p->b;
    uint64_t m = p->row->marks;
    bool known;
    uint32_t mss = side_segment(a, b);
    if (m & (TRACK_BIT(KEEP_ALIVE) | TRACK_BIT(DUPLICATED) | TRACK_BIT(OUT_OF_ORDER) | TRACK_BIT(PROBE)))
        return;
    if (!a->infer.begun && !p->syn && mss > 0)
        infer_begin(&a->infer, a->acked ? seq_min(a->una, p->h->seq) : p->h->seq, mss, a->syn_seen || b->syn_seen ? 10 * mss : 0);
    if (!a->infer.begun || p->syn)
        return;
    if (mss > 0)
        a->infer.mss = mss;
    uint32_t window = side_window(b, a, &known);
    const struct infer_data d = {
        .t = p->t, .seq = p->h->seq, .end = p->end, .cwr = (m & TRACK_BIT(CWR)) != 0, .has_ts = p->h->o.has_ts,
        .kind = m & TRACK_BIT(RTX_RTO)   ? INFER_TIMEOUT
                : m & TRACK_BIT(RTX_TLP) ? INFER_PROBE
                : m & TRACK_ANY_RTX      ? INFER_AGAIN
                                         : INFER_NEW,
        .tsval = p->h->o.ts_val, .tsecr = p->h->o.ts_ecr, .edge_known = known && b->ack_seen, .edge = b->ack + window};
    infer_data(&a->infer, &d);
}

static void advance(struct seen *p)
{
    struct track_side *a = p->a;
    if (seq_gt(p->h->seq, a->nxt)) {
        tcp_seq from = a->acked ? seq_max(a->nxt, a->una) : a->nxt;
        ranges_add(&a->holes, from, p->h->seq);
    }
    remember(p, seq_max(p->h->seq, a->nxt));
    a->nxt_rel += seq_diff(p->end, a->nxt);
    a->nxt = p->end;
    a->nxt_t = p->t;
    a->nxt_packet = p->v->number;
    a->nxt_id = p->v->ip.id;
    a->nxt_tsval = p->h->o.ts_val;
}

static void take_data(struct seen *p)
{
    struct track_side *a = p->a;
    uint32_t len = p->v->text_len;
    if (!p->occupies)
        return;
    nagle(p);
    tell_infer(p);
    ranges_remove(&a->holes, p->h->seq, p->end);
    if (seq_lt(p->h->seq, a->nxt)) {
        a->tainted = true;
        a->taint = a->nxt;
    }
    if (p->row->marks & TRACK_ANY_RTX)
        remember_again(p);
    if (seq_gt(p->end, a->nxt) && !(p->row->marks & TRACK_BIT(PROBE)))
        advance(p);
    if (p->fin && !a->fin_seen) {
        a->fin_seen = true;
        a->fin_end = p->end;
    }
    if (len > 0) {
        a->last_len = len;
        if (len > a->largest)
            a->largest = len;
        if (p->b->answer_t == 0)
            p->b->answer_t = p->t;
    }
    a->sent_t = p->t;
}

/* How long after what passed towards this side does its answer pass? The handshake tells; and the end where the
 * capture was made answers at once. */
static void handshake_lag(struct seen *p)
{
    struct track_side *a = p->a, *b = p->b;
    if (p->syn && p->ack && b->syn_seen && b->sent_t > 0 && !a->syn_seen)
        infer_lag(&a->infer, p->t - b->sent_t);
    if (!p->ack || !p->plain || !b->syn_seen || b->state != TRACK_SYN_RECEIVED || a->infer.lag > 0)
        return;
    int64_t there = b->infer.lag, here = p->t - b->sent_t;
    infer_lag(&a->infer, here < there / 20 ? 0 : here);
    infer_lag(&b->infer, there < here / 20 ? 0 : there);
}

/* ---- statistics ---- */

static void count_window(struct seen *p)
{
    struct track_stats *st = &p->a->stats;
    if (p->rst)
        return;
    if (st->packets == 1 || p->row->window < st->min_window)
        st->min_window = p->row->window;
    if (p->row->window > st->max_window)
        st->max_window = p->row->window;
    st->window_sum += p->row->window;
}

static void count_data(struct seen *p)
{
    struct track_side *a = p->a;
    struct track_stats *st = &a->stats;
    uint32_t len = p->v->text_len;
    if (len == 0)
        return;
    st->data_packets++;
    st->data_bytes += len;
    if (st->data_packets == 1 || len < st->min_segment)
        st->min_segment = len;
    if (len > st->max_segment)
        st->max_segment = len;
    if (st->data_packets == 1)
        st->data_first = p->t;
    else if (p->t - st->data_last > st->idle_max)
        st->idle_max = p->t - st->data_last;
    st->data_last = p->t;
    st->cut_bytes += len - p->v->text_kept;
    if ((!a->acked || seq_le(a->una, a->base + 1)) && (p->row->marks & TRACK_ANY_RTX) == 0) { /* before the first ACK of data */
        st->initial_bytes += len;
        st->initial_packets++;
    }
}

/* What tcptrace counts otherwise. */
static void count_more(struct seen *p)
{
    struct track_more *m = &p->a->stats.more;
    uint64_t window = p->row->window;
    if (p->a->stats.packets > 1 && p->t - m->packet_last > m->quiet_max)
        m->quiet_max = p->t - m->packet_last;
    m->packet_last = p->t;
    m->pushed_data += (p->h->flags & TCP_PSH) != 0 && p->v->text_len > 0;
    m->cut_packets += p->v->text_kept < p->v->text_len;
    m->probe_bytes += p->row->marks & TRACK_BIT(PROBE) ? p->v->text_len : 0;
    m->window_sum += window;
    if (p->rst)
        return;
    if (!p->syn && !m->scaled && p->a->has_wscale && p->b->has_wscale) {
        m->scaled = true;
        m->window_min = m->window_max = 0;
    }
    if (window > 0 && (m->window_min == 0 || window < m->window_min))
        m->window_min = window;
    m->window_max = window > m->window_max ? window : m->window_max;
}

static void count(struct seen *p)
{
    struct track_stats *st = &p->a->stats;
    uint64_t m = p->row->marks;
    uint32_t len = p->v->text_len;
    st->packets++;
    st->acks += p->ack;
    st->pure_acks += p->ack && len == 0 && p->plain;
    st->sacks += (m & TRACK_BIT(SACK)) != 0;
    st->dsacks += (m & TRACK_BIT(DSACK)) != 0;
    if (p->h->o.nsack > st->max_sacks)
        st->max_sacks = p->h->o.nsack;
    if (m & TRACK_ANY_RTX) {
        st->rtx_packets++;
        st->rtx_bytes += len;
    }
    const struct {
        uint64_t *counter, bits;
    } each[] = {
        {&st->by_rto, TRACK_BIT(RTX_RTO) | TRACK_BIT(RTX_SYN)}, {&st->by_fast, TRACK_BIT(RTX_FAST)},
        {&st->by_sack, TRACK_BIT(RTX_SACK) | TRACK_BIT(RTX_PARTIAL)}, {&st->by_tlp, TRACK_BIT(RTX_TLP)}, {&st->spurious, TRACK_BIT(SPURIOUS)},
        {&st->duplicated, TRACK_BIT(DUPLICATED)}, {&st->out_of_order, TRACK_BIT(OUT_OF_ORDER)},
        {&st->dup_acks, TRACK_BIT(DUP_ACK)}, {&st->probes, TRACK_BIT(PROBE)}, {&st->keep_alives, TRACK_BIT(KEEP_ALIVE)},
        {&st->zero_windows, TRACK_BIT(ZERO_WINDOW)}, {&st->window_updates, TRACK_BIT(WINDOW_UPDATE)},
        {&st->window_fulls, TRACK_BIT(WINDOW_FULL)}, {&st->lost_before, TRACK_BIT(LOST_BEFORE)},
        {&st->acked_unseen, TRACK_BIT(ACKED_UNSEEN)}, {&st->bad_sums, TRACK_BIT(BAD_SUM)}, {&st->ce, TRACK_BIT(CE)},
        {&st->ece, TRACK_BIT(ECE)}, {&st->cwr, TRACK_BIT(CWR)},
    };
    for (size_t i = 0; i < sizeof(each) / sizeof(*each); i++)
        *each[i].counter += (m & each[i].bits) != 0;
    st->triple_dup_acks += p->row->dup == 3;
    st->pushed += (p->h->flags & TCP_PSH) != 0;
    st->syn += p->syn;
    st->fin += p->fin;
    st->rst += p->rst;
    if (m & TRACK_BIT(URGENT)) {
        st->urgent_packets++;
        st->urgent_bytes += p->h->urp;
    }
    count_window(p);
    count_data(p);
    count_more(p);
    if (p->row->flight[p->row->side] > st->max_flight)
        st->max_flight = p->row->flight[p->row->side];
}

/* ---- a packet ---- */

bool track_unfinished_sum(const struct view *v)
{
    uint32_t n = v->tcp.hlen + v->text_len, sum;
    uint8_t tail[8] = {0};
    if (v->net == VIEW_IPV4) {
        sum = checksum_pseudo(v->ip.src, v->ip.dst, v->proto, n);
    } else {
        wire_put32(tail, n);
        tail[7] = v->proto;
        sum = checksum_add(checksum_add(checksum_add(0, v->src, 16), v->dst, 16), tail, 8);
    }
    return (v->tcp.csum ^ checksum_finish(sum)) == 0xffff;
}

static void fill_guess(const struct track_side *s, struct track_guess *g)
{
    *g = (struct track_guess){.phase = "unknown"};
    g->srtt = s->infer.srtt;
    if (!s->infer.begun)
        return;
    g->cwnd = s->infer.cwnd;
    g->ssthresh = s->infer.ssthresh;
    g->mss = s->infer.mss;
    g->phase = infer_phase_text(&s->infer);
}

static const char *clause_of(const struct seen *p)
{
    for (unsigned i = 0; i < TRACK_NMARKS; i++)
        if ((p->row->marks >> i & 1) != 0 && track_marks[i].clause[0] != '\0')
            return track_marks[i].clause;
    if (p->syn || p->rst)
        return "";
    return p->v->text_len > 0 || p->fin ? "RFC 9293 3.10.7.4" : "RFC 5681 3.1";
}

/* What a person would read first of a text that is HTTP's. */
static void first_line(const struct seen *p, struct track_row *r)
{
    static const char *const words[] = {"GET ", "POST ", "HEAD ", "PUT ", "DELETE ", "OPTIONS ", "HTTP/1."};
    const uint8_t *b = p->v->frame + p->v->text_at;
    uint32_t n = p->v->text_kept, len = 0;
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (n < 12 || memcmp(b, words[i], strlen(words[i])) != 0)
            continue;
        while (len < n && len < SAID_MAX && b[len] >= ' ' && b[len] < 127)
            len++;
        r->said = (const char *)b;
        r->said_len = len;
    }
}

static void fill_row(struct seen *p, struct track_row *r)
{
    const struct track_side *end[2] = {p->a, p->b};
    bool known;
    r->seq = side_rel(p->a, p->h->seq);
    r->ack = p->ack && p->b->based ? side_rel(p->b, p->h->ack) : 0;
    r->len = p->v->text_len;
    r->window = side_window(p->a, p->b, &known);
    r->scaled = known;
    if (p->rst) { /* which means nothing there */
        r->window = p->h->wnd;
        r->scaled = true;
    }
    r->offered = p->syn ? &p->h->o : NULL;
    first_line(p, r);
    for (int i = 0; i < 2; i++) {
        int who = i == 0 ? r->side : 1 - r->side;
        r->flight[who] = side_flight(end[i]);
        fill_guess(end[i], &r->guess[who]);
    }
    r->clause = clause_of(p);
}

static void take(struct seen *p)
{
    struct track_side *a = p->a;
    if (!a->begun)
        begin(p);
    else if (p->v->net == VIEW_IPV4)
        count_ids(a, p->v->ip.id);
    handshake_lag(p);
    if (p->syn)
        read_syn(p);
    else if (p->h->o.has_ts && !a->syn_seen)
        a->has_ts = true;
    take_data(p);
    if (p->ack)
        take_ack(p);
    if (!p->rst) {
        a->wnd = p->h->wnd;
        a->wnd_of_syn = p->syn;
    }
}

bool track_packet(struct flow *f, int side, const struct view *v, int64_t t, bool believe, struct track_row *row)
{
    for (int i = 0; i < 2; i++)
        if (f->side[i].track == NULL && (f->side[i].track = calloc(1, sizeof(struct track_side))) == NULL)
            return false;
    const struct tcp_hdr *h = &v->tcp;
    bool syn = (h->flags & TCP_SYN) != 0, fin = (h->flags & TCP_FIN) != 0;
    struct seen p = {.v = v, .h = h, .a = f->side[side].track, .b = f->side[1 - side].track, .t = t, .syn = syn, .fin = fin, .row = row};
    p.rst = (h->flags & TCP_RST) != 0;
    p.ack = (h->flags & TCP_ACK) != 0;
    p.plain = !syn && !fin && !p.rst;
    p.end = h->seq + v->text_len + syn + fin;
    p.occupies = p.end != h->seq && !p.rst;
    *row = (struct track_row){.number = v->number, .stream = f->number, .t = t, .side = side, .flags = h->flags, .rtt = -1, .rtt_ts = -1};
    if (v->l4_sum == SUM_BAD && !believe && !track_unfinished_sum(v)) {
        row->marks = TRACK_BIT(BAD_SUM);
        if (!p.a->begun)
            begin(&p);
        track_states(&p);
    } else {
        track_judge(&p);
        take(&p);
        track_states(&p);
        p.a->last_marks = row->marks;
        p.a->last_packet = row->number;
    }
    fill_row(&p, row);
    count(&p);
    return true;
}

void track_too_big(struct flow *f, int side, uint64_t packet)
{
    struct track_side *s = f->side[side].track;
    if (s == NULL || !s->begun)
        return;
    s->smaller = s->nxt;
    s->smaller_by = packet;
}

const struct track_stats *track_stats(const struct flow *f, int side)
{
    struct track_side *s = f->side[side].track;
    if (s == NULL)
        return NULL;
    s->stats.unique_bytes = f->side[side].unique;
    return &s->stats;
}

void track_facts(const struct flow *f, int side, struct track_facts *facts)
{
    const struct track_side *s = f->side[side].track, *other = f->side[1 - side].track;
    unsigned shift;
    *facts = (struct track_facts){.scale = -1};
    if (s == NULL || other == NULL)
        return;
    facts->seen = f->side[side].seen;
    facts->syn_seen = s->syn_seen;
    facts->scale_known = scaling(s, other, &shift);
    facts->scale = s->has_wscale ? s->wscale : -1;
    facts->sack_permitted = s->has_sack;
    facts->timestamps = s->has_ts;
    facts->mss = s->syn_seen ? s->mss : 0;
    facts->segment = side_segment(s, other);
}

void track_free(struct flow *f)
{
    for (int i = 0; i < 2; i++) {
        struct track_side *s = f->side[i].track;
        if (s == NULL)
            continue;
        ranges_free(&s->holes);
        ranges_free(&s->sacked);
        infer_free(&s->infer);
        free(s->segs);
        free(s);
        f->side[i].track = NULL;
    }
}
