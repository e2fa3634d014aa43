/* tests of apps/tapdeckd/cmd_*.c and deck.c: commands against a stack without TAP, in virtual time.
 */
#include "check_main.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/control.h"
#include "tapdeckd/deck.h"

static struct td_stack *st;
static struct deck deck;
static unsigned frames_out;
static char last_err[768];
static char last_out[65536];

static int transmit(void *dev, const struct pkt *p)
{
    (void)dev;
    (void)p;
    frames_out++;
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
    ck_assert_ptr_nonnull(st);
    ck_assert_int_eq(td_if_add(st, &eth, &ifindex), 0);
    deck_init(&deck, st, "test");
    frames_out = 0;
}

static void teardown(void)
{
    deck_done(&deck);
    td_stack_free(st);
}

/* Lets virtual time pass until the run is over or `until` has come. */
static void drive(struct run *r, td_time until)
{
    while (r->status == RUN_MORE && td_stack_now(st) < until) {
        td_time at = runs_deadline(&deck), next = td_stack_next_deadline(st);
        td_time now = td_stack_now(st);
        if (!r->ready) {
            at = next < at ? next : at;
            now = at > now ? at : now;
            now = now > until ? until : now;
        }
        td_stack_tick(st, now);
        if (r->ready || r->wake <= now)
            run_step(r, now);
        td_stack_flush(st, now);
    }
}

static struct run *start(const char *line, bool json)
{
    char msg[256], **argv;
    int argc = words_split(line, &argv, msg, sizeof(msg));
    ck_assert_msg(argc > 0, "%s: %s", line, msg);
    struct run *r = run_start(&deck, argc, argv, json, false);
    words_free(argv);
    td_stack_flush(st, td_stack_now(st));
    return r;
}

static int finish(struct run *r)
{
    int status = r->status;
    snprintf(last_out, sizeof(last_out), "%s", r->out.s != NULL ? r->out.s : "");
    snprintf(last_err, sizeof(last_err), "%s", r->err);
    run_free(r);
    return status;
}

static int run_json(const char *line, bool json)
{
    struct run *r = start(line, json);
    drive(r, td_stack_now(st) + 60 * TD_SEC);
    return finish(r);
}

static int run(const char *line)
{
    return run_json(line, false);
}

static void good(const char *line)
{
    int status = run(line);
    ck_assert_msg(status == EXIT_DONE && last_err[0] == '\0', "%s: status %d, %s", line, status,
                  last_err);
}

static void says(const char *text)
{
    ck_assert_msg(strstr(last_out, text) != NULL, "'%s' is not in:\n%s", text, last_out);
}

static void silent_about(const char *text)
{
    ck_assert_msg(strstr(last_out, text) == NULL, "'%s' is in:\n%s", text, last_out);
}

/* Refused with exit status 2 and a sentence that has `why` in it. */
static void refused(const char *line, const char *why)
{
    int status = run(line);
    ck_assert_msg(status == EXIT_USAGE, "%s: status %d, %s", line, status, last_err);
    ck_assert_msg(strstr(last_err, why) != NULL, "%s: %s", line, last_err);
    ck_assert_msg(strchr(last_err, '\n') == NULL, "%s: more than a sentence", line);
}

static json_t *json_of(const char *line)
{
    json_error_t e;
    int status = run_json(line, true);
    ck_assert_msg(status == EXIT_DONE, "%s: status %d, %s", line, status, last_err);
    json_t *o = json_loads(last_out, 0, &e);
    ck_assert_msg(o != NULL, "%s gave no JSON (%s):\n%s", line, e.text, last_out);
    return o;
}

static const char *str(json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s != NULL ? s : "";
}

/* ---- ip ---- */

START_TEST(ip_addr)
{
    good("ip addr add 10.0.0.2/24 dev eth0");
    good("ip a");
    says("2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc pfifo state UP");
    says("    link/ether 02:00:00:00:00:02 brd ff:ff:ff:ff:ff:ff\n");
    says("    inet 10.0.0.2/24 brd 10.0.0.255 scope global eth0\n");
    says("    inet 127.0.0.1/8 scope host lo\n");
    good("ip addr show dev eth0");
    silent_about("127.0.0.1");
    good("ip -br a");
    says("eth0             UP             10.0.0.2/24 ");
    refused("ip addr add 10.0.0.2/24 dev eth0", "already");
    good("ip addr del 10.0.0.2/24 dev eth0");
    refused("ip addr del 10.0.0.2/24 dev eth0", "not an address of the interface");
}
END_TEST

