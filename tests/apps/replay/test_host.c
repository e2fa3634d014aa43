/* replay/host.c and its parts: the stack as a host of a capture, all but its TCP. The captures are
 * pcaps/. */
#include "check_main.h"
#include "common/control.h"
#include "replay/host.h"
#include "tapdeckd/deck.h"

#include <stdlib.h>
#include <string.h>

#include "common/parse.h"
#include "packets.h"
#include "wire/eth.h"

static char msg[1024];

struct seen { /* rows as they came */
    unsigned n;
    struct {
        uint64_t number;
        enum host_verdict verdict;
        char why[1024];
    } row[64];
};

static void row(void *ctx, const struct host_row *r)
{
    struct seen *s = ctx;
    if (s->n == 64)
        return;
    s->row[s->n].number = r->number;
    s->row[s->n].verdict = r->verdict;
    (void)snprintf(s->row[s->n].why, sizeof(s->row[s->n].why), "%s",
                   r->why.s != NULL ? r->why.s : "");
    s->n++;
}

static const char *path_of(const char *name)
{
    static char path[4][128];
    static unsigned next;
    char *p = path[next++ % 4];
    (void)snprintf(p, sizeof(path[0]), "pcaps/%s/%s.pcapng", name, name);
    FILE *f = fopen(p, "r");
    if (f == NULL)
        (void)snprintf(p, sizeof(path[0]), "pcaps/%s/%s.pcap.gz", name, name);
    else
        (void)fclose(f);
    return p;
}

static struct host_options asked(const char *name, const char *addr, struct seen *s)
{
    struct host_options o = {.nifs = 1, .nfiles = 1, .sums = SUMS_REPAIR, .row = row, .ctx = s};
    ck_assert(parse_prefix(addr, &o.iface[0].addr, &o.iface[0].plen));
    if (strchr(addr, '/') == NULL)
        o.iface[0].plen = 33;
    o.file[0] = path_of(name);
    return o;
}

static struct host_sum play(const struct host_options *o)
{
    int status;
    struct host *h = host_open(o, &status, msg, sizeof(msg));
    ck_assert_msg(h != NULL, "%s", msg);
    while (host_step(h))
        ;
    host_finish(h);
    struct host_sum s = *host_summary(h);
    s.notes = (struct text){0};
    host_close(h);
    return s;
}

/* What our own stack said, our own stack says again. */
static const struct {
    const char *name, *addr;
    unsigned same, in; /* at least */
    const char *run, *mac;
} own[] = {
    {"arp-first-contact", "10.0.0.1", 3, 4, NULL, NULL},
    {"arp-first-contact", "10.0.0.2", 4, 3, NULL, NULL},
    {"arp-gratuitous", "10.0.0.1", 2, 5, NULL, NULL},
    {"arp-gratuitous", "10.0.0.2/24", 5, 2, NULL, NULL},
    {"arp-conflict", "10.0.0.1", 1, 2, NULL, NULL},
    {"arp-conflict", "10.0.0.2", 2, 2, NULL, NULL},
    {"arp-conflict", "10.0.0.3", 1, 3, NULL, "02:00:00:03:00:01"},
    {"arp-spoof", "10.0.0.1", 5, 9, NULL, NULL},
    {"arp-spoof", "10.0.0.2", 4, 7, NULL, NULL},
    {"arp-spoof", "10.0.0.66", 5, 4, NULL, NULL},
    {"icmp-echo", "10.0.1.2", 3, 2, NULL, NULL},
    {"icmp-redirect", "10.0.0.2", 3, 4, NULL, NULL},
    {"icmp-redirect", "10.0.2.2", 3, 3, NULL, NULL}, /* behind a router, two ways */
    {"icmp-unreachable", "10.0.1.2", 8, 8, NULL, NULL},
    {"traceroute", "10.0.1.2", 5, 6, NULL, NULL},
    {"fragments-in-order", "10.0.0.1", 3, 3, NULL, NULL},
    {"fragments-in-order", "10.0.0.2", 3, 3, NULL, NULL},
    {"fragments-out-of-order", "10.0.0.1", 3, 3,
     "tc rule add dev eth0 delay the 1st fragment by 5ms", NULL},
    {"fragments-out-of-order", "10.0.0.2", 3, 3, NULL, NULL},
    {"fragments-timeout", "10.0.0.1", 3, 1, NULL, NULL},
    {"fragments-timeout", "10.0.0.2", 1, 3, "tc rule add dev eth0 ingress drop the 2nd fragment",
     NULL},
    {"fragments-overlap", "10.0.0.1", 6, 1, NULL, NULL},
    {"fragments-overlap", "10.0.0.2", 1, 6, NULL, NULL},
    {"udp", "192.168.0.1", 2, 2, NULL, NULL},
    {"dns", "10.0.0.1", 2, 2, NULL, NULL},
    {"dns", "10.0.0.2", 2, 2, NULL, NULL},
    {"pmtu-discovery", "192.168.0.1", 6, 4, NULL, NULL},
};

