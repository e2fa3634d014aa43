/* tapdeckd/cmd_ip.c: `ip`: its objects, and the first two of them, addresses and links.
 *
 * Grammar, abbreviations, output and JSON keys are iproute2's, the useful subset; what is shown
 * comes from the stack's interfaces. Routes and neighbours are in cmd_route.c.
 */
#include "tapdeckd/cmd_ip.h"

#include <errno.h>
#include <string.h>

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

/* ---- what both print ---- */

static const struct {
    uint32_t flag;
    const char *name;
} flag_names[] = {
    {TD_IF_LOOPBACK, "LOOPBACK"}, {TD_IF_BROADCAST, "BROADCAST"}, {TD_IF_MULTICAST, "MULTICAST"},
    {TD_IF_PROMISC, "PROMISC"},   {TD_IF_NOARP, "NOARP"},         {TD_IF_UP, "UP"},
};

/* Fills names with the words between < and >; returns how many. A device is always attached, so
 * what is up has a carrier: LOWER_UP. */
static int link_flags(const struct netif *nif, const char *names[8])
{
    bool loopback = (nif->flags & TD_IF_LOOPBACK) != 0; /* Linux's doesn't say NOARP */
    int n = 0;
    for (size_t i = 0; i < sizeof(flag_names) / sizeof(*flag_names); i++)
        if (nif->flags & flag_names[i].flag && !(loopback && flag_names[i].flag == TD_IF_NOARP))
            names[n++] = flag_names[i].name;
    if (netif_is_up(nif))
        names[n++] = "LOWER_UP";
    return n;
}

static const char *operstate(const struct netif *nif)
{
    return nif->flags & TD_IF_LOOPBACK ? "UNKNOWN" : netif_is_up(nif) ? "UP" : "DOWN";
}

static const char *qdisc_kind(const struct netif *nif)
{
    return nif->egress != NULL ? nif->egress->ops->kind : "noqueue";
}

static const char *scope_of(const struct netif *nif, const struct netif_addr *a)
{
    if (nif->flags & TD_IF_LOOPBACK || a->addr >> 24 == 127)
        return "host";
    return a->addr >> 16 == 0xa9fe ? "link" : "global";
}

static void link_head_json(struct run *r, const struct netif *nif, bool link)
{
    const char *names[8];
    char mac[18];
    int n = link_flags(nif, names);
    jw_u64(&r->jw, "ifindex", nif->index);
    jw_str(&r->jw, "ifname", nif->name);
    jw_open(&r->jw, "flags", '[');
    for (int i = 0; i < n; i++)
        jw_str(&r->jw, NULL, names[i]);
    jw_close(&r->jw, ']');
    jw_u64(&r->jw, "mtu", nif->mtu);
    jw_str(&r->jw, "qdisc", qdisc_kind(nif));
    jw_str(&r->jw, "operstate", operstate(nif));
    if (link)
        jw_str(&r->jw, "linkmode", "DEFAULT");
    jw_str(&r->jw, "group", "default");
    jw_u64(&r->jw, "txqlen", nif->txqlen);
    jw_str(&r->jw, "link_type", nif->flags & TD_IF_LOOPBACK ? "loopback" : "ether");
    format_mac(nif->mac, mac);
    jw_str(&r->jw, "address", mac);
    jw_str(&r->jw, "broadcast",
           nif->flags & TD_IF_LOOPBACK ? "00:00:00:00:00:00" : "ff:ff:ff:ff:ff:ff");
}

/* `link`: `ip link` shows the mode, `ip addr` doesn't. */
static void link_head(struct run *r, const struct netif *nif, bool link)
{
    const char *names[8];
    char mac[18];
    int n = link_flags(nif, names);
    run_printf(r, "%u: %s: <", nif->index, nif->name);
    for (int i = 0; i < n; i++)
        run_printf(r, "%s%s", i ? "," : "", names[i]);
    format_mac(nif->mac, mac);
    run_printf(r, "> mtu %u qdisc %s state %s%s group default qlen %u\n    link/%s %s brd %s\n",
               nif->mtu, qdisc_kind(nif), operstate(nif), link ? " mode DEFAULT" : "", nif->txqlen,
               nif->flags & TD_IF_LOOPBACK ? "loopback" : "ether", mac,
               nif->flags & TD_IF_LOOPBACK ? "00:00:00:00:00:00" : "ff:ff:ff:ff:ff:ff");
}

