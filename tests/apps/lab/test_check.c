/* Checks of each kind, held and not, in a small network of virtual time; answers; counts and comparisons. */
#include "check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lab/check.h"

static char dir[64], msg[1024];

static void put(const char *name, const char *text)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

static const char net[] = "nodes:\n"
                          "  a: {interfaces: {eth0: 10.0.0.1/24}}\n"
                          "  b: {interfaces: {eth0: 10.0.0.2/24}, apps: [echo, httpd -p 80 WWW], commands: [iptables -A INPUT -p tcp --dport 99 -j DROP]}\n"
                          "links: [[a, b]]\n";

static void folder(void)
{
    snprintf(dir, sizeof(dir), "/tmp/tapdeck-check-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    char text[sizeof(net) + 64];
    const char *www = strstr(net, "WWW");
    snprintf(text, sizeof(text), "%.*s%s%s", (int)(www - net), net, dir, www + 3);
    put("net.yaml", text);
    put("page", "hello\n");
}

static void no_folder(void)
{
    static const char *const files[] = {"lab.yaml", "net.yaml", "page", "answers.txt", "notes.txt", "a.hex", "half.hex", "word.hex"};
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        char path[160];
        snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
        (void)unlink(path);
    }
    ck_assert_int_eq(rmdir(dir), 0);
}

static const struct lab_who nobody = {.id = ""};

static struct lab *load(const char *tasks)
{
    char text[8192];
    snprintf(text, sizeof(text), "title: T\nabout: A\nminutes: 5\ntasks:\n%s", tasks);
    put("lab.yaml", text);
    struct lab *l = lab_load(dir, &nobody, msg, sizeof(msg));
    ck_assert_msg(l != NULL, "refused: %s", msg);
    return l;
}

