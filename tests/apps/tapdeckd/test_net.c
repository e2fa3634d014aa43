/* A topology in one process: its clock, its nodes, its wires, and what is refused. */
#include "check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dev/sim.h"
#include "tapdeckd/net.h"

static char msg[1024], path[64];

static const char *file(const char *text)
{
    strcpy(path, "/tmp/net-test-XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(dprintf(fd, "%s", text), (int)strlen(text));
    close(fd);
    return path;
}

/* Runs commands in a file's topology in virtual time. The output, malloc()ed; *took: virtual time that passed. */
static char *play(const char *text, int want, td_time *took, const char *const *runs)
{
    struct net n;
    struct net_options o = {.file = file(text), .name = "t", .virtual_time = true};
    char *out = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&out, &len);
    msg[0] = '\0';
    for (; *runs != NULL; runs++)
        o.runs[o.nruns++] = *runs;
    int status = net_open(&n, &o, msg, sizeof(msg));
    if (status == EXIT_DONE)
        status = net_run(&n, &o, f, msg, sizeof(msg));
    ck_assert_msg(status == want, "status %d: %s", status, msg);
    if (took != NULL && n.sim != NULL)
        *took = sim_now(n.sim) - TD_SEC;
    net_close(&n);
    fclose(f);
    unlink(path);
    return out;
}
#define PLAY(text, want, took, ...) play(text, want, took, (const char *const[]){__VA_ARGS__, NULL})

static const char two_nets[] = "nodes:\n"
                               "  client:\n"
                               "    interfaces: {eth0: 10.0.1.2/24, spare: {address: 10.9.9.1/24, mtu: 1000}}\n"
                               "    routes: [default via 10.0.1.1]\n"
                               "  router:\n"
                               "    interfaces: {left: 10.0.1.1/24, right: {address: 10.0.2.1/24, mtu: 1400}}\n"
                               "    forward: yes\n"
                               "  server:\n"
                               "    interfaces: {eth0: {address: 10.0.2.2/24, mtu: 1400}}\n"
                               "    routes: [default via 10.0.2.1]\n"
                               "links:\n"
                               "  - [client.eth0, router.left]\n"
                               "  - {ends: [router.right, server], there: delay 20ms, back: delay 10ms loss 20%}\n";

START_TEST(test_ping_through_a_router)
{
    td_time took = 0;
    char *out = PLAY(two_nets, EXIT_DONE, &took, "client ping -c 20 -i 1 10.0.2.2", "server ip -j neigh");
    ck_assert_ptr_nonnull(strstr(out, "ttl=63 time=30.0 ms"));
    ck_assert_ptr_nonnull(strstr(out, "20 packets transmitted, "));
    ck_assert_ptr_null(strstr(out, " 0% packet loss"));
    ck_assert_ptr_null(strstr(out, "100% packet loss"));
    ck_assert_ptr_nonnull(strstr(out, "10.0.2.1")); /* the server's neighbour */
    ck_assert_uint_ge(took, 19 * TD_SEC);
    ck_assert_uint_lt(took, 31 * TD_SEC);
    free(out);
}
END_TEST

/* The nodes' time is one: paused at one console, stepped at another. */
START_TEST(test_paused)
{
    td_time took = 0;
    char *out = PLAY(two_nets, EXIT_DONE, &took, "client break when 'icmp[0] == 8'", "client pause", "router version",
                     "client resume", "client break del all", "client ping -c 9 -i 0.1 10.0.2.2", "router pause",
                     "server step timer", "router resume");
    ck_assert_ptr_nonnull(strstr(out, "(paused)"));
    ck_assert_ptr_nonnull(strstr(out, "9 packets transmitted, "));
    ck_assert_ptr_nonnull(strstr(out, "1 timer; "));
    free(out);
    /* Nobody could resume it: no waiting for ever. */
    out = PLAY(two_nets, EXIT_FAILED, NULL, "client pause", "client ping -c 1 10.0.2.2");
    ck_assert_ptr_nonnull(strstr(msg, "time is paused, and what 'ping' waits for can't come"));
    free(out);
    out = PLAY(two_nets, EXIT_FAILED, NULL, "server break when 'icmp[0] == 8'", "client ping -c 1 10.0.2.2");
    ck_assert_ptr_nonnull(strstr(out, "breakpoint 1 (icmp[0] == 8): eth0 in, 98 bytes: 10.0.1.2 > 10.0.2.2 ICMP echo request"));
    free(out);
}
END_TEST