static void link_stats(struct run *r, const struct netif *nif)
{
    const struct td_if_stats *s = &nif->stats;
    if (r->json) {
        jw_open(&r->jw, "stats64", '{');
        jw_open(&r->jw, "rx", '{');
        jw_u64(&r->jw, "bytes", s->rx_bytes);
        jw_u64(&r->jw, "packets", s->rx_packets);
        jw_u64(&r->jw, "errors", s->rx_errors);
        jw_u64(&r->jw, "dropped", s->rx_dropped);
        jw_u64(&r->jw, "over_errors", 0);
        jw_u64(&r->jw, "multicast", s->rx_multicast);
        jw_close(&r->jw, '}');
        jw_open(&r->jw, "tx", '{');
        jw_u64(&r->jw, "bytes", s->tx_bytes);
        jw_u64(&r->jw, "packets", s->tx_packets);
        jw_u64(&r->jw, "errors", s->tx_errors);
        jw_u64(&r->jw, "dropped", s->tx_dropped);
        jw_u64(&r->jw, "carrier_errors", 0);
        jw_u64(&r->jw, "collisions", 0);
        jw_close(&r->jw, '}');
        jw_close(&r->jw, '}');
        return;
    }
    /* "missed" and the collisions of a shared cable: a TAP has neither. */
    run_printf(r, "    RX: %12s %10s %7s %7s %7s %7s\n", "bytes", "packets", "errors", "dropped",
               "missed", "mcast");
    run_printf(r, "        %12llu %10llu %7llu %7llu %7u %7llu\n", (unsigned long long)s->rx_bytes,
               (unsigned long long)s->rx_packets, (unsigned long long)s->rx_errors,
               (unsigned long long)s->rx_dropped, 0U, (unsigned long long)s->rx_multicast);
    run_printf(r, "    TX: %12s %10s %7s %7s %7s %7s\n", "bytes", "packets", "errors", "dropped",
               "carrier", "collsns");
    run_printf(r, "        %12llu %10llu %7llu %7llu %7u %7u\n", (unsigned long long)s->tx_bytes,
               (unsigned long long)s->tx_packets, (unsigned long long)s->tx_errors,
               (unsigned long long)s->tx_dropped, 0U, 0U);
}

static void addr_json(struct run *r, const struct netif *nif, const struct netif_addr *a)
{
    char text[16];
    jw_open(&r->jw, NULL, '{');
    jw_str(&r->jw, "family", "inet");
    format_ip4(a->addr, text);
    jw_str(&r->jw, "local", text);
    jw_u64(&r->jw, "prefixlen", a->plen);
    if (a->broadcast != 0) {
        format_ip4(a->broadcast, text);
        jw_str(&r->jw, "broadcast", text);
    }
    jw_str(&r->jw, "scope", scope_of(nif, a));
    if (a->state == ADDR_TENTATIVE)
        jw_bool(&r->jw, "tentative", true);
    if (a->state == ADDR_CONFLICT)
        jw_bool(&r->jw, "dadfailed", true);
    jw_str(&r->jw, "label", nif->name);
    jw_u64(&r->jw, "valid_life_time", 4294967295U);
    jw_u64(&r->jw, "preferred_life_time", 4294967295U);
    jw_close(&r->jw, '}');
}

static void addr_text(struct run *r, const struct netif *nif, const struct netif_addr *a)
{
    char text[16];
    format_ip4(a->addr, text);
    run_printf(r, "    inet %s/%u", text, a->plen);
    if (a->broadcast != 0) {
        format_ip4(a->broadcast, text);
        run_printf(r, " brd %s", text);
    }
    run_printf(r, " scope %s%s%s %s\n       valid_lft forever preferred_lft forever\n",
               scope_of(nif, a), a->state == ADDR_TENTATIVE ? " tentative" : "",
               a->state == ADDR_CONFLICT ? " dadfailed" : "", nif->name);
}

static void brief(struct run *r, const struct netif *nif, bool addresses)
{
    char text[18];
    run_printf(r, "%-16s %-14s ", nif->name, operstate(nif));
    if (addresses) {
        for (const struct netif_addr *a = nif->addrs; a != NULL; a = a->next) {
            format_ip4(a->addr, text);
            run_printf(r, "%s/%u ", text, a->plen);
        }
    } else {
        const char *names[8];
        int n = link_flags(nif, names);
        format_mac(nif->mac, text);
        run_printf(r, "%s <", text);
        for (int i = 0; i < n; i++)
            run_printf(r, "%s%s", i ? "," : "", names[i]);
        run_puts(r, "> ");
    }
    run_puts(r, "\n");
}

