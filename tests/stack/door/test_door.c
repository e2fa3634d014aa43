/* The one door: everything that happens to an instance can be recorded, and happens again when the
 * record is issued again; time, drops and notifications at the door. */
#include "check_main.h"
#include "reasm_simple.h"
#include "core/stack.h"
#include "harness.h"
#include "prng.h"
#include "tapdeck/call.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- a host whose frames are kept ---- */

struct sent {
    td_time at;
    uint32_t len;
    uint8_t b[1600];
};

struct host {
    struct td_stack *st;
    uint32_t eth;
    struct sent *out;
    unsigned n, room, taken;
};

static int keep_frame(void *dev, const struct pkt *p)
{
    struct host *h = dev;
    if (h->n == h->room) {
        h->room = h->room == 0 ? 256 : h->room * 2;
        h->out = realloc(h->out, h->room * sizeof *h->out);
        ck_assert_ptr_nonnull(h->out);
    }
    struct sent *f = &h->out[h->n++];
    f->at = td_stack_now(h->st);
    f->len = p->len;
    ck_assert_uint_le(p->len, sizeof f->b);
    ck_assert(pkt_read(p, 0, f->b, p->len));
    return 0;
}

static const struct td_device_ops keep_ops = {.transmit = keep_frame};

static void host_make(struct host *h, uint8_t seed)
{
    struct td_stack_config c = {.now = SEC(100)};
    memset(h, 0, sizeof *h);
    memset(c.seed, seed, sizeof c.seed);
    h->st = td_stack_new(&c);
    ck_assert_ptr_nonnull(h->st);
}

static void host_attach(struct host *h, td_ip4 addr)
{
    struct td_if_config c = {.name = "eth0", .ops = &keep_ops, .dev = h};
    ck_assert_int_eq(td_if_add(h->st, &c, &h->eth), 0);
    ck_assert_int_eq(td_if_up(h->st, h->eth, true), 0);
    ck_assert_int_eq(td_addr_add(h->st, h->eth, addr, 24), 0);
}

static void host_end(struct host *h)
{
    td_stack_free(h->st);
    free(h->out);
}

/* ---- a record: calls with copies of what they point at ---- */

struct entry {
    struct td_call c;
    int64_t result;
    struct iovec iov;    /* of a message */
    struct msghdr msg;
    uint8_t *got;        /* recvmsg: what came then */
    uint32_t ifindex;    /* if-add: where the answer goes */
    socklen_t len;
};

struct record {
    struct entry e[20000];
    unsigned n;
    void *mem[60000];
    unsigned nmem;
    bool of_kind[TD_CALL_KINDS];
};

static void *copy(struct record *r, const void *p, size_t n)
{
    if (p == NULL || n == 0)
        return NULL;
    void *q = malloc(n);
    memcpy(q, p, n);
    ck_assert_uint_lt(r->nmem, sizeof r->mem / sizeof r->mem[0]);
    r->mem[r->nmem++] = q;
    return q;
}

