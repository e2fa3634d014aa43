/* tests of apps/common/control.c and text.c: the protocol's lines, words, JSON strings, run
 * directories. */
#include "check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/control.h"

START_TEST(words)
{
    char msg[128], **v;
    ck_assert_int_eq(words_split("  ip  addr add\t10.0.0.2/24 # a comment", &v, msg, sizeof(msg)),
                     4);
    ck_assert_str_eq(v[0], "ip");
    ck_assert_str_eq(v[3], "10.0.0.2/24");
    ck_assert_ptr_null(v[4]);
    words_free(v);
    ck_assert_int_eq(words_split("sysctl -w x=\"1 2 3\" 'a b'c \\#d e#f", &v, msg, sizeof(msg)), 6);
    ck_assert_str_eq(v[2], "x=1 2 3");
    ck_assert_str_eq(v[3], "a bc");
    ck_assert_str_eq(v[4], "#d");
    ck_assert_str_eq(v[5], "e#f");
    words_free(v);
    ck_assert_int_eq(words_split("   # nothing", &v, msg, sizeof(msg)), 0);
    words_free(v);
    ck_assert_int_eq(words_split("a '' b", &v, msg, sizeof(msg)), 3);
    ck_assert_str_eq(v[1], "");
    words_free(v);
    ck_assert_int_eq(words_split("say \"hello", &v, msg, sizeof(msg)), -1);
    ck_assert_ptr_nonnull(strstr(msg, "quote"));
    ck_assert_ptr_null(v);
}
END_TEST

START_TEST(too_many_words)
{
    char line[4 * WORDS_MAX] = "", msg[128], **v;
    for (int i = 0; i <= WORDS_MAX; i++)
        strcat(line, "x ");
    ck_assert_int_eq(words_split(line, &v, msg, sizeof(msg)), -1);
}
END_TEST

START_TEST(abbreviations)
{
    ck_assert(word_abbrev("a", "address"));
    ck_assert(word_abbrev("address", "address"));
    ck_assert(!word_abbrev("addresses", "address"));
    ck_assert(!word_abbrev("", "address"));
}
END_TEST

START_TEST(request_round_trip)
{
    char a[] = "why", b[] = "a \"quoted\"\nword", *argv[] = {a, b, NULL}, msg[256];
    struct text t = {0}, line = {0};
    struct request r;
    control_write_request(&t, 7, 2, argv, true, false);
    ck_assert(take_line(&t, &line));
    ck_assert_uint_eq(t.len, 0);
    ck_assert(control_parse_request(line.s, line.len, &r, msg, sizeof(msg)));
    ck_assert_int_eq(r.id, 7);
    ck_assert_int_eq(r.argc, 2);
    ck_assert_str_eq(r.argv[1], b);
    ck_assert(r.json && !r.tty && !r.cancel && !r.input && r.streams);
    control_free_request(&r);
    control_write_cancel(&t, 7);
    ck_assert(take_line(&t, &line));
    ck_assert(control_parse_request(line.s, line.len, &r, msg, sizeof(msg)));
    ck_assert(r.cancel);
    ck_assert_int_eq(r.id, 7);
    text_free(&t);
    text_free(&line);
}
END_TEST

START_TEST(bad_requests)
{
    static const struct {
        const char *line, *says;
        long long id;
    } bad[] = {
        {"", "JSON object", -1},
        {"hello", "not JSON", -1},
        {"[1,2]", "JSON object", -1},
        {"{\"cmd\":[\"ip\"]}", "\"id\"", -1},
        {"{\"id\":-4,\"cmd\":[\"ip\"]}", "\"id\"", -1},
        {"{\"id\":\"1\",\"cmd\":[\"ip\"]}", "\"id\"", -1},
        {"{\"id\":5}", "\"cmd\"", 5},
        {"{\"id\":5,\"cmd\":[]}", "\"cmd\"", 5},
        {"{\"id\":5,\"cmd\":\"ip addr\"}", "\"cmd\"", 5},
        {"{\"id\":5,\"cmd\":[\"ip\",7]}", "word 2", 5},
        {"{\"id\":5,\"cmd\":[\"ip\"]", "not JSON", -1},
        {"{\"id\":5,\"id\":6,\"cmd\":[\"ip\"]}", "not JSON", -1},
        {"{\"id\":5,\"cmd\":[\"i\\u0000p\"]}", "", -1},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct request r;
        char msg[512] = "";
        ck_assert_msg(
            !control_parse_request(bad[i].line, strlen(bad[i].line), &r, msg, sizeof(msg)), "%s",
            bad[i].line);
        ck_assert_msg(strstr(msg, bad[i].says) != NULL, "%s: %s", bad[i].line, msg);
        ck_assert_int_eq(r.id, bad[i].id);
    }
}
END_TEST

