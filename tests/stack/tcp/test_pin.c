/* Numbers given from outside (td_tcp_pin): who takes them, how often, and who doesn't. */
#include "check_main.h"
#include "tcp_states.h"

#define ISS  0xfffffff0u
#define CLOCK 3000000000u

static struct td_tcp_pin pin_of(uint8_t what)
{
    return (struct td_tcp_pin){.laddr = HX_US,
                               .raddr = HX_PEER,
                               .lport = 80,
                               .rport = 40000,
                               .what = what,
                               .iss = ISS,
                               .ts_val = CLOCK,
                               .id_first = 0,
                               .id_next = 65535,
                               .id_step = 1};
}

static void pin(struct hx *h, uint8_t what)
{
    const struct td_tcp_pin p = pin_of(what);
    ck_assert_int_eq(td_tcp_pin(h->st, &p), 0);
}

/* A client with everything pinned: its SYN, the same SYN again, and what follows. */
START_TEST(active_open)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    struct hx *h = c.h;
    pin(h, TD_PIN_ISS | TD_PIN_TS | TD_PIN_ID);
    ck_assert_uint_eq(hx_event(h, "tcp-pinned"), 0);
    hx_until(h, MS(5));
    c.s = hx_tcp_connect(h, 80, HX_PEER, 40000);
    tcp_out(h, NOW, .flags = SYN, .seq = HX_ZERO);
    ck_assert_uint_eq(h->got.tcp.seq, ISS);
    ck_assert_uint_eq(h->got.tcp.o.ts_val, CLOCK + 5); /* it has gone on since it was set */
    ck_assert_uint_eq(h->got.ip.id, 0);
    ck_assert_uint_eq(hx_event(h, "tcp-pinned"), 1);
    tcp_out(h, MS(1005), .flags = SYN, .seq = HX_ZERO);
    ck_assert_uint_eq(h->got.tcp.seq, ISS);
    ck_assert_uint_eq(h->got.tcp.o.ts_val, CLOCK + 1005);
    ck_assert_uint_eq(h->got.ip.id, 65535);
    tcp_in(h, MS(1010), .flags = SYN | ACK, .seq = 0, .ack = 1, .wnd = 10000,
           .opts = {.mss = 1460, .ts = true, .ts_val = 9, .ts_ecr = CLOCK + 1005});
    tcp_out(h, NOW, .flags = ACK, .seq = 1, .ack = 1, .opts = {.ts = true, .ts_val = CLOCK + 1010, .ts_ecr = 9});
    ck_assert_uint_eq(h->got.ip.id, 0); /* 65535 and 1 */
    assert_state(&c, TCPS_ESTABLISHED);
    write_pattern(&c, 1, 100); /* across the wrap of the sequence numbers */
    hx_flush(h);
    tcp_out(h, NOW, .flags = PSH | ACK, .seq = 1, .ack = 1, .len = 100);
    ck_assert_uint_eq(h->got.tcp.seq, (uint32_t)(ISS + 1));
    ck_assert_uint_eq(h->got.ip.id, 1);
    tcp_in(h, MS(1020), .flags = ACK, .seq = 1, .ack = 101, .wnd = 10000,
           .opts = {.ts = true, .ts_val = 10, .ts_ecr = CLOCK + 1010});
    ck_assert_uint_eq(conv_tcb(&c)->snd_una, (uint32_t)(ISS + 101));
    leave(&c);
}
END_TEST

/* A server: the SYN-ACK, its repetition, and the connection that comes of it. The next one of the same
 * tuple has numbers of its own. */
