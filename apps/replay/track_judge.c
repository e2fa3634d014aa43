/* replay/track_judge.c: what a segment is, by what was known before it (track.h).
 *
 * The order of the questions is Wireshark's, for people compare the two: probes, windows, keep-alives,
 * duplicate ACKs; then, for what occupies sequence space below the highest seen, whether it was sent again
 * or late on its way, and why.
 */
#include "replay/track_internal.h"

static void mark(struct seen *p, uint64_t bit)
{
    p->row->marks |= bit;
}

/* ---- windows, keep-alives, duplicate ACKs ---- */

static bool repeats_ack(const struct seen *p)
{
    const struct track_side *a = p->a;
    return p->plain && p->ack && p->v->text_len == 0 && a->begun && a->ack_seen && p->h->seq == a->nxt && p->h->ack == a->ack;
}

/* Its answer to the segment before, which was special: nothing else is to be said of it. */
static bool answers(struct seen *p)
{
    const struct track_side *a = p->a;
    bool same = side_window_same(a, p->b, p->h->wnd);
    if (repeats_ack(p) && same && p->h->wnd > 0 && (p->b->last_marks & TRACK_BIT(KEEP_ALIVE))) {
        mark(p, TRACK_BIT(KEEP_ALIVE_ACK));
        p->row->about = p->b->last_packet;
        return true;
    }
    if (repeats_ack(p) && same && (p->b->last_marks & TRACK_BIT(RST_NEAR))) {
        mark(p, TRACK_BIT(CHALLENGE));
        p->row->about = p->b->last_packet;
        return true;
    }
    bool took = p->plain && p->ack && p->v->text_len == 0 && a->ack_seen && p->h->seq == a->nxt &&
                (p->h->ack == a->ack || p->h->ack == a->ack + 1);
    if (took && p->h->wnd == 0 && same && (p->b->last_marks & (TRACK_BIT(PROBE) | TRACK_BIT(KEEP_ALIVE)))) {
        mark(p, TRACK_BIT(PROBE_ACK));
        return true;
    }
    return false;
}

/* Nothing is in flight, and the window is open, but not for a full segment nor for half of what it was: a sender that
 * avoids silly windows waits. */
static void small_window(struct seen *p)
{
    const struct track_side *a = p->a, *b = p->b;
    uint32_t mss = side_segment(b, a);
    unsigned shift = a->has_wscale && b->has_wscale ? a->wscale : 0;
    uint64_t window = (uint64_t)p->h->wnd << (shift > 14 ? 14 : shift);
    if (!p->plain || !p->ack || p->v->text_len > 0 || !a->syn_seen || !b->syn_seen || b->largest == 0 || p->h->ack != b->nxt)
        return;
    if (window > 0 && window < mss && 2 * window < a->stats.max_window)
        mark(p, TRACK_BIT(SMALL_WINDOW));
}

static void judge_ack(struct seen *p)
{
    struct track_side *a = p->a, *b = p->b;
    bool known, same = side_window_same(a, p->b, p->h->wnd);
    uint32_t offered = side_window(b, a, &known), len = p->v->text_len;
    bool counted = false;
    if (p->plain && p->h->wnd == 0 && p->ack)
        mark(p, TRACK_BIT(ZERO_WINDOW));
    if (len == 1 && p->plain && a->begun && p->h->seq == a->nxt && b->ack_seen && b->wnd == 0 && !b->wnd_of_syn) {
        mark(p, TRACK_BIT(PROBE));
        return;
    }
    if (a->begun && seq_gt(p->h->seq, a->nxt) && !p->rst)
        mark(p, TRACK_BIT(LOST_BEFORE));
    if (a->begun && len <= 1 && p->h->seq == a->nxt - 1 && p->plain) {
        bool closed = b->ack_seen && b->wnd == 0 && !b->wnd_of_syn;
        mark(p, closed ? TRACK_BIT(PROBE) : TRACK_BIT(KEEP_ALIVE));
        if (closed) /* so Linux probes; Wireshark calls it keep-alive */
            p->row->reason = "an old byte, for there is no room for a new one";
    }
    if (len > 0 && p->plain && known && b->ack_seen && p->end == b->ack + offered)
        mark(p, TRACK_BIT(WINDOW_FULL));
    small_window(p);
    if (!answers(p)) {
        if (repeats_ack(p) && p->h->wnd > 0 && !same)
            mark(p, TRACK_BIT(WINDOW_UPDATE));
        if (repeats_ack(p) && p->h->wnd > 0 && same) {
            mark(p, TRACK_BIT(DUP_ACK));
            counted = true;
            p->row->dup = ++a->dup;
            p->row->about = a->ack_packet;
        }
    } else {
        return;
    }
    if (!counted) {
        a->dup = 0;
        a->ack_packet = p->v->number;
    }
}