START_TEST(replies)
{
    struct text t = {0}, line = {0};
    struct reply r;
    control_write_out(&t, 3, "one\ntwo\t\"x\"\\", 13);
    control_write_end(&t, 3, 2, "a sentence");
    control_write_end(&t, 4, 0, "");
    ck_assert(take_line(&t, &line));
    ck_assert(control_parse_reply(line.s, line.len, &r));
    ck_assert_int_eq(r.id, 3);
    ck_assert(!r.end);
    ck_assert_uint_eq(r.out_len, 13);
    ck_assert_str_eq(r.out, "one\ntwo\t\"x\"\\");
    control_free_reply(&r);
    ck_assert(take_line(&t, &line));
    ck_assert(control_parse_reply(line.s, line.len, &r));
    ck_assert(r.end);
    ck_assert_int_eq(r.status, 2);
    ck_assert_str_eq(r.err, "a sentence");
    control_free_reply(&r);
    ck_assert(take_line(&t, &line));
    ck_assert_str_eq(line.s, "{\"id\":4,\"status\":0}");
    ck_assert(!take_line(&t, &line));
    ck_assert(!control_parse_reply("nonsense", 8, &r));
    text_free(&t);
    text_free(&line);
}
END_TEST

/* Output that is not UTF-8 (a file name, a packet) still gives a line that parses. */
START_TEST(bytes_that_are_not_utf8)
{
    static const char bytes[] = "a\xff\xc3\xa9\xc3(\xed\xa0\x80\xf0\x9f\x98\x80\x01z";
    struct text t = {0}, line = {0};
    struct reply r;
    control_write_out(&t, 1, bytes, sizeof(bytes) - 1);
    ck_assert(take_line(&t, &line));
    ck_assert(control_parse_reply(line.s, line.len, &r));
    ck_assert_str_eq(r.out, "a\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd("
                            "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xf0\x9f\x98\x80\x01z");
    control_free_reply(&r);
    text_free(&t);
    text_free(&line);
}
END_TEST

/* The same bytes as output that is exact, and as input: base64 where they are no text. */
START_TEST(bytes_are_exact)
{
    static const char *const pieces[] = {"text, \"quoted\"\n", "a\xff\xc3(", "\xc3\xa9\xf0\x9f\x98\x80", "\xc3", "\1\2\3"};
    char msg[256];
    for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
        struct text t = {0}, line = {0};
        struct reply r;
        struct request q;
        size_t n = strlen(pieces[i]);
        control_write_bytes(&t, 1, pieces[i], n);
        control_write_input(&t, 1, pieces[i], n, i == 2);
        ck_assert(take_line(&t, &line));
        ck_assert(control_parse_reply(line.s, line.len, &r));
        ck_assert_uint_eq(r.out_len, n);
        ck_assert_mem_eq(r.out, pieces[i], n);
        control_free_reply(&r);
        ck_assert(take_line(&t, &line));
        ck_assert(control_parse_request(line.s, line.len, &q, msg, sizeof(msg)));
        ck_assert(q.input && !q.cancel && q.argv == NULL && q.eof == (i == 2) && q.id == 1);
        ck_assert_uint_eq(q.in.len, n);
        ck_assert_mem_eq(q.in.s, pieces[i], n);
        control_free_request(&q);
        text_free(&t);
        text_free(&line);
    }
}
END_TEST

/* Whatever the bytes, a piece of input of INPUT_MAX fits into a request. */
START_TEST(input_fits)
{
    static char bytes[INPUT_MAX];
    static const char fill[] = {'a', '\n', '"', '\1', '\0', '\xff'};
    for (size_t i = 0; i < sizeof(fill); i++) {
        struct text t = {0};
        memset(bytes, fill[i], sizeof(bytes));
        control_write_input(&t, 1234567890123, bytes, sizeof(bytes), true);
        ck_assert_uint_lt(t.len, REQUEST_MAX);
        text_free(&t);
    }
}
END_TEST

