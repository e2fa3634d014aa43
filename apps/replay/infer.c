/* replay/infer.c: what a sender's congestion window must have been (infer.h). */
#include "replay/infer_far.h"

#include <stdlib.h>

#define MS INT64_C(1000000)
#define QUEUE_MAX 1024u
#define DUP_THRESH 3u
#define LOOSE_LEAST 8u
#define SHORTEST_LIVES (10000 * MS) /* as long as BBR takes a round trip for the shortest */
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
    far_begin(f);
}

static void set_lag(struct infer *f, int64_t lag)
{
    f->lag = lag < 0 ? 0 : lag > RTT_MAX ? RTT_MAX : lag;
    if (f->lag < f->lag_least)
        f->lag_least = f->lag;
}

void infer_lag(struct infer *f, int64_t lag)
{
    int64_t before = f->lag;
    f->placed = true;
    set_lag(f, lag);
    f->lag_least = f->lag;
    f->shortest = 0; /* what was measured until now lacked the sender's share */
    if (f->srtt > 0)
        f->srtt += f->lag - before;
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

void infer_rtt(struct infer *f, int64_t t, int64_t rtt)
{
    int64_t quick = rtt + (f->placed ? f->lag_least : f->lag); /* a sender that goes by rate doesn't answer at once */
    rtt += f->lag;
    if (rtt < 0 || rtt > RTT_MAX)
        return;
    /* Less than half of what is usual is no round trip as long as the sender's share isn't known. */
    bool better = f->placed ? quick < f->shortest : quick > f->srtt / 2 && (f->shortest < f->srtt / 2 || quick < f->shortest);
    if (f->shortest == 0 || better || t - f->shortest_t > SHORTEST_LIVES) {
        f->shortest = quick;
        f->shortest_t = t;
    }
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
    uint32_t lacks = 0;
    for (unsigned i = 0; i < f->nshorts; i++)
        lacks += f->shorts[i].lacks;
    /* What was sent again and isn't taken for lost counts once. */
    if (again > lost)
        again = lost;
    uint64_t gone = (uint64_t)sacked + lost;
    return (gone >= out ? 0 : out - (uint32_t)gone + lacks) + again;
}

static void forget_shorts(struct infer *f)
{
    unsigned n = 0;
    for (unsigned i = 0; i < f->nshorts; i++)
        if (seq_gt(f->shorts[i].end, f->una))
            f->shorts[n++] = f->shorts[i];
    f->nshorts = (uint8_t)n;
}

static void note_short(struct infer *f, const struct infer_data *d)
{
    uint32_t odd = (d->end - d->seq) % f->mss;
    if (odd == 0 || f->nshorts == INFER_SHORTS)
        return;
    f->shorts[f->nshorts].end = d->end;
    f->shorts[f->nshorts++].lacks = f->mss - odd;
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

static void count_heed(struct infer *f, bool ignored)
{
    uint8_t *n = ignored ? &f->ignored : &f->heeded;
    *n = *n < 250 ? (uint8_t)(*n + 1) : 250;
}

static void begin_episode(struct infer *f, const struct infer_data *d, enum infer_phase phase)
{
    if (blind(f) && f->phase < INFER_RECOVERY) {
        enum far_verdict seems = far_lost(f, seq_max(f->nxt, d->end) - d->seq);
        if (seems != FAR_EITHER)
            count_heed(f, seems == FAR_RATE);
        if (f->asked_at > 0) /* and the answer took a round trip; with the window the queue shrinks, and with it the next ones */
            set_lag(f, (d->t - f->asked_at) / 100 * 85);
    }
    if (f->phase != INFER_RECOVERY && f->phase != INFER_LOSS) {
        f->loss_flight = f->round_max > f->last_max ? f->round_max : f->last_max;
        f->prior_cwnd = f->cwnd;
        f->prior_ssthresh = f->ssthresh;
        f->ssthresh = blind(f) ? far_sim(f)->ssthresh : reduced(f, f->cwnd);
        f->again_bytes = f->needless_bytes = 0;
        f->again_ts = d->has_ts;
        f->again_tsval = d->tsval;
        f->undone = false;
    }
    f->phase = (uint8_t)phase;
    f->recover = f->nxt;
    f->rec_pipe = 0;
    f->episode_t = d->t;
    f->round_end = f->nxt;
}

static void end_round(struct infer *f)
{
    if (!f->round_short && f->round_trains >= 4 && f->round_max >= 6 * f->mss) {
        f->trains = (uint16_t)(f->trains + f->round_trains);
        f->loose = (uint16_t)(f->loose + f->round_loose);
    }
    if (f->trains >= 2000) {
        f->trains /= 2;
        f->loose /= 2;
    }
    f->round_trains = f->round_loose = 0;
    f->round_end = f->nxt;
    f->last_max = f->round_max;
    f->round_max = 0;
    f->round_idle = f->round_short = f->round_full = false;
    /* Without timestamps what is taken for news to the sender depends on the lag itself: it would only ever grow. */
    if (f->lag_now != INT64_MAX && (f->stamped || f->lag_now < f->lag) && !blind(f))
        set_lag(f, f->lag_now);
    f->lag_now = INT64_MAX;
}

/* Who is held back by a window sends when an acknowledgement comes in. Who goes by rate sends when its clock
 * says so, and doesn't wait for one. */
static bool paced(const struct infer *f)
{
    if (f->placed && f->lag <= MS)
        return f->loose >= LOOSE_LEAST && f->loose * 2u > f->trains;
    return (f->loose >= LOOSE_LEAST && f->loose * 28u > f->trains) || (f->loose >= LOOSE_LEAST / 2 && f->loose * 10u > f->trains);
}

static bool by_rate(const struct infer *f)
{
    return (paced(f) && f->heeded <= 3 * f->ignored + 3) || (f->ignored >= 2 && f->ignored > f->heeded);
}

/* How much is delivered in a round trip. */
static void measure_rate(struct infer *f, int64_t t)
{
    uint64_t got = f->delivered + ranges_bytes(&f->sacked), ms = (uint64_t)(t - f->rate_t) / 1000000;
    if (f->rate_t > 0 && (ms == 0 || t - f->rate_t < f->srtt))
        return;
    if (f->rate_t > 0 && got > f->rate_delivered) {
        f->rate_at = (uint8_t)((f->rate_at + 1u) % INFER_RATES);
        f->rate[f->rate_at] = (uint32_t)((got - f->rate_delivered) / ms);
    }
    f->rate_delivered = got;
    f->rate_t = t;
}

static uint64_t best_rate(const struct infer *f)
{
    uint64_t best = 0;
    for (unsigned i = 0; i < INFER_RATES; i++)
        best = f->rate[i] > best ? f->rate[i] : best;
    return best;
}

/* BBR's window: twice what is delivered in the shortest round trip, and what its bursts need. */
static uint32_t rate_window(const struct infer *f)
{
    uint64_t w = 2 * best_rate(f) * (uint64_t)(f->shortest / 1000) / 1000 + 6 * f->mss;
    return w < UINT32_MAX / 2 ? (uint32_t)w : UINT32_MAX / 2;
}

static void go_by_rate(struct infer *f)
{
    if (!by_rate(f) || f->phase >= INFER_RECOVERY)
        return;
    f->phase = INFER_RATE;
    f->cwnd = rate_window(f);
}

/* A round trip after a recovery, in which nothing else held the sender back: did it take the loss to heart? */
static void heed(struct infer *f)
{
    uint64_t most = f->round_max;
    f->after_loss = false;
    if (f->loss_flight < 10 * f->mss)
        return;
    if (most * 100 >= (uint64_t)f->loss_flight * 80)
        count_heed(f, true);
    else if (most * 100 <= (uint64_t)f->loss_flight * 75)
        count_heed(f, false);
}

/* Everything that was outstanding at its beginning is acknowledged. */
static void end_episode(struct infer *f, int64_t t)
{
    f->after_loss = f->phase == INFER_RECOVERY && f->prior_ssthresh > 0 && !blind(f); /* the first loss ends slow start: anyone has less after it */
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
    far_recovered(f, t);
    f->phase = f->cwnd < f->ssthresh ? INFER_SLOW_START : INFER_AVOIDANCE;
    f->dup = 0;
    end_round(f);
    f->last_max = 0;
    go_by_rate(f);
}

static void undo(struct infer *f)
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
    end_round(f);
    f->last_max = 0;
}

/* A round trip is over: was the window lower than it was taken for? */
static void judge_round(struct infer *f)
{
    uint32_t most = f->round_max > f->last_max ? f->round_max : f->last_max;
    bool free_run = !f->round_idle && !f->round_full && f->round_max > 0 && f->last_max > 0;
    if (free_run && most < f->cwnd && !blind(f))
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
    end_round(f);
    go_by_rate(f);
}

/* ---- what the sender learns ---- */

static void grow_far(struct infer *f, int64_t t, uint32_t bytes)
{
    uint64_t most = 2 * best_rate(f) * (uint64_t)(f->srtt / MS) + 20 * f->mss;
    far_acked(f, t, bytes, most);
    if (by_rate(f))
        return;
    f->cwnd = far_sim(f)->cwnd;
    f->reno = far_sim(f) == &f->sim[1];
}

static void learn(struct infer *f, const struct infer_heard *a)
{
    if (seq_gt(a->ack, f->una) && seq_le(a->ack, f->nxt)) {
        if (blind(f) && f->phase < INFER_RECOVERY)
            grow_far(f, a->t, a->ack - f->una);
        f->delivered += a->ack - f->una;
        f->una = a->ack;
        ranges_below(&f->sacked, f->una);
        ranges_below(&f->again, f->una);
        forget_shorts(f);
        if (seq_lt(f->high, f->una))
            f->high = f->una;
        if (seq_lt(f->lost_edge, f->una))
            f->lost_edge = f->una;
        if (f->dup > 0)
            f->dup = f->phase == INFER_RECOVERY && seq_lt(f->una, f->recover) ? f->dup - 1 : 0;
        bool old_echo = a->has_ts && f->again_ts && (int32_t)(a->tsecr - f->again_tsval) < 0;
        if (f->phase == INFER_LOSS && old_echo) /* RFC 3522 3.2: what was first sent had arrived */
            undo(f);
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
        undo(f);
    measure_rate(f, a->t);
    if (seq_ge(f->una, f->round_end))
        (f->phase < INFER_RECOVERY ? judge_round : end_round)(f);
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
    f->heard_at = a->t;
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
    far_timeout(f);
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

/* Was this new segment let go by an acknowledgement? Near the sender the time since the last one tells, elsewhere whether its
 * timestamp moved on while the one it echoes didn't. */
static void watch_clock(struct infer *f, const struct infer_data *d, uint32_t before)
{
    bool near = f->placed && f->lag <= MS, train, loose;
    uint32_t ms = d->tsval - f->last_tsval;
    if (near) {
        train = d->t - f->last_new > MS / 5;
        loose = d->t - f->heard_at > MS / 5;
    } else {
        train = d->has_ts && ms >= 2 && ms < 1000;
        loose = d->tsecr == f->last_tsecr;
    }
    if (train && f->round_trains < 1000 && f->last_new > 0 && f->last_full && before > 0 && !(d->edge_known && seq_diff(d->edge, d->end) < (int32_t)f->mss)) {
        f->round_trains++;
        f->round_loose = (uint16_t)(f->round_loose + loose);
    }
    f->last_full = (d->end - d->seq) % f->mss == 0;
    f->last_new = d->t;
    f->last_tsval = d->tsval;
    f->last_tsecr = d->tsecr;
}

/* Recovery leads what is in flight to ssthresh, within a round trip (RFC 9937). BBR keeps it for so long as it is, and then
 * goes on as before. */
static uint32_t in_recovery(const struct infer *f, int64_t t, uint32_t pipe)
{
    int64_t since = t - f->episode_t, rtt = f->srtt > f->lag ? f->srtt : f->lag;
    if (by_rate(f) && since > f->srtt)
        return rate_window(f);
    if (blind(f) && !by_rate(f)) {
        if (since >= rtt || f->prior_cwnd < f->ssthresh)
            return f->ssthresh;
        return f->prior_cwnd - (uint32_t)((uint64_t)(f->prior_cwnd - f->ssthresh) * (uint64_t)(since / MS) / (uint64_t)(rtt / MS + 1));
    }
    if (pipe < f->mss)
        return f->mss;
    return f->prior_cwnd > 0 && pipe > f->prior_cwnd ? f->prior_cwnd : pipe;
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
    if (d->kind == INFER_NEW)
        watch_clock(f, d, before);
    if (d->kind == INFER_TIMEOUT)
        timeout(f, d);
    else if (d->kind == INFER_AGAIN && f->phase < INFER_RECOVERY && seq_gt(d->end, f->una))
        begin_episode(f, d, INFER_RECOVERY);
    else if (d->cwr && f->phase < INFER_RECOVERY)
        begin_episode(f, d, INFER_RECOVERY);
    if (again)
        count_again(f, d);
    if (seq_gt(d->end, f->nxt)) {
        f->nxt = d->end;
        note_short(f, d);
    }
    uint32_t pipe = pipe_of(f);
    round_facts(f, d, before);
    switch (f->phase) {
    case INFER_RECOVERY:
        f->rec_pipe = pipe;
        f->cwnd = in_recovery(f, d->t, pipe);
        break;
    default:
        if (pipe > f->cwnd && !blind(f))
            f->cwnd = pipe;
        if (pipe > f->round_max)
            f->round_max = pipe;
    }
    if (f->phase == INFER_SLOW_START && f->ssthresh > 0 && f->cwnd >= f->ssthresh)
        f->phase = INFER_AVOIDANCE;
    f->sent_at = d->t;
}
