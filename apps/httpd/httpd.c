/* httpd/httpd.c: the web server as an application of the daemon: sockets, limits, time-outs.
 *
 * Layers, from the bytes up: request.c and chunked.c read, response.c (with path.c, range.c,
 * date.c, content.c) answers, session.c is one connection as bytes in and bytes out. This file
 * joins sessions to sockets. Everything happens in notifications, which come at the end of
 * td_stack_flush():
 *
 *     listener readable   → accept until -EAGAIN
 *     connection ready    → run(): send what the session has until -EAGAIN, else give it what has
 *                           come until -EAGAIN
 *
 * Edges, not levels, are notified, so run() goes on until the socket says -EAGAIN. A client that
 * pipelines thousands of small requests would keep it going for long; after TURNS steps it stops
 * and sets its notification anew, which is an edge again if the socket is ready, and the others
 * have their turn first.
 *
 * All connections share one buffer: a file's bytes go from pread(2) through it to the socket, a
 * body's from the socket through it to the hash. What the socket doesn't take is read again next
 * time, so a connection waiting for its client holds a descriptor and no data.
 *
 * The end of a connection (RFC 9112 9.6): the last response, FIN, then what still comes is read and
 * thrown away until the client's FIN or LINGER_TIME, because closing with unread data makes a
 * reset, which can destroy the response on its way.
 *
 * Limits. Beyond -c connections the one idle for longest is closed; if none is idle, newcomers wait
 * in the listen queue. Time-outs are checked once a second: see the constants.
 */
#include "common/app.h"
#include "common/args.h"
#include "common/parse.h"
#include "httpd/session.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#define CHUNK       (128U * 1024U) /* bytes of a response handed to the socket at once */
#define BUFFER_SIZE (512U * 1024U) /* not less than any session_room() */
#define TURNS       32
#define ACCEPTS     256

#define HEAD_TIME    (15 * TD_SEC) /* for a whole head, however it trickles; 408 */
#define IDLE_TIME    60            /* seconds between requests, and before the first one */
#define STALL_TIME   60   /* seconds without progress of a body (408) or of a response (cut) */
#define SLOWEST_RATE 256U /* bytes a second a body or a response must make on average */
#define LINGER_TIME  (5 * TD_SEC)

struct httpd;

struct conn {
    TAILQ_ENTRY(conn) all, idle;
    struct httpd *h;
    struct session *session;
    int s;
    bool in_idle;     /* in the list of idle ones */
    bool lingering;   /* FIN sent, waiting for the client's */
    bool eof;         /* the client's FIN has come */
    uint64_t turn;    /* session_turn at `since` */
    uint64_t counted; /* session_requests already in the sum of httpd */
    td_time since;    /* the session entered its phase, or lingering began */
    td_time moved;    /* bytes moved last */
};

TAILQ_HEAD(conns, conn);

struct httpd {
    struct app_host host;
    struct site site;
    char *dir;
    td_ip4 addr;
    uint16_t port;
    int listener;
    uint32_t limit, count;
    td_time rest;           /* how long a connection may wait for its first request or the next */
    td_time stall;          /* how long a body or a response may stand still */
    struct conns all, idle; /* idle: longest first */
    uint64_t accepted, requests;
    uint8_t *buffer;
};

static void notify_conn(void *ctx, struct td_stack *st, int s, int mask);
static void notify_listener(void *ctx, struct td_stack *st, int s, int mask);

/* ---- connections ---- */

static void count_requests(struct conn *c)
{
    c->h->requests += session_requests(c->session) - c->counted;
    c->counted = session_requests(c->session);
}

static void conn_end(struct conn *c)
{
    struct httpd *h = c->h;
    count_requests(c);
    td_close(h->host.st, c->s);
    TAILQ_REMOVE(&h->all, c, all);
    if (c->in_idle)
        TAILQ_REMOVE(&h->idle, c, idle);
    session_free(c->session);
    free(c);
    /* Somebody may be waiting for the place. */
    if (h->count-- == h->limit && h->listener >= 0)
        td_set_notify(h->host.st, h->listener, notify_listener, h);
}

