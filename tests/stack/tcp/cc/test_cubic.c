/* CUBIC (RFC 9438) against its formulae in floating point: the arithmetic, the organ alone, and a
 * connection that uses it. */
#include "check_main.h"
#include "organ.h"
#include "prng.h"
#include "stack/tcp/tcp_talk.h"
#include "tcp/cc/cubic.h"

#include <math.h>

#define C    0.4
#define BETA 0.7
#define TICK (1.0 / 65536)

static double seconds(td_time t)
{
    return (double)t / 1e9;
}

static double w_cubic(double t, double k, double w_max) /* segments */
{
    return C * pow(t - k, 3) + w_max;
}

/* ---- arithmetic ---- */

START_TEST(cube_root)
{
    struct prng r = {1};
    static const uint64_t edges[] = {
        0, 1, 7, 8, 9, 26, 27, 28, UINT64_MAX, UINT64_MAX - 1, UINT64_C(1) << 63};
    for (unsigned i = 0; i < prng_rounds(200000); i++) {
        uint64_t x =
            i < sizeof edges / sizeof edges[0] ? edges[i] : prng_u64(&r) >> prng_below(&r, 64);
        uint64_t c = cubic_root(x), d = c + 1;
        ck_assert_uint_le(c, 2642245); /* the cube root of 2^64 */
        ck_assert(c * c * c <= x);
        ck_assert(d > 2642245 || d * d * d > x);
        if (i % 2 == 0) { /* cubes and their neighbours */
            uint64_t n = prng_below(&r, 2642246);
            ck_assert_uint_eq(cubic_root(n * n * n), n);
            ck_assert_uint_eq(cubic_root(n * n * n + 1), n == 0 ? 1 : n);
            if (n > 0) {
                ck_assert_uint_eq(cubic_root(n * n * n - 1), n - 1);
            }
        }
    }
}
END_TEST

/* shows: 9438-04 9438-01 9438-03 */
START_TEST(k_is_the_cube_root_of_the_distance)
{
    struct prng r = {2};
    /* the vector of the requirement: W_max 10, cwnd_epoch 7 */
    ck_assert(fabs(cubic_k(3 * 1000, 1000) * TICK - 1.957434) < 2 * TICK);
    for (unsigned i = 0; i < prng_rounds(100000); i++) {
        uint32_t mss = 88 + prng_below(&r, 32000);
        uint32_t distance = (uint32_t)(prng_u64(&r) >> (34 + prng_below(&r, 28)));
        double want = cbrt((double)distance / mss / C);
        double got = cubic_k(distance, mss) * TICK;
        if (want > 399) {
            ck_assert(got <= 400);
            continue;
        }
        ck_assert_msg(got <= want + 1e-9 && want - got <= 2 * TICK + want / 65536,
                      "distance %u mss %u: K %.9f, not %.9f", distance, mss, got, want);
    }
}
END_TEST

/* shows: 9438-03 9438-01 */
START_TEST(the_curve)
{
    struct prng r = {3};
    for (unsigned i = 0; i < prng_rounds(200000); i++) {
        uint32_t mss = 88 + prng_below(&r, 9000);
        uint32_t w_max = mss * (2 + prng_below(&r, 20000));
        td_time t = prng_u64(&r) % (60 * TD_SEC), k = prng_u64(&r) % (40 * TD_SEC);
        double want = w_cubic(seconds(t), seconds(k), (double)w_max / mss);
        double got = (double)cubic_window(cubic_from_ns(t), cubic_from_ns(k), w_max, mss) / mss;
        double slope = 3 * C * pow(seconds(t) - seconds(k), 2);
        want = want < 0                              ? 0
               : want > (double)TD_CC_CWND_MAX / mss ? (double)TD_CC_CWND_MAX / mss
                                                     : want;
        ck_assert_msg(fabs(got - want) <= 2 * TICK * (slope + 1) + 0.01,
                      "W(%.6f), K %.6f, W_max %u/%u: %f, not %f", seconds(t), seconds(k), w_max,
                      mss, got, want);
    }
    ck_assert_uint_eq(cubic_window(CUBIC_TICKS_MAX, 0, 1000, 1460), TD_CC_CWND_MAX);
    ck_assert_uint_eq(cubic_window(0, CUBIC_TICKS_MAX, TD_CC_CWND_MAX, 32767), 0);
    ck_assert_uint_eq(cubic_from_ns(TD_NEVER), CUBIC_TICKS_MAX);
}
END_TEST

