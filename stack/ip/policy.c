/* ip/policy.c: tables of routes, the rules that choose among them, and the ways of one route.
 *
 * Theory of operation. There are many tables, and a list of rules in order of priority. A datagram is
 * held against the rules from the top; the first that matches (source, destination, the interface it
 * came in by) names a table; if that table has no route for it, or one of type throw, the search goes
 * on with the next rule. In the beginning there are three, which match everything, as in Linux:
 *
 *           0:  from all lookup local        what is ours, and broadcasts
 *       32766:  from all lookup main         what `ip route add` writes to
 *       32767:  from all lookup default      empty
 *
 * As long as nobody has added any, asking two tables for each datagram would be waste: the local and
 * the main table are one structure, `fib`, in which a longest match finds both. What is ours is
 * therefore kept twice, in `fib` and in a small table of its own, `own`: that one answers who we are
 * (a question that rules have no say in), and stands for the local table once there are other rules.
 * The rule of the local table can't be deleted: a host knows its own addresses first.
 *
 * Several ways (RFC 2992). A route may have several next hops, with weights. Which one a datagram
 * takes is decided by a hash over its flow, so that the datagrams of one flow keep their order: the
 * hash's range is divided among the living ways by weight, and the datagram takes the one in whose
 * part it falls. What goes into the hash is net.ipv4.fib_multipath_hash_policy: the two addresses
 * (0), or the ports too (1; fragments have none that all pieces could know). The hash has a key of
 * this instance: nobody outside can choose a way. When an interface goes down its way is taken out,
 * and its flows are shared out among the others.
 */
#include "ip/ip_internal.h"

#include <errno.h>
#include <string.h>

#define TABLES_MAX 256
#define RULES_MAX  1024

/* ---- tables ---- */

static uint32_t table_id(const struct fib_route *r)
{
    if (r->table != 0)
        return r->table;
    return r->type == FIB_LOCAL || r->type == FIB_BROADCAST ? TD_TABLE_LOCAL : TD_TABLE_MAIN;
}

struct fib *ip_table(const struct td_stack *st, uint32_t id)
{
    const struct fib_table *t = st->ip->tables;

    if (id == TD_TABLE_LOCAL)
        return st->ip->own;
    if (id == TD_TABLE_MAIN || id == 0)
        return st->ip->fib;
    while (t != NULL && t->id != id)
        t = t->next;
    return t != NULL ? t->fib : NULL;
}

/* The table to write to. *err: -ENOSPC or -ENOMEM. */
static struct fib *table_make(struct td_stack *st, uint32_t id, int *err)
{
    struct fib *f = ip_table(st, id);
    struct fib_table **at = &st->ip->tables, *t;

    if (f != NULL)
        return f;
    *err = st->ip->ntables >= TABLES_MAX ? -ENOSPC : -ENOMEM;
    t = st->ip->ntables < TABLES_MAX ? mem_alloc(&st->mem, MEM_TABLE, sizeof *t) : NULL;
    if (t == NULL)
        return NULL;
    t->id = id;
    t->fib = st->ip->fib_ops->create(&st->mem);
    if (t->fib == NULL) {
        mem_free(&st->mem, MEM_TABLE, t, sizeof *t);
        return NULL;
    }
    while (*at != NULL && (*at)->id < id)
        at = &(*at)->next;
    t->next = *at;
    *at = t;
    st->ip->ntables++;
    return t->fib;
}

static void table_drop_if_empty(struct td_stack *st, uint32_t id)
{
    struct fib_table **at = &st->ip->tables, *t;

    while (*at != NULL && (*at)->id != id)
        at = &(*at)->next;
    t = *at;
    if (t == NULL || (st->ip->fib_ops->count)(t->fib) != 0)
        return;
    *at = t->next;
    st->ip->fib_ops->destroy(t->fib);
    mem_free(&st->mem, MEM_TABLE, t, sizeof *t);
    st->ip->ntables--;
}

int table_insert(struct td_stack *st, const struct fib_route *r)
{
    const struct fib_ops *ops = st->ip->fib_ops;
    uint32_t id = table_id(r);
    struct fib_route gone = *r;
    struct fib *f;
    int err = 0;

    if (id == TD_TABLE_LOCAL || id == TD_TABLE_MAIN) {
        err = ops->insert(st->ip->fib, r);
        if (err != 0 || id == TD_TABLE_MAIN)
            return err;
        err = ops->insert(st->ip->own, r);
        if (err != 0) {
            gone.exact = true;
            (void)ops->remove(st->ip->fib, &gone);
        }
        return err;
    }
    f = table_make(st, id, &err);
    if (f == NULL)
        return err;
    err = ops->insert(f, r);
    table_drop_if_empty(st, id); /* it may have been made for this */
    return err;
}

