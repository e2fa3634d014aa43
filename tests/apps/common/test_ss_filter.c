/* The filter language of ss: what an expression means, and what is said of one that isn't. */
#include "check_main.h"

#include <stdio.h>
#include <string.h>

#include "common/services.h"
#include "common/ss_filter.h"
#include "common/text.h"

static struct ss_filter f;
static char msg[512];

static bool parse(const char *line)
{
    char **argv, split[256];
    int argc = words_split(line, &argv, split, sizeof split);
    bool ok;
    ck_assert_msg(argc >= 0, "%s: %s", line, split);
    memset(msg, 0, sizeof msg);
    ok = ss_filter_parse(&f, argc, argv, msg, sizeof msg);
    words_free(argv);
    return ok;
}

/* 10.0.0.2:80 talks to 10.9.0.1:40000 by eth0. */
static const struct ss_ends web = {.local = TD_IP4(10, 0, 0, 2),
                                   .peer = TD_IP4(10, 9, 0, 1),
                                   .lport = 80,
                                   .pport = 40000,
                                   .out_dev = "eth0",
                                   .auto_low = 32768,
                                   .auto_high = 60999};

static void is(const char *line, bool wanted)
{
    ck_assert_msg(parse(line), "%s: %s", line, msg);
    ck_assert_msg(ss_filter_match(&f, &web) == wanted, "%s", line);
}

static void refused(const char *line, const char *why)
{
    ck_assert_msg(!parse(line), "%s", line);
    ck_assert_msg(strstr(msg, why) != NULL && strchr(msg, '\n') == NULL, "%s: %s", line, msg);
}

START_TEST(test_terms)
{
    is("", true);
    is("sport = :80", true);
    is("sport 80", true);
    is("sport :http", true);
    is("sport eq http", true);
    is("sport = https", false);
    is("sport != :80", false);
    is("sport neq 81", true);
    is("sport ne 81", true);
    is("dport >= :1024", true);
    is("dport > :40000", false);
    is("dport ge 40000", true);
    is("dport le :39999", false);
    is("dport < 40001", true);
    is("dport lt 40000", false);
    is("dport gt 39999", true);
    is("dport leq 40000", true);
    is("src 10.0.0.2", true);
    is("src 10.0.0.0/8", true);
    is("src 10.0.0.2:80", true);
    is("src 10.0.0.2:81", false);
    is("src 10.0.0.0/24:http", true);
    is("src :80", true);
    is("src *:81", false);
    is("src *", true);
    is("dst 10.9.0.0/16", true);
    is("dst = 10.9.0.2", false);
    is("dst != 10.9.0.2", true);
    is("dst ne 10.9.0.1", false);
    is("dst 0.0.0.0/0", true);
    is("dev eth0", true);
    is("dev = eth1", false);
    is("dev != eth1", true);
    is("autobound", false);
    is("not autobound", true);
    ck_assert_uint_eq(service_port("domain"), 53);
    ck_assert_uint_eq(service_port(""), 0);
}
END_TEST

START_TEST(test_expressions)
{
    is("'( dport = :80 or sport = :80 ) and not dst 10.0.0.0/8'", false);
    is("'( dport = :80 or sport = :80 ) and not dst 10.1.0.0/16'", true);
    is("'(dport=:80|sport=:80)&!dst 10.1.0.0/16'", true); /* blanks aren't needed */
    is("sport 80 dport 40000", true);                     /* nothing between them: and */
    is("sport 80 dport 1", false);
    is("sport 1 or sport 80 dport 1", false); /* and binds closer than or */
    is("sport 80 or sport 80 dport 1", true);
    is("'( sport 80 or sport 80 ) dport 1'", false);
    is("not sport 1 and dport 1", false); /* not binds closest */
    is("not not sport 80", true);
    is("! sport 80", false);
    is("sport 1 '||' dport 40000", true);
    is("sport 80 '&&' dport 40000", true);
    is("'((((sport 80))))'", true);
}
END_TEST

