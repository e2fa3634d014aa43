/* tapdeckd/cmd_route.c: `ip route`, in iproute2's words and shapes.
 *
 * Tables are read with a cursor, a bounded number of rows at a time, so that a full routing table
 * doesn't hold the stack's loop up. Words become changes in route_words.c; files are read in
 * route_load.c. `ip route get` prints iproute2's two lines and, below them, how the answer was found.
 */
#include "tapdeckd/route_words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "link/link.h"

#define ROWS_PER_STEP 256
#define REASONS_MAX   256

/* ---- show, save, flush: the routes that are wanted ---- */

enum match { MATCH_ALL, MATCH_EXACT, MATCH_ROOT, MATCH_UP };
struct filter {
    uint32_t table; /* 0 = all */
    bool all, save;
    enum match match;
    td_ip4 prefix;
    uint8_t plen;
    uint32_t ifindex;
    int proto, type; /* -1 = any */
    td_ip4 gateway, src;
    uint32_t at;     /* the table being read */
    struct ip_options o;
};

static bool covers(td_ip4 prefix, uint8_t plen, td_ip4 a)
{
    return plen == 0 || ((prefix ^ a) >> (32 - plen)) == 0;
}

static bool wanted(const struct filter *f, const struct td_route *x, const struct td_path *path)
{
    bool dev = f->ifindex == 0 || x->ifindex == f->ifindex;
    bool via = f->gateway == 0 || x->gateway == f->gateway;
    for (unsigned i = 0; i < x->npaths; i++) {
        dev = dev || path[i].ifindex == f->ifindex;
        via = via || path[i].gateway == f->gateway;
    }
    if (!dev || !via || (f->proto >= 0 && x->proto != f->proto) || (f->type >= 0 && x->type != f->type) ||
        (f->src != 0 && x->src != f->src) || (f->save && x->proto == TD_PROTO_KERNEL))
        return false;
    switch (f->match) {
    case MATCH_EXACT:
        return x->prefix == f->prefix && x->plen == f->plen;
    case MATCH_ROOT:
        return x->plen >= f->plen && covers(f->prefix, f->plen, x->prefix);
    case MATCH_UP:
        return x->plen <= f->plen && covers(x->prefix, x->plen, f->prefix);
    default:
        return true;
    }
}

static const char *dev_name(struct run *r, uint32_t ifindex)
{
    const struct netif *nif = netif_by_index(r->deck->st, ifindex);
    return nif != NULL ? nif->name : "?";
}

static const char *scope_of(const struct td_route *x)
{
    return x->type == 1 ? "host" : x->type == 2 || (x->type == 0 && x->gateway == 0 && x->npaths == 0) ? "link" : NULL;
}

static void flags_text(struct run *r, uint8_t flags)
{
    if ((flags & TD_ROUTE_ONLINK) != 0)
        run_puts(r, "onlink ");
    if ((flags & TD_ROUTE_DEAD) != 0)
        run_puts(r, "dead ");
    if ((flags & TD_ROUTE_LINKDOWN) != 0)
        run_puts(r, "linkdown ");
}

static void flags_json(struct run *r, uint8_t flags)
{
    jw_open(&r->jw, "flags", '[');
    if ((flags & TD_ROUTE_ONLINK) != 0)
        jw_str(&r->jw, NULL, "onlink");
    if ((flags & TD_ROUTE_DEAD) != 0)
        jw_str(&r->jw, NULL, "dead");
    if ((flags & TD_ROUTE_LINKDOWN) != 0)
        jw_str(&r->jw, NULL, "linkdown");
    jw_close(&r->jw, ']');
}

static void way_text(struct run *r, td_ip4 gateway, uint32_t ifindex)
{
    char ip[16];
    if (gateway != 0) {
        format_ip4(gateway, ip);
        run_printf(r, "via %s ", ip);
    }
    if (ifindex != 0)
        run_printf(r, "dev %s ", dev_name(r, ifindex));
}

static void way_json(struct run *r, td_ip4 gateway, uint32_t ifindex)
{
    char ip[16];
    if (gateway != 0) {
        format_ip4(gateway, ip);
        jw_str(&r->jw, "gateway", ip);
    }
    if (ifindex != 0)
        jw_str(&r->jw, "dev", dev_name(r, ifindex));
}

