/* What congestion control comes to over a wire, against theory: CUBIC's window follows its formula,
 * Reno's its sawtooth, Reno's throughput the square-root law; flows share fairly. The whole suite
 * of simulations is tests/sim (make sim); these are few enough for every run. */
#include "check_main.h"
#include "flows.h"
#include "tcp/cc/cubic.h"

#include <math.h>

#define MSS (1448.0) /* 1500 less IP, TCP and timestamps; less 12 without them */
/* ck_assert for what is asked a million times: that writes down each time that all is well. */
#define must(what, ...)                                                                            \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            ck_abort_msg(__VA_ARGS__);                                                             \
        }                                                                                          \
    } while (0)

#define GBIT UINT64_C(1000000000)

static double segments(const struct tcb *t)
{
    return (double)t->cc.cwnd / t->mss;
}

static double seconds(td_time t)
{
    return (double)t / 1e9;
}

/* ---- Reno's sawtooth ---- */

struct sawtooth {
    double w; /* the model's window, segments; 0 = not begun */
    uint64_t acked;
    unsigned losses, dropped;
    double worst, first; /* distance; the window the sawtooth began with */
    td_time began, last;
    double srtt;
    double flight; /* when it was last well */
};

/* RFC 5681 3.1 in real numbers: W grows by (bytes acknowledged / W) of a segment. */
static void follow_reno(void *ctx, struct flows *f, unsigned i, td_time now, const struct tcb *t,
                        bool losing)
{
    struct sawtooth *s = ctx;
    double news = (double)(t->bytes_acked - s->acked) / t->mss;
    (void)i;
    s->acked = t->bytes_acked;
    if (losing || t->cc.cwnd < t->cc.ssthresh) {
        if (s->w > 0) { /* the loss was noticed now: half of what was in flight */
            s->losses++;
            ck_assert_msg(fabs((double)t->cc.ssthresh / t->mss - s->flight / 2) <= 1,
                          "ssthresh %.2f, in flight %.2f", (double)t->cc.ssthresh / t->mss,
                          s->flight);
        }
        s->w = 0;
        if (s->dropped == 0 && segments(t) >= 40) {
            s->dropped = 1;
            flows_drop_next(f);
        }
        return;
    }
    if (s->w == 0) {
        s->w = s->first = segments(t);
        s->began = now;
    } else {
        s->w += news / s->w;
    }
    s->worst = fmax(s->worst, fabs(segments(t) - s->w));
    must(fabs(segments(t) - s->w) <= 1, "t %.3f: cwnd %.2f, formula %.2f", seconds(now),
         segments(t), s->w);
    s->flight = fmin((double)tcp_flight(t) / t->mss, segments(t)); /* without limited transmit */
    s->last = now;
    s->srtt = seconds(t->cc.srtt);
    if (s->losses + 1 < 4 && now - s->began > 4 * TD_SEC && s->dropped == s->losses + 1) {
        s->dropped++;
        flows_drop_next(f);
    }
}

/* Slow start, then three losses 4 s apart, then 10 s without. */
/* shows: 5681-10 5681-03 5681-12 */
START_TEST(reno_follows_rfc_5681)
{
    struct sawtooth s = {0};
    struct flows_plan p = {.profile = TD_PROFILE_RFC,
                           .rate = GBIT,
                           .delay = 50 * TD_MS,
                           .duration = 25 * TD_SEC,
                           .n = 1,
                           .flow = {{"reno", 0}},
                           .watch = follow_reno,
                           .ctx = &s};
    struct flows_result r;
    flows_run(&p, &r);
    ck_assert_uint_ge(s.losses, 2);
    /* and in time: one segment a round trip */
    double rounds = seconds(s.last - s.began) / s.srtt;
    ck_assert_msg(rounds > 50 && fabs(s.w - s.first - rounds) <= 0.03 * rounds + 1,
                  "%.1f rounds: from %.1f to %.1f", rounds, s.first, s.w);
}
END_TEST

