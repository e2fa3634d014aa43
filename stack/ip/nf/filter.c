/* ip/nf/filter.c: a packet goes through the rules of a chain.
 *
 * Theory of operation. Rules are asked in order; one matches when everything it says is so. Its target decides
 * (ACCEPT, DROP, REJECT, in the nat table a translation), goes to another chain (jump: to come back at its end or
 * at RETURN; goto: not), or does something and lets the next rule go on (LOG, TCPMSS, none). At the end of a builtin
 * chain its policy decides. Chains that call chains are walked with a stack of places, not by recursion; when the
 * rules were set it was made sure that there are no loops and no more than NF_DEPTH_MAX levels.
 *
 * A rule that asks for ports, flags or ICMP types of a datagram too short to have them drops it (RFC 1858 3: such
 * ones are made to get past filters).
 *
 * `limit` is a bucket that time fills: a match takes one token, and it holds --limit-burst of them.
 */
#include "ip/nf/nf_internal.h"

#include "wire/tcp.h"

#include <string.h>

/* The transport header as far as rules ask about it, read when the first one does. */
struct look {
    bool done, ok;
    uint16_t sport, dport;
    uint8_t flags, type, code;
};

static bool look_at(const struct nf_ctx *c, struct look *l)
{
    uint8_t b[TCP_HLEN];
    uint32_t need = c->h->proto == IPPROTO_TCP_ ? TCP_HLEN : 8;

    if (l->done)
        return l->ok;
    l->done = true;
    if (nf_l4_len(c) < need || !pkt_read(*c->p, nf_l4(c), b, need))
        return false;
    l->ok = true;
    l->sport = wire_get16(b);
    l->dport = wire_get16(b + 2);
    l->type = b[0];
    l->code = b[1];
    if (c->h->proto == IPPROTO_TCP_)
        l->flags = b[13];
    return true;
}

/* ---- matches ---- */

static bool name_matches(const char *pattern, const struct netif *nif)
{
    size_t n = strlen(pattern);

    if (nif == NULL)
        return false;
    if (n > 0 && pattern[n - 1] == '+')
        return strncmp(pattern, nif->name, n - 1) == 0;
    return strcmp(pattern, nif->name) == 0;
}

static bool in_range(uint16_t v, const uint16_t range[2])
{
    return v >= range[0] && v <= range[1];
}

static bool multiport_matches(const struct nf_rule *r, const struct look *l)
{
    for (unsigned i = 0; i < r->nports; i++)
        if ((r->multiport != NF_MP_DEST && in_range(l->sport, r->port[i])) ||
            (r->multiport != NF_MP_SOURCE && in_range(l->dport, r->port[i])))
            return true;
    return false;
}

static bool state_matches(const struct nf_rule *r, const struct ip_flow *f)
{
    uint8_t is = f->state;

    if (f->ct != NULL && (f->ct->flags & NF_C_SRC_NAT) != 0)
        is |= NF_S_SNAT;
    if (f->ct != NULL && (f->ct->flags & NF_C_DST_NAT) != 0)
        is |= NF_S_DNAT;
    return (is & r->states) != 0;
}

static bool limit_allows(struct td_stack *st, struct nf_rule *r)
{
    static const uint32_t seconds[] = {1, 60, 3600, 86400};
    td_time cost = seconds[r->limit_unit & 3] * TD_SEC / r->limit, full = cost * r->burst;

    r->credit += st->now - r->credit_at;
    r->credit_at = st->now;
    if (r->credit > full)
        r->credit = full;
    if (r->credit < cost)
        return false;
    r->credit -= cost;
    return true;
}

static bool ttl_matches(const struct nf_rule *r, uint8_t ttl)
{
    return r->ttl_op == '<' ? ttl < r->ttl : r->ttl_op == '>' ? ttl > r->ttl : ttl == r->ttl;
}

