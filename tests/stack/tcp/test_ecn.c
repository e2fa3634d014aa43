/* Explicit congestion notification (RFC 3168): who asks, who agrees, what is marked and what is echoed. */
#include "check_main.h"
#include "tcp_states.h"

#define ECE TCP_ECE
#define CWR TCP_CWR

enum { NOT_ECT, ECT1, ECT0, CE };

static struct conv ecn_listen(const char *knob)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.tcp_ecn", knob);
    return reach_in(c, LIS);
}

/* The passive open of a peer that asks. */
static struct conv ecn_conv(void)
{
    struct conv c = ecn_listen("2");
    struct hx *h = c.h;
    tcp_in(h, NOW, .flags = SYN | ECE | CWR, .seq = 0, .wnd = 60000, .opts = {.mss = 1000});
    tcp_out(h, NOW, .flags = SYN | ACK | ECE, .seq = HX_ZERO, .ack = 1);
    ck_assert_uint_eq(h->got.ip.tos & 3, NOT_ECT);
    tcp_in(h, MS(1), .flags = ACK, .seq = 1, .ack = 1, .wnd = 60000);
    c.s = td_accept(h->st, c.l, NULL, NULL);
    ck_assert_int_ge(c.s, 0);
    c.st = EST;
    c.una = c.nxt = c.rcv = 1;
    return c;
}

static void text_in(struct conv *c, size_t n, unsigned tos, uint16_t flags)
{
    tcp_in(c->h, NOW, .flags = (uint16_t)(ACK | flags), .seq = c->rcv, .ack = c->una, .wnd = 60000, .len = n,
           .tos = (uint8_t)tos);
    c->rcv += (int64_t)n;
}

/* shows: 3168-01 3168-02 3168-04 3168-14 */
START_TEST(a_listener_agrees)
{
    static const struct {
        const char *knob;
        uint16_t flags;
        uint8_t tos;
        bool yes;
    } t[] = {
        {"2", ECE | CWR, 0, true}, {"1", ECE | CWR, 0, true},    {"0", ECE | CWR, 0, false}, {"2", ECE, 0, false},
        {"2", CWR, 0, false},      {"2", 0, 0, false},           {"2", ECE | CWR, ECT0, false},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct conv c = ecn_listen(t[i].knob);
        tcp_in(c.h, NOW, .flags = (uint16_t)(SYN | t[i].flags), .seq = 0, .wnd = 1000, .tos = t[i].tos, .opts = {.mss = 1460});
        tcp_out(c.h, NOW, .flags = (uint16_t)(SYN | ACK | (t[i].yes ? ECE : 0)), .seq = HX_ZERO, .ack = 1);
        ck_assert_uint_eq(c.h->got.ip.tos, 0);
        tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
        ck_assert_int_eq(conv_tcb(&c)->ecn_ok, t[i].yes);
        c.s = td_accept(c.h->st, c.l, NULL, NULL);
        write_pattern(&c, 1, 10);
        hx_flush(c.h);
        tcp_out(c.h, NOW, .flags = PSH | ACK, .seq = 1, .ack = 1, .len = 10);
        ck_assert_uint_eq(c.h->got.ip.tos, t[i].yes ? ECT0 : NOT_ECT);
        leave(&c);
    }
}
END_TEST

/* shows: 3168-01 3168-04 3168-14 */
START_TEST(an_active_open_asks)
{
    static const struct {
        const char *knob;
        uint16_t answer;
        bool yes;
    } t[] = {{"1", ECE, true}, {"1", ECE | CWR, false}, {"1", 0, false}, {"1", CWR, false}, {"2", ECE, false}, {"0", ECE, false}};
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct conv c = conv_new(TD_PROFILE_LINUX);
        knob_set(c.h, "net.ipv4.tcp_ecn", t[i].knob);
        c.s = hx_tcp_connect(c.h, 80, HX_PEER, 40000);
        tcp_out(c.h, NOW, .flags = t[i].knob[0] == '1' ? SYN | ECE | CWR : SYN, .seq = HX_ZERO);
        ck_assert_uint_eq(c.h->got.ip.tos, 0);
        tcp_in(c.h, NOW, .flags = (uint16_t)(SYN | ACK | t[i].answer), .seq = 0, .ack = 1, .wnd = 1000, .opts = {.mss = 1460});
        tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1);
        ck_assert_uint_eq(c.h->got.ip.tos, 0);
        ck_assert_int_eq(conv_tcb(&c)->ecn_ok, t[i].yes);
        leave(&c);
    }
}
END_TEST

