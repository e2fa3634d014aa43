/* door/api.c: the public calls of tapdeck/stack.h and tapdeck/socket.h, packed for the door.
 *
 * Calls that only read (poll, getsockname, knob_get …) need no door and go straight to their module.
 */
#include "door/door.h"

#include "arp/arp.h"
#include "ip/ip.h"
#include "link/link.h"
#include "socket/sockets.h"
#include "tapdeck/socket.h"
#include "tapdeck/stack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

/* ---- frames and time ---- */

void td_stack_input(struct td_stack *st, uint32_t ifindex, struct pkt *p, td_time now)
{
    struct td_call c = {.kind = TD_CALL_INPUT, .now = now};
    c.u.input.ifindex = ifindex;
    c.u.input.p = p;
    c.u.input.len = p->len;
    if (st->door->record == NULL && st->door->before == NULL) {
        (void)door_dispatch(st, &c);
        return;
    }
    /* Recorded, the frame comes in as a copy of its bytes, as it will when it is replayed: a packet
     * of another shape costs another truesize, and windows follow that. A frame for whose copy there
     * is no memory is lost, in the record too. */
    c.u.input.p = NULL;
    c.u.input.meta = (struct td_frame_meta){
        .flags = p->flags,
        .csum = p->csum,
        .csum_start = p->csum_start,
        .csum_offset = p->csum_offset,
        .gso_size = p->gso_size,
        .gso_segs = p->gso_segs,
    };
    if (pkt_make_linear(p))
        c.u.input.bytes = p->data;
    (void)door_dispatch(st, &c);
    pkt_free(p);
}

int td_stack_input_bytes(struct td_stack *st, uint32_t ifindex, const void *frame, size_t len, td_time now)
{
    if (len > 65535 + 64)
        return -EMSGSIZE;
    struct td_call c = {.kind = TD_CALL_INPUT, .now = now};
    c.u.input.ifindex = ifindex;
    c.u.input.bytes = frame;
    c.u.input.len = len;
    return (int)door_dispatch(st, &c);
}

static void timed(struct td_stack *st, enum td_call_kind kind, td_time now)
{
    struct td_call c = {.kind = kind, .now = now};
    (void)door_dispatch(st, &c);
}

void td_stack_clock(struct td_stack *st, td_time now)
{
    timed(st, TD_CALL_CLOCK, now);
}

void td_stack_tick(struct td_stack *st, td_time now)
{
    timed(st, TD_CALL_TICK, now);
}

td_time td_stack_next_deadline(struct td_stack *st)
{
    td_time next = wheel_next(&st->wheel);
    return st->door->again || next < st->now ? st->now : next;
}

td_time td_stack_now(const struct td_stack *st)
{
    return st->now;
}

struct mem *td_stack_mem(struct td_stack *st)
{
    return &st->mem;
}

void td_stack_time_stood(struct td_stack *st, td_time stood)
{
    struct td_call c = {.kind = TD_CALL_TIME, .now = st->now};
    c.u.time.n = stood;
    (void)door_dispatch(st, &c);
}

int td_stack_frames_lost(struct td_stack *st, uint32_t ifindex, uint64_t frames)
{
    struct td_call c = {.kind = TD_CALL_TIME, .now = st->now};
    c.u.time.ifindex = ifindex;
    c.u.time.n = frames;
    return ifindex != 0 ? (int)door_dispatch(st, &c) : -ENODEV;
}

void td_stack_entropy(struct td_stack *st, const void *bytes, size_t len)
{
    struct td_call c = {.kind = TD_CALL_ENTROPY, .now = st->now};
    c.u.entropy.bytes = bytes;
    c.u.entropy.len = len;
    (void)door_dispatch(st, &c);
}

/* ---- configuration ---- */

int td_if_add(struct td_stack *st, const struct td_if_config *config, uint32_t *ifindex)
{
    struct td_call c = {.kind = TD_CALL_IF_ADD, .now = st->now};
    c.u.if_add.config = config;
    c.u.if_add.ifindex = ifindex;
    return (int)door_dispatch(st, &c);
}

static int iface_call(struct td_stack *st, enum td_call_kind kind, uint32_t ifindex, struct td_call *c)
{
    c->kind = kind;
    c->now = st->now;
    c->u.iface.ifindex = ifindex;
    return (int)door_dispatch(st, c);
}

int td_if_del(struct td_stack *st, uint32_t ifindex)
{
    struct td_call c = {0};
    return iface_call(st, TD_CALL_IF_DEL, ifindex, &c);
}

