/* drill/calls.c: the socket calls of a script, made on the stack and judged.
 *
 * Theory of operation. A descriptor in a script is a label for one of the stack's handles; whether
 * it blocks is kept here, for the stack's calls never do. A call that may wait becomes a live_call
 * (live.h) and is tried; what comes of it is judged when it has ended: the result (a new descriptor
 * needs only be one), errno by name, and for a call written with an end time the virtual time at
 * which it returned. The script goes on while a call waits; the next call, and the script's end,
 * wait for it, a second longer than it was to take. A call without an end time that would wait
 * fails.
 */
#include "tapdeck/drill/calls.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GRACE TD_SEC /* a call may return so much later before it is given up */

/* ---- descriptors ---- */

struct fd_label *call_label(struct run *r, int script)
{
    for (size_t i = r->nfds; i > 0; i--) {
        if (r->fd[i - 1].script == script && !r->fd[i - 1].closed) {
            return &r->fd[i - 1];
        }
    }
    return NULL;
}

struct fd_label *call_label_add(struct run *r, int script, int live, int proto, struct conn *c)
{
    if (r->nfds == r->fd_cap) {
        size_t cap = r->fd_cap == 0 ? 8 : r->fd_cap * 2;
        struct fd_label *fd = realloc(r->fd, cap * sizeof *fd);
        if (fd == NULL) {
            r->w.no_memory = true;
            return NULL;
        }
        r->fd = fd;
        r->fd_cap = cap;
    }
    struct fd_label *f = &r->fd[r->nfds++];
    *f = (struct fd_label){.script = script, .live = live, .proto = proto, .conn = c};
    if (c != NULL) {
        c->fd = live;
        c->id = td_socket_id(r->w.st, live);
    }
    return f;
}

int call_live_fd(struct run *r, int script)
{
    const struct fd_label *f = call_label(r, script);
    return f != NULL ? f->live : -1;
}

/* ---- judging ---- */

static void note_result(struct text *t, int64_t v)
{
    char name[24];
    if (v < 0) {
        const char *word = drill_errno_name((int)-v);
        snprintf(name, sizeof name, "errno %d", (int)-v);
        text_printf(t, "-1 %s", word != NULL ? word : name);
    } else {
        text_printf(t, "%lld", (long long)v);
    }
}

static void result_differs(struct run *r, const struct drill_event *e, int64_t got)
{
    struct text t = {0};
    note_result(&t, got);
    play_differs(r, e, t.s, "%s() returned %s", e->call.name, t.s);
    text_free(&t);
}

static int64_t expected_result(struct args *a)
{
    return arg_open(a->e->call.result) ? 0 : arg_value(a, a->e->call.result);
}

/* Is it what the script expects? */
bool call_judge(struct args *a, int64_t got)
{
    const struct drill_event *e = a->e;
    int64_t want = expected_result(a);
    if (a->bad) {
        return false;
    }
    if (e->call.error != NULL) {
        if (got == -(int64_t)e->call.error_num) {
            return true;
        }
    } else if (arg_open(e->call.result) || want == got || (want < 0 && got < 0)) {
        return true;
    }
    result_differs(a->r, e, got);
    return false;
}

/* A call that gives a descriptor: any will do. True: one was wanted, and has come. */
bool call_judge_descriptor(struct args *a, int64_t got)
{
    if (a->e->call.error != NULL || expected_result(a) < 0) {
        (void)call_judge(a, got);
        return false;
    }
    if (got < 0) {
        result_differs(a->r, a->e, got);
        return false;
    }
    return !a->bad;
}

/* ---- names of connections ---- */

/* The stack has chosen a port, or a peer was named: what packets of this socket look like. anew: a
 * connection begins. */
