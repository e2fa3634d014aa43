/* tcp/cc/cubic.c: CUBIC (RFC 9438) in integers, with HyStart++ (RFC 9406).
 *
 * Theory of operation. Reno needs a thousand round trips to grow by a thousand segments. CUBIC lets
 * the window be a function of time instead, not of round trips:
 *
 *      W_cubic(t) = C (t - K)^3 + W_max            K = cbrt((W_max - cwnd_epoch) / C)
 *
 * W_max is where the last loss was. The curve starts at cwnd_epoch (0.7 of that), rises fast, lies
 * flat around W_max where the next loss is likely (concave, 4.4), and beyond it, if there is none,
 * rises ever faster to look for new room (convex, 4.5). t runs from the first acknowledgment after
 * recovery. At each acknowledgment the aim is the curve's value one round trip ahead, but not less
 * than cwnd nor more than half as much again (4.2): cwnd gains (target - cwnd) for each cwnd of
 * acknowledged bytes, so that it is there a round trip later.
 *
 * W_est is the window Reno would have, had it CUBIC's beta (4.3). Where the curve lies below it, at
 * short round trips and small windows, cwnd is W_est: CUBIC is never less than fair to Reno.
 *
 * A loss (4.6, 4.7): W_max = cwnd, or, if cwnd was still below the last W_max, 0.85 of it, because
 * somebody new wants a share (fast convergence). ssthresh is 0.7 of what was in flight. What was is
 * kept, in case the loss was none (4.9). After a time-out, and when slow start ended without loss,
 * the curve starts at its plateau: K = 0, W_max = cwnd (4.8, 4.10).
 *
 * Time in which the sender didn't use its window doesn't count (4.2): t_epoch moves on with it.
 *
 * The integers. Bytes; time in 2^-16 s. C (t-K)^3 with |t-K| up to 400 s needs 75 bits; so the
 * square is cut to 2^-16 s^2 first, and the product to 2^-20 s^3. Cutting the square costs less
 * than C * 400 s * 2^-16 s^2 = 0.0025 segments, the tick 3 C (t-K)^2 * 2^-16 s: 0.002 segments 10 s
 * away from the plateau. K is a cube root, found bit by bit from the top: r^3 <= x < (r+1)^3 holds
 * by construction. cwnd moves by whole segments.
 */
#include "tcp/cc/cubic.h"

#include "tcp/tcp_internal.h"

/* ---- arithmetic ---- */

uint32_t cubic_root(uint64_t x)
{
    uint64_t r = 0;
    for (int bit = 21; bit >= 0;
         bit--) { /* (2^22 - 1)^3 has 66 bits: the cube is tested by division */
        uint64_t s = r | UINT64_C(1) << bit;
        if (s * s <= x / s) {
            r = s;
        }
    }
    return (uint32_t)r;
}

cubic_ticks cubic_from_ns(td_time t)
{
    const td_time most = (td_time)(CUBIC_TICKS_MAX >> 16) * TD_SEC;
    if (t >= most) {
        return CUBIC_TICKS_MAX;
    }
    return (cubic_ticks)((t << 16) / TD_SEC);
}

cubic_ticks cubic_k(uint32_t distance, uint32_t mss)
{
    /* x = distance / mss / C in 2^-3s s^3, with the largest s up to 16 that leaves it 64 bits. */
    unsigned s = 9;
    uint64_t x = ((uint64_t)distance * CUBIC_C_DEN << 3 * s) / ((uint64_t)CUBIC_C_NUM * mss);
    while (s < 16 && x < UINT64_C(1) << 60) {
        x <<= 3;
        s++;
    }
    uint32_t k = cubic_root(x) << (16 - s);
    return k < CUBIC_TICKS_MAX ? k : CUBIC_TICKS_MAX;
}

