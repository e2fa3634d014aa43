/* ip/nf/ruleset.c: tables, chains and rules as they are changed.
 *
 * A change is made to a copy of all tables, which takes the place of the old ones when it is complete and has been
 * checked: so a packet never meets half a change, and one that fails leaves nothing behind. (Linux exchanges whole
 * tables for the same reason.) Counters and the buckets of `limit` are copied with their rules.
 *
 * The check counts who jumps where, and goes down from each builtin chain: a loop, more than NF_DEPTH_MAX levels, or
 * a target in a chain that can be reached from a hook where it makes no sense (SNAT in PREROUTING) is refused.
 */
#include "ip/nf/nf_internal.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    struct {
        const char *name;
        enum nf_hook hook;
    } chain[NF_HOOKS];
    unsigned n;
} builtin[NF_TABLES] = {
    [NF_FILTER] = {"filter", {{"INPUT", NF_INPUT}, {"FORWARD", NF_FORWARD}, {"OUTPUT", NF_OUTPUT}}, 3},
    [NF_NAT] = {"nat",
                {{"PREROUTING", NF_PREROUTING},
                 {"INPUT", NF_INPUT},
                 {"OUTPUT", NF_OUTPUT},
                 {"POSTROUTING", NF_POSTROUTING}},
                4},
    [NF_MANGLE] = {"mangle",
                   {{"PREROUTING", NF_PREROUTING},
                    {"INPUT", NF_INPUT},
                    {"FORWARD", NF_FORWARD},
                    {"OUTPUT", NF_OUTPUT},
                    {"POSTROUTING", NF_POSTROUTING}},
                   5},
};

const char *nf_table_name(enum nf_table_id t)
{
    return builtin[t].name;
}

bool nf_table_find(const char *name, enum nf_table_id *t)
{
    for (unsigned i = 0; i < NF_TABLES; i++)
        if (strcmp(name, builtin[i].name) == 0) {
            *t = (enum nf_table_id)i;
            return true;
        }
    return false;
}

const char *nf_builtin(enum nf_table_id t, unsigned n)
{
    return n < builtin[t].n ? builtin[t].chain[n].name : NULL;
}

const struct nf_ruleset *nf_rules(const struct td_stack *st)
{
    return st->ip->nf != NULL ? st->ip->nf->rules : NULL;
}

/* ---- rules ---- */

void nf_rule_free(struct td_stack *st, struct nf_rule *r)
{
    if (r == NULL)
        return;
    if (r->comment != NULL)
        mem_free(&st->mem, MEM_IP, r->comment, strlen(r->comment) + 1);
    mem_free(&st->mem, MEM_IP, r, sizeof *r);
}

static struct nf_rule *rule_copy(struct td_stack *st, const struct nf_rule *from)
{
    struct nf_rule *r = mem_alloc(&st->mem, MEM_IP, sizeof *r);

    if (r == NULL)
        return NULL;
    *r = *from;
    if (from->comment != NULL) {
        size_t n = strlen(from->comment) + 1;

        r->comment = mem_alloc(&st->mem, MEM_IP, n);
        if (r->comment == NULL) {
            mem_free(&st->mem, MEM_IP, r, sizeof *r);
            return NULL;
        }
        memcpy(r->comment, from->comment, n);
    }
    return r;
}

/* By what they say: their counters may differ. */
bool nf_rule_same(const struct nf_rule *a, const struct nf_rule *b)
{
    char x[NF_SPEC_MAX], y[NF_SPEC_MAX];

    (void)nf_rule_spec(a, x, sizeof x);
    (void)nf_rule_spec(b, y, sizeof y);
    return strcmp(x, y) == 0;
}

static bool rules_room(struct td_stack *st, struct nf_chain *c, uint32_t want)
{
    uint32_t cap = c->cap > 0 ? c->cap : 4;
    void *more;

    if (want <= c->cap)
        return true;
    while (cap < want)
        cap *= 2;
    more = mem_resize(&st->mem, MEM_IP, c->rule, c->cap * sizeof(struct nf_rule *), cap * sizeof(struct nf_rule *));
    if (more == NULL)
        return false;
    c->rule = more;
    c->cap = cap;
    return true;
}