START_TEST(ip_addr_json)
{
    good("ip addr add 10.0.0.2/24 dev eth0");
    json_t *list = json_of("ip addr");
    ck_assert_uint_eq(json_array_size(list), 2);
    json_t *eth = json_array_get(list, 1),
           *info = json_array_get(json_object_get(eth, "addr_info"), 0);
    ck_assert_str_eq(str(eth, "ifname"), "eth0");
    ck_assert_str_eq(str(eth, "operstate"), "UP");
    ck_assert_str_eq(str(eth, "address"), "02:00:00:00:00:02");
    ck_assert_int_eq(json_integer_value(json_object_get(eth, "mtu")), 1500);
    ck_assert_str_eq(str(info, "local"), "10.0.0.2");
    ck_assert_int_eq(json_integer_value(json_object_get(info, "prefixlen")), 24);
    ck_assert_str_eq(str(info, "scope"), "global");
    json_decref(list);
    /* -j behind the command is the same. */
    good("ip -j addr");
    ck_assert_int_eq(last_out[0], '[');
}
END_TEST

START_TEST(ip_addr_refusals)
{
    refused("ip addr add 10.0.0.2/33 dev eth0", "'10.0.0.2/33' is not an address");
    refused("ip addr add 10.0.0/24 dev eth0", "write it as 10.0.0.2/24");
    refused("ip addr add", "missing after 'ip addr add'");
    refused("ip addr add 10.0.0.2/24", "which interface?");
    refused("ip addr add 10.0.0.2/24 dev", "missing");
    refused("ip addr add 10.0.0.2/24 dev eth9", "there is lo, eth0");
    refused("ip addr add 10.0.0.2/24 on eth0", "'on'");
    refused("ip addr frobnicate", "'frobnicate'");
    refused("ip", "ip addr");
    refused("ip wire", "'wire'");
    refused("ipconfig", "there is no command 'ipconfig'");
}
END_TEST

START_TEST(ip_link)
{
    good("ip link set eth0 mtu 1400");
    good("ip link set dev eth0 address 02:00:00:00:00:77");
    good("ip link set eth0 down");
    good("ip l show eth0");
    says("mtu 1400 qdisc pfifo state DOWN mode DEFAULT group default qlen 1000");
    says("02:00:00:00:00:77");
    good("ip link set eth0 up");
    good("ip -s link show dev eth0");
    says("    RX:  bytes packets errors dropped  missed   mcast           \n");
    says("    TX:  bytes packets errors dropped carrier collsns           \n");
    good("ip -br link");
    says(" <BROADCAST,MULTICAST,UP,LOWER_UP> \n");
    says("00:00:00:00:00:00 <LOOPBACK,UP,LOWER_UP> \n");
    refused("ip link set eth0 mtu 67", "68 to 65535");
    refused("ip link set eth0 address 03:00:00:00:00:01", "group address");
    refused("ip link set eth0", "what is to be set?");
    refused("ip link set eth0 sideways", "'sideways'");
    json_t *list = json_of("ip -s link show eth0");
    json_t *rx = json_object_get(json_object_get(json_array_get(list, 0), "stats64"), "rx");
    ck_assert(json_is_integer(json_object_get(rx, "bytes")));
    ck_assert_str_eq(str(json_array_get(list, 0), "linkmode"), "DEFAULT");
    json_decref(list);
}
END_TEST

START_TEST(ip_route)
{
    good("ip addr add 10.0.0.2/24 dev eth0");
    good("ip route add default via 10.0.0.1");
    good("ip route add 192.0.2.0/24 via 10.0.0.9 metric 5 mtu 1300");
    good("ip r");
    says("default via 10.0.0.1 dev eth0 \n");
    says("10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.2 \n");
    says("192.0.2.0/24 via 10.0.0.9 dev eth0 metric 5 mtu 1300 \n");
    silent_about("127.0.0.0");
    good("ip route show table all");
    says("local 10.0.0.2");
    says("default");
    good("ip route show table local");
    says("local 10.0.0.2");
    silent_about("default");
    good("ip route show 192.0.2.0/24");
    says("192.0.2.0/24 via");
    silent_about("default");
    good("ip route show default");
    says("default via");
    silent_about("192.0.2.0");
    good("ip route get 192.0.2.7");
    says("192.0.2.7 via 10.0.0.9 dev eth0 src 10.0.0.2 \n    cache mtu 1300 \n");
    good("ip route get 127.0.0.1");
    says("local 127.0.0.1 dev lo table local src 127.0.0.1 \n    cache <local> \n");
    good("ip route add blackhole 198.51.100.0/24");
    ck_assert_int_eq(run("ip route get 198.51.100.1"), EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(last_err, "blackhole"));
    good("ip route replace default via 10.0.0.254");
    good("ip route");
    says("default via 10.0.0.254 dev eth0");
    good("ip route del 192.0.2.0/24");
    good("ip route");
    silent_about("192.0.2.0");
    json_t *list = json_of("ip route");
    ck_assert_str_eq(str(json_array_get(list, 0), "dst"), "default");
    ck_assert_str_eq(str(json_array_get(list, 0), "gateway"), "10.0.0.254");
    ck_assert_ptr_null(json_object_get(json_array_get(list, 0), "scope")); /* global isn't said */
    ck_assert_str_eq(str(json_array_get(list, 0), "dev"), "eth0");
    json_decref(list);
}
END_TEST