START_TEST(test_each_kind)
{
    static const struct {
        const char *check;
        bool holds;
        const char *came; /* what must be told of it */
    } cases[] = {
        {"ping: {from: a, to: 10.0.0.2, answers: 3}", true, NULL},
        {"ping: {from: a, to: 10.0.0.9}", false, "0 of 1 echo requests to 10.0.0.9 were answered"},
        {"ping: {from: a, to: 10.0.0.9, answers: 0}", true, NULL},
        {"ping: {from: a, to: 10.0.0.2, answers: 0}", false, "3 of 3"},
        {"ping: {from: a, to: 10.7.0.2, answers: 0}", true, NULL},
        {"ping: {from: nobody, to: 10.0.0.2}", false, "there is no node nobody"},
        {"connect: {from: a, to: \"10.0.0.2:7\", gives: open}", true, NULL},
        {"connect: {from: a, to: \"10.0.0.2:8\", gives: refused}", true, NULL},
        {"connect: {from: a, to: \"10.0.0.2:99\", gives: timeout}", true, NULL},
        {"connect: {from: a, to: \"10.9.0.2:7\", gives: unreachable}", true, NULL},
        {"connect: {from: a, to: \"10.0.0.2:8\", gives: open}", false, "it is refused"},
        {"connect: {from: a, to: \"10.0.0.2:99\", gives: refused}", false, "nobody answers"},
        {"connect: {from: a, to: \"10.0.0.2:7\", gives: timeout}", false, "it is open"},
        {"get: {from: a, url: \"http://10.0.0.2/page\", matches: ^hello$}", true, NULL},
        {"get: {from: a, url: \"http://10.0.0.2/page\", matches: bye}", false, "hello"},
        {"get: {from: a, url: \"http://10.0.0.2/page\", sha256: 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03}", true, NULL},
        {"get: {from: a, url: \"http://10.0.0.2/page\", sha256: 00}", false, "6 bytes came"},
        {"get: {from: a, url: \"http://10.0.0.9/page\"}", false, "10.0.0.9"},
        {"run: {node: a, command: ip -br addr, matches: [eth0, 10.0.0.1/24], lacks: eth1}", true, NULL},
        {"run: {node: a, command: ip -br addr, matches: eth1}", false, "eth0"},
        {"run: {node: a, command: ip -br addr, lacks: eth0}", false, "eth0"},
        {"run: {node: a, command: ip rout add}", false, "which prefix?"},
        {"run: {node: a, command: ip rout add, status: 2}", true, NULL},
        {"run: {node: a, command: ip rout add, status: any}", true, NULL},
        {"run: {node: a, command: ip -j link, where: {ifname: eth0, mtu: \">= 1500\"}}", true, NULL},
        {"run: {node: a, command: ip -j link, where: {ifname: eth0, mtu: \"> 1500\"}}", false, "0 rows are so"},
        {"table: {node: a, table: addr, where: {local: 10.0.0.1}, count: 1}", true, NULL},
        {"table: {node: a, table: addr, where: {local: \"~^10\"}, count: 2..3}", false, "1 such rows"},
        {"table: {node: a, table: addr, where: {adress: 10.0.0.1}}", false, "0 such rows: none has a column 'adress'"},
        {"table: {node: a, table: addres}", false, "addres"},
        {"event: {node: b, event: link-added, count: 2}", true, NULL},
        {"event: {node: b, event: link-added, where: {dev: eth0, fields.mtu: \"1500\"}, count: 1}", true, NULL},
        {"event: {node: b, event: link-delayed, count: 0}", true, NULL},
        {"event: {node: b, event: link-delayed}", false, "0 such events"},
        {"event: {node: b, event: link-delay}", false, "link-delay"},
        {"packets: {node: b, dev: eth0, filter: \"icmp[icmptype] = icmp-echo\", during: a ping -c 4 10.0.0.2, count: 4}", true, NULL},
        {"packets: {node: b, dev: eth0, filter: icmp, during: a ping -c 4 10.0.0.2, count: 4}", false, "8 such packets"},
        {"packets: {node: b, dev: eth0, filter: no such thing, during: a ping -c 1 10.0.0.2}", false, "such"},
        {"packets: {node: b, dev: eth7, filter: icmp, during: a ping -c 1 10.0.0.2}", false, "eth7"},
        {"wait: 30s", true, NULL},
        {"file: {name: notes.txt, matches: wrote}", true, NULL},
        {"file: {name: notes.txt, lacks: wrote}", false, "I wrote this"},
        {"file: {name: ../notes.txt, lacks: wrote}", false, "there is no file ../notes.txt"},
        {"file: {name: none.txt, lacks: wrote}", false, "there is no file none.txt"},
        {"file: {name: notes.txt, filter: icmp, count: 1}", false, "not a capture file"},
        {"file: {name: a.hex, filter: icmp and ip src host 10.0.0.1, count: 1}", true, NULL},
        {"file: {name: a.hex, filter: udp, count: 1}", false, "0 such frames"},
        {"file: {name: a.hex, filter: len == 34, count: 1}", true, NULL},
        {"file: {name: half.hex, filter: udp, count: 0}", false, "half.hex:3: this isn't octets in hex"},
        {"file: {name: word.hex, filter: udp, count: 0}", false, "word.hex:1: this isn't octets in hex"},
    };
    put("notes.txt", "I wrote this\n");
    put("a.hex", "0200 00000002 020000000001 # Ethernet\n08 00\n4500 0014 0000 0000 4001 0000 0a00 0001 0a000002");
    put("half.hex", "08 # 9\n\n0 8\n");
    put("word.hex", "0800 zz\n");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char tasks[512];
        snprintf(tasks, sizeof(tasks), "  - id: t\n    title: x\n    points: 3\n    checks:\n      - %s\n", cases[i].check);
        struct lab *l = load(tasks);
        struct lab_world *w = lab_world_virtual(l, &nobody, msg, sizeof(msg));
        ck_assert_msg(w != NULL, "%s", msg);
        struct lab_work work;
        struct lab_verdict v;
        lab_work_open(&work, l, dir, false);
        lab_judge(w, &work, l->tasks, &v);
        ck_assert_msg(v.holds == cases[i].holds, "%s: %s (%s)", cases[i].check, v.holds ? "held" : "didn't hold", v.came.s);
        ck_assert_uint_eq(v.points, v.holds ? 3 : 0);
        if (!v.holds) {
            ck_assert_msg(v.came.s != NULL && strstr(v.came.s, cases[i].came) != NULL, "%s: came '%s'", cases[i].check, v.came.s);
            ck_assert_str_eq(v.why.s, v.came.s); /* the lab has no words of its own for it */
        }
        lab_verdict_done(&v);
        lab_work_done(&work);
        lab_world_close(w);
        lab_free(l);
    }
}
END_TEST

/* The first that doesn't hold is told, in the lab's words, with the nearer hint; those behind it aren't done. */
START_TEST(test_the_first_that_fails)
{
    struct lab *l = load("  - id: t\n    title: x\n    hint: the task's\n    checks:\n"
                         "      - wait: 10s\n"
                         "      - ping: {from: a, to: 10.0.0.9}\n        else: nobody is there\n        hint: the check's\n"
                         "      - run: {node: b, command: shutdown}\n");
    struct lab_world *w = lab_world_virtual(l, &nobody, msg, sizeof(msg));
    struct lab_verdict v;
    lab_judge(w, NULL, l->tasks, &v);
    ck_assert(!v.holds);
    ck_assert_str_eq(v.why.s, "nobody is there");
    ck_assert_str_eq(v.hint, "the check's");
    ck_assert_uint_eq(v.check->line, 10);
    ck_assert_ptr_nonnull(strstr(v.came.s, "10.0.0.9"));
    lab_verdict_done(&v);
    lab_world_close(w);
    lab_free(l);
}
END_TEST

