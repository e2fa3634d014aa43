/* Timestamps (RFC 7323 3 to 5): what carries them, what is echoed, what PAWS refuses. */
#include "check_main.h"
#include "tcp_states.h"

#define PEER_TS 5000

/* The passive open with timestamps; the peer's clock began at PEER_TS. */
static struct conv ts_conv_in(struct conv c, uint32_t first)
{
    struct hx *h = c.h;
    c.l = hx_tcp_listen(h, 80);
    tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = 60000,
           .opts = {.mss = 1460, .ts = true, .ts_val = first});
    tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1, .opts = {.ts = true});
    ck_assert_uint_eq(h->got.tcp.o.ts_ecr, first);
    tcp_in(h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 60000,
           .opts = {.ts = true, .ts_val = first, .ts_ecr = h->got.tcp.o.ts_val});
    c.s = td_accept(h->st, c.l, NULL, NULL);
    ck_assert_int_ge(c.s, 0);
    c.st = EST;
    c.una = c.nxt = c.rcv = 1;
    return c;
}

static struct conv ts_conv(void)
{
    return ts_conv_in(conv_new(TD_PROFILE_LINUX), PEER_TS);
}

/* shows: 7323-11 7323-12 7323-17 */
START_TEST(active_open_offers)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    c.s = hx_tcp_connect(c.h, 80, HX_PEER, 40000);
    tcp_out(c.h, NOW, .flags = SYN, .seq = HX_ZERO, .opts = {.mss = 1460, .sack_perm = true, .ts = true});
    ck_assert_uint_eq(c.h->got.tcp.o.ts_ecr, 0);
    ck_assert_uint_eq(c.h->got.tcp.raw_len, 20);
    ck_assert_mem_eq(c.h->got.tcp.raw, "\x02\x04\x05\xb4\x04\x02\x08\x0a", 8); /* Linux's order */
    uint32_t tsval = c.h->got.tcp.o.ts_val;
    tcp_in(c.h, MS(7), .flags = SYN | ACK, .seq = 0, .ack = 1, .wnd = 1000,
           .opts = {.mss = 1000, .ts = true, .ts_val = 77, .ts_ecr = tsval});
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .opts = {.ts = true, .ts_val = tsval + 7, .ts_ecr = 77});
    ck_assert_uint_eq(c.h->got.tcp.raw_len, 12);
    ck_assert_uint_eq(conv_tcb(&c)->mss, 988); /* the option takes its place */
    leave(&c);
}
END_TEST

/* shows: 7323-12 7323-16 */
START_TEST(only_if_both)
{
    for (int knob = 0; knob < 2; knob++) {
        struct conv c = conv_new(TD_PROFILE_LINUX);
        knob_set(c.h, "net.ipv4.tcp_timestamps", knob ? "1" : "0");
        c = reach_in(c, LIS);
        bool asks = knob == 0; /* one of the two isn't willing */
        tcp_in(c.h, NOW, .flags = SYN, .seq = 0, .wnd = 1000, .opts = {.mss = 1460, .ts = asks, .ts_val = asks * 9u});
        tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
        ck_assert(!c.h->got.tcp.o.has_ts);
        tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
        ck_assert(!conv_tcb(&c)->ts_ok);
        ck_assert_uint_eq(conv_tcb(&c)->mss, 1460);
        /* one on a later segment means nothing */
        tcp_in(c.h, NOW, .flags = PSH | ACK, .seq = 1, .ack = 1, .wnd = 1000, .len = 10, .opts = {.ts = true, .ts_val = 100});
        tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 11, .no_opts = true);
        tcp_in(c.h, NOW, .flags = PSH | ACK, .seq = 11, .ack = 1, .wnd = 1000, .len = 10, .opts = {.ts = true, .ts_val = 1});
        tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 21, .no_opts = true);
        leave(&c);
    }
}
END_TEST

