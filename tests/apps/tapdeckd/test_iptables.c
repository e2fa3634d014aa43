/* tests of apps/tapdeckd/cmd_iptables.c, cmd_conntrack.c and apps/tapdeck/rules.c: iptables' words and shapes. */
#include "console.h"

#include <stdlib.h>
#include <unistd.h>

#include "ip/nf/nf.h"
#include "tapdeck/rules.h"
#include "wire/checksum.h"
#include "wire/eth.h"
#include "wire/ipv4.h"
#include "wire/udp.h"

static void setup(void)
{
    con_open(1);
    con_done("ip addr add 10.0.0.1/24 dev eth0");
}

static void datagram(td_ip4 src, uint16_t sport, uint16_t dport)
{
    uint8_t f[60] = {0};
    struct eth_hdr e = {.dst = {{2, 0, 0, 0, 0, 1}}, .src = {{6, 0, 0, 0, 0, 9}}, .type = ETHERTYPE_IPV4};
    struct ipv4_hdr h = {.hlen = 20, .total_len = 28, .ttl = 64, .proto = 17, .src = src, .dst = TD_IP4(10, 0, 0, 1)};
    struct udp_hdr u = {.sport = sport, .dport = dport, .length = 8};
    size_t n = eth_emit(&e, f);
    n += ipv4_emit(&h, f + n);
    udp_emit(&u, f + n);
    ck_assert_int_eq(td_stack_input_bytes(con.st, td_if_index(con.st, "eth0"), f, sizeof(f), td_stack_now(con.st)), 0);
    td_stack_flush(con.st, td_stack_now(con.st));
}

START_TEST(listing)
{
    con_done("iptables -L");
    ck_assert_str_eq(con.out, "Chain INPUT (policy ACCEPT)\n"
                          "target     prot opt source               destination         \n"
                          "\nChain FORWARD (policy ACCEPT)\n"
                          "target     prot opt source               destination         \n"
                          "\nChain OUTPUT (policy ACCEPT)\n"
                          "target     prot opt source               destination         \n");
    con_done("iptables -N mine");
    con_done("iptables -A INPUT -s 10.0.0.0/24 -p udp --dport 53 -j ACCEPT");
    con_done("iptables -A INPUT -i eth+ -m state --state RELATED,ESTABLISHED -j mine");
    con_done("iptables -A INPUT -p tcp ! --syn -m comment --comment 'no \"new\" ones' -j REJECT --reject-with tcp-reset");
    con_done("iptables -P INPUT DROP");
    datagram(TD_IP4(10, 0, 0, 9), 1, 53);
    datagram(TD_IP4(10, 0, 1, 9), 1, 53);
    con_done("iptables -L INPUT -n");
    ck_assert_str_eq(con.out, "Chain INPUT (policy DROP)\n"
                          "target     prot opt source               destination         \n"
                          "ACCEPT     udp  --  10.0.0.0/24          0.0.0.0/0            udp dpt:53\n"
                          "mine       all  --  0.0.0.0/0            0.0.0.0/0            state RELATED,ESTABLISHED\n"
                          "REJECT     tcp  --  0.0.0.0/0            0.0.0.0/0            tcp flags:!0x17/0x02 /* no "
                          "\"new\" ones */ reject-with tcp-reset\n");
    con_done("iptables -L INPUT -n -v --line-numbers");
    ck_assert_str_eq(con.out, "Chain INPUT (policy DROP 1 packets, 28 bytes)\n"
                          "num   pkts bytes target     prot opt in     out     source               destination         \n"
                          "1        1    28 ACCEPT     udp  --  *      *       10.0.0.0/24          0.0.0.0/0            udp dpt:53\n"
                          "2        0     0 mine       all  --  eth+   *       0.0.0.0/0            0.0.0.0/0            state "
                          "RELATED,ESTABLISHED\n"
                          "3        0     0 REJECT     tcp  --  *      *       0.0.0.0/0            0.0.0.0/0            tcp "
                          "flags:!0x17/0x02 /* no \"new\" ones */ reject-with tcp-reset\n");
    con_done("iptables -L mine -n");
    ck_assert_ptr_nonnull(strstr(con.out, "Chain mine (1 references)\n"));
    con_done("iptables -S");
    ck_assert_str_eq(con.out, "-P INPUT DROP\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n-N mine\n"
                          "-A INPUT -s 10.0.0.0/24 -p udp -m udp --dport 53 -j ACCEPT\n"
                          "-A INPUT -i eth+ -m state --state RELATED,ESTABLISHED -j mine\n"
                          "-A INPUT -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -m comment --comment \"no \\\"new\\\" ones\" "
                          "-j REJECT --reject-with tcp-reset\n");
    ck_assert_int_eq(con_line("iptables -L", true), EXIT_DONE);
    json_t *o = json_loads(con.out, 0, NULL);
    ck_assert_ptr_nonnull(o);
    ck_assert_uint_eq(json_array_size(o), 4);
    ck_assert_int_eq(con_line("iptables -S", true), EXIT_DONE);
    json_t *rules = json_loads(con.out, 0, NULL);
    ck_assert_ptr_nonnull(rules);
    ck_assert_int_eq(json_equal(o, rules), 1);
    json_decref(rules);
    json_decref(o);
    con_refused("iptables -L nowhere", "no chain nowhere in table filter");
}
END_TEST

