/* tests of apps/tapdeckd/cmd_states.c, cmd_ladder.c and story.c: goldens, to the byte. */
#include "tapdeckd/story.h"
#include "tcpview.h"

/* A handshake, a transfer with a loss, a close; looked at afterwards. */
static void a_life(void)
{
    int s = view_connected();
    view_transfer(s);
    view_closed(s);
    hx_until(h, SEC(70));
}

START_TEST(how_many_in_each_state)
{
    view_transfer(view_connected());
    con_done("states");
    view_fits();
    view_is("                +--------------[     CLOSED     ]------------+\n"
            "   passive OPEN |                   ^      ^                 | active OPEN /\n"
            "                v       +-- CLOSE --+      +-- CLOSE --+     v snd SYN\n"
            "            >    LISTEN 1    <-- SEND / snd SYN ->[    SYN-SENT    ]\n"
            "   rcv SYN /    |   ^ rcv RST                          |     | rcv SYN,ACK /\n"
            "   snd SYN,ACK  v   |     v-- rcv SYN / snd SYN,ACK ---+     v snd ACK\n"
            "            [  SYN-RECEIVED  ]-- rcv ACK of SYN ->> ESTABLISHED 1  <\n"
            "   CLOSE /      |                                      |     | rcv FIN /\n"
            "   snd FIN      v         v----- CLOSE / snd FIN ------+     v snd ACK\n"
            "            [   FIN-WAIT-1   ]---------+          [   CLOSE-WAIT   ]\n"
            "   rcv ACK      |                      | rcv FIN / snd ACK   | CLOSE /\n"
            "   of FIN       v                      v                     v snd FIN\n"
            "            [   FIN-WAIT-2   ] [    CLOSING     ] [    LAST-ACK    ]\n"
            "   rcv FIN /    |                      | rcv ACK of FIN      | rcv ACK of FIN\n"
            "   snd ACK      |                      v                     v\n"
            "                +------------->[   TIME-WAIT    ]-2MSL->[     CLOSED     ]\n");
    json_t *j = con_json("states");
    ck_assert_int_eq(json_integer_value(json_object_get(j, "ESTABLISHED")), 1);
    ck_assert_int_eq(json_integer_value(json_object_get(j, "LISTEN")), 1);
    ck_assert_int_eq(json_integer_value(json_object_get(j, "TIME-WAIT")), 0);
    ck_assert_ptr_null(json_object_get(j, "CLOSED"));
    json_decref(j);
}
END_TEST

START_TEST(the_way_of_one)
{
    a_life();
    con_done("states 2");
    view_fits();
    view_is("connection 2  10.0.0.1:80-10.0.0.2:40000  CLOSED       >here< (been here) =# way\n"
            "                +--------------[     CLOSED     ]------------+\n"
            "   passive OPEN |                   ^      ^                 | active OPEN /\n"
            "                v       +-- CLOSE --+      +-- CLOSE --+     v snd SYN\n"
            "            (     LISTEN     )-- SEND / snd SYN ->[    SYN-SENT    ]\n"
            "   rcv SYN /    #   ^ rcv RST                          |     | rcv SYN,ACK /\n"
            "   snd SYN,ACK  v   |     v-- rcv SYN / snd SYN,ACK ---+     v snd ACK\n"
            "            (  SYN-RECEIVED  )== rcv ACK of SYN =>(  ESTABLISHED   )\n"
            "   CLOSE /      |                                      #     | rcv FIN /\n"
            "   snd FIN      v         v===== CLOSE / snd FIN ======+     v snd ACK\n"
            "            (   FIN-WAIT-1   )---------+          [   CLOSE-WAIT   ]\n"
            "   rcv ACK      #                      | rcv FIN / snd ACK   | CLOSE /\n"
            "   of FIN       v                      v                     v snd FIN\n"
            "            (   FIN-WAIT-2   ) [    CLOSING     ] [    LAST-ACK    ]\n"
            "   rcv FIN /    #                      | rcv ACK of FIN      | rcv ACK of FIN\n"
            "   snd ACK      #                      v                     v\n"
            "                +=============>(   TIME-WAIT    )=2MSL=>>     CLOSED     <\n"
            " 1 22:13:20.000000 LISTEN -> SYN-RECEIVED: SYN received #23\n"
            " 2 22:13:20.010000 SYN-RECEIVED -> ESTABLISHED: our SYN was acknowledged #32\n"
            " 3 22:13:20.044000 ESTABLISHED -> FIN-WAIT-1: user closed #96\n"
            " 4 22:13:20.054000 FIN-WAIT-1 -> FIN-WAIT-2: our FIN was acknowledged #104\n"
            " 5 22:13:20.055000 FIN-WAIT-2 -> TIME-WAIT: the peer's FIN #110\n"
            " 6 22:14:20.055000 TIME-WAIT -> CLOSED: 2MSL passed #113\n");
    json_t *j = con_json("states 10.0.0.2:40000"), *path = json_object_get(j, "path");
    ck_assert_str_eq(json_string_value(json_object_get(j, "now")), "CLOSED");
    ck_assert_uint_eq(json_array_size(path), 6);
    json_t *fin = json_array_get(path, 4);
    ck_assert_str_eq(json_string_value(json_object_get(fin, "to")), "TIME-WAIT");
    ck_assert_str_eq(json_string_value(json_object_get(fin, "why")), "the peer's FIN");
    ck_assert_int_eq(json_integer_value(json_object_get(fin, "pkt")), 20);
    ck_assert_int_eq(json_integer_value(json_object_get(fin, "wall_ns")),
                     INT64_C(1700000000055000000));
    json_decref(j);
}
END_TEST