/* shows: 7323-13 */
START_TEST(every_segment)
{
    struct conv c = ts_conv();
    struct hx *h = c.h;
    write_pattern(&c, 1, 100);
    hx_flush(h);
    tcp_out(h, NOW, .flags = PSH | ACK, .seq = 1, .ack = 1, .len = 100, .opts = {.ts = true, .ts_ecr = PEER_TS});
    tcp_out(h, HX_ANYTIME, .flags = PSH | ACK, .seq = 1, .ack = 1, .len = 100, .opts = {.ts = true, .ts_ecr = PEER_TS});
    tcp_in(h, NOW, .flags = ACK, .seq = 1, .ack = 101, .wnd = HX_ZERO, .opts = {.ts = true, .ts_val = PEER_TS + 2});
    tcp_in(h, NOW, .flags = PSH | ACK, .seq = 1, .ack = 101, .wnd = 1000, .len = 5, .opts = {.ts = true, .ts_val = PEER_TS + 3});
    tcp_out(h, NOW, .flags = ACK, .seq = 101, .ack = 6, .opts = {.ts = true, .ts_ecr = PEER_TS + 3});
    const struct linger l = {1, 0};
    ck_assert_int_eq(td_setsockopt(h->st, c.s, SOL_SOCKET, SO_LINGER, &l, sizeof l), 0);
    read_pattern(&c, 1, 5);
    ck_assert_int_eq(td_close(h->st, c.s), 0);
    hx_flush(h);
    tcp_out(h, NOW, .flags = RST | ACK, .seq = 101, .ack = 6, .opts = {.ts = true, .ts_ecr = PEER_TS + 3});
    leave(&c);
}
END_TEST

/* Text with a timestamp; what is expected then is said by the test. */
static void text_in(struct conv *c, int64_t seq, size_t n, uint32_t val)
{
    tcp_in(c->h, NOW, .flags = ACK, .seq = seq, .ack = c->una, .wnd = 60000, .len = n,
           .opts = {.ts = true, .ts_val = val});
}
static void echo_out(struct conv *c, int64_t ack, uint32_t ecr)
{
    tcp_out(c->h, HX_ANYTIME, .flags = ACK, .seq = c->nxt, .ack = ack);
    ck_assert_uint_eq(c->h->got.tcp.o.ts_ecr, ecr);
}

/* shows: 7323-21 */
START_TEST(what_is_echoed)
{
    struct conv c = ts_conv();
    /* delayed ACKs: the earliest segment that isn't acknowledged yet (4.3, case A) */
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_QUICKACK, 0), 0);
    text_in(&c, 1, 100, PEER_TS + 1);
    text_in(&c, 101, 100, PEER_TS + 2);
    text_in(&c, 201, 100, PEER_TS + 3);
    echo_out(&c, 301, PEER_TS + 1);
    /* a hole: the last segment that advanced the window (case B) */
    text_in(&c, 401, 100, PEER_TS + 5);
    echo_out(&c, 301, PEER_TS + 1);
    text_in(&c, 601, 100, PEER_TS + 7);
    echo_out(&c, 301, PEER_TS + 1);
    /* a filled hole: the segment that filled it, though it left earlier (case C, D) */
    text_in(&c, 301, 100, PEER_TS + 4);
    echo_out(&c, 501, PEER_TS + 4);
    text_in(&c, 501, 100, PEER_TS + 6);
    echo_out(&c, 701, PEER_TS + 6);
    /* an older one than TS.Recent, even if PAWS lets it through, isn't taken (4.3 (2), E) */
    text_in(&c, 701, 100, PEER_TS + 5);
    echo_out(&c, 801, PEER_TS + 6);
    leave(&c);
}
END_TEST

/* A copy of what was acknowledged last, because the ACK was lost: `linux` echoes the copy. Older
 * ones lie outside the window and set no clock, nor do they under `rfc` (5.3 R2). */
/* shows: 7323-21 */
START_TEST(a_copy_of_the_last)
{
    for (int rfc = 0; rfc < 2; rfc++) {
        struct conv c = ts_conv_in(conv_new(rfc ? TD_PROFILE_RFC : TD_PROFILE_LINUX), PEER_TS);
        text_in(&c, 1, 100, PEER_TS + 1);
        hx_until(c.h, hx_now(c.h) + MS(500));
        hx_drain(c.h);
        text_in(&c, 1, 100, PEER_TS + 50);
        echo_out(&c, 101, PEER_TS + (rfc ? 1 : 50));
        text_in(&c, 101, 100, PEER_TS + 60);
        hx_until(c.h, hx_now(c.h) + MS(500));
        hx_drain(c.h);
        text_in(&c, 1, 100, PEER_TS + 70);
        echo_out(&c, 201, PEER_TS + 60);
        tcp_in(c.h, NOW, .flags = ACK, .seq = 101, .ack = 9999, .wnd = 60000, .len = 100,
               .opts = {.ts = true, .ts_val = PEER_TS + 900}); /* not the peer's */
        echo_out(&c, 201, PEER_TS + 60);
        leave(&c);
    }
}
END_TEST

