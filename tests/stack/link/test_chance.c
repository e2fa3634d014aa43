/* The dice of impairments: quantiles against their definitions, correlation, and netem's delays and
 * losses against the laws they follow: means, deviations, rates within five sigma, the lengths of
 * bursts.
 */
#include "check_main.h"
#include "frames.h"
#include "link/chance.h"
#include "link/qdisc.h"
#include "sink.h"

#include <math.h>

static struct mem m;

static void setup(void)
{
    mem_init(&m, 0);
}

static void teardown(void)
{
    pkt_cache_drop(&m);
    ck_assert_uint_eq(m.used, 0);
}

START_TEST(quantiles)
{
    double worst = 0, sum = 0, square = 0;

    for (unsigned i = 0; i < 2048; i++) {
        double z = chance_quantile(TD_DIST_NORMAL, (i << 21) + (1U << 20)) / 8192.0;
        double share = 0.5 * erfc(-z / sqrt(2)); /* the normal distribution's own */

        worst = fmax(worst, fabs(share - (i + 0.5) / 2048));
        sum += z;
        square += z * z;
    }
    ck_assert_double_lt(worst, 5e-5);
    ck_assert_double_eq_tol(sum / 2048, 0, 1e-9);
    ck_assert_double_eq_tol(sqrt(square / 2048), 1, 0.005);
    for (uint32_t x = 0; x < UINT32_MAX - 10000000; x += 9999991) {
        double u = (65536 - (x >> 16)) / 65536.0,
               want = fmin((pow(u, -1.0 / 3) - 1.5) * 4 / 3 * 8192, 32767);

        ck_assert_double_eq_tol(chance_quantile(TD_DIST_PARETO, x), want, 3);
        ck_assert_double_eq_tol(chance_quantile(TD_DIST_PARETONORMAL, x),
                                (chance_quantile(TD_DIST_NORMAL, x) + 3 * want) / 4, 3);
    }
}
END_TEST

START_TEST(correlation)
{
    static const double rho[] = {0, 0.25, 0.75};

    for (unsigned k = 0; k < 3; k++) {
        struct chance c = {.state = 4};
        struct chance_lean l = {0};
        double last = 0, xy = 0, xx = 0;
        uint32_t r = (uint32_t)(rho[k] * 4294967295.0);

        for (unsigned i = 0; i < 100000; i++) {
            double v = chance_leaning(&c, &l, r) / 4294967296.0 - 0.5;

            xy += v * last;
            xx += v * v;
            last = v;
        }
        ck_assert_double_eq_tol(xy / xx, rho[k], 0.02);
    }
    ck_assert_uint_eq(chance_share(UINT64_C(10000000001), 1U << 31), 5000000000);
}
END_TEST

/* How long n frames of a netem are delayed: mean, deviation, least, in ms. */
static void delays(struct td_netem n, unsigned frames, double *mean, double *dev, double *least)
{
    double sum = 0, square = 0;
    struct qdisc *q;

    n.limit = frames;
    n.seed = 8;
    q = qdisc_netem(&m, &n);
    for (unsigned i = 0; i < frames; i++)
        ck_assert_int_eq(qdisc_enqueue(q, pkt_from_bytes(&m, 0, "x", 1), 0), 0);
    *least = 1e9;
    for (td_time t; (t = qdisc_next(q)) != TD_NEVER;) {
        double v = (double)t / 1e6;

        sum += v;
        square += v * v;
        *least = fmin(*least, v);
        pkt_free(qdisc_dequeue(q, t));
    }
    *mean = sum / frames;
    *dev = sqrt(square / frames - *mean * *mean);
    qdisc_destroy(q);
}

