/* Linux as the sender, captured in namespaces with its own log beside (tests/apps/replay/linux/README.md): what is inferred of its
 * congestion window against what it was, and how many of its retransmissions the stack sends in its place. */
#include "check_main.h"

#include <stdio.h>
#include <stdlib.h>

#include "replay/play.h"
#include "replay/track.h"

#define DIR "tests/apps/replay/linux/"

static const struct {
    const char *capture, *log;
    unsigned same; /* percent of the frames, at least */
} each[] = {
    {"reno", "reno", 98}, {"cubic-gso", "cubic-gso", 98}, {"bbr", "bbr", 94}, {"reno-far", "reno", 90},
};

struct sample {
    int64_t t; /* ns since 1970 */
    double cwnd, srtt;
};
static struct sample samples[4096];
static unsigned nsamples;
static double off[8192], off_rtt[8192];
static unsigned noff, noff_rtt;
static char msg[512];

static void read_log(const char *name)
{
    char path[128];
    unsigned long long t, cwnd, ssthresh, srtt;
    (void)snprintf(path, sizeof(path), DIR "%s.log", name);
    FILE *f = fopen(path, "r");
    ck_assert_msg(f != NULL, "%s", path);
    for (nsamples = 0; nsamples < 4096 && fscanf(f, "%llu %llu %llu %llu", &t, &cwnd, &ssthresh, &srtt) == 4; nsamples++)
        samples[nsamples] = (struct sample){.t = (int64_t)t, .cwnd = (double)cwnd, .srtt = (double)srtt / 1000};
    fclose(f);
    ck_assert_uint_gt(nsamples, 100);
}

static const struct sample *at(int64_t t)
{
    const struct sample *s = NULL;
    for (unsigned i = 0; i < nsamples && samples[i].t <= t; i++)
        s = &samples[i];
    return s;
}

static double apart(double is, double should)
{
    return is > should ? (is - should) / should : (should - is) / should;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct capture_reader *open_capture(const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof(path), DIR "%s.pcap.gz", name);
    struct capture_reader *r = capture_open(path, msg, sizeof(msg));
    ck_assert_msg(r != NULL, "%s", msg);
    return r;
}

static void compare(const struct track_row *row)
{
    const struct track_guess *g = &row->guess[0];
    const struct sample *s = at(row->t);
    if (s == NULL || g->cwnd == 0 || g->mss == 0 || noff == 8192)
        return;
    off[noff++] = apart((double)g->cwnd / (double)g->mss, s->cwnd);
    if (g->srtt > 0)
        off_rtt[noff_rtt++] = apart((double)g->srtt / 1e6, s->srtt);
}

START_TEST(window_inferred)
{
    struct capture_reader *r = open_capture(each[_i].capture);
    struct flows flows;
    struct viewer viewer = {0};
    struct capture_frame frame;
    struct track_row row;
    struct view v;
    uint64_t number = 0;
    struct flow *f = NULL;
    int side;
    read_log(each[_i].log);
    flows_init(&flows);
    noff = noff_rtt = 0;
    while (capture_next(r, &frame, msg, sizeof(msg)) == 1) {
        ck_assert_int_eq(view_make(&viewer, &frame, ++number, &v), VIEW_OK);
        f = flows_packet(&flows, &v, &side);
        ck_assert_ptr_nonnull(f);
        ck_assert(track_packet(f, side, &v, v.wall, true, &row));
        compare(&row);
    }
    ck_assert_uint_gt(noff, 300);
    qsort(off, noff, sizeof(*off), by_size);
    qsort(off_rtt, noff_rtt, sizeof(*off_rtt), by_size);
    ck_assert_msg(off[noff / 2] <= 0.25, "%s: cwnd is off by %.0f %%", each[_i].capture, 100 * off[noff / 2]);
    ck_assert_msg(off_rtt[noff_rtt / 2] <= 0.25, "%s: srtt is off by %.0f %%", each[_i].capture, 100 * off_rtt[noff_rtt / 2]);
    track_free(f);
    viewer_done(&viewer);
    flows_done(&flows);
    capture_close(r);
}
END_TEST

/* It isn't made to: what the capture shows sent again is not in what the stack is told. */
START_TEST(retransmissions_reproduced)
{
    struct capture_reader *r = open_capture(each[_i].capture);
    struct play p;
    ck_assert_msg(play_load(&p, r, each[_i].capture, 0, "client", msg, sizeof(msg)) == 0, "%s", msg);
    capture_close(r);
    ck_assert_msg(play_run(&p, msg, sizeof(msg)) == 0, "%s", msg);
    uint64_t all = 0;
    for (unsigned v = 0; v < PLAY_VERDICTS; v++)
        all += v != PLAY_EXTRA ? p.count[v] : 0;
    ck_assert_uint_ge(p.again_captured, 7);
    ck_assert_msg(p.again_both * 10 >= p.again_captured * 9, "%s: %u of %u", each[_i].capture, (unsigned)p.again_both,
                  (unsigned)p.again_captured);
    ck_assert_msg(p.again_sent <= 2 * p.again_captured, "%s: %u sent again", each[_i].capture, (unsigned)p.again_sent);
    ck_assert_msg(p.count[PLAY_SAME] * 100 >= all * each[_i].same, "%s: %u of %u the same", each[_i].capture,
                  (unsigned)p.count[PLAY_SAME], (unsigned)all);
    ck_assert_uint_eq(p.why[CAUSE_UNEXPLAINED].count, 0);
    ck_assert(p.windowed);
    play_done(&p);
}
END_TEST

/* The receiver is Linux too. */
START_TEST(receiver_explained)
{
    struct capture_reader *r = open_capture("reno-far"); /* made there */
    struct play p;
    ck_assert_msg(play_load(&p, r, "reno-far", 0, "server", msg, sizeof(msg)) == 0, "%s", msg);
    capture_close(r);
    ck_assert_msg(play_run(&p, msg, sizeof(msg)) == 0, "%s", msg);
    ck_assert_uint_gt(p.count[PLAY_SAME], 200);
    ck_assert_uint_eq(p.why[CAUSE_UNEXPLAINED].count, 0);
    play_done(&p);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("replay fidelity");
    TCase *tc = tcase_create("linux");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, window_inferred, 0, 4);
    tcase_add_loop_test(tc, retransmissions_reproduced, 0, 4);
    tcase_add_test(tc, receiver_explained);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