START_TEST(our_own_says_the_same)
{
    struct seen s = {0};
    struct host_options o = asked(own[_i].name, own[_i].addr, &s);
    if (own[_i].run != NULL)
        o.run[o.nruns++] = own[_i].run;
    if (own[_i].mac != NULL)
        o.iface[0].has_mac = parse_mac(own[_i].mac, &o.iface[0].mac);
    struct host_sum sum = play(&o);
    ck_assert_msg(sum.count[HOST_SAME] >= own[_i].same && sum.count[HOST_IN] >= own[_i].in,
                  "%s, %s: %lu, %lu", own[_i].name, own[_i].addr,
                  (unsigned long)sum.count[HOST_SAME], (unsigned long)sum.count[HOST_IN]);
    for (unsigned v = HOST_MISSING; v < HOST_UNSEEN; v++)
        ck_assert_msg(v == HOST_SAME || sum.count[v] == 0, "%s, %s: %lu %s: %s", own[_i].name,
                      own[_i].addr, (unsigned long)sum.count[v], host_verdict_names[v], sum.lesson);
    ck_assert_str_eq(sum.lesson, "");
    for (unsigned i = 1; i < s.n; i++) /* in the order of the file */
        if (s.row[i].number > 0 && s.row[i - 1].number > 0)
            ck_assert_uint_gt(s.row[i].number, s.row[i - 1].number);
}
END_TEST

static const char *why_of(const struct seen *s, uint64_t number)
{
    for (unsigned i = 0; i < s->n; i++)
        if (s->row[i].number == number)
            return s->row[i].why;
    return "";
}

/* Reasons stand beside frames, and name packets by their numbers in the file. */
START_TEST(reasons)
{
    struct seen s = {0};
    struct host_options o = asked("fragments-out-of-order", "10.0.0.2", &s);
    (void)play(&o);
    ck_assert_ptr_nonnull(strstr(why_of(&s, 3), "reassembled from packets 1, 2, 3\n"));
    ck_assert_ptr_nonnull(strstr(why_of(&s, 4), "because packet 3 arrived"));
    memset(&s, 0, sizeof(s));
    o = asked("arp-first-contact", "10.0.0.1", &s);
    (void)play(&o);
    ck_assert_ptr_nonnull(strstr(why_of(&s, 1), "because of packet 3"));
    ck_assert_ptr_nonnull(strstr(why_of(&s, 2), "went from INCOMPLETE to STALE"));
    memset(&s, 0, sizeof(s));
    o = asked("arp-conflict", "10.0.0.3", &s);
    o.iface[0].has_mac = parse_mac("02:00:00:03:00:01", &o.iface[0].mac);
    (void)play(&o);
    ck_assert_ptr_nonnull(strstr(why_of(&s, 4), "acd-conflict"));
}
END_TEST

