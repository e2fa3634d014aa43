/* link/fdb.c: which station is behind which port of a bridge (IEEE 802.1D-2004 7.8, 7.9).
 *
 * Theory of operation. The table is learnt: a frame that comes in on a port says that its source is
 * behind that port. An entry that isn't heard for the ageing time (300 s) is forgotten: the station
 * may have moved without a word, and a frame that goes everywhere reaches it, one that goes to the
 * old port doesn't. Each learnt entry has a timer. Hearing the station only writes down the time;
 * the timer, when it fires, sees that and sets itself for the rest. So a frame costs no timer
 * operation, and the entry still goes at the very nanosecond it should (the wheel's microsecond).
 *
 *     kind        how it came                      ages   moves   frames for it
 *     learnt      heard                            yes    yes     go to its port
 *     static      bridge fdb add … static          no     yes     go to its port
 *     sticky      … sticky                         no     no      go to its port
 *     local       an interface's own address, or   no     no      are the host's
 *                 bridge fdb add … permanent
 *
 * The table is bounded: `fdb_max` learnt entries. A station more isn't learnt, nobody is pushed
 * out: then a flood of forged sources would make the bridge forget those that really talk. Frames
 * for stations that have no entry go to all ports, so a full table is seen as traffic where it
 * doesn't belong; the bridge says so once (bridge-full, until there is room again) and counts
 * (BridgeFdbFull).
 *
 * A station that is heard on two ports in turn (a loop in the cabling, or somebody who takes its
 * address) makes its entry flap. Each move is counted; it is told at once, and then at most once a
 * second.
 */
#include "link/bridge_priv.h"

#include <errno.h>
#include <string.h>

#define MOVE_TOLD_EVERY TD_SEC

static bool fdb_eq(const struct hash_node *n, const void *key)
{
    const struct td_mac *mac = key;

    return mac_eq(container_of(n, struct fdb_entry, node)->mac, *mac);
}

struct fdb_entry *fdb_find(struct bridge *br, struct td_mac mac)
{
    struct hash_node *n = hash_find(&br->fdb, &mac, sizeof mac, fdb_eq);

    return n != NULL ? container_of(n, struct fdb_entry, node) : NULL;
}

static uint32_t port_index(const struct fdb_entry *e)
{
    return e->port != NULL ? e->port->nif->index : e->bridge->nif->index;
}

static struct journal_subject fdb_subject(const struct fdb_entry *e)
{
    return (struct journal_subject){.ifindex = e->bridge->nif->index};
}

/* ---- the life of an entry ---- */

static void fdb_free(struct td_stack *st, struct fdb_entry *e)
{
    struct bridge *br = e->bridge;

    timer_cancel(st, &e->timer);
    hash_remove(&br->fdb, &e->node);
    if (fdb_is_learned(e)) {
        br->learned--;
        br->full_told = false;
    }
    mem_free(&st->mem, MEM_LINK, e, sizeof *e);
}

static void fdb_forget(struct td_stack *st, struct fdb_entry *e, enum journal_word why)
{
    struct journal_subject sub = fdb_subject(e);

    JOURNAL(st, EV_BRIDGE_FORGOT, &sub, e->bridge->nif->index, mac_u64(e->mac), port_index(e), why);
    fdb_free(st, e);
}

static void fdb_timer(struct td_stack *st, struct timer *t)
{
    struct fdb_entry *e = container_of(t, struct fdb_entry, timer);
    struct journal_subject sub = fdb_subject(e);
    td_time due = e->updated + e->bridge->ageing;

    if (FAULT_ON(st, FDB_NEVER_AGES))
        return;
    if (due > st->now) {
        timer_arm(st, t, due);
        return;
    }
    JOURNAL(st, EV_BRIDGE_AGED, &sub, e->bridge->nif->index, mac_u64(e->mac), port_index(e),
            st->now - e->updated);
    count(st, BridgeAged);
    fdb_free(st, e);
}

/* NULL = no memory. */
static struct fdb_entry *fdb_new(struct td_stack *st, struct bridge *br, struct bridge_port *port,
                                 struct td_mac mac, uint32_t flags)
{
    struct fdb_entry *e = mem_alloc(&st->mem, MEM_LINK, sizeof *e);

    if (e == NULL)
        return NULL;
    e->bridge = br;
    e->port = port;
    e->mac = mac;
    e->flags = flags;
    e->updated = e->used = st->now;
    timer_init(&e->timer, fdb_timer, "fdb");
    if (hash_insert(&br->fdb, &e->node, &mac, sizeof mac) < 0) {
        mem_free(&st->mem, MEM_LINK, e, sizeof *e);
        return NULL;
    }
    if (fdb_is_learned(e)) {
        br->learned++;
        timer_arm(st, &e->timer, st->now + br->ageing);
    }
    return e;
}

