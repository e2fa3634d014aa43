/* replay/infer.c: what a sender's congestion window must have been (infer.h). */
#include "replay/infer.h"

#include <stdlib.h>

#define QUEUE_MAX 1024u
#define DUP_THRESH 3u
#define MS INT64_C(1000000)
#define RTT_MAX (600000 * MS)

struct infer_ack {
    struct infer_heard a;
};

void infer_begin(struct infer *f, tcp_seq nxt, uint32_t mss, uint32_t iw)
{
    f->begun = true;
    f->mss = mss;
    f->una = f->nxt = f->high = f->recover = f->round_end = f->lost_edge = nxt;
    f->cwnd = iw;
    f->phase = iw > 0 ? INFER_SLOW_START : INFER_UNKNOWN;
    f->lag_now = INT64_MAX;
}

void infer_lag(struct infer *f, int64_t lag)
{
    f->lag = lag < 0 ? 0 : lag > RTT_MAX ? RTT_MAX : lag;
}

void infer_free(struct infer *f)
{
    ranges_free(&f->sacked);
    ranges_free(&f->again);
    free(f->queue);
    f->queue = NULL;
    f->head = f->waiting = f->room = 0;
}

const char *infer_phase_text(const struct infer *f)
{
    static const char *const text[] = {"unknown", "slow start", "congestion avoidance", "by rate", "fast recovery", "loss"};
    return text[f->phase];
}

void infer_rtt(struct infer *f, int64_t rtt)
{
    rtt += f->lag;
    if (rtt < 0 || rtt > RTT_MAX)
        return;
    /* Less than half of what is usual is no round trip: the sender's share wasn't known yet. */
    if (rtt > f->srtt / 2 && (f->shortest < f->srtt / 2 || f->shortest == 0 || rtt < f->shortest))
        f->shortest = rtt;
    if (f->srtt == 0) { /* RFC 6298 2.2, 2.3 */
        f->srtt = rtt;
        f->rttvar = rtt / 2;
        return;
    }
    int64_t err = rtt - f->srtt;
    f->rttvar += ((err < 0 ? -err : err) - f->rttvar) / 4;
    f->srtt += err / 8;
}

/* ---- in flight ---- */

/* What lies below the highest SACK by more than three segments is lost (RFC 6675 IsLost), as is all
 * that a timeout found outstanding. */
static uint32_t pipe_of(const struct infer *f)
{
    uint32_t out = f->nxt - f->una, sacked = ranges_bytes(&f->sacked), again = ranges_bytes(&f->again), lost = 0;
    tcp_seq edge = f->una;
    if (f->sacked.n > 0)
        edge = seq_max(edge, f->high - DUP_THRESH * f->mss);
    if (seq_gt(f->lost_edge, edge))
        edge = f->lost_edge;
    if (seq_gt(edge, f->una))
        lost = (edge - f->una) - ranges_overlap(&f->sacked, f->una, edge);
    if (f->sacked.n == 0 && f->dup > 0 && f->mss > 0) {
        uint64_t arrived = (uint64_t)f->dup * f->mss;
        sacked = arrived < out ? (uint32_t)arrived : out;
        if (f->phase == INFER_RECOVERY && lost == 0)
            lost = f->mss;
    }
    /* What was sent again and isn't taken for lost counts once. */
    if (again > lost)
        again = lost;
    uint64_t gone = (uint64_t)sacked + lost;
    return (gone >= out ? 0 : out - (uint32_t)gone) + again;
}

/* ---- episodes ---- */

/* Captured elsewhere, and no timestamps: the sender's view can only be guessed. */
static bool blind(const struct infer *f)
{
    return !f->stamped && f->lag > 2 * MS;
}

static uint32_t reduced(const struct infer *f, uint32_t cwnd)
{
    uint32_t cut = f->reno ? cwnd / 2 : (uint32_t)((uint64_t)cwnd * 7 / 10);
    return cut > 2 * f->mss ? cut : 2 * f->mss;
}

static void begin_episode(struct infer *f, const struct infer_data *d, enum infer_phase phase)
{
    /* A whole window was sent between what was lost and the answer to the news of it. */
    if (blind(f) && f->phase < INFER_RECOVERY) {
        if (f->nxt - f->una > f->cwnd)
            f->cwnd = f->nxt - f->una;
        if (f->asked_at > 0) /* and the answer took a round trip; with the window the queue shrinks, and with it the next ones */
            infer_lag(f, (d->t - f->asked_at) / 100 * 85);
    }
    if (f->phase != INFER_RECOVERY && f->phase != INFER_LOSS) {
        f->loss_flight = f->round_max > f->last_max ? f->round_max : f->last_max;
        f->prior_cwnd = f->cwnd;
        f->prior_ssthresh = f->ssthresh;
        f->ssthresh = reduced(f, f->cwnd);
        f->again_bytes = f->needless_bytes = 0;
        f->again_ts = d->has_ts;
        f->again_tsval = d->tsval;
        f->undone = false;
    }
    f->phase = (uint8_t)phase;
    f->recover = f->nxt;
    f->rec_pipe = 0;
}