/* ---- the organ alone ---- */

/* In congestion avoidance with W_max where cwnd is now, after one loss. */
static struct organ after_loss(uint32_t segments, td_time rtt)
{
    struct organ o = organ_new(&tcp_cc_cubic, 1000, segments, rtt);
    organ_loss(&o);
    return o;
}

static double segments(const struct organ *o)
{
    return (double)o->cc.cwnd / o->cc.mss;
}

static const struct cubic *cubic(const struct organ *o)
{
    return o->cc.state;
}

/* Follows the formula within one segment from t = 0 to `until`, from concave to convex. Returns the
 * largest distance. */
static void follows(struct organ *o, double w_max, double cwnd_epoch, double until)
{
    double k = cbrt((w_max - cwnd_epoch) / C), worst = 0;
    td_time start = 0;
    bool concave = false, convex = false;
    for (;;) {
        uint32_t n = o->cc.cwnd / o->cc.mss;
        td_time from = o->now;
        for (uint32_t i = 1; i <= n; i++) {
            o->now = from + o->rtt * i / n;
            if (start == 0) {
                start = o->now;
            }
            organ_ack(o, o->cc.mss, o->rtt, true);
            concave |= o->cc.phase == TD_CC_CONCAVE;
            convex |= o->cc.phase == TD_CC_CONVEX;
        }
        double t = seconds(o->now - start);
        if (t > until) {
            break;
        }
        if (t > 3 * seconds(o->rtt)) {
            double want = w_cubic(t, k, w_max);
            worst = fmax(worst, fabs(segments(o) - want));
            ck_assert_msg(fabs(segments(o) - want) <= 1, "t %.3f: %.2f segments, W_cubic %.2f", t,
                          segments(o), want);
        }
    }
    ck_assert(concave && convex);
}

/* shows: 9438-03 9438-05 9438-10 9438-11 9438-02 9438-15 */
START_TEST(follows_the_formula_through_losses)
{
    struct organ o = organ_new(&tcp_cc_cubic, 1000, 1000, 100 * TD_MS);
    organ_loss(&o);
    ck_assert_uint_eq(o.cc.cwnd, 700000);
    ck_assert_uint_eq(cubic(&o)->now.w_max, 1000000);
    follows(&o, 1000, 700, 12);
    double peak = segments(&o);
    ck_assert(peak > 1000);
    organ_loss(&o); /* above the last W_max: that is the new one */
    ck_assert(fabs(segments(&o) - 0.7 * peak) < 0.01);
    ck_assert_uint_eq(cubic(&o)->now.w_max, (uint32_t)(peak * 1000));
    for (int i = 0; i < 30; i++) {
        organ_round(&o);
    }
    double early = segments(&o);
    ck_assert(early < peak && early > 0.7 * peak);
    organ_loss(&o); /* fast convergence: below the last W_max, so 0.85 of it makes room */
    ck_assert(fabs((double)cubic(&o)->now.w_max / 1000 - early * 0.85) < 0.01);
    follows(&o, early * 0.85, early * 0.7, 10);
    organ_free(&o);
}
END_TEST