START_TEST(test_same_file_same_output)
{
    char *a = PLAY(two_nets, EXIT_DONE, NULL, "client ping -c 50 -i 0.1 10.0.2.2", "router why -n 20", "router ip -s link");
    char *b = PLAY(two_nets, EXIT_DONE, NULL, "client ping -c 50 -i 0.1 10.0.2.2", "router why -n 20", "router ip -s link");
    ck_assert_uint_gt(strlen(a), 1000);
    ck_assert(strcmp(a, b) == 0);
    free(a);
    free(b);
}
END_TEST

START_TEST(test_seed_makes_another)
{
    char text[2048];
    snprintf(text, sizeof(text), "seed: 99\n%s", two_nets);
    char *a = PLAY(two_nets, EXIT_DONE, NULL, "client ping -c 100 -i 0.1 10.0.2.2");
    char *b = PLAY(text, EXIT_DONE, NULL, "client ping -c 100 -i 0.1 10.0.2.2");
    ck_assert(strcmp(a, b) != 0); /* other losses */
    free(a);
    free(b);
}
END_TEST

START_TEST(test_interfaces)
{
    char *out = PLAY(two_nets, EXIT_DONE, NULL, "client ip addr show dev spare", "router ip link show dev right",
                     "router tc qdisc show dev right", "server tc qdisc show dev eth0");
    ck_assert_ptr_nonnull(strstr(out, "mtu 1000"));
    ck_assert_ptr_nonnull(strstr(out, "inet 10.9.9.1/24"));
    ck_assert_ptr_nonnull(strstr(out, "mtu 1400"));
    ck_assert_ptr_nonnull(strstr(out, "delay 20ms"));
    ck_assert_ptr_nonnull(strstr(out, "delay 10ms loss 20%"));
    free(out);
}
END_TEST

START_TEST(test_a_switch)
{
    char *out = PLAY("nodes:\n"
                     "  sw: {kind: switch}\n"
                     "  a: {interfaces: {eth0: 10.0.0.1/24}}\n"
                     "  b: {interfaces: {eth0: 10.0.0.2/24}}\n"
                     "  c: {interfaces: {eth0: 10.0.0.3/24}}\n"
                     "links: [[a, sw], [b, sw], [c, sw]]\n",
                     EXIT_DONE, NULL, "a ping -c 2 10.0.0.2", "b ping -c 1 10.0.0.3", "sw bridge fdb show");
    ck_assert_ptr_nonnull(strstr(out, "2 packets transmitted, 2 received"));
    ck_assert_ptr_nonnull(strstr(out, "1 packets transmitted, 1 received"));
    ck_assert_ptr_nonnull(strstr(out, "02:00:00:02:00:01 dev p1")); /* a's, host 2 of the file */
    ck_assert_ptr_nonnull(strstr(out, "02:00:00:04:00:01 dev p3"));
    free(out);
}
END_TEST

/* Switches in a loop have no spanning tree: the run ends with a sentence instead of seeming to hang. */
START_TEST(test_a_storm)
{
    free(PLAY("nodes:\n"
              "  s1: {kind: switch}\n"
              "  s2: {kind: switch}\n"
              "  s3: {kind: switch}\n"
              "  a: {interfaces: {eth0: 10.0.0.1/24}}\n"
              "  b: {interfaces: {eth0: 10.0.0.2/24}}\n"
              "links: [[s1, s2], [s2, s3], [s3, s1], [a, s1], [b, s2]]\n",
              EXIT_FAILED, NULL, "a ping -c 1 10.0.0.99"));
    ck_assert_msg(strstr(msg, ":7: a storm: more than 20000 broadcasts in a second on the link of ") != NULL, "%s", msg);
}
END_TEST

