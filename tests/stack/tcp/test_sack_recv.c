/* What the receiver tells of text beyond a hole (RFC 2018), and of text that came twice (RFC 2883). */
#include "check_main.h"
#include "tcp_states.h"

static struct conv sack_conv_ts(bool ts)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    struct hx *h = c.h;
    c.l = hx_tcp_listen(h, 80);
    tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = 60000,
           .opts = {.mss = 1000, .sack_perm = true, .ts = ts, .ts_val = ts ? 100 : 0});
    tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1, .opts = {.sack_perm = true});
    tcp_in(h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 60000, .opts = {.ts = ts, .ts_val = ts ? 100 : 0});
    c.s = td_accept(h->st, c.l, NULL, NULL);
    ck_assert_int_ge(c.s, 0);
    c.st = EST;
    c.una = c.nxt = c.rcv = 1;
    return c;
}

static struct conv sack_conv(void)
{
    return sack_conv_ts(false);
}

/* Text [l, r) arrives; at once there is exactly one ACK of `ack` with these blocks (l1, r1, l2 …; 0 ends). */
static void step(struct conv *c, int64_t l, int64_t r, int64_t ack, const uint32_t *b)
{
    tcp_in(c->h, NOW, .flags = ACK, .seq = l, .ack = 1, .wnd = 60000, .len = (size_t)(r - l));
    tcp_out(c->h, NOW, .flags = ACK, .seq = 1, .ack = ack);
    const struct tcp_opts *o = &c->h->got.tcp.o;
    uint32_t irs = hx_conn(c->h, HX_PEER, 40000, 80)->irs;
    unsigned n = 0;
    for (; b[2 * n] != 0; n++) {
        ck_assert_uint_gt(o->nsack, n);
        ck_assert_msg(o->sack[n].left - irs == b[2 * n] && o->sack[n].right - irs == b[2 * n + 1],
                      "block %u is %u:%u, not %u:%u", n, o->sack[n].left - irs, o->sack[n].right - irs, b[2 * n],
                      b[2 * n + 1]);
    }
    ck_assert_uint_eq(o->nsack, n);
    ck_assert_uint_eq(c->h->got.tcp.raw_len, n == 0 ? 0 : 4 + 8 * n);
    if (n > 0) { /* NOP, NOP, SACK: Linux's layout */
        const uint8_t head[4] = {1, 1, 5, (uint8_t)(2 + 8 * n)};
        ck_assert_mem_eq(c->h->got.tcp.raw, head, 4);
    }
    hx_quiet(c->h, NOW);
}
#define B(...) ((const uint32_t[]){__VA_ARGS__, 0})
#define NONE   ((const uint32_t[]){0})

/* shows: 2018-03 2018-04 2018-05 2018-12 */
START_TEST(cases_of_section_7)
{
    struct conv c = sack_conv(); /* eight segments of 500; the first is lost */
    for (uint32_t i = 1; i < 8; i++) {
        step(&c, 1 + 500 * i, 501 + 500 * i, 1, B(501, 501 + 500 * i));
    }
    step(&c, 1, 501, 4001, NONE);
    ck_assert_ptr_null(conv_tcb(&c)->sacks); /* no hole, no list */
    read_pattern(&c, 1, 4000);
    /* the second, fourth, sixth and eighth are lost */
    tcp_in(c.h, NOW, .flags = ACK, .seq = 4001, .ack = 1, .wnd = 60000, .len = 500);
    tcp_out(c.h, HX_ANYTIME, .flags = ACK, .seq = 1, .ack = 4501); /* in order: it may be delayed */
    ck_assert_uint_eq(c.h->got.tcp.o.nsack, 0);
    step(&c, 5001, 5501, 4501, B(5001, 5501));
    step(&c, 6001, 6501, 4501, B(6001, 6501, 5001, 5501));
    step(&c, 7001, 7501, 4501, B(7001, 7501, 6001, 6501, 5001, 5501));
    /* the fourth comes late: it joins two */
    step(&c, 5501, 6001, 4501, B(5001, 6501, 7001, 7501));
    /* then the second */
    step(&c, 4501, 5001, 6501, B(7001, 7501));
    step(&c, 6501, 7001, 7501, NONE);
    leave(&c);
}
END_TEST

