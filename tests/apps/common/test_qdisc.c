/* Queue disciplines as tc writes them: each word, back to text, and what is refused. */
#include "check_main.h"
#include "common/qdisc.h"

#include <string.h>

static int words(const char *const *w, struct td_netem *n, char *msg, size_t size)
{
    int argc = 0;
    while (w[argc] != NULL)
        argc++;
    return parse_netem(argc, (char *const *)(uintptr_t)w, n, msg, size);
}
#define NETEM(n, msg, ...) words((const char *const[]){__VA_ARGS__, NULL}, n, msg, sizeof(msg))

START_TEST(netem_words)
{
    struct td_netem n;
    char msg[256], text[512];
    ck_assert_int_eq(NETEM(&n, msg, "delay", "20ms", "5ms", "loss", "1%", "rate", "100mbit",
                           "limit", "50", "seed", "7"),
                     11);
    ck_assert_uint_eq(n.delay, 20 * TD_MS);
    ck_assert_uint_eq(n.jitter, 5 * TD_MS);
    ck_assert_uint_eq(n.loss, td_percent(1));
    ck_assert_uint_eq(n.rate, 100000000);
    ck_assert_uint_eq(n.limit, 50);
    ck_assert_uint_eq(n.seed, 7);
    format_netem(&n, text, sizeof(text));
    ck_assert_str_eq(text, "limit 50 delay 20ms 5ms loss 1% rate 100Mbit seed 7");

    ck_assert_int_eq(NETEM(&n, msg, "duplicate", "2%", "corrupt", "0.5%"), 4);
    ck_assert_uint_eq(n.duplicate, td_percent(2));
    ck_assert_uint_eq(n.corrupt, td_percent(0.5));
    ck_assert_uint_eq(n.delay, 0);

    ck_assert_int_eq(NETEM(&n, msg, "delay", "10ms", "reorder", "25%", "gap", "5"), 6);
    ck_assert_uint_eq(n.reorder, td_percent(25));
    ck_assert_uint_eq(n.gap, 5);

    ck_assert_int_eq(NETEM(&n, msg, "loss", "gemodel", "1%", "30%"), 4);
    ck_assert_uint_eq(n.ge_p, td_percent(1));
    ck_assert_uint_eq(n.ge_r, td_percent(30));
    ck_assert_uint_eq(n.ge_bad, UINT32_MAX);
    ck_assert_uint_eq(n.ge_good, 0);

    ck_assert_int_eq(NETEM(&n, msg, "loss", "random", "3%"), 3);
    ck_assert_uint_eq(n.loss, td_percent(3));
}
END_TEST

/* The reader stops at a word it doesn't know: `wire` has words of its own behind them. */
START_TEST(netem_stops)
{
    struct td_netem n;
    char msg[256];
    ck_assert_int_eq(NETEM(&n, msg, "delay", "20ms", "back", "loss", "1%"), 2);
    ck_assert_uint_eq(n.loss, 0);
}
END_TEST

START_TEST(netem_refusals)
{
    struct td_netem n;
    char msg[256];
    ck_assert_int_eq(NETEM(&n, msg, "delay"), -1);
    ck_assert_ptr_nonnull(strstr(msg, "delay 20ms"));
    ck_assert_int_eq(NETEM(&n, msg, "delay", "soon"), -1);
    ck_assert_ptr_nonnull(strstr(msg, "'soon'"));
    ck_assert_int_eq(NETEM(&n, msg, "loss", "101%"), -1);
    ck_assert_ptr_nonnull(strstr(msg, "'101%'"));
    ck_assert_int_eq(NETEM(&n, msg, "loss", "1%", "125%"), -1);
    ck_assert_ptr_nonnull(strstr(msg, "'125%'"));
    ck_assert_int_eq(NETEM(&n, msg, "delay", "20ms", "distribution", "normal"), -1);
    ck_assert_ptr_nonnull(strstr(msg, "jitter"));
    ck_assert_int_eq(NETEM(&n, msg, "delay", "20ms", "5ms", "distribution", "experimental"), -1);
    ck_assert_ptr_nonnull(strstr(msg, "'experimental'"));
    ck_assert_int_eq(NETEM(&n, msg, "gap", "5"), -1);
    ck_assert_ptr_nonnull(strstr(msg, "reorder"));
    ck_assert_int_eq(NETEM(&n, msg, "ecn"), -1);
    ck_assert_int_eq(NETEM(&n, msg, "loss", "state", "60%", "40%", "70%"), -1);
    ck_assert_ptr_nonnull(strstr(msg, "p31 and p32"));
    ck_assert_int_eq(NETEM(&n, msg, "slot", "5ms", "1ms"), -1);
    ck_assert_int_eq(NETEM(&n, msg, "rate", "1mbit", "70000"), -1);
    ck_assert_int_eq(NETEM(&n, msg, "delay", "1001s"), -1);
    ck_assert_int_eq(NETEM(&n, msg, "rate", "0"), -1);
    ck_assert_int_eq(NETEM(&n, msg, "limit", "many"), -1);
    ck_assert_int_eq(NETEM(&n, msg, "reorder", "25%"), -1);
    ck_assert_ptr_nonnull(strstr(msg, "delay"));
}
END_TEST

