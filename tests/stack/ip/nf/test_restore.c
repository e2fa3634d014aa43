/* ip/nf/restore.c, grammar.c, format.c, ruleset.c: rules as text, all or nothing. */
#include "nf_rig.h"

/* Rules as they are written, and as they are saved where that differs. */
static const struct {
    const char *table, *chain, *words, *saved;
} good[] = {
    {"filter", "INPUT", "-j ACCEPT", NULL},
    {"filter", "INPUT", "", NULL},
    {"filter", "INPUT", "-s 10.0.0.0/8 -d 192.168.1.1/32 -i eth+ -p tcp -j DROP", NULL},
    {"filter", "INPUT", "-s 10.1.2.3/255.0.0.0", "-s 10.0.0.0/8"},
    {"filter", "INPUT", "-s 10.1.2.3/255.0.255.0", "-s 10.0.2.0/255.0.255.0"},
    {"filter", "INPUT", "--source 0.0.0.0/0 --protocol all", ""},
    {"filter", "INPUT", "! -s 10.0.0.1/32 ! -i lo ! -p udp -j RETURN", NULL},
    {"filter", "FORWARD", "-p tcp --dport ssh -j ACCEPT", "-p tcp -m tcp --dport 22 -j ACCEPT"},
    {"filter", "FORWARD", "-p tcp -m tcp ! --sport 1024:65535 --dport :80", "-p tcp -m tcp ! --sport 1024:65535 --dport 0:80"},
    {"filter", "FORWARD", "-p tcp --syn", "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN"},
    {"filter", "FORWARD", "-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE -j DROP", NULL},
    {"filter", "FORWARD", "-p icmp --icmp-type echo-request", "-p icmp -m icmp --icmp-type 8"},
    {"filter", "FORWARD", "-p icmp --icmp-type fragmentation-needed -j DROP", "-p icmp -m icmp --icmp-type 3/4 -j DROP"},
    {"filter", "FORWARD", "-p udp -m multiport --dports 53,67:68,123 -j ACCEPT", NULL},
    {"filter", "FORWARD", "-m state --state ESTABLISHED,RELATED", "-m state --state RELATED,ESTABLISHED"},
    {"filter", "FORWARD", "-m conntrack ! --ctstate INVALID,DNAT -j ACCEPT", NULL},
    {"filter", "FORWARD", "-m limit --limit 3/minute --limit-burst 10 -j LOG --log-prefix \"a \\\"b\\\" \" --log-level 7",
     "-m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix \"a \\\"b\\\" \" --log-level 7"},
    {"filter", "FORWARD", "-m limit -j ACCEPT", "-m limit --limit 3/hour -j ACCEPT"},
    {"filter", "FORWARD", "-m ttl --ttl-lt 5 -m comment --comment 'it''s short' -j REJECT",
     "-m ttl --ttl-lt 5 -m comment --comment \"its short\" -j REJECT --reject-with icmp-port-unreachable"},
    {"filter", "FORWARD", "-p tcp -m tcp --dport 1 -j REJECT --reject-with tcp-reset", NULL},
    {"filter", "FORWARD", "-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu", NULL},
    {"filter", "FORWARD", "-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1300", NULL},
    {"filter", "FORWARD", "-f -j mine", NULL},
    {"filter", "FORWARD", "-g mine", NULL},
    {"nat", "POSTROUTING", "-o eth1 -j MASQUERADE", NULL},
    {"nat", "POSTROUTING", "-p udp -j MASQUERADE --to-ports 1000-2000 --random", NULL},
    {"nat", "POSTROUTING", "-p tcp -j SNAT --to-source 10.0.0.1-10.0.0.9:1024-65535 --persistent", NULL},
    {"nat", "PREROUTING", "-p tcp -j DNAT --to-destination :8080", NULL},
    {"nat", "PREROUTING", "-p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.5:8080", NULL},
    {"nat", "OUTPUT", "-p tcp -j REDIRECT --to-ports 3128", NULL},
};

START_TEST(good_rules)
{
    const char *want = good[_i].saved != NULL ? good[_i].saved : good[_i].words;
    char spec[NF_SPEC_MAX], again[NF_SPEC_MAX];

    rules("-N mine");
    for (unsigned round = 0; round < 2; round++) {
        struct nf_rule *rule =
            nf_rule_parse(stack(), good[_i].table, good[_i].chain, round == 0 ? good[_i].words : spec, nf_msg, sizeof nf_msg);
        ck_assert_msg(rule != NULL, "%s: %s", good[_i].words, nf_msg);
        nf_rule_spec(rule, round == 0 ? spec : again, NF_SPEC_MAX);
        nf_rule_free(stack(), rule);
    }
    ck_assert_str_eq(spec, want);
    ck_assert_str_eq(again, want);
}
END_TEST

