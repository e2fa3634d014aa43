/* arp/neigh_gc.c: what leaves the neighbour table, and when.
 *
 * Theory of operation. The table holds at most gc_thresh3 entries. What an outsider can cause must
 * never push out what is in use: a scan of the subnet makes INCOMPLETE and then FAILED entries, a
 * flood of requests from invented senders makes STALE entries that we never sent to. So every entry
 * that may go is on the list of its class, and when room is needed the oldest of the first
 * non-empty class goes:
 *
 *     FAILED         nobody answered: only remembers when to ask again
 *     unused         STALE and never used by us
 *     INCOMPLETE     the longest-waiting resolution; its packets are dropped
 *     stale          was used once; the one longest STALE goes first
 *
 * REACHABLE, DELAY and PROBE (used within the last seconds, or confirmed) and PERMANENT entries are
 * on no list. A flood only ever displaces the flood: its own entries come before any that was used.
 * When every entry is in use, the newcomer is refused, and says so.
 *
 * Below gc_thresh1 nothing is collected for age, as in Linux; above it FAILED and stale entries go
 * that have been so for gc_stale_time. The collector's timer runs only while there is something to
 * collect: an idle instance has no deadline.
 *
 * An evicted entry takes its rate limit with it, so what it knew (when was this destination asked
 * for last?) is kept in a small table of its own: without it, a sender cycling through more
 * addresses than the table holds could make us ask for each many times a second (RFC 1122 2.3.2.1).
 */
#include "arp/arp_priv.h"

#define GC_INTERVAL (30 * TD_SEC) /* Linux's gc_interval */

void neigh_classify(struct td_stack *st, struct neigh *n, enum neigh_class c)
{
    struct arp *arp = st->arp;
    struct neigh_list *l;

    if (n->class != NEIGH_IN_USE) {
        l = &arp->list[n->class];
        *(n->older != NULL ? &n->older->newer : &l->oldest) = n->newer;
        *(n->newer != NULL ? &n->newer->older : &l->newest) = n->older;
    }
    n->class = c;
    n->older = NULL;
    n->newer = NULL;
    if (c == NEIGH_IN_USE)
        return;
    l = &arp->list[c];
    n->older = l->newest;
    *(l->newest != NULL ? &l->newest->newer : &l->oldest) = n;
    l->newest = n;
}

bool neigh_make_room(struct td_stack *st)
{
    struct arp *arp = st->arp;

    while (arp->table.count >= (uint64_t)knob(st, NEIGH_GC_THRESH3)) {
        struct neigh *victim = NULL;

        for (int c = 0; c < NEIGH_CLASSES && victim == NULL; c++)
            victim = arp->list[c].oldest;
        if (victim == NULL)
            return false;
        neigh_asked_note(st, victim);
        count(st, ArpEvictions);
        neigh_remove(st, victim, W_MADE_ROOM);
    }
    return true;
}

/* ---- collection by age ---- */

static const enum neigh_class collected[] = {NEIGH_FAILED_CLASS, NEIGH_UNUSED_CLASS,
                                             NEIGH_STALE_CLASS};
#define COLLECTED (sizeof collected / sizeof collected[0])

static bool over_thresh1(const struct td_stack *st)
{
    return st->arp->table.count > (uint64_t)knob(st, NEIGH_GC_THRESH1);
}

void neigh_gc_arm(struct td_stack *st)
{
    struct arp *arp = st->arp;

    if (!over_thresh1(st) || timer_armed(&arp->gc_timer))
        return;
    for (size_t i = 0; i < COLLECTED; i++) {
        if (arp->list[collected[i]].oldest != NULL) {
            timer_arm(st, &arp->gc_timer, st->now + GC_INTERVAL);
            return;
        }
    }
}

void neigh_gc_due(struct td_stack *st, struct timer *t)
{
    struct arp *arp = container_of(t, struct arp, gc_timer);

    for (size_t i = 0; i < COLLECTED && over_thresh1(st); i++) {
        for (struct neigh *n = arp->list[collected[i]].oldest, *newer; n != NULL; n = newer) {
            td_time stale = (td_time)ifknob(st, n->nif, NEIGH_GC_STALE) * TD_SEC;

            newer = n->newer;
            if (!over_thresh1(st))
                break;
            if (n->since + stale <= st->now)
                neigh_remove(st, n, W_COLLECTED);
        }
    }
    neigh_gc_arm(st);
}

/* ---- when an evicted destination was asked for ---- */

static struct neigh_asked *asked_slot(const struct td_stack *st, const struct neigh_key *key)
{
    return &st->arp->asked[siphash(&st->hash_key, key, sizeof *key) % NEIGH_ASKED_SLOTS];
}

void neigh_asked_note(struct td_stack *st, const struct neigh *n)
{
    struct arp *arp = st->arp;

    if (!n->ever_asked)
        return;
    if (arp->asked == NULL)
        arp->asked = mem_alloc(&st->mem, MEM_ARP, NEIGH_ASKED_SLOTS * sizeof *arp->asked);
    if (arp->asked != NULL)
        *asked_slot(st, &n->key) = (struct neigh_asked){.key = n->key, .at = n->asked};
}

bool neigh_asked_recall(const struct td_stack *st, struct neigh *n)
{
    const struct neigh_asked *a;

    if (st->arp->asked == NULL)
        return false;
    a = asked_slot(st, &n->key);
    if (a->key.ifindex != n->key.ifindex || a->key.ip != n->key.ip)
        return false;
    n->ever_asked = true;
    n->asked = a->at;
    return true;
}
