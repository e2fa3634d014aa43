/* Whole transfers between two stacks over a wire that loses, delays, reorders, duplicates and
 * damages frames: a thousand seeds, each another wire and other applications
 * (tests/common/transfer.h).
 *
 * A seed that fails is printed with what was wrong; SEED=n runs it alone, twice, and prints what it
 * was. FROM=n and SEEDS=n choose others than the first thousand; STARVE=n lets n of 65536
 * allocations fail.
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
        "client closes", "server closes", "client half",    "server half",
        "reply after",   "both half",     "close together", "shut together",
        "client leaves", "server leaves", "client aborts",  "server aborts"};
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
    if (p->cut_at != 0)
        printf("  cut at %.6f s: %d %d\n", (double)p->cut_at / 1e9, p->cut[0], p->cut[1]);
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

/* starve: so many of 65536 allocations fail. A peer may then be gone without a word: everybody asks
 * now and then whether it is still there. */
static void draw(struct transfer_plan *plan, uint64_t seed, uint32_t starve)
{
    transfer_draw(plan, seed);
    plan->starve = starve;
    if (starve == 0)
        return;
    plan->gentle = false;
    for (unsigned i = 0; i < plan->conns; i++)
        plan->conn[i].end[0].keepalive = plan->conn[i].end[1].keepalive = true;
}