START_TEST(delays_by_distribution)
{
    double mean, dev, least;
    struct td_netem n = {.delay = 100 * TD_MS, .jitter = 10 * TD_MS};

    delays(n, 40000, &mean, &dev, &least);
    ck_assert_double_eq_tol(mean, 100, 5 * 10 / sqrt(3) / 200);
    ck_assert_double_eq_tol(dev, 10 / sqrt(3), 0.1); /* uniform */
    n.dist = TD_DIST_NORMAL;
    delays(n, 40000, &mean, &dev, &least);
    ck_assert_double_eq_tol(mean, 100, 0.25);
    ck_assert_double_eq_tol(dev, 10, 0.2);
    ck_assert_double_lt(least, 70); /* a normal one has tails */
    n.dist = TD_DIST_PARETO;
    delays(n, 40000, &mean, &dev, &least);
    ck_assert_double_eq_tol(least, 100 - 10 * 2.0 / 3, 0.1); /* never less: (1 - 1.5) * 4/3 */
    ck_assert_double_eq_tol(mean, 99.6, 0.4); /* cut at 4 jitters, so a little under 100 */
    ck_assert_double_eq_tol(dev, 9, 1);
    n.dist = TD_DIST_NORMAL;
    n.delay = 5 * TD_MS; /* what would be before now is now */
    delays(n, 10000, &mean, &dev, &least);
    ck_assert(least <= 0);
}
END_TEST

struct losses {
    unsigned lost, bursts, n;
};

static struct losses lose(struct td_netem n, unsigned frames)
{
    struct losses r = {.n = frames};
    struct qdisc *q;
    bool last = false;

    n.seed = n.seed != 0 ? n.seed : 21;
    q = qdisc_netem(&m, &n);
    for (unsigned i = 0; i < frames; i++) {
        bool lost = qdisc_enqueue(q, pkt_from_bytes(&m, 0, "x", 1), 0) < 0;

        r.lost += lost;
        r.bursts += lost && !last;
        last = lost;
        pkt_free(qdisc_dequeue(q, 0));
    }
    ck_assert_uint_eq(q->drops, r.lost);
    qdisc_destroy(q);
    return r;
}

/* Within five deviations of the binomial distribution. */
static void is_rate(struct losses r, double p)
{
    ck_assert_double_eq_tol((double)r.lost / r.n, p, 5 * sqrt(p * (1 - p) / r.n));
}

START_TEST(losses_by_model)
{
    struct losses r;

    is_rate(lose((struct td_netem){.loss = td_percent(0.5)}, 200000), 0.005);
    is_rate(lose((struct td_netem){.loss = td_percent(20)}, 200000), 0.2);
    r = lose((struct td_netem){.loss = td_percent(10)}, 200000);
    ck_assert_double_eq_tol((double)r.lost / r.bursts, 1 / 0.9, 0.02); /* independent */

    /* Gilbert: in the bad state p / (p + r) of the time, in bursts of 1/r. */
    r = lose((struct td_netem){.ge_p = td_percent(1), .ge_r = td_percent(25), .ge_bad = UINT32_MAX},
             400000);
    ck_assert_double_eq_tol((double)r.lost / r.n, 0.01 / 0.26, 0.003);
    ck_assert_double_eq_tol((double)r.lost / r.bursts, 4, 0.15);
    /* Gilbert-Elliott: half of the bad state's frames, and one in a thousand of the good one's. */
    r = lose((struct td_netem){.ge_p = td_percent(1),
                               .ge_r = td_percent(25),
                               .ge_bad = td_percent(50),
                               .ge_good = td_percent(0.1)},
             400000);
    ck_assert_double_eq_tol((double)r.lost / r.n, 0.5 * 0.01 / 0.26 + 0.001 * 0.25 / 0.26, 0.002);

    /* Four states, p32 = 0 and p14 = 0: the same as Gilbert's. */
    r = lose(
        (struct td_netem){
            .four_state = true, .p13 = td_percent(1), .p31 = td_percent(25), .p23 = UINT32_MAX},
        400000);
    ck_assert_double_eq_tol((double)r.lost / r.n, 0.01 / 0.26, 0.003);
    ck_assert_double_eq_tol((double)r.lost / r.bursts, 4, 0.15);
    /* p14 alone: single losses. */
    r = lose(
        (struct td_netem){
            .four_state = true, .p14 = td_percent(5), .p31 = UINT32_MAX, .p23 = UINT32_MAX},
        200000);
    ck_assert_double_eq_tol((double)r.lost / r.n, 0.05 / 1.05, 0.003);
    ck_assert_uint_eq(r.lost, r.bursts);

    /* Correlated draws come in runs, and no longer at the nominal rate (tc-netem(8) says so, too).
     */
    r = lose((struct td_netem){.loss = td_percent(30), .loss_corr = td_percent(50)}, 200000);
    ck_assert_double_gt((double)r.lost / r.bursts, 1.5);
}
END_TEST

