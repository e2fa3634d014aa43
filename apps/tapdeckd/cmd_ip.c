/* tapdeckd/cmd_ip.c: `ip`: its objects, addresses, and what is shown of links.
 *
 * Grammar, abbreviations, output and JSON keys are iproute2's, the useful subset; what is shown
 * comes from the stack's interfaces. What changes links is in cmd_link.c, routes and neighbours are
 * in cmd_route.c.
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

/* ---- what both print ---- */

static const struct {
    uint32_t flag;
    const char *name;
} flag_names[] = {
    {TD_IF_LOOPBACK, "LOOPBACK"}, {TD_IF_BROADCAST, "BROADCAST"}, {TD_IF_MULTICAST, "MULTICAST"},
    {TD_IF_NOARP, "NOARP"},       {TD_IF_PROMISC, "PROMISC"},     {TD_IF_UP, "UP"},
};
#define LINK_FLAGS 10

/* Fills names with the words between < and >; returns how many. A device is always attached, so
 * what is up has a carrier (LOWER_UP); but a bridge has one only when a port has, and a VLAN whose
 * lower interface is down is M-DOWN. */
static int link_flags(const struct netif *nif, const char *names[LINK_FLAGS])
{
    bool loopback = (nif->flags & TD_IF_LOOPBACK) != 0; /* Linux's doesn't say NOARP */
    int n = 0;
    if (netif_is_up(nif) && !netif_running(nif))
        names[n++] = "NO-CARRIER";
    for (size_t i = 0; i < sizeof(flag_names) / sizeof(*flag_names); i++)
        if (nif->flags & flag_names[i].flag && !(loopback && flag_names[i].flag == TD_IF_NOARP))
            names[n++] = flag_names[i].name;
    if (netif_running(nif))
        names[n++] = "LOWER_UP";
    if (nif->lower != NULL && !netif_is_up(nif->lower))
        names[n++] = "M-DOWN";
    return n;
}

static const char *operstate(const struct netif *nif)
{
    if (nif->kind == TD_LINK_LOOPBACK || (nif->kind == TD_LINK_DUMMY && netif_is_up(nif)))
        return "UNKNOWN";
    if (netif_running(nif))
        return "UP";
    return netif_is_up(nif) && nif->kind == TD_LINK_VLAN ? "LOWERLAYERDOWN" : "DOWN";
}

static const char *qdisc_kind(const struct netif *nif)
{
    return netif_chain(nif, false) != NULL ? netif_chain(nif, false)->ops->kind : "noqueue";
}

static const char *scope_of(const struct netif *nif, const struct netif_addr *a)
{
    if (nif->flags & TD_IF_LOOPBACK || a->addr >> 24 == 127)
        return "host";
    return a->addr >> 16 == 0xa9fe ? "link" : "global";
}

static void link_head_json(struct run *r, const struct netif *nif, bool link)
{
    const char *names[LINK_FLAGS];
    char mac[18];
    int n = link_flags(nif, names);
    jw_u64(&r->jw, "ifindex", nif->index);
    if (nif->lower != NULL)
        jw_str(&r->jw, "link", nif->lower->name);
    jw_str(&r->jw, "ifname", nif->name);
    jw_open(&r->jw, "flags", '[');
    for (int i = 0; i < n; i++)
        jw_str(&r->jw, NULL, names[i]);
    jw_close(&r->jw, ']');
    jw_u64(&r->jw, "mtu", nif->mtu);
    jw_str(&r->jw, "qdisc", qdisc_kind(nif));
    if (netif_master(nif) != NULL)
        jw_str(&r->jw, "master", netif_master(nif)->name);
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
    const char *names[LINK_FLAGS];
    char mac[18];
    int n = link_flags(nif, names);
    const struct netif *master = netif_master(nif);
    run_printf(r, "%u: %s%s%s: <", nif->index, nif->name, nif->lower != NULL ? "@" : "",
               nif->lower != NULL ? nif->lower->name : "");
    for (int i = 0; i < n; i++)
        run_printf(r, "%s%s", i ? "," : "", names[i]);
    format_mac(nif->mac, mac);
    run_printf(r, "> mtu %u qdisc %s%s%s state %s%s group default qlen %u\n    link/%s %s brd %s",
               nif->mtu, qdisc_kind(nif), master != NULL ? " master " : "",
               master != NULL ? master->name : "", operstate(nif), link ? " mode DEFAULT" : "",
               nif->txqlen, nif->flags & TD_IF_LOOPBACK ? "loopback" : "ether", mac,
               nif->flags & TD_IF_LOOPBACK ? "00:00:00:00:00:00" : "ff:ff:ff:ff:ff:ff");
}

