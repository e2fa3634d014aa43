/* tests of apps/tapdeck/graph.c: from a connection's record to gnuplot's commands. */
#include "check_main.h"
#include "common/control.h"
#include "tapdeck/graph.h"

#include <string.h>

#define HEAD                                                                                       \
    "{\"id\":2,\"local\":\"10.0.0.1\",\"lport\":80,\"peer\":\"10.0.0.2\",\"pport\":40000,"         \
    "\"from-the-beginning\":%s,\"rows\":["
#define ROW(time, what, rest) "{\"time_ns\":" time ",\"what\":\"" what "\"," rest "}"
#define SEG(seq, len, ack)                                                                         \
    "\"flags\":\"ACK\",\"seq-relative\":" seq ",\"len\":" len ",\"ack\":1,\"ack-relative\":" ack   \
    ",\"wnd\":1000,\"cwnd\":3000,\"flight\":500,\"srtt\":10000000,\"rto\":210000000"

/* Two segments; the second is lost, reported by SACK, sent again and acknowledged. */
static const char rows[] =
    ROW("1000000000", "state", "\"state\":\"LISTEN\"") "," ROW("1010000000", "out", SEG("1", "500", "1")) "," ROW("1010000000", "out", SEG("501", "500", "1")) "," ROW(
        "1010000000",
        "out",
        SEG("1001", "500",
            "1")) "," ROW("1020000000", "in",
                          SEG("1", "0",
                              "501")) "," ROW("1021000000", "in",
                                              SEG("1", "0",
                                                  "501") ",\"sack-left-"
                                                         "relative\":"
                                                         "1001,\"sack-"
                                                         "right-"
                                                         "relative\":"
                                                         "1501") "," ROW("1022000000", "out",
                                                                         SEG("501", "500",
                                                                             "1") ",\"again\":true,"
                                                                                  "\"ssthresh\":"
                                                                                  "1500") "," ROW("1033000000",
                                                                                                  "in",
                                                                                                  SEG("1",
                                                                                                      "0",
                                                                                                      "1501")) "]}";

static char script[16384], note[256], msg[512];

static int draw(const char *whole, const char *samples, const struct graph_options *o)
{
    char text[8192];
    json_error_t e;
    snprintf(text, sizeof text, HEAD "%s", whole, rows);
    json_t *story = json_loads(text, 0, &e);
    ck_assert_msg(story != NULL, "%s at %d", e.text, e.position);
    json_t *s = samples != NULL ? json_loads(samples, 0, &e) : NULL;
    memset(script, 0, sizeof script);
    FILE *f = fmemopen(script, sizeof script, "w");
    msg[0] = '\0';
    int status = o->json ? graph_json(story, s, o, f, msg, sizeof msg)
                         : graph_print(story, s, o, f, note, sizeof note, msg, sizeof msg);
    ck_assert_int_eq(fclose(f), 0);
    json_decref(story);
    json_decref(s);
    return status;
}

static void says(const char *text)
{
    ck_assert_msg(strstr(script, text) != NULL, "'%s' is not in:\n%.1500s", text, script);
}

START_TEST(sequence_numbers)
{
    const struct graph_options o = {.kind = GRAPH_SEQ, .columns = 79, .rows = 22};
    ck_assert_int_eq(draw("true", NULL, &o), EXIT_DONE);
    says("set terminal dumb size 79,22 mono\n");
    says("of 10.0.0.1:80-10.0.0.2:40000 (bytes");
    says("$sent << EOD\n0.010000000 1 0 500\n0.010000000 501 0 500\n0.010000000 1001 0 500\nEOD\n");
    says("$again << EOD\n0.022000000 501 0 500\nNaN NaN NaN NaN\nEOD\n");
    says("$ack << EOD\n0.020000000 501 1501\n0.021000000 501 1501\n0.033000000 1501 2501\nEOD\n");
    says("$sack << EOD\n0.021000000 1001 0 500\nNaN NaN NaN NaN\nEOD\n");
    ck_assert_str_eq(note, "");
    /* The other side sent nothing. */
    const struct graph_options in = {.kind = GRAPH_SEQ, .in = true};
    ck_assert_int_eq(draw("true", NULL, &in), EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(msg, "`sysctl -w tapdeck.segments=4096"));
}
END_TEST