static void end_round(struct infer *f, int64_t t)
{
    uint64_t got = f->delivered + ranges_bytes(&f->sacked), ms = (uint64_t)(t - f->round_t) / 1000000;
    if (f->round_t > 0 && ms > 0 && got > f->round_delivered) {
        f->rate_at = (uint8_t)((f->rate_at + 1u) % INFER_RATES);
        f->rate[f->rate_at] = (uint32_t)((got - f->round_delivered) / ms);
    }
    f->round_delivered = got;
    f->round_t = t;
    f->round_end = f->nxt;
    f->last_max = f->round_max;
    f->round_max = 0;
    f->round_idle = f->round_short = f->round_full = false;
    if (f->lag_now != INT64_MAX && !blind(f))
        infer_lag(f, f->lag_now);
    f->lag_now = INT64_MAX;
}

static bool by_rate(const struct infer *f)
{
    return f->ignored >= 2 && f->ignored > f->heeded;
}

/* BBR's window: twice what is delivered in the shortest round trip, and what its bursts need. */
static uint32_t rate_window(const struct infer *f)
{
    uint64_t best = 0;
    for (unsigned i = 0; i < INFER_RATES; i++)
        best = f->rate[i] > best ? f->rate[i] : best;
    uint64_t w = 2 * best * (uint64_t)(f->shortest / 1000) / 1000 + 6 * f->mss;
    return w < UINT32_MAX / 2 ? (uint32_t)w : UINT32_MAX / 2;
}

/* A round trip after a recovery, in which nothing else held the sender back: did it take the loss to heart? */
static void heed(struct infer *f)
{
    uint64_t most = f->round_max;
    f->after_loss = false;
    if (f->loss_flight < 10 * f->mss)
        return;
    if (most * 100 >= (uint64_t)f->loss_flight * 80)
        f->ignored = f->ignored < 250 ? (uint8_t)(f->ignored + 1) : 250;
    else if (most * 100 <= (uint64_t)f->loss_flight * 75)
        f->heeded = f->heeded < 250 ? (uint8_t)(f->heeded + 1) : 250;
}

/* Everything that was outstanding at its beginning is acknowledged. */
static void end_episode(struct infer *f, int64_t t)
{
    f->after_loss = f->phase == INFER_RECOVERY && f->prior_ssthresh > 0; /* the first loss ends slow start: anyone has less after it */
    if (f->phase == INFER_RECOVERY && f->rec_pipe > 0 && f->prior_cwnd > 0 && !blind(f)) {
        /* The pipe was led to ssthresh (RFC 9937): it tells by how much this sender reduces. */
        uint64_t tenths = (uint64_t)f->rec_pipe * 20 / f->prior_cwnd;
        if (tenths >= 8 && tenths <= 17) {
            f->reno = tenths < 12;
            f->ssthresh = reduced(f, f->prior_cwnd);
            f->cut_known = true;
        }
    }
    if (f->phase == INFER_RECOVERY)
        f->cwnd = f->ssthresh;
    f->phase = f->cwnd < f->ssthresh ? INFER_SLOW_START : INFER_AVOIDANCE;
    f->dup = 0;
    end_round(f, t);
    f->last_max = 0;
}

static void undo(struct infer *f, int64_t t)
{
    if (f->undone || f->prior_cwnd == 0)
        return;
    f->undone = true;
    f->after_loss = false;
    if (f->ignored > 0)
        f->ignored--; /* there was nothing to heed */
    if (f->cwnd < f->prior_cwnd)
        f->cwnd = f->prior_cwnd;
    f->ssthresh = f->prior_ssthresh;
    f->lost_edge = f->una;
    f->phase = f->ssthresh == 0 || f->cwnd < f->ssthresh ? INFER_SLOW_START : INFER_AVOIDANCE;
    end_round(f, t);
    f->last_max = 0;
}

