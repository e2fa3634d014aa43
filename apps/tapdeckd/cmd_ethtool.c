/* tapdeckd/cmd_ethtool.c: `ethtool`: what an interface's device does for the stack, and what it
 * counts.
 *
 * A TAP device takes finished frames and gives finished frames: checksums are made and looked at,
 * and super-frames cut, by the stack itself. Interfaces without a device (bridges, VLANs, loopback)
 * pass super-frames and unfinished checksums on as they are; what they can do is for the device
 * below them to finish. So most features are as they are,
 * "[fixed]" in ethtool's words, and -K says for which reason one can't be had. Names, order and
 * shape of the output are ethtool's.
 */
#include "tapdeckd/deck.h"

#include <string.h>

#include "link/link.h"

/* ---- features ---- */

enum state { OFF, ON };

struct feature {
    const char *name, *bit, *word; /* ethtool's long name, the kernel's, ethtool's short one */
    bool group;                    /* stands for those below it */
    bool (*on)(const struct netif *nif);
    uint32_t flag;       /* enum td_if_flags that switches it; 0: fixed */
    const char *because; /* fixed: why */
};

static bool never(const struct netif *nif)
{
    (void)nif;
    return false;
}

static bool always(const struct netif *nif)
{
    (void)nif;
    return true;
}

/* Takes super-frames and unfinished checksums: a device that says so, or none at all. */
static bool passes(const struct netif *nif)
{
    return nif->ops == NULL || (nif->flags & TD_IF_OFFLOAD) != 0;
}

static bool cuts(const struct netif *nif)
{
    return !passes(nif);
}

static bool tags(const struct netif *nif)
{
    return nif->kind != TD_LINK_LOOPBACK;
}

#define DEVICE                                                                                     \
    "the device takes and gives finished frames: the stack makes and looks at checksums itself"
#define SUPER                                                                                      \
    "it follows from the device: one that takes no super-frames gets them cut in front of its "    \
    "queue"
#define NONE "there is no such thing here"

static const struct feature features[] = {
    {"rx-checksumming", "rx-checksum", "rx", false, never, 0, DEVICE},
    {"tx-checksumming", NULL, "tx", true, passes, 0, DEVICE},
    {"tx-checksum-ipv4", "tx-checksum-ipv4", NULL, false, never, 0, DEVICE},
    {"tx-checksum-ip-generic", "tx-checksum-ip-generic", NULL, false, passes, 0, DEVICE},
    {"scatter-gather", NULL, "sg", true, always, 0, "a frame is written from where its parts lie"},
    {"tx-scatter-gather", "tx-scatter-gather", NULL, false, always, 0,
     "a frame is written from where its parts lie"},
    {"tcp-segmentation-offload", NULL, "tso", true, passes, 0, SUPER},
    {"tx-tcp-segmentation", "tx-tcp-segmentation", NULL, false, passes, 0, SUPER},
    {"generic-segmentation-offload", "tx-generic-segmentation", "gso", false, cuts, 0, SUPER},
    {"generic-receive-offload", "rx-gro", "gro", false, never, TD_IF_GRO, NULL},
    {"large-receive-offload", "rx-lro", "lro", false, never, 0, NONE},
    {"rx-vlan-offload", "rx-vlan-hw-parse", "rxvlan", false, never, 0, NONE},
    {"tx-vlan-offload", "tx-vlan-hw-insert", "txvlan", false, never, 0, NONE},
    {"vlan-challenged", "vlan-challenged", NULL, false, NULL, 0, NONE},
    {"loopback", "loopback", NULL, false, never, 0, NONE},
};
#define FEATURES (sizeof(features) / sizeof(*features))

static bool is_on(const struct feature *f, const struct netif *nif)
{
    if (f->flag != 0)
        return (nif->flags & f->flag) != 0;
    return f->on != NULL ? f->on(nif) : !tags(nif);
}

static bool is_fixed(const struct feature *f, const struct netif *nif)
{
    return f->flag == 0 || nif->ops == NULL;
}

static const struct feature *feature_find(const char *word)
{
    for (size_t i = 0; i < FEATURES; i++)
        if (strcmp(word, features[i].name) == 0 ||
            (features[i].bit != NULL && strcmp(word, features[i].bit) == 0) ||
            (features[i].word != NULL && strcmp(word, features[i].word) == 0))
            return &features[i];
    return NULL;
}

