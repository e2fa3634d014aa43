/* The search for the path's MTU without ICMP (RFC 4821). */
#include "check_main.h"
#include "tcp_talk.h"

/* A connection that searches from the beginning, from 512-byte segments up; cwnd as large as it
 * takes. Round trip rtt. */
static struct conv searching(uint16_t peer_mss)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.tcp_mtu_probing", "2");
    knob_set(c.h, "net.ipv4.tcp_base_mss", "512");
    knob_set(c.h, "net.ipv4.tcp_initial_cwnd", "40");
    return talk(c, (struct hx_opts){.mss = peer_mss}, 60000, MS(10));
}

static const struct tcp_mtup *search(struct conv *c)
{
    const struct tcp_mtup *p = &conv_tcb(c)->more_state->mtup;
    ck_assert(p->on);
    ck_assert_uint_le(p->search_low, p->search_high); /* eff_pmtu is search_low */
    ck_assert_uint_eq(conv_tcb(c)->mss, p->search_low - 40);
    return p;
}

/* shows: 4821-02 4821-03 4821-04 4821-06 4821-07 */
START_TEST(the_search_converges)
{
    struct conv c = searching(1460);
    ck_assert_uint_eq(search(&c)->search_low, 552);
    ck_assert_uint_eq(search(&c)->search_high, 1500);
    int64_t pos = 1;
    unsigned probes = 0;
    for (int round = 0; round < 40; round++) {
        uint32_t low = search(&c)->search_low, high = search(&c)->search_high;
        uint32_t cwnd = conv_tcb(&c)->cc.cwnd;
        say(&c, pos, 9000);
        ip_out(c.h, NOW, IPPROTO_TCP_);
        uint32_t first = (uint32_t)c.h->got.len + 40;
        bool probe = first > low;
        if (probe) {
            probes++;
            ck_assert_uint_eq(first, (low + high) / 2);
            ck_assert_uint_le(first, high);
            ck_assert_uint_eq(conv_tcb(&c)->cc.cwnd, cwnd - (low - 40));
        }
        unsigned n = hear(&c).segments;
        pos += 9000;
        ck_assert_uint_gt(n, 4); /* enough behind it for fast retransmit to see a loss */
        cwnd = conv_tcb(&c)->cc.cwnd;
        ack_in(&c, hx_now(c.h) + MS(10), pos, 60000);
        if (probe) {
            ck_assert_uint_eq(search(&c)->search_low, first);
        }
        hx_drain(c.h);
    }
    ck_assert_uint_ge(probes, 5);
    ck_assert_uint_le(probes, 8);
    ck_assert_uint_lt(1500 - search(&c)->search_low, 8);
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPMTUPSuccess"), probes);
    /* no new search for ten minutes; then what the peer and the interface take is tried again */
    uint32_t at = search(&c)->search_low;
    for (int i = 0; i < 20; i++) {
        hx_until(c.h, hx_now(c.h) + SEC(30));
        say(&c, pos, 9000);
        hx_drain(c.h);
        pos += 9000;
        ack_in(&c, hx_now(c.h) + MS(10), pos, 60000);
        hx_drain(c.h);
        ck_assert_uint_eq(search(&c)->search_low, at);
    }
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPMTUPProbe"), probes);
    leave(&c);
}
END_TEST

/* shows: 4821-06 */
START_TEST(the_peers_size_limits_the_search)
{
    struct conv c = searching(1000);
    ck_assert_uint_eq(search(&c)->search_high, 1040);
    leave(&c);
    c = conv_new(TD_PROFILE_LINUX); /* off: full segments at once */
    c = talk(c, (struct hx_opts){.mss = 1460}, 60000, MS(10));
    ck_assert_ptr_null(conv_tcb(&c)->more_state);
    ck_assert_uint_eq(conv_tcb(&c)->mss, 1460);
    leave(&c);
}
END_TEST

/* Only the probe is lost: the search goes below it, the window isn't cut. */
/* shows: 4821-01 */
START_TEST(a_probe_lost_alone_is_no_congestion)
{
    struct conv c = searching(1460);
    uint32_t cwnd = conv_tcb(&c)->cc.cwnd, ssthresh = conv_tcb(&c)->cc.ssthresh;
    say(&c, 1, 8000);
    ip_out(c.h, NOW, IPPROTO_TCP_);
    uint32_t probe = (uint32_t)c.h->got.len;
    ck_assert_uint_eq(probe, (552 + 1500) / 2 - 40);
    hear(&c);
    for (int i = 0; i < 3; i++) { /* what came behind it arrives */
        ack_in(&c, MS(30) + MS(i), 1, 60000);
    }
    ck_assert_uint_eq(search(&c)->search_high, probe + 40 - 1);
    ck_assert_uint_eq(search(&c)->search_low, 552);
    ck_assert_uint_eq(conv_tcb(&c)->cc.cwnd, cwnd);
    ck_assert_uint_eq(conv_tcb(&c)->cc.ssthresh, ssthresh);
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPMTUPFail"), 1);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .len = 512); /* its text, in ordinary ones */
    tcp_out(c.h, NOW, .flags = ACK, .any_seq = true, .ack = 1, .any_len = true);
    hx_drain(c.h);
    ack_in(&c, MS(60), 8001, 60000);
    ck_assert_uint_ge(conv_tcb(&c)->cc.cwnd, cwnd);
    /* the next probe is smaller */
    hx_drain(c.h);
    say(&c, 8001, 8000);
    ip_out(c.h, NOW, IPPROTO_TCP_);
    ck_assert_uint_lt(c.h->got.len, probe);
    ck_assert_uint_gt(c.h->got.len, 512);
    hear(&c);
    leave(&c);
}
END_TEST

