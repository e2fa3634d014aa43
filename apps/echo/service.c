/* echo/service.c: what echo, discard, chargen, daytime and hoard have in common.
 *
 * Over TCP, a notification runs the connection's steps until the socket says -EAGAIN; after TURNS
 * steps the notification is set anew, which is an edge again, so that others have their turn. Bytes
 * that could not be sent are held, and nothing is read while something is held: TCP's window pushes
 * back on the client.
 *
 * Over UDP, each datagram is answered at once, from the address it was sent to (RFC 1123 2.3 and
 * RFC 1122 4.1.3.5), by way of IP_PKTINFO. Two rules keep a forged datagram from making two such
 * services talk to each other for ever: nothing is answered to the port of a small service, and
 * nothing that was sent to a broadcast or multicast address is.
 */
#include "echo/service.h"
#include "common/args.h"
#include "common/parse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TURNS       64
#define CONNS_MAX   1024U
#define IDLE_TIME   (300 * TD_SEC)
#define LINGER_TIME (5 * TD_SEC)

static void notify_conn(void *ctx, struct td_stack *st, int s, int mask);
static void notify_listener(void *ctx, struct td_stack *st, int s, int mask);
static void notify_udp(void *ctx, struct td_stack *st, int s, int mask);

/* ---- TCP ---- */

static void conn_end(struct service_conn *c)
{
    struct service *v = c->v;
    td_close(v->host.st, c->s);
    TAILQ_REMOVE(&v->conns, c, all);
    free(c->held);
    free(c);
    if (v->count-- == CONNS_MAX && v->tcp >= 0)
        td_set_notify(v->host.st, v->tcp, notify_listener, v);
}

enum service_step service_send(struct service_conn *c, const uint8_t *p, size_t len)
{
    struct service *v = c->v;
    int64_t n = td_send(v->host.st, c->s, p, len, MSG_NOSIGNAL);
    if (n < 0 && n != -EAGAIN)
        return SERVICE_END;
    size_t sent = n < 0 ? 0 : (size_t)n;
    if (sent > 0)
        c->moved = td_stack_now(v->host.st);
    v->bytes += sent;
    c->count += sent;
    if (sent == len)
        return SERVICE_AGAIN;
    c->held = malloc(len - sent);
    if (c->held == NULL)
        return SERVICE_END;
    memcpy(c->held, p + sent, len - sent);
    c->held_at = 0;
    c->held_len = len - sent;
    return service_send_held(c); /* to the -EAGAIN that promises an edge */
}

enum service_step service_send_held(struct service_conn *c)
{
    struct service *v = c->v;
    while (c->held != NULL) {
        int64_t n = td_send(v->host.st, c->s, c->held + c->held_at, c->held_len, MSG_NOSIGNAL);
        if (n < 0)
            return n == -EAGAIN ? SERVICE_WAIT : SERVICE_END;
        c->moved = td_stack_now(v->host.st);
        v->bytes += (uint64_t)n;
        c->count += (uint64_t)n;
        c->held_at += (size_t)n;
        c->held_len -= (size_t)n;
        if (c->held_len == 0) {
            free(c->held);
            c->held = NULL;
        }
    }
    return SERVICE_AGAIN;
}

enum service_step service_drain(struct service_conn *c)
{
    struct service *v = c->v;
    int64_t n = td_recv(v->host.st, c->s, v->buffer, SERVICE_BUFFER, 0);
    if (n == -EAGAIN)
        return SERVICE_WAIT;
    if (n <= 0)
        return SERVICE_END;
    c->moved = td_stack_now(v->host.st);
    return SERVICE_AGAIN;
}

/* The others have their turn, if it is certain that ours comes again: setting the notification anew
 * is an edge if the socket is ready now; if it isn't, -EAGAIN, which promises one, is near. */
static bool give_way(struct service_conn *c)
{
    if (td_poll(c->v->host.st, c->s) <= 0)
        return false;
    td_set_notify(c->v->host.st, c->s, notify_conn, c);
    return true;
}