START_TEST(test_answers)
{
    static const struct {
        const char *answer, *given;
        bool right;
        const char *says;
    } cases[] = {
        {"{number: 8}", "8", true, NULL},
        {"{number: 8}", "8.0", true, NULL},
        {"{number: 8}", "9", false, "'9' isn't it"},
        {"{number: 8}", "8 segments", false, "isn't it"},
        {"{number: 8}", "7", false, "one too few"},
        {"{number: 200, within: 5%}", "191", true, NULL},
        {"{number: 200, within: 5%}", "189", false, "isn't it"},
        {"{number: 200, within: 2}", "202", true, NULL},
        {"{number: 200, within: 2}", "nan", false, "isn't it"},
        {"{number: 3000000001}", "3000000000", false, "isn't it"},
        {"{text: SYN-ACK}", "  syn-ack. ", true, NULL},
        {"{text: slow start}", "Slow   Start", true, NULL},
        {"{text: slow start}", "slowstart", false, "isn't it"},
        {"{regex: \"^fin.?wait.?2$\"}", "FIN-WAIT-2", true, NULL},
        {"{regex: \"^fin.?wait.?2$\"}", "FIN-WAIT-1", false, "isn't it"},
        {"{address: 10.0.0.1}", "10.0.0.1", true, NULL},
        {"{address: 10.0.0.1}", "10.0.0.01", false, "isn't it"},
        {"{choice: b, of: {a: the sender, b: the receiver}}", "b", true, NULL},
        {"{choice: b, of: {a: the sender, b: the receiver}}", "The receiver", true, NULL},
        {"{choice: b, of: {a: the sender, b: the receiver}}", "a", false, "isn't it"},
        {"{set: \"r1, r3\"}", "r3,r1", true, NULL},
        {"{set: \"r1, r3\"}", "r3 r1 r2", false, "isn't it"},
        {"{set: \"r1, r3\"}", "r3", false, "isn't it"},
        {"{number: 8}", "", false, "write `q: …` into answers.txt"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char tasks[512], answers[256];
        snprintf(tasks, sizeof(tasks), "  - {id: q, ask: x, answer: %s, feedback: {\"7\": one too few}}\n", cases[i].answer);
        snprintf(answers, sizeof(answers), "# mine\nq: %s\n", cases[i].given);
        struct lab *l = load(tasks);
        struct lab_work work;
        struct lab_verdict v;
        put("answers.txt", answers);
        lab_work_open(&work, l, dir, false);
        lab_judge(NULL, &work, l->tasks, &v);
        ck_assert_msg(v.holds == cases[i].right, "%s: '%s'", cases[i].answer, cases[i].given);
        if (!v.holds)
            ck_assert_msg(strstr(v.why.s, cases[i].says) != NULL, "%s: '%s': %s", cases[i].answer, cases[i].given, v.why.s);
        lab_verdict_done(&v);
        lab_work_done(&work);
        lab_free(l);
    }
}
END_TEST

/* A parameter in a student's own file stays as it is: it would be the answer. */
START_TEST(test_answers_that_are_none)
{
    struct lab *l = load("  - {id: q, ask: x, answer: {number: 8}}\n  - {id: t, title: x, checks: [{wait: 1s}]}\n");
    struct lab_work work;
    put("answers.txt", "q: 1\nwhat is this\nt: 5\nx: 1\nq: 8\n");
    lab_work_open(&work, l, dir, false);
    ck_assert_str_eq(work.said.s, "answers.txt:2: this isn't `TASK: answer`\n"
                                  "answers.txt:3: 't' is no question of this lab\n"
                                  "answers.txt:4: 'x' is no question of this lab\n"
                                  "answers.txt:5: 'q' is answered already: the first answer counts\n");
    ck_assert_str_eq(work.answers->is, "1");
    ck_assert_ptr_null(work.answers->next);
    lab_work_done(&work);
    put("answers.txt", "q: ${n}\n");
    lab_work_open(&work, l, dir, false);
    ck_assert_str_eq(work.answers->is, "${n}");
    lab_work_done(&work);
    lab_free(l);
}
END_TEST

START_TEST(test_counts)
{
    static const struct {
        const char *count;
        uint64_t yes, no;
    } cases[] = {{"3", 3, 4}, {">= 3", 3, 2}, {"<= 3", 3, 4}, {"> 3", 4, 3}, {"< 3", 2, 3}, {"!= 3", 2, 3}, {"2..4", 4, 5}, {"2..4", 2, 1}, {"0", 0, 1}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        ck_assert(lab_count_ok(cases[i].count));
        ck_assert(lab_count_holds(cases[i].count, cases[i].yes));
        ck_assert(!lab_count_holds(cases[i].count, cases[i].no));
    }
    static const char *const bad[] = {"", "x", "-1", ">=", "4..2", "3 of 4", "=> 3", "1..", "..3"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        ck_assert_msg(!lab_count_ok(bad[i]), "'%s'", bad[i]);
    ck_assert(lab_is("~^ab", "abc") && !lab_is("~^ab", "cab") && lab_is("!= x", "y") && !lab_is("!= x", "x"));
    ck_assert(lab_is("> 3", "4") && !lab_is("> 3", "3") && !lab_is("> 3", "many") && !lab_is("> 3", ""));
    ck_assert(lab_is("x", "x") && !lab_is("x", "xx") && lab_is("", ""));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("lab checks");
    TCase *t = tcase_create("checks");
    tcase_add_checked_fixture(t, folder, no_folder);
    tcase_add_test(t, test_each_kind);
    tcase_add_test(t, test_the_first_that_fails);
    tcase_add_test(t, test_answers);
    tcase_add_test(t, test_answers_that_are_none);
    tcase_add_test(t, test_counts);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