START_TEST(checking)
{
    con_done("iptables -A INPUT -p tcp --dport 80 -j DROP");
    con_done("iptables -C INPUT -p tcp -m tcp --dport http -j DROP");
    ck_assert_int_eq(con_line("iptables -C INPUT -j DROP", false), EXIT_FAILED);
    con_done("iptables -D INPUT -p tcp --dport 80 -j DROP");
    con_refused("iptables -D INPUT 1", "has no rule 1");
    con_refused("iptables", "iptables -L -n -v");
    con_refused("iptables -A INPUT --dport 80", "needs `-p tcp`");
    con_refused("iptables -t raw -L", "no table 'raw'");
    con_refused("iptables -A INPUT -m comment --comment 'two words' -j NOWHERE", "'NOWHERE'");
    con_done("iptables -A INPUT -m comment --comment 'two words'");
    con_refused("iptables-save -x", "iptables-save [-c]");
}
END_TEST

START_TEST(save_and_restore)
{
    char name[] = "/tmp/test_iptables.XXXXXX", line[100];
    static char saved[sizeof(con.out)];
    con_done("iptables -A FORWARD -s 10.0.0.3 -j LOG --log-prefix 'seen: '");
    con_done("iptables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.0.0.5:8080");
    con_done("iptables -N user");
    con_done("iptables-save");
    snprintf(saved, sizeof(saved), "%s", con.out);
    ck_assert_ptr_nonnull(strstr(saved, "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:user - [0:0]\n"
                                        "-A FORWARD -s 10.0.0.3/32 -j LOG --log-prefix \"seen: \"\nCOMMIT\n"));
    ck_assert_ptr_nonnull(strstr(saved, "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING "
                                        "ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination "
                                        "10.0.0.5:8080\nCOMMIT\n"));
    int fd = mkstemp(name);
    ck_assert_int_eq(write(fd, saved, strlen(saved)), (ssize_t)strlen(saved));
    close(fd);
    con_done("iptables -F");
    con_done("iptables -X");
    con_done("iptables -t nat -F");
    con_done("iptables -A OUTPUT -j ACCEPT");
    snprintf(line, sizeof(line), "iptables-restore %s", name);
    con_done(line);
    con_done("iptables-save");
    ck_assert_str_eq(con.out, saved);
    snprintf(line, sizeof(line), "iptables-restore -n %s", name);
    con_done(line);
    con_done("iptables -S FORWARD");
    ck_assert_uint_eq(strlen(con.out), strlen("-P FORWARD ACCEPT\n") + 2 * strlen("-A FORWARD -s 10.0.0.3/32 -j LOG --log-prefix \"seen: \"\n"));
    unlink(name);
    con_refused(line, "can't be read");
    con_refused("iptables-restore", "FILE");
    con_refused("iptables-restore --text '*filter\n-A INPUT -j WHAT\nCOMMIT'", "line 2: there is no target or chain 'WHAT'");
    con_done("iptables-save -c -t nat");
    ck_assert_ptr_nonnull(strstr(con.out, "[0:0] -A PREROUTING"));
    ck_assert_ptr_null(strstr(con.out, "*filter"));
}
END_TEST

START_TEST(one_rule)
{
    con_done("iptables -A INPUT -p tcp --dport 80 -j ACCEPT");
    con_done("iptables -A INPUT -p udp -j DROP");
    con_done("iptables -nL INPUT 2");
    ck_assert_str_eq(con.out, "DROP       udp  --  0.0.0.0/0            0.0.0.0/0           \n");
    con_done("iptables -L INPUT 1 -n --line-numbers");
    ck_assert_msg(strncmp(con.out, "1    ACCEPT     tcp ", 20) == 0, "%s", con.out);
    con_done("iptables -S INPUT 1");
    ck_assert_str_eq(con.out, "-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT\n");
    con_done("iptables -L INPUT 3");
    ck_assert_str_eq(con.out, "");
    con_refused("iptables -L INPUT two", "'two' doesn't belong");
    con_refused("iptables -L INPUT 0", "'0' doesn't belong");
}
END_TEST

