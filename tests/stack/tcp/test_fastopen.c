/* TCP Fast Open (RFC 7413), both sides. */
#include "check_main.h"
#include "tcp_talk.h"

#include <sys/uio.h>

#ifndef TCP_FASTOPEN_CONNECT
#define TCP_FASTOPEN_CONNECT 30
#endif
#ifndef TCP_FASTOPEN_KEY
#define TCP_FASTOPEN_KEY 33
#endif
#ifndef TCP_FASTOPEN_NO_COOKIE
#define TCP_FASTOPEN_NO_COOKIE 34
#endif

#define KEY_A "a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4"
#define KEY_0 "00000000-00000000-00000000-00000000"

/* ---- options by hand: MSS 1460 and Fast Open ---- */

static struct hx_opts fast(char raw[40], const void *cookie, unsigned len)
{
    unsigned n = 0;
    memcpy(raw, "\x02\x04\x05\xb4\x22", 5);
    raw[5] = (char)(2 + len);
    if (len > 0) {
        memcpy(raw + 6, cookie, len);
    }
    for (n = 6 + len; n % 4 != 0; n++) {
        raw[n] = 1;
    }
    return (struct hx_opts){.raw = raw, .raw_len = (uint8_t)n};
}

static struct conv server(int limit)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.tcp_fastopen", "3");
    knob_set(c.h, "net.ipv4.tcp_fastopen_key", KEY_A);
    c.l = hx_tcp_listen(c.h, 80);
    if (limit > 0) {
        ck_assert_int_eq(set_opt(c.h, c.l, IPPROTO_TCP, TCP_FASTOPEN, limit), 0);
    }
    return c;
}

/* The cookie of the peer, asked for as a client does, from port 39999. */
static void get_cookie(struct conv *c, uint8_t cookie[8])
{
    char raw[40];
    tcp_in(c->h, NOW, .sport = 39999, .flags = SYN, .seq = 0, .wnd = 1000,
           .opts = fast(raw, NULL, 0));
    tcp_out(c->h, NOW, .dport = 39999, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    ck_assert(c->h->got.tcp.o.has_fastopen);
    ck_assert_uint_eq(c->h->got.tcp.o.fastopen_len, 8);
    memcpy(cookie, c->h->got.tcp.o.fastopen, 8);
    tcp_in(c->h, NOW, .sport = 39999, .flags = RST, .seq = 1);
}

/* ---- the server ---- */

/* The cookies Linux computes for these keys and addresses. */
/* shows: 7413-03 */
START_TEST(cookies_are_those_of_linux)
{
    static const struct {
        const char *key;
        td_ip4 us, peer;
        uint8_t cookie[8];
    } known[] = {
        {KEY_A,
         TD_IP4(192, 168, 0, 1),
         TD_IP4(192, 0, 2, 1),
         {0x30, 0x21, 0xb9, 0xd8, 0x89, 0x01, 0x7e, 0xeb}},
        {KEY_0,
         TD_IP4(192, 168, 0, 1),
         TD_IP4(192, 0, 2, 1),
         {0xb7, 0xc1, 0x23, 0x50, 0xa9, 0x0d, 0xc8, 0xf5}},
        {KEY_A,
         TD_IP4(192, 0, 2, 1),
         TD_IP4(192, 168, 0, 1),
         {0x45, 0x84, 0xcc, 0x8b, 0x4d, 0x83, 0x98, 0x5f}},
    };
    for (unsigned i = 0; i < 3; i++) {
        struct conv c = server(5);
        char raw[40];
        knob_set(c.h, "net.ipv4.tcp_fastopen_key", known[i].key);
        char now[80];
        ck_assert_int_gt(td_knob_get(c.h->st, "net.ipv4.tcp_fastopen_key", now, sizeof now), 0);
        ck_assert_str_eq(now, known[i].key);
        ck_assert_int_eq(td_addr_add(c.h->st, c.h->ifindex, known[i].us, 32), 0);
        hx_drain(c.h);
        tcp_in(c.h, NOW, .src = known[i].peer, .dst = known[i].us, .flags = SYN, .seq = 0,
               .wnd = 1000, .opts = fast(raw, NULL, 0));
        tcp_out(c.h, NOW, .src = known[i].us, .dst = known[i].peer, .flags = SYN | ACK,
                .seq = HX_ZERO, .ack = 1);
        ck_assert_uint_eq(c.h->got.tcp.o.fastopen_len, 8);
        ck_assert_mem_eq(c.h->got.tcp.o.fastopen, known[i].cookie, 8);
        leave(&c);
    }
}
END_TEST

/* shows: 7413-08 7413-11 7413-07 */
START_TEST(text_on_a_syn)
{
    struct conv c = server(5);
    struct hx *h = c.h;
    uint8_t cookie[8];
    char raw[40];
    get_cookie(&c, cookie);
    tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = 60000, .opts = fast(raw, cookie, 8), .len = 500);
    tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 501);
    ck_assert(!h->got.tcp.o.has_fastopen); /* it has it */
    assert_state(&c, TCPS_SYN_RECEIVED);
    ck_assert_int_eq(td_poll(h->st, c.l) & POLLIN, POLLIN);
    c.s = td_accept(h->st, c.l, NULL, NULL);
    ck_assert_int_ge(c.s, 0);
    ck_assert_int_eq(td_poll(h->st, c.s) & (POLLIN | POLLOUT), POLLIN | POLLOUT);
    read_pattern(&c, 0, 500); /* the harness numbers a SYN's text so */
    /* the answer goes before the handshake is over, as much as the initial window lets */
    write_pattern(&c, 1, 30000);
    hx_flush(h);
    struct heard x = hear(&c);
    ck_assert_uint_eq(x.text, 10 * 1460);
    /* our SYN-ACK is lost: it comes again, and nothing else does */
    tcp_out(h, SEC(1), .flags = SYN | ACK, .seq = HX_ZERO, .ack = 501);
    ck_assert(!h->got.tcp.o.has_fastopen);
    hx_quiet(h, SEC(2));
    /* the client's SYN too */
    tcp_in(h, MS(2500), .flags = SYN, .seq = 0, .wnd = 60000, .opts = fast(raw, cookie, 8),
           .len = 500);
    tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 501);
    tcp_in(h, MS(2600), .flags = ACK, .seq = 501, .ack = 1, .wnd = 60000);
    assert_state(&c, TCPS_ESTABLISHED);
    ck_assert_int_eq(info(&c).tcpi_options & TCPI_OPT_SYN_DATA, TCPI_OPT_SYN_DATA);
    ck_assert_uint_eq(hx_counter(h, "TcpExtTCPFastOpenPassive"), 1);
    hx_drain(h);
    tcp_in(h, MS(2700), .flags = ACK, .seq = 501, .ack = 14601, .wnd = 60000, .len = 10);
    ck_assert_uint_eq(conv_tcb(&c)->snd_una, conv_tcb(&c)->iss + 14601);
    read_pattern(&c, 501, 10);
    hx_drain(h);
    leave(&c);
}
END_TEST