/* ---- CUBIC's curve ---- */

struct curve {
    double w_max, epoch; /* segments: the plateau, and where this stage began */
    double before;       /* cwnd before the loss */
    double last_w_max;
    td_time t0;
    bool in_epoch;
    unsigned losses, dropped, compared;
    double worst;
    bool concave, convex, converged;
};

static void follow_cubic(void *ctx, struct flows *f, unsigned i, td_time now, const struct tcb *t,
                         bool losing)
{
    struct curve *c = ctx;
    const struct cubic *state = t->cc.state;
    (void)i;
    if (losing || t->cc.cwnd < t->cc.ssthresh || state == NULL || !state->now.in_epoch) {
        if (c->in_epoch) { /* 4.6, 4.7 */
            bool below = c->before < c->last_w_max;
            c->last_w_max = c->w_max;
            c->w_max = below ? c->before * 0.85 : c->before;
            c->converged |= below;
            c->losses++;
            c->in_epoch = false;
        }
        if (!losing) {
            c->before = segments(t);
        }
        if (c->dropped == 0 && segments(t) >= 200) {
            c->dropped = 1;
            flows_drop_next(f);
        }
        return;
    }
    if (!c->in_epoch) {
        c->in_epoch = true;
        c->t0 = now;
        c->epoch = segments(t);
        if (c->losses == 0) { /* the first loss came in slow start: W_max is what it was then */
            c->w_max = (double)state->now.w_max / t->mss;
            ck_assert(fabs(c->w_max - c->epoch / 0.7) < 2);
        }
        must(fabs((double)state->now.w_max / t->mss - c->w_max) <= 1, "W_max %.2f, not %.2f",
             (double)state->now.w_max / t->mss, c->w_max);
    }
    double k = cbrt((c->w_max - c->epoch) / 0.4);
    double elapsed = seconds(now - c->t0);
    double want = 0.4 * pow(elapsed - k, 3) + c->w_max;
    if (elapsed > 0.5 && elapsed < k + 5) { /* later it gains ten segments a round trip */
        c->worst = fmax(c->worst, fabs(segments(t) - want));
        must(fabs(segments(t) - want) <= 1, "loss %u, t %.3f of K %.3f: cwnd %.2f, W_cubic %.2f",
             c->losses, elapsed, k, segments(t), want);
        c->compared++;
        c->concave |= t->cc.phase == TD_CC_CONCAVE;
        c->convex |= t->cc.phase == TD_CC_CONVEX;
    }
    c->before = segments(t);
    c->last_w_max = c->losses == 0 ? c->w_max : c->last_w_max;
    /* beyond the plateau; then early, so that W_max wasn't reached again; then beyond it */
    double at = c->losses == 1 ? 0.6 * k : k + 2;
    if (c->dropped == c->losses + 1 && elapsed > at && c->losses < 2) {
        c->last_w_max = c->w_max;
        c->dropped++;
        flows_drop_next(f);
    }
}

/* RTT 100 ms. Paced: the formula's increments are small steps throughout the round trip; of a burst
 * of acknowledgments the last would aim too far, and between bursts nothing happens. */
/* shows: 9438-03 9438-10 9438-11 9438-15 9438-02 */
START_TEST(cubic_follows_rfc_9438)
{
    static const char *const knobs[][2] = {
        {"net.ipv4.tcp_cubic_hystart", "0"}, {"net.ipv4.tcp_pacing", "1"}, {NULL, NULL}};
    struct curve c = {0};
    struct flows_plan p = {.profile = TD_PROFILE_LINUX,
                           .rate = GBIT,
                           .delay = 50 * TD_MS,
                           .duration = 40 * TD_SEC,
                           .n = 1,
                           .flow = {{"cubic", 0}},
                           .knob = knobs,
                           .watch = follow_cubic,
                           .ctx = &c};
    struct flows_result r;
    flows_run(&p, &r);
    ck_assert_uint_eq(c.losses, 2);
    ck_assert(c.concave && c.convex && c.converged);
    ck_assert_uint_gt(c.compared, 10000);
}
END_TEST

