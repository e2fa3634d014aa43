/* The topology file: what it becomes, what is refused and where, and its pictures. */
#include "check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/yaml.h"
#include "topo/topo.h"

static char msg[1024];

static struct topo *parse(const char *text)
{
    msg[0] = '\0';
    return topo_parse("lab.yaml", text, strlen(text), msg, sizeof(msg));
}

static struct topo *parsed(const char *text)
{
    struct topo *t = parse(text);
    ck_assert_msg(t != NULL, "refused: %s", msg);
    return t;
}

static const char two_nets[] = "name: two-nets\n"
                               "seed: 7\n"
                               "nodes:\n"
                               "  client:\n"
                               "    apps: [echo -t]\n"
                               "    commands: [iptables -A INPUT -j ACCEPT]\n"
                               "    routes: [default via 10.0.1.1]\n"
                               "    sysctl: {net.ipv4.ip_default_ttl: 32}\n"
                               "    interfaces: {eth0: 10.0.1.2/24}\n"
                               "  router:\n"
                               "    forward: yes\n"
                               "    profile: rfc\n"
                               "    interfaces:\n"
                               "      left: [10.0.1.1/24, 10.0.3.1/24]\n"
                               "      right: {address: 10.0.2.1/24, mtu: 1400}\n"
                               "      spare:\n"
                               "links:\n"
                               "  - [client, router.left]\n"
                               "taps: {tap0: router.right}\n";

static void words_are(const struct topo_words *w, const char *const *texts, const unsigned *lines, size_t n)
{
    for (size_t i = 0; i < n; i++, w = w->next) {
        ck_assert_msg(w != NULL, "there are %zu, %zu were expected", i, n);
        ck_assert_str_eq(w->text, texts[i]);
        ck_assert_uint_eq(w->line, lines[i]);
    }
    ck_assert_ptr_null(w);
}

START_TEST(test_commands_in_their_order)
{
    struct topo *t = parsed(two_nets);
    static const char *const client[] = {"ip addr add 10.0.1.2/24 dev eth0", "sysctl -q -w 'net.ipv4.ip_default_ttl=32'",
                                         "ip route add default via 10.0.1.1", "iptables -A INPUT -j ACCEPT",
                                         "app start echo -t"};
    static const unsigned client_lines[] = {9, 8, 7, 6, 5};
    static const char *const router[] = {"ip addr add 10.0.1.1/24 dev left", "ip addr add 10.0.3.1/24 dev left",
                                         "ip addr add 10.0.2.1/24 dev right", "sysctl -q -w net.ipv4.ip_forward=1"};
    static const unsigned router_lines[] = {14, 14, 15, 11};
    ck_assert_str_eq(t->name, "two-nets");
    ck_assert(t->has_seed && t->seed == 7 && !t->virtual_time);
    ck_assert_uint_eq(t->nnodes, 2);
    words_are(topo_node(t, "client")->commands, client, client_lines, 5);
    words_are(topo_node(t, "router")->commands, router, router_lines, 4);
    ck_assert(topo_node(t, "router")->rfc && !topo_node(t, "client")->rfc);
    ck_assert_uint_eq(topo_node(t, "router")->interfaces->next->mtu, 1400);
    ck_assert(!topo_node(t, "router")->interfaces->next->next->used);
    ck_assert_ptr_eq(t->links->end[0].interface, topo_node(t, "client")->interfaces);
    ck_assert_ptr_eq(t->links->end[1].interface, topo_node(t, "router")->interfaces);
    ck_assert_str_eq(t->taps->device, "tap0");
    ck_assert_ptr_null(topo_node(t, "nobody"));
    topo_free(t);
}
END_TEST

START_TEST(test_impairments)
{
    struct topo *t = parsed("nodes:\n"
                            "  a: {interfaces: {e0: , e1: , e2: }}\n"
                            "  b: {interfaces: {e0: , e1: , e2: }}\n"
                            "links:\n"
                            "  - ends: [a.e0, b.e0]\n"
                            "    impair: delay 20ms\n"
                            "    back: tbf rate 1mbit burst 3000 latency 50ms\n"
                            "  - {ends: [a.e1, b.e1], there: netem loss 1%}\n"
                            "  - [a.e2, b]\n");
    const struct topo_link *l = t->links;
    ck_assert_str_eq(l->impair[0]->text, "netem delay 20ms");
    ck_assert_uint_eq(l->impair[0]->line, 6);
    ck_assert_str_eq(l->impair[1]->text, "tbf rate 1mbit burst 3000 latency 50ms");
    l = l->next;
    ck_assert_str_eq(l->impair[0]->text, "netem loss 1%");
    ck_assert_ptr_null(l->impair[1]);
    l = l->next;
    ck_assert_str_eq(l->end[1].interface->name, "e2"); /* the one that was left */
    ck_assert(l->impair[0] == NULL && l->impair[1] == NULL && l->next == NULL);
    ck_assert_str_eq(t->name, "lab"); /* after the file */
    topo_free(t);
}
END_TEST

