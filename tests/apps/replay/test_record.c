/* Recordings: what a stack was given, written down, gives the same run again; whatever isn't the
 * same is found and named. */
#include "recorded.h"

#include "common/text.h"
#include "replay/record_tape.h"
#include "tapdeckd/deck.h"

START_TEST(test_a_transfer_with_loss_replays)
{
    struct recorded r;
    struct rec_writer w[2];
    struct record_run run;
    char msg[512];
    const struct td_netem lossy = {.delay = 5 * TD_MS, .loss = UINT32_MAX / 50};
    rec_open(&r, 0, 64U << 20);
    rec_listen(&r, 0, 80);
    rec_listen(&r, 1, 80);
    sim_impair(r.wire, &lossy, &lossy);
    rec_transfer(&r, 0, 80, &w[0], 300000);
    rec_run(&r, TD_SEC);
    rec_start(&r, 1U << 20, 8); /* in the middle of it */
    rec_transfer(&r, 1, 80, &w[1], 300000);
    ck_assert_int_eq(td_knob_set(r.st[0], "net.ipv4.tcp_rmem", "4096 20000 20000"), 0);
    rec_run(&r, 60 * TD_SEC);
    ck_assert_uint_eq(r.got, 600000);
    uint64_t in = r.rec.in, out = r.rec.out, calls = r.rec.calls,
             written = r.st[0]->journal.written;
    recorder_stop(&r.rec);
    enum record_step s = rec_replay(&run, NULL, msg);
    ck_assert_msg(s == RECORD_STEP_END, "%d: %s", s, msg);
    ck_assert(run.ended && !run.broken);
    ck_assert_int_eq(run.why, RECORD_ASKED);
    ck_assert_uint_eq(run.in, in);
    ck_assert_uint_eq(run.out, out);
    ck_assert_uint_eq(run.calls, calls);
    ck_assert_uint_gt(out, 200);
    ck_assert_uint_eq(run.st->journal.written, written);
    ck_assert_mem_eq(&run.st->counters, &r.st[0]->counters, sizeof run.st->counters);
    record_run_close(&run);
    rec_close(&r);
}
END_TEST

START_TEST(test_as_a_tape_a_step_is_a_frame)
{
    struct recorded r;
    struct rec_writer w;
    char msg[512];
    int status;
    struct text line = {0};
    rec_open(&r, 0, 64U << 20);
    rec_listen(&r, 1, 80);
    rec_transfer(&r, 0, 80, &w, 50000);
    rec_run(&r, 2 * TD_SEC);
    recorder_app(&r.rec, 1, "httpd -p 80 /srv");
    recorder_app(&r.rec, 2, "echo");
    recorder_app(&r.rec, 2, "");
    rec_transfer(&r, 0, 80, &w, 50000);
    rec_run(&r, 5 * TD_SEC);
    uint64_t in = r.rec.in, out = r.rec.out, frames[2] = {0};
    rec_start(&r, 1U << 20, 8);
    recorder_stop(&r.rec);
    struct tape *t = record_tape_open(rec_path, NULL, &status, msg, sizeof msg);
    ck_assert_msg(t != NULL, "%s", msg);
    ck_assert_uint_eq(t->total, in + out);
    ck_assert_uint_eq(t->first, 1);
    ck_assert_uint_eq(t->last, in + out);
    ck_assert_uint_ge(t->length, 6 * TD_SEC);
    td_time before = 0;
    enum tape_step s;
    while ((s = t->ops->step(t, msg, sizeof msg)) == TAPE_FRAME) {
        ck_assert_uint_eq(t->frame.number, t->steps);
        ck_assert_uint_ge(t->frame.at, before);
        ck_assert_uint_ge(t->frame.len, 42);
        ck_assert_uint_eq(t->frame.ifindex, r.index[0]);
        frames[t->frame.dir == TAPE_OUT]++;
        before = t->frame.at;
        text_consume(&line, line.len);
        t->ops->line(t, &line);
        ck_assert_ptr_nonnull(
            strstr(line.s, t->frame.dir == TAPE_OUT ? "  eth0     out  " : "  eth0     in   "));
    }
    ck_assert_msg(s == TAPE_END, "%s", msg);
    ck_assert_uint_eq(frames[0], in);
    ck_assert_uint_eq(frames[1], out);
    ck_assert_int_eq(t->ops->step(t, msg, sizeof msg), TAPE_END);
    ck_assert_uint_eq(t->steps, in + out);
    /* What ran is known by name. */
    ck_assert_str_eq(deck_owner(t->deck, 1), "httpd");
    ck_assert_str_eq(deck_owner(t->deck, 2), "");
    ck_assert_str_eq(t->deck->apps->line, "httpd -p 80 /srv");
    ck_assert_ptr_null(t->deck->apps->next);
    t->ops->close(t);
    text_free(&line);
    rec_close(&r);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("record");
    TCase *t = tcase_create("record");
    tcase_add_unchecked_fixture(t, NULL, rec_clean);
    tcase_add_test(t, test_a_transfer_with_loss_replays);
    tcase_add_test(t, test_as_a_tape_a_step_is_a_frame);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
