/* Counters: names as nstat has them, each once. */
#include "check_main.h"
#include "core/stack.h"

#include <ctype.h>
#include <string.h>

START_TEST(each_counter_once)
{
    static const char *const groups[] = {"Ip", "Nf", "Icmp", "Udp", "Tcp", "Arp", "Eth", "Bridge"};
    for (unsigned i = 0; i < CNT_COUNT; i++) {
        const struct counter_info *c = &counter_info[i];
        bool grouped = false;
        for (unsigned g = 0; g < sizeof groups / sizeof groups[0]; g++)
            grouped = grouped || strncmp(c->name, groups[g], strlen(groups[g])) == 0;
        ck_assert_msg(grouped, "%s belongs to no MIB", c->name);
        for (const char *p = c->name; *p != '\0'; p++)
            ck_assert_msg(isalnum((unsigned char)*p), "%s", c->name);
        ck_assert_msg(strlen(c->doc) > 3, "%s says nothing", c->name);
        for (unsigned other = 0; other < i; other++)
            ck_assert_msg(strcmp(c->name, counter_info[other].name) != 0, "%s twice", c->name);
    }
}
END_TEST

START_TEST(bumps)
{
    struct td_stack *st = calloc(1, sizeof *st);
    count(st, IpInReceives);
    count(st, IpInReceives);
    count_add(st, IpExtInOctets, 1500);
    ck_assert_uint_eq(st->counters.v[CNT_IpInReceives], 2);
    ck_assert_uint_eq(st->counters.v[CNT_IpExtInOctets], 1500);
    uint64_t sum = 0;
    for (unsigned i = 0; i < CNT_COUNT; i++)
        sum += st->counters.v[i];
    ck_assert_uint_eq(sum, 1502); /* and no other */
    free(st);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("counters");
    TCase *t = tcase_create("counters");
    tcase_add_test(t, each_counter_once);
    tcase_add_test(t, bumps);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
