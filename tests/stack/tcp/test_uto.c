/* The User Timeout option (RFC 5482). */
#include "check_main.h"
#include "tcp_talk.h"

static struct conv uto_new(void)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.tcp_uto", "1");
    return c;
}

/* A passive open; what it sends first is thrown away. */
static struct conv uto_conv(void)
{
    return talk(uto_new(), (struct hx_opts){.mss = 1460}, 60000, MS(10));
}

static int timeout_of(struct conv *c) /* ms */
{
    return get_opt(c->h, c->s, IPPROTO_TCP, TCP_USER_TIMEOUT);
}

/* The peer's segment with this field of the option. */
static void uto_in(struct conv *c, unsigned field)
{
    const char raw[4] = {28, 4, (char)(field >> 8), (char)field};
    tcp_in(c->h, NOW, .flags = ACK, .seq = c->rcv, .ack = (uint32_t)(conv_tcb(c)->snd_una - conv_tcb(c)->iss), .wnd = 60000,
           .opts = {.raw = raw, .raw_len = 4});
}

/* Does what was matched last carry the option with this field? */
static bool carries(const struct conv *c, unsigned field)
{
    const uint8_t want[4] = {28, 4, (uint8_t)(field >> 8), (uint8_t)field};
    const struct tcp_hdr *t = &c->h->got.tcp;
    return t->raw_len >= 4 && memcmp(t->raw + t->raw_len - 4, want, 4) == 0;
}
static bool has_none(const struct conv *c)
{
    return !c->h->got.tcp.o.has_uto;
}

/* shows: 5482-01 */
START_TEST(the_field)
{
    static const struct {
        uint32_t seconds, field, back;
    } t[] = {
        {1, 1, 1},         {300, 300, 300},           {32767, 0x7fff, 32767},        {32768, 0x8000 | 547, 32820},
        {86400, 0x85a0, 86400}, {1966020, 0xffff, 1966020}, {0xffffffff, 0xffff, 1966020},
    };
    for (unsigned i = 0; i < sizeof t / sizeof t[0]; i++) {
        ck_assert_uint_eq(tcp_uto_encode(t[i].seconds), t[i].field);
        ck_assert_uint_eq(tcp_uto_decode((uint16_t)t[i].field), t[i].back);
    }
}
END_TEST

/* On the SYN, on the first segment without, then no more. */
/* shows: 5482-01 */
START_TEST(where_it_is_sent)
{
    struct conv c = uto_new();
    c.s = hx_tcp_connect(c.h, 80, HX_PEER, 40000);
    tcp_out(c.h, NOW, .flags = SYN, .seq = HX_ZERO);
    ck_assert(carries(&c, 300)); /* tcp_uto_adv */
    tcp_in(c.h, MS(10), .flags = SYN | ACK, .seq = 0, .ack = 1, .wnd = 60000, .opts = {.mss = 1460});
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1);
    ck_assert(carries(&c, 300));
    write_pattern(&c, 1, 10);
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = PSH | ACK, .seq = 1, .ack = 1, .len = 10);
    ck_assert(has_none(&c));
    /* the user sets one: it is told again, but not by a full segment, which it would make too large */
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_USER_TIMEOUT, 40000001), 0);
    write_pattern(&c, 11, 1460 + 5);
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 11, .ack = 1, .len = 1460);
    ck_assert(has_none(&c));
    tcp_in(c.h, MS(20), .flags = ACK, .seq = 1, .ack = 1471, .wnd = 60000);
    tcp_out(c.h, NOW, .flags = PSH | ACK, .seq = 1471, .ack = 1, .len = 5);
    ck_assert(carries(&c, 0x8000 | 667)); /* 40000.001 s, in minutes, rounded up */
    const struct linger l = {1, 0};
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_USER_TIMEOUT, 77000), 0);
    ck_assert_int_eq(td_setsockopt(c.h->st, c.s, SOL_SOCKET, SO_LINGER, &l, sizeof l), 0);
    ck_assert_int_eq(td_close(c.h->st, c.s), 0);
    tcp_out(c.h, NOW, .flags = RST | ACK, .seq = 1476, .ack = 1);
    ck_assert(has_none(&c));
    leave(&c);

    c = uto_new(); /* the passive side: the SYN-ACK, and its first segment after that */
    c.l = hx_tcp_listen(c.h, 80);
    tcp_in(c.h, NOW, .flags = SYN, .seq = 0, .wnd = 60000, .opts = {.mss = 1460});
    tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    ck_assert(carries(&c, 300));
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 60000, .opts = {.raw = "\x1c\x04\x02\x58", .raw_len = 4});
    c.s = td_accept(c.h->st, c.l, NULL, NULL);
    ck_assert_int_eq(timeout_of(&c), 600000); /* the ACK of the handshake told */
    tcp_in(c.h, NOW, .flags = PSH | ACK, .seq = 1, .ack = 1, .wnd = 60000, .len = 10);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 11);
    ck_assert(carries(&c, 300));
    leave(&c);

    c = uto_new(); /* with everything else on a SYN, and SACK blocks later */
    c = talk(c, (struct hx_opts){.mss = 1460, .wscale = 8, .sack_perm = true, .ts = true, .ts_val = 1}, 60000, MS(10));
    tcp_in(c.h, NOW, .flags = ACK, .seq = 101, .ack = 1, .wnd = 60000, .len = 10, .opts = {.ts = true, .ts_val = 2, .ts_ecr = 1});
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1);
    ck_assert(carries(&c, 300));
    ck_assert_uint_eq(c.h->got.tcp.o.nsack, 1);
    ck_assert(c.h->got.tcp.o.has_ts);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* USER_TIMEOUT = min(U_LIMIT, max(ADV_UTO, REMOTE_UTO, L_LIMIT)), and L_LIMIT is more than the RTO. */