static int features_show(struct run *r, const struct netif *nif)
{
    if (r->json) {
        jw_open(&r->jw, NULL, '[');
        jw_open(&r->jw, NULL, '{');
        jw_str(&r->jw, "ifname", nif->name);
    } else {
        run_printf(r, "Features for %s:\n", nif->name);
    }
    for (size_t i = 0; i < FEATURES; i++) {
        const struct feature *f = &features[i];
        bool on = is_on(f, nif),
             below = i > 0 && !f->group && f->word == NULL && strncmp(f->name, "tx-", 3) == 0;
        if (!r->json) {
            run_printf(r, "%s%s: %s%s\n", below ? "\t" : "", f->name, on ? "on" : "off",
                       !f->group && is_fixed(f, nif) ? " [fixed]" : "");
            continue;
        }
        jw_open(&r->jw, f->name, '{');
        jw_bool(&r->jw, "active", on);
        if (f->group) {
            jw_null(&r->jw, "fixed");
            jw_null(&r->jw, "requested");
        } else {
            jw_bool(&r->jw, "fixed", is_fixed(f, nif));
            jw_bool(&r->jw, "requested", on);
        }
        jw_close(&r->jw, '}');
    }
    if (r->json) {
        jw_close(&r->jw, '}');
        jw_close(&r->jw, ']');
        run_puts(r, "\n");
    }
    return EXIT_DONE;
}

/* -K IFACE FEATURE on|off …: all words are read before anything is switched. */
static int features_set(struct run *r, int at, const struct netif *nif)
{
    uint32_t set = 0, clear = 0;
    if (at >= r->argc)
        return run_bad_word(r, at, "write a feature and on or off: `ethtool -K eth0 gro on`");
    for (; at < r->argc; at += 2) {
        const struct feature *f = feature_find(r->argv[at]);
        const char *value;
        if (f == NULL)
            return run_fail(r, EXIT_USAGE, "'%s' is no feature: `ethtool -k %s` lists them",
                            r->argv[at], nif->name);
        if ((value = run_value(r, at, "on or off")) == NULL)
            return EXIT_USAGE;
        bool on = strcmp(value, "on") == 0;
        if (!on && strcmp(value, "off") != 0)
            return run_fail(r, EXIT_USAGE, "'%s' can't be said of %s: write on or off", value,
                            r->argv[at]);
        if (!is_fixed(f, nif))
            *(on ? &set : &clear) |= f->flag;
        else if (on != is_on(f, nif))
            return run_fail(r, EXIT_FAILED, "%s of %s stays %s: %s", f->name, nif->name,
                            on ? "off" : "on",
                            f->because != NULL ? f->because : "it has no device");
    }
    int err = set != 0 || clear != 0 ? td_if_set_flags(r->deck->st, nif->index, set, clear) : 0;
    return err == 0 ? EXIT_DONE : run_fail(r, EXIT_FAILED, "%s: %s", nif->name, error_text(err));
}

/* ---- driver, statistics ---- */

static int driver_show(struct run *r, const struct netif *nif)
{
    static const char *const drivers[TD_LINK_KINDS] = {[TD_LINK_DEVICE] = "tun",
                                                       [TD_LINK_LOOPBACK] = "loopback",
                                                       [TD_LINK_VLAN] = "802.1Q VLAN Support",
                                                       [TD_LINK_BRIDGE] = "bridge",
                                                       [TD_LINK_DUMMY] = "dummy"};
    const struct deck_tap *t = deck_tap_find(r->deck, nif->name);
    bool device = nif->kind == TD_LINK_DEVICE;
    const char *driver = device && t == NULL ? "simulated wire" : drivers[nif->kind];
    const struct {
        const char *name, *value;
    } lines[] = {{"driver", driver},
                 {"version", TAPDECK_VERSION},
                 {"firmware-version", ""},
                 {"expansion-rom-version", ""},
                 {"bus-info", t != NULL ? tap_name(t->tap) : ""},
                 {"supports-statistics", "yes"},
                 {"supports-test", "no"},
                 {"supports-eeprom-access", "no"},
                 {"supports-register-dump", "no"},
                 {"supports-priv-flags", "no"}};
    if (r->json)
        jw_open(&r->jw, NULL, '{');
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        if (r->json)
            jw_str(&r->jw, lines[i].name, lines[i].value);
        else
            run_printf(r, "%s: %s\n", lines[i].name, lines[i].value);
    }
    if (r->json) {
        jw_close(&r->jw, '}');
        run_puts(r, "\n");
    }
    return EXIT_DONE;
}

static void count_line(struct run *r, const char *name, uint64_t v)
{
    if (r->json)
        jw_u64(&r->jw, name, v);
    else
        run_printf(r, "     %s: %llu\n", name, (unsigned long long)v);
}

