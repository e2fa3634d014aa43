/* Window scaling in a conversation (RFC 7323 2): what each side may offer, what the fields mean then, and options that
 * mean nothing where they are. */
#include "check_main.h"
#include "tcp_talk.h"

/* The SYN-ACK to a SYN with these options, as h->got. */
static struct conv answered(const char *scaling, struct hx_opts o)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.tcp_window_scaling", scaling);
    c.l = hx_tcp_listen(c.h, 80);
    tcp_in(c.h, NOW, .flags = SYN, .seq = 0, .wnd = 5000, .opts = o);
    tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    return c;
}

/* What our segments say after the handshake, in octets; and what the peer's say to us. */
static void establish(struct conv *c, uint16_t field)
{
    tcp_in(c->h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = field);
    c->s = td_accept(c->h->st, c->l, NULL, NULL);
    ck_assert_int_ge(c->s, 0);
    c->una = c->nxt = c->rcv = 1;
    c->st = EST;
}

/* shows: 7323-01 7323-02 7323-04 7323-05 7323-06 ATK-TCPH-06 */
START_TEST(scaling_needs_both)
{
    /* both: a SYN without, even shift 0, is answered without */
    struct conv c = answered("1", (struct hx_opts){.mss = 1460, .wscale = 7 + 1});
    ck_assert(c.h->got.tcp.o.has_wscale);
    uint8_t ours = c.h->got.tcp.o.wscale;
    ck_assert_uint_gt(ours, 0);
    ck_assert_uint_eq(conv_half_open(&c)->snd_wnd, 5000); /* the window of a SYN is as it stands */
    uint32_t first = c.h->got.tcp.wnd;
    ck_assert_uint_gt(first, 1000);
    ck_assert_uint_eq(conv_half_open(&c)->rcv_wnd, first); /* ours too */
    establish(&c, 100);
    ck_assert_uint_eq(conv_tcb(&c)->snd_wnd, 100u << 7);
    ck_assert_uint_eq(info(&c).tcpi_snd_wscale, 7);
    ck_assert_uint_eq(info(&c).tcpi_rcv_wscale, ours);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 100, .len = 1);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 2);
    uint32_t told = (uint32_t)c.h->got.tcp.wnd << ours;
    ck_assert_uint_ge(told + 1, first); /* shifted right in the field: the edge is where it was, or further */
    ck_assert_uint_eq(conv_tcb(&c)->rcv_wnd, told);
    leave(&c);
    /* shift 0 is an offer as well */
    c = answered("1", (struct hx_opts){.mss = 1460, .wscale = 0 + 1});
    ck_assert(c.h->got.tcp.o.has_wscale);
    establish(&c, 100);
    ck_assert_uint_eq(conv_tcb(&c)->snd_wnd, 100);
    ck_assert_uint_gt(conv_tcb(&c)->rcv_wscale, 0);
    leave(&c);
    /* the peer doesn't offer it */
    c = answered("1", (struct hx_opts){.mss = 1460});
    ck_assert(!c.h->got.tcp.o.has_wscale);
    establish(&c, 100);
    ck_assert_uint_eq(conv_tcb(&c)->snd_wnd, 100);
    ck_assert_uint_eq(conv_tcb(&c)->rcv_wscale, 0);
    leave(&c);
    /* we don't */
    c = answered("0", (struct hx_opts){.mss = 1460, .wscale = 7 + 1});
    ck_assert(!c.h->got.tcp.o.has_wscale);
    establish(&c, 100);
    ck_assert_uint_eq(conv_tcb(&c)->snd_wnd, 100);
    leave(&c);
}
END_TEST

