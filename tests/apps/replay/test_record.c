/* Recordings: what a stack was given, written down, gives the same run again; whatever isn't the
 * same is found and named. */
#include "recorded.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "common/text.h"
#include "replay/deck.h"
#include "replay/record_tape.h"
#include "tapdeck/organs.h"
#include "tapdeckd/deck.h"

START_TEST(test_a_transfer_with_loss_replays)
{
    struct recorded r;
    struct rec_writer w[2];
    struct record_run run;
    char msg[512];
    const struct td_netem lossy = {.delay = 5 * TD_MS, .loss = UINT32_MAX / 50};
    rec_open(&r, 0, 64U << 20);
    rec_listen(&r, 0, 80);
    rec_listen(&r, 1, 80);
    sim_impair(r.wire, &lossy, &lossy);
    rec_transfer(&r, 0, 80, &w[0], 300000);
    rec_run(&r, TD_SEC);
    rec_start(&r, 1U << 20, 8); /* in the middle of it */
    rec_transfer(&r, 1, 80, &w[1], 300000);
    ck_assert_int_eq(td_knob_set(r.st[0], "net.ipv4.tcp_rmem", "4096 20000 20000"), 0);
    rec_run(&r, 60 * TD_SEC);
    ck_assert_uint_eq(r.got, 600000);
    uint64_t in = r.rec.in, out = r.rec.out, calls = r.rec.calls,
             written = r.st[0]->journal.written;
    recorder_stop(&r.rec);
    enum record_step s = rec_replay(&run, NULL, msg);
    ck_assert_msg(s == RECORD_STEP_END, "%d: %s", s, msg);
    ck_assert(run.ended && !run.broken);
    ck_assert_int_eq(run.why, RECORD_ASKED);
    ck_assert_uint_eq(run.in, in);
    ck_assert_uint_eq(run.out, out);
    ck_assert_uint_eq(run.calls, calls);
    ck_assert_uint_gt(out, 200);
    ck_assert_uint_eq(run.st->journal.written, written);
    ck_assert_mem_eq(&run.st->counters, &r.st[0]->counters, sizeof run.st->counters);
    record_run_close(&run);
    rec_close(&r);
}
END_TEST

START_TEST(test_as_a_tape_a_step_is_a_frame)
{
    struct recorded r;
    struct rec_writer w;
    char msg[512];
    int status;
    struct text line = {0};
    rec_open(&r, 0, 64U << 20);
    rec_listen(&r, 1, 80);
    rec_transfer(&r, 0, 80, &w, 50000);
    rec_run(&r, 2 * TD_SEC);
    recorder_app(&r.rec, 1, "httpd -p 80 /srv");
    recorder_app(&r.rec, 2, "echo");
    recorder_app(&r.rec, 2, "");
    rec_transfer(&r, 0, 80, &w, 50000);
    rec_run(&r, 5 * TD_SEC);
    uint64_t in = r.rec.in, out = r.rec.out, frames[2] = {0};
    rec_start(&r, 1U << 20, 8);
    recorder_stop(&r.rec);
    struct tape *t = record_tape_open(rec_path, NULL, &status, msg, sizeof msg);
    ck_assert_msg(t != NULL, "%s", msg);
    ck_assert_uint_eq(t->total, in + out);
    ck_assert_uint_eq(t->first, 1);
    ck_assert_uint_eq(t->last, in + out);
    ck_assert_uint_ge(t->length, 6 * TD_SEC);
    td_time before = 0;
    enum tape_step s;
    while ((s = t->ops->step(t, msg, sizeof msg)) == TAPE_FRAME) {
        ck_assert_uint_eq(t->frame.number, t->steps);
        ck_assert_uint_ge(t->frame.at, before);
        ck_assert_uint_ge(t->frame.len, 42);
        ck_assert_uint_eq(t->frame.ifindex, r.index[0]);
        frames[t->frame.dir == TAPE_OUT]++;
        before = t->frame.at;
        text_consume(&line, line.len);
        t->ops->line(t, &line);
        ck_assert_ptr_nonnull(
            strstr(line.s, t->frame.dir == TAPE_OUT ? "  eth0     out  " : "  eth0     in   "));
    }
    ck_assert_msg(s == TAPE_END, "%s", msg);
    ck_assert_uint_eq(frames[0], in);
    ck_assert_uint_eq(frames[1], out);
    ck_assert_int_eq(t->ops->step(t, msg, sizeof msg), TAPE_END);
    ck_assert_uint_eq(t->steps, in + out);
    /* What ran is known by name. */
    ck_assert_str_eq(deck_owner(t->deck, 1), "httpd");
    ck_assert_str_eq(deck_owner(t->deck, 2), "");
    ck_assert_str_eq(t->deck->apps->line, "httpd -p 80 /srv");
    ck_assert_ptr_null(t->deck->apps->next);
    t->ops->close(t);
    text_free(&line);
    rec_close(&r);
}
END_TEST

/* ---- every kind of call ---- */

static uint32_t one_of(struct td_stack *st, const char *name)
{
    uint32_t i = td_if_index(st, name);
    ck_assert_uint_ne(i, 0);
    return i;
}

static uint32_t add_acked(const struct td_cc *cc)
{
    return cc->mss;
}

static int acks_until_abort = -1;

static void cc_acked(struct td_cc *cc, const struct td_cc_ack *ack)
{
    if (acks_until_abort >= 0 && acks_until_abort-- == 0)
        abort();
    cc->cwnd += add_acked(cc) / 8 + ack->acked / 16;
}

static uint32_t cc_ssthresh(struct td_cc *cc, enum td_cc_cause why, uint32_t flight, td_time now)
{
    (void)why;
    (void)now;
    return td_cc_half(cc, flight);
}

static const struct td_cc_ops test_cc = {
    .name = "testcc", .doc = "grows oddly", .acked = cc_acked, .ssthresh = cc_ssthresh};
static const struct record_organ organs[] = {{TD_ORGAN_CC, &test_cc}};

