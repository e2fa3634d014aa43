/* arp/acd.c: IPv4 address conflict detection (RFC 5227).
 *
 * Theory of operation. An address that is to be tested arrives here ADDR_TENTATIVE. From then on
 *
 *     wait 0..PROBE_WAIT ─► probe ─► 1..2 s ─► probe ─► 1..2 s ─► probe ─► ANNOUNCE_WAIT ─► ours
 *                                                                              announce, 2 s,
 * announce
 *
 * and any ARP packet from another station that has the address as sender, or a probe of another
 * station for it, loses it: hooks.acd_conflict. Then it is up to whoever configures addresses to
 * try again; after MAX_CONFLICTS conflicts in a row on an interface a new try starts no sooner than
 * RATE_LIMIT_INTERVAL after the last. Winning an address ends the count. A test is made once, and
 * again only when the interface comes up (RFC 5227 2.1).
 *
 * In use, a packet from another station with our address as sender is a conflict whatever the
 * opcode. It never reaches the neighbour table. What is done about it is arp_defend's (RFC 5227 2.4):
 *
 *     0  it is reported only, as Linux does
 *     1  (a) the address is given up at once
 *     2  (b) one announcement; at the next conflict within DEFEND_INTERVAL it is given up
 *     3  (c) one announcement in DEFEND_INTERVAL, and the address is never given up
 *
 * Giving up is hooks.acd_conflict: ip has TCP reset the connections of the address (2.4), then takes it
 * and its routes away.
 *
 * Addresses that aren't tested (arp_acd 0) are announced once when they are added and when the
 * interface comes up or changes its MAC, if arp_notify says so. Announcements and probes are
 * requests (RFC 5227 3 says why not replies); the target hardware field is zero.
 */
#include "arp/arp_priv.h"

#define PROBE_WAIT          (1 * TD_SEC)
#define PROBE_NUM           3
#define PROBE_MIN           (1 * TD_SEC)
#define PROBE_MAX           (2 * TD_SEC)
#define ANNOUNCE_WAIT       (2 * TD_SEC)
#define ANNOUNCE_NUM        2
#define ANNOUNCE_INTERVAL   (2 * TD_SEC)
#define MAX_CONFLICTS       10
#define RATE_LIMIT_INTERVAL (60 * TD_SEC)
#define DEFEND_INTERVAL     (10 * TD_SEC)

enum acd_phase {
    ACD_STOPPED,    /* interface down, or lost */
    ACD_PROBING,    /* sent counts probes */
    ACD_ANNOUNCING, /* sent counts announcements */
    ACD_HELD,       /* ours, and said so */
};

struct acd {                  /* netif_addr.acd points at it */
    struct acd *next, **prev; /* arp's list */
    struct netif *nif;
    struct netif_addr *a;
    enum acd_phase phase;
    uint32_t sent;
    bool defended;
    td_time defended_at;
    struct timer timer;
};

static timer_fn acd_due;

static struct acd *acd_get(struct td_stack *st, struct netif *nif, struct netif_addr *a)
{
    struct arp *arp = st->arp;
    struct acd *c = a->acd;

    if (c != NULL)
        return c;
    c = mem_alloc(&st->mem, MEM_ARP, sizeof *c);
    if (c == NULL)
        return NULL;
    c->nif = nif;
    c->a = a;
    timer_init(&c->timer, acd_due, "acd");
    c->next = arp->acds;
    c->prev = &arp->acds;
    if (c->next != NULL)
        c->next->prev = &c->next;
    arp->acds = c;
    a->acd = c;
    return c;
}

static void acd_free(struct td_stack *st, struct acd *c)
{
    timer_cancel(st, &c->timer);
    *c->prev = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    mem_free(&st->mem, MEM_ARP, c, sizeof *c);
}

void acd_done(struct td_stack *st)
{
    while (st->arp->acds != NULL)
        acd_free(st, st->arp->acds); /* the addresses are ip's, and may have gone before */
}

/* ---- probing and announcing ---- */

static void acd_announce(struct td_stack *st, struct netif *nif, td_ip4 addr, uint32_t number)
{
    struct journal_subject sub = arp_subject(nif, NULL, addr);

    JOURNAL(st, EV_ACD_ANNOUNCE, &sub, nif->index, addr, number);
    (void)arp_emit_request(st, nif, MAC_BROADCAST, addr, addr);
}