/* ---- learning ---- */

static void fdb_refused(struct td_stack *st, struct bridge *br, const struct bridge_port *port,
                        struct td_mac mac)
{
    struct journal_subject sub = {.ifindex = br->nif->index};

    count(st, BridgeFdbFull);
    if (br->full_told)
        return;
    br->full_told = true;
    JOURNAL(st, EV_BRIDGE_FULL, &sub, br->nif->index, mac_u64(mac), port->nif->index, br->learned);
}

static void fdb_move(struct td_stack *st, struct fdb_entry *e, struct bridge_port *port)
{
    struct journal_subject sub = fdb_subject(e);
    bool tell = e->told == 0 || st->now - e->told >= MOVE_TOLD_EVERY;

    e->moves++;
    count(st, BridgeMoves);
    if (tell) {
        e->told = st->now != 0 ? st->now : 1;
        JOURNAL(st, EV_BRIDGE_MOVED, &sub, e->bridge->nif->index, mac_u64(e->mac), port_index(e),
                port->nif->index, e->moves);
    } else {
        JOURNAL(st, EV_BRIDGE_MOVED_AGAIN, &sub, e->bridge->nif->index, mac_u64(e->mac),
                port_index(e), port->nif->index, e->moves);
    }
    e->port = port;
}

void fdb_learn(struct td_stack *st, struct bridge *br, struct bridge_port *port, struct td_mac mac)
{
    struct journal_subject sub = {.ifindex = br->nif->index};
    struct fdb_entry *e = fdb_find(br, mac);

    if (br->ageing == 0)
        return; /* a hub */
    if (e != NULL) {
        e->updated = st->now;
        if (e->port != port && (e->flags & (TD_FDB_LOCAL | TD_FDB_STICKY)) == 0)
            fdb_move(st, e, port);
        return;
    }
    if (br->learned >= br->fdb_max || fdb_new(st, br, port, mac, 0) == NULL) {
        fdb_refused(st, br, port, mac);
        return;
    }
    JOURNAL(st, EV_BRIDGE_LEARNED, &sub, br->nif->index, mac_u64(mac), port->nif->index);
    count(st, BridgeLearned);
}

/* ---- the interfaces' own addresses ---- */

static void fdb_own(struct td_stack *st, struct bridge *br, struct bridge_port *port,
                    struct td_mac mac)
{
    struct fdb_entry *e = fdb_find(br, mac);

    if (e != NULL && e->own)
        return; /* the bridge has a port's address, as it mostly does */
    if (e != NULL)
        fdb_forget(st, e, W_BECAME_OURS);
    e = fdb_new(st, br, port, mac, TD_FDB_LOCAL);
    if (e != NULL)
        e->own = true;
}

void fdb_own_addresses(struct td_stack *st, struct bridge *br)
{
    for (struct hash_node *n = hash_first(&br->fdb), *next; n != NULL; n = next) {
        struct fdb_entry *e = container_of(n, struct fdb_entry, node);

        next = hash_next(n);
        if (e->own)
            fdb_free(st, e);
    }
    for (struct bridge_port *p = br->ports; p != NULL; p = p->next)
        fdb_own(st, br, p, p->nif->mac);
    fdb_own(st, br, NULL, br->nif->mac);
}

/* ---- forgetting ---- */

uint32_t fdb_forget_port(struct td_stack *st, struct bridge *br, const struct bridge_port *port,
                         bool all, enum journal_word why)
{
    uint32_t n = 0;

    for (struct hash_node *h = hash_first(&br->fdb), *next; h != NULL; h = next) {
        struct fdb_entry *e = container_of(h, struct fdb_entry, node);

        next = hash_next(h);
        if ((port != NULL && e->port != port) || e->own || (!all && !fdb_is_learned(e)))
            continue;
        fdb_forget(st, e, why);
        n++;
    }
    return n;
}

void fdb_ageing_changed(struct td_stack *st, struct bridge *br)
{
    for (struct hash_node *n = hash_first(&br->fdb); n != NULL; n = hash_next(n)) {
        struct fdb_entry *e = container_of(n, struct fdb_entry, node);

        if (fdb_is_learned(e))
            timer_arm(st, &e->timer, e->updated + br->ageing);
    }
}

void fdb_done(struct td_stack *st, struct bridge *br)
{
    struct hash_node *n;

    while ((n = hash_first(&br->fdb)) != NULL)
        fdb_free(st, container_of(n, struct fdb_entry, node));
    hash_done(&br->fdb);
}

/* ---- by command ---- */

/* The bridge and port that nif stands for; false: neither. */
static bool fdb_place(struct netif *nif, struct bridge **br, struct bridge_port **port)
{
    *port = nif->port;
    *br = nif->port != NULL ? nif->port->bridge : nif->bridge;
    return *br != NULL;
}