START_TEST(the_ladder)
{
    a_life();
    con_done("ladder 2");
    view_fits();
    view_is("connection 2  10.0.0.1:80-10.0.0.2:40000 from 22:13:20.000000\n"
            "     ms    here         10.0.0.1:80                  10.0.0.2:40000 there\n"
            "     0.000 LISTEN       |<------ SYN 0 win 64000 mss 1460 ws 7 ---| SYN-SENT\n"
            "     0.000 SYN-RECEIVED | SYN received                            |\n"
            "     0.000              |--- SYN,ACK 0 ack 1 win 64240 mss 1460 ->|\n"
            "    10.000              |<-------------- ACK 1 ack 1 win 64000 ---| ESTABLISHED\n"
            "    10.000 ESTABLISHED  | our SYN was acknowledged                |\n"
            "                        | accepted, as connection 2               |\n"
            "    20.000              |<------ PSH,ACK 1:101 ack 1 win 64000 ---|\n"
            "    20.000              |--- ACK 1 ack 101 win 64256 ------------>|\n"
            "    20.000              |--- ACK 1:1461 ack 101 win 64256 ------->|\n"
            "    20.000              |--- PSH,ACK 1461:2921 ack 101 win 64256 >|\n"
            "    20.000              |--- ACK 2921:4381 ack 101 win 64256 ---->|\n"
            "    20.000              |--- PSH,ACK 4381:5841 ack 101 win 64256 >|\n"
            "    20.000              |--- PSH,ACK 5841:7301 ack 101 win 64256 >|\n"
            "    30.000              |<--------- ACK 101 ack 1461 win 64000 ---|\n"
            "    31.000              |<---- ACK 101 ack 1461 sack 2921:4381 ---|\n"
            "    32.000              |<---- ACK 101 ack 1461 sack 2921:5841 ---|\n"
            "    33.000              |<---- ACK 101 ack 1461 sack 2921:7301 ---|\n"
            "    33.000              |=== ACK 1461:2921 ack 101 win 64256 ====>|\n"
            "                        | sent again: loss                        |\n"
            "    44.000              |<--------- ACK 101 ack 7301 win 64000 ---|\n"
            "    44.000 FIN-WAIT-1   | user closed                             |\n"
            "    44.000              |--- FIN,ACK 7301 ack 101 win 64256 ----->|\n"
            "    54.000              |<--------- ACK 101 ack 7302 win 64000 ---| CLOSE-WAIT\n"
            "    54.000 FIN-WAIT-2   | our FIN was acknowledged                |\n"
            "    55.000              |<----- FIN,ACK 101 ack 7302 win 64000 ---| LAST-ACK\n"
            "    55.000              |--- ACK 7302 ack 102 win 64256 --------->|\n"
            "    55.000 TIME-WAIT    | the peer's FIN                          |\n"
            "                        | :  60000 ms later                       |\n"
            " 60055.000 CLOSED       | 2MSL passed                             |\n");
    con_done("ladder 10.0.0.2 -n 6");
    view_is("connection 2  10.0.0.1:80-10.0.0.2:40000 from 22:13:20.000000\n"
            "     ms    here         10.0.0.1:80                  10.0.0.2:40000 there\n"
            "                        | ... 21 rows before (-n shows more)      |\n"
            "    54.000              |<--------- ACK 101 ack 7302 win 64000 ---| CLOSE-WAIT\n"
            "    54.000 FIN-WAIT-2   | our FIN was acknowledged                |\n"
            "    55.000              |<----- FIN,ACK 101 ack 7302 win 64000 ---| LAST-ACK\n"
            "    55.000              |--- ACK 7302 ack 102 win 64256 --------->|\n"
            "    55.000 TIME-WAIT    | the peer's FIN                          |\n"
            "                        | :  60000 ms later                       |\n"
            " 60055.000 CLOSED       | 2MSL passed                             |\n");
}
END_TEST

