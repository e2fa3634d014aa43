/* apps/common/app.h: what an application inside the daemon looks like.
 *
 * An application (httpd, echo …) is a class with start and stop. It talks to the world only through
 * tapdeck/socket.h, is driven by td_set_notify callbacks, and never blocks. The host (tapdeckd, or a
 * test with a simulated wire) gives it a stack, the wall clock for dates, and a tick about once a
 * second for idle time-outs. So the same application runs on TAP and in virtual time.
 */
#ifndef APPS_COMMON_APP_H
#define APPS_COMMON_APP_H

#include "tapdeck/socket.h"
#include "tapdeck/stack.h"

struct app_host {
    struct td_stack *st;
    int64_t (*wall)(void *ctx); /* seconds since 1970-01-01 UTC; only for what people read */
    void *ctx;
};

struct app_class {
    const char *name;  /* "httpd" */
    const char *usage; /* "httpd [-p PORT] [-a ADDR] [-m MAX] DIR" */
    const char *doc;   /* one sentence */
    /* argv[0] is the name. 0, or -errno with one sentence in msg: what, where, what would be right
     * (-EINVAL: bad usage; -EADDRINUSE …). */
    int (*start)(const struct app_host *host, int argc, char **argv, void **instance, char *msg,
                 size_t msg_size);
    void (*stop)(void *instance);                  /* closes its sockets in order, frees instance */
    void (*tick)(void *instance, td_time now);     /* may be NULL; about once a second */
    /* One line for `app list`: "10.0.0.2:80 /srv 3 connections, 120 requests". */
    void (*status)(void *instance, char *dst, size_t size);
};

extern const struct app_class app_httpd, app_echo, app_discard, app_chargen, app_daytime, app_hoard;
extern const struct app_class *const app_classes[]; /* NULL-terminated: apps/common/app.c */

#endif
