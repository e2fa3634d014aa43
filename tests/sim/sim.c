/* tests/sim/sim.c: the simulation suite (make sim): flows over a bottleneck in virtual time, across
 * congestion control, loss, round trip, rate, queue and seeds, beside what theory expects.
 *
 *     sim DIRECTORY     writes results.tsv, and window-CC.tsv (cwnd over time) for each congestion
 * control
 *
 * Theory, per flow: the smaller of its share of the rate and the window that random loss p leaves:
 * for Reno 1.31 / sqrt(p) segments (Ott, Kemperman, Mathis 1996), for CUBIC the larger of that and
 * 1.054 (RTT / p)^(3/4) (RFC 9438 5.2, equation 5, with C = 0.4), RTT in seconds. Vegas is compared
 * with its share alone. spurious = retransmissions beyond what the wire dropped. The same tree
 * gives the same file.
 */
#include "flows.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define MSS 1448.0

static const char *directory;
static const double losses[] = {0, 1e-4, 1e-3, 1e-2};
static const td_time delays[] = {10 * TD_MS, 50 * TD_MS}; /* one way */
static const uint64_t rates[] = {10000000, 50000000};
static const uint32_t queues[] = {20, 200};
static const struct mix {
    const char *name, *cc[2];
} mixes[] = {{"reno", {"reno", "reno"}},
             {"cubic", {"cubic", "cubic"}},
             {"vegas", {"vegas", "vegas"}},
             {"cubic+reno", {"cubic", "reno"}},
             {"cubic+vegas", {"cubic", "vegas"}}};
#define N(a)  (sizeof(a) / sizeof((a)[0]))
#define FLOWS 4
#define SEEDS 2

static FILE *open_in(const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *f = fopen(path, "w");
    ck_assert_msg(f != NULL, "%s can't be written", path);
    return f;
}

/* bit/s of all flows together */
static double theory(const struct mix *m, double p, double rtt, double rate)
{
    double sum = 0;
    for (unsigned i = 0; i < FLOWS; i++) {
        const char *cc = m->cc[i % 2];
        double w = INFINITY;
        if (p > 0 && *cc != 'v') {
            w = 1.31 / sqrt(p);
            if (*cc == 'c') {
                w = fmax(w, 1.054 * pow(rtt / p, 0.75));
            }
        }
        sum += fmin(w * MSS * 8 / rtt, rate / FLOWS);
    }
    return sum;
}

static void one(FILE *out, const struct mix *m, double loss, td_time delay, uint64_t rate,
                uint32_t queue, uint64_t seed)
{
    struct flows_plan p = {.seed = seed,
                           .profile = TD_PROFILE_LINUX,
                           .rate = rate,
                           .delay = delay,
                           .loss = loss,
                           .queue = queue,
                           .warm = 10 * TD_SEC,
                           .duration = 40 * TD_SEC,
                           .n = FLOWS};
    struct flows_result r;
    double mean = 0, worst = 0, rtt = 0;
    unsigned recoveries = 0;
    for (unsigned i = 0; i < FLOWS; i++) {
        p.flow[i] = (struct flow_plan){m->cc[i % 2], i * 300 * TD_MS};
    }
    flows_run(&p, &r);
    for (unsigned i = 0; i < FLOWS; i++) {
        recoveries += r.flow[i].recoveries;
        mean += r.flow[i].recovery_mean * r.flow[i].recoveries;
        worst = fmax(worst, r.flow[i].recovery_worst);
        rtt += r.flow[i].mean_rtt / FLOWS;
    }
    mean = recoveries > 0 ? mean / recoveries : 0;
    double base = 2 * (double)delay / 1e9,
           expected = theory(m, loss, base, (double)rate * 1448 / 1514);
    (void)fprintf(out,
                  "%s\t%g\t%.0f\t%.0f\t%u\t%lu\t%.3f\t%.3f\t%.3f\t%.3f\t%.1f\t%u\t%.1f\t%.1f\t%"
                  "lu\t%lu\t%lu\n",
                  m->name, loss, base * 1000, (double)rate / 1e6, queue, (unsigned long)seed,
                  r.throughput / 1e6, expected / 1e6, r.throughput / expected, r.jain, rtt * 1000,
                  recoveries, mean * 1000, worst * 1000, (unsigned long)r.drops,
                  (unsigned long)r.retrans, (unsigned long)r.spurious);
}

START_TEST(results)
{
    FILE *out = open_in("results.tsv");
    (void)fputs("cc\tloss\trtt_ms\trate_mbit\tqueue\tseed\tthroughput_mbit\ttheory_"
                "mbit\tratio\tjain\tmean_rtt_ms\t"
                "recoveries\trecovery_ms\tworst_recovery_ms\tdrops\tretrans\tspurious\n",
                out);
    for (unsigned m = 0; m < N(mixes); m++) {
        for (unsigned l = 0; l < N(losses); l++) {
            for (unsigned d = 0; d < N(delays); d++) {
                for (unsigned k = 0; k < N(rates) * N(queues); k++) {
                    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                        one(out, &mixes[m], losses[l], delays[d], rates[k / N(queues)],
                            queues[k % N(queues)], seed);
                    }
                }
            }
        }
        (void)fprintf(stderr, "%s: done\n", mixes[m].name);
    }
    ck_assert_int_eq(fclose(out), 0);
}
END_TEST

struct window {
    FILE *out;
    td_time last;
};

static void note(void *ctx, struct flows *f, unsigned i, td_time now, const struct tcb *t,
                 bool losing)
{
    struct window *w = ctx;
    (void)f;
    (void)i;
    if (now < w->last + 10 * TD_MS) {
        return;
    }
    w->last = now;
    (void)fprintf(w->out, "%.3f\t%.2f\t%.2f\t%.2f\t%d\n", (double)now / 1e9,
                  (double)t->cc.cwnd / t->mss,
                  t->cc.ssthresh < TD_CC_NO_SSTHRESH ? (double)t->cc.ssthresh / t->mss : NAN,
                  (double)t->cc.srtt / 1e6, losing);
}

/* One flow alone, 20 Mbit/s, 100 ms, a queue of half a window. */
START_TEST(windows)
{
    static const char *const cc[] = {"reno", "cubic", "vegas"};
    char name[64];
    (void)snprintf(name, sizeof name, "window-%s.tsv", cc[_i]);
    struct window w = {.out = open_in(name)};
    (void)fputs("time\tcwnd\tssthresh\tsrtt_ms\tlosing\n", w.out);
    struct flows_plan p = {.profile = TD_PROFILE_LINUX,
                           .rate = 20000000,
                           .delay = 50 * TD_MS,
                           .queue = 80,
                           .duration = 60 * TD_SEC,
                           .n = 1,
                           .flow = {{cc[_i], 0}},
                           .watch = note,
                           .ctx = &w};
    struct flows_result r;
    flows_run(&p, &r);
    ck_assert_int_eq(fclose(w.out), 0);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fputs("usage: sim DIRECTORY\n", stderr);
        return 2;
    }
    directory = argv[1];
    Suite *s = suite_create("simulations");
    TCase *tc = tcase_create("simulations");
    tcase_set_timeout(tc, 3600);
    tcase_add_loop_test(tc, windows, 0, 3);
    tcase_add_test(tc, results);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, CK_NOFORK);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