START_TEST(test_a_switch_makes_its_ports)
{
    struct topo *t = parsed("nodes:\n"
                            "  sw: {kind: switch, commands: [ip addr add 10.0.0.9/24 dev br0]}\n"
                            "  a: {interfaces: {eth0: 10.0.0.1/24}}\n"
                            "  b: {interfaces: {eth0: 10.0.0.2/24}}\n"
                            "links: [[a, sw], [sw.up, b]]\n");
    static const char *const want[] = {"ip link add name br0 type bridge", "ip link set p1 master br0",
                                       "ip link set up master br0", "ip link set br0 up",
                                       "ip addr add 10.0.0.9/24 dev br0"};
    static const unsigned lines[] = {2, 5, 5, 2, 2};
    words_are(topo_node(t, "sw")->commands, want, lines, 5);
    ck_assert_ptr_eq(topo_has(t, TOPO_SWITCH), topo_node(t, "sw"));
    ck_assert_ptr_null(topo_has(t, TOPO_LINUX));
    topo_free(t);
}
END_TEST

/* What is wrong, and where: nothing of it is half taken. */
static const struct {
    const char *text, *says;
} bad[] = {
    {"", "lab.yaml: the file is empty"},
    {"nodes: [", "lab.yaml:2:1: this is not YAML: "},
    {"- a\n", "lab.yaml:1:1: a topology is a mapping"},
    {"nodes: {a: }\n---\nnodes: {b: }\n", "lab.yaml:2:1: a second YAML document begins here"},
    {"nodes: {\"\\x1b[31m\": }\n", "lab.yaml:1:9: '?[31m' is not a name"}, /* nothing for the terminal to obey */
    {"links: []\n", "lab.yaml:1:1: there are no nodes"},
    {"node: {}\n", "lab.yaml:1:1: 'node' is no key of a topology: there are name, time,"},
    {"name: a b\nnodes: {}\n", "lab.yaml:1:7: a topology's name has letters"},
    {"time: now\nnodes: {}\n", "lab.yaml:1:7: time is real or virtual"},
    {"seed: -1\nnodes: {}\n", "lab.yaml:1:7: a seed is a number"},
    {"nodes:\n  a b: {}\n", "lab.yaml:2:3: 'a b' is not a name for a node"},
    {"nodes:\n  a: {}\n  a: {}\n", "lab.yaml:3:3: 'a' is there already, in line 2"},
    {"nodes:\n  a: {kind: hub}\n", "lab.yaml:2:13: a node's kind is tapdeck, switch or linux"},
    {"nodes:\n  a: {route: []}\n", "lab.yaml:2:7: 'route' is no key of a node: there are kind, interfaces, routes"},
    {"nodes:\n  a: {forward: maybe}\n", "lab.yaml:2:16: 'forward' is yes or no"},
    {"nodes:\n  a: {profile: bsd}\n", "lab.yaml:2:16: a profile is linux or rfc"},
    {"nodes:\n  a: {interfaces: {lo: 10.0.0.1/24}}\n", "lab.yaml:2:20: 'lo' is not a name for an interface"},
    {"nodes:\n  a: {interfaces: {sixteen-letters-x: }}\n", "lab.yaml:2:20: 'sixteen-letters-x' is not a name"},
    {"nodes:\n  a: {interfaces: {eth0: 10.0.0.1}}\n", "lab.yaml:2:26: '10.0.0.1' is not an address with its prefix"},
    {"nodes:\n  a: {interfaces: {eth0: 10.0.0.1/33}}\n", "lab.yaml:2:26: '10.0.0.1/33' is not an address"},
    {"nodes:\n  a: {interfaces: {eth0: {mtu: 67}}}\n", "lab.yaml:2:32: an MTU is a number of bytes from 68"},
    {"nodes:\n  a: {interfaces: {eth0: {adress: 1}}}\n", "lab.yaml:2:27: 'adress' is no key of an interface"},
    {"nodes:\n  a: {interfaces: [eth0]}\n", "lab.yaml:2:19: a node's interfaces is a mapping"},
    {"nodes:\n  a: {routes: {default: x}}\n", "lab.yaml:2:15: routes is a list"},
    {"nodes:\n  a: {commands: [\"a\\nb\"]}\n", "lab.yaml:2:18: a command is one line of text"},
    {"nodes:\n  a: {sysctl: {\"a b\": 1}}\n", "lab.yaml:2:16: a knob is written as"},
    {"nodes:\n  a: {kind: linux, apps: [echo]}\n", "lab.yaml:2:27: a linux node runs its own programs"},
    {"nodes: {a: }\nlinks: [[a, b]]\n", "lab.yaml:2:10: node a has no interface left to join"},
    {"nodes: {a: {interfaces: {e: , f: }}}\nlinks: [[a, a]]\n", "lab.yaml:2:10: node a has more than one interface"},
    {"nodes: {a: {interfaces: {e: }}}\nlinks: [[a.e, b.e]]\n", "lab.yaml:2:15: 'b.e' names no node of this file"},
    {"nodes: {a: {interfaces: {e: }}}\nlinks: [[a.f, a.e]]\n", "lab.yaml:2:10: node a has no interface f"},
    {"nodes: {a: {interfaces: {e: }}}\nlinks: [[a.e, a.e]]\n", "lab.yaml:2:15: a.e is an end of another link already"},
    {"nodes: {a: {interfaces: {e: }}}\nlinks: [[a.e]]\n", "lab.yaml:2:9: a link has two ends"},
    {"nodes: {a: }\nlinks: [{impair: delay 1ms}]\n", "lab.yaml:2:9: a link has two ends"},
    {"nodes: {a: }\nlinks: [{end: x}]\n", "lab.yaml:2:10: 'end' is no key of a link: there are ends"},
    {"time: virtual\nnodes: {a: {interfaces: {e: }}}\ntaps: {tap0: a.e}\n", "lab.yaml:3:7: TAP devices live in real"},
    {"nodes: {a: {kind: linux, interfaces: {e: }}}\ntaps: {tap0: a.e}\n", "lab.yaml:2:14: a TAP device leads to a"},
    {"nodes: &x {a: *x}\n", "lab.yaml:1:12: 'a' is no key of a node"}, /* a file that holds itself */
};

