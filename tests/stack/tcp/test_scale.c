/* Very many connections in one instance: what each costs, by the allocator, and that nothing is
 * done for those that are idle, by counting timers.
 *
 * By default a tenth of what the stack is made for (10,000 connections, 100,000 TIME-WAITs), so
 * that it takes a few seconds; TAPDECK_SCALE=1 is the full size: 100,000 and 1,000,000. What was
 * measured is printed. */
#include "check_main.h"
#include "tcp_states.h"

#include <stdio.h>
#include <stdlib.h>

static uint32_t scaled(uint32_t full)
{
    const char *s = getenv("TAPDECK_SCALE");
    uint32_t less = getenv("VALGRIND") != NULL ? 200 : 10;
    return s != NULL && *s != '\0' && *s != '0' ? full : full / less;
}

/* One of many peers: 60,000 ports each. The harness is told nothing: it remembers 64 at most. */
struct peer {
    td_ip4 addr;
    uint16_t port;
};
static struct peer peer_nth(uint32_t n)
{
    return (struct peer){TD_IP4(198, 18, 0, 1) + n / 60000, (uint16_t)(1024 + n % 60000)};
}

static void segment(struct hx *h, struct peer p, uint16_t flags, uint32_t seq, uint32_t ack,
                    uint32_t ts)
{
    uint8_t f[100];
    const struct eth_hdr eth = {.dst = HX_US_MAC, .src = HX_ROUTER_MAC, .type = 0x0800};
    struct tcp_hdr t = {.sport = p.port,
                        .dport = 80,
                        .seq = seq,
                        .ack = ack,
                        .flags = flags,
                        .wnd = 60000,
                        .o = {.has_mss = (flags & SYN) != 0,
                              .mss = 1460,
                              .has_wscale = (flags & SYN) != 0,
                              .wscale = 7,
                              .has_sack_perm = (flags & SYN) != 0,
                              .has_ts = true,
                              .ts_val = ts}};
    tcp_opts_layout(&t, (flags & SYN) != 0, TCP_OPTS_LINUX);
    size_t at = eth_emit(&eth, f);
    const struct ipv4_hdr ip = {.hlen = 20,
                                .ttl = 64,
                                .proto = 6,
                                .src = p.addr,
                                .dst = HX_US,
                                .total_len = (uint16_t)(20 + t.hlen)};
    at += ipv4_emit(&ip, f + at);
    size_t len = tcp_emit(&t, f + at);
    uint32_t sum = checksum_pseudo(p.addr, HX_US, 6, (uint32_t)len);
    wire_put16(f + at + 16, checksum_finish(checksum_add(sum, f + at, len)));
    ck_assert_int_eq(td_stack_input_bytes(h->st, h->ifindex, f, at + len, td_stack_now(h->st)), 0);
}

static struct tcp_ep *ep_of(struct hx *h, struct peer p)
{
    const struct tcp_tuple a = {HX_US, p.addr, 80, p.port};
    return tcp_ep_find(h->st, &a);
}

/* Handshake and accept(); the handle. *iss: our number. */
static int open_nth(struct hx *h, int l, uint32_t n, uint32_t *iss)
{
    struct peer p = peer_nth(n);
    segment(h, p, SYN, 1000, 0, 1);
    *iss = container_of(ep_of(h, p), struct half_open, ep)->iss;
    segment(h, p, ACK, 1001, *iss + 1, 2);
    int s = td_accept(h->st, l, NULL, NULL);
    ck_assert_int_ge(s, 0);
    return s;
}

static struct hx *host(int *l)
{
    struct hx *h = hx_new();
    knob_set(h, "tapdeck.journal.level", "0");
    knob_set(h, "net.ipv4.tcp_max_tw_buckets", "2000000");
    h->any_tx = true;
    *l = hx_tcp_listen(h, 80);
    return h;
}

static uint64_t tcp_bytes(const struct hx *h) /* the module's own, and its tables */
{
    return h->st->mem.used_by[MEM_TCP] + h->st->mem.used_by[MEM_TABLE];
}

