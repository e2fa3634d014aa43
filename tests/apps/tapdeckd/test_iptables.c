/* tests of apps/tapdeckd/cmd_iptables.c, cmd_conntrack.c and apps/tapdeck/rules.c: iptables' words and shapes. */
#include "check_main.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/control.h"
#include "ip/nf/nf.h"
#include "tapdeck/rules.h"
#include "tapdeckd/deck.h"
#include "wire/checksum.h"
#include "wire/eth.h"
#include "wire/ipv4.h"
#include "wire/udp.h"

static struct td_stack *st;
static struct deck deck;
static char out[262144], sentence[768];

static int transmit(void *dev, const struct pkt *p)
{
    (void)dev;
    (void)p;
    return 0;
}
static const struct td_device_ops cable = {.transmit = transmit};

static void setup(void)
{
    struct td_stack_config c = {.now = TD_SEC};
    struct td_if_config eth = {.name = "eth0",
                               .mac = {{0x02, 0, 0, 0, 0, 2}},
                               .flags = TD_IF_UP | TD_IF_BROADCAST | TD_IF_MULTICAST,
                               .ops = &cable};
    uint32_t ifindex;
    memset(c.seed, 7, sizeof(c.seed));
    st = td_stack_new(&c);
    ck_assert_int_eq(td_if_add(st, &eth, &ifindex), 0);
    ck_assert_int_eq(td_addr_add(st, ifindex, TD_IP4(10, 0, 0, 1), 24), 0);
    deck_init(&deck, st, "test");
}

static void teardown(void)
{
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
    ck_assert_msg(status == EXIT_DONE && sentence[0] == '\0', "%s: %d, %s", line, status, sentence);
}

static void refused(const char *line, const char *why)
{
    int status = run_as(line, false);
    ck_assert_msg(status == EXIT_USAGE, "%s: status %d", line, status);
    ck_assert_msg(strstr(sentence, why) != NULL && strchr(sentence, '\n') == NULL, "%s: %s", line, sentence);
}

static void datagram(td_ip4 src, uint16_t sport, uint16_t dport)
{
    uint8_t f[60] = {0};
    struct eth_hdr e = {.dst = {{2, 0, 0, 0, 0, 2}}, .src = {{6, 0, 0, 0, 0, 9}}, .type = ETHERTYPE_IPV4};
    struct ipv4_hdr h = {.hlen = 20, .total_len = 28, .ttl = 64, .proto = 17, .src = src, .dst = TD_IP4(10, 0, 0, 1)};
    struct udp_hdr u = {.sport = sport, .dport = dport, .length = 8};
    size_t n = eth_emit(&e, f);
    n += ipv4_emit(&h, f + n);
    udp_emit(&u, f + n);
    ck_assert_int_eq(td_stack_input_bytes(st, td_if_index(st, "eth0"), f, sizeof(f), td_stack_now(st)), 0);
    td_stack_flush(st, td_stack_now(st));
}

START_TEST(listing)
{
    good("iptables -L");
    ck_assert_str_eq(out, "Chain INPUT (policy ACCEPT)\n"
                          "target     prot opt source               destination         \n"
                          "\nChain FORWARD (policy ACCEPT)\n"
                          "target     prot opt source               destination         \n"
                          "\nChain OUTPUT (policy ACCEPT)\n"
                          "target     prot opt source               destination         \n");
    good("iptables -N mine");
    good("iptables -A INPUT -s 10.0.0.0/24 -p udp --dport 53 -j ACCEPT");
    good("iptables -A INPUT -i eth+ -m state --state RELATED,ESTABLISHED -j mine");
    good("iptables -A INPUT -p tcp ! --syn -m comment --comment 'no \"new\" ones' -j REJECT --reject-with tcp-reset");
    good("iptables -P INPUT DROP");
    datagram(TD_IP4(10, 0, 0, 9), 1, 53);
    datagram(TD_IP4(10, 0, 1, 9), 1, 53);
    good("iptables -L INPUT -n");
    ck_assert_str_eq(out, "Chain INPUT (policy DROP)\n"
                          "target     prot opt source               destination         \n"
                          "ACCEPT     udp  --  10.0.0.0/24          0.0.0.0/0            udp dpt:53\n"
                          "mine       all  --  0.0.0.0/0            0.0.0.0/0            state RELATED,ESTABLISHED\n"
                          "REJECT     tcp  --  0.0.0.0/0            0.0.0.0/0            tcp flags:!0x17/0x02 /* no "
                          "\"new\" ones */ reject-with tcp-reset\n");
    good("iptables -L INPUT -n -v --line-numbers");
    ck_assert_str_eq(out, "Chain INPUT (policy DROP 1 packets, 28 bytes)\n"
                          "num   pkts bytes target     prot opt in     out     source               destination         \n"
                          "1        1    28 ACCEPT     udp  --  *      *       10.0.0.0/24          0.0.0.0/0            udp dpt:53\n"
                          "2        0     0 mine       all  --  eth+   *       0.0.0.0/0            0.0.0.0/0            state "
                          "RELATED,ESTABLISHED\n"
                          "3        0     0 REJECT     tcp  --  *      *       0.0.0.0/0            0.0.0.0/0            tcp "
                          "flags:!0x17/0x02 /* no \"new\" ones */ reject-with tcp-reset\n");
    good("iptables -L mine -n");
    ck_assert_ptr_nonnull(strstr(out, "Chain mine (1 references)\n"));
    good("iptables -S");
    ck_assert_str_eq(out, "-P INPUT DROP\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n-N mine\n"
                          "-A INPUT -s 10.0.0.0/24 -p udp -m udp --dport 53 -j ACCEPT\n"
                          "-A INPUT -i eth+ -m state --state RELATED,ESTABLISHED -j mine\n"
                          "-A INPUT -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -m comment --comment \"no \\\"new\\\" ones\" "
                          "-j REJECT --reject-with tcp-reset\n");
    ck_assert_int_eq(run_as("iptables -L", true), EXIT_DONE);
    json_t *o = json_loads(out, 0, NULL);
    ck_assert_ptr_nonnull(o);
    ck_assert_uint_eq(json_array_size(o), 4);
    json_decref(o);
    refused("iptables -L nowhere", "no chain nowhere in table filter");
}
END_TEST