/* One route without the end of the line. `table`: say which. What `ip route add` gives a route unasked, proto boot
 * and scope global, is said with -d only, as iproute2 does it. */
static void route_text(struct run *r, const struct td_route *x, bool table, bool details)
{
    char text[24];
    const char *scope = scope_of(x);
    prefix_text(x->prefix, x->plen, text);
    if (x->type != 0 || details)
        run_printf(r, "%s ", route_type_name(x->type));
    run_printf(r, "%s ", text);
    way_text(r, x->gateway, x->ifindex);
    if (table && (x->table != TD_TABLE_MAIN || details)) {
        table_name(x->table, text);
        run_printf(r, "table %s ", text);
    }
    if (x->proto != TD_PROTO_BOOT || details)
        run_printf(r, "proto %s ", route_proto_name(x->proto));
    if (scope != NULL || details)
        run_printf(r, "scope %s ", scope != NULL ? scope : "global");
    if (x->src != 0) {
        format_ip4(x->src, text);
        run_printf(r, "src %s ", text);
    }
    if (x->metric != 0)
        run_printf(r, "metric %u ", x->metric);
    flags_text(r, x->flags);
    if (x->mtu != 0)
        run_printf(r, "mtu %u ", x->mtu);
}

static void route_fields(struct run *r, const struct td_route *x, bool table, bool details)
{
    char text[24];
    const char *scope = scope_of(x);
    if (x->type != 0 || details)
        jw_str(&r->jw, "type", route_type_name(x->type));
    prefix_text(x->prefix, x->plen, text);
    jw_str(&r->jw, "dst", text);
    way_json(r, x->gateway, x->ifindex);
    if (table && (x->table != TD_TABLE_MAIN || details)) {
        table_name(x->table, text);
        jw_str(&r->jw, "table", text);
    }
    if (x->proto != TD_PROTO_BOOT || details)
        jw_str(&r->jw, "protocol", route_proto_name(x->proto));
    if (scope != NULL || details)
        jw_str(&r->jw, "scope", scope != NULL ? scope : "global");
    if (x->src != 0) {
        format_ip4(x->src, text);
        jw_str(&r->jw, "prefsrc", text);
    }
    if (x->metric != 0)
        jw_u64(&r->jw, "metric", x->metric);
    flags_json(r, x->flags);
    if (x->mtu != 0) {
        jw_open(&r->jw, "metrics", '[');
        jw_open(&r->jw, NULL, '{');
        jw_u64(&r->jw, "mtu", x->mtu);
        jw_close(&r->jw, '}');
        jw_close(&r->jw, ']');
    }
}

static void fields_and_ways(struct run *r, const struct td_route *x, const struct td_path *path, bool table,
                            bool details)
{
    route_fields(r, x, table, details);
    if (x->npaths != 0)
        jw_open(&r->jw, "nexthops", '[');
    for (unsigned i = 0; i < x->npaths; i++) {
        jw_open(&r->jw, NULL, '{');
        way_json(r, path[i].gateway, path[i].ifindex);
        jw_u64(&r->jw, "weight", path[i].weight);
        flags_json(r, path[i].flags);
        jw_close(&r->jw, '}');
    }
    if (x->npaths != 0)
        jw_close(&r->jw, ']');
}

void ip_route_fields(struct run *r, const struct td_route *x, const struct td_path *path)
{
    fields_and_ways(r, x, path, true, false);
}

void ip_route_record(struct run *r, const struct td_route *x, const struct td_path *path, bool table, bool save,
                     const struct ip_options *o)
{
    size_t from = r->out.len;
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        fields_and_ways(r, x, path, table, o->details);
        jw_close(&r->jw, '}');
        return;
    }
    route_text(r, x, table, o->details);
    for (unsigned i = 0; i < x->npaths; i++) {
        run_puts(r, save ? "nexthop " : "\n\tnexthop "); /* a line a route, in a file */
        way_text(r, path[i].gateway, path[i].ifindex);
        run_printf(r, "weight %u ", path[i].weight);
        flags_text(r, path[i].flags);
    }
    run_puts(r, "\n");
    ip_one_line(r, from, o);
}