static void on_call(void *ctx, const struct td_call *c, int64_t result)
{
    struct record *r = ctx;
    ck_assert_uint_lt(r->n, sizeof r->e / sizeof r->e[0]);
    struct entry *e = &r->e[r->n++];
    e->c = *c;
    e->result = result;
    r->of_kind[c->kind] = true;
    switch (c->kind) {
    case TD_CALL_INPUT:
        ck_assert_ptr_null(c->u.input.p); /* it is gone by now */
        e->c.u.input.bytes = copy(r, c->u.input.bytes, c->u.input.len);
        break;
    case TD_CALL_ENTROPY:
        e->c.u.entropy.bytes = copy(r, c->u.entropy.bytes, c->u.entropy.len);
        break;
    case TD_CALL_IF_ADD:
        e->c.u.if_add.config = copy(r, c->u.if_add.config, sizeof *c->u.if_add.config);
        break;
    case TD_CALL_IF_QDISC:
        e->c.u.iface.qdisc = copy(r, c->u.iface.qdisc, sizeof *c->u.iface.qdisc);
        break;
    case TD_CALL_IF_IMPAIR:
        e->c.u.iface.rule = copy(r, c->u.iface.rule, sizeof *c->u.iface.rule);
        break;
    case TD_CALL_ADDR_ADD:
    case TD_CALL_ADDR_DEL:
        e->c.u.addr.a = copy(r, c->u.addr.a, sizeof *c->u.addr.a);
        break;
    case TD_CALL_LINK_ADD:
        e->c.u.link.config = copy(r, c->u.link.config, sizeof *c->u.link.config);
        e->c.u.link.out = NULL;
        break;
    case TD_CALL_BRIDGE_SET:
        e->c.u.link.bridge = copy(r, c->u.link.bridge, sizeof *c->u.link.bridge);
        break;
    case TD_CALL_ROUTE_ADD:
    case TD_CALL_ROUTE_DEL:
        e->c.u.route.r = copy(r, c->u.route.r, sizeof *c->u.route.r);
        break;
    case TD_CALL_ROUTE_CHANGE: {
        struct td_change_list *l = copy(r, c->u.change.list, sizeof *l);
        l->change = copy(r, l->change, l->n * sizeof *l->change);
        l->path = copy(r, l->path, l->npaths * sizeof *l->path);
        e->c.u.change.list = l;
        e->c.u.change.bad = NULL;
        break;
    }
    case TD_CALL_KNOB_SET:
        e->c.u.knob.name = copy(r, c->u.knob.name, strlen(c->u.knob.name) + 1);
        e->c.u.knob.value = copy(r, c->u.knob.value, strlen(c->u.knob.value) + 1);
        break;
    case TD_CALL_TCP_PIN:
        e->c.u.pin = copy(r, c->u.pin, sizeof *c->u.pin);
        break;
    case TD_CALL_NF_RESTORE:
    case TD_CALL_NF_FORGET:
        e->c.u.nf.text = copy(r, c->u.nf.text, strlen(c->u.nf.text) + 1);
        e->c.u.nf.msg = NULL;
        e->c.u.nf.line = NULL;
        break;
    case TD_CALL_SEND_DATAGRAM:
        e->c.u.send.datagram = copy(r, c->u.send.datagram, sizeof *c->u.send.datagram);
        e->c.u.send.bytes = copy(r, c->u.send.bytes, c->u.send.len);
        break;
    case TD_CALL_SEND_FRAME:
        e->c.u.send.bytes = copy(r, c->u.send.bytes, c->u.send.len);
        break;
    case TD_CALL_BIND:
    case TD_CALL_CONNECT:
        e->c.u.sock.sa = copy(r, c->u.sock.sa, c->u.sock.len);
        break;
    case TD_CALL_SENDMSG: {
        const struct msghdr *m = c->u.msg.out;
        ck_assert_uint_le(m->msg_iovlen, 1);
        e->iov = (struct iovec){copy(r, m->msg_iov->iov_base, m->msg_iov->iov_len), m->msg_iov->iov_len};
        e->msg = (struct msghdr){.msg_name = copy(r, m->msg_name, m->msg_namelen),
                                 .msg_namelen = m->msg_namelen,
                                 .msg_iovlen = 1};
        break;
    }
    case TD_CALL_RECVMSG: {
        const struct msghdr *m = c->u.msg.in;
        e->iov = (struct iovec){copy(r, m->msg_iov->iov_base, m->msg_iov->iov_len), m->msg_iov->iov_len};
        e->got = copy(r, m->msg_iov->iov_base, m->msg_iov->iov_len);
        e->msg = (struct msghdr){.msg_iovlen = 1};
        break;
    }
    case TD_CALL_SETSOCKOPT:
        e->c.u.opt.set = copy(r, c->u.opt.set, c->u.opt.len);
        break;
    case TD_CALL_GETSOCKOPT:
        e->len = *c->u.opt.outlen;
        e->c.u.opt.get = copy(r, c->u.opt.get, e->len);
        break;
    default:
        break;
    }
}

/* Issues the record to a fresh host. `skip`: leaves this one out. False at the first result that
 * differs. */
static bool replay(struct record *r, struct host *h, unsigned skip)
{
    for (unsigned i = 0; i < r->n; i++) {
        struct entry *e = &r->e[i];
        struct td_call c = e->c;
        if (i == skip)
            continue;
        if (c.kind == TD_CALL_IF_ADD) {
            struct td_if_config config = *c.u.if_add.config;
            config.dev = h;
            c.u.if_add.config = &config;
            c.u.if_add.ifindex = &h->eth;
            if (td_stack_replay(h->st, &c) != e->result)
                return false;
            continue;
        }
        if (c.kind == TD_CALL_SENDMSG || c.kind == TD_CALL_RECVMSG) {
            e->msg.msg_iov = &e->iov;
            c.u.msg.out = c.u.msg.in = NULL;
            if (c.kind == TD_CALL_SENDMSG)
                c.u.msg.out = &e->msg;
            else
                c.u.msg.in = &e->msg;
        }
        if (c.kind == TD_CALL_GETSOCKOPT)
            c.u.opt.outlen = &e->len;
        if (c.kind == TD_CALL_ACCEPT)
            c.u.sock.out = NULL, c.u.sock.outlen = NULL;
        if (td_stack_replay(h->st, &c) != e->result)
            return false;
        if (c.kind == TD_CALL_RECVMSG && e->result > 0 &&
            memcmp(e->iov.iov_base, e->got, (size_t)e->result) != 0)
            return false;
    }
    return true;
}

static bool same_frames(const struct host *a, const struct host *b)
{
    if (a->n != b->n)
        return false;
    for (unsigned i = 0; i < a->n; i++)
        if (a->out[i].at != b->out[i].at || a->out[i].len != b->out[i].len ||
            memcmp(a->out[i].b, b->out[i].b, a->out[i].len) != 0)
            return false;
    return true;
}