START_TEST(mermaid)
{
    a_life();
    con_done("ladder :80 --mermaid");
    view_is("sequenceDiagram\n"
            "    participant H as 10.0.0.1:80\n"
            "    participant P as 10.0.0.2:40000\n"
            "    P->>H: SYN 0 win 64000 mss 1460 ws 7\n"
            "    Note right of P: SYN-SENT\n"
            "    Note left of H: SYN-RECEIVED (SYN received)\n"
            "    H->>P: SYN,ACK 0 ack 1 win 64240 mss 1460 ws 7\n"
            "    P->>H: ACK 1 ack 1 win 64000\n"
            "    Note right of P: ESTABLISHED\n"
            "    Note left of H: ESTABLISHED (our SYN was acknowledged)\n"
            "    Note left of H: accepted, as connection 2\n"
            "    P->>H: PSH,ACK 1:101 ack 1 win 64000\n"
            "    H->>P: ACK 1 ack 101 win 64256\n"
            "    H->>P: ACK 1:1461 ack 101 win 64256\n"
            "    H->>P: PSH,ACK 1461:2921 ack 101 win 64256\n"
            "    H->>P: ACK 2921:4381 ack 101 win 64256\n"
            "    H->>P: PSH,ACK 4381:5841 ack 101 win 64256\n"
            "    H->>P: PSH,ACK 5841:7301 ack 101 win 64256\n"
            "    P->>H: ACK 101 ack 1461 win 64000\n"
            "    P->>H: ACK 101 ack 1461 sack 2921:4381 win 64000\n"
            "    P->>H: ACK 101 ack 1461 sack 2921:5841 win 64000\n"
            "    P->>H: ACK 101 ack 1461 sack 2921:7301 win 64000\n"
            "    H-->>P: ACK 1461:2921 ack 101 win 64256 (again, loss)\n"
            "    P->>H: ACK 101 ack 7301 win 64000\n"
            "    Note left of H: FIN-WAIT-1 (user closed)\n"
            "    H->>P: FIN,ACK 7301 ack 101 win 64256\n"
            "    P->>H: ACK 101 ack 7302 win 64000\n"
            "    Note right of P: CLOSE-WAIT\n"
            "    Note left of H: FIN-WAIT-2 (our FIN was acknowledged)\n"
            "    P->>H: FIN,ACK 101 ack 7302 win 64000\n"
            "    Note right of P: LAST-ACK\n"
            "    H->>P: ACK 7302 ack 102 win 64256\n"
            "    Note left of H: TIME-WAIT (the peer's FIN)\n"
            "    Note over H,P: 60000 ms later\n"
            "    Note left of H: CLOSED (2MSL passed)\n");
}
END_TEST

START_TEST(json_rows)
{
    a_life();
    json_t *j = con_json("ladder :80"), *rows = json_object_get(j, "rows");
    ck_assert(json_is_true(json_object_get(j, "from-the-beginning")));
    ck_assert_uint_eq(json_array_size(rows), 27);
    json_t *again = json_array_get(rows, 17);
    ck_assert(json_is_true(json_object_get(again, "again")));
    ck_assert_str_eq(json_string_value(json_object_get(again, "what")), "out");
    ck_assert_int_eq(json_integer_value(json_object_get(again, "seq-relative")), 1461);
    ck_assert_int_eq(json_integer_value(json_object_get(again, "len")), 1460);
    ck_assert_int_eq(json_integer_value(json_object_get(again, "time_ns")),
                     (json_int_t)(h->start + MS(33)));
    ck_assert_int_eq(json_integer_value(json_object_get(again, "cwnd")), 1460);
    ck_assert_int_eq(json_integer_value(json_object_get(again, "ssthresh")), 10220);
    json_t *sack = json_array_get(rows, 16);
    ck_assert_int_eq(json_integer_value(json_object_get(sack, "sack-right-relative")), 7301);
    json_decref(j);
}
END_TEST

