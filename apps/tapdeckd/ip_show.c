/* tapdeckd/ip_show.c: what `ip link`, `ip addr` and `ip monitor` print of interfaces and addresses:
 * iproute2's lines, columns and JSON keys. `-o` is made of the finished lines: a backslash where a
 * line would end.
 */
#include "tapdeckd/cmd_ip.h"

#include <stdio.h>
#include <string.h>

#include "ip/ip.h"
#include "link/link.h"

void ip_one_line(struct run *r, size_t from, const struct ip_options *o)
{
    if (!o->one_line || r->json || r->out.len == 0)
        return;
    for (size_t i = from; i + 1 < r->out.len; i++)
        if (r->out.s[i] == '\n')
            r->out.s[i] = '\\';
}

/* ---- an interface ---- */

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

void ip_flags_json(struct run *r, const struct netif *nif)
{
    const char *names[LINK_FLAGS];
    int n = link_flags(nif, names);
    jw_open(&r->jw, "flags", '[');
    for (int i = 0; i < n; i++)
        jw_str(&r->jw, NULL, names[i]);
    jw_close(&r->jw, ']');
}

void ip_flags_text(struct run *r, const struct netif *nif)
{
    const char *names[LINK_FLAGS];
    int n = link_flags(nif, names);
    run_puts(r, "<");
    for (int i = 0; i < n; i++)
        run_printf(r, "%s%s", i ? "," : "", names[i]);
    run_puts(r, ">");
}

static const char *broadcast_mac(const struct netif *nif)
{
    return nif->flags & TD_IF_LOOPBACK ? "00:00:00:00:00:00" : "ff:ff:ff:ff:ff:ff";
}

/* `station`: its MAC addresses too, which `ip -4 addr` leaves out. */
static void link_head_json(struct run *r, const struct netif *nif, bool link, bool station)
{
    char mac[18];
    jw_u64(&r->jw, "ifindex", nif->index);
    if (nif->lower != NULL)
        jw_str(&r->jw, "link", nif->lower->name);
    jw_str(&r->jw, "ifname", nif->name);
    ip_flags_json(r, nif);
    jw_u64(&r->jw, "mtu", nif->mtu);
    jw_str(&r->jw, "qdisc", qdisc_kind(nif));
    if (netif_master(nif) != NULL)
        jw_str(&r->jw, "master", netif_master(nif)->name);
    jw_str(&r->jw, "operstate", operstate(nif));
    if (link)
        jw_str(&r->jw, "linkmode", "DEFAULT");
    jw_str(&r->jw, "group", "default");
    jw_u64(&r->jw, "txqlen", nif->txqlen);
    if (!station)
        return;
    jw_str(&r->jw, "link_type", nif->flags & TD_IF_LOOPBACK ? "loopback" : "ether");
    format_mac(nif->mac, mac);
    jw_str(&r->jw, "address", mac);
    jw_str(&r->jw, "broadcast", broadcast_mac(nif));
}

/* `link`: `ip link` shows the mode, `ip addr` doesn't. */
static void link_head(struct run *r, const struct netif *nif, const struct ip_options *o, bool link,
                      bool station)
{
    char mac[18];
    const struct netif *master = netif_master(nif);
    run_printf(r, "%u: %s%s%s: ", nif->index, nif->name, nif->lower != NULL ? "@" : "",
               nif->lower != NULL ? nif->lower->name : "");
    ip_flags_text(r, nif);
    run_printf(r, " mtu %u qdisc %s%s%s state %s%s group default ", nif->mtu, qdisc_kind(nif),
               master != NULL ? " master " : "", master != NULL ? master->name : "", operstate(nif),
               link && !o->monitor ? " mode DEFAULT" : "");
    if (!o->monitor)
        run_printf(r, "qlen %u", nif->txqlen);
    if (!station)
        return;
    format_mac(nif->mac, mac);
    run_printf(r, "\n    link/%s %s brd %s", nif->flags & TD_IF_LOOPBACK ? "loopback" : "ether",
               mac, broadcast_mac(nif));
}

static bool port_has(const struct netif *nif, uint32_t flag)
{
    return (bridge_port_flags(nif) & flag) != 0;
}

/* lo has no bounds, as in Linux. */
static uint32_t mtu_least(const struct netif *nif)
{
    return nif->kind == TD_LINK_LOOPBACK ? 0 : 68;
}
static uint32_t mtu_most(const struct netif *nif)
{
    return nif->kind == TD_LINK_LOOPBACK ? 0 : nif->lower != NULL ? nif->lower->mtu : 65535;
}

