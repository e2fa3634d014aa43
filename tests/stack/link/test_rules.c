/* Addressed impairments: each action on just the frames it names, in both directions, with its event; order,
 * limits, and what is left when a rule goes. The rules are said as people say them.
 */
#include "check_main.h"
#include "common/rule.h"
#include "common/text.h"
#include "core/stack.h"
#include "harness.h"
#include "link/link.h"

#include <errno.h>
#include <string.h>

static struct hx *h;
static int u; /* a UDP socket on our port 7 */

static void setup(void)
{
    h = hx_new();
    u = hx_udp_socket(h, 0, 7);
}

static void teardown(void)
{
    hx_free(h);
}

static int rule(bool ingress, const char *words)
{
    struct td_impair r;
    char **argv, msg[512];
    int argc = words_split(words, &argv, msg, sizeof msg);

    ck_assert_msg(parse_rule(argc, argv, &r, msg, sizeof msg), "%s", msg);
    words_free(argv);
    return td_impair_add(h->st, h->ifindex, ingress, &r);
}

/* Sends datagrams whose one byte counts from `from`. */
static void send_some(unsigned from, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint8_t b = (uint8_t)(from + i);

        ck_assert_int_eq(td_sendto(h->st, u, &b, 1, 0, HX_PEER, 9), 1); /* a loss isn't told */
    }
    hx_flush(h);
}

static void comes(td_time at, uint8_t what)
{
    udp_out(h, at, .sport = 7, .dport = 9, .data = &what, .len = 1);
}

static uint64_t event(const char *name)
{
    for (unsigned e = 0; e < EV_COUNT; e++)
        if (strcmp(event_info[e].name, name) == 0)
            return h->st->journal.events[e];
    ck_abort_msg("no event %s", name);
}

static struct rule_info info(bool ingress, uint32_t id)
{
    const struct netif *nif = netif_by_index(h->st, h->ifindex);
    const struct qdisc *top = ingress ? nif->ingress : nif->egress;
    struct rule_info i = {0};

    ck_assert(qdisc_is_rules(top) && qdisc_rule_from(top, id, &i));
    ck_assert_uint_eq(i.id, id);
    return i;
}

START_TEST(drops_the_third_and_no_other)
{
    ck_assert_int_eq(rule(false, "drop the 3rd datagram with data matching 'udp dst port 9'"), 1);
    ck_assert_int_eq(rule(false, "drop nth 1 match 'udp dst port 10'"), 2); /* about others */
    send_some(1, 5);
    for (uint8_t i = 1; i <= 5; i++)
        if (i != 3)
            comes(NOW, i);
    hx_quiet(h, SEC(1));
    ck_assert_uint_eq(event("impair-drop"), 1);
    ck_assert_uint_eq(info(false, 1).matched, 5);
    ck_assert_uint_eq(info(false, 1).acted, 1);
    ck_assert_uint_eq(info(false, 2).matched, 0);
    ck_assert_uint_eq(netif_by_index(h->st, h->ifindex)->stats.tx_dropped, 1);
}
END_TEST

START_TEST(which_ones)
{
    static const struct {
        const char *words, *left;
    } c[] = {
        {"drop all udp", ""},
        {"drop udp", ""},
        {"drop first 2 udp", "345678"},
        {"drop the first udp", "2345678"},
        {"drop the second udp", "1345678"},
        {"drop nth 3-5 udp", "12678"},
        {"drop from 6 udp", "12345"},
        {"drop every 3 udp", "124578"},
        {"drop every 3rd datagram", "124578"},
    };

    for (unsigned i = 0; i < sizeof c / sizeof c[0]; i++) {
        ck_assert_int_eq(rule(false, c[i].words), 1);
        send_some('1', 8);
        for (const char *p = c[i].left; *p != '\0'; p++)
            comes(NOW, (uint8_t)*p);
        hx_quiet(h, h->st->now - h->start + MS(1));
        ck_assert_int_eq(td_impair_del(h->st, h->ifindex, false, 0), 0);
        ck_assert(!qdisc_is_rules(netif_by_index(h->st, h->ifindex)->egress)); /* nothing is left of it */
    }
}
END_TEST