/* shows: 9438-05 */
START_TEST(target_is_clamped)
{
    /* far behind the curve: half as much again a round trip, not more */
    struct organ o = after_loss(10000, 100 * TD_MS);
    organ_ack(&o, 1000, o.rtt, true);
    o.cc.cwnd = 100 * 1000;
    o.cc.ssthresh = 2000;
    o.now += 40 * TD_SEC; /* the curve is far above */
    for (int i = 0; i < 3; i++) {
        uint32_t was = o.cc.cwnd;
        for (uint32_t n = was / 1000; n > 0; n--) {
            organ_ack(&o, 1000, o.rtt, true);
        }
        ck_assert_uint_ge(o.cc.cwnd, was + was * 4 / 10);
        ck_assert_uint_le(o.cc.cwnd, was * 17 / 10); /* compounded within the round */
    }
    /* above the curve: it stays */
    struct organ p = after_loss(1000, 100 * TD_MS);
    organ_ack(&p, 1000, p.rtt, true);
    p.cc.cwnd = 5000 * 1000; /* as if it had come from somewhere else */
    for (int i = 0; i < 1000; i++) {
        organ_ack(&p, 1000, p.rtt, true);
    }
    ck_assert_uint_eq(p.cc.cwnd, 5000 * 1000);
    organ_free(&o);
    organ_free(&p);
}
END_TEST

/* Round trip 5 ms, window 50: Reno grows faster than the curve. */
/* shows: 9438-07 9438-08 9438-09 */
START_TEST(reno_friendly_region)
{
    struct organ o = after_loss(50, 5 * TD_MS);
    double w_est = 35;
    bool caught_up = false;
    for (int i = 0; i < 100; i++) {
        uint32_t n = o.cc.cwnd / 1000;
        for (uint32_t a = 0; a < n; a++) {
            double alpha = w_est >= 50 ? 1 : 9.0 / 17;
            caught_up |= w_est >= 50;
            w_est += alpha * 1000 / o.cc.cwnd;
            o.now += o.rtt / n;
            organ_ack(&o, 1000, o.rtt, true);
            ck_assert_uint_eq(o.cc.phase, TD_CC_RENO_FRIENDLY);
            ck_assert_msg(fabs(segments(&o) - w_est) <= 1.01, "%f, W_est %f", segments(&o), w_est);
        }
    }
    ck_assert(caught_up);
    ck_assert(segments(&o) > 100); /* 29 rounds to 50 at 9/17, then one segment a round */
    organ_free(&o);
}
END_TEST

/* shows: 9438-06 */
START_TEST(idle_time_does_not_count)
{
    for (int how = 0; how < 2; how++) {
        struct organ o = after_loss(1000, 100 * TD_MS), p = after_loss(1000, 100 * TD_MS);
        for (int i = 0; i < 20; i++) {
            organ_round(&o);
            organ_round(&p);
        }
        if (how == 0) { /* idle */
            o.now += 10 * TD_SEC;
            o.cc.ops->event(&o.cc, TD_CC_TX_START, o.now);
        } else { /* sends, but less than it may */
            for (int i = 0; i < 100; i++) {
                o.now += 100 * TD_MS;
                organ_ack(&o, 1000, o.rtt, false);
            }
        }
        ck_assert_uint_eq(o.cc.cwnd, p.cc.cwnd);
        for (int i = 0; i < 40; i++) { /* goes on as if nothing had been */
            organ_round(&o);
            organ_round(&p);
            ck_assert_uint_eq(o.cc.cwnd, p.cc.cwnd);
        }
        organ_free(&o);
        organ_free(&p);
    }
}
END_TEST

/* shows: 9438-02 9438-12 9438-20 */
START_TEST(multiplicative_decrease)
{
    struct organ o = organ_new(&tcp_cc_cubic, 1000, 100, 100 * TD_MS);
    ck_assert_uint_eq(cubic(&o)->now.w_max, 0);
    ck_assert_uint_eq(o.cc.ops->ssthresh(&o.cc, TD_CC_LOSS, 100000, o.now), 70000);
    ck_assert_uint_eq(cubic(&o)->now.cwnd_prior, 100000);
    ck_assert_uint_eq(o.cc.ops->ssthresh(&o.cc, TD_CC_LOSS, 50000, o.now), 35000); /* FlightSize */
    ck_assert_uint_eq(o.cc.ops->ssthresh(&o.cc, TD_CC_ECN, 100000, o.now), 70000);
    ck_assert_uint_eq(o.cc.ops->ssthresh(&o.cc, TD_CC_LOSS, 1000, o.now), 2000);
    organ_free(&o);
}
END_TEST