bool nf_rule_insert(struct td_stack *st, struct nf_ruleset *s, struct nf_chain *c, uint32_t at, struct nf_rule *r)
{
    if (!rules_room(st, c, c->nrules + 1))
        return false;
    memmove(c->rule + at + 1, c->rule + at, (c->nrules - at) * sizeof *c->rule);
    c->rule[at] = r;
    c->nrules++;
    s->nrules++;
    return true;
}

void nf_rule_remove(struct td_stack *st, struct nf_ruleset *s, struct nf_chain *c, uint32_t at)
{
    nf_rule_free(st, c->rule[at]);
    c->nrules--;
    s->nrules--;
    memmove(c->rule + at, c->rule + at + 1, (c->nrules - at) * sizeof *c->rule);
}

void nf_chain_flush(struct td_stack *st, struct nf_ruleset *s, struct nf_chain *c)
{
    while (c->nrules > 0)
        nf_rule_remove(st, s, c, c->nrules - 1);
}

/* ---- chains ---- */

struct nf_chain *nf_chain_find(const struct nf_table *t, const char *name)
{
    for (uint32_t i = 0; i < t->nchains; i++)
        if (strcmp(t->chain[i]->name, name) == 0)
            return t->chain[i];
    return NULL;
}

/* Where a user's chain of that name stands: behind the builtin ones, by name. */
static uint32_t place_of(const struct nf_table *t, const char *name)
{
    uint32_t at = 0;

    while (at < t->nchains && (t->chain[at]->builtin || strcmp(t->chain[at]->name, name) < 0))
        at++;
    return at;
}

static bool chain_put(struct td_stack *st, struct nf_table *t, struct nf_chain *c, uint32_t at)
{
    if (t->nchains == t->cap) {
        uint32_t cap = t->cap > 0 ? t->cap * 2 : 8;
        void *more = mem_resize(&st->mem, MEM_IP, t->chain, t->cap * sizeof(struct nf_chain *),
                                cap * sizeof(struct nf_chain *));

        if (more == NULL)
            return false;
        t->chain = more;
        t->cap = cap;
    }
    memmove(t->chain + at + 1, t->chain + at, (t->nchains - at) * sizeof(struct nf_chain *));
    t->chain[at] = c;
    t->nchains++;
    return true;
}

static struct nf_chain *chain_new(struct td_stack *st, struct nf_table *t, const char *name, uint32_t at)
{
    struct nf_chain *c = mem_alloc(&st->mem, MEM_IP, sizeof *c);

    if (c != NULL && !chain_put(st, t, c, at)) {
        mem_free(&st->mem, MEM_IP, c, sizeof *c);
        c = NULL;
    }
    if (c != NULL)
        (void)snprintf(c->name, sizeof c->name, "%s", name);
    return c;
}

struct nf_chain *nf_chain_add(struct td_stack *st, struct nf_table *t, const char *name)
{
    return chain_new(st, t, name, place_of(t, name));
}

static void chain_free(struct td_stack *st, struct nf_chain *c)
{
    for (uint32_t i = 0; i < c->nrules; i++)
        nf_rule_free(st, c->rule[i]);
    mem_free(&st->mem, MEM_IP, c->rule, c->cap * sizeof(struct nf_rule *));
    mem_free(&st->mem, MEM_IP, c, sizeof *c);
}

static void chain_take_out(struct nf_table *t, const struct nf_chain *c)
{
    uint32_t at = 0;

    while (t->chain[at] != c)
        at++;
    t->nchains--;
    memmove(t->chain + at, t->chain + at + 1, (t->nchains - at) * sizeof(struct nf_chain *));
}

/* It is empty, and nobody jumps to it. */
void nf_chain_remove(struct td_stack *st, struct nf_table *t, struct nf_chain *c)
{
    chain_take_out(t, c);
    chain_free(st, c);
}

void nf_chain_rename(struct nf_table *t, struct nf_chain *c, const char *name)
{
    uint32_t at;

    chain_take_out(t, c);
    (void)snprintf(c->name, sizeof c->name, "%s", name);
    at = place_of(t, name);
    memmove(t->chain + at + 1, t->chain + at, (t->nchains - at) * sizeof(struct nf_chain *));
    t->chain[at] = c;
    t->nchains++;
}

/* ---- whole sets ---- */