int td_if_up(struct td_stack *st, uint32_t ifindex, bool up)
{
    struct td_call c = {.u.iface.up = up};
    return iface_call(st, TD_CALL_IF_UP, ifindex, &c);
}

int td_if_set_mtu(struct td_stack *st, uint32_t ifindex, uint32_t mtu)
{
    struct td_call c = {.u.iface.mtu = mtu};
    return iface_call(st, TD_CALL_IF_MTU, ifindex, &c);
}

int td_if_set_mac(struct td_stack *st, uint32_t ifindex, struct td_mac mac)
{
    struct td_call c = {.u.iface.mac = mac};
    return iface_call(st, TD_CALL_IF_MAC, ifindex, &c);
}

void td_if_ready(struct td_stack *st, uint32_t ifindex)
{
    struct td_call c = {0};
    (void)iface_call(st, TD_CALL_IF_READY, ifindex, &c);
}

uint32_t td_if_index(const struct td_stack *st, const char *name)
{
    const struct netif *nif = netif_by_name(st, name);
    return nif != NULL ? nif->index : 0;
}

int td_if_netem(struct td_stack *st, uint32_t ifindex, bool ingress, const struct td_netem *params)
{
    struct td_qdisc_chain chain = {.depth = 1, .q[0].kind = TD_QDISC_NETEM};

    if (params == NULL)
        return td_if_qdisc(st, ifindex, ingress, NULL);
    chain.q[0].u.netem = *params;
    return td_if_qdisc(st, ifindex, ingress, &chain);
}

int td_if_qdisc(struct td_stack *st, uint32_t ifindex, bool ingress, const struct td_qdisc_chain *chain)
{
    struct td_call c = {.u.iface.ingress = ingress, .u.iface.qdisc = chain};
    return iface_call(st, TD_CALL_IF_QDISC, ifindex, &c);
}

static int impair_call(struct td_stack *st, uint32_t ifindex, bool ingress, enum td_impair_op op, uint32_t id,
                     const struct td_impair *rule)
{
    struct td_call c = {
        .u.iface.ingress = ingress, .u.iface.op = op, .u.iface.id = id, .u.iface.rule = rule};
    return iface_call(st, TD_CALL_IF_IMPAIR, ifindex, &c);
}

int td_impair_add(struct td_stack *st, uint32_t ifindex, bool ingress, const struct td_impair *rule)
{
    return impair_call(st, ifindex, ingress, TD_IMPAIR_ADD, 0, rule);
}

int td_impair_del(struct td_stack *st, uint32_t ifindex, bool ingress, uint32_t id)
{
    return impair_call(st, ifindex, ingress, TD_IMPAIR_DEL, id, NULL);
}

int td_impair_release(struct td_stack *st, uint32_t ifindex, bool ingress, uint32_t id)
{
    return impair_call(st, ifindex, ingress, TD_IMPAIR_RELEASE, id, NULL);
}

static int addr_call(struct td_stack *st, enum td_call_kind kind, uint32_t ifindex, const struct td_addr *a)
{
    struct td_call c = {.kind = kind, .now = st->now};
    c.u.addr.ifindex = ifindex;
    c.u.addr.a = a;
    return (int)door_dispatch(st, &c);
}

int td_addr_add(struct td_stack *st, uint32_t ifindex, td_ip4 addr, uint8_t plen)
{
    return addr_call(st, TD_CALL_ADDR_ADD, ifindex, &(struct td_addr){.addr = addr, .plen = plen});
}

int td_addr_add_full(struct td_stack *st, uint32_t ifindex, const struct td_addr *a)
{
    return addr_call(st, TD_CALL_ADDR_ADD, ifindex, a);
}

int td_addr_del(struct td_stack *st, uint32_t ifindex, td_ip4 addr, uint8_t plen)
{
    return addr_call(st, TD_CALL_ADDR_DEL, ifindex, &(struct td_addr){.addr = addr, .plen = plen});
}

/* ---- interfaces of the stack's own, bridges ---- */

int td_link_add(struct td_stack *st, const struct td_link_config *config, uint32_t *ifindex)
{
    struct td_call c = {.kind = TD_CALL_LINK_ADD, .now = st->now};
    c.u.link.config = config;
    c.u.link.out = ifindex;
    return (int)door_dispatch(st, &c);
}

static int link_call(struct td_stack *st, enum td_call_kind kind, uint32_t ifindex, struct td_call *c)
{
    c->kind = kind;
    c->now = st->now;
    c->u.link.ifindex = ifindex;
    return (int)door_dispatch(st, c);
}

