/* Selective acknowledgments at the sender (RFC 2018 5, 2883 5, 6675), and lies in them. */
#include "check_main.h"
#include "sack_talk.h"

/* shows: 2018-08 6675-10 9937-04 8985-22 */
START_TEST(only_the_hole_again)
{
    struct conv c = sack_flight(conv_new(TD_PROFILE_LINUX), 10000);
    sack_in(&c, MS(100), 1, B1(1, 2));
    sack_in(&c, MS(100), 1, B1(1, 3));
    hx_quiet(c.h, NOW);
    sack_in(&c, MS(100), 1, B1(1, 10)); /* three and more: no reason to wait for a late one */
    again_out(&c, NOW, 0);
    hx_quiet(c.h, MS(150));
    struct tcp_inflight f = flight_of(&c);
    ck_assert_uint_eq(f.sacked, 9);
    ck_assert_uint_eq(f.lost, 1);
    ck_assert_uint_eq(f.retrans, 1);
    ck_assert_uint_eq(info(&c).tcpi_ca_state, 3);
    ack_in(&c, MS(200), 10001, WND);
    ck_assert_uint_eq(info(&c).tcpi_ca_state, 0);
    ck_assert_uint_eq(info(&c).tcpi_snd_cwnd, info(&c).tcpi_snd_ssthresh);
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPSackRecovery"), 1);
    ck_assert_uint_eq(hx_counter(c.h, "TcpRetransSegs"), 1);
    leave(&c);
}
END_TEST

/* shows: 2018-12 ATK-TCPH-07 */
START_TEST(blocks_that_cannot_be)
{
    struct conv c = sack_flight(conv_new(TD_PROFILE_LINUX), 10000);
    static const uint32_t bad[][2] = {{5001, 4001},       {4001, 4001},       {4001, 12001}, {11001, 12001},
                                      {0x80000000u, 5001}, {4001, 0x80000000u}};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct hx_opts o = {.nsack = 1, .sack = {{bad[i][0], bad[i][1]}}};
        tcp_in(c.h, MS(10 + i), .flags = ACK, .seq = 1, .ack = 1, .wnd = WND, .opts = o);
        ck_assert_uint_eq(flight_of(&c).sacked, 0);
    }
    ck_assert_uint_ge(hx_event(c.h, "tcp-drop-sack"), 4);
    ck_assert_uint_eq(info(&c).tcpi_ca_state, 0);
    /* a second block that begins far below SND.UNA would take in all from there */
    struct hx_opts far = {.nsack = 2, .sack = {{9001, 9001}, {(uint32_t)(1 - 100000), 8001}}};
    tcp_in(c.h, MS(40), .flags = ACK, .seq = 1, .ack = 1, .wnd = WND, .opts = far);
    ck_assert_uint_eq(flight_of(&c).sacked, 0);
    struct hx_opts part = {.nsack = 1, .sack = {{4500, 5600}}}; /* parts of two segments: neither counts */
    tcp_in(c.h, MS(50), .flags = ACK, .seq = 1, .ack = 1, .wnd = WND, .opts = part);
    ck_assert_uint_eq(flight_of(&c).sacked, 0);
    ack_in(&c, MS(100), 10001, WND);
    leave(&c);
}
END_TEST

