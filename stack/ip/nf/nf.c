/* ip/nf/nf.c: the five places on IP's path, and what happens at each.
 *
 * Theory of operation. A datagram meets the same things in the same order as in Linux:
 *
 *                    whole again?  flow   mangle   nat (dst)   filter     nat (src)   confirmed
 *     PREROUTING     x             x      x        x
 *     INPUT                               x                    x          x           x
 *     FORWARD                             x                    x
 *     OUTPUT                       x      x        x, route    x
 *     POSTROUTING                         x                               x           x
 *
 * mangle is there for what changes packets without deciding about them: TCPMSS.
 *
 * Fragments are put together before anything looks at them: a decision about ports that the second
 * fragment doesn't carry would be a guess, and the tiny fragments of RFC 1858 are made for just that. The
 * price is that a router with rules reassembles, which RFC 1812 5.2.6 keeps plain routers from doing (RFC
 * 4787 REQ-14 asks a translator for it). On the way out it is cut again, to the size of the largest fragment that
 * came, with its DF.
 *
 * The nat table is asked once for each flow and kind of translation; what it says is kept in the flow, and each
 * of its datagrams, both ways, is rewritten by that alone. So nat rules see a flow's first datagram only.
 *
 * A flow made by a datagram is confirmed when that has come through all the rules. One that isn't goes with the
 * datagram if a rule dropped it, and otherwise (no route, TTL) with the next tick of the clock: its timer is due
 * at once until it is confirmed.
 *
 * What comes in over the loopback interface has been through OUTPUT and POSTROUTING already: its flow is found
 * by what it looks like now, and it isn't counted or translated a second time.
 */
#include "ip/nf/nf_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- made and unmade ---- */

int nf_get(struct td_stack *st)
{
    if (st->ip->nf != NULL)
        return 0;
    st->ip->nf = mem_alloc(&st->mem, MEM_IP, sizeof *st->ip->nf);
    if (st->ip->nf == NULL)
        return -ENOMEM;
    nf_conn_init(st, st->ip->nf);
    return 0;
}

void nf_put(struct td_stack *st)
{
    struct nf *nf = st->ip->nf;

    if (nf == NULL || nf->rules != NULL || nf->count > 0)
        return;
    hash_done(&nf->conns);
    mem_free(&st->mem, MEM_IP, nf, sizeof *nf);
    st->ip->nf = NULL;
}

void nf_done(struct td_stack *st)
{
    struct ip *ip = st->ip;

    if (ip->nf != NULL) {
        nf_conn_flush(st, W_NONE);
        nf_ruleset_free(st, ip->nf->rules);
        ip->nf->rules = NULL;
        nf_put(st);
    }
    mem_free(&st->mem, MEM_IP, ip->nf_texts, ip->nf_ntexts * sizeof *ip->nf_texts);
    ip->nf_texts = NULL;
    ip->nf_ntexts = 0;
}

/* ---- names for the journal ---- */

#define NF_TEXTS_MAX 4096

uint32_t nf_intern(struct td_stack *st, const char *text)
{
    struct ip *ip = st->ip;
    void *more;

    for (uint32_t i = 0; i < ip->nf_ntexts; i++)
        if (strcmp(ip->nf_texts[i], text) == 0)
            return i + 1;
    if (ip->nf_ntexts >= NF_TEXTS_MAX)
        return 0;
    more = mem_resize(&st->mem, MEM_IP, ip->nf_texts, ip->nf_ntexts * sizeof *ip->nf_texts,
                      (ip->nf_ntexts + 1) * sizeof *ip->nf_texts);
    if (more == NULL)
        return 0;
    ip->nf_texts = more;
    (void)snprintf(ip->nf_texts[ip->nf_ntexts], sizeof *ip->nf_texts, "%s", text);
    return ++ip->nf_ntexts;
}

const char *nf_text(const struct td_stack *st, uint32_t id)
{
    return st->ip != NULL && id > 0 && id <= st->ip->nf_ntexts ? st->ip->nf_texts[id - 1] : "?";
}

/* ---- the packet in hand ---- */

bool nf_writable(struct td_stack *st, struct nf_ctx *c, uint32_t n)
{
    struct pkt *p = *c->p;

    if (p->refs > 1 || p->head->refs > 1) { /* somebody else reads it */
        struct pkt *mine = pkt_copy(&st->mem, p, PKT_HEADROOM);

        if (mine == NULL)
            return false;
        pkt_free(p);
        *c->p = p = mine;
    }
    return pkt_may_pull(p, n);
}