/* shows: 7323-21 */
START_TEST(an_ack_of_nothing_sent_sets_no_clock)
{
    struct conv c = ts_conv();
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 9999, .wnd = 60000, .len = 10, .opts = {.ts = true, .ts_val = PEER_TS + 900});
    hx_quiet(c.h, hx_now(c.h)); /* in ESTABLISHED Linux says nothing to it */
    text_in(&c, 1, 10, PEER_TS + 1);
    echo_out(&c, 11, PEER_TS + 1);
    leave(&c);
}
END_TEST

/* shows: 7323-22 7323-23 7323-25 */
START_TEST(paws_refuses_the_old)
{
    struct conv c = ts_conv();
    text_in(&c, 1, 100, PEER_TS + 1000);
    echo_out(&c, 101, PEER_TS + 1000);
    /* in the window by its number, from before by its clock */
    text_in(&c, 101, 100, PEER_TS + 10);
    echo_out(&c, 101, PEER_TS + 1000);
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtPAWSEstab"), 1);
    ck_assert_uint_eq(hx_event(c.h, "tcp-drop-paws"), 1);
    /* neither FIN nor SYN do better; outside the window PAWS speaks first */
    tcp_in(c.h, NOW, .flags = FIN | ACK, .seq = 101, .ack = 1, .wnd = 60000, .opts = {.ts = true, .ts_val = PEER_TS});
    echo_out(&c, 101, PEER_TS + 1000);
    text_in(&c, 1000000, 100, PEER_TS + 10);
    echo_out(&c, 101, PEER_TS + 1000);
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtPAWSEstab"), 3);
    ck_assert_uint_eq(hx_event(c.h, "tcp-drop-window"), 0);
    assert_state(&c, TCPS_ESTABLISHED);
    /* checked on arrival, not again: text that waits beyond a hole may be older than what fills it */
    text_in(&c, 201, 100, PEER_TS + 1001);
    echo_out(&c, 101, PEER_TS + 1000);
    text_in(&c, 101, 100, PEER_TS + 2000);
    echo_out(&c, 301, PEER_TS + 2000);
    read_pattern(&c, 1, 300);
    leave(&c);
}
END_TEST

START_TEST(one_tick_of_slack)
{
    for (int profile = 0; profile < 2; profile++) {
        struct conv c = ts_conv_in(conv_new(profile == 0 ? TD_PROFILE_LINUX : TD_PROFILE_RFC), PEER_TS);
        text_in(&c, 1, 100, PEER_TS + 5);
        echo_out(&c, 101, PEER_TS + 5);
        text_in(&c, 101, 100, PEER_TS + 4);
        echo_out(&c, profile == 0 ? 201 : 101, PEER_TS + 5);
        leave(&c);
    }
}
END_TEST

/* shows: 7323-24 */
START_TEST(resets_have_no_age)
{
    struct conv c = ts_conv();
    text_in(&c, 1, 100, PEER_TS + 1000);
    echo_out(&c, 101, PEER_TS + 1000);
    /* out of the window: no effect, and no new TS.Recent either */
    tcp_in(c.h, NOW, .flags = RST | ACK, .seq = 1000000, .ack = 1, .opts = {.ts = true, .ts_val = PEER_TS + 5000});
    text_in(&c, 101, 100, PEER_TS + 1001);
    echo_out(&c, 201, PEER_TS + 1001);
    tcp_in(c.h, NOW, .flags = RST | ACK, .seq = 201, .ack = 1, .opts = {.ts = true, .ts_val = PEER_TS});
    assert_state(&c, TCPS_CLOSED);
    leave(&c);
}
END_TEST

/* shows: 7323-14 7323-15 7323-13 */
START_TEST(segments_without)
{
    for (int profile = 0; profile < 2; profile++) {
        struct conv c = ts_conv_in(conv_new(profile == 0 ? TD_PROFILE_LINUX : TD_PROFILE_RFC), PEER_TS);
        tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 60000, .len = 2000);
        if (profile == 0) {
            echo_out(&c, 2001, PEER_TS);
        } else {
            hx_quiet(c.h, hx_now(c.h) + SEC(1)); /* silently */
            ck_assert_uint_eq(hx_event(c.h, "tcp-drop-no-ts"), 1);
            tcp_in(c.h, NOW, .flags = FIN | ACK, .seq = 1, .ack = 1, .wnd = 60000);
            hx_quiet(c.h, hx_now(c.h) + SEC(1));
        }
        assert_state(&c, TCPS_ESTABLISHED);
        tcp_in(c.h, NOW, .flags = RST, .seq = profile == 0 ? 2001 : 1); /* a reset needs none */
        assert_state(&c, TCPS_CLOSED);
        leave(&c);
    }
}
END_TEST

