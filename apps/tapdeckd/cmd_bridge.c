/* tapdeckd/cmd_bridge.c: `bridge`: stations and ports of bridges, in bridge(8)'s words and shapes.
 *
 * `bridge fdb show` reads the table "fdb" through the registry with a cursor, a bounded number of
 * rows at a time. What isn't offered says so: VLAN filtering, multicast snooping.
 */
#include "tapdeckd/cmd_ip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "link/link.h"

#define ROWS_PER_STEP 128

/* ---- fdb show ---- */

struct fdb_dump {
    const struct table *table;
    char port[NETIF_NAME_LEN], bridge[NETIF_NAME_LEN]; /* "": any */
    bool stats;
};

static void fdb_print(struct run *r, const struct fdb_dump *d, const struct row *row)
{
    char mac[64], port[64], bridge[64], state[64], flags[64];
    row_text(d->table, row, "mac", mac);
    const char *where = row_text(d->table, row, "ifname", port),
               *br = row_text(d->table, row, "master", bridge);
    const char *how = row_text(d->table, row, "state", state),
               *sticky = row_text(d->table, row, "flags", flags);
    unsigned long long used = row_number(d->table, row, "used") / TD_SEC;
    unsigned long long updated = row_number(d->table, row, "updated") / TD_SEC;
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        jw_str(&r->jw, "mac", mac);
        if (d->port[0] == '\0') /* goes without saying after `dev X` */
            jw_str(&r->jw, "ifname", where);
        if (d->stats) {
            jw_u64(&r->jw, "used", used);
            jw_u64(&r->jw, "updated", updated);
        }
        jw_open(&r->jw, "flags", '[');
        if (*sticky != '\0')
            jw_str(&r->jw, NULL, sticky);
        jw_close(&r->jw, ']');
        jw_str(&r->jw, "master", br);
        jw_str(&r->jw, "state", how);
        jw_close(&r->jw, '}');
        return;
    }
    run_printf(r, "%s ", mac);
    if (d->port[0] == '\0')
        run_printf(r, "dev %s ", where);
    if (d->stats)
        run_printf(r, "used %llu/%llu ", used, updated);
    run_printf(r, "%s%smaster %s %s\n", sticky, *sticky != '\0' ? " " : "", br, how);
}

static int fdb_step(struct run *r, td_time now)
{
    (void)now;
    const struct fdb_dump *d = r->state;
    struct row row;
    char text[64];
    for (int i = 0; i < ROWS_PER_STEP; i++) {
        row_clear(&row);
        if (!d->table->next(r->deck->st, &r->cursor, &row)) {
            if (r->json) {
                jw_close(&r->jw, ']');
                run_puts(r, "\n");
            }
            return EXIT_DONE;
        }
        if ((d->port[0] == '\0' ||
             strcmp(row_text(d->table, &row, "ifname", text), d->port) == 0) &&
            (d->bridge[0] == '\0' ||
             strcmp(row_text(d->table, &row, "master", text), d->bridge) == 0))
            fdb_print(r, d, &row);
    }
    r->ready = true;
    return RUN_MORE;
}