static bool port_has(const struct netif *nif, uint32_t flag)
{
    return (bridge_port_flags(nif) & flag) != 0;
}

/* -d: what the kind of the interface has, and what it is to its bridge. */
static void link_details_json(struct run *r, const struct netif *nif)
{
    jw_u64(&r->jw, "promiscuity", (nif->flags & TD_IF_PROMISC) != 0 || nif->port != NULL);
    jw_u64(&r->jw, "min_mtu", 68);
    jw_u64(&r->jw, "max_mtu", nif->lower != NULL ? nif->lower->mtu : 65535);
    if (nif->kind <= TD_LINK_LOOPBACK && nif->port == NULL)
        return;
    jw_open(&r->jw, "linkinfo", '{');
    if (nif->kind > TD_LINK_LOOPBACK)
        jw_str(&r->jw, "info_kind", td_link_kind_name(nif->kind));
    if (nif->kind == TD_LINK_VLAN) {
        jw_open(&r->jw, "info_data", '{');
        jw_str(&r->jw, "protocol", "802.1Q");
        jw_u64(&r->jw, "id", nif->vid);
        jw_open(&r->jw, "flags", '[');
        jw_str(&r->jw, NULL, "REORDER_HDR");
        jw_close(&r->jw, ']');
        jw_close(&r->jw, '}');
    } else if (nif->kind == TD_LINK_BRIDGE) {
        struct td_bridge_config c = bridge_config(nif);
        jw_open(&r->jw, "info_data", '{');
        jw_u64(&r->jw, "ageing_time", c.ageing / (10 * TD_MS));
        jw_u64(&r->jw, "stp_state", 0);
        jw_u64(&r->jw, "vlan_filtering", 0);
        jw_u64(&r->jw, "fdb_n_learned", bridge_fdb_learned(nif));
        jw_u64(&r->jw, "fdb_max_learned", c.fdb_max);
        jw_close(&r->jw, '}');
    }
    if (nif->port != NULL) {
        jw_str(&r->jw, "info_slave_kind", "bridge");
        jw_open(&r->jw, "info_slave_data", '{');
        jw_str(&r->jw, "state", netif_is_up(nif) ? "forwarding" : "disabled");
        jw_bool(&r->jw, "hairpin", port_has(nif, TD_PORT_HAIRPIN));
        jw_bool(&r->jw, "learning", port_has(nif, TD_PORT_LEARNING));
        jw_bool(&r->jw, "flood", port_has(nif, TD_PORT_FLOOD));
        jw_bool(&r->jw, "isolated", port_has(nif, TD_PORT_ISOLATED));
        jw_close(&r->jw, '}');
    }
    jw_close(&r->jw, '}');
}

static void link_details(struct run *r, const struct netif *nif)
{
    run_printf(r, " promiscuity %d minmtu 68 maxmtu %u",
               (nif->flags & TD_IF_PROMISC) != 0 || nif->port != NULL,
               nif->lower != NULL ? nif->lower->mtu : 65535U);
    if (nif->kind == TD_LINK_VLAN) {
        run_printf(r, "\n    vlan protocol 802.1Q id %u <REORDER_HDR>", nif->vid);
    } else if (nif->kind == TD_LINK_BRIDGE) {
        struct td_bridge_config c = bridge_config(nif);
        run_printf(r,
                   "\n    bridge ageing_time %llu stp_state 0 vlan_filtering 0 fdb_n_learned %u "
                   "fdb_max_learned %u",
                   (unsigned long long)(c.ageing / (10 * TD_MS)), bridge_fdb_learned(nif),
                   c.fdb_max);
    } else if (nif->kind == TD_LINK_DUMMY) {
        run_puts(r, "\n    dummy");
    }
    if (nif->port != NULL)
        run_printf(r, "\n    bridge_slave state %s hairpin %s learning %s flood %s isolated %s",
                   netif_is_up(nif) ? "forwarding" : "disabled",
                   port_has(nif, TD_PORT_HAIRPIN) ? "on" : "off",
                   port_has(nif, TD_PORT_LEARNING) ? "on" : "off",
                   port_has(nif, TD_PORT_FLOOD) ? "on" : "off",
                   port_has(nif, TD_PORT_ISOLATED) ? "on" : "off");
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
    if (ip_addr_is_secondary(nif, a))
        jw_bool(&r->jw, "secondary", true);
    if (a->state == ADDR_TENTATIVE)
        jw_bool(&r->jw, "tentative", true);
    if (a->state == ADDR_CONFLICT)
        jw_bool(&r->jw, "dadfailed", true);
    jw_str(&r->jw, "label", a->label[0] != '\0' ? a->label : nif->name);
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
    run_printf(r, " scope %s%s%s%s %s\n       valid_lft forever preferred_lft forever\n",
               scope_of(nif, a), ip_addr_is_secondary(nif, a) ? " secondary" : "",
               a->state == ADDR_TENTATIVE ? " tentative" : "",
               a->state == ADDR_CONFLICT ? " dadfailed" : "",
               a->label[0] != '\0' ? a->label : nif->name);
}

