/* tests/common/transfer_app.c: the applications of a transfer, see transfer.h.
 *
 * Theory of operation. An end is an event-driven program: whenever its socket has news, and when a
 * rest is over, it reads what there is, writes what may be written, and then looks whether its part
 * of the ending is due. It reads and writes in the pieces its plan says, and rests now and then,
 * which closes windows. What must come is known byte by byte, so it is compared as it is read.
 */
#include "transfer_internal.h"

#include <check.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

/* ---- the bytes ---- */

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* What `side` of connection i sends at [pos, pos+n). */
static void pattern(const struct transfer *x, const struct end *e, int side, uint64_t pos,
                    uint8_t *dst, size_t n)
{
    uint64_t key = mix(x->plan->seed * 64 + (uint64_t)(e->c - x->conn) * 2 + (uint64_t)side);
    while (n > 0) {
        uint64_t word = mix(key + (pos / 8) * UINT64_C(0x9e3779b97f4a7c15));
        size_t at = pos % 8, k = 8 - at < n ? 8 - at : n;
        memcpy(dst, (uint8_t *)&word + at, k);
        dst += k;
        pos += k;
        n -= k;
    }
}

/* ---- an application ---- */

static void end_over(struct end *e, int err)
{
    if (e->over)
        return;
    e->over = true;
    e->err = err;
    e->x->progress = sim_now(e->x->sim);
    if (e->s >= 0)
        td_close(e->st, e->s);
    e->s = -1;
}

const char *end_name(const struct end *e)
{
    static char text[2][40];
    snprintf(text[e->side], sizeof text[0], "connection %d's %s", (int)(e->c - e->x->conn),
             e->side == 0 ? "client" : "server");
    return text[e->side];
}

static td_time rest(struct end *e, uint32_t *left)
{
    struct transfer *x = e->x;
    if (*left == 0 || prng_below(&x->draw, 4) != 0)
        return 0;
    --*left;
    td_time until = sim_now(x->sim) + 1 + prng_u64(&x->draw) % e->plan->pause;
    wake_at(x, until);
    return until;
}

static void end_read(struct end *e)
{
    struct transfer *x = e->x;
    uint8_t *got = x->buf, *want = x->buf + 65536;
    while (!e->over && !e->eof && e->may_read <= sim_now(x->sim)) {
        int64_t n = td_recv(e->st, e->s, got, e->plan->read, 0);
        if (n == -EAGAIN || (n == -ENOTCONN && !e->connected))
            return;
        if (n < 0) {
            end_over(e, (int)-n);
            return;
        }
        x->progress = sim_now(x->sim);
        if (n == 0) {
            e->eof = true;
            if (e->rcvd < e->want && !e->c->end[1 - e->side].aborts)
                transfer_wrong(x, "%s sees the end of file after %llu of %llu bytes", end_name(e),
                               (unsigned long long)e->rcvd, (unsigned long long)e->want);
            return;
        }
        pattern(x, e, 1 - e->side, e->rcvd, want, (size_t)n);
        if (e->rcvd + (uint64_t)n > e->want || memcmp(got, want, (size_t)n) != 0) {
            transfer_wrong(x, "%s reads wrong bytes in [%llu, +%lld)", end_name(e),
                           (unsigned long long)e->rcvd, (long long)n);
            return;
        }
        e->rcvd += (uint64_t)n;
        e->may_read = rest(e, &e->read_pauses);
    }
}

static void end_write(struct end *e)
{
    struct transfer *x = e->x;
    if (e->c->plan->ending == REPLY_AFTER && e->side == 1 && !e->eof)
        return;
    while (!e->over && e->sent < e->plan->bytes && e->may_write <= sim_now(x->sim)) {
        uint64_t left = e->plan->bytes - e->sent;
        uint32_t k = 1 + prng_below(&x->draw, e->plan->write);
        k = left < k ? (uint32_t)left : k;
        pattern(x, e, e->side, e->sent, x->buf, k);
        int64_t n = td_send(e->st, e->s, x->buf, k, MSG_NOSIGNAL);
        if (n == -ENOBUFS && x->plan->starve != 0) { /* no memory just now */
            e->may_write = sim_now(x->sim) + 10 * TD_MS;
            wake_at(x, e->may_write);
        }
        if (n == -EAGAIN || n == -ENOBUFS)
            return;
        if (n < 0) {
            end_over(e, (int)-n);
            return;
        }
        x->progress = sim_now(x->sim);
        e->sent += (uint64_t)n;
        e->may_write = rest(e, &e->write_pauses);
    }
}

static bool all_sent(const struct end *e)
{
    return e->connected && e->sent == e->plan->bytes;
}
static bool all_done(const struct end *e)
{
    return all_sent(e) && e->rcvd == e->want;
}

static void end_shut(struct end *e)
{
    if (e->shut || e->over)
        return;
    e->shut = true;
    int err = td_shutdown(e->st, e->s, SHUT_WR);
    if (err != 0 && err != -ENOTCONN) /* it was reset meanwhile: reading will tell */
        transfer_wrong(e->x, "%s: shutdown says %d", end_name(e), err);
}