static bool discard(struct td_stack *st, struct nf_ctx *c, int err)
{
    struct ip_flow *f = c->flow;

    if (f->created && f->ct != NULL && (f->ct->flags & NF_C_CONFIRMED) == 0) {
        nf_conn_free(st, f->ct, W_NONE);
        f->ct = NULL;
    }
    c->err = err;
    pkt_free(*c->p);
    *c->p = NULL;
    return false;
}

static bool no_memory(struct td_stack *st, struct nf_ctx *c)
{
    const struct journal_subject sub = {.pkt = (*c->p)->id, .addr = c->h->dst};

    JOURNAL(st, EV_IP_DROP_MEMORY, &sub, c->h->src, c->h->dst, (*c->p)->len);
    count(st, IpInDiscards);
    return discard(st, c, -ENOBUFS);
}

/* ---- fragments ---- */

/* Data at the IP header before and after. False: it is kept, or was dropped. */
static bool make_whole(struct td_stack *st, struct nf_ctx *c)
{
    struct ip_rx rx = {.nif = c->in, .h = *c->h};
    struct pkt *p = *c->p;
    uint8_t *b;

    (void)pkt_pull(p, rx.h.hlen);
    p = ip_reassemble(st, p, &rx);
    *c->p = p;
    if (p == NULL)
        return false;
    b = pkt_push(p, rx.h.hlen);
    *c->h = rx.h;
    if (b == NULL)
        return no_memory(st, c);
    (void)ipv4_emit(&rx.h, b);
    pkt_set_l3(p);
    return true;
}

/* ---- flows ---- */

static void untracked(struct td_stack *st, struct nf_ctx *c, enum journal_word why)
{
    const struct journal_subject sub = {.pkt = (*c->p)->id, .addr = c->h->src};

    c->flow->state = NF_S_INVALID;
    count(st, NfCtInvalid);
    JOURNAL(st, EV_NF_INVALID, &sub, c->h->src, c->h->dst, c->h->proto, why);
}

/* What has been out already and comes in by the loopback interface: as it is, or as its flow turned it. */
static struct nf_end *find_looped(const struct td_stack *st, const struct nf_tuple *t, bool *reply)
{
    struct nf_tuple back = nf_inverse(t);
    struct nf_end *e = nf_find(st, t);

    if (e != NULL) {
        *reply = e->dir == NF_REPLY;
        return e;
    }
    e = nf_find(st, &back);
    if (e != NULL)
        *reply = e->dir == NF_ORIG;
    return e;
}

static void set_state(struct ip_flow *f, struct nf_conn *ct, bool reply)
{
    f->ct = ct;
    f->reply = reply;
    f->state = reply || (ct->flags & NF_C_SEEN_REPLY) != 0 ? NF_S_ESTABLISHED : NF_S_NEW;
}

/* Finds the packet's flow, or begins one. False: there is no room for another (dropped). */
static bool track(struct td_stack *st, struct nf_ctx *c)
{
    bool looped = c->hook == NF_PREROUTING && ((*c->p)->flags & PKT_LOOPBACK) != 0, reply;
    struct ip_flow *f = c->flow;
    struct nf_tuple t;
    struct nf_end *e;

    *f = (struct ip_flow){0};
    if (c->h->proto == IPPROTO_ICMP_) {
        uint8_t type;

        if (pkt_read(*c->p, nf_l4(c), &type, 1) && icmp_is_error(type))
            return nf_related(st, c) || no_memory(st, c);
    }
    if (!nf_tuple_of(c, &t) || (c->hook == NF_PREROUTING && knob(st, NF_CT_CHECKSUM) != 0 && !nf_checksum_ok(c))) {
        untracked(st, c, W_NF_MALFORMED);
        return true;
    }
    e = looped ? find_looped(st, &t, &reply) : nf_find(st, &t);
    if (looped) {
        if (e != NULL)
            set_state(f, nf_conn_of(e), reply);
        else
            f->state = NF_S_INVALID;
        return true;
    }
    for (unsigned round = 0; e != NULL && round < 2; round++) {
        struct nf_conn *ct = nf_conn_of(e);
        enum nf_proto_verdict v = nf_proto_packet(st, ct, (enum nf_dir)e->dir, c);

        if (v == NF_P_OK) {
            set_state(f, ct, e->dir == NF_REPLY);
            ct->packets[e->dir]++;
            ct->bytes[e->dir] += c->h->total_len;
            return true;
        }
        if (v == NF_P_INVALID) {
            untracked(st, c, W_NF_IMPOSSIBLE);
            return true;
        }
        nf_conn_free(st, ct, W_NF_REUSED);
        e = nf_find(st, &t);
    }
    if (!nf_ruled(st)) /* nobody asks any more: only the flows there are go on */
        return true;
    if (!nf_proto_begins(st, c, &t)) {
        untracked(st, c, W_NF_NO_BEGINNING);
        return true;
    }
    f->ct = nf_conn_new(st, &t);
    if (f->ct == NULL)
        return discard(st, c, -ENOBUFS);
    f->created = true;
    f->state = NF_S_NEW;
    f->ct->packets[NF_ORIG] = 1;
    f->ct->bytes[NF_ORIG] = c->h->total_len;
    (void)nf_proto_packet(st, f->ct, NF_ORIG, c);
    return true;
}

