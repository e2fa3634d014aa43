/* ip monitor and ethtool: changes as they happen, what a device does; and words that don't belong.
 */
#include "console.h"

#include <stdlib.h>
#include <unistd.h>

#include "link/link.h"

static struct run *watched; /* the monitor that runs */

static void watch(const char *line, bool json)
{
    char **argv, msg[256];
    int argc = words_split(line, &argv, msg, sizeof msg);
    watched = run_start(&con.deck, argc, argv, json, false);
    words_free(argv);
    ck_assert_msg(watched->status == RUN_MORE && watched->follow, "%s: %s", line, watched->err);
}

/* What it has said since. */
static const char *seen(void)
{
    static char text[8192];
    do
        run_step(watched, td_stack_now(con.st));
    while (watched->ready);
    snprintf(text, sizeof text, "%s", watched->out.s != NULL ? watched->out.s : "");
    text_consume(&watched->out, watched->out.len);
    return text;
}

static void watch_end(void)
{
    run_interrupt(watched);
    ck_assert_int_eq(watched->status, EXIT_DONE);
    run_free(watched);
}

static void setup(void)
{
    con_open(2);
    con_done("sysctl -q -w net.ipv4.conf.all.arp_acd=0");
    con_done("sysctl -q -w net.ipv4.conf.default.arp_acd=0");
    for (int i = 0; i < 2; i++)
        con_done(i == 0 ? "sysctl -q -w net.ipv4.conf.eth0.arp_acd=0"
                        : "sysctl -q -w net.ipv4.conf.eth1.arp_acd=0");
}

static void teardown(void)
{
    con_close();
}

static void is(const char *wanted)
{
    const char *text = seen();
    ck_assert_msg(strcmp(text, wanted) == 0, "seen:\n%s\nwanted:\n%s", text, wanted);
}

START_TEST(test_monitor)
{
    con_done("ip addr add 10.9.9.9/24 dev eth1");
    watch("ip monitor", false);
    is(""); /* what was before isn't told */
    con_done("ip addr add 10.0.0.2/24 dev eth0");
    is("2: eth0    inet 10.0.0.2/24 brd 10.0.0.255 scope global eth0\n       valid_lft forever "
       "preferred_lft forever\n");
    con_done("ip route add 192.0.2.0/24 via 10.0.0.1 metric 5");
    is("192.0.2.0/24 via 10.0.0.1 dev eth0 metric 5 \n");
    con_done("ip route add default via 10.0.0.1 table 100");
    is("default via 10.0.0.1 dev eth0 table 100 \n");
    con_done("ip route add blackhole 192.0.3.0/24 proto static");
    is("blackhole 192.0.3.0/24 proto static \n");
    con_done("ip route add 192.0.4.0/24 nexthop via 10.0.0.7 nexthop via 10.0.0.8 weight 2");
    is("192.0.4.0/24 \n\tnexthop via 10.0.0.7 dev eth0 weight 1 \n\tnexthop via 10.0.0.8 dev eth0 "
       "weight 2 \n");
    con_done("ip route del 192.0.2.0/24 metric 5");
    is("Deleted 192.0.2.0/24 via 10.0.0.1 dev eth0 metric 5 \n");
    con_done("ip rule add from 10.0.0.0/8 to 10.1.0.0/16 iif eth0 table 100 priority 500");
    is("500:\tfrom 10.0.0.0/8 to 10.1.0.0/16 iif eth0 lookup 100\n");
    con_done("ip rule del priority 500");
    is("Deleted 500:\tfrom 10.0.0.0/8 to 10.1.0.0/16 lookup 100\n");
    con_done("ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:99 dev eth0 nud stale");
    is("10.0.0.9 dev eth0 lladdr 02:00:00:00:00:99 STALE \n");
    con_done("ip neigh del 10.0.0.9 dev eth0");
    is("Deleted 10.0.0.9 dev eth0 STALE \n");
    con_done("ip link set eth0 mtu 1400");
    is("2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1400 qdisc pfifo state UP group default \n"
       "    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff\n");
    con_done("ip addr del 10.0.0.2/24 dev eth0");
    ck_assert_ptr_nonnull(
        strstr(seen(), "Deleted 2: eth0    inet 10.0.0.2/24 brd 10.0.0.255 scope global eth0\n"));
    con_done("ip link add d0 address 02:00:00:00:00:dd type dummy");
    is("4: d0: <BROADCAST,NOARP> mtu 1500 qdisc noqueue state DOWN group default \n"
       "    link/ether 02:00:00:00:00:dd brd ff:ff:ff:ff:ff:ff\n");
    con_done("ip link del d0");
    is("Deleted 4: d0: <BROADCAST,MULTICAST> mtu 1500 qdisc noop state DOWN group default \n"
       "    link/ether 02:00:00:00:00:dd brd ff:ff:ff:ff:ff:ff\n");
    watch_end();
}
END_TEST

