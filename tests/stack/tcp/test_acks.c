/* When text is acknowledged: at once, later, or with what comes next (RFC 9293 3.8.6.3, 5681 4.2); and what the
 * window of a SYN is. */
#include "check_main.h"
#include "tcp_states.h"

static struct conv fresh(enum td_profile profile)
{
    return reach_in(conv_new(profile), EST);
}

static void text_in(struct conv *c, size_t n, uint16_t flags)
{
    tcp_in(c->h, NOW, .flags = (uint16_t)(ACK | flags), .seq = c->rcv, .ack = c->una, .wnd = 60000, .len = n);
    c->rcv += (int64_t)n;
}

/* The acknowledgment of all comes after `later`, and not before. */
static void acked(struct conv *c, td_time later)
{
    tcp_out(c->h, hx_now(c->h) + later, .flags = ACK, .seq = c->nxt, .ack = c->rcv);
}

static void read_all(struct conv *c)
{
    char b[70000];
    while (td_recv(c->h->st, c->s, b, sizeof b, 0) > 0) {
    }
    hx_flush(c->h);
}

START_TEST(quick_at_first_then_later)
{
    struct conv c = fresh(TD_PROFILE_LINUX);
    for (int i = 0; i < 16; i++) { /* 64,240 / (2 * 536), but 16 at most */
        text_in(&c, 100, PSH);
        acked(&c, 0);
    }
    text_in(&c, 100, PSH);
    acked(&c, MS(40));
    leave(&c);
}
END_TEST

/* shows: SHLD-18 SHLD-19 */
START_TEST(rfc_every_second_full_segment)
{
    struct conv c = fresh(TD_PROFILE_RFC);
    text_in(&c, 1460, 0);
    acked(&c, MS(200));
    for (int i = 0; i < 5; i++) {
        text_in(&c, 1460, 0);
        hx_quiet(c.h, NOW);
        text_in(&c, 1460, 0);
        acked(&c, 0);
    }
    text_in(&c, 1460, 0);
    acked(&c, MS(200));
    leave(&c);
}
END_TEST

START_TEST(an_answer_begins_a_dialogue)
{
    struct conv c = fresh(TD_PROFILE_LINUX);
    text_in(&c, 100, PSH);
    acked(&c, 0);
    write_pattern(&c, 1, 10); /* within the ATO: an answer */
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = PSH | ACK, .seq = 1, .ack = c.rcv, .len = 10);
    tcp_in(c.h, NOW, .flags = ACK, .seq = c.rcv, .ack = 11, .wnd = 60000);
    c.una = c.nxt = 11;
    text_in(&c, 100, PSH);
    hx_quiet(c.h, hx_now(c.h) + MS(20));
    write_pattern(&c, 11, 10); /* it carries the ACK */
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = PSH | ACK, .seq = 11, .ack = c.rcv, .len = 10);
    tcp_in(c.h, NOW, .flags = ACK, .seq = c.rcv, .ack = 21, .wnd = 60000);
    c.una = c.nxt = 21;
    text_in(&c, 100, PSH);
    acked(&c, MS(40)); /* no answer: the dialogue is over */
    text_in(&c, 100, PSH);
    acked(&c, 0);
    leave(&c);
}
END_TEST

START_TEST(quickack_option)
{
    struct conv c = fresh(TD_PROFILE_LINUX);
    ck_assert_int_eq(get_opt(c.h, c.s, IPPROTO_TCP, TCP_QUICKACK), 1);
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_QUICKACK, 0), 0);
    ck_assert_int_eq(get_opt(c.h, c.s, IPPROTO_TCP, TCP_QUICKACK), 0);
    text_in(&c, 100, PSH);
    hx_quiet(c.h, hx_now(c.h) + MS(10));
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_QUICKACK, 1), 0); /* and what is owed goes */
    hx_flush(c.h);
    acked(&c, 0);
    text_in(&c, 100, PSH);
    acked(&c, 0);
    leave(&c);
}
END_TEST

START_TEST(two_full_ones_if_the_user_reads)
{
    struct conv c = fresh(TD_PROFILE_LINUX);
    for (int i = 0; i < 60; i++) { /* as long as the window grows there is another quick one */
        text_in(&c, 1460, 0);
        read_all(&c);
    }
    hx_until(c.h, hx_now(c.h) + MS(50));
    hx_drain(c.h);
    text_in(&c, 1460, 0);
    hx_quiet(c.h, NOW);
    read_all(&c);
    hx_quiet(c.h, NOW);
    text_in(&c, 1460, 0);
    read_all(&c);
    acked(&c, 0);
    text_in(&c, 1460, 0);
    acked(&c, MS(40));
    leave(&c);
}
END_TEST

