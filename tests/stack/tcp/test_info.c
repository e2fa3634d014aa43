/* TCP_INFO: every field in scripted exchanges, with Linux's meanings and units. */
#include "check_main.h"
#include "tcp_talk.h"

/* The layout of Linux's struct tcp_info, written out: offsets are what programs are built with. */
enum {
    I_STATE = 0, I_CA_STATE = 1, I_RETRANSMITS = 2, I_PROBES = 3, I_BACKOFF = 4, I_OPTIONS = 5,
    I_WSCALES = 6, I_RTO = 8, I_ATO = 12, I_SND_MSS = 16, I_RCV_MSS = 20, I_UNACKED = 24,
    I_SACKED = 28, I_LOST = 32, I_RETRANS = 36, I_LAST_DATA_SENT = 44, I_LAST_DATA_RECV = 52,
    I_LAST_ACK_RECV = 56, I_PMTU = 60, I_RTT = 68, I_RTTVAR = 72, I_SSTHRESH = 76, I_CWND = 80,
    I_ADVMSS = 84, I_REORDERING = 88, I_TOTAL_RETRANS = 100, I_PACING = 104, I_MAX_PACING = 112,
    I_BYTES_ACKED = 120, I_BYTES_RECEIVED = 128, I_SEGS_OUT = 136, I_SEGS_IN = 140,
    I_NOTSENT = 144, I_MIN_RTT = 148, I_DATA_SEGS_IN = 152, I_DATA_SEGS_OUT = 156, I_DELIVERY_RATE = 160, I_BUSY = 168,
    I_RWND_LIMITED = 176, I_SNDBUF_LIMITED = 184, I_BYTES_SENT = 200, I_BYTES_RETRANS = 208,
    I_SND_WND = 228, I_RCV_WND = 232, I_SIZE = 248,
};

static uint8_t raw[400];
static socklen_t raw_len;

static void ask(struct hx *h, int s)
{
    raw_len = sizeof raw;
    memset(raw, 0xee, sizeof raw);
    ck_assert_int_eq(td_getsockopt(h->st, s, IPPROTO_TCP, TCP_INFO, raw, &raw_len), 0);
    ck_assert_uint_eq(raw_len, I_SIZE);
    for (unsigned i = I_SIZE; i < sizeof raw; i++) {
        ck_assert_uint_eq(raw[i], 0xee);
    }
}

static uint32_t u32(unsigned off)
{
    uint32_t v;
    memcpy(&v, raw + off, sizeof v);
    return v;
}

static uint64_t u64(unsigned off)
{
    uint64_t v;
    memcpy(&v, raw + off, sizeof v);
    return v;
}

