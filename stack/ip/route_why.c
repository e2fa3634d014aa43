/* ip/route_why.c: how a route is found, step by step, for `ip route get`; and tables as they are read.
 *
 * Theory of operation. The search of policy.c is done again, slowly, and tells what it sees: each rule
 * in turn, and of the table it names every route that covers the destination, the longest prefix
 * first. The first usable one is chosen; about each of the others it says why not. A prefix of each
 * length is looked up by its own, so it takes 33 small searches a table, whatever its size. Nothing
 * here changes anything.
 */
#include "ip/ip_internal.h"

#include <errno.h>
#include <string.h>

static bool type_own(enum fib_type t)
{
    return t == FIB_LOCAL || t == FIB_BROADCAST;
}

static uint8_t flags_of(bool onlink, bool dead, bool down)
{
    return (uint8_t)((onlink ? TD_ROUTE_ONLINK : 0) | (dead ? TD_ROUTE_DEAD : 0) |
                     (down ? TD_ROUTE_LINKDOWN : 0));
}

uint8_t route_proto_public(enum fib_proto p)
{
    static const uint8_t proto[] = {[FIB_PROTO_KERNEL] = TD_PROTO_KERNEL,
                                    [FIB_PROTO_STATIC] = TD_PROTO_STATIC,
                                    [FIB_PROTO_REDIRECT] = TD_PROTO_REDIRECT,
                                    [FIB_PROTO_BOOT] = TD_PROTO_BOOT};

    return proto[p];
}

static struct td_route route_public(const struct fib_route *r, uint32_t table)
{
    return (struct td_route){.prefix = r->prefix,
                             .plen = r->plen,
                             .type = (uint8_t)r->type,
                             .gateway = r->gateway,
                             .src = r->src,
                             .ifindex = r->ifindex,
                             .metric = r->metric,
                             .mtu = r->mtu,
                             .table = table,
                             .flags = flags_of(r->onlink, r->dead, r->linkdown),
                             .proto = route_proto_public(r->proto),
                             .npaths = r->npaths};
}

bool td_route_next(struct td_stack *st, uint32_t table, uint64_t *cursor, struct td_route *out,
                   struct td_path *path)
{
    struct fib *f = ip_table(st, table);
    const struct fib_route *r;

    do {
        r = f != NULL ? st->ip->fib_ops->next(f, cursor) : NULL;
    } while (r != NULL && table == TD_TABLE_MAIN && type_own(r->type));
    if (r == NULL)
        return false;
    *out = route_public(r, table);
    for (unsigned i = 0; i < r->npaths && path != NULL; i++) {
        const struct fib_path *p = &r->paths[i];

        path[i] = (struct td_path){.gateway = p->gateway,
                                   .ifindex = p->ifindex,
                                   .weight = p->weight,
                                   .flags = flags_of(p->onlink, p->dead, p->linkdown)};
    }
    return true;
}

struct report {
    struct td_reason *reason;
    unsigned max, n;
};

static struct td_reason *say(struct report *to, enum td_verdict v)
{
    struct td_reason *r = to->n < to->max ? &to->reason[to->n++] : NULL;

    if (r != NULL) {
        memset(r, 0, sizeof *r);
        r->verdict = v;
    }
    return r;
}

static bool leads(const struct fib_route *r, uint32_t oif)
{
    return fib_hop_leads(r->hop, oif);
}

static enum td_verdict judge(const struct fib_route *r, const struct fib_route *winner, uint32_t oif)
{
    if (winner != NULL)
        return winner->plen == r->plen ? TD_ROUTE_METRIC : TD_ROUTE_SHORTER;
    if (r->dead)
        return TD_ROUTE_IS_DEAD;
    if (r->linkdown || !leads(r, 0))
        return TD_ROUTE_IS_DOWN;
    if (!leads(r, oif))
        return TD_ROUTE_OTHER_DEV;
    return r->type == FIB_THROW ? TD_ROUTE_THROWS : TD_ROUTE_CHOSEN;
}