int td_link_set_master(struct td_stack *st, uint32_t ifindex, uint32_t master)
{
    return link_call(st, TD_CALL_LINK_MASTER, ifindex, &(struct td_call){.u.link.master = master});
}

int td_if_set_flags(struct td_stack *st, uint32_t ifindex, uint32_t set, uint32_t clear)
{
    return link_call(st, TD_CALL_LINK_FLAGS, ifindex,
                     &(struct td_call){.u.link.set = set, .u.link.clear = clear});
}

int td_bridge_set(struct td_stack *st, uint32_t ifindex, const struct td_bridge_config *config)
{
    return link_call(st, TD_CALL_BRIDGE_SET, ifindex, &(struct td_call){.u.link.bridge = config});
}

int td_port_set_flags(struct td_stack *st, uint32_t ifindex, uint32_t set, uint32_t clear)
{
    return link_call(st, TD_CALL_PORT_FLAGS, ifindex,
                     &(struct td_call){.u.link.set = set, .u.link.clear = clear});
}

int td_fdb_add(struct td_stack *st, uint32_t ifindex, struct td_mac mac, uint32_t flags)
{
    return link_call(st, TD_CALL_FDB_ADD, ifindex, &(struct td_call){.u.link.mac = mac, .u.link.set = flags});
}

int td_fdb_del(struct td_stack *st, uint32_t ifindex, struct td_mac mac)
{
    return link_call(st, TD_CALL_FDB_DEL, ifindex, &(struct td_call){.u.link.mac = mac});
}

int td_fdb_flush(struct td_stack *st, uint32_t ifindex)
{
    return link_call(st, TD_CALL_FDB_FLUSH, ifindex, &(struct td_call){0});
}

static int route_call(struct td_stack *st, enum td_call_kind kind, const struct td_route *r, bool replace)
{
    struct td_call c = {.kind = kind, .now = st->now};
    c.u.route.r = r;
    c.u.route.replace = replace;
    return (int)door_dispatch(st, &c);
}

int td_route_add(struct td_stack *st, const struct td_route *r, bool replace)
{
    return route_call(st, TD_CALL_ROUTE_ADD, r, replace);
}

int td_route_del(struct td_stack *st, const struct td_route *r)
{
    return route_call(st, TD_CALL_ROUTE_DEL, r, false);
}

int td_route_change(struct td_stack *st, const struct td_change_list *l, size_t *bad)
{
    struct td_call c = {.kind = TD_CALL_ROUTE_CHANGE, .now = st->now};
    c.u.change.list = l;
    c.u.change.bad = bad;
    return (int)door_dispatch(st, &c);
}

int td_route_get(struct td_stack *st, td_ip4 dst, td_ip4 src, struct td_route_answer *out)
{
    struct ip_route_result r;
    int err = ip_route(st, dst, src, 0, &r);
    if (err != 0)
        return err;
    *out = (struct td_route_answer){
        .src = r.src,
        .nexthop = r.nexthop,
        .ifindex = r.nif != NULL ? r.nif->index : 0,
        .mtu = r.mtu,
        .type = (uint8_t)r.type,
    };
    return 0;
}

static int neigh_call(struct td_stack *st, enum td_call_kind kind, uint32_t ifindex, td_ip4 addr,
                      struct td_mac mac, enum td_neigh_state state)
{
    struct td_call c = {.kind = kind, .now = st->now};
    c.u.neigh.ifindex = ifindex;
    c.u.neigh.addr = addr;
    c.u.neigh.mac = mac;
    c.u.neigh.state = state;
    return (int)door_dispatch(st, &c);
}

int td_neigh_add(struct td_stack *st, uint32_t ifindex, td_ip4 addr, struct td_mac mac,
                 enum td_neigh_state state)
{
    return neigh_call(st, TD_CALL_NEIGH_ADD, ifindex, addr, mac, state);
}

int td_neigh_del(struct td_stack *st, uint32_t ifindex, td_ip4 addr)
{
    return neigh_call(st, TD_CALL_NEIGH_DEL, ifindex, addr, (struct td_mac){{0}}, TD_NEIGH_STALE);
}

int td_neigh_flush(struct td_stack *st, uint32_t ifindex)
{
    return neigh_call(st, TD_CALL_NEIGH_FLUSH, ifindex, 0, (struct td_mac){{0}}, TD_NEIGH_STALE);
}

int td_knob_set(struct td_stack *st, const char *name, const char *value)
{
    struct td_call c = {.kind = TD_CALL_KNOB_SET, .now = st->now};
    c.u.knob.name = name;
    c.u.knob.value = value;
    return (int)door_dispatch(st, &c);
}