START_TEST(established)
{
    uint32_t n = scaled(100000), iss;
    int l;
    struct hx *h = host(&l);
    uint64_t before = tcp_bytes(h), all = h->st->mem.used;
    for (uint32_t i = 0; i < n; i++) {
        (void)open_nth(h, l, i, &iss);
        if (i % 64 == 0) {
            hx_flush(h);
        }
    }
    hx_flush(h);
    hx_until(h, hx_now(h) + SEC(10)); /* neighbours and routes settle */
    uint64_t each = (tcp_bytes(h) - before) / n;
    printf("%u established: %llu bytes each in TCP, %llu with their sockets and all else\n", n,
           (unsigned long long)each, (unsigned long long)((h->st->mem.used - all) / n));
    ck_assert_uint_le(each, 900);
    ck_assert_uint_le((h->st->mem.used - all) / n, n >= 100000 ? 1000 : 1024); /* tables grow in steps */
    ck_assert_uint_eq(h->st->tcp->ntcb, n + 1);
    /* idle: no timer is armed for any of them, and an hour passes without one firing for them */
    for (const struct tcb *t = h->st->tcp->all; t != NULL; t = t->all_next) {
        ck_assert(!timer_armed(&t->t_rtx) && !timer_armed(&t->t_delack) && !timer_armed(&t->t_ctl));
    }
    uint64_t fired = h->st->wheel.fired, calls = h->st->mem.calls, sent = h->sent;
    hx_until(h, hx_now(h) + SEC(3600));
    printf("in an hour: %llu timers fired, %llu allocations, %llu frames sent\n",
           (unsigned long long)(h->st->wheel.fired - fired),
           (unsigned long long)(h->st->mem.calls - calls), (unsigned long long)(h->sent - sent));
    ck_assert_uint_le(h->st->wheel.fired - fired, 2000); /* ARP's and the like, whatever n is */
    ck_assert_uint_eq(h->sent, sent);
    /* and each is still there for its peer */
    for (uint32_t i = 0; i < n; i += n / 100) {
        segment(h, peer_nth(i), ACK | PSH | FIN, 1001,
                container_of(ep_of(h, peer_nth(i)), struct tcb, ep)->snd_nxt, 4000000);
        hx_flush(h);
        ck_assert_int_eq(container_of(ep_of(h, peer_nth(i)), struct tcb, ep)->state,
                         TCPS_CLOSE_WAIT);
    }
    hx_drain(h);
    hx_free(h);
}
END_TEST

START_TEST(time_wait)
{
    uint32_t n = scaled(1000000), iss;
    int l;
    struct hx *h = host(&l);
    uint64_t before = tcp_bytes(h), all = h->st->mem.used;
    td_time start = hx_now(h);
    for (uint32_t i = 0; i < n; i++) {
        int s = open_nth(h, l, i, &iss);
        ck_assert_int_eq(td_close(h->st, s), 0);
        hx_flush(h);
        segment(h, peer_nth(i), FIN | ACK, 1001, iss + 2, 3);
        if (i % 64 == 0) {
            hx_flush(h);
        }
    }
    hx_flush(h);
    ck_assert_uint_eq(h->st->tcp->ntime_wait, n);
    ck_assert_uint_eq(h->st->tcp->ntcb, 1);
    uint64_t each = (tcp_bytes(h) - before) / n;
    printf("%u TIME-WAITs: %llu bytes each in TCP, %llu with all else\n", n,
           (unsigned long long)each, (unsigned long long)((h->st->mem.used - all) / n));
    ck_assert_uint_le(each, 200);
    /* while they wait, nothing is done for them; each timer fires once, at its end */
    uint64_t fired = h->st->wheel.fired;
    hx_until(h, start + SEC(59));
    ck_assert_uint_le(h->st->wheel.fired - fired, 200);
    ck_assert_uint_eq(h->st->tcp->ntime_wait, n);
    fired = h->st->wheel.fired;
    hx_until(h, hx_now(h) + SEC(62));
    ck_assert_uint_eq(h->st->tcp->ntime_wait, 0);
    ck_assert_uint_le(h->st->wheel.fired - fired, n + 200);
    hx_drain(h);
    hx_free(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp scale");
    TCase *tc = tcase_create("scale");
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, established);
    tcase_add_test(tc, time_wait);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