/* shows: 7323-27 */
START_TEST(an_old_clock_says_nothing)
{
    struct conv c = ts_conv();
    text_in(&c, 1, 100, PEER_TS + 1000);
    echo_out(&c, 101, PEER_TS + 1000);
    hx_until(c.h, hx_now(c.h) + SEC(23 * 86400));
    text_in(&c, 101, 100, PEER_TS);
    echo_out(&c, 101, PEER_TS + 1000);
    hx_until(c.h, hx_now(c.h) + SEC(2 * 86400)); /* 25 days since the last one taken */
    text_in(&c, 101, 100, PEER_TS);
    echo_out(&c, 201, PEER_TS);
    leave(&c);
}
END_TEST

/* shows: 7323-18 7323-26 */
START_TEST(the_clock_ticks_by_the_millisecond)
{
    struct conv c = ts_conv();
    uint32_t first = 0;
    for (int i = 0; i < 50; i++) {
        text_in(&c, 1 + 100 * i, 100, PEER_TS + (uint32_t)i);
        tcp_out(c.h, HX_ANYTIME, .flags = ACK, .seq = 1, .ack = 101 + 100 * i);
        uint32_t ms = (uint32_t)(c.h->got.at / TD_MS);
        first = i == 0 ? c.h->got.tcp.o.ts_val - ms : first;
        ck_assert_uint_eq(c.h->got.tcp.o.ts_val - ms, first);
        hx_until(c.h, hx_now(c.h) + MS(37));
    }
    leave(&c);
}
END_TEST

/* shows: 7323-29 ATK-TCPI-17 */
START_TEST(each_connection_has_its_own_offset)
{
    uint32_t off[3][4];
    for (int knob = 0; knob < 3; knob++) {
        struct conv c = conv_new(TD_PROFILE_LINUX);
        char v[2] = {(char)('0' + knob), 0};
        knob_set(c.h, "net.ipv4.tcp_timestamps", v);
        for (uint16_t i = 0; i < 4; i++) {
            int s = hx_tcp_connect(c.h, (uint16_t)(2000 + i), HX_PEER, 40000);
            tcp_out(c.h, NOW, .dport = 40000, .sport = (uint16_t)(2000 + i), .flags = SYN, .seq = HX_ZERO);
            ck_assert_int_eq(c.h->got.tcp.o.has_ts, knob != 0);
            off[knob][i] = c.h->got.tcp.o.ts_val - (uint32_t)(td_stack_now(c.h->st) / TD_MS);
            ck_assert_int_eq(td_close(c.h->st, s), 0);
        }
        hx_drain(c.h);
        leave(&c);
    }
    for (int i = 0; i < 4; i++) {
        ck_assert_uint_eq(off[2][i], 0);
        for (int j = 0; j < i; j++) {
            ck_assert_uint_ne(off[1][i], off[1][j]);
        }
    }
}
END_TEST

/* shows: 7323-30 */
START_TEST(reset_that_answers_a_timestamp)
{
    for (int profile = 0; profile < 2; profile++) {
        struct conv c = conv_new(profile == 0 ? TD_PROFILE_LINUX : TD_PROFILE_RFC);
        tcp_in(c.h, NOW, .flags = ACK, .seq = 500, .ack = 900, .absolute = true, .opts = {.ts = true, .ts_val = 77, .ts_ecr = 5});
        tcp_out(c.h, NOW, .flags = RST, .any_seq = true, .any_ack = true);
        const struct tcp_opts *o = &c.h->got.tcp.o;
        ck_assert_int_eq(o->has_ts, profile == 1);
        ck_assert_uint_eq(o->ts_ecr, profile == 1 ? 77 : 0);
        ck_assert_uint_eq(o->ts_val, 0);
        leave(&c);
    }
}
END_TEST