START_TEST(test_states)
{
    is("state established", true);
    ck_assert_uint_eq(f.states, SS_BIT(SS_ESTAB));
    is("state time-wait '( sport = :80 )'", true);
    ck_assert_uint_eq(f.states, SS_BIT(SS_TIME_WAIT));
    ck_assert_uint_eq(f.n, 1);
    is("state syn-sent state syn-recv", true);
    ck_assert_uint_eq(f.states, SS_BIT(SS_SYN_SENT) | SS_BIT(SS_SYN_RECV));
    is("exclude listening", true);
    ck_assert_uint_eq(f.states, SS_ALL & ~SS_BIT(SS_LISTEN));
    is("state bucket exclude time-wait", true);
    ck_assert_uint_eq(f.states, SS_BIT(SS_SYN_RECV));
    is("state ESTAB sport 80", true);
    is("sport 80 state closing", true); /* behind the expression too */
    ck_assert_uint_eq(f.states, SS_BIT(SS_CLOSING));
    is("sport 80", true);
    ck_assert_uint_eq(f.states, 0);
    ck_assert_uint_eq(ss_state_bits("connected") | SS_BIT(SS_LISTEN) | SS_BIT(SS_CLOSED), SS_ALL);
    ck_assert_uint_eq(ss_state_bits("big") & ss_state_bits("bucket"), 0);
    ck_assert_uint_eq(ss_state_bits("dreaming"), 0);
    for (int i = 0; i < SS_STATES; i++)
        ck_assert_int_eq(ss_state_find(ss_state_word((enum ss_state)i)), i);
}
END_TEST

START_TEST(test_refused)
{
    char deep[400] = "'", *at = deep + 1;
    refused("state dreaming", "'dreaming' is not a state");
    refused("state", "the name of a state is missing after 'state'");
    refused("state closed exclude closed", "no state is left");
    refused("'( state closed )'", "outside of brackets");
    refused("dport", "a port is missing after 'dport'");
    refused("dport =", "a port is missing after '='");
    refused("dport = :99999", "':99999' after 'dport' is not a port");
    refused("sport nonesuch", "'nonesuch' after 'sport' is not a port");
    refused("dst nowhere", "'nowhere' after 'dst' is not an address");
    refused("dst 10.0.0.0/33", "is not an address");
    refused("dst 10.0.0.1:x", "'x' in '10.0.0.1:x' is not a port");
    refused("dst > 10.0.0.1", "addresses have no order");
    refused("dev > eth0", "'dev' can only be = or !=");
    refused("dev a_name_that_is_far_too_long", "too long for the name of an interface");
    refused("dev", "the interface's name is missing");
    refused("foo", "'foo' can't begin a filter");
    refused("sport 80 and", "a filter is missing after 'and'");
    refused("or sport 80", "'or' can't begin a filter");
    refused("'( sport 80'", "a ) is missing at the end of the filter");
    refused("'sport 80 )'", "')' closes no bracket");
    refused("'( )'", "')' can't begin a filter");
    refused("sport aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "too long");
    for (int i = 0; i < SS_DEPTH + 1; i++)
        *at++ = '(';
    strcpy(at, "sport 80'");
    refused(deep, "more than 32 brackets");
}
END_TEST

START_TEST(test_long)
{
    char line[4096] = "sport 80";
    for (int i = 1; i < SS_TERMS / 2; i++)
        strcat(line, " sport 80");
    is(line, true); /* as many terms as fit, and the `and`s between them */
    strcat(line, " sport 80");
    refused(line, "the filter is too long");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ss_filter");
    TCase *tc = tcase_create("all");
    tcase_add_test(tc, test_terms);
    tcase_add_test(tc, test_expressions);
    tcase_add_test(tc, test_states);
    tcase_add_test(tc, test_refused);
    tcase_add_test(tc, test_long);
    suite_add_tcase(s, tc);
    return s;
}
CHECK_MAIN(suite)