/* shows: 5482-03 5482-04 */
START_TEST(what_is_adopted)
{
    static const struct {
        const char *adv, *least, *most;
        unsigned field;
        td_time rto;
        int ms;
    } t[] = {
        {"300", "100", "86400", 600, 0, 600000},          /* REMOTE_UTO */
        {"300", "100", "86400", 200, 0, 300000},          /* ADV_UTO */
        {"50", "100", "86400", 20, 0, 100000},            /* L_LIMIT */
        {"50", "100", "86400", 20, SEC(110), 111000},     /* the RTO */
        {"300", "100", "86400", 0x8000 | 10, 0, 600000},  /* minutes */
        {"300", "100", "500", 600, 0, 500000},            /* U_LIMIT */
        {"300", "100", "86400", 0xffff, 0, 86400000},
        {"300", "100", "200", 150, 0, 200000},
    };
    for (unsigned i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct conv c = uto_conv();
        knob_set(c.h, "net.ipv4.tcp_uto_adv", t[i].adv);
        knob_set(c.h, "net.ipv4.tcp_uto_min", t[i].least);
        knob_set(c.h, "net.ipv4.tcp_uto_max", t[i].most);
        if (t[i].rto != 0) {
            conv_tcb(&c)->rtt.rto = t[i].rto;
        }
        ck_assert_int_eq(timeout_of(&c), 0);
        uto_in(&c, t[i].field);
        ck_assert_msg(timeout_of(&c) == t[i].ms, "row %u: %d ms", i, timeout_of(&c));
        uto_in(&c, 700); /* the last word counts, smaller or larger */
        ck_assert_int_eq(timeout_of(&c), strcmp(t[i].most, "86400") == 0 ? 700000 : t[i].ms);
        leave(&c);
    }
}
END_TEST