/* -d: what the kind of the interface has, and what it is to its bridge. */
static void link_details_json(struct run *r, const struct netif *nif)
{
    jw_u64(&r->jw, "promiscuity", (nif->flags & TD_IF_PROMISC) != 0 || nif->port != NULL);
    jw_u64(&r->jw, "allmulti", 0);
    jw_u64(&r->jw, "min_mtu", mtu_least(nif));
    jw_u64(&r->jw, "max_mtu", mtu_most(nif));
    jw_u64(&r->jw, "num_tx_queues", 1);
    jw_u64(&r->jw, "num_rx_queues", 1);
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
    run_printf(r, " promiscuity %d  allmulti 0 minmtu %u maxmtu %u ",
               (nif->flags & TD_IF_PROMISC) != 0 || nif->port != NULL, mtu_least(nif),
               mtu_most(nif));
    if (nif->kind == TD_LINK_VLAN) {
        run_printf(r, "\n    vlan protocol 802.1Q id %u <REORDER_HDR> ", nif->vid);
    } else if (nif->kind == TD_LINK_BRIDGE) {
        struct td_bridge_config c = bridge_config(nif);
        run_printf(r,
                   "\n    bridge ageing_time %llu stp_state 0 vlan_filtering 0 fdb_n_learned %u "
                   "fdb_max_learned %u ",
                   (unsigned long long)(c.ageing / (10 * TD_MS)), bridge_fdb_learned(nif),
                   c.fdb_max);
    } else if (nif->kind == TD_LINK_DUMMY) {
        run_puts(r, "\n    dummy ");
    }
    if (nif->port != NULL)
        run_printf(r, "\n    bridge_slave state %s hairpin %s learning %s flood %s isolated %s ",
                   netif_is_up(nif) ? "forwarding" : "disabled",
                   port_has(nif, TD_PORT_HAIRPIN) ? "on" : "off",
                   port_has(nif, TD_PORT_LEARNING) ? "on" : "off",
                   port_has(nif, TD_PORT_FLOOD) ? "on" : "off",
                   port_has(nif, TD_PORT_ISOLATED) ? "on" : "off");
    run_puts(r, "numtxqueues 1 numrxqueues 1 ");
}

/* ---- counters ---- */

#define STATS 6
static const char *const rx_words[STATS] = {"bytes",   "packets", "errors",
                                            "dropped", "missed",  "mcast"};
static const char *const tx_words[STATS] = {"bytes",   "packets", "errors",
                                            "dropped", "carrier", "collsns"};
static const char *const rx_error_words[STATS - 1] = {"length", "crc", "frame", "fifo", "overrun"};
static const char *const tx_error_words[STATS - 1] = {"aborted", "fifo", "window", "heartbt",
                                                      "transns"};
static const char *const rx_keys[STATS] = {"bytes",   "packets",     "errors",
                                           "dropped", "over_errors", "multicast"};
static const char *const tx_keys[STATS] = {"bytes",   "packets",        "errors",
                                           "dropped", "carrier_errors", "collisions"};
static const char *const rx_error_keys[STATS - 1] = {"length_errors", "crc_errors", "frame_errors",
                                                     "fifo_errors", "missed_errors"};
static const char *const tx_error_keys[STATS - 1] = {
    "aborted_errors", "fifo_errors", "window_errors", "heartbeat_errors", "carrier_changes"};

static void stats_json(struct run *r, const char *name, const char *const *keys, const uint64_t *v,
                       const char *const *more)
{
    jw_open(&r->jw, name, '{');
    for (int i = 0; i < STATS; i++)
        jw_u64(&r->jw, keys[i], v[i]);
    for (int i = 0; more != NULL && i < STATS - 1; i++)
        jw_u64(&r->jw, more[i], 0);
    jw_close(&r->jw, '}');
}

/* Columns are as wide as their widest number, at least as their heading and as what stands before
 * it. */
