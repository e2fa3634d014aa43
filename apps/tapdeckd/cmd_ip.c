/* tapdeckd/cmd_ip.c: `ip`: its options and objects, and `ip addr add|del|flush`.
 *
 * Grammar, abbreviations, output and JSON keys are iproute2's, the useful subset. What is shown of links
 * and addresses is in ip_show.c, what changes links in cmd_link.c; cmd_route.c, cmd_rule.c, cmd_neigh.c
 * and cmd_monitor.c have the other objects.
 */
#include "tapdeckd/cmd_ip.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ip/ip.h"
#include "link/link.h"

enum ip_verb ip_verb(const char *word)
{
    static const struct {
        const char *word;
        enum ip_verb verb;
    } verbs[] = {
        {"add", VERB_ADD},         {"delete", VERB_DEL},    {"show", VERB_SHOW},
        {"list", VERB_SHOW},       {"lst", VERB_SHOW},      {"ls", VERB_SHOW},
        {"replace", VERB_REPLACE}, {"change", VERB_CHANGE}, {"chg", VERB_CHANGE},
        {"set", VERB_SET},         {"get", VERB_GET},       {"flush", VERB_FLUSH},
    };
    for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
        if (word_abbrev(word, verbs[i].word))
            return verbs[i].verb;
    return VERB_UNKNOWN;
}

/* ---- ip addr ---- */

/* The words behind the address: dev X, broadcast, label. False: the sentence is set. */
static bool addr_words(struct run *r, int at, bool adding, struct td_addr *a, uint32_t *ifindex)
{
    for (int i = at; i < r->argc; i += 2) {
        const char *word = r->argv[i], *value;
        bool dev = strcmp(word, "dev") == 0, label = strcmp(word, "label") == 0;
        bool brd = strcmp(word, "brd") == 0 || strcmp(word, "broadcast") == 0;
        if (!dev && !(adding && (label || brd))) {
            run_bad_word(
                r, i,
                adding ? "write `dev` and an interface, `brd` and an address, or `label` and a name"
                       : "write `dev` and an interface");
            return false;
        }
        value = run_value(r, i,
                          dev     ? "the interface's name"
                          : label ? "the label"
                                  : "the broadcast address");
        if (value == NULL)
            return false;
        if (dev) {
            if ((*ifindex = run_interface(r, value)) == 0)
                return false;
        } else if (label) {
            if (strlen(value) >= sizeof(a->label)) {
                run_fail(r, EXIT_USAGE, "'%s' is too long for a label: 15 characters at most",
                         value);
                return false;
            }
            snprintf(a->label, sizeof(a->label), "%s", value);
        } else if (strcmp(value, "-") == 0 || strcmp(value, "0.0.0.0") == 0) {
            a->no_broadcast = true;
        } else if (strcmp(value, "+") != 0 && !parse_ip4(value, &a->broadcast)) {
            run_fail(r, EXIT_USAGE, "'%s' is not a broadcast address: write +, - or an address",
                     value);
            return false;
        }
    }
    return true;
}

static int addr_flush(struct run *r, int at)
{
    struct td_addr unused = {0};
    uint32_t ifindex = 0;
    if (!addr_words(r, at, false, &unused, &ifindex))
        return EXIT_USAGE;
    if (ifindex == 0)
        return run_fail(r, EXIT_USAGE, "which interface? write `ip addr flush dev eth0`");
    const struct netif *nif = netif_by_index(r->deck->st, ifindex);
    while (nif->addrs != NULL)
        if (td_addr_del(r->deck->st, ifindex, nif->addrs->addr, nif->addrs->plen) < 0)
            return run_fail(r, EXIT_FAILED, "an address of %s can't be removed", nif->name);
    return EXIT_DONE;
}

