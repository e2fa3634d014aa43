/* tests of stack/door/probe.c: what leaves is what was asked for, behind headers of the stack's own. */
#include "check_main.h"
#include "harness.h"

#include <errno.h>
#include <string.h>

#include "core/stack.h"
#include "tapdeck/stack.h"

static struct td_stack *st;
static uint32_t eth;
static struct {
    uint8_t b[1600];
    uint32_t len;
} last;
static unsigned sent;

static int transmit(void *dev, const struct pkt *p)
{
    (void)dev;
    last.len = p->len;
    ck_assert_uint_le(p->len, sizeof last.b);
    ck_assert(pkt_read(p, 0, last.b, p->len));
    sent++;
    return 0;
}

static void open_host(void)
{
    static const struct td_device_ops ops = {.transmit = transmit};
    struct td_stack_config c = {.now = TD_SEC, .seed = {7}};
    struct td_if_config i = {.name = "eth0", .mac = {{2, 0, 0, 0, 0, 1}}, .flags = TD_IF_UP, .ops = &ops, .mtu = 1500};

    st = td_stack_new(&c);
    ck_assert_ptr_nonnull(st);
    hx_fault(st);
    ck_assert_int_eq(td_if_add(st, &i, &eth), 0);
    ck_assert_int_eq(td_addr_add(st, eth, TD_IP4(10, 0, 0, 2), 24), 0);
    for (td_time now = TD_SEC; now < 20 * TD_SEC; now += TD_SEC / 4) { /* conflict detection */
        td_stack_tick(st, now);
        td_stack_flush(st, now);
    }
    ck_assert_int_eq(td_neigh_add(st, eth, TD_IP4(10, 0, 0, 1), (struct td_mac){{2, 0, 0, 0, 0, 9}}, TD_NEIGH_PERMANENT), 0);
    sent = 0;
}

static void close_host(void)
{
    td_stack_free(st);
}

START_TEST(a_frame)
{
    const struct td_mac to = {{6, 1, 2, 3, 4, 5}};
    uint8_t want[60] = {6, 1, 2, 3, 4, 5, 2, 0, 0, 0, 0, 1, 0x88, 0xb5, 'h', 'i'};

    ck_assert_int_eq(td_send_frame(st, eth, to, 0x88b5, "hi", 2), 0);
    ck_assert_uint_eq(sent, 0); /* as all output: at the flush */
    td_stack_flush(st, td_stack_now(st));
    ck_assert_uint_eq(sent, 1);
    ck_assert_uint_eq(last.len, sizeof want);
    ck_assert_mem_eq(last.b, want, sizeof want);
}
END_TEST

START_TEST(a_datagram)
{
    struct td_datagram d = {.dst = TD_IP4(10, 0, 0, 1), .proto = 6, .ttl = 3, .tos = 8, .dont_fragment = true};

    ck_assert_int_eq(td_send_datagram(st, &d, "a segment of TCP....", 20), 0);
    td_stack_flush(st, td_stack_now(st));
    ck_assert_uint_eq(sent, 1);
    ck_assert_mem_eq(last.b, "\2\0\0\0\0\x09\2\0\0\0\0\1\x08\0\x45\x08\0\x28\0\0\x40\0\3\6", 24);
    ck_assert_mem_eq(last.b + 26, "\x0a\0\0\2\x0a\0\0\1a segment of TCP....", 28);
    /* Too big: fragments, unless they were forbidden. */
    static uint8_t big[2000];
    ck_assert_int_eq(td_send_datagram(st, &d, big, sizeof big), -EMSGSIZE);
    d.dont_fragment = false;
    ck_assert_int_eq(td_send_datagram(st, &d, big, sizeof big), 0);
    td_stack_flush(st, td_stack_now(st));
    ck_assert_uint_eq(sent, 3);
}
END_TEST

/* The packet filter sees a probe as everything else. */
START_TEST(filtered)
{
    const struct td_datagram d = {.dst = TD_IP4(10, 0, 0, 1), .proto = 6, .ttl = 3};

    ck_assert_int_eq(td_nf_restore(st, "-A OUTPUT -p tcp -j DROP", 0, NULL, 0, NULL), 0);
    ck_assert_int_eq(td_send_datagram(st, &d, "a segment of TCP....", 20), -EPERM);
    td_stack_flush(st, td_stack_now(st));
    ck_assert_uint_eq(sent, 0);
}
END_TEST

START_TEST(refused)
{
    const struct td_mac to = {{6, 1, 2, 3, 4, 5}};
    struct td_datagram d = {.dst = TD_IP4(192, 0, 2, 1), .proto = 17};
    static uint8_t big[66000];

    ck_assert_int_eq(td_send_frame(st, 99, to, 0x0806, "hi", 2), -ENODEV);
    ck_assert_int_eq(td_send_frame(st, td_if_index(st, "lo"), to, 0x0806, "hi", 2), -EOPNOTSUPP);
    ck_assert_int_eq(td_send_frame(st, eth, to, 1500, "hi", 2), -EINVAL);
    ck_assert_int_eq(td_send_frame(st, eth, to, 0x0806, big, 1501), -EMSGSIZE);
    ck_assert_int_eq(td_send_datagram(st, &d, "hi", 2), -ENETUNREACH);
    d.dst = TD_IP4(10, 0, 0, 1);
    ck_assert_int_eq(td_send_datagram(st, &d, big, sizeof big), -EMSGSIZE);
    d.src = TD_IP4(10, 0, 0, 77); /* nobody's */
    ck_assert_int_lt(td_send_datagram(st, &d, "hi", 2), 0);
    d.src = 0;
    d.dst = TD_IP4(10, 0, 0, 255);
    ck_assert_int_eq(td_send_datagram(st, &d, "hi", 2), -EACCES);
    ck_assert_int_eq(td_if_up(st, eth, false), 0);
    ck_assert_int_eq(td_send_frame(st, eth, to, 0x0806, "hi", 2), -ENETDOWN);
    td_stack_flush(st, td_stack_now(st));
    ck_assert_uint_eq(sent, 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("probe");
    TCase *t = tcase_create("probe");
    tcase_add_checked_fixture(t, open_host, close_host);
    tcase_add_test(t, a_frame);
    tcase_add_test(t, a_datagram);
    tcase_add_test(t, filtered);
    tcase_add_test(t, refused);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