START_TEST(syn_ack_of_another_connection)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    c.s = hx_tcp_connect(c.h, 80, HX_PEER, 40000);
    tcp_out(c.h, NOW, .flags = SYN, .seq = HX_ZERO);
    uint32_t val = c.h->got.tcp.o.ts_val;
    tcp_in(c.h, MS(50), .flags = SYN | ACK, .seq = 0, .ack = 1, .wnd = 1000, .opts = {.mss = 1460, .ts = true, .ts_val = 9, .ts_ecr = val - 1});
    tcp_out(c.h, NOW, .flags = RST, .seq = 1);
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtPAWSActive"), 1);
    assert_state(&c, TCPS_SYN_SENT);
    tcp_in(c.h, MS(60), .flags = SYN | ACK, .seq = 0, .ack = 1, .wnd = 1000, .opts = {.mss = 1460, .ts = true, .ts_val = 9, .ts_ecr = val});
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1);
    assert_state(&c, TCPS_ESTABLISHED);
    leave(&c);
}
END_TEST

/* PAWS where it is for: numbers that come round. The peer's text crosses 2^32; a segment of its first round,
 * whose number fits the window of the second, is told by its clock. */
/* shows: 7323-22 ATK-TCPH-21 */
START_TEST(numbers_come_round)
{
    for (int ts = 0; ts < 2; ts++) {
        struct conv c = conv_new(TD_PROFILE_LINUX);
        c.h->peer_isn = 0xffffff00;
        if (ts) {
            c = ts_conv_in(c, 0xfffffff0); /* the clock comes round as well */
        } else {
            c = reach_in(c, EST);
        }
        for (uint32_t i = 0; i < 10; i++) {
            tcp_in(c.h, NOW, .flags = ACK, .seq = 1 + 100 * i, .ack = 1, .wnd = 60000, .len = 100,
                   .opts = {.ts = ts, .ts_val = ts ? 0xfffffff0 + 4 * i : 0});
            tcp_out(c.h, HX_ANYTIME, .flags = ACK, .seq = 1, .ack = 101 + 100 * i);
        }
        read_pattern(&c, 1, 1000);
        if (ts) { /* RCV.NXT is 0x2e9; this one was sent 2^32 numbers earlier */
            text_in(&c, 1001, 100, 0xffffff00);
            echo_out(&c, 1001, 0xfffffff0 + 36);
            ck_assert_uint_eq(hx_counter(c.h, "TcpExtPAWSEstab"), 1);
            text_in(&c, 1001, 100, 100);
            echo_out(&c, 1101, 100);
        }
        leave(&c);
    }
}
END_TEST

/* An option of 9 or 11 octets is no timestamp. */
/* shows: ATK-TCPH-08 */
START_TEST(a_length_that_is_not_ten)
{
    static const char nine[] = "\1\1\1\x08\x09\x7f\xff\xff\xff\0\0\0", eleven[] = "\1\x08\x0b\x7f\xff\xff\xff\0\0\0\0\0";
    for (int i = 0; i < 4; i++) {
        const struct hx_opts bad = {.raw = (i & 1) != 0 ? nine : eleven, .raw_len = 12};
        bool rfc = i >= 2;
        struct conv c = ts_conv_in(conv_new(rfc ? TD_PROFILE_RFC : TD_PROFILE_LINUX), PEER_TS);
        tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 60000, .len = 2000, .opts = bad);
        if (rfc) { /* so it has none, and is dropped (7323 3.2) */
            hx_quiet(c.h, hx_now(c.h) + SEC(1));
            ck_assert_uint_eq(hx_event(c.h, "tcp-drop-no-ts"), 1);
        } else {
            echo_out(&c, 2001, PEER_TS);
        }
        ck_assert_uint_eq(conv_tcb(&c)->ts_recent, PEER_TS);
        leave(&c);
        c = reach_in(conv_new(TD_PROFILE_LINUX), LIS); /* nor does one on a SYN ask for them */
        tcp_in(c.h, NOW, .flags = SYN, .seq = 0, .wnd = 1000, .opts = bad);
        tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
        ck_assert(!c.h->got.tcp.o.has_ts);
        tcp_in(c.h, NOW, .flags = RST, .seq = 1);
        leave(&c);
    }
}
END_TEST