int ip_address(struct run *r, int at, const struct ip_options *o)
{
    enum ip_verb verb = at < r->argc ? ip_verb(r->argv[at]) : VERB_SHOW;
    if (verb == VERB_SHOW)
        return ip_addr_show(r, at + 1, o);
    if (verb == VERB_FLUSH)
        return addr_flush(r, at + 1);
    if (verb != VERB_ADD && verb != VERB_DEL)
        return run_bad_word(r, at, "write `ip addr show|add|del|flush`");
    const char *text = run_value(r, at, "the address with its prefix length");
    if (text == NULL)
        return EXIT_USAGE;
    struct td_addr a = {0};
    uint32_t ifindex = 0;
    if (!parse_prefix(text, &a.addr, &a.plen))
        return run_fail(r, EXIT_USAGE, "'%s' is not an address: write it as 10.0.0.2/24", text);
    if (!addr_words(r, at + 2, verb == VERB_ADD, &a, &ifindex))
        return EXIT_USAGE;
    if (ifindex == 0)
        return run_fail(r, EXIT_USAGE, "which interface? write `ip addr %s %s dev eth0`",
                        verb == VERB_ADD ? "add" : "del", text);
    const char *name = netif_by_index(r->deck->st, ifindex)->name;
    size_t n = strlen(name);
    if (a.label[0] != '\0' &&
        (strncmp(a.label, name, n) != 0 || (a.label[n] != '\0' && a.label[n] != ':')))
        return run_fail(r, EXIT_USAGE, "'%s' can't be the label of an address on %s: write %s:%s",
                        a.label, name, name, a.label);
    int err = verb == VERB_ADD ? td_addr_add_full(r->deck->st, ifindex, &a)
                               : td_addr_del(r->deck->st, ifindex, a.addr, a.plen);
    if (err == -EEXIST)
        return run_fail(r, EXIT_USAGE, "%s is already an address of the interface", text);
    if (err == -ENOENT || err == -EADDRNOTAVAIL || err == -ESRCH)
        return run_fail(r, EXIT_USAGE,
                        "%s is not an address of the interface: `ip addr` lists them", text);
    if (err == -EINVAL)
        return run_fail(r, EXIT_USAGE,
                        "%s can't be the address of an interface (it is a broadcast, multicast or "
                        "reserved address)",
                        text);
    return err == 0 ? EXIT_DONE : run_fail(r, EXIT_FAILED, "%s: %s", text, error_text(err));
}

/* ---- ip ---- */

static int ip_main(struct run *r)
{
    struct ip_options o = {0};
    int at = 1;
    for (; at < r->argc && r->argv[at][0] == '-'; at++) {
        const char *w = r->argv[at];
        if (strcmp(w, "-j") == 0 || strcmp(w, "-json") == 0)
            r->json = true;
        else if (strcmp(w, "-s") == 0 || strcmp(w, "-stats") == 0 || strcmp(w, "-statistics") == 0)
            o.stats++;
        else if (strcmp(w, "-br") == 0 || strcmp(w, "-brief") == 0)
            o.brief = true;
        else if (strcmp(w, "-b") == 0 || strcmp(w, "-batch") == 0)
            return at + 2 == r->argc ? ip_batch(r, r->argv[at + 1])
                                     : run_bad_word(r, at + 1, "write `ip -batch FILE`");
        else if (strcmp(w, "-d") == 0 || strcmp(w, "-details") == 0)
            o.details = true;
        else if (strcmp(w, "-o") == 0 || strcmp(w, "-oneline") == 0)
            o.one_line = true;
        else if (strcmp(w, "-4") == 0)
            o.inet = true;
        else if (strcmp(w, "-t") == 0 || strcmp(w, "-timestamp") == 0)
            o.stamp = 1;
        else if (strcmp(w, "-ts") == 0 || strcmp(w, "-tshort") == 0)
            o.stamp = 2;
        else if (strcmp(w, "-p") != 0 && strcmp(w, "-pretty") != 0 && strcmp(w, "-n") != 0 &&
                 strcmp(w, "-N") != 0 && strcmp(w, "-c") != 0 && strncmp(w, "-c=", 3) != 0 &&
                 strncmp(w, "-color", 6) != 0)
            return run_bad_word(r, at, "the options here are -j, -s, -d, -br, -o, -4, -c, and -t and -ts for `ip monitor`");
    }
    if (at >= r->argc)
        return run_bad_word(r, at, "write `ip addr`, `ip link`, `ip route`, `ip rule`, `ip neigh` or `ip monitor`");
    const char *object = r->argv[at++];
    if (word_abbrev(object, "address"))
        return ip_address(r, at, &o);
    if (word_abbrev(object, "link"))
        return ip_link(r, at, &o);
    if (word_abbrev(object, "route"))
        return ip_route_cmd(r, at, &o);
    if (word_abbrev(object, "rule"))
        return ip_rule(r, at);
    if (word_abbrev(object, "neighbour") || word_abbrev(object, "neighbor"))
        return ip_neigh(r, at, &o);
    if (word_abbrev(object, "monitor"))
        return ip_monitor(r, at, &o);
    return run_bad_word(r, at - 1, "write `ip addr`, `ip link`, `ip route`, `ip rule`, `ip neigh` or `ip monitor`");
}

