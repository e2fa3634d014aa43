/* udp/udp_demux.c: to which endpoint a datagram belongs.
 *
 * Theory of operation. A bound endpoint is in two keyed hash tables:
 *
 *   by match: under all four of local and remote address and port when it is connected, else
 *             under local address (0 = any) and local port;
 *   by port:  under its local port alone.
 *
 * A unicast datagram is looked up at most three times, best match first: the connected endpoint of
 * exactly this pair, then one bound to this address, then one bound to any. Endpoints bound to
 * a device take only what arrives there and go before those that aren't. Several may share a key
 * when all of them allowed it: with SO_REUSEPORT datagrams are spread over them by a keyed
 * hash of the pair, otherwise the youngest gets them, as on Linux.
 *
 * A broadcast or multicast datagram goes to every endpoint that matches (RFC 1122 4.1.3.5 leaves
 * the address to them; RFC 1112 6.1 wants a copy for each), in order from young to old: that walks
 * the list of its port.
 *
 * Keys are chosen by local calls only; a remote party can neither lengthen a list nor, not knowing
 * the SipHash key, aim at a bucket.
 */
#include "udp/udp_internal.h"

#include <errno.h>
#include <string.h>

static bool udp_slot_eq(const struct hash_node *n, const void *key)
{
    const struct udp_slot *s = container_of(n, const struct udp_slot, node);
    return memcmp(&s->key, key, sizeof s->key) == 0;
}

static struct udp_slot *udp_slot_find(const struct td_stack *st, enum udp_index i,
                                      const struct udp_key *key)
{
    struct hash_node *n = hash_find(&st->udp->index[i], key, sizeof *key, udp_slot_eq);
    return n == NULL ? NULL : container_of(n, struct udp_slot, node);
}