/* A round trip is over: was the window lower than it was taken for? */
static void judge_round(struct infer *f, int64_t t)
{
    uint32_t most = f->round_max > f->last_max ? f->round_max : f->last_max;
    bool free_run = !f->round_idle && !f->round_full && f->round_max > 0 && f->last_max > 0;
    if (blind(f) && f->phase == INFER_AVOIDANCE && f->round_max > 0 && f->cwnd < f->prior_cwnd)
        f->cwnd += f->mss;
    else if (free_run && most < f->cwnd && !blind(f))
        f->cwnd = most;
    /* Slow start that no longer doubles has been left (HyStart, or a threshold from before). */
    if (free_run && !blind(f) && f->phase == INFER_SLOW_START && f->round_max > 8 * f->mss &&
        (uint64_t)f->round_max * 10 < (uint64_t)f->last_max * 13) {
        f->phase = INFER_AVOIDANCE;
        if (f->ssthresh == 0 || f->ssthresh > f->cwnd)
            f->ssthresh = f->cwnd;
    }
    if (f->phase == INFER_UNKNOWN && f->last_max > 0)
        f->phase = INFER_AVOIDANCE;
    if (f->after_loss && !f->round_short && !f->round_full && f->round_max > 0)
        heed(f);
    end_round(f, t);
    if (by_rate(f) && !blind(f)) {
        f->phase = INFER_RATE;
        f->cwnd = rate_window(f);
    }
}

/* ---- what the sender learns ---- */

static void learn(struct infer *f, const struct infer_heard *a)
{
    if (seq_gt(a->ack, f->una) && seq_le(a->ack, f->nxt)) {
        f->delivered += a->ack - f->una;
        f->una = a->ack;
        ranges_below(&f->sacked, f->una);
        ranges_below(&f->again, f->una);
        if (seq_lt(f->high, f->una))
            f->high = f->una;
        if (seq_lt(f->lost_edge, f->una))
            f->lost_edge = f->una;
        if (f->dup > 0)
            f->dup = f->phase == INFER_RECOVERY && seq_lt(f->una, f->recover) ? f->dup - 1 : 0;
        bool old_echo = a->has_ts && f->again_ts && (int32_t)(a->tsecr - f->again_tsval) < 0;
        if (f->phase == INFER_LOSS && old_echo) /* RFC 3522 3.2: what was first sent had arrived */
            undo(f, a->t);
        else if (f->phase >= INFER_RECOVERY && seq_ge(f->una, f->recover))
            end_episode(f, a->t);
    } else if (a->duplicate && a->nsack == 0) {
        f->dup++;
    }
    for (unsigned i = 0; i < a->nsack; i++) {
        if (seq_lt(a->sack[i].left, f->una) || seq_gt(a->sack[i].right, f->nxt))
            continue;
        ranges_add(&f->sacked, a->sack[i].left, a->sack[i].right);
        ranges_remove(&f->again, a->sack[i].left, a->sack[i].right);
        f->high = seq_max(f->high, a->sack[i].right);
    }
    f->needless_bytes += a->needless_bytes;
    if (a->needless && f->again_bytes > 0 && f->needless_bytes >= f->again_bytes)
        undo(f, a->t);
    if (seq_ge(f->una, f->round_end))
        (f->phase < INFER_RECOVERY ? judge_round : end_round)(f, a->t);
}

static void pop(struct infer *f)
{
    struct infer_heard a = f->queue[f->head].a;
    f->head = (uint16_t)((f->head + 1) % f->room);
    f->waiting--;
    learn(f, &a);
}

static bool queue_grow(struct infer *f)
{
    unsigned room = f->room == 0 ? 8 : 2u * f->room;
    struct infer_ack *q = room <= QUEUE_MAX ? malloc(room * sizeof(*q)) : NULL;
    if (q == NULL)
        return false;
    for (unsigned i = 0; i < f->waiting; i++)
        q[i] = f->queue[(f->head + i) % f->room];
    free(f->queue);
    f->queue = q;
    f->head = 0;
    f->room = (uint16_t)room;
    return true;
}

void infer_heard(struct infer *f, const struct infer_heard *a)
{
    if (!f->begun)
        return;
    if (!a->duplicate && a->nsack == 0)
        f->asked_at = 0;
    else if (f->asked_at == 0)
        f->asked_at = a->t;
    if (f->waiting == f->room && !queue_grow(f)) {
        if (f->waiting == 0) {
            learn(f, a);
            return;
        }
        pop(f);
    }
    f->queue[(f->head + f->waiting) % f->room].a = *a;
    f->waiting++;
}