static const struct {
    const char *text, *why;
} bad[] = {
    {"-A INPUT -j NOWHERE", "no target or chain 'NOWHERE'"},
    {"-A NOWHERE -j DROP", "no chain NOWHERE in table filter"},
    {"-A INPUT --dport 80 -j DROP", "'--dport' needs `-p tcp` or `-p udp`"},
    {"-A INPUT -p icmp --dport 80", "needs `-p tcp`"},
    {"-A INPUT ! -p tcp --dport 80", "needs `-p tcp`"},
    {"-A INPUT -p tcp --dport 70000", "'70000' is no port"},
    {"-A INPUT -p tcp --dport 90:80", "'90:80' is no port or range"},
    {"-A INPUT -p tcp --dport", "'--dport' needs a port"},
    {"-A INPUT -s 10.0.0", "'10.0.0' is no address"},
    {"-A INPUT -s 10.0.0.0/33", "is no address or network"},
    {"-A INPUT -s 10.0.0.256", "is no address or network"},
    {"-A INPUT -s example.org", "names aren't looked up"},
    {"-A INPUT -s 1.2.3.4 -s 1.2.3.5", "'-s' is said twice"},
    {"-A INPUT -p foo", "'foo' is no protocol"},
    {"-A INPUT -j DROP -j ACCEPT", "is the second"},
    {"-A INPUT -A OUTPUT -j DROP", "one command"},
    {"-j DROP", "what is to be done"},
    {"-A INPUT --frobnicate", "no option '--frobnicate'"},
    {"-A INPUT !", "'!' stands before nothing"},
    {"-A INPUT -m mac --mac-source 1", "no match 'mac'"},
    {"-A INPUT -m state", "-m state says nothing without --state"},
    {"-A INPUT --state NEW", "needs `-m state`"},
    {"-A INPUT -m state --state OLD", "'OLD' are no states"},
    {"-A INPUT -m limit --limit 0/s", "'0/s' is no rate"},
    {"-A INPUT -m limit --limit 5/fortnight", "is no rate"},
    {"-A INPUT -p tcp --tcp-flags SYN ACK", "can never match"},
    {"-A INPUT -p tcp --tcp-flags SYN,FOO SYN", "are no flags"},
    {"-A INPUT -p tcp -m multiport --dports 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16", "at most 15 ports"},
    {"-A INPUT -j REJECT --reject-with tcp-reset", "needs `-p tcp`"},
    {"-A INPUT -j REJECT --reject-with a-sigh", "is no kind of answer"},
    {"-A INPUT -j LOG --log-prefix 012345678901234567890123456789", "at most 29 characters"},
    {"-A INPUT -j SNAT --to-source 1.2.3.4", "belongs into table nat"},
    {"-t nat -A PREROUTING -j SNAT --to-source 1.2.3.4", "SNAT belongs into POSTROUTING"},
    {"-t nat -A POSTROUTING -j DNAT --to-destination 1.2.3.4", "belongs into PREROUTING or OUTPUT"},
    {"-t nat -A PREROUTING -j DNAT", "needs --to-destination"},
    {"-t nat -A PREROUTING -j DNAT --to-destination 1.2.3.4:80", "needs `-p tcp` or `-p udp`"},
    {"-t nat -A POSTROUTING -j SNAT --to-source 224.0.0.1", "no host's address"},
    {"-t nat -A POSTROUTING -j DROP", "belongs into table filter"},
    {"-t nat -P POSTROUTING DROP", "doesn't filter"},
    {"-t raw -A INPUT", "no table 'raw'"},
    {"-t mangle -A INPUT -j REJECT", "belongs into table filter"},
    {"-t mangle -A POSTROUTING -j SNAT --to-source 1.2.3.4", "belongs into table nat"},
    {"-A INPUT -j TCPMSS --set-mss 1000", "for SYNs only"},
    {"-A INPUT -p tcp --syn -j TCPMSS --clamp-mss-to-pmtu", "into FORWARD or OUTPUT"},
    {"-A INPUT -o eth0 -j DROP", "where packets have that interface"},
    {"-D INPUT 1", "chain INPUT has no rule 1"},
    {"-D INPUT -j DROP", "has no such rule"},
    {"-I INPUT 5 -j DROP", "number 1 at most"},
    {"-R INPUT -j DROP", "which rule is to be replaced"},
    {"-N INPUT", "there is a chain INPUT already"},
    {"-N DROP", "is a target"},
    {"-N 01234567890123456789012345678", "is no name for a chain"},
    {"-X INPUT", "is a builtin chain"},
    {"-N a\n-A INPUT -j a\n-X a", "1 rule jumps to it"},
    {"-N a\n-A a -j DROP\n-X a", "while it has rules"},
    {"-N a\n-N b\n-A a -j b\n-A b -j a", "in a loop"},
    {"-N a\n-A a -j a", "in a loop"},
    {"-P INPUT REJECT", "is no policy"},
    {"-N a\n-P a DROP", "has no policy"},
    {"-A INPUT -j \"DROP", "opened and not closed"},
    {"*raw", "no table 'raw'"},
    {"*filter\n-A INPUT -j DROP", "the COMMIT of table filter is missing"},
    {"*filter\n*nat", "before the COMMIT"},
    {"COMMIT", "without a '*TABLE'"},
    {":INPUT ACCEPT [0:0]", "before any '*TABLE'"},
    {"*filter\n:INPUT - [0:0]\nCOMMIT", "needs a policy"},
    {"*filter\n:mine DROP [0:0]\nCOMMIT", "no builtin chain"},
    {"*filter\n:INPUT ACCEPT [0:x]\nCOMMIT", "are no counters"},
    {"*filter\n[1:2 -A INPUT\nCOMMIT", "are no counters"},
    {"*filter\n-t nat -A INPUT\nCOMMIT", "the table is filter here"},
};

