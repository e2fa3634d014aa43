/* Knobs by their sysctl names. */
#include "check_main.h"
#include "core/stack.h"
#include "harness.h"
#include "link/link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct hx *h;

static void setup(void)
{
    h = hx_new();
}

static void teardown(void)
{
    hx_free(h);
}

static const char *get(const char *name)
{
    static char text[64];
    int n = td_knob_get(h->st, name, text, sizeof text);
    ck_assert_msg(n >= 0, "%s: %d", name, n);
    ck_assert_int_eq(n, (int)strlen(text));
    return text;
}

#define SET(name, value) td_knob_set(h->st, (name), (value))

START_TEST(numbers)
{
    ck_assert_str_eq(get("net.ipv4.ip_default_ttl"), "64");
    ck_assert_int_eq(SET("net.ipv4.ip_default_ttl", "17"), 0);
    ck_assert_str_eq(get("net/ipv4/ip_default_ttl"), "17"); /* as a path under /proc/sys */
    ck_assert_int_eq(SET("net/ipv4/ip_default_ttl", " 18\t"), 0);
    ck_assert_int_eq(knob(h->st, IP_DEFAULT_TTL), 18);
    static const char *const bad[] = {"", " ", "x", "1x", "1 2", "-", "0x10", "1.5", "--1", "99999999999999999999999"};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(SET("net.ipv4.ip_default_ttl", bad[i]) == -EINVAL, "'%s'", bad[i]);
    ck_assert_int_eq(SET("net.ipv4.ip_default_ttl", "0"), -ERANGE);
    ck_assert_int_eq(SET("net.ipv4.ip_default_ttl", "256"), -ERANGE);
    ck_assert_int_eq(SET("net.ipv4.ip_default_ttl", "-1"), -ERANGE);
    ck_assert_str_eq(get("net.ipv4.ip_default_ttl"), "18"); /* a refusal changes nothing */
}
END_TEST

START_TEST(several_values)
{
    ck_assert_str_eq(get("net.ipv4.tcp_rmem"), "4096\t131072\t6291456");
    ck_assert_int_eq(SET("net.ipv4.tcp_rmem", "5000 6000 7000"), 0);
    ck_assert_str_eq(get("net.ipv4.tcp_rmem"), "5000\t6000\t7000");
    ck_assert_int_eq(SET("net.ipv4.tcp_rmem", "1\t2"), 0); /* fewer: the rest stays, as in Linux */
    ck_assert_str_eq(get("net.ipv4.tcp_rmem"), "1\t2\t7000");
    ck_assert_int_eq(SET("net.ipv4.tcp_rmem", "1 2 3 4"), -EINVAL);
    ck_assert_int_eq(SET("net.ipv4.tcp_rmem", "9 9 0"), -ERANGE);
    ck_assert_str_eq(get("net.ipv4.tcp_rmem"), "1\t2\t7000"); /* all or nothing */
    ck_assert_str_eq(get("net.ipv4.ip_local_port_range"), "32768\t60999");
    ck_assert_int_eq(SET("net.ipv4.ip_local_port_range", "2000 1999"), -EINVAL);
    ck_assert_int_eq(SET("net.ipv4.ip_local_port_range", "1 2 3"), -EINVAL);
    ck_assert_int_eq(SET("net.ipv4.ip_local_port_range", "2000 65536"), -ERANGE);
    ck_assert_int_eq(SET("net.ipv4.ip_local_port_range", "2000 2000"), 0);
    ck_assert_str_eq(get("net.ipv4.ip_local_port_range"), "2000\t2000");
}
END_TEST

START_TEST(words)
{
    ck_assert_str_eq(get("net.ipv4.tcp_congestion_control"), "cubic");
    ck_assert_int_eq(SET("net.ipv4.tcp_congestion_control", "reno"), 0);
    ck_assert_int_eq(SET("net.ipv4.tcp_congestion_control", "ren"), -EINVAL);
    ck_assert_int_eq(SET("net.ipv4.tcp_congestion_control", "0"), -EINVAL);
    ck_assert_int_eq(SET("net.ipv4.tcp_congestion_control", ""), -EINVAL);
}
END_TEST

START_TEST(no_such_knob)
{
    char text[8];
    static const char *const names[] = {
        "", "net.ipv4.", "net.ipv4.nonsense", "net.ipv4.ip_default_ttl.", "net.ipv4.conf..arp_ignore",
        "net.ipv4.conf.eth7.arp_ignore", "net.ipv4.conf.arp_ignore", "net.ipv4.conf.%s.arp_ignore",
        "net.ipv4.neigh.all.mcast_solicit", "conf.eth0.arp_ignore",
        "net.ipv4.conf.an_interface_whose_name_is_too_long.arp_ignore",
        "net.ipv4.0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
    };
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        ck_assert_msg(SET(names[i], "1") == -ENOENT, "'%s'", names[i]);
        ck_assert_int_eq(td_knob_get(h->st, names[i], text, sizeof text), -ENOENT);
    }
}
END_TEST