struct friendly {
    double w_est, start, cwnd_prior, before;
    uint64_t acked;
    bool dropped, steeper;
    unsigned compared;
};

static void follow_w_est(void *ctx, struct flows *f, unsigned i, td_time now, const struct tcb *t,
                         bool losing)
{
    struct friendly *s = ctx;
    double news = (double)(t->bytes_acked - s->acked) / t->mss;
    (void)i;
    s->acked = t->bytes_acked;
    if (losing || t->cc.cwnd < t->cc.ssthresh) {
        if (!losing) {
            s->before = segments(t);
        }
        if (!s->dropped && segments(t) >= 30) {
            s->dropped = true;
            flows_drop_next(f);
        }
        s->w_est = 0;
        return;
    }
    if (news == 0) {
        return;
    }
    const struct cubic *state = t->cc.state;
    if (s->w_est == 0) {
        if (!state->now.in_epoch) {
            return;
        }
        s->w_est = s->start = (double)(state->now.w_est >> 10) / t->mss;
        s->cwnd_prior = (double)state->now.cwnd_prior / t->mss;
        return;
    }
    s->steeper |= s->w_est >= s->cwnd_prior;
    s->w_est += (s->w_est >= s->cwnd_prior ? 1 : 9.0 / 17) * news / segments(t);
    /* Both curves start at the same point: in the first round trip either may be ahead by a hair. */
    must(t->cc.phase == TD_CC_RENO_FRIENDLY || s->w_est < s->start + 1, "phase %d", t->cc.phase);
    must(fabs(segments(t) - s->w_est) <= 1.05, "t %.3f: cwnd %.2f, W_est %.2f", seconds(now),
         segments(t), s->w_est);
    s->compared++;
}

/* RTT 10 ms: Reno would be faster than the curve. */
/* shows: 9438-07 9438-08 9438-09 */
START_TEST(cubic_is_as_fast_as_reno)
{
    static const char *const knobs[][2] = {{"net.ipv4.tcp_cubic_hystart", "0"}, {NULL, NULL}};
    struct friendly s = {0};
    struct flows_plan p = {.profile = TD_PROFILE_LINUX,
                           .rate = GBIT,
                           .delay = 5 * TD_MS,
                           .duration = 2 * TD_SEC,
                           .n = 1,
                           .flow = {{"cubic", 0}},
                           .knob = knobs,
                           .watch = follow_w_est,
                           .ctx = &s};
    struct flows_result r;
    flows_run(&p, &r);
    ck_assert(s.steeper);
    ck_assert_uint_gt(s.compared, 1000);
}
END_TEST

/* ---- the square-root law ---- */

/* Reno's mean window under random loss p is C / sqrt(p) segments. For losses at even distances C
 * would be sqrt(3/2) = 1.22, the mean of a sawtooth between W/2 and W whose area is 1/p. For
 * independent losses it is 1.31 (Ott, Kemperman, Mathis 1996): long gaps between losses count more
 * than short ones. Delayed ACKs don't lower it (by sqrt(2), as in Mathis et al. 1997), because
 * growth counts bytes, not ACKs (RFC 3465). At 1e-2, W = 13, a few losses end in a time-out, which
 * the law doesn't know of. */
static double law(double p)
{
    return 1.31 / sqrt(p);
}