static int fdb_show(struct run *r, int at, bool stats)
{
    struct fdb_dump d = {.table = table_find(r->deck->st, "fdb"), .stats = stats};
    for (int i = at; i < r->argc; i += 2) {
        bool br = strcmp(r->argv[i], "br") == 0;
        if (!br && strcmp(r->argv[i], "dev") != 0 && strcmp(r->argv[i], "brport") != 0)
            return run_bad_word(r, i, "write `bridge fdb show [br BRIDGE] [dev PORT]`");
        const char *name = run_value(r, i, "the interface's name");
        if (name == NULL || run_interface(r, name) == 0)
            return EXIT_USAGE;
        strncpy(br ? d.bridge : d.port, name, NETIF_NAME_LEN - 1);
    }
    struct fdb_dump *own = malloc(sizeof(*own));
    if (own == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    *own = d;
    r->state = own;
    r->step = fdb_step;
    if (r->json)
        jw_open(&r->jw, NULL, '[');
    return fdb_step(r, 0);
}

/* ---- fdb add, del, flush ---- */

static int fdb_refused(struct run *r, const char *mac, const char *name, int err)
{
    switch (err) {
    case -EINVAL:
        return run_fail(r, EXIT_USAGE,
                        "%s can't have an entry for %s: it is no port of a bridge, or the words "
                        "don't go together (on a bridge itself: permanent)",
                        name, mac);
    case -ENOSPC:
        return run_fail(
            r, EXIT_FAILED,
            "the bridge knows as many stations as it may: `ip link set BRIDGE type bridge "
            "fdb_max_learned N`");
    case -ENOENT:
        return run_fail(r, EXIT_USAGE, "%s isn't known behind %s: `bridge fdb show` lists what is",
                        mac, name);
    case -EBUSY:
        return run_fail(r, EXIT_USAGE,
                        "%s is an interface's own address: it stays as long as that is so", mac);
    default:
        return run_fail(r, EXIT_FAILED, "%s: %s", mac, error_text(err));
    }
}

static int fdb_change(struct run *r, int at, bool adding)
{
    const char *mac_text = run_value(r, at - 1, "the station's MAC address"), *name = NULL;
    struct td_mac mac;
    uint32_t flags = TD_FDB_LOCAL, ifindex = 0; /* bridge(8): permanent unless said otherwise */
    bool sticky = false;
    if (mac_text == NULL)
        return EXIT_USAGE;
    if (!parse_mac(mac_text, &mac))
        return run_fail(r, EXIT_USAGE, "'%s' is not a MAC address: write it as 02:00:00:00:00:01",
                        mac_text);
    if (mac_is_multicast(mac) || mac_is_zero(mac))
        return run_fail(r, EXIT_USAGE, "'%s' is no station's address: it is a group's, or all zero",
                        mac_text);
    for (int i = at + 1; i < r->argc; i++) {
        const char *w = r->argv[i];
        if (strcmp(w, "dev") == 0) {
            if ((name = run_value(r, i++, "the port's name")) == NULL ||
                (ifindex = run_interface(r, name)) == 0)
                return EXIT_USAGE;
        } else if (strcmp(w, "static") == 0) {
            flags = TD_FDB_STATIC;
        } else if (strcmp(w, "dynamic") == 0) {
            flags = 0;
        } else if (strcmp(w, "permanent") == 0 || strcmp(w, "local") == 0) {
            flags = TD_FDB_LOCAL;
        } else if (strcmp(w, "sticky") == 0) {
            sticky = true;
        } else if (strcmp(w, "master") != 0 && strcmp(w, "self") != 0) {
            return run_bad_word(r, i,
                                "write `dev PORT [master] [permanent|static|dynamic] [sticky]`");
        }
    }
    if (ifindex == 0)
        return run_fail(r, EXIT_USAGE, "which port? write `bridge fdb %s %s dev eth0`",
                        adding ? "add" : "del", mac_text);
    if (sticky)
        flags = TD_FDB_STICKY;
    int err = adding ? td_fdb_add(r->deck->st, ifindex, mac, flags)
                     : td_fdb_del(r->deck->st, ifindex, mac);
    return err == 0 ? EXIT_DONE : fdb_refused(r, mac_text, name, err);
}

static int fdb_forget(struct run *r, int at)
{
    const char *name;
    if (at >= r->argc || strcmp(r->argv[at], "dev") != 0 || at + 2 < r->argc)
        return run_bad_word(r, at, "write `bridge fdb flush dev X`, a bridge or one of its ports");
    if ((name = run_value(r, at, "the interface's name")) == NULL)
        return EXIT_USAGE;
    uint32_t ifindex = run_interface(r, name);
    if (ifindex == 0)
        return EXIT_USAGE;
    int n = td_fdb_flush(r->deck->st, ifindex);
    return n >= 0 ? EXIT_DONE
                  : run_fail(r, EXIT_USAGE,
                             "%s is neither a bridge nor a port of one: `ip link` shows which is",
                             name);
}

static int bridge_fdb(struct run *r, int at, bool stats)
{
    const char *verb = at < r->argc ? r->argv[at] : "show";
    if (word_abbrev(verb, "show") || word_abbrev(verb, "list") || strcmp(verb, "ls") == 0)
        return fdb_show(r, at + 1, stats);
    if (word_abbrev(verb, "add") || word_abbrev(verb, "replace"))
        return fdb_change(r, at + 1, true);
    if (word_abbrev(verb, "delete"))
        return fdb_change(r, at + 1, false);
    if (word_abbrev(verb, "flush"))
        return fdb_forget(r, at + 1);
    return run_bad_word(r, at, "write `bridge fdb show|add|replace|del|flush`");
}

/* ---- link ---- */

static const struct {
    const char *word;
    uint32_t flag;
} port_words[] = {{"hairpin", TD_PORT_HAIRPIN},
                  {"learning", TD_PORT_LEARNING},
                  {"flood", TD_PORT_FLOOD},
                  {"isolated", TD_PORT_ISOLATED}};
#define PORT_WORDS (sizeof(port_words) / sizeof(*port_words))

static void port_print(struct run *r, const struct netif *nif, bool details)
{
    const char *state = netif_is_up(nif) ? "forwarding" : "disabled";
    uint32_t flags = bridge_port_flags(nif);
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        jw_u64(&r->jw, "ifindex", nif->index);
        if (nif->lower != NULL)
            jw_str(&r->jw, "link", nif->lower->name);
        jw_str(&r->jw, "ifname", nif->name);
        ip_flags_json(r, nif);
        jw_u64(&r->jw, "mtu", nif->mtu);
        jw_str(&r->jw, "master", netif_master(nif)->name);
        jw_str(&r->jw, "state", state);
        for (size_t i = 0; details && i < PORT_WORDS; i++)
            jw_bool(&r->jw, port_words[i].word, (flags & port_words[i].flag) != 0);
        jw_close(&r->jw, '}');
        return;
    }
    run_printf(r, "%u: %s%s%s: ", nif->index, nif->name, nif->lower != NULL ? "@" : "",
               nif->lower != NULL ? nif->lower->name : "");
    ip_flags_text(r, nif);
    run_printf(r, " mtu %u master %s state %s %s", nif->mtu, netif_master(nif)->name, state, details ? "\n   " : "");
    for (size_t i = 0; details && i < PORT_WORDS; i++)
        run_printf(r, " %s %s", port_words[i].word,
                   (flags & port_words[i].flag) != 0 ? "on" : "off");
    run_puts(r, "\n");
}