START_TEST(ip_route_refusals)
{
    good("ip addr add 10.0.0.2/24 dev eth0");
    good("ip route add default via 10.0.0.1");
    refused("ip route add default via 10.0.0.1", "ip route replace");
    refused("ip route add 192.0.2.1/24 via 10.0.0.1", "192.0.2.0/24");
    refused("ip route add 192.0.2.0/24", "where does the route lead?");
    refused("ip route add 192.0.2.0/24 via 172.16.0.1x", "'172.16.0.1x' after 'via'");
    refused("ip route add 192.0.2.0/24 through 10.0.0.1", "'through'");
    refused("ip route add 192.0.2.0/24 via", "missing after");
    refused("ip route del 203.0.113.0/24", "no such route");
    refused("ip route get example.org", "'example.org' is not an address");
    good("ip route del default");
    refused("ip route add 192.0.2.0/24 via 172.16.0.1", "on no attached network");
    ck_assert_int_eq(run("ip route get 192.0.2.1"), EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(last_err, "no route"));
}
END_TEST

START_TEST(ip_neigh)
{
    good("ip addr add 10.0.0.2/24 dev eth0");
    good("ip neigh add 10.0.0.1 lladdr 02:00:00:00:00:01 dev eth0");
    good("ip n");
    says("10.0.0.1 dev eth0 lladdr 02:00:00:00:00:01 PERMANENT \n");
    refused("ip neigh add 10.0.0.1 lladdr 02:00:00:00:00:09 dev eth0", "ip neigh replace");
    good("ip neigh replace 10.0.0.1 lladdr 02:00:00:00:00:09 dev eth0 nud reachable");
    good("ip neigh");
    says("10.0.0.1 dev eth0 lladdr 02:00:00:00:00:09 REACHABLE \n");
    json_t *list = json_of("ip neigh");
    json_t *row = json_array_get(list, 0);
    ck_assert_str_eq(str(row, "dst"), "10.0.0.1");
    ck_assert_str_eq(str(row, "lladdr"), "02:00:00:00:00:09");
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(row, "state"), 0)),
                     "REACHABLE");
    json_decref(list);
    good("ip neigh del 10.0.0.1 dev eth0");
    refused("ip neigh del 10.0.0.1 dev eth0", "no such entry");
    good("ip neigh add 10.0.0.3 lladdr 02:00:00:00:00:03 dev eth0 nud stale");
    good("ip neigh flush dev eth0");
    good("ip neigh");
    silent_about("10.0.0.3");
    refused("ip neigh add 10.0.0.1 dev eth0", "lladdr");
    refused("ip neigh add 10.0.0.1 lladdr zz dev eth0", "'zz' is not a MAC");
    refused("ip neigh add 10.0.0.1 lladdr 02:00:00:00:00:01 dev eth0 nud happy",
            "permanent, reachable and stale");
}
END_TEST

/* ---- knobs and counters ---- */

START_TEST(sysctl)
{
    good("sysctl net.ipv4.ip_forward");
    ck_assert_str_eq(last_out, "net.ipv4.ip_forward = 0\n");
    good("sysctl -w net.ipv4.ip_forward=1");
    ck_assert_str_eq(last_out, "net.ipv4.ip_forward = 1\n");
    good("sysctl -n net/ipv4/ip_forward");
    ck_assert_str_eq(last_out, "1\n");
    good("sysctl \"net.ipv4.tcp_rmem=4096 65536 1000000\"");
    good("sysctl -n net.ipv4.tcp_rmem");
    ck_assert_ptr_nonnull(strstr(last_out, "65536"));
    good("sysctl -a");
    says("net.ipv4.ip_default_ttl = 64\n");
    says("net.ipv4.conf.eth0.arp_ignore = ");
    good("sysctl net.ipv4.conf.eth0");
    says("arp_ignore");
    silent_about("conf.lo");
    json_t *o = json_of("sysctl net.ipv4.ip_default_ttl");
    ck_assert_str_eq(str(o, "net.ipv4.ip_default_ttl"), "64");
    json_decref(o);
    refused("sysctl net.ipv4.nonsense", "'net.ipv4.nonsense'");
    refused("sysctl -w net.ipv4.nonsense=1", "sysctl -a");
    refused("sysctl -w net.ipv4.ip_default_ttl=0", "1 to 255");
    refused("sysctl -w net.ipv4.ip_default_ttl=many", "whole number");
    refused("sysctl -w net.ipv4.ip_default_ttl", "has no value");
    refused("sysctl -w net.ipv4.tcp_congestion_control=teleport", "write one of");
    refused("sysctl", "which knob?");
}
END_TEST