void nf_ruleset_free(struct td_stack *st, struct nf_ruleset *s)
{
    if (s == NULL)
        return;
    for (unsigned t = 0; t < NF_TABLES; t++) {
        struct nf_table *tab = &s->table[t];

        for (uint32_t i = 0; i < tab->nchains; i++)
            chain_free(st, tab->chain[i]);
        mem_free(&st->mem, MEM_IP, tab->chain, tab->cap * sizeof(struct nf_chain *));
    }
    mem_free(&st->mem, MEM_IP, s, sizeof *s);
}

static bool table_fresh(struct td_stack *st, struct nf_table *t, unsigned id)
{
    for (unsigned i = 0; i < builtin[id].n; i++) {
        struct nf_chain *c = chain_new(st, t, builtin[id].chain[i].name, i);

        if (c == NULL)
            return false;
        c->builtin = true;
        c->hook = builtin[id].chain[i].hook;
    }
    return true;
}

static bool chain_rules_copy(struct td_stack *st, struct nf_ruleset *s, const struct nf_chain *from)
{
    struct nf_chain *c = from->copy;

    if (!rules_room(st, c, from->nrules))
        return false;
    for (uint32_t i = 0; i < from->nrules; i++) {
        struct nf_rule *r = rule_copy(st, from->rule[i]);

        if (r == NULL)
            return false;
        if (r->jump != NULL)
            r->jump = r->jump->copy;
        c->rule[c->nrules++] = r;
        s->nrules++;
    }
    return true;
}

static bool table_copy(struct td_stack *st, struct nf_ruleset *s, struct nf_table *t, const struct nf_table *from)
{
    for (uint32_t i = 0; i < from->nchains; i++) {
        struct nf_chain *c = chain_new(st, t, from->chain[i]->name, i);

        if (c == NULL)
            return false;
        c->builtin = from->chain[i]->builtin;
        c->hook = from->chain[i]->hook;
        c->drop = from->chain[i]->drop;
        c->packets = from->chain[i]->packets;
        c->bytes = from->chain[i]->bytes;
        c->name_id = from->chain[i]->name_id;
        from->chain[i]->copy = c;
    }
    for (uint32_t i = 0; i < from->nchains; i++)
        if (!chain_rules_copy(st, s, from->chain[i]))
            return false;
    return true;
}

struct nf_ruleset *nf_ruleset_copy(struct td_stack *st, const struct nf_ruleset *from)
{
    struct nf_ruleset *s = mem_alloc(&st->mem, MEM_IP, sizeof *s);
    bool ok = s != NULL;

    for (unsigned t = 0; ok && t < NF_TABLES; t++)
        ok = from != NULL ? table_copy(st, s, &s->table[t], &from->table[t]) : table_fresh(st, &s->table[t], t);
    if (!ok) {
        nf_ruleset_free(st, s);
        return NULL;
    }
    return s;
}

bool nf_table_idle(const struct nf_ruleset *s, enum nf_table_id t)
{
    for (uint32_t i = 0; i < s->table[t].nchains; i++) {
        const struct nf_chain *c = s->table[t].chain[i];

        if (!c->builtin || c->drop || c->nrules > 0)
            return false;
    }
    return true;
}

bool nf_ruleset_idle(const struct nf_ruleset *s)
{
    for (unsigned t = 0; t < NF_TABLES; t++)
        if (!nf_table_idle(s, (enum nf_table_id)t))
            return false;
    return true;
}

/* ---- the check ---- */

/* The hooks from which a target may be reached. */
static unsigned hooks_of(const struct nf_rule *r)
{
    switch (r->target) {
    case NF_T_SNAT:
        return 1U << NF_POSTROUTING | 1U << NF_INPUT;
    case NF_T_MASQUERADE:
        return 1U << NF_POSTROUTING;
    case NF_T_DNAT:
    case NF_T_REDIRECT:
        return 1U << NF_PREROUTING | 1U << NF_OUTPUT;
    case NF_T_REJECT:
        return 1U << NF_INPUT | 1U << NF_FORWARD | 1U << NF_OUTPUT;
    case NF_T_TCPMSS:
        return r->mss != 0 ? 1U << NF_INPUT | 1U << NF_FORWARD | 1U << NF_OUTPUT : 1U << NF_FORWARD | 1U << NF_OUTPUT;
    default:
        break;
    }
    unsigned all = (1U << NF_HOOKS) - 1;

    if ((r->match & NF_M_IN) != 0)
        all &= ~(1U << NF_OUTPUT | 1U << NF_POSTROUTING);
    if ((r->match & NF_M_OUT) != 0)
        all &= ~(1U << NF_INPUT | 1U << NF_PREROUTING);
    return all;
}