START_TEST(bad_rules)
{
    refused_rules(bad[_i].text, bad[_i].why);
    ck_assert_ptr_null(stack()->ip->nf); /* nothing was left behind */
}
END_TEST

START_TEST(line_40_changes_nothing)
{
    char text[4096] = "*filter\n", spec[NF_SPEC_MAX];

    rules("-A FORWARD -s 1.2.3.4 -j DROP\n-t nat -A POSTROUTING -j MASQUERADE");
    udp_in(ENDS(PEER, SERVER, 1, 2), 1);
    const struct nf_ruleset *before = nf_rules(stack());
    for (unsigned i = 2; i <= 50; i++)
        sprintf(text + strlen(text), i == 40 ? "-A INPUT -p tcp --dprt %u -j ACCEPT\n" : "-A INPUT -p tcp --dport %u -j ACCEPT\n", i);
    strcat(text, "COMMIT\n");
    ck_assert_int_eq(nf_restore(stack(), text, NF_RESTORE_FLUSH, nf_msg, sizeof nf_msg, &nf_line), -EINVAL);
    ck_assert_uint_eq(nf_line, 40);
    ck_assert_ptr_nonnull(strstr(nf_msg, "--dprt"));
    ck_assert_ptr_eq(nf_rules(stack()), before);
    ck_assert_uint_eq(before->nrules, 2);
    nf_rule_spec(before->table[NF_FILTER].chain[1]->rule[0], spec, sizeof spec);
    ck_assert_str_eq(spec, "-s 1.2.3.4/32 -j DROP");
    ck_assert_uint_eq(rule_packets("nat", "POSTROUTING", 1), 1);
    ck_assert_uint_eq(nf_ct_count(stack()), 1);
}
END_TEST