/* The next route that is wanted. */
static bool filter_next(struct run *r, struct filter *f, struct td_route *x, struct td_path *path, bool *skipped)
{
    *skipped = false;
    while (!td_route_next(r->deck->st, f->at, &r->cursor, x, path)) {
        f->at = f->all ? td_table_next(r->deck->st, f->at) : 0;
        r->cursor = 0;
        if (f->at == 0)
            return false;
    }
    *skipped = !wanted(f, x, path);
    return true;
}

static int show_step(struct run *r, td_time now)
{
    (void)now;
    struct filter *f = r->state;
    struct td_path path[TD_PATHS_MAX];
    struct td_route x;
    bool skipped;
    for (int i = 0; i < ROWS_PER_STEP; i++) {
        if (f->at == 0 || !filter_next(r, f, &x, path, &skipped)) {
            if (r->json) {
                jw_close(&r->jw, ']');
                run_puts(r, "\n");
            }
            return EXIT_DONE;
        }
        if (!skipped)
            ip_route_record(r, &x, path, f->all, f->save, &f->o);
    }
    r->ready = true;
    return RUN_MORE;
}

static int filter_words(struct run *r, int at, struct filter *f)
{
    static const char right[] = "write `[[exact|root|match] PREFIX] [dev X] [table T|all] [proto P] [type T] [via GW] [src A]`";
    *f = (struct filter){.table = TD_TABLE_MAIN, .proto = -1, .type = -1};
    for (int i = at; i < r->argc; i++) {
        const char *word = r->argv[i];
        enum match match = strcmp(word, "root") == 0 ? MATCH_ROOT : strcmp(word, "match") == 0 ? MATCH_UP : MATCH_EXACT;
        if (strcmp(word, "to") == 0 && i + 1 < r->argc)
            continue;
        if (strcmp(word, "table") == 0 || strcmp(word, "dev") == 0 || strcmp(word, "proto") == 0 ||
            strcmp(word, "type") == 0 || strcmp(word, "via") == 0 || strcmp(word, "src") == 0) {
            const char *value = run_value(r, i++, "a value");
            if (value == NULL)
                return EXIT_USAGE;
            if (word[0] == 't' && word[1] == 'a') {
                f->all = strcmp(value, "all") == 0;
                if (!f->all && !parse_table(value, &f->table))
                    return run_bad_word(r, i, "the tables are main, local, default, all and numbers");
            } else if (word[0] == 'd') {
                if ((f->ifindex = run_interface(r, value)) == 0)
                    return EXIT_USAGE;
            } else if (word[0] == 'v' || word[0] == 's') {
                if (!parse_ip4(value, word[0] == 'v' ? &f->gateway : &f->src))
                    return run_fail(r, EXIT_USAGE, "'%s' after '%s' is not an address: write it as 10.0.0.1", value, word);
            } else {
                int *n = word[0] == 'p' ? &f->proto : &f->type;
                for (uint8_t k = 0; k < 8; k++)
                    if (value[0] != '?' && strcmp(value, word[0] == 'p' ? route_proto_name(k) : route_type_name(k)) == 0)
                        *n = k;
                if (*n < 0)
                    return run_bad_word(r, i, word[0] == 'p' ? "the protocols are kernel, static and boot"
                                                             : "the types are unicast, local, broadcast, blackhole, "
                                                               "unreachable, prohibit and throw");
            }
            continue;
        }
        if (match != MATCH_EXACT || strcmp(word, "exact") == 0)
            i++;
        if (i >= r->argc)
            return run_bad_word(r, i, "a prefix is missing at the end");
        if (f->match != MATCH_ALL)
            return run_bad_word(r, i, right);
        if (strcmp(r->argv[i], "default") != 0 && strcmp(r->argv[i], "0/0") != 0 &&
            !parse_prefix(r->argv[i], &f->prefix, &f->plen))
            return run_bad_word(r, i, right);
        f->match = match;
    }
    f->at = f->all ? td_table_next(r->deck->st, 0) : f->table;
    return EXIT_DONE;
}