static void links_and_routes(struct recorded *r)
{
    struct td_stack *st = r->st[0];
    struct td_link_config br = {.kind = TD_LINK_BRIDGE,
                                .name = "br0",
                                .flags = TD_IF_UP,
                                .bridge = {.what = 1, .ageing = TD_SEC}};
    struct td_link_config dummy = {.kind = TD_LINK_DUMMY, .name = "d0", .flags = TD_IF_UP};
    struct td_bridge_config conf = {.what = TD_BRIDGE_FDB_MAX, .fdb_max = 99};
    struct td_mac mac = {{2, 9, 8, 7, 6, 5}};
    struct td_route route = {
        .prefix = TD_IP4(10, 9, 0, 0), .plen = 16, .gateway = TD_IP4(10, 0, 0, 2)};
    struct td_change change[3] = {
        {.kind = TD_CHANGE_RULE_ADD,
         .rule = {.priority = 77,
                  .from = TD_IP4(10, 3, 0, 0),
                  .from_len = 16,
                  .table = 9,
                  .iif = "eth0"}},
        {.kind = TD_CHANGE_ADD,
         .route = {.prefix = TD_IP4(10, 8, 0, 0), .plen = 16, .npaths = 2, .table = 9}},
        {.kind = TD_CHANGE_FLUSH_CACHE}};
    struct td_path path[2] = {{.gateway = TD_IP4(10, 0, 0, 2), .weight = 1},
                              {.gateway = TD_IP4(10, 0, 0, 3), .weight = 3}};
    size_t bad = 0;
    ck_assert_int_eq(td_link_add(st, &br, NULL), 0);
    ck_assert_int_eq(td_link_add(st, &dummy, NULL), 0);
    ck_assert_int_eq(td_link_add(st, &dummy, NULL), -EEXIST);
    ck_assert_int_eq(td_link_set_master(st, one_of(st, "d0"), one_of(st, "br0")), 0);
    ck_assert_int_eq(td_if_set_flags(st, one_of(st, "d0"), TD_IF_PROMISC, 0), 0);
    ck_assert_int_eq(td_bridge_set(st, one_of(st, "br0"), &conf), 0);
    ck_assert_int_eq(td_port_set_flags(st, one_of(st, "d0"), TD_PORT_HAIRPIN, TD_PORT_FLOOD), 0);
    ck_assert_int_eq(td_fdb_add(st, one_of(st, "d0"), mac, TD_FDB_STATIC), 0);
    ck_assert_int_eq(td_fdb_del(st, one_of(st, "d0"), mac), 0);
    ck_assert_int_ge(td_fdb_flush(st, one_of(st, "br0")), 0);
    ck_assert_int_eq(td_route_add(st, &route, false), 0);
    ck_assert_int_eq(td_route_add(st, &route, false), -EEXIST);
    ck_assert_int_eq(td_route_del(st, &route), 0);
    ck_assert_int_eq(
        td_route_change(
            st, &(struct td_change_list){.change = change, .n = 3, .path = path, .npaths = 2},
            &bad),
        0);
    ck_assert_int_eq(td_neigh_add(st, r->index[0], TD_IP4(10, 0, 0, 3), mac, TD_NEIGH_STALE), 0);
    ck_assert_int_eq(td_neigh_del(st, r->index[0], TD_IP4(10, 0, 0, 3)), 0);
    ck_assert_int_eq(td_neigh_flush(st, 0), 0);
    ck_assert_int_eq(td_if_del(st, one_of(st, "d0")), 0);
}

static void settings(struct recorded *r)
{
    struct td_stack *st = r->st[0];
    const struct td_netem netem = {
        .delay = TD_MS, .jitter = TD_MS / 2, .dist = TD_DIST_NORMAL, .seed = 5};
    struct td_qdisc_chain chain = {
        .depth = 2,
        .q = {{.kind = TD_QDISC_NETEM, .u.netem = netem},
              {.kind = TD_QDISC_FQ_CODEL, .u.fq_codel = TD_FQ_CODEL_DEFAULTS}}};
    struct td_impair rule = {.action = TD_IMPAIR_DROP,
                             .from = 3,
                             .to = 3,
                             .step = 1,
                             .kinds = TD_KIND_TCP | TD_KIND_DATA,
                             .match_len = 1,
                             .code = {{.code = 6, .k = 1}},
                             .text = "third"};
    struct td_tcp_pin pin = {
        .laddr = 1, .raddr = 2, .lport = 3, .rport = 4, .what = TD_PIN_ISS, .iss = 7};
    struct td_datagram d = {.dst = TD_IP4(10, 0, 0, 2), .proto = 253, .ttl = 9};
    char msg[256];
    unsigned line;
    int id;
    td_stack_entropy(st, "salt", 4);
    td_stack_time_stood(st, 5 * TD_SEC);
    ck_assert_int_eq(td_stack_frames_lost(st, r->index[0], 3), 0);
    ck_assert_int_eq(td_if_set_mtu(st, r->index[0], 1400), 0);
    ck_assert_int_eq(td_if_set_mac(st, r->index[0], (struct td_mac){{2, 0, 0, 0, 0, 0x77}}), 0);
    ck_assert_int_eq(td_if_up(st, r->index[0], false), 0);
    ck_assert_int_eq(td_if_up(st, r->index[0], true), 0);
    td_if_ready(st, r->index[0]);
    ck_assert_int_eq(td_if_qdisc(st, r->index[0], false, &chain), 0);
    ck_assert_int_gt(id = td_impair_add(st, r->index[0], true, &rule), 0);
    ck_assert_int_eq(td_impair_del(st, r->index[0], true, (unsigned)id), 0);
    ck_assert_int_eq(td_impair_release(st, r->index[0], true, 0), 0);
    ck_assert_int_eq(td_addr_add(st, r->index[0], TD_IP4(10, 7, 0, 1), 24), 0);
    ck_assert_int_eq(td_addr_del(st, r->index[0], TD_IP4(10, 7, 0, 1), 24), 0);
    ck_assert_int_eq(td_knob_set(st, "net.ipv4.no_such_knob", "1"), -ENOENT);
    ck_assert_int_eq(td_fault_secret(st, 1), 0);
    ck_assert_int_eq(td_fault_secret(st, -1), 0);
    ck_assert_int_eq(td_tcp_pin(st, &pin), 0);
    ck_assert_int_eq(
        td_nf_restore(st, "-A INPUT -p tcp --dport 99 -j DROP", 0, msg, sizeof msg, &line), 0);
    ck_assert_int_lt(td_nf_restore(st, "-A NOWHERE -j DROP", 0, msg, sizeof msg, &line), 0);
    ck_assert_int_ge(td_nf_forget(st, "", msg, sizeof msg), 0);
    ck_assert_int_eq(
        td_send_frame(st, r->index[0], (struct td_mac){{2, 2, 2, 2, 2, 2}}, 0x88b5, "hello", 5), 0);
    ck_assert_int_eq(td_send_datagram(st, &d, "hello", 5), 0);
    ck_assert_int_eq(td_organ_add(st, TD_ORGAN_CC, &test_cc), 0);
    ck_assert_int_eq(td_knob_set(st, "net.ipv4.tcp_congestion_control", "testcc"), 0);
}

