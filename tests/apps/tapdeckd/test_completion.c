/* tests of completion: every command's usage is a grammar, and what Tab offers on the way through
 * them, values of the daemon included (apps/tapdeck/complete.c, apps/tapdeckd/cmd_values.c,
 * deck.c's suggestions). */
#include "console.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/usage.h"
#include "tapdeck/complete.h"
#include "tapdeck/deck_words.h"
#include "tapdeck/local.h"

/* ---- a client without a socket ---- */

static void all_commands(void *ctx, struct candidates *out)
{
    (void)ctx;
    for (size_t i = 0; commands[i] != NULL; i++)
        candidates_add(out, commands[i]->name, false);
    for (size_t i = 0; local_commands[i] != NULL; i++)
        candidates_add(out, local_commands[i]->name, false);
}

static const char *usage_of(void *ctx, const char *name)
{
    (void)ctx;
    const struct local_command *l = local_find(name);
    const struct command *c = command_find(name);
    return l != NULL ? l->usage : c != NULL ? c->usage : NULL;
}

static void values_of(void *ctx, const char *class, const char *prefix, struct candidates *out)
{
    (void)ctx;
    char *const ask[] = {(char[]){"values"}, (char *)class, (char *)prefix};
    struct run *r = run_start(&con.deck, 3, ask, false, false);
    while (r->status == RUN_MORE)
        run_step(r, td_stack_now(con.st));
    for (char *line = r->out.s, *end; line != NULL && (end = strchr(line, '\n')) != NULL;
         line = end + 1) {
        *end = '\0';
        candidates_add(out, line, false);
    }
    run_free(r);
}

static char offered[65536];

/* What Tab offers at the end of the line, blanks between; words that may go on end with ~. */
static const char *tab(const char *line)
{
    static const struct completer k = {NULL, all_commands, usage_of, values_of};
    char msg[256], **words, *list[WORDS_MAX], none[] = "";
    struct candidates found = {0};
    int n = words_split(line, &words, msg, sizeof(msg)), argc = 0;
    ck_assert_int_ge(n, 0);
    for (; argc < n; argc++)
        list[argc] = words[argc];
    if (n == 0 || line[strlen(line) - 1] == ' ')
        list[argc++] = none;
    complete_words(&k, argc, list, &found);
    offered[0] = '\0';
    size_t len = 0;
    for (size_t i = 0; i < found.n && len < sizeof(offered) - 200; i++)
        len += (size_t)snprintf(offered + len, sizeof(offered) - len, "%s%s%s", i > 0 ? " " : "",
                                found.v[i].word, found.v[i].open ? "~" : "");
    candidates_free(&found);
    words_free(words);
    return offered;
}

/* `word` is among what is offered. */
static bool offers(const char *line, const char *word)
{
    char padded[66000], want[256];
    snprintf(padded, sizeof(padded), " %s ", tab(line));
    snprintf(want, sizeof(want), " %s ", word);
    return strstr(padded, want) != NULL;
}

#define ck_tab(line, want)    ck_assert_str_eq(tab(line), want)
#define ck_offers(line, word) ck_assert_msg(offers(line, word), "'%s' offers: %s", line, offered)
#define ck_lacks(line, word)  ck_assert_msg(!offers(line, word), "'%s' offers: %s", line, offered)

static void setup(void)
{
    con_open(2);
    con_done("ip addr add 10.0.0.2/24 dev eth0");
    con_done("ip addr add 10.1.0.2/24 dev eth1");
    con_done("ip route add default via 10.0.0.1");
    con_done("ip route add 192.0.2.0/24 via 10.1.0.1");
    con_done("ip neigh add 10.0.0.7 lladdr 02:00:00:00:00:77 dev eth0");
}

/* ---- tests ---- */

/* The client's own, with a daemon and with a tape. */
static const struct local_command *const *const locals[] = {local_commands, deck_locals};

START_TEST(every_usage_is_a_grammar)
{
    char msg[256];
    for (size_t i = 0; commands[i] != NULL; i++) {
        struct usage *u = usage_parse(commands[i]->name, commands[i]->usage, msg, sizeof(msg));
        ck_assert_msg(u != NULL, "%s", msg);
        usage_free(u);
        ck_assert_ptr_nonnull(commands[i]->doc);
    }
    for (unsigned k = 0; k < 2; k++) {
        for (size_t i = 0; locals[k][i] != NULL; i++) {
            const struct local_command *c = locals[k][i];
            struct usage *u = usage_parse(c->name, c->usage, msg, sizeof(msg));
            ck_assert_msg(u != NULL, "%s", msg);
            usage_free(u);
            ck_assert(c->fn != NULL);
        }
    }
}
END_TEST

