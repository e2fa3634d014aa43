/* link/netif_qdisc.c: the queue disciplines and rules of an interface, and what they have to tell.
 *
 * Theory of operation. Each direction of an interface has a chain of queue disciplines
 * (link/qdisc.c): that of a device egress always, at least a pfifo as long as txqueuelen; else only
 * when somebody asked for it. As soon as there is a rule for a direction, the rules (link/rules.c)
 * stand in front of its chain; where there are no disciplines they get a pfifo to feed, which isn't
 * shown.
 *
 * What the disciplines do to frames they tell their sink. That is here: it writes the journal, with
 * the interface and the direction, and counts drops, whenever in a frame's stay they happen.
 */
#include "link/link_priv.h"

#include <errno.h>

#define INGRESS_LIMIT 10000 /* frames; they only pass through */

static void note_rule(struct td_stack *st, const struct netif *nif, bool ingress,
                      const struct qdisc_note *n, const struct journal_subject *sub)
{
    switch (n->rule->action) {
    case TD_IMPAIR_DROP:
        JOURNAL(st, EV_IMPAIR_DROP, sub, n->a, nif->index, ingress, n->b, n->p->len);
        break;
    case TD_IMPAIR_DELAY:
        JOURNAL(st, EV_IMPAIR_DELAY, sub, n->a, nif->index, ingress, n->b, n->rule->time);
        break;
    case TD_IMPAIR_DUPLICATE:
        JOURNAL(st, EV_IMPAIR_DUPLICATE, sub, n->a, nif->index, ingress, n->b, n->rule->copies);
        break;
    case TD_IMPAIR_CORRUPT:
        JOURNAL(st, EV_IMPAIR_CORRUPT, sub, n->a, nif->index, ingress, n->b);
        break;
    case TD_IMPAIR_MARK:
        JOURNAL(st, EV_IMPAIR_MARK, sub, n->a, nif->index, ingress, n->b);
        break;
    default:
        JOURNAL(st, EV_IMPAIR_HOLD, sub, n->a, nif->index, ingress, n->b);
        break;
    }
}

static void netif_dropped(struct td_stack *st, struct netif *nif, bool ingress)
{
    if (ingress) {
        nif->stats.rx_dropped++;
        count(st, EthInDrops);
    } else {
        nif->stats.tx_dropped++;
        count(st, EthOutDrops);
    }
}

static void netif_note(struct netif *nif, bool ingress, const struct qdisc *q,
                       const struct qdisc_note *n)
{
    struct td_stack *st = nif->st;
    struct journal_subject sub = netif_subject(nif, n->p);

    switch (n->what) {
    case QDISC_DROPPED:
        JOURNAL(st, EV_LINK_DROP_QDISC, &sub, nif->index, ingress, n->why, q->packets);
        netif_dropped(st, nif, ingress);
        break;
    case QDISC_MARKED:
        JOURNAL(st, EV_LINK_MARKED, &sub, nif->index, ingress, n->why);
        break;
    case QDISC_DELAYED:
        JOURNAL(st, EV_LINK_DELAYED, &sub, nif->index, ingress, n->a);
        break;
    case QDISC_DUPLICATED:
        JOURNAL(st, EV_LINK_DUPLICATED, &sub, nif->index, ingress);
        break;
    case QDISC_CORRUPTED:
        JOURNAL(st, EV_LINK_CORRUPTED, &sub, nif->index, ingress, n->a);
        break;
    case QDISC_REORDERED:
        JOURNAL(st, EV_LINK_REORDERED, &sub, nif->index, ingress);
        break;
    case QDISC_CODEL:
        JOURNAL(st, EV_LINK_CODEL, &sub, nif->index, ingress, n->a, n->b);
        break;
    case QDISC_RELEASED:
        JOURNAL(st, EV_IMPAIR_RELEASED, &sub, n->a, nif->index, ingress, n->b, n->why);
        break;
    case QDISC_RULE:
        note_rule(st, nif, ingress, n, &sub);
        if (n->rule->action == TD_IMPAIR_DROP)
            netif_dropped(st, nif, ingress);
        break;
    }
}

static void note_egress(void *ctx, const struct qdisc *q, const struct qdisc_note *n)
{
    netif_note(ctx, false, q, n);
}

static void note_ingress(void *ctx, const struct qdisc *q, const struct qdisc_note *n)
{
    netif_note(ctx, true, q, n);
}

static struct qdisc **netif_place(struct netif *nif, bool ingress)
{
    struct qdisc **top = ingress ? &nif->ingress : &nif->egress;

    return qdisc_is_rules(*top) ? &(*top)->child : top;
}

/* Where nobody gives a seed: of the instance (another instance has other luck, the same seed of the instance the
 * same), and another for each interface and direction. Never 0, which means none. */
static uint64_t netif_seed(const struct netif *nif, bool ingress)
{
    uint8_t place[] = {(uint8_t)(nif->index >> 24), (uint8_t)(nif->index >> 16), (uint8_t)(nif->index >> 8),
                       (uint8_t)nif->index, ingress};
    return siphash(&nif->st->hash_key, place, sizeof place) | 1;
}

static int place_set(struct netif *nif, bool ingress, const struct td_qdisc_chain *chain)
{
    return qdisc_chain_set(netif_place(nif, ingress), &nif->st->mem, chain,
                           netif_seed(nif, ingress), &nif->sink[ingress ? 1 : 0], nif->st->now);
}

