/* Initial sequence numbers (RFC 6528, RFC 9293 3.4.1). */
#include "check_main.h"
#include "tcp_states.h"

#include <stdlib.h>

static uint32_t isn(struct hx *h, uint16_t rport)
{
    const struct tcp_tuple a = {.laddr = HX_US, .raddr = HX_PEER, .lport = 80, .rport = rport};
    return tcp_isn(h->st, &a);
}

/* shows: MUST-8 SHLD-1 6528-01 ATK-TCPI-06 9293-U16 */
START_TEST(clock_of_four_microseconds)
{
    struct hx *h = hx_new();
    uint32_t first = isn(h, 1000);
    const td_time later[] = {US(4),  US(40),     MS(1),
                             SEC(1), SEC(17000), SEC(17180) /* past the wrap */};
    for (unsigned i = 0; i < 6; i++) {
        hx_until(h, later[i]);
        ck_assert_uint_eq((uint32_t)(isn(h, 1000) - first), (uint32_t)(later[i] / US(4)));
    }
    hx_free(h);
    /* and on the wire: the same tuple, later, is larger by so much */
    struct conv c = reach(LIS);
    tcp_in(c.h, NOW, .flags = SYN, .seq = 0, .wnd = 100);
    tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    uint32_t a = c.h->got.tcp.seq;
    tcp_in(c.h, NOW, .flags = RST, .seq = 1);
    tcp_in(c.h, MS(10), .flags = SYN, .seq = 0, .wnd = 100);
    tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    ck_assert_uint_eq(c.h->got.tcp.seq - a, 2500);
    leave(&c);
}
END_TEST

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* shows: MUST-9 6528-02 ATK-TCPI-06 */
START_TEST(tuples_tell_nothing_of_each_other)
{
    enum { COUNT = 10000 };
    static uint32_t v[COUNT], d[COUNT];
    struct hx *h = hx_new();
    for (unsigned i = 0; i < COUNT; i++) {
        v[i] = isn(h, (uint16_t)(1000 + i));
    }
    unsigned bits[32] = {0};
    for (unsigned i = 1; i < COUNT; i++) {
        d[i] = v[i] - v[i - 1];
        for (unsigned b = 0; b < 32; b++) {
            bits[b] += d[i] >> b & 1;
        }
    }
    for (unsigned b = 0; b < 32; b++) { /* each bit of a difference is a coin */
        ck_assert_uint_gt(bits[b], COUNT / 2 - 300);
        ck_assert_uint_lt(bits[b], COUNT / 2 + 300);
    }
    qsort(d + 1, COUNT - 1, sizeof d[0], by_value);
    unsigned same = 0;
    for (unsigned i = 2; i < COUNT;
         i++) { /* no increment comes often, as with a counter or an LCG */
        same += d[i] == d[i - 1];
    }
    ck_assert_uint_lt(same, 3);
    hx_free(h);
}
END_TEST

/* shows: SHLD-1 6528-01 */
START_TEST(each_part_of_the_tuple_counts)
{
    struct hx *h = hx_new();
    const struct tcp_tuple a = {.laddr = HX_US, .raddr = HX_PEER, .lport = 80, .rport = 1000};
    const struct tcp_tuple other[] = {
        {.laddr = HX_US + 1, .raddr = HX_PEER, .lport = 80, .rport = 1000},
        {.laddr = HX_US, .raddr = HX_PEER + 1, .lport = 80, .rport = 1000},
        {.laddr = HX_US, .raddr = HX_PEER, .lport = 81, .rport = 1000},
        {.laddr = HX_US, .raddr = HX_PEER, .lport = 80, .rport = 1001},
        {.laddr = HX_PEER, .raddr = HX_US, .lport = 1000, .rport = 80}, /* the other end's view */
    };
    for (unsigned i = 0; i < sizeof other / sizeof other[0]; i++) {
        uint32_t apart = tcp_isn(h->st, &other[i]) - tcp_isn(h->st, &a);
        ck_assert_uint_gt(apart, 1000); /* neither the same nor next to it */
        ck_assert_uint_lt(apart, UINT32_MAX - 1000);
    }
    hx_free(h);
}
END_TEST

/* shows: MUST-9 6528-02 6528-03 6528-04 */
START_TEST(key_comes_from_entropy)
{
    struct hx *h = hx_new();
    ck_assert_uint_eq(sizeof h->st->tcp->isn_key, 16);
    struct td_stack_config c = {.now = td_stack_now(h->st)};
    memset(c.seed, 0x42, sizeof c.seed);
    struct td_stack *o = td_stack_new(&c); /* another seed, the same moment */
    const struct tcp_tuple a = {.laddr = HX_US, .raddr = HX_PEER, .lport = 80, .rport = 1000};
    ck_assert_uint_ne(tcp_isn(o, &a), isn(h, 1000));
    ck_assert(memcmp(&o->tcp->isn_key, &h->st->tcp->isn_key, 16) != 0);
    /* it stays while the instance lives: TIME-WAIT's reuse relies on the order (6528-04) */
    const struct siphash_key k = o->tcp->isn_key;
    td_stack_entropy(o, "more", 4);
    ck_assert_mem_eq(&k, &o->tcp->isn_key, sizeof k);
    td_stack_free(o);
    hx_free(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp isn");
    TCase *tc = tcase_create("isn");
    tcase_add_test(tc, clock_of_four_microseconds);
    tcase_add_test(tc, tuples_tell_nothing_of_each_other);
    tcase_add_test(tc, each_part_of_the_tuple_counts);
    tcase_add_test(tc, key_comes_from_entropy);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