/* The examples of a command's help are lines of its grammar: two blanks, then the command. */
static void check_examples(const char *command, const char *usage, const char *more)
{
    char msg[256];
    struct usage *u = usage_parse(command, usage, msg, sizeof(msg));
    const char *at = more != NULL ? strstr(more, "Example") : NULL;
    const char *words_of = usage + strlen(command);
    bool words = *words_of != '\0' && strcmp(words_of, " [-j]") != 0;
    ck_assert_msg(at != NULL || !words, "the help of %s has no examples (a line Example or Examples, then lines of two blanks and the command)", command);
    while (at != NULL && (at = strchr(at, '\n')) != NULL) {
        char line[256], **argv;
        size_t n = strcspn(++at, "\n"), name = strlen(command);
        if (strncmp(at, "  ", 2) != 0 || strncmp(at + 2, command, name) != 0 || at[2 + name] != ' ')
            continue;
        snprintf(line, sizeof(line), "%.*s", (int)n, at);
        char *remark = strstr(line + 2, "    ");
        if (remark != NULL)
            *remark = '\0';
        int argc = words_split(line, &argv, msg, sizeof(msg));
        ck_assert_msg(argc > 0, "%s", line);
        /* What goes into a shell's pipeline isn't the command's. */
        for (int i = 0; i < argc; i++)
            if (strcmp(argv[i], "|") == 0 || argv[i][0] == '>')
                argc = i;
        ck_assert_msg(usage_complete(u, argc, argv), "the usage of %s doesn't allow: %s", command,
                      line);
        words_free(argv);
    }
    usage_free(u);
}

START_TEST(examples_fit)
{
    for (size_t i = 0; commands[i] != NULL; i++)
        check_examples(commands[i]->name, commands[i]->usage, commands[i]->more);
    for (unsigned k = 0; k < 2; k++) {
        for (size_t i = 0; locals[k][i] != NULL; i++) {
            char *more = local_more(locals[k][i]);
            check_examples(locals[k][i]->name, locals[k][i]->usage, more);
            free(more);
        }
    }
}
END_TEST

START_TEST(first_words)
{
    ck_offers("", "ip");
    ck_offers("", "drill");
    ck_tab("iptables-", "iptables-restore iptables-save");
    ck_offers("help ip", "iptables");
    ck_tab("nonsense ", "");
}
END_TEST

START_TEST(ip_words)
{
    ck_tab("ip ad", "addr");
    ck_tab("ip ro", "route");
    ck_offers("ip ", "neigh");
    ck_lacks("ip ", "-s");
    ck_offers("ip -", "-s");
    ck_offers("ip -", "-br");
    ck_tab("ip -s link show dev eth", "eth0 eth1");
    ck_tab("ip l s eth1 mtu 1400 pro", "promisc");
    ck_tab("ip addr add 10.9.0.1/24 dev ", "eth0 eth1 lo");
    ck_tab("ip link set eth0 ma", "master");
    ck_lacks("ip link set eth0 mtu 1400 ", "mtu");
    ck_offers("ip link add br0 type ", "bridge");
    ck_tab("ip link add br0 type bridge age", "ageing_time");
    ck_tab("ip link add v type vlan ", "id");
}
END_TEST

START_TEST(ip_routes)
{
    ck_tab("ip route add default via ", "10.0.0.1 10.0.0.7 10.1.0.1");
    ck_offers("ip route add ", "blackhole");
    ck_offers("ip route add ", "default");
    ck_offers("ip route del ", "192.0.2.0/24");
    ck_offers("ip route add 10.9.0.0/16 ", "nexthop");
    ck_tab("ip route add 10.9.0.0/16 nexthop via 10.0.0.1 dev eth0 wei", "weight");
    ck_offers("ip route add 10.9.0.0/16 nexthop via 10.0.0.1 nexthop via 10.1.0.1 ", "weight");
    ck_offers("ip route get ", "10.0.0.7");
    ck_offers("ip route get 10.0.0.7 from ", "10.0.0.2");
    ck_tab("ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:7", "02:00:00:00:00:77");
    ck_tab("ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev eth0 nud p", "permanent probe");
    ck_offers("ip rule add from 10.0.0.0/24 table ", "main");
}
END_TEST