static void ck_same_history(const struct td_stack *a, const struct td_stack *b)
{
    ck_assert_uint_eq(a->journal.next_seq, b->journal.next_seq);
    ck_assert(memcmp(a->journal.events, b->journal.events, sizeof a->journal.events) == 0);
    ck_assert(memcmp(&a->counters, &b->counters, sizeof a->counters) == 0);
    ck_assert_uint_eq(a->journal.count, b->journal.count);
    uint64_t seq = 0;
    const struct journal_record *x, *y;
    while ((x = journal_from(a, seq)) != NULL) {
        y = journal_from(b, seq);
        char s[300], t[300];
        journal_format(a, x, s, sizeof s);
        journal_format(b, y, t, sizeof t);
        ck_assert_str_eq(s, t);
        ck_assert_uint_eq(x->time, y->time);
        ck_assert_uint_eq(x->cause, y->cause);
        ck_assert_uint_eq(x->origin, y->origin);
        ck_assert_uint_eq(x->origin_id, y->origin_id);
        seq = x->seq + 1;
    }
}

/* ---- an application that lives on notifications ---- */

static void echo_conn(void *ctx, struct td_stack *st, int s, int mask)
{
    char buf[700];
    int64_t n;
    (void)ctx;
    (void)mask;
    while ((n = td_recv(st, s, buf, sizeof buf, 0)) > 0)
        (void)td_send(st, s, buf, (size_t)n, 0);
    if (n == 0)
        (void)td_close(st, s);
}

static void echo_listen(void *ctx, struct td_stack *st, int s, int mask)
{
    int c;
    (void)mask;
    while ((c = td_accept(st, s, NULL, NULL)) >= 0) {
        int on = 1, err;
        socklen_t len = sizeof err;
        td_setsockopt(st, c, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof on);
        td_getsockopt(st, c, SOL_SOCKET, SO_ERROR, &err, &len);
        td_set_notify(st, c, echo_conn, ctx);
    }
}

static void echo_udp(void *ctx, struct td_stack *st, int s, int mask)
{
    char buf[700];
    td_ip4 from;
    uint16_t port;
    int64_t n;
    (void)ctx;
    (void)mask;
    while ((n = td_recvfrom(st, s, buf, sizeof buf, 0, &from, &port)) >= 0)
        (void)td_sendto(st, s, buf, (size_t)n, 0, from, port);
}

static void server_start(struct td_stack *st)
{
    struct sockaddr_in sa = td_sockaddr(0, 7);
    int s = td_socket(st, AF_INET, SOCK_STREAM, 0), u = td_socket(st, AF_INET, SOCK_DGRAM, 0);
    ck_assert_int_eq(td_bind(st, s, (struct sockaddr *)&sa, sizeof sa), 0);
    ck_assert_int_eq(td_listen(st, s, 5), 0);
    ck_assert_int_eq(td_bind(st, u, (struct sockaddr *)&sa, sizeof sa), 0);
    td_set_notify(st, s, echo_listen, NULL);
    td_set_notify(st, u, echo_udp, NULL);
}

/* Frames that `from` sent and `to` hasn't had; now and then one is lost. */
static bool carry(struct host *from, struct host *to, td_time now, struct prng *r)
{
    bool any = false;
    while (from->taken < from->n) {
        const struct sent *f = &from->out[from->taken++];
        any = true;
        if (prng_below(r, 10) == 0)
            continue;
        if (prng_below(r, 2) == 0) {
            (void)td_stack_input_bytes(to->st, to->eth, f->b, f->len, now);
        } else {
            struct pkt *p = pkt_from_bytes(td_stack_mem(to->st), 0, f->b, f->len);
            td_stack_input(to->st, to->eth, p, now);
        }
    }
    return any;
}

static void world_run(struct host *a, struct host *b, td_time until, struct prng *r)
{
    td_time now = td_stack_now(a->st);
    while (now < until) {
        bool moved = carry(a, b, now, r);
        moved |= carry(b, a, now, r);
        td_stack_flush(a->st, now);
        td_stack_flush(b->st, now);
        if (moved)
            continue;
        td_time na = td_stack_next_deadline(a->st), nb = td_stack_next_deadline(b->st);
        td_time next = na < nb ? na : nb;
        now = next < now + MS(50) ? next : now + MS(50);
        td_stack_tick(a->st, now);
        td_stack_tick(b->st, now);
    }
}