static void conn_run(struct service_conn *c)
{
    struct td_stack *st = c->v->host.st;
    for (int turn = 1;; turn++) {
        switch (c->ending ? service_drain(c) : c->v->class->step(c)) {
        case SERVICE_AGAIN:
            if (turn < TURNS || !give_way(c))
                break;
            return;
        case SERVICE_WAIT:
            return;
        case SERVICE_FIN:
            if (c->eof) {
                conn_end(c);
                return;
            }
            c->ending = true;
            c->moved = td_stack_now(st);
            td_shutdown(st, c->s, SHUT_WR);
            break;
        case SERVICE_END:
            conn_end(c);
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

static void accept_all(struct service *v)
{
    struct td_stack *st = v->host.st;
    while (v->tcp >= 0 && v->count < CONNS_MAX) {
        int s = td_accept(st, v->tcp, NULL, NULL);
        if (s < 0)
            return;
        struct service_conn *c = calloc(1, sizeof *c);
        if (c == NULL) {
            td_close(st, s);
            return;
        }
        *c = (struct service_conn){.v = v, .s = s, .moved = td_stack_now(st)};
        TAILQ_INSERT_TAIL(&v->conns, c, all);
        v->count++;
        v->connections++;
        td_set_notify(st, s, notify_conn, c);
    }
}

static void notify_listener(void *ctx, struct td_stack *st, int s, int mask)
{
    (void)st;
    (void)s;
    (void)mask;
    accept_all(ctx);
}

/* ---- UDP ---- */

/* Ports whose owners would answer an answer: echo, discard, daytime, quote, chargen, time. */
static bool small_service(const struct service *v, uint16_t port)
{
    return port == 0 || port == 7 || port == 9 || port == 13 || port == 17 || port == 19 ||
           port == 37 || port == v->port;
}

static bool unicast(td_ip4 a)
{
    return a != TD_IP4_ANY && a >> 28 < 0xe;
}

/* One datagram. False: there is none. */
static bool udp_step(struct service *v)
{
    union {
        struct cmsghdr align;
        uint8_t space[CMSG_SPACE(sizeof(struct in_pktinfo))];
    } control;
    struct sockaddr_in from;
    struct iovec iov = {.iov_base = v->buffer, .iov_len = SERVICE_BUFFER};
    struct msghdr m = {.msg_name = &from,
                       .msg_namelen = sizeof from,
                       .msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control};
    int64_t n = td_recvmsg(v->host.st, v->udp, &m, 0);
    if (n == -EAGAIN || n == -EBADF)
        return false;
    if (n < 0)
        return true; /* an ICMP error about an earlier answer: nothing to be done about it */
    struct in_pktinfo info = {0};
    bool has_info = false;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO &&
            c->cmsg_len >= CMSG_LEN(sizeof info)) {
            memcpy(&info, CMSG_DATA(c), sizeof info);
            has_info = true;
        }
    }
    v->datagrams++;
    /* ipi_spec_dst is the local address; where it isn't the destination, that was no unicast. */
    if (has_info && info.ipi_addr.s_addr != info.ipi_spec_dst.s_addr)
        return true;
    if (small_service(v, ntohs(from.sin_port)) || !unicast(ntohl(from.sin_addr.s_addr)))
        return true;
    int64_t len = v->class->answer(v, v->buffer, (size_t)n);
    if (len < 0)
        return true;
    struct msghdr reply = {
        .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &iov, .msg_iovlen = 1};
    iov.iov_len = (size_t)len;
    if (has_info) {
        memset(&control, 0, sizeof control);
        reply.msg_control = &control;
        reply.msg_controllen = sizeof control;
        struct cmsghdr *c = CMSG_FIRSTHDR(&reply);
        c->cmsg_level = IPPROTO_IP;
        c->cmsg_type = IP_PKTINFO;
        c->cmsg_len = CMSG_LEN(sizeof info);
        struct in_pktinfo out = {.ipi_spec_dst = info.ipi_spec_dst};
        memcpy(CMSG_DATA(c), &out, sizeof out);
    }
    n = td_sendmsg(v->host.st, v->udp, &reply, 0);
    if (n > 0)
        v->bytes += (uint64_t)n;
    return true; /* an answer that can't be sent is lost, as datagrams are */
}

static void notify_udp(void *ctx, struct td_stack *st, int s, int mask)
{
    struct service *v = ctx;
    (void)mask;
    for (int turn = 0; turn < TURNS; turn++) {
        if (!udp_step(v))
            return;
    }
    td_set_notify(st, s, notify_udp, v);
}

/* ---- start, stop, time ---- */

void service_tick(void *instance, td_time now)
{
    struct service *v = instance;
    struct service_conn *c, *next;
    for (c = TAILQ_FIRST(&v->conns); c != NULL; c = next) {
        next = TAILQ_NEXT(c, all);
        if (!v->class->hoards && now - c->moved > (c->ending ? LINGER_TIME : IDLE_TIME))
            conn_end(c);
    }
    accept_all(v); /* what could not be accepted for want of memory or handles */
}

void service_stop(void *instance)
{
    struct service *v = instance;
    struct service_conn *c;
    if (v->tcp >= 0)
        td_close(v->host.st, v->tcp);
    if (v->udp >= 0)
        td_close(v->host.st, v->udp);
    v->tcp = v->udp = -1;
    while ((c = TAILQ_FIRST(&v->conns)) != NULL)
        conn_end(c);
    free(v->buffer);
    free(v);
}

void service_status(void *instance, char *dst, size_t size)
{
    const struct service *v = instance;
    char addr[16] = "*";
    if (v->addr != TD_IP4_ANY)
        format_ip4(v->addr, addr);
    snprintf(dst, size,
             "%s:%u%s%s %" PRIu32 " connections, %" PRIu64 " datagrams, %" PRIu64 " bytes sent",
             addr, v->port, v->tcp >= 0 ? " tcp" : "", v->udp >= 0 ? " udp" : "", v->count,
             v->datagrams, v->bytes);
}

/* The sentence for what a socket call refused. */
static int refused(const struct service *v, const char *protocol, int err, char *msg,
                   size_t msg_size)
{
    const char *name = v->class->app->name;
    char addr[16];
    format_ip4(v->addr, addr);
    if (err == -EADDRINUSE)
        snprintf(msg, msg_size, "%s: %s port %u is in use already; choose another with -p", name,
                 protocol, v->port);
    else if (err == -EADDRNOTAVAIL)
        snprintf(msg, msg_size,
                 "%s: %s is not an address of this host; give it one with ip addr add", name, addr);
    else
        snprintf(msg, msg_size, "%s: can't use %s port %u on %s: %s", name, protocol, v->port, addr,
                 strerror(-err));
    return err;
}

static int open_sockets(struct service *v, bool tcp, bool udp, char *msg, size_t msg_size)
{
    struct td_stack *st = v->host.st;
    struct sockaddr_in name = td_sockaddr(v->addr, v->port);
    const int on = 1;
    int err;
    if (tcp) {
        err = v->tcp = td_socket(st, AF_INET, SOCK_STREAM, 0);
        if (err >= 0) {
            td_setsockopt(st, v->tcp, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
            err = td_bind(st, v->tcp, (const struct sockaddr *)&name, sizeof name);
        }
        if (err >= 0)
            err = td_listen(st, v->tcp, 128);
        if (err >= 0)
            err = td_set_notify(st, v->tcp, notify_listener, v);
        if (err < 0)
            return refused(v, "TCP", err, msg, msg_size);
    }
    if (udp) {
        err = v->udp = td_socket(st, AF_INET, SOCK_DGRAM, 0);
        if (err >= 0)
            err = td_bind(st, v->udp, (const struct sockaddr *)&name, sizeof name);
        if (err >= 0) {
            td_setsockopt(st, v->udp, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
            err = td_set_notify(st, v->udp, notify_udp, v);
        }
        if (err < 0)
            return refused(v, "UDP", err, msg, msg_size);
    }
    return 0;
}

static int read_options(struct service *v, int argc, char **argv, bool *tcp, bool *udp, char *msg,
                        size_t msg_size)
{
    const struct app_class *app = v->class->app;
    struct args a;
    uint64_t value;
    int letter, err = 0;
    args_init(&a, argc, argv, "a:p:tu");
    while (err == 0 && (letter = args_next(&a, msg, msg_size)) != -1) {
        switch (letter) {
        case 'a':
            err = args_addr(app->name, a.value, &v->addr, msg, msg_size);
            break;
        case 'p':
            err = args_number(app->name, "port", a.value, 1, 65535, &value, msg, msg_size);
            v->port = (uint16_t)(err == 0 ? value : 0);
            break;
        case 't':
            *tcp = true;
            break;
        case 'u':
            *udp = true;
            break;
        default:
            err = -EINVAL;
        }
    }
    if (err == 0 && a.index < a.argc) {
        snprintf(msg, msg_size, "%s: \"%s\" means nothing here; usage: %s", app->name,
                 a.argv[a.index], app->usage);
        err = -EINVAL;
    }
    if (!*tcp && !*udp)
        *tcp = *udp = true;
    return err;
}

int service_start(const struct service_class *class, const struct app_host *host, int argc,
                  char **argv, void **instance, char *msg, size_t msg_size)
{
    bool tcp = false, udp = false;
    struct service *v = calloc(1, sizeof *v);
    if (v == NULL || (v->buffer = malloc(SERVICE_BUFFER)) == NULL) {
        free(v);
        snprintf(msg, msg_size, "%s: no memory", class->app->name);
        return -ENOMEM;
    }
    v->class = class;
    v->host = *host;
    v->port = class->port;
    v->tcp = v->udp = -1;
    TAILQ_INIT(&v->conns);
    int err = read_options(v, argc, argv, &tcp, &udp, msg, msg_size);
    if (err == 0)
        err = open_sockets(v, tcp, udp, msg, msg_size);
    if (err != 0) {
        service_stop(v);
        return err;
    }
    *instance = v;
    return 0;
}