/* A stack that does otherwise is told from what was captured. */
START_TEST(differences)
{
    struct seen s = {0};
    struct host_options o = asked("arp-first-contact", "10.0.0.2", &s);
    o.knob[o.nknobs++] = "net.ipv4.icmp_echo_ignore_all=1";
    struct host_sum sum = play(&o);
    ck_assert_uint_eq(sum.count[HOST_SAME], 2);
    ck_assert_uint_eq(sum.count[HOST_MISSING], 2);
    ck_assert_ptr_nonnull(strstr(sum.lesson, "packet 5: missing"));
    ck_assert_ptr_nonnull(
        strstr(why_of(&s, 5), "about packet 3, of which the journal says: icmp-drop-echo"));
    o.knob[0] = "net.ipv4.ip_default_ttl=128";
    sum = play(&o);
    ck_assert_uint_eq(sum.count[HOST_DIFFERS], 2);
    ck_assert_ptr_nonnull(strstr(sum.lesson, "TTL 128, captured 64"));
    o = asked("fragments-timeout", "10.0.0.2", &s); /* nothing is lost here */
    sum = play(&o);
    ck_assert_uint_eq(sum.count[HOST_EXTRA], 3);
    ck_assert_uint_eq(sum.count[HOST_MISSING], 1);
}
END_TEST

/* A box that translates, seen on both sides. Only the first frame is earlier: it waited for ARP,
 * which wasn't captured. */
START_TEST(nat_box)
{
    struct seen s = {0};
    struct host_options o = asked("nat-inside", "10.0.1.1/24", &s);
    o.nifs = o.nfiles = 2;
    ck_assert(parse_prefix("10.0.2.1/24", &o.iface[1].addr, &o.iface[1].plen));
    o.file[1] = path_of("nat-outside");
    o.run[o.nruns++] = "iptables -t nat -A POSTROUTING -o right -j MASQUERADE";
    o.run[o.nruns++] = "tc qdisc add dev left root netem delay 5ms";
    o.run[o.nruns++] = "tc qdisc add dev right root netem delay 10ms";
    struct host_sum sum = play(&o);
    ck_assert_uint_eq(sum.count[HOST_IN], 9);
    ck_assert_uint_eq(sum.count[HOST_SAME] + sum.count[HOST_EARLIER], 9);
    ck_assert_uint_eq(sum.count[HOST_EARLIER], 0);
    ck_assert_uint_eq(sum.count[HOST_EXTRA] + sum.count[HOST_MISSING] + sum.count[HOST_DIFFERS], 0);
    o.nruns = 0; /* without its rules it translates nothing */
    sum = play(&o);
    ck_assert_uint_gt(sum.count[HOST_EXTRA], 0);
}
END_TEST

/* A router of which one side was captured: what it passed on must have come in on the other. */
START_TEST(router)
{
    struct seen s = {0};
    struct host_options o = asked("traceroute", "10.0.1.1/24", &s);
    o.nifs = 2;
    ck_assert(parse_prefix("10.0.2.1/24", &o.iface[1].addr, &o.iface[1].plen));
    struct host_sum sum = play(&o);
    ck_assert_uint_eq(sum.count[HOST_SAME], 6);
    ck_assert_uint_eq(sum.assumed, 2);
    ck_assert_str_eq(sum.lesson, "");
}
END_TEST

