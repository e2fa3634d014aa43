/* tests of apps/tapdeckd/cmd_route.c, cmd_rule.c and route_words.c: routes and rules in iproute2's words. */
#include "check_main.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/control.h"
#include "tapdeck/rules.h"
#include "tapdeckd/deck.h"

static struct td_stack *st;
static struct deck deck;
static char out[262144], before[262144], sentence[768], file[64];

static int transmit(void *dev, const struct pkt *p)
{
    (void)dev;
    (void)p;
    return 0;
}
static const struct td_device_ops cable = {.transmit = transmit};

static void interface(const char *name, uint8_t n)
{
    struct td_if_config eth = {.mac = {{0x02, 0, 0, 0, 0, n}},
                               .flags = TD_IF_UP | TD_IF_BROADCAST | TD_IF_MULTICAST,
                               .ops = &cable};
    uint32_t ifindex;
    snprintf(eth.name, sizeof(eth.name), "%s", name);
    ck_assert_int_eq(td_if_add(st, &eth, &ifindex), 0);
    ck_assert_int_eq(td_addr_add(st, ifindex, TD_IP4(10, 0, n, 2), 24), 0);
}

static void setup(void)
{
    struct td_stack_config c = {.now = TD_SEC};
    memset(c.seed, 7, sizeof(c.seed));
    st = td_stack_new(&c);
    ck_assert_ptr_nonnull(st);
    interface("eth0", 0);
    interface("eth1", 1);
    deck_init(&deck, st, "test");
    snprintf(file, sizeof(file), "/tmp/tapdeck-test-route-XXXXXX");
    int fd = mkstemp(file);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void teardown(void)
{
    unlink(file);
    deck_done(&deck);
    td_stack_free(st);
}

static int run_as(const char *line, bool json)
{
    char msg[256], **argv;
    int argc = words_split(line, &argv, msg, sizeof(msg));
    ck_assert_int_gt(argc, 0);
    struct run *r = run_start(&deck, argc, argv, json, false);
    words_free(argv);
    while (r->status == RUN_MORE && r->ready)
        run_step(r, td_stack_now(st));
    int status = r->status;
    snprintf(out, sizeof(out), "%s", r->out.s != NULL ? r->out.s : "");
    snprintf(sentence, sizeof(sentence), "%s", r->err);
    run_free(r);
    return status;
}

static void good(const char *line)
{
    int status = run_as(line, false);
    ck_assert_msg(status == EXIT_DONE && sentence[0] == '\0', "%s: status %d, %s", line, status, sentence);
}

static void is(const char *line, const char *text)
{
    good(line);
    ck_assert_msg(strcmp(out, text) == 0, "%s printed\n%s\nand not\n%s", line, out, text);
}

static void says(const char *text)
{
    ck_assert_msg(strstr(out, text) != NULL, "'%s' is not in:\n%s", text, out);
}

/* One sentence, status 2, and nothing is changed. */
static void refused(const char *line, const char *why)
{
    good("ip route show table all");
    memcpy(before, out, sizeof(out));
    int status = run_as(line, false);
    ck_assert_msg(status == EXIT_USAGE, "%s: status %d, %s", line, status, sentence);
    ck_assert_msg(strstr(sentence, why) != NULL, "%s: %s", line, sentence);
    ck_assert_msg(strchr(sentence, '\n') == NULL, "%s: more than a sentence", line);
    char keep[sizeof(sentence)];
    memcpy(keep, sentence, sizeof(keep));
    is("ip route show table all", before);
    memcpy(sentence, keep, sizeof(keep));
}

static void write_file(const char *text)
{
    FILE *f = fopen(file, "we");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

static json_t *json_of(const char *line)
{
    json_error_t e;
    int status = run_as(line, true);
    ck_assert_msg(status == EXIT_DONE, "%s: status %d, %s", line, status, sentence);
    json_t *o = json_loads(out, 0, &e);
    ck_assert_msg(o != NULL, "%s gave no JSON (%s):\n%s", line, e.text, out);
    return o;
}

static const char *str(json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s != NULL ? s : "";
}

#define KERNEL "10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.2 \n10.0.1.0/24 dev eth1 proto kernel scope link src 10.0.1.2 \n"

START_TEST(types_and_options)
{
    good("ip route add blackhole 192.0.2.0/25 metric 7");
    good("ip route add unreachable 192.0.2.128/26");
    good("ip route add prohibit 192.0.2.192/26");
    good("ip route add throw 198.51.100.0/24 table 9");
    good("ip route add 203.0.113.0/24 via 169.254.1.1 dev eth0 onlink src 10.0.1.2 mtu lock 1400 proto boot");
    good("ip route add local 198.18.0.0/15 dev lo");
    is("ip route", KERNEL "blackhole 192.0.2.0/25 metric 7 \n"
                          "unreachable 192.0.2.128/26 \n"
                          "prohibit 192.0.2.192/26 \n"
                          "203.0.113.0/24 via 169.254.1.1 dev eth0 src 10.0.1.2 onlink mtu 1400 \n");
    is("ip route show table 9", "throw 198.51.100.0/24 \n");
}
END_TEST

START_TEST(several_ways)
{
    good("ip route add default nexthop via 10.0.0.1 nexthop via 10.0.1.1 dev eth1 weight 3");
    is("ip route show default", "default \n\tnexthop via 10.0.0.1 dev eth0 weight 1 \n"
                                "\tnexthop via 10.0.1.1 dev eth1 weight 3 \n");
    good("ip link set eth1 down");
    good("ip route show default");
    says("dev eth1 weight 3 linkdown");
    json_t *o = json_of("ip route show default");
    json_t *ways = json_object_get(json_array_get(o, 0), "nexthops");
    ck_assert_uint_eq(json_array_size(ways), 2);
    ck_assert_str_eq(str(json_array_get(ways, 1), "gateway"), "10.0.1.1");
    ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(ways, 1), "weight")), 3);
    json_decref(o);
    good("ip route del default");
    refused("ip route add default nexthop", "needs `via GATEWAY`");
    refused("ip route add default nexthop via 10.0.0.1 weight 0", "weight");
    refused("ip route add default nexthop via 10.0.0.1 weight 257", "257");
    refused("ip route add default nexthop via 10.0.0.1 nexthop via 172.16.0.1", "no attached network");
    refused("ip route add default via 10.0.0.1 nexthop via 10.0.1.1", "either one way");
}
END_TEST

