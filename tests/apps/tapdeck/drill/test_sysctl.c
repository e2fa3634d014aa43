/* The shell commands a drill understands without a shell: tapdeck/drill/sysctl.h. */
#include "check_main.h"
#include "core/stack.h"
#include "tapdeck/drill/nstat.h"
#include "tapdeck/drill/sysctl.h"
#include "tapdeck/stack.h"

#include <string.h>

static struct td_stack *st;
static struct nstat seen;

static void setup(void)
{
    const struct td_stack_config c = {.now = TD_SEC};
    st = td_stack_new(&c);
    memset(&seen, 0, sizeof seen);
    ck_assert_ptr_nonnull(st);
}

static void teardown(void)
{
    td_stack_free(st);
}

static enum shell_answer run(const char *text, struct shell *sh)
{
    *sh = (struct shell){
        .st = st, .nstat = &seen, .remote = 0xc0000201, .dry = sh->dry, .started = sh->started};
    return shell_run(sh, text);
}

static void knob_is(const char *name, const char *value)
{
    char now[64] = "";
    ck_assert_int_gt(td_knob_get(st, name, now, sizeof now), 0);
    ck_assert_str_eq(now, value);
}

static void done(const char *text)
{
    struct shell sh = {0};
    ck_assert_msg(run(text, &sh) == SHELL_DONE, "%s: %s", text, sh.why);
}

static void fails(const char *text)
{
    struct shell sh = {0};
    ck_assert_msg(run(text, &sh) == SHELL_FAILED, "%s should fail", text);
}

static void refused(const char *text, const char *why)
{
    struct shell sh = {0};
    ck_assert_msg(run(text, &sh) == SHELL_UNSUPPORTED, "%s was taken", text);
    ck_assert_msg(strstr(sh.why, why) != NULL, "%s: '%s' doesn't speak of '%s'", text, sh.why, why);
}

START_TEST(knobs)
{
    done("sysctl -q net.ipv4.tcp_syn_retries=1");
    knob_is("net.ipv4.tcp_syn_retries", "1");
    done("sysctl -qw net/ipv4/tcp_syn_retries=2 net.ipv4.tcp_retries2=4");
    knob_is("net.ipv4.tcp_syn_retries", "2");
    knob_is("net.ipv4.tcp_retries2", "4");
    done(
        "sudo /sbin/sysctl -w net.ipv4.tcp_rmem=\"4096 87380 $((15*1024*1024))\" > /dev/null 2>&1");
    knob_is("net.ipv4.tcp_rmem", "4096\t87380\t15728640");
    done("echo 7 > /proc/sys/net/ipv4/tcp_retries2");
    knob_is("net.ipv4.tcp_retries2", "7");
    done("sysctl -q net.ipv4.tcp_retries2=0x9 # a comment");
    knob_is("net.ipv4.tcp_retries2", "9");
}
END_TEST

START_TEST(several)
{
    done("# first\nsysctl -q net.ipv4.tcp_retries1=2 &&\\\n sysctl -q net.ipv4.tcp_retries2=3; "
         "true\n\n"
         "./common/set_sysctls.py /proc/sys/net/ipv4/tcp_syn_retries=4 "
         "/proc/sys/net/ipv4/tcp_sack=0");
    knob_is("net.ipv4.tcp_retries1", "2");
    knob_is("net.ipv4.tcp_retries2", "3");
    knob_is("net.ipv4.tcp_syn_retries", "4");
}
END_TEST

START_TEST(common_init)
{
    static const char *const spellings[] = {
        "./defaults.sh",
        "./common/defaults.sh",
        "source ./common/defaults.sh",
        ". ./defaults.sh",
        "sh ../common/defaults.sh",
        "./common/set_sysctls.py",
        "./common/defaults.sh && true",
    };
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        done("sysctl net.ipv4.tcp_syn_retries=1 net.ipv4.tcp_slow_start_after_idle=1");
        done(spellings[i]);
        knob_is("net.ipv4.tcp_syn_retries", "5");
        knob_is("net.ipv4.tcp_slow_start_after_idle", "0");
        knob_is("net.ipv4.tcp_wmem", "4096\t262144\t4194304");
    }
}
END_TEST