const struct command command_ip = {
    .name = "ip",
    .usage = "ip [-4] [-j] [-o] [-c] [-s] [-d] [-br] addr [show] [[dev] IFACE] [up] [type {vlan | bridge | dummy}] [master BRIDGE]\n"
             "ip addr {add | del} PREFIX dev IFACE [brd {+ | - | ADDR}] [label LABEL]\n"
             "ip addr flush dev IFACE\n"
             "ip [-4] [-j] [-o] [-c] [-s] [-d] [-br] link [show] [[dev] IFACE] [up] [type {vlan | bridge | dummy}] [master BRIDGE]\n"
             "ip link add [link IFACE] [[name] NAME] [mtu N] [address MAC] [master BRIDGE] [up] type KIND\n"
             "ip link set [dev] IFACE [up | down] [mtu N] [address MAC] [promisc {on | off}] [arp {on | off}]\n"
             "      [multicast {on | off}] [master BRIDGE | nomaster] [type {bridge BRIDGE_OPTION | bridge_slave PORT_OPTION}]\n"
             "ip link del [dev] IFACE\n"
             "ip [-4] [-j] [-o] [-c] [-d] route [show | save] [root PREFIX | match PREFIX | exact PREFIX | PREFIX] [table {RTABLE | all}]\n"
             "      [dev IFACE] [proto PROTOCOL] [type ROUTE_TYPE]\n"
             "ip route flush {cache | [PREFIX] [table {RTABLE | all}] [dev IFACE] [proto PROTOCOL] [type ROUTE_TYPE]}\n"
             "ip route {add | append | change | replace | del} [ROUTE_TYPE] PREFIX [via GATEWAY] [dev IFACE] [src ADDR]\n"
             "      [metric N] [mtu N] [table RTABLE] [onlink] [nexthop via GATEWAY [dev IFACE] [weight N]]...\n"
             "ip [-j] [-o] [-d] route get ADDR [from ADDR] [iif IFACE] [oif IFACE] [ipproto PROTO] [sport PORT] [dport PORT]\n"
             "ip route load FILE\n"
             "ip -batch FILE\n"
             "ip [-4] [-j] [-c] rule [show]\n"
             "ip rule {add | del} [not] [from PREFIX] [to PREFIX] [iif IFACE] [oif IFACE] [priority N]\n"
             "      {table RTABLE | blackhole | unreachable | prohibit}\n"
             "ip rule flush\n"
             "ip [-4] [-j] [-c] [-s] neigh [show] [ADDR] [dev IFACE] [nud NUD]\n"
             "ip neigh {add | replace} ADDR lladdr MAC dev IFACE [nud NUD]\n"
             "ip neigh del ADDR dev IFACE\n"
             "ip neigh flush [dev IFACE]\n"
             "ip [-j] [-o] [-t | -ts] monitor [all] [link] [address] [route] [neigh] [rule] [label] [dev IFACE]\n"
             "KIND := vlan id N | bridge BRIDGE_OPTION | dummy\n"
             "BRIDGE_OPTION := [ageing_time N] [fdb_max_learned N]\n"
             "PORT_OPTION := [hairpin {on | off}] [learning {on | off}] [flood {on | off}] [isolated {on | off}]\n"
             "ROUTE_TYPE := unicast | local | broadcast | blackhole | unreachable | prohibit | throw",
    .doc = "addresses, links, routes and neighbours of the stack, in iproute2's words",
    .more = "Words may be shortened as iproute2 allows: ip a, ip l, ip r, ip n.\n"
            "-s counters (-s -s: errors by kind), -d details, -br a line each, -o records in one line, -4 IPv4 alone (that is all there\n"
            "is; what belongs to the link is left out of addr), -c is taken. `ip monitor` shows changes as they happen, until\n"
            "Ctrl-C; -t with the time, -ts short.\n"
            "Examples:\n"
            "  ip monitor route neigh\n"
            "  ip addr add 10.0.0.2/24 dev eth0\n"
            "  ip route add default via 10.0.0.1\n"
            "  ip route get 192.0.2.1                 which way, and why\n"
            "  ip route add 192.0.2.0/24 nexthop via 10.0.0.1 nexthop via 10.0.1.1 weight 2\n"
            "  ip route add default via 10.0.1.1 table 100\n"
            "  ip rule add from 10.0.1.0/24 table 100\n"
            "  ip route load FILE                     what `ip route save` printed; all or nothing\n"
            "  ip neigh replace 10.0.0.1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent\n"
            "  ip -s link show eth0\n"
            "  ip link add link eth0 name eth0.10 type vlan id 10\n"
            "  ip link add br0 type bridge ageing_time 30000     (hundredths of a second, as Linux "
            "has it)\n"
            "  ip link set eth1 master br0",
    .fn = ip_main,
};
