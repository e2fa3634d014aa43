/* drill/calls_epoll.c: epoll, on sockets that can be polled.
 *
 * Theory of operation. An epoll descriptor is a list of watched sockets. Level-triggered entries
 * are ready while the socket is; edge-triggered ones (EPOLLET) once for each time the stack
 * notifies the socket, and once when they are added or changed while it is ready. EPOLLONESHOT
 * entries sleep after they were told. epoll_wait is a call that may wait, tried again after every
 * step of the stack.
 */
#include "tapdeck/drill/calls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define EPOLL_SHOWN (EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDHUP)

struct watch {
    struct watch *next;
    int fd;          /* the stack's handle */
    uint32_t events; /* with EPOLLET, EPOLLONESHOT */
    uint64_t data;   /* the script's */
    bool edge;       /* something has happened since it was told */
    bool asleep;     /* EPOLLONESHOT, told */
};

struct epoll {
    struct epoll *next;
    int script;
    struct watch *first;
};

static struct epoll *find(struct run *r, int script)
{
    struct epoll *e = r->epolls;
    while (e != NULL && e->script != script) {
        e = e->next;
    }
    return e;
}

static void notified(void *ctx, struct td_stack *st, int s, int mask)
{
    const struct run *r = ctx;
    (void)st;
    (void)mask;
    for (struct epoll *e = r->epolls; e != NULL; e = e->next) {
        for (struct watch *w = e->first; w != NULL; w = w->next) {
            w->edge |= w->fd == s;
        }
    }
}

/* What of the socket's readiness this entry asks for. */
static uint32_t ready(struct run *r, const struct watch *w)
{
    int mask = td_poll(r->w.st, w->fd);
    if (mask < 0 || w->asleep || ((w->events & EPOLLET) != 0 && !w->edge)) {
        return 0;
    }
    return (uint32_t)mask & ((w->events & EPOLL_SHOWN) | EPOLLERR | EPOLLHUP);
}

int64_t play_epoll_try(struct run *r, struct live_call *c)
{
    struct epoll *e = find(r, c->fd);
    int64_t n = 0;
    for (struct watch *w = e != NULL ? e->first : NULL; w != NULL && n < (int64_t)c->nready;
         w = w->next) {
        uint32_t mask = ready(r, w);
        if (mask != 0) {
            c->ready[n].events = mask;
            c->ready[n++].data = w->data;
            w->edge = false;
            w->asleep = (w->events & EPOLLONESHOT) != 0;
        }
    }
    return n;
}

void call_epoll_create(struct invocation *v)
{
    struct run *r = v->a.r;
    if (!call_judge_descriptor(&v->a, 0)) {
        return;
    }
    struct epoll *e = calloc(1, sizeof *e);
    if (e == NULL) {
        r->w.no_memory = true;
        return;
    }
    e->script = (int)v->a.e->call.result->num;
    e->next = r->epolls;
    r->epolls = e;
}

/* {events=EPOLLIN, fd=4}, or ptr=, u32=, u64= */
static uint64_t event_data(struct args *a, const struct drill_expr *x)
{
    static const char *const names[] = {"fd", "ptr", "u32", "u64"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct drill_expr *f = arg_field(x, names[i]);
        if (f != NULL) {
            return arg_open(f) ? 0 : (uint64_t)arg_value(a, f);
        }
    }
    return 0;
}

static int control(struct invocation *v, struct epoll *e, int op, int fd)
{
    struct run *r = v->a.r;
    struct watch **link = &e->first;
    while (*link != NULL && (*link)->fd != fd) {
        link = &(*link)->next;
    }
    struct watch *w = *link;
    if (td_poll(r->w.st, fd) < 0) {
        return -EBADF;
    }
    if (op == EPOLL_CTL_DEL) {
        if (w == NULL) {
            return -ENOENT;
        }
        *link = w->next;
        free(w);
        return 0;
    }
    if ((op == EPOLL_CTL_ADD) == (w != NULL)) {
        return w != NULL ? -EEXIST : -ENOENT;
    }
    if (w == NULL) {
        w = *link = calloc(1, sizeof *w);
        if (w == NULL) {
            r->w.no_memory = true;
            return -ENOMEM;
        }
        w->fd = fd;
        (void)td_set_notify(r->w.st, fd, notified, r);
    }
    const struct drill_expr *x = arg(&v->a, 3);
    w->events = (uint32_t)arg_value(&v->a, arg_field(x, "events"));
    w->data = event_data(&v->a, x);
    w->edge = true; /* if it is ready now, that is told once */
    w->asleep = false;
    return 0;
}