static bool rules_may_stand(const struct nf_chain *c, const char *table, char *msg, size_t size)
{
    for (uint32_t i = 0; i < c->nrules; i++) {
        if ((c->hooks & ~hooks_of(c->rule[i])) == 0)
            continue;
        (void)snprintf(msg, size, "rule %u of chain %s can't stand in table %s there: %s belongs %s", i + 1, c->name,
                       table, nf_target_name(c->rule[i]),
                       c->rule[i]->target == NF_T_SNAT || c->rule[i]->target == NF_T_MASQUERADE
                           ? "into POSTROUTING"
                       : c->rule[i]->target == NF_T_DNAT || c->rule[i]->target == NF_T_REDIRECT
                           ? "into PREROUTING or OUTPUT"
                       : c->rule[i]->target == NF_T_TCPMSS ? "into FORWARD or OUTPUT"
                                                           : "where packets have that interface");
        return false;
    }
    return true;
}

/* How many levels are below each chain, from the leaves up: as long as something is found, there are no loops. */
static bool find_depths(struct nf_table *t, char *msg, size_t size)
{
    uint32_t done = 0, before;

    for (uint32_t i = 0; i < t->nchains; i++)
        t->chain[i]->mark = 0;
    do {
        before = done;
        for (uint32_t i = 0; i < t->nchains; i++) {
            struct nf_chain *c = t->chain[i];
            unsigned depth = 0;
            bool ready = c->mark == 0;

            for (uint32_t k = 0; ready && k < c->nrules; k++) {
                const struct nf_chain *to = c->rule[k]->jump;

                if (to == NULL)
                    continue;
                ready = to->mark != 0;
                if (to->depth + 1U > depth)
                    depth = to->depth + 1U;
            }
            if (!ready)
                continue;
            if (depth > NF_DEPTH_MAX) {
                (void)snprintf(msg, size, "chains are called more than %u deep below %s", NF_DEPTH_MAX, c->name);
                return false;
            }
            c->depth = (uint8_t)depth;
            c->mark = 1;
            done++;
        }
    } while (done > before);
    if (done == t->nchains)
        return true;
    for (uint32_t i = 0; i < t->nchains; i++)
        if (t->chain[i]->mark == 0) {
            (void)snprintf(msg, size, "chain %s is in a loop of jumps that comes back to it, or leads into one",
                           t->chain[i]->name);
            break;
        }
    return false;
}

/* Passes on from which builtin chains a chain is reached, from the top down. */
static void find_hooks(struct nf_table *t)
{
    for (uint32_t i = 0; i < t->nchains; i++) {
        t->chain[i]->hooks = (uint8_t)(t->chain[i]->builtin ? 1U << t->chain[i]->hook : 0U);
        t->chain[i]->refs = 0;
    }
    for (unsigned depth = NF_DEPTH_MAX + 1; depth-- > 0;)
        for (uint32_t i = 0; i < t->nchains; i++) {
            struct nf_chain *c = t->chain[i];

            for (uint32_t k = 0; c->depth == depth && k < c->nrules; k++)
                if (c->rule[k]->jump != NULL) {
                    c->rule[k]->jump->hooks |= c->hooks;
                    c->rule[k]->jump->refs++;
                }
        }
}

bool nf_ruleset_check(struct nf_ruleset *s, char *msg, size_t msg_size)
{
    for (unsigned t = 0; t < NF_TABLES; t++) {
        struct nf_table *tab = &s->table[t];

        if (!find_depths(tab, msg, msg_size))
            return false;
        find_hooks(tab);
        for (uint32_t i = 0; i < tab->nchains; i++)
            if (!rules_may_stand(tab->chain[i], builtin[t].name, msg, msg_size))
                return false;
    }
    return true;
}

void nf_ruleset_link(struct td_stack *st, struct nf_ruleset *s)
{
    for (unsigned t = 0; t < NF_TABLES; t++)
        for (uint32_t i = 0; i < s->table[t].nchains; i++) {
            struct nf_chain *c = s->table[t].chain[i];

            c->name_id = nf_intern(st, c->name);
            for (uint32_t k = 0; k < c->nrules; k++)
                if (c->rule[k]->target == NF_T_LOG)
                    c->rule[k]->prefix_id = nf_intern(st, c->rule[k]->prefix);
        }
}