static void sockets(struct recorded *r)
{
    struct td_stack *st = r->st[0];
    struct sockaddr_in sa = td_sockaddr(0, 4000), to = td_sockaddr(TD_IP4(10, 0, 0, 1), 4000);
    char text[2][64] = {"one", "two"};
    uint8_t control[256], buf[2][100];
    struct iovec iov[2] = {{text[0], 3}, {text[1], 40}}, in[2] = {{buf[0], 2}, {buf[1], 100}};
    struct msghdr m = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = iov, .msg_iovlen = 2};
    struct msghdr got = {.msg_name = &sa,
                         .msg_namelen = sizeof sa,
                         .msg_iov = in,
                         .msg_iovlen = 2,
                         .msg_control = control,
                         .msg_controllen = sizeof control};
    struct td_ends ends = {.protocol = IPPROTO_TCP, .laddr = 1, .raddr = 2, .lport = 3, .rport = 4};
    int on = 1, v;
    socklen_t len = sizeof v;
    td_socket_owner(st, 42);
    int s = td_socket(st, AF_INET, SOCK_DGRAM, 0);
    td_socket_owner(st, 0);
    ck_assert_int_eq(td_setsockopt(st, s, IPPROTO_IP, IP_PKTINFO, &on, sizeof on), 0);
    ck_assert_int_eq(td_bind(st, s, (struct sockaddr *)&sa, sizeof sa), 0);
    ck_assert_int_eq(td_sendmsg(st, s, &m, 0), 43);
    rec_run(r, TD_MS);
    ck_assert_int_eq(td_recvmsg(st, s, &got, 0), 43);
    ck_assert_uint_gt(got.msg_controllen, 0);
    ck_assert_int_eq(td_recvmsg(st, s, &got, 0), -EAGAIN);
    ck_assert_int_eq(td_getsockopt(st, s, SOL_SOCKET, SO_ERROR, &v, &len), 0);
    int copy = td_dup(st, s);
    ck_assert_int_ge(copy, 0);
    ck_assert_int_eq(td_close(st, copy), 0);
    ck_assert_int_eq(td_close(st, 77), -EBADF);
    ck_assert_int_eq(td_socket_destroy(st, &ends), -ENOENT);
    int c = td_socket(st, AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(td_shutdown(st, c, SHUT_WR), -ENOTCONN);
}

START_TEST(test_every_kind_of_call_is_recorded_and_replays)
{
    struct recorded r;
    struct rec_writer w[2];
    struct record_run run;
    struct record_file f;
    struct record_contents c;
    char msg[512];
    rec_open(&r, 0, 64U << 20);
    links_and_routes(&r);
    settings(&r);
    sockets(&r);
    rec_listen(&r, 0, 80);
    rec_listen(&r, 1, 80);
    rec_transfer(&r, 0, 80, &w[0], 100000);
    rec_transfer(&r, 1, 80, &w[1], 100000);
    rec_run(&r, 20 * TD_SEC);
    ck_assert_uint_eq(r.got, 200000);
    td_stack_clock(r.st[0], sim_now(r.sim));
    rec_start(&r, 1U << 22, 1);
    recorder_stop(&r.rec);
    const struct record_run_options o = {.organs = organs, .norgans = 1};
    enum record_step s = rec_replay(&run, &o, msg);
    ck_assert_msg(s == RECORD_STEP_END, "%d: %s", s, msg);
    ck_assert_uint_eq(run.st->journal.written, r.st[0]->journal.written);
    record_run_close(&run);
    ck_assert_int_eq(record_file_open(&f, rec_path, msg, sizeof msg), 0);
    record_contents(&f, &c);
    for (unsigned k = 0; k < TD_CALL_KINDS; k++)
        ck_assert_msg(c.by_kind[k] > 0, "no test records the call %s",
                      td_call_name((enum td_call_kind)k));
    record_file_close(&f);
    rec_close(&r);
}
END_TEST

START_TEST(test_every_kind_has_a_number_of_its_own)
{
    bool used[256] = {false};
    for (unsigned k = 0; k < TD_CALL_KINDS; k++) {
        enum td_call_kind back;
        uint8_t code = record_code_of((enum td_call_kind)k);
        ck_assert_msg(code > 0 && code < RECORD_SENT && !used[code], "%s: %u",
                      td_call_name((enum td_call_kind)k), code);
        used[code] = true;
        ck_assert(record_kind_of(code, &back) && (unsigned)back == k);
    }
}
END_TEST

/* ---- every field ---- */

/* Each struct that a call points at is filled with ones, written, and read back into zeros. The
 * bytes that stay zero must be as many as the compiler's padding, and what isn't to be kept: a
 * field that was forgotten shows. */
static unsigned lost_bytes(struct td_call *call, const void *was, size_t size,
                           const void *(*found)(const struct td_call *c))
{
    static uint8_t buf[8192];
    struct record_room room = {0}, back = {0};
    struct record_coder c = record_writer(buf, sizeof buf, &room);
    struct td_call read = {.kind = call->kind};
    code_call(&c, call);
    ck_assert(code_ok(&c));
    struct record_coder d = record_reader(buf, (size_t)(c.at - buf), &back);
    code_call(&d, &read);
    ck_assert(code_ok(&d) && d.at == d.end);
    const uint8_t *a = was, *b = found(&read);
    unsigned lost = 0;
    for (size_t i = 0; i < size; i++)
        lost += a[i] != b[i];
    record_room_done(&room);
    record_room_done(&back);
    return lost;
}