static int route_show(struct run *r, int at, bool save, const struct ip_options *o)
{
    struct filter f, *kept;
    int status = filter_words(r, at, &f);
    if (status != EXIT_DONE)
        return status;
    if (save && at == r->argc) {
        f.all = true;
        f.at = td_table_next(r->deck->st, 0);
    }
    f.save = save;
    f.o = *o;
    if (save)
        r->json = false;
    if ((kept = malloc(sizeof(f))) == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    *kept = f;
    r->state = kept;
    r->step = show_step;
    if (r->json)
        jw_open(&r->jw, NULL, '[');
    return show_step(r, 0);
}

static int route_flush(struct run *r, int at)
{
    struct filter f;
    struct changes c = {0};
    struct td_path path[TD_PATHS_MAX];
    struct td_route x;
    bool skipped, kernel;
    size_t cap = 0;
    if (at >= r->argc)
        return run_fail(r, EXIT_USAGE, "which routes? write `ip route flush table N`, `dev X`, `proto P`, a prefix, or `cache`");
    if (strcmp(r->argv[at], "cache") == 0 && at + 1 == r->argc) {
        struct td_change forget = {.kind = TD_CHANGE_FLUSH_CACHE};
        const struct td_change_list l = {.change = &forget, .n = 1};
        return td_route_change(r->deck->st, &l, NULL) == 0 ? EXIT_DONE : EXIT_FAILED;
    }
    int status = filter_words(r, at, &f);
    if (status != EXIT_DONE)
        return status;
    kernel = f.proto == TD_PROTO_KERNEL || f.table == TD_TABLE_LOCAL;
    while (f.at != 0 && filter_next(r, &f, &x, path, &skipped)) {
        if (skipped || (x.proto == TD_PROTO_KERNEL && !kernel))
            continue; /* those follow from addresses */
        if (c.n == cap) {
            cap = cap != 0 ? cap * 2 : 64;
            struct td_change *more = realloc(c.change, cap * sizeof(*more));
            if (more == NULL) {
                changes_free(&c);
                return run_fail(r, EXIT_FAILED, "out of memory");
            }
            c.change = more;
        }
        x.npaths = 0; /* the first that fits: they go in their order */
        c.change[c.n++] = (struct td_change){.kind = TD_CHANGE_DEL, .route = x};
    }
    status = c.n != 0 ? changes_apply(r, &c) : EXIT_DONE;
    changes_free(&c);
    return status;
}

/* ---- get ---- */

static const char *verdict_text(const struct td_reason *w)
{
    switch (w->verdict) {
    case TD_RULE_OTHER:
        return "doesn't match";
    case TD_RULE_PASSED:
        return "no route in it: the next rule";
    case TD_RULE_DECIDES:
        return "decides";
    case TD_ROUTE_CHOSEN:
        return "chosen: the longest prefix that is usable";
    case TD_ROUTE_THROWS:
        return "the longest prefix: throws, on to the next rule";
    case TD_ROUTE_SHORTER:
        return "not used: its prefix is shorter";
    case TD_ROUTE_METRIC:
        return "not used: its metric is larger, or it is younger";
    case TD_ROUTE_IS_DEAD:
        return "passed over: its gateway is believed dead";
    case TD_ROUTE_IS_DOWN:
        return "passed over: its interface is down";
    case TD_ROUTE_OTHER_DEV:
        return "passed over: it leads out of another interface";
    }
    return "?";
}

static const char *verdict_word(enum td_verdict v)
{
    static const char *const words[] = {"no-match", "no-route", "decides",  "chosen",     "throw",
                                        "shorter",  "metric",   "dead",     "linkdown",   "other-dev"};
    return words[v];
}

static void reasons_print(struct run *r, const struct td_reason *why, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (why[i].verdict > TD_RULE_DECIDES) {
            run_puts(r, "        ");
            route_text(r, &why[i].route, false, false);
        } else {
            run_puts(r, "    rule ");
            rule_text(r, &why[i].rule);
        }
        run_printf(r, ": %s\n", verdict_text(&why[i]));
    }
}

