/* When a connection is given up, and what the user is told (RFC 9293 3.8.3; Linux's way). */
#include "check_main.h"
#include "tcp_talk.h"

static struct conv est(enum td_profile p)
{
    struct conv c = conv_new(p);
    return talk(c, (struct hx_opts){.mss = 1460}, 60000, 0);
}

/* R2 under Linux is a time from the first repetition on, looked at when the timer fires. */
/* shows: MUST-20 SHLD-10 SHLD-11 */
START_TEST(r2_by_time)
{
    static const struct {
        const char *retries2;
        td_time alive, dead;
    } t[] = {{"3", MS(6190), MS(6210)}, {"5", MS(25390), MS(25410)}, {"15", SEC(1044), SEC(1045)}};
    for (unsigned i = 0; i < 3; i++) { /* 0.2 0.6 1.4 3 6.2 12.6 25.4 …: the first beyond 3.2, … */
        struct conv c = est(TD_PROFILE_LINUX);
        knob_set(c.h, "net.ipv4.tcp_retries2", t[i].retries2);
        say(&c, 1, 10);
        hx_until(c.h, t[i].alive);
        assert_state(&c, TCPS_ESTABLISHED);
        hx_drain(c.h);
        hx_quiet(c.h, t[i].dead); /* the end is silent */
        assert_state(&c, TCPS_CLOSED);
        ck_assert_int_eq(so_error(c.h, c.s), ETIMEDOUT);
        leave(&c);
    }
}
END_TEST

/* An acknowledgment starts all over. */
START_TEST(progress_is_patience)
{
    struct conv c = est(TD_PROFILE_LINUX);
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_USER_TIMEOUT, 3000), 0);
    say(&c, 1, 2920);
    hx_until(c.h, SEC(2));
    hx_drain(c.h);
    ack_in(&c, SEC(3), 1461, 60000);
    hx_drain(c.h);
    hx_until(c.h, SEC(5));
    assert_state(&c, TCPS_ESTABLISHED);
    hx_until(c.h, SEC(20));
    assert_state(&c, TCPS_CLOSED);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* The user's time runs on while a closed window is probed, answered or not. */
/* shows: 6429-02 MUST-21 */
START_TEST(users_time_and_closed_windows)
{
    struct conv c = est(TD_PROFILE_LINUX);
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000), 0);
    ack_in(&c, NOW, 1, HX_ZERO);
    say(&c, 1, 100);
    while (hx_now(c.h) < MS(5190)) {
        hx_until(c.h, hx_now(c.h) + MS(10));
        if (hx_pending(c.h) > 0) {
            hx_drain(c.h);
            ack_in(&c, NOW, 1, HX_ZERO);
        }
    }
    assert_state(&c, TCPS_ESTABLISHED);
    hx_until(c.h, MS(5210));
    assert_state(&c, TCPS_CLOSED);
    ck_assert_int_eq(so_error(c.h, c.s), ETIMEDOUT);
    leave(&c);
}
END_TEST

/* Nobody answers to ARP: in a synchronized state that is a time-out, unless the user asked for more;
 * an attempt to connect ends with the reason. */
/* shows: MUST-20 */
START_TEST(the_neighbour_is_gone)
{
    for (int asked = 0; asked < 2; asked++) {
        struct conv c = est(TD_PROFILE_LINUX);
        ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_IP, IP_RECVERR, asked), 0);
        ck_assert_int_eq(td_neigh_del(c.h->st, c.h->ifindex, HX_PEER), 0);
        c.h->any_tx = true;
        say(&c, 1, 10);
        int first = 0;
        while (conv_state(&c) == TCPS_ESTABLISHED) {
            hx_until(c.h, hx_now(c.h) + SEC(1));
            int e = so_error(c.h, c.s);
            first = first == 0 ? e : first;
            ck_assert_uint_lt(hx_now(c.h), SEC(1200));
        }
        ck_assert_uint_gt(hx_event(c.h, "tcp-soft-error") + hx_event(c.h, "tcp-send-failed"), 0);
        ck_assert_int_eq(first, asked ? EHOSTUNREACH : ETIMEDOUT);
        leave(&c);
    }
    struct conv c = conv_new(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.tcp_syn_soft_abort", "0");
    ck_assert_int_eq(td_neigh_del(c.h->st, c.h->ifindex, HX_PEER), 0);
    c.h->any_tx = true;
    c.s = hx_tcp_connect(c.h, 80, HX_PEER, 40000);
    hx_until(c.h, SEC(200));
    ck_assert_int_eq(so_error(c.h, c.s), EHOSTUNREACH);
    leave(&c);
}
END_TEST

/* What the network says about a connection that is up is told when it is given up. */
/* shows: 5927-02 */
START_TEST(what_the_network_said)
{
    struct conv c = est(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.tcp_retries2", "3");
    say(&c, 1, 10);
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 10);
    hx_icmp_error_in(c.h, NOW, HX_ROUTER, 3, 1, 0, 8);
    assert_state(&c, TCPS_ESTABLISHED);
    ck_assert_int_eq(so_error(c.h, c.s), 0);
    hx_until(c.h, SEC(7));
    assert_state(&c, TCPS_CLOSED);
    ck_assert_int_eq(so_error(c.h, c.s), EHOSTUNREACH);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* connect(AF_UNSPEC): reset, and the socket can connect again with what was set on it. */
START_TEST(dissolved)
{
    struct conv c = est(TD_PROFILE_LINUX);
    const struct sockaddr none = {.sa_family = AF_UNSPEC};
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_KEEPIDLE, 77), 0);
    ck_assert_int_eq(set_opt(c.h, c.s, SOL_SOCKET, SO_RCVLOWAT, 9), 0);
    ck_assert_int_eq(td_connect(c.h->st, c.s, &none, sizeof none), 0);
    tcp_out(c.h, NOW, .flags = RST | ACK, .seq = 1, .ack = 1);
    ck_assert_int_eq(td_poll(c.h->st, c.s) & POLLERR, POLLERR);
    ck_assert_int_eq(get_opt(c.h, c.s, IPPROTO_TCP, TCP_KEEPIDLE), 77);
    ck_assert_int_eq(get_opt(c.h, c.s, SOL_SOCKET, SO_RCVLOWAT), 9);
    struct sockaddr_in sa = td_sockaddr(HX_PEER, 99);
    ck_assert_int_eq(td_connect(c.h->st, c.s, (const struct sockaddr *)(const void *)&sa, sizeof sa),
                     -EINPROGRESS);
    hx_flush(c.h);
    tcp_out(c.h, NOW, .dport = 99, .flags = SYN, .seq = HX_ZERO);
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp timeouts");
    TCase *tc = tcase_create("timeouts");
    tcase_add_test(tc, r2_by_time);
    tcase_add_test(tc, progress_is_patience);
    tcase_add_test(tc, users_time_and_closed_windows);
    tcase_add_test(tc, the_neighbour_is_gone);
    tcase_add_test(tc, what_the_network_said);
    tcase_add_test(tc, dissolved);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