START_TEST(verbs)
{
    refused("ip route change 192.0.2.0/24 via 10.0.0.1", "no such route");
    good("ip route add 192.0.2.0/24 via 10.0.0.1");
    good("ip route append 192.0.2.0/24 via 10.0.0.9");
    is("ip route show 192.0.2.0/24", "192.0.2.0/24 via 10.0.0.1 dev eth0 \n"
                                     "192.0.2.0/24 via 10.0.0.9 dev eth0 \n");
    good("ip route change 192.0.2.0/24 via 10.0.0.7");
    is("ip route show via 10.0.0.7", "192.0.2.0/24 via 10.0.0.7 dev eth0 \n");
    good("ip route add default via 10.0.1.1 table 100");
    good("ip route show table all");
    says("default via 10.0.1.1 dev eth1 table 100 ");
    good("ip route flush table 100");
    is("ip route show table 100", "");
    good("ip route flush root 192.0.0.0/8");
    is("ip route", KERNEL);
    good("ip route flush cache");
    refused("ip route flush", "which routes?");
    refused("ip route add blackhole 192.0.2.0/24 dev eth0", "leads nowhere");
    refused("ip route add 192.0.2.0/24 via 10.0.0.1 table none", "is no table");
    refused("ip route add 192.0.2.0/24 via 10.0.0.2", "no other host");
    refused("ip route add 192.0.2.0/24 via 10.0.0.1 src 10.9.9.9", "not one of this host");
    refused("ip route show table 4294967296", "the tables are");
}
END_TEST

START_TEST(rules)
{
    is("ip rule", "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n");
    good("ip rule add from 10.0.1.2 table 100 priority 500");
    good("ip rule add not to 192.0.2.0/24 iif eth0 prohibit pref 600");
    good("ip rule");
    says("500:\tfrom 10.0.1.2 lookup 100\n600:\tnot from all to 192.0.2.0/24 iif eth0 prohibit\n");
    good("ip route add default via 10.0.1.1 table 100");
    good("ip route get 192.0.2.7 from 10.0.1.2");
    says("192.0.2.7 via 10.0.1.1 dev eth1 table 100 src 10.0.1.2 \n");
    says("rule 500:\tfrom 10.0.1.2 lookup 100: decides\n");
    json_t *o = json_of("ip rule");
    ck_assert_uint_eq(json_array_size(o), 5);
    ck_assert_str_eq(str(json_array_get(o, 1), "src"), "10.0.1.2");
    ck_assert_str_eq(str(json_array_get(o, 1), "table"), "100");
    ck_assert_str_eq(str(json_array_get(o, 2), "action"), "prohibit");
    json_decref(o);
    good("ip rule del priority 600");
    good("ip rule del from 10.0.1.2");
    refused("ip rule del from 10.0.1.2", "no such rule");
    refused("ip rule del table local", "stays");
    refused("ip rule add from 10.0.1.2/24 table 5", "host bits");
    refused("ip rule add table 5 blackhole", "not both");
    refused("ip rule add iif eth9 table 5", "eth9");
    refused("ip rule add form 10.0.0.1 table 5", "'form'");
    refused("ip rule del", "which rule?");
}
END_TEST

