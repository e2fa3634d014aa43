/* tests of the console's parts that need no terminal: lines taken apart, where output goes,
 * aliases, files of lines, the history file, frames of `watch`, rows of the pager
 * (apps/tapdeck/line.c, alias.c, history.c, frame.c, pager.c). No daemon runs: only the client's
 * own commands do anything. */
#include "check_main.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tapdeck/alias.h"
#include "tapdeck/frame.h"
#include "tapdeck/history.h"
#include "tapdeck/line.h"
#include "tapdeck/pager.h"

static struct session s;
static char dir[64], path[128];
static char out[65536], err[65536];

static void setup(void)
{
    snprintf(dir, sizeof(dir), "/tmp/tapdeck-console-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/file", dir);
    setenv("TAPDECK_RUN", dir, 1); /* no daemon is there */
    unsetenv("XDG_RUNTIME_DIR");
    session_init(&s, "nobody-of-that-name", false);
}

static void teardown(void)
{
    session_end(&s);
    unlink(path);
    rmdir(dir);
}

static const char *slurp(const char *name, char *dst, size_t size)
{
    FILE *f = fopen(name, "r");
    size_t n = f != NULL ? fread(dst, 1, size - 1, f) : 0;
    dst[n] = '\0';
    if (f != NULL)
        fclose(f);
    return dst;
}

