/* `record`: its words, what it says of itself, and what a deck tells its recorder. */
#include "console.h"

#include <stdlib.h>
#include <unistd.h>

#include "replay/record.h"
#include "replay/record_tape.h"
#include "tapdeckd/deck_time.h"

static struct recorder rec;
static char dir[64], file[96];

static void open_deck(uint64_t keep)
{
    struct td_stack_config c = {.now = TD_SEC, .seed = {7}};
    con.st = td_stack_new(&c);
    ck_assert_ptr_nonnull(con.st);
    recorder_init(&rec, con.st, &c, "test", "1", keep);
    deck_init(&con.deck, con.st, "test");
    con.deck.wall_offset = 1000 * (int64_t)TD_SEC;
    deck_record(&con.deck, &rec);
    snprintf(dir, sizeof dir, "/tmp/tapdeck-record-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(file, sizeof file, "%s/run.deck", dir);
}

static void close_deck(void)
{
    char cmd[128];
    deck_done(&con.deck);
    recorder_done(&rec);
    td_stack_free(con.st);
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    ck_assert_int_eq(system(cmd), 0);
}

static int line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int line(const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return con_line(text, false);
}

static const char *state(void)
{
    static char word[32];
    json_t *j = con_json("record status");
    snprintf(word, sizeof word, "%s", json_string_value(json_object_get(j, "state")));
    json_decref(j);
    return word;
}

START_TEST(test_a_run_is_kept_recorded_and_ended)
{
    open_deck(1U << 20);
    con_done("sysctl -w net.ipv4.ip_forward=1");
    ck_assert_str_eq(state(), "kept");
    con_done("record");
    con_says("`record start FILE` can still write it");
    ck_assert_int_eq(line("record start %s --size 2m --files 3", file), EXIT_DONE);
    ck_assert_str_eq(state(), "recording");
    ck_assert_int_eq(line("record start %s", file), EXIT_USAGE);
    ck_assert_ptr_nonnull(strstr(con.err, "being recorded to already"));
    con_done("app start echo -p 7");
    con_done("app start discard -p 9");
    con_done("app stop 1");
    con_done("record status");
    con_says("file 1 of 3 (2097152 bytes each)");
    con_done("record stop");
    ck_assert_str_eq(state(), "ended");
    con_done("record");
    con_says("has ended: it was stopped");
    con_refused("record stop", "nothing is being recorded");
    ck_assert_int_eq(line("record start %s", file), EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(con.err, "has ended, and what came since is nowhere"));

    char msg[512];
    int status;
    struct tape *t = record_tape_open(file, NULL, &status, msg, sizeof msg);
    ck_assert_msg(t != NULL, "%s", msg);
    ck_assert_uint_eq(t->total, 0);
    ck_assert_int_eq(t->deck->wall_offset, 1000 * (int64_t)TD_SEC);
    ck_assert_str_eq(t->deck->name, "test");
    /* No frame has passed: it stands at the end of the run. */
    ck_assert_str_eq(deck_owner(t->deck, 1), "");
    ck_assert_str_eq(deck_owner(t->deck, 2), "discard");
    t->ops->close(t);
    close_deck();
}
END_TEST

START_TEST(test_words)
{
    open_deck(1U << 20);
    con_refused("record start", "which file?");
    con_refused("record begin x", "record start FILE");
    con_refused("record start /tmp/x --size", "a size in bytes");
    con_refused("record start /tmp/x --size 10k", "write 1m or more");
    con_refused("record start /tmp/x --size 99g", "write 1m or more");
    con_refused("record start /tmp/x --files 0", "write 1 to 1000");
    con_refused("record start /tmp/x --file 1", "record start FILE");
    con_refused("record start /tmp/x /tmp/y", "record start FILE");
    con_refused("record stop now", "record start FILE");
    con_refused("record status now", "record start FILE");
    ck_assert_int_eq(line("record start /nonexistent/x.deck"), EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(con.err, "can't be written: No such file or directory"));
    ck_assert_str_eq(state(), "kept"); /* nothing came of all that */
    close_deck();
}
END_TEST

START_TEST(test_too_late)
{
    open_deck(0);
    ck_assert_str_eq(state(), "off");
    con_done("record");
    con_says("nor can be any more");
    ck_assert_int_eq(line("record start %s", file), EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(con.err, "--record FILE"));
    close_deck();
    con_open(0); /* a deck that nobody gave a recorder */
    ck_assert_str_eq(state(), "off");
    ck_assert_int_eq(line("record start /tmp/x.deck"), EXIT_FAILED);
    con_close();
}
END_TEST

static td_time real_now = TD_SEC;
static td_time real(void *ctx)
{
    (void)ctx;
    return real_now;
}

static void note_wall(void *ctx, int64_t wall)
{
    *(int64_t *)ctx = wall;
}

/* A pause moves the wall clock against the stack's: a replay knows. */
START_TEST(test_pauses_are_noted)
{
    struct deck_time time;
    char msg[512];
    struct record_run run;
    open_deck(1U << 20);
    deck_time_init(&time, real, NULL, NULL);
    deck_time_join(&time, &con.deck);
    ck_assert_int_eq(line("record start %s", file), EXIT_DONE);
    td_stack_clock(con.st, TD_SEC);
    deck_time_pause(&time);
    real_now += 40 * TD_SEC;
    (void)deck_time_resume(&time);
    td_stack_clock(con.st, 2 * TD_SEC);
    con_done("record stop");
    int64_t offset = 0;
    const struct record_run_hooks hooks = {.wall = note_wall, .ctx = &offset};
    ck_assert_int_eq(record_run_open(&run, file, NULL, &hooks, msg, sizeof msg), EXIT_DONE);
    ck_assert_int_eq(run.file.head.wall, 1000 * (int64_t)TD_SEC);
    while (record_run_next(&run, msg, sizeof msg) == RECORD_STEP_CALL)
        ;
    ck_assert(run.ended);
    ck_assert_int_eq(offset, 1040 * (int64_t)TD_SEC);
    record_run_close(&run);
    deck_time_leave(&con.deck);
    deck_time_done(&time);
    close_deck();
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("record");
    TCase *t = tcase_create("record");
    tcase_add_test(t, test_a_run_is_kept_recorded_and_ended);
    tcase_add_test(t, test_words);
    tcase_add_test(t, test_too_late);
    tcase_add_test(t, test_pauses_are_noted);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