static int port_show(struct run *r, int at, bool details)
{
    uint32_t only = 0;
    if (at < r->argc) {
        const char *name;
        if (strcmp(r->argv[at], "dev") != 0 || at + 2 < r->argc)
            return run_bad_word(r, at, "write `bridge link show [dev PORT]`");
        if ((name = run_value(r, at, "the port's name")) == NULL ||
            (only = run_interface(r, name)) == 0)
            return EXIT_USAGE;
    }
    if (r->json)
        jw_open(&r->jw, NULL, '[');
    for (const struct netif *nif = netif_first(r->deck->st); nif != NULL; nif = nif->next)
        if (netif_master(nif) != NULL && (only == 0 || nif->index == only))
            port_print(r, nif, details);
    if (r->json) {
        jw_close(&r->jw, ']');
        run_puts(r, "\n");
    }
    return EXIT_DONE;
}

static int port_set(struct run *r, int at)
{
    const char *name = NULL, *value;
    uint32_t ifindex = 0, set = 0, clear = 0;
    for (int i = at; i < r->argc; i += 2) {
        size_t k = 0;
        while (k < PORT_WORDS && strcmp(r->argv[i], port_words[k].word) != 0)
            k++;
        bool dev = strcmp(r->argv[i], "dev") == 0;
        if (!dev && k == PORT_WORDS)
            return run_bad_word(
                r, i, "write `dev PORT` and hairpin, learning, flood or isolated, each on or off");
        if ((value = run_value(r, i, dev ? "the port's name" : "on or off")) == NULL)
            return EXIT_USAGE;
        if (dev) {
            name = value;
            if ((ifindex = run_interface(r, name)) == 0)
                return EXIT_USAGE;
        } else if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0) {
            return run_fail(r, EXIT_USAGE, "'%s' can't be said of %s: write on or off", value,
                            r->argv[i]);
        } else {
            *(value[1] == 'n' ? &set : &clear) |= port_words[k].flag;
        }
    }
    if (ifindex == 0)
        return run_fail(r, EXIT_USAGE, "which port? write `bridge link set dev eth0 hairpin on`");
    if (td_port_set_flags(r->deck->st, ifindex, set, clear) == 0)
        return EXIT_DONE;
    return run_fail(r, EXIT_USAGE,
                    "%s is no port of a bridge: `ip link set %s master br0` makes it one", name,
                    name);
}

