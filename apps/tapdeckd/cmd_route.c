/* tapdeckd/cmd_route.c: `ip route` and `ip neigh`, in iproute2's words and shapes.
 *
 * Both tables are read through the registry with a cursor, a bounded number of rows at a time, so
 * that a full routing table doesn't hold the stack's loop up.
 */
#include "tapdeckd/cmd_ip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "arp/arp.h"
#include "link/link.h"

#define ROWS_PER_STEP 256

/* A dump under way: which table, which rows, how a row is printed. */
struct dump {
    struct table *table;
    void (*print)(struct run *r, const struct table *t, const struct row *row);
    bool (*want)(const struct dump *d, const struct table *t, const struct row *row);
    char dev[NETIF_NAME_LEN]; /* "" = any */
    bool local, main;         /* routes: of these tables */
    bool exact;               /* routes: only this prefix */
    uint8_t plen;
    td_ip4 addr; /* neighbours: only this one; 0 = any */
};

static int dump_step(struct run *r, td_time now)
{
    (void)now;
    struct dump *d = r->state;
    struct row row;
    for (int i = 0; i < ROWS_PER_STEP; i++) {
        row_clear(&row);
        if (!d->table->next(r->deck->st, &r->cursor, &row)) {
            if (r->json) {
                jw_close(&r->jw, ']');
                run_puts(r, "\n");
            }
            return EXIT_DONE;
        }
        if (d->want(d, d->table, &row))
            d->print(r, d->table, &row);
    }
    r->ready = true;
    return RUN_MORE;
}

static int dump_start(struct run *r, const char *table, const struct dump *like)
{
    struct table *t = table_find(r->deck->st, table);
    if (t == NULL)
        return run_fail(r, EXIT_FAILED, "the stack has no table '%s'", table);
    struct dump *d = malloc(sizeof(*d));
    if (d == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    *d = *like;
    d->table = t;
    r->state = d;
    r->step = dump_step;
    if (r->json)
        jw_open(&r->jw, NULL, '[');
    return dump_step(r, 0);
}

static bool dev_matches(const struct dump *d, const struct table *t, const struct row *row)
{
    char text[64];
    return d->dev[0] == '\0' || strcmp(row_text(t, row, "dev", text), d->dev) == 0;
}

/* ---- routes ---- */

static bool route_wanted(const struct dump *d, const struct table *t, const struct row *row)
{
    char text[64];
    const char *type = row_text(t, row, "type", text);
    bool local = strcmp(type, "local") == 0 || strcmp(type, "broadcast") == 0 ||
                 strcmp(type, "multicast") == 0;
    if (d->exact) {
        td_ip4 prefix = 0;
        uint8_t plen = 32;
        if (!parse_prefix(row_text(t, row, "dst", text), &prefix, &plen) || prefix != d->addr ||
            plen != d->plen)
            return false;
    }
    return dev_matches(d, t, row) && (local ? d->local : d->main);
}

/* iproute2 says default for 0.0.0.0/0 and leaves /32 out. */
static const char *route_dst(const struct table *t, const struct row *row, char dst[64])
{
    const char *s = row_text(t, row, "dst", dst);
    if (strcmp(s, "0.0.0.0/0") == 0)
        return "default";
    char *slash = strstr(dst, "/32");
    if (slash != NULL)
        *slash = '\0';
    return s;
}

static void route_print(struct run *r, const struct table *t, const struct row *row)
{
    char a[64], b[64];
    const char *type = row_text(t, row, "type", a);
    bool plain = *type == '\0' || strcmp(type, "unicast") == 0;
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        if (!plain)
            jw_str(&r->jw, "type", type);
        jw_str(&r->jw, "dst", route_dst(t, row, b));
        row_json(&r->jw, t, row, "gateway", "gateway");
        row_json(&r->jw, t, row, "dev", "dev");
        row_json(&r->jw, t, row, "protocol", "protocol");
        if (strcmp(row_text(t, row, "scope", b), "global") != 0)
            row_json(&r->jw, t, row, "scope", "scope");
        row_json(&r->jw, t, row, "prefsrc", "prefsrc");
        if (row_number(t, row, "metric") != 0)
            row_json(&r->jw, t, row, "metric", "metric");
        if (row_number(t, row, "mtu") != 0)
            row_json(&r->jw, t, row, "mtu", "mtu");
        jw_open(&r->jw, "flags", '[');
        if (row_number(t, row, "dead") != 0)
            jw_str(&r->jw, NULL, "dead");
        jw_close(&r->jw, ']');
        jw_close(&r->jw, '}');
        return;
    }
    static const struct {
        const char *column, *word;
    } parts[] = {{"gateway", "via"},
                 {"dev", "dev"},
                 {"protocol", "proto"},
                 {"scope", "scope"},
                 {"prefsrc", "src"}};
    if (!plain)
        run_printf(r, "%s ", type);
    run_printf(r, "%s ", route_dst(t, row, b));
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        const char *text = row_text(t, row, parts[i].column, b);
        if (*text != '\0' && strcmp(text, "global") != 0)
            run_printf(r, "%s %s ", parts[i].word, text);
    }
    if (row_number(t, row, "metric") != 0)
        run_printf(r, "metric %llu ", (unsigned long long)row_number(t, row, "metric"));
    if (row_number(t, row, "mtu") != 0)
        run_printf(r, "mtu %llu ", (unsigned long long)row_number(t, row, "mtu"));
    if (row_number(t, row, "dead") != 0)
        run_puts(r, "dead ");
    run_puts(r, "\n");
}

