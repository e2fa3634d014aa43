/* drill/calls_socket.c: the calls that make, connect, use and close sockets.
 *
 * Theory of operation. Each reads its arguments and either makes the stack's call at once or fills
 * in a live_call, which may wait. Where a script writes `...` for an address the configured one is
 * meant: ours and the bind port, the remote one and the connect port.
 */
#include "tapdeck/drill/calls.h"

#include <stdlib.h>
#include <string.h>

void call_socket(struct invocation *v)
{
    struct run *r = v->a.r;
    const struct drill_expr *family = arg(&v->a, 0);
    int64_t domain = arg_open(family) ? AF_INET : arg_value(&v->a, family);
    int64_t type = arg_int(&v->a, 1), proto = arg_int(&v->a, 2);
    if (!v->a.bad && domain != AF_INET) {
        arg_refuse(&v->a, "IPv4 only");
    }
    if (!v->a.bad && proto != 0 && proto != IPPROTO_TCP && proto != IPPROTO_UDP &&
        proto != IPPROTO_ICMP) {
        arg_refuse(&v->a, "protocol %lld", (long long)proto);
    }
    if (v->a.bad) {
        return;
    }
    int64_t s = td_socket(r->w.st, (int)domain, (int)type, (int)proto);
    world_flush(&r->w);
    if (!call_judge_descriptor(&v->a, s)) {
        return;
    }
    bool stream = (type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) == SOCK_STREAM;
    struct conn *c = play_conn_new(r, stream ? IPPROTO_TCP : IPPROTO_UDP);
    if (c == NULL) {
        return;
    }
    struct fd_label *f = call_label_add(r, (int)v->a.e->call.result->num, (int)s, c->proto, c);
    if (f != NULL) {
        f->nonblock = (type & SOCK_NONBLOCK) != 0;
    }
    r->current = c;
}

void call_bind(struct invocation *v)
{
    struct run *r = v->a.r;
    int script = (int)arg_int(&v->a, 0);
    struct sockaddr_in sa = arg_addr(&v->a, arg(&v->a, 1), r->o->local_ip, r->o->bind_port);
    if (v->a.bad) {
        return;
    }
    int result = td_bind(r->w.st, call_live_fd(r, script), (struct sockaddr *)&sa, sizeof sa);
    struct fd_label *f = call_label(r, script);
    if (result == 0 && f != NULL) {
        call_name_socket(r, f, NULL, false);
    }
    call_immediate(v, result);
}

void call_listen(struct invocation *v)
{
    struct run *r = v->a.r;
    int script = (int)arg_int(&v->a, 0);
    int backlog = (int)arg_int(&v->a, 1);
    int result = td_listen(r->w.st, call_live_fd(r, script), backlog);
    struct fd_label *f = call_label(r, script);
    if (result == 0 && f != NULL && f->conn != NULL) {
        call_name_socket(r, f, NULL, false);
        f->conn->listening = true;
    }
    call_immediate(v, result);
}

void call_accept(struct invocation *v)
{
    (void)call_prepare(v, LIVE_ACCEPT);
    call_begin(v);
}

void call_connect(struct invocation *v)
{
    struct run *r = v->a.r;
    struct fd_label *f = call_prepare(v, LIVE_CONNECT);
    r->p.call.addr = arg_addr(&v->a, arg(&v->a, 1), r->o->remote_ip, r->o->connect_port);
    r->p.call.addrlen = sizeof r->p.call.addr;
    if (f != NULL && f->conn != NULL && r->p.call.addr.sin_family == AF_UNSPEC) {
        f->conn->listening = false;
    }
    call_begin(v);
}

static size_t length(struct args *a, size_t n)
{
    int64_t len = arg_int(a, n);
    if (len < 0 || len > 1 << 30) {
        arg_refuse(a, "a length of %lld", (long long)len);
        return 0;
    }
    return (size_t)len;
}

/* NULL, or 0 as older scripts write it. */
static bool is_null(const struct drill_expr *x)
{
    return (x->kind == DRILL_INT && x->num == 0) ||
           (x->kind == DRILL_WORD && strcmp(x->text, "NULL") == 0);
}

static void null_buffer(struct invocation *v, const struct drill_expr *where)
{
    if (!v->a.bad && is_null(where)) {
        v->a.r->p.iov[0].iov_base = NULL;
    }
}

void call_recv(struct invocation *v)
{
    struct pending *p = &v->a.r->p;
    const struct drill_expr *where = arg(&v->a, 1);
    (void)call_prepare(v, LIVE_RECV);
    if (call_name_is(v, "readv")) {
        arg_iovec(&v->a, p, where);
    } else {
        arg_buffer(&v->a, p, length(&v->a, 2));
    }
    if (!call_name_is(v, "read") && !call_name_is(v, "readv")) {
        p->call.flags = (int)arg_int(&v->a, 3);
    }
    if ((p->call.flags & MSG_TRUNC) == 0) {
        null_buffer(v, where);
    }
    call_begin(v);
}