START_TEST(netem_correlations_distributions_and_states)
{
    struct td_netem n;
    char msg[256], text[512];

    ck_assert_int_eq(NETEM(&n, msg, "delay", "100ms", "10ms", "25%", "distribution", "normal",
                           "loss", "0.3%", "25%"),
                     9);
    ck_assert_uint_eq(n.delay_corr, td_percent(25));
    ck_assert_int_eq(n.dist, TD_DIST_NORMAL);
    ck_assert_uint_eq(n.loss_corr, td_percent(25));
    format_netem(&n, text, sizeof(text));
    ck_assert_str_eq(text, "limit 1000 delay 100ms 10ms 25% distribution normal loss 0.3% 25%");

    ck_assert_int_eq(NETEM(&n, msg, "loss", "state", "1%", "30%", "10%", "80%", "0.5%", "ecn"), 8);
    ck_assert(n.four_state && n.ecn);
    ck_assert_uint_eq(n.p13, td_percent(1));
    ck_assert_uint_eq(n.p31, td_percent(30));
    ck_assert_uint_eq(n.p32, td_percent(10));
    ck_assert_uint_eq(n.p23, td_percent(80));
    ck_assert_uint_eq(n.p14, td_percent(0.5));
    ck_assert_int_eq(NETEM(&n, msg, "loss", "state", "1%"), 3);
    ck_assert_uint_eq(n.p31, UINT32_MAX - td_percent(1));
    ck_assert_uint_eq(n.p23, UINT32_MAX);

    ck_assert_int_eq(NETEM(&n, msg, "rate", "5kbit", "20", "100", "5"), 5);
    ck_assert_int_eq(n.overhead, 20);
    ck_assert_uint_eq(n.cell, 100);
    ck_assert_uint_eq(n.cell_overhead, 5);
    ck_assert_int_eq(NETEM(&n, msg, "rate", "1mbit", "-14"), 3);
    ck_assert_int_eq(n.overhead, -14);

    ck_assert_int_eq(NETEM(&n, msg, "slot", "1ms", "5ms", "packets", "16", "bytes", "20000"), 7);
    ck_assert_uint_eq(n.slot_min, TD_MS);
    ck_assert_uint_eq(n.slot_max, 5 * TD_MS);
    ck_assert_uint_eq(n.slot_packets, 16);
    ck_assert_uint_eq(n.slot_bytes, 20000);
    ck_assert_int_eq(NETEM(&n, msg, "duplicate", "1%", "50%", "delay", "1ms", "reorder", "25%",
                           "50%", "corrupt", "0.1%", "1%"),
                     11);
    ck_assert_uint_eq(n.duplicate_corr, td_percent(50));
    ck_assert_uint_eq(n.reorder_corr, td_percent(50));
    ck_assert_uint_eq(n.corrupt_corr, td_percent(1));
}
END_TEST

/* ---- whole texts ---- */

static struct td_qdisc_chain chain;
static char msg[512];

static const struct td_qdisc *reads(const char *text)
{
    ck_assert_msg(parse_qdisc_text(text, &chain, msg, sizeof(msg)), "%s: %s", text, msg);
    return &chain.q[0];
}

static void refuses(const char *text, const char *with)
{
    struct td_qdisc_chain before = chain;

    ck_assert_msg(!parse_qdisc_text(text, &chain, msg, sizeof(msg)), "%s was taken", text);
    ck_assert_msg(strstr(msg, with) != NULL, "%s: %s", text, msg);
    ck_assert_mem_eq(&before, &chain, sizeof(chain)); /* nothing half-applied */
}

static void writes(const char *text, const char *as)
{
    char out[700];

    format_qdisc(reads(text), out, sizeof(out));
    ck_assert_str_eq(out, as);
}

START_TEST(tbf_words)
{
    const struct td_qdisc *d = reads("tbf rate 10mbit burst 15kb latency 50ms");

    ck_assert_int_eq(d->kind, TD_QDISC_TBF);
    ck_assert_uint_eq(d->u.tbf.rate, 10000000);
    ck_assert_uint_eq(d->u.tbf.burst, 15360);
    ck_assert_uint_eq(d->u.tbf.limit,
                      62500 + 15360); /* rate * latency + burst, as tc-tbf(8) says */
    writes("tbf rate 10mbit burst 15kb latency 50ms", "rate 10Mbit burst 15Kb lat 50ms");
    writes("tbf rate 1mbit buffer 1540 limit 1000", "rate 1Mbit burst 1540b limit 1000b");
    d = reads("tbf rate 1mbit burst 5kb latency 70ms peakrate 2mbit minburst 1540");
    ck_assert_uint_eq(d->u.tbf.limit, 8750 + 5120);
    ck_assert_uint_eq(d->u.tbf.peakrate, 2000000);
    ck_assert_uint_eq(d->u.tbf.mtu, 1540);
    refuses("tbf burst 15kb latency 50ms", "needs a rate");
    refuses("tbf rate 10mbit latency 50ms", "needs a burst");
    refuses("tbf rate 10mbit burst 15kb", "either 'latency' or 'limit'");
    refuses("tbf rate 10mbit burst 15kb latency 50ms limit 10kb", "not both");
    refuses("tbf rate 10mbit burst 15kb latency 50ms peakrate 20mbit", "go together");
    refuses("tbf rate 10mbit burst 15kb latency 50ms peakrate 5mbit mtu 1540",
            "more than its rate");
    refuses("tbf rate fast burst 15kb latency 50ms", "'fast'");
    refuses("tbf rate 10mbit burst many latency 50ms", "'many'");
}
END_TEST