static int route_show(struct run *r, int at)
{
    static const char *const right =
        "write `ip route show [PREFIX] [dev X] [table main|local|all]`";
    struct dump d = {.print = route_print, .want = route_wanted, .main = true};
    for (int i = at; i < r->argc; i++) {
        const char *value = run_value(r, i, "a value");
        if (strcmp(r->argv[i], "table") == 0) {
            if (value == NULL)
                return EXIT_USAGE;
            if (strcmp(value, "all") != 0 && strcmp(value, "local") != 0 &&
                strcmp(value, "main") != 0)
                return run_bad_word(r, i + 1, "the tables are main, local and all");
            d.local = value[0] != 'm';
            d.main = value[0] != 'l';
            i++;
        } else if (strcmp(r->argv[i], "dev") == 0) {
            uint32_t ifindex;
            if (value == NULL || (ifindex = run_interface(r, value)) == 0)
                return EXIT_USAGE;
            memcpy(d.dev, netif_by_index(r->deck->st, ifindex)->name, sizeof(d.dev));
            i++;
        } else if (!d.exact && strcmp(r->argv[i], "default") == 0) {
            d.exact = true;
        } else if (!d.exact && parse_prefix(r->argv[i], &d.addr, &d.plen)) {
            d.exact = true;
        } else {
            return run_bad_word(r, i, right);
        }
        r->err[0] = '\0';
    }
    r->err[0] = '\0';
    return dump_start(r, "route", &d);
}