uint32_t cubic_window(cubic_ticks t, cubic_ticks k, uint32_t w_max, uint32_t mss)
{
    uint64_t d = t > k ? t - k : k - t;
    d = d < CUBIC_TICKS_MAX ? d : CUBIC_TICKS_MAX;
    uint64_t cube = (d * d >> 16) * d >> 12; /* 2^-20 s^3 */
    uint64_t bytes = (cube * mss / CUBIC_C_DEN * CUBIC_C_NUM) >> 20;
    if (t < k) {
        return bytes < w_max ? w_max - (uint32_t)bytes : 0;
    }
    return bytes < TD_CC_CWND_MAX - w_max ? w_max + (uint32_t)bytes : TD_CC_CWND_MAX;
}

/* ---- the clock of the epoch ---- */

static void epoch_begins(struct cubic *c, const struct td_cc *cc, td_time now)
{
    struct cubic_curve *v = &c->now;
    if (v->flat || v->w_max <= cc->cwnd) { /* 4.8, 4.10; or a window that came back above W_max */
        v->origin = cc->cwnd;
        v->k = 0;
        if (v->flat || v->w_max == 0) {
            v->w_max = cc->cwnd;
        }
        if (v->cwnd_prior == 0) {
            v->cwnd_prior = cc->cwnd; /* 4.10 */
        }
    } else {
        v->origin = v->w_max;
        v->k = cubic_k(v->w_max - cc->cwnd, cc->mss);
    }
    v->flat = false;
    v->in_epoch = true;
    v->t_epoch = v->counted = now;
    v->w_est = (uint64_t)cc->cwnd << 10;
    c->credit = 0;
}

/* The window wasn't used from `counted` to now. */
static void skip_time(struct cubic *c, td_time now)
{
    if (c->now.in_epoch) {
        c->now.t_epoch += now - c->now.counted;
        c->now.counted = now;
    }
}

/* ---- congestion avoidance ---- */

/* 4.3, figure 4: Reno's window with CUBIC's beta; from cwnd_prior on as steep as Reno's own. */
static uint32_t reno_estimate(struct cubic_curve *v, const struct td_cc *cc, uint32_t acked)
{
    bool caught_up = v->w_est >> 10 >= v->cwnd_prior;
    uint64_t num = caught_up ? 1 : CUBIC_ALPHA_NUM, den = caught_up ? 1 : CUBIC_ALPHA_DEN;
    uint64_t news = acked < cc->cwnd ? acked : cc->cwnd;
    v->w_est += (num * cc->mss * news << 10) / (den * cc->cwnd);
    uint64_t bytes = v->w_est >> 10;
    return bytes < TD_CC_CWND_MAX ? (uint32_t)bytes : TD_CC_CWND_MAX;
}

static void grow_towards(struct cubic *c, struct td_cc *cc, uint32_t target, uint32_t acked)
{
    uint64_t most = (uint64_t)cc->cwnd + cc->cwnd / 2;
    uint64_t aim = target < most ? target : most;
    if (aim <= cc->cwnd) {
        return;
    }
    c->credit += (aim - cc->cwnd) * acked;
    uint64_t price = (uint64_t)cc->cwnd * cc->mss; /* of one segment */
    if (c->credit >= price) {
        uint32_t segments = (uint32_t)(c->credit / price);
        c->credit -= segments * price;
        td_cc_open(cc, segments * cc->mss);
    }
}

static void avoid(struct cubic *c, struct td_cc *cc, const struct td_cc_ack *ack, uint32_t acked)
{
    struct cubic_curve *v = &c->now;
    if (!v->in_epoch) {
        epoch_begins(c, cc, ack->now);
    }
    v->counted = ack->now;
    td_time t = ack->now - v->t_epoch;
    uint32_t w_est = reno_estimate(v, cc, acked);
    if (cubic_window(cubic_from_ns(t), v->k, v->origin, cc->mss) < w_est) {
        cc->phase = TD_CC_RENO_FRIENDLY;
        c->credit = 0;
        if (w_est >= cc->cwnd + cc->mss) {
            td_cc_open(cc, (w_est - cc->cwnd) / cc->mss * cc->mss);
        }
        return;
    }
    cc->phase = cc->cwnd < v->w_max ? TD_CC_CONCAVE : TD_CC_CONVEX;
    grow_towards(c, cc, cubic_window(cubic_from_ns(t + cc->srtt), v->k, v->origin, cc->mss), acked);
}

