/* tests/stack/tcp/cc/organ.h: a congestion control alone, without a stack: struct td_cc, a clock,
 * and acknowledgments made up by the test. An organ is a pure function of these. */
#ifndef TESTS_ORGAN_H
#define TESTS_ORGAN_H

#include "tapdeck/organs.h"

#include <check.h>
#include <stdlib.h>

struct organ {
    struct td_cc cc;
    td_time now, rtt;
    uint32_t una, nxt;
};

static inline struct organ organ_new(const struct td_cc_ops *ops, uint32_t mss, uint32_t segments,
                                     td_time rtt)
{
    struct organ o = {.now = 1000 * TD_SEC, .rtt = rtt, .una = 1, .nxt = 1};
    o.cc = (struct td_cc){.cwnd = segments * mss,
                          .ssthresh = TD_CC_NO_SSTHRESH,
                          .mss = mss,
                          .slow_limit = UINT32_MAX,
                          .srtt = rtt,
                          .min_rtt = rtt,
                          .ops = ops};
    if (ops->state_size > 0) {
        o.cc.state = calloc(1, ops->state_size);
    }
    if (ops->init != NULL) {
        ops->init(&o.cc, o.now);
    }
    return o;
}

static inline void organ_free(struct organ *o)
{
    free(o->cc.state);
}

/* One acknowledgment of n bytes; all of cwnd was in flight. */
static inline void organ_ack(struct organ *o, uint32_t n, td_time rtt, bool limited)
{
    if (o->nxt - o->una < o->cc.cwnd) {
        o->nxt = o->una + o->cc.cwnd;
    }
    o->una += n;
    const struct td_cc_ack a = {.now = o->now,
                                .acked = n,
                                .flight = o->cc.cwnd,
                                .una = o->una,
                                .nxt = o->nxt,
                                .rtt = rtt,
                                .cwnd_limited = limited};
    o->cc.ops->acked(&o->cc, &a);
}

/* A round trip: the window that was in flight is acknowledged, a segment at a time, evenly spread.
 */
static inline void organ_round(struct organ *o)
{
    uint32_t n = o->cc.cwnd / o->cc.mss;
    td_time start = o->now;
    for (uint32_t i = 1; i <= n; i++) {
        o->now = start + o->rtt * i / n;
        organ_ack(o, o->cc.mss, o->rtt, true);
    }
}

/* Loss, and recovery of one round trip after which cwnd is ssthresh. */
static inline void organ_loss(struct organ *o)
{
    o->cc.prior_cwnd = o->cc.cwnd;
    o->cc.prior_ssthresh = o->cc.ssthresh;
    o->cc.ssthresh = o->cc.ops->ssthresh(&o->cc, TD_CC_LOSS, o->cc.cwnd, o->now);
    o->now += o->rtt;
    o->cc.cwnd = o->cc.ssthresh;
    if (o->cc.ops->event != NULL) {
        o->cc.ops->event(&o->cc, TD_CC_RECOVERED, o->now);
    }
}

static inline void organ_timeout(struct organ *o)
{
    o->cc.prior_cwnd = o->cc.cwnd;
    o->cc.prior_ssthresh = o->cc.ssthresh;
    o->cc.ssthresh = o->cc.ops->ssthresh(&o->cc, TD_CC_TIMEOUT, o->cc.cwnd, o->now);
    o->cc.cwnd = o->cc.mss;
    if (o->cc.ops->event != NULL) {
        o->cc.ops->event(&o->cc, TD_CC_TIMED_OUT, o->now);
    }
}

#endif