START_TEST(get_says_why)
{
    good("ip route add 192.0.2.0/24 via 10.0.0.1 metric 20");
    good("ip route add 192.0.2.0/24 via 10.0.0.9 metric 10");
    good("ip route add default via 10.0.1.1");
    is("ip route get 192.0.2.7",
       "192.0.2.7 via 10.0.0.9 dev eth0 src 10.0.0.2 \n    cache \n"
       "    rule 0:\tfrom all lookup local: no route in it: the next rule\n"
       "    rule 32766:\tfrom all lookup main: decides\n"
       "        192.0.2.0/24 via 10.0.0.9 dev eth0 metric 10 : chosen: the longest prefix that is usable\n"
       "        192.0.2.0/24 via 10.0.0.1 dev eth0 metric 20 : not used: its metric is larger, or it is younger\n"
       "        default via 10.0.1.1 dev eth1 : not used: its prefix is shorter\n");
    good("ip route get 192.0.2.7 oif eth1");
    says("via 10.0.1.1 dev eth1");
    says("leads out of another interface");
    good("ip route get 192.0.2.7 from 10.0.1.77 iif eth1");
    says("192.0.2.7 from 10.0.1.77 via 10.0.0.9 dev eth0 \n    cache iif eth1 \n");
    refused("ip route get 192.0.2.7 iif eth1", "add `from ADDR`");
    json_t *o = json_of("ip route get 192.0.2.7");
    json_t *why = json_object_get(json_array_get(o, 0), "reasons");
    ck_assert_uint_eq(json_array_size(why), 5);
    ck_assert_str_eq(str(json_array_get(why, 2), "verdict"), "chosen");
    json_decref(o);
    good("ip route add prohibit 192.0.2.7");
    ck_assert_int_eq(run_as("ip route get 192.0.2.7", false), EXIT_FAILED);
    says("prohibit 192.0.2.7 : chosen");
}
END_TEST

/* What is saved can be loaded, and comes out the same. */
START_TEST(save_and_load)
{
    good("ip route add default nexthop via 10.0.0.1 nexthop via 10.0.1.1 weight 3");
    good("ip route add blackhole 192.0.2.0/24 metric 5 table 77");
    good("ip route add 198.51.100.0/24 via 10.0.0.1 src 10.0.1.2 mtu 1400");
    good("ip route save");
    char *saved = strdup(out);
    good("ip route flush proto boot");
    good("ip route flush table 77");
    is("ip route", KERNEL);
    write_file(saved);
    char line[128];
    snprintf(line, sizeof(line), "ip route load %s", file);
    good(line);
    is("ip route save", saved);
    free(saved);
    refused(line, "line 1: there is such a route already");
    /* what `ip route` shows on another host: lines that go on, kernel's routes, comments */
    write_file("# a copy\n10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.2 \n\n"
               "203.0.113.0/24 metric 9 \n\tnexthop via 10.0.0.1 dev eth0 weight 1 \n"
               "\tnexthop via 10.0.1.1 dev eth1 weight 2 linkdown \n"
               "203.0.114.0/24 via 10.0.0.1 dev eth0 proto dhcp scope global metric 100 linkdown \n");
    good(line);
    good("ip route show root 203.0.0.0/8");
    says("203.0.113.0/24 metric 9 \n\tnexthop via 10.0.0.1 dev eth0 weight 1 \n\tnexthop via 10.0.1.1");
    says("203.0.114.0/24 via 10.0.0.1 dev eth0 proto static metric 100");
}
END_TEST

/* An error in line 40 changes nothing: one in its words, and one that only the tables know of. */
START_TEST(a_bad_line_changes_nothing)
{
    char text[8192] = "", line[128];
    for (int i = 1; i < 40; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "route add 172.16.%d.0/24 via 10.0.0.1\n", i);
    size_t good_part = strlen(text);
    snprintf(line, sizeof(line), "ip -batch %s", file);
    strcat(text, "route add 172.16.40.0/24 via 10.0.0.1x\nroute add 172.16.41.0/24 via 10.0.0.1\n");
    write_file(text);
    refused(line, "line 40: '10.0.0.1x' after 'via'");
    strcpy(text + good_part, "route add 172.16.7.0/24 via 10.0.0.9\n");
    write_file(text);
    refused(line, "line 40: there is such a route already");
    strcpy(text + good_part, "link set eth0 down\n");
    write_file(text);
    refused(line, "line 40: 'link'");
    strcpy(text + good_part, "rule add from 10.0.0.0/24 table 8\nroute del 172.16.1.0/24\n");
    write_file(text);
    good(line);
    good("ip route show root 172.16.0.0/16");
    says("172.16.39.0/24 via 10.0.0.1");
    good("ip rule");
    says("from 10.0.0.0/24 lookup 8");
    snprintf(line, sizeof(line), "ip -batch %s.none", file);
    refused(line, "can't be read");
}
END_TEST

