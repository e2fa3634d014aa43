/* replay/infer.c against the truth: our own stack sends over a bottleneck in virtual time, captured at both
 * ends, and what the tracker infers of its congestion window is compared with what it was.
 *
 * With CAPTURES=DIRECTORY in the environment the captures are written there, for other tests. */
#include "check_main.h"

#include <string.h>

#define flows bottleneck /* both have a struct of this name */
#include "flows.h"
#undef flows
#undef FLOWS_MAX

#include "replay/track.h"

struct place { /* where a capture is made */
    struct flows flows;
    struct viewer viewer;
    struct flow *flow;
    struct track_row row; /* the last */
    uint64_t number;
    FILE *file;
};
struct errors {
    double *at;
    unsigned n, room;
};
struct look {
    struct place place[2]; /* at the sender, at the receiver */
    struct errors cwnd[2], srtt[2];
    td_time began;
};

static void note(struct errors *e, double is, double should)
{
    if (e->n == e->room) {
        e->room = e->room == 0 ? 1024 : 2 * e->room;
        e->at = realloc(e->at, e->room * sizeof(*e->at));
        ck_assert_ptr_nonnull(e->at);
    }
    e->at[e->n++] = is > should ? (is - should) / should : (should - is) / should;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(struct errors *e, unsigned hundredths)
{
    ck_assert_uint_gt(e->n, 100);
    qsort(e->at, e->n, sizeof(*e->at), by_size);
    return e->at[(e->n - 1) * hundredths / 100];
}

static void put32le(uint8_t *b, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        b[i] = (uint8_t)(v >> 8 * i);
}

static void file_frame(FILE *f, td_time now, const uint8_t *bytes, uint32_t n)
{
    uint8_t h[16];
    uint32_t kept = n < 128 ? n : 128;
    put32le(h, (uint32_t)(now / TD_SEC));
    put32le(h + 4, (uint32_t)(now % TD_SEC));
    put32le(h + 8, kept);
    put32le(h + 12, n);
    fwrite(h, 1, sizeof(h), f);
    fwrite(bytes, 1, kept, f);
}

static void tap(void *ctx, bool arrives, int dir, td_time now, const struct pkt *p)
{
    struct look *l = ctx;
    struct place *at = &l->place[arrives == (dir == 0)];
    uint8_t bytes[2048];
    struct view v;
    int side;
    uint32_t n = p->len < sizeof(bytes) ? p->len : sizeof(bytes);
    ck_assert(pkt_read(p, 0, bytes, n));
    const struct capture_frame f = {.wall = (int64_t)now, .timed = true, .link = 1, .caplen = n, .len = n, .bytes = bytes};
    ck_assert_int_eq(view_make(&at->viewer, &f, ++at->number, &v), VIEW_OK);
    if (at->file != NULL)
        file_frame(at->file, now, bytes, n);
    struct flow *flow = flows_packet(&at->flows, &v, &side);
    if (flow == NULL)
        return;
    at->flow = flow;
    ck_assert(track_packet(flow, side, &v, (int64_t)now, false, &at->row));
}

static void watch(void *ctx, struct bottleneck *f, unsigned i, td_time now, const struct tcb *t, bool losing)
{
    struct look *l = ctx;
    (void)f;
    (void)i;
    (void)losing;
    if (now < 200 * TD_MS)
        return;
    for (int k = 0; k < 2; k++) {
        const struct track_guess *g = &l->place[k].row.guess[0];
        note(&l->cwnd[k], g->cwnd, t->cc.cwnd);
        if (t->cc.srtt > 0)
            note(&l->srtt[k], (double)g->srtt, (double)t->cc.srtt);
    }
}

static void begin_file(struct place *at, const char *name, const char *where)
{
    const char *dir = getenv("CAPTURES");
    char path[512];
    uint8_t h[24] = {0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0}; /* pcap with nanoseconds, little-endian */
    if (dir == NULL)
        return;
    (void)snprintf(path, sizeof(path), "%s/%s-%s.pcap", dir, name, where);
    at->file = fopen(path, "wb");
    ck_assert_ptr_nonnull(at->file);
    put32le(h + 16, 128);
    put32le(h + 20, 1);
    fwrite(h, 1, sizeof(h), at->file);
}

static void run(const char *name, struct flows_plan plan, double sender, double receiver)
{
    struct look l = {.began = 0};
    struct flows_result r;
    plan.watch = watch;
    plan.tap = tap;
    plan.ctx = &l;
    plan.n = 1;
    for (int k = 0; k < 2; k++) {
        flows_init(&l.place[k].flows);
        begin_file(&l.place[k], name, k == 0 ? "sender" : "receiver");
    }
    flows_run(&plan, &r);
    const double most[2] = {sender, receiver};
    for (int k = 0; k < 2; k++) {
        const struct track_stats *s = track_stats(l.place[k].flow, 0);
        double median = percentile(&l.cwnd[k], 50);
        ck_assert_msg(median <= most[k], "%s, at %d: the median error of cwnd is %.1f %%", name, k, 100 * median);
        double srtt = percentile(&l.srtt[k], 50);
        ck_assert_msg(srtt <= 0.25, "%s, at %d: the median error of srtt is %.1f %%", name, k, 100 * srtt);
        if (k == 0) /* everything that was sent is seen there, and nothing else */
            ck_assert_uint_eq(s->rtx_packets, r.flow[0].retrans);
        if (getenv("CAPTURES") != NULL)
            printf("# %s, at the %s: median error of cwnd %.1f %%, p90 %.1f %%, of srtt %.1f %%\n", name, k == 0 ? "sender" : "receiver",
                   100 * median, 100 * percentile(&l.cwnd[k], 90), 100 * srtt);
        track_free(l.place[k].flow);
        for (struct flow *f = l.place[k].flows.head; f != NULL; f = f->next)
            track_free(f);
        flows_done(&l.place[k].flows);
        viewer_done(&l.place[k].viewer);
        if (l.place[k].file != NULL)
            fclose(l.place[k].file);
        free(l.cwnd[k].at);
        free(l.srtt[k].at);
    }
}

#define LINE .rate = 10000000, .delay = 20 * TD_MS, .queue = 40, .duration = 5 * TD_SEC

START_TEST(test_reno)
{
    run("reno", (struct flows_plan){LINE, .flow = {{"reno", 0}}}, 0.05, 0.10);
}
END_TEST

START_TEST(test_cubic)
{
    run("cubic", (struct flows_plan){LINE, .flow = {{"cubic", 0}}}, 0.05, 0.10);
}
END_TEST

START_TEST(test_losses)
{
    run("losses", (struct flows_plan){LINE, .loss = 0.01, .flow = {{"cubic", 0}}}, 0.10, 0.15);
}
END_TEST

START_TEST(test_without_timestamps)
{
    static const char *const knobs[][2] = {{"net.ipv4.tcp_timestamps", "0"}, {NULL, NULL}};
    run("plain", (struct flows_plan){LINE, .knob = knobs, .flow = {{"cubic", 0}}}, 0.05, 0.25);
}
END_TEST

START_TEST(test_without_sack)
{
    static const char *const knobs[][2] = {{"net.ipv4.tcp_sack", "0"}, {NULL, NULL}};
    run("newreno", (struct flows_plan){LINE, .knob = knobs, .flow = {{"reno", 0}}}, 0.10, 0.15);
}
END_TEST

/* Fifty segments each round trip of 50 ms, whatever is lost: that sender goes by rate. One that sends 35 after
 * a loss doesn't. */
START_TEST(test_by_rate)
{
    for (unsigned after = 35; after <= 50; after += 15) {
        struct infer f = {0};
        tcp_seq una = 1000, nxt = 1000;
        infer_begin(&f, nxt, 1000, 10000);
        for (unsigned round = 0; round < 39; round++) {
            int64_t t = (1 + (int64_t)round) * 50 * 1000000;
            bool lost = round % 8 == 6, again = round % 8 == 7;
            struct infer_heard a = {.t = t, .ack = round == 0 ? nxt : nxt - 1000}; /* the last is on its way still */
            infer_rtt(&f, t, 50 * 1000000);
            if (again) { /* the first of the round before is missing */
                a.ack = una;
                a.nsack = 1;
                a.sack[0] = (struct range){una + 1000, nxt};
            }
            infer_heard(&f, &a);
            struct infer_data d = {.t = t, .seq = una, .end = una + 1000, .kind = INFER_AGAIN};
            if (again)
                infer_data(&f, &d);
            if (!again)
                una = a.ack;
            d.kind = INFER_NEW;
            for (unsigned i = again ? 1 : 0; i < (round % 8 < 3 && round > 8 ? after : 50); i++) {
                d.seq = nxt;
                d.end = nxt += 1000;
                d.t += 1000;
                infer_data(&f, &d);
            }
            if (lost)
                ck_assert_uint_gt(f.cwnd, 30000);
        }
        ck_assert_str_eq(infer_phase_text(&f), after == 50 ? "by rate" : "congestion avoidance");
        ck_assert_int_eq(f.ignored >= 2, after == 50);
        if (after == 50) /* 1000 bytes/ms for 50 ms, twice, and six segments */
            ck_assert(f.cwnd >= 95000 && f.cwnd <= 125000);
        infer_free(&f);
    }
}
END_TEST

/* Two segments acknowledged every 4 ms, 40 ms after they left. Who sends two more when the acknowledgement comes has a window; who
 * sends one every 2 ms whatever comes goes by rate, and is known by that at both ends of the way. */
START_TEST(test_by_clock)
{
    const int64_t ms = 1000000;
    for (unsigned i = 0; i < 4; i++) {
        bool near = i < 2, paced = i % 2 != 0;
        int64_t lag = near ? 0 : 20 * ms;
        struct infer f = {0};
        infer_begin(&f, 1000, 1000, 10000);
        infer_lag(&f, lag);
        struct infer_data d = {.has_ts = true, .seq = 1000, .kind = INFER_NEW};
        for (int64_t t = 4 * ms; t < 1200 * ms; t += 4 * ms) {
            const struct infer_heard a = {.t = t - lag, .ack = t > 40 * ms ? d.seq - 18000 : 1000, .has_ts = true,
                                          .tsval = (uint32_t)(t / ms)};
            infer_heard(&f, &a);
            infer_rtt(&f, t - lag, 40 * ms - lag);
            for (int64_t k = 0; k < 2; k++) {
                int64_t left = t + (paced ? ms + 2 * k * ms : 10000 + k);
                d.t = left; /* seen here where it was made; afar the acknowledgement was seen before by the lag */
                d.tsval = (uint32_t)(left / ms);
                d.tsecr = a.tsval;
                d.end = d.seq + 1000;
                infer_data(&f, &d);
                d.seq = d.end;
            }
        }
        ck_assert_int_eq(strcmp(infer_phase_text(&f), "by rate") == 0, paced);
        if (paced) /* 500 bytes/ms for 40 ms, twice, and six segments */
            ck_assert_msg(f.cwnd >= 42000 && f.cwnd <= 52000, "%u", f.cwnd);
        else
            ck_assert_msg(f.cwnd >= 18000 && f.cwnd <= 22000, "%u", f.cwnd);
        infer_free(&f);
    }
}
END_TEST

/* A window counts segments: five in flight are five, however short two of them are. */
START_TEST(test_short_segments)
{
    struct infer f = {0};
    struct infer_data d = {.t = 1000000, .seq = 1000, .kind = INFER_NEW};
    infer_begin(&f, 1000, 1000, 2000);
    for (unsigned i = 0; i < 5; i++) {
        d.end = d.seq + (i % 2 == 0 ? 1000 : 10);
        infer_data(&f, &d);
        d.seq = d.end;
    }
    ck_assert_uint_eq(f.cwnd, 5000);
    const struct infer_heard a = {.t = 2000000, .ack = 1000 + 1000 + 10};
    infer_heard(&f, &a);
    d.t = 3000000;
    d.end = d.seq + 1000;
    infer_data(&f, &d);
    ck_assert_uint_eq(f.cwnd, 5000); /* four are in flight */
    ck_assert_uint_eq(f.nshorts, 1);
    infer_free(&f);
}
END_TEST

/* Far away, without timestamps: 40 segments were sent from what was lost to its repetition, three of them for duplicates. And
 * again, and again: no window is so large so soon after a loss. */
START_TEST(test_from_afar)
{
    const int64_t ms = 1000000;
    struct infer f = {0};
    infer_begin(&f, 1000, 1000, 10000);
    infer_lag(&f, 30 * ms);
    struct infer_data d = {.seq = 1000, .kind = INFER_NEW};
    for (unsigned episode = 0; episode < 3; episode++) {
        tcp_seq lost = d.seq;
        for (unsigned i = 0; i < 40; i++) {
            d.t += ms;
            d.end = d.seq + 1000;
            infer_data(&f, &d);
            d.seq = d.end;
        }
        struct infer_heard a = {.t = d.t, .ack = lost, .duplicate = true, .nsack = 1, .sack = {{lost + 1000, lost + 4000}}};
        infer_heard(&f, &a);
        struct infer_data again = {.t = d.t + 30 * ms, .seq = lost, .end = lost + 1000, .kind = INFER_AGAIN};
        infer_data(&f, &again);
        ck_assert_uint_eq(f.prior_cwnd, 37000);
        ck_assert_uint_le(f.cwnd, 37000);
        a = (struct infer_heard){.t = again.t + 30 * ms, .ack = d.seq};
        infer_heard(&f, &a);
        d.t = a.t + 60 * ms;
        d.end = d.seq + 1000;
        infer_data(&f, &d); /* by now it knows */
        d.seq = d.end;
        ck_assert_str_eq(infer_phase_text(&f), episode < 2 ? "congestion avoidance" : "by rate");
        if (episode == 0)
            ck_assert(f.cwnd >= 18000 && f.cwnd <= 28000); /* a half of it, or 0.7 */
        d.seq = f.nxt;
    }
    infer_free(&f);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *s = suite_create("replay/infer");
    TCase *c = tcase_create("infer");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, test_reno);
    tcase_add_test(c, test_cubic);
    tcase_add_test(c, test_losses);
    tcase_add_test(c, test_without_timestamps);
    tcase_add_test(c, test_without_sack);
    tcase_add_test(c, test_by_rate);
    tcase_add_test(c, test_by_clock);
    tcase_add_test(c, test_short_segments);
    tcase_add_test(c, test_from_afar);
    suite_add_tcase(s, c);
    return s;
}
CHECK_MAIN(make_suite)