START_TEST(nstat)
{
    good("ping -c 1 127.0.0.1");
    good("nstat");
    says("#tapdeck\n");
    says("IcmpOutEchos                    1                  0.0\n");
    good("nstat"); /* nothing since */
    silent_about("IcmpOutEchos");
    good("nstat -a Icmp*");
    says("IcmpOutEchos                    1");
    silent_about("IpInReceives");
    good("nstat -az TcpActiveOpens");
    says("TcpActiveOpens                  0");
    json_t *o = json_of("nstat -a");
    ck_assert_int_eq(
        json_integer_value(json_object_get(json_object_get(o, "kernel"), "IcmpOutEchos")), 1);
    json_decref(o);
    refused("nstat -q", "options here");
}
END_TEST

/* ---- ping ---- */

START_TEST(ping_loopback)
{
    td_time before = td_stack_now(st);
    good("ping -c 3 -i 0.5 -s 100 127.0.0.1");
    says("PING 127.0.0.1 (127.0.0.1) 100(128) bytes of data.\n");
    says("108 bytes from 127.0.0.1: icmp_seq=1 ttl=64 time=");
    says("icmp_seq=3 ");
    says("3 packets transmitted, 3 received, 0% packet loss, time 1000ms\n");
    says("rtt min/avg/max/mdev = ");
    ck_assert_uint_eq(td_stack_now(st) - before, TD_SEC);
    json_t *o = json_of("ping -c 2 127.0.0.1");
    ck_assert_int_eq(json_integer_value(json_object_get(o, "received")), 2);
    ck_assert_uint_eq(json_array_size(json_object_get(o, "replies")), 2);
    json_decref(o);
}
END_TEST

/* Nobody answers ARP: the errors of the socket's error queue are shown, the status is 1. */
START_TEST(ping_unreachable)
{
    good("ip addr add 10.0.0.2/24 dev eth0");
    ck_assert_int_eq(run("ping -c 1 10.0.0.77"), EXIT_FAILED);
    says("From 10.0.0.2 icmp_seq=1 Destination Host Unreachable\n");
    says("1 packets transmitted, 0 received, +1 errors, 100% packet loss");
    ck_assert_uint_gt(frames_out, 0);
}
END_TEST

START_TEST(ping_without_answer)
{
    good("ip addr add 10.0.0.2/24 dev eth0");
    good("ip neigh add 10.0.0.1 lladdr 02:00:00:00:00:01 dev eth0");
    td_time before = td_stack_now(st);
    ck_assert_int_eq(run("ping -c 2 -i 0.2 -W 1.5 10.0.0.1"), EXIT_FAILED);
    says("2 packets transmitted, 0 received, 100% packet loss");
    ck_assert_uint_eq(td_stack_now(st) - before, 1700 * TD_MS);
}
END_TEST

START_TEST(ping_interrupted)
{
    struct run *r = start("ping 127.0.0.1", false);
    drive(r, td_stack_now(st) + 2500 * TD_MS);
    ck_assert_int_eq(r->status, RUN_MORE);
    run_interrupt(r);
    ck_assert_int_eq(finish(r), EXIT_DONE);
    says("3 packets transmitted, 3 received, 0% packet loss");
}
END_TEST

