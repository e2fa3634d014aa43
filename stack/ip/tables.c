/* ip/tables.c: what `ip addr`, `ip route` and the console show of this layer.
 *
 * Keys are iproute2's where it has them. `route` lists the FIB, then what redirects have changed
 * (protocol "redirect"). Cursors are those of the lists behind: interface index and place for
 * addresses, the FIB's own, insertion orders elsewhere.
 */
#include "ip/ip_internal.h"

#include <string.h>

/* ---- addr ---- */

enum {
    ADDR_IFNAME,
    ADDR_LOCAL,
    ADDR_PREFIXLEN,
    ADDR_BROADCAST,
    ADDR_SCOPE,
    ADDR_LABEL,
    ADDR_FLAGS
};

static const struct column addr_columns[] = {
    [ADDR_IFNAME] = {"ifname", VAL_STR, "interface"},
    [ADDR_LOCAL] = {"local", VAL_IP4, "the address"},
    [ADDR_PREFIXLEN] = {"prefixlen", VAL_U64, "bits of its subnet's prefix"},
    [ADDR_BROADCAST] = {"broadcast", VAL_IP4, "the subnet's broadcast address"},
    [ADDR_SCOPE] = {"scope", VAL_STR, "host (127/8) or global"},
    [ADDR_LABEL] = {"label", VAL_STR, "the interface's name once more"},
    [ADDR_FLAGS] = {"flags", VAL_STR,
                    "secondary, tentative (RFC 5227), dadfailed (somebody else has it)"},
};

static bool addr_is_secondary(const struct netif *nif, const struct netif_addr *a)
{
    for (const struct netif_addr *o = nif->addrs; o != a; o = o->next)
        if (o->plen == a->plen && ((o->addr ^ a->addr) & ip4_mask(a->plen)) == 0)
            return true;
    return false;
}

static void addr_row(const struct netif *nif, const struct netif_addr *a, struct row *row)
{
    const char *flags = a->state == ADDR_TENTATIVE  ? "tentative"
                        : a->state == ADDR_CONFLICT ? "dadfailed"
                        : addr_is_secondary(nif, a) ? "secondary"
                                                    : NULL;

    row_clear(row);
    row_str(row, ADDR_IFNAME, nif->name);
    row_ip4(row, ADDR_LOCAL, a->addr);
    row_u64(row, ADDR_PREFIXLEN, a->plen);
    if (a->broadcast != 0)
        row_ip4(row, ADDR_BROADCAST, a->broadcast);
    row_word(row, ADDR_SCOPE, ip4_is_loopback(a->addr) ? "host" : "global");
    row_str(row, ADDR_LABEL, nif->name);
    if (flags != NULL)
        row_word(row, ADDR_FLAGS, flags);
}

static bool addr_next(struct td_stack *st, uint64_t *cursor, struct row *row)
{
    const struct netif *nif = netif_first(st);

    for (; nif != NULL; nif = nif->next) {
        uint64_t place = (uint64_t)nif->index << 32;

        for (const struct netif_addr *a = nif->addrs; a != NULL; a = a->next, place++) {
            if (place < *cursor)
                continue;
            *cursor = place + 1;
            addr_row(nif, a, row);
            return true;
        }
    }
    return false;
}

/* ---- route ---- */

enum {
    ROUTE_TYPE,
    ROUTE_DST,
    ROUTE_GATEWAY,
    ROUTE_DEV,
    ROUTE_PROTOCOL,
    ROUTE_SCOPE,
    ROUTE_PREFSRC,
    ROUTE_METRIC,
    ROUTE_MTU,
    ROUTE_FLAGS,
    ROUTE_WAYS,
};