/* shows: 7323-01 7323-02 7323-04 7323-05 */
START_TEST(scaling_of_a_client)
{
    for (int i = 0; i < 3; i++) { /* answered; not answered; not offered but "answered" */
        struct conv c = conv_new(TD_PROFILE_LINUX);
        knob_set(c.h, "net.ipv4.tcp_window_scaling", i == 2 ? "0" : "1");
        c.s = hx_tcp_connect(c.h, 80, HX_PEER, 40000);
        tcp_out(c.h, NOW, .flags = SYN, .seq = HX_ZERO, .opts = {.mss = 1460});
        ck_assert_int_eq(c.h->got.tcp.o.has_wscale, i != 2);
        uint8_t ours = c.h->got.tcp.o.wscale;
        ck_assert_uint_le(ours, 14);
        tcp_in(c.h, NOW, .flags = SYN | ACK, .seq = 0, .ack = 1, .wnd = 60000,
               .opts = {.mss = 1460, .wscale = i == 1 ? 0 : 5 + 1});
        tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1);
        const struct tcb *t = conv_tcb(&c);
        ck_assert_uint_eq(t->snd_wnd, 60000); /* of the SYN-ACK: not scaled */
        ck_assert_uint_eq(t->rcv_wscale, i == 0 ? ours : 0);
        c.rcv = 1;
        ack_in(&c, NOW, 1, 100);
        ck_assert_uint_eq(t->snd_wnd, i == 0 ? 100u << 5 : 100u);
        leave(&c);
    }
}
END_TEST

/* shows: 7323-07 ATK-TCPH-06 */
START_TEST(shift_of_fifteen_and_more)
{
    static const uint8_t shifts[] = {14, 15, 100, 255};
    for (int i = 0; i < 4; i++) {
        char raw[] = "\x02\x04\x05\xb4\x03\x03\x00\x01";
        raw[6] = (char)shifts[i];
        struct conv c = answered("1", (struct hx_opts){.raw = raw, .raw_len = 8});
        establish(&c, 1000);
        ck_assert_uint_eq(conv_tcb(&c)->snd_wscale, 14);
        ck_assert_uint_eq(conv_tcb(&c)->snd_wnd, 1000u << 14);
        leave(&c);
    }
}
END_TEST

/* shows: 7323-03 ATK-TCPH-06 ATK-TCPH-05 */
START_TEST(not_on_a_syn)
{
    struct conv c = answered("1", (struct hx_opts){.mss = 1460, .wscale = 2 + 1});
    establish(&c, 10000);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 9000, .opts = {.mss = 600, .wscale = 9 + 1});
    ck_assert_uint_eq(conv_tcb(&c)->snd_wnd, 36000);
    ck_assert_uint_eq(conv_tcb(&c)->snd_wscale, 2);
    ck_assert_uint_eq(conv_tcb(&c)->mss, 1460);
    say(&c, 1, 1460);
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 1460);
    leave(&c);
}
END_TEST

/* shows: 5482-04 5482-06 */
START_TEST(user_timeout_option_is_ignored)
{
    /* kind 28, length 4: 0x7fff minutes, zero, one second */
    static const char *const raw[] = {"\x1c\x04\xff\xff", "\x1c\x04\x00\x00", "\x1c\x04\x00\x01"};
    for (int i = 0; i < 3; i++) {
        struct conv c = answered("1", (struct hx_opts){.raw = raw[i], .raw_len = 4});
        const uint8_t *b = c.h->got.tcp.raw;
        for (unsigned k = 0; k < c.h->got.tcp.raw_len; k += b[k] < 2 ? 1 : b[k + 1]) {
            ck_assert_uint_ne(b[k], 28); /* and never sent */
        }
        establish(&c, 10000);
        tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 10000, .opts = {.raw = raw[i], .raw_len = 4});
        ck_assert_int_eq(get_opt(c.h, c.s, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
        say(&c, 1, 10);
        hx_until(c.h, SEC(300)); /* R2 is what it was */
        assert_state(&c, TCPS_ESTABLISHED);
        hx_until(c.h, SEC(1100));
        assert_state(&c, TCPS_CLOSED);
        hx_drain(c.h);
        leave(&c);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp scaling");
    TCase *tc = tcase_create("scaling");
    tcase_add_test(tc, scaling_needs_both);
    tcase_add_test(tc, scaling_of_a_client);
    tcase_add_test(tc, shift_of_fifteen_and_more);
    tcase_add_test(tc, not_on_a_syn);
    tcase_add_test(tc, user_timeout_option_is_ignored);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
