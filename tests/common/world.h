/* tests/common/world.h: an application on one host, its clients on another, a wire between them, in
 * virtual time.
 *
 *     struct world *w = world_new();
 *     world_start(w, &app_httpd, "httpd", "-p", "80", dir, NULL);
 *     struct client *c = world_connect(w, 80);
 *     client_say(c, "GET / HTTP/1.0\r\n\r\n");
 *     world_run(w, 10 * TD_SEC);
 *     … c->in holds what came, c->eof whether the server has closed …
 *     world_free(w);
 *
 * The application's tick runs once a second, as the daemon does it. The wall clock shows 2023-11-14
 * 22:13:20 UTC at the start and goes with the virtual one.
 */
#ifndef TESTS_WORLD_H
#define TESTS_WORLD_H

#include "common/app.h"
#include "common/text.h"
#include "dev/sim.h"

#define WORLD_SERVER TD_IP4(10, 0, 0, 2)
#define WORLD_CLIENT TD_IP4(10, 0, 0, 1)
#define WORLD_WALL   INT64_C(1700000000)

struct client {
    struct client *next;
    struct world *w;
    int s;
    struct text out; /* to be sent */
    size_t sent;
    struct text in;           /* received */
    size_t take;              /* reads no more than this much in all; SIZE_MAX at first */
    bool fin;                 /* half-closes when all is sent */
    bool eof;                 /* the server's FIN has come, and all before it */
    int err;                  /* the connection failed: negative errno */
    td_time eof_at, first_at; /* when the server's FIN, the first byte came */
};

struct world {
    struct sim *sim;
    struct sim_wire *wire;
    struct td_stack *server, *client;
    struct app_host host;
    const struct app_class *app;
    void *instance;
    char msg[300];
    struct client *clients;
    td_time next_tick;
};

struct world *world_new(void); /* 1 ms each way, 1 Gbit/s */
void world_free(struct world *w);
/* argv ends with NULL. What start returned; it must be 0 unless a test wants otherwise. */
int world_start(struct world *w, const struct app_class *app, ...);
const char *world_status(struct world *w);

/* Opens a connection; it is made while the world runs. */
struct client *world_connect(struct world *w, uint16_t port);
void client_say(struct client *c, const char *text);
void client_say_n(struct client *c, const void *bytes, size_t n);
void client_fin(struct client *c); /* FIN once everything is sent */
void client_take(struct client *c, size_t total);
void client_close(struct client *c); /* forgets it: c is gone */
bool client_got(const struct client *c, const char *text);

/* Runs for so long, or until done(ctx) says so. */
void world_run(struct world *w, td_time duration);
bool world_until(struct world *w, td_time limit, bool (*done)(void *ctx), void *ctx);
/* Until the server has closed this connection. */
bool world_until_eof(struct client *c, td_time limit);

#endif