static bool icmp_matches(const struct nf_rule *r, const struct look *l)
{
    return r->icmp_type == 255 ||
           (l->type == r->icmp_type && l->code >= r->icmp_code_lo && l->code <= r->icmp_code_hi);
}

#define ASKS(r, m)          (((r)->match & (m)) != 0)
#define FAILS(r, m, holds)  (ASKS(r, m) && (holds) == (((r)->not & (m)) != 0))

#define NF_M_L4 (NF_M_SPORT | NF_M_DPORT | NF_M_TCPFLAGS | NF_M_ICMP | NF_M_MULTIPORT)

/* *shorter: the rule wants to know more than the datagram has. */
static bool rule_matches(struct td_stack *st, struct nf_rule *r, const struct nf_ctx *c, struct look *l,
                         bool *shorter)
{
    const struct ipv4_hdr *h = c->h;

    if (FAILS(r, NF_M_SRC, (h->src & r->smask) == r->src) || FAILS(r, NF_M_DST, (h->dst & r->dmask) == r->dst) ||
        FAILS(r, NF_M_IN, name_matches(r->in, c->in)) || FAILS(r, NF_M_OUT, name_matches(r->out, c->out)) ||
        FAILS(r, NF_M_PROTO, h->proto == r->proto) || FAILS(r, NF_M_FRAG, h->frag_off != 0))
        return false;
    if (ASKS(r, NF_M_L4)) {
        if (!look_at(c, l)) {
            if (FAULT_ON(st, FILTER_SHORT))
                return false;
            *shorter = true;
            return true;
        }
        if (FAILS(r, NF_M_SPORT, in_range(l->sport, r->sport)) ||
            FAILS(r, NF_M_DPORT, in_range(l->dport, r->dport)) ||
            FAILS(r, NF_M_TCPFLAGS, (l->flags & r->tcp_mask) == r->tcp_cmp) ||
            FAILS(r, NF_M_ICMP, icmp_matches(r, l)) || FAILS(r, NF_M_MULTIPORT, multiport_matches(r, l)))
            return false;
    }
    if (FAILS(r, NF_M_TTL, ttl_matches(r, h->ttl)) || FAILS(r, NF_M_STATE, state_matches(r, c->flow)))
        return false;
    return !ASKS(r, NF_M_LIMIT) || limit_allows(st, r);
}

/* ---- telling ---- */

static uint64_t ports_of(const struct nf_ctx *c)
{
    uint8_t b[4];

    if ((c->h->proto != IPPROTO_TCP_ && c->h->proto != IPPROTO_UDP_) || !pkt_read(*c->p, nf_l4(c), b, 4))
        return 0;
    return wire_get32(b);
}

static struct journal_subject subject_of(const struct nf_ctx *c)
{
    const struct netif *nif = c->in != NULL ? c->in : c->out;

    return (struct journal_subject){.pkt = (*c->p)->id,
                                    .ifindex = nif != NULL ? nif->index : 0,
                                    .addr = c->bare ? c->h->dst : c->h->src,
                                    .port = (uint16_t)(ports_of(c) >> (c->bare ? 0 : 16)),
                                    .lport = (uint16_t)(ports_of(c) >> (c->bare ? 16 : 0))};
}

static const enum journal_word table_word[NF_TABLES] = {
    [NF_FILTER] = W_NF_FILTER, [NF_NAT] = W_NF_NAT, [NF_MANGLE] = W_NF_MANGLE};

static void tell_drop(struct td_stack *st, const struct nf_ctx *c, enum nf_table_id table,
                      const struct nf_chain *chain, uint32_t number, enum journal_word why)
{
    const struct journal_subject sub = subject_of(c);

    count(st, NfDrops);
    if (number == 0)
        JOURNAL(st, EV_NF_DROP_POLICY, &sub, chain->name_id, c->h->src, c->h->dst, c->h->proto, ports_of(c));
    else
        JOURNAL_CAUSE(st, EV_NF_DROP_RULE, &sub, table_word[table], chain->name_id, number,
                c->h->src, c->h->dst, c->h->proto, ports_of(c), why);
}