static int route_get(struct run *r, int at)
{
    td_ip4 dst, src = 0;
    if (at >= r->argc)
        return run_bad_word(r, at, "write `ip route get ADDR [from ADDR]`");
    if (!parse_ip4(r->argv[at], &dst))
        return run_fail(r, EXIT_USAGE, "'%s' is not an address: write it as 10.0.0.1", r->argv[at]);
    if (at + 1 < r->argc) {
        const char *from = run_value(r, at + 1, "the source address");
        if (strcmp(r->argv[at + 1], "from") != 0 || at + 3 < r->argc)
            return run_bad_word(r, at + 1, "write `ip route get ADDR [from ADDR]`");
        if (from == NULL)
            return EXIT_USAGE;
        if (!parse_ip4(from, &src))
            return run_fail(r, EXIT_USAGE, "'%s' is not an address: write it as 10.0.0.1", from);
    }
    struct td_route_answer a;
    int err = td_route_get(r->deck->st, dst, src, &a);
    if (err == -ENETUNREACH)
        return run_fail(r, EXIT_FAILED, "no route leads to %s: the network is unreachable",
                        r->argv[at]);
    if (err == -EINVAL)
        return run_fail(r, EXIT_FAILED, "the route to %s is a blackhole", r->argv[at]);
    if (err < 0)
        return run_fail(r, EXIT_FAILED, "%s: %s", r->argv[at], error_text(err));
    char text[16];
    const struct netif *nif = netif_by_index(r->deck->st, a.ifindex);
    const char *type = a.type == 1   ? "local"
                       : a.type == 2 ? "broadcast"
                       : a.type == 3 ? "multicast"
                                     : NULL;
    format_ip4(dst, text);
    if (r->json) {
        jw_open(&r->jw, NULL, '[');
        jw_open(&r->jw, NULL, '{');
        if (type != NULL)
            jw_str(&r->jw, "type", type);
        jw_str(&r->jw, "dst", text);
        if (a.nexthop != dst && a.nexthop != 0) {
            format_ip4(a.nexthop, text);
            jw_str(&r->jw, "gateway", text);
        }
        if (nif != NULL)
            jw_str(&r->jw, "dev", nif->name);
        format_ip4(a.src, text);
        jw_str(&r->jw, "prefsrc", text);
        jw_open(&r->jw, "flags", '[');
        jw_close(&r->jw, ']');
        if (a.mtu != 0 && nif != NULL && a.mtu != nif->mtu)
            jw_u64(&r->jw, "mtu", a.mtu);
        jw_open(&r->jw, "cache", '[');
        if (type != NULL)
            jw_str(&r->jw, NULL, type);
        jw_close(&r->jw, ']');
        jw_close(&r->jw, '}');
        jw_close(&r->jw, ']');
        run_puts(r, "\n");
        return EXIT_DONE;
    }
    run_printf(r, "%s%s%s ", type ? type : "", type ? " " : "", text);
    if (a.nexthop != dst && a.nexthop != 0) {
        format_ip4(a.nexthop, text);
        run_printf(r, "via %s ", text);
    }
    if (nif != NULL)
        run_printf(r, "dev %s ", nif->name);
    format_ip4(a.src, text);
    run_printf(r, "src %s \n    cache ", text);
    if (type != NULL)
        run_printf(r, "<%s> ", type);
    if (a.mtu != 0 && nif != NULL && a.mtu != nif->mtu)
        run_printf(r, "mtu %u ", a.mtu);
    run_puts(r, "\n");
    return EXIT_DONE;
}

/* The words of add, del and replace into *route; -1: the sentence is set. */
static int route_words(struct run *r, int at, struct td_route *route)
{
    static const char *const right = "write `PREFIX [via GW] [dev X] [src A] [metric N] [mtu N]`";
    static const struct {
        const char *name;
        uint8_t type;
    } types[] = {{"unicast", 0}, {"blackhole", 4}, {"unreachable", 5}, {"prohibit", 6}};
    memset(route, 0, sizeof(*route));
    for (size_t i = 0; at < r->argc && i < sizeof(types) / sizeof(*types); i++) {
        if (strcmp(r->argv[at], types[i].name) == 0) {
            route->type = types[i].type;
            at++;
            break;
        }
    }
    if (at >= r->argc)
        return run_bad_word(r, at, right), -1;
    const char *prefix = r->argv[at];
    if (strcmp(prefix, "default") != 0 && strcmp(prefix, "any") != 0 &&
        !parse_prefix(prefix, &route->prefix, &route->plen))
        return run_fail(r, EXIT_USAGE, "'%s' is not a prefix: write it as 192.0.2.0/24, or default",
                        prefix),
               -1;
    for (int i = at + 1; i < r->argc; i += 2) {
        const char *word = r->argv[i], *value;
        if (strcmp(word, "via") != 0 && strcmp(word, "dev") != 0 && strcmp(word, "src") != 0 &&
            strcmp(word, "metric") != 0 && strcmp(word, "mtu") != 0)
            return run_bad_word(r, i, right), -1;
        if ((value = run_value(r, i, "a value")) == NULL)
            return -1;
        if (strcmp(word, "dev") == 0) {
            if ((route->ifindex = run_interface(r, value)) == 0)
                return -1;
        } else if (strcmp(word, "metric") == 0 || strcmp(word, "mtu") == 0) {
            uint32_t *n = word[1] == 'e' ? &route->metric : &route->mtu;
            if (!parse_u32(value, word[1] == 'e' ? UINT32_MAX - 1 : 65535, n))
                return run_fail(r, EXIT_USAGE, "'%s' after '%s' is not a number it can take", value,
                                word),
                       -1;
        } else if (!parse_ip4(value, word[0] == 'v' ? &route->gateway : &route->src)) {
            return run_fail(r, EXIT_USAGE,
                            "'%s' after '%s' is not an address: write it as 10.0.0.1", value, word),
                   -1;
        }
    }
    return 0;
}