static struct udp_slot *udp_slot_get(struct td_stack *st, enum udp_index i,
                                     const struct udp_key *key)
{
    struct udp_slot *s = udp_slot_find(st, i, key);
    if (s != NULL) {
        return s;
    }
    s = mem_alloc(&st->mem, MEM_UDP, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->key = *key;
    if (hash_insert(&st->udp->index[i], &s->node, key, sizeof *key) != 0) {
        mem_free(&st->mem, MEM_UDP, s, sizeof *s);
        return NULL;
    }
    return s;
}

static void udp_slot_drop_if_empty(struct td_stack *st, enum udp_index i, struct udp_slot *s)
{
    if (s->first == NULL) {
        hash_remove(&st->udp->index[i], &s->node);
        mem_free(&st->mem, MEM_UDP, s, sizeof *s);
    }
}

static void udp_slot_leave(struct td_stack *st, enum udp_index i, struct udp_pcb *u)
{
    struct udp_slot *s = u->in[i].slot;
    if (s == NULL) {
        return;
    }
    *u->in[i].prev = u->in[i].next;
    if (u->in[i].next != NULL) {
        u->in[i].next->in[i].prev = u->in[i].prev;
    }
    u->in[i].slot = NULL;
    udp_slot_drop_if_empty(st, i, s);
}

static void udp_slot_enter(enum udp_index i, struct udp_pcb *u, struct udp_slot *s)
{
    u->in[i].slot = s;
    u->in[i].next = s->first;
    u->in[i].prev = &s->first;
    if (s->first != NULL) {
        s->first->in[i].prev = &u->in[i].next;
    }
    s->first = u;
}

/* A far end whose port is 0 means any port of that host (as in Linux): then the pair is no key. */
static struct udp_key udp_match_key(const struct udp_addrs *a)
{
    struct udp_key k = {.laddr = a->laddr, .lport = a->lport};
    if (a->raddr != 0 && a->rport != 0) {
        k.raddr = a->raddr;
        k.rport = a->rport;
    }
    return k;
}

int udp_index_put(struct td_stack *st, struct udp_pcb *u, const struct udp_addrs *a)
{
    const struct udp_key key[UDP_INDEXES] = {
        [UDP_BY_PORT] = {.lport = a->lport},
        [UDP_BY_MATCH] = udp_match_key(a),
    };
    struct udp_slot *slot[UDP_INDEXES];
    for (int i = 0; i < UDP_INDEXES; i++) {
        slot[i] = udp_slot_get(st, (enum udp_index)i, &key[i]);
        if (slot[i] == NULL) {
            while (i-- > 0) {
                udp_slot_drop_if_empty(st, (enum udp_index)i, slot[i]);
            }
            return -ENOMEM;
        }
    }
    for (int i = 0; i < UDP_INDEXES; i++) {
        if (u->in[i].slot != slot[i]) {
            udp_slot_leave(st, (enum udp_index)i, u);
            udp_slot_enter((enum udp_index)i, u, slot[i]);
        }
    }
    u->a = *a;
    return 0;
}

void udp_index_remove(struct td_stack *st, struct udp_pcb *u)
{
    for (int i = 0; i < UDP_INDEXES; i++) {
        udp_slot_leave(st, (enum udp_index)i, u);
    }
}

bool udp_conflicts(const struct td_stack *st, const struct udp_pcb *u, td_ip4 addr, uint16_t port,
                   bool strict)
{
    const struct udp_key key = {.lport = port};
    const struct udp_slot *s = udp_slot_find(st, UDP_BY_PORT, &key);
    if (s == NULL) {
        return false;
    }
    for (const struct udp_pcb *o = s->first; o != NULL; o = o->in[UDP_BY_PORT].next) {
        bool other_device =
            u->opts.ifindex != 0 && o->opts.ifindex != 0 && u->opts.ifindex != o->opts.ifindex;
        bool other_addr = addr != 0 && o->a.laddr != 0 && addr != o->a.laddr;
        uint32_t shared = u->opts.flags & o->opts.flags & (UDP_REUSEADDR | UDP_REUSEPORT);
        if (o != u && !other_device && !other_addr && (strict || shared == 0)) {
            return true;
        }
    }
    return false;
}

static bool udp_device_ok(const struct udp_pcb *u, uint32_t ifindex)
{
    return u->opts.ifindex == 0 || ifindex == 0 || u->opts.ifindex == ifindex;
}

static bool udp_peer_ok(const struct udp_pcb *u, const struct udp_addrs *a)
{
    return u->a.raddr == 0 ||
           (u->a.raddr == a->raddr && (u->a.rport == 0 || u->a.rport == a->rport));
}

static unsigned udp_score(const struct udp_pcb *u)
{
    return (u->a.raddr != 0 ? 2U : 0U) + (u->opts.ifindex != 0 ? 1U : 0U);
}

/* The best of those that share a key; *sharers counts the SO_REUSEPORT endpoints that are as good.
 */
static struct udp_pcb *udp_slot_best(const struct udp_slot *s, const struct udp_addrs *a,
                                     uint32_t ifindex, uint32_t *sharers)
{
    struct udp_pcb *best = NULL;
    *sharers = 0;
    for (struct udp_pcb *u = s->first; u != NULL; u = u->in[UDP_BY_MATCH].next) {
        if (!udp_device_ok(u, ifindex) || !udp_peer_ok(u, a)) {
            continue;
        }
        if (best == NULL || udp_score(u) > udp_score(best)) {
            best = u;
            *sharers = 0;
        }
        if (udp_score(u) == udp_score(best) && (u->opts.flags & UDP_REUSEPORT) != 0) {
            (*sharers)++;
        }
    }
    return best;
}

static struct udp_pcb *udp_slot_nth_sharer(const struct udp_slot *s, const struct udp_addrs *a,
                                           uint32_t ifindex, unsigned score, uint32_t n)
{
    struct udp_pcb *u = s->first;
    for (; u != NULL; u = u->in[UDP_BY_MATCH].next) {
        if (udp_device_ok(u, ifindex) && udp_peer_ok(u, a) && udp_score(u) == score &&
            (u->opts.flags & UDP_REUSEPORT) != 0 && n-- == 0) {
            break;
        }
    }
    return u;
}

static struct udp_pcb *udp_slot_pick(const struct td_stack *st, const struct udp_key *key,
                                     const struct udp_addrs *a, uint32_t ifindex)
{
    const struct udp_slot *s = udp_slot_find(st, UDP_BY_MATCH, key);
    if (s == NULL) {
        return NULL;
    }
    uint32_t sharers;
    struct udp_pcb *best = udp_slot_best(s, a, ifindex, &sharers);
    if (best == NULL || sharers < 2 || (best->opts.flags & UDP_REUSEPORT) == 0) {
        return best;
    }
    const struct udp_key pair = {a->laddr, a->raddr, a->lport, a->rport};
    uint64_t h = siphash(&st->hash_key, &pair, sizeof pair) & UINT32_MAX;
    return udp_slot_nth_sharer(s, a, ifindex, udp_score(best), (uint32_t)((h * sharers) >> 32));
}

struct udp_pcb *udp_lookup(const struct td_stack *st, const struct udp_addrs *a, uint32_t ifindex)
{
    const struct udp_key keys[] = {
        {a->laddr, a->raddr, a->lport, a->rport},
        {.laddr = a->laddr, .lport = a->lport},
        {.lport = a->lport},
    };
    for (size_t i = a->raddr != 0 && a->rport != 0 ? 0 : 1; i < sizeof keys / sizeof keys[0]; i++) {
        struct udp_pcb *u = udp_slot_pick(st, &keys[i], a, ifindex);
        if (u != NULL) {
            return u;
        }
    }
    return NULL;
}

struct udp_pcb *udp_next_receiver(const struct td_stack *st, struct udp_pcb *u,
                                  const struct udp_addrs *a, uint32_t ifindex)
{
    if (u == NULL) {
        const struct udp_key key = {.lport = a->lport};
        const struct udp_slot *s = udp_slot_find(st, UDP_BY_PORT, &key);
        u = s == NULL ? NULL : s->first;
    } else {
        u = u->in[UDP_BY_PORT].next;
    }
    for (; u != NULL; u = u->in[UDP_BY_PORT].next) {
        bool wanted = ip4_is_multicast(a->laddr) && u->up->wants_group != NULL
                          ? u->up->wants_group(u->owner, a->laddr, ifindex)
                          : true;
        if ((u->a.laddr == 0 || u->a.laddr == a->laddr) && udp_device_ok(u, ifindex) &&
            udp_peer_ok(u, a) && wanted) {
            return u;
        }
    }
    return NULL;
}

/* ---- what ss -u prints ---- */

enum {
    COL_ID,
    COL_STATE,
    COL_RECVQ,
    COL_SENDQ,
    COL_LADDR,
    COL_LPORT,
    COL_RADDR,
    COL_RPORT,
    COL_DEV,
    COL_DROPS,
    COL_RMEM,
    COL_RCVBUF,
    COL_SNDBUF,
    COL_HANDLE,
    COL_OWNER,
    NCOLS
};
const struct column udp_columns[] = {
    [COL_ID] = {"id", VAL_U64, "number of the socket, as the journal and why use it"},
    [COL_STATE] = {"state", VAL_STR, "UNCONN, or ESTAB when connected"},
    [COL_RECVQ] = {"recv-q", VAL_U64, "bytes waiting to be read"},
    [COL_SENDQ] = {"send-q", VAL_U64, "bytes waiting to be sent: always 0, UDP keeps none"},
    [COL_LADDR] = {"local", VAL_IP4, "local address, 0.0.0.0 = any"},
    [COL_LPORT] = {"lport", VAL_U64, "local port, 0 = not bound"},
    [COL_RADDR] = {"peer", VAL_IP4, "connected peer, 0.0.0.0 = none"},
    [COL_RPORT] = {"pport", VAL_U64, "port of the connected peer"},
    [COL_DEV] = {"dev", VAL_STR, "interface it is bound to"},
    [COL_DROPS] = {"drops", VAL_U64, "datagrams dropped because the receive buffer was full"},
    [COL_RMEM] = {"rmem", VAL_U64, "memory that holds what waits to be read, bytes"},
    [COL_RCVBUF] = {"rcvbuf", VAL_U64, "receive buffer limit, bytes of memory"},
    [COL_SNDBUF] = {"sndbuf", VAL_U64, "send buffer limit, bytes"},
    [COL_HANDLE] = {"handle", VAL_U64, "the application's number for the socket"},
    [COL_OWNER] = {"owner", VAL_U64, "number of the application that opened it; 0: not said"},
};
const unsigned udp_ncolumns = NCOLS;

bool udp_table_next(struct td_stack *st, uint64_t *cursor, struct row *row)
{
    struct hash_node *n = hash_from(&st->udp->all, *cursor);
    if (n == NULL) {
        return false;
    }
    *cursor = n->order + 1;
    const struct udp_pcb *u = container_of(n, const struct udp_pcb, all);
    row_clear(row);
    row_u64(row, COL_ID, u->id);
    row_word(row, COL_STATE, u->a.raddr != 0 ? "ESTAB" : "UNCONN");
    row_u64(row, COL_RECVQ, u->up->queued != NULL ? u->up->queued(u->owner) : 0);
    row_u64(row, COL_SENDQ, 0);
    row_ip4(row, COL_LADDR, u->a.laddr);
    row_u64(row, COL_LPORT, u->a.lport);
    row_ip4(row, COL_RADDR, u->a.raddr);
    row_u64(row, COL_RPORT, u->a.rport);
    const struct netif *nif = u->opts.ifindex != 0 ? netif_by_index(st, u->opts.ifindex) : NULL;
    if (nif != NULL) {
        row_str(row, COL_DEV, nif->name);
    }
    row_u64(row, COL_DROPS, u->drops);
    if (u->up->user != NULL) {
        const struct endpoint_user who = u->up->user(u->owner);
        row_u64(row, COL_RMEM, who.rmem);
        row_u64(row, COL_RCVBUF, who.rcvbuf);
        row_u64(row, COL_SNDBUF, who.sndbuf);
        row_u64(row, COL_OWNER, who.owner);
        if (who.handle >= 0) {
            row_u64(row, COL_HANDLE, (uint64_t)who.handle);
        }
    }
    return true;
}