static void end_abort(struct end *e)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    e->aborts = true;
    ck_assert_int_eq(td_setsockopt(e->st, e->s, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    end_over(e, 0);
}

/* What the ending asks of this end now. */
static void end_ending(struct end *e)
{
    struct end *peer = &e->c->end[1 - e->side];
    bool first = e->side == 0; /* plays the part the ending's name gives to the client */
    switch (e->c->plan->ending) {
    case SERVER_CLOSES:
        first = !first;
        /* fall through */
    case CLIENT_CLOSES:
        if (first ? all_done(e) : e->eof && all_sent(e))
            end_over(e, 0);
        break;
    case SERVER_HALF:
        first = !first;
        /* fall through */
    case CLIENT_HALF:
    case REPLY_AFTER:
        if (first && all_sent(e))
            end_shut(e);
        if (e->eof && all_sent(e))
            end_over(e, 0);
        break;
    case BOTH_HALF:
        if (all_sent(e))
            end_shut(e);
        if (e->eof && all_sent(e))
            end_over(e, 0);
        break;
    case CLOSE_TOGETHER:
        if (all_done(e) && all_done(peer)) {
            end_over(e, 0);
            end_over(peer, 0);
        }
        break;
    case SHUT_TOGETHER:
        if (all_done(e) && all_done(peer)) {
            end_shut(e);
            end_shut(peer);
        }
        if (e->eof && all_sent(e))
            end_over(e, 0);
        break;
    case SERVER_LEAVES:
        first = !first;
        /* fall through */
    case CLIENT_LEAVES:
        if (first ? all_sent(e) : e->eof)
            end_over(e, 0);
        break;
    case SERVER_ABORTS:
        first = !first;
        /* fall through */
    case CLIENT_ABORTS:
        if (first && e->connected && e->sent + e->rcvd >= e->c->plan->abort_after)
            end_abort(e);
        else if (!first && e->eof)
            end_over(e, 0);
        break;
    default:
        break;
    }
}

void end_pump(struct end *e)
{
    if (!e->begun || e->over || transfer_failed(e->x))
        return;
    if (!e->connected) {
        int mask = td_poll(e->st, e->s), err = 0;
        socklen_t len = sizeof err;
        if ((mask & (POLLOUT | POLLERR | POLLHUP)) == 0)
            return;
        ck_assert_int_eq(td_getsockopt(e->st, e->s, SOL_SOCKET, SO_ERROR, &err, &len), 0);
        if (err != 0) {
            end_over(e, err);
            return;
        }
        e->connected = true;
        e->x->progress = sim_now(e->x->sim);
    }
    end_read(e);
    if (!e->over)
        end_write(e);
    if (!e->over)
        end_ending(e);
}

static void notified(void *ctx, struct td_stack *st, int s, int mask)
{
    struct end *e = ctx;
    (void)st;
    (void)s;
    (void)mask;
    end_pump(e);
}

static void end_options(struct end *e)
{
    const struct end_plan *p = e->plan;
    int one = 1, idle = 60, intvl = 20, count = 9;
    int err = 0;
    if (p->nodelay)
        err |= td_setsockopt(e->st, e->s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (p->sndbuf != 0)
        err |= td_setsockopt(e->st, e->s, SOL_SOCKET, SO_SNDBUF, &p->sndbuf, sizeof p->sndbuf);
    if (p->rcvbuf != 0)
        err |= td_setsockopt(e->st, e->s, SOL_SOCKET, SO_RCVBUF, &p->rcvbuf, sizeof p->rcvbuf);
    if (p->keepalive) {
        err |= td_setsockopt(e->st, e->s, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
        err |= td_setsockopt(e->st, e->s, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
        err |= td_setsockopt(e->st, e->s, IPPROTO_TCP, TCP_KEEPINTVL, &intvl, sizeof intvl);
        err |= td_setsockopt(e->st, e->s, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    }
    if (err != 0)
        transfer_wrong(e->x, "%s: an option was refused", end_name(e));
}

static void end_begin(struct end *e, int s)
{
    e->s = s;
    e->begun = true;
    end_options(e);
    td_set_notify(e->st, s, notified, e);
}

void conn_connect(struct transfer *x, struct conn *c, int side)
{
    x->host[side].sated = true;
    struct end *e = &c->end[side];
    int number = (int)(c - x->conn), s = td_socket(e->st, AF_INET, SOCK_STREAM, 0);
    uint16_t port = c->plan->crossed ? (uint16_t)(PORT_CROSS + number) : PORT;
    struct sockaddr_in to = td_sockaddr(side == 0 ? IP_B : IP_A, port), here;
    socklen_t len = sizeof here;
    ck_assert_int_ge(s, 0);
    if (c->plan->crossed) {
        struct sockaddr_in from = td_sockaddr(side == 0 ? IP_A : IP_B, port);
        ck_assert_int_eq(td_bind(e->st, s, (struct sockaddr *)&from, sizeof from), 0);
    }
    end_begin(e, s);
    int err = td_connect(e->st, s, (struct sockaddr *)&to, sizeof to);
    if (err != -EINPROGRESS)
        transfer_wrong(x, "%s: connect says %d", end_name(e), err);
    ck_assert_int_eq(td_getsockname(e->st, s, (struct sockaddr *)&here, &len), 0);
    c->port[side] = ntohs(here.sin_port);
    c->port[1 - side] = port;
    x->host[side].sated = false;
}

void transfer_acceptable(void *ctx, struct td_stack *st, int listener, int mask)
{
    struct transfer *x = ctx;
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    int s;
    (void)mask;
    while ((s = td_accept(st, listener, (struct sockaddr *)&from, &len)) >= 0) {
        struct end *e = NULL;
        for (unsigned i = 0; i < x->plan->conns; i++)
            if (x->conn[i].port[0] == ntohs(from.sin_port) && !x->conn[i].end[1].begun)
                e = &x->conn[i].end[1];
        if (e == NULL) { /* of a SYN that came twice, long after */
            td_close(st, s);
        } else {
            x->host[1].sated = true;
            end_begin(e, s);
            x->host[1].sated = false;
            end_pump(e);
        }
        len = sizeof from;
    }
    if (s != -EAGAIN) { /* no memory for a socket: nobody will call again */
        x->accept_at = sim_now(x->sim) + 10 * TD_MS;
        wake_at(x, x->accept_at);
    }
}
