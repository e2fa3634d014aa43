/* door/door.c: the one door.
 *
 * Everything that can change an instance comes in here as a struct td_call: frames, time, socket and
 * configuration calls, entropy. door_dispatch moves the instance's clock, opens a bracket in the
 * journal (so every event knows what let it happen), does the call, and shows it with its result to
 * the recorder. Nothing else writes an instance, so issuing the same calls again gives the same
 * instance again. The td_* functions below only pack arguments.
 *
 * A flush is a call like the others, and does the protocols' part only. Notifications run after it,
 * outside of any call; what applications then ask for are calls of their own, recorded one by one
 * behind the flush that woke them, and td_stack_flush goes round again. So the record is in the
 * order in which things happened, and a replay, which runs no application, issues it as it stands.
 */
#include "door/door.h"

#include "arp/arp.h"
#include "core/journal.h"
#include "ip/ip.h"
#include "ip/nf/nf.h"
#include "link/link.h"
#include "socket/sockets.h"
#include "tapdeck/stack.h"
#include "tcp/tcp.h"

#include <errno.h>
#include <string.h>

/* Rounds of loopback in one flush, and of flush and notifications in one td_stack_flush. What is left
 * waits for the next, which td_stack_next_deadline then asks for at once: two applications that wake
 * each other for ever must not hold the loop. */
#define FLUSH_ROUNDS 64

static const char *const call_names[TD_CALL_KINDS] = {
    "input",     "clock",     "tick",      "flush",      "time", "entropy",   "if-add",    "if-del",
    "if-up",     "if-mtu",    "if-mac",    "if-ready",   "if-qdisc",  "if-impair",   "addr-add",  "addr-del",
    "link-add",  "link-flags", "link-master", "bridge-set", "port-flags", "fdb-add", "fdb-del", "fdb-flush",
    "route-add", "route-del", "route-change", "neigh-add", "neigh-del",  "neigh-flush", "knob-set", "fault-secret",
    "tcp-pin",
    "nf-restore", "nf-forget", "send-frame", "send-datagram", "organ-add", "socket",
    "bind",      "listen",    "accept",    "connect",    "sendmsg",   "recvmsg",   "shutdown",
    "close",     "dup",       "setsockopt", "getsockopt", "destroy",
};

const char *td_call_name(enum td_call_kind kind)
{
    return (unsigned)kind < TD_CALL_KINDS ? call_names[kind] : "?";
}

/* A frame that couldn't be taken in. */
static int64_t input_drop(struct td_stack *st, const struct td_call *c, struct netif *nif, int err)
{
    struct journal_subject subject = {.ifindex = c->u.input.ifindex};
    count(st, EthInDrops);
    if (nif != NULL)
        nif->stats.rx_dropped++;
    if (err == -ENODEV)
        JOURNAL(st, EV_DOOR_DROP_NO_IF, &subject, c->u.input.ifindex, c->u.input.len);
    else
        JOURNAL(st, EV_ETH_DROP_MEMORY, &subject, c->u.input.ifindex, c->u.input.len);
    return err;
}

/* What happened to time, or because of it, where the stack couldn't see it. */
static int64_t do_time(struct td_stack *st, const struct td_call *c)
{
    struct journal_subject subject = {.ifindex = c->u.time.ifindex};
    struct netif *nif = netif_by_index(st, c->u.time.ifindex);
    if (c->u.time.ifindex == 0) {
        JOURNAL(st, EV_TIME_STOOD, NULL, c->u.time.n);
        return 0;
    }
    if (nif == NULL)
        return -ENODEV;
    nif->stats.rx_dropped += c->u.time.n;
    count_add(st, EthInDrops, c->u.time.n);
    JOURNAL(st, EV_TIME_DROP_FRAMES, &subject, nif->index, c->u.time.n);
    return 0;
}

static struct pkt *input_copy(struct td_stack *st, const struct td_call *c)
{
    const struct td_frame_meta *m = &c->u.input.meta;
    struct pkt *p = pkt_from_bytes(&st->mem, PKT_HEADROOM, c->u.input.bytes, (uint32_t)c->u.input.len);
    if (p != NULL) {
        p->flags = m->flags;
        p->csum = m->csum;
        p->csum_start = m->csum_start;
        p->csum_offset = m->csum_offset;
        p->gso_size = m->gso_size;
        p->gso_segs = m->gso_segs;
    }
    return p;
}