START_TEST(other_tools)
{
    ck_offers("ss -t", "-tn");
    ck_offers("ss -ta", "-tan");
    ck_lacks("ss -ta", "-taa");
    ck_offers("ss -tan state time", "time-wait");
    ck_offers("ss ", "state");
    ck_offers("sysctl net.ipv4.tcp_", "net.ipv4.tcp_sack~");
    ck_offers("sysctl -w net.ipv4.ip_f", "net.ipv4.ip_forward~");
    ck_offers("sysctl net.ipv4.conf.eth1.", "net.ipv4.conf.eth1.forwarding~");
    ck_offers("nstat -az TcpRetr", "TcpRetransSegs");
    ck_tab("table nei", "neigh");
    ck_offers("app start ht", "httpd");
    ck_tab("tc qdisc add dev eth0 root ne", "netem");
    ck_offers("tc qdisc add dev eth0 root netem ", "delay");
    ck_tab("tc qdisc add dev eth0 root netem delay 20ms dist", "distribution");
    ck_tab("bridge fdb add 02:00:00:00:00:09 dev eth0 st", "static sticky");
    ck_offers("iptables -t nat -A P", "POSTROUTING");
    ck_offers("iptables -A FORWARD -p ", "tcp");
    ck_offers("iptables -A FORWARD -p tcp -j ", "REJECT");
    ck_offers("iptables -A FORWARD -p tcp --dp", "--dport");
    ck_offers("fault no-k", "no-karn");
    ck_tab("fault no-karn ", "off on");
    ck_offers("ping 10.0.0.", "10.0.0.7");
    ck_offers("ping -", "-c");
    ck_offers("conntrack -L -p ", "udp");
    ck_offers("conntrack -L --state T", "TIME_WAIT");
    ck_tab("break when state=CL", "state=CLOSE-WAIT state=CLOSED state=CLOSING");
    ck_offers("break when event=tcp-rto", "event=tcp-rto");
    ck_offers("break when cw", "cwnd~");
    ck_offers("pcb 7 SND.", "SND.UNA");
    con_done("ip link add br7 type bridge");
    ck_tab("ip link set eth0 master ", "br7");
}
END_TEST

START_TEST(files)
{
    char dir[] = "/tmp/tapdeck-complete-XXXXXX", path[128], line[256], want[256];
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/one.pkt", dir);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fclose(f);
    snprintf(line, sizeof(line), "drill %s/on", dir);
    ck_tab(line, path);
    snprintf(line, sizeof(line), "capture start %s", dir);
    snprintf(want, sizeof(want), "%s/~", dir);
    ck_tab(line, want);
    unlink(path);
    rmdir(dir);
}
END_TEST

START_TEST(suggestions)
{
    ck_assert_int_eq(con_line("rotue", false), EXIT_USAGE);
    con_refused("pign 10.0.0.1", "there is no command 'pign': did you mean 'ping'?");
    con_refused("ip link set eth0 mut 1400", "did you mean 'mtu'?");
    con_refused("ip link show eth3",
                "there is no interface 'eth3': there is lo, eth0, eth1; did you mean 'eth0'?");
    con_refused("sysctl net.ipv4.tcp_sakc",
                "there is no knob 'net.ipv4.tcp_sakc': did you mean 'net.ipv4.tcp_sack'?");
    con_refused("sysctl -w net.ipv4.tcp_sakc=1", "did you mean 'net.ipv4.tcp_sack'?");
    con_refused("table tpc", "there is no table called 'tpc': `table` lists them; did you mean 'tcp'?");
    con_refused("fault no-kran on", "there is no fault 'no-kran': `fault list` has them; did you mean 'no-karn'?");
    con_refused("why event tcp-sate", "did you mean 'tcp-state'?");
    con_refused("nstat -x", "'-x' doesn't belong after 'nstat': the options here are");
    con_refused("ip link set eth0 qqqqqq 1400", "'qqqqqq' doesn't belong after");
    ck_assert_ptr_null(strstr(con.err, "did you mean"));
}
END_TEST

START_TEST(values)
{
    con_done("values IFACE");
    ck_assert_str_eq(con.out, "lo\neth0\neth1\n");
    con_done("values IFACE eth");
    ck_assert_str_eq(con.out, "eth0\neth1\n");
    ck_assert_int_eq(con_line("values IFACE eth1", true), EXIT_DONE);
    ck_assert_str_eq(con.out, "[\"eth1\"]\n");
    con_done("values N");
    ck_assert_str_eq(con.out, "");
    con_refused("values", "a word is missing after 'values'");
    con_refused("values IFACE a b", "'b' doesn't belong after");
    con_done("app start echo -p 7");
    con_done("values RUNNING");
    ck_assert_str_eq(con.out, "1\n");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("completion");
    TCase *t = tcase_create("completion");
    suite_add_tcase(s, t);
    tcase_add_checked_fixture(t, setup, con_close);
    tcase_add_test(t, every_usage_is_a_grammar);
    tcase_add_test(t, examples_fit);
    tcase_add_test(t, first_words);
    tcase_add_test(t, ip_words);
    tcase_add_test(t, ip_routes);
    tcase_add_test(t, other_tools);
    tcase_add_test(t, files);
    tcase_add_test(t, suggestions);
    tcase_add_test(t, values);
    return s;
}

CHECK_MAIN(suite)