START_TEST(fq_codel_words)
{
    const struct td_qdisc *d;

    writes("fq_codel", "limit 10240p flows 1024 quantum 1514 target 5ms interval 100ms "
                       "memory_limit 32Mb ecn drop_batch 64");
    writes("fq_codel limit 100 flows 16 quantum 300 target 1ms interval 20ms ce_threshold 2ms "
           "memory_limit 1mb noecn drop_batch 1",
           "limit 100p flows 16 quantum 300 target 1ms ce_threshold 2ms interval 20ms memory_limit "
           "1Mb drop_batch 1");
    d = reads("fq_codel seed 9");
    ck_assert_uint_eq(d->u.fq_codel.seed, 9);
    refuses("fq_codel flows 0", "'flows'");
    refuses("fq_codel flows 65537", "'flows'");
    refuses("fq_codel target 0ms", "'target'");
    refuses("fq_codel quantum 10", "'quantum'");
    refuses("fq_codel rate 5mbit", "'rate'");
}
END_TEST

START_TEST(red_words)
{
    const struct td_qdisc *d = reads("red limit 400kb");

    ck_assert_uint_eq(d->u.red.avpkt, 1000); /* tc-red(8)'s defaults */
    ck_assert_uint_eq(d->u.red.max, 102400);
    ck_assert_uint_eq(d->u.red.min, 34133);
    ck_assert_uint_eq(d->u.red.burst, (2 * 34133 + 102400) / 3000);
    ck_assert_uint_eq(d->u.red.max_p, td_percent(2));
    ck_assert_uint_ge(d->u.red.wlog, 1);
    d = reads("red limit 400000 min 30000 max 90000 avpkt 1000 burst 55 probability 0.1 bandwidth "
              "10mbit ecn adaptive");
    ck_assert_uint_eq(d->u.red.max_p, td_percent(10));
    ck_assert(d->u.red.ecn && d->u.red.adaptive && !d->u.red.harddrop);
    ck_assert_uint_eq(d->u.red.wlog, 5); /* 26 <= (1 - (1 - W)^55) / W first for W = 1/32 */
    d = reads("red limit 1000mb avpkt 1"); /* a burst of 2^29 frames is no loop of as many steps */
    ck_assert_uint_eq(d->u.red.burst, (2 * (1048576000U / 4 / 3) + 1048576000U / 4) / 3);
    ck_assert_uint_eq(d->u.red.wlog, 26);
    refuses("red limit 100kb burst 0", "a whole number from 1 to 1000000 instead of '0'");
    refuses("red min 10kb", "needs a limit");
    refuses("red limit 100kb min 50kb max 40kb", "min below max");
    refuses("red limit 100kb max 200kb", "not above limit");
    refuses("red limit 400kb min 30kb max 90kb burst 3", "burst of 3");
    refuses("red limit 400kb probability 2", "probability");
}
END_TEST

START_TEST(chains)
{
    reads("tbf rate 10mbit burst 15kb latency 50ms / fq_codel target 2ms");
    ck_assert_uint_eq(chain.depth, 2);
    ck_assert_int_eq(chain.q[1].kind, TD_QDISC_FQ_CODEL);
    ck_assert_uint_eq(chain.q[1].u.fq_codel.target, 2 * TD_MS);
    reads("netem delay 20ms / tbf rate 1mbit burst 2kb limit 10kb / pfifo limit 5");
    ck_assert_uint_eq(chain.depth, 3);
    writes("pfifo limit 5", "limit 5p");
    writes("bfifo limit 10kb", "limit 10Kb");
    refuses("", "there is no queue discipline");
    refuses("htb rate 1mbit", "'htb'");
    refuses("fq_codel / pfifo", "inside a fq_codel");
    refuses("netem delay 1ms /", "''");
    refuses("netem / netem / netem / netem / pfifo", "at most 4");
    refuses("netem delay 1ms speed 5", "'speed'");
    refuses("bfifo", "bfifo needs a limit");
    refuses("pfifo limit 0", "'limit'");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("qdisc words");
    TCase *t = tcase_create("qdisc words");

    tcase_add_test(t, netem_words);
    tcase_add_test(t, netem_stops);
    tcase_add_test(t, netem_refusals);
    tcase_add_test(t, netem_correlations_distributions_and_states);
    tcase_add_test(t, tbf_words);
    tcase_add_test(t, fq_codel_words);
    tcase_add_test(t, red_words);
    tcase_add_test(t, chains);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