START_TEST(numbers_that_cannot_be)
{
    refused("ip route add 192.0.2.0/24 via 10.0.0.1 mtu 20", "an mtu is 68 to 65535");
    refused("ip route add 192.0.2.0/24 via 10.0.0.1 lock 1400", "unknown word 'lock'");
    refused("ip rule del priority 0", "stays");
    refused("ip rule add priority 0 table 5", "write 1 to");
    refused("ip rule del from all", "which rule?");
    refused("ip route show proto ?", "the protocols are");
    good("ip route add 192.0.2.0/24 via 10.0.0.1 mtu 68 metric 4");
    good("ip route del 192.0.2.0/24 mtu 68"); /* an mtu isn't a metric: the first one */
    is("ip route", KERNEL);
}
END_TEST

START_TEST(rules_are_flushed)
{
    good("ip rule add from 10.0.1.2 table 100 priority 500");
    good("ip rule add from all blackhole priority 500");
    refused("ip rule flush all", "no more words");
    good("ip rule flush");
    is("ip rule", "0:\tfrom all lookup local\n");
    good("ip rule flush");
    good("ip rule add table main priority 32766");
    good("ip rule add table default priority 32767");
    good("ip route get 10.0.0.9");
}
END_TEST

/* A line that is indented is a line, unless it is one more way of the route above. */
START_TEST(files_that_are_no_lists)
{
    char line[128];
    snprintf(line, sizeof(line), "ip route load %s", file);
    write_file("# by hand\n  203.0.113.0/24 via 10.0.0.1\n  203.0.114.0/24\n    nexthop via 10.0.0.1\n"
               "    nexthop via 10.0.1.1\n");
    good(line);
    is("ip route show root 203.0.112.0/21",
       "203.0.113.0/24 via 10.0.0.1 dev eth0 \n203.0.114.0/24 \n"
       "\tnexthop via 10.0.0.1 dev eth0 weight 1 \n\tnexthop via 10.0.1.1 dev eth1 weight 1 \n");
    write_file("203.0.115.0/24 via 10.0.0.1\n  nonsense\n");
    refused(line, "line 2: 'nonsense'");
    refused("ip route load /tmp", "no file of lines");
    refused("ip -batch /dev/zero", "no file of lines");
}
END_TEST

/* The daemon runs somewhere else: names of files reach it whole. */
START_TEST(names_of_files_are_made_absolute)
{
    char ip[] = "ip", batch[] = "-batch", rel[] = "some/routes", route[] = "route", ld[] = "load", whole[] = "/x";
    char *a[] = {ip, batch, rel}, *b[] = {ip, route, ld, rel}, *c[] = {ip, route, ld, whole};
    char here[2048], want[4096];
    struct rules_request q;
    ck_assert_ptr_nonnull(getcwd(here, sizeof(here)));
    snprintf(want, sizeof(want), "%s/some/routes", here);
    ck_assert(rules_request(3, a, &q, sentence, sizeof(sentence)));
    ck_assert_str_eq(q.argv[2], want);
    rules_request_end(&q);
    ck_assert(rules_request(4, b, &q, sentence, sizeof(sentence)));
    ck_assert_str_eq(q.argv[3], want);
    rules_request_end(&q);
    ck_assert(rules_request(4, c, &q, sentence, sizeof(sentence)));
    ck_assert_ptr_null(q.argv);
    rules_request_end(&q);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("route commands");
    TCase *t = tcase_create("route");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, types_and_options);
    tcase_add_test(t, several_ways);
    tcase_add_test(t, verbs);
    tcase_add_test(t, rules);
    tcase_add_test(t, get_says_why);
    tcase_add_test(t, save_and_load);
    tcase_add_test(t, a_bad_line_changes_nothing);
    tcase_add_test(t, numbers_that_cannot_be);
    tcase_add_test(t, rules_are_flushed);
    tcase_add_test(t, files_that_are_no_lists);
    tcase_add_test(t, names_of_files_are_made_absolute);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