START_TEST(checking)
{
    good("iptables -A INPUT -p tcp --dport 80 -j DROP");
    good("iptables -C INPUT -p tcp -m tcp --dport http -j DROP");
    ck_assert_int_eq(run_as("iptables -C INPUT -j DROP", false), EXIT_FAILED);
    good("iptables -D INPUT -p tcp --dport 80 -j DROP");
    refused("iptables -D INPUT 1", "has no rule 1");
    refused("iptables", "iptables -L -n -v");
    refused("iptables -A INPUT --dport 80", "needs `-p tcp`");
    refused("iptables -t raw -L", "no table 'raw'");
    refused("iptables -A INPUT -m comment --comment 'two words' -j NOWHERE", "'NOWHERE'");
    good("iptables -A INPUT -m comment --comment 'two words'");
    refused("iptables-save -x", "iptables-save [-c]");
}
END_TEST

START_TEST(save_and_restore)
{
    char name[] = "/tmp/test_iptables.XXXXXX", line[100];
    static char saved[sizeof(out)];
    good("iptables -A FORWARD -s 10.0.0.3 -j LOG --log-prefix 'seen: '");
    good("iptables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.0.0.5:8080");
    good("iptables -N user");
    good("iptables-save");
    snprintf(saved, sizeof(saved), "%s", out);
    ck_assert_ptr_nonnull(strstr(saved, "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:user - [0:0]\n"
                                        "-A FORWARD -s 10.0.0.3/32 -j LOG --log-prefix \"seen: \"\nCOMMIT\n"));
    ck_assert_ptr_nonnull(strstr(saved, "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING "
                                        "ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination "
                                        "10.0.0.5:8080\nCOMMIT\n"));
    int fd = mkstemp(name);
    ck_assert_int_eq(write(fd, saved, strlen(saved)), (ssize_t)strlen(saved));
    close(fd);
    good("iptables -F");
    good("iptables -X");
    good("iptables -t nat -F");
    good("iptables -A OUTPUT -j ACCEPT");
    snprintf(line, sizeof(line), "iptables-restore %s", name);
    good(line);
    good("iptables-save");
    ck_assert_str_eq(out, saved);
    snprintf(line, sizeof(line), "iptables-restore -n %s", name);
    good(line);
    good("iptables -S FORWARD");
    ck_assert_uint_eq(strlen(out), strlen("-P FORWARD ACCEPT\n") + 2 * strlen("-A FORWARD -s 10.0.0.3/32 -j LOG --log-prefix \"seen: \"\n"));
    unlink(name);
    refused(line, "can't be read");
    refused("iptables-restore", "FILE");
    refused("iptables-restore --text '*filter\n-A INPUT -j WHAT\nCOMMIT'", "line 2: there is no target or chain 'WHAT'");
    good("iptables-save -c -t nat");
    ck_assert_ptr_nonnull(strstr(out, "[0:0] -A PREROUTING"));
    ck_assert_ptr_null(strstr(out, "*filter"));
}
END_TEST