START_TEST(without_effect_here)
{
    done("sysctl -q net.ipv4.tcp_min_tso_segs=4 net.ipv4.tcp_limit_output_bytes=1 "
         "net.ipv4.tcp_autocorking=0");
    done("tc qdisc replace dev tun0 root pfifo");
    done("tc qdisc delete dev tun0 root 2>/dev/null ; tc qdisc add dev tun0 root pfifo limit 1000");
    done("ethtool -K tun0 tso off gso off");
    done("ip tcp_metrics flush all > /dev/null 2>&1");
    done("/tmp/sysctl_restore_${PPID}.sh");
}
END_TEST

/* The fair queue spreads what TCP sends; another queue doesn't. */
START_TEST(paced_by_the_queue)
{
    done("tc qdisc replace dev tun0 root fq");
    knob_is("net.ipv4.tcp_pacing", "1");
    done("tc qdisc replace dev tun0 root pfifo");
    knob_is("net.ipv4.tcp_pacing", "0");
}
END_TEST

START_TEST(everything_else)
{
    refused("iptables -A OUTPUT -j DROP", "iptables");
    refused("nstat | awk '{print $2}'", "nstat");
    refused("nstat -x", "nstat");
    refused("cat /proc/net/netstat | grep Tcp", "cat");
    refused("sysctl net.ipv4.tcp_retries1 | grep 3", "sysctl |");
    refused("sysctl =1", "sets no knob");
    refused("sysctl -a", "-a");
    refused("sysctl", "nothing");
    refused("sysctl -q net.ipv4.no_such_knob=1", "no_such_knob");
    refused("sysctl -q net.ipv4.tcp_syn_retries=1000000", "tcp_syn_retries");
    refused("sysctl -q net.ipv4.tcp_syn_retries=many", "tcp_syn_retries");
    refused("sysctl -q net.ipv4.tcp_congestion_control=nonsense", "tcp_congestion_control");
    refused("tc qdisc replace dev tun0 root netem loss 1%", "tc");
    refused("tc qdisc add dev tun0 root pfifo limit 0", "tc");
    refused("ip route add 10.0.0.0/8 dev tun0", "ip");
    refused("true; rm -rf /tmp/x", "rm");
    refused("echo 1 > /etc/passwd", "/etc/passwd");
    refused("true & false", "true");
    refused("sleep", "sleep");
    refused("sleep forever", "sleep");
    refused("echo 'open quote", "echo");
}
END_TEST

START_TEST(either_or)
{
    done("sysctl net.ipv4.no_such_knob=1 &> /dev/null || sysctl net.ipv4.tcp_retries1=4");
    knob_is("net.ipv4.tcp_retries1", "4");
    done("sysctl net.ipv4.tcp_retries1=5 || sysctl net.ipv4.tcp_retries1=6; true");
    knob_is("net.ipv4.tcp_retries1", "5");
    refused("sysctl net.ipv4.no_such_knob=1 || sysctl net.ipv4.nor_this=1", "nor_this");
    done("nstat | grep -q NoSuchLine || true");
    fails("nstat | grep -q NoSuchLine && sysctl net.ipv4.tcp_retries1=7");
    knob_is("net.ipv4.tcp_retries1", "5");
}
END_TEST

START_TEST(counters)
{
    st->counters.v[CNT_TcpRetransSegs] = 2;
    done("nstat -s | grep TcpRetransSegs | grep -q \" 2 \"");
    fails("nstat -s | grep TcpRetransSegs | grep \" 1 \"");
    fails("nstat -s | grep TcpInErrs");
    done("nstat -n"); /* from here on it counts anew */
    fails("nstat -s | grep TcpRetransSegs");
    st->counters.v[CNT_TcpRetransSegs]++;
    done("nstat -as | grep TcpRetransSegs | grep \" 3 \"");
    done("nstat | grep TcpRetransSegs | grep -q \" 1 \"");
    fails("nstat | grep TcpRetransSegs > /dev/null");
    struct shell sh = {.dry = true};
    ck_assert_int_eq(run("nstat | grep TcpRetransSegs", &sh), SHELL_DONE);
    sh.dry = true;
    ck_assert_int_eq(run("nstat | grep NoSuchCounter", &sh), SHELL_UNSUPPORTED);
}
END_TEST