/* Which ACKs does the sender of this segment know? */
static void catch_up(struct infer *f, const struct infer_data *d)
{
    int64_t newest = 0;
    bool any = false;
    while (f->waiting > 0) {
        const struct infer_heard *a = &f->queue[f->head].a;
        bool known = a->has_ts && d->has_ts ? (int32_t)(a->tsval - d->tsecr) <= 0 : a->t + f->lag <= d->t;
        if (!known)
            break;
        newest = a->t;
        any = true;
        pop(f);
    }
    if (any) {
        f->acked_at = d->t;
        if (d->t - newest < f->lag_now)
            f->lag_now = d->t - newest;
    }
}

/* ---- what the sender sends ---- */

/* RFC 5681 4.1 and Linux: a sender that was silent for longer than its timeout begins lower. */
static void after_idle(struct infer *f, const struct infer_data *d)
{
    int64_t rto = f->srtt + 4 * f->rttvar, idle = d->t - f->sent_at;
    uint32_t iw = 10 * f->mss;
    if (rto < 200 * MS)
        rto = 200 * MS;
    if (f->sent_at == 0 || f->srtt == 0 || f->nxt != f->una || idle <= rto || f->cwnd <= iw)
        return;
    if (f->ssthresh > 0 && f->ssthresh < f->cwnd / 4 * 3)
        f->ssthresh = f->cwnd / 4 * 3;
    for (; idle > rto && f->cwnd > iw; idle -= rto)
        f->cwnd = f->cwnd / 2 > iw ? f->cwnd / 2 : iw;
    f->last_max = 0;
}

static void count_again(struct infer *f, const struct infer_data *d)
{
    ranges_add(&f->again, seq_max(d->seq, f->una), seq_min(d->end, f->nxt));
    f->again_bytes += d->end - d->seq;
}

static void timeout(struct infer *f, const struct infer_data *d)
{
    bool again = f->phase == INFER_LOSS && seq_le(f->una, d->seq) && ranges_overlap(&f->again, d->seq, d->end) > 0;
    begin_episode(f, d, INFER_LOSS);
    if (!again)
        f->lost_edge = f->nxt;
    ranges_free(&f->again);
    f->cwnd = f->mss;
}

static void round_facts(struct infer *f, const struct infer_data *d, uint32_t before)
{
    uint32_t len = d->end - d->seq;
    bool clocked = d->t - f->acked_at <= 2 * MS + f->srtt / 8 || d->t - f->sent_at <= MS;
    if (d->kind == INFER_NEW && ((f->mss > 0 && len % f->mss != 0) || before == 0))
        f->round_short = f->round_idle = true;
    if (d->kind == INFER_NEW && !clocked)
        f->round_idle = true;
    if (d->edge_known && seq_diff(d->edge, d->end) < (int32_t)f->mss)
        f->round_full = true;
}

void infer_data(struct infer *f, const struct infer_data *d)
{
    if (!f->begun || f->mss == 0)
        return;
    if (d->syn) {
        f->nxt = seq_max(f->nxt, d->end);
        return;
    }
    f->stamped = d->has_ts;
    catch_up(f, d);
    after_idle(f, d);
    uint32_t before = f->nxt - f->una;
    bool again = d->kind != INFER_NEW && seq_lt(d->seq, f->nxt);
    if (d->kind == INFER_TIMEOUT)
        timeout(f, d);
    else if (d->kind == INFER_AGAIN && f->phase < INFER_RECOVERY && seq_gt(d->end, f->una))
        begin_episode(f, d, INFER_RECOVERY);
    else if (d->cwr && f->phase < INFER_RECOVERY)
        begin_episode(f, d, INFER_RECOVERY);
    if (again)
        count_again(f, d);
    if (seq_gt(d->end, f->nxt))
        f->nxt = d->end;
    uint32_t pipe = pipe_of(f);
    round_facts(f, d, before);
    switch (f->phase) {
    case INFER_RECOVERY:
        f->rec_pipe = pipe;
        if (by_rate(f) && !blind(f))
            f->cwnd = rate_window(f);
        else
            f->cwnd = pipe > f->mss ? (f->prior_cwnd > 0 && pipe > f->prior_cwnd ? f->prior_cwnd : pipe) : f->mss;
        break;
    default:
        if (pipe > f->cwnd)
            f->cwnd = pipe;
        if (pipe > f->round_max)
            f->round_max = pipe;
    }
    if (f->phase == INFER_SLOW_START && f->ssthresh > 0 && f->cwnd >= f->ssthresh)
        f->phase = INFER_AVOIDANCE;
    f->sent_at = d->t;
}