/* The client's ACK acknowledges our text as well. */
START_TEST(ack_of_the_syn_and_of_text)
{
    struct conv c = server(5);
    struct hx *h = c.h;
    uint8_t cookie[8];
    char raw[40];
    get_cookie(&c, cookie);
    tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = 60000, .opts = fast(raw, cookie, 8), .len = 5);
    tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 6);
    c.s = td_accept(h->st, c.l, NULL, NULL);
    write_pattern(&c, 1, 1000);
    hx_flush(h);
    tcp_out(h, NOW, .flags = ACK | PSH, .seq = 1, .ack = 6, .len = 1000);
    tcp_in(h, MS(10), .flags = ACK, .seq = 6, .ack = 1001, .wnd = 60000);
    assert_state(&c, TCPS_ESTABLISHED);
    ck_assert_uint_eq(conv_tcb(&c)->snd.len, 0);
    hx_quiet(h, SEC(10));
    leave(&c);
    /* the user has closed meanwhile: FIN behind it, before the handshake is over */
    c = server(5);
    h = c.h;
    get_cookie(&c, cookie);
    tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = 60000, .opts = fast(raw, cookie, 8), .len = 5);
    tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 6);
    c.s = td_accept(h->st, c.l, NULL, NULL);
    read_pattern(&c, 0, 5);
    write_pattern(&c, 1, 100);
    orphan(&c);
    tcp_out(h, NOW, .flags = ACK | PSH | FIN, .seq = 1, .ack = 6, .len = 100);
    assert_state(&c, TCPS_FIN_WAIT_1);
    tcp_in(h, MS(10), .flags = ACK, .seq = 6, .ack = 102, .wnd = 60000);
    assert_state(&c, TCPS_FIN_WAIT_2);
    tcp_in(h, MS(20), .flags = ACK | FIN, .seq = 6, .ack = 102, .wnd = 60000);
    tcp_out(h, NOW, .flags = ACK, .seq = 102, .ack = 7);
    assert_state(&c, TCPS_TIME_WAIT);
    leave(&c);
}
END_TEST

