/* tapdeckd/cmd_link.c: `ip link add|set|del`: interfaces made, changed and removed.
 *
 * All words are read before anything is done, and when one of several changes is refused by the
 * stack the ones before it are taken back: a line is done or not done. What is shown is in
 * cmd_ip.c.
 */
#include "tapdeckd/cmd_ip.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "link/link.h"

/* What a line asks for. */
struct link_words {
    bool up, down;
    bool has_mac, has_master;
    struct td_mac mac;
    uint32_t mtu;        /* 0: not said */
    uint32_t master;     /* with has_master; 0: none */
    uint32_t set, clear; /* enum td_if_flags */
    uint32_t port_set, port_clear;
    struct td_bridge_config bridge;
};

/* ---- reading ---- */

/* on or off behind word i. -1: the sentence is set. */
static int on_off(struct run *r, int i)
{
    const char *value = run_value(r, i, "on or off");
    if (value == NULL)
        return -1;
    if (strcmp(value, "on") == 0)
        return 1;
    if (strcmp(value, "off") == 0)
        return 0;
    run_fail(r, EXIT_USAGE, "'%s' can't be said of %s: write on or off", value, r->argv[i]);
    return -1;
}

static bool read_mtu(struct run *r, int i, uint32_t *mtu)
{
    const char *value = run_value(r, i, "the MTU in bytes");
    if (value == NULL)
        return false;
    if (parse_u32(value, 65535, mtu) && *mtu >= 68)
        return true;
    run_fail(r, EXIT_USAGE, "'%s' is not an MTU: write 68 to 65535 (bytes)", value);
    return false;
}

static bool read_mac(struct run *r, int i, struct td_mac *mac)
{
    const char *value = run_value(r, i, "the MAC address");
    if (value == NULL)
        return false;
    if (!parse_mac(value, mac))
        run_fail(r, EXIT_USAGE, "'%s' is not a MAC address: write it as 02:00:00:00:00:01", value);
    else if (mac->b[0] & 1)
        run_fail(r, EXIT_USAGE, "'%s' is a group address: a station's first byte is even", value);
    else if (mac_is_zero(*mac))
        run_fail(r, EXIT_USAGE, "'%s' can't be an interface's address: all zero means none", value);
    else
        return true;
    return false;
}

static bool read_master(struct run *r, int i, struct link_words *w)
{
    const char *value = run_value(r, i, "the bridge's name");
    if (value == NULL || (w->master = run_interface(r, value)) == 0)
        return false;
    if (netif_by_index(r->deck->st, w->master)->kind != TD_LINK_BRIDGE) {
        run_fail(r, EXIT_USAGE, "%s is no bridge: `ip link add NAME type bridge` makes one", value);
        return false;
    }
    w->has_master = true;
    return true;
}

static const struct {
    const char *word;
    uint32_t flag;
    bool inverse; /* `arp off` sets NOARP */
} flag_words[] = {{"promisc", TD_IF_PROMISC, false},
                  {"arp", TD_IF_NOARP, true},
                  {"multicast", TD_IF_MULTICAST, false}};

static const struct {
    const char *word;
    uint32_t flag;
} port_words[] = {{"hairpin", TD_PORT_HAIRPIN},
                  {"learning", TD_PORT_LEARNING},
                  {"flood", TD_PORT_FLOOD},
                  {"isolated", TD_PORT_ISOLATED}};

/* A word that add and set share. Words used, 0: it is none of these, -1: the sentence is set. */
static int common_word(struct run *r, int i, struct link_words *w)
{
    const char *word = r->argv[i];
    if (strcmp(word, "up") == 0 || strcmp(word, "down") == 0) {
        w->up = word[0] == 'u';
        w->down = !w->up;
        return 1;
    }
    if (strcmp(word, "mtu") == 0)
        return read_mtu(r, i, &w->mtu) ? 2 : -1;
    if (strcmp(word, "address") == 0)
        return (w->has_mac = read_mac(r, i, &w->mac)) ? 2 : -1;
    if (strcmp(word, "master") == 0)
        return read_master(r, i, w) ? 2 : -1;
    for (size_t k = 0; k < sizeof(flag_words) / sizeof(*flag_words); k++) {
        if (strcmp(word, flag_words[k].word) != 0)
            continue;
        int on = on_off(r, i);
        if (on < 0)
            return -1;
        *((on != 0) != flag_words[k].inverse ? &w->set : &w->clear) |= flag_words[k].flag;
        return 2;
    }
    return 0;
}