void call_name_socket(struct run *r, struct fd_label *f, const struct sockaddr_in *peer, bool anew)
{
    struct sockaddr_in sa = {0};
    socklen_t len = sizeof sa;
    struct conn *c = f->conn;
    if (c == NULL || td_getsockname(r->w.st, f->live, (struct sockaddr *)&sa, &len) != 0) {
        return;
    }
    uint16_t lport = ntohs(sa.sin_port);
    if (peer == NULL) {
        if (!c->named) {
            c->lport = lport;
        }
        return;
    }
    td_ip4 laddr = ntohl(sa.sin_addr.s_addr);
    if (lport == 0) {
        return;
    }
    if (c->named && (c->lport != lport || (anew && c->has_lisn))) {
        struct conn *fresh = play_conn_new(r, c->proto);
        if (fresh == NULL) {
            return;
        }
        fresh->fd = c->fd;
        fresh->id = c->id;
        c->fd = -1;
        r->current = r->current == c ? fresh : r->current;
        f->conn = c = fresh;
    }
    c->lport = lport;
    c->laddr = laddr != 0 ? laddr : c->laddr;
    c->raddr = ntohl(peer->sin_addr.s_addr);
    c->rport = ntohs(peer->sin_port);
    c->named = true;
}

/* The child of this peer. */
static struct conn *child_of(struct run *r, const struct sockaddr_in *peer)
{
    for (struct conn *c = r->conns; c != NULL; c = c->next) {
        if (c->named && c->fd < 0 && c->proto == IPPROTO_TCP && c->rport == ntohs(peer->sin_port) &&
            c->raddr == ntohl(peer->sin_addr.s_addr)) {
            return c;
        }
    }
    return NULL;
}

/* ---- calls that may wait ---- */

static void pending_clear(struct pending *p)
{
    free(p->buffer);
    free(p->iov);
    free(p->call.fds);
    free(p->call.control);
    memset(p, 0, sizeof *p);
}

/* The control messages that came, in order, against the scripted ones. */
static void judge_control(struct args *a, struct msghdr *m)
{
    const struct drill_expr *list = arg_field(arg(a, 1), "msg_control");
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    if (arg_open(list) || (list->nitems == 1 && arg_open(list->item[0]))) {
        return;
    }
    for (size_t i = 0; i < list->nitems && !a->bad; i++, c = CMSG_NXTHDR(m, c)) {
        const struct drill_expr *x = list->item[i];
        int level = (int)arg_value(a, arg_field(x, "cmsg_level"));
        int type = (int)arg_value(a, arg_field(x, "cmsg_type")), got = 0;
        int want = (int)arg_value(a, arg_field(x, "cmsg_data"));
        if (c == NULL) {
            play_differs(a->r, a->e, NULL, "recvmsg() gave %zu control messages, expected %zu", i,
                         list->nitems);
            return;
        }
        memcpy(&got, CMSG_DATA(c), sizeof got);
        if (!a->bad && (c->cmsg_level != level || c->cmsg_type != type || got != want)) {
            play_differs(a->r, a->e, NULL,
                         "recvmsg() gave a control message of level %d, type %d, data %d; expected "
                         "%d, %d, %d",
                         c->cmsg_level, c->cmsg_type, got, level, type, want);
            return;
        }
    }
    if (!a->bad && c != NULL) {
        play_differs(a->r, a->e, NULL, "recvmsg() gave more control messages than expected");
    }
}

static void finished_recv(struct args *a, struct pending *p)
{
    const struct drill_expr *flags = arg_field(arg(a, 1), "msg_flags");
    if (strcmp(a->e->call.name, "recvmsg") != 0 || p->call.result < 0) {
        return;
    }
    int64_t want = arg_open(flags) ? p->call.msg.msg_flags : arg_value(a, flags);
    if (!a->bad && p->call.msg.msg_flags != (int)want) {
        play_differs(a->r, a->e, NULL, "recvmsg() gave msg_flags 0x%x, expected 0x%llx",
                     (unsigned)p->call.msg.msg_flags, (unsigned long long)want);
        return;
    }
    judge_control(a, &p->call.msg);
}