static int stats_show(struct run *r, const struct netif *nif)
{
    const struct td_if_stats *s = &nif->stats;
    const struct deck_tap *t = deck_tap_find(r->deck, nif->name);
    const struct qdisc *q = netif_chain(nif, false);
    if (r->json) {
        jw_open(&r->jw, NULL, '[');
        jw_open(&r->jw, NULL, '{');
        jw_str(&r->jw, "ifname", nif->name);
    } else {
        run_puts(r, "NIC statistics:\n");
    }
    count_line(r, "rx_packets", s->rx_packets);
    count_line(r, "tx_packets", s->tx_packets);
    count_line(r, "rx_bytes", s->rx_bytes);
    count_line(r, "tx_bytes", s->tx_bytes);
    count_line(r, "rx_dropped", s->rx_dropped);
    count_line(r, "tx_dropped", s->tx_dropped);
    count_line(r, "rx_multicast", s->rx_multicast);
    count_line(r, "rx_ipv6", nif->rx_ipv6);
    if (q != NULL) {
        count_line(r, "tx_queue_0_packets", q->sent_packets);
        count_line(r, "tx_queue_0_bytes", q->sent_bytes);
        count_line(r, "tx_queue_0_drops", qdisc_all_drops(q));
    }
    if (t != NULL) {
        struct tap_stats d = tap_stats(t->tap);
        count_line(r, "tap_rx_frames", d.rx_frames);
        count_line(r, "tap_rx_nomem", d.rx_nomem);
        count_line(r, "tap_rx_errors", d.rx_errors);
        count_line(r, "tap_tx_frames", d.tx_frames);
        count_line(r, "tap_tx_lost", d.tx_lost);
        count_line(r, "tap_tx_busy", d.tx_busy);
    }
    if (r->json) {
        jw_close(&r->jw, '}');
        jw_close(&r->jw, ']');
        run_puts(r, "\n");
    }
    return EXIT_DONE;
}

/* ---- ethtool ---- */

static int ethtool_main(struct run *r)
{
    static const char right[] = "write `ethtool -k|-K|-S|-i IFACE`";
    static const struct {
        const char *word;
        char letter;
    } longs[] = {{"--show-features", 'k'}, {"--show-offload", 'k'}, {"--features", 'K'},
                 {"--offload", 'K'},       {"--statistics", 'S'},   {"--driver", 'i'}};
    char what = '\0';
    int at = 1;
    for (; at < r->argc && r->argv[at][0] == '-' && what == '\0'; at++) {
        const char *w = r->argv[at];
        if (strcmp(w, "--json") == 0 || strcmp(w, "-j") == 0) {
            r->json = true;
            continue;
        }
        for (size_t i = 0; i < sizeof(longs) / sizeof(*longs); i++)
            if (strcmp(w, longs[i].word) == 0)
                what = longs[i].letter;
        if (what == '\0' && w[1] != '\0' && w[2] == '\0' && strchr("kKSi", w[1]) != NULL)
            what = w[1];
        if (what == '\0')
            return run_bad_word(r, at, right);
    }
    if (what == '\0' || at >= r->argc)
        return run_bad_word(r, at, right);
    uint32_t index = run_interface(r, r->argv[at]);
    const struct netif *nif = netif_by_index(r->deck->st, index);
    if (nif == NULL)
        return EXIT_USAGE;
    if (what == 'K')
        return features_set(r, at + 1, nif);
    if (at + 1 < r->argc)
        return run_bad_word(r, at + 1, right);
    return what == 'k'   ? features_show(r, nif)
           : what == 'i' ? driver_show(r, nif)
                         : stats_show(r, nif);
}

const struct command command_ethtool = {
    .name = "ethtool",
    .usage = "ethtool [--json] -k IFACE\n"
             "ethtool -K IFACE {FEATURE {on | off}}...\n"
             "ethtool [--json] {-S | -i} IFACE\n"
             "FEATURE := tso | gso | gro | rx | tx | sg",
    .doc = "what an interface's device does for the stack (-k, switched by -K), what it counts "
           "(-S), its driver (-i)",
    .more = "Features have ethtool's names, long or short: rx and tx (checksums), sg, tso, gso, "
            "gro, lro. What the device "
            "doesn't\nlet one choose is [fixed], and -K says why. gro: segments of a flow that "
            "come in one batch go up as one "
            "(captures still\nsee each).\n"
            "Examples:\n  ethtool -k eth0\n  ethtool -K eth0 gro on\n  ethtool -S eth0",
    .fn = ethtool_main,
};