static void reasons_json(struct run *r, const struct td_reason *why, unsigned n)
{
    jw_open(&r->jw, "reasons", '[');
    for (unsigned i = 0; i < n; i++) {
        bool route = why[i].verdict > TD_RULE_DECIDES;
        jw_open(&r->jw, NULL, '{');
        jw_str(&r->jw, "verdict", verdict_word(why[i].verdict));
        jw_open(&r->jw, route ? "route" : "rule", '{');
        if (route)
            route_fields(r, &why[i].route, true, false);
        else
            rule_fields(r, &why[i].rule);
        jw_close(&r->jw, '}');
        jw_close(&r->jw, '}');
    }
    jw_close(&r->jw, ']');
}

static int get_words(struct run *r, int at, struct td_route_query *q)
{
    static const char right[] = "write `ip route get ADDR [from ADDR] [iif X] [oif X] [ipproto N] [sport N] [dport N]`";
    uint32_t n;
    if (at < r->argc && strcmp(r->argv[at], "to") == 0)
        at++;
    if (at >= r->argc)
        return run_bad_word(r, at, right);
    if (!parse_ip4(r->argv[at], &q->dst))
        return run_fail(r, EXIT_USAGE, "'%s' is not an address: write it as 10.0.0.1", r->argv[at]);
    for (int i = at + 1; i < r->argc; i += 2) {
        const char *word = r->argv[i];
        if (strcmp(word, "from") != 0 && strcmp(word, "iif") != 0 && strcmp(word, "oif") != 0 &&
            strcmp(word, "ipproto") != 0 && strcmp(word, "sport") != 0 && strcmp(word, "dport") != 0)
            return run_bad_word(r, i, right);
        const char *value = run_value(r, i, "a value");
        if (value == NULL)
            return EXIT_USAGE;
        if (strcmp(word, "from") == 0) {
            if (!parse_ip4(value, &q->src))
                return run_fail(r, EXIT_USAGE, "'%s' is not an address: write it as 10.0.0.1", value);
        } else if (strcmp(word, "iif") == 0 || strcmp(word, "oif") == 0) {
            uint32_t *ifindex = word[0] == 'i' ? &q->iif : &q->oif;
            if ((*ifindex = run_interface(r, value)) == 0)
                return EXIT_USAGE;
        } else if (strcmp(word, "ipproto") == 0) {
            if (strcmp(value, "tcp") == 0 || strcmp(value, "udp") == 0)
                q->proto = value[0] == 't' ? 6 : 17;
            else if (parse_u32(value, 255, &n))
                q->proto = (uint8_t)n;
            else
                return run_fail(r, EXIT_USAGE, "'%s' is no protocol: write tcp, udp or a number to 255", value);
        } else if (!parse_u32(value, 65535, &n)) {
            return run_fail(r, EXIT_USAGE, "'%s' after '%s' is no port: write 0 to 65535", value, word);
        } else if (word[0] == 's') {
            q->sport = (uint16_t)n;
        } else {
            q->dport = (uint16_t)n;
        }
    }
    if (q->iif != 0 && q->src == 0)
        return run_fail(r, EXIT_USAGE, "what comes in by an interface has a source: add `from ADDR`");
    return EXIT_DONE;
}

static int get_failed(struct run *r, const char *dst, int err)
{
    switch (err) {
    case -ENETUNREACH:
        return run_fail(r, EXIT_FAILED, "no route leads to %s: the network is unreachable", dst);
    case -EINVAL:
        return run_fail(r, EXIT_FAILED, "the route to %s is a blackhole", dst);
    case -EHOSTUNREACH:
        return run_fail(r, EXIT_FAILED, "the route to %s says: unreachable", dst);
    case -EACCES:
        return run_fail(r, EXIT_FAILED, "the route to %s says: prohibited", dst);
    default:
        return run_fail(r, EXIT_FAILED, "%s: %s", dst, error_text(err));
    }
}

/* The table in which the answer was found. */
static uint32_t get_table(const struct td_reason *why, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (why[i].verdict == TD_RULE_DECIDES)
            return why[i].rule.table;
    return TD_TABLE_MAIN;
}