static const void *of_if_add(const struct td_call *c)
{
    return c->u.if_add.config;
}
static const void *of_qdisc(const struct td_call *c)
{
    return &c->u.iface.qdisc->q[0];
}
static const void *of_rule(const struct td_call *c)
{
    return c->u.iface.rule;
}
static const void *of_addr(const struct td_call *c)
{
    return c->u.addr.a;
}
static const void *of_link(const struct td_call *c)
{
    return c->u.link.config;
}
static const void *of_bridge(const struct td_call *c)
{
    return c->u.link.bridge;
}
static const void *of_route(const struct td_call *c)
{
    return c->u.route.r;
}
static const void *of_change(const struct td_call *c)
{
    return c->u.change.list->change;
}
static const void *of_path(const struct td_call *c)
{
    return c->u.change.list->path;
}
static const void *of_pin(const struct td_call *c)
{
    return c->u.pin;
}
static const void *of_datagram(const struct td_call *c)
{
    return c->u.send.datagram;
}
static const void *of_ends(const struct td_call *c)
{
    return &c->u.ends;
}
static const void *of_meta(const struct td_call *c)
{
    return &c->u.input.meta;
}

#define ONES(x) memset(&(x), 1, sizeof(x))
#define NAME(x) (x)[sizeof(x) - 1] = '\0'

START_TEST(test_no_field_is_forgotten)
{
    struct td_if_config config;
    struct td_impair rule;
    struct td_addr addr;
    struct td_link_config link;
    struct td_bridge_config bridge;
    struct td_route route;
    struct td_change change[2];
    struct td_path path;
    struct td_tcp_pin pin;
    struct td_datagram datagram;
    ONES(config), NAME(config.name);
    struct td_call c = {.kind = TD_CALL_IF_ADD, .u.if_add.config = &config};
    ck_assert_uint_eq(lost_bytes(&c, &config, sizeof config, of_if_add),
                      16 + 6); /* ops, dev, padding */
    static const struct {
        enum td_qdisc_kind kind;
        size_t size;
        unsigned padding;
    } q[] = {{TD_QDISC_PFIFO, sizeof(struct td_fifo), 0},
             {TD_QDISC_BFIFO, sizeof(struct td_fifo), 0},
             {TD_QDISC_NETEM, sizeof(struct td_netem), 6},
             {TD_QDISC_TBF, sizeof(struct td_tbf), 4},
             {TD_QDISC_RED, sizeof(struct td_red), 3 + 4 + 5},
             {TD_QDISC_FQ_CODEL, sizeof(struct td_fq_codel), 4 + 7}};
    _Static_assert(sizeof q / sizeof q[0] == TD_QDISC_KINDS, "a queue discipline isn't tested");
    for (size_t i = 0; i < TD_QDISC_KINDS; i++) {
        struct td_qdisc_chain chain = {.depth = 1};
        memset(&chain.q[0].u, 1, q[i].size);
        chain.q[0].kind = q[i].kind;
        chain.q[0].handle = 0x0101;
        if (q[i].kind == TD_QDISC_NETEM)
            chain.q[0].u.netem.dist = TD_DIST_PARETO;
        c = (struct td_call){.kind = TD_CALL_IF_QDISC, .u.iface.qdisc = &chain};
        unsigned lost = lost_bytes(&c, &chain.q[0], sizeof chain.q[0], of_qdisc);
        ck_assert_msg(lost == q[i].padding, "kind %zu: %u bytes are lost", i, lost);
    }
    ONES(rule), NAME(rule.text);
    rule.action = TD_IMPAIR_MARK;
    rule.match_len = TD_IMPAIR_CODE - 1;
    rule.until_len = 1;
    c = (struct td_call){.kind = TD_CALL_IF_IMPAIR, .u.iface.rule = &rule};
    ck_assert_uint_eq(lost_bytes(&c, &rule, sizeof rule, of_rule), 3);
    ONES(addr), NAME(addr.label);
    c = (struct td_call){.kind = TD_CALL_ADDR_ADD, .u.addr.a = &addr};
    ck_assert_uint_eq(lost_bytes(&c, &addr, sizeof addr, of_addr), 2);
    ONES(link), NAME(link.name);
    link.kind = TD_LINK_VLAN;
    c = (struct td_call){.kind = TD_CALL_LINK_ADD, .u.link.config = &link};
    ck_assert_uint_eq(lost_bytes(&c, &link, sizeof link, of_link), 2 + 6 + 4 + 4);
    ONES(bridge);
    c = (struct td_call){.kind = TD_CALL_BRIDGE_SET, .u.link.bridge = &bridge};
    ck_assert_uint_eq(lost_bytes(&c, &bridge, sizeof bridge, of_bridge), 4 + 4);
    ONES(route);
    c = (struct td_call){.kind = TD_CALL_ROUTE_ADD, .u.route.r = &route};
    ck_assert_uint_eq(lost_bytes(&c, &route, sizeof route, of_route), 2 + 1);
    ONES(change), ONES(path);
    memset(&change[0].rule, 0, sizeof change[0].rule);
    memset(&change[1].route, 0, sizeof change[1].route);
    NAME(change[1].rule.iif), NAME(change[1].rule.oif);
    change[0].kind = TD_CHANGE_REPLACE;
    change[1].kind = TD_CHANGE_RULE_ADD;
    struct td_change_list list = {.change = change, .n = 2, .path = &path, .npaths = 1};
    c = (struct td_call){.kind = TD_CALL_ROUTE_CHANGE, .u.change.list = &list};
    ck_assert_uint_eq(lost_bytes(&c, change, sizeof change, of_change), 2 + 1);
    ck_assert_uint_eq(lost_bytes(&c, &path, sizeof path, of_path), 1);
    ONES(pin);
    c = (struct td_call){.kind = TD_CALL_TCP_PIN, .u.pin = &pin};
    ck_assert_uint_eq(lost_bytes(&c, &pin, sizeof pin, of_pin), 3 + 2);
    ONES(datagram);
    c = (struct td_call){.kind = TD_CALL_SEND_DATAGRAM, .u.send.datagram = &datagram};
    ck_assert_uint_eq(lost_bytes(&c, &datagram, sizeof datagram, of_datagram), 0);
    c = (struct td_call){.kind = TD_CALL_DESTROY};
    ONES(c.u.ends);
    struct td_ends ends = c.u.ends;
    ck_assert_uint_eq(lost_bytes(&c, &ends, sizeof ends, of_ends), 3);
    c = (struct td_call){.kind = TD_CALL_INPUT, .u.input.bytes = "x", .u.input.len = 1};
    ONES(c.u.input.meta);
    struct td_frame_meta meta = c.u.input.meta;
    ck_assert_uint_eq(lost_bytes(&c, &meta, sizeof meta, of_meta), 1);
}
END_TEST