/* `ip addr show` and `ip link show`: optional `dev X` or just X, `up`. */
static int show(struct run *r, int at, const struct ip_options *o, bool addresses)
{
    uint32_t only = 0;
    bool up = false;
    for (int i = at; i < r->argc; i++) {
        const char *name = r->argv[i];
        if (strcmp(name, "up") == 0) {
            up = true;
            continue;
        }
        if (strcmp(name, "dev") == 0 && (name = run_value(r, i++, "the interface's name")) == NULL)
            return EXIT_USAGE;
        only = run_interface(r, name);
        if (only == 0)
            return EXIT_USAGE;
    }
    if (r->json)
        jw_open(&r->jw, NULL, '[');
    for (const struct netif *nif = netif_first(r->deck->st); nif != NULL; nif = nif->next) {
        if ((only != 0 && nif->index != only) || (up && !netif_is_up(nif)))
            continue;
        if (r->json) {
            jw_open(&r->jw, NULL, '{');
            link_head_json(r, nif, !addresses);
            if (addresses) {
                jw_open(&r->jw, "addr_info", '[');
                for (const struct netif_addr *a = nif->addrs; a != NULL; a = a->next)
                    addr_json(r, nif, a);
                jw_close(&r->jw, ']');
            }
            if (o->stats)
                link_stats(r, nif);
            jw_close(&r->jw, '}');
        } else if (o->brief) {
            brief(r, nif, addresses);
        } else {
            link_head(r, nif, !addresses);
            for (const struct netif_addr *a = addresses ? nif->addrs : NULL; a != NULL; a = a->next)
                addr_text(r, nif, a);
            if (o->stats)
                link_stats(r, nif);
        }
    }
    if (r->json) {
        jw_close(&r->jw, ']');
        run_puts(r, "\n");
    }
    return EXIT_DONE;
}

/* ---- ip addr ---- */