static void finished_poll(struct args *a, struct pending *p)
{
    const struct drill_expr *list = arg(a, 0);
    for (size_t i = 0; i < p->call.nfds && !a->bad && !a->r->over; i++) {
        const struct drill_expr *want = arg_field(list->item[i], "revents");
        if (arg_open(want)) {
            continue;
        }
        int64_t mask = arg_value(a, want);
        if ((int)(uint16_t)p->call.fds[i].revents != (int)(mask & 0xffff)) {
            play_differs(
                a->r, a->e, NULL, "poll() gave revents 0x%x for entry %zu, expected 0x%llx",
                (unsigned)(uint16_t)p->call.fds[i].revents, i + 1, (unsigned long long)mask);
        }
    }
}

static void finished_accept(struct args *a, struct pending *p)
{
    struct run *r = a->r;
    if (!call_judge_descriptor(a, p->call.result)) {
        return;
    }
    struct conn *c = child_of(r, &p->call.addr);
    if (c == NULL) {
        play_fail(r, a->e->line, "accept() gave a connection the script doesn't know (port %u)",
                  ntohs(p->call.addr.sin_port));
        return;
    }
    struct fd_label *f =
        call_label_add(r, (int)a->e->call.result->num, (int)p->call.result, IPPROTO_TCP, c);
    if (f != NULL && strcmp(a->e->call.name, "accept4") == 0) {
        f->nonblock = (arg_int(a, 3) & SOCK_NONBLOCK) != 0;
    }
}

static void judge_end(struct run *r, struct pending *p)
{
    td_time tol = play_tolerance(r, p->end, p->start);
    char is[32], want[32];
    if (p->done_at + tol >= p->end && p->done_at <= p->end + tol) {
        return;
    }
    play_differs(r, p->event, NULL, "%s() returned too %s: at %s, expected at %s",
                 p->event->call.name, p->done_at < p->end ? "early" : "late",
                 note_time(p->done_at, is), note_time(p->end, want));
}

void play_call_settle(struct run *r)
{
    struct pending *p = &r->p;
    if (!p->active || !p->done || r->over) {
        return;
    }
    struct args a = {.r = r, .e = p->event};
    switch (p->call.kind) {
    case LIVE_ACCEPT:
        finished_accept(&a, p);
        break;
    case LIVE_POLL:
        if (call_judge(&a, p->call.result)) {
            finished_poll(&a, p);
        }
        break;
    case LIVE_EPOLL:
        if (call_judge(&a, p->call.result)) {
            play_epoll_judge(&a, &p->call);
        }
        break;
    case LIVE_RECV:
        if (call_judge(&a, p->call.result)) {
            finished_recv(&a, p);
        }
        break;
    default:
        (void)call_judge(&a, p->call.result);
        break;
    }
    if (p->event->call.blocking && !r->over) {
        judge_end(r, p);
    }
    pending_clear(p);
}

void play_call_try(struct run *r)
{
    struct pending *p = &r->p;
    if (live_try(&p->call)) {
        p->done = true;
        p->done_at = world_now(&r->w);
    }
}

void play_call_retry(struct run *r)
{
    if (!r->p.active || r->p.done) {
        return;
    }
    play_call_try(r);
    td_stack_flush(r->w.st, td_stack_now(r->w.st));
}

void play_call_await(struct run *r)
{
    struct pending *p = &r->p;
    if (!p->active) {
        return;
    }
    td_time now = world_now(&r->w);
    td_time limit = (p->end > now ? p->end : now) + GRACE;
    while (!p->done && play_step(r, limit, true)) {
    }
    if (!p->done) {
        const struct drill_event *e = p->event;
        char want[32];
        play_fail(r, e->line, "%s() still blocks: it was to return at %s", e->call.name,
                  note_time(p->end, want));
        pending_clear(p);
        return;
    }
    play_call_settle(r);
}

/* Does the address of this call say who the peer is? To send over a stream names one only where
 * that opens the connection (RFC 7413): otherwise the address is passed over (POSIX sendto). */