START_TEST(a_drop_and_a_pause)
{
    (void)view_connected();
    tcp_in(h, MS(400), .flags = ACK, .seq = 1, .ack = 999999, .wnd = 500);
    tcp_in(h, MS(401), .flags = RST, .seq = 1, .ack = 1);
    hx_flush(h);
    hx_drain(h);
    con_done("ladder :80");
    view_fits();
    con_says("                        | :  390 ms later                         |\n"
             "   400.000              | X-------- ACK 1 ack 999999 win 64000 ---|\n");
    con_says("                        | tcp-drop-ack (`why pkt 5`)              |\n");
    con_says("   401.000              |<------------------------------ RST 1 ---| CLOSED\n");
    con_says("   401.000 CLOSED       | reset by peer                           |\n");
    con_done("states :80");
    con_says(" ESTABLISHED -> CLOSED: reset by peer #");
    con_says(">     CLOSED     <\n 1 22:13:20.000000 LISTEN -> SYN-RECEIVED");
}
END_TEST

START_TEST(an_attempt)
{
    int s = hx_tcp_connect(h, 5000, HX_PEER, 7);
    tcp_out(h, NOW, .sport = 5000, .dport = 7, .flags = SYN);
    con_done("ladder :5000");
    con_says("     0.000 SYN-SENT     | active open                             |\n"
             "     0.000              |--- SYN 0 win 64240 mss 1460 ws 7 ------>|\n");
    con_done("states :5000");
    con_says("10.0.0.1:5000-10.0.0.2:7  SYN-SENT");
    con_says(">    SYN-SENT    <");
    con_says(" 1 22:13:20.000000 CLOSED -> SYN-SENT: active open #");
    tcp_out(h, HX_ANYTIME, .sport = 5000, .dport = 7, .flags = SYN);
    con_done("ladder :5000");
    con_says("=== SYN 0 win 64240 mss 1460 ws 7 ======>|\n"
             "                        | sent again: time-out                    |\n");
    tcp_in(h, MS(1500), .sport = 7, .dport = 5000, .flags = RST | ACK, .seq = 0, .ack = 1);
    con_done("states :5000");
    con_says(" SYN-SENT -> CLOSED: reset by peer #");
    (void)td_close(h->st, s);
    /* The same ends again: a story of its own. */
    s = hx_tcp_connect(h, 5000, HX_PEER, 7);
    tcp_out(h, NOW, .sport = 5000, .dport = 7, .flags = SYN);
    con_done("ladder :5000");
    con_says("     0.000 SYN-SENT     | active open ");
    con_silent("again");
    con_silent("CLOSED");
}
END_TEST

/* The same ends while the older connection is in TIME-WAIT: the SYN belongs to the new one. */
START_TEST(opened_again)
{
    int s = view_connected();
    view_transfer(s);
    view_closed(s);
    tcp_in(h, SEC(5), .flags = SYN, .seq = 5000, .wnd = 1000);
    hx_flush(h);
    hx_drain(h);
    con_done("ladder 10.0.0.2:40000");
    con_says("     0.000 TIME-WAIT    |<--------------------- SYN 0 win 1000 ---| SYN-SENT\n"
             "     0.000 SYN-RECEIVED | SYN received                            |\n"
             "     0.000              |--- SYN,ACK 0 ack 1 ");
    con_silent("connection 2");
    con_silent("2MSL");
    con_done("states 10.0.0.2:40000");
    con_says(">  SYN-RECEIVED  <");
    con_says("\n 1 22:13:25.000000 LISTEN -> SYN-RECEIVED: ");
    /* By its number the older one is still to be had. */
    con_done("ladder 2");
    con_says("PSH,ACK 1:101 ack 1");
    con_says(" FIN,ACK 101 ack 7302");
    tcp_in(h, NOW, .flags = RST, .seq = 5001);
}
END_TEST

START_TEST(refused)
{
    tcp_in(h, MS(1), .dport = 81, .flags = SYN, .wnd = 1000);
    hx_flush(h);
    hx_drain(h);
    con_done("ladder :81");
    con_says("     0.000 CLOSED       | X-------------------- SYN 0 win 1000 ---|\n"
             "                        | tcp-drop-closed (`why pkt 2`)           |\n"
             "     0.000              |--- RST,ACK 0 ack 1 -------------------->|\n");
    con_done("states :81");
    con_says(" CLOSED ");
}
END_TEST