static void get_json(struct run *r, const struct td_route_query *q, const struct td_route_answer *a, uint32_t table,
                     bool mtu, bool details)
{
    char text[16];
    format_ip4(q->dst, text);
    if (a->type != 0 || details)
        jw_str(&r->jw, "type", route_type_name(a->type));
    jw_str(&r->jw, "dst", text);
    if (q->iif != 0) {
        format_ip4(q->src, text);
        jw_str(&r->jw, "from", text);
    }
    way_json(r, a->nexthop != q->dst ? a->nexthop : 0, a->ifindex);
    if (table != TD_TABLE_MAIN || details) {
        table_name(table, text);
        jw_str(&r->jw, "table", text);
    }
    if (q->iif == 0) {
        format_ip4(a->src, text);
        jw_str(&r->jw, "prefsrc", text);
    } else {
        jw_str(&r->jw, "iif", dev_name(r, q->iif));
    }
    flags_json(r, 0);
    jw_open(&r->jw, "cache", '[');
    if (a->type == 1 || a->type == 2)
        jw_str(&r->jw, NULL, "local");
    if (a->type == 2)
        jw_str(&r->jw, NULL, "brd");
    jw_close(&r->jw, ']');
    if (mtu) {
        jw_open(&r->jw, "metrics", '[');
        jw_open(&r->jw, NULL, '{');
        jw_u64(&r->jw, "mtu", a->mtu);
        jw_close(&r->jw, '}');
        jw_close(&r->jw, ']');
    }
}

static void get_text(struct run *r, const struct td_route_query *q, const struct td_route_answer *a, uint32_t table,
                     bool mtu, bool details)
{
    char text[16];
    if (a->type != 0 || details)
        run_printf(r, "%s ", route_type_name(a->type));
    format_ip4(q->dst, text);
    run_printf(r, "%s ", text);
    format_ip4(q->src, text);
    if (q->iif != 0)
        run_printf(r, "from %s ", text);
    way_text(r, a->nexthop != q->dst ? a->nexthop : 0, a->ifindex);
    if (table != TD_TABLE_MAIN || details) {
        table_name(table, text);
        run_printf(r, "table %s ", text);
    }
    format_ip4(a->src, text);
    if (q->iif == 0)
        run_printf(r, "src %s ", text);
    run_puts(r, "\n    cache ");
    if (a->type == 1 || a->type == 2)
        run_puts(r, a->type == 1 ? "<local> " : "<local,brd> ");
    if (q->iif != 0)
        run_printf(r, "iif %s ", dev_name(r, q->iif));
    if (mtu)
        run_printf(r, "mtu %u ", a->mtu);
    run_puts(r, "\n");
}

static void get_print(struct run *r, const struct td_route_query *q, const struct td_route_answer *a,
                      const struct td_reason *why, unsigned n, const struct ip_options *o)
{
    const struct netif *nif = netif_by_index(r->deck->st, a->ifindex);
    bool mtu = a->mtu != 0 && nif != NULL && a->mtu != nif->mtu;
    size_t from = r->out.len;
    if (!r->json) {
        get_text(r, q, a, get_table(why, n), mtu, o->details);
        ip_one_line(r, from, o);
        reasons_print(r, why, n);
        return;
    }
    jw_open(&r->jw, NULL, '[');
    jw_open(&r->jw, NULL, '{');
    get_json(r, q, a, get_table(why, n), mtu, o->details);
    reasons_json(r, why, n);
    jw_close(&r->jw, '}');
    jw_close(&r->jw, ']');
    run_puts(r, "\n");
}