/* A client that goes away takes its ping with it: the socket is closed. */
START_TEST(ping_abandoned)
{
    struct run *r = start("ping 127.0.0.1", false);
    drive(r, td_stack_now(st) + 1500 * TD_MS);
    run_free(r);
    ck_assert_ptr_null(deck.runs);
    int s = td_socket(st, AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
    ck_assert_int_eq(s, 0); /* the lowest handle is free again */
    td_close(st, s);
}
END_TEST

START_TEST(ping_refusals)
{
    refused("ping", "whom?");
    refused("ping localhost", "names are not looked up");
    refused("ping -c 0 127.0.0.1", "'0' doesn't fit -c");
    refused("ping -c 127.0.0.1", "doesn't fit -c");
    refused("ping -i 0.0001 127.0.0.1", "at least 0.002");
    refused("ping -s 70000 127.0.0.1", "0 to 65507");
    refused("ping -t 0 127.0.0.1", "1 to 255");
    refused("ping -z 127.0.0.1", "no option -z");
    refused("ping 127.0.0.1 127.0.0.2", "one address");
    ck_assert_int_eq(run("ping -c 1 192.0.2.1"), EXIT_FAILED); /* no route */
    says("1 errors");
}
END_TEST

/* ---- why ---- */

START_TEST(why)
{
    good("ip addr add 10.0.0.2/24 dev eth0");
    ck_assert_int_eq(run("ping -c 1 10.0.0.77"), EXIT_FAILED);
    good("why 10.0.0.77 -n 100");
    says("neigh-state");
    says("10.0.0.77");
    says("[RFC ");
    good("why last");
    ck_assert_ptr_nonnull(strchr(last_out, '#'));
    good("why kind drop event arp-* -n 3");
    good("why neigh"); /* a layer: the word that names begin with */
    says(" neigh-state ");
    good("why ip -n 100"); /* not icmp, nor ip6-something */
    silent_about(" neigh-");
    silent_about(" icmp-");
    good("why arp drop -n 1");
    says(" arp-drop-");
    refused("why arp-", "LAYER");
    good("why event neigh-state -n 2");
    says("neigh-state");
    silent_about("socket-open");
    good("why 203.0.113.7");
    says("nothing in the journal matches");
    json_t *list = json_of("why event neigh-state -n 2");
    ck_assert_uint_eq(json_array_size(list), 2);
    json_t *r = json_array_get(list, 0);
    ck_assert_str_eq(str(r, "event"), "neigh-state");
    ck_assert_str_eq(str(r, "kind"), "state");
    ck_assert_str_eq(str(r, "addr"), "10.0.0.77");
    ck_assert(json_integer_value(json_object_get(r, "seq")) >
              json_integer_value(json_object_get(json_array_get(list, 1), "seq")));
    ck_assert(json_is_object(json_object_get(r, "fields")));
    json_decref(list);
    refused("why because", "'because'");
    refused("why conn x", "ss -e");
    refused("why -n 0", "1 to 10000");
    refused("why event no-such-thing", "no event is called");
    refused("why kind funny", "drop, error, state");
}
END_TEST

/* The cause of a failed resolution is named below it, and no event is told twice. */
START_TEST(why_names_causes)
{
    uint64_t told[200];
    size_t n = 0;
    good("ip addr add 10.0.0.2/24 dev eth0");
    ck_assert_int_eq(run("ping -c 1 10.0.0.77"), EXIT_FAILED);
    good("why -n 100");
    says("because ");
    says("which began with ");
    for (char *line = strtok(last_out, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        const char *hash = strchr(line, '#');
        if (hash == NULL || strstr(line, "because of") != NULL)
            continue;
        uint64_t seq = strtoull(hash + 1, NULL, 10);
        for (size_t i = 0; i < n; i++)
            ck_assert_uint_ne(told[i], seq);
        told[n++] = seq;
        ck_assert_uint_lt(n, 200);
    }
    ck_assert_uint_gt(n, 3);
}
END_TEST

START_TEST(why_follows)
{
    struct run *r = start("why -f event neigh-state", false);
    ck_assert_int_eq(r->status, RUN_MORE);
    ck_assert(r->follow);
    good("ip neigh add 10.0.0.1 lladdr 02:00:00:00:00:01 dev eth0");
    run_step(r, td_stack_now(st));
    ck_assert_int_eq(r->status, RUN_MORE);
    run_interrupt(r);
    ck_assert_int_eq(finish(r), EXIT_DONE);
    says("10.0.0.1");
}
END_TEST

/* ---- tc, timers, help ---- */

START_TEST(tc)
{
    good("tc qdisc show");
    says("qdisc pfifo 0: dev eth0 root refcnt 2 limit 1000p\n");
    good("tc qdisc add dev eth0 root netem delay 20ms 5ms loss 1% seed 7");
    good("tc qdisc show dev eth0");
    says("qdisc netem 8001: root refcnt 2 limit 1000 delay 20ms 5ms loss 1% seed 7\n");
    refused("tc qdisc add dev eth0 root netem delay 1ms", "tc qdisc change");
    good("tc qdisc change dev eth0 netem rate 10mbit");
    good("tc -s qdisc");
    says("rate 10Mbit");
    says("Sent 0 bytes");
    good("tc qdisc add dev eth0 ingress netem loss 5%");
    good("tc qdisc");
    says("qdisc netem 8002: dev eth0 ingress refcnt 2 limit 1000 loss 5%");
    good("tc qdisc del dev eth0 ingress");
    good("tc qdisc del dev eth0");
    good("tc qdisc");
    silent_about("netem");
    refused("tc qdisc del dev eth0", "has no queue discipline of yours");
    refused("tc qdisc change dev eth0 netem delay 1ms", "has no netem");
    refused("tc qdisc add dev eth0 netem delay soon", "'soon'");
    refused("tc qdisc add dev eth0 netem delay 1ms speed 5", "'speed'");
    refused("tc qdisc add dev eth0", "which queue discipline?");
    refused("tc qdisc add netem delay 1ms", "which interface?");
    refused("tc filter", "tc qdisc");
    json_t *list = json_of("tc qdisc show dev eth0");
    ck_assert_str_eq(str(json_array_get(list, 0), "kind"), "pfifo");
    json_decref(list);
}
END_TEST

START_TEST(tc_chains)
{
    good("tc qdisc add dev eth0 root handle 1: tbf rate 10mbit burst 15kb latency 500ms");
    good("tc qdisc add dev eth0 parent 1: fq_codel target 2ms");
    good("tc -s qdisc show dev eth0");
    says("qdisc tbf 1: root refcnt 2 rate 10Mbit burst 15Kb lat 500ms\n");
    says("qdisc fq_codel 8001: parent 1:1 limit 10240p flows 1024 quantum 1514 target 2ms interval 100ms "
         "memory_limit 32Mb ecn drop_batch 64\n");
    says("  maxpacket 0 drop_overlimit 0 new_flow_count 0 ecn_mark 0\n  new_flows_len 0 old_flows_len 0\n");
    json_t *list = json_of("tc -s qdisc show dev eth0");
    ck_assert_uint_eq(json_array_size(list), 2);
    json_t *options = json_object_get(json_array_get(list, 0), "options");
    ck_assert_int_eq(json_integer_value(json_object_get(options, "rate")), 1250000); /* bytes a second, as tc */
    ck_assert_int_eq(json_integer_value(json_object_get(options, "lat")), 500000);
    ck_assert_str_eq(str(json_array_get(list, 1), "parent"), "1:1");
    ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(json_array_get(list, 1), "options"), "target")), 2000);
    ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(list, 1), "ecn_mark")), 0);
    json_decref(list);

    /* Each refusal leaves the chain as it was. */
    refused("tc qdisc add dev eth0 parent 1: pfifo", "has a fq_codel already");
    refused("tc qdisc add dev eth0 parent 8001: pfifo", "inside a fq_codel");
    refused("tc qdisc add dev eth0 parent 7: pfifo", "no queue discipline 7:");
    refused("tc qdisc replace dev eth0 parent 1: handle 1: pfifo", "handle 1: is taken");
    refused("tc qdisc change dev eth0 parent 1: red limit 100kb", "has a fq_codel, no red");
    refused("tc qdisc change dev eth0 parent 1: fq_codel target never", "'never'");
    refused("tc qdisc add dev eth0 parent one: pfifo", "'one:' is not a handle");
    refused("tc qdisc add dev eth0 htb", "'htb'");
    good("tc qdisc show dev eth0");
    says("fq_codel 8001: parent 1:1 limit 10240p flows 1024 quantum 1514 target 2ms");
    good("tc qdisc change dev eth0 root tbf rate 20mbit burst 15kb latency 500ms"); /* what is inside stays */
    good("tc qdisc replace dev eth0 parent 1: red limit 400kb ecn");
    good("tc qdisc show dev eth0");
    says("tbf 1: root refcnt 2 rate 20Mbit");
    says("red 8002: parent 1:1 limit 400Kb min 34133b max 100Kb ecn ewma");
    good("tc qdisc del dev eth0 parent 1:");
    good("tc qdisc");
    silent_about("red");
    says("qdisc tbf 1:");
    good("tc qdisc replace dev eth0 netem loss state 1% 20% ecn");
    good("tc qdisc");
    says("loss state p13 1% p31 20% p32 0% p23 100% p14 0% ecn");
    good("tc qdisc del dev eth0 root");
    good("tc qdisc");
    says("qdisc pfifo 0: dev eth0 root refcnt 2 limit 1000p\n");
    list = json_of("tc qdisc show");
    json_decref(list);
}
END_TEST

