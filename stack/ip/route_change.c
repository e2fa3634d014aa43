/* ip/route_change.c: routes and rules as people configure them: judged, then written, all or none.
 *
 * Theory of operation. A change comes as a list (`ip route add` is a list of one; a file is one of a
 * million). Each entry is judged by what the tables say at that moment, so a route may lead through a
 * gateway that an earlier line made reachable. Of what has been done a log is kept; when an entry
 * can't be done, the log is undone from its end, and the tables are what they were.
 *
 * As in Linux, a prefix and a metric belong to one route: `add` refuses a second, `append` puts it
 * behind, `replace` and `change` take the first one's place. What comes back in an undo comes back to
 * its old place among its like: a route has kept its number, of a rule the log knows the place.
 */
#include "ip/ip_internal.h"

#include <errno.h>

#define ROUTE_MTU_MIN 68 /* RFC 791 3.2: the longest header and eight bytes fit into a fragment */

/* ---- the log ---- */

struct undo {
    struct undo *before;
    bool rule, added;
    unsigned place; /* of a rule that went, among all */
    struct td_rule r;
    struct fib_route route;
    struct fib_path paths[];
};

struct log {
    struct undo *last;
    bool kept; /* a list of one step needs none */
};

static size_t undo_size(unsigned npaths)
{
    return sizeof(struct undo) + npaths * sizeof(struct fib_path);
}

static struct undo *log_new(struct td_stack *st, struct log *l, unsigned npaths)
{
    struct undo *u = mem_alloc(&st->mem, MEM_TABLE, undo_size(npaths));

    if (u != NULL) {
        u->before = l->last;
        l->last = u;
    }
    return u;
}

/* False: no memory; then the change isn't made. */
static bool log_route(struct td_stack *st, struct log *l, const struct fib_route *r, bool added)
{
    struct undo *u = l->kept ? log_new(st, l, r->npaths) : NULL;

    if (u == NULL)
        return !l->kept;
    u->added = added;
    u->route = *r;
    u->route.exact = true;
    for (unsigned i = 0; i < r->npaths; i++)
        u->paths[i] = r->paths[i];
    u->route.paths = r->npaths != 0 ? u->paths : NULL;
    u->route.hop = NULL;
    return true;
}

static struct undo *log_take(struct td_stack *st, struct log *l)
{
    struct undo *u = l->last;

    (void)st;
    if (u != NULL)
        l->last = u->before;
    return u;
}

static void undo_free(struct td_stack *st, struct undo *u)
{
    mem_free(&st->mem, MEM_TABLE, u, undo_size(u->route.npaths));
}

/* ---- routes ---- */

void route_journal(struct td_stack *st, enum event_id ev, const struct fib_route *r)
{
    struct journal_subject sub = {.addr = r->gateway, .ifindex = r->ifindex};

    JOURNAL_CAUSE(st, ev, &sub, (uint64_t)r->prefix << 8 | r->plen, r->gateway, r->ifindex,
                  r->metric, r->table != 0 ? r->table : TD_TABLE_MAIN, (uint64_t)r->type, route_proto_public(r->proto),
                  r->src);
}

static int route_write(struct td_stack *st, struct log *l, const struct fib_route *r)
{
    struct undo *u;
    int err;

    if (!log_route(st, l, r, true))
        return -ENOMEM;
    err = table_insert(st, r);
    if (err == 0) {
        route_journal(st, EV_ROUTE_ADDED, r);
    } else if (l->kept) {
        u = log_take(st, l);
        undo_free(st, u);
    }
    return err;
}

/* r is one that is in a table: what points to it may be gone afterwards. */
static int route_erase(struct td_stack *st, struct log *l, const struct fib_route *r, uint32_t table)
{
    struct fib_route gone = *r;
    struct fib_path paths[FIB_PATHS_MAX];

    gone.table = table;
    gone.exact = true;
    for (unsigned i = 0; i < r->npaths; i++)
        paths[i] = r->paths[i];
    gone.paths = paths;
    if (!log_route(st, l, &gone, false))
        return -ENOMEM;
    (void)table_remove(st, &gone);
    route_journal(st, EV_ROUTE_REMOVED, &gone);
    return 0;
}