START_TEST(delays_and_lets_the_others_pass)
{
    ck_assert_int_eq(rule(false, "delay the 2nd udp by 1s"), 1);
    ck_assert_int_eq(rule(false, "delay 500 ms the 2nd udp"), 2); /* they add up */
    ck_assert_int_eq(rule(false, "delay by 10ms the 3rd udp"), 3);
    h->tolerance = 0;
    send_some(1, 4);
    comes(0, 1);
    comes(0, 4);
    comes(MS(10), 3);
    comes(MS(1500), 2);
    hx_quiet(h, SEC(3));
    ck_assert_uint_eq(event("impair-delay"), 3);
}
END_TEST

START_TEST(holds_until_another_has_passed)
{
    ck_assert_int_eq(rule(false, "hold the 2nd udp until the 2nd udp"), 1);
    send_some(1, 5);
    comes(NOW, 1);
    comes(NOW, 3);
    comes(NOW, 4);
    comes(NOW, 2); /* right behind the second that came after it */
    comes(NOW, 5);
    hx_quiet(h, SEC(1));
    ck_assert_uint_eq(event("impair-hold"), 1);
    ck_assert_uint_eq(event("impair-released"), 1);
    ck_assert_int_eq(td_impair_del(h->st, h->ifindex, false, 1), 0);

    ck_assert_int_eq(rule(false, "hold first 2 udp until an arp has passed for 3s"), 1); /* which never comes */
    send_some(1, 3);
    comes(SEC(1), 3);
    h->tolerance = MS(1);
    comes(SEC(4), 1);
    comes(SEC(4), 2);
    ck_assert_int_eq(td_impair_del(h->st, h->ifindex, false, 0), 0);

    ck_assert_int_eq(rule(false, "hold the 1st udp"), 1); /* until somebody says so */
    send_some(1, 2);
    comes(NOW, 2);
    hx_quiet(h, SEC(100));
    ck_assert_uint_eq(info(false, 1).held, 1);
    ck_assert_int_eq(td_impair_release(h->st, h->ifindex, false, 1), 0);
    hx_flush(h);
    comes(NOW, 1);
    ck_assert_int_eq(td_impair_release(h->st, h->ifindex, false, 2), -ENOENT);
}
END_TEST

START_TEST(what_a_rule_holds_goes_when_the_rule_goes)
{
    ck_assert_int_eq(rule(false, "hold the 1st udp"), 1);
    send_some(1, 1);
    hx_quiet(h, SEC(1));
    ck_assert_int_eq(td_impair_del(h->st, h->ifindex, false, 1), 0);
    hx_flush(h);
    comes(NOW, 1);
    /* And with the interface it is thrown away, and that is told. */
    ck_assert_int_eq(rule(false, "hold the 1st udp"), 1);
    ck_assert_int_eq(rule(false, "delay the 1st udp by 5s"), 2);
    send_some(1, 2);
    ck_assert_int_eq(td_if_up(h->st, h->ifindex, false), 0);
    ck_assert_uint_eq(event("link-drop-flush"), 1);
    ck_assert_uint_eq(netif_backlog(netif_by_index(h->st, h->ifindex)), 0);
}
END_TEST

START_TEST(doubles_and_flips)
{
    uint8_t bytes[2] = {0x55, 0x54};

    ck_assert_int_eq(rule(false, "duplicate 2 times the 2nd udp"), 1);
    send_some(1, 3);
    comes(NOW, 1);
    for (int i = 0; i < 3; i++)
        comes(NOW, 2);
    comes(NOW, 3);
    hx_quiet(h, SEC(1));
    ck_assert_uint_eq(event("impair-duplicate"), 1);
    ck_assert_int_eq(td_impair_del(h->st, h->ifindex, false, 0), 0);

    /* The last bit of the first payload byte: 42 bytes of headers are before it. The socket's own copy
     * stays what it was; the receiver drops it for its checksum. */
    ck_assert_int_eq(rule(true, "corrupt the 2nd udp bit 343"), 1);
    udp_in(h, SEC(2), .sport = 9, .dport = 7, .data = bytes, .len = 1);
    udp_in(h, SEC(2), .sport = 9, .dport = 7, .data = bytes, .len = 1);
    udp_in(h, SEC(2), .sport = 9, .dport = 7, .data = bytes, .len = 1, .no_csum = true);
    ck_assert_uint_eq(event("impair-corrupt"), 1);
    ck_assert_uint_eq(event("udp-drop-checksum"), 1);
    ck_assert_int_eq(td_recv(h->st, u, bytes, 2, 0), 1);
    ck_assert_uint_eq(bytes[0], 0x55);
    ck_assert_int_eq(td_recv(h->st, u, bytes, 2, 0), 1);
    ck_assert_int_eq(td_recv(h->st, u, bytes, 2, 0), -EAGAIN);

    ck_assert_int_eq(td_impair_del(h->st, h->ifindex, true, 0), 0);
    ck_assert_ptr_null(netif_by_index(h->st, h->ifindex)->ingress);
    ck_assert_int_eq(rule(true, "corrupt the 1st udp bit 343"), 1);
    udp_in(h, SEC(3), .sport = 9, .dport = 7, .data = (uint8_t[]){0x55}, .len = 1, .no_csum = true);
    ck_assert_int_eq(td_recv(h->st, u, bytes, 2, 0), 1);
    ck_assert_uint_eq(bytes[0], 0x54); /* without a checksum nobody notices */
}
END_TEST