START_TEST(windows)
{
    const struct graph_options o = {.kind = GRAPH_CWND, .file = "it's.svg"};
    ck_assert_int_eq(draw("false", "[]", &o), EXIT_DONE);
    says("set terminal svg ");
    says("set output 'it''s.svg'\n");
    says("0.012000000 3000 1500 500\n"); /* from the first row that has a window */
    says("0.000000000 3000 NaN 500\n");
    says("plot $v using 1:2 with steps lw 2 title 'cwnd'");
    ck_assert_ptr_nonnull(strstr(note, "`sysctl -w tapdeck.segments=65536`"));
    /* The series, where there is one, reaches further back. */
    static const char samples[] =
        "[{\"id\":1,\"time\":5000000000,\"cwnd\":77},{\"id\":2,\"time\":1000000000,\"cwnd\":11},"
        "{\"id\":2,\"time\":3000000000,\"cwnd\":12,\"ssthresh\":10,\"flight\":9}]";
    ck_assert_int_eq(draw("false", samples, &o), EXIT_DONE);
    says("$v << EOD\n0.000000000 11 NaN NaN\n2.000000000 12 10 9\nEOD\n");
    ck_assert_str_eq(note, "");
    /* Segments tell more, as long as they are all there. */
    ck_assert_int_eq(draw("true", samples, &o), EXIT_DONE);
    says("0.012000000 3000 1500 500\n");
}
END_TEST

START_TEST(round_trips)
{
    const struct graph_options o = {.kind = GRAPH_RTT, .file = "x.png"};
    ck_assert_int_eq(draw("true", "[]", &o), EXIT_DONE);
    says("set terminal pngcairo ");
    says("0.000000000 10 210\n");
    /* What was sent once is measured; what was sent again, or before that, isn't (Karn). */
    says("$p << EOD\n0.010000000 10\nEOD\n");
}
END_TEST

START_TEST(numbers_instead_of_a_picture)
{
    struct graph_options o = {.kind = GRAPH_SEQ, .json = true};
    ck_assert_int_eq(draw("true", NULL, &o), EXIT_DONE);
    json_t *j = json_loads(script, 0, NULL);
    ck_assert_msg(j != NULL, "%s", script);
    ck_assert_str_eq(json_string_value(json_object_get(j, "graph")), "seq");
    ck_assert_str_eq(json_string_value(json_object_get(j, "source")), "segments");
    ck_assert_uint_eq(json_array_size(json_object_get(j, "points")), 8);
    json_decref(j);
    /* Where segments are missing the window is the series', of this connection alone. */
    o.kind = GRAPH_CWND;
    ck_assert_int_eq(draw("false",
                          "[{\"id\":2,\"time\":1,\"cwnd\":10},{\"id\":3,\"time\":2,\"cwnd\":77},"
                          "{\"id\":2,\"time\":3,\"cwnd\":20}]",
                          &o),
                     EXIT_DONE);
    j = json_loads(script, 0, NULL);
    ck_assert_str_eq(json_string_value(json_object_get(j, "source")), "series");
    ck_assert_uint_eq(json_array_size(json_object_get(j, "points")), 2);
    json_decref(j);
}
END_TEST

START_TEST(words)
{
    static const struct {
        const char *line[5], *why;
    } bad[] = {
        {{NULL}, "the connection is missing"},
        {{"7"}, "what to draw (cwnd, seq or rtt) is missing"},
        {{"7", "loss"}, "'loss' makes no sense here"},
        {{"7", "seq", "rtt"}, "'rtt' makes no sense here"},
        {{"7", "cwnd", "-o"}, "after '-o' write the file's name"},
        {{"7", "cwnd", "-o", "x.gif"}, "'x.gif': the file's name ends in .svg or .png"},
        {{"7", "cwnd", "-o", ".svg"}, "ends in .svg or .png"},
        {{"7", "cwnd", "--in"}, "goes with seq"},
        {{"7", "seq", "--in", "--out"}, "goes with seq"},
        {{"7", "seq", "-x"}, "'-x' makes no sense here"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct graph_options o = {0};
        int n = 0;
        while (n < 5 && bad[i].line[n] != NULL)
            n++;
        ck_assert(!graph_words(n, (char *const *)(uintptr_t)bad[i].line, &o, msg, sizeof msg));
        ck_assert_msg(strstr(msg, bad[i].why) != NULL, "%s", msg);
    }
    struct graph_options o = {0};
    char *const good[] = {(char[]){":80"}, (char[]){"seq"}, (char[]){"-o"}, (char[]){"a.png"},
                          (char[]){"--in"}};
    ck_assert(graph_words(5, good, &o, msg, sizeof msg));
    ck_assert(o.in && o.kind == GRAPH_SEQ);
    ck_assert_str_eq(o.conn, ":80");
    ck_assert_str_eq(o.file, "a.png");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("graph");
    TCase *tc = tcase_create("graph");
    tcase_add_test(tc, sequence_numbers);
    tcase_add_test(tc, windows);
    tcase_add_test(tc, round_trips);
    tcase_add_test(tc, numbers_instead_of_a_picture);
    tcase_add_test(tc, words);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