static void stats_text(struct run *r, const char *name, const char *const *words, const uint64_t *v,
                       const char *const *more, const int width[STATS + 1])
{
    run_printf(r, "    %s: %*s", name, width[0] - 4, words[0]);
    for (int i = 1; i < STATS; i++)
        run_printf(r, " %*s", width[i], words[i]);
    run_printf(r, " %*s\n    %*llu", width[STATS], "", width[0], (unsigned long long)v[0]);
    for (int i = 1; i < STATS; i++)
        run_printf(r, " %*llu", width[i], (unsigned long long)v[i]);
    run_puts(r, " \n");
    if (more == NULL)
        return;
    run_printf(r, "    %s errors:", name);
    for (int i = 0; i < STATS - 1; i++)
        run_printf(r, " %*s", width[i + 1], more[i]);
    run_printf(r, "\n    %*s", width[0], "");
    for (int i = 0; i < STATS - 1; i++)
        run_printf(r, " %*u", width[i + 1], 0U);
    run_puts(r, " \n");
}

/* What a TAP has no errors for, and what only a shared cable knows, is 0. */
static void link_stats(struct run *r, const struct netif *nif, bool errors)
{
    const struct td_if_stats *s = &nif->stats;
    const uint64_t rx[STATS] = {s->rx_bytes, s->rx_packets,  s->rx_errors, s->rx_dropped,
                                0,           s->rx_multicast};
    const uint64_t tx[STATS] = {s->tx_bytes, s->tx_packets, s->tx_errors, s->tx_dropped, 0, 0};
    int width[STATS + 1] = {10, 7, 6, 7, 7, 7, 10};
    if (r->json) {
        jw_open(&r->jw, "stats64", '{');
        stats_json(r, "rx", rx_keys, rx, errors ? rx_error_keys : NULL);
        stats_json(r, "tx", tx_keys, tx, errors ? tx_error_keys : NULL);
        jw_close(&r->jw, '}');
        return;
    }
    for (int i = 0; i < STATS; i++) {
        int n = snprintf(NULL, 0, "%llu", (unsigned long long)(rx[i] > tx[i] ? rx[i] : tx[i]));
        if (n > width[i])
            width[i] = n;
    }
    stats_text(r, "RX", rx_words, rx, errors ? rx_error_words : NULL, width);
    stats_text(r, "TX", tx_words, tx, errors ? tx_error_words : NULL, width);
}

/* ---- an address ---- */

/* Also of an address that is gone. */
static bool is_secondary(const struct netif *nif, const struct netif_addr *a)
{
    const struct netif_addr *there = nif->addrs;
    while (there != NULL && there != a)
        there = there->next;
    return there != NULL && ip_addr_is_secondary(nif, a);
}

static const char *scope_of(const struct netif_addr *a)
{
    return a->addr >> 24 == 127 ? "host" : "global";
}

void ip_addr_fields(struct run *r, const struct netif *nif, const struct netif_addr *a)
{
    char text[16];
    jw_str(&r->jw, "family", "inet");
    format_ip4(a->addr, text);
    jw_str(&r->jw, "local", text);
    jw_u64(&r->jw, "prefixlen", a->plen);
    if (a->broadcast != 0) {
        format_ip4(a->broadcast, text);
        jw_str(&r->jw, "broadcast", text);
    }
    jw_str(&r->jw, "scope", scope_of(a));
    if (is_secondary(nif, a))
        jw_bool(&r->jw, "secondary", true);
    if (a->state == ADDR_TENTATIVE)
        jw_bool(&r->jw, "tentative", true);
    if (a->state == ADDR_CONFLICT)
        jw_bool(&r->jw, "dadfailed", true);
    jw_str(&r->jw, "label", a->label[0] != '\0' ? a->label : nif->name);
    jw_u64(&r->jw, "valid_life_time", 4294967295U);
    jw_u64(&r->jw, "preferred_life_time", 4294967295U);
}

static void addr_json(struct run *r, const struct netif *nif, const struct netif_addr *a)
{
    jw_open(&r->jw, NULL, '{');
    ip_addr_fields(r, nif, a);
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
    run_printf(
        r, " scope %s%s%s%s %s\n       valid_lft forever preferred_lft forever\n", scope_of(a),
        is_secondary(nif, a) ? " secondary" : "", a->state == ADDR_TENTATIVE ? " tentative" : "",
        a->state == ADDR_CONFLICT ? " dadfailed" : "", a->label[0] != '\0' ? a->label : nif->name);
}

void ip_addr_record(struct run *r, const struct netif *nif, const struct netif_addr *a,
                    const struct ip_options *o)
{
    size_t from = r->out.len;
    run_printf(r, "%u: %s", nif->index, nif->name);
    addr_text(r, nif, a);
    ip_one_line(r, from, o);
}

void ip_link_fields(struct run *r, const struct netif *nif)
{
    link_head_json(r, nif, false, true);
}

/* ---- whole records ---- */

