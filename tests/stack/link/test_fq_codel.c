/* fq_codel: the control law to the nanosecond, fairness between flows, the new flow that goes
 * first, limits, marks. And the purpose of it all: a connection's round trip under load, with a
 * long queue and with fq_codel.
 */
#include "core/stack.h"
#include "dev/sim.h"
#include "frames.h"
#include "link/codel.h"
#include "link/frame.h"
#include "tapdeck/socket.h"
#include "qdisc_rig.h"

#include <errno.h>
#include <math.h>
#include <poll.h>

static void make(struct td_fq_codel f)
{
    q = qdisc_fq_codel(&m, &f);
    ck_assert_ptr_nonnull(q);
    q->sink = &heard.sink;
}

static void put(uint16_t flow, uint32_t len, uint8_t tos, td_time now)
{
    struct pkt *p = frame_udp(&m, flow, len, tos);

    p->id = flow;
    ck_assert_int_eq(qdisc_enqueue(q, p, now), 0);
}

START_TEST(the_law)
{
    for (uint32_t n = 1; n < 100000; n = n * 3 + 1) {
        td_time next = codel_law(TD_SEC, 100 * TD_MS, n) - TD_SEC;

        ck_assert_double_eq_tol((double)next, 1e8 / sqrt(n), 1e8 / sqrt(n) * 2e-5 + 1);
    }
    ck_assert_uint_eq(codel_law(5, 100, 1), 105);
    ck_assert_uint_eq(codel_law(5, 100, 4), 55);
}
END_TEST

/* A queue that stands above target: nothing for an interval, then drops at interval / sqrt(n). */
START_TEST(a_standing_queue_is_dropped_from_by_the_law)
{
    td_time at[12], now = 0;
    unsigned n = 0;

    make(TD_FQ_CODEL_DEFAULTS);
    for (int i = 0; i < 9000; i++)
        put(1, 1000, 0, 0);
    for (now = 10 * TD_MS; n < 12;
         now += 100 * TD_US) { /* a frame every 100 us: the queue never empties */
        unsigned before = heard.why[W_SOJOURN];

        ck_assert_uint_eq(get(now), 1);
        ck_assert_uint_le(heard.why[W_SOJOURN], before + 1);
        if (heard.why[W_SOJOURN] > before)
            at[n++] = now;
    }
    ck_assert_uint_eq(at[0], 110 * TD_MS); /* the first frame above target was seen at 10 ms */
    double due = (double)at[0];
    for (unsigned i = 1; i < 12; i++) {
        due += 1e8 / sqrt(i);
        ck_assert_double_eq_tol((double)at[i], due, 2e5); /* looked at every 100 us */
    }
    ck_assert_uint_eq(heard.count[QDISC_CODEL], 1);
    /* Empty it: the next frame waits less than target, and it ends. */
    while (qdisc_all_packets(q) > 0)
        (void)get(now);
    put(1, 1000, 0, now);
    unsigned dropped = heard.why[W_SOJOURN];
    ck_assert_uint_eq(get(now), 1);
    ck_assert_uint_eq(heard.why[W_SOJOURN], dropped);
    ck_assert_uint_eq(heard.count[QDISC_CODEL], 2);
}
END_TEST

START_TEST(a_queue_that_empties_is_let_be)
{
    make(TD_FQ_CODEL_DEFAULTS);
    for (td_time now = 0; now < 10 * TD_SEC; now += 100 * TD_MS) {
        for (int i = 0; i < 50; i++)
            put(1, 1000, 0, now);
        for (int i = 0; i < 50; i++) /* the last one waits 49 ms */
            ck_assert_uint_eq(get(now + (td_time)i * TD_MS), 1);
    }
    ck_assert_uint_eq(heard.count[QDISC_DROPPED], 0);
}
END_TEST

START_TEST(who_understands_is_marked)
{
    make(TD_FQ_CODEL_DEFAULTS);
    for (int i = 0; i < 1000; i++)
        put(1, 1000, 2, 0);
    for (int i = 0; i < 1000; i++)
        ck_assert_uint_eq(get(10 * TD_MS + (td_time)i * TD_MS), 1);
    ck_assert_uint_eq(heard.count[QDISC_DROPPED], 0);
    ck_assert_uint_gt(heard.why[W_SOJOURN], 20);
    ck_assert_uint_eq(q->marks, heard.why[W_SOJOURN]);
    struct fq_codel_stats s;
    ck_assert(qdisc_fq_codel_stats(q, &s));
    ck_assert_uint_eq(s.ecn_mark, q->marks);
}
END_TEST

START_TEST(ce_threshold_marks_without_a_drop)
{
    struct td_fq_codel f = TD_FQ_CODEL_DEFAULTS;
    struct pkt *p;

    f.ce_threshold = TD_MS;
    make(f);
    put(1, 500, 1, 0);
    put(2, 500, 1, 0);
    p = qdisc_dequeue(q, TD_MS);
    ck_assert((frame_kinds(p) & TD_KIND_CE) == 0);
    pkt_free(p);
    p = qdisc_dequeue(q, TD_MS + 1);
    ck_assert((frame_kinds(p) & TD_KIND_CE) !=
              0); /* and its checksum is right, or it would have no kind */
    pkt_free(p);
    ck_assert_uint_eq(heard.why[W_CE_THRESHOLD], 1);
}
END_TEST