/* ---- bridge ---- */

static int bridge_main(struct run *r)
{
    bool stats = false, details = false;
    int at = 1;
    for (; at < r->argc && r->argv[at][0] == '-'; at++) {
        const char *w = r->argv[at];
        if (strcmp(w, "-j") == 0 || strcmp(w, "-json") == 0)
            r->json = true;
        else if (strcmp(w, "-s") == 0 || strcmp(w, "-statistics") == 0)
            stats = true;
        else if (strcmp(w, "-d") == 0 || strcmp(w, "-details") == 0)
            details = true;
        else if (strcmp(w, "-p") != 0 && strcmp(w, "-c") != 0)
            return run_bad_word(r, at, "the options here are -j, -s and -d");
    }
    if (at >= r->argc)
        return run_bad_word(r, at, "write `bridge fdb` or `bridge link`");
    const char *object = r->argv[at++];
    if (word_abbrev(object, "fdb"))
        return bridge_fdb(r, at, stats);
    if (!word_abbrev(object, "link"))
        return run_bad_word(
            r, at - 1,
            "write `bridge fdb` or `bridge link` (VLANs aren't filtered here: every port "
            "passes every tag)");
    const char *verb = at < r->argc ? r->argv[at] : "show";
    if (word_abbrev(verb, "show") || word_abbrev(verb, "list") || strcmp(verb, "ls") == 0)
        return port_show(r, at + 1, details);
    if (word_abbrev(verb, "set"))
        return port_set(r, at + 1);
    return run_bad_word(r, at, "write `bridge link show|set`");
}

const struct command command_bridge = {
    .name = "bridge",
    .usage = "bridge [-j] [-s] fdb [show] [br BRIDGE] [dev IFACE]\n"
             "bridge fdb {add | replace} MAC dev IFACE [master] [permanent | static | dynamic] [sticky]\n"
             "bridge fdb del MAC dev IFACE\n"
             "bridge fdb flush dev IFACE\n"
             "bridge [-j] [-d] link [show] [dev IFACE]\n"
             "bridge link set dev IFACE [hairpin {on | off}] [learning {on | off}] [flood {on | off}] [isolated {on | off}]",
    .doc = "stations that bridges know, and their ports, in bridge(8)'s words",
    .more = "Bridges are made with `ip link add br0 type bridge`, ports join with `ip link set "
            "eth0 master br0`.\n"
            "An entry without a word is permanent: the station is this host itself. static ones "
            "don't age, sticky ones\n"
            "don't move to another port either.\n"
            "Examples:\n"
            "  bridge -s fdb show br br0\n"
            "  bridge fdb add 02:00:00:00:00:07 dev eth1 master static\n"
            "  bridge link set dev eth1 hairpin on",
    .fn = bridge_main,
};