/* ---- the walk ---- */

struct place {
    const struct nf_chain *chain;
    uint32_t at;
};

static const struct nf_chain *chain_of(const struct nf_table *t, enum nf_hook hook)
{
    for (uint32_t i = 0; i < t->nchains && t->chain[i]->builtin; i++)
        if (t->chain[i]->hook == hook)
            return t->chain[i];
    return NULL;
}

enum step { STEP_NEXT, STEP_ACCEPT, STEP_DROP, STEP_RETURN, STEP_ENTER };

static enum step do_target(struct td_stack *st, struct nf_ctx *c, const struct nf_rule *r)
{
    switch (r->target) {
    case NF_T_ACCEPT:
        return STEP_ACCEPT;
    case NF_T_DROP:
        return STEP_DROP;
    case NF_T_REJECT:
        nf_target_reject(st, c, r);
        return STEP_DROP;
    case NF_T_RETURN:
        return STEP_RETURN;
    case NF_T_JUMP:
    case NF_T_GOTO:
        return STEP_ENTER;
    case NF_T_LOG:
        nf_target_log(st, c, r);
        return STEP_NEXT;
    case NF_T_TCPMSS:
        return nf_target_tcpmss(st, c, r) ? STEP_NEXT : STEP_DROP;
    case NF_T_SNAT:
    case NF_T_DNAT:
    case NF_T_MASQUERADE:
    case NF_T_REDIRECT:
        return nf_nat_target(st, c, r) ? STEP_ACCEPT : STEP_DROP;
    default:
        return STEP_NEXT;
    }
}

static enum journal_word reason(const struct nf_rule *r, bool shorter)
{
    if (shorter)
        return W_NF_SHORT;
    if (r->target == NF_T_REJECT)
        return (enum journal_word)(W_NF_REJECT_PORT + r->reject);
    return r->target == NF_T_DROP ? W_NF_DROP : W_NF_NO_TRANSLATION;
}

enum nf_verdict nf_filter(struct td_stack *st, enum nf_table_id table, struct nf_ctx *c)
{
    const struct nf_ruleset *rules = st->ip->nf->rules;
    struct place stack[NF_DEPTH_MAX + 1], here = {0};
    struct nf_chain *top;
    struct look l = {0};
    unsigned depth = 0;

    if (rules == NULL)
        return NF_ACCEPT;
    top = (struct nf_chain *)(uintptr_t)chain_of(&rules->table[table], c->hook);
    if (top == NULL)
        return NF_ACCEPT;
    here.chain = top;
    for (;;) {
        struct nf_rule *r;
        bool shorter = false;
        enum step step = STEP_RETURN;

        if (here.at < here.chain->nrules) {
            r = here.chain->rule[here.at++];
            if (!rule_matches(st, r, c, &l, &shorter))
                continue;
            r->packets++;
            r->bytes += c->h->total_len;
            step = shorter ? STEP_DROP : do_target(st, c, r);
            if (r->target == NF_T_TCPMSS)
                l.done = false;
        }
        switch (step) {
        case STEP_NEXT:
            break;
        case STEP_ACCEPT:
            return NF_ACCEPT;
        case STEP_DROP:
            tell_drop(st, c, table, here.chain, here.at, reason(r, shorter));
            return NF_DROPPED;
        case STEP_ENTER:
            if (r->target == NF_T_JUMP && depth < NF_DEPTH_MAX)
                stack[depth++] = here;
            here = (struct place){r->jump, 0};
            break;
        case STEP_RETURN:
            if (depth > 0) {
                here = stack[--depth];
                break;
            }
            top->packets++;
            top->bytes += c->h->total_len;
            if (!top->drop)
                return NF_ACCEPT;
            tell_drop(st, c, table, top, 0, W_NONE);
            return NF_DROPPED;
        }
    }
}