/* shows: 3168-15 3168-03 */
START_TEST(a_repeated_syn_does_not_ask)
{
    for (int fallback = 0; fallback < 2; fallback++) {
        struct conv c = conv_new(TD_PROFILE_LINUX);
        knob_set(c.h, "net.ipv4.tcp_ecn", "1");
        knob_set(c.h, "net.ipv4.tcp_ecn_fallback", fallback ? "1" : "0");
        c.s = hx_tcp_connect(c.h, 80, HX_PEER, 40000);
        tcp_out(c.h, NOW, .flags = SYN | ECE | CWR, .seq = HX_ZERO);
        tcp_out(c.h, HX_ANYTIME, .flags = fallback ? SYN : SYN | ECE | CWR, .seq = HX_ZERO);
        /* the answer could be to either */
        tcp_in(c.h, NOW, .flags = SYN | ACK | ECE, .seq = 0, .ack = 1, .wnd = 1000, .opts = {.mss = 1460});
        tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1);
        ck_assert_int_eq(conv_tcb(&c)->ecn_ok, !fallback);
        leave(&c);
    }
}
END_TEST

/* shows: 3168-05 3168-06 3168-07 3168-08 */
START_TEST(only_new_text_is_ect)
{
    struct conv c = ecn_conv();
    struct hx *h = c.h;
    ck_assert_int_eq(set_opt(h, c.s, IPPROTO_IP, IP_TOS, 0x13), 0); /* the two ECN bits stay TCP's */
    write_pattern(&c, 1, 100);
    hx_flush(h);
    tcp_out(h, NOW, .flags = PSH | ACK, .seq = 1, .ack = 1, .len = 100, .tos = 0x10 | ECT0);
    tcp_out(h, HX_ANYTIME, .flags = PSH | ACK, .seq = 1, .ack = 1, .len = 100, .tos = 0x10); /* again */
    c.una = c.nxt = 101;
    text_in(&c, 10, ECT0, 0);
    tcp_out(h, NOW, .flags = ACK, .seq = 101, .ack = 11, .tos = 0x10); /* a pure ACK */
    tcp_in(h, NOW, .flags = ACK, .seq = 11, .ack = 101, .wnd = HX_ZERO);
    write_pattern(&c, 101, 10);
    hx_flush(h);
    ip_out(h, HX_ANYTIME, 6); /* the probe of the closed window */
    ck_assert_uint_eq(h->got.ip.tos, 0x10);
    ck_assert_uint_eq(h->got.tcp.flags & (ECE | CWR), 0);
    leave(&c);
}
END_TEST

/* shows: 3168-09 */
START_TEST(ce_is_echoed_until_cwr)
{
    struct conv c = ecn_conv();
    struct hx *h = c.h;
    text_in(&c, 100, ECT0, 0);
    tcp_out(h, NOW, .flags = ACK, .seq = 1, .ack = c.rcv);
    text_in(&c, 100, CE, 0);
    tcp_out(h, NOW, .flags = ACK | ECE, .seq = 1, .ack = c.rcv);
    text_in(&c, 100, ECT0, 0);
    tcp_out(h, HX_ANYTIME, .flags = ACK | ECE, .seq = 1, .ack = c.rcv); /* the one before may be lost */
    write_pattern(&c, 1, 10);
    hx_flush(h);
    tcp_out(h, NOW, .flags = PSH | ACK | ECE, .seq = 1, .ack = c.rcv, .len = 10);
    tcp_in(h, NOW, .flags = ACK, .seq = c.rcv, .ack = 11, .wnd = 60000);
    c.una = 11;
    text_in(&c, 100, ECT0, CWR);
    tcp_out(h, NOW, .flags = ACK, .seq = 11, .ack = c.rcv);
    /* CWR and a new mark on the same segment: it starts over */
    text_in(&c, 100, CE, CWR);
    tcp_out(h, NOW, .flags = ACK | ECE, .seq = 11, .ack = c.rcv);
    ck_assert_uint_eq(hx_event(h, "tcp-ce-in"), 2);
    leave(&c);
}
END_TEST