/* Lengths that no list of blocks has, SACK where it wasn't agreed on, blocks below what is acknowledged. */
/* shows: ATK-TCPH-07 */
START_TEST(sack_options_that_are_none)
{
    static const uint8_t lengths[] = {2, 9, 11, 17, 38, 42};
    struct conv c = sack_flight(conv_new(TD_PROFILE_LINUX), 10000);
    uint32_t iss = hx_conn(c.h, HX_PEER, 40000, 80)->iss;
    for (unsigned i = 0; i <= sizeof lengths; i++) {
        unsigned len = i < sizeof lengths ? lengths[i] : 10;
        uint8_t raw[40] = {1, 1, 5, (uint8_t)len};
        for (unsigned b = 0; b < 4; b++) {
            wire_put32(raw + 4 + 8 * b, iss + 1 + SMSS * (2 * b + 1));
            wire_put32(raw + 8 + 8 * b, iss + 1 + SMSS * (2 * b + 2));
        }
        memset(raw + (len < 38 ? 2 + len : 40), 1, len < 38 ? 38 - len : 0); /* NOPs behind it */
        tcp_in(c.h, MS(10 + i), .flags = ACK, .seq = 1, .ack = 1, .wnd = WND, .opts = {.raw = (const char *)raw, .raw_len = 40});
        ck_assert_uint_eq(flight_of(&c).sacked, i < sizeof lengths ? 0 : 1); /* the last is as it should be */
        hx_drain(c.h);
    }
    leave(&c);

    c = sack_flight(conv_new(TD_PROFILE_LINUX), 10000);
    ack_in(&c, MS(100), 5001, WND);
    sack_in(&c, MS(101), 5001, B2(1, 2, 2, 3)); /* nothing of it was sent twice, all is acknowledged */
    ck_assert_uint_eq(flight_of(&c).sacked, 0);
    ck_assert_uint_eq(info(&c).tcpi_ca_state, 0);
    hx_quiet(c.h, MS(120));
    leave(&c);

    c = talk(conv_new(TD_PROFILE_LINUX), (struct hx_opts){.mss = SMSS, .wscale = 5}, WND, MS(100));
    c.h->start = td_stack_now(c.h->st);
    say(&c, 1, 10000);
    hear(&c);
    tcp_in(c.h, MS(1), .flags = ACK, .seq = 1, .ack = 1, .wnd = WND - 1, .opts = {.raw = "\1\1\4\2", .raw_len = 4}); /* permitted: too late */
    for (unsigned i = 0; i < 5; i++) {
        tcp_in(c.h, MS(2 + i), .flags = ACK, .seq = 1, .ack = 1, .wnd = WND - 2 - i, .opts = {.nsack = 1, .sack = {{1001, 10001}}});
    }
    ck_assert(!conv_tcb(&c)->sack_ok);
    ck_assert_uint_eq(flight_of(&c).sacked, 0);
    ck_assert_uint_eq(hx_counter(c.h, "TcpRetransSegs"), 0);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* The first of ten is lost and sent again, cwnd is cut. Then the peer says that this or that came twice. */
static bool undone_by(struct blocks b)
{
    struct conv c = sack_flight(conv_new(TD_PROFILE_LINUX), 10000);
    struct tcb *t = conv_tcb(&c);
    uint32_t before = t->cc.cwnd;
    sack_in(&c, MS(100), 1, B1(1, 10));
    again_out(&c, NOW, 0);
    ack_in(&c, MS(200), 10001, WND);
    ck_assert_uint_lt(t->cc.cwnd, before);
    for (int i = 0; i < 5; i++) { /* again and again */
        sack_in(&c, MS(201 + i), 10001, b);
    }
    bool undone = hx_event(c.h, "tcp-undo") > 0;
    ck_assert_uint_le(hx_event(c.h, "tcp-undo"), 1);
    ck_assert_uint_le(hx_event(c.h, "tcp-dsack"), hx_counter(c.h, "TcpRetransSegs")); /* no more is believed */
    ck_assert_int_eq(undone, t->cc.cwnd >= before);
    say(&c, 10001, 5000); /* the next episode's reduction is its own */
    hx_drain(c.h);
    uint32_t cwnd = t->cc.cwnd;
    sack_in(&c, MS(300), 10001, B1(11, 15));
    hx_drain(c.h);
    ck_assert_uint_eq(t->ca_state, TCPE_RECOVERY);
    sack_in(&c, MS(310), 10001, b);
    ack_in(&c, MS(400), 15001, WND);
    sack_in(&c, MS(401), 15001, b);
    ck_assert_uint_lt(t->cc.ssthresh, cwnd);
    ck_assert_uint_eq(hx_event(c.h, "tcp-undo"), undone ? 1 : 0);
    leave(&c);
    return undone;
}

/* shows: ATK-TCPC-06 */
START_TEST(dsack_undoes_what_was_sent_twice)
{
    ck_assert(undone_by(B1(0, 1)));   /* it was; once, however often it is said */
    ck_assert(!undone_by(B1(5, 6)));  /* was sent once */
    ck_assert(!undone_by(B1(0, 10))); /* more than was sent again */
    ck_assert(!undone_by(B1(12, 13))); /* or never */
}
END_TEST

/* All but the first is SACKed. Then the peer throws it away, and says nothing of it any more. */
/* shows: ATK-TCPR-13 */
START_TEST(sacked_and_gone)
{
    for (int rfc = 0; rfc < 2; rfc++) {
        struct conv c = sack_flight(conv_new(rfc ? TD_PROFILE_RFC : TD_PROFILE_LINUX), 10000);
        sack_in(&c, MS(100), 1, B1(1, 10));
        again_out(&c, NOW, 0);
        hx_until(c.h, MS(100) + conv_tcb(&c)->rtt.rto + MS(1)); /* lost as well */
        ck_assert_uint_eq(conv_tcb(&c)->snd.len, 10000);
        ck_assert_uint_eq(flight_of(&c).sacked, rfc ? 0 : 9); /* forgotten; Linux waits until it shows that they are gone */
        ck_assert_uint_ge(hear(&c).segments, 1);
        static bool have[11];
        memset(have, 0, sizeof have);
        have[0] = true;
        unsigned next = 1, came = 0;
        ack_in(&c, hx_now(c.h) + MS(50), 1 + SMSS, WND);
        while (next < 10) {
            hx_until(c.h, hx_now(c.h) + MS(50));
            ck_assert_uint_lt(hx_now(c.h), SEC(60));
            while (hx_pending(c.h) > 0) {
                ip_out(c.h, HX_ANYTIME, IPPROTO_TCP_);
                unsigned i = ((uint32_t)(c.h->got.tcp.seq - hx_conn(c.h, HX_PEER, 40000, 80)->iss) - 1) / SMSS;
                ck_assert_uint_eq(c.h->got.len, SMSS);
                came += !have[i];
                have[i] = true;
            }
            while (have[next]) {
                next++;
            }
            ack_in(&c, hx_now(c.h), 1 + SMSS * (int64_t)next, WND);
        }
        ck_assert_uint_eq(came, 9);
        hx_drain(c.h);
        leave(&c);
    }
}
END_TEST

/* shows: 2018-09 2018-10 6675-01 ATK-TCPR-13 */
START_TEST(what_was_sacked_may_be_gone)
{
    struct conv c = sack_flight(conv_new(TD_PROFILE_LINUX), 10000);
    for (unsigned i = 2; i <= 10; i++) {
        sack_in(&c, MS(100), 1, B1(1, i));
    }
    hx_drain(c.h);
    ack_in(&c, MS(200), 1001, WND); /* the next was SACKed, and isn't acknowledged: it was thrown away */
    td_time at = MS(200) + conv_tcb(&c)->cc.srtt / 2;
    again_out(&c, at, 1); /* sooner than the RTO */
    ck_assert_uint_eq(flight_of(&c).sacked, 0);
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPSACKReneging"), 1);
    int64_t una = 1001;
    for (unsigned i = 0; i < 40 && una < 10001; i++) { /* all of it comes again */
        struct heard x = hear(&c);
        una = x.end > una ? x.end : una + (i == 0 ? SMSS : 0);
        ack_in(&c, hx_now(c.h) + MS(50), una, WND);
    }
    ck_assert_int_eq(una, 10001);
    leave(&c);
}
END_TEST

/* shows: 2883-04 2883-05 2883-06 */
START_TEST(dsack_is_told_from_sack)
{
    struct conv c = sack_flight(conv_new(TD_PROFILE_LINUX), 10000);
    for (unsigned i = 2; i <= 5; i++) {
        sack_in(&c, MS(100), 1, B1(1, i));
    }
    hx_drain(c.h); /* the first went again */
    ck_assert_uint_eq(hx_counter(c.h, "TcpRetransSegs"), 1);
    /* inside the second block */
    sack_in(&c, MS(110), 1, B2(3, 4, 1, 5));
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPDSACKOfoRecv"), 1);
    /* below this ACK: also when that ACK was overtaken, and SND.UNA is further on */
    ack_in(&c, MS(120), 5001, WND);
    uint64_t before = hx_counter(c.h, "TcpExtTCPDSACKRecv");
    sack_in(&c, MS(121), 4001, B1(0, 1));
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPDSACKRecv"), before + 1);
    /* an overtaken ACK whose block is above it, though below SND.UNA: a plain SACK, and old news */
    sack_in(&c, MS(122), 3001, B1(3, 5));
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPDSACKRecv"), before + 1);
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPDSACKOfoRecv"), 1);
    leave(&c);
}
END_TEST

/* shows: 3042-03 */
START_TEST(duplicates_without_news)
{
    struct conv c = sack_flight(conv_new(TD_PROFILE_LINUX), 40000);
    for (unsigned i = 0; i < 20; i++) { /* they say nothing new: nothing goes */
        ack_in(&c, MS(10), 1, WND);
    }
    hx_quiet(c.h, MS(20));
    sack_in(&c, MS(20), 1, B1(1, 2)); /* news: one new segment */
    again_out(&c, NOW, 10);
    hx_quiet(c.h, NOW);
    leave(&c);
    struct conv d = conv_reno(); /* counted, they would begin a recovery */
    knob_set(d.h, "net.ipv4.tcp_recovery", "0");
    d = sack_flight(d, 40000);
    for (unsigned i = 0; i < 20; i++) {
        ack_in(&d, MS(10), 1, WND);
    }
    hx_quiet(d.h, MS(20));
    ck_assert_uint_eq(conv_tcb(&d)->dupacks, 0);
    leave(&d);
}
END_TEST

/* shows: 6675-02 6675-04 6675-09 6675-11 6675-12 6675-13 6675-14 */
START_TEST(counting_as_6675)
{
    struct conv c = conv_reno();
    knob_set(c.h, "net.ipv4.tcp_recovery", "0");
    c = sack_flight(c, 40000);
    struct tcb *t = conv_tcb(&c);
    sack_in(&c, MS(100), 1, B1(4, 5)); /* two full segments above aren't more than two */
    sack_in(&c, MS(100), 1, B1(4, 6));
    ck_assert_uint_eq(flight_of(&c).lost, 0);
    ck_assert_int_eq(hear(&c).end, 12001); /* new text meanwhile, cwnd - pipe allows */
    sack_in(&c, MS(100), 1, B1(4, 7)); /* three: all four below are lost */
    ck_assert_uint_eq(flight_of(&c).lost, 4);
    ck_assert_uint_eq(t->cc.ssthresh, 5000); /* of FlightSize without limited transmit */
    again_out(&c, NOW, 0);
    for (unsigned i = 8; i <= 12; i++) {
        sack_in(&c, MS(100 + i), 1, B1(4, i));
        ck_assert_uint_le(tcp_pipe_bytes(t), t->cc.cwnd);
    }
    struct heard x = hear(&c);
    ck_assert_int_ge(x.end, 4001); /* the holes, in order: before anything new */
    ack_in(&c, MS(200), 12001, WND);
    ck_assert_uint_eq(t->ca_state, TCPE_OPEN);
    ck_assert_uint_eq(t->cc.cwnd, 5000);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* shows: 6675-15 6675-16 */
START_TEST(a_time_out_forgets_what_was_sacked)
{
    struct conv c = conv_reno();
    knob_set(c.h, "net.ipv4.tcp_recovery", "0");
    knob_set(c.h, "net.ipv4.tcp_sack_forget", "1");
    c = sack_flight(c, 10000);
    struct tcb *t = conv_tcb(&c);
    sack_in(&c, MS(100), 1, B1(1, 4));
    again_out(&c, NOW, 0);
    ck_assert_uint_eq(t->ca_state, TCPE_RECOVERY);
    again_out(&c, HX_ANYTIME, 0); /* lost as well */
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPTimeouts"), 1);
    ck_assert_uint_eq(t->ca_state, TCPE_LOSS);
    ck_assert_uint_eq(flight_of(&c).sacked, 0);
    ck_assert_uint_eq(t->recover, t->snd_nxt);
    for (unsigned i = 2; i < 10; i++) { /* what is told now counts, but isn't a second loss */
        sack_in(&c, hx_now(c.h) + MS(1), 1, B1(1, i));
        ck_assert_uint_eq(flight_of(&c).sacked, i - 1);
        ck_assert_uint_eq(t->ca_state, TCPE_LOSS);
    }
    hx_drain(c.h);
    ack_in(&c, hx_now(c.h) + MS(1), 9001, WND);
    ck_assert_uint_eq(t->ca_state, TCPE_LOSS);
    ack_in(&c, hx_now(c.h) + MS(1), 10001, WND);
    ck_assert_uint_eq(t->ca_state, TCPE_OPEN);
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPSackRecovery"), 1);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* What SACKs leave open: [0] is lost by IsLost, [7] has one segment above it, [9] none. cwnd takes them all. */
static struct conv three_holes(size_t total)
{
    struct conv c = conv_reno();
    knob_set(c.h, "net.ipv4.tcp_recovery", "0");
    c = sack_flight(c, total);
    sack_in(&c, MS(100), 1, B2(8, 9, 1, 7));
    ck_assert_uint_eq(conv_tcb(&c)->ca_state, TCPE_RECOVERY);
    ck_assert_uint_eq(flight_of(&c).lost, 1);
    return c;
}

/* shows: 6675-04 6675-05 6675-06 6675-08 */
START_TEST(next_seg)
{
    struct conv c = three_holes(10000); /* no new text */
    struct tcb *t = conv_tcb(&c);
    again_out(&c, NOW, 0); /* rule 1 */
    again_out(&c, NOW, 7); /* rule 3 */
    again_out(&c, NOW, 9); /* rule 4, once */
    hx_quiet(c.h, NOW);
    sack_in(&c, MS(110), 1, B1(1, 9)); /* there is room, but nothing that any rule names */
    ck_assert_uint_le(tcp_pipe_bytes(t) + SMSS, t->cc.cwnd);
    ck_assert_uint_eq(t->ca_state, TCPE_RECOVERY);
    hx_quiet(c.h, MS(150));
    leave(&c);

    c = three_holes(12000); /* rule 2 comes before rule 3 */
    again_out(&c, NOW, 0);
    again_out(&c, NOW, 10);
    again_out(&c, NOW, 11);
    hx_quiet(c.h, NOW);
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp sack sender");
    TCase *tc = tcase_create("sack");
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, only_the_hole_again);
    tcase_add_test(tc, blocks_that_cannot_be);
    tcase_add_test(tc, what_was_sacked_may_be_gone);
    tcase_add_test(tc, dsack_is_told_from_sack);
    tcase_add_test(tc, duplicates_without_news);
    tcase_add_test(tc, counting_as_6675);
    tcase_add_test(tc, a_time_out_forgets_what_was_sacked);
    tcase_add_test(tc, next_seg);
    tcase_add_test(tc, sack_options_that_are_none);
    tcase_add_test(tc, dsack_undoes_what_was_sent_twice);
    tcase_add_test(tc, sacked_and_gone);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