static int64_t do_input(struct td_stack *st, struct td_call *c)
{
    struct pkt *p = c->u.input.p;
    struct netif *nif = netif_by_index(st, c->u.input.ifindex);
    c->u.input.p = NULL; /* consumed: nobody is to see it behind this */
    if (nif == NULL) {
        pkt_free(p);
        return input_drop(st, c, NULL, -ENODEV);
    }
    if (p == NULL && c->u.input.bytes != NULL)
        p = input_copy(st, c);
    if (p == NULL)
        return input_drop(st, c, nif, -ENOMEM);
    p->id = ++st->journal.next_packet;
    p->tstamp = st->now;
    p->ifindex = c->u.input.ifindex;
    st->journal.origin_id = p->id;
    link_input(st, nif, p);
    return 0;
}

/* 0, or -EAGAIN when there would be more to do. */
static int64_t do_flush(struct td_stack *st)
{
    st->flush_wanted = false;
    link_gro_flush(st);
    for (int round = 0; round < FLUSH_ROUNDS; round++) {
        tcp_flush(st);
        if (!link_flush(st))
            return 0;
        /* Frames came back over loopback: protocols may have more to say. */
    }
    st->flush_wanted = true;
    return -EAGAIN;
}

void td_stack_flush(struct td_stack *st, td_time now)
{
    struct door *d = st->door;
    if (d->notifying || st->halted) { /* called by a notification: the flush that runs it goes on */
        st->flush_wanted = true;
        return;
    }
    d->again = false;
    for (int round = 0; round < FLUSH_ROUNDS; round++) {
        struct td_call c = {.kind = TD_CALL_FLUSH, .now = now};
        bool more = door_dispatch(st, &c) != 0;
        if (st->halted) { /* in that call: applications hear of it when time goes on */
            st->flush_wanted = true;
            return;
        }
        d->notifying = true;
        more |= sockets_notify(st);
        d->notifying = false;
        if (!more)
            return;
        if (st->halted)
            return; /* flush_wanted: they did something */
    }
    st->flush_wanted = d->again = true;
}

static int64_t do_iface(struct td_stack *st, const struct td_call *c)
{
    struct netif *nif = netif_by_index(st, c->u.iface.ifindex);
    if (nif == NULL)
        return -ENODEV;
    switch (c->kind) {
    case TD_CALL_IF_DEL:
        return netif_del(st, nif->index);
    case TD_CALL_IF_UP:
        return netif_set_flags(st, nif, c->u.iface.up ? TD_IF_UP : 0, c->u.iface.up ? 0 : TD_IF_UP);
    case TD_CALL_IF_MTU:
        return netif_set_mtu(st, nif, c->u.iface.mtu);
    case TD_CALL_IF_MAC:
        return netif_set_mac(st, nif, c->u.iface.mac);
    case TD_CALL_IF_READY:
        netif_ready(st, nif);
        return 0;
    case TD_CALL_IF_IMPAIR:
        return netif_rule(st, nif, c->u.iface.ingress, c->u.iface.op, c->u.iface.id, c->u.iface.rule);
    default:
        return netif_set_qdisc(st, nif, c->u.iface.ingress, c->u.iface.qdisc);
    }
}

static int64_t do_link(struct td_stack *st, const struct td_call *c)
{
    struct netif *nif, *master;
    uint32_t unasked;

    if (c->kind == TD_CALL_LINK_ADD)
        return link_add(st, c->u.link.config, c->u.link.out != NULL ? c->u.link.out : &unasked);
    nif = netif_by_index(st, c->u.link.ifindex);
    master = netif_by_index(st, c->u.link.master);
    if (nif == NULL || (c->u.link.master != 0 && master == NULL))
        return -ENODEV;
    switch (c->kind) {
    case TD_CALL_LINK_FLAGS:
        return netif_set_flags(st, nif, c->u.link.set, c->u.link.clear);
    case TD_CALL_LINK_MASTER:
        return link_set_master(st, nif, master);
    case TD_CALL_BRIDGE_SET:
        return bridge_set(st, nif, c->u.link.bridge);
    case TD_CALL_PORT_FLAGS:
        return bridge_port_set(st, nif, c->u.link.set, c->u.link.clear);
    case TD_CALL_FDB_ADD:
        return fdb_set(st, nif, c->u.link.mac, c->u.link.set);
    case TD_CALL_FDB_DEL:
        return fdb_unset(st, nif, c->u.link.mac);
    default:
        return fdb_flush(st, nif);
    }
}

static int64_t do_route(struct td_stack *st, const struct td_call *c)
{
    if (c->kind == TD_CALL_ROUTE_CHANGE)
        return ip_route_change(st, c->u.change.list, c->u.change.bad);
    struct td_change one = {.kind = c->kind == TD_CALL_ROUTE_DEL ? TD_CHANGE_DEL
                                    : c->u.route.replace         ? TD_CHANGE_REPLACE
                                                                 : TD_CHANGE_ADD,
                            .route = *c->u.route.r};
    const struct td_change_list list = {.change = &one, .n = 1};
    one.route.npaths = 0; /* a list has those */
    return ip_route_change(st, &list, NULL);
}

