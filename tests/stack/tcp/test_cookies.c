/* SYN cookies (RFC 4987 3.6): nothing is kept, and what comes back is believed only if it is ours
 * and young. */
#include "check_main.h"
#include "prng.h"
#include "tcp_talk.h"

static int listener(struct hx *h, int backlog)
{
    int s = td_socket(h->st, AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in sa = td_sockaddr(0, 80);
    ck_assert_int_eq(td_bind(h->st, s, (const struct sockaddr *)&sa, sizeof sa), 0);
    ck_assert_int_eq(td_listen(h->st, s, backlog), 0);
    return s;
}

/* SYNs from n addresses that never answer. */
static void flood(struct hx *h, uint32_t n)
{
    h->any_tx = true;
    unsigned known = h->nconns;
    for (uint32_t i = 0; i < n; i++) {
        tcp_in(h, hx_now(h) + US(10), .src = TD_IP4(198, 51, 100, 0) + i % 250,
               .sport = (uint16_t)(1024 + i / 250), .flags = SYN, .seq = 0, .wnd = 1000);
        h->nconns = known;
    }
    h->any_tx = false;
    hx_drain(h);
}

static struct conv always(void)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.tcp_syncookies", "2");
    c.l = listener(c.h, 100);
    return c;
}

/* shows: 4987-02 4987-05 ATK-TCPR-01 ATK-TCPR-02 */
START_TEST(flood_and_a_client)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    struct hx *h = c.h;
    c.l = listener(h, 16);
    uint64_t before = h->st->mem.used_by[MEM_TCP];
    flood(h, 20000);
    ck_assert_uint_eq(h->st->tcp->eps.count, 1 + 17); /* the queue; the rest left no trace */
    ck_assert_uint_eq(h->st->tcp->ntcb, 1);
    ck_assert_uint_le(h->st->mem.used_by[MEM_TCP] - before, 17 * 256);
    ck_assert_uint_eq(hx_counter(h, "TcpExtSyncookiesSent"), 20000 - 17);
    ck_assert_uint_eq(hx_counter(h, "TcpExtTCPReqQFullDoCookies"), 20000 - 17);
    ck_assert_uint_eq(hx_counter(h, "TcpExtListenDrops"), 0);
    /* a client among them, its ACK a second later */
    tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = 1000, .opts = {.mss = 1400, .wscale = 3});
    tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1, .opts = {.mss = 1460});
    ck_assert(!h->got.tcp.o.has_wscale); /* there is nowhere to keep it */
    flood(h, 2000);
    ck_assert(conv_ep(&c) == NULL);
    tcp_in(h, hx_now(h) + MS(500), .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000, .len = 5);
    tcp_out(h, NOW, .flags = ACK, .seq = 1, .ack = 6);
    c.s = td_accept(h->st, c.l, NULL, NULL);
    ck_assert_int_ge(c.s, 0);
    read_pattern(&c, 1, 5);
    ck_assert_uint_eq(hx_counter(h, "TcpExtSyncookiesRecv"), 1);
    ck_assert_uint_eq(conv_tcb(&c)->mss, 1300); /* rounded down */
    ck_assert_uint_eq(conv_tcb(&c)->snd_wnd, 1000);
    /* when it is over, the queue serves again */
    hx_until(h, SEC(100));
    hx_drain(h);
    tcp_in(h, NOW, .sport = 50000, .flags = SYN, .seq = 0, .wnd = 1000);
    ck_assert_uint_eq(h->st->tcp->eps.count, 3);
    hx_drain(h);
    leave(&c);
}
END_TEST

/* shows: 4987-03 ATK-TCPR-02 */
START_TEST(mss_of_a_cookie)
{
    static const uint16_t said[] = {60, 100, 300, 536, 1200, 1452, 1460, 9000},
                          kept[] = {88, 88, 256, 536, 1024, 1440, 1460, 1460};
    for (unsigned i = 0; i < 8; i++) {
        struct conv c = always();
        tcp_in(c.h, NOW, .flags = SYN, .seq = 0, .wnd = 1000, .opts = {.mss = said[i]});
        tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
        ck_assert(conv_ep(&c) == NULL);
        hx_quiet(c.h, SEC(60)); /* never sent again */
        tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
        assert_state(&c, TCPS_ESTABLISHED);
        ck_assert_uint_eq(conv_tcb(&c)->mss, kept[i]);
        ck_assert_uint_eq(conv_tcb(&c)->rcv_wscale, 0);
        ck_assert(!conv_tcb(&c)->sack_ok && !conv_tcb(&c)->ts_ok);
        leave(&c);
    }
}
END_TEST