/* The words behind `type bridge`, up to the end. */
static bool bridge_words(struct run *r, int at, struct td_bridge_config *c)
{
    for (int i = at; i < r->argc; i += 2) {
        const char *word = r->argv[i], *value = run_value(r, i, "a number");
        uint64_t n;
        bool known = strcmp(word, "ageing_time") == 0 || strcmp(word, "fdb_max_learned") == 0 ||
                     strcmp(word, "stp_state") == 0 || strcmp(word, "vlan_filtering") == 0;
        if (!known) {
            run_bad_word(
                r, i, "a bridge has ageing_time N (hundredths of a second) and fdb_max_learned N");
            return false;
        }
        if (value == NULL)
            return false;
        if (!parse_u64(value, UINT32_MAX, &n)) {
            run_fail(r, EXIT_USAGE, "'%s' is not a number for %s: write 0 to 4294967295", value,
                     word);
            return false;
        }
        if (strcmp(word, "ageing_time") == 0) {
            c->what |= TD_BRIDGE_AGEING;
            c->ageing = n * 10 * TD_MS;
        } else if (strcmp(word, "fdb_max_learned") == 0) {
            c->what |= TD_BRIDGE_FDB_MAX;
            c->fdb_max = (uint32_t)n;
        } else if (n != 0) {
            run_fail(r, EXIT_USAGE, "%s is not offered: this bridge %s", word,
                     word[0] == 's' ? "takes no part in the spanning tree" : "passes every VLAN");
            return false;
        }
    }
    return true;
}

static bool port_settings(struct run *r, int at, struct link_words *w)
{
    for (int i = at; i < r->argc; i += 2) {
        size_t k = 0, n = sizeof(port_words) / sizeof(*port_words);
        while (k < n && strcmp(r->argv[i], port_words[k].word) != 0)
            k++;
        if (k == n) {
            run_bad_word(
                r, i, "a bridge's port has hairpin, learning, flood and isolated, each on or off");
            return false;
        }
        int on = on_off(r, i);
        if (on < 0)
            return false;
        *(on ? &w->port_set : &w->port_clear) |= port_words[k].flag;
    }
    return true;
}

/* ---- doing ---- */

struct link_before { /* to take a change back */
    struct td_mac mac;
    uint32_t mtu, flags, master;
};

static int set_mtu(struct run *r, const struct netif *nif, uint32_t mtu)
{
    struct deck_tap *tap = deck_tap_find(r->deck, nif->name);
    char msg[256];
    if (tap == NULL)
        return td_if_set_mtu(r->deck->st, nif->index, mtu);
    if (tap_set_mtu(tap->tap, mtu, msg, sizeof(msg)) < 0) {
        run_fail(r, EXIT_FAILED, "%s", msg);
        return -EIO;
    }
    return 0;
}

/* What of it the stack refused, "" for nothing; *err is why. */
static const char *apply(struct run *r, const struct netif *nif, const struct link_words *w,
                         int *err)
{
    struct td_stack *st = r->deck->st;
    uint32_t index = nif->index;
    *err = 0;
    if (w->down && (*err = td_if_up(st, index, false)) < 0)
        return "down";
    if (w->mtu != 0 && (*err = set_mtu(r, nif, w->mtu)) < 0)
        return "mtu";
    if (w->has_mac && (*err = td_if_set_mac(st, index, w->mac)) < 0)
        return "address";
    if ((w->set | w->clear) != 0 && (*err = td_if_set_flags(st, index, w->set, w->clear)) < 0)
        return "flags";
    if (w->has_master && (*err = td_link_set_master(st, index, w->master)) < 0)
        return "master";
    if ((w->port_set | w->port_clear) != 0 &&
        (*err = td_port_set_flags(st, index, w->port_set, w->port_clear)) < 0)
        return "bridge_slave";
    if (w->bridge.what != 0 && (*err = td_bridge_set(st, index, &w->bridge)) < 0)
        return "bridge";
    if (w->up && (*err = td_if_up(st, index, true)) < 0)
        return "up";
    return "";
}