/* A VLAN and a bridge are made, used and told things. */
static void links(struct td_stack *st, uint32_t eth)
{
    struct td_link_config vlan = {.kind = TD_LINK_VLAN, .name = "vlan", .lower = eth, .vid = 9, .flags = TD_IF_UP};
    struct td_link_config bridge = {.kind = TD_LINK_BRIDGE, .name = "br", .flags = TD_IF_UP};
    struct td_bridge_config ageing = {.what = TD_BRIDGE_AGEING, .ageing = SEC(2)};
    struct td_mac station = {{2, 7, 7, 7, 7, 7}};
    uint32_t v, br;
    ck_assert_int_eq(td_link_add(st, &vlan, &v), 0);
    ck_assert_int_eq(td_link_add(st, &bridge, &br), 0);
    ck_assert_int_eq(td_link_set_master(st, v, br), 0);
    ck_assert_int_eq(td_if_set_flags(st, br, TD_IF_PROMISC, 0), 0);
    ck_assert_int_eq(td_bridge_set(st, br, &ageing), 0);
    ck_assert_int_eq(td_port_set_flags(st, v, TD_PORT_HAIRPIN, 0), 0);
    ck_assert_int_eq(td_addr_add(st, br, TD_IP4(10, 77, 0, 1), 24), 0);
    ck_assert_int_eq(td_fdb_add(st, v, station, TD_FDB_STATIC), 0);
    ck_assert_int_eq(td_fdb_del(st, v, station), 0);
    ck_assert_int_eq(td_fdb_add(st, v, station, 0), 0);
    ck_assert_int_eq(td_fdb_flush(st, br), 1);
    int u = td_socket(st, AF_INET, SOCK_DGRAM, 0);
    ck_assert_int_eq(td_sendto(st, u, "x", 1, 0, TD_IP4(10, 77, 0, 2), 9), 1); /* asks who has it, tagged */
    td_stack_flush(st, td_stack_now(st));
    td_close(st, u);
}

static struct record *record_make(struct host *b, struct prng *r)
{
    struct host a;
    struct record *rec = calloc(1, sizeof *rec);
    host_make(&a, 1);
    host_make(b, 2);
    td_stack_record(b->st, on_call, rec);
    host_attach(&a, TD_IP4(10, 0, 0, 1));
    host_attach(b, TD_IP4(10, 0, 0, 2));
    server_start(b->st);
    ck_assert_int_eq(td_organ_add(b->st, TD_ORGAN_REASSEMBLY, &reasm_simple), 0);
    ck_assert_int_eq(td_knob_set(b->st, "tapdeck.reassembly", "simple"), 0);
    ck_assert_int_eq(td_nf_restore(b->st, "-A INPUT -m state --state INVALID -j DROP\n-t nat -A POSTROUTING -j MASQUERADE", 0,
                                   NULL, 0, NULL), 0);

    struct sockaddr_in sa = td_sockaddr(TD_IP4(10, 0, 0, 2), 7);
    int s = td_socket(a.st, AF_INET, SOCK_STREAM, 0), u = td_socket(a.st, AF_INET, SOCK_DGRAM, 0);
    ck_assert_int_eq(td_connect(a.st, s, (struct sockaddr *)&sa, sizeof sa), -EINPROGRESS);
    uint8_t block[3000], got[6000];
    prng_fill(r, block, sizeof block);
    size_t in = 0;
    int64_t n;
    for (int round = 0; round < 6; round++) {
        (void)td_sendto(a.st, u, block, 100, 0, TD_IP4(10, 0, 0, 2), 7);
        world_run(&a, b, td_stack_now(a.st) + SEC(2), r);
        if (round < 2)
            ck_assert_int_eq(td_send(a.st, s, block, sizeof block, 0), sizeof block);
    }
    while (in < sizeof got && (n = td_recv(a.st, s, got + in, sizeof got - in, 0)) > 0)
        in += (size_t)n;
    ck_assert_uint_eq(in, sizeof got); /* all of it came back, through losses */
    ck_assert(memcmp(got, block, sizeof block) == 0);
    (void)td_close(a.st, s);
    world_run(&a, b, td_stack_now(a.st) + SEC(5), r);

