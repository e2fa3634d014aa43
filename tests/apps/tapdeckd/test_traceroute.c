/* tests of apps/tapdeckd/cmd_traceroute.c and trace.c: a host, two routers, a host. */
#include "twin.h"

#include <jansson.h>

static void open_row(void)
{
    twin_open(4);
    for (unsigned i = 1; i < 4; i++) /* many traces in a short time */
        ck_assert_int_eq(td_knob_set(twin.st[i], "net.ipv4.icmp_ratelimit", "0"), 0);
    /* Everybody knows their neighbours, so that the first probe isn't slower than the others. */
    for (int i = 0; i < 2; i++)
        twin_do(0, "ping -c 1 10.0.2.2", EXIT_DONE);
}

static void close_row(void)
{
    twin_close();
}

/* The addresses of a trace, in their order, a line for each hop; times away. */
static void is_way(const struct cmd *c, const char *want)
{
    char got[2048] = "";
    size_t n = 0;
    const char *s = strchr(twin_text(&c->out), '\n');
    for (s = s != NULL ? s + 1 : ""; *s != '\0' && n + 2 < sizeof got;) {
        size_t digits = strspn(s, "0123456789.");
        if (s[-1] == ' ' && s[-2] == ' ' && digits > 4 && strncmp(s + digits, " ms", 3) == 0) {
            n -= 2;
            got[n++] = ' ';
            got[n++] = 't';
            s += digits + 3;
        } else {
            got[n++] = *s++;
        }
    }
    got[n] = '\0';
    ck_assert_str_eq(got, want);
}

START_TEST(each_method)
{
    static const char *const method[] = {"", "-I ", "-T -p 81 ", "-q 3 -N 1 ", "-F -t 16 -s 10.0.0.1 -i eth0 "};
    for (size_t i = 0; i < sizeof method / sizeof *method; i++) {
        char line[100];
        snprintf(line, sizeof line, "traceroute -n %s10.0.2.2", method[i]);
        struct cmd *c = twin_do(0, line, EXIT_DONE);
        ck_assert_int_eq(strncmp(c->out.s, "traceroute to 10.0.2.2 (10.0.2.2), 30 hops max, 60 byte packets\n", 64), 0);
        is_way(c, " 1  10.0.0.2 t t t\n 2  10.0.1.2 t t t\n 3  10.0.2.2 t t t\n");
        twin_forget(c);
    }
    twin_start(3, "nc -k -l 80");
    struct cmd *c = twin_do(0, "traceroute -T -q 1 10.0.2.2", EXIT_DONE);
    is_way(c, " 1  10.0.0.2 (10.0.0.2) t\n 2  10.0.1.2 (10.0.1.2) t\n 3  10.0.2.2 (10.0.2.2) t\n");
    /* Nothing is left of the probes: no socket here, no connection there. */
    twin_forget(c);
    twin_run(100 * TD_SEC);
    struct cmd *s = twin_do(0, "ss -tuanH", EXIT_DONE);
    ck_assert_str_eq(twin_text(&s->out), "");
    s = twin_do(3, "ss -tanH state syn-recv", EXIT_DONE);
    ck_assert_str_eq(twin_text(&s->out), "");
}
END_TEST

START_TEST(hops_and_probes)
{
    struct cmd *c = twin_do(0, "traceroute -n -f 2 -q 1 10.0.2.2", EXIT_DONE);
    is_way(c, " 2  10.0.1.2 t\n 3  10.0.2.2 t\n");
    c = twin_do(0, "traceroute -n -m 2 -q 2 10.0.2.2 1000", EXIT_DONE);
    is_way(c, " 1  10.0.0.2 t t\n 2  10.0.1.2 t t\n");
    twin_says(&c->out, "2 hops max, 1000 byte packets\n");
    /* The target serves the port that is probed: its answer ends the trace too. */
    twin_do(3, "app start echo -p 33436", EXIT_DONE);
    c = twin_do(0, "traceroute -n -q 1 10.0.2.2", EXIT_DONE);
    is_way(c, " 1  10.0.0.2 t\n 2  10.0.1.2 t\n 3  10.0.2.2 t\n");
    td_time from = sim_now(twin.sim);
    c = twin_do(0, "traceroute -n -N 1 -z 0.5 -q 1 10.0.2.2", EXIT_DONE);
    ck_assert_uint_ge(c->over_at - from, TD_SEC);
    ck_assert_uint_lt(c->over_at - from, 3 * TD_SEC / 2);
}
END_TEST