/* shows: 4987-04 */
START_TEST(options_in_the_timestamp)
{
    for (unsigned i = 0; i < 16; i++) {
        struct conv c = always();
        struct hx *h = c.h;
        bool sack = (i & 1) != 0, ecn = (i & 2) != 0, scale = (i & 4) != 0;
        hx_until(h, MS(37 * i + 1));
        tcp_in(h, NOW, .flags = SYN | (ecn ? TCP_ECE | TCP_CWR : 0), .seq = 0, .wnd = 1000,
               .opts = {.mss = 1460,
                        .wscale = (int8_t)(scale ? 6 + 1 : 0),
                        .sack_perm = sack,
                        .ts = true,
                        .ts_val = 77777});
        uint32_t clock = (uint32_t)(td_stack_now(h->st) / TD_MS);
        tcp_out(h, NOW, .flags = SYN | ACK | (ecn ? TCP_ECE : 0), .seq = HX_ZERO, .ack = 1);
        const struct tcp_opts o = h->got.tcp.o;
        ck_assert(o.has_ts && o.has_wscale == scale && o.has_sack_perm == sack);
        ck_assert_uint_eq(o.ts_ecr, 77777);
        const struct tcp_tuple a = {.laddr = HX_US, .raddr = HX_PEER, .lport = 80, .rport = 40000};
        uint32_t behind = clock - (o.ts_val - tcp_ts_offset(h->st, &a));
        ck_assert_uint_lt(behind, 128); /* not ahead, and not far behind */
        tcp_in(h, MS(2000), .flags = ACK, .seq = 1, .ack = 1, .wnd = 100,
               .opts = {.ts = true, .ts_val = 77790, .ts_ecr = o.ts_val});
        assert_state(&c, TCPS_ESTABLISHED);
        const struct tcb *t = conv_tcb(&c);
        ck_assert_int_eq(t->ts_ok, 1);
        ck_assert_int_eq(t->sack_ok, sack);
        ck_assert_int_eq(t->ecn_ok, ecn);
        ck_assert_uint_eq(t->snd_wnd, scale ? 100u << 6 : 100);
        ck_assert_uint_eq(t->rcv_wscale, scale ? o.wscale : 0);
        tcp_in(h, MS(2100), .flags = ACK, .seq = 1, .ack = 1, .wnd = 100, .len = 3,
               .opts = {.ts = true, .ts_val = 77890, .ts_ecr = o.ts_val});
        tcp_out(h, NOW, .flags = ACK, .seq = 1, .ack = 4);
        ck_assert_uint_eq(h->got.tcp.o.ts_ecr, 77890);
        ck_assert_int_gt((int32_t)(h->got.tcp.o.ts_val - o.ts_val), 0);
        leave(&c);
    }
}
END_TEST

/* shows: 4987-03 ATK-TCPI-09 */
START_TEST(replay)
{
    /* the step is 64 s: taken in this one and the next, refused after, also while others are sent,
     * and also when the eight bits of the time have come round */
    static const unsigned when[] = {1, 60, 120, 129, 200, 700, 64 * 256 + 1, 64 * 256 + 64};
    for (unsigned i = 0; i < 8; i++) {
        struct conv c = conv_new(TD_PROFILE_LINUX);
        hx_free(c.h);
        c.h = hx_new_profile(TD_PROFILE_LINUX, 64 * 100 * SEC(1)); /* a step begins */
        knob_set(c.h, "net.ipv4.tcp_syncookies", "2");
        c.l = listener(c.h, 100);
        tcp_in(c.h, NOW, .flags = SYN, .seq = 0, .wnd = 1000, .opts = {.mss = 1460});
        tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
        hx_until(c.h, SEC(when[i]) - MS(1));
        tcp_in(c.h, NOW, .sport = 50000, .flags = SYN, .seq = 0, .wnd = 1000);
        hx_drain(c.h);
        tcp_in(c.h, SEC(when[i]), .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
        if (when[i] < 128) {
            assert_state(&c, TCPS_ESTABLISHED);
        } else {
            tcp_out(c.h, NOW, .flags = RST, .seq = 1);
            assert_state(&c, TCPS_CLOSED);
            ck_assert_uint_eq(hx_counter(c.h, "TcpExtSyncookiesFailed"), 1);
        }
        leave(&c);
    }
}
END_TEST

/* shows: 4987-03 ATK-TCPI-09 */
START_TEST(forged)
{
    struct conv c = always();
    struct hx *h = c.h;
    tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = 1000, .opts = {.mss = 1460});
    tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    uint32_t iss = hx_conn(h, HX_PEER, 40000, 80)->iss, irs = h->peer_isn;
    /* a number beside it, another sequence number, another port, another address */
    const struct hx_seg bad[] = {
        {.seq = irs + 1, .ack = (int64_t)iss + 1 + 100},
        {.seq = irs + 1, .ack = (int64_t)iss + 1 - 0x1000000},
        {.seq = (int64_t)irs + 200, .ack = (int64_t)iss + 1},
        {.seq = irs + 1, .ack = (int64_t)iss + 1, .sport = 40001},
        {.seq = irs + 1, .ack = (int64_t)iss + 1, .src = HX_FAR},
    };
    for (unsigned i = 0; i < 5; i++) {
        struct hx_seg s = bad[i];
        s.absolute = true;
        s.flags = ACK;
        s.wnd = 1000;
        hx_tcp_in(h, NOW, &s);
        tcp_out(h, NOW, .absolute = true, .dst = s.src, .dport = s.sport, .flags = RST,
                .seq = (int64_t)(uint32_t)s.ack);
    }
    ck_assert_uint_eq(hx_counter(h, "TcpExtSyncookiesFailed"), 5);
    ck_assert_uint_eq(h->st->tcp->ntcb, 1);
    /* chance: a hundred thousand tries */
    h->any_tx = true;
    uint32_t x = 12345;
    for (unsigned i = 0; i < prng_rounds(100000); i++) {
        x = x * 1664525 + 1013904223;
        tcp_in(h, NOW, .absolute = true, .flags = ACK, .seq = x >> 7, .ack = x ^ iss, .wnd = 1000);
    }
    ck_assert_uint_le(h->st->tcp->ntcb, 2);
    h->any_tx = false;
    hx_drain(h);
    tcp_in(h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000); /* the true one still does */
    assert_state(&c, TCPS_ESTABLISHED);
    leave(&c);
}
END_TEST