/* The promised bytes can't be delivered, or the client doesn't take them: a reset says so. */
static void conn_cut(struct conn *c)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    td_setsockopt(c->h->host.st, c->s, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    conn_end(c);
}

static void begin_linger(struct conn *c)
{
    c->lingering = true;
    c->since = td_stack_now(c->h->host.st);
    td_shutdown(c->h->host.st, c->s, SHUT_WR);
}

/* After run(): the clocks of the phase, and the list of idle ones. */
static void conn_settle(struct conn *c)
{
    struct httpd *h = c->h;
    count_requests(c);
    if (!c->lingering && session_turn(c->session) != c->turn) {
        c->turn = session_turn(c->session);
        c->since = c->moved = td_stack_now(h->host.st);
    }
    bool is_idle = !c->lingering && session_phase(c->session) == SESSION_IDLE;
    if (c->in_idle)
        TAILQ_REMOVE(&h->idle, c, idle);
    if (is_idle)
        TAILQ_INSERT_TAIL(&h->idle, c, idle);
    c->in_idle = is_idle;
}

enum step { AGAIN, WAIT, END, CUT };

static enum step linger_step(struct conn *c)
{
    int64_t n = td_recv(c->h->host.st, c->s, c->h->buffer, BUFFER_SIZE, 0);
    return n > 0 ? AGAIN : n == -EAGAIN ? WAIT : END;
}

/* Something to send goes before something to read. */
static enum step conn_step(struct conn *c)
{
    struct httpd *h = c->h;
    struct td_stack *st = h->host.st;
    size_t n = session_pull(c->session, h->buffer, CHUNK);
    if (n > 0) {
        int64_t sent = td_send(st, c->s, h->buffer, n, MSG_NOSIGNAL);
        if (sent < 0)
            return sent == -EAGAIN ? WAIT : END;
        session_sent(c->session, (size_t)sent);
        c->moved = td_stack_now(st);
        return AGAIN;
    }
    switch (session_phase(c->session)) {
    case SESSION_BROKEN:
        return CUT;
    case SESSION_CLOSED:
        if (c->eof)
            return END;
        begin_linger(c);
        return AGAIN;
    default:
        break;
    }
    size_t room = session_room(c->session);
    if (room == 0) /* neither way: the session is at its end */
        return CUT;
    int64_t got = td_recv(st, c->s, h->buffer, room < BUFFER_SIZE ? room : BUFFER_SIZE, 0);
    if (got < 0)
        return got == -EAGAIN ? WAIT : END;
    if (got == 0) {
        c->eof = true;
        session_eof(c->session);
    } else {
        session_feed(c->session, h->buffer, (size_t)got);
        c->moved = td_stack_now(st);
    }
    return AGAIN;
}

/* After so many steps the others have their turn. It must be certain that ours comes again: setting
 * the notification anew is an edge if the socket is ready for anything now. If it isn't, the only
 * promise of an edge is an -EAGAIN, and that is near. */
static bool give_way(struct conn *c)
{
    if (td_poll(c->h->host.st, c->s) <= 0)
        return false;
    td_set_notify(c->h->host.st, c->s, notify_conn, c);
    return true;
}

/* Runs the connection as far as it goes. It may be gone afterwards. */
static void conn_run(struct conn *c)
{
    for (int turn = 1;; turn++) {
        switch (c->lingering ? linger_step(c) : conn_step(c)) {
        case AGAIN:
            if (turn < TURNS || !give_way(c))
                break;
            conn_settle(c);
            return;
        case WAIT:
            conn_settle(c);
            return;
        case END:
            conn_end(c);
            return;
        case CUT:
            conn_cut(c);
            return;
        }
    }
}

static void notify_conn(void *ctx, struct td_stack *st, int s, int mask)
{
    (void)st;
    (void)s;
    (void)mask;
    conn_run(ctx);
}

/* ---- accepting ---- */

static bool make_room(struct httpd *h)
{
    if (h->count < h->limit)
        return true;
    struct conn *oldest = TAILQ_FIRST(&h->idle);
    if (oldest == NULL)
        return false;
    conn_end(oldest);
    return true;
}

