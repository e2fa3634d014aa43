/* Interfaces: making, finding, changing, removing; who is told what; memory running out. */
#include "check_main.h"
#include "rig.h"

#include <errno.h>
#include <string.h>

static struct rig *r;

static void setup(void)
{
    r = rig_new(false);
}

static void teardown(void)
{
    rig_free(r);
}

static int sent;
static int count_transmit(void *dev, const struct pkt *p)
{
    (void)dev;
    (void)p;
    sent++;
    return 0;
}
static const struct td_device_ops ops = {.transmit = count_transmit};

static int add(const char *name, uint32_t mtu, uint32_t *index)
{
    struct td_if_config c = {.mtu = mtu, .ops = &ops};

    memcpy(c.name, name, strnlen(name, sizeof c.name));
    return netif_add(&r->st, &c, index);
}

START_TEST(indices_are_never_reused)
{
    uint32_t a, b, c;

    ck_assert_int_eq(add("a", 0, &a), 0);
    ck_assert_int_eq(add("b", 0, &b), 0);
    ck_assert_uint_eq(a, 1);
    ck_assert_uint_eq(b, 2);
    ck_assert_int_eq(add("a", 0, &c), -EEXIST);
    ck_assert_int_eq(netif_del(&r->st, b), 0);
    ck_assert_int_eq(netif_del(&r->st, b), -ENODEV);
    ck_assert_int_eq(add("b", 0, &c), 0);
    ck_assert_uint_eq(c, 3);
    ck_assert_ptr_null(netif_by_index(&r->st, 2));
    ck_assert_ptr_null(netif_by_index(&r->st, 0));
    ck_assert_ptr_null(netif_by_index(&r->st, 4000000000U));
    ck_assert_ptr_eq(netif_by_name(&r->st, "b"), netif_by_index(&r->st, 3));
    ck_assert_ptr_null(netif_by_name(&r->st, "c"));
    ck_assert_ptr_eq(netif_first(&r->st)->next, netif_by_index(&r->st, 3));
    ck_assert_int_eq(netif_del(&r->st, 1), 0);
    ck_assert_ptr_eq(netif_first(&r->st), netif_by_index(&r->st, 3));
    for (int i = 0; i < 50; i++) {
        char name[8] = {'n', (char)('0' + i / 10), (char)('0' + i % 10), 0};

        ck_assert_int_eq(add(name, 0, &c), 0);
        ck_assert_str_eq(netif_by_index(&r->st, c)->name, name);
    }
}
END_TEST

START_TEST(bad_configurations_are_refused)
{
    struct td_if_config c = {.name = "x", .ops = &ops};
    uint32_t i;

    ck_assert_int_eq(add("", 0, &i), -EINVAL);
    ck_assert_int_eq(add("a/b", 0, &i), -EINVAL);
    ck_assert_int_eq(add("a b", 0, &i), -EINVAL);
    ck_assert_int_eq(add("..", 0, &i), -EINVAL);
    ck_assert_int_eq(add("sixteen-letters-", 0, &i), -EINVAL);
    ck_assert_int_eq(add("x", 67, &i), -EINVAL);
    ck_assert_int_eq(add("x", 65536, &i), -EINVAL);
    c.mac = MAC_BROADCAST;
    ck_assert_int_eq(netif_add(&r->st, &c, &i), -EINVAL);
    c.mac = ZERO_MAC;
    c.ops = NULL; /* no device is loopback's privilege */
    ck_assert_int_eq(netif_add(&r->st, &c, &i), -EINVAL);
    c.flags = TD_IF_LOOPBACK;
    c.ops = &ops;
    ck_assert_int_eq(netif_add(&r->st, &c, &i), -EINVAL);
    ck_assert_ptr_null(netif_first(&r->st));
}
END_TEST

START_TEST(random_mac_is_unicast_and_local)
{
    uint32_t i;
    struct td_mac a, b;

    ck_assert_int_eq(add("a", 0, &i), 0);
    a = netif_by_index(&r->st, i)->mac;
    ck_assert_int_eq(add("b", 0, &i), 0);
    b = netif_by_index(&r->st, i)->mac;
    ck_assert_uint_eq(a.b[0] & 3, 2);
    ck_assert(!mac_eq(a, b));
    ck_assert_uint_eq(netif_by_index(&r->st, i)->mtu, 1500);
}
END_TEST

static char told[512];
static void watch(struct td_stack *st, struct netif *nif, enum link_change what)
{
    static const char *const names[] = {
        [LINK_ADDED] = "added",     [LINK_UP] = "up",   [LINK_DOWN] = "down",
        [LINK_REMOVED] = "removed", [LINK_MTU] = "mtu", [LINK_MAC] = "mac"};

    ck_assert_ptr_eq(netif_by_index(st, nif->index), nif); /* still there when told */
    strcat(told, names[what]);
    strcat(told, " ");
}
static void watch_too(struct td_stack *st, struct netif *nif, enum link_change what)
{
    (void)st;
    (void)nif;
    (void)what;
    strcat(told, "+ ");
}