START_TEST(tc_rules)
{
    good("tc rule show");
    good("tc rule add dev eth0 drop the 3rd segment with data matching 'tcp dst port 80'");
    says("rule 1\n");
    good("tc rule add dev eth0 egress delay the 2nd SYN-ACK by 1s");
    good("tc rule add dev eth0 ingress hold the 1st data until the 3rd data");
    good("tc -s rule show dev eth0");
    says("rule 1 dev eth0 egress drop the 3rd segment with data matching 'tcp dst port 80'\n matched 0 acted 0 held 0\n");
    says("rule 2 dev eth0 egress delay the 2nd SYN-ACK by 1s\n");
    says("rule 1 dev eth0 ingress hold");
    json_t *list = json_of("tc rule show");
    ck_assert_uint_eq(json_array_size(list), 3);
    ck_assert_str_eq(str(json_array_get(list, 2), "direction"), "ingress");
    json_decref(list);
    good("tc qdisc"); /* rules are no queue discipline */
    says("qdisc pfifo 0: dev eth0 root");
    silent_about("ingress");
    refused("tc rule add dev eth0 drop the 3rd sandwich", "'sandwich'");
    refused("tc rule add dev eth0", "what is to happen");
    refused("tc rule add drop all", "which interface?");
    refused("tc rule add dev eth9 drop all", "'eth9'");
    refused("tc rule del dev eth0", "which rule?");
    refused("tc rule del dev eth0 7", "no rule 7");
    refused("tc rule del dev eth0 ingress 2", "no rule 2 at ingress");
    refused("tc rule invent", "tc rule add");
    good("tc rule release dev eth0 ingress 1");
    good("tc rule del dev eth0 1");
    good("tc rule del dev eth0 ingress all");
    good("tc rule");
    says("rule 2 dev eth0 egress");
    silent_about("rule 1");
    good("tc rule del dev eth0 all");
    good("why impair");
    says("Rule 1 of eth0 was added");
}
END_TEST

