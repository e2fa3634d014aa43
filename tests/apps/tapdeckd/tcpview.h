/* tests/apps/tapdeckd/tcpview.h: a console on the harness's stack, and a conversation to look at.
 */
#ifndef TESTS_TCPVIEW_H
#define TESTS_TCPVIEW_H

#include "console.h"

#include <sys/socket.h>

#include "harness.h"
#include "tapdeckd/conn.h"

static struct hx *h;

static inline void view_open(void)
{
    h = hx_new();
    con.st = h->st;
    deck_init(&con.deck, h->st, "test");
    con.deck.wall_offset = INT64_C(1700000000) * (int64_t)TD_SEC - (int64_t)h->start;
    setenv("TZ", "UTC", 1);
}

static inline void view_close(void)
{
    deck_done(&con.deck);
    hx_free(h);
}

/* A connection from port 40000 to 80, with SACK: 10 ms of handshake. */
static inline int view_connected(void)
{
    const struct hx_opts o = {.mss = 1460, .sack_perm = true, .wscale = 8};
    int l = hx_tcp_listen(h, 80);
    tcp_in(h, MS(0), .flags = SYN, .wnd = 64000, .opts = o);
    tcp_out(h, MS(0), .flags = SYN | ACK, .ack = 1);
    tcp_in(h, MS(10), .flags = ACK, .seq = 1, .ack = 1, .wnd = 500);
    int s = td_accept(h->st, l, NULL, NULL);
    ck_assert_int_ge(s, 0);
    return s;
}

/* A request of 100 bytes, an answer of five segments, of which the second is lost and sent again.
 */
static inline void view_transfer(int s)
{
    static const uint8_t bytes[7300];
    char in[200];
    tcp_in(h, MS(20), .flags = PSH | ACK, .seq = 1, .ack = 1, .wnd = 500, .len = 100);
    ck_assert_int_eq(td_recv(h->st, s, in, sizeof in, 0), 100);
    ck_assert_int_eq(td_send(h->st, s, bytes, sizeof bytes, 0), (int)sizeof bytes);
    hx_flush(h);
    hx_drain(h);
    tcp_in(h, MS(30), .flags = ACK, .seq = 101, .ack = 1461, .wnd = 500);
    for (unsigned i = 0; i < 3; i++) {
        tcp_in(h, MS(31 + i), .flags = ACK, .seq = 101, .ack = 1461, .wnd = 500,
               .opts = {.nsack = 1, .sack = {{2921, 4381 + 1460 * i}}});
    }
    hx_flush(h);
    hx_drain(h);
    tcp_in(h, MS(44), .flags = ACK, .seq = 101, .ack = 7301, .wnd = 500);
    hx_flush(h);
    hx_drain(h);
}

/* The server closes, then the client: TIME-WAIT here. */
static inline void view_closed(int s)
{
    ck_assert_int_eq(td_close(h->st, s), 0);
    hx_flush(h);
    hx_drain(h);
    tcp_in(h, MS(54), .flags = ACK, .seq = 101, .ack = 7302, .wnd = 500);
    tcp_in(h, MS(55), .flags = FIN | ACK, .seq = 101, .ack = 7302, .wnd = 500);
    hx_flush(h);
    hx_drain(h);
}

/* No line of the last output is longer than 80 columns (UTF-8 counted by characters). */
static inline void view_fits(void)
{
    unsigned columns = 0;
    for (const char *c = con.out; *c != '\0'; c++) {
        columns = *c == '\n' ? 0 : columns + ((*c & 0xc0) != 0x80);
        ck_assert_msg(columns <= 80, "a line of %u columns: %.100s", columns, c - columns);
    }
}

/* The last output, to the byte. */
static inline void view_is(const char *expected)
{
    ck_assert_msg(strcmp(con.out, expected) == 0, "expected:\n%.1800s\ngot:\n%.1800s", expected, con.out);
}

#endif