int table_remove(struct td_stack *st, const struct fib_route *r)
{
    const struct fib_ops *ops = st->ip->fib_ops;
    uint32_t id = table_id(r);
    struct fib *f = ip_table(st, id);
    int err;

    if (f == NULL)
        return -ESRCH;
    if (id == TD_TABLE_LOCAL) {
        (void)ops->remove(st->ip->own, r);
        f = st->ip->fib;
    }
    err = ops->remove(f, r);
    table_drop_if_empty(st, id);
    return err;
}

/* ---- rules ---- */

/* In front of *at. */
static struct ip_rule *rule_new(struct td_stack *st, const struct td_rule *r, struct ip_rule **at)
{
    struct ip_rule *n = mem_alloc(&st->mem, MEM_TABLE, sizeof *n);
    const struct netif *nif;

    if (n == NULL)
        return NULL;
    n->r = *r;
    nif = netif_by_name(st, r->iif);
    n->iif = nif != NULL ? nif->index : 0;
    nif = netif_by_name(st, r->oif);
    n->oif = nif != NULL ? nif->index : 0;
    n->next = *at;
    *at = n;
    st->ip->nrules++;
    return n;
}

/* Behind those of its priority. */
static struct ip_rule **rule_place(struct td_stack *st, uint32_t priority)
{
    struct ip_rule **at = &st->ip->rules;

    while (*at != NULL && (*at)->r.priority <= priority)
        at = &(*at)->next;
    return at;
}

static bool rule_is(const struct td_rule *r, uint32_t priority, uint32_t table)
{
    return r->priority == priority && r->table == table && r->type == FIB_UNICAST && !r->not &&
           r->from_len == 0 && r->to_len == 0 && r->iif[0] == '\0' && r->oif[0] == '\0';
}

/* Do the rules say no more than "local, then main, then default"? */
static void rules_judge(struct td_stack *st)
{
    const struct ip_rule *a = st->ip->rules, *b = a != NULL ? a->next : NULL;
    const struct ip_rule *c = b != NULL ? b->next : NULL;

    st->ip->rules_plain = c != NULL && c->next == NULL && rule_is(&a->r, 0, TD_TABLE_LOCAL) &&
                          rule_is(&b->r, RULE_MAIN, TD_TABLE_MAIN) &&
                          rule_is(&c->r, RULE_DEFAULT, TD_TABLE_DEFAULT);
}

int policy_init(struct td_stack *st)
{
    static const struct td_rule first[] = {{.priority = 0, .table = TD_TABLE_LOCAL},
                                           {.priority = RULE_MAIN, .table = TD_TABLE_MAIN},
                                           {.priority = RULE_DEFAULT, .table = TD_TABLE_DEFAULT}};

    st->ip->own = st->ip->fib_ops->create(&st->mem);
    if (st->ip->own == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < sizeof first / sizeof first[0]; i++)
        if (rule_new(st, &first[i], rule_place(st, first[i].priority)) == NULL)
            return -ENOMEM;
    rules_judge(st);
    return 0;
}

static void rule_free(struct td_stack *st, struct ip_rule **at)
{
    struct ip_rule *r = *at;

    *at = r->next;
    st->ip->nrules--;
    mem_free(&st->mem, MEM_TABLE, r, sizeof *r);
}

void policy_done(struct td_stack *st)
{
    struct fib_table *t;

    while ((t = st->ip->tables) != NULL) {
        st->ip->tables = t->next;
        st->ip->fib_ops->destroy(t->fib);
        mem_free(&st->mem, MEM_TABLE, t, sizeof *t);
    }
    while (st->ip->rules != NULL)
        rule_free(st, &st->ip->rules);
    if (st->ip->own != NULL)
        st->ip->fib_ops->destroy(st->ip->own);
    st->ip->own = NULL;
}

static bool same_name(const char *a, const char *b)
{
    return strncmp(a, b, sizeof ((struct td_rule *)0)->iif) == 0;
}

static bool rule_same(const struct td_rule *a, const struct td_rule *b)
{
    return a->priority == b->priority && a->from == b->from && a->to == b->to &&
           a->from_len == b->from_len && a->to_len == b->to_len && same_name(a->iif, b->iif) &&
           same_name(a->oif, b->oif) && a->not == b->not && a->type == b->type &&
           a->table == b->table;
}