/* ---- what comes from outside during a call ---- */

static unsigned gate_count;

static bool gate_out(void *ctx, struct td_stack *st, uint32_t ifindex, const struct pkt *p)
{
    (void)ctx;
    (void)st;
    (void)ifindex;
    (void)p;
    return ++gate_count % 3 != 0;
}

static void gate_in(void *ctx, struct td_stack *st, uint32_t ifindex, const struct pkt *p)
{
    (void)ctx;
    (void)st;
    (void)ifindex;
    (void)p;
}

START_TEST(test_a_busy_device_is_busy_again)
{
    struct recorded r;
    struct rec_writer w;
    struct record_run run;
    char msg[512];
    const struct sim_gate gate = {.out = gate_out, .in = gate_in};
    rec_open(&r, 0, 64U << 20);
    rec_listen(&r, 1, 80);
    sim_set_gate(r.sim, &gate);
    rec_transfer(&r, 0, 80, &w, 60000);
    for (unsigned i = 0; i < 2000; i++) {
        rec_run(&r, 5 * TD_MS);
        td_if_ready(r.st[0], r.index[0]);
        td_if_ready(r.st[1], r.index[1]);
    }
    ck_assert_uint_eq(r.got, 60000);
    ck_assert_uint_gt(r.st[0]->journal.events[EV_LINK_BUSY], 10);
    rec_start(&r, 1U << 20, 4);
    recorder_stop(&r.rec);
    enum record_step s = rec_replay(&run, NULL, msg);
    ck_assert_msg(s == RECORD_STEP_END, "%d: %s", s, msg);
    ck_assert_uint_eq(run.st->journal.events[EV_LINK_BUSY], r.st[0]->journal.events[EV_LINK_BUSY]);
    record_run_close(&run);
    rec_close(&r);
}
END_TEST

START_TEST(test_memory_runs_out_again)
{
    struct recorded r;
    static struct rec_writer w[64];
    struct record_run run;
    char msg[512];
    rec_open(&r, 420000, 64U << 20);
    rec_listen(&r, 0, 80);
    rec_listen(&r, 1, 80);
    struct pkt *held[20]; /* a device's: they count */
    for (unsigned i = 0; i < 30; i++)
        rec_transfer(&r, (int)(i % 2), 80, &w[i], 100000);
    rec_run(&r, TD_SEC);
    for (unsigned i = 0; i < 20; i++)
        held[i] = pkt_alloc(td_stack_mem(r.st[0]), 0, 1600);
    rec_run(&r, 5 * TD_SEC);
    for (unsigned i = 0; i < 20; i++)
        pkt_free(held[i]);
    rec_run(&r, 30 * TD_SEC);
    ck_assert_uint_gt(r.st[0]->mem.failures, 10);
    rec_start(&r, 1U << 22, 4);
    recorder_stop(&r.rec);
    enum record_step s = rec_replay(&run, NULL, msg);
    ck_assert_msg(s == RECORD_STEP_END, "%d: %s", s, msg);
    ck_assert_mem_eq(&run.st->counters, &r.st[0]->counters, sizeof run.st->counters);
    record_run_close(&run);
    rec_close(&r);
}
END_TEST

/* ---- files ---- */

static uint8_t *slurp(size_t *len)
{
    FILE *f = fopen(rec_path, "rb");
    ck_assert_ptr_nonnull(f);
    uint8_t *b = malloc(4U << 20);
    *len = fread(b, 1, 4U << 20, f);
    fclose(f);
    return b;
}

/* A short run: address resolution, a connection, a little data. */
static void short_run(struct recorded *r)
{
    static struct rec_writer w;
    rec_open(r, 0, 64U << 20);
    rec_listen(r, 1, 80);
    rec_transfer(r, 0, 80, &w, 3000);
    rec_run(r, 3 * TD_SEC);
    rec_start(r, 1U << 20, 1);
    recorder_stop(&r->rec);
}

static enum record_step replay_bytes(const uint8_t *b, size_t len, struct record_run *run,
                                     char msg[512])
{
    const struct record_run_options o = {.alone = true};
    enum record_step s = RECORD_STEP_FAILED;
    int status = record_run_bytes(run, b, len, &o, NULL, msg, 512);
    while (status == 0 && (s = record_run_next(run, msg, 512)) == RECORD_STEP_CALL)
        ;
    return s;
}

START_TEST(test_a_changed_byte_is_noticed)
{
    struct recorded r;
    struct record_run run;
    char msg[512];
    size_t len;
    short_run(&r);
    uint8_t *b = slurp(&len);
    ck_assert_int_eq(replay_bytes(b, len, &run, msg), RECORD_STEP_END);
    ck_assert(run.ended);
    record_run_close(&run);
    for (size_t i = 0; i < len; i += i < 300 ? 1 : 41) {
        b[i] ^= 0x10;
        enum record_step s = replay_bytes(b, len, &run, msg);
        ck_assert_msg(s != RECORD_STEP_END || !run.ended, "byte %zu of %zu", i, len);
        ck_assert_msg(s == RECORD_STEP_END || msg[0] != '\0', "byte %zu", i);
        record_run_close(&run);
        b[i] ^= 0x10;
    }
    /* And named: the place. */
    b[len / 2] ^= 1;
    ck_assert_int_ne(replay_bytes(b, len, &run, msg), RECORD_STEP_END);
    ck_assert_msg(strstr(msg, "behind call") != NULL ||
                      strstr(msg, "isn't what was written") != NULL,
                  "%s", msg);
    ck_assert_int_eq(run.status, EXIT_USAGE);
    record_run_close(&run);
    free(b);
    rec_close(&r);
}
END_TEST

