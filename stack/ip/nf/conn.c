/* ip/nf/conn.c: the table of flows.
 *
 * Theory of operation. A flow is two tuples: how its datagrams look when they come in from the one who began
 * it, and how those look that come in from the other side. Without translation one is the inverse of the
 * other; with it, the difference between them is the translation. Both are in one hash keyed by the tuple
 * (SipHash: nobody outside can choose who collides), so either direction is one lookup.
 *
 * The table has a limit (net.netfilter.nf_conntrack_max). When it is reached, the oldest flow that isn't assured
 * makes room (Linux's early drop): one that hasn't been answered, or only once. Flows that aren't assured hang on
 * a list by age, so the victim is found without looking for it, and a flood of beginnings pushes out only
 * beginnings. When all are assured, the new datagram is dropped. Both are journaled and counted.
 *
 * Every flow has a timer of the wheel, set anew by each of its datagrams.
 */
#include "ip/nf/nf_internal.h"

#include <errno.h>
#include <string.h>

_Static_assert(sizeof(struct nf_tuple) == 16, "a hash key has no padding");

static bool end_eq(const struct hash_node *n, const void *key)
{
    return memcmp(&container_of(n, const struct nf_end, node)->t, key, sizeof(struct nf_tuple)) == 0;
}

void nf_conn_init(struct td_stack *st, struct nf *nf)
{
    hash_init(&nf->conns, &st->mem, &st->hash_key);
}

struct nf_tuple nf_inverse(const struct nf_tuple *t)
{
    return (struct nf_tuple){.src = t->dst,
                             .dst = t->src,
                             .sport = t->dport,
                             .dport = t->sport,
                             .proto = t->proto,
                             .kind = t->kind};
}

struct nf_end *nf_find(const struct td_stack *st, const struct nf_tuple *t)
{
    struct hash_node *n = hash_find(&st->ip->nf->conns, t, sizeof *t, end_eq);

    return n != NULL ? container_of(n, struct nf_end, node) : NULL;
}

uint32_t nf_ct_count(const struct td_stack *st)
{
    return st->ip->nf != NULL ? st->ip->nf->count : 0;
}

/* ---- those that may be pushed out ---- */

static void list_add(struct nf *nf, struct nf_conn *ct)
{
    ct->older = nf->newest;
    if (nf->newest != NULL)
        nf->newest->newer = ct;
    else
        nf->oldest = ct;
    nf->newest = ct;
}

static void list_remove(struct nf *nf, struct nf_conn *ct)
{
    if (ct->older != NULL)
        ct->older->newer = ct->newer;
    else
        nf->oldest = ct->newer;
    if (ct->newer != NULL)
        ct->newer->older = ct->older;
    else
        nf->newest = ct->older;
    ct->older = ct->newer = NULL;
}

void nf_conn_assure(struct td_stack *st, struct nf_conn *ct)
{
    if ((ct->flags & NF_C_ASSURED) != 0)
        return;
    list_remove(st->ip->nf, ct);
    ct->flags |= NF_C_ASSURED;
}

/* ---- telling ---- */

static uint64_t ports(const struct nf_tuple *t)
{
    return (uint64_t)t->sport << 16 | t->dport;
}

static void tell(struct td_stack *st, enum event_id ev, const struct nf_conn *ct, uint64_t what)
{
    const struct nf_tuple *o = &ct->end[NF_ORIG].t, *r = &ct->end[NF_REPLY].t;
    const struct journal_subject sub = {.addr = o->dst, .port = o->dport, .lport = o->sport};

    JOURNAL(st, ev, &sub, o->proto, what, o->src, o->dst, ports(o), r->src, r->dst, ports(r));
}

static uint64_t state_word(const struct nf_conn *ct)
{
    if (ct->end[NF_ORIG].t.proto == IPPROTO_TCP_)
        return (uint64_t)W_NF_TCP_NONE + ct->state;
    return (ct->flags & NF_C_SEEN_REPLY) != 0 ? W_NF_REPLIED : W_NF_UNREPLIED;
}

void nf_conn_changed(struct td_stack *st, const struct nf_conn *ct)
{
    if ((ct->flags & NF_C_CONFIRMED) != 0)
        tell(st, EV_NF_CT_UPDATE, ct, state_word(ct));
}

/* ---- the end ---- */

void nf_conn_free(struct td_stack *st, struct nf_conn *ct, enum journal_word why)
{
    struct nf *nf = st->ip->nf;

    if ((ct->flags & NF_C_CONFIRMED) != 0) {
        count(st, NfCtDestroyed);
        if (why != W_NONE)
            tell(st, EV_NF_CT_DESTROY, ct, why);
    }
    timer_cancel(st, &ct->timer);
    if ((ct->flags & NF_C_ASSURED) == 0)
        list_remove(nf, ct);
    hash_remove(&nf->conns, &ct->end[NF_ORIG].node);
    if ((ct->flags & NF_C_REPLY_IN) != 0)
        hash_remove(&nf->conns, &ct->end[NF_REPLY].node);
    if (nf->current == ct)
        nf->current = NULL;
    nf->count--;
    mem_free(&st->mem, MEM_IP, ct, sizeof *ct);
}

static void conn_timer(struct td_stack *st, struct timer *t)
{
    struct nf_conn *ct = container_of(t, struct nf_conn, timer);

    nf_conn_free(st, ct, W_NF_TIMEOUT);
    nf_put(st);
}