START_TEST(what_fell_out)
{
    ck_assert_int_eq(td_knob_set(h->st, "tapdeck.segments", "24"), 0);
    int s = view_connected();
    static const uint8_t bytes[1000];
    for (unsigned i = 0; i < 60; i++) {
        ck_assert_int_eq(td_send(h->st, s, bytes, sizeof bytes, 0), (int)sizeof bytes);
        hx_flush(h);
        hx_drain(h);
        tcp_in(h, MS(20 + i), .flags = ACK, .seq = 1, .ack = 1001 + 1000 * i, .wnd = 500);
    }
    con_done("ladder :80");
    view_fits();
    con_says("| ... segments in between aren't kept ");
    con_says("SYN,ACK 0 ack 1");
    con_says(" ack 60001 win ");
    con_silent("how it began");
    ck_assert_int_eq(td_knob_set(h->st, "tapdeck.segments", "4"), 0);
    tcp_in(h, MS(100), .flags = FIN | ACK, .seq = 1, .ack = 60001, .wnd = 500);
    hx_flush(h);
    hx_drain(h);
    tcp_in(h, MS(101), .flags = ACK, .seq = 2, .ack = 60001, .wnd = 500);
    tcp_in(h, MS(102), .flags = ACK, .seq = 2, .ack = 60001, .wnd = 500);
    con_done("ladder :80");
    con_says("| ... how it began is no longer kept      |\n");
    con_says("PSH,ACK 59001:60001 ack 1 win"); /* relative, as TCP still knows ISS and IRS */
    ck_assert_int_eq(td_knob_set(h->st, "tapdeck.segments", "0"), 0);
    tcp_in(h, MS(103), .flags = ACK, .seq = 2, .ack = 60001, .wnd = 500);
}
END_TEST

START_TEST(followed)
{
    char **argv, msg[64];
    int s = view_connected();
    int argc = words_split("ladder :80 -f", &argv, msg, sizeof msg);
    struct run *r = run_start(&con.deck, argc, argv, false, false);
    words_free(argv);
    while (r->ready)
        run_step(r, td_stack_now(h->st));
    ck_assert_int_eq(r->status, RUN_MORE);
    ck_assert_ptr_nonnull(strstr(r->out.s, "accepted, as connection 2"));
    ck_assert_ptr_null(strstr(r->out.s, "TIME-WAIT"));
    text_consume(&r->out, r->out.len);
    view_transfer(s);
    view_closed(s);
    run_step(r, r->wake);
    ck_assert_ptr_nonnull(strstr(r->out.s, "PSH,ACK 1:101 ack 1"));
    ck_assert_ptr_nonnull(strstr(r->out.s, "TIME-WAIT"));
    ck_assert_int_eq(r->status, RUN_MORE);
    hx_until(h, SEC(70));
    for (int i = 0; i < 3; i++)
        run_step(r, r->wake);
    ck_assert_int_eq(r->status, EXIT_DONE);
    run_free(r);
}
END_TEST

START_TEST(nothing_kept)
{
    ck_assert_int_eq(td_knob_set(h->st, "tapdeck.segments", "0"), 0);
    (void)view_connected();
    ck_assert_int_eq(con_line("ladder :80", false), EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(con.err, "`sysctl -w tapdeck.segments=4096"));
    con_done("states :80");
    con_says(">  ESTABLISHED   <");
    con_says("\nits path isn't known: `sysctl -w tapdeck.segments=4096");
}
END_TEST

START_TEST(wrong_words)
{
    con_refused("ladder", "after 'ladder' write a connection");
    con_refused("ladder here", "'here' is not a connection");
    con_refused("ladder 1 2", "write `ladder CONN");
    con_refused("ladder 1 -n", "a number");
    con_refused("ladder 1 -n 0", "'0' is not a number of rows");
    con_refused("states here", "'here' is not a connection");
    con_refused("states 1 2", "write `states [CONN]");
    (void)view_connected();
    ck_assert_int_eq(con_line("ladder :80 --mermaid", true), EXIT_USAGE);
    ck_assert_int_eq(con_line("ladder 99", false), EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(con.err, "there is no connection '99', nor is one remembered"));
    ck_assert_int_eq(con_line("states 10.9.9.9", false), EXIT_FAILED);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("story");
    TCase *tc = tcase_create("story");
    tcase_add_checked_fixture(tc, view_open, view_close);
    tcase_add_test(tc, how_many_in_each_state);
    tcase_add_test(tc, the_way_of_one);
    tcase_add_test(tc, the_ladder);
    tcase_add_test(tc, mermaid);
    tcase_add_test(tc, json_rows);
    tcase_add_test(tc, a_drop_and_a_pause);
    tcase_add_test(tc, an_attempt);
    tcase_add_test(tc, opened_again);
    tcase_add_test(tc, refused);
    tcase_add_test(tc, what_fell_out);
    tcase_add_test(tc, followed);
    tcase_add_test(tc, nothing_kept);
    tcase_add_test(tc, wrong_words);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