/* Fills in the interface of a gateway, and judges it: a neighbour, and not ourselves. */
static int check_gateway(struct td_stack *st, td_ip4 gateway, uint32_t *ifindex, bool onlink)
{
    const struct fib_hop *to;

    if (addr_is_no_host(st, gateway) || ip_is_local(st, gateway))
        return -EINVAL;
    if (onlink)
        return *ifindex != 0 ? 0 : -ENODEV;
    to = ip_fib_lookup(st, gateway, *ifindex);
    if (to == NULL || to->type != FIB_UNICAST || to->gateway != 0 || to->npaths != 0)
        return -ENETUNREACH;
    *ifindex = to->ifindex;
    return 0;
}

static int check_way(struct td_stack *st, td_ip4 gateway, uint32_t *ifindex, bool onlink, bool *down)
{
    const struct netif *nif;
    int err;

    if (*ifindex != 0 && netif_by_index(st, *ifindex) == NULL)
        return -ENODEV;
    if (gateway != 0) {
        err = check_gateway(st, gateway, ifindex, onlink);
        if (err < 0)
            return err;
    }
    nif = netif_by_index(st, *ifindex);
    if (nif == NULL)
        return -ENODEV;
    *down = !netif_is_up(nif);
    return 0;
}

static int check_paths(struct td_stack *st, struct fib_route *r)
{
    if (r->type != FIB_UNICAST || r->gateway != 0 || r->ifindex != 0 || r->npaths < 2)
        return -EINVAL;
    for (unsigned i = 0; i < r->npaths; i++) {
        struct fib_path *p = &r->paths[i];
        int err;

        if (p->weight == 0 || p->weight > 256)
            return -EINVAL;
        err = check_way(st, p->gateway, &p->ifindex, p->onlink, &p->linkdown);
        if (err < 0)
            return err;
    }
    return 0;
}

/* Which types stand in which table, and lead where. */
static int check_type(const struct fib_route *r)
{
    switch (r->type) {
    case FIB_UNICAST:
        return r->table == TD_TABLE_LOCAL ? -EINVAL : 0;
    case FIB_LOCAL:
    case FIB_BROADCAST:
        return r->gateway != 0 || (r->table != 0 && r->table != TD_TABLE_LOCAL) ? -EINVAL : 0;
    case FIB_BLACKHOLE:
    case FIB_UNREACHABLE:
    case FIB_PROHIBIT:
    case FIB_THROW:
        return r->gateway != 0 || r->ifindex != 0 || r->npaths != 0 || r->table == TD_TABLE_LOCAL
                   ? -EINVAL
                   : 0;
    default:
        return -EINVAL;
    }
}

static int check_route(struct td_stack *st, struct fib_route *r)
{
    int err;

    if (r->plen > 32 || (r->prefix & ~ip4_mask(r->plen)) != 0 || r->metric == UINT32_MAX ||
        (r->mtu != 0 && r->mtu < ROUTE_MTU_MIN))
        return -EINVAL;
    err = check_type(r);
    if (err < 0)
        return err;
    if (r->src != 0 && !ip_is_local(st, r->src))
        return -EADDRNOTAVAIL;
    if (r->type >= FIB_BLACKHOLE)
        return 0;
    if (r->npaths != 0)
        return check_paths(st, r);
    return check_way(st, r->gateway, &r->ifindex, r->onlink, &r->linkdown);
}

/* The first configured route with this prefix and metric in the table, or NULL. */
static struct fib_route *route_like(struct td_stack *st, const struct fib_route *r)
{
    uint64_t cursor = fib_cursor(r->prefix, r->plen);
    bool own = r->type == FIB_LOCAL || r->type == FIB_BROADCAST;
    struct fib *f = ip_table(st, own ? TD_TABLE_LOCAL : r->table);
    struct fib_route *i;