void nf_conn_flush(struct td_stack *st, enum journal_word why)
{
    struct hash_node *n;

    while ((n = hash_first(&st->ip->nf->conns)) != NULL)
        nf_conn_free(st, nf_conn_of(container_of(n, struct nf_end, node)), why);
}

void nf_masq_gone(struct td_stack *st, uint32_t ifindex, td_ip4 addr)
{
    struct hash_node *n, *next;

    if (st->ip->nf == NULL)
        return;
    for (n = hash_first(&st->ip->nf->conns); n != NULL; n = next) {
        struct nf_end *e = container_of(n, struct nf_end, node);
        struct nf_conn *ct = nf_conn_of(e);

        next = hash_next(n);
        if ((ct->flags & NF_C_MASQ) == 0 || (ifindex != 0 && ct->masq_ifindex != ifindex) ||
            (addr != 0 && ct->end[NF_REPLY].t.dst != addr))
            continue;
        while (next != NULL && nf_conn_of(container_of(next, struct nf_end, node)) == ct)
            next = hash_next(next); /* its other end goes too */
        nf_conn_free(st, ct, W_NF_ADDRESS_GONE);
    }
    nf_put(st);
}

/* ---- the beginning ---- */

/* Unless another flow's answers look the same: then the nat table's part is to give it other ones. */
static void reply_insert(struct td_stack *st, struct nf_conn *ct)
{
    struct nf_end *e = &ct->end[NF_REPLY];

    if (nf_find(st, &e->t) == NULL && hash_insert(&st->ip->nf->conns, &e->node, &e->t, sizeof e->t) == 0)
        ct->flags |= NF_C_REPLY_IN;
}

static bool make_room(struct td_stack *st, const struct nf_tuple *t)
{
    const struct journal_subject sub = {.addr = t->src};
    struct nf *nf = st->ip->nf;

    /* More than one goes only where the limit was lowered. */
    for (unsigned i = 0; i < 64 && nf->oldest != NULL && nf->count >= (uint64_t)knob(st, NF_CT_MAX); i++) {
        count(st, NfCtEarlyDrops);
        nf_conn_free(st, nf->oldest, W_NF_EARLY_DROP);
    }
    if (nf->count < (uint64_t)knob(st, NF_CT_MAX))
        return true;
    count(st, NfCtFull);
    JOURNAL(st, EV_NF_DROP_TABLE, &sub, t->src, t->dst, t->proto, nf->count);
    return false;
}

struct nf_conn *nf_conn_new(struct td_stack *st, const struct nf_tuple *t)
{
    struct nf *nf = st->ip->nf;
    struct nf_conn *ct;

    if (!make_room(st, t))
        return NULL;
    ct = mem_alloc(&st->mem, MEM_IP, sizeof *ct);
    if (ct != NULL) {
        ct->end[NF_ORIG].t = *t;
        ct->end[NF_REPLY].t = nf_inverse(t);
        ct->end[NF_REPLY].dir = NF_REPLY;
        if (hash_insert(&nf->conns, &ct->end[NF_ORIG].node, t, sizeof *t) < 0) {
            mem_free(&st->mem, MEM_IP, ct, sizeof *ct);
            ct = NULL;
        }
    }
    if (ct == NULL) {
        const struct journal_subject sub = {.addr = t->src};

        JOURNAL(st, EV_IP_DROP_MEMORY, &sub, t->src, t->dst, sizeof *ct);
        count(st, IpInDiscards);
        return NULL;
    }
    reply_insert(st, ct);
    timer_init(&ct->timer, conn_timer, "conntrack");
    timer_arm(st, &ct->timer, st->now);
    ct->id = ++nf->next_id;
    ct->began = st->now;
    nf->count++;
    list_add(nf, ct);
    return ct;
}

void nf_conn_set_reply(struct td_stack *st, struct nf_conn *ct, const struct nf_tuple *t)
{
    struct nf_end *e = &ct->end[NF_REPLY];

    if ((ct->flags & NF_C_REPLY_IN) != 0)
        hash_remove(&st->ip->nf->conns, &e->node);
    ct->flags &= ~(uint32_t)NF_C_REPLY_IN;
    e->t = *t;
    reply_insert(st, ct);
}

void nf_conn_confirm(struct td_stack *st, struct nf_conn *ct)
{
    ct->flags |= NF_C_CONFIRMED;
    timer_arm(st, &ct->timer, st->now + nf_proto_timeout(st, ct));
    count(st, NfCtNew);
    tell(st, EV_NF_CT_NEW, ct, state_word(ct));
}

/* ---- by command ---- */

int64_t nf_ct_delete(struct td_stack *st, const char *words, char *msg, size_t msg_size)
{
    struct nf_ct_filter f;
    struct hash_node *n, *next;
    int64_t gone = 0;

    if (!nf_ct_filter_parse(words, &f, msg, msg_size))
        return -EINVAL;
    if (st->ip->nf == NULL)
        return 0;
    for (n = hash_first(&st->ip->nf->conns); n != NULL; n = next) {
        struct nf_conn *ct = nf_conn_of(container_of(n, struct nf_end, node));

        next = hash_next(n);
        if (!nf_ct_matches(&f, ct))
            continue;
        while (next != NULL && nf_conn_of(container_of(next, struct nf_end, node)) == ct)
            next = hash_next(next);
        nf_conn_free(st, ct, W_NF_BY_COMMAND);
        gone++;
    }
    nf_put(st);
    return gone;
}