static void brief_json(struct run *r, const struct netif *nif, bool addresses)
{
    char text[18];
    if (nif->lower != NULL)
        jw_str(&r->jw, "link", nif->lower->name);
    jw_str(&r->jw, "ifname", nif->name);
    jw_str(&r->jw, "operstate", operstate(nif));
    if (!addresses) {
        format_mac(nif->mac, text);
        jw_str(&r->jw, "address", text);
        ip_flags_json(r, nif);
        return;
    }
    jw_open(&r->jw, "addr_info", '[');
    for (int second = 0; second < 2; second++)
        for (const struct netif_addr *a = nif->addrs; a != NULL; a = a->next) {
            if (is_secondary(nif, a) != (second != 0))
                continue;
            jw_open(&r->jw, NULL, '{');
            format_ip4(a->addr, text);
            jw_str(&r->jw, "local", text);
            jw_u64(&r->jw, "prefixlen", a->plen);
            jw_close(&r->jw, '}');
        }
    jw_close(&r->jw, ']');
}

static void brief_text(struct run *r, const struct netif *nif, bool addresses)
{
    char text[18];
    char name[2 * NETIF_NAME_LEN];
    snprintf(name, sizeof(name), "%s%s%s", nif->name, nif->lower != NULL ? "@" : "",
             nif->lower != NULL ? nif->lower->name : "");
    run_printf(r, "%-16s %-14s ", name, operstate(nif));
    if (!addresses) {
        format_mac(nif->mac, text);
        run_printf(r, "%s ", text);
        ip_flags_text(r, nif);
        run_puts(r, " ");
    }
    for (int second = 0; addresses && second < 2; second++)
        for (const struct netif_addr *a = nif->addrs; a != NULL; a = a->next)
            if (is_secondary(nif, a) == (second != 0)) {
                format_ip4(a->addr, text);
                run_printf(r, "%s/%u ", text, a->plen);
            }
    run_puts(r, "\n");
}

static void record_json(struct run *r, const struct netif *nif, const struct ip_options *o,
                        bool addresses)
{
    jw_open(&r->jw, NULL, '{');
    if (o->brief) {
        brief_json(r, nif, addresses);
        jw_close(&r->jw, '}');
        return;
    }
    link_head_json(r, nif, !addresses, !addresses || !o->inet);
    if (o->details && (!addresses || !o->inet))
        link_details_json(r, nif);
    if (addresses)
        jw_open(&r->jw, "addr_info", '[');
    for (int second = 0; addresses && second < 2; second++)
        for (const struct netif_addr *a = nif->addrs; a != NULL; a = a->next)
            if (is_secondary(nif, a) == (second != 0))
                addr_json(r, nif, a);
    if (addresses)
        jw_close(&r->jw, ']');
    if (o->stats > 0)
        link_stats(r, nif, o->stats > 1);
    jw_close(&r->jw, '}');
}

void ip_link_record(struct run *r, const struct netif *nif, const struct ip_options *o,
                    bool addresses)
{
    size_t from = r->out.len;
    bool station = !addresses || !o->inet;
    if (r->json) {
        record_json(r, nif, o, addresses);
        return;
    }
    if (o->brief) {
        brief_text(r, nif, addresses);
        return;
    }
    if (!addresses || !o->one_line) {
        link_head(r, nif, o, !addresses, station);
        if (o->details && station)
            link_details(r, nif);
        run_puts(r, "\n");
    }
    for (int second = 0; addresses && second < 2;
         second++) /* primary addresses first, as Linux keeps them */
        for (const struct netif_addr *a = nif->addrs; a != NULL; a = a->next) {
            if (is_secondary(nif, a) != (second != 0))
                continue;
            if (o->one_line)
                ip_addr_record(r, nif, a, o);
            else
                addr_text(r, nif, a);
        }
    if (o->stats > 0 && (!addresses || !o->one_line))
        link_stats(r, nif, o->stats > 1);
    if (!addresses)
        ip_one_line(r, from, o);
}

/* ---- show ---- */

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
        if (addresses && o->inet && nif->addrs == NULL)
            continue;
        ip_link_record(r, nif, o, addresses);
    }
    if (r->json) {
        jw_close(&r->jw, ']');
        run_puts(r, "\n");
    }
    return EXIT_DONE;
}

int ip_link_show(struct run *r, int at, const struct ip_options *o)
{
    return show(r, at, o, false);
}

int ip_addr_show(struct run *r, int at, const struct ip_options *o)
{
    return show(r, at, o, true);
}