/* The chain that stands where nobody asked for one. */
static int place_default(struct netif *nif, bool ingress)
{
    const struct td_qdisc_chain plain = {
        .depth = 1,
        .q[0] = {.kind = TD_QDISC_PFIFO, .u.fifo.limit = ingress ? INGRESS_LIMIT : nif->txqlen}};
    int err = place_set(nif, ingress, &plain);

    if (err == 0 && (ingress || nif->ops == NULL))
        (*netif_place(nif, ingress))->implicit = true;
    return err;
}

void netif_qdisc_listen(struct netif *nif)
{
    nif->sink[0] = (struct qdisc_sink){.note = note_egress, .ctx = nif};
    nif->sink[1] = (struct qdisc_sink){.note = note_ingress, .ctx = nif};
}

int netif_qdisc_init(struct netif *nif)
{
    return place_default(nif, false);
}

/* No ingress disciplines and no rules any more: what waits comes in now. */
static void ingress_remove(struct td_stack *st, struct netif *nif)
{
    struct qdisc *old = nif->ingress;
    struct pkt *p;

    nif->ingress = NULL;
    timer_cancel(st, &nif->ingress_timer);
    while ((p = qdisc_chain_take(old)) != NULL)
        eth_input(st, nif, p);
    qdisc_destroy(old);
}

static bool ingress_has_rules(const struct netif *nif)
{
    struct rule_info info;

    return qdisc_is_rules(nif->ingress) && qdisc_rule_from(nif->ingress, 1, &info);
}

int netif_set_qdisc(struct td_stack *st, struct netif *nif, bool ingress,
                    const struct td_qdisc_chain *chain)
{
    struct journal_subject sub = netif_subject(nif, NULL);
    struct td_qdisc_chain want;
    int err = 0;

    if ((nif->flags & TD_IF_LOOPBACK) != 0)
        return -EOPNOTSUPP;
    if (chain != NULL && chain->depth > 0) {
        want = *chain;
        for (uint32_t i = 0; i < want.depth && want.depth <= TD_QDISC_DEPTH; i++)
            if (want.q[i].kind == TD_QDISC_PFIFO && want.q[i].u.fifo.limit == 0)
                want.q[i].u.fifo.limit = nif->txqlen;
        err = place_set(nif, ingress, &want);
    } else if (ingress && nif->ingress != NULL && !ingress_has_rules(nif)) {
        ingress_remove(st, nif);
    } else if ((ingress ? nif->ingress : nif->egress) != NULL) {
        err = place_default(nif, ingress);
    }
    if (err < 0)
        return err;
    JOURNAL(st, EV_LINK_QDISC, &sub, nif->index, ingress, chain != NULL ? chain->depth : 0);
    if (ingress)
        netif_ingress_run(st, nif);
    else
        netif_mark_dirty(st, nif);
    return 0;
}

/* Makes sure that rules stand in front of the chain. */
static int rules_install(struct netif *nif, bool ingress)
{
    struct qdisc **top = ingress ? &nif->ingress : &nif->egress, *rules;
    bool made = *top == NULL;

    if (qdisc_is_rules(*top))
        return 0;
    if (made && place_default(nif, ingress) < 0)
        return -ENOMEM;
    rules = qdisc_rules(&nif->st->mem, *top);
    if (rules == NULL) {
        if (made) {
            qdisc_destroy(*top);
            *top = NULL;
        }
        return -ENOMEM;
    }
    *top = rules;
    return 0;
}

/* The last rule has gone: its stage goes, too, once nothing waits in it. */
static void rules_remove(struct td_stack *st, struct netif *nif, bool ingress)
{
    struct qdisc **top = ingress ? &nif->ingress : &nif->egress, *rules = *top;
    struct rule_info info;

    if (qdisc_rule_from(rules, 1, &info) || rules->packets > 0)
        return;
    *top = rules->child;
    rules->child = NULL;
    qdisc_destroy(rules);
    if (ingress && (*top)->implicit)
        ingress_remove(st, nif);
}

int netif_rule(struct td_stack *st, struct netif *nif, bool ingress, enum td_impair_op op,
               uint32_t id, const struct td_impair *rule)
{
    struct journal_subject sub = netif_subject(nif, NULL);
    struct qdisc *top;
    int rc;

    if ((nif->flags & TD_IF_LOOPBACK) != 0)
        return -EOPNOTSUPP;
    if (op == TD_IMPAIR_ADD && rules_install(nif, ingress) < 0)
        return -ENOMEM;
    top = ingress ? nif->ingress : nif->egress;
    if (!qdisc_is_rules(top))
        return id == 0 ? 0 : -ENOENT;
    if (op == TD_IMPAIR_ADD)
        rc = qdisc_rule_add(top, rule);
    else if (op == TD_IMPAIR_DEL)
        rc = qdisc_rule_del(top, id, st->now);
    else
        rc = qdisc_rule_release(top, id, st->now);
    if (op == TD_IMPAIR_ADD && rc > 0)
        JOURNAL(st, EV_IMPAIR_ADDED, &sub, (uint64_t)rc, nif->index, ingress);
    if (op == TD_IMPAIR_DEL && rc == 0)
        JOURNAL(st, EV_IMPAIR_REMOVED, &sub, id, nif->index, ingress);
    rules_remove(st, nif, ingress);
    if (!ingress)
        netif_mark_dirty(st, nif);
    else
        netif_ingress_run(st, nif);
    return rc;
}

struct qdisc *netif_chain(const struct netif *nif, bool ingress)
{
    struct qdisc *root = qdisc_behind_rules(ingress ? nif->ingress : nif->egress);

    return root != NULL && root->implicit ? NULL : root;
}