/* Two flows of long frames and one of short: each gets the same bytes. */
START_TEST(fair_in_bytes)
{
    uint64_t bytes[4] = {0};
    struct td_fq_codel f = TD_FQ_CODEL_DEFAULTS;

    f.seed = 1;
    make(f);
    for (int i = 0; i < 300; i++) {
        put(1, 1500, 0, 0);
        put(2, 1500, 0, 0);
        for (int k = 0; k < 5; k++)
            put(3, 300, 0, 0);
    }
    for (int i = 0; i < 1000; i++) {
        struct pkt *p = qdisc_dequeue(q, TD_MS);

        bytes[p->id] += p->len;
        pkt_free(p);
    }
    for (int i = 1; i <= 3; i++)
        ck_assert_double_eq_tol((double)bytes[i], (double)bytes[1], 2 * 1514);
}
END_TEST

START_TEST(a_new_flow_goes_first)
{
    make(TD_FQ_CODEL_DEFAULTS);
    for (int i = 0; i < 100; i++)
        put(1, 1500, 0, 0);
    ck_assert_uint_eq(get(0), 1);
    ck_assert_uint_eq(get(0), 1); /* the quantum is over: an old flow from now on */
    put(2, 100, 0, 0);
    ck_assert_uint_eq(get(0), 2);
    ck_assert_uint_eq(get(0), 1);
    /* Having been new and empty it is old: one that comes again and again can't starve the others
     * (RFC 8290 4.2). */
    unsigned turns[3] = {0};
    for (int i = 0; i < 150; i++) {
        put(2, 1500, 0, 0);
        turns[get(0)]++;
        if (i % 2 == 0)
            continue;
        turns[get(0)]++;
    }
    ck_assert_uint_gt(turns[1], 90);
}
END_TEST

START_TEST(over_the_limit_the_longest_queue_pays)
{
    struct td_fq_codel f = TD_FQ_CODEL_DEFAULTS;
    struct fq_codel_stats s;

    f.limit = 100;
    f.drop_batch = 10;
    make(f);
    for (int i = 0; i < 5; i++)
        put(2, 100, 0, 0);
    for (int i = 0; i < 96; i++)
        put(1, 1000, 0, 0);
    ck_assert_uint_eq(q->packets, 91); /* ten at once, from the head of the fat flow */
    ck_assert_uint_eq(heard.why[W_FATTEST_FLOW], 10);
    ck_assert(qdisc_fq_codel_stats(q, &s));
    ck_assert_uint_eq(s.drop_overlimit, 10);
    unsigned thin = 0;
    for (uint64_t id; (id = get(0)) != 0;)
        thin += id == 2;
    ck_assert_uint_eq(thin, 5);

    qdisc_destroy(q);
    heard_init(&heard);
    f = TD_FQ_CODEL_DEFAULTS;
    f.memory_limit = 20000;
    make(f);
    for (int i = 0; i < 100; i++)
        put(1, 1000, 0, 0);
    ck_assert(qdisc_fq_codel_stats(q, &s));
    ck_assert_uint_gt(s.drop_overmemory, 0);
    ck_assert_uint_le(s.memory_used, 20000);
}
END_TEST

/* ---- bufferbloat ---- */

struct bloat {
    struct td_stack *a, *b;
    int from, to, listener, ping_a, ping_b;
    td_time pinged, worst, total;
    unsigned answers;
    uint64_t bytes;
};

/* The application: sends all it can, and asks a question over UDP as soon as the last is answered.
 */
static bool bloat_step(void *ctx)
{
    struct bloat *x = ctx;
    td_time now = td_stack_now(x->a);
    static char buf[65536];
    ssize_t n;
    td_ip4 from;
    uint16_t port;

    /* Only what is ready is touched: each call marks its host for this instant. */
    while ((td_poll(x->a, x->from) & POLLOUT) != 0 &&
           td_send(x->a, x->from, buf, sizeof buf, 0) > 0)
        ;
    if (x->to < 0 && (td_poll(x->b, x->listener) & POLLIN) != 0)
        x->to = td_accept(x->b, x->listener, NULL, NULL);
    while (x->to >= 0 && (td_poll(x->b, x->to) & POLLIN) != 0 &&
           (n = td_recv(x->b, x->to, buf, sizeof buf, 0)) > 0)
        x->bytes += (uint64_t)n;
    while ((td_poll(x->b, x->ping_b) & POLLIN) != 0 &&
           (n = td_recvfrom(x->b, x->ping_b, buf, sizeof buf, 0, &from, &port)) > 0)
        (void)td_sendto(x->b, x->ping_b, buf, (size_t)n, 0, from, port);
    while ((td_poll(x->a, x->ping_a) & POLLIN) != 0 &&
           td_recv(x->a, x->ping_a, buf, sizeof buf, 0) > 0) {
        td_time rtt = now - x->pinged;

        x->pinged = 0;
        if (now < 10 * TD_SEC)
            continue; /* while the window opens */
        x->worst = rtt > x->worst ? rtt : x->worst;
        x->total += rtt;
        x->answers++;
    }
    if (x->pinged == 0 || now - x->pinged > 3 * TD_SEC) {
        x->pinged = now;
        (void)td_sendto(x->a, x->ping_a, "?", 1, 0, TD_IP4(10, 0, 0, 2), 7);
    }
    return false;
}