/* A FIN waits like text, if text came before it: the user may close in a moment. */
START_TEST(fin_after_text)
{
    struct conv c = fresh(TD_PROFILE_LINUX);
    tcp_in(c.h, NOW, .flags = FIN | ACK, .seq = 1, .ack = 1, .wnd = 60000);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 2);
    leave(&c);
    c = fresh(TD_PROFILE_LINUX);
    text_in(&c, 100, PSH);
    acked(&c, 0);
    tcp_in(c.h, NOW, .flags = FIN | ACK, .seq = 101, .ack = 1, .wnd = 60000);
    tcp_out(c.h, hx_now(c.h) + MS(40), .flags = ACK, .seq = 1, .ack = 102);
    leave(&c);
    c = fresh(TD_PROFILE_RFC);
    text_in(&c, 1460, PSH);
    acked(&c, MS(200));
    tcp_in(c.h, NOW, .flags = FIN | ACK, .seq = 1461, .ack = 1, .wnd = 60000);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1462);
    leave(&c);
}
END_TEST

START_TEST(size_of_the_peers_segments)
{
    struct conv c = fresh(TD_PROFILE_LINUX);
    const struct tcb *t = conv_tcb(&c);
    ck_assert_uint_eq(t->rcv_mss, 536);
    text_in(&c, 1000, 0);
    ck_assert_uint_eq(t->rcv_mss, 1000);
    text_in(&c, 300, PSH); /* the end of a write */
    text_in(&c, 300, PSH);
    ck_assert_uint_eq(t->rcv_mss, 1000);
    text_in(&c, 600, 0); /* two of a size, and none of them an end */
    ck_assert_uint_eq(t->rcv_mss, 1000);
    text_in(&c, 600, 0);
    ck_assert_uint_eq(t->rcv_mss, 600);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

START_TEST(windows_of_syns)
{
    static const struct {
        const char *rmem;
        bool ts;
        int64_t wnd;
        int shift;
    } t[] = {
        {"4096 131072 6291456", false, 64240, 7},
        {"4096 131072 6291456", true, 65160, 7},   /* whole segments of 1448 */
        {"4096 131072 15728640", false, 64240, 8},
        {"4096 1000000 6291456", false, 65535, 7},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct conv c = conv_new(TD_PROFILE_LINUX);
        knob_set(c.h, "net.ipv4.tcp_rmem", t[i].rmem);
        c = reach_in(c, LIS);
        tcp_in(c.h, NOW, .flags = SYN, .seq = 0, .wnd = 1000,
               .opts = {.mss = 1460, .wscale = 1 + 7, .ts = t[i].ts, .ts_val = t[i].ts});
        tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1, .wnd = t[i].wnd, .opts = {.wscale = (int8_t)(1 + t[i].shift)});
        leave(&c);
    }
}
END_TEST

/* 1,000 bytes beyond a window that is full of unread text: dropped whole; when all is read, taken whole. */
START_TEST(beyond_the_window)
{
    struct conv c = fresh(TD_PROFILE_LINUX);
    conv_set_rcv_wnd(&c, 2000);
    text_in(&c, 1000, PSH);
    hx_drain(c.h);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1001, .ack = 1, .wnd = 60000, .len = 2000);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1001);
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtBeyondWindow"), 1);
    read_all(&c);
    hx_drain(c.h);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1001, .ack = 1, .wnd = 60000, .len = 1400);
    hx_until(c.h, hx_now(c.h) + MS(300));
    ck_assert_uint_eq(conv_tcb(&c)->rcv_nxt - conv_tcb(&c)->irs, 2401);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp acks");
    TCase *tc = tcase_create("acks");
    tcase_add_test(tc, quick_at_first_then_later);
    tcase_add_test(tc, rfc_every_second_full_segment);
    tcase_add_test(tc, an_answer_begins_a_dialogue);
    tcase_add_test(tc, quickack_option);
    tcase_add_test(tc, two_full_ones_if_the_user_reads);
    tcase_add_test(tc, fin_after_text);
    tcase_add_test(tc, size_of_the_peers_segments);
    tcase_add_test(tc, windows_of_syns);
    tcase_add_test(tc, beyond_the_window);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