static const struct column route_columns[] = {
    [ROUTE_TYPE] = {"type", VAL_STR, "unicast, local, broadcast, blackhole, unreachable, prohibit, throw"},
    [ROUTE_DST] = {"dst", VAL_PREFIX, "destination prefix"},
    [ROUTE_GATEWAY] = {"gateway", VAL_IP4, "next hop; none: on-link"},
    [ROUTE_DEV] = {"dev", VAL_STR, "interface"},
    [ROUTE_PROTOCOL] = {"protocol", VAL_STR, "who put it there: kernel, static, redirect"},
    [ROUTE_SCOPE] = {"scope", VAL_STR, "host, link or global"},
    [ROUTE_PREFSRC] = {"prefsrc", VAL_IP4, "source address it prefers"},
    [ROUTE_METRIC] = {"metric", VAL_U64, "of several the smallest is used; none: 0"},
    [ROUTE_MTU] = {"mtu", VAL_U64, "bytes; none: the interface's"},
    [ROUTE_FLAGS] = {"flags", VAL_STR, "dead (its gateway is believed dead), linkdown"},
    [ROUTE_WAYS] = {"ways", VAL_U64, "ways among which its flows are shared out; none: the one named"},
};

static void route_row_dev(const struct td_stack *st, struct row *row, uint32_t ifindex)
{
    const struct netif *nif = netif_by_index(st, ifindex);

    if (nif != NULL)
        row_str(row, ROUTE_DEV, nif->name);
}

static const char *route_scope(const struct fib_route *r)
{
    if (r->type == FIB_LOCAL)
        return "host";
    return r->type == FIB_BROADCAST || (r->type == FIB_UNICAST && r->gateway == 0) ? "link"
                                                                                   : "global";
}

static void route_row(const struct td_stack *st, const struct fib_route *r, struct row *row)
{
    row_clear(row);
    row_word(row, ROUTE_TYPE, fib_type_name(r->type));
    row_prefix(row, ROUTE_DST, r->prefix, r->plen);
    if (r->gateway != 0)
        row_ip4(row, ROUTE_GATEWAY, r->gateway);
    route_row_dev(st, row, r->ifindex);
    row_word(row, ROUTE_PROTOCOL, r->proto == FIB_PROTO_KERNEL ? "kernel"
                                  : r->proto == FIB_PROTO_BOOT ? "boot"
                                                               : "static");
    row_word(row, ROUTE_SCOPE, route_scope(r));
    if (r->src != 0)
        row_ip4(row, ROUTE_PREFSRC, r->src);
    if (r->metric != 0)
        row_u64(row, ROUTE_METRIC, r->metric);
    if (r->mtu != 0)
        row_u64(row, ROUTE_MTU, r->mtu);
    if (r->linkdown || r->dead)
        row_word(row, ROUTE_FLAGS, r->linkdown ? "linkdown" : "dead");
    if (r->npaths != 0)
        row_u64(row, ROUTE_WAYS, r->npaths);
}

static void redirect_row(const struct td_stack *st, const struct dst_entry *e, struct row *row)
{
    row_clear(row);
    row_word(row, ROUTE_TYPE, fib_type_name(FIB_UNICAST));
    row_prefix(row, ROUTE_DST, e->dst, 32);
    row_ip4(row, ROUTE_GATEWAY, e->gateway);
    route_row_dev(st, row, e->ifindex);
    row_word(row, ROUTE_PROTOCOL, "redirect");
    row_word(row, ROUTE_SCOPE, "global");
}

#define REDIRECT_ROWS (UINT64_C(1) << 63) /* cursors from here on are the cache's */

static bool route_next(struct td_stack *st, uint64_t *cursor, struct row *row)
{
    struct hash_node *n;

    if (*cursor < REDIRECT_ROWS) {
        const struct fib_route *r = st->ip->fib_ops->next(st->ip->fib, cursor);

        if (r != NULL) {
            route_row(st, r, row);
            return true;
        }
        *cursor = REDIRECT_ROWS;
    }
    while ((n = hash_from(&st->ip->dst, *cursor - REDIRECT_ROWS)) != NULL) {
        const struct dst_entry *e = container_of(n, const struct dst_entry, node);

        *cursor = REDIRECT_ROWS + n->order + 1;
        if (e->gw_expires > st->now) {
            redirect_row(st, e, row);
            return true;
        }
    }
    return false;
}

/* ---- frag ---- */

enum {
    FRAG_SRC,
    FRAG_DST,
    FRAG_PROTO,
    FRAG_ID,
    FRAG_FRAGMENTS,
    FRAG_RECEIVED,
    FRAG_TOTAL,
    FRAG_HOLES,
    FRAG_EXPIRES,
    FRAG_STATE,
};