START_TEST(passive_open_once)
{
    struct conv c = reach(LIS);
    struct hx *h = c.h;
    pin(h, TD_PIN_ISS | TD_PIN_TS);
    tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = 1000, .opts = {.mss = 1460, .ts = true, .ts_val = 5});
    tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1, .opts = {.ts = true, .ts_val = CLOCK, .ts_ecr = 5});
    ck_assert_uint_eq(h->got.tcp.seq, ISS);
    ck_assert_uint_eq(h->got.ip.id, 0); /* DF: as ever */
    ck_assert_ptr_null(h->st->tcp->pins);
    tcp_out(h, MS(1000), .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1, .opts = {.ts = true, .ts_val = CLOCK + 1000});
    ck_assert_uint_eq(h->got.tcp.seq, ISS);
    tcp_in(h, MS(1001), .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000, .opts = {.ts = true, .ts_val = 6, .ts_ecr = CLOCK});
    assert_state(&c, TCPS_ESTABLISHED);
    ck_assert_uint_eq(conv_tcb(&c)->iss, ISS);
    ck_assert_uint_eq(conv_tcb(&c)->snd_una, (uint32_t)(ISS + 1));
    tcp_in(h, MS(1002), .flags = RST | ACK, .seq = 1, .ack = 1);
    assert_state(&c, TCPS_CLOSED);
    tcp_in(h, MS(1003), .flags = SYN, .seq = 0, .wnd = 1000, .opts = {.mss = 1460, .ts = true, .ts_val = 7});
    tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    const struct tcp_tuple a = {.laddr = HX_US, .raddr = HX_PEER, .lport = 80, .rport = 40000};
    ck_assert_uint_eq(h->got.tcp.seq, tcp_isn(h->st, &a));
    ck_assert_uint_ne(h->got.tcp.seq, ISS);
    ck_assert_uint_eq(h->got.tcp.o.ts_val, tcp_ts_ms(h->st) + tcp_ts_offset(h->st, &a));
    ck_assert_uint_eq(hx_event(h, "tcp-pinned"), 1);
    leave(&c);
}
END_TEST

/* Each number for itself; what isn't pinned is drawn. */
START_TEST(only_what_was_said)
{
    const struct tcp_tuple a = {.laddr = HX_US, .raddr = HX_PEER, .lport = 80, .rport = 40000};
    for (uint8_t what = TD_PIN_ISS; what <= TD_PIN_TS; what++) {
        struct conv c = conv_new(TD_PROFILE_LINUX);
        pin(c.h, what);
        c.s = hx_tcp_connect(c.h, 80, HX_PEER, 40000);
        tcp_out(c.h, NOW, .flags = SYN, .seq = HX_ZERO);
        ck_assert_uint_eq(c.h->got.tcp.seq, what == TD_PIN_ISS ? ISS : tcp_isn(c.h->st, &a));
        ck_assert_uint_eq(c.h->got.tcp.o.ts_val,
                          what == TD_PIN_TS ? CLOCK : tcp_ts_ms(c.h->st) + tcp_ts_offset(c.h->st, &a));
        leave(&c);
    }
}
END_TEST

START_TEST(other_tuples)
{
    struct conv c = reach(LIS);
    struct hx *h = c.h;
    pin(h, TD_PIN_ISS | TD_PIN_TS | TD_PIN_ID);
    tcp_in(h, NOW, .sport = 40001, .flags = SYN, .seq = 0, .wnd = 1000, .opts = {.mss = 1460, .ts = true, .ts_val = 5});
    tcp_out(h, NOW, .dport = 40001, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    ck_assert_uint_ne(h->got.tcp.seq, ISS);
    ck_assert_uint_ne(h->got.tcp.o.ts_val, CLOCK);
    ck_assert_uint_eq(hx_event(h, "tcp-pinned"), 0);
    leave(&c); /* which counts the bytes: the pin that nobody took is given back too */
}
END_TEST

/* A cookie must carry its secret; the pin waits. */
START_TEST(no_cookie)
{
    struct conv c = reach(LIS);
    struct hx *h = c.h;
    knob_set(h, "net.ipv4.tcp_syncookies", "2");
    pin(h, TD_PIN_ISS | TD_PIN_TS);
    tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = 1000, .opts = {.mss = 1460, .ts = true, .ts_val = 5});
    tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    ck_assert_uint_ne(h->got.tcp.seq, ISS);
    tcp_in(h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000,
           .opts = {.ts = true, .ts_val = 5, .ts_ecr = h->got.tcp.o.ts_val});
    assert_state(&c, TCPS_ESTABLISHED);
    ck_assert_ptr_nonnull(h->st->tcp->pins);
    ck_assert_uint_eq(hx_event(h, "tcp-pinned"), 0);
    leave(&c);
}
END_TEST

/* New text goes as far as the pin says, before cwnd would hold it and beyond that; what is lost goes again as far as the credit
 * does, which new text uses up as well. What is lost the pin doesn't say. */