/* shows: 7413-01 7413-05 7413-02 7413-03 7413-08 ATK-TCPR-15 */
START_TEST(refused)
{
    uint8_t cookie[8];
    char raw[40];
    /* k: 0 wrong cookie, 1 somebody else's, 2 too short, 3 too long, 4 no option */
    for (int k = 0; k < 5; k++) {
        struct conv c = server(5);
        struct hx *h = c.h;
        get_cookie(&c, cookie);
        uint8_t bad[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
        td_ip4 src = 0;
        if (k >= 1 && k < 4) {
            memcpy(bad, cookie, 8);
        }
        src = k == 1 ? HX_FAR : 0;
        unsigned len = k == 2 ? 4 : k == 3 ? 16 : 8;
        struct hx_opts o = k == 4 ? (struct hx_opts){.mss = 1460} : fast(raw, bad, len);
        tcp_in(h, NOW, .src = src, .flags = SYN, .seq = 0, .wnd = 60000, .opts = o, .len = 100);
        tcp_out(h, NOW, .dst = src, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
        ck_assert_int_eq(h->got.tcp.o.has_fastopen, k != 4); /* the right one, for next time */
        if (k == 0) {
            ck_assert_mem_eq(h->got.tcp.o.fastopen, cookie, 8);
        }
        ck_assert_int_eq(td_poll(h->st, c.l) & POLLIN, 0);
        ck_assert_uint_eq(hx_counter(h, "TcpExtTCPFastOpenPassive"), 0);
        ck_assert_uint_eq(hx_counter(h, "TcpExtTCPFastOpenPassiveFail"), k != 4);
        leave(&c);
    }
    /* lengths that aren't Fast Open's at all: as if there were no option */
    static const uint8_t odd[] = {1, 2, 3, 5, 17};
    for (unsigned i = 0; i < 5; i++) {
        struct conv c = server(5);
        uint8_t junk[20] = {0};
        tcp_in(c.h, NOW, .flags = SYN, .seq = 0, .wnd = 60000, .opts = fast(raw, junk, odd[i]));
        tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
        ck_assert(!c.h->got.tcp.o.has_fastopen);
        leave(&c);
    }
    /* off: k 0 by the knob, 1 because the listener didn't ask */
    for (int k = 0; k < 2; k++) {
        struct conv c = server(k == 0 ? 5 : 0);
        knob_set(c.h, "net.ipv4.tcp_fastopen", k == 0 ? "1" : "3");
        tcp_in(c.h, NOW, .flags = SYN, .seq = 0, .wnd = 60000, .opts = fast(raw, NULL, 0));
        tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
        ck_assert(!c.h->got.tcp.o.has_fastopen);
        leave(&c);
    }
}
END_TEST

/* shows: 7413-05 ATK-TCPR-15 */
START_TEST(limit_of_pending)
{
    struct conv c = server(2);
    struct hx *h = c.h;
    uint8_t cookie[8];
    char raw[40];
    get_cookie(&c, cookie);
    for (uint16_t p = 50000; p < 50002; p++) {
        tcp_in(h, NOW, .sport = p, .flags = SYN, .seq = 0, .wnd = 1000,
               .opts = fast(raw, cookie, 8), .len = 10);
        tcp_out(h, NOW, .dport = p, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 11);
    }
    tcp_in(h, NOW, .sport = 50002, .flags = SYN, .seq = 0, .wnd = 1000,
           .opts = fast(raw, cookie, 8), .len = 10);
    tcp_out(h, NOW, .dport = 50002, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    ck_assert(!h->got.tcp.o.has_fastopen);
    ck_assert_uint_eq(hx_counter(h, "TcpExtTCPFastOpenListenOverflow"), 1);
    /* one completes: room for one */
    tcp_in(h, NOW, .sport = 50000, .flags = ACK, .seq = 11, .ack = 1, .wnd = 1000);
    tcp_in(h, NOW, .sport = 50003, .flags = SYN, .seq = 0, .wnd = 1000,
           .opts = fast(raw, cookie, 8), .len = 10);
    tcp_out(h, NOW, .dport = 50003, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 11);
    /* one is reset after accept(): it still counts for a minute, as that may have been an attack */
    for (int i = 0; i < 3; i++) {
        ck_assert_int_ge(td_accept(h->st, c.l, NULL, NULL), 0);
    }
    tcp_in(h, NOW, .sport = 50003, .flags = RST, .seq = 11);
    tcp_in(h, NOW, .sport = 50004, .flags = SYN, .seq = 0, .wnd = 1000,
           .opts = fast(raw, cookie, 8), .len = 10);
    tcp_out(h, NOW, .dport = 50004, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    hx_until(h, SEC(61));
    hx_drain(h);
    tcp_in(h, NOW, .sport = 50005, .flags = SYN, .seq = 0, .wnd = 1000,
           .opts = fast(raw, cookie, 8), .len = 10);
    tcp_out(h, NOW, .dport = 50005, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 11);
    hx_until(h, SEC(300));
    hx_drain(h);
    leave(&c);
}
END_TEST

START_TEST(reset_of_a_child)
{
    struct conv c = server(5);
    struct hx *h = c.h;
    uint8_t cookie[8];
    char raw[40], b[20];
    get_cookie(&c, cookie);
    tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = 60000, .opts = fast(raw, cookie, 8), .len = 10);
    tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 11);
    c.s = td_accept(h->st, c.l, NULL, NULL);
    tcp_in(h, NOW, .flags = SYN, .seq = 50, .wnd = 100); /* in the window: no reset (RFC 5961) */
    tcp_out(h, NOW, .flags = ACK, .seq = 1, .ack = 11);
    assert_state(&c, TCPS_SYN_RECEIVED);
    tcp_in(h, NOW, .flags = RST, .seq = 11);
    assert_state(&c, TCPS_CLOSED);
    ck_assert_int_eq(td_recv(h->st, c.s, b, sizeof b, 0), 10); /* what came can be read */
    ck_assert_int_eq(td_recv(h->st, c.s, b, sizeof b, 0), -ECONNRESET);
    leave(&c);
    /* nobody ever answers: one more SYN-ACK than usual, then it is given up */
    c = server(5);
    h = c.h;
    get_cookie(&c, cookie);
    tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = 60000, .opts = fast(raw, cookie, 8), .len = 10);
    tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 11);
    c.s = td_accept(h->st, c.l, NULL, NULL);
    td_time at = 0;
    for (int i = 0; i < 6; i++) {
        at += SEC(1 << i);
        tcp_out(h, at, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 11);
    }
    hx_quiet(h, SEC(200));
    ck_assert_int_eq(so_error(h, c.s), ETIMEDOUT);
    leave(&c);
}
END_TEST