/* A command at its time, and a neighbour on the side that wasn't captured who doesn't answer. */
START_TEST(timed)
{
    struct seen s = {0};
    struct host_options o = asked("icmp-unreachable", "10.0.1.1/24", &s);
    o.nifs = 2;
    ck_assert(parse_prefix("10.0.2.1/24", &o.iface[1].addr, &o.iface[1].plen));
    o.iface[1].name = "right";
    o.run[o.nruns++] = "ip link set right mtu 1300";
    o.run[o.nruns++] = "+3.00003 iptables -A FORWARD -p icmp -s 10.0.1.2 -d 10.0.2.3 -j REJECT "
                       "--reject-with icmp-proto-unreachable";
    o.run[o.nruns++] =
        "iptables -A FORWARD -p icmp -d 10.0.2.4 -j REJECT --reject-with icmp-net-prohibited";
    o.run[o.nruns++] =
        "iptables -A FORWARD -p icmp -d 10.0.2.5 -j REJECT --reject-with icmp-host-prohibited";
    o.run[o.nruns++] =
        "iptables -A FORWARD -p icmp -d 10.0.2.6 -j REJECT --reject-with icmp-admin-prohibited";
    struct host_sum sum = play(&o);
    ck_assert_uint_eq(sum.count[HOST_SAME], 8);
    ck_assert_str_eq(sum.lesson, "");
    ck_assert_uint_eq(sum.assumed, 1); /* the server's port unreachable */
    ck_assert_ptr_nonnull(strstr(why_of(&s, 6), "because packet 5 arrived"));
    o.run[1] = "+4 iptables -A FORWARD -p icmp -s 10.0.1.2 -d 10.0.2.3 -j REJECT --reject-with "
               "icmp-proto-unreachable";
    sum = play(&o); /* too late */
    ck_assert_ptr_nonnull(strstr(sum.lesson, "packet 6: missing"));
}
END_TEST

/* The capture was made by the client, a router and 40 ms away: so much later it hears, with a
 * smaller TTL it is seen. */
START_TEST(distance)
{
    struct seen s = {0};
    struct host_options o = asked("icmp-echo", "10.0.2.2", &s);
    struct host_sum sum = play(&o);
    ck_assert_uint_eq(sum.count[HOST_SAME], 2);
    ck_assert_uint_eq(sum.count[HOST_EXTRA], 1); /* the request was lost on the way */
    ck_assert_uint_eq(s.row[s.n - 3].number, 0);
    ck_assert_ptr_nonnull(strstr(s.row[s.n - 3].why, "lost on its way"));
}
END_TEST

/* A router's card joins what comes in and cuts what leaves: what no wire carries is cut before it
 * is handed in, and before it is compared. */
START_TEST(super_segments)
{
    struct seen s = {0};
    char path[] = "/tmp/test_host-XXXXXX";
    static char text[4001];
    FILE *f = fdopen(mkstemp(path), "wb");
    const uint32_t head[6] = {0xa1b23c4d, 2 | 4u << 16, 0, 0, 262144, 1};
    (void)fwrite(head, sizeof(head), 1, f);
    for (int i = 0; i < 4000; i++)
        text[i] = (char)('a' + i % 26);
    for (int out = 0; out < 2; out++) {
        struct built p = {0};
        put_ether(&p, ETHERTYPE_IPV4);
        struct ipv4_hdr ip = {.hlen = 20,
                              .total_len = 4040,
                              .ttl = (uint8_t)(64 - out),
                              .proto = 6,
                              .src = TD_IP4(10, 0, 0, 1),
                              .dst = TD_IP4(10, 0, 9, 9)};
        struct tcp_hdr h = {.sport = 4711,
                            .dport = 80,
                            .seq = 1000,
                            .ack = 1,
                            .flags = TCP_ACK | TCP_PSH,
                            .wnd = 500,
                            .hlen = 20};
        p.n += (uint32_t)ipv4_emit(&ip, p.b + p.n);
        p.n += (uint32_t)tcp_emit(&h, p.b + p.n);
        put(&p, text, 4000);
        wire_put16(p.b + 50, checksum_finish(checksum_add(checksum_pseudo(ip.src, ip.dst, 6, 4020),
                                                          p.b + 34, 4020)));
        if (out) { /* from the router to somebody else */
            memcpy(p.b + 6, p.b, 6);
            memcpy(p.b, "\2\3\3\3\3\3", 6);
        }
        const uint32_t record[4] = {1, (uint32_t)out, p.n, p.n};
        (void)fwrite(record, sizeof(record), 1, f);
        (void)fwrite(p.b, 1, p.n, f);
    }
    (void)fclose(f);
    struct host_options o = asked("udp", "10.0.0.254/16", &s);
    o.file[0] = path;
    o.knob[o.nknobs++] = "net.ipv4.ip_forward=1";
    o.knob[o.nknobs++] = "net.ipv4.conf.all.send_redirects=0";
    o.knob[o.nknobs++] = "net.ipv4.conf.default.send_redirects=0";
    o.run[o.nruns++] = "sysctl -w net.ipv4.conf.eth0.send_redirects=0";
    struct host_sum sum = play(&o);
    ck_assert_uint_eq(sum.resegmented, 2);
    ck_assert_uint_eq(sum.count[HOST_IN], 3);
    ck_assert_msg(sum.count[HOST_SAME] == 3, "%s", sum.lesson);
    ck_assert_str_eq(sum.lesson, "");
    o.mtu = 576;
    sum = play(&o);
    ck_assert_uint_eq(sum.count[HOST_SAME], 8); /* 536 each */
    ck_assert_int_eq(remove(path), 0);
}
END_TEST