/* shows: 1812-LL05 */
START_TEST(watchers_are_told_in_order)
{
    struct td_if_config c = {.name = "e", .ops = &ops, .flags = TD_IF_UP};
    struct netif *nif;
    uint32_t i;

    told[0] = '\0';
    ck_assert_int_eq(link_watch_add(&r->st, watch), 0);
    ck_assert_int_eq(link_watch_add(&r->st, watch_too), 0);
    ck_assert_int_eq(netif_add(&r->st, &c, &i), 0);
    nif = netif_by_index(&r->st, i);
    ck_assert(netif_is_up(nif));
    ck_assert_int_eq(netif_set_flags(&r->st, nif, TD_IF_UP, 0), 0); /* is up: nothing changes */
    ck_assert_int_eq(netif_set_mtu(&r->st, nif, 1400), 0);
    ck_assert_int_eq(netif_set_mtu(&r->st, nif, 1400), 0);
    ck_assert_int_eq(netif_set_mtu(&r->st, nif, 67), -EINVAL);
    ck_assert_int_eq(netif_set_mtu(&r->st, nif, 65536), -EINVAL);
    ck_assert_uint_eq(nif->mtu, 1400);
    ck_assert_int_eq(netif_set_mac(&r->st, nif, rig_mac(1)), 0);
    ck_assert_int_eq(netif_set_mac(&r->st, nif, MAC_BROADCAST), -EADDRNOTAVAIL);
    ck_assert_int_eq(netif_set_flags(&r->st, nif, TD_IF_LOOPBACK, 0), -EINVAL);
    ck_assert_int_eq(netif_del(&r->st, i), 0);
    ck_assert_str_eq(told, "added + up + mtu + mac + down + removed + ");
    ck_assert_uint_eq(r->st.journal.events[EV_LINK_STATE], 2);
}
END_TEST

static void take(struct td_stack *st, struct netif *nif, struct pkt *p, const struct eth_hdr *e)
{
    (void)st;
    (void)nif;
    (void)e;
    pkt_free(p);
}

START_TEST(one_handler_a_type)
{
    for (uint16_t t = 0x900; t < 0x910; t++)
        ck_assert_int_eq(link_register(&r->st, t, take), 0);
    ck_assert_int_eq(link_register(&r->st, 0x905, take), -EEXIST);
}
END_TEST

START_TEST(removal_with_work_pending)
{
    uint32_t a, b, c;

    sent = 0;
    ck_assert_int_eq(add("a", 0, &a), 0);
    ck_assert_int_eq(add("b", 0, &b), 0);
    ck_assert_int_eq(add("c", 0, &c), 0);
    for (uint32_t i = a; i <= c; i++) {
        struct netif *nif = netif_by_index(&r->st, i);

        netif_set_flags(&r->st, nif, TD_IF_UP, 0);
        ck_assert_int_eq(
            eth_output(&r->st, nif, rig_mac(1), ETHERTYPE_IPV4, rig_datagram(r, 1, 2, 0)), 0);
    }
    ck_assert_int_eq(netif_del(&r->st, b), 0);
    ck_assert_int_eq(netif_del(&r->st, c), 0);
    ck_assert_int_eq(add("d", 0, &c), 0);
    netif_set_flags(&r->st, netif_by_index(&r->st, c), TD_IF_UP, 0);
    ck_assert_int_eq(eth_output(&r->st, netif_by_index(&r->st, c), rig_mac(1), ETHERTYPE_IPV4,
                                rig_datagram(r, 1, 2, 0)),
                     0);
    rig_flush(r);
    ck_assert_int_eq(sent, 2);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    uint32_t i;
    int rc = -ENOMEM;

    for (uint64_t n = 1; rc != 0; n++) {
        uint64_t used = r->st.mem.used;

        ck_assert_uint_lt(n, 20);
        r->st.mem.fail_after = n;
        rc = add("a", 0, &i);
        r->st.mem.fail_after = 0;
        r->st.mem.failing = false;
        if (rc != 0) {
            ck_assert_int_eq(rc, -ENOMEM);
            ck_assert_ptr_null(netif_first(&r->st));
            ck_assert_uint_le(r->st.mem.used,
                              used + 4 * sizeof(void *)); /* the index array stays */
        }
    }
    ck_assert_uint_eq(i, 1);
}
END_TEST

