/* tcp/cc/vegas.c: Vegas, a congestion control that listens to delay (Brakmo and Peterson 1995).
 *
 * Theory of operation. Reno and CUBIC fill the queue of the narrowest link until it overflows.
 * Vegas asks how much of its window is in that queue: with the least round trip ever seen as the
 * length of the empty path, a window W and a round trip R,
 *
 *      in the path   W * base / R            in the queue   diff = W - that = W (R - base) / R
 *
 * Once a round trip: fewer than alpha (2) segments in the queue: the path takes more, one segment
 * is added. More than beta (4): one is taken away. Between: as it is. In slow start more than gamma
 * (1) means that the path is full: cwnd goes back to what is in the path, and slow start is over.
 *
 * R is the least round trip of the round, so that a delayed ACK doesn't count as a queue. With
 * fewer than three samples in a round nothing can be said, and the round counts as Reno's. Loss is
 * Reno's too. What Vegas can't do: hold its share against those who fill the queue.
 */
#include "core/seq.h"
#include "tcp/tcp_internal.h"

#define ALPHA       2 /* segments */
#define BETA        4
#define GAMMA       1
#define FEW_SAMPLES 2

struct vegas {
    td_time base;     /* least round trip ever; 0 = none */
    td_time least;    /* ... of this round; TD_NEVER = none */
    uint32_t samples; /* of this round */
    uint32_t round_end;
    uint32_t window; /* cwnd when it began: what its round trips tell of */
    bool started;
};

static void round_begins(struct vegas *v, const struct td_cc *cc, uint32_t nxt)
{
    v->started = true;
    v->round_end = nxt;
    v->window = cc->cwnd;
    v->least = TD_NEVER;
    v->samples = 0;
}

static void vegas_init(struct td_cc *cc, td_time now)
{
    struct vegas *v = cc->state;
    (void)now;
    if (v != NULL) {
        v->started = false;
        v->least = TD_NEVER;
        v->samples = 0;
    }
}

static void shrink(struct td_cc *cc, uint32_t to)
{
    uint32_t least = 2 * cc->mss;
    cc->cwnd = to > least ? to : least;
    uint32_t below = cc->cwnd - cc->mss > least ? cc->cwnd - cc->mss : least;
    cc->ssthresh = cc->ssthresh < below ? cc->ssthresh : below; /* slow start is over */
}

/* A round is over. */
static void adjust(struct vegas *v, struct td_cc *cc, bool may_grow)
{
    uint32_t w = v->window < cc->cwnd ? v->window : cc->cwnd;
    uint64_t in_path = (uint64_t)w * (v->base / TD_US + 1) / (v->least / TD_US + 1);
    uint64_t queued = w - (in_path < w ? in_path : w);
    if (cc->cwnd < cc->ssthresh) {
        if (queued > (uint64_t)GAMMA * cc->mss) {
            shrink(cc, (uint32_t)(in_path - in_path % cc->mss) + cc->mss);
        }
        return;
    }
    cc->phase = TD_CC_AVOIDANCE;
    if (queued > (uint64_t)BETA * cc->mss) {
        shrink(cc, cc->cwnd - cc->mss);
    } else if (queued < (uint64_t)ALPHA * cc->mss && may_grow) {
        td_cc_open(cc, cc->mss);
    }
}

static void vegas_acked(struct td_cc *cc, const struct td_cc_ack *ack)
{
    struct vegas *v = cc->state;
    if (v == NULL) {
        tcp_cc_reno.acked(cc, ack);
        return;
    }
    if (ack->rtt != 0) {
        v->base = v->base == 0 || ack->rtt < v->base ? ack->rtt : v->base;
        v->least = ack->rtt < v->least ? ack->rtt : v->least;
        v->samples++;
    }
    if (!v->started) {
        round_begins(v, cc, ack->nxt);
    }
    if (seq_ge(ack->una, v->round_end)) {
        if (v->samples > FEW_SAMPLES) {
            adjust(v, cc, ack->cwnd_limited);
        } else if (cc->cwnd >= cc->ssthresh && ack->cwnd_limited) {
            td_cc_open(cc, cc->mss); /* Reno's segment a round */
        }
        round_begins(v, cc, ack->nxt);
    }
    if (cc->cwnd < cc->ssthresh && ack->cwnd_limited) {
        (void)td_cc_slow_start(cc, ack->acked);
    }
}

static uint32_t vegas_ssthresh(struct td_cc *cc, enum td_cc_cause why, uint32_t flight, td_time now)
{
    (void)why;
    (void)now;
    return td_cc_half(cc, flight);
}

static void vegas_event(struct td_cc *cc, enum td_cc_event what, td_time now)
{
    if (what != TD_CC_TX_START) {
        vegas_init(cc, now); /* the round was no round */
    }
}

const struct td_cc_ops tcp_cc_vegas = {
    .name = "vegas",
    .doc = "a few segments in the queue, by the round trip's growth (Brakmo and Peterson 1995)",
    .state_size = sizeof(struct vegas),
    .init = vegas_init,
    .acked = vegas_acked,
    .ssthresh = vegas_ssthresh,
    .event = vegas_event,
};