START_TEST(test_monitor_options)
{
    watch("ip monitor rule", false);
    con_done("ip addr add 10.0.0.2/24 dev eth0");
    con_done("ip rule add blackhole from 1.2.3.4 priority 7");
    is("7:\tfrom 1.2.3.4 blackhole\n");
    watch_end();
    watch("ip -o monitor all", false);
    con_done("ip link set eth1 mtu 1300");
    is("[LINK]3: eth1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1300 qdisc pfifo state UP group "
       "default \\"
       "    link/ether 02:00:00:00:00:02 brd ff:ff:ff:ff:ff:ff\n");
    con_done("ip rule del priority 7");
    is("[RULE]Deleted 7:\tfrom 1.2.3.4 blackhole\n");
    watch_end();
    watch("ip monitor dev eth1", false);
    con_done("ip link set eth0 mtu 1300");
    con_done("ip link set eth1 mtu 1200");
    ck_assert_ptr_nonnull(strstr(seen(), "3: eth1: "));
    watch_end();
    watch("ip -t monitor route", false);
    con_done("ip route add blackhole 192.0.3.0/24");
    const char *text = seen();
    ck_assert_msg(strncmp(text, "Timestamp: ", 11) == 0 &&
                      strstr(text, " usec\nblackhole 192.0.3.0/24 \n") != NULL,
                  "%s", text);
    watch_end();
    watch("ip -ts monitor route", false);
    con_done("ip route del blackhole 192.0.3.0/24");
    text = seen();
    ck_assert_msg(text[0] == '[' && strstr(text, "] Deleted blackhole 192.0.3.0/24 \n") != NULL,
                  "%s", text);
    watch_end();
    watch("ip -t monitor neigh route", true);
    con_done("ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:99 dev eth0 nud stale");
    con_done("ip route add blackhole 192.0.3.0/24");
    text = seen();
    const char *second = strchr(text, '\n');
    ck_assert_ptr_nonnull(second);
    json_t *j = json_loadb(text, (size_t)(second - text), 0, NULL),
           *k = json_loads(second + 1, 0, NULL);
    ck_assert_str_eq(json_string_value(json_object_get(j, "object")), "neigh");
    ck_assert_str_eq(json_string_value(json_object_get(j, "lladdr")), "02:00:00:00:00:99");
    ck_assert_ptr_nonnull(json_object_get(j, "timestamp"));
    ck_assert_str_eq(json_string_value(json_object_get(k, "object")), "route");
    ck_assert_str_eq(json_string_value(json_object_get(k, "type")), "blackhole");
    json_decref(j);
    json_decref(k);
    watch_end();
    con_refused("ip monitor everything", "'everything' doesn't belong");
    con_refused("ip monitor dev eth7", "there is no interface 'eth7'");
    con_done("sysctl -q -w tapdeck.journal.level=0");
    ck_assert_int_eq(con_line("ip monitor", false), EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(con.err, "tapdeck.journal.level=1"));
}
END_TEST

START_TEST(test_ethtool)
{
    con_done("ethtool -k eth0");
    con_says("Features for eth0:\nrx-checksumming: off [fixed]\ntx-checksumming: "
             "off\n\ttx-checksum-ipv4: off [fixed]\n");
    con_says("tcp-segmentation-offload: off\n\ttx-tcp-segmentation: off "
             "[fixed]\ngeneric-segmentation-offload: on [fixed]\n"
             "generic-receive-offload: off\nlarge-receive-offload: off [fixed]\n");
    con_done("ethtool -K eth0 gro on");
    ck_assert_uint_ne(netif_by_name(con.st, "eth0")->flags & TD_IF_GRO, 0);
    con_done("ethtool --show-offload eth0");
    con_says("generic-receive-offload: on\n");
    json_t *list = con_json("ethtool -k eth0"), *all = json_array_get(list, 0);
    json_t *gro = json_object_get(all, "generic-receive-offload"),
           *tso = json_object_get(all, "tcp-segmentation-offload");
    ck_assert_str_eq(json_string_value(json_object_get(all, "ifname")), "eth0");
    ck_assert(json_is_true(json_object_get(gro, "active")) &&
              json_is_false(json_object_get(gro, "fixed")));
    ck_assert(json_is_false(json_object_get(tso, "active")) &&
              json_is_null(json_object_get(tso, "fixed")));
    json_decref(list);
    con_done("ethtool -K eth0 generic-receive-offload off tso off rx off"); /* as they are */
    ck_assert_uint_eq(netif_by_name(con.st, "eth0")->flags & TD_IF_GRO, 0);
    ck_assert_int_eq(con_line("ethtool -K eth0 gro on tso on", false),
                     EXIT_FAILED); /* none of them */
    ck_assert_ptr_nonnull(strstr(con.err, "tcp-segmentation-offload of eth0 stays off"));
    ck_assert_uint_eq(netif_by_name(con.st, "eth0")->flags & TD_IF_GRO, 0);
    con_done("ethtool -k lo");
    con_says("tcp-segmentation-offload: on\n");
    con_says("generic-receive-offload: off [fixed]\n");
    ck_assert_int_eq(con_line("ethtool -K lo gro on", false), EXIT_FAILED);
    con_done("ethtool -i eth0");
    con_says("driver: simulated wire\n");
    con_done("ethtool -S eth0");
    con_says("NIC statistics:\n     rx_packets: 0\n");
    con_says("     tx_queue_0_drops: 0\n");
    con_refused("ethtool", "a word is missing");
    con_refused("ethtool eth0", "'eth0' doesn't belong");
    con_refused("ethtool -k", "a word is missing");
    con_refused("ethtool -k eth7", "there is no interface 'eth7'");
    con_refused("ethtool -K eth0", "a word is missing");
    con_refused("ethtool -K eth0 warp on", "'warp' is no feature");
    con_refused("ethtool -K eth0 gro", "on or off is missing");
    con_refused("ethtool -K eth0 gro maybe", "write on or off");
    con_refused("ethtool -k eth0 eth1", "'eth1' doesn't belong");
}
END_TEST