    /* the rest of the calls */
    struct td_stack *st = b->st;
    struct td_netem bad = {.loss = td_percent(50), .seed = 3};
    struct td_route route = {.prefix = TD_IP4(192, 0, 2, 0), .plen = 24, .gateway = TD_IP4(10, 0, 0, 9)};
    struct td_mac mac = {{2, 9, 9, 9, 9, 9}};
    td_stack_entropy(st, "noise", 5);
    ck_assert_int_eq(td_route_add(st, &route, false), 0);
    ck_assert_int_eq(td_route_del(st, &route), 0);
    const struct td_path ways[] = {{.gateway = TD_IP4(10, 0, 0, 9), .weight = 1},
                                   {.gateway = TD_IP4(10, 0, 0, 8), .weight = 2}};
    const struct td_change changes[] = {
        {.kind = TD_CHANGE_ADD, .route = {.prefix = TD_IP4(192, 0, 2, 0), .plen = 24, .npaths = 2}},
        {.kind = TD_CHANGE_RULE_ADD, .rule = {.priority = 100, .table = 7}},
        {.kind = TD_CHANGE_RULE_DEL, .rule = {.priority = 100}},
        {.kind = TD_CHANGE_DEL, .route = {.prefix = TD_IP4(192, 0, 2, 0), .plen = 24}},
    };
    const struct td_change_list list = {.change = changes, .n = 4, .path = ways, .npaths = 2};
    ck_assert_int_eq(td_route_change(st, &list, NULL), 0);
    ck_assert_int_eq(td_neigh_add(st, b->eth, TD_IP4(10, 0, 0, 9), mac, TD_NEIGH_PERMANENT), 0);
    ck_assert_int_eq(td_neigh_del(st, b->eth, TD_IP4(10, 0, 0, 9)), 0);
    ck_assert_int_eq(td_neigh_flush(st, 0), 0);
    ck_assert_int_eq(td_if_netem(st, b->eth, false, &bad), 0);
    struct td_impair one_arp = {.action = TD_IMPAIR_DROP, .from = 1000000, .to = 1000000, .step = 1, .kinds = TD_KIND_ARP};
    ck_assert_int_eq(td_impair_add(st, b->eth, false, &one_arp), 1);
    ck_assert_int_eq(td_impair_release(st, b->eth, false, 1), 0);
    ck_assert_int_eq(td_impair_del(st, b->eth, false, 0), 0);
    ck_assert_int_eq(td_if_netem(st, b->eth, false, NULL), 0);
    ck_assert_int_eq(td_if_set_mtu(st, b->eth, 1400), 0);
    td_if_ready(st, b->eth);
    td_stack_time_stood(st, TD_SEC);
    ck_assert_int_eq(td_knob_set(st, "net.ipv4.ip_default_ttl", "32"), 0);
    ck_assert_int_eq(td_fault_secret(st, -1), -EPERM); /* a call like the others */
    ck_assert_int_ge(td_nf_forget(st, "", NULL, 0), 0);
    const struct td_tcp_pin pin = {
        .laddr = TD_IP4(10, 0, 0, 2), .raddr = TD_IP4(10, 0, 0, 1), .lport = 7, .rport = 9, .what = TD_PIN_ISS, .iss = 4711};
    ck_assert_int_eq(td_tcp_pin(st, &pin), 0);
    const struct td_datagram probe = {.dst = TD_IP4(10, 0, 0, 1), .proto = 6, .ttl = 3};
    ck_assert_int_eq(td_send_datagram(st, &probe, "twenty bytes of a SYN", 20), 0);
    ck_assert_int_eq(td_send_frame(st, b->eth, mac, 0x88b5, "a frame", 7), 0);
    links(st, b->eth);
    int d = td_socket(st, AF_INET, SOCK_STREAM, 0), e = td_dup(st, d);
    ck_assert_int_eq(td_connect(st, d, (struct sockaddr *)&sa, sizeof sa), -EINPROGRESS); /* to itself */
    td_stack_flush(st, td_stack_now(st));
    ck_assert_int_eq(td_shutdown(st, d, SHUT_WR), 0);
    td_stack_flush(st, td_stack_now(st));
    td_close(st, d);
    td_close(st, e);
    const struct td_ends listener = {.protocol = IPPROTO_TCP, .lport = 7};
    ck_assert_int_eq(td_socket_destroy(st, &listener), 1);
    td_stack_clock(st, td_stack_now(st) + 5);
    ck_assert_int_eq(td_addr_del(st, b->eth, TD_IP4(10, 0, 0, 2), 24), 0);
    ck_assert_int_eq(td_if_set_mac(st, b->eth, mac), 0);
    ck_assert_int_eq(td_if_up(st, b->eth, false), 0);
    ck_assert_int_eq(td_if_del(st, b->eth), 0);
    td_stack_flush(st, td_stack_now(st));
    td_stack_record(st, NULL, NULL);
    unsigned calls = rec->n;
    td_stack_flush(st, td_stack_now(st));
    ck_assert_uint_eq(rec->n, calls); /* no longer recorded */
    host_end(&a);
    return rec;
}

static void record_free(struct record *r)
{
    for (unsigned i = 0; i < r->nmem; i++)
        free(r->mem[i]);
    free(r);
}

START_TEST(what_was_recorded_happens_again)
{
    struct prng r = {(uint64_t)_i};
    struct host b, c;
    struct record *rec = record_make(&b, &r);
    for (int kind = 0; kind < TD_CALL_KINDS; kind++)
        ck_assert_msg(rec->of_kind[kind], "the record has no %s", td_call_name((enum td_call_kind)kind));
    ck_assert_uint_gt(b.st->counters.v[CNT_TcpInSegs], 10);
    host_make(&c, 2);
    ck_assert(replay(rec, &c, UINT32_MAX));
    ck_assert(same_frames(&b, &c));
    ck_same_history(b.st, c.st);
    host_end(&b);
    host_end(&c);
    record_free(rec);
}
END_TEST