START_TEST(the_same_seed_loses_the_same)
{
    struct td_netem n = {.loss = td_percent(10), .loss_corr = td_percent(10), .seed = 5};
    struct losses a = lose(n, 5000), b = lose(n, 5000);

    ck_assert_uint_eq(a.lost, b.lost);
    ck_assert_uint_eq(a.bursts, b.bursts);
    n.seed = 6;
    b = lose(n, 5000);
    ck_assert(a.lost != b.lost || a.bursts != b.bursts);
}
END_TEST

/* ecn: who understands is marked instead of lost. */
START_TEST(loss_as_a_mark)
{
    struct td_netem n = {.loss = UINT32_MAX, .ecn = true};
    struct qdisc *q = qdisc_netem(&m, &n);

    ck_assert_int_eq(qdisc_enqueue(q, frame_udp(&m, 1, 100, 2), 0), 0);
    ck_assert_int_lt(qdisc_enqueue(q, frame_udp(&m, 1, 100, 0), 0), 0);
    ck_assert_uint_eq(q->marks, 1);
    qdisc_destroy(q);
}
END_TEST

START_TEST(cells_and_overhead)
{
    /* 100 bytes and 8 more are 3 cells of 48, each 53 on the line: 159 bytes at 1 Mbit/s. */
    struct td_netem n = {.rate = 1000000, .overhead = 8, .cell = 48, .cell_overhead = 5};
    struct qdisc *q = qdisc_netem(&m, &n);

    ck_assert_int_eq(qdisc_enqueue(q, frame_udp(&m, 1, 100, 0), 0), 0);
    ck_assert_uint_eq(qdisc_next(q), 159 * 8 * TD_US);
    qdisc_destroy(q);
}
END_TEST

START_TEST(slots)
{
    struct td_netem n = {.slot_min = 10 * TD_MS, .slot_max = 10 * TD_MS, .slot_packets = 3};
    struct qdisc *q = qdisc_netem(&m, &n);
    unsigned left[4] = {0};

    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(qdisc_enqueue(q, frame_udp(&m, 1, 100, 0), 0), 0);
    for (int k = 0; k < 4; k++) {
        struct pkt *p;

        while ((p = qdisc_dequeue(q, (td_time)k * 10 * TD_MS)) != NULL) {
            pkt_free(p);
            left[k]++;
        }
        if (k < 2)
            ck_assert_uint_eq(qdisc_next(q), (td_time)(k + 1) * 10 * TD_MS);
    }
    ck_assert_uint_eq(left[0], 3);
    ck_assert_uint_eq(left[1], 3);
    ck_assert_uint_eq(left[2], 2);
    qdisc_destroy(q);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("chance");
    TCase *t = tcase_create("chance");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, quantiles);
    tcase_add_test(t, correlation);
    tcase_add_test(t, delays_by_distribution);
    tcase_add_test(t, losses_by_model);
    tcase_add_test(t, the_same_seed_loses_the_same);
    tcase_add_test(t, loss_as_a_mark);
    tcase_add_test(t, cells_and_overhead);
    tcase_add_test(t, slots);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