/* What was said about an address before it was ours. */
static void neigh_forget_own(struct td_stack *st, td_ip4 addr)
{
    struct neigh *n;

    for (struct netif *nif = netif_first(st); nif != NULL; nif = nif->next)
        if ((n = neigh_find(st, nif, addr)) != NULL)
            neigh_remove(st, n, W_OWN_ADDRESS);
}

static void acd_won(struct td_stack *st, struct acd *c)
{
    struct netif *nif = c->nif;
    struct journal_subject sub = arp_subject(nif, NULL, c->a->addr);

    neigh_forget_own(st, c->a->addr);
    nif->acd_conflicts = 0;
    c->phase = ACD_ANNOUNCING;
    c->sent = 0;
    JOURNAL_CAUSE(st, EV_ACD_READY, &sub, nif->index, c->a->addr);
    if (st->arp->hooks.acd_ready != NULL)
        st->arp->hooks.acd_ready(st, nif, c->a);
}

static void acd_start(struct td_stack *st, struct netif *nif, struct netif_addr *a)
{
    struct journal_subject sub = arp_subject(nif, NULL, a->addr);
    struct acd *c = acd_get(st, nif, a);
    td_time start = st->now + rng_below(&st->rng, (uint32_t)PROBE_WAIT + 1);

    if (c == NULL || !nif_speaks_arp(nif)) {
        /* No memory for the test, or nobody to ask: the address is used untested. */
        if (st->arp->hooks.acd_ready != NULL)
            st->arp->hooks.acd_ready(st, nif, a);
        return;
    }
    if (nif->acd_conflicts >= MAX_CONFLICTS && start < nif->acd_attempt + RATE_LIMIT_INTERVAL)
        start = nif->acd_attempt + RATE_LIMIT_INTERVAL;
    nif->acd_attempt = start;
    c->phase = ACD_PROBING;
    c->sent = 0;
    c->defended = false;
    JOURNAL(st, EV_ACD_WAIT, &sub, nif->index, a->addr, start - st->now, nif->acd_conflicts);
    timer_arm(st, &c->timer, start);
}

static void acd_due(struct td_stack *st, struct timer *t)
{
    struct acd *c = container_of(t, struct acd, timer);
    struct journal_subject sub = arp_subject(c->nif, NULL, c->a->addr);
    td_time gap = PROBE_MIN;

    if (c->phase == ACD_PROBING && c->sent < PROBE_NUM) {
        c->sent++;
        JOURNAL(st, EV_ACD_PROBE, &sub, c->nif->index, c->a->addr, c->sent);
        (void)arp_emit_request(st, c->nif, MAC_BROADCAST, 0, c->a->addr);
        gap += rng_below(&st->rng, (uint32_t)(PROBE_MAX - PROBE_MIN) + 1);
        timer_arm(st, &c->timer, st->now + (c->sent < PROBE_NUM ? gap : ANNOUNCE_WAIT));
        return;
    }
    if (c->phase == ACD_PROBING)
        acd_won(st, c);
    if (c->phase == ACD_ANNOUNCING) {
        acd_announce(st, c->nif, c->a->addr, ++c->sent);
        if (c->sent < ANNOUNCE_NUM)
            timer_arm(st, &c->timer, st->now + ANNOUNCE_INTERVAL);
        else
            c->phase = ACD_HELD;
    }
}

/* ---- conflicts ---- */

static void acd_lose(struct td_stack *st, struct netif *nif, struct netif_addr *a,
                     struct td_mac claim, bool probing)
{
    struct journal_subject sub = arp_subject(nif, NULL, a->addr);
    struct acd *c = a->acd;

    JOURNAL_CAUSE(st, EV_ACD_LOST, &sub, nif->index, a->addr, mac_u64(claim), probing);
    if (c != NULL) {
        timer_cancel(st, &c->timer);
        c->phase = ACD_STOPPED;
    }
    if (st->arp->hooks.acd_conflict != NULL)
        st->arp->hooks.acd_conflict(st, nif, a);
}

/* RFC 5227 2.4. */
static void acd_conflict(struct td_stack *st, struct netif *nif, struct netif_addr *a,
                         struct td_mac claim)
{
    int64_t policy = ifknob(st, nif, ARP_DEFEND);
    struct journal_subject sub = arp_subject(nif, NULL, a->addr);
    struct acd *c;