static int route_get(struct run *r, int at, const struct ip_options *o)
{
    struct td_route_query q = {0};
    struct td_route_answer a;
    unsigned n;
    int status = get_words(r, at, &q);
    if (status != EXIT_DONE)
        return status;
    struct td_reason *why = calloc(REASONS_MAX, sizeof(*why));
    if (why == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    int err = td_route_explain(r->deck->st, &q, &a, why, REASONS_MAX, &n);
    if (err == 0) {
        get_print(r, &q, &a, why, n, o);
    } else {
        char text[16];
        format_ip4(q.dst, text);
        if (!r->json)
            reasons_print(r, why, n);
        (void)get_failed(r, text, err);
    }
    free(why);
    return err == 0 ? EXIT_DONE : EXIT_FAILED;
}

/* ---- why route ---- */

bool route_answer(struct run *r, td_ip4 addr, char *dst, size_t size, td_ip4 *net, uint8_t *plen)
{
    struct td_route_query q = {.dst = addr};
    struct td_route_answer a;
    struct td_reason *why = calloc(REASONS_MAX, sizeof(*why));
    char text[16], via[16] = "", prefix[24] = "";
    uint8_t type = 0;
    unsigned n;
    if (why == NULL)
        return false;
    int err = td_route_explain(r->deck->st, &q, &a, why, REASONS_MAX, &n);
    for (unsigned i = 0; i < n; i++) {
        if (why[i].verdict != TD_ROUTE_CHOSEN)
            continue;
        type = why[i].route.type;
        prefix_text(*net = why[i].route.prefix, *plen = why[i].route.plen, prefix);
    }
    free(why);
    format_ip4(addr, text);
    format_ip4(a.nexthop, via);
    if (err == -ENETUNREACH)
        snprintf(dst, size, "No route leads to %s: the network is unreachable. [RFC 1122 3.3.1]", text);
    else if (err != 0 && prefix[0] != '\0')
        snprintf(dst, size, "Nothing can be sent to %s: the route to %s is of the type %s. [RFC 1122 3.3.1]", text,
                 prefix, route_type_name(type));
    else if (err != 0)
        snprintf(dst, size, "Nothing can be sent to %s: %s. [RFC 1122 3.3.1]", text, error_text(err));
    else if (a.type == 1)
        snprintf(dst, size, "%s is this host itself: the local table decides.", text);
    else
        snprintf(dst, size, "%s goes %s%s on %s: %s%s is the longest prefix that covers it. [RFC 1812 5.2.4.3]",
                 text, a.nexthop != addr ? "by the gateway " : "directly", a.nexthop != addr ? via : "",
                 dev_name(r, a.ifindex), prefix[0] != '\0' ? "the route to " : "its route", prefix);
    return true;
}

void route_reasons(struct run *r, td_ip4 addr)
{
    struct td_route_query q = {.dst = addr};
    struct td_route_answer a;
    struct td_reason *why = calloc(REASONS_MAX, sizeof(*why));
    unsigned n;
    if (why == NULL)
        return;
    (void)td_route_explain(r->deck->st, &q, &a, why, REASONS_MAX, &n);
    reasons_print(r, why, n);
    free(why);
}

/* ---- changes ---- */

int ip_route_cmd(struct run *r, int at, const struct ip_options *o)
{
    static const struct {
        const char *word;
        enum td_change_kind kind;
    } verbs[] = {{"add", TD_CHANGE_ADD},       {"append", TD_CHANGE_APPEND},
                 {"delete", TD_CHANGE_DEL},    {"change", TD_CHANGE_CHANGE}, {"chg", TD_CHANGE_CHANGE},
                 {"replace", TD_CHANGE_REPLACE}};
    const char *word = at < r->argc ? r->argv[at] : "show";
    enum ip_verb verb = ip_verb(word);
    if (word_abbrev(word, "save"))
        return route_show(r, at + 1, true, o);
    if (strcmp(word, "load") == 0 || strcmp(word, "restore") == 0)
        return route_load(r, at + 1);
    if (verb == VERB_SHOW)
        return route_show(r, at + 1, false, o);
    if (verb == VERB_GET)
        return route_get(r, at + 1, o);
    if (verb == VERB_FLUSH)
        return route_flush(r, at + 1);
    for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
        struct changes c = {0};
        if (!word_abbrev(word, verbs[i].word))
            continue;
        int status = route_words(r->deck->st, &c, verbs[i].kind, r->argc - at - 1, r->argv + at + 1)
                         ? changes_apply(r, &c)
                         : run_fail(r, EXIT_USAGE, "%s", c.msg);
        changes_free(&c);
        return status;
    }
    return run_bad_word(r, at, "write `ip route show|add|append|change|replace|del|get|flush|save|load`");
}