START_TEST(test_real_time_all_the_same)
{
    struct net n;
    struct net_options o = {.file = file("time: virtual\nnodes: {a: }\n"), .name = "t", .real_time = true, .nruns = 1};
    ck_assert_int_eq(net_open(&n, &o, msg, sizeof(msg)), EXIT_DONE);
    ck_assert(!n.loop.virtual_time);
    net_close(&n);
    unlink(path);
}
END_TEST

/* Sentences say where in the file. %s is the file's name. */
static const struct {
    const char *text, *run;
    int status;
    const char *says;
} bad[] = {
    {"nodes: {a: {kind: linux}}\n", "a ip addr", EXIT_USAGE, "%s:1: node a is a Linux network namespace"},
    {"nodes: {a: {interfaces: {e: 10.0.0.1/24}}}\ntaps: {t: a.e}\n", "a ip addr", EXIT_USAGE, "%s:2: TAP devices live"},
    {"nodes:\n  a:\n    interfaces: {e: 10.0.0.1/24}\n    routes: [default via 1.2.3.4]\n", "a ip addr", EXIT_USAGE,
     "%s:4: node a: "},
    {"nodes:\n  a:\n    commands:\n    - ip addr\n    - pong\n", "a ip addr", EXIT_USAGE, "%s:5: node a: "},
    {"nodes: {a: {interfaces: {e: }}, b: {interfaces: {e: }}}\nlinks:\n- ends: [a, b]\n  impair: dealy 1ms\n", "a ip addr",
     EXIT_USAGE, "%s:4: node a: "},
    {"nodes: {a: }\n", "b ip addr", EXIT_USAGE, "'b ip addr' doesn't begin with a node of %s"},
    {"nodes: {a: }\n", "a pong", EXIT_USAGE, "a: "},
    {"nodes: {a: }\n", "a ping -c 1 10.0.0.1", EXIT_FAILED, "a: "},
};

START_TEST(test_refusals)
{
    free(PLAY(bad[_i].text, bad[_i].status, NULL, bad[_i].run));
    char want[256];
    const char *mark = strstr(bad[_i].says, "%s");
    snprintf(want, sizeof(want), "%.*s%s%s", mark != NULL ? (int)(mark - bad[_i].says) : 0, bad[_i].says,
             mark != NULL ? path : "", mark != NULL ? mark + 2 : bad[_i].says);
    ck_assert_msg(strncmp(msg, want, strlen(want)) == 0, "said: %s\nnot:  %s", msg, want);
    ck_assert_uint_gt(strlen(msg), strlen(want)); /* and what it is */
}
END_TEST

/* Without a bound in time of their own: what they wait for comes all the same, in no time. */
START_TEST(test_clients_of_tcp)
{
    td_time took = 0;
    char *out = PLAY(two_nets, EXIT_DONE, &took, "server app start daytime -t", "client nc -zv 10.0.2.2 13", "client nc 10.0.2.2 13");
    ck_assert_ptr_nonnull(strstr(out, "succeeded"));
    ck_assert_ptr_nonnull(strstr(out, "January 1, 2026"));
    ck_assert_uint_ge(took, 60 * TD_MS);
    ck_assert_uint_lt(took, 100 * TD_SEC);
    free(out);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("net");
    TCase *c = tcase_create("virtual time");
    tcase_add_test(c, test_paused);
    tcase_add_test(c, test_ping_through_a_router);
    tcase_add_test(c, test_clients_of_tcp);
    tcase_add_test(c, test_same_file_same_output);
    tcase_add_test(c, test_seed_makes_another);
    tcase_add_test(c, test_interfaces);
    tcase_add_test(c, test_a_switch);
    tcase_add_test(c, test_a_storm);
    tcase_add_test(c, test_real_time_all_the_same);
    tcase_add_loop_test(c, test_refusals, 0, (int)(sizeof(bad) / sizeof(*bad)));
    suite_add_tcase(s, c);
    return s;
}

CHECK_MAIN(suite)