/* shows: 7413-03 */
START_TEST(keys_change)
{
    struct conv c = server(5);
    struct hx *h = c.h;
    uint8_t old[8], now[8];
    char raw[40];
    get_cookie(&c, old);
    knob_set(h, "net.ipv4.tcp_fastopen_key", KEY_0 "," KEY_A);
    tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = 60000, .opts = fast(raw, old, 8), .len = 10);
    tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 11); /* taken, and renewed */
    ck_assert_uint_eq(h->got.tcp.o.fastopen_len, 8);
    memcpy(now, h->got.tcp.o.fastopen, 8);
    ck_assert(memcmp(old, now, 8) != 0);
    ck_assert_uint_eq(hx_counter(h, "TcpExtTCPFastOpenPassiveAltKey"), 1);
    knob_set(h, "net.ipv4.tcp_fastopen_key", KEY_0); /* the old one expires */
    tcp_in(h, NOW, .sport = 50001, .flags = SYN, .seq = 0, .wnd = 60000, .opts = fast(raw, old, 8),
           .len = 10);
    tcp_out(h, NOW, .dport = 50001, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    ck_assert_mem_eq(h->got.tcp.o.fastopen, now, 8);
    /* a listener's own */
    uint8_t key[32] = {0xa1, 0xa1, 0xa1, 0xa1, 0xb2, 0xb2, 0xb2, 0xb2,
                       0xc3, 0xc3, 0xc3, 0xc3, 0xd4, 0xd4, 0xd4, 0xd4};
    ck_assert_int_eq(td_setsockopt(h->st, c.l, IPPROTO_TCP, TCP_FASTOPEN_KEY, key, 15), -EINVAL);
    ck_assert_int_eq(td_setsockopt(h->st, c.l, IPPROTO_TCP, TCP_FASTOPEN_KEY, key, 16), 0);
    uint8_t back[32];
    socklen_t len = sizeof back;
    ck_assert_int_eq(td_getsockopt(h->st, c.l, IPPROTO_TCP, TCP_FASTOPEN_KEY, back, &len), 0);
    ck_assert_uint_eq(len, 16);
    ck_assert_mem_eq(back, key, 16);
    tcp_in(h, NOW, .sport = 50002, .flags = SYN, .seq = 0, .wnd = 60000, .opts = fast(raw, old, 8),
           .len = 10);
    tcp_out(h, NOW, .dport = 50002, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 11);
    /* what is no key */
    static const char *const bad[] = {"",        "1",        "1-2-3",          "1-2-3-4-5",
                                      "1-2-3-x", "1-2-3-4,", "111111111-2-3-4"};
    for (unsigned i = 0; i < 7; i++) {
        ck_assert_int_eq(td_knob_set(h->st, "net.ipv4.tcp_fastopen_key", bad[i]), -EINVAL);
    }
    leave(&c);
}
END_TEST