/* And that is how long it waits. */
/* shows: 5482-03 */
START_TEST(the_adopted_time_is_waited)
{
    struct conv c = uto_conv();
    uto_in(&c, 2000); /* more than R2, which is 924 s */
    td_time start = hx_now(c.h);
    say(&c, 1, 10);
    hx_until(c.h, start + SEC(1990));
    assert_state(&c, TCPS_ESTABLISHED);
    hx_until(c.h, start + SEC(2130)); /* at an expiry of the timer, which comes every 120 s at last */
    assert_state(&c, TCPS_CLOSED);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* A time-out that the user has set isn't changed by the peer (CHANGEABLE). */
/* shows: 5482-02 */
START_TEST(the_users_own_stays)
{
    struct conv c = uto_conv();
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000), 0);
    uto_in(&c, 600);
    ck_assert_int_eq(timeout_of(&c), 5000);
    ck_assert_uint_eq(hx_event(c.h, "tcp-uto"), 1); /* it is told all the same */
    /* one that was adopted before makes way too */
    struct conv d = uto_conv();
    uto_in(&d, 600);
    ck_assert_int_eq(timeout_of(&d), 600000);
    ck_assert_int_eq(set_opt(d.h, d.s, IPPROTO_TCP, TCP_USER_TIMEOUT, 7000), 0);
    uto_in(&d, 900);
    ck_assert_int_eq(timeout_of(&d), 7000);
    ck_assert_int_eq(set_opt(d.h, d.s, IPPROTO_TCP, TCP_USER_TIMEOUT, 0), 0); /* taken back */
    ck_assert_int_eq(timeout_of(&d), 900000);
    hx_drain(d.h);
    leave(&d);
    /* one set on the listener is the user's as well */
    struct conv e = uto_new();
    e.l = hx_tcp_listen(e.h, 80);
    ck_assert_int_eq(set_opt(e.h, e.l, IPPROTO_TCP, TCP_USER_TIMEOUT, 9000), 0);
    tcp_in(e.h, NOW, .flags = SYN, .seq = 0, .wnd = 60000, .opts = {.mss = 1460});
    tcp_out(e.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    ck_assert(carries(&e, 9));
    tcp_in(e.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 60000, .opts = {.raw = "\x1c\x04\x02\x58", .raw_len = 4});
    e.s = td_accept(e.h->st, e.l, NULL, NULL);
    ck_assert_int_eq(timeout_of(&e), 9000);
    leave(&e);
    leave(&c);
}
END_TEST

/* shows: 5482-06 5482-04 */
START_TEST(zero_means_nothing)
{
    struct conv c = uto_conv();
    uto_in(&c, 0);
    uto_in(&c, 0x8000);
    ck_assert_int_eq(timeout_of(&c), 0);
    ck_assert_uint_eq(hx_event(c.h, "tcp-uto"), 0);
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_USER_TIMEOUT, 1), 0); /* a millisecond isn't told as zero */
    say(&c, 1, 10);
    tcp_out(c.h, NOW, .flags = PSH | ACK, .seq = 1, .ack = 1, .len = 10);
    ck_assert(carries(&c, 1));
    hx_drain(c.h);
    leave(&c);
    /* a segment outside the window tells nothing, nor does a reset */
    c = uto_conv();
    const char raw[4] = {28, 4, 2, 88};
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1000000, .ack = 1, .wnd = 60000, .opts = {.raw = raw, .raw_len = 4});
    tcp_in(c.h, NOW, .flags = RST, .seq = 1000, .opts = {.raw = raw, .raw_len = 4});
    ck_assert_int_eq(timeout_of(&c), 0);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* shows: 5482-05 */
START_TEST(keep_alives_come_later)
{
    for (int adopted = 0; adopted < 2; adopted++) {
        struct conv c = uto_conv();
        ck_assert_int_eq(set_opt(c.h, c.s, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
        ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_KEEPIDLE, 50), 0);
        td_time start = hx_now(c.h);
        if (adopted) {
            uto_in(&c, 600);
        }
        hx_quiet(c.h, start + SEC(adopted ? 600 : 49));
        hx_until(c.h, start + SEC(adopted ? 602 : 51));
        ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPKeepAlive"), 1);
        hx_drain(c.h);
        leave(&c);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp uto");
    TCase *tc = tcase_create("uto");
    tcase_add_test(tc, the_field);
    tcase_add_test(tc, where_it_is_sent);
    tcase_add_test(tc, what_is_adopted);
    tcase_add_test(tc, the_adopted_time_is_waited);
    tcase_add_test(tc, the_users_own_stays);
    tcase_add_test(tc, zero_means_nothing);
    tcase_add_test(tc, keep_alives_come_later);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