START_TEST(flows)
{
    con_done("conntrack -C");
    ck_assert_str_eq(con.out, "0\n");
    con_done("conntrack -L");
    ck_assert_str_eq(con.out, "");
    con_done("iptables -A INPUT -m state --state NEW");
    con_done("iptables -A OUTPUT -p icmp -j DROP");
    datagram(TD_IP4(10, 0, 0, 9), 4000, 53);
    datagram(TD_IP4(10, 0, 0, 8), 4000, 54);
    con_done("conntrack -C");
    ck_assert_str_eq(con.out, "2\n");
    con_done("conntrack -L --dport 53");
    ck_assert_str_eq(con.out, "udp      17 30 src=10.0.0.9 dst=10.0.0.1 sport=4000 dport=53 packets=1 bytes=28 [UNREPLIED] src=10.0.0.1 "
                          "dst=10.0.0.9 sport=53 dport=4000 packets=0 bytes=0 mark=0 use=1\n");
    con_done("conntrack -L -o extended,id --dport 53");
    ck_assert_ptr_nonnull(strstr(con.out, "ipv4     2 udp      17 30 src="));
    ck_assert_ptr_nonnull(strstr(con.out, " use=1 id="));
    con_refused("conntrack -L -o xml", "'xml' can't stand behind -o");
    con_refused("conntrack -E -e NEW,OLD", "'NEW,OLD' can't stand behind -e");
    con_refused("conntrack -E -o", "is missing");
    char *words[] = {"conntrack", "-E", "-o", "timestamp", "-e", "DESTROY"};
    struct run *events = run_start(&con.deck, 6, words, false, false);
    ck_assert_int_eq(events->status, RUN_MORE);
    datagram(TD_IP4(10, 0, 0, 7), 4000, 55);
    con_done("conntrack -D -s 10.0.0.7");
    run_step(events, td_stack_now(con.st));
    ck_assert_msg(events->out.s != NULL && events->out.s[0] == '[' && strstr(events->out.s, "]\t [DESTROY] udp      17 src=10.0.0.7") != NULL &&
                      strstr(events->out.s, "NEW") == NULL,
                  "%s", events->out.s);
    run_free(events);
    ck_assert_int_eq(con_line("conntrack -L", true), EXIT_DONE);
    json_t *o = json_loads(con.out, 0, NULL);
    ck_assert_uint_eq(json_array_size(o), 2);
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(o, 1), "src")), "10.0.0.8");
    json_decref(o);
    con_done("conntrack -D -s 10.0.0.9");
    ck_assert_str_eq(con.out, "1 flow entries have been deleted\n");
    ck_assert_int_eq(con_line("conntrack -D -s 10.0.0.9", false), EXIT_FAILED);
    con_refused("conntrack -L --what", "no option '--what'");
    con_refused("conntrack", "conntrack -L");
    con_refused("conntrack -C -p tcp", "conntrack -L");
    con_done("conntrack -F");
    con_done("conntrack -C");
    ck_assert_str_eq(con.out, "0\n");
    con_done("sysctl net.netfilter.nf_conntrack_count");
    ck_assert_str_eq(con.out, "net.netfilter.nf_conntrack_count = 0\n");
}
END_TEST

START_TEST(flows_followed)
{
    char *argv[] = {(char[]){"conntrack"}, (char[]){"-E"}};
    con_done("iptables -A INPUT -p udp -j ACCEPT");
    struct run *r = run_start(&con.deck, 2, argv, false, false);
    ck_assert_int_eq(r->status, RUN_MORE);
    ck_assert(r->follow);
    datagram(TD_IP4(10, 0, 0, 9), 4000, 53);
    run_step(r, td_stack_now(con.st));
    ck_assert_str_eq(r->out.s, "     [NEW] udp      17 src=10.0.0.9 dst=10.0.0.1 sport=4000 dport=53 [UNREPLIED] src=10.0.0.1 "
                               "dst=10.0.0.9 sport=53 dport=4000\n");
    text_consume(&r->out, r->out.len);
    ck_assert_int_eq(td_nf_forget(con.st, "", NULL, 0), 1);
    run_step(r, td_stack_now(con.st));
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
    tcase_add_checked_fixture(t, setup, con_close);
    tcase_add_test(t, listing);
    tcase_add_test(t, checking);
    tcase_add_test(t, save_and_restore);
    tcase_add_test(t, one_rule);
    tcase_add_test(t, flows);
    tcase_add_test(t, flows_followed);
    tcase_add_test(t, text_of_the_console);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