START_TEST(without_cookies_and_the_old_option)
{
    char raw[40];
    for (int k = 0; k < 2; k++) { /* by the knob, by the socket */
        struct conv c = server(5);
        if (k == 0) {
            knob_set(c.h, "net.ipv4.tcp_fastopen", "515"); /* 3 + 0x200 */
        } else {
            set_opt(c.h, c.l, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
        }
        tcp_in(c.h, NOW, .flags = SYN, .seq = 0, .wnd = 60000, .opts = {.mss = 1460}, .len = 10);
        tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 11);
        leave(&c);
    }
    struct conv c = conv_new(TD_PROFILE_LINUX);
    knob_set(c.h, "net.ipv4.tcp_fastopen", "1027"); /* 3 + 0x400: every listener */
    c.l = hx_tcp_listen(c.h, 80);
    ck_assert_int_eq(get_opt(c.h, c.l, IPPROTO_TCP, TCP_FASTOPEN), 16);
    uint8_t cookie[8];
    get_cookie(&c, cookie);
    leave(&c);
    c = server(5); /* kind 254: asked and answered in kind */
    memcpy(raw, "\x02\x04\x05\xb4\xfe\x04\xf9\x89", 8);
    tcp_in(c.h, NOW, .flags = SYN, .seq = 0, .wnd = 60000, .opts = {.raw = raw, .raw_len = 8});
    tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    ck_assert(c.h->got.tcp.o.has_fastopen && c.h->got.tcp.o.fastopen_exp);
    ck_assert_uint_eq(c.h->got.tcp.raw_len, 4 + 12);
    ck_assert_mem_eq(c.h->got.tcp.raw + 4, "\xfe\x0c\xf9\x89", 4);
    leave(&c);
}
END_TEST

/* ---- the client ---- */

static const uint8_t a_cookie[8] = {0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4};

static int64_t fast_send(struct hx *h, int s, size_t n)
{
    static uint8_t b[4000];
    for (size_t i = 0; i < n; i++) {
        b[i] = hx_pattern(1 + i);
    }
    return td_sendto(h->st, s, b, n, MSG_FASTOPEN, HX_PEER, 40000);
}