int fdb_set(struct td_stack *st, struct netif *nif, struct td_mac mac, uint32_t flags)
{
    const uint32_t known = TD_FDB_LOCAL | TD_FDB_STATIC | TD_FDB_STICKY;
    struct journal_subject sub = netif_subject(nif, NULL);
    struct bridge_port *port;
    struct bridge *br;
    struct fdb_entry *e;

    if (!fdb_place(nif, &br, &port) || mac_is_multicast(mac) || mac_is_zero(mac) ||
        (flags & ~known) != 0)
        return -EINVAL;
    if ((flags & TD_FDB_STICKY) != 0)
        flags |= TD_FDB_STATIC;
    if ((flags & TD_FDB_LOCAL) != 0 ? (flags & TD_FDB_STATIC) != 0 : port == NULL)
        return -EINVAL;
    e = fdb_find(br, mac);
    if (e != NULL && e->own)
        return -EBUSY;
    if (flags == 0 && (br->fdb_max <= br->learned - (e != NULL && fdb_is_learned(e))))
        return -ENOSPC;
    if (e != NULL)
        fdb_free(st, e);
    if (fdb_new(st, br, port, mac, flags) == NULL)
        return -ENOMEM;
    JOURNAL(st, EV_BRIDGE_SET, &sub, br->nif->index, mac_u64(mac), nif->index, flags);
    return 0;
}

int fdb_unset(struct td_stack *st, struct netif *nif, struct td_mac mac)
{
    struct bridge_port *port;
    struct bridge *br;
    struct fdb_entry *e;

    if (!fdb_place(nif, &br, &port))
        return -EINVAL;
    e = fdb_find(br, mac);
    if (e == NULL || e->port != port)
        return -ENOENT;
    if (e->own)
        return -EBUSY;
    fdb_forget(st, e, W_BY_COMMAND);
    return 0;
}

int fdb_flush(struct td_stack *st, struct netif *nif)
{
    struct bridge_port *port;
    struct bridge *br;

    if (!fdb_place(nif, &br, &port))
        return -EINVAL;
    return (int)fdb_forget_port(st, br, port, false, W_BY_COMMAND);
}

/* ---- the table ---- */

enum fdb_col { F_MAC, F_IFNAME, F_MASTER, F_STATE, F_FLAGS, F_UPDATED, F_USED, F_MOVES, F_COLUMNS };

static const struct column fdb_columns[F_COLUMNS] = {
    [F_MAC] = {"mac", VAL_MAC, "the station"},
    [F_IFNAME] = {"ifname", VAL_STR, "the port it is behind"},
    [F_MASTER] = {"master", VAL_STR, "the bridge"},
    [F_STATE] = {"state", VAL_STR, "permanent (ours) or static; none: learnt"},
    [F_FLAGS] = {"flags", VAL_STR, "sticky"},
    [F_UPDATED] = {"updated", VAL_NS, "since it was last heard"},
    [F_USED] = {"used", VAL_NS, "since a frame was last for it"},
    [F_MOVES] = {"moves", VAL_U64, "times it changed its port"},
};

static bool fdb_next(struct td_stack *st, uint64_t *cursor, struct row *row)
{
    /* The upper half is the bridge's index, the lower the entry's number in it. */
    for (uint64_t index = *cursor >> 32; index < st->link->next_index;
         index++, *cursor = index << 32) {
        struct netif *nif = netif_by_index(st, (uint32_t)index);
        struct hash_node *n = NULL;
        const struct fdb_entry *e;

        if (nif != NULL && nif->bridge != NULL)
            n = hash_from(&nif->bridge->fdb, *cursor & UINT32_MAX);
        if (n == NULL)
            continue;
        e = container_of(n, struct fdb_entry, node);
        *cursor = index << 32 | (n->order + 1);
        row_clear(row);
        row_mac(row, F_MAC, e->mac);
        row_str(row, F_IFNAME, e->port != NULL ? e->port->nif->name : nif->name);
        row_str(row, F_MASTER, nif->name);
        if (!fdb_is_learned(e))
            row_word(row, F_STATE, (e->flags & TD_FDB_LOCAL) != 0 ? "permanent" : "static");
        if ((e->flags & TD_FDB_STICKY) != 0)
            row_word(row, F_FLAGS, "sticky");
        row_ns(row, F_UPDATED, st->now - e->updated);
        row_ns(row, F_USED, st->now - e->used);
        row_u64(row, F_MOVES, e->moves);
        return true;
    }
    return false;
}

void fdb_table_init(struct td_stack *st)
{
    st->link->fdb_table = (struct table){
        .name = "fdb",
        .doc = "stations that bridges know (bridge fdb)",
        .columns = fdb_columns,
        .ncolumns = F_COLUMNS,
        .next = fdb_next,
    };
    table_register(st, &st->link->fdb_table);
}