static void square_root_law(enum td_profile profile, double loss, td_time duration, unsigned seeds)
{
    double w = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct flows_plan p = {.seed = seed,
                               .profile = profile,
                               .rate = GBIT,
                               .delay = 50 * TD_MS,
                               .loss = loss,
                               .warm = 20 * TD_SEC,
                               .duration = duration,
                               .n = 1,
                               .flow = {{"reno", 0}}};
        struct flows_result r;
        flows_run(&p, &r);
        w += (double)r.flow[0].bytes / MSS / (seconds(p.duration - p.warm) / 0.1) / seeds;
    }
    ck_assert_msg(w > 0.8 * law(loss) && w < 1.2 * law(loss),
                  "loss %g: %.2f segments a round trip, the law %.2f", loss, w, law(loss));
}

START_TEST(square_root_of_loss)
{
    static const struct {
        double loss;
        unsigned seconds, seeds;
    } v[] = {{1e-2, 120, 4}, {3e-3, 200, 3}, {1e-3, 400, 2}, {1e-4, 1000, 1}};
    square_root_law(TD_PROFILE_LINUX, v[_i].loss, v[_i].seconds * TD_SEC, v[_i].seeds);
    square_root_law(TD_PROFILE_RFC, v[_i].loss, v[_i].seconds * TD_SEC, v[_i].seeds);
}
END_TEST

/* ---- sharing ---- */

static struct flows_result share(const char *a, const char *b, uint32_t queue)
{
    struct flows_plan p = {.seed = 3,
                           .profile = TD_PROFILE_LINUX,
                           .rate = 10000000,
                           .delay = 20 * TD_MS,
                           .queue = queue,
                           .warm = 20 * TD_SEC,
                           .duration = 140 * TD_SEC,
                           .n = 4,
                           .flow = {{a, 0}, {b, 100 * TD_MS}, {a, 200 * TD_MS}, {b, 5 * TD_SEC}}};
    struct flows_result r;
    flows_run(&p, &r);
    return r;
}

START_TEST(flows_share_fairly)
{
    static const char *const cc[] = {"reno", "cubic", "vegas"};
    struct flows_result r = share(cc[_i], cc[_i], 60);
    /* Vegas favours who came first: later ones take the others' queue for the length of the path.
     */
    ck_assert_msg(r.jain > (_i == 2 ? 0.8 : 0.9), "%s: fairness %.3f", cc[_i], r.jain);
    ck_assert_msg(r.utilisation > 0.85, "%s: %.3f of the link", cc[_i], r.utilisation);
}
END_TEST

START_TEST(vegas_keeps_the_queue_short)
{
    struct flows_result v = share("vegas", "vegas", 400), c = share("cubic", "cubic", 400);
    ck_assert_msg(v.flow[0].mean_rtt < c.flow[0].mean_rtt / 2,
                  "round trips: vegas %.3f s, cubic %.3f s", v.flow[0].mean_rtt,
                  c.flow[0].mean_rtt);
    ck_assert(v.utilisation > 0.85);
    ck_assert_uint_eq(v.retrans, 0);
}
END_TEST

/* The same seed, the same run. */
START_TEST(deterministic)
{
    struct flows_result a = share("cubic", "reno", 30), b = share("cubic", "reno", 30);
    ck_assert_int_eq(memcmp(&a, &b, sizeof a), 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp laws");
    TCase *tc = tcase_create("windows");
    bool slowly = getenv("VALGRIND") != NULL; /* the short ones run all of the code */
    tcase_set_timeout(tc, 120);
    if (!slowly) {
        tcase_add_test(tc, reno_follows_rfc_5681);
        tcase_add_test(tc, cubic_follows_rfc_9438);
    }
    tcase_add_test(tc, cubic_is_as_fast_as_reno);
    suite_add_tcase(s, tc);
    tc = tcase_create("throughput");
    tcase_set_timeout(tc, 240);
    if (!slowly) {
        tcase_add_loop_test(tc, square_root_of_loss, 0, 4);
        tcase_add_loop_test(tc, flows_share_fairly, 0, 3);
        tcase_add_test(tc, vegas_keeps_the_queue_short);
    }
    tcase_add_test(tc, deterministic);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