START_TEST(test_neigh)
{
    con_done("ip addr add 10.0.0.2/24 dev eth0");
    con_done("ip neigh add 10.0.0.7 lladdr 02:00:00:00:00:77 dev eth0");
    con_done("ip neigh add 10.0.0.8 lladdr 02:00:00:00:00:88 dev eth0 nud stale");
    con_done("ip neigh show nud stale");
    ck_assert_str_eq(con.out, "10.0.0.8 dev eth0 lladdr 02:00:00:00:00:88 STALE \n");
    con_done("ip neigh show dev eth0 nud permanent");
    ck_assert_str_eq(con.out, "10.0.0.7 lladdr 02:00:00:00:00:77 PERMANENT \n");
    con_done("ip -s neigh show 10.0.0.7");
    ck_assert_str_eq(con.out, "10.0.0.7 dev eth0 lladdr 02:00:00:00:00:77  used 0/0/0probes 0 PERMANENT \n");
    con_done("ip neigh show nud failed");
    ck_assert_str_eq(con.out, "");
    con_refused("ip neigh show nud tired", "'tired' doesn't belong");
    con_refused("ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:99 dev eth0 nud failed", "the states one can set");
}
END_TEST

START_TEST(test_sysctl)
{
    char path[] = "/tmp/sysctl-test-XXXXXX", line[128];
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_gt(dprintf(fd, "# knobs\n\n ; of a router\nnet.ipv4.ip_forward = 1\n  net/ipv4/ip_default_ttl=33  \n"), 0);
    snprintf(line, sizeof line, "sysctl -p %s", path);
    con_done(line);
    ck_assert_str_eq(con.out, "net.ipv4.ip_forward = 1\nnet.ipv4.ip_default_ttl = 33\n");
    con_done("sysctl -n net.ipv4.ip_forward net.ipv4.ip_default_ttl");
    ck_assert_str_eq(con.out, "1\n33\n");
    con_refused("sysctl -w net.ipv4.ip_default_ttl=44 net.ipv4.ip_forward=maybe", "'maybe'"); /* all or none */
    con_done("sysctl -n net.ipv4.ip_default_ttl");
    ck_assert_str_eq(con.out, "33\n");
    con_refused("sysctl -w net.ipv4.ip_default_ttl=44 net.ipv4.nonesuch=1", "net.ipv4.nonesuch");
    con_done("sysctl -n net.ipv4.ip_default_ttl");
    ck_assert_str_eq(con.out, "33\n");
    con_done("sysctl -e -w net.ipv4.nonesuch=1 net.ipv4.ip_default_ttl=45");
    con_says("net.ipv4.ip_default_ttl = 45\n");
    ck_assert_int_gt(dprintf(fd, "no value\n"), 0);
    con_refused(line, "line 6 has no value");
    con_done("sysctl -n net.ipv4.ip_default_ttl");
    ck_assert_str_eq(con.out, "45\n");
    close(fd);
    unlink(path);
    con_refused(line, "can't be read");
    con_refused("sysctl -p /dev/null", "no file of lines");
    con_refused("sysctl -p", "a file is missing");
    con_done("sysctl -a -N -r ip_default");
    ck_assert_str_eq(con.out, "net.ipv4.ip_default_ttl\n");
    con_done("sysctl --pattern 'net.ipv4.tcp_?mem' --names");
    ck_assert_str_eq(con.out, "net.ipv4.tcp_rmem\nnet.ipv4.tcp_wmem\n");
    con_done("sysctl -e net.ipv4.nonesuch");
    con_refused("sysctl -x", "'-x' doesn't belong");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tools");
    TCase *tc = tcase_create("all");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_monitor);
    tcase_add_test(tc, test_monitor_options);
    tcase_add_test(tc, test_ethtool);
    tcase_add_test(tc, test_neigh);
    tcase_add_test(tc, test_sysctl);
    suite_add_tcase(s, tc);
    return s;
}
CHECK_MAIN(suite)