/* ---- sent again, or late ---- */

static bool ids_count(const struct track_side *a)
{
    return a->ids_up >= 3 && a->ids_up > 4 * a->ids_odd;
}

/* A hole is being filled. Was the segment late (true), or sent again? */
static bool was_late(struct seen *p)
{
    const struct track_side *a = p->a;
    bool asked = p->b->dup > 0 || a->sacked.n > 0;
    if (p->v->net == VIEW_IPV4 && ids_count(a) && p->v->ip.id != a->nxt_id) {
        int16_t d = (int16_t)(p->v->ip.id - a->nxt_id);
        p->row->reason = d < 0 ? "its IP id is before that of the highest segment" : "its IP id is after that of the highest segment";
        p->row->about = a->nxt_packet;
        return d < 0;
    }
    if (p->h->o.has_ts && p->h->o.ts_val != a->nxt_tsval && a->has_ts) {
        bool older = (int32_t)(p->h->o.ts_val - a->nxt_tsval) < 0;
        p->row->reason = older ? "its timestamp is before that of the highest segment" : "its timestamp is after that of the highest segment";
        p->row->about = a->nxt_packet;
        return older;
    }
    /* A gap is as old as what was first seen behind it. */
    const struct range *gap = ranges_holding(&a->holes, p->h->seq);
    const struct seg *behind = gap != NULL ? side_seg(a, gap->right) : NULL;
    int64_t age = p->t - (behind != NULL ? behind->t : a->nxt_t);
    if (age < a->infer.lag / 4 * 3) {
        p->row->reason = "the sender can't have heard of the gap yet";
        return true;
    }
    if (!asked && age < side_rto(a)) {
        p->row->reason = "nobody had asked for it";
        return true;
    }
    p->row->reason = "it fills a gap after the receiver asked for it";
    return false;
}

static uint64_t kind_of_rtx(struct seen *p, const struct seg *e)
{
    struct track_side *a = p->a;
    uint32_t mss = side_segment(a, p->b);
    int64_t rto = side_rto(a), since = p->t - (e != NULL ? e->t : a->nxt_t), silent = p->t - a->sent_t;
    int64_t heard = a->moved_t > 0 ? p->t - a->moved_t : silent; /* progress restarts the timer (RFC 6298 5.3) */
    bool first = a->acked ? seq_le(p->h->seq, a->una) : true, tail = seq_ge(p->end, a->nxt);
    bool asked = p->b->dup >= 3 || (a->sacked.n > 0 && seq_gt(a->high, p->h->seq) && ranges_bytes(&a->sacked) >= 3 * mss) ||
                 (a->sacked.n > 0 && seq_gt(a->high, p->h->seq));
    if (p->syn)
        return TRACK_BIT(RTX_SYN);
    if (a->smaller_by != 0 && seq_lt(p->h->seq, a->smaller)) {
        p->row->reason = "in smaller segments, for the path's MTU was told (RFC 1191 6.4)";
        return TRACK_BIT(RTX);
    }
    if (heard < silent)
        silent = heard;
    if (first && since >= rto * 4 / 5 && silent >= rto * 4 / 5) {
        a->timed_out = true;
        a->recovering = false;
        a->lost = a->nxt;
        bool again = e != NULL && e->times > 1;
        if (again && p->v->text_len > 0 && p->end != e->end && p->h->seq == e->seq)
            p->row->reason = "the timer ran out again; smaller this time: perhaps what is large is lost (RFC 4821)";
        else if (again)
            p->row->reason = "the timer ran out again, with back-off";
        return TRACK_BIT(RTX_RTO);
    }
    if (a->timed_out && seq_lt(p->h->seq, a->lost)) {
        p->row->reason = "after the timeout";
        return TRACK_BIT(RTX);
    }
    if (a->recovering)
        return a->has_sack && p->b->has_sack ? TRACK_BIT(RTX_SACK) : TRACK_BIT(RTX_PARTIAL);
    if (asked) {
        a->recovering = true;
        a->recover = a->nxt;
        p->row->reason = p->b->dup >= 3 ? "after three duplicate ACKs" : "what lies behind it was SACKed";
        return TRACK_BIT(RTX_FAST);
    }
    if (tail && silent < rto) {
        p->row->reason = "the last segment again, before its timer could run out";
        return TRACK_BIT(RTX_TLP);
    }
    return TRACK_BIT(RTX);
}

