/* The rows of addr, route, frag and pmtu. */
#include "ip_rig.h"

static struct row row;

static unsigned column(const struct table *t, const char *name)
{
    for (unsigned c = 0; c < t->ncolumns; c++)
        if (strcmp(t->columns[c].name, name) == 0)
            return c;
    ck_abort_msg("no column %s", name);
}
/* The value of a column in the row that was read last, as text; "" when it has none. */
static const char *text(const struct table *t, const char *name)
{
    static char buf[4][64];
    static unsigned next;
    const struct value *v = &row.v[column(t, name)];
    char *b = buf[next++ % 4];

    b[0] = '\0';
    if (v->type != VAL_NONE)
        value_format(v, b, sizeof buf[0]);
    return b;
}
/* Reads rows until `name` is `want`. */
static bool find(const struct table *t, const char *name, const char *want)
{
    uint64_t cursor = 0;

    while (t->next(stack(), &cursor, &row))
        if (strcmp(text(t, name), want) == 0)
            return true;
    return false;
}
static unsigned rows(const struct table *t)
{
    uint64_t cursor = 0;
    unsigned n = 0;

    while (t->next(stack(), &cursor, &row))
        n++;
    return n;
}

START_TEST(test_addr)
{
    struct table *t = table_find(stack(), "addr");

    ck_assert_ptr_nonnull(t);
    ck_assert_int_eq(ip_addr_add(stack(), eth0->index, TD_IP4(10, 0, 0, 50), 24, 0), 0);
    ck_assert_uint_eq(rows(t), 4);
    ck_assert(find(t, "local", "10.0.0.1"));
    ck_assert_str_eq(text(t, "ifname"), "eth0");
    ck_assert_str_eq(text(t, "prefixlen"), "24");
    ck_assert_str_eq(text(t, "broadcast"), "10.0.0.255");
    ck_assert_str_eq(text(t, "scope"), "global");
    ck_assert_str_eq(text(t, "label"), "eth0");
    ck_assert_str_eq(text(t, "flags"), "");
    ck_assert(find(t, "local", "10.0.0.50"));
    ck_assert_str_eq(text(t, "flags"), "secondary");
    ck_assert(find(t, "local", "127.0.0.1"));
    ck_assert_str_eq(text(t, "scope"), "host");
    ck_assert_str_eq(text(t, "broadcast"), "");
    eth1->knob[IFKNOB_ARP_ACD] = 1;
    ck_assert_int_eq(ip_addr_add(stack(), eth1->index, TD_IP4(10, 7, 0, 50), 24, 0), 0);
    ck_assert(find(t, "local", "10.7.0.50"));
    ck_assert_str_eq(text(t, "flags"), "tentative");
}
END_TEST

START_TEST(test_route)
{
    struct table *t = table_find(stack(), "route");
    struct fib_route high = {.prefix = TD_IP4(200, 0, 0, 0),
                             .plen = 8,
                             .gateway = PEER,
                             .metric = 20,
                             .mtu = 1400,
                             .src = US};
    unsigned before = rows(t);

    ck_assert_uint_eq(before, (r->st.ip->fib_ops->count)(r->st.ip->fib));
    ck_assert_int_eq(ip_route_add(stack(), &high, false), 0);
    dst_redirect(stack(), ROUTER, FAR, PEER, ROUTER, eth0->index);
    ck_assert_uint_eq(rows(t), before + 2);
    ck_assert(find(t, "dst", "200.0.0.0/8"));
    ck_assert_str_eq(text(t, "type"), "unicast");
    ck_assert_str_eq(text(t, "gateway"), "10.0.0.2");
    ck_assert_str_eq(text(t, "dev"), "eth0");
    ck_assert_str_eq(text(t, "protocol"), "static");
    ck_assert_str_eq(text(t, "scope"), "global");
    ck_assert_str_eq(text(t, "prefsrc"), "10.0.0.1");
    ck_assert_str_eq(text(t, "metric"), "20");
    ck_assert_str_eq(text(t, "mtu"), "1400");
    ck_assert(find(t, "protocol", "redirect"));
    ck_assert_str_eq(text(t, "dst"), "192.0.2.7/32");
    ck_assert(find(t, "dst", "10.0.0.0/24"));
    ck_assert_str_eq(text(t, "scope"), "link");
    ck_assert_str_eq(text(t, "gateway"), "");
    ck_assert_str_eq(text(t, "protocol"), "kernel");
    ck_assert(find(t, "dst", "10.0.0.1/32"));
    ck_assert_str_eq(text(t, "type"), "local");
    ck_assert_str_eq(text(t, "scope"), "host");
    ck_assert_int_eq(netif_set_flags(stack(), eth0, 0, TD_IF_UP), 0);
    ck_assert(find(t, "dst", "200.0.0.0/8"));
    ck_assert_str_eq(text(t, "flags"), "linkdown");
}
END_TEST

START_TEST(test_frag)
{
    struct table *t = table_find(stack(), "frag");

    ck_assert_uint_eq(rows(t), 0);
    IP_IN(8, .id = 0x1234, .frag_off = 64, .flags = IPV4_MF);
    advance(10 * TD_SEC);
    ck_assert(find(t, "src", "10.0.0.2"));
    ck_assert_str_eq(text(t, "dst"), "10.0.0.1");
    ck_assert_str_eq(text(t, "proto"), "253");
    ck_assert_str_eq(text(t, "fragments"), "1");
    ck_assert_str_eq(text(t, "received"), "8");
    ck_assert_str_eq(text(t, "total"), "");
    ck_assert_str_eq(text(t, "holes"), "2");
    ck_assert_uint_eq(row.v[column(t, "expires")].u, 20 * TD_SEC);
    ck_assert_str_eq(text(t, "state"), "collecting");
    IP_IN(8, .id = 0x1234, .frag_off = 80);
    ck_assert(find(t, "total", "88"));
    ck_assert_str_eq(text(t, "holes"), "2");
    IP_IN(24, .id = 0x1234, .frag_off = 64, .flags = IPV4_MF);
    ck_assert(find(t, "state", "barred"));
    ck_assert_str_eq(text(t, "fragments"), "0");
    ck_assert_str_eq(text(t, "holes"), "0");
}
END_TEST

START_TEST(test_pmtu)
{
    struct table *t = table_find(stack(), "pmtu");

    ip_pmtu_update(stack(), FAR, 1400);
    ip_pmtu_update(stack(), FAR + 1, 100);
    ck_assert_uint_eq(rows(t), 2);
    ck_assert(find(t, "dst", "192.0.2.7"));
    ck_assert_str_eq(text(t, "mtu"), "1400");
    ck_assert_uint_eq(row.v[column(t, "expires")].u, 600 * TD_SEC);
    ck_assert(find(t, "flags", "floor"));
    ck_assert_str_eq(text(t, "mtu"), "552");
    advance(601 * TD_SEC);
    ck_assert_uint_eq(rows(t), 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ip/tables");
    TCase *tc = ip_case(s, "tables", true);

    tcase_add_test(tc, test_addr);
    tcase_add_test(tc, test_route);
    tcase_add_test(tc, test_frag);
    tcase_add_test(tc, test_pmtu);
    return s;
}
CHECK_MAIN(suite)
