/* tests of `ping` (apps/tapdeckd/cmd_ping.c, ping_words.c, ping_text.c): a host, two routers, a host.
 * test_commands.c has the plain cases. */
#include "twin.h"

#include "core/pkt.h"

static struct { /* frames that left host 0 */
    unsigned n;
    uint32_t len;
    td_time at;
    uint8_t b[1600];
} left;

static void see(void *ctx, int dir, td_time now, const struct pkt *p)
{
    uint8_t type[2];
    (void)ctx;
    if (dir != 0 || !pkt_read(p, 12, type, 2) || type[1] != 0)
        return; /* not IP */
    left.n++;
    left.at = now;
    left.len = p->len;
    ck_assert(pkt_read(p, 0, left.b, p->len));
}

static void open_row(void)
{
    twin_open(4);
    twin_do(0, "ping -c 1 10.0.2.2", EXIT_DONE); /* everybody knows their neighbours */
    memset(&left, 0, sizeof left);
    sim_tap(twin.wire[0], see, NULL);
}

static void close_row(void)
{
    twin_close();
}

START_TEST(what_is_sent)
{
    twin_do(0, "ping -c 1 -s 20 -p ff0a -Q 8 -t 7 -e 77 10.0.0.2", EXIT_DONE);
    ck_assert_uint_eq(left.len, 14 + 20 + 8 + 20 + 0);
    ck_assert_uint_eq(left.b[15], 8);
    ck_assert_uint_eq(left.b[22], 7);
    ck_assert_mem_eq(left.b + 34, "\x08\0", 2);
    ck_assert_mem_eq(left.b + 38, "\0\x4d\0\1\xff\x0a\xff\x0a\xff\x0a", 10);
    struct cmd *c = twin_do(0, "ping -c 1 -p f -M do 10.0.0.2", EXIT_DONE);
    ck_assert_int_eq(strncmp(c->out.s, "PATTERN: 0x0f\nPING 10.0.0.2 (10.0.0.2) 56(84) bytes of data.\n", 60), 0);
    ck_assert_uint_eq(left.b[20] & 0x40, 0x40); /* DF */
    ck_assert_mem_eq(left.b + 42, "\x0f\x0f", 2);
    twin_do(0, "ping -c 1 -M dont 10.0.0.2", EXIT_DONE);
    ck_assert_uint_eq(left.b[20] & 0x40, 0);
    c = twin_do(0, "ping -c 1 -v -e 9 10.0.0.2", EXIT_DONE);
    twin_says(&c->out, "icmp_seq=1 ident=9 ttl=64 time=");
}
END_TEST

START_TEST(where_from)
{
    struct cmd *c = twin_do(0, "ping -c 1 -I eth0 10.0.0.2", EXIT_DONE);
    twin_says(&c->out, "PING 10.0.0.2 (10.0.0.2) from 10.0.0.1 eth0: 56(84) bytes of data.\n");
    c = twin_do(1, "ping -c 1 -I 10.0.1.1 10.0.0.1", EXIT_DONE);
    twin_says(&c->out, "PING 10.0.0.1 (10.0.0.1) from 10.0.1.1 : 56(84) bytes of data.\n64 bytes from 10.0.0.1: icmp_seq=1");
    c = twin_do(0, "ping -c 1 -I 10.9.9.9 10.0.0.2", EXIT_FAILED);
    ck_assert_str_eq(c->err, "no socket for the ping: this host has no such address");
    twin_refused("ping -I eth9 10.0.0.2", "there is no interface 'eth9'");
}
END_TEST