int td_fault_secret(struct td_stack *st, int fault)
{
    struct td_call c = {.kind = TD_CALL_FAULT_SECRET, .now = st->now};
    c.u.secret.fault = fault;
    return (int)door_dispatch(st, &c);
}

int td_tcp_pin(struct td_stack *st, const struct td_tcp_pin *pin)
{
    struct td_call c = {.kind = TD_CALL_TCP_PIN, .now = st->now, .u.pin = pin};
    return (int)door_dispatch(st, &c);
}

int td_organ_add(struct td_stack *st, enum td_organ_kind kind, const void *ops)
{
    struct td_call c = {.kind = TD_CALL_ORGAN_ADD, .now = st->now};
    c.u.organ.kind = kind;
    c.u.organ.ops = ops;
    return (int)door_dispatch(st, &c);
}

/* ---- packet filter ---- */

int td_nf_restore(struct td_stack *st, const char *text, unsigned flags, char *msg, size_t msg_size,
                  unsigned *line)
{
    struct td_call c = {.kind = TD_CALL_NF_RESTORE, .now = st->now};
    c.u.nf.text = text;
    c.u.nf.flags = flags;
    c.u.nf.msg = msg;
    c.u.nf.msg_size = msg_size;
    c.u.nf.line = line;
    return (int)door_dispatch(st, &c);
}

int64_t td_nf_forget(struct td_stack *st, const char *words, char *msg, size_t msg_size)
{
    struct td_call c = {.kind = TD_CALL_NF_FORGET, .now = st->now};
    c.u.nf.text = words;
    c.u.nf.msg = msg;
    c.u.nf.msg_size = msg_size;
    return door_dispatch(st, &c);
}

/* ---- probes ---- */

int td_send_frame(struct td_stack *st, uint32_t ifindex, struct td_mac dst, uint16_t ethertype,
                  const void *bytes, size_t len)
{
    struct td_call c = {.kind = TD_CALL_SEND_FRAME, .now = st->now};
    c.u.send.ifindex = ifindex;
    c.u.send.dst = dst;
    c.u.send.ethertype = ethertype;
    c.u.send.bytes = bytes;
    c.u.send.len = len;
    return (int)door_dispatch(st, &c);
}

int td_send_datagram(struct td_stack *st, const struct td_datagram *d, const void *bytes, size_t len)
{
    struct td_call c = {.kind = TD_CALL_SEND_DATAGRAM, .now = st->now};
    c.u.send.datagram = d;
    c.u.send.bytes = bytes;
    c.u.send.len = len;
    return (int)door_dispatch(st, &c);
}

/* ---- sockets ---- */

int td_socket(struct td_stack *st, int domain, int type, int protocol)
{
    struct td_call c = {.kind = TD_CALL_SOCKET, .now = st->now};
    c.u.socket.owner = socket_owner(st);
    c.u.socket.domain = domain;
    c.u.socket.type = type;
    c.u.socket.protocol = protocol;
    return (int)door_dispatch(st, &c);
}

static int sock_call(struct td_stack *st, enum td_call_kind kind, int s, const struct sockaddr *sa,
                     socklen_t len, int n)
{
    struct td_call c = {.kind = kind, .now = st->now};
    c.u.sock.s = s;
    c.u.sock.sa = sa;
    c.u.sock.len = len;
    c.u.sock.n = n;
    return (int)door_dispatch(st, &c);
}

int td_bind(struct td_stack *st, int s, const struct sockaddr *sa, socklen_t len)
{
    return sock_call(st, TD_CALL_BIND, s, sa, len, 0);
}

int td_listen(struct td_stack *st, int s, int backlog)
{
    return sock_call(st, TD_CALL_LISTEN, s, NULL, 0, backlog);
}

int td_accept(struct td_stack *st, int s, struct sockaddr *sa, socklen_t *len)
{
    struct td_call c = {.kind = TD_CALL_ACCEPT, .now = st->now};
    c.u.sock.s = s;
    c.u.sock.out = sa;
    c.u.sock.outlen = len;
    return (int)door_dispatch(st, &c);
}

int td_connect(struct td_stack *st, int s, const struct sockaddr *sa, socklen_t len)
{
    return sock_call(st, TD_CALL_CONNECT, s, sa, len, 0);
}

int64_t td_sendmsg(struct td_stack *st, int s, const struct msghdr *m, int flags)
{
    struct td_call c = {.kind = TD_CALL_SENDMSG, .now = st->now};
    c.u.msg.s = s;
    c.u.msg.out = m;
    c.u.msg.flags = flags;
    return door_dispatch(st, &c);
}