/* shows: 9438-16 9438-18 */
START_TEST(after_a_time_out)
{
    struct organ o = organ_new(&tcp_cc_cubic, 1000, 100, 100 * TD_MS);
    organ_timeout(&o);
    ck_assert_uint_eq(o.cc.ssthresh, 70000);
    int rounds = 0;
    while (o.cc.cwnd < o.cc.ssthresh) {
        organ_round(&o);
        ck_assert_int_lt(rounds++, 8);
        ck_assert(o.cc.cwnd < o.cc.ssthresh ? o.cc.phase == TD_CC_SLOW_START : true);
    }
    uint32_t at = o.cc.cwnd;
    ck_assert_uint_eq(at, 70000);
    organ_round(&o);
    ck_assert_uint_eq(cubic(&o)->now.k, 0);
    ck_assert_uint_eq(cubic(&o)->now.w_max, at);
    organ_free(&o);
}
END_TEST

/* shows: 9438-17 */
START_TEST(undo)
{
    struct organ o = after_loss(1000, 100 * TD_MS), p = after_loss(1000, 100 * TD_MS);
    for (int i = 0; i < 20; i++) {
        organ_round(&o);
        organ_round(&p);
    }
    o.cc.prior_cwnd = o.cc.cwnd;
    o.cc.ssthresh = o.cc.ops->ssthresh(&o.cc, TD_CC_LOSS, o.cc.cwnd, o.now);
    o.cc.cwnd = o.cc.ssthresh;
    o.cc.cwnd = o.cc.ops->undo(&o.cc, o.now);
    ck_assert_uint_eq(o.cc.cwnd, p.cc.cwnd);
    ck_assert_int_eq(memcmp(&cubic(&o)->now, &cubic(&p)->now, sizeof(struct cubic_curve)), 0);
    for (int i = 0; i < 40; i++) {
        organ_round(&o);
        organ_round(&p);
        ck_assert_uint_eq(o.cc.cwnd, p.cc.cwnd);
    }
    /* a window that has grown past what it was isn't taken back */
    o.cc.prior_cwnd = 5000;
    uint32_t w = o.cc.cwnd;
    ck_assert_uint_eq(o.cc.ops->undo(&o.cc, o.now), w);
    organ_free(&o);
    organ_free(&p);
}
END_TEST

/* shows: 9438-13 9438-06 */
START_TEST(unused_window_does_not_grow)
{
    struct organ o = after_loss(100, 100 * TD_MS);
    for (int i = 0; i < 1000; i++) {
        o.now += 50 * TD_MS;
        organ_ack(&o, 1000, o.rtt, false);
        ck_assert_uint_eq(o.cc.cwnd, 70000);
    }
    organ_free(&o);
}
END_TEST

START_TEST(without_memory)
{
    struct organ o = organ_new(&tcp_cc_cubic, 1000, 10, 100 * TD_MS);
    free(o.cc.state);
    o.cc.state = NULL;
    o.cc.ssthresh = 10000;
    for (int i = 0; i < 5; i++) {
        organ_round(&o);
    }
    ck_assert_uint_eq(o.cc.cwnd, 15000);
    organ_loss(&o);
    ck_assert_uint_eq(o.cc.cwnd, 10500);
    ck_assert_uint_eq(o.cc.ops->undo(&o.cc, o.now), 15000);
}
END_TEST

/* ---- a connection ---- */

#define SMSS 1000
#define WND  60000 /* times 16 */

static struct conv est(enum td_profile profile)
{
    struct conv c = conv_new(profile);
    if (profile == TD_PROFILE_RFC) {
        ck_assert_int_eq(td_knob_set(c.h->st, "net.ipv4.tcp_congestion_control", "cubic"), 0);
    }
    return talk(c, (struct hx_opts){.mss = SMSS, .wscale = 4 + 1}, 60000, MS(100));
}

