/* lab.yaml: what it becomes, whose parameters it has, and each mistake with its place. */
#include "check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lab/lab.h"

static char dir[64], msg[1024];

static void folder(void)
{
    snprintf(dir, sizeof(dir), "/tmp/tapdeck-lab-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void no_folder(void)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/lab.yaml", dir);
    (void)unlink(path);
    ck_assert_int_eq(rmdir(dir), 0);
}

static struct lab *load_for(const char *text, const char *id, const char *salt)
{
    char path[128];
    static struct salt s;
    snprintf(path, sizeof(path), "%s/lab.yaml", dir);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
    if (salt != NULL) {
        s.len = strlen(salt);
        memcpy(s.bytes, salt, s.len);
    }
    const struct lab_who who = {.id = id, .salt = salt != NULL ? &s : NULL};
    msg[0] = '\0';
    return lab_load(dir, &who, msg, sizeof(msg));
}

#define HEAD "title: T\nabout: A\nminutes: 5\n"
#define TASK "tasks:\n  - id: a\n    title: x\n    checks:\n"

START_TEST(test_what_it_becomes)
{
    struct lab *l = load_for(HEAD "params: {net: {network: 10.0.0.0/8, prefix: 24}, n: {number: [7, 7]}}\n"
                                  "tasks:\n"
                                  "  - id: reach\n"
                                  "    title: It answers\n"
                                  "    points: 3\n"
                                  "    checks:\n"
                                  "      - ping: {from: a, to: \"${net.1}\", answers: \">= 2\"}\n"
                                  "        else: nobody answers\n"
                                  "      - table: {node: a, table: neigh, where: {state: REACHABLE}, count: 1..2}\n"
                                  "  - id: q\n"
                                  "    ask: How many?\n"
                                  "    answer: {number: \"${n}\", within: 5%}\n"
                                  "    feedback: {\"${n.more}\": one too many}\n",
                             "alice", NULL);
    ck_assert_msg(l != NULL, "refused: %s", msg);
    ck_assert_uint_eq(l->ntasks, 2);
    ck_assert_uint_eq(l->points, 4);
    const struct lab_task *t = lab_task(l, "reach"), *q = lab_task(l, "q");
    ck_assert_uint_eq(t->line, 6);
    const struct lab_check *ping = t->checks, *table = ping->next;
    ck_assert_int_eq(ping->kind, LAB_PING);
    ck_assert_uint_eq(ping->line, 10);
    ck_assert_str_eq(ping->otherwise, "nobody answers");
    ck_assert_str_eq(ping->count, ">= 2");
    char net[32];
    snprintf(net, sizeof(net), "%.*s1", (int)(strrchr(l->params->value, '.') - l->params->value) + 1, l->params->value);
    ck_assert_str_eq(ping->command, net);
    ck_assert_int_eq(table->kind, LAB_TABLE);
    ck_assert_str_eq(table->where->column, "state");
    ck_assert_str_eq(table->where->is, "REACHABLE");
    ck_assert_str_eq(q->answer->value, "7");
    ck_assert(q->answer->percent);
    ck_assert_str_eq(q->answer->feedback->column, "8");
    lab_free(l);
}
END_TEST

static const char params[] = HEAD "params:\n"
                                  "  net: {network: 10.0.0.0/8, prefix: 24}\n"
                                  "  n: {number: [1, 1000000]}\n"
                                  "  pick: {pick: [a, b, c, d, e, f, g, h]}\n" TASK "      - wait: 1s\n";

/* The same student the same values, another one others; the salt counts; and a number is what openssl says it is. */
START_TEST(test_whose_parameters)
{
    struct lab *a = load_for(params, "alice", "salt"), *again = load_for(params, "alice", "salt"), *bob = load_for(params, "bob", "salt"),
               *other = load_for(params, "alice", "pepper");
    ck_assert_str_eq(a->params->value, again->params->value);
    ck_assert_str_eq(a->params->next->value, again->params->next->value);
    ck_assert_str_ne(a->params->next->value, bob->params->next->value);
    ck_assert_str_ne(a->params->next->value, other->params->next->value);
    static struct salt s = {.len = 4, .bytes = "salt"};
    const struct lab_who salted = {.id = "alice", .salt = &s};
    /* printf %s 05/hops/alice | openssl dgst -sha256 -hmac salt: the first 8 octets */
    ck_assert_uint_eq(lab_draw(&salted, "05", "hops", UINT64_MAX), UINT64_C(0xe7dad5178adc145c));
    lab_free(a);
    lab_free(again);
    lab_free(bob);
    lab_free(other);
}
END_TEST