/* The candidates of a table; true: one of them answers. */
static bool report_table(struct td_stack *st, struct report *to, uint32_t table,
                         const struct route_key *k)
{
    struct fib *f = ip_table(st, table);
    const struct fib_route *winner = NULL, *r;

    for (unsigned plen = 33; f != NULL && plen-- > 0;) {
        td_ip4 prefix = k->dst & ip4_mask(plen);
        uint64_t cursor = fib_cursor(prefix, (uint8_t)plen);

        while ((r = st->ip->fib_ops->next(f, &cursor)) != NULL && r->prefix == prefix &&
               r->plen == plen) {
            enum td_verdict v = judge(r, winner, k->oif);
            struct td_reason *to_say;

            if (table == TD_TABLE_MAIN && type_own(r->type))
                continue;
            to_say = say(to, v);
            if (to_say != NULL)
                to_say->route = route_public(r, table);
            if (v == TD_ROUTE_CHOSEN || v == TD_ROUTE_THROWS)
                winner = r;
        }
    }
    return winner != NULL && winner->type != FIB_THROW;
}

static void report_rules(struct td_stack *st, struct report *to, const struct route_key *k)
{
    for (const struct ip_rule *i = st->ip->rules; i != NULL; i = i->next) {
        bool match = ip_rule_matches(i, k);
        struct td_reason *rule = say(to, match ? TD_RULE_PASSED : TD_RULE_OTHER);

        if (rule != NULL)
            rule->rule = i->r;
        if (!match || (i->r.type == FIB_UNICAST && !report_table(st, to, i->r.table, k)))
            continue;
        if (rule != NULL)
            rule->verdict = TD_RULE_DECIDES;
        return;
    }
}

/* As forwarding has it: no source is chosen, and what ICMP told this host steers nobody else. */
static int explain_transit(struct td_stack *st, const struct route_key *k,
                           struct ip_route_result *out)
{
    const struct fib_hop *r = ip_own(st, k->dst, 0);
    struct route_step step;

    if (r == NULL || r->type != FIB_LOCAL)
        r = ip_resolve(st, k);
    if (r == NULL)
        return -ENETUNREACH;
    out->type = r->type;
    out->route = r;
    if (route_type_error(r->type) != 0)
        return route_type_error(r->type);
    if (r->type == FIB_LOCAL) {
        out->nexthop = k->dst;
        out->nif = netif_by_index(st, route_loopback(st));
        return 0;
    }
    step = ip_step(st, r, k);
    out->nif = netif_by_index(st, step.ifindex);
    if (out->nif == NULL)
        return -ENETUNREACH;
    out->nexthop = step.gateway != 0 ? step.gateway : k->dst;
    out->mtu = r->mtu != 0 ? r->mtu : out->nif->mtu;
    return 0;
}

int td_route_explain(struct td_stack *st, const struct td_route_query *q,
                     struct td_route_answer *out, struct td_reason *reason, unsigned max,
                     unsigned *n)
{
    struct report to = {.reason = reason, .max = max};
    struct route_key k = {.dst = q->dst,
                          .src = q->src,
                          .iif = q->iif != 0 ? q->iif : route_loopback(st),
                          .oif = q->oif,
                          .proto = q->proto,
                          .ports = (uint32_t)q->sport << 16 | q->dport};
    struct ip_route_result r = {.src = q->src};
    int err;

    if (q->iif != 0) {
        err = explain_transit(st, &k, &r);
    } else {
        err = route_find_flow(st, k, &r);
        if (err == 0 && r.src == 0)
            err = -EADDRNOTAVAIL;
    }
    if (k.dst != TD_IP4_BROADCAST && !ip4_is_multicast(k.dst)) /* for those no table is asked */
        report_rules(st, &to, &k);
    *n = to.n;
    *out = (struct td_route_answer){.src = r.src,
                                    .nexthop = r.nexthop,
                                    .ifindex = r.nif != NULL ? r.nif->index : 0,
                                    .mtu = r.mtu,
                                    .type = (uint8_t)r.type};
    return err;
}