static int64_t do_neigh(struct td_stack *st, const struct td_call *c)
{
    struct netif *nif = netif_by_index(st, c->u.neigh.ifindex);
    if (c->kind == TD_CALL_NEIGH_FLUSH && c->u.neigh.ifindex == 0) {
        neigh_flush(st, NULL);
        return 0;
    }
    if (nif == NULL)
        return -ENODEV;
    if (c->kind == TD_CALL_NEIGH_FLUSH) {
        neigh_flush(st, nif);
        return 0;
    }
    if (c->kind == TD_CALL_NEIGH_DEL)
        return neigh_del(st, nif, c->u.neigh.addr);
    static const enum neigh_state states[] = {
        [TD_NEIGH_PERMANENT] = NEIGH_PERMANENT,
        [TD_NEIGH_REACHABLE] = NEIGH_REACHABLE,
        [TD_NEIGH_STALE] = NEIGH_STALE,
    };
    if ((unsigned)c->u.neigh.state > TD_NEIGH_STALE)
        return -EINVAL;
    return neigh_set(st, nif, c->u.neigh.addr, c->u.neigh.mac, states[c->u.neigh.state]);
}

static int64_t do_socket(struct td_stack *st, struct td_call *c)
{
    switch (c->kind) {
    case TD_CALL_SOCKET:
        return socket_open(st, c->u.socket.domain, c->u.socket.type, c->u.socket.protocol, c->u.socket.owner);
    case TD_CALL_BIND:
        return socket_bind(st, c->u.sock.s, c->u.sock.sa, c->u.sock.len);
    case TD_CALL_LISTEN:
        return socket_listen(st, c->u.sock.s, c->u.sock.n);
    case TD_CALL_ACCEPT:
        return socket_accept(st, c->u.sock.s, c->u.sock.out, c->u.sock.outlen);
    case TD_CALL_CONNECT:
        return socket_connect(st, c->u.sock.s, c->u.sock.sa, c->u.sock.len);
    case TD_CALL_SENDMSG:
        return socket_sendmsg(st, c->u.msg.s, c->u.msg.out, c->u.msg.flags);
    case TD_CALL_RECVMSG:
        return socket_recvmsg(st, c->u.msg.s, c->u.msg.in, c->u.msg.flags);
    case TD_CALL_SHUTDOWN:
        return socket_shutdown(st, c->u.sock.s, c->u.sock.n);
    case TD_CALL_CLOSE:
        return socket_close(st, c->u.sock.s);
    case TD_CALL_DUP:
        return socket_dup(st, c->u.sock.s);
    case TD_CALL_SETSOCKOPT:
        return socket_setopt(st, c->u.opt.s, c->u.opt.level, c->u.opt.name, c->u.opt.set,
                             c->u.opt.len);
    case TD_CALL_GETSOCKOPT:
        return socket_getopt(st, c->u.opt.s, c->u.opt.level, c->u.opt.name, c->u.opt.get,
                             c->u.opt.outlen);
    case TD_CALL_DESTROY:
        return socket_destroy(st, &c->u.ends);
    default:
        return -ENOSYS;
    }
}