START_TEST(test_a_cut_tail_is_used_as_far_as_it_goes)
{
    struct recorded r;
    struct record_run run;
    char msg[512];
    size_t len;
    uint64_t before = 0;
    short_run(&r);
    uint8_t *b = slurp(&len);
    for (size_t n = 0; n < len; n += n < 400 || n + 60 > len ? 1 : 23) {
        enum record_step s = replay_bytes(b, n, &run, msg);
        if (run.st == NULL) {
            ck_assert_msg(msg[0] != '\0' && n < 300, "%zu", n);
        } else {
            ck_assert_msg(s == RECORD_STEP_END && run.broken, "%zu of %zu: %d %s", n, len, s, msg);
            ck_assert_uint_ge(run.calls, before);
            before = run.calls;
        }
        record_run_close(&run);
    }
    ck_assert_uint_eq(before, r.rec.calls);
    /* As a crash leaves it: zeros behind the end. */
    memset(b + len, 0, 5000);
    uint32_t n = 0;
    for (size_t at = len - 40; at < len; at++)
        n += b[at] != 0;
    ck_assert_uint_gt(n, 0);
    free(b);
    rec_close(&r);
}
END_TEST

START_TEST(test_the_first_difference_is_named)
{
    struct recorded r;
    struct record_run run;
    char msg[512];
    size_t len;
    short_run(&r);
    uint8_t *b = slurp(&len);
    /* The seed is in the header: another one gives another initial sequence number, and more. */
    struct record_head h = r.rec.head;
    uint8_t *seed = memmem(b, 200, h.seed, sizeof h.seed);
    ck_assert_ptr_nonnull(seed);
    seed[3] ^= 1;
    uint32_t n, check;
    memcpy(&n, b + 12, 4);
    check = (uint32_t)record_digest(b + RECORD_START, n);
    memcpy(b + 16, &check, 4);
    ck_assert_int_eq(replay_bytes(b, len, &run, msg), RECORD_STEP_DIFFERS);
    ck_assert_msg(strncmp(msg, "call ", 5) == 0 && strstr(msg, "recorded") != NULL &&
                      strstr(msg, " s): ") != NULL,
                  "%s", msg);
    /* One may go on from there. */
    enum record_step s;
    while ((s = record_run_next(&run, msg, sizeof msg)) == RECORD_STEP_CALL ||
           s == RECORD_STEP_DIFFERS)
        ;
    ck_assert_int_eq(s, RECORD_STEP_END);
    ck_assert_uint_eq(run.calls, r.rec.calls);
    record_run_close(&run);
    free(b);
    rec_close(&r);
}
END_TEST

START_TEST(test_a_set_of_files_is_bounded_and_keeps_the_beginning)
{
    struct recorded r;
    struct rec_writer w;
    struct record_run run;
    struct stat st;
    char msg[512], name[200];
    rec_open(&r, 0, 64U << 20);
    rec_listen(&r, 0, 80);
    rec_start(&r, 1U << 20, 3);
    rec_transfer(&r, 1, 80, &w, 5000000);
    rec_run(&r, 60 * TD_SEC);
    ck_assert_uint_eq(r.got, 5000000); /* the stack went on */
    ck_assert(!r.rec.attached && r.rec.filed);
    ck_assert_int_eq(r.rec.why, RECORD_BOUND);
    ck_assert_uint_eq(r.st[0]->journal.events[EV_RECORD_ENDED], 1);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert(record_part_name(rec_path, i, name, sizeof name));
        ck_assert_int_eq(stat(name, &st), i < 3 ? 0 : -1);
        ck_assert_int_le(st.st_size, 1 << 20);
        ck_assert_int_eq(st.st_mode & 0777, 0600);
    }
    enum record_step s = rec_replay(&run, NULL, msg);
    ck_assert_msg(s == RECORD_STEP_END, "%d: %s", s, msg);
    ck_assert_uint_eq(run.file.parts, 3);
    ck_assert(run.ended);
    ck_assert_int_eq(run.why, RECORD_BOUND);
    ck_assert_uint_eq(run.calls, r.rec.calls);
    record_run_close(&run);
    /* A file that is cut, and isn't the last: something is missing. */
    snprintf(name, sizeof name, "%s.1", rec_path);
    ck_assert_int_eq(stat(name, &st), 0);
    ck_assert_int_eq(truncate(name, st.st_size / 2), 0);
    ck_assert_int_eq(rec_replay(&run, NULL, msg), RECORD_STEP_FAILED);
    ck_assert_int_eq(run.status, EXIT_USAGE);
    ck_assert_msg(strstr(msg, "isn't what was written") != NULL, "%s", msg);
    record_run_close(&run);
    /* Or between two records: as if its end had been lost with the machine. */
    struct record_file f;
    ck_assert_int_eq(record_file_open(&f, rec_path, msg, sizeof msg), 0);
    struct record_place at = {1, f.part[1].from};
    for (unsigned i = 0; i < 20 || record_file_tag(&f, &at) >= RECORD_SENT; i++)
        ck_assert(record_file_skip(&f, &at));
    record_file_close(&f);
    ck_assert_int_eq(truncate(name, (off_t)at.at), 0);
    ck_assert_int_eq(rec_replay(&run, NULL, msg), RECORD_STEP_FAILED);
    ck_assert_int_eq(run.status, EXIT_USAGE);
    ck_assert_msg(strstr(msg, "one is cut") != NULL, "%s", msg);
    record_run_close(&run);
    /* Or a whole file is gone. */
    ck_assert(record_part_name(rec_path, 1, name, sizeof name));
    char away[220];
    snprintf(away, sizeof away, "%s.away", name);
    ck_assert_int_eq(rename(name, away), 0);
    ck_assert_int_eq(record_file_open(&f, rec_path, msg, sizeof msg), -1);
    ck_assert_msg(strstr(msg, "is missing") != NULL, "%s", msg);
    ck_assert_int_eq(rename(away, name), 0);
    /* A file of the middle isn't a beginning. */
    snprintf(name, sizeof name, "%s.1", rec_path);
    ck_assert_int_eq(record_file_open(&f, name, msg, sizeof msg), -1);
    ck_assert_ptr_nonnull(strstr(msg, "begins in another"));
    rec_close(&r);
}
END_TEST

