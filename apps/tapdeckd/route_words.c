/* tapdeckd/route_words.c: iproute2's grammar of routes and rules.
 *
 * The same words come from a command, from a line of a batch, and from a file as `ip route show`
 * prints it; each becomes a struct td_change. What is wrong is said in one sentence, here for words,
 * in change_refused() for what the stack finds wrong with them.
 */
#include "tapdeckd/route_words.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool wrong(struct changes *to, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool wrong(struct changes *to, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(to->msg, sizeof(to->msg), fmt, ap);
    va_end(ap);
    return false;
}

void changes_free(struct changes *to)
{
    free(to->change);
    free(to->path);
    memset(to, 0, sizeof(*to));
}

static struct td_change *change_new(struct changes *to)
{
    if (to->n == to->cap) {
        size_t cap = to->cap != 0 ? to->cap * 2 : 1;
        struct td_change *c = realloc(to->change, cap * sizeof(*c));
        if (c == NULL)
            return NULL;
        to->change = c;
        to->cap = cap;
    }
    memset(&to->change[to->n], 0, sizeof(*to->change));
    return &to->change[to->n];
}

static struct td_path *path_new(struct changes *to)
{
    if (to->npaths == to->path_cap) {
        size_t cap = to->path_cap != 0 ? to->path_cap * 2 : 8;
        struct td_path *p = realloc(to->path, cap * sizeof(*p));
        if (p == NULL)
            return NULL;
        to->path = p;
        to->path_cap = cap;
    }
    to->path[to->npaths] = (struct td_path){.weight = 1};
    return &to->path[to->npaths];
}

/* ---- names ---- */

static const struct {
    uint32_t id;
    const char *name;
} tables[] = {{TD_TABLE_LOCAL, "local"}, {TD_TABLE_MAIN, "main"}, {TD_TABLE_DEFAULT, "default"}};

bool parse_table(const char *s, uint32_t *id)
{
    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
        if (strcmp(s, tables[i].name) == 0)
            return *id = tables[i].id, true;
    return parse_u32(s, UINT32_MAX, id) && *id != 0;
}

void table_name(uint32_t id, char dst[16])
{
    snprintf(dst, 16, "%u", id);
    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
        if (tables[i].id == id)
            snprintf(dst, 16, "%s", tables[i].name);
}

static const char *const types[] = {"unicast",   "local",       "broadcast", "multicast",
                                    "blackhole", "unreachable", "prohibit",  "throw"};

const char *route_type_name(uint8_t type)
{
    return type < sizeof(types) / sizeof(*types) ? types[type] : "?";
}

