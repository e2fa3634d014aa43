/* Generic receive offload: what is joined, what isn't, and that nothing is overtaken, lost or
 * damaged by it. */
#include "check_main.h"
#include "harness.h"

#include "core/journal.h"
#include "core/stack.h"
#include "ip/ip.h"
#include "link/link.h"
#include "wire/checksum.h"

#include <errno.h>
#include <string.h>

static struct hx *h;
static int c; /* an accepted connection */

static void setup(void)
{
    h = hx_new();
    c = hx_tcp_accept(h, hx_tcp_listen(h, 80), 0, 60000);
    ck_assert_int_eq(td_if_set_flags(h->st, h->ifindex, TD_IF_GRO, 0), 0);
    hx_drain(h);
}

static void teardown(void)
{
    ck_assert_int_eq(td_close(h->st, c), 0);
    hx_drain(h);
    hx_free(h);
}

struct seg {
    uint32_t seq, len; /* relative; bytes of text */
    uint16_t flags;    /* besides ACK */
    uint16_t wnd, sport;
    uint8_t tos;
    bool bad; /* its checksum */
    bool udp; /* instead: a datagram of UDP */
};

/* A frame of the peer, without a flush behind it. */
static void in(struct seg s)
{
    static uint16_t id;
    uint8_t b[2048];
    struct hx_conn *k = hx_conn(h, HX_PEER, HX_PEER_PORT, 80);
    struct eth_hdr e = {
        .dst = HX_US_MAC, .src = HX_PEER_MAC, .type = ETHERTYPE_IPV4, .hlen = ETH_HLEN};
    struct tcp_hdr t = {.sport = s.sport != 0 ? s.sport : HX_PEER_PORT,
                        .dport = 80,
                        .seq = k->irs + s.seq,
                        .ack = k->iss + 1,
                        .flags = (uint16_t)(TCP_ACK | s.flags),
                        .wnd = s.wnd != 0 ? s.wnd : 60000,
                        .hlen = 20};
    uint32_t l4 = 20 + s.len, sum;
    struct ipv4_hdr ip = {.hlen = 20,
                          .ttl = 64,
                          .proto = IPPROTO_TCP_,
                          .src = HX_PEER,
                          .dst = HX_US,
                          .id = ++id,
                          .flags = IPV4_DF,
                          .tos = s.tos,
                          .total_len = (uint16_t)(20 + l4)};
    uint32_t len = ETH_HLEN + 20U + l4;
    memset(b, 0xee, sizeof b);
    (void)eth_emit(&e, b);
    if (s.udp)
        ip.proto = IPPROTO_UDP_;
    (void)ipv4_emit(&ip, b + ETH_HLEN);
    (void)tcp_emit(&t, b + ETH_HLEN + 20);
    for (uint32_t i = 0; i < s.len; i++)
        b[ETH_HLEN + 40 + i] = hx_pattern(s.seq + i);
    wire_put16(b + ETH_HLEN + 20 + 16, 0);
    sum = checksum_add(checksum_pseudo(HX_PEER, HX_US, IPPROTO_TCP_, l4), b + ETH_HLEN + 20, l4);
    wire_put16(b + ETH_HLEN + 20 + 16, (uint16_t)(checksum_finish(sum) + s.bad));
    ck_assert_int_eq(
        td_stack_input_bytes(h->st, h->ifindex, b, len < 60 ? 60 : len, td_stack_now(h->st)), 0);
}

static uint64_t counted(int id)
{
    return h->st->counters.v[id];
}
static uint64_t joined(void)
{
    return h->st->journal.events[EV_LINK_JOINED];
}

/* All of [from, from + n) is there, and nothing else. */
static void got(uint32_t from, uint32_t n)
{
    static uint8_t b[70000];
    int64_t have = td_recv(h->st, c, b, sizeof b, 0);
    ck_assert_int_eq(have, n != 0 ? (int64_t)n : -EAGAIN);
    for (uint32_t i = 0; i < n; i++)
        ck_assert_uint_eq(b[i], hx_pattern(from + i));
}

START_TEST(test_a_batch)
{
    uint64_t segs = counted(CNT_TcpInSegs), frames = counted(CNT_EthInFrames);
    for (uint32_t i = 0; i < 10; i++)
        in((struct seg){.seq = 1 + 1000 * i, .len = 1000});
    got(0, 0); /* still waiting for the end of the batch */
    hx_flush(h);
    ck_assert_uint_eq(joined(), 1);
    ck_assert_uint_eq(counted(CNT_TcpInSegs) - segs, 1);
    ck_assert_uint_eq(counted(CNT_EthInFrames) - frames, 10);
    got(1, 10000);
    tcp_out(h, NOW, .flags = ACK, .seq = 1, .ack = 10001); /* one acknowledgment */
    hx_drain(h);
}
END_TEST