START_TEST(a_passive_connection)
{
    struct conv c = talk(conv_new(TD_PROFILE_LINUX), (struct hx_opts){.mss = 1000, .wscale = 8},
                         1000, MS(50));
    ask(c.h, c.s);
    ck_assert_uint_eq(raw[I_STATE], TCP_ESTABLISHED);
    ck_assert_uint_eq(raw[I_CA_STATE], 0);
    ck_assert_uint_eq(raw[I_OPTIONS] & 4, 4);
    ck_assert_uint_eq(raw[I_WSCALES] & 0xf, 7); /* theirs is shifted so far */
    ck_assert_uint_eq(raw[I_WSCALES] >> 4, conv_tcb(&c)->rcv_wscale);
    ck_assert_uint_eq(u32(I_SND_MSS), 1000);
    ck_assert_uint_eq(u32(I_ADVMSS), 1460);
    ck_assert_uint_eq(u32(I_PMTU), 1500);
    ck_assert_uint_eq(u32(I_RTT), 50000);
    ck_assert_uint_eq(u32(I_RTTVAR), 25000);
    ck_assert_uint_eq(u32(I_RTO), conv_tcb(&c)->rtt.rto / TD_US);
    ck_assert_uint_eq(u32(I_CWND), 10);
    ck_assert_uint_eq(u32(I_SSTHRESH), INT32_MAX);
    ck_assert_uint_eq(u32(I_REORDERING), 3);
    ck_assert_uint_eq(u32(I_SEGS_IN), 2);  /* SYN, ACK */
    ck_assert_uint_eq(u32(I_SEGS_OUT), 0); /* the SYN-ACK isn't counted */
    ck_assert_uint_eq(u32(I_SND_WND), 1000 << 7);
    ck_assert_uint_eq(u32(I_RCV_WND), conv_tcb(&c)->rcv_wnd);
    ck_assert_uint_eq(u64(I_BYTES_ACKED), 0);
    ck_assert_uint_eq(u64(I_MAX_PACING), UINT64_MAX);
    ck_assert_uint_eq(u64(I_BUSY), 0);

    /* 15,000 bytes: ten segments leave, 5000 wait; 20 ms later 3000 are acknowledged */
    say(&c, 1, 15000);
    hear(&c);
    ask(c.h, c.s);
    ck_assert_uint_eq(u32(I_UNACKED), 10);
    ck_assert_uint_eq(u32(I_NOTSENT), 5000);
    ck_assert_uint_eq(u32(I_LOST), 0);
    ck_assert_uint_eq(u64(I_BYTES_SENT), 10000);
    ck_assert_uint_eq(u32(I_DATA_SEGS_OUT), 10);
    ck_assert_uint_eq(u32(I_SEGS_OUT), 10);
    ack_in(&c, hx_now(c.h) + MS(20), 3001, 1000);
    int64_t end = hear(&c).end;
    hx_until(c.h, hx_now(c.h) + MS(7));
    ask(c.h, c.s);
    ck_assert_uint_eq(u64(I_BYTES_ACKED), 3000);
    ck_assert_int_gt(end, 10001);
    ck_assert_int_eq(u32(I_NOTSENT), 15001 - end);
    ck_assert_int_eq(u32(I_UNACKED), (end - 3001) / 1000);
    ck_assert_uint_eq(u32(I_LAST_DATA_SENT), 7);
    ck_assert_uint_eq(u32(I_LAST_ACK_RECV), 7);
    ck_assert_uint_eq(u32(I_LAST_DATA_RECV), 27); /* never: since the connection is up */
    ck_assert_uint_eq(u64(I_BUSY), 27000);
    ck_assert_uint_eq(u64(I_RWND_LIMITED), 0);

    /* text of the peer's; all is acknowledged; a FIN */
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 15001, .wnd = 1000, .len = 700);
    tcp_in(c.h, NOW, .flags = ACK | FIN, .seq = 701, .ack = 15001, .wnd = 1000);
    hx_until(c.h, hx_now(c.h) + SEC(1));
    hx_drain(c.h);
    ask(c.h, c.s);
    ck_assert_uint_eq(raw[I_STATE], TCP_CLOSE_WAIT);
    ck_assert_uint_eq(u64(I_BYTES_RECEIVED), 701); /* the FIN has a number too */
    ck_assert_uint_eq(u32(I_DATA_SEGS_IN), 1);
    ck_assert_uint_eq(u32(I_SEGS_IN), 5);
    ck_assert_uint_eq(u32(I_UNACKED), 0);
    ck_assert_uint_eq(u64(I_BUSY), 27000); /* it stood still since */
    leave(&c);
}
END_TEST