static void brief(struct run *r, const struct netif *nif, bool addresses)
{
    char text[18];
    char name[2 * NETIF_NAME_LEN];
    snprintf(name, sizeof(name), "%s%s%s", nif->name, nif->lower != NULL ? "@" : "",
             nif->lower != NULL ? nif->lower->name : "");
    run_printf(r, "%-16s %-14s ", name, operstate(nif));
    if (addresses) {
        for (const struct netif_addr *a = nif->addrs; a != NULL; a = a->next) {
            format_ip4(a->addr, text);
            run_printf(r, "%s/%u ", text, a->plen);
        }
    } else {
        const char *names[LINK_FLAGS];
        int n = link_flags(nif, names);
        format_mac(nif->mac, text);
        run_printf(r, "%s <", text);
        for (int i = 0; i < n; i++)
            run_printf(r, "%s%s", i ? "," : "", names[i]);
        run_puts(r, "> ");
    }
    run_puts(r, "\n");
}

/* `ip addr show` and `ip link show`: optional `dev X` or just X, `up`, `type KIND`, `master
 * BRIDGE`. */
static int show(struct run *r, int at, const struct ip_options *o, bool addresses)
{
    uint32_t only = 0, master = 0;
    int kind = -1;
    bool up = false;
    for (int i = at; i < r->argc; i++) {
        const char *name = r->argv[i];
        if (strcmp(name, "up") == 0) {
            up = true;
            continue;
        }
        if (strcmp(name, "type") == 0) {
            if ((name = run_value(r, i++, "a type")) == NULL)
                return EXIT_USAGE;
            for (kind = TD_LINK_VLAN;
                 kind < TD_LINK_KINDS &&
                 strcmp(name, td_link_kind_name((enum td_link_kind)kind)) != 0;)
                kind++;
            if (kind == TD_LINK_KINDS)
                return run_fail(r, EXIT_USAGE,
                                "'%s' is not a type of interface: write vlan, bridge or dummy",
                                name);
            continue;
        }
        if (strcmp(name, "master") == 0) {
            if ((name = run_value(r, i++, "the bridge's name")) == NULL ||
                (master = run_interface(r, name)) == 0)
                return EXIT_USAGE;
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
        if ((only != 0 && nif->index != only) || (up && !netif_is_up(nif)) ||
            (kind >= 0 && (int)nif->kind != kind) ||
            (master != 0 && (netif_master(nif) == NULL || netif_master(nif)->index != master)))
            continue;
        if (r->json) {
            jw_open(&r->jw, NULL, '{');
            link_head_json(r, nif, !addresses);
            if (o->details)
                link_details_json(r, nif);
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
            if (o->details)
                link_details(r, nif);
            run_puts(r, "\n");
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
        return show(r, at + 1, o, true);
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

int ip_link_show(struct run *r, int at, const struct ip_options *o)
{
    return show(r, at, o, false);
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
        else if (strcmp(w, "-b") == 0 || strcmp(w, "-batch") == 0)
            return at + 2 == r->argc ? ip_batch(r, r->argv[at + 1])
                                     : run_bad_word(r, at + 1, "write `ip -batch FILE`");
        else if (strcmp(w, "-d") == 0 || strcmp(w, "-details") == 0)
            o.details = true;
        else if (strcmp(w, "-4") != 0 && strcmp(w, "-p") != 0 && strcmp(w, "-c") != 0)
            return run_bad_word(r, at, "the options here are -j, -s, -d, -br and -4");
    }
    if (at >= r->argc)
        return run_bad_word(r, at, "write `ip addr`, `ip link`, `ip route`, `ip rule` or `ip neigh`");
    const char *object = r->argv[at++];
    if (word_abbrev(object, "address"))
        return ip_address(r, at, &o);
    if (word_abbrev(object, "link"))
        return ip_link(r, at, &o);
    if (word_abbrev(object, "route"))
        return ip_route_cmd(r, at);
    if (word_abbrev(object, "rule"))
        return ip_rule(r, at);
    if (word_abbrev(object, "neighbour") || word_abbrev(object, "neighbor"))
        return ip_neigh(r, at);
    return run_bad_word(r, at - 1, "write `ip addr`, `ip link`, `ip route`, `ip rule` or `ip neigh`");
}

const struct command command_ip = {
    .name = "ip",
    .usage = "ip [-j] [-s] [-br] addr [show] [[dev] IFACE] [up]\n"
             "ip addr {add | del} PREFIX dev IFACE [brd {+ | - | ADDR}] [label LABEL]\n"
             "ip addr flush dev IFACE\n"
             "ip [-j] [-s] [-d] [-br] link [show] [[dev] IFACE] [up] [type {vlan | bridge | dummy}] [master BRIDGE]\n"
             "ip link add [link IFACE] [[name] NAME] [mtu N] [address MAC] [master BRIDGE] [up] type KIND\n"
             "ip link set [dev] IFACE [up | down] [mtu N] [address MAC] [promisc {on | off}] [arp {on | off}]\n"
             "      [multicast {on | off}] [master BRIDGE | nomaster] [type {bridge BRIDGE_OPTION | bridge_slave PORT_OPTION}]\n"
             "ip link del [dev] IFACE\n"
             "ip [-j] route [show | save] [root PREFIX | match PREFIX | exact PREFIX | PREFIX] [table {RTABLE | all}]\n"
             "      [dev IFACE] [proto PROTOCOL] [type ROUTE_TYPE]\n"
             "ip route flush {cache | [PREFIX] [table {RTABLE | all}] [dev IFACE] [proto PROTOCOL] [type ROUTE_TYPE]}\n"
             "ip route {add | append | change | replace | del} [ROUTE_TYPE] PREFIX [via GATEWAY] [dev IFACE] [src ADDR]\n"
             "      [metric N] [mtu N] [table RTABLE] [onlink] [nexthop via GATEWAY [dev IFACE] [weight N]]...\n"
             "ip [-j] route get ADDR [from ADDR] [iif IFACE] [oif IFACE] [ipproto PROTO] [sport PORT] [dport PORT]\n"
             "ip route load FILE\n"
             "ip -batch FILE\n"
             "ip [-j] rule [show]\n"
             "ip rule {add | del} [not] [from PREFIX] [to PREFIX] [iif IFACE] [oif IFACE] [priority N]\n"
             "      {table RTABLE | blackhole | unreachable | prohibit}\n"
             "ip rule flush\n"
             "ip [-j] neigh [show] [[dev] IFACE]\n"
             "ip neigh {add | replace} ADDR lladdr MAC dev IFACE [nud NUD]\n"
             "ip neigh del ADDR dev IFACE\n"
             "ip neigh flush [dev IFACE]\n"
             "KIND := vlan id N | bridge BRIDGE_OPTION | dummy\n"
             "BRIDGE_OPTION := [ageing_time N] [fdb_max_learned N]\n"
             "PORT_OPTION := [hairpin {on | off}] [learning {on | off}] [flood {on | off}] [isolated {on | off}]\n"
             "ROUTE_TYPE := unicast | local | broadcast | blackhole | unreachable | prohibit | throw",
    .doc = "addresses, links, routes and neighbours of the stack, in iproute2's words",
    .more = "Words may be shortened as iproute2 allows: ip a, ip l, ip r, ip n.\n"
            "Examples:\n"
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