static struct link_before before(const struct netif *nif)
{
    const struct netif *master = netif_master(nif);
    return (struct link_before){nif->mac, nif->mtu, nif->flags, master != NULL ? master->index : 0};
}

static void take_back(struct run *r, const struct netif *nif, const struct link_before *b)
{
    const uint32_t may = TD_IF_UP | TD_IF_NOARP | TD_IF_PROMISC | TD_IF_MULTICAST;
    struct td_stack *st = r->deck->st;
    if (nif->mtu != b->mtu)
        set_mtu(r, nif, b->mtu);
    if (!mac_eq(nif->mac, b->mac))
        td_if_set_mac(st, nif->index, b->mac);
    td_link_set_master(st, nif->index, b->master);
    td_if_set_flags(st, nif->index, b->flags & may, ~b->flags & may);
}

/* A sentence for what the stack refused. */
static int refused(struct run *r, const char *name, const struct netif *lower, const char *what,
                   int err)
{
    if (err == -EIO) /* said already */
        return EXIT_FAILED;
    if (err == -ENETDOWN)
        return run_fail(r, EXIT_USAGE,
                        "%s can't be up while %s below it is down: `ip link set %s up` first", name,
                        lower != NULL ? lower->name : "the interface",
                        lower != NULL ? lower->name : "it");
    if (err == -ERANGE)
        return run_fail(r, EXIT_USAGE, "the MTU of %s can't be larger than that of %s below it, %u",
                        name, lower != NULL ? lower->name : "the interface",
                        lower != NULL ? lower->mtu : 0);
    if (err == -ELOOP)
        return run_fail(r, EXIT_USAGE,
                        "%s can't be a port there: it is a bridge, or stands on that bridge itself",
                        name);
    if (err == -EMLINK)
        return run_fail(r, EXIT_USAGE, "%s: more than 8 interfaces would stand one above the other",
                        name);
    if (err == -EINVAL && strcmp(what, "bridge_slave") == 0)
        return run_fail(r, EXIT_USAGE,
                        "%s is no port of a bridge: `ip link set %s master br0` first", name, name);
    if (err == -EINVAL && strcmp(what, "bridge") == 0)
        return run_fail(r, EXIT_USAGE, "%s is no bridge", name);
    if (err == -EINVAL && strcmp(what, "master") == 0)
        return run_fail(r, EXIT_USAGE, "%s can't be a port of a bridge: it has no Ethernet", name);
    return run_fail(r, EXIT_FAILED, "%s %s: %s", name, what, error_text(err));
}

/* ---- set ---- */

/* `type bridge …` and `type bridge_slave …`: the rest of the line. */
static bool type_words(struct run *r, int i, struct link_words *w)
{
    const char *kind = run_value(r, i, "bridge or bridge_slave");
    if (kind == NULL)
        return false;
    if (strcmp(kind, "bridge") == 0)
        return bridge_words(r, i + 2, &w->bridge);
    if (strcmp(kind, "bridge_slave") == 0)
        return port_settings(r, i + 2, w);
    run_fail(r, EXIT_USAGE, "'%s' has nothing to be set: write type bridge or type bridge_slave",
             kind);
    return false;
}

static int link_set(struct run *r, int at)
{
    struct link_words w = {0};
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
        return run_fail(
            r, EXIT_USAGE,
            "what is to be set? write `ip link set %s up|down|mtu N|address MAC|master BRIDGE`",
            name);
    for (int i = at + 1, used; i < r->argc; i += used) {
        used = common_word(r, i, &w);
        if (used == 0 && strcmp(r->argv[i], "nomaster") == 0) {
            w.has_master = true;
            w.master = 0;
            used = 1;
        } else if (used == 0 && strcmp(r->argv[i], "type") == 0) {
            if (!type_words(r, i, &w))
                return EXIT_USAGE;
            used = r->argc - i;
        }
        if (used < 0)
            return EXIT_USAGE;
        if (used == 0)
            return run_bad_word(
                r, i,
                "write up, down, mtu N, address MAC, promisc|arp|multicast on|off, master BRIDGE, "
                "nomaster or type");
    }
    const struct netif *nif = netif_by_index(r->deck->st, ifindex);
    struct link_before was = before(nif);
    int err;
    const char *what = apply(r, nif, &w, &err);
    if (err == 0)
        return EXIT_DONE;
    take_back(r, nif, &was);
    return refused(r, name, nif->lower, what, err);
}