START_TEST(refused)
{
    struct seen s = {0};
    int status = EXIT_DONE;
    struct host_options o = asked("udp", "10.9.9.9", &s);
    ck_assert_ptr_null(host_open(&o, &status, msg, sizeof(msg)));
    ck_assert_int_eq(status, EXIT_USAGE);
    ck_assert_ptr_nonnull(strstr(msg, "10.9.9.9"));
    o = asked("udp", "192.168.0.1", &s);
    o.run[o.nruns++] = "ip addr frobnicate";
    ck_assert_ptr_null(host_open(&o, &status, msg, sizeof(msg)));
    ck_assert_int_eq(status, EXIT_USAGE);
    ck_assert_ptr_nonnull(strstr(msg, "--run 'ip addr frobnicate'"));
}
END_TEST

/* As a tape: its stack can be looked at after each frame. */
START_TEST(tape)
{
    struct seen s = {0};
    int status;
    struct host_options o = asked("arp-first-contact", "10.0.0.1", &s);
    struct host *h = host_open(&o, &status, msg, sizeof(msg));
    ck_assert_ptr_nonnull(h);
    struct tape *t = host_tape(h);
    char *words[] = {(char *)(uintptr_t) "ip", (char *)(uintptr_t) "neigh", NULL};
    struct text line = {0};
    ck_assert_int_eq(t->ops->step(t, msg, sizeof(msg)), TAPE_FRAME);
    ck_assert_uint_eq(t->frame.number, 1);
    ck_assert_int_eq(t->frame.dir, TAPE_OUT);
    struct run *r = run_start(t->deck, 2, words, false, false);
    ck_assert_ptr_nonnull(strstr(r->out.s, "INCOMPLETE"));
    run_free(r);
    ck_assert_int_eq(t->ops->step(t, msg, sizeof(msg)), TAPE_FRAME);
    ck_assert_int_eq(t->frame.dir, TAPE_IN);
    t->ops->line(t, &line);
    ck_assert_ptr_nonnull(strstr(line.s, "ARP announcement"));
    text_free(&line);
    r = run_start(t->deck, 2, words, false, false);
    ck_assert_ptr_nonnull(strstr(r->out.s, "02:00:00:02:00:01"));
    run_free(r);
    for (int i = 2; i < 7; i++)
        ck_assert_int_eq(t->ops->step(t, msg, sizeof(msg)), TAPE_FRAME);
    ck_assert_int_eq(t->ops->step(t, msg, sizeof(msg)), TAPE_END);
    ck_assert_uint_eq(t->frame.number, 7);
    t->ops->close(t);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("replay host");
    TCase *tc = tcase_create("host");
    tcase_add_loop_test(tc, our_own_says_the_same, 0, (int)(sizeof(own) / sizeof(*own)));
    tcase_add_test(tc, reasons);
    tcase_add_test(tc, differences);
    tcase_add_test(tc, nat_box);
    tcase_add_test(tc, router);
    tcase_add_test(tc, timed);
    tcase_add_test(tc, distance);
    tcase_add_test(tc, super_segments);
    tcase_add_test(tc, refused);
    tcase_add_test(tc, tape);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
