/* tests/common/world.c: an application on one host, its clients on another. See world.h. */
#include "world.h"

#include "harness.h"

#include <check.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static int64_t world_wall(void *ctx)
{
    const struct world *w = ctx;
    return WORLD_WALL + (int64_t)(sim_now(w->sim) / TD_SEC);
}

struct world *world_new(void)
{
    struct world *w = calloc(1, sizeof *w);
    uint32_t a, b;
    const struct td_netem link = {.delay = TD_MS, .rate = 1000000000, .limit = 10000, .seed = 1};
    ck_assert_ptr_nonnull(w);
    w->sim = sim_new(1, 0);
    w->server = sim_host(w->sim, TD_PROFILE_LINUX);
    w->client = sim_host(w->sim, TD_PROFILE_LINUX);
    hx_fault(w->server);
    hx_fault(w->client);
    w->wire = sim_join(w->sim, w->server, "eth0", &a, w->client, "eth0", &b, 1500);
    sim_impair(w->wire, &link, &link);
    ck_assert_int_eq(td_addr_add(w->server, a, WORLD_SERVER, 24), 0);
    ck_assert_int_eq(td_addr_add(w->client, b, WORLD_CLIENT, 24), 0);
    w->host = (struct app_host){.st = w->server, .wall = world_wall, .ctx = w};
    w->next_tick = TD_SEC;
    /* Conflict detection may keep the addresses back for a few seconds (RFC 5227). */
    world_run(w, 10 * TD_SEC);
    return w;
}

static void client_drop(struct client *c)
{
    td_close(c->w->client, c->s);
    text_free(&c->in);
    text_free(&c->out);
    free(c);
}

void world_free(struct world *w)
{
    if (w->instance != NULL)
        w->app->stop(w->instance);
    while (w->clients != NULL) {
        struct client *c = w->clients;
        w->clients = c->next;
        client_drop(c);
    }
    sim_free(w->sim);
    free(w);
}

int world_start(struct world *w, const struct app_class *app, ...)
{
    char *argv[16];
    int argc = 0;
    va_list ap;
    va_start(ap, app);
    do
        argv[argc] = va_arg(ap, char *);
    while (argv[argc++] != NULL && argc < 16);
    va_end(ap);
    w->app = app;
    w->msg[0] = '\0';
    return app->start(&w->host, argc - 1, argv, &w->instance, w->msg, sizeof w->msg);
}

const char *world_status(struct world *w)
{
    w->app->status(w->instance, w->msg, sizeof w->msg);
    return w->msg;
}

/* ---- clients ---- */

static void client_fail(struct client *c, int err)
{
    c->err = err;
    td_set_notify(c->w->client, c->s, NULL, NULL);
}

static void client_send(struct client *c)
{
    while (c->sent < c->out.len) {
        int64_t n =
            td_send(c->w->client, c->s, c->out.s + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);
        if (n < 0) {
            if (n != -EAGAIN && n != -ENOTCONN)
                client_fail(c, (int)n);
            return;
        }
        c->sent += (size_t)n;
    }
    if (c->fin && td_shutdown(c->w->client, c->s, SHUT_WR) == 0)
        c->fin = false;
}

static void client_receive(struct client *c)
{
    static char buf[65536];
    while (!c->eof && c->err == 0 && c->in.len < c->take) {
        size_t room = c->take - c->in.len < sizeof buf ? c->take - c->in.len : sizeof buf;
        int64_t n = td_recv(c->w->client, c->s, buf, room, 0);
        if (n == -EAGAIN || n == -ENOTCONN)
            return;
        if (n < 0) {
            client_fail(c, (int)n);
        } else if (n == 0) {
            c->eof = true;
            c->eof_at = sim_now(c->w->sim);
        } else {
            if (c->in.len == 0)
                c->first_at = sim_now(c->w->sim);
            text_add(&c->in, buf, (size_t)n);
        }
    }
}

static void client_notified(void *ctx, struct td_stack *st, int s, int mask)
{
    struct client *c = ctx;
    (void)st;
    (void)s;
    (void)mask;
    client_receive(c);
    if (c->err == 0)
        client_send(c);
}

struct client *world_connect(struct world *w, uint16_t port)
{
    struct client *c = calloc(1, sizeof *c);
    struct sockaddr_in to = td_sockaddr(WORLD_SERVER, port);
    ck_assert_ptr_nonnull(c);
    *c = (struct client){.next = w->clients, .w = w, .take = SIZE_MAX};
    w->clients = c;
    text_puts(&c->in, "");
    c->s = td_socket(w->client, AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(c->s, 0);
    td_set_notify(w->client, c->s, client_notified, c);
    int err = td_connect(w->client, c->s, (const struct sockaddr *)&to, sizeof to);
    ck_assert_int_eq(err, -EINPROGRESS);
    return c;
}

void client_say_n(struct client *c, const void *bytes, size_t n)
{
    text_add(&c->out, bytes, n);
    client_send(c);
}

void client_say(struct client *c, const char *text)
{
    client_say_n(c, text, strlen(text));
}

void client_fin(struct client *c)
{
    c->fin = true;
    client_send(c);
}

void client_take(struct client *c, size_t total)
{
    c->take = total;
    client_receive(c);
}

void client_close(struct client *c)
{
    struct client **at = &c->w->clients;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    client_drop(c);
}

bool client_got(const struct client *c, const char *text)
{
    return memmem(c->in.s, c->in.len, text, strlen(text)) != NULL;
}

/* ---- time ---- */

bool world_until(struct world *w, td_time limit, bool (*done)(void *ctx), void *ctx)
{
    td_time end = sim_now(w->sim) + limit;
    for (;;) {
        td_time stop = end < w->next_tick ? end : w->next_tick;
        sim_run(w->sim, stop, done, ctx);
        if (done != NULL && done(ctx))
            return true;
        if (sim_now(w->sim) >= end)
            return false;
        while (w->next_tick <= sim_now(w->sim)) {
            if (w->instance != NULL && w->app->tick != NULL)
                w->app->tick(w->instance, w->next_tick);
            w->next_tick += TD_SEC;
        }
    }
}

void world_run(struct world *w, td_time duration)
{
    world_until(w, duration, NULL, NULL);
}

static bool is_over(void *ctx)
{
    const struct client *c = ctx;
    return c->eof || c->err != 0;
}

bool world_until_eof(struct client *c, td_time limit)
{
    return world_until(c->w, limit, is_over, c) && c->eof;
}
