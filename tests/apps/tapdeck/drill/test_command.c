/* tests of apps/tapdeck/drill/command.c: `tapdeck drill`: words, files, report, exit status. */
#include "check_main.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tapdeck/drill/drill.h"

static char out[65536], err[65536];
static char dir[] = "/tmp/test_drill.XXXXXX";

/* Runs the command with what it writes in out and err. */
static int command(const char *const *words)
{
    char copies[16][200], *argv[17];
    int argc = 0;
    for (; words[argc] != NULL; argc++) {
        snprintf(copies[argc], sizeof(copies[argc]), "%s", words[argc]);
        argv[argc] = copies[argc];
    }
    argv[argc] = NULL;
    FILE *to[2] = {tmpfile(), tmpfile()};
    char *text[2] = {out, err};
    int kept[2];
    ck_assert(to[0] != NULL && to[1] != NULL);
    fflush(stdout);
    fflush(stderr);
    for (int i = 0; i < 2; i++) {
        kept[i] = dup(i + 1);
        dup2(fileno(to[i]), i + 1);
    }
    int status = drill_main(argc, argv, false);
    fflush(stdout);
    fflush(stderr);
    for (int i = 0; i < 2; i++) {
        dup2(kept[i], i + 1);
        close(kept[i]);
        rewind(to[i]);
        size_t n = fread(text[i], 1, sizeof(out) - 1, to[i]);
        text[i][n] = '\0';
        fclose(to[i]);
    }
    return status;
}
#define DRILL(...) command((const char *const[]){"drill", __VA_ARGS__, NULL})