START_TEST(timers)
{
    good("ip addr add 10.0.0.2/24 dev eth0");
    struct run *r = start("ping 10.0.0.77", false);
    good("timers");
    says(" armed, ");
    says("neigh ");
    json_t *list = json_of("timers");
    ck_assert_uint_ge(json_array_size(list), 1);
    json_decref(list);
    refused("timers all", "'all'");
    run_free(r);
}
END_TEST

START_TEST(help)
{
    static const char *const in_json[] = {"help", "help why", "app classes", "app list", "table",
                                          "timers", "version", "tap", "tc -s qdisc show"};
    for (size_t i = 0; i < sizeof(in_json) / sizeof(*in_json); i++)
        json_decref(json_of(in_json[i]));
    good("help");
    for (size_t i = 0; commands[i] != NULL; i++) {
        says(commands[i]->name);
        ck_assert_ptr_nonnull(commands[i]->usage);
        ck_assert_ptr_nonnull(commands[i]->doc);
    }
    good("help ip");
    says("ip route get 192.0.2.1");
    good("ss --help");
    says("ss -tan");
    json_t *list = json_of("help");
    ck_assert_str_eq(str(json_array_get(list, 0), "name"), "ip");
    json_decref(list);
    refused("help me", "'me'");
    /* What doesn't work yet isn't offered. */
    static const char *const later[] = {"replay", "drill", "topo", "lab", "run"};
    for (size_t i = 0; i < sizeof(later) / sizeof(*later); i++)
        ck_assert_ptr_null(command_find(later[i]));
}
END_TEST

START_TEST(devices)
{
    refused("tap add", "missing");
    refused("tap add a-name-that-is-too-long", "not a name for an interface");
    refused("tap add tap0 mtu 20", "68 to 65521");
    refused("tap add tap0 colour red", "'colour'");
    refused("tap del tap9", "there is no TAP device 'tap9'");
    ck_assert_int_eq(run("shutdown"), EXIT_FAILED); /* nobody here can be shut down */
    good("version");
    says("daemon 'test'");
    good("tap");
    ck_assert_str_eq(last_out, "");
}
END_TEST

/* ---- sockets and applications ---- */

START_TEST(ss)
{
    good("ip addr add 10.0.0.2/24 dev eth0");
    good("app start echo -p 7007");
    good("app list");
    says("1: echo -p 7007");
    good("ss -ltn");
    says("State  Recv-Q Send-Q Local Address:Port Peer Address:Port");
    says("LISTEN");
    says(":7007");
    good("ss -tn");
    silent_about("LISTEN");
    good("ss -an");
    says("Netid");
    says("UNCONN");
    good("ss -ltn sport = :7008");
    silent_about("7007");
    good("ss -s");
    says("TCP:   ");
    json_t *list = json_of("ss -ltn");
    json_t *row = json_array_get(list, 0);
    ck_assert_str_eq(str(row, "state"), "LISTEN");
    ck_assert_int_eq(json_integer_value(json_object_get(row, "lport")), 7007);
    json_decref(list);
    refused("ss -tq", "-q");
    refused("ss state dreaming", "'dreaming'");
    refused("ss dst nowhere", "'nowhere'");
    refused("ss sport = nonesuch", "'nonesuch'");
    good("app stop 1");
    good("ss -ltn");
    silent_about("7007");
    refused("app stop 1", "no application has the number 1");
    refused("app start nonsense", "there are httpd");
    refused("app stop one", "app list");
}
END_TEST

/* A port in use: the application's sentence, status 2. */
START_TEST(port_in_use)
{
    good("app start echo -p 7007");
    int status = run("app start echo -p 7007");
    ck_assert_int_eq(status, EXIT_USAGE);
    ck_assert_msg(strstr(last_err, "7007") != NULL, "%s", last_err);
    good("app list");
    silent_about("2:");
}
END_TEST

/* A dump pauses while its reader doesn't take the output, and loses nothing by it. */
START_TEST(dump_is_resumable)
{
    good("ip addr add 10.0.0.2/24 dev eth0");
    char line[64];
    for (int i = 0; i < 1000; i++) {
        snprintf(line, sizeof(line), "ip route add 172.%d.%d.0/24 via 10.0.0.1", 16 + i / 256,
                 i % 256);
        good(line);
    }
    struct run *r = start("ip route", false);
    int steps = 0, lines = 0;
    while (r->status == RUN_MORE) {
        ck_assert(r->ready);
        run_step(r, td_stack_now(st));
        steps++;
    }
    for (const char *c = r->out.s; *c; c++)
        lines += *c == '\n';
    ck_assert_int_ge(steps, 3);
    ck_assert_int_eq(lines, 1001);
    ck_assert_int_eq(finish(r), EXIT_DONE);
}
END_TEST