START_TEST(an_active_connection)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    c.s = hx_tcp_connect(c.h, 80, HX_PEER, 40000);
    tcp_out(c.h, NOW, .flags = SYN, .seq = HX_ZERO);
    ask(c.h, c.s);
    ck_assert_uint_eq(raw[I_STATE], TCP_SYN_SENT);
    ck_assert_uint_eq(u32(I_SEGS_OUT), 1);
    ck_assert_uint_eq(u32(I_UNACKED), 1);
    hx_until(c.h, SEC(1));
    tcp_out(c.h, NOW, .flags = SYN, .seq = HX_ZERO);
    ask(c.h, c.s);
    ck_assert_uint_eq(raw[I_RETRANSMITS], 1);
    ck_assert_uint_eq(raw[I_BACKOFF], 0); /* the first few aren't doubled */
    ck_assert_uint_eq(u32(I_RTO), 1000000);
    ck_assert_uint_eq(u32(I_TOTAL_RETRANS), 1);
    tcp_in(c.h, SEC(1) + MS(10), .flags = SYN | ACK, .seq = 0, .ack = 1, .wnd = 60000,
           .opts = {.mss = 1460});
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1);
    ask(c.h, c.s);
    ck_assert_uint_eq(u64(I_BYTES_ACKED), 1); /* the SYN */
    ck_assert_uint_eq(u32(I_SEGS_IN), 1);
    ck_assert_uint_eq(u32(I_SEGS_OUT), 3);
    leave(&c);
}
END_TEST

START_TEST(what_held_the_sender_back)
{
    struct conv c = talk(conv_new(TD_PROFILE_LINUX), (struct hx_opts){.mss = 1460}, 4000, 0);
    set_opt(c.h, c.s, SOL_SOCKET, SO_SNDBUF, 3000); /* 6000, doubled */
    td_time t0 = hx_now(c.h);
    say(&c, 1, 6000); /* the window takes 4000 of it, in whole segments 2920 */
    hx_drain(c.h);
    ack_in(&c, t0 + MS(30), 2921, HX_ZERO); /* closed */
    hx_drain(c.h);
    ack_in(&c, t0 + MS(130), 2921, 60000); /* and open again: the rest goes */
    hx_drain(c.h);
    ask(c.h, c.s);
    ck_assert_uint_eq(u64(I_RWND_LIMITED), 130000); /* too small for the third segment, then closed */
    ck_assert_uint_eq(u64(I_BUSY), 130000);
    /* the buffer is full of what is in flight, and the user wants to write more */
    char b[8000] = {0};
    ck_assert_int_lt(td_send(c.h->st, c.s, b, sizeof b, 0), (int)sizeof b);
    hx_flush(c.h);
    hx_drain(c.h);
    hx_until(c.h, t0 + MS(150));
    ask(c.h, c.s);
    ck_assert_uint_eq(u64(I_SNDBUF_LIMITED), 20000);
    ck_assert_uint_eq(u64(I_BUSY), 150000);
    leave(&c);
}
END_TEST