int ip_address(struct run *r, int at, const struct ip_options *o)
{
    enum ip_verb verb = at < r->argc ? ip_verb(r->argv[at]) : VERB_SHOW;
    if (verb == VERB_SHOW)
        return show(r, at + 1, o, true);
    if (verb != VERB_ADD && verb != VERB_DEL)
        return run_bad_word(r, at, "write `ip addr show|add|del`");
    const char *text = run_value(r, at, "the address with its prefix length");
    if (text == NULL)
        return EXIT_USAGE;
    td_ip4 addr;
    uint8_t plen;
    if (!parse_prefix(text, &addr, &plen))
        return run_fail(r, EXIT_USAGE, "'%s' is not an address: write it as 10.0.0.2/24", text);
    uint32_t ifindex = 0;
    for (int i = at + 2; i < r->argc; i++) {
        if (strcmp(r->argv[i], "dev") != 0)
            return run_bad_word(r, i, "write `dev` and an interface");
        const char *name = run_value(r, i++, "the interface's name");
        if (name == NULL || (ifindex = run_interface(r, name)) == 0)
            return EXIT_USAGE;
    }
    if (ifindex == 0)
        return run_fail(r, EXIT_USAGE, "which interface? write `ip addr %s %s dev eth0`",
                        verb == VERB_ADD ? "add" : "del", text);
    int err = verb == VERB_ADD ? td_addr_add(r->deck->st, ifindex, addr, plen)
                               : td_addr_del(r->deck->st, ifindex, addr, plen);
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

/* ---- ip link ---- */

static int link_set(struct run *r, int at)
{
    struct td_stack *st = r->deck->st;
    const char *name = at < r->argc ? r->argv[at] : NULL;
    if (name != NULL && strcmp(name, "dev") == 0)
        name = run_value(r, at++, "the interface's name");
    if (name == NULL)
        return r->err[0] ? EXIT_USAGE
                         : run_fail(r, EXIT_USAGE, "which interface? write `ip link set eth0 up`");
    uint32_t ifindex = run_interface(r, name);
    if (ifindex == 0)
        return EXIT_USAGE;
    if (at + 1 >= r->argc)
        return run_fail(r, EXIT_USAGE,
                        "what is to be set? write `ip link set %s up|down|mtu N|address MAC`",
                        name);
    for (int i = at + 1; i < r->argc; i++) {
        const char *word = r->argv[i], *value;
        int err = 0;
        if (strcmp(word, "up") == 0 || strcmp(word, "down") == 0) {
            err = td_if_up(st, ifindex, word[0] == 'u');
        } else if (strcmp(word, "mtu") == 0) {
            uint32_t mtu;
            if ((value = run_value(r, i++, "the MTU in bytes")) == NULL)
                return EXIT_USAGE;
            if (!parse_u32(value, 65535, &mtu) || mtu < 68)
                return run_fail(r, EXIT_USAGE, "'%s' is not an MTU: write 68 to 65535 (bytes)",
                                value);
            struct deck_tap *tap = deck_tap_find(r->deck, name);
            char msg[256];
            if (tap != NULL && tap_set_mtu(tap->tap, mtu, msg, sizeof(msg)) < 0)
                return run_fail(r, EXIT_FAILED, "%s", msg);
            if (tap == NULL)
                err = td_if_set_mtu(st, ifindex, mtu);
        } else if (strcmp(word, "address") == 0) {
            struct td_mac mac;
            if ((value = run_value(r, i++, "the MAC address")) == NULL)
                return EXIT_USAGE;
            if (!parse_mac(value, &mac))
                return run_fail(r, EXIT_USAGE,
                                "'%s' is not a MAC address: write it as 02:00:00:00:00:01", value);
            if (mac.b[0] & 1)
                return run_fail(r, EXIT_USAGE,
                                "'%s' is a group address: a station's first byte is even", value);
            err = td_if_set_mac(st, ifindex, mac);
        } else {
            return run_bad_word(r, i, "write up, down, mtu N or address MAC");
        }
        if (err < 0)
            return run_fail(r, EXIT_FAILED, "%s %s: %s", name, word, error_text(err));
    }
    return EXIT_DONE;
}

int ip_link(struct run *r, int at, const struct ip_options *o)
{
    enum ip_verb verb = at < r->argc ? ip_verb(r->argv[at]) : VERB_SHOW;
    if (at < r->argc && strcmp(r->argv[at], "s") == 0)
        verb = VERB_SET; /* iproute2's own surprise: `ip link s` is set, `ip addr s` is show */
    if (verb == VERB_SHOW)
        return show(r, at + 1, o, false);
    if (verb == VERB_SET)
        return link_set(r, at + 1);
    return run_bad_word(r, at, "write `ip link show|set` (`tap add` makes interfaces)");
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
            o.stats = true;
        else if (strcmp(w, "-br") == 0 || strcmp(w, "-brief") == 0)
            o.brief = true;
        else if (strcmp(w, "-4") != 0 && strcmp(w, "-d") != 0 && strcmp(w, "-p") != 0 &&
                 strcmp(w, "-c") != 0)
            return run_bad_word(r, at, "the options here are -j, -s, -br and -4");
    }
    if (at >= r->argc)
        return run_bad_word(r, at, "write `ip addr`, `ip link`, `ip route` or `ip neigh`");
    const char *object = r->argv[at++];
    if (word_abbrev(object, "address"))
        return ip_address(r, at, &o);
    if (word_abbrev(object, "link"))
        return ip_link(r, at, &o);
    if (word_abbrev(object, "route"))
        return ip_route_cmd(r, at);
    if (word_abbrev(object, "neighbour") || word_abbrev(object, "neighbor"))
        return ip_neigh(r, at);
    return run_bad_word(r, at - 1, "write `ip addr`, `ip link`, `ip route` or `ip neigh`");
}

const struct command command_ip = {
    .name = "ip",
    .usage = "ip [-j] [-br] addr [show] [dev X] | addr add|del ADDR/PLEN dev X\n"
             "ip [-j] [-s] [-br] link [show] [dev X] | link set X up|down|mtu N|address MAC\n"
             "ip [-j] route [show [table all]] | route add|del|replace PREFIX [via GW] [dev X] "
             "[src A] [metric N] [mtu N] | route get ADDR\n"
             "ip [-j] neigh [show] [dev X] | neigh add|replace ADDR lladdr MAC dev X [nud STATE] | "
             "neigh del ADDR dev X | neigh flush [dev X]",
    .doc = "addresses, links, routes and neighbours of the stack, in iproute2's words",
    .more = "Words may be shortened as iproute2 allows: ip a, ip l, ip r, ip n.\n"
            "Examples:\n"
            "  ip addr add 10.0.0.2/24 dev eth0\n"
            "  ip route add default via 10.0.0.1\n"
            "  ip route get 192.0.2.1\n"
            "  ip neigh replace 10.0.0.1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent\n"
            "  ip -s link show eth0",
    .fn = ip_main,
};