static bool word_given(const struct run *r, int at, const char *word)
{
    for (int i = at; i < r->argc; i++)
        if (strcmp(r->argv[i], word) == 0)
            return true;
    return false;
}

int ip_route_cmd(struct run *r, int at)
{
    enum ip_verb verb = at < r->argc ? ip_verb(r->argv[at]) : VERB_SHOW;
    if (verb == VERB_SHOW)
        return route_show(r, at + 1);
    if (verb == VERB_GET)
        return route_get(r, at + 1);
    if (verb != VERB_ADD && verb != VERB_DEL && verb != VERB_REPLACE)
        return run_bad_word(r, at, "write `ip route show|add|del|replace|get`");
    struct td_route route;
    if (route_words(r, at + 1, &route) < 0)
        return EXIT_USAGE;
    char text[16];
    td_ip4 mask = route.plen == 0 ? 0 : UINT32_MAX << (32 - route.plen);
    if ((route.prefix & ~mask) != 0) {
        format_ip4(route.prefix & mask, text);
        return run_fail(r, EXIT_USAGE, "the prefix has host bits set: a /%u here is %s/%u",
                        route.plen, text, route.plen);
    }
    if (verb != VERB_DEL && route.type == 0 && route.gateway == 0 && route.ifindex == 0)
        return run_fail(r, EXIT_USAGE,
                        "where does the route lead? add `via GATEWAY` or `dev INTERFACE`");
    if (verb == VERB_DEL && !word_given(r, at + 1, "metric"))
        route.metric = UINT32_MAX; /* iproute2: the first one, whatever its metric */
    int err = verb == VERB_DEL ? td_route_del(r->deck->st, &route)
                               : td_route_add(r->deck->st, &route, verb == VERB_REPLACE);
    if (err == -EEXIST)
        return run_fail(r, EXIT_USAGE,
                        "there is such a route already: `ip route replace` changes it");
    if (err == -ESRCH || err == -ENOENT)
        return run_fail(r, EXIT_USAGE, "there is no such route: `ip route` lists them");
    if (err == -ENETUNREACH && route.gateway != 0) {
        format_ip4(route.gateway, text);
        return run_fail(r, EXIT_USAGE,
                        "the gateway %s is on no attached network: give an interface an address in "
                        "its subnet first",
                        text);
    }
    if (err == -EADDRNOTAVAIL)
        return run_fail(r, EXIT_USAGE,
                        "the source address is not one of this host: `ip addr` lists them");
    return err == 0 ? EXIT_DONE
                    : run_fail(r, err == -ENOMEM ? EXIT_FAILED : EXIT_USAGE, "the route: %s",
                               error_text(err));
}

/* ---- neighbours ---- */

static bool neigh_wanted(const struct dump *d, const struct table *t, const struct row *row)
{
    char text[64];
    const char *state = row_text(t, row, "state", text);
    return dev_matches(d, t, row) && (d->addr == 0 || row_number(t, row, "dst") == d->addr) &&
           strcmp(state, "NONE") != 0 && strcmp(state, "NOARP") != 0;
}

static void neigh_print(struct run *r, const struct table *t, const struct row *row)
{
    char text[64];
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        row_json(&r->jw, t, row, "dst", "dst");
        row_json(&r->jw, t, row, "dev", "dev");
        row_json(&r->jw, t, row, "lladdr", "lladdr");
        jw_open(&r->jw, "state", '[');
        jw_str(&r->jw, NULL, row_text(t, row, "state", text));
        jw_close(&r->jw, ']');
        jw_close(&r->jw, '}');
        return;
    }
    run_printf(r, "%s ", row_text(t, row, "dst", text));
    run_printf(r, "dev %s ", row_text(t, row, "dev", text));
    if (row_has(t, row, "lladdr"))
        run_printf(r, "lladdr %s ", row_text(t, row, "lladdr", text));
    run_printf(r, "%s \n", row_text(t, row, "state", text));
}

struct neigh_words {
    td_ip4 addr;
    struct td_mac mac;
    bool has_addr, has_mac;
    uint32_t ifindex;
    enum td_neigh_state state;
};