static bool is_looped_in(const struct nf_ctx *c)
{
    return !c->bare && ((*c->p)->flags & PKT_LOOPBACK) != 0;
}

/* ---- the places ---- */

static bool translate(struct td_stack *st, struct nf_ctx *c)
{
    struct ip_flow *f = c->flow;

    if (f->ct == NULL || is_looped_in(c) || f->state == NF_S_RELATED)
        return true;
    if (f->state == NF_S_NEW && !f->reply && !nf_nat_bind(st, c))
        return discard(st, c, -EPERM);
    if (!nf_nat_apply(st, c))
        return no_memory(st, c);
    return true;
}

static bool asked(struct td_stack *st, enum nf_table_id table, struct nf_ctx *c)
{
    return nf_filter(st, table, c) == NF_ACCEPT || discard(st, c, -EPERM);
}

static bool filtered(struct td_stack *st, struct nf_ctx *c)
{
    return asked(st, NF_MANGLE, c) && asked(st, NF_FILTER, c);
}

static void confirm(struct td_stack *st, struct nf_ctx *c)
{
    struct ip_flow *f = c->flow;

    if (f->ct != NULL && !f->reply && f->state == NF_S_NEW && !is_looped_in(c) &&
        (f->ct->flags & NF_C_CONFIRMED) == 0)
        nf_conn_confirm(st, f->ct);
}

/* RFC 1812 5.2.1 asked anew: the destination is another. */
static bool reroute(struct td_stack *st, struct nf_ctx *c)
{
    const struct journal_subject sub = {.pkt = (*c->p)->id, .addr = c->h->dst};
    td_ip4 src = c->r->src;
    int err = route_find(st, c->h->dst, src, c->tx->ifindex, c->r);

    c->r->src = src;
    if (err == 0 && c->r->type == FIB_BROADCAST && (c->tx->flags & IP_TX_BROADCAST) == 0)
        err = -EACCES;
    if (err == 0)
        return true;
    JOURNAL(st, EV_IP_OUT_DROP_ROUTE, &sub, c->h->dst, (uint64_t)-err);
    count(st, IpOutNoRoutes);
    return discard(st, c, err);
}

/* RFC 1122 3.2.1.3 g: no translation, and none that is missing, lets 127/8 out. */
static bool stays_inside(struct td_stack *st, struct nf_ctx *c)
{
    const struct journal_subject sub = {.pkt = (*c->p)->id, .addr = c->h->dst};

    if (!ip4_is_loopback(c->h->src) || c->out == NULL || (c->out->flags & TD_IF_LOOPBACK) != 0)
        return true;
    JOURNAL(st, EV_IP_OUT_DROP_SOURCE, &sub, c->h->src, c->h->dst);
    count(st, NfDrops);
    return discard(st, c, -EINVAL);
}

static bool hook_prerouting(struct td_stack *st, struct nf_ctx *c)
{
    if ((c->h->frag_off != 0 || (c->h->flags & IPV4_MF) != 0) && !make_whole(st, c))
        return false;
    if (!track(st, c) || !asked(st, NF_MANGLE, c) || !translate(st, c))
        return false;
    st->ip->nf->current = c->flow->ct;
    return true;
}

static bool hook_output(struct td_stack *st, struct nf_ctx *c)
{
    td_ip4 dst = c->h->dst;

    c->out = c->r->nif;
    if (!track(st, c) || !asked(st, NF_MANGLE, c) || !translate(st, c))
        return false;
    if (c->h->dst != dst && !reroute(st, c))
        return false;
    c->out = c->r->nif;
    c->nexthop = c->r->nexthop;
    return asked(st, NF_FILTER, c);
}

bool nf_run(struct td_stack *st, enum nf_hook hook, struct nf_ctx *c)
{
    c->hook = hook;
    switch (hook) {
    case NF_PREROUTING:
        return hook_prerouting(st, c);
    case NF_FORWARD:
        return filtered(st, c);
    case NF_OUTPUT:
        return hook_output(st, c);
    case NF_INPUT:
        if (!filtered(st, c) || !translate(st, c))
            return false;
        break;
    default: /* POSTROUTING */
        if (!asked(st, NF_MANGLE, c) || !translate(st, c) || !stays_inside(st, c))
            return false;
        break;
    }
    confirm(st, c);
    return true;
}