static int bound(struct hx *h, uint16_t port)
{
    int s = td_socket(h->st, AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in sa = td_sockaddr(HX_US, port);
    int yes = 1;
    td_setsockopt(h->st, s, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    ck_assert_int_eq(td_bind(h->st, s, (const struct sockaddr *)&sa, sizeof sa), 0);
    return s;
}

/* A first connection, from our port 79, that brings a cookie and an MSS. */
static struct conv client(enum td_profile profile, uint16_t mss)
{
    struct conv c = conv_new(profile);
    struct hx *h = c.h;
    char raw[40];
    int s = bound(h, 79);
    ck_assert_int_eq(fast_send(h, s, 1000), -EINPROGRESS);
    hx_flush(h);
    tcp_out(h, NOW, .sport = 79, .flags = SYN, .seq = HX_ZERO);
    ck_assert(h->got.tcp.o.has_fastopen && h->got.tcp.o.fastopen_len == 0);
    struct hx_opts o = fast(raw, a_cookie, 8);
    raw[2] = (char)(mss >> 8);
    raw[3] = (char)mss;
    tcp_in(h, NOW, .dport = 79, .flags = SYN | ACK, .seq = 0, .ack = 1, .wnd = 60000, .opts = o);
    tcp_out(h, NOW, .sport = 79, .flags = ACK, .seq = 1, .ack = 1);
    tcp_in(h, NOW, .dport = 79, .flags = RST, .seq = 1);
    td_close(h->st, s);
    c.s = bound(h, 80);
    c.st = SYS;
    return c;
}

/* shows: 7413-04 7413-06 7413-08 */
START_TEST(text_with_the_syn)
{
    struct conv c = client(TD_PROFILE_LINUX, 1460);
    struct hx *h = c.h;
    ck_assert_int_eq(fast_send(h, c.s, 500), 500);
    hx_flush(h);
    tcp_out(h, NOW, .flags = SYN, .seq = HX_ZERO, .len = 500);
    ck_assert_uint_eq(h->got.tcp.o.fastopen_len, 8);
    ck_assert_mem_eq(h->got.tcp.o.fastopen, a_cookie, 8);
    ck_assert_uint_eq(h->got.data[0], hx_pattern(1));
    ck_assert_int_eq(fast_send(h, c.s, 5), -EALREADY);
    tcp_in(h, MS(10), .flags = SYN | ACK, .seq = 0, .ack = 501, .wnd = 60000, .len = 20,
           .opts = {.mss = 1460}); /* and the server's answer with it */
    tcp_out(h, NOW, .flags = ACK, .seq = 501, .ack = 21);
    assert_state(&c, TCPS_ESTABLISHED);
    read_pattern(&c, 0, 20);
    ck_assert_int_eq(info(&c).tcpi_options & TCPI_OPT_SYN_DATA, TCPI_OPT_SYN_DATA);
    ck_assert_uint_eq(hx_counter(h, "TcpExtTCPFastOpenActive"), 1);
    write_pattern(&c, 501, 10);
    hx_flush(h);
    tcp_out(h, NOW, .flags = ACK | PSH, .seq = 501, .ack = 21, .len = 10);
    leave(&c);
}
END_TEST

/* shows: 7413-06 */
START_TEST(as_much_as_the_mss_leaves)
{
    static const uint16_t mss[] = {1460, 1000, 9000};
    static const size_t fits[] = {1420, 960, 1420};
    for (unsigned i = 0; i < 3; i++) {
        struct conv c = client(TD_PROFILE_LINUX, mss[i]);
        ck_assert_int_eq(fast_send(c.h, c.s, 3000), (int64_t)fits[i]);
        hx_flush(c.h);
        tcp_out(c.h, NOW, .flags = SYN, .seq = HX_ZERO, .len = fits[i]);
        leave(&c);
    }
    /* nothing known, and no cookie wanted: 536 */
    struct conv c = conv_new(TD_PROFILE_RFC);
    knob_set(c.h, "net.ipv4.tcp_fastopen", "5");
    c.s = bound(c.h, 80);
    ck_assert_int_eq(fast_send(c.h, c.s, 3000), 496);
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = SYN, .seq = HX_ZERO, .len = 496);
    ck_assert(!c.h->got.tcp.o.has_fastopen);
    leave(&c);
}
END_TEST

/* shows: 7413-09 */
START_TEST(text_that_was_not_taken)
{
    for (int k = 0; k < 2; k++) { /* nothing of it, a part of it */
        struct conv c = client(TD_PROFILE_LINUX, 1460);
        struct hx *h = c.h;
        int64_t took = k == 0 ? 0 : 200;
        ck_assert_int_eq(fast_send(h, c.s, 500), 500);
        hx_flush(h);
        tcp_out(h, NOW, .flags = SYN, .seq = HX_ZERO, .len = 500);
        tcp_in(h, MS(10), .flags = SYN | ACK, .seq = 0, .ack = 1 + took, .wnd = 60000,
               .opts = {.mss = 1460});
        tcp_out(h, NOW, .flags = ACK | PSH, .seq = 1 + took, .ack = 1, .len = 500 - (size_t)took);
        for (size_t i = 0; i < h->got.len; i++) {
            ck_assert_uint_eq(h->got.data[i], hx_pattern(1 + (uint64_t)took + i));
        }
        tcp_in(h, MS(20), .flags = ACK, .seq = 1, .ack = 501, .wnd = 60000);
        hx_quiet(h, SEC(5));
        ck_assert_uint_eq(hx_counter(h, "TcpExtTCPFastOpenActiveFail"), 1);
        ck_assert_uint_eq(conv_tcb(&c)->snd.len, 0);
        leave(&c);
    }
}
END_TEST

/* shows: 7413-07 */
START_TEST(syn_again_is_a_plain_one)
{
    struct conv c = client(TD_PROFILE_LINUX, 1460);
    struct hx *h = c.h;
    ck_assert_int_eq(fast_send(h, c.s, 500), 500);
    hx_flush(h);
    tcp_out(h, NOW, .flags = SYN, .seq = HX_ZERO, .len = 500);
    tcp_out(h, hx_now(h) + SEC(1), .flags = SYN, .seq = HX_ZERO);
    ck_assert(!h->got.tcp.o.has_fastopen);
    tcp_in(h, NOW, .flags = SYN | ACK, .seq = 0, .ack = 1, .wnd = 60000, .opts = {.mss = 1460});
    tcp_out(h, NOW, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 500);
    leave(&c);
}
END_TEST

START_TEST(deferred_connect)
{
    struct conv c = client(TD_PROFILE_LINUX, 1460);
    struct hx *h = c.h;
    struct sockaddr_in sa = td_sockaddr(HX_PEER, 40000);
    ck_assert_int_eq(set_opt(h, c.s, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1), 0);
    ck_assert_int_eq(td_connect(h->st, c.s, (const struct sockaddr *)&sa, sizeof sa), 0);
    hx_quiet(h, SEC(1));
    ck_assert(td_poll(h->st, c.s) & POLLOUT);
    ck_assert_int_eq(td_connect(h->st, c.s, (const struct sockaddr *)&sa, sizeof sa), -EISCONN);
    write_pattern(&c, 1, 300); /* an ordinary send() opens */
    hx_flush(h);
    tcp_out(h, NOW, .flags = SYN, .seq = HX_ZERO, .len = 300);
    ck_assert_mem_eq(h->got.tcp.o.fastopen, a_cookie, 8);
    tcp_in(h, NOW, .flags = SYN | ACK, .seq = 0, .ack = 301, .wnd = 60000);
    tcp_out(h, NOW, .flags = ACK, .seq = 301, .ack = 1);
    leave(&c);
    c = client(TD_PROFILE_LINUX, 1460); /* closed before anything was sent */
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1), 0);
    ck_assert_int_eq(td_connect(c.h->st, c.s, (const struct sockaddr *)&sa, sizeof sa), 0);
    td_close(c.h->st, c.s);
    hx_quiet(c.h, SEC(1));
    leave(&c);
    c = conv_new(TD_PROFILE_LINUX); /* no cookie yet: it is asked for, the SYN goes at once */
    c.s = bound(c.h, 80);
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1), 0);
    ck_assert_int_eq(td_connect(c.h->st, c.s, (const struct sockaddr *)&sa, sizeof sa),
                     -EINPROGRESS);
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = SYN, .seq = HX_ZERO);
    ck_assert(c.h->got.tcp.o.has_fastopen && c.h->got.tcp.o.fastopen_len == 0);
    leave(&c);
}
END_TEST