    if (policy == 0)
        return;
    c = acd_get(st, nif, a);
    if (policy == 1 || c == NULL) {
        acd_lose(st, nif, a, claim, false);
        return;
    }
    if (c->defended && st->now < c->defended_at + DEFEND_INTERVAL) {
        if (policy == 2)
            acd_lose(st, nif, a, claim, false);
        return;
    }
    c->defended = true;
    c->defended_at = st->now;
    JOURNAL(st, EV_ACD_DEFEND, &sub, nif->index, a->addr, mac_u64(claim));
    (void)arp_emit_request(st, nif, MAC_BROADCAST, a->addr, a->addr);
}

bool acd_input(struct td_stack *st, struct netif *nif, const struct arp_pkt *p,
               const struct pkt *frame)
{
    bool probe = p->op == ARP_REQUEST && p->spa == 0;
    td_ip4 claimed = probe ? p->tpa : p->spa;
    struct journal_subject sub = arp_subject(nif, frame, claimed);
    struct netif_addr *a = nif->addrs;
    bool probing;

    while (a != NULL && (a->addr != claimed || a->state == ADDR_CONFLICT))
        a = a->next;
    probing = a != NULL && a->state == ADDR_TENTATIVE;
    if (probe && !probing)
        return false; /* a probe for an address that is in use is answered, not fought */
    if (a == NULL) {
        /* Ours on another link: nothing to defend here, but never to be believed. */
        if (p->spa == 0 || st->arp->hooks.is_local == NULL || !st->arp->hooks.is_local(st, p->spa))
            return false;
    }
    JOURNAL_CAUSE(st, EV_ACD_CONFLICT, &sub, nif->index, claimed, mac_u64(p->sha), probing);
    count(st, ArpConflicts);
    if (probing) {
        nif->acd_conflicts++;
        acd_lose(st, nif, a, p->sha, true);
    } else if (a != NULL) {
        acd_conflict(st, nif, a, p->sha);
    }
    return true;
}

/* ---- told by ip and link ---- */

void arp_addr_added(struct td_stack *st, struct netif *nif, struct netif_addr *a)
{
    neigh_forget_own(st, a->addr);
    if (!netif_is_up(nif) && nif_speaks_arp(nif))
        return; /* when it comes up */
    if (a->state == ADDR_TENTATIVE)
        acd_start(st, nif, a);
    else if (a->state == ADDR_READY && nif_speaks_arp(nif) && ifknob(st, nif, ARP_NOTIFY) != 0)
        acd_announce(st, nif, a->addr, 1);
}

void arp_addr_removed(struct td_stack *st, struct netif *nif, struct netif_addr *a)
{
    (void)nif;
    if (a->acd != NULL)
        acd_free(st, a->acd);
    a->acd = NULL;
}

/* The interface came up: what is in use is tested anew, or at least announced. */
static void acd_link_up(struct td_stack *st, struct netif *nif, struct netif_addr *a)
{
    const struct arp_hooks *hooks = &st->arp->hooks;

    if (a->state == ADDR_READY && nif_speaks_arp(nif) && ifknob(st, nif, ARP_ACD) != 0 &&
        hooks->acd_retest != NULL)
        hooks->acd_retest(st, nif, a);
    if (a->state == ADDR_TENTATIVE)
        acd_start(st, nif, a);
    else if (a->state == ADDR_READY && nif_speaks_arp(nif) && ifknob(st, nif, ARP_NOTIFY) != 0)
        acd_announce(st, nif, a->addr, 1);
}

void acd_link_changed(struct td_stack *st, struct netif *nif, enum link_change what)
{
    for (struct netif_addr *a = nif->addrs; a != NULL; a = a->next) {
        struct acd *c = a->acd;

        if (what == LINK_DOWN && c != NULL) {
            timer_cancel(st, &c->timer);
            c->phase = ACD_STOPPED;
        } else if (what == LINK_REMOVED) {
            arp_addr_removed(st, nif, a);
        } else if (what == LINK_UP) {
            acd_link_up(st, nif, a);
        } else if (what == LINK_MAC && netif_is_up(nif) && a->state == ADDR_READY &&
                   nif_speaks_arp(nif) && ifknob(st, nif, ARP_NOTIFY) != 0) {
            acd_announce(st, nif, a->addr, 1);
        }
    }
}