START_TEST(ingress_and_what_it_loses)
{
    char b[4];

    ck_assert_int_eq(rule(true, "drop the 1st datagram with data"), 1);
    ck_assert_int_eq(rule(true, "delay the 1st datagram with data by 2s"), 2); /* counts what is left */
    udp_in(h, 0, .sport = 9, .dport = 7, .data = "a", .len = 1);
    udp_in(h, 0, .sport = 9, .dport = 7, .data = "b", .len = 1);
    udp_in(h, 0, .sport = 9, .dport = 7, .data = "c", .len = 1);
    ck_assert_int_eq(td_recv(h->st, u, b, 4, 0), 1);
    ck_assert_int_eq(b[0], 'c');
    ck_assert_int_eq(td_recv(h->st, u, b, 4, 0), -EAGAIN);
    hx_until(h, SEC(2));
    ck_assert_int_eq(td_recv(h->st, u, b, 4, 0), 1);
    ck_assert_int_eq(b[0], 'b');
    ck_assert_uint_eq(netif_by_index(h->st, h->ifindex)->stats.rx_dropped, 1);
    ck_assert_uint_eq(info(true, 1).matched, 3);
    ck_assert_uint_eq(info(true, 2).matched, 2);
}
END_TEST

START_TEST(rules_stand_before_the_disciplines)
{
    struct td_netem n = {.delay = MS(100), .seed = 1};

    ck_assert_int_eq(rule(false, "delay the 1st udp by 50ms"), 1);
    ck_assert_int_eq(td_if_netem(h->st, h->ifindex, false, &n), 0);
    h->tolerance = 0;
    send_some(1, 2);
    comes(MS(100), 2);
    comes(MS(150), 1);
    /* The chain may go and come, the rules stay. */
    ck_assert_int_eq(td_if_netem(h->st, h->ifindex, false, NULL), 0);
    ck_assert_uint_eq(info(false, 1).matched, 2);
    ck_assert_int_eq(td_if_netem(h->st, h->ifindex, true, &n), 0);
    ck_assert_int_eq(rule(true, "drop all arp"), 1);
    ck_assert_int_eq(td_if_netem(h->st, h->ifindex, true, NULL), 0);
    ck_assert_uint_eq(info(true, 1).matched, 0);
}
END_TEST