/* shows: 3168-06 */
START_TEST(marks_outside_the_window_mean_nothing)
{
    struct conv c = ecn_conv();
    text_in(&c, 100, ECT0, 0);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 101);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 60000, .len = 100, .tos = CE);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 101);
    leave(&c);
}
END_TEST

START_TEST(without_ecn_marks_mean_nothing)
{
    struct conv c = reach(EST);
    text_in(&c, 100, CE, 0);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 101);
    leave(&c);
}
END_TEST

/* shows: 3168-10 3168-11 3168-12 SHLD-8 ATK-TCPC-05 */
START_TEST(a_window_of_echoes_is_one_reduction)
{
    struct conv c = ecn_conv();
    struct hx *h = c.h;
    struct tcb *t = conv_tcb(&c);
    write_pattern(&c, 1, 30000);
    hx_flush(h);
    for (int i = 0; i < 10; i++) {
        ip_out(h, NOW, IPPROTO_TCP_);
        ck_assert_uint_eq(h->got.tcp.flags & CWR, 0);
    }
    uint32_t cwnd = t->cc.cwnd;
    ck_assert_uint_eq(cwnd, 10000);
    unsigned sent = 0;
    for (int i = 1; i <= 10; i++) {
        tcp_in(h, MS(100 + i), .flags = ACK | ECE, .seq = 1, .ack = 1 + 1000 * i, .wnd = 60000);
        ck_assert_uint_le(t->cc.cwnd, cwnd);
        cwnd = t->cc.cwnd;
        ck_assert_uint_eq(t->cc.ssthresh, 7000); /* CUBIC's, once */
        while (hx_pending(h) > 0) { /* the first of the new ones tells of it */
            ip_out(h, HX_ANYTIME, IPPROTO_TCP_);
            ck_assert_int_eq((h->got.tcp.flags & CWR) != 0, sent == 0);
            sent++;
        }
    }
    ck_assert_uint_eq(sent, 7);
    /* the next window */
    tcp_in(h, MS(200), .flags = ACK | ECE, .seq = 1, .ack = 11001, .wnd = 60000);
    ck_assert_uint_eq(t->cc.ssthresh, 4000);
    hx_drain(h);
    leave(&c);
    /* who hasn't agreed is not heard */
    c = reach(EST);
    t = conv_tcb(&c);
    write_pattern(&c, 1, 100);
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = PSH | ACK, .seq = 1, .ack = 1, .len = 100);
    cwnd = t->cc.cwnd;
    tcp_in(c.h, NOW, .flags = ACK | ECE | CWR, .seq = 1, .ack = 101, .wnd = 60000);
    ck_assert_uint_ge(t->cc.cwnd, cwnd);
    ck_assert_uint_eq(t->cc.ssthresh, TD_CC_NO_SSTHRESH);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp ecn");
    TCase *tc = tcase_create("ecn");
    tcase_add_test(tc, a_listener_agrees);
    tcase_add_test(tc, an_active_open_asks);
    tcase_add_test(tc, a_repeated_syn_does_not_ask);
    tcase_add_test(tc, only_new_text_is_ect);
    tcase_add_test(tc, ce_is_echoed_until_cwr);
    tcase_add_test(tc, marks_outside_the_window_mean_nothing);
    tcase_add_test(tc, without_ecn_marks_mean_nothing);
    tcase_add_test(tc, a_window_of_echoes_is_one_reduction);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