START_TEST(test_refusals)
{
    struct topo *t = parse(bad[_i].text);
    ck_assert_msg(t == NULL, "taken: %s", bad[_i].text);
    ck_assert_msg(strncmp(msg, bad[_i].says, strlen(bad[_i].says)) == 0, "said: %s\nnot:  %s", msg, bad[_i].says);
}
END_TEST

START_TEST(test_files)
{
    char path[] = "/tmp/topo-test-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(dprintf(fd, "%s", two_nets), (int)strlen(two_nets));
    struct topo *t = topo_load(path, msg, sizeof(msg));
    ck_assert_msg(t != NULL, "%s", msg);
    ck_assert_str_eq(t->file, path);
    topo_free(t);
    ck_assert_int_eq(ftruncate(fd, YAML_FILE_MAX + 1), 0);
    ck_assert_ptr_null(topo_load(path, msg, sizeof(msg)));
    ck_assert_ptr_nonnull(strstr(msg, "has at most 1048576 bytes"));
    close(fd);
    unlink(path);
    ck_assert_ptr_null(topo_load(path, msg, sizeof(msg)));
    ck_assert_ptr_nonnull(strstr(msg, "can't be read: No such file"));
    ck_assert_ptr_null(topo_load("/", msg, sizeof(msg)));
    ck_assert_ptr_nonnull(strstr(msg, "can't be read: Is a directory"));
}
END_TEST

static void picture(void (*print)(struct text *out, const struct topo *t), const char *want)
{
    struct topo *t = parsed("name: p\n"
                            "nodes:\n"
                            "  a: {interfaces: {eth0: 10.0.0.1/24}}\n"
                            "  sw: {kind: switch}\n"
                            "links:\n"
                            "  - {ends: [a, sw], there: loss 1%, back: delay 1ms}\n"
                            "taps: {tap0: sw}\n");
    struct text out = {0};
    print(&out, t);
    ck_assert_str_eq(out.s, want);
    text_free(&out);
    topo_free(t);
}