START_TEST(flows)
{
    good("conntrack -C");
    ck_assert_str_eq(out, "0\n");
    good("conntrack -L");
    ck_assert_str_eq(out, "");
    good("iptables -A INPUT -m state --state NEW");
    good("iptables -A OUTPUT -p icmp -j DROP");
    datagram(TD_IP4(10, 0, 0, 9), 4000, 53);
    datagram(TD_IP4(10, 0, 0, 8), 4000, 54);
    good("conntrack -C");
    ck_assert_str_eq(out, "2\n");
    good("conntrack -L --dport 53");
    ck_assert_str_eq(out, "udp      17 30 src=10.0.0.9 dst=10.0.0.1 sport=4000 dport=53 packets=1 bytes=28 [UNREPLIED] src=10.0.0.1 "
                          "dst=10.0.0.9 sport=53 dport=4000 packets=0 bytes=0 mark=0 use=1\n");
    ck_assert_int_eq(run_as("conntrack -L", true), EXIT_DONE);
    json_t *o = json_loads(out, 0, NULL);
    ck_assert_uint_eq(json_array_size(o), 2);
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(o, 1), "src")), "10.0.0.8");
    json_decref(o);
    good("conntrack -D -s 10.0.0.9");
    ck_assert_str_eq(out, "1 flow entries have been deleted\n");
    ck_assert_int_eq(run_as("conntrack -D -s 10.0.0.9", false), EXIT_FAILED);
    refused("conntrack -L --what", "no option '--what'");
    refused("conntrack", "conntrack -L");
    refused("conntrack -C -p tcp", "conntrack -L");
    good("conntrack -F");
    good("conntrack -C");
    ck_assert_str_eq(out, "0\n");
    good("sysctl net.netfilter.nf_conntrack_count");
    ck_assert_str_eq(out, "net.netfilter.nf_conntrack_count = 0\n");
}
END_TEST

START_TEST(flows_followed)
{
    char *argv[] = {(char[]){"conntrack"}, (char[]){"-E"}};
    good("iptables -A INPUT -p udp -j ACCEPT");
    struct run *r = run_start(&deck, 2, argv, false, false);
    ck_assert_int_eq(r->status, RUN_MORE);
    ck_assert(r->follow);
    datagram(TD_IP4(10, 0, 0, 9), 4000, 53);
    run_step(r, td_stack_now(st));
    ck_assert_str_eq(r->out.s, "     [NEW] udp      17 src=10.0.0.9 dst=10.0.0.1 sport=4000 dport=53 [UNREPLIED] src=10.0.0.1 "
                               "dst=10.0.0.9 sport=53 dport=4000\n");
    text_consume(&r->out, r->out.len);
    ck_assert_int_eq(td_nf_forget(st, "", NULL, 0), 1);
    run_step(r, td_stack_now(st));
    ck_assert_ptr_nonnull(strstr(r->out.s, " [DESTROY] udp      17 src=10.0.0.9 "));
    run_interrupt(r);
    ck_assert_int_eq(r->status, EXIT_DONE);
    run_free(r);
}
END_TEST

START_TEST(text_of_the_console)
{
    char name[] = "/tmp/test_iptables.XXXXXX", msg[200];
    char *argv[] = {(char[]){"iptables-restore"}, (char[]){"-n"}, name};
    struct rules_request q;
    int fd = mkstemp(name);
    ck_assert_int_eq(write(fd, "*nat\nCOMMIT\n", 12), 12);
    ck_assert(rules_request(3, argv, &q, msg, sizeof(msg)));
    ck_assert_int_eq(q.argc, 4);
    ck_assert_str_eq(q.argv[1], "-n");
    ck_assert_str_eq(q.argv[2], "--text");
    ck_assert_str_eq(q.argv[3], "*nat\nCOMMIT\n");
    rules_request_end(&q);
    for (int i = 0; i < 3000; i++)
        ck_assert_int_eq(write(fd, "# a comment\n", 12), 12);
    ck_assert(rules_request(3, argv, &q, msg, sizeof(msg)));
    ck_assert_int_eq(q.argc, 3);
    ck_assert_int_eq(access(q.path, R_OK), 0);
    rules_request_end(&q);
    ck_assert_int_ne(access(q.path, R_OK), 0);
    close(fd);
    unlink(name);
    ck_assert(!rules_request(3, argv, &q, msg, sizeof(msg)));
    ck_assert_ptr_nonnull(strstr(msg, "can't be read"));
    char *other[] = {(char[]){"ip"}, (char[]){"addr"}};
    ck_assert(rules_request(2, other, &q, msg, sizeof(msg)));
    ck_assert_ptr_null(q.argv);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("iptables");
    TCase *t = tcase_create("iptables");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, listing);
    tcase_add_test(t, checking);
    tcase_add_test(t, save_and_restore);
    tcase_add_test(t, flows);
    tcase_add_test(t, flows_followed);
    tcase_add_test(t, text_of_the_console);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