/* Each word once, in an order that isn't everybody's. */
START_TEST(test_shuffle)
{
    static const char text[] = HEAD "params: {p: {shuffle: [22, 80, 443, 5432]}}\n" TASK "      - wait: 1s\n";
    static const char *const words[] = {"22", "80", "443", "5432"};
    bool differ = false;
    char first[64] = "";
    for (int i = 0; i < 8; i++) {
        char id[16];
        struct text t = {0};
        snprintf(id, sizeof(id), "s%d", i);
        struct lab *l = load_for(text, id, "salt"), *again = load_for(text, id, "salt");
        ck_assert_msg(l != NULL && again != NULL, "refused: %s", msg);
        ck_assert_str_eq(l->params->value, again->params->value);
        ck_assert(lab_expand(l->params, "f", " ${p.1} ${p.2} ${p.3} ${p.4} ", 29, &t, msg, sizeof(msg)));
        ck_assert_uint_eq(t.len, 16);
        for (int k = 0; k < 4; k++) {
            char word[16];
            snprintf(word, sizeof(word), " %s ", words[k]);
            ck_assert_msg(strstr(t.s, word) != NULL, "%s isn't in %s", word, t.s);
        }
        if (first[0] == '\0')
            snprintf(first, sizeof(first), "%s", t.s);
        differ = differ || strcmp(first, t.s) != 0;
        text_free(&t);
        lab_free(l);
        lab_free(again);
    }
    ck_assert(differ);
}
END_TEST

/* RFC 1071's own example, and a checksum over what another parameter is. */
START_TEST(test_checksum)
{
    static const char text[] = HEAD "params:\n  n: {number: [258, 258]}\n  a: {checksum: 0001 f203 f4f5 f6f7}\n  b: {checksum: '${n.hex} 0001'}\n" TASK
                                    "      - wait: 1s\n";
    struct lab *l = load_for(text, "alice", "salt");
    ck_assert_msg(l != NULL, "refused: %s", msg);
    ck_assert_str_eq(l->params->next->value, "220d");
    ck_assert_str_eq(l->params->next->next->value, "fefc");
    lab_free(l);
}
END_TEST