static int64_t do_call(struct td_stack *st, struct td_call *c)
{
    switch (c->kind) {
    case TD_CALL_INPUT:
        return do_input(st, c);
    case TD_CALL_CLOCK:
        return 0;
    case TD_CALL_TICK:
        wheel_run(st, c->now);
        return 0;
    case TD_CALL_FLUSH:
        return do_flush(st);
    case TD_CALL_TIME:
        return do_time(st, c);
    case TD_CALL_ENTROPY:
        rng_stir(&st->rng, c->u.entropy.bytes, c->u.entropy.len);
        return 0;
    case TD_CALL_IF_ADD:
        return netif_add(st, c->u.if_add.config, c->u.if_add.ifindex);
    case TD_CALL_IF_DEL:
    case TD_CALL_IF_UP:
    case TD_CALL_IF_MTU:
    case TD_CALL_IF_MAC:
    case TD_CALL_IF_READY:
    case TD_CALL_IF_QDISC:
    case TD_CALL_IF_IMPAIR:
        return do_iface(st, c);
    case TD_CALL_ADDR_ADD:
        return ip_addr_add_full(st, c->u.addr.ifindex, c->u.addr.a);
    case TD_CALL_ADDR_DEL:
        return ip_addr_del(st, c->u.addr.ifindex, c->u.addr.a->addr, c->u.addr.a->plen);
    case TD_CALL_LINK_ADD:
    case TD_CALL_LINK_FLAGS:
    case TD_CALL_LINK_MASTER:
    case TD_CALL_BRIDGE_SET:
    case TD_CALL_PORT_FLAGS:
    case TD_CALL_FDB_ADD:
    case TD_CALL_FDB_DEL:
    case TD_CALL_FDB_FLUSH:
        return do_link(st, c);
    case TD_CALL_ROUTE_ADD:
    case TD_CALL_ROUTE_DEL:
    case TD_CALL_ROUTE_CHANGE:
        return do_route(st, c);
    case TD_CALL_NEIGH_ADD:
    case TD_CALL_NEIGH_DEL:
    case TD_CALL_NEIGH_FLUSH:
        return do_neigh(st, c);
    case TD_CALL_KNOB_SET:
        return knob_set_text(st, c->u.knob.name, c->u.knob.value);
    case TD_CALL_FAULT_SECRET:
        return fault_secret_set(st, c->u.secret.fault);
    case TD_CALL_TCP_PIN:
        return tcp_pin_set(st, c->u.pin);
    case TD_CALL_SEND_FRAME:
        return probe_frame(st, c);
    case TD_CALL_SEND_DATAGRAM:
        return probe_datagram(st, c);
    case TD_CALL_ORGAN_ADD:
        return tcp_organ_add(st, c->u.organ.kind, c->u.organ.ops);
    case TD_CALL_NF_RESTORE:
        return nf_restore(st, c->u.nf.text, c->u.nf.flags, c->u.nf.msg, c->u.nf.msg_size, c->u.nf.line);
    case TD_CALL_NF_FORGET:
        return nf_ct_delete(st, c->u.nf.text, c->u.nf.msg, c->u.nf.msg_size);
    default:
        return do_socket(st, c);
    }
}

static enum journal_origin origin_of(enum td_call_kind kind)
{
    switch (kind) {
    case TD_CALL_INPUT:
        return ORIGIN_FRAME;
    case TD_CALL_FLUSH:
        return ORIGIN_FLUSH;
    case TD_CALL_TICK:
        return ORIGIN_TIMER;
    default:
        return ORIGIN_CALL;
    }
}

int64_t door_dispatch(struct td_stack *st, struct td_call *c)
{
    struct door *d = st->door;
    /* A tick's time is reached timer by timer (wheel_run); for all others it is now. */
    if (c->kind != TD_CALL_TICK && c->now > st->now)
        st->now = c->now;
    if (d->before != NULL)
        d->before(d->before_ctx, c);
    struct journal_frame saved = journal_enter(st, origin_of(c->kind), ++d->calls, 0);
    int64_t result = do_call(st, c);
    journal_leave(st, saved);
    if (c->kind != TD_CALL_FLUSH && c->kind != TD_CALL_CLOCK)
        st->flush_wanted = true;
    if (d->record != NULL)
        d->record(d->record_ctx, c, result);
    for (const struct td_ear *e = d->ears; e != NULL; e = e->next)
        e->fn(e->ctx, c, result);
    if (d->after != NULL)
        d->after(d->after_ctx, st, c->kind);
    return result;
}

void td_stack_after(struct td_stack *st, td_watcher *fn, void *ctx)
{
    st->door->after = fn;
    st->door->after_ctx = ctx;
}

void td_stack_halt(struct td_stack *st, bool halt)
{
    st->halted = halt;
}

void td_stack_record(struct td_stack *st, td_recorder *fn, void *ctx)
{
    st->door->record = fn;
    st->door->record_ctx = ctx;
}

void td_stack_overhear(struct td_stack *st, struct td_ear *ear)
{
    ear->next = st->door->ears;
    st->door->ears = ear;
}

void td_stack_overhear_end(struct td_stack *st, struct td_ear *ear)
{
    struct td_ear **at = &st->door->ears;
    while (*at != NULL && *at != ear)
        at = &(*at)->next;
    if (*at == ear)
        *at = ear->next;
}

void td_stack_before(struct td_stack *st, td_announcer *fn, void *ctx)
{
    st->door->before = fn;
    st->door->before_ctx = ctx;
}

void td_stack_sent(struct td_stack *st, td_sent *fn, void *ctx)
{
    st->sent = fn;
    st->sent_ctx = ctx;
}

int64_t td_stack_replay(struct td_stack *st, const struct td_call *call)
{
    struct td_call c = *call;
    return door_dispatch(st, &c);
}