START_TEST(tcp_by_its_names)
{
    hx_tcp_listen(h, 80);
    h->tolerance = 0;
    ck_assert_int_eq(rule(false, "delay the 2nd SYN-ACK by 1s"), 1);
    ck_assert_int_eq(rule(true, "drop the 1st ack"), 1);
    tcp_in(h, 0, .flags = SYN, .seq = 0, .wnd = 1000, .opts = {.mss = 1000});
    tcp_out(h, 0, .flags = SYN | ACK, .seq = 0, .ack = 1);
    tcp_in(h, MS(10), .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000); /* lost */
    ck_assert_uint_eq(event("impair-drop"), 1);
    tcp_out(h, SEC(2), .flags = SYN | ACK, .seq = 0, .ack = 1); /* sent at 1 s, a second late */
    ck_assert_uint_eq(event("impair-delay"), 1);
    tcp_in(h, SEC(2) + MS(10), .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
    ck_assert_uint_eq(info(true, 1).matched, 2);
    ck_assert_int_eq(rule(true, "drop fin with data"), 2);
    ck_assert_int_eq(rule(true, "drop rst"), 3);
    tcp_in(h, SEC(3), .flags = RST, .seq = 1);
    tcp_in(h, SEC(3), .flags = FIN | ACK, .seq = 1, .ack = 1, .wnd = 1000, .len = 10);
    ck_assert_uint_eq(info(true, 2).acted, 1);
    ck_assert_uint_eq(info(true, 3).acted, 1);
    tcp_in(h, SEC(3), .flags = FIN | ACK, .seq = 1, .ack = 1, .wnd = 1000); /* without data it passes */
    tcp_out(h, SEC(3), .flags = ACK, .seq = 1, .ack = 2);
    ck_assert_uint_eq(info(true, 2).acted, 1);
}
END_TEST

START_TEST(marks_what_can_be_marked)
{
    uint8_t tos = 2; /* ECT(0) */

    ck_assert_int_eq(rule(false, "mark all udp"), 1);
    send_some(1, 1);
    comes(NOW, 1);
    ck_assert_uint_eq(h->got.ip.tos, 0); /* its sender doesn't understand marks */
    int t = tos;
    ck_assert_int_eq(td_setsockopt(h->st, u, IPPROTO_IP, IP_TOS, &t, sizeof t), 0);
    send_some(2, 1);
    comes(NOW, 2); /* its header checksum is right: the harness looks */
    ck_assert_uint_eq(h->got.ip.tos, 3);
    ck_assert_uint_eq(event("impair-mark"), 1);
    ck_assert_uint_eq(info(false, 1).acted, 1);
    ck_assert_uint_eq(info(false, 1).matched, 2);
}
END_TEST

START_TEST(refused)
{
    struct td_impair r = {.action = TD_IMPAIR_DROP, .from = 1, .to = 1, .step = 1};
    struct td_impair bad[8];

    for (unsigned i = 0; i < 8; i++)
        bad[i] = r;
    bad[0].from = 0;
    bad[1].step = 0;
    bad[2].action = TD_IMPAIR_ACTIONS;
    bad[3].match_len = 1; /* code 0 is no return */
    bad[4].match_len = TD_IMPAIR_CODE, bad[4].until_len = 1;
    bad[5].action = TD_IMPAIR_DELAY;
    bad[6].action = TD_IMPAIR_HOLD, bad[6].time = TD_NEVER, bad[6].until = true;
    memset(bad[7].text, 'x', sizeof bad[7].text);
    for (unsigned i = 0; i < 8; i++)
        ck_assert_msg(td_impair_add(h->st, h->ifindex, false, &bad[i]) == -EINVAL, "%u", i);
    ck_assert(!qdisc_is_rules(netif_by_index(h->st, h->ifindex)->egress));
    ck_assert_int_eq(td_impair_add(h->st, 99, false, &r), -ENODEV);
    ck_assert_int_eq(td_impair_del(h->st, h->ifindex, false, 1), -ENOENT);
    for (int i = 1; i <= TD_IMPAIRS_MAX; i++)
        ck_assert_int_eq(td_impair_add(h->st, h->ifindex, false, &r), i);
    ck_assert_int_eq(td_impair_add(h->st, h->ifindex, false, &r), -ENOSPC);
}
END_TEST

/* There is an end to what is held: then frames are dropped, and that is told. */
START_TEST(held_has_a_limit)
{
    ck_assert_int_eq(rule(false, "hold all udp"), 1);
    for (unsigned i = 0; i < 10010; i++)
        (void)td_sendto(h->st, u, "x", 1, 0, HX_PEER, 9);
    hx_flush(h);
    ck_assert_uint_eq(info(false, 1).held, 10000);
    ck_assert_uint_eq(event("link-drop-qdisc"), 10);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("rules");
    TCase *t = tcase_create("rules");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, drops_the_third_and_no_other);
    tcase_add_test(t, which_ones);
    tcase_add_test(t, delays_and_lets_the_others_pass);
    tcase_add_test(t, holds_until_another_has_passed);
    tcase_add_test(t, what_a_rule_holds_goes_when_the_rule_goes);
    tcase_add_test(t, doubles_and_flips);
    tcase_add_test(t, ingress_and_what_it_loses);
    tcase_add_test(t, rules_stand_before_the_disciplines);
    tcase_add_test(t, tcp_by_its_names);
    tcase_add_test(t, marks_what_can_be_marked);
    tcase_add_test(t, refused);
    tcase_add_test(t, held_has_a_limit);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