START_TEST(input_requests)
{
    static const char eof[] = "{\"id\":1,\"eof\":true}", both[] = "{\"id\":1,\"in\":\"a\",\"in64\":\"YQ==\"}",
                      none[] = "{\"id\":1,\"in64\":\"YQ=\"}";
    struct request q;
    char msg[256];
    ck_assert(control_parse_request(eof, strlen(eof), &q, msg, sizeof(msg)));
    ck_assert(q.input && q.eof && q.in.len == 0);
    control_free_request(&q);
    ck_assert(!control_parse_request(both, strlen(both), &q, msg, sizeof(msg)));
    ck_assert(!control_parse_request(none, strlen(none), &q, msg, sizeof(msg)));
    ck_assert_ptr_nonnull(strstr(msg, "base64"));
    /* With a command it is a command. */
    static const char cmd[] = "{\"id\":1,\"cmd\":[\"ss\"],\"eof\":true}";
    ck_assert(control_parse_request(cmd, strlen(cmd), &q, msg, sizeof(msg)));
    ck_assert(!q.input && q.argc == 1 && !q.streams);
    control_free_request(&q);
}
END_TEST

START_TEST(notes_and_wants)
{
    struct text t = {0}, line = {0};
    struct reply r;
    control_write_note(&t, 1, "ab", 2);
    control_write_want(&t, 1, 65536);
    ck_assert(take_line(&t, &line));
    ck_assert(control_parse_reply(line.s, line.len, &r));
    ck_assert_str_eq(r.note, "ab");
    ck_assert(r.out == NULL && !r.end && r.want == 0);
    control_free_reply(&r);
    ck_assert(take_line(&t, &line));
    ck_assert(control_parse_reply(line.s, line.len, &r));
    ck_assert_uint_eq(r.want, 65536);
    control_free_reply(&r);
    static const char bad[] = "{\"id\":1,\"out64\":\"*\"}";
    ck_assert(!control_parse_reply(bad, strlen(bad), &r));
    text_free(&t);
    text_free(&line);
}
END_TEST

START_TEST(names)
{
    ck_assert(daemon_name_ok("default"));
    ck_assert(daemon_name_ok("lab-1_b.2"));
    ck_assert(!daemon_name_ok(""));
    ck_assert(!daemon_name_ok("../x"));
    ck_assert(!daemon_name_ok(".x"));
    ck_assert(!daemon_name_ok("-x"));
    ck_assert(!daemon_name_ok("a/b"));
    ck_assert(!daemon_name_ok("a b"));
}
END_TEST

START_TEST(run_directory)
{
    char base[] = "/tmp/tapdeck-test-XXXXXX", want[64], dir[256], msg[512];
    ck_assert_ptr_nonnull(mkdtemp(base));
    snprintf(want, sizeof(want), "%s/run", base);
    setenv("TAPDECK_RUN", want, 1);
    unsetenv("XDG_RUNTIME_DIR");
    ck_assert(run_dir_make(dir, sizeof(dir), msg, sizeof(msg)));
    ck_assert_str_eq(dir, want);
    struct stat st;
    ck_assert_int_eq(stat(dir, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0700);
    /* One that others can write to is passed over. */
    chmod(dir, 0777);
    setenv("XDG_RUNTIME_DIR", base, 1);
    ck_assert(run_dir_make(dir, sizeof(dir), msg, sizeof(msg)));
    snprintf(want, sizeof(want), "%s/tapdeck", base);
    ck_assert_str_eq(dir, want);
    rmdir(dir);
    /* So is a symbolic link, wherever it leads. */
    ck_assert_int_eq(symlink(base, want), 0);
    ck_assert(run_dir_candidate(1, dir, sizeof(dir)));
    ck_assert_str_eq(dir, want);
    ck_assert(!run_dir_make(dir, sizeof(dir), msg, sizeof(msg)) || strcmp(dir, want) != 0);
    unlink(want);
    snprintf(want, sizeof(want), "%s/run", base);
    rmdir(want);
    rmdir(base);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("control");
    TCase *t = tcase_create("control");
    tcase_add_test(t, words);
    tcase_add_test(t, too_many_words);
    tcase_add_test(t, abbreviations);
    tcase_add_test(t, request_round_trip);
    tcase_add_test(t, bad_requests);
    tcase_add_test(t, replies);
    tcase_add_test(t, bytes_that_are_not_utf8);
    tcase_add_test(t, bytes_are_exact);
    tcase_add_test(t, input_fits);
    tcase_add_test(t, input_requests);
    tcase_add_test(t, notes_and_wants);
    tcase_add_test(t, names);
    tcase_add_test(t, run_directory);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