#define CONTROL_BYTES 512

/* `...`, or messages whose data is one number. */
static bool control_is_plain(const struct drill_expr *x)
{
    int64_t n;
    if (arg_open(x)) {
        return true;
    }
    for (size_t i = 0; x->kind == DRILL_LIST && i < x->nitems; i++) {
        const struct drill_expr *data = arg_field(x->item[i], "cmsg_data");
        bool open = x->item[i]->kind == DRILL_ELLIPSIS;
        if (!open && (data == NULL || !drill_expr_int(data, &n))) {
            return false;
        }
    }
    return x->kind == DRILL_LIST;
}

static void refuse_control(struct invocation *v, const struct drill_expr *msg)
{
    const struct drill_expr *control = arg_inner(arg_field(msg, "msg_control"));
    bool none = control != NULL && control->kind == DRILL_LIST && control->nitems == 0;
    if (!arg_open(control) && !none) {
        arg_refuse(&v->a, "control messages");
    }
}

void call_recvmsg(struct invocation *v)
{
    struct pending *p = &v->a.r->p;
    const struct drill_expr *msg = arg(&v->a, 1);
    (void)call_prepare(v, LIVE_RECV);
    if (!control_is_plain(arg_field(msg, "msg_control"))) {
        arg_refuse(&v->a, "control messages of this kind");
    }
    if (!v->a.bad) {
        arg_iovec(&v->a, p, arg_field(msg, "msg_iov"));
    }
    if (!v->a.bad) {
        p->call.flags = (int)arg_int(&v->a, 2);
        p->call.control_len = CONTROL_BYTES;
        p->call.control = calloc(1, CONTROL_BYTES);
        v->a.r->w.no_memory |= p->call.control == NULL;
    }
    call_begin(v);
}

void call_send(struct invocation *v)
{
    struct run *r = v->a.r;
    struct pending *p = &r->p;
    (void)call_prepare(v, LIVE_SEND);
    if (call_name_is(v, "writev")) {
        arg_iovec(&v->a, p, arg(&v->a, 1));
    } else {
        arg_buffer(&v->a, p, length(&v->a, 2));
    }
    null_buffer(v, arg(&v->a, 1));
    if (!v->a.bad && (call_name_is(v, "send") || call_name_is(v, "sendto"))) {
        p->call.flags = (int)arg_int(&v->a, 3);
    }
    if (!v->a.bad && call_name_is(v, "sendto") && v->a.e->call.nargs >= 5) {
        const struct drill_expr *to = arg(&v->a, 4);
        if (!is_null(to)) {
            p->call.addr = arg_addr(&v->a, to, r->o->remote_ip, r->o->connect_port);
            p->call.addrlen = sizeof p->call.addr;
        }
    }
    call_begin(v);
}

void call_sendmsg(struct invocation *v)
{
    struct run *r = v->a.r;
    struct pending *p = &r->p;
    const struct drill_expr *msg = arg(&v->a, 1);
    struct fd_label *f = call_prepare(v, LIVE_SEND);
    refuse_control(v, msg);
    if (!v->a.bad) {
        arg_iovec(&v->a, p, arg_field(msg, "msg_iov"));
    }
    if (!v->a.bad) {
        p->call.flags = (int)arg_int(&v->a, 2);
    }
    /* A name is of use to a socket that isn't connected. */
    const struct drill_expr *name = arg_field(msg, "msg_name");
    bool unconnected = f != NULL && f->conn != NULL && !f->conn->named;
    if (!v->a.bad && name != NULL && (!arg_open(name) || unconnected)) {
        p->call.addr = arg_addr(&v->a, name, r->o->remote_ip, r->o->connect_port);
        p->call.addrlen = sizeof p->call.addr;
    }
    call_begin(v);
}

void call_close(struct invocation *v)
{
    struct run *r = v->a.r;
    struct fd_label *f = call_prepare(v, LIVE_CLOSE);
    if (play_epoll_close(r, r->p.script_fd, f != NULL ? f->live : -1)) {
        call_immediate(v, 0);
        return;
    }
    if (f != NULL) {
        f->closed = true;
        if (f->conn != NULL && f->conn->fd == f->live) {
            f->conn->fd = -1;
        }
    }
    call_begin(v);
}

void call_shutdown(struct invocation *v)
{
    struct run *r = v->a.r;
    int script = (int)arg_int(&v->a, 0), how = (int)arg_int(&v->a, 1);
    call_immediate(v, v->a.bad ? 0 : td_shutdown(r->w.st, call_live_fd(r, script), how));
}