/* shows: 2018-06 2018-07 */
START_TEST(newest_first_and_the_rest_again)
{
    struct conv c = sack_conv();
    step(&c, 1001, 1501, 1, B(1001, 1501));
    step(&c, 5001, 5501, 1, B(5001, 5501, 1001, 1501));
    step(&c, 3001, 3501, 1, B(3001, 3501, 5001, 5501, 1001, 1501));
    step(&c, 9001, 9501, 1, B(9001, 9501, 3001, 3501, 5001, 5501, 1001, 1501));
    step(&c, 7001, 7501, 1, B(7001, 7501, 9001, 9501, 3001, 3501, 5001, 5501)); /* four fit */
    step(&c, 9501, 9601, 1, B(9001, 9601, 7001, 7501, 3001, 3501, 5001, 5501));
    /* also on text that we send */
    write_pattern(&c, 1, 10);
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = PSH | ACK, .seq = 1, .ack = 1, .len = 10, .opts = {.nsack = 4, .sack = {{9001, 9601}, {7001, 7501}, {3001, 3501}, {5001, 5501}}});
    leave(&c);
}
END_TEST

/* shows: 2018-06 */
START_TEST(three_beside_a_timestamp)
{
    struct conv c = sack_conv_ts(true);
    for (int i = 1; i <= 5; i++) {
        tcp_in(c.h, NOW, .flags = ACK, .seq = 1 + 1000 * i, .ack = 1, .wnd = 60000, .len = 500,
               .opts = {.ts = true, .ts_val = 101});
        tcp_out(c.h, HX_ANYTIME, .flags = ACK, .seq = 1, .ack = 1);
        ck_assert_int_eq(c.h->got.tcp.o.nsack, i < 3 ? i : 3);
        ck_assert_uint_eq(c.h->got.tcp.o.ts_ecr, 100); /* of the last segment in order (RFC 7323 4.3) */
    }
    ck_assert_uint_eq(c.h->got.tcp.hlen, 60);
    ck_assert_mem_eq(c.h->got.tcp.raw, "\x01\x01\x08\x0a", 4);
    ck_assert_mem_eq(c.h->got.tcp.raw + 12, "\x01\x01\x05\x1a", 4);
    leave(&c);
}
END_TEST

/* shows: 2018-01 2018-02 */
START_TEST(only_when_agreed)
{
    for (int knob = 0; knob < 2; knob++) {
        struct conv c = conv_new(TD_PROFILE_LINUX);
        knob_set(c.h, "net.ipv4.tcp_sack", knob ? "1" : "0");
        c = reach_in(c, LIS);
        tcp_in(c.h, NOW, .flags = SYN, .seq = 0, .wnd = 60000, .opts = {.mss = 1460, .sack_perm = !knob});
        tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
        ck_assert(!c.h->got.tcp.o.has_sack_perm);
        tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 60000);
        /* SACK-permitted on a later segment means nothing */
        tcp_in(c.h, NOW, .flags = ACK, .seq = 101, .ack = 1, .wnd = 60000, .len = 10,
               .opts = {.raw = "\x01\x01\x04\x02", .raw_len = 4});
        tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .no_opts = true);
        tcp_in(c.h, NOW, .flags = ACK, .seq = 101, .ack = 1, .wnd = 60000, .len = 10);
        tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .no_opts = true);
        leave(&c);
    }
    /* agreed on, it is on SYNs only */
    struct conv c = sack_conv();
    step(&c, 1, 101, 101, NONE);
    ck_assert(!c.h->got.tcp.o.has_sack_perm);
    leave(&c);
}
END_TEST

/* shows: 2883-01 2883-06 */
START_TEST(duplicate_in_order)
{
    struct conv c = sack_conv();
    step(&c, 1, 501, 501, NONE);
    step(&c, 501, 1001, 1001, NONE);
    step(&c, 501, 1001, 1001, B(501, 1001)); /* 2883 4.1.1 */
    step(&c, 1001, 1501, 1501, NONE);        /* one ACK only */
    /* 4.1.2: with a hole behind */
    step(&c, 2001, 2501, 1501, B(2001, 2501));
    step(&c, 1001, 1501, 1501, B(1001, 1501, 2001, 2501));
    step(&c, 2501, 3001, 1501, B(2001, 3001));
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPDSACKOldSent"), 2);
    leave(&c);
}
END_TEST

/* shows: 2883-01 2883-02 */
START_TEST(duplicate_beyond_the_hole)
{
    struct conv c = sack_conv();
    step(&c, 501, 1001, 1, B(501, 1001));
    step(&c, 1001, 1501, 1, B(501, 1501));
    step(&c, 1001, 1501, 1, B(1001, 1501, 501, 1501)); /* 4.1.3 */
    step(&c, 1501, 2001, 1, B(501, 2001));
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPDSACKOfoSent"), 1);
    leave(&c);
}
END_TEST