static const struct value *cell(const struct table *t, const struct row *row, const char *name)
{
    for (unsigned i = 0; i < t->ncolumns; i++)
        if (strcmp(t->columns[i].name, name) == 0)
            return &row->v[i];
    ck_abort_msg("no column %s", name);
}

START_TEST(link_table)
{
    struct td_if_config c = {.name = "lo", .flags = TD_IF_LOOPBACK | TD_IF_UP};
    struct table *t = table_find(&r->st, "link");
    static struct row row;
    uint64_t cursor = 0;
    uint32_t i;
    struct netif *nif;

    ck_assert_int_eq(netif_add(&r->st, &c, &i), 0);
    ck_assert_int_eq(add("eth0", 1400, &i), 0);
    nif = netif_by_index(&r->st, i);
    nif->stats.rx_bytes = 77;
    ck_assert(t->next(&r->st, &cursor, &row));
    ck_assert_str_eq(cell(t, &row, "ifname")->s, "lo");
    ck_assert_str_eq(cell(t, &row, "flags")->s, "LOOPBACK,UP,LOWER_UP");
    ck_assert_str_eq(cell(t, &row, "link_type")->s, "loopback");
    ck_assert_str_eq(cell(t, &row, "qdisc")->s, "noqueue");
    ck_assert_str_eq(cell(t, &row, "operstate")->s, "UNKNOWN");
    ck_assert(t->next(&r->st, &cursor, &row));
    ck_assert_uint_eq(cell(t, &row, "ifindex")->u, i);
    ck_assert_str_eq(cell(t, &row, "ifname")->s, "eth0");
    ck_assert_str_eq(cell(t, &row, "flags")->s, "BROADCAST,MULTICAST");
    ck_assert_str_eq(cell(t, &row, "operstate")->s, "DOWN");
    ck_assert_uint_eq(cell(t, &row, "mtu")->u, 1400);
    ck_assert_uint_eq(cell(t, &row, "address")->u, mac_u64(nif->mac));
    ck_assert_uint_eq(cell(t, &row, "txqlen")->u, 1000);
    ck_assert_uint_eq(cell(t, &row, "rx_bytes")->u, 77);
    ck_assert(!t->next(&r->st, &cursor, &row));
}
END_TEST

START_TEST(qdisc_table)
{
    struct table *t = table_find(&r->st, "qdisc");
    struct td_if_config c = {.name = "lo", .flags = TD_IF_LOOPBACK};
    struct td_netem n = {.delay = TD_MS, .loss = td_percent(2.5)};
    static struct row row;
    uint64_t cursor = 0;
    uint32_t i;

    ck_assert_int_eq(add("eth0", 0, &i), 0);
    ck_assert_int_eq(netif_add(&r->st, &c, &i), 0);
    ck_assert_int_eq(rig_netem(netif_by_index(&r->st, i), true, &n), -EOPNOTSUPP);
    ck_assert_int_eq(add("eth1", 0, &i), 0);
    ck_assert_int_eq(rig_netem(netif_by_index(&r->st, i), true, &n), 0);
    ck_assert(t->next(&r->st, &cursor, &row));
    ck_assert_str_eq(cell(t, &row, "kind")->s, "pfifo");
    ck_assert_str_eq(cell(t, &row, "dev")->s, "eth0");
    ck_assert_uint_eq(cell(t, &row, "limit")->u, 1000);
    ck_assert(t->next(&r->st, &cursor, &row));
    ck_assert_str_eq(cell(t, &row, "dev")->s, "eth1");
    ck_assert_str_eq(cell(t, &row, "direction")->s, "egress");
    ck_assert(t->next(&r->st, &cursor, &row));
    ck_assert_str_eq(cell(t, &row, "dev")->s, "eth1");
    ck_assert_str_eq(cell(t, &row, "kind")->s, "netem");
    ck_assert_str_eq(cell(t, &row, "direction")->s, "ingress");
    ck_assert_uint_eq(cell(t, &row, "delay")->u, TD_MS);
    ck_assert_str_eq(cell(t, &row, "loss")->s, "2.50%");
    ck_assert_int_eq(cell(t, &row, "rate")->type, VAL_NONE);
    ck_assert(!t->next(&r->st, &cursor, &row));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("netif");
    TCase *t = tcase_create("netif");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, indices_are_never_reused);
    tcase_add_test(t, bad_configurations_are_refused);
    tcase_add_test(t, random_mac_is_unicast_and_local);
    tcase_add_test(t, watchers_are_told_in_order);
    tcase_add_test(t, one_handler_a_type);
    tcase_add_test(t, removal_with_work_pending);
    tcase_add_test(t, every_allocation_may_fail);
    tcase_add_test(t, link_table);
    tcase_add_test(t, qdisc_table);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