    while (f != NULL && (i = st->ip->fib_ops->next(f, &cursor)) != NULL &&
           i->prefix == r->prefix && i->plen == r->plen)
        if (i->metric == r->metric && own == (i->type == FIB_LOCAL || i->type == FIB_BROADCAST))
            return i;
    return NULL;
}

static int route_change(struct td_stack *st, struct log *l, enum td_change_kind kind,
                        struct fib_route *add)
{
    const struct fib_route *there;
    struct fib_route again;
    int err = check_route(st, add);

    if (err < 0)
        return err;
    there = kind == TD_CHANGE_APPEND ? NULL : route_like(st, add);
    if (there == NULL)
        return kind == TD_CHANGE_CHANGE ? -ESRCH : route_write(st, l, add);
    if (kind == TD_CHANGE_ADD)
        return -EEXIST;
    again = *add;
    again.order = there->order; /* in its place */
    err = route_erase(st, l, there, add->table);
    return err != 0 ? err : route_write(st, l, &again);
}

static bool route_fits(const struct fib_route *asked, const struct fib_route *r)
{
    bool own = r->type == FIB_LOCAL || r->type == FIB_BROADCAST;

    if (asked->type == FIB_UNICAST ? own : asked->type != r->type)
        return false;
    return (asked->metric == UINT32_MAX || asked->metric == r->metric) &&
           (asked->gateway == 0 || asked->gateway == r->gateway) &&
           (asked->ifindex == 0 || asked->ifindex == r->ifindex) &&
           (asked->src == 0 || asked->src == r->src) &&
           (asked->npaths == 0 || asked->npaths == r->npaths);
}

static int route_delete(struct td_stack *st, struct log *l, const struct fib_route *r)
{
    uint64_t cursor = fib_cursor(r->prefix, r->plen);
    bool own = r->type == FIB_LOCAL || r->type == FIB_BROADCAST;
    uint32_t table = own ? TD_TABLE_LOCAL : r->table;
    struct fib *f = ip_table(st, table);
    const struct fib_route *i;

    if (r->plen > 32 || (r->prefix & ~ip4_mask(r->plen)) != 0)
        return -EINVAL;
    while (f != NULL && (i = st->ip->fib_ops->next(f, &cursor)) != NULL &&
           i->prefix == r->prefix && i->plen == r->plen)
        if (route_fits(r, i))
            return route_erase(st, l, i, table);
    return -ESRCH;
}

static void undo_one(struct td_stack *st, struct undo *u)
{
    if (u->rule && u->added) {
        (void)policy_rule_del(st, &u->r, true, &u->place);
    } else if (u->rule) {
        policy_rule_put_back(st, &u->r, u->place);
    } else if (u->added) {
        (void)table_remove(st, &u->route);
        route_journal(st, EV_ROUTE_REMOVED, &u->route);
    } else {
        (void)table_insert(st, &u->route);
        route_journal(st, EV_ROUTE_ADDED, &u->route);
    }
}

/* The end of a log: all of it undone, or all of it forgotten. */
static void log_close(struct td_stack *st, struct log *l, bool back)
{
    struct undo *u;

    while ((u = log_take(st, l)) != NULL) {
        if (back)
            undo_one(st, u);
        undo_free(st, u);
    }
}

/* Two steps: the old one goes, the new one comes. */
static bool takes_a_place(enum td_change_kind kind)
{
    return kind == TD_CHANGE_REPLACE || kind == TD_CHANGE_CHANGE;
}

int ip_route_add(struct td_stack *st, const struct fib_route *r, bool replace)
{
    struct log l = {.kept = replace};
    struct fib_route add = *r;
    int err;

    add.dead = false;
    add.next = NULL;
    if (add.proto == FIB_PROTO_KERNEL)
        add.proto = FIB_PROTO_STATIC; /* the kernel's follow from addresses */
    err = route_change(st, &l, replace ? TD_CHANGE_REPLACE : TD_CHANGE_ADD, &add);
    log_close(st, &l, err < 0);
    return err;
}