START_TEST(test_pictures)
{
    picture(topo_text, "a (tapdeck)\n"
                       "  eth0 10.0.0.1/24\n"
                       "sw (switch)\n"
                       "  p1\n"
                       "  p2\n"
                       "a.eth0 10.0.0.1/24 -- [there: netem loss 1%; back: netem delay 1ms] -- sw.p1\n"
                       "this machine's tap0 ---- sw.p2\n");
    picture(topo_mermaid, "graph LR\n"
                          "  n0[\"a<br/>eth0 10.0.0.1/24\"]\n"
                          "  n1[\"sw<br/>(switch)\"]\n"
                          "  n0 ---|\"there: netem loss 1%; back: netem delay 1ms\"| n1\n"
                          "  t0([\"tap0 of this machine\"]) --- n1\n");
    picture(topo_dot, "graph \"p\" {\n"
                      "  node [shape=box];\n"
                      "  n0 [label=\"a\\neth0 10.0.0.1/24\"];\n"
                      "  n1 [label=\"sw\\n(switch)\"];\n"
                      "  n0 -- n1 [taillabel=\"eth0\", headlabel=\"p1\", label=\"there: netem loss 1%; back: netem delay 1ms\"];\n"
                      "  t0 [label=\"tap0 of this machine\", shape=oval];\n"
                      "  t0 -- n1 [headlabel=\"p2\"];\n"
                      "}\n");
    picture(topo_json,
            "{\"name\":\"p\",\"time\":\"real\",\"nodes\":[{\"name\":\"a\",\"kind\":\"tapdeck\",\"interfaces\":[{\"name\":\"eth0\","
            "\"addresses\":[\"10.0.0.1/24\"]}],\"commands\":[\"ip addr add 10.0.0.1/24 dev eth0\"]},{\"name\":\"sw\","
            "\"kind\":\"switch\",\"interfaces\":[{\"name\":\"p1\",\"addresses\":[]},{\"name\":\"p2\",\"addresses\":[]}],"
            "\"commands\":[\"ip link add name br0 type bridge\",\"ip link set p1 master br0\",\"ip link set p2 master br0\","
            "\"ip link set br0 up\"]}],\"links\":[{\"ends\":[{\"node\":\"a\",\"interface\":\"eth0\"},{\"node\":\"sw\","
            "\"interface\":\"p1\"}],\"there\":\"netem loss 1%\",\"back\":\"netem delay 1ms\"}],\"taps\":[{\"tap\":\"tap0\","
            "\"node\":\"sw\",\"interface\":\"p2\"}]}\n");
}
END_TEST

/* Files made to harm are refused, at once. */
static void refuse_large(struct text *t, const char *says)
{
    char m[512];
    ck_assert_ptr_null(topo_parse("lab.yaml", t->s, t->len, m, sizeof(m)));
    ck_assert_msg(strstr(m, says) != NULL, "said: %s", m);
    text_free(t);
}

START_TEST(test_limits)
{
    struct text t = {0};
    for (int i = 0; i < 1000000; i++)
        text_puts(&t, "[");
    refuse_large(&t, "lab.yaml:1:33: this is nested too deep");
    text_puts(&t, "nodes:\n  a: {kind: switch}\n  b: {kind: switch}\nlinks:\n");
    for (int i = 0; i < 100000; i++)
        text_puts(&t, "- [a, b]\n");
    refuse_large(&t, "lab.yaml:5:1: links: at most 4096 entries");
    text_puts(&t, "nodes:\n  a: {kind: switch}\n  b: {kind: switch}\nlinks:\n");
    for (int i = 0; i < 257; i++)
        text_puts(&t, "- [a, b]\n");
    refuse_large(&t, "lab.yaml:261:4: a node has at most 256 interfaces");
    text_puts(&t, "nodes:\n  a:\n    interfaces:\n");
    for (int i = 0; i < 257; i++)
        text_printf(&t, "      e%d: 10.0.0.1/24\n", i);
    refuse_large(&t, "lab.yaml:260:7: a node has at most 256 interfaces");
    text_puts(&t, "nodes: {a: {routes: [&r '");
    for (int i = 0; i < 2001; i++)
        text_puts(&t, "r");
    text_puts(&t, "', *r, *r]}}\n");
    refuse_large(&t, "is one line of text, at most 2000 bytes");
    text_puts(&t, "nodes:\n  n0: {commands: &c [");
    for (int i = 0; i < 4000; i++)
        text_puts(&t, "x,");
    text_puts(&t, "x]}\n");
    for (int i = 1; i < 30; i++)
        text_printf(&t, "  n%d: {commands: *c}\n", i);
    refuse_large(&t, "a topology has at most 100000 entries in all");
}
END_TEST

START_TEST(test_ports_beside_named_ones)
{
    static const char text[] = "nodes: {s: {kind: switch}, a: {interfaces: {e: }}, b: {interfaces: {e: }}}\n"
                               "links: [[s.p2, a], [s, b]]\n";
    char m[512];
    struct topo *t = topo_parse("lab.yaml", text, strlen(text), m, sizeof(m));
    ck_assert_msg(t != NULL, "%s", m);
    ck_assert_str_eq(t->links->end[0].interface->name, "p2");
    ck_assert_str_eq(t->links->next->end[0].interface->name, "p3");
    topo_free(t);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("topo");
    TCase *c = tcase_create("file");
    tcase_add_test(c, test_commands_in_their_order);
    tcase_add_test(c, test_impairments);
    tcase_add_test(c, test_a_switch_makes_its_ports);
    tcase_add_loop_test(c, test_refusals, 0, (int)(sizeof(bad) / sizeof(*bad)));
    tcase_add_test(c, test_limits);
    tcase_add_test(c, test_ports_beside_named_ones);
    tcase_add_test(c, test_files);
    tcase_add_test(c, test_pictures);
    suite_add_tcase(s, c);
    return s;
}

CHECK_MAIN(suite)