/* shows: 7413-01 */
START_TEST(nobody_asked)
{
    struct conv c = client(TD_PROFILE_LINUX, 1460);
    struct hx *h = c.h;
    struct sockaddr_in sa = td_sockaddr(HX_PEER, 40000);
    ck_assert_int_eq(td_connect(h->st, c.s, (const struct sockaddr *)&sa, sizeof sa), -EINPROGRESS);
    hx_flush(h);
    tcp_out(h, NOW, .flags = SYN, .seq = HX_ZERO);
    ck_assert(!h->got.tcp.o.has_fastopen);
    leave(&c);
    c = conv_new(TD_PROFILE_LINUX); /* switched off */
    knob_set(c.h, "net.ipv4.tcp_fastopen", "0");
    c.s = bound(c.h, 80);
    ck_assert_int_eq(fast_send(c.h, c.s, 5), -EOPNOTSUPP);
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1), -EOPNOTSUPP);
    leave(&c);
}
END_TEST

/* What goes wrong is remembered. */
/* shows: 7413-04 */
START_TEST(negative_results)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    struct hx *h = c.h;
    /* no cookie came: the next SYN asks by the old option; none again: by the new one */
    for (int k = 0; k < 3; k++) {
        int s = bound(h, (uint16_t)(60 + k));
        ck_assert_int_eq(fast_send(h, s, 10), -EINPROGRESS);
        hx_flush(h);
        tcp_out(h, NOW, .sport = (uint16_t)(60 + k), .flags = SYN, .seq = HX_ZERO);
        ck_assert(h->got.tcp.o.has_fastopen);
        ck_assert_int_eq(h->got.tcp.o.fastopen_exp, k == 1);
        tcp_in(h, NOW, .dport = (uint16_t)(60 + k), .flags = SYN | ACK, .seq = 0, .ack = 1,
               .wnd = 60000, .opts = {.mss = 1460});
        tcp_out(h, NOW, .sport = (uint16_t)(60 + k), .flags = ACK, .seq = 1, .ack = 1);
    }
    leave(&c);
    /* text lost on two SYNs in a row: an ordinary SYN, for a while (the rfc profile) */
    c = client(TD_PROFILE_RFC, 1460);
    h = c.h;
    int s = c.s;
    for (int k = 0; k < 3; k++) {
        uint16_t port = (uint16_t)(80 + k);
        s = k == 0 ? s : bound(h, port);
        ck_assert_int_eq(fast_send(h, s, 10), k < 2 ? 10 : -EINPROGRESS);
        hx_flush(h);
        tcp_out(h, NOW, .sport = port, .flags = SYN, .seq = HX_ZERO, .len = k < 2 ? 10 : 0);
        ck_assert_int_eq(h->got.tcp.o.has_fastopen, k < 2);
        tcp_out(h, hx_now(h) + SEC(1), .sport = port, .flags = SYN, .seq = HX_ZERO);
        tcp_in(h, NOW, .dport = port, .flags = SYN | ACK, .seq = 0, .ack = 1, .wnd = 60000);
        hx_drain(h);
        tcp_in(h, NOW, .dport = port, .flags = RST, .seq = 1);
    }
    leave(&c);
}
END_TEST