START_TEST(restore_flushes_what_it_names)
{
    rules("-N old\n-A INPUT -j old\n-P FORWARD DROP\n-t nat -A POSTROUTING -j MASQUERADE");
    ck_assert_int_eq(nf_restore(stack(), "*filter\n:INPUT ACCEPT [7:8]\n:new - [0:0]\n[3:4] -A INPUT -j new\nCOMMIT\n",
                                NF_RESTORE_FLUSH | NF_RESTORE_COUNTERS, nf_msg, sizeof nf_msg, NULL), 0);
    const struct nf_table *t = &nf_rules(stack())->table[NF_FILTER];
    ck_assert_ptr_null(nf_chain_find(t, "old"));
    ck_assert_ptr_nonnull(nf_chain_find(t, "new"));
    ck_assert_uint_eq(nf_chain_find(t, "new")->refs, 1);
    ck_assert_uint_eq(nf_chain_find(t, "INPUT")->packets, 7);
    ck_assert_uint_eq(nf_chain_find(t, "INPUT")->rule[0]->bytes, 4);
    ck_assert(nf_chain_find(t, "FORWARD")->drop); /* not named: it stays */
    ck_assert_uint_eq(rule_packets("nat", "POSTROUTING", 1), 0);
    ck_assert_int_eq(nf_restore(stack(), "*filter\n-A INPUT -j DROP\nCOMMIT\n", 0, nf_msg, sizeof nf_msg, NULL), 0);
    ck_assert_uint_eq(nf_chain_find(&nf_rules(stack())->table[NF_FILTER], "INPUT")->nrules, 2);
    ck_assert_int_eq(nf_restore(stack(), "*filter\nCOMMIT\n", NF_RESTORE_TEST | NF_RESTORE_FLUSH, nf_msg, sizeof nf_msg, NULL), 0);
    ck_assert_uint_eq(nf_chain_find(&nf_rules(stack())->table[NF_FILTER], "INPUT")->nrules, 2);
}
END_TEST

START_TEST(edits)
{
    char spec[NF_SPEC_MAX];
    static const char *const want[] = {"-s 0.0.0.3/32", "-s 0.0.0.9/32", "-s 0.0.0.2/32"};

    rules("-A INPUT -s 0.0.0.1\n-A INPUT -s 0.0.0.2\n-I INPUT -s 0.0.0.3\n-I INPUT 2 -s 0.0.0.4\n-D INPUT -s 0.0.0.4\n"
          "-R INPUT 2 -s 0.0.0.9\n-C INPUT -s 0.0.0.9\n-N b\n-N a\n-A a -j b\n-E b z\n-Z");
    const struct nf_table *t = &nf_rules(stack())->table[NF_FILTER];
    for (unsigned i = 0; i < 3; i++) {
        nf_rule_spec(t->chain[0]->rule[i], spec, sizeof spec);
        ck_assert_str_eq(spec, want[i]);
    }
    ck_assert_uint_eq(t->chain[0]->nrules, 3);
    ck_assert_str_eq(t->chain[3]->name, "a");
    ck_assert_str_eq(t->chain[4]->name, "z");
    nf_rule_spec(t->chain[3]->rule[0], spec, sizeof spec);
    ck_assert_str_eq(spec, "-j z");
    rules("-F\n-X");
    ck_assert_ptr_null(stack()->ip->nf);
}
END_TEST

START_TEST(thirty_two_levels)
{
    char text[4096] = "";

    for (unsigned i = 0; i < 33; i++)
        sprintf(text + strlen(text), "-N c%u\n", i);
    for (unsigned i = 0; i < 31; i++)
        sprintf(text + strlen(text), "-A c%u -j c%u\n", i, i + 1);
    strcat(text, "-A c31 -j DROP\n-A FORWARD -j c0\n");
    rules(text);
    tcp_in(ENDS(PEER, SERVER, 1, 2), SYN, 1, 0, 0);
    nothing_sent();
    refused_rules("-A c31 -j c32", "more than 32 deep");
}
END_TEST

START_TEST(memory_that_runs_out)
{
    uint64_t used = stack()->mem.used;

    for (unsigned n = 1; n < 200; n++) {
        stack()->mem.fail_after = n;
        int rc = try_rules("-N a\n-A INPUT -m comment --comment xyz -j a\n-t nat -A POSTROUTING -j MASQUERADE");
        stack()->mem.fail_after = 0;
        stack()->mem.failing = false;
        if (rc == 0) {
            ck_assert_uint_gt(n, 10);
            rules("-F\n-X\n-t nat -F");
            return;
        }
        ck_assert_int_eq(rc, -ENOMEM);
        ck_assert_ptr_null(stack()->ip->nf);
        ck_assert_uint_eq(stack()->mem.used, used);
    }
    ck_abort_msg("never enough");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ip/nf/restore");
    TCase *tc = nf_case(s, "rules");

    tcase_add_loop_test(tc, good_rules, 0, sizeof good / sizeof good[0]);
    tcase_add_loop_test(tc, bad_rules, 0, sizeof bad / sizeof bad[0]);
    tcase_add_test(tc, line_40_changes_nothing);
    tcase_add_test(tc, restore_flushes_what_it_names);
    tcase_add_test(tc, edits);
    tcase_add_test(tc, thirty_two_levels);
    tcase_add_test(tc, memory_that_runs_out);
    return s;
}
CHECK_MAIN(suite)