static void judge_data(struct seen *p)
{
    struct track_side *a = p->a;
    if (!p->occupies || !a->begun || !seq_lt(p->h->seq, a->nxt) || (p->row->marks & (TRACK_BIT(KEEP_ALIVE) | TRACK_BIT(PROBE))))
        return;
    if (p->v->text_len > 1 && p->h->seq == a->nxt - 1 && seq_gt(p->end, a->nxt))
        return; /* behind a probe's byte: new */
    if (p->syn && p->ack && !a->ack_seen)
        return; /* its SYN crossed the other's, and is now acknowledging that (RFC 9293 3.5) */
    const struct seg *e = side_seg(a, p->h->seq);
    bool gap = ranges_overlap(&a->holes, p->h->seq, p->end) == p->end - p->h->seq;
    bool same_id = p->v->net == VIEW_IPV4 && ids_count(a) && p->v->ip.id != 0;
    if (e != NULL && same_id && e->ip_id == p->v->ip.id && e->seq == p->h->seq && e->end == p->end) {
        mark(p, TRACK_BIT(DUPLICATED));
        p->row->reason = "the same IP id as before";
        p->row->about = e->packet;
        return;
    }
    if (p->v->text_len > 0 && a->acked && seq_le(p->end, a->una)) {
        if (same_id && (int16_t)(p->v->ip.id - a->nxt_id) < 0 && gap) {
            mark(p, TRACK_BIT(OUT_OF_ORDER));
            p->row->reason = "its IP id is before that of the highest segment";
            return;
        }
        mark(p, TRACK_BIT(SPURIOUS));
        return;
    }
    if (gap && was_late(p)) {
        mark(p, TRACK_BIT(OUT_OF_ORDER));
        return;
    }
    if (e != NULL)
        p->row->about = e->packet;
    mark(p, kind_of_rtx(p, e));
    if (a->smaller_by != 0 && (p->row->marks & TRACK_BIT(RTX)) && seq_lt(p->h->seq, a->smaller))
        p->row->about = a->smaller_by;
}

/* RFC 3168 6.1.1: a SYN with both bits asks, a SYN-ACK with ECE alone agrees. */
static void judge_ecn_setup(struct seen *p)
{
    uint16_t bits = p->h->flags & (TCP_ECE | TCP_CWR | TCP_AE);
    if (!p->ack && bits == (TCP_ECE | TCP_CWR | TCP_AE))
        mark(p, TRACK_BIT(ACCECN_SYN));
    else if (!p->ack && bits == (TCP_ECE | TCP_CWR))
        mark(p, TRACK_BIT(ECN_SYN));
    else if (p->ack && bits == TCP_ECE)
        mark(p, TRACK_BIT(ECN_AGREED));
}

void track_judge(struct seen *p)
{
    const struct tcp_hdr *h = p->h;
    if (p->a->begun || p->b->begun)
        judge_ack(p);
    else
        p->a->ack_packet = p->v->number;
    judge_data(p);
    if ((h->flags & TCP_URG) && h->urp > 0)
        mark(p, TRACK_BIT(URGENT));
    p->row->urgent = p->a->based ? side_rel(p->a, h->seq) + h->urp : h->urp;
    if ((h->o.has_fastopen && p->syn) || (p->syn && !p->ack && p->v->text_len > 0))
        mark(p, TRACK_BIT(TFO));
    bool ecn_setup = p->syn; /* on a SYN the two bits negotiate (RFC 3168 6.1.1) */
    if (ecn_setup)
        judge_ecn_setup(p);
    if (!ecn_setup && (h->flags & TCP_ECE))
        mark(p, TRACK_BIT(ECE));
    if (!ecn_setup && (h->flags & TCP_CWR))
        mark(p, TRACK_BIT(CWR));
    unsigned tos = p->v->net == VIEW_IPV4 ? p->v->ip.tos : p->v->net == VIEW_IPV6 ? (unsigned)(p->v->frame[15] >> 4) : 0;
    if ((tos & 3) == 3)
        mark(p, TRACK_BIT(CE));
    if (p->v->text_kept < p->v->text_len)
        mark(p, TRACK_BIT(CUT));
}