static void spill(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

/* Runs a line with standard output and error in files: out and err have them then. */
static int run(const char *line)
{
    char names[2][128];
    int kept[2], status;
    fflush(stdout);
    fflush(stderr);
    for (int i = 0; i < 2; i++) {
        snprintf(names[i], sizeof(names[i]), "%s/fd%d", dir, i + 1);
        kept[i] = dup(i + 1);
        int fd = open(names[i], O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(fd, i + 1);
        close(fd);
    }
    status = line_run(&s, line, "tapdeck");
    fflush(stdout);
    fflush(stderr);
    for (int i = 0; i < 2; i++) {
        dup2(kept[i], i + 1);
        close(kept[i]);
        slurp(names[i], i == 0 ? out : err, sizeof(out));
        unlink(names[i]);
    }
    return status;
}

/* ---- lines ---- */

START_TEST(parts)
{
    static const struct {
        const char *line;
        enum line_kind kind;
        const char *command, *rest;
    } cases[] = {
        {"ss -tan", LINE_COMMAND, "ss -tan", NULL},
        {"", LINE_COMMAND, "", NULL},
        {"ss -tan | grep x | wc", LINE_PIPE, "ss -tan ", " grep x | wc"},
        {"ss -tan|wc", LINE_PIPE, "ss -tan", "wc"},
        {"ss > f", LINE_FILE, "ss ", " f"},
        {"ss >>f", LINE_APPEND, "ss ", "f"},
        {"ss '( dport > :1 | x )'", LINE_COMMAND, "ss '( dport > :1 | x )'", NULL},
        {"ss \"a|b\" | wc", LINE_PIPE, "ss \"a|b\" ", " wc"},
        {"ss a\\|b", LINE_COMMAND, "ss a\\|b", NULL},
        {"ss # a | b", LINE_COMMAND, "ss ", NULL},
        {"ss a#b | c", LINE_PIPE, "ss a#b ", " c"},
        {"  !ls | wc", LINE_SHELL, "", "ls | wc"},
        {"iptables -A INPUT ! -s 10.0.0.1", LINE_COMMAND, "iptables -A INPUT ! -s 10.0.0.1", NULL},
        {"open ' | x", LINE_COMMAND, "open ' | x", NULL},
        {"x \"a\\\" | b\" > c", LINE_FILE, "x \"a\\\" | b\" ", " c"},
        {"x\\", LINE_COMMAND, "x\\", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct line_parts p;
        line_parse(cases[i].line, &p);
        ck_assert_msg(p.kind == cases[i].kind, "%s: %d", cases[i].line, (int)p.kind);
        ck_assert_uint_eq(p.command, strlen(cases[i].command));
        if (cases[i].rest != NULL)
            ck_assert_str_eq(cases[i].line + p.rest, cases[i].rest);
    }
}
END_TEST

START_TEST(output_goes_where_it_is_told)
{
    char line[256], text[4096];
    ck_assert_int_eq(run("alias a='ip addr'"), EXIT_DONE);
    snprintf(line, sizeof(line), "alias > %s", path);
    ck_assert_int_eq(run(line), EXIT_DONE);
    ck_assert_str_eq(slurp(path, text, sizeof(text)), "alias a='ip addr'\n");
    snprintf(line, sizeof(line), "alias -j >> '%s'", path);
    ck_assert_int_eq(run(line), EXIT_DONE);
    ck_assert_str_eq(slurp(path, text, sizeof(text)), "alias a='ip addr'\n{\"a\":\"ip addr\"}\n");
    ck_assert_str_eq(out, "");
    ck_assert_int_eq(run("alias | tr a-z A-Z"), EXIT_DONE);
    ck_assert_str_eq(out, "ALIAS A='IP ADDR'\n");
    ck_assert_int_eq(run("help | grep -c no-such-thing"), EXIT_FAILED);
    ck_assert_int_eq(run("help alias | head -1"), EXIT_DONE);
    ck_assert_str_eq(out, "alias [-j] [ALIAS[=TEXT]]...\n");
    ck_assert_int_eq(run("!echo $((6 * 7))"), EXIT_DONE);
    ck_assert_str_eq(out, "42\n");
    ck_assert_int_eq(run("!false"), EXIT_FAILED);
}
END_TEST

START_TEST(refused)
{
    static const struct {
        const char *line, *sentence;
    } cases[] = {
        {"alias '", "the quote ' is not closed"},
        {"alias |", "a shell command is missing behind the |"},
        {"| wc", "a command is missing before the |"},
        {"alias >", "one file's name belongs behind the >"},
        {"alias > a b", "one file's name belongs behind the >"},
        {"alias > /no/such/place", "/no/such/place can't be written"},
        {"source", "which file?"},
        {"source /no/such/file", "/no/such/file can't be read"},
        {"alias 'a b'=c", "'a b' is not a name for an alias"},
        {"alias a=", "the alias 'a' would stand for nothing"},
        {"alias nosuch", "there is no alias 'nosuch'"},
        {"unalias nosuch", "there is no alias 'nosuch'"},
        {"watch", "which command?"},
        {"watch -n", "-n needs seconds"},
        {"watch -n 0 alias", "-n needs seconds"},
        {"watch -c 0 alias", "-c needs a number of rounds"},
        {"watch -x alias", "'-x' is no option of watch"},
        {"watch watch alias", "doesn't watch itself"},
        {"help no such", "'such' doesn't belong here"},
        {"exit now", "takes no words"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ck_assert_msg(run(cases[i].line) == EXIT_USAGE, "%s", cases[i].line);
        ck_assert_msg(strstr(err, cases[i].sentence) != NULL, "%s: %s", cases[i].line, err);
        ck_assert_msg(strncmp(err, "tapdeck: ", 9) == 0 &&
                          strchr(err, '\n') == err + strlen(err) - 1,
                      "%s: %s", cases[i].line, err);
    }
    ck_assert(!s.leave);
    ck_assert_int_eq(run("ss -tan"), EXIT_NO_DAEMON);
    ck_assert_ptr_nonnull(strstr(err, "no daemon named 'nobody-of-that-name' is running"));
}
END_TEST

/* Whatever is typed: a status and at most a sentence. */
START_TEST(garbage)
{
    unsigned seed = 1;
    for (int n = 0; n < 3000; n++) {
        static const char letters[] = "ab '\"\\#=[]{}-$\t\xff\x01";
        char line[24];
        size_t len = 0;
        /* Nothing that the shell would run, and no files. */
        for (; len < sizeof(line) - 1; len++) {
            seed = seed * 1103515245 + 12345;
            line[len] = letters[(seed >> 16) % (sizeof(letters) - 1)];
        }
        line[len] = '\0';
        struct line_parts p;
        line_parse(line, &p);
        ck_assert_uint_le(p.command, len);
        ck_assert_int_ne(p.kind, LINE_SHELL);
    }
    char long_line[20000];
    memset(long_line, 'x', sizeof(long_line) - 1);
    long_line[sizeof(long_line) - 1] = '\0';
    ck_assert_int_eq(run(long_line), EXIT_NO_DAEMON);
    for (size_t i = 1; i < sizeof(long_line) - 1; i += 2)
        long_line[i] = ' ';
    ck_assert_int_eq(run(long_line), EXIT_USAGE); /* too many words */
}
END_TEST

/* ---- files of lines ---- */

START_TEST(source_stops_at_the_first_failure)
{
    char line[256];
    spill(path,
          "# a remark\n\nalias one='ip addr'\r\n  alias two=ss\nunalias three\nalias four=ip\n");
    snprintf(line, sizeof(line), "source %s", path);
    ck_assert_int_eq(run(line), EXIT_USAGE);
    snprintf(line, sizeof(line), "%s:5: there is no alias 'three': `alias` lists them\n", path);
    ck_assert_str_eq(err, line);
    ck_assert_int_eq(run("alias"), EXIT_DONE);
    ck_assert_str_eq(out, "alias one='ip addr'\nalias two='ss'\n");
}
END_TEST

START_TEST(source_itself)
{
    char line[256];
    snprintf(line, sizeof(line), "source %s", path);
    spill(path, line);
    ck_assert_int_eq(run(line), EXIT_USAGE);
    ck_assert_ptr_nonnull(strstr(err, "files that source each other"));
    spill(path, "alias a=b\nexit\nalias c=d\n");
    ck_assert_int_eq(run(line), EXIT_DONE);
    ck_assert(s.leave);
    ck_assert_int_eq(run("alias"), EXIT_DONE);
    ck_assert_str_eq(out, "alias a='b'\n");
}
END_TEST

/* ---- aliases ---- */

/* The words of a line, aliases in place, commas between. */
static const char *expanded(const char *line)
{
    static char all[1024];
    char msg[256], **words, **longer;
    int argc = words_split(line, &words, msg, sizeof(msg));
    int n = alias_words(&s, argc, words, &longer);
    all[0] = '\0';
    for (int i = 0; i < n; i++)
        snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i > 0 ? "," : "", longer[i]);
    if (n >= 0)
        words_free(longer);
    words_free(words);
    return n < 0 ? "none" : all;
}

START_TEST(aliases)
{
    alias_set(&s, "ll", "ss -tan");
    alias_set(&s, "ss", "ss -H");
    alias_set(&s, "a", "b x");
    alias_set(&s, "b", "a 'y z'");
    ck_assert_str_eq(expanded("ip addr"), "none");
    ck_assert_str_eq(expanded("ll state listening"), "ss,-H,-tan,state,listening");
    ck_assert_str_eq(expanded("ss -t"), "ss,-H,-t");
    ck_assert_str_eq(expanded("a 1"), "a,y z,x,1"); /* once round, no further */
    ck_assert_str_eq(expanded("ip ll"), "none");
    ck_assert(alias_remove(&s, "ll"));
    ck_assert(!alias_remove(&s, "ll"));
    ck_assert_str_eq(expanded("ll"), "none");
    ck_assert_int_eq(run("alias q=\"tc rule add dev eth0 drop matching 'udp'\""), EXIT_DONE);
    ck_assert_int_eq(run("alias q"), EXIT_DONE);
    ck_assert_str_eq(out, "alias q='tc rule add dev eth0 drop matching '\"'\"'udp'\"'\"''\n");
    char again[256];
    snprintf(again, sizeof(again), "%.*s", (int)strcspn(out, "\n"), out);
    ck_assert_int_eq(run(again), EXIT_DONE); /* reads as it was written */
    ck_assert_str_eq(expanded("q"), "tc,rule,add,dev,eth0,drop,matching,udp");
}
END_TEST

START_TEST(suggestions)
{
    char sentence[256] = "as it was";
    alias_set(&s, "gateway", "ip route show default");
    session_suggest(&s, "dril", sentence, sizeof(sentence));
    ck_assert_str_eq(sentence, "there is no command 'dril': did you mean 'drill'?");
    session_suggest(&s, "gatewya", sentence, sizeof(sentence));
    ck_assert_str_eq(sentence, "there is no command 'gatewya': did you mean 'gateway'?");
    session_suggest(&s, "grpah", sentence, sizeof(sentence)); /* the second word of `topo graph` */
    ck_assert_ptr_nonnull(strstr(sentence, "graph'?"));
    snprintf(sentence, sizeof(sentence), "as it was");
    session_suggest(&s, "xxxxxxxx", sentence, sizeof(sentence));
    ck_assert_str_eq(sentence, "as it was");
}
END_TEST

/* ---- history ---- */

START_TEST(history)
{
    char text[4096];
    setenv("TAPDECK_HISTORY", path, 1);
    ck_assert(history_file(text, sizeof(text)));
    ck_assert_str_eq(text, path);
    history_file_add(path, "of one console");
    history_file_add(path, "of another");
    ck_assert_str_eq(slurp(path, text, sizeof(text)), "of one console\nof another\n");
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    for (int i = 0; i < 8; i++)
        history_file_add(path, "x");
    history_file_trim(path, 5);
    ck_assert_str_eq(slurp(path, text, sizeof(text)),
                     "of one console\nof another\nx\nx\nx\nx\nx\nx\nx\nx\n");
    history_file_add(path, "last");
    history_file_trim(path, 5);
    ck_assert_str_eq(slurp(path, text, sizeof(text)), "x\nx\nx\nx\nlast\n");
    history_file_trim("/no/such/file", 5);
    history_file_add("/no/such/file", "x");
    setenv("TAPDECK_HISTORY", "", 1);
    ck_assert(!history_file(text, sizeof(text)));
    unsetenv("TAPDECK_HISTORY");
}
END_TEST

/* ---- watch ---- */

START_TEST(watch_rounds)
{
    ck_assert_int_eq(run("alias a=b"), EXIT_DONE);
    ck_assert_int_eq(run("watch -n 0.1 -c 2 alias"), EXIT_DONE);
    ck_assert_str_eq(out, "alias a='b'\n----\nalias a='b'\n");
    ck_assert_int_eq(run("watch -n 0.1 -c 1 'alias | tr ab xy'"), EXIT_DONE);
    ck_assert_str_eq(out, "xlixs x='y'\n");
    ck_assert_int_eq(run("watch -n 0.1 -c 1 unalias x"), EXIT_USAGE);
    ck_assert_str_eq(out, "tapdeck: there is no alias 'x': `alias` lists them\n");
    ck_assert_str_eq(err, "");
}
END_TEST

static const char *drawn(struct frame *f, const struct frame *before)
{
    static char all[4096];
    struct text t = {0};
    frame_draw(f, before, 2, &t);
    snprintf(all, sizeof(all), "%s", t.s);
    text_free(&t);
    return all;
}

START_TEST(frames)
{
    struct frame a, b, c;
    frame_lay(&a, 2, 12, "ab\tcd\n12 34\nbelow", 17);
    ck_assert_str_eq(drawn(&a, NULL), "\033[2;1Hab      cd\033[K\033[3;1H12 34\033[K");
    frame_lay(&b, 2, 12, "ab\n12 56", 8);
    ck_assert_str_eq(drawn(&b, &a),
                     "\033[2;1Hab      \033[7m  \033[0m\033[K\033[3;1H12 \033[7m56\033[0m\033[K");
    frame_lay(&c, 2, 12, "a", 1); /* what went is marked where it was */
    ck_assert_str_eq(
        drawn(&c, &b),
        "\033[2;1Ha\033[7m \033[0m\033[K\033[3;1H\033[7m  \033[0m \033[7m  \033[0m\033[K");
    frame_free(&a);
    frame_free(&b);
    frame_free(&c);
    /* Characters of several bytes are cells; what isn't text can do nothing to a terminal. */
    const char *odd = "\xc3\xa4\xe2\x82\xac\033[31mx\033]0;t\a\xff\x9b\xc2\x9bz";
    frame_lay(&a, 1, 20, odd, strlen(odd));
    const char *shown = drawn(&a, NULL);
    ck_assert_str_eq(shown, "\033[2;1H\xc3\xa4\xe2\x82\xacx0;t????z\033[K");
    frame_free(&a);
    frame_lay(&a, 0, 0, odd, strlen(odd));
    frame_free(&a);
}
END_TEST

static const char *folded(const char *text, unsigned columns, unsigned hang)
{
    static char all[4096];
    char *copy = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&copy, &size);
    help_fold(text, columns, hang, f);
    fclose(f);
    snprintf(all, sizeof(all), "%s", copy);
    free(copy);
    return all;
}

START_TEST(folding)
{
    ck_assert_str_eq(folded("abc def ghi jkl mno", 0, 2), "abc def ghi jkl mno\n");
    ck_assert_str_eq(folded("abc def ghi jkl mno\n", 11, 2), "abc def ghi\n  jkl mno\n");
    ck_assert_str_eq(folded("  abc def ghi jkl\n\nx", 10, 0), "  abc def\n  ghi jkl\n\nx\n");
    ck_assert_str_eq(folded("abcdefghijklmnop qr", 10, 2), "abcdefghijklmnop\n  qr\n");
    ck_assert_str_eq(folded("    abcdefghijklmnop qr", 10, 0), "    abcdefghijklmnop\n    qr\n");
    ck_assert_str_eq(folded("\xc3\xa4\xc3\xa4 \xc3\xa4\xc3\xa4 x", 5, 0),
                     "\xc3\xa4\xc3\xa4 \xc3\xa4\xc3\xa4\nx\n");
    ck_assert_str_eq(folded("", 10, 0), "");
}
END_TEST

START_TEST(rows)
{
    ck_assert_uint_eq(rows_taken("", 0, 80, 99), 0);
    ck_assert_uint_eq(rows_taken("a\nb\n", 4, 80, 99), 2);
    ck_assert_uint_eq(rows_taken("a\nb", 3, 80, 99), 2);
    ck_assert_uint_eq(rows_taken("12345678", 8, 4, 99), 2);
    ck_assert_uint_eq(rows_taken("123456789\n", 10, 4, 99), 3);
    ck_assert_uint_eq(rows_taken("\033[31m1234\033[0m\n", 14, 4, 99), 1);
    ck_assert_uint_eq(rows_taken("\xc3\xa4\xc3\xa4\n", 5, 2, 99), 1);
    ck_assert_uint_eq(rows_taken("\n\n\n\n\n", 5, 80, 3), 3);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite_ = suite_create("console");
    TCase *t = tcase_create("console");
    suite_add_tcase(suite_, t);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, parts);
    tcase_add_test(t, output_goes_where_it_is_told);
    tcase_add_test(t, refused);
    tcase_add_test(t, garbage);
    tcase_add_test(t, source_stops_at_the_first_failure);
    tcase_add_test(t, source_itself);
    tcase_add_test(t, aliases);
    tcase_add_test(t, suggestions);
    tcase_add_test(t, history);
    tcase_add_test(t, watch_rounds);
    tcase_add_test(t, frames);
    tcase_add_test(t, folding);
    tcase_add_test(t, rows);
    return suite_;
}

CHECK_MAIN(suite)