static int neigh_words(struct run *r, int at, struct neigh_words *w)
{
    memset(w, 0, sizeof(*w));
    w->state = TD_NEIGH_PERMANENT;
    for (int i = at; i < r->argc; i++) {
        const char *word = r->argv[i], *value;
        if (strcmp(word, "dev") == 0) {
            if ((value = run_value(r, i++, "the interface's name")) == NULL ||
                (w->ifindex = run_interface(r, value)) == 0)
                return -1;
        } else if (strcmp(word, "lladdr") == 0) {
            if ((value = run_value(r, i++, "the MAC address")) == NULL)
                return -1;
            if (!parse_mac(value, &w->mac))
                return run_fail(r, EXIT_USAGE,
                                "'%s' is not a MAC address: write it as 02:00:00:00:00:01", value),
                       -1;
            w->has_mac = true;
        } else if (strcmp(word, "nud") == 0) {
            if ((value = run_value(r, i++, "the state")) == NULL)
                return -1;
            if (strcasecmp(value, "permanent") == 0)
                w->state = TD_NEIGH_PERMANENT;
            else if (strcasecmp(value, "reachable") == 0)
                w->state = TD_NEIGH_REACHABLE;
            else if (strcasecmp(value, "stale") == 0)
                w->state = TD_NEIGH_STALE;
            else
                return run_bad_word(r, i,
                                    "the states one can set are permanent, reachable and stale"),
                       -1;
        } else if ((i == at || strcmp(word, "to") == 0) && !w->has_addr) {
            value = strcmp(word, "to") == 0 ? run_value(r, i++, "the address") : word;
            if (value == NULL)
                return -1;
            if (!parse_ip4(value, &w->addr))
                return run_fail(r, EXIT_USAGE, "'%s' is not an address: write it as 10.0.0.1",
                                value),
                       -1;
            w->has_addr = true;
        } else {
            return run_bad_word(r, i,
                                "write `ip neigh show|add|replace|del|flush [ADDR] [lladdr MAC] "
                                "[dev X] [nud STATE]`"),
                   -1;
        }
    }
    return 0;
}

int ip_neigh(struct run *r, int at)
{
    struct td_stack *st = r->deck->st;
    enum ip_verb verb = at < r->argc ? ip_verb(r->argv[at]) : VERB_SHOW;
    struct neigh_words w;
    if (verb == VERB_UNKNOWN || verb == VERB_SET || verb == VERB_GET)
        return run_bad_word(r, at, "write `ip neigh show|add|replace|del|flush`");
    if (neigh_words(r, at + 1, &w) < 0)
        return EXIT_USAGE;
    if (verb == VERB_SHOW) {
        struct dump d = {.print = neigh_print, .want = neigh_wanted, .addr = w.addr};
        if (w.ifindex != 0)
            memcpy(d.dev, netif_by_index(st, w.ifindex)->name, sizeof(d.dev));
        return dump_start(r, "neigh", &d);
    }
    if (verb == VERB_FLUSH) {
        if (w.has_addr)
            return run_fail(r, EXIT_USAGE,
                            "`ip neigh flush` takes an interface or nothing: one entry goes with "
                            "`ip neigh del ADDR dev X`");
        td_neigh_flush(st, w.ifindex);
        return EXIT_DONE;
    }
    if (!w.has_addr || w.ifindex == 0 || (verb != VERB_DEL && !w.has_mac))
        return run_fail(r, EXIT_USAGE,
                        verb == VERB_DEL ? "write `ip neigh del ADDR dev X`"
                                         : "write `ip neigh %s ADDR lladdr MAC dev X`",
                        verb == VERB_ADD ? "add" : "replace");
    int err;
    if (verb == VERB_DEL) {
        err = td_neigh_del(st, w.ifindex, w.addr);
        if (err == -ENOENT)
            return run_fail(r, EXIT_USAGE, "there is no such entry: `ip neigh` lists them");
    } else {
        /* iproute2's `add` refuses what is there; the stack's call replaces. */
        struct netif *nif = netif_by_index(st, w.ifindex);
        enum neigh_state there = neigh_lookup(st, nif, w.addr, NULL);
        if (verb == VERB_ADD && there != NEIGH_NONE && there != NEIGH_FAILED)
            return run_fail(r, EXIT_USAGE,
                            "there is such an entry already: `ip neigh replace` changes it");
        err = td_neigh_add(st, w.ifindex, w.addr, w.mac, w.state);
    }
    return err == 0 ? EXIT_DONE : run_fail(r, EXIT_USAGE, "the neighbour: %s", error_text(err));
}