/* The comparison is worth something: leave out one frame of the record, or begin from another seed,
 * and it is not the same any more. */
START_TEST(what_differs_is_seen)
{
    struct prng r = {99};
    struct host b, c;
    struct record *rec = record_make(&b, &r);
    unsigned skip = 0;
    for (unsigned i = rec->n / 8; skip == 0; i++)
        if (rec->e[i].c.kind == TD_CALL_INPUT && rec->e[i].c.u.input.len > 60)
            skip = i;
    host_make(&c, 2);
    ck_assert(!replay(rec, &c, skip) || !same_frames(&b, &c));
    host_end(&c);
    host_make(&c, 3);
    ck_assert(!replay(rec, &c, UINT32_MAX) || !same_frames(&b, &c));
    host_end(&c);
    host_end(&b);
    record_free(rec);
}
END_TEST

/* ---- names, time ---- */

START_TEST(every_call_has_its_name)
{
    for (int i = 0; i < TD_CALL_KINDS; i++) {
        ck_assert_str_ne(td_call_name((enum td_call_kind)i), "?");
        for (int k = 0; k < i; k++)
            ck_assert_str_ne(td_call_name((enum td_call_kind)i), td_call_name((enum td_call_kind)k));
    }
    ck_assert_str_eq(td_call_name(TD_CALL_KINDS), "?");
}
END_TEST

static unsigned fired;
static td_time fired_at;
static void count_firing(struct td_stack *st, struct timer *t)
{
    (void)t;
    fired++;
    fired_at = st->now;
}

START_TEST(time_moves_forward_only)
{
    struct hx *h = hx_new();
    struct timer t;
    td_time now = td_stack_now(h->st);
    td_stack_clock(h->st, now + SEC(1));
    ck_assert_uint_eq(td_stack_now(h->st), now + SEC(1));
    td_stack_clock(h->st, now);
    td_stack_tick(h->st, now);
    td_stack_flush(h->st, now);
    ck_assert_int_eq(td_stack_input_bytes(h->st, h->ifindex, "x", 1, now), 0);
    ck_assert_uint_eq(td_stack_now(h->st), now + SEC(1));

    fired = 0;
    timer_init(&t, count_firing, "test");
    timer_arm(h->st, &t, now + SEC(3));
    ck_assert_uint_le(td_stack_next_deadline(h->st), now + SEC(3));
    td_stack_clock(h->st, now + SEC(4)); /* the time is told, nothing fires */
    ck_assert_uint_eq(fired, 0);
    ck_assert_uint_eq(td_stack_next_deadline(h->st), now + SEC(4)); /* at once, and never in the past */
    td_stack_tick(h->st, now + SEC(5));
    ck_assert_uint_eq(fired, 1);
    ck_assert_uint_ge(fired_at, now + SEC(4)); /* time doesn't go back for it */
    ck_assert_uint_ge(td_stack_next_deadline(h->st), td_stack_now(h->st));
    timer_arm(h->st, &t, now + SEC(6));
    td_stack_tick(h->st, now + SEC(9));
    ck_assert_uint_eq(fired_at, now + SEC(6)); /* each at its own time */
    ck_assert_uint_eq(td_stack_now(h->st), now + SEC(9));
    hx_free(h);
}
END_TEST

/* ---- drops at the door ---- */

START_TEST(a_frame_for_no_interface)
{
    struct hx *h = hx_new();
    uint8_t frame[60] = {0};
    uint64_t drops = hx_counter(h, "EthInDrops");
    ck_assert_int_eq(td_stack_input_bytes(h->st, 4711, frame, sizeof frame, td_stack_now(h->st)), -ENODEV);
    struct pkt *p = pkt_from_bytes(td_stack_mem(h->st), 0, frame, sizeof frame);
    td_stack_input(h->st, 4711, p, td_stack_now(h->st)); /* freed: hx_free looks */
    ck_assert_uint_eq(hx_counter(h, "EthInDrops"), drops + 2);
    ck_assert_uint_eq(hx_event(h, "door-drop-no-if"), 2);
    hx_free(h);
}
END_TEST

START_TEST(a_frame_without_memory)
{
    struct hx *h = hx_new();
    uint8_t frame[60] = {0};
    uint64_t drops = hx_counter(h, "EthInDrops"), kept = hx_event(h, "eth-drop-memory");
    h->st->mem.failing = true;
    ck_assert_int_eq(td_stack_input_bytes(h->st, h->ifindex, frame, sizeof frame, td_stack_now(h->st)), -ENOMEM);
    h->st->mem.failing = false;
    ck_assert_uint_eq(hx_counter(h, "EthInDrops"), drops + 1);
    ck_assert_uint_eq(hx_event(h, "eth-drop-memory"), kept + 1);
    hx_free(h);
}
END_TEST