/* ---- add ---- */

/* The words behind `type KIND`. */
static bool kind_words(struct run *r, int at, struct td_link_config *c)
{
    if (c->kind == TD_LINK_BRIDGE)
        return bridge_words(r, at, &c->bridge);
    for (int i = at; i < r->argc; i += 2) {
        const char *word = r->argv[i], *value;
        uint32_t vid;
        if (c->kind != TD_LINK_VLAN || (strcmp(word, "id") != 0 && strcmp(word, "protocol") != 0)) {
            run_bad_word(r, i,
                         c->kind == TD_LINK_VLAN ? "a VLAN has an id"
                                                 : "a dummy has nothing to be set");
            return false;
        }
        if ((value = run_value(r, i, word[0] == 'i' ? "the VLAN's number" : "the protocol")) ==
            NULL)
            return false;
        if (word[0] == 'p') {
            if (strcasecmp(value, "802.1q") == 0)
                continue;
            run_fail(r, EXIT_USAGE, "'%s' is not offered: VLANs here are 802.1Q", value);
            return false;
        }
        if (!parse_u32(value, 4094, &vid) || vid == 0) {
            run_fail(r, EXIT_USAGE, "'%s' is not a VLAN's number: write 1 to 4094", value);
            return false;
        }
        c->vid = (uint16_t)vid;
    }
    return true;
}

/* The words of `ip link add`; *w are those that are applied afterwards. */
static bool add_words(struct run *r, int at, struct td_link_config *c, struct link_words *w)
{
    for (int i = at, used; i < r->argc; i += used) {
        const char *word = r->argv[i], *value;
        used = 2;
        if (strcmp(word, "link") == 0) {
            if ((value = run_value(r, i, "the interface below")) == NULL ||
                (c->lower = run_interface(r, value)) == 0)
                return false;
        } else if (strcmp(word, "type") == 0) {
            if ((value = run_value(r, i, "vlan, bridge or dummy")) == NULL)
                return false;
            for (int k = TD_LINK_VLAN; k < TD_LINK_KINDS; k++)
                if (strcmp(value, td_link_kind_name((enum td_link_kind)k)) == 0)
                    c->kind = (enum td_link_kind)k;
            if (c->kind == TD_LINK_DEVICE) {
                run_fail(r, EXIT_USAGE,
                         "'%s' is not a type of interface: write vlan, bridge or dummy (`tap add` "
                         "makes TAP devices)",
                         value);
                return false;
            }
            return kind_words(r, i + 2, c);
        } else if ((used = common_word(r, i, w)) == 0) {
            bool named = strcmp(word, "name") == 0 || strcmp(word, "dev") == 0;
            value = named ? run_value(r, i, "the name") : word;
            used = named ? 2 : 1;
            if (value == NULL)
                return false;
            if (c->name[0] != '\0') {
                run_bad_word(r, i,
                             "write `ip link add [link X] NAME [mtu N] [address MAC] type "
                             "vlan|bridge|dummy`");
                return false;
            }
            if (strlen(value) >= sizeof(c->name)) {
                run_fail(r, EXIT_USAGE,
                         "'%s' is too long for an interface's name: 15 characters at most", value);
                return false;
            }
            snprintf(c->name, sizeof(c->name), "%s", value);
        }
        if (used < 0)
            return false;
    }
    run_fail(r, EXIT_USAGE,
             "what is it to be? write `type vlan id N`, `type bridge` or `type dummy` at the end");
    return false;
}