START_TEST(black_hole)
{
    struct conv c = client(TD_PROFILE_LINUX, 1460);
    struct hx *h = c.h;
    knob_set(h, "net.ipv4.tcp_fastopen_blackhole_timeout_sec", "10");
    ck_assert_int_eq(fast_send(h, c.s, 10), 10);
    hx_flush(h);
    hx_until(h, SEC(4)); /* three time-outs */
    hx_drain(h);
    ck_assert_uint_eq(hx_counter(h, "TcpExtTCPFastOpenBlackhole"), 1);
    tcp_in(h, NOW, .flags = RST | ACK, .seq = 0, .ack = 1);
    int s = bound(h, 81);
    ck_assert_int_eq(fast_send(h, s, 10), -EINPROGRESS);
    hx_flush(h);
    tcp_out(h, NOW, .sport = 81, .flags = SYN, .seq = HX_ZERO);
    ck_assert(!h->got.tcp.o.has_fastopen);
    td_close(h->st, s);
    hx_until(h, SEC(15)); /* over */
    hx_drain(h);
    s = bound(h, 82);
    ck_assert_int_eq(fast_send(h, s, 10), 10);
    hx_flush(h);
    tcp_out(h, NOW, .sport = 82, .flags = SYN, .seq = HX_ZERO, .len = 10);
    leave(&c);
}
END_TEST

/* The cache is bounded; the oldest goes. */
START_TEST(many_servers)
{
    struct conv c = client(TD_PROFILE_LINUX, 1460);
    struct hx *h = c.h;
    char raw[40];
    knob_set(h, "net.ipv4.tcp_fastopen_peers", "10");
    h->any_tx = true;
    for (uint32_t i = 0; i < 50; i++) {
        int s = td_socket(h->st, AF_INET, SOCK_STREAM, 0);
        ck_assert_int_eq(td_sendto(h->st, s, "x", 1, MSG_FASTOPEN, HX_FAR + i, 40000),
                         -EINPROGRESS);
        hx_flush(h);
        struct sockaddr_in sa;
        socklen_t len = sizeof sa;
        td_getsockname(h->st, s, (struct sockaddr *)&sa, &len);
        struct tcp_tuple a = {HX_US, HX_FAR + i, ntohs(sa.sin_port), 40000};
        int64_t iss = container_of(tcp_ep_find(h->st, &a), struct tcb, ep)->iss;
        tcp_in(h, NOW, .src = HX_FAR + i, .dport = a.lport, .absolute = true, .flags = SYN | ACK,
               .seq = 77, .ack = (int64_t)(uint32_t)(iss + 1), .wnd = 1000,
               .opts = fast(raw, a_cookie, 8));
        h->nconns = 1;
        td_close(h->st, s);
    }
    ck_assert_uint_eq(h->st->tcp->tfo_peers.count, 10);
    h->any_tx = false;
    hx_drain(h);
    ck_assert_int_eq(fast_send(h, c.s, 10), -EINPROGRESS); /* forgotten */
    hx_drain(h);
    leave(&c);
}
END_TEST

START_TEST(no_memory)
{
    char raw[40];
    for (int n = 1; n < 40; n++) {
        struct conv c = server(5);
        struct hx *h = c.h;
        uint8_t cookie[8];
        knob_set(h, "tapdeck.journal.level", "0");
        get_cookie(&c, cookie);
        h->any_tx = true;
        h->fail_alloc = n;
        tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = 60000, .opts = fast(raw, cookie, 8),
               .len = 10);
        int s = td_accept(h->st, c.l, NULL, NULL);
        if (s >= 0) {
            (void)td_send(h->st, s, "abc", 3, 0);
            hx_flush(h);
        }
        int o = td_socket(h->st, AF_INET, SOCK_STREAM, 0);
        if (o >= 0) {
            (void)td_sendto(h->st, o, "abc", 3, MSG_FASTOPEN, HX_PEER, 40000);
            hx_flush(h);
        }
        h->fail_alloc = 0;
        hx_until(h, SEC(400));
        h->any_tx = false;
        hx_drain(h);
        leave(&c);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp fast open");
    TCase *tc = tcase_create("server");
    tcase_add_test(tc, cookies_are_those_of_linux);
    tcase_add_test(tc, text_on_a_syn);
    tcase_add_test(tc, ack_of_the_syn_and_of_text);
    tcase_add_test(tc, refused);
    tcase_add_test(tc, limit_of_pending);
    tcase_add_test(tc, reset_of_a_child);
    tcase_add_test(tc, keys_change);
    tcase_add_test(tc, without_cookies_and_the_old_option);
    suite_add_tcase(s, tc);
    tc = tcase_create("client");
    tcase_add_test(tc, text_with_the_syn);
    tcase_add_test(tc, as_much_as_the_mss_leaves);
    tcase_add_test(tc, text_that_was_not_taken);
    tcase_add_test(tc, syn_again_is_a_plain_one);
    tcase_add_test(tc, deferred_connect);
    tcase_add_test(tc, nobody_asked);
    tcase_add_test(tc, negative_results);
    tcase_add_test(tc, black_hole);
    tcase_add_test(tc, many_servers);
    tcase_add_test(tc, no_memory);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