START_TEST(marks)
{
    static const struct {
        const char *with, *mark;
    } m[] = {
        {"icmp-net-unreachable", "!N"},   {"icmp-host-unreachable", "!H"},  {"icmp-proto-unreachable", "!P"},
        {"icmp-net-prohibited", "!X"},    {"icmp-host-prohibited", "!X"},   {"icmp-admin-prohibited", "!X"},
    };
    for (size_t i = 0; i < sizeof m / sizeof *m; i++) {
        char line[200], want[100];
        snprintf(line, sizeof line, "iptables -A FORWARD -d 10.0.2.2 -j REJECT --reject-with %s", m[i].with);
        twin_do(2, line, EXIT_DONE);
        /* The rule comes behind the hops: a probe that ends there is still told so. */
        snprintf(want, sizeof want, " 1  10.0.0.2 t\n 2  10.0.1.2 t\n 3  10.0.1.2 t %s\n", m[i].mark);
        struct cmd *c = twin_do(0, "traceroute -n -q 1 10.0.2.2", EXIT_DONE);
        is_way(c, want);
        c = twin_do(0, "traceroute -n -q 1 -T 10.0.2.2", EXIT_DONE);
        is_way(c, want);
        c = twin_do(0, "traceroute -n -q 1 -I 10.0.2.2", EXIT_DONE);
        is_way(c, want);
        twin_run(10 * TD_SEC); /* all errors together are limited too */
        twin_do(2, "iptables -F FORWARD", EXIT_DONE);
    }
    twin_do(2, "ip link set eth1 mtu 1000", EXIT_DONE);
    struct cmd *c = twin_do(0, "traceroute -n -F -q 1 10.0.2.2 1400", EXIT_DONE);
    is_way(c, " 1  10.0.0.2 t\n 2  10.0.1.2 t\n 3  10.0.1.2 t !F-1000\n");
}
END_TEST

START_TEST(silence)
{
    twin_do(2, "iptables -A FORWARD -j DROP", EXIT_DONE);
    td_time from = sim_now(twin.sim);
    struct cmd *c = twin_do(0, "traceroute -n -m 4 -q 2 -w 2 10.0.2.2", EXIT_DONE);
    is_way(c, " 1  10.0.0.2 t t\n 2  10.0.1.2 t t\n 3  * *\n 4  * *\n");
    ck_assert_uint_ge(c->over_at - from, 2 * TD_SEC);
    ck_assert_uint_lt(c->over_at - from, 3 * TD_SEC);
    /* A hop that doesn't answer, before others that do, is waited for ten round trips only. */
    twin_do(2, "iptables -F FORWARD", EXIT_DONE);
    twin_do(1, "iptables -A OUTPUT -p icmp -j DROP", EXIT_DONE);
    from = sim_now(twin.sim);
    c = twin_do(0, "traceroute -n -q 1 10.0.2.2", EXIT_DONE);
    is_way(c, " 1  *\n 2  10.0.1.2 t\n 3  10.0.2.2 t\n");
    ck_assert_uint_lt(c->over_at - from, 100 * TD_MS);
    /* A neighbour who isn't there: this host itself says so. */
    c = twin_do(0, "traceroute -n -q 1 10.0.0.77", EXIT_DONE);
    twin_says(&c->out, " 1  10.0.0.1  ");
    twin_says(&c->out, " ms !H\n");
    c = twin_do(0, "traceroute 192.0.2.1", EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(c->err, "no route leads there"));
    c = twin_do(0, "traceroute -T 192.0.2.1", EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(c->err, "no route leads there"));
}
END_TEST