START_TEST(too_long)
{
    struct cmd *c = twin_do(0, "ping -c 2 -i 0.1 -M do -s 1473 10.0.2.2", EXIT_FAILED);
    ck_assert_str_eq(c->out.s, "PING 10.0.2.2 (10.0.2.2) 1473(1501) bytes of data.\n"
                               "ping: local error: message too long, mtu=1500\n"
                               "ping: local error: message too long, mtu=1500\n"
                               "\n--- 10.0.2.2 ping statistics ---\n"
                               "2 packets transmitted, 0 received, +2 errors, 100% packet loss, time 100ms\n\n");
    ck_assert_uint_eq(left.n, 0);
    twin_do(0, "ping -c 1 -s 1473 10.0.2.2", EXIT_DONE);
    ck_assert_uint_eq(left.n, 2);
    /* A smaller MTU on the way: its router says so, and from then on it is known here. */
    twin_do(1, "ip link set eth1 mtu 1000", EXIT_DONE);
    c = twin_do(0, "ping -c 2 -i 0.1 -M do -s 1400 10.0.2.2", EXIT_FAILED);
    twin_says(&c->out, "From 10.0.0.2 icmp_seq=1 Frag needed and DF set (mtu = 1000)\n"
                       "ping: local error: message too long, mtu=1000\n");
}
END_TEST

START_TEST(deadline)
{
    td_time from = sim_now(twin.sim);
    struct cmd *c = twin_do(0, "ping -w 2.5 10.0.2.2", EXIT_DONE);
    twin_says(&c->out, "3 packets transmitted, 3 received, 0% packet loss");
    ck_assert_uint_eq(c->over_at - from, 5 * TD_SEC / 2);
    /* With -c it is content with so many replies, and with fewer it has failed. */
    from = sim_now(twin.sim);
    c = twin_do(0, "ping -w 10 -c 2 10.0.2.2", EXIT_DONE);
    ck_assert_uint_lt(c->over_at - from, 2 * TD_SEC);
    c = twin_do(0, "ping -w 1.5 -c 3 10.0.2.2", EXIT_FAILED);
    twin_says(&c->out, "2 packets transmitted, 2 received");
    twin_do(2, "iptables -A FORWARD -j DROP", EXIT_DONE);
    c = twin_do(0, "ping -w 3 -c 1 10.0.2.2", EXIT_FAILED);
    twin_says(&c->out, "3 packets transmitted, 0 received, 100% packet loss, time 2000ms\n");
    /* An error ends it. */
    twin_do(2, "iptables -F FORWARD", EXIT_DONE);
    c = twin_do(0, "ping -w 30 -t 1 10.0.2.2", EXIT_FAILED);
    twin_says(&c->out, "From 10.0.0.2 icmp_seq=1 Time to live exceeded\n");
    twin_says(&c->out, "1 packets transmitted, 0 received, +1 errors");
}
END_TEST

START_TEST(speeds)
{
    td_time from = sim_now(twin.sim);
    struct cmd *c = twin_do(0, "ping -f -c 100 10.0.2.2", EXIT_DONE);
    ck_assert_uint_lt(c->over_at - from, 100 * 7 * TD_MS); /* a round trip of 6 ms each */
    twin_says(&c->out, "bytes of data.\n.\b \b.\b \b");
    twin_says(&c->out, "100 packets transmitted, 100 received, 0% packet loss");
    twin_says(&c->out, " ms, ipg/ewma 6.0");
    twin_do(2, "iptables -A FORWARD -j DROP", EXIT_DONE);
    from = sim_now(twin.sim);
    c = twin_do(0, "ping -f -w 1 10.0.2.2", EXIT_FAILED);
    twin_says(&c->out, "100 packets transmitted, 0 received");
    twin_do(2, "iptables -F FORWARD", EXIT_DONE);
    from = sim_now(twin.sim);
    c = twin_do(0, "ping -A -c 10 -q 10.0.2.2", EXIT_DONE);
    ck_assert_uint_lt(c->over_at - from, 10 * 7 * TD_MS);
    from = sim_now(twin.sim);
    left.n = 0;
    c = twin_start(0, "ping -l 500 -c 501 -q 10.0.2.2");
    twin_run(TD_SEC / 2);
    ck_assert_uint_eq(left.n, 500);
    twin_wait(c, 2 * TD_SEC);
    ck_assert_int_eq(c->status, EXIT_DONE);
    twin_says(&c->out, "501 packets transmitted, 501 received");
    twin_says(&c->out, " ms, pipe 5");
    /* Time that passes is what the interval says, not more. */
    c = twin_do(0, "ping -i 0.25 -c 5 -q 10.0.2.2", EXIT_DONE);
    twin_says(&c->out, ", time 1006ms\n");
}
END_TEST