void call_epoll_ctl(struct invocation *v)
{
    struct run *r = v->a.r;
    struct epoll *e = find(r, (int)arg_int(&v->a, 0));
    int op = (int)arg_int(&v->a, 1), fd = call_live_fd(r, (int)arg_int(&v->a, 2));
    if (v->a.bad) {
        return;
    }
    call_immediate(v, e == NULL ? -EBADF : control(v, e, op, fd));
}

void call_epoll_wait(struct invocation *v)
{
    struct run *r = v->a.r;
    struct pending *p = &r->p;
    int script = (int)arg_int(&v->a, 0);
    int64_t most = arg_int(&v->a, 2), ms = arg_int(&v->a, 3);
    if (v->a.bad) {
        return;
    }
    p->script_fd = -1;
    p->call = (struct live_call){.kind = LIVE_EPOLL,
                                 .st = r->w.st,
                                 .fd = script,
                                 .wait = true,
                                 .deadline = TD_NEVER,
                                 .ctx = r};
    if (find(r, script) == NULL || most <= 0 || most > LIVE_EPOLL_MOST) {
        call_immediate(v, find(r, script) == NULL ? -EBADF : -EINVAL);
        return;
    }
    p->call.nready = (size_t)most;
    if (ms >= 0) {
        p->call.deadline = td_stack_now(r->w.st) + (td_time)ms * TD_MS;
    }
    call_begin(v);
}

void play_epoll_judge(struct args *a, const struct live_call *c)
{
    const struct drill_expr *x = arg(a, 1);
    for (int64_t i = 0; i < c->result && !a->bad && !a->r->over; i++) {
        const struct drill_expr *want = x;
        if (x != NULL && x->kind == DRILL_LIST) {
            want = (size_t)i < x->nitems ? x->item[i] : NULL;
        } else if (i > 0) {
            want = NULL;
        }
        const struct drill_expr *events = arg_field(want, "events");
        if (!arg_open(events) && (uint32_t)arg_value(a, events) != c->ready[i].events) {
            play_differs(a->r, a->e, NULL, "epoll_wait() gave events 0x%x, expected 0x%llx",
                         c->ready[i].events, (unsigned long long)arg_value(a, events));
        } else if (want != NULL && event_data(a, want) != c->ready[i].data) {
            play_differs(a->r, a->e, NULL, "epoll_wait() gave entry %llu, expected %llu",
                         (unsigned long long)c->ready[i].data,
                         (unsigned long long)event_data(a, want));
        }
    }
}

static void drop(struct epoll *e)
{
    while (e->first != NULL) {
        struct watch *w = e->first;
        e->first = w->next;
        free(w);
    }
    free(e);
}

bool play_epoll_close(struct run *r, int script, int live)
{
    for (struct epoll **link = &r->epolls; *link != NULL; link = &(*link)->next) {
        struct epoll *e = *link;
        if (e->script == script && live < 0) {
            *link = e->next;
            drop(e);
            return true;
        }
        for (struct watch **w = &e->first; live >= 0 && *w != NULL;) {
            struct watch *gone = *w;
            if (gone->fd == live) {
                *w = gone->next;
                free(gone);
            } else {
                w = &gone->next;
            }
        }
    }
    return false;
}

void play_epoll_end(struct run *r)
{
    while (r->epolls != NULL) {
        struct epoll *e = r->epolls;
        r->epolls = e->next;
        drop(e);
    }
}