static bool names_peer(const struct fd_label *f, const struct live_call *c)
{
    bool opens = f->proto != IPPROTO_TCP || (c->flags & MSG_FASTOPEN) != 0 ||
                 (f->conn != NULL && !f->conn->named);
    return c->addr.sin_family == AF_INET &&
           (c->kind == LIVE_CONNECT || (c->kind == LIVE_SEND && c->addrlen > 0 && opens));
}

/* Begins the call in r->p. */
void call_begin(struct invocation *v)
{
    struct args *a = &v->a;
    struct run *r = a->r;
    struct pending *p = &r->p;
    if (a->bad) {
        pending_clear(p);
        return;
    }
    p->active = true;
    p->event = a->e;
    p->start = v->at;
    p->end = a->e->call.blocking ? v->end : v->at;
    play_call_retry(r);
    struct fd_label *f = call_label(r, p->script_fd);
    if (f != NULL && names_peer(f, &p->call)) {
        bool anew = p->call.kind == LIVE_CONNECT &&
                    (!p->done || p->call.result == 0 || p->call.result == -EINPROGRESS);
        call_name_socket(r, f, &p->call.addr, anew);
    }
    if (!p->done && !a->e->call.blocking) {
        play_fail(
            r, a->e->line,
            "%s() would block: a call that may wait is written with its end time (+0...0.1 %s(…))",
            a->e->call.name, a->e->call.name);
        pending_clear(p);
        return;
    }
    play_call_settle(r);
}

struct fd_label *call_prepare(struct invocation *v, enum live_kind kind)
{
    struct run *r = v->a.r;
    struct pending *p = &r->p;
    int script = (int)arg_int(&v->a, 0);
    struct fd_label *f = call_label(r, script);
    p->script_fd = script;
    p->call = (struct live_call){
        .kind = kind,
        .st = r->w.st,
        .fd = f != NULL ? f->live : -1,
        .wait = f != NULL && !f->nonblock,
        .deadline = TD_NEVER,
    };
    if (f != NULL) {
        live_deadline(&p->call);
    }
    return f;
}

void call_immediate(struct invocation *v, int64_t result)
{
    world_flush(&v->a.r->w);
    if (!v->a.bad) {
        (void)call_judge(&v->a, result);
    }
}

bool call_name_is(const struct invocation *v, const char *name)
{
    return strcmp(v->a.e->call.name, name) == 0;
}

static const struct {
    const char *name;
    call_fn *fn;
} calls[] = {
    {"socket", call_socket},
    {"bind", call_bind},
    {"listen", call_listen},
    {"accept", call_accept},
    {"accept4", call_accept},
    {"connect", call_connect},
    {"read", call_recv},
    {"recv", call_recv},
    {"recvfrom", call_recv},
    {"readv", call_recv},
    {"recvmsg", call_recvmsg},
    {"write", call_send},
    {"send", call_send},
    {"sendto", call_send},
    {"writev", call_send},
    {"sendmsg", call_sendmsg},
    {"close", call_close},
    {"shutdown", call_shutdown},
    {"fcntl", call_fcntl},
    {"setsockopt", call_setsockopt},
    {"getsockopt", call_getsockopt},
    {"ioctl", call_ioctl},
    {"poll", call_poll},
    {"epoll_create", call_epoll_create},
    {"epoll_create1", call_epoll_create},
    {"epoll_ctl", call_epoll_ctl},
    {"epoll_wait", call_epoll_wait},
};
#define CALLS (sizeof calls / sizeof calls[0])

bool play_call_known(const char *name)
{
    for (size_t i = 0; i < CALLS; i++) {
        if (strcmp(calls[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

void play_call(struct run *r, const struct drill_event *e, td_time at, td_time end)
{
    struct invocation v = {.a = {.r = r, .e = e}, .at = at, .end = end};
    play_call_await(r); /* one at a time */
    for (size_t i = 0; i < CALLS && !r->over; i++) {
        if (strcmp(calls[i].name, e->call.name) == 0) {
            calls[i].fn(&v);
            return;
        }
    }
}

void play_calls_end(struct run *r)
{
    pending_clear(&r->p);
    play_epoll_end(r);
}