START_TEST(recorded_route)
{
    struct cmd *c = twin_do(0, "ping -R -c 2 10.0.2.2", EXIT_DONE);
    twin_says(&c->out, "PING 10.0.2.2 (10.0.2.2) 56(124) bytes of data.\n64 bytes from 10.0.2.2: icmp_seq=1 ");
    twin_says(&c->out, " ms\nRR: \t10.0.1.1\n\t10.0.2.1\n\t10.0.2.2\n\t10.0.1.2\n\t10.0.0.2\n");
    twin_says(&c->out, "\n\n64 bytes from 10.0.2.2: icmp_seq=2 ");
    twin_says(&c->out, " ms\t(same route)\n");
}
END_TEST

START_TEST(words_about_time)
{
    twin.deck[0].wall_offset = INT64_C(1700000000) * (int64_t)TD_SEC - (int64_t)sim_now(twin.sim);
    struct cmd *c = twin_do(0, "ping -D -c 1 10.0.2.2", EXIT_DONE);
    twin_says(&c->out, "\n[1700000000.0060");
    twin_do(2, "iptables -A FORWARD -j DROP", EXIT_DONE);
    c = twin_do(0, "ping -O -c 3 -W 1 10.0.2.2", EXIT_FAILED);
    twin_says(&c->out, "bytes of data.\nno answer yet for icmp_seq=1\nno answer yet for icmp_seq=2\n\n---");
    c = twin_do(0, "ping -c 3 -i 0.2 10.0.0.77", EXIT_FAILED);
    twin_says(&c->out, "+3 errors, 100% packet loss, time ");
    twin_says(&c->out, "ms\npipe 3\n");
}
END_TEST

START_TEST(broadcast)
{
    ck_assert_int_eq(td_knob_set(twin.st[1], "net.ipv4.icmp_echo_ignore_broadcasts", "0"), 0);
    twin_refused("ping -c 1 10.0.0.255", "write -b");
    struct cmd *c = twin_do(0, "ping -b -c 1 10.0.0.255", EXIT_DONE);
    ck_assert_str_eq(c->notes.s, "WARNING: pinging broadcast address\n");
    twin_says(&c->out, "64 bytes from 10.0.0.");
}
END_TEST

START_TEST(refusals)
{
    twin_refused("ping -M maybe 10.0.0.2", "do, want, dont or probe");
    twin_refused("ping -p xyz 10.0.0.2", "hexadecimal");
    twin_refused("ping -p 000102030405060708090a0b0c0d0e0f10 10.0.0.2", "up to 16 bytes");
    twin_refused("ping -l 0 10.0.0.2", "1 to 1000");
    twin_refused("ping -w 0 10.0.0.2", "seconds, such as 3");
    twin_refused("ping -e 0 10.0.0.2", "1 to 65535");
    twin_refused("ping -R -s 65500 10.0.0.2", "room for 65467");
    twin_refused("ping -x 10.0.0.2", "no option -x");
    twin_refused("ping 10.0.0.2 -c", "needs a value");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ping");
    TCase *t = tcase_create("ping");
    tcase_add_checked_fixture(t, open_row, close_row);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, what_is_sent);
    tcase_add_test(t, where_from);
    tcase_add_test(t, too_long);
    tcase_add_test(t, deadline);
    tcase_add_test(t, speeds);
    tcase_add_test(t, recorded_route);
    tcase_add_test(t, words_about_time);
    tcase_add_test(t, broadcast);
    tcase_add_test(t, refusals);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