START_TEST(test_too_much_for_memory_is_too_late)
{
    struct recorded r;
    struct rec_writer w;
    rec_open(&r, 0, 300000);
    rec_listen(&r, 0, 80);
    rec_transfer(&r, 1, 80, &w, 1000000);
    rec_run(&r, 30 * TD_SEC);
    ck_assert_uint_eq(r.got, 1000000);
    ck_assert(!r.rec.attached && !r.rec.filed);
    ck_assert_int_eq(r.rec.why, RECORD_KEEP);
    ck_assert_uint_eq(r.st[0]->journal.events[EV_RECORD_ENDED], 0);
    ck_assert_ptr_null(r.rec.log.first); /* it was given back */
    rec_close(&r);
    rec_open(&r, 0, 0);
    ck_assert(!r.rec.attached);
    rec_close(&r);
}
END_TEST

START_TEST(test_a_full_disk_ends_the_recording_only)
{
    struct recorded r;
    struct rec_writer w;
    struct record_run run;
    struct rlimit was, little;
    char msg[512];
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &was);
    little = was;
    little.rlim_cur = 2U << 20;
    rec_open(&r, 0, 64U << 20);
    rec_listen(&r, 0, 80);
    rec_start(&r, 1U << 24, 3);
    setrlimit(RLIMIT_FSIZE, &little);
    rec_transfer(&r, 1, 80, &w, 5000000);
    rec_run(&r, 60 * TD_SEC);
    setrlimit(RLIMIT_FSIZE, &was);
    ck_assert_uint_eq(r.got, 5000000);
    ck_assert_int_eq(r.rec.why, RECORD_DISK);
    ck_assert_int_eq(r.rec.err, -EFBIG);
    recorder_why(r.rec.why, r.rec.err, msg, sizeof msg);
    ck_assert_ptr_nonnull(strstr(msg, "no more could be written: "));
    recorder_why(r.rec.why, 0, msg, sizeof msg); /* a file doesn't tell the cause */
    ck_assert_str_eq(msg, "no more could be written");
    ck_assert_uint_eq(r.st[0]->journal.events[EV_RECORD_ENDED], 1);
    enum record_step s = rec_replay(&run, NULL, msg);
    ck_assert_msg(s == RECORD_STEP_END, "%d: %s", s, msg);
    ck_assert_uint_eq(run.calls, r.rec.calls);
    record_run_close(&run);
    rec_close(&r);
}
END_TEST

START_TEST(test_what_stands_in_the_way)
{
    struct recorded r;
    struct record_run run;
    char msg[512] = "", old[200];
    short_run(&r);
    uint64_t calls = r.rec.calls;
    rec_close(&r);
    short_run(&r); /* the same name again */
    snprintf(old, sizeof old, "%s.old", rec_path);
    ck_assert_int_eq(record_run_open(&run, old, NULL, NULL, msg, sizeof msg), 0);
    while (record_run_next(&run, msg, sizeof msg) == RECORD_STEP_CALL)
        ;
    ck_assert_uint_eq(run.calls, calls);
    record_run_close(&run);
    rec_close(&r);
    rec_open(&r, 0, 1U << 20);
    FILE *f = fopen(rec_path, "w");
    fputs("a letter to my aunt", f);
    fclose(f);
    ck_assert(!recorder_start(&r.rec, rec_path, 1U << 20, 1, msg, sizeof msg));
    ck_assert_ptr_nonnull(strstr(msg, "no recording"));
    ck_assert(r.rec.attached && !r.rec.filed);
    ck_assert(!recorder_start(&r.rec, "/nonexistent/x.deck", 1U << 20, 1, msg, sizeof msg));
    ck_assert_ptr_nonnull(strstr(msg, "No such file"));
    unlink(rec_path);
    rec_start(&r, 1U << 20, 1); /* it can still be begun */
    rec_close(&r);
}
END_TEST

/* ---- organs, and crashes ---- */

START_TEST(test_an_organ_must_be_at_hand_in_its_build)
{
    struct recorded r;
    struct record_run run;
    char msg[512];
    size_t len;
    uint8_t id[RECORD_BUILD_ID];
    rec_open(&r, 0, 64U << 20);
    ck_assert_int_eq(td_organ_add(r.st[0], TD_ORGAN_CC, &test_cc), 0);
    rec_start(&r, 1U << 20, 1);
    recorder_stop(&r.rec);
    const struct record_run_options with = {.organs = organs, .norgans = 1, .alone = true};
    ck_assert_int_eq(rec_replay(&run, &with, msg), RECORD_STEP_END);
    record_run_close(&run);
    ck_assert_int_eq(rec_replay(&run, NULL, msg), RECORD_STEP_FAILED);
    ck_assert_int_eq(run.status, EXIT_USAGE);
    ck_assert_msg(strstr(msg, "'testcc' (congestion control, build id ") != NULL &&
                      strstr(msg, "isn't here") != NULL,
                  "%s", msg);
    record_run_close(&run);
    uint32_t n = record_build_id(&test_cc, id);
    uint8_t *b = slurp(&len);
    uint32_t body, check;
    memcpy(&body, b + 12, 4);
    size_t start = RECORD_START + body;
    uint8_t *at = n > 0 ? memmem(b + start, len - start, id, n) : NULL;
    if (at != NULL) { /* a linker may have been told to leave it out */
        for (;;) {
            memcpy(&body, b + start, 4);
            body = record_length(body);
            if (b + start + RECORD_FRAME + body > at)
                break;
            start += RECORD_FRAME + body;
        }
        *at ^= 1;
        check = (uint32_t)record_digest(b + start + RECORD_FRAME, body);
        memcpy(b + start + 4, &check, 4);
        ck_assert_int_eq(record_run_bytes(&run, b, len, &with, NULL, msg, sizeof msg), 0);
        enum record_step s;
        while ((s = record_run_next(&run, msg, sizeof msg)) == RECORD_STEP_CALL)
            ;
        ck_assert_int_eq(s, RECORD_STEP_FAILED);
        ck_assert_int_eq(run.status, EXIT_USAGE);
        ck_assert_msg(strstr(msg, "that very build") != NULL, "%s", msg);
        record_run_close(&run);
    }
    free(b);
    rec_close(&r);
}
END_TEST