/* Whatever the words, a command ends with a status of ours, and says one sentence when it is 2. */
START_TEST(random_words)
{
    static const char *const vocabulary[] = {
        "ip",
        "addr",
        "link",
        "route",
        "neigh",
        "ss",
        "ping",
        "sysctl",
        "nstat",
        "why",
        "app",
        "tc",
        "qdisc",
        "capture",
        "timers",
        "help",
        "version",
        "add",
        "del",
        "show",
        "set",
        "get",
        "replace",
        "change",
        "flush",
        "dev",
        "eth0",
        "lo",
        "via",
        "src",
        "metric",
        "mtu",
        "up",
        "down",
        "address",
        "lladdr",
        "nud",
        "permanent",
        "stale",
        "10.0.0.1",
        "10.0.0.2/24",
        "255.255.255.255",
        "0.0.0.0/0",
        "default",
        "127.0.0.1",
        "-1",
        "0",
        "1",
        "65536",
        "4294967296",
        "99999999999999999999",
        "-j",
        "-s",
        "-br",
        "-n",
        "-c",
        "-t",
        "-tan",
        "-i",
        "0.002",
        "1%",
        "netem",
        "delay",
        "20ms",
        "loss",
        "rate",
        "1mbit",
        "reorder",
        "gap",
        "seed",
        "ingress",
        "root",
        "last",
        "drop",
        "conn",
        "pkt",
        "kind",
        "state",
        "event",
        "tcp-*",
        "established",
        "sport",
        "=",
        ":80",
        "start",
        "stop",
        "list",
        "echo",
        "-p",
        "7",
        "-w",
        "-a",
        "net.ipv4.ip_forward",
        "net.ipv4.ip_forward=1",
        "net.ipv4.tcp_rmem=1 2 3",
        "02:00:00:00:00:01",
        "table",
        "all",
        "",
        "\xff\"\n",
        "blackhole",
        "%s%n",
        "--help",
    };
    uint64_t x = 88172645463325252ULL;
    int rounds = getenv("VALGRIND") != NULL ? 2000 : 20000;
    for (int i = 0; i < rounds; i++) {
        char *argv[8];
        int argc = 0;
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        int n = 1 + (int)(x % 7);
        for (; argc < n; argc++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            /* The first is a command, so that the words get somewhere. */
            size_t pick =
                (size_t)(x >> 8) % (argc == 0 ? 17 : sizeof(vocabulary) / sizeof(*vocabulary));
            argv[argc] = (char *)(uintptr_t)vocabulary[pick];
        }
        if (argc > 1 && strcmp(argv[0], "capture") == 0 && strcmp(argv[1], "start") == 0)
            argc = 2; /* with a third word it would make a file */
        struct run *r = run_start(&deck, argc, argv, (x & 1) != 0, (x & 2) != 0);
        td_stack_flush(st, td_stack_now(st));
        for (int k = 0; k < 5 && r->status == RUN_MORE; k++)
            run_step(r, td_stack_now(st));
        ck_assert_int_ge(r->status, RUN_MORE);
        ck_assert_int_le(r->status, EXIT_USAGE);
        if (r->status == EXIT_USAGE)
            ck_assert_msg(r->err[0] != '\0', "no sentence for '%s %s …'", argv[0],
                          argc > 1 ? argv[1] : "");
        run_free(r);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("commands");
    TCase *t = tcase_create("commands");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, ip_addr);
    tcase_add_test(t, ip_addr_json);
    tcase_add_test(t, ip_addr_refusals);
    tcase_add_test(t, ip_link);
    tcase_add_test(t, ip_route);
    tcase_add_test(t, ip_route_refusals);
    tcase_add_test(t, ip_neigh);
    tcase_add_test(t, sysctl);
    tcase_add_test(t, nstat);
    tcase_add_test(t, ping_loopback);
    tcase_add_test(t, ping_unreachable);
    tcase_add_test(t, ping_without_answer);
    tcase_add_test(t, ping_interrupted);
    tcase_add_test(t, ping_abandoned);
    tcase_add_test(t, ping_refusals);
    tcase_add_test(t, why);
    tcase_add_test(t, why_names_causes);
    tcase_add_test(t, why_follows);
    tcase_add_test(t, tc);
    tcase_add_test(t, tc_chains);
    tcase_add_test(t, tc_rules);
    tcase_add_test(t, timers);
    tcase_add_test(t, help);
    tcase_add_test(t, devices);
    tcase_add_test(t, ss);
    tcase_add_test(t, port_in_use);
    tcase_add_test(t, dump_is_resumable);
    tcase_add_test(t, random_words);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