/* Acknowledged from one window of data to the next, by the time between. */
START_TEST(how_fast_it_goes)
{
    struct conv c = talk(conv_new(TD_PROFILE_LINUX), (struct hx_opts){.mss = 1000, .wscale = 8}, 60000, MS(10));
    td_time t0 = hx_now(c.h);
    ask(c.h, c.s);
    ck_assert_uint_eq(u64(I_DELIVERY_RATE), 0);
    say(&c, 1, 5000);
    hx_drain(c.h);
    ack_in(&c, t0 + MS(10), 3001, 60000); /* not all of the window */
    ask(c.h, c.s);
    ck_assert_uint_eq(u64(I_DELIVERY_RATE), 0);
    ack_in(&c, t0 + MS(20), 5001, 60000);
    ask(c.h, c.s);
    ck_assert_uint_eq(u64(I_DELIVERY_RATE), 250000); /* 5000 in 20 ms */
    ck_assert_uint_eq(raw[I_WSCALES + 1] & 1, 1);    /* that was all there was to send */
    hx_until(c.h, t0 + SEC(1)); /* silence isn't counted */
    say(&c, 5001, 30000);       /* more than cwnd takes */
    hx_drain(c.h);
    ack_in(&c, t0 + SEC(1) + MS(10), 5001 + 10000, 60000);
    ask(c.h, c.s);
    ck_assert_uint_eq(u64(I_DELIVERY_RATE), 1000000);
    ck_assert_uint_eq(raw[I_WSCALES + 1] & 1, 0);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* Window probes, repeats, pacing limits. */
START_TEST(trouble)
{
    struct conv c = talk(conv_new(TD_PROFILE_LINUX), (struct hx_opts){.mss = 1460}, 60000, 0);
    uint64_t rate = 123456789012;
    ck_assert_int_eq(td_setsockopt(c.h->st, c.s, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, 8), 0);
    say(&c, 1, 2000);
    hx_drain(c.h);
    hx_until(c.h, hx_now(c.h) + MS(700)); /* after 200 and 600 ms */
    hx_drain(c.h);
    ask(c.h, c.s);
    ck_assert_uint_eq(raw[I_CA_STATE], 4); /* TCP_CA_Loss */
    ck_assert_uint_eq(raw[I_RETRANSMITS], 2);
    ck_assert_uint_eq(raw[I_BACKOFF], 2);
    ck_assert_uint_eq(u32(I_TOTAL_RETRANS), 2);
    ck_assert_uint_eq(u64(I_BYTES_RETRANS), 2920);
    ck_assert_uint_eq(u64(I_BYTES_SENT), 4920);
    ck_assert_uint_eq(u64(I_BYTES_ACKED), 0);
    ck_assert_uint_eq(u32(I_CWND), 1);
    ck_assert_uint_eq(u64(I_MAX_PACING), rate);
    leave(&c);

    c = talk(conv_new(TD_PROFILE_LINUX), (struct hx_opts){.mss = 1460}, 60000, 0);
    ack_in(&c, NOW, 1, HX_ZERO);
    say(&c, 1, 100);
    hx_until(c.h, hx_now(c.h) + MS(650));
    ask(c.h, c.s);
    ck_assert_uint_eq(raw[I_PROBES], 2);
    ck_assert_uint_eq(raw[I_BACKOFF], 2);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

START_TEST(a_listener_tells_its_queue)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    c.l = hx_tcp_listen(c.h, 80);
    ck_assert_int_eq(td_listen(c.h->st, c.l, 7), 0);
    for (uint16_t i = 0; i < 3; i++) {
        uint16_t from = (uint16_t)(50000 + i);
        tcp_in(c.h, NOW, .sport = from, .flags = SYN, .seq = 0, .wnd = 1000);
        tcp_out(c.h, NOW, .dport = from, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
        tcp_in(c.h, NOW, .sport = from, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
    }
    ask(c.h, c.l);
    ck_assert_uint_eq(raw[I_STATE], TCP_LISTEN);
    ck_assert_uint_eq(u32(I_UNACKED), 3);
    ck_assert_uint_eq(u32(I_SACKED), 7);
    ck_assert_uint_eq(u64(I_BYTES_ACKED), 0);
    leave(&c);
}
END_TEST

/* A caller with an older, shorter struct gets that much and nothing is written behind it. */
START_TEST(shorter_callers)
{
    struct conv c = reach(EST);
    for (socklen_t n = 0; n <= I_SIZE; n += 13) {
        memset(raw, 0xee, sizeof raw);
        raw_len = n;
        ck_assert_int_eq(td_getsockopt(c.h->st, c.s, IPPROTO_TCP, TCP_INFO, raw, &raw_len), 0);
        ck_assert_uint_eq(raw_len, n);
        for (unsigned i = n; i < sizeof raw; i++) {
            ck_assert_uint_eq(raw[i], 0xee);
        }
    }
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp info");
    TCase *tc = tcase_create("info");
    tcase_add_test(tc, a_passive_connection);
    tcase_add_test(tc, an_active_connection);
    tcase_add_test(tc, what_held_the_sender_back);
    tcase_add_test(tc, how_fast_it_goes);
    tcase_add_test(tc, trouble);
    tcase_add_test(tc, a_listener_tells_its_queue);
    tcase_add_test(tc, shorter_callers);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