static bool run_one(uint64_t seed, bool twice, struct transfer_result *result)
{
    static struct transfer_plan plan;
    struct transfer_result again;
    draw(&plan, seed, (uint32_t)number("STARVE", 0));
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

/* shows: SHLD-14 MUST-2 MUST-61 6298-14 SHLD-11 */
START_TEST(every_stream_arrives)
{
    struct transfer_result r, sum = {.fail = ""};
    unsigned bad = 0;
    uint64_t from = number("FROM", 1), n = seeds();
    if (getenv("SEED") != NULL) {
        struct transfer_plan plan;
        if (_i > 0)
            return;
        draw(&plan, number("SEED", 1), (uint32_t)number("STARVE", 0));
        describe(&plan);
        bad = !run_one(plan.seed, true, &r);
        printf("%" PRIu64 " frames, %" PRIu64 " damaged, %" PRIu64 " again, %" PRIu64
               " bytes in %.3f s, digest %016" PRIx64 "\n",
               r.frames, r.damaged, r.rexmitted, r.bytes, (double)r.took / 1e9, r.digest);
        ck_assert_uint_eq(bad, 0);
        return;
    }
    for (uint64_t k = (uint64_t)_i; k < n; k += BATCHES) {
        bad += !run_one(from + k, true, &r);
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

/* The same with a hundredth of all allocations failing: what is lost by that is sent again, what
 * can't be held is dropped, and when all is over everything has been given back. */
START_TEST(streams_survive_want_of_memory)
{
    struct transfer_plan plan;
    struct transfer_result r;
    uint64_t refused = 0;
    for (uint64_t seed = 1; seed <= (seeds() + 9) / 10; seed++) {
        draw(&plan, seed, 650);
        transfer_run(&plan, &r);
        ck_assert_msg(r.fail[0] == '\0', "STARVE=650 SEED=%" PRIu64 ": %s", seed, r.fail);
        refused += r.refused;
    }
    ck_assert_uint_gt(refused, 0);
}
END_TEST

/* One connection, both ways, over a good wire. */
static struct transfer_plan plain(uint64_t seed, uint64_t rate, uint64_t up, uint64_t down)
{
    struct transfer_plan p = {.seed = seed, .gentle = true, .mtu = 1500, .conns = 1};
    for (int way = 0; way < 2; way++)
        p.way[way] = (struct td_netem){
            .rate = rate, .delay = 10 * TD_MS, .limit = 1000, .seed = seed * 2 + (uint64_t)way};
    p.conn[0].ending = BOTH_HALF;
    for (int side = 0; side < 2; side++)
        p.conn[0].end[side] = (struct end_plan){.write = 65535, .read = 65535};
    p.conn[0].end[0].bytes = up;
    p.conn[0].end[1].bytes = down;
    return p;
}

/* A forged or damaged ARP packet sends everything to a station that isn't there. Retransmissions
 * tell IP that the way may be bad, and it asks again (RFC 9293 3.8.3, RFC 1122 2.3.2.1). Poisoned
 * is the host that sends, the one that only acknowledges, or one of two that do both. Without that
 * advice an entry that is believed takes a minute and more to be doubted. */
static const struct {
    struct transfer_poison poison;
    uint64_t up, down;
} poisons[] = {
    {{0, true, 1500 * TD_MS}, 3000000, 0},        {{1, true, 1500 * TD_MS}, 3000000, 0},
    {{0, false, 1500 * TD_MS}, 3000000, 0},       {{1, false, 1500 * TD_MS}, 3000000, 0},
    {{0, true, 1500 * TD_MS}, 2500000, 2500000},  {{1, true, 1500 * TD_MS}, 2500000, 2500000},
    {{0, false, 1500 * TD_MS}, 2500000, 2500000}, {{1, false, 1500 * TD_MS}, 2500000, 2500000},
};

/* shows: MUST-20 */
START_TEST(stream_survives_a_poisoned_neighbour)
{
    static const enum td_profile profiles[] = {TD_PROFILE_LINUX, TD_PROFILE_RFC};
    int i = _i / 2;
    struct transfer_plan p = plain(7, 10000000, poisons[i].up, poisons[i].down);
    struct transfer_result r;
    p.profile[0] = p.profile[1] = profiles[_i % 2];
    transfer_run_poisoned(&p, &r, &poisons[i].poison);
    ck_assert_msg(r.fail[0] == '\0', "%s", r.fail);
    ck_assert_uint_eq(r.complete, 1);
    ck_assert_msg(r.took > 6 * TD_SEC, "the poison did no harm: the test shows nothing");
    ck_assert_msg(r.took < 40 * TD_SEC, "it took %.3f s to find the way again",
                  (double)r.took / 1e9);
}
END_TEST

/* Not asserted: a figure to look at when something changes. 10 MB over 100 Mbit/s, 20 ms there and
 * back, the best and the worst of a few seeds. */
START_TEST(goodput)
{
    const uint64_t bytes = getenv("VALGRIND") != NULL ? 1000000 : 10000000;
    static const double losses[] = {0, 0.1, 1, 5, 10};
    for (size_t i = 0; i < sizeof losses / sizeof losses[0]; i++) {
        double best = 0, worst = 1e9, sum = 0;
        unsigned n = getenv("VALGRIND") != NULL ? 1 : 5;
        for (unsigned k = 1; k <= n; k++) {
            struct transfer_plan p = plain(k, 100000000, bytes, 0);
            struct transfer_result r;
            p.way[0].loss = td_percent(losses[i]);
            p.way[1].loss = td_percent(losses[i]);
            transfer_run(&p, &r);
            ck_assert_msg(r.fail[0] == '\0', "%s", r.fail);
            double mbit = (double)bytes * 8e3 / (double)r.took;
            best = mbit > best ? mbit : best;
            worst = mbit < worst ? mbit : worst;
            sum += mbit;
        }
        printf("goodput at %4.1f %% loss: %7.3f Mbit/s (%.3f to %.3f)\n", losses[i], sum / n, worst,
               best);
    }
    fflush(stdout);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("transfer");
    TCase *t = tcase_create("seeds");
    tcase_set_timeout(t, 900);
    tcase_add_loop_test(t, every_stream_arrives, 0, BATCHES);
    suite_add_tcase(s, t);
    if (getenv("SEED") != NULL)
        return s; /* that one alone */
    t = tcase_create("memory");
    tcase_set_timeout(t, 900);
    tcase_add_test(t, streams_survive_want_of_memory);
    suite_add_tcase(s, t);
    t = tcase_create("poison");
    tcase_set_timeout(t, 900);
    tcase_add_loop_test(t, stream_survives_a_poisoned_neighbour, 0,
                        2 * (int)(sizeof poisons / sizeof poisons[0]));
    suite_add_tcase(s, t);
    t = tcase_create("goodput");
    tcase_set_timeout(t, 900);
    tcase_add_test(t, goodput);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