static const char *file(const char *name, const char *text)
{
    static char path[4][100];
    static unsigned turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
    FILE *f = fopen(p, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
    return p;
}

static const char listens[] = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
                              "+0 bind(3, ..., ...) = 0\n"
                              "+0 listen(3, 1) = 0\n"
                              "+0 < S 0:0(0) win 1000 <mss 1000>\n"
                              "+0 > S. 0:0(0) ack ACKED <mss 1460>\n";

static const char *passes(void)
{
    return file("passes.pkt", "--define=ACKED=1\n"
                              "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
                              "+.5 close(3) = 0\n");
}

static const char *fails(void)
{
    return file("fails.pkt", "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
                             "+0 close(3) = 5\n");
}

static const char *broken(void)
{
    return file("broken.pkt", "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 close(3 = 0\n");
}

static const char *unsupported(void)
{
    return file("unsupported.pkt", "0 pipe([5, 6]) = 0\n");
}

static void make_dir(void)
{
    strcpy(dir + strlen(dir) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void remove_dir(void)
{
    static const char *const names[] = {"passes",      "fails",   "broken",
                                        "unsupported", "listens", "big"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[100];
        snprintf(path, sizeof(path), "%s/%s.pkt", dir, names[i]);
        unlink(path);
    }
    rmdir(dir);
}

START_TEST(one_file)
{
    ck_assert_int_eq(DRILL(passes()), 0);
    ck_assert_ptr_nonnull(strstr(out, "ok /tmp/"));
    ck_assert_ptr_nonnull(strstr(out, "passes.pkt (2 events, 0.500000 s)\n"));
    ck_assert_str_eq(err, "");
    ck_assert_int_eq(DRILL(fails()), 1);
    ck_assert_ptr_eq(strstr(out, "FAIL /tmp/"), out);
    ck_assert_ptr_nonnull(strstr(out, "fails.pkt:2: "));
    ck_assert_ptr_nonnull(strstr(out, "\n    expected:\n        close(3) = 5\n"));
    ck_assert_int_eq(DRILL(unsupported()), 1);
    ck_assert_ptr_eq(strstr(out, "unsupported /tmp/"), out);
    ck_assert_ptr_nonnull(strstr(out, "unsupported.pkt:1: the call pipe() is not supported\n"));
    /* Read, but not run: known only when it is to be played. */
    ck_assert_int_eq(DRILL("tests/apps/tapdeck/drill/scripts/accecn.pkt"), 1);
    ck_assert_ptr_nonnull(strstr(out, "accecn.pkt:2: accurate ECN (RFC 9768) is not supported\n"));
    ck_assert_ptr_eq(strstr(out, "unsupported "), out);
}
END_TEST

START_TEST(errors)
{
    ck_assert_int_eq(DRILL(broken()), 2);
    ck_assert_ptr_nonnull(strstr(err, "broken.pkt:2:12: found '=', expected ',' or ')'\n"));
    ck_assert_str_eq(out, "");
    ck_assert_int_eq(DRILL("/nonexistent/x.pkt"), 2);
    ck_assert_ptr_nonnull(strstr(err, "/nonexistent/x.pkt: can't be read: No such file"));
    ck_assert_ptr_nonnull(strstr(err, "expected a file with a packet script"));
    ck_assert_int_eq(DRILL(dir), 2);
    ck_assert_ptr_nonnull(strstr(err, "Is a directory"));
    ck_assert_int_eq(DRILL(file("big.pkt", "1 close(3) = 0\n")), 2);
    ck_assert_ptr_nonnull(strstr(err, "big.pkt:1:1: the first event must be at time 0\n"));
    ck_assert_int_eq(DRILL("/dev/zero"), 2);
    ck_assert_ptr_nonnull(strstr(err, "1 MiB"));
}
END_TEST

START_TEST(many_files)
{
    ck_assert_int_eq(DRILL(passes(), passes()), 0);
    ck_assert_ptr_nonnull(strstr(out, "\n2 passed, 0 failed, 0 unsupported, 0 errors\n"));
    ck_assert_int_eq(DRILL(passes(), unsupported()), 1);
    ck_assert_ptr_nonnull(strstr(out, "\n1 passed, 0 failed, 1 unsupported, 0 errors\n"));
    /* An error doesn't keep the others from being run. */
    ck_assert_int_eq(DRILL(broken(), fails(), passes()), 2);
    ck_assert_ptr_nonnull(strstr(out, "\n1 passed, 1 failed, 0 unsupported, 1 errors\n"));
}
END_TEST

static const char *member(const json_t *report, const char *key)
{
    const char *s = json_string_value(json_object_get(report, key));
    return s != NULL ? s : "";
}

START_TEST(json)
{
    json_error_t e;
    ck_assert_int_eq(DRILL("-j", passes(), fails(), unsupported(), broken()), 2);
    json_t *all = json_loads(out, 0, &e);
    ck_assert_msg(all != NULL, "%s: %s", e.text, out);
    ck_assert_uint_eq(json_array_size(all), 4);
    const json_t *r = json_array_get(all, 0);
    ck_assert_str_eq(member(r, "status"), "passed");
    ck_assert_int_eq(json_integer_value(json_object_get(r, "events")), 2);
    ck_assert_int_eq(json_integer_value(json_object_get(r, "time_us")), 500000);
    r = json_array_get(all, 1);
    ck_assert_str_eq(member(r, "status"), "failed");
    ck_assert_int_eq(json_integer_value(json_object_get(r, "line")), 2);
    ck_assert_str_eq(member(r, "expected"), "close(3) = 5");
    ck_assert_ptr_nonnull(json_object_get(r, "reason"));
    r = json_array_get(all, 2);
    ck_assert_str_eq(member(r, "status"), "unsupported");
    ck_assert_int_eq(json_integer_value(json_object_get(r, "line")), 1);
    r = json_array_get(all, 3);
    ck_assert_str_eq(member(r, "status"), "error");
    ck_assert_int_eq(json_integer_value(json_object_get(r, "line")), 2);
    ck_assert_int_eq(json_integer_value(json_object_get(r, "column")), 12);
    ck_assert_str_eq(member(r, "expected"), "',' or ')'");
    json_decref(all);
}
END_TEST

START_TEST(options)
{
    const char *l = file("listens.pkt", listens);
    ck_assert_int_eq(DRILL("-D", "ACKED=1", l), 0);
    ck_assert_int_eq(DRILL("-DACKED=1", l), 0);
    ck_assert_int_eq(DRILL("--define", "ACKED=1", "--tolerance_usecs", "100", "--strict_end", l),
                     0);
    ck_assert_int_eq(DRILL(l, "--define=ACKED=2"), 1); /* options may follow files */
    ck_assert_int_eq(DRILL(l), 2);                     /* a word instead of a number */
    /* The command line's override the file's. */
    ck_assert_int_eq(DRILL("-D", "ACKED=1", "--tcp_ts_tick_usecs=0", "--mtu=576", l), 1);
    ck_assert_ptr_nonnull(strstr(out, "mss 536"));
    ck_assert_int_eq(DRILL("-vD", "ACKED=1", l), 0);
    ck_assert_ptr_nonnull(strstr(out, "\n    exchange:\n"));
    ck_assert_ptr_nonnull(strstr(out, "S. 0:0(0) ack 1"));
}
END_TEST

/* A deliberate bug makes the script that shows its requirement fail, and only there. */
START_TEST(faults)
{
    const char *paws = "tests/drill/paws.pkt", *closes = "tests/drill/close-active.pkt";
    ck_assert_int_eq(DRILL(paws, closes), 0);
    ck_assert_int_eq(DRILL("--fault=no-paws", closes, paws), 1);
    ck_assert_ptr_nonnull(strstr(out, "ok tests/drill/close-active.pkt"));
    ck_assert_ptr_nonnull(strstr(out, "FAIL tests/drill/paws.pkt:"));
    ck_assert_int_eq(DRILL("--fault", "no-timewait", "--fault", "no-paws", closes, paws), 1);
    ck_assert_ptr_nonnull(strstr(out, "\n0 passed, 2 failed, 0 unsupported, 0 errors\n"));
    ck_assert_int_eq(DRILL("--fault=no-such", paws), 2);
    ck_assert_ptr_nonnull(strstr(err, "'no-such' is no value for --fault"));
    ck_assert_int_eq(DRILL("--help"), 0);
    ck_assert_ptr_nonnull(strstr(out, "--fault=NAME"));
}
END_TEST

START_TEST(explain)
{
    ck_assert_int_eq(DRILL("--explain", passes()), 0);
    ck_assert_ptr_nonnull(strstr(out, "    2  At 0 s the application opens a TCP socket"));
    ck_assert_int_eq(DRILL("--explain", unsupported()), 0);
    ck_assert_ptr_nonnull(strstr(out, "can't be run here: line 1: the call pipe()"));
    ck_assert_int_eq(DRILL("--explain", broken()), 2);
    ck_assert_int_eq(DRILL("--help"), 0);
    ck_assert_ptr_eq(strstr(out, "drill [-v]"), out);
}
END_TEST

START_TEST(usage)
{
    ck_assert_int_eq(command((const char *const[]){"drill", NULL}), 2);
    ck_assert_ptr_nonnull(strstr(err, "a script is needed"));
    ck_assert_int_eq(DRILL("-x", "f"), 2);
    ck_assert_ptr_nonnull(strstr(err, "no option -x"));
    ck_assert_int_eq(DRILL("--nothing", "f"), 2);
    ck_assert_ptr_nonnull(strstr(err, "no option --nothing"));
    ck_assert_int_eq(DRILL("--mtu=5", "f"), 2);
    ck_assert_ptr_nonnull(strstr(err, "'5' is no value for --mtu"));
    ck_assert_int_eq(DRILL("-D", "x", "f"), 2);
    ck_assert_ptr_nonnull(strstr(err, "NAME=VALUE"));
    ck_assert_int_eq(DRILL("-D"), 2);
    ck_assert_int_eq(DRILL("f", "--mtu"), 2);
    ck_assert_ptr_nonnull(strstr(err, "--mtu needs a value"));
    ck_assert_int_eq(DRILL("--explain=x", "f"), 2);
    ck_assert_ptr_nonnull(strstr(err, "--explain takes no value"));
    ck_assert_int_eq(DRILL("--json=1", "f"), 2);
    static const char *const no_host[] = {"--local_ip=0.0.0.0", "--local_ip=255.255.255.255",
                                          "--remote_ip=224.0.0.1", "--local_ip=127.0.0.1"};
    for (size_t i = 0; i < sizeof no_host / sizeof no_host[0]; i++) {
        ck_assert_int_eq(DRILL(no_host[i], passes()), 2);
        ck_assert_ptr_nonnull(strstr(err, "expected a host's address"));
    }
    ck_assert_int_eq(DRILL("--remote_ip=192.168.0.1", passes()), 2);
    ck_assert_ptr_nonnull(strstr(err, "passes.pkt: --local_ip and --remote_ip are the same"));
    ck_assert_int_eq(DRILL("--ip_version=ipv6", "f"), 2);
    ck_assert_ptr_nonnull(strstr(err, "IPv6"));
    ck_assert_int_eq(DRILL("--", "-j"), 2);
    ck_assert_ptr_nonnull(strstr(err, "-j: can't be read"));
    ck_assert_int_eq(DRILL("-D", "ACKED=(", passes()), 2);
    ck_assert_ptr_nonnull(strstr(err, "-D ACKED"));
}
END_TEST

/* A report nobody got says nothing: not that all passed. */
START_TEST(report_that_cannot_be_written)
{
    static const char *const ways[] = {"-v", "-j", "--explain"};
    const char *script = passes();
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        char words[3][100] = {"drill"};
        snprintf(words[1], sizeof(words[1]), "%s", ways[i]);
        snprintf(words[2], sizeof(words[2]), "%s", script);
        fflush(stdout);
        int kept = dup(1), full = open("/dev/full", O_WRONLY);
        ck_assert_int_ge(full, 0);
        dup2(full, 1);
        int status = drill_main(3, (char *[]){words[0], words[1], words[2], NULL}, false);
        dup2(kept, 1);
        close(kept);
        close(full);
        clearerr(stdout);
        ck_assert_int_eq(status, 2);
    }
}
END_TEST

/* Each script of this repository can be told as prose. */
START_TEST(every_script_can_be_explained)
{
    struct dirent **entry;
    int n = scandir("tests/drill", &entry, NULL, alphasort), scripts = 0;
    ck_assert_int_gt(n, 0);
    for (int i = 0; i < n; i++) {
        char path[300];
        snprintf(path, sizeof(path), "tests/drill/%s", entry[i]->d_name);
        free(entry[i]);
        if (strstr(path, ".pkt") == NULL)
            continue;
        scripts++;
        ck_assert_msg(DRILL("--explain", path) == 0, "%s: %s", path, err);
        ck_assert_msg(strstr(out, "At 0 s ") != NULL, "%s: %s", path, out);
        ck_assert_str_eq(err, "");
    }
    free(entry);
    ck_assert_int_gt(scripts, 50);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tapdeck drill");
    TCase *t = tcase_create("command");
    tcase_add_checked_fixture(t, make_dir, remove_dir);
    tcase_add_test(t, one_file);
    tcase_add_test(t, errors);
    tcase_add_test(t, many_files);
    tcase_add_test(t, json);
    tcase_add_test(t, options);
    tcase_add_test(t, faults);
    tcase_add_test(t, explain);
    tcase_add_test(t, usage);
    tcase_add_test(t, report_that_cannot_be_written);
    tcase_add_test(t, every_script_can_be_explained);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