/* An echo of what the clock hasn't shown yet gives no round trip, neither of ours nor of theirs. */
/* shows: ATK-TCPH-08 */
START_TEST(an_echo_from_the_future)
{
    struct conv c = ts_conv();
    struct tcb *t = conv_tcb(&c);
    write_pattern(&c, 1, 100);
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = PSH | ACK, .seq = 1, .ack = 1, .len = 100);
    hx_until(c.h, hx_now(c.h) + SEC(2)); /* sent again: only the echo could tell a round trip */
    hx_drain(c.h);
    uint32_t val = tcp_ts_val(c.h->st, t);
    td_time srtt = t->cc.srtt, least = t->cc.min_rtt;
    uint64_t samples = hx_event(c.h, "tcp-rtt");
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 51, .wnd = 60000, .opts = {.ts = true, .ts_val = PEER_TS, .ts_ecr = val + 1});
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 81, .wnd = 60000, .opts = {.ts = true, .ts_val = PEER_TS, .ts_ecr = val + 0x7fffffff});
    ck_assert_uint_eq(hx_event(c.h, "tcp-rtt"), samples);
    ck_assert_uint_eq(t->cc.srtt, srtt);
    ck_assert_uint_eq(t->cc.min_rtt, least);
    hx_drain(c.h);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 101, .wnd = 60000, .opts = {.ts = true, .ts_val = PEER_TS, .ts_ecr = val - 30});
    ck_assert_uint_eq(hx_event(c.h, "tcp-rtt"), samples + 1); /* one that may be */
    uint32_t theirs = t->rrtt8_us;
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 101, .wnd = 60000, .len = 1448,
           .opts = {.ts = true, .ts_val = PEER_TS, .ts_ecr = val + 77});
    ck_assert_uint_eq(t->rrtt8_us, theirs);
    hx_drain(c.h);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1449, .ack = 101, .wnd = 60000, .len = 1448,
           .opts = {.ts = true, .ts_val = PEER_TS, .ts_ecr = val - 20});
    ck_assert_uint_ne(t->rrtt8_us, theirs);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* Whoever isn't the peer puts a clock far ahead on a segment that isn't taken, or lies beyond what was acknowledged: the
 * peer's text, whose clock lies behind that, goes on. */
/* shows: ATK-TCPI-08 */
START_TEST(nobody_else_sets_the_clock)
{
    static const struct {
        int64_t seq, ack;
        size_t len;
        uint16_t flags;
    } t[] = {
        {101 + 1000000, 1, 100, ACK}, /* beyond the window */
        {1, 1, 100, ACK},             /* before it */
        {1, 1, 0, ACK},
        {101, 9999, 100, ACK},        /* acknowledges what was never sent */
        {101, -1000000, 100, ACK},    /* or long ago, before the connection was */
        {501, 1, 100, ACK},           /* in the window, behind a hole */
        {101 + 1000000, 1, 0, RST | ACK},
        {300, 1, 0, RST | ACK},       /* in the window: a challenge */
        {300, 1, 0, SYN | ACK},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct conv c = ts_conv();
        text_in(&c, 1, 100, PEER_TS + 1);
        echo_out(&c, 101, PEER_TS + 1);
        tcp_in(c.h, NOW, .flags = t[i].flags, .seq = t[i].seq, .ack = t[i].ack, .wnd = 60000, .len = t[i].len,
               .opts = {.ts = true, .ts_val = PEER_TS + 0x70000000});
        hx_until(c.h, hx_now(c.h) + SEC(1));
        hx_drain(c.h);
        assert_state(&c, TCPS_ESTABLISHED);
        ck_assert_msg(conv_tcb(&c)->ts_recent == PEER_TS + 1, "segment %zu set the clock", i);
        text_in(&c, 101, 100, PEER_TS + 2);
        echo_out(&c, 201, PEER_TS + 2);
        read_pattern(&c, 1, 200);
        leave(&c);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp timestamps");
    TCase *tc = tcase_create("timestamps");
    tcase_add_test(tc, active_open_offers);
    tcase_add_test(tc, only_if_both);
    tcase_add_test(tc, every_segment);
    tcase_add_test(tc, what_is_echoed);
    tcase_add_test(tc, a_copy_of_the_last);
    tcase_add_test(tc, an_ack_of_nothing_sent_sets_no_clock);
    tcase_add_test(tc, paws_refuses_the_old);
    tcase_add_test(tc, one_tick_of_slack);
    tcase_add_test(tc, resets_have_no_age);
    tcase_add_test(tc, segments_without);
    tcase_add_test(tc, an_old_clock_says_nothing);
    tcase_add_test(tc, the_clock_ticks_by_the_millisecond);
    tcase_add_test(tc, each_connection_has_its_own_offset);
    tcase_add_test(tc, reset_that_answers_a_timestamp);
    tcase_add_test(tc, syn_ack_of_another_connection);
    tcase_add_test(tc, numbers_come_round);
    tcase_add_test(tc, a_length_that_is_not_ten);
    tcase_add_test(tc, an_echo_from_the_future);
    tcase_add_test(tc, nobody_else_sets_the_clock);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