START_TEST(a_frame_larger_than_any)
{
    struct hx *h = hx_new();
    static uint8_t frame[70000];
    ck_assert_int_eq(td_stack_input_bytes(h->st, h->ifindex, frame, sizeof frame, 0), -EMSGSIZE);
    hx_free(h);
}
END_TEST

/* ---- what the journal is told ---- */

static struct journal_record last_seen;
static void see(void *ctx, const struct journal_record *r)
{
    (void)ctx;
    last_seen = *r;
}

START_TEST(the_journal_knows_what_came_in)
{
    struct hx *h = hx_new();
    uint8_t runt[5] = {0};
    h->st->journal.tap = see;
    td_stack_input_bytes(h->st, h->ifindex, runt, sizeof runt, td_stack_now(h->st));
    ck_assert_int_eq(last_seen.origin, ORIGIN_FRAME);
    ck_assert_uint_eq(last_seen.origin_id, h->st->journal.next_packet);
    ck_assert_str_eq(event_info[last_seen.event].name, "eth-drop-runt");
    ck_assert_int_eq(td_knob_set(h->st, "net.ipv4.ip_default_ttl", "63"), 0);
    ck_assert_int_eq(last_seen.origin, ORIGIN_CALL);
    uint64_t call = last_seen.origin_id;
    ck_assert_int_eq(td_knob_set(h->st, "net.ipv4.ip_default_ttl", "64"), 0);
    ck_assert_uint_eq(last_seen.origin_id, call + 1);
    ck_assert_uint_eq(last_seen.cause, 0); /* no event led to it, a call did */
    /* what a timer does is the timer's, and has the cause that armed it */
    ck_assert_int_ge(td_socket(h->st, AF_INET, SOCK_DGRAM, 0), 0);
    ck_assert_int_eq(td_sendto(h->st, 0, "x", 1, 0, TD_IP4(10, 0, 0, 77), 9), 1); /* nobody: ARP asks again */
    hx_flush(h);
    td_stack_tick(h->st, td_stack_now(h->st) + MS(1500));
    ck_assert_str_eq(event_info[last_seen.event].name, "arp-request");
    ck_assert_int_eq(last_seen.origin, ORIGIN_TIMER);
    h->st->journal.tap = NULL;
    hx_drain(h);
    td_stack_tick(h->st, td_stack_now(h->st) + SEC(5));
    hx_drain(h);
    hx_free(h);
}
END_TEST

/* ---- flush and notifications ---- */

static unsigned pings;
static void ping_pong(void *ctx, struct td_stack *st, int s, int mask)
{
    char b[4];
    td_ip4 from;
    uint16_t port;
    (void)ctx;
    (void)mask;
    if (td_recvfrom(st, s, b, sizeof b, 0, &from, &port) >= 0) {
        pings++;
        (void)td_sendto(st, s, b, 1, 0, from, port);
    }
}

/* Two applications that answer each other for ever don't hold the loop: flush ends, and asks to be
 * called again at once. */
START_TEST(a_flush_is_bounded)
{
    struct hx *h = hx_new();
    int a = hx_udp_socket(h, TD_IP4(127, 0, 0, 1), 1001), b = hx_udp_socket(h, TD_IP4(127, 0, 0, 1), 1002);
    td_set_notify(h->st, a, ping_pong, NULL);
    td_set_notify(h->st, b, ping_pong, NULL);
    pings = 0;
    ck_assert_int_eq(td_sendto(h->st, a, "x", 1, 0, TD_IP4(127, 0, 0, 1), 1002), 1);
    td_time now = td_stack_now(h->st);
    td_stack_flush(h->st, now);
    unsigned first = pings;
    ck_assert_uint_gt(first, 2);
    ck_assert_uint_eq(td_stack_next_deadline(h->st), now);
    td_stack_flush(h->st, now);
    ck_assert_uint_gt(pings, first); /* it went on */
    td_set_notify(h->st, a, NULL, NULL);
    td_stack_flush(h->st, now);
    ck_assert_uint_gt(td_stack_next_deadline(h->st), now); /* peace */
    hx_free(h);
}
END_TEST

static unsigned depth, deepest, runs;
static void flushes(void *ctx, struct td_stack *st, int s, int mask)
{
    char b[4];
    (void)ctx;
    (void)mask;
    depth++;
    deepest = depth > deepest ? depth : deepest;
    (void)td_recv(st, s, b, sizeof b, 0);
    if (++runs < 4) /* wakes itself again */
        (void)td_sendto(st, s, "y", 1, 0, TD_IP4(127, 0, 0, 1), 1002);
    td_stack_flush(st, td_stack_now(st));
    depth--;
}