START_TEST(window_of_another)
{
    struct conv c = reach(EST);
    struct tcb *t = conv_tcb(&c);
    struct td_tcp_pin p = pin_of(TD_PIN_WINDOW);
    uint32_t mss = t->mss, cwnd = t->cc.cwnd;
    tcp_seq from = t->snd_nxt;
    p.snd_edge = from + 2 * mss;
    p.credit = 2 * mss;
    ck_assert_int_eq(td_tcp_pin(c.h->st, &p), 0);
    write_pattern(&c, c.nxt, cwnd + 5 * mss);
    hx_flush(c.h);
    ck_assert_uint_eq(t->snd_nxt, from + 2 * mss);
    ck_assert(t->cwnd_limited);
    p.snd_edge = from + cwnd + 3 * mss;
    p.credit = 0;
    ck_assert_int_eq(td_tcp_pin(c.h->st, &p), 0);
    hx_flush(c.h);
    ck_assert_uint_eq(t->snd_nxt, p.snd_edge);
    ck_assert_uint_eq(t->total_retrans, 0);
    while (t->ca_state != TCPE_LOSS) { /* the timer, and its own window of one segment */
        hx_until(c.h, td_stack_next_deadline(c.h->st));
    }
    uint32_t again = t->total_retrans;
    hx_flush(c.h);
    ck_assert_uint_eq(t->total_retrans, again);
    p.credit = (uint32_t)t->bytes_sent - 2 * mss + 3 * mss; /* what was sent without one, and three */
    ck_assert_int_eq(td_tcp_pin(c.h->st, &p), 0);
    hx_flush(c.h);
    ck_assert_uint_eq(t->total_retrans, again + 3);
    hx_flush(c.h);
    ck_assert_uint_eq(t->total_retrans, again + 3);
    ck_assert_uint_eq(t->snd_nxt, p.snd_edge);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* What is let go as a burst is pushed at its end and not before, however large the stack's own would be. */
START_TEST(burst_of_another)
{
    struct conv c = reach(EST);
    struct tcb *t = conv_tcb(&c);
    struct td_tcp_pin p = pin_of(TD_PIN_WINDOW | TD_PIN_BURST);
    uint32_t mss = t->mss;
    p.snd_edge = t->snd_nxt + 5 * mss;
    ck_assert_int_eq(td_tcp_pin(c.h->st, &p), 0);
    write_pattern(&c, c.nxt, 9 * mss);
    hx_flush(c.h);
    for (uint32_t i = 0; i < 5; i++)
        tcp_out(c.h, NOW, .flags = i < 4 ? ACK : PSH | ACK, .seq = c.nxt + i * mss, .ack = c.rcv, .len = mss);
    leave(&c);
}
END_TEST

START_TEST(what_cannot_be)
{
    struct hx *h = hx_new();
    struct td_tcp_pin p = pin_of(TD_PIN_ISS);
    p.rport = 0;
    ck_assert_int_eq(td_tcp_pin(h->st, &p), -EINVAL);
    p = pin_of(16);
    ck_assert_int_eq(td_tcp_pin(h->st, &p), -EINVAL);
    p = pin_of(32);
    ck_assert_int_eq(td_tcp_pin(h->st, &p), -EINVAL);
    p = pin_of(0);
    ck_assert_int_eq(td_tcp_pin(h->st, &p), -ENOENT);
    p = pin_of(TD_PIN_WINDOW);
    ck_assert_int_eq(td_tcp_pin(h->st, &p), -ENOENT); /* there is no connection that has one */
    p.what |= TD_PIN_ISS;
    ck_assert_int_eq(td_tcp_pin(h->st, &p), -EINVAL);
    p = pin_of(TD_PIN_ISS);
    for (unsigned i = 0; i < TCP_PINS_MAX; i++) {
        p.rport = (uint16_t)(40000 + i);
        ck_assert_int_eq(td_tcp_pin(h->st, &p), 0);
        ck_assert_int_eq(td_tcp_pin(h->st, &p), 0); /* the same once more takes no more room */
    }
    p.rport = 1;
    ck_assert_int_eq(td_tcp_pin(h->st, &p), -ENOSPC);
    p.rport = 40007;
    p.what = 0;
    ck_assert_int_eq(td_tcp_pin(h->st, &p), 0);
    ck_assert_int_eq(td_tcp_pin(h->st, &p), -ENOENT);
    p.what = TD_PIN_TS;
    h->fail_alloc = 1;
    ck_assert_int_eq(td_tcp_pin(h->st, &p), -ENOMEM);
    h->fail_alloc = 0;
    ck_assert_int_eq(td_tcp_pin(h->st, &p), 0);
    hx_free(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp pin");
    TCase *tc = tcase_create("pin");
    tcase_add_test(tc, active_open);
    tcase_add_test(tc, passive_open_once);
    tcase_add_test(tc, only_what_was_said);
    tcase_add_test(tc, other_tuples);
    tcase_add_test(tc, no_cookie);
    tcase_add_test(tc, window_of_another);
    tcase_add_test(tc, burst_of_another);
    tcase_add_test(tc, what_cannot_be);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