static int rule_check(const struct td_stack *st, const struct td_rule *r)
{
    bool verdict = r->type == FIB_BLACKHOLE || r->type == FIB_UNREACHABLE || r->type == FIB_PROHIBIT;

    if (r->from_len > 32 || r->to_len > 32 || (r->from & ~ip4_mask(r->from_len)) != 0 ||
        (r->to & ~ip4_mask(r->to_len)) != 0 || (!verdict && r->type != FIB_UNICAST) ||
        verdict != (r->table == 0) || memchr(r->iif, '\0', sizeof r->iif) == NULL ||
        memchr(r->oif, '\0', sizeof r->oif) == NULL)
        return -EINVAL;
    if ((r->iif[0] != '\0' && netif_by_name(st, r->iif) == NULL) ||
        (r->oif[0] != '\0' && netif_by_name(st, r->oif) == NULL))
        return -ENODEV;
    return 0;
}

static void rule_journal(struct td_stack *st, enum event_id ev, const struct td_rule *r)
{
    struct journal_subject sub = {.addr = r->from};

    JOURNAL_CAUSE(st, ev, &sub, r->priority, (uint64_t)r->from << 8 | r->from_len, r->table,
                  (uint64_t)r->to << 8 | r->to_len, r->type);
}

int policy_rule_add(struct td_stack *st, struct td_rule *r)
{
    int err = rule_check(st, r);

    if (err < 0)
        return err;
    if (r->priority == 0) { /* as Linux: in front of all but the local table's */
        const struct ip_rule *second = st->ip->rules != NULL ? st->ip->rules->next : NULL;

        r->priority = second != NULL && second->r.priority > 1 ? second->r.priority - 1 : 1;
    }
    for (const struct ip_rule *i = st->ip->rules; i != NULL; i = i->next)
        if (rule_same(&i->r, r))
            return -EEXIST;
    if (st->ip->nrules >= RULES_MAX)
        return -ENOSPC;
    if (rule_new(st, r, rule_place(st, r->priority)) == NULL)
        return -ENOMEM;
    rules_judge(st);
    rule_journal(st, EV_RULE_ADDED, r);
    return 0;
}

static bool rule_asked(const struct td_rule *asked, const struct td_rule *r)
{
    return (asked->priority == 0 || asked->priority == r->priority) &&
           (asked->table == 0 || asked->table == r->table) && (asked->type == FIB_UNICAST || asked->type == r->type) &&
           (asked->from_len == 0 || (asked->from == r->from && asked->from_len == r->from_len)) &&
           (asked->to_len == 0 || (asked->to == r->to && asked->to_len == r->to_len)) &&
           (asked->iif[0] == '\0' || same_name(asked->iif, r->iif)) &&
           (asked->oif[0] == '\0' || same_name(asked->oif, r->oif)) && (!asked->not || r->not);
}

int policy_rule_del(struct td_stack *st, struct td_rule *r, bool exact, unsigned *place)
{
    struct ip_rule **at = &st->ip->rules;
    bool first = false;

    *place = 0;
    while (*at != NULL && ((*at)->r.priority == 0 ||
                           !(exact ? rule_same(r, &(*at)->r) : rule_asked(r, &(*at)->r)))) {
        first = first || ((*at)->r.priority == 0 && rule_asked(r, &(*at)->r));
        at = &(*at)->next;
        (*place)++;
    }
    if (*at == NULL)
        return first ? -EPERM : -ESRCH;
    *r = (*at)->r;
    rule_free(st, at);
    rules_judge(st);
    rule_journal(st, EV_RULE_REMOVED, r);
    return 0;
}

/* It was good once: an interface that it names may have gone since, and it has a place among those
 * of its priority. */
void policy_rule_put_back(struct td_stack *st, const struct td_rule *r, unsigned place)
{
    struct ip_rule **at = &st->ip->rules;

    while (*at != NULL && place-- > 0)
        at = &(*at)->next;
    if (rule_new(st, r, at) == NULL)
        return;
    rules_judge(st);
    rule_journal(st, EV_RULE_ADDED, r);
}

/* A name comes and goes with its interface; the rule stays. */
void policy_interface(struct td_stack *st, const struct netif *nif, bool there)
{
    for (struct ip_rule *i = st->ip->rules; i != NULL; i = i->next) {
        if (same_name(i->r.iif, nif->name))
            i->iif = there ? nif->index : 0;
        if (same_name(i->r.oif, nif->name))
            i->oif = there ? nif->index : 0;
    }
}

bool ip_rule_matches(const struct ip_rule *i, const struct route_key *k)
{
    bool match = ((k->src ^ i->r.from) & ip4_mask(i->r.from_len)) == 0 &&
                 ((k->dst ^ i->r.to) & ip4_mask(i->r.to_len)) == 0 &&
                 (i->r.iif[0] == '\0' || (i->iif != 0 && i->iif == k->iif)) &&
                 (i->r.oif[0] == '\0' || (i->oif != 0 && i->oif == k->oif));

    return match != i->r.not;
}

/* ---- looking up ---- */