/* shows: 9438-12 9438-02 */
START_TEST(a_connection_loses)
{
    static const enum td_profile profiles[] = {TD_PROFILE_LINUX, TD_PROFILE_RFC};
    for (int i = 0; i < 2; i++) {
        struct conv c = est(profiles[i]);
        struct tcp_info n = info(&c);
        char name[16] = "";
        socklen_t len = sizeof name;
        ck_assert_int_eq(td_getsockopt(c.h->st, c.s, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
        ck_assert_str_eq(name, "cubic");
        ck_assert_uint_eq(n.tcpi_snd_cwnd, 10);
        say(&c, 1, 7000); /* 7 in flight of 10 that might be */
        ck_assert_uint_eq(hear(&c).segments, 7);
        hx_until(c.h, hx_now(c.h) + SEC(2)); /* all lost */
        hx_drain(c.h);
        /* Linux: a share of cwnd, the RFC: of what was in flight */
        ck_assert_uint_eq(conv_tcb(&c)->cc.ssthresh, i == 0 ? 7000 : 4900);
        ck_assert_uint_eq(conv_tcb(&c)->cc.cwnd, SMSS);
        leave(&c);
    }
}
END_TEST

START_TEST(chosen_and_allowed)
{
    struct conv c = est(TD_PROFILE_LINUX);
    struct td_stack *st = c.h->st;
    char text[64];
    ck_assert_int_gt(
        td_knob_get(st, "net.ipv4.tcp_available_congestion_control", text, sizeof text), 0);
    ck_assert_ptr_nonnull(strstr(text, "reno cubic"));
    ck_assert_int_eq(td_knob_set(st, "net.ipv4.tcp_available_congestion_control", "reno"), -EPERM);
    ck_assert_int_eq(td_knob_set(st, "net.ipv4.tcp_allowed_congestion_control", "cubic bbr"),
                     -EINVAL);
    ck_assert_int_eq(td_knob_set(st, "net.ipv4.tcp_allowed_congestion_control", "cubic"), 0);
    td_knob_get(st, "net.ipv4.tcp_allowed_congestion_control", text, sizeof text);
    ck_assert_str_eq(text, "cubic");
    ck_assert_int_eq(td_setsockopt(st, c.s, IPPROTO_TCP, TCP_CONGESTION, "reno", 4), -EPERM);
    ck_assert_int_eq(td_setsockopt(st, c.s, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5), 0);
    ck_assert_int_eq(td_knob_set(st, "net.ipv4.tcp_allowed_congestion_control", " reno  cubic "),
                     0);
    ck_assert_int_eq(td_setsockopt(st, c.s, IPPROTO_TCP, TCP_CONGESTION, "reno", 4), 0);
    ck_assert_ptr_eq(conv_tcb(&c)->cc.ops, &tcp_cc_reno);
    leave(&c);
}
END_TEST

/* The state is paid for only by those whose window matters. */
START_TEST(state_on_demand)
{
    struct conv c = est(TD_PROFILE_LINUX);
    say(&c, 1, 3000);
    hear(&c);
    ack_in(&c, NOW, 3001, WND);
    ck_assert_ptr_null(conv_tcb(&c)->cc.state);
    say(&c, 3001, 100000);
    hear(&c);
    ack_in(&c, NOW, 4001, WND);
    ck_assert_ptr_nonnull(conv_tcb(&c)->cc.state);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp cubic");
    TCase *tc = tcase_create("arithmetic");
    tcase_add_test(tc, cube_root);
    tcase_add_test(tc, k_is_the_cube_root_of_the_distance);
    tcase_add_test(tc, the_curve);
    suite_add_tcase(s, tc);
    tc = tcase_create("organ");
    tcase_add_test(tc, follows_the_formula_through_losses);
    tcase_add_test(tc, target_is_clamped);
    tcase_add_test(tc, reno_friendly_region);
    tcase_add_test(tc, idle_time_does_not_count);
    tcase_add_test(tc, multiplicative_decrease);
    tcase_add_test(tc, after_a_time_out);
    tcase_add_test(tc, undo);
    tcase_add_test(tc, unused_window_does_not_grow);
    tcase_add_test(tc, without_memory);
    suite_add_tcase(s, tc);
    tc = tcase_create("connection");
    tcase_add_test(tc, a_connection_loses);
    tcase_add_test(tc, chosen_and_allowed);
    tcase_add_test(tc, state_on_demand);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