/* shows: 2883-03 */
START_TEST(duplicate_in_part)
{
    struct conv c = sack_conv(); /* 4.2.1: 1501-2500 of which 1501-2000 is old */
    step(&c, 1, 1001, 1001, NONE);
    step(&c, 501, 1501, 1501, B(501, 1001));
    /* 4.2.2 */
    step(&c, 2001, 2501, 1501, B(2001, 2501));
    step(&c, 2001, 3001, 1501, B(2001, 2501, 2001, 3001));
    /* 4.2.3: two duplicate parts, the first is told */
    step(&c, 3501, 4001, 1501, B(3501, 4001, 2001, 3001));
    step(&c, 2501, 4501, 1501, B(2501, 3001, 2001, 4501));
    /* in order, over what is held */
    step(&c, 1501, 2501, 4501, B(2001, 2501));
    step(&c, 4501, 5001, 5001, NONE);
    leave(&c);
}
END_TEST

/* shows: 2883-01 */
START_TEST(duplicates_of_one_batch)
{
    struct conv c = sack_conv();
    step(&c, 1, 1001, 1001, NONE);
    /* two duplicates before one flush: each is told */
    burst_in(&c, (const struct burst_seg[]){{1, 1, ACK, 100, 0}, {301, 1, ACK, 100, 0}}, 2);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1001, .opts = {.nsack = 1, .sack = {{1, 101}}});
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1001, .opts = {.nsack = 1, .sack = {{301, 401}}});
    leave(&c);
}
END_TEST

/* One segment, old in front and held behind: two D-SACKs. The ACK that carries the first of them
 * leaves in the middle of the work, and must not promise more than the second. */
/* shows: 2883-01 SHLD-14 */
START_TEST(two_duplicates_in_one_segment)
{
    struct conv c = sack_conv();
    step(&c, 1, 1001, 1001, NONE);
    step(&c, 2001, 3001, 1001, B(2001, 3001));
    tcp_in(c.h, NOW, .flags = ACK, .seq = 501, .ack = 1, .wnd = 60000, .len = 2500);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .opts = {.nsack = 2, .sack = {{501, 1001}, {2001, 3001}}}, .any_ack = true);
    uint32_t edge = c.h->got.tcp.ack + c.h->got.tcp.wnd;
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 3001, .opts = {.nsack = 1, .sack = {{2001, 3001}}});
    ck_assert_int_ge((int32_t)(c.h->got.tcp.ack + c.h->got.tcp.wnd - edge), 0);
    leave(&c);
}
END_TEST

START_TEST(dsack_is_a_knob)
{
    struct conv c = sack_conv();
    knob_set(c.h, "net.ipv4.tcp_dsack", "0");
    step(&c, 1, 501, 501, NONE);
    step(&c, 1, 501, 501, NONE);
    ck_assert_ptr_null(conv_tcb(&c)->sacks);
    leave(&c);
}
END_TEST

START_TEST(fin_beyond_the_hole)
{
    struct conv c = sack_conv();
    tcp_in(c.h, NOW, .flags = FIN | ACK, .seq = 1001, .ack = 1, .wnd = 60000); /* bare */
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .opts = {.nsack = 1, .sack = {{1001, 1002}}});
    step(&c, 501, 1001, 1, B(501, 1002));
    step(&c, 1, 501, 1002, NONE);
    assert_state(&c, TCPS_CLOSE_WAIT);
    leave(&c);
}
END_TEST

/* shows: 2018-11 */
START_TEST(nothing_discarded_is_reported)
{
    struct conv c = sack_conv();
    knob_set(c.h, "net.ipv4.tcp_comp_sack_nr", "0");
    step(&c, 2001, 3001, 1, B(2001, 3001));
    struct tcb *t = conv_tcb(&c);
    t->rcvbuf_limit = t->rcv.truesize; /* no room for another one */
    t->rcvbuf_locked = true;
    step(&c, 4001, 5001, 1, B(2001, 3001));
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPOFODrop"), 1);
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp sack recv");
    TCase *tc = tcase_create("sack");
    tcase_add_test(tc, cases_of_section_7);
    tcase_add_test(tc, newest_first_and_the_rest_again);
    tcase_add_test(tc, three_beside_a_timestamp);
    tcase_add_test(tc, only_when_agreed);
    tcase_add_test(tc, duplicate_in_order);
    tcase_add_test(tc, duplicate_beyond_the_hole);
    tcase_add_test(tc, duplicate_in_part);
    tcase_add_test(tc, duplicates_of_one_batch);
    tcase_add_test(tc, two_duplicates_in_one_segment);
    tcase_add_test(tc, dsack_is_a_knob);
    tcase_add_test(tc, fin_beyond_the_hole);
    tcase_add_test(tc, nothing_discarded_is_reported);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
