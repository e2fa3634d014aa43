/* drill/args.c: what the arguments of a call mean.
 *
 * Theory of operation. An expression is a number, a constant's name, several of them joined by |,
 * or a bracketed form whose meaning its place decides: [v] a value behind a pointer, {onoff=1,
 * linger=0} a struct, {..., 700} a piece of a vector. What isn't understood makes the script
 * unsupported rather than being guessed.
 */
#include "tapdeck/drill/args.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#define BUFFER_MAX (64u << 20)

void arg_refuse(struct args *a, const char *fmt, ...)
{
    char msg[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    a->bad = true;
    play_unsupported(a->r, a->e->line, "%s: %s", a->e->call.name, msg);
}

const struct drill_expr *arg(const struct args *a, size_t n)
{
    return n < a->e->call.nargs ? a->e->call.arg[n] : NULL;
}

bool arg_open(const struct drill_expr *x)
{
    return x == NULL || x->kind == DRILL_ELLIPSIS;
}

const struct drill_expr *arg_field(const struct drill_expr *x, const char *name)
{
    return x != NULL && x->kind == DRILL_STRUCT ? drill_expr_field(x, name, NULL) : NULL;
}

const struct drill_expr *arg_inner(const struct drill_expr *x)
{
    return x != NULL && x->kind == DRILL_LIST && x->nitems == 1 ? x->item[0] : x;
}

int64_t arg_value(struct args *a, const struct drill_expr *x)
{
    int64_t v = 0;
    if (x == NULL || !drill_expr_int(x, &v)) {
        arg_refuse(a, x == NULL ? "an argument is missing" : "a number is needed here");
    }
    return v;
}

int64_t arg_int(struct args *a, size_t n)
{
    return arg_value(a, arg(a, n));
}

struct sockaddr_in arg_addr(struct args *a, const struct drill_expr *x, td_ip4 addr, uint16_t port)
{
    struct sockaddr_in sa = td_sockaddr(addr, port);
    if (arg_open(x)) {
        return sa;
    }
    if (x->kind == DRILL_WORD && strcmp(x->text, "AF_UNSPEC") == 0) {
        sa = (struct sockaddr_in){.sin_family = AF_UNSPEC};
        return sa;
    }
    const struct drill_expr *family = arg_field(x, "sa_family");
    const struct drill_expr *at = arg_field(x, "sin_port"), *who = arg_field(x, "sin_addr");
    if (x->kind != DRILL_STRUCT || family == NULL) {
        arg_refuse(a, "this is no address");
        return sa;
    }
    sa.sin_family = (sa_family_t)arg_value(a, family);
    if (sa.sin_family != AF_INET && sa.sin_family != AF_UNSPEC) {
        arg_refuse(a, "IPv4 addresses only");
        return sa;
    }
    if (!arg_open(at)) {
        sa.sin_port = htons((uint16_t)arg_value(a, at));
    }
    if (!arg_open(who)) {
        sa.sin_addr.s_addr = htonl((td_ip4)arg_value(a, who));
    }
    return sa;
}

/* ---- vectors ---- */

static bool make_vector(struct args *a, struct pending *p, size_t pieces, size_t total)
{
    if (total > BUFFER_MAX) {
        arg_refuse(a, "a buffer of %zu bytes", total);
        return false;
    }
    p->buffer = calloc(1, total + 1);
    p->iov = calloc(pieces + 1, sizeof *p->iov);
    p->call.iov = p->iov;
    p->call.niov = pieces;
    if (p->buffer == NULL || p->iov == NULL) {
        a->r->w.no_memory = true;
        a->bad = true;
        return false;
    }
    return true;
}

void arg_buffer(struct args *a, struct pending *p, size_t len)
{
    if (make_vector(a, p, 1, len)) {
        p->iov[0] = (struct iovec){p->buffer, len};
    }
}

/* The length in {..., 700} or {iov_base=..., iov_len=700}. */
static size_t piece(struct args *a, const struct drill_expr *x)
{
    const struct drill_expr *len = arg_field(x, "iov_len");
    if (len == NULL && x->kind == DRILL_STRUCT && x->nitems == 2 &&
        x->item[1]->kind != DRILL_FIELD) {
        len = x->item[1];
    }
    int64_t n = len != NULL ? arg_value(a, len) : -1;
    if (n < 0) {
        arg_refuse(a, "this is no piece of a vector");
        return 0;
    }
    return (size_t)n;
}

void arg_iovec(struct args *a, struct pending *p, const struct drill_expr *x)
{
    size_t total = 0;
    if (x == NULL || x->kind != DRILL_LIST) {
        arg_refuse(a, "a vector is needed here");
        return;
    }
    for (size_t i = 0; i < x->nitems && !a->bad; i++) {
        total += piece(a, x->item[i]);
    }
    if (a->bad || !make_vector(a, p, x->nitems, total)) {
        return;
    }
    uint8_t *at = p->buffer;
    for (size_t i = 0; i < x->nitems; i++) {
        size_t n = piece(a, x->item[i]);
        p->iov[i] = (struct iovec){at, n};
        at += n;
    }
}

/* ---- options' values ---- */

static void put(struct optval *v, const void *bytes, size_t n)
{
    v->len = n < sizeof v->b ? n : sizeof v->b;
    memcpy(v->b, bytes, v->len);
}

void arg_optval(struct args *a, const struct drill_expr *x, struct optval *v)
{
    memset(v, 0, sizeof *v);
    x = arg_inner(x);
    if (arg_open(x)) {
        v->kind = OPTVAL_OPEN;
        return;
    }
    if (x->kind == DRILL_STRING) {
        v->kind = OPTVAL_STRING;
        put(v, x->text, x->text_len);
        return;
    }
    if (arg_field(x, "onoff") != NULL) {
        const struct linger l = {(int)arg_value(a, arg_field(x, "onoff")),
                                 (int)arg_value(a, arg_field(x, "linger"))};
        v->kind = OPTVAL_LINGER;
        put(v, &l, sizeof l);
        return;
    }
    if (arg_field(x, "tv_sec") != NULL) {
        const struct timeval t = {(time_t)arg_value(a, arg_field(x, "tv_sec")),
                                  (suseconds_t)arg_value(a, arg_field(x, "tv_usec"))};
        v->kind = OPTVAL_TIME;
        put(v, &t, sizeof t);
        return;
    }
    int64_t n = arg_value(a, x);
    v->kind = OPTVAL_INT;
    put(v, &n, sizeof n); /* who says 4 shows the low half: little endian */
}

void optval_note(struct text *t, const struct optval *v)
{
    int32_t n = 0;
    struct linger l;
    struct timeval tv;
    switch (v->kind) {
    case OPTVAL_OPEN:
        text_puts(t, "...");
        break;
    case OPTVAL_INT:
        memcpy(&n, v->b, v->len < sizeof n ? v->len : sizeof n);
        text_printf(t, "[%d]", n);
        break;
    case OPTVAL_LINGER:
        memcpy(&l, v->b, sizeof l);
        text_printf(t, "{onoff=%d, linger=%d}", l.l_onoff, l.l_linger);
        break;
    case OPTVAL_TIME:
        memcpy(&tv, v->b, sizeof tv);
        text_printf(t, "{tv_sec=%ld, tv_usec=%ld}", (long)tv.tv_sec, (long)tv.tv_usec);
        break;
    case OPTVAL_STRING:
        text_printf(t, "\"%.*s\"", (int)v->len, (const char *)v->b);
        break;
    }
}