START_TEST(test_ends)
{
    in((struct seg){.seq = 1, .len = 1000});
    in((struct seg){.seq = 1001, .len = 300}); /* shorter: the end */
    got(1, 1300);                              /* goes up at once */
    in((struct seg){.seq = 1301, .len = 500});
    in((struct seg){.seq = 1801, .len = 500, .flags = TCP_PSH});
    got(1301, 1000);
    in((struct seg){.seq = 2301, .len = 100});
    in((struct seg){.seq = 2401, .len = 900}); /* longer than the first: not one of its kind */
    got(2301, 100);
    hx_flush(h);
    got(2401, 900);
    in((struct seg){.seq = 3301, .len = 3}); /* a frame with padding */
    in((struct seg){.seq = 3304, .len = 3});
    in((struct seg){.seq = 3307, .len = 1});
    got(3301, 7);
    ck_assert_uint_eq(joined(), 3);
    hx_drain(h);
}
END_TEST

/* What differs is not joined, but nothing overtakes. */
START_TEST(test_not_joined)
{
    const struct seg others[] = {{.seq = 2001, .len = 1000},               /* a hole */
                                 {.seq = 1001, .len = 1000, .wnd = 50000}, /* another window */
                                 {.seq = 1001, .len = 1000, .tos = 3},     /* marked */
                                 {.seq = 1001, .len = 1000, .flags = TCP_FIN},
                                 {.seq = 1001, .len = 1000, .flags = TCP_URG},
                                 {.seq = 1001, .len = 0}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        teardown();
        setup();
        in((struct seg){.seq = 1, .len = 1000});
        in(others[i]);
        hx_flush(h);
        ck_assert_uint_eq(joined(), 0);
        got(1, others[i].len == 0 || others[i].seq > 1001 ? 1000 : 2000);
        hx_drain(h);
    }
}
END_TEST

START_TEST(test_flows)
{
    uint64_t segs = counted(CNT_TcpInSegs);
    for (uint16_t i = 0; i < 12;
         i++) /* more flows than wait: the others are answered with a reset */
        in((struct seg){.seq = 1, .len = 100, .sport = (uint16_t)(i == 0 ? 0 : 20000 + i)});
    ck_assert_uint_eq(counted(CNT_TcpInSegs) - segs, 4);
    in((struct seg){.seq = 1, .udp = true}); /* something else: what waits goes first */
    ck_assert_uint_eq(counted(CNT_TcpInSegs) - segs, 12);
    got(1, 100);
    hx_drain(h);
}
END_TEST

START_TEST(test_damaged)
{
    uint64_t bad = counted(CNT_TcpInErrs);
    in((struct seg){.seq = 1, .len = 1000});
    in((struct seg){.seq = 1001, .len = 1000, .bad = true});
    in((struct seg){.seq = 1001, .len = 1000});
    hx_flush(h);
    got(1, 2000);
    ck_assert_uint_eq(counted(CNT_TcpInErrs) - bad, 1);
    hx_drain(h);
}
END_TEST

/* Up to the size of a datagram; switched off, gone or down, nothing is kept. */
START_TEST(test_limits)
{
    for (uint32_t i = 0; i < 50; i++)
        in((struct seg){.seq = 1 + 1400 * i, .len = 1400});
    hx_flush(h);
    ck_assert_uint_eq(joined(), 2); /* 46 of them fit into 65,535 octets */
    hx_drain(h);
    in((struct seg){.seq = 70001, .len = 1000});
    ck_assert_int_eq(td_if_set_flags(h->st, h->ifindex, 0, TD_IF_GRO), 0);
    hx_flush(h);
    uint64_t segs = counted(CNT_TcpInSegs);
    in((struct seg){.seq = 71001, .len = 1000});
    ck_assert_uint_eq(counted(CNT_TcpInSegs) - segs, 1); /* at once */
    hx_drain(h);
    ck_assert_int_eq(td_if_set_flags(h->st, 1, TD_IF_GRO, 0), -EINVAL); /* lo has no device */
}
END_TEST

START_TEST(test_interface_goes)
{
    in((struct seg){.seq = 1, .len = 1000});
    ck_assert_int_eq(td_if_del(h->st, h->ifindex), 0);
    hx_flush(h); /* what waited is gone with it */
    got(0, 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("gro");
    TCase *tc = tcase_create("all");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_a_batch);
    tcase_add_test(tc, test_ends);
    tcase_add_test(tc, test_not_joined);
    tcase_add_test(tc, test_flows);
    tcase_add_test(tc, test_damaged);
    tcase_add_test(tc, test_limits);
    tcase_add_test(tc, test_interface_goes);
    suite_add_tcase(s, tc);
    return s;
}
CHECK_MAIN(suite)
