/* Whole transfers between two stacks over a wire that loses, delays, reorders, duplicates and damages
 * frames: a thousand seeds, each another wire and other applications (tests/common/transfer.h).
 *
 * A seed that fails is printed with what was wrong; SEED=n runs it alone, twice, and prints what it
 * was. FROM=n and SEEDS=n choose others than the first thousand.
 */
#include "check_main.h"
#include "transfer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *v = getenv(name);
    return v != NULL && v[0] != '\0' ? strtoull(v, NULL, 0) : otherwise;
}

static uint64_t seeds(void)
{
    return number("SEEDS", getenv("VALGRIND") != NULL ? 10 : SANITIZED ? 200 : 1000);
}

static void describe(const struct transfer_plan *p)
{
    static const char *const endings[ENDINGS] = {
        "client closes",  "server closes",  "client half",    "server half",
        "reply after",    "both half",      "close together", "shut together",
        "client leaves",  "server leaves",  "client aborts",  "server aborts"};
    printf("seed %" PRIu64 ": %s, profiles %d %d, MTU %u\n", p->seed,
           p->gentle ? "gentle" : "harsh", p->profile[0], p->profile[1], p->mtu);
    for (int w = 0; w < 2; w++) {
        const struct td_netem *n = &p->way[w];
        printf("  way %d: rate %" PRIu64 " delay %.3f ms jitter %.3f ms loss %.2f%% corrupt %.2f%% "
               "dup %.2f%% reorder %.2f%%/%u ge %.2f/%.2f/%.2f limit %u\n",
               w, n->rate, (double)n->delay / 1e6, (double)n->jitter / 1e6, n->loss / 42949672.96,
               n->corrupt / 42949672.96, n->duplicate / 42949672.96, n->reorder / 42949672.96,
               n->gap, n->ge_p / 42949672.96, n->ge_r / 42949672.96, n->ge_bad / 42949672.96,
               n->limit);
    }
    for (unsigned i = 0; i < p->conns; i++) {
        const struct conn_plan *c = &p->conn[i];
        printf("  connection %u: %s%s at %.3f s, abort after %" PRIu64 "\n", i, endings[c->ending],
               c->crossed ? ", crossed" : "", (double)c->start / 1e9, c->abort_after);
        for (int side = 0; side < 2; side++) {
            const struct end_plan *e = &c->end[side];
            printf("    %s: %" PRIu64 " bytes, writes %u, reads %u, pauses %u/%u of %.3f ms, "
                   "buffers %d/%d%s%s\n",
                   side == 0 ? "client" : "server", e->bytes, e->write, e->read, e->write_pauses,
                   e->read_pauses, (double)e->pause / 1e6, e->sndbuf, e->rcvbuf,
                   e->nodelay ? " nodelay" : "", e->keepalive ? " keepalive" : "");
        }
    }
    fflush(stdout);
}

#define BATCHES 20

static bool run_one(uint64_t seed, bool twice, struct transfer_result *result)
{
    static struct transfer_plan plan;
    struct transfer_result again;
    transfer_draw(&plan, seed);
    transfer_run(&plan, result);
    if (result->fail[0] == '\0' && twice) {
        transfer_run(&plan, &again);
        if (again.digest != result->digest || again.frames != result->frames)
            snprintf(result->fail, sizeof result->fail,
                     "the second run is another: %" PRIu64 " frames, %" PRIu64, result->frames,
                     again.frames);
    }
    if (result->fail[0] != '\0')
        printf("SEED=%" PRIu64 " failed: %s\n", seed, result->fail);
    return result->fail[0] == '\0';
}

/* shows: 9293-SHLD-14 */
START_TEST(every_stream_arrives)
{
    struct transfer_result r, sum = {.fail = ""};
    unsigned bad = 0;
    uint64_t from = number("FROM", 1), n = seeds();
    if (getenv("SEED") != NULL) {
        struct transfer_plan plan;
        if (_i > 0)
            return;
        transfer_draw(&plan, number("SEED", 1));
        describe(&plan);
        bad = !run_one(plan.seed, true, &r);
        printf("%" PRIu64 " frames, %" PRIu64 " damaged, %" PRIu64 " again, %" PRIu64
               " bytes in %.3f s, digest %016" PRIx64 "\n",
               r.frames, r.damaged, r.rexmitted, r.bytes, (double)r.took / 1e9, r.digest);
        ck_assert_uint_eq(bad, 0);
        return;
    }
    for (uint64_t k = (uint64_t)_i; k < n; k += BATCHES) {
        bad += !run_one(from + k, k % 10 < 2, &r);
        sum.frames += r.frames;
        sum.bytes += r.bytes;
        sum.complete += r.complete;
        sum.failed += r.failed;
        sum.simultaneous += r.simultaneous;
        sum.zero_windows += r.zero_windows;
        sum.give_ups += r.give_ups;
    }
    printf("batch %d: %" PRIu64 " frames, %" PRIu64 " bytes, %u connections whole, %u not, "
           "%u given up, %u closing, %u zero windows\n",
           _i, sum.frames, sum.bytes, sum.complete, sum.failed, sum.give_ups, sum.simultaneous,
           sum.zero_windows);
    fflush(stdout);
    ck_assert_msg(bad == 0, "%u seeds failed; SEED=n runs one alone", bad);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("transfer");
    TCase *t = tcase_create("seeds");
    tcase_set_timeout(t, 900);
    tcase_add_loop_test(t, every_stream_arrives, 0, BATCHES);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