/* What the timestamp says must be possible. */
START_TEST(timestamp_that_lies)
{
    struct conv c = always();
    struct hx *h = c.h;
    tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = 1000,
           .opts = {.mss = 1460, .wscale = 3, .sack_perm = true, .ts = true, .ts_val = 5});
    tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    uint32_t val = h->got.tcp.o.ts_val;
    knob_set(h, "net.ipv4.tcp_sack", "0");
    tcp_in(h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000,
           .opts = {.ts = true, .ts_val = 6, .ts_ecr = val});
    tcp_out(h, NOW, .flags = RST, .seq = 1);
    ck_assert_uint_eq(hx_counter(h, "TcpExtSyncookiesFailed"), 1);
    leave(&c);
}
END_TEST

/* shows: ATK-TCPI-09 */
START_TEST(only_after_some_were_sent)
{
    struct conv c = always();
    struct hx *h = c.h;
    tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = 1000, .opts = {.mss = 1460});
    tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    ck_assert_int_eq(td_close(h->st, c.l), 0);
    c.l = listener(h, 100); /* another, which has sent none */
    tcp_in(h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
    tcp_out(h, NOW, .flags = RST, .seq = 1);
    ck_assert_uint_eq(hx_counter(h, "TcpExtSyncookiesFailed"), 0); /* not even looked at */
    leave(&c);
    /* off: the queue holds on, see test_listen.c */
    c = conv_new(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.tcp_syncookies", "0");
    c.l = listener(c.h, 4);
    flood(c.h, 100);
    ck_assert_uint_eq(c.h->st->tcp->eps.count, 101);
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtSyncookiesSent"), 0);
    h = c.h;
    hx_until(h, SEC(300));
    hx_drain(h);
    leave(&c);
}
END_TEST

/* shows: ATK-TCPR-14 */
START_TEST(accept_queue_full)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    struct hx *h = c.h;
    knob_set(h, "net.ipv4.tcp_syncookies", "2");
    c.l = listener(h, 0);
    for (uint16_t p = 50000; p < 50002; p++) {
        tcp_in(h, NOW, .sport = p, .flags = SYN, .seq = 0, .wnd = 1000);
        tcp_out(h, NOW, .dport = p, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    }
    tcp_in(h, NOW, .sport = 50000, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
    tcp_in(h, NOW, .sport = 50001, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000); /* not now */
    hx_quiet(h, NOW);
    ck_assert_uint_eq(hx_event(h, "tcp-drop-accept"), 1);
    ck_assert_uint_eq(h->st->tcp->ntcb, 2);
    ck_assert_int_ge(td_accept(h->st, c.l, NULL, NULL), 0);
    tcp_in(h, MS(10), .sport = 50001, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000, .len = 4);
    tcp_out(h, NOW, .dport = 50001, .flags = ACK, .seq = 1, .ack = 5);
    ck_assert_int_ge(td_accept(h->st, c.l, NULL, NULL), 0);
    leave(&c);
}
END_TEST

/* A cookie's connection that finds no memory leaves nothing behind. */
START_TEST(no_memory)
{
    for (int n = 1; n < 30; n++) {
        struct conv c = always();
        struct hx *h = c.h;
        knob_set(h, "tapdeck.journal.level", "0");
        tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = 1000, .opts = {.mss = 1460});
        tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
        h->fail_alloc = n;
        h->any_tx = true;
        tcp_in(h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
        h->fail_alloc = 0;
        h->any_tx = false;
        hx_drain(h);
        tcp_in(h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
        assert_state(&c, TCPS_ESTABLISHED);
        leave(&c);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp cookies");
    TCase *tc = tcase_create("cookies");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, flood_and_a_client);
    tcase_add_test(tc, mss_of_a_cookie);
    tcase_add_test(tc, options_in_the_timestamp);
    tcase_add_test(tc, replay);
    tcase_add_test(tc, forged);
    tcase_add_test(tc, timestamp_that_lies);
    tcase_add_test(tc, only_after_some_were_sent);
    tcase_add_test(tc, accept_queue_full);
    tcase_add_test(tc, no_memory);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
