/* tcp/cc/hystart.c: leaving slow start before the queue overflows.
 *
 * Theory of operation. Slow start doubles what is in flight every round trip until something is
 * lost, and then as much as a whole window may be lost at once. But before a queue overflows it
 * grows, and the round trip with it: that can be seen. Both ways here look at the least round trip
 * of a round, a round being the time in which one window is acknowledged.
 *
 * HyStart++ (RFC 9406): if the least of this round is an eighth above the least of the last
 * (between 4 and 16 ms, after 8 samples), cwnd goes on growing, but at a quarter of the pace (CSS,
 * conservative slow start), for up to five rounds. If the round trip gets shorter again meanwhile
 * it was jitter, and slow start resumes. Else slow start is over: ssthresh = cwnd.
 *
 *      SLOW START ── now_min >= last_min + clamp(last_min / 8) ──► CSS ── 5 rounds ──► over
 *           ▲                                                       │
 *           └────────────────── now_min < baseline ─────────────────┘
 *
 * Linux's HyStart ends slow start at once, from 16 segments on, by either of two signs: the delay
 * as above, but against the least round trip ever, and from the ninth sample of the round; or ACKs
 * that keep coming within 2 ms of each other (a train) for longer than half the least round trip:
 * the window fills the path then. Where packets overtake each other the least round trip ever is that of
 * one which overtook all, and the next round looks long beside it: slow start ends far too early,
 * the kernel's as well. HyStart++ compares round with round, and isn't misled.
 *
 * HyStart++ is for the initial slow start alone (4.3): after a loss ssthresh says where to stop.
 */
#include "tcp/cc/hystart.h"

#include "core/seq.h"

#define LINUX_LOW_WINDOW  16 /* segments */
#define LINUX_ACK_DELTA   (2 * TD_MS)
#define LINUX_TRAIN_BYTES UINT64_C(262144) /* four of the largest super-segments */

void hystart_init(struct hystart *h)
{
    *h = (struct hystart){.last_min = TD_NEVER, .now_min = TD_NEVER, .baseline = TD_NEVER};
}

static td_time rtt_thresh(td_time min)
{
    td_time t = min / HYSTART_MIN_RTT_DIVISOR;
    return t < HYSTART_MIN_RTT_THRESH   ? HYSTART_MIN_RTT_THRESH
           : t > HYSTART_MAX_RTT_THRESH ? HYSTART_MAX_RTT_THRESH
                                        : t;
}

static void round_begins(struct hystart *h, const struct td_cc_ack *ack)
{
    h->started = true;
    h->window_end = ack->nxt;
    h->last_min = h->now_min;
    h->now_min = TD_NEVER;
    h->samples = 0;
    h->round_start = h->last_ack = ack->now;
}

static bool plus_acked(struct hystart *h, const struct td_cc_ack *ack)
{
    bool over = false;
    if (!h->started) {
        round_begins(h, ack);
    }
    if (ack->rtt != 0) {
        h->now_min = ack->rtt < h->now_min ? ack->rtt : h->now_min;
        if (h->samples < HYSTART_N_RTT_SAMPLE) {
            h->samples++;
        }
    }
    bool enough = h->samples >= HYSTART_N_RTT_SAMPLE && h->now_min != TD_NEVER;
    if (!h->css) {
        if (enough && h->last_min != TD_NEVER &&
            h->now_min >= h->last_min + rtt_thresh(h->last_min)) {
            h->baseline = h->now_min;
            h->css = true;
            h->css_rounds = 0;
        }
    } else if (enough && h->now_min < h->baseline) {
        h->baseline = TD_NEVER;
        h->css = false;
    }
    if (seq_ge(ack->una, h->window_end)) {
        round_begins(h, ack);
        over = h->css && ++h->css_rounds >= HYSTART_CSS_ROUNDS; /* the one it began in counts */
    }
    return over;
}

/* How long a train may be: half the round trip, and what one burst takes to be acknowledged. */
static td_time train_thresh(const struct hystart *h, const struct td_cc *cc)
{
    td_time burst = cc->pacing_rate != 0 ? LINUX_TRAIN_BYTES * TD_SEC / cc->pacing_rate : 0;
    td_time t = h->delay_min + (burst < TD_MS ? burst : TD_MS);
    return cc->paced ? t : t / 2;
}

static bool linux_acked(struct hystart *h, const struct td_cc *cc, const struct td_cc_ack *ack)
{
    if (ack->rtt == 0) {
        return false;
    }
    if (h->delay_min == 0 || ack->rtt < h->delay_min) {
        h->delay_min = ack->rtt;
    }
    if (!h->started || seq_gt(ack->una, h->window_end)) {
        round_begins(h, ack);
    }
    if (cc->cwnd < LINUX_LOW_WINDOW * cc->mss) {
        return false;
    }
    if (ack->now - h->last_ack <= LINUX_ACK_DELTA) {
        h->last_ack = ack->now;
        if (ack->now - h->round_start > train_thresh(h, cc)) {
            return true;
        }
    }
    h->now_min = ack->rtt < h->now_min ? ack->rtt : h->now_min;
    if (h->samples < HYSTART_N_RTT_SAMPLE) {
        h->samples++;
        return false;
    }
    return h->now_min > h->delay_min + rtt_thresh(h->delay_min);
}

bool hystart_acked(struct hystart *h, struct td_cc *cc, const struct td_cc_ack *ack)
{
    if (h->done || cc->hystart == HYSTART_OFF ||
        (cc->hystart == HYSTART_RFC9406 && cc->ssthresh < TD_CC_NO_SSTHRESH)) {
        return false;
    }
    h->done = cc->hystart == HYSTART_LINUX ? linux_acked(h, cc, ack) : plus_acked(h, ack);
    return h->done;
}

uint32_t hystart_growth(const struct hystart *h, const struct td_cc *cc, uint32_t acked)
{
    if (cc->hystart != HYSTART_RFC9406 || h->done || cc->ssthresh < TD_CC_NO_SSTHRESH) {
        return acked < cc->slow_limit ? acked : cc->slow_limit;
    }
    uint64_t most = cc->paced ? UINT32_MAX : (uint64_t)HYSTART_L * cc->mss;
    uint32_t n = acked < most ? acked : (uint32_t)most;
    return h->css ? n / HYSTART_CSS_GROWTH_DIVISOR : n;
}
