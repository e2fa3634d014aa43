/* tests of apps/tapdeckd/cmd_pcb.c and stack/tcp/tcb_table.c, pcb.def. */
#include "tapdeckd/deck.h"
#include "tcp/pcb.h"
#include "tcpview.h"

START_TEST(a_connection)
{
    view_transfer(view_connected());
    con_done("pcb :80");
    view_fits();
    char line[128];
    snprintf(line, sizeof line, " SND.NXT              %u (+7301)",
             hx_conn(h, HX_PEER, 40000, 80)->iss + 7301);
    con_says("  10.0.0.1:80-10.0.0.2:40000  ESTABLISHED\n");
    con_says(line);
    con_says("next number to be sent [9293 3.3.1]\n");
    con_says("\n IRS                  268435456 (+0)       the peer's initial number\n");
    con_says("\n SND.WND              64000 bytes          the peer's window [9293 3.3.1]\n");
    con_says("\n cc                   cubic ");
    con_says("\n W_max                14600 bytes ");
    con_says("\n RTO                  210.689 ms           retransmission time-out [6298 2]\n");
    con_says("\ncongestion control\n");
    con_silent("prr_out"); /* no recovery is under way */
    con_silent("backlog");
    con_silent("TS.Recent");
}
END_TEST

START_TEST(some_of_them)
{
    view_transfer(view_connected());
    con_done("pcb 10.0.0.2:40000 cwnd snd.wnd prr_out");
    con_says("\ncongestion control\n cwnd                 10220 bytes ");
    con_says("\n SND.WND              64000 bytes ");
    con_says(
        "\n prr_out              -  "); /* asked for by name: that there is none is an answer */
    con_silent("SND.NXT");
    con_done("pcb :80 rtt");
    con_says("\n SRTT ");
    con_silent("cwnd ");
    json_t *j = con_json("pcb :80 SND.NXT RTO"), *v = json_object_get(j, "variables");
    ck_assert_uint_eq(json_array_size(v), 2);
    ck_assert_str_eq(json_string_value(json_object_get(j, "state")), "ESTAB");
    json_t *nxt = json_array_get(v, 0);
    ck_assert_str_eq(json_string_value(json_object_get(nxt, "name")), "SND.NXT");
    ck_assert_int_eq(json_integer_value(json_object_get(nxt, "relative")), 7301);
    ck_assert_str_eq(json_string_value(json_object_get(nxt, "clause")), "RFC 9293 3.3.1");
    ck_assert_str_eq(json_string_value(json_object_get(nxt, "group")), "send");
    json_decref(j);
}
END_TEST

START_TEST(of_every_age)
{
    int s = view_connected();
    view_transfer(s);
    view_closed(s);
    con_done("pcb :80");
    con_says("  TIME-WAIT\n");
    con_says("\n idle-timer           2MSL ");
    con_says("\n idle-timer-due       60000.000 ms ");
    tcp_in(h, NOW, .sport = 40009, .flags = SYN, .wnd = 1000, .opts = {.mss = 700});
    hx_flush(h);
    hx_drain(h);
    con_done("pcb 10.0.0.2:40009");
    con_says("connection 10.0.0.1:80-10.0.0.2:40009  SYN-RECEIVED, not accepted yet\n");
    con_says("\n SendMSS              700 bytes ");
    con_says("\n timer                SYN-ACK ");
    tcp_in(h, NOW, .sport = 40009, .flags = RST, .seq = 1);
    (void)hx_tcp_listen(h, 81);
    con_done("pcb :81");
    view_fits();
    con_says("connection 3  0.0.0.0:81  LISTEN\n");
    con_says("\na listening socket\n backlog              16 ");
    con_says("\n SYN-queue            0 ");
    con_silent("SND.");
}
END_TEST

START_TEST(the_catalogue)
{
    con_done("pcb --list");
    view_fits();
    con_says("\n HighRxt              number ");
    con_says("\n prr_delivered        bytes                delivered since recovery began\n");
    json_t *j = con_json("pcb --list");
    ck_assert_uint_eq(json_array_size(j), tcp_npcb);
    json_decref(j);
    /* Names are unique: each is a column, and a word. */
    for (unsigned i = 0; i < tcp_npcb; i++) {
        ck_assert_uint_le(strlen(tcp_pcb[i].name), 22);
        ck_assert_ptr_null(strchr(tcp_pcb[i].name, ' '));
        for (unsigned k = 0; k < i; k++) {
            ck_assert_str_ne(tcp_pcb[i].name, tcp_pcb[k].name);
        }
    }
}
END_TEST

START_TEST(wrong_words)
{
    (void)view_connected();
    con_refused("pcb", "after 'pcb' write a connection");
    con_refused("pcb established", "'established' is not a connection");
    con_refused("pcb :80 SND.NXTT", "'SND.NXTT' is no variable of a connection");
    con_refused("pcb :80 :81", "':81' is no variable");
    con_refused("pcb --list nothing", "'nothing' is no variable");
    ck_assert_int_eq(con_line("pcb 99", false), EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(con.err, "there is no connection '99'"));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("pcb");
    TCase *tc = tcase_create("pcb");
    tcase_add_checked_fixture(tc, view_open, view_close);
    tcase_add_test(tc, a_connection);
    tcase_add_test(tc, some_of_them);
    tcase_add_test(tc, of_every_age);
    tcase_add_test(tc, the_catalogue);
    tcase_add_test(tc, wrong_words);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