/* shows: 4821-07 */
START_TEST(no_probe_without_means)
{
    struct conv c = searching(1460);
    say(&c, 1, 986 + 4 * 512 - 1); /* one octet too few */
    ip_out(c.h, NOW, IPPROTO_TCP_);
    ck_assert_uint_eq(c.h->got.len, 512);
    hear(&c);
    leave(&c);
    c = searching(1460); /* the window is too small */
    ack_in(&c, NOW, 1, 986 + 4 * 512 - 1);
    say(&c, 1, 10000);
    ip_out(c.h, NOW, IPPROTO_TCP_);
    ck_assert_uint_eq(c.h->got.len, 512);
    hear(&c);
    leave(&c);
    c = searching(1460); /* cwnd is */
    conv_tcb(&c)->cc.cwnd = 10 * 512;
    say(&c, 1, 10000);
    ip_out(c.h, NOW, IPPROTO_TCP_);
    ck_assert_uint_eq(c.h->got.len, 512);
    hear(&c);
    leave(&c);
}
END_TEST

/* A path that swallows what is larger than 700 bytes: small segments get through in the end, and
 * without the knob never. */
/* shows: 4821-05 ATK-ICMP-07 */
START_TEST(black_hole)
{
    static const char *const probing[] = {"0", "1"};
    struct conv c = conv_new(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.tcp_mtu_probing", probing[_i]);
    c = talk(c, (struct hx_opts){.mss = 1460}, 60000, 0);
    say(&c, 1, 1460);
    unsigned tries = 0;
    size_t size = 0;
    uint16_t last = 1460;
    while (hx_now(c.h) < SEC(200)) {
        hx_until(c.h, hx_now(c.h) + MS(100));
        while (hx_pending(c.h) > 0) {
            ip_out(c.h, HX_ANYTIME, IPPROTO_TCP_);
            tries++;
            size = c.h->got.len;
            ck_assert_uint_le(size, last);
            last = (uint16_t)size;
        }
        if (size > 0 && size + 40 <= 700) {
            break;
        }
    }
    if (_i == 0) {
        ck_assert_uint_eq(size, 1460);
        leave(&c);
        return;
    }
    ck_assert_uint_eq(size, 512); /* 1460, then tcp_base_mss 1024, then half */
    ck_assert_uint_ge(tries, 6);
    ck_assert_uint_ge(hx_event(c.h, "tcp-mtu-probe"), 2);
    leave(&c);
}
END_TEST

/* Where a segment as large got through, `rfc` repeats it for twice as long before it takes the path
 * for a black hole: six times, not twice. */
START_TEST(much_lost_is_no_black_hole)
{
    for (int proven = 0; proven < 2; proven++) {
        struct conv c = conv_new(TD_PROFILE_RFC);
        c = talk(c, (struct hx_opts){.mss = 1460}, 60000, 0);
        int64_t next = 1;
        if (proven) {
            say(&c, 1, 1460);
            ip_out(c.h, HX_ANYTIME, IPPROTO_TCP_);
            ack_in(&c, NOW, 1461, 60000);
            next = 1461;
        }
        say(&c, next, 1460);
        unsigned whole = 0;
        bool smaller = false;
        while (!smaller && hx_now(c.h) < SEC(600)) {
            hx_until(c.h, hx_now(c.h) + MS(100));
            while (hx_pending(c.h) > 0) {
                ip_out(c.h, HX_ANYTIME, IPPROTO_TCP_);
                whole += c.h->got.len == 1460;
                smaller = smaller || c.h->got.len < 1460;
            }
        }
        ck_assert(smaller);
        ck_assert_uint_eq(whole, proven ? 1 + 6 : 1 + 2);
        leave(&c);
    }
}
END_TEST

/* However long it lasts, not below the floor. */
START_TEST(the_floor)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.tcp_mtu_probing", "1");
    knob_set(c.h, "net.ipv4.tcp_mtu_probe_floor", "200");
    c = talk(c, (struct hx_opts){.mss = 1460}, 60000, 0);
    say(&c, 1, 1460);
    hx_until(c.h, SEC(800));
    ck_assert_uint_eq(conv_tcb(&c)->mss, 200);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* A path that throws away one in `of` of the first `before` segments and of those that have more text than 512, and a
 * receiver with SACK; 1000 segments. What became of the larger size: taken back? */
static bool raised_over(unsigned before, unsigned of, unsigned *segs)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.tcp_mtu_probing", "2");
    knob_set(c.h, "net.ipv4.tcp_base_mss", "512");
    knob_set(c.h, "net.ipv4.tcp_initial_cwnd", before > 0 ? "10" : "40"); /* too few for a probe */
    enum { TOTAL = 1600000 };
    static bool have[TOTAL + 2000];
    memset(have, 0, sizeof have);
    c = talk(c, (struct hx_opts){.mss = 1460, .wscale = 5, .sack_perm = true}, 60000, MS(10));
    struct tcb *t = conv_tcb(&c);
    const struct hx_conn *k = hx_conn(c.h, HX_PEER, 40000, 80);
    int64_t next = 1, written = 1;
    unsigned large = 0;
    *segs = 0;
    while (*segs < 1000) {
        while (written - next < 100000 && written + 10000 < TOTAL) {
            say(&c, written, 10000);
            written += 10000;
        }
        if (hx_pending(c.h) == 0) {
            hx_until(c.h, hx_now(c.h) + MS(10));
            ck_assert_uint_lt(hx_now(c.h), SEC(1000));
            continue;
        }
        ip_out(c.h, HX_ANYTIME, IPPROTO_TCP_);
        int64_t seq = (int64_t)(uint32_t)(c.h->got.tcp.seq - k->iss), end = seq + (int64_t)c.h->got.len;
        ++*segs;
        if ((c.h->got.len > 512 || *segs < before) && ++large % of == 0) {
            continue;
        }
        for (int64_t i = seq; i < end; i++) {
            have[i] = true;
        }
        while (have[next]) {
            next++;
        }
        struct hx_opts o = {0};
        if (seq > next) {
            int64_t lo = seq, hi = end;
            while (have[lo - 1]) {
                lo--;
            }
            while (have[hi]) {
                hi++;
            }
            o = (struct hx_opts){.nsack = 1, .sack = {{(uint32_t)lo, (uint32_t)hi}}};
        }
        tcp_in(c.h, hx_now(c.h) + US(300), .flags = ACK, .seq = 1, .ack = next, .wnd = 60000, .opts = o);
        if (t->more_state->mtup.search_low == t->more_state->mtup.search_high) {
            break;
        }
    }
    bool back = t->mss == 512;
    ck_assert_uint_ge(hx_counter(c.h, "TcpExtTCPMTUPSuccess"), 1); /* it was raised */
    ck_assert(!back || t->more_state->mtup.search_low == 552);
    if (back) { /* and no other attempt before the interval is over */
        uint64_t probes = hx_counter(c.h, "TcpExtTCPMTUPProbe");
        ck_assert_uint_ge(probes, 1);
        hx_drain(c.h);
        ack_in(&c, hx_now(c.h) + MS(10), (int64_t)(uint32_t)(t->snd_nxt - t->iss), 60000);
        for (int i = 0; i < 20; i++) {
            hx_drain(c.h);
            ck_assert_uint_le(t->mss, 512);
            ack_in(&c, hx_now(c.h) + MS(10), (int64_t)(uint32_t)(t->snd_nxt - t->iss), 60000);
        }
        ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPMTUPProbe"), probes);
    }
    hx_drain(c.h);
    leave(&c);
    return back;
}

/* shows: 4821-08 */
START_TEST(a_raise_is_verified)
{
    unsigned segs;
    ck_assert(raised_over(0, 4, &segs)); /* every fourth of the larger ones is lost: back */
    ck_assert_uint_lt(segs, 200);
    ck_assert(!raised_over(0, 1000000, &segs)); /* none is */
    ck_assert(!raised_over(0, 20, &segs));      /* few are */
    ck_assert(!raised_over(300, 7, &segs));     /* the path was as bad before */
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp mtuprobe");
    TCase *tc = tcase_create("mtuprobe");
    tcase_add_test(tc, the_search_converges);
    tcase_add_test(tc, the_peers_size_limits_the_search);
    tcase_add_test(tc, a_probe_lost_alone_is_no_congestion);
    tcase_add_test(tc, no_probe_without_means);
    tcase_add_loop_test(tc, black_hole, 0, 2);
    tcase_add_test(tc, much_lost_is_no_black_hole);
    tcase_add_test(tc, the_floor);
    tcase_add_test(tc, a_raise_is_verified);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