static bool parse_type(const char *s, uint8_t *type)
{
    for (uint8_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        if (i != 3 && strcmp(s, types[i]) == 0)
            return *type = i, true;
    return false;
}

const char *route_proto_name(uint8_t proto)
{
    static const char *const names[] = {"static", "kernel", "redirect", "boot"};
    return proto < sizeof(names) / sizeof(*names) ? names[proto] : "?";
}

void prefix_text(td_ip4 prefix, uint8_t plen, char dst[24])
{
    char ip[16];
    format_ip4(prefix, ip);
    if (plen == 0)
        snprintf(dst, 24, "default");
    else if (plen == 32)
        snprintf(dst, 24, "%s", ip);
    else
        snprintf(dst, 24, "%s/%u", ip, plen);
}

static bool prefix_word(struct changes *to, const char *s, td_ip4 *prefix, uint8_t *plen)
{
    char text[24];
    *prefix = 0;
    *plen = 0;
    if (strcmp(s, "default") == 0 || strcmp(s, "any") == 0 || strcmp(s, "all") == 0)
        return true;
    if (!parse_prefix(s, prefix, plen))
        return wrong(to, "'%s' is not a prefix: write it as 192.0.2.0/24, or default", s);
    td_ip4 mask = *plen == 0 ? 0 : UINT32_MAX << (32 - *plen);
    if ((*prefix & ~mask) == 0)
        return true;
    prefix_text(*prefix & mask, *plen, text);
    return wrong(to, "the prefix %s has host bits set: a /%u here is %s", s, *plen, text);
}

/* ---- routes ---- */

static bool address_word(struct changes *to, const char *word, const char *s, td_ip4 *a)
{
    return parse_ip4(s, a) ||
           wrong(to, "'%s' after '%s' is not an address: write it as 10.0.0.1", s, word);
}

static bool number_word(struct changes *to, const char *word, const char *s, uint32_t most,
                        uint32_t *n)
{
    return parse_u32(s, most, n) ||
           wrong(to, "'%s' after '%s' is not a number it can take (0 to %u)", s, word, most);
}

static bool dev_word(struct td_stack *st, struct changes *to, const char *s, uint32_t *ifindex)
{
    *ifindex = td_if_index(st, s);
    return *ifindex != 0 || wrong(to, "there is no interface '%s': `ip link` lists them", s);
}

/* The words of one way, from argv[*i] on: via, dev, weight, onlink. False with an empty msg: the word
 * is none of these. */
static bool way_word(struct td_stack *st, struct changes *to, int argc, char *const *argv, int *i,
                     struct td_path *p, bool weight)
{
    const char *word = argv[*i], *value = *i + 1 < argc ? argv[*i + 1] : NULL;
    uint32_t n;
    if (strcmp(word, "onlink") == 0) {
        p->flags |= TD_ROUTE_ONLINK;
        (*i)++;
        return true;
    }
    if (to->shown && (strcmp(word, "dead") == 0 || strcmp(word, "linkdown") == 0))
        return (*i)++, true;
    if (strcmp(word, "via") != 0 && strcmp(word, "dev") != 0 &&
        !(weight && strcmp(word, "weight") == 0))
        return false;
    if (value == NULL)
        return wrong(to, "a value is missing after '%s'", word);
    *i += 2;
    if (strcmp(word, "via") == 0) {
        if (strcmp(value, "inet") == 0 && *i < argc)
            value = argv[(*i)++];
        return address_word(to, word, value, &p->gateway);
    }
    if (strcmp(word, "dev") == 0)
        return dev_word(st, to, value, &p->ifindex);
    if (!number_word(to, word, value, 256, &n))
        return false;
    if (n == 0)
        return wrong(to, "a weight is 1 to 256, not 0");
    p->weight = (uint16_t)n;
    return true;
}

static bool ways(struct td_stack *st, struct changes *to, struct td_route *route, int argc,
                 char *const *argv, int *i)
{
    size_t first = to->npaths;
    while (*i < argc && strcmp(argv[*i], "nexthop") == 0) {
        struct td_path *p = path_new(to);
        if (p == NULL)
            return wrong(to, "out of memory");
        if (to->npaths - first == TD_PATHS_MAX)
            return wrong(to, "a route has at most %d ways", TD_PATHS_MAX);
        to->npaths++;
        (*i)++;
        while (*i < argc && strcmp(argv[*i], "nexthop") != 0)
            if (!way_word(st, to, argc, argv, i, p, true)) {
                if (to->msg[0] == '\0')
                    (void)wrong(to, "unknown word '%s': after nexthop come `via GW`, `dev X`, "
                                    "`weight N`, `onlink`",
                                argv[*i]);
                return false;
            }
        if (p->gateway == 0 && p->ifindex == 0)
            return wrong(to, "a nexthop needs `via GATEWAY` or `dev INTERFACE`");
    }
    route->first_path = (uint32_t)first;
    route->npaths = (uint8_t)(to->npaths - first);
    if (route->npaths == 1) { /* one way is a plain route */
        const struct td_path *p = &to->path[first];
        route->gateway = p->gateway;
        route->ifindex = p->ifindex;
        route->flags |= p->flags;
        route->npaths = 0;
        to->npaths = first;
    }
    return true;
}

static bool proto_word(struct changes *to, const char *s, uint8_t *proto)
{
    static const char *const others[] = {"ra",  "dhcp", "bird", "zebra", "babel",
                                         "bgp", "isis", "ospf", "rip",   "eigrp"};
    uint32_t n;
    *proto = TD_PROTO_STATIC;
    if (strcmp(s, "boot") == 0)
        *proto = TD_PROTO_BOOT;
    if (strcmp(s, "kernel") == 0)
        *proto = TD_PROTO_KERNEL;
    if (*proto != TD_PROTO_STATIC || strcmp(s, "static") == 0 || parse_u32(s, 255, &n))
        return true;
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        if (strcmp(s, others[i]) == 0)
            return true;
    return wrong(to, "'%s' after 'proto' is no protocol: write static, boot, or a number", s);
}

static bool value_word(struct td_stack *st, struct changes *to, struct td_route *route,
                       const char *word, const char *value)
{
    static const char right[] =
        "write `PREFIX [via GW] [dev X] [src A] [metric N] [mtu N] [table T] [onlink] "
        "[nexthop via GW weight N]…`";
    bool metric = strcmp(word, "metric") == 0 || strcmp(word, "preference") == 0 ||
                  strcmp(word, "priority") == 0;
    if (!metric && strcmp(word, "src") != 0 && strcmp(word, "mtu") != 0 &&
        strcmp(word, "table") != 0 && strcmp(word, "proto") != 0 &&
        strcmp(word, "protocol") != 0 && strcmp(word, "scope") != 0)
        return wrong(to, "unknown word '%s': %s", word, right);
    if (value == NULL)
        return wrong(to, "a value is missing after '%s'", word);
    if (metric)
        return number_word(to, word, value, UINT32_MAX - 1, &route->metric);
    if (strcmp(word, "src") == 0)
        return address_word(to, word, value, &route->src);
    if (strcmp(word, "mtu") == 0) {
        if (!number_word(to, word, value, 65535, &route->mtu))
            return false;
        return route->mtu == 0 || route->mtu >= 68 ||
               wrong(to, "an mtu is 68 to 65535, or 0 for the interface's, not %s", value);
    }
    if (strcmp(word, "table") == 0)
        return parse_table(value, &route->table) ||
               wrong(to, "'%s' is no table: write local, main, default or a number", value);
    if (word[0] == 'p')
        return proto_word(to, value, &route->proto);
    if (strcmp(value, "global") == 0 || strcmp(value, "link") == 0 || strcmp(value, "host") == 0)
        return true; /* follows from the gateway here */
    (void)st;
    return wrong(to, "'%s' after 'scope' is no scope: write global, link or host", value);
}

bool route_words(struct td_stack *st, struct changes *to, enum td_change_kind kind, int argc,
                 char *const *argv)
{
    struct td_change *c = change_new(to);
    struct td_path one = {0};
    int i = 0;
    bool metric = false;
    to->msg[0] = '\0';
    if (c == NULL)
        return wrong(to, "out of memory");
    c->kind = kind;
    c->route.proto = TD_PROTO_BOOT; /* what iproute2 gives a route whose proto isn't said */
    if (i < argc && parse_type(argv[i], &c->route.type))
        i++;
    if (i < argc && strcmp(argv[i], "to") == 0)
        i++;
    if (i >= argc)
        return wrong(to, "which prefix? write `192.0.2.0/24 via 10.0.0.1`");
    if (!prefix_word(to, argv[i], &c->route.prefix, &c->route.plen))
        return false;
    for (i++; i < argc;) {
        if (strcmp(argv[i], "nexthop") == 0) {
            if (!ways(st, to, &c->route, argc, argv, &i))
                return false;
            continue;
        }
        if (way_word(st, to, argc, argv, &i, &one, false))
            continue;
        if (to->msg[0] != '\0')
            return false;
        const char *word = argv[i];
        metric = metric || strcmp(word, "metric") == 0 || strcmp(word, "priority") == 0 ||
                 strcmp(word, "preference") == 0;
        if (strcmp(word, "mtu") == 0 && i + 2 < argc && strcmp(argv[i + 1], "lock") == 0)
            i++;
        if (!value_word(st, to, &c->route, word, i + 1 < argc ? argv[i + 1] : NULL))
            return false;
        i += 2;
    }
    if ((one.gateway != 0 || one.ifindex != 0) &&
        (c->route.npaths != 0 || c->route.gateway != 0 || c->route.ifindex != 0))
        return wrong(to, "a route has either one way (`via`, `dev`) or several (`nexthop …`)");
    if (one.gateway != 0 || one.ifindex != 0) {
        c->route.gateway = one.gateway;
        c->route.ifindex = one.ifindex;
    }
    c->route.flags |= one.flags;
    if (kind != TD_CHANGE_DEL && c->route.type < 4 && c->route.gateway == 0 &&
        c->route.ifindex == 0 && c->route.npaths == 0)
        return wrong(to, "where does the route lead? add `via GATEWAY` or `dev INTERFACE`");
    if (c->route.type >= 4 && (c->route.gateway != 0 || c->route.ifindex != 0 || c->route.npaths != 0))
        return wrong(to, "a route of type %s leads nowhere: leave `via` and `dev` out",
                     route_type_name(c->route.type));
    if (kind == TD_CHANGE_DEL && !metric)
        c->route.metric = UINT32_MAX; /* iproute2: the first one, whatever its metric */
    to->n++;
    return true;
}

/* ---- rules ---- */

static bool rule_value(struct td_stack *st, struct changes *to, struct td_rule *x, const char *word,
                       const char *value)
{
    if (value == NULL)
        return wrong(to, "a value is missing after '%s'", word);
    if (strcmp(word, "from") == 0)
        return prefix_word(to, value, &x->from, &x->from_len);
    if (strcmp(word, "to") == 0)
        return prefix_word(to, value, &x->to, &x->to_len);
    if (strcmp(word, "iif") == 0 || strcmp(word, "oif") == 0) {
        uint32_t ifindex;
        if (!dev_word(st, to, value, &ifindex))
            return false;
        snprintf(word[0] == 'i' ? x->iif : x->oif, sizeof(x->iif), "%s", value);
        return true;
    }
    if (word[0] == 'p' || word[0] == 'o') {
        if (!number_word(to, word, value, UINT32_MAX, &x->priority))
            return false;
        return x->priority != 0 ||
               wrong(to, "the priority 0 is the local table's, whose rule stays: write 1 to %u",
                     UINT32_MAX);
    }
    return parse_table(value, &x->table) ||
           wrong(to, "'%s' is no table: write local, main, default or a number", value);
}

bool rule_words(struct td_stack *st, struct changes *to, enum td_change_kind kind, int argc,
                char *const *argv)
{
    static const char *const words[] = {"from", "to",       "iif",   "oif",   "table",
                                        "lookup", "pref", "preference", "priority", "order"};
    struct td_change *c = change_new(to);
    to->msg[0] = '\0';
    if (c == NULL)
        return wrong(to, "out of memory");
    c->kind = kind;
    for (int i = 0; i < argc;) {
        bool known = false;
        if (strcmp(argv[i], "not") == 0) {
            c->rule.not = true;
            i++;
            continue;
        }
        if (parse_type(argv[i], &c->rule.type) && (c->rule.type == 0 || (c->rule.type >= 4 && c->rule.type <= 6))) {
            i++;
            continue;
        }
        for (size_t k = 0; k < sizeof(words) / sizeof(*words); k++)
            known = known || strcmp(argv[i], words[k]) == 0;
        if (!known)
            return wrong(to,
                         "unknown word '%s': write `[not] [from PREFIX] [to PREFIX] [iif X] [oif X] "
                         "[priority N] table T|blackhole|unreachable|prohibit`",
                         argv[i]);
        if (!rule_value(st, to, &c->rule, argv[i], i + 1 < argc ? argv[i + 1] : NULL))
            return false;
        i += 2;
    }
    if (kind == TD_CHANGE_RULE_ADD && c->rule.table == 0 && c->rule.type == 0)
        c->rule.table = TD_TABLE_MAIN;
    if (c->rule.table != 0 && c->rule.type != 0)
        return wrong(to, "a rule either asks a table or is of type %s, not both",
                     route_type_name(c->rule.type));
    const struct td_rule *x = &c->rule;
    if (kind == TD_CHANGE_RULE_DEL && x->priority == 0 && x->table == 0 && x->type == 0 &&
        x->from_len == 0 && x->to_len == 0 && x->iif[0] == '\0' && x->oif[0] == '\0')
        return wrong(to, "which rule? write `ip rule del priority N`: `ip rule` lists them");
    to->n++;
    return true;
}

/* ---- what the stack refused ---- */

void change_refused(struct changes *to, const struct td_change *c, int err)
{
    bool rule = c->kind == TD_CHANGE_RULE_ADD || c->kind == TD_CHANGE_RULE_DEL;
    char ip[16];
    format_ip4(c->route.gateway, ip);
    if (err == -EEXIST)
        (void)wrong(to, rule ? "there is such a rule already: `ip rule` lists them"
                             : "there is such a route already: `ip route replace` changes it");
    else if (err == -ESRCH)
        (void)wrong(to, rule ? "there is no such rule: `ip rule` lists them"
                             : "there is no such route: `ip route` lists them");
    else if (err == -EPERM)
        (void)wrong(to, "the rule of the local table stays: a host knows its own addresses first");
    else if (err == -ENETUNREACH && c->route.gateway != 0)
        (void)wrong(to,
                    "the gateway %s is on no attached network: give an interface an address in its "
                    "subnet first, or say `onlink`",
                    ip);
    else if (err == -ENETUNREACH)
        (void)wrong(to, "one of the gateways is on no attached network: give an interface an address "
                        "in its subnet first, or say `onlink`");
    else if (err == -EADDRNOTAVAIL)
        (void)wrong(to, "the source address is not one of this host: `ip addr` lists them");
    else if (err == -ENOSPC)
        (void)wrong(to, rule ? "there are as many rules as there may be"
                             : "there are as many tables as there may be");
    else if (err == -ENODEV && !rule)
        (void)wrong(to, "an on-link gateway needs its interface: add `dev X`");
    else if (err == -EINVAL && !rule && c->route.gateway != 0)
        (void)wrong(to, "the gateway %s can be no other host: it is this one's, a broadcast or a group",
                    ip);
    else if (err == -EINVAL && !rule)
        (void)wrong(to, "a route of this type doesn't belong into this table, or one of its gateways "
                        "can be no other host");
    else
        (void)wrong(to, "%s: %s", rule ? "the rule" : "the route", error_text(err));
}

int changes_apply(struct run *r, struct changes *to)
{
    const struct td_change_list l = {.change = to->change, .n = to->n, .path = to->path, .npaths = to->npaths};
    size_t bad = 0;
    int err = td_route_change(r->deck->st, &l, &bad);
    if (err == 0)
        return EXIT_DONE;
    change_refused(to, &to->change[bad], err);
    return run_fail(r, err == -ENOMEM ? EXIT_FAILED : EXIT_USAGE, "%s", to->msg);
}