START_TEST(a_notification_that_flushes_is_not_entered_again)
{
    struct hx *h = hx_new();
    int a = hx_udp_socket(h, TD_IP4(127, 0, 0, 1), 1001), b = hx_udp_socket(h, TD_IP4(127, 0, 0, 1), 1002);
    td_set_notify(h->st, b, flushes, NULL);
    depth = deepest = runs = 0;
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(td_sendto(h->st, a, "x", 1, 0, TD_IP4(127, 0, 0, 1), 1002), 1);
    hx_flush(h);
    ck_assert_uint_ge(runs, 4); /* the flush that is under way goes on for it */
    ck_assert_uint_eq(deepest, 1);
    hx_free(h);
}
END_TEST

static bool in_call;
static unsigned inside;
static void watch_calls(void *ctx, const struct td_call *c, int64_t result)
{
    (void)ctx;
    (void)result;
    /* calls that a notification makes stand behind the flush that woke it */
    if (c->kind == TD_CALL_FLUSH)
        in_call = true;
    else if (c->kind == TD_CALL_RECVMSG && in_call)
        inside++;
}

START_TEST(notified_calls_are_recorded_behind_their_flush)
{
    struct hx *h = hx_new();
    int a = hx_udp_socket(h, TD_IP4(127, 0, 0, 1), 1001), b = hx_udp_socket(h, TD_IP4(127, 0, 0, 1), 1002);
    td_set_notify(h->st, b, flushes, NULL);
    hx_flush(h);
    ck_assert_int_eq(td_sendto(h->st, a, "x", 1, 0, TD_IP4(127, 0, 0, 1), 1002), 1);
    runs = 100;
    in_call = false;
    inside = 0;
    td_stack_record(h->st, watch_calls, NULL);
    hx_flush(h);
    td_stack_record(h->st, NULL, NULL);
    ck_assert_uint_eq(inside, 1);
    hx_free(h);
}
END_TEST

/* ---- ears ---- */

struct heard {
    char text[512]; /* "<flush" is announced, "eth0:60=0" was sent, ">" is over */
};

static void hear(struct heard *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void hear(struct heard *h, const char *fmt, ...)
{
    size_t n = strlen(h->text);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(h->text + n, sizeof h->text - n, fmt, ap);
    va_end(ap);
}

static void hear_before(void *ctx, const struct td_call *call)
{
    hear(ctx, "<%s", td_call_name(call->kind));
    if (call->kind == TD_CALL_INPUT)
        ck_assert(call->u.input.p == NULL && call->u.input.bytes != NULL); /* as bytes, whatever the device gave */
}

static void hear_sent(void *ctx, uint32_t ifindex, const struct pkt *p, int result)
{
    hear(ctx, " %u:%u=%d ", ifindex, p->len, result);
}

static void hear_over(void *ctx, const struct td_call *call, int64_t result)
{
    (void)call;
    (void)result;
    hear(ctx, ">");
}

START_TEST(a_call_is_announced_before_it_is_done)
{
    struct host h;
    struct heard heard = {""};
    static const uint8_t frame[60] = {2, 0, 0, 0, 0, 1};
    host_make(&h, 1);
    host_attach(&h, TD_IP4(10, 0, 0, 1));
    td_stack_flush(h.st, SEC(100));
    td_stack_before(h.st, hear_before, &heard);
    td_stack_record(h.st, hear_over, &heard);
    td_stack_sent(h.st, hear_sent, &heard);
    struct pkt *p = pkt_from_bytes(td_stack_mem(h.st), 0, frame, sizeof frame);
    td_stack_input(h.st, h.eth, p, SEC(100));
    ck_assert_int_eq(td_send_frame(h.st, h.eth, (struct td_mac){{2, 0, 0, 0, 0, 2}}, 0x88b5, "x", 1), 0);
    td_stack_flush(h.st, SEC(100));
    ck_assert_str_eq(heard.text, "<input><send-frame><flush 2:60=0 >");
    td_stack_before(h.st, NULL, NULL);
    td_stack_record(h.st, NULL, NULL);
    td_stack_sent(h.st, NULL, NULL);
    td_stack_clock(h.st, SEC(101));
    ck_assert_str_eq(heard.text, "<input><send-frame><flush 2:60=0 >");
    host_end(&h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("door");
    TCase *t = tcase_create("door");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, what_was_recorded_happens_again, 0, 10);
    tcase_add_test(t, what_differs_is_seen);
    tcase_add_test(t, every_call_has_its_name);
    tcase_add_test(t, time_moves_forward_only);
    tcase_add_test(t, a_frame_for_no_interface);
    tcase_add_test(t, a_frame_without_memory);
    tcase_add_test(t, a_frame_larger_than_any);
    tcase_add_test(t, the_journal_knows_what_came_in);
    tcase_add_test(t, a_flush_is_bounded);
    tcase_add_test(t, a_notification_that_flushes_is_not_entered_again);
    tcase_add_test(t, notified_calls_are_recorded_behind_their_flush);
    tcase_add_test(t, a_call_is_announced_before_it_is_done);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