/* A run that ended in a crash within a call: at the fifth acknowledgement. */
static void crashed_run(struct recorded *r)
{
    int how;
    rec_open(r, 0, 64U << 20);
    fflush(NULL);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        static struct rec_writer w;
        struct rlimit none = {0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_DFL);
        rec_start(r, 1U << 20, 4);
        td_organ_add(r->st[0], TD_ORGAN_CC, &test_cc);
        td_knob_set(r->st[0], "net.ipv4.tcp_congestion_control", "testcc");
        rec_listen(r, 1, 80);
        rec_transfer(r, 0, 80, &w, 200000);
        acks_until_abort = 5;
        rec_run(r, 10 * TD_SEC);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &how, 0), pid);
    ck_assert_msg(WIFSIGNALED(how) && WTERMSIG(how) == SIGABRT, "%x", (unsigned)how);
}

START_TEST(test_a_crash_is_come_to_again)
{
    struct recorded r;
    struct record_run run;
    char msg[512];
    crashed_run(&r);
    const struct record_run_options with = {.organs = organs, .norgans = 1};
    acks_until_abort = 5;
    ck_assert_int_eq(rec_replay(&run, &with, msg), RECORD_STEP_FAILED);
    acks_until_abort = -1;
    ck_assert_int_eq(run.status, EXIT_FAILED);
    ck_assert_int_eq(run.signal, SIGABRT);
    ck_assert_int_eq(run.kind, TD_CALL_INPUT);
    ck_assert_msg(strstr(msg, "(input, ") != NULL && strstr(msg, "signal 6 (Aborted)") != NULL,
                  "%s", msg);
    ck_assert_uint_gt(run.out, 20);
    /* What was before it can be looked at: the stack is as it was when the frame came. */
    ck_assert_uint_eq(td_stack_now(run.st) <= run.at, 1);
    record_run_close(&run);
    /* Where the same doesn't happen again the last call is just the last. */
    ck_assert_int_eq(rec_replay(&run, &with, msg), RECORD_STEP_END);
    ck_assert(run.broken && !run.ended);
    record_run_close(&run);
    rec_close(&r);
}
END_TEST

/* On the tape deck it is come to as well, and what was before it can be looked at. */
START_TEST(test_a_crash_on_the_tape_deck)
{
    struct recorded r;
    char msg[1024];
    int status;
    crashed_run(&r);
    const struct record_run_options with = {.organs = organs, .norgans = 1};
    acks_until_abort = 5;
    struct tape *t = record_tape_open(rec_path, &with, &status, msg, sizeof msg);
    ck_assert_msg(t != NULL, "%s", msg);
    struct reel *reel = reel_open(t, NULL, msg, sizeof msg);
    ck_assert_msg(reel != NULL, "%s", msg);
    for (int again = 0; again < 2; again++) {
        enum reel_result got = reel_goto_step(reel, UINT64_MAX, msg, sizeof msg);
        ck_assert_msg(got == REEL_FAILED && strstr(msg, "Aborted") != NULL, "%d: %s", (int)got,
                      msg);
        uint64_t at = reel_place(reel).step;
        ck_assert_uint_gt(at, 20);
        char *words[] = {(char[]){"ss"}, (char[]){"-tan"}}, *text = NULL, err[512];
        size_t size;
        bool changed;
        struct text notes = {0};
        FILE *f = open_memstream(&text, &size);
        ck_assert_int_eq(
            reel_command(reel, 2, words, false, false, f, &notes, &changed, err, sizeof err), 0);
        fclose(f);
        ck_assert_msg(strstr(text, "FIN-WAIT-1") != NULL, "%s", text);
        free(text);
        ck_assert_int_eq(reel_goto_step(reel, at - 7, msg, sizeof msg), REEL_STOPPED);
        ck_assert_uint_eq(reel_place(reel).step, at - 7);
    }
    reel_close(reel);
    acks_until_abort = -1;
    rec_close(&r);
}
END_TEST

START_TEST(test_a_tape_may_be_forked)
{
    struct recorded r;
    char msg[512];
    int status, how;
    short_run(&r);
    struct tape *t = record_tape_open(rec_path, NULL, &status, msg, sizeof msg);
    ck_assert_msg(t != NULL, "%s", msg);
    for (uint64_t i = 0; i < t->total / 2; i++)
        ck_assert_int_eq(t->ops->step(t, msg, sizeof msg), TAPE_FRAME);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        while (t->ops->step(t, msg, sizeof msg) == TAPE_FRAME)
            ;
        _exit(t->steps == t->total ? 7 : 8);
    }
    while (t->ops->step(t, msg, sizeof msg) == TAPE_FRAME)
        ;
    ck_assert_uint_eq(t->steps, t->total);
    ck_assert_int_eq(waitpid(pid, &how, 0), pid);
    ck_assert_int_eq(WEXITSTATUS(how), 7);
    t->ops->close(t);
    rec_close(&r);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("record");
    TCase *t = tcase_create("record");
    tcase_add_checked_fixture(t, NULL, rec_clean);
    tcase_add_test(t, test_a_transfer_with_loss_replays);
    tcase_add_test(t, test_as_a_tape_a_step_is_a_frame);
    tcase_add_test(t, test_every_kind_of_call_is_recorded_and_replays);
    tcase_add_test(t, test_every_kind_has_a_number_of_its_own);
    tcase_add_test(t, test_no_field_is_forgotten);
    tcase_add_test(t, test_a_busy_device_is_busy_again);
    tcase_add_test(t, test_memory_runs_out_again);
    tcase_add_test(t, test_a_changed_byte_is_noticed);
    tcase_add_test(t, test_a_cut_tail_is_used_as_far_as_it_goes);
    tcase_add_test(t, test_the_first_difference_is_named);
    tcase_add_test(t, test_a_set_of_files_is_bounded_and_keeps_the_beginning);
    tcase_add_test(t, test_too_much_for_memory_is_too_late);
    tcase_add_test(t, test_a_full_disk_ends_the_recording_only);
    tcase_add_test(t, test_what_stands_in_the_way);
    tcase_add_test(t, test_an_organ_must_be_at_hand_in_its_build);
    tcase_add_test(t, test_a_crash_is_come_to_again);
    tcase_add_test(t, test_a_crash_on_the_tape_deck);
    tcase_add_test(t, test_a_tape_may_be_forked);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