START_TEST(json)
{
    struct cmd *c = twin_start_as(0, "traceroute -q 2 10.0.2.2", true);
    twin_wait(c, 10 * TD_SEC);
    json_t *j = json_loads(c->out.s, 0, NULL), *hops = json_object_get(j, "hops");
    ck_assert_msg(j != NULL, "%s", c->out.s);
    ck_assert_str_eq(json_string_value(json_object_get(j, "method")), "udp");
    ck_assert(json_is_true(json_object_get(j, "ended")));
    ck_assert_uint_eq(json_array_size(hops), 3);
    json_t *probe = json_array_get(json_object_get(json_array_get(hops, 1), "probes"), 1);
    ck_assert_str_eq(json_string_value(json_object_get(probe, "from")), "10.0.1.2");
    ck_assert(json_real_value(json_object_get(probe, "rtt_ms")) > 3.9);
    json_decref(j);
    twin_do(2, "iptables -A FORWARD -j DROP", EXIT_DONE);
    c = twin_start_as(0, "traceroute -q 2 10.0.2.2", true);
    twin_run(TD_SEC);
    run_interrupt(c->r);
    twin_wait(c, TD_SEC);
    ck_assert_int_eq(c->status, EXIT_FAILED);
    j = json_loads(c->out.s, 0, NULL);
    ck_assert_msg(j != NULL, "%s", c->out.s);
    ck_assert(json_is_false(json_object_get(j, "ended")));
    json_decref(j);
    while (twin.cmds != NULL)
        twin_forget(twin.cmds);
    c = twin_start(0, "traceroute -T -q 2 10.0.2.2");
    twin_run(TD_SEC);
    run_interrupt(c->r);
    twin_wait(c, TD_SEC);
    twin_forget(c);
    c = twin_do(0, "ss -tuanH", EXIT_DONE);
    ck_assert_str_eq(twin_text(&c->out), "");
}
END_TEST

START_TEST(refusals)
{
    twin_refused("traceroute", "where to?");
    twin_refused("traceroute www", "names are not looked up");
    twin_refused("traceroute 10.0.0.2 60 1", "one word too many");
    twin_refused("traceroute 10.0.0.2 x", "not a length");
    twin_refused("traceroute -m 0 10.0.0.2", "1 to 255");
    twin_refused("traceroute -m 256 10.0.0.2", "1 to 255");
    twin_refused("traceroute -f 5 -m 4 10.0.0.2", "behind the last hop");
    twin_refused("traceroute -q 11 10.0.0.2", "1 to 10");
    twin_refused("traceroute -N 65 10.0.0.2", "1 to 64");
    twin_refused("traceroute -p 65530 10.0.0.2", "smaller -p");
    twin_refused("traceroute -w 0 10.0.0.2", "seconds from 0.01");
    twin_refused("traceroute -w 5,x 10.0.0.2", "seconds from 0.01");
    twin_refused("traceroute -i eth9 10.0.0.2", "there is no interface 'eth9'");
    twin_refused("traceroute -s here 10.0.0.2", "doesn't fit -s");
    twin_refused("traceroute -x 10.0.0.2", "no option -x");
    twin_forget(twin_do(0, "traceroute -s 10.9.9.9 10.0.0.2", EXIT_FAILED));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("traceroute");
    TCase *t = tcase_create("traceroute");
    tcase_add_checked_fixture(t, open_row, close_row);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, each_method);
    tcase_add_test(t, hops_and_probes);
    tcase_add_test(t, marks);
    tcase_add_test(t, silence);
    tcase_add_test(t, json);
    tcase_add_test(t, refusals);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