static int link_make(struct run *r, int at)
{
    struct td_link_config c = {0};
    struct link_words w = {0};
    uint32_t index;
    int err;
    if (!add_words(r, at, &c, &w))
        return EXIT_USAGE;
    if (c.name[0] == '\0')
        return run_fail(r, EXIT_USAGE, "which name? write `ip link add NAME type %s`",
                        td_link_kind_name(c.kind));
    if (c.kind == TD_LINK_VLAN && (c.lower == 0 || c.vid == 0))
        return run_fail(r, EXIT_USAGE, "%s: write `ip link add link eth0 name %s type vlan id 10`",
                        c.lower == 0 ? "which interface carries the VLAN?" : "which VLAN?", c.name);
    if (c.kind != TD_LINK_VLAN && c.lower != 0)
        return run_fail(r, EXIT_USAGE, "a %s stands on no interface: leave `link` out",
                        td_link_kind_name(c.kind));
    const struct netif *lower = c.lower != 0 ? netif_by_index(r->deck->st, c.lower) : NULL;
    c.mac = w.mac;
    c.mtu = w.mtu;
    w.has_mac = false;
    w.mtu = 0;
    if ((err = td_link_add(r->deck->st, &c, &index)) < 0) {
        const char *twin = "";
        for (const struct netif *nif = netif_first(r->deck->st); nif != NULL; nif = nif->next)
            if (c.kind == TD_LINK_VLAN && nif->lower == lower && nif->vid == c.vid)
                twin = nif->name;
        if (err == -EEXIST && td_if_index(r->deck->st, c.name) == 0)
            return run_fail(r, EXIT_USAGE, "VLAN %u of %s is %s already", c.vid, lower->name, twin);
        if (err == -EEXIST)
            return run_fail(r, EXIT_USAGE, "there is an interface %s already", c.name);
        if (err == -EOPNOTSUPP)
            return run_fail(r, EXIT_USAGE, "%s can't carry a VLAN: it has no Ethernet",
                            lower->name);
        if (err == -EINVAL)
            return run_fail(r, EXIT_USAGE,
                            "'%s' is not a name for an interface: write letters and digits",
                            c.name);
        return refused(r, c.name, lower, "add", err);
    }
    const struct netif *nif = netif_by_index(r->deck->st, index);
    const char *what = apply(r, nif, &w, &err);
    if (err == 0)
        return EXIT_DONE;
    int status = refused(r, c.name, lower, what, err);
    td_if_del(r->deck->st, index);
    return status;
}

/* ---- del ---- */

static int link_remove(struct run *r, int at)
{
    const char *name = at < r->argc ? r->argv[at] : NULL;
    if (name != NULL && strcmp(name, "dev") == 0)
        name = run_value(r, at++, "the interface's name");
    if (name == NULL)
        return r->err[0] ? EXIT_USAGE
                         : run_fail(r, EXIT_USAGE, "which interface? write `ip link del eth0.10`");
    if (at + 1 < r->argc && strcmp(r->argv[at + 1], "type") == 0 && at + 2 < r->argc)
        at += 2;
    if (at + 1 < r->argc)
        return run_bad_word(r, at + 1, "`ip link del` takes one interface");
    uint32_t ifindex = run_interface(r, name);
    if (ifindex == 0)
        return EXIT_USAGE;
    const struct netif *nif = netif_by_index(r->deck->st, ifindex);
    if (nif->kind == TD_LINK_LOOPBACK)
        return run_fail(r, EXIT_USAGE, "%s can't be removed: the host talks to itself on it", name);
    struct deck_tap *tap = deck_tap_find(r->deck, nif->name);
    if (tap != NULL) {
        deck_tap_remove(r->deck, tap);
        return EXIT_DONE;
    }
    int err = td_if_del(r->deck->st, ifindex);
    return err == 0 ? EXIT_DONE : run_fail(r, EXIT_FAILED, "%s: %s", name, error_text(err));
}

int ip_link(struct run *r, int at, const struct ip_options *o)
{
    enum ip_verb verb = at < r->argc ? ip_verb(r->argv[at]) : VERB_SHOW;
    if (at < r->argc && strcmp(r->argv[at], "s") == 0)
        verb = VERB_SET; /* iproute2's own surprise: `ip link s` is set, `ip addr s` is show */
    switch (verb) {
    case VERB_SHOW:
        return ip_link_show(r, at + 1, o);
    case VERB_SET:
    case VERB_CHANGE:
        return link_set(r, at + 1);
    case VERB_ADD:
        return link_make(r, at + 1);
    case VERB_DEL:
        return link_remove(r, at + 1);
    default:
        return run_bad_word(r, at,
                            "write `ip link show|set|add|del` (`tap add` makes TAP devices)");
    }
}