static const struct column frag_columns[] = {
    [FRAG_SRC] = {"src", VAL_IP4, "source"},
    [FRAG_DST] = {"dst", VAL_IP4, "destination"},
    [FRAG_PROTO] = {"proto", VAL_U64, "protocol number"},
    [FRAG_ID] = {"id", VAL_HEX, "identification"},
    [FRAG_FRAGMENTS] = {"fragments", VAL_U64, "fragments here"},
    [FRAG_RECEIVED] = {"received", VAL_U64, "bytes of payload here"},
    [FRAG_TOTAL] = {"total", VAL_U64,
                    "bytes of payload of the whole; none: the last one isn't here"},
    [FRAG_HOLES] = {"holes", VAL_U64, "gaps, the open end among them (RFC 815)"},
    [FRAG_EXPIRES] = {"expires", VAL_NS, "time until it is given up"},
    [FRAG_STATE] = {"state", VAL_STR,
                    "collecting, or barred: given up, later fragments are dropped"},
};

static bool frag_table_next(struct td_stack *st, uint64_t *cursor, struct row *row)
{
    struct frag_info f;

    if (!frag_next(st, cursor, &f))
        return false;
    row_clear(row);
    row_ip4(row, FRAG_SRC, f.src);
    row_ip4(row, FRAG_DST, f.dst);
    row_u64(row, FRAG_PROTO, f.proto);
    row->v[FRAG_ID] = (struct value){.type = VAL_HEX, .u = f.id};
    row_u64(row, FRAG_FRAGMENTS, f.fragments);
    row_u64(row, FRAG_RECEIVED, f.received);
    if (f.total != 0)
        row_u64(row, FRAG_TOTAL, f.total);
    row_u64(row, FRAG_HOLES, f.holes);
    row_ns(row, FRAG_EXPIRES, f.expires > st->now ? f.expires - st->now : 0);
    row_word(row, FRAG_STATE, f.barred ? "barred" : "collecting");
    return true;
}

/* ---- pmtu ---- */

enum { PMTU_DST, PMTU_MTU, PMTU_EXPIRES, PMTU_FLAGS };

static const struct column pmtu_columns[] = {
    [PMTU_DST] = {"dst", VAL_IP4, "destination"},
    [PMTU_MTU] = {"mtu", VAL_U64, "bytes of the largest datagram its path takes (RFC 1191)"},
    [PMTU_EXPIRES] = {"expires", VAL_NS, "time until it is forgotten"},
    [PMTU_FLAGS] = {"flags", VAL_STR, "floor: the path asked for less still; DF is not set"},
};

static bool pmtu_next(struct td_stack *st, uint64_t *cursor, struct row *row)
{
    struct hash_node *n;

    while ((n = hash_from(&st->ip->dst, *cursor)) != NULL) {
        const struct dst_entry *e = container_of(n, const struct dst_entry, node);

        *cursor = n->order + 1;
        if (e->mtu_expires <= st->now)
            continue;
        row_clear(row);
        row_ip4(row, PMTU_DST, e->dst);
        row_u64(row, PMTU_MTU, e->mtu);
        row_ns(row, PMTU_EXPIRES, e->mtu_expires - st->now);
        if (e->mtu_floor)
            row_word(row, PMTU_FLAGS, "floor");
        return true;
    }
    return false;
}

#define TABLE(table_name, table_doc, cols, fn)                                                     \
    (struct table)                                                                                 \
    {                                                                                              \
        .name = table_name, .doc = table_doc, .columns = cols,                                     \
        .ncolumns = sizeof(cols) / sizeof(cols)[0], .next = fn                                     \
    }

void tables_register(struct td_stack *st)
{
    struct ip *ip = st->ip;

    ip->addr_table = TABLE("addr", "addresses of interfaces", addr_columns, addr_next);
    ip->route_table = TABLE("route", "routes", route_columns, route_next);
    ip->frag_table = TABLE("frag", "reassemblies under way", frag_columns, frag_table_next);
    ip->pmtu_table = TABLE("pmtu", "path MTUs learnt", pmtu_columns, pmtu_next);
    table_register(st, &ip->addr_table);
    table_register(st, &ip->route_table);
    table_register(st, &ip->frag_table);
    table_register(st, &ip->pmtu_table);
}