START_TEST(cubic)
{
    done("echo 0 > /sys/module/tcp_cubic/parameters/hystart");
    knob_is("net.ipv4.tcp_cubic_hystart", "0");
    done("echo 3 > /sys/module/tcp_cubic/parameters/hystart_detect");
    knob_is("net.ipv4.tcp_cubic_hystart", "1");
    refused("echo 1 > /sys/module/tcp_cubic/parameters/hystart_detect", "hystart_detect");
    refused("echo 2 > /sys/module/tcp_cubic/parameters/beta", "beta");
}
END_TEST

/* Attributes of the route to the one host there is. */
START_TEST(routes)
{
    done("ip route change 192.0.2.0/24 via 192.168.0.2 dev tun0 rto_min 300ms");
    knob_is("net.ipv4.tcp_rto_min_us", "300000");
    done("ip ro replace default dev tun0 rto_min lock 1s initcwnd 20 congctl reno");
    knob_is("net.ipv4.tcp_rto_min_us", "1000000");
    knob_is("net.ipv4.tcp_initial_cwnd", "20");
    knob_is("net.ipv4.tcp_congestion_control", "reno");
    done("ip route change 192.0.2.1 rto_min 250");
    knob_is("net.ipv4.tcp_rto_min_us", "250000");
    done("ip route show");
    refused("ip route change 10.0.0.0/8 dev tun0 initcwnd 5", "ip route");
    refused("ip route change 192.0.2.0/33 dev tun0 initcwnd 5", "ip route");
    refused("ip route del default", "ip route");
    refused("ip route change default dev tun0 quickack 1", "quickack");
    refused("ip route change default dev tun0 initcwnd", "initcwnd");
    refused("ip route change default dev tun0 rto_min soon", "rto_min");
    refused("ip route change default dev tun0 congctl nonesuch", "congestion");
    knob_is("net.ipv4.tcp_initial_cwnd", "20");
}
END_TEST

START_TEST(shown)
{
    done("sysctl net.ipv4.tcp_sack");
    done("sysctl -n net.ipv4.tcp_sack");
    done("sysctl --quiet --write net.ipv4.tcp_sack=0");
    knob_is("net.ipv4.tcp_sack", "0");
    refused("sysctl net.ipv4.no_such", "net.ipv4.no_such");
    refused("sysctl -p", "-p");
    refused("sysctl --system", "--system");
}
END_TEST

/* What the stack hasn't got can be off, but not on. */
START_TEST(absent)
{
    done("sysctl -q net.ipv4.tcp_plb_enabled=0 net.ipv4.tcp_reflect_tos=0");
    refused("sysctl -q net.ipv4.tcp_plb_enabled=1", "tcp_plb_enabled");
    done("ethtool --offload tun0 tso off");
}
END_TEST

START_TEST(only_looked_at)
{
    struct shell sh = {.dry = true};
    done("sysctl net.ipv4.tcp_retries1=3");
    ck_assert_int_eq(run("sysctl net.ipv4.tcp_retries1=5; ./defaults.sh", &sh), SHELL_DONE);
    knob_is("net.ipv4.tcp_retries1", "3");
    sh.dry = true;
    ck_assert_int_eq(run("sysctl net.ipv4.no_such=5", &sh), SHELL_UNSUPPORTED);
}
END_TEST

START_TEST(sleeping)
{
    struct shell sh = {0};
    ck_assert_int_eq(run("sleep 1.5; sleep 1", &sh), SHELL_DONE);
    ck_assert_uint_eq(sh.sleep, 2500 * TD_MS);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("drill sysctl");
    TCase *c = tcase_create("sysctl");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, knobs);
    tcase_add_test(c, several);
    tcase_add_test(c, common_init);
    tcase_add_test(c, without_effect_here);
    tcase_add_test(c, everything_else);
    tcase_add_test(c, paced_by_the_queue);
    tcase_add_test(c, only_looked_at);
    tcase_add_test(c, either_or);
    tcase_add_test(c, counters);
    tcase_add_test(c, cubic);
    tcase_add_test(c, sleeping);
    tcase_add_test(c, routes);
    tcase_add_test(c, shown);
    tcase_add_test(c, absent);
    suite_add_tcase(s, c);
    return s;
}

CHECK_MAIN(suite)