int64_t td_recvmsg(struct td_stack *st, int s, struct msghdr *m, int flags)
{
    struct td_call c = {.kind = TD_CALL_RECVMSG, .now = st->now};
    c.u.msg.s = s;
    c.u.msg.in = m;
    c.u.msg.flags = flags;
    return door_dispatch(st, &c);
}

int td_shutdown(struct td_stack *st, int s, int how)
{
    return sock_call(st, TD_CALL_SHUTDOWN, s, NULL, 0, how);
}

int td_close(struct td_stack *st, int s)
{
    return sock_call(st, TD_CALL_CLOSE, s, NULL, 0, 0);
}

int td_dup(struct td_stack *st, int s)
{
    return sock_call(st, TD_CALL_DUP, s, NULL, 0, 0);
}

int td_setsockopt(struct td_stack *st, int s, int level, int name, const void *v, socklen_t len)
{
    struct td_call c = {.kind = TD_CALL_SETSOCKOPT, .now = st->now};
    c.u.opt.s = s;
    c.u.opt.level = level;
    c.u.opt.name = name;
    c.u.opt.set = v;
    c.u.opt.len = len;
    return (int)door_dispatch(st, &c);
}

int td_getsockopt(struct td_stack *st, int s, int level, int name, void *v, socklen_t *len)
{
    struct td_call c = {.kind = TD_CALL_GETSOCKOPT, .now = st->now};
    c.u.opt.s = s;
    c.u.opt.level = level;
    c.u.opt.name = name;
    c.u.opt.get = v;
    c.u.opt.outlen = len;
    return (int)door_dispatch(st, &c);
}

int td_getsockname(struct td_stack *st, int s, struct sockaddr *sa, socklen_t *len)
{
    return socket_getname(st, s, false, sa, len);
}

int td_getpeername(struct td_stack *st, int s, struct sockaddr *sa, socklen_t *len)
{
    return socket_getname(st, s, true, sa, len);
}

int td_ioctl(struct td_stack *st, int s, unsigned long request, int *out)
{
    return socket_ioctl(st, s, request, out);
}

int td_poll(struct td_stack *st, int s)
{
    return socket_poll(st, s);
}

int td_set_notify(struct td_stack *st, int s, td_notify *fn, void *ctx)
{
    return socket_set_notify(st, s, fn, ctx);
}

void td_socket_owner(struct td_stack *st, uint32_t owner)
{
    socket_set_owner(st, owner);
}

int td_socket_destroy(struct td_stack *st, const struct td_ends *which)
{
    struct td_call c = {.kind = TD_CALL_DESTROY, .now = st->now, .u.ends = *which};
    return (int)door_dispatch(st, &c);
}

uint32_t td_socket_id(struct td_stack *st, int s)
{
    return socket_id(st, s);
}

/* ---- conveniences ---- */

struct sockaddr_in td_sockaddr(td_ip4 addr, uint16_t port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET};
    sa.sin_addr.s_addr = htonl(addr);
    sa.sin_port = htons(port);
    return sa;
}

int64_t td_send(struct td_stack *st, int s, const void *buf, size_t len, int flags)
{
    struct iovec iov = {(void *)(uintptr_t)buf, len};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    return td_sendmsg(st, s, &m, flags);
}

int64_t td_recv(struct td_stack *st, int s, void *buf, size_t len, int flags)
{
    struct iovec iov = {buf, len};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    return td_recvmsg(st, s, &m, flags);
}

int64_t td_sendto(struct td_stack *st, int s, const void *buf, size_t len, int flags, td_ip4 addr,
                  uint16_t port)
{
    struct sockaddr_in sa = td_sockaddr(addr, port);
    struct iovec iov = {(void *)(uintptr_t)buf, len};
    struct msghdr m = {.msg_name = &sa, .msg_namelen = sizeof sa, .msg_iov = &iov, .msg_iovlen = 1};
    return td_sendmsg(st, s, &m, flags);
}

int64_t td_recvfrom(struct td_stack *st, int s, void *buf, size_t len, int flags, td_ip4 *addr,
                    uint16_t *port)
{
    struct sockaddr_in sa = {.sin_family = AF_UNSPEC};
    struct iovec iov = {buf, len};
    struct msghdr m = {.msg_name = &sa, .msg_namelen = sizeof sa, .msg_iov = &iov, .msg_iovlen = 1};
    int64_t n = td_recvmsg(st, s, &m, flags);
    if (n >= 0 && addr != NULL)
        *addr = ntohl(sa.sin_addr.s_addr);
    if (n >= 0 && port != NULL)
        *port = ntohs(sa.sin_port);
    return n;
}