int ip_route_del(struct td_stack *st, const struct fib_route *r)
{
    struct log none = {0};

    return route_delete(st, &none, r);
}

/* ---- a list ---- */

/* From the public form; paths has room for FIB_PATHS_MAX. */
static int route_from(const struct td_route *r, const struct td_change_list *l,
                      struct fib_path *paths, struct fib_route *out)
{
    static const enum fib_proto proto[] = {FIB_PROTO_STATIC, FIB_PROTO_STATIC, FIB_PROTO_STATIC,
                                           FIB_PROTO_BOOT};

    if (r->type > FIB_THROW || r->npaths > FIB_PATHS_MAX || r->proto > TD_PROTO_BOOT ||
        (r->npaths != 0 && (r->first_path > l->npaths || l->npaths - r->first_path < r->npaths)))
        return -EINVAL;
    *out = (struct fib_route){
        .prefix = r->prefix,
        .plen = r->plen,
        .type = (enum fib_type)r->type,
        .proto = proto[r->proto],
        .metric = r->metric,
        .gateway = r->gateway,
        .src = r->src,
        .ifindex = r->ifindex,
        .mtu = r->mtu,
        .onlink = (r->flags & TD_ROUTE_ONLINK) != 0,
        .npaths = r->npaths,
        .table = r->table == TD_TABLE_MAIN ? 0 : r->table,
        .paths = r->npaths != 0 ? paths : NULL,
    };
    for (unsigned i = 0; i < r->npaths; i++) {
        const struct td_path *p = &l->path[r->first_path + i];

        paths[i] = (struct fib_path){.gateway = p->gateway,
                                     .ifindex = p->ifindex,
                                     .weight = p->weight,
                                     .onlink = (p->flags & TD_ROUTE_ONLINK) != 0};
    }
    return 0;
}

static int change_rule(struct td_stack *st, struct log *l, const struct td_change *c)
{
    struct undo *u = l->kept ? log_new(st, l, 0) : NULL;
    struct td_rule r = c->rule;
    unsigned place = 0;
    int err;

    if (u == NULL && l->kept)
        return -ENOMEM;
    err = c->kind == TD_CHANGE_RULE_ADD ? policy_rule_add(st, &r)
                                          : policy_rule_del(st, &r, false, &place);
    if (u == NULL)
        return err;
    u->rule = true;
    u->added = c->kind == TD_CHANGE_RULE_ADD;
    u->place = place;
    u->r = r;
    if (err < 0)
        undo_free(st, log_take(st, l));
    return err;
}

static int change_one(struct td_stack *st, struct log *l, const struct td_change_list *list,
                      const struct td_change *c)
{
    struct fib_path paths[FIB_PATHS_MAX];
    struct fib_route r;
    int err;

    switch (c->kind) {
    case TD_CHANGE_RULE_ADD:
    case TD_CHANGE_RULE_DEL:
        return change_rule(st, l, c);
    case TD_CHANGE_FLUSH_CACHE:
        dst_forget_all(st);
        return 0;
    default:
        err = route_from(&c->route, list, paths, &r);
        if (err < 0)
            return err;
        return c->kind == TD_CHANGE_DEL ? route_delete(st, l, &r) : route_change(st, l, c->kind, &r);
    }
}

int ip_route_change(struct td_stack *st, const struct td_change_list *list, size_t *bad)
{
    struct log l = {.kept = list->n > 1};
    int err = 0;

    for (size_t i = 0; i < list->n && err == 0; i++) {
        l.kept = l.kept || takes_a_place(list->change[i].kind);
        err = change_one(st, &l, list, &list->change[i]);
        if (err < 0 && bad != NULL)
            *bad = i;
    }
    log_close(st, &l, err < 0);
    return err;
}