static void accept_all(struct httpd *h)
{
    struct td_stack *st = h->host.st;
    for (int n = 0; n < ACCEPTS; n++) {
        int mask = td_poll(st, h->listener);
        if (mask < 0 || (mask & POLLIN) == 0 || !make_room(h))
            return;
        int s = td_accept(st, h->listener, NULL, NULL);
        if (s < 0)
            return; /* none, or no handles or memory: tick tries again */
        struct conn *c = calloc(1, sizeof *c);
        struct session *session = session_new(&h->site);
        if (c == NULL || session == NULL) {
            free(c);
            session_free(session);
            td_close(st, s);
            return;
        }
        /* A response's last, short segment shouldn't wait for an acknowledgement (RFC
         * 1122 4.2.3.4). */
        const int on = 1;
        td_setsockopt(st, s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        *c = (struct conn){.h = h, .session = session, .s = s};
        c->since = c->moved = td_stack_now(st);
        TAILQ_INSERT_TAIL(&h->all, c, all);
        h->count++;
        h->accepted++;
        td_set_notify(st, s, notify_conn, c); /* what has come already is notified */
        conn_settle(c);
    }
    td_set_notify(st, h->listener, notify_listener, h);
}

static void notify_listener(void *ctx, struct td_stack *st, int s, int mask)
{
    (void)st;
    (void)s;
    (void)mask;
    accept_all(ctx);
}

/* ---- time ---- */

static bool too_slow(const struct conn *c, td_time now)
{
    uint64_t bytes = session_bytes(c->session);
    return now - c->moved > c->h->stall ||
           now - c->since > c->h->stall + bytes / SLOWEST_RATE * TD_SEC;
}

static void conn_tick(struct conn *c, td_time now)
{
    bool late = false;
    if (c->lingering) {
        if (now - c->since > LINGER_TIME)
            conn_end(c);
        return;
    }
    switch (session_phase(c->session)) {
    case SESSION_IDLE:
        late = now - c->since > c->h->rest;
        break;
    case SESSION_HEAD:
        late = now - c->since > HEAD_TIME;
        break;
    case SESSION_BODY:
    case SESSION_REPLY:
        late = too_slow(c, now);
        break;
    default:
        break;
    }
    if (late) {
        session_timeout(c->session);
        conn_run(c);
    }
}

static void httpd_tick(void *instance, td_time now)
{
    struct httpd *h = instance;
    struct conn *c, *next;
    for (c = TAILQ_FIRST(&h->all); c != NULL; c = next) {
        next = TAILQ_NEXT(c, all);
        conn_tick(c, now);
    }
    accept_all(h);
}

/* ---- start and stop ---- */

static void httpd_stop(void *instance)
{
    struct httpd *h = instance;
    struct conn *c;
    if (h->listener >= 0)
        td_close(h->host.st, h->listener);
    h->listener = -1;
    while ((c = TAILQ_FIRST(&h->all)) != NULL)
        conn_end(c);
    if (h->site.root >= 0)
        close(h->site.root);
    free(h->dir);
    free(h->buffer);
    free(h);
}

static int read_options(struct httpd *h, int argc, char **argv, char *msg, size_t msg_size)
{
    struct args a;
    uint64_t value;
    int letter, err = 0;
    args_init(&a, argc, argv, "a:p:m:c:k:t:");
    while (err == 0 && (letter = args_next(&a, msg, msg_size)) != -1) {
        switch (letter) {
        case 'a':
            err = args_addr("httpd", a.value, &h->addr, msg, msg_size);
            break;
        case 'p':
            err = args_number("httpd", "port", a.value, 1, 65535, &value, msg, msg_size);
            h->port = (uint16_t)(err == 0 ? value : 0);
            break;
        case 'm':
            err = args_number("httpd", "body size in bytes", a.value, 0, UINT64_MAX >> 4,
                              &h->site.max_body, msg, msg_size);
            break;
        case 'c':
            err = args_number("httpd", "number of connections", a.value, 1, 1U << 20, &value, msg,
                              msg_size);
            h->limit = (uint32_t)(err == 0 ? value : 0);
            break;
        case 'k':
            err = args_number("httpd", "time to keep idle connections in seconds", a.value, 1,
                              86400, &value, msg, msg_size);
            h->rest = err == 0 ? (td_time)value * TD_SEC : 0;
            break;
        case 't':
            err = args_number("httpd", "time without progress in seconds", a.value, 1, 86400,
                              &value, msg, msg_size);
            h->stall = err == 0 ? (td_time)value * TD_SEC : 0;
            break;
        default:
            err = -EINVAL;
        }
    }
    if (err == 0 && a.argc - a.index != 1) {
        snprintf(msg, msg_size, "httpd: %s; usage: %s",
                 a.index == a.argc ? "which directory shall be served?" : "one directory is served",
                 app_httpd.usage);
        err = -EINVAL;
    }
    if (err == 0 && (h->dir = strdup(a.argv[a.index])) == NULL) {
        snprintf(msg, msg_size, "httpd: no memory");
        err = -ENOMEM;
    }
    return err;
}

static int open_listener(struct httpd *h, char *msg, size_t msg_size)
{
    struct td_stack *st = h->host.st;
    const int on = 1;
    char addr[16];
    struct sockaddr_in name = td_sockaddr(h->addr, h->port);
    int err = h->listener = td_socket(st, AF_INET, SOCK_STREAM, 0);
    if (err >= 0) {
        td_setsockopt(st, h->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        err = td_bind(st, h->listener, (const struct sockaddr *)&name, sizeof name);
    }
    if (err >= 0)
        err = td_listen(st, h->listener, 4096);
    if (err >= 0)
        err = td_set_notify(st, h->listener, notify_listener, h);
    format_ip4(h->addr, addr);
    if (err == -EADDRINUSE)
        snprintf(msg, msg_size, "httpd: port %u is in use already; choose another with -p",
                 h->port);
    else if (err == -EADDRNOTAVAIL)
        snprintf(msg, msg_size,
                 "httpd: %s is not an address of this host; give it one with ip addr add", addr);
    else if (err < 0)
        snprintf(msg, msg_size, "httpd: can't listen on %s port %u: %s", addr, h->port,
                 strerror(-err));
    return err < 0 ? err : 0;
}

static int httpd_start(const struct app_host *host, int argc, char **argv, void **instance,
                       char *msg, size_t msg_size)
{
    struct httpd *h = calloc(1, sizeof *h);
    if (h == NULL || (h->buffer = malloc(BUFFER_SIZE)) == NULL) {
        free(h);
        snprintf(msg, msg_size, "httpd: no memory");
        return -ENOMEM;
    }
    h->host = *host;
    h->site = (struct site){
        .root = -1, .max_body = UINT64_C(8) << 30, .wall = host->wall, .ctx = host->ctx};
    h->port = 80;
    h->limit = 4096;
    h->rest = IDLE_TIME * TD_SEC;
    h->stall = STALL_TIME * TD_SEC;
    h->listener = -1;
    TAILQ_INIT(&h->all);
    TAILQ_INIT(&h->idle);
    int err = read_options(h, argc, argv, msg, msg_size);
    if (err == 0) {
        h->site.root = open(h->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (h->site.root < 0) {
            err = -errno;
            snprintf(msg, msg_size, "httpd: can't serve %s: %s", h->dir, strerror(-err));
        }
    }
    if (err == 0)
        err = open_listener(h, msg, msg_size);
    if (err != 0) {
        httpd_stop(h);
        return err;
    }
    *instance = h;
    return 0;
}

static void httpd_status(void *instance, char *dst, size_t size)
{
    const struct httpd *h = instance;
    char addr[16] = "*";
    if (h->addr != TD_IP4_ANY)
        format_ip4(h->addr, addr);
    snprintf(dst, size, "%s:%u %s %" PRIu32 " connections, %" PRIu64 " requests", addr, h->port,
             h->dir, h->count, h->requests);
}

const struct app_class app_httpd = {
    .name = "httpd",
    .usage = "httpd [-a ADDR] [-p PORT] [-m MAXBODY] [-c MAXCONN] [-k SECONDS] [-t SECONDS] DIR",
    .doc =
        "Serves the files of a directory over HTTP; what is PUT or POSTed is hashed, not stored.",
    .start = httpd_start,
    .stop = httpd_stop,
    .tick = httpd_tick,
    .status = httpd_status,
};