START_TEST(interfaces_have_their_own)
{
    struct netif *eth = netif_by_index(h->st, h->ifindex);
    ck_assert_str_eq(get("net.ipv4.conf.eth0.arp_ignore"), "0");
    ck_assert_int_eq(SET("net.ipv4.conf.eth0.arp_ignore", "1"), 0);
    ck_assert_int_eq(ifknob(h->st, eth, ARP_IGNORE), 1);
    ck_assert_str_eq(get("net.ipv4.conf.lo.arp_ignore"), "0");
    ck_assert_str_eq(get("net.ipv4.conf.all.arp_ignore"), "0");
    ck_assert_int_eq(SET("net.ipv4.conf.all.arp_ignore", "8"), 0); /* the larger of the two counts */
    ck_assert_int_eq(ifknob(h->st, eth, ARP_IGNORE), 8);
    ck_assert_str_eq(get("net.ipv4.conf.eth0.arp_ignore"), "1");
    /* default is what a new interface begins with, and only that */
    ck_assert_int_eq(SET("net.ipv4.neigh.default.mcast_solicit", "9"), 0);
    ck_assert_str_eq(get("net.ipv4.neigh.eth0.mcast_solicit"), "3");
    static const struct td_device_ops ops = {0};
    struct td_if_config c = {.name = "eth0.100", .ops = &ops};
    uint32_t index;
    ck_assert_int_eq(td_if_add(h->st, &c, &index), 0);
    ck_assert_str_eq(get("net.ipv4.neigh.eth0.100.mcast_solicit"), "9"); /* a name with a dot */
    ck_assert_int_eq(td_if_del(h->st, index), 0);
    char text[8];
    ck_assert_int_eq(td_knob_get(h->st, "net.ipv4.neigh.eth0.100.mcast_solicit", text, sizeof text), -ENOENT);
}
END_TEST

static void ck_last_event(const char *sentence)
{
    char text[200];
    const struct journal_record *r = journal_find(h->st, h->st->journal.next_seq - 1);
    ck_assert_ptr_nonnull(r);
    journal_format(h->st, r, text, sizeof text);
    ck_assert_str_eq(text, sentence);
}

START_TEST(the_journal_names_them)
{
    ck_assert_int_eq(SET("net/ipv4/tcp_keepalive_time", "60"), 0);
    ck_last_event("net.ipv4.tcp_keepalive_time was changed from 7200 to 60.");
    ck_assert_int_eq(SET("net.ipv4.conf.eth0.arp_ignore", "2"), 0);
    ck_last_event("net.ipv4.conf.eth0.arp_ignore was changed from 0 to 2.");
    ck_assert_int_eq(SET("net.ipv4.conf.all.arp_ignore", "1"), 0);
    ck_last_event("net.ipv4.conf.all.arp_ignore was changed from 0 to 1.");
    ck_assert_int_eq(SET("net.ipv4.neigh.default.mcast_solicit", "4"), 0);
    ck_last_event("net.ipv4.neigh.default.mcast_solicit was changed from 3 to 4.");
}
END_TEST

START_TEST(the_journals_size)
{
    ck_assert_int_eq(SET("tapdeck.journal.records", "16"), 0);
    ck_assert_uint_eq(h->st->journal.size, 16);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(SET("net.ipv4.ip_default_ttl", "64"), 0);
    ck_assert_uint_eq(h->st->journal.count, 16);
    ck_assert_int_eq(SET("tapdeck.journal.records", "15"), -ERANGE);
}
END_TEST

struct seen {
    unsigned n;
    char name[1024][96];
};

static void each(void *ctx, const char *name, const char *doc)
{
    struct seen *s = ctx;
    ck_assert_uint_lt(s->n, 1024);
    ck_assert_uint_gt(strlen(doc), 0);
    for (unsigned i = 0; i < s->n; i++)
        ck_assert_msg(strcmp(s->name[i], name) != 0, "%s twice", name);
    snprintf(s->name[s->n++], sizeof s->name[0], "%s", name);
}

/* Every knob that is listed can be read, and takes its own value back. */
START_TEST(all_of_them)
{
    struct seen *s = calloc(1, sizeof *s);
    unsigned conf = 0, neigh = 0;
    td_knob_each(h->st, each, s);
    for (unsigned i = 0; i < IFKNOB_COUNT; i++) {
        conf += strncmp(ifknob_info[i].name, "conf.", 5) == 0;
        neigh += strncmp(ifknob_info[i].name, "neigh.", 6) == 0;
    }
    ck_assert_uint_eq(s->n, KNOB_COUNT + 5 + conf * 4 + neigh * 3); /* tcp_fastopen_key, nf_conntrack_count, reassembly, loss_detection, rto; all (conf's), default, lo, eth0 */
    for (unsigned i = 0; i < s->n; i++) {
        char value[64];
        snprintf(value, sizeof value, "%s", get(s->name[i]));
        ck_assert_msg(SET(s->name[i], value) == 0, "%s = %s", s->name[i], value);
        ck_assert_str_eq(get(s->name[i]), value);
    }
    free(s);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("knobs by name");
    TCase *t = tcase_create("knobs");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, numbers);
    tcase_add_test(t, several_values);
    tcase_add_test(t, words);
    tcase_add_test(t, no_such_knob);
    tcase_add_test(t, interfaces_have_their_own);
    tcase_add_test(t, the_journal_names_them);
    tcase_add_test(t, the_journals_size);
    tcase_add_test(t, all_of_them);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