/* ---- the organ ---- */

static void cubic_init(struct td_cc *cc, td_time now)
{
    struct cubic *c = cc->state;
    (void)now;
    if (c != NULL) {
        hystart_init(&c->hystart);
    }
}

/* Slow start, as HyStart has it. What is left for congestion avoidance. */
static uint32_t slow_start(struct cubic *c, struct td_cc *cc, const struct td_cc_ack *ack)
{
    c->now.in_epoch = false; /* what comes afterwards is a new stage of congestion avoidance */
    if (hystart_acked(&c->hystart, cc, ack)) {
        cc->ssthresh = cc->cwnd;
        c->now.cwnd_prior = cc->cwnd;
        c->now.flat = true; /* 4.10 */
        return ack->acked;
    }
    if (!ack->cwnd_limited) {
        return 0;
    }
    cc->phase = c->hystart.css ? TD_CC_CSS : TD_CC_SLOW_START;
    return td_cc_open_slow(cc, hystart_growth(&c->hystart, cc, ack->acked));
}

static void cubic_acked(struct td_cc *cc, const struct td_cc_ack *ack)
{
    struct cubic *c = cc->state;
    uint32_t acked = ack->acked;
    if (c == NULL) { /* no memory: Reno's growth never errs upwards */
        tcp_cc_reno.acked(cc, ack);
        return;
    }
    if (cc->cwnd < cc->ssthresh) {
        acked = slow_start(c, cc, ack);
    }
    if (!ack->cwnd_limited) {
        skip_time(c, ack->now);
    } else if (acked > 0 && cc->cwnd >= cc->ssthresh) {
        avoid(c, cc, ack, acked);
    }
}

static uint32_t cubic_ssthresh(struct td_cc *cc, enum td_cc_cause why, uint32_t flight, td_time now)
{
    struct cubic *c = cc->state;
    (void)now;
    if (c != NULL) {
        struct cubic_curve *v = &c->now;
        c->saved = *v;
        v->w_max = cc->cwnd < v->w_max /* 4.7 */
                       ? (uint32_t)((uint64_t)cc->cwnd * CUBIC_FAST_NUM / CUBIC_FAST_DEN)
                       : cc->cwnd;
        v->cwnd_prior = cc->cwnd;
        v->in_epoch = false;
        v->flat = why == TD_CC_TIMEOUT; /* 4.8 */
    }
    uint32_t s = (uint32_t)((uint64_t)flight * CUBIC_BETA_NUM / CUBIC_BETA_DEN);
    return s > 2 * cc->mss ? s : 2 * cc->mss;
}

static void cubic_event(struct td_cc *cc, enum td_cc_event what, td_time now)
{
    struct cubic *c = cc->state;
    if (c == NULL) {
        return;
    }
    switch (what) {
    case TD_CC_TX_START:
        skip_time(c, now); /* idle */
        break;
    case TD_CC_TIMED_OUT:
        hystart_init(&c->hystart);
        break;
    case TD_CC_RESTART:
    case TD_CC_RECOVERED:
    case TD_CC_UNDONE:
        break;
    }
}

static uint32_t cubic_undo(struct td_cc *cc, td_time now)
{
    struct cubic *c = cc->state;
    if (cc->cwnd >= cc->prior_cwnd) { /* 4.9: only what was lost is given back */
        return cc->cwnd;
    }
    if (c != NULL) {
        c->now = c->saved;
        c->now.counted = now > c->now.counted ? now : c->now.counted;
    }
    return cc->prior_cwnd;
}

const struct td_cc_ops tcp_cc_cubic = {
    .name = "cubic",
    .doc = "the window as a cubic function of time since the last loss (RFC 9438), with HyStart++",
    .state_size = sizeof(struct cubic),
    .init = cubic_init,
    .acked = cubic_acked,
    .ssthresh = cubic_ssthresh,
    .event = cubic_event,
    .undo = cubic_undo,
};
