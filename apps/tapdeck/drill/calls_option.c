/* drill/calls_option.c: fcntl, setsockopt, getsockopt, ioctl and poll.
 *
 * Theory of operation. O_NONBLOCK is the drill's own: the stack's sockets never block. What an
 * option is given or gives back is compared in the form the script writes it in, length included.
 */
#include "tapdeck/drill/calls.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>

void call_fcntl(struct invocation *v)
{
    struct fd_label *f = call_label(v->a.r, (int)arg_int(&v->a, 0));
    int64_t command = arg_int(&v->a, 1), flags;
    if (v->a.bad) {
        return;
    }
    if (f == NULL) {
        call_immediate(v, -EBADF);
        return;
    }
    switch (command) {
    case F_GETFL:
        call_immediate(v, O_RDWR | (f->nonblock ? O_NONBLOCK : 0));
        break;
    case F_SETFL:
        flags = arg_int(&v->a, 2);
        f->nonblock = (flags & O_NONBLOCK) != 0;
        call_immediate(v, 0);
        break;
    case F_GETFD:
    case F_SETFD:
        call_immediate(v, 0);
        break;
    default:
        arg_refuse(&v->a, "command %lld", (long long)command);
        break;
    }
}

/* An option of Linux's that the script relies on and the stack hasn't got: not the stack's fault,
 * but nothing a drill can show. */
static bool lacks_option(struct invocation *v, int result)
{
    const struct drill_expr *name = arg(&v->a, 2);
    bool relied_on = v->a.e->call.error == NULL && name->kind == DRILL_WORD;
    if (result != -ENOPROTOOPT || !relied_on) {
        return false;
    }
    arg_refuse(&v->a, "the stack has no option %.40s", name->text);
    return true;
}

void call_setsockopt(struct invocation *v)
{
    struct run *r = v->a.r;
    struct optval val;
    int script = (int)arg_int(&v->a, 0), level = (int)arg_int(&v->a, 1),
        name = (int)arg_int(&v->a, 2);
    if (v->a.bad) {
        return;
    }
    arg_optval(&v->a, arg(&v->a, 3), &val);
    int64_t len = arg_int(&v->a, 4);
    if (v->a.bad) {
        return;
    }
    if (len < 0 || len > OPT_BYTES) {
        len = len < 0 ? len : OPT_BYTES;
    }
    int result =
        td_setsockopt(r->w.st, call_live_fd(r, script), level, name, val.b, (socklen_t)len);
    if (!lacks_option(v, result)) {
        call_immediate(v, result);
    }
}

/* What came back, in the form of what was expected. */
static void take_optval(struct optval *got, const struct optval *want, const uint8_t *b,
                        socklen_t len)
{
    *got = *want;
    memset(got->b, 0, sizeof got->b);
    memcpy(got->b, b, len < sizeof got->b ? len : sizeof got->b);
    if (want->kind == OPTVAL_STRING) {
        got->len = strnlen((const char *)got->b, len < sizeof got->b ? len : sizeof got->b);
    }
}

static bool same_optval(const struct optval *a, const struct optval *b)
{
    switch (a->kind) {
    case OPTVAL_OPEN:
        return true;
    case OPTVAL_INT:
        return memcmp(a->b, b->b, sizeof(int32_t)) == 0;
    default:
        return a->len == b->len && memcmp(a->b, b->b, a->len) == 0;
    }
}

void call_getsockopt(struct invocation *v)
{
    struct run *r = v->a.r;
    struct optval want, got;
    int script = (int)arg_int(&v->a, 0), level = (int)arg_int(&v->a, 1),
        name = (int)arg_int(&v->a, 2);
    if (v->a.bad) {
        return;
    }
    arg_optval(&v->a, arg(&v->a, 3), &want);
    int64_t len = v->a.bad ? 0 : arg_value(&v->a, arg_inner(arg(&v->a, 4)));
    if (v->a.bad) {
        return;
    }
    uint8_t b[1024] = {0};
    socklen_t n = want.kind == OPTVAL_INT              ? sizeof(int32_t)
                  : want.kind == OPTVAL_LINGER         ? sizeof(struct linger)
                  : want.kind == OPTVAL_TIME           ? 16
                  : len > 0 && len < (int64_t)sizeof b ? (socklen_t)len
                                                       : (socklen_t)sizeof b;
    if (len < (int64_t)n && len >= 0) {
        n = (socklen_t)len;
    }
    int result = td_getsockopt(r->w.st, call_live_fd(r, script), level, name, b, &n);
    world_flush(&r->w);
    if (lacks_option(v, result) || !call_judge(&v->a, result) || result != 0) {
        return;
    }
    if (n != (socklen_t)len) {
        play_differs(r, v->a.e, NULL, "getsockopt() gave %u bytes, expected %lld", n,
                     (long long)len);
        return;
    }
    take_optval(&got, &want, b, n);
    if (!same_optval(&want, &got)) {
        struct text t = {0};
        text_puts(&t, "getsockopt() gave ");
        optval_note(&t, &got);
        text_puts(&t, ", expected ");
        optval_note(&t, &want);
        play_differs(r, v->a.e, NULL, "%s", t.s);
        text_free(&t);
    }
}

void call_ioctl(struct invocation *v)
{
    struct run *r = v->a.r;
    int script = (int)arg_int(&v->a, 0);
    unsigned long request = (unsigned long)arg_int(&v->a, 1);
    const struct drill_expr *x = arg_inner(arg(&v->a, 2));
    int value = 0;
    if (v->a.bad) {
        return;
    }
    struct fd_label *f = call_label(r, script);
    if (request == FIONBIO && f != NULL) {
        f->nonblock = arg_value(&v->a, x) != 0;
        call_immediate(v, 0);
        return;
    }
    int result = td_ioctl(r->w.st, f != NULL ? f->live : -1, request, &value);
    if (!call_judge(&v->a, result) || result != 0 || arg_open(x)) {
        return;
    }
    int64_t want = arg_value(&v->a, x);
    if (!v->a.bad && want != value) {
        play_differs(r, v->a.e, NULL, "ioctl() gave [%d], expected [%lld]", value, (long long)want);
    }
}

void call_poll(struct invocation *v)
{
    struct run *r = v->a.r;
    struct pending *p = &r->p;
    const struct drill_expr *list = arg(&v->a, 0);
    if (list == NULL || list->kind != DRILL_LIST) {
        arg_refuse(&v->a, "a list of {fd=, events=, revents=} is needed");
        return;
    }
    p->script_fd = -1;
    p->call = (struct live_call){
        .kind = LIVE_POLL, .st = r->w.st, .fd = -1, .wait = true, .deadline = TD_NEVER};
    p->call.fds = calloc(list->nitems + 1, sizeof *p->call.fds);
    if (p->call.fds == NULL) {
        r->w.no_memory = true;
        return;
    }
    p->call.nfds = list->nitems;
    for (size_t i = 0; i < list->nitems && !v->a.bad; i++) {
        int script = (int)arg_value(&v->a, arg_field(list->item[i], "fd"));
        p->call.fds[i].fd = call_live_fd(r, script);
        p->call.fds[i].events = (short)arg_value(&v->a, arg_field(list->item[i], "events"));
    }
    int64_t ms = v->a.bad ? 0 : arg_int(&v->a, 2);
    if (ms >= 0) {
        p->call.deadline = td_stack_now(r->w.st) + (td_time)ms * TD_MS;
    }
    call_begin(v);
}
