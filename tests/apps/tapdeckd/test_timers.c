/* tests of apps/tapdeckd/cmd_timers.c, and of stack/tcp/lookup.c: whose a timer is. */
#include "tapdeckd/deck.h"
#include "tcpview.h"

START_TEST(all_and_one)
{
    int s = view_connected();
    con_done("timers :80");
    view_is("2 10.0.0.1:80-10.0.0.2:40000 ESTABLISHED: no timer is armed: nothing will happen by "
            "itself\n");
    tcp_in(h, MS(20), .flags = PSH | ACK, .seq = 1, .ack = 1, .wnd = 500, .len = 100);
    ck_assert_int_eq(td_send(h->st, s, "hello", 5, 0), 5);
    hx_flush(h);
    hx_drain(h);
    con_done("timers");
    view_fits();
    view_is("1 armed, 0 fired since the start\n"
            "     210.000 ms  probe        tail loss probe: the last segment again, or new\n"
            "                 2 10.0.0.1:80-10.0.0.2:40000 [8985 7]\n");
    con_done("timers :80");
    view_is("2 10.0.0.1:80-10.0.0.2:40000 ESTABLISHED: its timers\n"
            "     210.000 ms  probe        tail loss probe: the last segment again, or new\n"
            "                 [8985 7]\n");
    json_t *j = con_json("timers"), *t = json_array_get(j, 0);
    ck_assert_uint_eq(json_array_size(j), 1);
    ck_assert_str_eq(json_string_value(json_object_get(t, "clause")), "RFC 8985 7");
    ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(t, "connection"), "id")),
                     2);
    json_decref(j);
}
END_TEST

/* Each kind of timer that a connection can have says whose it is. */
START_TEST(of_every_kind)
{
    int s = view_connected();
    view_transfer(s);
    int on = 1;
    ck_assert_int_eq(td_setsockopt(h->st, s, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on), 0);
    con_done("timers :80");
    con_says("  keepalive    asks whether the peer is still there\n");
    view_closed(s);
    con_done("timers");
    con_says("  time-wait    2MSL: frees the pair of ends\n"
             "                 2 10.0.0.1:80-10.0.0.2:40000 ");
    con_says(" [9293 3.6.1]\n");
    tcp_in(h, NOW, .sport = 40009, .flags = SYN, .wnd = 1000);
    hx_flush(h);
    hx_drain(h);
    con_done("timers");
    con_says("  syn-ack      sends the SYN,ACK again\n"
             "                 10.0.0.1:80-10.0.0.2:40009 since #");
    con_done("timers 10.0.0.2:40009");
    con_says("10.0.0.1:80-10.0.0.2:40009 SYN-RECEIVED: its timers\n");
    con_done("timers -n 1");
    con_says("2 armed, ");
    con_says("syn-ack");
    con_silent("time-wait");
    tcp_in(h, NOW, .sport = 40009, .flags = RST, .seq = 1);
}
END_TEST

START_TEST(wrong_words)
{
    con_refused("timers soon", "'soon' is not a connection");
    con_refused("timers -n", "a number");
    con_refused("timers -n 0", "'0' is not a number of timers");
    con_refused("timers -x", "write `timers [CONN] [-n N]`");
    con_refused("timers 1 2", "write `timers [CONN] [-n N]`");
    ck_assert_int_eq(con_line("timers 77", false), EXIT_FAILED);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("timers");
    TCase *tc = tcase_create("timers");
    tcase_add_checked_fixture(tc, view_open, view_close);
    tcase_add_test(tc, all_and_one);
    tcase_add_test(tc, of_every_kind);
    tcase_add_test(tc, wrong_words);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