const struct fib_hop *ip_rule_verdict(uint8_t type)
{
    static const struct fib_hop blackhole = {.type = FIB_BLACKHOLE};
    static const struct fib_hop unreachable = {.type = FIB_UNREACHABLE};
    static const struct fib_hop prohibit = {.type = FIB_PROHIBIT};

    return type == FIB_BLACKHOLE ? &blackhole : type == FIB_PROHIBIT ? &prohibit : &unreachable;
}

static const struct fib_hop *table_ask(const struct td_stack *st, uint32_t id,
                                        const struct route_key *k)
{
    const struct fib_ops *ops = st->ip->fib_ops;
    struct fib *f = ip_table(st, id);

    if (f == NULL)
        return NULL;
    return id == TD_TABLE_MAIN ? ops->find_main(f, k->dst, k->oif) : ops->find(f, k->dst, k->oif);
}

const struct fib_hop *ip_resolve(const struct td_stack *st, const struct route_key *k)
{
    const struct fib_hop *h;

    if (st->ip->rules_plain || FAULT_ON(st, RULES_IGNORED)) {
        h = ip_fib_lookup(st, k->dst, k->oif);
        if ((h == NULL || h->type == FIB_THROW) && st->ip->tables != NULL)
            h = table_ask(st, TD_TABLE_DEFAULT, k);
        return h != NULL && h->type != FIB_THROW ? h : NULL;
    }
    for (const struct ip_rule *i = st->ip->rules; i != NULL; i = i->next) {
        if (!ip_rule_matches(i, k))
            continue;
        if (i->r.type != FIB_UNICAST)
            return ip_rule_verdict(i->r.type);
        h = table_ask(st, i->r.table, k);
        if (h != NULL && h->type != FIB_THROW)
            return h;
    }
    return NULL;
}

/* ---- one of several ways ---- */

static bool path_lives(const struct td_stack *st, const struct fib_path *p, uint32_t oif)
{
    return (!p->linkdown || FAULT_ON(st, DEAD_PATHS)) && !p->dead && (oif == 0 || p->ifindex == oif);
}

static uint32_t flow_hash(const struct td_stack *st, const struct route_key *k)
{
    uint32_t word[4] = {k->src, k->dst, 0, 0};

    if (knob(st, FIB_MULTIPATH_HASH_POLICY) == 1) {
        word[2] = k->ports;
        word[3] = k->proto;
    }
    if (FAULT_ON(st, PATH_PER_PACKET))
        word[3] = (uint32_t)st->journal.next_packet;
    return (uint32_t)(siphash(&st->hash_key, word, sizeof word) >> 32);
}

struct route_step ip_step(const struct td_stack *st, const struct fib_hop *h,
                          const struct route_key *k)
{
    uint32_t total = 0, at;

    if (h->npaths == 0)
        return (struct route_step){h->gateway, h->ifindex};
    for (unsigned i = 0; i < h->npaths; i++)
        total += path_lives(st, &h->paths[i], k->oif) ? h->paths[i].weight : 0;
    at = (uint32_t)((uint64_t)flow_hash(st, k) * total >> 32);
    for (unsigned i = 0; i < h->npaths; i++) {
        const struct fib_path *p = &h->paths[i];

        if (!path_lives(st, p, k->oif))
            continue;
        if (at < p->weight)
            return (struct route_step){p->gateway, p->ifindex};
        at -= p->weight;
    }
    return (struct route_step){0, 0}; /* none lives: no interface */
}

uint32_t ip_flow_ports(const struct pkt *p, uint32_t at, const struct ipv4_hdr *h)
{
    uint8_t b[4];

    if ((h->proto != 6 && h->proto != 17) || h->frag_off != 0 || (h->flags & IPV4_MF) != 0 ||
        !pkt_read(p, at, b, sizeof b))
        return 0;
    return wire_get32(b);
}

/* ---- what the console asks ---- */

uint32_t td_table_next(struct td_stack *st, uint32_t after)
{
    const struct fib_table *t = st->ip->tables;
    uint32_t best;

    while (t != NULL && t->id <= after)
        t = t->next;
    best = t != NULL ? t->id : 0;
    if (after < TD_TABLE_MAIN && (best == 0 || best > TD_TABLE_MAIN))
        return TD_TABLE_MAIN;
    if (after < TD_TABLE_LOCAL && (best == 0 || best > TD_TABLE_LOCAL))
        return TD_TABLE_LOCAL;
    return best;
}

bool td_rule_get(struct td_stack *st, unsigned i, struct td_rule *out)
{
    const struct ip_rule *r = st->ip->rules;

    while (r != NULL && i-- > 0)
        r = r->next;
    if (r != NULL)
        *out = r->r;
    return r != NULL;
}
