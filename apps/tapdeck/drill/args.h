/* drill/args.h: arguments of calls: expressions as numbers, addresses, vectors. */
#ifndef DRILL_ARGS_H
#define DRILL_ARGS_H

#include "tapdeck/drill/run.h"

/* A call being carried out. `bad` once an argument couldn't be understood: the run is unsupported
 * then, and no call is made. */
struct args {
    struct run *r;
    const struct drill_event *e;
    bool bad;
};

/* The n-th argument, or NULL. */
const struct drill_expr *arg(const struct args *a, size_t n);
/* The field of a struct expression, or NULL. */
const struct drill_expr *arg_field(const struct drill_expr *x, const char *name);
bool arg_open(const struct drill_expr *x); /* `...`, or not there */
int64_t arg_value(struct args *a, const struct drill_expr *x);
int64_t arg_int(struct args *a, size_t n);
/* An address; `...` is addr and port. */
struct sockaddr_in arg_addr(struct args *a, const struct drill_expr *x, td_ip4 addr, uint16_t port);
/* The one element of [x], or x itself. */
const struct drill_expr *arg_inner(const struct drill_expr *x);
/* Fills p's vector for [{..., n}, …]; one buffer behind it. */
void arg_iovec(struct args *a, struct pending *p, const struct drill_expr *x);
void arg_buffer(struct args *a, struct pending *p, size_t len); /* one piece of len bytes */
void arg_refuse(struct args *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* An option's value: what the script writes, as the bytes setsockopt takes. */
#define OPT_BYTES 256
struct optval {
    uint8_t b[OPT_BYTES];
    size_t len;
    enum { OPTVAL_INT, OPTVAL_LINGER, OPTVAL_TIME, OPTVAL_STRING, OPTVAL_OPEN } kind;
};
void arg_optval(struct args *a, const struct drill_expr *x, struct optval *v);
void optval_note(struct text *t, const struct optval *v);

#endif