START_TEST(test_parts)
{
    struct lab_param mix = {.kind = LAB_SHUFFLE, .name = "mix", .value = (char *)"443,22,80"},
                     n = {.next = &mix, .kind = LAB_NUMBER, .name = "n", .value = (char *)"5"},
                     net = {.next = &n, .kind = LAB_NETWORK, .name = "net", .value = (char *)"10.9.4.128/26"};
    static const struct {
        const char *in, *out;
    } cases[] = {{"${net}", "10.9.4.128/26"},      {"${net.1}", "10.9.4.129"},        {"${net.last}", "10.9.4.190"},
                 {"${net.broadcast}", "10.9.4.191"}, {"${net.address}", "10.9.4.128"}, {"${net.mask}", "255.255.255.192"},
                 {"${net.length}", "26"},           {"${net.n}", "10.9.4.133"}, {"${n.hex} ${net.n.hex} ${net.1.hex}", "05 0a09 0485 0a09 0481"},      {"${n}${n.more}${n.less}", "564"}, {"$n ${} $$ {n}", "$n ${} $$ {n}"},
                 {"${mix.1} ${mix.2} ${mix.3}", "443 22 80"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct text t = {0};
        ck_assert(lab_expand(&net, "f", cases[i].in, strlen(cases[i].in), &t, msg, sizeof(msg)));
        ck_assert_str_eq(t.s, cases[i].out);
        text_free(&t);
    }
    static const char *const bad[] = {"a\n${mix.0}", "a\n${mix.4}", "a\n${mix.x}", "a\n${nett}", "a\n${net.63}", "a\n${net.0}", "a\n${n.first}", "a\n${net.}", "a\n${net.m}", "a\n${net.1.hexx}", "a\n${net.hex}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct text t = {0};
        ck_assert(!lab_expand(&net, "f", bad[i], strlen(bad[i]), &t, msg, sizeof(msg)));
        ck_assert_msg(strncmp(msg, "f:2: ${", 7) == 0, "%s", msg);
        text_free(&t);
    }
}
END_TEST

/* Each mistake is told with its line, and what would be right. */
START_TEST(test_mistakes)
{
    static const struct {
        const char *text, *place, *says;
    } cases[] = {
        {"", "lab.yaml: ", "empty"},
        {"title: T\nabout: A\n", "lab.yaml:1:", "needs minutes:"},
        {HEAD "tusks: []\n", "lab.yaml:4:", "did you mean 'tasks'?"},
        {HEAD "minutes: 7\n", "lab.yaml:4:", "there already, in line 3"},
        {"title: T\nabout: A\nminutes: long\n", "lab.yaml:3:", "a number from 1 to 600"},
        {HEAD "topology: ../net.yaml\n", "lab.yaml:4:", "lies in the lab's folder"},
        {HEAD "params: {n: {number: [7, 3]}}\n", "lab.yaml:4:", "the least and the most"},
        {HEAD "params: {n: {network: 10.0.0.0/8}}\n", "lab.yaml:4:", "needs prefix:"},
        {HEAD "params: {n: {network: 10.0.0.0/24, prefix: 8}}\n", "lab.yaml:4:", "from 24 to 30"},
        {HEAD "params: {n: {secret: [no-such-fault], node: a}}\n", "lab.yaml:4:", "no-such-fault"},
        {HEAD "params: {n: {secret: [no-karn]}}\n", "lab.yaml:4:", "secret: with node:"},
        {HEAD "params: {n: {shuffle: [22]}}\n", "lab.yaml:4:", "2 to 16 words"},
        {HEAD "params: {n: {shuffle: [22, 'a,b']}}\n", "lab.yaml:4:", "has no ','"},
        {HEAD "params: {n: {checksum: '45 0'}}\n", "lab.yaml:4:", "octets in hex"},
        {HEAD "params: {n: {checksum: '${m.hex}'}}\n", "lab.yaml:4:", "octets in hex"},
        {HEAD "params: {n: {}}\n", "lab.yaml:4:", "of no kind"},
        {HEAD "tasks:\n  - title: x\n    checks: [{wait: 1s}]\n", "lab.yaml:5:", "has no id:"},
        {HEAD "tasks:\n  - {id: a, title: x, checks: [{wait: 1s}]}\n  - {id: a, title: x}\n", "lab.yaml:6:", "already, in line 5"},
        {HEAD "tasks:\n  - {id: a, title: x}\n", "lab.yaml:5:", "needs checks: or an answer:"},
        {HEAD TASK "      - pong: {}\n", "lab.yaml:8:", "did you mean 'ping'?"},
        {HEAD TASK "      - ping: {from: a}\n", "lab.yaml:8:", "needs to:"},
        {HEAD TASK "      - ping: {to: 10.0.0.1}\n", "lab.yaml:8:", "needs from:"},
        {HEAD TASK "      - ping: {from: a, to: b, gives: open}\n", "lab.yaml:8:", "'gives' is no key of ping"},
        {HEAD TASK "      - ping: {from: a, to: b, answers: many}\n", "lab.yaml:8:", "a count is"},
        {HEAD TASK "      - connect: {from: a, to: b, gives: up}\n", "lab.yaml:8:", "open, refused, timeout or unreachable"},
        {HEAD TASK "      - run: {node: a, command: x, matches: '('}\n", "lab.yaml:8:", "not a regular expression"},
        {HEAD TASK "      - wait: soon\n", "lab.yaml:8:", "a time such as 5s"},
        {HEAD TASK "      - hint: x\n", "lab.yaml:8:", "of no kind"},
        {HEAD TASK "      - packets: {node: a, filter: icmp}\n", "lab.yaml:8:", "needs dev:"},
        {HEAD "tasks:\n  - {id: a, ask: x, answer: {number: many}}\n", "lab.yaml:5:", "'many' is none"},
        {HEAD "tasks:\n  - {id: a, ask: x, answer: {number: 1, text: a}}\n", "lab.yaml:5:", "of one kind"},
        {HEAD "tasks:\n  - {id: a, ask: x, answer: {address: 300.1.1.1}}\n", "lab.yaml:5:", "'300.1.1.1' is none"},
        {HEAD "tasks:\n  - {id: a, ask: x, answer: {number: 1, within: lots}}\n", "lab.yaml:5:", "how far off"},
        {HEAD TASK "      - wait: ${n}\n", "lab.yaml:8:", "${n}: no such parameter"},
        {HEAD "tasks: [\n", "lab.yaml:5:", "this is not YAML"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct lab *l = load_for(cases[i].text, "", NULL);
        ck_assert_msg(l == NULL, "case %zu was taken:\n%s", i, cases[i].text);
        ck_assert_msg(strstr(msg, cases[i].place) != NULL && strstr(msg, cases[i].says) != NULL, "case %zu: %s", i, msg);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("lab");
    TCase *t = tcase_create("lab.yaml");
    tcase_add_checked_fixture(t, folder, no_folder);
    tcase_add_test(t, test_what_it_becomes);
    tcase_add_test(t, test_whose_parameters);
    tcase_add_test(t, test_shuffle);
    tcase_add_test(t, test_checksum);
    tcase_add_test(t, test_parts);
    tcase_add_test(t, test_mistakes);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