/* One upload for 30 s through 10 Mbit/s and 10 ms each way. The mean round trip of the questions,
 * ms. */
static double bloat_rtt(const struct td_qdisc *inner, double *mbit)
{
    struct sim *s = sim_new(5, TD_SEC);
    struct td_qdisc_chain up = {.depth = 2};
    struct td_netem back = {.delay = 20 * TD_MS, .limit = 10000};
    struct sockaddr_in sa = td_sockaddr(TD_IP4(10, 0, 0, 2), 80);
    struct bloat x = {.to = -1};
    uint32_t ai, bi;

    x.a = sim_host(s, TD_PROFILE_LINUX);
    x.b = sim_host(s, TD_PROFILE_LINUX);
    struct sim_wire *w = sim_join(s, x.a, "eth0", &ai, x.b, "eth0", &bi, 1500);
    ck_assert_int_eq(td_addr_add(x.a, ai, TD_IP4(10, 0, 0, 1), 24), 0);
    ck_assert_int_eq(td_addr_add(x.b, bi, TD_IP4(10, 0, 0, 2), 24), 0);
    up.q[0] = (struct td_qdisc){.kind = TD_QDISC_TBF, .u.tbf = {.rate = 10000000, .burst = 3000}};
    up.q[1] = *inner;
    ck_assert_int_eq(sim_qdisc(w, 0, &up), 0); /* at the wire, where a sender can't see the queue */
    ck_assert_int_eq(sim_impair(w, NULL, &back), 0);
    x.ping_b = td_socket(x.b, AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in echo = td_sockaddr(TD_IP4(10, 0, 0, 2), 7);
    ck_assert_int_eq(td_bind(x.b, x.ping_b, (struct sockaddr *)(void *)&echo, sizeof echo), 0);
    int l = x.listener = td_socket(x.b, AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(td_bind(x.b, l, (struct sockaddr *)(void *)&sa, sizeof sa), 0);
    ck_assert_int_eq(td_listen(x.b, l, 4), 0);
    x.ping_a = td_socket(x.a, AF_INET, SOCK_DGRAM, 0);
    x.from = td_socket(x.a, AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(td_connect(x.a, x.from, (struct sockaddr *)(void *)&sa, sizeof sa),
                     -EINPROGRESS);
    sim_run(s, 31 * TD_SEC, bloat_step, &x);
    sim_free(s);
    *mbit = (double)x.bytes * 8 / 30 / 1e6;
    ck_assert_uint_gt(x.answers, 10);
    return (double)x.total / x.answers / 1e6;
}

START_TEST(bufferbloat_and_its_cure)
{
    const struct td_qdisc pfifo = {.kind = TD_QDISC_PFIFO, .u.fifo.limit = 1000};
    const struct td_qdisc fq = {.kind = TD_QDISC_FQ_CODEL, .u.fq_codel = TD_FQ_CODEL_DEFAULTS};
    double bloated_mbit, cured_mbit, bloated = bloat_rtt(&pfifo, &bloated_mbit),
                                     cured = bloat_rtt(&fq, &cured_mbit);

    ck_assert_msg(bloated > 100, "pfifo: %.1f ms",
                  bloated); /* as much as the sender's window puts there */
    ck_assert_msg(cured < 30, "fq_codel: %.1f ms", cured); /* 20 ms of way, and hardly more */
    ck_assert_msg(bloated > 4 * cured, "pfifo: %.1f ms, fq_codel: %.1f ms", bloated, cured);
    ck_assert_msg(bloated_mbit > 8.5 && cured_mbit > 8.5, "%.2f and %.2f Mbit/s", bloated_mbit,
                  cured_mbit);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("fq_codel");
    TCase *t = tcase_create("fq_codel");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_law);
    tcase_add_test(t, a_standing_queue_is_dropped_from_by_the_law);
    tcase_add_test(t, a_queue_that_empties_is_let_be);
    tcase_add_test(t, who_understands_is_marked);
    tcase_add_test(t, ce_threshold_marks_without_a_drop);
    tcase_add_test(t, fair_in_bytes);
    tcase_add_test(t, a_new_flow_goes_first);
    tcase_add_test(t, over_the_limit_the_longest_queue_pays);
    tcase_add_test(t, bufferbloat_and_its_cure);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
